"""What a transfer tells while it runs, and the bar that shows it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from dicomnb.wire.parts import Part

__all__ = ["Counted", "Counter", "Progress", "Tell", "Telling", "telling"]

_OFTEN_SECONDS = 0.1


@dataclass(frozen=True)
class Progress:
    """How far some work has come.

    Attributes:
        done: rows or instances finished, those that failed included.
        bytes_done: bytes moved over the line; what was there already is not counted.
        total: rows or instances in all, or None while that is not known. Files to be stored that
            have not been looked at count: those that turn out not to be DICOM no longer do.
        failed: how many of ``done`` failed.
        skipped: how many of ``done`` were there already.
        seconds: since the work began.
    """

    done: int
    bytes_done: int = 0
    total: int | None = None
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0

    @property
    def speed(self) -> float:
        """Bytes a second, over the whole time."""
        return self.bytes_done / self.seconds if self.seconds > 0 else 0.0

    @property
    def bytes_total(self) -> int | None:
        """Bytes in all, reckoned from those that came so far; None while nobody can say."""
        moved = self.done - self.skipped - self.failed
        if self.total is None or moved < 1:
            return None
        return round(self.bytes_done / moved * (self.total - self.skipped - self.failed))

    @property
    def seconds_left(self) -> float | None:
        """Seconds that the rest will take at this pace; None while nobody can say."""
        moved = self.done - self.skipped
        if self.total is None or moved < 1:
            return None
        return self.seconds / moved * max(self.total - self.done, 0)


Tell = Callable[[Progress], None]
Telling = bool | Tell | None
"""What ``progress=`` may be: None or False for silence, True for a bar, or a function."""


class Counter:
    """Counts over all threads of a transfer, and tells; one call at a time."""

    def __init__(self, tell: Tell, *, total: int | None = None) -> None:
        self._lock = threading.Lock()
        self._tell = tell
        self._total = total
        self._done = self._failed = self._skipped = self._bytes = 0
        self._begun = monotonic()
        self._told = 0.0

    def moved(self, size: int) -> None:
        """Some bytes came; told ten times a second at most."""
        with self._lock:
            self._bytes += size
            if monotonic() - self._told >= _OFTEN_SECONDS:
                self._say()

    def finished(self, size: int = 0, *, failed: bool = False, skipped: bool = False) -> None:
        """One more is done, with ``size`` bytes that `moved` was not told of."""
        with self._lock:
            self._done += 1
            self._bytes += size
            self._failed += failed
            self._skipped += skipped
            self._say()

    @property
    def left(self) -> int | None:
        """How many are still to come, or None when that is not known."""
        return None if self._total is None else self._total - self._done

    def expect(self, more: int) -> None:
        """There are so many more than was known; told where all of them came before."""
        with self._lock:
            self._total = (self._total or 0) + more
            if self._total <= self._done:
                self._say()

    def _say(self) -> None:
        self._told = monotonic()
        total = None if self._total is None else max(self._total, self._done)
        seconds = self._told - self._begun
        self._tell(Progress(self._done, self._bytes, total, self._failed, self._skipped, seconds))


class Counted:
    """A part whose bytes are counted as they are read; see `dicomnb.wire.parts.Part`."""

    def __init__(self, part: Part, counter: Counter) -> None:
        self._part = part
        self._counter = counter
        self.media_type = part.media_type
        self.transfer_syntax = part.transfer_syntax
        self.location = part.location
        self.length = part.length

    def read(self) -> bytes:
        """All bytes that have not been read yet."""
        data = self._part.read()
        self._counter.moved(len(data))
        return data

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill ``buffer``; fewer bytes only at the end."""
        count = self._part.readinto(buffer)
        self._counter.moved(count)
        return count


@contextlib.contextmanager
def telling(progress: Telling, label: str, *, unit: str = "instance") -> Iterator[Tell]:
    """What ``progress=`` asks for, for the length of a ``with`` block."""
    if callable(progress):
        yield progress
    elif not progress:
        yield _silent
    else:
        from tqdm.auto import tqdm

        with tqdm(desc=label, unit=f" {unit}", leave=False) as bar:

            def draw(told: Progress) -> None:
                bar.total = told.total
                if told.bytes_done:
                    words = f"{told.bytes_done / 1e6:,.1f} MB"
                    words += f", {told.speed / 1e6:,.1f} MB/s" if told.seconds else ""
                    words += f", {told.failed} failed" if told.failed else ""
                    bar.set_postfix_str(words, refresh=False)
                bar.update(told.done - bar.n)

            yield draw


def _silent(progress: Progress) -> None:
    """Say nothing."""
