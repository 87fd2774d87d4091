"""Sending an `UploadPanel`'s files: what became of each, whatever ends the work early."""

from __future__ import annotations

import copy
import threading
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from dicomnb.errors import DicomnbError
from dicomnb.transfer.upload import OUTCOME_COLUMNS, outcome_table
from dicomnb.wire.storing import FileUpload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from dicomnb.archive import Archive
    from dicomnb.pool import Cancel
    from dicomnb.source import Source
    from dicomnb.widgets.listed import Listed
    from dicomnb.wire.storing import Outcome, Upload

__all__ = ["Sent", "outcomes", "send"]

_OFTEN_SECONDS = 0.2


@dataclass
class Sent:
    """What came of sending.

    Attributes:
        rows: of the store's table, by the key of the file; of those that were come to.
        error: what ended the work early, or None.
    """

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    error: Exception | None = None


def send(
    archive: Archive,
    files: Sequence[Listed],
    *,
    like: Any,
    tell: Callable[[int, int, float], None],
    cancel: Cancel,
) -> Sent:
    """Store instances, then pictures; nothing after what ends the work.

    Args:
        archive: where to.
        files: what; those that have an outcome are sent once more, pictures under their UIDs.
        like: what says whose the pictures are.
        tell: told how many files and bytes have gone, and when it began.
        cancel: stops it; the outcomes so far are kept.
    """
    result = Sent()
    instances = [one for one in files if one.found.kind == "instance"]
    pictures = [one for one in files if one.found.kind == "picture"]
    counting = _Counting(tell)
    watched = counting.watched(archive)
    groups = [(_store, instances)]
    groups += [(_store_images, [one for one in pictures if one.outcome is None])]
    groups += [(_store_images, [one for one in pictures if one.outcome is not None])]
    for store, group in groups:
        if not group or result.error is not None:
            continue
        table: pd.DataFrame | None
        try:
            table = store(watched, group, like, cancel)
        except (DicomnbError, OSError, ValueError, TypeError) as error:
            result.error = error
            table = getattr(error, "table", None)
        if table is not None:
            for one, row in zip(group, table.to_dict("records"), strict=True):
                result.rows[one.key] = _named(row, one)
    return result


class _Counting:
    """Counts the bytes of files as they are read to be sent; the engine itself tells of batches.

    A file that is read again, for a second try say, counts once.
    """

    def __init__(self, tell: Callable[[int, int, float], None]) -> None:
        self._tell = tell
        self._lock = threading.Lock()
        self._done = self._bytes = 0
        self._begun, self._told = monotonic(), 0.0

    def watched(self, archive: Archive) -> Archive:
        """The archive over a source of which it is seen what is stored."""
        made = copy.copy(archive)
        made.source = cast("Source", _Watched(archive.source, self))
        return made

    def moved(self, size: int, *, done: int = 0) -> None:
        """So many bytes and files more; told a few times a second, from whatever thread."""
        with self._lock:
            self._done += done
            self._bytes += size
            if monotonic() - self._told < _OFTEN_SECONDS:
                return
            self._told = monotonic()
            told = (self._done, self._bytes, self._begun)
        self._tell(*told)


class _Watched:
    """A source that tells of what is read to be stored in it."""

    def __init__(self, source: Source, counting: _Counting) -> None:
        self._source = source
        self._counting = counting

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def store(self, uploads: Sequence[Upload], **options: Any) -> list[Outcome]:
        """Store, as the source does."""
        files = [
            _Counted(one, self._counting) if isinstance(one, FileUpload) else one for one in uploads
        ]
        outcomes = self._source.store(files, **options)
        self._counting.moved(0, done=len(files))
        return outcomes


class _Counted(FileUpload):
    """A file that tells how much of it has been read."""

    def __init__(self, upload: FileUpload, counting: _Counting) -> None:
        super().__init__(upload.path)
        self.__dict__.update(vars(upload))  # how it was when it was first looked at
        self._counting = counting
        self._read = 0

    def open(self) -> BinaryIO:
        """The file, as it is."""
        file = super().open()
        read, readinto = file.read, file.readinto  # type: ignore[attr-defined]

        def counted(size: int = -1) -> bytes:
            data = read(size)
            self._moved(len(data))
            return data

        def counted_into(room: Any) -> int:
            count: int = readinto(room)
            self._moved(count)
            return count

        file.read = counted  # type: ignore[method-assign]
        file.readinto = counted_into  # type: ignore[attr-defined]
        return file

    def _moved(self, count: int) -> None:
        fresh = min(count, self.length - self._read)
        self._read += fresh
        self._counting.moved(fresh)


def _store(archive: Archive, files: Sequence[Listed], like: Any, cancel: Cancel) -> pd.DataFrame:
    """Files as rows that were not stored yet: the engine's own way to go on with some."""
    waiting = outcome_table([_waiting(one) for one in files])
    return archive.store(retry=waiting, cancel=cancel)


def _store_images(
    archive: Archive, files: Sequence[Listed], like: Any, cancel: Cancel
) -> pd.DataFrame:
    before = [dict(one.outcome) for one in files if one.outcome is not None]
    retry = outcome_table(before) if before else None
    paths = [one.path for one in files]
    return archive.store_images(paths, like=like, retry=retry, cancel=cancel)


def _waiting(one: Listed) -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(OUTCOME_COLUMNS)
    return {**row, "Outcome": "failed", "Name": str(one.path), "File": str(one.path)}


def _named(row: Mapping[Any, Any], one: Listed) -> dict[str, Any]:
    """A row under the name that a person knows the file by: a copy's path says nothing."""
    reason = row["Reason"]
    if isinstance(reason, str) and one.is_copy:
        reason = reason.replace(str(one.path), one.name)
    return {**row, "Reason": reason, "Name": one.name, "File": None if one.is_copy else row["File"]}


def outcomes(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Outcomes as the table of a store."""
    return outcome_table([dict(row) for row in rows])
