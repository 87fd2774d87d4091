"""`ConnectPanel` in a real Chromium: typing, focus, and what stays in the page."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

import dicomnb as dn
from dicomnb.server import Server, serve
from dicomnb.widgets import ConnectPanel
from tests.conftest import real_file, screenshots
from tests.widgets.conftest import Bridge

SECRET = "tok-s3cret-4711"
NASTY = "<img src=x onerror=\"document.title='broken in'\">"
DARK = """
    --jp-ui-font-color1: #e0e0e0; --jp-ui-font-color2: #b0b0b0; --jp-layout-color1: #111;
    --jp-layout-color2: #212121; --jp-border-color1: #616161; --jp-brand-color1: #1976d2;
    --jp-error-color1: #e57373; --jp-warn-color1: #ffb74d; --jp-success-color1: #81c784;
    background: #111; color-scheme: dark;
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "scans"
    made.mkdir()
    shutil.copy(real_file("CT_small.dcm"), made)
    return made


@pytest.fixture
def guarded(folder: Path) -> Iterator[Server]:
    server = serve(folder, token=SECRET)
    yield server
    server.close()


def focused(page: Page) -> str:
    """The text, label or name of what has the focus."""
    found: str = page.evaluate(
        "() => { const one = document.activeElement;"
        " return one.labels?.[0]?.textContent || one.textContent; }"
    )
    return found


def everything_in(page: Page) -> str:
    """The whole page with the values of its fields."""
    text: str = page.evaluate(
        "() => document.documentElement.outerHTML"
        " + [...document.querySelectorAll('input, select')].map((one) => one.value).join('|')"
    )
    return text


def test_a_token_by_keyboard_alone(
    bridge: Callable[[Any], Bridge], page: Page, guarded: Server
) -> None:
    panel = ConnectPanel()
    made = bridge(panel)
    keys = page.keyboard
    keys.press("Tab")
    assert focused(page) == "Server"
    keys.press("Tab")
    assert focused(page) == "Address"
    keys.type(guarded.url)
    keys.press("Tab")
    assert focused(page).startswith("Sign in with")
    keys.type("Tok")
    keys.press("Tab")
    assert focused(page) == "Token"
    keys.type("wrong-s3cret-given")
    keys.press("Enter")
    assert "s3cret-given" not in everything_in(page)  # emptied at once, before the kernel has it
    made.pump()
    expect(page.get_by_role("alert")).to_contain_text("type the password or token anew")
    assert focused(page) == "Token"
    keys.type(SECRET)
    keys.press("Enter")
    made.pump()
    assert panel.archive is not None
    assert focused(page) == "Connected to dicomnb server, read-only"
    expect(page.get_by_role("status").filter(has_text="Connected: dicomnb")).to_be_visible()
    expect(page.locator("form")).to_be_hidden()
    text = everything_in(page)
    assert SECRET not in text
    assert "s3cret-given" not in text
    page.screenshot(path=screenshots() / "connect-connected.png")


def test_what_can_be_done_and_how_to_go_on(
    bridge: Callable[[Any], Bridge], page: Page, folder: Path
) -> None:
    panel = ConnectPanel(archive=dn.connect(folder))
    made = bridge(panel)
    expect(page.get_by_role("heading", name="Connected to Folder of files")).to_be_visible()
    items = page.get_by_role("list", name="What can be done").get_by_role("listitem")
    assert items.all_inner_texts() == [
        "✓ can search", "✓ can retrieve", "✓ can render (instances)", "– cannot store",
        "– cannot delete",
    ]  # fmt: skip
    page.get_by_text("The same in Python").click()
    expect(page.locator("pre")).to_contain_text("archive = dn.connect(")
    page.evaluate(
        "() => document.addEventListener('copy', () => { window.copied = String(getSelection()); })"
    )
    page.get_by_role("button", name="Copy code").click()
    expect(page.get_by_text("Copied", exact=True)).to_be_visible()
    assert page.evaluate("() => window.copied").strip() == panel.code
    page.evaluate("() => { document.execCommand = () => false; }")  # where it is forbidden
    page.get_by_role("button", name="Copy code").click()
    expect(page.get_by_text("Selected: press Ctrl+C")).to_be_visible()
    assert page.evaluate("() => getSelection().toString()").strip() == panel.code
    page.get_by_role("button", name="Change").click()
    assert focused(page) == "Server"
    page.get_by_role("button", name="Keep the present connection").click()
    assert focused(page) == "Connected to Folder of files"
    page.get_by_role("button", name="Disconnect").click()
    made.pump()
    assert panel.archive is None
    expect(page.get_by_label("Address")).to_be_focused()


