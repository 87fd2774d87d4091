"""A mask, labels or a dose over an image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from dicomnb.plots.drawing import BAR, colour_bar, new_axes
from dicomnb.plots.pictures import in_words, pictures_of
from dicomnb.plots.single import draw_one
from dicomnb.volumes.volume import Volume

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dicomnb.plots.pictures import Pictures

    Array = np.ndarray[Any, Any]
    Asked = str | tuple[Any, ...] | None

__all__ = ["Style", "overlay"]

Style = Literal["fill", "outline", "heat"]

#: Colours that are told apart by people who do not see red or green, and on grey (Okabe, Ito).
_COLOURS = ("#E69F00", "#56B4E9", "#CC79A7", "#009E73", "#F0E442", "#D55E00", "#0072B2")
_MOST_NAMES = 12  # of labels in a legend


def overlay(
    what: Any,
    layer: Any,
    *,
    frame: int | None = None,
    index: int | None = None,
    window: Asked = None,
    style: Style | None = None,
    alpha: float = 0.45,
    range: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw an image with a mask, labels, or other values over it, and say what is what.

    Args:
        what: the image: see `show`.
        layer: a mask (bool), labels (whole numbers, 0 for none) or values (floats): an array
            of the shape of the whole image, or of the one slice; or a `Volume`, which may lie
            on another grid: it is read where the image's pixels are in the patient. Or a dict
            of names to masks, which become the legend.
        frame: see `show`.
        index: see `show`.
        window: of the image; see `show`.
        style: ``"fill"`` or ``"outline"`` for masks and labels, ``"heat"`` for values. If not
            given: fill for bools and whole numbers, heat for floats (a dose, an uptake).
        alpha: from 0, nothing, to 1, opaque; outlines are always opaque.
        range: of ``"heat"``: the values of the first and the last colour; what lies below the
            first is left clear. From a tenth of the highest to the highest if not given.
        ax: where to draw; a new figure if not given.

    Returns:
        The axes, in pixels of the image.

    Raises:
        TypeError: a layer that is no mask, labels, values or dict of masks.
        ValueError: a layer of another shape, an unknown style, or a range or alpha that
            cannot be.
        GeometryError: a volume over something that has no place in the patient, or in another
            frame of reference.

    Example:
        >>> dn.plots.overlay(ct, {"heart": heart, "lungs": lungs}, index=40)  # doctest: +SKIP
        >>> dn.plots.overlay(ct, dose, style="heat", range=(10, 60))  # doctest: +SKIP
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha={alpha}: it lies between 0 and 1.")
    if style is not None and style not in get_args(Style):
        raise ValueError(f"style={style!r}: it is one of {', '.join(get_args(Style))}.")
    images = pictures_of(what, window=window)
    place = images.place(frame=frame, index=index)
    picture = images.draw(place)
    named = layer if isinstance(layer, Mapping) else {"": layer}
    cuts = {str(name): _cut(one, what, images, place) for name, one in named.items()}
    for name, cut in cuts.items():
        if cut.shape != picture.shape[:2]:
            raise ValueError(
                f"The layer {name!r} is {cut.shape} where the image is {picture.shape[:2]}."
            )
    heat = style == "heat" or (style is None and not isinstance(layer, Mapping) and _is_real(cuts))
    if ax is None:
        names = [] if heat else list(_masks(layer, cuts))
        ax = new_axes(picture, images.aspect, beside=BAR if heat else _room_for(names))
    draw_one(ax, images, place)
    if heat:
        (cut,) = cuts.values() if len(cuts) == 1 else _too_many(cuts)
        _heat(ax, cut, images, range=range, alpha=alpha, layer=layer)
    else:
        _regions(ax, _masks(layer, cuts), images, style=style or "fill", alpha=alpha)
    return ax


def _cut(layer: Any, what: Any, images: Pictures, place: int) -> Array:
    """The part of a layer that lies over one picture, (rows, columns)."""
    if isinstance(layer, Volume):
        if not isinstance(what, Volume):
            if layer.array.shape[0] == images.count:
                return np.asarray(layer.array[place])
            raise ValueError("A Volume can only be laid over a Volume, or over as many images.")
        return _read_in_place(layer, what, place)
    if not isinstance(layer, np.ndarray):
        raise TypeError(
            f"A {type(layer).__name__} is no layer: give an array, a Volume, or a dict of names "
            "to masks."
        )
    if layer.ndim == 3:
        if len(layer) != images.count:
            raise ValueError(f"The layer has {len(layer)} slices where there are {images.count}.")
        return np.asarray(layer[place])
    return layer


def _read_in_place(layer: Volume, image: Volume, place: int) -> Array:
    """Values of a volume where one slice of another has its voxels; NaN or 0 outside."""
    if layer.frame_of_reference != image.frame_of_reference and (
        layer.frame_of_reference and image.frame_of_reference
    ):
        from dicomnb.errors import GeometryError

        raise GeometryError("The layer and the image lie in different frames of reference.")
    same = layer.affine is None and image.affine is None
    if layer.affine is not None and image.affine is not None:
        same = np.allclose(layer.affine, image.affine, atol=1e-3)
    if same and layer.shape == image.shape:
        return np.asarray(layer.array[place])
    rows, columns = np.indices(image.shape[1:])
    where = np.moveaxis(image.position(place, rows, columns), -1, 0)
    discrete = layer.dtype.kind in "biu"
    values = layer.value(*where, method="nearest" if discrete else "linear")
    if not discrete:
        return np.asarray(values)
    return np.nan_to_num(values, nan=0).astype(layer.dtype)


def _masks(layer: Any, cuts: Mapping[str, Array]) -> Mapping[str, Array]:
    """Masks by name: those of a dict, else one for each label."""
    return cuts if isinstance(layer, Mapping) else _by_label(cuts[""])


def _room_for(names: Iterable[str]) -> float:
    """Inches that a legend of these names needs; none without any."""
    longest = max((len(name) for name in names), default=0)
    return 0.55 + 0.075 * (longest + 11) if longest else 0.0


def _is_real(cuts: Mapping[str, Array]) -> bool:
    return any(cut.dtype.kind == "f" for cut in cuts.values())


def _too_many(cuts: Mapping[str, Array]) -> Any:
    raise ValueError(f"style='heat' draws one layer, not {len(cuts)}.")


def _by_label(labels: Array) -> dict[str, Array]:
    """A mask for each label but 0."""
    if labels.dtype == bool:
        return {"": labels}
    if labels.dtype.kind not in "iu" and not np.array_equal(labels, np.round(labels)):
        raise TypeError("Labels are whole numbers; for other values use style='heat'.")
    return {f"{label:g}": labels == label for label in np.unique(labels) if label != 0}


def _regions(
    ax: Axes, masks: Mapping[str, Array], images: Pictures, *, style: str, alpha: float
) -> None:
    """Masks in colours of their own, and a legend where they have names."""
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Patch

    handles = []
    for number, (name, mask) in enumerate(masks.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        inside = np.asarray(mask) > 0
        if inside.any():
            if style == "fill":
                layer = np.zeros((*inside.shape, 4))
                layer[inside] = to_rgba(colour, alpha)
                ax.imshow(layer, aspect=images.aspect, interpolation="nearest")
            _outline(ax, inside, colour, width=1.2 if style == "outline" else 0.8)
        if name:
            kind: dict[str, Any] = {"facecolor": colour, "alpha": max(alpha, 0.6)}
            if style == "outline":
                kind = {"facecolor": "none", "edgecolor": colour}
            words = name if inside.any() else f"{name} (not here)"
            handles.append(Patch(label=words, **kind))
    if handles:
        shown = handles[:_MOST_NAMES]
        if len(handles) > _MOST_NAMES:
            shown.append(Patch(label=f"and {len(handles) - _MOST_NAMES} more", facecolor="none"))
        ax.legend(
            handles=shown, loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=8, frameon=False,
            borderaxespad=0,
        )  # fmt: skip


def _outline(ax: Axes, inside: Array, colour: str, *, width: float) -> None:
    """The edges of the pixels where a mask ends: exact, whatever its shape."""
    from matplotlib.collections import LineCollection

    padded = np.pad(inside, 1)
    across = np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1])
    along = np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1])
    lines = [((x - 0.5, y - 0.5), (x + 0.5, y - 0.5)) for y, x in across.tolist()]
    lines += [((x - 0.5, y - 0.5), (x - 0.5, y + 0.5)) for y, x in along.tolist()]
    edges = LineCollection(lines, colors=colour, linewidths=width, capstyle="projecting")
    ax.add_collection(edges, autolim=False)


def _heat(
    ax: Axes,
    values: Array,
    images: Pictures,
    *,
    range: tuple[float, float] | None,
    alpha: float,
    layer: Any,
) -> None:
    """Values as colours, clear below the first, with a bar that says how much they are."""
    values = np.asarray(values, np.float64)
    if range is None:
        whole = np.asarray(layer.array if isinstance(layer, Volume) else layer)
        top = float(np.nanmax(whole)) if whole.size and np.isfinite(whole).any() else 1.0
        range = (0.1 * top, top) if top > 0 else (0.0, 1.0)
    low, high = range
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ValueError(f"range={range}: two numbers, the lower one first.")
    # The first colours come in gently, so that what begins to show hides nothing.
    shown = np.nan_to_num(np.clip((values - low) / (0.15 * (high - low)), 0, 1))
    ax.imshow(
        np.nan_to_num(values, nan=low), aspect=images.aspect, cmap="inferno", vmin=low, vmax=high,
        alpha=alpha * shown, interpolation="nearest",
    )  # fmt: skip
    label = ""
    if isinstance(layer, Volume):
        label = " · ".join(part for part in (layer.modality, in_words(layer.units)) if part)
    colour_bar(ax, (low, high), label=label or "value", colours="inferno")
