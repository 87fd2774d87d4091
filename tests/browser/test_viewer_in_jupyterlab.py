"""The viewer in a real JupyterLab: real messages between a real kernel and a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import ASK, ask, until, written
from tests.conftest import screenshots

CELLS = [
    "import dicomnb as dn\narchive = dn.connect(FOLDER)\n"
    "scan = archive.series(Modality='CT').iloc[0]",
    "viewer = dn.widgets.Viewer(scan, archive=archive, window='lung')\nviewer",
]


@pytest.fixture
def notebook(tmp_path: Path, demo_folder: Path) -> Path:
    cells = [one.replace("FOLDER", repr(str(demo_folder))) for one in CELLS]
    return written(tmp_path / "viewer.ipynb", cells)


@pytest.mark.long
@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_scroll_window_and_measure(
    run_notebook: Callable[..., Page], notebook: Path, theme: str
) -> None:
    page = run_notebook(notebook, theme=theme)
    viewer = page.locator(".dicomnb-viewer")
    canvas = viewer.locator(".dicomnb-canvas")
    viewer.locator(".dicomnb-place").first.get_by_text(re.compile(r"\d+ / \d+")).wait_for()
    start = ask(page, "viewer.slice")
    assert isinstance(start, int)
    canvas.hover()
    page.mouse.wheel(0, 80)
    until(page, "viewer.slice", lambda value: value == start + 2)
    page.wait_for_function(
        "() => document.querySelector('.dicomnb-viewer').querySelector('.dicomnb-state')"
        ".textContent.indexOf('loading') < 0"
    )
    value = viewer.locator(".dicomnb-readout").inner_text()
    assert re.match(r"^−?\d+ HU\nrow \d+, column \d+\nL ", value)

    box = canvas.bounding_box()
    assert box
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 60, middle[1], steps=5)
    page.mouse.up()
    until(page, "viewer.window", lambda found: found == [-600, pytest.approx(1800)])

    page.keyboard.press("d")
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 100, middle[1], steps=5)
    page.mouse.up()
    (found,) = until(page, "viewer.measurements", bool)
    assert found["kind"] == "distance"
    assert found["length"] > 10
    assert found["slice"] == start + 2

    page.evaluate(ASK, "viewer.slice = 3; viewer.window = 'bone'")
    viewer.get_by_text("C 400 W 1800").or_(viewer.get_by_text("C 400  W 1800")).wait_for()
    assert viewer.locator(".dicomnb-place").first.inner_text().startswith("4 / ")
    page.screenshot(path=screenshots() / f"viewer-in-lab-{theme.split()[1].lower()}.png")
