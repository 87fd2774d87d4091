"""Every documented fault is really there, and the clean series has none."""

from __future__ import annotations

import warnings

import numpy as np
import pytest


def _heights(members):
    return sorted({float(dataset.ImagePositionPatient[2]) for dataset in members})


def _orientations(members):
    return {tuple(float(part) for part in ds.ImageOrientationPatient) for ds in members}


def test_the_clean_series_is_clean(demo):
    members = demo.series("DNB-0001", 2, 1)
    assert len(members) == 96
    assert _orientations(members) == {(1, 0, 0, 0, 1, 0)}
    np.testing.assert_allclose(np.diff(_heights(members)), 2.5)
    assert {ds.pixel_array.shape for ds in members} == {(256, 256)}
    assert len({tuple(ds.ImagePositionPatient[:2]) for ds in members}) == 1


def test_the_localizer_is_in_the_series(demo):
    members = demo.series("DNB-0015")
    scouts = [ds for ds in members if "LOCALIZER" in ds.ImageType]
    assert len(scouts) == 1
    assert list(scouts[0].ImageOrientationPatient) == [1, 0, 0, 0, 0, -1]
    rest = [ds for ds in members if ds is not scouts[0]]
    assert _orientations(rest) == {(1, 0, 0, 0, 1, 0)}
    np.testing.assert_allclose(np.diff(_heights(rest)), 5)
    shadow = scouts[0].pixel_array.astype(int)
    assert shadow[:, 90:102].mean() > shadow[60:120, 40:60].mean() + 100  # the spine, a lung


def test_one_slice_is_missing(demo):
    members = demo.series("DNB-0016")
    steps = np.diff(_heights(members))
    assert sorted(set(np.round(steps, 3))) == [5, 10]
    assert (steps > 5.1).sum() == 1
    numbers = [int(ds.InstanceNumber) for ds in members]
    assert len(set(range(1, max(numbers) + 1)) - set(numbers)) == 1


def test_one_slice_is_there_twice(demo):
    members = demo.series("DNB-0017")
    assert len(_heights(members)) == len(members) - 1
    by_height = {}
    for dataset in members:
        by_height.setdefault(float(dataset.ImagePositionPatient[2]), []).append(dataset)
    (twice,) = (pair for pair in by_height.values() if len(pair) == 2)
    assert twice[0].SOPInstanceUID != twice[1].SOPInstanceUID
    assert np.array_equal(twice[0].pixel_array, twice[1].pixel_array)


def test_the_gantry_is_tilted(demo):
    members = demo.series("DNB-0018")
    assert {float(ds.GantryDetectorTilt) for ds in members} == {-18.0}
    (orientation,) = _orientations(members)
    normal = np.cross(orientation[:3], orientation[3:])
    step = np.diff([ds.ImagePositionPatient for ds in members], axis=0)
    np.testing.assert_allclose(step, np.broadcast_to([0, 0, 6], step.shape), atol=1e-5)
    angle = np.degrees(np.arccos(abs(normal[2])))
    assert angle == pytest.approx(18, abs=0.01)  # the table does not move along the normal


def test_the_oblique_series_is_oblique_and_regular(demo):
    members = demo.series("DNB-0019")
    (orientation,) = _orientations(members)
    across, down = np.array(orientation[:3]), np.array(orientation[3:])
    assert across @ down == pytest.approx(0, abs=1e-5)
    normal = np.cross(across, down)
    assert np.sort(np.abs(normal))[:2].min() > 0.1  # turned about more than one axis
    steps = np.diff([ds.ImagePositionPatient for ds in members], axis=0).astype(float)
    np.testing.assert_allclose(steps, np.broadcast_to(6 * normal, steps.shape), atol=1e-4)


def test_two_orientations_lie_in_one_series(demo):
    members = demo.series("DNB-0020")
    assert _orientations(members) == {(1, 0, 0, 0, 1, 0), (1, 0, 0, 0, 0, -1)}


def test_a_patient_id_is_empty(demo):
    (dataset,) = demo.series("no-identifier")
    assert "PatientID" in dataset
    assert dataset.PatientID == ""


def test_one_person_has_two_identifiers(demo):
    one, two = demo.series("DNB-0022")[0], demo.series("X7-4410")[0]
    assert one.PatientID != two.PatientID
    assert (one.PatientBirthDate, one.PatientSex) == (two.PatientBirthDate, two.PatientSex)
    assert str(one.PatientName) == "Dupont^Élise"
    assert str(two.PatientName) == "DUPONT^ELISE"


def test_the_dates_are_odd(demo):
    assert demo.series("DNB-0024", 1)[0].StudyDate == "00010101"
    (dataset,) = demo.series("DNB-0024", 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert dataset.StudyDate == "2023.02.30"


def test_a_window_is_not_a_number(demo):
    (dataset,) = demo.series("DNB-0025", 1, 1)
    assert np.isnan(float(dataset.WindowCenter))
    assert b"NaN" in dataset.path.read_bytes()


def test_high_bits_are_dirty(demo):
    (dirty,) = demo.series("DNB-0025", 1, 2)
    (clean,) = demo.series("DNB-0025", 1, 3)
    assert dirty.BitsStored == 12
    raw = np.frombuffer(dirty.PixelData, dtype="<u2")
    assert 0.001 < (raw > 4095).mean() < 0.1
    values = (raw & 0x0FFF).reshape(dirty.Rows, dirty.Columns).astype(int)
    assert abs(values - clean.pixel_array).max() < 150  # the same chest but for the noise


def test_a_description_is_markup(demo):
    (dataset,) = demo.series("DNB-0025", 1, 3)
    assert dataset.SeriesDescription.startswith("<img src=x onerror=")


def test_an_offset_table_is_empty(demo):
    with_table, without = demo.series("DNB-0008", 1, 1)[0], demo.series("DNB-0008", 1, 2)[0]
    assert with_table.PixelData[:4] == without.PixelData[:4] == b"\xfe\xff\x00\xe0"
    assert int.from_bytes(with_table.PixelData[4:8], "little") == 4 * 24
    assert int.from_bytes(without.PixelData[4:8], "little") == 0
    assert len(without.pixel_array) == without.NumberOfFrames == 10


def test_every_pet_slice_has_its_own_slope(demo):
    members = demo.series("DNB-0003", 1, 2)
    assert len({float(ds.RescaleSlope) for ds in members}) > len(members) / 2


def test_a_window_has_two_values(demo):
    dataset = demo.series("DNB-0001", 3)[0]
    assert list(dataset.WindowCenter) == [-600, 40]
    assert list(dataset.WindowCenterWidthExplanation) == ["LUNG", "MEDIASTINUM"]
