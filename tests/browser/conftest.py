"""A real JupyterLab and a real Chromium: notebooks run as a person would, offline."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Page

from tests.conftest import SECONDS, free_port

TOKEN = "test-token"
READY = """() => {
    const kernel = window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel;
    return kernel && kernel.status === 'idle' && kernel.connectionStatus === 'connected';
}"""
ASK = """async (code) => {
    const panel = window.jupyterapp.shell.currentWidget;
    const kernel = panel.sessionContext.session.kernel;
    const future = kernel.requestExecute({ code });
    let text = '';
    future.onIOPub = (message) => { text += message.content.text || ''; };
    await future.done;
    return text;
}"""
FAILED = (
    ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr'],"
    ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']"
)


def settings(home: Path, plugin: str, value: dict[str, object]) -> None:
    package, name = plugin.split(":")
    file = home / "settings" / package / f"{name}.jupyterlab-settings"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value))


@contextmanager
def jupyterlab(home: Path, work: Path, theme: str) -> Iterator[str]:
    """The address of a JupyterLab on a folder of notebooks."""
    news = {"fetchNews": "false", "checkForUpdates": False}
    settings(home, "@jupyterlab/apputils-extension:notification", news)
    settings(home, "@jupyterlab/apputils-extension:themes", {"theme": theme})
    settings(home, "@jupyterlab/notebook-extension:tracker", {"windowingMode": "none"})
    settings(home, "@jupyter-widgets/jupyterlab-manager:plugin", {"saveState": True})
    port = free_port()
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }
    environment = os.environ | {name: str(home / folder) for name, folder in folders.items()}
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
    log = home / "lab.log"
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
            process.wait(SECONDS)


def wait_for(base: str, process: subprocess.Popen[bytes], log: Path) -> str:
    for _ in range(SECONDS * 10):
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            urllib.request.urlopen(f"{base}/api/status?token={TOKEN}", timeout=SECONDS).close()
        except OSError:
            time.sleep(0.1)
        else:
            return base
    raise AssertionError(log.read_text()[-2000:])


def ask(page: Page, expression: str) -> object:
    """The value of an expression in the kernel."""
    return json.loads(page.evaluate(ASK, f"import json; print(json.dumps({expression}))"))


def until(page: Page, expression: str, wanted: Callable[[object], object]) -> object:
    """Ask until the kernel has what the page has: the page is ahead."""
    for _ in range(1200):
        value = ask(page, expression)
        if wanted(value):
            return value
        page.wait_for_timeout(50)
    raise AssertionError(f"{expression} stayed {value!r}")


def saved(page: Page, notebook: Path) -> str:
    """What a notebook keeps when it is saved, with the state of its widgets; not its code."""
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    for _ in range(1200):
        kept = json.loads(notebook.read_text())
        if "widgets" in kept["metadata"]:
            for cell in kept["cells"]:
                cell["source"] = ""
            return json.dumps(kept, ensure_ascii=False)
        page.wait_for_timeout(50)
    raise AssertionError("The notebook was not saved with the state of its widgets.")


def written(path: Path, cells: Sequence[str]) -> Path:
    """A notebook of these cells."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    made = [nbformat.v4.new_code_cell(one) for one in cells]
    nbformat.write(nbformat.v4.new_notebook(cells=made, metadata=kernel), path)
    return path


@pytest.fixture
def run_notebook(chromium: Browser, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Opens a notebook in a JupyterLab of its own and runs all of it.

    At the end, whatever the test did, no cell may have failed, nothing on the page either, and
    nothing may have been asked of another machine.
    """
    work = tmp_path / "work"
    work.mkdir()
    errors: list[str] = []
    outside: list[str] = []
    pages: list[Page] = []

    with ExitStack() as labs:

        def run(notebook: Path, *, theme: str = "JupyterLab Light") -> Page:
            shutil.copy(notebook, work / "notebook.ipynb")
            lab = labs.enter_context(jupyterlab(tmp_path, work, theme))
            page = chromium.new_page(viewport={"width": 1200, "height": 1600})
            pages.append(page)
            own = (lab, lab.replace("http", "ws"), "data:", "blob:")
            page.on("request", lambda asked: asked.url.startswith(own) or outside.append(asked.url))
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.goto(f"{lab}/lab/workspaces/w/tree/notebook.ipynb?token={TOKEN}&reset")
            page.wait_for_selector(".jp-NotebookPanel .jp-CodeCell", timeout=60_000)
            page.wait_for_function(READY, timeout=60_000)
            page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
            return page

        yield run
        failed = [text for page in pages for text in page.locator(FAILED).all_inner_texts()]
        for page in pages:
            page.close()
    assert failed == []
    assert errors == []
    assert outside == []
