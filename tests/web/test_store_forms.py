"""Stores over raw sockets: answers in XML, bodies sent again whole, in each form."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread

import dicomnb as dn
from dicomnb.archive import Archive
from dicomnb.images.encode_pixels import encode
from dicomnb.transfer.pictures import Pictured
from dicomnb.wire import native_xml
from dicomnb.wire.multipart import read
from dicomnb.wire.storing import FileUpload
from tests.conftest import real_file
from tests.web.raw_server import RESET, Raw, response, source

CT, MR = (real_file(name) for name in ("CT_small.dcm", "MR_small.dcm"))


def uids(request: Any) -> list[tuple[str, str]]:
    """SOP Class and instance of all that was sent."""
    kind = request.headers["content-type"]
    bodies = [request.body]
    if kind.startswith("multipart"):
        bodies = [part.read() for part in read(io.BytesIO(request.body), kind)]
    found = [dcmread(io.BytesIO(one), stop_before_pixels=True) for one in bodies]
    return [(str(one.SOPClassUID), str(one.SOPInstanceUID)) for one in found]


def xml_of(*, stored: list[tuple[str, str]], failed: int = 0, namespace: bool) -> bytes:
    """An answer as Google writes it, or with a namespace as Orthanc."""
    data: dict[str, Any] = {}
    if stored:
        items = [
            {
                "00081150": {"vr": "UI", "Value": [sop_class]},
                "00081155": {"vr": "UI", "Value": [uid]},
            }
            for sop_class, uid in stored
        ]
        data["00081199"] = {"vr": "SQ", "Value": items}
    if failed:
        item = {
            "00081197": {"vr": "US", "Value": [272]},
            "00090010": {"vr": "LO", "Value": ["GOOGLE"]},
            "00090097": {"vr": "UT", "Value": ["the instance already exists"]},
        }
        data["00081198"] = {"vr": "SQ", "Value": [item] * failed}
    text = native_xml.write(data).decode()
    return (text if namespace else text.replace(f' xmlns="{native_xml.NAMESPACE}"', "")).encode()


@pytest.mark.parametrize("namespace", [True, False])
def test_xml_is_read_whatever_was_asked_for(raw: Callable[..., Raw], namespace: bool) -> None:
    def answer(request: Any) -> bytes:
        body = xml_of(stored=uids(request)[:1], failed=1, namespace=namespace)
        return response(body, status=409, kind="application/dicom+xml")

    server = raw(answer)
    table = Archive(source(server.url), options=dn.Options()).store([CT, MR])
    assert table["Outcome"].tolist() == ["stored", "conflict"]
    assert table["Reason"][1] == "processing failure (0110H): the instance already exists"
    assert table["SOPInstanceUID"][1] == dcmread(MR).SOPInstanceUID
    assert table["File"].tolist() == [str(CT), str(MR)]


@pytest.mark.parametrize("form", ["multipart", "single", "json"])
def test_a_body_is_sent_again_whole_in_each_form(raw: Callable[..., Raw], form: Any) -> None:
    turns = iter([response(b"", status=503), [RESET], response(b"", status=429, Retry_After="0")])
    server = raw(lambda request: next(turns, None) or response(b"[]"))
    header = dcmread(CT, stop_before_pixels=True)
    array = np.arange(99, dtype=np.uint16).reshape(9, 11)
    image = encode(array)
    for keyword, value in image.attributes().items():
        setattr(header, keyword, value)
    upload = Pictured("x", header, image)
    (found,) = source(server.url).store([upload], form=form)
    assert found.instance == header.SOPInstanceUID
    assert (len(server.requests), len({one.body for one in server.requests})) == (4, 1)
    for request in server.requests:
        assert int(request.headers["content-length"]) == len(request.body)
        assert "transfer-encoding" not in request.headers
    kind = server.requests[0].headers["content-type"]
    if form == "json":
        parts = [part.read() for part in read(io.BytesIO(server.requests[0].body), kind)]
        assert len(parts) == 2
        assert parts[1] == upload.bulk
    else:
        assert uids(server.requests[0]) == [(header.SOPClassUID, header.SOPInstanceUID)]
        assert (kind == "application/dicom") == (form == "single")


def test_one_at_a_time_and_metadata_only_of_images(raw: Callable[..., Raw]) -> None:
    server = raw(response(b"[]"))
    items = [Pictured("x", dcmread(CT), encode(np.zeros((4, 4), np.uint8)))] * 2
    with pytest.raises(ValueError, match="one instance a request"):
        source(server.url).store(items, form="single")
    with pytest.raises(TypeError, match="no metadata"):
        source(server.url).store([FileUpload(CT)], form="json")
    assert server.requests == []


def test_what_is_too_large_a_request_is_sent_in_halves(raw: Callable[..., Raw]) -> None:
    """One instance that is too large by itself costs its own row."""
    files = [CT, MR, real_file("693_UNCR.dcm"), real_file("rtplan.dcm"), real_file("JPEG2000.dcm")]
    too_large = str(dcmread(files[2]).SOPInstanceUID)

    def answer(request: Any) -> bytes:
        sent = uids(request)
        if len(sent) > 2 or too_large in (uid for _, uid in sent):
            return response(b"too large", status=413, kind="text/plain")
        return response(xml_of(stored=sent, namespace=True))

    server = raw(answer)
    table = Archive(source(server.url), options=dn.Options()).store(files)
    assert table["Outcome"].tolist() == ["stored", "stored", "failed", "stored", "stored"]
    assert "larger than the server takes" in table["Reason"][2]
