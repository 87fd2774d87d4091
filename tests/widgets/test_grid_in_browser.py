"""The grid in a real Chromium: a hundred thousand rows against plain pandas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page

from dicomnb.widgets import javascript
from dicomnb.widgets.gridding import Gridding
from dicomnb.widgets.javascript import style
from dicomnb.widgets.panel import Panel
from tests.conftest import screenshots
from tests.widgets.conftest import Bridge

COUNT = 100_000
NASTY = "<img src=x onerror=\"document.title='broken in'\">"
SCRIPT = """
import { Grid } from "./grid.js";
import { Panel, shown } from "./panel.js";

class Tabled extends Panel {
  build() {
    this.grid = new Grid({
      ask: (kind, content) => this.ask(kind, content),
      label: "Studies", open: "Show its series", noun: "study", nouns: "studies",
    });
    this.body.append(this.grid.element);
  }
  show() {}
  "grid-facts"(message, buffers) { this.grid.facts(message, buffers); }
  "grid-rows"(message) { this.grid.rows(message); }
}
export default shown(Tabled, "A table");
"""


class Tabled(Panel):
    """A panel that is a grid and nothing else."""

    _css = style("panel", "grid")

    def __init__(self, frame: pd.DataFrame, **options: Any) -> None:
        self.opened: list[pd.Series] = []
        self.told: list[pd.DataFrame] = []
        super().__init__()
        self.grid = Gridding(
            lambda content, buffers: self.send(content, buffers),
            on_select=self.told.append,
            on_open=self.opened.append,
        )
        self.grid.show(frame, **options)

    def _asked(self) -> dict[str, Callable[[dict[str, Any], Sequence[memoryview]], None]]:
        return self.grid.answers()


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    names = rng.choice(["Zhang^Sally", "Müller^Jörg^^Dr.", "García^Lucía", "O'Neil^Pat"], COUNT)
    days = rng.integers(0, 9000, COUNT).astype("timedelta64[D]").astype("timedelta64[s]")
    made = pd.DataFrame(
        {
            "PatientID": [f"P{one:06d}" for one in rng.permutation(COUNT)],
            "PatientName": pd.Series(names, dtype="str"),
            "StudyDate": pd.Series(np.datetime64("2000-01-01", "s") + days),
            "StudyTime": pd.Series(rng.integers(0, 86400, COUNT).astype("timedelta64[s]")),
            "StudyDescription": rng.choice(["Chest X-ray", "CT abdomen", NASTY, None], COUNT),
            "ModalitiesInStudy": pd.Series(
                [("CT", "SR") if one else ("CR",) for one in rng.integers(0, 2, COUNT)],
                dtype=object,
            ),
            "NumberOfStudyRelatedInstances": pd.Series(rng.integers(1, 2000, COUNT), dtype="Int64"),
            "StudyInstanceUID": [f"2.25.{one}" for one in rng.integers(1 << 60, 1 << 62, COUNT)],
        }
    )
    made.index = pd.Index(np.arange(COUNT) * 2 + 1)
    made.loc[made.index[::97], ["StudyDate", "PatientName"]] = None
    made.attrs = {"level": "study", "connection": "c0ffee"}
    return made


Shown = Callable[..., Bridge]


@pytest.fixture
def shown(
    bridge: Callable[[Any], Bridge],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Shown:
    """Puts a grid with this table on the page."""
    folder = tmp_path_factory.mktemp("static")
    for file in javascript.STATIC.glob("*.js"):
        (folder / file.name).write_text(file.read_text())
    (folder / "tabled.js").write_text(SCRIPT)
    monkeypatch.setattr(javascript, "STATIC", folder)

    def show(frame: pd.DataFrame, **options: Any) -> Bridge:
        panel = Tabled(frame, **options)
        panel._esm = javascript.module("tabled")  # type: ignore[misc]
        return bridge(panel)

    return show


def lines(page: Page) -> dict[int, list[str]]:
    """The rows in the page, by their place: what stands in each cell."""
    rows = page.evaluate(
        """() => [...document.querySelectorAll('.dicomnb-grid-rows > [role=row]')].map((row) => [
            Number(row.getAttribute('aria-rowindex')) - 2,
            [...row.querySelectorAll('.dicomnb-grid-cell')].map((cell) => cell.textContent)])"""
    )
    return dict(rows)


def settle(made: Bridge) -> None:
    """Until every row in the page has come, and nothing is typed that is not asked for yet."""
    made.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => done()))")
    made.pump(
        until=lambda: made.page.evaluate(
            """() => !document.querySelector('.dicomnb-grid-coming') && !view.grid.waiting
                && !view.grid.typing.waits() && !view.grid.head.typing.waits()"""
        )
    )


def test_scrolls_to_the_middle_and_the_end(shown: Shown, page: Page, frame: pd.DataFrame) -> None:
    made = shown(frame)
    grid = page.get_by_role("grid", name="Studies")
    for place in (0, 50_000, COUNT):
        grid.evaluate("(one, at) => { one.scrollTop = at * 28; }", place)
        settle(made)
        got = lines(page)
        assert len(got) >= 12
        assert min(place, COUNT - 1) in got
        for at, texts in got.items():
            assert texts[0] == frame["PatientID"].iloc[at]
            assert texts[7] == frame["StudyInstanceUID"].iloc[at]
    page.screenshot(path=screenshots() / "grid.png")
