"""From what a person gives a viewer to what it shows, at once or by fetching it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.dataset import Dataset

from dicomnb.refs import refs_of
from dicomnb.volumes.volume import Volume
from dicomnb.widgets.showing import Shown, shown_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from dicomnb.archive import Archive
    from dicomnb.pool import Cancel

__all__ = ["loader_of"]


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
        ref = refs[0]
        if len(refs) == 1 and ref.level == "series":
            # A series of a single instance may be a film, or one image of any kind.
            found = archive.instances(ref, limit=2)
            if len(found) == 1:
                return shown_of(archive.dataset(found.iloc[0]), window=window)
        if len(refs) == 1 and ref.level == "instance":
            return shown_of(archive.dataset(ref), window=window)
        # What is not regular is shown all the same, and what is wrong with it stands beside it.
        return shown_of(archive.volume(what, strict=False), window=window)

    return load


def _has_pixels(dataset: Dataset) -> bool:
    return any(name in dataset for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"))
