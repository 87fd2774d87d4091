"""Search results page by page, on servers that page in their own ways. Pure but for ``ask``.

Servers ignore ``offset``, give 12 or 100 rows unasked without telling, send a row twice, or
one object in place of an array. So rows are counted as received, known ones are dropped by
their UIDs, and a search ends where nothing new comes.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from dicomnb.errors import ProtocolError
from dicomnb.source import Page
from dicomnb.web.failures import beginning
from dicomnb.wire.jsontext import NO_JSON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dicomnb.query import Query, SearchAbilities

__all__ = ["Received", "pages", "rows_in"]

_MORE = "additional results"
"""What the warning of PS3.18 section 8.3.4.4 says when rows are left."""


class Received(NamedTuple):
    """One answer to a search."""

    body: bytes
    warnings: tuple[str, ...] = ()
    concealed: Callable[[str], str] = str
    """Takes out of an error what was sent in confidence."""


class _Keys(msgspec.Struct, gc=False):
    study: Any = msgspec.field(name="0020000D", default=None)
    series: Any = msgspec.field(name="0020000E", default=None)
    instance: Any = msgspec.field(name="00080018", default=None)


_KEYS = msgspec.json.Decoder(list[_Keys])
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])


class _Rows(NamedTuple):
    array: bytes
    keys: Sequence[_Keys]


def rows_in(body: bytes, *, url: str, concealed: Callable[[str], str] = str) -> tuple[bytes, int]:
    """The JSON array in a body, and its length; empty for an empty body.

    Raises:
        ProtocolError: HTML, cut JSON, or JSON of something else than DICOM.
    """
    found = _rows(body, url, concealed)
    return found.array, len(found.keys)


def _rows(body: bytes, url: str, concealed: Callable[[str], str]) -> _Rows:
    text = body.strip()
    if not text:
        return _Rows(b"[]", ())
    if text.startswith(b"{") and _is_data_set(text):
        text = b"[" + text + b"]"
    try:
        return _Rows(text, _KEYS.decode(text))
    except NO_JSON:
        lenient = _leniently(text)
    if lenient is None:
        what = "a web page" if text.startswith(b"<") else "no array of DICOM JSON, or not whole"
        raise ProtocolError(
            f"The answer to a search is {what}: {concealed(beginning(text))!r}. Is this the "
            "DICOMweb root?",
            url=url,
        )
    return lenient


def _is_data_set(text: bytes) -> bool:
    try:
        names = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except NO_JSON:
        return False
    return any(len(name) == 8 and name.isalnum() for name in names)


def _leniently(text: bytes) -> _Rows | None:
    """What Python's own reader makes of it: bare NaN, a byte-order mark, broken UTF-8."""
    try:
        data = json.loads(text.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
        return None
    array = msgspec.json.encode(data)
    return _Rows(array, _KEYS.decode(array))


def pages(
    ask: Callable[[Query], Received], query: Query, abilities: SearchAbilities, *, url: str
) -> Iterator[Page]:
    """Ask on until all rows, or ``query.limit`` of them, are there; each row once.

    Args:
        ask: sends one request with its limit and offset.
        query: what is asked for.
        abilities: page sizes, the largest offset, and whether a short page is the last.
        url: for errors.

    Yields:
        Pages as they come. Where a server has more than it gives, the last one is not
        ``complete`` and says why.
    """
    state = _State(query, abilities, url)
    while state.goes_on:
        page = state.page(ask(state.next_query))
        if page.count or page.notes or not page.complete:
            yield page


class _State:
    """How far a search has come."""

    def __init__(self, query: Query, abilities: SearchAbilities, url: str) -> None:
        self._query = query
        self._url = url
        limits = (abilities.pages or {}).get(query.level)
        self._most = limits.maximum if limits else None
        self._honest = abilities.honest_pages
        self._offset_limit = abilities.offset_limit
        self._offset = query.offset
        self._left = query.limit
        self._seen: set[Any] = set()
        self._notes: set[str] = set()
        self.goes_on = query.limit != 0

    @property
    def next_query(self) -> Query:
        """The next request: a page as large as the server gives, no larger than needed."""
        return replace(self._query, limit=self._size, offset=self._offset)

    @property
    def _size(self) -> int | None:
        sizes = [size for size in (self._most, self._left) if size is not None]
        return min(sizes) if sizes else None

    def page(self, received: Received) -> Page:
        """Take in an answer: its new rows, and whether to ask on."""
        rows = _rows(received.body, self._url, received.concealed)
        count, size = len(rows.keys), self._size
        array, new = self._new(rows)
        says_more = any(_MORE in text for text in received.warnings)
        notes = tuple(text for text in received.warnings if _MORE not in text)
        notes = tuple(text for text in notes if text not in self._notes)
        self._notes.update(notes)
        self._offset += count
        if self._left is not None:
            self._left -= new
        is_short = size is None or count < size
        if self._left == 0 or (is_short and self._honest and not says_more):
            self.goes_on = False
        elif not new:
            # The end, or a server that ignores offset.
            self.goes_on = False
            stuck = count > 0 and (says_more or size is not None)
            if stuck or says_more:
                return Page(array, new, complete=False, notes=(*notes, _stuck(received)))
        elif self._offset_limit is not None and self._offset > self._offset_limit:
            self.goes_on = False
            cap = f"The server gives no rows beyond the first {self._offset_limit:,}."
            return Page(array, new, complete=False, notes=(*notes, cap))
        return Page(array, new, notes=notes)

    def _new(self, rows: _Rows) -> tuple[bytes, int]:
        """The rows that were not there before, no more than are wanted."""
        keys = [_identity(key, self._query.level) for key in rows.keys]
        if None not in keys:
            fresh = set(keys) - self._seen
            if len(fresh) == len(keys) and (self._left is None or len(keys) <= self._left):
                self._seen |= fresh
                return rows.array, len(keys)
        kept: list[bytes] = []
        for key, raw in zip(keys, _RAWS.decode(rows.array), strict=True):
            identity = key if key is not None else bytes(raw)
            if identity not in self._seen and (self._left is None or len(kept) < self._left):
                self._seen.add(identity)
                kept.append(bytes(raw))
        return b"[" + b",".join(kept) + b"]", len(kept)


def _identity(key: _Keys, level: str) -> tuple[str | None, ...] | None:
    """The UIDs that tell a row from others, or None when it lacks its own."""
    own = _uid(getattr(key, level))
    if own is None:
        return None
    return own, _uid(key.study), _uid(key.series) if level == "instance" else None


def _uid(element: Any) -> str | None:
    values = element.get("Value") if isinstance(element, dict) else None
    value = values[0] if isinstance(values, list) and values else values
    return value if isinstance(value, str) and value else None


def _stuck(received: Received) -> str:
    said = next((text for text in received.warnings if _MORE in text), "")
    return "The server gives the same rows again instead of further ones." + (
        f" It says: {said}" if said else ""
    )
