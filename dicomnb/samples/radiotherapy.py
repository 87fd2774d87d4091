"""RTSTRUCT and RTDOSE on a planning CT (PS3.3 A.19, A.18)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydicom.uid import RTDoseStorage, RTStructureSetStorage

from dicomnb.samples.contours import outlines
from dicomnb.samples.segmentation import lung_masks, nodule_mask, source_scan
from dicomnb.samples.shapes import blur
from dicomnb.samples.write import (
    file_meta,
    item,
    number,
    pixels,
    put,
    reference,
    series_header,
    uid,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from dicomnb.samples.cast import Made
    from dicomnb.samples.nodules import Nodule

    Floats = NDArray[np.float32]

__all__ = ["Dose", "StructureSet"]

_DETACHED_STUDY = "1.2.840.10008.3.1.2.3.1"  # Detached Study Management, as RT references it


@dataclass(frozen=True)
class StructureSet:
    """The lungs and the nodules of a CT as contours.

    Attributes:
        number: SeriesNumber.
        of: the series number of the CT.
    """

    number: int
    of: int
    description: str = "Structures"

    def datasets(self, made: Made) -> Iterable[Dataset]:
        """Make the one instance."""
        nodules = source_scan(made, self.of).nodules(made.study.person)
        right, left = lung_masks(made, self.of)
        regions = [("Lung_R", "ORGAN", right, (80, 160, 255)), ("Lung_L", "ORGAN", left,
                                                                 (80, 220, 160))]  # fmt: skip
        for nodule in nodules:
            mask = nodule_mask(made, self.of, nodule)
            colour = (255, 60, 60) if nodule.malignant else (255, 210, 60)
            regions.append((f"Nodule_{nodule.number}", "GTV", mask, colour))
        dataset = self._header(made)
        images, frame = made.series[self.of], made.series[self.of][0].FrameOfReferenceUID
        put(
            dataset,
            StructureSetROISequence=[
                item(
                    ROINumber=str(place),
                    ReferencedFrameOfReferenceUID=frame,
                    ROIName=name,
                    ROIGenerationAlgorithm="AUTOMATIC",
                )
                for place, (name, *_) in enumerate(regions, start=1)
            ],
            ROIContourSequence=[
                item(
                    ROIDisplayColor=[str(part) for part in colour],
                    ReferencedROINumber=str(place),
                    ContourSequence=_contours(mask, images),
                )
                for place, (_, _, mask, colour) in enumerate(regions, start=1)
            ],
            RTROIObservationsSequence=[
                item(
                    ObservationNumber=str(place),
                    ReferencedROINumber=str(place),
                    RTROIInterpretedType=kind,
                    ROIInterpreter="",
                )
                for place, (_, kind, *_) in enumerate(regions, start=1)
            ],
        )
        return [file_meta(dataset)]

    def _header(self, made: Made) -> Dataset:
        images = made.series[self.of]
        study = made.study
        series = item(
            SeriesInstanceUID=images[0].SeriesInstanceUID,
            ContourImageSequence=[reference(image) for image in images],
        )
        referenced = item(
            ReferencedSOPClassUID=_DETACHED_STUDY,
            ReferencedSOPInstanceUID=study.uid,
            RTReferencedSeriesSequence=series,
        )
        return series_header(
            study,
            self.number,
            RTStructureSetStorage,
            Modality="RTSTRUCT",
            SeriesDescription=self.description,
            Manufacturer="dicomnb",
            ManufacturerModelName="Phantom",
            SoftwareVersions="1",
            OperatorsName="",
            SOPInstanceUID=uid(study.series_uid(self.number), 1),
            InstanceNumber=1,
            StructureSetLabel="TRUTH",
            StructureSetDate=study.date,
            StructureSetTime=study.time,
            FrameOfReferenceUID=images[0].FrameOfReferenceUID,
            ReferencedFrameOfReferenceSequence=item(
                FrameOfReferenceUID=images[0].FrameOfReferenceUID,
                RTReferencedStudySequence=referenced,
            ),
            ApprovalStatus="UNAPPROVED",
        )


def _contours(mask: NDArray[np.bool_], images: list[Dataset]) -> list[Dataset]:
    """Give a closed planar contour for each outline of each slice."""
    contours = []
    for index in np.flatnonzero(mask.any(axis=(1, 2))):
        image = images[int(index)]
        x, y, z = (float(part) for part in image.ImagePositionPatient)
        row_step, column_step = (float(part) for part in image.PixelSpacing)
        for line in outlines(mask[index]):
            points = np.empty((len(line), 3))
            points[:, 0] = x + line[:, 1] * column_step
            points[:, 1] = y + line[:, 0] * row_step
            points[:, 2] = z
            contours.append(
                item(
                    ContourImageSequence=reference(image),
                    ContourGeometricType="CLOSED_PLANAR",
                    NumberOfContourPoints=str(len(points)),
                    ContourData=[f"{part:.2f}" for part in points.ravel()],
                )
            )
    return contours


@dataclass(frozen=True)
class Dose:
    """The dose of three beams on the largest nodule of a CT.

    Attributes:
        number: SeriesNumber.
        of: the series number of the CT.
        structures: the series number of the structure set.
        prescription: Gy in the middle.
    """

    number: int
    of: int
    structures: int
    shape: tuple[int, int, int] = (40, 72, 84)
    spacing: float = 4.0
    prescription: float = 54.0
    description: str = "Dose, three beams"

    def datasets(self, made: Made) -> Iterable[Dataset]:
        """Make the one multi-frame instance, 32 bits a voxel, from the head down."""
        scan = source_scan(made, self.of)
        target = max(scan.nodules(made.study.person), key=lambda nodule: nodule.diameter)
        x0, y0, z0 = (
            start - grid0
            for start, grid0 in zip(
                scan.origin(made.study), (scan.grid.x[0], scan.grid.y[0], scan.top), strict=True
            )
        )
        half = [(length - 1) / 2 * self.spacing for length in self.shape]
        top = min(target.centre[2] + half[0], scan.top)
        dose = self._gray(target, top)
        scaling = float(f"{float(dose.max()) / 4e9:.8g}")
        stored = np.rint(dose.astype(np.float64) / scaling).astype(np.uint32)
        images = made.series[self.of]
        structures = made.series[self.structures][0]
        dataset = series_header(
            made.study,
            self.number,
            RTDoseStorage,
            Modality="RTDOSE",
            SeriesDescription=self.description,
            Manufacturer="dicomnb",
            ManufacturerModelName="Phantom",
            SoftwareVersions="1",
            OperatorsName="",
            SOPInstanceUID=uid(made.study.series_uid(self.number), 1),
            InstanceNumber=1,
            FrameOfReferenceUID=images[0].FrameOfReferenceUID,
            ImagePositionPatient=[
                number(x0 - half[2]), number(y0 - half[1]), number(z0 + top)
            ],
            ImageOrientationPatient=["1", "0", "0", "0", "1", "0"],
            PixelSpacing=[number(self.spacing)] * 2,
            SliceThickness=number(self.spacing),
            FrameIncrementPointer=0x3004000C,
            GridFrameOffsetVector=[
                number(-self.spacing * index) for index in range(self.shape[0])
            ],
            DoseUnits="GY",
            DoseType="PHYSICAL",
            DoseSummationType="PLAN",
            DoseGridScaling=f"{scaling:.8g}",
            TissueHeterogeneityCorrection="IMAGE",
            ReferencedStructureSetSequence=reference(structures),
            ReferencedRTPlanSequence=item(
                ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.481.5",
                ReferencedSOPInstanceUID=uid(made.study.uid, "plan"),
            ),
        )  # fmt: skip
        return [file_meta(pixels(dataset, stored))]

    def _gray(self, target: Nodule, top: float) -> Floats:
        """Give the dose in Gy, (slices, rows, columns), in the axes of the phantom."""
        z = top - np.arange(self.shape[0]) * self.spacing - target.centre[2]
        y = (np.arange(self.shape[1]) - (self.shape[1] - 1) / 2) * self.spacing - target.centre[1]
        x = (np.arange(self.shape[2]) - (self.shape[2] - 1) / 2) * self.spacing - target.centre[0]
        x, y, z = x[None, None, :], y[None, :, None], z[:, None, None]
        wide = 0.5 * target.diameter + 9
        dose = np.zeros(self.shape)
        for angle in (20.0, 140.0, 255.0):
            cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
            along, beside = x * cosine + y * sine, y * cosine - x * sine
            edge = 1 / (1 + np.exp((np.maximum(np.abs(beside), np.abs(z)) - wide) / 2.2))
            dose += edge * np.exp(along / 420)
        return blur((dose * (self.prescription / 3)).astype(np.float32))
