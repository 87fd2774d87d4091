"""Sending an `UploadPanel`'s files: what became of each, whatever ends the work early."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

from dicomnb.errors import DicomnbError
from dicomnb.transfer.upload import OUTCOME_COLUMNS, outcome_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from dicomnb.archive import Archive
    from dicomnb.pool import Cancel
    from dicomnb.transfer.events import Progress
    from dicomnb.widgets.listed import Listed

__all__ = ["Sent", "outcomes", "send"]


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
    groups = [(_store, instances)]
    groups += [(_store_images, [one for one in pictures if one.outcome is None])]
    groups += [(_store_images, [one for one in pictures if one.outcome is not None])]
    for store, group in groups:
        if not group or result.error is not None:
            continue
        table: pd.DataFrame | None
        try:
            table = store(archive, group, like, counting, cancel)
        except (DicomnbError, OSError, ValueError, TypeError) as error:
            result.error = error
            table = getattr(error, "table", None)
        if table is not None:
            for one, row in zip(group, table.to_dict("records"), strict=True):
                result.rows[one.key] = _named(row, one)
        counting.next_group(group)
    return result


class _Counting:
    """Adds up over several calls what the engine tells of each."""

    def __init__(self, tell: Callable[[int, int, float], None]) -> None:
        self._tell = tell
        self._done = self._bytes = 0
        self._begun = monotonic()

    def __call__(self, progress: Progress) -> None:
        self._tell(self._done + progress.done, self._bytes + progress.bytes_done, self._begun)

    def next_group(self, group: Sequence[Listed]) -> None:
        self._done += len(group)
        self._bytes += sum(one.size for one in group)


def _store(
    archive: Archive, files: Sequence[Listed], like: Any, tell: Any, cancel: Cancel
) -> pd.DataFrame:
    """Files as rows that were not stored yet: the engine's own way to go on with some."""
    waiting = outcome_table([_waiting(one) for one in files])
    return archive.store(retry=waiting, progress=tell, cancel=cancel)


def _store_images(
    archive: Archive, files: Sequence[Listed], like: Any, tell: Any, cancel: Cancel
) -> pd.DataFrame:
    before = [dict(one.outcome) for one in files if one.outcome is not None]
    retry = outcome_table(before) if before else None
    paths = [one.path for one in files]
    return archive.store_images(paths, like=like, retry=retry, progress=tell, cancel=cancel)


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
