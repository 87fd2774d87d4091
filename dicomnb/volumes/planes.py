"""Planes through a volume, as they are looked at in radiology."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.errors import GeometryError
from dicomnb.volumes.grid import axes_and_flips, is_sheared, letters_of, main_axes, opposite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dicomnb.volumes.placed import Placed

__all__ = ["PLANES", "Plane", "plane"]

Floats = np.ndarray[Any, np.dtype[np.float64]]

#: Of each plane: to where its number, its rows and its columns grow. The patient's right is
#: at the left of axial and coronal planes, the front at the left of sagittal ones.
PLANES = {"axial": "SPL", "coronal": "PIL", "sagittal": "LIP"}


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane of voxels, turned as radiologists look at it.

    Attributes:
        name: ``"axial"``, ``"coronal"`` or ``"sagittal"``.
        array: (rows, columns) of modality values.
        affine: 4×4: ``affine @ (0, row, column, 1)`` = LPS mm of a voxel's centre; the first
            column is the step to the next plane (to the head, the back, or the left).
        index: which plane of the volume it is, along the volume's own axis.
        letters: the patient's sides at top, right, bottom and left.
        units: of the values.
    """

    name: str
    array: np.ndarray[Any, Any]
    affine: Floats
    index: int
    letters: tuple[str, str, str, str]
    units: str = ""

    def __repr__(self) -> str:
        shape = " × ".join(map(str, self.array.shape))
        units = f" {self.units}" if self.units else ""
        sides = "".join(self.letters)
        return f"<Plane {self.name} {self.index}: {shape} {self.array.dtype}{units}, sides {sides}>"

    @property
    def spacing(self) -> tuple[float, float]:
        """Mm from one row to the next, and from one column to the next."""
        lengths = np.linalg.norm(self.affine[:3, :3], axis=0)
        return (float(lengths[1]), float(lengths[2]))

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, bottom and top in mm from the centre of the first voxel.

        As ``extent=`` of Matplotlib's ``imshow(…, origin="upper")``: edges of the outer voxels.
        """
        rows, columns = self.array.shape[:2]
        down, across = self.spacing
        return (-across / 2, (columns - 0.5) * across, (rows - 0.5) * down, -down / 2)

    @property
    def position(self) -> float:
        """Where the plane's centre lies: LPS z of an axial plane, y of a coronal, x of a sagittal.

        In mm.
        """
        rows, columns = self.array.shape[:2]
        axis = {"axial": 2, "coronal": 1, "sagittal": 0}[self.name]
        return float((self.affine @ (0, (rows - 1) / 2, (columns - 1) / 2, 1))[axis])

    def point(self, row: Any, column: Any) -> Floats:
        """LPS mm of pixels of the plane: (…, 3)."""
        index = np.stack(np.broadcast_arrays(0, row, column), axis=-1)
        return np.asarray(index @ self.affine[:3, :3].T + self.affine[:3, 3], dtype=np.float64)

    def pixel(self, x: Any, y: Any, z: Any) -> Floats:
        """Row and column at LPS mm, and how many planes away: (…, 3) as (away, row, column)."""
        inverse = np.linalg.inv(self.affine)
        points = np.stack(np.broadcast_arrays(x, y, z), axis=-1)
        return np.asarray(points @ inverse[:3, :3].T + inverse[:3, 3], dtype=np.float64)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.array, dtype=dtype, copy=copy)


def plane(volume: Placed, name: str, *, at: int | None, mm: float | None, stack: int) -> Plane:
    """Cut a plane; see `Volume.plane`."""
    if name not in PLANES:
        raise ValueError(f"plane {name!r}: it is one of {', '.join(map(repr, PLANES))}.")
    if at is not None and mm is not None:
        raise ValueError("Give at= (an index) or mm= (a place), not both.")
    affine = volume.grid
    order, flips = axes_and_flips(affine, PLANES[name])
    if is_sheared(affine) and order[0] != 0:
        raise GeometryError(
            f"This volume is tilted: its {name} planes would be sheared. Make it a straight one "
            "with volume.resampled(), or cut it along its own slices."
        )
    spatial = volume.shape[-3:]
    index = _index(volume, affine, spatial, order[0], at=at, mm=mm, name=name)
    where: list[Any] = [slice(None)] * 3
    where[order[0]] = index
    cut = volume[(stack, *where)] if volume.axis else volume[tuple(where)]
    if order[1] > order[2]:
        cut = cut.T
    cut = cut[:: -1 if flips[1] else 1, :: -1 if flips[2] else 1]
    placed = turned(affine, spatial, order, flips)
    step = placed[:3, 0].copy()
    first = np.zeros(3)
    first[order[0]] = index
    for axis, flip in zip(order[1:], flips[1:], strict=True):
        first[axis] = spatial[axis] - 1 if flip else 0
    placed[:3, 0] = step
    placed[:3, 3] = affine[:3, :3] @ first + affine[:3, 3]
    to = letters_of(placed)
    letters = (opposite(to[1]), to[2], to[1], opposite(to[2]))
    return Plane(name, cut, placed, index, letters, volume.units)


def _index(
    volume: Placed,
    affine: Floats,
    shape: Sequence[int],
    axis: int,
    *,
    at: int | None,
    mm: float | None,
    name: str,
) -> int:
    """The plane that is meant, from 0 along its axis of the volume."""
    count = shape[axis]
    if mm is not None:
        middle = (np.asarray(shape) - 1) / 2
        x = main_axes(affine)[axis]
        centre = float((affine[:3, :3] @ middle + affine[:3, 3])[x])
        index = round(float(middle[axis]) + (mm - centre) / float(affine[x, axis]))
        if not 0 <= index < count:
            raise IndexError(f"No {name} plane of this volume lies at {mm} mm.")
        return index
    index = count // 2 if at is None else operator.index(at)
    if not -count <= index < count:
        raise IndexError(f"There is no {name} plane {at}: indices run from 0 to {count - 1}.")
    return index % count


def turned(
    affine: Floats, shape: Sequence[int], order: Sequence[int], flips: Sequence[bool]
) -> Floats:
    """The affine of a grid whose axes are put in another order and some turned round."""
    result = np.eye(4)
    first = affine[:3, 3].copy()
    for new, (axis, flip) in enumerate(zip(order, flips, strict=True)):
        step = affine[:3, axis]
        result[:3, new] = -step if flip else step
        if flip:
            first += step * (shape[axis] - 1)
    result[:3, 3] = first
    return result
