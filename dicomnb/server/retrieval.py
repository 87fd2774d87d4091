"""Retrieve: instances, frames and bulk data, passed on part by part (PS3.18 section 10.4)."""

from __future__ import annotations

import contextlib
import re
import sys
from typing import TYPE_CHECKING, NamedTuple

from dicomnb.errors import DecodeError, NotFound, ProtocolError, Unsupported
from dicomnb.server.answers import Answer, Begun, Refused, streamed
from dicomnb.server.negotiation import (
    NATIVE,
    Shape,
    content_type,
    not_acceptable,
    shapes,
)
from dicomnb.wire.frame_types import FRAME_TYPES
from dicomnb.wire.media import DICOM, OCTET_STREAM, multipart_related
from dicomnb.wire.multipart import Outgoing, length_of, new_boundary, write
from dicomnb.wire.parts import FilePart, Stretch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from typing_extensions import Buffer

    from dicomnb.server.exchange import Exchange
    from dicomnb.wire.parts import Part

__all__ = ["bulk_data", "frame_numbers", "frames", "instances"]

PIECE_BYTES = 256 << 10
"""What is read and sent at once."""
SENT_UNREAD_BYTES = 64 << 10
"""From which size on the system sends a file by itself; smaller ones travel together."""
_NUMBERS = re.compile(r"[1-9][0-9]{0,8}(?:,[1-9][0-9]{0,8})*", re.ASCII)
_BULK_PATH = re.compile(r"(?!.*(?:^|/)\.{0,2}(?:/|$))[0-9A-Za-z._~/-]+", re.ASCII)


def instances(exchange: Exchange, *, unnamed: str = "*") -> Answer:
    """Part 10 instances; as stored unless the client names a transfer syntax.

    Args:
        exchange: the request.
        unnamed: what they are given in where it names none.

    Raises:
        Refused: 406, they cannot be had in any form that the client accepts.
    """
    ref, service = exchange.target, exchange.service
    single = ref.level == "instance"
    found = _obtained(
        exchange,
        lambda shape: service.source.instances(
            ref, transfer_syntax=shape.transfer_syntax or unnamed, cancel=service.cancel
        ),
        offers=[multipart_related(DICOM, transfer_syntax="*"), *([DICOM] if single else [])],
        single=single,
    )

    def location(_: int, part: Part) -> str | None:
        return exchange.url(ref) if single else _outside(exchange, part.location)

    return _answer(found, location, alone=single)


def frame_numbers(text: str) -> list[int]:
    """``"1,2,5"`` of a path as numbers, from 1; anything else is refused with 400."""
    if not _NUMBERS.fullmatch(text):
        raise Refused(400, "Frames are numbers from 1 on, separated by commas: frames/1,2,5.")
    return [int(number) for number in text.split(",")]


def frames(exchange: Exchange) -> Answer:
    """Frames of one instance, in the order asked for.

    Without a transfer syntax, ``application/octet-stream`` means native pixels, as the
    standard has it, and everything else the frames as they are stored. A compressed frame has
    the media type of its compression.

    Raises:
        Refused: 406, the frames cannot be had in any form that the client accepts.
    """
    ref, service = exchange.target, exchange.service
    numbers = frame_numbers(exchange.arguments["numbers"])

    def ask(shape: Shape) -> Iterator[Part]:
        default = NATIVE if shape.type == OCTET_STREAM else "*"
        syntax = shape.transfer_syntax or default
        return service.source.frames(ref, numbers, transfer_syntax=syntax, cancel=service.cancel)

    def location(index: int, _: Part) -> str:
        return f"{exchange.url(ref)}/frames/{numbers[index]}"

    single = len(numbers) == 1
    offers = [multipart_related(OCTET_STREAM, transfer_syntax=syntax) for syntax in ("*", NATIVE)]
    found = _obtained(exchange, ask, offers=offers, single=single)
    return _answer(found, location, alone=single)


def bulk_data(exchange: Exchange) -> Answer:
    """What a BulkDataURI in the metadata leads to.

    Compressed pixels are a part a frame, so they are given as multipart only.

    Raises:
        NotFound: no such bulk data.
        Refused: 406, the client accepts no form of it.
    """
    path = exchange.arguments["path"]
    if not _BULK_PATH.fullmatch(path):
        raise NotFound("There is no such bulk data.")
    service = exchange.service
    place = f"{exchange.target.path}/{exchange.arguments['word']}/{path}"
    offers = [multipart_related(OCTET_STREAM, transfer_syntax="*"), OCTET_STREAM]
    found = _obtained(
        exchange,
        lambda _: service.source.bulk(service.uri_prefix + place, cancel=service.cancel),
        offers=offers,
        single=True,
    )
    alone = not found.shape.multipart
    if alone and _kind(found.first) in FRAME_TYPES.values():
        found.parts.close()
        raise not_acceptable(offers[:1])
    return _answer(found, lambda *_: f"{exchange.base}/{place}", alone=alone)


