"""Colour spaces to RGB (PS3.3 C.7.6.3.1.2) and palettes (C.7.6.3.1.5, C.7.9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.errors import DecodeError

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["has_supplemental_palette", "palette", "supplemental", "ybr_to_rgb"]

_YBR_TO_RGB = np.array(
    [
        [1.0, 1.0, 1.0],
        [0.0, -0.114 * 1.772 / 0.587, 1.772],
        [1.402, -0.299 * 1.402 / 0.587, 0.0],
    ],
    dtype=np.float32,
)


def ybr_to_rgb(
    array: np.ndarray[Any, Any], *, bits: int = 8, partial: bool = False
) -> np.ndarray[Any, Any]:
    """Turn YBR_FULL into RGB, rounded to the nearest value.

    Args:
        array: (..., 3), unsigned.
        bits: Bits Stored; chroma has its zero in the middle of that range.
        partial: YBR_PARTIAL: luma from 16 to 235 and chroma from 16 to 240 of 255.

    Returns:
        A new array of the same shape and type.
    """
    values = array.astype(np.float32)
    values[..., 1:] -= 1 << (bits - 1)
    if partial:
        unit = (1 << bits) / 256
        values[..., 0] = (values[..., 0] - 16 * unit) * (255 / 219)
        values[..., 1:] *= 255 / 224
    rgb = np.matmul(values, _YBR_TO_RGB, out=values)
    rgb += 0.5
    np.floor(rgb, out=rgb)
    np.clip(rgb, 0, (1 << bits) - 1, out=rgb)
    return rgb.astype(array.dtype)


def palette(array: np.ndarray[Any, Any], dataset: Dataset) -> np.ndarray[Any, Any]:
    """Look palette indices up, as PALETTE COLOR asks.

    Args:
        array: stored values of any shape, which are indices.
        dataset: holds the palette; it is not changed.

    Returns:
        (..., 3) uint8, RGB. Palettes of 16 bits are cut to their upper 8.

    Raises:
        DecodeError: the palette is missing or damaged.
    """
    tables = []
    for colour in ("Red", "Green", "Blue"):
        first, table = _palette_table(dataset, colour)
        index = np.clip(array.astype(np.int64) - first, 0, len(table) - 1)
        tables.append(table[index])
    return np.stack(tables, axis=-1)


def has_supplemental_palette(dataset: Dataset) -> bool:
    """Whether a grey image has colours for its upper stored values (PS3.3 C.7.6.19, C.8.16.2.1)."""
    return (
        str(dataset.get("PixelPresentation") or "").upper() in ("COLOR", "MIXED")
        and "RedPaletteColorLookupTableDescriptor" in dataset
        and str(dataset.get("PhotometricInterpretation") or "").upper() == "MONOCHROME2"
    )


def supplemental(
    grey: np.ndarray[Any, Any], stored: np.ndarray[Any, Any], dataset: Dataset
) -> np.ndarray[Any, Any]:
    """Colour those pixels of a grey picture that the supplemental palette maps.

    Args:
        grey: uint8 (rows, columns), what the others are shown as.
        stored: stored values of the same shape; the palette maps them, not modality values.
        dataset: holds the palette.

    Returns:
        uint8 (rows, columns, 3).

    Raises:
        DecodeError: the palette is damaged.
    """
    first, table = _palette_table(dataset, "Red")
    mapped = (stored >= first) & (stored < first + len(table))
    result = np.repeat(grey[..., np.newaxis], 3, axis=-1)
    result[mapped] = palette(stored[mapped], dataset)
    return result


def _palette_table(dataset: Dataset, colour: str) -> tuple[int, np.ndarray[Any, Any]]:
    """The first value mapped, and the table of one colour as uint8."""
    descriptor = dataset.get(f"{colour}PaletteColorLookupTableDescriptor")
    if descriptor is None or len(descriptor) != 3:
        raise DecodeError(f"PALETTE COLOR without a {colour}PaletteColorLookupTableDescriptor.")
    count, first, bits = (int(number) for number in descriptor)
    count = count or 1 << 16
    if bits not in (8, 16):
        raise DecodeError(f"A palette of {bits} bits; the standard knows 8 and 16.")
    big_endian = getattr(dataset, "original_encoding", (None, True))[1] is False
    data = dataset.get(f"{colour}PaletteColorLookupTableData")
    if data is not None:
        table = _unpack(bytes(data), count, big_endian=big_endian)
    else:
        segments = dataset.get(f"Segmented{colour}PaletteColorLookupTableData")
        if segments is None:
            raise DecodeError(f"PALETTE COLOR without {colour}PaletteColorLookupTableData.")
        table = _expand(bytes(segments), bits, big_endian=big_endian)[:count]
    if len(table) == 0:
        raise DecodeError(f"The {colour} palette is empty.")
    if table.dtype == np.uint16:
        # 8-bit colours in 16-bit entries are common, whatever the descriptor says.
        table = table >> 8 if bits == 16 and int(table.max()) > 255 else table & 0xFF
    if bits == 16 and first >= 1 << 15 and dataset.get("PixelRepresentation") == 1:
        first -= 1 << 16
    return first, table.astype(np.uint8)


def _unpack(data: bytes, count: int, *, big_endian: bool) -> np.ndarray[Any, Any]:
    """Entries of one or two bytes, as their number tells; what is too much is padding."""
    order = ">" if big_endian else "<"
    if len(data) >= 2 * count:
        return np.frombuffer(data, f"{order}u2", count).astype(np.uint16)
    if len(data) >= count:
        if big_endian and count > 1:  # two entries in each word
            words = np.frombuffer(data[: len(data) // 2 * 2], ">u2").astype("<u2")
            return np.frombuffer(words.tobytes(), np.uint8)[:count]
        return np.frombuffer(data, np.uint8, count)
    raise DecodeError(f"A palette of {count} entries has {len(data)} bytes only.")


def _expand(data: bytes, bits: int, *, big_endian: bool) -> np.ndarray[Any, Any]:
    """A segmented palette (C.7.9.2): discrete, linear and indirect segments."""
    kind = "u1" if bits == 8 else f"{'>' if big_endian else '<'}u2"
    words = [int(word) for word in np.frombuffer(data[: len(data) * 8 // bits * bits // 8], kind)]
    entries: list[int] = []
    try:
        _expand_segments(words, 0, len(words), entries, limit=None, bits=bits)
    except IndexError as error:
        raise DecodeError("A segmented palette ends within a segment.") from error
    return np.array(entries, dtype=np.uint8 if bits == 8 else np.uint16)


def _expand_segments(
    words: list[int], start: int, end: int, entries: list[int], *, limit: int | None, bits: int
) -> None:
    """Append the entries of the segments from ``start``, ``limit`` of them at most."""
    position, done = start, 0
    while position + 1 < end and (limit is None or done < limit):
        code, length = words[position], words[position + 1]
        if len(entries) + length > 1 << 16:
            raise DecodeError("A segmented palette has more than 65,536 entries.")
        if code == 0:
            entries.extend(words[position + 2 + number] for number in range(length))
            position += 2 + length
        elif code == 1:
            begin, last = entries[-1], words[position + 2]
            steps = np.linspace(begin, last, length + 1)[1:]
            entries.extend(int(step) for step in np.rint(steps))
            position += 3
        elif code == 2 and limit is None:
            offset = words[position + 2] | words[position + 3] << bits
            if bits == 8:
                offset |= words[position + 4] << 16 | words[position + 5] << 24
            # An indirect segment repeats earlier ones; it may not refer to another indirect.
            _expand_segments(
                words, offset // (bits // 8), position, entries, limit=length, bits=bits
            )
            position += 4 if bits == 16 else 6
        else:
            raise DecodeError(f"A segmented palette has a segment of kind {code}.")
        done += 1
