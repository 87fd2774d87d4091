"""Search as the Google API has it: few attributes, exact values, its own columns and limits."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import msgspec

from dicomnb.attributes import column_name
from dicomnb.errors import BadQuery
from dicomnb.pool import closed_after
from dicomnb.query import from_parameters, matches
from dicomnb.refs import PLURAL
from dicomnb.server.answers import Answer
from dicomnb.server.google.lag import Row
from dicomnb.server.negotiation import json_type
from dicomnb.wire.google_habits import ALL_FIELDS, DEFAULT_FIELDS, SEARCHABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dicomnb.pool import Cancel
    from dicomnb.query import Filter, Query
    from dicomnb.refs import Level
    from dicomnb.server.google.calls import StoreExchange
    from dicomnb.source import Source
    from dicomnb.wire.google_habits import Habits

__all__ = ["search"]

_RETRIEVE_URL = "00081190"
_STUDY_DATE, _PATIENT_NAME = "00080020", "00100010"
_LONG_SEQUENCE = 1 << 20
"""Bytes of JSON above which ``all`` leaves a sequence out."""
_rows = msgspec.json.Decoder(list[Row])


def search(exchange: StoreExchange, *, level: Level) -> Answer:
    """Rows that match, no more than the limit; 204 when there are none.

    Raises:
        BadQuery: an attribute that cannot be searched by, an unknown one in ``includefield``,
            a limit or offset that is too large.
    """
    kind = json_type(exchange)
    query = from_parameters(level, exchange.ref, exchange.parameters())
    _check_filters(query)
    limit = _checked_limit(query, exchange.habits)
    rows = [] if _means_nothing(query) else _found(exchange, query, limit)
    if not rows and exchange.habits.nothing_found == "204":
        return Answer(204, "text/html")
    body = b"[" + b",".join(_shown(row, query) for row in rows) + b"]"
    return Answer(200, kind, exchange.service.outside(body, exchange.base))


def _check_filters(query: Query) -> None:
    known = SEARCHABLE[query.level]
    for one in query.filters:
        if len(one.path) > 1 or one.path[0] not in known:
            names = ", ".join(sorted(column_name(tag) for tag in known))
            raise BadQuery(
                f"{one.name} is not supported in a search for {PLURAL[query.level]}; supported "
                f"are {names}."
            )
        if len(one.values) > 1 and one.vr != "UI":
            raise BadQuery(f"{one.name} is given more than once; a search takes a single value.")


def _checked_limit(query: Query, habits: Habits) -> int:
    most = habits.largest_limit.at(query.level)
    limit = habits.default_limit.at(query.level) if query.limit is None else query.limit
    if limit > most and habits.above_limit == "refused":
        raise BadQuery(f"limit={limit} is above {most}, the most {PLURAL[query.level]} at once.")
    if query.offset > habits.largest_offset:
        raise BadQuery(f"offset={query.offset} is above {habits.largest_offset}.")
    return min(limit, most)


def _means_nothing(query: Query) -> bool:
    """Whether a list stands where there can be a single UID: read literally, none is such."""
    return any(one.vr == "UI" and len(one.values) > 1 for one in query.filters)


def _found(exchange: StoreExchange, query: Query, limit: int) -> list[Row]:
    """The rows of one page, with all that may be shown of them.

    The source takes ``*`` and ``?`` for wildcards and pays no heed to a name's case, so it may
    give more than was asked for, and what is too much is left out here.
    """
    source, cancel = exchange.service.source, exchange.service.cancel
    literal = [one for one in query.filters if _is_literal(one, query, exchange.habits)]
    gone = exchange.call.store.lag.rows(source, query.level, query.within)
    asked = replace(query, fields=_asked(query), limit=limit)
    if not literal and not gone:
        return list(_all_rows(source, asked, cancel))
    matching = _all_rows(source, replace(asked, limit=None, offset=0), cancel)
    rows = (row for row in matching if _is_exact(row, literal))
    shadows = (row for row in gone if _matches(row, query) and _is_exact(row, literal))
    stop = query.offset + limit
    return list(islice(chain(rows, shadows), query.offset, stop))


def _all_rows(source: Source, query: Query, cancel: Cancel) -> Iterator[Row]:
    with closed_after(source.search(query, cancel=cancel)) as pages:
        for page in pages:
            yield from _rows.decode(page.rows)


def _matches(row: Row, query: Query) -> bool:
    decoded = {tag: msgspec.json.decode(raw) for tag, raw in row.items()}
    return matches(decoded, query.filters, fuzzy=query.fuzzy)


def _is_literal(one: Filter, query: Query, habits: Habits) -> bool:
    """Whether the text must stand in a row exactly so."""
    if one.is_universal or one.vr == "UI" or one.path[0] == _STUDY_DATE:
        return False
    if one.path[0] == _PATIENT_NAME and query.fuzzy:
        return False
    wild = any(sign in one.values[0] for sign in "*?")
    return wild or (one.vr == "PN" and (habits.exact_names == "as written" or query.fuzzy))


def _is_exact(row: Row, literal: Iterable[Filter]) -> bool:
    for one in literal:
        wanted = one.values[0].rstrip(" ^" if one.vr == "PN" else " ")
        if wanted not in _texts(row.get(one.path[0])):
            return False
    return True


def _texts(element: msgspec.Raw | None) -> list[str]:
    """The values of an element; of a name, also its component groups one by one."""
    found: list[str] = []
    values = msgspec.json.decode(element, type=dict[str, Any]).get("Value", ()) if element else ()
    for value in values:
        if isinstance(value, dict):
            groups = [str(value.get(key, "")) for key in ("Alphabetic", "Ideographic", "Phonetic")]
            trimmed = [group.rstrip(" ^") for group in groups]
            found += [group for group in trimmed if group]
            found.append("=".join(trimmed).rstrip("="))
        elif isinstance(value, str):
            found.append(value.rstrip(" "))
    return found


def _asked(query: Query) -> tuple[str, ...]:
    """What the source is to bring for a row."""
    if "all" in query.fields and query.level == "instance":
        return ("all",)
    fixed = ALL_FIELDS[query.level] if "all" in query.fields else ()
    named = [tag for tag in query.fields if tag != "all"]
    return tuple(dict.fromkeys((*DEFAULT_FIELDS[query.level], *fixed, *named)))


def _shown(row: Row, query: Query) -> bytes:
    """A row with the columns that the API gives."""
    if "all" in query.fields and query.level == "instance":
        chosen = {tag: raw for tag, raw in row.items() if _is_given(tag, raw)}
    else:
        wanted = set(_asked(query))
        chosen = {tag: raw for tag, raw in row.items() if tag in wanted}
    return msgspec.json.encode(chosen)


def _is_given(tag: str, raw: msgspec.Raw) -> bool:
    return tag != _RETRIEVE_URL and (len(raw) < _LONG_SEQUENCE or b'"SQ"' not in bytes(raw)[:20])
