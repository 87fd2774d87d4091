"""The archive as a whole: what is in it, how large it is, that it comes out the same again."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from dicomnb.samples import store
from dicomnb.samples.build import build
from dicomnb.samples.plan import STUDIES

if TYPE_CHECKING:
    from pathlib import Path


def _prints(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_same_bytes_again(tmp_path, demo_folder):
    some = {"DNB-0007", "DNB-0008", "DNB-0012", "DNB-0020", "DNB-0025"}
    build(tmp_path, only=some)
    built = _prints(tmp_path)
    assert len(built) > 250
    assert {name.split("/")[0] for name in built} == some
    whole = _prints(demo_folder)
    assert built == {name: whole[name] for name in whole if name.split("/")[0] in some}


def test_an_unknown_person_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="DNB-9999"):
        build(tmp_path, only={"DNB-0005", "DNB-9999"})
    assert list(tmp_path.iterdir()) == []


def test_it_is_small(demo_folder):
    size = sum(path.stat().st_size for path in demo_folder.rglob("*") if path.is_file())
    assert 60e6 < size < 120e6


def test_what_is_in_it(by_series):
    first = [members[0] for members in by_series.values()]
    assert len({dataset.PatientID for dataset in first}) == 25
    assert len({dataset.StudyInstanceUID for dataset in first}) == len(STUDIES) == 30
    modalities = Counter(dataset.Modality for dataset in first)
    assert {"CT", "MR", "PT", "CR", "US", "SEG", "RTSTRUCT", "RTDOSE", "SR"} == set(modalities)
    assert modalities["CT"] >= 15
    assert {dataset.PatientSex for dataset in first} == {"F", "M", "O"}
    ages = {int(dataset.PatientAge[:3]) for dataset in first}
    assert min(ages) < 20
    assert max(ages) > 75


def test_most_studies_are_of_2023(by_series):
    dates = {members[0].StudyInstanceUID: members[0].StudyDate for members in by_series.values()}
    years = Counter(date[:4] for date in dates.values() if "." not in date)
    assert years["2023"] >= 20
    assert {"2021", "2022", "2024"} <= set(years)


def test_several_people_are_called_zhang(by_series):
    names = {str(members[0].PatientName) for members in by_series.values()}
    assert {name for name in names if name.startswith("Zhang")} == {
        "Zhang^Sally",
        "Zhang^Wei=张^伟",
    }


@pytest.mark.parametrize(
    ("person", "name", "charset"),
    [
        ("DNB-0002", "Müller^Jürgen", "ISO_IR 100"),
        ("DNB-0003", "Yamada^Tarou=山田^太郎=やまだ^たろう", ["", "ISO 2022 IR 87"]),
        ("DNB-0004", "Wang^XiaoDong=王^小东", "GB18030"),
        ("DNB-0006", "Schröder^Käthe", "ISO_IR 192"),
        ("DNB-0007", "Suzuki^Hanako=鈴木^花子=すずき^はなこ", "ISO_IR 192"),
    ],
)
def test_names_in_their_scripts(demo, person, name, charset):
    dataset = demo.series(person)[0]
    assert str(dataset.PatientName) == name
    assert dataset.SpecificCharacterSet == charset
    raw = dataset.path.read_bytes()
    codec = {"ISO_IR 100": "latin-1", "GB18030": "gb18030", "ISO_IR 192": "utf-8"}
    if isinstance(charset, str):
        assert name.encode(codec[charset]) in raw
    else:
        assert b"\x1b$B" in raw  # the escape to JIS X 0208 (PS3.5 H.3.1)


def test_instances_are_unique_and_consistent(by_series):
    every = [dataset for members in by_series.values() for dataset in members]
    uids = [str(dataset.SOPInstanceUID) for dataset in every]
    assert len(uids) == len(set(uids))
    assert all(dataset.SOPInstanceUID.is_valid for dataset in every)
    assert all(
        dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID for dataset in every
    )
    for members in by_series.values():
        for keyword in ("PatientID", "StudyInstanceUID", "Modality", "StudyDate", "SOPClassUID"):
            assert len({str(dataset[keyword].value) for dataset in members}) == 1


def test_files_are_in_no_order(demo):
    members = demo.series("DNB-0001", 2, 1)
    by_name = sorted(members, key=lambda dataset: dataset.path.name)
    numbers = [int(dataset.InstanceNumber) for dataset in by_name]
    assert numbers != sorted(numbers)
    assert numbers != sorted(numbers, reverse=True)


def test_every_image_decodes(by_series):
    images = 0
    for members in by_series.values():
        for dataset in members:
            if "Rows" not in dataset:
                assert dataset.Modality in {"SR", "RTSTRUCT"}
                continue
            array = dataset.pixel_array
            assert array.max() > array.min(), dataset.path
            images += 1
    assert images > 1200


def test_one_series_has_implicit_vrs(demo):
    dataset = demo.series("DNB-0006", 1, 2)[0]
    assert dataset.file_meta.TransferSyntaxUID.is_implicit_VR
    assert np.percentile(dataset.pixel_array, 99) > 0


# ------------------------------------------------------------------------- the cache
def _little(folder: Path) -> None:
    (folder / "person").mkdir()
    for index in range(20):
        (folder / "person" / f"{index}.dcm").write_bytes(b"x")
        time.sleep(0.002)


def test_two_at_once_see_one_whole_archive(tmp_path, monkeypatch):
    monkeypatch.setenv("DICOMNB_CACHE", str(tmp_path))
    monkeypatch.setattr(store, "build", _little)
    seen = []

    def look() -> None:
        folder = store.archive_folder()
        seen.append((folder, len(list(folder.rglob("*.dcm")))))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [(tmp_path / "demo" / store.VERSION, 20)] * 4
    assert [path.name for path in (tmp_path / "demo").iterdir()] == [store.VERSION]


def test_what_is_there_is_not_built_again(tmp_path, monkeypatch):
    monkeypatch.setenv("DICOMNB_CACHE", str(tmp_path))
    monkeypatch.setattr(store, "build", _little)
    first = store.archive_folder()
    monkeypatch.setattr(store, "build", lambda folder: pytest.fail("built again"))
    assert store.archive_folder() == first


def test_a_failed_build_leaves_nothing(tmp_path, monkeypatch):
    def fail(folder: Path) -> None:
        _little(folder)
        raise OSError("the disk is full")

    monkeypatch.setenv("DICOMNB_CACHE", str(tmp_path))
    monkeypatch.setattr(store, "build", fail)
    with pytest.raises(OSError, match="full"):
        store.archive_folder()
    assert list((tmp_path / "demo").iterdir()) == []


def test_the_leftovers_of_killed_builds_are_removed(tmp_path, monkeypatch):
    monkeypatch.setenv("DICOMNB_CACHE", str(tmp_path))
    monkeypatch.setattr(store, "build", _little)
    for name, age in ((".building-old", 7200), (".building-new", 60)):
        draft = tmp_path / "demo" / name
        draft.mkdir(parents=True)
        _little(draft)
        os.utime(draft, (time.time() - age,) * 2)
    store.archive_folder()
    left = {path.name for path in (tmp_path / "demo").iterdir()}
    assert left == {".building-new", store.VERSION}


def test_a_place_that_cannot_be_taken_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("DICOMNB_CACHE", str(tmp_path))
    monkeypatch.setattr(store, "build", _little)
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / store.VERSION).write_text("a file where the folder should be")
    with pytest.raises(OSError, match=store.VERSION):
        store.archive_folder()
