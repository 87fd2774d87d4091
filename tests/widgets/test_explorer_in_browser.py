"""The explorer's search in a real Chromium: what Enter, double click and button open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

import dicomnb as dn
from dicomnb.widgets import Explorer
from tests.widgets.conftest import Bridge


@pytest.fixture
def explorer(demo_folder: Path) -> Any:
    made = dn.browse(dn.connect(demo_folder))
    made.search.search(level="series", PatientName="Zhang^Wei").wait()
    yield made
    made.close()


def test_a_series_and_an_instance_are_opened_to_be_looked_at(
    bridge: Callable[[Any], Bridge], page: Page, explorer: Explorer
) -> None:
    made = bridge(explorer.search)
    made.pump()
    look = page.get_by_role("button", name="Select one series to look at")
    expect(look).to_be_disabled()
    rows = page.locator("[role=row][aria-rowindex]:not([aria-rowindex='1'])")
    rows.first.get_by_role("checkbox").check()
    made.pump()
    page.get_by_role("button", name="Look at the series").click()
    made.pump()
    explorer.wait()
    assert explorer.volume.shape[0] == explorer.selected["NumberOfSeriesRelatedInstances"].iloc[0]

    page.get_by_role("button", name="Show instances of the series").click()
    made.pump()
    expect(page.get_by_role("grid", name="Instances")).to_be_visible()
    page.get_by_role("button", name="Look at it").first.click()
    made.pump()
    explorer.wait()
    uid = explorer.results.iloc[0]["SOPInstanceUID"]
    assert explorer.viewer.what.SOPInstanceUID == uid
    page.get_by_role("grid", name="Instances").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    made.pump()
    explorer.wait()
    uid = explorer.results.iloc[1]["SOPInstanceUID"]
    assert explorer.viewer.what.SOPInstanceUID == uid
