"""Multipart: every way that servers write it is read, and nothing cut passes as whole."""

from __future__ import annotations

import email
import io
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicomnb.errors import LimitExceeded, ProtocolError
from dicomnb.limits import Limits
from dicomnb.wire import media, multipart
from dicomnb.wire.multipart import (
    BrokenPart,
    Outgoing,
    SingleBody,
    SizedBody,
    outgoing_bytes,
    outgoing_upload,
)
from dicomnb.wire.parts import BytesPart
from dicomnb.wire.storing import BytesUpload, FileUpload

TYPE = 'multipart/related; type="application/dicom"; boundary=abc'


class Dripping:
    """A stream that gives at most ``sizes`` bytes a time, over and over."""

    def __init__(self, data: bytes, sizes=(1,)) -> None:
        self._data = io.BytesIO(data)
        self._sizes = list(sizes)
        self._turn = 0

    def readinto(self, buffer) -> int:
        size = self._sizes[self._turn % len(self._sizes)]
        self._turn += 1
        piece = self._data.read(min(size, len(buffer)))
        buffer[: len(piece)] = piece
        return len(piece)


def whole(data: bytes, kind: str | None = TYPE, **keywords) -> list[bytes]:
    return [part.read() for part in multipart.read(io.BytesIO(data), kind, **keywords)]


def test_parts_with_length_type_syntax_and_place():
    data = (
        b"--abc\r\nContent-Type: image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50\r\n"
        b"Content-Length: 4\r\nContent-Location: /a/b\r\nMIME-Version: 1.0\r\n\r\n\r\n--\r\n"
        b"--abc\r\ncontent-type:application/dicom;\r\n  transfer-syntax=*\r\n\r\nxyz\r\n--abc--\r\n"
    )
    seen = []
    for part in multipart.read(io.BytesIO(data), TYPE):
        seen.append((part.media_type, part.transfer_syntax, part.location, part.length))
        seen.append(part.read())
        assert part.read() == b""
    assert seen == [
        ("image/jpeg", "1.2.840.10008.1.2.4.50", "/a/b", 4),
        b"\r\n--",
        ("application/dicom", None, None, None),
        b"xyz",
    ]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"--abc\r\n\r\n1\r\n--abc--", [b"1"]),
        (b"\r\n--abc\r\n\r\n1\r\n--abc--\r\n", [b"1"]),
        (b"a preamble\r\n--ab\r\n--abc\r\n\r\n1\r\n--abc--an epilogue --abc", [b"1"]),
        (b"--abc\n\n1\n--abc\nContent-Type: a/b\n\n2\n--abc--\n", [b"1", b"2"]),
        (b"--abc  \t\r\n\r\n1\r\n--abc \r\n\r\n\r\n--abc--", [b"1", b""]),
        (b"--abc\r\n\r\n\r\n\r\n--abc--", [b"\r\n"]),
        (b"--abc--\r\n", []),
        (b"\r\n--abc--", []),
        (b"--abc\r\n\r\n\r\n--abcd\r\n--ab\r\n--abc--", [b"\r\n--abcd\r\n--ab"]),
        (b"--abc\r\nContent-Length: 0\r\n\r\n\r\n--abc--", [b""]),
        (b"--abc\r\nContent-Length: no\r\n\r\n1\r\n--abc--", [b"1"]),
    ],
)
def test_ways_of_writing(data, expected):
    assert whole(data) == expected
    for sizes in ((1,), (2, 3), (7,)):
        assert [part.read() for part in multipart.read(Dripping(data, sizes), TYPE)] == expected


@pytest.mark.parametrize("kind", [TYPE, TYPE.replace('"', ""), TYPE.replace("abc", '"abc"')])
def test_boundary_quoted_or_not(kind):
    assert whole(b"--abc\r\n\r\n1\r\n--abc--", kind) == [b"1"]


@pytest.mark.parametrize("kind", [None, "multipart/related", 'multipart/mixed; boundary=""'])
def test_boundary_told_by_the_body_alone(kind):
    assert whole(b"--xy z\r\n\r\n1\r\n--xy z--", kind) == [b"1"]


def test_multipart_without_any_boundary():
    with pytest.raises(ProtocolError, match="no boundary"):
        whole(b"DICM", "multipart/related")


