"""``df.dicom``: what a table of DICOM can do beyond what every DataFrame can.

Registered with pandas by ``import dicomnb``; nothing of pandas is changed.
"""

from __future__ import annotations

import json
from datetime import datetime, time
from typing import TYPE_CHECKING, Any

import pandas as pd

from dicomnb.archive import Archive
from dicomnb.archive.connected import live_archive
from dicomnb.attributes import attribute
from dicomnb.errors import BadQuery, RefError
from dicomnb.refs import Ref, one_ref
from dicomnb.tables import issues_of
from dicomnb.tables.build import CREATORS_KEY
from dicomnb.tables.describe import Description, describe
from dicomnb.thumbnails import Thumbnails, thumbnails

if TYPE_CHECKING:
    from pathlib import Path

    from dicomnb.transfer.events import Telling
    from dicomnb.volumes.volume import Volume

__all__ = ["DicomAccessor"]

_MIDNIGHT = datetime(1970, 1, 1)


@pd.api.extensions.register_dataframe_accessor("dicom")
class DicomAccessor:
    """``df.dicom`` of a table whose columns are DICOM keywords.

    What needs the archive finds it by what the table carries in ``attrs``, as long as the
    archive is alive in this process; ``attrs`` gets lost in some of pandas' operations, and
    then ``archive=`` says which one is meant.

    Raises:
        AttributeError: the table has no column that is a DICOM keyword or tag.

    Example:
        >>> archive.series(Modality="CT").dicom.describe()
    """

    def __init__(self, table: pd.DataFrame) -> None:
        names = [*table.columns, *(name for name in table.index.names if name is not None)]
        if not any(map(_is_attribute, names)):
            shown = ", ".join(map(repr, names[:5])) + (", …" if len(names) > 5 else "")
            raise AttributeError(
                "df.dicom is for tables of DICOM, as archive.studies() and the like return "
                f"them: none of the columns ({shown or 'there are none'}) is a DICOM keyword."
            )
        self._table = table

    def __repr__(self) -> str:
        return repr(self.describe())

    def _repr_html_(self) -> str:
        return self.describe()._repr_html_()

    @property
    def archive(self) -> Archive:
        """The archive that the table came from.

        Raises:
            RefError: it is gone, or the table no longer says which it was.
        """
        return self._archive(None)

    def ref(self, i: int = 0) -> Ref:
        """What row ``i`` means, counted from 0 as by ``iloc``.

        Raises:
            RefError: the row lacks a UID.
            IndexError: there is no such row.
        """
        return one_ref(self._row(i))

    @property
    def issues(self) -> pd.DataFrame:
        """The values that were odd: ``UID``, ``Keyword``, ``Raw`` and ``Problem``.

        At most 200 are kept; ``attrs["count"]`` of what is returned counts all there were.
        """
        return issues_of(self._table)

    @property
    def private_creators(self) -> dict[str, str]:
        """Private column → who its block belongs to (PS3.5 section 7.8.1), where it is known."""
        found: dict[str, str] = json.loads(self._table.attrs.get(CREATORS_KEY) or "{}")
        return found

    def describe(self) -> Description:
        """Patients, studies, series, instances, modalities, dates, and what is missing."""
        return describe(self._table)

    def time(self, keyword: str) -> pd.Series:
        """A column of times as clock times, ``datetime.time``; None where missing.

        The column itself holds the time since midnight, so that it adds to a date.

        Raises:
            KeyError: no such column.
            TypeError: the column holds no times of a day.

        Example:
            >>> table.dicom.time("StudyTime")[0]
            datetime.time(10, 15, 0, 500000)
        """
        column = self._table[keyword]
        if column.dtype.kind not in "mM":
            raise TypeError(f"{keyword} holds no times but {column.dtype}.")
        clocks = [_clock(cell) for cell in column]
        made = pd.Series(clocks, index=column.index, dtype="object")
        made.name = column.name
        return made

    def volume(self, i: int = 0, *, archive: Archive | None = None, **how: Any) -> Volume:
        """The volume of the series in row ``i``; ``how`` as for `Archive.volume`."""
        return self._archive(archive).volume(self._row(i), **how)

    def thumbnails(
        self, *, limit: int = 24, size: int = 128, archive: Archive | None = None
    ) -> Thumbnails:
        """A small picture of each of the first rows, shown side by side in a notebook.

        Of a series the middle instance is drawn, of a study that of its largest series.

        Args:
            limit: rows at most.
            size: pixels of the longer side.

        Raises:
            RefError: a row lacks a UID, or the archive is not known.
        """
        return thumbnails(self._archive(archive), self._table, limit=limit, size=size)

    def download(
        self, folder: str | Path, *, archive: Archive | None = None, progress: Telling = None
    ) -> pd.DataFrame:
        """Write every instance of every row to ``folder``; see `Archive.download`."""
        return self._archive(archive).download(self._table, folder, progress=progress)

    def _row(self, i: int) -> pd.DataFrame:
        if not -len(self._table) <= i < len(self._table):
            raise IndexError(f"There is no row {i}: the table has {len(self._table)}.")
        return self._table.iloc[[i]]

    def _archive(self, given: Archive | None) -> Archive:
        if given is not None:
            return given
        connection = self._table.attrs.get("connection")
        found = live_archive(connection) if isinstance(connection, str) else None
        if isinstance(found, Archive):
            return found
        why = (
            "The archive that this table came from is gone"
            if connection
            else "This table does not say which archive it came from (attrs get lost in some of "
            "pandas' operations)"
        )
        raise RefError(f"{why}: give it as archive=, or ask the archive itself.")


def _is_attribute(name: object) -> bool:
    if not isinstance(name, str):
        return False
    try:
        attribute(name.partition(".")[0])
    except BadQuery:
        return False
    return True


def _clock(cell: pd.Timestamp | pd.Timedelta) -> time | None:
    if pd.isna(cell):
        return None
    at = _MIDNIGHT + cell.to_pytimedelta() if isinstance(cell, pd.Timedelta) else cell
    return at.time()
