"""The viewer's front end in a real Chromium: canvas pixels against numpy, gestures, keys."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pydicom
import pytest
from playwright.sync_api import Page

from dicomnb.errors import GeometryError
from dicomnb.images.display import modality
from dicomnb.images.windows import Window, window
from dicomnb.volumes.volume import Volume
from dicomnb.widgets import Viewer
from tests.conftest import real_file, screenshots
from tests.widgets.conftest import Bridge, until

Array = np.ndarray[Any, Any]
Bridging = Callable[[Any], Bridge]
RNG = np.random.default_rng(11)
PICTURE = """() => {
    const canvas = view.stack.picture;
    return [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data];
}"""


def picture(page: Page) -> Array:
    """The frame as drawn, before zoom and pan: (rows, columns, 3)."""
    rows, columns = page.evaluate("() => [view.rows, view.columns]")
    return np.array(page.evaluate(PICTURE), dtype=np.uint8).reshape(rows, columns, 4)[..., :3]


def volume(array: Array, **facts: Any) -> Volume:
    affine = np.array([[0, 0, 0.5, -10], [0, 0.5, 0, -20], [2, 0, 0, -30], [0, 0, 0, 1.0]])
    return Volume(array, affine=affine, units="HU", modality="CT", **facts)


def noise(dtype: str, shape: tuple[int, ...] = (5, 24, 32)) -> Array:
    if dtype.startswith("float"):
        return RNG.normal(100, 300, shape).astype(dtype)
    info = np.iinfo(dtype)
    return RNG.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


@pytest.mark.parametrize(
    "dtype",
    ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64", "int64", "bool"],
)
@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_pixels_are_those_of_numpy(bridge: Bridging, page: Page, dtype: str, function: str) -> None:
    array = noise("uint8") > 128 if dtype == "bool" else noise(dtype)
    made = bridge(Viewer(array))
    made.panel.window_function = function
    page.evaluate("(f) => model.set('window_function', f)", function)
    center, width = float(np.median(array)), max(float(array.std()), 2.0)
    made.set("window", (center, width))
    want = window(array[made.panel.slice], center, width, function=function)
    got = picture(page)
    assert (got == got[..., :1]).all()
    assert np.abs(got[..., 0].astype(int) - want).max() <= (function == "SIGMOID")


def test_nan_is_the_darkest(bridge: Bridging, page: Page) -> None:
    array = np.full((1, 8, 8), 100.0)
    array[0, 2, 3] = np.nan
    made = bridge(Viewer(array))
    made.set("window", (50, 100))
    assert picture(page)[2, 3].tolist() == [0, 0, 0]


def test_monochrome1_and_invert(bridge: Bridging, page: Page) -> None:
    array = noise("int16")
    made = bridge(Viewer(volume(array, photometric="MONOCHROME1")))
    made.set("window", (0, 4000))
    want = window(array[2], 0, 4000, function=made.panel.window_function)
    assert (picture(page)[..., 0] == 255 - want).all()
    page.locator(".dicomnb-invert").click()
    made.pump()
    assert made.panel.inverted
    assert (picture(page)[..., 0] == want).all()


def test_colour(bridge: Bridging, page: Page) -> None:
    array = noise("uint8", (4, 16, 20, 3))
    made = bridge(Viewer(array))
    assert made.panel.slice == 0
    assert (picture(page) == array[0]).all()
    assert page.locator(".dicomnb-window").is_hidden()


@pytest.mark.parametrize(("slices", "control", "taken"), [(1, 0, 0), (1, 1, 1), (2, 0, 1)])
def test_over_a_single_picture_the_wheel_scrolls_the_page(
    bridge: Bridging, page: Page, slices: int, control: int, taken: int
) -> None:
    bridge(Viewer(noise("int16", (slices, 24, 32))))
    left = page.locator(".dicomnb-canvas").evaluate(
        "(one, ctrlKey) => one.dispatchEvent("
        "new WheelEvent('wheel', {deltaY: 120, ctrlKey, cancelable: true, bubbles: true}))",
        bool(control),
    )
    assert left is not bool(taken)


def test_scrolling_by_wheel_keys_and_slider(bridge: Bridging, page: Page) -> None:
    array = noise("int16", (30, 24, 32))
    made = bridge(Viewer(volume(array)))
    canvas = page.locator(".dicomnb-canvas")
    assert made.panel.slice == 15
    canvas.hover()
    page.mouse.wheel(0, 120)
    made.pump()
    assert made.panel.slice == 18
    canvas.click()
    for key, slice in [("ArrowUp", 17), ("PageDown", 27), ("Home", 0), ("End", 29)]:
        page.keyboard.press(key)
        made.pump()
        assert made.panel.slice == slice
        want = window(array[slice], *made.panel.window, function=made.panel.window_function)
        assert (picture(page)[..., 0] == want).all()
    page.get_by_label("Slice", exact=True).fill("7")
    made.pump()
    assert made.panel.slice == 7
    assert page.locator(".dicomnb-place").first.inner_text() == "8 / 30"
    made.set("slice", 11)
    assert (
        picture(page)[..., 0]
        == window(array[11], *made.panel.window, function=made.panel.window_function)
    ).all()


def test_dragging_changes_the_window(bridge: Bridging, page: Page) -> None:
    made = bridge(Viewer(volume(noise("int16")), window=(40, 400)))
    drag(page, (300, 250), (330, 250))
    made.pump()
    assert made.panel.window == pytest.approx((40, 440))
    drag(page, (300, 250), (300, 280))
    made.pump()
    assert made.panel.window == pytest.approx((84, 440))
    page.locator(".dicomnb-presets").select_option(label="bone  (C 400, W 1800)")
    made.pump()
    assert made.panel.window == (400, 1800)
    page.locator(".dicomnb-reset").click()
    made.pump()
    assert made.panel.window == (40, 400)


def drag(page: Page, start: tuple[int, int], stop: tuple[int, int]) -> None:
    box = page.locator(".dicomnb-canvas").bounding_box()
    assert box
    page.mouse.move(box["x"] + start[0], box["y"] + start[1])
    page.mouse.down()
    page.mouse.move(box["x"] + stop[0], box["y"] + stop[1], steps=4)
    page.mouse.up()


def source(panel: Any) -> str:
    """The front end's modules, to try a function of theirs."""
    return str(panel._esm).replace("export default", "const unused =")


