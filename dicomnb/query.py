"""Searches as values: what is asked, what a server can match, and what is checked here. Pure.

A call becomes a `Query` (`build`), a query and a server's `SearchAbilities` become a `Plan`
of requests that the server can answer (`plan`), and the same rules match a row of DICOM
JSON here (`matches`, PS3.4 section C.2.2.2). What a server cannot match is never sent as if
it could.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec
import pandas as pd

from dicomnb.attributes import attribute, column_name
from dicomnb.errors import BadQuery
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
    if limit is not None and (not isinstance(limit, int) or limit < 0):
        raise BadQuery(f"limit={limit!r}: give a number of rows, or None for all of them.")
    if not isinstance(offset, int) or offset < 0:
        raise BadQuery(f"offset={offset!r}: give the number of rows to pass over.")
    if isinstance(fields, str):
        fields = [fields]
    names = list(fields or ())
    tags = ("all",) if "all" in names else tuple(attribute(name).tag for name in names)
    made = tuple(_filter(name, value) for name, value in filters.items())
    return Query(level, within, made, tags, fuzzy, limit, offset)


def _filter(name: Any, value: Any) -> Filter:
    steps = name.split(".") if isinstance(name, str) else [name]
    path = [attribute(step) for step in steps]
    vr = path[-1].vr
    if any(step.vr != "SQ" for step in path[:-1]) or vr not in VRS or vr == "SQ":
        raise BadQuery(f"{name!r} is not an attribute that can be searched by.")
    if not isinstance(value, str | tuple | bytes) and isinstance(value, Iterable):
        values = list(value)
    else:
        values = [value]
    if not values:
        raise BadQuery(f"{name}: an empty list matches nothing, so there is nothing to ask.")
    texts = (_text(name, vr, one) for one in values)
    return Filter(tuple(step.tag for step in path), vr, tuple(dict.fromkeys(texts)))


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
    sent: list[list[Filter]] = []
    check: list[Filter] = []
    fuzzy = query.fuzzy
    for one in query.filters:
        choices, is_exact, needs_fuzzy = _choices(one, query, abilities)
        if not is_exact:
            check.append(one)
        if choices:
            sent.append(choices)
            fuzzy = fuzzy or needs_fuzzy
    if query.fuzzy and not abilities.fuzzy:
        check, sent, fuzzy = _names_checked_here(query, check, sent)
    sent.sort(key=len)
    while _product(sent) > MOST_REQUESTS:
        check.append(_merged(sent.pop()))
    fields = query.fields
    if "all" not in fields:
        fields = tuple(dict.fromkeys((*fields, *(one.path[0] for one in check))))
    whole = not check and _product(sent) == 1
    queries = tuple(
        replace(
            query,
            filters=filters,
            fields=fields,
            fuzzy=fuzzy,
            limit=query.limit if whole else None,
            offset=query.offset if whole else 0,
        )
        for filters in itertools.product(*sent)
    )
    bounded = bool(sent) or query.within is not None or not query.filters
    if whole:
        return Plan(queries, bounded=bounded)
    return Plan(queries, tuple(check), query.limit, query.offset, bounded)


def _product(sent: list[list[Filter]]) -> int:
    count = 1
    for choices in sent:
        count *= len(choices)
    return count


def _merged(choices: list[Filter]) -> Filter:
    values = tuple(itertools.chain.from_iterable(choice.values for choice in choices))
    return replace(choices[0], values=values)


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
    query: Query, check: list[Filter], sent: list[list[Filter]]
) -> tuple[list[Filter], list[list[Filter]], bool]:
    """Fuzzy names on a server that has no fuzzy matching: ask wide, look here."""
    names = [one for one in query.filters if one.vr == "PN"]
    paths = {one.path for one in names}
    others = [one for one in check if one.path not in paths]
    return [*others, *names], [choice for choice in sent if choice[0].path not in paths], False


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
            if not value.isdecimal():
                raise BadQuery(f"{name}={value!r} is not a number.")
            numbers[name] = int(value)
        else:
            filters.setdefault(name, []).append(value)
    query = build(level, {}, within=within, fields=fields, fuzzy=fuzzy, **numbers)
    return replace(query, filters=tuple(_read_filter(*pair) for pair in filters.items()))


def _read_filter(name: str, values: list[str]) -> Filter:
    probe = _filter(name, "")
    if probe.vr == "UI":
        values = [uid for value in values for uid in value.replace("\\", ",").split(",")]
    elif probe.vr in _RANGED:
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
    if "" in one.values:
        return True
    if one.vr == "UI":
        return any(value in one.values for value in stored)
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
