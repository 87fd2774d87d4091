"""Instances that come as DICOM JSON with their image beside it (PS3.18 section 8.7.3.5).

The first part is an array of metadata; each further part an image, or native pixels, that one
instance's PixelData names by its BulkDataURI. What describes the pixels is taken as it is
told, as the API does: nothing is derived from the image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from dicomnb.errors import NoDicom
from dicomnb.images.encode_part10 import dataset_of_json, part10
from dicomnb.images.pixels import is_native
from dicomnb.server.answers import Refused
from dicomnb.wire.frame_types import FRAME_TYPES
from dicomnb.wire.jsontext import NO_JSON
from dicomnb.wire.media import DICOM_JSON, OCTET_STREAM
from dicomnb.wire.storing import BytesUpload, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dicomnb.server.storing import Spooled
    from dicomnb.wire.storing import Upload

__all__ = ["BULK_TYPES", "instances_of"]

BULK_TYPES = frozenset(
    {OCTET_STREAM, "image/jpeg", "image/dicom-rle", "image/jls", "image/jp2", "image/jpx"}
)
"""Media types that the part of an image may have."""
_NEEDED: Mapping[str, str] = {
    "00020010": "TransferSyntaxUID",
    "00080005": "SpecificCharacterSet",
    "00080016": "SOPClassUID",
    "00080018": "SOPInstanceUID",
    "0020000D": "StudyInstanceUID",
    "0020000E": "SeriesInstanceUID",
}
_PIXELS, _FRAMES = "7FE00010", "00280008"
_INVALID_VALUE, _MISSING, _NOT_UNDERSTOOD = 0x0106, 0x0120, 0xC000


def instances_of(parts: Sequence[Spooled]) -> list[Upload | Outcome]:
    """An instance for each object of metadata, or the outcome of one that cannot be made.

    Raises:
        Refused: 400, the first part is no array of objects.
    """
    first, *others = parts
    rows = _array(first)
    images = {part.location: part for part in others if part.location}
    return [_instance(row, images) for row in rows]


def _array(part: Spooled) -> list[dict[str, Any]]:
    if part.media_type != DICOM_JSON:
        raise Refused(400, f"The first part is {part.media_type}; it must be {DICOM_JSON}.")
    try:
        rows = msgspec.json.decode(part.path.read_bytes(), type=list[dict[str, Any]])
    except NO_JSON as error:
        raise Refused(400, "The first part is no JSON array of objects.") from error
    if not rows:
        raise Refused(400, "The metadata is an empty array: there is nothing to store.")
    return rows


def _instance(row: Mapping[str, Any], images: Mapping[str, Spooled]) -> Upload | Outcome:
    uid = _value(row, "00080018")
    try:
        _check_needed(row)
        dataset = dataset_of_json(row)
        syntax = _value(row, "00020010")
        image = _image(row, images, syntax)
        frames = None if image is None else [image.path.read_bytes()]
        return BytesUpload(part10(dataset, frames, transfer_syntax=syntax), f"instance {uid}")
    except _Fault as fault:
        return _failed(row, fault.code, fault.words)
    except NoDicom as error:
        return _failed(row, _NOT_UNDERSTOOD, str(error))


class _Fault(Exception):
    """Why an instance cannot be made."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


def _check_needed(row: Mapping[str, Any]) -> None:
    for tag, keyword in _NEEDED.items():
        if not _value(row, tag):
            raise _Fault(_MISSING, f"{keyword} ({tag}) is missing in the metadata.")
    if _value(row, "00080005") != "ISO_IR 192":
        raise _Fault(_INVALID_VALUE, "SpecificCharacterSet must be ISO_IR 192: JSON is UTF-8.")


def _image(row: Mapping[str, Any], images: Mapping[str, Spooled], syntax: str) -> Spooled | None:
    """The part that holds the pixels; None for an instance without."""
    element = row.get(_PIXELS)
    if element is None:
        return None
    uri = element.get("BulkDataURI") if isinstance(element, dict) else None
    if not isinstance(uri, str):
        raise _Fault(_INVALID_VALUE, "PixelData must be a BulkDataURI, and a part of its own.")
    part = images.get(uri)
    if part is None:
        raise _Fault(_MISSING, f"No part has the Content-Location {uri!r} of PixelData.")
    kind = OCTET_STREAM if is_native(syntax) else FRAME_TYPES.get(syntax)
    if part.media_type != kind or part.transfer_syntax not in (None, syntax):
        given = part.transfer_syntax or "no transfer syntax"
        raise _Fault(
            _INVALID_VALUE,
            f"The part {uri!r} is {part.media_type} ({given}); TransferSyntaxUID {syntax} needs "
            f"{kind or 'a kind of image that is not stored so'}.",
        )
    frames = _value(row, _FRAMES)
    if not is_native(syntax) and frames not in ("", "1"):
        raise _Fault(_INVALID_VALUE, f"NumberOfFrames is {frames}; a part is one frame.")
    return part


def _value(row: Mapping[str, Any], tag: str) -> str:
    """The first value of an element as text, ``""`` where there is none."""
    element = row.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return str(values[0]).strip(" \0") if isinstance(values, list) and values else ""


def _failed(row: Mapping[str, Any], code: int, words: str) -> Outcome:
    study, series, uid, sop_class = (
        _value(row, tag) or None for tag in ("0020000D", "0020000E", "00080018", "00080016")
    )
    return Outcome("failed", study, series, uid, sop_class, code, words)
