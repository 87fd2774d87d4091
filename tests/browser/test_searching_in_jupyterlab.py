"""The search panel in a real JupyterLab: a search by hand, and its code in a new cell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_viewer_in_jupyterlab import ask, until
from tests.conftest import screenshots

CELLS = [
    "import warnings\nimport dicomnb as dn\npacs = dn.connect(FOLDER)",
    "panel = dn.widgets.SearchPanel(pacs)\npanel",
]
RUN_ACTIVE = "() => window.jupyterapp.commands.execute('notebook:run-cell')"


@pytest.fixture
def notebook(tmp_path: Path, demo_folder: Path) -> Path:
    path = tmp_path / "search.ipynb"
    cells = [
        nbformat.v4.new_code_cell(one.replace("FOLDER", repr(str(demo_folder)))) for one in CELLS
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)
    return path


@pytest.mark.long
@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_search_by_hand_and_put_the_code_into_a_cell(
    run_notebook: Callable[..., Page], notebook: Path, theme: str
) -> None:
    page = run_notebook(notebook, theme=theme)
    panel = page.get_by_role("group", name="Search", exact=True)
    name = panel.get_by_label("Patient name")
    name.press_sequentially("zhang")
    expect(panel.get_by_text("Searches for zhang*")).to_be_visible()
    name.press("Enter")
    expect(panel.get_by_text("4 studies", exact=True)).to_be_visible()
    assert until(page, "len(panel.results)", bool) == 4

    # Keys in the table are the panel's, not the notebook's.
    grid = panel.get_by_role("grid")
    grid.focus()
    page.keyboard.press("End")
    page.keyboard.press("Space")
    until(page, "len(panel.selected)", lambda count: count == 1)
    panel.get_by_role("button", name="Show series of the study").focus()
    for key in ("a", "b", "d", "d"):
        page.keyboard.press(key)
    assert page.locator(".jp-Notebook .jp-Cell").count() == 2
    expect(panel.get_by_role("img")).to_have_count(1)
    page.screenshot(path=screenshots() / f"search-in-lab-{theme.split()[1].lower()}.png")
    page.keyboard.press("Enter")
    until(page, "panel.level", lambda level: level == "series")
    until(page, "len(panel.results)", lambda count: count > 0)

    panel.get_by_text("Python code").first.click()
    panel.get_by_role("button", name="New cell").click()
    expect(panel.get_by_text("Put into a new cell below.")).to_be_visible()
    expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(3)
    code = ask(page, "panel.code")
    assert isinstance(code, str)
    assert code.startswith("series = pacs.series(dn.Ref(")
    sources = page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.content.widgets"
        ".map((cell) => cell.model.sharedModel.getSource())"
    )
    assert sources[2] == f"{code}\nseries"
    page.evaluate(RUN_ACTIVE)
    assert until(page, "'series' in globals() and len(series)", bool) == ask(
        page, "len(panel.results)"
    )

    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    panel.get_by_role("button", name="Copy code").click()
    expect(panel.get_by_text("Copied to the clipboard.")).to_be_visible()
    assert page.evaluate("() => navigator.clipboard.readText()") == code
