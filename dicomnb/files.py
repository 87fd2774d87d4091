"""Files on this machine: the cache folder, atomic writes, names that are safe."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["atomic_write", "cache_folder", "part_file", "safe_name", "sweep_parts"]

_UNSAFE = re.compile(r"[^0-9A-Za-z._-]+")
_PART = ".dicomnb-{}.part"
_STALE_SECONDS = 3600.0
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


def cache_folder(*names: str) -> Path:
    """The user's cache folder for dicomnb, made if it is not there.

    ``DICOMNB_CACHE`` in the environment puts it elsewhere. Only its owner may read it: an
    index holds what the DICOM files hold.
    """
    import platformdirs

    chosen = os.environ.get("DICOMNB_CACHE")
    root = Path(chosen) if chosen else platformdirs.user_cache_path("dicomnb", appauthor=False)
    folder = root.joinpath(*names)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """A file that appears under its name whole, or not at all.

    Written beside its place, flushed to disk and renamed at the end; on any error, Ctrl-C
    included, nothing is left. An existing file of the name is replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with part_file(path.parent) as (file, temporary):
        yield file
        file.flush()
        os.fsync(file.fileno())
        file.close()
        temporary.replace(path)


@contextlib.contextmanager
def part_file(folder: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A new hidden file to write to, and its path; gone at the end unless it was renamed."""
    path = folder / _PART.format(uuid.uuid4().hex)
    try:
        with path.open("xb") as file:
            yield file, path
    finally:
        path.unlink(missing_ok=True)


def sweep_parts(folder: Path) -> None:
    """Remove what writers that were killed left behind: parts untouched for an hour."""
    for path in folder.glob(_PART.format("*")):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                path.unlink()


def safe_name(text: str, *, length: int = 100) -> str:
    """A file name made of ``text``: no separators, no device names, never ``.`` or ``..``.

    Text that had to be changed gets a few characters of its own hash, so that two names
    never fall together.
    """
    name = _UNSAFE.sub("_", text)[:length].strip("._")
    if name == text and name and not _DEVICES.fullmatch(name):
        return name
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{name}_{digest}" if name else digest
