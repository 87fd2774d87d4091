"""Where the elements of a data set lie, by a walk over its bytes (PS3.5 section 7).

Of hundreds of headers in one series nearly everything is the same, and what is asked of each
are a few elements: parsing all of them into objects costs more than fetching the pixels. This
only notes where each value stands. It knows little endian bytes that are exactly as the standard
has them; what is not is `Unusual`, for pydicom to read, which knows the ways in which files are
wrong.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydicom.valuerep import EXPLICIT_VR_LENGTH_16, EXPLICIT_VR_LENGTH_32

from dicomnb.wire.elements import PIXEL_TAGS

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["META_AT", "More", "Outline", "Unusual", "meta_outline", "outline"]

_HEAD = struct.Struct("<HHHH").unpack_from
"""Group, element, VR, length of two bytes; without a VR, the last two are the length."""
_LENGTH = struct.Struct("<I").unpack_from
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_FIRST_DELIMITER = 0xFFFE0000
_DEEPEST = 32
META_AT = 132
"""After the preamble and DICM (PS3.10 section 7.1)."""


def _codes(vrs: Iterable[str]) -> dict[int, str]:
    """VRs by their two letters read as a number."""
    return {int.from_bytes(str(vr).encode(), "little"): str(vr) for vr in vrs}


_SHORT = _codes(EXPLICIT_VR_LENGTH_16)
_LONG = _codes(EXPLICIT_VR_LENGTH_32)


class Unusual(Exception):
    """Bytes that this walk does not understand."""


class More(Exception):
    """The walk needs the bytes up to ``needed``."""

    def __init__(self, needed: int) -> None:
        super().__init__(needed)
        self.needed = needed


@dataclass(frozen=True, slots=True)
class Outline:
    """Elements by tag, in the order in which they stand.

    Attributes:
        elements: tag → VR (None where the bytes do not tell it), begin and end of the value.
        end: where the walk ended: at the first element that it was not to take.
    """

    elements: dict[int, tuple[str | None, int, int]]
    end: int


def meta_outline(data: bytes | bytearray) -> Outline:
    """The file meta information of a Part 10 file.

    Raises:
        Unusual: there is none.
        More: ``data`` is too short.
    """
    if len(data) < META_AT:
        raise More(META_AT)
    if data[META_AT - 4 : META_AT] != b"DICM":
        raise Unusual("no DICM after a preamble")
    elements: dict[int, tuple[str | None, int, int]] = {}
    position = META_AT
    while True:
        if position + 12 > len(data):
            raise More(position + 12)
        group, element, _, _ = _HEAD(data, position)
        if group != 2:
            return Outline(elements, position)
        place = _place(data, position, is_implicit=False)
        elements[group << 16 | element] = place
        position = place[2]


def outline(
    data: bytes | bytearray, start: int, *, is_implicit: bool, before: int | None = None
) -> Outline:
    """The elements of a data set, up to its pixels or to a tag.

    Args:
        data: the file from its beginning, maybe not to its end.
        start: where the data set begins.
        is_implicit: whether the bytes do not tell VRs.
        before: the first tag that is not wanted; None for up to the pixels, which there must be.

    Raises:
        More: ``data`` is too short.
        Unusual: the bytes are not as the standard has them.
    """
    elements: dict[int, tuple[str | None, int, int]] = {}
    position, last = start, 0
    size = len(data) - 12
    while True:
        if position > size:
            raise More(position + 12)
        group, element, code, length = _HEAD(data, position)
        tag = group << 16 | element
        if tag <= last or tag >= _FIRST_DELIMITER:
            raise Unusual("tags are not in ascending order")
        if last == 0:
            _check_encoding(data, start, is_implicit=is_implicit)
        if tag in PIXEL_TAGS if before is None else tag >= before:
            return Outline(elements, position)
        place: tuple[str | None, int, int]
        if not is_implicit and code in _SHORT:  # most of them, so without a call
            place = _SHORT[code], position + 8, position + 8 + length
        else:
            place = _place(data, position, is_implicit=is_implicit)
        elements[tag] = place
        position, last = place[2], tag


def _check_encoding(data: bytes | bytearray, start: int, *, is_implicit: bool) -> None:
    """Make sure that the first element has a VR, or none, as the transfer syntax says."""
    first, second = data[start + 4 : start + 6]
    has_letters = 0x40 < first < 0x5B and 0x40 < second < 0x5B
    if has_letters == is_implicit:
        raise Unusual("the transfer syntax is not that of the bytes")


def _place(
    data: bytes | bytearray, position: int, *, is_implicit: bool, depth: int = 0
) -> tuple[str | None, int, int]:
    """VR, begin and end of the value of the element at ``position``, whose first 8 are there."""
    _, _, code, length = _HEAD(data, position)
    vr: str | None = None
    begin = position + 8
    if is_implicit:
        length = code | length << 16
    elif code in _SHORT:
        return _SHORT[code], begin, begin + length
    elif code in _LONG:
        if begin + 4 > len(data):
            raise More(begin + 4)
        vr = _LONG[code]
        (length,) = _LENGTH(data, begin)
        begin += 4
    else:
        raise Unusual(f"no VR at byte {position}")
    if length != _UNDEFINED:
        return vr, begin, begin + length
    if vr not in ("SQ", None):
        raise Unusual(f"{vr} of undefined length")
    return vr, begin, _sequence_end(data, begin, is_implicit=is_implicit, depth=depth + 1)


def _sequence_end(data: bytes | bytearray, position: int, *, is_implicit: bool, depth: int) -> int:
    """Where a sequence of undefined length ends, after its delimiter."""
    if depth > _DEEPEST:
        raise Unusual(f"sequences more than {_DEEPEST} deep")
    while True:
        tag, length = _marker(data, position)
        position += 8
        if tag == _SEQUENCE_END:
            return position
        if tag != _ITEM:
            raise Unusual(f"no item at byte {position - 8}")
        if length != _UNDEFINED:
            position += length
            continue
        while _marker(data, position)[0] != _ITEM_END:
            position = _place(data, position, is_implicit=is_implicit, depth=depth)[2]
        position += 8


def _marker(data: bytes | bytearray, position: int) -> tuple[int, int]:
    """A tag, and the four bytes after it as the length that they are of an item."""
    if position + 8 > len(data):
        raise More(position + 8)
    group, element, low, high = _HEAD(data, position)
    return group << 16 | element, low | high << 16
