"""Planes, overlays, comparisons, timelines, films: against arrays that are worked out apart."""

from __future__ import annotations

import base64
import io
import json
import re

import matplotlib as mpl
import numpy as np
import pandas as pd
import pydicom
import pytest
from matplotlib.figure import Figure
from PIL import Image
from pydicom.data import get_testdata_file

from dicomnb import plots
from dicomnb.errors import GeometryError, LimitExceeded
from dicomnb.images.windows import Window, window
from dicomnb.plots.drawing import name_sides
from dicomnb.volumes.volume import Volume
from tests.images.image_series import instance
from tests.images.test_over_the_image import softcopy, state_of

mpl.use("Agg")

import matplotlib.pyplot as plt

# Axial, from feet to head: x grows with the column, y with the row, z with the slice.
AFFINE = np.array([[0, 0, 0.8, -20], [0, 0.8, 0, -30], [3.0, 0, 0, 100], [0, 0, 0, 1]], float)
RNG = np.random.default_rng(2)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def volume(shape=(12, 40, 50), **more):
    values = RNG.integers(-1000, 1000, shape).astype(np.int16)
    facts = {
        "affine": AFFINE,
        "units": "HU",
        "modality": "CT",
        "title": "Phantom",
        "windows": (Window(40, 400),),
        "frame_of_reference": "1.2.3",
    }
    return Volume(values, **{**facts, **more})


def read(name):
    return pydicom.dcmread(get_testdata_file(name, download=False))


def words(ax):
    return [text.get_text() for text in ax.texts]


def title(ax):
    return ax.get_title(loc="left")


# --- scale and colour bars --------------------------------------------------------------------


def bars(ax):
    return [line for line in ax.lines if line.get_gid() == "scale bar"]


@pytest.mark.parametrize(("spacing", "told"), [(0.8, "10 mm"), (8.0, "10 cm"), (0.02, "0.2 mm")])
def test_the_scale_bar_is_as_long_as_it_says(spacing, told):
    affine = np.diag([3.0, spacing, spacing, 1.0])[[2, 1, 0, 3]]
    ax = plots.show(volume(affine=affine))
    (bar,) = bars(ax)
    left, right = bar.get_xdata()
    number, unit = told.split()
    length = float(number) * (10 if unit == "cm" else 1)
    assert (right - left) * spacing == pytest.approx(length)
    assert told in words(ax)
    assert right - left <= 0.3 * 50 + 1e-9


def test_no_scale_without_a_spacing():
    assert bars(plots.show(np.eye(9))) == []
    assert bars(plots.show(volume(affine=None))) == []
    ds = read("RG3_UNCR.dcm")
    assert "PixelSpacing" not in ds
    ds.ImagerPixelSpacing = [0.2, 0.2]
    assert any(word.endswith("at the detector") for word in words(plots.show(ds)))


def test_a_colour_bar_says_which_values_the_greys_are():
    ax = plots.show(volume(), window=(50, 401), colorbar=True)
    (bar,) = ax.child_axes
    assert bar.get_title(loc="left") == "HU"
    assert bar.get_ylim() == pytest.approx((-150.5, 249.5))  # LINEAR: see the standard
    assert Window(50, 400, "", "LINEAR_EXACT").ends == (-150, 250)
    low = volume(photometric="MONOCHROME1")
    (bar,) = plots.montage(low, colorbar=True).child_axes
    image = bar.images[0] if bar.images else bar.collections[-1]
    assert image.get_cmap().name == "gray_r"
    sigmoid = plots.show(volume(), window=(50, 400, "SIGMOID"), colorbar=True)
    assert sigmoid.child_axes == []
    palette = plots.show(read("eCT_Supplemental.dcm"), colorbar=True)
    assert palette.child_axes == []
    assert "supplemental palette" in title(palette)


# --- planes -----------------------------------------------------------------------------------


