"""Retrieval over real HTTP: media types, parts, pictures."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from memory_source import NATIVE, MemorySource, real_bytes, until

from dicomnb.refs import Ref
from dicomnb.source import Rendering
from dicomnb.wire import media, multipart

if TYPE_CHECKING:
    import requests

    from dicomnb.server import Server

RLE = "1.2.840.10008.1.2.5"


def parts_of(answer: requests.Response) -> list[tuple[str, str | None, str | None, bytes]]:
    """Type, syntax, location and bytes of each part, read by the client's own reader."""
    assert answer.status_code == 200, answer.text
    found = multipart.read(io.BytesIO(answer.content), answer.headers["Content-Type"])
    return [(p.media_type, p.transfer_syntax, p.location, p.read()) for p in found]


@pytest.mark.parametrize("accept", [None, "*/*", 'multipart/related; type="application/dicom"'])
def test_an_instance_comes_as_it_is_stored(
    accept: str | None, server: Server, http: requests.Session, refs: dict[str, Ref]
) -> None:
    url = f"{server.url}/{refs['MR_small_RLE.dcm'].path}"
    answer = http.get(url, headers={"Accept": accept})
    assert answer.headers["Content-Length"] == str(len(answer.content))
    (part,) = parts_of(answer)
    assert part == ("application/dicom", RLE, url, real_bytes("MR_small_RLE.dcm"))


@pytest.mark.parametrize(
    ("level", "accept"),
    [("study", "*/*"), ("series", "multipart/related; type=application/dicom; transfer-syntax=*")],
)
def test_a_study_and_a_series_come_as_parts(
    level: str, accept: str, server: Server, http: requests.Session, source: MemorySource
) -> None:
    one = next(iter(source.files))
    other = Ref(one.study, str(one.series), "1.2.3")
    source.files[other] = source.files[one]
    url = f"{server.url}/{one.at(level).path}"  # type: ignore[arg-type]
    answer = http.get(url, headers={"Accept": accept})
    found = parts_of(answer)
    assert [part[3] for part in found] == [source.files[one]] * 2
    assert [part[2] for part in found] == [f"{server.url}/{r.path}" for r in (one, other)]
    assert until(lambda: source.open == 0)


def test_a_single_part_for_an_instance_only(
    server: Server, http: requests.Session, refs: dict[str, Ref]
) -> None:
    ref = refs["CT_small.dcm"]
    wanted = {"Accept": "application/dicom"}
    answer = http.get(f"{server.url}/{ref.path}", headers=wanted)
    assert answer.content == real_bytes("CT_small.dcm")
    assert answer.headers["Content-Type"] == f"application/dicom; transfer-syntax={NATIVE}"
    refused = http.get(f"{server.url}/{ref.at('series').path}", headers=wanted)
    assert refused.status_code == 406
    assert 'multipart/related; type="application/dicom"' in refused.json()["error"]


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        (f'multipart/related; type="application/dicom"; transfer-syntax={NATIVE}', 406),
        (f'multipart/related; type="application/dicom"; transfer-syntax="{RLE}"', 200),
        (
            f'multipart/related; type="application/dicom"; transfer-syntax={NATIVE}, '
            'multipart/related; type="application/dicom"; transfer-syntax=*; q=0.5',
            200,
        ),
        ('multipart/related; type="application/octet-stream"; transfer-syntax=*', 406),
        ("image/png", 406),
        ("application/dicom;q=0", 406),
    ],
)
def test_the_transfer_syntax_is_the_clients_choice(
    accept: str, status: int, server: Server, http: requests.Session, refs: dict[str, Ref]
) -> None:
    url = f"{server.url}/{refs['MR_small_RLE.dcm'].path}"
    answer = http.get(url, headers={"Accept": accept})
    assert answer.status_code == status
    if status == 200:
        assert parts_of(answer)[0][1] == RLE


