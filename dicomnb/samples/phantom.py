"""A chest as voxels: the wall, then what is inside, then the vessels of the lungs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dicomnb.samples.chest_organs import paint_inside
from dicomnb.samples.chest_wall import paint_bones, paint_table, paint_wall
from dicomnb.samples.grids import View
from dicomnb.samples.vessels import paint_vessels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dicomnb.samples.grids import AxialGrid
    from dicomnb.samples.thorax import Chest, Tissues

__all__ = ["Painted", "paint_chest"]


@dataclass(frozen=True, eq=False)
class Painted:
    """A painted stack.

    Attributes:
        value: tissue values, (slices, rows, columns), float32.
        lung: how much of each voxel is lung, 0 to 255, the same shape.
    """

    value: NDArray[np.float32]
    lung: NDArray[np.uint8]


def paint_chest(
    chest: Chest, grid: AxialGrid, tissues: Tissues, *, vessels: bool = True, table: bool = True
) -> Painted:
    """Paint a chest on an axial grid.

    Args:
        chest: whose.
        grid: where.
        tissues: the number of each tissue, as `thorax.HOUNSFIELD`.
        vessels: paint the vessels within the lungs too.
        table: paint the table the patient lies on.

    Returns:
        The stack, and how much of each voxel is lung.
    """
    view = View(chest, grid, tissues)
    value = np.full(grid.shape, tissues.air, dtype=np.float32)
    painted = Painted(value, np.zeros(grid.shape, dtype=np.uint8))
    for index, height in enumerate(grid.z):
        z = float(height) / chest.body.size[2]
        canvas = view.canvas(z)
        if table:
            paint_table(view, canvas)
        wave, fine = view.waves(chest.texture, z), view.waves(chest.fine, z)
        depth, muscle = paint_wall(view, canvas, wave, fine)
        share = paint_inside(view, canvas, depth, wave, fine)
        paint_bones(view, canvas, muscle)
        painted.value[index, view.rows, view.columns] = canvas.value
        painted.lung[index, view.rows, view.columns] = share * np.float32(255)
    if vessels:
        paint_vessels(painted.value, painted.lung, chest, grid, view.blood)
    return painted
