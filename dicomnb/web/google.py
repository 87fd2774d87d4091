"""Google's names for a DICOM store, and its address."""

from __future__ import annotations

__all__ = ["API_ROOT", "base_url"]

API_ROOT = "https://healthcare.googleapis.com/v1"


def base_url(name: str, *, api_root: str | None = None) -> str:
    """The DICOMweb root of ``projects/…/locations/…/datasets/…/dicomStores/…``.

    Args:
        name: the store's full name.
        api_root: ``Options.api_root``, for a private endpoint or another version of the API.
    """
    return f"{(api_root or API_ROOT).rstrip('/')}/{name.strip('/')}/dicomWeb"
