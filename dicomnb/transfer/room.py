"""How much room there is on this machine, as far as that can honestly be told."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

__all__ = ["free_disk", "free_memory"]

_MEMINFO = Path("/proc/meminfo")
_GROUPS = Path("/sys/fs/cgroup")


def free_disk(folder: Path) -> int | None:
    """Free bytes on the disk of a folder that need not be there yet; None where nobody can say."""
    for place in (folder.absolute(), *folder.absolute().parents):
        try:
            return shutil.disk_usage(place).free
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return None
    return None


def free_memory() -> int | None:
    """Bytes of memory that can be had without swapping; None on systems that do not tell.

    Linux tells (``MemAvailable``), and how much its container may take (cgroup version 2).
    """
    try:
        told = re.search(r"^MemAvailable:\s+(\d+) kB", _MEMINFO.read_text(), re.MULTILINE)
    except OSError:
        return None
    if told is None:
        return None
    left = _left_of_group()
    available = int(told[1]) << 10
    return available if left is None else min(available, left)


def _left_of_group() -> int | None:
    """What the container that this runs in may still take; None where nothing bounds it."""
    try:
        most = (_GROUPS / "memory.max").read_text().strip()
        used = (_GROUPS / "memory.current").read_text().strip()
        told = (_GROUPS / "memory.stat").read_text()
    except OSError:
        return None
    if not (most.isdigit() and used.isdigit()):
        return None
    # Pages of files that were read lately are given up when memory is wanted.
    cached = re.search(r"^inactive_file (\d+)$", told, re.MULTILINE)
    return max(int(most) - int(used) + (int(cached[1]) if cached else 0), 0)
