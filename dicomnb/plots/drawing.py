"""What the figures share: axes in the shape of the patient, letters, a scale bar, titles, bars."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar

    from dicomnb.images.windows import Window

    Array = np.ndarray[Any, Any]

__all__ = [
    "BAR",
    "OPPOSITE",
    "colour_bar",
    "draw_picture",
    "name_sides",
    "new_axes",
    "outlined",
    "scale_bar",
    "write_title",
]

#: Room that a colour bar needs beside an image, inches.
BAR = 0.9

#: Each letter of the patient's sides to the one across.
OPPOSITE = str.maketrans("RLAPSIHF", "LRPAISFH")


def new_axes(picture: Array, aspect: float, *, width: float = 4.8, beside: float = 0) -> Axes:
    """Axes in a new figure that has the shape of the image, with room for two lines above.

    Args:
        picture: (rows, columns, …).
        aspect: height of a pixel over its width.
        width: of the figure, inches; less where the image is high and narrow.
        beside: room at the right for a bar or a legend, inches.
    """
    import matplotlib.pyplot as plt

    rows, columns = picture.shape[:2]
    height = width * rows * aspect / columns
    scale = min(1.0, 2.0 * width / height)
    size = (max(width * scale, 2.4) + beside, height * scale + 0.5)
    _, ax = plt.subplots(figsize=size, layout="constrained")
    ax.set_anchor("W")  # what room is left belongs to what stands beside the image
    return ax


def draw_picture(ax: Axes, picture: Array, aspect: float) -> None:
    """Put a picture on axes without ticks or frame."""
    ax.imshow(picture, aspect=aspect, cmap="gray", vmin=0, vmax=255)  # RGB takes no heed of these
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)


def write_title(ax: Axes, title: str, *details: str) -> None:
    """Two lines, flush left: what it is, then which of it and with what window.

    The title is cut to what has room over the axes; the window is always told in full.
    """
    second = "  ·  ".join(detail for detail in details if detail)
    lines = [line for line in (_short(title, _letters_over(ax)), second) if line]
    ax.set_title("\n".join(lines), loc="left", fontsize=9, linespacing=1.4, pad=6)


def name_sides(ax: Axes, letters: tuple[str, str, str, str]) -> None:
    """Letters of the patient's sides, inside the image at its edges.

    Args:
        ax: where.
        letters: at top, right, bottom and left; ``""`` for none.
    """
    places = (
        (0.5, 0.985, "center", "top"),
        (0.985, 0.5, "right", "center"),
        (0.5, 0.015, "center", "bottom"),
        (0.015, 0.5, "left", "center"),
    )
    for letter, (x, y, across, along) in zip(letters, places, strict=True):
        if letter:
            outlined(
                ax, x, y, letter,
                ha=across, va=along, size=10, weight="bold", transform=ax.transAxes,
            )  # fmt: skip


def scale_bar(ax: Axes, spacing: float | None, width: int, *, note: str = "") -> None:
    """A bar of a round number of mm in the lower left corner; none without a spacing.

    Args:
        ax: axes with an image whose x coordinate counts ``spacing``.
        spacing: mm of one unit along x, or None.
        width: of the image, in these units.
        note: what to say after the length.
    """
    if not spacing or not math.isfinite(spacing * width):
        return
    from matplotlib.lines import Line2D
    from matplotlib.patheffects import withStroke

    length = _round_length(0.3 * width * spacing)
    left = ax.get_xlim()[0] + 0.035 * width
    ends = (left, left + length / spacing)
    where = ax.get_xaxis_transform()  # x in pixels, y in parts of the axes
    line = Line2D(ends, (0.035, 0.035), transform=where, color="white", linewidth=2, clip_on=False)
    line.set_solid_capstyle("butt")
    line.set_path_effects([withStroke(linewidth=3.5, foreground="black", alpha=0.8)])
    line.set_gid("scale bar")
    ax.add_line(line)
    words = f"{length / 10:g} cm" if length >= 100 else f"{length:g} mm"
    outlined(
        ax, left, 0.05, f"{words} {note}".rstrip(), ha="left", va="bottom", size=7, transform=where
    )


def colour_bar(
    ax: Axes,
    window: Window | tuple[float, float],
    *,
    label: str,
    colours: Any = "gray",
    inverse: bool = False,
) -> Colorbar | None:
    """A bar that says which value each grey or colour stands for.

    Args:
        ax: the axes it stands beside.
        window: of grey, or the lowest and highest value.
        label: what the values are, with units.
        colours: the colour map.
        inverse: low values are the bright ones.

    Returns:
        The bar; None for a sigmoid window, whose greys are no straight scale.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    if len(window) == 2:
        low, high = window
    elif window.function == "SIGMOID":
        return None
    else:
        low, high = window.ends
    scale = ScalarMappable(Normalize(low, high), "gray_r" if inverse else colours)
    # Inset, so that it is as high as the image whatever the shape of the axes.
    bar = ax.get_figure().colorbar(scale, cax=ax.inset_axes((1.02, 0, 0.035, 1)))  # type: ignore[union-attr]
    bar.ax.set_title(label, loc="left", fontsize=8, pad=6)
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)
    return bar


def outlined(ax: Axes, x: float, y: float, words: str, **options: Any) -> None:
    """White text that can be read on white as well."""
    from matplotlib.patheffects import withStroke

    effect = [withStroke(linewidth=2, foreground="black", alpha=0.8)]
    text = ax.text(x, y, words, color="white", path_effects=effect, **options)
    # Text with an effect is drawn as paths. Snapped to pixels, a small L loses its foot and
    # reads as I, which is another side of the patient.
    text.set_snap(False)


def _round_length(most: float) -> float:
    """The largest of 1, 2, 5, 10, 20, … that is not above ``most``."""
    power = 10.0 ** math.floor(math.log10(most))
    return max(step * power for step in (1, 2, 5) if step * power <= most * 1.0001)


def _letters_over(ax: Axes) -> int:
    """About how many letters of a title have room over axes, before any layout is done."""
    from matplotlib.figure import Figure

    figure = ax.get_figure(root=True)
    if not isinstance(figure, Figure):
        return 60
    share = ax.get_position().width
    spec = ax.get_subplotspec()
    if spec is not None:
        share = len(spec.colspan) / spec.get_gridspec().ncols
    return max(int(share * figure.get_size_inches()[0] * 14), 24)


def _short(words: str, longest: int) -> str:
    return words if len(words) <= longest else words[: longest - 1] + "…"
