"""SEG: the lungs and the nodules of a CT, one bit a voxel (PS3.3 A.51)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.tag import Tag
from pydicom.uid import SegmentationStorage

from dicomnb.samples.ct import ChestCT
from dicomnb.samples.enhanced import dimension
from dicomnb.samples.nodules import nodule_voxels
from dicomnb.samples.write import code, copy, file_meta, item, put, reference, series_header, uid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from dicomnb.samples.cast import Made
    from dicomnb.samples.nodules import Nodule

    Mask = NDArray[np.bool_]

__all__ = ["ChestSegmentation", "lung_masks", "nodule_mask", "source_scan"]


def source_scan(made: Made, number: int) -> ChestCT:
    """Give the recipe of the chest CT that another series is derived from."""
    scan = made.recipes[number]
    if not isinstance(scan, ChestCT):
        raise TypeError(f"series {number} is not a chest CT")
    return scan


def lung_masks(made: Made, number: int) -> tuple[Mask, Mask]:
    """Give the voxels of the right and of the left lung."""
    lung = made.painted[number].lung > 127
    left = source_scan(made, number).grid.x > 0
    return lung & ~left, lung & left


def nodule_mask(made: Made, number: int, nodule: Nodule) -> Mask:
    """Give the voxels of a nodule's solid body."""
    grid = source_scan(made, number).grid
    mask = np.zeros(grid.shape, dtype=np.bool_)
    box, inside = nodule_voxels(nodule, grid)
    mask[box] = inside
    return mask


def _shared(image: Dataset) -> Dataset:
    """Give what all frames share, taken from an image of the series."""
    return item(
        PixelMeasuresSequence=item(
            SliceThickness=image.SliceThickness,
            SpacingBetweenSlices=image.SpacingBetweenSlices,
            PixelSpacing=list(image.PixelSpacing),
        ),
        PlaneOrientationSequence=item(ImageOrientationPatient=list(image.ImageOrientationPatient)),
    )


@dataclass(frozen=True)
class ChestSegmentation:
    """The lungs and every nodule of a CT, a segment each; empty slices are left out.

    Attributes:
        number: SeriesNumber.
        of: the series number of the CT.
    """

    number: int
    of: int
    description: str = "Lungs and nodules"

    def datasets(self, made: Made) -> Iterable[Dataset]:
        """Make the one instance."""
        nodules = source_scan(made, self.of).nodules(made.study.person)
        masks = [*lung_masks(made, self.of)]
        masks += [nodule_mask(made, self.of, nodule) for nodule in nodules]
        places = [
            (segment, int(index))
            for segment, mask in enumerate(masks, start=1)
            for index in np.flatnonzero(mask.any(axis=(1, 2)))
        ]
        dataset = self._header(made, nodules, places)
        frames = np.stack([masks[segment - 1][index] for segment, index in places])
        data = np.packbits(frames.ravel(), bitorder="little").tobytes()
        dataset[0x7FE00010] = DataElement(Tag(0x7FE00010), "OB", data + b"\0" * (len(data) % 2))
        return [file_meta(dataset)]

    def _header(
        self, made: Made, nodules: tuple[Nodule, ...], places: list[tuple[int, int]]
    ) -> Dataset:
        images = made.series[self.of]
        first, study = images[0], made.study
        series = study.series_uid(self.number)
        organisation = uid(series, "dimensions")
        dataset = series_header(
            study,
            self.number,
            SegmentationStorage,
            Modality="SEG",
            SeriesDescription=self.description,
            ImageType=["DERIVED", "PRIMARY"],
            Manufacturer="dicomnb",
            ManufacturerModelName="Phantom",
            DeviceSerialNumber="1",
            SoftwareVersions="1",
            BodyPartExamined="CHEST",
            FrameOfReferenceUID=first.FrameOfReferenceUID,
            SOPInstanceUID=uid(series, 1),
            InstanceNumber=1,
            ContentLabel="TRUTH",
            ContentDescription="What the phantom was painted with",
            ContentCreatorName="Demo^Archive",
            ReferencedSeriesSequence=item(
                SeriesInstanceUID=first.SeriesInstanceUID,
                ReferencedInstanceSequence=[reference(image) for image in images],
            ),
            SegmentationType="BINARY",
            SegmentsOverlap="YES",
            LossyImageCompression="00",
            BurnedInAnnotation="NO",
            SegmentSequence=self._segments(nodules),
            DimensionOrganizationSequence=item(DimensionOrganizationUID=organisation),
            DimensionOrganizationType="3D",
            DimensionIndexSequence=[
                dimension(0x0062000B, 0x0062000A, organisation, "Segment Number"),
                dimension(0x00200032, 0x00209113, organisation, "Image Position (Patient)"),
            ],
            SharedFunctionalGroupsSequence=_shared(first),
            PerFrameFunctionalGroupsSequence=[
                self._frame(images[index], segment, index + 1) for segment, index in places
            ],
        )
        return put(
            dataset,
            NumberOfFrames=str(len(places)),
            SamplesPerPixel=1,
            PhotometricInterpretation="MONOCHROME2",
            Rows=first.Rows,
            Columns=first.Columns,
            BitsAllocated=1,
            BitsStored=1,
            HighBit=0,
            PixelRepresentation=0,
        )

    def _frame(self, image: Dataset, segment: int, place: int) -> Dataset:
        derived = code("113076", "DCM", "Segmentation")
        purpose = code("121322", "DCM", "Source image for image processing operation")
        return item(
            FrameContentSequence=item(DimensionIndexValues=[segment, place]),
            PlanePositionSequence=item(ImagePositionPatient=list(image.ImagePositionPatient)),
            SegmentIdentificationSequence=item(ReferencedSegmentNumber=segment),
            DerivationImageSequence=item(
                DerivationCodeSequence=derived,
                SourceImageSequence=reference(
                    image,
                    SpatialLocationsPreserved="YES",
                    PurposeOfReferenceCodeSequence=purpose,
                ),
            ),
        )

    def _segments(self, nodules: tuple[Nodule, ...]) -> list[Dataset]:
        structure = code("123037004", "SCT", "Anatomical Structure")
        abnormal = code("49755003", "SCT", "Morphologically Altered Structure")
        lung = code("39607008", "SCT", "Lung")
        named: list[tuple[str, Dataset, Dataset, Dataset | None]]
        named = [("Right lung", structure, lung, code("24028007", "SCT", "Right"))]
        named.append(("Left lung", structure, lung, code("7771000", "SCT", "Left")))
        for nodule in nodules:
            kind = code("27925004", "SCT", "Nodule")
            named.append((f"Nodule {nodule.number}, {nodule.kind}", abnormal, kind, None))
        segments = []
        for number, (label, category, kind, side) in enumerate(named, start=1):
            if side is not None:
                kind = copy(kind, SegmentedPropertyTypeModifierCodeSequence=side)
            segment = item(
                SegmentNumber=number,
                SegmentLabel=label,
                SegmentAlgorithmType="AUTOMATIC",
                SegmentAlgorithmName="phantom",
                SegmentedPropertyCategoryCodeSequence=category,
                SegmentedPropertyTypeCodeSequence=kind,
                RecommendedDisplayCIELabValue=_COLOURS[min(number - 1, 2)],
            )
            if side is None:
                nodule = nodules[number - 3]
                put(
                    segment,
                    TrackingID=f"nodule-{nodule.number}",
                    TrackingUID=uid("nodule", nodule.seed, nodule.number),
                )
            segments.append(segment)
        return segments


_COLOURS = ([43803, 26565, 37722], [43803, 37722, 26565], [34952, 53040, 49500])
