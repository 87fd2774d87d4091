"""A table given out in pages: sorted, filtered and selected here, drawn elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dicomnb.errors import BadQuery
from dicomnb.widgets.columns import ShownColumn

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["Feed"]


class Feed:
    """A DataFrame as a grid shows it, a page at a time.

    Rows are counted from 0 in the order in which they are shown, after sorting and filtering;
    what is selected stays selected whatever is shown. Nothing is formatted but the page that is
    asked for, and the frame is never changed.

    Args:
        frame: any table. Its index may be of any kind.
        columns: which columns are shown, in this order; a mapping also gives headings
            (``{"PatientName": "Patient"}``, None for DICOM's own). None shows all.

    Attributes:
        turn: how often the rows came into another order; selecting leaves it as it is.

    Raises:
        BadQuery: there is no such column.

    Example:
        >>> import pandas as pd
        >>> feed = Feed(pd.DataFrame({"PatientName": ["Zhang^Sally", None, "Abt^Jo"]}))
        >>> feed.sort("PatientName")
        >>> feed.rows(0, 2)
        [['Abt, Jo'], ['Zhang, Sally']]
        >>> feed.select(1)
        >>> feed.selected.index.tolist()
        [0]
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        *,
        columns: Sequence[Hashable] | Mapping[Any, str | None] | None = None,
    ) -> None:
        self.turn = 0
        self._frame = frame.copy(deep=False)
        self._columns = [
            ShownColumn(frame.iloc[:, place], label=label)
            for place, label in _places(frame, columns)
        ]
        self._selected = np.zeros(len(frame), dtype=np.bool_)
        self._passing = np.ones(len(frame), dtype=np.bool_)
        self._order = np.arange(len(frame))
        self._at = self._order
        self._sort: list[tuple[int, bool]] = []
        self._words = ""
        self._wanted: dict[int, str] = {}
        self._problems: dict[int, str] = {}

    # -- what there is ---------------------------------------------------------------------------

    @property
    def frame(self) -> pd.DataFrame:
        """The whole table, as it was given."""
        return self._frame

    @property
    def shown(self) -> pd.DataFrame:
        """The rows that pass the filter, in the order shown, with their own index and attrs."""
        return self._frame.iloc[self._at]

    @property
    def selected(self) -> pd.DataFrame:
        """The selected rows, shown or not, in the order of the table, with index and attrs."""
        return self._frame.iloc[np.flatnonzero(self._selected)]

    def row(self, at: int) -> pd.Series:
        """The row that is shown at this place.

        Raises:
            IndexError: there is none.
        """
        if not 0 <= at < len(self._at):
            raise IndexError(f"There is no row {at}; {len(self._at)} are shown.")
        return self._frame.iloc[int(self._at[at])]

    def facts(self) -> dict[str, Any]:
        """What a front end draws beside the rows; all of it can go into JSON.

        Returns:
            ``columns`` (each with ``name``, ``label``, ``kind``, ``align`` and ``width`` in
            characters), how many rows are ``shown``, in ``all``, ``selected`` and of these
            ``selected_shown``; ``sort`` (a list of ``column`` and ``descending``, the first
            counts most) and ``filter`` (``words``; ``columns``: column → text; ``problems``:
            column → why that text is not understood). Columns are numbered as in ``columns``;
            numbers that are keys are text, as JSON wants.
        """
        return {
            "columns": [column.facts() for column in self._columns],
            "shown": len(self._at),
            "all": len(self._frame),
            "selected": int(self._selected.sum()),
            "selected_shown": int(self._selected[self._at].sum()),
            "sort": [{"column": one, "descending": down} for one, down in self._sort],
            "filter": {
                "words": self._words,
                "columns": {str(one): text for one, text in self._wanted.items()},
                "problems": {str(one): words for one, words in self._problems.items()},
            },
        }

    def rows(self, start: int, stop: int) -> list[list[str]]:
        """The texts of a page: rows ``start`` to ``stop``, exclusive, as far as there are any."""
        at = self._at[max(start, 0) : max(stop, 0)]
        return [list(row) for row in zip(*(one.texts(at) for one in self._columns), strict=True)]

    def marks(self, start: int = 0, stop: int | None = None) -> NDArray[np.bool_]:
        """For each of these rows whether it is selected; ``None`` goes to the end."""
        marks: NDArray[np.bool_] = self._selected[self._at[start:stop]]
        return marks

    # -- order and filter ------------------------------------------------------------------------

    def sort(
        self, column: Hashable | None = None, *, descending: bool = False, then: bool = False
    ) -> None:
        """Show the rows in the order of a column; missing values always come last.

        Args:
            column: its name, or its number among those shown; None: the table's own order.
            descending: the largest first. Rows that are equal stay in the table's order.
            then: order only those that are equal by the columns sorted by before.

        Raises:
            BadQuery: there is no such column.
        """
        if column is None:
            self._sort = []
        else:
            place = self._place(column)
            kept = [one for one in self._sort if then and one[0] != place]
            self._sort = [*kept, (place, descending)]
        keys = [_sort_key(self._columns[one].ranks, down) for one, down in reversed(self._sort)]
        self._order = np.lexsort(keys) if keys else np.arange(len(self._frame))
        self._show()

    def filter(self, words: str = "", *, columns: Mapping[Any, str] | None = None) -> None:
        """Show only the rows that hold these words, without regard to case; replaces the last one.

        Args:
            words: each must stand in some column that is shown.
            columns: column → words that its cell must hold, or a comparison: ``=CT``, ``!=CT``,
                ``>5``, ``<=2023-06``, ``10..20``. What cannot be understood (``>`` alone) holds
                nothing back and stands in ``facts()["filter"]["problems"]``.

        Raises:
            BadQuery: there is no such column.
        """
        wanted = {self._place(one): text for one, text in (columns or {}).items() if text.strip()}
        passing = np.ones(len(self._frame), dtype=np.bool_)
        problems = {}
        for place, text in wanted.items():
            matching, problem = self._columns[place].matches(text)
            if matching is None:
                problems[place] = problem
            else:
                passing &= matching
        for word in words.casefold().split():
            anywhere = np.zeros(len(self._frame), dtype=np.bool_)
            for column in self._columns:
                anywhere |= column.contains(word)
            passing &= anywhere
        self._words, self._wanted, self._problems, self._passing = words, wanted, problems, passing
        self._show()

    # -- selection -------------------------------------------------------------------------------

    def select(
        self,
        at: int,
        *,
        to: int | None = None,
        how: Literal["only", "add", "remove", "toggle"] = "only",
    ) -> None:
        """Select what is shown at a place, or from there to another one.

        Args:
            at: counted in the order shown.
            to: the other end, included, before or after it; None: this row alone.
            how: ``"only"`` these, shown or not; or ``"add"`` them to, ``"remove"`` them from or
                ``"toggle"`` them in what is selected.

        Raises:
            IndexError: there is no such row.
            ValueError: another ``how``.
        """
        ends = sorted((at, at if to is None else to))
        if ends[0] < 0 or ends[1] >= len(self._at):
            raise IndexError(f"There is no row {ends}; {len(self._at)} are shown.")
        rows = self._at[ends[0] : ends[1] + 1]
        if how == "only":
            self._selected[:] = False
        if how not in ("only", "add", "remove", "toggle"):
            raise ValueError(f"how is 'only', 'add', 'remove' or 'toggle', not {how!r}.")
        self._selected[rows] = ~self._selected[rows] if how == "toggle" else how != "remove"

    def select_all(self, selected: bool = True) -> None:
        """Select every row that is shown, or none of them; others stay as they are."""
        self._selected[self._at] = selected

    def select_none(self) -> None:
        """Select no row, shown or not."""
        self._selected[:] = False

    def choose(self, labels: Iterable[Hashable]) -> None:
        """Select the rows with these labels of the table's index, and no others.

        Args:
            labels: ``other.index`` for the rows of another table; those that are not in this
                one are left out.
        """
        self._selected = np.asarray(self._frame.index.isin(list(labels)), dtype=np.bool_)

    def like(self, other: Feed) -> None:
        """Sort, filter and select as another feed does, by columns' names and index labels.

        What this table has no column for is left out.
        """
        names = {one.name for one in self._columns}
        self._sort = []
        for place, descending in other._sort:
            if (name := other._columns[place].name) in names:
                self.sort(name, descending=descending, then=True)
        wanted = {other._columns[place].name: text for place, text in other._wanted.items()}
        self.filter(
            other._words, columns={one: text for one, text in wanted.items() if one in names}
        )
        self.choose(other.selected.index)

    # -- the parts -------------------------------------------------------------------------------

    def _show(self) -> None:
        self.turn += 1
        self._at = self._order[self._passing[self._order]]

    def _place(self, column: Any) -> int:
        """A column by name, else by number."""
        for place, one in enumerate(self._columns):
            if one.name == column:
                return place
        if isinstance(column, int) and 0 <= column < len(self._columns):
            return column
        names = ", ".join(str(one.name) for one in self._columns)
        raise BadQuery(f"There is no column {column!r} in this table; it shows {names}.")


def _sort_key(ranks: NDArray[np.int64], descending: bool) -> NDArray[np.int64]:
    """Ranks whose ascending order is the one wanted, missing ones (-1) last."""
    last = np.iinfo(np.int64).max
    return np.where(ranks < 0, last, -ranks if descending else ranks)


def _places(
    frame: pd.DataFrame, columns: Sequence[Hashable] | Mapping[Any, str | None] | None
) -> list[tuple[int, str | None]]:
    """Where the columns stand in the table, with their headings."""
    if columns is None:
        return [(place, None) for place in range(frame.shape[1])]
    headings = columns if isinstance(columns, Mapping) else dict.fromkeys(columns)
    names: list[Any] = list(frame.columns)
    if missing := [one for one in headings if one not in names]:
        raise BadQuery(f"There is no column {missing[0]!r} in this table; it has {names}.")
    return [(names.index(name), label) for name, label in headings.items()]
