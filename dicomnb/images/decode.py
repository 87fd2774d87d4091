"""Pixel data to stored values: what the bytes mean before any rescale or window.

Stored values have the sign of Pixel Representation and nothing outside Bits Stored. Colour is
RGB, whatever it was stored as, with one exception: PALETTE COLOR stays the array of indices,
which `dicomnb.images.display.palette` looks up.
"""

from __future__ import annotations

import operator
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.errors import DecodeError, LimitExceeded, warn
from dicomnb.images.codecs import (
    decode_codestream,
    is_rgb_after_decoding,
    keeps_unused_bits,
)
from dicomnb.images.colour import ybr_to_rgb
from dicomnb.images.encapsulated import frame_fragments, join
from dicomnb.images.native import clean_unused_bits, native_frame, unpack_bits
from dicomnb.images.pixels import PixelFormat, name_of, pixel_keyword
from dicomnb.images.recognition import recognised
from dicomnb.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydicom import Dataset

__all__ = ["decode", "decode_frame", "decode_into", "frame_numbers"]

_ITEM_TAG = b"\xfe\xff\x00\xe0"  # what encapsulated pixel data begins with
_EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"


def decode_frame(data: bytes | memoryview, pixels: PixelFormat) -> np.ndarray[Any, Any]:
    """Decode one frame.

    Args:
        data: the bytes of this frame: a codestream, or a native frame that begins at a byte.
        pixels: what the data set says about it.

    Returns:
        Stored values, (rows, columns) or (rows, columns, 3), of ``pixels.dtype``: a new array.
        Where the bytes show another encoding than the transfer syntax says, they are believed,
        with a warning.

    Raises:
        DecodeError: damaged, of a wrong size, or there is no codec.
    """
    pixels = recognised(data, pixels)
    if pixels.is_native:
        array = native_frame(data, pixels).astype(pixels.dtype, copy=True)
        return _finish(array, pixels, rgb=False)
    array = decode_codestream(data, pixels)
    return _finish(array, pixels, rgb=is_rgb_after_decoding(pixels))


def decode_into(data: bytes | memoryview, pixels: PixelFormat, out: np.ndarray[Any, Any]) -> None:
    """Decode one frame into ``out``, which has its shape and type. See `decode_frame`."""
    out[...] = decode_frame(data, pixels)


def decode(
    dataset: Dataset,
    numbers: Iterable[int] | int | None = None,
    *,
    workers: int | None = None,
    limits: Limits | None = None,
) -> np.ndarray[Any, Any]:
    """Decode frames of a data set, which is not changed.

    Args:
        dataset: an image with its pixels.
        numbers: frame numbers, counted from 1 as in DICOM, in the order wanted; None for all.
        workers: threads for compressed frames; None for as many as cores.
        limits: bounds; ``pixel_bytes`` holds for the result.

    Returns:
        Stored values, (frames, rows, columns) or (frames, rows, columns, 3): number n of a
        full decode stands at index n − 1.

    Raises:
        DecodeError: damaged, fewer frames than NumberOfFrames says, or there is no codec.
        ValueError: there is no frame of that number.
        LimitExceeded: the result would be larger than ``limits.pixel_bytes``.
    """
    keyword = pixel_keyword(dataset)
    if keyword is None:
        raise DecodeError(
            f"{name_of(dataset)} has no pixel data. It may be no image, or have been fetched "
            "with pixels=False."
        )
    pixels = PixelFormat.of(dataset, keyword=keyword)
    wanted = frame_numbers(numbers, pixels.frames)
    element = dataset[keyword]
    data = element.value
    if not isinstance(data, bytes | bytearray | memoryview):
        raise DecodeError(f"{keyword} of {name_of(dataset)} holds {type(data).__name__}, no bytes.")
    encapsulated = bytes(data[:4]) == _ITEM_TAG
    if not pixels.is_native and not encapsulated and len(data) >= pixels.total_bytes:
        warn(
            f"{name_of(dataset)} is said to be in transfer syntax {pixels.transfer_syntax}, but "
            "its pixels are not encapsulated: they are taken as little endian values."
        )
        pixels = replace(pixels, transfer_syntax=_EXPLICIT_LITTLE_ENDIAN)
    elif pixels.is_native:
        encapsulated = encapsulated and bool(element.is_undefined_length)
    if not pixels.is_native or encapsulated:
        return _decode_encapsulated(dataset, data, pixels, wanted, workers=workers, limits=limits)
    _check_length(dataset, len(data), pixels)
    result = allocate((len(wanted), *pixels.frame_shape), pixels.dtype, limits=limits)
    if pixels.is_big_endian and pixels.bits_allocated <= 8 and element.VR == "OW":
        data = _swap_words(data)
    for place, number in enumerate(wanted):
        if pixels.bits_allocated == 1:
            result[place] = unpack_bits(data, number - 1, pixels)
            continue
        start = (number - 1) * pixels.frame_bytes
        frame = memoryview(data)[start : start + pixels.frame_bytes]
        result[place] = native_frame(frame, pixels)
    return _finish(result, pixels, rgb=False)


