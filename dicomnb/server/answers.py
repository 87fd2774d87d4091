"""Answers as values: a status, headers, and a body that may still be streaming.

A body's first piece is made before anything is sent, so that an error of the source becomes
a status as long as that is possible.
"""

from __future__ import annotations

import contextlib
import re
from collections import deque
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from dicomnb.errors import (
    BadQuery,
    Cancelled,
    DecodeError,
    DicomnbError,
    DicomWebError,
    LimitExceeded,
    NoDicom,
    NotFound,
    RefError,
    Throttled,
    Unsupported,
)
from dicomnb.wire.parts import Stretch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from typing_extensions import Buffer

__all__ = ["Answer", "Begun", "Refused", "json_answer", "public_words", "status_of", "streamed"]

JSON = "application/json"
SMALL_BYTES = 64 << 10
"""Pieces below this are sent together: a system call and a packet cost more than a copy."""
WORDS = 500
_FILE_PATH = re.compile(
    r"(?<=['\"])/[^'\"]+(?=['\"])|"
    r"(?<![\w:/.>])(?:/[^\s/'\",;:)]+){2,}/?|\b[A-Za-z]:\\[^\s'\",;)]+"
)

Item = TypeVar("Item")


class Begun(Generic[Item]):
    """An iterator whose first item is there already.

    Making one raises what asking for the first item raises.

    Attributes:
        first: the first item, or None when there is none at all.
    """

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = iter(items)
        self._ahead: deque[Item] = deque()
        try:
            self._look()
        except BaseException:
            self.close()
            raise
        self.first = self._ahead[0] if self._ahead else None

    def _look(self) -> bool:
        """Fetch one item more, if there is one."""
        for item in self._items:
            self._ahead.append(item)
            return True
        return False

    def ends_at_first(self) -> bool:
        """Whether nothing follows the first item. To be asked before iterating."""
        return len(self._ahead) < 2 and not self._look()

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        return self._ahead.popleft() if self._ahead else next(self._items)

    def close(self) -> None:
        """Free what the iterator holds."""
        close = getattr(self._items, "close", None)
        if close is not None:
            close()


@dataclass(frozen=True)
class Answer:
    """What is sent back.

    Attributes:
        status: HTTP status.
        content_type: of the body, or None where there is none.
        body: bytes, or pieces that are still to be made, stretches of files among them.
        length: of a streamed body, or None when it is not known before its end.
        headers: further header fields.
    """

    status: int = 200
    content_type: str | None = None
    body: bytes | Begun[Buffer | Stretch] = b""
    length: int | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def status_line(self) -> str:
        """Code and phrase."""
        return f"{self.status} {HTTPStatus(self.status).phrase}"

    def all_headers(self) -> list[tuple[str, str]]:
        """Every header field that follows from the answer itself."""
        fields = [("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store")]
        if self.content_type is not None:
            fields.append(("Content-Type", self.content_type))
        length = len(self.body) if isinstance(self.body, bytes) else self.length
        if length is not None and self.status != HTTPStatus.NO_CONTENT:
            fields.append(("Content-Length", str(length)))
        return [*fields, *self.headers]

    def close(self) -> None:
        """Free what a body that is not sent holds."""
        if isinstance(self.body, Begun):
            self.body.close()


class Refused(Exception):
    """A request that is answered with a status and words, decided here and not by a source."""

    def __init__(self, status: int, words: str, *headers: tuple[str, str]) -> None:
        super().__init__(words)
        self.status = status
        self.words = words
        self.headers = headers


def json_answer(status: int, data: Any, *headers: tuple[str, str]) -> Answer:
    """A small answer in JSON; an error is ``{"error": words}``."""
    return Answer(status, JSON, msgspec.json.encode(data), headers=headers)


def streamed(
    status: int,
    content_type: str,
    pieces: Iterable[Buffer | Stretch],
    *,
    length: int | None = None,
    headers: tuple[tuple[str, str], ...] = (),
) -> Answer:
    """An answer whose body is made while it is sent. What fits in one piece has a length."""
    body = Begun(_gathered(pieces))
    if length is None and isinstance(body.first, bytes) and body.ends_at_first():
        return Answer(status, content_type, body.first, headers=headers)
    return Answer(status, content_type, body, length, headers)


def _gathered(pieces: Iterable[Buffer | Stretch]) -> Iterator[Buffer | Stretch]:
    """The same bytes: small pieces put together as bytes, large ones as they come."""
    with contextlib.ExitStack() as stack:
        if hasattr(pieces, "close"):
            stack.callback(pieces.close)
        small = bytearray()
        for piece in pieces:
            view = piece if isinstance(piece, Stretch) else memoryview(piece).cast("B")
            if isinstance(view, memoryview) and len(small) + len(view) <= SMALL_BYTES:
                small += view
                continue
            if small:
                yield bytes(small)
                small.clear()
            yield view
        if small:
            yield bytes(small)


# An error of the source → the status that says whose mistake it is. Above: 400 and 404 are the
# asker's; 406: it is there, but not in this form (asking again helps nothing, as a 500 would
# suggest); 502: the server behind a source that is a server itself.
_STATUSES: tuple[tuple[type[DicomnbError], int], ...] = (
    (BadQuery, 400),
    (RefError, 400),
    (NotFound, 404),
    (NoDicom, 404),
    (Unsupported, 406),
    (DecodeError, 406),
    (LimitExceeded, 413),
    (Throttled, 503),
    (Cancelled, 503),
    (DicomWebError, 502),
)


def status_of(error: DicomnbError) -> int | None:
    """The status that an error of the source is answered with, or None for a plain 500."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), None)


def public_words(words: str, address: str) -> str:
    """What an error says, without the paths of this machine."""
    within = re.sub(re.escape(address) + r"[^\s'\",;]*", "this archive", words)
    return _FILE_PATH.sub("…", within)[:WORDS]
