"""`ConnectPanel` in a real JupyterLab: by keyboard, with a secret, beside a kernel that goes on."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from dicomnb.server import serve
from tests.browser.conftest import ask, saved, until, written
from tests.conftest import real_file, screenshots

SECRET = "tok-s3cret-4711"
CELLS = [
    "import dicomnb as dn\npanel = dn.widgets.ConnectPanel()\npanel",
    "print('the cell below is there')",
]


@pytest.mark.long
def test_by_keyboard_alone(run_notebook: Callable[..., Page], tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    shutil.copy(real_file("CT_small.dcm"), folder)
    server = serve(folder, token=SECRET)
    silent = socket.create_server(("127.0.0.1", 0))
    try:
        page = run_notebook(written(tmp_path / "made.ipynb", CELLS))
        keys = page.keyboard
        radio = page.get_by_role("radio", name="Server")
        radio.focus()
        for name in ("Folder", "Google Cloud", "Demo", "Server"):
            keys.press("ArrowRight")  # JupyterLab's own keys stay out of it
            expect(page.get_by_role("radio", name=name)).to_be_checked()
        until(page, "panel._form.kind", lambda kind: kind == "server")
        keys.press("Tab")
        keys.type(f"http://127.0.0.1:{silent.getsockname()[1]}/x")
        keys.press("Enter")
        expect(page.get_by_role("button", name="Cancel")).to_be_focused()
        assert ask(page, "1 + 1") == 2  # the kernel goes on
        expect(page.locator(".dicomnb-doing")).to_contain_text("No answer yet")
        keys.press("Enter")
        expect(page.get_by_role("status").filter(has_text="Cancelled.")).to_be_visible()
        expect(page.get_by_label("Address")).to_be_focused()
        keys.press("Control+a")
        keys.type(server.url)
        keys.press("Tab")
        keys.type("Tok")
        keys.press("Tab")
        keys.type(SECRET)
        keys.press("Enter")
        expect(page.get_by_role("heading", name="Connected to dicomnb")).to_be_focused()
        assert ask(page, "len(panel.archive.studies())") == 1
        assert page.locator(".jp-CodeCell").count() == len(CELLS)
        page.locator(".jp-OutputArea").first.screenshot(
            path=screenshots() / "connect-jupyterlab.png"
        )
        text = saved(page, tmp_path / "work" / "notebook.ipynb")
        assert SECRET not in text
        assert SECRET not in str(page.evaluate("() => document.documentElement.outerHTML"))
        assert ask(page, f"{SECRET[:6]!r} in str(panel.get_state()) + repr(panel.said)") is False
    finally:
        silent.close()
        server.close()
