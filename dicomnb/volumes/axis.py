"""`Axis`: what tells apart the stacks of a volume that has several: time, echo, weighting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["UNITS", "Axis"]

#: Attributes that may make a fourth axis, with the units of their values in the standard,
#: the more physical first: where several run in step, the first names the axis.
UNITS = {
    "DiffusionBValue": "s/mm²",
    "EchoTime": "ms",
    "InversionTime": "ms",
    "FlipAngle": "°",
    "KVP": "kV",
    "NominalPercentageOfCardiacPhase": "%",
    "NominalCardiacTriggerDelayTime": "ms",
    "TriggerTime": "ms",
    "TemporalPositionTimeOffset": "s",
    "FrameReferenceTime": "ms",
    "TemporalPositionIndex": "",
    "TemporalPositionIdentifier": "",
    "EchoNumbers": "",
    "AcquisitionDateTime": "s",
    "AcquisitionTime": "s",
    "AcquisitionNumber": "",
    "SegmentNumber": "",
}


@dataclass(frozen=True, eq=False)
class Axis:
    """The fourth axis of a volume.

    Attributes:
        keyword: of the attribute that tells the stacks apart, as in ``"EchoTime"``.
        values: of that attribute, one a stack, rising; of a time of day, seconds since the
            first stack. Where each slice has a time of its own, the median of the stack's.
        units: as the standard gives them, as in ``"ms"``; ``""`` for numbers that only count.
    """

    keyword: str
    values: np.ndarray[Any, np.dtype[np.float64]]
    units: str = ""

    def __len__(self) -> int:
        return len(self.values)

    def __str__(self) -> str:
        shown = ", ".join(f"{value:g}" for value in self.values[:6])
        more = ", …" if len(self.values) > 6 else ""
        return f"{self.keyword} {shown}{more} {self.units}".rstrip()
