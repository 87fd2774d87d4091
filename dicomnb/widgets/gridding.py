"""Answers what the grid in a panel's front end asks: pages, order, filter, selection."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dicomnb.widgets.feeding import Feed

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

__all__ = ["Gridding"]

# A front end asks for a screenful or two; whatever asks for more gets as much.
_LARGEST_PAGE = 1000


class Gridding:
    """The kernel's side of ``static/grid.js``, for a panel to hold.

    The kernel holds the truth: what is shown, sorted and selected is the same in all views of
    the panel, and nothing of it is a synced trait. Every order of rows has a ``turn``; rows are
    meant by their place in it, and what refers to an older turn is not carried out on others.

    Args:
        send: sends a custom message with buffers: the panel's ``send``.
        name: of this grid among those of its panel; its messages begin with it.
        on_select: is given the selected rows (`Feed.selected`) when a person has changed them.
        on_open: is given the row that a person opened.

    Example:
        In a panel, with ``new Grid({ ask: …, label: "Studies" })`` in its front end::

            self._grid = Gridding(self._send, on_select=self._selected, on_open=self._drill)

            def _asked(self):
                return {"search": self._search, **self._grid.answers()}

            self._grid.show(studies, columns={"PatientName": "Patient", "StudyDate": None})
    """

    def __init__(
        self,
        send: Callable[[dict[str, Any], Sequence[bytes]], None],
        *,
        name: str = "grid",
        on_select: Callable[[pd.DataFrame], None] | None = None,
        on_open: Callable[[pd.Series], None] | None = None,
    ) -> None:
        self._send = send
        self._name = name
        self._on_select = on_select
        self._on_open = on_open
        self._lock = threading.RLock()
        self._turn = 0
        self._table = 0
        self._feed = Feed(pd.DataFrame())
        self._told: tuple[Feed, int] | None = None

    @property
    def feed(self) -> Feed:
        """The table that is shown. Whoever sorts, filters or selects in it calls `tell` then."""
        return self._feed

    def show(
        self,
        frame: pd.DataFrame,
        *,
        columns: Sequence[Hashable] | Mapping[Any, str | None] | None = None,
        keep: bool = False,
    ) -> None:
        """Show another table.

        Args:
            frame: as for `Feed`.
            columns: as for `Feed`.
            keep: order, filter and selection (by the index's labels) are those of the table
                before, as far as it has the columns: for one that grows or changes while it is
                looked at. Otherwise it begins afresh.
        """
        feed = Feed(frame, columns=columns)
        with self._lock:
            if keep:
                feed.like(self._feed)
            else:
                self._table += 1
            self._feed = feed
        self.tell()

    def answers(self) -> dict[str, Callable[[dict[str, Any], Sequence[memoryview]], None]]:
        """Who answers which message, to be merged into ``Panel._asked``."""
        return {
            f"{self._name}-facts": lambda message, buffers: self._tell(),
            f"{self._name}-rows": lambda message, buffers: self._rows(message),
            f"{self._name}-sort": lambda message, buffers: self._sort(message),
            f"{self._name}-filter": lambda message, buffers: self._filter(message),
            f"{self._name}-select": lambda message, buffers: self._select(message),
            f"{self._name}-open": lambda message, buffers: self._open(message),
        }

    def tell(self) -> None:
        """Tell all views what is shown now; they ask for the rows that they need."""
        with self._lock:
            if self._told != (self._feed, self._feed.turn):
                self._told = (self._feed, self._feed.turn)
                self._turn += 1
            self._tell()

    # -- what is asked ---------------------------------------------------------------------------

    def _tell(self, serial: object = None) -> None:
        """The facts, and who is selected: one bit a row in the order shown, the highest first.

        Args:
            serial: of the choice that this answers; the view that made it shows it already.
        """
        with self._lock:
            marks = np.packbits(self._feed.marks()).tobytes()
            told = {"turn": self._turn, "table": self._table, "serial": serial}
            self._send({"kind": f"{self._name}-facts", **told, **self._feed.facts()}, [marks])

    def _rows(self, message: dict[str, Any]) -> None:
        with self._lock:
            if not self._is_current(message):
                return
            start = max(int(message["start"]), 0)
            stop = min(int(message["stop"]), start + _LARGEST_PAGE)
            rows = self._feed.rows(start, stop)
            page = {"kind": f"{self._name}-rows", "turn": self._turn, "start": start, "rows": rows}
            self._send(page, [])

    def _sort(self, message: dict[str, Any]) -> None:
        column = message.get("column")
        with self._lock:
            self._feed.sort(
                None if column is None else int(column),
                descending=bool(message.get("descending")),
                then=bool(message.get("then")),
            )
            self.tell()

    def _filter(self, message: dict[str, Any]) -> None:
        columns = {int(one): str(text) for one, text in message.get("columns", {}).items()}
        with self._lock:
            self._feed.filter(str(message.get("words", "")), columns=columns)
            self.tell()

    def _select(self, message: dict[str, Any]) -> None:
        with self._lock:
            if not self._is_current(message):
                return
            how = message["how"]
            if how in ("all", "none-shown"):
                self._feed.select_all(how == "all")
            elif how == "none":
                self._feed.select_none()
            else:
                to = message.get("to")
                self._feed.select(int(message["at"]), to=None if to is None else int(to), how=how)
            self._tell(message.get("serial"))
            selected = self._feed.selected
        if self._on_select is not None:
            self._on_select(selected)

    def _open(self, message: dict[str, Any]) -> None:
        with self._lock:
            if not self._is_current(message):
                return
            row = self._feed.row(int(message["at"]))
        if self._on_open is not None:
            self._on_open(row)

    def _is_current(self, message: dict[str, Any]) -> bool:
        """Whether the places in a message are those of the order shown now.

        A view that does not know the present order yet has been told of it already, and asks
        again when it hears.
        """
        return message.get("turn") == self._turn
