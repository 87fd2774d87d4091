"""Names put together from their parts."""

from __future__ import annotations

from dicomnb.web.google_names import made

__all__ = ["dataset", "location", "store"]


def store(*, project: str, location: str, dataset: str, store: str) -> str:
    """The name of a DICOM store, which `dicomnb.connect` takes.

    Raises:
        RefError: a part is empty or has signs that none may have.

    Example:
        >>> store(project="p", location="us-central1", dataset="d", store="s")
        'projects/p/locations/us-central1/datasets/d/dicomStores/s'
    """
    return made("store", project=project, location=location, dataset=dataset, store=store)


def dataset(*, project: str, location: str, dataset: str) -> str:
    """The name of a dataset, in which stores lie; see `store`."""
    return made("dataset", project=project, location=location, dataset=dataset)


def location(*, project: str, location: str) -> str:
    """The name of a location, in which datasets lie; see `store`."""
    return made("location", project=project, location=location)
