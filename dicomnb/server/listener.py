"""The HTTP side: cheroot's threads, taught to stream, to be strict, and to end at once.

cheroot is a plain HTTP/1.1 server with a pool of threads, which suits sources that read
files and decode pixels. What is changed here, and why, stands at each method. Nothing in
this module knows DICOM.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import socket
import struct
import sys
import threading
from contextlib import contextmanager, nullcontext
from time import monotonic
from typing import TYPE_CHECKING, Any

from cheroot import server as http
from cheroot import wsgi
from cheroot.makefile import MakeFile

from dicomnb.server.request_body import RequestBody
from dicomnb.server.waiting import Waiting, is_whole
from dicomnb.wire.parts import Stretch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from typing_extensions import Buffer

    Application = Callable[[dict[str, Any], Any], Iterable[Buffer | Stretch]]

__all__ = ["Listener", "log"]

log = logging.getLogger("dicomnb.server")

THREADS = 32
"""Requests answered at once: two clients of sixteen connections each."""
HEADER_BYTES = 1 << 16
"""Of a request's line and headers: fifty UIDs in a search are 3 KiB."""
IDLE_SECONDS = 120
HELD_BYTES = 4 << 10
"""What is no larger travels with what follows it, which is at hand by then, or ends the answer."""
LINGER_SECONDS = 10.0
"""How long a client may go on sending a body that nobody wants."""
SILENT_SECONDS = 2.0
"""How long it may stop in between."""
MOST_LINGERING = THREADS // 4
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)\r\n")
_ONCE = frozenset(
    {b"Authorization", b"Content-Length", b"Content-Type", b"Host", b"Transfer-Encoding"}
)


class _Writer:
    """Writes straight to the socket; cheroot's own writer copies all bytes twice, in Python."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.bytes_written = 0

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Let the system wait for a slow client within one call, in a ``with`` block.

        A socket with a time-out is one that Python waits for: each time that there is room for a
        little more, a thread wakes up, and takes its turn with all the others. With sixteen
        clients that is fifty times as many changes of threads, and half the speed.
        """
        if sys.platform != "linux":
            yield
            return
        seconds = self._socket.gettimeout()
        whole, part = divmod(int((seconds or 0) * 1_000_000), 1_000_000)
        limit = struct.pack("@ll", whole, part)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        self._socket.settimeout(None)
        try:
            yield
        except BlockingIOError as error:
            raise TimeoutError(f"The client took nothing for {seconds} s.") from error
        finally:
            self._socket.settimeout(seconds)

    def write(self, data: Buffer) -> None:
        self._socket.sendall(data)

    def write_file(self, stretch: Stretch, *, before: bytes = b"") -> None:
        """A stretch of a file, which the system sends by itself; only `at_once`.

        What stands around it does not travel alone: a packet of a few bytes wakes the client up.

        Raises:
            ConnectionAbortedError: the file became shorter; nothing that follows would be true.
        """
        if before:
            self._socket.sendall(before, socket.MSG_MORE)
        file, position, left = stretch
        while left:
            sent = os.sendfile(self._socket.fileno(), file.fileno(), position, left)
            if not sent:
                log.warning("An answer was broken off: a file was changed while it was sent")
                raise ConnectionAbortedError(errno.ECONNABORTED, "broken off")
            position, left = position + sent, left - sent

    def write_all(self, pieces: list[Buffer]) -> None:
        """Several pieces with one system call, none of them copied."""
        if not hasattr(self._socket, "sendmsg"):  # Windows
            self.write(b"".join(pieces))
            return
        views = [memoryview(piece).cast("B") for piece in pieces]
        sent = self._socket.sendmsg(views)
        for view in views:
            if sent < len(view):
                self._socket.sendall(view[sent:])
            sent = max(0, sent - len(view))


def _files(sock: socket.socket, mode: str, size: int) -> Any:
    return _Writer(sock) if "w" in mode else MakeFile(sock, mode, size)


class _HeaderReader(http.HeaderReader):
    """Header fields as RFC 9112 section 5 has them, and no others.

    cheroot's own takes a blank before the colon, continued lines and control characters: what
    stands before this server may read those in another way, and see another request.
    """

    def __call__(self, rfile: Any, hdict: Any = None) -> dict[bytes, bytes]:
        fields: dict[bytes, bytes] = {} if hdict is None else hdict
        while (line := rfile.readline()) != b"\r\n":
            found = _FIELD.fullmatch(line)
            if found is None:
                raise ValueError("Malformed header field.")
            name, value = found[1].title(), found[2].strip(b" \t")
            if name in fields and name in _ONCE:
                raise ValueError(f"More than one {name.decode()}.")
            # cheroot answers exactly "100-continue" at once, before a token is looked at; in
            # capitals it is left to RequestBody.
            value = value.upper() if name == b"Expect" else value
            fields[name] = b", ".join(filter(None, (fields.get(name), value)))
        return fields


