"""The client is right whichever way Google's unconfirmed habits turn out."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread

import dicomnb as dn
from dicomnb.wire.google_habits import Habits, variants
from tests.conftest import real_file

FILES = ("CT_small.dcm", "MR_small_RLE.dcm", "rtdose.dcm")


def label(habits: Habits) -> str:
    """What is switched."""
    believed = Habits()
    names = (name for name in vars(habits) if getattr(habits, name) != getattr(believed, name))
    return next((f"{name}={getattr(habits, name)}" for name in names), "believed")


@pytest.fixture(params=list(variants()), ids=label)
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dn.Archive]:
    """A writable stand-in with some real files, under each variant in turn."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name in FILES:
        shutil.copy(real_file(name), folder / name)
    server = dn.serve(folder, flavour=request.param, writable=True)
    with server as url:
        yield dn.connect(url, auth=dn.Bearer(str(server.token)))


def header(name: str) -> dn.Ref:
    found = dcmread(real_file(name), stop_before_pixels=True)
    uids = (found.StudyInstanceUID, found.SeriesInstanceUID, found.SOPInstanceUID)
    return dn.Ref(*map(str, uids))


def test_searches_find_the_same(archive: dn.Archive) -> None:
    ct = dcmread(real_file("CT_small.dcm"), stop_before_pixels=True)
    name = str(ct.PatientName)
    assert len(archive.studies()) == len(FILES)
    for filters in (
        {"PatientName": name},
        {"PatientName": f"{name[:-1]}*"},
        {"PatientName": f"{name.lower()}*"},
        {"PatientID": ct.PatientID},
        {"StudyDate": str(ct.StudyDate)},
        {"StudyInstanceUID": [str(ct.StudyInstanceUID), "1.2.3"]},
    ):
        assert archive.studies(**filters)["PatientName"].tolist() == [name], filters
    assert archive.series(Modality=["CT", "RTDOSE"])["Modality"].sort_values().tolist() == [
        "CT",
        "RTDOSE",
    ]
    assert len(archive.studies(PatientID="nobody")) == 0
    assert len(archive.studies(limit=2)) == 2
    assert len(archive.instances(offset=len(FILES))) == 0


def test_what_is_stored_comes_back(archive: dn.Archive) -> None:
    dataset = archive.dataset(header("MR_small_RLE.dcm"))
    assert dataset == dcmread(real_file("MR_small_RLE.dcm"))
    row = archive.metadata(header("CT_small.dcm")).iloc[0]
    pixels = dcmread(real_file("CT_small.dcm")).PixelData
    assert archive.bulkdata(row["PixelData"]) == pixels
    assert archive.rendered(header("CT_small.dcm"), viewport=(32, 32)).size == (32, 32)
    other = dcmread(real_file("CT_small.dcm"))
    other.PatientComments = "changed"
    table = archive.store([other, real_file("JPEG2000.dcm")])
    assert table["Outcome"].tolist() == ["conflict", "stored"]
    assert "other bytes" in table["Reason"][0]
    assert archive.store(real_file("CT_small.dcm"))["Outcome"].tolist() == ["stored"]


def test_what_is_deleted_is_gone(archive: dn.Archive) -> None:
    instance, study = header("CT_small.dcm"), header("rtdose.dcm").at("study")
    archive.delete(instance)
    archive.delete(study)
    for ref in (instance, study):
        for _ in range(3000):  # the service may go on with it for a while
            try:
                archive.metadata(ref)
            except dn.NotFound:
                break
            time.sleep(0.02)
        with pytest.raises(dn.NotFound):
            archive.metadata(ref)
    with pytest.raises(dn.NotFound):
        archive.delete(study)
    assert len(archive.instances()) == 1


def test_a_store_that_is_not_there(archive: dn.Archive) -> None:
    url = archive.source.address.replace("dicomStores/demo", "dicomStores/other")
    with pytest.raises((dn.AuthError, dn.NotFound)):
        dn.connect(url, auth=dn.Bearer("any token"))
