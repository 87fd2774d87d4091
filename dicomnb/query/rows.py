"""The rules of PS3.4 section C.2.2.2 on a row of DICOM JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from dicomnb.vr import VRS

if TYPE_CHECKING:
    from dicomnb.query.filters import Filter

__all__ = ["matches", "select"]


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
