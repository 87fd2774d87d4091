"""ICC profiles: colours as the device meant them, in sRGB (PS3.3 C.11.15)."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.errors import DecodeError

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["icc_profile", "to_srgb"]


def icc_profile(dataset: Dataset) -> bytes | None:
    """The profile of a colour image, or of the first optical path of a slide; None without."""
    holders = [dataset, *(dataset.get("OpticalPathSequence") or [])[:1]]
    for holder in holders:
        profile = holder.get("ICCProfile")
        if profile:
            return bytes(profile)
    return None


def to_srgb(picture: np.ndarray[Any, Any], profile: bytes) -> np.ndarray[Any, Any]:
    """Convert a picture from a device's colours to sRGB, by its profile's own intent.

    Args:
        picture: uint8 (rows, columns, 3).
        profile: an ICC input or display profile of RGB.

    Returns:
        uint8 of the same shape, a new array.

    Raises:
        DecodeError: the profile is damaged, or not one of RGB.
    """
    from PIL import Image, ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(
            Image.fromarray(np.ascontiguousarray(picture)),
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent(ImageCms.getDefaultIntent(source)),
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        raise DecodeError(f"The ICC profile cannot be used: {error}") from error
    if converted is None:
        raise DecodeError("The ICC profile converts nothing.")
    return np.asarray(converted)
