"""Reading a multipart answer that was saved to a file, as ``curl --output`` saves it."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pydicom import dcmread

from dicomnb.errors import NoDicom, ProtocolError
from dicomnb.limits import Limits
from dicomnb.transfer.identity import NO_INSTANCE
from dicomnb.wire import multipart
from dicomnb.wire.media import DICOM
from dicomnb.wire.parts import BytesPart

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from typing import BinaryIO

    from pydicom.dataset import Dataset

    from dicomnb.wire.parts import Part

__all__ = ["read_multipart"]

_HEAD_BYTES = 64 << 10
_PREAMBLE = 128
_FIRST = re.compile(rb"(?:\A|\n)--([^\r\n]{1,70}?)[ \t]*\r?\n(?=[!-9;-~]+:|\r?\n)")
"""A delimiter, which a header's line or an empty one follows (RFC 2046 section 5.1.1)."""
_TYPE = re.compile(rb"(?im)^content-type:[ \t]*([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)")


def read_multipart(
    path: str | os.PathLike[str], *, pixels: bool = True, limits: Limits | None = None
) -> Iterator[Dataset | Part]:
    """What is in a saved multipart answer, one part after the other.

    Such a file is made by ``curl --output study.multipart …/studies/…``: the header with the
    boundary is not in it, so that is found from the bytes. A file with the headers in front
    (``curl --include``) and a single instance are read as well. One part at a time is in memory.

    Args:
        path: the file.
        pixels: False stops each data set before its pixel data.
        limits: bounds; a part may have ``limits.part_bytes``.

    Yields:
        A ``pydicom.Dataset`` for each DICOM instance, and for anything else (JSON, frames, a
        picture) a part with ``media_type``, ``transfer_syntax``, ``location`` and ``read()``.

    Raises:
        FileNotFoundError: there is no such file.
        NoDicom: it is neither multipart nor a DICOM file.
        ProtocolError: it is cut: a part is too short, or the closing delimiter is missing.
            What came before has been yielded.

    Example:
        >>> for dataset in dn.read_multipart("study.multipart"):
        ...     print(dataset.SOPInstanceUID)
    """
    place = Path(path).expanduser()
    place.stat()  # what is not there is said now, not at the first part
    return _parts(place, pixels=pixels, limits=limits or Limits())


def _parts(path: Path, *, pixels: bool, limits: Limits) -> Iterator[Dataset | Part]:
    with path.open("rb") as file:
        content_type = _content_type(file, path)
        for part in multipart.read(file, content_type, limits=limits):
            data = part.read()
            if part.media_type == DICOM or data[_PREAMBLE : _PREAMBLE + 4] == b"DICM":
                yield _dataset(data, path, pixels=pixels)
            else:
                yield BytesPart(
                    data,
                    media_type=part.media_type,
                    transfer_syntax=part.transfer_syntax,
                    location=part.location,
                )


def _content_type(file: BinaryIO, path: Path) -> str:
    """What the header of the answer said or would have; the file stands at the body's start."""
    head = file.read(_HEAD_BYTES)
    start = 0
    if head.startswith(b"HTTP/") and (end := re.search(rb"\r?\n\r?\n", head)):
        start = end.end()
        told = _TYPE.search(head[:start])
        if told:
            file.seek(start)
            return re.sub(r"\s+", " ", told[1].decode("latin-1"))
    body = head[start:]
    if body[_PREAMBLE : _PREAMBLE + 4] == b"DICM":
        file.seek(start)
        return DICOM
    found = _FIRST.search(body)
    if found is None:
        raise NoDicom(
            f"{str(path)!r} is no multipart answer: no delimiter ('--' and a boundary on a line, "
            f"then a part's header) in its first {_HEAD_BYTES} bytes, and it is no DICOM file."
        )
    file.seek(start + found.start())
    # Quoted whatever it holds: in there it may be any text.
    boundary = found[1].decode("latin-1").replace("\\", r"\\").replace('"', r"\"")
    return f'multipart/related; boundary="{boundary}"'


def _dataset(data: bytes, path: Path, *, pixels: bool) -> Dataset:
    try:
        return dcmread(io.BytesIO(data), stop_before_pixels=not pixels)
    except NO_INSTANCE as error:
        raise ProtocolError(f"A part of {str(path)!r} is no DICOM instance: {error}") from error
