"""The calls of the Google API as one table: method, path and what answers (DISC)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from dicomnb.server.google import management, metrics
from dicomnb.server.google.deidentification import deidentify_store
from dicomnb.server.google.retrieval import bulk_data, instances, metadata, rendered
from dicomnb.server.google.searching import search
from dicomnb.server.google.storing import delete, store
from dicomnb.server.google.transfers import export_store, import_store
from dicomnb.server.retrieval import frames

if TYPE_CHECKING:
    from collections.abc import Callable

    from dicomnb.server.answers import Answer
    from dicomnb.server.google.calls import Call, StoreExchange

__all__ = ["MANAGEMENT", "WEB", "WEB_ROOT", "ManagementRoute", "WebRoute"]

_LOCATIONS = "/projects/<project>/locations"
_LOCATION = f"{_LOCATIONS}/<location>"
_DATASET = f"{_LOCATION}/datasets/<dataset>"
STORE_PATH = f"{_DATASET}/dicomStores/<store>"
_OPERATION = f"{_DATASET}/operations/<operation>"
WEB_ROOT = f"{STORE_PATH}/dicomWeb"
_STUDY = "/studies/<study>"
_SERIES = f"{_STUDY}/series/<series>"
_INSTANCE = f"{_SERIES}/instances/<instance>"


@dataclass(frozen=True)
class ManagementRoute:
    """A management call.

    Attributes:
        method: HTTP method.
        path: below the version, with variables in angle brackets.
        handler: what answers.
        writes: whether it changes something.
    """

    method: str
    path: str
    handler: Callable[[Call], Answer]
    writes: bool = False


@dataclass(frozen=True)
class WebRoute:
    """A DICOMweb service of a store; like `ManagementRoute`, below the store's root."""

    method: str
    path: str
    handler: Callable[[StoreExchange], Answer]
    writes: bool = False


MANAGEMENT: tuple[ManagementRoute, ...] = (
    ManagementRoute("GET", "/projects", management.list_projects),
    ManagementRoute("GET", _LOCATIONS, management.list_locations),
    ManagementRoute("GET", _LOCATION, management.show_location),
    ManagementRoute("GET", f"{_LOCATION}/datasets", management.list_datasets),
    ManagementRoute("POST", f"{_LOCATION}/datasets", management.create_dataset, True),
    ManagementRoute("GET", _DATASET, management.show_dataset),
    ManagementRoute("PATCH", _DATASET, management.patch_dataset, True),
    ManagementRoute("DELETE", _DATASET, management.delete_dataset, True),
    ManagementRoute("GET", f"{_DATASET}/dicomStores", management.list_stores),
    ManagementRoute("POST", f"{_DATASET}/dicomStores", management.create_store, True),
    ManagementRoute("GET", STORE_PATH, management.show_store),
    ManagementRoute("PATCH", STORE_PATH, management.patch_store, True),
    ManagementRoute("DELETE", STORE_PATH, management.delete_store, True),
    ManagementRoute("GET", f"{STORE_PATH}:getDICOMStoreMetrics", metrics.store_metrics),
    ManagementRoute("POST", f"{STORE_PATH}:import", import_store, True),
    ManagementRoute("POST", f"{STORE_PATH}:export", export_store),
    ManagementRoute("POST", f"{STORE_PATH}:deidentify", deidentify_store, True),
    ManagementRoute("GET", f"{_DATASET}/operations", management.list_operations),
    ManagementRoute("GET", _OPERATION, management.show_operation),
    ManagementRoute("POST", f"{_OPERATION}:cancel", management.cancel_operation),
)

WEB: tuple[WebRoute, ...] = (
    WebRoute("GET", "/studies", partial(search, level="study")),
    WebRoute("GET", "/series", partial(search, level="series")),
    WebRoute("GET", "/instances", partial(search, level="instance")),
    WebRoute("GET", f"{_STUDY}/series", partial(search, level="series")),
    WebRoute("GET", f"{_STUDY}/instances", partial(search, level="instance")),
    WebRoute("GET", f"{_SERIES}/instances", partial(search, level="instance")),
    WebRoute("GET", _STUDY, instances),
    WebRoute("GET", _SERIES, instances),
    WebRoute("GET", _INSTANCE, instances),
    WebRoute("GET", f"{_STUDY}/metadata", metadata),
    WebRoute("GET", f"{_SERIES}/metadata", metadata),
    WebRoute("GET", f"{_INSTANCE}/metadata", metadata),
    WebRoute("GET", f"{_INSTANCE}/rendered", rendered),
    WebRoute("GET", f"{_INSTANCE}/frames/<numbers>", frames),
    WebRoute("GET", f"{_INSTANCE}/frames/<numbers>/rendered", rendered),
    WebRoute("GET", f"{_INSTANCE}/<any(bulkdata):word>/<path:path>", bulk_data),
    WebRoute("GET", f"{_STUDY}:getStudyMetrics", metrics.study_metrics),
    WebRoute("GET", f"{_SERIES}:getSeriesMetrics", metrics.series_metrics),
    WebRoute("GET", f"{_INSTANCE}:getStorageInfo", metrics.instance_storage),
    WebRoute("POST", "/studies", store, True),
    WebRoute("POST", _STUDY, store, True),
    WebRoute("DELETE", _STUDY, delete, True),
    WebRoute("DELETE", _SERIES, delete, True),
    WebRoute("DELETE", _INSTANCE, delete, True),
)
"""No thumbnails, no pictures of a study or series, no WADO-URI."""
