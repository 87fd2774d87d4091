"""The explorer in a real JupyterLab, as a person uses it: from a name to a deletion."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

import dicomnb as dn
from tests.browser.conftest import ASK, ask, saved, until, written
from tests.conftest import real_file, screenshots

CELLS = [
    "import threading\nimport dicomnb as dn\n"
    "archive = dn.connect(FOLDER, options=dn.Options(writable=True))",
    "explorer = dn.browse(archive)\nexplorer",
]


@pytest.fixture
def folder(tmp_path: Path, demo_folder: Path) -> Path:
    """An archive of two patients of the demo, to be changed."""
    demo = dn.connect(demo_folder)
    demo.download(demo.studies(PatientID=["DNB-0001", "DNB-0005"]), tmp_path / "archive")
    return tmp_path / "archive"


def rows(page: Page) -> Locator:
    """The rows of the table of results, without its head."""
    return page.locator(".dicomnb-searching [role=row][aria-rowindex]:not([aria-rowindex='1'])")


@pytest.mark.long
@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_from_a_name_to_a_measurement_and_back(
    run_notebook: Callable[..., Page], tmp_path: Path, folder: Path, theme: str
) -> None:
    cells = [one.replace("FOLDER", repr(str(folder))) for one in CELLS]
    page = run_notebook(written(tmp_path / "explorer.ipynb", cells), theme=theme)
    shot = screenshots() / f"explorer-{theme.split()[1].lower()}"

    find(page)
    look(page)
    page.screenshot(path=f"{shot}-view.png")
    fetch(page, tmp_path / "data")
    page.screenshot(path=f"{shot}-fetch.png")
    upload(page)
    page.screenshot(path=f"{shot}-upload.png")
    delete(page)
    page.screenshot(path=f"{shot}-delete.png")
    check_saved(page, tmp_path / "work" / "notebook.ipynb", folder)


def find(page: Page) -> None:
    """Search for a patient, and go down to the series of a study."""
    name = page.get_by_role("textbox", name="Patient name")
    name.fill("zhang, w")
    name.press("Enter")
    expect(rows(page)).to_have_count(1)
    rows(page).first.dblclick()
    expect(rows(page).first).to_contain_text("T1 axial")


def look(page: Page) -> None:
    """Open the series, scroll, drag the window, see the value change, measure."""
    rows(page).first.dblclick()
    viewer = page.locator(".dicomnb-viewer")
    place = viewer.locator(".dicomnb-place").first
    expect(place).to_have_text(re.compile(r"\d+ / 22"))
    canvas = viewer.locator(".dicomnb-canvas")
    start = ask(page, "explorer.viewer.slice")
    assert isinstance(start, int)
    canvas.hover()
    readout = viewer.locator(".dicomnb-readout")
    expect(readout).to_contain_text("row")
    before = readout.inner_text()
    page.mouse.wheel(0, 160)
    until(page, "explorer.viewer.slice", lambda value: value == start + 4)
    expect(viewer.locator(".dicomnb-readout")).not_to_have_text(before)
    assert re.match(
        r"^\d+\nrow \d+, column \d+\nL ", viewer.locator(".dicomnb-readout").inner_text()
    )

    window = ask(page, "explorer.viewer.window")
    drag(page, canvas, 60, 30)
    changed = until(page, "explorer.viewer.window", lambda value: value != window)
    assert changed[0] > window[0]  # down: a higher centre
    assert changed[1] > window[1]  # to the right: wider
    page.keyboard.press("d")
    drag(page, canvas, 100, 0)
    (found,) = until(page, "explorer.viewer.measurements", bool)
    assert found["kind"] == "distance"
    assert found["slice"] == start + 4
    assert found["length"] > 10


def drag(page: Page, canvas: Locator, across: int, down: int) -> None:
    box = canvas.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + across, y + down, steps=4)
    page.mouse.up()


def fetch(page: Page, target: Path) -> None:
    """Fetch the series to a folder, held up meanwhile: other cells run."""
    page.evaluate(
        ASK,
        "free = threading.Event()\n"
        "source = archive.source\n"
        "instances = source.instances\n"
        "def held(*given, **named):\n"
        "    for part in instances(*given, **named):\n"
        "        free.wait(20)\n"
        "        yield part\n"
        "source.instances = held",
    )
    page.get_by_role("tab", name="Fetch").click()
    expect(page.locator(".dicomnb-retrieving")).to_contain_text("22 instances")
    page.get_by_role("radio", name="Files in a folder").check()
    until(page, "explorer.retrieve.target", lambda value: value == "folder")
    folder = page.get_by_role("textbox", name="Folder on the machine of the kernel")
    folder.fill(str(target))
    page.get_by_role("button", name="Fetch", exact=True).click()
    until(page, "explorer.retrieve.busy", bool)
    assert ask(page, "21 * 2") == 42  # a cell runs while the fetch is held up
    assert ask(page, "explorer.retrieve.busy != ''")
    expect(page.locator(".dicomnb-retrieving").get_by_role("progressbar")).to_be_visible()
    page.evaluate(ASK, "free.set()\nsource.instances = instances")
    until(page, "explorer.retrieve.outcome is not None and len(explorer.retrieve.outcome)", bool)
    assert len(list(target.rglob("*.dcm"))) == 22


def upload(page: Page) -> None:
    """Send a file from the browser; the search knows of it."""
    page.get_by_role("tab", name="Upload").click()
    page.get_by_label("Files to upload").set_input_files(real_file("CT_small.dcm"))
    send = page.get_by_role("button", name=re.compile("^Send"))
    expect(send).to_be_enabled()
    send.click()
    until(page, "list(explorer.upload.outcome['Outcome']) == ['stored']", bool)
    page.get_by_role("button", name=re.compile(r"^Studies")).click()
    page.get_by_role("button", name="Clear", exact=True).click()
    page.get_by_role("textbox", name="Patient name").fill("CompressedSamples*")
    page.get_by_role("textbox", name="Patient name").press("Enter")
    expect(rows(page)).to_have_count(1)


def delete(page: Page) -> None:
    """Delete it again: its row goes, what became of it stands there."""
    rows(page).first.get_by_role("checkbox").check()
    page.get_by_role("tab", name="Delete").click()
    words = until(page, "explorer.delete.words", bool)
    assert words == "delete 1 study with 1 instance"
    field = page.locator(".dicomnb-deleting input")
    field.fill(str(words))
    field.press("Enter")
    until(page, "len(explorer.delete.outcome)", bool)
    expect(rows(page)).to_have_count(0)
    assert ask(page, "len(archive.studies(PatientName='CompressedSamples*'))") == 0


def check_saved(page: Page, notebook: Path, folder: Path) -> None:
    """What the notebook saves, states of widgets included, holds nothing of a patient."""
    text = saved(page, notebook)
    assert "dicomnb-explorer" in text
    kept = json.loads(text)["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]
    assert all(not one.get("buffers") for one in kept["state"].values())
    table = dn.connect(folder).series(fields=["AccessionNumber", "StudyDescription"])
    names = ["PatientName", "PatientID", "StudyInstanceUID", "SeriesInstanceUID",
             "SeriesDescription", "AccessionNumber", "StudyDescription"]  # fmt: skip
    for name in names:
        for value in table[name].dropna().unique():
            assert str(value) not in text, name
