"""What can be drawn: volumes, data sets, arrays and Pillow images as pictures by number."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom import Dataset

from dicomnb.images.decode import decode, frame_numbers
from dicomnb.images.display import display, modality, window_of
from dicomnb.images.functional import functional
from dicomnb.images.headers import numbers, text
from dicomnb.images.pixels import PixelFormat
from dicomnb.images.rescale import Rescale
from dicomnb.images.windows import choose, window
from dicomnb.volumes.slices import units_of
from dicomnb.volumes.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Callable

    from dicomnb.images.windows import Window

    Array = np.ndarray[Any, Any]
    Asked = str | tuple[Any, ...] | None

__all__ = ["OPPOSITE", "Pictures", "pictures_of"]

#: Each letter of the patient's sides to the one across.
OPPOSITE = str.maketrans("RLAPSIHF", "LRPAISFH")


@dataclass(frozen=True)
class Pictures:
    """What there is to draw: grey or RGB pictures of one size, made when they are asked for.

    Attributes:
        count: how many.
        first: the number that the first one goes by: 0 for slices, 1 for frames.
        noun: what one is called.
        draw: index, from 0, to uint8 (rows, columns) or (rows, columns, 3).
        values: index, from 0, to the values before any window.
        title: of the whole.
        label: how its window is described; given an index.
        aspect: height of a pixel over its width.
        edges: letters at right and bottom, or ``""``.
        units: of the values.
    """

    count: int
    first: int
    noun: str
    draw: Callable[[int], Array]
    values: Callable[[int], Array]
    title: str = ""
    label: Callable[[int], str] = lambda _: ""
    aspect: float = 1.0
    edges: tuple[str, str] = ("", "")
    units: str = ""

    def place(self, *, frame: int | None = None, index: int | None = None) -> int:
        """The index, from 0, of the picture that is meant.

        Args:
            frame: number, from 1; for the frames of a data set only.
            index: from 0, or negative from the end; for the slices of a stack only.

        Raises:
            TypeError: the wrong one of the two.
            ValueError: there is no such frame.
            IndexError: there is no such slice.
        """
        if frame is not None and self.noun != "frame":
            raise TypeError(
                "frame= is for a data set, and counts from 1. The slices of a volume have an "
                "index=, from 0."
                if self.noun == "slice"
                else "This is one image: it has no frame=."
            )
        if index is not None and self.noun != "slice":
            raise TypeError(
                "index= is for the slices of a volume. A data set has frames: use frame=, from 1."
                if self.noun == "frame"
                else "This is one image: it has no index=."
            )
        if self.noun == "frame":
            return frame_numbers(1 if frame is None else frame, self.count)[0] - 1
        if index is None:
            return self.count // 2
        place = operator.index(index)
        if not -self.count <= place < self.count:
            raise IndexError(f"There is no slice {index}: indices run from 0 to {self.count - 1}.")
        return place % self.count


def pictures_of(what: Any, *, window: Asked = None, alike: bool = False) -> Pictures:
    """Tell what was given, and how to draw it.

    Args:
        what: a `Volume`, a data set with pixels, an array, or a Pillow image.
        window: see `dicomnb.images.display.voi`.
        alike: all frames of a data set with the window of the middle one, so that they can be
            compared; a volume has one window in any case.

    Raises:
        TypeError: it is none of these, or an array of another shape.
        ValueError: there is no such window.
    """
    if isinstance(what, Volume):
        return _of_volume(what, window)
    if isinstance(what, Dataset):
        return _of_dataset(what, window, alike=alike)
    if isinstance(what, np.ndarray):
        array = what
    elif hasattr(what, "getbands") and hasattr(what, "convert"):  # Pillow's Image
        array = np.asarray(what if what.mode in ("L", "RGB") else what.convert("RGB"))
    else:
        raise TypeError(
            f"A {type(what).__name__} is no image: give a Volume, a pydicom data set with pixels, "
            "an array or a Pillow image. archive.volume(series) and archive.dataset(instance) "
            "make one of a row."
        )
    is_colour = array.ndim == 3 and array.shape[2] == 3 and array.dtype == np.uint8
    if array.ndim == 2 or is_colour:
        return _of_array(array[np.newaxis], window, noun="image")
    if array.ndim == 3 or (array.ndim == 4 and array.shape[3] == 3 and array.dtype == np.uint8):
        return _of_array(array, window, noun="slice")
    raise TypeError(
        f"An array of shape {array.shape} is no image: give (rows, columns), (rows, columns, 3) "
        "of uint8, or (slices, rows, columns)."
    )


def _of_array(array: Array, window: Asked, *, noun: str) -> Pictures:
    """An array without any facts about it."""
    if array.ndim == 4 or (array.dtype == np.uint8 and window is None):  # pictures already
        return Pictures(len(array), 0, noun, array.__getitem__, array.__getitem__)
    if array.dtype == bool:
        array = array.view(np.uint8)
    chosen = choose(array, window)
    return Pictures(
        count=len(array),
        first=0,
        noun=noun,
        draw=lambda place: _grey(array[place], chosen),
        values=array.__getitem__,
        label=lambda _: str(chosen),
    )


def _of_volume(volume: Volume, window: Asked) -> Pictures:
    """The slices of a volume, all with one window."""
    chosen = choose(volume.array, window, named=volume.windows, modality=volume.modality)
    inverse = volume.photometric == "MONOCHROME1"

    def draw(place: int) -> Array:
        grey = _grey(volume.array[place], chosen)
        return 255 - grey if inverse else grey

    spacing = volume.spacing[1:] if volume.spacing else volume.pixel_spacing
    letters = volume.orientation
    return Pictures(
        count=len(volume),
        first=0,
        noun="slice",
        draw=draw,
        values=volume.array.__getitem__,
        title=" · ".join(part for part in (volume.modality, volume.title) if part),
        label=lambda _: f"{chosen} {volume.units}".rstrip(),
        aspect=spacing[0] / spacing[1] if spacing else 1.0,
        edges=(letters[2], letters[1]) if letters else ("", ""),
        units=volume.units,
    )


def _of_dataset(dataset: Dataset, window: Asked, *, alike: bool) -> Pictures:
    """The frames of a data set, each decoded when it is asked for."""
    pixels = PixelFormat.of(dataset)
    is_grey = pixels.samples == 1 and pixels.photometric != "PALETTE COLOR"

    @lru_cache(maxsize=1)  # the picture and its label need the same frame
    def stored(place: int) -> Array:
        frame: Array = decode(dataset, place + 1)[0]
        return frame

    def values(place: int) -> Array:
        return modality(stored(place), dataset, frame=place + 1) if is_grey else stored(place)

    units = units_of(dataset, Rescale.of(dataset))
    by_table = window is None and bool(dataset.get("VOILUTSequence"))
    if alike and is_grey and not by_table:
        middle = pixels.frames // 2
        window = window_of(values(middle), dataset, window=window, frame=middle + 1)

    def draw(place: int) -> Array:
        return display(dataset, stored(place), frame=place + 1, window=window)

    def label(place: int) -> str:
        if by_table or not is_grey:
            return "VOI LUT" if by_table and is_grey else ""
        chosen = window_of(values(place), dataset, window=window, frame=place + 1)
        return f"{chosen} {units}".rstrip()

    parts = (text(dataset, "Modality"), text(dataset, "SeriesDescription"))
    return Pictures(
        count=pixels.frames,
        first=1,
        noun="frame",
        draw=draw,
        values=values,
        title=" · ".join(part for part in parts if part),
        label=label,
        aspect=_aspect(dataset),
        edges=_edges(dataset),
        units=units,
    )


def _grey(values: Array, chosen: Window) -> Array:
    return window(values, chosen.center, chosen.width, function=chosen.function)


def _aspect(dataset: Dataset) -> float:
    """Height of a pixel over its width, from whatever attribute tells."""
    measures = functional(dataset, "PixelMeasuresSequence", frame=1)
    for item, keyword in (
        (measures, "PixelSpacing"),
        (dataset, "PixelSpacing"),
        (dataset, "ImagerPixelSpacing"),
        (dataset, "PixelAspectRatio"),
    ):
        pair = numbers(item, keyword, 2) if item is not None else None
        if pair and min(pair) > 0:
            return pair[0] / pair[1]
    return 1.0


def _edges(dataset: Dataset) -> tuple[str, str]:
    """Where in the patient columns (at the right edge) and rows (at the bottom) go to."""
    plane = functional(dataset, "PlaneOrientationSequence", frame=1)
    found = numbers(dataset if plane is None else plane, "ImageOrientationPatient", 6)
    if found is None:
        right, _, bottom = text(dataset, "PatientOrientation").partition("\\")
        return (right[:1], bottom[:1])
    letters = []
    for direction in (found[:3], found[3:]):
        axis = int(np.abs(direction).argmax())
        letters.append(("LR", "PA", "SI")[axis][int(direction[axis] < 0)])
    return (letters[0], letters[1])
