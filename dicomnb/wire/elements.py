"""One element's bytes → DICOM JSON (PS3.18 F.2), so that a bad value stays one bad value.

What `dicomnb.wire.dicomjson` says about the choices made holds here.
"""

from __future__ import annotations

import base64
import math
import re
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.datadict import dictionary_VR, private_dictionary_VR

from dicomnb.wire.charsets import UTF8

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dicomnb.wire.charsets import Decode

__all__ = [
    "BINARY",
    "BULK_VALUES",
    "CHARACTER_SET",
    "NUMBERS",
    "PIXEL_TAGS",
    "TEXT_READERS",
    "element_from_bytes",
    "filled",
    "finite",
    "resolved_vr",
    "swapped",
    "word_size",
]

Values = list[Any]

CHARACTER_SET = 0x00080005
PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
"""FloatPixelData, DoubleFloatPixelData and PixelData."""
BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
"""VRs whose value is bytes."""
NUMBERS = {"FD": "d", "FL": "f", "SL": "i", "SS": "h", "SV": "q", "UL": "I", "US": "H", "UV": "Q"}
"""VRs whose values are binary numbers → the letter that `struct` has for them."""
BULK_BYTES = 2048
"""Up to how many bytes a binary value stands inline."""
BULK_VALUES = 512
"""Up to how many binary numbers stand as numbers."""

_WORDS = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8, "AT": 2}
_INTEGER = re.compile(r"[+-]?[0-9]{1,15}")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_PADDING = " \0"


def element_from_bytes(
    tag: int, vr: str, raw: bytes, *, decode: Decode, order: str, uri: Callable[[], str]
) -> dict[str, Any]:
    """One element, of any VR but SQ, as DICOM JSON.

    Args:
        tag: the attribute.
        vr: two letters; any that the standard does not have is taken as ``UN``.
        raw: the value field.
        decode: turns text that depends on the character set into ``str``.
        order: ``"<"`` or ``">"``.
        uri: gives the BulkDataURI where one is needed.
    """
    if tag == CHARACTER_SET:
        return filled("CS", [UTF8 if raw.strip(b" \0") else None])
    if not raw:
        return {"vr": vr}
    if vr in TEXT_READERS:
        text = decode(raw) if vr in _BY_CHARACTER_SET else raw.decode("latin_1")
        return filled(vr, TEXT_READERS[vr](text))
    if vr in NUMBERS and len(raw) % word_size(vr) == 0:
        count = len(raw) // word_size(vr)
        if count > BULK_VALUES:
            return {"vr": vr, "BulkDataURI": uri()}
        numbers = struct.unpack(f"{order}{count}{NUMBERS[vr]}", raw)
        return {"vr": vr, "Value": finite(numbers) if vr in ("FL", "FD") else list(numbers)}
    if vr == "AT" and len(raw) % 4 == 0:
        words = struct.unpack(f"{order}{len(raw) // 2}H", raw)
        pairs = zip(words[::2], words[1::2], strict=True)
        return {"vr": vr, "Value": [f"{group:04X}{element:04X}" for group, element in pairs]}
    if vr not in BINARY:
        vr = "UN"
    if tag in PIXEL_TAGS or len(raw) > BULK_BYTES:
        return {"vr": vr, "BulkDataURI": uri()}
    little = swapped(raw, word_size(vr)) if order == ">" else raw
    return {"vr": vr, "InlineBinary": base64.b64encode(little).decode("ascii")}


def filled(vr: str, values: Values) -> dict[str, Any]:
    """An element with these values, without Value where none of them is there."""
    if all(value is None for value in values):
        return {"vr": vr}
    return {"vr": vr, "Value": values}


def finite(values: Iterable[Any]) -> Values:
    """Floats that JSON has as numbers, the others as text."""
    numbers = [float(value) for value in values]
    if all(map(math.isfinite, numbers)):
        return numbers
    texts = {math.inf: "Infinity", -math.inf: "-Infinity"}
    return [number if math.isfinite(number) else texts.get(number, "NaN") for number in numbers]


def word_size(vr: str) -> int:
    """How many bytes are swapped together in a value of this VR."""
    return struct.calcsize(f"={NUMBERS[vr]}") if vr in NUMBERS else _WORDS.get(vr, 1)


def swapped(raw: bytes, size: int) -> bytes:
    """Big endian words of ``size`` bytes in little endian, if it is a whole number of them."""
    if size == 1 or len(raw) % size:
        return raw
    return np.frombuffer(raw, f"u{size}").byteswap().tobytes()


def resolved_vr(
    tag: int, *, creator: Callable[[], str | None], is_signed: Callable[[], bool]
) -> str:
    """The VR that the dictionary has for a tag, where the bytes do not tell it.

    Args:
        tag: a public or private attribute.
        creator: gives the private creator of the tag's block, if it is known.
        is_signed: whether PixelRepresentation is 1, for ``US or SS``.
    """
    if tag & 0x10000:
        return _private_vr(tag, creator)
    try:
        vr = dictionary_VR(tag)
    except KeyError:
        return "UN"
    if vr == "US or SS":
        return "SS" if is_signed() else "US"
    return "OW" if " or " in vr else vr


def _private_vr(tag: int, creator: Callable[[], str | None]) -> str:
    if 0x10 <= tag & 0xFFFF < 0x100:
        return "LO"
    name = creator()
    try:
        vr = private_dictionary_VR(tag, name) if name else "UN"
    except KeyError:
        return "UN"
    return "OW" if " or " in vr else vr


def _strings(text: str) -> Values:
    if "\\" not in text:
        return [text.strip(_PADDING) or None]
    return [one.strip(_PADDING) or None for one in text.split("\\")]


def _long_text(text: str) -> Values:
    return [text.rstrip(_PADDING) or None]


def _names(text: str) -> Values:
    return [_name(one) for one in text.split("\\")]


def _name(text: str) -> dict[str, str] | None:
    """A person name's component groups, those that are there (F.2.2)."""
    groups = text.strip(_PADDING).split("=")
    names = ("Alphabetic", "Ideographic", "Phonetic")
    return {name: group for name, group in zip(names, groups, strict=False) if group} or None


def _integers(text: str) -> Values:
    return [_integer(one.strip(_PADDING)) for one in text.split("\\")]


def _integer(text: str) -> int | str | None:
    number = _decimal(text)
    if isinstance(number, float) and number.is_integer() and abs(number) < 1e15:
        return int(number)
    return text or None if isinstance(number, float) else number


def _decimals(text: str) -> Values:
    return [_decimal(one.strip(_PADDING)) for one in text.split("\\")]


def _decimal(text: str) -> int | float | str | None:
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text or None


TEXT_READERS: dict[str, Callable[[str], Values]] = {
    **dict.fromkeys(("AE", "AS", "CS", "DA", "DT", "LO", "SH", "TM", "UC", "UI"), _strings),
    **dict.fromkeys(("LT", "ST", "UR", "UT"), _long_text),
    "DS": _decimals,
    "IS": _integers,
    "PN": _names,
}
"""VRs whose value is text → the function that makes the JSON values of it."""
_BY_CHARACTER_SET = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
