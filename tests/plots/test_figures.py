"""Figures: what is drawn, with which shape, window and letters; and that pyplot stays out."""

from __future__ import annotations

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from dicomnb import plots
from dicomnb.images.display import display
from dicomnb.images.windows import Window, window
from dicomnb.volumes.volume import Volume

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

AFFINE = np.array([[0, 0, 0.6, -10], [0, 1.2, 0, -20], [2.5, 0, 0, 5], [0, 0, 0, 1]], float)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def volume(count=30, **more):
    values = np.arange(count * 40 * 50, dtype=np.int32).reshape(count, 40, 50) // 30 - 1000
    facts = {
        "affine": AFFINE,
        "units": "HU",
        "modality": "CT",
        "title": "Phantom",
        "windows": (Window(40, 400),),
    }
    return Volume(values.astype(np.int16), **{**facts, **more})


def read(name):
    return pydicom.dcmread(get_testdata_file(name, download=False))


def drawn(ax):
    return np.asarray(ax.images[0].get_array())


def words(ax):
    return [text.get_text() for text in ax.texts]


def sides(ax):
    """Letters at top, right, bottom and left."""
    return [word for word in words(ax) if len(word) == 1 and word.isalpha()]


def numbers_on(ax):
    return [word for word in words(ax) if word.isdigit()]


def title(ax):
    return ax.get_title(loc="left")


def test_show_a_volume():
    one = volume()
    ax = plots.show(one)
    np.testing.assert_array_equal(drawn(ax), window(one.array[15], 40, 400))
    assert ax.get_aspect() == pytest.approx(2.0)
    assert title(ax) == "CT · Phantom\nindex 15 of 30 slices  ·  C 40  W 400 HU"
    assert sides(ax) == ["A", "L", "P", "R"]
    assert len(ax.get_xticks()) == len(ax.get_yticks()) == 0
    last = plots.show(one, index=-1, window="lung", title="Lungs")
    np.testing.assert_array_equal(drawn(last), window(one.array[29], -600, 1500))
    assert title(last) == "Lungs\nindex 29 of 30 slices  ·  lung C −600  W 1500 HU"


def test_show_draws_on_axes_given_and_leaves_pyplot_alone(monkeypatch):
    monkeypatch.setattr(plt, "subplots", lambda *a, **k: pytest.fail("pyplot was used"))
    ax = Figure().subplots()
    for what in (volume(), read("CT_small.dcm"), np.eye(4)):
        assert plots.show(what, ax=ax) is ax
    assert plots.montage(volume(), ax=ax) is ax
    assert plots.histogram(volume(), ax=ax) is ax


def test_importing_plots_loads_no_matplotlib():
    heavy = "{'matplotlib', 'imagecodecs'}"
    code = f"import sys, dicomnb.plots; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_low_values_bright():
    one = volume(photometric="MONOCHROME1")
    np.testing.assert_array_equal(drawn(plots.show(one)), 255 - window(one.array[15], 40, 400))


def test_a_volume_without_geometry():
    ax = plots.show(
        volume(affine=None, pixel_spacing=(3.0, 1.0), title="", modality="", windows=())
    )
    assert ax.get_aspect() == 3.0
    assert sides(ax) == []
    assert title(ax).startswith("index 15 of 30 slices  ·  auto C ")
    assert plots.show(volume(affine=None)).get_aspect() == 1.0


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small_RLE.dcm", "examples_palette.dcm", "examples_rgb_color.dcm"]
)
def test_show_a_data_set(name):
    ds = read(name)
    ax = plots.show(ds)
    np.testing.assert_array_equal(drawn(ax), display(ds))
    assert ds.Modality in title(ax)
    assert ("C " in title(ax)) == (display(ds).ndim == 2 and "palette" not in name)


def test_show_a_frame():
    ds = read("examples_ybr_color.dcm")
    ax = plots.show(ds, frame=30)
    np.testing.assert_array_equal(drawn(ax), display(ds, frame=30))
    assert "frame 30 of 30" in title(ax)
    assert "frame 1 of 30" in title(plots.show(ds))


