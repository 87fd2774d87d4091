"""Files to be stored are looked at while others are sent: nothing is lost, or told too early."""

from __future__ import annotations

import operator
import shutil
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid

import dicomnb as dn
from dicomnb.pool import Cancel
from dicomnb.transfer import given
from dicomnb.transfer import upload as upload_module
from dicomnb.transfer.given import items_of
from dicomnb.transfer.upload import upload
from dicomnb.wire.storing import Outcome
from tests.conftest import real_file

CT = Path(real_file("CT_small.dcm"))


class Memory:
    """Takes everything; each batch is noted with how many files had been looked at by then."""

    address = "memory:"

    def __init__(self, looked_at: list[str]) -> None:
        self._looked_at = looked_at
        self.batches: list[tuple[int, int]] = []

    def store(self, uploads: Any, *, study: Any = None, cancel: Any = None) -> list[Outcome]:
        self.batches.append((len(uploads), len(self._looked_at)))
        return [Outcome("stored") for _ in uploads]


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were opened to be looked at; batches are of two."""
    found: list[str] = []
    look = given.looked_at

    def noted(path: str, layouts: Any) -> Any:
        found.append(Path(path).name)
        return look(path, layouts)

    monkeypatch.setattr(given, "looked_at", noted)
    monkeypatch.setattr(given, "_FIRST_SECONDS", 0.0)
    monkeypatch.setattr(upload_module, "BATCH_INSTANCES", 2)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six instances, and three other files behind them."""
    made = tmp_path / "in"
    made.mkdir()
    for number in range(6):
        dataset = dcmread(CT)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.save_as(made / f"{number}.dcm")
    for number in range(3):
        (made / f"z{number}.txt").write_text("no DICOM")
    return made


def send(source: Memory, what: Any, **options: Any) -> Any:
    options = {"workers": 1, "tell": lambda told: None, **options}
    return upload(source, what, study=None, **options)  # type: ignore[arg-type]


def test_the_first_are_sent_before_the_last_are_looked_at(
    folder: Path, looked_at: list[str]
) -> None:
    source = Memory(looked_at)
    items = items_of(folder)
    assert looked_at == ["0.dcm"]  # that there is anything to store
    assert len(send(source, items)) == 6
    assert source.batches == [(2, 3), (2, 5), (2, 9)]
    assert [Path(name).name for name in items.passed_over] == ["z0.txt", "z1.txt", "z2.txt"]


def test_those_of_a_quick_disk_are_looked_at_beforehand(
    folder: Path, looked_at: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(given, "_FIRST_SECONDS", 600.0)
    source = Memory(looked_at)
    items = items_of(folder)
    assert operator.length_hint(items) == 6
    send(source, items)
    assert source.batches == [(2, 9)] * 3


def test_files_are_looked_at_once_however_often_they_are_gone_through(
    folder: Path, looked_at: list[str]
) -> None:
    items = items_of([folder, str(folder / "*.dcm")])
    names = [one.name for one in items]
    assert names == [str(folder / f"{number}.dcm") for number in range(6)]
    assert [one.name for one in items] == names
    assert len(looked_at) == 9


def test_what_is_named_is_looked_at_before_anything_is_sent(
    folder: Path, looked_at: list[str], tmp_path: Path
) -> None:
    source = Memory(looked_at)
    for bad in (folder / "z0.txt", folder / "none.dcm"):
        with pytest.raises((dn.NoDicom, FileNotFoundError), match=bad.name):
            send(source, items_of([folder, bad]))
    for one in folder.glob("*.dcm"):
        one.unlink()
    with pytest.raises(dn.NoDicom, match="3 other files were passed over"):
        send(source, items_of(folder))
    assert not source.batches
    assert items_of([folder, CT.read_bytes()]).passed_over  # these are looked at for the first one


def test_how_many_there_are_is_known_as_far_as_it_can_be(
    folder: Path, looked_at: list[str]
) -> None:
    seen: list[tuple[int, int | None]] = []
    items = items_of(folder)
    assert operator.length_hint(items) == 9
    send(Memory(looked_at), items, tell=lambda told: seen.append((told.done, told.total)))
    assert seen == [(2, 9), (4, 9), (6, 6)]
    assert operator.length_hint(items_of(iter([folder])), -1) == -1


def test_what_was_not_looked_at_has_its_row_when_the_store_is_stopped(
    folder: Path, looked_at: list[str], tmp_path: Path
) -> None:
    cancel = Cancel()
    with pytest.raises(dn.Cancelled) as caught:
        send(Memory(looked_at), items_of(folder), tell=lambda told: cancel.set(), cancel=cancel)
    table = caught.value.table
    assert table is not None
    assert len(looked_at) < 6  # a slow disk would keep whoever wants to stop
    assert table["File"].tolist() == [str(one) for one in sorted(folder.iterdir())]
    assert table["Outcome"].tolist() == ["stored"] * 2 + ["failed"] * 7
    assert table["SOPInstanceUID"].isna().tolist()[-4:] == [True] * 4
    (tmp_path / "archive").mkdir()
    archive = dn.connect(tmp_path / "archive", options=dn.Options(writable=True))
    again = archive.store(retry=table)
    assert again["Outcome"].tolist() == ["stored"] * 6 + ["failed"] * 3
    assert all("not DICOM" in reason for reason in again["Reason"][6:])
    assert len(archive.instances()) == 4


def test_a_look_can_be_stopped(folder: Path, looked_at: list[str]) -> None:
    cancel = Cancel()
    items = items_of(folder)
    cancel.set()
    source = Memory(looked_at)
    with pytest.raises(dn.Cancelled) as caught:
        send(source, items, workers=3, cancel=cancel)
    assert caught.value.table is not None
    assert len(caught.value.table) == 9
    assert not source.batches
    assert len(looked_at) <= 2


def test_a_file_that_goes_before_its_turn_is_a_row(folder: Path, looked_at: list[str]) -> None:
    items = items_of(folder)
    (folder / "5.dcm").unlink()
    table = send(Memory(looked_at), items)
    assert table["Outcome"].tolist() == ["stored"] * 5 + ["failed"]
    assert "No such file" in table["Reason"][5]


def test_a_real_server_gets_them_all(folder: Path, tmp_path: Path) -> None:
    shutil.copy(CT, folder / "z3.dcm")
    (tmp_path / "archive").mkdir()
    with dn.serve(tmp_path / "archive", writable=True) as url:
        archive = dn.connect(url)
        table = archive.store(folder)
        assert table["Outcome"].tolist() == ["stored"] * 7
        assert table.attrs["passed_over"] == 3
        assert set(archive.instances()["SOPInstanceUID"]) == set(table["SOPInstanceUID"])
