"""The small parts, on whatever input: contours, textures, RLE, header elements."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder
from pydicom.uid import RLELossless

from dicomnb.samples.compress import Compressed
from dicomnb.samples.contours import outlines
from dicomnb.samples.shapes import Canvas, Waves, blur, grain, resize, soft
from dicomnb.samples.write import code, copy, item, number, put, uid

masks = arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=9))


def _area(line):
    row, column = line[:, 0], line[:, 1]
    return float(np.sum(column * np.roll(row, -1) - row * np.roll(column, -1))) / 2


@given(masks)
def test_outlines_enclose_as_many_pixels_as_there_are(mask):
    lines = outlines(mask)
    assert sum(_area(line) for line in lines) == pytest.approx(mask.sum())
    for line in lines:
        steps = np.abs(np.roll(line, -1, axis=0) - line)
        assert (steps.min(axis=1) == 0).all()  # along the edges of pixels
        assert (steps.max(axis=1) >= 1).all()


def test_regions_that_touch_at_a_corner_are_two_lines():
    assert [_area(line) for line in outlines(np.eye(2, dtype=bool))] == [1, 1]


def test_a_hole_is_a_line_of_its_own():
    mask = np.ones((3, 3), dtype=bool)
    mask[1, 1] = False
    assert sorted(_area(line) for line in outlines(mask)) == [-1, 9]


# pydicom is suspicious where an image is as long as without compression, by chance.
@pytest.mark.filterwarnings("ignore:The number of bytes of compressed pixel data:UserWarning")
@settings(max_examples=40, deadline=None)
@given(
    arrays.arrays(
        np.uint16,
        st.tuples(st.integers(1, 4), st.integers(1, 300)),
        elements=st.sampled_from([0, 1, 255, 256, 65535]),
        fill=st.just(7),
    )
)
def test_rle_decodes_to_what_was_encoded(image):
    original = item(Rows=image.shape[0], Columns=image.shape[1], SOPInstanceUID="1.2")
    original.SOPClassUID = "1.2.3"
    put(original, PixelData=image.astype("<u2").tobytes())

    class Study:
        @staticmethod
        def series_uid(_: int):
            return uid("a series")

    class Made:
        study, series = Study(), {1: [original]}

    (packed,) = Compressed(2, 1, RLELossless, "RLE").datasets(Made())
    (frame,) = generate_frames(packed.PixelData, number_of_frames=1)
    decoded, _ = get_decoder(RLELossless).as_array(
        packed.PixelData,
        rows=image.shape[0],
        columns=image.shape[1],
        samples_per_pixel=1,
        photometric_interpretation="MONOCHROME2",
        bits_allocated=16,
        bits_stored=16,
        pixel_representation=0,
        number_of_frames=1,
        decoding_plugin="pydicom",
    )
    assert np.array_equal(decoded.reshape(image.shape), image)
    assert frame[:4] == b"\x02\x00\x00\x00"


def test_a_texture_is_the_same_on_any_grid():
    waves = Waves(3, wavelength=(10, 30))
    flat = waves.plane((-20, -30, 5), (0, 2, 0), (2, 0, 0), (40, 30))
    turned = waves.plane((-20, -30, 5), (2, 0, 0), (0, 2, 0), (30, 40))
    np.testing.assert_allclose(flat, turned.T, atol=1e-3)
    assert flat[7, 9] == pytest.approx(waves.at((-20 + 18, -30 + 14, 5)), abs=1e-3)
    assert waves.plane((0, 0, 0), (0, 3, 0), (3, 0, 0), (200, 200)).std() == pytest.approx(1, 0.2)


def test_a_shape_has_an_edge_one_pixel_wide():
    axis = np.arange(-10, 11, dtype=np.float32)
    canvas = Canvas(axis, axis, 0.0, np.zeros((21, 21), dtype=np.float32))
    canvas.ellipsoid((0, 0, 0), (5, 5, 5), 100)
    assert canvas.value.sum() / 100 == pytest.approx(np.pi * 25, rel=0.03)
    assert canvas.value[10, 10] == 100
    assert canvas.value[10, 15] == pytest.approx(50)
    assert canvas.value[10, 17] == 0


def test_a_turned_ellipse_is_turned_from_x_to_y():
    axis = np.arange(-10, 11, dtype=np.float32)
    canvas = Canvas(axis, axis, 0.0, np.zeros((21, 21), dtype=np.float32))
    canvas.ellipse((0, 0), (8, 2), 1, turn=np.pi / 4)
    assert canvas.value[14, 14] == 1
    assert canvas.value[14, 6] == 0


def test_a_tube_is_cut_where_it_runs():
    axis = np.arange(-10, 11, dtype=np.float32)
    canvas = Canvas(axis, axis, 3.0, np.zeros((21, 21), dtype=np.float32))
    canvas.tube([(-8, 0, -5), (8, 0, 11)], (2, 2), 1)
    rows, columns = np.nonzero(canvas.value > 0.5)
    assert rows.mean() == pytest.approx(10, abs=0.01)
    assert columns.mean() == pytest.approx(10, abs=0.01)
    assert np.ptp(columns) > np.ptp(rows)  # cut at an angle: longer along x


def test_soft_is_half_on_the_edge():
    np.testing.assert_allclose(soft(np.array([-3, 0, 3], dtype=np.float32), 2), [1, 0.5, 0])


def test_resize_keeps_a_ramp():
    ramp = np.add.outer(np.arange(6), np.arange(8)).astype(np.float32)
    twice = resize(ramp, (12, 16))
    assert twice.shape == (12, 16)
    np.testing.assert_allclose(np.diff(twice[1:-1, 5]), 0.5, atol=1e-5)
    np.testing.assert_allclose(resize(ramp, (6, 8)), ramp)


def test_noise_has_the_deviation_asked_for():
    noise = grain(1, (40, 50), deviation=12, count=3)
    assert noise.shape == (3, 40, 50)
    assert noise.std() == pytest.approx(12, rel=1e-3)
    assert np.array_equal(noise, grain(1, (40, 50), deviation=12, count=3))
    assert blur(noise).std() < 12


def test_a_copy_leaves_the_original_alone():
    one = item(PatientID="A", StudyID="1")
    two = copy(one, PatientID="B")
    assert (one.PatientID, two.PatientID, two.StudyID) == ("A", "B", "1")
    assert not hasattr(two, "file_meta")


def test_a_misspelt_keyword_is_an_error():
    with pytest.raises(ValueError, match="PatientIdentity"):
        put(Dataset(), PatientIdentity="x")


def test_uids_and_numbers():
    assert uid("a", 1) == uid("a", 1) != uid("a", 2)
    assert uid("a").is_valid
    assert uid("a").startswith("2.25.")
    assert number(0.1 + 0.2) == "0.3"
    assert all(len(number(value)) <= 16 for value in (-1234.567891234, 1e-5, 123456789.123456))
    assert code("1", "SCT", "one").CodeMeaning == "one"
