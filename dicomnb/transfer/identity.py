"""Whether an instance that came is one that was asked for: servers do send others."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, BinaryIO

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from dicomnb.errors import NotFound, ProtocolError, RefError
from dicomnb.images.pixels import UNREADABLE
from dicomnb.pool import closed_after
from dicomnb.refs import UID_KEYWORDS, Ref
from dicomnb.wire.parts import BytesPart

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydicom.dataset import Dataset
    from typing_extensions import Buffer

    from dicomnb.pool import Cancel
    from dicomnb.source import Source
    from dicomnb.wire.parts import Part

__all__ = ["NO_INSTANCE", "check_asked", "header_of", "identified", "parts_of"]

NO_INSTANCE = (*UNREADABLE, InvalidDicomError, zlib.error)
"""What pydicom raises for bytes that are no Part 10 instance, or a damaged one."""
_HEAD_BYTES = 64 << 10
"""Where nearly every instance has told its UIDs."""


def parts_of(
    source: Source, ref: Ref, *, transfer_syntax: str = "*", cancel: Cancel | None = None
) -> Iterator[Part]:
    """The instances of ``ref`` as they arrive; closing the iterator frees the connection.

    Raises:
        NotFound: none came.
    """
    any_came = False
    parts = source.instances(ref, transfer_syntax=transfer_syntax, cancel=cancel)
    with closed_after(parts):
        for part in parts:
            any_came = True
            yield part
    if not any_came:
        raise NotFound(f"No instance came for {ref.path}.", url=source.address)


def header_of(file: Path | BinaryIO, asked: Ref) -> Dataset:
    """The UIDs in a Part 10 instance.

    Raises:
        ProtocolError: it is none.
    """
    try:
        return dcmread(file, stop_before_pixels=True, specific_tags=list(UID_KEYWORDS.values()))
    except NO_INSTANCE as error:
        raise ProtocolError(f"A part of {asked.path} is no DICOM instance: {error}") from error


def check_asked(dataset: Dataset, asked: Ref) -> Ref:
    """The UIDs of a data set that came, which must lie within what was asked for.

    Raises:
        ProtocolError: it belongs elsewhere, or holds no UIDs.
    """
    try:
        found = Ref(*(str(dataset.get(name, "")).strip() for name in UID_KEYWORDS.values()))
    except RefError as error:
        raise ProtocolError(f"A part of {asked.path} is no DICOM instance: {error}") from error
    if found not in asked:
        raise ProtocolError(f"Asked for {asked.path}, but {found.path} was sent.")
    return found


def identified(part: Part, asked: Ref) -> Part:
    """The part, to be read from its first byte, once it is known to be of ``asked``.

    Only a part that does not name ``asked`` at its beginning is parsed for it.

    Raises:
        ProtocolError: it is not, or is no DICOM instance.
    """
    buffer = bytearray(_HEAD_BYTES)
    head = bytes(buffer[: part.readinto(buffer)])
    if asked.uid.encode() in head:
        return _Replayed(head, part)
    data = head + part.read()
    check_asked(header_of(io.BytesIO(data), asked), asked)
    return BytesPart(
        data,
        media_type=part.media_type,
        transfer_syntax=part.transfer_syntax,
        location=part.location,
    )


class _Replayed:
    """A part whose beginning has been read already and is given once more."""

    def __init__(self, head: bytes, part: Part) -> None:
        self._head = BytesPart(head, media_type=part.media_type)
        self._part = part
        self.media_type = part.media_type
        self.transfer_syntax = part.transfer_syntax
        self.location = part.location
        self.length = part.length

    def read(self) -> bytes:
        """All bytes that have not been read yet."""
        return self._head.read() + self._part.read()

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill ``buffer``; fewer bytes only at the end."""
        target = memoryview(buffer).cast("B")
        count = self._head.readinto(target)
        return count + (self._part.readinto(target[count:]) if count < len(target) else 0)
