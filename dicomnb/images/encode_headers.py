"""What the header of a compressed image says beyond its size: which transfer syntax it is.

JPEG: ISO/IEC 10918-1 annex B; JPEG-LS: 14495-1 annex C; JPEG 2000 and its JP2 file: 15444-1
annexes A and I; HTJ2K: 15444-15 annex A; RLE: PS3.5 annex G.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dicomnb.errors import DecodeError
from dicomnb.images.codestream import Codestream

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RLE", "Header", "read_header"]

_JPEG = "1.2.840.10008.1.2.4."
RLE = "1.2.840.10008.1.2.5"
_END = b"\xff\xd9"
_TAIL = 4096
"""Behind the end of an image padding may stand, or a few bytes of a camera's own."""

_JP2_SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
_CODESTREAM_2000 = b"\xff\x4f\xff\x51"
_GREY, _SRGB, _SYCC = 17, 16, 18
_CAPABILITIES = 0xFF50
_START_OF_TILE = 0xFF90
_CODING_STYLE = 0xFF52
_HIGH_THROUGHPUT = 1 << 17
_PART_2 = 1 << 15


@dataclass(frozen=True, slots=True)
class Header:
    """One compressed frame, and what it says about itself.

    Attributes:
        codestream: its bytes, untouched; without the boxes of a JP2 file.
        transfer_syntax: the UID under which DICOM holds such a codestream.
        rows: height in pixels; None for RLE, which does not say.
        columns: width in pixels; None for RLE.
        samples: components, 1 or 3.
        precision: bits of a sample; of RLE, the bits allocated.
        signed: whether samples are signed; None where the format cannot say.
        photometric: PhotometricInterpretation, as far as the format tells.
        is_sure: whether it does tell, or ``photometric`` is only what is usual.
        lossy: LossyImageCompressionMethod; ``""`` for what is lossless.
        stripped: whether the boxes of a JP2 file were taken off.
    """

    codestream: bytes
    transfer_syntax: str
    rows: int | None
    columns: int | None
    samples: int
    precision: int
    signed: bool | None
    photometric: str
    is_sure: bool
    lossy: str = ""
    stripped: bool = False


def read_header(data: bytes) -> Header:
    """Read the header of a JPEG, JPEG-LS, JPEG 2000, HTJ2K or RLE image.

    Raises:
        DecodeError: it is none of these, is cut, or is of a kind that DICOM has no transfer
            syntax for (progressive or arithmetic JPEG, CMYK, an alpha channel).
    """
    try:
        if data[:2] == b"\xff\xd8":
            return _jpeg(data)
        if data[:12] == _JP2_SIGNATURE:
            return _jp2(data)
        if data[:4] == _CODESTREAM_2000:
            return _jpeg_2000(data, colour=None, stripped=False)
        if _is_rle(data):
            return _rle(data)
    except (struct.error, IndexError) as error:
        raise DecodeError("The image ends within its own header.") from error
    raise DecodeError(
        f"The image begins with {data[:4].hex(' ') or 'nothing'}: that is neither JPEG, JPEG-LS, "
        "JPEG 2000 nor RLE. Open it with Pillow, and give the picture or its array."
    )


def _check_end(data: bytes) -> None:
    if _END not in data[-_TAIL:]:
        raise DecodeError(
            "The image is cut: the marker that ends it is missing, or more than 4 KiB follow it."
        )


def _check_samples(samples: int) -> None:
    if samples not in (1, 3):
        raise DecodeError(
            f"The image has {samples} components; DICOM has images of one or three. Take the "
            "transparency away, or turn CMYK into RGB, before."
        )


