"""Reading ``multipart/related`` while it arrives (RFC 2046 section 5.1, PS3.18 section 8.6).

Cost is linear and memory bounded: one buffer is used over and over, a part whose header
tells its length is read straight into the caller's own, and the delimiter of any other is
looked for with ``bytes.find``. An answer counts as whole only with its closing delimiter:
Orthanc, for one, ends long answers by closing the connection, with no length.

`dicomnb.wire.multipart` is the face of this module, and writes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dicomnb.errors import LimitExceeded, ProtocolError
from dicomnb.limits import Limits
from dicomnb.wire.bodies import LINE_BREAK, Body, Buffered, WholeBody
from dicomnb.wire.media import OCTET_STREAM, MediaType, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dicomnb.wire.bodies import Stream
    from dicomnb.wire.parts import Part

__all__ = ["read"]

BUFFER_BYTES = 512 << 10
"""Size of the one buffer: large enough that calls cost nothing beside copying."""
_PADDING = b" \t"


def read(
    stream: Stream,
    content_type: str | None,
    *,
    length: int | None = None,
    limits: Limits | None = None,
    url: str | None = None,
) -> Iterator[Part]:
    """The parts of a body, each valid until the next.

    A body that is not multipart is one part (servers answer a multipart Accept with a single
    ``application/dicom``). Without a Content-Type the body's first line decides: it is
    multipart when that begins with ``--``.

    Args:
        stream: the body; it is read no further than the closing delimiter asks for.
        content_type: the header of the whole.
        length: Content-Length of the whole, if known; used for a single part.
        limits: bounds on a part's header, and on `Part.read`.
        url: what to name in errors; must be free of secrets.

    Raises:
        ProtocolError: no boundary, a cut part, a missing closing delimiter, a part that is
            not as long as its header says.
        LimitExceeded: a part's header is too large.
    """
    bounds = limits or Limits()
    media = parse(content_type)
    is_single = media is not None and not media.type.startswith("multipart/")
    capacity = 4096 if is_single else max(BUFFER_BYTES, 4 * bounds.part_header_bytes)
    source = Buffered(stream, capacity)
    boundary = None if is_single else _boundary(media, source, url)
    if boundary is None:
        source.start += len(LINE_BREAK)
        yield WholeBody(source, media or MediaType(OCTET_STREAM), length, limits=bounds, url=url)
        return
    reader = _Reader(source, boundary, media, limits=bounds, url=url)
    while (part := reader.next_part()) is not None:
        yield part


def _boundary(media: MediaType | None, source: Buffered, url: str | None) -> bytes | None:
    """The boundary, or None for a body that is not multipart after all."""
    if media is not None and (text := media.parameter("boundary")):
        return text.encode("latin-1", "replace")
    while source.size < 128 and source.fill():
        pass
    first = re.match(rb"\s*--([^\r\n]{1,100}?)[ \t]*\r?\n", source.peek(256))
    if first:
        return first[1]
    if media is not None:
        raise ProtocolError("The answer is multipart, but tells no boundary.", url=url)
    return None


class _Reader:
    """Finds parts and their ends. Between two calls, ``source.start`` stands inside a body."""

    def __init__(
        self,
        source: Buffered,
        boundary: bytes,
        media: MediaType | None,
        *,
        limits: Limits,
        url: str | None,
    ) -> None:
        self.source = source
        self._media = media or MediaType(OCTET_STREAM)
        self._limits = limits
        self._url = url
        self._needle = b"\n--" + boundary
        self._scanned = 0  # bytes from source.start on that are known to be body
        self._at_end = False  # whether a delimiter follows those bytes
        self._closed = False
        self._part: _Streamed | None = None
        self.count = 0

    def error(self, what: str) -> ProtocolError:
        where = f"part {self.count}" if self.count else "the beginning"
        return ProtocolError(
            f"The multipart answer is not whole: {what}, at {where}.", url=self._url, cut=True
        )

    def next_part(self) -> Part | None:
        """The next part, or None after the closing delimiter."""
        if self._part is not None:
            self._part.skip()
        else:
            self.skip_scanned()
        if self._closed:
            self._part = None
            return None
        headers = self._headers()
        self.count += 1
        self._scanned, self._at_end = 0, False
        self._part = _Streamed(self, headers, self._media, limits=self._limits, url=self._url)
        return self._part

    def skip_scanned(self) -> None:
        """Pass over the rest of a body of unknown length, and the delimiter."""
        while count := self.scanned():
            self.drop(count)

    def scanned(self) -> int:
        """How many bytes at hand are surely body; 0 when its delimiter has been passed."""
        while not self._scanned and not self._at_end:
            self._scan()
        if not self._scanned:
            self._delimiter()
        return self._scanned

    def drop(self, count: int) -> None:
        """Those bytes of a scanned body have been used."""
        self.source.start += count
        self._scanned -= count

    def _scan(self) -> None:
        """Look at what is at hand for a delimiter; read more only when all of that may be one."""
        source, position = self.source, self.source.start
        while (found := source.data.find(self._needle, position, source.end)) >= 0:
            after = self._after(found + len(self._needle))
            if after is None:
                break
            if after:
                has_return = found > source.start and source.data[found - 1] == 0x0D
                self._scanned = found - has_return - source.start
                self._at_end = True
                return
            position = found + 1
        # From here on the bytes may be a delimiter's, and those of a carriage return before it.
        doubtful = found if found >= 0 else source.end - len(self._needle) + 1
        self._scanned = max(0, doubtful - 1 - source.start)
        if not self._scanned and not source.fill():
            cut = "it ends within a delimiter" if found >= 0 else "its closing delimiter is missing"
            raise self.error(cut)

    def _after(self, position: int) -> int | None:
        """Where a delimiter's line ends; 0 if it is none after all, None if that is not at hand."""
        data, end = self.source.data, self.source.end
        if data[position : min(end, position + 2)] == b"--":
            return position + 2
        limit = position + 1024
        while position < end and data[position] in _PADDING and position < limit:
            position += 1
        rest = bytes(data[position : min(end, position + 2)])
        if rest.startswith(b"\n") or rest == b"\r\n":
            return position + rest.index(b"\n") + 1
        return None if rest in (b"", b"\r", b"-") else 0

    def expect_delimiter(self) -> None:
        """After a part of known length: the delimiter must follow at once."""
        source = self.source
        needed = len(self._needle) + 1
        while source.size < needed and source.fill():
            pass
        first = source.peek(needed)
        if not first:
            raise self.error("its closing delimiter is missing")
        if not first.removeprefix(b"\r").startswith(self._needle):
            if source.ended and self._needle.startswith(first.removeprefix(b"\r")):
                raise self.error("it ends within a delimiter")
            raise self.error("a part is not as long as its Content-Length says")
        self._delimiter()

    def _delimiter(self) -> None:
        """Pass over the delimiter at hand, up to the line break that ends it."""
        source = self.source
        skip = len(self._needle) + (source.data[source.start] == 0x0D)
        while (after := self._after(source.start + skip)) is None:
            if not source.fill():
                raise self.error("it ends within a delimiter")
        if not after:
            raise self.error("a part is not as long as its Content-Length says")
        self._closed = source.data[after - 1] == 0x2D
        # The line break is kept: with it, a header block without lines ends like any other.
        source.start = after if self._closed else after - 1

    def _headers(self) -> dict[str, str]:
        source, limit = self.source, self._limits.part_header_bytes
        while True:
            last = min(source.end, source.start + limit)
            long = source.data.find(b"\n\r\n", source.start, last)
            short = source.data.find(b"\n\n", source.start, last if long < 0 else long + 1)
            if short >= 0 or long >= 0:
                end, size = (short, 2) if short >= 0 else (long, 3)
                block = bytes(source.view[source.start : end])
                source.start = end + size
                return _parsed(block)
            if source.size >= limit:
                raise LimitExceeded(
                    f"The header of part {self.count + 1} is larger than "
                    f"Limits.part_header_bytes = {limit}; this is hardly multipart DICOM."
                )
            if not source.fill():
                raise self.error("it ends within a part's header")


