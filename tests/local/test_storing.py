"""Storing into a folder and deleting from it: whole or not at all, and never outside."""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pytest
from local_files import CT, as_bytes, made, put

from dicomnb.errors import Cancelled, NotFound, Unsupported
from dicomnb.local import storing
from dicomnb.local.folder import FolderSource
from dicomnb.local.header import dataset_start
from dicomnb.local.storing import TRASH
from dicomnb.options import Options
from dicomnb.pool import Cancel
from dicomnb.query import build
from dicomnb.refs import Level, Ref
from dicomnb.wire.storing import BytesUpload, FileUpload
from tests.conftest import SECONDS

ONE = Ref("1.1", "1.1.1", "1.1.1.1")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DICOMNB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def source(folder: Path) -> Iterator[FolderSource]:
    source = FolderSource(folder, options=Options(writable=True))
    yield source
    source.close()


def upload(name: str = "a file", **values: Any) -> BytesUpload:
    return BytesUpload(as_bytes(made(**values)), name)


def rows(source: FolderSource, level: Level = "instance") -> list[dict[str, Any]]:
    pages = source.search(build(level, {}))
    return [row for page in pages for row in msgspec.json.decode(page.rows)]


def uids(source: FolderSource) -> list[str]:
    return [row["00080018"]["Value"][0] for row in rows(source)]


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_store_and_read_back(source: FolderSource, folder: Path) -> None:
    first = upload()
    (outcome,) = source.store([first])
    assert (outcome.outcome, outcome.code, outcome.reason) == ("stored", None, "")
    assert (outcome.study, outcome.series, outcome.instance) == ("1.1", "1.1.1", "1.1.1.1")
    assert outcome.sop_class == CT
    assert outcome.url == f"dicomnb:/{ONE.path}"
    assert files(folder) == ["1.1/1.1.1/1.1.1.1.dcm"]
    assert [part.read() for part in source.instances(ONE)] == [first.data]
    assert rows(source, "study")[0]["00201208"]["Value"] == [1]
    again = FolderSource(folder)
    assert uids(again) == ["1.1.1.1"]


def test_the_same_again_and_something_else_of_the_same_name(
    source: FolderSource, folder: Path
) -> None:
    source.store([upload()])
    before = (folder / "1.1/1.1.1/1.1.1.1.dcm").read_bytes()
    same, other = source.store([upload(), upload(PatientName="Roe^Richard")])
    assert (same.outcome, same.url) == ("already there", f"dicomnb:/{ONE.path}")
    assert (other.outcome, other.code, other.url) == ("conflict", 0x0111, None)
    assert (folder / "1.1/1.1.1/1.1.1.1.dcm").read_bytes() == before
    (longer,) = source.store([upload(PatientID="of the same UID, in another study", study="2.2")])
    assert longer.outcome == "conflict"
    assert len(uids(source)) == 1


def test_a_file_that_lies_elsewhere_in_the_folder_counts_as_there(
    source: FolderSource, folder: Path
) -> None:
    put(folder / "old" / "x.dcm")
    source.refresh()
    (outcome,) = source.store([upload()])
    assert outcome.outcome == "already there"
    (folder / "old" / "x.dcm").unlink()
    (outcome,) = source.store([upload()])
    assert outcome.outcome == "stored"
    assert files(folder) == ["1.1/1.1.1/1.1.1.1.dcm"]


def test_a_file_in_the_way_that_is_not_indexed(source: FolderSource, folder: Path) -> None:
    path = put(folder / "1.1" / "1.1.1" / "1.1.1.1.dcm")
    (outcome,) = source.store([upload(PatientName="Roe^Richard")])
    assert outcome.outcome == "conflict"
    (outcome,) = source.store([upload()])
    assert outcome.outcome == "already there"
    assert uids(source) == ["1.1.1.1"]
    assert path.read_bytes() == upload().data


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"", 0xC000, "not DICOM"),
        (b"no image at all, but long enough", 0xC000, "not DICOM"),
        (as_bytes(made())[:-3], 0xC000, "3 bytes are missing"),
        (as_bytes(made())[:200], 0xC000, "a file"),
        (as_bytes(made())[132:], 0xC000, "no Part 10 file"),
        (as_bytes(made())[dataset_start(as_bytes(made())) :], 0xC000, "no Part 10 file"),
        (as_bytes(made(StudyInstanceUID="")), 0x0120, "no StudyInstanceUID"),
        (as_bytes(made(SOPInstanceUID="/etc/cron.d/x")), 0x0120, "identifies nothing"),
        (as_bytes(made(SeriesInstanceUID="..")), 0x0120, "identifies nothing"),
    ],
)
def test_what_is_not_stored(
    source: FolderSource, folder: Path, data: bytes, code: int, words: str
) -> None:
    bad, good = source.store([BytesUpload(data, "a file"), upload(uid="2.2")])
    assert (bad.outcome, bad.code, bad.url) == ("failed", code, None)
    assert words in bad.reason
    assert good.outcome == "stored"
    assert files(folder) == ["1.1/1.1.1/2.2.dcm"]
    assert uids(source) == ["2.2"]


