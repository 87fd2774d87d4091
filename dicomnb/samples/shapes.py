"""Soft-edged shapes, textures and small image operations: the brush of the phantoms.

Distances are in mm. A shape's edge is one pixel wide, so that its border has the partial
volume of a real scanner instead of stairs. Arrays of one slice are (rows, columns), of a
volume (slices, rows, columns).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float32]

__all__ = ["Canvas", "Waves", "blur", "grain", "resize", "soft"]


def soft(distance: Floats, width: float) -> Floats:
    """Give how much of each pixel is inside, from the signed distance to the edge.

    Args:
        distance: mm to the edge, negative inside.
        width: mm over which the edge runs from 1 to 0, as a rule a pixel.

    Returns:
        Values from 0 (outside) to 1 (inside), in the shape of ``distance``.
    """
    weight = distance * np.float32(-1 / width)
    weight += np.float32(0.5)
    np.maximum(weight, 0, out=weight)
    np.minimum(weight, 1, out=weight)
    return weight


@dataclass(eq=False)
class Canvas:
    """One axial slice that shapes are painted on.

    Attributes:
        x: mm of each column, shape (columns,), ascending.
        y: mm of each row, shape (rows,), ascending.
        z: mm of the slice.
        value: what has been painted, shape (rows, columns), float32.
    """

    x: Floats
    y: Floats
    z: float
    value: Floats
    pixel: float = field(init=False)

    def __post_init__(self) -> None:
        self.pixel = float(self.x[1] - self.x[0])

    def paint(self, weight: Floats, value: float | Floats) -> None:
        """Blend ``value`` over the whole slice."""
        self.value += weight * (value - self.value)

    def box(self, low: tuple[float, float], high: tuple[float, float]) -> tuple[slice, slice]:
        """Give the rows and columns between two (x, y) corners, a pixel more on each side."""
        left, right = (low[0] - self.x[0]) / self.pixel, (high[0] - self.x[0]) / self.pixel
        top, bottom = (low[1] - self.y[0]) / self.pixel, (high[1] - self.y[0]) / self.pixel
        return (
            slice(max(int(top) - 1, 0), max(int(bottom) + 3, 0)),
            slice(max(int(left) - 1, 0), max(int(right) + 3, 0)),
        )

    def paint_box(self, box: tuple[slice, slice], weight: Floats, value: float) -> None:
        """Blend ``value`` over a part of the slice."""
        part = self.value[box]
        part += weight * (value - part)

    def ellipsoid(
        self, centre: Sequence[float], radii: Sequence[float], value: float, *, turn: float = 0.0
    ) -> None:
        """Paint where this slice cuts an ellipsoid.

        Args:
            centre: (x, y, z) mm.
            radii: (x, y, z) mm.
            value: what to paint.
            turn: radians by which the x and y radii are turned, from x towards y.
        """
        height = (self.z - centre[2]) / radii[2]
        if abs(height) >= 1:
            return
        shrink = float(np.sqrt(1 - height * height))
        self.ellipse(centre[:2], (radii[0] * shrink, radii[1] * shrink), value, turn=turn)

    def ellipse(
        self, centre: Sequence[float], radii: Sequence[float], value: float, *, turn: float = 0.0
    ) -> None:
        """Paint an ellipse given its (x, y) centre and radii in mm."""
        reach = max(radii) if turn else 0.0
        wide, high = max(radii[0], reach), max(radii[1], reach)
        box = self.box((centre[0] - wide, centre[1] - high), (centre[0] + wide, centre[1] + high))
        x = (self.x[box[1]] - np.float32(centre[0]))[None, :]
        y = (self.y[box[0]] - np.float32(centre[1]))[:, None]
        if turn:
            cosine, sine = np.float32(np.cos(turn)), np.float32(np.sin(turn))
            x, y = x * cosine + y * sine, y * cosine - x * sine
        away = np.sqrt((x / np.float32(radii[0])) ** 2 + (y / np.float32(radii[1])) ** 2)
        self.paint_box(box, soft((away - 1) * np.float32(min(radii)), self.pixel), value)

    def tube(self, points: Sequence[Sequence[float]], radii: Sequence[float], value: float) -> None:
        """Paint where this slice cuts a tube of round ends along a line of points.

        Args:
            points: (x, y, z) mm of each.
            radii: mm at each of the points.
            value: what to paint.
        """
        for index in range(len(points) - 1):
            start, end = points[index], points[index + 1]
            widest = max(radii[index], radii[index + 1])
            if min(start[2], end[2]) - widest < self.z < max(start[2], end[2]) + widest:
                self._capsule(start, end, (radii[index], radii[index + 1]), value)

    def _capsule(
        self,
        start: Sequence[float],
        end: Sequence[float],
        radii: tuple[float, float],
        value: float,
    ) -> None:
        widest = max(radii)
        box = self.box(
            (min(start[0], end[0]) - widest, min(start[1], end[1]) - widest),
            (max(start[0], end[0]) + widest, max(start[1], end[1]) + widest),
        )
        a, b, c = (float(to - begin) for begin, to in zip(start, end, strict=True))
        square = a * a + b * b + c * c or 1.0
        x = (self.x[box[1]] - np.float32(start[0]))[None, :]
        y = (self.y[box[0]] - np.float32(start[1]))[:, None]
        z = self.z - float(start[2])
        share = x * np.float32(a / square) + (y * np.float32(b / square) + z * c / square)
        np.minimum(np.maximum(share, 0, out=share), 1, out=share)
        away = np.square(x - share * np.float32(a))
        away += np.square(y - share * np.float32(b))
        if c or z:
            away += np.square(np.float32(z) - share * np.float32(c))
        np.sqrt(away, out=away)
        away -= np.float32(radii[0])
        if radii[1] != radii[0]:
            away -= share * np.float32(radii[1] - radii[0])
        self.paint_box(box, soft(away, self.pixel), value)


class Waves:
    """A smooth random texture: a sum of plane waves, the same at a point on any grid.

    A plane wave over a grid of any orientation is an outer product, so a slice of the texture
    is one matrix product.
    """

    def __init__(self, seed: int, *, wavelength: tuple[float, float], count: int = 32) -> None:
        random = np.random.default_rng(seed)
        direction = random.standard_normal((count, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        length = random.uniform(*wavelength, size=(count, 1))
        self._k = 2 * np.pi * direction / length
        self._phase = random.uniform(0, 2 * np.pi, count)
        self._height = float(np.sqrt(2 / count))

    def at(self, point: ArrayLike) -> float:
        """Give the texture at one point (x, y, z)."""
        angle = self._k @ np.asarray(point, dtype=np.float64) + self._phase
        return self._height * float(np.cos(angle).sum())

    def plane(
        self, origin: ArrayLike, row_step: ArrayLike, column_step: ArrayLike, shape: tuple[int, int]
    ) -> Floats:
        """Give the texture on a plane, with mean 0 and standard deviation 1.

        Args:
            origin: (x, y, z) mm of the first pixel.
            row_step: mm from a row to the next.
            column_step: mm from a column to the next.
            shape: rows and columns.
        """
        start = np.mod(self._k @ np.asarray(origin, dtype=np.float64) + self._phase, 2 * np.pi)
        down = _phases(shape[0], self._k @ np.asarray(row_step, dtype=np.float64))
        across = _phases(shape[1], self._k @ np.asarray(column_step, dtype=np.float64))
        down += start.astype(np.float32)
        # cos(a + b) = cos a cos b - sin a sin b: two real products in one
        rows = np.concatenate([np.cos(down), -np.sin(down)], axis=1)
        columns = np.concatenate([np.cos(across), np.sin(across)], axis=1)
        return np.float32(self._height) * _product(rows, columns.T)


def _product(left: Floats, right: Floats) -> Floats:
    """Multiply matrices in blocks so small that the matrix library stays on one thread.

    Its threads gain little here, and on a busy machine they wait longer than they work.
    """
    block = max(1, 200_000 // (right.shape[0] * right.shape[1]))
    made = np.empty((left.shape[0], right.shape[1]), dtype=np.float32)
    for start in range(0, len(left), block):
        np.matmul(left[start : start + block], right, out=made[start : start + block])
    return made


def _phases(count: int, step: NDArray[np.float64]) -> Floats:
    phases: Floats = np.outer(np.arange(count, dtype=np.float32), step.astype(np.float32))
    return phases


def blur(image: Floats, times: int = 1) -> Floats:
    """Smooth the last two axes with (1, 2, 1) / 4, ``times`` over. The border is kept."""
    for _ in range(times):
        image = image.copy()
        middle = image[..., 1:-1, :] * np.float32(0.5)
        middle += (image[..., :-2, :] + image[..., 2:, :]) * np.float32(0.25)
        image[..., 1:-1, :] = middle
        middle = image[..., 1:-1] * np.float32(0.5)
        middle += (image[..., :-2] + image[..., 2:]) * np.float32(0.25)
        image[..., 1:-1] = middle
    return image


def grain(seed: int, shape: tuple[int, int], *, deviation: float, count: int = 8) -> Floats:
    """Give ``count`` slices of a scanner's noise, a little correlated as a real one's.

    Slices of a series take these in turn, shifted: nobody sees it, and it is fast.
    """
    noise = np.random.default_rng(seed).standard_normal((count, *shape), dtype=np.float32)
    noise = blur(noise)
    noise *= np.float32(deviation / noise.std())
    return noise


def resize(image: Floats, shape: tuple[int, int]) -> Floats:
    """Give the image in another size, linear between the pixels' centres."""
    down, across = (_weights(old, new) for old, new in zip(image.shape, shape, strict=True))
    return _product(_product(down, image), across.T)


def _weights(old: int, new: int) -> Floats:
    """Give the matrix (new, old) that interpolates one axis."""
    place = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    lower = np.minimum(place.astype(int), max(old - 2, 0))
    matrix = np.zeros((new, old), dtype=np.float32)
    matrix[np.arange(new), lower] = 1 - (place - lower)
    matrix[np.arange(new), np.minimum(lower + 1, old - 1)] += place - lower
    return matrix
