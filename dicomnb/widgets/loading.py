"""From what a person gives a viewer to what it shows, at once or by fetching it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.dataset import Dataset

from dicomnb.errors import DecodeError, DicomnbError, GeometryError
from dicomnb.refs import refs_of
from dicomnb.volumes.volume import Volume
from dicomnb.widgets.piling import pile_of
from dicomnb.widgets.showing import Shown, shown_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from dicomnb.archive import Archive
    from dicomnb.pool import Cancel
    from dicomnb.refs import Ref

__all__ = ["loader_of"]

_READERS = {
    "SR": "archive.measurements(…) reads what it measures, archive.dataset(…) all of it",
    "RTSTRUCT": "archive.structures(…) reads its outlines, and lays them over a volume",
}
"""What reads objects that are no images, by Modality."""


def loader_of(
    what: Any, *, archive: Archive | None, window: Any
) -> Shown | Callable[[Cancel], Shown]:
    """What to show, or a function that fetches it and may take long.

    Raises:
        TypeError: it can be neither shown nor fetched.
        RefError: a row without its UID, or several series.
    """
    if isinstance(what, Volume | np.ndarray) or (isinstance(what, Dataset) and _has_pixels(what)):
        return shown_of(what, window=window)
    if archive is None:
        raise TypeError(
            f"A {type(what).__name__} is not an image itself: give archive= as well, which is to "
            "fetch it, or a Volume, a data set with pixels, or an array."
        )
    refs = refs_of(what, base=archive.source.address)

    def load(cancel: Cancel) -> Shown:
        cancel.check()
        found = _volume(what, archive)
        cancel.check()
        if isinstance(found, Volume) and found.affine is not None and found.shape[-3] > 1:
            return shown_of(found, window=window)
        # A film, a single image of any kind, colour: what a volume cannot be, or is no better as.
        instance = _only_instance(refs, archive)
        cancel.check()
        if instance is not None:
            dataset = archive.dataset(instance)
            if isinstance(found, DicomnbError) and not _has_pixels(dataset):
                raise GeometryError(_without_pixels(dataset)) from found
            return shown_of(dataset, window=window)
        if isinstance(found, Volume):
            return shown_of(found, window=window)
        return pile_of(what, archive, otherwise=found)

    return load


def _volume(what: Any, archive: Archive) -> Volume | DicomnbError:
    """The lazy volume, or why there is none.

    What is not regular is shown all the same, and what is wrong with it stands beside it.
    """
    try:
        return archive.volume(what, strict=False, lazy=True)
    except (GeometryError, DecodeError) as error:
        return error


def _only_instance(refs: list[Ref], archive: Archive) -> Ref | None:
    """The one instance that is meant, or None where there are several."""
    if len(refs) != 1 or refs[0].level == "instance":
        return refs[0] if len(refs) == 1 else None
    found = archive.instances(refs[0], limit=2)
    return refs_of(found.iloc[0])[0] if len(found) == 1 else None


def _without_pixels(dataset: Dataset) -> str:
    """What an object without a picture is, and what reads it."""
    kind = str(dataset.get("Modality") or "no modality")
    way = _READERS.get(kind, "archive.dataset(…) reads it")
    return f"It has no pixels ({kind}); {way}."


def _has_pixels(dataset: Dataset) -> bool:
    return any(name in dataset for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"))
