"""Stored values to real-world values, with their units (PS3.3 C.7.6.16.2.11)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.errors import DecodeError, UnitsError
from dicomnb.images.functional import functional_items
from dicomnb.images.headers import number, text
from dicomnb.images.pixels import UNREADABLE, name_of

if TYPE_CHECKING:
    from pydicom import Dataset

    Array = np.ndarray[Any, Any]

__all__ = ["RealWorldMapping", "real_world", "real_world_mappings"]


@dataclass(frozen=True, eq=False)
class RealWorldMapping:
    """One item of RealWorldValueMappingSequence.

    Attributes:
        label: LUTLabel, or ``""``.
        explanation: LUTExplanation, or ``""``.
        units: code value of the units, UCUM as a rule: ``"Bq/ml"``, ``"{SUVbw}g/ml"``, ``"ms"``.
        first: lowest stored value that is mapped.
        last: highest.
        slope: of the linear mapping.
        intercept: of the linear mapping.
        table: values of first to last, where the mapping is no line.
    """

    label: str
    explanation: str
    units: str
    first: float
    last: float
    slope: float = 1.0
    intercept: float = 0.0
    table: Array | None = None

    @classmethod
    def of(cls, item: Dataset, *, signed: bool = False) -> RealWorldMapping:
        """Read an item.

        Args:
            item: of RealWorldValueMappingSequence.
            signed: whether stored values are.

        Raises:
            DecodeError: neither a slope nor a table, or numbers that are none.
        """
        first, last = (
            _bound(item, f"{end}ValueMapped", signed=signed)
            for end in ("RealWorldValueFirst", "RealWorldValueLast")
        )
        units = item.get("MeasurementUnitsCodeSequence")
        code = text(units[0], "CodeValue") if units else ""
        facts = (text(item, "LUTLabel"), text(item, "LUTExplanation"), code, first, last)
        slope = number(item, "RealWorldValueSlope")
        if slope is not None:
            intercept = number(item, "RealWorldValueIntercept") or 0.0
            return cls(*facts, slope=slope, intercept=intercept)
        try:
            table = np.atleast_1d(np.asarray(item.RealWorldValueLUTData, dtype=np.float64))
        except UNREADABLE as error:
            raise DecodeError("A real-world mapping has neither slope nor table.") from error
        if len(table) != last - first + 1:
            raise DecodeError(
                f"A real-world table of values {first:g} to {last:g} has {len(table)} entries."
            )
        return cls(*facts, table=table)

    def apply(self, stored: Array) -> Array:
        """Map stored values.

        Returns:
            float64 of the same shape; NaN where a stored value lies outside first … last, for
            which the mapping says nothing.
        """
        inside = (stored >= self.first) & (stored <= self.last)
        if self.table is None:
            values = stored.astype(np.float64) * self.slope + self.intercept
        else:
            index = stored.astype(np.float64) - self.first
            values = self.table[np.clip(index, 0, len(self.table) - 1).astype(np.intp)]
        return np.where(inside, values, np.nan)


def real_world_mappings(dataset: Dataset, *, frame: int = 1) -> tuple[RealWorldMapping, ...]:
    """Every mapping that the data set has for a frame; there may be several, or none.

    Raises:
        DecodeError: a mapping is damaged.
        ValueError: no such frame.
    """
    items = functional_items(dataset, "RealWorldValueMappingSequence", frame=frame)
    if not items:
        items = dataset.get("RealWorldValueMappingSequence") or []
    signed = number(dataset, "PixelRepresentation") == 1
    return tuple(RealWorldMapping.of(item, signed=signed) for item in items)


def real_world(
    stored: Array, dataset: Dataset, *, frame: int = 1, name: str | None = None
) -> tuple[Array, str]:
    """Stored values to real-world values, which are not rescaled or windowed ones.

    Args:
        stored: stored values of one frame, of any shape.
        dataset: the image; its functional groups may hold a mapping for each frame.
        frame: number of the frame, from 1.
        name: label, explanation or units of the mapping, where there are several; None for
            the first.

    Returns:
        Values, float64 of the same shape with NaN outside the mapping's range, and their units.

    Raises:
        UnitsError: the data set has no mapping, or none of that name; tells those there are.
        DecodeError: the mapping is damaged.
    """
    mappings = real_world_mappings(dataset, frame=frame)
    for mapping in mappings:
        if name is None or name in (mapping.label, mapping.explanation, mapping.units):
            return mapping.apply(stored), mapping.units
    has = ", ".join(f"{one.label or one.explanation} in {one.units}" for one in mappings)
    raise UnitsError(
        f"{name_of(dataset)} has no real-world value mapping{f' {name!r}' if name else ''}"
        + (f"; it has {has}." if has else ".")
    )


def _bound(item: Dataset, keyword: str, *, signed: bool) -> float:
    """First or last value mapped: a whole number, or a double where pixels are floats."""
    found = number(item, keyword)
    if found is None:
        found = number(item, f"DoubleFloat{keyword}")
    if found is None:
        return -np.inf if "First" in keyword else np.inf
    if signed and found >= 1 << 15 and keyword in item and item[keyword].VR == "US":
        return found - (1 << 16)  # a signed number, read as an unsigned one
    return found
