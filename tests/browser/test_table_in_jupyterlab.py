"""The panels' table in a real JupyterLab, which has shortcuts of its own on the same keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import ask, until, written
from tests.conftest import screenshots

CELLS = [
    "import dicomnb as dn\narchive = dn.connect(FOLDER)",
    "panel = dn.widgets.SearchPanel(archive, level='series', limit=None)\n"
    "panel.search().wait()\npanel",
    "chosen = lambda: panel.selected.index.tolist()",
]
COUNT_CELLS = "() => window.jupyterapp.shell.currentWidget.content.widgets.length"


@pytest.mark.long
def test_keys_are_the_tables_own(
    run_notebook: Callable[..., Page], tmp_path: Path, demo_folder: Path
) -> None:
    cells = [one.replace("FOLDER", repr(str(demo_folder))) for one in CELLS]
    page = run_notebook(written(tmp_path / "table.ipynb", cells), theme="JupyterLab Dark")
    grid = page.locator(".dicomnb-grid-table")
    grid.locator("[aria-rowindex='2']:not(.dicomnb-grid-coming)").get_by_role("gridcell").nth(
        2
    ).click()
    until(page, "chosen()", lambda found: found == [0])
    grid.press("Shift+ArrowDown")
    grid.press("Shift+ArrowDown")
    until(page, "chosen()", lambda found: found == [0, 1, 2])
    for key in ("End", "a", "b", "x", "d", "d", "m", "Space"):
        grid.press(key)
        assert page.evaluate(COUNT_CELLS) == len(CELLS), key
    last = ask(page, "len(panel.results) - 1")
    until(page, "chosen()", lambda found: found == [0, 1, 2, last])
    assert page.evaluate(COUNT_CELLS) == len(CELLS)
    assert grid.evaluate("one => document.activeElement === one")
    grid.press("Control+a")
    until(page, "len(chosen())", lambda found: found == ask(page, "len(panel.results)"))
    grid.press("Escape")
    until(page, "chosen()", lambda found: found == [])
    page.get_by_role("button", name="Series Date").click()
    page.wait_for_selector("[aria-sort=ascending]")
    ordered = "panel.results.sort_values('SeriesDate', kind='stable').index[:2].tolist()"
    grid.press("Home")
    grid.press("Space")
    grid.press("Shift+ArrowDown")
    want = ask(page, f"sorted({ordered})")
    until(page, "chosen()", lambda found: found == want)
    page.screenshot(path=screenshots() / "grid-in-jupyterlab.png")
    grid.press("Enter")
    until(page, "panel.level", lambda found: found == "instance")
    inside = page.get_by_role("grid", name="Instances")
    expect(inside).to_be_focused()
    inside.press("Space")
    until(page, "[panel.level, *chosen()]", lambda found: found == ["instance", 0])
