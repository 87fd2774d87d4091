"""One image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dicomnb.plots.drawing import (
    BAR,
    colour_bar,
    draw_picture,
    name_sides,
    new_axes,
    scale_bar,
    write_title,
)
from dicomnb.plots.pictures import pictures_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pydicom import Dataset

    from dicomnb.plots.pictures import Pictures

    Asked = str | tuple[Any, ...] | None

__all__ = ["draw_one", "show"]


def show(
    what: Any,
    *,
    frame: int | None = None,
    index: int | None = None,
    window: Asked = None,
    colorbar: bool = False,
    ax: Axes | None = None,
    title: str | None = None,
    overlays: bool = False,
    state: Dataset | None = None,
) -> Axes:
    """Draw one image, with the patient's sides, a scale bar and its window.

    Args:
        what: a data set with pixels, a `Volume`, an array of (rows, columns),
            (rows, columns, 3) or (slices, rows, columns), or a Pillow image.
        frame: of a data set: number of the frame, from 1; the first if not given.
        index: of a volume or stack: index of the slice, from 0, negative from the end; the
            middle one if not given.
        window: ``(center, width)``, a name as ``"lung"``, ``"auto"`` or ``"full"``; see
            `dicomnb.images.voi`. Not for colour.
        colorbar: say beside it which values the greys are. Not for colour, look-up tables
            and sigmoid windows, whose greys are no straight scale.
        ax: where to draw; a new figure if not given.
        title: instead of the description of the series.
        overlays: of a data set: with its overlay planes (60xx), burnt in in white.
        state: of a data set: a grayscale presentation state that shows it otherwise: its
            window, shutters, rotation and flip, which the letters follow.

    Returns:
        The axes, with the image in pixel coordinates.

    Raises:
        TypeError: ``frame`` for a volume, ``index`` for a single image, overlays or a state
            for what is no data set, or nothing to draw.
        IndexError: there is no such slice.
        ValueError: there is no such frame or window, or the state is of another image.
    """
    images = pictures_of(what, window=window, overlays=overlays, state=state)
    place = images.place(frame=frame, index=index)
    if ax is None:
        ax = new_axes(images.draw(place), images.aspect, beside=BAR * colorbar)
    draw_one(ax, images, place, title=title)
    chosen = images.window(place)
    if colorbar and chosen is not None:
        colour_bar(ax, chosen, label=images.units or "value", inverse=images.inverse)
    return ax


def draw_one(
    ax: Axes, images: Pictures, place: int, *, title: str | None = None, detail: str = ""
) -> None:
    """Draw one of the pictures with all that belongs to it.

    Args:
        ax: where.
        images: the pictures.
        place: which of them, from 0.
        title: instead of that of the pictures.
        detail: what to say in the second line, instead of the window.
    """
    picture = images.draw(place)
    draw_picture(ax, picture, images.aspect)
    name_sides(ax, images.letters(place))
    spacing = images.spacing[1] if images.spacing else None
    scale_bar(ax, spacing, picture.shape[1], note=images.note)
    which = ""
    if images.count > 1:
        which = f"frame {place + 1} of {images.count}"
        if images.noun == "slice":
            which = f"index {place} of {images.count} slices"
    write_title(ax, images.title if title is None else title, which, detail or images.shown(place))
