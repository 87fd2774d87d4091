"""The delete panel without a browser: what it counts, what confirms it, what becomes of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
import traitlets
from nbclient import NotebookClient
from pydicom import dcmread
from pydicom.uid import generate_uid

import dicomnb as dn
from dicomnb.local.storing import TRASH
from dicomnb.operations import Operation, OperationState
from dicomnb.widgets import naming
from dicomnb.widgets.deleting import DeletePanel
from dicomnb.widgets.retrieving import RetrievePanel
from dicomnb.widgets.uploading import UploadPanel
from tests.conftest import SECONDS, Orthanc, real_file

CT = real_file("CT_small.dcm")
NASTY = "<img src=x onerror=document.title=1>"


def fill(folder: Path, *, studies: int = 3, series: int = 2, instances: int = 2) -> Path:
    """A folder of so many studies, each of so many series of so many instances."""
    folder.mkdir(parents=True, exist_ok=True)
    dataset = dcmread(CT)
    for study in range(studies):
        dataset.PatientID = f"P{study // 2}" if study else NASTY
        dataset.StudyDate = f"202{study}0102"
        dataset.StudyInstanceUID = generate_uid()
        for number in range(series):
            dataset.SeriesInstanceUID, dataset.SeriesNumber = generate_uid(), number
            for _ in range(instances):
                uid = generate_uid()
                dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
                dataset.save_as(folder / f"{uid}.dcm")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> dn.Archive:
    return dn.connect(fill(tmp_path / "archive"), options=dn.Options(writable=True))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[dn.Archive]:
    with dn.serve(fill(tmp_path / "served"), writable=True) as url:
        yield dn.connect(url)


@pytest.fixture
def google(tmp_path: Path) -> Iterator[dn.Archive]:
    served = dn.serve(fill(tmp_path / "google"), flavour="google", writable=True)
    try:
        yield dn.connect(served.url, auth=dn.Bearer(served.token))
    finally:
        served.close()


@pytest.fixture(params=["folder", "server", "google"])
def archive(request: pytest.FixtureRequest) -> dn.Archive:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, dn.Archive)
    return found


class Talk:
    """What a page would say to a panel, and what it hears."""

    def __init__(self, panel: DeletePanel) -> None:
        self.panel = panel
        self.heard: list[dict[str, Any]] = []
        panel.send = lambda content, buffers=None: self.heard.append(content)  # type: ignore[method-assign]

    def say(self, kind: str, **content: Any) -> None:
        self.panel._receive(self.panel, {"kind": kind, **content}, [])

    def rows(self) -> list[dict[str, Any]]:
        self.say("rows", view="v", first=0)
        return list(self.heard[-1]["rows"])

    @property
    def state(self) -> dict[str, Any]:
        self.say("hello")
        return next(one for one in reversed(self.heard) if one["kind"] == "state")


def test_studies_are_counted_confirmed_and_deleted(archive: dn.Archive) -> None:
    studies = archive.studies().sort_values("StudyDate")
    chosen, rest = studies.iloc[:2], studies.iloc[2:]
    panel = DeletePanel(archive, chosen).wait()
    talk = Talk(panel)
    assert panel.words == "delete 2 studies with 8 instances"
    state = talk.state
    assert state["summary"] == (
        "2 studies with 4 series and 8 instances, of 2 patients, 2020-01-02 to 2021-01-02"
    )
    assert [one["id"] for one in talk.rows()] == [NASTY, "P0"]
    assert [(one["series"], one["instances"]) for one in talk.rows()] == [(2, 4)] * 2
    talk.say("delete", words=" Delete 2  studies with 8 instances ", ticket=state["ticket"])
    panel.wait()
    assert panel.outcome["Outcome"].tolist() == ["deleted"] * 2
    assert panel.outcome["StudyInstanceUID"].tolist() == chosen["StudyInstanceUID"].tolist()
    assert panel.said == ("done", "2 of 2 deleted.")
    assert [one["state"] for one in talk.rows()] == ["deleted"] * 2
    assert panel.words == ""
    left = archive.studies()["StudyInstanceUID"].tolist()
    assert left == rest["StudyInstanceUID"].tolist()


def test_series_and_instances(archive: dn.Archive) -> None:
    series = archive.series().iloc[0]
    panel = DeletePanel(archive, series).wait()
    assert panel.words == "delete 1 series with 2 instances"
    assert (
        Talk(panel)
        .state["summary"]
        .startswith("1 series with 2 instances of 1 study, of 1 patient, 202")
    )
    rows = archive.instances(series)
    panel.what = rows.iloc[:1]
    assert panel.wait().words == "delete 1 instance"
    panel.delete("delete 1 instance").wait()
    assert panel.outcome["Outcome"].tolist() == ["deleted"]
    panel.what = series
    assert panel.wait().words == "delete 1 series with 1 instance"
    panel.delete(panel.words).wait()
    assert len(archive.instances()) == 10


def test_nothing_but_the_words_deletes(server: dn.Archive) -> None:
    studies = server.studies()
    panel = DeletePanel(server, studies.iloc[0]).wait()
    talk = Talk(panel)
    ticket = talk.state["ticket"]
    for words in ("", "delete", "delete 2 studies with 4 instances", "yes"):
        talk.say("delete", words=words, ticket=ticket)
        assert panel.wait().said[0] == "error"
        assert "Nothing was deleted: the words are 'delete 1 study with 4" in panel.said[1]
    with pytest.raises(dn.RefError, match="the words are"):
        panel.delete("delete 1 study")
    # The same words, but of what was chosen before.
    panel.what = studies.iloc[1]
    talk.say("delete", words=panel.wait().words, ticket=ticket)
    assert "Something else is chosen" in panel.said[1]
    panel.what = None
    panel.wait()
    with pytest.raises(dn.RefError, match="nothing to delete"):
        panel.delete("delete 1 study with 4 instances")
    assert len(server.studies()) == 3


def test_what_changed_since_it_was_shown_is_not_deleted(folder: dn.Archive, tmp_path: Path) -> None:
    study = folder.studies().iloc[0]
    panel = DeletePanel(folder, study).wait()
    dataset = next(iter(folder.datasets(study)))
    uid = generate_uid()
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
    folder.store(dataset)
    panel.delete("delete 1 study with 4 instances").wait()
    assert panel.said[0] == "error"
    assert "it is 1 study with 5 instances now, and was 1 study with 4" in panel.said[1]
    assert len(folder.studies()) == 3
    assert panel.words == ""
    panel.look().wait()
    assert panel.words == "delete 1 study with 5 instances"
    panel.delete(panel.words).wait()
    assert len(folder.studies()) == 2


def test_what_is_chosen_while_it_deletes_waits_and_is_not_deleted(
    server: dn.Archive, monkeypatch: Any
) -> None:
    studies = server.studies()
    panel = DeletePanel(server, studies.iloc[0]).wait()
    delete = server.source.delete

    def choosing(ref: Any, **options: Any) -> Any:
        panel.what = studies.iloc[1]
        with pytest.raises(dn.RefError, match="Something is being deleted"):
            panel.delete("delete 1 study with 4 instances")
        return delete(ref, **options)

    monkeypatch.setattr(server.source, "delete", choosing)
    panel.delete(panel.words).wait()
    left = set(server.studies()["StudyInstanceUID"])
    assert left == set(studies["StudyInstanceUID"].iloc[1:])
    assert panel.outcome["StudyInstanceUID"].tolist() == [studies["StudyInstanceUID"].iloc[0]]
    assert panel.words == "delete 1 study with 4 instances"
    (thing,) = panel._plan.things  # type: ignore[union-attr]
    assert thing.ref.study == studies["StudyInstanceUID"].iloc[1]


def test_what_became_of_it_is_said_though_something_else_was_chosen(
    server: dn.Archive, monkeypatch: Any
) -> None:
    studies = server.studies()
    panel = DeletePanel(server, studies.iloc[0]).wait()

    def refusing(ref: dn.Ref, **options: Any) -> Any:
        raise dn.AuthError("You may not.", status=403)

    monkeypatch.setattr(server.source, "delete", refusing)
    panel.delete(panel.words)
    panel.what = studies.iloc[1]
    panel.wait()
    assert panel.said == (
        "warning",
        "0 of 1 deleted. 1 not deleted; panel.outcome says why. Look again for the rest.",
    )
    monkeypatch.undo()
    server.delete(studies.iloc[1])
    panel.delete(panel.words)
    panel.what = studies.iloc[2]
    panel.wait()
    assert panel.said[0] == "error"
    assert "is not there (any more)" in panel.said[1]
    assert panel.words == "delete 1 study with 4 instances"


def test_nothing_of_one_archive_stays_when_there_is_another(
    server: dn.Archive, folder: dn.Archive
) -> None:
    panel = DeletePanel(server, server.studies().iloc[:1]).wait()
    panel.delete(panel.words).wait()
    panel.what = None
    panel.archive = folder
    talk = Talk(panel.wait())
    assert not talk.state["done"]
    assert (talk.state["counted"], talk.rows()) == ("", [])
    assert TRASH in talk.state["goes"]


def test_another_archive_while_it_deletes(server: dn.Archive, folder: dn.Archive) -> None:
    panel = DeletePanel(server, server.studies().iloc[:1]).wait()
    talk = Talk(panel)
    panel.delete(panel.words)
    panel.what = None
    panel.archive = folder
    assert talk.state["archive"] == server.source.address  # it is there that it deletes
    panel.wait()
    assert panel.said == ("done", "1 of 1 deleted.")
    assert talk.state["archive"] == folder.source.address
    assert (talk.state["counted"], talk.state["done"], talk.rows()) == ("", False, [])


def test_a_selection_that_goes_leaves_the_report(server: dn.Archive) -> None:
    panel = DeletePanel(server, server.studies().iloc[:1]).wait()
    panel.observe(lambda _: setattr(panel, "what", server.studies().iloc[:0]), names="outcome")
    panel.delete(panel.words).wait()
    talk = Talk(panel)
    assert [one["state"] for one in talk.rows()] == ["deleted"]
    assert talk.state["done"]
    assert panel.said == ("done", "1 of 1 deleted.")
    panel.what = server.studies().iloc[0]
    assert panel.wait().words == "delete 1 study with 4 instances"


def test_a_row_that_lost_its_uid_is_never_the_whole_study(server: dn.Archive) -> None:
    series = server.series()
    panel = DeletePanel(server, series.drop(columns="SeriesInstanceUID").iloc[0]).wait()
    assert panel.said[0] == "error"
    assert "it would mean the whole study" in panel.said[1]
    assert panel.words == ""
    panel.what = series.assign(SeriesInstanceUID=None).iloc[0]
    assert "never stands for everything" in panel.wait().said[1]


def test_what_is_not_there_is_said(server: dn.Archive) -> None:
    study = server.studies()["StudyInstanceUID"].iloc[0]
    panel = DeletePanel(server, [dn.Ref("1.2.3"), dn.Ref(study)]).wait()
    assert panel.words == "delete 1 study with 4 instances"
    assert Talk(panel).state["missing"] == 1
    panel.what = dn.Ref("1.2.3")
    assert panel.wait().said == (
        "error",
        "This study is not there (any more): there is nothing to delete.",
    )


def test_files_of_a_folder_go_to_its_trash(folder: dn.Archive) -> None:
    panel = DeletePanel(folder, folder.studies()).wait()
    place = Path(folder.source.address) / TRASH
    assert Talk(panel).state["goes"] == (
        f"Deleted files lie in {place} afterwards, from where they can be put back."
    )
    panel.delete("delete 3 studies with 12 instances").wait()
    assert len(list(place.rglob("*.dcm"))) == 12
    assert folder.studies().empty


def test_places_that_do_not_delete_say_so_up_front(
    tmp_path: Path, orthanc: Orthanc, folder: dn.Archive
) -> None:
    read_only = dn.connect(folder.source.address)
    panel = DeletePanel(read_only, read_only.studies()).wait()
    talk = Talk(panel)
    assert "options=dn.Options(writable=True)" in talk.state["cannot"]
    assert panel.words == ""
    with pytest.raises(dn.RefError, match="read-only"):
        panel.delete("delete 3 studies with 12 instances")
    with dn.serve(folder.source.address) as url:
        panel.archive = dn.connect(url)
        assert "read-only" in panel.wait()._cannot
    archive = dn.connect(orthanc.url)
    stored = archive.store(next(Path(folder.source.address).glob("*.dcm")))
    panel = DeletePanel(archive, stored[["StudyInstanceUID"]]).wait()
    assert panel._cannot.startswith("Orthanc (http://127.0.0.1:")
    uid = stored["StudyInstanceUID"].iloc[0]
    (found,) = orthanc.ask("/tools/lookup", uid.encode(), "POST")  # type: ignore[misc]
    orthanc.ask(found["Path"], method="DELETE")
    panel.archive = None
    assert "no archive" in panel.wait()._cannot


def test_one_that_fails_costs_its_row(server: dn.Archive, monkeypatch: Any) -> None:
    studies = server.studies()
    bad = studies["StudyInstanceUID"].iloc[1]
    delete = server.source.delete

    def failing(ref: dn.Ref, **options: Any) -> Any:
        if ref.study == bad:
            raise dn.ServerError("It broke.", status=500)
        return delete(ref, **options)

    monkeypatch.setattr(server.source, "delete", failing)
    panel = DeletePanel(server, studies).wait().look().wait()
    panel.delete("delete 3 studies with 12 instances").wait()
    assert panel.outcome["Outcome"].tolist() == ["deleted", "failed", "deleted"]
    assert panel.outcome["Reason"][1] == "It broke. (HTTP 500)"
    assert panel.said[0] == "warning"
    monkeypatch.undo()
    talk = Talk(panel)
    talk.say("look")
    assert panel.wait().words == "delete 1 study with 4 instances"
    assert talk.state["missing"] == 2


def test_when_all_would_be_refused_no_more_are_tried(server: dn.Archive, monkeypatch: Any) -> None:
    asked = []

    def refusing(ref: dn.Ref, **options: Any) -> Any:
        asked.append(ref)
        raise dn.AuthError("You may not.", status=403)

    monkeypatch.setattr(server.source, "delete", refusing)
    panel = DeletePanel(server, server.studies()).wait()
    panel.delete(panel.words).wait()
    assert len(asked) == 1
    assert panel.outcome["Outcome"].tolist() == ["failed"] * 3
    assert panel.outcome["Reason"][2].startswith("not tried, since another was refused: You may")


def test_cancel_leaves_the_rest(server: dn.Archive, monkeypatch: Any) -> None:
    delete = server.source.delete
    panel = DeletePanel(server, server.studies()).wait()

    def cancelling(ref: dn.Ref, **options: Any) -> Any:
        panel.cancel()
        return delete(ref, **options)

    monkeypatch.setattr(server.source, "delete", cancelling)
    panel.delete(panel.words).wait()
    assert panel.outcome["Outcome"].tolist() == ["deleted", "failed", "failed"]
    assert panel.outcome["Reason"][1] == "not deleted: it was cancelled before"
    assert len(server.studies()) == 2


def operation(states: list[OperationState]) -> Operation:
    return Operation("projects/p/operations/1", ask=lambda cancel: states.pop(0), stop=None)


@pytest.mark.parametrize(
    ("states", "seconds", "outcome", "reason"),
    [
        ([OperationState(), OperationState(done=True)], SECONDS, "deleted", ""),
        ([OperationState(done=True, failure=2)], SECONDS, "failed", "2 items were not deleted."),
        ([OperationState(done=True, error_code=7, error="no")], SECONDS, "failed", "1 failed."),
        ([OperationState()] * 99, 0.2, "deleting", "is not done after 0.2 s"),
    ],
)
def test_a_server_that_goes_on_is_waited_for(
    server: dn.Archive, monkeypatch: Any, states: Any, seconds: float, outcome: str, reason: str
) -> None:
    """Google's operations end well within a test; how else they end is put on here."""
    monkeypatch.setattr(server.source, "delete", lambda ref, **options: operation(list(states)))
    panel = DeletePanel(server, server.studies().iloc[0], time_limit=seconds).wait()
    panel.delete(panel.words).wait()
    assert panel.outcome["Outcome"].tolist() == [outcome]
    assert reason in panel.outcome["Reason"][0]


