"""A Python value → the text of a search (PS3.4 C.2.2.2), a function for each kind of VR.

Each raises ``ValueError`` for a value of the wrong kind, in words that say what is right. A
missing value (None, NaN, NaT) is refused: it would match everything.
"""

from __future__ import annotations

import math
import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pydicom.valuerep import PersonName

from dicomnb.attributes import attribute
from dicomnb.errors import BadQuery
from dicomnb.vr import matching, values

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "format_age",
    "format_date",
    "format_date_time",
    "format_decimal",
    "format_integer",
    "format_name",
    "format_nothing",
    "format_number",
    "format_tag",
    "format_text",
    "format_time",
    "format_uid",
    "format_unlimited",
    "python_value",
]

_DATE = r"\d{4}-\d{2}-\d{2}|\d{4}\.\d{2}\.\d{2}|\d{8}"
_DATE_RANGE = re.compile(rf"({_DATE})?\s*-\s*({_DATE})?", re.ASCII)
_MIDNIGHT = timedelta()
_DAY = timedelta(days=1)


def python_value(value: object) -> object:
    """The plain Python value of a scalar of numpy, pandas or pydicom.

    Raises:
        ValueError: it is missing.
    """
    if isinstance(value, np.datetime64):
        value = pd.Timestamp(value)
    elif isinstance(value, np.timedelta64):
        value = pd.Timedelta(value)
    elif isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NaT or value is pd.NA or value != value:
        raise ValueError("a missing value (None, NaN, NaT) asks for nothing")
    return value


def format_text(value: object) -> str:
    """Text as it is, wildcards included; a whole number as its digits."""
    text = format_unlimited(value)
    if "\\" in text:
        raise ValueError("a backslash separates values: pass a list, one value each")
    return text


def format_unlimited(value: object) -> str:
    """Text of which a backslash may be a part."""
    value = python_value(value)
    if isinstance(value, str):
        return value
    if isinstance(value, Integral) and not isinstance(value, bool):
        return str(int(value))
    raise ValueError(f"{value!r} is no text")


def format_name(value: object) -> str:
    """A person's name as it is: text, or pydicom's PersonName."""
    value = python_value(value)
    if isinstance(value, (str, PersonName)):
        return format_text(str(value))
    raise ValueError(f"{value!r} is no name")


def format_uid(value: object) -> str:
    """A UID, or several with commas or backslashes between, as commas."""
    value = python_value(value)
    parts = re.split(r"[,\\]", value) if isinstance(value, str) and value else [value]
    try:
        uids = [values.uid(part.strip() if isinstance(part, str) else part) for part in parts]
    except ValueError:
        raise ValueError(f"{value!r} is no UID (digits and dots, no wildcards)") from None
    if not isinstance(value, str) or (value and not all(uids)):
        raise ValueError(f"{value!r} is no UID (digits and dots)")
    return ",".join(uid for uid in uids if uid)


def format_date(value: object) -> str:
    """``"20230131"`` or a range ``"20230101-20231231"``, ``"20230101-"``.

    From a date, datetime, Timestamp, ``"20230131"``, ``"2023-01-31"``, or a pair of them for a
    range, None for an open end. Of a datetime the day counts.
    """
    if isinstance(value, tuple):
        return _range(value, _date, matching.match_date)
    value = python_value(value)
    if isinstance(value, str) and (found := _DATE_RANGE.fullmatch(value.strip())):
        return _range((found[1], found[2]), _date, matching.match_date)
    return _date(value)


def format_time(value: object) -> str:
    """``"101500"``, ``"101500.25"`` or a range.

    From a time, a timedelta since midnight, ``"1015"``, ``"10:15:00"``, or a pair of them.
    """
    if isinstance(value, tuple):
        return _range(value, _time, matching.match_time)
    value = python_value(value)
    ends = matching.split_range(value) if isinstance(value, str) else None
    if ends:
        return _range(tuple(end or None for end in ends), _time, matching.match_time)
    return _time(value)


def format_date_time(value: object) -> str:
    """``"20230131101500"``, with an offset where the value has one, or a range.

    From a datetime, Timestamp, date, DICOM or ISO text, or a pair of them.
    """
    if isinstance(value, tuple):
        return _range(value, _moment, matching.match_date_time)
    value = python_value(value)
    if isinstance(value, str):
        ends = matching.split_moments(value.strip())
        if ends:
            return _range(ends, _moment, matching.match_date_time)
    return _moment(value)


def format_integer(value: object) -> str:
    """A whole number."""
    value = _no_pair(value)
    if value == "":
        return ""
    try:
        if isinstance(value, (str, int, float)):
            number = values.exact_integer(value, high=2**64 - 1)
            if number is not None:
                return str(number)
    except ValueError:
        pass
    raise ValueError(f"{value!r} is no whole number")


