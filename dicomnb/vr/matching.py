"""Does a stored value match what was asked? The rules of PS3.4 C.2.2.2, for one value.

Where the standard leaves a choice: person names match without regard to case, all other text
exactly; trailing spaces never count; a date or time that is less precise than the stored one
("10" for 10:00 to 10:59) stands for all that it leaves open.
"""

from __future__ import annotations

import calendar
import math
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from dicomnb.attributes import attribute
from dicomnb.errors import BadQuery
from dicomnb.vr import values

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "is_moment",
    "match_age",
    "match_date",
    "match_date_time",
    "match_double",
    "match_exact",
    "match_integer",
    "match_name",
    "match_nothing",
    "match_number",
    "match_single",
    "match_tag",
    "match_text",
    "match_time",
    "match_uid",
    "match_unsigned",
    "split_moments",
    "split_range",
]

_DAY = timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)
_DT_ONE = r"\d{4,14}(?:\.\d{1,6})?(?:[+-]\d{4})?"
_DT_RANGE = re.compile(rf"({_DT_ONE})?-({_DT_ONE})?", re.ASCII)


def match_text(stored: object, wanted: str, *, fuzzy: bool = False) -> bool:
    """Text: exact but for trailing spaces; ``*`` is any text, ``?`` any one character."""
    text = _text(stored)
    return text is not None and _pattern(wanted.rstrip(" "), False).fullmatch(text) is not None


def match_exact(stored: object, wanted: str, *, fuzzy: bool = False) -> bool:
    """The same text but for trailing spaces; no wildcards."""
    return _text(stored) == wanted.rstrip(" ")


def match_name(stored: object, wanted: str, *, fuzzy: bool = False) -> bool:
    """A person's name: any of its component groups, whatever the case.

    Empty components at the end do not count (``Doe^John^^`` is ``Doe^John``). With ``=`` in
    ``wanted``, group is compared with group, and an empty one matches all. Fuzzy: some word of
    ``wanted`` is the beginning of some word of the name, without case and accents, which is
    how servers commonly do it.
    """
    groups = _name_groups(stored)
    if fuzzy:
        words = [word for group in groups for word in _words(group)]
        return any(word.startswith(start) for start in _words(wanted) for word in words)
    if "=" in wanted:
        asked = [group.rstrip(" ^") for group in wanted.split("=")]
        groups += [""] * (len(asked) - len(groups))
        return all(
            not want or _pattern(want, True).fullmatch(group)
            for want, group in zip(asked, groups, strict=False)
        )
    pattern = _pattern(wanted.rstrip(" ^"), True)
    return any(group and pattern.fullmatch(group) for group in groups)


def match_uid(stored: object, wanted: str, *, fuzzy: bool = False) -> bool:
    """One of the UIDs in ``wanted``, a list with commas or backslashes between."""
    return _text(stored) in {part.strip() for part in re.split(r"[,\\]", wanted)}


def match_date(stored: object, wanted: str, *, fuzzy: bool = False) -> bool:
    """A day, or a range of days with both ends in it, either of which may be open."""
    day = _as_date(stored)
    first, last = _date_bounds(wanted)
    return day is not None and first <= day <= last


def match_time(stored: object, wanted: str, *, fuzzy: bool = False) -> bool:
    """A time of day, or a range of them."""
    time = _as_time(stored)
    first, last = _time_bounds(wanted)
    return time is not None and first <= time <= last


def match_date_time(stored: object, wanted: str, *, fuzzy: bool = False) -> bool:
    """A date-time, or a range; compared in UTC where both sides have an offset."""
    moment = _as_moment(stored)
    first, last = _moment_bounds(wanted)
    if moment is None:
        return False
    return (first is None or not _is_before(moment, first)) and (
        last is None or not _is_before(last, moment)
    )


