"""Rows of DICOM JSON, decoded once for all who look at them, and while the rest arrives."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from dicomnb.tables.collector import collector_paused
from dicomnb.tables.decode import decode_known, has_lower_case_tags, joined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dicomnb.tables.columns import Column
    from dicomnb.tables.decode import Page

__all__ = ["ArrivingRows", "Decoded"]

_PIECE = 1 << 20
"""How much is decoded at once: what a processor's cache holds, and many rows."""
_MOST = 8
"""Pieces that may come without a place to cut before it is given up: the text is searched anew for
each, and held beside the answer."""
_OPENING = re.compile(rb'\s*\[\s*(\{\s*"[0-9A-F]{8}")')


class Decoded(NamedTuple):
    """Columns of a page of rows.

    Attributes:
        rows: the very object that was decoded: whoever makes other rows of it leaves this
            behind without having to say so.
        page: what was found.
    """

    rows: bytes
    page: Page

    def of(self, rows: bytes) -> Page | None:
        """The columns, if it is these rows that they are of."""
        return self.page if rows is self.rows else None


class ArrivingRows:
    """Decodes the rows of an array as `dicomnb.tables.decode.decode_known`, while it arrives.

    The array is cut before a row. Where that is shows by the way its first row begins, and is
    proven by the cut: only there the text before it, closed by a bracket, is an array.

    Args:
        columns: those that are wanted.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = tuple(columns)
        self._text = bytearray()
        self._enough = _PIECE
        self._opening: bytes | None = None
        self._pages: list[Page] | None = []

    def feed(self, piece: bytes | memoryview) -> None:
        """Take in the next bytes of the array."""
        if self._pages is None:
            return
        self._text += piece
        if len(self._text) < self._enough:
            return
        self._enough = len(self._text) + _PIECE
        if self._opening is None:
            begins = _OPENING.match(self._text)
            if begins is None:
                self._give_up()
                return
            self._opening = begins[1]
        cut = self._text.rfind(self._opening)
        comma = self._text.rfind(b",", 0, cut)
        if comma >= 0 and not self._text[comma + 1 : cut].strip():
            rows, self._text = self._text, bytearray(b"[") + self._text[cut:]
            rows[comma:] = b"]"
            self._enough = _PIECE
            self._decode(rows)
        elif len(self._text) > _MOST * _PIECE:
            self._give_up()

    def decoded(self, rows: bytes) -> Decoded | None:
        """The columns of the whole array, once it was fed; see `Decoded`.

        Args:
            rows: the same bytes as an object.

        Returns:
            None where some row is not as `decode_known` has them.
        """
        page = self._whole()
        return None if page is None else Decoded(rows, page)

    def _whole(self) -> Page | None:
        if self._pages is not None:
            self._decode(self._text)
        self._text.clear()
        return joined(self._pages) if self._pages else None

    def _decode(self, rows: bytes | bytearray) -> None:
        if not self._pages and has_lower_case_tags(rows):
            self._give_up()
            return
        with collector_paused():
            page = decode_known(rows, self._columns)
        if page is None or self._pages is None:
            self._give_up()
        else:
            self._pages.append(page)

    def _give_up(self) -> None:
        self._pages = None
        self._text.clear()
