"""Storing and deleting, on sources of their own: what goes in comes out, nothing is lost."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid

import dicomnb as dn
from tests.conftest import real_file, start_orthanc
from tests.contract.parties import Party


@pytest.fixture
def empty_folder(tmp_path: Path) -> Party:
    target = tmp_path / "archive"
    target.mkdir()
    return Party("folder", dn.connect(target, options=dn.Options(writable=True)))


@pytest.fixture
def empty_server(tmp_path: Path) -> Iterator[Party]:
    target = tmp_path / "served"
    target.mkdir()
    with dn.serve(target, writable=True) as url:
        yield Party("server", dn.connect(url))


@pytest.fixture
def empty_google(tmp_path: Path) -> Iterator[Party]:
    target = tmp_path / "google"
    target.mkdir()
    server = dn.serve(target, flavour="google", writable=True)
    with server as url:
        yield Party(
            "google",
            dn.connect(url, auth=dn.Bearer(str(server.token))),
            same_bytes_again="stored",
        )


@pytest.fixture
def empty_orthanc(tmp_path: Path) -> Iterator[Party]:
    folder = tmp_path / "orthanc"
    folder.mkdir()
    for orthanc in start_orthanc(folder):
        yield Party(
            "orthanc",
            dn.connect(orthanc.url),
            deletes=False,
            same_uid_other_bytes="stored",
            same_bytes_again="stored",
            reads_uids_of_unknown_vr=False,
            keeps_good_ones_beside_a_bad_one=False,
        )


@pytest.fixture(params=["folder", "server", "google", "orthanc"])
def store(request: pytest.FixtureRequest) -> Party:
    found: Party = request.getfixturevalue(f"empty_{request.param}")
    return found


def sample() -> Dataset:
    return dcmread(real_file("CT_small.dcm"))


def test_an_empty_archive_has_tables_without_rows(store: Party) -> None:
    assert len(store.archive.studies()) == 0
    assert len(store.archive.instances()) == 0


def test_files_data_sets_bytes_and_folders(store: Party, tmp_path: Path) -> None:
    archive = store.archive
    folder = tmp_path / "new" / "deep"
    folder.mkdir(parents=True)
    (folder / "mr.dcm").write_bytes(real_file("MR_small.dcm").read_bytes())
    (folder.parent / "notes.txt").write_text("not DICOM")
    changed = sample()
    changed.SOPInstanceUID = changed.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    before = changed.to_json()
    raw = real_file("693_UNCR.dcm").read_bytes()
    table = archive.store([real_file("CT_small.dcm"), changed, raw, folder.parent])
    assert table["Outcome"].tolist() == ["stored"] * 4
    assert table.attrs["passed_over"] == 1
    assert changed.to_json() == before
    assert table["SOPInstanceUID"][1] == changed.SOPInstanceUID
    assert set(archive.instances()["SOPInstanceUID"]) == set(table["SOPInstanceUID"])
    for row in table.itertuples():
        ref = dn.Ref(row.StudyInstanceUID, row.SeriesInstanceUID, row.SOPInstanceUID)
        assert archive.dataset(ref).SOPInstanceUID == row.SOPInstanceUID
    assert archive.store(str(tmp_path / "new" / "*" / "*.dcm"))["Outcome"].tolist() == [
        store.same_bytes_again
    ]


def test_the_same_uids_with_other_bytes(store: Party) -> None:
    archive = store.archive
    archive.store(sample())
    other = sample()
    other.PatientComments = "changed"
    table = archive.store(other)
    assert table["Outcome"].tolist() == [store.same_uid_other_bytes]
    kept = archive.dataset(other)
    assert ("PatientComments" in kept) == (store.same_uid_other_bytes == "stored")
    if store.same_uid_other_bytes == "conflict":
        assert table["Reason"][0]
        with pytest.raises(dn.StoreError) as raised:
            archive.store(other, raise_on_failure=True)
        pd.testing.assert_frame_equal(raised.value.table, table)


def test_one_instance_several_times_in_one_store(store: Party) -> None:
    """Which of them was stored is told of each, also by a server whose failures have no name."""
    other = sample()
    other.PatientComments = "other bytes"
    unreadable = sample()
    unreadable.StudyInstanceUID = ""
    unreadable.SOPInstanceUID = unreadable.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    buffer = io.BytesIO()
    unreadable.save_as(buffer)
    ct, mr = (real_file(name).read_bytes() for name in ("CT_small.dcm", "MR_small.dcm"))
    bad = [buffer.getvalue()] * store.keeps_good_ones_beside_a_bad_one
    table = store.archive.store([ct, other, mr, mr, ct, *bad])
    again, conflict = store.same_bytes_again, store.same_uid_other_bytes
    expected = ["stored", conflict, "stored", again, again, *(["failed"] * len(bad))]
    assert table["Outcome"].tolist() == expected
    kept = store.archive.dataset(other)
    assert "PatientComments" not in kept


def test_a_bad_instance_fails_beside_a_good_one(store: Party) -> None:
    bad = sample()
    bad.StudyInstanceUID = ""
    bad.SOPInstanceUID = bad.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    buffer = io.BytesIO()
    bad.save_as(buffer)
    table = store.archive.store([buffer.getvalue(), sample()])
    # Orthanc answers 200, stores neither, and names neither: the outcome must not say stored.
    kept = store.keeps_good_ones_beside_a_bad_one
    assert table["Outcome"].tolist() == ["failed", "stored" if kept else "failed"]
    assert table["Reason"][0]
    assert len(store.archive.instances()) == kept


def test_a_real_file_whose_vrs_are_unknown(store: Party) -> None:
    table = store.archive.store(real_file("explicit_VR-UN.dcm"))
    expected = "stored" if store.reads_uids_of_unknown_vr else "failed"
    assert table["Outcome"].tolist() == [expected]
    assert len(store.archive.instances()) == (expected == "stored")


def test_a_study_that_it_must_belong_to(store: Party) -> None:
    table = store.archive.store(sample(), study="1.2.3.4")
    assert table["Outcome"].tolist() == ["failed"]
    assert len(store.archive.instances()) == 0
    right = store.archive.store(sample(), study=str(sample().StudyInstanceUID))
    assert right["Outcome"].tolist() == ["stored"]


def test_many_come_in_batches(store: Party) -> None:
    copies = []
    for number in range(120):
        one = sample()
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        one.InstanceNumber = number
        copies.append(one)
    told: list[int] = []
    table = store.archive.store(copies, progress=lambda progress: told.append(progress.done))
    assert table["SOPInstanceUID"].tolist() == [str(one.SOPInstanceUID) for one in copies]
    assert set(table["Outcome"]) == {"stored"}
    assert told[-1] == 120
    assert len(store.archive.instances()) == 120


def test_nothing_to_store(store: Party, tmp_path: Path) -> None:
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "a.txt").write_text("x")
    with pytest.raises(dn.NoDicom, match="1 other file"):
        store.archive.store(tmp_path / "only")
    with pytest.raises(dn.NoDicom, match="not a DICOM file"):
        store.archive.store(tmp_path / "only" / "a.txt")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        store.archive.store(tmp_path / "nowhere.dcm")
    with pytest.raises(TypeError, match="cannot be stored"):
        store.archive.store(5)
    with pytest.raises(dn.NoDicom, match="preamble"):
        store.archive.store(b"hello")


def test_delete_an_instance_a_series_a_study(store: Party) -> None:
    archive = store.archive
    archive.store([real_file("CT_small.dcm"), real_file("MR_small.dcm"), real_file("693_UNCR.dcm")])
    instance = archive.instances().iloc[0]
    if not store.deletes:
        with pytest.raises(dn.Unsupported, match="delete"):
            archive.delete(instance)
        assert len(archive.instances()) == 3
        return
    assert archive.delete(instance)["Outcome"].tolist() == ["deleted"]
    assert instance.SOPInstanceUID not in set(archive.instances()["SOPInstanceUID"])
    with pytest.raises(dn.NotFound):
        archive.delete(instance)
    archive.delete(archive.series().iloc[0])
    assert len(archive.studies()) == 1
    archive.delete(archive.studies().iloc[0])
    assert len(archive.instances()) == 0


def test_deleting_several_needs_their_number(store: Party) -> None:
    archive = store.archive
    archive.store([real_file("CT_small.dcm"), real_file("MR_small.dcm")])
    studies = archive.studies()
    for expect in (None, 1, 3):
        with pytest.raises(dn.RefError, match="Nothing was deleted"):
            archive.delete(studies, expect=expect)
    with pytest.raises(dn.RefError):
        archive.delete(studies.iloc[:0])
    assert len(archive.studies()) == 2
    if store.deletes:
        assert archive.delete(studies, expect=2)["Outcome"].tolist() == ["deleted"] * 2
        assert len(archive.studies()) == 0


def test_some_that_cannot_be_deleted_are_told(store: Party) -> None:
    archive = store.archive
    archive.store(real_file("CT_small.dcm"))
    two = [dn.Ref("1.2.3"), dn.Ref(str(sample().StudyInstanceUID))]
    with pytest.warns(dn.DicomnbWarning, match="not deleted"):
        table = archive.delete(two, expect=2)
    assert table["Outcome"].tolist() == ["failed", "deleted" if store.deletes else "failed"]
    assert table["Reason"][0]


def test_what_is_read_only_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(real_file("CT_small.dcm").read_bytes())
    with dn.serve(tmp_path) as url:
        for archive in (dn.connect(tmp_path), dn.connect(url)):
            with pytest.raises(dn.Unsupported, match=r"writable|read-only"):
                archive.store(real_file("MR_small.dcm"))
            with pytest.raises(dn.Unsupported, match=r"writable|read-only"):
                archive.delete(archive.studies().iloc[0])
            assert len(archive.instances()) == 1


def test_a_row_that_lost_its_uid_never_deletes_more(store: Party) -> None:
    archive = store.archive
    archive.store([real_file("CT_small.dcm"), real_file("MR_small.dcm")])
    series = archive.series()
    before = len(archive.instances())
    for lost in (
        series.iloc[0].drop("SeriesInstanceUID"),
        series[["StudyInstanceUID", "Modality"]].head(1),
        archive.instances().drop(columns="SOPInstanceUID").head(1),
    ):
        with pytest.raises(dn.RefError, match="Nothing was deleted"):
            archive.delete(lost)
    assert len(archive.instances()) == before
