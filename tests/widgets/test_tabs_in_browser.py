"""The tabs of an explorer: by mouse, by keys, for screen readers, and for pages that come late."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

from dicomnb.widgets.tabs import PAGES, Tabs
from tests.widgets.conftest import Bridge

Bridging = Callable[[Any], Bridge]
PUT_INTO_EXPLORER = """(names) => {
    const explorer = document.createElement('div');
    explorer.className = 'dicomnb-explorer';
    const first = document.createElement('p');
    first.textContent = 'Connect';
    document.body.append(explorer);
    explorer.append(first, window.root);
    setTimeout(() => {
        for (const name of names) {
            const page = document.createElement('section');
            page.className = `dicomnb-page dicomnb-page-${name}`;
            page.textContent = `This is ${name}`;
            explorer.append(page);
        }
    }, 50);
}"""


def opened(bridge: Bridging, page: Page, *, connected: bool = True) -> Bridge:
    tabs = Tabs()
    tabs.is_connected = connected
    made = bridge(tabs)
    page.evaluate(PUT_INTO_EXPLORER, list(PAGES))
    page.locator(".dicomnb-page[role=tabpanel]").nth(3).wait_for(state="attached")
    return made


def visible(page: Page) -> list[str]:
    found = page.locator(".dicomnb-page").all()
    return [one.inner_text() for one in found if one.is_visible()]


def test_one_page_is_shown_at_a_time(bridge: Bridging, page: Page) -> None:
    made = opened(bridge, page)
    assert visible(page) == ["This is view"]
    for name, label in PAGES.items():
        page.get_by_role("tab", name=label).click()
        assert visible(page) == [f"This is {name}"]  # before the kernel has heard of it
        made.pump()
        assert made.panel.tab == name
        expect(page.get_by_role("tabpanel", name=label)).to_have_text(f"This is {name}")
    made.panel.tab = "upload"
    made.pump()
    assert visible(page) == ["This is upload"]


def test_keys_go_round(bridge: Bridging, page: Page) -> None:
    made = opened(bridge, page)
    page.get_by_role("tab", name="View").focus()
    for key, name in [
        ("ArrowRight", "fetch"), ("ArrowLeft", "view"), ("ArrowLeft", "delete"),
        ("ArrowRight", "view"), ("End", "delete"), ("Home", "view"),
    ]:  # fmt: skip
        page.keyboard.press(key)
        made.pump()
        assert made.panel.tab == name
        assert page.evaluate("() => document.activeElement.dataset.name") == name
    # Only the chosen one is a stop of the Tab key.
    assert page.locator("[role=tab][tabindex='0']").count() == 1
    assert page.get_by_role("tab", selected=True).inner_text() == "View"


def test_numbers_stand_beside(bridge: Bridging, page: Page) -> None:
    made = opened(bridge, page)
    made.panel.notes = {"fetch": "<b>3</b>"}
    made.pump()
    assert page.get_by_role("tab", name="Fetch").inner_text() == "Fetch<b>3</b>"
    made.panel.notes = {}
    made.pump()
    assert page.get_by_role("tab", name="Fetch").inner_text() == "Fetch"


def test_without_an_archive_there_is_only_the_way_to_one(bridge: Bridging, page: Page) -> None:
    made = opened(bridge, page, connected=False)
    assert page.locator(".dicomnb-explorer").inner_text().strip() == "Connect"
    made.panel.is_connected = True
    made.pump()
    assert visible(page) == ["This is view"]
