"""Store and delete over real HTTP."""

from __future__ import annotations

import random
import socket
import subprocess
import tempfile
import tracemalloc
from typing import TYPE_CHECKING

import pytest
import requests
from memory_source import MemorySource, real_bytes
from raw_http import connect, host, receive, send

from dicomnb.limits import Limits
from dicomnb.operations import Operation
from dicomnb.server import Server, serve
from dicomnb.server.application import Application
from dicomnb.server.exchange import Service
from dicomnb.server.guard import Guard
from dicomnb.server.listener import Listener
from tests.conftest import SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dicomnb.refs import Ref

HEADERS = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}


def multipart_body(*files: bytes, kind: bytes = b"application/dicom") -> bytes:
    head = b"--b\r\nContent-Type: " + kind + b"\r\n\r\n"
    return b"".join(head + data + b"\r\n" for data in files) + b"--b--\r\n"


@pytest.fixture(autouse=True)
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where parts are kept meanwhile; whatever happens, nothing stays there."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    assert list(tmp_path.iterdir()) == []


def test_a_store_is_answered_with_every_outcome(
    server: Server, http: requests.Session, source: MemorySource
) -> None:
    source.files.clear()
    body = multipart_body(real_bytes("CT_small.dcm"), b"no DICOM", real_bytes("rtdose.dcm"))
    answer = http.post(f"{server.url}/studies", data=body, headers=HEADERS)
    assert answer.status_code == 202
    assert answer.headers["Content-Type"] == "application/dicom+json"
    data = answer.json()
    stored = [item["00081190"]["Value"][0] for item in data["00081199"]["Value"]]
    assert stored == [f"{server.url}/{ref.path}" for ref in source.files]
    assert "part 2 is no DICOM" in str(data["0008119A"])
    assert "00081190" not in data  # two studies
    assert source.uploads[1] == ("part 2", 8)
    assert source.studies == [None]


@pytest.mark.parametrize("kind", ["multipart", "single", "chunked"])
def test_ways_to_send_one_instance(
    kind: str,
    server: Server,
    http: requests.Session,
    source: MemorySource,
    refs: dict[str, Ref],
) -> None:
    source.files.clear()
    data, ref = real_bytes("CT_small.dcm"), refs["CT_small.dcm"]
    url = f"{server.url}/studies/{ref.study}"
    if kind == "single":
        answer = http.post(url, data=data, headers={"Content-Type": "application/dicom"})
    else:
        body = multipart_body(data)
        pieces = iter([body[:100], body[100:20000], body[20000:]])
        answer = http.post(url, data=body if kind == "multipart" else pieces, headers=HEADERS)
    assert answer.status_code == 200, answer.text
    assert source.files == {ref: data}
    assert source.studies == [ref.study]
    assert answer.json()["00081190"]["Value"] == [url]


def test_nothing_stored_is_409(server: Server, http: requests.Session) -> None:
    answer = http.post(f"{server.url}/studies", data=multipart_body(b"x"), headers=HEADERS)
    assert answer.status_code == 409


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/dicom+json", 415),
        ('multipart/related; type="application/dicom+json"; boundary=b', 415),
        ("multipart/form-data; boundary=b", 415),
        (None, 415),
        ("multipart/related; boundary=b", 200),
        ("multipart/related; type=application/dicom; boundary=other", 400),
    ],
)
def test_the_content_type_must_be_right(
    content_type: str | None, status: int, server: Server, http: requests.Session
) -> None:
    body = multipart_body(real_bytes("CT_small.dcm"))
    headers = {"Content-Type": content_type}
    answer = http.post(f"{server.url}/studies", data=body, headers=headers)
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (multipart_body(b"{}", kind=b"application/dicom+json"), 415),
        (b"--b--\r\n", 400),
        (b"", 400),
        (multipart_body(real_bytes("CT_small.dcm"))[:-4], 400),
        (multipart_body(real_bytes("CT_small.dcm"))[:20000], 400),
    ],
)
def test_a_body_that_is_not_right_stores_nothing(
    body: bytes, status: int, server: Server, http: requests.Session, source: MemorySource
) -> None:
    answer = http.post(f"{server.url}/studies", data=body, headers=HEADERS)
    assert answer.status_code == status
    assert source.uploads == []


