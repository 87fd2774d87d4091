"""The quickstart in a real JupyterLab in a real browser, offline, in both themes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import free_port, need

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "01_quickstart.ipynb"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TOKEN = "test-token"
READY = """() => {
    const kernel = window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel;
    return kernel && kernel.status === 'idle' && kernel.connectionStatus === 'connected';
}"""


def settings(home: Path, plugin: str, value: dict[str, object]) -> None:
    package, name = plugin.split(":")
    file = home / "settings" / package / f"{name}.jupyterlab-settings"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value))


@pytest.fixture(params=["JupyterLab Light", "JupyterLab Dark"])
def lab(request: pytest.FixtureRequest, tmp_path: Path, demo_folder: Path) -> Iterator[str]:
    """The address of a JupyterLab with the notebook in it."""
    work = tmp_path / "work"
    work.mkdir()
    shutil.copy(NOTEBOOK, work / "quickstart.ipynb")
    news = {"fetchNews": "false", "checkForUpdates": False}
    settings(tmp_path, "@jupyterlab/apputils-extension:notification", news)
    settings(tmp_path, "@jupyterlab/apputils-extension:themes", {"theme": request.param})
    settings(tmp_path, "@jupyterlab/notebook-extension:tracker", {"windowingMode": "none"})
    port = free_port()
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }
    environment = os.environ | {name: str(tmp_path / folder) for name, folder in folders.items()}
    options = [
        "--no-browser",
        "--allow-root",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={TOKEN}",
        f"--ServerApp.root_dir={work}",
        "--LabApp.expose_app_in_browser=True",
    ]
    log = tmp_path / "lab.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            yield wait_for(f"http://127.0.0.1:{port}", process, log)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)


def wait_for(base: str, process: subprocess.Popen[bytes], log: Path) -> str:
    for _ in range(600):
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            urllib.request.urlopen(f"{base}/api/status?token={TOKEN}", timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return base
    raise AssertionError(log.read_text()[-2000:])


def test_quickstart(lab: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    chromium = shutil.which("chromium")
    need(chromium, "Chromium")
    from playwright.sync_api import sync_playwright

    outside: list[str] = []
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1200, "height": 1600})
        own = (lab, lab.replace("http", "ws"), "data:", "blob:")
        page.on("request", lambda asked: asked.url.startswith(own) or outside.append(asked.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{lab}/lab/workspaces/w/tree/quickstart.ipynb?token={TOKEN}&reset")
        page.wait_for_selector(".jp-NotebookPanel .jp-CodeCell", timeout=60_000)
        page.wait_for_function(READY, timeout=60_000)
        page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
        failed = page.locator(
            ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr'],"
            ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']"
        ).all_inner_texts()
        card = page.locator(".jp-OutputArea-output", has_text="dicomnb.Archive").first
        colours = card.evaluate(
            """found => {
                const style = getComputedStyle(found.querySelector('div'));
                return [style.color, style.backgroundColor];
            }"""
        )
        figures = page.locator(".jp-OutputArea-output img").count()
        tables = page.locator(".jp-OutputArea-output table.dataframe").count()
        theme = request.node.callspec.params["lab"].rpartition(" ")[2].lower()
        page.screenshot(path=screenshots() / f"quickstart-{theme}.png")
        browser.close()
    assert failed == []
    assert errors == []
    assert outside == []
    assert figures == 4
    assert tables >= 3
    assert colours[0] != colours[1]


def screenshots() -> Path:
    """Where a person can look at what was drawn."""
    folder = Path(__file__).parents[2] / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