def test_a_folder_is_completed(
    bridge: Callable[[Any], Bridge], page: Page, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / NASTY.replace("/", "")).mkdir()
    made = bridge(ConnectPanel())
    page.get_by_role("radio", name="Folder").check()
    made.pump()
    field = page.get_by_role("combobox", name="Folder")
    field.fill(f"{tmp_path}/")
    made.pump()
    options = page.get_by_role("option")
    assert options.all_inner_texts() == [f"{tmp_path}/{NASTY}/", f"{tmp_path}/scans/"]
    assert page.title() == ""
    expect(field).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowUp")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(field).to_have_value(f"{tmp_path}/scans/")
    made.pump()
    field.fill(f"{tmp_path}/s")
    made.pump()
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    page.keyboard.press("ArrowDown")
    made.pump()
    box, below = field.bounding_box(), page.get_by_role("listbox").bounding_box()
    assert box is not None
    assert below is not None
    assert below["y"] >= box["y"] + box["height"]
    page.screenshot(path=screenshots() / "connect-folder.png")
    field.press("Enter")  # a folder that is not there: the field again, with nothing laid over
    made.pump()
    assert made.panel.said[0] == "error"
    expect(field).to_be_focused()
    expect(page.get_by_role("listbox")).to_be_hidden()
    page.keyboard.press("ArrowDown")
    made.pump()
    options.first.click()
    page.get_by_label("May be written to").check()
    field.press("Enter")
    made.pump()
    assert made.panel.archive.source.address == str(folder)
    assert made.panel.archive.source.abilities().stores


def test_waiting_is_shown_and_ended(bridge: Callable[[Any], Bridge], page: Page) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/dicom-web"
        made = bridge(ConnectPanel(url))
        page.get_by_label("Address").press("Enter")
        made.pump(wait=False)
        expect(page.locator("form")).to_have_attribute("inert", "")
        assert focused(page) == "Cancel"
        expect(page.locator(".dicomnb-doing")).to_contain_text(re.compile(r"No answer yet, \d+ s"))
        page.screenshot(path=screenshots() / "connect-waiting.png")
        page.keyboard.press("Enter")
        made.pump()
        expect(page.locator(".dicomnb-work")).to_be_hidden()
        expect(page.get_by_role("status").filter(has_text="Cancelled.")).to_be_visible()
        assert focused(page) == "Address"


def test_a_brief_card_unfolds_and_stays_so(
    bridge: Callable[[Any], Bridge], page: Page, folder: Path
) -> None:
    made = bridge(ConnectPanel(archive=dn.connect(folder), brief=True))
    heading = page.get_by_role("heading", name="Connected to Folder of files")
    expect(heading).to_be_visible()
    expect(page.get_by_text(str(folder)).first).to_be_visible()
    change = page.get_by_role("button", name="Change")
    expect(change).to_be_hidden()
    heading.click()
    expect(change).to_be_visible()
    made.panel._tell_state()
    made.pump()
    expect(change).to_be_visible()
    change.click()
    page.get_by_role("radio", name="Folder").check()
    page.get_by_role("combobox", name="Folder").fill(str(folder))
    page.keyboard.press("Enter")
    made.pump()
    assert made.panel.said == ("done", "Connected: Folder of files")
    expect(heading).to_be_visible()
    expect(page.get_by_text("Connected: ")).to_be_hidden()  # once is enough


