"""Grids in the patient: what an affine says, and grids made of others. Pure arithmetic.

An affine is 4×4: ``affine @ (slice, row, column, 1)`` = LPS mm of a voxel's centre, so its
first three columns are the steps along slice, row and column.
"""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "axes_and_flips",
    "extended",
    "is_sheared",
    "letters_of",
    "main_axes",
    "opposite",
    "same_grid",
    "spacing_of",
]

Floats = np.ndarray[Any, np.dtype[np.float64]]

_LETTERS = ("LR", "PA", "SI")  # to which side x, y and z of LPS grow, and away from which
_SHEAR = 1e-3  # cosine of the angle between two axes that counts as a right one
_OPPOSITE = str.maketrans("RLAPSI", "LRPAIS")


def spacing_of(affine: Floats) -> tuple[float, float, float]:
    """Mm from one voxel to the next along each axis."""
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    return (float(lengths[0]), float(lengths[1]), float(lengths[2]))


def main_axes(affine: Floats) -> tuple[int, int, int]:
    """Along which of x, y and z each axis of the grid mostly runs; each is named once.

    Of all ways to pair them the one with the largest product of cosines: two axes of an
    oblique grid never get the same name.
    """
    steps = np.abs(affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0))
    chosen = max(permutations(range(3)), key=lambda way: steps[list(way), range(3)].prod())
    return (chosen[0], chosen[1], chosen[2])


def letters_of(affine: Floats) -> str:
    """Where each index grows to, of R L A P S I, as in ``"SPL"``."""
    axes = main_axes(affine)
    return "".join(_LETTERS[axis][int(affine[axis, at] < 0)] for at, axis in enumerate(axes))


def opposite(letter: str) -> str:
    """The letter of the side across."""
    return letter.translate(_OPPOSITE)


def axes_and_flips(affine: Floats, letters: str) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """How a grid's axes are put in another order and turned so that they run to ``letters``.

    Returns:
        which axis of the grid becomes each of the new ones, and whether it is turned round.

    Raises:
        ValueError: ``letters`` does not name each of the three directions once.
    """
    wanted = letters.upper()
    names = [next((at for at, pair in enumerate(_LETTERS) if one in pair), -1) for one in wanted]
    if sorted(names) != [0, 1, 2]:
        raise ValueError(
            f"{letters!r} is no orientation: it takes three letters, one of R and L, one of A "
            "and P, one of S and I, as in 'RAS'."
        )
    there, axes = letters_of(affine), main_axes(affine)
    order = tuple(axes.index(name) for name in names)
    return order, tuple(there[axis] != one for axis, one in zip(order, wanted, strict=True))


def is_sheared(affine: Floats) -> bool:
    """Whether the axes are not at right angles, as with a tilted gantry."""
    steps = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return bool(np.abs(steps.T @ steps - np.eye(3)).max() > _SHEAR)


def same_grid(one: Floats, other: Floats, shape: Sequence[int], tolerance: float = 0.01) -> bool:
    """Whether two affines put every voxel of an array in the same place.

    Args:
        one: an affine.
        other: another.
        shape: (slices, rows, columns).
        tolerance: mm.
    """
    corners = np.array(np.meshgrid(*[(0, max(n - 1, 0)) for n in shape])).reshape(3, -1)
    difference = (one - other)[:3]
    away = difference[:, :3] @ corners + difference[:, 3:]
    return bool(np.abs(away).max() <= tolerance)


def extended(
    affine: Floats, shape: Sequence[int], spacing: Sequence[float]
) -> tuple[Floats, tuple[int, int, int]]:
    """A grid at right angles, of another spacing, over the same room.

    It has the directions of rows and columns of the old one; slices lie along the normal. Its
    centre is that of the old grid, its edges are at most half a voxel away from the old ones.
    Of a sheared grid it holds the whole.

    Args:
        affine: of the old grid.
        shape: (slices, rows, columns) of the old grid.
        spacing: mm along slice, row and column.

    Returns:
        the affine, and (slices, rows, columns).
    """
    steps = affine[:3, :3]
    column = steps[:, 2] / np.linalg.norm(steps[:, 2])
    row = steps[:, 1] - column * (steps[:, 1] @ column)
    row /= np.linalg.norm(row)
    normal = np.cross(row, column)
    normal *= np.sign(normal @ steps[:, 0])
    directions = np.stack([normal, row, column], axis=1)
    edges = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in shape])).reshape(3, -1)
    along = directions.T @ (steps @ edges)
    length = along.max(axis=1) - along.min(axis=1)
    counts = np.maximum(np.rint(length / np.asarray(spacing)), 1).astype(int)
    middle = steps @ ((np.asarray(shape) - 1) / 2) + affine[:3, 3]
    result = np.eye(4)
    result[:3, :3] = directions * np.asarray(spacing, dtype=np.float64)
    result[:3, 3] = middle - result[:3, :3] @ ((counts - 1) / 2)
    return result, (int(counts[0]), int(counts[1]), int(counts[2]))
