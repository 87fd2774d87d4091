"""The search panel without a browser: traits, messages, several sources, what is saved."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
import traitlets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbclient import NotebookClient
from pandas.testing import assert_frame_equal

import dicomnb as dn
from dicomnb.errors import BadQuery, ServerError
from dicomnb.pool import Cancel
from dicomnb.widgets import SearchPanel
from tests.conftest import start_orthanc

# The demo has a date that is none, of which whoever reads it is warned.
pytestmark = pytest.mark.filterwarnings("ignore:.* odd value:dicomnb.errors.DicomnbWarning")


class Hearing:
    """A panel's front end that only listens, and asks as a browser would."""

    def __init__(self, panel: SearchPanel) -> None:
        self.panel = panel
        self.told: list[tuple[dict[str, Any], list[bytes]]] = []
        panel.send = self._hear  # type: ignore[method-assign]

    def _hear(self, content: dict[str, Any], buffers: Any = None) -> None:
        self.told.append((json.loads(json.dumps(content)), [bytes(one) for one in buffers or ()]))

    def ask(self, kind: str, **content: Any) -> None:
        self.panel._receive(self.panel, {"kind": kind, **content}, [])
        self.panel.wait()

    def last(self, kind: str) -> dict[str, Any]:
        return next(told for told, _ in reversed(self.told) if told["kind"] == kind)

    def form(self, **texts: str) -> dict[str, Any]:
        state = self.panel._state()
        return {"form": texts, "step": state["step"], "level": state["level"], "by": "view"}


@pytest.fixture(scope="module")
def folder(demo_folder: Path) -> dn.Archive:
    return dn.connect(demo_folder)


@pytest.fixture(scope="module")
def served(demo_folder: Path) -> Iterator[dn.Archive]:
    with dn.serve(demo_folder) as url:
        yield dn.connect(url)


@pytest.fixture(scope="module")
def orthanc_archive(
    tmp_path_factory: pytest.TempPathFactory, folder: dn.Archive
) -> Iterator[dn.Archive]:
    """A real Orthanc that was sent a few studies of the demo."""
    for orthanc in start_orthanc(tmp_path_factory.mktemp("search-orthanc")):
        archive = dn.connect(orthanc.url)
        series = folder.series().sort_values("NumberOfSeriesRelatedInstances")
        sent = tmp_path_factory.mktemp("sent")
        folder.download(series.head(12), sent)
        assert set(archive.store(sent)["Outcome"]) == {"stored"}
        yield archive


@pytest.fixture(scope="module")
def google_archive(demo_folder: Path) -> Iterator[dn.Archive]:
    """The same folder behind what behaves as Google's: no wildcards, few attributes."""
    server = dn.serve(demo_folder, flavour="google")
    with server as url:
        yield dn.connect(url, auth=dn.Bearer(server.token))


@pytest.fixture(params=["folder", "served", "google_archive", "orthanc_archive"])
def archive(request: pytest.FixtureRequest) -> dn.Archive:
    found: dn.Archive = request.getfixturevalue(request.param)
    return found


def run(panel: SearchPanel) -> pd.DataFrame:
    """What the panel's code finds, run by itself."""
    names: dict[str, Any] = {"archive": panel.archive, "dn": dn}
    exec(panel.code, names)
    made = [line.partition(" = ")[0] for line in panel.code.splitlines() if " = archive." in line]
    found: pd.DataFrame = names[made[-1]]
    return found


# -- searching ------------------------------------------------------------------------------------


def test_a_search_by_python_fills_the_form_and_finds(archive: dn.Archive) -> None:
    panel = SearchPanel(archive)
    everything = archive.studies()
    name = str(everything["PatientName"].iloc[0])
    panel.search(PatientName=name).wait()
    assert_frame_equal(panel.results, archive.studies(PatientName=name, limit=1000))
    assert len(panel.results) > 0
    assert panel.filters == {"PatientName": name}
    assert panel._state()["fields"][0]["text"] == f'"{name}"'
    assert_frame_equal(run(panel), panel.results)
    assert panel.busy == ""
    assert panel.selected.empty


