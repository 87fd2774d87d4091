"""Measurements on one frame, the same as the viewer's own in the browser."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["KINDS", "completed"]

KINDS = ("distance", "rectangle", "ellipse")


def completed(
    measurement: Mapping[str, Any],
    frame: np.ndarray[Any, Any],
    *,
    spacing: tuple[float, float] | None,
) -> dict[str, Any]:
    """A measurement with its figures.

    Args:
        measurement: ``kind`` (``"distance"``, ``"rectangle"`` or ``"ellipse"``) and ``points``,
            two pairs (row, column) of pixels, whole numbers at the pixels' centres: the ends, or
            two opposite corners.
        frame: (rows, columns) of values, or (rows, columns, 3): colour has no statistics.
        spacing: mm between rows and between columns, or None: lengths are pixels then.

    Returns:
        The measurement with ``length`` (mm), or with ``count``, and for one pixel or more
        ``mean``, ``deviation`` (of the population), ``min``, ``max`` and ``area`` (mm²).

    Raises:
        ValueError: an unknown kind, or points that are no two pairs of numbers.
    """
    kind, points = measurement.get("kind"), _points(measurement.get("points"))
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r}: a measurement is one of {', '.join(KINDS)}.")
    made = {**measurement, "points": [list(point) for point in points]}
    high, wide = spacing or (1.0, 1.0)
    if kind == "distance":
        rows, columns = (points[1][axis] - points[0][axis] for axis in (0, 1))
        return {**made, "length": math.hypot(rows * high, columns * wide)}
    if frame.ndim != 2:
        return {**made, "count": 0}
    values = _inside(str(kind), points, frame)
    values = values[~np.isnan(values)]
    if values.size == 0:
        return {**made, "count": 0}
    return {
        **made,
        "count": int(values.size),
        "mean": float(values.mean()),
        "deviation": float(values.std()),
        "min": float(values.min()),
        "max": float(values.max()),
        "area": float(values.size * high * wide),
    }


def _points(points: Any) -> list[tuple[float, float]]:
    try:
        (first, second), (third, fourth) = points
        found = [(float(first), float(second)), (float(third), float(fourth))]
    except (TypeError, ValueError):
        found = []
    if not found or not np.isfinite(found).all():
        raise ValueError(f"points={points!r}: give two pairs (row, column) of numbers.")
    return found


def _inside(
    kind: str, points: Sequence[tuple[float, float]], frame: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """Values of the pixels whose centres lie in the shape."""
    (top, bottom), (left, right) = (sorted(pair) for pair in zip(*points, strict=True))
    rows = np.arange(max(0, math.ceil(top)), min(frame.shape[0] - 1, math.floor(bottom)) + 1)
    columns = np.arange(max(0, math.ceil(left)), min(frame.shape[1] - 1, math.floor(right)) + 1)
    values = frame[np.ix_(rows, columns)].astype(np.float64)
    if kind == "rectangle":
        return np.ravel(values)
    y = (rows - (top + bottom) / 2) / ((bottom - top) / 2 or 0.5)
    x = (columns - (left + right) / 2) / ((right - left) / 2 or 0.5)
    is_inside = np.add.outer(y**2, x**2) <= 1
    inside: np.ndarray[Any, Any] = values[is_inside]
    return inside
