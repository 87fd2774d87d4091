"""The upload engine: items in batches, side by side, and an outcome for each."""

from __future__ import annotations

from collections.abc import Sequence
from operator import length_hint
from typing import TYPE_CHECKING, Any

import pandas as pd

from dicomnb.errors import (
    AuthError,
    ConnectionFailed,
    DicomnbError,
    DicomWebError,
    NotFound,
    OriginRefused,
    ProtocolError,
    Unsupported,
)
from dicomnb.pool import closed_after, side_by_side
from dicomnb.transfer.events import Progress
from dicomnb.transfer.given import Items
from dicomnb.vr import TEXT_DTYPE
from dicomnb.wire.storing import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from dicomnb.pool import Cancel
    from dicomnb.source import Source
    from dicomnb.transfer.items import Item
    from dicomnb.wire.storing import StoreForm, Upload

__all__ = ["OUTCOME_COLUMNS", "outcome_table", "upload"]

BATCH_BYTES = 64 << 20
"""Of one request; larger for an instance that is larger by itself."""
HELD_BYTES = 8 << 20
"""The same for what is made here and so held in memory while it is sent."""
BATCH_INSTANCES = 100
MOST_IN_A_ROW = 3
"""After so many batches that failed as a whole no more are sent."""
OUTCOME_COLUMNS = {
    "StudyInstanceUID": TEXT_DTYPE,
    "SeriesInstanceUID": TEXT_DTYPE,
    "SOPInstanceUID": TEXT_DTYPE,
    "SOPClassUID": TEXT_DTYPE,
    "Outcome": TEXT_DTYPE,
    "Code": "Int64",
    "Reason": TEXT_DTYPE,
    "RetrieveURL": TEXT_DTYPE,
    "Name": TEXT_DTYPE,
    "File": TEXT_DTYPE,
}

_FOR_ALL = (AuthError, NotFound, OriginRefused, Unsupported)
"""Errors that every other batch would meet as well."""
_ALL_THE_SAME = " It may have been stored all the same: a search tells."
_TOO_LARGE = 413
"""The request is: halves of it may not be, nor may other instances."""
_UNSENDABLE = (DicomnbError, OSError, TypeError, ValueError)
"""What making one upload may raise: it costs its row, not the batch."""


def upload(
    source: Source,
    items: Iterable[Item],
    *,
    study: str | None,
    workers: int,
    tell: Callable[[Progress], None],
    form: StoreForm = "multipart",
    cancel: Cancel | None = None,
) -> pd.DataFrame:
    """Store ``items`` in batches side by side.

    Args:
        source: where to.
        items: what; gone through once, no further ahead than a few batches.
        study: the StudyInstanceUID that all must have, or None.
        workers: batches in flight.
        tell: told how far it has come.
        form: how instances travel; ``"single"`` is one instance a request.
        cancel: stops it.

    Returns:
        One row an instance, in order; see `OUTCOME_COLUMNS`. A batch that fails as a whole is
        ``failed``, with the error as its reason, and so is what is not sent after it: the
        outcomes of the others are not lost.

    Raises:
        DicomWebError: batches fail as a whole, and none was answered.
        Cancelled: ``cancel`` was set. Like every error that ends the work early,
            KeyboardInterrupt included, it has the outcomes so far as its ``table``.
    """
    sending = _Sending(source, study=study, form=form)
    batches = _batches(sending.listed(items, cancel), one_by_one=form == "single")
    every = side_by_side(sending.send, batches, workers=workers, cancel=cancel, ordered=False)
    done = moved = 0
    try:
        with closed_after(every):
            for count, size in every:
                done, moved = done + count, moved + size
                total = length_hint(items, -1)  # less than it was where files were no DICOM
                tell(Progress(done, moved, total if total >= 0 else None))
                if sending.is_hopeless:
                    break
    except BaseException as error:
        sending.note_rest(items, "not sent: the store was stopped")
        _keep(error, sending.table())
        raise
    if sending.refused:
        sending.note_rest(items, f"not sent, since others were refused: {sending.refused[-1]}")
    table = sending.table()
    if sending.refused and not sending.is_answered:
        _keep(sending.refused[0], table)
        raise sending.refused[0]
    return table


def _keep(error: BaseException, table: pd.DataFrame) -> None:
    """Hand the outcomes so far over with an error that ends the work."""
    error.__dict__["table"] = table
    failed = int(table["Outcome"].isin(["failed", "conflict"]).sum())
    error.add_note(
        f"{len(table) - failed} of {len(table)} instances had been stored by then; this error's "
        ".table tells which, and store(retry=…) sends the others."
    )


