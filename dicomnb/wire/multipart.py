"""``multipart/related`` (RFC 2046 section 5.1, PS3.18 section 8.6): reading and writing.

`read` gives the parts of a body while it arrives. `write` makes the pieces of a body out of
`Outgoing` parts, none of which has to be in memory; `SizedBody` is the same with a length,
for a request.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

from dicomnb.errors import ProtocolError
from dicomnb.wire.bodies import PIECE_BYTES, Stream
from dicomnb.wire.media import DICOM, multipart_related
from dicomnb.wire.multipart_reader import read
from dicomnb.wire.parts import Stretch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from typing_extensions import Buffer

    from dicomnb.wire.storing import Upload

__all__ = [
    "BrokenPart",
    "Outgoing",
    "SingleBody",
    "SizedBody",
    "Stream",
    "length_of",
    "new_boundary",
    "outgoing_bytes",
    "outgoing_upload",
    "read",
    "write",
]


class BrokenPart(ProtocolError):
    """A part cannot be sent as its header says: its file vanished, or was changed meanwhile.

    Attributes:
        number: which part of the body, from 0.
    """

    number = 0

    @classmethod
    def of(cls, number: int, message: str) -> BrokenPart:
        """The error of one part."""
        error = cls(message)
        error.number = number
        return error


@dataclass(frozen=True)
class Outgoing:
    """A part to be sent.

    Attributes:
        content_type: as it will stand in the part's header.
        chunks: called for the body's pieces; each call begins anew. Only who sends answers may
            be given a `Stretch` of a file.
        length: size in bytes, or None when only the end of the pieces tells it.
        location: Content-Location, or None.
        open: opens the same bytes as a file, where they are one.
    """

    content_type: str
    chunks: Callable[[], Iterable[Buffer | Stretch]]
    length: int | None = None
    location: str | None = None
    open: Callable[[], BinaryIO] | None = None

    def __post_init__(self) -> None:
        for value in (self.content_type, self.location or ""):
            if any(sign in value for sign in "\r\n\0"):
                raise ValueError(f"{value!r} cannot stand in a part's header.")


def outgoing_bytes(data: Buffer, content_type: str, *, location: str | None = None) -> Outgoing:
    """A part that is in memory."""
    view = memoryview(data).cast("B")
    return Outgoing(content_type, lambda: (view,), len(view), location)


def outgoing_upload(upload: Upload, *, content_type: str = DICOM) -> Outgoing:
    """An instance to be stored; it is opened when its turn comes, each time anew."""

    def chunks() -> Iterator[bytes]:
        with upload.open() as file:
            while piece := file.read(PIECE_BYTES):
                yield piece

    return Outgoing(content_type, chunks, upload.length, open=upload.open)


def new_boundary() -> str:
    """A boundary that nobody can foresee and put into an instance."""
    return f"dicomnb-{secrets.token_hex(16)}"


def write(parts: Iterable[Outgoing], *, boundary: str) -> Iterator[Buffer | Stretch]:
    """The pieces of a multipart body, in order, big ones as they come.

    Raises:
        BrokenPart: a part could not be read, or brought more or fewer bytes than its length
            says: a file was changed while it was sent. No byte too many is given; the body
            must then be broken off, not ended.
    """
    for number, part in enumerate(parts):
        yield _header(part, boundary)
        yield from _content(part, number)
        yield b"\r\n"
    yield _closing(boundary)


def _content(part: Outgoing, number: int) -> Iterator[Buffer | Stretch]:
    """A part's pieces, never more bytes than its length."""
    sent = 0
    pieces = iter(part.chunks())
    while True:
        try:
            piece = next(pieces, None)
        except OSError as error:
            raise _unreadable(number, error) from error
        if piece is None:
            break
        sent += (piece if isinstance(piece, Stretch) else memoryview(piece)).nbytes
        if part.length is not None and sent > part.length:
            break
        yield piece
    _check_length(part, number, sent)


def _in_memory(part: Outgoing, number: int) -> Iterator[Buffer]:
    """The same for who takes no stretches of files."""
    for piece in _content(part, number):
        yield bytes(piece) if isinstance(piece, Stretch) else piece


def _check_length(part: Outgoing, number: int, came: int) -> None:
    if part.length is not None and came != part.length:
        brought = f"{came}" if came < part.length else "more"
        raise BrokenPart.of(
            number,
            f"a part of {part.length} bytes brought {brought}: it was changed while it was sent",
        )


