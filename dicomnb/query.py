"""Searches as values: what is asked, what a server can match, and what is checked here. Pure.

A call becomes a `Query` (`build`), a query and a server's `SearchAbilities` become a `Plan`
of requests that the server can answer (`plan`), and the same rules match a row of DICOM
JSON here (`matches`, PS3.4 section C.2.2.2). What a server cannot match is never sent as if
it could.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Integral
from typing import TYPE_CHECKING, Any

import msgspec
import pandas as pd

from dicomnb.attributes import attribute, column_name
from dicomnb.errors import BadQuery
from dicomnb.refs import LEVELS, PLURAL
from dicomnb.vr import VRS

if TYPE_CHECKING:
    from dicomnb.refs import Level, Ref

__all__ = [
    "Filter",
    "PageLimit",
    "Plan",
    "Query",
    "SearchAbilities",
    "build",
    "from_parameters",
    "matches",
    "parameters",
    "plan",
    "select",
]

MOST_REQUESTS = 100
"""Into how many requests one search may be split before it is asked wide and checked here."""
UIDS_A_REQUEST = 50
"""How many UIDs of 64 characters fit in a URL that every proxy lets pass."""
_TEXT = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
_RANGED = frozenset({"DA", "TM", "DT"})
_BELOW: Mapping[str | None, Level] = {
    **dict.fromkeys(
        [
            "BodyPartExamined",
            "Modality",
            "SeriesDate",
            "SeriesDescription",
            "SeriesInstanceUID",
            "SeriesNumber",
            "SeriesTime",
        ],
        "series",
    ),
    **dict.fromkeys(["InstanceNumber", "SOPInstanceUID"], "instance"),
}
"""Attributes of a series or an instance that people look for one level too high."""


@dataclass(frozen=True)
class Filter:
    """One attribute that must match.

    Attributes:
        path: tags from the outermost sequence in; mostly just one.
        vr: value representation of the last.
        values: texts in the form of PS3.4 C.2.2.2; a row matches when any of them does.
    """

    path: tuple[str, ...]
    vr: str
    values: tuple[str, ...]

    @property
    def name(self) -> str:
        """Keywords joined by dots, as in the parameter of a search."""
        return ".".join(column_name(tag) for tag in self.path)

    @property
    def is_universal(self) -> bool:
        """Whether every row matches: an empty value only asks for the attribute."""
        return "" in self.distinct

    @cached_property
    def distinct(self) -> frozenset[str]:
        """The values, to look one up among very many."""
        return frozenset(self.values)


@dataclass(frozen=True)
class Query:
    """One search.

    Attributes:
        level: what the rows are.
        within: the study or series to look in, or None for everything.
        filters: all of them must match.
        fields: tags to bring besides the level's own, or ``("all",)``.
        fuzzy: whether names match by the beginning of any of their words.
        limit: how many rows at most, or None for all.
        offset: how many matching rows to pass over first.
    """

    level: Level
    within: Ref | None = None
    filters: tuple[Filter, ...] = ()
    fields: tuple[str, ...] = ()
    fuzzy: bool = False
    limit: int | None = None
    offset: int = 0


@dataclass(frozen=True)
class PageLimit:
    """How many rows a server gives at once: unasked, and at most (None: not known)."""

    default: int | None = None
    maximum: int | None = None


@dataclass(frozen=True)
class SearchAbilities:
    """What a server matches itself."""

    attributes: Mapping[Level, frozenset[str]] | None = None
    """Tags it matches at each level; None: every attribute."""
    wildcards: bool = True
    """Whether ``*`` and ``?`` stand for other characters."""
    ranges: frozenset[str] | None = None
    """Tags it matches ranges on; None: all dates and times."""
    undated_before: bool = False
    """Whether it takes a missing date for one that lies before every other."""
    uid_lists: bool = True
    """Whether several UIDs can be asked for in one request."""
    fuzzy: bool = False
    """Whether ``fuzzymatching=true`` finds names by the beginning of their words."""
    pages: Mapping[Level, PageLimit] | None = None
    """Page sizes; None: not known, so every search is asked on until a page brings nothing."""
    offset_limit: int | None = None
    """The largest offset it takes."""
    honest_pages: bool = False
    """Whether a page shorter than asked for is surely the last."""


@dataclass(frozen=True)
class Plan:
    """What to ask a server, and what is left to do with its rows.

    Attributes:
        queries: to be asked, side by side; a row may come from several.
        check: filters to apply here, because the server cannot.
        limit: rows to keep after that, or None.
        offset: rows to pass over after that.
        bounded: False when nothing that was asked for limits what the server sends.
    """

    queries: tuple[Query, ...]
    check: tuple[Filter, ...] = ()
    limit: int | None = None
    offset: int = 0
    bounded: bool = True


def build(
    level: Level,
    filters: Mapping[Any, Any],
    *,
    within: Ref | None = None,
    fields: Iterable[Any] | str | None = None,
    fuzzy: bool = False,
    limit: int | None = None,
    offset: int = 0,
) -> Query:
    """The query that a call asks for.

    Args:
        filters: keyword, tag, or keywords joined by dots → value; a list means any of them,
            a pair of dates a range, open where one is None.
        fields: keywords or tags to bring besides, or ``"all"``.

    Raises:
        BadQuery: an unknown keyword, a value that its VR cannot hold, a missing value.

    Example:
        >>> build("study", {"StudyDate": ("2023-01-01", None)}).filters[0].values
        ('20230101-',)
    """
    if level not in LEVELS:
        raise BadQuery(f"level={level!r}: it is one of {', '.join(map(repr, LEVELS))}.")
    if limit is not None and (not isinstance(limit, Integral) or limit < 0):
        raise BadQuery(f"limit={limit!r}: give a number of rows, or None for all of them.")
    if not isinstance(offset, Integral) or offset < 0:
        raise BadQuery(f"offset={offset!r}: give the number of rows to pass over.")
    if isinstance(fields, str):
        fields = [fields]
    names = list(fields or ())
    tags = ("all",) if "all" in names else tuple(attribute(name).tag for name in names)
    made = tuple(_filter(name, value) for name, value in filters.items())
    _check_level(level, made)
    return Query(
        level, within, made, tags, fuzzy, None if limit is None else int(limit), int(offset)
    )


def _check_level(level: Level, filters: Iterable[Filter]) -> None:
    """Refuse what differs within a row: a study has no Modality, its series have.

    Servers match such a filter by some series or instance of their choice, or ignore it.
    """
    for one in filters:
        belongs = _BELOW.get(column_name(one.path[0]))
        if belongs is not None and LEVELS.index(belongs) > LEVELS.index(level):
            advice = "ModalitiesInStudy says it of a study" if one.name == "Modality" else ""
            advice = advice or f"search the {PLURAL[belongs]} by it"
            raise BadQuery(f"{one.name} belongs to a {belongs}, not to a {level}: {advice}.")


def _filter(name: Any, value: Any) -> Filter:
    steps = name.split(".") if isinstance(name, str) else [name]
    path = [attribute(step) for step in steps]
    vr = path[-1].vr
    if any(step.vr != "SQ" for step in path[:-1]) or vr not in VRS or not _can_match(vr):
        raise BadQuery(f"{name!r} is not an attribute that can be searched by.")
    if not isinstance(value, str | tuple | bytes) and isinstance(value, Iterable):
        values = list(value)
    else:
        values = [value]
    if not values:
        raise BadQuery(f"{name}: an empty list matches nothing, so there is nothing to ask.")
    texts: Iterable[str] = (_text(name, vr, one) for one in values)
    if vr == "UI":
        texts = (uid for text in texts for uid in text.split(","))
    return Filter(tuple(step.tag for step in path), vr, tuple(dict.fromkeys(texts)))


def _can_match(vr: str) -> bool:
    """Whether values of a VR can be searched by: not sequences, not binary data."""
    return vr != "SQ" and VRS[vr].kind != "binary"


def _text(name: Any, vr: str, value: Any) -> str:
    """One value in the form of a query; a missing one is refused, as it would match all."""
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        raise BadQuery(
            f"{name} is missing ({value!r}), which would match everything. Leave the filter out "
            'for that, or give "" to have the attribute returned.'
        )
    try:
        return VRS[vr].format(value)
    except (ValueError, TypeError) as error:
        raise BadQuery(f"{name}={value!r}: {error}") from error


def plan(query: Query, abilities: SearchAbilities) -> Plan:
    """Requests that a server of these abilities answers rightly, and the rest to do here."""
    sent: list[tuple[Filter, list[Filter]]] = []
    check: list[Filter] = []
    universal = [one.path[0] for one in query.filters if one.is_universal]
    asked = [one for one in query.filters if not one.is_universal]
    fuzzy = query.fuzzy
    for one in asked:
        choices, is_exact, needs_fuzzy = _choices(one, query, abilities)
        is_again = any(one.path == other.path for other, _ in sent)
        if is_again or not is_exact:
            check.append(one)
        # A name twice in one request would mean either of its values, not both.
        if choices and not is_again:
            sent.append((one, choices))
            fuzzy = fuzzy or needs_fuzzy
    if query.fuzzy and not abilities.fuzzy:
        check, sent, fuzzy = _names_checked_here(asked, check, sent)
    elif fuzzy and not query.fuzzy:
        # Fuzzy is for the whole request: it widens names that were meant exactly as well.
        check += [one for one in asked if one.vr == "PN" and one not in check]
    sent.sort(key=lambda pair: len(pair[1]))
    while math.prod(len(choices) for _, choices in sent) > MOST_REQUESTS:
        one, _ = sent.pop()
        check += [] if one in check else [one]
    requests = list(itertools.product(*(choices for _, choices in sent)))
    fields = query.fields
    if "all" not in fields:
        fields = tuple(dict.fromkeys((*fields, *universal, *(one.path[0] for one in check))))
    bounded = bool(sent) or query.within is not None or not asked
    whole = replace(query, fields=fields, fuzzy=fuzzy)
    if not check and len(requests) == 1:
        return Plan((replace(whole, filters=requests[0]),), bounded=bounded)
    # Of rows that need no check, no request has to bring more than are wanted in all.
    most = None if check or query.limit is None else query.limit + query.offset
    whole = replace(whole, limit=most, offset=0)
    queries = tuple(replace(whole, filters=filters) for filters in requests)
    return Plan(queries, tuple(check), query.limit, query.offset, bounded)


def _choices(
    one: Filter, query: Query, abilities: SearchAbilities
) -> tuple[list[Filter], bool, bool]:
    """Filters to send one a request, whether they match exactly, whether they need fuzzy."""
    if abilities.attributes is not None and (
        len(one.path) > 1 or one.path[0] not in abilities.attributes[query.level]
    ):
        return [], False, False
    widened = [_widened(value, one, abilities) for value in one.values]
    if any(text is None for text, _ in widened):
        return [], False, False
    needs_fuzzy = any(is_fuzzy for _, is_fuzzy in widened)
    values = tuple(dict.fromkeys(str(text) for text, _ in widened))
    if one.vr == "UI" and abilities.uid_lists:
        batches = [
            values[start : start + UIDS_A_REQUEST]
            for start in range(0, len(values), UIDS_A_REQUEST)
        ]
    else:
        batches = [(value,) for value in values]
    exact = values == one.values and not needs_fuzzy
    if abilities.undated_before and one.vr in _RANGED:
        exact = exact and not any(value.startswith("-") for value in values)
    return [replace(one, values=batch) for batch in batches], exact, needs_fuzzy


def _widened(value: str, one: Filter, abilities: SearchAbilities) -> tuple[str | None, bool]:
    """What to send for a value, or None when nothing helps; and whether fuzzy is needed."""
    if one.vr in _TEXT and not abilities.wildcards and ("*" in value or "?" in value):
        beginning = value.replace("?", "*").split("*")[0]
        if one.vr == "PN" and abilities.fuzzy and beginning.strip("^ "):
            return beginning, True
        return None, False
    if one.vr in _RANGED and "-" in value and abilities.ranges is not None:
        return (value if one.path[-1] in abilities.ranges else None), False
    return value, False


def _names_checked_here(
    asked: list[Filter], check: list[Filter], sent: list[tuple[Filter, list[Filter]]]
) -> tuple[list[Filter], list[tuple[Filter, list[Filter]]], bool]:
    """Fuzzy names on a server that has no fuzzy matching: ask wide, look here."""
    names = [one for one in asked if one.vr == "PN"]
    others = [one for one in check if one not in names]
    return [*others, *names], [pair for pair in sent if pair[0] not in names], False


def parameters(query: Query) -> list[tuple[str, str]]:
    """The query as parameters of a URL (PS3.18 section 8.3.4), in a fixed order, unescaped."""
    pairs = [(one.name, ",".join(one.values)) for one in query.filters]
    names = ["all"] if "all" in query.fields else [column_name(tag) for tag in query.fields]
    pairs += [("includefield", name.replace(",", "")) for name in names]
    if query.fuzzy:
        pairs.append(("fuzzymatching", "true"))
    if query.limit is not None:
        pairs.append(("limit", str(query.limit)))
    if query.offset:
        pairs.append(("offset", str(query.offset)))
    return pairs


def from_parameters(level: Level, within: Ref | None, pairs: Iterable[tuple[str, str]]) -> Query:
    """Read the parameters of a search, as a server gets them.

    Raises:
        BadQuery: an unknown attribute, a limit that is no number, a value of a wrong form.
    """
    filters: dict[str, list[str]] = {}
    fields: list[str] = []
    numbers: dict[str, int] = {}
    fuzzy = False
    for name, value in pairs:
        if name == "includefield":
            fields += [field for field in value.split(",") if field]
        elif name == "fuzzymatching":
            fuzzy = value.lower() == "true"
        elif name in ("limit", "offset"):
            if not (value.isascii() and value.isdecimal() and len(value) <= 100):
                raise BadQuery(f"{name}={value!r} is not a number.")
            numbers[name] = int(value)
        else:
            filters.setdefault(name, []).append(value)
    query = build(level, {}, within=within, fields=fields, fuzzy=fuzzy, **numbers)
    made = tuple(_read_filter(*pair) for pair in filters.items())
    _check_level(level, made)
    return replace(query, filters=made)


def _read_filter(name: str, values: list[str]) -> Filter:
    probe = _filter(name, "")
    if probe.vr == "UI":
        uids = [uid for value in values for uid in value.replace("\\", ",").split(",")]
        values = [uid for uid in uids if uid] or [""]
    else:
        values = [_text(name, probe.vr, value) for value in values]
    return replace(probe, values=tuple(values))


def matches(row: Mapping[str, Any], filters: Iterable[Filter], *, fuzzy: bool = False) -> bool:
    """Whether a row of DICOM JSON passes every filter (PS3.4 section C.2.2.2)."""
    return all(_any_matches(row, one.path, one, fuzzy) for one in filters)


def _any_matches(row: Any, path: tuple[str, ...], one: Filter, fuzzy: bool) -> bool:
    element = row.get(path[0]) if isinstance(row, Mapping) else None
    values = element.get("Value") if isinstance(element, Mapping) else None
    stored = values if isinstance(values, list) else []
    if len(path) > 1:
        return any(_any_matches(item, path[1:], one, fuzzy) for item in stored)
    if one.is_universal:
        return True
    if one.vr == "UI":
        return any(isinstance(value, str) and value in one.distinct for value in stored)
    match = VRS[one.vr].match
    return any(
        match(value, wanted, fuzzy=fuzzy)
        for value in stored
        if value is not None
        for wanted in one.values
    )


def select(rows: bytes, filters: Iterable[Filter], *, fuzzy: bool = False) -> tuple[bytes, int]:
    """The rows of a JSON array that pass every filter, as JSON again, and their number."""
    kept = tuple(filters)
    decoded = msgspec.json.decode(rows)
    chosen = [row for row in decoded if matches(row, kept, fuzzy=fuzzy)]
    return msgspec.json.encode(chosen), len(chosen)
