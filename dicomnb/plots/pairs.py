"""Two images side by side, to be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.plots.pictures import pictures_of
from dicomnb.plots.single import draw_one
from dicomnb.volumes.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from dicomnb.plots.pictures import Pictures

    Array = np.ndarray[Any, Any]
    Asked = str | tuple[Any, ...] | None

__all__ = ["compare"]


def compare(
    left: Any,
    right: Any,
    *,
    frame: int | None = None,
    index: int | None = None,
    window: Asked = None,
    ax: Sequence[Axes] | None = None,
    titles: tuple[str, str] | None = None,
) -> Array:
    """Draw two images side by side with one and the same window, at one scale.

    Of two volumes that lie in one frame of reference, the slice on the right is the one that
    is nearest in the patient to the slice on the left; else the one of the same index.

    Args:
        left: see `show`.
        right: the same kind of thing.
        frame: of data sets, for both; see `show`.
        index: of the volume or stack on the left; see `show`.
        window: for both; if not given, that of the image on the left.
        ax: two axes to draw in; a new figure if not given.
        titles: instead of the descriptions.

    Returns:
        The two axes. Where both images have equally many rows and columns they share their
        limits, so that zooming in one zooms in both.

    Raises:
        TypeError, IndexError, ValueError: as of `show`; or ``ax`` are not two axes; or grey
            beside colour, or values in different units, which no window fits.

    Example:
        >>> dn.plots.compare(before, after, window="lung")  # doctest: +SKIP
    """
    one = pictures_of(left, window=window)
    place = one.place(frame=frame, index=index)
    linked = one.window(place)  # so that "auto" does not mean two different windows
    two = pictures_of(right, window=window if linked is None else linked)
    if one.units and two.units and one.units != two.units and window is None:
        raise ValueError(
            f"The left image is in {one.units}, the right in {two.units}: no one window fits "
            "both. Give window=, or draw them with show."
        )
    other = _counterpart(left, right, one, two, place, frame=frame)
    pictures = one.draw(place), two.draw(other)
    if (pictures[0].ndim == 2) != (pictures[1].ndim == 2):
        raise ValueError("One image is grey and the other in colour: draw them with show.")
    axes = _new_pair(one, two, pictures) if ax is None else np.asarray(ax, dtype=object).ravel()
    if len(axes) != 2:
        raise ValueError(f"ax= must be two axes; it is {len(axes)}.")
    for number, (axis, images, at) in enumerate(zip(axes, (one, two), (place, other), strict=True)):
        draw_one(axis, images, at, title=titles[number] if titles else None)
        axis.set_anchor("N")
    if ax is None and pictures[0].shape == pictures[1].shape:
        axes[1].sharex(axes[0])
        axes[1].sharey(axes[0])
    return axes


def _counterpart(
    left: Any, right: Any, one: Pictures, two: Pictures, place: int, *, frame: int | None
) -> int:
    """Which picture on the right belongs to one on the left."""
    if two.noun == "frame":
        return two.place(frame=frame)
    if two.count == 1:
        return 0
    if isinstance(left, Volume) and isinstance(right, Volume) and _in_one_frame(left, right):
        middle = [(count - 1) / 2 for count in left.shape[1:]]
        nearest = round(float(right.index(*left.position(place, *middle))[0]))
        return min(max(nearest, 0), two.count - 1)
    return min(place, two.count - 1)


def _in_one_frame(left: Volume, right: Volume) -> bool:
    """Whether a place in one volume is a place in the other."""
    return (
        left.affine is not None
        and right.affine is not None
        and bool(left.frame_of_reference)
        and left.frame_of_reference == right.frame_of_reference
    )


def _new_pair(one: Pictures, two: Pictures, pictures: tuple[Array, Array]) -> Array:
    """Two axes in a new figure, as wide as their images in mm where both are known in mm."""
    import matplotlib.pyplot as plt

    sizes = []
    in_mm = one.spacing is not None and two.spacing is not None
    for images, picture in zip((one, two), pictures, strict=True):
        rows, columns = picture.shape[:2]
        across = images.spacing[1] if in_mm and images.spacing else 1.0
        sizes.append((columns * across, rows * across * images.aspect))
    if not in_mm:  # each as high as the other
        sizes = [(width / height, 1.0) for width, height in sizes]
    inches = 9.0 / sum(width for width, _ in sizes)
    height = max(height for _, height in sizes) * inches
    _, axes = plt.subplots(
        1,
        2,
        figsize=(9.2, min(height, 12) + 0.6),
        width_ratios=[width for width, _ in sizes],
        layout="constrained",
    )
    return np.asarray(axes, dtype=object)
