"""Three planes through one point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.images.windows import window
from dicomnb.plots.drawing import BAR, colour_bar, name_sides, scale_bar
from dicomnb.plots.pictures import in_words, window_for
from dicomnb.volumes.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from dicomnb.images.windows import Window
    from dicomnb.volumes.planes import Plane

    Array = np.ndarray[Any, Any]
    Asked = str | tuple[Any, ...] | None

__all__ = ["planes"]

_NAMES = ("axial", "coronal", "sagittal")
_AXES = {"axial": 2, "coronal": 1, "sagittal": 0}  # which of x, y, z a plane has one value of
_COLOURS = {"axial": "#4cc9f0", "coronal": "#f9c74f", "sagittal": "#f28482"}


def planes(
    volume: Volume,
    *,
    at: Sequence[float] | None = None,
    window: Asked = None,
    crosshair: bool = True,
    colorbar: bool = False,
    ax: Sequence[Axes] | None = None,
    title: str | None = None,
) -> Array:
    """Draw the axial, the coronal and the sagittal plane through a point, at one scale.

    As radiologists look at them: the patient's right is at the left of the axial and the
    coronal plane, the front at the left of the sagittal one. Of an oblique volume, the planes
    of voxels that are nearest in direction.

    Args:
        volume: with its geometry.
        at: the point, LPS mm (x to the left, y to the back, z to the head); the middle of the
            volume if not given.
        window: see `show`.
        crosshair: lines where the other two planes cut each one, in colours of their own.
        colorbar: say beside the last plane which values the greys are.
        ax: three axes to draw in; a new figure if not given.
        title: instead of the description of the series.

    Returns:
        The three axes, in mm from the centre of each plane's first voxel.

    Raises:
        TypeError: not a volume, or a volume with four axes: choose a stack with ``at``.
        GeometryError: it has no geometry, or is tilted.
        ValueError: the point lies outside, or there is no such window; or ``ax`` are not three.

    Example:
        >>> dn.plots.planes(volume, at=(30, -110, 250), window="lung")  # doctest: +SKIP
    """
    if not isinstance(volume, Volume):
        raise TypeError(f"planes needs a Volume, with its geometry, not {type(volume).__name__}.")
    if volume.array.ndim != 3:
        raise TypeError("This volume has stacks of slices: choose one, with volume.at(0).")
    point = _point(volume, at)
    cut = {name: volume.plane(name, mm=point[_AXES[name]]) for name in _NAMES}
    chosen = window_for(volume, window)
    inverse = volume.photometric == "MONOCHROME1"
    made = _axes(cut, beside=BAR * colorbar) if ax is None else ax
    axes = np.asarray(made, dtype=object).reshape(-1)
    if len(axes) != 3:
        raise ValueError(f"ax= must be three axes, for {', '.join(_NAMES)}; it is {len(axes)}.")
    words = " · ".join(part for part in (volume.modality, volume.title) if part)
    head = [words if title is None else title, f"{chosen} {in_words(volume.units)}".rstrip()]
    lines = ["  ·  ".join(part for part in head if part) + "\n", "", ""]
    for one, name, line in zip(axes, _NAMES, lines, strict=True):
        # One scale bar is enough for three planes at one scale.
        scaled = name == "axial" or ax is not None
        _draw_plane(one, cut[name], chosen, inverse=inverse, scaled=scaled)
        if crosshair:
            _draw_crosshair(one, cut[name], point)
        where = f"{'xyz'[_AXES[name]]} = {point[_AXES[name]]:.1f} mm".replace("-", "−")
        words = f"{line}{name}  ·  {where}"
        one.set_title(words, loc="left", fontsize=9, linespacing=1.4, pad=6)
    if colorbar:
        colour_bar(axes[-1], chosen, label=in_words(volume.units) or "value", inverse=inverse)
    return axes


def _point(volume: Volume, at: Sequence[float] | None) -> Array:
    """The point in LPS mm, which must lie in the volume."""
    middle = volume.position(*((count - 1) / 2 for count in volume.shape))
    if at is None:
        # The middle of a voxel, so that planes and crosshair are at one and the same place.
        middle = volume.position(*(count // 2 for count in volume.shape))
        return np.asarray(middle, np.float64)
    point = np.asarray(at, np.float64)
    if point.shape != (3,) or not np.isfinite(point).all():
        raise ValueError(f"at={at!r}: it is a point (x, y, z) in LPS mm.")
    index = volume.index(*point)
    if (index < -0.5).any() or (index > np.array(volume.shape) - 0.5).any():
        corner = ", ".join(f"{value:.0f}" for value in middle)
        raise ValueError(
            f"The point {tuple(float(value) for value in point)} lies outside the volume, whose "
            f"middle is at ({corner}) LPS mm."
        )
    return point


def _axes(cut: dict[str, Plane], *, beside: float) -> Array:
    """Three axes side by side, each as wide as its plane in mm, so that all have one scale."""
    import matplotlib.pyplot as plt

    sizes = [_size(plane) for plane in cut.values()]
    widths = [width for width, _ in sizes]
    highest = max(height for _, height in sizes)
    inches = 11.0 / sum(widths)
    _, axes = plt.subplots(
        1,
        3,
        figsize=(11.4 + beside, min(highest * inches + 0.8, 9)),
        width_ratios=widths,
        layout="constrained",
    )
    return np.asarray(axes, dtype=object)


def _size(plane: Plane) -> tuple[float, float]:
    """Width and height in mm."""
    left, right, bottom, top = plane.extent
    return right - left, bottom - top


def _draw_plane(ax: Axes, plane: Plane, chosen: Window, *, inverse: bool, scaled: bool) -> None:
    grey = window(plane.array, chosen.center, chosen.width, function=chosen.function)
    ax.imshow(
        255 - grey if inverse else grey,
        cmap="gray",
        vmin=0,
        vmax=255,
        extent=plane.extent,
        origin="upper",
        interpolation="antialiased",
    )
    ax.set_aspect("equal", anchor="N")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    name_sides(ax, plane.letters)
    if scaled:
        scale_bar(ax, 1.0, round(_size(plane)[0]))


def _draw_crosshair(ax: Axes, plane: Plane, point: Array) -> None:
    """The two other planes as lines, open around the point itself."""
    inverse = np.linalg.inv(plane.affine)
    _, row, column = inverse[:3, :3] @ point + inverse[:3, 3]
    y, x = row * plane.spacing[0], column * plane.spacing[1]
    left, right, bottom, top = plane.extent
    gap = 0.04 * min(right - left, bottom - top)
    across, along = _lines_of(plane)
    # Short of the edges, where the letters are.
    indent, drop = 0.07 * (right - left), 0.09 * (bottom - top)
    segments = [
        ((start, end), (y, y), across)
        for start, end in ((left + indent, x - gap), (x + gap, right - indent))
        if start < end
    ] + [
        ((x, x), (start, end), along)
        for start, end in ((top + drop, y - gap), (y + gap, bottom - drop))
        if start < end
    ]
    for xs, ys, name in segments:
        ax.plot(xs, ys, color=_COLOURS[name], linewidth=0.8, alpha=0.9)
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)


def _lines_of(plane: Plane) -> tuple[str, str]:
    """Which plane the line across is, and which the line from top to bottom."""
    return {
        "axial": ("coronal", "sagittal"),
        "coronal": ("axial", "sagittal"),
        "sagittal": ("axial", "coronal"),
    }[plane.name]
