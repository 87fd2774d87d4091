"""Tables to Parquet and back, unchanged: types, tuples, items of sequences and attrs."""

from __future__ import annotations

import base64
import json
import math
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dicomnb.files import atomic_write
from dicomnb.vr import TEXT_DTYPE

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["load_table", "save_table"]

_KEY = b"dicomnb"
_VERSION = 1
_MICROSECOND = timedelta(microseconds=1)


def save_table(table: pd.DataFrame, path: str | Path) -> Path:
    """Write a table to a Parquet file, from which `load_table` makes the same table again.

    Other programs read the file too: plain columns are what they are, tuples of text, whole or
    decimal numbers are lists; tuples of anything else, items of sequences among them, are JSON
    text. The file appears whole or not at all; one of that name is replaced.

    Args:
        table: as a search or ``metadata`` returns it, or what was made of it.
        path: the file; ``.parquet`` is the usual ending.

    Returns:
        The path.

    Raises:
        ImportError: pyarrow is not installed (``pip install 'dicomnb[parquet]'``).
        TypeError: a cell or an attr is something that no file can hold, such as an array.
        ValueError: two columns have one name.

    Example:
        >>> save_table(archive.series(), "series.parquet")
    """
    arrow = _pyarrow()
    if not table.columns.is_unique:
        twice = sorted(map(str, table.columns[table.columns.duplicated()].unique()))
        raise ValueError(f"Two columns are named {', '.join(twice)}: a file needs one name each.")
    kinds = {str(name): _kind(table[name]) for name in table.columns}
    plain = table.copy(deep=False)
    plain.attrs = {}
    lists = {}
    for name in table.columns:
        if kinds[str(name)]["kind"] == "json":
            plain[name] = [_cell_text(name, cell) for cell in table[name]]
        elif kinds[str(name)]["kind"] == "list":
            cells = [None if cell is None else list(cell) for cell in table[name]]
            lists[str(name)] = arrow.array(cells, from_pandas=False)
            plain[name] = None
    made = arrow.Table.from_pandas(plain)
    for name, array in lists.items():
        made = made.set_column(made.column_names.index(name), name, array)
    about = {"version": _VERSION, "columns": kinds, "attrs": _tagged(table.attrs)}
    made = made.replace_schema_metadata({**made.schema.metadata, _KEY: json.dumps(about)})
    with atomic_write(target := Path(path).expanduser()) as file:
        _parquet().write_table(made, file)
    return target


def load_table(path: str | Path) -> pd.DataFrame:
    """Read a table that `save_table` wrote: the same columns, types, cells and attrs.

    A Parquet file of another program is read as pandas reads it.

    Raises:
        ImportError: pyarrow is not installed (``pip install 'dicomnb[parquet]'``).
        FileNotFoundError: there is no such file.
        ValueError: it is no Parquet file, or a later dicomnb wrote it in a way of its own.

    Example:
        >>> load_table("series.parquet").attrs["level"]
        'series'
    """
    arrow = _pyarrow()
    source = Path(path).expanduser()
    try:
        with source.open("rb") as file:
            made = _parquet().read_table(file)
    except arrow.ArrowInvalid as error:
        raise ValueError(f"{str(source)!r} is no Parquet file: {error}") from None
    table: pd.DataFrame = made.to_pandas()
    stored = (made.schema.metadata or {}).get(_KEY)
    if stored is None:
        return table
    about = json.loads(stored)
    if about["version"] > _VERSION:
        raise ValueError(
            f"{str(source)!r} was written by a later dicomnb (form {about['version']}; this one "
            f"reads up to {_VERSION}): update dicomnb."
        )
    kinds = about["columns"]
    restored = {
        name: _restored(table[name], made.column(str(name)), kinds.get(str(name), {}))
        for name in table.columns
    }
    again = pd.DataFrame(restored, index=table.index, columns=table.columns)
    again.attrs = _untagged(about["attrs"])
    return again


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError:
        raise ImportError(
            "Saving and loading tables needs pyarrow: pip install 'dicomnb[parquet]'"
        ) from None
    return pyarrow


def _parquet() -> Any:
    import pyarrow.parquet

    return pyarrow.parquet


def _kind(column: pd.Series) -> dict[str, str]:
    """How a column is kept, and the pandas type that it gets back."""
    dtype = str(column.dtype)
    if dtype != "object":
        return {"kind": "plain", "dtype": dtype}
    cells = [cell for cell in column if cell is not None]
    if cells and all(isinstance(cell, str) for cell in cells):
        return {"kind": "text", "dtype": "object" if TEXT_DTYPE != "object" else "text"}
    if cells and all(isinstance(cell, tuple) for cell in cells):
        members = {type(one) for cell in cells for one in cell} - {type(None)}
        if members in ({str}, {int}, {float}) and _fits(cells, members):
            return {"kind": "list", "dtype": dtype}
    return {"kind": "json", "dtype": dtype}


