"""In which encoding a frame really is: its bytes first, then what was said of them."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING

from dicomnb.errors import DecodeError, warn
from dicomnb.images.codestream import Codestream
from dicomnb.images.pixels import SUBSAMPLED

if TYPE_CHECKING:
    from dicomnb.images.pixels import PixelFormat

__all__ = ["encoding_of", "recognised"]

_JPEG = "1.2.840.10008.1.2.4"
_EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
_RLE = "1.2.840.10008.1.2.5"

#: What a frame's own bytes can tell, and the transfer syntaxes that say the same.
_SYNTAXES = {
    "JPEG": (f"{_JPEG}.50", f"{_JPEG}.51"),
    "JPEG Lossless": (f"{_JPEG}.57", f"{_JPEG}.70"),
    "JPEG-LS": (f"{_JPEG}.80", f"{_JPEG}.81"),
    "JPEG 2000": (f"{_JPEG}.90", f"{_JPEG}.91"),
    "HTJ2K": (f"{_JPEG}.201", f"{_JPEG}.202", f"{_JPEG}.203"),
    "RLE": (_RLE,),
}


#: Of JPEG and JPEG-LS, of a JPEG 2000 codestream, of a JP2 file.
_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  \r\n\x87\n")


def encoding_of(data: bytes | memoryview) -> str | None:
    """What the bytes of a frame are by their own signature, or None where they have none.

    Returns:
        ``"JPEG"``, ``"JPEG Lossless"``, ``"JPEG-LS"``, ``"JPEG 2000"``, ``"HTJ2K"`` or
        ``"RLE"``. Native and deflated frames have no signature.
    """
    view = memoryview(data)
    if _is_rle(view):
        return "RLE"
    head = bytes(view[:12])
    if not head.startswith(
        (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  \r\n\x87\n")
    ):
        return None
    try:
        return Codestream.read(view).encoding
    except DecodeError:
        return None  # the decoder will say what is wrong with it


def recognised(data: bytes | memoryview, pixels: PixelFormat) -> PixelFormat:
    """Correct what was said of a frame by what its bytes say.

    Args:
        data: the bytes of one frame, a codestream or native.
        pixels: what the data set and the transfer syntax say.

    Returns:
        ``pixels``, or the same with another transfer syntax or, where a native frame has all
        samples of a colour that is said to be subsampled, as RGB. Each change warns.
    """
    whole = (pixels.rows * pixels.columns * pixels.samples * pixels.bits_allocated + 7) // 8
    sizes = {pixels.frame_bytes, pixels.frame_bytes + pixels.frame_bytes % 2}
    if pixels.is_native:
        if len(data) in sizes:
            return pixels
        if pixels.photometric in SUBSAMPLED and len(data) in (whole, whole + whole % 2):
            warn(
                f"A frame that is said to be {pixels.photometric} has all three samples of each "
                "pixel: it is taken as RGB, as a server leaves it that decompressed it."
            )
            return replace(pixels, photometric="RGB", planar=0)
    found = encoding_of(data)
    if found is None:
        return _native_after_all(data, pixels, sizes)
    fitting = _SYNTAXES[found]
    if pixels.transfer_syntax in fitting:
        return pixels
    warn(
        f"A frame is said to be in transfer syntax {pixels.transfer_syntax}, but its bytes are "
        f"{found}: they are decoded as what they are."
    )
    return replace(pixels, transfer_syntax=fitting[0], high_bit=pixels.bits_stored - 1)


def _native_after_all(
    data: bytes | memoryview, pixels: PixelFormat, sizes: set[int]
) -> PixelFormat:
    """A frame without signature that is as long as a native one, where one is due, is native."""
    signed = any(pixels.transfer_syntax in fitting for fitting in _SYNTAXES.values())
    if not signed or len(data) not in sizes:
        return pixels
    warn(
        f"A frame is said to be in transfer syntax {pixels.transfer_syntax}, but its bytes are "
        "not compressed: they are taken as little endian values."
    )
    return replace(pixels, transfer_syntax=_EXPLICIT_LITTLE_ENDIAN)


def _is_rle(view: memoryview) -> bool:
    """Whether the 64 bytes of an RLE header stand at the start (PS3.5 G.5)."""
    if len(view) < 64:
        return False
    count, *offsets = struct.unpack_from("<16I", view)
    given, rest = offsets[:count], offsets[count:]
    return (
        1 <= count <= 15
        and given[0] == 64
        and not any(rest)
        and all(a < b for a, b in zip(given, [*given[1:], len(view)], strict=True))
    )
