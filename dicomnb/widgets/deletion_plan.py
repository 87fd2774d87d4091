"""What a deletion would take away, counted before; and the deletion itself, thing by thing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from dicomnb.errors import (
    AuthError,
    Cancelled,
    ConnectionFailed,
    DicomnbError,
    NotFound,
    OriginRefused,
    RefError,
    StillRunning,
    Unsupported,
)
from dicomnb.refs import LEVELS, PLURAL, UID_KEYWORDS, Ref
from dicomnb.transfer.deletion import DELETION_COLUMNS
from dicomnb.widgets.quantities import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dicomnb.archive import Archive
    from dicomnb.operations import Operation
    from dicomnb.pool import Cancel
    from dicomnb.refs import Level

__all__ = ["Plan", "Thing", "carried_out", "planned"]

_HOPELESS = (AuthError, ConnectionFailed, OriginRefused, Unsupported)
"""Errors that the next thing would meet as well."""


@dataclass(frozen=True)
class Thing:
    """One study, series or instance that would go.

    Attributes:
        ref: which it is.
        patient, patient_id, date, description: of its row, as text.
        series, instances: how many of these go with it.
    """

    ref: Ref
    patient: str = ""
    patient_id: str = ""
    date: str = ""
    description: str = ""
    series: int = 1
    instances: int = 1


@dataclass(frozen=True)
class Plan:
    """What a deletion would take away.

    Attributes:
        level: of the things that were named.
        things: that are there.
        missing: how many that were named are not.
    """

    level: Level
    things: tuple[Thing, ...]
    missing: int = 0

    @property
    def instances(self) -> int:
        """How many instances would go."""
        return sum(one.instances for one in self.things)

    @property
    def counted(self) -> str:
        """What would go, ``3 studies with 412 instances``."""
        named = _counted(len(self.things), self.level)
        if self.level == "instance":
            return named
        return f"{named} with {_counted(self.instances, 'instance')}"

    @property
    def words(self) -> str:
        """What has to be typed before it is done."""
        return f"delete {self.counted}"

    @property
    def summary(self) -> str:
        """What would go, of whom and of when, in a sentence."""
        inner = self.counted
        if self.level == "study":
            series = sum(one.series for one in self.things)
            inner = inner.replace(" with ", f" with {_counted(series, 'series')} and ")
        else:
            inner += f" of {_counted(len({one.ref.study for one in self.things}), 'study')}"
        patients = len({one.patient_id for one in self.things})
        dates = sorted({one.date for one in self.things if one.date})
        when = f", {dates[0]}" if dates else ""
        when += f" to {dates[-1]}" if len(dates) > 1 else ""
        return f"{inner}, of {counted(patients, 'patient')}{when}"


def _counted(count: int, level: Level) -> str:
    return f"{count} {level if count == 1 else PLURAL[level]}"


def planned(archive: Archive, refs: Sequence[Ref], cancel: Cancel) -> Plan:
    """Look at what would go.

    Args:
        archive: where it is.
        refs: of one level; one at least.
        cancel: gives up looking.

    Raises:
        NotFound: nothing of it is there.
    """
    level = refs[0].level
    rows = _rows(archive, level, refs, cancel)
    things = [_thing(ref, rows[ref]) for ref in refs if ref in rows]
    if not things:
        many = len(refs) > 1
        what = f"None of these {len(refs):,} {PLURAL[level]} is" if many else f"This {level} is not"
        raise NotFound(f"{what} there (any more): there is nothing to delete.")
    found = [one.ref for one in things]
    if level == "study":
        counts = _related(archive, rows, found, "series", cancel)
        things = [replace(one, series=counts.get(one.ref, 0)) for one in things]
    if level != "instance":
        counts = _related(archive, rows, found, "instance", cancel)
        things = [replace(one, instances=counts.get(one.ref, 0)) for one in things]
    return Plan(level, tuple(things), len(refs) - len(things))


def _rows(
    archive: Archive, level: Level, refs: Sequence[Ref], cancel: Cancel
) -> Mapping[Ref, Mapping[Any, Any]]:
    """The rows of what is named: a series whose UID lies in two studies as well is two."""
    if level == "study":
        uids = [ref.study for ref in refs]
        table = archive.studies(StudyInstanceUID=uids, cancel=cancel)
    elif level == "series":
        parents = list(dict.fromkeys(ref.at("study") for ref in refs))
        table = archive.series(parents, fields=["StudyDescription"], cancel=cancel)
    else:
        parents = list(dict.fromkeys(ref.at("series") for ref in refs))
        fields = ["StudyDate", "SeriesDescription"]
        table = archive.instances(parents, fields=fields, cancel=cancel)
    found = {_ref(row, level): row for row in table.to_dict("records")}
    return {ref: found[ref] for ref in refs if ref in found}


def _ref(row: Mapping[Any, Any], level: Level) -> Ref:
    return Ref(*(row[UID_KEYWORDS[one]] for one in LEVELS[: LEVELS.index(level) + 1]))


def _thing(ref: Ref, row: Mapping[Any, Any]) -> Thing:
    described = [_text(row.get(name)) for name in ("StudyDescription", "SeriesDescription")]
    number = _text(row.get("InstanceNumber"))
    modality = _text(row.get("ModalitiesInStudy", row.get("Modality")))
    parts = [modality, *described, f"instance {number}" if number else ""]
    return Thing(
        ref=ref,
        patient=_text(row.get("PatientName")),
        patient_id=_text(row.get("PatientID")),
        date=_text(row.get("StudyDate"))[:10],
        description=" · ".join(filter(None, parts)),
    )


def _text(value: Any) -> str:
    """A cell as text; several values with the standard's backslash between them."""
    if isinstance(value, tuple):
        return "\\".join(map(str, value))
    return "" if pd.isna(value) else str(value)


