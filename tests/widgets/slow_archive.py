"""The demo's folder behind the embedded server, which waits in the middle until a test lets it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dicomnb as dn
from dicomnb.local.folder import FolderSource
from dicomnb.pool import Cancel
from dicomnb.refs import Ref
from dicomnb.wire.parts import Part


class SlowSource(FolderSource):
    """Sends ``free`` instances, and the others when ``go`` is set.

    Attributes:
        sent: how often the sending of each instance was begun.
    """

    def __init__(self, path: Path, *, free: int) -> None:
        self.free = free
        self.go = threading.Event()
        self.sent: Counter[str] = Counter()
        self._lock = threading.Lock()
        super().__init__(path)

    def instances(
        self, ref: Ref, *, transfer_syntax: str = "*", cancel: Cancel | None = None
    ) -> Iterator[Part]:
        for part in super().instances(ref, transfer_syntax=transfer_syntax, cancel=cancel):
            while not self._is_let_go(part):
                self.go.wait(0.02)
                if cancel is not None:
                    cancel.check()
            yield part

    def _is_let_go(self, part: Part) -> bool:
        """Whether it may be sent, and is counted; several threads ask at a time."""
        with self._lock:
            if not self.go.is_set() and sum(self.sent.values()) >= self.free:
                return False
            self.sent[str(part.location).rpartition("/")[2]] += 1
            return True


@contextmanager
def slow_archive(folder: Path, *, free: int) -> Iterator[tuple[dn.Archive, SlowSource]]:
    """An archive that stands still after ``free`` instances, and its source."""
    source = SlowSource(folder, free=free)
    with dn.serve(source) as url, dn.connect(url) as archive:
        try:
            yield archive, source
        finally:
            source.go.set()
    source.close()
