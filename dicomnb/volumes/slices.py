"""One image as a slice of a volume: what it must be, and what is kept of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from dicomnb.images.decode import decode, decode_frame
from dicomnb.images.display import modality
from dicomnb.images.headers import SliceHeader, number, once, text
from dicomnb.images.native import clean_unused_bits
from dicomnb.images.pixels import name_of
from dicomnb.images.rescale import Rescale, rescale_whole
from dicomnb.images.windows import windows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydicom import Dataset

    from dicomnb.images.headers import Attributes
    from dicomnb.images.part10 import PartialInstance
    from dicomnb.images.pixels import PixelFormat
    from dicomnb.images.windows import Window
    from dicomnb.volumes.axis import Axis

    Values = Callable[[], np.ndarray[Any, Any]]

__all__ = ["Slice", "slice_table", "values_of", "why_no_slice"]

# Columns that are there where a slice has them.
_TOLD = ("AcquisitionDateTime", "TriggerTime", "DiffusionGradientOrientation")
_STRUCTURES = "1.2.840.10008.5.1.4.1.1.481.3"
_WHOLE_SLIDE = ("1.2.840.10008.5.1.4.1.1.77.1.6",)
_SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")


@dataclass
class Slice:
    """What a volume keeps of an instance once its pixels are in the stack.

    Attributes:
        header: its place.
        stored: the type of its values in the stack.
        by: its slope and intercept.
        left: what of them is still to be applied to the values in the stack.
        units: of its modality values.
        windows: that the instance names.
        facts: a few attributes of the series, as text.
        thickness: SliceThickness, mm, or None.
        arrival: its number in order of arrival.
        place: its number in its stack.
        low: lowest stored value.
        high: highest stored value.
        following: how many frames of the same instance come after it.
    """

    header: SliceHeader
    stored: np.dtype[Any]
    by: Rescale
    left: Rescale
    units: str
    windows: tuple[Window, ...]
    facts: dict[str, str]
    thickness: float | None
    arrival: int = 0
    place: int = -1
    low: float = 0
    high: float = 0
    following: int = 0

    @classmethod
    def of(cls, dataset: Attributes, pixels: PixelFormat) -> Slice:
        """Read the header.

        Raises:
            DecodeError: slope or intercept is no number.
        """
        values = once(dataset, ("values", pixels), lambda header: _Values.of(header, pixels))
        size = (pixels.rows, pixels.columns, values.stored.itemsize)
        return cls(SliceHeader.of(dataset, size=size), left=values.by, **values._asdict())

    def read_plain(self, instance: PartialInstance, target: np.ndarray[Any, Any]) -> None:
        """Read uncompressed pixels straight into ``target``, their place in the stack."""
        instance.pixels_into(target)
        clean_unused_bits(target, instance.pixels)
        self._finish(target)

    def fill(self, target: np.ndarray[Any, Any], values: Values) -> None:
        """Put decoded values into ``target``."""
        target[...] = values()
        self._finish(target)

    def _finish(self, values: np.ndarray[Any, Any]) -> None:
        """Remember lowest and highest stored value, on which the type of the volume depends, and
        rescale where the results fit: the slice is in the processor's cache now, not later."""
        if self.stored.kind not in "iu":
            return
        self.low, self.high = int(values.min()), int(values.max())
        if self.by.is_whole and not self.by.is_identity:
            bounds, ends = np.iinfo(self.stored), self.by.range_of(self.low, self.high)
            if bounds.min <= min(ends) and max(ends) <= bounds.max:
                rescale_whole(values, self.by)
                self.left = Rescale()


class _Values(NamedTuple):
    """What slices of one series mostly have in common, see `Slice`."""

    stored: np.dtype[Any]
    by: Rescale
    units: str
    windows: tuple[Window, ...]
    facts: dict[str, str]
    thickness: float | None

    @classmethod
    def of(cls, dataset: Attributes, pixels: PixelFormat) -> _Values:
        by, stored = Rescale.of(dataset), pixels.dtype
        units = units_of(dataset, by)
        table = dataset.get("ModalityLUTSequence")
        if table:  # applied while the slice is read; what is left is unsigned and final
            bits = table_bits(table[0])
            stored, by = np.dtype(np.uint8 if bits <= 8 else np.uint16), Rescale()
        keywords = ("Modality", "SeriesDescription", "PhotometricInterpretation")
        return cls(
            stored=stored,
            by=by,
            units=units,
            windows=windows_of(dataset),
            facts={keyword: text(dataset, keyword) for keyword in keywords},
            thickness=number(dataset, "SliceThickness"),
        )


