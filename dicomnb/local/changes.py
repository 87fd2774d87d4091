"""Writing to the index: what was read of files, and what is gone.

Each function works on a connection that holds the write lock, where it writes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from dicomnb.local.header import Header, PassOver
from dicomnb.local.rows import NARROWING, Document
from dicomnb.local.summaries import order_number
from dicomnb.refs import Ref

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Container, Iterable, Mapping, Sequence

__all__ = [
    "Seen",
    "Writer",
    "forget",
    "generation",
    "known_files",
    "orphaned_duplicates",
    "pass_over_folders",
    "prune_elements",
]

Seen = tuple[bytes, int, int]
"""A file: path relative to the folder, modification time in nanoseconds, size in bytes."""

_INSTANCE_NUMBER = 0x00200013
_V = [f"v{tag:08X}" for tag in NARROWING]
_INSERT_INSTANCE = (
    "INSERT INTO instances (id, series_id, uid, number, transfer_syntax, is_part10, pixel_offset, "  # noqa: S608
    f"pixel_length, {', '.join(_V)}) VALUES ({', '.join('?' * (8 + len(_V)))})"
)
_UNREADABLE = -1
"""Modification time of what could not be read: it is tried again at every refresh."""


def generation(connection: sqlite3.Connection) -> int:
    """A number that every change of the index makes another."""
    (number,) = connection.execute("SELECT generation FROM state").fetchone()
    return int(number)


def known_files(connection: sqlite3.Connection, *, limit: int = -1) -> dict[bytes, tuple[int, int]]:
    """Path → (modification time, size) of every file that has been looked at."""
    rows = connection.execute("SELECT path, mtime_ns, size FROM files LIMIT ?", (limit,))
    return {path: (mtime_ns, size) for path, mtime_ns, size in rows}


def forget(connection: sqlite3.Connection, paths: Iterable[bytes]) -> None:
    """Remove files, and what they held."""
    ids = _ids(connection, paths)
    connection.executemany(
        "UPDATE series SET is_stale = 1 WHERE id = (SELECT series_id FROM instances WHERE id = ?)",
        ids,
    )
    for table in ("instances", "documents", "files"):
        connection.executemany(f"DELETE FROM {table} WHERE id = ?", ids)  # noqa: S608


def _ids(connection: sqlite3.Connection, paths: Iterable[bytes]) -> list[tuple[int]]:
    rows = (
        connection.execute("SELECT id FROM files WHERE path = ?", (path,)).fetchone()
        for path in paths
    )
    return [row for row in rows if row is not None]


def pass_over_folders(connection: sqlite3.Connection, folders: Mapping[bytes, str]) -> None:
    """Note folders that could not be listed."""
    forget(connection, folders)
    connection.executemany(
        "INSERT INTO files (path, mtime_ns, size, kind, reason) VALUES (?, ?, 0, 'unreadable', ?)",
        [(path, _UNREADABLE, reason) for path, reason in folders.items()],
    )


def orphaned_duplicates(connection: sqlite3.Connection) -> list[bytes]:
    """Paths of duplicates of an instance that is no longer there."""
    rows = connection.execute(
        "SELECT path, place FROM files WHERE kind = 'duplicate' ORDER BY path"
    ).fetchall()
    return [path for path, place in rows if not _has(connection, Ref.from_path(place).uid)]


def _has(connection: sqlite3.Connection, uid: str) -> bool:
    return (
        connection.execute("SELECT 1 FROM instances WHERE uid = ?", (uid,)).fetchone() is not None
    )


@dataclass
class _Batch:
    """What a transaction is to write.

    Attributes:
        files: rows of the table, by path.
        instances: number and header of each instance, by its UID, with its file's path.
        there: UID → (number, path) of instances that are in the index already.
    """

    files: dict[bytes, list[Any]] = field(default_factory=dict)
    instances: dict[str, tuple[int, bytes, Header]] = field(default_factory=dict)
    there: dict[str, tuple[int, bytes]] = field(default_factory=dict)


class Writer:
    """Writes what was read of files, in batches, each in its own transaction.

    Args:
        generation: the index's, as it was when the files were found to be new.
        known: files that the index had at that time.
    """

    def __init__(self, generation: int, known: Container[bytes]) -> None:
        self._generation = generation
        self._known = known
        self._is_alone = True
        self._series: dict[tuple[str, str], int] = {}
        self._elements: dict[bytes | None, int | None] = {None: None}

    def write(
        self, connection: sqlite3.Connection, records: Sequence[tuple[Seen, Header | PassOver]]
    ) -> None:
        """Put files into the index, in place of what it has of them."""
        if self._is_alone and generation(connection) != self._generation:
            self._is_alone = False
        if not self._is_alone:
            # Another process has written: it may have read the same files, and made or
            # removed what is remembered here.
            self._series.clear()
            self._elements = {None: None}
            records = [record for record in records if not _is_known(connection, record[0])]
            forget(connection, [seen[0] for seen, _ in records])
        else:
            forget(connection, [seen[0] for seen, _ in records if seen[0] in self._known])
        self._generation = generation(connection) + 1
        (first,) = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM files").fetchone()
        batch = _Batch(there=_there(connection, [read for _, read in records]))
        for number, (seen, read) in enumerate(records, first):
            if isinstance(read, PassOver):
                mtime_ns = _UNREADABLE if read.kind == "unreadable" else seen[1]
                row = [number, seen[0], mtime_ns, seen[2], read.kind, read.reason, None]
                batch.files[seen[0]] = row
            else:
                batch.files[seen[0]] = [number, *seen, None, None, None]
                _take(connection, batch, number, seen[0], read)
        connection.executemany(
            "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?)", batch.files.values()
        )
        self._insert(connection, batch.instances.values())

    def _insert(
        self, connection: sqlite3.Connection, instances: Collection[tuple[int, bytes, Header]]
    ) -> None:
        rows = []
        documents = []
        touched = set()
        known = self._numbered(connection, [header.elements for _, _, header in instances])
        for number, _, header in instances:
            series = self._series_id(connection, header.ref)
            touched.add((series,))
            documents.append((number, *Document.of(header)))
            rows.append(
                (
                    number,
                    series,
                    header.ref.uid,
                    order_number(header.elements.get(_INSTANCE_NUMBER)),
                    header.transfer_syntax,
                    header.is_part10,
                    header.pixel_offset,
                    header.pixel_length,
                    *[known[json] for json in map(header.elements.get, NARROWING)],
                )
            )
        connection.executemany(_INSERT_INSTANCE, rows)
        connection.executemany("INSERT INTO documents VALUES (?, ?, ?, ?)", documents)
        connection.executemany("UPDATE series SET is_stale = 1 WHERE id = ?", list(touched))

    def _series_id(self, connection: sqlite3.Connection, ref: Ref) -> int:
        key = (ref.study, str(ref.series))
        found = self._series.get(key)
        if found is None:
            connection.execute(
                "INSERT OR IGNORE INTO studies (uid, is_stale) VALUES (?, 1)", (ref.study,)
            )
            (study,) = connection.execute(
                "SELECT id FROM studies WHERE uid = ?", (ref.study,)
            ).fetchone()
            connection.execute(
                "INSERT OR IGNORE INTO series (study_id, uid, is_stale) VALUES (?, ?, 1)",
                (study, ref.series),
            )
            (found,) = connection.execute(
                "SELECT id FROM series WHERE study_id = ? AND uid = ?", (study, ref.series)
            ).fetchone()
            self._series[key] = found
        return found

    def _numbered(
        self, connection: sqlite3.Connection, several: Iterable[Mapping[int, bytes]]
    ) -> Mapping[bytes | None, int | None]:
        """The numbers that stand for values in the columns, these instances' among them."""
        known = self._elements
        new = {
            json: tag
            for elements in several
            for tag, json in zip(NARROWING, map(elements.get, NARROWING), strict=True)
            if json is not None and json not in known
        }
        if new:
            texts = msgspec.json.encode([json.decode() for json in new]).decode()
            known.update(
                connection.execute(
                    "SELECT e.json, e.id FROM json_each(?) JOIN elements e "
                    "ON e.json = CAST(value AS BLOB)",
                    (texts,),
                )
            )
            (first,) = connection.execute(
                "SELECT coalesce(max(id), 0) + 1 FROM elements"
            ).fetchone()
            fresh = enumerate((json for json in new if json not in known), first)
            rows = [(number, new[json], json) for number, json in fresh]
            connection.executemany("INSERT INTO elements VALUES (?, ?, ?)", rows)
            known.update((json, number) for number, _, json in rows)
        return known


