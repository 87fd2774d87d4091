"""Pictures to files: PNG and JPEG, with the viewport of PS3.18 section 8.3.5.1.3."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Viewport", "picture", "render"]

#: Width and height to fit in; then, if given, left, top, width and height of the region shown.
Viewport = tuple[int, int] | tuple[int, int, float, float, float, float]

_LARGEST_SIDE = 1 << 14


def render(
    array: np.ndarray[Any, Any],
    format: Literal["png", "jpeg"] = "png",
    *,
    quality: int | None = None,
    viewport: Viewport | None = None,
) -> bytes:
    """Encode a picture.

    Args:
        array: uint8, (rows, columns) or (rows, columns, 3), as
            `dicomnb.images.display.display` makes it.
        format: ``"png"`` or ``"jpeg"``.
        quality: of a JPEG, 1 to 100; 90 if not given. PNG has none.
        viewport: (width, height) that the picture is scaled to fit in, keeping its shape; with
            four numbers more, the region of the source that is shown. A negative width or
            height of the region mirrors it.

    Returns:
        The bytes of the file.

    Raises:
        ValueError: an unknown format, or a quality or viewport out of range.
    """
    if format not in ("png", "jpeg"):
        raise ValueError(f"format={format!r}: it is 'png' or 'jpeg'.")
    if quality is not None and not 1 <= quality <= 100:
        raise ValueError(f"quality={quality}: it lies between 1 and 100.")
    image = picture(array, viewport=viewport)
    file = io.BytesIO()
    if format == "jpeg":
        image.save(file, "JPEG", quality=90 if quality is None else quality)
    else:
        image.save(file, "PNG")
    return file.getvalue()


def picture(array: np.ndarray[Any, Any], *, viewport: Viewport | None = None) -> Image:
    """A picture as a Pillow image; arguments as for `render`."""
    from PIL import Image

    if array.dtype != np.uint8 or array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,)):
        raise ValueError(f"A picture is uint8 grey or RGB, not {array.dtype} {array.shape}.")
    if viewport is None:
        return Image.fromarray(np.ascontiguousarray(array))
    width, height, *region = viewport
    if not (1 <= width <= _LARGEST_SIDE and 1 <= height <= _LARGEST_SIDE):
        raise ValueError(f"viewport={viewport}: width and height lie in 1 … {_LARGEST_SIDE}.")
    if region:
        array = _cut(array, *region)
    image = Image.fromarray(np.ascontiguousarray(array))
    scale = min(width / image.width, height / image.height)
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    return image.resize(size, Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.BOX)


def _cut(
    array: np.ndarray[Any, Any], left: float, top: float, width: float, height: float
) -> np.ndarray[Any, Any]:
    """The region of a viewport, mirrored where its width or height is negative."""
    rows, columns = array.shape[:2]
    x, y, w, h = (round(part) for part in (left, top, abs(width), abs(height)))
    if w == 0 or h == 0 or not (0 <= x < columns and 0 <= y < rows):
        raise ValueError(
            f"The region {left}, {top}, {width}, {height} lies outside {columns} × {rows}."
        )
    region = array[y : y + h, x : x + w]
    region = region[:, ::-1] if width < 0 else region
    return region[::-1] if height < 0 else region