class _Sending:
    """What has become of each item, noted by the thread that finds out.

    Attributes:
        refused: errors of batches that failed as a whole.
        is_answered: whether any batch was answered.
    """

    def __init__(self, source: Source, *, study: str | None, form: StoreForm) -> None:
        self._source = source
        self._study = study
        self._form = form
        self._waiting: dict[int, Item] = {}
        self._rows: dict[int, dict[str, object]] = {}
        self._in_a_row = 0
        self.refused: list[DicomWebError] = []
        self.is_answered = False

    def listed(self, items: Iterable[Item], cancel: Cancel | None) -> Iterator[tuple[int, Item]]:
        """The items with their places; kept until their outcomes are known."""
        for place, item in enumerate(items):
            self._waiting[place] = item
            if cancel is not None:
                cancel.check()
            yield place, item

    def note_rest(self, items: Iterable[Item], why: str) -> None:
        """Give those a row that have none, those included that were never come to.

        An iterator is not gone through for that: what it would have brought is not known. Nor
        are files opened that have not been: a slow disk would keep whoever wants to stop.
        """
        known = items.without_a_look if isinstance(items, Items) else items
        if isinstance(known, Sequence):
            rest = {place: item for place, item in enumerate(known) if place not in self._rows}
            self._waiting.update(rest)
        for place in list(self._waiting):
            self._note(place, Outcome("failed", reason=why))

    @property
    def is_hopeless(self) -> bool:
        """Whether to stop: what was refused would be again."""
        if not self.refused:
            return False
        return isinstance(self.refused[-1], _FOR_ALL) or self._in_a_row >= MOST_IN_A_ROW

    def send(self, batch: list[tuple[int, Item]], cancel: Cancel) -> tuple[int, int]:
        """Send one batch and note its outcomes; how many items and bytes it was."""
        groups: dict[StoreForm, list[tuple[int, Upload]]] = {}
        for place, item in batch:
            try:
                made = item.upload()
            except _UNSENDABLE as error:
                self._note(place, Outcome("failed", reason=_said(error)))
            else:
                groups.setdefault(item.form or self._form, []).append((place, made))
        size = sum(item.weight for _, item in batch)
        for form, group in groups.items():
            self._send([place for place, _ in group], [made for _, made in group], form, cancel)
        return len(batch), size

    def _send(
        self, places: list[int], uploads: list[Upload], form: StoreForm, cancel: Cancel
    ) -> None:
        # A source of one's own need not know of forms.
        options: dict[str, Any] = {} if form == "multipart" else {"form": form}
        try:
            outcomes = self._source.store(uploads, study=self._study, cancel=cancel, **options)
        except DicomWebError as error:
            if error.status == _TOO_LARGE and len(uploads) > 1:
                half = len(uploads) // 2
                self._send(places[:half], uploads[:half], form, cancel)
                self._send(places[half:], uploads[half:], form, cancel)
                return
            if error.status == _TOO_LARGE:
                self.is_answered = True  # of this one instance
            else:
                self.refused.append(error)
                self._in_a_row += 1
            reason = f"{error}{_ALL_THE_SAME if _may_be_stored(error) else ''}"
            outcomes = [Outcome("failed", reason=reason) for _ in uploads]
        except BaseException:  # Ctrl-C, a cancel, a fault of the source
            for place in places:
                words = "stopped while it was being sent: it may have been stored"
                self._note(place, Outcome("failed", reason=words))
            raise
        else:
            self.is_answered = True
            self._in_a_row = 0
        for place, outcome in zip(places, outcomes, strict=True):
            self._note(place, outcome)

    def _note(self, place: int, outcome: Outcome) -> None:
        self._rows[place] = _row(self._waiting.pop(place), outcome)

    def table(self) -> pd.DataFrame:
        """The outcomes, in the order of the items."""
        return outcome_table([self._rows[place] for place in sorted(self._rows)])


def outcome_table(rows: list[dict[str, object]], index: Any = None) -> pd.DataFrame:
    """Rows as a typed table; remarks of items are columns behind the others."""
    more = dict.fromkeys(name for row in rows for name in row if name not in OUTCOME_COLUMNS)
    types: dict[str, Any] = {**OUTCOME_COLUMNS, **dict.fromkeys(more, TEXT_DTYPE)}
    columns = {
        name: _column([row.get(name) for row in rows], dtype, index)
        for name, dtype in types.items()
    }
    return pd.DataFrame(columns, index=index)


def _column(values: list[object], dtype: Any, index: Any) -> Any:
    try:
        return pd.array(values, dtype=dtype)
    except UnicodeEncodeError:  # the name of a file is not UTF-8: Arrow holds no such text
        return pd.Series(values, index=index, dtype="object")


def _may_be_stored(error: DicomWebError) -> bool:
    """Whether the server may have done what was asked, for all that its answer is missing."""
    if isinstance(error, ConnectionFailed):
        return error.was_sent
    return isinstance(error, ProtocolError)


def _said(error: Exception) -> str:
    """Why an upload could not be made, in words."""
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror or error}"
    return getattr(error, "message", None) or str(error)


def _batches(
    items: Iterable[tuple[int, Item]], *, one_by_one: bool
) -> Iterator[list[tuple[int, Item]]]:
    """Items in groups of a bounded size, smaller where they are held in memory."""
    batch: list[tuple[int, Item]] = []
    size = 0.0
    for place, item in items:
        share = item.weight / (HELD_BYTES if item.is_held else BATCH_BYTES)
        if batch and (one_by_one or size + share > 1 or len(batch) == BATCH_INSTANCES):
            yield batch
            batch, size = [], 0.0
        batch.append((place, item))
        size += share
    if batch:
        yield batch


def _row(item: Item, outcome: Outcome) -> dict[str, object]:
    known = item.identity
    row: Mapping[str, object] = {
        "StudyInstanceUID": outcome.study or known.study,
        "SeriesInstanceUID": outcome.series or known.series,
        "SOPInstanceUID": outcome.instance or known.instance,
        "SOPClassUID": outcome.sop_class or known.sop_class,
        "Outcome": outcome.outcome,
        "Code": outcome.code,
        "Reason": outcome.reason,
        "RetrieveURL": outcome.url,
        "Name": item.name,
        "File": item.file,
    }
    return {**row, **item.remarks}
