"""Searching the index: SQL narrows down, `dicomnb.query.matches` decides.

A filter on an attribute with a column is put to each value of that attribute that occurs, by
the very rule that would match the rows; SQL then finds the rows with the values that passed.
Filters on anything else are put to the rows that are left. So the two never differ.
"""

from __future__ import annotations

import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from dicomnb.errors import BadQuery, NotFound
from dicomnb.local import changes
from dicomnb.local.reading import Located
from dicomnb.local.rows import BELOW, NARROWING, RAW, STORED, instance_row
from dicomnb.query import Filter, Query, matches
from dicomnb.refs import LEVELS, Level, Ref
from dicomnb.source import Page

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from dicomnb.local.index import Index
    from dicomnb.pool import Cancel

__all__ = ["Lookup"]

_PAGE_ROWS = 5000
_PAGE_BYTES = 8 << 20
_MOST_RESULTS = 4
"""Searches whose rows' numbers are kept, so that the next page need not search again."""

Reader = Callable[["sqlite3.Connection", int], bytes | None]

_NARROWING = frozenset(NARROWING)
_UIDS = {"0020000D": "s", "0020000E": "e", "00080018": "i"}
_ALIAS: dict[Level, str] = {"study": "s", "series": "e", "instance": "i"}
_TABLES: dict[Level, str] = {
    "study": "studies s",
    "series": "series e JOIN studies s ON s.id = e.study_id",
    "instance": "instances i JOIN series e ON e.id = i.series_id "
    "JOIN studies s ON s.id = e.study_id",
}
_ORDER: dict[Level, str] = {
    "study": "s.date, s.uid",
    "series": "s.date, s.uid, e.number, e.uid",
    "instance": "s.date, s.uid, e.number, e.uid, i.number, i.uid",
}
_ROW: dict[Level, str] = {
    "study": "SELECT row, first_id FROM studies WHERE id = ?",
    "series": "SELECT row, first_id FROM series WHERE id = ?",
    "instance": "SELECT cuts, answer, metadata FROM documents WHERE id = ?",
}
_INSTANCES_OF: dict[Level, str] = {
    "study": "SELECT i.id FROM instances i JOIN series e ON e.id = i.series_id "
    "WHERE e.study_id = ?",
    "series": "SELECT id FROM instances WHERE series_id = ?",
    "instance": "SELECT ?",
}


