"""A search in two by StudyDate, for servers that give only so many rows of one. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from dicomnb.query.abilities import Form
from dicomnb.query.filters import Filter, Query
from dicomnb.vr.matching import split_range

if TYPE_CHECKING:
    from dicomnb.query.abilities import SearchAbilities

__all__ = ["STUDY_DATE", "halves"]

STUDY_DATE = "00080020"
_FIRST, _LAST = date(1900, 1, 1), date(2100, 1, 1)
"""Between these, days are cut in the middle; beyond them lies what is dated oddly."""
_DAY = timedelta(days=1)


def halves(query: Query, abilities: SearchAbilities) -> tuple[Query, Query] | None:
    """The earlier and the later half of a search, or None where it cannot be cut.

    Each is a query with a range of StudyDate, with no day in both and none in neither. Rows
    without a StudyDate are in neither, unless the server takes them for very early ones.

    Example:
        >>> from dicomnb.query import SearchAbilities, build
        >>> halves(build("study", {"StudyDate": ("20230101", "20230104")}), SearchAbilities())
        ... # 20230101-20230102 and 20230103-20230104
    """
    dated = [one for one in query.filters if one.path == (STUDY_DATE,)]
    if query.within is not None or len(dated) > 1 or not _takes_ranges(query, abilities):
        return None
    ends = split_range(dated[0].values[0]) if dated and len(dated[0].values) == 1 else ("", "")
    if ends is None or (dated and ends == ("", "")):
        return None
    first, last = (_day(text) for text in ends)
    low, high = max(first or _FIRST, _FIRST), min(last or _LAST, _LAST)
    if low >= high:
        return None
    middle = low + (high - low) // 2
    others = tuple(one for one in query.filters if one not in dated)

    def part(begin: str, end: str) -> Query:
        between = Filter((STUDY_DATE,), "DA", (f"{begin}-{end}",))
        return replace(query, filters=(between, *others))

    return part(ends[0], _text(middle)), part(_text(middle + _DAY), ends[1])


def _takes_ranges(query: Query, abilities: SearchAbilities) -> bool:
    matched = abilities.attributes is None or STUDY_DATE in abilities.attributes[query.level]
    ranged = abilities.ranges is None or STUDY_DATE in abilities.ranges
    form = Form(query.level, (STUDY_DATE,), "range")
    return matched and ranged and form not in abilities.refused | abilities.ignored


def _day(text: str) -> date | None:
    return date(int(text[:4]), int(text[4:6]), int(text[6:8])) if text else None


def _text(day: date) -> str:
    return day.strftime("%Y%m%d")
