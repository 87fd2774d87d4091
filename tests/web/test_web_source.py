"""`WebSource` against servers that answer what real ones have answered."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import threading
import time
from typing import TYPE_CHECKING

import pytest
import requests
from pydicom import dcmread

from dicomnb import errors
from dicomnb.options import Options
from dicomnb.pool import Cancel
from dicomnb.query import Query, build
from dicomnb.refs import Ref
from dicomnb.source import Rendering, Source
from dicomnb.web.auth import Bearer
from dicomnb.web.client import WebSource
from dicomnb.web.google_names import dicomweb_root
from dicomnb.web.transport import Patience
from dicomnb.wire.multipart import Outgoing, outgoing_bytes, read, write
from dicomnb.wire.storing import BytesUpload, FileUpload
from tests.conftest import SECONDS, real_file
from tests.web.raw_server import RESET, in_turn, response, source

if TYPE_CHECKING:
    from pathlib import Path

REF = Ref("1.2", "1.3", "1.4")
RUNNING = "projects/p/locations/l/datasets/d/operations/1"
NAME = "projects/p/locations/l/datasets/d/dicomStores/s"
ROW = {"0020000D": {"vr": "UI", "Value": ["1.2"]}}
ONE = json.dumps([ROW]).encode()
KIND = 'multipart/related; type="application/dicom"; boundary=abc'


def multi(*bodies: bytes, sized: bool = True, kind: str = KIND, part: str = "application/dicom"):
    parts = [
        outgoing_bytes(body, part) if sized else Outgoing(part, lambda body=body: [body])
        for body in bodies
    ]
    return response(b"".join(write(parts, boundary="abc")), kind=kind)


def all_of(parts) -> list[bytes]:
    return [part.read() for part in parts]


def test_it_is_a_source():
    assert isinstance(WebSource("http://h/x"), Source)
    assert WebSource("http://h/x/").address == "http://h/x"
    assert repr(WebSource("http://h/x")) == "WebSource('http://h/x')"


# Is it DICOMweb at all


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (response(b"<html>Welcome to nginx", kind="text/html"), errors.ProtocolError),
        (response(b"not found", status=404), errors.NotFound),
        (response(b'{"hello": 1}', kind="application/json"), errors.ProtocolError),
        (
            in_turn(response(b"limit without since", status=400), response(b'["an id"]')),
            errors.ProtocolError,
        ),
        (response(b'[{"0020000D"'), errors.ProtocolError),
        (response(b"[]", length=50), errors.ProtocolError),
    ],
)
def test_what_is_not_dicomweb(raw, answer, kind):
    server = raw(answer)
    with pytest.raises(kind, match="No DICOMweb server there") as caught:
        source(server.url).check()
    assert type(caught.value) is kind
    assert "http://HOST:8042/dicom-web" in str(caught.value)
    assert caught.value.url.startswith(f"{server.url}/studies?")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (response(b"", status=401), errors.AuthError),
        (response(b"", status=403), errors.AuthError),
        (response(b"", status=503), errors.ServerError),
        (response(status=302, Location="https://login.example/"), errors.OriginRefused),
    ],
)
def test_why_it_cannot_be_used(raw, answer, kind):
    with pytest.raises(kind):
        source(raw(answer).url).check()


def test_nobody_is_there():
    here = WebSource("http://127.0.0.1:1/dicom-web")
    here._transport._patience = Patience(first=4 * SECONDS, longest=4 * SECONDS)
    begin = time.monotonic()
    with pytest.raises(errors.ConnectionFailed, match="refused"):
        here.check()
    assert time.monotonic() - begin < SECONDS  # it was not repeated, after a pause


@pytest.mark.parametrize(
    "answer",
    [
        response(ONE),
        response(b"[]"),
        response(b"", status=204, kind="text/html"),
        response(json.dumps(ROW).encode()),
    ],
)
def test_what_is_dicomweb(raw, answer):
    server = raw(answer)
    here = source(server.url)
    here.check()
    assert here.abilities().family == "standard"
    assert [one.target for one in server.requests] == ["/dicomweb/studies?limit=1"]
    assert server.requests[0].headers["accept"] == "application/dicom+json"
    assert server.requests[0].headers["accept-encoding"] == "gzip"


def test_a_server_that_wants_a_filter(raw):
    server = raw(in_turn(response(b"a filter is needed", status=400), response(b"[]")))
    source(server.url).check()
    assert "StudyInstanceUID=" in server.requests[1].target
    server = raw(response(b"a filter is needed", status=400))
    with pytest.raises(errors.BadQuery, match="a filter is needed"):
        source(server.url).check()


# Families


def test_families_by_address():
    google = WebSource(dicomweb_root(NAME, api_root="http://127.0.0.1:1/v1"))
    found = google.abilities()
    assert found.family == "google"
    assert found.render_parameters == {"viewport"}
    assert "00100010" in found.search.attributes["study"]
    assert "00080060" not in found.search.attributes["study"]
    assert found.search.offset_limit == 1_000_000
    assert dicomweb_root(f"/{NAME}/") == f"https://healthcare.googleapis.com/v1/{NAME}/dicomWeb"
    proxy = WebSource("https://proxy.example/idc/viewer/dicomWeb")
    assert proxy.abilities().family == "google"


def test_families_by_answers(raw):
    server = raw(response(b"[]", Server="dicomnb/0.1.0"))
    assert source(server.url).abilities().family == "dicomnb"

    def orthanc(request):
        if request.target == "/x/system":
            return response(b'{"ApiVersion": 17, "DicomAet": "ORTHANC"}', kind="application/json")
        return response(b"[]")

    here = source(f"{raw(orthanc).root}/x/dicom-web")
    assert here.abilities().family == "orthanc"
    assert here.abilities().deletes == frozenset()
    again = pickle.loads(pickle.dumps(here))
    assert again.abilities().family == "orthanc"


@pytest.mark.parametrize(
    "system", [response(b"<html>", status=404), response(b"<html>"), response(b"[1]")]
)
def test_no_orthanc_behind_its_usual_path(raw, system):
    server = raw(lambda request: system if "system" in request.target else response(b"[]"))
    assert source(f"{server.root}/dicom-web").abilities().family == "standard"


# Search


@pytest.fixture
def standard(raw):
    """A source of the standard family over a response function, and its server."""

    def make(respond, **keywords):
        answer = respond if callable(respond) else lambda request: respond

        def with_check(request):
            if request.target.endswith("/studies?limit=1"):
                return response(b"[]")
            return answer(request)

        server = raw(with_check)
        here = source(server.url, **keywords)
        here.check()
        server.requests.clear()
        return here, server

    return make


def test_the_request_of_a_search(standard):
    here, server = standard(response(b"", status=204))
    query = build("series", {"PatientName": "Wang^Xiao=王", "Modality": "CT"}, within=Ref("1.2"))
    assert list(here.search(query)) == []
    target = server.requests[0].target
    assert target.startswith("/dicomweb/studies/1.2/series?PatientName=Wang%5EXiao%3D%E7%8E%8B&")
    assert "includefield=StudyInstanceUID" in target
    assert "limit" not in target


def test_google_is_asked_for_parents_and_full_pages(raw):
    server = raw(response(b"[]"))
    here = source(dicomweb_root(NAME, api_root=f"{server.root}/v1"))
    list(here.search(Query("instance")))
    list(here.search(Query("instance", fields=("all",))))
    first, second = [one.target for one in server.requests]
    assert first == (
        f"/v1/{NAME}/dicomWeb/instances?includefield=StudyInstanceUID"
        "&includefield=SeriesInstanceUID&limit=5000"
    )
    assert second.endswith("/instances?includefield=all&limit=5000")


def test_a_search_is_lazy_and_handed_on_page_by_page(standard):
    rows = [json.dumps([{"0020000D": {"vr": "UI", "Value": [str(n)]}}]).encode() for n in range(3)]
    here, server = standard(in_turn(*(response(one) for one in rows), response(b"[]")))
    pages = here.search(Query("study"))
    assert server.requests == []
    assert json.loads(next(pages).rows) == json.loads(rows[0])
    assert len(server.requests) == 1
    assert [page.count for page in pages] == [1, 1]


def test_a_search_that_the_server_refuses(standard):
    here, _ = standard(response(b'{"error":{"message":"unknown attribute"}}', status=400))
    with pytest.raises(errors.BadQuery, match="unknown attribute"):
        list(here.search(Query("study")))


def test_a_login_page_and_a_cut_answer(standard):
    for answer in (response(b"<html>Log in", kind="text/html"), response(b"[{", length=2)):
        here, _ = standard(answer)
        with pytest.raises(errors.ProtocolError):
            list(here.search(Query("study")))


def test_packed_rows_and_a_page_that_is_too_large(standard):
    packed = gzip.compress(json.dumps([ROW] * 1000).encode())
    here, _ = standard(response(packed, Content_Encoding="gzip"))
    assert [page.count for page in here.search(Query("study"))] == [1]
    limits = Options().limits.__class__(page_bytes=1000)
    here, _ = standard(response(packed, Content_Encoding="gzip"), options=Options(limits=limits))
    with pytest.raises(errors.LimitExceeded):
        list(here.search(Query("study")))


def test_a_server_says_that_more_is_there(standard):
    words = '299 h "There are 7 additional results that can be requested"'
    here, _ = standard(response(ONE, Warning=words))
    pages = list(here.search(Query("study")))
    assert [page.count for page in pages] == [1, 0]
    assert not pages[-1].complete
    assert "7 additional results" in pages[-1].notes[0]


def test_a_cancelled_search(standard):
    here, _ = standard(response(ONE))
    cancel = Cancel()
    cancel.set()
    with pytest.raises(errors.Cancelled):
        list(here.search(Query("study"), cancel=cancel))


def test_metadata(standard):
    here, server = standard(response(ONE))
    (page,) = here.metadata(REF)
    assert (page.count, page.rows) == (1, ONE)
    assert server.requests[0].target == "/dicomweb/studies/1.2/series/1.3/instances/1.4/metadata"
    assert page.complete
    here, _ = standard(response(b"", status=204))
    assert [page.count for page in here.metadata(Ref("1.2"))] == [0]
    here, _ = standard(response(ONE, status=206))
    (page,) = here.metadata(Ref("1.2"))
    assert (page.count, page.complete) == (1, False)
    assert "206" in page.notes[0]
    here, _ = standard(response(b"gone", status=404))
    with pytest.raises(errors.NotFound):
        list(here.metadata(Ref("1.2")))


# Retrieve


@pytest.mark.parametrize("sized", [True, False])
def test_instances(standard, sized):
    here, server = standard(multi(b"first", b"", bytes(600_000), sized=sized))
    assert all_of(here.instances(Ref("1.2"))) == [b"first", b"", bytes(600_000)]
    request = server.requests[0]
    assert request.headers["accept"] == (
        'multipart/related; type="application/dicom"; transfer-syntax=*'
    )
    assert request.headers["accept-encoding"] == "identity"


def test_a_server_says_that_instances_are_missing(standard):
    """By the status only (PS3.18 section 10.4.3): all that came is whole."""
    here, _ = standard(multi(b"first", b"second").replace(b" 200 ", b" 206 ", 1))
    parts = here.instances(Ref("1.2"))
    assert [next(parts).read(), next(parts).read()] == [b"first", b"second"]
    with pytest.raises(errors.ProtocolError, match="206") as caught:
        next(parts)
    assert caught.value.cut
    assert all_of(here.instances(REF)) == [b"first", b"second"]


def test_a_single_part_as_answer_to_a_multipart_accept(standard):
    here, _ = standard(response(b"DICM", kind="application/dicom"))
    (part,) = here.instances(REF)
    assert (part.media_type, part.length) == ("application/dicom", 4)
    here, _ = standard(response(b"DICM", kind=None))
    assert all_of(here.instances(REF)) == [b"DICM"]


def test_packed_pixels_are_unpacked(standard):
    body = b"".join(write([outgoing_bytes(bytes(5000), "application/dicom")], boundary="abc"))
    here, _ = standard(response(gzip.compress(body), kind=KIND, Content_Encoding="gzip"))
    assert all_of(here.instances(REF)) == [bytes(5000)]


def test_orthanc_ends_by_closing_the_connection(standard):
    body = b"".join(write([outgoing_bytes(b"1", "application/dicom")], boundary="abc"))
    here, _ = standard(response(body, kind=KIND, length=-1))
    assert all_of(here.instances(REF)) == [b"1"]
    here, _ = standard(response(body[:-4], kind=KIND, length=-1))
    with pytest.raises(errors.ProtocolError, match="delimiter"):
        all_of(here.instances(REF))


@pytest.mark.parametrize(
    "answer",
    [
        multi(bytes(50_000))[:-20_000],
        multi(bytes(50_000), sized=False)[:-20_000],
        response(bytes(10), kind="application/dicom", length=20),
        response(b"<html>Log in</html>", kind="text/html"),
        response(b"[]", kind="application/json"),
        response(b"x", kind="multipart/related"),
        [multi(bytes(50_000))[:10_000], RESET],
    ],
)
def test_retrievals_that_are_not_whole_or_not_dicom(standard, answer):
    here, _ = standard(answer)
    with pytest.raises(errors.ProtocolError) as caught:
        all_of(here.instances(REF))
    assert caught.value.url.endswith("/instances/1.4")


def test_nothing_to_retrieve(standard):
    here, _ = standard(response(b"", status=204))
    assert all_of(here.instances(REF)) == []


def test_breaking_off_frees_the_connection(standard):
    here, _server = standard(multi(*[bytes(300_000)] * 20), options=Options(workers=1))
    parts = here.instances(Ref("1.2"))
    next(parts)
    parts.close()
    done = []
    thread = threading.Thread(target=lambda: done.append(all_of(here.instances(Ref("1.2")))))
    thread.start()
    thread.join(SECONDS)
    assert len(done[0]) == 20


def test_frames_in_the_order_asked_for(standard):
    def respond(request):
        numbers = request.target.rpartition("/")[2].split(",")
        return multi(*(number.encode() for number in numbers), part="application/octet-stream")

    here, server = standard(respond)
    assert all_of(here.frames(REF, [1, 2, 3])) == [b"1", b"2", b"3"]
    assert len(server.requests) == 1
    assert server.requests[0].headers["accept"] == (
        'multipart/related; type="application/octet-stream"; transfer-syntax=*'
    )
    numbers = [3, 1, 1, 7, *range(1, 2000)]
    assert all_of(here.frames(REF, numbers)) == [str(number).encode() for number in numbers]
    assert all(len(one.target) + len(here.address) < 2100 for one in server.requests)
    assert len(server.requests) < 20
    assert all_of(here.frames(REF, [])) == []


@pytest.mark.parametrize("count", [1, 3])
def test_frames_that_are_too_few_or_too_many(standard, count):
    here, _ = standard(multi(*[b"x"] * count))
    with pytest.raises(errors.ProtocolError, match="parts"):
        all_of(here.frames(REF, [1, 2]))


@pytest.mark.parametrize("number", [0, -1])
def test_frame_numbers_count_from_1(standard, number):
    here, server = standard(response(b""))
    with pytest.raises(ValueError, match="count from 1"):
        all_of(here.frames(REF, [1, number]))
    assert server.requests == []


def test_a_frame_that_is_not_there(standard):
    here, _ = standard(response(b'{"Message": "Parameter out of range"}', status=400))
    with pytest.raises(errors.NotFound, match="no frame"):
        all_of(here.frames(REF, [99]))
    here, _ = standard(response(b"odd", status=400))
    with pytest.raises(errors.BadQuery, match="odd"):
        all_of(here.frames(REF, [99]))


def test_the_syntax_of_frames(standard):
    kind = 'multipart/related; type="application/octet-stream; transfer-syntax=1.2.3"; boundary=abc'
    here, _ = standard(multi(b"1", kind=kind, part="application/octet-stream"))
    assert [part.transfer_syntax for part in here.frames(REF, [1])] == ["1.2.3"]
    jpeg = "image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50"
    here, _ = standard(multi(b"1", part=jpeg))
    (part,) = here.frames(REF, [1])
    assert (part.media_type, part.transfer_syntax) == ("image/jpeg", "1.2.840.10008.1.2.4.50")


def test_bulk_data(standard):
    here, server = standard(multi(b"pixels", part="application/octet-stream"))
    assert all_of(here.bulk(f"{server.url}/bulk/1")) == [b"pixels"]
    assert all_of(here.bulk("studies/1.2/bulkdata/7FE00010")) == [b"pixels"]
    assert server.requests[1].target == "/dicomweb/studies/1.2/bulkdata/7FE00010"
    here, _ = standard(response(b"pixels", kind="application/octet-stream"))
    assert all_of(here.bulk("bulk/1")) == [b"pixels"]
    here, server = standard(
        lambda request: (
            response(b"", status=406)
            if "multipart" in request.headers["accept"]
            else response(b"%PDF", kind="application/pdf")
        )
    )
    assert all_of(here.bulk("bulk/1")) == [b"%PDF"]
    here, _ = standard(response(b"x" * 5, kind="application/octet-stream", length=9))
    with pytest.raises(errors.ProtocolError):
        all_of(here.bulk("bulk/1"))


@pytest.mark.parametrize(
    "uri",
    [
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "dicomnb:/studies/1",
        "https://127.0.0.1/bulk",
        "http://127.0.0.1.evil.example/bulk",
        "//evil.example/bulk",
    ],
)
def test_bulk_data_elsewhere_is_not_asked_for(standard, uri):
    here, server = standard(response(b"x"), auth=("user", "password"))
    with pytest.raises(errors.OriginRefused):
        all_of(here.bulk(uri))
    assert server.requests == []


def test_bulk_data_of_an_allowed_origin_is_asked_for_without_credentials(raw, standard):
    other = raw(response(b"pixels", kind="application/octet-stream"))
    here, _ = standard(
        response(b""), auth=("user", "password"), options=Options(allow_origins=(other.root,))
    )
    assert all_of(here.bulk(f"{other.root}/b?X-Amz-Signature=s")) == [b"pixels"]
    assert "authorization" not in other.requests[0].headers
    assert other.requests[0].target == "/b?X-Amz-Signature=s"


def test_rendered(standard):
    here, server = standard(response(b"\x89PNG", kind="image/png"))
    rendering = Rendering("png", frame=2, window=(40, 400.5), viewport=(64, 32), quality=80)
    assert all_of(here.rendered(REF, rendering)) == [b"\x89PNG"]
    request = server.requests[0]
    assert request.target == (
        "/dicomweb/studies/1.2/series/1.3/instances/1.4/frames/2/rendered"
        "?window=40,400.5,linear&viewport=64,32&quality=80"
    )
    assert request.headers["accept"] == "image/png"
    with pytest.raises(ValueError, match="from 1"):
        all_of(here.rendered(REF, Rendering(frame=0)))
    here, _ = standard(response(b"%PDF", kind="application/pdf"))
    with pytest.raises(errors.ProtocolError, match="application/pdf"):
        all_of(here.rendered(REF, Rendering()))


def test_google_draws_without_window_and_quality():
    google = WebSource(dicomweb_root(NAME, api_root="http://127.0.0.1:1/v1"))
    rendering = Rendering("jpeg", window=(40, 400), quality=80)
    with pytest.raises(errors.Unsupported, match="without window and quality"):
        all_of(google.rendered(REF, rendering))
    with pytest.raises(errors.Unsupported, match="draws instance, no study"):
        all_of(google.rendered(Ref("1.2"), Rendering()))


# Store


def answer_to(request, **failures: int) -> bytes:
    """What a good server says to a store, but for the names that are to fail."""
    stored, failed = [], []
    parts = read(io.BytesIO(request.body), request.headers["content-type"])
    for part in parts:
        data = dcmread(io.BytesIO(part.read()))
        item = {
            "00081150": {"vr": "UI", "Value": [data.SOPClassUID]},
            "00081155": {"vr": "UI", "Value": [data.SOPInstanceUID]},
        }
        code = failures.get(data.Modality)
        if code is None:
            stored.append(item)
        else:
            failed.append(item | {"00081197": {"vr": "US", "Value": [code]}})
    answer = {"00081199": {"vr": "SQ", "Value": stored}, "00081198": {"vr": "SQ", "Value": failed}}
    return json.dumps(answer).encode()


def uploads(*names: str) -> list[FileUpload]:
    return [FileUpload(real_file(name)) for name in names]


def test_store(standard):
    here, server = standard(lambda request: response(answer_to(request, MR=272), status=202))
    found = here.store(uploads("CT_small.dcm", "MR_small.dcm"))
    assert [(one.outcome, one.code) for one in found] == [("stored", None), ("failed", 272)]
    header = dcmread(real_file("CT_small.dcm"), stop_before_pixels=True)
    assert found[0].study == header.StudyInstanceUID
    assert found[0].series == header.SeriesInstanceUID
    assert found[0].instance == header.SOPInstanceUID
    assert found[0].sop_class == header.SOPClassUID
    request = server.requests[0]
    assert (request.method, request.target) == ("POST", "/dicomweb/studies")
    assert request.headers["content-type"].startswith(
        'multipart/related; type="application/dicom"; boundary='
    )
    assert request.headers["accept"] == "application/dicom+json"
    assert int(request.headers["content-length"]) == len(request.body)
    assert "transfer-encoding" not in request.headers
    sent = [part.read() for part in read(io.BytesIO(request.body), request.headers["content-type"])]
    assert sent == [one.path.read_bytes() for one in uploads("CT_small.dcm", "MR_small.dcm")]


def test_store_into_a_study(standard):
    here, server = standard(lambda request: response(answer_to(request, CT=272), status=409))
    (found,) = here.store(uploads("CT_small.dcm"), study="1.2.3")
    assert server.requests[0].target == "/dicomweb/studies/1.2.3"
    assert (found.outcome, found.reason) == ("failed", "processing failure (0110H)")
    with pytest.raises(errors.RefError):
        here.store(uploads("CT_small.dcm"), study="")


def test_a_store_is_repeated_whole(standard):
    turns = iter([response(b"", status=503), [RESET]])
    here, server = standard(lambda request: next(turns, None) or response(answer_to(request)))
    (found,) = here.store(uploads("CT_small.dcm"))
    assert found.outcome == "stored"
    bodies = {one.body for one in server.requests}
    assert (len(server.requests), len(bodies)) == (3, 1)


@pytest.mark.parametrize(
    ("answer", "outcome", "reason"),
    [
        (response(b"Invalid DICOM", status=409, kind="text/plain"), "failed", "Invalid DICOM"),
        (response(b'"bad"', status=400, kind=None), "failed", "bad"),
        (response(b"", status=409, Warning='299 h "disk full"'), "failed", "disk full"),
        (response(b""), "failed", "no readable answer"),
        (response(b"", status=204), "failed", "no readable answer"),
        (response(b"[]"), "failed", "no readable answer"),
        (response(b'{"00081190": {"vr": "UR"}}'), "failed", "did not mention it"),
    ],
)
def test_answers_that_name_nothing(standard, answer, outcome, reason):
    here, _ = standard(answer)
    (found,) = here.store(uploads("CT_small.dcm"))
    assert found.outcome == outcome
    assert reason in found.reason
    assert found.instance


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (response(b"", status=401), errors.AuthError),
        (response(b"", status=413), errors.Unsupported),
        (response(b"", status=415), errors.Unsupported),
        (response(b"", status=500), errors.ServerError),
        (response(b"<html>Log in", kind="text/html"), errors.ProtocolError),
    ],
)
def test_a_store_that_is_refused_as_a_whole(standard, answer, kind):
    here, _ = standard(answer)
    with pytest.raises(kind):
        here.store(uploads("CT_small.dcm"))


def test_what_is_no_dicom_is_not_sent(standard, tmp_path):
    here, server = standard(lambda request: response(answer_to(request)))
    empty = bytes(128) + b"DICM"
    cut = real_file("CT_small.dcm").read_bytes()[:200]
    good = uploads("CT_small.dcm")[0]
    found = here.store(
        [
            BytesUpload(b"junk", "junk"),
            good,
            BytesUpload(empty, "empty"),
            BytesUpload(cut, "cut"),
            Gone(tmp_path / "gone.dcm"),
        ]
    )
    assert [one.outcome for one in found] == ["failed", "stored", "failed", "failed", "failed"]
    assert "no DICM prefix" in found[0].reason
    assert "No such file" in found[4].reason
    assert (
        len(
            list(
                read(
                    io.BytesIO(server.requests[0].body), server.requests[0].headers["content-type"]
                )
            )
        )
        == 1
    )
    server.requests.clear()
    assert [one.outcome for one in here.store([BytesUpload(b"junk", "junk")])] == ["failed"]
    assert here.store([]) == []
    assert server.requests == []


class Gone:
    """A file that was there when it was listed."""

    name = "gone"
    length = 5

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self):
        return self._path.open("rb")


# Delete


def test_delete(standard):
    for answer, expected in (
        (response(b"", status=204, length=-1), None),
        (response(b"{}"), None),
        (response(b"", status=202), ""),
        (response(b'{"operation": "7"}', status=202), "7"),
        (response(b"gone"), None),
        (response(b'{"name": "../../elsewhere"}'), None),
        (response(f'{{"name": "{RUNNING}"}}'.encode()), RUNNING),
    ):
        here, server = standard(answer)
        operation = here.delete(Ref("1.2", "1.3"))
        assert (None if operation is None else operation.name) == expected
        assert operation is None or not operation.can_be_asked  # that root shows no API
        assert (server.requests[0].method, server.requests[0].target) == (
            "DELETE",
            "/dicomweb/studies/1.2/series/1.3",
        )


def test_a_server_that_does_not_delete(standard):
    here, _ = standard(response(b"", status=405))
    with pytest.raises(errors.Unsupported, match="does not delete studies over DICOMweb") as caught:
        here.delete(Ref("1.2"))
    assert caught.value.status == 405
    here, _ = standard(response(b"", status=404))
    with pytest.raises(errors.NotFound):
        here.delete(Ref("1.2"))


# Sessions and pickles


def test_a_session_brought_along(standard):
    session = requests.Session()
    session.headers["X-Mine"] = "yes"
    here, server = standard(response(b"[]"), session=session)
    list(here.search(Query("study")))
    assert server.requests[0].headers["x-mine"] == "yes"
    here.close()


def test_pickled_and_used_again(standard):
    here, server = standard(response(b"[]"))
    list(pickle.loads(pickle.dumps(here)).search(Query("study")))
    assert len(server.requests) == 1  # the family was known already


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({}, "none given"),
        ({"auth": ("anna", "s3cr3t-word")}, "Basic(…)"),
        ({"auth": Bearer("s3cr3t-word")}, "Bearer(…)"),
        ({"session": requests.Session()}, "as the session has it"),
    ],
)
def test_the_account_is_named_without_its_secret(given, shown):
    assert WebSource("http://127.0.0.1:9/dicom-web", **given).account == shown