def _there(
    connection: sqlite3.Connection, read: Iterable[Header | PassOver]
) -> dict[str, tuple[int, bytes]]:
    """Which instances are in the index already: UID → (number, path)."""
    uids = [one.ref.uid for one in read if isinstance(one, Header)]
    rows = connection.execute(
        "SELECT i.uid, i.id, f.path FROM json_each(?) JOIN instances i ON i.uid = value "
        "JOIN files f ON f.id = i.id",
        (msgspec.json.encode(uids).decode(),),
    )
    return {uid: (number, path) for uid, number, path in rows}


def _take(
    connection: sqlite3.Connection, batch: _Batch, number: int, path: bytes, header: Header
) -> None:
    """Keep an instance, unless its UID is there in a file that comes before it by path."""
    uid = header.ref.uid
    if uid in batch.instances:
        _, other, rival = batch.instances[uid]
        first, second, place = (
            (other, path, header.path) if other < path else (path, other, rival.path)
        )
        batch.files[second][4:] = ["duplicate", f"of {_text(first)}", place]
        if first == other:
            return
    elif uid in batch.there:
        other_number, other = batch.there[uid]
        if other < path:
            batch.files[path][4:] = ["duplicate", f"of {_text(other)}", header.path]
            return
        _demote(connection, other_number, path)
    batch.instances[uid] = (number, path, header)


