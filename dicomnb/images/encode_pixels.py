"""Arrays and pictures → codestreams, without loss."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydicom.dataset import Dataset

from dicomnb.errors import DecodeError
from dicomnb.images.encode import CodedImage, describe

if TYPE_CHECKING:
    import PIL.Image

__all__ = ["ENCODINGS", "Encoding", "array_of", "encode", "png"]

Encoding = Literal["rle", "jpeg-ls", "jpeg-2000"]
ENCODINGS: dict[str, str] = {
    "rle": "RLE Lossless",
    "jpeg-ls": "JPEG-LS Lossless",
    "jpeg-2000": "JPEG 2000 Lossless",
}
"""What arrays can be encoded as. RLE needs no codec library: every toolkit decodes it."""

_PNG = b"\x89PNG\r\n\x1a\n"
_WHOLE = frozenset({"|u1", "|i1", "<u2", "<i2"})
_SEGMENTS = 15


def encode(array: np.ndarray[Any, Any], *, encoding: Encoding = "rle") -> CodedImage:
    """Encode an array without loss.

    Args:
        array: (rows, columns), (frames, rows, columns), or either with a last axis of length 3
            for RGB; integers of 8 or 16 bits, or truth values, which become 0 and 1.
        encoding: one of `ENCODINGS`.

    Raises:
        DecodeError: another shape or type: floats have to be scaled by whoever knows how.
    """
    if encoding not in ENCODINGS:
        raise ValueError(f"encode={encoding!r}: it is one of {', '.join(map(repr, ENCODINGS))}.")
    values = np.asarray(array)
    if values.dtype == np.bool_:
        values = values.astype(np.uint8)
    values = values.astype(values.dtype.newbyteorder("<"), copy=False)
    is_colour = values.ndim > 2 and values.shape[-1] == 3
    if values.dtype.str not in _WHOLE or values.ndim - is_colour not in (2, 3) or not values.size:
        raise DecodeError(
            f"An array of {array.dtype} and shape {array.shape} is no image here: integers of 8 "
            "or 16 bits, (rows, columns), (frames, rows, columns), or with a last axis of 3."
        )
    if max(values.shape[-3:-1] if is_colour else values.shape[-2:]) > 0xFFFF:
        raise DecodeError(f"Shape {array.shape} is more than the 65,535 that Rows can be.")
    frames = values if values.ndim - is_colour == 3 else values[np.newaxis]
    is_signed = values.dtype.kind == "i"
    size = Dataset()
    size.Rows, size.Columns = int(frames.shape[1]), int(frames.shape[2])
    try:
        streams = [_ENCODERS[encoding](np.ascontiguousarray(one)) for one in frames]
    except (RuntimeError, ValueError) as error:
        raise DecodeError(
            f"An array of shape {array.shape} cannot be encoded as {ENCODINGS[encoding]}: {error}."
        ) from error
    return replace(describe(streams, given=size), signed=is_signed)


def png(data: bytes) -> PIL.Image.Image | None:
    """The picture in a PNG file, None where it is another kind of file.

    Raises:
        DecodeError: a PNG that is damaged.
    """
    if data[:8] != _PNG:
        return None
    import PIL.Image

    try:
        picture = PIL.Image.open(io.BytesIO(data))
        picture.load()
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise DecodeError(f"The PNG cannot be read: {error}.") from error
    return picture


def array_of(picture: PIL.Image.Image) -> np.ndarray[Any, Any]:
    """The pixels of a Pillow picture: (rows, columns) or (rows, columns, 3), 8 or 16 bits.

    Palettes become RGB, two tones 0 and 255. Transparency that is nowhere is left out.

    Raises:
        DecodeError: a picture that is transparent somewhere, or of a mode without a place in
            DICOM.
    """
    mode = picture.mode
    if mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in picture.info:
        whole = picture.convert("RGBA")
        if whole.getchannel("A").getextrema()[0] != 255:
            raise DecodeError(
                "The picture is transparent somewhere, which DICOM cannot hold: put it on a "
                "background first."
            )
        return np.asarray(whole.convert("L" if mode in ("LA", "La", "L") else "RGB"))
    if mode in ("L", "RGB") or mode.startswith("I;16"):
        values = np.asarray(picture)
        return values.astype(values.dtype.newbyteorder("="), copy=False)
    if mode == "1":
        return np.asarray(picture.convert("L"))
    if mode == "P":
        return np.asarray(picture.convert("RGB"))
    if mode == "I":
        values = np.asarray(picture)
        if values.min() >= 0 and values.max() <= 0xFFFF:
            return values.astype(np.uint16)
    raise DecodeError(
        f"A picture of mode {mode!r} has no place in DICOM: convert it to 'L' or 'RGB' first."
    )


def _rle(frame: np.ndarray[Any, Any]) -> bytes:
    """RLE (PS3.5 annex G): planes of bytes, the high one first, each row packed by itself."""
    from imagecodecs import packbits_encode

    samples = frame[..., np.newaxis] if frame.ndim == 2 else frame
    size = frame.dtype.itemsize
    planes = samples.astype(f">{frame.dtype.str[1:]}").view(np.uint8)
    planes = planes.reshape(*samples.shape, size)
    segments = []
    for sample in range(samples.shape[2]):
        for byte in range(size):
            packed = packbits_encode(planes[:, :, sample, byte].copy(), axis=-1)
            segments.append(bytes(packed) + b"\0" * (len(packed) % 2))
    offsets = [64]
    for segment in segments[:-1]:
        offsets.append(offsets[-1] + len(segment))
    offsets += [0] * (_SEGMENTS - len(offsets))
    return struct.pack("<16I", len(segments), *offsets) + b"".join(segments)


def _jpeg_ls(frame: np.ndarray[Any, Any]) -> bytes:
    from imagecodecs import jpegls_encode

    # JPEG-LS knows no sign; PixelRepresentation tells how the same bits are meant.
    return bytes(jpegls_encode(frame.view(f"u{frame.dtype.itemsize}")))


def _jpeg_2000(frame: np.ndarray[Any, Any]) -> bytes:
    from imagecodecs import jpeg2k_encode

    return bytes(jpeg2k_encode(frame, level=0, codecformat="J2K", reversible=True, numthreads=1))


_ENCODERS = {"rle": _rle, "jpeg-ls": _jpeg_ls, "jpeg-2000": _jpeg_2000}