def match_number(
    stored: object,
    wanted: str,
    *,
    fuzzy: bool = False,
    parse: Callable[[object], float | None] = values.finite_number,
    tolerance: float = 1e-12,
) -> bool:
    """The same number, however it is written.

    Args:
        stored: text or number.
        wanted: a number as text.
        fuzzy: without meaning here.
        parse: the VR's own reading.
        tolerance: relative; what the VR's precision leaves open.
    """
    try:
        one, other = parse(stored), parse(wanted)
    except ValueError:
        return False
    if one is None or other is None:
        return False
    if isinstance(one, int) and isinstance(other, int):
        return one == other
    return math.isclose(one, other, rel_tol=tolerance)


match_integer = partial(match_number, parse=values.exact_integer)
match_unsigned = partial(match_number, parse=partial(values.exact_integer, low=0, high=2**64 - 1))
match_single = partial(match_number, parse=values.real_number, tolerance=1e-6)
match_double = partial(match_number, parse=values.real_number)


def match_age(stored: object, wanted: str, *, fuzzy: bool = False) -> bool:
    """The same length of time, in whatever unit it is written."""
    return match_number(stored, wanted, parse=_age, tolerance=1e-9)


def match_tag(stored: object, wanted: str, *, fuzzy: bool = False) -> bool:
    """The same attribute, by tag or keyword."""
    try:
        return attribute(stored).tag == attribute(wanted).tag  # type: ignore[arg-type]
    except BadQuery:
        return False


def match_nothing(stored: object, wanted: str, *, fuzzy: bool = False) -> bool:
    """Sequences and binary values match no text: ask by what is in them."""
    return False


def split_range(wanted: str) -> tuple[str, str] | None:
    """The two ends of a DA or TM range ``a-b``, ``a-`` or ``-b``; None for a single value."""
    first, dash, last = wanted.partition("-")
    return (first.strip(), last.strip()) if dash else None


def split_moments(wanted: str) -> tuple[str | None, str | None] | None:
    """The two ends of a DT range; None for a single value.

    A hyphen before four digits that can be an offset is an offset (PS3.5 section 6.2).
    """
    found = None if is_moment(wanted) else _DT_RANGE.fullmatch(wanted)
    return (found[1], found[2]) if found else None


def is_moment(text: str) -> bool:
    """Whether ``text`` is one DT."""
    try:
        return values.date_time(text) is not None
    except ValueError:
        return False


def _text(stored: object) -> str | None:
    try:
        return values.plain_text(stored)
    except ValueError:
        return None


@lru_cache(maxsize=512)
def _pattern(wanted: str, any_case: bool) -> re.Pattern[str]:
    """Wildcards as a regular expression; runs of ``*`` count as one.

    Atomic groups: each stretch between two ``*`` is taken where it stands first, which loses
    no match and leaves nothing to try again, however many ``*`` there are.
    """
    first, *rest = (
        "".join("." if sign == "?" else re.escape(sign) for sign in stretch)
        for stretch in re.split(r"\*+", wanted)
    )
    expression = first
    if rest:
        expression += "".join(f"(?>.*?{one})" for one in rest[:-1]) + ".*" + rest[-1]
    return re.compile(expression, re.DOTALL | (re.IGNORECASE if any_case else 0))


def _name_groups(stored: object) -> list[str]:
    if isinstance(stored, Mapping):
        groups = [stored.get(key) for key in ("Alphabetic", "Ideographic", "Phonetic")]
        return [group.rstrip(" ^") if isinstance(group, str) else "" for group in groups]
    return [group.rstrip(" ^") for group in str(stored).split("=")]


def _words(name: str) -> list[str]:
    """The words of a name, in lower case, without accents and wildcards."""
    plain = unicodedata.normalize("NFKD", name)
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    return re.findall(r"[^\s^=,;.*?\\-]+", plain.casefold())


def _age(raw: object) -> float | None:
    return values.real_number(raw) if isinstance(raw, (int, float)) else values.age_years(raw)


