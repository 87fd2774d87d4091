"""What a person writes above a column to compare: ``>5``, ``<=2023-06``, ``10..20``, ``=CT``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Comparison", "comparison"]

_OPERATOR = re.compile(r"\s*(>=|<=|!=|=|>|<|≥|≤|≠)\s*(.*)", re.DOTALL)
_RANGE = re.compile(r"\s*(.*?)\s*(?:\.\.|…)\s*(.*?)\s*", re.DOTALL)
_SAME = {"≥": ">=", "≤": "<=", "≠": "!="}
_DAY = re.compile(r"(\d{4})(?:-?(\d{2})(?:-?(\d{2}))?)?(?:[T ](\d{2}(?::\d{2}(?::\d{2})?)?))?")
_TIME = re.compile(r"(\d{1,2})(?::?(\d{2})(?::?(\d{2}))?)?")
_HINTS = {
    "number": "a number, as in >5 or 10..20",
    "date": "a date, as in >=2023-06 or 2022..2023",
    "time": "a time, as in >12:30 or 8..12",
}


@dataclass(frozen=True)
class Comparison:
    """What a cell is compared with.

    Attributes:
        text: the cell must be this, in lower case; None where values are compared.
        low: the least value that passes, None for any.
        high: the first value above that no longer passes, or, if ``closed``, the last that does.
        closed: whether ``high`` itself passes.
        open_low: whether ``low`` itself does not pass.
        negated: whether all others pass instead, missing ones too.
    """

    text: str | None = None
    low: Any = None
    high: Any = None
    closed: bool = False
    open_low: bool = False
    negated: bool = False

    def within(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """For each value whether it lies between the bounds."""
        passing = np.ones(len(values), dtype=np.bool_)
        if self.low is not None:
            passing &= values > self.low if self.open_low else values >= self.low
        if self.high is not None:
            passing &= values <= self.high if self.closed else values < self.high
        return passing


def comparison(wanted: str, kind: str) -> Comparison | str | None:
    """The comparison that ``wanted`` is.

    Args:
        wanted: what a person wrote.
        kind: of the column: ``"number"``, ``"date"`` and ``"time"`` can be compared, all others
            only be equal or not.

    Returns:
        The comparison; None if it is none, but words to look for; text that says what it lacks.
    """
    if (found := _OPERATOR.fullmatch(wanted)) is not None:
        operator, operand = _SAME.get(found[1], found[1]), found[2].strip()
        if kind in _HINTS:
            return _compared(operator, operand, kind)
        if operator in ("=", "!="):
            if not operand:
                return "Write what to compare with after the sign."
            return Comparison(operand.casefold(), negated=operator == "!=")
        return None
    if kind in _HINTS and (found := _RANGE.fullmatch(wanted)) is not None:
        ends = [_extent(text, kind) if text else (None, None) for text in found.groups()]
        if None in ends or found.groups() == ("", ""):
            return f"Between needs {_HINTS[kind]}."
        (low, _), (_, high) = ends  # type: ignore[misc]
        return Comparison(low=low, high=high, closed=kind == "number")
    return None


def _compared(operator: str, operand: str, kind: str) -> Comparison | str:
    extent = _extent(operand, kind)
    if extent is None:
        return f"After {operator} belongs {_HINTS[kind]}."
    low, high = extent
    point = kind == "number"  # dates and times are as long as they are exact: 2023 is a year
    match operator:
        case ">":
            return Comparison(low=high, open_low=point)
        case ">=":
            return Comparison(low=low)
        case "<":
            return Comparison(high=low)
        case "<=":
            return Comparison(high=high, closed=point)
        case _:
            return Comparison(low=low, high=high, closed=point, negated=operator == "!=")


def _extent(text: str, kind: str) -> tuple[Any, Any] | None:
    """From where to where a value goes, the end exclusive but for numbers; None if it is none."""
    try:
        if kind == "number":
            return float(text), float(text)
        return _date_extent(text) if kind == "date" else _time_extent(text)
    except ValueError:
        return None


def _date_extent(text: str) -> tuple[np.datetime64, np.datetime64] | None:
    if (found := _DAY.fullmatch(text)) is None or (found[4] and not found[3]):
        return None
    day = "-".join(part for part in found.groups()[:3] if part)
    start = np.datetime64(f"{day}T{found[4]}" if found[4] else day)
    return start, start + 1


def _time_extent(text: str) -> tuple[np.timedelta64, np.timedelta64] | None:
    if (found := _TIME.fullmatch(text)) is None:
        return None
    hours, minutes, seconds = found.groups()
    start = int(hours) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    length = 1 if seconds else 60 if minutes else 3600
    return np.timedelta64(start, "s"), np.timedelta64(start + length, "s")
