"""Multi-frame images and series of several stacks, held against highdicom and plain arithmetic."""

from __future__ import annotations

import copy
import warnings

import highdicom
import numpy as np
import pandas as pd
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedMRImageStorage, RLELossless, RTDoseStorage

import dicomnb as dn
from dicomnb.errors import DecodeError, GeometryError
from dicomnb.images.display import modality
from dicomnb.volumes.builder import VolumeBuilder
from tests.conftest import real_file
from tests.images.image_series import AXIAL, instance, oblique, part, part10, phantom, series
from tests.volumes.test_volumes import shuffled


def build(datasets, *, strict=True):
    builder = VolumeBuilder(None, strict=strict)
    for ds in datasets:
        builder.add(part(ds))
    return builder.finish()


def item(**facts):
    found = Dataset()
    for keyword, value in facts.items():
        setattr(found, keyword, value)
    return found


def enhanced(stored, positions, *, slopes=None, groups=None, orientation=AXIAL, **more):
    """An enhanced image whose frames lie at ``positions``."""
    slopes = slopes or [(1, 0)] * len(stored)
    frames = []
    for place, (position, (slope, intercept)) in enumerate(zip(positions, slopes, strict=True)):
        frame = item(
            PlanePositionSequence=[item(ImagePositionPatient=[f"{p:.6g}" for p in position])],
            PixelValueTransformationSequence=[
                item(RescaleSlope=slope, RescaleIntercept=intercept, RescaleType="US")
            ],
        )
        for keyword, value in (groups[place] if groups else {}).items():
            setattr(frame, keyword, value)
        frames.append(frame)
    shared = item(
        PlaneOrientationSequence=[
            item(ImageOrientationPatient=[f"{o:.8f}"[:16] for o in orientation])
        ],
        PixelMeasuresSequence=[item(PixelSpacing=[0.8, 0.6], SliceThickness=2.5)],
        FrameVOILUTSequence=[item(WindowCenter=100, WindowWidth=300)],
    )
    facts = {
        "SOPClassUID": EnhancedMRImageStorage,
        "Modality": "MR",
        "position": None,
        "orientation": None,
        "spacing": None,
        "slope": None,
        "intercept": None,
        "SliceThickness": None,
        "WindowCenter": None,
        "WindowWidth": None,
    }
    ds = instance(np.asarray(stored), **{**facts, **more})
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.SharedFunctionalGroupsSequence = [shared]
    ds.PerFrameFunctionalGroupsSequence = frames
    return ds


def places(count, step=2.5, orientation=AXIAL, origin=(-70.0, -80.0, 30.0)):
    normal = np.cross(orientation[:3], orientation[3:])
    return [np.array(origin) + at * step * normal for at in range(count)]


@pytest.mark.parametrize("orientation", [AXIAL, oblique()])
def test_enhanced_against_highdicom(orientation):
    stored = phantom(6)
    order = np.random.default_rng(3).permutation(6)
    where = places(6, orientation=orientation)
    ds = enhanced(
        stored[order], [where[at] for at in order], slopes=[(2, -1000)] * 6, orientation=orientation
    )
    found = build([ds])
    np.testing.assert_array_equal(found, stored.astype(int) * 2 - 1000)
    assert found.dtype == np.int16
    theirs = highdicom.image.Image.from_dataset(copy.deepcopy(ds)).get_volume(
        apply_real_world_transform=False, apply_modality_transform=True
    )
    if np.dot(theirs.affine[:3, 0], found.affine[:3, 0]) < 0:
        theirs = theirs.flip_spatial(axes=[0])
    np.testing.assert_allclose(theirs.affine, found.affine, atol=1e-5)
    np.testing.assert_array_equal(theirs.array, found.array)
    assert found.slices["FrameNumber"].tolist() == (np.argsort(order) + 1).tolist()
    assert found.windows[0].center == 100
    assert found.spacing == pytest.approx((2.5, 0.8, 0.6))


