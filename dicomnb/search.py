"""Searching: a plan is carried out against a source, and its pages become one table.

Requests run side by side, rows come once, carry their parents' UIDs, and ``limit`` counts
what is left after the filters that the source could not apply.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import compress
from typing import TYPE_CHECKING, Any

import msgspec
import pandas as pd

from dicomnb.attributes import attribute
from dicomnb.errors import BadQuery, ProtocolError, warn
from dicomnb.pool import closed_after, streams
from dicomnb.query import Filter, Query, parameters, plan, select
from dicomnb.refs import LEVELS, PLURAL, UID_KEYWORDS, Level, Ref
from dicomnb.tables.uids import uids_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dicomnb.pool import Cancel
    from dicomnb.source import Abilities, Page, Source

__all__ = ["Step", "Steps", "described", "pages", "parents_of", "steps"]

FEW_PARENTS = 16
"""Up to how many studies or series are searched by a request each."""

_UID_TAGS = {level: attribute(keyword).tag for level, keyword in UID_KEYWORDS.items()}


class _Keys(msgspec.Struct):
    """The UIDs of a row, as attributes; all else is passed over."""

    study: Any = msgspec.field(default=None, name=_UID_TAGS["study"])
    series: Any = msgspec.field(default=None, name=_UID_TAGS["series"])
    instance: Any = msgspec.field(default=None, name=_UID_TAGS["instance"])


_KEYS = msgspec.json.Decoder(list[_Keys])
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True)
class Step:
    """One request of a search, and the filters that its rows must still pass here."""

    query: Query
    check: tuple[Filter, ...]
    fuzzy: bool
    """Whether ``check`` matches names by the beginning of their words: as the user asked,
    which is not always how the server was asked."""


@dataclass(frozen=True)
class Steps:
    """A whole search: its requests, and what is cut from their rows together."""

    steps: tuple[Step, ...]
    limit: int | None
    offset: int
    bounded: bool
    among: frozenset[tuple[str, ...]] | None = None
    """UIDs of the studies or series that rows must lie in, where they are asked for wide."""


def steps(query: Query, parents: Sequence[Ref] | None, abilities: Abilities) -> Steps:
    """The requests that answer ``query``, within ``parents`` if there are any.

    A few parents are asked one by one; many become lists of UIDs in wider requests, or, past
    what a search may be split into, one wide request whose rows are checked here.
    """
    if parents is None:
        plans = [plan(query, abilities.search)]
    elif len(parents) == 1:
        plans = [plan(replace(query, within=parents[0]), abilities.search)]
    elif len(parents) <= FEW_PARENTS:
        # Which rows fall under the limit shows only together.
        most = None if query.limit is None else query.limit + query.offset
        each = replace(query, limit=most, offset=0)
        plans = [plan(replace(each, within=ref), abilities.search) for ref in parents]
    else:
        return _wide(query, parents, abilities)
    made = tuple(Step(one, each.check, query.fuzzy) for each in plans for one in each.queries)
    if len(plans) == 1:
        return Steps(made, plans[0].limit, plans[0].offset, plans[0].bounded)
    bounded = all(each.bounded for each in plans)
    return Steps(made, query.limit, query.offset, bounded)


def _wide(query: Query, parents: Sequence[Ref], abilities: Abilities) -> Steps:
    """Requests for many parents at once, whose rows are joined with them here.

    That a series belongs to the study it was asked under is seen by both UIDs: real archives
    hold a series under two studies.
    """
    uids = tuple(dict.fromkeys(ref.uid for ref in parents))
    within = Filter((_UID_TAGS[parents[0].level],), "UI", uids)
    wide = plan(replace(query, filters=(within, *query.filters)), abilities.search)
    check = tuple(one for one in wide.check if one is not within)
    among: frozenset[tuple[str, ...]]
    if parents[0].series is not None:
        among = frozenset((ref.study, str(ref.series)) for ref in parents)
    else:
        among = frozenset((ref.study,) for ref in parents)
    limited = tuple(replace(one, limit=None, offset=0) for one in wide.queries)
    made = tuple(Step(one, check, query.fuzzy) for one in limited)
    return Steps(made, query.limit, query.offset, wide.bounded, among)


def parents_of(level: Level, refs: Sequence[Ref]) -> Sequence[Ref]:
    """Refs that rows of ``level`` can lie within.

    Raises:
        BadQuery: series of instances, studies of series: the level is above the refs'.
    """
    if refs and LEVELS.index(refs[0].level) >= LEVELS.index(level):
        raise BadQuery(
            f"{PLURAL[refs[0].level].capitalize()} hold no {PLURAL[level]} to search for. Give "
            "studies to search for series, studies or series to search for instances."
        )
    return refs


def described(search: Steps) -> pd.DataFrame:
    """The requests of a search as a table: ``Path``, ``Parameters``, ``CheckedHere``."""
    among = [UID_KEYWORDS[level] for level in _levels_of(search.among)]
    rows = [
        {
            "Path": _path(step.query),
            "Parameters": "&".join(f"{name}={value}" for name, value in parameters(step.query)),
            "CheckedHere": ", ".join([*among, *(one.name for one in step.check)]),
        }
        for step in search.steps
    ]
    return pd.DataFrame(rows, columns=["Path", "Parameters", "CheckedHere"])


def _path(query: Query) -> str:
    within = f"{query.within.path}/" if query.within else ""
    return within + PLURAL[query.level]


def pages(
    source: Source, search: Steps, *, workers: int, cancel: Cancel | None = None
) -> Iterator[Page]:
    """Pages of the whole search: each row once, checked, with its parents' UIDs.

    Requests run side by side; of each no more than a few pages wait for their turn, so memory
    stays bounded by pages.

    Warns:
        DicomnbWarning: rows came, but none had an attribute that they are checked by here.
    """
    if search.limit == 0:
        return
    seen: set[int] = set()
    looked_at = {one.path[0]: one.name for step in search.steps for one in step.check}
    looked_at |= {_UID_TAGS[level]: UID_KEYWORDS[level] for level in _levels_of(search.among)}
    lacking = _Lacking(looked_at)
    left = search.limit
    skip = search.offset
    with closed_after(_received(source, search, lacking, workers, cancel)) as received:
        for page in received:
            if len(search.steps) > 1 and page.count:
                page = _once(page, search.steps[0].query.level, seen)
            if skip or left is not None:
                page, skip, left = _cut(page, skip, left)
            if page.count or page.notes or page.warnings or not page.complete:
                yield page
            if left == 0:
                return
    lacking.warn()


class _Lacking:
    """Attributes that rows are checked by here, and that no row has had so far."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = dict(names)
        self._any_rows = False

    def look(self, page: Page) -> None:
        """Take note of what the rows of a page have."""
        self._any_rows = self._any_rows or page.count > 0
        for tag in list(self._names):
            if tag.encode() in page.rows:
                self._names.pop(tag, None)

    def warn(self) -> None:
        """Warn if nothing can be told about some attribute: no row matched for that reason."""
        if self._any_rows and self._names:
            warn(
                f"No row that came has {' or '.join(self._names.values())}, which this source "
                "cannot match itself: nothing is found by it. Perhaps it is sent at another "
                "level only, or not at all."
            )


