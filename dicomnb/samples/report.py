"""SR: the measurements of the nodules as a TID 1500 report (PS3.16)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydicom.uid import Comprehensive3DSRStorage, SegmentationStorage

from dicomnb.samples.segmentation import source_scan
from dicomnb.samples.write import code, file_meta, item, number, put, reference, series_header, uid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydicom.dataset import Dataset

    from dicomnb.samples.cast import Made
    from dicomnb.samples.nodules import Nodule

__all__ = ["MeasurementReport"]


@dataclass(frozen=True)
class MeasurementReport:
    """Diameter, margin and kind of each nodule of a CT, with its segment of the SEG.

    Attributes:
        number: SeriesNumber.
        of: the series number of the CT.
        segmentation: the series number of the SEG.
    """

    number: int
    of: int
    segmentation: int
    description: str = "Nodule measurements"

    def datasets(self, made: Made) -> Iterable[Dataset]:
        """Make the one instance."""
        study, images = made.study, made.series[self.of]
        segmentation = made.series[self.segmentation][0]
        nodules = source_scan(made, self.of).nodules(study.person)
        dataset = series_header(
            study,
            self.number,
            Comprehensive3DSRStorage,
            Modality="SR",
            SeriesDescription=self.description,
            Manufacturer="dicomnb",
            ManufacturerModelName="Phantom",
            DeviceSerialNumber="1",
            SoftwareVersions="1",
            SOPInstanceUID=uid(study.series_uid(self.number), 1),
            InstanceNumber=1,
            ReferencedPerformedProcedureStepSequence=[],
            CompletionFlag="COMPLETE",
            VerificationFlag="UNVERIFIED",
            PreliminaryFlag="FINAL",
            PerformedProcedureCodeSequence=[],
            CurrentRequestedProcedureEvidenceSequence=item(
                StudyInstanceUID=study.uid,
                ReferencedSeriesSequence=[
                    item(
                        SeriesInstanceUID=members[0].SeriesInstanceUID,
                        ReferencedSOPSequence=[reference(member) for member in members],
                    )
                    for members in (images, [segmentation])
                ],
            ),
        )
        groups = [self._group(made, nodule, place) for place, nodule in enumerate(nodules)]
        return [file_meta(_root(dataset, groups))]

    def _group(self, made: Made, nodule: Nodule, place: int) -> Dataset:
        """Make one measurement group: a volumetric ROI and its measurements (TID 1411)."""
        segmentation = made.series[self.segmentation][0]
        segment = item(
            ReferencedSOPClassUID=SegmentationStorage,
            ReferencedSOPInstanceUID=segmentation.SOPInstanceUID,
            ReferencedSegmentNumber=place + 3,
        )
        kind = ("21594007", "Malignant") if nodule.malignant else ("30807003", "Benign")
        smooth = code("82280004", "SCT", "Smooth")
        margin = code("112136", "DCM", "Spiculated") if nodule.malignant else smooth
        return _content(
            "CONTAINS",
            "CONTAINER",
            code("125007", "DCM", "Measurement Group"),
            ContinuityOfContent="SEPARATE",
            ContentTemplateSequence=item(MappingResource="DCMR", TemplateIdentifier="1411"),
            ContentSequence=[
                _content(
                    "HAS OBS CONTEXT", "TEXT", code("112039", "DCM", "Tracking Identifier"),
                    TextValue=f"nodule-{nodule.number}",
                ),
                _content(
                    "HAS OBS CONTEXT", "UIDREF",
                    code("112040", "DCM", "Tracking Unique Identifier"),
                    UID=uid("nodule", nodule.seed, nodule.number),
                ),
                _coded(code("121071", "DCM", "Finding"), code("27925004", "SCT", "Nodule")),
                _content(
                    "CONTAINS", "IMAGE", code("121191", "DCM", "Referenced Segment"),
                    ReferencedSOPSequence=segment,
                ),
                _content(
                    "CONTAINS", "UIDREF",
                    code("121232", "DCM", "Source series for segmentation"),
                    UID=made.series[self.of][0].SeriesInstanceUID,
                ),
                _content(
                    "CONTAINS", "NUM", code("81827009", "SCT", "Diameter"),
                    MeasuredValueSequence=item(
                        NumericValue=number(nodule.diameter),
                        MeasurementUnitsCodeSequence=code("mm", "UCUM", "mm"),
                    ),
                ),
                _coded(code("111037", "DCM", "Margins"), margin),
                _coded(code("111388", "DCM", "Malignancy Type"), code(kind[0], "SCT", kind[1])),
            ],
        )  # fmt: skip


def _content(relation: str, kind: str, concept: Dataset, **values: object) -> Dataset:
    """Make a content item (PS3.3 C.17.3)."""
    return item(
        RelationshipType=relation, ValueType=kind, ConceptNameCodeSequence=concept, **values
    )


def _coded(concept: Dataset, value: Dataset, relation: str = "CONTAINS") -> Dataset:
    return _content(relation, "CODE", concept, ConceptCodeSequence=value)


def _root(dataset: Dataset, groups: list[Dataset]) -> Dataset:
    """Make the report's root out of its header (TID 1500)."""
    language = code("en-US", "RFC5646", "English (United States)")
    observer = code("121007", "DCM", "Device")
    measurements = _content(
        "CONTAINS",
        "CONTAINER",
        code("126010", "DCM", "Imaging Measurements"),
        ContinuityOfContent="SEPARATE",
        ContentSequence=groups,
    )
    return put(
        dataset,
        ValueType="CONTAINER",
        ConceptNameCodeSequence=code("126000", "DCM", "Imaging Measurement Report"),
        ContinuityOfContent="SEPARATE",
        ContentTemplateSequence=item(MappingResource="DCMR", TemplateIdentifier="1500"),
        ContentSequence=[
            _coded(
                code("121049", "DCM", "Language of Content Item and Descendants"),
                language,
                "HAS CONCEPT MOD",
            ),
            _coded(code("121005", "DCM", "Observer Type"), observer, "HAS OBS CONTEXT"),
            _content(
                "HAS OBS CONTEXT",
                "UIDREF",
                code("121012", "DCM", "Device Observer UID"),
                UID=uid("device"),
            ),
            _coded(
                code("121058", "DCM", "Procedure reported"),
                code("77477000", "SCT", "Computed tomography"),
                "HAS CONCEPT MOD",
            ),
            measurements,
        ],
    )
