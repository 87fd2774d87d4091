"""`WebSource` against a real Orthanc, with dicomweb-client as a second opinion."""

from __future__ import annotations

import io
import json

import pytest
from dicomweb_client import DICOMwebClient
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import generate_frames

from dicomnb import errors
from dicomnb.query import Query, build
from dicomnb.refs import Ref
from dicomnb.source import Rendering
from dicomnb.web.client import WebSource
from dicomnb.wire.storing import BytesUpload, FileUpload
from tests.conftest import real_file
from tests.web.conftest import STORED


@pytest.fixture
def here(filled_orthanc):
    made = WebSource(filled_orthanc)
    made.check()
    yield made
    made.close()


@pytest.fixture
def oracle(filled_orthanc):
    return DICOMwebClient(filled_orthanc)


def ref_of(name: str) -> Ref:
    header = dcmread(real_file(name), stop_before_pixels=True)
    return Ref(header.StudyInstanceUID, header.SeriesInstanceUID, header.SOPInstanceUID)


def with_port(data, here: WebSource):
    """Orthanc copies the Host header into its URLs; dicomweb-client sends it without the port."""
    port = here.address.split(":")[2].split("/")[0]
    return json.loads(json.dumps(data).replace("//127.0.0.1/", f"//127.0.0.1:{port}/"))


def rows(pages) -> list[dict]:
    return [row for page in pages for row in json.loads(page.rows)]


def test_it_is_recognised(here):
    assert here.abilities().family == "orthanc"


@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_search(here, oracle, level):
    searches = {
        "study": oracle.search_for_studies,
        "series": oracle.search_for_series,
        "instance": oracle.search_for_instances,
    }
    found = rows(here.search(Query(level)))
    assert found == with_port(searches[level](), here)
    assert len(found) == len(STORED)


def test_search_with_filters_limit_and_offset(here):
    assert len(rows(here.search(build("study", {"PatientName": "Compressed*"})))) == 3
    (row,) = rows(here.search(build("study", {"PatientID": "1CT1"})))
    assert row["0020000D"]["Value"] == [ref_of("CT_small.dcm").study]
    assert rows(here.search(build("study", {"PatientID": "nobody"}))) == []
    all_of_them = rows(here.search(Query("study")))
    assert rows(here.search(Query("study", limit=2))) == all_of_them[:2]
    assert rows(here.search(Query("study", offset=3))) == all_of_them[3:]
    within = ref_of("CT_small.dcm").at("series")
    assert len(rows(here.search(Query("instance", within=within)))) == 1


def test_metadata(here, oracle):
    ref = ref_of("CT_small.dcm")
    expected = oracle.retrieve_instance_metadata(ref.study, ref.series, ref.instance)
    assert rows(here.metadata(ref)) == with_port([expected], here)


@pytest.mark.parametrize("name", STORED)
def test_instances_as_they_were_stored(here, name):
    (data,) = [part.read() for part in here.instances(ref_of(name))]
    assert data == real_file(name).read_bytes()


def test_a_study_and_a_transcoded_instance(here):
    ref = ref_of("CT_small.dcm")
    assert len([part.read() for part in here.instances(ref.at("study"))]) == 1
    implicit = "1.2.840.10008.1.2"
    (data,) = [part.read() for part in here.instances(ref, transfer_syntax=implicit)]
    assert dcmread(io.BytesIO(data)).file_meta.TransferSyntaxUID == implicit


def test_frames(here):
    ref = ref_of("color3d_jpeg_baseline.dcm")
    numbers = [1, 2, 5, 4, 120]
    found = [
        (part.media_type, part.transfer_syntax, part.read()) for part in here.frames(ref, numbers)
    ]
    assert {one[:2] for one in found} == {("image/jpeg", "1.2.840.10008.1.2.4.50")}
    stored = dcmread(real_file("color3d_jpeg_baseline.dcm"))
    frames = list(generate_frames(stored.PixelData, number_of_frames=stored.NumberOfFrames))
    expected = [frames[number - 1] for number in numbers]
    assert [one[2] for one in found] == expected
    (part,) = here.frames(ref_of("CT_small.dcm"), [1])
    assert part.transfer_syntax == "1.2.840.10008.1.2.1"


def test_native_frames_are_the_pixels(here):
    data = dcmread(real_file("CT_small.dcm"))
    (frame,) = [part.read() for part in here.frames(ref_of("CT_small.dcm"), [1])]
    assert frame == data.PixelData


def test_bulk_data(here):
    (row,) = rows(here.metadata(ref_of("CT_small.dcm")))
    uris = [element["BulkDataURI"] for element in row.values() if "BulkDataURI" in element]
    assert uris
    (data,) = [part.read() for part in here.bulk(row["7FE00010"]["BulkDataURI"])]
    assert data == dcmread(real_file("CT_small.dcm")).PixelData


@pytest.mark.parametrize("form", ["png", "jpeg"])
def test_rendered(here, form):
    ref = ref_of("CT_small.dcm")
    rendering = Rendering(form, window=(40, 400), viewport=(64, 64), quality=90)
    (part,) = here.rendered(ref, rendering)
    assert part.media_type == f"image/{form}"
    (data,) = [part.read() for part in here.rendered(ref, rendering)]
    picture = Image.open(io.BytesIO(data))
    assert (picture.format, picture.size) == (form.upper(), (64, 64))
    assert len(list(here.rendered(ref.at("series"), Rendering(form)))) == 1


def test_what_is_not_there(here):
    missing = Ref("1.2.3", "1.2.4", "1.2.5")
    for attempt in (
        lambda: here.instances(missing),
        lambda: here.instances(missing.at("study")),
        lambda: here.metadata(missing),
        lambda: here.frames(missing, [1]),
        lambda: here.rendered(missing, Rendering()),
        lambda: here.frames(ref_of("CT_small.dcm"), [2]),
    ):
        with pytest.raises(errors.NotFound) as caught:
            list(attempt())
        assert caught.value.status in (400, 404)
        assert caught.value.server_words


def test_store_again_and_badly(here):
    good = FileUpload(real_file("CT_small.dcm"))
    cut = BytesUpload(good.path.read_bytes()[:-20_000], "cut")
    found = here.store([good, BytesUpload(b"junk", "junk"), cut])
    assert [one.outcome for one in found] == ["stored", "failed", "failed"]
    assert found[0].url.startswith(here.address)
    (found,) = here.store([good], study="1.2.3")
    assert (found.outcome, found.code) == ("failed", 272)
    (found,) = here.store([good])
    assert found.outcome == "stored"


def test_delete_is_not_done_over_dicomweb(filled_orthanc, here):
    with pytest.raises(errors.Unsupported, match="REST API"):
        here.delete(ref_of("CT_small.dcm"))
    # What it really answers, were it asked:
    asked = WebSource(filled_orthanc)._transport
    with pytest.raises(errors.Unsupported) as caught:
        asked.send("DELETE", ref_of("CT_small.dcm").path)
    assert caught.value.status == 405


def test_not_the_dicomweb_root(filled_orthanc):
    root = filled_orthanc.removesuffix("/dicom-web")
    for url in (root, f"{root}/app", f"{root}/nowhere"):
        with pytest.raises((errors.NotFound, errors.ProtocolError), match="/dicom-web"):
            WebSource(url).check()
