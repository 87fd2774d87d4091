"""What a table holds, at a glance: how many of what, of when, and what is missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from dicomnb.html import card, text_card
from dicomnb.tables.oddities import issues_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Description", "describe"]

_MOST_MISSING = 8


@dataclass(frozen=True)
class Description:
    """What a table of a search or of metadata holds; shown as a card."""

    rows: int
    """Rows of the table."""
    patients: int | None
    """Different PatientIDs; None where the table does not tell."""
    studies: int | None
    """Different studies."""
    series: int | None
    """Different series; of a table of studies the sum of NumberOfStudyRelatedSeries."""
    instances: int | None
    """Different instances; of other tables the sum of what each row says it has."""
    modalities: Mapping[str, int]
    """Modality → rows that have it, the most frequent first."""
    first_date: pd.Timestamp | None
    """The earliest StudyDate, else SeriesDate."""
    last_date: pd.Timestamp | None
    """The latest."""
    missing: Mapping[str, int] = field(repr=False)
    """Column → rows in which it is missing, the most frequent first; complete columns not."""
    issues: int = 0
    """Values that were odd; ``df.dicom.issues`` lists them."""

    def __repr__(self) -> str:
        return text_card("DICOM table", self._facts())

    def _repr_html_(self) -> str:
        return card("DICOM table", self._facts())

    def _facts(self) -> list[tuple[str, str]]:
        counts = [
            (name, "unknown" if count is None else f"{count:,}")
            for name, count in (
                ("Rows", self.rows),
                ("Patients", self.patients),
                ("Studies", self.studies),
                ("Series", self.series),
                ("Instances", self.instances),
            )
        ]
        modalities = ", ".join(f"{name} {count:,}" for name, count in self.modalities.items())
        facts = [*counts, ("Modalities", modalities or "unknown"), ("Dates", self._dates())]
        facts.append(("Missing", self._missing() or "nothing"))
        if self.issues:
            facts.append(("Odd values", f"{self.issues:,}; see df.dicom.issues"))
        return facts

    def _dates(self) -> str:
        if self.first_date is None or self.last_date is None:
            return "unknown"
        first, last = (day.date().isoformat() for day in (self.first_date, self.last_date))
        return first if first == last else f"{first} – {last}"

    def _missing(self) -> str:
        most = list(self.missing.items())[:_MOST_MISSING]
        words = [
            f"{name} ({'all' if count == self.rows else f'{count:,}'})" for name, count in most
        ]
        further = len(self.missing) - len(most)
        return ", ".join(words) + (f", and {further} more columns" if further else "")


def describe(table: pd.DataFrame) -> Description:
    """Count what a table holds.

    Args:
        table: as a search or ``metadata`` returns it, or a part of one.

    Example:
        >>> describe(archive.series()).modalities
        {'CT': 12, 'MR': 7}
    """
    dates = _dates(table)
    return Description(
        rows=len(table),
        patients=_different(table, "PatientID"),
        studies=_different(table, "StudyInstanceUID"),
        series=_things(table, "SeriesInstanceUID", "NumberOfStudyRelatedSeries"),
        instances=_things(
            table,
            "SOPInstanceUID",
            "NumberOfSeriesRelatedInstances",
            "NumberOfStudyRelatedInstances",
        ),
        modalities=_modalities(table),
        first_date=dates.min() if len(dates) else None,
        last_date=dates.max() if len(dates) else None,
        missing=_missing_in(table),
        issues=int(issues_of(table).attrs["count"]),
    )


def _column(table: pd.DataFrame, name: str) -> pd.Series | None:
    """A column, also one that groupby or set_index moved to the index."""
    if name in table.columns:
        found = table[name]
        return found if isinstance(found, pd.Series) else None
    if name in table.index.names:
        return table.index.get_level_values(name).to_series()
    return None


def _different(table: pd.DataFrame, name: str) -> int | None:
    column = _column(table, name)
    return None if column is None else int(column.nunique())


def _things(table: pd.DataFrame, uid: str, *counts: str) -> int | None:
    """Different UIDs, else the sum of what each row says that it holds, if every row does.

    A series whose number of instances nobody told makes the whole unknown.
    """
    if _column(table, uid) is not None:
        return _different(table, uid)
    for name in counts:
        column = _column(table, name)
        if column is not None and column.notna().all():
            return int(column.sum())
    return None


def _modalities(table: pd.DataFrame) -> dict[str, int]:
    column = _column(table, "Modality")
    if column is None:
        column = _column(table, "ModalitiesInStudy")
    if column is None:
        return {}
    counted = column.explode().value_counts(dropna=True, sort=False)
    pairs = [(str(name), int(count)) for name, count in counted.items()]
    return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))


def _dates(table: pd.DataFrame) -> pd.Series:
    for name in ("StudyDate", "SeriesDate"):
        column = _column(table, name)
        if column is not None and column.dtype.kind == "M" and column.notna().any():
            return column.dropna()
    return pd.Series([], dtype="datetime64[s]")


def _missing_in(table: pd.DataFrame) -> dict[str, int]:
    counts = table.isna().sum()
    pairs = [(str(name), int(count)) for name, count in counts.items() if count]
    return dict(sorted(pairs, key=lambda pair: -pair[1]))
