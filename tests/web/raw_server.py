"""A server of raw sockets that says exactly what a test tells it, and clients without patience."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dicomnb.options import Options
from dicomnb.web.addresses import base_address
from dicomnb.web.auth import recipe
from dicomnb.web.client import WebSource
from dicomnb.web.transport import Patience, Transport

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

RESET = object()
"""In a response: break the connection with a reset."""


@dataclass
class Request:
    """What the raw server was sent."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Raw:
    """A server whose answers are functions of the request; bytes go out as they are.

    ``respond`` returns bytes, or an iterator of bytes and `RESET`. The connection is closed
    after a response unless ``keep`` is set.
    """

    respond: Callable[[Request], object]
    keep: bool = False
    tls: ssl.SSLContext | None = None
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.root = f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"
        self.url = f"{self.root}/dicomweb"
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        if self.tls is not None:
            try:
                connection = self.tls.wrap_socket(connection, server_side=True)
            except OSError:
                connection.close()
                return
        with connection, connection.makefile("rb") as reader:
            while (request := _read_request(reader)) is not None:
                self.requests.append(request)
                answer = self.respond(request)
                try:
                    for piece in [answer] if isinstance(answer, bytes) else answer:
                        if piece is RESET:
                            linger = b"\1\0\0\0\0\0\0\0"
                            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                            return
                        connection.sendall(piece)
                except OSError:
                    return
                if not self.keep:
                    return

    def close(self) -> None:
        with contextlib.suppress(OSError):  # closed by the test already
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in self._open:
            connection.close()
        self._thread.join(60)


def _read_request(reader) -> Request | None:
    try:
        line = reader.readline().decode("latin-1").split()
        if len(line) != 3:
            return None
        headers: dict[str, str] = {}
        while (text := reader.readline().decode("latin-1").strip()) != "":
            name, _, value = text.partition(":")
            headers[name.lower()] = value.strip()
        body = reader.read(int(headers.get("content-length", 0)))
    except (OSError, ValueError):
        return None
    return Request(line[0], line[1], headers, body)


def response(
    body: bytes = b"",
    *,
    status: int = 200,
    kind: str | None = "application/dicom+json",
    length: int | None = None,
    **headers: str,
) -> bytes:
    """One HTTP response; ``length`` is a Content-Length that may lie, -1 sends none."""
    lines = [f"HTTP/1.1 {status} Whatever"]
    if kind is not None:
        lines.append(f"Content-Type: {kind}")
    if length != -1:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def in_turn(*answers: object) -> Callable[[Request], object]:
    """A response function that gives one answer after another, the last for ever."""
    left = list(answers)
    return lambda request: left.pop(0) if len(left) > 1 else left[0]


def transport(url: str, *, auth=None, session=None, **options) -> Transport:
    """A transport that repeats without waiting."""
    base, in_url = base_address(url)
    made = recipe(auth, origin=base.origin, in_url=in_url)
    patience = Patience(first=0.001, longest=0.01, retry_after=0.5)
    return Transport(
        base, options=Options(**options), auth=made, session=session, patience=patience
    )


def source(url: str, **keywords) -> WebSource:
    """A source that repeats without waiting."""
    made = WebSource(url, **keywords)
    made._transport._patience = Patience(first=0.001, longest=0.01, retry_after=0.5)
    return made
