"""What of a search a server refuses, found out by asking. Pure but for ``is_taken``.

A 400 rarely tells what was wrong: an attribute that cannot be searched by, a wildcard, a
field that cannot be brought, or a page that is too large. So the parts of the request are
asked in groups, each with one row, until the refused ones are known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dicomnb.attributes import column_name
from dicomnb.query import Filter, Lesson, Query, forms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Refusal", "refusal"]

_SMALLER = (1000, 200, 100, 50, 10, 1)
"""Sizes of pages to try where the one asked for is refused."""


@dataclass(frozen=True)
class Refusal:
    """What is refused of a query, what is left of it, and the lesson of that."""

    left: Query
    filters: tuple[Filter, ...]
    fields: tuple[str, ...]
    lesson: Lesson

    @property
    def words(self) -> str:
        """For a person."""
        told = []
        if self.filters:
            names = ", ".join(f"{one.name}={'|'.join(one.values[:3])}" for one in self.filters)
            told.append(
                f"The server refuses to search by {names}: its rows are checked here instead."
            )
        if self.fields:
            names = ", ".join(column_name(tag) for tag in self.fields)
            told.append(f"The server refuses to bring {names}.")
        return " ".join(told)


def refusal(query: Query, words: str, is_taken: Callable[[Query], bool]) -> Refusal | None:
    """What of ``query`` is refused, or None when leaving parts out does not help.

    Args:
        query: the refused one.
        words: what the server said; the parts that it names are tried first.
        is_taken: asks, and tells whether the server answers.
    """
    filters = [one for one in query.filters if not one.is_universal]
    parts: list[Filter | str] = [*filters, *query.fields]
    named = [part for part in parts if _is_named(part, words)]
    if named and is_taken(_one_row(_without(query, named))):
        return _found(query, named, is_taken)
    if not is_taken(_one_row(_without(query, parts))):
        return None

    def is_good(group: Sequence[Filter | str]) -> bool:
        others = [part for part in parts if part not in group]
        return is_taken(_one_row(_without(query, others)))

    return _found(query, _culprits(parts, is_good), is_taken)


def _found(
    query: Query, culprits: Sequence[Filter | str], is_taken: Callable[[Query], bool]
) -> Refusal | None:
    left = _without(query, culprits)
    size = query.limit
    if not is_taken(left):
        sizes = (one for one in _SMALLER if query.limit is not None and one < query.limit)
        size = next((one for one in sizes if is_taken(replace(left, limit=one))), None)
        if size is None:
            return None
        left = replace(left, limit=size)
    filters = tuple(one for one in culprits if isinstance(one, Filter))
    fields = tuple(one for one in culprits if isinstance(one, str))
    lesson = Lesson(
        refused=frozenset(form for one in filters for form in forms(one, query.level)),
        fields=frozenset((query.level, tag) for tag in fields),
        most=None if size is None or size == query.limit else (query.level, size),
    )
    return Refusal(left, filters, fields, lesson)


def _culprits(
    parts: Sequence[Filter | str], is_good: Callable[[Sequence[Filter | str]], bool]
) -> list[Filter | str]:
    """The parts that are refused by themselves, by halving: one among n costs 2 log n."""
    if not parts or is_good(parts):
        return []
    if len(parts) == 1:
        return list(parts)
    middle = len(parts) // 2
    return [*_culprits(parts[:middle], is_good), *_culprits(parts[middle:], is_good)]


def _without(query: Query, parts: Sequence[Filter | str]) -> Query:
    return replace(
        query,
        filters=tuple(one for one in query.filters if one not in parts),
        fields=tuple(one for one in query.fields if one not in parts),
    )


def _one_row(query: Query) -> Query:
    return replace(query, limit=1, offset=0)


def _is_named(part: Filter | str, words: str) -> bool:
    path = part.path if isinstance(part, Filter) else (part,)
    said = words.lower().replace(",", "")
    return any(
        re.search(rf"\b{re.escape(name.lower())}\b", said)
        for tag in path
        for name in (tag, column_name(tag))
    )