def test_an_answer_in_xml_cannot_be_had(
    server: Server, http: requests.Session, source: MemorySource
) -> None:
    headers = {**HEADERS, "Accept": "application/dicom+xml"}
    body = multipart_body(real_bytes("CT_small.dcm"))
    assert http.post(f"{server.url}/studies", data=body, headers=headers).status_code == 406
    assert source.uploads == []


def head(server: Server, *lines: str) -> bytes:
    first = [
        "POST /dicomweb/studies HTTP/1.1",
        f"Host: {host(server).decode()}",
        f"Content-Type: {HEADERS['Content-Type']}",
    ]
    return "\r\n".join([*first, *lines, "", ""]).encode()


@pytest.mark.parametrize("way", ["length", "chunked"])
def test_a_store_that_breaks_off_leaves_nothing(
    way: str, server: Server, source: MemorySource
) -> None:
    body = multipart_body(real_bytes("CT_small.dcm"))
    with connect(server) as sock:
        if way == "length":
            sock.sendall(head(server, f"Content-Length: {len(body)}") + body[:30000])
        else:
            chunk = b"%x\r\n" % len(body) + body[:30000]
            sock.sendall(head(server, "Transfer-Encoding: chunked") + chunk)
        sock.shutdown(socket.SHUT_WR)
        answer = receive(sock)
    assert answer.status == 400
    assert answer.closed
    assert source.uploads == []


@pytest.mark.parametrize(
    "chunks",
    [
        b"zz\r\n",
        b"-5\r\nabcde\r\n0\r\n\r\n",
        b"2\r\nabc\r\n0\r\n\r\n",
        b"ffffffffffffffffffff\r\n",
        b"5" * 5000,
        b"5\nabcde",
        b"0\r\n" + b"a: b\r\n" * 100 + b"\r\n",
    ],
)
def test_malformed_chunks_are_refused(chunks: bytes, server: Server, source: MemorySource) -> None:
    with connect(server) as sock:
        sock.sendall(head(server, "Transfer-Encoding: chunked") + chunks)
        sock.shutdown(socket.SHUT_WR)
        answer = receive(sock)
    assert answer.status == 400
    assert source.uploads == []


def test_chunks_with_extensions_and_trailers_and_a_second_request(
    server: Server, source: MemorySource
) -> None:
    body = multipart_body(real_bytes("CT_small.dcm"))
    chunks = b"%X ; name=value\r\n" % len(body) + body + b"\r\n0\r\nDigest: x\r\n\r\n"
    request = head(server, "Transfer-Encoding: chunked") + chunks
    again = b"GET /dicomweb/studies?limit=1 HTTP/1.1\r\nHost: " + host(server) + b"\r\n\r\n"
    with connect(server) as sock:
        sock.sendall(request + again)
        both = receive(sock, until=lambda data: data.count(b"HTTP/1.1 200 OK") == 2)
        assert not both.closed
        sock.sendall(again)  # and a third, with nothing more to come
        sock.shutdown(socket.SHUT_WR)
        third = receive(sock)
    assert (both.data + third.data).count(b"HTTP/1.1 200 OK") == 3
    assert len(source.uploads) == 1


def test_a_client_that_waits_is_told_to_go_ahead(server: Server, source: MemorySource) -> None:
    body = multipart_body(real_bytes("CT_small.dcm"))
    with connect(server) as sock:
        sock.sendall(head(server, f"Content-Length: {len(body)}", "Expect: 100-continue"))
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        sock.shutdown(socket.SHUT_WR)
        assert receive(sock).status == 200


def test_a_client_that_waits_for_a_refusal_gets_it_at_once(server: Server) -> None:
    request = head(server, "Content-Length: 999999999", "Expect: 100-Continue")
    with connect(server) as sock:
        sock.sendall(request.replace(b"POST", b"PUT"))
        assert sock.recv(1000).startswith(b"HTTP/1.1 405 ")


