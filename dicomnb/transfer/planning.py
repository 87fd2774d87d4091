"""What to ask for: one stream or many requests. Pure but for the searches that list instances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from dicomnb.errors import BadQuery, RefError, Unsupported
from dicomnb.query import Query
from dicomnb.refs import LEVELS, Ref
from dicomnb.tables.uids import uids_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dicomnb.pool import Cancel
    from dicomnb.source import Source

__all__ = ["Job", "Pace", "is_faster_side_by_side", "jobs_of", "listed", "related_instances"]

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


@dataclass(frozen=True)
class Job:
    """Something to fetch.

    Attributes:
        ref: what to ask for.
        wanted: the instances that should come of it; None when that is not known.
        only: whether others that come with them are left out.
        told: how many instances it should have, or None when nobody said.
    """

    ref: Ref
    wanted: tuple[Ref, ...] | None = None
    only: bool = False
    told: int | None = None

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
    if workers < 2 or left < FEW:
        return False
    watched = PROBE_SECONDS if pace.latency < REMOTE_SECONDS else REMOTE_PROBE_SECONDS
    if pace.seconds < watched or pace.instances < PROBE_INSTANCES:
        return False
    each = pace.seconds / pace.instances
    apart = max(CLIENT_SECONDS, (pace.latency + each) / min(workers, left))
    return apart < WORTH_IT * each


def listed(source: Source, ref: Ref, *, cancel: Cancel | None = None) -> tuple[list[Ref], int]:
    """The instances of a study or series as a search gives them, and how many rows it had.

    Rows that do not tell their UIDs are counted only.
    """
    known = {"study": ref.study, "series": ref.series, "instance": None}
    found: dict[Ref, None] = {}
    count = 0
    for page in source.search(Query("instance", within=ref), cancel=cancel):
        count += page.count
        told = uids_of(page.rows, page.decoded)[1]
        # Parents that a row does not name are those it was asked within.
        every = ([uid or known[level] for uid in told[level]] for level in LEVELS)
        for uids in zip(*every, strict=True):
            if (one := _instance(uids)) is not None:
                found[one] = None
    return list(found), count


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
