"""Uncompressed pixels: bytes to stored values (PS3.5 section 8 and annex D)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.errors import DecodeError
from dicomnb.images.pixels import SUBSAMPLED

if TYPE_CHECKING:
    from dicomnb.images.pixels import PixelFormat

__all__ = ["clean_unused_bits", "native_frame", "unpack_bits"]


def native_frame(data: bytes | memoryview, pixels: PixelFormat) -> np.ndarray[Any, Any]:
    """Give the bytes of one uncompressed frame their shape.

    Args:
        data: the frame; bytes after its end are padding.
        pixels: what the data set says about it.

    Returns:
        (rows, columns) or (rows, columns, 3): a read-only view of ``data`` where that can be,
        YBR_FULL_422 spread to full resolution. Unused bits and colours are as they were.

    Raises:
        DecodeError: fewer bytes than the attributes ask for.
    """
    if len(data) < pixels.frame_bytes:
        raise DecodeError(
            f"A frame has {len(data)} bytes; {pixels.rows} × {pixels.columns} × "
            f"{pixels.samples} samples of {pixels.bits_allocated} bits need {pixels.frame_bytes}."
        )
    if pixels.bits_allocated == 1:
        return unpack_bits(data, 0, pixels)
    kind = pixels.dtype.newbyteorder(">" if pixels.is_big_endian else "<")
    flat = np.frombuffer(data, kind, pixels.frame_bytes // kind.itemsize)
    if pixels.photometric in SUBSAMPLED:
        return _spread_422(flat, pixels)
    if pixels.samples > 1 and pixels.planar == 1:
        planes = flat.reshape(pixels.samples, pixels.rows, pixels.columns)
        return np.moveaxis(planes, 0, -1)
    return flat.reshape(pixels.frame_shape)


def unpack_bits(
    data: bytes | memoryview, frame_index: int, pixels: PixelFormat
) -> np.ndarray[Any, Any]:
    """Unpack 1-bit pixels, lowest bit first; frames follow each other without a gap.

    Args:
        data: the bytes of all frames up to this one at least.
        frame_index: from 0; frames need not begin at a byte.
        pixels: what the data set says.

    Returns:
        (rows, columns) uint8 of 0 and 1.
    """
    begin = frame_index * pixels.frame_bits
    stretch = np.frombuffer(data, np.uint8)[begin // 8 : (begin + pixels.frame_bits + 7) // 8]
    bits = np.unpackbits(stretch, bitorder="little")
    return bits[begin % 8 : begin % 8 + pixels.frame_bits].reshape(pixels.frame_shape)


def clean_unused_bits(array: np.ndarray[Any, Any], pixels: PixelFormat) -> None:
    """Clear, or fill with the sign, the bits outside BitsStored, in place.

    They may hold anything: old objects keep overlays there (PS3.5 section 8.1.1).

    Args:
        array: stored values of ``pixels.dtype``, writable.
        pixels: says which bits count.
    """
    unused = pixels.bits_allocated - pixels.bits_stored
    if unused == 0 or pixels.keyword != "PixelData" or array.size == 0:
        return
    above = pixels.bits_allocated - 1 - pixels.high_bit
    if above == unused:  # the usual place; most often they are clean
        low, high = int(array.min()), int(array.max())
        span = 1 << (pixels.bits_stored - int(pixels.signed))
        if high < span and low >= (-span if pixels.signed else 0):
            return
    np.left_shift(array, above, out=array)
    np.right_shift(array, unused, out=array)


def _spread_422(flat: np.ndarray[Any, Any], pixels: PixelFormat) -> np.ndarray[Any, Any]:
    """Y1 Y2 B R of two neighbours becomes Y1 B R, Y2 B R (C.7.6.3.1.2)."""
    pairs = flat.reshape(pixels.rows, pixels.columns // 2, 4)
    spread = np.empty((pixels.rows, pixels.columns // 2, 2, 3), pixels.dtype)
    spread[..., 0] = pairs[..., :2]
    spread[..., 1:] = pairs[..., np.newaxis, 2:]
    return spread.reshape(pixels.rows, pixels.columns, 3)
