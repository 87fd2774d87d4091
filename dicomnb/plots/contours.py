"""Contours, as RT structure sets hold them, as lines over a slice (PS3.3 C.8.8.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.volumes.volume import Volume

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

__all__ = ["is_contours", "rings_on"]


def is_contours(layer: Any) -> bool:
    """Whether a layer is a list of rings, each of (points, 2) or (points, 3)."""
    return (
        isinstance(layer, list | tuple)
        and len(layer) > 0
        and all(np.ndim(ring) == 2 and np.shape(ring)[1] in (2, 3) for ring in layer)
    )


def rings_on(rings: Any, what: Any, place: int) -> list[Array]:
    """Those rings that lie on one picture, in its pixels.

    Args:
        rings: each (points, 3), LPS mm, of a volume: taken where the ring's plane is nearest
            to the slice; or (points, 2), rows and columns: taken on every picture.
        what: the image.
        place: its slice.

    Returns:
        (points, 2) each: x and y in pixels.

    Raises:
        TypeError: points in mm over something that is no volume.
    """
    found = []
    for ring in rings:
        points = np.asarray(ring, np.float64)
        if points.shape[1] == 2:
            found.append(points[:, ::-1])
            continue
        if not isinstance(what, Volume):
            raise TypeError(
                "Contours in mm can only be laid over a Volume; over other images they are rows "
                "and columns."
            )
        index = what.index(*points.T)
        if abs(float(index[:, 0].mean()) - place) <= 0.5:
            found.append(index[:, [2, 1]])
    return found
