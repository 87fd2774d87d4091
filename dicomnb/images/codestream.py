"""What a compressed frame says about itself, from its first bytes.

JPEG and JPEG-LS: ISO/IEC 10918-1 annex B, 14495-1 annex C. JPEG 2000 and HTJ2K: ISO/IEC
15444-1 annex A.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from dicomnb.errors import DecodeError

__all__ = ["Codestream"]

_FRAME_MARKERS = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})


@dataclass(frozen=True, slots=True)
class Codestream:
    """The header of a JPEG, JPEG-LS, JPEG 2000 or HTJ2K codestream.

    Attributes:
        rows: height in pixels.
        columns: width in pixels.
        samples: components.
        precision: bits of a sample.
        signed: whether samples are signed, None where the format cannot say (JPEG, JPEG-LS).
        colour: ``"RGB"`` or ``"YCBCR"`` where a marker of a JPEG says which its samples are,
            else None.
        encoding: ``"JPEG"`` (baseline, extended, progressive), ``"JPEG Lossless"``,
            ``"JPEG-LS"``, ``"JPEG 2000"`` or ``"HTJ2K"``.
    """

    rows: int
    columns: int
    samples: int
    precision: int
    signed: bool | None = None
    colour: str | None = None
    encoding: str = "JPEG"

    @classmethod
    def read(cls, data: bytes | memoryview) -> Codestream:
        """Read the header, without decoding anything.

        Raises:
            DecodeError: the bytes are none of these, or end within the header.
        """
        view = memoryview(data)
        try:
            if bytes(view[:2]) == b"\xff\xd8":
                return _read_jpeg(view)
            start = bytes(view[:4096]).find(b"\xff\x4f\xff\x51")  # after the boxes of a JP2 file
            if start >= 0:
                return _read_jpeg2000(view[start:])
        except (struct.error, IndexError) as error:
            raise DecodeError("A compressed frame ends within its own header.") from error
        raise DecodeError(
            f"A compressed frame begins with {bytes(view[:4]).hex(' ') or 'nothing'}: that is "
            "neither JPEG, JPEG-LS nor JPEG 2000."
        )


def _read_jpeg(view: memoryview) -> Codestream:
    """Walk the markers up to the frame header."""
    position = 2
    adobe: int | None = None
    jfif = False
    while True:
        while view[position] != 0xFF or view[position + 1] == 0xFF:
            position += 1
        marker = view[position + 1]
        position += 2
        if marker in _BARE_MARKERS:
            continue
        (length,) = struct.unpack_from(">H", view, position)
        segment = view[position + 2 : position + length]
        if marker in _FRAME_MARKERS:
            precision, rows, columns, samples = struct.unpack_from(">BHHB", segment)
            identifiers = bytes(segment[6 : 6 + 3 * samples : 3])
            colour = _jpeg_colour(identifiers, adobe=adobe, jfif=jfif)
            return Codestream(
                rows, columns, samples, precision, colour=colour, encoding=_jpeg_process(marker)
            )
        if marker == 0xE0 and bytes(segment[:4]) == b"JFIF":
            jfif = True
        elif marker == 0xEE and bytes(segment[:5]) == b"Adobe" and len(segment) >= 12:
            adobe = segment[11]
        position += length


def _jpeg_process(marker: int) -> str:
    """Which of the processes the frame header's marker names (ISO/IEC 10918-1 table B.1)."""
    if marker == 0xF7:
        return "JPEG-LS"
    return "JPEG Lossless" if marker in (0xC3, 0xC7, 0xCB, 0xCF) else "JPEG"


def _jpeg_colour(identifiers: bytes, *, adobe: int | None, jfif: bool) -> str | None:
    """What three components are, where component identifiers or markers tell."""
    if len(identifiers) != 3:
        return None
    if identifiers.upper() == b"RGB":
        return "RGB"
    if adobe is not None:
        return "YCBCR" if adobe == 1 else "RGB"
    return "YCBCR" if jfif else None


def _read_jpeg2000(view: memoryview) -> Codestream:
    """Read the SIZ segment, the second of every codestream; CAP follows it in HTJ2K."""
    (length,) = struct.unpack_from(">H", view, 4)
    right, bottom, left, top = struct.unpack_from(">4I", view, 8)
    samples, precision = struct.unpack_from(">HB", view, 40)
    return Codestream(
        rows=bottom - top,
        columns=right - left,
        samples=samples,
        precision=(precision & 0x7F) + 1,
        signed=bool(precision & 0x80),
        encoding="HTJ2K" if bytes(view[4 + length : 6 + length]) == b"\xff\x50" else "JPEG 2000",
    )
