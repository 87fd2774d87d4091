"""The index's database: its tables, and connections that threads and processes can share."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import threading
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from dicomnb.local.rows import NARROWING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Damaged", "Database"]

FORM = 1
"""Counted up when what the tables hold changes its form, though the tables do not."""
_WAIT = 120.0
"""Seconds to wait for another process that is writing."""

_COLUMNS = ", ".join(f"v{tag:08X} INTEGER" for tag in NARROWING)
_TABLES = f"""
CREATE TABLE state (generation INTEGER NOT NULL);
CREATE TABLE files (
    id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE, mtime_ns INTEGER NOT NULL,
    size INTEGER NOT NULL, kind TEXT, reason TEXT, place TEXT);
CREATE INDEX files_passed_over ON files (kind, place) WHERE kind IS NOT NULL;
CREATE TABLE elements (
    id INTEGER PRIMARY KEY, tag INTEGER NOT NULL, json BLOB NOT NULL UNIQUE);
CREATE INDEX elements_tag ON elements (tag);
CREATE TABLE studies (
    id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, first_id INTEGER, date TEXT,
    is_stale INTEGER NOT NULL, row BLOB, {_COLUMNS});
CREATE INDEX studies_stale ON studies (id) WHERE is_stale;
CREATE TABLE series (
    id INTEGER PRIMARY KEY, study_id INTEGER NOT NULL, uid TEXT NOT NULL, first_id INTEGER,
    number INTEGER, is_stale INTEGER NOT NULL, row BLOB, {_COLUMNS}, UNIQUE (study_id, uid));
CREATE INDEX series_stale ON series (id) WHERE is_stale;
CREATE TABLE instances (
    id INTEGER PRIMARY KEY, series_id INTEGER NOT NULL, uid TEXT NOT NULL UNIQUE,
    number INTEGER, transfer_syntax TEXT NOT NULL, is_part10 INTEGER NOT NULL,
    pixel_offset INTEGER, pixel_length INTEGER, {_COLUMNS});
CREATE INDEX instances_series ON instances (series_id);
CREATE TABLE documents (
    id INTEGER PRIMARY KEY, cuts BLOB NOT NULL, answer BLOB NOT NULL, metadata BLOB NOT NULL);
"""
# files: every regular file seen; kind, reason and, of a duplicate, the path of its ref
# (place) where it is passed over. elements: values that searches filter by, each once; the
# v-columns point to them. documents: an instance's JSON (see `rows.Document`), apart, so that
# the other tables stay narrow. first_id: the instance whose file comes first by path.

VERSION = zlib.crc32(f"{FORM}\n{_TABLES}".encode()) & 0x7FFF_FFFF
"""Of the tables and what they hold; an index of another version is made anew."""


class Damaged(Exception):
    """The database file cannot be read as one, or is another one than before."""


class _Connections:
    """Connections of one process that are not in use, and the file they belong to."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.lock = threading.Lock()
        self.idle: list[sqlite3.Connection] = []
        self.inode: int | None = None
        self.is_closed = False


class Database:
    """One SQLite file. A connection serves one thread at a time, and no forked process.

    Args:
        path: of the file; made, readable by its owner only, when first used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connections = _Connections()
        self._inherited: list[_Connections] = []

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection to read from.

        Raises:
            Damaged: see there.
        """
        connections = self._own()
        with connections.lock:
            connection = connections.idle.pop() if connections.idle else None
        try:
            if connection is None:
                connection = self._open(connections)
            yield connection
        except sqlite3.DatabaseError as error:
            if connection is not None:
                connection.close()
                connection = None
            name = getattr(error, "sqlite_errorname", "")
            if name.startswith("SQLITE_CORRUPT") or name == "SQLITE_NOTADB":
                raise Damaged(str(error)) from error
            raise
        finally:
            if connection is not None:
                self._give_back(connections, connection)

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection with the write lock; what was written stands at the end, or nothing."""
        with self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("UPDATE state SET generation = generation + 1")
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def rebuild(self) -> None:
        """Remove the file, so that the next connection makes a new one."""
        self.close()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    def close(self) -> None:
        """Close the connections that are idle; those in use close when they are given back."""
        connections = self._own()
        self._connections = _Connections()
        with connections.lock:
            connections.is_closed = True
            idle, connections.idle = connections.idle, []
        for connection in idle:
            connection.close()

    def _own(self) -> _Connections:
        """This process's connections: SQLite forbids those of the process it was forked from.

        Those are kept, unused, as closing them here could hurt the other process.
        """
        if self._connections.process != os.getpid():
            self._inherited.append(self._connections)
            self._connections = _Connections()
        return self._connections

    def _give_back(self, connections: _Connections, connection: sqlite3.Connection) -> None:
        with connections.lock:
            if not connections.is_closed:
                connections.idle.append(connection)
                return
        connection.close()

    def _open(self, connections: _Connections) -> sqlite3.Connection:
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        inode = self.path.stat().st_ino
        if connections.inode not in (None, inode):
            # Somebody emptied the cache: what older connections read is not what new ones do.
            raise Damaged(f"{self.path} was replaced")
        connection = sqlite3.connect(
            self.path, timeout=_WAIT, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA wal_autocheckpoint = 4000")
            self._make_tables(connection)
        except BaseException:
            connection.close()
            raise
        connections.inode = inode
        return connection

    def _make_tables(self, connection: sqlite3.Connection) -> None:
        """Make the tables where there are none, or those of another version."""
        if _version(connection) == VERSION:
            return
        connection.execute("PRAGMA page_size = 16384")
        _into_wal(connection)
        connection.execute("BEGIN IMMEDIATE")
        try:
            if _version(connection) != VERSION:
                names = connection.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'table'"
                ).fetchall()
                for (name,) in names:
                    connection.execute(f'DROP TABLE "{name}"')
                for statement in _TABLES.split(";\n"):
                    connection.execute(statement)
                # Two databases never agree by chance: results are kept by this number.
                start = secrets.randbits(48)
                connection.execute("INSERT INTO state VALUES (?)", (start,))
                connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise


def _into_wal(connection: sqlite3.Connection) -> None:
    """Change the journal, waiting for others: for this SQLite itself does not wait."""
    end = time.monotonic() + _WAIT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)
