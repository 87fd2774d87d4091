"""The part of an archive that searches: tables of studies, series, instances, attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dicomnb.archive.connected import Connected
from dicomnb.errors import BadQuery
from dicomnb.query import build
from dicomnb.tables import Shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pandas as pd

    from dicomnb.pool import Cancel
    from dicomnb.refs import Level
    from dicomnb.transfer.events import Telling

__all__ = ["Searching"]


class Searching(Connected):
    """Searches and attributes as DataFrames."""

    def studies(
        self,
        where: Any = None,
        *,
        limit: int | None = None,
        offset: int = 0,
        fields: Iterable[Any] | str | None = None,
        fuzzy: bool = False,
        matching: Mapping[Any, Any] | None = None,
        flatten: bool | str | Iterable[str] = False,
        progress: Telling = None,
        cancel: Cancel | None = None,
        **filters: Any,
    ) -> pd.DataFrame:
        """Search for studies (PS3.18 section 10.6).

        Args:
            where: studies to look among, as refs; None for all.
            limit: rows at most, counted after filtering; None for all there are.
            offset: rows to pass over first.
            fields: keywords to bring besides the level's own columns, or ``"all"``; parts of
                names (``"PatientName.Family"``, ``.Given``, ``.Ideographic``, …), the raw text
                of anything (``"StudyDate.Raw"``), and paths into sequences
                (``"RequestAttributesSequence.ScheduledProcedureStepID"``).
            fuzzy: match names by the beginning of any of their words.
            matching: more filters, whose names are no Python names: tags (``"00100010"``,
                ``(0x0010, 0x0010)``, pydicom's ``Tag``) and paths into a sequence
                (``"ProcedureCodeSequence.CodeValue"``).
            flatten: True, or the sequences that become columns of their own, named by path:
                of their attributes' types, or tuples where a row has several items.
            progress: True for a bar, or a function that is told a `Progress`.
            cancel: a `Cancel` that another thread may set.
            **filters: keyword = value. A list means any of its values, a pair of
                dates a range (None leaves it open), ``*`` and ``?`` stand for other characters.
                Whether upper and lower case of a name differ is left to the server (PS3.4
                section C.2.2.2.1): for most they do not; for Google they may in a whole name,
                which ``"zhang^sally*"`` finds in either.

        Returns:
            One row a study; columns are keywords, typed by their VR, the same for no rows.

        Raises:
            BadQuery: an unknown keyword or a value of the wrong kind; nothing was sent.
            Cancelled: ``cancel`` was set.

        Example:
            >>> archive.studies(PatientName="Zhang*", StudyDate=("2023-01-01", None))
            >>> archive.series(matching={"RequestAttributesSequence.RequestedProcedureID": "P1"})
        """
        query = build(
            "study",
            _both(filters, matching),
            fields=fields,
            fuzzy=fuzzy,
            limit=limit,
            offset=offset,
        )
        return self._listing.table(query, where, progress, Shape.of(fields, flatten), cancel)

    def series(
        self,
        where: Any = None,
        *,
        limit: int | None = None,
        offset: int = 0,
        fields: Iterable[Any] | str | None = None,
        fuzzy: bool = False,
        matching: Mapping[Any, Any] | None = None,
        flatten: bool | str | Iterable[str] = False,
        progress: Telling = None,
        cancel: Cancel | None = None,
        **filters: Any,
    ) -> pd.DataFrame:
        """Search for series, of ``where`` (studies) or of the whole archive; see `studies`.

        Example:
            >>> archive.series(studies, Modality=["CT", "MR"])
        """
        query = build(
            "series",
            _both(filters, matching),
            fields=fields,
            fuzzy=fuzzy,
            limit=limit,
            offset=offset,
        )
        return self._listing.table(query, where, progress, Shape.of(fields, flatten), cancel)

    def instances(
        self,
        where: Any = None,
        *,
        limit: int | None = None,
        offset: int = 0,
        fields: Iterable[Any] | str | None = None,
        fuzzy: bool = False,
        matching: Mapping[Any, Any] | None = None,
        flatten: bool | str | Iterable[str] = False,
        progress: Telling = None,
        cancel: Cancel | None = None,
        **filters: Any,
    ) -> pd.DataFrame:
        """Search for instances, of ``where`` (studies or series) or of all; see `studies`.

        Example:
            >>> archive.instances(series.iloc[0])
        """
        query = build(
            "instance",
            _both(filters, matching),
            fields=fields,
            fuzzy=fuzzy,
            limit=limit,
            offset=offset,
        )
        return self._listing.table(query, where, progress, Shape.of(fields, flatten), cancel)

    def pages(
        self,
        level: Level,
        where: Any = None,
        *,
        limit: int | None = None,
        offset: int = 0,
        fields: Iterable[Any] | str | None = None,
        fuzzy: bool = False,
        matching: Mapping[Any, Any] | None = None,
        flatten: bool | str | Iterable[str] = False,
        **filters: Any,
    ) -> Iterator[pd.DataFrame]:
        """The same search page by page, in bounded memory: for what does not fit a table."""
        query = build(
            level,
            _both(filters, matching),
            fields=fields,
            fuzzy=fuzzy,
            limit=limit,
            offset=offset,
        )
        return self._listing.tables(query, where, Shape.of(fields, flatten))

    def explain(
        self,
        level: Level,
        where: Any = None,
        *,
        limit: int | None = None,
        offset: int = 0,
        fields: Iterable[Any] | str | None = None,
        fuzzy: bool = False,
        matching: Mapping[Any, Any] | None = None,
        **filters: Any,
    ) -> pd.DataFrame:
        """The requests that a search would make, without making them.

        Returns:
            One row a request: ``Path``, ``Parameters``, and in ``CheckedHere`` the filters
            that the source cannot match and that its rows are checked by afterwards.
        """
        query = build(
            level,
            _both(filters, matching),
            fields=fields,
            fuzzy=fuzzy,
            limit=limit,
            offset=offset,
        )
        return self._listing.requests(query, where)

    def metadata(
        self,
        ref: Any,
        *,
        fields: Iterable[str] | str | None = None,
        frames: bool = False,
        flatten: bool | str | Iterable[str] = False,
        progress: Telling = None,
    ) -> pd.DataFrame:
        """The attributes of every instance in ``ref``, without pixels (PS3.18 section 10.4.1.1.2).

        Args:
            fields: keywords for columns, as for `studies`; None takes every attribute that
                occurs.
            frames: one row a frame, with its ``FrameNumber`` from 1: the attributes of the
                shared and of the frame's own functional groups stand in the row itself
                (PS3.3 section C.7.6.16).
            flatten: as for `studies`.

        Returns:
            One row an instance, or a frame, in the order of the source; bulk data stands as
            its BulkDataURI.

        Raises:
            NotFound: there is no such study, series or instance.

        Example:
            >>> archive.metadata(scan, fields=["ImagePositionPatient"], frames=True)
        """
        shape = Shape.of("all" if fields is None else fields, flatten)
        return self._listing.metadata(ref, shape, progress, frames=frames)


def _both(filters: Mapping[str, Any], matching: Mapping[Any, Any] | None) -> Mapping[Any, Any]:
    """Filters of both kinds; one that stands in both has two meanings."""
    again = [name for name in matching or () if name in filters]
    if again:
        raise BadQuery(f"{again[0]} is given twice: as a filter of its own and in matching=.")
    return {**filters, **(matching or {})}
