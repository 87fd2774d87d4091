"""A real Chromium, and a bridge between a real panel and its front end in a blank page."""

from __future__ import annotations

import base64
import json
import queue
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from pydicom import dcmread

import dicomnb as dn
from tests.conftest import real_file

FAKE_MODEL = """async ({esm, css, state}) => {
    const style = document.createElement('style');
    style.textContent = css;
    document.head.append(style);
    const address = URL.createObjectURL(new Blob([esm], {type: 'text/javascript'}));
    const module = await import(address);
    const handlers = {};
    window.sent = [];
    window.saved = {};
    window.model = {
        get: (name) => state[name],
        set: (name, value) => {
            state[name] = value;
            window.saved[name] = value;
            (handlers['change:' + name] || []).forEach((handler) => handler());
        },
        on: (name, handler) => (handlers[name] ||= []).push(handler),
        off: (name, handler) => {
            handlers[name] = handlers[name].filter((one) => one !== handler);
        },
        save_changes: () => {},
        send: (content, _callbacks, buffers) => window.sent.push([
            content, (buffers || []).map((one) => {
                const [all, from] = [one.buffer || one, one.byteOffset || 0];
                const bytes = new Uint8Array(all, from, one.byteLength);
                let text = '';
                for (let at = 0; at < bytes.length; at += 32768)
                    text += String.fromCharCode(...bytes.subarray(at, at + 32768));
                return btoa(text);
            })]),
        receive: (content, buffers) => (handlers['msg:custom'] || []).forEach((handler) => handler(
            content, buffers.map((text) => {
                const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
                return new DataView(bytes.buffer);
            }))),
    };
    window.handlers = handlers;
    window.root = document.createElement('div');
    document.body.append(window.root);
    window.cleanup = await module.default.render({model: window.model, el: window.root});
    window.view = window.root.dicomnbView;
}"""


def until(happened: Callable[[], object]) -> None:
    """Until a thread has come so far; a minute at most."""
    for _ in range(6000):
        if happened():
            return
        time.sleep(0.01)
    raise AssertionError("It did not happen.")


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A blank page, on which nothing fails and from which nothing is asked."""
    page = chromium.new_page(viewport={"width": 700, "height": 800})
    errors: list[str] = []
    outside: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "request",
        lambda asked: asked.url.startswith(("blob:", "data:")) or outside.append(asked.url),
    )
    page.set_content("<body style='margin:0'></body>")
    yield page
    page.close()
    assert errors == []
    assert outside == []


class Bridge:
    """A panel of this process, and its front end in a page, with the messages between them."""

    def __init__(self, page: Page, panel: Any) -> None:
        self.page = page
        self.panel = panel
        self._told: queue.Queue[tuple[dict[str, Any], list[bytes]]] = queue.Queue()
        panel.send = self._send
        state = {name: panel.trait_values()[name] for name in panel.keys if name[0] != "_"}
        state = {name: value for name, value in state.items() if name not in ("layout", "tabbable")}
        page.evaluate(FAKE_MODEL, {"esm": panel._esm, "css": panel._css, "state": state})
        self.pump()

    def _send(self, content: dict[str, Any], buffers: Any = None) -> None:
        self._told.put((json.loads(json.dumps(content)), [bytes(one) for one in buffers or ()]))

    def pump(self, *, until: Callable[[], object] | None = None, wait: bool = True) -> None:
        """Carry messages to and fro until there are none, and draw.

        Args:
            until: what has to be true as well.
            wait: whether to wait for the panel's work; False leaves it going on.
        """
        for _ in range(6000):
            asked = self.page.evaluate("() => window.sent.splice(0)")
            for content, sent in asked:
                buffers = [memoryview(base64.b64decode(one)) for one in sent]
                self.panel._receive(self.panel, content, buffers)
            if wait:
                self.panel._background.wait()
            moved = bool(asked)
            while not self._told.empty():
                content, buffers = self._told.get()
                texts = [base64.b64encode(one).decode() for one in buffers]
                self.page.evaluate("([c, b]) => window.model.receive(c, b)", [content, texts])
                moved = True
            if not moved and (until is None or until()):
                break
            if not moved:
                time.sleep(0.01)
        else:
            raise AssertionError("There was no end of messages, or what was waited for never came.")
        saved = self.page.evaluate("() => { const s = window.saved; window.saved = {}; return s; }")
        for name, value in saved.items():
            setattr(self.panel, name, value)
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => done()))")

    def set(self, name: str, value: Any) -> None:
        """Set a trait in Python; the page follows."""
        setattr(self.panel, name, value)
        self.page.evaluate("([n, v]) => window.model.set(n, v)", [name, getattr(self.panel, name)])
        self.pump()


@pytest.fixture
def bridge(page: Page) -> Callable[[Any], Bridge]:
    """Puts a panel on the page."""
    return lambda panel: Bridge(page, panel)


NASTY = "<img src=x onerror=\"document.title='broken in'\">"


@pytest.fixture
def nasty(tmp_path: Path) -> dn.Archive:
    """An archive of one image whose texts would like to be HTML."""
    dataset = dcmread(real_file("CT_small.dcm"))
    dataset.PatientID = NASTY
    dataset.PatientName = "<b>Bold</b>^<i>"
    dataset.StudyDescription = f"</script>{NASTY}"
    dataset.SeriesDescription = NASTY
    dataset.AccessionNumber = "<b>1"
    folder = tmp_path / "nasty"
    folder.mkdir()
    dataset.save_as(folder / "nasty.dcm")
    return dn.connect(folder)
