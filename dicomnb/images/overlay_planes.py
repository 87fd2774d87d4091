"""Overlay planes: graphics and regions that lie over an image (PS3.3 C.9.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.errors import DecodeError
from dicomnb.images.decode import decode
from dicomnb.images.headers import shallow
from dicomnb.images.pixels import UNREADABLE, PixelFormat, name_of

if TYPE_CHECKING:
    from pydicom import Dataset

    Array = np.ndarray[Any, Any]

__all__ = ["Overlay", "burnt_in", "overlays"]

_GROUPS = range(0x6000, 0x6100, 2)


@dataclass(frozen=True, eq=False)
class Overlay:
    """One overlay plane, as it lies over one frame.

    Attributes:
        plane: bool (rows, columns) of the image: what of it lies outside is cut off.
        group: 0x6000 … 0x60FE.
        kind: ``"G"`` graphics, ``"R"`` region of interest, or ``""``.
        label: OverlayLabel, or ``""``.
        description: OverlayDescription, or ``""``.
    """

    plane: Array
    group: int
    kind: str = ""
    label: str = ""
    description: str = ""


def overlays(dataset: Dataset, *, frame: int = 1) -> tuple[Overlay, ...]:
    """The overlay planes that lie over a frame; none where the data set has none.

    Args:
        dataset: the image; planes that old objects keep in unused bits of the pixels need
            these pixels, uncompressed.
        frame: number of the frame, from 1.

    Raises:
        DecodeError: a plane is cut or damaged, or lies in bits that compression has dropped.
    """
    found = []
    for group in _GROUPS:
        if (group, 0x0010) not in dataset:
            continue
        plane = _plane(dataset, group, frame)
        if plane is not None:
            words = [str(_value(dataset, group, at) or "") for at in (0x0040, 0x1500, 0x0022)]
            found.append(Overlay(plane, group, *words))
    return tuple(found)


def burnt_in(picture: Array, planes: tuple[Overlay, ...], *, value: int = 255) -> Array:
    """A picture with overlays drawn into it.

    Args:
        picture: uint8, (rows, columns) or (rows, columns, 3).
        planes: as `overlays` gives them.
        value: the grey, or the amount of each colour, that they are drawn with.

    Returns:
        A new picture; the same one where there are no planes.
    """
    if not planes:
        return picture
    result = picture.copy()
    for overlay in planes:
        result[overlay.plane] = value
    return result


def _plane(dataset: Dataset, group: int, frame: int) -> Array | None:
    """One plane in the shape of the image; None where it does not cover this frame."""
    pixels = PixelFormat.of(dataset)
    rows, columns = (_whole(dataset, group, at) for at in (0x0010, 0x0011))
    count = _whole(dataset, group, 0x0015, 1)
    begins = _whole(dataset, group, 0x0051, 1)
    index = frame - begins
    if "NumberOfFrames" in dataset and (group, 0x0015) in dataset:
        if not 0 <= index < count:
            return None
    else:
        index = 0  # one plane for every frame
    if (group, 0x3000) in dataset:
        bits = _own_bits(dataset, group, (rows, columns), index)
    else:
        bits = _embedded_bits(dataset, group, pixels, frame)
        rows, columns = bits.shape
    top, left = _origin(dataset, group)
    whole = np.zeros((pixels.rows, pixels.columns), bool)
    y, x = max(top, 0), max(left, 0)
    height, width = max(pixels.rows - y, 0), max(pixels.columns - x, 0)
    cut = bits[max(-top, 0) :, max(-left, 0) :][:height, :width]
    whole[y : y + cut.shape[0], x : x + cut.shape[1]] = cut
    return whole


def _own_bits(dataset: Dataset, group: int, shape: tuple[int, int], index: int) -> Array:
    """Bits of OverlayData, lowest first; planes follow each other without a gap."""
    data = _value(dataset, group, 0x3000)
    if not isinstance(data, bytes | bytearray):
        raise DecodeError(f"OverlayData of {name_of(dataset)} is no bytes.")
    if dataset[group, 0x3000].VR == "OW" and _is_big_endian(dataset):
        padded = bytes(data) + bytes(len(data) % 2)
        data = np.frombuffer(padded, "u2").byteswap().tobytes()
    size = shape[0] * shape[1]
    if size <= 0 or len(data) * 8 < size * (index + 1):
        raise DecodeError(
            f"Overlay {group:04X} of {name_of(dataset)} is cut: {len(data):,} bytes for plane "
            f"{index + 1} of {shape[0]} × {shape[1]}."
        )
    first = size * index
    stretch = np.frombuffer(data, np.uint8)[first // 8 : (first + size + 7) // 8]
    bits = np.unpackbits(stretch, bitorder="little")[first % 8 : first % 8 + size]
    return bits.reshape(shape).astype(bool)


def _embedded_bits(dataset: Dataset, group: int, pixels: PixelFormat, frame: int) -> Array:
    """A bit of each pixel above the stored ones, as objects before 2004 may have it."""
    position = _whole(dataset, group, 0x0102)
    if "PixelData" not in dataset or not pixels.is_native or pixels.samples > 1:
        raise DecodeError(
            f"Overlay {group:04X} of {name_of(dataset)} lies in bit {position} of its pixels, "
            "which are not there, or compressed."
        )
    raw = shallow(dataset)  # the same pixels once more, with all bits
    raw.add_new("PixelRepresentation", "US", 0)
    raw.add_new("BitsStored", "US", pixels.bits_allocated)
    raw.add_new("HighBit", "US", pixels.bits_allocated - 1)
    stored = decode(raw, frame)[0]
    if not 0 <= position < pixels.bits_allocated:
        raise DecodeError(f"OverlayBitPosition of {name_of(dataset)} is {position}.")
    found: Array = (stored >> position & 1).astype(bool)
    return found


def _origin(dataset: Dataset, group: int) -> tuple[int, int]:
    """Row and column, from 0, of the image at which the plane begins; may be negative."""
    value = _value(dataset, group, 0x0050)
    try:
        row, column = (int(part) for part in value)
    except UNREADABLE:
        return 0, 0
    return row - 1, column - 1


def _whole(dataset: Dataset, group: int, element: int, default: int | None = None) -> int:
    value = _value(dataset, group, element)
    try:
        return int(value if value not in (None, "") else default)  # type: ignore[arg-type]
    except UNREADABLE as error:
        raise DecodeError(
            f"({group:04X},{element:04X}) of {name_of(dataset)} is no whole number: {value!r}."
        ) from error


def _value(dataset: Dataset, group: int, element: int) -> Any:
    return dataset[group, element].value if (group, element) in dataset else None


def _is_big_endian(dataset: Dataset) -> bool:
    return getattr(dataset, "original_encoding", (None, True))[1] is False