def test_compressed_pixels_that_are_cut(source: FolderSource, folder: Path) -> None:
    from pydicom.encaps import encapsulate

    dataset = made(PixelData=encapsulate([b"\xff\xd8abcdef\xff\xd9"]))
    dataset["PixelData"].is_undefined_length = True
    data = as_bytes(dataset, syntax="1.2.840.10008.1.2.4.50")
    (outcome,) = source.store([BytesUpload(data[:-8], "a file")])
    assert (outcome.outcome, outcome.reason) == ("failed", "a file: it is cut within its pixels.")
    assert files(folder) == []
    (outcome,) = source.store([BytesUpload(data, "a file")])
    assert outcome.outcome == "stored"


def test_a_study_that_is_asked_for(source: FolderSource) -> None:
    wrong, right = source.store([upload(study="2.2", uid="2.2.2"), upload()], study="1.1")
    assert (wrong.outcome, wrong.code) == ("failed", 272)
    assert wrong.instance == "2.2.2"
    assert right.outcome == "stored"


class Breaking:
    """An upload whose reader fails, or ends early, after its header."""

    name = "breaking"

    def __init__(self, data: bytes, *, raises: bool) -> None:
        self._data = data
        self._raises = raises
        self.length = len(data)
        self._opened = 0

    def open(self) -> BinaryIO:
        self._opened += 1
        if self._opened == 1:
            return io.BytesIO(self._data)
        if self._raises:
            raise OSError("the network has gone")
        return io.BytesIO(self._data[: len(self._data) // 2])


@pytest.mark.parametrize("raises", [True, False])
def test_an_upload_that_breaks_off_leaves_nothing(
    source: FolderSource, folder: Path, raises: bool
) -> None:
    data = as_bytes(made(PixelData=bytes(12)))
    bad, good = source.store([Breaking(data, raises=raises), upload(uid="2.2")])
    assert bad.outcome == "failed"
    assert "gone" in bad.reason or "bytes came" in bad.reason
    assert good.outcome == "stored"
    assert files(folder) == ["1.1/1.1.1/2.2.dcm"]


def test_a_full_disk_leaves_nothing(
    source: FolderSource, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    (outcome,) = source.store([upload()])
    assert outcome.outcome == "failed"
    assert "No space left" in outcome.reason
    assert files(folder) == []
    assert uids(source) == []


def test_cancel_keeps_what_was_stored(source: FolderSource) -> None:
    cancel = Cancel()

    class Cancelling(BytesUpload):
        def open(self) -> BinaryIO:
            cancel.set()
            return super().open()

    batch = [upload(uid="1.1"), Cancelling(upload(uid="1.2").data, "x"), upload(uid="1.3")]
    with pytest.raises(Cancelled):
        source.store(batch, cancel=cancel)
    assert uids(source) == ["1.1", "1.2"]
    assert rows(source, "series")[0]["00201209"]["Value"] == [2]


def test_threads_that_store_the_same(source: FolderSource) -> None:
    outcomes: list[str] = []

    def work() -> None:
        uploads = [upload(uid=f"1.{number}") for number in range(8)]
        outcomes.extend(outcome.outcome for outcome in source.store(uploads))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["already there"] * 24 + ["stored"] * 8
    assert rows(source, "study")[0]["00201208"]["Value"] == [8]


class SlowFile(io.FileIO):
    """Gives a few bytes at a time once the copying has begun."""

    begun: Any = None

    def read(self, size: int | None = -1, /) -> bytes:
        if size == 64:
            self.begun.set()
            time.sleep(0.2)
        return super().read(size) or b""


class SlowUpload(FileUpload):
    def open(self) -> BinaryIO:
        return SlowFile(str(self.path))  # type: ignore[return-value]


def store_slowly(folder: Path, begun: Any) -> None:
    storing._COPY = 64
    SlowFile.begun = begun
    source = FolderSource(folder, options=Options(writable=True))
    source.store([SlowUpload(folder.parent / "upload.dcm")])


def test_a_kill_in_mid_store_leaves_no_file_and_no_row(folder: Path) -> None:
    (folder.parent / "upload.dcm").write_bytes(upload().data)
    context = multiprocessing.get_context("spawn")
    begun = context.Event()
    process = context.Process(target=store_slowly, args=(folder, begun))
    process.start()
    assert begun.wait(SECONDS)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join(SECONDS)
    assert [name for name in files(folder) if not Path(name).name.startswith(".")] == []
    source = FolderSource(folder, options=Options(writable=True))
    assert uids(source) == []
    (outcome,) = source.store([upload()])
    assert outcome.outcome == "stored"
    assert source.passed_over.counts == {}


def test_a_folder_is_read_only_unless_asked(folder: Path) -> None:
    put(folder / "a.dcm")
    source = FolderSource(folder)
    with pytest.raises(Unsupported, match="writable=True"):
        source.store([upload(uid="2.2")])
    with pytest.raises(Unsupported, match="writable=True"):
        source.delete(ONE)
    assert files(folder) == ["a.dcm"]


def filled(source: FolderSource, folder: Path) -> None:
    for study in (1, 2):
        for series in (1, 2):
            for instance in (1, 2):
                put(folder / f"s{study}" / f"{series}-{instance}.dcm", study=f"{study}",
                    series=f"{study}.{series}", uid=f"{study}.{series}.{instance}")  # fmt: skip
    source.refresh()


@pytest.mark.parametrize(
    ("ref", "left"), [(Ref("1"), 4), (Ref("1", "1.2"), 6), (Ref("1", "1.2", "1.2.1"), 7)]
)
def test_delete_moves_to_the_trash(source: FolderSource, folder: Path, ref: Ref, left: int) -> None:
    filled(source, folder)
    before = files(folder)
    assert source.delete(ref) is None
    assert len(uids(source)) == left
    (trash,) = (folder / TRASH).iterdir()
    kept = [name for name in files(folder) if not name.startswith(TRASH)]
    assert sorted(kept + files(trash)) == before
    assert len(kept) == left
    source.refresh()
    assert len(uids(source)) == left
    with pytest.raises(NotFound):
        source.delete(ref)
    for path in list(trash.rglob("*.dcm")):
        path.rename(folder / path.name)
    source.refresh()
    assert len(uids(source)) == 8


def test_delete_takes_duplicates_along(source: FolderSource, folder: Path) -> None:
    put(folder / "a.dcm")
    put(folder / "b.dcm", PatientName="The^Same")
    put(folder / "c.dcm", study="9", series="9.9", PatientName="Of another study")
    source.refresh()
    source.delete(Ref("1.1"))
    assert [name for name in files(folder) if not name.startswith(".")] == ["c.dcm"]
    source.refresh()
    assert [row["0020000D"]["Value"] for row in rows(source)] == [["9"]]


def test_delete_does_not_follow_links_out_of_the_folder(
    source: FolderSource, folder: Path, tmp_path: Path
) -> None:
    put(tmp_path / "outside" / "far.dcm", uid="1.2")
    put(folder / "near.dcm")
    (folder / "link").symlink_to(tmp_path / "outside")
    source.refresh()
    assert len(uids(source)) == 2
    with pytest.raises(Unsupported, match="outside the folder"):
        source.delete(Ref("1.1"))
    assert files(folder) == ["near.dcm"]
    assert files(tmp_path / "outside") == ["far.dcm"]
    source.delete(ONE)
    assert uids(source) == ["1.2"]


def test_a_delete_that_fails_half_way_tells_the_index_what_is_gone(
    source: FolderSource, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(source, folder)
    original = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if self.name == "2-1.dcm":
            raise PermissionError(13, "Permission denied")
        return original(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(PermissionError):
        source.delete(Ref("1"))
    assert sorted(uids(source))[:2] == ["1.2.1", "1.2.2"]
    source.refresh()
    assert len(uids(source)) == 6


def test_delete_of_files_that_have_gone_already(source: FolderSource, folder: Path) -> None:
    filled(source, folder)
    (folder / "s1" / "1-1.dcm").unlink()
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        source.delete(Ref("1"), cancel=cancel)
    source.delete(Ref("1", "1.1"))
    assert len(uids(source)) == 6


def test_unusual_uids_become_safe_names(source: FolderSource, folder: Path) -> None:
    (outcome,) = source.store([upload(study="CON", series="a_b-c", uid="1" * 120)])
    assert outcome.outcome == "stored"
    (name,) = files(folder)
    assert not name.startswith("CON/")
    assert all(len(part) < 120 for part in name.split("/"))
    assert uids(source) == ["1" * 120]