def test_planes_show_each_side_where_radiologists_look_for_it():
    one = volume()
    axes = plots.planes(one, at=one.position(7, 11, 13))
    expected = {
        "axial": one.array[7],  # rows to the back, columns to the left
        "coronal": one.array[::-1, 11],  # head at the top
        "sagittal": one.array[::-1, :, 13],  # front at the left
    }
    letters = {"axial": "ALPR", "coronal": "SLIR", "sagittal": "SPIA"}
    for ax, name in zip(axes, expected, strict=True):
        shown = np.asarray(ax.images[0].get_array())
        np.testing.assert_array_equal(shown, window(expected[name], 40, 400))
        assert "".join(word for word in words(ax) if len(word) == 1) == letters[name]
        assert name in title(ax)
        assert ax.get_aspect() == 1.0
    assert "z = 121.0 mm" in title(axes[0])
    assert "y = −21.2 mm" in title(axes[1])
    assert "C 40  W 400 HU" in title(axes[0])


@pytest.mark.parametrize("flip", [1, -1])
def test_the_crosshair_is_at_the_point(flip):
    affine = AFFINE.copy()
    affine[:, 2] *= flip
    one = volume(affine=affine)
    axes = plots.planes(one, at=one.position(3, 30, 8))
    column = 8 if flip == 1 else 50 - 1 - 8
    for ax, x, y in (
        (axes[0], column * 0.8, 30 * 0.8),
        (axes[1], column * 0.8, (12 - 1 - 3) * 3.0),
        (axes[2], 30 * 0.8, (12 - 1 - 3) * 3.0),
    ):
        lines = [line for line in ax.lines if line.get_gid() is None]
        across = {tuple(line.get_ydata()) for line in lines if len(set(line.get_ydata())) == 1}
        along = {tuple(line.get_xdata()) for line in lines if len(set(line.get_xdata())) == 1}
        assert all(value == pytest.approx(y) for pair in across for value in pair)
        assert all(value == pytest.approx(x) for pair in along for value in pair)
        assert across
        assert along
    bare = plots.planes(one, crosshair=False)
    assert all(line.get_gid() for ax in bare for line in ax.lines)


def test_planes_have_one_scale():
    axes = plots.planes(volume())
    figure = axes[0].figure
    figure.canvas.draw()
    scales = [ax.transData.transform([(0, 0), (1, 1)]) for ax in axes]
    lengths = [abs(float(b[0] - a[0])) for a, b in scales]
    assert lengths == pytest.approx([lengths[0]] * 3, rel=0.02)


def test_planes_that_cannot_be():
    with pytest.raises(TypeError, match="needs a Volume"):
        plots.planes(np.zeros((3, 3, 3)))
    with pytest.raises(GeometryError):
        plots.planes(volume(affine=None))
    with pytest.raises(ValueError, match="outside the volume, whose middle"):
        plots.planes(volume(), at=(0, 0, 0))
    with pytest.raises(ValueError, match="is a point"):
        plots.planes(volume(), at=(0, 0))
    with pytest.raises(ValueError, match="three axes"):
        plots.planes(volume(), ax=Figure().subplots(1, 2))
    given = Figure().subplots(1, 3)
    assert list(plots.planes(volume(), ax=given)) == list(given)


# --- overlay ----------------------------------------------------------------------------------


def painted(ax, number=1):
    """The layer over the image: (rows, columns, 4) from 0 to 1."""
    return np.asarray(ax.images[number].make_image(None, unsampled=True)[0]) / 255


def test_a_mask_is_filled_and_outlined():
    one = volume()
    mask = one.array > 500
    ax = plots.overlay(one, mask, index=4, alpha=0.5)
    layer = painted(ax)
    np.testing.assert_array_equal(layer[..., 3] > 0, mask[4])
    assert layer[..., 3].max() == pytest.approx(0.5, abs=0.01)
    lonely = np.zeros((40, 50), bool)
    lonely[10, 20] = True
    ax = plots.overlay(one, lonely, style="outline")
    assert len(ax.images) == 1
    (edges,) = ax.collections
    assert {tuple(map(tuple, line)) for line in edges.get_segments()} == {
        ((19.5, 9.5), (20.5, 9.5)),
        ((19.5, 10.5), (20.5, 10.5)),
        ((19.5, 9.5), (19.5, 10.5)),
        ((20.5, 9.5), (20.5, 10.5)),
    }
    assert ax.get_xlim() == (-0.5, 49.5)