def hover(page: Page, row: float, column: float) -> None:
    """Put the pointer on a pixel."""
    box = page.locator(".dicomnb-canvas").bounding_box()
    assert box
    x, y = at(page, row, column)
    page.mouse.move(box["x"] + x, box["y"] + y)


def at(page: Page, row: float, column: float) -> tuple[int, int]:
    """Where on the canvas a pixel's centre is."""
    x, y = page.evaluate("([r, c]) => view.placing.toCanvas([r, c])", [row, column])
    return round(x), round(y)


def test_the_value_and_the_position_under_the_cursor(bridge: Bridging, page: Page) -> None:
    array = noise("int16")
    shown = volume(array)
    bridge(Viewer(shown))
    hover(page, 5, 9)
    value, place, position = page.locator(".dicomnb-readout").inner_text().split("\n")
    assert value == f"{array[2, 5, 9]} HU".replace("-", "−")
    assert place == "row 5, column 9"
    x, y, z = shown.position(2, 5, 9)
    assert position == f"L {x:.1f}  P {y:.1f}  S {z:.1f} mm".replace("-", "−")
    hover(page, -1, -1)
    assert page.locator(".dicomnb-readout").inner_text() == ""


def test_letters_at_the_edges(bridge: Bridging, page: Page) -> None:
    made = bridge(Viewer(volume(noise("int16"))))
    found = page.evaluate("(s) => eval(s + ';edges(view.affine)')", source(made.panel))
    assert found == {"top": "A", "right": "L", "bottom": "P", "left": "R"}


