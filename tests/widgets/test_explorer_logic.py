"""The explorer without a browser: what follows from what, and what a notebook keeps."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
import traitlets
from nbclient import NotebookClient

import dicomnb as dn
from dicomnb.archive import Archive
from dicomnb.pool import Cancel
from dicomnb.volumes.lazy import LazyArray
from dicomnb.volumes.volume import Volume
from dicomnb.widgets import Explorer
from tests.conftest import real_file
from tests.widgets.conftest import until

WRITABLE = dn.Options(writable=True)


@pytest.fixture
def folder(tmp_path: Path, demo_folder: Path) -> Path:
    """An archive of two patients of the demo, to be changed."""
    demo = dn.connect(demo_folder)
    some = demo.studies(PatientID=["DNB-0005", "DNB-0010"], fuzzy=False)
    demo.download(some, tmp_path / "some")
    return tmp_path / "some"


@pytest.fixture
def explorer(folder: Path) -> Any:
    made = dn.browse(dn.connect(folder, options=WRITABLE))
    yield made
    made.close()


def press_enter(explorer: Explorer, number: int) -> None:
    """Open a row, as a double click does."""
    explorer.search._open(explorer.results.iloc[number])


def series_of(explorer: Explorer, name: str) -> pd.DataFrame:
    """Go down to the series of the first study of a patient."""
    explorer.search.search(PatientName=name).wait()
    press_enter(explorer, 0)
    explorer.search.wait()
    return explorer.results


def test_a_study_is_gone_into_and_a_series_is_looked_at(explorer: Explorer) -> None:
    rows = series_of(explorer, "Zhang*")
    assert set(rows["SeriesInstanceUID"]) == set(
        explorer.archive.series(PatientName="Zhang*")["SeriesInstanceUID"]
    )
    explorer.tab = "fetch"
    press_enter(explorer, 0)
    explorer.wait()
    want = explorer.archive.volume(rows.iloc[0])
    assert explorer.tab == "view"
    assert isinstance(explorer.volume.array, LazyArray)
    assert (explorer.volume[5] == want[5]).all()
    assert repr(explorer.viewer) == "<dicomnb Viewer: {} × {} × {}>".format(*want.shape)


def test_an_instance_is_looked_at(explorer: Explorer) -> None:
    series_of(explorer, "Zhang*")
    explorer.search.descend(explorer.results.iloc[0]).wait()
    press_enter(explorer, 3)
    explorer.wait()
    assert explorer.viewer.what.SOPInstanceUID == explorer.results.iloc[3]["SOPInstanceUID"]


def test_what_is_selected_goes_to_the_page_that_is_shown(explorer: Explorer) -> None:
    rows = series_of(explorer, "Zhang*")
    explorer.selected = rows.iloc[:1]
    assert list(explorer.search.selected["SeriesInstanceUID"]) == [
        rows.iloc[0]["SeriesInstanceUID"]
    ]
    assert explorer.retrieve.what is None
    explorer.tab = "fetch"
    assert list(explorer.retrieve.what["SeriesInstanceUID"]) == [rows.iloc[0]["SeriesInstanceUID"]]
    explorer.search.selected = rows
    assert len(explorer.retrieve.what) == len(explorer.selected) == len(rows)
    assert explorer._tabs.notes == {"fetch": f"{len(rows)}", "delete": f"{len(rows)}"}
    explorer.search.selected = rows.iloc[:0]
    assert explorer.retrieve.what is None
    assert explorer.delete.what is None


def test_what_was_fetched_is_the_volume(explorer: Explorer) -> None:
    rows = series_of(explorer, "Zhang*")
    explorer.selected = rows.iloc[:1]
    explorer.tab = "fetch"
    explorer.retrieve.target = "volume"
    explorer.retrieve.wait().fetch()
    explorer.wait()
    assert isinstance(explorer.volume, Volume)
    assert (explorer.volume.array == explorer.archive.volume(rows.iloc[0]).array).all()


def test_after_a_deletion_the_search_is_made_again(explorer: Explorer) -> None:
    rows = series_of(explorer, "Zhang*")
    count = len(rows)
    explorer.selected = rows.iloc[:1]
    explorer.tab = "delete"
    explorer.delete.wait()
    explorer.delete.delete(explorer.delete.words)
    explorer.wait()
    gone = rows.iloc[0]["SeriesInstanceUID"]
    assert len(explorer.results) == count - 1
    assert gone not in set(explorer.results["SeriesInstanceUID"])
    assert len(explorer.selected) == 0
    # What became of it can still be read.
    assert list(explorer.delete.outcome["SeriesInstanceUID"]) == [gone]
    assert list(explorer.delete.what["SeriesInstanceUID"]) == [gone]
    explorer.search.back().wait()
    assert explorer.results["NumberOfStudyRelatedSeries"].iloc[0] == count - 1


def test_why_something_was_not_deleted_stays_to_be_read(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = series_of(explorer, "Zhang*")
    bad, source = rows["SeriesInstanceUID"].iloc[1], explorer.archive.source
    delete = source.delete

    def failing(ref: dn.Ref, **options: Any) -> Any:
        if ref.series == bad:
            raise dn.ServerError("It broke.", status=500)
        return delete(ref, **options)

    monkeypatch.setattr(source, "delete", failing)
    explorer.selected = rows.iloc[:2]
    explorer.tab = "delete"
    explorer.delete.wait()
    explorer.delete.delete(explorer.delete.words)
    explorer.wait()
    assert list(explorer.selected["SeriesInstanceUID"]) == [bad]
    assert explorer.delete.said[0] == "warning"
    assert "1 not deleted; the table says why" in explorer.delete.said[1]
    assert explorer.delete._state()["done"]
    # Whatever else is selected is looked at.
    explorer.search.back().wait()
    explorer.selected = explorer.results.iloc[:1]
    explorer.wait()
    assert explorer.delete.words.startswith("delete 1 study with ")


def test_after_an_upload_the_search_is_made_again(explorer: Explorer) -> None:
    explorer.search.search(level="study").wait()
    count = len(explorer.results)
    explorer.upload.add(real_file("CT_small.dcm")).wait().store()
    explorer.wait()
    assert list(explorer.upload.outcome["Outcome"]) == ["stored"]
    assert len(explorer.results) == count + 1


def test_a_search_under_way_goes_on_when_instances_come_or_go(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that a person has begun, not the last that was made; and from its beginning."""
    search, go, asked = explorer.search, threading.Event(), list[dict[str, Any]]()
    search.search(level="study", PatientName="Zhang*").wait()
    studies = Archive.studies

    def slowly(self: Archive, where: Any = None, *, cancel: Cancel, **given: Any) -> pd.DataFrame:
        asked.append(given)
        while not go.is_set():
            cancel.wait(0.005)
        return studies(self, where, cancel=cancel, **given)

    monkeypatch.setattr(Archive, "studies", slowly)
    search._step.form = {}
    search.search()
    until(lambda: asked)
    explorer.upload.outcome = explorer.upload.outcome.reindex([0])
    go.set()
    search.wait()
    assert len(asked) == 2
    assert len(explorer.results) == 2
    assert search.said == ("info", "")


