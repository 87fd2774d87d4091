"""A head made of formulas, on slices of any direction.

Head coordinates are mm in the patient's directions (x to the left, y to the back, z to the
top), 0 in the middle of the brain. Distances are negative inside. The folds of the brain are
the zeros of a random texture: the same on every grid, whatever its direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dicomnb.samples.shapes import Waves, soft

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Vector = tuple[float, float, float]

__all__ = ["BLOOD_VOLUME", "HEAD_HOUNSFIELD", "T1", "T2", "T2_STAR", "Head", "HeadTissues", "Plane"]


@dataclass(frozen=True)
class HeadTissues:
    """A number for each tissue of the head."""

    air: float
    skin: float
    fat: float
    bone: float
    marrow: float
    water: float
    grey: float
    white: float
    nuclei: float
    muscle: float
    eye: float
    spot: float


T1 = HeadTissues(4, 360, 800, 40, 560, 165, 430, 640, 480, 400, 140, 380)
T2 = HeadTissues(4, 300, 560, 30, 300, 940, 470, 330, 400, 190, 980, 760)
T2_STAR = HeadTissues(4, 200, 260, 20, 150, 900, 560, 480, 460, 240, 850, 640)
BLOOD_VOLUME = HeadTissues(0, 0.2, 0.05, 0.02, 0.1, 0.02, 1.0, 0.42, 0.9, 0.35, 0.0, 0.3)
HEAD_HOUNSFIELD = HeadTissues(-1000, 20, -90, 1150, 650, 6, 40, 29, 41, 55, 8, 20)


@dataclass(frozen=True)
class Plane:
    """One slice through the head.

    Attributes:
        origin: (x, y, z) mm of the first pixel's centre.
        row_step: mm from a row to the next.
        column_step: mm from a column to the next.
        shape: rows and columns.
    """

    origin: Vector
    row_step: Vector
    column_step: Vector
    shape: tuple[int, int]

    def points(self) -> tuple[Floats, Floats, Floats]:
        """Give x, y and z of every pixel, each (rows, columns)."""
        rows = np.arange(self.shape[0], dtype=np.float32)[:, None]
        columns = np.arange(self.shape[1], dtype=np.float32)[None, :]
        x, y, z = (
            np.float32(start) + rows * np.float32(down) + columns * np.float32(across)
            for start, down, across in zip(
                self.origin, self.row_step, self.column_step, strict=True
            )
        )
        return x, y, z


class Head:
    """One person's head."""

    def __init__(self, seed: int, *, spots: int = 0, size: float = 1.0) -> None:
        random = np.random.default_rng(seed)
        self._folds = Waves(seed + 1, wavelength=(21, 30), count=70)
        self._slow = Waves(seed + 2, wavelength=(45, 90), count=24)
        self._fine = Waves(seed + 3, wavelength=(6, 11), count=30)
        self._size = size
        self._wide = random.uniform(4.2, 6.2)  # mm, the lateral ventricles
        side = random.choice([-1, 1], spots)
        self._spots = [
            (centre, random.uniform(2.5, 4.5))
            for centre in np.stack(
                [
                    side * random.uniform(20, 30, spots),
                    random.uniform(-35, 42, spots),
                    random.uniform(16, 34, spots),
                ],
                axis=1,
            )
        ]

    def paint(self, plane: Plane, tissues: HeadTissues) -> Floats:
        """Paint one slice.

        Args:
            plane: where.
            tissues: the number of each tissue.

        Returns:
            (rows, columns), float32.
        """
        x, y, z = (axis / np.float32(self._size) for axis in plane.points())
        origin, down, across = (
            np.array(vector) / self._size
            for vector in (plane.origin, plane.row_step, plane.column_step)
        )
        folds, slow, fine = (
            waves.plane(origin, down, across, plane.shape)
            for waves in (self._folds, self._slow, self._fine)
        )
        pixel = float(np.linalg.norm(plane.column_step)) / self._size
        brush = _Brush(np.full(plane.shape, tissues.air, dtype=np.float32), pixel)
        outer = _outline(x, y, z) + np.float32(0.7) * slow
        self._shell(brush, (x, y, z), outer, tissues)
        room = self._room(x, y, z, outer)
        if float(z.min()) < -8:
            _base(brush, (x, y, z), (outer, room, fine, folds), tissues)
        if float(z.max()) > -12 and float(z.min()) < 16:
            _forehead(brush, (x, y, z), outer, tissues)
        brush.fill(room, tissues.water)
        self._brain(brush, (x, y, z), room + 2.6 + 0.5 * fine, (folds, slow), tissues)
        if float(z.min()) < 36:
            self._deep(brush, x, y, z, tissues)
        return brush.value

    def _shell(
        self,
        brush: _Brush,
        points: tuple[Floats, Floats, Floats],
        outer: Floats,
        tissues: HeadTissues,
    ) -> None:
        z = points[2]
        brush.fill(outer, tissues.skin)
        brush.fill(outer + 1.8, tissues.fat)
        brush.fill(outer + 5.0, tissues.bone)
        brush.fill(np.maximum(np.abs(outer + 8.6) - 1.5, -z - 10), tissues.marrow)

    def _room(self, x: Floats, y: Floats, z: Floats, outer: Floats) -> Floats:
        """Give mm from the inner side of the skull."""
        floor = z + np.float32(12) + np.float32(0.35) * np.clip(y - 25, 0, 60)
        upper: Floats = np.maximum(outer + np.float32(12), floor * np.float32(-3))
        side = np.abs(x)
        if float(z.min()) > 21:
            return upper
        room = upper
        for part in (
            _ball(side - 42, y + 14, z + 26, (25, 36, 25)),
            _ball(x, y - 42, z + 38, (56, 40, 31)),
            _ball(x, y - 14, z + 40, (17, 16, 60)),
            _ball(x, y + 34, z + 14, (40, 34, 12)),
        ):
            room = np.minimum(room, part)
        inner: Floats = np.maximum(room, outer + np.float32(11))
        return inner

    def _brain(
        self,
        brush: _Brush,
        points: tuple[Floats, Floats, Floats],
        edge: Floats,
        textures: tuple[Floats, Floats],
        tissues: HeadTissues,
    ) -> None:
        x, y, z = points
        folds, slow = textures
        depth = -edge
        behind = np.maximum(
            _ball(x, y - 42, z + 38, (54, 38, 29)), z + np.float32(13) - y * np.float32(0.1)
        )
        stem = np.hypot(x, np.float32(1.15) * (y - 14 + np.float32(0.15) * z)) - np.float32(13)
        stem = np.maximum(stem, z + np.float32(4))
        brush.fill(edge, tissues.white)
        # grey matter lines the surface and follows the folds inwards
        reach = np.clip((np.float32(23) - depth) / 8, 0, 1)
        fold = np.abs(folds) - np.float32(0.74) * reach
        grey = np.minimum(fold * 4, depth - np.float32(3.4))
        split = np.abs(x + slow * np.float32(0.6))
        bridge = _ball(x * 0, y - 3, z - 1, (60, 43, 27))  # the corpus callosum and below
        grey = np.minimum(grey, np.maximum(split - 4.5, -bridge))
        insula, fissure = _sylvian(x, y, z)
        grey = np.minimum(grey, np.minimum(insula, fissure) - np.float32(3.4))
        grey = np.maximum(np.maximum(grey, edge), -behind)
        grey = np.maximum(grey, -stem)
        brush.fill(grey, tissues.grey)
        # the water between
        deep = np.clip((np.float32(19) - depth) / 9, 0, 1)
        sulci = (np.abs(folds) - np.float32(0.17) * deep) * 4 + (deep <= 0) * np.float32(9)
        sulci = np.minimum(sulci, np.maximum(split - 1.1, -bridge))
        sulci = np.minimum(sulci, np.minimum(insula - 0.9, fissure - 1.0))
        sulci = np.maximum(np.maximum(np.maximum(sulci, edge), -behind), -stem)
        brush.fill(sulci, tissues.water)
        if float(z.min()) < 0:
            self._cerebellum(brush, points, np.maximum(behind, edge), tissues)

    def _cerebellum(
        self,
        brush: _Brush,
        points: tuple[Floats, Floats, Floats],
        behind: Floats,
        tissues: HeadTissues,
    ) -> None:
        x, y, z = points
        brush.fill(behind, tissues.grey)
        leaf = np.sin((np.hypot(x, 1.2 * (y - 14)) + 0.5 * z) * np.float32(2 * np.pi / 6.2))
        leaves = np.maximum(behind + 5, (np.float32(0.35) - leaf) * 2)
        brush.fill(leaves, 0.55 * tissues.white + 0.45 * tissues.grey)
        brush.fill(_ball(np.abs(x) - 17, y - 36, z + 36, (14, 14, 12)), tissues.white)
        brush.fill(_ball(x, y - 62, z + 30, (2.2, 20, 30)), tissues.water)

    def _deep(self, brush: _Brush, x: Floats, y: Floats, z: Floats, tissues: HeadTissues) -> None:
        side = np.abs(x)
        for centre, size in (
            ((10, 10, 6), (8, 14, 10)),  # thalamus
            ((12.5, -20, 10), (5.5, 9, 10)),  # caudate
            ((16, -4, 22), (3.5, 14, 5)),
            ((25, -4, 3), (5.5, 15, 10)),  # putamen
        ):
            a, b, c = (np.float32(part) for part in centre)
            ball = _ball(side - a, y - b, z - c, size)
            brush.fill(ball, tissues.nuclei)
        wide = self._wide
        lines: tuple[tuple[list[Vector], tuple[float, ...]], ...] = (
            ([(6, -34, 10), (8, -14, 20), (13, 12, 22), (22, 32, 12)], (0.9, 1.0, 0.95, 1.25)),
            ([(22, 32, 12), (26, 46, 6), (24, 58, 4)], (1.2, 0.9, 0.3)),
            ([(22, 32, 12), (34, 16, -8), (34, -6, -20)], (1.1, 0.6, 0.35)),
        )
        for line, thick in lines:
            brush.fill(_tube(side, y, z, line, [wide * part for part in thick]), tissues.water)
        third = np.maximum(np.abs(x) - 1.9, _ball(x, y - 3, z - 2, (30, 15, 13)))
        brush.fill(third, tissues.water)
        brush.fill(_ball(x, y - 29, z + 34, (9, 5, 10)), tissues.water)
        for spot, radius in self._spots:
            a, b, c = (np.float32(part) for part in spot)
            ball = _ball(x - a, y - b, z - c, (radius, radius * 1.3, radius))
            brush.fill(ball, tissues.spot)


