"""Sequences → columns: ``"RequestAttributesSequence.ScheduledProcedureStepID"``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dicomnb.attributes import attribute
from dicomnb.tables.arrays import column_array
from dicomnb.tables.cells import column_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["flattened", "is_path", "with_paths"]


def is_path(name: object) -> bool:
    """Whether a column's name is a path into a sequence."""
    return isinstance(name, str) and "." in name and attribute(name.partition(".")[0]).vr == "SQ"


def flattened(table: pd.DataFrame, sequences: bool | Iterable[str]) -> pd.DataFrame:
    """A table whose sequences stand as columns of their own, in their place.

    Args:
        table: with sequences as tuples of dicts.
        sequences: True for all of them, or their keywords.

    Returns:
        For each attribute that occurs in a sequence one column, named by its path, down to the
        innermost. A column has the type of its attribute where no row has several items; else
        every cell is a tuple, one entry an item, None where an item lacks the attribute.
    """
    wanted = None if isinstance(sequences, bool) else {attribute(one).column for one in sequences}
    pieces: dict[str, Any] = {}
    for name in table.columns:
        if _is_sequence(name) and (wanted is None or name in wanted):
            paths = sorted({path for cell in table[name] for path in _paths(cell)})
            pieces.update({".".join((name, *tags)): tags for tags in paths})
            for tags in paths:
                pieces[".".join((name, *tags))] = _column(table[name], tags)
        else:
            pieces[name] = table[name]
    return _like(table, pieces)


def with_paths(
    table: pd.DataFrame, paths: Sequence[str], columns: Sequence[str], hidden: Iterable[str]
) -> pd.DataFrame:
    """The columns in this order, then those not named; paths are taken out of their sequences.

    Args:
        paths: those of ``columns`` that are paths into sequences of the table.
        columns: names that are wanted, in order.
        hidden: sequences that are there only for the sake of their paths.
    """
    without = set(hidden)
    pieces: dict[str, Any] = {}
    for name in columns:
        if name in paths:
            first, *steps = name.split(".")
            pieces[name] = _column(table[first], tuple(steps))
        elif name not in without:
            pieces[name] = table[name]
    for name in table.columns:
        if name not in without:
            pieces.setdefault(name, table[name])
    return _like(table, pieces)


def _like(table: pd.DataFrame, pieces: dict[str, Any]) -> pd.DataFrame:
    made = pd.DataFrame(pieces, index=table.index, copy=False)
    made.attrs = dict(table.attrs)
    return made


def _is_sequence(name: object) -> bool:
    return isinstance(name, str) and "." not in name and attribute(name).vr == "SQ"


def _paths(cell: Any) -> Iterator[tuple[str, ...]]:
    """Paths of everything in a cell that is no sequence itself; an empty one is its own path."""
    for item in cell or ():
        for name, value in item.items():
            if isinstance(value, tuple) and value and isinstance(value[0], dict):
                yield from ((name, *inner) for inner in _paths(value))
            else:
                yield (name,)


def _column(cells: pd.Series, steps: tuple[str, ...]) -> pd.Series:
    found = [list(_values(cell, steps)) for cell in cells]
    column = column_of(attribute(steps[-1]).tag)
    made: Any
    if all(len(values) <= 1 for values in found):
        plain = [values[0] if values else None for values in found]
        made = column_array(column, plain)
    else:
        several = [tuple(v) if any(one is not None for one in v) else None for v in found]
        made = np.fromiter(several, dtype=object, count=len(several))
    return pd.Series(made, index=cells.index)


def _values(cell: Any, steps: tuple[str, ...]) -> Iterator[Any]:
    for item in cell or ():
        value = item.get(steps[0])
        if len(steps) == 1:
            yield value
        else:
            yield from _values(value, steps[1:])