def test_what_is_typed_finds_names_by_their_beginning(archive: dn.Archive) -> None:
    view = Hearing(SearchPanel(archive))
    name = str(archive.studies()["PatientName"].iloc[0])
    view.ask("search", **view.form(PatientName=name[:3].lower()))
    assert name in set(view.panel.results["PatientName"])
    assert view.panel.filters == {"PatientName": f"{name[:3].lower()}*"}
    assert_frame_equal(run(view.panel), view.panel.results)


def test_going_down_to_series_and_instances_and_up_again(archive: dn.Archive) -> None:
    panel = SearchPanel(archive)
    view = Hearing(panel)
    panel.search().wait()
    view.ask("grid-sort", column=0, descending=True)
    view.ask("grid-filter", words="", columns={})
    turn = view.last("grid-facts")["turn"]
    view.ask("grid-select", how="only", at=1, to=2, turn=turn)
    chosen = panel.selected
    assert len(chosen) == 2
    panel.descend().wait()
    assert panel.level == "series"
    assert set(panel.results["StudyInstanceUID"]) == set(chosen["StudyInstanceUID"])
    assert_frame_equal(panel.results, archive.series(chosen), check_like=False)
    assert_frame_equal(run(panel), panel.results)
    turn = view.last("grid-facts")["turn"]
    view.ask("grid-open", at=0, turn=turn)
    assert panel.level == "instance"
    assert panel.results["SeriesInstanceUID"].nunique() == 1
    assert_frame_equal(run(panel), panel.results)
    labels = [crumb["label"] for crumb in view.last("state")["trail"]]
    assert labels[:2] == ["Studies", "Series of 2 studies"]
    assert labels[2].startswith("Instances of ")
    with pytest.raises(BadQuery, match="hold nothing"):
        panel.descend()
    view.ask("back", steps=2)
    assert panel.level == "study"
    assert_frame_equal(panel.selected, chosen)
    facts = view.last("grid-facts")
    assert (facts["sort"], facts["selected"]) == ([{"column": 0, "descending": True}], 2)


def test_the_whole_of_a_table_and_all_but_one_go_down_alike(folder: dn.Archive) -> None:
    panel = SearchPanel(folder)
    panel.search().wait()
    for rows in (panel.results, panel.results.iloc[1:], panel.results.iloc[:9]):
        panel.descend(rows).wait()
        assert_frame_equal(panel.results, folder.series(rows))
        assert_frame_equal(run(panel), panel.results)
        panel.back()


def test_the_form_of_a_step_searches_within_it(archive: dn.Archive) -> None:
    panel = SearchPanel(archive)
    panel.search().wait()
    panel.descend(panel.results).wait()
    modality = str(panel.results["Modality"].iloc[0])
    view = Hearing(panel)
    view.ask("search", **view.form(Modality=modality))
    assert set(panel.results["Modality"]) == {modality}
    assert panel.code.splitlines()[-1] == f'series = archive.series(studies, Modality="{modality}")'
    assert_frame_equal(run(panel), panel.results)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    form=st.fixed_dictionaries(
        {},
        optional={
            "PatientName": st.sampled_from(["z", "zhang", "*a*", '"Zhang^Sally"', "m; zh", "x"]),
            "PatientID": st.sampled_from(["DNB-0001", "DNB*", "DNB-0001, DNB-0002", "?"]),
            "StudyDate": st.sampled_from(["2023", "2023-03..2023-09", "/2023-06-01", "2024-01/"]),
            "StudyDescription": st.sampled_from(["chest", "ct", '"CT chest"', "head; CHEST"]),
            "ModalitiesInStudy": st.sampled_from(["ct", "CT, MR", "SR"]),
            "PatientSex": st.sampled_from(["f", "M, O"]),
        },
    ),
    fuzzy=st.booleans(),
    limit=st.sampled_from([None, 1, 3, 1000]),
    fields=st.lists(st.sampled_from(["InstitutionName", "PatientAge"]), unique=True),
)
def test_the_code_of_any_form_finds_the_same(
    folder: dn.Archive, form: dict[str, str], fuzzy: bool, limit: int | None, fields: list[str]
) -> None:
    panel = SearchPanel(folder, limit=limit, fuzzy=fuzzy, fields=fields)
    view = Hearing(panel)
    view.ask("search", **view.form(**form))
    assert panel.said[0] != "error", panel.said
    assert set(fields) <= set(panel.results.columns)
    assert_frame_equal(run(panel), panel.results)
    panel.close()


