"""The index of a folder: what its files hold, kept up to date from their times and sizes."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from dicomnb.files import cache_folder
from dicomnb.local import changes, summaries
from dicomnb.local.database import Damaged, Database
from dicomnb.local.header import FIRST_READ, Header, HeaderReader, PassOver
from dicomnb.local.scan import Scan, scan
from dicomnb.pool import Cancel, side_by_side
from dicomnb.tables.collector import collector_paused

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from dicomnb.local.changes import Seen

__all__ = ["Index", "PassedOver"]

Result = TypeVar("Result")

_BATCH = 2000
"""Files a transaction: other processes wait for one at most."""
_GROUP = 64
"""Files a task of the threads that read ahead."""
_READERS = 16
_SLOW = 0.002
"""Seconds a file from which on threads read ahead."""
_EXAMPLES = 10
_READ_ONLY = os.O_RDONLY | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True)
class PassedOver:
    """Files that are not in the archive, and why.

    Attributes:
        counts: kind → number of files: ``"not DICOM"``, ``"DICOMDIR"``, ``"damaged"``,
            ``"without UIDs"``, ``"duplicate"`` (of an instance in another file, which comes
            first by path), ``"unreadable"``.
        examples: kind → a few paths relative to the folder, with the reason.
    """

    counts: dict[str, int]
    examples: dict[str, tuple[tuple[str, str], ...]]

    def __str__(self) -> str:
        if not self.counts:
            return "no file passed over"
        lines = []
        for kind, count in self.counts.items():
            path, reason = self.examples[kind][0]
            files = "file" if count == 1 else "files"
            lines.append(f"{count:,} {files} {kind} (such as {path}: {reason})")
        return "; ".join(lines)


class Index:
    """What the files of a folder hold, in a database in the user's cache folder.

    Any number of threads and processes may use the index of a folder at once. Where the
    database is damaged, missing or of another version, it is made anew from the files.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:32]
        self._database = Database(cache_folder("index") / f"{name}.sqlite")
        self._lock = threading.Lock()

    @property
    def path(self) -> Path:
        """Where the database lies."""
        return self._database.path

    def read(self, function: Callable[[sqlite3.Connection], Result]) -> Result:
        """Call ``function`` with a connection; once more if the index had to be made anew."""
        try:
            with self._database.reading() as connection:
                return function(connection)
        except Damaged:
            self._make_anew()
            with self._database.reading() as connection:
                return function(connection)

    def write(self, function: Callable[[sqlite3.Connection], Result]) -> Result:
        """Call ``function`` with the write lock; all that it did stands, or nothing."""
        with self._lock:
            try:
                with self._database.writing() as connection:
                    return function(connection)
            except Damaged:
                self._database.rebuild()
                self._refresh(None)
                with self._database.writing() as connection:
                    return function(connection)

    def refresh(self, *, cancel: Cancel | None = None) -> None:
        """Bring the index up to date: unchanged files are not opened.

        Raises:
            OSError: the folder cannot be listed; the index stays as it was.
            Cancelled: what was read before is kept.
        """
        with self._lock:
            try:
                self._refresh(cancel)
            except Damaged:
                self._database.rebuild()
                self._refresh(cancel)

    @property
    def is_empty(self) -> bool:
        """Whether no file has ever been looked at, as in a database just made."""
        return self.read(lambda connection: not changes.known_files(connection, limit=1))

    def passed_over(self) -> PassedOver:
        """Files that are not in the archive, as of the last refresh."""
        rows = self.read(
            lambda connection: connection.execute(
                "SELECT kind, path, reason FROM files WHERE kind IS NOT NULL ORDER BY kind, path"
            ).fetchall()
        )
        counts: dict[str, int] = {}
        examples: dict[str, list[tuple[str, str]]] = {}
        for kind, path, reason in rows:
            counts[kind] = counts.get(kind, 0) + 1
            if counts[kind] <= _EXAMPLES:
                text = os.fsdecode(path).encode("utf-8", "replace").decode()
                examples.setdefault(kind, []).append((text, reason))
        return PassedOver(counts, {kind: tuple(some) for kind, some in examples.items()})

    def close(self) -> None:
        """Close the connections to the database; it opens again when it is asked."""
        self._database.close()

    def discard(self) -> None:
        """Remove the database: its folder is going, and what it holds may name patients."""
        self._database.rebuild()

    def _make_anew(self) -> None:
        with self._lock:
            self._database.rebuild()
            self._refresh(None)

    def _refresh(self, cancel: Cancel | None) -> None:
        root = os.path.join(os.fsencode(self.root), b"")
        found = scan(root, cancel=cancel)
        with self._database.reading() as connection:
            # In this order, so that what is written in between shows.
            generation = changes.generation(connection)
            known = changes.known_files(connection)
        gone = [path for path in known if path not in found.files]
        if gone or found.unreadable:
            with self._database.writing() as connection:
                changes.forget(connection, gone)
                changes.pass_over_folders(connection, found.unreadable)
                generation = changes.generation(connection) + 1
                known = changes.known_files(connection)
        stale = [path for path, status in found.files.items() if known.get(path) != status]
        self._add(root, sorted(stale), found, changes.Writer(generation, known), cancel)
        self._finish(root, found, bool(gone), cancel)

    def _finish(self, root: bytes, found: Scan, is_pruned: bool, cancel: Cancel | None) -> None:
        """Files that were duplicates of what is gone, then studies and series."""
        with self._database.reading() as connection:
            generation = changes.generation(connection)
            orphans = changes.orphaned_duplicates(connection)
        writer = changes.Writer(generation, set(orphans))
        paths = [path for path in orphans if path in found.files]
        self._add(root, paths, found, writer, cancel)
        with self._database.reading() as connection:
            is_settled = not summaries.is_stale(connection)
        if is_settled and not is_pruned:
            return
        with self._database.writing() as connection:
            summaries.settle(connection)
            if is_pruned:
                changes.prune_elements(connection)

    def _add(
        self,
        root: bytes,
        paths: list[bytes],
        found: Scan,
        writer: changes.Writer,
        cancel: Cancel | None,
    ) -> None:
        """Read files and put them into the index, a batch at a time."""
        if not paths:
            return
        records = _read_all(root, ((path, *found.files[path]) for path in paths), cancel)
        while batch := list(islice(records, _BATCH)):
            with self._database.writing() as connection:
                writer.write(connection, batch)


