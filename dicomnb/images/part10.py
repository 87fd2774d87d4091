"""One Part 10 instance that arrives as a `Part`, read in place (PS3.10 section 7).

The header is parsed while it arrives; the pixels can then be read straight into the memory
they belong to, with no copy in between. What follows the pixels is left unread.
"""

from __future__ import annotations

import struct
import zlib
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from pydicom.dataset import FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.uid import UID

from dicomnb.errors import DecodeError, LimitExceeded, NoDicom
from dicomnb.images.encapsulated import frame_fragments, join
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

if TYPE_CHECKING:
    import numpy as np
    from pydicom import Dataset
    from pydicom.tag import BaseTag

    from dicomnb.wire.parts import Part

__all__ = ["PartialInstance", "read_instance"]

_IMPLICIT = "1.2.840.10008.1.2"
_UNDEFINED = 0xFFFFFFFF
_FIRST_READ = 16 << 10
_NEXT_READ = 64 << 10
_PIXEL_TAGS = {
    0x7FE00008: "FloatPixelData",
    0x7FE00009: "DoubleFloatPixelData",
    0x7FE00010: "PixelData",
}


def read_instance(part: Part, *, limits: Limits | None = None) -> PartialInstance:
    """Read an instance up to its pixels.

    Args:
        part: an instance as ``application/dicom``; nothing of it may have been read.
        limits: bounds; ``part_bytes`` holds for what is read into memory as a whole.

    Raises:
        NoDicom: the bytes are not DICOM.
        DecodeError: they end within the header, or the header is damaged.
    """
    limits = limits or Limits()
    reader = _Reader(part, limits.part_bytes)
    meta = _read_meta(reader)
    syntax = str(meta.get("TransferSyntaxUID") or part.transfer_syntax or _guess_syntax(reader))
    if syntax == DEFLATED:
        reader = _Reader(_Inflated(reader), limits.part_bytes)
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
    return PartialInstance(dataset, reader)


class PartialInstance:
    """An instance whose pixels have not been read yet; they can be, once.

    Attributes:
        dataset: the header, all that comes before the pixels, with its ``file_meta``.
        keyword: the element of the pixels, or None when there is none.
        length: bytes of that element, or None when it is encapsulated.
    """

    def __init__(self, dataset: Dataset, reader: _Reader) -> None:
        self.dataset = dataset
        self.keyword: str | None = None
        self.length: int | None = None
        self._vr = "OW"
        self._reader = reader
        self._read_pixel_header()

    @property
    def transfer_syntax(self) -> str:
        """UID of the transfer syntax, as the bytes say."""
        return transfer_syntax_of(self.dataset)

    @cached_property
    def pixels(self) -> PixelFormat:
        """What the pixels look like.

        Raises:
            DecodeError: attributes are missing or impossible, or there are no pixels.
        """
        if self.keyword is None:
            raise DecodeError(f"{name_of(self.dataset)} has no pixel data.")
        pixels = PixelFormat.of(self.dataset, keyword=self.keyword)
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
                f"The pixels of {name_of(self.dataset)} are cut: {count:,} of {len(target):,} "
                "bytes."
            )

    def codestreams(self) -> list[bytes]:
        """Read encapsulated pixels: the compressed bytes of each frame.

        Raises:
            DecodeError: the bytes are cut, or do not hold as many frames as they should.
        """
        offsets = self.dataset.get("ExtendedOffsetTable")
        lengths = self.dataset.get("ExtendedOffsetTableLengths")
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
        self.dataset.add_new(self.keyword, self._vr, data)
        self.dataset[self.keyword].is_undefined_length = self.length is None
        return self.dataset

    def _read_pixel_header(self) -> None:
        """Read tag, VR and length of the element that parsing stopped at."""
        implicit, little = self.dataset.original_encoding
        order = "<" if little else ">"
        head = self._reader.read(8)
        if len(head) < 8:
            return
        group, element, length = struct.unpack(f"{order}HHI", head)
        self.keyword = _PIXEL_TAGS[group << 16 | element]
        self._vr = {"FloatPixelData": "OF", "DoubleFloatPixelData": "OD"}.get(self.keyword, "OW")
        if not implicit:
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
                f"The pixels of {name_of(self.dataset)} are cut: {there:,} bytes of {length:,}, "
                f"where {pixels.rows} × {pixels.columns} × {pixels.samples} samples × "
                f"{pixels.frames} frames need {pixels.total_bytes:,}."
            )

    def _native_length(self, syntax: str) -> int:
        """The length of the element, which a native transfer syntax has to tell."""
        if self.length is None:
            raise DecodeError(
                f"The pixels of {name_of(self.dataset)} are encapsulated, but their transfer "
                f"syntax {syntax} is not."
            )
        return self.length


