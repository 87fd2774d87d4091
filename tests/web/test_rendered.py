"""Pictures as a server draws them: their bytes, several of them, and what it may be asked."""

from __future__ import annotations

import hashlib
import io
import json

import numpy as np
import pytest
import requests
from PIL import Image
from pydicom import dcmread

import dicomnb as dn
from dicomnb.archive import Archive
from dicomnb.options import Options
from dicomnb.wire.multipart import outgoing_bytes, write
from tests.conftest import SECONDS, real_file
from tests.web.conftest import STORED
from tests.web.raw_server import response, source

REF = dn.Ref("1.2", "1.3", "1.4")


def picture(grey: int, format: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((4, 6), grey, np.uint8)).save(file, format)
    return file.getvalue()


def several(*greys: int, kind: str = "image/png") -> bytes:
    parts = [outgoing_bytes(picture(grey), kind) for grey in greys]
    return response(
        b"".join(write(parts, boundary="abc")),
        kind=f'multipart/related; type="{kind}"; boundary=abc',
    )


def archive_of(raw, respond) -> tuple[Archive, object]:
    def answer(request):
        return response(b"[]") if "?limit=1" in request.target else respond(request)

    server = raw(answer)
    return Archive(source(server.url), options=Options()), server


def test_several_pictures_of_a_series_are_a_list(raw, tmp_path):
    archive, _ = archive_of(raw, lambda request: several(10, 20, 30))
    found = archive.rendered(REF.at("series"))
    assert [np.asarray(one)[0, 0] for one in found] == [10, 20, 30]
    paths = archive.rendered(REF.at("series"), to=tmp_path / "a.png")
    assert [path.name for path in paths] == ["a-1.png", "a-2.png", "a-3.png"]
    assert [path.read_bytes() for path in paths] == [picture(grey) for grey in (10, 20, 30)]
    with pytest.raises(dn.ProtocolError, match="3 pictures came"):
        archive.rendered(REF, frame=1)


def test_a_server_that_gives_pictures_in_parts_only(raw):
    def respond(request):
        if request.headers["accept"] == 'multipart/related; type="image/png"':
            return several(7)
        return response(b"in parts", status=406, kind=None)

    archive, server = archive_of(raw, respond)
    for _ in range(2):
        assert np.asarray(archive.rendered(REF)).max() == 7
    assert [one.headers["accept"].partition(";")[0] for one in server.requests[-3:]] == [
        "image/png",
        "multipart/related",
        "multipart/related",
    ]


def test_the_other_format_is_never_asked_for_and_one_that_comes_is_told(raw, tmp_path):
    archive, server = archive_of(raw, lambda _: response(b"", status=406, kind=None))
    with pytest.raises(dn.Unsupported, match="image/png: HTTP 406"):
        archive.rendered(REF)
    assert not any("jpeg" in one.headers.get("accept", "") for one in server.requests)
    jpeg = picture(9, "JPEG")
    archive, _ = archive_of(raw, lambda _: response(jpeg, kind="image/jpeg"))
    with pytest.warns(dn.DicomnbWarning, match="image/png; the source sent image/jpeg"):
        path = archive.rendered(REF, to=tmp_path / "a.png")
    assert path.read_bytes() == jpeg


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("quality", 0),
        ("quality", 101),
        ("viewport", (0, 5)),
        ("viewport", (5.5, 5)),
        ("window", (40, 0)),
        ("window", (float("nan"), 1)),
        ("format", "gif"),
    ],
)
def test_what_nobody_draws_is_not_asked_for(raw, name, value):
    archive, server = archive_of(raw, lambda _: response(picture(1), kind="image/png"))
    with pytest.raises(ValueError, match=name):
        archive.rendered(REF, **{name: value})
    assert server.requests == []


# A real Orthanc


@pytest.fixture
def orthanc_archive(filled_orthanc):
    return dn.connect(filled_orthanc)


def ref_of(name: str) -> dn.Ref:
    header = dcmread(real_file(name), stop_before_pixels=True)
    return dn.Ref(header.StudyInstanceUID, header.SeriesInstanceUID, header.SOPInstanceUID)


