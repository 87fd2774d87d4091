"""What a server can match, and what its answers teach of that. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from dicomnb.vr.matching import split_moments, split_range

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dicomnb.query.filters import Filter
    from dicomnb.refs import Level

__all__ = [
    "RANGED",
    "TEXT",
    "Form",
    "Lesson",
    "PageLimit",
    "SearchAbilities",
    "forms",
    "kind_of",
]

TEXT = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
"""VRs whose values may hold wildcards."""
RANGED = frozenset({"DA", "TM", "DT"})
"""VRs whose values may be ranges."""


class Form(NamedTuple):
    """An attribute as it stands in a request: some servers take a value, but no range of it."""

    level: Level
    path: tuple[str, ...]
    kind: Literal["value", "wildcard", "range", "list"]


@dataclass(frozen=True)
class PageLimit:
    """How many rows a server gives at once: unasked, and at most (None: not known)."""

    default: int | None = None
    maximum: int | None = None


@dataclass(frozen=True)
class Lesson:
    """What one answer showed of a server.

    Attributes:
        refused: forms of filters that it answers with an error.
        loose: forms of filters under which some rows came that do not match.
        ignored: forms of filters under which most rows did not match.
        honoured: attributes that it matches, though its rows do not carry them.
        fields: attributes that it refuses to bring.
        most: the largest page that it takes at a level.
    """

    refused: frozenset[Form] = frozenset()
    loose: frozenset[Form] = frozenset()
    ignored: frozenset[Form] = frozenset()
    honoured: frozenset[tuple[Level, str]] = frozenset()
    fields: frozenset[tuple[Level, str]] = frozenset()
    most: tuple[Level, int] | None = None


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
    unescapes: bool = True
    """Whether it reads ``%5E`` in a value as ``^``."""
    all_fields: bool = True
    """Whether ``includefield=all`` brings more than is brought anyway."""
    pages: Mapping[Level, PageLimit] | None = None
    """Page sizes; None: not known, so every search is asked on until a page brings nothing."""
    offset_limit: int | None = None
    """The largest offset it takes."""
    honest_pages: bool = False
    """Whether a page shorter than asked for is surely the last."""
    refused: frozenset[Form] = frozenset()
    """Forms of filters that it was seen to refuse."""
    ignored: frozenset[Form] = frozenset()
    """Forms of filters that it was seen to ignore."""
    loose: frozenset[Form] = frozenset()
    """Forms of filters that it was seen to match more widely than the standard."""
    honoured: frozenset[tuple[Level, str]] = frozenset()
    """Attributes that it matches, though its rows do not carry them."""
    refused_fields: frozenset[tuple[Level, str]] = frozenset()
    """Attributes that it was seen to refuse to bring."""

    def after(self, lesson: Lesson) -> SearchAbilities:
        """The abilities that are known when an answer has shown something more."""
        pages = self.pages
        if lesson.most is not None:
            level, most = lesson.most
            known = (pages or {}).get(level, PageLimit())
            default = None if known.default is None else min(known.default, most)
            pages = {**(pages or {}), level: PageLimit(default, most)}
        return replace(
            self,
            pages=pages,
            refused=self.refused | lesson.refused,
            loose=self.loose | lesson.loose,
            ignored=self.ignored | lesson.ignored,
            honoured=self.honoured | lesson.honoured,
            refused_fields=self.refused_fields | lesson.fields,
        )

    def bounds(self, one: Filter, level: Level) -> bool:
        """Whether a filter, sent as it is, lets the server send less than everything."""
        return not self.ignored.intersection(forms(one, level))


def kind_of(value: str, vr: str) -> Literal["value", "wildcard", "range"]:
    """In which form of PS3.4 C.2.2.2 a value is asked for."""
    if vr in TEXT and ("*" in value or "?" in value):
        return "wildcard"
    if vr in RANGED and (split_moments if vr == "DT" else split_range)(value) is not None:
        return "range"
    return "value"


def forms(one: Filter, level: Level) -> frozenset[Form]:
    """The forms in which a filter stands in a request."""
    if len(one.values) > 1 and one.vr == "UI":
        return frozenset({Form(level, one.path, "list")})
    return frozenset(Form(level, one.path, kind_of(value, one.vr)) for value in one.values)
