"""Data sets → DICOM JSON (PS3.18 annex F), and the bulk data that is left out of it.

What is sent, where the standard leaves a choice or is silent:

- Group 0002 and group lengths are left out (F.2.2). An empty element has no ``Value``, a gap
  between values is ``null``, an empty item ``{}``.
- Text is UTF-8, and SpecificCharacterSet says so (``ISO_IR 192``), so that a reader which
  encodes the text again finds a character set that can hold it.
- IS and DS are numbers where they are valid, else the text as stored (``"0,5"``).
- NaN and infinities, which JSON numbers cannot be, are the texts ``"NaN"``, ``"Infinity"`` and
  ``"-Infinity"``.
- A binary number or tag of an impossible length is sent as ``UN`` with its bytes.
- Pixels always, OB OD OF OL OV OW UN over 2 KiB, and binary numbers of more than 512 values
  stand as BulkDataURI; shorter bytes inline. All bytes are little endian.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.tag import BaseTag, Tag

from dicomnb.errors import NotFound
from dicomnb.wire.charsets import UTF8, Decode, text_decoder
from dicomnb.wire.elements import (
    BULK_VALUES,
    CHARACTER_SET,
    NUMBERS,
    TEXT_READERS,
    element_from_bytes,
    filled,
    finite,
    resolved_vr,
    swapped,
    word_size,
)

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["bulk_value", "encode"]

_PIXEL_REPRESENTATION = 0x00280103
_PADDING = " \0"


def encode(dataset: Dataset, *, bulk_uri: Callable[[str], str]) -> dict[str, Any]:
    """A data set as DICOM JSON; the data set is not changed.

    Values that have not been looked at yet are taken from the bytes as they were read, so
    none can fail to parse.

    Args:
        dataset: with or without pixels; its file meta information is not looked at.
        bulk_uri: path of a bulk value (``"7FE00010"``, nested ``"00880200/0/7FE00010"``) →
            its BulkDataURI.

    Returns:
        Tag → ``{"vr": …, "Value": […]}``, in the order of tags.

    Example:
        >>> dataset = Dataset()
        >>> dataset.PatientName = "Doe^Jane"
        >>> encode(dataset, bulk_uri=str)
        {'00100010': {'vr': 'PN', 'Value': [{'Alphabetic': 'Doe^Jane'}]}}
    """
    signed = _text_of(dataset, _PIXEL_REPRESENTATION) == "1"
    return _Encoder(bulk_uri, signed).items(dataset, "", ())


class _Encoder:
    """What stays the same from the data set down to its innermost item."""

    def __init__(self, bulk_uri: Callable[[str], str], is_signed: bool) -> None:
        self._bulk_uri = bulk_uri
        self._is_signed = is_signed

    def items(self, dataset: Dataset, path: str, charset: tuple[str, ...]) -> dict[str, Any]:
        """Every element of a data set or item; ``path`` leads to it and ends with a slash."""
        charset = _character_set(dataset, charset)
        decode = text_decoder(charset)
        result: dict[str, Any] = {}
        for tag in sorted(dataset.keys()):
            if tag.group == 2 or tag.element == 0:
                continue
            here = f"{path}{tag:08X}"
            item = dataset.get_item(tag)
            vr = _vr(dataset, item, self._is_signed)
            if vr == "SQ":
                items = [
                    self.items(one, f"{here}/{number}/", charset)
                    for number, one in enumerate(dataset[tag].value or ())
                ]
                result[f"{tag:08X}"] = {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
            else:
                result[f"{tag:08X}"] = self._element(item, vr, here, decode)
        return result

    def _element(self, item: Any, vr: str, here: str, decode: Decode) -> dict[str, Any]:
        raw = item.value
        if isinstance(item, RawDataElement) or isinstance(raw, bytes | bytearray | memoryview):
            little = not isinstance(item, RawDataElement) or item.is_little_endian
            return element_from_bytes(
                item.tag,
                vr,
                bytes(raw or b""),
                decode=decode,
                order="<" if little else ">",
                uri=lambda: self._bulk_uri(here),
            )
        values = _as_list(raw)
        if vr in NUMBERS and len(values) > BULK_VALUES:
            return {"vr": vr, "BulkDataURI": self._bulk_uri(here)}
        return _from_values(item.tag, vr, values)


def _from_values(tag: int, vr: str, values: list[Any]) -> dict[str, Any]:
    """An element that was set or looked at in Python, any VR but SQ and binary."""
    if tag == CHARACTER_SET:
        return filled("CS", [UTF8 if any(values) else None])
    if vr in ("FL", "FD"):
        return filled(vr, finite(values))
    if vr in NUMBERS:
        return filled(vr, [int(one) for one in values])
    if vr == "AT":
        return filled(vr, [f"{Tag(one):08X}" for one in values])
    if vr in TEXT_READERS:
        return filled(vr, [value for one in values for value in TEXT_READERS[vr](_text(one))])
    return {"vr": vr}


def _text(value: Any) -> str:
    """A value as it is written in a file: a number in its own words where it kept them."""
    original = getattr(value, "original_string", None)
    return original if isinstance(original, str) else str(value)


def _as_list(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    if isinstance(value, str | bytes | BaseTag) or hasattr(value, "components"):
        return [value]
    return list(value) if isinstance(value, Iterable) else [value]


def _vr(dataset: Dataset, item: Any, is_signed: bool) -> str:
    """The VR of an element; ``UN`` of a public attribute as the dictionary has it."""
    vr = None if item.VR is None else str(item.VR)
    if vr == "UN" and isinstance(item, RawDataElement) and item.length < 0xFFFF:
        vr = None
    if vr is not None and " or " not in vr:
        return vr
    creator_tag = item.tag & 0xFFFF0000 | (item.tag >> 8 & 0xFF)
    return resolved_vr(
        item.tag, creator=lambda: _text_of(dataset, creator_tag), is_signed=lambda: is_signed
    )


def _text_of(dataset: Dataset, tag: int) -> str | None:
    """A value as text, without looking at it in a way that could fail."""
    if tag not in dataset:
        return None
    value: Any = dataset.get_item(tag).value
    if not isinstance(value, bytes):
        return str(value)
    if tag == _PIXEL_REPRESENTATION:
        return str(max(value, default=0))
    return value.decode("latin_1").strip(_PADDING)


def _character_set(dataset: Dataset, outer: tuple[str, ...]) -> tuple[str, ...]:
    """Values of SpecificCharacterSet, or those of what the item lies in."""
    item = dataset.get_item(CHARACTER_SET) if CHARACTER_SET in dataset else None
    if item is None or not item.value:
        return outer
    if isinstance(item.value, bytes):
        return tuple(item.value.decode("latin_1").strip(_PADDING).split("\\"))
    return tuple(map(str, _as_list(item.value)))


def bulk_value(dataset: Dataset, path: str) -> bytes:
    """The bytes behind a BulkDataURI, little endian; pixels as they are in the data set.

    Args:
        dataset: the one that was encoded, or one read from the same file.
        path: as `encode` handed it to ``bulk_uri``.

    Raises:
        NotFound: there is no such element, or it has no bytes.

    Example:
        >>> bulk_value(dataset, "00880200/0/7FE00010")  # the pixels of the icon image
    """
    holder, item = _located(dataset, path)
    if item is None:
        raise NotFound(f"The instance has no bulk data at {path!r}.")
    if isinstance(item, RawDataElement):
        raw = bytes(item.value or b"")
        vr = _vr(holder, item, is_signed=False)
        return raw if item.is_little_endian else swapped(raw, word_size(vr))
    if isinstance(item.value, bytes | bytearray | memoryview):
        return bytes(item.value)
    vr = _vr(holder, item, is_signed=False)
    if vr not in NUMBERS:
        raise NotFound(f"{path!r} is no bulk data: its VR is {vr}.")
    values = _as_list(item.value)
    return struct.pack(f"<{len(values)}{NUMBERS[vr]}", *values)


def _located(dataset: Dataset, path: str) -> tuple[Dataset, DataElement | RawDataElement | None]:
    """The item that holds an element, and the element, or None where there is none."""
    *steps, last = path.strip("/").split("/")
    tags = [*steps[::2], last]
    numbers = steps[1::2]
    if len(steps) % 2 or not all(re.fullmatch(r"[0-9A-Fa-f]{8}", tag) for tag in tags):
        return dataset, None
    for tag, number in zip(tags, numbers, strict=False):
        sequence = dataset.get(int(tag, 16), None)
        if sequence is None or sequence.VR != "SQ" or not number.isdecimal():
            return dataset, None
        if int(number) >= len(sequence.value):
            return dataset, None
        dataset = sequence.value[int(number)]
    return dataset, dataset.get_item(int(last, 16)) if int(last, 16) in dataset else None
