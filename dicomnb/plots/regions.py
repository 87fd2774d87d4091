"""Regions over an image: masks filled or outlined, contours, and the legend that names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    Array = np.ndarray[Any, Any]
    Region = Array | list[Array]

__all__ = ["by_label", "draw_regions", "room_for_legend"]

#: Colours that are told apart by people who do not see red or green, and on grey (Okabe, Ito);
#: then some more, so that no two names of a legend have one colour.
_COLOURS = (
    *("#E69F00", "#56B4E9", "#CC79A7", "#009E73", "#F0E442", "#D55E00", "#0072B2"),
    *("#A6FFD0", "#8E44FF", "#FF8FA3", "#7A4A12", "#C5E000"),
)
_MOST_NAMES = len(_COLOURS)  # in a legend


def by_label(labels: Array) -> dict[str, Region]:
    """A mask for each label but 0; one without a name for a mask.

    Raises:
        TypeError: values that are no labels.
    """
    if labels.dtype == bool:
        return {"": labels}
    if labels.dtype.kind not in "iu" and not np.array_equal(labels, np.round(labels)):
        raise TypeError("Labels are whole numbers; for other values use style='heat'.")
    return {f"{label:g}": labels == label for label in np.unique(labels) if label != 0}


def room_for_legend(regions: Mapping[str, Region]) -> float:
    """Inches that a legend needs; none without any names."""
    longest = max((len(_named(name, region)) for name, region in regions.items()), default=0)
    return 0.5 + 0.075 * longest if any(regions) else 0.0


def draw_regions(
    ax: Axes, regions: Mapping[str, Region], *, aspect: float, style: str, alpha: float
) -> None:
    """Draw regions in colours of their own, with a legend where they have names.

    Args:
        ax: where the image is drawn already.
        regions: name → a mask (rows, columns), or rings (points, 2) of x and y.
        aspect: of the image.
        style: ``"fill"`` or ``"outline"``, for masks.
        alpha: of the filling.
    """
    from matplotlib.patches import Patch

    handles = []
    for number, (name, region) in enumerate(regions.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        hollow = style == "outline" or isinstance(region, list)
        if isinstance(region, list):
            _lines(ax, [np.concatenate([ring, ring[:1]]) for ring in region], colour, width=1.2)
        elif (region > 0).any():
            if not hollow:
                _fill(ax, region > 0, colour, aspect=aspect, alpha=alpha)
            _lines(ax, _edges(region > 0), colour, width=1.2 if hollow else 0.8)
        if name:
            look: dict[str, Any] = {"facecolor": colour, "alpha": max(alpha, 0.6)}
            if hollow:
                look = {"facecolor": "none", "edgecolor": colour}
            handles.append(Patch(label=_named(name, region), **look))
    if len(handles) > _MOST_NAMES:
        more = Patch(label=f"and {len(handles) - _MOST_NAMES} more", facecolor="none")
        handles = [*handles[:_MOST_NAMES], more]
    if handles:
        ax.legend(
            handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=8, frameon=False,
            borderaxespad=0,
        )  # fmt: skip


def _named(name: str, region: Region) -> str:
    """A region's name, and that there is nothing of it where this is so."""
    here = len(region) > 0 if isinstance(region, list) else bool((region > 0).any())
    return name if here or not name else f"{name} (not here)"


def _fill(ax: Axes, inside: Array, colour: str, *, aspect: float, alpha: float) -> None:
    from matplotlib.colors import to_rgba

    layer = np.zeros((*inside.shape, 4))
    layer[inside] = to_rgba(colour, alpha)
    ax.imshow(layer, aspect=aspect, interpolation="nearest")


def _lines(ax: Axes, lines: Any, colour: str, *, width: float) -> None:
    from matplotlib.collections import LineCollection

    drawn = LineCollection(lines, colors=colour, linewidths=width, capstyle="projecting")
    ax.add_collection(drawn, autolim=False)


def _edges(inside: Array) -> list[Any]:
    """The edges of the pixels where a mask ends: exact, whatever its shape."""
    padded = np.pad(inside, 1)
    across = np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1])
    along = np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1])
    lines = [((x - 0.5, y - 0.5), (x + 0.5, y - 0.5)) for y, x in across.tolist()]
    return lines + [((x - 0.5, y - 0.5), (x - 0.5, y + 0.5)) for y, x in along.tolist()]