def _is_known(connection: sqlite3.Connection, seen: Seen) -> bool:
    row: tuple[int, int] | None = connection.execute(
        "SELECT mtime_ns, size FROM files WHERE path = ?", (seen[0],)
    ).fetchone()
    return row == seen[1:]


def _demote(connection: sqlite3.Connection, number: int, first: bytes) -> None:
    """Make an instance a duplicate of one in a file that comes before it by path."""
    study, series, uid = connection.execute(
        "SELECT s.uid, e.uid, i.uid FROM instances i JOIN series e ON e.id = i.series_id "
        "JOIN studies s ON s.id = e.study_id WHERE i.id = ?",
        (number,),
    ).fetchone()
    connection.execute(
        "UPDATE series SET is_stale = 1 WHERE id = (SELECT series_id FROM instances WHERE id = ?)",
        (number,),
    )
    connection.execute("DELETE FROM instances WHERE id = ?", (number,))
    connection.execute("DELETE FROM documents WHERE id = ?", (number,))
    connection.execute(
        "UPDATE files SET kind = 'duplicate', reason = ?, place = ? WHERE id = ?",
        (f"of {_text(first)}", Ref(study, series, uid).path, number),
    )


def prune_elements(connection: sqlite3.Connection) -> None:
    """Remove values that no row has any more: they may name patients who are gone."""
    used = " UNION ALL ".join(
        f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL"  # noqa: S608
        for table in ("instances", "series", "studies")
        for column in _V
    )
    connection.execute(f"DELETE FROM elements WHERE id NOT IN ({used})")  # noqa: S608


def _text(path: bytes) -> str:
    return path.decode("utf-8", "replace")
