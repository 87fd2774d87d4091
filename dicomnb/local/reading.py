"""Instances read from the files that hold them: whole, frame by frame, or one bulk value."""

from __future__ import annotations

import io
import os
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID

from dicomnb.errors import DecodeError, NotFound, Unsupported
from dicomnb.images.decode import decode
from dicomnb.images.pixels import is_native, pixel_keyword
from dicomnb.local.header import BIG_ENDIAN, EXPLICIT, UNREADABLE, dataset_start
from dicomnb.wire.dicomjson import bulk_value
from dicomnb.wire.elements import swapped, word_size
from dicomnb.wire.media import DICOM
from dicomnb.wire.parts import BytesPart, FilePart

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom.dataelem import DataElement

    from dicomnb.refs import Ref
    from dicomnb.wire.parts import Part

__all__ = [
    "Located",
    "bulk_bytes",
    "instance_part",
    "location",
    "opened",
    "read_header",
    "read_whole",
]


@dataclass(frozen=True)
class Located:
    """An instance and its file, as the index has them.

    Attributes:
        ref: the instance.
        path: relative to the folder, as the file system has it.
        mtime_ns: when the file was last changed, when it was read.
        size: in bytes, then.
        transfer_syntax: UID.
        is_part10: whether the file's bytes can be sent as they are.
        pixel_offset: where the value of the pixels begins, or None.
        pixel_length: its length; 0xFFFFFFFF where it is encapsulated.
    """

    ref: Ref
    path: bytes
    mtime_ns: int
    size: int
    transfer_syntax: str
    is_part10: bool
    pixel_offset: int | None
    pixel_length: int | None


@contextmanager
def opened(root: bytes, located: Located, *, has_buffer: bool = True) -> Iterator[BinaryIO]:
    """The file of an instance, if it still is the one that was indexed.

    Without a buffer for who reads much at a time, or has the system send it: of a server's
    threads, each waits for its turn after every call of the system.

    Raises:
        NotFound: it has gone, or was changed.
    """
    with _file(root, located, buffering=-1 if has_buffer else 0) as file:
        status = os.fstat(file.fileno())
        if (status.st_mtime_ns, status.st_size) != (located.mtime_ns, located.size):
            raise NotFound(
                f"{_name(located)} was changed since it was read. refresh() brings the folder up "
                "to date."
            )
        yield file


def _file(root: bytes, located: Located, *, buffering: int) -> BinaryIO:
    try:
        return open(os.path.join(root, located.path), "rb", buffering)
    except FileNotFoundError as error:
        message = f"{_name(located)} has gone. refresh() brings the folder up to date."
        raise NotFound(message) from error


def location(located: Located) -> str:
    """The instance's URL, as the folder's own JSON has it."""
    return f"dicomnb:/{located.ref.path}"


@contextmanager
def instance_part(root: bytes, located: Located, *, transfer_syntax: str) -> Iterator[Part]:
    """An instance as Part 10: the file's own bytes where nothing else is asked for.

    Raises:
        Unsupported: another transfer syntax is asked for, and this is not to be had.
    """
    is_as_asked = transfer_syntax in ("*", located.transfer_syntax)
    is_file_itself = is_as_asked and located.is_part10
    syntax = located.transfer_syntax if is_as_asked else EXPLICIT
    with opened(root, located, has_buffer=not is_file_itself) as file:
        if is_file_itself:
            yield FilePart(
                file,
                located.size,
                media_type=DICOM,
                transfer_syntax=syntax,
                location=location(located),
            )
            return
        if is_as_asked:
            data = _with_meta(file, located)
        else:
            _check_target(located, transfer_syntax)
            data = _as_explicit(read_whole(file, located), located)
        yield BytesPart(data, media_type=DICOM, transfer_syntax=syntax, location=location(located))


def read_whole(file: BinaryIO, located: Located) -> Dataset:
    """The data set of a file, its transfer syntax in its file meta information."""
    return _read(file, located, stop_before_pixels=False)


def read_header(file: BinaryIO, located: Located) -> Dataset:
    """The data set without its pixels."""
    return _read(file, located, stop_before_pixels=True)


def _read(file: BinaryIO, located: Located, *, stop_before_pixels: bool) -> Dataset:
    file.seek(0)
    try:
        dataset = dcmread(file, force=True, stop_before_pixels=stop_before_pixels)
    except UNREADABLE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DecodeError(f"{_name(located)} is cut or damaged: {error}") from error
    if not hasattr(dataset, "file_meta"):
        dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(located.transfer_syntax)
    return dataset


def bulk_bytes(file: BinaryIO, located: Located, path: str) -> bytes:
    """The bytes behind a BulkDataURI.

    Raises:
        NotFound: there is no such bulk data.
    """
    return bulk_value(_read(file, located, stop_before_pixels=path[:4] != "7FE0"), path)


def _check_target(located: Located, transfer_syntax: str) -> None:
    if transfer_syntax != EXPLICIT:
        raise Unsupported(
            f"{_name(located)} is stored in transfer syntax {located.transfer_syntax}; a folder "
            f"gives instances as they are, or in {EXPLICIT}, not in {transfer_syntax}."
        )


def _as_explicit(dataset: Dataset, located: Located) -> bytes:
    """The instance in Explicit VR Little Endian, its pixels without compression."""
    keyword = pixel_keyword(dataset)
    if keyword is not None and not is_native(located.transfer_syntax):
        try:
            array = decode(dataset)
        except DecodeError as error:
            raise Unsupported(
                f"{_name(located)} cannot be had in another transfer syntax: {error}"
            ) from error
        dataset.PixelData = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        dataset["PixelData"].VR = "OB" if array.dtype.itemsize == 1 else "OW"
        dataset["PixelData"].is_undefined_length = False
        if array.ndim == 4:
            dataset.PhotometricInterpretation = "RGB"
            dataset.PlanarConfiguration = 0
        for table in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
            if table in dataset:
                delattr(dataset, table)
    if located.transfer_syntax == BIG_ENDIAN:
        dataset.walk(_swap)
    dataset.file_meta.TransferSyntaxUID = UID(EXPLICIT)
    try:
        return _written(dataset)
    except UNREADABLE as error:
        raise Unsupported(f"{_name(located)} cannot be written anew: {error}") from error


def _swap(_: Dataset, element: DataElement) -> None:
    """Turn round the words that pydicom leaves as they were read."""
    if isinstance(element.value, bytes):
        element.value = swapped(element.value, word_size(element.VR))


def _written(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Values that are not valid are sent as they are; it is not the moment to say so.
        warnings.simplefilter("ignore")
        dcmwrite(buffer, dataset, implicit_vr=False, little_endian=True, enforce_file_format=True)
    return buffer.getvalue()


def _with_meta(file: BinaryIO, located: Located) -> bytes:
    """The file's data set behind a preamble and file meta information of its own."""
    data = file.read()
    dataset = read_header(file, located)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", "")
    meta.MediaStorageSOPInstanceUID = UID(located.ref.uid)
    meta.TransferSyntaxUID = UID(located.transfer_syntax)
    buffer = DicomBytesIO()
    buffer.write(bytes(128) + b"DICM")
    write_file_meta_info(buffer, meta, enforce_standard=True)
    buffer.write(memoryview(data)[dataset_start(data) :])
    return buffer.getvalue()


def _name(located: Located) -> str:
    return os.fsdecode(located.path).encode("utf-8", "replace").decode()
