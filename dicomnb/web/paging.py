"""The pages of one query, on servers that page in their own ways.

Rows are counted as received, known ones are dropped by their UIDs, and a query ends where
nothing new comes. Several pages are in flight while they come as large as expected; one that
is shorter makes the others useless, and they are asked for again from where it ended.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from dicomnb.errors import BadQuery, DicomnbError, NotFound
from dicomnb.pool import closed_after, side_by_side
from dicomnb.query import Lesson, Query, forms, halves
from dicomnb.source import Page
from dicomnb.web.result_rows import MORE, Received, identities, one_by_one, read_rows
from dicomnb.web.watching import Watch, impossible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dicomnb.pool import Cancel
    from dicomnb.query import Filter, SearchAbilities
    from dicomnb.web.result_rows import Rows

__all__ = ["PAGES_IN_FLIGHT", "Link", "Run", "Shared", "smaller"]

ROWS_A_PAGE = 5000
"""How many rows are asked for at once of a server that gives more: several pages are in
flight, and each is held whole."""
PAGES_IN_FLIGHT = 8
"""How many pages are asked for at once, once one came that is as large as the server makes them:
so many less one, at most, are asked for in vain beyond the end."""
ROWS_IN_FLIGHT = 4 * ROWS_A_PAGE
"""How many rows are asked for before those that came are taken in: they are held in memory, and
some servers make large pages one after the other anyway."""
MANY_ROWS = 100
"""From how many on two pages of one length are taken for the server's own size of a page, and one
whose length is a multiple of it: hardly any whole answer is."""
_WINDOW = 8
"""Among how many of the last pages a row is looked for, on a server that pages honestly."""


@dataclass(frozen=True)
class Link:
    """What a search needs of the connection."""

    ask: Callable[[Query, Cancel | None], Received]
    """Sends one request with its limit and offset."""
    abilities: Callable[[], SearchAbilities]
    """What is known of the server by now."""
    learn: Callable[[Lesson], bool]
    """Keeps a lesson; whether it was new."""
    url: str
    """For errors."""
    in_flight: int = PAGES_IN_FLIGHT
    cancel: Cancel | None = None


@dataclass
class _Seen:
    """Which rows came. All of them, or of the last pages only."""

    window: int | None
    pages: deque[set[int]] = field(default_factory=deque)

    def __contains__(self, one: int) -> bool:
        return any(one in page for page in self.pages)

    def without(self, keys: set[int]) -> set[int]:
        """Those that did not come."""
        return keys.difference(*self.pages)

    def add(self, keys: set[int]) -> None:
        """Remember a page."""
        if self.window is None and self.pages:
            self.pages[0] |= keys
        else:
            self.pages.append(keys)
        while self.window is not None and len(self.pages) > self.window:
            self.pages.popleft()


class Shared:
    """What all requests of one search share."""

    def __init__(self, link: Link, query: Query) -> None:
        self.link = link
        self.query = query
        abilities = link.abilities()
        limits = (abilities.pages or {}).get(query.level)
        self.most = limits.maximum if limits else None
        if self.most is not None:
            self.most = min(self.most, ROWS_A_PAGE)
        self.honest = abilities.honest_pages
        self.offset_limit = abilities.offset_limit
        self.seen = _Seen(_WINDOW if self.honest else None)
        self.skip = 0
        self.left = query.limit
        self.first_size: int | None = None
        """How many rows the first request asked for, or None where that was left to the server."""
        self.is_loose = False
        """Whether the server's own count of rows means nothing, so that they are counted here."""
        self.notes: set[str] = set()
        self.cuts: dict[str, None] = {}
        self.pieces = 0


class _Asked(NamedTuple):
    query: Query
    received: Received | DicomnbError


