"""A chest made of formulas: its anatomy, whom it belongs to, and its slices.

Body coordinates are mm in the patient's directions (x to the left, y to the back, z to the
head) for an adult of middle size, 0 at the fork of the windpipe; a patient's own size
stretches them. The wall of the chest is described around the body's long axis, by the angle
from the spine and the distance from the axis; what lies within, by ellipsoids and tubes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from dicomnb.samples.shapes import Waves

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]

__all__ = ["HOUNSFIELD", "THETA", "UPTAKE", "Body", "Chest", "Outline", "Tissues", "spine_depth"]

ANGLES = 768
THETA = np.linspace(-np.pi, np.pi, ANGLES + 1)

# The sizes of the torso are given at some heights (z), and smoothed to every mm
_GIVEN = (-180, -120, -80, -40, 0, 30, 60, 85, 104, 130)
_LEVELS = np.arange(-200, 161, dtype=float)


def _smooth(*sizes: float) -> Doubles:
    """Give a size at every one of ``_LEVELS``, without kinks."""
    window = np.hanning(33)
    every = np.interp(np.arange(-216.0, 177.0), _GIVEN, sizes)
    smooth: Doubles = np.convolve(every, window / window.sum(), "valid")
    return smooth


_MUSCLE_WIDTH = _smooth(136, 138, 142, 147, 152, 157, 163, 165, 160, 130)
_MUSCLE_DEPTH = _smooth(98, 100, 101, 101, 99, 96, 91, 85, 77, 66)
_CAVITY_WIDTH = _smooth(118, 124, 127, 126, 121, 114, 101, 83, 60, 30)
_CAVITY_DEPTH = _smooth(88, 90, 90, 88, 84, 78, 69, 58, 44, 26)
_CAVITY_BACK = _smooth(0, 0, 0, 0, 2, 5, 9, 14, 20, 24)
_MIDDLE_WIDTH = _smooth(40, 40, 38, 36, 39, 36, 34, 34, 36, 40)

RIB_SPACING = 25.0
VERTEBRA = 25.0


@dataclass(frozen=True)
class Tissues:
    """A number for each tissue: Hounsfield units, or the uptake of a tracer."""

    air: float
    lung: float
    fat: float
    muscle: float
    gland: float
    blood: float
    heart: float
    liver: float
    spleen: float
    stomach: float
    water: float
    marrow: float
    cortex: float
    cartilage: float
    disc: float
    table: float
    foam: float


HOUNSFIELD = Tissues(
    air=-1000, lung=-855, fat=-100, muscle=50, gland=20, blood=45, heart=48, liver=60, spleen=50,
    stomach=40, water=12, marrow=210, cortex=720, cartilage=100, disc=85, table=-350, foam=-930,
)  # fmt: skip
"""Hounsfield units of a scan without contrast medium."""

UPTAKE = Tissues(
    air=0, lung=0.45, fat=0.25, muscle=0.65, gland=0.8, blood=1.5, heart=5.5, liver=2.3,
    spleen=1.8, stomach=1.4, water=0.9, marrow=1.3, cortex=0.7, cartilage=0.5, disc=0.7, table=0,
    foam=0,
)  # fmt: skip
"""Standardised uptake values of FDG, an hour after the injection."""


@dataclass(frozen=True)
class Body:
    """What makes one person's chest theirs.

    Attributes:
        seed: of everything random in it.
        female: breasts and a slighter build of the chest wall.
        size: how much wider (x), deeper (y) and taller (z) than the middle.
        fat: mm of fat under the skin.
        age: years; calcium in the coronary arteries and the rib cartilage comes with them.
        contrast: Hounsfield units of the blood with contrast medium, or None.
    """

    seed: int
    female: bool = False
    size: tuple[float, float, float] = (1.0, 1.0, 1.0)
    fat: float = 14.0
    age: int = 55
    contrast: float | None = None


@dataclass(frozen=True, eq=False)
class Outline:
    """The layers of the chest's wall at one height.

    Attributes:
        cavity: mm from the axis to the inner side of the ribs, at each of `THETA`.
        muscle: mm to the outer side of the muscles.
        skin: mm to the skin.
        breast: mm by which the breast stands out.
    """

    cavity: Doubles
    muscle: Doubles
    skin: Doubles
    breast: Doubles


class Chest:
    """The shapes of one body, at a height or at points."""

    def __init__(self, body: Body) -> None:
        self.body = body
        random = np.random.default_rng(body.seed)
        self._tilt = random.uniform(-3, 3)  # mm by which the mediastinum lies off the middle
        self.rib_offset = random.uniform(0, RIB_SPACING)
        self.disc_offset = random.uniform(0, VERTEBRA)
        self.right_dome = random.uniform(-92, -80)
        self.left_dome = self.right_dome - random.uniform(8, 16)
        self.heart_scale = random.uniform(0.94, 1.06) * (0.95 if body.female else 1.0)
        self.texture = Waves(body.seed + 1, wavelength=(25, 70), count=18)
        self.fine = Waves(body.seed + 2, wavelength=(7, 16), count=28)

    # ---------------------------------------------------------------- the wall, by the angle
    def cavity(self, theta: Doubles, z: Doubles | float) -> Doubles:
        """Give mm from the axis to the inner side of the ribs.

        Args:
            theta: angle from the back, towards the left, -π to π.
            z: height, one or as many as ``theta``.
        """
        width = np.interp(z, _LEVELS, _CAVITY_WIDTH)
        depth = np.interp(z, _LEVELS, _CAVITY_DEPTH)
        back = np.interp(z, _LEVELS, _CAVITY_BACK)
        radius = _superellipse(theta, width, depth, 2.3)
        radius = radius + back * np.cos(theta) * 0.9
        spine = np.exp(-((theta / 0.34) ** 4))
        front = np.exp(-(((np.abs(theta) - np.pi) / 0.5) ** 2))
        return radius * (1 - 0.30 * spine - 0.05 * front)

    def outline(self, z: float) -> Outline:
        """Give the layers of the wall at a height, at each of the angles `THETA`."""
        cavity, away = self.cavity(THETA, z), np.abs(THETA)
        muscle = self._muscle(cavity, away, z)
        lower = 1 / (1 + np.exp((z + 40) / 45))
        layer = self.body.fat * (0.55 + 0.55 * lower + 0.25 * np.cos(2 * away))
        layer -= 0.35 * self.body.fat * np.exp(-((away / 0.25) ** 2))
        breast = self._breast(away, z)
        return Outline(cavity, muscle, muscle + np.maximum(layer, 3) + breast, breast)

    def _muscle(self, cavity: Doubles, away: Doubles, z: float) -> Doubles:
        width = np.interp(z, _LEVELS, _MUSCLE_WIDTH)
        depth = np.interp(z, _LEVELS, _MUSCLE_DEPTH)
        radius = _superellipse(away, width, depth, 2.5)
        upper = 1 / (1 + np.exp(-(z + 10) / 18))
        strength = 0.6 if self.body.female else 1.0
        pectoral = 13 * strength * upper * np.exp(-(((away - 2.45) / 0.33) ** 2))
        groove = 7 * np.exp(-((away / 0.10) ** 2)) + 4 * np.exp(-(((away - np.pi) / 0.16) ** 2))
        erector = 7 * np.exp(-(((away - 0.33) / 0.2) ** 2))
        outer: Doubles = np.maximum(radius + erector - groove, cavity + 13) + pectoral
        back: Doubles = (spine_depth(z) + 49) * np.exp(-((away / 0.75) ** 2.5))
        return np.fmax(outer, back)

    def _breast(self, away: Doubles, z: float) -> Doubles:
        """Give mm by which the breast stands out, in someone who lies on the back."""
        if not self.body.female:
            return np.zeros_like(away)
        height = np.exp(-(((z + 28) / 44) ** 4))
        around = np.exp(-(np.abs((away - 2.38) / 0.50) ** 3))
        amount: Doubles = (24 + 0.9 * self.body.fat) * height * around
        return amount

    # ------------------------------------------------------------ what parts the two lungs
    def middle(self, y: Doubles, z: Doubles | float) -> tuple[Doubles, Doubles]:
        """Give the right and the left edge (x) of the mediastinum in each row."""
        half = np.interp(z, _LEVELS, _MIDDLE_WIDTH)
        depth = np.interp(z, _LEVELS, _CAVITY_DEPTH)
        front = np.clip((y + depth) / (0.8 * depth), 0, 1)
        back = np.clip((y - 30) / 30, 0, 1)
        low = np.clip((-30 - np.asarray(z)) / 40, 0, 1)
        half = half * (0.22 + 0.78 * front**1.5) * (1 - (0.30 + 0.15 * low) * back)
        return self._tilt - half, self._tilt + half * (1 + 0.05 * np.sin(y / 9))

    def diaphragm(self, x: Doubles, y: Doubles) -> Doubles:
        """Give the height of the diaphragm over points."""
        domes = []
        for peak, middle, radii in (
            (self.right_dome, (-64, -10), (80, 94)),
            (self.left_dome, (68, -6), (76, 94)),
            (self.left_dome - 12, (8, -34), (84, 74)),  # where the heart rests
        ):
            away = ((x - middle[0]) / radii[0]) ** 2 + ((y - middle[1]) / radii[1]) ** 2
            domes.append(peak - 16 * away - 36 * away**3)
        return np.maximum(np.maximum(domes[0], domes[1]), domes[2])

    def apex(self, x: Doubles, y: Doubles) -> Doubles:
        """Give the height that the lungs reach over points."""
        return 107 - 0.011 * ((np.abs(x) - 40) ** 2 + (y - 14) ** 2)

    @cached_property
    def heart(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The centre of the ventricles, and the matrix that makes their ellipsoid a unit ball."""
        axis = np.array([0.70, -0.55, -0.45])
        axis /= np.linalg.norm(axis)
        second = np.cross(axis, [0, 0, 1.0])
        second /= np.linalg.norm(second)
        third = np.cross(axis, second)
        turn = np.stack([axis, second, third])
        radii = np.array([62, 43, 47]) * self.heart_scale
        return np.array([26.0 + self._tilt, -20.0, -62.0]), turn / radii[:, None]

    def lung_depth(self, points: Doubles) -> Doubles:
        """Give mm that each point lies inside a lung, roughly; negative outside.

        Args:
            points: shape (n, 3), body coordinates.
        """
        x, y, z = points.T
        theta, away = np.arctan2(x, y), np.hypot(x, y)
        right, left = self.middle(y, z)
        centre, ball = self.heart
        heart = (np.linalg.norm((points - centre) @ ball.T, axis=1) - 1.06) * 45
        # the great vessels and the right heart, each as a ball or a column
        atrium = np.linalg.norm((points - [-20, -12, -58]) / [34, 38, 46], axis=1) * 34 - 34
        aorta = np.hypot(x - 25, y - 42) - 15
        arch = np.hypot(np.hypot(x - 4, 0.5 * (y - 5)), z - 36) - 24
        depth: Doubles = np.min(
            [
                self.cavity(theta, z) - away - 2,
                np.maximum(right - x, x - left),
                heart,
                atrium,
                aorta,
                arch,
                0.8 * (z - self.diaphragm(x, y)),
                0.8 * (self.apex(x, y) - z),
            ],
            axis=0,
        )
        return depth


def spine_depth(z: float) -> float:
    """Give the y of the middle of the vertebral bodies at a height."""
    return float(np.interp(z, [-150, -40, 40, 90, 120], [58, 63, 61, 52, 44]))


def _superellipse(
    theta: Doubles, width: Doubles | float, depth: Doubles | float, power: float
) -> Doubles:
    """Give the radius at an angle from the back: width at the sides, depth front and back."""
    return (np.abs(np.sin(theta) / width) ** power + np.abs(np.cos(theta) / depth) ** power) ** (
        -1 / power
    )
