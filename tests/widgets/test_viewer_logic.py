"""The viewer without a browser: what may be set, what is refused, what a notebook keeps."""

from __future__ import annotations

import base64
import io
import json
import re
import threading
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import traitlets
from nbclient import NotebookClient
from PIL import Image
from pydicom import Dataset, dcmread

import dicomnb as dn
from dicomnb.errors import GeometryError, RefError
from dicomnb.images.windows import Window, window
from dicomnb.volumes.lazy import LazyArray
from dicomnb.volumes.volume import Volume
from dicomnb.widgets import Viewer
from dicomnb.widgets.background import Background
from dicomnb.widgets.javascript import STATIC, module
from dicomnb.widgets.measuring import completed
from tests.conftest import real_file
from tests.widgets.conftest import until

RNG = np.random.default_rng(5)


def noise(*shape: int) -> np.ndarray[Any, Any]:
    return RNG.integers(-1000, 1000, shape, dtype=np.int16)


def test_the_window_may_be_a_name_or_two_numbers() -> None:
    viewer = Viewer(Volume(noise(3, 8, 8), modality="CT"), window="lung")
    assert viewer.window == (-600, 1500)
    viewer.window = "Bone"
    assert viewer.window == (400, 1800)
    viewer.window = [1, 2]
    assert viewer.window == (1.0, 2.0)
    viewer.window = "full"
    assert viewer.window_function == "LINEAR_EXACT"
    for wrong in ("sharp", (1, 0), (1, float("nan")), ("a", "b"), 7):
        with pytest.raises(traitlets.TraitError):
            viewer.window = wrong


def test_there_is_no_slice_beyond_the_last() -> None:
    viewer = Viewer(noise(3, 8, 8))
    viewer.slice = 2
    with pytest.raises(traitlets.TraitError, match="there are 3, counted from 0"):
        viewer.slice = 3
    with pytest.raises(traitlets.TraitError):
        viewer.slice = -1


def test_measurements_are_completed_and_refused() -> None:
    array = noise(3, 20, 20)
    viewer = Viewer(array)
    viewer.measurements = [{"kind": "ellipse", "points": [[2, 2], [10, 14]], "slice": 2}]
    (found,) = viewer.measurements
    rows, columns = np.mgrid[:20, :20]
    inside = ((rows - 6) / 4) ** 2 + ((columns - 8) / 6) ** 2 <= 1
    assert found["count"] == inside.sum()
    assert found["mean"] == pytest.approx(array[2][inside].mean())
    for wrong in (
        {"kind": "star", "points": [[0, 0], [1, 1]]},
        {"kind": "distance", "points": [[0, 0]]},
        {"kind": "distance", "points": [[0, 0], [1, float("inf")]]},
        {"kind": "distance", "points": [[0, 0], [1, 1]], "slice": 9},
    ):
        with pytest.raises(traitlets.TraitError):
            viewer.measurements = [wrong]


def test_lengths_are_in_millimetres_along_each_axis() -> None:
    found = completed(
        {"kind": "distance", "points": [[0, 0], [3, 4]]}, noise(8, 8), spacing=(2.0, 0.5)
    )
    assert found["length"] == pytest.approx(np.hypot(6, 2))


def test_a_region_outside_the_frame_has_no_pixels() -> None:
    found = completed(
        {"kind": "rectangle", "points": [[50, 50], [60, 60]]}, noise(8, 8), spacing=None
    )
    assert found["count"] == 0


@pytest.mark.parametrize(
    "shape", [(8,), (1, 2, 3, 4, 5), (0, 8, 8), (2, 2, 2, 2, 3)], ids=lambda shape: str(shape)
)
def test_what_is_no_image_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(TypeError, match="cannot be viewed"):
        Viewer(np.zeros(shape, dtype=np.int16))


def test_a_row_needs_its_archive(demo_folder: Path) -> None:
    archive = dn.connect(demo_folder)
    row = archive.series(Modality="CT").iloc[0]
    with pytest.raises(TypeError, match="archive="):
        Viewer(row)
    with pytest.raises(RefError):
        Viewer(row[["Modality"]], archive=archive)


def test_a_series_is_fetched_beside_the_kernel(demo_folder: Path) -> None:
    archive = dn.connect(demo_folder)
    row = archive.series(Modality="CT").iloc[0]
    viewer = Viewer(row, archive=archive).wait()
    volume = archive.volume(row, strict=False)
    assert viewer._shown is not None
    assert viewer._shown.shape == (1, *volume.shape)
    assert (viewer._shown.frame(0, 7) == volume[7]).all()
    assert repr(viewer) == "<dicomnb Viewer: {} × {} × {}>".format(*volume.shape)