def test_shape_and_letters_of_a_data_set():
    ds = read("CT_small.dcm")
    ds.PixelSpacing = [2, 0.5]
    ax = plots.show(ds)
    assert ax.get_aspect() == 4.0
    assert sides(ax) == ["A", "L", "P", "R"]
    assert title(ax).endswith(" HU")
    del ds.PixelSpacing, ds.ImageOrientationPatient
    ds.PixelAspectRatio, ds.PatientOrientation = [1, 2], ["L", "F"]
    ax = plots.show(ds)
    assert ax.get_aspect() == 0.5
    assert sides(ax) == ["H", "L", "F", "R"]
    enhanced = read("eCT_Supplemental.dcm")
    measures = enhanced.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    measures[0].PixelSpacing = [3, 1]
    assert plots.show(enhanced).get_aspect() == 3.0
    assert len(sides(plots.show(enhanced))) == 4


def test_voi_table_is_named():
    assert title(plots.show(read("vlut_04.dcm"))).endswith("VOI LUT")


def test_show_arrays_and_pictures():
    values = np.linspace(0, 1, 600).reshape(20, 30)
    assert drawn(plots.show(values, window="full"))[[0, -1], [0, -1]].tolist() == [0, 255]
    rgb = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    np.testing.assert_array_equal(drawn(plots.show(rgb)), rgb)
    np.testing.assert_array_equal(drawn(plots.show(Image.fromarray(rgb))), rgb)
    paletted = Image.fromarray(rgb).convert("P")
    np.testing.assert_array_equal(drawn(plots.show(paletted)), np.asarray(paletted.convert("RGB")))
    grey = rgb[..., 0]
    np.testing.assert_array_equal(drawn(plots.show(grey)), grey)  # a picture already
    stack = np.arange(60.0).reshape(3, 4, 5)
    np.testing.assert_array_equal(
        drawn(plots.show(stack, index=2, window=(50, 21))), window(stack[2], 50, 21)
    )
    assert drawn(plots.show(values > 0.5)).max() == 255
    assert drawn(plots.show(np.stack([rgb, rgb]), index=1)).shape == rgb.shape


@pytest.mark.parametrize(
    ("what", "options", "error", "told"),
    [
        (volume(), {"frame": 1}, TypeError, "have an index="),
        (np.eye(3), {"frame": 1}, TypeError, "no frame="),
        (np.eye(3), {"index": 0}, TypeError, "no index="),
        (volume(), {"index": 30}, IndexError, "from 0 to 29"),
        (volume(), {"index": 1.5}, TypeError, "integer"),
        (pd.DataFrame(), {}, TypeError, "DataFrame is no image"),
        (np.zeros((2, 2, 2, 2)), {}, TypeError, "is no image"),
        (np.zeros(3), {}, TypeError, "is no image"),
        (volume(), {"window": "spleen"}, ValueError, "no window"),
        (volume(modality="MR"), {"window": "lung"}, ValueError, "this is MR"),
    ],
)
def test_what_cannot_be_shown(what, options, error, told):
    with pytest.raises(error, match=told):
        plots.show(what, **options)


def test_index_and_frame_of_a_data_set():
    ds = read("CT_small.dcm")
    with pytest.raises(TypeError, match="use frame="):
        plots.show(ds, index=0)
    with pytest.raises(ValueError, match="count from 1"):
        plots.show(ds, frame=0)


