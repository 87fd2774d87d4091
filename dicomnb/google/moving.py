"""Whole stores in and out: Cloud Storage and BigQuery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from dicomnb.errors import BadQuery
from dicomnb.google.reaching import ended, reached
from dicomnb.web.google_names import path_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from dicomnb.operations import Operation, OperationState
    from dicomnb.options import Options

__all__ = ["export", "import_"]

WRITE = {"empty": "WRITE_EMPTY", "append": "WRITE_APPEND", "truncate": "WRITE_TRUNCATE"}


def import_(
    store: Any,
    uri: str,
    *,
    wait: bool = True,
    time_limit: float | None = None,
    progress: bool | Callable[[OperationState], None] | None = None,
    auth: Any = None,
    options: Options | None = None,
) -> Operation:
    """Import instances from Cloud Storage into a store.

    Args:
        store: the store's name, or an `Archive`.
        uri: ``gs://bucket/path/**.dcm``: ``*`` stands for signs within a folder, ``**`` for
            folders as well, ``?`` for one sign. The service's own account reads there.
        wait: whether to wait for its end; False hands the operation back at once.
        time_limit: seconds to wait at most; None as long as it takes.
        progress: True for a bar, or a function that is told each `OperationState`.

    Returns:
        The operation; ``.failures`` tells how many instances failed, and so does a warning.

    Raises:
        BadQuery: ``uri`` is none of Cloud Storage.
    """
    body = {"gcsSource": {"uri": _bucket("uri", uri)}}
    with reached(store, "store", auth=auth, options=options) as (api, name):
        begun = api.operation(api.call("POST", f"{path_of(name)}:import", body=body))
        return ended(begun, wait=wait, time_limit=time_limit, progress=progress)


def export(
    store: Any,
    to: str,
    *,
    media_type: str | None = None,
    write: Literal["empty", "append", "truncate"] | None = None,
    wait: bool = True,
    time_limit: float | None = None,
    progress: bool | Callable[[OperationState], None] | None = None,
    auth: Any = None,
    options: Options | None = None,
) -> Operation:
    """Export a store: instances to Cloud Storage, or attributes to a BigQuery table.

    Args:
        store: the store's name, or an `Archive`.
        to: ``gs://bucket/folder``, where ``STUDY/SERIES/INSTANCE.dcm`` are written, or
            ``bq://project.dataset.table``.
        media_type: for Cloud Storage, what is written, as in an Accept header:
            ``"application/dicom; transfer-syntax=*"`` (as stored), ``"image/png"``, ….
        write: for BigQuery, what is done with a table that is there: ``"empty"`` fails unless
            it is empty, ``"append"`` adds, ``"truncate"`` replaces. None leaves it to the API.
        wait, time_limit, progress: see `import_`.

    Returns:
        The operation; ``.failures`` tells how many instances failed, and so does a warning.

    Raises:
        BadQuery: ``to`` is neither, or an argument belongs to the other.
    """
    body = _destination(to, media_type, write)
    with reached(store, "store", auth=auth, options=options) as (api, name):
        begun = api.operation(api.call("POST", f"{path_of(name)}:export", body=body))
        return ended(begun, wait=wait, time_limit=time_limit, progress=progress)


def _destination(to: str, media_type: str | None, write: str | None) -> dict[str, Any]:
    if str(to).startswith("bq://"):
        if media_type is not None:
            raise BadQuery("media_type= belongs to an export to Cloud Storage, not to BigQuery.")
        if to.count(".") < 2 or "" in to.removeprefix("bq://").split("."):
            raise BadQuery(f"{to!r} is no table: bq://project.dataset.table.")
        if write is not None and write not in WRITE:
            raise BadQuery(f"write={write!r} is none of {', '.join(map(repr, WRITE))}.")
        more = {} if write is None else {"writeDisposition": WRITE[write]}
        return {"bigqueryDestination": {"tableUri": to, **more}}
    if write is not None:
        raise BadQuery("write= belongs to an export to BigQuery, not to Cloud Storage.")
    kind = {} if media_type is None else {"mimeType": media_type}
    return {"gcsDestination": {"uriPrefix": _bucket("to", to), **kind}}


def _bucket(name: str, uri: str) -> str:
    before, _, place = str(uri).partition("gs://")
    if before or not place.strip("/"):
        raise BadQuery(f"{name}={uri!r} is no place in Cloud Storage: gs://bucket/path.")
    return uri
