"""What a viewer shows: frames that can be read one by one, and the facts about them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.dataset import Dataset

from dicomnb.images.decode import decode
from dicomnb.images.display import display, modality, window_of
from dicomnb.images.headers import numbers, text
from dicomnb.images.pixels import PixelFormat
from dicomnb.images.rescale import Rescale
from dicomnb.images.windows import PRESETS, Window, choose, percentiles, windows_of
from dicomnb.volumes.slices import units_of
from dicomnb.volumes.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Shown", "shown_of"]

Array = np.ndarray[Any, Any]
_WHOLE_BYTE = Window(127.5, 255.0, "full", "LINEAR_EXACT")
_SENT = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64")
"""Types that a browser has as well."""


@dataclass(frozen=True)
class Shown:
    """Frames on a common grid of pixels.

    Attributes:
        shape: (times, slices, rows, columns).
        read: the values of a frame by time and slice, both from 0: (rows, columns), or
            (rows, columns, 3) of uint8.
        dtype: of the values, one that a browser has.
        samples: 1, or 3 for colour.
        window: shown at first.
        windows: offered by name.
        affine: (slice, row, column, 1) → LPS mm, or None.
        spacing: mm between rows and between columns, or None.
        units: of the values.
        title: shown over the picture; may name a patient, so it is sent, never kept.
        notes: what is to be known of the frames, such as a volume's report.
        inverted: whether low values are bright (MONOCHROME1).
        times: what each time is called.
        frame_rate: frames a second that a cine is meant for, or None.
        is_in_memory: whether reading is free.
    """

    shape: tuple[int, int, int, int]
    read: Callable[[int, int], Array]
    dtype: np.dtype[Any]
    samples: int = 1
    window: Window = _WHOLE_BYTE
    windows: tuple[Window, ...] = ()
    affine: Array | None = None
    spacing: tuple[float, float] | None = None
    units: str = ""
    title: str = ""
    notes: tuple[str, ...] = ()
    inverted: bool = False
    times: tuple[str, ...] = ()
    frame_rate: float | None = None
    is_in_memory: bool = False

    def frame(self, time: int, slice: int) -> Array:
        """The values of one frame as they are sent: contiguous and little endian."""
        values = np.asarray(self.read(time, slice))
        return np.ascontiguousarray(values, dtype=self.dtype.newbyteorder("<"))


def shown_of(what: Any, *, window: Any = None) -> Shown:
    """Tell what was given, and how to show it.

    Args:
        what: a `Volume` of three or four axes, a data set with pixels, or an array: (rows,
            columns), (slices, rows, columns), (times, slices, rows, columns), and each of them
            with a last axis of 3 for colour, in uint8.
        window: see `dicomnb.images.windows.choose`.

    Raises:
        TypeError: it is none of these.
        ValueError: there is no such window.
    """
    if isinstance(what, Volume):
        return _of_volume(what, window)
    if isinstance(what, Dataset):
        return _of_dataset(what, window)
    if isinstance(what, np.ndarray):
        return _of_array(what, window)
    raise TypeError(
        f"A {type(what).__name__} cannot be viewed: give a Volume, a pydicom data set with "
        "pixels, an array, or a row of a search with archive=."
    )


def _sent_as(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type that holds all values of another and that a browser has."""
    if dtype.kind == "b":
        return np.dtype("uint8")
    if dtype.name in _SENT:
        return dtype
    return np.dtype("float32" if dtype == np.float16 else "float64")


def _of_array(array: Array, window: Any) -> Shown:
    """An array without any facts about it."""
    is_colour = array.ndim >= 3 and array.shape[-1] == 3 and array.dtype == np.uint8
    grid = array.shape[:-1] if is_colour else array.shape
    if not 2 <= len(grid) <= 4 or array.dtype.kind not in "biuf" or 0 in array.shape:
        raise TypeError(
            f"An array of shape {array.shape} and {array.dtype} cannot be viewed: give (rows, "
            "columns), (slices, rows, columns) or (times, slices, rows, columns) of numbers, or "
            "these with a last axis of 3 in uint8."
        )
    whole = array.reshape(*(1,) * (4 - len(grid)), *array.shape)
    shown = Shown(
        shape=(whole.shape[0], whole.shape[1], whole.shape[2], whole.shape[3]),
        read=lambda time, slice: whole[time, slice],
        dtype=_sent_as(array.dtype),
        samples=3 if is_colour else 1,
        is_in_memory=True,
    )
    if is_colour:
        return shown
    values = whole.view(np.uint8) if whole.dtype == bool else whole
    return replace(shown, window=choose(values, window), windows=_named((), values, ""))


