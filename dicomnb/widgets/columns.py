"""A column as people read it: its texts page by page, its order, and which cells words match.

What is costly is done once a column, when first needed, and on its different values only: a
hundred thousand studies have some thousand dates and a dozen modalities.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pydicom.datadict import dictionary_description, dictionary_VR, tag_for_keyword

from dicomnb.widgets.comparing import comparison
from dicomnb.widgets.quantities import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from numpy.typing import NDArray

__all__ = ["ShownColumn", "cell_text", "person"]

# A cell of a page holds no more; a sequence or a report can be as long as a book.
_LONGEST = 300
_SAMPLE = 200
_DICOM_DAY = re.compile(r"\d{6}(\d{2})?")
_NARROWEST, _WIDEST = 4, 36


class ShownColumn:
    """One column of a table, as a grid shows it.

    Args:
        cells: of the column, whatever their type.
        label: its heading; None takes DICOM's name of the attribute, else the column's own.

    Attributes:
        name: of the column in its table.
        label: its heading.
        kind: ``"text"``, ``"number"``, ``"date"``, ``"time"`` or ``"list"``.
    """

    def __init__(self, cells: pd.Series, *, label: str | None = None) -> None:
        self.name: Hashable = cells.name
        if isinstance(cells.dtype, pd.CategoricalDtype) and not cells.dtype.ordered:
            cells = cells.astype(cells.dtype.categories.dtype)
        self._cells = cells
        keyword = str(cells.name).rpartition(".")[2]
        tag = tag_for_keyword(keyword)
        self._is_name = tag is not None and dictionary_VR(tag) == "PN"
        self.label = _heading(str(cells.name), tag) if label is None else label
        self.kind = self._kind()
        self._text = self._writer()

    def facts(self) -> dict[str, Any]:
        """What a front end needs to draw it; ``width`` is in characters."""
        align = "right" if self.kind in ("number", "time") else "left"
        return {
            "name": str(self.name),
            "label": self.label,
            "kind": self.kind,
            "width": self._width,
            "align": align,
        }

    def texts(self, rows: NDArray[np.intp]) -> list[str]:
        """The cells of these rows, as text; ``""`` where there is none."""
        page = self._cells.array.take(rows).astype(object)
        return [_cut(self._text(value)) for value in page]

    @cached_property
    def ranks(self) -> NDArray[np.int64]:
        """Each row's place in ascending order, equal where cells are; missing ones have -1.

        Text goes without regard to case, names by family name, lists by their first value.
        """
        if isinstance(self._cells.dtype, pd.CategoricalDtype):  # the order that it names
            return np.asarray(self._cells.cat.codes, dtype=np.int64)
        codes, values = self._distinct
        if self.kind in ("number", "date", "time") and not pd.api.types.is_object_dtype(
            self._cells.dtype
        ):
            order = np.argsort(values.argsort())
        else:
            order = _dense_ranks(self._keys)
        return np.where(codes < 0, -1, order[codes] if len(order) else -1).astype(np.int64)

    def contains(self, word: str) -> NDArray[np.bool_]:
        """For each row whether its cell, as shown or as DICOM writes it, holds this word.

        Args:
            word: without white space, in lower case (``str.casefold``).
        """
        if self._is_name:  # "Zhang, Sally" as read is Zhang^Sally as written, and looked for
            word = word.strip(",").replace(",", "^")
        elif self.kind == "date" and _DICOM_DAY.fullmatch(word):
            word = "-".join(part for part in (word[:4], word[4:6], word[6:]) if part)
        return self._spread([word in text for text in self._haystack])

    def matches(self, wanted: str) -> tuple[NDArray[np.bool_] | None, str]:
        """For each row whether it passes what a person wrote above the column.

        Args:
            wanted: words that the cell must all hold, or a comparison: ``=CT``, ``!=CT``, and
                for numbers, dates and times also ``>5``, ``<=2023-06``, ``10..20``.

        Returns:
            The rows that pass, or None where that cannot be understood, and why not.
        """
        compare = comparison(wanted, self.kind)
        if isinstance(compare, str):
            return None, compare
        if compare is not None:
            if compare.text is None:
                equal = self._spread(compare.within(self._numbers))
            else:
                equal = self._spread([text == compare.text for text in self._exact])
            return (~equal if compare.negated else equal), ""
        passing = np.ones(len(self._cells), dtype=np.bool_)
        for word in wanted.casefold().split():
            passing &= self.contains(word)
        return passing, ""

    # -- once a column ---------------------------------------------------------------------------

    @cached_property
    def _distinct(self) -> tuple[NDArray[np.intp], Any]:
        """For each row the place of its value among the different ones (-1: missing), and those."""
        try:
            codes, values = pd.factorize(self._cells)
        except TypeError:  # lists and dicts cannot be looked up: each stands for itself
            present = np.array([not _is_missing(one) for one in self._cells], dtype=np.bool_)
            codes = np.where(present, np.cumsum(present) - 1, -1)
            return codes, [one for one in self._cells if not _is_missing(one)]
        return codes, values

    @cached_property
    def _values(self) -> list[Any]:
        """The different values as Python's own; far quicker than to walk along a pandas array."""
        values = self._distinct[1]
        return values if isinstance(values, list) else list(np.asarray(values, dtype=object))

    @cached_property
    def _folded(self) -> list[str]:
        return [value.casefold() for value in self._values]

    @cached_property
    def _exact(self) -> list[str]:
        if self._text is cell_text and self._is_text:
            return self._folded
        values = self._distinct[1]
        if isinstance(values, pd.TimedeltaIndex):
            ticks = np.asarray(values).astype("timedelta64[us]").astype(np.int64)
            return [_clock(one) for one in ticks.tolist()]
        return [self._text(value).casefold() for value in self._values]

    @cached_property
    def _haystack(self) -> list[str]:
        """What is searched of each different value: names as written, others as shown."""
        if self._is_name:
            return [cell_text(value).casefold() for value in self._values]
        return self._exact

    @cached_property
    def _numbers(self) -> NDArray[Any]:
        """The different values as numbers, ``datetime64`` or ``timedelta64``, to be compared."""
        values = self._distinct[1]
        if self.kind == "number":
            return np.asarray(pd.Index(values), dtype=np.float64)
        if isinstance(values, pd.DatetimeIndex):
            return np.asarray(values.tz_localize(None))
        return np.asarray(values)

    @cached_property
    def _width(self) -> int:
        count = len(self._cells)
        places = np.linspace(0, count - 1, min(count, _SAMPLE)).astype(np.intp)
        lengths = [len(text) for text in self.texts(places)]
        usual = math.ceil(float(np.quantile(lengths, 0.95))) if lengths else 0
        return min(max(usual, min(len(self.label), 18) + 2, _NARROWEST), _WIDEST)

    def _spread(self, chosen: Sequence[bool] | NDArray[np.bool_]) -> NDArray[np.bool_]:
        """What holds for the different values, for each row; never for a missing one."""
        codes = self._distinct[0]
        return np.append(np.asarray(chosen, dtype=np.bool_), False)[codes]

    # -- by type ---------------------------------------------------------------------------------

    def _kind(self) -> str:
        dtype = self._cells.dtype
        if pd.api.types.is_datetime64_any_dtype(dtype):
            return "date"
        if pd.api.types.is_timedelta64_dtype(dtype):
            return "time"
        if pd.api.types.is_bool_dtype(dtype):
            return "text"
        if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype):
            return "number"
        if pd.api.types.is_object_dtype(dtype):
            first = next((one for one in self._cells if not _is_missing(one)), None)
            return "list" if isinstance(first, list | tuple | set | frozenset) else "text"
        return "text"

    def _writer(self) -> Callable[[Any], str]:
        if self.kind == "date" and _are_days(self._cells):
            return _day
        if self._is_name:
            return _names
        return cell_text

    @cached_property
    def _is_text(self) -> bool:
        """Whether every cell is text or missing; before pandas 3 their type is object."""
        if pd.api.types.is_object_dtype(self._cells.dtype):
            return pd.api.types.infer_dtype(self._cells, skipna=True) == "string"
        return isinstance(self._cells.dtype, pd.StringDtype)

    @cached_property
    def _keys(self) -> list[Any]:
        """What the different values are put in order by."""
        if not self._is_text:
            return [_key(value) for value in self._values]
        if self._is_name:  # Li^Wei before Lima^Ana and Li Mei^An
            return [text.replace("^", "\x01") for text in self._folded]
        return self._folded