@pytest.mark.parametrize("level", ["study", "series", "instance"])
@pytest.mark.parametrize(("format", "kind"), [("png", "PNG"), ("jpeg", "JPEG")])
def test_every_level_of_a_real_orthanc(
    orthanc_archive, filled_orthanc, tmp_path, level, format, kind
):
    ref = ref_of("CT_small.dcm").at(level)
    image = orthanc_archive.rendered(ref, format=format)
    assert (image.format, image.size) == (kind, (128, 128))
    path = orthanc_archive.rendered(ref, format=format, to=tmp_path / "picture")
    sent = requests.get(
        f"{filled_orthanc}/{ref.path}/rendered",
        headers={"Accept": f"image/{format}"},
        timeout=SECONDS,
    ).content
    assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(sent).digest()
    dark = np.asarray(orthanc_archive.rendered(ref, format=format, window=(5000, 10)))
    light = np.asarray(orthanc_archive.rendered(ref, format=format, window=(-5000, 10)))
    assert dark.max() < 10
    assert light.min() > 245
    assert orthanc_archive.rendered(ref, format=format, viewport=(50, 30)).size == (50, 30)
    if format == "jpeg":
        sizes = [
            orthanc_archive.rendered(ref, format=format, quality=quality, to=path).stat().st_size
            for quality in (5, 95)
        ]
        assert sizes[0] < sizes[1]


# Metadata as XML


def test_metadata_of_a_server_that_speaks_xml_only(raw, filled_orthanc):
    """Its XML is a real Orthanc's."""
    ref = ref_of("CT_small.dcm")
    url, xml = (
        f"{filled_orthanc}/{ref.path}/metadata",
        'multipart/related; type="application/dicom+xml"',
    )
    sent = requests.get(url, headers={"Accept": xml}, timeout=SECONDS)
    assert sent.headers["Content-Type"].startswith("multipart/related")

    def respond(request):
        if request.headers["accept"] == xml:
            return response(sent.content, kind=sent.headers["Content-Type"])
        return response(b"XML only", status=406, kind=None)

    archive, server = archive_of(raw, respond)
    for _ in range(2):
        found = archive.metadata(ref).iloc[0]
        assert found["SOPInstanceUID"] == ref.instance
        assert found["PatientName"] == "CompressedSamples^CT1"
        assert found["SliceThickness"] == 5
    assert [one.headers["accept"] for one in server.requests[-2:]] == [xml, xml]
    expected = dn.connect(filled_orthanc).metadata(ref).iloc[0]
    same = set(expected.index) & set(found.index)
    assert len(same) > 60
    texts = [
        name
        for name in same
        if isinstance(expected[name], str) and not expected[name].startswith("http")
    ]
    assert len(texts) > 20
    assert {name: found[name] for name in texts} == {name: expected[name] for name in texts}


def plain(value):
    """A value as XML can hold it: a reader of XML makes one line break of CR and LF."""
    return value.replace("\r\n", "\n") if isinstance(value, str) else value


@pytest.mark.parametrize("name", [name for name in STORED if name != "rtplan.dcm"])
def test_a_real_orthanc_asked_for_xml_tells_the_same(filled_orthanc, monkeypatch, name):
    from dicomnb.web import ladder

    ref = ref_of(name)
    by_json = [json.loads(page.rows) for page in source(filled_orthanc).metadata(ref)]
    xml = tuple(rung for rung in ladder.METADATA if "xml" in rung.accept)
    assert len(xml) == 2
    monkeypatch.setattr(ladder, "METADATA", xml)
    (by_xml,) = [json.loads(page.rows) for page in source(filled_orthanc).metadata(ref)]
    ((expected,), (found,)) = (by_json[0], by_xml)
    compared = 0
    for tag, element in expected.items():
        if "Value" not in element or element["vr"] in ("SQ", "PN", "DS", "UN"):
            continue
        assert [plain(value) for value in found[tag]["Value"]] == [
            pytest.approx(value, rel=1e-6) if isinstance(value, float) else plain(value)
            for value in element["Value"]
        ], tag
        compared += 1
    assert compared > 15


def test_xml_of_one_instance_without_parts(raw):
    xml = (
        b'<NativeDicomModel><DicomAttribute tag="00080018" vr="UI"><Value number="1">1.4</Value>'
        b"</DicomAttribute></NativeDicomModel>"
    )

    def respond(request):
        if request.headers["accept"] == "application/dicom+xml":
            return response(xml, kind="application/dicom+xml")
        return response(b"", status=406, kind=None)

    archive, _ = archive_of(raw, respond)
    assert archive.metadata(REF)["SOPInstanceUID"].tolist() == ["1.4"]