def _of_volume(volume: Volume, window: Any) -> Shown:
    """The slices of a volume, in memory or read as they are asked for."""
    shape = (1,) * (4 - len(volume.shape)) + volume.shape
    has_times = len(volume.shape) == 4

    def read(time: int, slice: int) -> Array:
        values: Array = volume[time, slice] if has_times else volume[slice]
        return values

    is_in_memory = isinstance(volume.array, np.ndarray)
    # Of a lazy volume the middle stands for the whole.
    sample = volume.array if is_in_memory else read(0, shape[1] // 2)
    affine = volume.affine
    return Shown(
        shape=(shape[0], shape[1], shape[2], shape[3]),
        read=read,
        dtype=_sent_as(volume.dtype),
        window=choose(sample, window, named=volume.windows, modality=volume.modality),
        windows=_named(volume.windows, sample, volume.modality),
        affine=affine,
        spacing=volume.spacing[-2:] if volume.spacing else volume.pixel_spacing,
        units=volume.units,
        title=" · ".join(part for part in (volume.modality, volume.title) if part),
        notes=volume.report,
        inverted=volume.photometric == "MONOCHROME1",
        is_in_memory=is_in_memory,
    )


def _of_dataset(dataset: Dataset, window: Any) -> Shown:
    """The frames of a data set, each decoded when it is asked for."""
    pixels = PixelFormat.of(dataset)
    is_grey = pixels.samples == 1 and pixels.photometric != "PALETTE COLOR"

    def read(_: int, slice: int) -> Array:
        stored = decode(dataset, slice + 1)[0]
        if is_grey:
            return modality(stored, dataset, frame=slice + 1)
        return display(dataset, stored, frame=slice + 1)

    middle = read(0, pixels.frames // 2)
    parts = (text(dataset, "Modality"), text(dataset, "SeriesDescription"))
    shown = Shown(
        shape=(1, pixels.frames, pixels.rows, pixels.columns),
        read=read,
        dtype=_sent_as(middle.dtype),
        samples=1 if is_grey else 3,
        spacing=_spacing(dataset),
        title=" · ".join(part for part in parts if part),
        frame_rate=_frame_rate(dataset),
        affine=_affine(dataset) if pixels.frames == 1 else None,
    )
    if not is_grey:
        return shown
    number = pixels.frames // 2 + 1
    has_own = "PerFrameFunctionalGroupsSequence" in dataset
    return replace(
        shown,
        # Frames with rescales of their own may each need another type.
        dtype=np.result_type(shown.dtype, np.float32) if has_own else shown.dtype,
        window=window_of(middle, dataset, window=window, frame=number),
        windows=_named(windows_of(dataset), middle, text(dataset, "Modality")),
        units=units_of(dataset, Rescale.of(dataset)),
        inverted=pixels.photometric == "MONOCHROME1",
    )


def _named(own: tuple[Window, ...], sample: Array, kind: str) -> tuple[Window, ...]:
    """The windows on offer: the file's own, presets for CT, and those of the values."""
    named = tuple(
        one if one.explanation else one._replace(explanation=f"window {number}")
        for number, one in enumerate(own, 1)
    )
    presets = tuple(PRESETS.values()) if kind == "CT" else ()
    by_values = (percentiles(sample), percentiles(sample, 0, 100, name="full"))
    return (*named, *presets, *by_values)


def _spacing(dataset: Dataset) -> tuple[float, float] | None:
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        pair = numbers(dataset, keyword, 2)
        if pair and min(pair) > 0:
            return (pair[0], pair[1])
    return None


def _affine(dataset: Dataset) -> Array | None:
    """(0, row, column, 1) → LPS mm of a single image (PS3.3 C.7.6.2.1.1), or None."""
    place = numbers(dataset, "ImagePositionPatient", 3)
    directions = numbers(dataset, "ImageOrientationPatient", 6)
    spacing = _spacing(dataset)
    if place is None or directions is None or spacing is None:
        return None
    along_row, along_column = np.array(directions[:3]), np.array(directions[3:])
    affine = np.eye(4)
    affine[:3, 0] = np.cross(along_row, along_column)
    affine[:3, 1] = along_column * spacing[0]
    affine[:3, 2] = along_row * spacing[1]
    affine[:3, 3] = place
    return affine


def _frame_rate(dataset: Dataset) -> float | None:
    """Frames a second (PS3.3 C.7.6.5), or None where the file does not say."""
    for keyword in ("RecommendedDisplayFrameRate", "CineRate"):
        rate = numbers(dataset, keyword, 1)
        if rate and rate[0] > 0:
            return rate[0]
    milliseconds = numbers(dataset, "FrameTime", 1)
    return 1000 / milliseconds[0] if milliseconds and milliseconds[0] > 0 else None
