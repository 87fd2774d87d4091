"""Downloads: whole files, once, where the layout says, going on after anything."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import namedtuple
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

import dicomnb as dn
from dicomnb.transfer import download as engine
from dicomnb.transfer.events import Progress
from dicomnb.transfer.layout import Layout, beside
from dicomnb.transfer.ledger import LEDGER_NAME, Ledger
from tests.conftest import SECONDS, real_file
from tests.transfer.series_server import REF, SERIES, STUDY, SeriesServer, slices
from tests.web.raw_server import response

pytestmark = pytest.mark.usefixtures("fast_line")

FILES = slices(20)
UIDS = list(FILES)


@pytest.fixture
def server() -> SeriesServer:
    return SeriesServer(dict(FILES))


def path_of(folder: Path, uid: str) -> Path:
    return folder / STUDY / SERIES / f"{uid}.dcm"


def check_files(folder: Path, uids=UIDS) -> None:
    found = {path.name: path.read_bytes() for path in folder.rglob("*.dcm")}
    assert found == {f"{uid}.dcm": FILES[uid] for uid in uids}
    assert not list(folder.rglob("*.part"))


def test_one_row_an_instance_in_the_lists_order(raw, server: SeriesServer, tmp_path: Path) -> None:
    table = server.start(raw).download(REF, tmp_path)
    assert table["SOPInstanceUID"].tolist() == UIDS
    assert set(table["Outcome"]) == {"downloaded"}
    assert table["Bytes"].tolist() == [len(data) for data in FILES.values()]
    assert table["SHA256"].tolist() == [hashlib.sha256(data).hexdigest() for data in FILES.values()]
    assert server.asked == {None: 1}
    check_files(tmp_path)


def test_what_is_whole_is_not_fetched_again(raw, server: SeriesServer, tmp_path: Path) -> None:
    archive = server.start(raw)
    first = archive.download(REF, tmp_path)
    server.asked.clear()
    again = archive.download(REF, tmp_path)
    assert server.asked == {}
    assert set(again["Outcome"]) == {"already there"}
    for column in ("SOPInstanceUID", "File", "Bytes", "SHA256"):
        assert again[column].tolist() == first[column].tolist()
    path_of(tmp_path, UIDS[3]).unlink()
    path_of(tmp_path, UIDS[5]).unlink()
    third = archive.download(REF, tmp_path)
    assert server.asked == {UIDS[3]: 1, UIDS[5]: 1}
    assert third["SOPInstanceUID"].tolist() == UIDS
    assert third["Outcome"].tolist().count("downloaded") == 2
    check_files(tmp_path)


def test_a_file_that_was_changed_is_not_believed(raw, server: SeriesServer, tmp_path: Path) -> None:
    archive = server.start(raw)
    archive.download(REF, tmp_path)
    changed = path_of(tmp_path, UIDS[0])
    changed.write_bytes(changed.read_bytes()[:-1] + b"x")
    touched = path_of(tmp_path, UIDS[1])
    touched.write_bytes(touched.read_bytes())
    server.asked.clear()
    table = archive.download(REF, tmp_path).set_index("SOPInstanceUID")
    assert set(server.asked) == {UIDS[0]}
    assert table.loc[UIDS[0], "Outcome"] == "conflict"
    assert table.loc[UIDS[1], "Outcome"] == "already there"
    assert changed.read_bytes().endswith(b"x")


def test_verify_reads_again(raw, server: SeriesServer, tmp_path: Path) -> None:
    archive = server.start(raw)
    archive.download(REF, tmp_path)
    rotten = path_of(tmp_path, UIDS[0])
    status = rotten.stat()
    rotten.write_bytes(rotten.read_bytes()[:-1] + b"x")
    os.utime(rotten, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert set(archive.download(REF, tmp_path)["Outcome"]) == {"already there"}
    table = archive.download(REF, tmp_path, verify=True)
    assert table["Outcome"].tolist() == ["conflict"] + ["already there"] * 19


def test_files_of_another_tool_are_compared_and_kept(
    raw, server: SeriesServer, tmp_path: Path
) -> None:
    path_of(tmp_path, UIDS[0]).parent.mkdir(parents=True)
    path_of(tmp_path, UIDS[0]).write_bytes(FILES[UIDS[0]])
    archive = server.start(raw)
    table = archive.download(REF, tmp_path)
    assert table["Outcome"].tolist() == ["already there"] + ["downloaded"] * 19
    server.asked.clear()
    archive.download(REF, tmp_path)
    assert server.asked == {}


def test_another_servers_entries_are_not_believed(tmp_path: Path, raw) -> None:
    SeriesServer(dict(FILES)).start(raw).download(REF, tmp_path)
    other = SeriesServer({uid: data[:-2] + b"yy" for uid, data in FILES.items()})
    table = other.start(raw).download(REF, tmp_path)
    assert set(table["Outcome"]) == {"conflict"}
    check_files(tmp_path)


@pytest.mark.parametrize("torn", ["{", '{"source": "', "\0\0", "[1]\nnull\n{}", '{"a": 1}'])
def test_a_torn_list_is_read_as_far_as_it_goes(
    raw, server: SeriesServer, tmp_path: Path, torn: str
) -> None:
    archive = server.start(raw)
    archive.download(REF, tmp_path)
    ledger = tmp_path / LEDGER_NAME
    lines = ledger.read_text().splitlines(keepends=True)
    ledger.write_text("".join(lines[:10]) + torn)
    server.asked.clear()
    table = archive.download(REF, tmp_path)
    assert set(table["Outcome"]) == {"already there"}
    assert sum(server.asked.values()) == 10
    server.asked.clear()
    archive.download(REF, tmp_path)
    assert server.asked == {}


def test_a_list_that_leads_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    secret = tmp_path / "secret"
    secret.write_bytes(b"x")
    status = secret.stat()
    for file in ("../secret", str(secret)):
        entry = {
            "source": "s", "study": "1.2", "series": "1.3", "instance": "1.4", "syntax": "*",
            "file": file, "size": 1, "time": status.st_mtime_ns, "sha256": "0",
        }  # fmt: skip
        (folder / LEDGER_NAME).write_text(json.dumps(entry) + "\n")
        with Ledger(folder, source="s", syntax="*") as ledger:
            assert ledger.whole(dn.Ref("1.2", "1.3", "1.4")) is None


def test_a_failed_instance_is_a_row(raw, server: SeriesServer, tmp_path: Path) -> None:
    def fault(server: SeriesServer, request, uid, count):
        if uid is None:
            return server.cut(server.files, 9000)
        if uid == UIDS[7]:
            return response(b"the disk is dusty", status=404, kind=None)
        if uid == UIDS[8]:
            return server.cut([uid], 500)
        if uid == UIDS[9]:
            return server.answer([UIDS[0]])
        return None

    server.fault = fault
    archive = server.start(raw, keep=False)
    table = archive.download(REF, tmp_path).set_index("SOPInstanceUID")
    failed = table[table["Outcome"] == "failed"]
    assert set(failed.index) == {UIDS[7], UIDS[8], UIDS[9]}
    assert "the disk is dusty" in failed.loc[UIDS[7], "Reason"]
    assert "not whole" in failed.loc[UIDS[8], "Reason"]
    assert "was sent" in failed.loc[UIDS[9], "Reason"]
    assert failed["File"].isna().all()
    assert failed["SHA256"].isna().all()
    assert server.asked[UIDS[8]] == 3
    check_files(tmp_path, [uid for uid in UIDS if uid not in failed.index])
    server.fault = lambda *_: None
    server.asked.clear()
    table = archive.download(REF, tmp_path)
    assert set(server.asked) == set(failed.index)
    assert "failed" not in set(table["Outcome"])
    check_files(tmp_path)


def test_a_series_that_is_not_there_is_a_row_among_others(
    raw, server: SeriesServer, tmp_path: Path
) -> None:
    archive = server.start(raw)
    missing = dn.Ref(STUDY, SERIES, "1.2.3.4.5")
    table = archive.download([dn.Ref(STUDY, SERIES, UIDS[0]), missing], tmp_path)
    assert table["Outcome"].tolist() == ["downloaded", "failed"]
    assert "HTTP 404" in table["Reason"][1]
    with pytest.raises(dn.NotFound):
        archive.download(missing, tmp_path)


@pytest.mark.parametrize(("status", "kind"), [(401, dn.AuthError), (403, dn.AuthError)])
def test_what_concerns_all_is_raised(raw, server, tmp_path: Path, status: int, kind) -> None:
    server.fault = lambda *_: response(b"go away", status=status, kind=None)
    with pytest.raises(kind, match="go away"):
        server.start(raw).download(REF, tmp_path)


def test_a_server_that_goes_away_ends_it_soon(raw, server: SeriesServer, tmp_path: Path) -> None:
    archive = server.start(raw, workers=1)
    rows = archive.instances(REF)
    archive.download(rows.head(1), tmp_path)
    server.raw.close()
    archive.close()
    with pytest.raises(dn.ConnectionFailed):
        archive.download(rows, tmp_path)
    check_files(tmp_path, UIDS[:1])


def test_a_full_disk(raw, server: SeriesServer, tmp_path: Path, monkeypatch) -> None:
    usage = namedtuple("usage", "total used free")
    free = [10 << 30]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1, 1, free[0]))
    archive = server.start(raw, workers=1)

    def tell(progress: Progress) -> None:
        if progress.done == 5:
            free[0] = 1 << 20

    with pytest.raises(dn.DiskFull, match="same call goes on"):
        archive.download(REF, tmp_path, progress=tell)
    check_files(tmp_path, UIDS[:5])
    free[0] = 10 << 30
    server.asked.clear()
    assert archive.download(REF, tmp_path)["Outcome"].tolist().count("downloaded") == 15
    assert set(server.asked) == set(UIDS[5:])


def test_a_disk_that_fills_while_writing(raw, server, tmp_path: Path, monkeypatch) -> None:
    def full(self, part, file):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(engine._Download, "_copied", full)
    with pytest.raises(dn.DiskFull) as caught:
        server.start(raw).download(REF, tmp_path)
    assert isinstance(caught.value, OSError)
    assert not list(tmp_path.rglob("*.part"))


def test_too_much_for_the_disk_is_said_before_it_is_full(
    raw, server: SeriesServer, tmp_path: Path, monkeypatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1, 1, 12 << 20))
    monkeypatch.setattr(engine, "RESERVE_BYTES", 0)
    big = slices(20, rows=800)
    with pytest.warns(dn.DicomnbWarning, match="will stop with DiskFull"):
        SeriesServer(big).start(raw).download(REF, tmp_path)


def test_progress_tells_bytes_speed_and_time_left(raw, server, tmp_path: Path) -> None:
    archive = server.start(raw)
    told: list[Progress] = []
    archive.download(REF, tmp_path, progress=told.append)
    assert [one.done for one in told if one.done] == sorted(one.done for one in told if one.done)
    last = told[-1]
    total = sum(map(len, FILES.values()))
    assert (last.done, last.total, last.bytes_done, last.failed) == (20, 20, total, 0)
    assert last.bytes_total == total
    assert last.seconds_left == 0
    assert last.speed > 0
    assert told[0].seconds_left is None or told[0].seconds_left >= 0
    told.clear()
    path_of(tmp_path, UIDS[0]).unlink()
    archive.download(REF, tmp_path, progress=told.append)
    assert (told[-1].done, told[-1].skipped, told[-1].bytes_done) == (20, 19, len(FILES[UIDS[0]]))


def held_after(server: SeriesServer, count: int) -> threading.Event:
    """Have instances asked for by themselves, and no more of them sent than so many until the
    event is set."""
    go, lock, sent = threading.Event(), threading.Lock(), itertools.count()

    def fault(server: SeriesServer, request, uid, _):
        if uid is None:
            return server.cut(server.files, 500)
        with lock:
            is_held = next(sent) >= count
        if is_held:
            go.wait(SECONDS)
        return None

    server.fault = fault
    return go


def test_cancel_from_another_thread_keeps_what_is_whole(
    raw, server: SeriesServer, tmp_path: Path
) -> None:
    go = held_after(server, 10)
    archive = server.start(raw, keep=False, workers=2)
    cancel, before = dn.Cancel(), set(threading.enumerate())

    def tell(progress: Progress) -> None:
        if progress.done == 6:
            threading.Thread(target=cancel.set).start()

    with pytest.raises(dn.Cancelled):
        archive.download(REF, tmp_path, progress=tell, cancel=cancel)
    assert not list(tmp_path.rglob("*.part"))
    kept = {path.stem for path in tmp_path.rglob("*.dcm")}
    assert 6 <= len(kept) <= 10
    added = set(threading.enumerate()) - before
    assert not [one for one in added if one.name.startswith("dicomnb")]
    go.set()
    server.asked.clear()
    archive.download(REF, tmp_path)
    assert not kept & set(server.asked)
    check_files(tmp_path)


INTERRUPTED = """
import sys, threading, dicomnb as dn
archive = dn.connect(sys.argv[1], options=dn.Options(workers=4))
told = 0
def tell(progress):
    global told
    if progress.done >= 5 and not told:
        told = 1
        print("ready", flush=True)