def test_a_film_is_shown_from_its_first_frame_at_its_own_speed() -> None:
    dataset = dcmread(real_file("examples_ybr_color.dcm"))
    viewer = Viewer(dataset)
    assert viewer._shown is not None
    assert viewer._shown.samples == 3
    assert viewer.slice == 0
    assert viewer.frame_rate == pytest.approx(1000 / float(dataset.FrameTime))


def test_what_cannot_be_fetched_is_told(demo_folder: Path) -> None:
    archive = dn.connect(demo_folder)
    viewer = Viewer(dn.Ref("1.2.3", "1.2.3.4"), archive=archive)
    with pytest.raises(RuntimeError, match=r"has no series 1\.2\.3\.4"):
        viewer.wait()


def test_an_archive_is_looked_at_slice_by_slice(demo_folder: Path) -> None:
    archive = dn.connect(demo_folder)
    viewer = Viewer(archive.series(Modality="CT").iloc[0], archive=archive).wait()
    assert isinstance(viewer.what.array, LazyArray)
    # The one in view is needed for the window; nothing else was fetched.
    assert viewer.what.array.bytes_kept == viewer.what.array[0].nbytes


@pytest.mark.parametrize("modality", ["US", "SEG", "CR", "RTDOSE"])
def test_whatever_has_pixels_is_shown(demo_folder: Path, modality: str) -> None:
    archive = dn.connect(demo_folder)
    viewer = Viewer(archive.series(Modality=modality, limit=1).iloc[0], archive=archive).wait()
    assert viewer._shown is not None
    assert viewer._shown.frame(0, 0).size > 0


def test_what_has_no_pixels_says_so(demo_folder: Path) -> None:
    archive = dn.connect(demo_folder)
    viewer = Viewer(archive.series(Modality="SR").iloc[0], archive=archive)
    with pytest.raises(RuntimeError, match=r"has no pixels \(SR\); archive.measurements\(…\)"):
        viewer.wait()


def heard(viewer: Viewer) -> list[dict[str, Any]]:
    """All that a viewer tells from now on."""
    told: list[dict[str, Any]] = []
    viewer.send = lambda content, buffers=None: told.append(content)  # type: ignore[method-assign]
    return told


def test_what_cannot_be_shown_leaves_nothing_of_what_was(demo_folder: Path) -> None:
    archive = dn.connect(demo_folder)
    viewer = Viewer(noise(3, 8, 8))
    told = heard(viewer)
    viewer.show(archive.series(Modality="SR").iloc[0], archive=archive)
    with pytest.raises(RuntimeError):
        viewer.wait()
    assert viewer.what is None
    assert told[-1]["kind"] == "broken"
    assert not told[-1]["again"]  # it has no pixels the next time either
    viewer._receive(viewer, {"kind": "again"}, [])
    viewer._receive(viewer, {"kind": "hello"}, [])
    assert "has no pixels" in next(one for one in told[::-1] if one["kind"] == "broken")["words"]
    viewer.show(noise(2, 4, 4)).wait()
    assert told[-1]["shape"] == (1, 2, 4, 4)


def test_what_could_not_be_had_is_tried_again(demo_folder: Path) -> None:
    archive = dn.connect(demo_folder)
    scan = archive.series(Modality="CT", limit=1).iloc[0]
    server = dn.serve(demo_folder)
    remote = dn.connect(server.url)
    server.close()
    viewer = Viewer(scan, archive=remote)
    told = heard(viewer)
    with pytest.raises(RuntimeError, match="connection refused"):
        viewer.wait()
    viewer._receive(viewer, {"kind": "hello"}, [])
    assert next(one for one in told[::-1] if one["kind"] == "broken")["again"]
    remote.source = archive.source  # it is there again
    viewer._receive(viewer, {"kind": "again"}, [])
    assert viewer.wait().what.shape[-3] == scan["NumberOfSeriesRelatedInstances"]


def fetched(viewer: Viewer) -> None:
    """Until what was begun is done, but not told yet: the kernel is busy with a cell."""
    until(lambda: viewer._background._thread is None)


def test_what_comes_too_late_is_not_shown(demo_folder: Path) -> None:
    archive = dn.connect(demo_folder)
    viewer = Viewer(archive.series(Modality="CT", limit=1).iloc[0], archive=archive)
    fetched(viewer)
    viewer.clear()
    assert viewer.wait().what is None
    viewer.show(archive.series(Modality="CT", limit=1).iloc[0], archive=archive)
    fetched(viewer)
    other = noise(3, 8, 8)
    viewer.show(other)
    assert viewer.wait().what is other
    viewer.show(dn.Ref("1.2.3", "1.2.3.4"), archive=archive)
    fetched(viewer)
    viewer.show(other)
    assert viewer.wait().what is other


