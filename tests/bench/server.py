"""A server of prepared bytes, so that the client is what is measured; quick, or like a remote one.

Run as ``python -m tests.bench.server FOLDER [--delay S] [--rate BYTES] [--page ROWS]``; it
prints its port.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import msgspec
from cheroot.server import KnownLengthRFile
from cheroot.wsgi import Server

from tests.bench.data import BOUNDARY, SERIES, STUDY

PIECE = 1 << 18
SWALLOWED = 1 << 20
"""Of a body that is stored, what is read at once."""
JSON = "application/dicom+json"
INSTANCES = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
FRAMES = f'multipart/related; type="application/octet-stream"; boundary={BOUNDARY}'
Start = Callable[[str, list[tuple[str, str]]], Any]


class Prepared:
    """Answers from prepared bodies; the root is ``/NAME`` for each of the series.

    Args:
        folder: see `tests.bench.data.prepared`.
        delay: seconds before every answer.
        rate: bytes a second and connection, or None.
        page: rows in an answer to a search at most.
    """

    def __init__(
        self, folder: Path, *, delay: float = 0, rate: float | None = None, page: int | None = None
    ) -> None:
        self._folder = folder
        self._delay = delay
        self._rate = rate
        self._page = page

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """Answer one request (WSGI)."""
        if self._delay:
            time.sleep(self._delay)
        root, _, path = environ["PATH_INFO"].lstrip("/").partition("/")
        if environ["REQUEST_METHOD"] == "POST":
            return self._stored(root, environ, start)
        kind, pieces = self._body(root, path, parse_qs(environ["QUERY_STRING"]))
        status = "200 OK" if pieces is not None else "404 Not Found"
        pieces = pieces or []
        length = sum(len(piece) for piece in pieces)
        start(status, [("Content-Type", kind), ("Content-Length", str(length))])
        return self._paced(pieces)

    def _stored(self, root: str, environ: dict[str, Any], start: Start) -> list[bytes]:
        """Swallow a body and say that every slice there is was stored, those sent among them."""
        _swallow(environ["wsgi.input"])
        body = self._all_stored(root)
        start("200 OK", [("Content-Type", JSON), ("Content-Length", str(len(body)))])
        return [body]

    def _all_stored(self, root: str) -> bytes:
        if root not in self._stored_answers:
            items = [
                {
                    "00081150": row["00080016"],
                    "00081155": row["00080018"],
                    "00081190": {"vr": "UR", "Value": ["http://server/studies/1"]},
                }
                for row in self._metadata(root)
            ]
            whole = {"00081199": {"vr": "SQ", "Value": items}}
            self._stored_answers[root] = json.dumps(whole).encode()
        return self._stored_answers[root]

    @cached_property
    def _stored_answers(self) -> dict[str, bytes]:
        return {}

    def _body(
        self, root: str, path: str, query: dict[str, list[str]]
    ) -> tuple[str, list[Any] | None]:
        if path in ("studies", "series"):
            row = json.loads(self._rows[0])
            return JSON, [json.dumps([row] if query.get("offset", ["0"]) == ["0"] else []).encode()]
        if path == "instances":
            return JSON, [self._search(query)]
        if path == f"studies/{STUDY}/series/{SERIES}/instances":
            is_first = query.get("offset", ["0"]) == ["0"]
            return JSON, [self._file(f"{root}.json") if is_first else b"[]"]
        if path == f"studies/{STUDY}/series/{SERIES}":
            return INSTANCES, [self._file(f"{root}.multipart")]
        found = re.fullmatch(r"studies/\S+/series/\S+/instances/([\d.]+)(/.*)?", path)
        if path.endswith("/metadata"):
            if not found:
                return JSON, [self._file(f"{root}.json")]
            rows = self._metadata(root)
            rows = [row for row in rows if row["00080018"]["Value"] == [found[1]]]
            return JSON, [json.dumps(rows).encode()]
        if found and (found[2] or "").startswith("/frames/"):
            return FRAMES, list(self._frames(found[2].removeprefix("/frames/")))
        if found and not found[2]:
            return INSTANCES, self._instance(root, found[1])
        return "text/plain", None

    def _search(self, query: dict[str, list[str]]) -> bytes:
        start = int(query.get("offset", ["0"])[0])
        count = int(query.get("limit", [str(len(self._rows))])[0])
        stop = start + min(count, self._page or count)
        if (start, stop) not in self._searches:
            self._searches[start, stop] = b"[" + b",".join(self._rows[start:stop]) + b"]"
        return self._searches[start, stop]

    @cached_property
    def _searches(self) -> dict[tuple[int, int], bytes]:
        return {}

    @cached_property
    def _rows(self) -> list[bytes]:
        rows = (self._folder / "instances.json").read_bytes()
        return list(map(bytes, msgspec.json.decode(rows, type=list[msgspec.Raw])))

    def _metadata(self, root: str) -> list[dict[str, Any]]:
        return list(json.loads((self._folder / f"{root}.json").read_bytes()))

    def _file(self, name: str) -> memoryview:
        if name not in self._files:
            self._files[name] = memoryview((self._folder / name).read_bytes())
        return self._files[name]

    @cached_property
    def _files(self) -> dict[str, memoryview]:
        return {}

    def _instance(self, root: str, uid: str) -> list[Any] | None:
        found = self._instances(root).get(uid)
        head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        return found and [head, found, f"\r\n--{BOUNDARY}--\r\n".encode()]

    def _instances(self, root: str) -> dict[str, memoryview]:
        """Where in the body of a series each instance stands."""
        if root not in self._places:
            body = self._file(f"{root}.multipart")
            uids = [row["00080018"]["Value"][0] for row in self._metadata(root)]
            head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
            whole = bytes(body)
            found, at = {}, len(head)
            for uid in uids:
                end = whole.index(f"\r\n--{BOUNDARY}".encode(), at)
                found[uid] = body[at:end]
                at = end + 2 + len(head)
            self._places[root] = found
        return self._places[root]

    @cached_property
    def _places(self) -> dict[str, dict[str, memoryview]]:
        return {}

    def _frames(self, numbers: str) -> Iterator[Any]:
        body = self._file("frames.bin")
        row = self._metadata("frames")[0]
        each = row["00280010"]["Value"][0] * row["00280011"]["Value"][0]
        kind = 'application/octet-stream; transfer-syntax="1.2.840.10008.1.2.1"'
        for number in map(int, numbers.split(",")):
            yield f"--{BOUNDARY}\r\nContent-Type: {kind}\r\n\r\n".encode()
            yield body[(number - 1) * each : number * each]
            yield b"\r\n"
        yield f"--{BOUNDARY}--\r\n".encode()

    def _paced(self, pieces: Iterable[Any]) -> Iterator[bytes]:
        begun, sent = time.monotonic(), 0
        for whole in pieces:
            for at in range(0, len(whole), PIECE):
                piece = bytes(whole[at : at + PIECE])
                yield piece
                sent += len(piece)
                if self._rate:
                    ahead = sent / self._rate - (time.monotonic() - begun)
                    if ahead > 0:
                        time.sleep(ahead)


def _swallow(body: Any) -> None:
    """Read all of a request's body, into one room and straight from its connection.

    cheroot's reader, written in Python, copies each piece more than once, which on two cores
    is time of who sends.
    """
    room = memoryview(bytearray(SWALLOWED))
    stream = body.rfile
    if isinstance(body, KnownLengthRFile):
        _drop(stream, body.remaining, room)
        body.remaining = 0
        return
    # Above some size dicomweb-client sends in chunks, with no length (RFC 9112 section 7.1).
    while size := int(stream.readline().partition(b";")[0], 16):
        _drop(stream, size, room)
        stream.readline()
    while stream.readline().strip():
        pass


def _drop(stream: Any, count: int, room: memoryview) -> None:
    """Read as many bytes of a connection, those first that its reader holds already."""
    while count and stream.has_data():
        count -= len(stream.read1(count))
    while count:
        got = stream.raw.readinto(room[:count])
        if not got:
            raise ConnectionError(f"the body ended {count} bytes early")
        count -= got


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--delay", type=float, default=0)
    parser.add_argument("--rate", type=float, default=None)
    parser.add_argument("--page", type=int, default=None)
    given = parser.parse_args()
    app = Prepared(given.folder, delay=given.delay, rate=given.rate, page=given.page)
    server = Server(("127.0.0.1", 0), app, numthreads=48, request_queue_size=128)
    server.prepare()
    print(server.bind_addr[1])
    sys.stdout.flush()
    server.serve()


if __name__ == "__main__":
    main()
