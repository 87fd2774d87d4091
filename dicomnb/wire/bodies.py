"""Bodies that are read while they arrive: one buffer over a stream, and the `Part` on top."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

from dicomnb.errors import LimitExceeded, ProtocolError

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from dicomnb.limits import Limits
    from dicomnb.wire.media import MediaType

__all__ = ["PIECE_BYTES", "Body", "Buffered", "Stream", "WholeBody"]

PIECE_BYTES = 1 << 20
"""What is read or sent at once where no one says how much."""
LINE_BREAK = b"\r\n"


class Stream(Protocol):
    """What bytes are read from: an HTTP answer, a file."""

    def readinto(self, buffer: Buffer, /) -> int | None:
        """Put bytes into ``buffer``, at least one before the end; 0 at the end."""
        ...


class Buffered:
    """A stretch of a stream in one buffer that is used over and over.

    It begins with a line break of its own: with it, a delimiter at the very beginning is like
    any other.
    """

    def __init__(self, stream: Stream, capacity: int) -> None:
        self._stream = stream
        self.data = bytearray(capacity)
        self.view = memoryview(self.data)
        self.view[: len(LINE_BREAK)] = LINE_BREAK
        self.start = 0
        self.end = len(LINE_BREAK)
        self.ended = False

    @property
    def size(self) -> int:
        """How many bytes are at hand."""
        return self.end - self.start

    def peek(self, count: int) -> bytes:
        """The next bytes, at most those at hand, left where they are."""
        return bytes(self.view[self.start : min(self.end, self.start + count)])

    def fill(self) -> bool:
        """Read more; False at the end. Callers leave no more here than a header."""
        if self.ended:
            return False
        rest = self.size
        if self.start and rest:
            self.view[:rest] = bytes(self.view[self.start : self.end])
        self.start, self.end = 0, rest
        count = self._stream.readinto(self.view[rest:]) or 0
        self.end += count
        self.ended = count == 0
        return count > 0

    def take(self, target: memoryview) -> int:
        """Move bytes into ``target``: those at hand, else straight from the stream."""
        count = min(self.size, len(target))
        if count:
            target[:count] = self.view[self.start : self.start + count]
            self.start += count
            return count
        if self.ended or not len(target):
            return 0
        count = self._stream.readinto(target) or 0
        self.ended = count == 0
        return count


class Body(ABC):
    """What the parts of both kinds share: `Part` on top of one ``_some``."""

    def __init__(self, media: MediaType, *, limits: Limits, url: str | None) -> None:
        self.media_type = media.type
        syntax = (media.transfer_syntax or "").strip(" \0")
        self.transfer_syntax = syntax if syntax and syntax != "*" else None
        self.location: str | None = None
        self.length: int | None = None
        self._limits = limits
        self._url = url

    @abstractmethod
    def _some(self, target: memoryview) -> int:
        """At least one byte into ``target``; 0 at the end."""

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill ``buffer``; fewer bytes only at the end."""
        target = memoryview(buffer).cast("B")
        done = 0
        while done < len(target):
            count = self._some(target[done:])
            if not count:
                break
            done += count
        return done

    def read(self) -> bytes:
        """All bytes that have not been read yet, no more than ``limits.part_bytes``."""
        pieces: list[memoryview] = []
        total = 0
        while True:
            # Piece by piece: a length that a header claims is not yet worth its memory.
            left = PIECE_BYTES if self.length is None else max(self.length - total, 0) + 1
            piece = bytearray(min(left, PIECE_BYTES))
            count = self.readinto(piece)
            total += count
            self._check_size(total)
            pieces.append(memoryview(piece)[:count])
            if count < len(piece):
                return b"".join(pieces)

    def _check_size(self, total: int) -> None:
        """Refuse to hold more than the limit allows."""
        if total > self._limits.part_bytes:
            raise LimitExceeded(
                f"One part is larger than Limits.part_bytes = {self._limits.part_bytes} "
                "bytes. Read it with readinto, or raise the limit in Options(limits=…)."
            )


class WholeBody(Body):
    """A body that is not multipart, as its one part."""

    def __init__(
        self,
        source: Buffered,
        media: MediaType,
        length: int | None,
        *,
        limits: Limits,
        url: str | None,
    ) -> None:
        super().__init__(media, limits=limits, url=url)
        self._source = source
        self._done = 0
        self.length = length

    def _some(self, target: memoryview) -> int:
        if self.length is not None:
            target = target[: self.length - self._done]
        count = self._source.take(target)
        self._done += count
        if not count and len(target) and self.length is not None:
            what = f"it ends after {self._done} of {self.length} bytes"
            raise ProtocolError(f"The answer is not whole: {what}.", url=self._url, cut=True)
        return count
