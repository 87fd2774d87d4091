"""CT: chests with nodules, single-frame and enhanced, and heads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from pydicom.uid import CTImageStorage

from dicomnb.samples.grids import AxialGrid
from dicomnb.samples.nodules import Nodule, grown, paint_nodules, place_nodules
from dicomnb.samples.phantom import paint_chest
from dicomnb.samples.shapes import grain
from dicomnb.samples.thorax import HOUNSFIELD, Chest
from dicomnb.samples.write import copy, file_meta, number, pixels, series_header, uid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from dicomnb.samples.cast import Made, Person, Study

__all__ = ["SCANNERS", "ChestCT", "Scanner", "isocentre"]


@dataclass(frozen=True)
class Scanner:
    """A machine's habits.

    Attributes:
        manufacturer: Manufacturer.
        model: ManufacturerModelName.
        kernel: ConvolutionKernel.
        intercept: RescaleIntercept.
        signed: whether stored values have a sign.
        bits: BitsStored.
        windows: (centre, width) of each window the machine proposes.
        kvp: kV of the tube.
    """

    manufacturer: str
    model: str
    kernel: tuple[str, ...]
    intercept: int
    signed: bool
    bits: int
    windows: tuple[tuple[int, int], ...]
    kvp: int = 120


SCANNERS = {
    "A": Scanner("Alder Imaging", "Spiral 64", ("B45f",), -1024, False, 12,
                 ((-600, 1500), (40, 400))),
    "B": Scanner("Birch Medical", "Volume 128", ("LUNG",), 0, True, 16, ((-500, 1600),)),
    "C": Scanner("Cedar Systems", "Rotate 16", ("FC51", "3"), -1024, True, 16, ((40, 350),), 100),
    "D": Scanner("Alder Imaging", "Spiral 16", ("B30s",), -1024, False, 16, ((40, 400),)),
}  # fmt: skip
"""Makes that store the same Hounsfield units in different ways."""


def isocentre(study: Study) -> tuple[float, float, float]:
    """Give where the fork of the windpipe lies in the study's frame of reference, mm."""
    random = np.random.default_rng(int(str(study.uid)[-9:]))
    x, y, z = random.integers((-60, -160, -420), (60, 160, -80)) / 10
    return float(x), float(y) - 12.0, float(z) * 10 + 0.5


@dataclass(frozen=True)
class ChestCT:
    """An axial CT of a chest.

    Attributes:
        number: SeriesNumber.
        kinds: the nodules of this person: a letter each, "b" benign or "m" malignant.
        scanner: a key of `SCANNERS`.
        shape: slices, rows, columns.
        pixel: mm between columns and rows.
        step: mm between slices.
        top: z of the first slice over the fork of the windpipe.
        growth: how much larger than in the first scan the malignant nodules are.
        description: SeriesDescription.
        noise: deviation, Hounsfield units.
        faults: what is done to the finished series, on purpose.
    """

    number: int
    kinds: str
    scanner: str = "A"
    shape: tuple[int, int, int] = (56, 192, 192)
    pixel: float = 2.0
    step: float = 4.5
    top: float = 106.0
    growth: float = 1.0
    description: str = "Thorax 4.5"
    noise: float = 16.0
    faults: tuple[Callable[[list[Dataset], Made], list[Dataset]], ...] = ()

    @cached_property
    def grid(self) -> AxialGrid:
        """Where its voxels lie around the fork of the windpipe."""
        return AxialGrid(self.shape, self.pixel, self.top, self.step)

    def nodules(self, person: Person) -> tuple[Nodule, ...]:
        """Give the nodules that this scan shows: those of the person that lie in its slices."""
        body = person.chest_body
        every = grown(place_nodules(Chest(body), body.seed + 500, self.kinds), self.growth)
        bottom = self.top - self.step * (self.shape[0] - 1)
        return tuple(nodule for nodule in every if bottom < nodule.centre[2] < self.top)

    def origin(self, study: Study) -> tuple[float, float, float]:
        """Give the LPS mm of the first voxel's centre."""
        centre, grid = isocentre(study), self.grid
        return (
            centre[0] + float(grid.x[0]),
            centre[1] + float(grid.y[0]),
            centre[2] + self.top,
        )

    def datasets(self, made: Made) -> Iterable[Dataset]:
        """Make the instances, from the head down."""
        person = made.study.person
        grid = self.grid
        painted = paint_chest(Chest(person.chest_body), grid, HOUNSFIELD)
        paint_nodules(painted.value, painted.lung, self.nodules(person), grid)
        made.painted[self.number] = painted
        noise = grain(person.chest_body.seed + 9, self.shape[1:], deviation=self.noise)
        header = self.header(made.study)
        x, y, z = self.origin(made.study)
        instances = []
        for index in range(self.shape[0]):
            shift = 37 * index
            hounsfield = painted.value[index] + np.roll(noise[index % len(noise)], shift, axis=1)
            height = z - index * self.step
            instance = copy(
                header,
                SOPInstanceUID=uid(made.study.series_uid(self.number), index),
                InstanceNumber=index + 1,
                ImagePositionPatient=[number(x), number(y), number(height)],
                SliceLocation=number(height),
                AcquisitionTime=made.study.time,
            )
            instances.append(pixels_of(instance, hounsfield, SCANNERS[self.scanner]))
        for fault in self.faults:
            instances = fault(instances, made)
        return [file_meta(instance) for instance in instances]

    def header(self, study: Study) -> Dataset:
        """Make what its instances share."""
        scanner = SCANNERS[self.scanner]
        return series_header(
            study,
            self.number,
            CTImageStorage,
            **ct_values(scanner),
            SeriesDescription=self.description,
            BodyPartExamined="CHEST",
            ProtocolName="Thorax routine",
            FrameOfReferenceUID=uid(study.uid, "frame of reference"),
            ImageOrientationPatient=["1", "0", "0", "0", "1", "0"],
            PixelSpacing=[number(self.pixel)] * 2,
            SliceThickness=number(self.step),
            SpacingBetweenSlices=number(self.step),
            ReconstructionDiameter=number(self.pixel * self.shape[2]),
            GantryDetectorTilt="0",
        )


def ct_values(scanner: Scanner) -> dict[str, object]:
    """Give what a scanner writes into every image."""
    centres, widths = zip(*scanner.windows, strict=True)
    values: dict[str, object] = {
        "Modality": "CT",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "Manufacturer": scanner.manufacturer,
        "ManufacturerModelName": scanner.model,
        "SoftwareVersions": "7.1",
        "DeviceSerialNumber": f"{scanner.model[-2:]}0417",
        "PatientPosition": "HFS",
        "KVP": str(scanner.kvp),
        "XRayTubeCurrent": "180",
        "ExposureTime": "500",
        "AcquisitionNumber": "1",
        "ConvolutionKernel": list(scanner.kernel),
        "RescaleIntercept": str(scanner.intercept),
        "RescaleSlope": "1",
        "RescaleType": "HU",
        "WindowCenter": [str(centre) for centre in centres],
        "WindowWidth": [str(width) for width in widths],
    }
    if len(centres) > 1:
        values["WindowCenterWidthExplanation"] = ["LUNG", "MEDIASTINUM"][: len(centres)]
    return values


def pixels_of(instance: Dataset, hounsfield: NDArray[np.float32], scanner: Scanner) -> Dataset:
    """Put Hounsfield units into an instance the way a scanner stores them."""
    stored = np.rint(np.clip(hounsfield, -1024, 3071)) - scanner.intercept
    kind = np.int16 if scanner.signed else np.uint16
    return pixels(instance, stored.astype(kind), bits=scanner.bits)
