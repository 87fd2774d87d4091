"""Nodules in the lungs: where, how large, of which kind, and how they look.

The rule one can see: a **malignant** nodule is spiculated (fine rays run out of it into the
lung) and of soft tissue, some with a veil of ground glass around; a **benign** one is smooth
and round and has a core of calcium.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dicomnb.samples.grids import AxialGrid
    from dicomnb.samples.thorax import Chest

    Floats = NDArray[np.float32]

__all__ = ["Nodule", "grown", "nodule_voxels", "paint_nodules", "place_nodules"]

_SOFT = 40.0
_CALCIUM = 360.0
_GROUND_GLASS = -560.0


@dataclass(frozen=True)
class Nodule:
    """One nodule.

    Attributes:
        number: from 1 on, the same in every scan of the person.
        centre: (x, y, z) mm from the fork of the windpipe, along the patient's axes.
        diameter: mm of the solid body, rays and veil not counted.
        malignant: the kind.
        texture: "calcified", "solid" or "part-solid".
        seed: of its own shape.
    """

    number: int
    centre: tuple[float, float, float]
    diameter: float
    malignant: bool
    texture: str
    seed: int

    @property
    def kind(self) -> str:
        """ "malignant" or "benign"."""
        return "malignant" if self.malignant else "benign"

    @property
    def margin(self) -> str:
        """ "spiculated" or "smooth"."""
        return "spiculated" if self.malignant else "smooth"

    @property
    def reach(self) -> float:
        """Mm from the centre to the end of the longest ray."""
        return self.diameter * (1.3 if self.malignant else 0.55) + 1.5


def place_nodules(
    chest: Chest, seed: int, kinds: str, *, heights: tuple[float, float] = (-110.0, 85.0)
) -> tuple[Nodule, ...]:
    """Find places within the lungs that no other nodule, vessel trunk or wall claims.

    Args:
        chest: whose.
        seed: of the places, sizes and shapes.
        kinds: a letter a nodule: "b" benign, "m" malignant.
        heights: the lowest and the highest z of a centre, mm.
    """
    random = np.random.default_rng(seed)
    size = np.array(chest.body.size)
    made: list[Nodule] = []
    for number, kind in enumerate(kinds, start=1):
        malignant = kind == "m"
        diameter = float(random.uniform(11, 25) if malignant else random.uniform(8, 14))
        texture = "calcified"
        if malignant:
            texture = "part-solid" if random.random() < 0.3 else "solid"
        made.append(
            Nodule(
                number,
                _place(chest, random, made, (diameter, heights, size)),
                round(diameter, 1),
                malignant,
                texture,
                int(random.integers(2**31)),
            )
        )
    return tuple(made)


def _place(
    chest: Chest,
    random: np.random.Generator,
    others: list[Nodule],
    frame: tuple[float, tuple[float, float], NDArray[np.float64]],
) -> tuple[float, float, float]:
    diameter, heights, size = frame
    for _ in range(50):
        points = random.uniform((-125, -85, heights[0]), (125, 85, heights[1]), size=(200, 3))
        points = np.round(points, 1)
        body = points / size
        good = chest.lung_depth(body) > 0.5 * diameter + 4.5
        for root in ((-46, 16, -24), (50, 20, -24)):
            good &= np.linalg.norm(body - root, axis=1) > 26 + 0.5 * diameter
        for other in others:
            gap = np.linalg.norm(points - np.array(other.centre), axis=1)
            good &= gap > other.reach + diameter + 6
        if good.any():
            x, y, z = (float(number) for number in points[np.flatnonzero(good)[0]])
            return x, y, z
    raise ValueError(f"no room for a nodule of {diameter:.1f} mm in the chest {chest.body.seed}")


def grown(nodules: tuple[Nodule, ...], factor: float) -> tuple[Nodule, ...]:
    """Give the same nodules at a later date: the malignant ones have grown by ``factor``."""
    return tuple(
        replace(nodule, diameter=round(nodule.diameter * factor, 1)) if nodule.malignant else nodule
        for nodule in nodules
    )


def paint_nodules(
    value: Floats, lung: NDArray[np.uint8], nodules: tuple[Nodule, ...], grid: AxialGrid
) -> None:
    """Paint nodules in Hounsfield units into a stack, in place.

    A voxel that a nodule fills stays lung in ``lung``: a nodule is a part of it.
    """
    for nodule in nodules:
        box, offsets = _box(nodule, grid)
        part = value[box]
        if part.size == 0:
            continue
        away = np.sqrt(sum(axis**2 for axis in offsets)).astype(np.float32)
        if nodule.texture == "part-solid":
            veil = np.clip((0.82 * nodule.diameter - away) / 5 + 0.5, 0, 1) * np.float32(0.85)
            _blend(part, veil * (lung[box] > 127), _GROUND_GLASS)
        if nodule.malignant:
            _blend(part, _rays(nodule, offsets, away) * (lung[box] > 60), _SOFT)
        _blend(part, _solid(nodule, offsets, away, grid.pixel), _SOFT)
        if not nodule.malignant:
            core = np.clip((0.40 * nodule.diameter - away) / 1.6 + 0.5, 0, 1)
            _blend(part, core, _CALCIUM)
        lung[box] = np.where(away < 0.5 * nodule.diameter + 1, 255, lung[box])


def nodule_voxels(
    nodule: Nodule, grid: AxialGrid
) -> tuple[tuple[slice, slice, slice], NDArray[np.bool_]]:
    """Give the box of a stack that holds a nodule's solid body, and the voxels within."""
    box, offsets = _box(nodule, grid)
    away = np.sqrt(sum(axis**2 for axis in offsets)).astype(np.float32)
    return box, _solid(nodule, offsets, away, grid.pixel) > 0.5


