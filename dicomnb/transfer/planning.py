"""What to ask for: one stream or many requests, and how many of these at once.

Pure but for the searches that list instances.
"""

from __future__ import annotations

import contextvars
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from dicomnb.errors import BadQuery, RefError, Unsupported
from dicomnb.pool import Cancel
from dicomnb.query import Query
from dicomnb.refs import LEVELS, Ref
from dicomnb.tables.uids import uids_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dicomnb.source import Source

__all__ = [
    "Flight",
    "Job",
    "Listing",
    "Pace",
    "is_faster_side_by_side",
    "jobs_of",
    "listed",
    "related_instances",
    "seems_faster_side_by_side",
]

CLIENT_SECONDS = 0.002
"""What a request costs on this side, whatever the line: threads do not share it."""
PROBE_SECONDS = 0.2
"""How long the line is watched before anything is concluded from it."""
PROBE_INSTANCES = 4
REMOTE_SECONDS = 0.02
"""An answer that takes so long to begin comes from afar, rather than from a busy machine."""
REMOTE_PROBE_SECONDS = 0.08
"""How long such a line is watched: what it waits for then hardly is the machine."""
WORTH_IT = 0.6
"""How much of the time may be left for a change of ways to pay."""
FEW = 8
"""Fewer instances than these are not worth a search, or a change of ways."""
GAIN = 0.87
"""More requests in flight pay if an instance takes this part of what it took before, or less: else
it is the machine at either end that is busy, and they make it busier."""


@dataclass(frozen=True)
class Job:
    """Something to fetch.

    Attributes:
        ref: what to ask for.
        wanted: the instances that should come of it; None when that is not known.
        only: whether others that come with them are left out.
        told: how many instances it should have, or None when nobody said.
        listing: a search that is under way, and will tell what should come.
    """

    ref: Ref
    wanted: tuple[Ref, ...] | None = None
    only: bool = False
    told: int | None = None
    listing: Listing | None = field(default=None, compare=False)

    @property
    def count(self) -> int | None:
        """How many instances should come."""
        return self.told if self.wanted is None else len(self.wanted)


@dataclass(frozen=True)
class Pace:
    """How one stream of instances has run so far.

    Attributes:
        latency: seconds from asking to the first instance.
        seconds: spent waiting for the line since then.
        instances: how many came.
    """

    latency: float
    seconds: float
    instances: int

    @property
    def is_from_afar(self) -> bool:
        """Whether it is the line that is waited for, rather than a busy machine."""
        return self.latency >= REMOTE_SECONDS


def is_faster_side_by_side(pace: Pace, *, left: int, workers: int) -> bool:
    """Whether the rest of a stream would perhaps come sooner by a request an instance.

    A request costs what asking cost and what an instance takes on one connection, shared by
    those in flight, and never less than what it costs here. Where the stream already fills the
    line, nothing is gained, and the stream is kept.

    Args:
        pace: of the stream.
        left: instances that are still to come.
        workers: requests that may be in flight.
    """
    watched = REMOTE_PROBE_SECONDS if pace.is_from_afar else PROBE_SECONDS
    if pace.seconds < watched or pace.instances < PROBE_INSTANCES:
        return False
    return seems_faster_side_by_side(pace, left=left, workers=workers)


def seems_faster_side_by_side(pace: Pace, *, left: int, workers: int) -> bool:
    """The same, however short the stream has run: reason enough to search for what there is."""
    if workers < 2 or left < FEW:
        return False
    each = pace.seconds / pace.instances
    apart = max(CLIENT_SECONDS, (pace.latency + each) / min(workers, left))
    return apart < WORTH_IT * each


class Flight:
    """How many instances to ask for side by side: as many as are seen to pay.

    A stream was left because it was slow. That may be the line, or a busy machine at either
    end, which more requests make only busier: nothing in the stream itself tells these apart.
    So two rounds of requests are a trial. The first also opens connections, and fills what a
    server keeps, so the second is timed, and it is told whether the whole stream anew would be
    quicker. Where it would not, there are twice as many in flight, timed in the same way, for as
    long as that is faster than before.

    Args:
        missing: how many instances there are to ask for.
        start: how many are in flight at first.
        most: how many may be.
        stream: seconds that the stream took for an instance of it; None where there is none to
            go back to.
        anew: how many instances the whole stream has.

    Attributes:
        is_given_up: whether to go back to the stream; by then nothing is in flight.
    """

    def __init__(
        self, missing: int, *, start: int, most: int, stream: float | None, anew: int = 0
    ) -> None:
        self.is_given_up = False
        self._missing = missing
        self._width = start
        self._most = self._threads = most
        self._stream_seconds = None if stream is None else stream * anew
        self._trial = 0 if stream is None else 2 * start
        self._landed = 0
        self._begin = start
        self._moment = 0.0
        self._before: tuple[int, float] | None = None

    @property
    def window(self) -> int:
        """How many may be in flight or wait for a thread, of which there are ``most``."""
        if self._trial:
            return min(self._width, self._trial - self._landed)
        # Where all threads may work, each has the next at hand as soon as it is free.
        return self._width if self._width < self._threads else 2 * self._threads

    def land(self, moment: float) -> None:
        """One more came, at ``moment`` seconds."""
        self._landed += 1
        timed = self._landed - self._begin
        if timed == 0:
            self._moment = moment
        elif timed > 0:
            each = (moment - self._moment) / timed
            if self._trial and 2 * timed >= self._width:
                self._judge(each)
            if timed == self._width and not self.is_given_up:
                self._widen(each)

    def _judge(self, each: float) -> None:
        """End the trial: in the middle of its second round, where enough is known by then."""
        left = self._missing - self._landed
        if each * left <= (self._stream_seconds or 0.0):
            self._trial = 0
        elif self._landed == self._trial:
            self.is_given_up = True

    def _widen(self, each: float) -> None:
        """Have more in flight, or as many as before where more did not pay."""
        if self._before is not None and each > GAIN * self._before[1]:
            self._width = self._most = self._before[0]
        wider = min(2 * self._width, self._most)
        if wider > self._width:
            self._before, self._width = (self._width, each), wider
            self._begin = self._landed + wider  # those until then were asked for before