def test_named_masks_and_labels_have_a_legend():
    one = volume()
    masks = {"bone": one.array > 500, "nothing": one.array > 5000}
    ax = plots.overlay(one, masks)
    told = [text.get_text() for text in ax.get_legend().get_texts()]
    assert told == ["bone", "nothing (not here)"]
    labels = np.zeros(one.shape, np.uint8)
    labels[:, :5], labels[:, 10:20] = 1, 7
    ax = plots.overlay(one, labels)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["1", "7"]
    np.testing.assert_array_equal(painted(ax, 2)[..., 3] > 0, labels[6] == 7)
    many = np.arange(40 * 50).reshape(40, 50) % 20
    ax = plots.overlay(one, many)
    assert ax.get_legend().get_texts()[-1].get_text() == "and 7 more"


def test_a_dose_on_another_grid_is_read_where_the_image_is():
    one = volume()
    coarse = np.array([[0, 0, 4, -20], [0, 4, 0, -30], [6.0, 0, 0, 97], [0, 0, 0, 1]], float)
    shape = (8, 9, 11)
    index = np.moveaxis(np.indices(shape), 0, -1)
    places = index @ coarse[:3, :3].T + coarse[:3, 3]
    values = 40 + 0.5 * places[..., 0] + 0.25 * places[..., 1] + 0.1 * places[..., 2]
    dose = Volume(values, affine=coarse, units="GY", modality="RTDOSE", frame_of_reference="1.2.3")
    ax = plots.overlay(one, dose, index=5, range=(40, 70), alpha=1)
    shown = np.asarray(ax.images[1].get_array())
    rows, columns = np.indices((40, 50))
    x, y, z = columns * 0.8 - 20, rows * 0.8 - 30, 100 + 5 * 3.0
    np.testing.assert_allclose(shown, 40 + 0.5 * x + 0.25 * y + 0.1 * z, atol=1e-6)
    alpha = ax.images[1].get_alpha()
    assert (alpha[shown <= 40] == 0).all()
    (bar,) = ax.child_axes
    assert bar.get_title(loc="left") == "RTDOSE · GY"
    assert bar.get_ylim() == (40, 70)
    labels = Volume((values > 60).astype(np.uint8), affine=coarse, frame_of_reference="1.2.3")
    ax = plots.overlay(one, labels, index=5)
    nearest = np.rint([(z - 97) / 6]).astype(int)[0]
    wanted = labels.array[nearest][
        np.rint(rows * 0.2).astype(int), np.rint(columns * 0.2).astype(int)
    ]
    ties = (rows * 0.2 % 1 == 0.5) | (columns * 0.2 % 1 == 0.5)
    same = (painted(ax)[..., 3] > 0) == (wanted > 0)
    assert same[~ties].all()


def test_contours_lie_on_their_slice():
    one = volume()
    ring = [(10, 20), (10, 30), (20, 30)]  # rows and columns
    in_mm = [tuple(one.position(5, row, column)) for row, column in ring]
    between = [tuple(one.position(5.4, row, column)) for row, column in ring]
    structures = {"lung": [in_mm], "nodule": [between], "box": [np.array(ring)], "none": [in_mm]}
    structures["none"] = [[tuple(one.position(9, row, column)) for row, column in ring]]
    ax = plots.overlay(one, structures, index=5)
    told = [text.get_text() for text in ax.get_legend().get_texts()]
    assert told == ["lung", "nodule", "box", "none (not here)"]
    for lines in ax.collections[:3]:
        (segment,) = lines.get_segments()
        np.testing.assert_allclose(segment, [(20, 10), (30, 10), (30, 20), (20, 10)], atol=1e-9)
    assert len(ax.images) == 1  # lines only
    plain = plots.overlay(np.zeros((40, 50)), [np.array(ring)])
    assert plain.get_legend() is None
    with pytest.raises(TypeError, match="rows and columns"):
        plots.overlay(np.zeros((40, 50)), [in_mm])
    with pytest.raises(ValueError, match="not contours"):
        plots.overlay(one, [in_mm], style="heat")


