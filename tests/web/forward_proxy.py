"""A real small proxy on loopback: it forwards http, and makes tunnels for https (CONNECT)."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from urllib.parse import urlsplit


class ForwardProxy:
    """Every name leads to this machine.

    Args:
        wanted: the Proxy-Authorization that it wants, or None.

    Attributes:
        seen: the head of every request that it was sent, as text.
    """

    def __init__(self, wanted: str | None = None) -> None:
        self.wanted = wanted
        self.seen: list[str] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> ForwardProxy:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for one in self._open:
            one.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                self._open.append(client)
                threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                piece = client.recv(1)
                if not piece:
                    return
                head += piece
            self.seen.append(head.decode())
            if self.wanted and f"proxy-authorization: {self.wanted}".lower() not in (
                self.seen[-1].lower()
            ):
                client.sendall(
                    b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n"
                    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
                )
                return
            self._forwarded(client, head)

    def _forwarded(self, client: socket.socket, head: bytes) -> None:
        method, target, rest = head.split(b" ", 2)
        if method == b"CONNECT":
            port = int(target.rpartition(b":")[2])
        else:
            parts = urlsplit(target.decode())
            port = parts.port or 80
            path = parts.path + (f"?{parts.query}" if parts.query else "")
            lines = [
                line
                for line in (method + b" " + path.encode() + b" " + rest).split(b"\r\n")
                if not line.lower().startswith((b"proxy-", b"connection:"))
            ]
            lines.insert(-2, b"Connection: close")
            head = b"\r\n".join(lines)
        with socket.create_connection(("127.0.0.1", port)) as server:
            self._open.append(server)
            if method == b"CONNECT":
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                server.sendall(head)
            _copied(client, server)


def _copied(one: socket.socket, other: socket.socket) -> None:
    """Hand on what comes from either side until one ends."""
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while True:
            for key, _ in selector.select():
                piece = key.fileobj.recv(65536)
                if not piece:
                    return
                key.data.sendall(piece)
