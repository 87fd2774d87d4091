"""Where the voxels of an axial stack lie in a body, and what one grid's slices share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from dicomnb.samples.shapes import Canvas
from dicomnb.samples.thorax import ANGLES, THETA, Chest, Tissues

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dicomnb.samples.shapes import Waves

    Floats = NDArray[np.float32]

__all__ = ["AxialGrid", "View"]


@dataclass(frozen=True)
class AxialGrid:
    """An axial stack around the body's long axis, 0 at the fork of the windpipe.

    Attributes:
        shape: slices, rows and columns.
        pixel: mm from a column to the next.
        top: z of the highest slice, mm.
        step: mm from a slice down to the next.
        row_pixel: mm from a row to the next; None: as ``pixel``.
    """

    shape: tuple[int, int, int]
    pixel: float
    top: float
    step: float
    row_pixel: float | None = None

    @property
    def x(self) -> NDArray[np.float64]:
        """Mm of each column, to the left."""
        return _centred(self.shape[2], self.pixel)

    @property
    def y(self) -> NDArray[np.float64]:
        """Mm of each row, to the back."""
        return _centred(self.shape[1], self.row_pixel or self.pixel)

    @property
    def z(self) -> NDArray[np.float64]:
        """Mm of each slice, to the head; descending."""
        return self.top - np.arange(float(self.shape[0])) * self.step

    def index(self, point: tuple[float, float, float]) -> tuple[float, float, float]:
        """Give the (slice, row, column) of a point (x, y, z), with its fractions."""
        x, y, z = point
        row_step = self.row_pixel or self.pixel
        return (
            (self.top - z) / self.step,
            (y - self.y[0]) / row_step,
            (x - self.x[0]) / self.pixel,
        )


def _centred(count: int, step: float) -> NDArray[np.float64]:
    return (np.arange(float(count)) - (count - 1) / 2) * step


def _within(axis: NDArray[np.float64], limit: float) -> slice:
    inside = np.flatnonzero(np.abs(axis) < limit)
    return slice(int(inside[0]), int(inside[-1]) + 1)


class View:
    """One chest on one grid: the maps that every slice of it needs.

    Attributes:
        rows: the rows of the grid that hold more than air; columns: such columns.
        x: body mm of each of those columns. y: of each of those rows.
        away: mm of each pixel from the body's axis, (rows, columns).
        apex: height that the lungs reach over each pixel, (rows, columns).
        dome: height of the diaphragm over each pixel, (rows, columns).
    """

    def __init__(self, chest: Chest, grid: AxialGrid, tissues: Tissues) -> None:
        self.chest, self.grid, self.tissues = chest, grid, tissues
        size = chest.body.size
        # beyond these mm there is nothing but air
        self.columns = _within(grid.x, 182.0)
        self.rows = _within(grid.y, 150.0)
        self.x = (grid.x[self.columns] / size[0]).astype(np.float32)
        self.y = (grid.y[self.rows] / size[1]).astype(np.float32)
        x, y = np.meshgrid(self.x.astype(np.float64), self.y.astype(np.float64))
        self.away = np.hypot(x, y).astype(np.float32)
        self.apex = chest.apex(x, y).astype(np.float32)
        self.dome = chest.diaphragm(x, y).astype(np.float32)
        self._angle = np.rint((np.arctan2(x, y) + np.pi) / (2 * np.pi) * ANGLES).astype(np.intp)

    @cached_property
    def blood(self) -> float:
        """The value of blood, with this patient's contrast medium if there is any."""
        contrast = self.chest.body.contrast
        return self.tissues.blood if contrast is None else contrast

    @cached_property
    def heart_wall(self) -> float:
        """The value of the heart's muscle."""
        return self.tissues.heart if self.chest.body.contrast is None else 100.0

    @cached_property
    def back(self) -> float:
        """The y of the table's top in the middle: under the part of the back that rests on it."""
        middle = np.argmin(np.abs(THETA))
        heights = (-100.0, -60.0, -20.0, 20.0, 60.0)
        # beside the spine, where the back rests
        return max(float(self.chest.outline(z).skin[middle + 30]) for z in heights) * 0.97

    def canvas(self, z: float) -> Canvas:
        """Give an empty slice at a height of the body."""
        value = np.full(self.away.shape, self.tissues.air, dtype=np.float32)
        return Canvas(self.x, self.y, z, value)

    def ring(self, table: NDArray[np.float64]) -> Floats:
        """Spread a table by angle from the spine over the slice."""
        return table.astype(np.float32).take(self._angle)

    def waves(self, texture: Waves, z: float) -> Floats:
        """Give a texture on the slice at a height."""
        return texture.plane(
            (self.x[0], self.y[0], z),
            (0, float(self.y[1] - self.y[0]), 0),
            (float(self.x[1] - self.x[0]), 0, 0),
            (len(self.y), len(self.x)),
        )
