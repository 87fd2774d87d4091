"""Bytes to a server and back, with nothing between."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from dicomnb.server import Server


@dataclass(frozen=True)
class Raw:
    """What came back before the server closed the connection, or stopped sending."""

    data: bytes
    closed: bool

    @property
    def status(self) -> int:
        return int(self.data.split(b" ", 2)[1])

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]


def connect(server: Server) -> socket.socket:
    address = urlsplit(server.url)
    sock = socket.create_connection((address.hostname, address.port))
    sock.settimeout(5)
    return sock


def host(server: Server) -> bytes:
    return urlsplit(server.url).netloc.encode()


def receive(sock: socket.socket, *, wait: float = 5) -> Raw:
    """Everything until the connection ends or nothing comes for ``wait`` seconds."""
    sock.settimeout(wait)
    data = b""
    try:
        while piece := sock.recv(1 << 16):
            data += piece
    except TimeoutError:
        return Raw(data, False)
    except ConnectionResetError:
        pass
    return Raw(data, True)


def send(server: Server, data: bytes, *, wait: float = 5) -> Raw:
    with connect(server) as sock:
        sock.sendall(data)
        return receive(sock, wait=wait)