class _Readable(Protocol):
    """The part of a `Part` that reading needs."""

    length: int | None

    def read(self) -> bytes: ...

    def readinto(self, buffer: memoryview, /) -> int: ...


class _Reader:
    """A part as the file that pydicom wants: read, seek back, tell.

    Keeps what has been read, so that parsing may step back, until the pixels begin. A read
    that ends early is an error, but for one at the boundary of two elements.
    """

    def __init__(self, part: _Readable, bound: int) -> None:
        self._part = part
        self._bound = bound
        self._kept = bytearray()
        self._position = 0
        self._fetched = 0

    @property
    def left(self) -> int | None:
        """Bytes from here to the end, where the part tells its length."""
        if self._part.length is None:
            return None
        return self._part.length - self._position

    def tell(self) -> int:
        """Bytes read so far."""
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        """Step within what is kept, or forward."""
        target = offset + (self._position if whence == 1 else 0)
        if target > len(self._kept):
            self._fill(target)
        self._position = min(target, len(self._kept))
        return self._position

    def read(self, size: int) -> bytes:
        """``size`` bytes, or none at the end between two elements."""
        end = self._position + size
        if end > len(self._kept):
            self._fill(end)
        data = bytes(self._kept[self._position : end])
        self._position += len(data)
        if len(data) < size and (data or size > 8):
            raise DecodeError(
                f"An instance is cut: after {self._position:,} bytes {size - len(data):,} more "
                "should follow."
            )
        return data

    def peek(self, size: int) -> bytes:
        """The next bytes, left to be read again; fewer at the end."""
        end = self._position + size
        if end > len(self._kept):
            self._fill(end)
        return bytes(self._kept[self._position : end])

    def take(self, size: int) -> bytes:
        """``size`` bytes; memory is only taken for what there is."""
        data = self.read(size)
        if len(data) < size:
            raise DecodeError(f"An instance is cut after {self._position:,} bytes.")
        return data

    def rest(self) -> bytes:
        """All bytes from here to the end."""
        self._check_bound(self._part.length or 0)
        head = bytes(self._kept[self._position :])
        tail = self._part.read()
        self._check_bound(self._position + len(head) + len(tail))
        self._position += len(head) + len(tail)
        return head + tail

    def readinto(self, target: memoryview) -> int:
        """Fill ``target`` from here: first from what is kept, then without a copy."""
        count = max(min(len(target), len(self._kept) - self._position), 0)
        target[:count] = memoryview(self._kept)[self._position : self._position + count]
        while count < len(target):
            more = self._part.readinto(target[count:])
            if more == 0:
                break
            count += more
        self._position += count
        return count

    def _fill(self, end: int) -> None:
        """Keep bytes up to ``end``, fetched piece by piece so that a false length costs nothing."""
        while len(self._kept) < end:
            self._check_bound(len(self._kept))
            piece = bytearray(_FIRST_READ if not self._kept else _NEXT_READ)
            count = self._part.readinto(memoryview(piece))
            if count == 0:
                return
            self._kept += memoryview(piece)[:count]

    def _check_bound(self, size: int) -> None:
        """Refuse to keep more in memory than the limits allow."""
        if size > self._bound:
            raise LimitExceeded(
                f"An instance is larger than {self._bound:,} bytes. Raise the limit with "
                "Options(limits=Limits(part_bytes=…))."
            )


class _Inflated:
    """A deflated data set, inflated as it is read: never more than is asked for (PS3.5 A.5)."""

    length: int | None = None

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._waiting = b""

    def readinto(self, target: memoryview, /) -> int:
        """Fill ``target``; fewer bytes only at the end."""
        done = 0
        while done < len(target) and not self._inflater.eof:
            if not self._waiting:
                piece = bytearray(_NEXT_READ)
                self._waiting = bytes(piece[: self._reader.readinto(memoryview(piece))])
            try:
                data = self._inflater.decompress(self._waiting, len(target) - done)
            except zlib.error as error:
                raise DecodeError(f"A deflated data set is damaged: {error}") from error
            if not data and not self._waiting:
                raise DecodeError("A deflated data set is cut.")
            self._waiting = self._inflater.unconsumed_tail
            target[done : done + len(data)] = data
            done += len(data)
        return done

    def read(self) -> bytes:
        """Refuse: only encapsulated pixels are read as a whole, and these are never deflated."""
        raise DecodeError("A deflated data set claims to hold encapsulated pixels.")


def _read_meta(reader: _Reader) -> FileMetaDataset:
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


def _guess_syntax(reader: _Reader) -> str:
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
