"""The bytes of an instance while its header is parsed: kept, and inflated where needed."""

from __future__ import annotations

import zlib
from typing import Protocol

from dicomnb.errors import DecodeError, LimitExceeded

__all__ = ["FIRST_READ", "Inflated", "Readable", "Reader"]

FIRST_READ = 16 << 10
"""What is fetched at once at first: nearly all headers are shorter."""
_NEXT_READ = 64 << 10


class Readable(Protocol):
    """The part of a `Part` that reading needs."""

    length: int | None

    def read(self) -> bytes:
        """All bytes from here to the end."""
        ...

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill ``buffer``; fewer bytes only at the end."""
        ...


class Reader:
    """A part as the file that pydicom wants: read, seek back, tell.

    Keeps what has been read, so that parsing may step back, until the pixels begin. A read
    that ends early is an error, but for one at the boundary of two elements.
    """

    def __init__(self, part: Readable, bound: int) -> None:
        self._part = part
        self._bound = bound
        self._kept = bytearray()
        self._position = 0
        self._fetched = 0

    @property
    def left(self) -> int | None:
        """Bytes from here to the end, where the part tells its length."""
        if self._part.length is None:
            return None
        return self._part.length - self._position

    def tell(self) -> int:
        """Bytes read so far."""
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        """Step within what is kept, or forward."""
        target = offset + (self._position if whence == 1 else 0)
        if target > len(self._kept):
            self._fill(target)
        self._position = min(target, len(self._kept))
        return self._position

    def read(self, size: int) -> bytes:
        """``size`` bytes, or none at the end between two elements."""
        end = self._position + size
        if end > len(self._kept):
            self._fill(end)
        data = bytes(self._kept[self._position : end])
        self._position += len(data)
        if len(data) < size and (data or size > 8):
            raise DecodeError(
                f"An instance is cut: after {self._position:,} bytes {size - len(data):,} more "
                "should follow."
            )
        return data

    def peek(self, size: int) -> bytes:
        """The next bytes, left to be read again; fewer at the end."""
        end = self._position + size
        if end > len(self._kept):
            self._fill(end)
        return bytes(self._kept[self._position : end])

    def take(self, size: int) -> bytes:
        """``size`` bytes; memory is only taken for what there is."""
        data = self.read(size)
        if len(data) < size:
            raise DecodeError(f"An instance is cut after {self._position:,} bytes.")
        return data

    def rest(self) -> bytes:
        """All bytes from here to the end."""
        self._check_bound(self._part.length or 0)
        head = bytes(self._kept[self._position :])
        tail = self._part.read()
        self._check_bound(self._position + len(head) + len(tail))
        self._position += len(head) + len(tail)
        return head + tail

    def readinto(self, target: memoryview) -> int:
        """Fill ``target`` from here: first from what is kept, then without a copy."""
        count = max(min(len(target), len(self._kept) - self._position), 0)
        target[:count] = memoryview(self._kept)[self._position : self._position + count]
        while count < len(target):
            more = self._part.readinto(target[count:])
            if more == 0:
                break
            count += more
        self._position += count
        return count

    def _fill(self, end: int) -> None:
        """Keep bytes up to ``end``, fetched piece by piece so that a false length costs nothing."""
        while len(self._kept) < end:
            self._check_bound(len(self._kept))
            piece = bytearray(FIRST_READ if not self._kept else _NEXT_READ)
            count = self._part.readinto(memoryview(piece))
            if count == 0:
                return
            self._kept += memoryview(piece)[:count]

    def _check_bound(self, size: int) -> None:
        """Refuse to keep more in memory than the limits allow."""
        if size > self._bound:
            raise LimitExceeded(
                f"An instance is larger than {self._bound:,} bytes. Raise the limit with "
                "Options(limits=Limits(part_bytes=…))."
            )


class Inflated:
    """A deflated data set, inflated as it is read: never more than is asked for (PS3.5 A.5)."""

    length: int | None = None

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._waiting = b""

    def readinto(self, target: memoryview, /) -> int:
        """Fill ``target``; fewer bytes only at the end."""
        done = 0
        while done < len(target) and not self._inflater.eof:
            if not self._waiting:
                piece = bytearray(_NEXT_READ)
                self._waiting = bytes(piece[: self._reader.readinto(memoryview(piece))])
            try:
                data = self._inflater.decompress(self._waiting, len(target) - done)
            except zlib.error as error:
                raise DecodeError(f"A deflated data set is damaged: {error}") from error
            if not data and not self._waiting:
                raise DecodeError("A deflated data set is cut.")
            self._waiting = self._inflater.unconsumed_tail
            target[done : done + len(data)] = data
            done += len(data)
        return done

    def read(self) -> bytes:
        """Refuse: only encapsulated pixels are read as a whole, and these are never deflated."""
        raise DecodeError("A deflated data set claims to hold encapsulated pixels.")
