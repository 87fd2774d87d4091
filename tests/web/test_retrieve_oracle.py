"""What dicomnb retrieves is what dicomweb-client retrieves, from two servers."""

from __future__ import annotations

import io
import json

import pytest
import requests
from dicomweb_client import DICOMwebClient
from pydicom import dcmread

import dicomnb as dn
from dicomnb.refs import Ref
from dicomnb.web.client import WebSource
from tests.conftest import real_file
from tests.web.conftest import STORED

ANY_SYNTAX = (("application/dicom", "*"),)
OCTETS = (("application/octet-stream", "*"),)
# What dicomweb-client has to be told to be given the frames as they are stored.
FRAME_TYPES = {
    "CT_small.dcm": ("application/octet-stream", "1.2.840.10008.1.2.1"),
    "MR_small.dcm": ("application/octet-stream", "1.2.840.10008.1.2.1"),
    "JPEG2000.dcm": ("image/jp2", "1.2.840.10008.1.2.4.91"),
    "color3d_jpeg_baseline.dcm": ("image/jpeg", "1.2.840.10008.1.2.4.50"),
}


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("oracle")
    for name in STORED:
        (folder / name).write_bytes(real_file(name).read_bytes())
    with dn.serve(folder) as url:
        yield url


@pytest.fixture(params=["embedded", "filled_orthanc"])
def root(request) -> str:
    return request.getfixturevalue(request.param)


@pytest.fixture
def oracle(root) -> DICOMwebClient:
    session = requests.Session()
    # The peer sends a Host without its port, which servers copy into their URLs.
    session.headers["Host"] = root.split("/")[2]
    return DICOMwebClient(root, session=session)


@pytest.fixture
def here(root):
    made = WebSource(root)
    yield made
    made.close()


def ref_of(name: str) -> Ref:
    header = dcmread(real_file(name), stop_before_pixels=True)
    return Ref(header.StudyInstanceUID, header.SeriesInstanceUID, header.SOPInstanceUID)


def own(data, root: str):
    """Without the name that the server was asked by."""
    host = root.split("/")[2]
    return json.loads(json.dumps(data).replace(f"//{host}/", "//127.0.0.1/"))


def rows(pages) -> list[dict]:
    return [row for page in pages for row in json.loads(page.rows)]


@pytest.mark.parametrize("name", STORED)
def test_instances_of_every_level(here, oracle, name):
    ref = ref_of(name)
    calls = {
        "instance": lambda: [oracle.retrieve_instance(*_uids(ref), media_types=ANY_SYNTAX)],
        "series": lambda: oracle.retrieve_series(*_uids(ref)[:2], media_types=ANY_SYNTAX),
        "study": lambda: oracle.retrieve_study(ref.study, media_types=ANY_SYNTAX),
    }
    for level, call in calls.items():
        found = [dcmread(io.BytesIO(part.read())) for part in here.instances(ref.at(level))]
        expected = call()
        assert found == expected
        assert [one.file_meta for one in found] == [one.file_meta for one in expected]


@pytest.mark.parametrize("name", STORED)
def test_metadata_of_every_level(here, oracle, root, name):
    ref = ref_of(name)
    calls = {
        "instance": lambda: [oracle.retrieve_instance_metadata(*_uids(ref))],
        "series": lambda: oracle.retrieve_series_metadata(*_uids(ref)[:2]),
        "study": lambda: oracle.retrieve_study_metadata(ref.study),
    }
    for level, call in calls.items():
        assert own(rows(here.metadata(ref.at(level))), root) == own(call(), root)


@pytest.mark.parametrize("name", FRAME_TYPES)
def test_frames(here, oracle, name):
    ref = ref_of(name)
    numbers = [1, 2, 60, 120] if name == "color3d_jpeg_baseline.dcm" else [1]
    found = [part.read() for part in here.frames(ref, numbers)]
    assert found == oracle.retrieve_instance_frames(
        *_uids(ref), numbers, media_types=(FRAME_TYPES[name],)
    )


def test_bulk_data(here, oracle):
    for name in ("CT_small.dcm", "MR_small.dcm"):
        (row,) = rows(here.metadata(ref_of(name)))
        uris = [element["BulkDataURI"] for element in row.values() if "BulkDataURI" in element]
        assert uris
        for uri in uris:
            found = [part.read() for part in here.bulk(uri)]
            assert found == oracle.retrieve_bulkdata(uri, media_types=OCTETS)


def test_rendered(here, oracle):
    from dicomnb.source import Rendering

    ref = ref_of("CT_small.dcm")
    for form in ("png", "jpeg"):
        (found,) = [part.read() for part in here.rendered(ref, Rendering(form))]
        media_types = (f"image/{form}",)
        assert found == oracle.retrieve_instance_rendered(*_uids(ref), media_types=media_types)
        (frame,) = [part.read() for part in here.rendered(ref, Rendering(form, frame=1))]
        assert frame == oracle.retrieve_instance_frames_rendered(
            *_uids(ref), [1], media_types=media_types
        )


def _uids(ref: Ref) -> tuple[str, str, str]:
    return ref.study, str(ref.series), str(ref.instance)
