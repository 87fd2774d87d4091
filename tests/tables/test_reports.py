"""Measurements of structured reports: of the demo archive, of highdicom, of other makers."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pandas as pd
import pydicom
import pytest
from highdicom.sr import coding
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import SegmentationStorage

import dicomnb as dn
from dicomnb.tables import issues_of
from tests.conftest import real_file

CT = pydicom.dcmread(real_file("CT_small.dcm"))


def _observer() -> hd.sr.ObservationContext:
    person = hd.sr.PersonObserverIdentifyingAttributes(name="Doe^Jane")
    return hd.sr.ObservationContext(
        observer_person_context=hd.sr.ObserverContext(codes.DCM.Person, person)
    )


def _diameter(value: float, **more: Any) -> hd.sr.Measurement:
    return hd.sr.Measurement(
        name=codes.SCT.Diameter, value=value, unit=codes.UCUM.Millimeter, **more
    )


def _source() -> hd.sr.SourceImageForRegion:
    return hd.sr.SourceImageForRegion(
        referenced_sop_class_uid=CT.SOPClassUID, referenced_sop_instance_uid=CT.SOPInstanceUID
    )


def _planar() -> hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations:
    points = np.array([[10.0, 20.0], [30.0, 20.0], [30.0, 40.5], [10.0, 20.0]])
    return hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid="1.2.3.4", identifier="lesion 1"),
        referenced_region=hd.sr.ImageRegion("POLYLINE", points, _source()),
        finding_type=codes.SCT.Nodule,
        finding_sites=[
            hd.sr.FindingSite(codes.SCT.Lung, laterality=codes.SCT.Right),
        ],
        method=coding.CodedConcept("112030", "DCM", "Manual"),
        measurements=[
            _diameter(12.5, derivation=codes.SCT.Maximum),
            hd.sr.Measurement(codes.SCT.Area, 321.25, codes.UCUM.SquareMillimeter),
        ],
        qualitative_evaluations=[
            hd.sr.QualitativeEvaluation(
                coding.CodedConcept("111037", "DCM", "Margins"),
                coding.CodedConcept("112136", "DCM", "Spiculated"),
            )
        ],
    )


def _volumetric() -> hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    segment = hd.sr.ReferencedSegment(
        sop_class_uid="1.2.840.10008.5.1.4.1.1.66.4",
        sop_instance_uid="1.2.3.99",
        segment_number=2,
        source_series=hd.sr.SourceSeriesForSegmentation(CT.SeriesInstanceUID),
    )
    return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid="1.2.3.5", identifier="lesion 2"),
        referenced_segment=segment,
        measurements=[hd.sr.Measurement(codes.SCT.Volume, 99.5, codes.UCUM.CubicMillimeter)],
    )


def _whole_image() -> hd.sr.MeasurementsAndQualitativeEvaluations:
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid="1.2.3.6", identifier="image"),
        source_images=[
            hd.sr.SourceImageForMeasurementGroup(CT.SOPClassUID, CT.SOPInstanceUID, [1, 2])
        ],
        measurements=[
            hd.sr.Measurement(
                codes.SCT.Diameter,
                0.0,
                codes.UCUM.Millimeter,
                qualifier=coding.CodedConcept("114000", "DCM", "Not a number"),
            )
        ],
    )


@pytest.fixture(scope="module")
def report() -> Dataset:
    content = hd.sr.MeasurementReport(
        observation_context=_observer(),
        procedure_reported=codes.LN.CTUnspecifiedBodyRegion,
        imaging_measurements=[_planar(), _volumetric(), _whole_image()],
    )
    segmentation = copy.deepcopy(CT)
    segmentation.SOPClassUID = SegmentationStorage
    segmentation.SOPInstanceUID, segmentation.SeriesInstanceUID = "1.2.3.99", "1.2.3.98"
    made: Dataset = hd.sr.Comprehensive3DSR(
        evidence=[CT, segmentation],
        content=content[0],
        series_number=1,
        series_instance_uid="1.2.3.100",
        sop_instance_uid="1.2.3.101",
        instance_number=1,
        manufacturer="x",
    )
    return made


def test_the_groups_of_highdicom(report: Dataset) -> None:
    table = dn.measurements(report)
    assert table.SOPInstanceUID.unique().tolist() == ["1.2.3.101"]
    assert table.Group.tolist() == [1, 1, 1, 2, 3]
    assert table.Kind.tolist() == ["measurement"] * 2 + ["evaluation"] + ["measurement"] * 2
    assert table.Name.tolist() == ["Diameter", "Area", "Margins", "Volume", "Diameter"]
    assert table.Value.tolist()[:2] == [12.5, 321.25]
    assert table.Unit.tolist()[:2] == ["mm", "mm2"]
    first, margins, volume, image = (table.iloc[place] for place in (0, 2, 3, 4))
    assert first.TrackingIdentifier == "lesion 1"
    assert first.TrackingUniqueIdentifier == "1.2.3.4"
    assert (first.Finding, first.FindingSite, first.Laterality) == ("Nodule", "Lung", "Right")
    assert first.FindingCode == "SCT:27925004"
    assert (first.Method, first.Derivation) == ("Manual", "Maximum")
    assert first.ReferencedSOPInstanceUID == (CT.SOPInstanceUID,)
    assert first.Region[0]["GraphicType"] == "POLYLINE"
    assert first.Region[0]["Points"][2] == (30.0, 40.5)
    assert (
        first.Section
        == "Imaging Measurement Report / Imaging Measurements / Measurement Group"[
            len("Imaging Measurement Report / ") :
        ]
    )
    assert (margins.Text, margins.TextCode) == ("Spiculated", "DCM:112136")
    assert np.isnan(margins.Value)
    assert volume.ReferencedSegmentNumber == (2,)
    assert volume.ReferencedSOPInstanceUID == ("1.2.3.99",)
    assert volume.SourceSeriesInstanceUID == (CT.SeriesInstanceUID,)
    assert (image.Qualifier, image.ReferencedFrameNumber) == ("Not a number", (1, 2))


def test_highdicom_reads_the_same(report: Dataset) -> None:
    theirs = hd.sr.Comprehensive3DSR.from_dataset(report).content
    groups = [
        *theirs.get_planar_roi_measurement_groups(),
        *theirs.get_volumetric_roi_measurement_groups(),
    ]
    mine = dn.measurements(report)
    for number, group in enumerate(groups, 1):
        rows = mine[(mine.Group == number) & (mine.Kind == "measurement")]
        assert rows.Name.tolist() == [one.name.meaning for one in group.get_measurements()]
        assert rows.Value.tolist() == [one.value for one in group.get_measurements()]
        assert rows.Unit.tolist() == [one.unit.value for one in group.get_measurements()]
        assert set(rows.TrackingUniqueIdentifier) == {group.tracking_uid}


def test_the_columns_are_the_same_for_no_rows(report: Dataset, tmp_path: Path) -> None:
    some, none = dn.measurements(report), dn.measurements([])
    assert none.dtypes.equals(some.dtypes)
    assert len(none) == 0
    dn.save_table(some, tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(dn.load_table(tmp_path / "t.parquet"), some)
    assert some.dicom.describe().instances == 1


def test_numbers_of_any_report_come_without_a_group() -> None:
    names = ("test-SR.dcm", "reportsi.dcm")
    for name in names:
        dataset = pydicom.dcmread(real_file(name))
        table = dn.measurements(dataset)
        wanted = [item for item in dataset.iterall() if item.keyword == "NumericValue"]
        assert table.Value.tolist() == [float(item.value) for item in wanted]
        assert table.Group.isna().all()


def test_a_bad_value_costs_its_cell(report: Dataset) -> None:
    bad = copy.deepcopy(report)
    group = bad.ContentSequence[-1].ContentSequence[0]
    numbers = [item for item in group.ContentSequence if item.ValueType == "NUM"]
    numbers[0].MeasuredValueSequence[0].FloatingPointValue = None
    element = numbers[0].MeasuredValueSequence[0]
    element._dict[pydicom.tag.Tag("NumericValue")] = pydicom.dataelem.RawDataElement(
        pydicom.tag.Tag("NumericValue"), "DS", 4, b"0,5 ", 0, False, True
    )
    del numbers[1].MeasuredValueSequence
    del numbers[1].ConceptNameCodeSequence
    with pytest.warns(dn.DicomnbWarning, match="NumericValue"):
        table = dn.measurements(bad)
    assert np.isnan(table.Value[:2]).all()
    assert table.Unit[0] == "mm"
    assert issues_of(table).Raw.tolist() == ['"0,5"']
    assert len(table) == 5


def test_what_is_no_report_is_told() -> None:
    with pytest.raises(ValueError, match="no structured report"):
        dn.measurements(CT)
    with pytest.raises(TypeError, match="int"):
        dn.measurements([5])  # type: ignore[list-item]


def test_by_reference_relationships_are_followed() -> None:
    region = Dataset()
    region.ValueType, region.GraphicType, region.GraphicData = "SCOORD", "POINT", [1.0, 2.0]
    pointer = Dataset()
    pointer.RelationshipType = "INFERRED FROM"
    pointer.ReferencedContentItemIdentifier = [1, 1]
    lost = Dataset()
    lost.ReferencedContentItemIdentifier = [1, 9]
    number = Dataset()
    number.ValueType, number.ContentSequence = "NUM", [pointer, lost]
    root = Dataset()
    root.ValueType, root.ContentSequence = "CONTAINER", [region, number]
    with pytest.warns(dn.DicomnbWarning, match="no such content item"):
        table = dn.measurements(root)
    assert table.Region[0] == ({"GraphicType": "POINT", "Points": ((1.0, 2.0),)},)


def test_an_archive_reads_its_reports(report: Dataset, tmp_path: Path) -> None:
    report.save_as(tmp_path / "sr.dcm", enforce_file_format=True)
    with dn.connect(tmp_path) as archive:
        table = archive.measurements(archive.series(Modality="SR"))
        assert table.Value.tolist()[:2] == [12.5, 321.25]
        assert table.dicom.archive is archive
        assert table.dicom.ref(0).uid == "1.2.3.101"