def cell_text(value: object) -> str:
    """One cell as people read it; ``""`` for a missing one.

    Dates and times are ISO 8601, numbers have ten significant digits, of several values each is
    followed by a comma, and of sequences and binary values it is said how many there are.

    Example:
        >>> cell_text((0.5, 0.1 + 0.2)), cell_text(None), cell_text(({"KVP": 1.0},))
        ('0.5, 0.3', '', '1 item')
    """
    if isinstance(value, str):
        return value
    if _is_missing(value):
        return ""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return str(value)
    if isinstance(value, float | np.floating):
        return f"{value:.10g}"
    if isinstance(value, pd.Timedelta):
        return _clock(value // pd.Timedelta(microseconds=1))
    if isinstance(value, bytes):
        return counted(len(value), "byte")
    if isinstance(value, Mapping):
        return "1 item"
    if isinstance(value, list | tuple | set | frozenset):
        if any(isinstance(one, Mapping) for one in value):
            return counted(len(value), "item")
        return ", ".join(cell_text(one) for one in value)
    return str(value)  # of dates it is ISO 8601


def person(name: str) -> str:
    """A person's name as it is read: family name first.

    Args:
        name: as DICOM writes it (PS3.5 section 6.2.1): ``Family^Given^Middle^Prefix^Suffix``, in
            several scripts with ``=`` between them.

    Example:
        >>> person("Zhang^Sally"), person("Hartmann^Ilse^^Dr."), person("King^Martin^Luther^^Jr.")
        ('Zhang, Sally', 'Hartmann, Dr. Ilse', 'King, Martin Luther, Jr.')
    """
    if "=" in name:
        return "=".join(person(script) for script in name.split("="))
    family, given, middle, prefix, suffix, *more = [*name.split("^"), "", "", "", ""]
    calling = " ".join(part.strip() for part in (prefix, given, middle) if part.strip())
    parts = (family.strip(), calling, suffix.strip(), *more)
    return ", ".join(part for part in parts if part)


def _names(value: object) -> str:
    if isinstance(value, str):
        return person(value)
    if isinstance(value, tuple | list):
        return "; ".join(_names(one) for one in value)
    return cell_text(value)


def _day(value: object) -> str:
    return cell_text(value)[:10]


def _are_days(cells: pd.Series) -> bool:
    return bool((cells.dropna().dt.normalize() == cells.dropna()).all())


def _clock(microseconds: int) -> str:
    """A time of day, or how long something took if that is no time of a day."""
    seconds, micro = divmod(microseconds, 1_000_000)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    if not 0 <= hours < 24:
        return str(pd.Timedelta(microseconds, unit="us"))
    fraction = f".{micro:06d}".rstrip("0") if micro else ""
    return f"{hours:02d}:{minute:02d}:{second:02d}{fraction}"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _is_missing(value: object) -> bool:
    if value is None or value is pd.NA or value is pd.NaT:
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def _heading(name: str, tag: int | None) -> str:
    """DICOM's name of a column that is an attribute, at a path its last part; else its own."""
    path, _, _ = name.rpartition(".")
    return name if tag is None or path else dictionary_description(tag)


def _key(value: object) -> tuple[int, Any]:
    """What puts values of whatever types in one order: missing, numbers, text, lists, the rest."""
    if _is_missing(value):
        return (-1, 0)
    if isinstance(value, int | float | np.number):
        return (0, float(value) if isinstance(value, np.number) else value)
    if isinstance(value, str):
        return (1, value.casefold())
    if isinstance(value, list | tuple):
        return (2, tuple(_key(one) for one in value))
    return (3, cell_text(value).casefold())


def _dense_ranks(keys: list[Any]) -> NDArray[np.int64]:
    """Each key's place in order, the same for equal ones."""
    rank_of = {key: rank for rank, key in enumerate(sorted(set(keys)))}
    return np.fromiter((rank_of[key] for key in keys), dtype=np.int64, count=len(keys))
