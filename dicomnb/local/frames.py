"""Frames of an instance, read from its file without reading the others."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec
import numpy as np

from dicomnb.attributes import attribute
from dicomnb.errors import BadQuery, DecodeError, NotFound, Unsupported
from dicomnb.images.decode import decode_frame
from dicomnb.images.encapsulated import frame_fragments, join
from dicomnb.images.pixels import PixelFormat, is_native
from dicomnb.local.header import BIG_ENDIAN, EXPLICIT
from dicomnb.local.reading import location, read_header, read_whole
from dicomnb.wire.dicomjson import bulk_value
from dicomnb.wire.elements import swapped
from dicomnb.wire.frame_types import FRAME_TYPES
from dicomnb.wire.media import OCTET_STREAM
from dicomnb.wire.parts import BytesPart, FilePart

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dicomnb.local.reading import Located
    from dicomnb.wire.parts import Part

__all__ = ["FrameReader"]

_ITEM, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE0DD
_EXTENDED_OFFSETS, _EXTENDED_LENGTHS = "7FE00001", "7FE00002"
_PIXELS = ("7FE00010", "7FE00008", "7FE00009")


@dataclass(frozen=True)
class _Layout:
    """How frames lie in the pixel element, as the metadata say.

    Attributes:
        tag: of the pixel element.
        frames: NumberOfFrames, 1 where it is absent.
        bits: of one frame without compression.
        bits_allocated: of one sample.
    """

    tag: str
    frames: int
    bits: int
    bits_allocated: int

    @classmethod
    def of(cls, metadata: dict[str, Any], located: Located) -> _Layout:
        tag = next((tag for tag in _PIXELS if tag in metadata), None)
        if tag is None:
            raise NotFound(f"Instance {located.ref.uid} has no pixels.")
        numbers = {
            name: _number(metadata, number)
            for name, number in (
                ("Rows", "00280010"),
                ("Columns", "00280011"),
                ("BitsAllocated", "00280100"),
            )
        }
        samples = _number(metadata, "00280002") or 1
        # Two samples a pixel: the colours of two neighbours are stored once.
        if _value(metadata, "00280004") == "YBR_FULL_422":
            samples = 2
        missing = [name for name, number in numbers.items() if not number]
        if missing and is_native(located.transfer_syntax):
            raise DecodeError(
                f"Instance {located.ref.uid} has no {' and no '.join(missing)}: where its frames "
                "begin cannot be known."
            )
        rows, columns, allocated = (number or 0 for number in numbers.values())
        frames = max(_number(metadata, "00280008") or 1, 1)
        return cls(tag, frames, rows * columns * samples * allocated, allocated)

    def check(self, numbers: Sequence[int]) -> None:
        """Refuse numbers of frames that there are not."""
        for number in numbers:
            if number < 1:
                raise BadQuery(f"There is no frame {number}: frames count from 1 to {self.frames}.")
            if number > self.frames:
                raise NotFound(f"There is no frame {number}: frames count from 1 to {self.frames}.")


def _value(metadata: dict[str, Any], tag: str) -> Any:
    return next(iter(metadata.get(tag, {}).get("Value", ())), None)


def _number(metadata: dict[str, Any], tag: str) -> int | None:
    value = _value(metadata, tag)
    return value if isinstance(value, int) and value >= 0 else None


class FrameReader:
    """Reads frames of one instance.

    Args:
        file: of the instance, open.
        located: what the index knows of it.
        metadata: of the instance, as JSON.

    Raises:
        NotFound: the instance has no pixels.
    """

    def __init__(self, file: BinaryIO, located: Located, metadata: bytes) -> None:
        self._file = file
        self._located = located
        self._metadata: dict[str, Any] = msgspec.json.decode(metadata)
        self._layout = _Layout.of(self._metadata, located)

    @property
    def count(self) -> int:
        """How many frames the instance says it has."""
        return self._layout.frames

    @property
    def keyword(self) -> str:
        """The pixel element: PixelData, FloatPixelData or DoubleFloatPixelData."""
        return attribute(self._layout.tag).column

    def parts(self, numbers: Sequence[int], *, transfer_syntax: str = "*") -> Iterator[Part]:
        """Frames in the order asked for, numbers from 1.

        Raises:
            BadQuery: a number below 1.
            NotFound: there is no frame of a number.
            Unsupported: they are not to be had in this transfer syntax.
            DecodeError: the pixels are cut, or their frames cannot be told apart.
        """
        self._layout.check(numbers)
        stored = self._located.transfer_syntax
        if is_native(stored):
            # Implicit or explicit is no matter of pixels: their bytes are the same.
            if transfer_syntax not in ("*", EXPLICIT, stored):
                raise self._unsupported(transfer_syntax)
            return self._native(numbers)
        if transfer_syntax in ("*", stored):
            return self._compressed(numbers)
        if transfer_syntax == EXPLICIT:
            return self._decoded(numbers)
        raise self._unsupported(transfer_syntax)

    def all_parts(self) -> Iterator[Part]:
        """The whole pixel element: one part where it is native, else a part a frame."""
        located = self._located
        if not is_native(located.transfer_syntax):
            yield from self._compressed(range(1, self.count + 1))
        elif located.pixel_offset is not None and located.transfer_syntax != BIG_ENDIAN:
            yield self._stretch(0, int(located.pixel_length or 0))
        else:
            yield self._part(self._in_memory(), EXPLICIT)

    def _unsupported(self, transfer_syntax: str) -> Unsupported:
        return Unsupported(
            f"The frames of {self._located.ref.uid} are stored in transfer syntax "
            f"{self._located.transfer_syntax}; a folder gives them as they are, or in {EXPLICIT}, "
            f"not in {transfer_syntax}."
        )

    def _native(self, numbers: Sequence[int]) -> Iterator[Part]:
        layout, located = self._layout, self._located
        data: bytes | None = None
        if located.pixel_offset is None or located.transfer_syntax == BIG_ENDIAN:
            data = self._in_memory()
            length = len(data)
        else:
            length = min(int(located.pixel_length or 0), located.size - located.pixel_offset)
        for number in numbers:
            first = (number - 1) * layout.bits
            if first + layout.bits > 8 * length:
                raise DecodeError(
                    f"The pixels of instance {located.ref.uid} are cut: {length:,} bytes, too few "
                    f"for frame {number} of {layout.frames}."
                )
            start, stop = first // 8, (first + layout.bits + 7) // 8
            if first % 8:
                piece = self._bytes(start, stop) if data is None else data[start:stop]
                yield self._part(_shifted(piece, first % 8, layout.bits), EXPLICIT)
            elif data is None:
                yield self._stretch(start, stop - start)
            else:
                yield self._part(data[start:stop], EXPLICIT)

    def _in_memory(self) -> bytes:
        """The pixel element in little endian, of files where no stretch is just that."""
        data = bulk_value(read_whole(self._file, self._located), self._layout.tag)
        size = self._layout.bits_allocated // 8
        is_big = self._located.transfer_syntax == BIG_ENDIAN and self._layout.tag == _PIXELS[0]
        if is_big and size > 2:
            # bulk_value has turned round 16-bit words; samples are wider.
            data = swapped(swapped(data, 2), size)
        return data

    def _bytes(self, start: int, stop: int) -> bytes:
        self._file.seek(int(self._located.pixel_offset or 0) + start)
        return self._file.read(stop - start)

    def _stretch(self, start: int, length: int) -> Part:
        begin = int(self._located.pixel_offset or 0) + start
        self._file.seek(begin)
        return FilePart(
            self._file,
            length,
            begin=begin,
            media_type=OCTET_STREAM,
            transfer_syntax=EXPLICIT,
            location=location(self._located),
        )

    def _part(self, data: bytes | memoryview, syntax: str) -> Part:
        media_type = FRAME_TYPES.get(syntax, OCTET_STREAM)
        return BytesPart(
            data, media_type=media_type, transfer_syntax=syntax, location=location(self._located)
        )

    def _compressed(self, numbers: Sequence[int]) -> Iterator[Part]:
        for codestream in self._codestreams(numbers):
            yield self._part(codestream, self._located.transfer_syntax)

    def _decoded(self, numbers: Sequence[int]) -> Iterator[Part]:
        pixels = PixelFormat.of(
            read_header(self._file, self._located),
            transfer_syntax=self._located.transfer_syntax,
            keyword=self.keyword,
        )
        for codestream in self._codestreams(numbers):
            try:
                array = decode_frame(codestream, pixels)
            except DecodeError as error:
                raise Unsupported(
                    f"Frames of {self._located.ref.uid} cannot be decoded: {error}"
                ) from error
            little = array.astype(array.dtype.newbyteorder("<"), copy=False)
            yield self._part(little.tobytes(), EXPLICIT)

    def _codestreams(self, numbers: Sequence[int]) -> Iterator[bytes | memoryview]:
        offset = self._located.pixel_offset
        frames = None
        if offset is not None:
            table, fragments = _items(self._file, offset, self._located.size)
            frames = self._grouped(table, fragments)
        if frames is not None:
            for number in numbers:
                yield b"".join(self._bytes_at(*fragment) for fragment in frames[number - 1])
            return
        data = bulk_value(read_whole(self._file, self._located), self._layout.tag)
        found = frame_fragments(data, self._layout.frames, extended=self._extended())
        for number in numbers:
            yield join(found[number - 1])

    def _bytes_at(self, position: int, length: int) -> bytes:
        self._file.seek(position)
        return self._file.read(length)

    def _grouped(
        self, table: list[int], fragments: list[_Fragment]
    ) -> list[list[_Fragment]] | None:
        """Fragments by frame where that takes no look at them; else None."""
        if len(fragments) == self._layout.frames:
            return [[fragment] for fragment in fragments]
        if self._layout.frames == 1:
            return [fragments]
        if len(table) != self._layout.frames or not fragments:
            return None
        base = fragments[0][0] - 8
        index = {position - 8 - base: number for number, (position, _) in enumerate(fragments)}
        starts = [index.get(start, -1) for start in table]
        if starts[0] != 0 or sorted(set(starts)) != starts:
            return None
        stops = [*starts[1:], len(fragments)]
        return [fragments[start:stop] for start, stop in zip(starts, stops, strict=True)]

    def _extended(self) -> tuple[bytes, bytes] | None:
        """The Extended Offset Table and its lengths, where there are any."""
        if _EXTENDED_OFFSETS not in self._metadata or _EXTENDED_LENGTHS not in self._metadata:
            return None
        header = read_header(self._file, self._located)
        return bulk_value(header, _EXTENDED_OFFSETS), bulk_value(header, _EXTENDED_LENGTHS)


_Fragment = tuple[int, int]
"""Where a fragment begins in the file, and its length."""


def _items(file: BinaryIO, offset: int, size: int) -> tuple[list[int], list[_Fragment]]:
    """The Basic Offset Table and the fragments of encapsulated pixels (PS3.5 A.4)."""
    items: list[_Fragment] = []
    position = offset
    while position + 8 <= size:
        file.seek(position)
        group, element, length = struct.unpack("<HHI", file.read(8))
        marker = group << 16 | element
        if marker == _SEQUENCE_END:
            break
        position += 8
        if marker != _ITEM or position + length > size:
            raise DecodeError(
                f"The encapsulated pixels are cut or damaged at byte {position - 8} of the file."
            )
        items.append((position, length))
        position += length
    if len(items) < 2:
        raise DecodeError("The encapsulated pixels hold no fragment.")
    start, length = items[0]
    file.seek(start)
    table = struct.unpack(f"<{length // 4}I", file.read(length // 4 * 4))
    return list(table), items[1:]


def _shifted(data: bytes, first: int, bits: int) -> bytes:
    """1-bit pixels that begin within a byte, moved to its beginning (PS3.5 section 8.1.1)."""
    unpacked = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    return np.packbits(unpacked[first : first + bits], bitorder="little").tobytes()
