"""Values between voxels: at points, and on other grids. Rests on SciPy's ndimage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dicomnb.errors import missing

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Method", "at_points", "on_grid"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
Method = Literal["linear", "nearest"]

_ORDERS = {"linear": 1, "nearest": 0}


def at_points(array: np.ndarray[Any, Any], index: Floats, *, method: Method) -> Floats:
    """Values at fractional voxels.

    Args:
        array: (slices, rows, columns).
        index: (…, 3): slice, row and column.
        method: between voxels, or of the nearest.

    Returns:
        (…): float64; NaN outside the outermost voxels' edges.
    """
    ndimage = _ndimage()
    order = _order(method)
    flat = index.reshape(-1, 3).T
    found = ndimage.map_coordinates(array, flat, np.float64, order=order, mode="nearest")
    edges = np.array(array.shape)[:, None] - 0.5
    outside = ((flat < -0.5) | (flat > edges)).any(axis=0)
    return np.where(outside, np.nan, found).reshape(index.shape[:-1])


def on_grid(
    array: np.ndarray[Any, Any],
    matrix: Floats,
    shape: Sequence[int],
    *,
    method: Method,
    fill: float | None,
    smooth: Sequence[float] = (0, 0, 0),
) -> np.ndarray[Any, Any]:
    """Values of an array on another grid.

    Args:
        array: (slices, rows, columns).
        matrix: 4×4 from voxels of the new grid to voxels of the array.
        shape: of the new grid.
        method: between voxels, or of the nearest.
        fill: value outside the outermost voxels' edges; None continues the outermost voxels.
        smooth: deviation, in voxels, of a Gaussian that is applied before.

    Returns:
        float32 (float64 for float64) for ``"linear"``; the array's type for ``"nearest"``,
        unless ``fill`` is NaN.
    """
    ndimage = _ndimage()
    order = _order(method)
    kind = array.dtype if array.dtype.kind == "f" and array.dtype.itemsize > 2 else None
    if kind is None:
        if method == "linear" or (fill is not None and np.isnan(fill)):
            kind = np.dtype(np.float64 if array.dtype.itemsize == 8 else np.float32)
        else:
            kind = np.dtype(np.uint8) if array.dtype.kind == "b" else array.dtype
    source = array.view(np.uint8) if array.dtype.kind == "b" else array
    if any(smooth):
        source = ndimage.gaussian_filter(source, smooth, output=kind, mode="nearest")
    result = np.empty(tuple(shape), kind)
    for place in range(shape[0]):  # slice by slice, so that no large array of indices is made
        offset = matrix[:3, :3] @ (place, 0, 0) + matrix[:3, 3]
        rows, columns = np.indices(tuple(shape[1:]), dtype=np.float64)
        index = offset[:, None, None] + np.multiply.outer(matrix[:3, 1], rows)
        index += np.multiply.outer(matrix[:3, 2], columns)
        ndimage.map_coordinates(source, index, result[place], order=order, mode="nearest")
        if fill is not None:
            edges = np.array(array.shape)[:, None, None] - 0.5
            outside = ((index < -0.5 - 1e-6) | (index > edges + 1e-6)).any(axis=0)
            result[place][outside] = fill
    return result.view(bool) if array.dtype.kind == "b" and kind == np.uint8 else result


def _order(method: str) -> int:
    if method not in _ORDERS:
        raise ValueError(f"method={method!r}: it is 'linear' or 'nearest'.")
    return _ORDERS[method]


def _ndimage() -> Any:
    """SciPy's ndimage, or an error that says what to install."""
    try:
        from scipy import ndimage
    except ImportError as error:
        raise missing("scipy", "Interpolating between voxels", extra="imaging") from error
    return ndimage