class _Found(NamedTuple):
    """Parts of the source, the first of them, and the form to send them in."""

    parts: Begun[Part]
    first: Part
    shape: Shape


def _obtained(
    exchange: Exchange,
    ask: Callable[[Shape], Iterator[Part]],
    *,
    offers: list[str],
    single: bool,
) -> _Found:
    """The parts, in the first form that the client accepts and the source can give."""
    reason = ""
    for shape in shapes(exchange, single=single):
        try:
            parts = Begun(ask(shape))
        except Unsupported as error:
            reason = error.message
            continue
        except DecodeError as error:
            reason = str(error)
            continue
        if parts.first is None:
            raise NotFound(f"There is nothing at {exchange.target.path}.")
        if shape.takes(_kind(parts.first), parts.first.transfer_syntax):
            return _Found(parts, parts.first, shape)
        parts.close()
    raise not_acceptable(offers, reason)


def _kind(part: Part) -> str:
    """The media type of a part: that of its compression, if it is a compressed frame."""
    if part.media_type == DICOM:
        return DICOM
    return FRAME_TYPES.get(part.transfer_syntax or "", part.media_type)


def _outside(exchange: Exchange, location: str | None) -> str | None:
    """A Content-Location of the source as one of this server."""
    prefix = exchange.service.uri_prefix
    if location is None or not location.startswith(prefix):
        return None
    return f"{exchange.base}/{location.removeprefix(prefix)}"


def _answer(found: _Found, location: Callable[[int, Part], str | None], *, alone: bool) -> Answer:
    """An answer that reads each part when its turn comes.

    Args:
        found: the parts.
        location: index and part → Content-Location.
        alone: whether there is just one part, so that the length of the whole is known.
    """
    parts, first, shape = found
    buffer = memoryview(bytearray(PIECE_BYTES))

    def outgoing(index: int, part: Part) -> Outgoing:
        kind = content_type(_kind(part), part.transfer_syntax)
        place = location(index, part)
        return Outgoing(kind, lambda: _pieces(part, buffer), part.length, place)

    head = outgoing(0, first)
    if not shape.multipart:
        pieces = _closing(_checked(head, _alone(parts)), parts)
        return streamed(200, head.content_type, pieces, length=first.length)
    boundary = new_boundary()
    numbered = enumerate(_alone(parts) if alone else parts)
    body = write((outgoing(index, part) for index, part in numbered), boundary=boundary)
    kind = multipart_related(_kind(first), boundary=boundary)
    length = length_of([head], boundary=boundary) if alone else None
    return streamed(200, kind, _closing(body, parts), length=length)


def _pieces(part: Part, buffer: memoryview) -> Iterator[memoryview | Stretch]:
    """The bytes of a part, each piece in the same buffer; or the file that they are.

    With many clients, threads that read and write mostly wait for the interpreter's lock. Only
    Linux can do without: see the listener.
    """
    is_large = (part.length or 0) >= SENT_UNREAD_BYTES
    if isinstance(part, FilePart) and is_large and sys.platform == "linux":
        yield part.rest()
        return
    while count := part.readinto(buffer):
        yield buffer[:count]


def _closing(pieces: Iterable[Buffer | Stretch], parts: Begun[Part]) -> Iterator[Buffer | Stretch]:
    """The pieces; closing them closes the parts, and with them the source's files."""
    with contextlib.closing(parts):
        yield from pieces


def _alone(parts: Begun[Part]) -> Iterator[Part]:
    """The one part; a second one would not be in the length that was told."""
    for index, part in enumerate(parts):
        if index:
            raise ProtocolError("The source gave several parts where there can be one only.")
        yield part


def _checked(head: Outgoing, parts: Iterator[Part]) -> Iterator[memoryview | Stretch]:
    """The bytes of a single part; if its file was changed meanwhile, it must look cut."""
    for _ in parts:
        sent = 0
        for piece in head.chunks():
            view = piece if isinstance(piece, Stretch) else memoryview(piece)
            yield view
            sent += view.nbytes
        if head.length is not None and sent != head.length:
            raise ProtocolError(f"A part of {head.length} bytes brought {sent}.")
