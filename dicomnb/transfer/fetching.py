"""Fetching instances: in one stream or side by side, each once, and again what was cut."""

from __future__ import annotations

import secrets
import time
from time import monotonic
from typing import TYPE_CHECKING

from dicomnb.errors import (
    Cancelled,
    DicomnbError,
    ProtocolError,
    ServerError,
    Unsupported,
)
from dicomnb.options import USUAL_WORKERS
from dicomnb.pool import closed_after, side_by_side
from dicomnb.transfer.identity import named, parts_of
from dicomnb.transfer.planning import (
    Flight,
    Job,
    Listing,
    Pace,
    is_faster_side_by_side,
    seems_faster_side_by_side,
)
from dicomnb.wire.layouts import Layouts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from typing_extensions import Buffer

    from dicomnb.pool import Cancel
    from dicomnb.refs import Ref
    from dicomnb.source import Source
    from dicomnb.wire.parts import Part

    Take = Callable[[Part, Ref], None]
    Fail = Callable[[Ref, Exception], None]

__all__ = ["Fetch", "fetch", "raising"]

ATTEMPTS = 3
"""How often an instance is asked for whose answer is cut."""
PAUSE_SECONDS = 0.2


def raising(ref: Ref, error: Exception) -> None:
    """The way to fail where any failure ends the whole."""
    raise error


