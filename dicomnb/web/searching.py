"""A search on a server with habits of its own: every matching row once, and nothing else.

Servers refuse filters or ignore them, ignore ``offset``, give 12 or 100 rows unasked without
telling, send a row twice, or give no more than so many rows of one search. So a refused
filter is left out and its rows checked here; rows are looked at, counted as received, and
known ones dropped; a search ends where nothing new comes; and one that is larger than a
server gives is cut in two by StudyDate. What was seen is told to the connection as a lesson.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dicomnb.errors import BadQuery
from dicomnb.query import Query, halves
from dicomnb.query.split import STUDY_DATE
from dicomnb.source import Page
from dicomnb.web.paging import Link, Run, Shared, smaller
from dicomnb.web.refusals import refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dicomnb.web.result_rows import Received

__all__ = ["pages"]

MOST_PIECES = 4096
"""Into how many pieces a search is cut by StudyDate."""
_REFUSED = frozenset({400, 422})


def pages(link: Link, query: Query) -> Iterator[Page]:
    """Ask on until all rows, or ``query.limit`` of them, are there; each row once.

    Yields:
        Pages as they come. Where a server has more than it gives, a last one is not
        ``complete`` and says why.
    """
    if query.limit == 0:
        return
    search = _Search(link, query)
    for page in search.pages():
        if page.count or page.notes or page.warnings or not page.complete:
            yield page


class _Search(Shared):
    """One search: what is agreed on first, its pages, and its pieces."""

    def pages(self) -> Iterator[Page]:
        """The pages of the whole."""
        limit, offset = self.offset_limit, self.query.offset
        if offset and (self.query.filters or (limit is not None and offset > limit)):
            # What a server passes over is not seen: it may be rows that do not match.
            self.is_loose, self.skip = True, offset
            self.query = replace(self.query, offset=0)
        sent, received, warnings = self._agreed()
        if sent.filters != self.query.filters and not self.is_loose:
            # What is passed over and counted shows only after the check here.
            self.is_loose, self.skip = True, self.query.offset
        if warnings:
            yield Page(b"[]", 0, warnings=warnings)
        yield from self.run(replace(sent, limit=None, offset=0), received)
        if self.cuts and self.left != 0:
            yield Page(b"[]", 0, complete=False, notes=tuple(self.cuts))

    def run(self, sent: Query, first: Received | None = None) -> Iterator[Page]:
        """The pages of one query; in pieces by StudyDate where the server gives too few."""
        run = Run(self, sent)
        yield from run.pages(first)
        if run.cut is None or self.left == 0:
            return
        parts = halves(sent, self.link.abilities()) if self.pieces < MOST_PIECES else None
        if parts is None:
            self.cuts[run.cut] = None
            return
        self.pieces += 2
        self.seen.window = None
        before, cuts = (self.is_loose, self.skip), self.cuts.copy()
        if not self.is_loose:
            self.is_loose, self.skip = True, self.query.offset
        for part in parts:
            yield from self.run(replace(part, fields=_with_date(part.fields)))
            if self.left == 0:
                return
            if halves(sent, self.link.abilities()) is None:
                # It showed that ranges do not help: on as far as the server goes.
                self.is_loose, self.skip = before
                self.cuts = {**cuts, run.cut: None}
                yield from run.resumed()
                return
        has_date = any(one.path == (STUDY_DATE,) for one in sent.filters)
        if not has_date and not self.link.abilities().undated_before:
            self.cuts[_UNDATED] = None

    def _agreed(self) -> tuple[Query, Received | None, tuple[str, ...]]:
        """What the server takes of the query, its first answer, and what to warn of."""
        query = self.query
        wanted = None if query.limit is None else self.skip + query.limit
        self.first_size = smaller(self.most, wanted)
        first = replace(query, limit=self.first_size)
        try:
            return query, self.link.ask(first, self.link.cancel), ()
        except BadQuery as error:
            if error.status not in _REFUSED:
                raise
            found = refusal(first, error.server_words, self._is_taken)
            if found is None:
                raise
        is_new = self.link.learn(found.lesson)
        if found.lesson.most is not None:
            self.most = found.lesson.most[1]
        warnings = (found.words,) if is_new and found.words else ()
        return found.left, None, warnings

    def _is_taken(self, query: Query) -> bool:
        try:
            self.link.ask(query, self.link.cancel)
        except BadQuery:
            return False
        return True


def _with_date(fields: tuple[str, ...]) -> tuple[str, ...]:
    return fields if "all" in fields or STUDY_DATE in fields else (*fields, STUDY_DATE)


_UNDATED = (
    "The server gives only so many rows of one search, so it is asked for them by StudyDate: "
    "what has no StudyDate may be missing."
)
