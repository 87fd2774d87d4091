"""Deleting several things one after the other, and saying what became of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from dicomnb.errors import DicomnbError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dicomnb.refs import Ref
    from dicomnb.source import Source

__all__ = ["DELETION_COLUMNS", "delete"]

DELETION_COLUMNS = [
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "Outcome",
    "Reason",
    "Operation",
]


def delete(source: Source, refs: Sequence[Ref]) -> pd.DataFrame:
    """Delete each of ``refs``; a single one that fails raises, several go on and are told.

    Returns:
        One row a thing; ``Outcome`` is ``deleted``, ``deleting`` (the server goes on by
        itself, under the name in ``Operation``) or ``failed`` with its ``Reason``.
    """
    rows = []
    for ref in refs:
        outcome, reason, operation = "deleted", "", None
        try:
            operation = source.delete(ref)
            outcome = "deleting" if operation else "deleted"
        except (DicomnbError, OSError) as error:
            if len(refs) == 1:
                raise
            outcome, reason = "failed", str(error)
        rows.append((ref.study, ref.series, ref.instance, outcome, reason, operation))
    return pd.DataFrame(rows, columns=DELETION_COLUMNS, dtype="object")
