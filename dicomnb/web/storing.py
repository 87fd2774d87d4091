"""What goes into one store request, and who is who in its answer (PS3.18 section 10.5)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import msgspec

from dicomnb.errors import Unsupported
from dicomnb.web.failures import beginning, words_of
from dicomnb.wire.frame_types import FRAME_TYPES
from dicomnb.wire.identity import UID_TAGS, identity_of
from dicomnb.wire.media import DICOM, DICOM_JSON, OCTET_STREAM, format
from dicomnb.wire.multipart import (
    Outgoing,
    SingleBody,
    SizedBody,
    outgoing_bytes,
    outgoing_upload,
)
from dicomnb.wire.store_answer import Sent, outcomes, read
from dicomnb.wire.storing import ImageUpload, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dicomnb.web.answer import Answer
    from dicomnb.wire.storing import StoreForm, Upload

__all__ = ["ERROR_ANSWERS", "Batch", "not_in_this_form"]

ERROR_ANSWERS = frozenset({400, 409})
"""Error statuses under which a store may still tell what became of each instance."""

_PIXEL_DATA = "7FE00010"


class Batch:
    """As many of some uploads as one request can hold.

    What is no DICOM file, or cannot be opened, is not sent: one such part makes some servers
    refuse its neighbours. It is told as failed. Nor is a second upload of the same
    SOPInstanceUID: the answer tells instances apart by that alone, and Google's failures do
    not even name it, so that nobody could say which of the two was stored.

    Args:
        uploads: what to store.
        form: how they travel. ``"json"`` takes `ImageUpload`s, ``"single"`` one upload.
        known: outcomes that are known already, by place in ``uploads``; those are not sent.

    Attributes:
        known: the same, with those that cannot be sent.
        sent: identities of those that are sent.
        places: where in ``uploads`` they stand.
        body: the request's body, or None when nothing is left to send.
    """

    def __init__(
        self,
        uploads: Sequence[Upload],
        *,
        form: StoreForm = "multipart",
        known: Mapping[int, Outcome] | None = None,
    ) -> None:
        if form == "single" and len(uploads) > 1:
            raise ValueError("The single-part form holds one instance a request.")
        self.known: dict[int, Outcome] = dict(known or {})
        self.sent: list[Sent] = []
        self.places: list[int] = []
        parts: list[Outgoing] = []
        uids: set[str | None] = set()
        for place, upload in enumerate(uploads):
            if place in self.known:
                continue
            made = _outgoing(upload, form, place)
            if isinstance(made, Outcome):
                self.known[place] = made
            elif made[0].instance not in uids:
                uids.add(made[0].instance)
                self.sent.append(made[0])
                self.places.append(place)
                parts.append(made[1])
        kept = [uploads[place] for place in self.places]
        self.body = _body(parts, kept, form) if parts else None

    def read(self, answer: Answer, body: bytes) -> dict[int, Outcome]:
        """What became of those that were sent, by place, as the server's answer has it.

        Raises:
            ProtocolError: the answer is a page for people, not a store's.
        """
        words = "; ".join(answer.warnings)
        data = read(body)
        if data is None:
            if answer.status in ERROR_ANSWERS:
                words = words or answer.concealed(words_of(body))
            elif body.lstrip()[:1] == b"<":
                raise answer.error(f"The answer to a store is no DICOM: {beginning(body)!r}")
        answered = outcomes(data, answer.content_type, answer.status, self.sent, words=words)
        told = (
            replace(one, reason=answer.concealed(one.reason)) if one.reason else one
            for one in answered
        )
        return dict(zip(self.places, told, strict=True))


def not_in_this_form(error: Unsupported, form: StoreForm) -> Unsupported:
    """The error of a server that does not take a form of store (415), saying what to do."""
    advice = {
        "single": 'It takes several instances a request: leave form="single" out.',
        "json": 'It does not make instances of metadata and images; dicomnb can: form="multipart".',
        "multipart": 'Some servers take one instance a request: form="single".',
    }
    return Unsupported(
        f"The server does not take instances in the form {form!r}. {advice[form]}",
        url=error.url,
        status=error.status,
        server_words=error.server_words,
    )


def _outgoing(upload: Upload, form: StoreForm, place: int) -> tuple[Sent, Outgoing] | Outcome:
    """An upload as a part, or why it is not sent."""
    if form == "json":
        return _outgoing_image(upload, place)
    identity = identity_of(upload)
    if isinstance(identity, Outcome):
        return identity
    try:
        return identity, outgoing_upload(upload)
    except OSError as error:
        return Outcome("failed", *identity, reason=f"cannot be read: {error.strerror or error}")


def _outgoing_image(upload: Upload, place: int) -> tuple[Sent, Outgoing]:
    """The pixels of an image; its Content-Location joins them with the metadata."""
    if not isinstance(upload, ImageUpload):
        raise TypeError(f"{upload.name} has no metadata to be sent as JSON.")
    values = [upload.metadata.get(f"{tag:08X}", {}).get("Value") or [None] for tag in UID_TAGS]
    identity = Sent(*(one[0] for one in values))
    syntax = upload.transfer_syntax
    kind = format(FRAME_TYPES.get(syntax, OCTET_STREAM), {"transfer-syntax": syntax})
    return identity, outgoing_bytes(upload.bulk, kind, location=f"image-{place}")


def _body(
    parts: Sequence[Outgoing], uploads: Sequence[Upload], form: StoreForm
) -> SizedBody | SingleBody:
    if form == "single":
        return SingleBody(parts[0])
    if form == "multipart":
        return SizedBody(parts, part_type=DICOM)
    rows = []
    for upload, part in zip(uploads, parts, strict=True):
        pixels = {"vr": "OB", "BulkDataURI": part.location}
        rows.append({**cast("ImageUpload", upload).metadata, _PIXEL_DATA: pixels})
    array = outgoing_bytes(msgspec.json.encode(rows), DICOM_JSON)
    return SizedBody([array, *parts], part_type=DICOM_JSON)
