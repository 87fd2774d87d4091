"""Management calls: projects, locations, datasets, DICOM stores and operations."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, TypeVar

from dicomnb.server.answers import Answer, Refused
from dicomnb.server.google.calls import field
from dicomnb.server.google.names import LOCATION, PROJECT, checked_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from dicomnb.server.google.calls import Call

__all__ = [
    "cancel_operation",
    "create_dataset",
    "create_store",
    "delete_dataset",
    "delete_store",
    "list_datasets",
    "list_locations",
    "list_operations",
    "list_projects",
    "list_stores",
    "patch_dataset",
    "patch_store",
    "show_dataset",
    "show_location",
    "show_operation",
    "show_store",
]

_DATASET_FIELDS: Mapping[str, type] = {"timeZone": str, "encryptionSpec": dict}
_STORE_FIELDS: Mapping[str, type] = {
    "labels": dict,
    "notificationConfig": dict,
    "notificationConfigs": list,
    "streamConfigs": list,
}
_GIVEN_NAMES = frozenset({"name"})
Item = TypeVar("Item")


def list_projects(call: Call) -> Answer:
    """The one project. Google's Resource Manager answers so, under another host."""
    shown = {"projectId": PROJECT, "projectNumber": "1", "lifecycleState": "ACTIVE", "name": "Demo"}
    return call.answer({"projects": [shown]})


def list_locations(call: Call) -> Answer:
    """The one location of the project."""
    parent = f"projects/{call.arguments['project']}/locations/{LOCATION}"
    call.catalogue.check_parent(parent)
    return call.answer({"locations": [{"name": parent, "locationId": LOCATION}]})


def show_location(call: Call) -> Answer:
    """A location."""
    call.catalogue.check_parent(call.parent)
    return call.answer({"name": call.parent, "locationId": LOCATION})


def create_dataset(call: Call) -> Answer:
    """A new dataset: an operation, whose response is the dataset."""
    call.catalogue.check_parent(call.parent)
    settings = _settings(call, _DATASET_FIELDS)
    key = checked_id(call.parameter("datasetId"), "datasetId")
    dataset = call.catalogue.add_dataset(key, {"timeZone": "UTC", **settings})
    kind = f"type.googleapis.com/google.cloud.healthcare.{call.version}.dataset.Dataset"
    return call.begun(
        dataset.operations.start(
            "dataset.DatasetService.CreateDataset", lambda _: {"@type": kind, **dataset.shown()}
        )
    )


def list_datasets(call: Call) -> Answer:
    """Datasets by name, page by page."""
    call.catalogue.check_parent(call.parent)
    found = call.catalogue.datasets()
    return _listed(call, "datasets", found, name=lambda one: one.name, show=lambda one: one.shown())


def show_dataset(call: Call) -> Answer:
    """A dataset."""
    return call.answer(call.dataset.shown())


def patch_dataset(call: Call) -> Answer:
    """Change the fields that ``updateMask`` names."""
    dataset = call.dataset
    _patch(call, dataset.settings, _DATASET_FIELDS)
    return call.answer(dataset.shown())


def delete_dataset(call: Call) -> Answer:
    """Remove a dataset with all its stores: ``{}``."""
    call.catalogue.remove_dataset(call.parent, call.arguments["dataset"])
    return call.answer({})


def create_store(call: Call) -> Answer:
    """A new, empty store: the store itself, no operation."""
    dataset = call.dataset
    settings = _settings(call, _STORE_FIELDS)
    key = checked_id(call.parameter("dicomStoreId"), "dicomStoreId")
    return call.answer(call.catalogue.add_store(dataset, key, settings).shown())


def list_stores(call: Call) -> Answer:
    """The stores of a dataset by name, page by page."""
    found = sorted(call.dataset.stores.values(), key=lambda one: one.name)
    return _listed(
        call, "dicomStores", found, name=lambda one: one.name, show=lambda one: one.shown()
    )


def show_store(call: Call) -> Answer:
    """A store."""
    return call.answer(call.store.shown())


def patch_store(call: Call) -> Answer:
    """Change the fields that ``updateMask`` names."""
    store = call.store
    _patch(call, store.settings, _STORE_FIELDS)
    return call.answer(store.shown())


def delete_store(call: Call) -> Answer:
    """Remove a store with all that is in it: ``{}``."""
    call.catalogue.remove_store(call.parent, call.arguments["dataset"], call.arguments["store"])
    return call.answer({})


def list_operations(call: Call) -> Answer:
    """The operations of a dataset, the oldest first, page by page."""
    found = list(call.dataset.operations)
    return _listed(
        call,
        "operations",
        found,
        name=lambda one: one.name.rpartition("/")[2].zfill(20),
        show=lambda one: one.shown(call.version),
    )


def show_operation(call: Call) -> Answer:
    """An operation: what it has done so far, and whether it is done."""
    operation = call.dataset.operations[call.arguments["operation"]]
    return call.answer(operation.shown(call.version))


def cancel_operation(call: Call) -> Answer:
    """Ask an operation to end early: ``{}``; one that has ended stays as it is."""
    operation = call.dataset.operations[call.arguments["operation"]]
    if operation.ended is None:
        operation.cancel.set()
    return call.answer({})


def _settings(call: Call, known: Mapping[str, type]) -> dict[str, Any]:
    """The fields of a new resource; its name is in the path."""
    given = call.body()
    names = given.keys() - _GIVEN_NAMES
    _check_fields(names, known)
    values = {name: field(given, name, known[name]) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _patch(call: Call, settings: dict[str, Any], known: Mapping[str, type]) -> None:
    mask = call.parameter("updateMask")
    if not mask:
        raise Refused(400, "updateMask is needed: the fields to change, separated by commas.")
    names = mask.split(",")
    _check_fields(names, known)
    given = call.body()
    values = {name: field(given, name, known[name]) for name in names}
    for name, value in values.items():
        if value is None:
            settings.pop(name, None)
        else:
            settings[name] = value


def _check_fields(names: Iterable[str], known: Mapping[str, type]) -> None:
    unknown = sorted(set(names) - known.keys())
    if unknown:
        raise Refused(400, f"Unknown field {unknown[0]!r}; known are {', '.join(sorted(known))}.")


def _listed(
    call: Call,
    key: str,
    found: Sequence[Item],
    *,
    name: Callable[[Item], str],
    show: Callable[[Item], dict[str, Any]],
) -> Answer:
    """One page of resources that are in order of ``name``; nothing at all for an empty list."""
    if call.parameter("filter"):
        raise Refused(400, "filter is not offered by this server; leave it out.")
    after = _after(call.parameter("pageToken"))
    size = _page_size(call)
    left = [one for one in found if name(one) > after]
    answer: dict[str, Any] = {}
    if left:
        answer[key] = [show(one) for one in left[:size]]
    if len(left) > size:
        answer["nextPageToken"] = base64.urlsafe_b64encode(name(left[size - 1]).encode()).decode()
    return call.answer(answer)


def _page_size(call: Call) -> int:
    habits, text = call.catalogue.habits, call.parameter("pageSize")
    if text is None:
        return habits.default_page
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise Refused(400, f"pageSize={text!r} is no number.")
    return min(int(text) or habits.default_page, habits.largest_page)


def _after(token: str | None) -> str:
    """The name that the page before ended with."""
    if not token:
        return ""
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise Refused(400, "pageToken is none that a list gave.") from error