def _read_all(
    root: bytes, files: Iterable[Seen], cancel: Cancel | None
) -> Iterator[tuple[Seen, Header | PassOver]]:
    """The header of each file, or why it is passed over."""
    reader = HeaderReader()
    for group in _heads(root, iter(files), cancel):
        with collector_paused():
            records = [(seen, _header(reader, root, seen, head)) for seen, head in group]
        yield from records


def _heads(
    root: bytes, files: Iterator[Seen], cancel: Cancel | None
) -> Iterator[list[tuple[Seen, bytes | OSError]]]:
    """The first bytes of files, in groups; threads read ahead where the disk is slow.

    Where it is not, threads only wait for each other's turn with the interpreter.
    """

    def read(group: list[Seen], token: Cancel) -> list[tuple[Seen, bytes | OSError]]:
        token.check()
        return [(seen, _head(root + seen[0])) for seen in group]

    groups = iter(lambda: list(islice(files, _GROUP)), [])
    first = next(groups, [])
    start = time.perf_counter()
    yield read(first, cancel or Cancel())
    is_slow = time.perf_counter() - start > _SLOW * len(first)
    workers = _READERS if is_slow else 1
    yield from side_by_side(read, groups, workers=workers, cancel=cancel)


def _head(path: bytes) -> bytes | OSError:
    try:
        handle = os.open(path, _READ_ONLY)
    except OSError as error:
        return error
    try:
        return os.read(handle, FIRST_READ)
    except OSError as error:
        return error
    finally:
        os.close(handle)


def _header(
    reader: HeaderReader, root: bytes, seen: Seen, head: bytes | OSError
) -> Header | PassOver:
    path, _, size = seen
    try:
        if isinstance(head, OSError):
            raise head
        return reader.read(head, size=size, opener=lambda: open(root + path, "rb"))
    except PassOver as passed:
        return passed.with_traceback(None)
    except OSError as error:
        return PassOver("unreadable", error.strerror or str(error))