@pytest.mark.parametrize(
    ("accept", "kind", "syntax"),
    [
        (None, "image/dicom-rle", RLE),
        ('multipart/related; type="application/octet-stream"; transfer-syntax=*',) * 1
        + ("image/dicom-rle", RLE),
        (
            f'multipart/related; type="image/dicom-rle"; transfer-syntax={RLE}',
            "image/dicom-rle",
            RLE,
        ),
        ('multipart/related; type="image/*"', "image/dicom-rle", RLE),
        ('multipart/related; type="application/octet-stream"', media.OCTET_STREAM, NATIVE),
        (
            f'multipart/related; type="application/octet-stream"; transfer-syntax={NATIVE}',
            media.OCTET_STREAM,
            NATIVE,
        ),
        (
            'multipart/related; type="image/jpeg", '
            'multipart/related; type="application/octet-stream"',
            media.OCTET_STREAM,
            NATIVE,
        ),
    ],
)
def test_frames_in_the_form_asked_for(
    accept: str | None,
    kind: str,
    syntax: str,
    server: Server,
    http: requests.Session,
    refs: dict[str, Ref],
) -> None:
    url = f"{server.url}/{refs['SC_rgb_rle_2frame.dcm'].path}/frames"
    answer = http.get(f"{url}/2,1", headers={"Accept": accept})
    found = parts_of(answer)
    assert media.parse(answer.headers["Content-Type"]).part_type == kind  # type: ignore[union-attr]
    assert [part[:3] for part in found] == [(kind, syntax, f"{url}/{n}") for n in (2, 1)]
    if syntax == NATIVE:
        expected = MemorySource.dataset(real_bytes("SC_rgb_rle_2frame.dcm")).pixel_array
        got = [np.frombuffer(part[3], "uint8").reshape(expected[0].shape) for part in found]
        np.testing.assert_array_equal(got, expected[::-1])


@pytest.mark.parametrize(
    ("name", "path", "accept", "status"),
    [
        ("SC_rgb_rle_2frame.dcm", "frames/3", "*/*", 404),
        ("SC_rgb_rle_2frame.dcm", "frames/0", "*/*", 400),
        ("SC_rgb_rle_2frame.dcm", "frames/1,,2", "*/*", 400),
        ("SC_rgb_rle_2frame.dcm", "frames/x", "*/*", 400),
        ("SC_rgb_rle_2frame.dcm", "frames/1", 'multipart/related; type="image/jpeg"', 406),
        ("SC_rgb_rle_2frame.dcm", "frames/1,2", "image/dicom-rle", 406),
        ("SC_rgb_rle_2frame.dcm", "frames/1", "image/dicom-rle", 200),
        ("CT_small.dcm", "frames/1", "application/octet-stream", 200),
        ("CT_small.dcm", "frames", "*/*", 404),
        ("CT_small.dcm", "bulkdata/7FE00010", "*/*", 200),
        ("CT_small.dcm", "bulkdata/7FE00010", "application/octet-stream", 200),
        ("CT_small.dcm", "bulkdata/00090099", "*/*", 404),
        ("CT_small.dcm", "bulkdata/../7FE00010", "*/*", 404),
        ("CT_small.dcm", "bulkdata/%2e%2e/7FE00010", "*/*", 404),
        ("CT_small.dcm", "bulkdata/7FE00010/", "*/*", 404),
        ("CT_small.dcm", "bulkdata/7FE00010", "text/plain", 406),
        ("JPEG2000.dcm", "bulkdata/7FE00010", "*/*", 200),
        ("JPEG2000.dcm", "bulkdata/7FE00010", "*/*;q=0, image/jp2", 406),
        ("CT_small.dcm", "thumbnail", "*/*", 200),
        ("CT_small.dcm", "thumbnail", "text/plain", 406),
    ],
)
def test_statuses(
    name: str,
    path: str,
    accept: str,
    status: int,
    server: Server,
    refs: dict[str, Ref],
    source: MemorySource,
) -> None:
    import http.client

    address = server.url.split("/")[2]
    connection = http.client.HTTPConnection(address)  # leaves dots in paths as they are
    connection.request("GET", f"/dicomweb/{refs[name].path}/{path}", headers={"Accept": accept})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status == status, body
    assert until(lambda: source.open == 0)