def test_overlays_that_cannot_be():
    one = volume()
    for layer, options, error, told in (
        (np.zeros((3, 3), bool), {}, ValueError, "is \\(3, 3\\) where"),
        (np.zeros((3, 40, 50), bool), {}, ValueError, "3 slices where there are 12"),
        ([1, 2], {}, TypeError, "list is no layer"),
        (one.array > 0, {"style": "dots"}, ValueError, "'dots'"),
        (one.array > 0, {"alpha": 2}, ValueError, "alpha=2"),
        (one.array * 1.0, {"range": (5, 1)}, ValueError, "lower one first"),
        (one.array * 1.5, {"style": "fill"}, TypeError, "whole numbers"),
        ({"a": one.array, "b": one.array}, {"style": "heat"}, ValueError, "of values, not 2 of"),
        (volume(frame_of_reference="9.9"), {}, GeometryError, "different frames of reference"),
    ):
        with pytest.raises(error, match=told):
            plots.overlay(one, layer, **options)
    ds = read("CT_small.dcm")
    ax = plots.overlay(ds, ds.pixel_array > 1000, ax=Figure().subplots())
    np.testing.assert_array_equal(painted(ax)[..., 3] > 0, ds.pixel_array > 1000)


# --- compare ----------------------------------------------------------------------------------


def test_compare_links_the_window_and_the_place():
    one = volume(windows=(Window(40, 400), Window(0, 50, "NARROW")))
    higher = AFFINE.copy()
    higher[2, 3] += 9  # three slices further up
    two = volume(affine=higher, windows=(Window(-600, 1500),))
    axes = plots.compare(one, two, index=5, titles=("before", "after"))
    for ax, expected in zip(axes, (one.array[5], two.array[2]), strict=True):
        np.testing.assert_array_equal(
            np.asarray(ax.images[0].get_array()), window(expected, 40, 400)
        )
    assert [title(ax).split("\n")[0] for ax in axes] == ["before", "after"]
    axes[0].set_xlim(10, 20)
    assert axes[1].get_xlim() == (10, 20)
    elsewhere = volume(frame_of_reference="7.7")
    axes = plots.compare(one, elsewhere, index=5, window="narrow")
    np.testing.assert_array_equal(
        np.asarray(axes[1].images[0].get_array()), window(elsewhere.array[5], 0, 50)
    )


def test_auto_is_one_window_for_both():
    left, right = np.arange(100.0).reshape(10, 10), np.full((10, 10), 50.0)
    for asked in (None, "auto", "full"):
        axes = plots.compare(left, right, window=asked)
        greys = [np.asarray(ax.images[0].get_array()) for ax in axes]
        assert set(np.unique(greys[1])) == {greys[0][5, 0]}


def test_comparisons_that_cannot_be():
    with pytest.raises(ValueError, match="in HU, the right in Bq/ml"):
        plots.compare(volume(), volume(units="BQML", modality="PT"))
    rgb = np.zeros((40, 50, 3), np.uint8)
    with pytest.raises(ValueError, match="grey and the other in colour"):
        plots.compare(np.zeros((40, 50)), rgb)
    with pytest.raises(ValueError, match="two axes"):
        plots.compare(volume(), volume(), ax=Figure().subplots(1, 3))
    given = Figure().subplots(1, 2)
    assert list(plots.compare(volume(), volume(), ax=given)) == list(given)


# --- timeline ---------------------------------------------------------------------------------


def studies(**more):
    table = {
        "PatientID": ["B", "A", "A", "A", None],
        "StudyDate": pd.to_datetime(
            pd.Series(["2023-05-01", "2022-01-01", "2024-02-29", None, "2023-01-01"])
        ),
        "StudyTime": pd.to_timedelta(["01:00:00", "12:00:00", None, None, "00:00:00"]),
        "StudyDescription": ["Head", "Chest", "Chest again", "Lost", ""],
        "ModalitiesInStudy": [("MR",), ("CT", "SR"), ("CT", "PT"), ("CR",), ("SR",)],
        **more,
    }
    return pd.DataFrame(table)


