"""Operations that run or have run: found again by name, and listed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dicomnb.errors import RefError
from dicomnb.google.reaching import reached
from dicomnb.google.tabling import table, time
from dicomnb.vr import TEXT_DTYPE
from dicomnb.web.google_names import path_of

if TYPE_CHECKING:
    import pandas as pd

    from dicomnb.operations import Operation
    from dicomnb.options import Options

__all__ = ["operation", "operations"]

_COLUMNS = {
    "Name": TEXT_DTYPE,
    "Method": TEXT_DTYPE,
    "State": TEXT_DTYPE,
    "Pending": "Int64",
    "Success": "Int64",
    "Failure": "Int64",
    "Created": "datetime64[ns, UTC]",
    "Ended": "datetime64[ns, UTC]",
    "Error": TEXT_DTYPE,
}


def operation(name: str, *, auth: Any = None, options: Options | None = None) -> Operation:
    """An operation by its name: to wait for it, to cancel it, to see what became of it.

    Args:
        name: ``projects/P/locations/L/datasets/D/operations/N``.
        auth: as for `dicomnb.connect`, or an `Archive` to ask through.

    Raises:
        RefError: the name is not an operation's.
        NotFound: there is none; the API forgets old ones.
    """
    where, found, identifier = str(name).rpartition("/operations/")
    if not found or not identifier or "/" in identifier:
        raise RefError(f"{name!r} is no operation: projects/P/locations/L/datasets/D/operations/N.")
    with reached(where, "dataset", auth=auth, options=options) as (api, _):
        path = name.strip()[name.strip().index("projects/") :]
        return api.operation(api.call("GET", path_of(path)))


def operations(dataset: Any, *, auth: Any = None, options: Options | None = None) -> pd.DataFrame:
    """The operations of a dataset that the API remembers.

    Returns:
        One row an operation: ``Name``, ``Method``, ``State`` (``running``, ``cancelling``,
        ``done``, ``cancelled`` or ``failed``), ``Pending``, ``Success``, ``Failure`` (items),
        ``Created``, ``Ended`` (UTC), ``Error``.
    """
    with reached(dataset, "dataset", auth=auth, options=options) as (api, name):
        found = [
            api.operation(one) for one in api.pages(f"{path_of(name)}/operations", "operations")
        ]
    return table((_row(one) for one in found), _COLUMNS)


def _row(one: Operation) -> tuple[Any, ...]:
    state = one.state
    counts = (state.pending, state.success, state.failure)
    times = (time(state.created), time(state.ended))
    return (one.name, state.method, state.word, *counts, *times, state.error)