def test_each_frame_has_its_own_slope():
    stored = phantom(5)
    slopes = [(1 + 0.5 * at, 10 * at) for at in range(5)]
    found = build([enhanced(stored, places(5), slopes=slopes)])
    expected = [plane * slope + more for plane, (slope, more) in zip(stored, slopes, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.dtype == np.float32
    assert found.slices["RescaleSlope"].tolist() == [slope for slope, _ in slopes]


def test_compressed_frames_and_several_instances():
    stored = phantom(6)
    ds = enhanced(stored[:3], places(6)[:3], number=1)
    other = enhanced(stored[3:], places(6)[3:], number=2)
    ds.compress(RLELossless)
    found = build([other, ds])
    np.testing.assert_array_equal(found, stored)
    assert found.slices["FrameNumber"].tolist() == [1, 2, 3, 1, 2, 3]
    assert found.slices["InstanceNumber"].tolist() == [1, 1, 1, 2, 2, 2]


def test_faults_name_the_frames():
    with pytest.raises(GeometryError, match=r"1 missing between frame 3 .* and frame 4"):
        build([enhanced(phantom(5), [*places(6)[:3], *places(6)[4:]])])
    ds = enhanced(phantom(5), places(5))
    del ds.PerFrameFunctionalGroupsSequence[4]
    with pytest.raises(DecodeError, match="5 frames, but functional groups for 4"):
        build([ds])


def test_frames_without_a_place():
    """A multi-frame image with one position is no stack at that position."""
    found = build([instance(phantom(4))])
    np.testing.assert_array_equal(found, phantom(4).astype(np.int16) - 1024)
    assert found.affine is None
    assert "numbers of their frames" in found.report[0]


def test_enhanced_echoes_make_a_fourth_axis():
    stored = phantom(8)
    groups = [{"MREchoSequence": [item(EffectiveEchoTime=20.0 - 10 * (at % 2))]} for at in range(8)]
    where = [place for place in places(4) for _ in range(2)]
    found = build([enhanced(stored, where, groups=groups)])
    assert found.shape == (2, 4, 20, 24)
    assert str(found.axis) == "EchoTime 10, 20 ms"
    np.testing.assert_array_equal(found.array, np.stack([stored[1::2], stored[::2]]))
    assert found.slices["EchoTime"].tolist() == [10] * 4 + [20] * 4
    assert found.slices["FrameNumber"].tolist() == [2, 4, 6, 8, 1, 3, 5, 7]


def stack(number, seed, orientation=AXIAL, **more):
    made = series(phantom(4, seed=seed), orientation=orientation, intercept=0, **more)
    for at, ds in enumerate(made):
        ds.InstanceNumber = number * 4 + at + 1
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"1.2.{number}.{at}"
    return made


@pytest.mark.parametrize("orientation", [AXIAL, oblique()])
@pytest.mark.parametrize(
    ("keyword", "values", "units"),
    [
        ("EchoTime", [4.6, 9.2, 13.8], "ms"),
        ("TemporalPositionIdentifier", [1, 2, 10], ""),
        ("DiffusionBValue", [0.0, 500.0, 1000.0], "s/mm²"),
        ("TriggerTime", [0.0, 33.5, 67.0], "ms"),
        ("InversionTime", [50, 400, 1100], "ms"),
        ("FlipAngle", [2, 5, 15], "°"),
        ("NominalPercentageOfCardiacPhase", [0.0, 40.0, 75.0], "%"),
        ("AcquisitionNumber", [3, 4, 5], ""),
    ],
)
def test_single_frames_of_several_stacks(keyword, values, units, orientation):
    made = [
        ds
        for number, value in enumerate(values)
        for ds in stack(number, number, orientation, **{keyword: value})
    ]
    found = build(shuffled(made))
    assert found.axis.keyword == keyword
    assert found.axis.units == units
    assert found.coordinates.tolist() == values
    expected = [phantom(4, seed=number) for number in range(3)]
    np.testing.assert_array_equal(found.array, expected)
    assert found.report == ()
    assert found.slices["InstanceNumber"].tolist() == list(range(1, 13))
    alone = build(made[:4])
    np.testing.assert_allclose(found.affine, alone.affine)
    np.testing.assert_array_equal(found.at(1), expected[1])


def test_times_of_each_slice():
    """Each slice has trigger times and clock times of its own; stacks go by their order."""
    made = [*stack(0, 0), *stack(1, 1)]
    for at, ds in enumerate(made):
        ds.TriggerTime = 100 * (at // 4) + at % 4
        ds.AcquisitionTime = f"2359{50 + at // 4}.{at % 4}"
    found = build(shuffled(made))
    assert found.axis.keyword == "TriggerTime"
    assert found.coordinates.tolist() == [1.5, 101.5]
    for ds in made:
        del ds.TriggerTime
    found = build(shuffled(made))
    assert found.axis.keyword == "AcquisitionTime"
    np.testing.assert_allclose(found.coordinates, [0, 1])
    np.testing.assert_array_equal(found.array, [phantom(4, seed=0), phantom(4, seed=1)])


def test_diffusion_directions_of_one_weighting():
    directions = [None, [1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]]
    made = [
        ds
        for number, way in enumerate(directions)
        for ds in stack(
            number,
            number,
            DiffusionBValue=0.0 if way is None else 1000.0,
            DiffusionGradientOrientation=way,
        )
    ]
    found = build(shuffled(made))
    assert found.coordinates.tolist() == [0, 1000, 1000, 1000]
    told = found.slices["DiffusionGradientOrientation"]
    for at in range(4):
        row = told.iloc[4 * at]
        number = 0 if pd.isna(row) else directions.index([float(x) for x in row.split("\\")])
        np.testing.assert_array_equal(found.array[at], phantom(4, seed=number))


def test_magnitude_is_kept_and_phase_set_apart():
    magnitude = stack(0, 0, ImageType=["ORIGINAL", "PRIMARY", "M", "ND"])
    phase = stack(1, 1, ImageType=["ORIGINAL", "PRIMARY", "P", "ND"])
    found = build([*phase, *magnitude])
    assert found.axis is None
    np.testing.assert_array_equal(found, phantom(4, seed=0))
    assert "4 of ImageType ORIGINAL\\PRIMARY\\P\\ND" in found.report[0]
    water = stack(0, 0, ImageType=["DERIVED", "PRIMARY", "DIXON", "WATER"])
    fat = stack(1, 1, ImageType=["DERIVED", "PRIMARY", "DIXON", "FAT"])
    with pytest.raises(GeometryError, match="FAT"):
        build([*fat, *water])
    np.testing.assert_array_equal(build([*fat, *water], strict=False), phantom(4, seed=0))


def test_two_things_vary():
    made = [
        ds
        for echo in (0, 1)
        for time in (0, 1, 2)
        for ds in stack(3 * echo + time, 3 * echo + time, EchoTime=5.0 + echo, TriggerTime=9 * time)
    ]
    with pytest.raises(GeometryError, match="one axis beside space"):
        build(made)
    found = build(made, strict=False)
    assert found.axis.keyword == "EchoTime"
    np.testing.assert_array_equal(found.array, [phantom(4, seed=0), phantom(4, seed=3)])
    assert "TriggerTime" in found.report[0]


def dose(offsets, first=30.0, orientation=AXIAL, scaling=0.001):
    return instance(
        phantom(len(offsets), dtype=np.uint32),
        position=(-10, -20, first),
        orientation=orientation,
        slope=None,
        intercept=None,
        SOPClassUID=RTDoseStorage,
        Modality="RTDOSE",
        DoseGridScaling=scaling,
        DoseUnits="GY",
        GridFrameOffsetVector=offsets,
    )


@pytest.mark.parametrize("offsets", [[0, 3, 6, 9], [0, -3, -6, -9], [30, 33, 36, 39]])
def test_dose_grids(offsets):
    found = build([dose(offsets)])
    stored = phantom(4, dtype=np.uint32) * 0.001
    z = [offset if offsets[0] else 30 + offset for offset in offsets]
    up = np.argsort(z)
    np.testing.assert_allclose(found, stored[up], rtol=1e-6)
    assert found.units == "Gy"
    assert found.origin == (-10, -20, min(z))
    assert found.spacing[0] == 3
    assert found.report == ()


def test_frames_of_a_dose_are_in_gray(tmp_path):
    """One value by frames, by volumes and by the step alone: never the stored one."""
    ds = dose([0, 3, 6, 9])
    (tmp_path / "dose.dcm").write_bytes(part10(ds))
    with dn.serve(tmp_path) as url:
        for archive in (dn.connect(tmp_path), dn.connect(url)):
            row = archive.instances().iloc[0]
            found = archive.frames(row, output="modality")
            np.testing.assert_allclose(found, phantom(4) * 0.001, rtol=1e-6)
            series_row = archive.series().iloc[0]
            np.testing.assert_array_equal(found, archive.volume(series_row))
            lazy = archive.volume(series_row, lazy=True)
            np.testing.assert_array_equal(found, lazy)
            assert lazy.units == "Gy"
            np.testing.assert_array_equal(archive.frames(row), phantom(4))
    np.testing.assert_allclose(modality(phantom(4)[1], ds, frame=2), phantom(4)[1] * 0.001)


@pytest.mark.parametrize("scaling", [None, 0, "-1"])
def test_a_dose_that_does_not_say_what_it_means(scaling):
    ds = dose([0, 3], scaling=scaling)
    with pytest.raises(DecodeError, match="DoseGridScaling"):
        modality(phantom(1)[0], ds)
    with pytest.raises(DecodeError, match="DoseGridScaling"):
        build([ds])


def test_dose_grids_that_are_wrong():
    oblique_dose = build([dose([0, 3, 6], orientation=oblique())])
    normal = np.cross(oblique()[:3], oblique()[3:])
    np.testing.assert_allclose(oblique_dose.affine[:3, 0], 3 * normal, atol=1e-6)
    with pytest.raises(DecodeError, match="neither"):
        build([dose([5, 8, 11])])
    ds = dose([0, 3, 6])
    ds.GridFrameOffsetVector = [0, 3]
    with pytest.raises(DecodeError, match="where each lies"):
        build([ds])
    with pytest.raises(GeometryError, match="unevenly spaced"):
        build([dose([0, 3, 9])])


def test_parametric_maps_are_in_real_world_values():
    stored = phantom(3)
    ds = enhanced(stored, places(3), SOPClassUID="1.2.840.10008.5.1.4.1.1.30")
    for frame in ds.PerFrameFunctionalGroupsSequence:
        del frame.PixelValueTransformationSequence
    mapping = item(
        RealWorldValueSlope=0.5,
        RealWorldValueIntercept=3.0,
        MeasurementUnitsCodeSequence=[item(CodeValue="um2/s", CodingSchemeDesignator="UCUM")],
    )
    ds.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence = [mapping]
    found = build([ds])
    np.testing.assert_allclose(found, stored * 0.5 + 3)
    assert found.units == "um2/s"


@pytest.mark.parametrize("name", ["emri_small.dcm", "rtdose.dcm", "eCT_Supplemental.dcm"])
def test_real_multi_frame_files(name):
    ds = pydicom.dcmread(real_file(name))
    found = build([ds], strict=False)
    values = ds.pixel_array.reshape(-1, *ds.pixel_array.shape[-2:]).astype(np.float64)
    if "DoseGridScaling" in ds:
        values = values * float(ds.DoseGridScaling)
    elif "PerFrameFunctionalGroupsSequence" not in ds:
        assert found.affine is None
    elif "PixelValueTransformationSequence" in ds.PerFrameFunctionalGroupsSequence[0]:
        for plane, groups in zip(values, ds.PerFrameFunctionalGroupsSequence, strict=True):
            by = groups.PixelValueTransformationSequence[0]
            plane[...] = plane * float(by.RescaleSlope) + float(by.RescaleIntercept)
    elif "PixelValueTransformationSequence" in ds.SharedFunctionalGroupsSequence[0]:
        by = ds.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence[0]
        values = values * float(by.RescaleSlope) + float(by.RescaleIntercept)
    frames = found.slices["FrameNumber"].to_numpy(int) - 1
    np.testing.assert_allclose(
        np.asarray(found).reshape(-1, *values.shape[1:]), values[frames], rtol=1e-6
    )


def test_the_demo_archive(demo_folder):
    """The enhanced CT, the perfusion, the map and the dose, each as what it is."""
    archive = dn.connect(demo_folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dn.errors.DicomnbWarning)  # the demo's odd dates
        table = archive.series()
    by = {str(row.SeriesDescription): row for _, row in table.iterrows()}
    scan = archive.volume(by["Thorax enhanced"])
    assert (scan.shape, scan.units, scan.dtype) == ((40, 192, 192), "HU", np.int16)
    assert scan.report == ()
    dose_row = table[table["Modality"] == "RTDOSE"].iloc[0]
    gray = archive.volume(dose_row)
    assert gray.units == "Gy"
    assert 40 < gray.array.max() < 70
    planning = table[
        (table["StudyInstanceUID"] == dose_row["StudyInstanceUID"]) & (table["Modality"] == "CT")
    ].iloc[0]
    on = gray.on(archive.volume(planning))
    assert on.shape == archive.volume(planning).shape
    assert np.nanmax(on.array) == pytest.approx(gray.array.max(), rel=0.05)
    for _, row in table[table["Modality"] == "MR"].iterrows():
        if "perfusion" in str(row.SeriesDescription).lower():
            found = archive.volume(row)
            assert found.report == (), row.SeriesDescription