def format_number(value: object, *, longest: int | None = None) -> str:
    """A number in its shortest exact form; at most ``longest`` characters of it."""
    value = _no_pair(value)
    if value == "":
        return ""
    number = value.strip() if isinstance(value, str) else value
    parsed = _float_or_none(float(number) if isinstance(number, Decimal) else number)
    if parsed is None:
        raise ValueError(f"{value!r} is no number")
    if isinstance(number, str):
        return number
    text = repr(int(parsed)) if parsed.is_integer() and abs(parsed) < 1e15 else repr(parsed)
    digits = 17
    while longest is not None and len(text) > longest:
        digits -= 1
        text = f"{parsed:.{digits}g}"
    if math.isinf(float(text)):
        raise ValueError(f"{value!r} is no number of {longest} characters")
    return text


#: A DS has at most 16 characters (PS3.5 section 6.2).
format_decimal = partial(format_number, longest=16)


def format_age(value: object) -> str:
    """``"042Y"``: from text, or from years, in the largest unit that is whole."""
    value = _no_pair(value)
    if isinstance(value, str):
        text = value.strip().upper().rjust(4, "0") if value.strip() else ""
        try:
            values.age_years(text)
        except ValueError:
            raise ValueError(f"{value!r} is no age (042Y, 018M, 003W, 010D)") from None
        return text
    years = None if isinstance(value, bool) else _float_or_none(value)
    if years is not None and 0 <= years < 1000:
        for unit, in_year in values.UNITS_A_YEAR.items():
            count = years * in_year
            if math.isclose(count, round(count), abs_tol=1e-6) and round(count) <= 999:
                return f"{round(count):03}{unit}"
    raise ValueError(f"{value!r} is no age in years, and none like '042Y'")


def format_tag(value: object) -> str:
    """A tag as eight hexadecimal digits, from a keyword or tag in any form."""
    value = value if isinstance(value, tuple) else python_value(value)
    if value == "":
        return ""
    try:
        return attribute(value).tag  # type: ignore[arg-type]
    except BadQuery as error:
        raise ValueError(str(error)) from None


def format_nothing(value: object) -> str:
    """Sequences and binary values cannot be asked for."""
    if isinstance(value, str) and not value:
        return ""
    raise ValueError("its values cannot be searched; name an attribute inside the sequence")


def _float_or_none(value: object) -> float | None:
    """A finite number, or None where it is none."""
    try:
        return values.finite_number(value)
    except ValueError:
        return None


def _no_pair(value: object) -> object:
    if not isinstance(value, (tuple, list)):
        return python_value(value)
    raise ValueError("a range can only be asked of dates and times; pass one value")


def _range(
    ends: tuple[object, ...], one: Callable[[object], str], matches: Callable[[object, str], bool]
) -> str:
    """Both ends of a range as text, the first not after the last."""
    if len(ends) != 2:
        raise ValueError("a range is a pair (first, last), None for an open end")
    first, last = ("" if end is None else one(end) for end in ends)
    if not first and not last:
        raise ValueError("a range needs at least one end")
    if first and last and not matches(first, f"-{last}"):
        raise ValueError(f"a range ends after it begins, not {first} to {last}")
    return f"{first}-{last}"


def _date(value: object) -> str:
    value = python_value(value)
    if isinstance(value, str):
        if not value.strip():
            return ""
        if re.fullmatch(_DATE, value.strip(), re.ASCII):
            digits = re.sub(r"\D", "", value)
            try:
                values.calendar_date(digits)
            except ValueError as error:
                raise ValueError(f"{value!r} is {error}") from None
            return digits
    elif isinstance(value, date):
        return f"{value.year:04}{value.month:02}{value.day:02}"
    raise ValueError(f"{value!r} is no date: give a date, '2023-01-31' or a pair of them")


def _time(value: object) -> str:
    value = python_value(value)
    if isinstance(value, str):
        text = value.strip()
        try:
            values.clock_time(text)
        except ValueError as error:
            raise ValueError(f"{value!r} is {error}: give a time, '10:15' or a pair") from None
        return text.replace(":", "")
    if isinstance(value, timedelta) and _MIDNIGHT <= value < _DAY:
        return _clock(value // timedelta(seconds=1), value.microseconds)
    if isinstance(value, time):
        return _clock(value.hour * 3600 + value.minute * 60 + value.second, value.microsecond)
    raise ValueError(f"{value!r} is no time of day: give a time, '10:15' or a pair of them")


def _clock(seconds: int, microseconds: int) -> str:
    text = f"{seconds // 3600:02}{seconds // 60 % 60:02}{seconds % 60:02}"
    return f"{text}.{microseconds:06}" if microseconds else text


def _moment(value: object) -> str:
    value = python_value(value)
    if isinstance(value, str):
        text = value.strip()
        if matching.is_moment(text) or not text:
            return text
        try:
            value = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"{value!r} is no date-time: give a datetime or ISO text") from None
    if isinstance(value, datetime):
        clock = _clock(value.hour * 3600 + value.minute * 60 + value.second, value.microsecond)
        offset = value.utcoffset()
        return _date(value) + clock + ("" if offset is None else _offset(offset))
    if isinstance(value, date):
        return _date(value)
    raise ValueError(f"{value!r} is no date-time: give a datetime or ISO text")


def _offset(offset: timedelta) -> str:
    minutes = round(offset.total_seconds() / 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"