def test_rows_that_are_cut_are_told_and_brought(archive: dn.Archive) -> None:
    panel = SearchPanel(archive, limit=2)
    view = Hearing(panel)
    view.ask("search", **view.form())
    found = view.last("state")["found"]
    assert (found["count"], found["cut"]) == (2, True)
    assert panel.code == "studies = archive.studies(limit=2)"
    assert_frame_equal(run(panel), panel.results)
    view.ask("more", limit=None)
    assert len(panel.results) == len(archive.studies())
    assert view.last("state")["found"]["cut"] is False
    assert panel.code == "studies = archive.studies()"


# -- traits and messages -------------------------------------------------------------------------


def test_traits_follow_the_form_and_the_form_follows_them(folder: dn.Archive) -> None:
    panel = SearchPanel(folder, PatientName="Zhang*", StudyDate=("2023-01-01", None))
    assert panel.filters == {"PatientName": "Zhang*", "StudyDate": ("2023-01-01", None)}
    assert panel.code.startswith('studies = archive.studies(\n    PatientName="Zhang*"') or (
        'PatientName="Zhang*", StudyDate=("2023-01-01", None), limit=1000' in panel.code
    )
    view = Hearing(panel)
    view.ask("typed", **view.form(PatientName="lee"))
    assert panel.filters == {"PatientName": "lee*"}
    assert view.last("state")["fields"][0]["hint"] == "lee*"
    panel.level = "series"
    panel.filters = {"Modality": ["CT", "MR"], "KVP": 120}
    told = {one["name"]: one for one in view.last("state")["fields"]}
    assert (told["Modality"]["text"], told["KVP"]["added"]) == ("CT; MR", True)
    panel.fields = ["Manufacturer", "ProtocolName"]
    assert view.last("state")["columns"] == ["ProtocolName"]
    panel.fuzzy = True
    assert view.last("state")["fuzzy"] is True
    for name, wrong in (
        ("filters", {"PatientNam": "x"}),
        ("filters", {"SOPInstanceUID": "1.2"}),
        ("fields", ["Nonsense"]),
        ("level", "patient"),
        ("limit", 0),
    ):
        with pytest.raises(traitlets.TraitError):
            setattr(panel, name, wrong)
    with pytest.raises(traitlets.TraitError):
        panel.results = pd.DataFrame()
    panel.search(level="study").wait()
    panel.descend(panel.results).wait()
    with pytest.raises(traitlets.TraitError, match="'series', 'instance'"):
        panel.level = "study"


def test_what_is_typed_late_into_another_form_is_dropped(folder: dn.Archive) -> None:
    panel = SearchPanel(folder)
    view = Hearing(panel)
    late = view.form(PatientName="zhang")
    panel.level = "series"
    view.ask("typed", **late)
    assert panel.filters == {}


def test_a_fault_is_told_at_its_field_and_nothing_is_sent(folder: dn.Archive) -> None:
    panel = SearchPanel(folder)
    view = Hearing(panel)
    view.ask("search", **view.form(PatientName="zh", StudyDate="an unfinished date/"))
    assert panel.said[0] == "error"
    told = {one["name"]: one for one in view.last("state")["fields"]}
    assert "no date" in told["StudyDate"]["fault"]
    assert told["PatientName"]["fault"] == ""
    assert view.last("state")["found"] is None
    with pytest.raises(BadQuery, match="PatientNam"):
        panel.search(PatientNam="x")