def test_montage():
    one = volume()
    ax = plots.montage(one, count=5, columns=3)
    canvas = drawn(ax)
    assert canvas.shape == (2 * 40 + 2, 3 * 50 + 4)
    assert numbers_on(ax) == ["0", "7", "14", "22", "29"]
    for place, index in enumerate([0, 7, 14, 22, 29]):
        row, column = divmod(place, 3)
        tile = canvas[row * 42 : row * 42 + 40, column * 52 : column * 52 + 50]
        np.testing.assert_array_equal(tile, window(one.array[index], 40, 400))
    assert canvas[42:, 104:].max() == 0
    assert ax.get_aspect() == pytest.approx(2.0)
    assert title(ax) == "CT · Phantom\n5 of 30 slices  ·  C 40  W 400 HU"
    assert len(numbers_on(plots.montage(one))) == 20
    assert "3 slices" in title(plots.montage(volume(3)))
    assert "1 slice  ·" in title(plots.montage(volume(1)))


def test_montage_of_frames():
    ds = read("examples_ybr_color.dcm")
    ax = plots.montage(ds, count=4, title="")
    assert words(ax) == ["1", "11", "20", "30"]
    assert title(ax) == "4 of 30 frames"
    np.testing.assert_array_equal(drawn(ax)[:240, :320], display(ds))


def test_montage_has_one_window():
    """Frames without a window of their own can be compared, not each stretched by itself."""
    ds = read("emri_small.dcm")
    stored = ds.pixel_array
    canvas = drawn(plots.montage(ds, columns=10))
    low, high = np.percentile(stored[5], (1, 99))
    expected = window(stored[0], (low + high) / 2, high - low, function="LINEAR_EXACT")
    np.testing.assert_array_equal(canvas[:64, :64], expected)


def test_montage_of_large_slices_is_thinned():
    large = np.zeros((9, 2000, 2000), np.uint8)
    assert max(drawn(plots.montage(large)).shape) <= 2100


@pytest.mark.parametrize("options", [{"count": 0}, {"columns": 0}])
def test_impossible_montage(options):
    with pytest.raises(ValueError, match="1 or more"):
        plots.montage(volume(), **options)


def test_histogram_counts_every_voxel():
    one = volume()
    ax = plots.histogram(one)
    counts, edges, _ = ax.patches[0].get_data()
    assert counts.sum() == one.array.size
    assert len(counts) <= 200
    assert np.all(edges % 1 == 0.5)  # whole numbers lie within bins, equally many in each
    assert len(set(np.diff(edges))) == 1
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("HU", "voxels", "log")
    ax = plots.histogram(one, range=(-100, 99), bins=20, log=False, title="Soft")
    counts, edges, _ = ax.patches[0].get_data()
    assert (edges[0], edges[-1], len(counts)) == (-100.5, 99.5, 20)
    assert counts.sum() == ((one.array >= -100) & (one.array <= 99)).sum()
    assert (ax.get_yscale(), title(ax)) == ("linear", "Soft")


def test_histogram_of_floats_and_data_sets():
    values = np.array([[0.0, 1.0, np.nan, np.inf]])
    counts, edges, _ = plots.histogram(values, bins=4).patches[0].get_data()
    assert counts.tolist() == [1, 0, 0, 1]
    assert edges[[0, -1]].tolist() == [0, 1]
    ds = read("CT_small.dcm")
    ax = plots.histogram(ds)
    assert ax.patches[0].get_data().values.sum() == ds.Rows * ds.Columns
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("HU", "pixels")
    constant = plots.histogram(np.full((3, 3), 2.5)).patches[0].get_data().values
    assert constant.sum() == 9


@pytest.mark.parametrize("options", [{"bins": 0}, {"range": (5, 1)}, {"range": (0, np.nan)}])
def test_impossible_histograms(options):
    with pytest.raises(ValueError, match=r"bins|range"):
        plots.histogram(volume(), **options)
    with pytest.raises(ValueError, match="no values"):
        plots.histogram(np.full((2, 2), np.nan))


def test_figures_can_be_saved(tmp_path):
    for style in ("default", "dark_background"):
        with plt.style.context(style):
            plots.montage(volume(title="A long description " * 10)).figure.savefig(
                tmp_path / "a.png"
            )
            plots.show(read("JPEG2000.dcm")).figure.savefig(tmp_path / "b.png")
    assert (tmp_path / "b.png").stat().st_size > 10_000