def _received(
    source: Source, search: Steps, lacking: _Lacking, workers: int, cancel: Cancel | None
) -> Iterator[Page]:
    most = None if search.limit is None else search.limit + search.offset
    if len(search.steps) == 1:
        yield from _tidied(source, search.steps[0], most, search.among, lacking, cancel)
        return

    def ask(step: Step, inner: Cancel) -> Iterator[Page]:
        return _tidied(source, step, most, search.among, lacking, inner)

    every = streams(ask, search.steps, workers=workers, cancel=cancel)
    with closed_after(every):
        yield from every


def _tidied(
    source: Source,
    step: Step,
    most: int | None,
    among: frozenset[tuple[str, ...]] | None,
    lacking: _Lacking,
    cancel: Cancel | None,
) -> Iterator[Page]:
    """Pages of one request, with parents' UIDs and checked, until ``most`` rows are there."""
    count = 0
    with closed_after(source.search(step.query, cancel=cancel)) as received:
        for page in received:
            within = step.query.within
            if page.count and within is not None and not _tells_parents(page, within):
                page = replace(page, rows=_with_parents(page.rows, within))
            if among is not None or step.check:
                lacking.look(page)
            if among is not None and page.count:
                page = _within(page, among)
            if step.check:
                rows, kept = select(page.rows, step.check, fuzzy=step.fuzzy)
                page = replace(page, rows=rows, count=kept)
            yield page
            count += page.count
            if most is not None and count >= most:
                return