def test_syntax_inside_the_outer_type():
    kind = 'multipart/related; type="application/octet-stream; transfer-syntax=1.2.3"; boundary=abc'
    (part,) = multipart.read(io.BytesIO(b"--abc\r\n\r\n1\r\n--abc--"), kind)
    assert (part.media_type, part.transfer_syntax) == ("application/octet-stream", "1.2.3")


SIZED = b"--abc\r\nContent-Length: 10\r\n\r\n0123456789\r\n--abc--"
UNSIZED = b"--abc\r\n\r\n0123456789\r\n--abc--"


@pytest.mark.parametrize("data", [SIZED, UNSIZED])
def test_every_cut_is_noticed(data):
    """Wherever the body breaks off before its closing delimiter is whole, it is an error."""
    assert whole(data) == [b"0123456789"]
    for end in range(len(data)):
        for use in (lambda part: part.read(), lambda part: None):
            with pytest.raises(ProtocolError, match=r"not whole|no boundary"):
                list(map(use, multipart.read(io.BytesIO(data[:end]), TYPE)))


def test_the_last_part_cut_at_20000_bytes():
    data = b"--abc\r\n\r\n" + bytes(20_000)
    with pytest.raises(ProtocolError, match="closing delimiter is missing, at part 1"):
        whole(data, url="http://host/studies/1")


@pytest.mark.parametrize("told", [9, 12, 14, 500])
def test_a_length_that_lies(told):
    with pytest.raises(ProtocolError, match=r"length|Length|delimiter"):
        whole(SIZED.replace(b"10", str(told).encode()))


def test_a_part_that_is_not_read_is_passed_over():
    parts = [outgoing_bytes(bytes([n]) * (n * 100_000), "a/b") for n in range(1, 9)]
    parts[3] = Outgoing("a/b", parts[3].chunks)
    data = b"".join(multipart.write(parts, boundary="abc"))
    firsts = []
    for part in multipart.read(io.BytesIO(data), TYPE):
        room = bytearray(1)
        assert part.readinto(room) == 1
        firsts.append(room[0])
    assert firsts == list(range(1, 9))


def test_a_part_is_valid_until_the_next():
    parts = list(multipart.read(io.BytesIO(b"--abc\r\n\r\n1\r\n--abc\r\n\r\n2\r\n--abc--"), TYPE))
    for part in parts:
        with pytest.raises(ValueError, match="no longer valid"):
            part.read()


def test_a_single_part_as_answer_to_a_multipart_accept():
    (part,) = multipart.read(io.BytesIO(b"DICM"), "application/dicom; transfer-syntax=1.2")
    assert (part.media_type, part.transfer_syntax, part.length) == (
        "application/dicom",
        "1.2",
        None,
    )
    assert part.read() == b"DICM"
    assert whole(b"DICM", "application/octet-stream", length=4) == [b"DICM"]
    assert whole(b"DICM", None) == [b"DICM"]
    assert whole(b"", None) == [b""]


def test_a_single_part_that_is_cut():
    with pytest.raises(ProtocolError, match="after 4 of 5 bytes"):
        whole(b"DICM", "application/dicom", length=5)


def test_readinto_fills_what_it_is_given():
    for data in (SIZED, UNSIZED):
        part = next(multipart.read(Dripping(data, (3,)), TYPE))
        assert part.readinto(bytearray()) == 0
        room = bytearray(6)
        assert part.readinto(room) == 6
        assert room == b"012345"
        assert part.readinto(room) == 4
        assert room == b"678945"
        assert part.readinto(room) == 0


def test_limits():
    with pytest.raises(LimitExceeded, match=r"part_bytes = 9"):
        whole(SIZED, limits=Limits(part_bytes=9))
    with pytest.raises(LimitExceeded, match=r"part_bytes = 3"):
        whole(b"DICM", "application/dicom", limits=Limits(part_bytes=3))
    assert whole(SIZED, limits=Limits(part_bytes=10)) == [b"0123456789"]
    with pytest.raises(LimitExceeded, match=r"part_header_bytes = 16384"):
        whole(b"--abc\r\nX: " + bytes(10_000_000))


def test_an_encoded_part_is_refused():
    data = b"--abc\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--abc--"
    with pytest.raises(ProtocolError, match="base64"):
        whole(data)


