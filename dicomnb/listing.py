"""Searches and metadata of a source as DataFrames."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from dicomnb.attributes import attribute
from dicomnb.errors import warn
from dicomnb.pool import closed_after, side_by_side
from dicomnb.refs import refs_of
from dicomnb.search import Steps, described, pages, parents_of, steps
from dicomnb.tables import Shape, TableBuilder, columns_for, frame_rows, identity_columns
from dicomnb.transfer.events import Progress, Tell, Telling, telling

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dicomnb.pool import Cancel
    from dicomnb.query import Query
    from dicomnb.refs import Ref
    from dicomnb.source import Page, Source

__all__ = ["Listing"]


class Listing:
    """What a source lists, as tables.

    Args:
        source: where to look.
        workers: requests side by side.

    Attributes:
        connection: what tables carry in ``attrs["connection"]``: the same for all tables of
            one archive.
    """

    def __init__(self, source: Source, *, workers: int) -> None:
        self._source = source
        self._workers = workers
        self.connection = uuid.uuid4().hex[:8]

    def table(
        self,
        query: Query,
        where: Any,
        progress: Telling,
        shape: Shape | None = None,
        cancel: Cancel | None = None,
    ) -> pd.DataFrame:
        """All rows of a search, within the refs of ``where`` if there are any."""
        steps = self._steps(query, where)
        with telling(progress, f"search {query.level}", unit="row") as tell:
            found = self._pages(query, steps, cancel)
            return self._filled(query, found, tell, shape or _shape(query))

    def tables(
        self, query: Query, where: Any, shape: Shape | None = None
    ) -> Iterator[pd.DataFrame]:
        """The same rows, one table a page."""
        return self._tables(query, self._steps(query, where), shape or _shape(query))

    def requests(self, query: Query, where: Any) -> pd.DataFrame:
        """The requests that a search would make."""
        return described(self._steps(query, where))

    def metadata(
        self, ref: Any, shape: Shape, progress: Telling, *, frames: bool = False
    ) -> pd.DataFrame:
        """The attributes of every instance in ``ref``, or of every frame of theirs."""
        names = None
        if not shape.everything:
            names = columns_for("instance", extra=shape.names)
        elif shape.names:
            names = (*identity_columns("instance"), *shape.names)
        builder = TableBuilder(
            names, level="instance", others=shape.everything, flatten=shape.flatten
        )
        numbers: list[int] = []
        cut: dict[str, None] = {}
        with telling(progress, "metadata") as tell:
            asked = refs_of(ref, base=self._source.address)
            with closed_after(self._metadata(asked)) as found:
                for page in found:
                    rows, frame_numbers = frame_rows(page.rows) if frames else (page.rows, [])
                    count = builder.add(rows)
                    numbers += frame_numbers or [1] * count
                    cut.update({} if page.complete else dict.fromkeys(page.notes or ("",)))
                    tell(Progress(len(numbers)))
        if cut:
            warn(_cut(len(numbers), cut))
        table = builder.finish(complete=not cut)
        if frames:
            table = _with_frame_numbers(table, numbers)
        table.attrs.update(connection=self.connection)
        return table

    def _metadata(self, refs: Sequence[Ref]) -> Iterator[Page]:
        """Pages in the order of ``refs``; several are asked side by side."""
        if len(refs) == 1:
            yield from self._source.metadata(refs[0])
            return

        def ask(ref: Ref, cancel: Cancel) -> list[Page]:
            return list(self._source.metadata(ref, cancel=cancel))

        for found in side_by_side(ask, refs, workers=self._workers):
            yield from found

    def _tables(self, query: Query, steps: Steps, shape: Shape) -> Iterator[pd.DataFrame]:
        with telling(None, "") as silent, closed_after(self._pages(query, steps)) as found:
            for page in found:
                yield self._filled(query, [page], silent, shape)

    def _steps(self, query: Query, where: Any) -> Steps:
        parents = None
        if where is not None:
            parents = parents_of(query.level, refs_of(where, base=self._source.address))
        if "all" not in query.fields:
            names = (*columns_for(query.level), *query.fields)
            query = replace(query, fields=tuple(attribute(name).tag for name in names))
        return steps(query, parents, self._source.abilities())

    def _pages(self, query: Query, made: Steps, cancel: Cancel | None = None) -> Iterator[Page]:
        if "all" in query.fields and not self._source.abilities().search.all_fields:
            warn(
                "The server does not know fields='all': it brings its usual attributes. Name the "
                "ones that are wanted, or use archive.metadata."
            )
        if not made.bounded:
            warn(
                "Nothing that was asked for can be matched by the server: every row is fetched "
                "and checked here. Add a filter that it can match, such as StudyDate."
            )
        return pages(self._source, made, workers=self._workers, cancel=cancel)

    def _filled(
        self, query: Query, found: Iterable[Page], tell: Tell, shape: Shape
    ) -> pd.DataFrame:
        """A table of pages, with what the source said beside them."""
        extra = (*(one.path[0] for one in query.filters), *shape.names)
        builder = TableBuilder(
            columns_for(query.level, extra=extra),
            level=query.level,
            others=shape.everything,
            flatten=shape.flatten,
        )
        count, complete = 0, True
        notes: dict[str, None] = {}
        warnings: dict[str, None] = {}
        with closed_after(iter(found)) as arriving:
            for page in arriving:
                count += builder.add(page.rows, decoded=page.decoded)
                complete = complete and page.complete
                notes.update(dict.fromkeys(page.notes))
                warnings.update(dict.fromkeys(page.warnings))
                tell(Progress(count))
        for text in warnings:
            warn(text)
        if not complete:
            warn(_cut(count, notes))
        table = builder.finish(complete=complete)
        table.attrs.update(connection=self.connection, notes=" ".join(notes))
        return table


def _cut(count: int, notes: Iterable[str]) -> str:
    """What to warn of where a source gave fewer rows than it has."""
    return f"The answer is cut after {count} rows. {' '.join(notes)}".strip()


def _shape(query: Query) -> Shape:
    """The plain shape: the columns that the query brings."""
    return Shape.of(query.fields, flatten=False)


def _with_frame_numbers(table: pd.DataFrame, numbers: list[int]) -> pd.DataFrame:
    """The table with a column FrameNumber after its identity."""
    pieces: dict[str, pd.Series] = {}
    for name in table.columns:
        pieces[name] = table[name]
        if name == "SOPInstanceUID":
            pieces["FrameNumber"] = pd.Series(numbers, dtype="Int64")
    made = pd.DataFrame(pieces, copy=False)
    made.attrs = table.attrs
    return made