def _unreadable(number: int, error: OSError) -> BrokenPart:
    """HTTP libraries would take an OSError for a failure of the network, and send again."""
    return BrokenPart.of(number, f"cannot be read: {error.strerror or error}")


class _Packing:
    """Puts what is to be sent into one room, and gives it whenever that is full.

    Each piece that is given is to be used before the next is asked for.
    """

    def __init__(self, room: bytearray) -> None:
        self._room = memoryview(room)
        self._end = 0

    def add(self, data: Buffer) -> Iterator[memoryview]:
        """Bytes in memory; what is larger than the room is given as it is."""
        piece = memoryview(data).cast("B")
        if self._end + len(piece) > len(self._room):
            yield from self.rest()
        if len(piece) > len(self._room):
            yield piece
        else:
            self._room[self._end : self._end + len(piece)] = piece
            self._end += len(piece)
        if self._end == len(self._room):
            yield from self.rest()

    def read(
        self, part: Outgoing, number: int, opened: Callable[[], BinaryIO]
    ) -> Iterator[memoryview]:
        """The file of a part; errors as in `write`."""
        came = 0
        try:
            file = opened()
        except OSError as error:
            raise _unreadable(number, error) from error
        with file:
            while count := self._filled(file, number):
                came += count
                if part.length is not None and came > part.length:
                    break
                self._end += count
                if self._end == len(self._room):
                    yield from self.rest()
        _check_length(part, number, came)

    def _filled(self, file: BinaryIO, number: int) -> int:
        try:
            return cast("Stream", file).readinto(self._room[self._end :]) or 0
        except OSError as error:
            raise _unreadable(number, error) from error

    def rest(self) -> Iterator[memoryview]:
        """What has not been given yet."""
        if self._end:
            yield self._room[: self._end]
            self._end = 0


def length_of(parts: Iterable[Outgoing], *, boundary: str) -> int | None:
    """How many bytes `write` will make, or None when a part's length is not known."""
    total = len(_closing(boundary))
    for part in parts:
        if part.length is None:
            return None
        total += len(_header(part, boundary)) + part.length + 2
    return total


def _header(part: Outgoing, boundary: str) -> bytes:
    lines = [f"--{boundary}", f"Content-Type: {part.content_type}"]
    if part.length is not None:
        lines.append(f"Content-Length: {part.length}")
    if part.location is not None:
        lines.append(f"Content-Location: {part.location}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


def _closing(boundary: str) -> bytes:
    return f"--{boundary}--\r\n".encode("latin-1")


class SizedBody:
    """A request's multipart body: its length is known, and every reading begins anew.

    Iterating it opens the parts one after another, so that no batch is ever in memory, and a
    second attempt, whoever makes it, sends the whole again. It is no file on purpose: HTTP
    libraries read files in pieces of 16 KiB and send what is left of them on a retry.

    Args:
        parts: what to send; the length of each must be known.
        part_type: ``type`` of the whole.

    Raises:
        ValueError: the length of a part is not known.
    """

    def __init__(self, parts: Sequence[Outgoing], *, part_type: str = DICOM) -> None:
        self._parts = tuple(parts)
        self._boundary = new_boundary()
        length = length_of(self._parts, boundary=self._boundary)
        if length is None:
            raise ValueError("A request's body needs the length of each of its parts.")
        self._length = length
        self.content_type = multipart_related(part_type, boundary=self._boundary)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Buffer]:
        room = bytearray(PIECE_BYTES)
        for piece in self.packed(room):
            yield bytes(piece) if piece.obj is room else piece

    def packed(self, room: bytearray) -> Iterator[memoryview]:
        """The same bytes in pieces that lie in ``room``: each is gone when the next is asked for.

        For who sends each at once: files are read into place, and small ones travel together.

        Raises:
            BrokenPart: as `write` has it.
        """
        packing = _Packing(room)
        before = b""
        for number, part in enumerate(self._parts):
            yield from packing.add(before + _header(part, self._boundary))
            before = b"\r\n"
            if part.open is not None:
                yield from packing.read(part, number, part.open)
                continue
            for piece in _in_memory(part, number):
                yield from packing.add(piece)
        yield from packing.add(before + _closing(self._boundary))
        yield from packing.rest()


class SingleBody:
    """A request's body that is one instance, not multipart. Every reading begins anew."""

    def __init__(self, part: Outgoing) -> None:
        if part.length is None:
            raise ValueError("A request's body needs its length.")
        self._part = part
        self._length = part.length
        self.content_type = part.content_type

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Buffer]:
        return _in_memory(self._part, 0)