def test_what_is_given_up_for_another_is_not_called_cancelled(demo_folder: Path) -> None:
    archive, go = dn.connect(demo_folder), threading.Event()
    viewer = Viewer()
    viewer._background.run(lambda cancel: go.wait(60))
    viewer.show(archive.series(Modality="CT", limit=1).iloc[0], archive=archive)
    assert viewer.busy == "Fetching…"
    viewer.show(noise(3, 8, 8))
    assert viewer.busy == ""
    go.set()
    assert viewer.wait().said == ("info", "")


def test_what_was_asked_for_of_one_thing_is_not_read_of_the_next() -> None:
    viewer, go = Viewer(noise(3, 8, 8)), threading.Event()
    viewer._background.run(lambda cancel: go.wait(60))
    viewer._receive(viewer, {"kind": "want", "ticket": viewer._ticket, "frames": [0, 1]}, [])
    viewer.show(noise(3, 8, 8))
    told = heard(viewer)
    go.set()
    viewer.wait()
    assert told == []


def test_what_could_not_be_shown_is_not_said_of_the_next(demo_folder: Path) -> None:
    archive = dn.connect(demo_folder)
    viewer = Viewer(dn.Ref("1.2.3", "1.2.3.4"), archive=archive)
    told = heard(viewer)
    with pytest.raises(RuntimeError):
        viewer.wait()
    assert told[-1]["kind"] == "broken"
    viewer.show(archive.series(Modality="CT", limit=1).iloc[0], archive=archive)
    assert [one["kind"] for one in told if one["kind"] != "saying"][-1] == "nothing"
    viewer.wait()


def test_nothing_may_be_set() -> None:
    viewer = Viewer(noise(3, 8, 8))
    told = heard(viewer)
    viewer.what = None
    assert repr(viewer) == "<dicomnb Viewer: nothing yet>"
    assert told[-1]["kind"] == "nothing"


def test_a_window_of_the_image_goes_before_a_preset_of_its_name() -> None:
    own = (Window(40, 400, "MEDIASTINUM"), Window(1, 2, ""))
    shown = Viewer(Volume(noise(3, 8, 8), modality="CT", windows=own), window="mediastinum")
    assert shown.window == (40, 400)
    shown.window = "bone"
    shown.window = "Mediastinum"
    assert shown.window == (40, 400)


def test_captures_in_colour_are_a_pile(tmp_path: Path) -> None:
    names = ["SC_rgb.dcm", "SC_rgb_2frame.dcm", "SC_rgb_rle_2frame.dcm"]
    pictures = []
    for number, name in enumerate(names, 1):
        dataset = dcmread(real_file(name))
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3", "1.2.3.4"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.4.{number}"
        dataset.InstanceNumber = number
        dataset.save_as(tmp_path / f"{number}.dcm")
        pictures += list(archive_frames(dataset))
    archive = dn.connect(tmp_path)
    viewer = Viewer(archive.series().iloc[0], archive=archive).wait()
    alike = [one for one in pictures if one.shape == pictures[1].shape]
    assert viewer._shown is not None
    assert viewer._shown.shape == (1, len(alike), *alike[0].shape[:2])
    for place, picture in enumerate(alike):
        assert (viewer._shown.frame(0, place) == picture).all()
    assert (len(alike) < len(pictures)) == bool(viewer._shown.notes)


def archive_frames(dataset: Dataset) -> list[np.ndarray[Any, Any]]:
    array = dataset.pixel_array
    return list(array) if array.ndim == 4 else [array]


def test_the_file_says_what_its_values_are() -> None:
    enhanced = Viewer(dcmread(real_file("eCT_Supplemental.dcm")))._shown
    segments = Viewer(dcmread(real_file("liver.dcm")))._shown
    grid = dcmread(real_file("rtdose.dcm"))
    dose = Viewer(grid)._shown
    plain = Viewer(dcmread(real_file("emri_small.dcm")))._shown
    assert enhanced is not None
    assert segments is not None
    assert dose is not None
    assert plain is not None
    # RescaleType of this one is US, unspecified.
    assert (enhanced.units, dose.units) == ("", "relative")
    assert enhanced.spacing == pytest.approx((0.388672, 0.388672), rel=1e-4)
    assert len(enhanced.affines) == 2
    assert len(segments.affines) == 3
    assert segments.spacing is not None
    assert len(dose.affines) == 15
    rise = [affine[2, 3] for affine in dose.affines if affine is not None]
    assert np.diff(rise).tolist() == np.diff(grid.GridFrameOffsetVector).tolist()
    assert (plain.affines, plain.spacing) == ((), None)


