"""The one table of value representations (VR): parsed, typed, formatted and matched.

Every room that touches a value asks this table: what a JSON value becomes in Python, which
pandas type a column of it has, how a value is written in a search, and whether a stored value
matches one. The 34 VRs are those of PS3.5 section 6.2.

Example:
    >>> VRS["DA"].format(("2023-01-01", None))
    '20230101-'
    >>> VRS["PN"].match("Zhang^San", "zhang*")
    True
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, Protocol

import pandas as pd
from pydicom.valuerep import PersonName

from dicomnb.vr import matching, queries, values
from dicomnb.vr.values import offset_minutes

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TEXT_DTYPE", "VR", "VRS", "Kind", "offset_minutes"]

#: What pandas itself uses for text: ``"str"`` from version 3 on, ``"object"`` before.
TEXT_DTYPE = "str" if int(pd.__version__.partition(".")[0]) >= 3 else "object"

# What can be iterated over and yet is one value.
_ONE_VALUE = (str, bytes, Mapping, PersonName)

Kind = Literal[
    "text", "name", "uid", "date", "time", "datetime", "age", "integer", "float", "tag",
    "sequence", "binary",
]  # fmt: skip


class Compare(Protocol):
    """Whether one stored value matches a text that is not empty."""

    def __call__(self, stored: object, wanted: str, /, *, fuzzy: bool = False) -> bool:
        """Whether it does."""
        ...


@dataclass(frozen=True, slots=True)
class VR:
    """One value representation.

    Attributes:
        name: its two letters, ``"DA"``.
        kind: what its values are; VRs of a kind are read alike.
        dtype: pandas' name of the column's type where VM is 1: DA ``datetime64[s]``, TM
            ``timedelta64[us]`` since midnight, DT ``datetime64[us]`` as written (its offset:
            `offset_minutes`), DS FL FD and AS (years) ``float64``, IS US SS UL SL SV
            ``Int64``, UV ``UInt64``, text, names, UIDs and AT (keywords) pandas' own text
            type, sequences and binary ``object``.
        json_types: types of a value in DICOM JSON (PS3.18 table F.2.3-1).
        wildcards: whether ``*`` and ``?`` have a meaning in a search.
        ranges: whether a search may ask for a range.
        parse: one JSON value → one Python value, or None where it is empty. Raises
            ``ValueError`` for what it cannot read. For PN the first group that is there, for
            AT the keyword, for SQ the item as it is, for binary VRs the bytes of base64 text.
        format: one Python value, or a pair ``(first, last)`` for a range, → the text of a
            search. Raises ``ValueError`` for a value of the wrong kind and for a missing one.
            The empty text (universal matching) is passed on.
        compare: whether one stored value matches; use `match`.
    """

    name: str
    kind: Kind
    dtype: str
    json_types: tuple[type, ...]
    wildcards: bool
    ranges: bool
    parse: Callable[[object], object]
    format: Callable[[object], str]
    compare: Compare

    def match(self, stored: object, wanted: str, *, fuzzy: bool = False) -> bool:
        """Whether a stored value matches what was asked (PS3.4 C.2.2.2).

        Args:
            stored: as DICOM JSON, pydicom or a table has it: text, number, date, Timestamp,
                Timedelta, a PN's object; a list or tuple of several, of which any may match;
                None, NaN or NaT where there is none.
            wanted: as `format` writes it. Empty, and ``*`` where wildcards have a meaning,
                match everything, missing values too.
            fuzzy: for names: some word of ``wanted`` begins some word of the name, without
                case and accents. Other VRs are matched as without it.

        Raises:
            ValueError: ``wanted`` is no date, time or range of them where one belongs. (What
                is no number, UID or tag simply matches none.)
        """
        if not wanted or (self.wildcards and not wanted.strip("*")):
            return True
        if isinstance(stored, Iterable) and not isinstance(stored, _ONE_VALUE):
            return any(self.match(one, wanted, fuzzy=fuzzy) for one in stored)
        try:
            one = queries.python_value(stored)
        except ValueError:
            return False
        return self.compare(one, wanted, fuzzy=fuzzy)


def _text(name: str, *, backslash: bool = False) -> VR:
    to_query = queries.format_unlimited if backslash else queries.format_text
    return VR(
        name, "text", TEXT_DTYPE, (str,), True, False,
        values.plain_text, to_query, matching.match_text,
    )  # fmt: skip


def _integer(name: str) -> VR:
    types = (int, float, str) if name in ("IS", "SV") else (int, float)
    return VR(
        name, "integer", "Int64", types, False, False,
        values.exact_integer, queries.format_integer, matching.match_integer,
    )  # fmt: skip


def _binary(name: str) -> VR:
    return VR(
        name, "binary", "object", (str,), False, False,
        values.binary, queries.format_nothing, matching.match_nothing,
    )  # fmt: skip


_NUMBER = (int, float)

_TABLE = (
    *(_text(name) for name in ("AE", "CS", "LO", "SH", "UC")),
    *(_text(name, backslash=True) for name in ("LT", "ST", "UR", "UT")),
    *(_integer(name) for name in ("IS", "SL", "SS", "SV", "UL", "US")),
    *(_binary(name) for name in ("OB", "OD", "OF", "OL", "OV", "OW")),
    VR("UV", "integer", "UInt64", (int, float, str), False, False,
       partial(values.exact_integer, low=0, high=2**64 - 1),
       queries.format_integer, matching.match_unsigned),
    VR("DS", "float", "float64", (int, float, str), False, False,
       values.finite_number, queries.format_decimal, matching.match_number),
    VR("FL", "float", "float64", _NUMBER, False, False,
       values.real_number, queries.format_number, matching.match_single),
    VR("FD", "float", "float64", _NUMBER, False, False,
       values.real_number, queries.format_number, matching.match_double),
    VR("AS", "age", "float64", (str,), False, False,
       values.age_years, queries.format_age, matching.match_age),
    VR("DA", "date", "datetime64[s]", (str,), False, True,
       values.calendar_date, queries.format_date, matching.match_date),
    VR("TM", "time", "timedelta64[us]", (str,), False, True,
       values.clock_time, queries.format_time, matching.match_time),
    VR("DT", "datetime", "datetime64[us]", (str,), False, True,
       values.date_time, queries.format_date_time, matching.match_date_time),
    VR("PN", "name", TEXT_DTYPE, (Mapping,), True, False,
       values.person_name, queries.format_name, matching.match_name),
    VR("UI", "uid", TEXT_DTYPE, (str,), False, False,
       values.uid, queries.format_uid, matching.match_uid),
    VR("AT", "tag", TEXT_DTYPE, (str,), False, False,
       values.keyword, queries.format_tag, matching.match_tag),
    VR("SQ", "sequence", "object", (Mapping,), False, False,
       values.item, queries.format_nothing, matching.match_nothing),
    # What a private or unknown attribute holds, only the server can tell: text, as it is.
    VR("UN", "binary", "object", (str,), False, False,
       values.binary, queries.format_unlimited, matching.match_exact),
)  # fmt: skip

#: The table, by name: ``VRS["DA"]``.
VRS: Mapping[str, VR] = MappingProxyType({vr.name: vr for vr in _TABLE})
