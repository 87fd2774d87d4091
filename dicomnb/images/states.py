"""Softcopy presentation states: how somebody left an image to be shown (PS3.4 annex N).

A state takes the place of what the image itself says: `with_state` makes the header that the
steps of `dicomnb.images.display` then follow. Its annotations are not drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.sequence import Sequence as Items

from dicomnb.errors import DecodeError
from dicomnb.images.headers import number, numbers, shallow, text
from dicomnb.images.pixels import PixelFormat, name_of
from dicomnb.images.rescale import Rescale

if TYPE_CHECKING:
    from pydicom import Dataset

    Array = np.ndarray[Any, Any]

__all__ = ["shuttered", "turned", "turns", "with_state"]

_MODALITY = ("ModalityLUTSequence", "RescaleIntercept", "RescaleSlope", "RescaleType")
_VOI = (
    "VOILUTSequence",
    "WindowCenter",
    "WindowWidth",
    "WindowCenterWidthExplanation",
    "VOILUTFunction",
)
_PRESENTATION = ("PresentationLUTSequence", "PresentationLUTShape")
_GROUPS = ("PixelValueTransformationSequence", "FrameVOILUTSequence")


def with_state(dataset: Dataset, state: Dataset, *, frame: int | None = 1) -> Dataset:
    """An image's header with the grey scale of a presentation state in place of its own.

    The state's modality, VOI and presentation are used alone: what it leaves out is the
    identity, and MONOCHROME1 no longer counts (PS3.4 N.2.1).

    Args:
        dataset: the image, which is not changed; its pixels are not copied.
        state: a grayscale softcopy presentation state.
        frame: number of the frame, from 1; None for whichever the state is of.

    Returns:
        A new data set that shares its elements with ``dataset``.

    Raises:
        ValueError: the state is of another image, or of other frames.
    """
    if not _refers(state.get("ReferencedSeriesSequence") or (), dataset, frame, nested=True):
        what = "" if frame is None else f"frame {frame} of "
        raise ValueError(
            f"Presentation state {state.get('SOPInstanceUID')} does not refer to {what}"
            f"{name_of(dataset)}."
        )
    result = shallow(dataset)
    for keyword in (*_MODALITY, *_VOI, *_PRESENTATION):
        if keyword in result:
            del result[keyword]
    for keyword in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        if keyword in result:
            groups = Items([_without_grey(item) for item in result.get(keyword)])
            result.add_new(keyword, "SQ", groups)
    for keyword in (*_MODALITY, *_PRESENTATION):
        if keyword in state:
            result[keyword] = state[keyword]
    _set_voi(result, state, frame)
    if text(dataset, "PhotometricInterpretation") == "MONOCHROME1":
        result.add_new("PhotometricInterpretation", "CS", "MONOCHROME2")
    return result


def shuttered(picture: Array, state: Dataset) -> Array:
    """Cover what lies outside a display shutter (PS3.3 C.7.6.11).

    Args:
        picture: uint8 of one frame, before it is turned.
        state: a presentation state, or an image with a shutter of its own.

    Returns:
        A new picture; the same one where there is no shutter.

    Raises:
        DecodeError: a shutter is damaged.
    """
    shapes = [shape for shape in text(state, "ShutterShape").upper().split("\\") if shape]
    if not shapes:
        return picture
    rows, columns = picture.shape[:2]
    y, x = np.ogrid[1 : rows + 1, 1 : columns + 1]
    inside = np.ones((rows, columns), bool)
    if "RECTANGULAR" in shapes:
        left, right, top, bottom = (
            _edge(state, f"Shutter{side}Edge")
            for side in ("LeftVertical", "RightVertical", "UpperHorizontal", "LowerHorizontal")
        )
        inside &= (x > left) & (x < right) & (y > top) & (y < bottom)
    if "CIRCULAR" in shapes:
        centre = numbers(state, "CenterOfCircularShutter", 2)
        radius = _edge(state, "RadiusOfCircularShutter")
        if centre is None:
            raise DecodeError("A circular shutter without a centre.")
        inside &= (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2
    if "POLYGONAL" in shapes:
        inside &= _polygon(state, rows, columns)
    result = picture.copy()
    result[~inside] = int(number(state, "ShutterPresentationValue") or 0) >> 8
    return result


def turned(picture: Array, state: Dataset) -> Array:
    """Rotate clockwise, then flip, as a presentation state asks (PS3.3 C.10.6)."""
    quarters, flipped = turns(state)
    picture = np.rot90(picture, -quarters)
    return picture[:, ::-1] if flipped else picture


def turns(state: Dataset) -> tuple[int, bool]:
    """Quarter turns clockwise, 0 to 3, and whether it is flipped left to right afterwards."""
    quarters = int(number(state, "ImageRotation") or 0) // 90 % 4
    return quarters, text(state, "ImageHorizontalFlip").upper() == "Y"


def _set_voi(result: Dataset, state: Dataset, frame: int | None) -> None:
    """The state's VOI for this image, or the identity over all values there can be."""
    for item in state.get("SoftcopyVOILUTSequence") or ():
        references = item.get("ReferencedImageSequence")
        if references and not _refers(references, result, frame):
            continue
        for keyword in _VOI:
            if keyword in item:
                result[keyword] = item[keyword]
        return
    if "ModalityLUTSequence" in result:
        bits = int(result.ModalityLUTSequence[0].LUTDescriptor[2])
        low, high = 0.0, float((1 << bits) - 1)
    else:
        pixels, by = PixelFormat.of(result), Rescale.of(result)
        first = -(1 << pixels.bits_stored - 1) if pixels.signed else 0
        ends = [x * by.slope + by.intercept for x in (first, first + (1 << pixels.bits_stored) - 1)]
        low, high = min(ends), max(ends)
    result.add_new("WindowCenter", "FD", (low + high + 1) / 2)
    result.add_new("WindowWidth", "FD", high - low + 1)


def _refers(references: Any, dataset: Dataset, frame: int | None, *, nested: bool = False) -> bool:
    """Whether a reference names this image, and this frame where it names frames."""
    if nested:
        return any(
            _refers(series.get("ReferencedImageSequence") or (), dataset, frame)
            for series in references
        )
    for reference in references:
        frames = text(reference, "ReferencedFrameNumber")
        if text(reference, "ReferencedSOPInstanceUID") == text(dataset, "SOPInstanceUID") and (
            frame is None or not frames or str(frame) in frames.split("\\")
        ):
            return True
    return False


def _without_grey(group: Dataset) -> Dataset:
    result = shallow(group)
    for keyword in _GROUPS:
        if keyword in result:
            del result[keyword]
    return result


def _edge(state: Dataset, keyword: str) -> float:
    value = number(state, keyword)
    if value is None:
        raise DecodeError(f"A shutter without {keyword}.")
    return value


def _polygon(state: Dataset, rows: int, columns: int) -> Array:
    """Bool (rows, columns): inside the polygon whose corners are row, column, row, …"""
    from PIL import Image, ImageDraw

    flat = text(state, "VerticesOfThePolygonalShutter").split("\\")
    try:
        points = [(int(x) - 1, int(y) - 1) for y, x in zip(flat[::2], flat[1::2], strict=True)]
    except ValueError as error:
        raise DecodeError(f"The corners of a polygonal shutter are damaged: {error}") from error
    if len(points) < 3:
        raise DecodeError(f"A polygonal shutter has {len(points)} corners.")
    mask = Image.new("1", (columns, rows))
    ImageDraw.Draw(mask).polygon(points, fill=1, outline=1)
    return np.asarray(mask)
