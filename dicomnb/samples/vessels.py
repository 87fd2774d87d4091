"""The trees of vessels within the lungs, grown to reach every part of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dicomnb.samples.grids import AxialGrid
    from dicomnb.samples.thorax import Chest

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]

__all__ = ["grow", "paint_vessels"]

_ROOTS = {-1: (-44.0, 14.0, -24.0), 1: (48.0, 18.0, -22.0)}
_TIPS = 460  # a lung


def paint_vessels(
    value: Floats, lung: NDArray[np.uint8], chest: Chest, grid: AxialGrid, blood: float
) -> None:
    """Paint the vessels of both lungs into a stack, in place.

    Args:
        value: the stack, (slices, rows, columns).
        lung: how much of each voxel is lung, 0 to 255.
        chest: whose.
        grid: where the stack lies.
        blood: what a vessel is painted with.
    """
    size = np.array(chest.body.size)
    axes = [axis.astype(np.float32) for axis in (grid.z, grid.y, grid.x)]
    for side in (-1, 1):
        points, parents, radii = grow(chest, side)
        points = points * size
        thick = radii > 1.25
        thick[0] = False
        for child in np.flatnonzero(thick):
            parent = parents[child]
            _paint_piece(value, lung, axes, (points[parent], points[child], radii[child], blood))
        thin = np.flatnonzero(~thick)[1:]
        ends = (points[parents[thin]], points[thin])
        _paint_thin(value, lung, axes, (*ends, radii[thin], blood))


def grow(chest: Chest, side: int) -> tuple[Doubles, NDArray[np.intp], Doubles]:
    """Grow a tree from the root of a lung: each tip joins the nearest branch nearer the root.

    Args:
        chest: whose lung.
        side: −1 for the right lung, 1 for the left.

    Returns:
        The points (n, 3) in body mm, the index of each one's parent, and its radius in mm,
        thicker the more tips it feeds (Murray's law).
    """
    random = np.random.default_rng(chest.body.seed * 2 + (side > 0) + 77)
    tips = random.uniform((4, -92, -150), (128, 92, 104), size=(10 * _TIPS, 3))
    tips[:, 0] *= side
    tips = tips[chest.lung_depth(tips) > 4][:_TIPS]
    root = np.array(_ROOTS[side])
    reach = np.linalg.norm(tips - root, axis=1)
    tips = tips[np.argsort(reach)]
    points = np.empty((len(tips) * 2 + 1, 3))
    parents = np.zeros(len(points), dtype=np.intp)
    far = np.zeros(len(points))
    shake = random.normal(0, 1.2, (len(points), 3))
    points[0], count = root, 1
    for tip in tips:
        gap = points[:count] - tip
        near = int(np.argmin(np.sqrt(np.einsum("ij,ij->i", gap, gap)) + far[:count]))
        # a bend on the way, towards where the branch came from
        along = points[near] - points[parents[near]]
        bend = 0.5 * (points[near] + tip) + 0.18 * along + shake[count]
        for point, parent in ((bend, near), (tip, count)):
            points[count], parents[count] = point, parent
            far[count] = far[parent] + 0.35 * math.dist(point, points[parent])
            count += 1
    fed = np.zeros(count)
    fed[2::2] = 1
    for child in range(count - 1, 0, -1):
        fed[parents[child]] += fed[child]
    return points[:count], parents[:count], np.minimum(0.74 * fed**0.37, 5.5)


def _paint_thin(
    value: Floats,
    lung: NDArray[np.uint8],
    axes: list[Floats],
    pieces: tuple[Doubles, Doubles, Doubles, float],
) -> None:
    """Paint all the pieces that are thinner than a voxel at once, point by point.

    Each point gives its share of blood to the eight voxels around it.
    """
    starts, ends, radii, blood = pieces
    step = float(abs(axes[2][1] - axes[2][0]))
    length = np.linalg.norm(ends - starts, axis=1)
    count = np.maximum(np.ceil(2 * length / step).astype(int), 1)
    which = np.repeat(np.arange(len(count)), count)
    first = np.repeat(np.cumsum(count) - count, count)
    share = ((np.arange(len(which)) - first + 0.5) / count[which])[:, None]
    points = (starts[which] * (1 - share) + ends[which] * share)[:, ::-1]
    place = np.stack(
        [(points[:, i] - axis[0]) / (axis[1] - axis[0]) for i, axis in enumerate(axes)], axis=1
    )
    inside = np.all((place >= 0) & (place < np.array(value.shape) - 1), axis=1)
    place, which = place[inside], which[inside]
    amount = np.minimum(3.6 * (radii[which] / step) ** 2, 1.0)
    lower = place.astype(int)
    upper_share = place - lower
    cover = np.zeros(value.size, dtype=np.float32)
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(corner, upper_share, 1 - upper_share), axis=1) * amount
        at = np.ravel_multi_index(tuple((lower + corner).T), value.shape)
        np.add.at(cover, at, weight.astype(np.float32))
    touched = np.flatnonzero(cover)
    weight = np.minimum(cover[touched], 1) * lung.reshape(-1)[touched] * np.float32(1 / 255)
    flat = value.reshape(-1)
    flat[touched] += weight * (np.float32(blood) - flat[touched])


def _paint_piece(
    value: Floats,
    lung: NDArray[np.uint8],
    axes: list[Floats],
    piece: tuple[Doubles, Doubles, float, float],
) -> None:
    """Paint one straight piece, as thin as it is: less than a voxel is a part of a voxel."""
    start, end, radius, blood = piece
    step = abs(axes[2][1] - axes[2][0])
    reach = radius + step
    low, high = np.minimum(start, end) - reach, np.maximum(start, end) + reach
    spans = []
    for axis, bottom, top in zip(axes, low[::-1], high[::-1], strict=True):
        first, gap = axis[0], axis[1] - axis[0]
        ends = sorted(((bottom - first) / gap, (top - first) / gap))
        spans.append(slice(max(int(np.ceil(ends[0])), 0), max(int(ends[1]) + 1, 0)))
    box = tuple(spans)
    part = value[box]
    if part.size == 0:
        return
    z, y, x = (
        (axis[span] - np.float32(origin))
        for axis, span, origin in zip(axes, spans, start[::-1], strict=True)
    )
    z, y, x = z[:, None, None], y[None, :, None], x[None, None, :]
    along = (end - start).astype(np.float32)
    square = np.float32(max(float(along @ along), 1e-6))
    share = np.clip((x * along[0] + y * along[1] + z * along[2]) / square, 0, 1)
    away = (x - share * along[0]) ** 2 + (y - share * along[1]) ** 2 + (z - share * along[2]) ** 2
    weight = np.clip((np.float32(radius) - np.sqrt(away)) / step + np.float32(0.5), 0, 1)
    weight *= lung[box] * np.float32(min(1.0, 1.6 * radius / step) / 255)
    part += weight * (np.float32(blood) - part)
