"""Fetching by a panel, without a browser: what is said before, what comes, stopping, going on."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import shutil
import threading
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import traitlets
from pydicom import dcmread
from pydicom.uid import generate_uid

import dicomnb as dn
from dicomnb.transfer import download as engine
from dicomnb.transfer.ledger import LEDGER_NAME
from dicomnb.widgets import RetrievePanel, fetches
from tests.conftest import Orthanc
from tests.widgets.conftest import until
from tests.widgets.slow_archive import slow_archive


@pytest.fixture(scope="module")
def archive(demo_folder: Path) -> dn.Archive:
    return dn.connect(demo_folder)


@pytest.fixture(scope="module")
def series(archive: dn.Archive) -> pd.DataFrame:
    with pytest.warns(dn.DicomnbWarning, match="odd value"):
        return archive.series()


def row(series: pd.DataFrame, description: str) -> pd.Series:
    return series[series["SeriesDescription"] == description].iloc[0]


def ledger_of(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / LEDGER_NAME).read_text().splitlines()
    return [json.loads(line) for line in lines]


# -- before -------------------------------------------------------------------------------------


def test_what_is_selected_is_said_with_its_size(archive: dn.Archive, series: pd.DataFrame) -> None:
    scan = row(series, "Thorax 2.5")
    panel = RetrievePanel(archive, scan).wait()
    told = panel._state()["selection"]
    assert told["words"] == "1 series"
    assert told["lines"] == ("Zhang, Sally (DNB-0001) · 2023-03-14 · CT · Thorax 2.5",)
    files = Path(archive.source.address).rglob("*.dcm")
    sizes = [file.stat().st_size for file in files if _series_of(file) == scan["SeriesInstanceUID"]]
    assert panel.size.stored_bytes == sum(sizes)
    assert panel.size.instances == 96
    assert panel.size.pixel_bytes == 96 * 256 * 256 * 2
    assert panel.size.is_exact
    assert told["size"].startswith("96 instances, ")
    assert told["size"].endswith(" as stored, 12.6 MB uncompressed")


@pytest.mark.parametrize(
    ("description", "target", "why_not"),
    [
        ("Thorax 2.5", "volume", ""),
        ("Thorax enhanced", "volume", ""),  # one instance of many frames
        ("Dose, three beams", "volume", ""),
        ("A4C colour", "datasets", "these are in colour"),
        ("Thorax pa", "datasets", ""),
        ("Nodule measurements", "datasets", "there are no images"),
        ("Lungs and nodules", "datasets", "archive.segmentation reads these"),
    ],
)
def test_the_target_suits_what_is_selected(
    archive: dn.Archive, series: pd.DataFrame, description: str, target: str, why_not: str
) -> None:
    panel = RetrievePanel(archive, row(series, description)).wait()
    assert panel.target == target
    assert panel._state()["targets"]["volume"]["why_not"] == why_not


def test_a_target_that_was_chosen_stays_where_it_can(
    archive: dn.Archive, series: pd.DataFrame
) -> None:
    panel = RetrievePanel(archive, row(series, "Thorax 2.5")).wait()
    panel.target = "datasets"
    panel.what = row(series, "T1 axial")
    assert panel.wait().target == "datasets"
    panel.target = "volume"
    panel.what = series
    assert panel.wait().target == "folder"
    panel = RetrievePanel(archive, dn.Ref(*row(series, "A4C colour")[_UIDS[:2]]))
    assert panel.target == "volume"
    panel.target = "folder"
    panel.target = "folder"
    assert panel.wait().target == "folder"


def test_a_choice_that_could_not_be_comes_back_when_it_can(
    archive: dn.Archive, series: pd.DataFrame
) -> None:
    panel = RetrievePanel(archive, row(series, "A4C colour")).wait()
    panel.target = "folder"
    panel.target = "volume"
    panel.what = series
    assert panel.wait().target == "folder"  # for want of a volume, not by choice
    panel.what = row(series, "Thorax pa")
    assert panel.wait().target == "volume"


def test_to_choose_what_it_is_already_is_a_choice(
    archive: dn.Archive, series: pd.DataFrame
) -> None:
    refs = [dn.Ref(*uids) for uids in series[_UIDS[:2]].head(2).itertuples(index=False)]
    panel = RetrievePanel(archive, refs)
    assert panel.target == "folder"
    panel.target = "folder"
    assert panel.wait().target == "folder"
    panel = RetrievePanel(archive, series.tail(1)).wait()
    assert panel.target == "volume"


def test_several_studies_are_counted(archive: dn.Archive) -> None:
    studies = archive.studies(PatientID="DNB-0001")
    panel = RetrievePanel(archive, studies).wait()
    assert panel._state()["selection"]["words"] == f"{len(studies)} studies"
    assert panel.size.instances == len(archive.instances(studies))
    assert panel.size.series == len(archive.series(studies))


@pytest.mark.parametrize("kind", ["ref", "data set", "list", "instances", "mapping"])
def test_whatever_a_download_takes(archive: dn.Archive, series: pd.DataFrame, kind: str) -> None:
    scan = row(series, "Head 5.0")
    instances = archive.instances(scan)
    one = dn.Ref(scan["StudyInstanceUID"], scan["SeriesInstanceUID"])
    what, words, count = {
        "ref": (one, "1 series", 24),
        "data set": (archive.dataset(instances.iloc[0]), "1 instance of 1 series", 1),
        "list": ([scan, row(series, "T1 axial")], "2 series of 2 studies", 46),
        "instances": (instances.tail(5), "5 instances of 1 series", 5),
        "mapping": (dict(scan.items()), "1 series", 24),
    }[kind]
    panel = RetrievePanel(archive, what).wait()
    assert panel._state()["selection"]["words"] == words
    assert panel.size.instances == count


@pytest.mark.parametrize("nothing", [None, [], pd.DataFrame({"StudyInstanceUID": []})])
def test_nothing_is_selected(archive: dn.Archive, nothing: Any) -> None:
    panel = RetrievePanel(archive, nothing).wait()
    assert panel._state()["selection"]["words"] == ""
    panel.fetch()
    assert panel.said == ("error", "Nothing is selected.")


def test_what_says_nothing_is_told(archive: dn.Archive, series: pd.DataFrame) -> None:
    panel = RetrievePanel(archive, series[["Modality"]]).wait()
    panel.fetch()
    assert panel.said[0] == "error"
    assert "does not say what is meant" in panel.said[1]


def test_an_archive_may_come_later(archive: dn.Archive, series: pd.DataFrame) -> None:
    panel = RetrievePanel(what=row(series, "Head 5.0"))
    panel.fetch()
    assert panel.said == ("error", "There is no archive to fetch from.")
    panel.archive = archive
    assert panel.wait().size.instances == 24


def test_another_selection_is_a_change_however_equal(
    archive: dn.Archive, series: pd.DataFrame
) -> None:
    class Search(traitlets.HasTraits):
        selected = traitlets.Any()

    search, panel = Search(), RetrievePanel(archive)
    traitlets.dlink((search, "selected"), (panel, "what"))
    search.selected = series.iloc[[0]]
    assert panel.what is search.selected
    seen: list[Any] = []
    panel.observe(seen.append, "what")
    panel.what = series.iloc[[0]]
    assert len(seen) == 1


def test_too_little_room_is_said_before(
    archive: dn.Archive, series: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from dicomnb.widgets import sizes

    monkeypatch.setattr(sizes, "free_memory", lambda: 1_000_000)
    monkeypatch.setattr(sizes, "free_disk", lambda folder: 2_000_000)
    panel = RetrievePanel(archive, row(series, "Thorax 2.5"), tmp_path).wait()
    told = panel._state()["targets"]
    assert "12.6 MB of memory, and 1.00 MB are free" in told["volume"]["warning"]
    assert "of memory" in told["datasets"]["warning"]
    assert f"will stop when the disk of {str(tmp_path)!r} is full" in told["folder"]["warning"]
    panel.lazy = True
    assert panel._state()["targets"]["volume"]["warning"] == ""


def test_a_folder_of_nobody_is_refused_and_the_panel_goes_on(
    archive: dn.Archive, series: pd.DataFrame, tmp_path: Path
) -> None:
    panel = RetrievePanel(archive, row(series, "Thorax pa"), tmp_path / "to").wait()
    nobody = {"target": "folder", "folder": "~nobody-of-this-name/x"}
    for kind in ("choose", "fetch"):
        panel._receive(panel, {"kind": kind, **nobody}, [])
        assert panel.wait().said == (
            "error",
            "There is no home folder for '~nobody-of-this-name/x'.",
        )
        assert panel._state()["options"]["folder"] == str(tmp_path / "to")
    panel.fetch().wait()
    assert panel.outcome["Outcome"].tolist() == ["downloaded"]
    with pytest.raises(dn.DicomnbError, match="no home folder"):
        RetrievePanel(archive, folder="~nobody-of-this-name")


# -- a volume, data sets, a folder ---------------------------------------------------------------


def test_a_volume(archive: dn.Archive, series: pd.DataFrame) -> None:
    scan = row(series, "Thorax 2.5")
    panel = RetrievePanel(archive, scan).wait()
    seen: list[Any] = []
    panel.observe(lambda change: seen.append(change["new"]), "volume")
    panel.fetch()
    assert panel.busy == "Fetching a volume…"
    panel.wait()
    assert panel.busy == ""
    assert seen == [panel.volume]
    assert (np.asarray(panel.volume) == np.asarray(archive.volume(scan))).all()
    assert panel.said == ("done", "Volume 96 × 256 × 256, 2.5 × 1.4 × 1.4 mm, HU, int16, 12.6 MB.")


def test_a_lazy_volume_is_not_fetched_to_be_compared(
    archive: dn.Archive, series: pd.DataFrame
) -> None:
    panel = RetrievePanel(archive, row(series, "Thorax 2.5")).wait()
    panel.lazy = True
    lazy = panel.fetch().wait().volume
    panel.volume = None
    panel.volume = lazy
    assert not isinstance(lazy.array, np.ndarray)
    assert (lazy[3] == archive.volume(panel.what)[3]).all()


def test_data_sets(archive: dn.Archive, series: pd.DataFrame) -> None:
    scan = row(series, "Head 5.0")
    panel = RetrievePanel(archive, scan).wait()
    panel.target = "datasets"
    panel.fetch()
    panel.wait()
    uids = [str(one.SOPInstanceUID) for one in panel.datasets]
    assert uids == archive.instances(scan)["SOPInstanceUID"].tolist()
    assert all("PixelData" in one for one in panel.datasets)
    assert panel.said == ("done", "24 data sets in memory.")


def test_a_folder(archive: dn.Archive, series: pd.DataFrame, tmp_path: Path) -> None:
    scan = row(series, "Head 5.0")
    panel = RetrievePanel(archive, scan, tmp_path / "new").wait()
    panel.target, panel.file_layout = "folder", "{PatientID}/{InstanceNumber:03d}.dcm"
    outcome = panel.fetch().wait().outcome
    assert set(outcome["Outcome"]) == {"downloaded"}
    assert sorted(path.name for path in (tmp_path / "new").rglob("*.dcm"))[0] == "001.dcm"
    assert panel.said[0] == "done"
    assert panel.said[1].startswith("24 downloaded. ")
    panel.fetch()
    assert panel.wait().said[1].startswith("24 there already. ")


@pytest.mark.parametrize("target", ["volume", "datasets", "folder"])
def test_the_code_does_the_same(
    archive: dn.Archive, series: pd.DataFrame, target: str, tmp_path: Path
) -> None:
    panel = RetrievePanel(archive, row(series, "Thorax enhanced"), tmp_path / "a 'b").wait()
    panel.target, panel.strict, panel.verify = target, False, True
    names: dict[str, Any] = {"archive": archive}
    exec(panel.code, names)
    panel.fetch()
    panel.wait()
    if target == "volume":
        assert "strict=False" in panel.code
        assert (np.asarray(names["volume"]) == np.asarray(panel.volume)).all()
    elif target == "datasets":
        assert names["datasets"] == panel.datasets
    else:
        assert "verify=True" in panel.code
        assert panel.outcome["File"].tolist() == names["outcome"]["File"].tolist()


def test_the_code_of_very_many_names_the_panel(archive: dn.Archive) -> None:
    refs = [dn.Ref(f"1.2.{n}") for n in range(60)]
    panel = RetrievePanel(archive, refs[:3])
    panel.target = "datasets"
    assert panel.code.count("dn.Ref(") == 3
    panel.what = refs
    assert "archive.datasets(panel.what)" in panel.code
    assert RetrievePanel().code == ""


def test_very_many_instances_are_not_very_many_messages(
    archive: dn.Archive,
    series: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ticks = itertools.count(1)  # each thousandth of a second brings something to tell of
    monkeypatch.setattr("dicomnb.widgets.panel.monotonic", lambda: next(ticks) / 1000)
    panel = RetrievePanel(archive, series, tmp_path).wait()
    panel.target = "folder"
    sent: list[dict[str, Any]] = []
    panel.send = lambda content, buffers=None: sent.append(content)
    panel.fetch()
    panel.wait()
    told = [one for one in sent if one["kind"] == "progress"]
    assert told[-1]["done"] == told[-1]["total"] == panel.size.instances
    assert len(told) < panel.size.instances / 4


# -- what makes no volume ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("description", "patient", "words", "shape"),
    [
        ("Head 5.0", "DNB-0018", "tilted", (24, 160, 160)),
        ("Thorax 4.5", "DNB-0016", "missing", (47, 192, 192)),
        ("Thorax 4.5", "DNB-0017", "same position", (48, 192, 192)),
        ("T2 two planes", "DNB-0020", "orientation", (14, 160, 160)),
    ],
)
def test_what_is_no_regular_stack_can_be_accepted(
    demo_folder: Path,
    series: pd.DataFrame,
    description: str,
    patient: str,
    words: str,
    shape: tuple[int, ...],
) -> None:
    scan = series[
        (series["SeriesDescription"] == description) & (series["PatientID"] == patient)
    ].iloc[0]
    with slow_archive(demo_folder, free=1000) as (archive, source):
        panel = RetrievePanel(archive, scan).wait()
        panel.fetch()
        panel.wait()
        assert panel.said[0] == "error"
        assert words in panel.said[1]
        last = panel._state()["last"]
        assert (last["can_relax"], last["can_be_datasets"], last["can_resume"]) == (
            True,
            True,
            False,
        )
        sent = sum(source.sent.values())
        panel._receive(panel, {"kind": "relax"}, [])
        panel.wait()
        assert sum(source.sent.values()) == sent
        assert panel.volume.shape == shape
        assert panel.said[0] == "warning"
        assert any(words in note for note in panel._state()["last"]["notes"])
        assert not panel._state()["last"]["can_relax"]


def test_a_segmentation_is_no_volume(archive: dn.Archive, series: pd.DataFrame) -> None:
    panel = RetrievePanel(archive, row(series, "Lungs and nodules")).wait()
    panel.target = "volume"
    panel.fetch()
    panel.wait()
    assert "archive.segmentation" in panel.said[1]
    panel.relax()
    panel.wait()
    assert panel.said[0] == "error"
    last = panel._state()["last"]
    assert (last["can_relax"], last["can_be_datasets"]) == (False, True)
    panel.relax()
    assert panel.said[0] == "warning"


@pytest.mark.parametrize("kind", ["row", "ref"])
def test_a_study_of_one_series_is_a_volume(archive: dn.Archive, kind: str) -> None:
    study = archive.studies(PatientID="DNB-0018").iloc[0]
    assert study["NumberOfStudyRelatedSeries"] == 1
    what = study if kind == "row" else dn.Ref(study["StudyInstanceUID"])
    panel = RetrievePanel(archive, what).wait()
    (scan,) = archive.series(study)["SeriesInstanceUID"]
    assert panel.target == "volume"
    assert panel._state()["targets"]["volume"]["why_not"] == ""
    assert panel.code.endswith(f'archive.volume(dn.Ref("{study["StudyInstanceUID"]}", "{scan}"))')
    panel.strict = False
    panel.fetch()
    panel.wait()
    expected = archive.volume(archive.series(study).iloc[0], strict=False)
    assert np.array_equal(panel.volume.array, expected.array)


def test_a_study_of_several_series_is_no_volume(archive: dn.Archive) -> None:
    study = archive.studies(PatientID="DNB-0001", ModalitiesInStudy="SEG").iloc[0]
    panel = RetrievePanel(archive, study)
    panel.target = "volume"
    panel.fetch()
    assert "is being found out" in panel.said[1]
    panel.wait()
    assert panel.target == "folder"
    assert panel._state()["targets"]["volume"]["why_not"] == "only of a single series"
    panel.target = "volume"
    panel.fetch()
    assert "made of one series" in panel.said[1]


def test_several_series_are_no_volume(archive: dn.Archive, series: pd.DataFrame) -> None:
    panel = RetrievePanel(archive, series.head(2)).wait()
    panel.target = "volume"
    panel.fetch()
    assert "made of one series" in panel.said[1]
    assert panel.code == ""


# -- stopping, and going on ----------------------------------------------------------------------


def test_a_download_is_stopped_and_gone_on_with(
    demo_folder: Path, series: pd.DataFrame, tmp_path: Path
) -> None:
    scan = row(series, "Thorax 2.5")
    with slow_archive(demo_folder, free=30) as (archive, source):
        panel = RetrievePanel(archive, scan, tmp_path).wait()
        panel.target = "folder"
        panel.fetch()
        until(lambda: len(list(tmp_path.rglob("*.dcm"))) >= 10)
        panel.fetch()
        assert panel.said == (
            "warning", "A fetch is under way: wait until it is done, or cancel it first."
        )  # fmt: skip
        panel.cancel()
        panel.wait()
        kept = {path.stem: path.stat().st_mtime_ns for path in tmp_path.rglob("*.dcm")}
        assert 10 <= len(kept) <= 30
        assert panel.said[0] == "info"
        assert panel.said[1].startswith(f"Cancelled. {len(kept)} downloaded. ")
        assert sorted(panel.outcome["SOPInstanceUID"]) == sorted(kept)
        assert sorted(entry["instance"] for entry in ledger_of(tmp_path)) == sorted(kept)
        assert not list(tmp_path.rglob("*.part"))
        assert panel._state()["last"]["can_resume"]

        source.go.set()
        source.sent.clear()
        panel._receive(panel, {"kind": "resume"}, [])
        panel.wait()
        assert set(panel.outcome["Outcome"]) == {"already there", "downloaded"}
        assert (panel.outcome["Outcome"] == "already there").sum() == len(kept)
        check_whole(panel, archive.instances(scan), tmp_path)
        assert not set(source.sent) & set(kept)
        assert {
            path.stem: path.stat().st_mtime_ns
            for path in tmp_path.rglob("*.dcm")
            if path.stem in kept
        } == kept
        assert not panel._state()["last"]["can_resume"]
        panel.resume()
        assert panel.said[0] == "warning"


def check_whole(panel: RetrievePanel, instances: pd.DataFrame, folder: Path) -> None:
    """Nothing lost, nothing twice: table, list and files agree, and so do the bytes."""
    uids = sorted(instances["SOPInstanceUID"])
    assert sorted(panel.outcome["SOPInstanceUID"]) == uids
    entries = ledger_of(folder)
    assert sorted(entry["instance"] for entry in entries) == uids
    files = list(folder.rglob("*.dcm"))
    assert sorted(str(path.relative_to(folder)) for path in files) == sorted(
        entry["file"] for entry in entries
    )
    for entry in entries:
        data = (folder / entry["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == entry["sha256"]


@pytest.mark.parametrize("target", ["volume", "datasets"])
def test_memory_is_stopped_and_gone_on_with(
    demo_folder: Path, series: pd.DataFrame, target: str
) -> None:
    scan = row(series, "Thorax 2.5")
    with slow_archive(demo_folder, free=30) as (archive, source):
        panel = RetrievePanel(archive, scan).wait()
        panel.target = target
        panel.fetch()
        fetch: Any = panel._fetch
        until(lambda: int((fetch.done or "0 ").split()[0]) >= 10)
        panel.cancel()
        panel.wait()
        assert panel.said[1].startswith("Cancelled. ")
        assert panel.said[1].endswith("in memory so far.")
        assert panel.volume is None
        assert panel._state()["last"]["can_resume"]
        source.go.set()
        panel.resume()
        panel.wait()
        assert panel.said[0] == "done"
        if target == "volume":
            assert (np.asarray(panel.volume) == np.asarray(archive.volume(scan))).all()
        else:
            uids = [str(one.SOPInstanceUID) for one in panel.datasets]
            assert uids == archive.instances(scan)["SOPInstanceUID"].tolist()


def test_all_is_fetched_anew_where_a_list_is_not_whole(
    demo_folder: Path, series: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = row(series, "Thorax 2.5")
    with slow_archive(demo_folder, free=30) as (archive, source):
        panel = RetrievePanel(archive, scan).wait()
        panel.target = "datasets"
        panel.fetch()
        fetch: Any = panel._fetch
        until(lambda: len(fetch.datasets) >= 10)
        panel.cancel()
        panel.wait()
        # What a search gives that is capped: some of them, and nobody knows of how many.
        listed = fetches.listed
        monkeypatch.setattr(fetches, "listed", lambda *a, **o: (listed(*a, **o)[0][:50], None))
        source.go.set()
        panel.resume()
        panel.wait()
        assert panel.said[0] == "done"
        assert len(panel.datasets) == 96
        assert len({str(one.SOPInstanceUID) for one in panel.datasets}) == 96


def test_other_work_goes_on_meanwhile(demo_folder: Path, series: pd.DataFrame) -> None:
    with slow_archive(demo_folder, free=5) as (archive, source):
        panel = RetrievePanel(archive, row(series, "Thorax 2.5")).wait()
        panel.fetch()
        until(lambda: sum(source.sent.values()) == 5)
        assert len(archive.studies(PatientID="DNB-0001")) > 0
        panel.what = row(series, "Head 5.0")  # its size is found out beside the fetch
        until(lambda: panel._measuring._thread is None)
        panel._measuring.wait()
        assert panel.size.instances == 24
        source.go.set()
        panel.wait()
        assert panel.volume.shape == (96, 256, 256)
        assert panel._state()["last"]["of"] == "1 series"


def test_closing_stops_it(demo_folder: Path, series: pd.DataFrame) -> None:
    with slow_archive(demo_folder, free=5) as (archive, source):
        panel = RetrievePanel(archive, row(series, "Thorax 2.5")).wait()
        panel.fetch()
        until(lambda: sum(source.sent.values()) == 5)
        panel.close()
        until(lambda: panel._background._thread is None and panel._measuring._thread is None)
        panel.wait()
        assert panel.volume is None
        own = {"dicomnb-RetrievePanel", "dicomnb-sizes"}
        until(lambda: not own & {one.name for one in threading.enumerate()})


def test_a_size_that_nobody_waits_for_is_given_up(
    demo_folder: Path, series: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dicomnb.widgets import retrieving

    asked, go = [], threading.Event()
    real = retrieving.size_of

    def slowly(source: Any, refs: Any, **options: Any) -> Any:
        asked.append(options["cancel"])
        while len(asked) == 1 and not go.is_set():
            options["cancel"].wait(0.01)
        return real(source, refs, **options)

    monkeypatch.setattr(retrieving, "size_of", slowly)
    panel = RetrievePanel(dn.connect(demo_folder), row(series, "Thorax 2.5"))
    until(lambda: asked)
    panel.what = row(series, "Head 5.0")
    assert asked[0].is_set
    assert panel.wait().size.instances == 24
    assert len(asked) == 2


# -- what goes wrong -----------------------------------------------------------------------------


def test_failed_instances_are_listed_and_tried_again(
    orthanc: Orthanc, demo_folder: Path, series: pd.DataFrame, tmp_path: Path
) -> None:
    source = dn.connect(orthanc.url)
    files = _copies(demo_folder, row(series, "RLE"), tmp_path / "copies")
    source.store(files[:-1])
    refs = [_ref_of(path) for path in files]
    scan, lost = dn.Ref(refs[0].study, refs[0].series), refs[-1].instance
    panel = RetrievePanel(source, refs, tmp_path / "fetched").wait()
    panel.target = "folder"
    panel.fetch()
    panel.wait()
    assert panel.said[0] == "warning"
    assert panel.said[1].startswith(f"{len(files) - 1} downloaded, 1 failed. ")
    last = panel._state()["last"]
    assert (last["can_retry"], last["failed_count"]) == (True, 1)
    assert last["failed"][0]["name"] == f"SOPInstanceUID {lost}"
    assert "404" in last["failed"][0]["reason"]
    source.store(files[-1])
    panel._receive(panel, {"kind": "retry"}, [])
    panel.wait()
    assert set(panel.outcome["Outcome"]) == {"downloaded"}
    assert panel.said[0] == "done"
    check_whole(panel, source.instances(scan), tmp_path / "fetched")
    panel.retry()
    assert panel.said == ("warning", "There is nothing to try again: nothing failed.")


def _series_of(path: Path) -> str:
    return str(dcmread(path, stop_before_pixels=True).SeriesInstanceUID)


def _copies(folder: Path, scan: pd.Series[Any], to: Path) -> list[Path]:
    """The files of a series with UIDs of their own."""
    to.mkdir()
    study, own = generate_uid(), generate_uid()
    made = []
    for path in sorted(folder.rglob("*.dcm")):
        if _series_of(path) != scan["SeriesInstanceUID"]:
            continue
        dataset = dcmread(path)
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, own
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.save_as(to / path.name)
        made.append(to / path.name)
    return made


def _ref_of(path: Path) -> dn.Ref:
    header = dcmread(path, stop_before_pixels=True)
    return dn.Ref(header.StudyInstanceUID, header.SeriesInstanceUID, header.SOPInstanceUID)


def test_a_retry_that_is_stopped_forgets_no_failure(
    archive: dn.Archive, series: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = row(series, "Head 5.0")
    lost = dn.Ref(scan["StudyInstanceUID"], scan["SeriesInstanceUID"], "1.2.3")
    also = dn.Ref(scan["StudyInstanceUID"], scan["SeriesInstanceUID"], "1.2.4")
    refs = [*(dn.Ref(*row) for row in archive.instances(scan)[_UIDS].itertuples(index=False))]
    panel = RetrievePanel(archive, [*refs, lost, also], tmp_path).wait()
    panel.target = "folder"
    panel.fetch()
    assert panel.wait()._state()["last"]["failed_count"] == 2

    def stopped(*_: Any, **__: Any) -> None:
        raise dn.Cancelled("Stopped on request.")

    with monkeypatch.context() as patch:
        patch.setattr(dn.Archive, "download", stopped)
        panel.retry()
        panel.wait()
    last = panel._state()["last"]
    assert (last["failed_count"], last["can_resume"]) == (2, True)
    panel.resume()
    assert panel.wait()._state()["last"]["failed_count"] == 2
    assert len(panel.outcome) == len(refs) + 2


_UIDS = ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]


def test_a_folder_that_cannot_be_written_is_said(
    archive: dn.Archive, series: pd.DataFrame, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    panel = RetrievePanel(archive, row(series, "Head 5.0"), tmp_path / "file" / "below").wait()
    panel.target = "folder"
    panel.fetch()
    panel.wait()
    assert panel.said[0] == "error"
    assert "cannot be written to: Not a directory. Choose another folder." in panel.said[1]
    panel.folder = str(tmp_path / "new")
    panel.resume()
    assert panel.wait().said[0] == "error"
    panel.fetch()
    assert panel.wait().said[0] == "done"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("folder", " ", "into which folder"),
        ("file_layout", "../{PatientID}", "below the folder"),
        ("file_layout", "{PatientsID}.dcm", "PatientID"),
    ],
)
def test_what_is_no_place_is_said(
    archive: dn.Archive, series: pd.DataFrame, name: str, value: str, words: str
) -> None:
    panel = RetrievePanel(archive, row(series, "Head 5.0")).wait()
    panel._receive(panel, {"kind": "fetch", "target": "folder", name: value}, [])
    assert panel.wait().said[0] == "error"
    assert words in panel.said[1]
    assert panel.outcome is None


def test_a_full_disk_is_said_and_gone_on_with(
    archive: dn.Archive, series: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    copied = engine._Download._copied
    count = [0]

    def full(self: Any, part: Any, file: Any) -> Any:
        count[0] += 1
        if count[0] > 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        return copied(self, part, file)

    panel = RetrievePanel(archive, row(series, "Head 5.0"), tmp_path).wait()
    panel.target = "folder"
    with monkeypatch.context() as patch:
        patch.setattr(engine._Download, "_copied", full)
        panel.fetch()
        panel.wait()
    assert panel.said[0] == "error"
    assert "no room left on the disk" in panel.said[1]
    assert len(panel.outcome) == 5
    assert panel._state()["last"]["can_resume"]
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage(1, 1, 1 << 20))
        panel.resume()
        assert "no room left on the disk" in panel.wait().said[1]
    panel.resume()
    panel.wait()
    assert panel.said[0] == "done"
    assert panel.outcome["Outcome"].value_counts().to_dict() == {
        "downloaded": 19,
        "already there": 5,
    }


def test_a_server_that_is_gone_is_said(demo_folder: Path, series: pd.DataFrame) -> None:
    server = dn.serve(demo_folder)
    archive = dn.connect(server.url, options=dn.Options(timeout=(2, 2)))
    panel = RetrievePanel(archive, row(series, "Head 5.0")).wait()
    server.close()
    archive.close()
    panel.what = row(series, "Thorax 2.5")
    panel.wait()
    assert panel.said[0] == "warning"
    assert "could not be found out" in panel.said[1]
    panel.fetch()
    assert panel.wait().said[0] == "error"


def test_all_that_is_not_there(archive: dn.Archive, tmp_path: Path) -> None:
    panel = RetrievePanel(archive, dn.Ref("1.2.3", "1.2.3.4"), tmp_path).wait()
    panel.target = "folder"
    panel.fetch()
    panel.wait()
    assert panel.said[0] == "error"
    assert panel._state()["last"]["failed_count"] == 1


# -- what is kept --------------------------------------------------------------------------------


def test_nothing_of_it_is_synced(archive: dn.Archive, series: pd.DataFrame) -> None:
    panel = RetrievePanel(archive, row(series, "Head 5.0")).wait()
    panel.fetch()
    panel.wait()
    own = {name for name in panel.keys if not name.startswith("_")}
    assert own <= {"layout", "tabbable", "tooltip"}
