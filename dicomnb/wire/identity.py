"""Who an upload is: its UIDs, from its own header."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_partial

from dicomnb.wire.layouts import Layouts
from dicomnb.wire.outline import More, Unusual
from dicomnb.wire.store_answer import Sent
from dicomnb.wire.storing import FileUpload, Outcome

if TYPE_CHECKING:
    from pydicom.tag import BaseTag

    from dicomnb.wire.storing import Upload

__all__ = ["HEAD_BYTES", "UID_TAGS", "identity_of", "is_part10", "outlined_uids"]

UID_TAGS = [0x0020000D, 0x0020000E, 0x00080018, 0x00080016]
"""Study, series, instance, SOP Class: in the order of `Sent`."""
_LAST_NEEDED = 0x0020000E
_PREFIX_AT = 128
HEAD_BYTES = 8 << 10
"""Where nearly all files have told their UIDs."""
_UID = re.compile(r"[0-9.]+")


def identity_of(upload: Upload) -> Sent | Outcome:
    """The UIDs from the upload's own header; a failure for what cannot be sent."""
    if isinstance(upload, FileUpload) and upload.identity is not None:
        return upload.identity
    try:
        with upload.open() as file:
            start = file.read(HEAD_BYTES)
            if not is_part10(start):
                return Outcome("failed", reason="not a DICOM file (no DICM prefix)")
            if (found := outlined_uids(start)) is not None:
                return found
            file.seek(0)
            data = read_partial(file, stop_when=_after_uids, specific_tags=UID_TAGS)
            texts = [
                str(data[tag].value or "") or None if tag in data else None for tag in UID_TAGS
            ]
    except OSError as error:
        return Outcome("failed", reason=f"cannot be read: {error.strerror or error}")
    except (InvalidDicomError, ValueError, EOFError, KeyError, NotImplementedError) as error:
        return Outcome("failed", reason=f"its header cannot be read: {error}")
    if texts[2] is None:
        return Outcome("failed", study=texts[0], series=texts[1], reason="it has no SOPInstanceUID")
    return Sent(*texts)


def is_part10(start: bytes) -> bool:
    """Whether what begins so is a file as PS3.10 section 7.1 has it."""
    return start[_PREFIX_AT : _PREFIX_AT + 4] == b"DICM"


def outlined_uids(start: bytes, layouts: Layouts | None = None) -> Sent | None:
    """The UIDs by a walk over the first bytes of a file; None where that takes pydicom, or more.

    Parsing costs more than sending: of 300 slices, a third of the whole store. ``layouts``
    remembers those of files before, which spares most walks.
    """
    try:
        found = (layouts or Layouts()).outline(start, before=_LAST_NEEDED + 1).data_set.elements
        texts = [_uid(start, found.get(tag)) for tag in UID_TAGS]
    except (Unusual, More):
        return None
    return None if texts[2] is None else Sent(*texts)


def _uid(data: bytes, place: tuple[str | None, int, int] | None) -> str | None:
    """An element as a UID, or None where it is not there.

    Raises:
        Unusual: it is none.
    """
    if place is None:
        return None
    vr, begin, end = place
    text = data[begin:end].decode("latin_1").rstrip("\0 ")
    if vr not in ("UI", None) or not _UID.fullmatch(text):
        raise Unusual("no UID")
    return text


def _after_uids(tag: BaseTag, vr: str | None, length: int) -> bool:
    return int(tag) > _LAST_NEEDED
