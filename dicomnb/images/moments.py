"""Dates and times of a data set as moments that can be subtracted (PS3.5 section 6.2)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from dicomnb.images.headers import text

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["moment", "moment_of", "time_of"]

_MOMENT = re.compile(r"(\d{8})(\d{2,6}(?:\.\d{1,6})?)(?:[+-]\d{4})?")
_TIME = re.compile(r"(\d\d)(?::?(\d\d)(?::?(\d\d)(?:\.(\d{1,6}))?)?)?")


def moment(words: str) -> datetime | None:
    """A DT of at least an hour, or None; the offset from UTC is passed over.

    The other times of an image are local and tell no offset, so that of one is of no use.
    """
    found = _MOMENT.fullmatch(words.strip())
    return _at(found[1], found[2]) if found else None


def moment_of(dataset: Dataset, what: str) -> datetime | None:
    """Date and time of ``"Series"``, ``"Acquisition"`` or ``"Content"``, or None."""
    return _at(text(dataset, f"{what}Date"), text(dataset, f"{what}Time"))


def time_of(words: str) -> timedelta | None:
    """A TM as time since midnight, or None."""
    found = _TIME.fullmatch(words.strip())
    if found is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in found.groups()[:3])
    if hours > 23 or minutes > 59 or seconds > 60:
        return None
    micro = int((found[4] or "0").ljust(6, "0"))
    return timedelta(hours=hours, minutes=minutes, seconds=seconds, microseconds=micro)


def _at(date: str, time: str) -> datetime | None:
    """A DA and a TM together, or None where one of them is missing or none."""
    clock = time_of(time)
    try:
        day = datetime.strptime(date.strip().replace(".", "").replace("-", ""), "%Y%m%d")
    except ValueError:
        return None
    return None if clock is None else day + clock