try:
    archive.download(dn.Ref(sys.argv[2], sys.argv[3]), sys.argv[4], progress=tell)
except KeyboardInterrupt:
    names = [one.name for one in threading.enumerate() if one.name.startswith("dicomnb")]
    print("interrupted", names, flush=True)
"""


def test_ctrl_c_leaves_no_thread_and_no_half_file(
    raw, server: SeriesServer, tmp_path: Path
) -> None:
    go = held_after(server, 10)
    server.start(raw, keep=False)
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, server.raw.url, STUDY, SERIES, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=SECONDS)[0] == "interrupted []\n"
    assert process.returncode == 0
    go.set()
    assert not list(tmp_path.rglob("*.part"))
    kept = {path.stem: path.read_bytes() for path in tmp_path.rglob("*.dcm")}
    assert 5 <= len(kept) <= 10
    assert all(FILES[uid] == data for uid, data in kept.items())


# Layouts


def header(**values: object) -> Dataset:
    dataset = dcmread(real_file("CT_small.dcm"), stop_before_pixels=True)
    for name, value in values.items():
        setattr(dataset, name, value)
    return dataset


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("{PatientID}/{SOPInstanceUID}.dcm", "1CT1/{uid}.dcm"),
        ("{Modality}_{SeriesNumber:03d}/{InstanceNumber:04d}.dcm", "CT_001/0001.dcm"),
        ("{StudyDate}/a{{b}}{Rows}", None),
        ("{PatientName}/{KVP:.0f}.DCM", None),
        ("x/{ImageType}", "x/ORIGINAL_PRIMARY_AXIAL"),
        ("{PatientComments}/{AccessionNumber}-{SOPInstanceUID}.dcm", "unknown/unknown-{uid}.dcm"),
    ],
)
def test_layouts(template: str, path: str | None) -> None:
    dataset = header()
    found = Layout(template).path(dataset)
    if path is not None:
        assert found == path.replace("{uid}", str(dataset.SOPInstanceUID))
    assert len(found.split("/")) == len(template.split("/"))


@pytest.mark.filterwarnings("ignore:The value length:UserWarning")
@pytest.mark.parametrize(
    "value", ["../../../etc", "/etc/cron.d/x", "..", ".", "a/b\\c", "C:\\x", "con", "\0", "x" * 300,
              ".dicomnb-1.part", ".dicomnb-download.jsonl", "<img src=x>", "é̈", "a\nb"]
)  # fmt: skip
def test_hostile_values_stay_one_name_below_the_folder(tmp_path: Path, value: str) -> None:
    dataset = header()
    dataset.PatientID = value
    for template in ("{PatientID}/{SOPInstanceUID}.dcm", "{PatientID}", "a/{PatientID}.dcm"):
        path = Layout(template).path(dataset)
        assert len(path.split("/")) == len(template.split("/"))
        for name in path.split("/"):
            assert name not in ("", ".", "..")
            assert not name.startswith(".")
            assert len(name) < 150
            assert not set(name) & set('/\\:<>\0\n"|?*')
        assert (tmp_path / path).resolve().is_relative_to(tmp_path)


@pytest.mark.parametrize(
    "template", ["", "/{PatientID}", "../{PatientID}", "{PatientID}/", "a//{PatientID}",
                 "plain.dcm", "{PatientID!r}", "{0}", "{PatientID.family}", "{PatientID",
                 "a\\{PatientID}"]
)  # fmt: skip
def test_what_is_no_layout(tmp_path: Path, template: str) -> None:
    with pytest.raises(ValueError, match="layout"):
        dn.connect(real_file("CT_small.dcm").parent).download(
            dn.Ref("1.2"), tmp_path / "new", layout=template
        )
    assert not (tmp_path / "new").exists()


def test_a_misspelt_keyword_in_a_layout() -> None:
    with pytest.raises(dn.BadQuery, match="PatientID"):
        Layout("{PatientsID}/x")


def test_two_instances_of_one_name_are_both_kept(raw, server: SeriesServer, tmp_path: Path) -> None:
    archive = server.start(raw)
    layout = "{PatientID}/{Modality}.dcm"
    for outcome in ("downloaded", "already there"):
        table = archive.download(REF, tmp_path, layout=layout)
        assert set(table["Outcome"]) == {outcome}
    assert table["File"].nunique() == 20
    for row in table.itertuples():
        assert Path(row.File).read_bytes() == FILES[row.SOPInstanceUID]
        assert Path(row.File).parent == tmp_path / "1CT1"
    (tmp_path / LEDGER_NAME).unlink()
    again = archive.download(REF, tmp_path, layout=layout)
    assert set(again["Outcome"]) == {"already there"}
    assert len(list(tmp_path.rglob("*.dcm"))) == 20


def test_a_name_beside_is_the_same_each_time() -> None:
    assert beside("a/CT.dcm", "1.2") == beside("a/CT.dcm", "1.2") != beside("a/CT.dcm", "1.3")
    assert beside("a/CT.dcm", "1.2").endswith(".dcm")
    assert beside("1.2.3", "1.2").startswith("1.2.3_")


def test_a_study_of_a_real_orthanc(orthanc, demo_folder: Path, tmp_path: Path) -> None:
    archive = dn.connect(orthanc.url)
    archive.store(demo_folder)
    study = archive.studies(PatientID="DNB-0012").head(1)
    layout = "{PatientID}/{SeriesNumber}_{SeriesDescription}/{InstanceNumber}.dcm"
    table = archive.download(study, tmp_path, layout=layout)
    assert set(table["Outcome"]) == {"downloaded"}
    assert sorted(table["SOPInstanceUID"]) == sorted(archive.instances(study)["SOPInstanceUID"])
    uid = study["StudyInstanceUID"].iloc[0]
    headers = {path: dcmread(path, stop_before_pixels=True) for path in demo_folder.rglob("*.dcm")}
    originals = {
        str(header.SOPInstanceUID): path.read_bytes()
        for path, header in headers.items()
        if header.StudyInstanceUID == uid
    }
    files = dict(zip(table["SOPInstanceUID"], table["File"], strict=True))
    assert originals.keys() == files.keys()
    for one, data in originals.items():
        assert Path(files[one]).read_bytes() == data
    again = archive.download(study, tmp_path, layout=layout)
    assert set(again["Outcome"]) == {"already there"}
