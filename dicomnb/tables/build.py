"""Pages of DICOM JSON → one typed DataFrame, filled column by column, page by page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pandas as pd

from dicomnb.attributes import attribute
from dicomnb.errors import warn
from dicomnb.tables.arrays import column_array, join_arrays, plain_cells
from dicomnb.tables.cells import Notes, column_of, read_cell
from dicomnb.tables.collector import collector_paused
from dicomnb.tables.columns import IDENTITY, Column, identity_columns
from dicomnb.tables.decode import Page, Plain, decode_page, joined
from dicomnb.tables.flatten import flattened, is_path, with_paths
from dicomnb.tables.oddities import ATTRS_KEY, Oddities
from dicomnb.tables.parts import Part, part_cells, part_named, parts_beside

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from dicomnb.tables.arriving import Decoded

__all__ = ["CREATORS_KEY", "TableBuilder"]

#: Where ``df.attrs`` holds the creators of private columns, as one JSON object.
CREATORS_KEY = "private_creators"

_TOGETHER = 8000
"""Rows of which arrays are made at once: each array costs as much as hundreds of its cells."""


class TableBuilder:
    """Collects pages of DICOM JSON and makes one DataFrame of them.

    Only typed columns are kept of a page, so that memory holds a page, or several small ones, and
    the table. Not for use by several threads at once.

    Args:
        columns: keywords or tags, in order, parts of them (``"PatientName.Family"``, see
            `Part`) and paths into sequences (see `flattened`); None for the identity columns
            of the level and every attribute that occurs, by tag.
        level: ``"study"``, ``"series"`` or ``"instance"``: what a row is.
        others: whether attributes that occur beside ``columns`` become columns too, after
            them, by tag.
        flatten: True, or the sequences that stand as columns of their own; see `flattened`.
        attrs: for ``df.attrs``: small text and numbers only, such as the connection's id and
            the query without secrets.

    Raises:
        BadQuery: an unknown keyword.
        ValueError: no such level.
        TypeError: ``attrs`` with anything but text, numbers and booleans: it would break
            ``concat``, ``merge`` and Parquet.

    Example:
        >>> builder = TableBuilder(columns_for("study"), level="study")
        >>> builder.add(b'[{"0020000D": {"vr": "UI", "Value": ["1.2.3"]}}]')
        1
        >>> builder.finish().StudyInstanceUID[0]
        '1.2.3'
    """

    def __init__(
        self,
        columns: Sequence[str] | None,
        *,
        level: str,
        others: bool = False,
        flatten: bool | Iterable[str] = False,
        attrs: Mapping[str, str | int | float | bool] | None = None,
    ) -> None:
        identity = identity_columns(level)
        names = identity if columns is None else tuple(columns)
        self._wanted = _wanted(names)
        wanted = [one for several in self._wanted.values() for one in several]
        paths = [Column(attribute(path.partition(".")[0])) for path in self._paths()]
        self._columns = tuple(dict.fromkeys((*wanted, *paths)))
        sources = tuple(dict.fromkeys(Column(one.attribute) for one in self._columns))
        creators = tuple(one for one in map(_creator_column, sources) if one is not None)
        self._decoded = tuple(dict.fromkeys((*sources, *creators)))
        self._hidden = {one.name for one in self._decoded if one not in wanted}
        self._flatten = flatten if isinstance(flatten, bool) else tuple(flatten)
        self._others = column_of if others or columns is None else None
        if self._others is not None:
            self._hidden = set()
        self._below = {attribute(name).tag for name in IDENTITY if name not in identity}
        self._attrs: dict[Hashable, Any] = {"level": level}
        self._attrs.update(attrs or {})
        for key, value in self._attrs.items():
            if not isinstance(value, (str, int, float, bool)):
                raise TypeError(f"attrs[{key!r}] must be text or a number, not {value!r}.")
        self._arrays: dict[Column, list[tuple[int, Any]]] = {c: [] for c in self._columns}
        self._creators: dict[str, dict[str, None]] = {}
        self._counts: list[int] = []
        self._waiting: list[Page] = []
        self._rows_waiting = 0
        self._waiting_parents: Mapping[str, str] = {}
        self._oddities = Oddities()

    @property
    def rows(self) -> int:
        """Rows so far."""
        return sum(self._counts) + self._rows_waiting

    def add(
        self,
        page: bytes,
        *,
        parents: Mapping[str, str] | None = None,
        decoded: Decoded | None = None,
    ) -> int:
        """Take in one page.

        Args:
            page: a DICOM JSON array as it came, or a single data set; empty bytes are a page
                of no rows (an answer 204).
            parents: keyword → text for cells that the page leaves empty, such as the UIDs of
                the study and series that were asked: some servers leave them out of rows.
            decoded: columns of ``page``, where they were decoded before.

        Returns:
            Rows received.

        Raises:
            ProtocolError: not DICOM JSON at all. What was added before is kept.
        """
        given = {attribute(name).tag: text for name, text in (parents or {}).items()}
        before = None if decoded is None or self._others is not None else decoded.of(page)
        if before is not None and before.columns.keys() >= set(self._decoded):
            wanted = {one: before.columns[one] for one in self._decoded}
            return self._take_later(before._replace(columns=wanted), given)
        self._take_waiting()
        with collector_paused():
            # What was decoded dies inside, so that the collector has nothing to walk after.
            return self._take(decode_page(page, self._decoded, others=self._others), given)

    def finish(self, *, complete: bool = True) -> pd.DataFrame:
        """The table; may be called once, after the last page.

        Args:
            complete: whether all there is was asked for and came; goes to ``attrs``.

        Returns:
            A DataFrame with a RangeIndex. ``attrs``: ``level``, ``complete``, ``oddities`` (see
            `issues_of`) and what the constructor was given.

        Warns:
            DicomnbWarning: once, with the count, if values were odd.
        """
        self._take_waiting()
        data = {column.name: self._whole(column) for column in self._in_order()}
        table = pd.DataFrame(data, index=pd.RangeIndex(self.rows), copy=False)
        table.attrs = {**self._attrs, "complete": complete, ATTRS_KEY: self._oddities.to_json()}
        if self._creators:
            found = {name: " or ".join(names) for name, names in self._creators.items() if names}
            table.attrs[CREATORS_KEY] = json.dumps(found)
        if paths := self._paths():
            order = [one for name, several in self._wanted.items() for one in _names(name, several)]
            table = with_paths(table, paths, order, self._hidden)
        if self._flatten:
            table = flattened(table, self._flatten)
        if self._oddities.count:
            first = self._oddities.kept[0]
            warn(
                f"{self._oddities.count} odd value(s) in {self.rows} rows; the first: "
                f"{first.keyword} {first.raw} ({first.problem}). What could not be read is "
                f"missing in the table; df.dicom.issues lists them."
            )
        return table

    def _take_later(self, page: Page, parents: Mapping[str, str]) -> int:
        """Have a page of plain columns wait until there are enough of them."""
        if parents != self._waiting_parents:
            self._take_waiting()
        self._waiting_parents = parents
        self._waiting.append(page)
        self._rows_waiting += page.received
        if self._rows_waiting >= _TOGETHER:
            self._take_waiting()
        return page.received

    def _take_waiting(self) -> None:
        waiting, self._waiting, self._rows_waiting = self._waiting, [], 0
        if waiting:
            self._take(joined(waiting), self._waiting_parents)

    def _take(self, page: Page, parents: Mapping[str, str]) -> int:
        """Turn a page's columns into arrays, then name the rows of what was odd."""
        noted: list[tuple[int, str, object, str]] = [
            (row, "", raw, problem) for row, raw, problem in page.strays
        ]
        arrays: dict[str, Any] = {}
        for column, came in page.columns.items():
            if column.tag in self._below:
                continue
            if column in self._arrays or column.name not in self._hidden:
                cells = _cells(column, came, noted)
                if column.tag in parents:
                    cells = [parents[column.tag] if cell is None else cell for cell in cells]
                self._keep(column, cells, arrays)
            for part in self._parts_of(column):
                self._keep(part, part_cells(part, came), arrays)
        self._note_creators(page)
        self._counts.append(page.received)
        for row, keyword, raw, problem in sorted(noted, key=lambda one: one[0]):
            uid = _best_uid(arrays, row)
            self._oddities.add(uid=uid, keyword=keyword, raw=raw, problem=problem)
        return page.received

    def _keep(self, column: Column, cells: list[Any], arrays: dict[str, Any]) -> None:
        arrays[column.name] = column_array(column, cells)
        self._arrays.setdefault(column, []).append((len(self._counts), arrays[column.name]))

    def _parts_of(self, column: Column) -> Iterable[Part]:
        asked = (one for one in self._columns if isinstance(one, Part) and one.tag == column.tag)
        beside = parts_beside(column) if column.name not in self._hidden else ()
        return dict.fromkeys((*asked, *beside))

    def _note_creators(self, page: Page) -> None:
        """Remember who the blocks of the private columns belong to (PS3.5 section 7.8.1)."""
        for column in page.columns:
            reserved = _creator_column(column)
            if reserved is not None and reserved in page.columns:
                raw = part_cells(Part(reserved.attribute, "Raw"), page.columns[reserved])
                found = self._creators.setdefault(column.name, {})
                found.update(dict.fromkeys(filter(None, raw)))

    def _paths(self) -> list[str]:
        """Those of the names that are paths into sequences."""
        return [name for name, columns in self._wanted.items() if not columns]

    def _in_order(self) -> list[Column]:
        further = [column for column in self._arrays if column not in self._columns]
        return [*self._columns, *sorted(further, key=lambda column: (column.tag, column.name))]

    def _whole(self, column: Column) -> pd.Series:
        """A column's pages joined, missing where a page did not have it."""
        pages = dict(self._arrays.pop(column))
        arrays = [
            pages[number] if number in pages else column_array(column, [None] * count)
            for number, count in enumerate(self._counts)
        ]
        return join_arrays(column, arrays)