def test_each_frame_of_an_enhanced_image_has_its_own_place(bridge: Bridging, page: Page) -> None:
    dataset = pydicom.dcmread(real_file("eCT_Supplemental.dcm"))
    made = bridge(Viewer(dataset))
    shared = dataset.SharedFunctionalGroupsSequence[0]
    for place, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        made.set("slice", place)
        first = [float(one) for one in group.PlanePositionSequence[0].ImagePositionPatient]
        along = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
        high, wide = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
        x, y, z = np.array(first) + along[3:] * high * 20 + along[:3] * wide * 30
        hover(page, 20, 30)
        value, _, position = page.locator(".dicomnb-readout").inner_text().split("\n")
        assert position == f"L {x:.1f}  P {y:.1f}  S {z:.1f} mm".replace("-", "−")
        want = modality(dataset.pixel_array[place], dataset, frame=place + 1)[20, 30]
        assert value == f"{want}".replace("-", "−")
    found = page.evaluate("(s) => eval(s + ';edges(view.affine)')", source(made.panel))
    assert found == {"top": "A", "right": "R", "bottom": "P", "left": "L"}  # seen from the head


@pytest.mark.parametrize("kind", ["distance", "rectangle", "ellipse"])
@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_measurements_are_those_of_numpy(
    bridge: Bridging, page: Page, kind: str, dtype: str
) -> None:
    made = bridge(Viewer(volume(noise(dtype))))
    page.locator(f".dicomnb-{kind}").click()
    drag(page, at(page, 3, 4), at(page, 17, 25))
    made.pump()
    (found,) = made.panel.measurements
    assert found["kind"] == kind
    assert np.abs(np.array(found["points"]) - [[3, 4], [17, 25]]).max() < 0.1
    made.set("measurements", [{"kind": kind, "points": found["points"]}])
    (own,) = made.panel.measurements
    assert own.keys() == found.keys()
    for name in found.keys() - {"kind", "points"}:
        assert own[name] == pytest.approx(found[name], rel=1e-9), name
    page.locator(".dicomnb-erase").click()
    made.pump()
    assert made.panel.measurements == []


def test_only_a_measurement_in_view_is_removed(bridge: Bridging, page: Page) -> None:
    made = bridge(Viewer(volume(noise("int16"))))
    points = [[1, 1], [5, 5]]
    made.set(
        "measurements", [{"kind": "distance", "points": points, "slice": one} for one in (0, 1, 0)]
    )
    first, other, last = made.panel.measurements
    erase = page.get_by_role("button", name="Remove the last measurement in view")
    made.set("slice", 2)
    erase.click()
    made.pump()
    assert made.panel.measurements == [first, other, last]
    made.set("slice", 1)
    erase.click()
    made.pump()
    assert made.panel.measurements == [first, last]


def test_overlay(bridge: Bridging, page: Page) -> None:
    array = noise("int16")
    labels = RNG.integers(0, 3, array.shape, dtype=np.uint8)
    made = bridge(Viewer(volume(array), overlay={"organs": labels}))
    made.set("opacity", 1.0)
    colours = {(230, 159, 0), (86, 180, 233)}
    shown, where = picture(page), labels[2]
    assert {tuple(one) for one in shown[where == 1]} | {
        tuple(one) for one in shown[where == 2]
    } == (colours)
    grey = window(array[2], *made.panel.window, function=made.panel.window_function)
    assert (shown[where == 0][..., 0] == grey[where == 0]).all()
    made.set("opacity", 0.0)
    assert (picture(page)[..., 0] == grey).all()


def test_times(bridge: Bridging, page: Page) -> None:
    array = noise("uint16", (3, 4, 16, 16))
    made = bridge(Viewer(array))
    page.locator(".dicomnb-canvas").click()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    made.pump()
    assert (made.panel.time, made.panel.slice) == (1, 3)
    want = window(array[1, 3], *made.panel.window, function=made.panel.window_function)
    assert (picture(page)[..., 0] == want).all()


def test_cine_shows_every_frame(bridge: Bridging, page: Page) -> None:
    made = bridge(Viewer(noise("uint8", (6, 16, 16))))
    made.set("frame_rate", 50.0)
    page.evaluate(
        "() => { window.seen = []; model.on('change:slice', () => seen.push(model.get('slice'))); }"
    )
    page.locator(".dicomnb-play").click()
    page.wait_for_function("() => window.seen.length >= 12")
    page.locator(".dicomnb-play").click()
    seen = page.evaluate("() => window.seen")[:12]
    start = made.panel.slice
    assert seen == [(start + step) % 6 for step in range(1, 13)]


