"""Search and metadata: arrays of DICOM JSON, passed on page by page (PS3.18 10.6, 10.4)."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from dicomnb.errors import NotFound
from dicomnb.query import from_parameters
from dicomnb.server.answers import Answer, Begun, streamed
from dicomnb.server.negotiation import json_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Buffer

    from dicomnb.refs import Level
    from dicomnb.server.exchange import Exchange
    from dicomnb.source import Page

__all__ = ["metadata", "search"]

log = logging.getLogger("dicomnb.server")


def search(exchange: Exchange, *, level: Level) -> Answer:
    """Rows that match the parameters; all of them, unless ``limit`` says otherwise.

    Nothing found is 200 with ``[]``. The standard lets a server choose between that and 204
    (PS3.18 table 10.6.3-1); an empty list is read by the same code as a full one.

    Raises:
        BadQuery: an unknown attribute or a malformed value. It is never ignored: a client
            would take all rows for matching ones.
    """
    kind = json_type(exchange)
    query = from_parameters(level, exchange.ref, exchange.parameters())
    service = exchange.service
    pages = Begun(service.source.search(query, cancel=service.cancel))
    headers: tuple[tuple[str, str], ...] = ()
    if pages.first is not None and not pages.first.complete:
        headers = (("Warning", '299 dicomnb "There are more results than are given here"'),)
    return streamed(200, kind, _array(pages, exchange), headers=headers)


def metadata(exchange: Exchange) -> Answer:
    """The attributes of every instance in a study or series, or of one instance.

    Raises:
        NotFound: there is none.
    """
    kind = json_type(exchange)
    service, ref = exchange.service, exchange.target
    pages = Begun(service.source.metadata(ref, cancel=service.cancel))
    if pages.first is None:
        raise NotFound(f"There is no {ref.level} {ref.uid}.")
    # A source that is a server may give some only (PS3.18 section 8.5).
    return streamed(200 if pages.first.complete else 206, kind, _array(pages, exchange))


def _array(pages: Begun[Page], exchange: Exchange) -> Iterator[Buffer]:
    """One JSON array out of those of the pages."""
    with contextlib.closing(pages):
        opening = b"["
        for page in pages:
            rows = exchange.service.outside(page.rows.strip(), exchange.base)
            for note in page.notes:
                log.info("The source remarks: %s", note)
            if page.count:
                yield opening
                yield memoryview(rows)[1:-1]
                opening = b","
        yield b"[]" if opening == b"[" else b"]"
