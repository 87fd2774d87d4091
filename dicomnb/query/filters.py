"""A call becomes a `Query`; a query becomes parameters of a URL, and is read from them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Integral
from typing import TYPE_CHECKING, Any

import pandas as pd

from dicomnb.attributes import attribute, column_name
from dicomnb.errors import BadQuery
from dicomnb.query.abilities import RANGED, TEXT
from dicomnb.refs import LEVELS, PLURAL
from dicomnb.vr import VRS

if TYPE_CHECKING:
    from dicomnb.refs import Level, Ref

__all__ = ["Filter", "Query", "build", "from_parameters", "parameters"]

_STARS = ("*", "**")

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
    def parameter(self) -> str:
        """The name in a URL: keywords, or tags of eight digits, joined by dots."""
        return ".".join(column_name(tag).replace(",", "") for tag in self.path)

    @property
    def is_universal(self) -> bool:
        """Whether every row matches: an empty value, or ``*``, only asks for the attribute."""
        return "" in self.distinct or (self.vr in TEXT and not self.distinct.isdisjoint(_STARS))

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
        fields: keywords or tags to bring besides, or ``"all"``; of a part or of a path into
            a sequence the first keyword counts.

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
    tags = ("all",) if "all" in names else tuple(map(_field, names))
    made = tuple(_filter(name, value) for name, value in filters.items())
    _check_level(level, made)
    return Query(
        level, within, made, tags, fuzzy, None if limit is None else int(limit), int(offset)
    )


def _field(name: Any) -> str:
    return attribute(name.partition(".")[0] if isinstance(name, str) else name).tag


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
    path = [attribute(step) for step in _steps(name)]
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


def _steps(name: Any) -> list[Any]:
    """Keywords or tags from the outermost sequence in: of dotted text, or of a tuple of them.

    A pair of small numbers is a tag, ``(0x0010, 0x0010)``.
    """
    if isinstance(name, str):
        return name.split(".")
    is_tag = isinstance(name, tuple) and all(
        isinstance(part, int) and 0 <= part <= 0xFFFF for part in name
    )
    return list(name) if isinstance(name, tuple) and name and not is_tag else [name]


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
    if isinstance(value, tuple) and vr not in RANGED and vr != "AT":
        raise BadQuery(
            f"{name}={value!r}: a tuple is a range, which only dates and times have. For any of "
            f"several values give a list: {list(value)!r}."
        )
    try:
        return VRS[vr].format(value)
    except (ValueError, TypeError) as error:
        raise BadQuery(f"{name}={value!r}: {error}") from error


def parameters(query: Query) -> list[tuple[str, str]]:
    """The query as parameters of a URL (PS3.18 section 8.3.4), in a fixed order, unescaped."""
    pairs = [(one.parameter, ",".join(one.values)) for one in query.filters]
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
