"""One Part 10 instance that arrives as a `Part`, read in place (PS3.10 section 7).

The header is parsed while it arrives; the pixels can then be read straight into the memory
they belong to, with no copy in between. What follows the pixels is left unread.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from pydicom.dataset import FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.uid import UID

from dicomnb.errors import DecodeError, NoDicom
from dicomnb.images.encapsulated import frame_fragments, join
from dicomnb.images.headers import once
from dicomnb.images.outlined import OutlinedHeader, Recall
from dicomnb.images.part10_bytes import FIRST_READ, Inflated, Reader
from dicomnb.images.pixels import (
    BIG_ENDIAN,
    DEFLATED,
    UNREADABLE,
    PixelFormat,
    is_native,
    name_of,
    transfer_syntax_of,
)
from dicomnb.limits import Limits
from dicomnb.wire.outline import More, Unusual
from dicomnb.wire.parts import BytesPart

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from pydicom import Dataset
    from pydicom.tag import BaseTag

    from dicomnb.images.headers import Attributes
    from dicomnb.wire.parts import Part

__all__ = ["PartialInstance", "read_instance"]

_IMPLICIT = "1.2.840.10008.1.2"
_UNDEFINED = 0xFFFFFFFF
_DICOM = "application/dicom"
_LARGEST_OUTLINED = 1 << 20
"""Larger headers are those of many frames, which are looked at one by one."""
_PIXEL_TAGS = {
    0x7FE00008: "FloatPixelData",
    0x7FE00009: "DoubleFloatPixelData",
    0x7FE00010: "PixelData",
}


def read_instance(
    part: Part, *, limits: Limits | None = None, recall: Recall | None = None
) -> PartialInstance:
    """Read an instance up to its pixels.

    Args:
        part: an instance as ``application/dicom``; nothing of it may have been read.
        limits: bounds; ``part_bytes`` holds for what is read into memory as a whole.
        recall: remembers values from one instance of a series to the next.

    Raises:
        NoDicom: the bytes are not DICOM.
        DecodeError: they end within the header, or the header is damaged.
    """
    limits = limits or Limits()
    reader = Reader(part, limits.part_bytes)
    head = _outlined(reader, recall or Recall()) or _parsed(reader, part, limits)
    return PartialInstance(head)


@dataclass(frozen=True, slots=True)
class _Head:
    """A header that was read, and the reader behind it, which stands at the pixels.

    Attributes:
        attributes: the elements before the pixels.
        parsed: gives them as a data set.
        syntax: UID of the transfer syntax.
        is_implicit: whether elements tell no VR.
        order: of bytes, as `struct` has it.
        reader: where to go on.
    """

    attributes: Attributes
    parsed: Callable[[], Dataset]
    syntax: str
    is_implicit: bool
    order: str
    reader: Reader


def _outlined(reader: Reader, recall: Recall) -> _Head | None:
    """A header without parsing it; None where that takes pydicom. The reader is as it was."""
    size = FIRST_READ
    while True:
        data = reader.peek(size)
        is_all = len(data) < size
        try:
            syntax, is_implicit, found = recall.layouts.outline(data)
            break
        except More as more:
            size = max(more.needed, 2 * len(data))  # twice: so that the walks stay cheap
            if is_all or size > _LARGEST_OUTLINED:
                return None
        except Unusual:
            return None
    if not found.elements:
        return None
    head = data[: found.end]

    @cache
    def parsed() -> Dataset:
        return _parsed(Reader(BytesPart(head, media_type=_DICOM), len(head)), None).parsed()

    attributes = OutlinedHeader(head, found, is_implicit=is_implicit, recall=recall, parsed=parsed)
    reader.seek(found.end)
    return _Head(attributes, parsed, syntax, is_implicit, "<", reader)


def _parsed(reader: Reader, part: Part | None, limits: Limits | None = None) -> _Head:
    """A header as pydicom reads it.

    Raises:
        NoDicom, DecodeError: see `read_instance`.
    """
    told = None if part is None else part.transfer_syntax
    meta = _read_meta(reader)
    syntax = str(meta.get("TransferSyntaxUID") or told or _guess_syntax(reader))
    if syntax == DEFLATED:
        reader = Reader(Inflated(reader), (limits or Limits()).part_bytes)
    try:
        dataset = read_dataset(
            reader,  # type: ignore[arg-type]  # what pydicom uses of a file, it has
            is_implicit_VR=syntax == _IMPLICIT,
            is_little_endian=syntax != BIG_ENDIAN,
            stop_when=_at_pixels,
        )
    except UNREADABLE as error:
        raise DecodeError(f"The header of an instance is damaged: {error}") from error
    if "TransferSyntaxUID" not in meta:
        meta.TransferSyntaxUID = UID(syntax)
    dataset.file_meta = meta
    if len(dataset) == 0:
        raise NoDicom("A file meta information without a data set: this is no DICOM instance.")
    implicit, little = dataset.original_encoding
    return _Head(
        dataset,
        lambda: dataset,
        transfer_syntax_of(dataset),
        bool(implicit),
        "<" if little else ">",
        reader,
    )


class PartialInstance:
    """An instance whose pixels have not been read yet; they can be, once.

    Attributes:
        header: the attributes before the pixels; what is asked of them is parsed.
        transfer_syntax: UID of the transfer syntax, as the bytes say.
        keyword: the element of the pixels, or None when there is none.
        length: bytes of that element, or None when it is encapsulated.
    """

    def __init__(self, head: _Head) -> None:
        self.header = head.attributes
        self.transfer_syntax = head.syntax
        self.keyword: str | None = None
        self.length: int | None = None
        self._vr = "OW"
        self._head = head
        self._reader = head.reader
        self._read_pixel_header()

    @property
    def dataset(self) -> Dataset:
        """The header as a data set, with its ``file_meta``.

        Raises:
            DecodeError: it is damaged.
        """
        return self._head.parsed()

    @cached_property
    def pixels(self) -> PixelFormat:
        """What the pixels look like.

        Raises:
            DecodeError: attributes are missing or impossible, or there are no pixels.
        """
        syntax, keyword = self.transfer_syntax, self.keyword
        if keyword is None:
            raise DecodeError(f"{name_of(self.header)} has no pixel data.")
        pixels = once(
            self.header,
            ("pixels", syntax, keyword),
            lambda header: PixelFormat.of(header, transfer_syntax=syntax, keyword=keyword),
        )
        if is_native(pixels.transfer_syntax):
            self._check_native(pixels)
        return pixels

    def pixels_into(self, buffer: np.ndarray[Any, Any] | bytearray) -> None:
        """Read uncompressed pixels straight into ``buffer``, which they must fill.

        Sensible where ``pixels.is_plain``. Unused bits are as they were: see
        `dicomnb.images.native.clean_unused_bits`.

        Args:
            buffer: contiguous and writable, as long as all frames or fewer.

        Raises:
            DecodeError: the bytes end before ``buffer`` is full.
        """
        target = memoryview(buffer).cast("B")  # type: ignore[arg-type]  # numpy, on 3.11
        count = self._reader.readinto(target)
        if count < len(target):
            raise DecodeError(
                f"The pixels of {name_of(self.header)} are cut: {count:,} of {len(target):,} bytes."
            )

    def codestreams(self) -> list[bytes]:
        """Read encapsulated pixels: the compressed bytes of each frame.

        Raises:
            DecodeError: the bytes are cut, or do not hold as many frames as they should.
        """
        offsets = self.header.get("ExtendedOffsetTable")
        lengths = self.header.get("ExtendedOffsetTableLengths")
        extended = (bytes(offsets), bytes(lengths)) if offsets and lengths else None
        frames = frame_fragments(self._reader.rest(), self.pixels.frames, extended=extended)
        return [bytes(join(fragments)) for fragments in frames]

    def whole(self) -> Dataset:
        """Read the pixels into the data set, and give it: as a file read by pydicom.

        What follows the pixels in the file is not in it.
        """
        if self.keyword is None:
            return self.dataset
        if is_native(self.transfer_syntax):
            self._native_length(self.transfer_syntax)
        if self.length is None:
            data = self._reader.rest()
        elif self._reader.left is not None and self.length <= self._reader.left:
            buffer = bytearray(self.length)
            self.pixels_into(buffer)
            data = bytes(buffer)
        else:
            data = self._reader.take(self.length)
        dataset = self.dataset
        dataset.add_new(self.keyword, self._vr, data)
        dataset[self.keyword].is_undefined_length = self.length is None
        return dataset

    def _read_pixel_header(self) -> None:
        """Read tag, VR and length of the element that parsing stopped at."""
        order = self._head.order
        head = self._reader.read(8)
        if len(head) < 8:
            return
        group, element, length = struct.unpack(f"{order}HHI", head)
        self.keyword = _PIXEL_TAGS[group << 16 | element]
        self._vr = {"FloatPixelData": "OF", "DoubleFloatPixelData": "OD"}.get(self.keyword, "OW")
        if not self._head.is_implicit:
            self._vr = head[4:6].decode("ascii", "replace")
            (length,) = struct.unpack(f"{order}I", self._reader.take(4))
        elif length == _UNDEFINED:
            self._vr = "OB"
        self.length = None if length == _UNDEFINED else length

    def _check_native(self, pixels: PixelFormat) -> None:
        """Compare lengths before anyone allocates memory for the pixels."""
        length = self._native_length(pixels.transfer_syntax)
        left = self._reader.left
        there = length if left is None else min(length, left)
        if there < max(pixels.total_bytes, 0 if left is None else length):
            raise DecodeError(
                f"The pixels of {name_of(self.header)} are cut: {there:,} bytes of {length:,}, "
                f"where {pixels.rows} × {pixels.columns} × {pixels.samples} samples × "
                f"{pixels.frames} frames need {pixels.total_bytes:,}."
            )

    def _native_length(self, syntax: str) -> int:
        """The length of the element, which a native transfer syntax has to tell."""
        if self.length is None:
            raise DecodeError(
                f"The pixels of {name_of(self.header)} are encapsulated, but their transfer "
                f"syntax {syntax} is not."
            )
        return self.length


def _read_meta(reader: Reader) -> FileMetaDataset:
    """Read preamble and file meta information; a bare data set has none (PS3.10 section 7.1)."""
    head = reader.peek(132)
    if head[128:] == b"DICM":
        reader.seek(132)
    elif not head.startswith((b"\x08\x00", b"\x02\x00")):
        raise NoDicom(f"This is not DICOM: no DICM after a preamble, but {head[:24]!r}…")
    if reader.peek(2) != b"\x02\x00":
        return FileMetaDataset()
    try:
        meta = read_dataset(
            reader,  # type: ignore[arg-type]
            is_implicit_VR=False,
            is_little_endian=True,
            stop_when=_after_meta,
        )
        return FileMetaDataset(meta)
    except UNREADABLE as error:
        raise DecodeError(f"The file meta information is damaged: {error}") from error


def _guess_syntax(reader: Reader) -> str:
    """The syntax of a data set that nothing else tells: explicit where a VR stands."""
    vr = reader.peek(6)[4:6]
    explicit = len(vr) == 2 and vr.isalpha() and vr.isupper()
    return "1.2.840.10008.1.2.1" if explicit else _IMPLICIT


def _after_meta(tag: BaseTag, vr: str | None, length: int) -> bool:
    """Whether an element no longer belongs to the file meta information."""
    return int(tag) >> 16 != 2


def _at_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
    """Whether an element holds the pixels."""
    return int(tag) in _PIXEL_TAGS  # int: comparing pydicom's own tags is slow