def test_a_timeline_has_a_row_for_each_patient():
    ax = plots.timeline(studies())
    assert [label.get_text() for label in ax.get_yticklabels()] == ["A", "(none)", "B"]
    assert title(ax) == "5 studies, 3 patients; 1 without a usable date"
    found = {
        marks.get_label(): [tuple(point) for point in marks.get_offsets().tolist()]
        for marks in ax.collections
    }
    day = mpl.dates.date2num
    assert found["CT"] == [(day(np.datetime64("2022-01-01T12:00")), 0)]
    assert found["CT+PT"] == [(day(np.datetime64("2024-02-29")), 0)]
    assert found["SR"] == [(day(np.datetime64("2023-01-01")), 1)]
    assert found["MR"] == [(day(np.datetime64("2023-05-01T01:00")), 2)]
    assert {text.get_text() for text in ax.get_legend().get_texts()} == set(found)
    top, bottom = ax.get_ylim()
    assert top > bottom  # the first patient stands at the top


def test_one_patients_studies_are_named():
    table = studies()
    ax = plots.timeline(table[table["PatientID"] == "A"], title="A's year")
    assert words(ax) == ["Chest\n2022-01-01", "Chest again\n2024-02-29"]
    assert title(ax) == "A's year"
    plain = plots.timeline(table[table["PatientID"] == "A"], label=None)
    assert words(plain) == []
    series = pd.DataFrame({"PatientID": ["A"], "SeriesDate": ["2020-02-02"], "Modality": ["US"]})
    ax = plots.timeline(series, ax=Figure().subplots())
    assert ax.get_legend().get_texts()[0].get_text() == "US"


def test_a_date_that_cannot_be_is_not_drawn():
    dates = pd.Series(np.array(["0001-01-01", "2020-01-01"] + ["2021-01-01"] * 3, "M8[s]"))
    ax = plots.timeline(studies(StudyDate=dates))
    assert "1 without a usable date" in title(ax)
    assert ax.get_xlim()[0] > mpl.dates.date2num(np.datetime64("2019-01-01"))


def test_timelines_that_cannot_be():
    table = studies()
    with pytest.raises(ValueError, match="no column StudyDate"):
        plots.timeline(table.drop(columns="StudyDate"))
    with pytest.raises(ValueError, match="no column Ward"):
        plots.timeline(table, by="Ward")
    with pytest.raises(ValueError, match="None of the 0 rows"):
        plots.timeline(table.iloc[:0])
    many = pd.DataFrame({"PatientID": map(str, range(50)), "StudyDate": ["2020-01-01"] * 50})
    with pytest.raises(ValueError, match="50 values"):
        plots.timeline(many)


# --- animate ----------------------------------------------------------------------------------


def facts_of(cine):
    found = re.search(r'<script type="application/json">(.*?)</script>', cine.html, re.DOTALL)
    return json.loads(found[1])


def test_a_film_respects_the_times_of_its_frames():
    ds = read("examples_ybr_color.dcm")
    cine = plots.animate(ds)
    facts = facts_of(cine)
    assert len(facts["frames"]) == len(cine) == int(ds.NumberOfFrames)
    assert facts["times"] == pytest.approx([float(ds.FrameTime)] * 30, abs=1e-3)
    assert facts["names"][:2] == ["frame 1", "frame 2"]
    from dicomnb.images.display import display

    picture = Image.open(io.BytesIO(base64.b64decode(facts["frames"][4])))
    assert np.abs(np.asarray(picture).astype(int) - display(ds, frame=5)).mean() < 3
    assert cine._repr_html_() == cine.html
    assert 'src="http' not in cine.html
    assert "30 frames in 1 s" in repr(cine)


def test_times_of_a_film():
    ds = read("emri_small.dcm")
    ds.FrameTimeVector = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]
    assert facts_of(plots.animate(ds))["times"] == [10, 20, 30, 40, 50, 60, 70, 80, 90, 90]
    assert facts_of(plots.animate(ds, step=4))["times"] == [100, 260, 180]
    assert facts_of(plots.animate(ds, fps=50, step=5))["times"] == [20, 20]
    del ds.FrameTimeVector
    ds.CineRate = 8
    assert set(facts_of(plots.animate(ds))["times"]) == {125}
    assert set(facts_of(plots.animate(volume()))["times"]) == {100}


