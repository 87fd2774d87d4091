"""The benchmark at small sizes: it runs, and everybody gets the same result. Nothing is timed."""

from __future__ import annotations

import http.client
import json
import threading
from pathlib import Path

import pytest
from cheroot.wsgi import Server

from tests.bench.data import Sizes, prepared
from tests.bench.running import measure
from tests.bench.server import Prepared
from tests.bench.works import WORKS

SMALL = Sizes(rows=60, slices=6, side=64, frames=5, frame_side=32, files=40)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench")


@pytest.mark.long
@pytest.mark.parametrize("name", WORKS)
def test_everybody_does_the_same_work(name: str, build: Path) -> None:
    found = measure(name, sizes=SMALL, build=build, rounds=0)
    assert found.seconds.keys() == {"dicomnb", *WORKS[name].peers}
    for peer in WORKS[name].peers:
        assert found.ratio(peer) > 0


@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("size", [1, 8192, 3_000_000])
def test_the_server_swallows_a_body_to_its_end(build: Path, is_chunked: bool, size: int) -> None:
    """What comes after it on the same connection is the next request."""
    folder = prepared(build, SMALL)
    server = Server(("127.0.0.1", 0), Prepared(folder))
    server.prepare()
    thread = threading.Thread(target=server.serve)
    thread.start()
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    try:
        connection = http.client.HTTPConnection(*server.bind_addr)
        for _ in range(3):
            pieces = (body[at : at + 100_000] for at in range(0, size, 100_000))
            headers = {} if is_chunked else {"Content-Length": str(size)}
            connection.request("POST", "/plain/studies", pieces, headers, encode_chunked=is_chunked)
            with connection.getresponse() as answer:
                assert answer.status == 200
                assert len(json.load(answer)["00081199"]["Value"]) == SMALL.slices
        connection.close()
    finally:
        server.stop()
        thread.join()
