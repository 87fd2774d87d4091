"""The retrieve panel in a real Chromium: what it shows, by mouse and by keyboard."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page, expect

import dicomnb as dn
from dicomnb.transfer.events import Progress
from dicomnb.widgets import RetrievePanel
from tests.conftest import screenshots
from tests.widgets.conftest import Bridge
from tests.widgets.slow_archive import slow_archive

NASTY = "<img src=x onerror=\"document.title='broken in'\">"
DARK = """:root { color-scheme: dark; --jp-ui-font-color1: #fff; --jp-ui-font-color2: #bdbdbd;
    --jp-layout-color1: #111; --jp-layout-color2: #424242; --jp-border-color1: #616161;
    --jp-brand-color1: #2196f3; --jp-ui-inverse-font-color1: #111; } body { background: #111; }"""


@pytest.fixture(scope="module")
def archive(demo_folder: Path) -> dn.Archive:
    return dn.connect(demo_folder)


@pytest.fixture(scope="module")
def series(archive: dn.Archive) -> pd.DataFrame:
    with pytest.warns(dn.DicomnbWarning, match="odd value"):
        return archive.series()


def row(series: pd.DataFrame, description: str) -> pd.Series:
    return series[series["SeriesDescription"] == description].iloc[0]


def shown(bridge: Callable[[Any], Bridge], panel: RetrievePanel) -> Bridge:
    """The panel on the page, once it knows how large what is selected is."""
    made = bridge(panel)
    panel.wait()
    made.pump()
    return made


def carried(made: Bridge) -> None:
    """Carry messages while work goes on: `Bridge.pump` would wait for its end."""
    panel = made.panel
    for content, _ in made.page.evaluate("() => window.sent.splice(0)"):
        panel._receive(panel, content, [])
    panel._measuring._deliver()
    panel._background._deliver()
    while not made._told.empty():
        content, _ = made._told.get()
        made.page.evaluate("c => window.model.receive(c, [])", content)


def until(made: Bridge, condition: Callable[[], object]) -> None:
    for _ in range(6000):
        carried(made)
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never came to that")


def test_a_volume_by_keyboard(
    bridge: Callable[[Any], Bridge], page: Page, archive: dn.Archive, series: pd.DataFrame
) -> None:
    scan = row(series, "Head 5.0")
    panel = RetrievePanel(archive, scan)
    made = shown(bridge, panel)
    group = page.get_by_role("group", name="Fetch images")
    expect(group).to_contain_text("Keller, Franz (DNB-0018)")
    expect(page.get_by_role("status").filter(has_text="24 instances")).to_be_visible()
    expect(page.get_by_role("radio", name="Volume in memory")).to_be_checked()

    page.get_by_role("radio", name="Volume in memory").focus()
    page.keyboard.press("ArrowDown")
    made.pump()
    assert panel.target == "datasets"
    page.keyboard.press("ArrowUp")
    made.pump()
    assert panel.target == "volume"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # More
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    made.pump()
    assert panel.strict is False
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    made.pump()
    panel.wait()
    made.pump()
    assert panel.volume.shape == (24, 160, 160)
    expect(group).to_contain_text("Volume 24 × 160 × 160, 6 × 1.4 × 1.4 mm, HU")
    expect(group).to_contain_text("In Python it is .volume of this panel.")
    expect(page.get_by_label("The last fetch")).to_contain_text("tilted by 18.0°")


def test_what_is_refused_has_ways_on(
    bridge: Callable[[Any], Bridge], page: Page, archive: dn.Archive, series: pd.DataFrame
) -> None:
    panel = RetrievePanel(archive, row(series, "Head 5.0"))
    made = shown(bridge, panel)
    page.get_by_role("button", name="Fetch", exact=True).click()
    made.pump()
    expect(page.get_by_role("alert")).to_contain_text("tilted")
    page.get_by_role("button", name="Accept as it is (strict=False)").click()
    made.pump()
    assert panel.volume.shape == (24, 160, 160)
    expect(page.get_by_role("button", name="Accept as it is (strict=False)")).to_be_hidden()

    page.get_by_role("button", name="Fetch", exact=True).click()
    made.pump()
    page.get_by_role("button", name="Fetch as data sets").click()
    made.pump()
    assert len(panel.datasets) == 24
    expect(page.get_by_role("radio", name="Data sets in memory")).to_be_checked()


def test_a_download_is_stopped_and_gone_on_with(
    bridge: Callable[[Any], Bridge],
    page: Page,
    demo_folder: Path,
    series: pd.DataFrame,
    tmp_path: Path,
) -> None:
    with slow_archive(demo_folder, free=30) as (archive, source):
        panel = RetrievePanel(archive, row(series, "Thorax 2.5"))
        made = shown(bridge, panel)
        page.get_by_role("radio", name="Files in a folder").check()
        made.pump()
        page.get_by_role("textbox", name="Folder on the machine of the kernel").fill(str(tmp_path))
        page.get_by_role("button", name="Fetch", exact=True).click()
        until(made, lambda: len(list(tmp_path.rglob("*.dcm"))) >= 10)
        doing = page.locator(".dicomnb-doing")
        until(made, lambda: "of 96" in str(doing.text_content()))
        assert "Downloading…" in str(doing.text_content())
        assert "MB/s" in str(doing.text_content()) or "kB/s" in str(doing.text_content())
        expect(page.get_by_role("button", name="Fetch", exact=True)).to_be_disabled()
        page.screenshot(path=screenshots() / "retrieve-busy.png")
        page.get_by_role("button", name="Cancel").click()
        until(made, lambda: not panel.busy)
        made.pump()
        kept = len(list(tmp_path.rglob("*.dcm")))
        expect(page.locator(".dicomnb-saying.dicomnb-info")).to_contain_text(
            f"Cancelled. {kept} downloaded."
        )
        source.go.set()
        page.get_by_role("button", name="Resume").click()
        made.pump()
        panel.wait()
        made.pump()
        assert panel.outcome["Outcome"].value_counts().to_dict() == {
            "already there": kept,
            "downloaded": 96 - kept,
        }
        lines = (tmp_path / ".dicomnb-download.jsonl").read_text().splitlines()
        assert len({json.loads(line)["instance"] for line in lines}) == len(lines) == 96
        expect(page.get_by_role("button", name="Resume")).to_be_hidden()


def test_how_much_of_one_long_instance_has_come(
    bridge: Callable[[Any], Bridge], page: Page, archive: dn.Archive, series: pd.DataFrame
) -> None:
    panel = RetrievePanel(archive, row(series, "Thorax enhanced"))
    made = shown(bridge, panel)
    panel.send({"kind": "saying", "busy": "Fetching a volume…", "level": "info", "words": ""})
    panel._tell_progress(Progress(0, 1_000_000, 1, seconds=1.0), bytes_expected=2_950_000)
    made.pump()
    expect(page.locator(".dicomnb-doing")).to_have_text(
        "Fetching a volume… · 1.00 MB of up to 2.95 MB · 1.00 MB/s · 2 s left"
    )
    bar = page.get_by_role("progressbar")
    assert bar.evaluate("one => one.value / one.max") == pytest.approx(1 / 2.95)


def test_what_is_typed_is_not_written_over(
    bridge: Callable[[Any], Bridge], page: Page, archive: dn.Archive, series: pd.DataFrame
) -> None:
    panel = RetrievePanel(archive, series)
    made = shown(bridge, panel)
    folder = page.get_by_role("textbox", name="Folder on the machine of the kernel")
    folder.click()
    page.keyboard.press("Control+a")
    page.keyboard.type("half a na")
    panel._tell_state()
    made.pump()
    expect(folder).to_have_value("half a na")
    page.keyboard.type("me")
    page.keyboard.press("Tab")
    panel.wait()
    made.pump()
    assert panel.folder == "half a name"
    expect(page.get_by_text(str(Path("half a name").absolute()))).to_be_visible()


def test_text_of_a_patient_is_text(
    bridge: Callable[[Any], Bridge], page: Page, archive: dn.Archive, series: pd.DataFrame
) -> None:
    table = series.head(2).assign(PatientID=NASTY, PatientName=NASTY, SeriesDescription=NASTY)
    panel = RetrievePanel(archive, table)
    made = shown(bridge, panel)
    group = page.get_by_role("group", name="Fetch images")
    expect(group).to_contain_text(NASTY)
    panel._say("error", NASTY)
    lost = dn.Ref("1.2.3", "1.2.3.4")
    panel._fetch = made_up = type("MadeUp", (), {})()
    made_up.kept, made_up.notes, made_up.can_go_on = "", [NASTY], True
    panel._tell_state()
    made.pump()
    expect(page.get_by_label("The last fetch").get_by_text(NASTY)).to_be_visible()
    panel.what = [lost]
    panel.wait()
    made.pump()
    assert page.locator("img").count() == 0
    assert page.title() == ""


def test_failed_instances_are_listed(
    bridge: Callable[[Any], Bridge],
    page: Page,
    archive: dn.Archive,
    series: pd.DataFrame,
    tmp_path: Path,
) -> None:
    one = row(series, "Thorax enhanced")
    refs = [dn.Ref(one["StudyInstanceUID"], one["SeriesInstanceUID"]), dn.Ref("1.2.3", "1.2.4")]
    panel = RetrievePanel(archive, refs, tmp_path)
    panel.target = "folder"
    made = shown(bridge, panel)
    page.get_by_role("button", name="Fetch", exact=True).click()
    made.pump()
    expect(page.get_by_role("region", name="What failed")).to_contain_text(
        "SeriesInstanceUID 1.2.4"
    )
    page.get_by_role("button", name="Retry failed").click()
    made.pump()
    assert (panel.outcome["Outcome"] == "failed").sum() == 1
    assert len(panel.outcome) == 2


def test_the_code_is_copied(
    bridge: Callable[[Any], Bridge], page: Page, archive: dn.Archive, series: pd.DataFrame
) -> None:
    panel = RetrievePanel(archive, row(series, "Head 5.0"))
    shown(bridge, panel)
    page.evaluate(
        "() => document.addEventListener('copy', () => { window.copied = String(getSelection()); })"
    )
    page.get_by_text("Python that does the same").click()
    expect(page.get_by_label("Python that does the same")).to_have_text(panel.code)
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("() => window.copied").strip() == panel.code


def test_two_views_of_one_panel_show_the_same(
    bridge: Callable[[Any], Bridge], page: Page, archive: dn.Archive, series: pd.DataFrame
) -> None:
    panel = RetrievePanel(archive, row(series, "Head 5.0"))
    made = shown(bridge, panel)
    page.evaluate("""() => {
        window.other = document.createElement('div');
        document.body.append(window.other);
        new window.root.dicomnbView.constructor(window.model, window.other, 'Another view');
    }""")
    made.pump()
    page.get_by_role("group", name="Another view").get_by_role(
        "radio", name="Files in a folder"
    ).check()
    made.pump()
    expect(
        page.get_by_role("group", name="Fetch images").get_by_role(
            "radio", name="Files in a folder"
        )
    ).to_be_checked()


@pytest.mark.parametrize("width", [360, 700, 1200])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_its_place(
    bridge: Callable[[Any], Bridge],
    page: Page,
    archive: dn.Archive,
    series: pd.DataFrame,
    width: int,
    theme: str,
) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    if theme == "dark":
        page.add_style_tag(content=DARK)
    long = series.head(3).assign(SeriesDescription="Longword" * 40)
    panel = RetrievePanel(archive, long, "/a/very" + "/long/path" * 20)
    made = shown(bridge, panel)
    page.get_by_text("More", exact=True).click()
    page.get_by_text("Python that does the same").click()
    made.pump()
    page.screenshot(path=screenshots() / f"retrieve-{theme}-{width}.png", full_page=True)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    assert np.isclose(page.evaluate("() => window.root.scrollWidth - window.root.clientWidth"), 0)
