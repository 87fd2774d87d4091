"""What was wrong with values: kept small, counted, and unfolded into a table on request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from dicomnb.vr import TEXT_DTYPE

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ATTRS_KEY", "KEPT", "Oddities", "Oddity", "issues_of"]

#: Where ``df.attrs`` holds the oddities, as one JSON string.
ATTRS_KEY = "oddities"

#: How many oddities a table keeps; all are counted.
KEPT = 200

_RAW_LENGTH = 80
_FIELDS = ("UID", "Keyword", "Raw", "Problem")


class Oddity(NamedTuple):
    """One value that is not what it should be.

    Attributes:
        uid: the row's SOPInstanceUID, else its SeriesInstanceUID, else its StudyInstanceUID.
        keyword: the attribute; inside sequences the path, ``"Sequence[0].Keyword"``.
        raw: what came, as JSON text, cut to a readable length.
        problem: what is wrong with it.
    """

    uid: str
    keyword: str
    raw: str
    problem: str


class Oddities:
    """Collects oddities: the first `KEPT` of them, and the count of all."""

    def __init__(self) -> None:
        self.kept: list[Oddity] = []
        self.count = 0

    def add(self, *, uid: str, keyword: str, raw: object, problem: str) -> None:
        """Count one, and keep it if there is room."""
        self.count += 1
        if len(self.kept) < KEPT:
            self.kept.append(Oddity(uid, keyword, _shown(raw), problem))

    def to_json(self) -> str:
        """As one JSON string, ``{"count": n, "kept": [[uid, keyword, raw, problem], …]}``."""
        return json.dumps({"count": self.count, "kept": self.kept})


def issues_of(table: pd.DataFrame) -> pd.DataFrame:
    """The oddities of a table that dicomnb made.

    Args:
        table: as a search or ``metadata`` returns it. ``attrs`` may get lost on the way
            through pandas; then there is nothing to tell.

    Returns:
        One row an oddity, columns ``UID``, ``Keyword``, ``Raw`` (what came, as JSON text) and
        ``Problem``, at most `KEPT` rows; ``attrs["count"]`` counts all there were.
    """
    stored = json.loads(table.attrs.get(ATTRS_KEY) or "{}")
    rows: Iterable[Iterable[str]] = stored.get("kept", [])
    columns = list(zip(*rows, strict=True)) or [()] * len(_FIELDS)
    issues = pd.DataFrame(
        {
            field: pd.Series(list(cells), dtype=TEXT_DTYPE)
            for field, cells in zip(_FIELDS, columns, strict=True)
        }
    )
    issues.attrs["count"] = int(stored.get("count", 0))
    return issues


def _shown(raw: object) -> str:
    try:
        text = json.dumps(raw, ensure_ascii=True, default=str)
    except (ValueError, RecursionError):  # too deep or circular to show
        text = f"({type(raw).__name__})"
    return text if len(text) <= _RAW_LENGTH else text[: _RAW_LENGTH - 1] + "…"
