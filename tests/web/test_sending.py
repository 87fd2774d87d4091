"""What sending a body does while the server takes its time, or is told to stop."""

from __future__ import annotations

import socket
import ssl
import threading
import time

import pytest

from dicomnb import errors
from dicomnb.pool import Cancel
from dicomnb.wire.multipart import SizedBody, outgoing_bytes
from tests.conftest import SECONDS
from tests.web.raw_server import transport
from tests.web.test_transport import certificate as certificate

LARGE = SizedBody([outgoing_bytes(bytes(64 << 20), "application/dicom")])
"""More than the buffers of a connection hold."""


class Reluctant:
    """A server that reads the beginning of a request, and then nothing."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._tls = tls
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._socket.getsockname()[1]}/dicomweb"
        self.has_begun = threading.Event()
        self.connections: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            self.connections.append(connection)
            connection.recv(1000)
            self.has_begun.set()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in self.connections:
            connection.close()
        self._thread.join(SECONDS)


@pytest.mark.parametrize("tls", [False, True])
def test_cancel_breaks_a_send_that_the_server_does_not_read(certificate, tls: bool):
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    server, cancel = Reluctant(context), Cancel()
    # urllib3 takes the first of these for sending as well.
    made = transport(server.url, verify=str(certificate), timeout=(60.0, 60.0))

    def stop():
        assert server.has_begun.wait(SECONDS)
        time.sleep(0.3)  # by now the buffers are full
        cancel.set()

    thread = threading.Thread(target=stop)
    thread.start()
    begin = time.monotonic()
    try:
        with pytest.raises(errors.Cancelled):
            made.send("POST", "studies", body=LARGE, repeatable=True, cancel=Cancel(cancel))
        assert time.monotonic() - begin < made.options.timeout[1] / 4
        thread.join()
        assert len(server.connections) == 1
    finally:
        server.close()


def test_nothing_more_is_sent_after_a_cancel_between_two_pieces(raw):
    cancel = Cancel()
    came: list[int] = []

    class Body:
        def __len__(self) -> int:
            return 3_000

        def __iter__(self):
            for number in range(3):
                came.append(number)
                if number == 1:
                    cancel.set()
                yield bytes(1_000)

    server = raw(lambda request: b"")
    with pytest.raises(errors.Cancelled):
        transport(server.url).send("POST", "studies", body=Body(), cancel=cancel)
    assert came == [0, 1]
