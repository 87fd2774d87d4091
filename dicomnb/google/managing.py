"""Datasets and DICOM stores: listed, made, described, deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from dicomnb.errors import DicomWebError, RefError
from dicomnb.google.counting import STORE_COUNTS, store_counts
from dicomnb.google.reaching import ended, reached
from dicomnb.google.tabling import table
from dicomnb.vr import TEXT_DTYPE
from dicomnb.web.google_names import last_part, parent, path_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dicomnb.options import Options
    from dicomnb.web.google_api import GoogleApi

__all__ = [
    "create_dataset",
    "create_store",
    "datasets",
    "delete_dataset",
    "delete_store",
    "describe",
    "stores",
]

_DATASET_COLUMNS = {"Name": TEXT_DTYPE, "Dataset": TEXT_DTYPE, "TimeZone": TEXT_DTYPE}
_STORE_COLUMNS = {
    "Name": TEXT_DTYPE,
    "Store": TEXT_DTYPE,
    "PubsubTopic": TEXT_DTYPE,
    "Labels": "object",
}
_PAGE = (("pageSize", "1000"),)


def datasets(where: Any, *, auth: Any = None, options: Options | None = None) -> pd.DataFrame:
    """The datasets of a location.

    Args:
        where: ``projects/P/locations/L``, or anything in it, or an `Archive`.
        auth: as for `dicomnb.connect`, or an `Archive` to ask through.
        options: as for `dicomnb.connect`.

    Returns:
        One row a dataset: ``Name``, ``Dataset`` (its identifier), ``TimeZone``.

    Example:
        >>> datasets("projects/p/locations/us-central1")
    """
    with reached(where, "location", auth=auth, options=options) as (api, name):
        found = api.pages(f"{path_of(name)}/datasets", "datasets", params=_PAGE)
        rows = [
            (one.get("name"), last_part(str(one.get("name"))), one.get("timeZone") or "UTC")
            for one in found
        ]
    return table(rows, _DATASET_COLUMNS)


def stores(dataset: Any, *, auth: Any = None, options: Options | None = None) -> pd.DataFrame:
    """The DICOM stores of a dataset.

    Args:
        dataset: ``projects/P/locations/L/datasets/D``, or a store in it, or an `Archive`.

    Returns:
        One row a store: ``Name``, ``Store`` (its identifier), ``PubsubTopic`` that it tells of
        what is stored, ``Labels`` (a dict).
    """
    with reached(dataset, "dataset", auth=auth, options=options) as (api, name):
        rows = [_store_row(one) for one in _stores(api, name)]
    return table(rows, _STORE_COLUMNS)


def describe(what: Any, *, auth: Any = None, options: Options | None = None) -> pd.Series:
    """A store, or a dataset, with all that the API tells of it.

    Args:
        what: its name or address; an `Archive` is its store.

    Raises:
        AuthError: there is no such thing, or no access to it: the API does not tell which.
    """
    is_store = not isinstance(what, str) or "/dicomStores/" in what
    kind = "store" if is_store else "dataset"
    with reached(what, kind, auth=auth, options=options) as (api, name):  # type: ignore[arg-type]
        said = api.call("GET", path_of(name))
    return pd.Series(said, dtype="object", name=last_part(name))


def create_dataset(
    name: str,
    *,
    time_zone: str | None = None,
    time_limit: float | None = 600.0,
    auth: Any = None,
    options: Options | None = None,
) -> str:
    """Make a dataset, and wait until it is there.

    Args:
        name: ``projects/P/locations/L/datasets/D``.
        time_zone: for values without one, ``"Europe/Zurich"``; None is UTC.
        time_limit: seconds to wait at most.

    Returns:
        Its name.

    Raises:
        BadQuery: there is one of that name.
        StillRunning: it was not there in time; the API goes on with it.
    """
    with reached(name, "dataset", auth=auth, options=options) as (api, full):
        said = api.call(
            "POST",
            f"{path_of(parent(full))}/datasets",
            params=[("datasetId", last_part(full))],
            body={} if time_zone is None else {"timeZone": time_zone},
        )
        ended(api.operation(said), wait=True, time_limit=time_limit, progress=None)
    return full


def create_store(
    name: str,
    *,
    labels: Mapping[str, str] | None = None,
    pubsub_topic: str | None = None,
    auth: Any = None,
    options: Options | None = None,
) -> str:
    """Make a DICOM store; it is there at once.

    Args:
        name: ``projects/P/locations/L/datasets/D/dicomStores/S``.
        labels: for lists and bills.
        pubsub_topic: ``projects/P/topics/T`` that is told of every instance stored.

    Returns:
        Its name, which `dicomnb.connect` takes.

    Raises:
        BadQuery: there is one of that name.
    """
    body: dict[str, Any] = {} if labels is None else {"labels": dict(labels)}
    if pubsub_topic is not None:
        body["notificationConfig"] = {"pubsubTopic": pubsub_topic}
    with reached(name, "store", auth=auth, options=options) as (api, full):
        api.call(
            "POST",
            f"{path_of(parent(full))}/dicomStores",
            params=[("dicomStoreId", last_part(full))],
            body=body,
        )
    return full


def delete_store(
    name: Any, *, confirm: str | None = None, auth: Any = None, options: Options | None = None
) -> None:
    """Delete a DICOM store with every instance in it, for good.

    Args:
        name: the store's name, or an `Archive`.
        confirm: the store's identifier, the last part of its name, once more.

    Raises:
        RefError: not confirmed; nothing was deleted, and the error tells what it holds.
    """
    with reached(name, "store", auth=auth, options=options) as (api, full):
        if confirm != last_part(full):
            raise RefError(_unconfirmed(full, _held_by_store(api, full)))
        api.call("DELETE", path_of(full))


def delete_dataset(
    name: str, *, confirm: str | None = None, auth: Any = None, options: Options | None = None
) -> None:
    """Delete a dataset with every store in it, of DICOM and of any other kind, for good.

    Args:
        name: the dataset's name. A store's is refused: it would widen what is deleted.
        confirm: the dataset's identifier, the last part of its name, once more.

    Raises:
        RefError: not confirmed; nothing was deleted, and the error tells what it holds.
    """
    if not isinstance(name, str) or "/dicomStores" in name:
        raise RefError(
            "A dataset is deleted by its own name, projects/P/locations/L/datasets/D; "
            "nothing was deleted."
        )
    with reached(name, "dataset", auth=auth, options=options) as (api, full):
        if confirm != last_part(full):
            found = ", ".join(last_part(str(one.get("name"))) for one in _stores(api, full))
            raise RefError(_unconfirmed(full, f"the DICOM stores {found}" if found else ""))
        api.call("DELETE", path_of(full))


def _stores(api: GoogleApi, dataset: str) -> Any:
    return api.pages(f"{path_of(dataset)}/dicomStores", "dicomStores", params=_PAGE)


def _store_row(said: Mapping[str, Any]) -> tuple[Any, ...]:
    name = str(said.get("name"))
    config = said.get("notificationConfig")
    topic = config.get("pubsubTopic") if isinstance(config, dict) else None
    return (name, last_part(name), topic or "", said.get("labels") or {})


def _held_by_store(api: GoogleApi, store: str) -> str:
    """What a store holds, in words; nothing where the API does not tell."""
    try:
        told = store_counts(api, store)
    except DicomWebError:
        return ""
    counts = dict(zip(STORE_COUNTS, told, strict=True))
    return f"{counts['Studies'] or 0:,} studies with {counts['Instances'] or 0:,} instances"


def _unconfirmed(name: str, held: str) -> str:
    holding = f", which holds {held}" if held else ""
    return (
        f"Nothing was deleted. {name}{holding}, would be gone for good; if that is meant, pass "
        f"confirm={last_part(name)!r}."
    )
