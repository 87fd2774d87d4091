"""Which forms are asked for, one after the other, and what is remembered."""

from __future__ import annotations

import io
import threading
import warnings

import pytest
from pydicom import dcmread

import dicomnb as dn
from dicomnb.refs import Ref
from dicomnb.source import Rendering
from dicomnb.web import ladder
from dicomnb.wire.multipart import outgoing_bytes, write
from tests.conftest import SECONDS, real_file
from tests.web.raw_server import response, source

REF = Ref("1.2", "1.3", "1.4")


def body_of(kind: str, data: bytes = b"data") -> bytes:
    return b"".join(write([outgoing_bytes(data, kind)], boundary="abc"))


def multi(kind: str, data: bytes = b"data") -> bytes:
    return response(body_of(kind, data), kind=f'multipart/related; type="{kind}"; boundary=abc')


class Picky:
    """A server that takes one Accept and answers all others with a refusal."""

    def __init__(self, accept: str, answer: bytes, status: int = 406) -> None:
        self.accept, self.answer, self.status = accept, answer, status
        self.asked: list[str] = []

    def __call__(self, request) -> bytes:
        if "?limit=1" in request.target:
            return response(b"[]")
        self.asked.append(request.headers["accept"])
        if self.asked[-1] == self.accept:
            return self.answer
        return response(b"not in this form", status=self.status, kind=None)


def asked(call):
    return [part.read() for part in call]


SINGLE = "application/dicom; transfer-syntax=*"
INSTANCES = 'multipart/related; type="application/dicom"'
FRAMES = 'multipart/related; type="application/octet-stream"'


@pytest.mark.parametrize("status", [400, 406, 415])
def test_a_form_that_works_is_found_and_remembered(raw, status):
    picky = Picky(SINGLE, response(b"DICM", kind="application/dicom"), status)
    here = source(raw(picky).url)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert asked(here.instances(REF)) == [b"DICM"]
        assert asked(here.instances(REF)) == [b"DICM"]
    assert picky.asked == [f"{INSTANCES}; transfer-syntax=*", SINGLE, SINGLE]