def _fits(cells: list[tuple[Any, ...]], members: set[type]) -> bool:
    """Arrow's integers have 64 bits, and its text is Unicode proper."""
    if members == {int}:
        return all(-(2**63) <= one < 2**63 for cell in cells for one in cell if one is not None)
    if members == {str}:
        return all(_is_unicode(one) for cell in cells for one in cell if one is not None)
    return True


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def _restored(column: pd.Series, cells: Any, kept: dict[str, str]) -> pd.Series:
    """A column as it was before `_kind` told how to keep it; ``cells`` as Arrow has them."""
    made: list[Any]
    match kept.get("kind"):
        case "json":
            made = [None if cell is None else _untagged(json.loads(cell)) for cell in _list(cells)]
        case "list":
            made = [None if cell is None else tuple(cell) for cell in _list(cells)]
        case "text":
            # Text is kept as the type of text of the pandas that reads it, unless its writer
            # had another type for text.
            dtype = TEXT_DTYPE if kept["dtype"] == "text" else "object"
            return pd.Series(_list(cells), index=column.index, dtype=dtype)
        case _:
            saved: Any = kept.get("dtype", str(column.dtype))
            if saved in ("str", "object", "category") or saved == str(column.dtype):
                return column
            converted: pd.Series = column.astype(saved)
            return converted
    objects = np.fromiter(made, dtype=object, count=len(made))
    return pd.Series(objects, index=column.index, dtype="object")


def _list(cells: Any) -> list[Any]:
    found: list[Any] = cells.to_pylist()
    return found


def _cell_text(name: Any, cell: Any) -> str | None:
    if cell is None:
        return None
    try:
        return json.dumps(_tagged(cell))
    except TypeError as error:
        raise TypeError(f"Column {name!r} holds what no file can: {error}") from None


# JSON has neither tuples nor dates: they, and what could be taken for them, are objects with
# one key that begins with a dollar sign, which no keyword does.
_TAGS: list[tuple[type, str, Callable[[Any], Any]]] = [
    (tuple, "$tuple", lambda value: [_tagged(one) for one in value]),
    (list, "$list", lambda value: [_tagged(one) for one in value]),
    (bytes, "$bytes", lambda value: base64.b64encode(value).decode()),
    (pd.Timestamp, "$timestamp", lambda value: [value.isoformat(), value.unit]),
    (pd.Timedelta, "$timedelta64", lambda value: [value.isoformat(), value.unit]),
    (datetime, "$datetime", datetime.isoformat),
    (date, "$date", date.isoformat),
    (timedelta, "$timedelta", lambda value: value // _MICROSECOND),
]
_READERS: dict[str, Callable[[Any], Any]] = {
    "$tuple": lambda value: tuple(_untagged(one) for one in value),
    "$list": lambda value: [_untagged(one) for one in value],
    "$bytes": base64.b64decode,
    "$timestamp": lambda value: pd.Timestamp(value[0]).as_unit(value[1]),
    "$timedelta64": lambda value: pd.Timedelta(value[0]).as_unit(value[1]),
    "$datetime": datetime.fromisoformat,
    "$date": date.fromisoformat,
    "$timedelta": lambda value: value * _MICROSECOND,
    "$float": float,
    "$missing": lambda value: pd.NaT if value == "NaT" else pd.NA,
    "$dict": lambda value: {_untagged(key): _untagged(one) for key, one in value},
}


def _tagged(value: Any) -> Any:
    if value is None or type(value) in (str, int, bool):
        return value
    if value is pd.NA or value is pd.NaT:
        return {"$missing": str(value).strip("<>")}
    if type(value) is float:
        return value if math.isfinite(value) else {"$float": str(value)}
    if isinstance(value, dict):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: _tagged(one) for key, one in value.items()}
        return {"$dict": [[_tagged(key), _tagged(one)] for key, one in value.items()]}
    for kind, tag, write in _TAGS:
        if isinstance(value, kind):
            return {tag: write(value)}
    raise TypeError(f"a {type(value).__name__}, {str(value)[:80]!r}")


def _untagged(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and (tag := next(iter(value))) in _READERS:
        return _READERS[tag](value[tag])
    return {key: _untagged(one) for key, one in value.items()}