def test_a_film_has_the_shape_of_the_patient(tmp_path):
    tall = AFFINE.copy()
    tall[1, 1] = 1.6
    cine = plots.animate(volume(affine=tall), window="lung", title="</script><b>")
    assert cine.size == (100, 160)
    assert cine.letters == ("A", "L", "P", "R")
    assert cine.names[0] == "slice 0"
    path = cine.save(tmp_path / "film.html")
    page = path.read_text("utf-8")
    assert page.startswith("<!doctype html>")
    assert "</script><b>" not in page.replace("&lt;/script&gt;&lt;b&gt;", "")
    assert "lung C −600  W 1500 HU" in page
    assert plots.animate(volume(), width=300).size == (300, 240)


def test_films_that_cannot_be(monkeypatch):
    from dicomnb.plots import cine

    with pytest.raises(ValueError, match="does not move"):
        plots.animate(read("CT_small.dcm"))
    for options in ({"fps": 0}, {"step": 0}, {"width": 3}, {"quality": 0}):
        with pytest.raises(ValueError, match=next(iter(options))):
            plots.animate(volume(), **options)
    monkeypatch.setattr(cine, "_MOST_BYTES", 2000)
    with pytest.raises(LimitExceeded, match="larger step="):
        plots.animate(volume())


# --- all --------------------------------------------------------------------------------------


def test_nothing_of_pyplot_is_changed_by_axes_given(monkeypatch):
    monkeypatch.setattr(plt, "subplots", lambda *a, **k: pytest.fail("pyplot was used"))
    before = dict(mpl.rcParams)
    figure = Figure()
    one = volume()
    plots.planes(one, ax=figure.subplots(1, 3), colorbar=True)
    plots.overlay(one, one.array * 1.0, ax=figure.subplots())
    plots.compare(one, one, ax=figure.subplots(1, 2))
    plots.timeline(studies(), ax=figure.subplots())
    plots.animate(one)
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_figures_can_be_printed(kind):
    one = volume()
    for style in ("default", "dark_background"):
        with plt.style.context(style):
            for ax in (
                plots.planes(one, colorbar=True)[0],
                plots.overlay(one, {"bone": one.array > 500}),
                plots.compare(one, one)[0],
                plots.timeline(studies()),
            ):
                file = io.BytesIO()
                ax.figure.savefig(file, format=kind)
                assert len(file.getvalue()) > 5000


class Fetched:
    """Slices that are fetched when they are indexed, and nothing else of an array."""

    def __init__(self, array):
        self._array, self.asked = array, set()
        self.shape, self.ndim, self.dtype = array.shape, array.ndim, array.dtype

    def __len__(self):
        return len(self._array)

    def __getitem__(self, place):
        self.asked.add(place)
        return self._array[place]


def test_a_lazy_volume_is_not_loaded_to_be_shown():
    whole = volume((40, 8, 9), windows=())
    lazy = Volume(Fetched(whole.array), affine=AFFINE, units="HU", modality="CT")
    ax = plots.show(lazy, index=3)
    assert len(lazy.array.asked) <= 10
    some = whole.array[np.linspace(0, 39, 9).round().astype(int)]
    low, high = np.percentile(some, (1, 99))
    np.testing.assert_array_equal(
        np.asarray(ax.images[0].get_array()),
        window(whole.array[3], (low + high) / 2, high - low, function="LINEAR_EXACT"),
    )
    lazy.array.asked.clear()
    plots.montage(lazy, window="bone", count=4)
    assert lazy.array.asked == {0, 13, 26, 39}


def test_a_stack_of_stacks_has_to_be_chosen_from():
    from dicomnb.volumes.axis import Axis

    four = Volume(
        np.zeros((2, 3, 4, 5), np.int16), affine=AFFINE, axis=Axis("EchoTime", np.array([5.0, 9.0]))
    )
    for draw in (plots.show, plots.montage, plots.planes, plots.histogram):
        with pytest.raises(TypeError, match=r"volume\.at\(0\)"):
            draw(four)
    assert plots.show(four.at(1)).images


# --- what lies over an image, and how somebody left it ----------------------------------------


