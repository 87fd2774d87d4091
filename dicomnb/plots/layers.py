"""A mask, labels, contours or a dose over an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from dicomnb.plots.contours import is_contours, rings_on
from dicomnb.plots.drawing import BAR, colour_bar, new_axes
from dicomnb.plots.pictures import in_words, pictures_of
from dicomnb.plots.regions import by_label, draw_regions, room_for_legend
from dicomnb.plots.single import draw_one
from dicomnb.volumes.volume import Volume

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dicomnb.plots.pictures import Pictures
    from dicomnb.plots.regions import Region

    Array = np.ndarray[Any, Any]
    Asked = str | tuple[Any, ...] | None

__all__ = ["Style", "overlay"]

Style = Literal["fill", "outline", "heat"]


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
    """Draw an image with a mask, labels, contours or a dose over it, and say what is what.

    Args:
        what: the image: see `show`.
        layer: a mask (bool), labels (whole numbers, 0 for none) or values (floats): an array
            of the shape of the whole image, or of the one slice; or a `Volume`, which may lie
            on another grid: it is read where the image's pixels are in the patient. Or
            contours: a list of rings, each (points, 3) in LPS mm, drawn on the slice they lie
            on, or (points, 2) in rows and columns. Or a dict of names to masks or contours,
            which become the legend.
        frame: see `show`.
        index: see `show`.
        window: of the image; see `show`.
        style: ``"fill"`` or ``"outline"`` for masks and labels (contours are always lines),
            ``"heat"`` for values. If not
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
    shape = picture.shape[:2]
    cuts = _cuts(layer, what, images, place, shape=shape, discrete=style != "heat")
    heat = style == "heat" or (style is None and not isinstance(layer, Mapping) and _is_real(cuts))
    regions = {} if heat else _regions(layer, cuts)
    if ax is None:
        beside = max(BAR, 0.35 + 0.075 * len(_label(layer))) if heat else room_for_legend(regions)
        ax = new_axes(picture, images.aspect, beside=beside)
    draw_one(ax, images, place)
    if heat:
        _heat(ax, _the_one(cuts), images, range=range, alpha=alpha, layer=layer)
    else:
        draw_regions(ax, regions, aspect=images.aspect, style=style or "fill", alpha=alpha)
    return ax


def _cuts(
    layer: Any,
    what: Any,
    images: Pictures,
    place: int,
    *,
    shape: tuple[int, ...],
    discrete: bool,
) -> dict[str, Region]:
    """What of each layer lies over one picture, by name; a layer by itself has the name ``""``.

    Raises:
        ValueError: one is not of the picture's shape, (rows, columns).
    """
    named = layer if isinstance(layer, Mapping) else {"": layer}
    cuts = {
        str(name): rings_on(one, what, place)
        if is_contours(one)
        else _cut(one, what, images, place, discrete=discrete)
        for name, one in named.items()
    }
    for name, cut in cuts.items():
        if not isinstance(cut, list) and cut.shape != shape:
            raise ValueError(f"The layer {name!r} is {cut.shape} where the image is {shape}.")
    return cuts


def _cut(layer: Any, what: Any, images: Pictures, place: int, *, discrete: bool) -> Array:
    """The part of a layer that lies over one picture, (rows, columns)."""
    if isinstance(layer, Volume):
        if not isinstance(what, Volume):
            if layer.array.shape[0] == images.count:
                return np.asarray(layer.array[place])
            raise ValueError("A Volume can only be laid over a Volume, or over as many images.")
        return _read_in_place(layer, what, place, discrete=discrete)
    if not isinstance(layer, np.ndarray):
        raise TypeError(
            f"A {type(layer).__name__} is no layer: give an array, a Volume, contours, or a dict "
            "of names to masks or contours."
        )
    if layer.ndim == 3:
        if len(layer) != images.count:
            raise ValueError(f"The layer has {len(layer)} slices where there are {images.count}.")
        return np.asarray(layer[place])
    return layer


def _read_in_place(layer: Volume, image: Volume, place: int, *, discrete: bool) -> Array:
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
    discrete = discrete and layer.dtype.kind in "biu"
    values = layer.value(*where, method="nearest" if discrete else "linear")
    if not discrete:
        return np.asarray(values)
    return np.nan_to_num(values, nan=0).astype(layer.dtype)


def _regions(layer: Any, cuts: Mapping[str, Region]) -> Mapping[str, Region]:
    """Masks and contours by name: those of a dict, else one for each label."""
    only = cuts.get("")
    if isinstance(layer, Mapping) or only is None or isinstance(only, list):
        return cuts
    return by_label(only)


def _is_real(cuts: Mapping[str, Region]) -> bool:
    return any(not isinstance(cut, list) and cut.dtype.kind == "f" for cut in cuts.values())


def _the_one(cuts: Mapping[str, Region]) -> Array:
    """The one layer of values that can be drawn as heat."""
    (cut, *others) = cuts.values()
    if others or isinstance(cut, list):
        what = f"{len(cuts)} of them" if others else "contours"
        raise ValueError(f"style='heat' draws one layer of values, not {what}.")
    return cut


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
    label = _label(layer) if shown.any() else f"{_label(layer)}\n(not here)"
    colour_bar(ax, (low, high), label=label, colours="inferno")


def _label(layer: Any) -> str:
    """What the values of a layer are, with units."""
    if not isinstance(layer, Volume):
        return "value"
    return " · ".join(part for part in (layer.modality, in_words(layer.units)) if part) or "value"
