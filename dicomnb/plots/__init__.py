"""Figures of images, volumes and values: Matplotlib functions that take ``ax=`` and return it.

Pictures keep the shape of the patient (rows and columns by their spacing), say which window
they were made with, and name the edges (R L A P S I) where the geometry is known.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.plots.pictures import OPPOSITE, Pictures, pictures_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    Array = np.ndarray[Any, Any]
    Asked = str | tuple[Any, ...] | None

__all__ = ["histogram", "montage", "show"]

_CANVAS = 1600  # pixels of a montage's longer side, about
_GAP = 2  # pixels between its tiles


def show(
    what: Any,
    *,
    frame: int | None = None,
    index: int | None = None,
    window: Asked = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw one image.

    Args:
        what: a data set with pixels, a `Volume`, an array of (rows, columns),
            (rows, columns, 3) or (slices, rows, columns), or a Pillow image.
        frame: of a data set: number of the frame, from 1; the first if not given.
        index: of a volume or stack: index of the slice, from 0, negative from the end; the
            middle one if not given.
        window: ``(center, width)``, a name as ``"lung"``, ``"auto"`` or ``"full"``; see
            `dicomnb.images.display.voi`. Not for colour.
        ax: where to draw; a new figure if not given.
        title: instead of the description of the series.

    Returns:
        The axes, with the image in pixel coordinates.

    Raises:
        TypeError: ``frame`` for a volume, ``index`` for a single image, or nothing to draw.
        IndexError: there is no such slice.
        ValueError: there is no such frame or window.
    """
    images = pictures_of(what, window=window)
    place = images.place(frame=frame, index=index)
    picture = images.draw(place)
    ax = ax if ax is not None else _new_axes(picture, images.aspect)
    _draw(ax, picture, images.aspect)
    _name_edges(ax, images.edges)
    which = ""
    if images.count > 1:
        which = f"frame {place + 1} of {images.count}"
        if images.noun == "slice":
            which = f"index {place} of {images.count} slices"
    _write_title(ax, images.title if title is None else title, which, images.label(place))
    return ax


