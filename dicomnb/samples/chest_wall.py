"""What is around the lungs: table, skin, fat, muscles, ribs, spine, breastbone, shoulders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dicomnb.samples.shapes import soft
from dicomnb.samples.thorax import RIB_SPACING, THETA, VERTEBRA, spine_depth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dicomnb.samples.grids import View
    from dicomnb.samples.shapes import Canvas

    Floats = NDArray[np.float32]

__all__ = ["paint_bones", "paint_table", "paint_wall"]

_AWAY = np.abs(THETA)
# how far a rib has come down from the spine to each angle, and where it turns to cartilage
_RIB_DROP = 100 * (1 - np.cos(np.clip(_AWAY * 0.95, 0, 2.4))) / 1.74
_RIB_FRONT = 1 / (1 + np.exp(-(_AWAY - 2.42) / 0.05))


def paint_table(view: View, canvas: Canvas) -> None:
    """Paint the table: foam in a thin shell, hollowed for the back."""
    x, y = canvas.x[None, :], canvas.y[:, None]
    hollow = y - np.float32(view.back) + (x / 50) ** 2 * np.float32(1.5) - np.float32(13)
    side = np.abs(x) - np.float32(158)
    canvas.paint(
        soft(np.maximum(np.abs(hollow) - np.float32(13), side), canvas.pixel), view.tissues.table
    )
    inner = np.maximum(np.abs(hollow) - np.float32(10.5), side + np.float32(3))
    canvas.paint(soft(inner, canvas.pixel), view.tissues.foam)


def paint_wall(view: View, canvas: Canvas, wave: Floats, fine: Floats) -> tuple[Floats, Floats]:
    """Paint skin, fat, muscles and ribs.

    Args:
        view: the chest on its grid.
        canvas: the slice.
        wave: a slow texture of deviation 1, (rows, columns).
        fine: a fine one.

    Returns:
        Mm from the inner side of the ribs, and from the outer side of the muscles, both
        negative inside, (rows, columns).
    """
    tissues, chest, z, pixel = view.tissues, view.chest, canvas.z, canvas.pixel
    outline = chest.outline(z)
    skin = view.away - view.ring(outline.skin)
    muscle = view.away - view.ring(outline.muscle) + np.float32(0.8) * wave
    canvas.paint(soft(skin, pixel), tissues.muscle - 0.2 * abs(tissues.muscle))
    canvas.paint(soft(skin + np.float32(2.2), pixel), tissues.fat)
    breast = outline.breast
    if breast.max() > 8:
        gland = np.clip(fine + np.float32(0.6) * wave - np.float32(0.35), 0, 1)
        gland *= soft(skin + np.float32(9), 4) * view.ring(np.clip((breast - 8) / 20, 0, 1))
        canvas.paint(gland * np.float32(0.8), tissues.gland)
    canvas.paint(soft(muscle, pixel), tissues.muscle)
    depth = view.away - view.ring(outline.cavity)
    _fat_planes(view, canvas, (depth, muscle), (wave, fine))
    _ribs(view, canvas, depth, outline.cavity)
    return depth, muscle


def _fat_planes(
    view: View, canvas: Canvas, layers: tuple[Floats, Floats], textures: tuple[Floats, Floats]
) -> None:
    """Paint the fat between the layers of muscle."""
    depth, muscle = layers
    wave, fine = textures
    wander = depth + np.float32(0.8) * fine
    plane = soft(np.abs(wander - np.float32(12.5)) - np.float32(0.6), canvas.pixel)
    # thicker walls are made of bundles, with fat in the seams
    bundle = soft(np.abs(wave + np.float32(0.3) * fine) * 9 - np.float32(0.9), canvas.pixel)
    bundle *= np.clip((depth - np.float32(14)) * np.float32(0.12), 0, 1)
    np.maximum(plane, bundle, out=plane)
    armpit = np.clip((depth - np.float32(38)) * np.float32(0.08), 0, 1)
    armpit *= np.clip(wave * np.float32(1.5) - np.float32(0.6), 0, 1)
    np.maximum(plane, armpit, out=plane)
    plane *= soft(muscle + np.float32(3), canvas.pixel)
    plane *= np.float32(0.75)
    canvas.paint(plane, view.tissues.fat)


def _ribs(view: View, canvas: Canvas, depth: Floats, cavity: NDArray[np.float64]) -> None:
    """Paint the ribs of this height: a hard shell, marrow within, cartilage in front."""
    tissues, age = view.tissues, view.chest.body.age
    turn = (canvas.z + _RIB_DROP + view.chest.rib_offset) / RIB_SPACING
    height = np.abs(turn - np.rint(turn)) * RIB_SPACING / (6.2 + 1.2 * _RIB_FRONT)
    shape = (depth - np.float32(5.4)) * np.float32(1 / 4.3)
    shape *= shape
    shape += view.ring(height**2)
    np.sqrt(shape, out=shape)
    shape -= 1
    shape *= np.float32(4.3)
    # none above the first rib, none through the spine or the breastbone
    there = np.clip((_AWAY - 0.2) / 0.06, 0, 1) * np.clip((3.02 - _AWAY) / 0.05, 0, 1)
    there *= np.clip((cavity - 34) / 8, 0, 1)
    rib = soft(shape, canvas.pixel) * view.ring(there)
    hard = tissues.cartilage + (tissues.cortex - tissues.cartilage) * np.clip(
        (age - 55) / 100, 0, 0.3
    )
    shell = view.ring(tissues.cortex + (hard - tissues.cortex) * _RIB_FRONT)
    core = view.ring(tissues.marrow + (tissues.cartilage - tissues.marrow) * _RIB_FRONT)
    canvas.paint(rib, shell)
    canvas.paint(soft(shape + np.float32(1.9), canvas.pixel) * rib, core)


def paint_bones(view: View, canvas: Canvas, muscle: Floats) -> None:
    """Paint spine, breastbone, collarbones and shoulder blades, where ``muscle`` covers them."""
    bare = canvas.value.copy()
    _spine(view, canvas)
    _breastbone(view, canvas)
    if canvas.z > -40:
        _shoulder_blades(view, canvas)
    if canvas.z > 40:
        _collarbones(view, canvas)
    bare -= canvas.value
    bare *= 1 - soft(muscle + np.float32(1), canvas.pixel)
    canvas.value += bare


def _spine(view: View, canvas: Canvas) -> None:
    tissues, z = view.tissues, canvas.z
    place = (z + view.chest.disc_offset) % VERTEBRA  # mm above the lower end plate
    y = spine_depth(z)
    waist = 1 - 0.10 * np.sin(np.pi * min(place / 20, 1))
    wide, deep = 16.5 * waist, 14.0 * waist
    # muscles and fat around the bone
    canvas.ellipse((0, y + 2), (wide + 3, deep + 3), 0.6 * tissues.muscle)
    if place > 20.5:
        canvas.ellipse((0, y), (wide + 0.8, deep + 0.8), tissues.disc)
    else:
        plate = max(0.0, 1 - min(place, 20.5 - place) / 2.2)
        canvas.ellipse((0, y), (wide, deep), tissues.cortex * 0.85)
        core = tissues.marrow + (tissues.cortex * 0.75 - tissues.marrow) * plate
        canvas.ellipse((0, y), (wide - 1.8, deep - 1.8), core)
    arch = y + 22.0
    shell = tissues.cortex * (0.75 if place < 15 else 0.35)
    for side in (-1, 1):
        if 6 < place < 20:
            canvas.tube([(side * 12, y + 9, z), (side * 13, arch, z)], (4.5, 4), shell)
        if 9 < place < 19:
            tip = (side * 33, arch + 8, z)
            canvas.tube([(side * 12, arch - 1, z), tip], (4.6, 3.6), shell)
            canvas.tube([(side * 12, arch - 1, z), tip], (2.6, 1.8), tissues.marrow)
    canvas.ellipse((0, arch), (13, 11.5), shell)
    canvas.ellipse((0, arch), (9.2, 8.2), tissues.fat * 0.4)
    canvas.ellipse((0, arch), (7.4, 6.4), 0.45 * tissues.muscle)
    long = 8 + 9 * np.exp(-(((place - 6) / 7) ** 2))
    canvas.tube([(0, arch + 11, z), (0, arch + 8 + long, z)], (3.4, 2.6), shell)


def _breastbone(view: View, canvas: Canvas) -> None:
    z, tissues = canvas.z, view.tissues
    if not -95 < z < 58:
        return
    y = -float(view.chest.cavity(THETA[:1], z)[0]) - 7.0
    wide = float(np.interp(z, [-95, -78, -60, 20, 32, 58], [4, 7, 18, 15, 26, 30]))
    gap = abs(z - 26) < 2
    canvas.ellipse((0, y), (wide, 6.2), tissues.cartilage if gap else tissues.cortex * 0.6)
    if not gap and wide > 6:
        canvas.ellipse((0, y), (wide - 1.8, 4.4), tissues.marrow * 0.75)


def _collarbones(view: View, canvas: Canvas) -> None:
    for side in (-1, 1):
        line = [(side * 20, -64, 56), (side * 62, -66, 74), (side * 112, -34, 96)]
        line.append((side * 138, -8, 112))
        canvas.tube(line, (9, 6, 5.5, 7), view.tissues.cortex)
        canvas.tube(line, (6.4, 3.6, 3, 4.6), view.tissues.marrow)


def _shoulder_blades(view: View, canvas: Canvas) -> None:
    z, tissues = canvas.z, view.tissues
    width = float(np.interp(z, [-40, -25, 20, 60, 95, 110], [4, 18, 40, 62, 66, 40]))
    lean = float(np.interp(z, [-40, 60, 110], [0.62, 0.72, 0.85]))
    for side in (-1, 1):
        start = np.array([side * 78.0, float(np.interp(z, [-40, 60, 110], [89, 82, 66]))])
        end = start + width * np.array([side * np.cos(lean), -np.sin(lean)])
        line = [(*start, z), (*(0.5 * (start + end) + [0, -3]), z), (*end, z)]
        canvas.tube(line, (3.2, 2.3, 4.2), tissues.cortex * 0.8)
        canvas.tube(line[1:], (0.7, 2.2), tissues.marrow)
        if z > 62:  # the spine of the shoulder blade
            spine = 0.55 * start + 0.45 * end
            out = spine + np.array([side * 22.0, 13.0]) * min(1.0, (z - 62) / 30)
            canvas.tube([(*spine, z), (*out, z)], (2.4, 3.0), tissues.cortex * 0.8)
