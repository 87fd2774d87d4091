"""Every file with pixels in pydicom's wheel and in pydicom-data, found by walking folders."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import data_store
import pydicom
from pydicom.misc import is_dicom

ROOTS = (
    Path(pydicom.__file__).parent / "data" / "test_files",
    Path(data_store.__file__).parent / "data",
)


@cache
def paths() -> dict[str, Path]:
    """Name → path of each DICOM file, the first where a name occurs twice."""
    found: dict[str, Path] = {}
    for root in ROOTS:
        for path in sorted(root.rglob("*")):
            if path.is_file() and is_dicom(path):
                found.setdefault(str(path.relative_to(root)), path)
    return found


def with_pixels() -> list[str]:
    """Those in which the tag of PixelData occurs, in either byte order."""
    tags = (b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10")
    found = {name: path.read_bytes() for name, path in paths().items()}
    return [name for name, data in found.items() if any(tag in data for tag in tags)]


def path(name: str) -> Path:
    return next(path for key, path in paths().items() if key.split("/")[-1] == name)


def read(name: str):
    return pydicom.dcmread(path(name))
