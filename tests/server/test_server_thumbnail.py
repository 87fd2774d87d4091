"""``/thumbnail`` of the embedded server at every level (PS3.18 section 10.4.1.1.4)."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image
from pydicom import dcmread

import dicomnb as dn
from dicomnb.samples.truth import cases
from tests.conftest import real_file
from tests.contract.test_retrieve_contract import ref_of


@pytest.fixture(scope="module")
def root(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory):
    with dn.serve(demo_folder) as url:
        yield url


@pytest.fixture(scope="module")
def slices(demo_folder: Path) -> list:
    """Headers of a clean CT in order."""
    uid = cases().set_index("Case").loc["clean", "SeriesInstanceUID"]
    found = dn.connect(demo_folder).instances(SeriesInstanceUID=uid)
    return [dn.Ref(row.StudyInstanceUID, row.SeriesInstanceUID, row.SOPInstanceUID)
            for row in found.sort_values("InstanceNumber").itertuples()]  # fmt: skip


def fetched(url: str, accept: str = "image/png", **parameters: str) -> Image.Image:
    answer = requests.get(url, headers={"Accept": accept}, params=parameters, timeout=10)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == accept
    return Image.open(io.BytesIO(answer.content))


def test_series_and_instance_show_the_middle(root: str, slices: list) -> None:
    middle = slices[len(slices) // 2]
    expected = fetched(f"{root}/{middle.path}/rendered", viewport="128,128")
    for ref in (middle, middle.at("series")):
        image = fetched(f"{root}/{ref.path}/thumbnail")
        assert max(image.size) == 128
        assert image.tobytes() == expected.tobytes()
    other = fetched(f"{root}/{slices[0].path}/thumbnail")
    assert other.tobytes() != expected.tobytes()
    # The study's largest series of images.
    assert max(fetched(f"{root}/{middle.at('study').path}/thumbnail").size) == 128


def test_the_viewport_is_honoured(root: str, slices: list) -> None:
    url = f"{root}/{slices[0].at('series').path}/thumbnail"
    assert fetched(url, "image/jpeg", viewport="40,30").size == (30, 30)
    for wrong in ({"viewport": "0,9"}, {"window": "1,2,linear"}, {"quality": "5"}):
        assert requests.get(url, params=wrong, timeout=10).status_code == 400
    assert requests.get(url, headers={"Accept": "text/html"}, timeout=10).status_code == 406


def test_frames(tmp_path: Path) -> None:
    path = tmp_path / "emri.dcm"
    path.write_bytes(real_file("emri_small.dcm").read_bytes())
    ref = ref_of(dcmread(path))
    with dn.serve(tmp_path) as url:
        whole = fetched(f"{url}/{ref.path}/thumbnail")
        pictures = [
            np.asarray(fetched(f"{url}/{ref.path}/frames/{n}/thumbnail")) for n in range(1, 11)
        ]
        np.testing.assert_array_equal(whole, pictures[5])
        assert len({picture.tobytes() for picture in pictures}) == 10
        several = requests.get(f"{url}/{ref.path}/frames/1,2/thumbnail", timeout=10)
        assert several.status_code == 400
        assert requests.get(f"{url}/{ref.path}/frames/11/thumbnail", timeout=10).status_code == 404


def test_what_is_not_there_or_has_no_pixels(root: str, demo_folder: Path) -> None:
    report = dn.connect(demo_folder).instances(Modality="SR").iloc[0]
    ref = dn.Ref(report.StudyInstanceUID, report.SeriesInstanceUID, report.SOPInstanceUID)
    missing = dn.Ref("1.2", "1.3", "1.4")
    for one in (ref, ref.at("series"), missing, missing.at("series"), missing.at("study")):
        assert requests.get(f"{root}/{one.path}/thumbnail", timeout=10).status_code == 404


def test_a_server_that_publishes_a_server_has_them_too(demo_folder: Path, slices: list) -> None:
    with dn.serve(demo_folder) as inner, dn.serve(dn.connect(inner)) as outer:
        path = slices[0].at("series").path
        one, two = (fetched(f"{url}/{path}/thumbnail") for url in (inner, outer))
        assert one.tobytes() == two.tobytes()
