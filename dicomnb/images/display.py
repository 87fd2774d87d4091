"""Stored values to a picture, in the standard's order, each step callable by itself.

Modality LUT or rescale, then VOI LUT or window, then presentation (PS3.3 C.11.1, C.11.2,
C.11.6; PS3.4 N.2). Nothing here changes the data set it is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.images.colour import has_supplemental_palette, palette, supplemental
from dicomnb.images.decode import decode
from dicomnb.images.functional import functional
from dicomnb.images.headers import number, text
from dicomnb.images.lookup import look_up
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
    "voi_table",
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
    overlays: bool = False,
    state: Dataset | None = None,
) -> np.ndarray[Any, Any]:
    """Make the picture that the data set asks for, or the one with another window.

    Grey: `modality`, `voi`, `presentation`. Colour: palette, or RGB as it was decoded; then
    its ICC profile to sRGB where there is one.

    Args:
        dataset: the image, with its pixels unless ``stored`` is given.
        stored: stored values of that frame, (rows, columns) or (rows, columns, 3), where they
            are at hand.
        frame: its number, from 1.
        window: see `voi`.
        overlays: draw the image's overlay planes (60xx) in white; see
            `dicomnb.images.overlay_planes`.
        state: a grayscale presentation state that shows it otherwise: its LUTs or windows,
            shutters, rotation and flip; see `dicomnb.images.states`.

    Returns:
        uint8, (rows, columns) for grey or (rows, columns, 3) for RGB, also where a
        supplemental palette colours some of the grey.

    Raises:
        DecodeError: the pixels, a look-up table, an overlay or an ICC profile are damaged or
            missing.
        ValueError: no such frame or window, or a state of another image.
    """
    from dicomnb.images.overlay_planes import burnt_in
    from dicomnb.images.overlay_planes import overlays as planes_of
    from dicomnb.images.states import shuttered, turned, with_state

    if stored is None:
        stored = decode(dataset, frame)[0]
    header = dataset if state is None else with_state(dataset, state, frame=frame)
    picture = _picture(header, stored, frame=frame, window=window)
    if overlays:
        picture = burnt_in(picture, planes_of(dataset, frame=frame))
    if state is not None:
        picture = turned(shuttered(picture, state), state)
    return picture


def _picture(
    dataset: Dataset, stored: np.ndarray[Any, Any], *, frame: int, window: Asked
) -> np.ndarray[Any, Any]:
    """Grey or colour of one frame, without what lies over it."""
    from dicomnb.images.profiles import icc_profile, to_srgb

    is_palette = text(dataset, "PhotometricInterpretation").upper() == "PALETTE COLOR"
    if stored.ndim == 3 or is_palette:
        colour = palette(stored, dataset) if is_palette else _eight_bits(stored, dataset)
        profile = icc_profile(dataset)
        return colour if profile is None else to_srgb(colour, profile)
    values = modality(stored, dataset, frame=frame)
    grey = presentation(voi(values, dataset, window=window, frame=frame), dataset)
    if has_supplemental_palette(dataset):
        return supplemental(grey, stored, dataset)
    return grey


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
        return look_up(array, table[0], dataset)[0]
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
            file's windows or look-up tables, or of a preset (``"lung"``, ``"bone"``, … for
            CT), ``"auto"`` (percentiles 1 to 99), ``"full"``. None takes the file's VOI LUT,
            then its first window, then ``"auto"``: also where the file's is no number.
        frame: number of the frame, from 1.

    Returns:
        uint8 of the same shape; 0 is the lowest value, not yet black: see `presentation`.

    Raises:
        ValueError: no such window.
        DecodeError: the VOI LUT is damaged.
    """
    table = voi_table(dataset, window=window, frame=frame)
    if table is not None:
        values = array if array.dtype.kind in "iu" else np.rint(np.nan_to_num(array))
        looked_up, bits = look_up(values, table, dataset)
        top = (1 << bits) - 1
        grey: np.ndarray[Any, Any] = (looked_up.astype(np.uint32) * 255 + top // 2) // top
        return grey.clip(0, 255).astype(np.uint8)
    return _grey(array, window_of(array, dataset, window=window, frame=frame))


def voi_table(dataset: Dataset, *, window: Asked = None, frame: int = 1) -> Dataset | None:
    """The item of VOILUTSequence that `voi` uses: the first, or the one of that explanation.

    None where it uses a window.
    """
    item = functional(dataset, "FrameVOILUTSequence", frame=frame)
    tables = (dataset if item is None else item).get("VOILUTSequence") or ()
    for table in tables:
        if window is None:
            return table  # type: ignore[no-any-return]
        name = text(table, "LUTExplanation").lower()
        if isinstance(window, str) and name and name == window.strip().lower():
            return table  # type: ignore[no-any-return]
    return None


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
    """The last step: a presentation look-up table, or grey turned round.

    It is turned where low values are to be bright: MONOCHROME1, or shape INVERSE. Both say the
    same thing, so both together turn it once.

    Args:
        array: uint8, as `voi` gives it.
        dataset: the image.

    Returns:
        uint8, in which 0 is black.

    Raises:
        DecodeError: the presentation look-up table is damaged.
    """
    grey = np.asarray(array, dtype=np.uint8)
    tables = dataset.get("PresentationLUTSequence")
    if tables:
        count = int(tables[0].LUTDescriptor[0]) or 1 << 16 if "LUTDescriptor" in tables[0] else 0
        index = np.rint(np.arange(256) * ((count - 1) / 255)).astype(np.int64)
        entries, bits = look_up(index, tables[0], dataset)
        return (entries.astype(np.int64) * 255 // ((1 << bits) - 1)).astype(np.uint8)[grey]
    return 255 - grey if is_inverse(dataset) else array


def is_inverse(dataset: Dataset) -> bool:
    """Whether low values are to be bright: MONOCHROME1, shape INVERSE, or both."""
    return (
        text(dataset, "PhotometricInterpretation").upper() == "MONOCHROME1"
        or text(dataset, "PresentationLUTShape").upper() == "INVERSE"
    )


def _grey(array: np.ndarray[Any, Any], chosen: Window) -> np.ndarray[Any, Any]:
    return window(array, chosen.center, chosen.width, function=chosen.function)


def _eight_bits(array: np.ndarray[Any, Any], dataset: Dataset) -> np.ndarray[Any, Any]:
    """RGB of more than 8 bits, cut to the upper 8."""
    bits = int(number(dataset, "BitsStored") or 8 * array.dtype.itemsize)
    return (array >> max(bits - 8, 0)).astype(np.uint8)