def _segments(view: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Markers of a JPEG with their segments, up to the first scan and with it."""
    position = 2
    while True:
        while view[position] != 0xFF or view[position + 1] in (0x00, 0xFF):
            position += 1
        marker = view[position + 1]
        position += 2
        if marker == 0x01 or 0xD0 <= marker <= 0xD9:
            continue
        (length,) = struct.unpack_from(">H", view, position)
        yield marker, view[position + 2 : position + length]
        if marker == 0xDA:
            return
        position += length


def _jpeg(data: bytes) -> Header:
    _check_end(data)
    found = Codestream.read(data)
    if not found.rows or not found.columns:
        raise DecodeError("The image does not say its height; it stands behind the scan.")
    _check_samples(found.samples)
    frame: tuple[int, memoryview] | None = None
    scan = memoryview(b"")
    for marker, segment in _segments(memoryview(data)):
        if (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)) or marker == 0xF7:
            frame = marker, segment
        scan = segment
    if frame is None:
        raise DecodeError("The image has no frame header.")
    spectral = scan[1 + 2 * scan[0]]  # of JPEG-LS: NEAR; of JPEG lossless: the predictor
    syntax, lossy = _jpeg_syntax(frame[0], spectral, found.precision)
    photometric, is_sure = "MONOCHROME2", True
    if found.samples == 3:
        photometric, is_sure = _jpeg_photometric(found, frame)
    return Header(
        data,
        syntax,
        found.rows,
        found.columns,
        found.samples,
        found.precision,
        None,
        photometric,
        is_sure,
        lossy,
    )


def _jpeg_syntax(marker: int, spectral: int, precision: int) -> tuple[str, str]:
    """Transfer syntax, and the lossy compression method or ``""``."""
    if marker == 0xF7:
        return (f"{_JPEG}81", "ISO_14495_1") if spectral else (f"{_JPEG}80", "")
    if marker == 0xC0:
        return f"{_JPEG}50", "ISO_10918_1"
    if marker == 0xC1 and precision in (8, 12):
        return f"{_JPEG}51", "ISO_10918_1"
    if marker == 0xC3:
        return f"{_JPEG}{70 if spectral == 1 else 57}", ""
    kind = "progressive" if marker == 0xC2 else f"of a kind (SOF{marker - 0xC0})"
    raise DecodeError(
        f"The JPEG is {kind} that DICOM has no transfer syntax for. Open it with Pillow and give "
        "the picture, which is then stored without further loss; or make it baseline."
    )


def _jpeg_photometric(found: Codestream, frame: tuple[int, memoryview]) -> tuple[str, bool]:
    """What three components are: by markers, else as the process usually has them."""
    marker, segment = frame
    is_dct = marker in (0xC0, 0xC1)
    if not is_dct and found.colour is None:
        return "RGB", False
    if found.colour == "RGB":
        return "RGB", True
    factors = {segment[7 + 3 * number] for number in range(3)}
    name = "YBR_FULL" if len(factors) == 1 else "YBR_FULL_422"
    return name, found.colour is not None


def _jp2(data: bytes) -> Header:
    """A JP2 file: its colour specification, and the codestream inside."""
    colour: int | None = None
    for kind, start, end in _boxes(data, 0, len(data)):
        if kind == b"jp2h":
            for inner, first, last in _boxes(data, start, end):
                if inner in (b"pclr", b"cdef") and (inner == b"pclr" or _has_alpha(data[first:])):
                    what = "a palette" if inner == b"pclr" else "transparency"
                    raise DecodeError(f"The JP2 file has {what}, which its codestream lacks.")
                if inner == b"colr" and data[first] == 1 and last - first >= 7:
                    (colour,) = struct.unpack_from(">I", data, first + 3)
        elif kind == b"jp2c":
            return _jpeg_2000(data[start:end], colour=colour, stripped=True)
    raise DecodeError("The JP2 file holds no codestream.")


def _boxes(data: bytes, position: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Boxes as (type, begin of content, end of content)."""
    while position + 8 <= end:
        length, kind = struct.unpack_from(">I4s", data, position)
        start = position + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, start)
            start += 8
        last = end if length == 0 else position + length
        if last < start or last > end:
            raise DecodeError("The JP2 file is cut, or its boxes do not fit into each other.")
        yield kind, start, last
        position = last


def _has_alpha(definition: bytes) -> bool:
    """Whether a channel definition box has a channel that is no colour."""
    (count,) = struct.unpack_from(">H", definition)
    kinds = [struct.unpack_from(">H", definition, 4 + 6 * number)[0] for number in range(count)]
    return any(kinds)


def _jpeg_2000(data: bytes, *, colour: int | None, stripped: bool) -> Header:
    if data[:4] != _CODESTREAM_2000:
        raise DecodeError("What should be a JPEG 2000 codestream does not begin as one.")
    _check_end(data)
    found = Codestream.read(data)
    _check_samples(found.samples)
    (profile,) = struct.unpack_from(">H", data, 6)
    sizes = {data[42 + 3 * number : 45 + 3 * number] for number in range(found.samples)}
    if len(sizes) > 1 or next(iter(sizes))[1:] != b"\x01\x01":
        raise DecodeError("The components of the JPEG 2000 image differ in size or precision.")
    if profile & _PART_2:
        raise DecodeError("The JPEG 2000 image needs Part 2 extensions; give its array instead.")
    is_fast, transform, is_reversible = _coding_style(data)
    family = ("201", "203") if is_fast else ("90", "91")
    method = "ISO_15444_15" if is_fast else "ISO_15444_1"
    photometric, is_sure = "MONOCHROME2", True
    if found.samples == 3 and transform:
        photometric = "YBR_RCT" if is_reversible else "YBR_ICT"
    elif found.samples == 3:
        photometric = "YBR_FULL" if colour == _SYCC else "RGB"
        is_sure = colour in (_SRGB, _SYCC)
    return Header(
        data,
        _JPEG + family[not is_reversible],
        found.rows,
        found.columns,
        found.samples,
        found.precision,
        bool(found.signed),
        photometric,
        is_sure,
        "" if is_reversible else method,
        stripped,
    )


def _coding_style(data: bytes) -> tuple[bool, bool, bool]:
    """Whether it is high-throughput, has a colour transform, and is reversible."""
    is_fast = False
    position = 2
    while True:
        marker, length = struct.unpack_from(">HH", data, position)
        if marker == _CAPABILITIES:
            is_fast = bool(struct.unpack_from(">I", data, position + 4)[0] & _HIGH_THROUGHPUT)
        elif marker == _CODING_STYLE:
            return is_fast, bool(data[position + 8]), data[position + 13] == 1
        elif marker == _START_OF_TILE or marker < 0xFF00:
            raise DecodeError("The JPEG 2000 image does not say how it is coded.")
        position += 2 + length


def _is_rle(data: bytes) -> bool:
    """Whether 64 bytes are the header of RLE segments: their number, then rising offsets."""
    if len(data) < 66:
        return False
    count, *offsets = struct.unpack_from("<16I", data)
    if not 1 <= count <= 15 or offsets[0] != 64 or any(offsets[count:]):
        return False
    used = offsets[:count]
    return sorted(set(used)) == used and used[-1] < len(data)


def _rle(data: bytes) -> Header:
    (segments,) = struct.unpack_from("<I", data)
    if segments not in (1, 2, 3, 4, 6, 12):
        raise DecodeError(f"An RLE image of {segments} segments is no image of DICOM.")
    samples = 3 if segments % 3 == 0 else 1
    photometric = "RGB" if samples == 3 else "MONOCHROME2"
    bits = 8 * segments // samples
    return Header(data, RLE, None, None, samples, bits, None, photometric, is_sure=samples == 1)