class _Streamed(Body):
    """One part of a multipart body, read while it arrives."""

    def __init__(
        self,
        reader: _Reader,
        headers: dict[str, str],
        outer: MediaType,
        *,
        limits: Limits,
        url: str | None,
    ) -> None:
        media = parse(headers.get("content-type")) or MediaType(outer.part_type or OCTET_STREAM)
        super().__init__(media, limits=limits, url=url)
        if media.transfer_syntax is None:
            syntax = outer.transfer_syntax
            self.transfer_syntax = syntax if syntax and syntax != "*" else None
        self.location = headers.get("content-location")
        told = headers.get("content-length", "")
        self.length = int(told) if told.isdecimal() and len(told) < 19 else None
        self._left = self.length
        self._reader = reader
        self._ended = False
        encoding = headers.get("content-transfer-encoding", "binary").lower()
        if encoding not in ("binary", "8bit", "7bit"):
            raise reader.error(f"a part is sent as {encoding!r}, which DICOMweb does not know")

    def read(self) -> bytes:
        """All bytes that have not been read yet, no more than ``limits.part_bytes``."""
        if self._left is not None:
            return super().read()
        # Of unknown length: straight out of the buffer, with no room made for what may not come.
        pieces: list[bytes] = []
        total = 0
        self._check_valid()
        while not self._ended and (count := self._reader.scanned()):
            source = self._reader.source
            pieces.append(source.peek(count))
            self._reader.drop(count)
            total += count
            self._check_size(total)
        self._ended = True
        return b"".join(pieces)

    def _check_valid(self) -> None:
        if self._reader._part is not self:
            raise ValueError("This part is no longer valid: the next one has been asked for.")

    def _some(self, target: memoryview) -> int:
        self._check_valid()
        if self._ended:
            return 0
        return self._scanned(target) if self._left is None else self._counted(target)

    def _counted(self, target: memoryview) -> int:
        if self._left:
            count = self._reader.source.take(target[: self._left])
            if not count:
                raise self._early()
            self._left -= count
            return count
        self._ended = True
        self._reader.expect_delimiter()
        return 0

    def _scanned(self, target: memoryview) -> int:
        count = min(self._reader.scanned(), len(target))
        self._ended = count == 0
        source = self._reader.source
        target[:count] = source.view[source.start : source.start + count]
        self._reader.drop(count)
        return count

    def skip(self) -> None:
        """Pass over what was not read, and the delimiter."""
        if self._ended:
            return
        self._ended = True
        if self._left is None:
            self._reader.skip_scanned()
            return
        source = self._reader.source
        while self._left:
            if not source.size and not source.fill():
                raise self._early()
            count = min(source.size, self._left)
            source.start += count
            self._left -= count
        self._reader.expect_delimiter()

    def _early(self) -> ProtocolError:
        return self._reader.error(f"it ends {self._left} bytes before the part's length")


def _parsed(block: bytes) -> dict[str, str]:
    """Header lines as lower-case names and values; continued lines are joined."""
    unfolded = re.sub(r"\r?\n[ \t]+", " ", block.decode("latin-1"))
    found: dict[str, str] = {}
    for line in unfolded.split("\n"):
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip().lower(), value.strip())
    return found
