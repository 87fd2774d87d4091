"""Rows of series and studies, made of what the index has of their instances."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from dicomnb.local.rows import NARROWING, instance_row, series_row, split, study_row
from dicomnb.refs import Ref

if TYPE_CHECKING:
    import sqlite3

__all__ = ["element_id", "is_stale", "order_number", "settle"]

_STUDY_DATE, _SERIES_NUMBER, _MODALITY = 0x00080020, 0x00200011, 0x00080060
_ONE_INTEGER = re.compile(rb'"[0-9A-F]{8}":\{"vr":"IS","Value":\[([0-9]{1,15})\]\}')
_SET_V = ", ".join(f"v{tag:08X} = ?" for tag in NARROWING)


def is_stale(connection: sqlite3.Connection) -> bool:
    """Whether studies or series wait for `settle`, also since a process was killed."""
    query = "SELECT EXISTS (SELECT 1 FROM series WHERE is_stale)"
    (stale,) = connection.execute(query).fetchone()
    return bool(stale)


def settle(connection: sqlite3.Connection) -> None:
    """Make the rows of the series and studies whose instances have changed."""
    connection.execute(
        "UPDATE studies SET is_stale = 1 WHERE id IN (SELECT study_id FROM series WHERE is_stale)"
    )
    connection.execute(
        "DELETE FROM series WHERE is_stale AND id NOT IN (SELECT series_id FROM instances)"
    )
    connection.execute(
        "DELETE FROM studies WHERE is_stale AND id NOT IN (SELECT study_id FROM series)"
    )
    known: dict[bytes | None, int | None] = {}
    _settle_series(connection, known)
    _settle_studies(connection, known)


def _settle_series(connection: sqlite3.Connection, known: dict[bytes | None, int | None]) -> None:
    # A bare column beside min() comes from the row that has the minimum.
    groups = connection.execute(
        "SELECT e.id, s.uid, e.uid, count(*), min(f.path), i.id "
        "FROM series e JOIN studies s ON s.id = e.study_id JOIN instances i ON i.series_id = e.id "
        "JOIN files f ON f.id = i.id WHERE e.is_stale GROUP BY e.id"
    ).fetchall()
    for number, study, uid, count, _, first in groups:
        row = series_row(Ref(study, uid), _row(connection, first), instances=count)
        elements = split(row)
        connection.execute(
            "UPDATE series SET is_stale = 0, first_id = ?, number = ?, row = ?, "  # noqa: S608
            f"{_SET_V} WHERE id = ?",
            (
                first,
                order_number(elements.get(_SERIES_NUMBER)),
                row,
                *(element_id(connection, tag, elements.get(tag), known) for tag in NARROWING),
                number,
            ),
        )


def _settle_studies(connection: sqlite3.Connection, known: dict[bytes | None, int | None]) -> None:
    groups = connection.execute(
        "SELECT s.id, s.uid, count(DISTINCT e.id), count(*), min(f.path), i.id "
        "FROM studies s JOIN series e ON e.study_id = s.id JOIN instances i ON i.series_id = e.id "
        "JOIN files f ON f.id = i.id WHERE s.is_stale GROUP BY s.id"
    ).fetchall()
    for number, uid, series, instances, _, first in groups:
        row = study_row(
            Ref(uid),
            _row(connection, first),
            modalities=_modalities(connection, number),
            series=series,
            instances=instances,
        )
        elements = split(row)
        connection.execute(
            f"UPDATE studies SET is_stale = 0, first_id = ?, date = ?, row = ?, {_SET_V} "  # noqa: S608
            "WHERE id = ?",
            (
                first,
                _first_value(elements.get(_STUDY_DATE)),
                row,
                *(element_id(connection, tag, elements.get(tag), known) for tag in NARROWING),
                number,
            ),
        )


def _modalities(connection: sqlite3.Connection, study: int) -> list[str]:
    rows = connection.execute(
        f"SELECT json FROM elements WHERE id IN (SELECT v{_MODALITY:08X} FROM instances "  # noqa: S608
        "WHERE series_id IN (SELECT id FROM series WHERE study_id = ?))",
        (study,),
    ).fetchall()
    values = (_first_value(json) for (json,) in rows)
    return [value for value in values if isinstance(value, str)]


def _row(connection: sqlite3.Connection, number: int) -> bytes:
    document = connection.execute(
        "SELECT cuts, answer, metadata FROM documents WHERE id = ?", (number,)
    ).fetchone()
    return instance_row(*document)


def element_id(
    connection: sqlite3.Connection,
    tag: int,
    json: bytes | None,
    known: dict[bytes | None, int | None],
) -> int | None:
    """The number that stands for a value in the columns; none where there is no value."""
    if json is not None and json not in known:
        connection.execute("INSERT OR IGNORE INTO elements (tag, json) VALUES (?, ?)", (tag, json))
        (known[json],) = connection.execute(
            "SELECT id FROM elements WHERE json = ?", (json,)
        ).fetchone()
    return known.get(json)


def _first_value(json: bytes | None) -> Any:
    if json is None:
        return None
    (element,) = msgspec.json.decode(b"{" + json + b"}").values()
    return next(iter(element.get("Value", ())), None)


def order_number(json: bytes | None) -> int | None:
    """An integer to order by, or None where it is missing, odd or beyond SQLite's."""
    plain = None if json is None else _ONE_INTEGER.fullmatch(json)
    if plain is not None:
        return int(plain[1])
    value = _first_value(json)
    return value if isinstance(value, int) and abs(value) < 1 << 62 else None
