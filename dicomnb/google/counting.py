"""How much there is: metrics of a store, of studies, of series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dicomnb.google.reaching import reached
from dicomnb.google.tabling import count, table
from dicomnb.pool import side_by_side
from dicomnb.refs import Ref, refs_of
from dicomnb.vr import TEXT_DTYPE
from dicomnb.web.google_names import path_of

if TYPE_CHECKING:
    import pandas as pd

    from dicomnb.options import Options
    from dicomnb.pool import Cancel
    from dicomnb.web.google_api import GoogleApi

__all__ = ["STORE_COUNTS", "metrics", "store_counts"]

STORE_COUNTS = {
    "Studies": "studyCount",
    "Series": "seriesCount",
    "Instances": "instanceCount",
    "StructuredBytes": "structuredStorageSizeBytes",
    "BlobBytes": "blobStorageSizeBytes",
}
"""Column → field of the API."""
_STORE_COLUMNS = {"Store": TEXT_DTYPE, **dict.fromkeys(STORE_COUNTS, "Int64")}
_REF_COLUMNS = {
    "StudyInstanceUID": TEXT_DTYPE,
    "SeriesInstanceUID": "object",
    **dict.fromkeys(list(STORE_COUNTS)[1:], "Int64"),
}
_METHODS = {"study": "getStudyMetrics", "series": "getSeriesMetrics"}


def metrics(
    store: Any, ref: Any = None, *, auth: Any = None, options: Options | None = None
) -> pd.DataFrame:
    """How much a store holds, or studies or series in it.

    The service counts in the background: its figures lag behind what was stored or deleted.

    Args:
        store: the store's name, or an `Archive`.
        ref: studies or series, as a ref or table of a search; None for the store as a whole.

    Returns:
        For a store one row: ``Store``, ``Studies``, ``Series``, ``Instances``,
        ``StructuredBytes`` (attributes) and ``BlobBytes`` (pixels and other bulk data). Else
        one row a study or series, with its UIDs. Counts are ``Int64``.

    Raises:
        ValueError: ``ref`` names an instance: there are no metrics of those.

    Example:
        >>> metrics(archive, archive.studies(PatientName="Zhang*"))
    """
    with reached(store, "store", auth=auth, options=options) as (api, name):
        if ref is None:
            return table([(name, *store_counts(api, name))], _STORE_COLUMNS)
        base = f"{api.root}/{path_of(name)}/dicomWeb"
        refs = refs_of(ref, base=base)
        if any(one.level == "instance" for one in refs):
            raise ValueError("Metrics are of studies and series; an instance has none.")

        def counted(one: Ref, cancel: Cancel) -> tuple[Any, ...]:
            path = f"{path_of(name)}/dicomWeb/{one.path}:{_METHODS[one.level]}"
            said = api.call("GET", path, cancel=cancel)
            series = 1 if one.level == "series" else count(said.get("seriesCount"))
            rest = [count(said.get(field)) for field in list(STORE_COUNTS.values())[2:]]
            return (one.study, one.series, series, *rest)

        return table(side_by_side(counted, refs, workers=8), _REF_COLUMNS)


def store_counts(api: GoogleApi, name: str) -> list[int | None]:
    """The counts of a store, in the order of `STORE_COUNTS`."""
    said = api.call("GET", f"{path_of(name)}:getDICOMStoreMetrics")
    return [count(said.get(field)) for field in STORE_COUNTS.values()]