def test_compressed_bulk_data_tells_its_syntax(
    server: Server, http: requests.Session, refs: dict[str, Ref]
) -> None:
    url = f"{server.url}/{refs['JPEG2000.dcm'].path}/bulkdata/7FE00010"
    ((kind, syntax, location, data),) = parts_of(http.get(url))
    assert (kind, syntax, location) == ("image/jp2", "1.2.840.10008.1.2.4.91", url)
    assert data.startswith(b"\xff\x4f")


@pytest.mark.parametrize(
    ("path", "accept", "kind", "rendering"),
    [
        ("rendered", None, "image/jpeg", Rendering("jpeg")),
        ("rendered", "image/png", "image/png", Rendering("png")),
        ("rendered", "image/gif, image/*;q=0.1", "image/jpeg", Rendering("jpeg")),
        ("frames/2/rendered", "image/png", "image/png", Rendering("png", 2)),
        (
            "rendered?window=40,400,linear&viewport=64,32&quality=90",
            None,
            "image/jpeg",
            Rendering("jpeg", None, (40.0, 400.0), (64, 32), 90),
        ),
        (
            "rendered?window=-600.5,1e3&viewport=64,32,,,,",
            None,
            "image/jpeg",
            Rendering("jpeg", None, (-600.5, 1000.0), (64, 32)),
        ),
    ],
)
def test_rendered(
    path: str,
    accept: str | None,
    kind: str,
    rendering: Rendering,
    server: Server,
    http: requests.Session,
    refs: dict[str, Ref],
    source: MemorySource,
) -> None:
    ref = refs["CT_small.dcm"]
    answer = http.get(f"{server.url}/{ref.path}/{path}", headers={"Accept": accept})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, kind)
    assert source.renderings == [(ref, rendering)]
    assert until(lambda: source.open == 0)


@pytest.mark.parametrize(
    "path",
    [
        "rendered?window=40",
        "rendered?window=40,400,sigmoid",
        "rendered?window=40,0",
        "rendered?window=nan,1",
        "rendered?window=a,b,linear",
        "rendered?viewport=64",
        "rendered?viewport=0,1",
        "rendered?viewport=64,64,1,1,8,8",
        "rendered?viewport=99999,1",
        "rendered?quality=101",
        "rendered?quality=0",
        "rendered?annotation=patient",
        "rendered?quality=1&quality=2",
        "frames/1,2/rendered",
    ],
)
def test_a_picture_that_cannot_be_made_as_asked_is_refused(
    path: str, server: Server, http: requests.Session, refs: dict[str, Ref], source: MemorySource
) -> None:
    answer = http.get(f"{server.url}/{refs['CT_small.dcm'].path}/{path}")
    assert answer.status_code == 400, answer.text
    assert source.renderings == []


def test_neither_jpeg_nor_png(server: Server, http: requests.Session, refs: dict[str, Ref]) -> None:
    url = f"{server.url}/{refs['CT_small.dcm'].path}/rendered"
    answer = http.get(url, headers={"Accept": "image/gif"})
    assert answer.status_code == 406
    assert "image/png" in answer.json()["error"]
    assert http.get(f"{server.url}/studies/1.2/rendered").status_code == 404


def test_head_and_options(
    server: Server, http: requests.Session, refs: dict[str, Ref], source: MemorySource
) -> None:
    url = f"{server.url}/{refs['CT_small.dcm'].path}"
    head = http.head(url, headers={"Accept": "application/dicom"})
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(real_bytes("CT_small.dcm")))
    assert until(lambda: source.open == 0)
    options = http.options(url)
    assert (options.status_code, options.content) == (204, b"")
    assert options.headers["Allow"] == "DELETE, GET, HEAD, OPTIONS"
    assert http.options(f"{server.url}/nothing").status_code == 404
    assert http.head(f"{server.url}/studies").status_code == 200


@pytest.mark.parametrize("path", ["", "/..", "/a%20b/series", "/%2e%2e/metadata", "/1/series/%00"])
def test_what_is_no_uid_identifies_nothing(
    path: str, server: Server, http: requests.Session
) -> None:
    answer = http.get(f"{server.url}/studies{path}/metadata")
    assert answer.status_code in (400, 404)
