"""PET of a chest, in becquerel per millilitre, in the frame of reference of its CT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydicom.uid import PositronEmissionTomographyImageStorage

from dicomnb.samples.ct import ChestCT, isocentre
from dicomnb.samples.grids import AxialGrid
from dicomnb.samples.phantom import paint_chest
from dicomnb.samples.shapes import blur, grain
from dicomnb.samples.thorax import UPTAKE, Chest
from dicomnb.samples.write import code, copy, file_meta, item, number, pixels, series_header, uid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from dicomnb.samples.cast import Made, Study
    from dicomnb.samples.nodules import Nodule

__all__ = ["ChestPET"]

_DOSE = 318e6  # Bq, at the injection
_HALF_LIFE = 6586.2  # s, of fluorine-18
_WAIT = 3600.0  # s from the injection to the scan
_GRID = AxialGrid((56, 96, 96), 4.0, 106.0, 4.5)


@dataclass(frozen=True)
class ChestPET:
    """FDG in a chest, an hour after the injection.

    Attributes:
        number: SeriesNumber.
        of: the series number of the CT that shares its frame of reference.
    """

    number: int
    of: int
    grid: AxialGrid = _GRID
    description: str = "PET AC"

    def datasets(self, made: Made) -> Iterable[Dataset]:
        """Make the instances: each with its own RescaleSlope, as PET scanners write them."""
        study, grid = made.study, self.grid
        scan = made.recipes[self.of]
        if not isinstance(scan, ChestCT):
            raise TypeError(f"series {self.of} is not a chest CT")
        uptake = self._uptake(study, scan.nodules(study.person))
        weight = study.person.weight * 1000  # g
        concentration = uptake * (_DOSE * 2 ** (-_WAIT / _HALF_LIFE) / weight)
        header = self._header(study)
        x, y, z = isocentre(study)
        instances = []
        for index, image in enumerate(concentration):
            slope = float(f"{max(float(image.max()), 1.0) / 32000:.6g}")
            height = z + float(grid.z[index])
            instance = copy(
                header,
                SOPInstanceUID=uid(study.series_uid(self.number), index),
                InstanceNumber=index + 1,
                ImageIndex=index + 1,
                ImagePositionPatient=[
                    number(x + float(grid.x[0])), number(y + float(grid.y[0])), number(height)
                ],
                SliceLocation=number(height),
                RescaleSlope=f"{slope:.6g}",
            )  # fmt: skip
            instances.append(file_meta(pixels(instance, np.rint(image / slope).astype(np.int16))))
        return instances

    def _uptake(self, study: Study, nodules: tuple[Nodule, ...]) -> NDArray[np.float32]:
        """Give standardised uptake values, (slices, rows, columns)."""
        grid, chest = self.grid, Chest(study.person.chest_body)
        uptake = paint_chest(chest, grid, UPTAKE, vessels=False, table=False).value
        for nodule in nodules:
            x, y, z = nodule.centre
            away = (
                (grid.x - x)[None, None, :] ** 2
                + (grid.y - y)[None, :, None] ** 2
                + (grid.z - z)[:, None, None] ** 2
            )
            top = 2.5 + 0.35 * nodule.diameter if nodule.malignant else 0.4
            uptake += (top * np.exp(-away / (0.32 * nodule.diameter**2 + 24))).astype(np.float32)
        uptake = blur(uptake, 2)
        uptake[1:-1] = 0.5 * uptake[1:-1] + 0.25 * (uptake[:-2] + uptake[2:])
        noise = grain(study.person.chest_body.seed + 21, grid.shape[1:], deviation=1.0)
        noise = blur(noise)[np.arange(grid.shape[0]) % len(noise)]
        uptake += noise * (np.float32(0.09) * np.sqrt(uptake + np.float32(0.02)))
        return np.maximum(uptake, 0)

    def _header(self, study: Study) -> Dataset:
        grid = self.grid
        hour, minute = int(study.time[:2]), int(study.time[2:4])
        tracer = item(
            Radiopharmaceutical="FDG",
            RadiopharmaceuticalStartTime=f"{hour - 1:02d}{minute:02d}00",
            RadiopharmaceuticalStartDateTime=f"{study.date}{hour - 1:02d}{minute:02d}00",
            RadionuclideTotalDose=number(_DOSE),
            RadionuclideHalfLife=number(_HALF_LIFE),
            RadionuclidePositronFraction="0.967",
            RadionuclideCodeSequence=code("77004003", "SCT", "^18^Fluorine"),
            RadiopharmaceuticalCodeSequence=code("35321007", "SCT", "Fluorodeoxyglucose F^18^"),
        )
        seconds = f"{hour:02d}{minute:02d}00"
        return series_header(
            study,
            self.number,
            PositronEmissionTomographyImageStorage,
            Modality="PT",
            ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
            Manufacturer="Birch Medical",
            ManufacturerModelName="Biograph Twelve",
            SeriesDescription=self.description,
            BodyPartExamined="CHEST",
            PatientPosition="HFS",
            SeriesTime=seconds,
            AcquisitionDate=study.date,
            AcquisitionTime=seconds,
            FrameOfReferenceUID=uid(study.uid, "frame of reference"),
            ImageOrientationPatient=["1", "0", "0", "0", "1", "0"],
            PixelSpacing=[number(grid.pixel)] * 2,
            SliceThickness=number(grid.step),
            Units="BQML",
            CountsSource="EMISSION",
            SeriesType=["WHOLE BODY", "IMAGE"],
            NumberOfSlices=grid.shape[0],
            CorrectedImage=["NORM", "DTIM", "ATTN", "SCAT", "DECY", "RAN"],
            DecayCorrection="START",
            DecayFactor="1",
            RandomsCorrectionMethod="DLYD",
            AttenuationCorrectionMethod="measured, CT",
            ReconstructionMethod="OSEM 3i21s",
            CollimatorType="NONE",
            FrameReferenceTime="0",
            ActualFrameDuration="120000",
            RadiopharmaceuticalInformationSequence=tracer,
            PatientOrientationCodeSequence=code("102538003", "SCT", "recumbent"),
            PatientGantryRelationshipCodeSequence=code("102540008", "SCT", "headfirst"),
            RescaleIntercept="0",
            WindowCenter="6000",
            WindowWidth="12000",
        )
