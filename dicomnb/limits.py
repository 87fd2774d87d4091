"""What dicomnb takes from a server or a file before it says no."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True)
class Limits:
    """Bounds against damage and malice; each can be raised where the data ask for it.

    Example:
        >>> Limits(page_bytes=2 * GIB).part_header_bytes
        16384
    """

    page_bytes: int = 1 * GIB
    """One page of search results or metadata, after decompression."""
    error_bytes: int = 64 << 10
    """What is read of an error's body."""
    part_header_bytes: int = 16 << 10
    """The header of one part of a multipart body."""
    part_bytes: int = 4 * GIB
    """One part that is read into memory as a whole."""
    picture_pixels: int = 1 << 28
    """Rows times columns of a frame that is drawn as a picture here."""
    pixel_bytes: int = 16 * GIB
    """The pixels of one array or volume."""
    cache_bytes: int = 512 * MIB
    """The slices of a lazy volume that are kept in memory."""
    upload_bytes: int = 16 * GIB
    """One request body that the embedded server takes."""
