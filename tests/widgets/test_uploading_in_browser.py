"""The upload panel's front end in a real Chromium, with real files on the disk."""

from __future__ import annotations

import base64
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from pydicom import dcmread
from pydicom.uid import generate_uid

import dicomnb as dn
from dicomnb.widgets.javascript import style
from dicomnb.widgets.uploading import UploadPanel
from tests.conftest import real_file, screenshots
from tests.widgets.conftest import Bridge

CT = real_file("CT_small.dcm")
NASTY = "<img src=x onerror=document.title=1>"
DARK = """:root { --jp-ui-font-color1: #fffd; --jp-ui-font-color2: #fffb; --jp-layout-color1: #111;
  --jp-layout-color2: #212121; --jp-border-color1: #616161; --jp-brand-color1: #1e88e5;
  --jp-error-color1: #ef5350; --jp-warn-color1: #ffa726; --jp-success-color1: #66bb6a; }
  body { background: #111; }"""


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: Any) -> Path:
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def server(tmp_path: Path) -> Iterator[dn.Archive]:
    (tmp_path / "served").mkdir()
    with dn.serve(tmp_path / "served", writable=True) as url:
        yield dn.connect(url)


def own_instance(path: Path, *, patient: str = "P1", mebibytes: int = 0) -> Path:
    """A file of an instance of its own, of about so many MiB."""
    dataset = dcmread(CT)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.PatientID = patient
    if mebibytes:
        dataset.Rows, dataset.Columns = 1024, 512 * mebibytes
        dataset.PixelData = os.urandom(mebibytes << 20)
    dataset.save_as(path)
    return path


def states(page: Page) -> list[str]:
    return page.locator(".dicomnb-listed tbody .dicomnb-word").all_inner_texts()


def named(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name)


def settle(made: Bridge) -> None:
    """Until all that was chosen has been offered, has come and was looked at."""
    page, panel = made.page, made.panel

    def is_settled() -> bool:
        return not panel._files.in_state("arriving", "checking") and not panel.busy

    page.wait_for_function("() => window.view.offers === 1")
    made.pump(until=is_settled)


def test_a_file_of_30_mb_arrives_as_it_is(
    bridge: Callable[[Any], Bridge], page: Page, server: dn.Archive, tmp_path: Path
) -> None:
    path = own_instance(tmp_path / "large.dcm", mebibytes=30)
    panel = UploadPanel(server).wait()
    made = bridge(panel)
    flying: list[int] = []
    pieces = panel._pieces

    def counted(message: dict[str, Any], buffers: Any) -> None:
        assert sum(len(one) for one in buffers) <= 1 << 20
        flying.append(page.evaluate("() => window.view.sender.flying.size"))
        pieces(message, buffers)

    panel._pieces = counted  # type: ignore[method-assign]
    page.get_by_label("Files to upload").set_input_files(path)
    settle(made)
    assert len(flying) == 31
    assert max(flying) <= 4
    assert states(page) == ["ready"]
    named(page, "Send 1 file (31.5 MB)").click()
    made.pump()
    assert states(page) == ["stored"]
    expect(page.get_by_role("status")).to_have_text("1 of 1 stored.")
    (stored,) = (tmp_path / "served").rglob("*.dcm")
    assert stored.read_bytes() == path.read_bytes()


def test_a_folder_with_junk_in_between(
    bridge: Callable[[Any], Bridge],
    page: Page,
    server: dn.Archive,
    tmp_path: Path,
    own_temporary_folder: Path,
) -> None:
    scans = tmp_path / "scans"
    (scans / "deep").mkdir(parents=True)
    for number in range(12):
        own_instance(scans / "deep" / f"{number:02}.dcm", patient=NASTY)
    shutil.copy(scans / "deep" / "03.dcm", scans / "zz again.dcm")
    (scans / NASTY).write_text("no DICOM")
    (scans / "empty.dcm").touch()
    panel = UploadPanel(server).wait()
    made = bridge(panel)
    page.get_by_label("Folder to upload").set_input_files(scans)
    settle(made)
    files = panel.files.set_index("Name")
    assert files["State"].value_counts().to_dict() == {"ready": 12, "left out": 3}
    assert files.loc[f"scans/{NASTY}", "Reason"] == "not DICOM"
    assert files.loc["scans/empty.dcm", "Reason"] == "empty"
    # 12 small files need not 12 messages.
    assert page.evaluate("() => window.view.sender.loads") == 1
    expect(page.locator(".dicomnb-listed")).to_contain_text(NASTY)
    page.get_by_role("combobox", name="Which files to show").select_option("left out")
    made.pump()
    assert states(page) == ["left out"] * 3
    named(page, "Send 12 files").click()
    made.pump()
    assert panel.outcome["Outcome"].tolist() == ["stored"] * 12
    assert set(panel.outcome["Name"]) == {f"scans/deep/{number:02}.dcm" for number in range(12)}
    assert list(own_temporary_folder.iterdir()) == []
    assert set(server.instances()["PatientID"]) == {NASTY}
    assert page.title() == ""


