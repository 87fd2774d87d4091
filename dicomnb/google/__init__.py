"""The Google Cloud Healthcare API beside DICOMweb: datasets, stores, and moving data.

    import dicomnb as dn

    dataset = dn.google.dataset(project="p", location="us-central1", dataset="d")
    dn.google.stores(dataset)  # a DataFrame
    store = dn.google.create_store(f"{dataset}/dicomStores/new")
    dn.google.import_(store, "gs://bucket/scans/**.dcm", progress=True)
    dn.google.metrics(store)
    archive = dn.connect(store)

What is asked about is given by its name, by an address, or as an `Archive` of a store: the
dataset of a store's archive is that store's dataset. ``auth=`` and ``options=`` are those of
`dicomnb.connect`; an archive brings its own, and may also stand as ``auth=`` for another name.
"""

from __future__ import annotations

from dicomnb.google.counting import metrics
from dicomnb.google.deidentifying import configuration, deidentify
from dicomnb.google.finding import locations, projects
from dicomnb.google.managing import (
    create_dataset,
    create_store,
    datasets,
    delete_dataset,
    delete_store,
    describe,
    stores,
)
from dicomnb.google.moving import export, import_
from dicomnb.google.naming import dataset, location, store
from dicomnb.google.running import operation, operations
from dicomnb.operations import Operation, OperationState

__all__ = [
    "Operation",
    "OperationState",
    "configuration",
    "create_dataset",
    "create_store",
    "dataset",
    "datasets",
    "deidentify",
    "delete_dataset",
    "delete_store",
    "describe",
    "export",
    "import_",
    "location",
    "locations",
    "metrics",
    "operation",
    "operations",
    "projects",
    "store",
    "stores",
]
