"""Many images side by side."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.plots.drawing import (
    BAR,
    colour_bar,
    draw_picture,
    new_axes,
    outlined,
    scale_bar,
    write_title,
)
from dicomnb.plots.pictures import pictures_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    Array = np.ndarray[Any, Any]
    Asked = str | tuple[Any, ...] | None

__all__ = ["montage"]

_CANVAS = 1600  # pixels of a montage's longer side, about
_GAP = 2  # pixels between its tiles


def montage(
    what: Any,
    *,
    count: int | None = None,
    columns: int | None = None,
    window: Asked = None,
    colorbar: bool = False,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw images side by side, picked evenly from first to last, with one and the same window.

    Args:
        what: a `Volume`, an array of (slices, rows, columns), or a data set of many frames.
        count: how many tiles; 20, or all there are, if not given.
        columns: tiles in a row; if not given, as many as make the whole a bit wider than high.
        window: see `show`.
        colorbar: see `show`.
        ax: where to draw; a new figure if not given.
        title: instead of the description of the series.

    Returns:
        The axes. Each tile bears the index of its slice, or the number of its frame.

    Raises:
        TypeError: nothing to draw.
        ValueError: ``count`` or ``columns`` is less than 1, or there is no such window.
    """
    if (count is not None and count < 1) or (columns is not None and columns < 1):
        raise ValueError(f"count={count}, columns={columns}: both must be 1 or more.")
    images = pictures_of(what, window=window, alike=True)
    wanted = min(count or 20, images.count)
    places = [round(place) for place in np.linspace(0, images.count - 1, wanted)]
    rows, width = images.draw(places[0]).shape[:2]
    columns = columns or _columns(wanted, rows * images.aspect / width)
    columns = min(columns, wanted)
    step = max(1, columns * max(rows, width) // _CANVAS)
    tiles = [images.draw(place)[::step, ::step] for place in places]
    canvas = _compose(tiles, columns)
    ax = ax if ax is not None else new_axes(canvas, images.aspect, width=9.0, beside=BAR * colorbar)
    draw_picture(ax, canvas, images.aspect)
    if images.spacing:
        scale_bar(ax, images.spacing[1] * step, tiles[0].shape[1], note=images.note)
    chosen = images.window(places[len(places) // 2])
    if colorbar and chosen is not None:
        colour_bar(ax, chosen, label=images.units or "value", inverse=images.inverse)
    _number_tiles(ax, [place + images.first for place in places], tiles[0].shape, columns)
    which = f"{wanted} of {images.count} {images.noun}s" if wanted < images.count else ""
    which = which or f"{images.count} {images.noun}{'s' if images.count > 1 else ''}"
    write_title(
        ax, images.title if title is None else title, which, images.shown(places[len(places) // 2])
    )
    return ax


def _number_tiles(ax: Axes, labels: Sequence[int], shape: tuple[int, ...], columns: int) -> None:
    """Each tile's number in its upper left corner."""
    for place, label in enumerate(labels):
        row, column = divmod(place, columns)
        x = column * (shape[1] + _GAP) + 0.03 * shape[1]
        y = row * (shape[0] + _GAP) + 0.03 * shape[0]
        outlined(ax, x, y, str(label), ha="left", va="top", size=7, alpha=0.85)


def _columns(count: int, shape: float) -> int:
    """Tiles in a row, so that the whole is about 3 to 2, and the last row not too empty."""
    ideal = math.sqrt(1.5 * count * shape)
    near = range(max(1, round(ideal) - 2), min(count, round(ideal) + 2) + 1)

    def cost(columns: int) -> float:
        return abs(math.log(columns / ideal)) + 0.5 * (-count % columns) / columns

    return min(near, key=cost, default=count)


def _compose(tiles: Sequence[Array], columns: int) -> Array:
    """Tiles on one black canvas, row by row, with narrow gaps."""
    rows, width = tiles[0].shape[:2]
    lines = -(-len(tiles) // columns)
    size = (lines * (rows + _GAP) - _GAP, columns * (width + _GAP) - _GAP)
    canvas = np.zeros((*size, *tiles[0].shape[2:]), np.uint8)
    for place, tile in enumerate(tiles):
        line, column = divmod(place, columns)
        top, left = line * (rows + _GAP), column * (width + _GAP)
        canvas[top : top + rows, left : left + width] = tile
    return canvas