def fetch(
    source: Source,
    jobs: Sequence[Job],
    take: Take,
    *,
    workers: int,
    beside: int = 1,
    transfer_syntax: str = "*",
    fail: Fail = raising,
    cancel: Cancel | None = None,
) -> None:
    """Hand every instance of ``jobs`` to ``take(part, ref)``, each once, from several threads.

    Args:
        take: called with a part that is known to be of the instance ``ref``, to be read from
            its first byte. When the answer breaks off in it, it is called again for that ref.
        workers: requests in flight at most; more than usual only where they are seen to pay.
        beside: how many such calls there are, this one among them, that share ``workers``.
        fail: called with what could not be had and why; what it raises ends the whole.

    Raises:
        Cancelled: asked to stop.
    """
    usual, shares = min(workers, USUAL_WORKERS), max(1, len(jobs)) * beside
    start, most = max(1, usual // shares), max(1, workers // shares)

    def run(job: Job, inner: Cancel | None) -> None:
        one = Fetch(source, job, take, workers=start, most=most, fail=fail, cancel=inner)
        try:
            one.run(transfer_syntax)
        except Cancelled:
            raise
        except (DicomnbError, OSError) as error:
            one.fail_rest(error)
        finally:
            one.close()

    if len(jobs) == 1:
        run(jobs[0], cancel)
        return
    every = side_by_side(run, jobs, workers=max(1, usual // beside), cancel=cancel, ordered=False)
    with closed_after(every):
        for _ in every:
            pass


class Fetch:
    """One job: which of its instances are done, and how its line runs.

    Args:
        workers: requests in flight at first.
        most: requests in flight where more than at first are faster.
    """

    def __init__(
        self,
        source: Source,
        job: Job,
        take: Take,
        *,
        workers: int,
        most: int | None = None,
        fail: Fail = raising,
        cancel: Cancel | None = None,
    ) -> None:
        self.source = source
        self.job = job
        self._layouts = Layouts()
        self._take = take
        self._workers = workers
        self._most = most or workers
        self._fail = fail
        self._cancel = cancel
        self._wanted = None if job.wanted is None else dict.fromkeys(job.wanted)
        self._told = job.told
        self._listing = job.listing
        self._is_all_listed = True
        self._handled: set[str] = set()
        self._waited = 0.0
        self._each_seconds = 0.0

    def run(self, transfer_syntax: str = "*") -> None:
        """Fetch it."""
        if self.job.ref.level == "instance":
            self._single(self.job.ref, self._cancel, transfer_syntax)
            return
        is_through, reason = self._streamed(transfer_syntax)
        self._hear()
        was_left = not is_through and reason is None
        if was_left and (self._is_listed_short() or not self._apart(transfer_syntax)):
            is_through, reason = self._streamed(transfer_syntax, may_leave=False)
        if not is_through or self._lacks_some():
            self._rest(transfer_syntax, reason)

    def close(self) -> None:
        """Stop a search of its own for what there is."""
        if self._listing is not None and self._listing is not self.job.listing:
            self._listing.close()

    def fail_rest(self, error: Exception) -> None:
        """Say of everything that is not done yet that it could not be had."""
        for ref in self._missing() or (self.job.ref,):
            self._fail(ref, error)

    def _streamed(
        self, transfer_syntax: str, *, may_leave: bool = True
    ) -> tuple[bool, DicomnbError | None]:
        """Whether one answer came to its end, and what it broke off with, if that can be mended."""
        try:
            return self._stream(transfer_syntax, may_leave=may_leave), None
        except (ProtocolError, ServerError, Unsupported) as error:
            # A long answer that breaks, or that a server is too slow or unable to make at once.
            if isinstance(error, ProtocolError) and not error.cut:
                raise
            return False, error

    def _stream(self, transfer_syntax: str, *, may_leave: bool) -> bool:
        """Take the instances of one answer; False where they would come faster one by one."""
        begin, first, came = monotonic(), None, 0
        ref = self.job.ref
        parts = parts_of(self.source, ref, transfer_syntax=transfer_syntax, cancel=self._cancel)
        with closed_after(parts):
            for part in self._timed(parts):
                if first is None:
                    first, self._waited = monotonic() - begin, 0.0
                self._accept(part)
                came += 1
                pace = Pace(first, self._waited, came)
                if may_leave and self._should_leave(pace):
                    self._each_seconds = (monotonic() - begin - first) / came
                    return False
        return True

    def _should_leave(self, pace: Pace) -> bool:
        """Whether the rest would perhaps come faster by itself. Where that is to be expected, what
        there is is searched for while the stream is still watched."""
        if self._listing is not None and self._listing.is_done:
            self._hear()
        left, workers = self._count - len(self._handled), self._workers
        if pace.is_from_afar and seems_faster_side_by_side(pace, left=left, workers=workers):
            self._search()
        return is_faster_side_by_side(pace, left=left, workers=workers)

    def _apart(self, transfer_syntax: str) -> bool:
        """Fetch what is missing side by side; False where it was seen that the whole stream anew
        would be quicker."""
        missing = self._listed()
        flight = Flight(
            len(missing),
            start=self._workers,
            most=self._most,
            stream=self._each_seconds,
            anew=len(self._wanted or ()),
        )
        with closed_after(self._each(missing, transfer_syntax, flight)) as every:
            for _ in every:
                flight.land(monotonic())
        return not flight.is_given_up

    def _accept(self, part: Part) -> None:
        """Take one part of a stream unless it was had before or is not wanted."""
        ref = self.job.ref
        try:
            instance, whole = named(part, ref, self._layouts)
            if str(instance.instance) in self._handled or not self._is_wanted(instance):
                return
            ref = instance
            self._take(whole, instance)
        except Cancelled:
            raise
        except (DicomnbError, OSError) as error:
            if isinstance(error, ProtocolError) and error.cut:
                raise
            self._fail(ref, error)
        if ref.instance is not None:
            self._handled.add(ref.instance)

    def _is_wanted(self, instance: Ref) -> bool:
        return not self.job.only or instance in (self._wanted or ())

    def _timed(self, parts: Iterator[Part]) -> Iterator[Part]:
        """The parts; what waiting for the line takes is added up, not what is done with them."""
        while True:
            begin = monotonic()
            part = next(parts, None)
            self._waited += monotonic() - begin
            if part is None:
                return
            yield _Timed(part, self)

    def _lacks_some(self) -> bool:
        """Whether fewer came than should have."""
        if self._wanted is not None:
            return bool(self._missing())
        return len(self._handled) < (self._told or 0)

    @property
    def _count(self) -> int:
        """How many instances should come, as far as it is known."""
        return (self._told or 0) if self._wanted is None else len(self._wanted)

    def _missing(self) -> list[Ref]:
        wanted = self._wanted or ()
        return [ref for ref in wanted if ref.instance not in self._handled]

    def _rest(self, transfer_syntax: str, reason: DicomnbError | None) -> None:
        """Ask for what is missing, an instance a request.

        Raises:
            DicomnbError: ``reason``, where nobody can tell what is missing.
        """
        missing = self._listed()
        if not self._wanted and reason is not None:
            raise reason
        with closed_after(self._each(missing, transfer_syntax)) as every:
            for _ in every:
                pass
        if reason is not None and self._may_lack_others():
            raise reason

    def _search(self) -> None:
        """Begin to ask the server what there is, where nobody said."""
        if self._wanted is None and self._listing is None:
            beside = self._most > 1
            self._listing = Listing(self.source, self.job.ref, beside=beside, cancel=self._cancel)

    def _hear(self) -> None:
        """What the search says that came with the job: it counts, if it tells of every row which
        instance it is."""
        if self._listing is None or self._listing is not self.job.listing:
            return
        found, count = self._listing.result()
        if self._wanted is None and self._told is None:
            self._wanted = dict.fromkeys(found) if found and len(found) == count else None
            self._told = count or None

    def _listed(self) -> list[Ref]:
        """What is missing; the server is asked what there is where nobody said."""
        self._search()
        if self._wanted is None and self._listing is not None:
            found, count = self._listing.result()
            self._wanted, self._is_all_listed = dict.fromkeys(found), len(found) == count
        return self._missing()

    def _is_listed_short(self) -> bool:
        """Whether a search tells of fewer instances than there should be, or not of some that
        came: a stream may have all."""
        self._listed()
        known = {ref.instance for ref in self._wanted or ()}
        is_short = not self._is_all_listed or len(known) < (self._told or 0)
        return is_short or not self._handled <= known

    def _may_lack_others(self) -> bool:
        """Whether there may be more than those that were asked for by themselves."""
        return len(self._handled) < self._told if self._told else not self._is_all_listed

    def _each(
        self, missing: Sequence[Ref], transfer_syntax: str, flight: Flight | None = None
    ) -> Iterator[None]:
        """Ask for each by itself, side by side; gives something for each that is done."""

        def ask(ref: Ref, inner: Cancel) -> None:
            self._single(ref, inner, transfer_syntax)

        return side_by_side(
            ask,
            missing,
            workers=self._most if flight else self._workers,
            cancel=self._cancel,
            ordered=False,
            window=(lambda: flight.window) if flight else None,
        )

    def _single(self, ref: Ref, cancel: Cancel | None, transfer_syntax: str) -> None:
        """Ask for one instance, and again while its answer is cut."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._ask(ref, cancel, transfer_syntax)
                break
            except Cancelled:
                raise
            except (DicomnbError, OSError) as error:
                is_cut = isinstance(error, ProtocolError) and error.cut
                if is_cut and ref.instance in self._handled:
                    break  # it was taken whole before the end of the answer broke off
                if not is_cut or attempt == ATTEMPTS:
                    self._fail(ref, error)
                    break
            _pause(attempt, cancel)
        self._handled.add(str(ref.instance))

    def _ask(self, ref: Ref, cancel: Cancel | None, transfer_syntax: str) -> None:
        parts = parts_of(self.source, ref, transfer_syntax=transfer_syntax, cancel=cancel)
        # To the end of the answer: its connection can be used again only then.
        with closed_after(parts):
            for part in parts:
                if ref.instance in self._handled:
                    raise ProtocolError(
                        f"Asked for {ref.path}, and more than one part came.",
                        url=self.source.address,
                    )
                self._take(named(part, ref, self._layouts)[1], ref)
                self._handled.add(str(ref.instance))


def _pause(attempt: int, cancel: Cancel | None) -> None:
    seconds = PAUSE_SECONDS * attempt * (0.5 + secrets.randbelow(512) / 1024)
    if cancel is None:
        time.sleep(seconds)
    else:
        cancel.wait(seconds)


class _Timed:
    """A part that adds up how long reading it waits for the line."""

    def __init__(self, part: Part, owner: Fetch) -> None:
        self._part = part
        self._owner = owner
        self.media_type = part.media_type
        self.transfer_syntax = part.transfer_syntax
        self.location = part.location
        self.length = part.length

    def read(self) -> bytes:
        """All bytes that have not been read yet."""
        begin = monotonic()
        try:
            return self._part.read()
        finally:
            self._owner._waited += monotonic() - begin

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill ``buffer``; fewer bytes only at the end."""
        begin = monotonic()
        try:
            return self._part.readinto(buffer)
        finally:
            self._owner._waited += monotonic() - begin