@dataclass(eq=False)
class _Brush:
    """A slice, and how wide the edges on it are."""

    value: Floats
    pixel: float

    def fill(self, distance: Floats, value: float) -> None:
        """Blend a value in where the distance is negative."""
        self.value += soft(distance.astype(np.float32), self.pixel) * (value - self.value)


def _outline(x: Floats, y: Floats, z: Floats) -> Floats:
    """Give mm from the skin: an egg above, the face and the neck below."""
    low = np.clip(-(z + 18) / 50, 0, 1)
    wide = 73 + 5 * np.tanh((y - 5) * np.float32(1 / 40)) - 12 * low * np.clip(-y / 70, 0, 1)
    wide -= 4 * low
    long = np.where(y < 0, 95 + 3 * low, 93 - 8 * low)
    above = np.maximum(z, 0) / np.float32(87)
    power = np.float32(2.25)
    ball = (np.abs(x) / wide) ** power + (np.abs(y) / long).astype(np.float32) ** power
    ball += above**power
    nose = np.hypot(x, 0.8 * (y + 94)) - np.float32(13) + np.abs(z + 44) * np.float32(0.35)
    skin: Floats = np.minimum((ball ** (1 / power) - 1) * np.float32(78), nose).astype(np.float32)
    return skin


def _base(
    brush: _Brush,
    points: tuple[Floats, Floats, Floats],
    layers: tuple[Floats, Floats, Floats, Floats],
    tissues: HeadTissues,
) -> None:
    """Paint the base of the skull, the eyes and the air-filled hollows of the face."""
    x, y, z = points
    outer, room, fine, folds = layers
    side = np.abs(x)
    below = np.maximum(outer + np.float32(7), z + np.float32(12.5))
    brush.fill(np.maximum(below, -room), tissues.muscle)
    seams = np.maximum(below, np.abs(folds) * 4 - np.float32(0.55) - 0.3 * fine)
    brush.fill(np.maximum(seams, -room), tissues.fat)
    shell = np.maximum(np.maximum(room - 4.5, -room), outer + np.float32(4))
    brush.fill(shell, tissues.bone)
    petrous = _tube(side, y, z, [(62, 22, -38), (38, 12, -36), (16, 0, -34)], (13, 9, 6))
    brush.fill(petrous, tissues.bone)
    cells = np.maximum(_ball(side - 56, y - 22, z + 42, (9, 14, 14)), np.float32(0.2) - fine)
    brush.fill(cells, tissues.air)
    orbit = np.maximum(_ball(side - 31, y + 66, z + 30, (17, 26, 17)), outer + np.float32(2))
    brush.fill(orbit - 2.5, tissues.bone)
    brush.fill(orbit, tissues.fat)
    brush.fill(_tube(side, y, z, [(32, -70, -30), (18, -40, -28)], (2.4, 2.0)), tissues.muscle)
    for start in ((42, -68, -30), (23, -68, -30)):
        brush.fill(_tube(side, y, z, [start, (20, -40, -28)], (2.0, 1.4)), tissues.muscle)
    brush.fill(_ball(side - 32, y + 76, z + 30, (12.4, 12.4, 12.4)), tissues.muscle)
    brush.fill(_ball(side - 32, y + 76, z + 30, (11.3, 11.3, 11.3)), tissues.eye)
    brush.fill(_ball(side - 32, y + 85, z + 30, (4.6, 2.2, 4.6)), 0.5 * tissues.muscle)
    hollow = _ball(x, y + 62, z + 38, (11, 26, 24))
    brush.fill(np.maximum(hollow, outer + np.float32(9)), tissues.muscle)
    walls = np.maximum(hollow + 1.5, np.float32(1.3) - np.abs(side - 6))
    brush.fill(np.maximum(walls, outer + np.float32(9)), tissues.air)
    brush.fill(_ball(x, y + 26, z + 34, (9, 9, 8)), tissues.air)


