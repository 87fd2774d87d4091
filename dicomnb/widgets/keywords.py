"""Completion: the keywords that a few letters may be the beginning of. Pure."""

from __future__ import annotations

import difflib
import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from pydicom._dicom_dict import DicomDictionary

from dicomnb.attributes import attribute
from dicomnb.errors import BadQuery
from dicomnb.query import build
from dicomnb.tables import columns_for

if TYPE_CHECKING:
    from collections.abc import Set

    from dicomnb.refs import Level

__all__ = ["Suggestion", "suggestions"]

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z]*|\d+|[a-z]+")
_LETTERS = re.compile(r"[^0-9a-z]")


class Suggestion(NamedTuple):
    """A keyword, and what it means."""

    keyword: str
    title: str


class _Entry(NamedTuple):
    keyword: str
    title: str
    plain: str
    """The keyword in lower case."""
    starts: tuple[int, ...]
    """Where its words begin."""
    is_retired: bool


def suggestions(
    text: str,
    level: Level,
    *,
    matched: Set[str] | None = None,
    filters: bool = True,
    count: int = 20,
) -> list[Suggestion]:
    """Keywords that are meant by a few letters, the likeliest first.

    Args:
        text: the beginning of a keyword or of one of its words, or part of DICOM's own name.
        level: what is searched for.
        matched: tags that the source matches itself at this level, which come first; None if
            that is all, or not known.
        filters: only what can be searched by at this level; False for what can be a column.
        count: how many at most.

    Returns:
        Of what nothing begins like, the nearest in writing.

    Example:
        >>> [one.keyword for one in suggestions("bodyp", "series")]
        ['BodyPartExamined', 'BodyPartThickness', ...]
    """
    plain = _LETTERS.sub("", text.lower())
    if not plain:
        return []
    usual = frozenset(columns_for(level))
    found = []
    for entry in _entries():
        rank = _rank(plain, entry, text.lower())
        if rank is None:
            continue
        tag = attribute(entry.keyword).tag
        is_unmatched = matched is not None and tag not in matched
        is_unusual = entry.keyword not in usual
        order = (entry.is_retired, rank, is_unusual, is_unmatched, entry.plain)
        found.append((order, entry))
    found.sort(key=lambda one: one[0])
    names = [entry for _, entry in found] or _near(plain)
    fitting = (one for one in names if not filters or _can_filter(one.keyword, level))
    return [
        Suggestion(one.keyword, one.title) for one, _ in zip(fitting, range(count), strict=False)
    ]


def _rank(plain: str, entry: _Entry, text: str) -> int | None:
    """How well letters fit: 0 the whole, then by where they begin; None if not at all."""
    if entry.plain == plain:
        return 0
    if entry.plain.startswith(plain):
        return 1
    at = entry.plain.find(plain)
    while at >= 0:
        if at in entry.starts:
            return 2
        at = entry.plain.find(plain, at + 1)
    words = entry.title.lower().split()
    if all(any(word.startswith(part) for word in words) for part in text.split()):
        return 3
    return 4 if plain in entry.plain else None


def _near(plain: str) -> list[_Entry]:
    by_plain = {entry.plain: entry for entry in _entries()}
    return [by_plain[one] for one in difflib.get_close_matches(plain, by_plain, n=8, cutoff=0.6)]


def _can_filter(keyword: str, level: Level) -> bool:
    try:
        build(level, {keyword: ""})
    except BadQuery:
        return False
    return True


@lru_cache(maxsize=1)
def _entries() -> tuple[_Entry, ...]:
    """Every keyword of the dictionary; holds nothing but what the dictionary says."""
    made = []
    for _, _, title, retired, keyword in DicomDictionary.values():
        if keyword:
            starts = tuple(found.start() for found in _WORDS.finditer(keyword))
            made.append(_Entry(keyword, title, keyword.lower(), starts, bool(retired)))
    return tuple(made)