class _Request(http.HTTPRequest):
    """One request: strict about where its body ends, and streaming both ways."""

    header_reader = _HeaderReader()
    _held = b""
    """Written, and to be sent before what is written next."""

    def read_request_headers(self) -> bool:
        if not super().read_request_headers():  # type: ignore[no-untyped-call]
            return False
        if not self._has_one_end():
            self.simple_response("400 Bad Request", "Nobody can tell where the body ends.")
            return False
        return True

    def _has_one_end(self) -> bool:
        """Whether every reader takes the body to end at one place (RFC 9112 section 6.3)."""
        length = self.inheaders.get(b"Content-Length")
        coding = self.inheaders.get(b"Transfer-Encoding")
        if coding is not None:  # in HTTP/1.0 it means nothing, and chunked_read is False
            return self.chunked_read and coding.lower() == b"chunked" and length is None
        return length is None or (length.isdigit() and len(length) < 19)

    def respond(self) -> None:
        """As cheroot's, with a body that is never read into memory as a whole."""
        length = None if self.chunked_read else int(self.inheaders.get(b"Content-Length", b"0"))
        waits = self.inheaders.get(b"Expect") == b"100-CONTINUE"
        self.rfile = RequestBody(
            self.conn.rfile,
            length,
            limit=self.server.upload_bytes,
            go_ahead=self._go_ahead if waits else None,
        )
        self.server.gateway(self).respond()
        self.ensure_headers_sent()
        if self.chunked_write:
            self._held += b"0\r\n\r\n"
        if self._held:
            self.conn.wfile.write(self._held)
        if not self.rfile.finished:
            self._linger()

    def _go_ahead(self) -> None:
        self.conn.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def send_headers(self) -> None:
        if not self.rfile.finished:  # what is left of the body is no next request
            self.close_connection = True
        super().send_headers()

    def _linger(self) -> None:
        """Let the client finish sending, so that it gets to read the answer.

        Closing a socket with unread bytes resets the connection, and the answer is lost.
        """
        if not self.server.lingering.acquire(blocking=False):
            return  # enough threads do this already
        sock, end = self.conn.socket, monotonic() + LINGER_SECONDS
        scratch = bytearray(1 << 18)
        try:
            sock.shutdown(socket.SHUT_WR)
            sock.settimeout(SILENT_SECONDS)
            while monotonic() < end and sock.recv_into(scratch):
                pass
        except OSError as error:
            log.debug("The client went away while it was still sending: %s", error)
        finally:
            self.server.lingering.release()

    def write(self, chunk: Buffer | Stretch) -> None:
        """Send a piece of the answer; cheroot would copy it to frame it.

        In as few calls as can be: after each a thread waits for its turn with all the others.
        """
        size = chunk.nbytes if isinstance(chunk, Stretch) else memoryview(chunk).nbytes
        is_framed = self.chunked_write and size > 0
        before = self._held + (b"%x\r\n" % size if is_framed else b"")
        self._held = b"\r\n" if is_framed else b""
        if isinstance(chunk, Stretch):
            self.conn.wfile.write_file(chunk, before=before)
        elif size <= HELD_BYTES:
            self._held = before + bytes(chunk) + self._held
        else:
            self.conn.wfile.write_all([before, chunk] if before else [chunk])

    def simple_response(self, status: str, msg: str = "") -> None:
        """Answer what is not even HTTP. The connection is closed: nothing after it is sure."""
        self.close_connection = True
        body = b'{"error": "' + str(status)[4:].encode("ascii", "replace") + b'"}'
        lines = (
            f"HTTP/1.1 {status}",
            f"Server: {self.server.server_name}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            "Connection: close",
        )
        log.info("Refused a request: %s. %s", status, msg)
        try:
            self.conn.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        except OSError as error:
            log.debug("Nobody was there to read that: %s", error)


class _Connection(http.HTTPConnection):
    RequestHandlerClass = _Request

    def __init__(self, server: _Server, sock: socket.socket, makefile: Any = MakeFile) -> None:
        super().__init__(server, sock, _files)
        server.open_connections.add(self)

    def communicate(self) -> bool:
        return False if self.server.closing else bool(super().communicate())  # type: ignore[no-untyped-call]

    def close(self) -> None:
        self.server.open_connections.discard(self)
        super().close()


