"""A `Part`: one body among several, read into place while it arrives (PS3.18 section 8.6).

A part is valid until the next one is asked for; what was not read of it is then passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["BytesPart", "FilePart", "Part", "Stretch"]


class Part(Protocol):
    """One body: an instance, a frame, an item of bulk data, a rendered picture.

    Attributes:
        media_type: its type without parameters, in lower case: ``"application/dicom"``.
        transfer_syntax: UID from the part's header, or None when it tells none (or ``*``).
            The bytes' own file meta beats it.
        location: Content-Location as sent, or None.
        length: size in bytes, or None when it is not known before the end.
    """

    media_type: str
    transfer_syntax: str | None
    location: str | None
    length: int | None

    def read(self) -> bytes:
        """All bytes that have not been read yet; ``b""`` at the end."""
        ...

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill ``buffer`` from where reading stopped; fewer bytes only at the end, then 0.

        Raises:
            ProtocolError: the part ends before its length or without its delimiter.
        """
        ...


class BytesPart:
    """A part that is in memory already."""

    def __init__(
        self,
        data: bytes | memoryview,
        *,
        media_type: str,
        transfer_syntax: str | None = None,
        location: str | None = None,
    ) -> None:
        self._data = memoryview(data).cast("B")
        self._position = 0
        self.media_type = media_type
        self.transfer_syntax = transfer_syntax
        self.location = location
        self.length: int | None = len(self._data)

    def read(self) -> bytes:
        """All bytes that have not been read yet."""
        whole = self._data.obj
        if self._position == 0 and isinstance(whole, bytes) and len(whole) == len(self._data):
            rest = whole  # no copy: frames and compressed images come to hundreds of megabytes
        else:
            rest = bytes(self._data[self._position :])
        self._position = len(self._data)
        return rest

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill ``buffer``; fewer bytes only at the end."""
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._data) - self._position)
        target[:count] = self._data[self._position : self._position + count]
        self._position += count
        return count


class Stretch(NamedTuple):
    """Bytes of an open file, wherever it stands.

    Attributes:
        file: has them, unless it became shorter meanwhile.
        begin: where in the file.
        nbytes: how many; named as of a `memoryview`.
    """

    file: BinaryIO
    begin: int
    nbytes: int

    def __bytes__(self) -> bytes:
        self.file.seek(self.begin)
        return _read(self.file, self.nbytes)


def _read(file: BinaryIO, count: int) -> bytes:
    """So many bytes, fewer only at the end, also of a file without a buffer."""
    pieces: list[bytes] = []
    while count and (piece := file.read(count)):
        pieces.append(piece)
        count -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class FilePart:
    """A part that is an open file, or a stretch of one; whoever made it closes the file.

    Args:
        file: stands where the part begins.
        length: in bytes.
        begin: where that is.
    """

    def __init__(
        self,
        file: BinaryIO,
        length: int,
        *,
        begin: int = 0,
        media_type: str,
        transfer_syntax: str | None = None,
        location: str | None = None,
    ) -> None:
        self._file = file
        self._end = begin + length
        self._left = length
        self.media_type = media_type
        self.transfer_syntax = transfer_syntax
        self.location = location
        self.length: int | None = length

    def read(self) -> bytes:
        """All bytes that have not been read yet."""
        data = _read(self._file, self._left)
        self._left -= len(data)
        return data

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill ``buffer``; fewer bytes only at the end."""
        target = memoryview(buffer).cast("B")[: self._left]
        done = 0
        while done < len(target):
            count = self._file.readinto(target[done:])  # type: ignore[attr-defined]
            if not count:
                break
            done += count
        self._left -= done
        return done

    def rest(self) -> Stretch:
        """What has not been read yet, for who can do without reading it: it then counts as read."""
        count, self._left = self._left, 0
        return Stretch(self._file, self._end - count, count)
