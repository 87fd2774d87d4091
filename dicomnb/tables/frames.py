"""Multi-frame instances → one row a frame (PS3.3 C.7.6.16, functional groups)."""

from __future__ import annotations

from typing import Any

import msgspec

from dicomnb.attributes import attribute

__all__ = ["frame_rows"]

_SHARED = attribute("SharedFunctionalGroupsSequence").tag
_PER_FRAME = attribute("PerFrameFunctionalGroupsSequence").tag
_COUNT = attribute("NumberOfFrames").tag
# No scanner writes as many into one instance; a number beyond it is damage, and stays one row.
_MOST_FRAMES = 100_000

_ROWS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


def frame_rows(page: bytes) -> tuple[bytes, list[int]]:
    """A page of instances as a page of frames.

    Each frame's row has the instance's own attributes, with those of the shared and then of its
    own functional groups in their place: the attributes of a group of one item stand in the row
    itself (``ImagePositionPatient``), one of several items stays a sequence. The two sequences
    of groups are left out. A multi-frame instance without functional groups gives equal rows.

    Args:
        page: a DICOM JSON array; anything else is given back as it is, for whoever reads it
            to report.

    Returns:
        The page, and each row's frame number, from 1.
    """
    try:
        instances = _ROWS.decode(page)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return page, []
    rows: list[dict[str, msgspec.Raw]] = []
    numbers: list[int] = []
    for instance in instances:
        for number, frame in enumerate(_frames(instance), 1):
            rows.append(frame)
            numbers.append(number)
    return msgspec.json.encode(rows), numbers


def _frames(instance: dict[str, msgspec.Raw]) -> list[dict[str, msgspec.Raw]]:
    own = _items(instance, _PER_FRAME)
    if not own:
        return [instance] * _number_of_frames(instance)
    plain = {tag: raw for tag, raw in instance.items() if tag not in (_SHARED, _PER_FRAME)}
    for shared in _items(instance, _SHARED)[:1]:
        plain.update(_lifted(shared))
    return [{**plain, **_lifted(groups)} for groups in own]


def _lifted(groups: dict[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    """The attributes that functional groups give to a frame."""
    found: dict[str, msgspec.Raw] = {}
    for tag, raw in groups.items():
        items = _items(groups, tag)
        found.update(items[0] if len(items) == 1 else {tag: raw})
    return found


def _items(holder: dict[str, msgspec.Raw], tag: str) -> list[dict[str, msgspec.Raw]]:
    """The items of a sequence; none for what is no sequence, or not one as it should be."""
    if tag not in holder:
        return []
    try:
        element = msgspec.json.decode(holder[tag], type=dict[str, msgspec.Raw])
        return _ROWS.decode(element["Value"]) if "Value" in element else []
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []


def _number_of_frames(instance: dict[str, msgspec.Raw]) -> int:
    if _COUNT not in instance:
        return 1
    element: Any = msgspec.json.decode(instance[_COUNT])
    values = element.get("Value") if isinstance(element, dict) else None
    first = values[0] if isinstance(values, list) and values else 1
    text = str(first).strip()
    count = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 1
    return count if 1 <= count <= _MOST_FRAMES else 1