@pytest.mark.parametrize("dpi", [60, 72, 80, 100, 144])
def test_an_l_never_reads_as_an_i(dpi):
    """The left of the patient must not become the feet: at the resolutions of notebooks."""
    for width in np.linspace(2.5, 4.5, 9):
        figure = Figure(figsize=(width, 2.5), dpi=dpi)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.imshow(np.zeros((50, 50, 3), np.uint8), aspect="auto")
        name_sides(axes, ("", "L", "", ""))
        file = io.BytesIO()
        figure.savefig(file)
        grey = np.asarray(Image.open(file).convert("L"), float)
        rows = np.flatnonzero(grey.max(axis=1) > 60)
        light = grey[rows[0] : rows[-1] + 1]
        foot, stem = light[-3:].sum(axis=1).max(), np.median(light.sum(axis=1))
        assert foot > 1.5 * stem, (dpi, width)


def test_overlay_planes_are_shown_when_asked_for():
    ds = read("MR-SIEMENS-DICOM-WithOverlays.dcm")
    plain = np.asarray(plots.show(ds).images[0].get_array())
    over = np.asarray(plots.show(ds, overlays=True).images[0].get_array())
    plane = ds.overlay_array(0x6000) > 0
    assert plane.any()
    assert (over[plane] == 255).all()
    np.testing.assert_array_equal(over[~plane], plain[~plane])
    with pytest.raises(TypeError, match="for a data set"):
        plots.show(volume(), overlays=True)


@pytest.mark.parametrize("turn", [(90, "N"), (270, "Y"), (180, "N"), (0, "Y")])
def test_a_state_turns_the_picture_and_its_letters(turn):
    stored = np.zeros((20, 30), np.uint16)
    stored[2:5, 12:18] = 4000  # at the front
    stored[8:12, 25:28] = 2000  # at the left
    ds = instance(stored, intercept=0, spacing=(0.5, 1.0))
    state = state_of(ds, SoftcopyVOILUTSequence=[softcopy(1500, 3000)])
    state.ImageRotation, state.ImageHorizontalFlip = turn
    ax = plots.show(ds, state=state)
    shown = np.asarray(ax.images[0].get_array())
    top, right, bottom, left = words(ax)[:4]
    edges = {"top": shown[:6], "bottom": shown[-6:], "left": shown[:, :6], "right": shown[:, -6:]}
    letters = {"top": top, "bottom": bottom, "left": left, "right": right}
    for side, part in edges.items():
        assert (letters[side] == "A") == bool((part == 255).any()), side
        assert (letters[side] == "L") == bool(((part > 100) & (part < 255)).any()), side
    assert ax.get_aspect() == (2.0 if turn[0] % 180 else 0.5)
    assert "C 1500  W 3000" in title(ax)
    with pytest.raises(ValueError, match="does not refer"):
        plots.show(instance(stored, number=2), state=state)


def test_a_dose_that_is_elsewhere_says_so():
    image = volume()
    dose = np.zeros(image.shape, np.float32)
    dose[2, 10:20, 10:20] = 30
    dose = Volume(dose, affine=AFFINE, units="Gy", modality="RTDOSE", frame_of_reference="1.2.3")
    label = {at: plots.overlay(image, dose, index=at).child_axes[0].get_title(loc="left")
             for at in (2, 7)}  # fmt: skip
    assert label == {2: "RTDOSE · Gy", 7: "RTDOSE · Gy\n(not here)"}


def test_what_stands_beside_an_image_has_room():
    image = volume()
    mask = np.zeros(image.shape, bool)
    mask[6, :5, :5] = True
    names = {"Nodule 2, malignant": mask, "Nodule 5, most certainly benign": ~mask & False}
    drawn = [plots.overlay(image, names, index=6)]
    dose = Volume(mask * 2.5, affine=AFFINE, units="relative", modality="RTDOSE")
    drawn += [plots.overlay(image, dose), plots.show(image, colorbar=True)]
    for ax in drawn:
        figure = ax.get_figure()
        figure.canvas.draw()
        beside = [ax.get_legend()] if ax.get_legend() else ax.child_axes
        for one in beside:
            right = one.get_tightbbox(figure.canvas.get_renderer()).x1
            assert right <= figure.bbox.x1


def test_every_name_of_a_legend_has_a_colour_of_its_own():
    image = volume()
    masks = {f"region {at}": np.zeros(image.shape, bool) for at in range(12)}
    ax = plots.overlay(image, masks)
    drawn = {handle.get_facecolor() for handle in ax.get_legend().get_patches()}
    assert len(drawn) == 12
