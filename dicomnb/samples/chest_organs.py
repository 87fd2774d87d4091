"""What is within the ribs: lungs, heart, great vessels, airways, and the top of the belly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dicomnb.samples.shapes import soft

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dicomnb.samples.grids import View
    from dicomnb.samples.shapes import Canvas

    Floats = NDArray[np.float32]

__all__ = ["LEFT_BRONCHUS", "RIGHT_BRONCHUS", "paint_inside"]

RIGHT_BRONCHUS = [(1, 8, 2), (-20, 14, -12), (-36, 16, -28), (-46, 24, -52), (-58, 34, -82)]
LEFT_BRONCHUS = [(1, 8, 2), (24, 18, -16), (42, 24, -30), (50, 32, -54), (58, 38, -84)]
_SIDE_BRONCHI = [
    [(-22, 14, -12), (-42, 10, -4), (-58, 4, 14)],
    [(-40, 20, -40), (-58, 2, -48), (-72, -18, -58)],
    [(38, 22, -26), (52, 8, -18), (62, -6, 4)],
    [(44, 26, -36), (62, 12, -36), (76, 0, -40)],
]


def paint_inside(view: View, canvas: Canvas, depth: Floats, wave: Floats, fine: Floats) -> Floats:
    """Paint everything within the ribs.

    Args:
        view: the chest on its grid.
        canvas: the slice, its wall painted.
        depth: mm from the inner side of the ribs, negative inside.
        wave: a slow texture of deviation 1.
        fine: a fine one.

    Returns:
        How much of each pixel is lung, 0 to 1, (rows, columns).
    """
    z, pixel, tissues = canvas.z, canvas.pixel, view.tissues
    inside = soft(depth, pixel)
    if z > 60:
        inside *= soft((np.float32(z) - view.apex) * np.float32(0.8), 2 * pixel)
    above = soft((view.dome - np.float32(z)) * np.float32(0.8), 2 * pixel)
    # the back of the lung is denser: the patient lies on it
    density = canvas.y[:, None] * np.float32(0.0005) + np.float32(0.02)
    density = density + wave * np.float32(0.012) + fine * np.float32(0.012)
    canvas.paint(inside, np.float32(tissues.lung) * (1 - np.sign(-tissues.lung) * density))
    if float(view.dome.max()) > z - 3:
        _belly(view, canvas, inside * (1 - above), wave)
    right, left = view.chest.middle(canvas.y.astype(np.float64), z)
    x = canvas.x[None, :]
    edge = np.maximum(right.astype(np.float32)[:, None] - x, x - left.astype(np.float32)[:, None])
    middle = soft(edge + wave * np.float32(1.2), pixel)
    share = inside * above
    share *= 1 - middle
    middle *= inside
    if z < -60:
        middle *= above
    canvas.paint(middle, tissues.fat)
    before = canvas.value.copy()
    _mediastinum(view, canvas, above)
    # what an organ has covered is lung no more
    before -= canvas.value
    share *= np.clip(1 - np.abs(before) * np.float32(1 / abs(tissues.muscle - tissues.lung)), 0, 1)
    return share


# --------------------------------------------------------------------------- the belly
def _belly(view: View, canvas: Canvas, below: Floats, wave: Floats) -> None:
    tissues, z, pixel = view.tissues, canvas.z, canvas.pixel
    contrast = view.chest.body.contrast is not None
    x, y = canvas.x[None, :], canvas.y[:, None]
    canvas.paint(below, tissues.muscle)
    depth = (np.float32(z) - view.dome) * np.float32(0.5)
    within = below * soft(depth + np.float32(1.2), pixel)
    canvas.paint(within, tissues.fat)
    # the liver fills the right side and tapers to the left, in front of the stomach
    edge = x - np.float32(14) + (y + 22) * np.float32(0.62) + wave * np.float32(1.5)
    liver = np.maximum(edge, y - np.float32(66) - x * np.float32(0.12))
    canvas.paint(within * soft(liver, pixel), tissues.liver + 45 * contrast)
    bare = canvas.value.copy()
    _liver_vessels(view, canvas)
    canvas.ellipsoid((88, 38, -140), (24, 42, 36), tissues.spleen + 60 * contrast, turn=-0.3)
    _stomach(view, canvas)
    bare -= canvas.value
    bare *= 1 - below * soft(depth + np.float32(3), pixel)
    canvas.value += bare


def _liver_vessels(view: View, canvas: Canvas) -> None:
    vein = view.blood * (0.85 if view.chest.body.contrast is None else 0.65)
    root = (-24, 6, -104)
    for bend, tip in (
        ((-56, -16, -109), (-88, -38, -126)),
        ((-61, 14, -112), (-98, 22, -132)),
        ((-38, -28, -111), (-52, -62, -130)),
        ((-12, -27, -110), (0, -60, -128)),
    ):
        canvas.tube([root, bend, tip], (5.0, 3.6, 1.6), vein)
    canvas.tube([(-20, -10, -152), (-60, 0, -144), (-92, -8, -150)], (6, 5, 2), vein)
    canvas.tube([(-24, 8, -86), (-22, 14, -200)], (12, 12), view.blood)


def _stomach(view: View, canvas: Canvas) -> None:
    tissues = view.tissues
    centre, radii = (54.0, -16.0, -140.0), (36.0, 44.0, 33.0)
    height = (canvas.z - centre[2]) / radii[2]
    if abs(height) >= 1:
        return
    shrink = float(np.sqrt(1 - height**2))
    wide, deep = radii[0] * shrink, radii[1] * shrink
    canvas.ellipse(centre[:2], (wide, deep), tissues.stomach)
    if min(wide, deep) < 8:
        return
    wide, deep = wide - 4, deep - 4
    canvas.ellipse(centre[:2], (wide, deep), tissues.water)
    # gas rises to the front and ends in a level
    box = canvas.box((centre[0] - wide, centre[1] - deep), (centre[0] + wide, -20.0))
    x = (canvas.x[box[1]][None, :] - np.float32(centre[0])) / np.float32(wide)
    y = canvas.y[box[0]][:, None]
    ball = (np.hypot(x, (y - np.float32(centre[1])) / np.float32(deep)) - 1) * np.float32(deep)
    canvas.paint_box(box, soft(np.maximum(ball, y + np.float32(26)), canvas.pixel), tissues.air)


# --------------------------------------------------------------------------- the middle
def _mediastinum(view: View, canvas: Canvas, above: Floats) -> None:
    if canvas.z < 0:
        covered = canvas.value.copy()
        _heart(view, canvas)
        # the heart lies on the diaphragm, not in the liver
        canvas.value += (1 - above) * (covered - canvas.value)
    _great_vessels(view, canvas)
    _airways(view, canvas)


def _heart(view: View, canvas: Canvas) -> None:
    blood, wall = view.blood, view.heart_wall
    centre, ball = view.chest.heart
    box = canvas.box((-90, -105), (120, 80))
    x = (canvas.x[box[1]] - np.float32(centre[0]))[None, :]
    y = (canvas.y[box[0]] - np.float32(centre[1]))[:, None]
    unit = [
        x * np.float32(row[0]) + y * np.float32(row[1])
        + np.float32(row[2] * (canvas.z - centre[2]))
        for row in ball
    ]  # fmt: skip
    side = unit[1] ** 2 + unit[2] ** 2
    away = np.sqrt(unit[0] ** 2 + side)
    size = np.float32(45)
    fat = view.tissues.fat
    canvas.paint_box(box, soft((away - np.float32(1.08)) * size, canvas.pixel), fat)
    canvas.ellipsoid((-20, -14, -58), (37, 41, 48), fat)
    canvas.ellipsoid((6, 20, -42), (33, 23, 27), blood)  # the left atrium
    canvas.ellipsoid((-21, -13, -58), (32, 36, 43), blood)  # the right one
    canvas.paint_box(box, soft((away - 1) * size, canvas.pixel), wall)
    # the left ventricle's room lies to the back, the right one's to the front
    left = np.sqrt(
        (unit[0] + 0.05) ** 2 / 0.62 + (unit[1] + 0.36) ** 2 / 0.19 + unit[2] ** 2 / 0.34
    )
    right = np.sqrt((unit[0] + 0.1) ** 2 / 0.66 + (unit[1] - 0.56) ** 2 / 0.10 + unit[2] ** 2 / 0.5)
    canvas.paint_box(box, soft((left - 1) * np.float32(20), canvas.pixel), blood)
    canvas.paint_box(box, soft((right - 1) * np.float32(14), canvas.pixel), blood)
    _coronaries(view, canvas)


def _coronaries(view: View, canvas: Canvas) -> None:
    line = [(14, -32, -22), (28, -54, -40), (46, -66, -62), (60, -72, -84)]
    canvas.tube(line, (4.5, 4.2, 3.8, 3.2), view.tissues.fat)
    canvas.tube(line, (2.0, 1.9, 1.6, 1.2), view.blood)
    if view.chest.body.age > 62 and view.tissues.air < 0:
        canvas.tube([(20, -43, -31), (29, -55, -41)], (1.4, 1.8), 480)
        canvas.tube([(43, -64, -58), (47, -67, -64)], (1.6, 1.2), 420)


def _great_vessels(view: View, canvas: Canvas) -> None:
    blood, z = view.blood, canvas.z
    vein = view.blood if view.chest.body.contrast is None else view.blood - 40
    canvas.tube([(-16, -22, -36), (-20, -24, 0), (-16, -20, 22)], (15, 15, 14.5), blood)
    arch = [(-16, -20, 22), (-8, -10, 34), (8, 8, 38), (20, 28, 32), (24, 38, 18)]
    canvas.tube(arch, (14.5, 14, 13.5, 13, 12.5), blood)
    canvas.tube([(24, 38, 18), (26, 42, -40), (20, 44, -110), (10, 42, -200)], [12.5, 12, 11.5, 11],
                blood)  # fmt: skip
    if view.chest.body.age > 62 and view.tissues.air < 0:
        canvas.tube([(31, 30, 34), (34, 36, 26)], (1.2, 2.0), 560)
    canvas.tube([(-27, -8, -30), (-28, -6, 20), (-26, -10, 44)], (9.5, 9, 8.5), vein)
    canvas.tube([(-26, -10, 44), (0, -26, 52), (30, -26, 70), (36, -16, 120)], [8, 6.5, 6, 6], vein)
    canvas.tube([(-26, -10, 44), (-34, -12, 80), (-38, -10, 120)], (8, 7, 6.5), vein)
    for line, radius in (
        ([(-8, -8, 38), (-16, -4, 66), (-30, 2, 120)], 6.5),
        ([(6, 4, 42), (12, 0, 70), (22, 2, 120)], 4.2),
        ([(16, 18, 38), (24, 18, 70), (38, 14, 120)], 4.8),
    ):
        canvas.tube(line, [radius] * 3, blood)
    if -70 < z < 30:
        trunk = [(22, -36, -40), (18, -30, -16), (22, -8, -6), (40, 14, -8), (56, 24, -30)]
        canvas.tube(trunk, (14, 14, 13, 10.5, 7.5), blood)
        canvas.tube([(18, -18, -12), (-4, -2, -14), (-32, 8, -16), (-52, 16, -32)], (12, 11, 10, 7),
                    blood)  # fmt: skip
        for side in (-1, 1):  # pulmonary veins
            canvas.tube([(6 + side * 24, 24, -42), (side * 62, 26, -50)], (7.5, 4), vein)
            canvas.tube([(6 + side * 22, 10, -36), (side * 58, -8, -28)], (6.5, 3.5), vein)
    azygos = [(-8, 46, -200), (-8, 46, -4), (-24, 30, 8), (-28, -2, 10)]
    canvas.tube(azygos, (4, 4, 3.8, 3.8), vein)


def _airways(view: View, canvas: Canvas) -> None:
    tissues, z = view.tissues, canvas.z
    wall, air = 0.7 * tissues.muscle, tissues.air
    gullet = (6.0, float(np.interp(z, [-160, -60, 0, 120], [24, 36, 32, 24])))
    canvas.ellipse(gullet, (8, 6), 0.8 * tissues.muscle)
    if view.chest.texture.at((0.0, 0.0, z * 0.5)) > 0.3:
        canvas.ellipse(gullet, (3, 1.6), air)
    trachea = [(4, -2, 130), (2, 4, 60), (1, 8, 2)]
    if z > -6:
        canvas.tube(trachea, (11, 11, 11.5), wall)
    mains = ((RIGHT_BRONCHUS, 8.2), (LEFT_BRONCHUS, 7.6))
    for thick, value in ((1.6, wall), (0.0, air)):
        if z > -6 and value == air:
            canvas.tube(trachea, (9.2, 9.2, 9.6), air)
        for line, radius in mains:
            radii = [share * radius + thick * 0.8 for share in (1, 1, 0.8, 0.55, 0.3)]
            canvas.tube(line, radii, value)
        for line in _SIDE_BRONCHI:
            canvas.tube(line, [part + thick * 0.7 for part in (5.0, 3.6, 2.0)], value)
