"""The demo archive's place in the user's cache folder."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from pathlib import Path

from dicomnb.files import cache_folder
from dicomnb.samples.build import build

__all__ = ["VERSION", "archive_folder"]

_DRAFT = ".building-"
_STALE = 3600.0  # s

VERSION = "1"
"""Counted up whenever the archive's bytes change, so that an old one is not taken for it."""


def archive_folder() -> Path:
    """Give the folder of the demo archive, built on first use (some 10 s, 100 MB).

    It lies in the user's cache folder, or where ``DICOMNB_CACHE`` says. It is built beside its
    place and renamed at the end: nobody ever sees half of it, and of two who build it at once
    one's is kept.

    Raises:
        OSError: the cache folder cannot be written to, or is full.
    """
    home = cache_folder("demo")
    place = home / VERSION
    if place.is_dir():
        return place
    _sweep(home)
    draft = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=home))
    try:
        build(draft)
        try:
            draft.rename(place)
        except OSError:
            # somebody else was faster; without a finished archive it is a real error
            if not place.is_dir():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return place


def _sweep(home: Path) -> None:
    """Remove what builds left behind that were killed: drafts that nobody has touched for long."""
    for draft in home.glob(f"{_DRAFT}*"):
        with contextlib.suppress(FileNotFoundError):  # another process sweeps too
            if time.time() - draft.stat().st_mtime > _STALE:
                shutil.rmtree(draft, ignore_errors=True)
