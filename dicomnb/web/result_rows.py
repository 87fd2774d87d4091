"""The rows of an answer to a search: an array of DICOM JSON, whatever it came as. Pure.

Servers send one object in place of an array, an empty body, XML though JSON was asked for,
or each row as a part of its own.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from dicomnb.errors import LimitExceeded, ProtocolError
from dicomnb.web.failures import beginning
from dicomnb.wire import multipart_reader, native_xml
from dicomnb.wire.jsontext import NO_JSON
from dicomnb.wire.media import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dicomnb.limits import Limits
    from dicomnb.refs import Level
    from dicomnb.web.answer import Answer
    from dicomnb.wire.media import MediaType

__all__ = [
    "MORE",
    "Received",
    "Rows",
    "array_in",
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


class Keys(msgspec.Struct, gc=False):
    """The UIDs of a row, as attributes; all else is passed over."""

    study: Any = msgspec.field(name="0020000D", default=None)
    series: Any = msgspec.field(name="0020000E", default=None)
    instance: Any = msgspec.field(name="00080018", default=None)


_KEYS = msgspec.json.Decoder(list[Keys])
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])


class Rows(NamedTuple):
    """An array of DICOM JSON, and the UIDs of each row of it."""

    array: bytes
    keys: Sequence[Keys]


def array_in(answer: Answer, limits: Limits) -> bytes:
    """The body of an answer as one JSON text, whole or, where it is multipart, of its parts.

    Raises:
        ProtocolError: the answer is cut, or holds XML that is no data set.
        LimitExceeded: it is larger than ``limits.page_bytes``.
    """
    media = parse(answer.content_type)
    if media is None or not media.type.startswith("multipart/"):
        return _json_of(media, answer.read(limits.page_bytes))
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
    return found.array, len(found.keys)


def read_rows(body: bytes, url: str, concealed: Callable[[str], str] = str) -> Rows:
    """The JSON array in a body, with the UIDs of its rows; errors as `rows_in`."""
    text = body.strip()
    if not text:
        return Rows(b"[]", ())
    if text.startswith(b"{") and _is_data_set(text):
        text = b"[" + text + b"]"
    try:
        return Rows(text, _KEYS.decode(text))
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
    return Rows(array, _KEYS.decode(array))


def identities(rows: Rows, level: Level) -> list[int | None]:
    """For each row what tells it from others, None for a row that lacks its own UID.

    A number of 64 bits in place of the UIDs: there may be millions of them.
    """
    made = [_identity(key, level) for key in rows.keys]
    return [None if one is None else hash(one) for one in made]


def one_by_one(array: bytes) -> list[bytes]:
    """The rows of an array, each as it is written."""
    return [bytes(raw) for raw in _RAWS.decode(array)]


def _identity(key: Keys, level: str) -> tuple[str | None, ...] | None:
    """The UIDs that tell a row from others, or None when it lacks its own."""
    own = _uid(getattr(key, level))
    if own is None:
        return None
    return own, _uid(key.study), _uid(key.series) if level == "instance" else None


def _uid(element: Any) -> str | None:
    values = element.get("Value") if isinstance(element, dict) else None
    value = values[0] if isinstance(values, list) and values else values
    return value if isinstance(value, str) and value else None
