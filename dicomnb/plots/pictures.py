"""What can be drawn: volumes, data sets, arrays and Pillow images as pictures by number."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom import Dataset

from dicomnb.images.colour import has_supplemental_palette
from dicomnb.images.decode import decode, frame_numbers
from dicomnb.images.display import display, is_inverse, modality, rescale_of, voi_table, window_of
from dicomnb.images.functional import functional
from dicomnb.images.headers import number, numbers, text
from dicomnb.images.pixels import PixelFormat
from dicomnb.images.states import turns, with_state
from dicomnb.images.windows import choose, window
from dicomnb.plots.drawing import OPPOSITE
from dicomnb.volumes.slices import units_of
from dicomnb.volumes.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Callable

    from dicomnb.images.windows import Window

    Array = np.ndarray[Any, Any]
    Asked = str | tuple[Any, ...] | None

__all__ = ["Letters", "Pictures", "in_words", "pictures_of", "window_for"]

#: The patient's sides at top, right, bottom and left; ``""`` where they are not known.
Letters = tuple[str, str, str, str]
_UNKNOWN: Letters = ("", "", "", "")
_JUDGED = 9  # slices


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
        shown: how one is shown, in words, its window as a rule; given an index.
        window: that one is shown with, or None: colour, or a look-up table; given an index.
        aspect: height of a pixel over its width.
        spacing: mm between rows and between columns, or None.
        letters: the sides of one; given an index.
        units: of the values.
        inverse: low values are bright.
        note: what to say beside a length: projections are measured at their detector.
        times: ms that each is shown for, where the images are a cine; else empty.
    """

    count: int
    first: int
    noun: str
    draw: Callable[[int], Array]
    values: Callable[[int], Array]
    title: str = ""
    shown: Callable[[int], str] = lambda _: ""
    window: Callable[[int], Window | None] = lambda _: None
    aspect: float = 1.0
    spacing: tuple[float, float] | None = None
    letters: Callable[[int], Letters] = lambda _: _UNKNOWN
    units: str = ""
    inverse: bool = False
    note: str = ""
    times: tuple[float, ...] = ()

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


def window_for(volume: Volume, asked: Asked) -> Window:
    """The window of a volume: of one that is fetched lazily, by a few of its slices.

    They are only fetched for a window that is chosen by the values.
    """
    array: Any = volume.array
    if not isinstance(array, np.ndarray):
        by_values = asked is None and not volume.windows
        if by_values or (isinstance(asked, str) and asked.strip().lower() in ("auto", "full")):
            places = np.unique(np.linspace(0, len(array) - 1, _JUDGED).round().astype(int))
            array = np.stack([np.asarray(array[int(place)]) for place in places])
        else:
            array = np.empty(0)
    return choose(array, asked, named=volume.windows, modality=volume.modality)


def in_words(units: str) -> str:
    """Units as one writes them: those of PET are defined terms (PS3.3 C.8.9.1.1.3)."""
    return {"BQML": "Bq/ml", "GML": "g/ml", "CNTS": "counts", "PROPCNTS": "counts"}.get(
        units, units
    )


def pictures_of(
    what: Any,
    *,
    window: Asked = None,
    alike: bool = False,
    overlays: bool = False,
    state: Dataset | None = None,
) -> Pictures:
    """Tell what was given, and how to draw it.

    Args:
        what: a `Volume`, a data set with pixels, an array, or a Pillow image.
        window: see `dicomnb.images.display.voi`.
        alike: all frames of a data set with the window of the middle one, so that they can be
            compared; a volume has one window in any case.
        overlays: of a data set: with its overlay planes; see `dicomnb.images.display.display`.
        state: of a data set: a presentation state that shows it otherwise.

    Raises:
        TypeError: it is none of these, or an array of another shape; or overlays or a state
            for what is no data set.
        ValueError: there is no such window.
    """
    if isinstance(what, Dataset):
        return _of_dataset(what, window, alike=alike, overlays=overlays, state=state)
    if overlays or state is not None:
        raise TypeError(
            f"overlays= and state= are for a data set, not for a {type(what).__name__}: "
            "archive.dataset(instance) gives one."
        )
    if isinstance(what, Volume):
        return _of_volume(what, window)
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
        shown=lambda _: str(chosen),
        window=lambda _: chosen,
    )


def _of_volume(volume: Volume, window: Asked) -> Pictures:
    """The slices of a volume, all with one window."""
    if volume.array.ndim != 3:
        raise TypeError(
            f"This volume has {len(volume.array)} stacks of slices: choose one, with volume.at(0)."
        )
    chosen = window_for(volume, window)
    inverse = volume.photometric == "MONOCHROME1"

    def draw(place: int) -> Array:
        grey = _grey(volume.array[place], chosen)
        return 255 - grey if inverse else grey

    spacing = volume.spacing[1:] if volume.spacing else volume.pixel_spacing
    to, units = volume.orientation, in_words(volume.units)
    letters = _around(to[2], to[1]) if to else _UNKNOWN
    return Pictures(
        count=len(volume),
        first=0,
        noun="slice",
        draw=draw,
        values=volume.array.__getitem__,
        title=" · ".join(part for part in (volume.modality, volume.title) if part),
        shown=lambda _: f"{chosen} {units}".rstrip(),
        window=lambda _: chosen,
        aspect=spacing[0] / spacing[1] if spacing else 1.0,
        spacing=(spacing[0], spacing[1]) if spacing else None,
        letters=lambda _: letters,
        units=units,
        inverse=inverse,
    )


