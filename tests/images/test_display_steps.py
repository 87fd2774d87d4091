"""Stored values to pictures: each step against the standard's formulas and pydicom."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels import (
    apply_color_lut,
    apply_modality_lut,
    apply_rescale,
    apply_voi_lut,
    apply_windowing,
)
from pydicom.sequence import Sequence

from dicomnb.errors import DecodeError
from dicomnb.images.decode import decode
from dicomnb.images.display import (
    display,
    modality,
    palette,
    presentation,
    voi,
    window,
    window_of,
)
from dicomnb.images.render import picture, render
from dicomnb.images.windows import PRESETS, Window, choose, percentiles, windows_of
from tests.images import real_files
from tests.images.image_series import instance, phantom

VALUES = phantom(1, 30, 40)[0].astype(np.int16) - 1024


def by_the_standard(x, c, w, function):
    """One value at a time, as PS3.3 C.11.2.1.2.1, .3.1 and .3.2 write it."""
    if function == "SIGMOID":
        return 255 / (1 + np.exp(np.clip(-4 * (x - c) / w, -700, 700)))
    if function == "LINEAR":
        if x <= c - 0.5 - (w - 1) / 2:
            return 0.0
        if x > c - 0.5 + (w - 1) / 2:
            return 255.0
        return ((x - (c - 0.5)) / (w - 1) + 0.5) * 255
    if x <= c - w / 2:
        return 0.0
    return 255.0 if x > c + w / 2 else ((x - c) / w + 0.5) * 255


@given(
    values=st.lists(st.integers(-3000, 3000), min_size=1, max_size=30),
    center=st.integers(-1000, 1000) | st.floats(-1000, 1000),
    width=st.integers(1, 3000) | st.floats(1, 3000),
    function=st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
)
@settings(deadline=None, max_examples=300)
def test_window_is_that_of_the_standard(values, center, width, function):
    array = np.array(values, np.int16)
    expected = [by_the_standard(x, center, width, function) for x in values]
    for found in (
        window(array, center, width, function=function),
        window(array.astype(float), center, width, function=function),
    ):
        assert found.dtype == np.uint8
        assert np.abs(found - np.array(expected)).max() <= 0.5 + 1e-6
    order = np.argsort(array, kind="stable")
    assert np.all(np.diff(window(array, center, width, function=function)[order].astype(int)) >= 0)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2"])
def test_window_by_table_is_that_by_value(dtype):
    limits = np.iinfo(dtype)
    values = np.linspace(limits.min, limits.max, 70_000).astype(dtype).reshape(700, 100)
    for function in ("LINEAR", "SIGMOID"):
        table = window(values, 20, 90, function=function)
        np.testing.assert_array_equal(
            table, window(values.astype(np.int32), 20, 90, function=function)
        )


@pytest.mark.filterwarnings("ignore:overflow")  # in pydicom's sigmoid
@given(
    center=st.integers(-500, 500),
    width=st.integers(2, 2000),
    function=st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
)
@settings(deadline=None, max_examples=40)
def test_window_against_pydicom(center, width, function):
    ds = instance(
        np.zeros((2, 2), np.uint8),
        slope=1,
        intercept=0,
        WindowCenter=center,
        WindowWidth=width,
        VOILUTFunction=function,
    )
    expected = apply_windowing(VALUES, ds)  # in 0 … 255, since 8 bits are stored
    assert np.abs(window(VALUES, center, width, function=function) - expected).max() <= 0.5 + 1e-6


def test_window_edges():
    assert window(np.array([39, 40]), 40, 1).tolist() == [0, 255]
    assert window(np.array([np.nan, -np.inf, np.inf]), 0, 10, range=(10, 20)).tolist() == [
        10,
        10,
        20,
    ]
    assert window(np.array([0.0]), 0, 10, function="LINEAR_EXACT", range=(0, 100)).tolist() == [50]


@pytest.mark.parametrize(
    ("center", "width", "options", "words"),
    [
        (0, 0.5, {}, "1 or more"),
        (0, 0, {"function": "SIGMOID"}, "more than 0"),
        (0, 10, {"function": "CUBIC"}, "one of LINEAR"),
        (float("nan"), 10, {}, "needs numbers"),
        (0, 10, {"range": (0, 300)}, "within 0"),
    ],
)
def test_impossible_windows(center, width, options, words):
    with pytest.raises(ValueError, match=words):
        window(VALUES, center, width, **options)


def test_named_windows():
    ds = instance(
        VALUES,
        WindowCenter=[40, -500],
        WindowWidth=[400, 1500],
        WindowCenterWidthExplanation=["SOFT", "Lung"],
    )
    assert windows_of(ds) == (Window(40, 400, "SOFT"), Window(-500, 1500, "Lung"))
    assert window_of(VALUES, ds) == Window(40, 400, "SOFT")
    assert window_of(VALUES, ds, window="lung") == Window(-500, 1500, "Lung")  # the file's own
    assert window_of(VALUES, ds, window="Bone") == PRESETS["bone"]
    assert window_of(VALUES, ds, window=(1, 2)) == Window(1, 2)
    assert window_of(VALUES, ds, window=(1, 2, "linear-exact")).function == "LINEAR_EXACT"
    assert window_of(VALUES, ds, window=Window(3, 4)) == Window(3, 4)
    assert str(Window(-600, 1500, "lung")) == "lung C −600  W 1500"
    with pytest.raises(ValueError, match=r"no window 'spleen'.* SOFT, Lung, abdomen"):
        window_of(VALUES, ds, window="spleen")
    with pytest.raises(ValueError, match="for CT; this is MR"):
        choose(VALUES, "lung", modality="MR")
    for wrong in ((1,), (1, 2, "LINEAR", 4), ("a", "b"), 5):
        with pytest.raises(ValueError, match="it is \\(center, width\\)"):
            choose(VALUES, wrong)


@pytest.mark.parametrize(
    "missing", [{"WindowCenter": None}, {"WindowWidth": 0}, {"WindowCenter": float("nan")}]
)
def test_a_missing_window_becomes_percentiles(missing):
    facts = {"WindowCenter": 40, "WindowWidth": 400, **missing}
    ds = instance(VALUES, **dict.fromkeys(facts))
    for keyword, value in facts.items():
        if value is not None:
            ds.add_new(keyword, "FD", float(value))
    low, high = np.percentile(VALUES, (1, 99))
    found = window_of(VALUES, ds)
    assert found[:2] == pytest.approx(((low + high) / 2, high - low))
    assert found.explanation == "auto"


def test_percentiles_of_odd_values():
    assert percentiles(np.full((3, 3), 7)) == (7.5, 1, "auto", "LINEAR_EXACT")
    assert percentiles(np.array([np.nan, np.inf])).width == 1
    sparse = np.zeros(10_000)
    sparse[5] = 9
    assert percentiles(sparse)[:2] == (4.5, 9)
    assert percentiles(np.array([0.0, np.nan, 10]), 0, 100)[:2] == (5, 10)
    big = np.arange(3 << 20)
    assert percentiles(big).width == pytest.approx(0.98 * big.size, rel=1e-3)


@pytest.mark.parametrize("name", ["CT_small.dcm", "693_UNCR.dcm", "mlut_18.dcm", "MR_small.dcm"])
def test_modality_against_pydicom(name):
    ds = real_files.read(name)
    stored = decode(ds)[0]
    apply = apply_modality_lut if "ModalityLUTSequence" in ds else apply_rescale
    np.testing.assert_array_equal(modality(stored, ds), apply(stored, ds))
    assert modality(stored, ds).dtype.kind in "iu"


def test_modality_of_each_frame():
    ds = real_files.read("eCT_Supplemental.dcm")
    stored = decode(ds)
    for frame in (1, 2):
        group = ds.PerFrameFunctionalGroupsSequence[frame - 1].get(
            "PixelValueTransformationSequence"
        )
        shared = ds.SharedFunctionalGroupsSequence[0].get("PixelValueTransformationSequence")
        item = (group or shared)[0]
        expected = stored[frame - 1] * float(item.RescaleSlope) + float(item.RescaleIntercept)
        np.testing.assert_allclose(
            modality(stored[frame - 1], ds, frame=frame), expected, rtol=1e-6
        )
    with pytest.raises(ValueError, match="no frame 3"):
        modality(stored[0], ds, frame=3)
    item = Dataset()
    item.RescaleSlope, item.RescaleIntercept = 2, 7
    ds.PerFrameFunctionalGroupsSequence[1].PixelValueTransformationSequence = Sequence([item])
    np.testing.assert_array_equal(modality(stored[1], ds, frame=2), stored[1].astype(int) * 2 + 7)


def test_voi_table_against_pydicom():
    ds = real_files.read("vlut_04.dcm")
    stored = decode(ds)[0]
    expected = apply_voi_lut(modality(stored, ds), ds)
    bits = ds.VOILUTSequence[0].LUTDescriptor[2]
    np.testing.assert_allclose(voi(stored, ds), expected / (2**bits - 1) * 255, atol=0.51)
    np.testing.assert_array_equal(voi(stored, ds, window=(10, 20)), window(stored, 10, 20))
    np.testing.assert_array_equal(voi(stored.astype(float), ds), voi(stored, ds))


def test_a_table_that_starts_below_zero():
    item = Dataset()
    item.add_new(0x00283002, "US", [4, 65534, 8])  # −2, as an unsigned number
    item.add_new(0x00283006, "US", [10, 20, 30, 40])
    ds = instance(VALUES, VOILUTSequence=Sequence([item]))
    assert voi(np.array([-9, -2, -1, 0, 1, 2], np.int16), ds).tolist() == [10, 10, 20, 30, 40, 40]
    item.LUTDescriptor[0] = 9
    with pytest.raises(DecodeError, match="should have 9 entries of 8 bits"):
        voi(VALUES, ds)
    del item.LUTData
    with pytest.raises(DecodeError, match="no descriptor or no data"):
        voi(VALUES, ds)


def test_presentation():
    grey = np.array([0, 100, 255], np.uint8)
    for photometric, shape, turned in [
        ("MONOCHROME1", None, True),
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME2", "INVERSE", True),
    ]:
        ds = instance(VALUES, PhotometricInterpretation=photometric, PresentationLUTShape=shape)
        assert presentation(grey, ds).tolist() == ([255, 155, 0] if turned else [0, 100, 255])


@pytest.mark.parametrize(
    "name", ["OBXXXX1A.dcm", "examples_palette.dcm", "gdcm-US-ALOKA-16.dcm", "OBXXXX1A_expb.dcm"]
)
def test_palette_against_pydicom(name):
    ds = real_files.read(name)
    index = decode(ds)[0]
    little = real_files.read(name.replace("_expb", ""))
    expected = apply_color_lut(decode(little)[0], little)
    if expected.dtype == np.uint16:
        expected = expected >> 8
    np.testing.assert_array_equal(palette(index, ds), expected)
    np.testing.assert_array_equal(display(ds), expected)


def test_big_endian_palette_of_16_bits():
    little, big = (real_files.read(f"gdcm-US-ALOKA-16{end}.dcm") for end in ("", "_big"))
    np.testing.assert_array_equal(display(big), display(little))


def coloured(count=8, first=0, bits=8, **tables):
    ds = instance(
        np.arange(-2, 10).reshape(3, 4).astype(np.int16), PhotometricInterpretation="PALETTE COLOR"
    )
    for colour in ("Red", "Green", "Blue"):
        ds.add_new(f"{colour}PaletteColorLookupTableDescriptor", "US", [count, first, bits])
    for keyword, value in tables.items():
        for colour in ("Red", "Green", "Blue"):
            ds.add_new(keyword.replace("X", colour, 1), "OW", value)
    return ds


def test_palette_edges():
    table = bytes(range(10, 90, 10))
    ds = coloured(XPaletteColorLookupTableData=table)
    shown = display(ds)
    assert shown[..., 1].ravel().tolist() == [10, 10, 10, 20, 30, 40, 50, 60, 70, 80, 80, 80]
    ds = coloured(
        first=65535, bits=16, XPaletteColorLookupTableData=np.arange(0, 2048, 256, "<u2").tobytes()
    )
    assert display(ds)[0, :, 0].tolist() == [0, 0, 1, 2]
    ds = coloured(bits=16, XPaletteColorLookupTableData=np.arange(8, dtype="<u2").tobytes())
    assert display(ds)[2, 0, 0] == 6  # 8-bit colours in 16-bit entries
    ds = coloured(XPaletteColorLookupTableData=bytes(range(8)))
    ds.set_original_encoding(is_implicit_vr=False, is_little_endian=False)
    assert palette(np.arange(4), ds)[:, 0].tolist() == [1, 0, 3, 2]


def test_segmented_palette():
    words = [0, 2, 0x1000, 0x2000, 1, 2, 0x4000, 2, 2, 0, 0]
    ds = coloured(XPaletteColorLookupTableData=b"", bits=16)
    for colour in ("Red", "Green", "Blue"):
        del ds[f"{colour}PaletteColorLookupTableData"]
        ds.add_new(
            f"Segmented{colour}PaletteColorLookupTableData", "OW", np.array(words, "<u2").tobytes()
        )
    assert palette(np.arange(8), ds)[:, 0].tolist() == [16, 32, 48, 64, 16, 32, 48, 64]
    for broken, message in (
        ([0, 9, 1], "ends within"),
        ([7, 1, 1], "kind 7"),
        ([0, 65535, *[0] * 65535, 0, 9], "65,536"),
    ):
        ds.SegmentedRedPaletteColorLookupTableData = np.array(broken, "<u2").tobytes()
        with pytest.raises(DecodeError, match=message):
            palette(np.arange(8), ds)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"RedPaletteColorLookupTableDescriptor": None}, "without a Red"),
        ({"RedPaletteColorLookupTableDescriptor": [8, 0, 12]}, "12 bits"),
        ({"RedPaletteColorLookupTableData": None}, "without RedPalette"),
        ({"RedPaletteColorLookupTableData": b"ab"}, "8 entries has 2 bytes"),
    ],
)
def test_damaged_palettes(change, words):
    ds = coloured(XPaletteColorLookupTableData=bytes(8))
    for keyword, value in change.items():
        del ds[keyword]
        if value is not None:
            setattr(ds, keyword, value)
    with pytest.raises(DecodeError, match=words):
        display(ds)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "name",
    [
        "RG3_UNCR.dcm",
        "CT_small.dcm",
        "US1_J2KR.dcm",
        "liver.dcm",
        "rtdose.dcm",
        "SC_rgb_16bit.dcm",
        "vlut_04.dcm",
    ],
)
def test_display_changes_nothing(name):
    ds = real_files.read(name)
    before = ds.to_json()
    shown = display(ds)
    assert shown.dtype == np.uint8
    assert shown.shape == decode(ds, 1)[0].shape
    assert shown.max() > shown.min()
    assert ds.to_json() == before
    np.testing.assert_array_equal(display(ds, decode(ds, 1)[0], frame=1), shown)


def test_monochrome1_is_turned_round():
    ds = real_files.read("RG3_UNCR.dcm")
    assert ds.PhotometricInterpretation == "MONOCHROME1"
    stored = decode(ds)[0]
    np.testing.assert_array_equal(
        display(ds), 255 - window(stored, ds.WindowCenter, ds.WindowWidth)
    )


def test_one_bit_shows_black_and_white():
    ds = real_files.read("liver.dcm")
    assert set(np.unique(display(ds, frame=2))) == {0, 255}


def test_render():
    grey = np.arange(200, dtype=np.uint8).reshape(10, 20)
    back = Image.open(io.BytesIO(render(grey)))
    assert back.format == "PNG"
    np.testing.assert_array_equal(np.asarray(back), grey)
    rgb = np.stack([grey] * 3, axis=-1)
    low, high = render(rgb, "jpeg", quality=5), render(rgb, "jpeg", quality=100)
    assert len(low) < len(high)
    assert Image.open(io.BytesIO(high)).format == "JPEG"
    assert picture(grey, viewport=(10, 10)).size == (10, 5)
    assert picture(grey, viewport=(100, 30)).size == (60, 30)
    region = np.asarray(picture(grey, viewport=(4, 2, 5, 3, -4, 2)))
    np.testing.assert_array_equal(region, grey[3:5, 8:4:-1])
    np.testing.assert_array_equal(
        np.asarray(picture(grey, viewport=(4, 2, 5, 3, 4, -2))), grey[4:2:-1, 5:9]
    )


@pytest.mark.parametrize(
    ("array", "options", "words"),
    [
        (VALUES, {}, "uint8 grey or RGB"),
        (np.zeros((2, 2), np.uint8), {"format": "gif"}, "'png' or 'jpeg'"),
        (np.zeros((2, 2), np.uint8), {"quality": 0}, "between 1 and 100"),
        (np.zeros((2, 2), np.uint8), {"viewport": (0, 5)}, "width and height"),
        (np.zeros((2, 2), np.uint8), {"viewport": (1 << 20, 5)}, "width and height"),
        (np.zeros((2, 2), np.uint8), {"viewport": (5, 5, 9, 9, 1, 1)}, "lies outside"),
    ],
)
def test_impossible_rendering(array, options, words):
    with pytest.raises(ValueError, match=words):
        render(array, **options)