def _forehead(
    brush: _Brush, points: tuple[Floats, Floats, Floats], outer: Floats, tissues: HeadTissues
) -> None:
    """Paint the frontal sinuses."""
    x, y, z = points
    front = _ball(np.abs(x) - 12, y + 84, z - 2, (11, 4.5, 13))
    brush.fill(np.maximum(front, outer + np.float32(5)), tissues.air)


def _sylvian(x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats]:
    """Give mm from the cleft around the insula, and from its way out to the side."""
    side = np.abs(x)
    height = np.abs(z - 5) - np.float32(15)
    curve = np.abs(side - 38 + 0.012 * (y + 4) ** 2)
    insula = np.maximum(np.maximum(curve, np.abs(y + 4) - 21), height)
    way = np.maximum(np.abs(y + 12 - 0.5 * (z - 2)), 37 - side)
    return insula, np.maximum(way, height)


def _ball(x: Floats, y: Floats, z: Floats, radii: Vector) -> Floats:
    """Give roughly mm from an ellipsoid around 0."""
    a, b, c = (np.float32(1 / radius) for radius in radii)
    away = np.sqrt((x * a) ** 2 + (y * b) ** 2 + (z * c) ** 2)
    ball: Floats = (away - 1) * np.float32(min(radii))
    return ball


def _tube(
    x: Floats, y: Floats, z: Floats, line: list[Vector], radii: list[float] | tuple[float, ...]
) -> Floats:
    """Give mm from a tube along points."""
    nearest = np.full(x.shape, np.inf, dtype=np.float32)
    for start, end, first, last in zip(line[:-1], line[1:], radii[:-1], radii[1:], strict=True):
        a, b, c = (float(to - begin) for begin, to in zip(start, end, strict=True))
        share = (x - start[0]) * a + (y - start[1]) * b + (z - start[2]) * c
        share = np.clip(share / (a * a + b * b + c * c), 0, 1)
        away = np.sqrt(
            (x - start[0] - share * a) ** 2
            + (y - start[1] - share * b) ** 2
            + (z - start[2] - share * c) ** 2
        )
        np.minimum(nearest, away - (first + share * (last - first)), out=nearest)
    return nearest