def test_a_warning_that_is_an_error_frees_its_answer(raw):
    """With its one slot lost, whoever comes next would wait for ever."""
    series = REF.at("series")
    picky = Picky(INSTANCES, multi("application/dicom"))
    here = source(raw(picky).url, options=dn.Options(workers=1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(dn.DicomnbWarning, match="as they are stored"):
            asked(here.instances(series))
    found = []
    thread = threading.Thread(target=lambda: found.extend(asked(here.instances(series))))
    thread.daemon = True
    thread.start()
    thread.join(SECONDS)
    assert found == [b"data"]


@pytest.mark.parametrize("status", [401, 403, 404, 409, 500])
def test_nothing_else_climbs(raw, status):
    picky = Picky("nothing", b"", status)
    here = source(raw(picky).url)
    with pytest.raises(dn.DicomWebError):
        asked(here.frames(REF, [1]))
    assert set(picky.asked) == {f"{FRAMES}; transfer-syntax=*"}


@pytest.mark.parametrize(
    ("accept", "part", "call"),
    [
        (INSTANCES, "application/dicom", lambda here: here.instances(REF.at("series"))),
        (FRAMES, "application/octet-stream", lambda here: here.frames(REF, [1])),
        (
            'multipart/related; type="image/jls"',
            "image/jls",
            lambda here: here.frames(REF, [1]),
        ),
    ],
)
def test_what_may_be_transcoded_is_said_once(raw, accept, part, call):
    picky = Picky(accept, multi(part))
    here = source(raw(picky).url)
    with pytest.warns(dn.DicomnbWarning, match="may have transcoded") as caught:
        assert [asked(call(here)) for _ in range(5)] == [[b"data"]] * 5
    assert len(caught) == 1
    assert accept in str(caught[0].message)
    # Believed after some refusals, then asked for at once.
    assert picky.asked[-2:] == [accept, accept]


def test_one_object_that_is_transcoded_does_not_change_what_others_are_asked_for(raw):
    def respond(request):
        if "?limit=1" in request.target:
            return response(b"[]")
        star = "transfer-syntax=*" in request.headers["accept"]
        if "1.9" in request.target and star:
            return response(b"cannot", status=406)
        return multi("application/dicom", b"stored" if star else b"transcoded")

    here = source(raw(respond).url)
    series, odd = Ref("1.2", "1.3"), Ref("1.2", "1.9")
    assert asked(here.instances(series)) == [b"stored"]
    with pytest.warns(dn.DicomnbWarning, match="transcoded"):
        assert [asked(here.instances(odd)) for _ in range(5)] == [[b"transcoded"]] * 5
    assert asked(here.instances(series)) == [b"stored"]


def test_a_syntax_that_was_asked_for_is_in_every_form(raw):
    picky = Picky("nothing", b"")
    here = source(raw(picky).url)
    with pytest.raises(dn.Unsupported):
        asked(here.instances(REF, transfer_syntax="1.2.840.10008.1.2.1"))
    with pytest.raises(dn.Unsupported):
        asked(here.frames(REF, [1], transfer_syntax="1.2.840.10008.1.2.1"))
    assert picky.asked
    assert all("transfer-syntax=1.2.840.10008.1.2.1" in accept for accept in picky.asked)


def test_at_the_end_everything_is_told(raw):
    picky = Picky("nothing", b"")
    here = source(raw(picky).url)
    for call, rungs in (
        (lambda: here.instances(REF), ladder.instance_rungs("*", single=True)),
        (lambda: here.frames(REF, [1]), ladder.frame_rungs("*")),
        (lambda: here.bulk("bulk/1"), ladder.bulk_rungs()),
        (lambda: here.metadata(REF), ladder.METADATA),
    ):
        picky.asked.clear()
        with pytest.raises(dn.Unsupported) as caught:
            list(call())
        assert picky.asked == [rung.accept for rung in rungs]
        for rung in rungs:
            assert f"{rung.accept}: HTTP 406, not in this form" in str(caught.value)
        assert caught.value.status == 406
        assert "/studies/1.2/" in caught.value.url or "bulk/1" in caught.value.url


def test_all_400_is_a_bad_query(raw):
    here = source(raw(Picky("nothing", b"", 400)).url)
    with pytest.raises(dn.BadQuery, match="Refused was, in this order"):
        asked(here.instances(REF))


def test_a_frame_out_of_range_is_asked_for_once(raw):
    def respond(request):
        if "?limit=1" in request.target:
            return response(b"[]")
        return response(b'{"Message": "Parameter out of range"}', status=400)

    server = raw(respond)
    with pytest.raises(dn.NotFound, match="no frame"):
        asked(source(server.url).frames(REF, [99]))
    assert len(server.requests) == 1


def test_metadata_as_plain_json(raw):
    row = b'[{"00080018":{"vr":"UI","Value":["1.4"]}}]'
    picky = Picky("application/json", response(row, kind="application/json"))
    (page,) = source(raw(picky).url).metadata(REF)
    assert page.count == 1


def test_bulk_data_in_whatever_form(raw):
    for rung in ladder.bulk_rungs():
        is_multipart = rung.accept.startswith("multipart")
        answer = multi("application/octet-stream") if is_multipart else response(b"data", kind=None)
        assert asked(source(raw(Picky(rung.accept, answer)).url).bulk("bulk/1")) == [b"data"]


def test_pixels_are_asked_for_unpacked(raw):
    server = raw(Picky(f"{FRAMES}; transfer-syntax=*", multi("application/octet-stream")))
    here = source(server.url)
    asked(here.frames(REF, [1]))
    assert server.requests[-1].headers["accept-encoding"] == "identity"


def test_a_real_orthanc_takes_the_first_form_of_each(filled_orthanc):
    here = source(filled_orthanc)
    here.check()
    calls: list[str] = []
    send = here._transport.send

    def seen(method, path, **keywords):
        calls.append(keywords["headers"]["Accept"])
        return send(method, path, **keywords)

    here._transport.send = seen  # type: ignore[method-assign]
    header = dcmread(real_file("CT_small.dcm"), stop_before_pixels=True)
    ref = Ref(*(str(header[name].value) for name in (
        "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")))  # fmt: skip
    (data,) = asked(here.instances(ref))
    assert data == real_file("CT_small.dcm").read_bytes()
    (frame,) = asked(here.frames(ref, [1]))
    assert frame == dcmread(io.BytesIO(data)).PixelData
    calls.clear()
    list(here.metadata(ref))
    asked(here.instances(ref.at("series")))
    asked(here.frames(ref, [1]))
    asked(here.rendered(ref, Rendering("png")))
    assert len(calls) == 4