def test_fields_and_columns_are_added_by_keyword_or_refused_with_near_ones(
    folder: dn.Archive,
) -> None:
    panel = SearchPanel(folder, level="series")
    view = Hearing(panel)
    view.ask("complete", **{"for": "field", "text": "bodyp"})
    assert view.last("completions")["names"][0]["name"] == "BodyPartExamined"
    view.ask("add", name="0018,0060", by="v")
    assert view.last("focus") == {"kind": "focus", "name": "KVP", "by": "v"}
    view.ask("typed", **view.form(KVP="120"))
    assert panel.filters == {"KVP": 120}
    view.ask("add", name="BodyPartExamind")
    unknown = view.last("unknown")
    assert unknown["for"] == "field"
    assert "BodyPartExamined" in unknown["near"]
    view.ask("add", name="InstanceNumber")
    assert "search the instances by it" in view.last("unknown")["words"]
    view.ask("column", name="KVP")
    view.ask("column", name="nonsense")
    assert view.last("unknown")["for"] == "column"
    assert panel.fields == ["KVP"]
    view.ask("search", **view.form(KVP="120"))
    assert set(panel.results["KVP"]) == {120.0}
    assert_frame_equal(run(panel), panel.results)
    view.ask("uncolumn", name="KVP")
    view.ask("remove", name="KVP")
    assert (panel.fields, panel.filters) == ([], {})


def test_an_empty_answer_tells_what_it_was_asked_by(folder: dn.Archive) -> None:
    view = Hearing(SearchPanel(folder))
    view.ask("search", **view.form(PatientName='"Nobody"', ModalitiesInStudy="CT, MR"))
    found = view.last("state")["found"]
    assert found["count"] == 0
    assert [one["label"] for one in found["asked"]] == ["Patient name", "Modalities in study"]
    view.ask("without", name="PatientName")
    assert view.last("state")["found"]["count"] > 0
    view.ask("clear")
    assert view.panel.filters == {}


def test_rows_are_selected_from_python_too(folder: dn.Archive) -> None:
    panel = SearchPanel(folder)
    view = Hearing(panel)
    panel.search().wait()
    heard: list[int] = []
    panel.observe(lambda change: heard.append(len(change["new"])), "selected")
    panel.selected = folder.studies(PatientName="Zhang*")
    assert len(panel.selected) == 4
    assert set(panel.selected.index) <= set(panel.results.index)
    assert view.last("grid-facts")["selected"] == 4
    assert heard[-1] == 4
    with pytest.raises(BadQuery, match="without StudyInstanceUID"):
        panel.selected = pd.DataFrame({"PatientID": ["DNB-0005"]})
    assert len(panel.selected) == 4
    panel.selected = None
    assert panel.selected.empty


def test_warnings_and_what_is_odd_are_told_beside_the_rows(folder: dn.Archive) -> None:
    view = Hearing(SearchPanel(folder))
    view.ask("search", **view.form())
    (note,) = (one for one in view.last("state")["notes"] if "odd value" in one)
    assert "panel.results.dicom.issues lists them" in note
    view.ask("search", **view.form(PatientName="zhang"))
    assert view.last("state")["notes"] == []


def test_tables_are_handed_on_to_who_is_linked(folder: dn.Archive) -> None:
    class Next(traitlets.HasTraits):
        what = traitlets.Any()

    panel, follower = SearchPanel(folder), Next()
    traitlets.dlink((panel, "selected"), (follower, "what"))
    panel.search(PatientName="Zhang*").wait()
    panel.selected = panel.results.iloc[[1, 2]]
    assert_frame_equal(follower.what, panel.results.iloc[[1, 2]])


