"""An `Answer`: one response of a server, read into place while it arrives."""

from __future__ import annotations

import contextlib
import http.client
import re
import zlib
from io import BytesIO
from time import monotonic
from typing import TYPE_CHECKING, Any

import urllib3

from dicomnb.errors import LimitExceeded, ProtocolError
from dicomnb.web.secrecy import concealed, secrets_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

    import requests
    from typing_extensions import Buffer

    from dicomnb.pool import Cancel

__all__ = ["Answer"]

PIECE_BYTES = 512 << 10
"""What is asked of the network at once; requests' own 10 KiB pieces cost seven times as much."""
_LEFT_OVER = 64 << 10
_WARNING_CHARACTERS = 4096
_MEMBER = b"\x1f"
"""How a further member of a gzip body begins."""
_BROKEN = (OSError, http.client.HTTPException, urllib3.exceptions.HTTPError)
_MALFORMED = (ValueError, OverflowError)
"""What http.client raises for sizes of chunks that are none."""
_FINISH_SECONDS = 1.0


class Answer:
    """The answer to one request. Close it: until then it counts against the workers.

    Attributes:
        status: HTTP status.
        headers: by name, in any case.
        url: what was asked at last, without secrets.
    """

    def __init__(
        self,
        response: requests.Response,
        *,
        url: str,
        release: Callable[[], None],
        cancel: Cancel | None = None,
    ) -> None:
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self.url = url
        self._response = response
        self._release = release
        self._cancel = cancel
        self._secrets = secrets_in(response.request.headers)
        self._received = 0
        self._announced = _announced(response)
        self._forget = _nothing if cancel is None else cancel.when_set(self._break)
        self._inflate = self._inflater()

    @property
    def content_type(self) -> str | None:
        """The Content-Type header, or None."""
        return self.headers.get("Content-Type")

    @property
    def length(self) -> int | None:
        """Size of the body in bytes as it will be read, or None when it is not known."""
        return None if self._inflate is not None else self._announced

    @property
    def warnings(self) -> tuple[str, ...]:
        """The texts of ``Warning: 299 …`` headers (PS3.18 section 8.3.4.4)."""
        text = (self.headers.get("Warning") or "")[:_WARNING_CHARACTERS]
        found = re.findall(r'299 [^"]*"((?:[^"\\]|\\.)*)"', text)
        if not found and text.strip():
            found = [text]
        return tuple(self.concealed(re.sub(r"\\(.)", r"\1", one)).strip() for one in found)

    def readinto(self, buffer: Buffer, /) -> int:
        """Put bytes of the body, unpacked, into ``buffer``; 0 at the end.

        Raises:
            ProtocolError: the answer broke off, or is shorter than its Content-Length.
            Cancelled: asked to stop.
        """
        view = memoryview(buffer).cast("B")
        if not len(view):
            return 0
        return self._raw(view) if self._inflate is None else self._inflate.readinto(view)

    def read(
        self,
        limit: int,
        *,
        name: str = "page_bytes",
        heard: Callable[[memoryview], None] | None = None,
    ) -> bytes:
        """The whole rest of the body; ``heard`` is shown each piece of it as it comes.

        Raises:
            LimitExceeded: there is more than ``limit`` bytes; ``name`` is what the limit is
                called in `dicomnb.limits`.
        """
        body = BytesIO()  # which gives what it holds without a copy of it
        total = 0
        room = memoryview(bytearray(min(PIECE_BYTES, limit + 1)))
        while count := self.readinto(room[: limit - total + 1]):
            total += count
            if total > limit:
                raise LimitExceeded(
                    f"The answer is larger than Limits.{name} = {limit} bytes. Ask for less, "
                    "or raise the limit in Options(limits=…)."
                )
            piece = room[:count]
            body.write(piece)
            if heard is not None:
                heard(piece)
        return body.getvalue()

    def finish(self) -> None:
        """Close after everything wanted has been read.

        The few bytes that may be left (the end of a chunked body) are taken in, so that the
        connection can be used again.
        """
        is_framed = self._announced is not None or self._response.raw.chunked
        if is_framed and not self._response.raw.closed:
            left, end = _LEFT_OVER, monotonic() + _FINISH_SECONDS
            if self._announced is not None:
                left = min(left, self._announced - self._received)
            try:
                while left > 0 and monotonic() < end:
                    waste = self._response.raw.read1(left)
                    if not waste:
                        break
                    left -= len(waste)
            except (*_BROKEN, *_MALFORMED):
                pass  # what was wanted is here; the connection is given up below
        self.close()

    def close(self) -> None:
        """Give the connection back, or up when it still has an answer in it."""
        try:
            self._forget()
            self._response.close()
        finally:
            release, self._release = self._release, _nothing
            release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def error(self, what: str, *, words: str = "", cut: bool = False) -> ProtocolError:
        """A `ProtocolError` about this answer."""
        return ProtocolError(
            self.concealed(what),
            cut=cut,
            url=self.url,
            status=self.status,
            server_words=self.concealed(words),
        )

    def concealed(self, text: str) -> str:
        """A text of the server's without the credentials that it was sent, should it echo them."""
        return concealed(text, self._secrets)

    def _inflater(self) -> _Inflater | None:
        encoding = (self.headers.get("Content-Encoding") or "identity").strip().lower()
        if encoding in ("identity", ""):
            return None
        if encoding not in ("gzip", "x-gzip", "deflate"):
            self.close()
            raise self.error(f"The answer is packed as {encoding!r}, which was not asked for.")
        return _Inflater(self)

    def _break(self) -> None:
        """End a read that waits for the server, from another thread; the answer is of no use."""
        # Not a connection that is back in the pool; nor twice, nor one that is gone already.
        if self._response.raw.connection is not None:
            with contextlib.suppress(OSError, RuntimeError, ValueError):
                self._response.raw.shutdown()

    def _raw(self, view: memoryview) -> int:
        """Bytes as they came over the line, as soon as there are any."""
        if self._cancel is not None:
            self._cancel.check()
        broke, count = "", 0
        try:
            data = self._response.raw.read1(len(view)) or b""
            count = len(data)
            view[:count] = data
        except (TimeoutError, urllib3.exceptions.ReadTimeoutError):
            broke, count = "nothing more came in time", 0
        except urllib3.exceptions.IncompleteRead:
            broke, count = "it is shorter than it said", 0
        except _BROKEN:
            broke, count = "the connection broke off", 0
        except _MALFORMED:
            broke, count = "it is malformed", 0
        except AttributeError:
            # TLS, when the socket is shut in the very moment in which a read begins.
            if self._cancel is None or not self._cancel.is_set:
                raise
        if self._cancel is not None:
            self._cancel.check()  # what then broke, or came, is of `_break`
        self._received += count
        if not count and not broke and self._received < (self._announced or 0):
            broke = "the connection was closed"
        if broke:
            of = f" of {self._announced}" if self._announced is not None else ""
            what = f"The answer is not whole: {broke} after {self._received}{of} bytes."
            raise self.error(what, cut=True)
        return count


