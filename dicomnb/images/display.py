"""Stored values to a picture, in the standard's order, each step callable by itself.

Modality LUT or rescale, then VOI LUT or window, then presentation (PS3.3 C.11.1, C.11.2,
C.11.6; PS3.4 N.2). Nothing here changes the data set it is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.errors import DecodeError
from dicomnb.images.colour import palette
from dicomnb.images.decode import decode, frame_numbers
from dicomnb.images.headers import number, text
from dicomnb.images.pixels import name_of
from dicomnb.images.rescale import Rescale, rescale
from dicomnb.images.windows import Window, choose, window, windows_of

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = [
    "display",
    "functional",
    "modality",
    "palette",
    "presentation",
    "rescale_of",
    "voi",
    "window",
    "window_of",
]

Asked = str | tuple[Any, ...] | None


def display(
    dataset: Dataset,
    stored: np.ndarray[Any, Any] | None = None,
    *,
    frame: int = 1,
    window: Asked = None,
) -> np.ndarray[Any, Any]:
    """Make the picture that the data set asks for, or the one with another window.

    Args:
        dataset: the image, with its pixels unless ``stored`` is given.
        stored: stored values of that frame, (rows, columns) or (rows, columns, 3), where they
            are at hand.
        frame: its number, from 1.
        window: see `voi`.

    Returns:
        uint8, (rows, columns) for grey or (rows, columns, 3) for RGB.

    Raises:
        DecodeError: the pixels, or a look-up table, are damaged or missing.
        ValueError: no such frame, or no such window.
    """
    if stored is None:
        stored = decode(dataset, frame)[0]
    if stored.ndim == 3:
        return _eight_bits(stored, dataset)
    if text(dataset, "PhotometricInterpretation").upper() == "PALETTE COLOR":
        return palette(stored, dataset)
    values = modality(stored, dataset, frame=frame)
    return presentation(voi(values, dataset, window=window, frame=frame), dataset)


def modality(
    array: np.ndarray[Any, Any], dataset: Dataset, *, frame: int = 1
) -> np.ndarray[Any, Any]:
    """Stored values to modality values (HU for CT): look-up table or slope and intercept.

    Args:
        array: stored values of one frame, of any shape; colour is given back as it is.
        dataset: the image, whose functional groups may hold a rescale for each frame.
        frame: number of the frame, from 1.

    Returns:
        The same shape. The smallest integer type, no narrower than that of ``array``, which
        holds every value exactly if slope and intercept are whole; else float32. The array
        itself if there is nothing to do.

    Raises:
        DecodeError: slope or intercept is no number, or the table is damaged.
    """
    if (number(dataset, "SamplesPerPixel") or 1) > 1:
        return array
    table = dataset.get("ModalityLUTSequence")
    if table:
        return _look_up(array, table[0], dataset)[0]
    return rescale(array, rescale_of(dataset, frame=frame))


def rescale_of(dataset: Dataset, *, frame: int = 1) -> Rescale:
    """Slope and intercept of a frame: its own, those all frames share, or the image's."""
    item = functional(dataset, "PixelValueTransformationSequence", frame=frame)
    return Rescale.of(dataset if item is None else item)