@pytest.fixture
def placed_page(chromium: Browser) -> Iterator[Page]:
    """A page that has an address, which a browser wants before it gives out a folder."""
    page = chromium.new_page(viewport={"width": 700, "height": 800})
    page.route("**", lambda route: route.fulfill(body="", content_type="text/html"))
    page.goto("http://localhost/")
    yield page
    page.close()


SHUT = """() => {
    const entryOf = DataTransferItem.prototype.webkitGetAsEntry;
    DataTransferItem.prototype.webkitGetAsEntry = function () {
        const entry = entryOf.call(this);
        if (!entry) return entry;
        const kind = Object.getPrototypeOf(entry);
        const readerOf = kind.createReader;
        if (readerOf && !window.isShut) kind.createReader = function () {
            const no = (_, refuse) => refuse(new DOMException('no', 'NotReadableError'));
            return this.name === 'shut' ? { readEntries: no } : readerOf.call(this);
        };
        window.isShut ||= Boolean(readerOf);
        return entry;
    };
}"""


def drop(page: Page, *paths: Path, before: Callable[[], object] = lambda: None) -> None:
    """Drop files and folders of the disk onto the panel; ``before`` is done in the last moment."""
    box = page.locator(".dicomnb-zone").bounding_box()
    assert box is not None
    place = {"x": box["x"] + 20, "y": box["y"] + 10}
    data = {"items": [], "files": [str(one) for one in paths], "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        if kind == "drop":
            before()
        session.send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})


def test_what_is_dropped_is_taken_folders_too(
    placed_page: Page, server: dn.Archive, tmp_path: Path
) -> None:
    page = placed_page
    scans = tmp_path / "scans"
    (scans / "deep").mkdir(parents=True)
    own_instance(scans / "deep" / "a.dcm")
    own_instance(scans / "b.dcm")
    panel = UploadPanel(server).wait()
    made = Bridge(page, panel)
    drop(page, scans, CT)
    settle(made)
    assert set(panel.files["Name"]) == {"scans/deep/a.dcm", "scans/b.dcm", "CT_small.dcm"}
    expect(page.get_by_role("cell", name="CompressedSamples, CT1")).to_have_count(3)
    assert panel.files["State"].tolist() == ["ready"] * 3


def test_what_is_dropped_and_cannot_be_read_has_a_row_that_says_so(
    placed_page: Page, server: dn.Archive, tmp_path: Path
) -> None:
    page = placed_page
    gone = own_instance(tmp_path / "gone.dcm")
    scans = tmp_path / "scans"
    scans.mkdir()
    own_instance(scans / "a.dcm")
    panel = UploadPanel(server).wait()
    made = Bridge(page, panel)
    # Of a folder that may not be read, on the disk of a person who is not root, the browser
    # tells the same as of one that went between the drop and the look into it.
    page.evaluate(SHUT)
    (scans / "shut").mkdir()
    drop(page, gone, scans, CT, before=gone.unlink)
    settle(made)
    files = panel.files.set_index("Name")
    assert files["State"].to_dict() == {
        "gone.dcm": "left out",
        "scans/a.dcm": "ready",
        "scans/shut/": "left out",
        "CT_small.dcm": "ready",
    }
    why = "cannot be read: it was changed, moved or removed since it was chosen, or may not be read"
    assert files.loc["gone.dcm", "Reason"] == files.loc["scans/shut/", "Reason"] == why
    row = page.get_by_role("row").filter(has_text="scans/shut/")
    expect(row).to_contain_text(why)