def test_a_server_that_goes_on_need_not_be_waited_for(google: dn.Archive) -> None:
    panel = DeletePanel(google, google.studies().iloc[0], wait=False).wait()
    panel.delete(panel.words).wait()
    assert panel.outcome["Outcome"].tolist() == ["deleting"]
    assert panel.said == ("info", "0 of 1 deleted. The server goes on by itself with 1.")
    panel.outcome["Operation"][0].wait()


def test_counts_are_made_where_rows_do_not_bring_them(server: dn.Archive, monkeypatch: Any) -> None:
    studies = server.studies

    def bare(*arguments: Any, **options: Any) -> pd.DataFrame:
        table = studies(*arguments, **options)
        for name in ("NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances"):
            table[name] = pd.NA
        return table

    monkeypatch.setattr(server, "studies", bare)
    panel = DeletePanel(server, studies()).wait()
    assert panel.words == "delete 3 studies with 12 instances"
    assert "3 studies with 6 series and 12" in Talk(panel).state["summary"]


def test_the_code_deletes_the_same(folder: dn.Archive) -> None:
    study = folder.studies().iloc[0]
    panel = DeletePanel(folder, folder.series(study)).wait()
    exec(panel.code, {"archive": folder})
    assert len(folder.series()) == 4
    panel.what = folder.studies().iloc[0]
    panel.wait()
    assert panel.code.startswith("import dicomnb as dn\n\narchive.delete(dn.Ref(")
    exec(panel.code, {"archive": folder})
    assert len(folder.studies()) == 1