def _nothing() -> None:
    return None


def _announced(response: requests.Response) -> int | None:
    """Content-Length of the body, or None when it has none or is sent in chunks."""
    text = response.headers.get("Content-Length", "").strip()
    raw: Any = response.raw
    if not text.isdecimal() or len(text) > 18 or getattr(raw, "chunked", False):
        return None
    if response.status_code in (204, 304) or response.request.method == "HEAD":
        return 0
    return int(text)


class _Inflater:
    """gzip or zlib, never more unpacked at once than there is room for."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._inflate = zlib.decompressobj(47)
        self._packed = b""
        self._room = bytearray(64 << 10)
        self._begun = False
        self._ended = False

    def readinto(self, view: memoryview) -> int:
        while True:
            if self._ended:
                return 0
            if not self._packed:
                count = self._answer._raw(memoryview(self._room))
                if not count:
                    if self._begun and not self._inflate.eof:
                        what = "The answer is not whole: its packing is cut."
                        raise self._answer.error(what, cut=True)
                    return 0
                self._packed = bytes(memoryview(self._room)[:count])
                self._begun = True
            data = self._next(len(view))
            if data:
                view[: len(data)] = data
                return len(data)

    def _next(self, most: int) -> bytes:
        if self._inflate.eof:
            if not self._packed.startswith(_MEMBER):  # padding ends the body
                self._packed, self._ended = b"", True
                return b""
            self._inflate = zlib.decompressobj(47)
        damaged = False
        data = b""
        try:
            data = self._inflate.decompress(self._packed, most)
        except zlib.error:
            damaged = True
        if damaged:
            raise self._answer.error("The answer is damaged: it cannot be unpacked.")
        self._packed = self._inflate.unused_data or self._inflate.unconsumed_tail
        return data
