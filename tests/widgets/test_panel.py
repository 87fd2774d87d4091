"""What panels share: messages, work beside the kernel, what is said, and where none can run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from dicomnb.errors import BadQuery, NotFound, warn
from dicomnb.pool import Cancel
from dicomnb.transfer.events import Progress
from dicomnb.widgets.panel import Panel
from tests.widgets.conftest import Bridge, until

NASTY = "<img src=x onerror=\"document.title='broken in'\">"
SCRIPT = """
import { element } from "./controls.js";
import { Panel, action, shown } from "./panel.js";

class Sample extends Panel {
  build() {
    this.out = element("output", {});
    const field = element("input", { "aria-label": "Words" });
    const form = element("form", {}, field, element("button", { type: "submit" }, "Send"));
    form.addEventListener("submit", (event) => { event.preventDefault(); this.ask("work"); });
    this.body.append(this.out, action("Work", () => this.ask("work")), form);
  }
  show(state) { this.out.textContent = state.words; }
}
export default shown(Sample, "A sample");
"""


class Sample(Panel):
    """A panel whose work waits for the test."""

    _title = "A sample"

    def __init__(self) -> None:
        self.go = threading.Event()
        self.results: list[int] = []
        self.fault: Exception | None = None
        super().__init__()

    def _asked(self) -> dict[str, Callable[[dict[str, Any], Sequence[memoryview]], None]]:
        return {
            "work": lambda message, buffers: self.work(),
            "lost": lambda message, buffers: message["no such thing"],
            "bad": self.bad,
        }

    def _state(self) -> dict[str, Any]:
        return {"words": NASTY}

    def bad(self, message: dict[str, Any], buffers: Sequence[memoryview]) -> None:
        raise BadQuery("PatientNam is no keyword; did you mean PatientName?")

    def work(self) -> None:
        def work(cancel: Cancel) -> int:
            while not self.go.is_set():
                cancel.wait(0.01)
            if self.fault is not None:
                raise self.fault
            self._tell_progress(Progress(3, 2_000_000, 4, seconds=1.0))
            return 7

        self._begin("Working…", work, self.results.append)


def test_work_goes_on_beside_and_comes_back() -> None:
    panel = Sample()
    panel._receive(panel, {"kind": "work"}, [])
    assert (panel.busy, panel.results) == ("Working…", [])
    panel.go.set()
    assert panel.wait().results == [7]
    assert panel.busy == ""


def test_one_piece_of_work_is_cancelled_and_the_next_goes_on() -> None:
    panel = Sample()
    panel.work()
    panel._receive(panel, {"kind": "cancel"}, [])
    panel.wait()
    assert (panel.busy, panel.said, panel.results) == ("", ("info", "Cancelled."), [])
    panel.go.set()
    panel.work()
    assert panel.wait().results == [7]
    assert panel.said == ("info", "")


def test_what_is_begun_anew_goes_on_where_the_old_is_cancelled() -> None:
    panel = Sample()
    panel.work()
    panel.cancel()
    panel.work()
    until(lambda: len(panel._background._told) > 0)
    panel._background._deliver()
    assert (panel.busy, panel.said) == ("Working…", ("info", ""))
    panel.go.set()
    assert panel.wait().results == [7]
    assert panel.busy == ""


def test_what_is_asked_and_what_is_told_take_turns() -> None:
    panel = Sample()
    inside, go, order = threading.Event(), threading.Event(), list[str]()

    def slow(message: dict[str, Any], buffers: Sequence[memoryview]) -> None:
        inside.set()
        assert go.wait(60)
        order.append("answered")

    panel.bad = slow  # type: ignore[method-assign]
    asking = threading.Thread(target=panel._receive, args=(panel, {"kind": "bad"}, []))
    asking.start()
    assert inside.wait(60)
    panel._background.tell(lambda: order.append("told"))
    telling = threading.Thread(target=panel._background._deliver)
    telling.start()
    panel._receive(panel, {"kind": "cancel"}, [])  # waits for nobody
    telling.join(0.2)
    assert telling.is_alive()
    assert order == []
    go.set()
    asking.join()
    telling.join()
    assert order == ["answered", "told"]


def test_panels_that_act_on_each_other_in_two_threads_come_to_an_end() -> None:
    one, other = Sample(), Sample()
    asked, told = threading.Event(), threading.Event()

    def answer(message: dict[str, Any], buffers: Sequence[memoryview]) -> None:
        asked.set()
        told.wait(0.5)
        other.work()

    def tell() -> None:
        told.set()
        asked.wait(0.5)
        one.work()

    one.bad = answer  # type: ignore[method-assign]
    other._background.tell(tell)
    ways = (lambda: one._receive(one, {"kind": "bad"}, []), other._background._deliver)
    threads = [threading.Thread(target=way, daemon=True) for way in ways]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    for panel in (one, other):
        panel.go.set()
        assert panel.wait().results == [7]


def test_what_was_warned_of_is_said_by_the_panel() -> None:
    panel = Sample()
    panel._begin("Working…", lambda cancel: warn("Nothing bounds this."), lambda result: None)
    assert panel.wait().said == ("warning", "Nothing bounds this.")


@pytest.mark.parametrize(
    ("fault", "words"),
    [(NotFound("There is no such study."), "There is no such"), (KeyError("x"), "KeyError: 'x'")],
)
def test_what_fails_is_said(fault: Exception, words: str) -> None:
    panel = Sample()
    panel.fault = fault
    panel.go.set()
    panel.work()
    level, said = panel.wait().said
    assert level == "error"
    assert words in said


def test_what_was_asked_wrongly_is_said() -> None:
    panel = Sample()
    panel._receive(panel, {"kind": "bad"}, [])
    assert panel.said[0] == "error"
    assert "did you mean PatientName?" in panel.said[1]
    panel._receive(panel, {"kind": "lost"}, [])
    assert panel.said == ("error", "KeyError: 'no such thing'")


def test_nothing_of_a_panel_but_its_front_end_is_synced() -> None:
    own = {name for name in Sample().keys if not name.startswith("_")}
    assert own <= {"layout", "tabbable", "tooltip"}


def test_without_a_front_end_it_says_what_it_is() -> None:
    bundle = Sample()._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert data["text/plain"] == "<dicomnb Sample>"
    assert "A sample. Run this cell in a live notebook" in data["text/html"]


def test_the_front_end(
    bridge: Callable[[Any], Bridge],
    page: Page,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from dicomnb.widgets import javascript

    folder = tmp_path_factory.mktemp("static")
    for file in javascript.STATIC.glob("*.js"):
        (folder / file.name).write_text(file.read_text())
    (folder / "sample.js").write_text(SCRIPT)
    monkeypatch.setattr(javascript, "STATIC", folder)
    panel = Sample()
    panel._esm = javascript.module("sample")  # type: ignore[misc]
    made = bridge(panel)
    expect(page.get_by_role("group", name="A sample").locator("output")).to_have_text(NASTY)
    assert page.title() == ""

    panel.go.set()
    page.get_by_role("button", name="Work").click()
    made.pump()
    assert panel.results == [7]
    expect(page.locator(".dicomnb-work")).to_be_hidden()
    # JupyterLab keeps Enter from every field in a cell, so that nothing is sent by it.
    page.evaluate(
        """() => document.addEventListener("keydown", (event) => event.target.addEventListener(
            "beforeinput", (input) => input.preventDefault(), { once: true }), true)"""
    )
    page.get_by_role("textbox", name="Words").press("Enter")
    made.pump()
    assert panel.results == [7, 7]
    page.locator("form [type=submit]").evaluate("one => { one.disabled = true; }")
    page.get_by_role("textbox", name="Words").press("Enter")
    made.pump()
    assert panel.results == [7, 7]
    panel.send({"kind": "saying", "busy": "Working…", "level": "info", "words": ""})
    panel._tell_progress(Progress(3, 2_000_000, 4, seconds=1.0))
    made.pump()
    assert page.get_by_role("progressbar").evaluate("one => one.value") == 3
    expect(page.locator(".dicomnb-doing")).to_have_text(
        "Working… · 3 of 4 · 2.00 MB of about 2.67 MB · 2.00 MB/s · 1 s left"
    )
    panel.fault = ValueError(NASTY)
    page.get_by_role("button", name="Work").click()
    made.pump()
    expect(page.get_by_role("alert")).to_contain_text(f"ValueError: {NASTY}")
    assert page.title() == ""
    # What cannot be told is said, and not that nobody answers.
    monkeypatch.setattr(panel, "_state", lambda: 1 // 0)
    for _ in range(2):
        page.evaluate("() => { view.tell('info', ''); view.hello(); }")
        made.pump()
        expect(page.get_by_role("alert")).to_contain_text("ZeroDivisionError")
    page.wait_for_timeout(4500)
    expect(page.get_by_role("alert")).to_contain_text("ZeroDivisionError")
