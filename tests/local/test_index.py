"""The index follows the files: new, changed, gone, damaged, by several at once."""

from __future__ import annotations

import multiprocessing
import os
import random
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from local_files import as_bytes, made, put

from dicomnb.errors import Cancelled
from dicomnb.local import index as index_module
from dicomnb.local.header import HeaderReader
from dicomnb.local.index import Index
from dicomnb.local.lookup import Lookup
from dicomnb.local.scan import scan
from dicomnb.pool import Cancel
from dicomnb.query import build
from tests.conftest import SECONDS


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DICOMNB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path, cache: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def index(folder: Path) -> Iterator[Index]:
    index = Index(folder)
    yield index
    index.close()


def rows(index: Index, level: Any = "instance", **filters: Any) -> list[dict[str, Any]]:
    pages = Lookup(index).search(build(level, filters))
    return [row for page in pages for row in msgspec.json.decode(page.rows)]


def uids(index: Index) -> list[str]:
    return [row["00080018"]["Value"][0] for row in rows(index)]


def value(row: dict[str, Any], tag: str) -> Any:
    return row[tag]["Value"][0]


def series_of(folder: Path, count: int, *, study: str = "1.1", series: str = "1.1.1") -> None:
    for number in range(count):
        put(folder / series / f"{number:03d}.dcm", study=study, series=series,
            uid=f"{series}.{number}", InstanceNumber=number)  # fmt: skip


