"""The upload panel without a browser: what is listed, left out, sent, retried, removed."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient
from PIL import Image
from pydicom import dcmread
from pydicom.uid import generate_uid

import dicomnb as dn
from dicomnb.errors import DiskFull
from dicomnb.transfer.upload import BATCH_INSTANCES
from dicomnb.widgets import receiving
from dicomnb.widgets.receiving import Spool
from dicomnb.widgets.uploading import UploadPanel
from tests.conftest import SECONDS, Orthanc, real_file
from tests.widgets.conftest import until

CT = real_file("CT_small.dcm")
NASTY = "<img src=x onerror=document.title=1>"


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: Any) -> Path:
    """Where copies go; a test sees what stays there."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> dn.Archive:
    (tmp_path / "archive").mkdir()
    return dn.connect(tmp_path / "archive", options=dn.Options(writable=True))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[dn.Archive]:
    (tmp_path / "served").mkdir()
    with dn.serve(tmp_path / "served", writable=True) as url:
        yield dn.connect(url)


def own_instance(path: Path, *, patient: str = "P1", **values: Any) -> Path:
    """A file of an instance of its own."""
    dataset = dcmread(CT)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.PatientID = patient
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)
    return path


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Three instances, one of them twice, and what is lying about beside them."""
    scans = tmp_path / "scans"
    (scans / "deep" / "er").mkdir(parents=True)
    for number in range(3):
        own_instance(scans / "deep" / f"{number}.dcm")
    shutil.copy(scans / "deep" / "1.dcm", scans / "deep" / "er" / "again.dcm")
    (scans / "notes.txt").write_text("no DICOM")
    (scans / "empty").touch()
    (scans / "cut.dcm").write_bytes(CT.read_bytes()[:20_000])
    Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(scans / "photo.jpg")
    return scans


class Talk:
    """What a page would say to a panel, and what it hears."""

    def __init__(self, panel: UploadPanel) -> None:
        self.panel = panel
        self.heard: list[dict[str, Any]] = []
        panel.send = lambda content, buffers=None: self.heard.append(content)  # type: ignore[method-assign]

    def say(self, kind: str, *buffers: bytes, **content: Any) -> None:
        self.panel._receive(
            self.panel, {"kind": kind, **content}, [memoryview(one) for one in buffers]
        )

    def offer(self, *files: tuple[str, str, bytes]) -> None:
        """Files as key, name and bytes."""
        told = [[key, name, len(data), 1.0, data[:132].hex(), ""] for key, name, data in files]
        self.say("offer", files=told)

    def wanted(self) -> list[list[Any]]:
        return [file for one in self.heard if one["kind"] == "want" for file in one["files"]]

    def bring(self, key: str, data: bytes, *, piece: int = 1 << 20) -> None:
        """The pieces of a file, as a page sends them."""
        for at in range(0, len(data), piece):
            self.say("pieces", data[at : at + piece], sender="p", load=at, pieces=[[key, at]])
        self.panel.wait()

    def rows(self, which: str = "all") -> list[dict[str, Any]]:
        self.say("rows", view="v", which=which, first=0)
        return list(self.heard[-1]["rows"])

    @property
    def state(self) -> dict[str, Any]:
        return next(one for one in reversed(self.heard) if one["kind"] == "state")


# -- a path on the kernel's machine --------------------------------------------------------------


def test_a_folder_is_listed_checked_and_sent(folder: dn.Archive, scans: Path) -> None:
    panel = UploadPanel(folder).add(scans).wait()
    files = panel.files.set_index(panel.files["Name"].map(lambda name: Path(name).name))
    assert files["State"].value_counts().to_dict() == {"ready": 3, "left out": 4, "picture": 1}
    assert files.loc["again.dcm", "Reason"] == f"the same instance as {scans / 'deep' / '1.dcm'}"
    assert "19,068 bytes are missing" in files.loc["cut.dcm", "Reason"]
    assert files.loc["notes.txt", "Reason"] == files.loc["empty", "Reason"] == "not DICOM"
    assert files.loc["0.dcm", "PatientID"] == "P1"
    assert files.loc["0.dcm", "Modality"] == "CT"
    assert files.loc["0.dcm", "Size"] == (scans / "deep" / "0.dcm").stat().st_size
    assert panel.outcome.empty

    panel.store().wait()
    assert panel.outcome["Outcome"].tolist() == ["stored"] * 3
    assert panel.said == ("done", "3 of 3 stored.")
    assert set(folder.instances()["SOPInstanceUID"]) == set(panel.outcome["SOPInstanceUID"])
    assert panel.outcome["File"].tolist() == panel.outcome["Name"].tolist()
    assert panel.code.startswith(f"table = archive.store({str(scans)!r})")
    code = panel.code
    panel.add(scans / "nowhere").wait()
    assert panel.said[0] == "error"
    assert panel.code == code  # only what was found is stored


def test_what_a_path_cannot_mean_is_said(folder: dn.Archive, tmp_path: Path) -> None:
    panel = UploadPanel(folder).wait()
    talk = Talk(panel)
    talk.say("add", path=str(tmp_path / "nowhere"))
    panel.wait()
    assert panel.said[0] == "error"
    assert panel.said[1].startswith("No file, folder or glob")
    talk.say("add", path="~nobody-of-this-name/x")
    assert panel.wait().said == ("error", "There is no home folder for '~nobody-of-this-name/x'.")
    talk.say("add", path="  ")
    assert panel.said == (
        "warning",
        "Give the path of a file or folder on the kernel's machine.",
    )
    (tmp_path / "junk").mkdir()
    (tmp_path / "junk" / "a.txt").write_text("x")
    talk.say("add", path=str(tmp_path / "junk"))
    panel.wait()
    assert "1 other files were passed over" in panel.said[1]


def test_a_named_file_that_is_no_dicom_is_left_out_with_its_reason(
    folder: dn.Archive, tmp_path: Path
) -> None:
    from pydicom.dataset import Dataset

    bare = Dataset()
    source = dcmread(CT)
    bare.update({element.tag: element for element in source if element.tag.group < 0x7FE0})
    path = tmp_path / "bare.dcm"
    bare.save_as(path, implicit_vr=False, little_endian=True)
    (tmp_path / "a.txt").write_text("text")
    files = UploadPanel(folder).add(path).add(tmp_path / "a.txt").wait().files
    assert files["State"].tolist() == ["left out"] * 2
    assert "bare data set without preamble" in files["Reason"][0]
    assert files["Reason"][1] == "not DICOM"


def test_a_path_twice_and_a_glob_are_listed_once(folder: dn.Archive, scans: Path) -> None:
    panel = UploadPanel(folder).add(scans / "deep" / "0.dcm").wait()
    panel.add(str(scans / "deep" / "*.dcm")).wait()
    assert panel.files["State"].tolist() == ["ready", "left out", "ready", "ready"]
    assert panel.files["Reason"][1] == "listed already"
    assert panel.store().wait().outcome["Outcome"].tolist() == ["stored"] * 3


def test_what_was_stored_may_be_sent_again(folder: dn.Archive, scans: Path) -> None:
    panel = UploadPanel(folder).add(scans / "deep" / "0.dcm").wait().store().wait()
    folder.delete(panel.outcome.iloc[0])
    panel.add(scans / "deep").wait()
    assert panel.files["State"].tolist() == ["stored", "ready", "ready", "ready", "left out"]
    assert panel.store().wait().outcome["Outcome"].tolist() == ["stored"] * 4


# -- from a browser -------------------------------------------------------------------------------


def test_a_file_comes_in_pieces_and_goes_when_it_is_stored(
    server: dn.Archive, tmp_path: Path, own_temporary_folder: Path
) -> None:
    data = own_instance(tmp_path / "a.dcm").read_bytes()
    panel = UploadPanel(server).wait()
    talk = Talk(panel)
    talk.offer(("k1", "../../../../etc/cron.d/x", data))
    assert talk.wanted() == [["k1", 0]]
    assert panel.busy == "Receiving 1 file…"
    talk.bring("k1", data, piece=10_000)
    (spool,) = own_temporary_folder.iterdir()
    assert stat.S_IMODE(spool.stat().st_mode) == 0o700
    kept = [one for one in spool.iterdir() if one.name != "in-use"]
    assert [one.read_bytes() for one in kept] == [data]
    assert [stat.S_IMODE(one.stat().st_mode) for one in spool.iterdir()] == [0o600, 0o600]
    assert panel.busy == ""
    assert panel.files["State"].tolist() == ["ready"]

    panel.store().wait()
    (row,) = panel.outcome.to_dict("records")
    assert (row["Outcome"], row["Name"]) == ("stored", "../../../../etc/cron.d/x")
    assert pd.isna(row["File"])
    stored = server.datasets(panel.outcome[["StudyInstanceUID"]])
    assert [one.SOPInstanceUID for one in stored] == [row["SOPInstanceUID"]]
    assert list(own_temporary_folder.iterdir()) == []


def test_what_goes_beyond_the_limit_is_refused_before_it_travels(folder: dn.Archive) -> None:
    data = CT.read_bytes()
    panel = UploadPanel(folder, limit_bytes=len(data) + 1000).wait()
    talk = Talk(panel)
    talk.say("hello")
    assert (talk.state["limit"], talk.state["room"]) == (len(data) + 1000, len(data) + 1000)
    talk.offer(("a", "a.dcm", data), ("b", "b.dcm", data), ("c", "c.txt", b"x" * 500))
    assert talk.wanted() == [["a", 0]]
    assert panel.files["State"].tolist() == ["arriving", "left out", "left out"]
    assert "too large: 39.2 kB, and 1.00 kB are left (of the limit)" in panel.files["Reason"][1]
    assert panel.files["Reason"][2] == "not DICOM"
    level, words = panel.said
    assert level == "warning"
    assert words.startswith("'b.dcm' left out, too large: 39.2 kB")
    with pytest.raises(ValueError, match="limit_bytes"):
        UploadPanel(folder, limit_bytes=0)


def test_a_full_disk_bounds_what_is_taken(folder: dn.Archive, monkeypatch: Any) -> None:
    usage = shutil.disk_usage("/")
    free = receiving.RESERVE_BYTES + 1000
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=free))
    panel = UploadPanel(folder).wait()
    talk = Talk(panel)
    talk.offer(("a", "a.dcm", CT.read_bytes()))
    assert talk.wanted() == []
    assert "1.00 kB are left (free on the kernel's machine)" in panel.files["Reason"][0]


def test_a_disk_that_fills_up_is_told(folder: dn.Archive, monkeypatch: Any) -> None:
    def full(self: Spool, key: str, at: int, data: memoryview) -> bool:
        raise DiskFull("The disk is full. Make room.")

    monkeypatch.setattr(Spool, "write", full)
    panel = UploadPanel(folder).wait()
    talk = Talk(panel)
    talk.offer(("a", "a.dcm", CT.read_bytes()))
    talk.bring("a", CT.read_bytes())
    assert panel.said == ("error", "The disk is full. Make room.")
    assert panel.files["Reason"].tolist() == ["the disk is full"]
    assert panel.busy == ""


def test_where_no_file_can_be_made_nothing_waits_for_ever(
    folder: dn.Archive, monkeypatch: Any
) -> None:
    def full(**names: Any) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    panel = UploadPanel(folder).wait()
    talk = Talk(panel)
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "mkdtemp", full)
        talk.offer(("a", "a.dcm", CT.read_bytes()), ("b", "b.txt", b"no DICOM"))
    assert panel.files["Reason"].tolist() == [
        "it cannot be kept: No space left on device",
        "not DICOM",
    ]
    assert (panel.busy, talk.wanted()) == ("", [])
    talk.offer(("c", "a.dcm", CT.read_bytes()))
    assert talk.wanted() == [["c", 0]]


def test_pieces_again_are_passed_over_and_gaps_are_told(folder: dn.Archive) -> None:
    data = CT.read_bytes()
    panel = UploadPanel(folder).wait()
    talk = Talk(panel)
    talk.offer(("a", "a.dcm", data), ("b", "b.dcm", b"".join([data, b"\0\0"])))
    talk.say("pieces", data[:1000], sender="p", load=1, pieces=[["a", 0]])
    talk.say("pieces", data[:1000], sender="p", load=1, pieces=[["a", 0]])
    talk.say("pieces", data[1000:], data[5:9], sender="p", load=2, pieces=[["a", 1000], ["b", 5]])
    panel.wait()
    assert panel.files["State"].tolist() == ["ready", "left out"]
    assert "a piece of it was lost" in panel.files["Reason"][1]
    assert panel._spool.path("a").read_bytes() == data
    assert [one["load"] for one in talk.heard if one["kind"] == "got"] == [1, 1, 2]


def test_the_same_file_again_does_not_travel(folder: dn.Archive) -> None:
    data = CT.read_bytes()
    panel = UploadPanel(folder).wait()
    talk = Talk(panel)
    talk.offer(("a", "a.dcm", data))
    talk.bring("a", data)
    talk.offer(("b", "a.dcm", data))
    assert talk.wanted() == [["a", 0]]
    assert panel.files["Reason"][1] == "listed already"


def test_cancel_while_files_arrive(folder: dn.Archive, own_temporary_folder: Path) -> None:
    data = CT.read_bytes()
    panel = UploadPanel(folder).wait()
    talk = Talk(panel)
    talk.offer(("a", "a.dcm", data))
    talk.say("pieces", data[:9], sender="p", load=1, pieces=[["a", 0]])
    talk.say("cancel")
    assert (panel.busy, panel.said) == ("", ("info", "Cancelled; 1 file did not arrive."))
    assert {"kind": "drop", "keys": ["a"]} in talk.heard
    assert list(own_temporary_folder.iterdir()) == []
    talk.say("pieces", data[9:], sender="p", load=2, pieces=[["a", 9]])  # was on its way
    assert panel.wait().files["State"].tolist() == ["left out"]
    talk.offer(("b", "a.dcm", data))  # may be chosen again
    assert talk.wanted()[-1] == ["b", 0]


def test_what_arrives_is_counted_without_what_came_before(folder: dn.Archive, scans: Path) -> None:
    panel = UploadPanel(folder).wait()
    talk = Talk(panel)
    first, second = ((scans / "deep" / f"{number}.dcm").read_bytes() for number in (0, 1))
    talk.offer(("a", "a.dcm", first))
    talk.bring("a", first)
    talk.offer(("b", "b.dcm", second), ("c", "c.dcm", CT.read_bytes()))
    assert panel.busy == "Receiving 2 files…"
    panel._told = 0.0
    talk.say("pieces", second, sender="p", load=1, pieces=[["b", 0]])
    told = [one for one in talk.heard if one["kind"] == "progress"][-1]
    assert (told["done"], told["total"]) == (1, 2)
    assert (told["bytes"], told["bytes_total"]) == (len(second), len(second) + CT.stat().st_size)
    talk.say("pieces", CT.read_bytes()[:1000], sender="p", load=2, pieces=[["c", 0]])
    talk.offer(("d", "d.dcm", CT.read_bytes() + b"d"))
    talk.say("gone", keys=["c"])
    panel._told = 0.0
    talk.say("pieces", b"", sender="p", load=3, pieces=[["d", 0]])
    told = [one for one in talk.heard if one["kind"] == "progress"][-1]
    assert (told["done"], told["total"], told["bytes"]) == (1, 2, len(second))


def test_what_arrives_is_said_on_when_other_work_is_done(folder: dn.Archive, scans: Path) -> None:
    panel = UploadPanel(folder).wait()
    talk = Talk(panel)
    data = CT.read_bytes()
    talk.offer(("a", "a.dcm", data))
    panel.add(scans / "deep").wait()
    assert panel.busy == "Receiving 1 file…"
    go = threading.Event()
    panel._begin("Looking…", lambda cancel: go.wait(60), lambda found: None)
    assert panel.busy == "Receiving 1 file…"
    talk.say("cancel")
    assert panel.busy == "Looking…"
    go.set()
    assert panel.wait().busy == ""


def test_a_page_that_goes_takes_its_files_along(
    folder: dn.Archive, own_temporary_folder: Path
) -> None:
    data = CT.read_bytes()
    panel = UploadPanel(folder).wait()
    talk = Talk(panel)
    talk.offer(("a", "a.dcm", data), ("b", "b.dcm", data + b"\0\0"))
    talk.bring("a", data)
    talk.say("pieces", data[:9], sender="p", load=1, pieces=[["b", 0]])
    talk.say("gone", keys=["a", "b"])
    assert panel.files["State"].tolist() == ["ready", "left out"]
    assert "its page was closed" in panel.files["Reason"][1]
    assert panel.busy == ""
    panel.clear()
    assert list(own_temporary_folder.iterdir()) == []


def test_a_page_that_is_silent_is_asked_and_given_up(
    folder: dn.Archive, own_temporary_folder: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(UploadPanel, "patience_seconds", 0.05)
    data = CT.read_bytes()
    panel = UploadPanel(folder).wait()
    talk = Talk(panel)
    hear = panel.send

    def send(content: dict[str, Any], buffers: Any = None) -> None:
        if content["kind"] == "roll":  # from now on it is the test that lets time pass
            monkeypatch.setattr(UploadPanel, "patience_seconds", SECONDS)
        hear(content, buffers)

    panel.send = send  # type: ignore[method-assign]
    talk.offer(("a", "a.dcm", data), ("b", "b.dcm", data + b"\0\0"))
    talk.say("pieces", data[:9], sender="p", load=1, pieces=[["a", 0]])

    until(lambda: panel.wait() and {"kind": "roll"} in talk.heard)
    talk.say("here", keys=["a"])
    # It goes on from what has come; what no page has is left out.
    assert talk.heard[-1] == {"kind": "want", "files": [["a", 9]], "again": True}
    assert panel._timer is not None
    panel._timer.function()
    assert panel.wait().files["State"].tolist() == ["arriving", "left out"]
    talk.say("pieces", data[9:], sender="p", load=2, pieces=[["a", 9]])
    assert panel.wait().files["State"].tolist() == ["ready", "left out"]
    panel.close()
    assert list(own_temporary_folder.iterdir()) == []


def test_what_the_browser_cannot_read_is_told(folder: dn.Archive) -> None:
    panel = UploadPanel(folder).wait()
    talk = Talk(panel)
    talk.say("offer", files=[["a", "a.dcm", 5, 1.0, "", "it was removed"]])
    talk.offer(("b", "b.dcm", CT.read_bytes()))
    talk.say("unreadable", key="b", words="it was changed")
    assert panel.files["Reason"].tolist() == [
        "cannot be read: it was removed",
        "cannot be read: it was changed",
    ]
    assert panel.busy == ""


def test_copies_go_with_the_panel_and_with_the_process(
    folder: dn.Archive, own_temporary_folder: Path
) -> None:
    panel = UploadPanel(folder).wait()
    talk = Talk(panel)
    talk.offer(("a", "a.dcm", CT.read_bytes()))
    assert len(list(own_temporary_folder.iterdir())) == 1
    panel.close()
    assert list(own_temporary_folder.iterdir()) == []

    code = (
        "import sys, tempfile; tempfile.tempdir = sys.argv[1]\n"
        "from dicomnb.widgets.receiving import Spool\n"
        "spool = Spool(10**9); spool.begin('a', 4); spool.write('a', 0, memoryview(b'abcd'))\n"
        "print(spool.path('a').read_bytes(), flush=True)\n"
    )
    run = [sys.executable, "-c"]
    told = subprocess.run(
        [*run, code, own_temporary_folder], capture_output=True, text=True, check=True
    )
    assert told.stdout == "b'abcd'\n"
    assert list(own_temporary_folder.iterdir()) == []
    killed = subprocess.run(
        [*run, code + "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
         own_temporary_folder], capture_output=True, check=False
    )  # fmt: skip
    assert killed.returncode == -9
    (left,) = own_temporary_folder.iterdir()
    # A process that was killed cannot tidy up: the next one does, once nobody holds the lock.
    os.utime(left / "in-use", (1, 1))
    spool = Spool(100)
    spool.begin("a", 4)
    assert not left.exists()
    (own,) = own_temporary_folder.iterdir()
    os.utime(own / "in-use", (1, 1))
    other = Spool(100)
    other.begin("b", 4)
    assert own.exists()
    spool.close()
    other.close()


# -- outcomes ----------------------------------------------------------------------------------


def test_outcomes_are_told_apart(server: dn.Archive, tmp_path: Path) -> None:
    first = own_instance(tmp_path / "first.dcm")
    other = own_instance(tmp_path / "other.dcm")
    changed = dcmread(first)
    changed.PatientID = NASTY
    server.store([first, other])
    changed.save_as(tmp_path / "first.dcm")
    new = own_instance(tmp_path / "new.dcm", patient=NASTY)
    panel = UploadPanel(server)
    talk = Talk(panel)
    for path in (first, other, new):
        panel.add(path)
    outcome = panel.wait().store().wait().outcome
    assert outcome["Outcome"].tolist() == ["conflict", "already there", "stored"]
    assert panel.said == ("warning", "2 of 3 stored. Retry failed sends the others once more.")
    assert [one["state"] for one in talk.rows("not stored")] == ["conflict"]
    assert talk.rows("stored")[1]["id"] == NASTY
    server.delete(panel.outcome.iloc[0])
    panel.retry().wait()
    assert panel.outcome["Outcome"].tolist() == ["stored", "already there", "stored"]
    assert panel.said == ("done", "1 of 1 stored.")


def test_a_file_that_changes_or_vanishes_costs_its_row(folder: dn.Archive, scans: Path) -> None:
    panel = UploadPanel(folder).add(scans / "deep" / "*.dcm").wait()
    (scans / "deep" / "0.dcm").unlink()
    (scans / "deep" / "1.dcm").write_text("now it is text")
    outcome = panel.store().wait().outcome
    assert outcome["Outcome"].tolist() == ["failed", "failed", "stored"]
    assert "No such file" in outcome["Reason"][0]
    assert "DICM" in outcome["Reason"][1] or "not DICOM" in outcome["Reason"][1]
    shutil.copy(scans / "deep" / "er" / "again.dcm", scans / "deep" / "1.dcm")
    outcome = panel.retry().wait().outcome
    assert outcome["Outcome"].tolist() == ["failed", "stored", "stored"]


def test_a_server_that_fails_is_retried(server: dn.Archive, scans: Path, monkeypatch: Any) -> None:
    store, answers = server.source.store, [dn.ServerError("It broke.", status=503)]

    def failing(*arguments: Any, **options: Any) -> Any:
        if answers:
            raise answers.pop()
        return store(*arguments, **options)

    monkeypatch.setattr(server.source, "store", failing)
    panel = UploadPanel(server).add(scans).wait().store().wait()
    assert panel.outcome["Outcome"].tolist() == ["failed"] * 3
    assert panel.said[0] == "error"
    assert panel.said[1].startswith("It broke. (HTTP 503)")
    assert panel.said[1].endswith("0 of 3 stored. Retry failed sends the others once more.")
    panel.retry().wait()
    assert panel.outcome["Outcome"].tolist() == ["stored"] * 3


def test_cancel_keeps_the_outcomes_so_far(tmp_path: Path, folder: dn.Archive) -> None:
    scans = tmp_path / "many"
    scans.mkdir()
    for number in range(BATCH_INSTANCES + 20):
        own_instance(scans / f"{number:03}.dcm")
    archive = dn.connect(folder.source.address, options=dn.Options(writable=True, workers=1))
    panel = UploadPanel(archive).add(scans).wait()
    store = archive.source.store

    def cancelling(*arguments: Any, **options: Any) -> Any:
        panel.cancel()
        return store(*arguments[:1], **{**options, "cancel": None})

    archive.source.store = cancelling  # type: ignore[method-assign]
    panel.store().wait()
    counts = panel.outcome["Outcome"].value_counts()
    assert counts.to_dict() == {"stored": BATCH_INSTANCES, "failed": 20}
    total = BATCH_INSTANCES + 20
    assert panel.said[1].startswith(f"Cancelled. {BATCH_INSTANCES} of {total} stored.")
    del archive.source.store
    panel.retry().wait()
    assert panel.outcome["Outcome"].tolist() == ["stored"] * total
    assert len(folder.source.abilities().deletes) == 3


def test_bytes_are_told_while_a_large_file_is_sent(server: dn.Archive, tmp_path: Path) -> None:
    path = own_instance(tmp_path / "large.dcm")
    large = dcmread(path)
    large.Rows, large.Columns, large.PixelData = 1024, 16384, os.urandom(32 << 20)
    large.save_as(path)
    panel = UploadPanel(server).add(path).wait()
    talk = Talk(panel)
    assert panel.store().wait().outcome["Outcome"].tolist() == ["stored"]
    told = [one for one in talk.heard if one["kind"] == "progress"]
    size = path.stat().st_size
    assert {one["bytes_total"] for one in told} == {size}
    assert any(0 < one["bytes"] < size and one["done"] == 0 for one in told)
    assert all(one["bytes"] <= size for one in told)
    (stored,) = (tmp_path / "served").rglob("*.dcm")
    assert stored.read_bytes() == path.read_bytes()


def test_a_new_archive_begins_anew(folder: dn.Archive, server: dn.Archive, scans: Path) -> None:
    panel = UploadPanel(folder).add(scans / "deep" / "0.dcm").wait().store().wait()
    panel.add(scans / "deep" / "1.dcm").wait()
    panel.archive = server
    panel.wait()
    assert panel.outcome.empty
    assert panel.files["State"].tolist() == ["ready"]
    assert panel.store().wait().outcome["Outcome"].tolist() == ["stored"]
    assert len(server.instances()) == len(folder.instances()) == 1


@pytest.mark.parametrize("there", [0, 2])
def test_another_archive_while_files_are_sent(
    server: dn.Archive, folder: dn.Archive, scans: Path, monkeypatch: Any, there: int
) -> None:
    """What went to the one before is not taken for what the new one has."""
    panel = UploadPanel(server).add(scans / "deep" / "0.dcm").add(scans / "deep" / "1.dcm").wait()
    inside, go, store = threading.Event(), threading.Event(), server.source.store

    def waiting(uploads: Any, **options: Any) -> Any:
        done = store(uploads, **options) if there else None
        inside.set()
        assert go.wait(60)
        return done or store(uploads, **options)

    monkeypatch.setattr(server.source, "store", waiting)
    panel.store()
    assert inside.wait(60)
    panel.archive = folder
    go.set()
    panel.wait()
    assert panel.outcome.empty
    assert len(server.instances()) == there
    words = f"{there} of 2 stored in {server.source.address}, before another archive was chosen."
    assert panel.said == ("warning", words + ("" if there else " The others are listed still."))
    assert panel.files["State"].tolist() == ["ready"] * (2 - there)
    panel.store().wait()
    assert len(folder.instances()) == 2 - there


def test_nothing_is_sent_twice_at_a_time(server: dn.Archive, scans: Path) -> None:
    panel = UploadPanel(server).add(scans / "deep" / "0.dcm").wait()
    panel.store()
    for again in (panel.store, panel.retry):
        with pytest.raises(dn.DicomnbError, match="being sent"):
            again()
    assert panel.wait().outcome["Outcome"].tolist() == ["stored"]


def test_read_only_places_say_so_up_front(scans: Path) -> None:
    panel = UploadPanel(dn.connect(scans)).wait()
    talk = Talk(panel)
    talk.say("hello")
    assert "writable=True" in talk.state["cannot"]
    talk.say("store")
    assert panel.said[0] == "warning"
    talk.offer(("a", "a.dcm", CT.read_bytes()))
    talk.say("add", path=str(scans))
    assert len(panel.wait().files) == 0
    with dn.serve(scans) as url:
        panel.archive = dn.connect(url)
        assert "read-only" in panel.wait()._cannot
    panel.archive = None
    assert "connect to one" in panel._cannot
    with pytest.raises(dn.DicomnbError, match="no archive"):
        panel.store()


def test_a_server_that_does_not_answer_can_be_asked_again(
    server: dn.Archive, monkeypatch: Any
) -> None:
    with monkeypatch.context() as patch:

        def silent() -> Any:
            raise dn.ConnectionFailed("No answer.")

        patch.setattr(server.source, "abilities", silent)
        panel = UploadPanel(server).wait()
    talk = Talk(panel)
    talk.say("hello")
    assert panel.said == ("error", "No answer.")
    assert talk.state["unasked"]
    assert talk.state["cannot"] == "The archive did not say whether it can store."
    talk.say("look")
    panel.wait()
    assert (talk.state["cannot"], talk.state["unasked"]) == ("", False)


# -- pictures ------------------------------------------------------------------------------------


def test_pictures_join_the_study_that_is_chosen(server: dn.Archive, scans: Path) -> None:
    (scans / "bad.jpg").write_bytes(b"\xff\xd8\xff broken")
    panel = UploadPanel(server).add(scans).wait()
    talk = Talk(panel)
    talk.say("hello")
    assert talk.state["pictures"] == 2
    assert talk.state["sendable"] == 3
    (study,) = talk.state["studies"]
    assert study["label"].startswith("CompressedSamples, CT1 · P1 · 2004-01-19")
    talk.say("like", study=study["study"])
    assert talk.state["sendable"] == 5
    assert talk.state["like"] == study["study"]
    panel.store().wait()
    outcome = panel.outcome.set_index(panel.outcome["Name"].map(lambda name: Path(name).name))
    assert outcome["Outcome"].to_dict() == {
        **dict.fromkeys(["0.dcm", "1.dcm", "2.dcm", "photo.jpg"], "stored"),
        "bad.jpg": "failed",
    }
    assert set(outcome["StudyInstanceUID"]) == {study["study"]}
    made = server.dataset(outcome.loc["photo.jpg"])
    assert (made.PatientID, made.LossyImageCompression) == ("P1", "01")
    shutil.copy(scans / "photo.jpg", scans / "bad.jpg")
    uid = outcome.loc["bad.jpg", "SOPInstanceUID"]
    panel.retry().wait()
    assert panel.outcome["Outcome"].tolist() == ["stored"] * 5
    assert uid in set(server.instances()["SOPInstanceUID"])


def test_a_picture_joins_a_study_that_was_sent_already(server: dn.Archive, scans: Path) -> None:
    data = (scans / "deep" / "0.dcm").read_bytes()
    panel = UploadPanel(server).wait()
    talk = Talk(panel)
    talk.offer(("a", "a.dcm", data))
    talk.bring("a", data)
    panel.store().wait()
    assert panel.outcome["Outcome"].tolist() == ["stored"]
    panel.add(scans / "photo.jpg").wait()
    talk.say("hello")
    (study,) = talk.state["studies"]
    talk.say("like", study=study["study"])
    assert talk.state["like"] == study["study"]
    panel.store().wait()
    assert panel.outcome["Outcome"].tolist() == ["stored", "stored"]
    made = server.dataset(panel.outcome.iloc[1])
    assert (made.PatientID, made.StudyInstanceUID) == ("P1", study["study"])
    talk.say("like", study="1.2.3")
    assert panel.like is None


def test_pictures_of_the_browser_travel_when_there_is_a_study_for_them(
    server: dn.Archive, scans: Path
) -> None:
    server.store(scans / "deep" / "0.dcm")
    picture = (scans / "photo.jpg").read_bytes()
    panel = UploadPanel(server).wait()
    talk = Talk(panel)
    talk.offer(("a", NASTY, picture))
    assert talk.wanted() == []
    panel.like = server.studies().iloc[0]
    assert talk.wanted() == [["a", 0]]
    talk.bring("a", picture)
    assert talk.state["like"] == "given"
    assert panel.store().wait().outcome["Outcome"].tolist() == ["stored"]
    assert len(server.instances()) == 2


# -- other servers -------------------------------------------------------------------------------


def test_orthanc_and_google(orthanc: Orthanc, tmp_path: Path, scans: Path) -> None:
    path = own_instance(tmp_path / "a.dcm", StudyInstanceUID=generate_uid())
    data = path.read_bytes()
    panel = UploadPanel(dn.connect(orthanc.url)).wait()
    talk = Talk(panel)
    talk.offer(("a", "a.dcm", data))
    talk.bring("a", data)
    outcome = panel.store().wait().outcome
    assert outcome["Outcome"].tolist() == ["stored"]
    uid = outcome["StudyInstanceUID"].iloc[0]
    (found,) = orthanc.ask("/tools/lookup", uid.encode(), "POST")  # type: ignore[misc]
    orthanc.ask(found["Path"], method="DELETE")

    (tmp_path / "google").mkdir()
    server = dn.serve(tmp_path / "google", flavour="google", writable=True)
    try:
        archive = dn.connect(server.url, auth=dn.Bearer(server.token))
        panel = UploadPanel(archive).add(scans / "deep" / "0.dcm").wait().store().wait()
        assert panel.outcome["Outcome"].tolist() == ["stored"]
    finally:
        server.close()


# -- what is kept --------------------------------------------------------------------------------


CELL = """
import dicomnb as dn
archive = dn.connect({folder!r}, options=dn.Options(writable=True))
panel = dn.widgets.UploadPanel(archive)
panel.add({scans!r}).wait().store().wait()
assert panel.outcome["Outcome"].tolist() == ["stored"] * 3
panel
"""


def test_a_saved_notebook_holds_nothing(folder: dn.Archive, scans: Path) -> None:
    cell = nbformat.v4.new_code_cell(CELL.format(folder=folder.source.address, scans=str(scans)))
    notebook = nbformat.v4.new_notebook(cells=[cell])
    NotebookClient(notebook, store_widget_state=True, timeout=120).execute()
    notebook.cells[0].source = ""
    text = nbformat.writes(notebook)
    assert "application/vnd.jupyter.widget-state+json" in text
    folder.refresh()
    held = folder.instances()
    for word in ("CompressedSamples", "P1", str(scans), *held["SOPInstanceUID"]):
        assert f'"{word}' not in text
        assert word == "P1" or word not in text
    assert "UploadPanel: 8 files" in text


def test_nothing_is_synced_but_the_front_end(folder: dn.Archive) -> None:
    own = {name for name in UploadPanel(folder).keys if not name.startswith("_")}
    assert own <= {"layout", "tabbable", "tooltip"}