def test_a_large_chunked_body_takes_little_memory(
    server: Server, source: MemorySource, spool: Path
) -> None:
    body = multipart_body(random.Random(5).randbytes(20_000_000))
    source.store = lambda uploads, **_: []  # type: ignore[method-assign, assignment]
    requests.get(f"{server.url}/studies?limit=1")  # what is made once is made
    tracemalloc.start()
    with connect(server) as sock:
        sock.sendall(head(server, "Transfer-Encoding: chunked"))
        sock.sendall(b"%x\r\n" % len(body))  # a single chunk
        sock.sendall(body)
        sock.sendall(b"\r\n0\r\n\r\n")
        sock.shutdown(socket.SHUT_WR)
        answer = receive(sock)
        peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert answer.status == 200
    assert peak < 6_000_000


@pytest.fixture
def strict(source: MemorySource) -> Iterator[Server]:
    """A server that takes bodies of 1000 bytes."""
    service = Service(source, writable=True, limits=Limits(upload_bytes=1000))
    listener = Listener(
        host="127.0.0.1",
        port=0,
        software="dicomnb/test",
        upload_bytes=service.limits.upload_bytes,
    )
    listener.serve(Application(service, Guard("127.0.0.1", listener.port)))
    url = f"http://127.0.0.1:{listener.port}/dicomweb"
    yield Server(url, token=None, close=listener.close, about="")
    listener.close()


@pytest.mark.parametrize("way", ["length", "chunked", "expect"])
def test_a_body_over_the_limit_is_refused(way: str, strict: Server, source: MemorySource) -> None:
    body = multipart_body(bytes(5000))
    if way == "chunked":
        chunk = b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"
        answer = send(strict, head(strict, "Transfer-Encoding: chunked") + chunk)
    else:
        lines = [f"Content-Length: {len(body)}"]
        lines += ["Expect: 100-continue"] if way == "expect" else []
        with connect(strict) as sock:
            sock.sendall(head(strict, *lines) + (body if way == "length" else b""))
            sock.shutdown(socket.SHUT_WR)
            answer = receive(sock)
    assert answer.status == 413, answer
    assert b"upload_bytes" in answer.body
    assert source.uploads == []


def test_curl_reads_the_answer_to_a_large_body_that_nobody_wants(
    server: Server, tmp_path: Path, spool: Path
) -> None:
    big = tmp_path / "big"
    big.write_bytes(bytes(20_000_000))
    command = ["curl", "-s", "-o", "-", "-w", " %{http_code}", "-H", "Expect:"]
    url = server.url + "/nowhere"
    done = subprocess.run(
        [*command, "--data-binary", f"@{big}", url],
        capture_output=True,
        timeout=SECONDS,
        check=True,
    )
    big.unlink()
    assert done.stdout.endswith(b" 404")
    assert b"error" in done.stdout


@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_delete(
    level: str, server: Server, http: requests.Session, source: MemorySource, refs: dict[str, Ref]
) -> None:
    url = f"{server.url}/{refs['CT_small.dcm'].at(level).path}"  # type: ignore[arg-type]
    answer = http.delete(url)
    assert (answer.status_code, answer.content) == (204, b"")
    assert refs["CT_small.dcm"] not in source.files
    assert http.delete(url).status_code == 404


def test_a_delete_that_goes_on(
    server: Server, http: requests.Session, source: MemorySource, refs: dict[str, Ref]
) -> None:
    source.operation = Operation("operations/7", ask=None, stop=None)
    answer = http.delete(f"{server.url}/{refs['CT_small.dcm'].at('study').path}")
    assert (answer.status_code, answer.json()) == (202, {"operation": "operations/7"})


def test_a_server_that_is_not_writable_cannot_be_written_to(
    source: MemorySource, refs: dict[str, Ref]
) -> None:
    with serve(source) as url, requests.Session() as http:
        body = multipart_body(real_bytes("CT_small.dcm"))
        for answer in (
            http.post(f"{url}/studies", data=body, headers=HEADERS),
            http.delete(f"{url}/{refs['CT_small.dcm'].path}"),
        ):
            assert answer.status_code == 405
            assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"
            assert "read-only" in answer.json()["error"]
        assert http.get(f"{url}/studies").status_code == 200
    assert source.uploads == []
    assert refs["CT_small.dcm"] in source.files