def test_the_code_of_very_many_names_the_panel(tmp_path: Path) -> None:
    files = fill(tmp_path, studies=1, series=1, instances=51)
    archive = dn.connect(files, options=dn.Options(writable=True))
    panel = DeletePanel(archive, archive.instances()).wait()
    assert panel.code == "archive.delete(panel.what, expect=51)"
    exec(panel.code, {"archive": archive, "panel": panel})
    assert len(archive.instances()) == 0


def test_code_has_the_names_of_the_notebook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = fill(tmp_path, studies=1, series=1, instances=51)
    pacs = dn.connect(files, options=dn.Options(writable=True))
    fetch, delete, upload = RetrievePanel(pacs), DeletePanel(pacs), UploadPanel(pacs)
    names = {"pacs": pacs, "fetch": fetch, "delete": delete}
    monkeypatch.setattr(naming, "_namespace", lambda: names)
    for panel in (fetch, delete):
        panel.what = pacs.instances()
        panel.wait()
    fetch.target = "datasets"
    assert fetch.code.endswith("datasets = list(pacs.datasets(fetch.what))")
    fetch.target = "folder"
    assert fetch.code.endswith('outcome = pacs.download(fetch.what, "data")')
    assert delete.code == "pacs.delete(delete.what, expect=51)"
    assert upload.add(CT).wait().code == f"table = pacs.store({str(CT)!r})"
    exec(delete.code, dict(names))
    assert len(pacs.instances()) == 0