def test_a_length_that_is_only_claimed_takes_no_memory():
    data = b"--abc\r\nContent-Length: 3000000000\r\n\r\nshort"
    tracemalloc.start()
    with pytest.raises(ProtocolError, match="bytes before"):
        whole(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


class Endless:
    """Prepared bytes given without a copy of the whole."""

    def __init__(self, head: bytes, piece: bytes, count: int, tail: bytes) -> None:
        self._pieces = iter([head, *([piece] * count), tail])

    def readinto(self, buffer) -> int:
        piece = next(self._pieces, b"")
        buffer[: len(piece)] = piece
        return len(piece)


@pytest.mark.parametrize("filling", [b"\0", b"\n", b"-", b"\n--ab", b"\r\n--abcX" + bytes(200)])
def test_memory_is_bounded_and_cost_linear(filling):
    """Also where the body is made of what looks like the beginning of a delimiter."""
    piece = (filling * 65536)[:65536]

    def seconds(count: int) -> float:
        stream = Endless(b"--abc\r\n\r\n", piece, count, b"\r\n--abc--")
        room = bytearray(1 << 20)
        begin = time.perf_counter()
        for part in multipart.read(stream, TYPE):
            total = 0
            while n := part.readinto(room):
                total += n
            assert total == count * 65536
        return time.perf_counter() - begin

    tracemalloc.start()
    seconds(64)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20
    small, large = min(seconds(8) for _ in range(3)), min(seconds(64) for _ in range(3))
    assert large < 8 * small * 4 + 0.02


@settings(max_examples=150, deadline=None)
@given(
    bodies=st.lists(
        st.tuples(
            st.one_of(
                st.binary(max_size=200),
                st.lists(st.sampled_from([b"\r\n", b"--", b"abc", b"\n", b"-", b"x"])).map(
                    b"".join
                ),
            ),
            st.booleans(),
        ),
        max_size=5,
    ),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    room=st.integers(1, 50),
)
def test_written_and_read_again(bodies, sizes, room):
    boundary = "abc" + "0" * 8
    parts = [
        Outgoing("a/b", lambda data=data: [data[:3], data[3:]], len(data) if told else None)
        for data, told in bodies
        if told or f"\n--{boundary}".encode() not in data
    ]
    data = b"".join(multipart.write(parts, boundary=boundary))
    length = multipart.length_of(parts, boundary=boundary)
    assert length is None or length == len(data)
    found = []
    kind = f"multipart/related; boundary={boundary}"
    for part in multipart.read(Dripping(data, sizes), kind):
        pieces, buffer = [], bytearray(room)
        while count := part.readinto(buffer):
            pieces.append(bytes(buffer[:count]))
        found.append(b"".join(pieces))
    assert found == [b"".join(part.chunks()) for part in parts]


def test_what_is_written_is_what_the_standard_library_reads():
    parts = [
        outgoing_bytes(b"\0\r\n1", "application/dicom", location="/a"),
        outgoing_bytes(b"2", "application/dicom; transfer-syntax=1.2"),
    ]
    body = SizedBody(parts)
    text = f"Content-Type: {body.content_type}\r\n\r\n".encode() + b"".join(body)
    message = email.message_from_bytes(text)
    assert [one.get_content_type() for one in message.get_payload()] == ["application/dicom"] * 2
    assert [one.get_payload(decode=True) for one in message.get_payload()] == [b"\0\r\n1", b"2"]
    assert message.get_payload()[0]["Content-Location"] == "/a"


def test_a_body_is_whole_each_time_it_is_sent(tmp_path):
    path = tmp_path / "a.dcm"
    path.write_bytes(bytes(3_000_000))
    uploads = [FileUpload(path), BytesUpload(b"abc", "b")]
    body = SizedBody([outgoing_upload(upload) for upload in uploads])
    first, second = b"".join(body), b"".join(body)
    assert first == second
    assert len(first) == len(body) > 3_000_003
    assert max(len(memoryview(piece)) for piece in body) <= 1 << 20
    half = iter(body)
    next(half), next(half)
    assert b"".join(body) == first


@pytest.mark.parametrize("sizes", [[900] * 2000, [500_000] * 3, [70_000, 10, 70_000, 0, 3], []])
def test_small_pieces_are_sent_together(tmp_path, sizes):
    parts = []
    for number, size in enumerate(sizes):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(bytes([number % 256]) * size)
        parts.append(outgoing_upload(FileUpload(path)))
    body = SizedBody(parts)
    pieces = list(body)
    boundary = dict(media.parse(body.content_type).parameters)["boundary"]
    assert b"".join(pieces) == b"".join(multipart.write(parts, boundary=boundary))
    for room in (400, 100_000, 1 << 20):
        packed = [bytes(piece) for piece in body.packed(bytearray(room))]
        assert b"".join(packed) == b"".join(pieces)
        assert max(map(len, packed)) <= room
    assert len(packed) == len(pieces) <= 1 + len(body) // (room - 1_000)  # nearly full


def test_what_is_in_memory_is_sent_from_there(tmp_path):
    """Unless it is small: then it travels with what is beside it."""
    data = bytes(3 << 20)
    large, small = outgoing_bytes(data, "a/b"), outgoing_bytes(data[:50], "a/b")
    body = SizedBody([small, large, small])
    for pieces in (body, body.packed(bytearray(1 << 20))):
        kept = [piece for piece in pieces if len(piece) == len(data)]
        assert [memoryview(piece).obj for piece in kept] == [data]
    assert [len(piece) for piece in body.packed(bytearray(4 << 20))] == [len(body)]


class Faulty(io.BytesIO):
    """A file that brings some of its bytes, and then an error of the disk."""

    def readinto(self, room):
        if self.tell() > 2_000:
            raise OSError(5, "Input/output error")
        return super().readinto(memoryview(room)[:700])


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (lambda: io.BytesIO(bytes(4_999)), "5000 bytes brought 4999"),
        (lambda: io.BytesIO(bytes(5_001)), "brought more"),
        (lambda: io.BytesIO(bytes(50_000)), "brought more"),
        (lambda: Faulty(bytes(5_000)), "cannot be read: Input/output error"),
    ],
)
@pytest.mark.parametrize("room", [1_000, 1 << 20])
def test_a_file_that_does_not_keep_its_length(file, words, room):
    opened = []

    def begin():
        opened.append(file())
        return opened[-1]

    fine = outgoing_bytes(b"x", "a/b")
    body = SizedBody([fine, Outgoing("a/b", list, 5_000, open=begin), fine])
    sent: list[int] = []
    with pytest.raises(BrokenPart, match=words) as caught:
        sent.extend(map(len, body.packed(bytearray(room))))
    assert caught.value.number == 1
    assert sum(sent) < len(body)
    assert opened[0].closed


