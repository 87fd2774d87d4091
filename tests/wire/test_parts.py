"""Parts that are files: every byte once, whoever reads them and however the file is opened."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomnb.wire.parts import FilePart

DATA = bytes(range(256)) * 40


class Short(io.FileIO):
    """A file that gives less at once than it is asked for, as a file system may."""

    def read(self, size: int = -1, /) -> bytes:  # type: ignore[override]
        data: bytes = super().read(min(size, 1000)) or b""
        return data

    def readinto(self, room: bytearray, /) -> int:  # type: ignore[override]
        return super().readinto(memoryview(room)[:1000]) or 0


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("parts") / "file"
    made.write_bytes(DATA)
    return made


@given(
    begin=st.integers(0, 5000),
    length=st.integers(0, 5000),
    first=st.integers(0, 6000),
    how=st.sampled_from(["read", "rest", "readinto"]),
    buffered=st.booleans(),
)
def test_what_was_not_read_yet_is_given_once(
    path: Path, begin: int, length: int, first: int, how: str, buffered: bool
) -> None:
    with io.BufferedReader(Short(path)) if buffered else Short(path) as file:
        file.seek(begin)
        part = FilePart(file, length, begin=begin, media_type="application/dicom")  # type: ignore[arg-type]
        assert part.length == length
        room = bytearray(first)
        count = part.readinto(room)
        assert count == min(first, length)
        expected = DATA[begin : begin + length]
        assert room[:count] == expected[:count]
        if how == "rest":
            stretch = part.rest()
            assert (stretch.begin, stretch.nbytes) == (begin + count, length - count)
            rest = bytes(stretch)
        elif how == "read":
            rest = part.read()
        else:
            into = bytearray(length)
            rest = bytes(into[: part.readinto(into)])
        assert rest == expected[count:]
        assert part.read() == b""
        assert part.readinto(bytearray(5)) == 0


def test_a_file_that_became_shorter_is_not_waited_for(path: Path) -> None:
    with Short(path) as file:
        file.seek(len(DATA) - 10)
        part = FilePart(file, 50, begin=len(DATA) - 10, media_type="application/dicom")  # type: ignore[arg-type]
        assert bytes(part.rest()) == DATA[-10:]