def reads(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Paths that are opened from here on."""
    opened: list[bytes] = []
    original = index_module._head

    def head(path: bytes) -> bytes | OSError:
        opened.append(os.path.basename(path))
        return original(path)

    monkeypatch.setattr(index_module, "_head", head)
    return opened


def test_files_come_change_and_go(
    folder: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    series_of(folder, 3)
    (folder / "notes.txt").write_text("no image")
    index.refresh()
    assert uids(index) == ["1.1.1.0", "1.1.1.1", "1.1.1.2"]
    opened = reads(monkeypatch)
    index.refresh()
    assert opened == []
    put(folder / "new.dcm", uid="1.1.1.9", InstanceNumber=9)
    (folder / "1.1.1" / "000.dcm").unlink()
    put(folder / "1.1.1" / "001.dcm", uid="1.1.1.1", InstanceNumber=1, PatientName="Roe^Richard")
    index.refresh()
    assert sorted(opened) == [b"001.dcm", b"new.dcm"]
    assert uids(index) == ["1.1.1.1", "1.1.1.2", "1.1.1.9"]
    assert value(rows(index)[0], "00100010") == {"Alphabetic": "Roe^Richard"}
    assert value(rows(index, "series")[0], "00201209") == 3


def test_a_file_that_becomes_another_instance_moves(folder: Path, index: Index) -> None:
    path = put(folder / "a.dcm", study="1.1", series="1.1.1", uid="1.1.1.1")
    put(folder / "b.dcm", study="1.1", series="1.1.1", uid="1.1.1.2")
    index.refresh()
    put(path, study="2.2", series="2.2.2", uid="2.2.2.2", PatientID="a longer one")
    index.refresh()
    assert [value(row, "0020000D") for row in rows(index, "study")] == ["1.1", "2.2"]
    assert [value(row, "00201208") for row in rows(index, "study")] == [1, 1]
    path.unlink()
    index.refresh()
    assert [value(row, "0020000D") for row in rows(index, "study")] == ["1.1"]


def test_studies_and_series_count_what_they_hold(folder: Path, index: Index) -> None:
    series_of(folder, 3)
    put(folder / "x", series="1.1.2", uid="1.1.2.1", Modality="MR")
    put(folder / "y", series="1.1.3", uid="1.1.3.1", Modality=None)
    index.refresh()
    (study,) = rows(index, "study")
    assert study["00080061"]["Value"] == ["CT", "MR"]
    assert (value(study, "00201206"), value(study, "00201208")) == (3, 5)
    assert value(study, "00080056") == "ONLINE"
    assert value(study, "00081190") == "dicomnb:/studies/1.1"
    first = rows(index, "series")[0]
    assert value(first, "00201209") == 3
    assert value(first, "00081190") == "dicomnb:/studies/1.1/series/1.1.1"
    assert value(rows(index)[0], "00083002") == "1.2.840.10008.1.2.1"


def test_of_two_files_with_one_uid_the_first_by_path_counts(folder: Path, index: Index) -> None:
    put(folder / "b.dcm", PatientID="b")
    put(folder / "c.dcm", PatientID="c")
    index.refresh()
    assert [value(row, "00100020") for row in rows(index)] == ["b"]
    put(folder / "a.dcm", PatientID="a")
    index.refresh()
    assert [value(row, "00100020") for row in rows(index)] == ["a"]
    assert index.passed_over().counts == {"duplicate": 2}
    assert index.passed_over().examples["duplicate"][0] == ("b.dcm", "of a.dcm")
    (folder / "a.dcm").unlink()
    index.refresh()
    assert [value(row, "00100020") for row in rows(index)] == ["b"]
    put(folder / "b.dcm", uid="9.9", PatientID="another instance now")
    index.refresh()
    assert {value(row, "00100020") for row in rows(index)} == {"c", "another instance now"}
    assert index.passed_over().counts == {}


def test_files_that_are_passed_over_are_counted_and_not_opened_again(
    folder: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    series_of(folder, 1)
    (folder / "notes.txt").write_text("no image, though it is long enough to be taken for one")
    (folder / "broken.dcm").write_bytes(as_bytes(made(uid="5.5"))[:150])
    (folder / "empty.dcm").touch()
    put(folder / "nameless.dcm", StudyInstanceUID="")
    index.refresh()
    assert index.passed_over().counts == {"damaged": 1, "not DICOM": 2, "without UIDs": 1}
    assert "nameless.dcm: no StudyInstanceUID" in str(index.passed_over())
    opened = reads(monkeypatch)
    index.refresh()
    assert opened == []


def test_names_that_no_text_can_hold(folder: Path, index: Index) -> None:
    put(folder / "Müller 王 \u202e.dcm", uid="1.1")
    name = os.fsencode(folder) + b"/\xff\xfe.dcm"
    with open(name, "wb") as file:
        file.write(as_bytes(made(uid="1.2")))
    with open(os.fsencode(folder) + b"/\xff.txt", "wb") as file:
        file.write(b"nothing")
    index.refresh()
    assert sorted(uids(index)) == ["1.1", "1.2"]
    assert index.passed_over().examples["not DICOM"][0][0] == "?.txt"


def test_hidden_files_links_and_circles(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    put(outside / "far.dcm")
    put(folder / "real" / "near.dcm")
    put(folder / ".hidden" / "no.dcm")
    put(folder / "real" / ".part")
    (folder / "a-link").symlink_to(outside)
    (folder / "another-link").symlink_to(outside)
    (folder / "real" / "circle").symlink_to(folder)
    (folder / "nowhere").symlink_to(tmp_path / "missing")
    (folder / "file-link").symlink_to(folder / "real" / "near.dcm")
    found = scan(os.fsencode(folder))
    assert sorted(found.files) == [b"a-link/far.dcm", b"file-link", b"real/near.dcm"]


def test_a_folder_that_cannot_be_listed(
    folder: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    series_of(folder, 2)
    put(folder / "locked" / "x.dcm", uid="7.7")
    original = os.scandir

    def scandir(path: Any) -> Any:
        if b"locked" in path:
            raise PermissionError(13, "Permission denied")
        return original(path)

    monkeypatch.setattr(os, "scandir", scandir)
    index.refresh()
    index.refresh()
    assert index.passed_over().counts == {"unreadable": 1}
    assert index.passed_over().examples["unreadable"] == (("locked", "Permission denied"),)
    monkeypatch.undo()
    monkeypatch.setenv("DICOMNB_CACHE", str(index.path.parents[1]))
    index.refresh()
    assert "7.7" in uids(index)
    assert index.passed_over().counts == {}


def test_a_file_that_cannot_be_opened_is_tried_again(
    folder: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    series_of(folder, 1)
    with monkeypatch.context() as patch:
        patch.setattr(index_module, "_head", lambda _: PermissionError(13, "Permission denied"))
        index.refresh()
        assert index.passed_over().counts == {"unreadable": 1}
    index.refresh()
    assert uids(index) == ["1.1.1.0"]


def test_a_folder_that_is_gone_leaves_the_index(folder: Path, index: Index) -> None:
    series_of(folder, 2)
    index.refresh()
    folder.rename(folder.with_name("elsewhere"))
    with pytest.raises(FileNotFoundError):
        index.refresh()
    assert len(uids(index)) == 2


def test_nothing_is_written_into_the_folder_and_only_the_owner_may_read_the_index(
    folder: Path, index: Index, cache: Path
) -> None:
    series_of(folder, 1)
    index.refresh()
    assert [path.name for path in folder.rglob("*")] == ["1.1.1", "000.dcm"]
    assert index.path.is_relative_to(cache)
    assert stat.S_IMODE(index.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(index.path.parent.stat().st_mode) == 0o700


def test_the_same_folder_by_another_name_has_the_same_index(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert Index(folder).path == Index(tmp_path / "link").path != Index(tmp_path).path


def test_what_has_gone_is_gone_from_the_database(folder: Path, index: Index) -> None:
    put(folder / "a.dcm", PatientName="Verschwunden^Vera", PatientID="VV99")
    put(folder / "b.dcm", uid="2.2")
    index.refresh()
    (folder / "a.dcm").unlink()
    index.refresh()
    index.close()
    assert b"Verschwunden" not in index.path.read_bytes()


@pytest.mark.parametrize("damage", ["text", "header", "middle", "version", "table"])
def test_a_damaged_database_is_made_anew(folder: Path, index: Index, damage: str) -> None:
    series_of(folder, 60)
    index.refresh()
    index.close()
    data = bytearray(index.path.read_bytes())
    if damage == "text":
        data[:] = b"this is no database" * 50
    elif damage == "header":
        data[:100] = random.Random(5).randbytes(100)
    elif damage == "middle":
        data[4096:] = random.Random(5).randbytes(len(data) - 4096)
    index.path.write_bytes(data)
    if damage in ("version", "table"):
        with sqlite3.connect(index.path) as connection:
            connection.execute("PRAGMA user_version = 99")
            if damage == "table":
                connection.execute("DROP TABLE documents")
        connection.close()
    index.refresh()
    assert len(uids(index)) == 60


def test_damage_that_shows_in_a_search_heals(folder: Path, index: Index) -> None:
    series_of(folder, 60)
    index.refresh()
    index.close()
    data = index.path.read_bytes()
    index.path.write_bytes(data[:16384] + random.Random(5).randbytes(len(data) - 16384))
    assert len(uids(index)) == 60


def test_an_emptied_cache_is_noticed(folder: Path, index: Index) -> None:
    series_of(folder, 2)
    index.refresh()
    for path in index.path.parent.iterdir():
        path.unlink()
    barrier = threading.Barrier(3)
    counts = []

    def search(connection: Any) -> None:
        barrier.wait(SECONDS)

    threads = [threading.Thread(target=lambda: index.read(search)) for _ in range(2)]
    for thread in threads:
        thread.start()
    barrier.wait(SECONDS)
    for thread in threads:
        thread.join()
    counts = [len(uids(index)) for _ in range(3)]
    assert counts == [2, 2, 2]


def test_a_refresh_that_is_cancelled_keeps_what_it_had(
    folder: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    series_of(folder, 200)
    monkeypatch.setattr(index_module, "_BATCH", 64)
    monkeypatch.setattr(index_module, "_SLOW", 1e9)  # whatever the disk does meanwhile
    cancel = Cancel()
    original = index_module._head
    opened = []

    def head(path: bytes) -> bytes | OSError:
        opened.append(path)
        if len(opened) >= 130:
            cancel.set()
        return original(path)

    monkeypatch.setattr(index_module, "_head", head)
    with pytest.raises(Cancelled):
        index.refresh(cancel=cancel)
    kept = len(index.read(lambda c: c.execute("SELECT id FROM instances").fetchall()))
    assert 64 <= kept < 200
    opened.clear()
    index.refresh()
    assert len(opened) == 200 - kept
    assert value(rows(index, "study")[0], "00201208") == 200


@pytest.mark.parametrize("workers", [1, 4])
def test_a_slow_disk_is_read_ahead(
    folder: Path, index: Index, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    series_of(folder, 150)
    monkeypatch.setattr(index_module, "_SLOW", 0.0 if workers > 1 else 1e9)
    index.refresh()
    assert len(uids(index)) == 150


def test_threads_refresh_and_search_at_once(folder: Path, index: Index) -> None:
    series_of(folder, 120)
    failures: list[Exception] = []

    def work(number: int) -> None:
        try:
            for turn in range(4):
                if number % 2:
                    put(folder / f"{number}-{turn}.dcm", series=f"8.{number}",
                        uid=f"8.{number}.{turn}")  # fmt: skip
                    index.refresh()
                assert all(row["00201209"] for row in rows(index, "series"))
        except Exception as error:  # noqa: BLE001 - the test shows it
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    index.refresh()
    assert len(uids(index)) == 120 + 12


def refresh_elsewhere(folder: Path, start: Any, answers: Any) -> None:
    index = Index(folder)
    start.wait(SECONDS)
    index.refresh()
    answers.put(len(index.read(lambda c: c.execute("SELECT id FROM instances").fetchall())))
    index.close()


def test_two_processes_refresh_at_once(folder: Path, index: Index) -> None:
    series_of(folder, 300)
    context = multiprocessing.get_context("spawn")
    start, answers = context.Event(), context.Queue()
    workers = [
        context.Process(target=refresh_elsewhere, args=(folder, start, answers)) for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    start.set()
    assert [answers.get(timeout=120) for _ in workers] == [300, 300]
    for worker in workers:
        worker.join(SECONDS)
        assert worker.exitcode == 0
    index.refresh()
    assert len(uids(index)) == 300
    assert value(rows(index, "series")[0], "00201209") == 300


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_opens_its_own_connections(folder: Path, index: Index) -> None:
    series_of(folder, 5)
    index.refresh()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, str(len(uids(index))).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 10) == b"5"
    os.close(reading)
    os.close(writing)
    assert len(uids(index)) == 5


def test_another_process_that_wrote_in_between_is_seen(
    folder: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    series_of(folder, 100)
    monkeypatch.setattr(index_module, "_BATCH", 50)
    other = Index(folder)
    original = HeaderReader.read
    calls = []

    def read(self: HeaderReader, head: bytes, **how: Any) -> Any:
        calls.append(1)
        if len(calls) == 60:
            other.refresh()
        return original(self, head, **how)

    monkeypatch.setattr(HeaderReader, "read", read)
    index.refresh()
    other.close()
    assert len(uids(index)) == 100
    assert value(rows(index, "study")[0], "00201208") == 100
    assert index.passed_over().counts == {}


def test_values_have_one_number_each_however_they_came(index: Index, folder: Path) -> None:
    """In one batch, in a later one, beside one of another index that wrote in between."""
    series_of(folder, 3)
    index.refresh()
    series_of(folder, 5, study="1.2", series="1.2.1")
    other = Index(folder)
    other.refresh()
    other.close()
    series_of(folder, 4, study="1.3", series="1.3.1")
    index.refresh()
    found = index.read(
        lambda connection: connection.execute(
            "SELECT json, count(*), min(tag), max(tag) FROM elements GROUP BY json"
        ).fetchall()
    )
    assert {count for _, count, _, _ in found} == {1}
    assert all(json.startswith(b'"%08X"' % low) and low == high for json, _, low, high in found)
    names = {json for json, *_ in found if json.startswith(b'"00100010"')}
    assert names == {b'"00100010":{"vr":"PN","Value":[{"Alphabetic":"Doe^Jane"}]}'}
    assert len(rows(index, PatientName="Doe*")) == len(rows(index)) == 12
