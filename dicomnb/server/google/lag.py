"""Rows of studies and series that a search still shows for a while after their delete."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from dicomnb.pool import closed_after
from dicomnb.query import Filter, Query
from dicomnb.refs import Ref
from dicomnb.server.google.contents import count_rows

if TYPE_CHECKING:
    from dicomnb.refs import Level
    from dicomnb.source import Source

__all__ = ["Lag", "Row"]

Row = dict[str, msgspec.Raw]
_STUDY, _SERIES = "0020000D", "0020000E"
_rows = msgspec.json.Decoder(list[Row])


class _Shadow(NamedTuple):
    """What was deleted, and until when it is shown."""

    ref: Ref
    row: Row
    until: float


class Lag:
    """What was deleted from one store of late. Any thread may ask.

    Args:
        seconds: how long it is still shown; 0: not at all.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._shadows: list[_Shadow] = []

    def remember(self, source: Source, study: Ref) -> None:
        """Keep the rows of a study and its series, as something in it is about to be deleted."""
        if not self._seconds:
            return
        queries = (
            Query("study", filters=(Filter((_STUDY,), "UI", (study.study,)),), fields=("all",)),
            Query("series", within=study, fields=("all", _STUDY)),
        )
        for query in queries:
            with closed_after(source.search(query)) as pages:
                for page in pages:
                    self._keep(_rows.decode(page.rows), query.level)

    def _keep(self, rows: list[Row], level: Level) -> None:
        until = monotonic() + self._seconds
        tags = (_STUDY,) if level == "study" else (_STUDY, _SERIES)
        for row in rows:
            ref = Ref(*(msgspec.json.decode(row[tag])["Value"][0] for tag in tags))
            with self._lock:
                self._shadows = [one for one in self._shadows if one.ref != ref]
                self._shadows.append(_Shadow(ref, row, until))

    def rows(self, source: Source, level: Level, within: Ref | None) -> list[Row]:
        """Rows of a level that are there no more and still to be shown."""
        with self._lock:
            self._shadows = [one for one in self._shadows if one.until > monotonic()]
            shadows = list(self._shadows)
        return [
            one.row
            for one in shadows
            if one.ref.level == level
            and (within is None or one.ref in within)
            and not count_rows(source, "instance", one.ref)
        ]
