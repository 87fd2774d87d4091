"""The delete panel's front end in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from pydicom import dcmread
from pydicom.uid import generate_uid

import dicomnb as dn
from dicomnb.widgets.deleting import DeletePanel
from tests.conftest import real_file, screenshots
from tests.widgets.conftest import Bridge
from tests.widgets.test_deleting_logic import NASTY, fill
from tests.widgets.test_uploading_in_browser import DARK


@pytest.fixture
def server(tmp_path: Path) -> Iterator[dn.Archive]:
    with dn.serve(fill(tmp_path / "served"), writable=True) as url:
        yield dn.connect(url)


def go(page: Page) -> Locator:
    return page.locator(".dicomnb-danger")


def typed(page: Page) -> Locator:
    return page.get_by_role("textbox")


def test_what_goes_is_shown_and_the_words_open_the_button(
    bridge: Callable[[Any], Bridge], page: Page, server: dn.Archive
) -> None:
    studies = server.studies().sort_values("StudyDate")
    panel = DeletePanel(server, studies.iloc[:2]).wait()
    made = bridge(panel)
    expect(page.locator(".dicomnb-plan")).to_have_text(
        "This deletes 2 studies with 4 series and 8 instances, of 2 patients, "
        "2020-01-02 to 2021-01-02."
    )
    expect(page.get_by_role("table", name="What would be deleted")).to_contain_text(NASTY)
    expect(page.get_by_role("cell", name="CompressedSamples, CT1").first).to_be_visible()
    expect(page.get_by_text("nothing can be had back")).to_be_visible()
    field = page.get_by_label("Type delete 2 studies with 8 instances to confirm")
    expect(go(page)).to_have_text("Delete 2 studies")
    expect(go(page)).to_be_disabled()
    field.fill("delete 2 studies with 9 instances")
    expect(go(page)).to_be_disabled()
    page.keyboard.press("Enter")
    made.pump()
    assert len(server.studies()) == 3
    field.fill("Delete 2 studies  with 8 instances ")
    expect(go(page)).to_be_enabled()

    # Something else is chosen: what was typed is gone.
    panel.what = studies.iloc[1:]
    made.pump()
    expect(page.locator(".dicomnb-plan")).to_contain_text("2021-01-02 to 2022-01-02")
    expect(typed(page)).to_have_value("")
    expect(go(page)).to_be_disabled()
    typed(page).fill(panel.words)
    page.keyboard.press("Enter")
    made.pump()
    assert panel.outcome["Outcome"].tolist() == ["deleted"] * 2
    assert server.studies()["PatientID"].tolist() == [NASTY]
    expect(page.get_by_role("status")).to_have_text("2 of 2 deleted.")
    expect(page.locator(".dicomnb-word")).to_have_text(["deleted", "deleted"])
    expect(typed(page)).to_be_hidden()
    assert page.title() == ""
    page.get_by_role("button", name="Look again").click()
    made.pump()
    expect(page.get_by_role("alert")).to_contain_text("there is nothing to delete")
    expect(page.get_by_role("table")).to_be_hidden()


def test_nothing_is_chosen(bridge: Callable[[Any], Bridge], page: Page, server: dn.Archive) -> None:
    panel = DeletePanel(server).wait()
    made = bridge(panel)
    expect(page.get_by_text("Nothing is chosen")).to_be_visible()
    expect(go(page)).to_be_hidden()
    panel.archive = None
    made.pump()
    expect(page.get_by_role("note")).to_contain_text("There is no archive to delete from")


def test_series_have_no_column_of_series(
    bridge: Callable[[Any], Bridge], page: Page, server: dn.Archive
) -> None:
    made = bridge(DeletePanel(server, server.series().iloc[:1]).wait())
    heads = page.get_by_role("columnheader")
    expect(heads).to_have_text(["Patient", "Date", "Description", "Instances"])
    expect(go(page)).to_have_text("Delete 1 series")
    typed(page).fill("delete 1 series with 2 instances")
    go(page).click()
    made.pump()
    expect(heads).to_have_text(["Patient", "Date", "Description", "Instances", "Outcome"])


def test_many_are_shown_in_pages(
    bridge: Callable[[Any], Bridge], page: Page, tmp_path: Path
) -> None:
    folder = fill(tmp_path / "many", studies=1, series=1, instances=120)
    archive = dn.connect(folder, options=dn.Options(writable=True))
    made = bridge(DeletePanel(archive, archive.instances()).wait())
    expect(page.locator("tbody tr")).to_have_count(100)
    page.get_by_role("button", name="Next").click()
    made.pump()
    expect(page.get_by_text("101–120 of 120")).to_be_visible()
    expect(page.get_by_text(".dicomnb-trash")).to_be_visible()


@pytest.mark.parametrize("width", [360, 700, 1200])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_its_place(
    bridge: Callable[[Any], Bridge],
    page: Page,
    server: dn.Archive,
    monkeypatch: Any,
    width: int,
    theme: str,
) -> None:
    """Pictures for a person; nothing runs out of the panel on any width."""
    if theme == "dark":
        page.add_style_tag(content=DARK)
    page.set_viewport_size({"width": width, "height": 700})
    dataset = dcmread(real_file("CT_small.dcm"))
    dataset.StudyInstanceUID = generate_uid()
    dataset.PatientName = "A-rather-long-family-name^A-rather-long-given-name"
    dataset.StudyDescription = "a-long-description-without-a-space " + "x" * 28
    server.store(dataset)
    folder = screenshots()
    panel = DeletePanel(server).wait()
    made = bridge(panel)
    page.screenshot(path=folder / f"delete-empty-{theme}-{width}.png")
    panel.what = server.studies()
    made.pump()
    typed(page).fill(panel.words)
    page.screenshot(path=folder / f"delete-confirmed-{theme}-{width}.png")
    delete = server.source.delete

    def failing(ref: dn.Ref, **options: Any) -> Any:
        if ref.study == dataset.StudyInstanceUID:
            raise dn.ServerError(
                "It broke. " * 8, status=500, url="https://pacs.example/" + "x" * 80
            )
        return delete(ref, **options)

    monkeypatch.setattr(server.source, "delete", failing)
    go(page).click()
    made.pump()
    page.screenshot(path=folder / f"delete-done-{theme}-{width}.png")
    assert sorted(panel.outcome["Outcome"]) == ["deleted"] * 3 + ["failed"]
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