def test_panels_are_linked_both_ways(folder: dn.Archive) -> None:
    panel, other = DeletePanel(folder), RetrievePanel(folder)
    traitlets.dlink((panel, "what"), (other, "what"))
    traitlets.dlink((other, "what"), (panel, "what"))
    seen: list[Any] = []
    panel.observe(seen.append, "what")
    studies = folder.studies()
    other.what = studies.iloc[[0]]
    assert panel.what is other.what
    assert panel.wait().words.startswith("delete 1 study")
    panel.what = studies.iloc[:2]
    assert other.what is panel.what
    assert panel.wait().words.startswith("delete 2 studies")
    assert len(seen) == 2
    for one in (panel, other):
        one.wait().close()


CELL = """
import dicomnb as dn
archive = dn.connect({folder!r}, options=dn.Options(writable=True))
panel = dn.widgets.DeletePanel(archive, archive.studies().iloc[:2]).wait()
panel.delete("delete 2 studies with 8 instances").wait()
panel.what = archive.studies()
assert panel.wait().words == "delete 1 study with 4 instances"
panel
"""


def test_a_saved_notebook_holds_nothing(folder: dn.Archive, tmp_path: Path) -> None:
    studies = folder.studies()
    copy = shutil.copytree(folder.source.address, tmp_path / "copy")
    cell = nbformat.v4.new_code_cell(CELL.format(folder=str(copy)))
    notebook = nbformat.v4.new_notebook(cells=[cell])
    NotebookClient(notebook, store_widget_state=True, timeout=120).execute()
    notebook.cells[0].source = ""
    text = nbformat.writes(notebook)
    assert "application/vnd.jupyter.widget-state+json" in text
    assert "DeletePanel: 1 study with 4 instances chosen" in text
    for word in ("CompressedSamples", "onerror", *studies["StudyInstanceUID"]):
        assert word not in text


