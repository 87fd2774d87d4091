"""How often each value occurs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.plots.pictures import pictures_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dicomnb.plots.pictures import Pictures

    Array = np.ndarray[Any, Any]

__all__ = ["histogram"]


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
