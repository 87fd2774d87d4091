"""What a viewer shows: frames that can be read one by one, and the facts about them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.dataset import Dataset

from dicomnb.images.decode import decode
from dicomnb.images.display import display, is_inverse, modality, rescale_of, window_of
from dicomnb.images.functional import functional
from dicomnb.images.headers import numbers, text
from dicomnb.images.pixels import PixelFormat
from dicomnb.images.windows import PRESETS, Window, choose, percentiles, windows_of
from dicomnb.volumes.slices import units_of
from dicomnb.volumes.volume import Volume
from dicomnb.widgets.placing import affine_of, common_spacing, views_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["OF_THE_IMAGE", "Shown", "shown_of"]

Array = np.ndarray[Any, Any]
OF_THE_IMAGE = "Of the image"
"""The group of the windows that a file brings along."""
_WHOLE_BYTE = Window(127.5, 255.0, "full", "LINEAR_EXACT")
_SENT = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64")
"""Types that a browser has as well."""
_WORKERS = 8
"""Frames that are fetched or decoded side by side; a connection may allow fewer."""


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
        windows: offered by name, in groups: the file's own first.
        affine: (slice, row, column, 1) → LPS mm, or None.
        affines: instead, of frames that have each a place of its own: one a frame, time after
            time, (0, row, column, 1) → LPS mm, or None where it has none; empty otherwise.
        spacing: mm between rows and between columns, or None.
        units: of the values.
        title: shown over the picture; may name a patient, so it is sent, never kept.
        notes: what is to be known of the frames, such as a volume's report.
        inverted: whether low values are bright (MONOCHROME1).
        times: what each time is called, or nothing.
        frame_rate: frames a second that a cine is meant for, or None.
        is_in_memory: whether reading is free.
        workers: how many frames are best read side by side.
        what: the `Volume`, data set or array itself.
    """

    shape: tuple[int, int, int, int]
    read: Callable[[int, int], Array]
    dtype: np.dtype[Any]
    samples: int = 1
    window: Window = _WHOLE_BYTE
    windows: Mapping[str, tuple[Window, ...]] = field(default_factory=dict)
    affine: Array | None = None
    affines: tuple[Array | None, ...] = ()
    spacing: tuple[float, float] | None = None
    units: str = ""
    title: str = ""
    notes: tuple[str, ...] = ()
    inverted: bool = False
    times: tuple[str, ...] = ()
    frame_rate: float | None = None
    is_in_memory: bool = False
    workers: int = 1
    what: Any = None

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
        return replace(_of_volume(what, window), what=what)
    if isinstance(what, Dataset):
        return replace(_of_dataset(what, window), what=what)
    if isinstance(what, np.ndarray):
        return replace(_of_array(what, window), what=what)
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
        times=_times(volume),
        is_in_memory=is_in_memory,
        workers=1 if is_in_memory else _WORKERS,
    )


def _times(volume: Volume) -> tuple[str, ...]:
    """What each stack is called: ``EchoTime 4.6 ms``."""
    if volume.axis is None:
        return ()
    axis = volume.axis
    return tuple(f"{axis.keyword} {value:g} {axis.units}".rstrip() for value in axis.values)


def _of_dataset(dataset: Dataset, window: Any) -> Shown:
    """The frames of a data set, each decoded when it is asked for."""
    pixels = PixelFormat.of(dataset)
    is_grey = pixels.samples == 1 and pixels.photometric != "PALETTE COLOR"
    views, header, fault = views_of(dataset, pixels.frames)

    def read(_: int, slice: int) -> Array:
        stored = decode(dataset, slice + 1)[0]
        if is_grey:
            return modality(stored, header, frame=slice + 1)
        return display(header, stored, frame=slice + 1)

    number = pixels.frames // 2 + 1
    middle = read(0, number - 1)
    affines = tuple(affine_of(view) for view in views)
    parts = (text(header, "Modality"), text(header, "SeriesDescription"))
    shown = Shown(
        shape=(1, pixels.frames, pixels.rows, pixels.columns),
        read=read,
        dtype=_sent_as(middle.dtype),
        samples=1 if is_grey else 3,
        spacing=common_spacing(views),
        title=" · ".join(part for part in parts if part),
        notes=(fault,) if fault else (),
        frame_rate=_frame_rate(header),
        affine=affines[0] if pixels.frames == 1 else None,
        affines=affines if pixels.frames > 1 and any(one is not None for one in affines) else (),
        workers=_WORKERS if pixels.frames > 1 else 1,
    )
    if not is_grey:
        return shown
    has_own = "PerFrameFunctionalGroupsSequence" in header
    item = functional(header, "FrameVOILUTSequence", frame=number)
    return replace(
        shown,
        # Frames with rescales of their own may each need another type.
        dtype=np.result_type(shown.dtype, np.float32) if has_own else shown.dtype,
        window=window_of(middle, header, window=window, frame=number),
        windows=_named(windows_of(item or header), middle, text(header, "Modality")),
        units=units_of(views[number - 1], rescale_of(header, frame=number)),
        inverted=is_inverse(header),
    )


def _named(own: tuple[Window, ...], sample: Array, kind: str) -> dict[str, tuple[Window, ...]]:
    """The windows on offer: the file's own, presets for CT, and those of the values."""
    named = tuple(
        one if one.explanation else one._replace(explanation=f"window {number}")
        for number, one in enumerate(own, 1)
    )
    return {
        OF_THE_IMAGE: named,
        "Usual for CT": tuple(PRESETS.values()) if kind == "CT" else (),
        "Of its values": (percentiles(sample), percentiles(sample, 0, 100, name="full")),
    }


def _frame_rate(dataset: Dataset) -> float | None:
    """Frames a second (PS3.3 C.7.6.5), or None where the file does not say."""
    for keyword in ("RecommendedDisplayFrameRate", "CineRate"):
        rate = numbers(dataset, keyword, 1)
        if rate and rate[0] > 0:
            return rate[0]
    milliseconds = numbers(dataset, "FrameTime", 1)
    return 1000 / milliseconds[0] if milliseconds and milliseconds[0] > 0 else None
