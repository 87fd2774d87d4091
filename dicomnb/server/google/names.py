"""Where a Google API keeps a DICOM store, and what it calls things."""

from __future__ import annotations

import re

from dicomnb.server.answers import Refused

__all__ = ["DATASET", "LOCATION", "PROJECT", "STORE", "checked_id", "split_store", "store_name"]

PROJECT, LOCATION, DATASET, STORE = "demo", "local", "demo", "demo"
"""The names under which a folder is published: one project, one location, one store."""

_ID = re.compile(r"[\w.-]{1,256}")
_STORE = re.compile(r"(projects/[^/]+/locations/[^/]+)/datasets/([^/]+)/dicomStores/([^/]+)")


def store_name(dataset: str = DATASET, store: str = STORE) -> str:
    """``projects/…/dicomStores/…`` of a store here."""
    return f"projects/{PROJECT}/locations/{LOCATION}/datasets/{dataset}/dicomStores/{store}"


def split_store(name: object) -> tuple[str, str, str]:
    """``projects/…/locations/…``, dataset and store of a full name; 400 for anything else."""
    found = _STORE.fullmatch(name) if isinstance(name, str) else None
    if found is None:
        raise Refused(
            400,
            f"{name!r} is not the name of a DICOM store, as projects/P/locations/L/datasets/D/"
            "dicomStores/S.",
        )
    return found[1], found[2], found[3]


def checked_id(text: str | None, parameter: str) -> str:
    """An id for something new; 400 for one that cannot stand in a path."""
    if not text or not _ID.fullmatch(text) or not text.strip("."):
        raise Refused(
            400, f"{parameter}={text!r}: letters, digits, _, - and . are allowed, 1 to 256 of them."
        )
    return text