def _levels_of(among: frozenset[tuple[str, ...]] | None) -> tuple[Level, ...]:
    """What the UIDs of parents are of."""
    return LEVELS[: len(next(iter(among), ()))] if among else ()


def _within(page: Page, among: frozenset[tuple[str, ...]]) -> Page:
    """Only the rows that lie in one of the parents.

    A row that does not tell its parents lies in none: it could not be joined with them.
    """
    depth = len(_levels_of(among))
    lies_in = [uids[:depth] in among for uids in _uids_of(page)]
    return page if all(lies_in) else _only(page, lies_in)


def _uids_of(page: Page) -> list[tuple[str | None, ...]]:
    """The UIDs of each row, of study, series and instance."""
    try:
        told = uids_of(page.rows, page.decoded)[1]
    except msgspec.ValidationError as error:
        raise ProtocolError(f"The rows of the search are no DICOM JSON: {error}") from error
    return list(zip(*(told[level] for level in LEVELS), strict=True))


def _only(page: Page, kept: Iterable[bool]) -> Page:
    """The page with some of its rows."""
    rows = list(compress(map(bytes, _RAWS.decode(page.rows)), kept))
    return replace(page, rows=_joined(rows), count=len(rows))


def _keys(rows: bytes) -> list[tuple[_Keys, bytes]]:
    try:
        raws = map(bytes, _RAWS.decode(rows))
        return list(zip(_KEYS.decode(rows), raws, strict=True))
    except msgspec.ValidationError as error:
        raise ProtocolError(f"The rows of the search are no DICOM JSON: {error}") from error


def _joined(rows: Sequence[bytes]) -> bytes:
    return b"[" + b",".join(rows) + b"]"


def _tells_parents(page: Page, within: Ref) -> bool:
    """Whether each row was seen to name what it was asked under. Such a page is left as it is, so
    that what was decoded of it can be used."""
    if page.decoded is None or page.decoded.of(page.rows) is None:
        return False
    levels = LEVELS[: 1 if within.series is None else 2]
    told = uids_of(page.rows, page.decoded)[1]
    return all(None not in told[level] for level in levels)


def _with_parents(rows: bytes, within: Ref) -> bytes:
    """The rows with the UIDs they were asked under, where the server left them out."""
    whole = []
    for key, raw in _keys(rows):
        missing = {}
        if _uid(key.study) is None:
            missing[_UID_TAGS["study"]] = {"vr": "UI", "Value": [within.study]}
        if within.series is not None and _uid(key.series) is None:
            missing[_UID_TAGS["series"]] = {"vr": "UI", "Value": [within.series]}
        whole.append(
            msgspec.json.encode({**msgspec.json.decode(raw), **missing}) if missing else raw
        )
    return _joined(whole)


def _once(page: Page, level: Level, seen: set[int]) -> Page:
    """Only the rows that no other request has brought; a number of 64 bits stands for each.

    A UID alone does not tell rows apart: real archives hold a series under two studies.
    """
    depth = LEVELS.index(level) + 1
    kept = []
    for uids in _uids_of(page):
        has_its_own, identity = uids[depth - 1] is not None, hash(uids[:depth])
        kept.append(not has_its_own or identity not in seen)
        if has_its_own:
            seen.add(identity)
    return page if all(kept) else _only(page, kept)


def _uid(element: Any) -> str | None:
    values = element.get("Value") if isinstance(element, dict) else None
    value = values[0] if isinstance(values, list) and values else None
    return value if isinstance(value, str) and value else None


def _cut(page: Page, skip: int, left: int | None) -> tuple[Page, int, int | None]:
    """Pass over the first rows, stop after the last; what is still to skip and to keep."""
    start = min(skip, page.count)
    stop = page.count if left is None else min(page.count, start + left)
    if (start, stop) != (0, page.count):
        kept = [bytes(raw) for raw in _RAWS.decode(page.rows)[start:stop]]
        page = replace(page, rows=_joined(kept), count=stop - start)
    return page, skip - start, None if left is None else left - (stop - start)