def test_cache_is_bounded_and_fetches_what_is_near(bridge: Bridging, page: Page) -> None:
    array = noise("int16", (60, 16, 16))
    held = page.evaluate(
        """([source, length]) => {
            const Frames = eval(source + ';Frames');
            const frames = new Frames(length, 512, 512 * 20);
            let asked = 0;
            const settle = (current, direction) => {
                for (;;) {
                    const wanted = frames.next(current, direction);
                    if (!wanted.length) return;
                    asked += wanted.length;
                    wanted.forEach((index) => frames.put(index, index, current));
                    if (asked > 1000) throw new Error('it never ends');
                }
            };
            settle(30, 1);
            const first = [...frames.held.keys()].sort((a, b) => a - b);
            settle(3, -1);
            return [first, [...frames.held.keys()].sort((a, b) => a - b), asked];
        }""",
        [source(Viewer), len(array)],
    )
    first, second, asked = held
    assert len(first) <= 20
    assert set(range(22, 39)) <= set(first)
    assert set(range(17)) <= set(second)
    assert asked < 60


def test_preview_stands_until_the_slice_comes(bridge: Bridging, page: Page) -> None:
    array = noise("int16", (10, 32, 32))
    panel = Viewer(volume(array))
    panel._send_frames = lambda *asked: None  # a line so slow that nothing comes
    made = bridge(panel)
    grey = window(array[5], *panel.window, function=panel.window_function)
    got = picture(page)[..., 0]
    assert (got == np.kron(grey[::2, ::2], np.ones((2, 2), dtype=np.uint8))).all()
    assert "loading" in page.locator(".dicomnb-state").inner_text()
    del panel._send_frames
    made.page.evaluate("() => { view.stack.frames.asked.clear(); view.fetch(); }")
    made.pump()
    assert (picture(page)[..., 0] == grey).all()


def test_what_cannot_be_read_is_said_and_tried_again(bridge: Bridging, page: Page) -> None:
    from dataclasses import replace

    from dicomnb.errors import DecodeError

    array = noise("int16", (3, 16, 16))
    panel = Viewer(array)
    whole = panel._shown
    assert whole is not None

    def damaged(time: int, slice: int) -> Array:
        if slice == 1:
            raise DecodeError("The stream <b>ends</b> early.")
        return array[slice]

    panel._shown = replace(whole, read=damaged, is_in_memory=False)
    made = bridge(panel)
    notice = page.locator(".dicomnb-notice")
    assert "The stream <b>ends</b> early." in notice.inner_text()
    made.set("slice", 2)
    assert notice.is_hidden()
    want = window(array[2], *panel.window, function=panel.window_function)
    assert (picture(page)[..., 0] == want).all()
    made.set("slice", 1)
    panel._shown = whole
    notice.get_by_text("Try again").click()
    made.pump()
    assert notice.is_hidden()
    want = window(array[1], *panel.window, function=panel.window_function)
    assert (picture(page)[..., 0] == want).all()


def test_text_of_a_file_is_text(bridge: Bridging, page: Page) -> None:
    title = "<img src=x onerror=window.hacked=1>"
    bridge(Viewer(volume(noise("int16"), title=title)))
    assert title in page.locator(".dicomnb-title").inner_text()
    assert page.evaluate("() => window.hacked") is None


def test_without_a_kernel_it_says_so(page: Page) -> None:
    from tests.widgets.conftest import FAKE_MODEL

    panel = Viewer(noise("int16"))
    state = {"slice": 0, "time": 0, "height": 300, "kept": "", "measurements": [], "opacity": 1}
    page.evaluate(FAKE_MODEL, {"esm": panel._esm, "css": panel._css, "state": state})
    page.locator(".dicomnb-again").wait_for()
    assert "run again" in page.locator(".dicomnb-notice").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_look(bridge: Bridging, page: Page, scheme: Any, demo_folder: Any) -> None:
    import dicomnb as dn

    page.emulate_media(color_scheme=scheme)
    page.add_style_tag(content=":root { color-scheme: light dark; }")
    archive = dn.connect(demo_folder)
    scan = archive.series(Modality="CT").iloc[0]
    made = bridge(Viewer(archive.volume(scan, strict=False), window="lung"))
    made.page.locator(".dicomnb-ellipse").click()
    drag(page, at(page, 30, 30), at(page, 60, 60))
    made.pump()
    page.screenshot(path=screenshots() / f"viewer-{scheme}.png")
    assert made.panel.measurements[0]["count"] > 0