def test_another_archive_is_followed_by_all(explorer: Explorer, demo_folder: Path) -> None:
    series_of(explorer, "Zhang*")
    press_enter(explorer, 0)
    explorer.wait()
    explorer.selected = explorer.results
    explorer.tab = "delete"
    other = dn.connect(demo_folder)
    explorer.connect.archive = other
    for panel in (explorer, explorer.search, explorer.retrieve, explorer.upload, explorer.delete):
        assert panel.archive is other
    # Nothing of the one before stays.
    assert len(explorer.results) == 0
    assert explorer.volume is None
    assert explorer.viewer.what is None
    assert explorer.delete.what is None
    explorer.archive = None
    assert explorer.connect.archive is None
    assert not explorer._tabs.is_connected


def test_without_an_archive_it_begins_with_connecting(demo_folder: Path) -> None:
    explorer = dn.browse()
    assert repr(explorer) == "<dicomnb Explorer: not connected>"
    assert not explorer._tabs.is_connected
    explorer.connect.archive = dn.connect(demo_folder)
    assert explorer._tabs.is_connected
    explorer.close()


def test_what_is_no_archive_is_refused() -> None:
    with pytest.raises(traitlets.TraitError, match="archive"):
        Explorer("https://pacs.example")


def test_what_cannot_be_shown_is_said(explorer: Explorer) -> None:
    explorer.viewer.show(dn.Ref("1.2.3", "1.2.3.4"), archive=explorer.archive)
    with pytest.raises(RuntimeError, match=r"has no series 1\.2\.3\.4"):
        explorer.wait()


