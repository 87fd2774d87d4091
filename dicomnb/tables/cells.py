"""One attribute of DICOM JSON → one cell, whatever a server sent (PS3.18 annex F).

A cell is, by the dictionary's VM, one value (VM 1) or a tuple; None where there is none. What
cannot be read is None and noted; what can be read without loss though it is not written as the
standard says is read and noted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache

from dicomnb.attributes import attribute, is_tag
from dicomnb.tables.columns import Column
from dicomnb.vr import VR, VRS
from dicomnb.vr.values import is_strict_uid

__all__ = ["Notes", "column_of", "read_cell"]

#: What is odd: keyword or path, raw value, and what is wrong with it.
Notes = list[tuple[str, object, str]]

# A NUL, what replaces undecodable bytes, and halves of surrogate pairs.
_UNREADABLE = re.compile("[\0\ufffd\ud800-\udfff]")

# No information model nests as deep; a server that does wants to hurt.
_DEEPEST = 32


@lru_cache(maxsize=8192)
def column_of(tag: str) -> Column:
    """The column of a tag or keyword; the cache holds what the dictionary says."""
    return Column(attribute(tag))


def read_cell(column: Column, element: object, notes: Notes) -> object:
    """The cell that an attribute object of DICOM JSON makes.

    Args:
        column: what the dictionary says of the attribute; its VR is used, not the server's,
            but for private and unknown attributes.
        element: ``{"vr": …, "Value": […]}`` or anything else that came in its place.
        notes: gets everything odd.

    Returns:
        VM 1: a value as ``VRS[…].parse`` makes it. Other VM: a tuple of them, empty ones as
        None. Sequences: a tuple of dicts keyed by keyword. Binary: ``InlineBinary`` as bytes,
        else the reference that ``BulkDataURI`` holds as text. None where there is no value.
    """
    return _read(column, element, notes, column.name, 0)


def _read(column: Column, element: object, notes: Notes, path: str, depth: int) -> object:
    if element is None:
        return None
    if not isinstance(element, Mapping):
        notes.append((path, element, "no attribute (an object with vr and Value)"))
        return None
    values = element.get("Value")
    if values is not None and not isinstance(values, list):
        notes.append((path, values, "Value is no array"))
        values = [values]
    vr = _vr_of(column, element)
    if not values or all(value is None for value in values):
        return _read_bulk(vr, column, element, notes, path)
    if vr is not None and vr.kind == "sequence":
        return _read_items(values, notes, path, depth)
    if vr is None or vr.kind == "binary":
        return _read_untyped(vr, values, notes, path)
    # How many values an attribute may have that has no type, nobody knows: always a tuple.
    many = column.many or column.vr.kind == "binary"
    return _read_values(vr, many, values, notes, path)


def _vr_of(column: Column, element: Mapping[str, object]) -> VR | None:
    """The dictionary's VR; where that is unknown or may be binary the server's, if any."""
    if column.vr.kind != "binary":
        return column.vr
    given = element.get("vr")
    fallback = None if column.vr.name == "UN" else column.vr
    return VRS.get(given, fallback) if isinstance(given, str) else fallback


def _read_values(vr: VR, many: bool, values: list[object], notes: Notes, path: str) -> object:
    problem = _complaint(vr, values)
    if not many:
        if len(values) > 1 and problem is None:
            problem = f"{len(values)} values where one belongs; the first is kept"
        values = values[:1]
    try:
        cell = tuple(vr.parse(value) for value in values)
    except ValueError as error:
        notes.append((path, values if many else values[0], str(error)))
        return None
    if problem is None and any(isinstance(one, float) and not math.isfinite(one) for one in cell):
        problem = "not a finite number"
    if problem is not None:
        notes.append((path, values, problem))
    if all(value is None for value in cell):
        return None
    return cell if many else cell[0]


def _complaint(vr: VR, values: list[object]) -> str | None:
    """What is not written as the standard says, though it may be readable."""
    for value in values:
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, vr.json_types):
            return f"not the JSON type that {vr.name} has"
        for text in value.values() if isinstance(value, Mapping) else (value,):
            if isinstance(value, Mapping) and not isinstance(text, (str, type(None))):
                return f"not the JSON type that {vr.name} has"
            if isinstance(text, str) and _UNREADABLE.search(text):
                return "holds a NUL or characters that could not be decoded"
        if vr.kind == "uid" and not is_strict_uid(value):
            return "no UID by the standard (digits and dots, 64 at most)"
    return None


def _read_bulk(
    vr: VR | None, column: Column, element: Mapping[str, object], notes: Notes, path: str
) -> object:
    """What is there in place of Value: InlineBinary, BulkDataURI, or nothing."""
    inline, reference = element.get("InlineBinary"), element.get("BulkDataURI")
    # For text of one value the reference stands for the text; among numbers, dates and tuples
    # it would be taken for a value.
    holds_text = column.vr.kind == "binary" or (column.vr.kind == "text" and not column.many)
    if inline is not None:
        if vr is not None and vr.kind != "binary":
            notes.append((path, inline, f"binary where {vr.name} belongs"))
            return None
        try:
            return VRS["OB"].parse(inline)
        except ValueError as error:
            notes.append((path, inline, str(error)))
            return None
    if reference is None:
        return None
    if not isinstance(reference, str) or not reference.strip(" \0"):
        notes.append((path, reference, "an empty reference to bulk data"))
        return None
    if not holds_text:
        notes.append((path, reference, "kept apart as bulk data"))
        return None
    return VRS["UR"].parse(reference)


def _read_untyped(vr: VR | None, values: list[object], notes: Notes, path: str) -> object:
    """Values of an attribute that has no type, or of a binary one written as an array."""
    if any(isinstance(value, (Mapping, list)) for value in values):
        notes.append((path, values, "no values of a known kind"))
        return None
    if vr is not None and vr.name != "UN":
        notes.append((path, values, f"not the JSON type that {vr.name} has"))
    return tuple(VRS["UT"].parse(v) if isinstance(v, str) else v for v in values)


def _read_items(values: list[object], notes: Notes, path: str, depth: int) -> object:
    if depth >= _DEEPEST:
        notes.append((path, "…", f"nested deeper than {_DEEPEST} sequences"))
        return None
    items = []
    for index, value in enumerate(values):
        where = f"{path}[{index}]"
        if not isinstance(value, Mapping):
            if value is not None:
                notes.append((where, value, "no item (a data set)"))
            value = {}
        items.append(_read_item(value, notes, where, depth))
    return tuple(items)


def _read_item(
    dataset: Mapping[str, object], notes: Notes, path: str, depth: int
) -> dict[str, object]:
    item: dict[str, object] = {}
    for tag, element in dataset.items():
        if not is_tag(tag):
            notes.append((path, tag, "no tag (eight hexadecimal digits)"))
            continue
        column = column_of(tag.upper())
        item[column.name] = _read(column, element, notes, f"{path}.{column.name}", depth + 1)
    return item
