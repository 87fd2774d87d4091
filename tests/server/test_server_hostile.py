"""Clients that mean harm."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import requests
from raw_http import connect, host, receive, send

from dicomnb.server import listener, rendering, storing, waiting
from dicomnb.server.listener import MOST_LINGERING, THREADS
from dicomnb.wire.storing import Outcome

if TYPE_CHECKING:
    from memory_source import MemorySource

    from dicomnb.refs import Ref
    from dicomnb.server import Server


LONG = 120.0
"""What a client may hold up, in seconds, held up much longer than a busy machine takes."""


def request(server: Server, *fields: bytes, body: bytes = b"", protocol: bytes = b"1.1") -> bytes:
    lines = [b"GET /dicomweb/studies?limit=1 HTTP/" + protocol, b"Host: " + host(server), *fields]
    return b"\r\n".join([*lines, b"", b""]) + body


@pytest.mark.parametrize(
    "fields",
    [
        (b"Transfer-Encoding : chunked",),
        (b"Content-Length : 5",),
        (b"Transfer-Encoding: \x0bchunked",),
        (b"Transfer-Encoding:", b" chunked"),
        (b"X: a", b" Content-Length: 5"),
        (b"X: a\rContent-Length: 5",),
        (b"X: \x00",),
        (b"Transfer-Encoding: chunked, chunked",),
        (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
        (b"Content-Length: 0", b"Transfer-Encoding: chunked"),
        (b"Content-Length: 5, 5",),
        (b"Content-Type: a/b", b"Content-Type: c/d"),
    ],
)
def test_no_two_readers_see_two_requests(server: Server, fields: tuple[bytes, ...]) -> None:
    hidden = b"0\r\n\r\n" + request(server)
    answer = send(server, request(server, *fields, body=hidden))
    assert answer.status == 400
    assert answer.data.count(b"HTTP/1.1 ") == 1


def test_chunks_mean_nothing_in_http_1_0(server: Server) -> None:
    fields = (b"Transfer-Encoding: chunked", b"Connection: Keep-Alive")
    answer = send(server, request(server, *fields, body=request(server), protocol=b"1.0"))
    assert answer.status == 400
    assert answer.data.count(b"HTTP/1.1 ") == 1


def test_fields_that_are_lists_are_joined(server: Server) -> None:
    fields = (b"Accept: text/plain", b"Accept: application/json", b"Connection: close")
    assert send(server, request(server, *fields)).status == 200


def is_answered_soon(server: Server) -> bool:
    """Whether a request has its answer long before ``LONG`` is over."""
    begin = time.monotonic()
    assert requests.get(f"{server.url}/studies?limit=1").status_code == 200
    return time.monotonic() - begin < LONG / 4


def test_headers_that_drip_hold_no_thread(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "HEADER_SECONDS", LONG)
    sockets = [connect(server) for _ in range(THREADS + 8)]
    for sock in sockets:
        sock.sendall(b"GET /dicomweb/studies?limit=1 HTTP/1.1\r\nX: ")
    time.sleep(0.2)
    assert is_answered_soon(server)
    # What comes late, but comes, is answered.
    sockets[0].sendall(b"y\r\nConnection: close\r\nHost: " + host(server) + b"\r\n\r\n")
    assert receive(sockets[0]).status == 200
    for sock in sockets:
        sock.close()


def test_a_header_that_does_not_come_is_not_waited_for(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "HEADER_SECONDS", 0.3)
    with connect(server) as sock:
        sock.sendall(b"GET /dicomweb/studies HTTP/1.1\r\n")
        answer = receive(sock)
    assert (answer.data, answer.closed) == (b"", True)


def test_bodies_that_nobody_wants_do_not_hold_all_threads(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "LINGER_SECONDS", LONG)
    monkeypatch.setattr(listener, "SILENT_SECONDS", LONG)
    head = b"POST /dicomweb/nothing HTTP/1.1\r\nContent-Length: 9999\r\nHost: " + host(server)
    sockets = [connect(server) for _ in range(THREADS + 8)]
    for sock in sockets:
        sock.sendall(head + b"\r\n\r\n")
    assert is_answered_soon(server)
    assert MOST_LINGERING < THREADS
    for sock in sockets:
        sock.close()


@pytest.mark.parametrize("viewport", ["1000000,1000000", "16384,16384", "16384,4096", "1,16385"])
def test_pictures_have_a_largest_size(server: Server, refs: dict[str, Ref], viewport: str) -> None:
    url = f"{server.url}/{refs['CT_small.dcm'].path}/rendered"
    assert requests.get(url, params={"viewport": viewport}).status_code == 400
    assert rendering.MOST_PIXELS >= 7680 * 4320


def test_a_body_of_very_many_parts(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "MOST_PARTS", 20)
    kind = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}

    def status(count: int) -> int:
        body = b"--b\r\n\r\n\r\n" * count + b"--b--"
        return requests.post(f"{server.url}/studies", data=body, headers=kind).status_code

    assert (status(20), status(21)) == (409, 413)


def test_the_reason_of_a_failed_store_names_no_path(
    server: Server, source: MemorySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = Outcome("failed", "1.2", "1.3", "1.4", code=0x0110)
    words = "part 1: [Errno 28] No space left on device: '/home/jane/scans/1.2/x.part'"
    monkeypatch.setattr(
        source, "store", lambda *_, **__: [replace(failed, reason=words)], raising=False
    )
    answer = requests.post(
        f"{server.url}/studies", data=b"x", headers={"Content-Type": "application/dicom"}
    )
    assert answer.status_code == 409
    assert "No space left" in answer.text
    assert "jane" not in answer.text
