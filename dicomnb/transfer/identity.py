"""Whether an instance that came is one that was asked for: servers do send others."""

from __future__ import annotations

import io
import re
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from dicomnb.errors import NotFound, ProtocolError, RefError
from dicomnb.images.pixels import UNREADABLE
from dicomnb.pool import closed_after
from dicomnb.refs import UID_KEYWORDS, Ref
from dicomnb.wire.parts import BytesPart

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pydicom.dataset import Dataset
    from typing_extensions import Buffer

    from dicomnb.pool import Cancel
    from dicomnb.source import Source
    from dicomnb.wire.parts import Part

__all__ = ["NO_INSTANCE", "check_asked", "header_of", "named", "parts_of"]

NO_INSTANCE = (*UNREADABLE, InvalidDicomError, zlib.error)
"""What pydicom raises for bytes that are no Part 10 instance, or a damaged one."""
_HEAD_BYTES = 64 << 10
"""Where nearly every instance has told its UIDs."""
_META_UID = re.compile(rb"\x02\x00\x03\x00UI(..)", re.DOTALL)
_UID = re.compile(rb"[0-9A-Za-z._-]{4,128}")


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
    try:
        found = Ref(*(str(dataset.get(name, "")).strip() for name in UID_KEYWORDS.values()))
    except RefError as error:
        raise ProtocolError(f"A part of {asked.path} is no DICOM instance: {error}") from error
    if found not in asked:
        raise ProtocolError(f"Asked for {asked.path}, but {found.path} was sent.")
    return found


def named(part: Part, asked: Ref) -> tuple[Ref, Part]:
    """Which instance a part is, and the part, to be read from its first byte.

    Only a part that does not say at its beginning that it is of ``asked`` is parsed for it.

    Raises:
        ProtocolError: it is not, or is no DICOM instance.
    """
    buffer = bytearray(_HEAD_BYTES)
    head = bytes(buffer[: part.readinto(buffer)])
    found = _by_head(head, asked) if asked.uid.encode() in head else None
    if found is not None:
        return found, _Replayed(head, part)
    data = head + part.read()
    found = check_asked(header_of(io.BytesIO(data), asked), asked)
    whole = BytesPart(
        data,
        media_type=part.media_type,
        transfer_syntax=part.transfer_syntax,
        location=part.location,
    )
    return found, whole


def _by_head(head: bytes, asked: Ref) -> Ref | None:
    """Which instance it is, by its first bytes, or None where they do not tell for sure."""
    if asked.instance is not None:
        return asked
    uid = _uid_of_meta(head)
    if asked.series is not None:
        # Named by the file meta and by the data set: then nothing has to be parsed.
        is_sure = uid is not None and head.count(uid) > 1
        return Ref(asked.study, asked.series, uid.decode()) if uid and is_sure else None
    try:
        found = check_asked(header_of(io.BytesIO(head), asked), asked)
    except ProtocolError:
        return None  # cut within what would tell; the whole will
    # A UID that ends where the head ends may be cut.
    series = str(found.series).encode()
    return found if 0 < head.rfind(series) < len(head) - len(series) - 2 else None


def _uid_of_meta(head: bytes) -> bytes | None:
    """MediaStorageSOPInstanceUID of a Part 10 instance, where it stands as it should."""
    found = _META_UID.search(head, 132, 1024)
    if found is None:
        return None
    start, length = found.end(), int.from_bytes(found[1], "little")
    uid = head[start : start + length].rstrip(b"\0 ")
    return uid if _UID.fullmatch(uid) else None


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
