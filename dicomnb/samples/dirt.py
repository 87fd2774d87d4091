"""The dirt of real archives, made on purpose: what is done to a finished series.

Each function is given the instances of a series and gives them back with one fault. What a
client ought to make of it stands in `cases`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dicomnb.samples.ct import SCANNERS, isocentre, pixels_of
from dicomnb.samples.grids import AxialGrid
from dicomnb.samples.phantom import paint_chest
from dicomnb.samples.projection import coronal_shadow
from dicomnb.samples.shapes import resize
from dicomnb.samples.thorax import HOUNSFIELD, Chest
from dicomnb.samples.write import copy, number, put, uid

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from dicomnb.samples.cast import Made

__all__ = [
    "with_duplicate",
    "with_gap",
    "with_high_bits",
    "with_localizer",
    "with_markup",
    "with_nan_window",
]

_SCOUT = AxialGrid((72, 40, 160), 2.4, 118.0, 3.7, 7.0)


def with_localizer(instances: list[Dataset], made: Made) -> list[Dataset]:
    """Put a coronal localizer into the axial series."""
    study, first = made.study, instances[0]
    body = study.person.chest_body
    painted = paint_chest(Chest(body), _SCOUT, HOUNSFIELD, vessels=False, table=False)
    size = (192, 192)
    shadow = resize(coronal_shadow(painted.value, _SCOUT), size) * 0.5 - 900
    x, y, z = isocentre(study)
    rows, _, columns = _SCOUT.shape
    scout = copy(
        first,
        SOPInstanceUID=uid(first.SeriesInstanceUID, "localizer"),
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
        InstanceNumber=len(instances) + 1,
        ImageOrientationPatient=["1", "0", "0", "0", "0", "-1"],
        ImagePositionPatient=[
            number(x + float(_SCOUT.x[0])), number(y), number(z + _SCOUT.top)
        ],
        PixelSpacing=[
            number(_SCOUT.step * rows / size[0]), number(_SCOUT.pixel * columns / size[1])
        ],
        WindowCenter="-100",
        WindowWidth="1800",
    )  # fmt: skip
    for keyword in ("SliceLocation", "SpacingBetweenSlices", "WindowCenterWidthExplanation"):
        if keyword in scout:
            del scout[keyword]
    return [pixels_of(scout, shadow.astype(np.float32), SCANNERS["A"]), *instances]


def with_gap(instances: list[Dataset], made: Made) -> list[Dataset]:
    """Leave out one slice in the middle; the instance numbers keep their gap."""
    del made
    middle = len(instances) // 2
    return instances[:middle] + instances[middle + 1 :]


def with_duplicate(instances: list[Dataset], made: Made) -> list[Dataset]:
    """Send one slice twice: the same place and pixels, an instance of its own."""
    del made
    slice_ = instances[len(instances) // 3]
    again = copy(
        slice_,
        SOPInstanceUID=uid(slice_.SOPInstanceUID, "again"),
        InstanceNumber=len(instances) + 1,
    )
    return [*instances, again]


def with_nan_window(instances: list[Dataset], made: Made) -> list[Dataset]:
    """Write NaN where the window's centre and width should be."""
    del made
    return [put(instance, WindowCenter="NaN", WindowWidth="NaN") for instance in instances]


def with_high_bits(instances: list[Dataset], made: Made) -> list[Dataset]:
    """Leave an old overlay in the bits above BitsStored: a ring around the middle."""
    del made
    for instance in instances:
        stored = np.frombuffer(instance.PixelData, dtype="<u2")
        stored = stored.reshape(instance.Rows, instance.Columns).copy()
        rows, columns = stored.shape
        away = np.hypot(
            np.arange(rows)[:, None] - rows / 2, np.arange(columns)[None, :] - columns / 2
        )
        stored[np.abs(away - rows / 4) < 3] |= 0x8000
        instance["PixelData"].value = stored.tobytes()
    return instances


def with_markup(instances: list[Dataset], made: Made) -> list[Dataset]:
    """Write HTML that would run a script into a description."""
    del made
    words = "<img src=x onerror=alert(1)> Thorax & more"
    return [put(instance, SeriesDescription=words) for instance in instances]