def values_of(instance: PartialInstance) -> list[Values]:
    """How to decode each frame of an instance whose bytes are not simply its values.

    Compressed bytes are read now, since the next instance will be; what is returned decodes
    them, and applies the Modality LUT if there is one. A rescale comes later, in place.
    """
    pixels = instance.pixels
    if pixels.is_native:
        whole = instance.whole()
        return [_native(whole, number + 1) for number in range(pixels.frames)]
    table = instance.dataset if "ModalityLUTSequence" in instance.header else None
    return [_compressed(table, data, pixels) for data in instance.codestreams()]


def _native(dataset: Dataset, number: int) -> Values:
    return lambda: _after_table(dataset, decode(dataset, number)[0])


def _compressed(table: Dataset | None, data: bytes, pixels: PixelFormat) -> Values:
    """Decode a frame; ``table`` is its data set where that has a Modality LUT."""
    if table is None:
        return lambda: decode_frame(data, pixels)
    return lambda: _after_table(table, decode_frame(data, pixels))


def _after_table(dataset: Dataset, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return modality(values, dataset) if dataset.get("ModalityLUTSequence") else values


def table_bits(item: Dataset) -> int:
    """Bits of the entries of a look-up table; 16 where it does not say."""
    descriptor = item.get("LUTDescriptor")
    return int(descriptor[2]) if descriptor is not None and len(descriptor) == 3 else 16


def why_no_slice(dataset: Attributes, pixels: PixelFormat | None) -> str | None:
    """Why an instance is no slice of a volume, nor several, in words; None if it is.

    Args:
        dataset: its header.
        pixels: what its pixels look like, or None where it has none.
    """
    why = _why_no_slice(dataset, pixels)
    return None if why is None else f"{name_of(dataset)} {why}"


def _why_no_slice(dataset: Attributes, pixels: PixelFormat | None) -> str | None:
    kind = text(dataset, "SOPClassUID")
    if kind == _STRUCTURES:
        return "is a structure set: archive.structures reads its contours."
    if pixels is None:
        return f"({text(dataset, 'Modality') or 'no modality'}) has no pixels."
    if kind in _WHOLE_SLIDE or "TotalPixelMatrixColumns" in dataset:
        return "is a whole-slide image: archive.region reads a part of it."
    if kind in _SEGMENTATIONS:
        return "is a segmentation: archive.segmentation gives its segments as labels on a grid."
    if pixels.samples > 1 or pixels.photometric == "PALETTE COLOR":
        return (
            f"is in colour ({pixels.photometric}): a volume has one value a voxel. Use "
            "archive.frames for its pixels."
        )
    return None


def units_of(dataset: Attributes, by: Rescale) -> str:
    """Units of the modality values: HU, those of PET, RescaleType, or ``""``.

    CT is in HU unless RescaleType says otherwise (PS3.3 C.8.2.1); without any rescale its
    values are no HU.
    """
    table = dataset.get("ModalityLUTSequence")
    if table:
        return text(table[0], "ModalityLUTType")
    kind = text(dataset, "Modality")
    if kind == "PT":
        return text(dataset, "Units") or by.unit
    if by.unit == "US":  # unspecified
        return ""
    if kind == "CT" and by.is_given and not by.unit:
        return "HU"
    return by.unit


def slice_table(
    slices: Sequence[Slice], positions: Sequence[float] | None, axis: Axis | None
) -> pd.DataFrame:
    """One row a slice, in the order of the volume, stack after stack.

    Args:
        slices: as arranged.
        positions: mm along the normal of the slices of a stack, or None.
        axis: what the stacks differ in; its value stands in a column of its name.
    """
    headers = [one.header for one in slices]
    stacks = 1 if axis is None else len(axis)
    depth = len(slices) // stacks
    places = [float("nan")] * depth if positions is None else list(positions)
    columns: dict[str, Any] = {
        "SOPInstanceUID": pd.array([header.uid for header in headers], dtype="string"),
        "InstanceNumber": pd.array([header.number for header in headers], dtype="Int64"),
    }
    if any(header.frame is not None for header in headers):
        columns["FrameNumber"] = pd.array([header.frame for header in headers], dtype="Int64")
    columns |= {
        "Position": np.array(places * stacks, dtype=np.float64),
        "ImagePositionPatient": pd.Series([header.position for header in headers], dtype=object),
        "SliceThickness": pd.array([one.thickness for one in slices], dtype="Float64"),
        "RescaleSlope": np.array([one.by.slope for one in slices], dtype=np.float64),
        "RescaleIntercept": np.array([one.by.intercept for one in slices], dtype=np.float64),
        "AcquisitionTime": _marked(headers, "AcquisitionTime"),
    }
    for mark in _TOLD:
        if any(mark in header.marks for header in headers):
            columns[mark] = _marked(headers, mark)
    if axis is not None:
        columns[axis.keyword] = np.repeat(axis.values, depth)
    return pd.DataFrame(columns)


def _marked(headers: Sequence[SliceHeader], mark: str) -> Any:
    return pd.array([header.marks.get(mark) for header in headers], dtype="string")
