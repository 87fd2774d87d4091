"""What a handler gets: the source that is published, and one request to it."""

from __future__ import annotations

import os
import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dicomnb.limits import Limits
from dicomnb.pool import Cancel
from dicomnb.refs import LEVELS, Ref
from dicomnb.wire import media

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from werkzeug.wrappers import Request

    from dicomnb.server.request_body import RequestBody
    from dicomnb.source import Abilities, Source

__all__ = ["Exchange", "Service"]

DRAWN_AT_ONCE = max(4, os.cpu_count() or 1)
FOLDER_SCHEME = "dicomnb:/"
"""What the URIs of a source begin with that is no server itself."""


@dataclass(frozen=True)
class Service:
    """What is published: a source, and what may be done with it.

    Attributes:
        source: where everything comes from.
        writable: whether clients may store and delete, as far as the source can.
        limits: bounds on requests.
        cancel: set when the server closes.
        drawing: held while a picture is drawn, which may take hundreds of megabytes.
    """

    source: Source
    writable: bool = False
    limits: Limits = field(default_factory=Limits)
    cancel: Cancel = field(default_factory=Cancel)
    drawing: threading.Semaphore = field(
        default_factory=lambda: threading.Semaphore(DRAWN_AT_ONCE), repr=False
    )
    abilities: Abilities = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "abilities", self.source.abilities())

    @property
    def uri_prefix(self) -> str:
        """What the source's own RetrieveURLs and BulkDataURIs begin with."""
        address = self.source.address
        return f"{address.rstrip('/')}/" if "://" in address else FOLDER_SCHEME

    def outside(self, rows: bytes, base: str) -> bytes:
        """DICOM JSON of the source with URLs of this server (``base``) in place of its own.

        Looked for are the beginnings of a BulkDataURI and of a RetrieveURL (0008,1190) with
        their names and quotes. Within a value quotes are escaped, so that no text of a patient
        can look like one.
        """
        prefix, new = re.escape(self.uri_prefix).encode(), rb"\g<1>" + f"{base}/".encode()
        for name in (rb'"BulkDataURI"', rb'"00081190"\s*:\s*\{\s*"vr"\s*:\s*"U[RT]"\s*,\s*"Value"'):
            start = rb"(" + name + rb"\s*:\s*\[?\s*\")" + prefix
            rows = re.sub(start, new, rows)
        return rows


@dataclass(frozen=True)
class Exchange:
    """One request.

    Attributes:
        service: what it is asked of.
        request: its headers and parameters.
        arguments: the variables of its path, decoded.
        base: URL of the DICOMweb root, by the name that the client used.
    """

    service: Service
    request: Request
    arguments: Mapping[str, str]
    base: str

    @property
    def ref(self) -> Ref | None:
        """The study, series or instance in the path.

        Raises:
            RefError: a UID that identifies nothing.
        """
        uids = [self.arguments[level] for level in LEVELS if level in self.arguments]
        return Ref(*uids) if uids else None

    @property
    def target(self) -> Ref:
        """`ref`, for paths that always name one."""
        found = self.ref
        if found is None:
            raise LookupError(f"The path of {self.request.path!r} names no study.")
        return found

    @property
    def accept(self) -> str | None:
        """What the client wants: the parameter (PS3.18 section 8.3.3.1) beats the header."""
        return self.request.args.get("accept") or self.request.headers.get("Accept")

    @property
    def body(self) -> RequestBody:
        """The request's body, unread."""
        body: RequestBody = self.request.environ["wsgi.input"]
        return body

    def parameters(self) -> Iterator[tuple[str, str]]:
        """Name and value of each query parameter but ``accept``, in the order they stand."""
        return (pair for pair in self.request.args.items(multi=True) if pair[0] != "accept")

    def url(self, ref: Ref) -> str:
        """RetrieveURL of something here."""
        return f"{self.base}/{ref.path}"

    def wanted(self, offers: list[str]) -> list[tuple[str, media.MediaType]]:
        """Which of the offered types the client accepts, the most wanted first.

        Returns:
            Pairs of an offer and the entry of the Accept header that asks for it.
        """
        return [
            (offer, entry)
            for entry in media.accepted(self.accept)
            for offer in offers
            if (offered := media.parse(offer)) is not None and media.matches(offered, entry)
        ]
