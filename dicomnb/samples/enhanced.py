"""An enhanced multi-frame CT: the whole stack in one instance (PS3.3 A.38)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydicom.uid import EnhancedCTImageStorage

from dicomnb.samples.ct import SCANNERS, ChestCT, isocentre
from dicomnb.samples.nodules import paint_nodules
from dicomnb.samples.phantom import paint_chest
from dicomnb.samples.shapes import grain
from dicomnb.samples.thorax import HOUNSFIELD, Chest
from dicomnb.samples.write import code, file_meta, item, number, pixels, series_header, uid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydicom.dataset import Dataset

    from dicomnb.samples.cast import Made, Study

__all__ = ["EnhancedChestCT", "dimension"]


def dimension(pointer: int, group: int, organisation: str, label: str) -> Dataset:
    """Make an item of DimensionIndexSequence."""
    return item(
        DimensionOrganizationUID=organisation,
        DimensionIndexPointer=pointer,
        FunctionalGroupPointer=group,
        DimensionDescriptionLabel=label,
    )


@dataclass(frozen=True)
class EnhancedChestCT(ChestCT):
    """A chest CT as one enhanced multi-frame instance."""

    description: str = "Thorax enhanced"

    def datasets(self, made: Made) -> Iterable[Dataset]:
        """Make the one instance."""
        study, person = made.study, made.study.person
        painted = paint_chest(Chest(person.chest_body), self.grid, HOUNSFIELD)
        paint_nodules(painted.value, painted.lung, self.nodules(person), self.grid)
        made.painted[self.number] = painted
        noise = grain(person.chest_body.seed + 9, self.shape[1:], deviation=self.noise)
        hounsfield = painted.value + noise[np.arange(self.shape[0]) % len(noise)]
        dataset = self._header(study)
        stored = np.rint(np.clip(hounsfield, -1024, 3071)) - SCANNERS[self.scanner].intercept
        return [file_meta(pixels(dataset, stored.astype(np.uint16), bits=12))]

    def _header(self, study: Study) -> Dataset:
        scanner = SCANNERS[self.scanner]
        series = study.series_uid(self.number)
        organisation = uid(series, "dimensions")
        return series_header(
            study,
            self.number,
            EnhancedCTImageStorage,
            Modality="CT",
            SeriesDescription=self.description,
            BodyPartExamined="CHEST",
            Manufacturer=scanner.manufacturer,
            ManufacturerModelName=scanner.model,
            DeviceSerialNumber="640417",
            SoftwareVersions="8.0",
            PatientPosition="HFS",
            ImageType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
            PixelPresentation="MONOCHROME",
            VolumetricProperties="VOLUME",
            VolumeBasedCalculationTechnique="NONE",
            AcquisitionDateTime=f"{study.date}{study.time}",
            AcquisitionDuration=8.0,
            AcquisitionNumber="1",
            ContentQualification="PRODUCT",
            BurnedInAnnotation="NO",
            LossyImageCompression="00",
            PresentationLUTShape="IDENTITY",
            FrameOfReferenceUID=uid(study.uid, "frame of reference"),
            SOPInstanceUID=uid(series, 1),
            InstanceNumber=1,
            InstanceCreationDate=study.date,
            InstanceCreationTime=study.time,
            DimensionOrganizationSequence=item(DimensionOrganizationUID=organisation),
            DimensionIndexSequence=[
                dimension(0x00209056, 0x00209111, organisation, "Stack ID"),
                dimension(0x00209057, 0x00209111, organisation, "In-Stack Position Number"),
            ],
            SharedFunctionalGroupsSequence=self._shared(),
            PerFrameFunctionalGroupsSequence=self._frames(study),
            AcquisitionContextSequence=[],
        )

    def _shared(self) -> Dataset:
        scanner = SCANNERS[self.scanner]
        centre, width = scanner.windows[0]
        chest = code("43799004", "SCT", "Chest cavity")
        return item(
            PixelMeasuresSequence=item(
                SliceThickness=number(self.step), PixelSpacing=[number(self.pixel)] * 2
            ),
            PlaneOrientationSequence=item(ImageOrientationPatient=["1", "0", "0", "0", "1", "0"]),
            FrameAnatomySequence=item(FrameLaterality="U", AnatomicRegionSequence=chest),
            PixelValueTransformationSequence=item(
                RescaleIntercept=str(scanner.intercept), RescaleSlope="1", RescaleType="HU"
            ),
            FrameVOILUTSequence=item(WindowCenter=str(centre), WindowWidth=str(width)),
            CTImageFrameTypeSequence=item(
                FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
                PixelPresentation="MONOCHROME",
                VolumetricProperties="VOLUME",
                VolumeBasedCalculationTechnique="NONE",
            ),
            CTAcquisitionTypeSequence=item(
                AcquisitionType="SPIRAL", TubeAngle=0.0, ConstantVolumeFlag="NO",
                FluoroscopyFlag="NO",
            ),
            CTReconstructionSequence=item(
                ReconstructionAlgorithm="FILTER_BACK_PROJ",
                ConvolutionKernel=scanner.kernel[0],
                ConvolutionKernelGroup="LUNG",
                ReconstructionDiameter=number(self.pixel * self.shape[2]),
            ),
            CTXRayDetailsSequence=item(KVP=str(scanner.kvp)),
        )  # fmt: skip

    def _frames(self, study: Study) -> list[Dataset]:
        x, y, z = self.origin(study)
        return [
            item(
                FrameContentSequence=item(
                    FrameAcquisitionNumber=1,
                    FrameReferenceDateTime=f"{study.date}{study.time}",
                    FrameAcquisitionDateTime=f"{study.date}{study.time}",
                    FrameAcquisitionDuration=250.0,
                    DimensionIndexValues=[1, index + 1],
                    StackID="1",
                    InStackPositionNumber=index + 1,
                ),
                PlanePositionSequence=item(
                    ImagePositionPatient=[number(x), number(y), number(z - index * self.step)]
                ),
                CTPositionSequence=item(
                    TablePosition=float(index * self.step),
                    ReconstructionTargetCenterPatient=list(isocentre(study)),
                ),
            )
            for index in range(self.shape[0])
        ]