def test_leaving_the_page_lets_go(bridge: Bridging, page: Page) -> None:
    bridge(Viewer(noise("int16")))
    page.evaluate("() => window.cleanup()")
    assert page.evaluate("() => Object.values(handlers).every((list) => list.length === 0)")


def test_another_volume_takes_the_place_of_the_first(bridge: Bridging, page: Page) -> None:
    first, second = noise("int16"), noise("uint16", (3, 20, 28))
    made = bridge(Viewer(volume(first, title="first")))
    made.panel.measurements = [{"kind": "distance", "points": [[0, 0], [3, 4]]}]
    page.locator(".dicomnb-canvas").hover()
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    gone = weakref.ref(first)
    assert page.evaluate("() => view.view.zoom") > 1
    del first
    made.panel.show(volume(second, title="second"), window="full")
    mirror(made)
    until(lambda: gc.collect() >= 0 and gone() is None)
    want = window(second[1], *made.panel.window, function=made.panel.window_function)
    assert (picture(page)[..., 0] == want).all()
    assert page.evaluate("() => [view.stack.frames.count, view.view.zoom]") == [3, 1]
    assert page.locator(".dicomnb-title").inner_text() == "CT · second"
    assert made.panel.measurements == []


def mirror(made: Bridge) -> None:
    """Give the page what was changed in Python, as the widget's own channel does."""
    for name in ("slice", "time", "window", "window_function", "measurements"):
        made.set(name, getattr(made.panel, name))


def test_with_nothing_to_show_it_says_so(bridge: Bridging, page: Page) -> None:
    made = bridge(Viewer())
    notice = page.locator(".dicomnb-notice")
    assert notice.inner_text() == "Nothing is shown yet."
    made.panel.show(noise("int16"))
    mirror(made)
    assert notice.is_hidden()


def test_what_cannot_be_shown_stands_on_nothing_else(bridge: Bridging, page: Page) -> None:
    made = bridge(Viewer(volume(noise("int16"), title="first")))
    assert page.locator(".dicomnb-title").inner_text() == "CT · first"
    made.panel._failed(GeometryError("<b>No</b> slices."))
    made.pump()
    notice = page.locator(".dicomnb-notice")
    assert notice.inner_text() == "This cannot be shown. <b>No</b> slices."
    assert page.locator(".dicomnb-title").inner_text() == ""
    assert page.get_by_label("Slice").is_hidden()
    drawn = page.evaluate(
        "() => { const one = view.canvas; const all = one.getContext('2d')"
        ".getImageData(0, 0, one.width, one.height).data;"
        " return all.every((value, at) => value === (at % 4 === 3 ? 255 : 0)); }"
    )
    assert drawn  # black, and nothing else
    made.panel.show(noise("int16"))
    mirror(made)
    assert notice.is_hidden()
    assert page.get_by_label("Slice").is_visible()


def test_windows_are_offered_by_where_they_come_from(bridge: Bridging, page: Page) -> None:
    own = (Window(40, 400, "LUNG"), Window(1, 2, ""))
    made = bridge(Viewer(volume(noise("int16"), windows=own)))
    groups = page.locator(".dicomnb-presets optgroup")
    labels = groups.evaluate_all("(all) => all.map((one) => one.label)")
    assert labels == ["Of the image", "Usual for CT", "Of its values"]
    firsts = [groups.nth(number).locator("option").first.text_content() for number in range(3)]
    assert firsts[0] == "LUNG  (C 40, W 400)"
    page.locator(".dicomnb-presets").select_option(label="lung  (C -600, W 1500)")
    made.pump()
    assert made.panel.window == (-600, 1500)
    made.page.locator(".dicomnb-canvas").press("2")  # the second of them all
    made.pump()
    assert made.panel.window == (1, 2)


def test_what_is_being_fetched_is_said_over_the_picture(bridge: Bridging, page: Page) -> None:
    made = bridge(Viewer())
    made.panel.busy = "Fetching…"
    made.pump()
    assert page.locator(".dicomnb-stage .dicomnb-doing").inner_text() == "Fetching…"
    assert page.locator(".dicomnb-notice").is_hidden()
    made.panel.busy = ""
    made.pump()
    assert page.locator(".dicomnb-notice").is_visible()
