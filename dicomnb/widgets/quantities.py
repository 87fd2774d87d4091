"""Numbers of things and of bytes in words, as ``static/panel.js`` writes them too. Pure."""

from __future__ import annotations

__all__ = ["counted", "in_bytes"]

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def counted(number: int, one: str, many: str | None = None) -> str:
    """So many things.

    Example:
        >>> counted(1, "study", "studies"), counted(1200, "file")
        ('1 study', '1,200 files')
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def in_bytes(size: float) -> str:
    """So many bytes, in decimal units to three figures.

    Example:
        >>> in_bytes(1), in_bytes(2_000_000_000), in_bytes(158_200_000)
        ('1 byte', '2.00 GB', '158 MB')
    """
    unit = 0
    while size >= 999.5 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    if not unit:
        return counted(round(size), "byte")
    return f"{size:.{2 if size < 9.995 else 1 if size < 99.95 else 0}f} {_UNITS[unit]}"