def test_a_view_that_comes_later_is_told_everything(folder: dn.Archive) -> None:
    panel = SearchPanel(folder, PatientName="Zhang*")
    panel.search().wait()
    panel.selected = panel.results.head(2)
    panel.wait()
    view = Hearing(panel)
    view.ask("pictures")
    view.ask("hello")
    view.ask("grid-facts")
    state = view.last("state")
    assert (state["fields"][0]["text"], state["found"]["count"]) == ("Zhang*", 4)
    assert view.last("grid-facts")["selected"] == 2
    assert len([told for told, _ in view.told if told["kind"] == "picture"]) == 2
    view.ask("typed", **view.form(PatientName="lee"))
    assert view.last("state")["by"] == "view"


# -- cancelling and failing ----------------------------------------------------------------------


class Slow:
    """An archive whose searches wait for the test."""

    def __init__(self, archive: dn.Archive) -> None:
        self.archive = archive
        self.go = threading.Event()
        self.begun: list[dict[str, Any]] = []
        self.fault: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.archive, name)

    def studies(self, where: Any = None, *, cancel: Cancel, **given: Any) -> pd.DataFrame:
        self.begun.append(given)
        while not self.go.is_set():
            cancel.wait(0.005)
        if self.fault is not None:
            raise self.fault
        return self.archive.studies(where, cancel=cancel, **given)


def test_a_search_is_cancelled_and_a_new_one_cancels_the_old(folder: dn.Archive) -> None:
    archive = Slow(folder)
    panel = SearchPanel(archive)  # type: ignore[arg-type]
    panel.search(PatientName="Zhang*")
    assert panel.busy == "Searching for studies"
    panel._receive(panel, {"kind": "cancel"}, [])
    panel.wait()
    assert (panel.said, panel.busy) == (("info", "Cancelled."), "")
    panel.search(PatientName="Zhang*")
    panel.search(PatientName="M*")
    archive.go.set()
    panel.wait()
    assert panel.said == ("info", "")
    assert list(panel.results["PatientName"].str[0].unique()) == ["M"]


def test_what_one_archive_can_is_not_taken_for_what_another_can(folder: dn.Archive) -> None:
    asked, go = threading.Event(), threading.Event()

    class Telling:
        """A source that takes long to say that it does not match names fuzzily."""

        def __getattr__(self, name: str) -> Any:
            return getattr(folder.source, name)

        def abilities(self) -> Any:
            asked.set()
            assert go.wait(60)
            found = folder.source.abilities()
            return replace(found, search=replace(found.search, fuzzy=False))

    archive = Slow(folder)
    archive.source = Telling()  # type: ignore[attr-defined]
    archive.go.set()
    panel = SearchPanel(archive)  # type: ignore[arg-type]
    panel.search()
    assert asked.wait(60)
    panel.archive = None
    go.set()
    assert panel.wait()._state()["fuzzy_here"]


def test_an_error_leaves_the_rows_and_a_way_forward(folder: dn.Archive) -> None:
    archive = Slow(folder)
    archive.go.set()
    panel = SearchPanel(archive)  # type: ignore[arg-type]
    panel.search(PatientName="Zhang*").wait()
    archive.fault = ServerError("The server failed.", status=503)
    panel.search(PatientName="M*").wait()
    assert panel.said == ("error", "The server failed. (HTTP 503)")
    assert len(panel.results) == 4
    archive.fault = None
    panel.search().wait()
    assert panel.said == ("info", "")
    assert set(panel.filters) == {"PatientName"}


def test_without_an_archive_it_says_so_and_takes_one_later(folder: dn.Archive) -> None:
    panel = SearchPanel()
    view = Hearing(panel)
    view.ask("search", **view.form(PatientName="zhang"))
    assert panel.said == ("error", "No archive is connected, so there is nothing to search in.")
    panel.archive = folder
    assert view.last("state")["connected"] is True
    view.ask("search", **view.form(PatientName="zhang"))
    assert len(panel.results) == 4
    panel.archive = dn.connect(folder.source.address)
    assert panel.results.empty
    assert panel.filters == {"PatientName": "zhang*"}


