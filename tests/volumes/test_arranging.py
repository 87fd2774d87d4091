"""Arranging slices: order, affine, and each way in which slices make no volume."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from dicomnb.errors import GeometryError, NoDicom
from dicomnb.images.headers import SliceHeader, number, numbers, text
from dicomnb.volumes.geometry import arrange
from tests.images.image_series import AXIAL, instance, oblique, phantom, series

SAGITTAL = (0, 1, 0, 0, 0, -1)
CORONAL = (1, 0, 0, 0, 0, -1)


def headers(datasets):
    return [SliceHeader.of(ds) for ds in datasets]


def both(datasets, words):
    """The error when strict, which names a slice; the arrangement and its report when not."""
    given = headers(datasets) if isinstance(datasets[0], Dataset) else datasets
    with pytest.raises(GeometryError, match=words) as caught:
        arrange(given)
    assert re.search(r"slice \d+ \(…", str(caught.value)) or "positions ×" in str(caught.value)
    assert "strict=False" in str(caught.value)
    found = arrange(given, strict=False)
    assert any(re.search(words, line) for line in found.report)
    return found


@given(
    angles=st.tuples(st.floats(-3, 3), st.floats(-3, 3)),
    step=st.floats(0.3, 12),
    origin=st.tuples(*[st.floats(-500, 500)] * 3),
    count=st.integers(2, 12),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=60)
def test_any_regular_stack_in_any_order(angles, step, origin, count, seed):
    """The affine puts the centre of every slice's first voxel where the header says."""
    made = headers(
        series(phantom(count, 2, 2), step=step, origin=origin, orientation=oblique(*angles))
    )
    shuffled = [made[i] for i in np.random.default_rng(seed).permutation(count)]
    found = arrange(shuffled)
    assert found.report == ()
    assert [shuffled[i].number for i in found.order] == list(range(1, count + 1))
    for place, index in enumerate(found.order):
        position = found.affine @ (place, 0, 0, 1)
        np.testing.assert_allclose(position[:3], shuffled[index].position, atol=0.06)
    row, column = np.array(shuffled[0].orientation[:3]), np.array(shuffled[0].orientation[3:])
    np.testing.assert_allclose(found.affine[:3, 1], column * 0.8)
    np.testing.assert_allclose(found.affine[:3, 2], row * 0.6)
    assert np.all(np.diff(found.positions) > 0)


def test_slices_run_along_the_normal_whatever_their_numbers():
    made = series(step=-2.0)  # numbered from head to feet
    found = arrange(headers(made))
    assert [made[i].InstanceNumber for i in found.order] == list(range(12, 0, -1))
    np.testing.assert_allclose(found.affine[:3, 0], (0, 0, 2.0))


def test_a_localizer_is_set_apart_and_told():
    scout = instance(
        phantom(1, 30, 30)[0],
        number=99,
        orientation=CORONAL,
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
    )
    found = arrange(headers([scout, *series()]))
    assert len(found.order) == 12
    assert 0 not in found.order
    assert "localizers: slice 99" in found.report[0]
    alone = arrange(headers([scout]))
    assert alone.order == (0,)


def test_a_stray_slice_of_another_orientation_is_set_apart():
    found = arrange(headers([*series(), instance(phantom(1)[0], number=50, orientation=SAGITTAL)]))
    assert len(found.order) == 12
    assert "another orientation: slice 50" in found.report[0]


def test_two_stacks_of_different_orientation():
    coronal = series(phantom(8), orientation=CORONAL)
    found = both([*coronal, *series()], "8 of 20 differ from the 12 others in orientation")
    assert found.order == tuple(range(8, 20))
    assert found.affine is not None


def test_mixed_sizes_spacings_and_frames_of_reference():
    one = instance(phantom(1, 10, 10)[0], number=40)
    assert (
        len(both([*series(), one], r"size \(20 × 24 of 16 bits, 10 × 10 of 16 bits\)").order) == 12
    )
    one = instance(phantom(1)[0], number=40, spacing=(0.5, 0.5))
    both([*series(), one], "PixelSpacing")
    one = instance(phantom(1)[0], number=40, FrameOfReferenceUID="1.2.3")
    both([*series(), one], "frame of reference")
    one = instance(phantom(1)[0], number=40, position=None)
    both([*series(), one], "having position and orientation or not")


def test_a_duplicate():
    made = series()
    found = both([*made, made[4]], "same position: slice 5 .*slice 5")
    assert len(found.order) == 12
    np.testing.assert_allclose(found.affine[:3, 0], (0, 0, 2.5))
    found = both([*made, *made], "and 9 positions more")
    assert len(found.order) == 12


