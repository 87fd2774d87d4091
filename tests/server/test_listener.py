"""Bodies of any pieces: framed as HTTP has it, whatever travels together, one after another."""

from __future__ import annotations

import http.client
import io
import random
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from dicomnb.server.listener import HELD_BYTES, Listener
from dicomnb.wire.parts import Stretch

DATA = random.Random(1).randbytes(100_000)
SIZES = (0, 1, HELD_BYTES - 1, HELD_BYTES, HELD_BYTES + 1, 70_000)

Pieces = list[bytes | Stretch]


class Bodies:
    """Answers ``/3`` with the fourth list of pieces."""

    def __init__(self, bodies: list[Pieces], *, told: bool) -> None:
        self._bodies = bodies
        self._told = told

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterator[Any]:
        pieces = self._bodies[int(environ["PATH_INFO"][1:])]
        length = [("Content-Length", str(len(joined(pieces))))] if self._told else []
        start_response("200 OK", [("Content-Type", "application/octet-stream"), *length])
        return self._given(pieces)

    def _given(self, pieces: Pieces) -> Iterator[Any]:
        room = bytearray(len(DATA))  # a piece is valid until the next is asked for
        for piece in pieces:
            if isinstance(piece, Stretch):
                yield piece
            else:
                room[: len(piece)] = piece
                yield memoryview(room)[: len(piece)]


class Kept(io.BytesIO):
    """What came over a connection; an answer that was read does not close it."""

    def makefile(self, mode: str) -> Kept:
        return self

    def close(self) -> None:
        pass


def joined(pieces: Pieces) -> bytes:
    return b"".join(bytes(piece) for piece in pieces)


def bodies(file: BinaryIO) -> list[Pieces]:
    """Every size alone, before and after every other, and some longer ones."""
    chance = random.Random(2)

    def piece(size: int) -> bytes | Stretch:
        begin = chance.randrange(20_000)
        if size > HELD_BYTES and sys.platform == "linux" and chance.random() < 0.5:
            return Stretch(file, begin, size)
        return DATA[begin : begin + size]

    pairs = [(one, other) for one in SIZES for other in SIZES]
    longer = [chance.choices(SIZES, k=6) for _ in range(30)]
    return [[piece(size) for size in sizes] for sizes in [(), *pairs, *longer]]


@pytest.mark.parametrize("told", [True, False], ids=["length", "chunked"])
def test_every_body_comes_whole(told: bool, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    with path.open("rb") as file:
        expected = bodies(file)
        listener = Listener(host="127.0.0.1", port=0, software="dicomnb/test", upload_bytes=1000)
        listener.serve(Bodies(expected, told=told))
        try:
            came = pipelined(listener.port, len(expected))
            old = [alone(listener.port, number) for number in range(len(expected))]
        finally:
            listener.close()
        wanted = [joined(pieces) for pieces in expected]
    for number in range(len(expected)):
        answer = http.client.HTTPResponse(came)  # type: ignore[arg-type]
        answer.begin()
        assert answer.chunked is not told
        assert answer.read() == wanted[number]
        head, _, body = old[number].partition(b"\r\n\r\n")
        assert b"chunked" not in head
        assert body == wanted[number]
    assert came.read() == b""


def pipelined(port: int, count: int) -> Kept:
    """Everything that comes of requests that are all sent at once, through one connection."""
    requests = [f"GET /{number} HTTP/1.1\r\nHost: x\r\n" for number in range(count)]
    requests[-1] += "Connection: close\r\n"
    return Kept(exchanged(port, "".join(f"{one}\r\n" for one in requests)))


def alone(port: int, number: int) -> bytes:
    """An answer to who knows HTTP/1.0 only."""
    return exchanged(port, f"GET /{number} HTTP/1.0\r\nHost: x\r\n\r\n")


def exchanged(port: int, sent: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        sock.sendall(sent.encode())
        return b"".join(iter(lambda: sock.recv(1 << 16), b""))