def test_what_is_said_of_the_first_files_stays_when_the_last_were_looked_at(
    bridge: Callable[[Any], Bridge], page: Page, server: dn.Archive
) -> None:
    panel = UploadPanel(server, limit_bytes=1000).wait()
    made = bridge(panel)
    page.evaluate("""() => {
        const start = new Uint8Array(2000);
        start.set([68, 73, 67, 77], 128);
        const files = Array.from({length: 501}, (_, at) => new File([start], `${at}.dcm`));
        const slow = new Promise((done) => { window.release = () => done(new ArrayBuffer(132)); });
        files[500].slice = () => ({ arrayBuffer: () => slow });
        window.offered = view.offer(files.map((one) => [one, one.name]));
    }""")
    made.pump(until=lambda: len(panel.files) == 500)
    warning = page.get_by_text("500 files left out")
    expect(warning).to_be_visible()
    page.evaluate("() => { window.release(); return window.offered; }")
    expect(warning).to_be_visible()


def test_a_file_that_changed_since_it_was_chosen(
    bridge: Callable[[Any], Bridge], page: Page, server: dn.Archive, tmp_path: Path
) -> None:
    changed, gone = own_instance(tmp_path / "a.dcm"), own_instance(tmp_path / "b.dcm")
    good = own_instance(tmp_path / "c.dcm")
    panel = UploadPanel(server).wait()
    made = bridge(panel)
    page.evaluate(
        "() => { const ask = window.view.sender.ask; window.view.sender.ask ="
        " (...all) => { if (all[0] === 'offer') window.held = () => ask(...all);"
        " else ask(...all); }; }"
    )
    page.get_by_label("Files to upload").set_input_files([changed, gone, good])
    page.wait_for_function("() => window.held")
    changed.write_bytes(CT.read_bytes() + bytes(1 << 20))
    os.utime(changed, (10, 10))
    gone.unlink()
    page.evaluate("() => window.held()")
    settle(made)
    assert panel.files["State"].tolist() == ["left out", "left out", "ready"]
    assert set(panel.files["Reason"][:2]) == {
        "cannot be read: it was changed, moved or removed since it was chosen, or may not be read"
    }


def test_a_page_that_is_closed_in_the_middle(
    bridge: Callable[[Any], Bridge],
    page: Page,
    server: dn.Archive,
    tmp_path: Path,
    own_temporary_folder: Path,
) -> None:
    path = own_instance(tmp_path / "large.dcm", mebibytes=30)
    panel = UploadPanel(server).wait()
    made = bridge(panel)
    page.get_by_label("Files to upload").set_input_files(path)
    for _ in range(3):  # by hand: what is asked is answered, but not until all has come
        page.wait_for_function("() => window.sent.some(([one]) => one.kind !== 'rows')")
        for content, sent in page.evaluate("() => window.sent.splice(0)"):
            buffers = [memoryview(base64.b64decode(one)) for one in sent]
            panel._receive(panel, content, buffers)
        while not made._told.empty():
            content, _ = made._told.get()
            page.evaluate("(c) => window.model.receive(c, [])", content)
    assert panel.files["State"].tolist() == ["arriving"]
    assert 0 < panel._spool.have(next(iter(panel._files)).key) < path.stat().st_size
    assert len(list(own_temporary_folder.iterdir())) == 1
    page.evaluate("() => window.cleanup()")
    made.pump()
    assert panel.files["State"].tolist() == ["left out"]
    assert "its page was closed" in panel.files["Reason"][0]
    assert panel.busy == ""
    assert list(own_temporary_folder.iterdir()) == []


def test_it_is_used_by_keyboard_and_by_name(
    bridge: Callable[[Any], Bridge], page: Page, server: dn.Archive, tmp_path: Path
) -> None:
    scans = tmp_path / "scans"
    scans.mkdir()
    own_instance(scans / "a.dcm")
    made = bridge(UploadPanel(server).wait())
    expect(page.get_by_role("group", name="Upload")).to_contain_text(
        "Up to 2.00 GB at a time may come from a browser"
    )
    order = []
    for _ in range(4):
        page.keyboard.press("Tab")
        order.append(
            page.evaluate(
                "() => document.activeElement.textContent ||"
                " document.querySelector(`label[for='${document.activeElement.id}']`).textContent"
            )
        )
    assert order == ["Choose files…", "Choose a folder…", "Path on the kernel's machine", "Add"]
    page.get_by_role("textbox", name="Path on the kernel's machine").fill(str(scans))
    page.keyboard.press("Enter")
    made.pump()
    assert states(page) == ["ready"]
    named(page, "Send 1 file").focus()
    page.keyboard.press("Enter")
    made.pump()
    assert states(page) == ["stored"]
    expect(page.get_by_role("status")).to_have_text("1 of 1 stored.")
    named(page, "Clear list").click()
    made.pump()
    expect(page.get_by_role("table")).to_be_hidden()


