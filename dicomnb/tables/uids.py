"""The UIDs of rows of DICOM JSON, level by level, and nothing else of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from dicomnb.attributes import attribute
from dicomnb.refs import LEVELS, UID_KEYWORDS
from dicomnb.tables.columns import Column
from dicomnb.tables.decode import Plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dicomnb.refs import Level
    from dicomnb.tables.arriving import Decoded
    from dicomnb.tables.decode import Page

    Uids = Mapping[Level, Sequence[str | None]]

__all__ = ["UID_COLUMNS", "uids_of"]

UID_COLUMNS: dict[Level, Column] = {
    level: Column(attribute(keyword)) for level, keyword in UID_KEYWORDS.items()
}


class _Keys(msgspec.Struct, gc=False):
    """The UIDs of a row, as attributes; all else is passed over."""

    study: Any = msgspec.field(name="0020000D", default=None)
    series: Any = msgspec.field(name="0020000E", default=None)
    instance: Any = msgspec.field(name="00080018", default=None)


_KEYS = msgspec.json.Decoder(list[_Keys])


def uids_of(rows: bytes, decoded: Decoded | None = None) -> tuple[int, Uids]:
    """How many rows there are, and for each level the UID that each of them tells, or None.

    Args:
        rows: an array of DICOM JSON.
        decoded: columns of that array, where it was decoded before.

    Raises:
        msgspec.DecodeError, UnicodeDecodeError: ``rows`` is no such array.
    """
    page = None if decoded is None else decoded.of(rows)
    if page is not None:
        return page.received, {level: _of_column(level, page) for level in LEVELS}
    keys = _KEYS.decode(rows)
    return len(keys), {level: [_uid(getattr(key, level)) for key in keys] for level in LEVELS}


def _of_column(level: Level, page: Page) -> Sequence[str | None]:
    came = page.columns.get(UID_COLUMNS[level])
    if not isinstance(came, Plain):  # UIDs below the level of the rows may have been left out
        return [None] * page.received
    firsts = came.values or [values[0] if values else None for values in came.as_lists()]
    return [uid or None for uid in firsts]


def _uid(element: Any) -> str | None:
    values = element.get("Value") if isinstance(element, dict) else None
    value = values[0] if isinstance(values, list) and values else values
    return value if isinstance(value, str) and value else None
