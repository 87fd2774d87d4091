"""SEG, RTSTRUCT, RTDOSE and SR, read with other people's readers."""

from __future__ import annotations

import warnings

import highdicom
import numpy as np
import pytest

from dicomnb.samples.cast import Made
from dicomnb.samples.plan import STUDIES
from dicomnb.samples.radiotherapy import StructureSet
from dicomnb.samples.truth import labels


@pytest.fixture(scope="module")
def nodules():
    return labels().set_index("SeriesInstanceUID")


def _area(contour):
    """Twice the signed area of a planar contour, in mm²; holes are negative."""
    points = np.array(contour.ContourData, dtype=float).reshape(-1, 3)
    x, y = points[:, 0], points[:, 1]
    return float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2


def test_highdicom_reads_the_segmentation(demo, nodules):
    members = demo.series("DNB-0001", 2, 1)
    (dataset,) = demo.series("DNB-0001", 2, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reader's own
        segmentation = highdicom.seg.Segmentation.from_dataset(dataset)
    described = [segmentation.get_segment_description(i) for i in segmentation.segment_numbers]
    expected = nodules.loc[[members[0].SeriesInstanceUID]]
    assert [item.segment_label for item in described] == [
        "Right lung", "Left lung",
        *(f"Nodule {row.Nodule}, {row.Kind}" for row in expected.itertuples()),
    ]  # fmt: skip
    sides = [
        item.SegmentedPropertyTypeCodeSequence[0]
        .SegmentedPropertyTypeModifierCodeSequence[0]
        .CodeMeaning
        for item in described[:2]
    ]
    assert sides == ["Right", "Left"]
    ordered = sorted(members, key=lambda ds: -ds.ImagePositionPatient[2])
    masks = segmentation.get_pixels_by_source_instance(
        source_sop_instance_uids=[ds.SOPInstanceUID for ds in ordered],
        segment_numbers=[1, 2],
        assert_missing_frames_are_empty=True,
    )
    stack = np.stack([ds.pixel_array.astype(int) - 1024 for ds in ordered])
    right, left = masks[..., 0] > 0, masks[..., 1] > 0
    assert np.median(stack[right | left]) < -750
    assert np.flatnonzero(right.any(axis=(0, 1))).max() < 128  # the patient's right is x below 0
    assert np.flatnonzero(left.any(axis=(0, 1))).min() >= 128
    litres = (right | left).sum() * 1.4 * 1.4 * 2.5 / 1e6
    assert 2.5 < litres < 7


def test_highdicom_reads_the_report(demo, nodules):
    (dataset,) = demo.series("DNB-0001", 2, 3)
    report = highdicom.sr.Comprehensive3DSR.from_dataset(dataset)
    groups = report.content.get_volumetric_roi_measurement_groups()
    expected = nodules.loc[[demo.series("DNB-0001", 2, 1)[0].SeriesInstanceUID]]
    assert len(groups) == len(expected)
    for place, (group, row) in enumerate(zip(groups, expected.itertuples(), strict=True), start=3):
        (diameter,) = group.get_measurements()
        assert (diameter.name.meaning, diameter.unit.value) == ("Diameter", "mm")
        assert float(diameter.value) == row.Diameter
        words = {
            item.name.meaning: item.value.meaning.lower()
            for item in group.get_qualitative_evaluations()
        }
        assert words == {"Margins": row.Margin, "Malignancy Type": row.Kind}
        segment = group.referenced_segment[0].ReferencedSOPSequence[0]
        assert segment.ReferencedSegmentNumber == place
    evidence = dataset.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    assert [len(item.ReferencedSOPSequence) for item in evidence] == [96, 1]


def test_contours_surround_what_they_name(demo, nodules):
    members = demo.series("DNB-0010")
    (structures,) = demo.series("DNB-0010", 1, 2)
    known = {str(ds.SOPInstanceUID): ds for ds in members}
    names = [item.ROIName for item in structures.StructureSetROISequence]
    assert names[:2] == ["Lung_R", "Lung_L"]
    volumes = {}
    for name, region in zip(names, structures.ROIContourSequence, strict=True):
        volumes[name] = 5 * sum(_area(contour) for contour in region.ContourSequence)
        for contour in region.ContourSequence:
            image = known[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
            assert float(contour.ContourData[2]) == pytest.approx(image.ImagePositionPatient[2])
            assert len(contour.ContourData) == 3 * contour.NumberOfContourPoints
    assert 2.5e6 < volumes["Lung_R"] + volumes["Lung_L"] < 7e6
    for row in nodules.loc[[members[0].SeriesInstanceUID]].itertuples():
        region = structures.ROIContourSequence[names.index(f"Nodule_{row.Nodule}")]
        points = np.concatenate(
            [np.array(item.ContourData, dtype=float).reshape(-1, 3)
             for item in region.ContourSequence]
        )  # fmt: skip
        np.testing.assert_allclose(
            (points.min(axis=0) + points.max(axis=0)) / 2, [row.X, row.Y, row.Z], atol=3.1
        )
        assert volumes[f"Nodule_{row.Nodule}"] == pytest.approx(
            np.pi / 6 * row.Diameter**3, rel=0.45
        )


def test_the_dose_is_highest_in_the_largest_nodule(demo, nodules):
    (dose,) = demo.series("DNB-0010", 1, 3)
    assert dose.BitsAllocated == 32
    gray = dose.pixel_array * float(dose.DoseGridScaling)
    assert gray.max() == pytest.approx(54, rel=0.1)
    offsets = np.array(dose.GridFrameOffsetVector, dtype=float)
    assert len(offsets) == dose.NumberOfFrames
    frame, row, column = np.unravel_index(np.argmax(gray), gray.shape)
    x, y, z = (float(part) for part in dose.ImagePositionPatient)
    place = (
        x + column * float(dose.PixelSpacing[1]),
        y + row * float(dose.PixelSpacing[0]),
        z + offsets[frame],
    )
    table = nodules.loc[[demo.series("DNB-0010")[0].SeriesInstanceUID]]
    target = table.sort_values("Diameter").iloc[-1]
    away = np.linalg.norm(np.array(place) - target[["X", "Y", "Z"]].to_numpy(dtype=float))
    assert away < target.Diameter
    assert dose.FrameOfReferenceUID == demo.series("DNB-0010")[0].FrameOfReferenceUID


def test_what_is_not_a_chest_ct_cannot_be_derived_from():
    head = next(study for study in STUDIES if study.person.patient_id == "DNB-0005")
    with pytest.raises(TypeError, match="not a chest CT"):
        StructureSet(3, 1).datasets(Made(head))


def test_pet_of_what_is_not_a_chest_ct():
    from dicomnb.samples.pet import ChestPET

    head = next(study for study in STUDIES if study.person.patient_id == "DNB-0005")
    with pytest.raises(TypeError, match="not a chest CT"):
        ChestPET(3, 1).datasets(Made(head))