class Listing:
    """The instances of a series, searched for in a thread while something else is fetched.

    Args:
        found: is told of how many instances the search tells, if any, in that thread.
        beside: whether there may be two requests in flight. Where not, the search waits until
            its result is asked for, and is made by who asks: a thread of its own would wait for
            an answer that somebody reads who waits for this search.
    """

    def __init__(
        self,
        source: Source,
        ref: Ref,
        *,
        found: Callable[[int], None] | None = None,
        beside: bool = True,
        cancel: Cancel | None = None,
    ) -> None:
        self._cancel = Cancel(cancel)
        self._executor: ThreadPoolExecutor | None = None
        context = contextvars.copy_context()  # warnings go where they would from here

        def search() -> tuple[list[Ref], int | None]:
            refs, count = listed(source, ref, cancel=self._cancel)
            if found is not None and count:
                found(count)
            return refs, count

        self._search = search
        self._future: Future[tuple[list[Ref], int | None]] = Future()
        if beside:
            self._executor = ThreadPoolExecutor(1, thread_name_prefix="dicomnb-listing")
            self._future = self._executor.submit(context.run, search)

    @property
    def is_done(self) -> bool:
        """Whether `result` would not wait."""
        return self._future.done()

    def result(self) -> tuple[list[Ref], int | None]:
        """What `listed` gives; raises what it raises."""
        if self._executor is None and not self.is_done:
            self._future.set_result(self._search())
        return self._future.result()

    def close(self) -> None:
        """Stop it; no thread stays behind."""
        self._cancel.set()
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)


def listed(
    source: Source, ref: Ref, *, cancel: Cancel | None = None
) -> tuple[list[Ref], int | None]:
    """The instances of a study or series as a search gives them, and how many there are.

    Rows that do not tell their UIDs are counted only. Where the source gives fewer rows than it
    has, the number is None: nobody knows it.
    """
    known = {"study": ref.study, "series": ref.series, "instance": None}
    found: dict[Ref, None] = {}
    count, is_all = 0, True
    for page in source.search(Query("instance", within=ref), cancel=cancel):
        count, is_all = count + page.count, is_all and page.complete
        told = uids_of(page.rows, page.decoded)[1]
        # Parents that a row does not name are those it was asked within.
        every = ([uid or known[level] for uid in told[level]] for level in LEVELS)
        for uids in zip(*every, strict=True):
            if (one := _instance(uids)) is not None:
                found[one] = None
    return list(found), count if is_all else None


def _instance(uids: Sequence[str | None]) -> Ref | None:
    if not all(uids):
        return None
    try:
        return Ref(*(str(uid).strip() for uid in uids))
    except RefError:
        return None


def jobs_of(
    source: Source,
    refs: Sequence[Ref],
    *,
    told: int | None = None,
    cancel: Cancel | None = None,
) -> Iterator[Job]:
    """What to ask for. Many instances that are a whole series become one stream of it.

    Args:
        refs: studies, series or instances, all of one level.
        told: how many instances a single study or series has, by its row.
    """
    if not refs or refs[0].level != "instance":
        for ref in dict.fromkeys(refs):
            yield Job(ref, told=told if len(refs) == 1 else None)
        return
    series: dict[Ref, list[Ref]] = {}
    for ref in dict.fromkeys(refs):
        series.setdefault(ref.at("series"), []).append(ref)
    for whole, instances in series.items():
        if len(instances) >= FEW and _is_all(source, whole, instances, cancel):
            yield Job(whole, tuple(instances), only=True)
        else:
            yield from (Job(ref, (ref,)) for ref in instances)


def _is_all(source: Source, series: Ref, instances: list[Ref], cancel: Cancel | None) -> bool:
    """Whether these are all the instances of their series."""
    try:
        found, count = listed(source, series, cancel=cancel)
    except (BadQuery, Unsupported):
        return False  # it cannot be searched: then each is asked for, as was said
    return count == len(found) and set(found) == set(instances)


_RELATED = {
    "study": "NumberOfStudyRelatedInstances",
    "series": "NumberOfSeriesRelatedInstances",
}


def related_instances(what: Any, refs: Sequence[Ref]) -> int | None:
    """How many instances are meant, by the rows of a search; None where they do not say.

    Args:
        what: a row or table of a search, or anything else.
        refs: what it means.
    """
    if refs and refs[0].level == "instance":
        return len(refs)
    if not refs or not isinstance(what, pd.Series | pd.DataFrame):
        return None
    column = _RELATED[refs[0].level]
    if isinstance(what, pd.Series):
        counts = pd.Series([what.get(column)])
    elif column in what.columns and len(what) == len(refs):
        counts = what[column]
    else:
        return None
    numbers = pd.to_numeric(counts, errors="coerce")
    return None if numbers.isna().any() or (numbers < 0).any() else int(numbers.sum())
