"""The steps of a search panel: from studies down to instances, each with its form and rows."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from dicomnb.refs import LEVELS, PLURAL
from dicomnb.widgets.columns import cell_text, person
from dicomnb.widgets.recipes import Found, Search
from dicomnb.widgets.worklist import fields_for, heading, moved, read

if TYPE_CHECKING:
    from dicomnb.refs import Level
    from dicomnb.widgets.feeding import Feed
    from dicomnb.widgets.worklist import Reading

__all__ = ["Step", "columns_of", "notes_of", "words_of"]

_FIRST: dict[Level, dict[str, str | None]] = {
    "study": {
        "PatientName": "Patient",
        "PatientID": None,
        "StudyDate": "Date",
        "ModalitiesInStudy": "Modalities",
        "StudyDescription": "Description",
        "NumberOfStudyRelatedSeries": "Series",
        "NumberOfStudyRelatedInstances": "Instances",
        "AccessionNumber": "Accession",
    },
    "series": {
        "SeriesNumber": "Number",
        "Modality": None,
        "SeriesDescription": "Description",
        "BodyPartExamined": "Body part",
        "NumberOfSeriesRelatedInstances": "Instances",
    },
    "instance": {
        "InstanceNumber": "Number",
        "Modality": None,
        "NumberOfFrames": "Frames",
        "Rows": None,
        "Columns": None,
    },
}
_PATIENT: dict[str, str | None] = {
    "PatientName": "Patient",
    "PatientID": None,
    "StudyDate": "Date",
}
_LAST = ("SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


@dataclass
class Step:
    """One place of the trail.

    Attributes:
        level: what the form searches for.
        within: the rows that are searched in, or None for the whole archive.
        within_level: what these rows are.
        form: field → what is typed into it.
        fields: columns to bring besides.
        fuzzy: whether names match by the beginning of any word.
        found: the last search made here, with its rows.
        notes: what is odd about these rows.
        feed: how they were sorted, filtered and selected when the step was left.
        number: tells steps apart.
    """

    level: Level = "study"
    within: pd.DataFrame | None = None
    within_level: Level | None = None
    form: dict[str, str] = field(default_factory=dict)
    fields: tuple[str, ...] = ()
    fuzzy: bool = False
    found: Found | None = None
    notes: tuple[str, ...] = ()
    feed: Feed | None = None
    number: int = field(default_factory=itertools.count(1).__next__)

    @property
    def levels(self) -> tuple[Level, ...]:
        """What can be searched for here."""
        return (
            LEVELS if self.within_level is None else LEVELS[1 + LEVELS.index(self.within_level) :]
        )

    @property
    def next_level(self) -> Level | None:
        """What the rows found here hold."""
        level = self.level if self.found is None else self.found.search.level
        below = LEVELS[1 + LEVELS.index(level) :]
        return below[0] if below else None

    @property
    def reading(self) -> Reading:
        """What the form means."""
        return read(self.level, self.form, fuzzy=self.fuzzy)

    def go(self, level: Level) -> None:
        """Search for another level by what the form holds."""
        self.form, self.level = moved(self.form, self.level, level), level

    def search(self, limit: int | None) -> Search:
        """The search that the form means, faults left out."""
        return Search(self.level, self.reading.filters, self.fields, self.fuzzy, limit)

    def below(self, rows: pd.DataFrame) -> Step:
        """The step to what some of its rows hold."""
        if self.found is None or self.next_level is None:
            raise ValueError("Instances hold nothing to search for.")
        return Step(self.next_level, rows, self.found.search.level)

    def told(self) -> dict[str, Any]:
        """The form and what was found, for a front end."""
        return {
            "step": self.number,
            "level": self.level,
            "levels": list(self.levels),
            "fields": self._told_fields(),
            "columns": list(self.fields),
            "fuzzy": self.fuzzy,
            "found": self._told_found(),
            "notes": list(self.notes),
        }

    def told_crumb(self) -> dict[str, Any]:
        """What stands for it in the trail: a label, and how many rows were found."""
        level = self.level if self.found is None else self.found.search.level
        label = PLURAL[level].capitalize()
        if self.within is not None and self.within_level is not None:
            label += f" of {words_of(self.within, self.within_level)}"
        return {"label": label, "count": None if self.found is None else len(self.found.table)}

    def _told_fields(self) -> list[dict[str, Any]]:
        reading = self.reading
        return [
            {
                "name": one.name,
                "label": one.label,
                "kind": one.kind,
                "added": one.is_added,
                "text": self.form.get(one.name, ""),
                "hint": reading.hints.get(one.name, ""),
                "fault": reading.faults.get(one.name, ""),
            }
            for one in fields_for(self.level, within=self.within_level, form=self.form)
        ]

    def _told_found(self) -> dict[str, Any] | None:
        """Counts, and what was asked by."""
        if self.found is None:
            return None
        search = self.found.search
        asked = search.filters.items()
        return {
            "one": search.level,
            "many": PLURAL[search.level],
            "below": PLURAL[self.next_level] if self.next_level else "",
            "count": len(self.found.table),
            "cut": self.found.is_cut,
            "limit": search.limit,
            "asked": [
                {"name": name, "label": heading(name), "text": _asked(value)}
                for name, value in asked
            ],
        }


def words_of(rows: pd.DataFrame, level: Level) -> str:
    """A few words for rows: of one what it is, of several how many."""
    if len(rows) != 1:
        return f"{len(rows):,} {PLURAL[level]}"
    row = rows.iloc[0]
    names = {
        "study": ("PatientName", "StudyDate", "StudyDescription"),
        "series": ("SeriesNumber", "Modality", "SeriesDescription"),
        "instance": ("InstanceNumber",),
    }[level]
    words = [_cell(row.get(name), name) for name in names]
    return " · ".join(word for word in words if word) or f"one {level}"


def columns_of(table: pd.DataFrame, level: Level, *, is_within: bool) -> dict[str, str | None]:
    """The columns in the order in which people look at them, with short headings.

    Args:
        is_within: whether all rows lie in one thing looked at before, so that whose they are
            is known.
    """
    first = dict(_FIRST[level])
    if not is_within:
        first = {**_PATIENT, **first}
    order = [name for name in first if name in table.columns]
    tail = [name for name in _LAST if name in table.columns]
    middle = [name for name in table.columns if name not in first and name not in tail]
    return {name: first.get(name, _PATIENT.get(name)) for name in (*order, *middle, *tail)}


def notes_of(table: pd.DataFrame, warnings: tuple[str, ...], *, called: str) -> tuple[str, ...]:
    """What a person should know of the rows: what was warned of, and what the source said.

    Args:
        called: Python that is the table, for what warnings call ``df``.
    """
    warnings = tuple(one.replace("df.dicom.", f"{called}.dicom.") for one in warnings)
    said = str(table.attrs.get("notes") or "")
    if not said or any(said in one for one in warnings):
        return warnings
    return (*warnings, f"The archive said: {said}")


def _cell(value: Any, name: str) -> str:
    if isinstance(value, str) and name == "PatientName":
        return person(value)
    if isinstance(value, pd.Timestamp):
        return value.date().isoformat()
    return cell_text(value)


def _asked(value: Any) -> str:
    if isinstance(value, tuple):
        first, last = value
        return f"{first or '…'} to {last or '…'}"
    return " or ".join(map(_asked, value)) if isinstance(value, list) else str(value)