class Run:
    """The pages of one query.

    Attributes:
        cut: why the server gives no further rows though there are some, or None.
    """

    def __init__(self, search: Shared, sent: Query) -> None:
        self._search = search
        self._sent = sent
        self._watch = Watch(replace(sent, filters=search.query.filters))
        of_piece = tuple(one for one in sent.filters if one not in search.query.filters)
        self._of_piece = Watch(replace(sent, filters=of_piece))
        self._begin = 0 if search.is_loose else search.query.offset
        self._offset = self._begin
        self._came = _Seen(search.seen.window) if of_piece else search.seen
        self._goes_on = True
        self._ahead = 1
        self._last = 0
        self._is_probed = False
        self._is_looked_for = False
        self.cut: str | None = None

    def pages(self, first: Received | None) -> Iterator[Page]:
        """Ask on, several pages in flight while they come as expected."""
        if first is not None:
            yield self._page(first, self._search.first_size)
        while self._goes_on and self._search.left != 0:
            with closed_after(self._answers_ahead()) as answers:
                for asked in answers:
                    if asked.query.offset != self._offset:
                        break  # a page came shorter than the others were asked for
                    if isinstance(asked.received, DicomnbError):
                        self._fail(asked.received, asked.query.limit)
                        break
                    yield self._page(asked.received, asked.query.limit)
                    if not self._goes_on:
                        break  # before more is asked for

    def resumed(self) -> Iterator[Page]:
        """Further pages, after it was stopped for rows that lie beyond the last of them."""
        self._goes_on = self._offset <= (self._search.offset_limit or 0)
        return self.pages(None)

    def _answers_ahead(self) -> Iterator[_Asked]:
        """Answers in the order of their rows, as many under way as ``_ahead`` says by then."""
        queries, cancel = self._queries(), self._search.link.cancel
        if self._ahead == 1:
            return iter([self._ask(next(queries), cancel)])
        workers = self._search.link.in_flight
        return side_by_side(
            self._ask, queries, workers=workers, cancel=cancel, window=lambda: self._ahead
        )

    def _ask(self, query: Query, cancel: Cancel | None) -> _Asked:
        """One request; its error waits until it is known whether the page is wanted."""
        try:
            return _Asked(query, self._search.link.ask(query, cancel))
        except DicomnbError as error:
            return _Asked(query, error)

    def _wanted(self, ahead: int) -> int | None:
        """Rows to ask for at once, ``ahead`` of those that came: as many as the server gives, no
        more than are wanted; None leaves it to the server."""
        search = self._search
        if search.is_loose or search.left is None:
            return search.most
        return smaller(search.most, max(1, search.left - ahead))

    def _queries(self) -> Iterator[Query]:
        """The queries of the pages that follow, if they come as large as expected."""
        search, offset = self._search, self._offset
        step = self._wanted(0) or self._last
        while True:
            yield replace(self._sent, limit=self._wanted(offset - self._offset), offset=offset)
            offset += step
            left = None if search.is_loose else search.left
            if not step or (left is not None and offset - self._offset >= left):
                return
            if search.offset_limit is not None and offset > search.offset_limit:
                return

    def _page(self, received: Received, size: int | None) -> Page:
        """Take in an answer to a query for ``size`` rows: what is new and matches, and whether
        to ask on."""
        search = self._search
        rows = read_rows(received.body, search.link.url, received.concealed, received.decoded)
        count = rows.count
        says_more = any(MORE in text for text in received.warnings)
        notes = tuple(
            text for text in received.warnings if MORE not in text and text not in search.notes
        )
        search.notes.update(notes)
        array, fresh, new = self._new(rows)
        looked, kept, warnings = self._looked(array, len(fresh))
        is_checked = kept < len(fresh)
        if not self._is_a_piece(rows.array):
            self._goes_on = False
        is_first = self._offset == self._begin
        if is_checked and not search.is_loose:
            search.is_loose = True
            if self._begin and is_first:
                search.skip, self._begin, self._offset = self._begin, 0, 0
                search.seen.pages.clear()
                return Page(b"[]", 0, notes=notes, warnings=warnings)
            if self._begin:
                self.cut = "Rows that were passed over may not have matched: others are missing."
        self._offset += count
        array, kept = self._counted(looked, kept)
        is_short = size is None or count < size
        if search.left == 0 or (is_short and search.honest and not says_more):
            self._goes_on = False
        elif not new:
            # The end, or a server that ignores offset.
            self._goes_on = False
            self._looked(rows.array, count)  # for what it shows of the server
            if says_more or (count > 0 and size is not None):
                self.cut = _stuck(received)
        else:
            is_large = size is not None or count >= MANY_ROWS
            is_full = is_large and new == count == (size or self._last or _rounded(count))
            most = min(search.link.in_flight, max(1, ROWS_IN_FLIGHT // count))
            self._ahead = most if is_full else 1
            self._look_at_cap(is_short=is_short)
        self._last = count
        return Page(array, kept, notes=notes, warnings=warnings, decoded=rows.decoded)

    def _look_at_cap(self, *, is_short: bool) -> None:
        """Stop where the server's offsets end, or before, if rows lie beyond."""
        limit, left = self._search.offset_limit, self._search.left
        if limit is None:
            return
        beyond = f"The server gives no rows beyond the first {limit:,}."
        if self._offset > limit:
            self._goes_on, self.cut = False, beyond
        elif not self._is_probed and not is_short:
            self._is_probed = True
            is_far = left is None or self._search.is_loose or self._offset + left > limit
            can_cut = halves(self._sent, self._search.link.abilities()) is not None
            if is_far and can_cut and self._answers(replace(self._sent, limit=1, offset=limit)):
                self._goes_on, self.cut = False, beyond

    def _answers(self, query: Query) -> bool:
        """Whether a query has any rows; one that the server refuses has none."""
        search = self._search
        try:
            received = search.link.ask(query, search.link.cancel)
        except (BadQuery, NotFound):
            return False
        return read_rows(received.body, search.link.url, received.concealed).count > 0

    def _fail(self, error: DicomnbError, size: int | None) -> None:
        """A refused offset is the end of what the server gives; all else is an error."""
        if self._offset == self._begin or not isinstance(error, BadQuery | NotFound):
            raise error
        self._goes_on = False
        if size is not None:
            self.cut = f"The server takes no offset of {self._offset:,}."

    def _new(self, rows: Rows) -> tuple[bytes, set[int], int]:
        """The rows that were not handed on before, what tells them from others, and how many
        rows this query had not brought before."""
        seen, before = self._search.seen, self._came
        keys = identities(rows, self._search.query.level)
        if None not in keys:
            fresh = seen.without({key for key in keys if key is not None})
            if len(fresh) == len(keys):
                seen.add(set(fresh))
                if before is not seen:
                    before.add(set(fresh))
                return rows.array, fresh, len(fresh)
        kept: list[bytes] = []
        fresh = set()
        came: set[int] = set()
        for key, raw in zip(keys, one_by_one(rows.array), strict=True):
            identity = key if key is not None else hash(raw)
            if identity not in came and identity not in seen:
                fresh.add(identity)
                kept.append(raw)
            came.add(identity)
        new = sum(identity not in before for identity in came)
        seen.add(set(fresh))
        if before is not seen:
            before.add(came)
        return b"[" + b",".join(kept) + b"]", fresh, new

    def _looked(self, array: bytes, count: int) -> tuple[bytes, int, tuple[str, ...]]:
        """The rows that match, and what to warn of."""
        link, level = self._search.link, self._sent.level
        if count and not self._is_looked_for:
            self._is_looked_for = True
            self._look_for_absent(array)
        known = link.abilities().honoured
        honoured = frozenset(tag for at, tag in known if at == level)
        look = self._watch.look(array, count, honoured=honoured)
        sent = self._sent.filters
        loose = frozenset(form for one in look.loose if one in sent for form in forms(one, level))
        link.learn(Lesson(loose=loose))
        warnings = tuple(
            f"The server ignores the filter {one.name}: its rows are checked here instead."
            for one in look.ignored
            if one in sent and link.learn(Lesson(ignored=forms(one, level)))
        )
        return look.rows, look.count, warnings

    def _is_a_piece(self, array: bytes) -> bool:
        """Whether rows are of the dates that were asked for, where it was one piece of all.

        They match what the user asked in any case; a server without ranges brings all again.
        """
        level = self._sent.level
        for one in self._of_piece.filters:
            hidden = self._of_piece.absent(array) and not self._is_heeded(one)
            if hidden or self._of_piece.has_others(array):
                self._search.link.learn(Lesson(ignored=forms(one, level)))
                return False
        return True

    def _look_for_absent(self, array: bytes) -> None:
        """Find out of filters whose attribute no row has whether the server heeds them."""
        link, level = self._search.link, self._sent.level
        for one in self._watch.absent(array):
            if (level, one.path[0]) not in link.abilities().honoured and self._is_heeded(one):
                link.learn(Lesson(honoured=frozenset({(level, one.path[0])})))

    def _is_heeded(self, one: Filter) -> bool:
        """Whether the server heeds a filter that its rows do not show: a value that nothing
        has must find nothing."""
        nothing = impossible(one)
        if one not in self._sent.filters or nothing is None:
            return one in self._sent.filters  # what cannot be tried is believed
        return not self._answers(replace(self._sent, filters=(nothing,), limit=1, offset=0))

    def _counted(self, array: bytes, count: int) -> tuple[bytes, int]:
        """The rows without those to pass over, and no more than are wanted."""
        search = self._search
        start = min(search.skip, count)
        stop = count if search.left is None else min(count, start + search.left)
        search.skip -= start
        if search.left is not None:
            search.left -= stop - start
        if (start, stop) == (0, count):
            return array, count
        return b"[" + b",".join(one_by_one(array)[start:stop]) + b"]", stop - start


def _rounded(count: int) -> int:
    """A number of rows as a server's size of a page may be."""
    return count // MANY_ROWS * MANY_ROWS


def smaller(*sizes: int | None) -> int | None:
    """The smallest of the sizes that are known."""
    known = [size for size in sizes if size is not None]
    return min(known) if known else None


def _stuck(received: Received) -> str:
    said = next((text for text in received.warnings if MORE in text), "")
    return "The server gives the same rows again instead of further ones." + (
        f" It says: {said}" if said else ""
    )
