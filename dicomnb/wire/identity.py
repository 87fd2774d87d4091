"""Who an upload is: its UIDs, from its own header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_partial

from dicomnb.wire.store_answer import Sent
from dicomnb.wire.storing import Outcome

if TYPE_CHECKING:
    from pydicom.tag import BaseTag

    from dicomnb.wire.storing import Upload

__all__ = ["UID_TAGS", "identity_of"]

UID_TAGS = [0x0020000D, 0x0020000E, 0x00080018, 0x00080016]
"""Study, series, instance, SOP Class: in the order of `Sent`."""
_LAST_NEEDED = 0x0020000E
_PREFIX_AT = 128


def identity_of(upload: Upload) -> Sent | Outcome:
    """The UIDs from the upload's own header; a failure for what cannot be sent."""
    try:
        with upload.open() as file:
            start = file.read(_PREFIX_AT + 4)
            if start[_PREFIX_AT:] != b"DICM":
                return Outcome("failed", reason="not a DICOM file (no DICM prefix)")
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


def _after_uids(tag: BaseTag, vr: str | None, length: int) -> bool:
    return int(tag) > _LAST_NEEDED
