"""The grid in a real Chromium: a hundred thousand rows against plain pandas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Locator, Page, expect

from dicomnb.vr import TEXT_DTYPE
from dicomnb.widgets import javascript
from dicomnb.widgets.gridding import Gridding
from dicomnb.widgets.javascript import style
from dicomnb.widgets.panel import Panel
from tests.conftest import screenshots
from tests.widgets.conftest import Bridge

COUNT = 100_000
NASTY = "<img src=x onerror=\"document.title='broken in'\">"
HEAD = """
import { Grid } from "./grid.js";
import { Panel, shown } from "./panel.js";
"""
SCRIPT = """
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
  end() { super.end(); this.grid.end(); }
}
export default shown(Tabled, "A table");
"""
OUTCOMES = """
class Tabled extends Panel {
  build() {
    const ask = (kind, content) => this.ask(kind, content);
    this.grid = new Grid({ ask, label: "Outcomes", noun: "file", select: false, rows: 5 });
    this.other = new Grid({ ask, label: "Found", name: "other", filter: false });
    this.body.append(this.grid.element, this.other.element);
  }
  show() {}
  "grid-facts"(message, buffers) { this.grid.facts(message, buffers); }
  "grid-rows"(message) { this.grid.rows(message); }
  "other-facts"(message, buffers) { this.other.facts(message, buffers); }
  "other-rows"(message) { this.other.rows(message); }
  end() { super.end(); this.grid.end(); this.other.end(); }
}
export default shown(Tabled, "Outcomes");
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
        self.other = Gridding(lambda content, buffers: self.send(content, buffers), name="other")
        self.grid.show(frame, **options)

    def _asked(self) -> dict[str, Callable[[dict[str, Any], Sequence[memoryview]], None]]:
        return {**self.grid.answers(), **self.other.answers()}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    names = rng.choice(["Zhang^Sally", "Müller^Jörg^^Dr.", "García^Lucía", "O'Neil^Pat"], COUNT)
    days = rng.integers(0, 9000, COUNT).astype("timedelta64[D]").astype("timedelta64[s]")
    made = pd.DataFrame(
        {
            "PatientID": [f"P{one:06d}" for one in rng.permutation(COUNT)],
            "PatientName": pd.Series(names, dtype=TEXT_DTYPE),
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
    monkeypatch.setattr(javascript, "STATIC", folder)

    def show(frame: pd.DataFrame, script: str = SCRIPT, **options: Any) -> Bridge:
        (folder / "tabled.js").write_text(HEAD + script)
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
                && !window.sent.length
                && !view.grid.typing.waits() && !view.grid.head.typing.waits()"""
        )
    )


@pytest.mark.parametrize("count", [1, 4, 12])
def test_a_few_wide_rows_are_all_in_sight(
    shown: Shown, page: Page, frame: pd.DataFrame, count: int
) -> None:
    """A bar to scroll sideways brings no second one along."""
    page.set_viewport_size({"width": 500, "height": 800})
    made = shown(frame.head(count))
    grid = page.get_by_role("grid", name="Studies")
    for name in ("", "Filter columns"):
        if name:
            page.get_by_role("button", name=name).click()
        settle(made)
        assert grid.evaluate("(one) => one.scrollWidth > one.clientWidth")
        assert grid.evaluate("(one) => one.scrollHeight <= one.clientHeight")


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


def patients(page: Page) -> list[str]:
    """The PatientIDs in the page, from the first row on."""
    return [texts[0] for _, texts in sorted(lines(page).items())]


def test_sorts_by_the_head(shown: Shown, page: Page, frame: pd.DataFrame) -> None:
    made = shown(frame)
    head = page.get_by_role("columnheader", name="Study Date", exact=True)
    expect(head).to_have_attribute("aria-sort", "none")
    for state, want in [
        ("ascending", frame.sort_values("StudyDate", kind="stable")),
        ("descending", frame.sort_values("StudyDate", kind="stable", ascending=False)),
        ("none", frame),
    ]:
        page.get_by_role("button", name="Study Date").click()
        settle(made)
        expect(head).to_have_attribute("aria-sort", state)
        got = patients(page)
        assert got == want["PatientID"].iloc[: len(got)].tolist()
    page.get_by_role("button", name="Patient's Name").click()
    settle(made)
    page.get_by_role("button", name="Number of Study").click(modifiers=["Shift"])
    settle(made)
    page.get_by_role("button", name="Number of Study").click(modifiers=["Shift"])
    settle(made)
    want = frame.sort_values("NumberOfStudyRelatedInstances", kind="stable", ascending=False)
    want = want.sort_values(
        "PatientName", kind="stable", key=lambda one: one.str.casefold().str.replace("^", "\1")
    )
    got = patients(page)
    assert got == want["PatientID"].iloc[: len(got)].tolist()
    names = page.locator(".dicomnb-grid-arrow").all_text_contents()
    assert [one for one in names if one] == ["▲1", "▼2"]


def test_filters_by_words_and_by_column(shown: Shown, page: Page, frame: pd.DataFrame) -> None:
    made = shown(frame)
    status = page.get_by_role("status").filter(has_text="studies")
    expect(status).to_have_text("100,000 studies")
    page.get_by_role("searchbox", name="Filter studies").press_sequentially("zhang x-ray")
    settle(made)
    both = frame["PatientName"].eq("Zhang^Sally") & frame["StudyDescription"].eq("Chest X-ray")
    expect(status).to_have_text(f"{both.sum():,} of 100,000 studies shown")
    assert patients(page) == frame.loc[both, "PatientID"].iloc[: len(lines(page))].tolist()

    expect(page.get_by_role("textbox", name="Filter Study Date")).to_be_hidden()
    page.get_by_role("button", name="Filter columns").click()
    dates = page.get_by_role("textbox", name="Filter Study Date")
    dates.press_sequentially(">=2020-06")
    settle(made)
    late = both & frame["StudyDate"].ge(pd.Timestamp("2020-06-01"))
    expect(status).to_have_text(f"{late.sum():,} of 100,000 studies shown")
    expect(dates).to_have_value(">=2020-06")
    expect(dates).to_be_focused()

    dates.fill(">=June")
    settle(made)
    expect(dates).to_have_attribute("aria-invalid", "true")
    expect(dates).to_have_accessible_description(
        "Study Date: After >= belongs a date, as in >=2023-06 or 2022..2023."
    )
    expect(status).to_have_text(f"{both.sum():,} of 100,000 studies shown")

    dates.fill("1999")
    settle(made)
    expect(page.get_by_text("None of 100,000 studies passes the filter.")).to_be_visible()
    page.get_by_role("button", name="Clear filters").click()
    settle(made)
    expect(status).to_have_text("100,000 studies")
    expect(dates).to_have_value("")


def test_selects_with_the_mouse(shown: Shown, page: Page, frame: pd.DataFrame) -> None:
    made = shown(frame)
    status = page.get_by_role("status").filter(has_text="studies")

    def row(at: int) -> Locator:
        return page.locator(f"[aria-rowindex='{at + 2}']")

    def selected() -> list[int]:
        settle(made)
        found: list[int] = made.panel.grid.feed.selected.index.tolist()
        drawn = page.locator("[role=row][aria-selected=true]")
        assert sorted(drawn.evaluate_all("all => all.map((one) => one.ariaRowIndex - 2)")) == [
            one // 2 for one in found if row(one // 2).count()
        ]
        return [one // 2 for one in found]

    row(3).get_by_role("gridcell").nth(2).click()
    assert selected() == [3]
    row(5).get_by_role("gridcell").nth(2).click(modifiers=["Control"])
    assert selected() == [3, 5]
    row(8).get_by_role("gridcell").nth(2).click(modifiers=["Shift"])
    assert selected() == [5, 6, 7, 8]
    row(1).get_by_role("checkbox").click()
    assert selected() == [1, 5, 6, 7, 8]
    row(6).get_by_role("checkbox").click()
    assert selected() == [1, 5, 7, 8]
    row(4).get_by_role("checkbox").click(modifiers=["Shift"])
    assert selected() == [1, 4, 5, 6, 7, 8]
    expect(status).to_have_text("100,000 studies · 6 selected")
    everything = page.get_by_role("checkbox", name="Select all studies that are shown")
    assert everything.evaluate("one => one.indeterminate")

    page.get_by_role("searchbox").press_sequentially(frame["PatientID"].iloc[4])
    settle(made)
    expect(status).to_have_text("1 of 100,000 studies shown · 6 selected (5 not shown)")
    expect(everything).to_be_checked()
    everything.click()
    assert selected() == [1, 5, 6, 7, 8]
    page.get_by_role("button", name="Clear filters").click()
    settle(made)
    everything.click()
    settle(made)
    assert len(made.panel.told[-1]) == COUNT
    pd.testing.assert_frame_equal(made.panel.told[-1], frame)
    assert made.panel.told[-1].attrs == frame.attrs
    row(2).get_by_role("gridcell").nth(2).click()
    assert selected() == [2]


def test_works_by_keys(shown: Shown, page: Page, frame: pd.DataFrame) -> None:
    made = shown(frame)
    grid = page.get_by_role("grid", name="Studies")
    feed = made.panel.grid

    def press(*keys: str) -> list[int]:
        for key in keys:
            page.keyboard.press(key)
        settle(made)
        return [one // 2 for one in feed.feed.selected.index]

    def active() -> str:
        found: str = grid.evaluate(
            "one => document.getElementById(one.getAttribute('aria-activedescendant')).textContent"
        )
        return found

    page.get_by_role("searchbox").focus()
    page.keyboard.press("ArrowDown")
    expect(grid).to_be_focused()
    assert active() == frame["PatientID"].iloc[0]
    assert press("ArrowDown", "ArrowDown", "Space") == [2]
    assert press("Shift+ArrowDown", "Shift+ArrowDown", "Shift+ArrowUp") == [2, 3]
    assert press("Shift+PageDown") == list(range(2, 3 + 11 + 1))
    assert press("End", "ArrowUp") == list(range(2, 15))
    assert active() == frame["PatientID"].iloc[COUNT - 2]
    assert press("Space") == [*range(2, 15), COUNT - 2]
    assert press("Shift+Home") == list(range(COUNT - 1))
    assert len(press("Control+a")) == COUNT
    assert press("Escape") == []
    assert press("ArrowRight", "ArrowRight", "PageDown") == []
    assert active() == frame["StudyDate"].dt.strftime("%Y-%m-%d").fillna("").iloc[11]
    press("Enter")
    assert made.panel.opened[-1].equals(frame.iloc[11])

    assert press("Home", "ArrowUp") == []
    date = page.get_by_role("button", name="Study Date")
    expect(date).to_be_focused()
    width = date.bounding_box()
    press("Enter")
    expect(page.get_by_role("columnheader", name="Study Date", exact=True)).to_have_attribute(
        "aria-sort", "ascending"
    )
    expect(date).to_be_focused()
    press("Shift+ArrowRight", "Shift+ArrowRight")
    wider = date.bounding_box()
    assert width is not None
    assert wider is not None
    assert wider["width"] == width["width"] + 32
    press("ArrowLeft", "Space")
    expect(page.get_by_role("columnheader", name="Patient's Name", exact=True)).to_have_attribute(
        "aria-sort", "ascending"
    )
    press("ArrowDown")
    expect(grid).to_be_focused()
    assert active() == "García, Lucía"


def test_opens_a_row(shown: Shown, page: Page, frame: pd.DataFrame) -> None:
    made = shown(frame)
    name = frame["PatientID"].iloc[3]
    page.get_by_text(name).dblclick()
    settle(made)
    assert made.panel.opened[-1].equals(frame.iloc[3])
    page.get_by_role("button", name=f"Show its series: row 5, {frame['PatientID'].iloc[4]}").click()
    settle(made)
    assert made.panel.opened[-1].equals(frame.iloc[4])
    assert made.panel.opened[-1].attrs == frame.attrs
    assert len(made.panel.opened) == 2


def test_text_is_text(shown: Shown, page: Page) -> None:
    table = pd.DataFrame({NASTY: [NASTY, "plain"], "PatientName": [NASTY, "a^b"]})
    made = shown(table)
    page.get_by_role("button", name="Filter columns").click()
    settle(made)
    assert lines(page)[0] == [NASTY, NASTY]
    expect(page.get_by_role("columnheader", name=NASTY)).to_be_visible()
    page.get_by_role("textbox", name=f"Filter {NASTY}").fill(NASTY)
    settle(made)
    assert list(lines(page)) == [0]
    assert page.locator("img").count() == 0
    assert page.title() == ""


def test_says_when_there_is_nothing(shown: Shown, page: Page) -> None:
    made = shown(pd.DataFrame())
    expect(page.get_by_text("Nothing to show.")).to_be_visible()
    expect(page.get_by_role("grid")).to_be_hidden()
    expect(page.get_by_role("searchbox")).to_be_hidden()
    page.evaluate("() => view.grid.focus()")
    made.panel.grid.show(pd.DataFrame({"PatientID": ["a"]}))
    settle(made)
    expect(page.get_by_role("grid")).to_be_focused()
    expect(page.get_by_text("Nothing to show.")).to_be_hidden()
    assert patients(page) == ["a"]
    expect(page.get_by_role("status").filter(has_text="1 study")).to_have_text("1 study")


def test_shows_a_place_for_what_is_to_come(shown: Shown, page: Page, frame: pd.DataFrame) -> None:
    made = shown(frame)
    grid = page.get_by_role("grid", name="Studies")
    asked: list[Any] = []
    made.panel.grid._rows = asked.append  # a kernel that is busy
    grid.evaluate("one => { one.scrollTop = 28 * 5000; }")
    page.wait_for_selector(".dicomnb-grid-coming")
    expect(grid).to_have_attribute("aria-busy", "true")
    for _ in range(30):  # a fast scroll leaves no queue behind
        grid.evaluate("one => { one.scrollTop += 28 * 900; }")
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => done()))")
    made.pump()
    assert len(asked) == 1
    del made.panel.grid._rows
    made.panel.grid._rows(asked[0])
    settle(made)
    expect(grid).to_have_attribute("aria-busy", "false")
    assert lines(page)[32_005][0] == frame["PatientID"].iloc[32_005]


def test_a_late_page_of_another_order_is_dropped(
    shown: Shown, page: Page, frame: pd.DataFrame
) -> None:
    made = shown(frame)
    page.get_by_role("button", name="Patient ID").click()
    settle(made)
    turn = page.evaluate("() => view.grid.told.turn")
    late = {"kind": "grid-rows", "turn": turn - 1, "start": 0, "rows": [["wrong"] * 8] * 100}
    made.panel.send(late)
    settle(made)
    assert patients(page)[0] == "P000000"


def test_a_table_that_changes_stays_where_it_is(
    shown: Shown, page: Page, frame: pd.DataFrame
) -> None:
    made = shown(frame.iloc[:5000])
    grid = page.get_by_role("grid", name="Studies")
    grid.evaluate("one => { one.scrollTop = 28 * 2000; }")
    settle(made)
    page.get_by_text(frame["PatientID"].iloc[2003]).click()
    settle(made)
    changed = frame.iloc[:6000].copy()
    changed["PatientID"] = changed["PatientID"].str.lower()
    made.panel.grid.show(changed, keep=True)
    settle(made)
    assert grid.evaluate("one => one.scrollTop") == 28 * 2000
    assert lines(page)[2003][0] == changed["PatientID"].iloc[2003]
    assert made.panel.grid.feed.selected.index.tolist() == [2003 * 2 + 1]
    expect(page.get_by_role("status").filter(has_text="studies")).to_have_text(
        "6,000 studies · 1 selected"
    )
    made.panel.grid.show(frame)
    settle(made)
    assert grid.evaluate("one => one.scrollTop") == 0


def test_columns_are_dragged_and_fitted(shown: Shown, page: Page, frame: pd.DataFrame) -> None:
    made = shown(frame)
    head = page.get_by_role("columnheader", name="Patient ID", exact=True)
    edge = head.locator(".dicomnb-grid-edge")
    before, at = head.bounding_box(), edge.bounding_box()
    assert before is not None
    assert at is not None
    page.mouse.move(at["x"] + 4, at["y"] + 5)
    page.mouse.down()
    page.mouse.move(at["x"] + 64, at["y"] + 5, steps=4)
    page.mouse.up()
    after = head.bounding_box()
    assert after is not None
    assert after["width"] == before["width"] + 60
    cell = page.get_by_role("gridcell", name=frame["PatientID"].iloc[0], exact=True).bounding_box()
    assert cell is not None
    assert cell["width"] == after["width"]
    edge.dblclick()
    made.pump()
    fitted = head.bounding_box()
    assert fitted is not None
    assert fitted["width"] < after["width"]
    text = page.get_by_role("gridcell", name=frame["PatientID"].iloc[0], exact=True)
    assert text.evaluate("one => one.scrollWidth <= one.clientWidth")


def test_a_million_rows_end_where_they_end(shown: Shown, page: Page) -> None:
    table = pd.DataFrame({"InstanceNumber": np.arange(1_000_000)})
    made = shown(table)
    grid = page.get_by_role("grid", name="Studies")
    assert grid.evaluate("one => one.scrollHeight") < 9_000_000
    for row in (999_999, 500_000, 0):
        page.evaluate("(row) => view.grid.go(row)", row)
        settle(made)
        assert lines(page)[row] == [str(row)]
        box, inside = grid.bounding_box(), page.locator(f"[aria-rowindex='{row + 2}']")
        place = inside.bounding_box()
        assert box is not None
        assert place is not None
        assert box["y"] <= place["y"] <= box["y"] + box["height"] - 28
    grid.evaluate("one => { one.scrollTop = 1e9; }")
    settle(made)
    assert max(lines(page)) == 999_999


def test_a_cell_is_copied(shown: Shown, page: Page, frame: pd.DataFrame) -> None:
    made = shown(frame)
    page.get_by_role("gridcell", name=frame["PatientID"].iloc[2], exact=True).click()
    settle(made)
    page.evaluate(
        "() => document.addEventListener('copy', (one) => {"
        " window.copied = one.clipboardData.getData('text/plain'); })"
    )
    page.keyboard.press("Control+c")
    page.wait_for_function("() => window.copied")
    assert page.evaluate("() => window.copied") == frame["PatientID"].iloc[2]


def test_a_table_of_outcomes_is_only_read(shown: Shown, page: Page) -> None:
    files = pd.DataFrame(
        {
            "File": [f"{one:05d}.dcm" for one in range(3000)],
            "Outcome": pd.Series(["stored", "failed", "stored"] * 1000),
            "Reason": pd.Series([None, "Not enough space at the server.", None] * 1000),
        }
    )
    made = shown(files, OUTCOMES)
    outcomes = page.get_by_role("grid", name="Outcomes")
    box = outcomes.bounding_box()
    assert box is not None
    assert box["height"] < 8 * 28
    assert page.get_by_role("checkbox").count() == 0
    page.get_by_role("searchbox", name="Filter files").fill("failed")
    settle(made)
    expect(outcomes.locator("..").get_by_role("status").first).to_have_text(
        "1,000 of 3,000 files shown"
    )
    assert [texts[1] for texts in lines(page).values()] == ["failed"] * len(lines(page))
    outcomes.focus()
    for key in ("Space", "Control+a", "Enter", "Shift+ArrowDown"):
        page.keyboard.press(key)
    settle(made)
    assert made.panel.grid.feed.selected.empty
    assert (made.panel.told, made.panel.opened) == ([], [])

    expect(page.get_by_text("Nothing to show.")).to_be_visible()
    made.panel.other.show(pd.DataFrame({"PatientID": ["one", "two"]}))
    settle(made)
    found = page.get_by_role("grid", name="Found")
    expect(found.get_by_role("gridcell", name="two", exact=True)).to_be_visible()
    found.get_by_role("checkbox", name="Select row 2, two").click()
    settle(made)
    assert made.panel.other.feed.selected.index.tolist() == [1]
    assert page.get_by_role("searchbox").count() == 1


DARK = """() => {
    document.body.style.background = '#111';
    document.documentElement.style.colorScheme = 'dark';
    for (const [name, value] of Object.entries({
        'ui-font-color1': '#e0e0e0', 'ui-font-color2': '#a0a0a0', 'layout-color1': '#111111',
        'layout-color2': '#222222', 'border-color1': '#555', 'brand-color1': '#42a5f5',
    })) document.documentElement.style.setProperty('--jp-' + name, value);
}"""


def test_looks(shown: Shown, page: Page, frame: pd.DataFrame) -> None:
    made = shown(frame)
    page.get_by_role("button", name="Study Date").click()
    page.get_by_role("button", name="Filter columns").click()
    page.get_by_role("textbox", name="Filter Patient's Name").press_sequentially("zhang")
    page.get_by_role("textbox", name="Filter Study Time").press_sequentially(">")
    settle(made)
    page.locator("[aria-rowindex='4']").get_by_role("gridcell").nth(2).click()
    page.locator("[aria-rowindex='6']").get_by_role("gridcell").nth(2).click(modifiers=["Shift"])
    settle(made)
    page.keyboard.press("ArrowDown")
    for width in (360, 700, 1200):
        page.set_viewport_size({"width": width, "height": 480})
        made.pump()
        page.screenshot(path=screenshots() / f"grid-{width}.png")
        box = page.locator(".dicomnb-panel").bounding_box()
        assert box is not None
        assert box["width"] <= width
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    page.evaluate(DARK)
    page.screenshot(path=screenshots() / "grid-dark.png")