def _blend(part: Floats, weight: NDArray[np.floating], value: float) -> None:
    part += weight.astype(np.float32) * (np.float32(value) - part)


def _box(
    nodule: Nodule, grid: AxialGrid
) -> tuple[tuple[slice, slice, slice], tuple[Floats, Floats, Floats]]:
    """Give the voxels around a nodule, and their (x, y, z) mm from its centre."""
    steps = (grid.step, grid.row_pixel or grid.pixel, grid.pixel)
    spans = []
    for place, step, length in zip(grid.index(nodule.centre), steps, grid.shape, strict=True):
        reach = nodule.reach / step + 1
        low, high = max(int(place - reach), 0), min(int(place + reach) + 2, length)
        spans.append(slice(low, max(high, low)))
    x, y, z = nodule.centre
    offsets = (
        (grid.x[spans[2]] - x)[None, None, :].astype(np.float32),
        (grid.y[spans[1]] - y)[None, :, None].astype(np.float32),
        (grid.z[spans[0]] - z)[:, None, None].astype(np.float32),
    )
    return (spans[0], spans[1], spans[2]), offsets


def _solid(
    nodule: Nodule, offsets: tuple[Floats, Floats, Floats], away: Floats, pixel: float
) -> Floats:
    """Give how much of each voxel is the solid body: a ball, with lobes if malignant."""
    random = np.random.default_rng(nodule.seed)
    radius = np.float32(0.5 * nodule.diameter)
    strength = 0.17 if nodule.malignant else 0.03
    lobes = np.zeros_like(away)
    for direction in _directions(random, 7):
        cosine = sum(part * axis for part, axis in zip(direction, offsets, strict=True))
        cosine = cosine / (away + np.float32(0.3))
        lobes += np.float32(random.choice([-1.0, 1.0])) * np.exp((cosine - 1) * np.float32(6))
    surface = radius * (1 + np.float32(strength) * lobes)
    inside: Floats = (surface - away) / np.float32(1.1 * pixel) + np.float32(0.5)
    return np.clip(inside, 0, 1)


def _rays(nodule: Nodule, offsets: tuple[Floats, Floats, Floats], away: Floats) -> Floats:
    """Give the fine rays of a spiculated margin."""
    random = np.random.default_rng(nodule.seed + 1)
    radius = 0.5 * nodule.diameter
    rays = np.zeros_like(away)
    for direction in _directions(random, int(14 + nodule.diameter)):
        length = np.float32(radius * random.uniform(1.5, 2.1) + 3)
        along = sum(part * axis for part, axis in zip(direction, offsets, strict=True))
        beside = np.sqrt(np.maximum(away**2 - along**2, 0))
        width = np.float32(2.9) * np.clip(1.1 - along / length, 0, 1)
        ray = np.clip((width - beside) / np.float32(1.4) + np.float32(0.5), 0, 1)
        ray *= np.clip((length - along) / 5, 0, 1) * (along > 0)
        np.maximum(rays, ray, out=rays)
    return rays * np.float32(0.85)


def _directions(random: np.random.Generator, count: int) -> NDArray[np.float32]:
    direction = random.standard_normal((count, 3))
    # rays that run within the slice are the ones that are seen
    direction[:, 2] *= 0.4
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return direction.astype(np.float32)