def _wanted(names: Iterable[Any]) -> dict[str, tuple[Column, ...]]:
    """Each name in its proper spelling → its columns; none for a path into a sequence."""
    found: dict[str, tuple[Column, ...]] = {}
    for name in names:
        if is_path(name):
            found[".".join(attribute(step).column for step in name.split("."))] = ()
        elif isinstance(name, str) and "." in name:
            part = part_named(name)
            found[part.name] = (part,)
        else:
            column = Column(attribute(name))
            found[column.name] = (column, *parts_beside(column))
    return found


def _names(name: str, columns: Iterable[Column]) -> list[str]:
    return [column.name for column in columns] or [name]


def _creator_column(column: Column) -> Column | None:
    """Where the creator of a private attribute's block stands."""
    tag = column.tag
    if not column.attribute.is_private or tag[4:6] == "00":
        return None
    return column_of(f"{tag[:4]}00{tag[4:6]}")


def _cells(
    column: Column, came: Plain | list[object], noted: list[tuple[int, str, object, str]]
) -> list[Any]:
    """A page's cells of one column: all at once if they are plain, else one by one."""
    if isinstance(came, Plain):
        cells = plain_cells(column, came)
        if cells is not None:
            return cells
        elements: list[object] = [{"Value": msgspec.to_builtins(v)} for v in came.as_lists()]
    else:
        elements = came
    return _cells_one_by_one(column, elements, noted)


def _cells_one_by_one(
    column: Column, elements: list[object], noted: list[tuple[int, str, object, str]]
) -> list[Any]:
    """Read each attribute object; one that several rows share is read once.

    Cells with dicts in them are made anew: a change in one row must not show in another.
    """
    cells = []
    done: dict[int, tuple[Any, Notes]] = {}
    for row, element in enumerate(elements):
        if id(element) in done:
            cell, notes = done[id(element)]
        else:
            notes = []
            cell = read_cell(column, element, notes)
            if not (isinstance(cell, tuple) and cell and isinstance(cell[0], dict)):
                done[id(element)] = cell, notes
        cells.append(cell)
        noted += [(row, *note) for note in notes]
    return cells


def _best_uid(arrays: Mapping[str, Any], row: int) -> str:
    """The lowest identifier that the row has."""
    for name in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        if name in arrays and isinstance(uid := arrays[name][row], str):
            return uid
    return ""
