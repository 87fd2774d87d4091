"""Large files, which the system sends by itself: every byte of them, or an answer that is cut."""

from __future__ import annotations

import io
import os
import socket
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest
import requests
from memory_source import MemorySource, real_bytes, reference
from pydicom import dcmread
from raw_http import connect, host, receive

from dicomnb.server import listener, serve
from dicomnb.wire import multipart
from tests.conftest import SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dicomnb.refs import Ref
    from dicomnb.server import Server

SIDE = 3000
"""18 MB a slice, more than the buffers of a connection hold."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("large")
    made = dcmread(io.BytesIO(real_bytes("CT_small.dcm")))
    made.Rows = made.Columns = SIDE
    found = {}
    for number in range(2):
        uid = f"{made.SeriesInstanceUID}.{number + 1}"
        made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = uid
        pixels = np.random.default_rng(number).integers(0, 4000, (SIDE, SIDE), "<i2")
        made.PixelData = pixels.tobytes()
        found[uid] = folder / f"{number}.dcm"
        made.save_as(found[uid])
    return found


@pytest.fixture
def server(files: dict[str, Path]) -> Iterator[Server]:
    with closing(serve(next(iter(files.values())).parent)) as running:
        yield running


@pytest.fixture
def ref(files: dict[str, Path]) -> Ref:
    return reference(MemorySource.dataset(next(iter(files.values())).read_bytes()))


class Body:
    def __init__(self, data: bytes) -> None:
        self.readinto = io.BytesIO(data).readinto


def parts(answer: requests.Response) -> list[bytes]:
    read = multipart.read(Body(answer.content), answer.headers["Content-Type"])
    return [part.read() for part in read]


def test_every_byte_of_a_series_an_instance_and_a_frame(
    server: Server, files: dict[str, Path], ref: Ref
) -> None:
    stored = {path.read_bytes() for path in files.values()}
    assert set(parts(requests.get(f"{server.url}/{ref.at('series').path}"))) == stored
    alone = requests.get(f"{server.url}/{ref.path}", headers={"Accept": "application/dicom"})
    assert int(alone.headers["Content-Length"]) == len(alone.content)
    assert alone.content == files[str(ref.instance)].read_bytes()
    (frame,) = parts(requests.get(f"{server.url}/{ref.path}/frames/1"))
    assert frame == dcmread(files[str(ref.instance)]).PixelData


def begun(server: Server, ref: Ref) -> socket.socket:
    """A connection whose answer has begun, and of which nothing more is taken."""
    sock = connect(server)
    accept = b"\r\nAccept: application/dicom\r\n\r\n"
    path = b"GET /dicomweb/" + ref.path.encode() + b" HTTP/1.1\r\nHost: "
    sock.sendall(path + host(server) + accept)
    head = sock.recv(2000)
    assert head.startswith(b"HTTP/1.1 200 ")
    return sock


def test_a_file_that_becomes_shorter_cuts_the_answer(
    tmp_path: Path, files: dict[str, Path], ref: Ref
) -> None:
    data = files[str(ref.instance)].read_bytes()
    (tmp_path / "one.dcm").write_bytes(data)
    with closing(serve(tmp_path)) as server, begun(server, ref) as sock:
        os.truncate(tmp_path / "one.dcm", len(data) - 1000)
        rest = receive(sock)
    assert rest.closed
    assert len(rest.data) < len(data) - 900


def test_a_client_that_takes_nothing_is_given_up(
    files: dict[str, Path],
    ref: Ref,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listener, "IDLE_SECONDS", 0.5)
    given_up, close = threading.Event(), listener._Connection.close

    def closed(connection: listener._Connection) -> None:
        close(connection)
        given_up.set()

    monkeypatch.setattr(listener._Connection, "close", closed)
    folder = next(iter(files.values())).parent
    with closing(serve(folder)) as server, begun(server, ref) as sock:
        assert given_up.wait(SECONDS)
        rest = receive(sock)
    assert rest.closed
    assert len(rest.data) < 2 * SIDE * SIDE


def test_one_that_is_slow_is_not(
    files: dict[str, Path], ref: Ref, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "IDLE_SECONDS", 5.0)
    folder = next(iter(files.values())).parent
    size, came = files[str(ref.instance)].stat().st_size, 2000
    with closing(serve(folder)) as server, begun(server, ref) as sock:
        for _ in range(12):  # longer than that together, never without taking some
            time.sleep(0.5)
            came += len(sock.recv(1 << 20))
        came += len(receive(sock, until=lambda data: came + len(data) > size).data)
    assert came > size


def test_closing_does_not_wait_for_a_client_that_takes_nothing(server: Server, ref: Ref) -> None:
    with begun(server, ref):
        begin = time.monotonic()
        server.close()
        assert time.monotonic() - begin < listener.IDLE_SECONDS / 4
