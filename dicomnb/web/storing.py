"""What goes into one store request, and who is who in its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_partial

from dicomnb.wire.multipart import SizedBody, outgoing_upload
from dicomnb.wire.store_answer import Sent
from dicomnb.wire.storing import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom.dataset import Dataset
    from pydicom.tag import BaseTag

    from dicomnb.wire.storing import Upload

__all__ = ["Batch"]

_LAST_NEEDED = 0x0020000E
_UID_TAGS = [0x0020000D, 0x0020000E, 0x00080018, 0x00080016]
"""Study, series, instance, SOP Class: in the order of `Sent`."""
_PREFIX_AT = 128


class Batch:
    """Uploads of one request.

    What is no DICOM file, or cannot be opened, is not sent: one such part makes some servers
    refuse its neighbours. It is told as failed.

    Attributes:
        sent: identities of those that are sent.
        body: the request's body, or None when nothing is left to send.
    """

    def __init__(self, uploads: Sequence[Upload]) -> None:
        identities = [_identity(upload) for upload in uploads]
        self._failed = [one if isinstance(one, Outcome) else None for one in identities]
        good = [
            (upload, identity)
            for upload, identity in zip(uploads, identities, strict=True)
            if isinstance(identity, Sent)
        ]
        self.sent = [identity for _, identity in good]
        self.body = SizedBody([outgoing_upload(upload) for upload, _ in good]) if good else None

    def outcomes(self, answered: Sequence[Outcome]) -> list[Outcome]:
        """One outcome for each upload, in their order, with those of the server filled in."""
        coming = iter(answered)
        return [failed if failed is not None else next(coming) for failed in self._failed]


def _identity(upload: Upload) -> Sent | Outcome:
    """The UIDs from the upload's own header; a failure for what cannot be sent."""
    try:
        with upload.open() as file:
            start = file.read(_PREFIX_AT + 4)
            if start[_PREFIX_AT:] != b"DICM":
                return Outcome("failed", reason="not a DICOM file (no DICM prefix)")
            file.seek(0)
            data = read_partial(file, stop_when=_after_uids, specific_tags=_UID_TAGS)
            texts = [
                str(data[tag].value or "") or None if tag in data else None for tag in _UID_TAGS
            ]
    except OSError as error:
        return Outcome("failed", reason=f"cannot be read: {error.strerror or error}")
    except (InvalidDicomError, ValueError, EOFError, KeyError, NotImplementedError) as error:
        return Outcome("failed", reason=f"its header cannot be read: {error}")
    if texts[2] is None:
        return Outcome("failed", study=texts[0], series=texts[1], reason="it has no SOPInstanceUID")
    return Sent(*texts)


def _text(data: Dataset, tag: int) -> str | None:
    return str(data[tag].value or "") or None if tag in data else None


def _after_uids(tag: BaseTag, vr: str | None, length: int) -> bool:
    return int(tag) > _LAST_NEEDED