def test_nothing_is_synced_but_the_front_end(server: dn.Archive) -> None:
    own = {name for name in DeletePanel(server).keys if not name.startswith("_")}
    assert own <= {"layout", "tabbable", "tooltip"}


def test_a_series_of_two_studies_is_two(tmp_path: Path) -> None:
    """The same UID in another patient's study: each is shown with its own patient."""
    dataset = dcmread(CT)
    dataset.SeriesInstanceUID = generate_uid()
    for patient in ("First", "Second"):
        dataset.PatientName, dataset.PatientID = patient, patient
        dataset.StudyInstanceUID = generate_uid()
        for _ in range(1 if patient == "First" else 2):
            uid = generate_uid()
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
            dataset.save_as(tmp_path / f"{uid}.dcm")
    archive = dn.connect(tmp_path, options=dn.Options(writable=True))
    table = archive.series().sort_values("PatientID", ignore_index=True)
    panel = DeletePanel(archive, table).wait()
    assert panel._plan is not None
    assert [one.patient_id for one in panel._plan.things] == ["First", "Second"]
    assert [one.instances for one in panel._plan.things] == [1, 2]
    assert "of 2 patients" in panel._plan.summary
    assert panel.words == "delete 2 series with 3 instances"
    panel.what = table.iloc[[0]]
    panel.wait()
    assert panel.words == "delete 1 series with 1 instance"
    panel.delete(panel.words).wait()
    assert panel._plan.things[0].patient_id == "First"
    assert archive.series()["PatientID"].tolist() == ["Second"]