def test_a_file_that_changes_while_it_is_sent(tmp_path):
    path = tmp_path / "a.dcm"
    path.write_bytes(b"12345")
    body = SizedBody([outgoing_bytes(b"x", "a/b"), outgoing_upload(FileUpload(path))])
    path.write_bytes(b"1234")
    with pytest.raises(BrokenPart, match="was changed") as changed:
        list(body)
    assert changed.value.number == 1
    path.unlink()
    with pytest.raises(BrokenPart, match="cannot be read: No such file"):
        list(body)


@pytest.mark.parametrize(("came", "words"), [([b"12", b"3"], "brought 3"), ([b"1234"] * 2, "more")])
def test_no_body_is_longer_than_it_says(came, words):
    for body in (
        SizedBody([Outgoing("a/b", lambda: came, 5)]),
        SingleBody(Outgoing("a/b", lambda: came, 5)),
    ):
        sent: list[bytes] = []
        with pytest.raises(BrokenPart, match=f"5 bytes.*{words}"):
            sent.extend(body)
        assert len(b"".join(sent)) < len(body)


def test_what_cannot_be_sent():
    with pytest.raises(ValueError, match="length of each"):
        SizedBody([Outgoing("a/b", lambda: [b"1"])])
    with pytest.raises(ValueError, match="header"):
        outgoing_bytes(b"", "a/b", location="x\r\nEvil: y")


def test_boundaries_differ():
    found = {multipart.new_boundary() for _ in range(50)}
    assert len(found) == 50
    assert all(len(one) <= 70 for one in found)


def test_a_part_in_memory_gives_its_own_bytes():
    data = b"0123456789"
    assert BytesPart(data, media_type="a/b").read() is data
    cut = BytesPart(memoryview(data)[2:8], media_type="a/b")
    assert cut.readinto(bytearray(3)) == 3
    assert (cut.read(), cut.read()) == (b"567", b"")
    begun = BytesPart(data, media_type="a/b")
    assert begun.readinto(bytearray(4)) == 4
    assert begun.read() == b"456789"
