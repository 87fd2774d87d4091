"""Whether an instance that came is one that was asked for: servers do send others."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from dicomnb.errors import NotFound, ProtocolError, RefError
from dicomnb.images.pixels import UNREADABLE
from dicomnb.pool import closed_after
from dicomnb.refs import UID_KEYWORDS, Ref
from dicomnb.wire.identity import outlined_uids
from dicomnb.wire.parts import BytesPart

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pydicom.dataset import Dataset
    from typing_extensions import Buffer

    from dicomnb.pool import Cancel
    from dicomnb.source import Source
    from dicomnb.wire.layouts import Layouts
    from dicomnb.wire.parts import Part

__all__ = ["NO_INSTANCE", "check_asked", "header_of", "named", "parts_of"]

NO_INSTANCE = (*UNREADABLE, InvalidDicomError, zlib.error)
"""What pydicom raises for bytes that are no Part 10 instance, or a damaged one."""
_HEAD_BYTES = (16 << 10, 64 << 10)
"""Where nearly every instance has told its UIDs, and where those with long sequences have."""


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


def header_of(file: Path | BinaryIO, asked: Ref, *, keywords: Sequence[str] = ()) -> Dataset:
    """The UIDs in a Part 10 instance, and the attributes that ``keywords`` name.

    Raises:
        ProtocolError: it is none.
    """
    try:
        wanted: list[Any] = [*UID_KEYWORDS.values(), *keywords]
        return dcmread(file, stop_before_pixels=True, specific_tags=wanted)
    except NO_INSTANCE as error:
        raise ProtocolError(f"A part of {asked.path} is no DICOM instance: {error}") from error


def check_asked(dataset: Dataset, asked: Ref) -> Ref:
    """The UIDs of a data set that came, which must lie within what was asked for.

    Raises:
        ProtocolError: it belongs elsewhere, or holds no UIDs.
    """
    return _within(asked, *(str(dataset.get(name, "")).strip() for name in UID_KEYWORDS.values()))


def _within(asked: Ref, *uids: str | None) -> Ref:
    try:
        found = Ref(*(uid or "" for uid in uids))
    except RefError as error:
        raise ProtocolError(f"A part of {asked.path} is no DICOM instance: {error}") from error
    if found not in asked:
        raise ProtocolError(f"Asked for {asked.path}, but {found.path} was sent.")
    return found


def named(part: Part, asked: Ref, layouts: Layouts | None = None) -> tuple[Ref, Part]:
    """Which instance a part is, and the part, to be read from its first byte.

    Only a part that is not plain enough for a walk over its beginning is parsed, as a whole.
    ``layouts`` remembers those of parts before.

    Raises:
        ProtocolError: it is none of ``asked``, or is no DICOM instance.
    """
    head = b""
    for size in _HEAD_BYTES:
        head += _next_bytes(part, size - len(head))
        uids = outlined_uids(head, layouts)
        if uids is not None:
            return _within(asked, uids.study, uids.series, uids.instance), _Replayed(head, part)
        if len(head) < size:
            break
    data = head + part.read()
    found = check_asked(header_of(io.BytesIO(data), asked), asked)
    whole = BytesPart(
        data,
        media_type=part.media_type,
        transfer_syntax=part.transfer_syntax,
        location=part.location,
    )
    return found, whole


def _next_bytes(part: Part, size: int) -> bytes:
    room = bytearray(size)
    return bytes(memoryview(room)[: part.readinto(room)])


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