def montage(
    what: Any,
    *,
    count: int | None = None,
    columns: int | None = None,
    window: Asked = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw images side by side, picked evenly from first to last, with one and the same window.

    Args:
        what: a `Volume`, an array of (slices, rows, columns), or a data set of many frames.
        count: how many tiles; 20, or all there are, if not given.
        columns: tiles in a row; if not given, as many as make the whole a bit wider than high.
        window: see `show`.
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
    ax = ax if ax is not None else _new_axes(canvas, images.aspect, width=9.0)
    _draw(ax, canvas, images.aspect)
    _number_tiles(ax, [place + images.first for place in places], tiles[0].shape, columns)
    which = f"{wanted} of {images.count} {images.noun}s" if wanted < images.count else ""
    which = which or f"{images.count} {images.noun}{'s' if images.count > 1 else ''}"
    _write_title(
        ax, images.title if title is None else title, which, images.label(places[len(places) // 2])
    )
    return ax


def histogram(
    what: Any,
    *,
    bins: int = 200,
    range: tuple[float, float] | None = None,
    log: bool = True,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw how often each value occurs.

    Args:
        what: a `Volume`, an array, or a data set (all its frames, as modality values).
        bins: how many, at most; for whole numbers every bin holds equally many values.
        range: lowest and highest value shown; all if not given. Values outside are not counted.
        log: logarithmic counts, so that bone shows beside air.
        ax: where to draw; a new figure if not given.
        title: instead of the description of the series.

    Returns:
        The axes: values with their units along x, voxels along y.

    Raises:
        TypeError: nothing to count.
        ValueError: ``bins`` or ``range`` makes no sense, or no value is finite.
    """
    if bins < 1:
        raise ValueError(f"bins={bins}: it must be 1 or more.")
    images = pictures_of(what, window=None)
    counts, edges = _count(images, bins, range)
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
    ax.stairs(counts, edges, fill=True, color="C0", alpha=0.85)
    if log:
        ax.set_yscale("log", nonpositive="clip")
    ax.set_xlim(edges[0], edges[-1])
    ax.set_xlabel(images.units or "value")
    ax.set_ylabel("voxels" if images.noun == "slice" else "pixels")
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_title(images.title if title is None else title, loc="left", fontsize=10)
    return ax


def _new_axes(picture: Array, aspect: float, *, width: float = 4.8) -> Axes:
    """Axes in a new figure that has the shape of the image, with room for two lines above."""
    import matplotlib.pyplot as plt

    rows, columns = picture.shape[:2]
    height = width * rows * aspect / columns
    scale = min(1.0, 2.0 * width / height)
    size = (max(width * scale, 2.4), height * scale + 0.5)
    _, ax = plt.subplots(figsize=size, layout="constrained")
    return ax


def _draw(ax: Axes, picture: Array, aspect: float) -> None:
    """Put a picture on axes without ticks or frame."""
    ax.imshow(picture, aspect=aspect, cmap="gray", vmin=0, vmax=255)  # RGB takes no heed of these
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)


def _write_title(ax: Axes, title: str, *details: str) -> None:
    """Two lines, flush left: what it is, then which of it and with what window."""
    second = "  ·  ".join(detail for detail in details if detail)
    lines = [line for line in (_short(title), second) if line]
    ax.set_title("\n".join(lines), loc="left", fontsize=9, linespacing=1.4, pad=6)


def _short(words: str, longest: int = 60) -> str:
    return words if len(words) <= longest else words[: longest - 1] + "…"


def _name_edges(ax: Axes, edges: tuple[str, str]) -> None:
    """Letters of the patient's sides, inside the image at its edges."""
    right, bottom = edges
    for letter, x, y, across, along in (
        (right, 0.985, 0.5, "right", "center"),
        (right.translate(OPPOSITE), 0.015, 0.5, "left", "center"),
        (bottom, 0.5, 0.015, "center", "bottom"),
        (bottom.translate(OPPOSITE), 0.5, 0.985, "center", "top"),
    ):
        if letter:
            _text(ax, x, y, letter, ha=across, va=along, size=9, transform=ax.transAxes)


def _number_tiles(ax: Axes, labels: Sequence[int], shape: tuple[int, ...], columns: int) -> None:
    """Each tile's number in its upper left corner."""
    for place, label in enumerate(labels):
        row, column = divmod(place, columns)
        x = column * (shape[1] + _GAP) + 0.03 * shape[1]
        y = row * (shape[0] + _GAP) + 0.03 * shape[0]
        _text(ax, x, y, str(label), ha="left", va="top", size=7, alpha=0.85)


def _text(ax: Axes, x: float, y: float, words: str, **options: Any) -> None:
    """White text that can be read on white as well."""
    from matplotlib.patheffects import withStroke

    effect = [withStroke(linewidth=2, foreground="black", alpha=0.8)]
    ax.text(x, y, words, color="white", path_effects=effect, **options)


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


def _count(images: Pictures, bins: int, limits: tuple[float, float] | None) -> tuple[Array, Array]:
    """Count values image by image, so that no copy of a whole volume is made."""
    if limits is None:
        ends = [_ends(images.values(place)) for place in range(images.count)]
        limits = (min(low for low, _ in ends), max(high for _, high in ends))
    low, high = limits
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(f"range={limits}: no values lie there.")
    whole = images.values(0).dtype.kind in "iub"
    if whole:
        width = max(math.ceil((high - low + 1) / bins), 1)
        number_of = math.ceil((math.floor(high) - math.ceil(low) + 1) / width)
        edges = math.ceil(low) - 0.5 + width * np.arange(number_of + 1)
    else:
        edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    counts = np.zeros(len(edges) - 1, np.int64)
    for place in range(images.count):
        values = images.values(place)
        values = values[np.isfinite(values)] if values.dtype.kind == "f" else values
        counts += np.histogram(values, bins=len(counts), range=(edges[0], edges[-1]))[0]
    return counts, edges


def _ends(values: Array) -> tuple[float, float]:
    """Lowest and highest finite value; the wrong way round where there is none."""
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    return (float(finite.min()), float(finite.max())) if finite.size else (math.inf, -math.inf)
