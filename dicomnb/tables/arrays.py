"""Python values → the typed array of a column."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dicomnb.vr import TEXT_DTYPE
from dicomnb.vr.values import are_bare_uids, is_strict_uid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dicomnb.tables.columns import Column
    from dicomnb.tables.decode import PersonName, Plain

__all__ = ["column_array", "join_arrays", "plain_cells"]

_TEXT: Any = pd.api.types.pandas_dtype(TEXT_DTYPE)
_MISSING = np.iinfo(np.int64).min  # NaT
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)


def column_array(column: Column, cells: Sequence[Any]) -> Any:
    """An array of the column's own type, also for no cells and for none but missing ones.

    Args:
        column: says the type.
        cells: one Python value a row, as `read_cell` makes them; None where missing.

    Returns:
        A numpy or pandas array: ``float64`` with NaN, ``datetime64``/``timedelta64`` with NaT,
        ``Int64``/``UInt64`` with NA, text and ``object`` with pandas' own missing value or
        None.
    """
    if column.dtype == "object":
        return np.fromiter(cells, dtype=object, count=len(cells))
    match column.vr.kind:
        case "float" | "age":
            return np.array(cells, dtype=np.float64)
        case "integer":
            return _integers(cells, column.dtype.lower())
        case "date":
            days = [None if day is None else day.toordinal() - _EPOCH_DAY for day in cells]
            return (_ticks(days, 86400)).view(column.dtype)
        case "time":
            ticks = [None if time is None else time // _MICROSECOND for time in cells]
            return _ticks(ticks).view(column.dtype)
        case "datetime":
            ticks = [None if at is None else (at - _EPOCH) // _MICROSECOND for at in cells]
            return _ticks(ticks).view(column.dtype)
        case _:
            return pd.array(cells, dtype=_TEXT)  # in half the time of a Series


def join_arrays(column: Column, arrays: list[Any]) -> pd.Series:
    """The arrays of several pages as one Series of the column's type."""
    if not arrays:
        arrays = [column_array(column, ())]
    if len(arrays) == 1:
        return pd.Series(arrays[0], dtype=column.dtype, copy=False)
    if isinstance(arrays[0], np.ndarray):
        return pd.Series(np.concatenate(arrays), dtype=column.dtype, copy=False)
    pages = [pd.Series(array, dtype=column.dtype, copy=False) for array in arrays]
    return pd.concat(pages, ignore_index=True)


def plain_cells(column: Column, plain: Plain) -> list[Any] | None:
    """The cells of a column whose values are all as they should be, fast.

    Args:
        column: of any kind but sequences and binary.
        plain: the values, of the JSON type of the VR.

    Returns:
        What `read_cell` would make of each, or None where one of them has to be looked at by
        it: several values for one, a value that cannot be read, a number as text.
    """
    if not column.many:
        return None if plain.values is None else _plain_values(column, plain.values)
    keys = [tuple(values) if values else () for values in plain.as_lists()]
    parsed: dict[tuple[Any, ...], tuple[Any, ...] | None] = {}
    for key in set(keys):
        cell = _plain_values(column, list(key))
        if cell is None:
            return None
        parsed[key] = None if all(value is None for value in cell) else tuple(cell)
    return [parsed[key] for key in keys]


def _plain_values(column: Column, values: list[Any]) -> list[Any] | None:
    match column.vr.kind:
        case "text":
            return _each_once(_text, values)
        case "name":
            return _each_once(_name, values)
        case "float":
            return _plain_floats(values)
        case "integer":
            return _plain_integers(column, values)
        case "uid":
            return _plain_uids(column, values)
        case _:
            return _parsed_once(column, values)


def _each_once(read: Callable[[Any], Any], values: list[Any]) -> list[Any]:
    """Each different value read once: in a search most of them come again and again."""
    cells = {value: read(value) for value in set(values)}
    return list(map(cells.__getitem__, values))


def _plain_floats(values: list[Any]) -> list[Any] | None:
    kinds = set(map(type, values))
    if str in kinds:
        return None
    if int in kinds:
        try:
            return [None if value is None else float(value) for value in values]
        except OverflowError:
            return None
    return values


def _plain_integers(column: Column, values: list[Any]) -> list[Any] | None:
    if not set(map(type, values)) <= {int, type(None)}:
        return None
    low, high = (0, 2**64 - 1) if column.vr.name == "UV" else (-(2**63), 2**63 - 1)
    present = set(values) - {None}
    if present and not (low <= min(present) and max(present) <= high):
        return None
    return values


def _plain_uids(column: Column, values: list[Any]) -> list[Any] | None:
    distinct = set(values) - {None}
    if are_bare_uids(distinct):
        return values
    return _parsed_once(column, values) if all(map(is_strict_uid, distinct)) else None


def _parsed_once(column: Column, values: list[Any]) -> list[Any] | None:
    """Dates, times, ages, UIDs, tags."""
    try:
        return _each_once(column.vr.parse, values)
    except ValueError:
        return None


def _text(value: str | None) -> str | None:
    return value.rstrip(" ") or None if value else None


def _name(name: PersonName | None) -> str | None:
    groups = () if name is None else (name.Alphabetic, name.Ideographic, name.Phonetic)
    return next((text for text in map(_text, groups) if text), None)


def _integers(cells: Sequence[Any], dtype: str) -> Any:
    if None not in cells:
        return pd.arrays.IntegerArray(np.array(cells, dtype=dtype), np.zeros(len(cells), bool))
    mask = np.fromiter((cell is None for cell in cells), dtype=bool, count=len(cells))
    data = np.array([0 if cell is None else cell for cell in cells], dtype=dtype)
    return pd.arrays.IntegerArray(data, mask)


def _ticks(counts: list[int | None], scale: int = 1) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array(
        [_MISSING if count is None else count * scale for count in counts], dtype=np.int64
    )