def _of_dataset(
    dataset: Dataset, window: Asked, *, alike: bool, overlays: bool, state: Dataset | None
) -> Pictures:
    """The frames of a data set, each decoded when it is asked for."""
    whole = dataset if state is None else with_state(dataset, state, frame=None)
    pixels = PixelFormat.of(dataset)
    is_grey = pixels.samples == 1 and pixels.photometric != "PALETTE COLOR"

    def shown_as(place: int) -> Dataset:
        return dataset if state is None else with_state(dataset, state, frame=place + 1)

    @lru_cache(maxsize=1)  # the picture and its label need the same frame
    def stored(place: int) -> Array:
        frame: Array = decode(dataset, place + 1)[0]
        return frame

    def values(place: int) -> Array:
        if not is_grey:
            return stored(place)
        return modality(stored(place), shown_as(place), frame=place + 1)

    units = in_words(units_of(whole, rescale_of(whole)))
    is_coloured = has_supplemental_palette(dataset)
    by_table = voi_table(whole, window=window) is not None
    if alike and is_grey and not by_table:
        middle = pixels.frames // 2
        window = window_of(values(middle), shown_as(middle), window=window, frame=middle + 1)

    def draw(place: int) -> Array:
        return display(
            dataset, stored(place), frame=place + 1, window=window, overlays=overlays, state=state
        )

    def window_at(place: int) -> Window | None:
        if by_table or not is_grey or is_coloured:
            return None
        return window_of(values(place), shown_as(place), window=window, frame=place + 1)

    def shown(place: int) -> str:
        chosen = window_at(place)
        if chosen is None:
            return "" if not is_grey else "VOI LUT" if by_table else "supplemental palette"
        return f"{chosen} {units}".rstrip()

    parts = (text(dataset, "Modality"), text(dataset, "SeriesDescription"))
    spacing, aspect, note = _spacing(dataset)
    quarters, flipped = (0, False) if state is None else turns(state)
    if quarters % 2:
        spacing, aspect = spacing and spacing[::-1], 1 / aspect
    return Pictures(
        count=pixels.frames,
        first=1,
        noun="frame",
        draw=draw,
        values=values,
        title=" · ".join(part for part in parts if part),
        shown=shown,
        window=window_at,
        aspect=aspect,
        spacing=spacing,
        letters=lambda place: _turned(_letters(dataset, place + 1), quarters, flipped=flipped),
        units=units,
        inverse=is_inverse(whole),
        note=note,
        times=frame_times(dataset, pixels.frames),
    )


def frame_times(dataset: Dataset, frames: int) -> tuple[float, ...]:
    """Ms that each frame is shown for, as the cine module tells (PS3.3 C.7.6.5); else none.

    FrameTime or FrameTimeVector, whichever FrameIncrementPointer names, else a rate.
    """
    if frames < 2:
        return ()
    vector = numbers(dataset, "FrameTimeVector", frames)
    if vector and min(vector[1:]) > 0:  # each is the time since the frame before
        return (*vector[1:], vector[-1])
    time = number(dataset, "FrameTime")
    if time and time > 0:
        return (time,) * frames
    for keyword in ("RecommendedDisplayFrameRate", "CineRate"):
        rate = number(dataset, keyword)
        if rate and rate > 0:
            return (1000 / rate,) * frames
    return ()


def _grey(values: Array, chosen: Window) -> Array:
    return window(values, chosen.center, chosen.width, function=chosen.function)


def _spacing(dataset: Dataset) -> tuple[tuple[float, float] | None, float, str]:
    """Mm between rows and columns or None, the height of a pixel over its width, and a note."""
    measures = functional(dataset, "PixelMeasuresSequence", frame=1)
    for item, keyword, note in (
        (measures, "PixelSpacing", ""),
        (dataset, "PixelSpacing", ""),
        (dataset, "ImagerPixelSpacing", "at the detector"),
        (dataset, "NominalScannedPixelSpacing", "of the scan"),
    ):
        pair = numbers(item, keyword, 2) if item is not None else None
        if pair and min(pair) > 0:
            return (pair[0], pair[1]), pair[0] / pair[1], note
    ratio = numbers(dataset, "PixelAspectRatio", 2)
    return None, ratio[0] / ratio[1] if ratio and min(ratio) > 0 else 1.0, ""


def _letters(dataset: Dataset, frame: int) -> Letters:
    """The sides of a frame, from its orientation or from what somebody wrote down."""
    plane = functional(dataset, "PlaneOrientationSequence", frame=frame)
    found = numbers(dataset if plane is None else plane, "ImageOrientationPatient", 6)
    if found is None:
        right, _, bottom = text(dataset, "PatientOrientation").partition("\\")
        return _around(right[:1], bottom[:1])
    letters = []
    for direction in (found[:3], found[3:]):
        axis = int(np.abs(direction).argmax())
        letters.append(("LR", "PA", "SI")[axis][int(direction[axis] < 0)])
    return _around(*letters)


def _turned(letters: Letters, quarters: int, *, flipped: bool) -> Letters:
    """The sides after quarter turns clockwise, and a flip left to right."""
    top, right, bottom, left = (letters[(place - quarters) % 4] for place in range(4))
    return (top, left, bottom, right) if flipped else (top, right, bottom, left)


def _around(right: str, bottom: str) -> Letters:
    """All four sides, given where columns and rows go to."""
    return (bottom.translate(OPPOSITE), right, bottom, right.translate(OPPOSITE))
