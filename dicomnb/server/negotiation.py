"""Which media type an answer has (PS3.18 section 8.7), and what it is called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dicomnb.server.answers import Refused
from dicomnb.wire.frame_types import FRAME_TYPES
from dicomnb.wire.media import DICOM, DICOM_JSON, OCTET_STREAM, MediaType, accepted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dicomnb.server.exchange import Exchange

__all__ = [
    "NATIVE",
    "Shape",
    "content_type",
    "json_type",
    "not_acceptable",
    "shapes",
]

NATIVE = "1.2.840.10008.1.2.1"
"""Explicit VR Little Endian: pixels as they are, the default for application/octet-stream."""


@dataclass(frozen=True)
class Shape:
    """A form that the client accepts.

    Attributes:
        multipart: whether as ``multipart/related``.
        type: of the parts, or of the whole if not multipart; may hold ``*``.
        transfer_syntax: UID, ``"*"``, or None where it is not told.
    """

    multipart: bool
    type: str
    transfer_syntax: str | None

    def takes(self, kind: str, transfer_syntax: str | None) -> bool:
        """Whether a body of this type and syntax is what was asked for.

        ``application/octet-stream`` takes compressed frames too when the client said
        ``transfer-syntax=*``: their own type stands at the part.
        """
        wanted = self.transfer_syntax
        if wanted not in (None, "*") and transfer_syntax not in (None, wanted):
            return False
        if self.type == OCTET_STREAM:
            return kind == OCTET_STREAM or (wanted is not None and kind != DICOM)
        whole, _, half = self.type.partition("/")
        return self.type in ("*/*", kind) or (half == "*" and kind.startswith(f"{whole}/"))


def shapes(exchange: Exchange, *, single: bool) -> Iterator[Shape]:
    """The forms in which the client accepts binary data, the most wanted first.

    Args:
        exchange: the request.
        single: whether what was asked for is one body, which need not be multipart.
    """
    for entry in accepted(exchange.accept):
        if entry.type in ("*/*", "multipart/*", "multipart/related"):
            yield Shape(True, entry.part_type or "*/*", entry.transfer_syntax)
        elif single:
            yield Shape(False, entry.type, entry.transfer_syntax)


def json_type(exchange: Exchange) -> str:
    """``application/dicom+json``, or plain JSON where only that is accepted.

    Raises:
        Refused: 406, the client accepts neither.
    """
    offers = [DICOM_JSON, "application/json"]
    for offer, _ in exchange.wanted(offers):
        return offer
    raise not_acceptable(offers)


def not_acceptable(offers: list[str], reason: str = "") -> Refused:
    """406, with what is offered and, where one was given, the source's reason."""
    words = f"Offered here: {', '.join(offers)}."
    return Refused(406, f"{reason} {words}" if reason else words)


def content_type(kind: str, transfer_syntax: str | None) -> str:
    """The Content-Type of a part."""
    if kind in (DICOM, OCTET_STREAM) or kind in FRAME_TYPES.values():
        parameters = (("transfer-syntax", transfer_syntax),) if transfer_syntax else ()
        return str(MediaType(kind, parameters))
    return kind
