"""Python values → the typed array of a column."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dicomnb.vr import TEXT_DTYPE
from dicomnb.vr.values import is_strict_uid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dicomnb.tables.columns import Column

__all__ = ["column_array", "join_arrays", "plain_cells"]

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
            return pd.Series(cells, dtype=TEXT_DTYPE).array


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


def plain_cells(column: Column, lists: list[list[Any] | None]) -> list[Any] | None:
    """The cells of a column whose values are all as they should be, fast.

    Args:
        column: of any kind but sequences and binary.
        lists: each row's ``Value``, of the JSON type of the VR.

    Returns:
        What `read_cell` would make of each, or None where one of them has to be looked at by
        it: several values for one, a value that cannot be read, a number as text.
    """
    if not column.many:
        if max(map(len, filter(None, lists)), default=0) > 1:
            return None
        return _plain_values(column, [values[0] if values else None for values in lists])
    keys = [tuple(values) if values else () for values in lists]
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
            return [value.rstrip(" ") or None if value else None for value in values]
        case "name":
            return [None if name is None else _name(name) for name in values]
        case "float":
            return _plain_floats(values)
        case "integer":
            return _plain_integers(column, values)
        case _:
            return _parsed_once(column, values)


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
    present = [value for value in values if value is not None]
    if present and not (low <= min(present) and max(present) <= high):
        return None
    return values


def _parsed_once(column: Column, values: list[Any]) -> list[Any] | None:
    """Dates, times, ages, UIDs, tags: parse each different text once."""
    if column.vr.kind == "uid" and not all(map(is_strict_uid, set(values) - {None})):
        return None
    try:
        parsed = {value: column.vr.parse(value) for value in set(values)}
    except ValueError:
        return None
    return [parsed[value] for value in values]


def _name(name: Any) -> str | None:
    for group in (name.Alphabetic, name.Ideographic, name.Phonetic):
        text: str | None = group.rstrip(" ") if group else None
        if text:
            return text
    return None


def _integers(cells: Sequence[Any], dtype: str) -> Any:
    mask = np.fromiter((cell is None for cell in cells), dtype=bool, count=len(cells))
    data = np.array([0 if cell is None else cell for cell in cells], dtype=dtype)
    return pd.arrays.IntegerArray(data, mask)


def _ticks(counts: list[int | None], scale: int = 1) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array(
        [_MISSING if count is None else count * scale for count in counts], dtype=np.int64
    )
