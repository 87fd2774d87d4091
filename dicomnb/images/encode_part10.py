"""Metadata + codestreams → a Part 10 instance (PS3.10 section 7.1, PS3.5 annex A.4)."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.tag import Tag
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicomnb.errors import NoDicom
from dicomnb.images.pixels import UNREADABLE, is_native
from dicomnb.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["dataset_of_json", "part10"]

_PIXEL_DATA = Tag(0x7FE00010)
_IMPLEMENTATION = UID("2.25.169366072089088356173567230909472627575")
_LONGEST_TABLE = 0xFFFFFFFE
"""Where an offset no longer fits into the Basic Offset Table (PS3.5 A.4)."""


def dataset_of_json(metadata: Mapping[str, Any]) -> Dataset:
    """One object of DICOM JSON (PS3.18 annex F) as a data set.

    Group 0002 becomes its ``file_meta``. PixelData that stands as BulkDataURI is left out: the
    pixels are given beside.

    Args:
        metadata: tag of eight hex digits → ``{"vr": …, "Value": […]}``.

    Raises:
        NoDicom: a tag or a value is not what it should be, or another value than the pixels
            stands as BulkDataURI; it is named.
    """
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    for name, element in metadata.items():
        if not isinstance(element, dict):
            raise NoDicom(f"{name} of the metadata is no element of DICOM JSON.")
        if name.upper() == f"{_PIXEL_DATA:08X}" and "BulkDataURI" in element:
            continue
        made = _element(name, element)
        (dataset.file_meta if made.tag.group == 2 else dataset).add(made)
    return dataset


def _element(name: str, element: Mapping[str, Any]) -> DataElement:

    def refuse(*_: str) -> bytes:
        raise NoDicom(f"{name} of the metadata is a BulkDataURI: only the pixels may be.")

    keys = [key for key in ("Value", "InlineBinary", "BulkDataURI") if key in element]
    try:
        with warnings.catch_warnings():
            # A value that breaks the rules of its VR is kept as it came, as in a file.
            warnings.simplefilter("ignore")
            tag = f"{int(name, 16):08X}"
            value = element[keys[0]] if keys else ""
            return DataElement.from_json(
                Dataset, tag, element["vr"], value, keys[0] if keys else None, refuse
            )
    except UNREADABLE as error:
        raise NoDicom(
            f"{name} of the metadata is no element of DICOM JSON ({type(error).__name__})."
        ) from error


def part10(dataset: Dataset, frames: Sequence[bytes] | None, *, transfer_syntax: str) -> bytes:
    """A Part 10 instance out of a data set and its frames.

    Args:
        dataset: everything but the pixels, those that describe them included; not changed.
        frames: codestreams, each of which becomes one fragment, padded to an even length with
            a zero behind its end; or native frames, joined as they are; None for an instance
            without pixels.
        transfer_syntax: of ``frames``.

    Returns:
        The bytes of a file: preamble, file meta information, data set. Encapsulated pixels
        have a Basic Offset Table or, beyond 4 GiB, an Extended one.

    Raises:
        NoDicom: a value cannot be written, or SOPClassUID or SOPInstanceUID is missing.
    """
    made = Dataset(dict(dataset.items()))
    made.file_meta = _file_meta(dataset, transfer_syntax)
    if frames is None:
        made.pop(_PIXEL_DATA, None)
    elif is_native(transfer_syntax):
        _put_native(made, b"".join(frames))
    else:
        _put_encapsulated(made, frames)
    buffer = io.BytesIO()
    try:
        made.save_as(
            buffer,
            implicit_vr=transfer_syntax == ImplicitVRLittleEndian,
            little_endian=True,
            enforce_file_format=True,
        )
    except UNREADABLE as error:
        # What pydicom says goes on with the value itself, a patient's perhaps.
        raise NoDicom(
            f"The metadata cannot be written as a DICOM file: {str(error).splitlines()[0]}"
        ) from error
    return buffer.getvalue()


def _file_meta(dataset: Dataset, transfer_syntax: str) -> FileMetaDataset:
    for keyword in ("SOPClassUID", "SOPInstanceUID"):
        if not dataset.get(keyword):
            raise NoDicom(f"The metadata has no {keyword}.")
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = UID(transfer_syntax or ExplicitVRLittleEndian)
    meta.ImplementationClassUID = _IMPLEMENTATION
    meta.ImplementationVersionName = f"DICOMNB {__version__}"[:16]
    return meta


def _put_native(made: Dataset, data: bytes) -> None:
    vr = "OW" if int(made.get("BitsAllocated") or 8) > 8 else "OB"
    made[_PIXEL_DATA] = DataElement(_PIXEL_DATA, vr, data + b"\0" * (len(data) % 2))


def _put_encapsulated(made: Dataset, frames: Sequence[bytes]) -> None:
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        if keyword in made:
            delattr(made, keyword)
    if sum(len(frame) + 9 for frame in frames) > _LONGEST_TABLE:
        data, offsets, lengths = encapsulate_extended(list(frames))
        made.ExtendedOffsetTable = offsets
        made.ExtendedOffsetTableLengths = lengths
    else:
        data = encapsulate(list(frames))
    made[_PIXEL_DATA] = DataElement(_PIXEL_DATA, "OB", data, is_undefined_length=True)
