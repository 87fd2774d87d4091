"""Media types of compressed frames, and what they mean (PS3.18 section 8.7.3)."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FRAME_TYPES", "TRANSFER_SYNTAXES"]

_JPEG = "1.2.840.10008.1.2.4."

FRAME_TYPES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys((f"{_JPEG}{n}" for n in (50, 51, 57, 70)), "image/jpeg"),
        **dict.fromkeys((f"{_JPEG}{n}" for n in (80, 81)), "image/jls"),
        **dict.fromkeys((f"{_JPEG}{n}" for n in (90, 91)), "image/jp2"),
        **dict.fromkeys((f"{_JPEG}{n}" for n in (92, 93)), "image/jpx"),
        **dict.fromkeys((f"{_JPEG}{n}" for n in (110, 111, 112)), "image/jxl"),
        **dict.fromkeys((f"{_JPEG}{n}" for n in (201, 202, 203)), "image/jphc"),
        "1.2.840.10008.1.2.5": "image/dicom-rle",
        **dict.fromkeys((f"{_JPEG}{n}" for n in ("100", "100.1", "101", "101.1")), "video/mpeg2"),
        **dict.fromkeys((f"{_JPEG}{n}" for n in range(102, 107)), "video/mp4"),
        **dict.fromkeys((f"{_JPEG}{n}.1" for n in range(102, 107)), "video/mp4"),
        **dict.fromkeys((f"{_JPEG}{n}" for n in (107, 108)), "video/H265"),
    }
)
"""Transfer syntax → media type of a frame (tables 8.7.3-2 to 8.7.3-5)."""

TRANSFER_SYNTAXES: Mapping[str, str] = MappingProxyType(
    {
        "application/octet-stream": "1.2.840.10008.1.2.1",
        "image/jpeg": f"{_JPEG}70",
        "image/dicom-rle": "1.2.840.10008.1.2.5",
        "image/x-dicom-rle": "1.2.840.10008.1.2.5",
        "image/jls": f"{_JPEG}80",
        "image/x-jls": f"{_JPEG}80",
        "image/jp2": f"{_JPEG}90",
        "image/jpx": f"{_JPEG}92",
        "image/jphc": f"{_JPEG}201",
    }
)
"""Media type → what a part that tells no transfer syntax is in (its default)."""
