"""Connections whose request has begun and is not there yet: they hold no thread."""

from __future__ import annotations

import logging
import re
import socket
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Waiting", "is_whole"]

log = logging.getLogger("dicomnb.server")

HEADER_SECONDS = 10.0
"""How long a request's line and header may take to come."""
LOOK_SECONDS = 0.05
_END = re.compile(rb"\r\n\r\n|(?<!\r)\n")
"""The end of a header; or a line that ends as none may, which is to be refused at once."""


def is_whole(sock: socket.socket, most: int) -> bool:
    """Whether a request's line and header have come, as far as they can be waited for.

    Nothing is taken from the connection. True also for what is to be refused: a header of
    ``most`` bytes, or a connection that was closed.
    """
    try:
        data = sock.recv(most, socket.MSG_PEEK)
    except OSError as error:
        log.debug("A connection broke before its request: %s", error)
        return True
    return not data or len(data) >= most or _END.search(data) is not None


class Waiting:
    """Looks after such connections in one thread, which ends when there are none.

    A client that sends its header a byte a second would otherwise hold a thread for as long as
    it likes, and a few dozen of them would be all threads.

    Args:
        admit: takes a connection whose header is there.
        most: bytes of a header.
    """

    def __init__(self, admit: Callable[[Any], None], most: int) -> None:
        self._admit = admit
        self._most = most
        self._since: dict[Any, float] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, connection: Any) -> None:
        """Look after a connection."""
        with self._lock:
            self._since[connection] = monotonic()
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, daemon=True, name="dicomnb-server-waiting"
                )
                self._thread.start()

    def end(self) -> None:
        """Close all of them; none may be added any more."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        while self._since:
            self._since.popitem()[0].close()

    def _run(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            for connection, since in list(self._since.items()):
                if is_whole(connection.socket, self._most):
                    del self._since[connection]
                    self._admit(connection)
                elif monotonic() - since > HEADER_SECONDS:
                    log.info("A request did not come within %g s.", HEADER_SECONDS)
                    del self._since[connection]
                    connection.close()
            with self._lock:
                if not self._since:
                    self._thread = None
                    return
