"""The API's lists as tables: the same columns and types for no rows as for many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["count", "table", "time"]


def table(rows: Iterable[Sequence[Any]], columns: Mapping[str, str]) -> pd.DataFrame:
    """A table with typed columns.

    Args:
        rows: one sequence a row.
        columns: name → dtype.
    """
    made = pd.DataFrame(list(rows), columns=list(columns), dtype="object")
    return made.astype(dict(columns))


def count(value: Any) -> int | None:
    """A count, which the API writes as text; None where there is none."""
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def time(value: Any) -> pd.Timestamp | None:
    """A time as the API writes it, or None."""
    found = pd.to_datetime(str(value or ""), utc=True, errors="coerce", format="ISO8601")
    return None if pd.isna(found) else found
