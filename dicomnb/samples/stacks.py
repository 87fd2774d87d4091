"""Stacks of parallel slices in any direction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dicomnb.samples.head import Plane

__all__ = ["AXIAL", "CORONAL", "SAGITTAL", "Stack", "tilted"]

Vector = tuple[float, float, float]

AXIAL: tuple[Vector, Vector] = ((1, 0, 0), (0, 1, 0))
CORONAL: tuple[Vector, Vector] = ((1, 0, 0), (0, 0, -1))
SAGITTAL: tuple[Vector, Vector] = ((0, 1, 0), (0, 0, -1))


def tilted(angle: float, about: str = "x") -> tuple[Vector, Vector]:
    """Give the directions of axial slices turned about the x axis, or about y as well.

    Args:
        angle: degrees.
        about: "x", or "xy" for slices oblique to all three axes.
    """
    cosine, sine = float(np.cos(np.radians(angle))), float(np.sin(np.radians(angle)))
    down = np.array([0.0, cosine, sine])
    across = np.array([1.0, 0.0, 0.0])
    if "y" in about:
        turn = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
        across, down = turn @ across, turn @ down
    return _vector(across), _vector(down)


def _vector(array: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Vector:
    x, y, z = (round(float(part), 6) for part in array)
    return x, y, z


@dataclass(frozen=True)
class Stack:
    """Parallel slices around a point of the head.

    Attributes:
        slices: how many.
        size: rows and columns, the same.
        pixel: mm between pixels.
        step: mm between slices, along ``along``.
        directions: unit vectors along a row and down a column (ImageOrientationPatient).
        centre: the middle of the stack, head mm.
        along: unit vector from a slice to the next; None: square to the slices. Another one
            makes a sheared stack, as a tilted gantry does.
    """

    slices: int
    size: int
    pixel: float
    step: float
    directions: tuple[Vector, Vector] = AXIAL
    centre: Vector = (0.0, 0.0, 12.0)
    along: Vector | None = None

    def plane(self, index: int) -> Plane:
        """Give one slice, counted from 0."""
        across, down = (np.array(part, dtype=np.float64) for part in self.directions)
        along = np.cross(across, down) if self.along is None else np.array(self.along)
        half = (self.size - 1) / 2 * self.pixel
        origin = np.array(self.centre) + (index - (self.slices - 1) / 2) * self.step * along
        origin = origin - half * (across + down)
        return Plane(
            _vector(origin),
            _vector(down * self.pixel),
            _vector(across * self.pixel),
            (self.size, self.size),
        )

    @property
    def orientation(self) -> list[float]:
        """ImageOrientationPatient."""
        return [*self.directions[0], *self.directions[1]]
