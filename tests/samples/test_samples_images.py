"""The images are what they claim to be: units, contrast, geometry, colours."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK
from pydicom.pixels import apply_color_lut

from dicomnb.samples.ct import ChestCT
from dicomnb.samples.plan import STUDIES


def _stack(members):
    ordered = sorted(members, key=lambda ds: -float(ds.ImagePositionPatient[2]))
    return np.stack(
        [
            ds.pixel_array * float(ds.get("RescaleSlope", 1)) + float(ds.get("RescaleIntercept", 0))
            for ds in ordered
        ]
    )


def test_simpleitk_reads_the_clean_series_as_we_do(demo):
    members = demo.series("DNB-0001", 2, 1)
    reader = SimpleITK.ImageSeriesReader()
    folder = str(members[0].path.parent)
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(folder))
    image = reader.Execute()
    assert image.GetSize() == (256, 256, 96)
    assert image.GetSpacing() == pytest.approx((1.4, 1.4, 2.5))
    lowest = min(members, key=lambda ds: ds.ImagePositionPatient[2])
    assert image.GetOrigin() == pytest.approx([float(p) for p in lowest.ImagePositionPatient])
    assert np.array_equal(SimpleITK.GetArrayFromImage(image)[::-1], _stack(members))


def _chest_places():
    """The body coordinates of organs, and the HU that should be there."""
    return {
        "liver": ((-60, -10, -120), (45, 75)),
        "descending aorta": ((25, 41, -30), (35, 55)),
        "windpipe": ((1.3, 5.8, 40), (-1030, -900)),
        "subcutaneous air": ((0, -170, 0), (-1030, -970)),
    }


@pytest.mark.parametrize("person", ["DNB-0002", "DNB-0004", "DNB-0014", "DNB-0015"])
def test_organs_have_their_hounsfield_units(demo, person):
    study = next(
        study
        for study in STUDIES
        if study.person.patient_id == person and isinstance(study.recipes[0], ChestCT)
    )
    scan, size = study.recipes[0], np.array(study.person.chest_body.size)
    members = [ds for ds in demo.series(person, study.number) if "AXIAL" in ds.ImageType]
    stack = _stack(members)
    for organ, (place, (low, high)) in _chest_places().items():
        z, y, x = (round(part) for part in scan.grid.index(tuple(np.array(place) * size)))
        middle = stack[z, y - 1 : y + 2, x - 1 : x + 2].mean()
        assert low - 12 < middle < high + 12, (organ, middle)
    lung = stack[(stack > -950) & (stack < -700)]
    assert np.median(lung) == pytest.approx(-825, abs=40)
    assert (stack > 300).mean() > 0.004  # bone
    fat = stack[(stack > -140) & (stack < -60)]
    assert fat.size / stack.size > 0.02


def test_scanners_store_in_different_ways(demo):
    ways = set()
    for person in ("DNB-0001", "DNB-0002", "DNB-0004", "DNB-0010"):
        dataset = demo.series(person, 2 if person == "DNB-0001" else 1)[0]
        ways.add((dataset.PixelRepresentation, dataset.BitsStored, int(dataset.RescaleIntercept)))
        values = dataset.pixel_array
        assert values.max() < 2 ** (dataset.BitsStored - dataset.PixelRepresentation)
    assert ways == {(0, 12, -1024), (1, 16, 0), (1, 16, -1024), (0, 16, -1024)}


@pytest.mark.parametrize("number", [2, 3, 4])
def test_compressed_series_are_the_same_pixel_for_pixel(demo, number):
    plain, packed = demo.series("DNB-0012", 1, 1), demo.series("DNB-0012", 1, number)
    assert packed[0].file_meta.TransferSyntaxUID.is_compressed
    assert len(plain) == len(packed) == 30
    for one, two in zip(plain, packed, strict=True):
        assert one.SOPInstanceUID != two.SOPInstanceUID
        assert one.ImagePositionPatient == two.ImagePositionPatient
        assert np.array_equal(one.pixel_array, two.pixel_array)
    assert sum(len(ds.PixelData) for ds in packed) < 0.8 * sum(len(ds.PixelData) for ds in plain)


def test_the_three_syntaxes(demo):
    syntaxes = [
        str(demo.series("DNB-0012", 1, number)[0].file_meta.TransferSyntaxUID)
        for number in (2, 3, 4)
    ]
    assert syntaxes == [
        "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90",
    ]  # fmt: skip


def test_the_head_has_the_contrast_of_its_sequences(demo):
    t1, t2 = (_stack(demo.series("DNB-0005", 1, number)) for number in (1, 2))
    # the water of the ventricles is dark in T1 and bright in T2, white matter the reverse
    ventricle = t2 > 800
    assert ventricle[8:16].sum() > 500
    assert np.median(t1[ventricle]) < 250
    white = (t1 > 560) & (t1 < 720)
    assert white.sum() > 20_000
    assert np.median(t2[white]) == pytest.approx(330, abs=90)
    grey = (t1 > 380) & (t1 < 450)
    assert np.median(t2[grey]) > np.median(t2[white]) + 60


def test_the_perfusion_is_four_dimensional(demo):
    members = demo.series("DNB-0007", 1, 2)
    times = {int(ds.TemporalPositionIdentifier) for ds in members}
    places = {float(ds.ImagePositionPatient[2]) for ds in members}
    assert times == set(range(1, 15))
    assert len(members) == len(times) * len(places) == 140
    assert {int(ds.NumberOfTemporalPositions) for ds in members} == {14}
    curve = [
        np.mean([ds.pixel_array[30:66, 30:66].mean() for ds in members
                 if int(ds.TemporalPositionIdentifier) == time])
        for time in sorted(times)
    ]  # fmt: skip
    assert 4 <= int(np.argmin(curve)) <= 9
    assert min(curve) < 0.75 * curve[0]
    assert curve[-1] > 0.85 * curve[0]


def test_the_palette_image_has_colours(demo):
    (dataset,) = demo.series("DNB-0007", 1, 3)
    assert dataset.PhotometricInterpretation == "PALETTE COLOR"
    colours = apply_color_lut(dataset.pixel_array, dataset) >> 8
    spread = colours.max(axis=-1).astype(int) - colours.min(axis=-1)
    assert colours.shape == (192, 192, 3)
    assert (spread > 100).mean() > 0.1
    assert colours[:8, :8].max() < 30  # black outside the head


def test_the_pet_is_in_becquerel_and_fits_its_ct(demo):
    ct, pet = demo.series("DNB-0003", 1, 1), demo.series("DNB-0003", 1, 2)
    assert ct[0].FrameOfReferenceUID == pet[0].FrameOfReferenceUID
    heights = [{float(ds.ImagePositionPatient[2]) for ds in members} for members in (ct, pet)]
    assert heights[0] == heights[1]
    dataset = pet[0]
    assert dataset.Units == "BQML"
    tracer = dataset.RadiopharmaceuticalInformationSequence[0]
    start, scan = tracer.RadiopharmaceuticalStartTime, dataset.SeriesTime
    wait = 3600 * (int(scan[:2]) - int(start[:2]))
    decayed = tracer.RadionuclideTotalDose * 0.5 ** (wait / float(tracer.RadionuclideHalfLife))
    suv = _stack(pet) * float(dataset.PatientWeight) * 1000 / decayed
    study = next(s for s in STUDIES if s.person.patient_id == "DNB-0003")
    size = np.array(study.person.chest_body.size)
    grid = study.recipes[1].grid
    z, y, x = (round(part) for part in grid.index(tuple(np.array((-60, -10, -118)) * size)))
    assert suv[z, y - 2 : y + 3, x - 2 : x + 3].mean() == pytest.approx(2.3, abs=0.3)
    for nodule in study.recipes[0].nodules(study.person):
        z, y, x = (round(part) for part in grid.index(nodule.centre))
        peak = suv[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2].max()
        assert (peak > 3) == nodule.malignant, (nodule, peak)


def test_the_radiograph_is_monochrome1(demo):
    (dataset,) = demo.series("DNB-0001", 1, 1)
    assert dataset.PhotometricInterpretation == "MONOCHROME1"
    stored = dataset.pixel_array.astype(int)
    rows, columns = stored.shape
    air = stored[:20, :20].mean()
    lung = stored[rows // 3 : rows // 2, columns // 5 : columns // 3].mean()
    spine = stored[rows // 2 :, columns * 48 // 100 : columns * 52 // 100].mean()
    assert air > lung + 500 > spine + 700  # the lowest value is the whitest: bone


def test_the_cines_move_and_have_colour(demo):
    for person, number, frames in (("DNB-0008", 1, 24), ("DNB-0009", 1, 12)):
        (dataset,) = demo.series(person, 1, number)
        movie = dataset.pixel_array
        assert movie.shape[0] == frames
        assert movie.shape[-1] == 3
        spread = movie.max(axis=-1).astype(int) - movie.min(axis=-1)
        inner = spread[:, 60:-40, 60:-40]
        assert ((inner > 90).mean(axis=(1, 2)) > 0.001).sum() > frames / 2
        assert np.abs(np.diff(movie[..., 0].astype(int), axis=0)).mean() > 3
    (dataset,) = demo.series("DNB-0008")
    assert dataset.PhotometricInterpretation == "YBR_FULL_422"
    (dataset,) = demo.series("DNB-0009")
    assert dataset.PhotometricInterpretation == "RGB"


def test_the_enhanced_ct_has_its_functional_groups(demo):
    (dataset,) = demo.series("DNB-0011")
    assert dataset.NumberOfFrames == len(dataset.PerFrameFunctionalGroupsSequence) == 40
    heights = [
        float(frame.PlanePositionSequence[0].ImagePositionPatient[2])
        for frame in dataset.PerFrameFunctionalGroupsSequence
    ]
    np.testing.assert_allclose(np.diff(heights), -6)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    assert shared.PixelValueTransformationSequence[0].RescaleType == "HU"
    indices = [
        list(frame.FrameContentSequence[0].DimensionIndexValues)
        for frame in dataset.PerFrameFunctionalGroupsSequence
    ]
    assert indices == [[1, place] for place in range(1, 41)]
