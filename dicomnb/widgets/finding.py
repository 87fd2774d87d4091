"""The files that a path on the kernel's machine means, and which of them may be stored."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dicomnb.errors import NoDicom
from dicomnb.transfer.given import items_of
from dicomnb.widgets.checking import kind_of
from dicomnb.widgets.folders import expanded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dicomnb.pool import Cancel

__all__ = ["Found", "found_at"]

_START_BYTES = 132


@dataclass(frozen=True)
class Found:
    """What a path means.

    Attributes:
        files: that seem to be DICOM, as `Archive.store` would find them, and pictures.
        others: what lies beside them.
    """

    files: Sequence[Path]
    others: Sequence[Path] = ()


def found_at(path: str | Path, cancel: Cancel) -> Found:
    """The files of a path: a file, a folder with all below it, or a glob.

    Raises:
        NoDicom: there is neither DICOM nor a picture.
        FileNotFoundError: there is nothing.
        DicomnbError: ``~`` of somebody who has no home folder.
    """
    named = expanded(path)
    if named.is_file():
        return Found([named])
    try:
        items = items_of(path)
    except NoDicom:
        pictures = [one for one in _files_below(named) if _is_picture(one)]
        if not pictures:
            raise
        return Found(pictures)
    files = []
    for one in items:
        cancel.check()
        if one.file is not None:
            files.append(Path(one.file))
    beside = [Path(name) for name in items.passed_over]
    beside_it = {one: _is_picture(one) for one in beside}
    files += [one for one, is_picture in beside_it.items() if is_picture]
    return Found(files, [one for one, is_picture in beside_it.items() if not is_picture])


def _files_below(path: Path) -> list[Path]:
    """All files of a folder or glob."""
    if path.is_dir():
        return sorted(one for one in path.rglob("*") if one.is_file())
    return [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]


def _is_picture(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return kind_of(file.read(_START_BYTES))[0] == "picture"
    except OSError:
        return False
