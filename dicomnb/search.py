"""Searching: a plan is carried out against a source, and its pages become one table.

Requests run side by side, rows come once, carry their parents' UIDs, and ``limit`` counts
what is left after the filters that the source could not apply.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec
import pandas as pd

from dicomnb.attributes import attribute
from dicomnb.errors import BadQuery, ProtocolError
from dicomnb.pool import side_by_side
from dicomnb.query import Filter, Query, parameters, plan, select
from dicomnb.refs import LEVELS, PLURAL, UID_KEYWORDS, Level, Ref

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dicomnb.pool import Cancel
    from dicomnb.source import Abilities, Page, Source

__all__ = ["Step", "Steps", "described", "pages", "parents_of", "steps"]

FEW_PARENTS = 16
"""Up to how many studies or series are searched by a request each."""

_UID_TAGS = {level: attribute(keyword).tag for level, keyword in UID_KEYWORDS.items()}
_NOTHING = msgspec.Raw(b"")


class _Keys(msgspec.Struct):
    """The UIDs of a row, undecoded and empty where it has none; all else is passed over."""

    study: msgspec.Raw = msgspec.field(default=_NOTHING, name=_UID_TAGS["study"])
    series: msgspec.Raw = msgspec.field(default=_NOTHING, name=_UID_TAGS["series"])
    instance: msgspec.Raw = msgspec.field(default=_NOTHING, name=_UID_TAGS["instance"])


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


def steps(query: Query, parents: Sequence[Ref] | None, abilities: Abilities) -> Steps:
    """The requests that answer ``query``, within ``parents`` if there are any.

    A few parents are asked one by one; many become lists of UIDs in wider requests, or, past
    what a search may be split into, one wide request whose rows are checked here.
    """
    if parents is None:
        plans = [plan(query, abilities.search)]
    elif len(parents) <= FEW_PARENTS:
        plans = [plan(replace(query, within=ref), abilities.search) for ref in parents]
    else:
        uids = tuple(ref.uid for ref in parents)
        within = Filter((_UID_TAGS[parents[0].level],), "UI", uids)
        wide = replace(query, filters=(within, *query.filters))
        plans = [plan(wide, abilities.search)]
    made = tuple(Step(one, each.check, query.fuzzy) for each in plans for one in each.queries)
    if len(plans) == 1:
        return Steps(made, plans[0].limit, plans[0].offset, plans[0].bounded)
    # Each parent's request must bring all: which rows fall under the limit shows only together.
    made = tuple(replace(step, query=replace(step.query, limit=None, offset=0)) for step in made)
    bounded = all(each.bounded for each in plans)
    return Steps(made, query.limit, query.offset, bounded)


def parents_of(level: Level, refs: Sequence[Ref]) -> Sequence[Ref]:
    """Refs that rows of ``level`` can lie within.

    Raises:
        BadQuery: series of instances, studies of series: the level is above the refs'.
    """
    if refs and LEVELS.index(refs[0].level) >= LEVELS.index(level):
        raise BadQuery(
            f"A {refs[0].level} holds no {PLURAL[level]} to search for. Give studies to search for "
            "series, studies or series to search for instances."
        )
    return refs


def described(search: Steps) -> pd.DataFrame:
    """The requests of a search as a table: ``Path``, ``Parameters``, ``CheckedHere``."""
    rows = [
        {
            "Path": _path(step.query),
            "Parameters": "&".join(f"{name}={value}" for name, value in parameters(step.query)),
            "CheckedHere": ", ".join(one.name for one in step.check),
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

    One request's pages are handed on as they arrive; the pages of several are gathered a
    request at a time.
    """
    seen: set[bytes] | None = set() if len(search.steps) > 1 else None
    left = search.limit
    skip = search.offset
    for step, page in _received(source, search.steps, workers, cancel):
        tidied = _tidied(page, step, seen)
        if skip or left is not None:
            tidied, skip, left = _cut(tidied, skip, left)
        if tidied.count or tidied.notes or not tidied.complete:
            yield tidied
        if left == 0:
            return


def _received(
    source: Source, made: Sequence[Step], workers: int, cancel: Cancel | None
) -> Iterator[tuple[Step, Page]]:
    if len(made) == 1:
        for page in source.search(made[0].query, cancel=cancel):
            yield made[0], page
        return

    def ask(step: Step, inner: Cancel) -> tuple[Step, list[Page]]:
        return step, list(source.search(step.query, cancel=inner))

    for step, received in side_by_side(ask, made, workers=workers, cancel=cancel):
        for page in received:
            yield step, page


def _tidied(page: Page, step: Step, seen: set[bytes] | None) -> Page:
    """Apply what the source could not: checks, parents' UIDs, each row once."""
    rows, count = page.rows, page.count
    if step.check:
        rows, count = select(rows, step.check, fuzzy=step.fuzzy)
    if count and (step.query.within or seen is not None):
        rows, count = _completed(rows, step.query, seen)
    return replace(page, rows=rows, count=count)


def _completed(rows: bytes, query: Query, seen: set[bytes] | None) -> tuple[bytes, int]:
    try:
        keys, raws = _KEYS.decode(rows), _RAWS.decode(rows)
    except msgspec.ValidationError as error:
        raise ProtocolError(f"The rows of the search are no DICOM JSON: {error}") from error
    kept = []
    for key, raw in zip(keys, raws, strict=True):
        own = bytes(getattr(key, query.level))
        if seen is not None and own:
            if own in seen:
                continue
            seen.add(own)
        kept.append(_with_parents(key, bytes(raw), query.within))
    return b"[" + b",".join(kept) + b"]", len(kept)


def _with_parents(key: _Keys, raw: bytes, within: Ref | None) -> bytes:
    """The row with the UIDs it was asked under, where the server left them out."""
    missing: dict[str, Any] = {}
    if within is not None:
        if not bytes(key.study):
            missing[_UID_TAGS["study"]] = {"vr": "UI", "Value": [within.study]}
        if within.series is not None and not bytes(key.series):
            missing[_UID_TAGS["series"]] = {"vr": "UI", "Value": [within.series]}
    if not missing:
        return raw
    return msgspec.json.encode({**msgspec.json.decode(raw), **missing})


def _cut(page: Page, skip: int, left: int | None) -> tuple[Page, int, int | None]:
    """Pass over the first rows, stop after the last; what is still to skip and to keep."""
    start = min(skip, page.count)
    stop = page.count if left is None else min(page.count, start + left)
    if (start, stop) != (0, page.count):
        kept = [bytes(raw) for raw in _RAWS.decode(page.rows)[start:stop]]
        page = replace(page, rows=b"[" + b",".join(kept) + b"]", count=stop - start)
    return page, skip - start, None if left is None else left - (stop - start)