# -- pictures ------------------------------------------------------------------------------------


def test_pictures_of_what_is_selected_come_one_by_one(archive: dn.Archive) -> None:
    panel = SearchPanel(archive, level="series")
    view = Hearing(panel)
    panel.search().wait()
    modalities = ["CT", "MR", "CR", "SR", "SEG"]
    panel.selected = panel.results[panel.results["Modality"].isin(modalities)].head(6)
    panel.wait()
    places = view.last("pictures")
    assert len(places["items"]) == len(panel.selected) > 0
    came = {told["index"]: (told, bytes_) for told, bytes_ in view.told
            if told["kind"] == "picture" and told["turn"] == places["turn"]}  # fmt: skip
    assert sorted(came) == list(range(len(panel.selected)))
    for index, (told, buffers) in came.items():
        if panel.selected["Modality"].iloc[index] == "SR":
            assert not buffers
            assert told["reason"]
        elif buffers:
            assert buffers[0].startswith(b"\x89PNG")
    assert any(buffers for _, buffers in came.values())


def test_pictures_of_an_earlier_choice_are_given_up(folder: dn.Archive) -> None:
    panel = SearchPanel(folder, level="series")
    view = Hearing(panel)
    panel.search(Modality="CT").wait()
    panel.selected = panel.results
    panel.selected = panel.results.head(1)
    panel.wait()
    last = view.last("pictures")["turn"]
    assert {told["turn"] for told, _ in view.told if told["kind"] == "picture"} == {last}
    asked = len([told for told, _ in view.told if told["kind"] == "picture"])
    assert asked == 1