def frame_numbers(numbers: Iterable[int] | int | None, frames: int) -> list[int]:
    """The frame numbers meant, each checked to lie in 1 … ``frames``.

    Raises:
        ValueError: a number is 0, negative, or past the last frame.
        TypeError: one is no whole number.
    """
    if numbers is None:
        return list(range(1, frames + 1))
    given = [numbers] if isinstance(numbers, int | np.integer) else list(numbers)
    wanted = [operator.index(number) for number in given]
    for number in wanted:
        if number == 0:
            raise ValueError("Frame numbers count from 1, as in DICOM: there is no frame 0.")
        if not 1 <= number <= frames:
            last = "1 frame" if frames == 1 else f"frames 1 to {frames}"
            raise ValueError(f"There is no frame {number}: the instance has {last}.")
    return wanted


def allocate(
    shape: tuple[int, ...], dtype: np.dtype[Any], *, limits: Limits | None = None
) -> np.ndarray[Any, Any]:
    """An uninitialised array, if it is not too large.

    Raises:
        LimitExceeded: larger than ``limits.pixel_bytes``, or than memory.
    """
    bound = (limits or Limits()).pixel_bytes
    size = int(np.prod([int(length) for length in shape], dtype=object)) * dtype.itemsize
    if size > bound:
        raise LimitExceeded(
            f"Pixels of shape {shape} take {size:,} bytes; the limit is {bound:,}. Raise it with "
            "Options(limits=Limits(pixel_bytes=…)), or ask for fewer frames."
        )
    try:
        return np.empty(shape, dtype)
    except MemoryError as error:
        raise LimitExceeded(f"There is no memory for pixels of shape {shape}: {error}") from error


def _decode_encapsulated(
    dataset: Dataset,
    data: bytes | bytearray | memoryview,
    pixels: PixelFormat,
    wanted: list[int],
    *,
    workers: int | None,
    limits: Limits | None,
) -> np.ndarray[Any, Any]:
    """Decode the wanted frames side by side, the first alone so that damage costs little."""
    offsets = dataset.get("ExtendedOffsetTable")
    lengths = dataset.get("ExtendedOffsetTableLengths")
    extended = (bytes(offsets), bytes(lengths)) if offsets and lengths else None
    frames = frame_fragments(bytes(data), pixels.frames, extended=extended)
    if not wanted:
        return allocate((0, *pixels.frame_shape), pixels.dtype, limits=limits)
    first = decode_frame(join(frames[wanted[0] - 1]), pixels)
    result = allocate((len(wanted), *pixels.frame_shape), pixels.dtype, limits=limits)
    result[0] = first

    def work(place: int) -> None:
        decode_into(join(frames[wanted[place] - 1]), pixels, result[place])

    places = range(1, len(wanted))
    count = min(workers or os.cpu_count() or 1, len(places))
    if count <= 1:
        for place in places:
            work(place)
        return result
    with ThreadPoolExecutor(count, thread_name_prefix="dicomnb-decode") as pool:
        futures = [pool.submit(work, place) for place in places]
        try:
            for future in futures:
                future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return result


def _finish(array: np.ndarray[Any, Any], pixels: PixelFormat, *, rgb: bool) -> np.ndarray[Any, Any]:
    """Clean unused bits in place and turn what is left of YBR into RGB."""
    if not array.flags.writeable:
        array = array.copy()
    if pixels.is_native or not keeps_unused_bits(pixels):
        clean_unused_bits(array, pixels)
    if not rgb and pixels.photometric.startswith(("YBR_FULL", "YBR_PARTIAL")):
        partial = pixels.photometric.startswith("YBR_PARTIAL")
        if array.ndim == 3:
            return ybr_to_rgb(array, bits=pixels.bits_stored, partial=partial)
        for frame in array:  # one at a time: the conversion takes four times the memory
            frame[...] = ybr_to_rgb(frame, bits=pixels.bits_stored, partial=partial)
    return array


def _check_length(dataset: Dataset, length: int, pixels: PixelFormat) -> None:
    """Compare the bytes there are with those that the attributes ask for."""
    whole = length * 8 // pixels.frame_bits
    if length < pixels.total_bytes:
        raise DecodeError(
            f"{pixels.keyword} of {name_of(dataset)} has {length:,} bytes, enough for {whole} "
            f"of {pixels.frames} frames: {pixels.total_bytes:,} are needed. It is cut, or its "
            "attributes are wrong."
        )
    if whole > pixels.frames and length >= pixels.total_bytes + pixels.frame_bytes:
        warn(
            f"{name_of(dataset)} holds bytes for {whole} frames, but NumberOfFrames says "
            f"{pixels.frames}; the rest is passed over."
        )


def _swap_words(data: bytes | bytearray | memoryview) -> bytes:
    """Undo the byte order of 8-bit pixels in 16-bit words, big endian (PS3.5 section 8.1)."""
    padded = bytes(data) + b"\x00" * (len(data) % 2)
    return np.frombuffer(padded, "u2").byteswap().tobytes()
