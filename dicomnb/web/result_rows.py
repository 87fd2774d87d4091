"""The rows of an answer to a search: an array of DICOM JSON, whatever it came as. Pure.

Servers send one object in place of an array, an empty body, XML though JSON was asked for,
or each row as a part of its own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from dicomnb.errors import LimitExceeded, ProtocolError
from dicomnb.tables.arriving import Decoded
from dicomnb.tables.cells import column_of
from dicomnb.tables.uids import UID_COLUMNS, uids_of
from dicomnb.web.failures import beginning
from dicomnb.wire import multipart_reader, native_xml
from dicomnb.wire.jsontext import NO_JSON
from dicomnb.wire.media import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dicomnb.limits import Limits
    from dicomnb.query import Query
    from dicomnb.refs import Level
    from dicomnb.tables.columns import Column
    from dicomnb.web.answer import Answer
    from dicomnb.wire.media import MediaType

__all__ = [
    "MORE",
    "Received",
    "Rows",
    "array_in",
    "columns_of",
    "identities",
    "one_by_one",
    "read_rows",
    "rows_in",
]

MORE = "additional results"
"""What the warning of PS3.18 section 8.3.4.4 says when rows are left."""
_XML = frozenset({"application/dicom+xml", "application/xml", "text/xml"})


class Received(NamedTuple):
    """One answer to a search."""

    body: bytes
    warnings: tuple[str, ...] = ()
    concealed: Callable[[str], str] = str
    """Takes out of an error what was sent in confidence."""
    decoded: Decoded | None = None
    """Columns of the body, where they were decoded while it came."""


_RAWS = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True)
class Rows:
    """An array of DICOM JSON, and the UIDs of each row of it."""

    array: bytes
    count: int
    uids: Mapping[Level, Sequence[str | None]]
    decoded: Decoded | None = None


def array_in(
    answer: Answer, limits: Limits, *, heard: Callable[[memoryview], None] | None = None
) -> bytes:
    """The body of an answer as one JSON text, whole or, where it is multipart, of its parts.

    Args:
        heard: is shown each piece of a body that is JSON as a whole, as it comes; for the time
            of the call only.

    Raises:
        ProtocolError: the answer is cut, or holds XML that is no data set.
        LimitExceeded: it is larger than ``limits.page_bytes``.
    """
    media = parse(answer.content_type)
    if media is None or not media.type.startswith("multipart/"):
        is_xml = media is not None and media.type in _XML
        return _json_of(media, answer.read(limits.page_bytes, heard=None if is_xml else heard))
    arrays, total = [], 0
    bounds = replace(limits, part_bytes=min(limits.part_bytes, limits.page_bytes))
    for part in multipart_reader.read(answer, answer.content_type, limits=bounds, url=answer.url):
        body = _json_of(parse(part.media_type), part.read())
        total += len(body)
        if total > limits.page_bytes:
            raise LimitExceeded(
                f"The answer is larger than Limits.page_bytes = {limits.page_bytes} bytes. Ask "
                "for less, or raise the limit in Options(limits=…)."
            )
        array = read_rows(body, answer.url, answer.concealed).array[1:-1].strip()
        arrays.append(array)
    answer.finish()
    return b"[" + b",".join(array for array in arrays if array) + b"]"


def _json_of(media: MediaType | None, body: bytes) -> bytes:
    """A body as DICOM JSON, made of XML (PS3.19 annex A.1) where it is that.

    A web page that calls itself XML stays what it is, for `read_rows` to say so.
    """
    is_xml = media is not None and media.type in _XML
    return native_xml.read(body) if is_xml and b"NativeDicomModel" in body[:4096] else body


def rows_in(body: bytes, *, url: str, concealed: Callable[[str], str] = str) -> tuple[bytes, int]:
    """The JSON array in a body, and its length; empty for an empty body.

    Raises:
        ProtocolError: HTML, cut JSON, or JSON of something else than DICOM.
    """
    found = read_rows(body, url, concealed)
    return found.array, found.count


def read_rows(
    body: bytes,
    url: str,
    concealed: Callable[[str], str] = str,
    decoded: Decoded | None = None,
) -> Rows:
    """The JSON array in a body, with the UIDs of its rows; errors as `rows_in`."""
    text = body.strip()
    if decoded is not None and (page := decoded.of(body)) is not None:
        found = Decoded(text, page)
        return Rows(text, *uids_of(text, found), found)
    if not text:
        text = b"[]"
    if text.startswith(b"{") and _is_data_set(text):
        text = b"[" + text + b"]"
    try:
        return Rows(text, *uids_of(text))
    except NO_JSON:
        lenient = _leniently(text)
    if lenient is None:
        what = "a web page" if text.startswith(b"<") else "no array of DICOM JSON, or not whole"
        raise ProtocolError(
            f"The answer to a search is {what}: {concealed(beginning(text))!r}. Is this the "
            "DICOMweb root?",
            url=url,
        )
    return lenient


def _is_data_set(text: bytes) -> bool:
    try:
        names = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except NO_JSON:
        return False
    return any(len(name) == 8 and name.isalnum() for name in names)


def _leniently(text: bytes) -> Rows | None:
    """What Python's own reader makes of it: bare NaN, a byte-order mark, broken UTF-8."""
    try:
        data = json.loads(text.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
        return None
    array = msgspec.json.encode(data)
    return Rows(array, *uids_of(array))


def columns_of(query: Query) -> tuple[Column, ...]:
    """What is wanted of each row of a search: what tells rows apart, and what was asked for."""
    tags = (*query.fields, *(one.path[0] for one in query.filters))
    asked = (column_of(tag) for tag in tags if tag != "all")
    return tuple(dict.fromkeys((*UID_COLUMNS.values(), *asked)))


def identities(rows: Rows, level: Level) -> list[int | None]:
    """For each row what tells it from others, None for a row that lacks its own UID.

    A number of 64 bits in place of the UIDs: there may be millions of them.
    """
    own = rows.uids[level]
    above = rows.uids["series"] if level == "instance" else repeat(None)
    made: list[int | None] = list(map(hash, zip(own, rows.uids["study"], above, strict=False)))
    if None in own:
        made = [None if uid is None else one for uid, one in zip(own, made, strict=True)]
    return made


def one_by_one(array: bytes) -> list[bytes]:
    """The rows of an array, each as it is written."""
    return [bytes(raw) for raw in _RAWS.decode(array)]