def _as_date(stored: object) -> date | None:
    if isinstance(stored, datetime):
        return stored.date()
    if isinstance(stored, date):
        return stored
    try:
        return values.calendar_date(stored)
    except ValueError:
        return None


def _as_time(stored: object) -> timedelta | None:
    if isinstance(stored, timedelta):
        return stored
    if hasattr(stored, "hour") and hasattr(stored, "microsecond"):
        return timedelta(
            hours=stored.hour,
            minutes=stored.minute,  # type: ignore[attr-defined]
            seconds=stored.second,  # type: ignore[attr-defined]
            microseconds=stored.microsecond,
        )
    try:
        return values.clock_time(stored)
    except ValueError:
        return None


def _as_moment(stored: object) -> datetime | None:
    if isinstance(stored, datetime):
        return stored
    try:
        moment = values.date_time(stored)
    except ValueError:
        return None
    return None if moment is None else _with_offset(moment, str(stored))


def _with_offset(moment: datetime, text: str) -> datetime:
    minutes = values.offset_minutes(text)
    if minutes is None:
        return moment
    return moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))


def _is_before(one: datetime, other: datetime) -> bool:
    if one.tzinfo is not None and other.tzinfo is not None:
        return _utc(one) < _utc(other)
    return one.replace(tzinfo=None) < other.replace(tzinfo=None)


def _utc(moment: datetime) -> timedelta:
    """Time since year 1 in UTC, which may lie before it, where no datetime can."""
    return (moment.replace(tzinfo=UTC) - datetime.min.replace(tzinfo=UTC)) - (
        moment.utcoffset() or timedelta()
    )


@lru_cache(maxsize=512)
def _date_bounds(wanted: str) -> tuple[date, date]:
    ends = split_range(wanted)
    first, last = ends if ends else (wanted, wanted)
    return values.calendar_date(first) or date.min, values.calendar_date(last) or date.max


@lru_cache(maxsize=512)
def _time_bounds(wanted: str) -> tuple[timedelta, timedelta]:
    ends = split_range(wanted)
    first, last = ends if ends else (wanted, wanted)
    end = values.clock_time(last)
    # One more second than a day has: 23:59:60 may be stored.
    upper = _DAY + timedelta(seconds=1) if end is None else end + _open_time(last) - _MICROSECOND
    return values.clock_time(first) or timedelta(), upper


def _open_time(text: str) -> timedelta:
    """How much a time leaves open: an hour, a minute, a second, or a part of it."""
    digits, _, fraction = text.replace(":", "").partition(".")
    if fraction:
        return timedelta(microseconds=10 ** (6 - len(fraction)))
    return {2: timedelta(hours=1), 4: timedelta(minutes=1)}.get(len(digits), timedelta(seconds=1))


@lru_cache(maxsize=512)
def _moment_bounds(wanted: str) -> tuple[datetime | None, datetime | None]:
    """First and last moment of a DT or a range of them, None where open."""
    first, last = split_moments(wanted) or (wanted, wanted)
    lower = values.date_time(first)
    upper = values.date_time(last)
    return (
        None if lower is None or first is None else _with_offset(lower, first),
        None if upper is None or last is None else _with_offset(_last_of(upper, last), last),
    )


def _last_of(moment: datetime, text: str) -> datetime:
    """The last moment that a DT of some precision stands for."""
    digits, _, fraction = re.split(r"[+-]", text)[0].partition(".")
    if fraction:
        return moment + (timedelta(microseconds=10 ** (6 - len(fraction))) - _MICROSECOND)
    if len(digits) == 4:
        return datetime(moment.year, 12, 31, 23, 59, 59, 999999)
    if len(digits) == 6:
        day = calendar.monthrange(moment.year, moment.month)[1]
        return datetime(moment.year, moment.month, day, 23, 59, 59, 999999)
    steps = {8: _DAY, 10: timedelta(hours=1), 12: timedelta(minutes=1)}
    return moment + (steps.get(len(digits), timedelta(seconds=1)) - _MICROSECOND)
