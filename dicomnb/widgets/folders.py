"""Folders on the kernel's machine: what a path means, and how it may go on while it is typed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from dicomnb.errors import DicomnbError

__all__ = ["expanded", "folders"]

MOST = 200


def expanded(path: str | Path) -> Path:
    """A path with ``~`` as the home folder.

    Raises:
        DicomnbError: of somebody who has none.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise DicomnbError(f"There is no home folder for {str(path)!r}.") from None


def folders(text: str) -> dict[str, Any]:
    """The folders whose path begins with what was typed.

    Args:
        text: a path, perhaps unfinished; ``~`` is the home folder. Folders whose name begins
            with a dot are named when the dot is typed.

    Returns:
        ``folders`` (paths in order, as typed and with a separator at the end, at most `MOST`),
        ``more`` (whether there are more) and ``why`` there are none, if that is known.
    """
    typed, start = _parted(text)
    try:
        with os.scandir(Path(typed or ".").expanduser()) as entries:
            names = sorted(entry.name for entry in entries if _fits(entry, start))
    except (OSError, RuntimeError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it cannot be read"
        return {"folders": [], "more": False, "why": f"{typed or '.'}: {why}"}
    found = [f"{typed}{name}{os.sep}" for name in names]
    return {"folders": found[:MOST], "more": len(found) > MOST, "why": ""}


def _parted(text: str) -> tuple[str, str]:
    """What was typed up to the last separator, and the beginning of a name after it."""
    if text == "~":
        return f"~{os.sep}", ""
    typed, start = os.path.split(text)
    if typed and not typed.endswith(os.sep):
        typed += os.sep
    return typed, start


def _fits(entry: os.DirEntry[str], start: str) -> bool:
    name = entry.name
    if not name.lower().startswith(start.lower()) or (name.startswith(".") and not start):
        return False
    try:
        name.encode()  # a name in no known encoding can be put into no message
        return entry.is_dir()
    except (OSError, UnicodeError):
        return False
