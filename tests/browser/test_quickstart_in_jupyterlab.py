"""The quickstart in a real JupyterLab in a real browser, offline, in both themes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import screenshots

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "01_quickstart.ipynb"


@pytest.mark.parametrize(
    "theme", ["JupyterLab Light", pytest.param("JupyterLab Dark", marks=pytest.mark.long)]
)
@pytest.mark.usefixtures("demo_folder")
def test_quickstart(run_notebook: Callable[..., Page], theme: str) -> None:
    page = run_notebook(NOTEBOOK, theme=theme)
    card = page.locator(".jp-OutputArea-output", has_text="dicomnb.Archive").first
    colours = card.evaluate(
        """found => {
            const style = getComputedStyle(found.querySelector('div'));
            return [style.color, style.backgroundColor];
        }"""
    )
    expect(page.locator(".jp-OutputArea-output img")).to_have_count(4)
    expect(page.locator(".jp-OutputArea-output table.dataframe").nth(2)).to_be_attached()
    page.screenshot(path=screenshots() / f"quickstart-{theme.split()[1].lower()}.png")
    assert colours[0] != colours[1]