def test_text_of_a_server_is_text(bridge: Callable[[Any], Bridge], page: Page) -> None:
    panel = ConnectPanel(f"http://127.0.0.1:1/{NASTY}")
    made = bridge(panel)
    page.get_by_role("button", name="Connect").click()
    made.pump()
    panel._say("error", NASTY)
    panel._about = {"family": NASTY, "rows": [[NASTY, NASTY]], "abilities": [], "address": ""}
    panel._notes = [NASTY]
    panel._tell_state()
    made.pump()
    expect(page.get_by_role("heading")).to_have_text(f"Connected to {NASTY}")
    assert page.title() == ""


def test_two_views_tell_the_same(bridge: Callable[[Any], Bridge], page: Page) -> None:
    """The kernel holds what is filled in: a page that is loaded again has it as well."""
    panel = ConnectPanel()
    made = bridge(panel)
    page.get_by_label("Address").fill("https://pacs.example/rs")
    page.get_by_text("More", exact=True).click()
    expect(page.get_by_role("note")).to_be_hidden()
    page.get_by_label("Check the server's certificate").uncheck()
    expect(page.get_by_role("note")).to_contain_text("can read and change everything")
    made.pump()
    page.evaluate("() => { window.cleanup(); window.root.remove(); }")
    bridge(panel)
    expect(page.get_by_label("Address")).to_have_value("https://pacs.example/rs")
    expect(page.get_by_label("Check the server's certificate")).not_to_be_checked()


def test_what_is_typed_is_not_overwritten(bridge: Callable[[Any], Bridge], page: Page) -> None:
    """The kernel answers late; what it tells meanwhile is older than what is in the page."""
    made = bridge(ConnectPanel("https://pacs.example/old"))
    late = made.panel._state()
    page.get_by_label("Address").fill("https://pacs.example/new")
    page.get_by_role("radio", name="Folder").check()
    made.panel.send({"kind": "state", **late})
    made.pump(wait=False)
    expect(page.get_by_role("radio", name="Folder")).to_be_checked()
    page.get_by_role("radio", name="Server").check()
    made.pump()
    expect(page.get_by_label("Address")).to_have_value("https://pacs.example/new")
    assert made.panel._form.url == "https://pacs.example/new"
    late["form"]["url"] = "https://pacs.example/elsewhere"  # changed in another view
    made.panel.send({"kind": "state", **late})
    made.pump()
    expect(page.get_by_label("Address")).to_have_value("https://pacs.example/elsewhere")


@pytest.mark.parametrize("width", [360, 700, 1200])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_how_it_looks(
    bridge: Callable[[Any], Bridge], page: Page, width: int, theme: str, folder: Path
) -> None:
    """For the eye; and nothing is wider than the page."""
    page.set_viewport_size({"width": width, "height": 640})
    if theme == "dark":
        page.evaluate("(style) => document.body.style.cssText += style", DARK)
    options = dn.Options(verify=False, api_root="http://127.0.0.1:1/v1")
    panel = ConnectPanel("https://pacs.example/dicom-web", options=options)
    made = bridge(panel)
    page.get_by_text("More", exact=True).click()
    for kind in ("Server", "Folder", "Google Cloud", "Demo"):
        page.get_by_role("radio", name=kind).check()
        made.pump()
        page.screenshot(
            path=screenshots() / f"connect-{kind.split()[0].lower()}-{width}-{theme}.png"
        )
    page.get_by_role("radio", name="Server").check()
    page.get_by_label("Sign in with").first.select_option("password")
    page.get_by_label("User", exact=True).fill("alice")
    page.get_by_label("Address").fill("http://127.0.0.1:1/" + "a-long-path/" * 12)
    page.get_by_role("button", name="Connect").click()
    made.pump()
    page.screenshot(path=screenshots() / f"connect-error-{width}-{theme}.png")
    panel.archive = dn.connect(folder)
    panel.wait()
    made.pump()
    page.get_by_text("The same in Python").click()
    page.screenshot(path=screenshots() / f"connect-card-{width}-{theme}.png")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