def test_units_of_an_enhanced_image_are_those_of_its_groups(demo_folder: Path) -> None:
    archive = dn.connect(demo_folder)
    scan = archive.series(SeriesDescription="Thorax enhanced").iloc[0]
    dataset = archive.dataset(archive.instances(scan).iloc[0])
    shown, volume = Viewer(dataset)._shown, archive.volume(scan)
    assert shown is not None
    assert shown.units == volume.units == "HU"
    assert shown.spacing == pytest.approx(volume.spacing[1:])
    assert (shown.frame(0, 20) == dataset.pixel_array[20] - 1024.0).all()


def test_damaged_functional_groups_cost_the_places_only() -> None:
    dataset = dcmread(real_file("eCT_Supplemental.dcm"))
    del dataset.PerFrameFunctionalGroupsSequence[1]
    shown = Viewer(dataset)._shown
    assert shown is not None
    assert shown.affines == ()
    assert "2 frames, but functional groups for 1" in shown.notes[0]
    assert shown.frame(0, 0).size > 0


def test_times_have_names(demo_folder: Path) -> None:
    archive = dn.connect(demo_folder)
    scan = archive.series(SeriesDescription="Perfusion DSC").iloc[0]
    shown = Viewer(scan, archive=archive).wait()._shown
    assert shown is not None
    assert shown.times[:2] == ("TriggerTime 0 ms", "TriggerTime 1500 ms")


def test_another_thing_may_be_set_and_is_told_of() -> None:
    viewer = Viewer()
    assert repr(viewer) == "<dicomnb Viewer: nothing yet>"
    seen: list[Any] = []
    viewer.observe(lambda change: seen.append(change["new"]), names="what")
    first, second = noise(3, 8, 8), Volume(noise(5, 9, 9))
    viewer.show(first)
    viewer.what = second
    assert seen[0] is first
    assert seen[1] is second
    assert (viewer.slice, repr(viewer)) == (2, "<dicomnb Viewer: 5 × 9 × 9>")
    with pytest.raises(TypeError, match="cannot be viewed"):
        viewer.show(np.zeros(3))
    assert viewer._shown is not None
    assert viewer._shown.what is second


def test_only_the_last_thing_asked_for_is_shown(demo_folder: Path) -> None:
    archive = dn.connect(demo_folder)
    rows = archive.series(Modality="CT")
    viewer = Viewer()
    for number in range(3):
        viewer.show(rows.iloc[number], archive=archive)
    viewer.wait()
    want = archive.volume(rows.iloc[2], lazy=True, strict=False)
    assert list(viewer.what.slices["SOPInstanceUID"]) == list(want.slices["SOPInstanceUID"])


def test_overlays_on_another_grid_are_refused() -> None:
    shown = Volume(noise(3, 8, 8), affine=np.diag([3.0, 1, 1, 1])[[2, 1, 0, 3]])
    with pytest.raises(ValueError, match="Resample"):
        Viewer(shown, overlay=np.zeros((3, 8, 9), dtype=bool))
    moved = np.array(shown.affine)
    moved[0, 3] = 5
    elsewhere = Volume(np.zeros((3, 8, 8), dtype=np.uint8), affine=moved)
    with pytest.raises(GeometryError, match="another grid"):
        Viewer(shown, overlay=elsewhere)
    with pytest.raises(ValueError, match="255"):
        Viewer(shown, overlay=np.full((3, 8, 8), 300))


def test_a_dose_is_faint_where_it_is_low() -> None:
    from dicomnb.widgets.overlays import overlays_of
    from dicomnb.widgets.showing import shown_of

    dose = np.linspace(0, 60, 3 * 64).reshape(3, 8, 8)
    (found,) = overlays_of({"dose": dose}, shown_of(noise(3, 8, 8)))
    assert (found.indices[0][dose <= 3] == 0).all()
    assert found.indices.max() == 255
    assert (np.diff(found.indices.ravel().astype(int)) >= 0).all()


