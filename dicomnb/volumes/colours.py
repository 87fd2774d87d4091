"""Colours that segments are recommended to be shown in."""

from __future__ import annotations

from typing import Any

import numpy as np

from dicomnb.images.pixels import UNREADABLE

__all__ = ["rgb_of_cielab"]

_WHITE_D50 = np.array([0.9642, 1.0, 0.8249])
# XYZ under D50 to linear sRGB, the change of white (Bradford) included.
_TO_SRGB = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
)


def rgb_of_cielab(value: Any) -> str | None:
    """``#rrggbb`` of an encoded CIELab value (PS3.3 C.10.7.1.1); None where there is none."""
    try:
        encoded = np.array([float(part) for part in value], np.float64)
    except UNREADABLE:
        return None
    if encoded.shape != (3,) or not np.isfinite(encoded).all():
        return None
    lightness = encoded[0] / 65535 * 100
    a, b = encoded[1:] / 65535 * 255 - 128
    middle = (lightness + 16) / 116
    root = np.array([middle + a / 500, middle, middle - b / 200])
    xyz = np.where(root > 6 / 29, root**3, 3 * (6 / 29) ** 2 * (root - 4 / 29)) * _WHITE_D50
    linear = np.clip(_TO_SRGB @ xyz, 0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = np.rint(curved * 255).astype(int)
    return f"#{red:02x}{green:02x}{blue:02x}"
