"""Retrieve as the Google API has it: metadata with group 0002, pictures, byte ranges."""

from __future__ import annotations

import contextlib
import re
import struct
from typing import TYPE_CHECKING, Any

import msgspec

from dicomnb.errors import NotFound
from dicomnb.refs import Ref
from dicomnb.server.answers import Answer, Begun, Refused, streamed
from dicomnb.server.negotiation import json_type
from dicomnb.server.rendering import rendered as standard_rendered
from dicomnb.server.retrieval import bulk_data as standard_bulk_data
from dicomnb.server.retrieval import instances as standard_instances
from dicomnb.wire.elements import element_from_bytes
from dicomnb.wire.media import OCTET_STREAM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dicomnb.server.google.calls import StoreExchange
    from dicomnb.source import Page

__all__ = ["bulk_data", "instances", "metadata", "rendered"]

_HEAD_BYTES = 4 << 10
_UIDS = ("0020000D", "0020000E", "00080018")
_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{0,18})", re.ASCII)
_LONG_FORM = frozenset({"OB", "OW", "SQ", "UN", "UT"})
_rows = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


def instances(exchange: StoreExchange) -> Answer:
    """Part 10 instances; transcoded where Accept names no transfer syntax."""
    return standard_instances(exchange, unnamed=exchange.habits.unnamed_syntax)


def rendered(exchange: StoreExchange) -> Answer:
    """A picture of an instance or frame, whose only parameter is ``viewport``."""
    habits = exchange.habits
    return standard_rendered(
        exchange,
        parameters=habits.render_parameters,
        ignores_others=habits.other_render_parameters == "ignored",
    )


def metadata(exchange: StoreExchange) -> Answer:
    """The attributes of every instance, those of group 0002 included.

    Raises:
        NotFound: there is none.
    """
    kind = json_type(exchange)
    service, ref = exchange.service, exchange.target
    pages = Begun(service.source.metadata(ref, cancel=service.cancel))
    if pages.first is None:
        raise NotFound(f"There is no {ref.level} {ref.uid}.")
    return streamed(200, kind, _with_meta(pages, exchange))


def _with_meta(pages: Begun[Page], exchange: StoreExchange) -> Iterator[bytes]:
    with contextlib.closing(pages):
        opening = b"["
        for page in pages:
            for row in _rows.decode(page.rows):
                whole = {**_file_meta(row, exchange), **row}
                json = exchange.service.outside(msgspec.json.encode(whole), exchange.base)
                yield opening + json
                opening = b","
        yield b"[]" if opening == b"[" else b"]"


def _file_meta(row: dict[str, msgspec.Raw], exchange: StoreExchange) -> dict[str, Any]:
    """Group 0002 of the instance whose metadata this is; nothing if it has just gone."""
    uids = [msgspec.json.decode(row[tag])["Value"][0] for tag in _UIDS]
    service = exchange.service
    try:
        parts = Begun(service.source.instances(Ref(*uids), cancel=service.cancel))
    except NotFound:
        return {}
    with contextlib.closing(parts):
        head = bytearray(_HEAD_BYTES)
        count = parts.first.readinto(head) if parts.first is not None else 0
    return _group_2(bytes(head[:count]))


def _group_2(head: bytes) -> dict[str, Any]:
    """The elements behind preamble and prefix, which are always explicit and little endian."""
    found: dict[str, Any] = {}
    position = 132
    while position + 12 <= len(head):
        group, number, code, length = struct.unpack_from("<HH2sH", head, position)
        vr = code.decode("latin_1")
        if group != 2:
            break
        position += 8
        if vr in _LONG_FORM:
            (length,) = struct.unpack_from("<I", head, position)
            position += 4
        raw = head[position : position + length]
        position += length
        if number:
            tag = group << 16 | number
            found[f"{tag:08X}"] = element_from_bytes(
                tag, vr, raw, decode=lambda text: text.decode("latin_1"), order="<", uri=str
            )
    return found


def bulk_data(exchange: StoreExchange) -> Answer:
    """What a BulkDataURI leads to; a part of it by ``Range`` where that is a habit."""
    asked = exchange.request.headers.get("Range")
    answer = standard_bulk_data(exchange)
    if asked is None or not exchange.habits.bulk_ranges or answer.content_type is None:
        return answer
    if not answer.content_type.startswith(OCTET_STREAM):
        return answer
    found = _RANGE.fullmatch(asked)
    if found is None:
        return answer
    body = answer.body
    data = body if isinstance(body, bytes) else b"".join(bytes(piece) for piece in body)
    start = int(found[1])
    stop = min(int(found[2] or len(data)) + 1, len(data))
    if not start < stop:
        raise Refused(416, "Nothing lies there.", ("Content-Range", f"bytes */{len(data)}"))
    where = ("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}")
    return Answer(206, answer.content_type, data[start:stop], headers=(where,))