def test_frames_are_read_in_order_and_stop_on_close() -> None:
    viewer = Viewer(noise(4, 8, 8))
    sent: list[dict[str, Any]] = []
    viewer.send = lambda message, buffers=None: sent.append(message)
    viewer._receive(viewer, {"kind": "want", "frames": [2, 99, -1], "ticket": viewer._ticket}, [])
    viewer._receive(viewer, {"kind": "want", "frames": [1], "ticket": viewer._ticket - 1}, [])
    viewer._background.wait()
    assert [one["frames"] for one in sent] == [[2]]
    viewer.close()
    viewer._receive(viewer, {"kind": "want", "frames": [0], "ticket": viewer._ticket}, [])
    assert len(sent) == 1


def test_no_thread_stays_when_there_is_nothing_to_do() -> None:
    viewer = Viewer(noise(4, 8, 8))
    viewer._receive(viewer, {"kind": "want", "frames": [0], "ticket": viewer._ticket}, [])
    viewer._background.wait()
    until(lambda: not [one for one in threading.enumerate() if one.name == "dicomnb-Viewer"])


def test_background_tells_of_every_error() -> None:
    told: list[BaseException] = []
    background = Background("dicomnb-test", told.append)

    def fails(_: Any) -> None:
        raise KeyError("lost")

    background.run(fails)
    background.wait()
    assert [type(one) for one in told] == [KeyError]
    background.stop()


def test_every_module_is_taken_once_and_stands_by_itself() -> None:
    texts = {file.stem: file.read_text(encoding="utf-8") for file in STATIC.glob("*.js")}
    wholes = [module(name) for name, text in texts.items() if "\nexport default " in text]
    for joined in wholes:
        assert not re.search("^import ", joined, re.MULTILINE)
        assert len(re.findall("^export ", joined, re.MULTILINE)) == 1
    for name, text in texts.items():
        assert all(joined.count(text.splitlines()[0]) <= 1 for joined in wholes), name


# -- what a notebook keeps ---------------------------------------------------------------------


CELL = """
import dicomnb as dn
archive = dn.connect({folder!r})
scan = archive.series(Modality="CT").iloc[0]
viewer = dn.widgets.Viewer(scan, archive=archive, keep={keep}).wait()
viewer.slice = 7
viewer.measurements = [dict(kind="rectangle", points=[[2, 2], [9, 9]])]
viewer
"""


@pytest.fixture(params=[False, True])
def saved(request: pytest.FixtureRequest, demo_folder: Path) -> tuple[bool, str]:
    """The text of a notebook with a viewer, run and saved with the state of its widgets."""
    cell = nbformat.v4.new_code_cell(CELL.format(folder=str(demo_folder), keep=request.param))
    notebook = nbformat.v4.new_notebook(cells=[cell])
    NotebookClient(notebook, store_widget_state=True, timeout=120).execute()
    notebook.cells[0].source = ""
    return request.param, nbformat.writes(notebook)


def test_a_saved_notebook_holds_nothing_of_a_patient(
    saved: tuple[bool, str], demo_folder: Path
) -> None:
    keep, text = saved
    archive = dn.connect(demo_folder)
    scan = archive.series(Modality="CT").iloc[0]
    state = json.loads(text)["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]
    assert "_esm" in json.dumps(state)
    for name in ("PatientName", "PatientID", "StudyInstanceUID", "SeriesInstanceUID"):
        assert str(scan[name]) not in text, name
    assert str(archive.metadata(scan)["SeriesDescription"].iloc[0]) not in text
    frame = archive.volume(scan, strict=False)[7]
    for row in frame[::16]:
        assert base64.b64encode(row.tobytes()).decode()[:64] not in text
    assert ("data:image/png" in text) == keep
    assert all(not model.get("buffers") for model in state["state"].values())


def test_what_is_kept_is_the_slice_in_view(demo_folder: Path) -> None:
    archive = dn.connect(demo_folder)
    volume = archive.volume(archive.series(Modality="CT").iloc[0], strict=False)
    viewer = Viewer(volume, window="bone", keep=True)
    viewer.slice = 3
    picture = base64.b64decode(viewer.kept.partition(",")[2])
    got = np.asarray(Image.open(io.BytesIO(picture)))
    assert (got == window(volume[3], 400, 1800)).all()
    bundle = viewer._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert data["text/html"].startswith('<img src="data:image/png;base64,')
    assert data["text/plain"].startswith("<dicomnb Viewer")


def test_colours_are_kept_as_they_are_in_view() -> None:
    colours = RNG.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    viewer = Viewer(colours, keep=True)
    for is_inverted, want in ((False, colours), (True, 255 - colours)):
        viewer.inverted = is_inverted
        picture = base64.b64decode(viewer.kept.partition(",")[2])
        assert (np.asarray(Image.open(io.BytesIO(picture))) == want).all()