def test_a_button_looks_at_what_is_selected(explorer: Explorer) -> None:
    rows = series_of(explorer, "Zhang*")
    search = explorer.search
    assert search._state()["looks"]
    assert len(rows) > 1
    search._receive(search, {"kind": "look"}, [])
    assert search.said == ("error", "Select one row of the table to look at it.")
    explorer.tab = "fetch"
    explorer.selected = rows.iloc[1:2]
    search._receive(search, {"kind": "look"}, [])
    explorer.wait()
    assert explorer.tab == "view"
    assert (explorer.volume[5] == explorer.archive.volume(rows.iloc[1])[5]).all()
    search.back().wait()
    assert not search._state()["looks"]


def test_without_widgets_it_says_what_it_is(explorer: Explorer) -> None:
    bundle = explorer._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert data["text/plain"] == repr(explorer) == "<dicomnb Explorer: connected>"
    assert "Run this cell in a live notebook" in data["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in data


def test_each_archive_keeps_to_its_type() -> None:
    assert Explorer.archive.klass is Archive


CELL = """
import dicomnb as dn
explorer = dn.browse(dn.connect({folder!r}, options=dn.Options(writable=True)))
explorer.search.search(PatientName="Zhang*").wait()
explorer.search.descend(explorer.results.iloc[0]).wait()
explorer.search._open(explorer.results.iloc[0])
explorer.selected = explorer.results
for tab in ("fetch", "delete", "view"):
    explorer.tab = tab
explorer.upload.add({file!r})
explorer.wait()
explorer
"""


def test_what_was_fetched_is_told_by_the_name_that_it_has(folder: Path) -> None:
    cells = [
        f"import dicomnb as dn\narchive = dn.connect({str(folder)!r})",
        "dn.browse(archive)",
        "print(Out[2].retrieve._state()['called'], Out[2].upload._called())\n"
        "mine = Out[2]\nprint(mine.retrieve._state()['called'])\n"
        "panel = dn.widgets.RetrievePanel(archive)\nprint(panel._state()['called'])\n"
        "print(repr(dn.widgets.RetrievePanel(archive)._state()['called']))",
    ]
    made = [nbformat.v4.new_code_cell(one) for one in cells]
    notebook = nbformat.v4.new_notebook(cells=made)
    NotebookClient(notebook, timeout=120).execute()
    (output,) = notebook.cells[2].outputs
    assert output["text"].splitlines() == [
        "Out[2].retrieve Out[2].upload", "mine.retrieve", "panel", "''",
    ]  # fmt: skip


def test_a_saved_notebook_holds_nothing_of_a_patient(folder: Path) -> None:
    file = next(one for one in sorted(folder.rglob("*.dcm")))
    cell = nbformat.v4.new_code_cell(CELL.format(folder=str(folder), file=str(file)))
    notebook = nbformat.v4.new_notebook(cells=[cell])
    NotebookClient(notebook, store_widget_state=True, timeout=120).execute()
    notebook.cells[0].source = ""
    text = nbformat.writes(notebook)
    state = json.loads(text)["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]
    assert "dicomnb-explorer" in json.dumps(state)
    assert all(not model.get("buffers") for model in state["state"].values())
    archive = dn.connect(folder)
    for table in (archive.studies(), archive.series(fields=["PatientBirthDate"])):
        for name in ("PatientName", "PatientID", "AccessionNumber", "StudyDescription",
                     "StudyInstanceUID", "SeriesInstanceUID", "SeriesDescription"):  # fmt: skip
            for value in table.get(name, pd.Series(dtype=object)).dropna().unique():
                if str(value):
                    assert str(value) not in text, name
