"""Bytes to a server and back, with nothing between."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.conftest import SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

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
    sock.settimeout(SECONDS)
    return sock


def host(server: Server) -> bytes:
    return urlsplit(server.url).netloc.encode()


def receive(sock: socket.socket, *, until: Callable[[bytes], bool] = lambda data: False) -> Raw:
    """Everything until the connection ends, or until there is what is waited for."""
    data = b""
    try:
        while not until(data) and (piece := sock.recv(1 << 16)):
            data += piece
    except TimeoutError:
        return Raw(data, False)
    except ConnectionResetError:
        pass
    return Raw(data, not until(data))


def send(server: Server, data: bytes, *, last: bool = False) -> Raw:
    """What a server answers until it ends the connection.

    Args:
        last: say that nothing more will be sent, so that it ends also where it would be kept.
    """
    with connect(server) as sock:
        sock.sendall(data)
        if last:
            sock.shutdown(socket.SHUT_WR)
        return receive(sock)
