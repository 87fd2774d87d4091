"""Chest radiographs: the X-rays' way through the same chest that a CT shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydicom.uid import ComputedRadiographyImageStorage

from dicomnb.samples.grids import AxialGrid
from dicomnb.samples.phantom import paint_chest
from dicomnb.samples.shapes import blur, grain, resize
from dicomnb.samples.thorax import HOUNSFIELD, Chest
from dicomnb.samples.write import file_meta, number, pixels, series_header, uid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from dicomnb.samples.cast import Made

    Floats = NDArray[np.float32]

__all__ = ["ChestRadiograph", "coronal_shadow"]


_GRID = AxialGrid((88, 40, 184), 2.05, 124.0, 3.2, 7.0)


@dataclass(frozen=True)
class ChestRadiograph:
    """A computed radiograph, from the front, stored as film: MONOCHROME1, more dose is darker.

    Attributes:
        number: SeriesNumber.
        faults: what is done to the finished series, on purpose.
    """

    number: int = 1
    grid: AxialGrid = _GRID
    size: tuple[int, int] = (640, 768)
    description: str = "Thorax pa"
    faults: tuple[Callable[[list[Dataset], Made], list[Dataset]], ...] = ()

    def datasets(self, made: Made) -> Iterable[Dataset]:
        """Make the one image."""
        person, study = made.study.person, made.study
        body = person.chest_body
        if body.seed not in made.shadows:
            painted = paint_chest(Chest(body), self.grid, HOUNSFIELD, table=False)
            made.shadows[body.seed] = coronal_shadow(painted.value, self.grid)
        shadow = made.shadows[body.seed]
        noise = grain(body.seed + 31 + self.number, self.size, deviation=12, count=1)[0]
        stored = np.clip(4000 - resize(shadow, self.size) + noise, 0, 4095)
        # MONOCHROME1: the lowest value is white, so what lets rays through is stored high
        dataset = series_header(
            study,
            self.number,
            ComputedRadiographyImageStorage,
            Modality="CR",
            ImageType=["ORIGINAL", "PRIMARY"],
            Manufacturer="Fir Radiography",
            ManufacturerModelName="Plate Reader 9",
            SeriesDescription=self.description,
            BodyPartExamined="CHEST",
            ViewPosition="PA",
            PatientOrientation=["L", "F"],
            KVP="125",
            PlateType="IP",
            ImagerPixelSpacing=[
                number(self.grid.step * self.grid.shape[0] / self.size[0]),
                number(self.grid.pixel * self.grid.shape[2] / self.size[1]),
            ],
            SOPInstanceUID=uid(study.series_uid(self.number), 1),
            InstanceNumber=1,
            PhotometricInterpretation="MONOCHROME1",
            PresentationLUTShape="INVERSE",
            RescaleIntercept="0",
            RescaleSlope="1",
            RescaleType="US",
            WindowCenter="2048",
            WindowWidth="4096",
        )
        instances = [pixels(dataset, np.rint(stored).astype(np.uint16), bits=12)]
        for fault in self.faults:
            instances = fault(instances, made)
        return [file_meta(instance) for instance in instances]


def coronal_shadow(hounsfield: Floats, grid: AxialGrid) -> Floats:
    """Give how much a chest weakens rays from back to front, 0 to about 3800.

    Processed as radiography systems do: the slow differences flattened, the edges kept.

    Args:
        hounsfield: the stack, (slices, rows, columns).
        grid: where it lies.

    Returns:
        (slices, columns): seen from the front, the head on top.
    """
    water = np.clip(hounsfield * np.float32(0.001) + 1, 0, None)
    bone = np.clip(hounsfield - 110, 0, None) * np.float32(0.0022)
    length = (water + bone).sum(axis=1) * np.float32((grid.row_pixel or grid.pixel) / 10)
    body = 1 - np.exp(-length * np.float32(0.16))
    rows, columns = body.shape
    slow = resize(blur(resize(body, (rows // 10, columns // 10)), 2), body.shape)
    fast = np.sqrt(length) - resize(
        blur(resize(np.sqrt(length), (rows // 6, columns // 6)), 1), body.shape
    )
    shadow = 2500 * body + 600 * slow + 1500 * fast
    shadow += 500 * (fast - blur(fast, 2))
    shown: Floats = np.clip(shadow, 0, 3900).astype(np.float32)
    return shown
