"""Multipart answers that were saved to files."""

from __future__ import annotations

import io
import shutil
import subprocess
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

import dicomnb as dn
from dicomnb.wire.multipart import Outgoing, outgoing_bytes, write
from tests.conftest import Orthanc, need, real_file

NAMES = ("CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm")
FILES = [real_file(name) for name in NAMES]


def saved(path: Path, *, boundary: str = "----=_Part'1:2", sized: bool = True) -> bytes:
    parts = [
        outgoing_bytes(file.read_bytes(), "application/dicom")
        if sized
        else Outgoing("application/dicom", lambda file=file: [file.read_bytes()])
        for file in FILES
    ]
    data = b"".join(write(parts, boundary=boundary))
    path.write_bytes(data)
    return data


def check(found: list) -> None:
    assert found == [dcmread(file) for file in FILES]
    assert [one.file_meta.TransferSyntaxUID for one in found] == [
        dcmread(file).file_meta.TransferSyntaxUID for file in FILES
    ]


@pytest.mark.parametrize("boundary", ["abc", "----=_Part'1:2", "0" * 70, "a b (c)/d?e"])
@pytest.mark.parametrize("sized", [True, False])
def test_the_boundary_is_found(tmp_path: Path, boundary: str, sized: bool) -> None:
    path = tmp_path / "study.multipart"
    data = saved(path, boundary=boundary, sized=sized)
    check(list(dn.read_multipart(path)))
    for before in (b"\r\n", b"This is a preamble,\r\nof two lines.\r\n", b"--\r\n"):
        path.write_bytes(before + data)
        check(list(dn.read_multipart(str(path))))


def test_line_feeds_only_and_no_part_headers(tmp_path: Path) -> None:
    path = tmp_path / "a"
    ct = FILES[0].read_bytes()
    path.write_bytes(
        b"--x\nContent-Type: application/dicom\n\n" + ct + b"\n--x\n\n" + ct + b"\n--x--"
    )
    assert list(dn.read_multipart(path)) == [dcmread(FILES[0])] * 2


def test_headers_in_front_are_passed_by(tmp_path: Path) -> None:
    path = tmp_path / "a"
    data = saved(path, boundary="abc")
    head = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/related; type=application/dicom;\r\n"
    path.write_bytes(head + b' boundary="abc"\r\nServer: x\r\n\r\n' + data)
    check(list(dn.read_multipart(path)))


def test_a_single_instance_is_one_part() -> None:
    (found,) = dn.read_multipart(FILES[0])
    assert found == dcmread(FILES[0])
    (short,) = dn.read_multipart(FILES[0], pixels=False)
    assert "PixelData" not in short


def test_other_parts_come_as_parts(tmp_path: Path) -> None:
    path = tmp_path / "a"
    parts = [
        outgoing_bytes(b"[]", "application/dicom+json"),
        outgoing_bytes(b"\xff\xd8", "image/jpeg; transfer-syntax=1.2.3", location="bulk/1"),
        outgoing_bytes(FILES[0].read_bytes(), "application/octet-stream"),
    ]
    path.write_bytes(b"".join(write(parts, boundary="x")))
    first, second, third = dn.read_multipart(path)
    assert (first.media_type, first.read()) == ("application/dicom+json", b"[]")
    assert (second.transfer_syntax, second.location) == ("1.2.3", "bulk/1")
    assert isinstance(third, Dataset)


def test_a_cut_file_gives_what_is_whole_and_then_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a"
    data = saved(path)
    middle = data.index(FILES[1].read_bytes()[128:600]) + 1000
    for end, whole in ((len(data) - 30, 2), (len(data) - 9, 2), (middle, 1)):
        path.write_bytes(data[:end])
        found = []
        reading = dn.read_multipart(path)
        with pytest.raises(dn.ProtocolError, match="not whole"):
            add_all(reading, found)
        assert found == [dcmread(file) for file in FILES[:whole]]


def add_all(reading: Iterator, found: list) -> None:
    for one in reading:
        found.append(one)


def test_what_is_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        dn.read_multipart(tmp_path / "nowhere")
    path = tmp_path / "a"
    for text in (b"", b"<html>", b"{}", b"-- a dash\r\nand text"):
        path.write_bytes(text)
        with pytest.raises(dn.NoDicom, match="no multipart answer"):
            list(dn.read_multipart(path))
    path.write_bytes(b"".join(write([outgoing_bytes(b"x", "application/dicom")], boundary="x")))
    with pytest.raises(dn.ProtocolError, match="no DICOM instance"):
        list(dn.read_multipart(path))
    saved(path)
    with pytest.raises(dn.LimitExceeded, match="part_bytes"):
        list(dn.read_multipart(path, limits=dn.Limits(part_bytes=1000)))


def test_memory_is_that_of_one_part(tmp_path: Path) -> None:
    path = tmp_path / "a"
    size = 4 << 20
    dataset = dcmread(FILES[0])
    dataset.PixelData = bytes(size)
    dataset.Rows, dataset.Columns = 1024, 2048
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    part = outgoing_bytes(buffer.getvalue(), "application/dicom")
    with path.open("wb") as file:
        for piece in write([part] * 20, boundary="x"):
            file.write(piece)
    del buffer, dataset, part
    tracemalloc.start()
    try:
        assert sum(1 for _ in dn.read_multipart(path)) == 20
        assert tracemalloc.get_traced_memory()[1] < 8 * size
    finally:
        tracemalloc.stop()


def test_what_curl_saves_of_a_real_server(orthanc: Orthanc, tmp_path: Path) -> None:
    need(shutil.which("curl"), "curl")
    archive = dn.connect(orthanc.url)
    archive.store([str(file) for file in FILES])
    expected = dcmread(FILES[0])
    path = tmp_path / "study.multipart"
    for extra in ([], ["--include"]):
        subprocess.run(
            ["curl", "-s", *extra, "-H",
             'Accept: multipart/related; type="application/dicom"; transfer-syntax=*',
             f"{orthanc.url}/studies/{expected.StudyInstanceUID}", "--output", str(path)],
            check=True,
        )  # fmt: skip
        assert expected in list(dn.read_multipart(path))
