"""The search panel in a real Chromium: the form, the rows, the way down and up, pictures, code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

import dicomnb as dn
from dicomnb.widgets import SearchPanel
from dicomnb.widgets.recipes import Found, Search
from tests.conftest import screenshots
from tests.widgets.conftest import FAKE_MODEL, NASTY, Bridge

DARK = """:root { color-scheme: dark; --jp-layout-color1: #111; --jp-layout-color2: #424242;
--jp-ui-font-color1: #fff; --jp-ui-font-color2: #ffffffb3; --jp-border-color1: #616161;
--jp-brand-color1: #2196f3; --jp-error-color1: #f44336; --jp-warn-color1: #ffa726;
--jp-success-color1: #4caf50; --jp-content-link-color: #64b5f6; } body { background: #111; }"""

pytestmark = pytest.mark.filterwarnings("ignore:.* odd value:dicomnb.errors.DicomnbWarning")


@pytest.fixture
def archive(demo_folder: Path) -> dn.Archive:
    return dn.connect(demo_folder)


def drawn(made: Bridge) -> None:
    """Until rows and pictures are there."""
    made.pump()
    made.panel.wait()
    made.pump()


def rows(page: Page) -> Any:
    return page.locator(".dicomnb-grid-rows").get_by_role("row")


def test_a_search_by_hand_goes_down_and_up(
    bridge: Callable[[Any], Bridge], page: Page, archive: dn.Archive
) -> None:
    panel = SearchPanel(archive)
    made = bridge(panel)
    expect(page.get_by_text("Fill in what you know")).to_be_visible()
    page.get_by_label("Patient name").fill("zhang")
    made.pump(until=page.get_by_text("Searches for zhang*").is_visible)
    page.get_by_label("Patient name").press("Enter")
    drawn(made)
    expect(page.get_by_text("4 studies", exact=True)).to_be_visible()
    expect(rows(page)).to_have_count(4)

    rows(page).nth(1).get_by_role("checkbox").click()
    rows(page).nth(2).get_by_role("checkbox").click()
    drawn(made)
    assert len(panel.selected) == 2
    expect(page.get_by_role("img")).to_have_count(2)
    assert page.get_by_role("img").first.evaluate("one => one.naturalWidth") > 0
    page.get_by_role("button", name="Show series of the 2 selected").click()
    drawn(made)
    assert panel.level == "series"
    assert set(panel.results["StudyInstanceUID"]) <= set(archive.studies()["StudyInstanceUID"])
    expect(page.get_by_role("img")).to_have_count(0)
    page.get_by_role("grid").focus()
    page.keyboard.press("Enter")
    drawn(made)
    assert panel.level == "instance"
    expect(page.get_by_role("radio")).to_have_count(0)
    trail = page.get_by_role("navigation").get_by_role("listitem")
    expect(trail).to_have_count(3)
    page.get_by_role("button", name="Studies (4)", exact=True).click()
    drawn(made)
    assert panel.level == "study"
    expect(page.get_by_label("Patient name")).to_have_value("zhang")
    expect(page.get_by_text("4 studies · 2 selected")).to_be_visible()
    expect(page.get_by_role("img")).to_have_count(2)


def test_the_fields_say_what_they_hold(
    bridge: Callable[[Any], Bridge], page: Page, archive: dn.Archive
) -> None:
    panel = SearchPanel(
        archive, StudyDate=("2023-01-01", None), ModalitiesInStudy=["CT", "SR"], PatientAge="042Y"
    )
    made = bridge(panel)
    expect(page.get_by_label("Study date, from")).to_have_value("2023-01-01")
    expect(page.get_by_label("Study date, to")).to_have_value("")
    expect(page.get_by_label("CT", exact=True)).to_be_checked()
    expect(page.get_by_label("Modalities in study, others")).to_have_value("SR")
    page.get_by_label("MR", exact=True).check()
    page.get_by_role("button", name="Remove the field Patient's Age").click()
    made.pump()
    assert panel.filters == {
        "StudyDate": ("2023-01-01", None), "ModalitiesInStudy": ["CT", "MR", "SR"],
    }  # fmt: skip
    page.get_by_role("button", name="The last 7 days").click()
    made.pump(until=lambda: panel.filters["StudyDate"] != ("2023-01-01", None))
    first, last = (pd.Timestamp(one) for one in panel.filters["StudyDate"])
    assert last - first == pd.Timedelta(days=6)
    page.get_by_role("button", name="Any date").click()
    page.get_by_label("Study date, to").press_sequentially("02")
    made.pump(until=page.get_by_text("'an unfinished date' is no date").is_visible)
    assert page.get_by_label("Study date, to").get_attribute("aria-invalid") == "true"
    panel.filters = {"StudyDate": ["2023-01-01", "2023-02-01"]}
    made.pump()
    expect(page.get_by_label("Study date", exact=True).locator("visible=true")).to_have_value(
        "2023-01-01; 2023-02-01"
    )
    panel.filters = {"StudyDate": "2023-01-01"}
    made.pump()
    expect(page.get_by_label("Study date, to")).to_have_value("2023-01-01")


def test_what_is_being_typed_is_not_overwritten(
    bridge: Callable[[Any], Bridge], page: Page, archive: dn.Archive
) -> None:
    panel = SearchPanel(archive)
    made = bridge(panel)
    page.get_by_label("Patient name").fill("zh")
    page.wait_for_function("() => window.sent.length > 0")
    page.get_by_label("Patient ID").fill("DNB")
    made.pump()
    expect(page.get_by_label("Patient ID")).to_have_value("DNB")
    made.pump(until=lambda: "PatientID" in panel.filters)
    assert panel.filters == {"PatientName": "zh*", "PatientID": "DNB"}
    page.get_by_role("radio", name="Series").check()
    made.pump()
    expect(page.get_by_label("Patient ID")).to_have_value("DNB")
    assert (panel.level, panel.filters["PatientName"]) == ("series", "zh*")


def test_fields_and_columns_are_added_with_completion(
    bridge: Callable[[Any], Bridge], page: Page, archive: dn.Archive
) -> None:
    panel = SearchPanel(archive, level="series")
    made = bridge(panel)
    page.get_by_text("More fields and columns").click()
    adding = page.get_by_role("combobox", name="Add another field")
    adding.press_sequentially("bodyp")
    offered = page.locator(f"#{adding.get_attribute('list')} option")
    made.pump(until=offered.count)
    assert offered.first.get_attribute("value") == "BodyPartExamined"
    adding.fill("BodyPartExamind")
    adding.press("Enter")
    made.pump()
    expect(page.get_by_text("Did you mean BodyPartExamined?")).to_be_visible()
    page.get_by_role("button", name="BodyPartExamined", exact=True).click()
    made.pump()
    field = page.get_by_role("search").get_by_label("Body part", exact=True)
    expect(field).to_be_focused()
    expect(adding).to_have_value("")
    for name in ("KVP", "BodyPartExamind"):  # what another view asks for is its own
        panel._receive(panel, {"kind": "add", "name": name, "by": "another"}, [])
        made.pump()
        expect(page.get_by_role("search").get_by_label("KVP", exact=True)).to_be_visible()
        expect(page.get_by_text("Did you mean BodyPartExamined?")).to_have_count(0)
        expect(adding).not_to_be_focused()
        expect(page.get_by_role("search").get_by_label("KVP", exact=True)).not_to_be_focused()
    field.fill("head")
    column = page.get_by_role("combobox", name="Add a column")
    column.fill("ProtocolName")
    column.press("Enter")
    made.pump()
    expect(page.get_by_role("button", name="Remove the column ProtocolName")).to_be_visible()
    field.press("Enter")
    drawn(made)
    assert set(panel.results["BodyPartExamined"]) == {"HEAD"}
    assert "ProtocolName" in panel.results.columns
    page.get_by_role("button", name="Remove the field Body part").click()
    made.pump()
    expect(field).to_have_count(0)
    assert panel.filters == {}


def test_nothing_found_cut_and_failed_show_a_way_on(
    bridge: Callable[[Any], Bridge], page: Page, archive: dn.Archive
) -> None:
    panel = SearchPanel(archive, limit=3)
    made = bridge(panel)
    panel.search(PatientName="Nobody")
    drawn(made)
    expect(page.get_by_text("No study matches.")).to_be_visible()
    page.get_by_role("button", name="without patient name: Nobody").click()
    drawn(made)
    expect(page.get_by_text("The first 3 studies; there may be more.")).to_be_visible()
    page.get_by_role("button", name="All studies").click()
    drawn(made)
    expect(page.get_by_text("30 studies", exact=True)).to_be_visible()
    expect(page.get_by_role("list", name="Notes on the results")).to_contain_text("odd value")
    panel._say("error", f"The server failed.\n{NASTY}")
    made.pump()
    expect(page.get_by_role("alert")).to_contain_text(NASTY)
    page.get_by_role("button", name="Search again").click()
    drawn(made)
    assert panel.said == ("info", "")


def test_text_that_would_be_html_is_text(
    bridge: Callable[[Any], Bridge], page: Page, nasty: dn.Archive
) -> None:
    panel = SearchPanel(nasty, PatientID=NASTY)
    made = bridge(panel)
    expect(page.get_by_label("Patient ID")).to_have_value(panel._step.form["PatientID"])
    page.get_by_label("Patient ID").press("Enter")
    drawn(made)
    expect(page.get_by_role("grid").get_by_text(NASTY, exact=True)).to_be_visible()
    panel.selected = panel.results
    drawn(made)
    page.get_by_text("Python code").first.click()
    expect(page.locator(".dicomnb-code code")).to_contain_text("<img src=x onerror=")
    page.get_by_role("button", name="Show series of the study").click()
    drawn(made)
    expect(page.get_by_role("navigation")).to_contain_text(NASTY)
    assert page.title() == ""
    assert page.locator("img[src=x]").count() == 0


@pytest.mark.long
def test_a_hundred_thousand_rows(
    bridge: Callable[[Any], Bridge], page: Page, archive: dn.Archive
) -> None:
    panel = SearchPanel(archive)
    made = bridge(panel)
    few = archive.studies(PatientName="Zhang*")
    many = pd.concat([few] * 25_000, ignore_index=True)
    many["StudyInstanceUID"] = [f"1.2.{number}" for number in range(len(many))]
    panel._step.found = Found(Search("study"), many)
    panel._show()
    made.pump()
    expect(page.get_by_text("100,000 studies", exact=True)).to_be_visible()
    assert rows(page).count() < 60
    page.get_by_role("grid").focus()
    page.keyboard.press("Control+a")
    drawn(made)
    assert len(panel.selected) == 100_000
    expect(page.get_by_text("The first 24 of 100,000 selected rows.")).to_be_visible()
    page.get_by_role("grid").focus()
    page.keyboard.press("End")
    made.pump()
    made.pump()
    expect(rows(page).last).to_contain_text("Zhang")
    page.screenshot(path=screenshots() / "search-100000.png", full_page=True)


def test_the_code_is_copied_or_can_be(
    bridge: Callable[[Any], Bridge], page: Page, archive: dn.Archive
) -> None:
    panel = SearchPanel(archive, PatientName="Zhang*")
    bridge(panel)
    page.evaluate(
        """() => {
            const refuse = () => Promise.reject(new Error('refused'));
            Object.defineProperty(navigator, 'clipboard', {value: {writeText: refuse}});
            document.execCommand = () => false;
        }"""
    )
    page.get_by_text("Python code").first.click()
    page.get_by_role("button", name="New cell").click()
    expect(page.get_by_text("This notebook lets no widget add a cell.")).to_be_visible()
    area = page.get_by_label("Python code, to be copied by hand")
    expect(area).to_have_value(panel.code)
    expect(area).to_be_focused()
    page.evaluate(
        """() => {
            window.copied = [];
            document.execCommand = (what) =>
                window.copied.push([what, document.activeElement.value]);
        }"""
    )
    page.get_by_role("button", name="Copy code").click()
    expect(page.get_by_text("Copied to the clipboard.")).to_be_visible()
    assert page.evaluate("() => window.copied") == [["copy", panel.code]]
    expect(area).to_be_hidden()


def test_without_a_kernel_it_shows_what_was_kept(page: Page, nasty: dn.Archive) -> None:
    panel = SearchPanel(nasty, keep=True).search().wait()
    state = {"kept": json.loads(json.dumps(panel.kept))}
    page.evaluate(FAKE_MODEL, {"esm": panel._esm, "css": panel._css, "state": state})
    expect(page.get_by_text("Kept with the notebook: 1 of 1 row.")).to_be_visible()
    expect(page.get_by_role("cell", name=NASTY, exact=True)).to_be_visible()
    assert page.title() == ""


@pytest.mark.parametrize("width", [360, 700, 1200])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_and_can_be_read(
    bridge: Callable[[Any], Bridge], page: Page, archive: dn.Archive, width: int, theme: str
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    if theme == "dark":
        page.add_style_tag(content=DARK)
    panel = SearchPanel(archive)
    made = bridge(panel)
    panel.search()
    drawn(made)
    panel.selected = panel.results.head(6)
    drawn(made)
    page.get_by_text("Python code").first.click()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    for control in page.locator("input:visible, select:visible, button:visible").all():
        label = control.evaluate(
            """one => one.labels?.[0]?.textContent || one.getAttribute('aria-label')
                || one.textContent"""
        )
        assert label.strip(), control.evaluate("one => one.outerHTML")
    page.screenshot(path=screenshots() / f"search-{theme}-{width}.png", full_page=True)