def voi(
    array: np.ndarray[Any, Any],
    dataset: Dataset,
    *,
    window: Asked = None,
    frame: int = 1,
) -> np.ndarray[Any, Any]:
    """Modality values to grey: the file's VOI LUT or window, or one that is asked for.

    Args:
        array: modality values of one frame.
        dataset: the image.
        window: ``(center, width)``, ``(center, width, function)``, the name of one of the
            file's windows or of a preset (``"lung"``, ``"bone"``, … for CT), ``"auto"``
            (percentiles 1 to 99), ``"full"``. None takes the file's VOI LUT, then its first
            window, then ``"auto"``: also where the file's is no number.
        frame: number of the frame, from 1.

    Returns:
        uint8 of the same shape; 0 is the lowest value, not yet black: see `presentation`.

    Raises:
        ValueError: no such window.
        DecodeError: the VOI LUT is damaged.
    """
    table = dataset.get("VOILUTSequence")
    if window is None and table:
        values = array if array.dtype.kind in "iu" else np.rint(np.nan_to_num(array))
        looked_up, bits = _look_up(values, table[0], dataset)
        top = (1 << bits) - 1
        grey: np.ndarray[Any, Any] = (looked_up.astype(np.uint32) * 255 + top // 2) // top
        return grey.clip(0, 255).astype(np.uint8)
    return _grey(array, window_of(array, dataset, window=window, frame=frame))


def window_of(
    array: np.ndarray[Any, Any], dataset: Dataset, *, window: Asked = None, frame: int = 1
) -> Window:
    """The window that `voi` uses where it uses no table. Arguments as there."""
    item = functional(dataset, "FrameVOILUTSequence", frame=frame)
    named = windows_of(dataset if item is None else item)
    if text(dataset, "BitsStored") == "1" and window is None and not named:
        return Window(0.5, 1.0, "", "LINEAR_EXACT")
    return choose(array, window, named=named, modality=text(dataset, "Modality"))


def presentation(array: np.ndarray[Any, Any], dataset: Dataset) -> np.ndarray[Any, Any]:
    """Turn grey round where low values are to be bright: MONOCHROME1, or shape INVERSE.

    Both say the same thing, so both together turn it once.

    Args:
        array: uint8, as `voi` gives it.
        dataset: the image.

    Returns:
        uint8, in which 0 is black.
    """
    inverse = (
        text(dataset, "PhotometricInterpretation").upper() == "MONOCHROME1"
        or text(dataset, "PresentationLUTShape").upper() == "INVERSE"
    )
    return 255 - np.asarray(array, dtype=np.uint8) if inverse else array


def functional(dataset: Dataset, keyword: str, *, frame: int) -> Dataset | None:
    """An item of the functional groups: the frame's own, else the shared one, else None.

    Raises:
        ValueError: there is no such frame.
    """
    groups = dataset.get("PerFrameFunctionalGroupsSequence")
    shared = dataset.get("SharedFunctionalGroupsSequence")
    if groups:
        frame_numbers(frame, len(groups))
    for group in (groups[frame - 1] if groups else None, shared[0] if shared else None):
        items = group.get(keyword) if group is not None else None
        if items:
            item: Dataset = items[0]
            return item
    return None


def _grey(array: np.ndarray[Any, Any], chosen: Window) -> np.ndarray[Any, Any]:
    return window(array, chosen.center, chosen.width, function=chosen.function)


def _eight_bits(array: np.ndarray[Any, Any], dataset: Dataset) -> np.ndarray[Any, Any]:
    """RGB of more than 8 bits, cut to the upper 8."""
    bits = int(number(dataset, "BitsStored") or 8 * array.dtype.itemsize)
    return (array >> max(bits - 8, 0)).astype(np.uint8)


def _look_up(
    array: np.ndarray[Any, Any], item: Dataset, dataset: Dataset
) -> tuple[np.ndarray[Any, Any], int]:
    """Apply a Modality or VOI LUT (PS3.3 C.11.1.1.1); the result, and the bits of its entries."""
    descriptor = item.get("LUTDescriptor")
    data = item.get("LUTData")
    if descriptor is None or len(descriptor) != 3 or data is None:
        raise DecodeError(f"A look-up table of {name_of(dataset)} has no descriptor or no data.")
    count, first, bits = (int(part) for part in descriptor)
    count = count or 1 << 16
    if isinstance(data, bytes):
        little = getattr(dataset, "original_encoding", (None, True))[1] is not False
        kind = np.dtype("u1" if len(data) < 2 * count else "<u2" if little else ">u2")
        table = np.frombuffer(data[: len(data) // kind.itemsize * kind.itemsize], kind)
    else:
        table = np.atleast_1d(np.asarray(data)).astype(np.int64) & 0xFFFF
    if not 1 <= bits <= 16 or len(table) < count:
        raise DecodeError(
            f"A look-up table of {name_of(dataset)} should have {count} entries of {bits} bits "
            f"and has {len(table)}."
        )
    if first >= 1 << 15 and array.size and array.min() < 0:
        first -= 1 << 16  # a signed number, read as an unsigned one
    index = np.clip(array.astype(np.int64) - first, 0, count - 1)
    return table[:count].astype(np.uint8 if bits <= 8 else np.uint16)[index], bits
