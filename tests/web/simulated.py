"""A server of arbitrary abilities, answering from rows in memory, and a source upon it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from dicomnb.errors import BadQuery
from dicomnb.pool import Cancel
from dicomnb.query import Filter, Lesson, Query, SearchAbilities, matches
from dicomnb.query.abilities import kind_of
from dicomnb.source import Abilities, Page
from dicomnb.web import paging, searching
from dicomnb.web.result_rows import Received

STUDY, NAME, NUMBER, DATE, TEXT = "0020000D", "00100010", "00100020", "00080020", "00081030"


def study(number: int, name: str, date: str, text: str) -> dict[str, object]:
    """A row of a study; an empty date is none."""
    return {
        STUDY: {"vr": "UI", "Value": [f"1.{number}"]},
        NAME: {"vr": "PN", "Value": [{"Alphabetic": name}]},
        NUMBER: {"vr": "LO", "Value": [f"P{number % 5}"]},
        DATE: {"vr": "DA", "Value": [date]} if date else {"vr": "DA"},
        TEXT: {"vr": "LO", "Value": [text]} if text else {"vr": "LO"},
    }


@dataclass
class Simulated:
    """Answers like a server with these habits; counts what it was asked."""

    rows: list[dict[str, object]]
    refuses: frozenset[str] = frozenset()
    """Tags and kinds of values ("wildcard", "range", "list") that are 400 in a filter."""
    ignores: frozenset[str] = frozenset()
    """Tags that are ignored in a filter."""
    refuses_fields: frozenset[str] = frozenset()
    """Tags that are 400 in includefield."""
    hides: frozenset[str] = frozenset()
    """Tags that are matched but never returned."""
    default: int | None = None
    """Rows given unasked."""
    most: int | None = None
    """Rows given at most; a larger limit is cut."""
    limit_error: int | None = None
    """A larger limit is 400."""
    offsets: bool = True
    """Whether offset is heeded."""
    last_offset: int | None = None
    """A larger offset is 400."""
    any_case: bool = False
    """Whether text matches in any case."""
    undated: bool = False
    """Whether an open range finds rows without a date."""
    warns: bool = False
    """Whether a Warning tells that more is there."""
    names_culprits: bool = False
    """Whether a 400 says what was wrong."""
    asked: list[Query] = field(default_factory=list)

    def __call__(self, query: Query, cancel: Cancel | None = None) -> Received:
        self.asked.append(query)
        assert len(self.asked) < 5000, "an endless loop"
        self._refuse(query)
        rows = [row for row in self.rows if all(self._matches(row, f) for f in query.filters)]
        start = query.offset if self.offsets else 0
        size = query.limit if query.limit is not None else self.default
        sizes = [one for one in (size, self.most) if one is not None]
        end = start + min(sizes) if sizes else len(rows)
        left = max(0, len(rows) - end)
        shown = [
            {tag: element for tag, element in row.items() if tag not in self.hides}
            for row in rows[start:end]
        ]
        told = (f"There are {left} additional results that can be requested",)
        return Received(json.dumps(shown).encode(), told if self.warns and left else ())

    def _refuse(self, query: Query) -> None:
        wrong = [tag for tag in query.fields if tag in self.refuses_fields]
        for one in query.filters:
            kinds = {kind_of(value, one.vr) for value in one.values}
            kinds |= {"list"} if len(one.values) > 1 else set()
            if self.refuses & {one.path[0], *kinds}:
                wrong.append(one.path[0])
        if query.limit is not None and query.limit > (self.limit_error or 10**9):
            wrong.append("limit")
        if query.offset > (self.last_offset if self.last_offset is not None else 10**9):
            wrong.append("offset")
        if wrong:
            words = f"Not supported: {wrong[0]}" if self.names_culprits else "Bad Request"
            raise BadQuery("refused", status=400, server_words=words)

    def _matches(self, row: dict[str, object], one: Filter) -> bool:
        if one.path[0] in self.ignores:
            return True
        element = row[one.path[0]]
        assert isinstance(element, dict)
        if self.undated and one.vr == "DA" and one.values[0].startswith("-"):
            return "Value" not in element or matches(row, [one])
        if self.any_case and one.vr == "LO":
            lower = Filter(one.path, one.vr, tuple(value.lower() for value in one.values))
            values = [str(value).lower() for value in element.get("Value", [])]
            return matches({one.path[0]: {"vr": one.vr, "Value": values}}, [lower])
        return matches(row, [one])


class OnWeb:
    """A `Source` whose server is a function, and that learns like `WebSource`."""

    address = "http://h"

    def __init__(self, server: Simulated, known: SearchAbilities, *, in_flight: int = 1) -> None:
        self.server = server
        self.known = known
        self._in_flight = in_flight

    def abilities(self) -> Abilities:
        return Abilities("standard", self.known)

    def learn(self, lesson: Lesson) -> bool:
        before, self.known = self.known, self.known.after(lesson)
        return self.known != before

    def search(self, query: Query, *, cancel: Cancel | None = None) -> Iterator[Page]:
        link = paging.Link(
            self.server, lambda: self.known, self.learn, "http://h/studies", self._in_flight
        )
        return searching.pages(link, query)