class _Gateway(wsgi.Gateway_10):
    def respond(self) -> None:
        """Send what the application gives as it comes; any buffer will do, not only bytes."""
        chunks = self.req.server.wsgi_app(self.env, self.start_response)
        # What is read of a request meanwhile needs the time-out that Python keeps.
        reads = self.env["REQUEST_METHOD"] not in ("GET", "HEAD")
        try:
            with nullcontext() if reads else self.req.conn.wfile.at_once():
                for chunk in chunks:
                    self.req.ensure_headers_sent()
                    self.req.write(chunk)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()


class _Server(wsgi.Server):
    ConnectionClass = _Connection
    keep_alive_conn_limit = None  # type: ignore[assignment]  # 10 would make a client of 16 connections open new ones
    max_request_header_size = HEADER_BYTES
    expiration_interval = 0.1  # stop() waits this long

    def __init__(self, *args: Any, upload_bytes: int, **options: Any) -> None:
        self.closing = False
        self.upload_bytes = upload_bytes
        self.open_connections: set[_Connection] = set()
        self.lingering = threading.Semaphore(MOST_LINGERING)
        self._waiting = Waiting(super().process_conn, HEADER_BYTES)
        super().__init__(*args, **options)
        self.gateway = _Gateway

    @staticmethod
    def bind_socket(socket_: socket.socket, bind_addr: Any) -> socket.socket:
        try:
            bound: socket.socket = http.HTTPServer.bind_socket(  # type: ignore[no-untyped-call]
                socket_, bind_addr
            )
        except OSError:  # the port is taken: cheroot would leave the socket open
            socket_.close()
            raise
        return bound

    def process_conn(self, conn: _Connection) -> None:
        if conn.last_used is None:  # new: it waits for its first byte without holding a thread
            self.put_conn(conn)
        elif conn.rfile.has_data() or is_whole(conn.socket, HEADER_BYTES):
            super().process_conn(conn)
        else:
            self._waiting.add(conn)

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        log.log(level, "%s", msg, exc_info=traceback)

    def stop(self) -> None:
        self.closing = True
        for connection in tuple(self.open_connections):  # some wait for clients that do not read
            try:
                connection.socket.shutdown(socket.SHUT_RDWR)
            except OSError as error:
                log.debug("A connection was closed already: %s", error)
        if self.ready:
            # Its loop ended and its socket closed here, cheroot does not connect to itself.
            self._connections.stop()  # type: ignore[attr-defined]
            self.socket.close()
        self._waiting.end()
        super().stop()
        # cheroot keeps every server it ever had in this dictionary of its own.
        logging.statistics.pop(f"Cheroot HTTPServer {id(self)}", None)  # type: ignore[attr-defined]


class Listener:
    """An HTTP server in threads of this process, none of which outlives it.

    It has its port as soon as it is made, and answers from `serve` on.

    Args:
        host: name or address to listen at.
        port: 0 for a free one.
        software: for the ``Server`` header.
        upload_bytes: the largest request body.

    Raises:
        OSError: the port is taken, or not allowed.
    """

    def __init__(self, *, host: str, port: int, software: str, upload_bytes: int) -> None:
        self._server = _Server(
            (host, port),
            None,
            numthreads=THREADS,
            request_queue_size=128,
            timeout=IDLE_SECONDS,
            shutdown_timeout=1,
            server_name=software,
            upload_bytes=upload_bytes,
        )
        self._bound, self._begin = threading.Event(), threading.Event()
        self._error: OSError | None = None
        self._closing = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True, name="dicomnb-server")
        self._thread.start()
        self._bound.wait()
        if self._error is not None:
            raise self._error

    @property
    def port(self) -> int:
        """The port it listens at."""
        return int(self._server.bind_addr[1])

    def serve(self, application: Application) -> None:
        """Begin to answer. The application is WSGI, and may give any buffers as its body, each
        valid until the next is asked for, and to a GET stretches of files.
        """
        self._server.wsgi_app = application
        self._begin.set()

    def _run(self) -> None:
        # cheroot's threads are made in here and so are daemons, as this one is: a server that
        # nobody closed does not keep the interpreter from ending.
        try:
            self._server.prepare()
        except OSError as error:
            self._error = error
            return
        finally:
            self._bound.set()
        self._begin.wait()
        self._server.serve()

    def close(self) -> None:
        """End all connections and threads; again does nothing."""
        with self._closing:
            self._server.stop()
            self._begin.set()
            self._thread.join()