def test_a_read_only_place_is_said_and_nothing_can_be_chosen(
    bridge: Callable[[Any], Bridge], page: Page, tmp_path: Path
) -> None:
    own_instance(tmp_path / "a.dcm")
    bridge(UploadPanel(dn.connect(tmp_path)).wait())
    expect(page.get_by_role("note")).to_contain_text("options=dn.Options(writable=True)")
    for name in ("Choose files…", "Choose a folder…", "Add", "Send"):
        expect(named(page, name)).to_be_disabled()
    expect(page.get_by_role("textbox")).to_be_disabled()


def test_many_files_are_shown_in_pages(
    bridge: Callable[[Any], Bridge], page: Page, tmp_path: Path, server: dn.Archive
) -> None:
    scans = tmp_path / "scans"
    scans.mkdir()
    for number in range(150):
        (scans / f"{number:03}.dcm").write_bytes(b"")
    own_instance(scans / "zzz.dcm")
    panel = UploadPanel(server).add(scans).wait()
    made = bridge(panel)
    expect(page.locator(".dicomnb-listed tbody tr")).to_have_count(100)
    expect(page.get_by_text("1–100 of 151")).to_be_visible()
    named(page, "Next").click()
    made.pump()
    expect(page.locator(".dicomnb-listed tbody tr")).to_have_count(51)
    expect(named(page, "Next")).to_be_disabled()
    named(page, "Previous").click()
    made.pump()
    expect(page.get_by_text("1–100 of 151")).to_be_visible()


def test_a_narrow_row_has_no_lines_within_it(
    bridge: Callable[[Any], Bridge], page: Page, server: dn.Archive, tmp_path: Path
) -> None:
    """Not either where another panel has brought the common style sheet along once more."""
    panel = UploadPanel(server).add(own_instance(tmp_path / "a.dcm")).wait()
    bridge(panel)
    page.add_style_tag(content=style("panel"))
    page.set_viewport_size({"width": 360, "height": 600})
    borders = page.locator(".dicomnb-listed td").evaluate_all(
        "(cells) => cells.map((one) => getComputedStyle(one).borderBottomWidth)"
    )
    assert borders == ["0px"] * 5


@pytest.mark.parametrize("width", [360, 700, 1200])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_its_place(
    bridge: Callable[[Any], Bridge],
    page: Page,
    server: dn.Archive,
    tmp_path: Path,
    width: int,
    theme: str,
) -> None:
    """Pictures for a person; nothing runs out of the panel on any width."""
    if theme == "dark":
        page.add_style_tag(content=DARK)
    page.set_viewport_size({"width": width, "height": 900})
    scans = tmp_path / "scans"
    scans.mkdir()
    own_instance(scans / "a.dcm")
    own_instance(scans / ("a rather long name of a file " * 5 + ".dcm"), patient="4711 " * 8)
    taken = own_instance(scans / "conflict.dcm")
    server.store(taken)
    changed = dcmread(taken)
    changed.PatientID = "P2"
    changed.save_as(taken)
    (scans / "notes.txt").write_text("x")
    (scans / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    panel = UploadPanel(server, limit_bytes=50_000).wait()
    made = bridge(panel)
    folder = screenshots()
    page.screenshot(path=folder / f"upload-empty-{theme}-{width}.png")
    page.get_by_label("Folder to upload").set_input_files(scans)
    settle(made)
    page.screenshot(path=folder / f"upload-chosen-{theme}-{width}.png")
    panel.add(scans)
    made.pump()
    named(page, "Send").click()
    made.pump()
    page.screenshot(path=folder / f"upload-sent-{theme}-{width}.png")
    assert sorted(panel.outcome["Outcome"]) == ["conflict", "stored", "stored"]
    wide = "() => document.documentElement.scrollWidth <= window.innerWidth"
    assert page.evaluate(wide)
