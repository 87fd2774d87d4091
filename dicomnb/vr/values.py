"""One JSON value → one Python value, a function for each kind of VR (PS3.5 6.2, PS3.18 F.2.3).

Each takes what a JSON array ``Value`` can hold, returns None for an empty value, and raises
``ValueError`` with words a reader understands for what it cannot read. What is not written as
the standard says but can be read without loss (a number as text, a person's name as a plain
string) is read.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta

from dicomnb.attributes import column_name
from dicomnb.errors import BadQuery

__all__ = [
    "age_years",
    "are_bare_uids",
    "binary",
    "calendar_date",
    "clock_time",
    "date_time",
    "exact_integer",
    "finite_number",
    "is_strict_uid",
    "item",
    "keyword",
    "offset_minutes",
    "person_name",
    "plain_text",
    "real_number",
    "uid",
]

# Real archives hold UIDs with letters and longer ones; what has a slash or is only dots would
# change the meaning of a path and is none.
_UID = re.compile(r"(?=.*[0-9A-Za-z])[0-9A-Za-z._-]{1,128}", re.ASCII)
_LONGEST_UID = 64
_STRICT_UID = re.compile(r"(?=.{0,64}$)([0-9]+(\.[0-9]+)*)?", re.ASCII)
# yyyy.mm.dd and hh:mm:ss are ACR-NEMA's forms; PS3.5 asks readers to go on accepting them.
_DATE = re.compile(r"(\d{4})(\.?)(\d\d)\2(\d\d)", re.ASCII)
_TIME = re.compile(r"(\d\d)(?:(:?)(\d\d)(?:\2(\d\d)(?:\.(\d{1,6}))?)?)?", re.ASCII)
_DATE_TIME = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,6}))?)?)?)?)?)?"
    r"(?:([+-])(\d\d)(\d\d))?",
    re.ASCII,
)
_AGE = re.compile(r"(\d{3})([DWMY])", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,32}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_NOT_FINITE = {
    "nan": math.nan,
    "infinity": math.inf,
    "+infinity": math.inf,
    "-infinity": -math.inf,
    "inf": math.inf,
    "-inf": -math.inf,
}

#: Units of an age in a year: of the Julian calendar, 365.25 days.
UNITS_A_YEAR = {"Y": 1.0, "M": 12.0, "W": 365.25 / 7, "D": 365.25}


def plain_text(raw: object) -> str | None:
    """Text without its trailing padding; characters no Unicode text can hold become U+FFFD."""
    if raw is None:
        return None
    if isinstance(raw, bool) or not isinstance(raw, (str, int, float)):
        raise _no("text", raw)
    text = str(raw).rstrip(" \0")
    if not text.isascii():
        text = re.sub("[\ud800-\udfff]", "\ufffd", text)  # half a surrogate pair
    return text or None


def uid(raw: object) -> str | None:
    """A UID, also one with letters or hyphens, as they occur; see `is_strict_uid`."""
    text = plain_text(raw)
    if text is not None and not _UID.fullmatch(text):
        raise ValueError("no UID (digits and dots)")
    return text


def is_strict_uid(text: object) -> bool:
    """Whether it is a UID as the standard has them (digits and dots, 64 at most), or empty."""
    return isinstance(text, str) and _STRICT_UID.fullmatch(text.rstrip(" \0")) is not None


def are_bare_uids(texts: Collection[str]) -> bool:
    """Whether each is a strict UID, not empty and without padding: quick, of many at once."""
    if not texts:
        return True
    whole = "\n".join(texts)
    if not whole.isascii() or whole.encode().translate(None, b"0123456789.\n"):
        return False
    if whole.count("\n") != len(texts) - 1 or max(map(len, texts)) > _LONGEST_UID:
        return False
    framed = f"\n{whole}\n"
    return all(bad not in framed for bad in ("..", "\n.", ".\n", "\n\n"))


def person_name(raw: object) -> str | None:
    """The first of the alphabetic, ideographic and phonetic group that is there."""
    if isinstance(raw, Mapping):
        groups = [raw.get(key) for key in ("Alphabetic", "Ideographic", "Phonetic")]
        if raw and all(key not in raw for key in ("Alphabetic", "Ideographic", "Phonetic")):
            raise ValueError("no person's name (Alphabetic, Ideographic, Phonetic)")
    else:
        text = plain_text(raw)
        groups = [] if text is None else list(text.split("="))
    texts = [plain_text(group) for group in groups]
    return next((text for text in texts if text), None)


def calendar_date(raw: object) -> date | None:
    """A DA: ``20230131``, and ``2023.01.31`` as before DICOM 3.0."""
    text = plain_text(raw)
    if text is None:
        return None
    found = _DATE.fullmatch(text.lstrip())
    if not found:
        raise ValueError("no date (YYYYMMDD)")
    try:
        return date(int(found[1]), int(found[3]), int(found[4]))
    except ValueError:
        raise ValueError("no day of the calendar") from None


def clock_time(raw: object) -> timedelta | None:
    """A TM as the time since midnight; second 60 is a leap second."""
    text = plain_text(raw)
    if text is None:
        return None
    found = _TIME.fullmatch(text.lstrip())
    if not found:
        raise ValueError("no time (HHMMSS.FFFFFF)")
    return _time_of_day(found[1], found[3], found[4], found[5])


def date_time(raw: object) -> datetime | None:
    """A DT as written, without its offset; what is left out is the earliest there is."""
    text = plain_text(raw)
    if text is None:
        return None
    found = _DATE_TIME.fullmatch(text.lstrip())
    if not found or not _offset_allowed(found):
        raise ValueError("no date-time (YYYYMMDDHHMMSS.FFFFFF&ZZXX)")
    try:
        day = datetime(int(found[1]), int(found[2] or 1), int(found[3] or 1))
        return day + _time_of_day(found[4], found[5], found[6], found[7])
    except OverflowError:
        raise ValueError("beyond the calendar") from None
    except ValueError as error:
        raise ValueError(f"no date-time: {error}") from None


def offset_minutes(text: str) -> int | None:
    """The offset from UTC that a DT is written with, in minutes; None when it has none.

    Example:
        >>> offset_minutes("20230131120000-0530")
        -330
    """
    found = _DATE_TIME.fullmatch(text.strip(" \0"))
    if not found or not found[8] or not _offset_allowed(found):
        return None
    minutes = int(found[9]) * 60 + int(found[10])
    return -minutes if found[8] == "-" else minutes


def age_years(raw: object) -> float | None:
    """An AS in years: ``"018M"`` is 1.5."""
    text = plain_text(raw)
    if text is None:
        return None
    found = _AGE.fullmatch(text)
    if not found:
        raise ValueError("no age (nnnD, nnnW, nnnM or nnnY)")
    return int(found[1]) / UNITS_A_YEAR[found[2]]


def exact_integer(raw: object, *, low: int = -(2**63), high: int = 2**63 - 1) -> int | None:
    """A whole number that fits the column (64 bits)."""
    number: int
    if isinstance(raw, str):
        text = raw.strip(" \0")
        if not text:
            return None
        if not _INTEGER.fullmatch(text):
            raise ValueError("no whole number")
        number = int(text)
    elif raw is None:
        return None
    elif isinstance(raw, bool) or not isinstance(raw, (int, float)):
        raise _no("number", raw)
    elif isinstance(raw, float) and not raw.is_integer():
        raise ValueError("no whole number")
    else:
        number = int(raw)
    if not low <= number <= high:
        raise ValueError("beyond 64 bits")
    return number


def finite_number(raw: object) -> float | None:
    """A DS: a decimal number, never NaN or infinite."""
    number = real_number(raw)
    if number is not None and not math.isfinite(number):
        raise ValueError("no decimal number")
    return number


def real_number(raw: object) -> float | None:
    """An FL or FD; "NaN", "Infinity" and "-Infinity" as text are what IEEE 754 has."""
    if isinstance(raw, str):
        text = raw.strip(" \0")
        if not text:
            return None
        if text.lower() in _NOT_FINITE:
            return _NOT_FINITE[text.lower()]
        if not _DECIMAL.fullmatch(text):
            raise ValueError("no number")
        number = float(text)
        if math.isinf(number):
            raise ValueError("beyond 64 bits")
        return number
    if raw is None:
        return None
    if isinstance(raw, bool) or not isinstance(raw, (int, float)):
        raise _no("number", raw)
    try:
        return float(raw)
    except OverflowError:
        raise ValueError("beyond 64 bits") from None


def keyword(raw: object) -> str | None:
    """An AT as the keyword of the tag that it names, ``"gggg,eeee"`` where there is none."""
    if raw is None or (isinstance(raw, str) and not raw.strip(" \0")):
        return None
    if isinstance(raw, bool) or not isinstance(raw, (str, int)):
        raise _no("tag", raw)
    if isinstance(raw, str) and not re.fullmatch(r"[0-9A-Fa-f]{8}", raw.strip(" \0")):
        raise ValueError("no tag (eight hexadecimal digits)")
    try:
        return column_name(raw.strip(" \0") if isinstance(raw, str) else raw)
    except BadQuery:
        raise ValueError("no tag (32 bits)") from None


def item(raw: object) -> Mapping[str, object] | None:
    """An item of a sequence: a data set of DICOM JSON, not looked into; None means empty."""
    if raw is None:
        return None
    if not isinstance(raw, Mapping):
        raise _no("item", raw)
    return raw


def binary(raw: object) -> bytes | None:
    """What ``InlineBinary`` holds: base64."""
    if raw is None:
        return None
    if not isinstance(raw, str):
        raise _no("base64", raw)
    try:
        return base64.b64decode(raw, validate=True) or None
    except (binascii.Error, ValueError):
        raise ValueError("no base64") from None


def _time_of_day(
    hour: str | None, minute: str | None, second: str | None, fraction: str | None
) -> timedelta:
    hours, minutes, seconds = int(hour or 0), int(minute or 0), int(second or 0)
    if hours > 23 or minutes > 59 or seconds > 60:
        raise ValueError("no time of a day")
    microseconds = int((fraction or "").ljust(6, "0"))
    return timedelta(hours=hours, minutes=minutes, seconds=seconds, microseconds=microseconds)


def _offset_allowed(found: re.Match[str]) -> bool:
    """PS3.5: offsets lie between -1200 and +1400."""
    if not found[8]:
        return True
    minutes = int(found[9]) * 60 + int(found[10])
    return int(found[10]) < 60 and minutes <= (720 if found[8] == "-" else 840)


def _no(wanted: str, raw: object) -> ValueError:
    """The error for a JSON value of another type, in words."""
    if isinstance(raw, bool):
        kind = "true or false"
    elif isinstance(raw, (int, float)):
        kind = "a number"
    elif isinstance(raw, str):
        kind = "text"
    else:
        kind = "an object" if isinstance(raw, Mapping) else "an array"
    return ValueError(f"no {wanted} but {kind}")
