"""A request's body, read while it arrives (RFC 9112 sections 6 and 7).

Never more than the caller's buffer is in memory, whatever the client says of sizes: a chunk
of a gigabyte is handed on in pieces like any other. Every way in which a body can be broken
off or malformed is a `ProtocolError`, so that half a body is never taken for a whole one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO, Protocol

from dicomnb.errors import LimitExceeded, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

__all__ = ["RequestBody"]

_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
LINE_BYTES = 4096
TRAILER_LINES = 64


class _Reader(Protocol):
    """What is read from: the connection's buffered reader."""

    def readinto1(self, buffer: Buffer, /) -> int: ...
    def readline(self, size: int = -1, /) -> bytes: ...


class RequestBody:
    """The body of one request.

    Args:
        reader: the connection.
        length: Content-Length, or None for a chunked body.
        limit: the most bytes it may have.
        go_ahead: called once before the first byte is read, for a client that waits for
            ``100 Continue``; None for one that does not wait.

    Attributes:
        length: as given.
        finished: whether all of it has been read, so that another request may follow.
    """

    def __init__(
        self,
        reader: _Reader | BinaryIO,
        length: int | None,
        *,
        limit: int,
        go_ahead: Callable[[], None] | None = None,
    ) -> None:
        self._reader = reader
        self._go_ahead = go_ahead
        self._limit = limit
        self._left = length or 0  # of the body, or of the chunk at hand
        self._total = 0
        self._in_chunk = False
        self.length = length
        self.finished = length == 0

    def readinto(self, buffer: Buffer, /) -> int:
        """Put at least one byte into ``buffer``; 0 at the end.

        Raises:
            ProtocolError: the body breaks off or is malformed.
            LimitExceeded: it is larger than the limit.
        """
        target = memoryview(buffer).cast("B")
        if self.finished or not len(target):
            return 0
        self._check(self.length or 0)
        if self._go_ahead is not None:
            go_ahead, self._go_ahead = self._go_ahead, None
            go_ahead()
        try:
            return self._read(target)
        except OSError as error:
            raise ProtocolError("The body broke off: no more of it came.") from error

    def _read(self, target: memoryview) -> int:
        if self.length is None and not self._left and not self._next_chunk():
            self.finished = True
            return 0
        count = self._reader.readinto1(target[: self._left])  # type: ignore[union-attr]
        if not count:
            raise ProtocolError("The body broke off before its end.")
        self._left -= count
        self._total += count
        self._check(self._total)
        self.finished = self.length is not None and not self._left
        return count

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise LimitExceeded(
                f"The body is larger than Limits.upload_bytes = {self._limit}. Store fewer "
                "instances in one request."
            )

    def _next_chunk(self) -> bool:
        """Read up to the data of the next chunk; False after the last one."""
        if self._in_chunk and self._line() != b"\r\n":
            raise ProtocolError("A chunk of the body is longer than its size says.")
        found = _CHUNK_SIZE.fullmatch(self._line())
        if found is None:
            raise ProtocolError("The body is not chunked as its header says.")
        self._in_chunk = True
        self._left = int(found[1], 16)
        if not self._left:
            self._skip_trailers()
        return self._left > 0

    def _skip_trailers(self) -> None:
        for _ in range(TRAILER_LINES):
            if self._line() == b"\r\n":
                return
        raise ProtocolError("The body has too many trailer fields.")

    def _line(self) -> bytes:
        line = self._reader.readline(LINE_BYTES)
        if not line.endswith(b"\n"):
            raise ProtocolError("The body broke off between two chunks.")
        return line