def test_missing_slices_leave_no_affine():
    made = series()
    del made[5], made[8]
    found = both(made, "1 missing between slice 5 .* and slice 7 .*5.00 mm apart; 1 missing")
    assert len(found.order) == 10
    assert found.affine is None
    np.testing.assert_allclose(np.diff(found.positions).max(), 5.0)


def test_many_gaps_are_counted():
    made = [ds for i, ds in enumerate(series(phantom(40))) if i % 5 != 2]
    both(made, "and 3 gaps more")


def test_uneven_spacing():
    made = series()
    made[3].ImagePositionPatient = [-70, -80, 38.4]
    found = both(made, "unevenly spaced, from 1.60 to 3.40 mm")
    assert found.affine is None


def test_rounded_positions_are_not_uneven():
    made = series(step=0.625)
    for ds in made:
        ds.ImagePositionPatient[2] = round(float(ds.ImagePositionPatient[2]), 1)
    np.testing.assert_allclose(arrange(headers(made)).affine[2, 0], 0.625, atol=0.01)


def test_tilt_has_a_sheared_affine():
    made = series(shift=(0, 0.5, 0))
    found = both(made, r"tilted by 11\.3°: .* 0\.500 mm each")
    for place in range(12):
        np.testing.assert_allclose(
            (found.affine @ (place, 0, 0, 1))[:3], made[place].ImagePositionPatient
        )


def test_a_shift_within_the_plane():
    made = series()
    made[6].ImagePositionPatient[0] = -60
    assert both(made, "shifted against each other .*10.00 mm .slice 7").affine is None


def test_several_in_time():
    made = series(phantom(4), TemporalPositionIdentifier=1) + series(
        phantom(4), TemporalPositionIdentifier=2
    )
    for number_, ds in enumerate(made):
        ds.InstanceNumber, ds.SOPInstanceUID = number_ + 1, f"1.2.{number_}"
    found = arrange(headers(made))
    assert found.order == tuple(range(8))
    assert str(found.axis) == "TemporalPositionIdentifier 1, 2"
    assert len(found.positions) == 4
    for ds in made:
        ds.ImageType = ["A", str(ds.InstanceNumber)]
        del ds.TemporalPositionIdentifier
    with pytest.raises(GeometryError, match="Nothing tells one complete stack from the next"):
        arrange(headers(made), strict=False)


def test_without_geometry_by_number():
    made = series(position=None) if False else series()
    for ds in made:
        del ds.ImagePositionPatient
    made[3].InstanceNumber = None
    found = arrange(headers(made[::-1]))
    assert found.affine is None
    assert found.positions is None
    assert [made[::-1][i].InstanceNumber for i in found.order][-1] is None
    assert "No affine: the slices have no ImagePositionPatient" in found.report[0]
    assert found.pixel_spacing == (0.8, 0.6)


def test_without_pixel_spacing():
    found = arrange(headers(series(spacing=None)))
    assert found.affine is None
    assert "PixelSpacing" in found.report[0]


def test_a_single_slice():
    found = arrange(headers([instance(phantom(1)[0], SpacingBetweenSlices=-3.0)]))
    np.testing.assert_allclose(found.affine[:3, 0], (0, 0, 3.0))
    found = arrange(headers([instance(phantom(1)[0], SliceThickness=None)]))
    assert found.affine is None
    assert "one slice alone" in found.report[0]


def test_nothing():
    with pytest.raises(NoDicom):
        arrange([])


@pytest.mark.parametrize(
    "orientation", [[1, 0, 0, 1, 0, 0], [0, 0, 0, 0, 1, 0], [2, 0, 0, 0, 1, 0], [1, 0, 0]]
)
def test_an_orientation_that_makes_no_sense_counts_as_missing(orientation):
    ds = instance(phantom(1)[0], ImageOrientationPatient=orientation)
    assert SliceHeader.of(ds).orientation is None


def test_headers_with_dirt():
    ds = Dataset()
    assert SliceHeader.of(ds).name == "slice ? (no UID)"
    assert SliceHeader.of(ds).size == (0, 0, 0)
    ds.SliceThickness = None
    assert number(ds, "SliceThickness") is None
    ds = Dataset.from_json({"00180050": {"vr": "FD", "Value": [float("nan")]}})
    assert number(ds, "SliceThickness") is None
    header = replace(SliceHeader.of(instance(phantom(1)[0])), uid="1.2")
    assert header.name == "slice 1 (1.2)"
    assert numbers(instance(phantom(1)[0]), "PixelSpacing", 3) is None
    assert text(instance(phantom(1)[0]), "ImageOrientationPatient").count("\\") == 5
    assert header.orientation == AXIAL
