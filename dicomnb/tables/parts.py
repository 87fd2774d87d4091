"""What a column keeps back, as a column of its own: a name's parts, raw text, an offset."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from dicomnb.attributes import Attribute, attribute
from dicomnb.errors import BadQuery
from dicomnb.tables.columns import Column
from dicomnb.tables.decode import PersonName, Plain
from dicomnb.vr import VR, VRS
from dicomnb.vr.values import offset_minutes

__all__ = ["Part", "part_cells", "part_named", "parts_beside"]

_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_NAME_PARTS = ("Family", "Given", "Middle", "Prefix", "Suffix")


@dataclass(frozen=True)
class Part(Column):
    """A column that is made of another attribute's values: ``"PatientName.Family"``.

    Attributes:
        part: ``"Family"``, ``"Given"``, ``"Middle"``, ``"Prefix"``, ``"Suffix"``,
            ``"Ideographic"`` or ``"Phonetic"`` of a name; ``"Offset"`` of a date-time, minutes
            from UTC; ``"Raw"`` of anything: what came, as text.
    """

    part: str

    @property
    def name(self) -> str:
        """The attribute's column, a dot and the part."""
        return f"{self.attribute.column}.{self.part}"

    @cached_property
    def vr(self) -> VR:
        """A row of the VR table that has the part's type."""
        return VRS["IS" if self.part == "Offset" else "UT"]

    @cached_property
    def many(self) -> bool:
        """Whether a cell is a tuple: as of the attribute itself; never of raw text."""
        return self.part != "Raw" and Column(self.attribute).many


def part_named(name: str) -> Part:
    """The part that a name such as ``"PatientName.Family"`` means.

    Raises:
        BadQuery: an unknown keyword, or no part that this attribute has.
    """
    keyword, _, part = name.rpartition(".")
    found = attribute(keyword)
    allowed = _allowed(found)
    if part not in allowed:
        raise BadQuery(
            f"{name!r}: {found.column} (VR {found.vr}) has no part {part!r}. It has "
            f"{', '.join(allowed)}."
        )
    return Part(found, part)


def _allowed(of: Attribute) -> tuple[str, ...]:
    if of.vr == "PN":
        return (*_NAME_PARTS, "Ideographic", "Phonetic", "Raw")
    return ("Offset", "Raw") if of.vr == "DT" else ("Raw",)


def parts_beside(column: Column) -> tuple[Part, ...]:
    """Parts that a column always brings along: without its offset a date-time says less."""
    if column.attribute.vr == "DT" and not isinstance(column, Part):
        return (Part(column.attribute, "Offset"),)
    return ()


def part_cells(part: Part, came: Plain | list[Any]) -> list[Any]:
    """One cell a row, as `column_array` takes them; what cannot be read is None.

    Args:
        part: of the attribute whose values these are.
        came: the attribute of a page, as `decode_page` gives it.
    """
    if isinstance(came, Plain):
        lists = [{"Value": values} if values else None for values in came.as_lists()]
    else:
        lists = came
    if part.part == "Raw":
        return [_raw(element) for element in lists]
    return [_cell(part, element) for element in lists]


def _cell(part: Part, element: Any) -> Any:
    values = element.get("Value") if isinstance(element, Mapping) else None
    if not isinstance(values, list) or not values:
        return None
    read = _offset if part.part == "Offset" else _name_part
    if not part.many:
        return read(values[0], part.part)
    cells = tuple(read(value, part.part) for value in values)
    return cells if any(cell is not None for cell in cells) else None


def _offset(value: Any, _: str) -> int | None:
    return offset_minutes(value) if isinstance(value, str) else None


def _name_part(value: Any, part: str) -> str | None:
    groups = _groups(value)
    if part in _GROUPS:
        return groups[_GROUPS.index(part)] or None
    first = next((group for group in groups if group), "")
    pieces = first.split("^", len(_NAME_PARTS) - 1)
    place = _NAME_PARTS.index(part)
    return pieces[place].strip() or None if place < len(pieces) else None


def _groups(name: Any) -> tuple[str, ...]:
    if isinstance(name, PersonName):
        found: list[Any] = [name.Alphabetic, name.Ideographic, name.Phonetic]
    elif isinstance(name, Mapping):
        found = [name.get(group) for group in _GROUPS]
    else:
        found = name.split("=") if isinstance(name, str) else []
    texts = [text.strip(" \0") if isinstance(text, str) else "" for text in found]
    return tuple([*texts, "", "", ""][:3])


def _raw(element: Any) -> str | None:
    """What came, as text: several values with backslashes between them, as in a file."""
    if element is None:
        return None
    if isinstance(element, Mapping):
        if isinstance(values := element.get("Value"), list):
            return "\\".join(map(_raw_value, values)) or None
        for key in ("Value", "InlineBinary", "BulkDataURI"):
            if element.get(key) is not None:
                return _raw_value(element[key])
        return None
    return _raw_value(element)


def _raw_value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, PersonName | Mapping):
        text = "=".join(_groups(value)).rstrip("=")
        if text:
            return text
        value = msgspec.to_builtins(value)
    return json.dumps(value, ensure_ascii=False, default=str)