def _related(
    archive: Archive,
    rows: Mapping[Ref, Mapping[Any, Any]],
    refs: Sequence[Ref],
    level: Level,
    cancel: Cancel,
) -> Mapping[Ref, int]:
    """How many of a level lie in each ref: as its row says, or counted."""
    of = refs[0].level.capitalize()
    name = f"NumberOf{of}Related{PLURAL[level].capitalize()}"
    told = {ref: rows[ref].get(name) for ref in refs}
    if all(_text(value) for value in told.values()):
        return {ref: int(value or 0) for ref, value in told.items()}
    counts: Counter[Ref] = Counter()
    for page in archive.pages(level, list(refs)):
        cancel.check()
        columns = (page[UID_KEYWORDS[one]] for one in LEVELS[: LEVELS.index(refs[0].level) + 1])
        counts.update(Ref(*uids) for uids in zip(*columns, strict=True))
    return counts


# -- doing it ------------------------------------------------------------------------------------


def carried_out(
    archive: Archive,
    plan: Plan,
    *,
    wait: bool,
    time_limit: float | None,
    tell: Callable[[int], None],
    cancel: Cancel,
) -> pd.DataFrame:
    """Delete what was planned, if it is still what was planned.

    Every one is begun before the first is waited for, so that a server works side by side.

    Args:
        archive: where from.
        plan: what.
        wait: whether to wait for a server that goes on by itself.
        time_limit: seconds to wait for each at most, or None.
        tell: told how many are done.
        cancel: what is not begun stays; what the server has begun goes on.

    Returns:
        The table of `Archive.delete`.

    Raises:
        RefError: something came or went since it was planned; nothing was deleted.
    """
    now = planned(archive, [one.ref for one in plan.things], cancel)
    if set(now.things) != set(plan.things):
        raise RefError(
            f"What would go has changed since it was shown: it is {now.counted} now, and was "
            f"{plan.counted}. Nothing was deleted; look again."
        )
    begun = _begin_all(archive, now, tell, cancel)
    rows: list[tuple[Any, ...]] = []
    for one, row in zip(now.things, begun, strict=True):
        if wait and row.operation is not None:
            row = _ended(row.operation, time_limit, cancel)
            tell(len(rows) + 1)
        ref = one.ref
        told = (ref.study, ref.series, ref.instance)
        rows.append((*told, row.outcome, row.reason, row.operation))
    return pd.DataFrame(rows, columns=DELETION_COLUMNS, dtype="object")


@dataclass(frozen=True)
class _Row:
    """What became of one thing."""

    outcome: str
    reason: str = ""
    operation: Operation | None = None


def _begin_all(
    archive: Archive, plan: Plan, tell: Callable[[int], None], cancel: Cancel
) -> list[_Row]:
    """Ask for each to be deleted, until it is cancelled or no more would be."""
    rows: list[_Row] = []
    rest = ""
    for one in plan.things:
        if not rest and cancel.is_set:
            rest = "not deleted: it was cancelled before"
        if rest:
            rows.append(_Row("failed", rest))
            continue
        try:
            (row,) = archive.delete(one.ref, wait=False).to_dict("records")
        except (DicomnbError, OSError) as error:
            rows.append(_Row("failed", str(error)))
            if isinstance(error, _HOPELESS):
                rest = f"not tried, since another was refused: {error}"
        else:
            rows.append(_Row(row["Outcome"], row["Reason"], row["Operation"]))
        tell(sum(row.operation is None for row in rows))
    return rows


def _ended(operation: Operation, time_limit: float | None, cancel: Cancel) -> _Row:
    """What became of a deletion that the server goes on with."""
    if not operation.can_be_asked:
        words = "The server goes on by itself and does not tell when it is done."
        return _Row("deleting", words, operation)
    try:
        operation.wait(time_limit=time_limit, cancel=cancel)
    except StillRunning as error:
        return _Row("deleting", str(error), operation)
    except Cancelled as error:
        if cancel.is_set:
            words = "Only the waiting was cancelled: the server goes on by itself."
            return _Row("deleting", words, operation)
        return _Row("failed", str(error), operation)
    except DicomnbError as error:
        return _Row("failed", str(error), operation)
    if operation.failures:
        return _Row("failed", f"{operation.failures} items were not deleted.", operation)
    return _Row("deleted")
