"""Deleting things, waiting for servers that go on with it, and saying what became of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from dicomnb.errors import DicomnbError, StillRunning
from dicomnb.transfer.events import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dicomnb.operations import Operation, OperationState
    from dicomnb.refs import Ref
    from dicomnb.source import Source
    from dicomnb.transfer.events import Tell

__all__ = ["DELETION_COLUMNS", "delete"]

DELETION_COLUMNS = [
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "Outcome",
    "Reason",
    "Operation",
]


def delete(
    source: Source, refs: Sequence[Ref], *, wait: bool, time_limit: float | None, tell: Tell
) -> pd.DataFrame:
    """Delete each of ``refs``; a single one that fails raises, several go on and are told.

    All are begun before the first is waited for, so that a server works on them side by side.

    Args:
        wait: whether to wait for operations by which the server goes on.
        time_limit: seconds to wait for each at most, or None.

    Returns:
        One row a thing; ``Outcome`` is ``deleted``, ``deleting`` (the server goes on by
        itself, with ``Operation``) or ``failed`` with its ``Reason``.
    """
    is_single = len(refs) == 1
    begun = [_begun(source, ref, is_single) for ref in refs]
    rows = []
    for done, (ref, (outcome, reason, operation)) in enumerate(zip(refs, begun, strict=True), 1):
        if wait and operation is not None:
            telling = _items(tell) if is_single else None
            outcome, reason, operation = _ended(operation, time_limit, is_single, telling)
        if not is_single:
            tell(Progress(done, total=len(refs)))
        rows.append((ref.study, ref.series, ref.instance, outcome, reason, operation))
    return pd.DataFrame(rows, columns=DELETION_COLUMNS, dtype="object")


def _begun(source: Source, ref: Ref, is_single: bool) -> tuple[str, str, Operation | None]:
    try:
        operation = source.delete(ref)
    except (DicomnbError, OSError) as error:
        if is_single:
            raise
        return "failed", str(error), None
    return ("deleted", "", None) if operation is None else ("deleting", "", operation)


def _ended(
    operation: Operation, time_limit: float | None, is_single: bool, tell: Any
) -> tuple[str, str, Operation | None]:
    """What became of a deletion that the server goes on with."""
    if not operation.can_be_asked:
        return (
            "deleting",
            "The server goes on by itself and does not tell when it is done.",
            operation,
        )
    try:
        operation.wait(time_limit=time_limit, progress=tell)
    except StillRunning as error:
        return "deleting", str(error), operation
    except DicomnbError as error:
        if is_single:
            raise
        return "failed", str(error), operation
    if operation.failures:
        return "failed", f"{operation.failures} items were not deleted.", operation
    return "deleted", "", None


def _items(tell: Tell) -> Any:
    def told(state: OperationState) -> None:
        done = state.success + state.failure
        tell(Progress(done, total=done + state.pending or None))

    return told
