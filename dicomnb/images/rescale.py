"""Stored values to modality values, without overflow (PS3.3 C.11.1, for doses C.8.8.3)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.errors import DecodeError
from dicomnb.images.pixels import UNREADABLE, name_of

if TYPE_CHECKING:
    from dicomnb.images.headers import Attributes

__all__ = ["Rescale", "modality_type", "rescale"]

_RT_DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
_DOSE_UNITS = {"GY": "Gy", "RELATIVE": "relative"}


@dataclass(frozen=True, slots=True)
class Rescale:
    """``value × slope + intercept``.

    Attributes:
        slope: RescaleSlope, 1 where it is absent; of a dose DoseGridScaling.
        intercept: RescaleIntercept, 0 where it is absent.
        unit: RescaleType, of a dose DoseUnits (``"Gy"``), or ``""``.
        is_given: whether the data set says any of it.
    """

    slope: float = 1.0
    intercept: float = 0.0
    unit: str = ""
    is_given: bool = False

    @classmethod
    def of(cls, dataset: Attributes) -> Rescale:
        """Read a data set, or the item of a functional group.

        Raises:
            DecodeError: slope or intercept is no number, or the slope is 0; or a dose does not
                say by DoseGridScaling what its values mean.
        """
        if "DoseGridScaling" in dataset or str(dataset.get("SOPClassUID") or "") == _RT_DOSE:
            return cls._of_dose(dataset)
        given = [keyword for keyword in ("RescaleSlope", "RescaleIntercept") if keyword in dataset]
        slope = _number(dataset, "RescaleSlope", 1.0)
        if slope == 0:
            raise DecodeError(f"RescaleSlope of {name_of(dataset)} is 0: all values would be one.")
        return cls(
            slope=slope,
            intercept=_number(dataset, "RescaleIntercept", 0.0),
            unit=str(dataset.get("RescaleType") or "").strip(),
            is_given=bool(given),
        )

    @classmethod
    def _of_dose(cls, dataset: Attributes) -> Rescale:
        """Read DoseGridScaling, which a dose has in the place of a slope."""
        slope = _number(dataset, "DoseGridScaling", math.nan)
        if not slope > 0:
            said = "no DoseGridScaling" if math.isnan(slope) else f"DoseGridScaling {slope}"
            raise DecodeError(
                f"{name_of(dataset)} is a dose with {said}: what its values mean is not known; "
                "archive.frames(…, output='stored') gives them as they are."
            )
        units = str(dataset.get("DoseUnits") or "").strip().upper()
        return cls(slope=slope, unit=_DOSE_UNITS.get(units, units), is_given=True)

    @property
    def is_identity(self) -> bool:
        """Whether values stay as they are."""
        return self.slope == 1 and self.intercept == 0

    @property
    def is_whole(self) -> bool:
        """Whether whole numbers stay whole numbers, exactly."""
        parts = (float(self.slope), float(self.intercept))
        return all(part.is_integer() and abs(part) < 1 << 53 for part in parts)

    def range_of(self, low: float, high: float) -> tuple[int, int]:
        """Lowest and highest value after a whole rescale of values from low to high."""
        ends = [int(end) * int(self.slope) + int(self.intercept) for end in (low, high)]
        return min(ends), max(ends)


def modality_type(stored: np.dtype[Any], low: int, high: int, *, whole: bool) -> np.dtype[Any]:
    """The type of modality values.

    The smallest integer type that is no narrower than the stored one and holds low to high,
    if all is whole; else float32 (float64 where 64-bit values are stored).
    """
    if stored.kind in "iub" and whole:
        kinds = "iu" if stored.kind == "i" else "ui"
        for size in (1, 2, 4, 8):
            for kind in kinds if size >= stored.itemsize else "":
                bounds = np.iinfo(f"{kind}{size}")
                if bounds.min <= low and high <= bounds.max:
                    return np.dtype(f"{kind}{size}")
    return np.dtype(np.float64 if stored.itemsize == 8 else np.float32)


def rescale(array: np.ndarray[Any, Any], by: Rescale) -> np.ndarray[Any, Any]:
    """Rescale an array into a new one; the array itself if there is nothing to do.

    Args:
        array: stored values of any shape.
        by: slope and intercept.

    Returns:
        The same shape; the type that `modality_type` gives for the values there are.
    """
    if by.is_identity or array.size == 0:
        return array
    low, high = 0, 0
    whole = array.dtype.kind in "iu" and by.is_whole
    if whole:
        low, high = by.range_of(int(array.min()), int(array.max()))
    kind = modality_type(array.dtype, low, high, whole=whole)
    if kind.kind == "f":
        return (array.astype(np.float64) * by.slope + by.intercept).astype(kind)
    result = array.astype(kind)
    rescale_whole(result, by)
    return result


def rescale_whole(array: np.ndarray[Any, Any], by: Rescale) -> None:
    """Rescale integers in place, where every result fits the type.

    Arithmetic is modulo 2 to the power of the width, in which a result that fits is exact,
    even if a value on the way did not.
    """
    kind = np.dtype(f"u{array.dtype.itemsize}")
    modulus = 1 << 8 * kind.itemsize
    bits = array.view(kind)
    if by.slope != 1:
        np.multiply(bits, kind.type(int(by.slope) % modulus), out=bits)
    if by.intercept != 0:
        np.add(bits, kind.type(int(by.intercept) % modulus), out=bits)


def _number(dataset: Attributes, keyword: str, default: float) -> float:
    """A number, or the default where the attribute is absent or empty."""
    try:
        value = dataset.get(keyword)
        if value is None or value == "":
            return default
        number = float(value)
    except UNREADABLE as error:
        raise DecodeError(f"{keyword} of {name_of(dataset)} is no number: {error}") from error
    if not math.isfinite(number):
        raise DecodeError(f"{keyword} of {name_of(dataset)} is {number}.")
    return number