def test_a_picture_of_one_archive_is_not_shown_of_another(
    folder: dn.Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = dn.connect(folder.source.address)
    begun, go, asked = threading.Event(), threading.Event(), list[dn.Archive]()
    draw = dn.Archive.thumbnail

    def thumbnail(self: dn.Archive, ref: dn.Ref, **how: Any) -> Any:
        asked.append(self)
        begun.set()
        assert go.wait(60)
        return draw(self, ref)

    monkeypatch.setattr(dn.Archive, "thumbnail", thumbnail)
    panel = SearchPanel(folder, level="series")
    for archive in (folder, other):
        panel.archive = archive
        panel.search(Modality="CT")._background.wait()
        panel.selected = panel.results.head(1)
        assert begun.wait(60)
    go.set()
    panel.wait()
    assert asked == [folder, other]


def test_a_picture_that_fails_says_why_and_costs_no_other(
    folder: dn.Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = SearchPanel(folder, level="series")
    view = Hearing(panel)
    panel.search(Modality="CT").wait()
    draw, broken = dn.Archive.thumbnail, panel.results["SeriesInstanceUID"].iloc[1]

    def thumbnail(self: dn.Archive, ref: dn.Ref, **how: Any) -> Any:
        if ref.series == broken:
            raise KeyError("no such thing")
        return draw(self, ref, **how)

    monkeypatch.setattr(dn.Archive, "thumbnail", thumbnail)
    panel.selected = panel.results.head(3)
    panel.wait()
    came = {told["index"]: (told["reason"], bool(buffers)) for told, buffers in view.told
            if told["kind"] == "picture"}  # fmt: skip
    assert came == {0: ("", True), 1: ("KeyError: 'no such thing'", False), 2: ("", True)}


def test_what_has_no_picture_says_so_without_its_address(folder: dn.Archive) -> None:
    panel = SearchPanel(folder, level="series")
    view = Hearing(panel)
    panel.search(Modality="SR").wait()
    panel.selected = panel.results.head(1)
    panel.wait()
    reason = view.last("picture")["reason"]
    assert reason.startswith("It has no pixels")
    assert "studies/" not in reason


def test_code_of_a_step_that_failed_is_that_of_the_one_before(folder: dn.Archive) -> None:
    class Failing(Slow):
        def series(self, where: Any = None, **given: Any) -> pd.DataFrame:
            raise ServerError("The server failed.", status=503)

    archive = Failing(folder)
    archive.go.set()
    panel = SearchPanel(archive)  # type: ignore[arg-type]
    panel.search(PatientName="Zhang*").wait()
    panel.descend(panel.results).wait()
    assert (panel.said[0], panel.level, len(panel.results)) == ("error", "series", 0)
    view = Hearing(panel)
    view.ask("code")
    told = view.last("code")
    assert (told["name"], told["code"]) == (
        "studies", 'studies = archive.studies(PatientName="Zhang*")',
    )  # fmt: skip


def test_at_most_a_few_pictures_are_drawn_and_kept(folder: dn.Archive) -> None:
    panel = SearchPanel(folder, level="instance")
    view = Hearing(panel)
    panel.search(Modality="CT").wait()
    panel.selected = panel.results
    panel.wait()
    places = view.last("pictures")
    assert (len(places["items"]), places["all"]) == (24, len(panel.results))
    assert len(panel._pictures._kept) == 24
    panel.selected = panel.results.head(0)
    panel.wait()
    assert view.last("pictures")["items"] == []


# -- what is saved, and where there is no browser ------------------------------------------------


def test_nothing_of_the_panel_is_synced_but_what_is_kept() -> None:
    own = {name for name in SearchPanel().keys if not name.startswith("_")}
    assert own <= {"layout", "tabbable", "tooltip", "kept"}


CELL = """
import dicomnb as dn
pacs = dn.connect({folder!r})
panel = dn.widgets.SearchPanel(pacs, keep={keep})
panel.search(PatientName="Zhang*").wait()
panel.selected = panel.results
panel.descend().wait()
panel.selected = panel.results.head(3)
panel.wait()
panel.back()
assert panel.code == 'studies = pacs.studies(PatientName="Zhang*")', panel.code
panel
"""


@pytest.mark.parametrize("keep", [False, True])
def test_a_saved_notebook_holds_nothing_of_a_patient(demo_folder: Path, keep: bool) -> None:
    cell = nbformat.v4.new_code_cell(CELL.format(folder=str(demo_folder), keep=keep))
    notebook = nbformat.v4.new_notebook(cells=[cell])
    NotebookClient(notebook, store_widget_state=True, timeout=120).execute()
    notebook.cells[0].source = ""
    text = nbformat.writes(notebook)
    studies = dn.connect(demo_folder).studies(PatientName="Zhang*")
    assert "_esm" in text
    for name in ("PatientID", "StudyInstanceUID", "StudyDescription", "AccessionNumber"):
        values = [str(one) for one in studies[name].dropna() if str(one)]
        assert values
        assert any(one in text for one in values) == keep, name
    assert ("Zhang" in text) == keep
    assert "iVBORw0KGgo" not in text


def test_what_is_kept_is_escaped(nasty: dn.Archive) -> None:
    panel = SearchPanel(nasty, keep=True)
    panel.search().wait()
    bundle = panel._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "<img" not in data["text/html"]
    assert "&lt;img src=x" in data["text/html"]
    assert data["text/plain"] == "<dicomnb SearchPanel: 1 studies>"
    plain = SearchPanel(nasty).search().wait()._repr_mimebundle_()
    data = plain[0] if isinstance(plain, tuple) else plain
    assert "img" not in data["text/html"]


def test_a_panel_that_is_closed_stops(folder: dn.Archive) -> None:
    archive = Slow(folder)
    panel = SearchPanel(archive)  # type: ignore[arg-type]
    panel.search()
    panel.close()
    panel.wait()
    assert panel.results.empty