class Lookup:
    """Answers searches from an index. Any thread may ask.

    Args:
        index: of the folder.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._lock = threading.Lock()
        self._results: OrderedDict[tuple[Query, int], array[int]] = OrderedDict()

    def search(self, query: Query, *, cancel: Cancel | None = None) -> Iterator[Page]:
        """Pages of the rows that match, in a fixed order.

        Raises:
            BadQuery: a filter on a UID below the level.
        """
        numbers = self._index.read(lambda connection: self._matching(connection, query))
        stop = None if query.limit is None else query.offset + query.limit
        yield from self._pages(numbers[query.offset : stop], _reader(query), cancel)

    def metadata(self, ref: Ref, *, cancel: Cancel | None = None) -> Iterator[Page]:
        """Pages of the metadata of the instances in ``ref``.

        Raises:
            NotFound: there is nothing of that name.
        """
        query = _all_instances(ref)
        numbers = self._index.read(lambda connection: self._matching(connection, query))
        if not numbers:
            raise _not_found(ref)
        yield from self._pages(numbers, _metadata, cancel)

    def located(self, ref: Ref) -> list[Located]:
        """The instances in ``ref``, in the order of a search.

        Raises:
            NotFound: there is nothing of that name.
        """
        found = self._index.read(lambda connection: self._located(connection, ref))
        if not found:
            raise _not_found(ref)
        return found

    def stored_bytes(self, refs: Sequence[Ref], *, cancel: Cancel | None = None) -> int:
        """Bytes of the files of what is there of ``refs``, each once."""
        series: dict[Ref, set[str | None] | None] = {}
        for ref in refs:
            if ref.instance is None:
                series[ref] = None
            elif (some := series.setdefault(ref.at("series"), set())) is not None:
                some.add(ref.instance)
        total = 0
        for one, wanted in series.items():
            if cancel is not None:
                cancel.check()
            found = self._index.read(lambda connection, one=one: self._located(connection, one))  # type: ignore[misc]
            total += sum(
                each.size for each in found if wanted is None or each.ref.instance in wanted
            )
        return total

    def document(self, ref: Ref) -> bytes:
        """The metadata of one instance.

        Raises:
            NotFound: there is no such instance.
        """
        for page in self.metadata(ref):
            if page.count:  # none when it was deleted since it was located
                return page.rows[1:-1]
        raise _not_found(ref)

    def _located(self, connection: sqlite3.Connection, ref: Ref) -> list[Located]:
        where, values = _within(ref)
        rows = connection.execute(
            "SELECT s.uid, e.uid, i.uid, f.path, f.mtime_ns, f.size, i.transfer_syntax, "  # noqa: S608
            f"i.is_part10, i.pixel_offset, i.pixel_length FROM {_TABLES['instance']} "
            f"JOIN files f ON f.id = i.id WHERE {where} ORDER BY {_ORDER['instance']}",
            values,
        )
        return [
            Located(Ref(study, series, uid), path, *rest)
            for study, series, uid, path, *rest in rows.fetchall()
        ]

    def _matching(self, connection: sqlite3.Connection, query: Query) -> array[int]:
        """Numbers of the rows that match, in order."""
        key = (replace(query, limit=None, offset=0, fields=()), changes.generation(connection))
        with self._lock:
            if key in self._results:
                self._results.move_to_end(key)
                return self._results[key]
        numbers = self._found(connection, query)
        with self._lock:
            self._results[key] = numbers
            while len(self._results) > _MOST_RESULTS:
                self._results.popitem(last=False)
        return numbers

    def _found(self, connection: sqlite3.Connection, query: Query) -> array[int]:
        level, alias = query.level, _ALIAS[query.level]
        conditions = [] if level == "instance" else [f"{alias}.row IS NOT NULL"]
        values: list[Any] = []
        if query.within is not None:
            condition, uids = _within(query.within)
            conditions.append(condition)
            values += uids
        left: list[Filter] = []
        for one in query.filters:
            narrowed = _narrowed(connection, one, query)
            if narrowed is None:
                left.append(one)
            else:
                conditions.append(narrowed[0])
                values += narrowed[1]
        rows = connection.execute(
            f"SELECT {alias}.id FROM {_TABLES[level]} WHERE {' AND '.join(conditions) or 1} "  # noqa: S608
            f"ORDER BY {_ORDER[level]}",
            values,
        )
        numbers = array("q", [number for (number,) in rows])
        if not left:
            return numbers
        read = partial(_picked, level, _Picker([one.path[0] for one in left], level))
        return array(
            "q",
            [
                number
                for number in numbers
                if (row := read(connection, number)) is not None
                and matches(row, left, fuzzy=query.fuzzy)
            ],
        )

    def _pages(self, numbers: Sequence[int], read: Reader, cancel: Cancel | None) -> Iterator[Page]:
        position = 0
        while position < len(numbers):
            if cancel is not None:
                cancel.check()
            rows, position = self._index.read(
                lambda connection, start=position: _gathered(connection, numbers, start, read)  # type: ignore[misc]
            )
            yield Page(b"[" + b",".join(rows) + b"]", len(rows))


def _gathered(
    connection: sqlite3.Connection, numbers: Sequence[int], start: int, read: Reader
) -> tuple[list[bytes], int]:
    """The rows of one page, and where the next one starts. A row that has just gone is left out."""
    rows: list[bytes] = []
    size = 0
    position = start
    while position < len(numbers) and len(rows) < _PAGE_ROWS and size < _PAGE_BYTES:
        row = read(connection, numbers[position])
        position += 1
        if row is not None:
            rows.append(row)
            size += len(row)
    return rows, position


def _reader(query: Query) -> Reader:
    """What reads a row with all that a query wants in it."""
    level = query.level
    if "all" in query.fields:
        return partial(_whole_row, level)
    wanted = {*query.fields, *(one.path[0] for one in query.filters)}
    there = STORED[level] | BELOW[level]
    more = frozenset(tag for tag in wanted if int(tag, 16) not in there)
    if more:
        return partial(_longer_row, level, more)
    return partial(_stored_row, level)


def _stored_row(level: Level, connection: sqlite3.Connection, number: int) -> bytes | None:
    found = connection.execute(_ROW[level], (number,)).fetchone()
    if found is None:
        return None
    return instance_row(*found) if level == "instance" else found[0]


def _both(
    level: Level, connection: sqlite3.Connection, number: int
) -> tuple[bytes, bytes, int] | None:
    """A row, and the metadata and number of its (first) instance; None if it has just gone."""
    found = connection.execute(_ROW[level], (number,)).fetchone()
    if found is None:
        return None
    if level == "instance":
        return instance_row(*found), found[2], number
    metadata = _metadata(connection, found[1])
    return None if metadata is None else (found[0], metadata, found[1])


def _longer_row(
    level: Level, more: frozenset[str], connection: sqlite3.Connection, number: int
) -> bytes | None:
    """A row with further attributes: of a study or series, as its first instance has them."""
    found = _both(level, connection, number)
    if found is None:
        return None
    row, metadata, _ = found
    elements = {tag: raw for tag, raw in RAW.decode(metadata).items() if tag in more}
    return _merged(elements, row)


def _whole_row(level: Level, connection: sqlite3.Connection, number: int) -> bytes | None:
    """A row with every attribute: of a study or series, those that all its instances share."""
    found = _both(level, connection, number)
    if found is None:
        return None
    row, metadata, first = found
    shared = RAW.decode(metadata)
    for (other,) in connection.execute(_INSTANCES_OF[level], (number,)).fetchall():
        json = _metadata(connection, other) if other != first else None
        if json is not None:
            elements = RAW.decode(json)
            shared = {tag: raw for tag, raw in shared.items() if elements.get(tag) == raw}
    shared = {tag: raw for tag, raw in shared.items() if int(tag, 16) not in BELOW[level]}
    return _merged(shared, row)


def _merged(elements: dict[str, msgspec.Raw], row: bytes) -> bytes:
    """Elements and a row as one object, in the order of tags; the row has the last word."""
    return msgspec.json.encode(dict(sorted({**elements, **RAW.decode(row)}.items())))


class _Picker:
    """Reads the attributes that filters need out of rows, and of metadata for the others.

    Args:
        tags: what is needed.
        level: of the rows.
    """

    def __init__(self, tags: Sequence[str], level: Level) -> None:
        stored = [tag for tag in tags if int(tag, 16) in STORED[level]]
        others = [tag for tag in tags if int(tag, 16) not in STORED[level]]
        self.row = _decoder(stored)
        self.metadata = _decoder(others) if others else None


def _decoder(tags: Sequence[str]) -> msgspec.json.Decoder[Any]:
    """A decoder that looks at these attributes alone."""
    fields = [(f"t{tag}", Any, None) for tag in dict.fromkeys(tags)]
    names = {f"t{tag}": tag for tag in tags}
    return msgspec.json.Decoder(msgspec.defstruct("Picked", fields, rename=names))


def _picked(
    level: Level, picker: _Picker, connection: sqlite3.Connection, number: int
) -> dict[str, Any] | None:
    if picker.metadata is None:
        row = _stored_row(level, connection, number)
        values = None if row is None else msgspec.structs.asdict(picker.row.decode(row))
    else:
        found = _both(level, connection, number)
        values = None
        if found is not None:
            values = msgspec.structs.asdict(picker.row.decode(found[0]))
            values |= msgspec.structs.asdict(picker.metadata.decode(found[1]))
    if values is None:
        return None
    return {name[1:]: value for name, value in values.items() if value is not None}


def _metadata(connection: sqlite3.Connection, number: int) -> bytes | None:
    found = connection.execute("SELECT metadata FROM documents WHERE id = ?", (number,)).fetchone()
    return None if found is None else found[0]


def _narrowed(
    connection: sqlite3.Connection, one: Filter, query: Query
) -> tuple[str, list[Any]] | None:
    """A filter as an SQL condition and its values, or None where it has no column."""
    tag = one.path[0]
    if len(one.path) > 1:
        return None
    if tag in _UIDS:
        return _uid_condition(one, query.level)
    if int(tag, 16) not in _NARROWING or int(tag, 16) not in STORED[query.level]:
        return None
    rows = connection.execute("SELECT id, json FROM elements WHERE tag = ?", (int(tag, 16),))
    passed = [
        number
        for number, json in rows.fetchall()
        if matches(msgspec.json.decode(b"{" + json + b"}"), [one], fuzzy=query.fuzzy)
    ]
    column = f"{_ALIAS[query.level]}.v{tag}"
    absent = f" OR {column} IS NULL" if matches({}, [one], fuzzy=query.fuzzy) else ""
    condition = f"({column} IN (SELECT value FROM json_each(?)){absent})"  # noqa: S608
    return condition, [msgspec.json.encode(passed).decode()]


def _uid_condition(one: Filter, level: Level) -> tuple[str, list[Any]]:
    alias = _UIDS[one.path[0]]
    if alias not in [_ALIAS[above] for above in LEVELS[: LEVELS.index(level) + 1]]:
        raise BadQuery(
            f"A {level} cannot be searched by {one.name}, which is below it: search one level "
            "deeper."
        )
    if "" in one.values:
        return "1", []
    condition = f"{alias}.uid IN (SELECT value FROM json_each(?))"  # noqa: S608
    return condition, [msgspec.json.encode(one.values).decode()]


def _within(ref: Ref) -> tuple[str, list[str]]:
    uids = [uid for uid in (ref.study, ref.series, ref.instance) if uid is not None]
    return " AND ".join(f"{alias}.uid = ?" for alias in "sei"[: len(uids)]), uids


def _all_instances(ref: Ref) -> Query:
    if ref.instance is None:
        return Query("instance", within=ref)
    return Query("instance", within=ref.at("series"), filters=(_is(ref.instance),))


def _is(uid: str) -> Filter:
    return Filter(("00080018",), "UI", (uid,))


def _not_found(ref: Ref) -> NotFound:
    return NotFound(
        f"The folder has no {ref.level} {ref.uid}. If it has come since the folder was "
        "connected, refresh() finds it."
    )
