"""Masks, label maps and doses over the picture, as indices into a palette."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.errors import GeometryError
from dicomnb.volumes.volume import Volume

if TYPE_CHECKING:
    from dicomnb.widgets.showing import Shown

__all__ = ["Overlay", "overlays_of"]

Array = np.ndarray[Any, Any]
# Okabe and Ito's colours: told apart also by who does not see red and green apart.
_COLOURS = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (213, 94, 0),
    (204, 121, 167),
    (0, 114, 178),
)
_MOST_LABELS = 255
_FAINT = 0.05
"""The share of the greatest value up to which a dose is not shown."""


@dataclass(frozen=True)
class Overlay:
    """One overlay on the grid of what is shown.

    Attributes:
        name: what it is called.
        indices: (times, slices, rows, columns) of uint8; 0 shows nothing.
        colours: 0xAABBGGRR of each index.
    """

    name: str
    indices: Array
    colours: tuple[int, ...]

    def frame(self, time: int, slice: int) -> Array:
        """The indices of one frame; one time serves for all."""
        return np.ascontiguousarray(self.indices[time if len(self.indices) > 1 else 0, slice])


def overlays_of(what: Any, shown: Shown) -> list[Overlay]:
    """The overlays that were given.

    Args:
        what: None, a mask (bool), labels (whole numbers, 0 is nothing), a dose or other
            quantity (floats), each an array or a `Volume` on the grid that is shown; or a
            mapping of names to these.

    Raises:
        ValueError: another shape than what is shown, more than 255 labels, or negative ones.
        GeometryError: a volume that lies elsewhere in the patient.
    """
    if what is None:
        return []
    named = dict(what) if isinstance(what, Mapping) else {getattr(what, "title", ""): what}
    return [_overlay(name, one, shown, first) for first, (name, one) in enumerate(named.items())]


def _overlay(name: str, what: Any, shown: Shown, first: int) -> Overlay:
    if isinstance(what, Volume):
        _check_place(name, what, shown)
    array = np.asarray(what)
    while array.ndim < 4:
        array = array[np.newaxis]
    times, *grid = shown.shape
    if list(array.shape[1:]) != grid or len(array) not in (1, times):
        raise ValueError(
            f"The overlay {name!r} has shape {np.shape(what)}, which is not that of the image, "
            f"{tuple(grid)}. Resample it onto the image's grid first."
        )
    if array.dtype.kind == "f":
        return _quantity(name, array)
    return _labels(name, array, first)


def _check_place(name: str, what: Volume, shown: Shown) -> None:
    if what.affine is None or shown.affine is None:
        return
    if not np.allclose(what.affine, shown.affine, atol=1e-2):
        raise GeometryError(
            f"The overlay {name!r} lies on another grid than the image. Resample it onto the "
            "image's grid first."
        )


def _labels(name: str, array: Array, first: int) -> Overlay:
    if array.dtype != bool and (array.min() < 0 or array.max() > _MOST_LABELS):
        raise ValueError(
            f"The overlay {name!r} has values {array.min()} … {array.max()}: labels are whole "
            f"numbers from 0 to {_MOST_LABELS}."
        )
    indices = array.view(np.uint8) if array.dtype == bool else array.astype(np.uint8)
    colours = [_COLOURS[(first + label) % len(_COLOURS)] for label in range(_MOST_LABELS)]
    return Overlay(name, indices, (0, *(_packed(*colour) for colour in colours)))


def _quantity(name: str, array: Array) -> Overlay:
    """Floats as 255 steps of a colour map, from faint to the greatest."""
    import matplotlib as mpl

    greatest = float(np.nanmax(array)) if np.isfinite(array).any() else 0.0
    share = np.nan_to_num(array / greatest if greatest > 0 else np.zeros_like(array))
    indices = np.where(share <= _FAINT, 0, np.clip(np.round(share * _MOST_LABELS), 1, None))
    map_ = mpl.colormaps["inferno"](np.linspace(0.15, 1, _MOST_LABELS), bytes=True)
    colours = tuple(_packed(int(red), int(green), int(blue)) for red, green, blue, _ in map_)
    return Overlay(name, indices.astype(np.uint8), (0, *colours))


def _packed(red: int, green: int, blue: int) -> int:
    return 0xFF000000 | blue << 16 | green << 8 | red
