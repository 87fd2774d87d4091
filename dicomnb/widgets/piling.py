"""A series that is no volume, such as captures in colour: its pictures one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dicomnb.refs import refs_of
from dicomnb.widgets.showing import Shown

if TYPE_CHECKING:
    from dicomnb.archive import Archive
    from dicomnb.errors import DicomnbError

__all__ = ["pile_of"]

_SIZE = ["Rows", "Columns", "SamplesPerPixel"]
_FIELDS = [*_SIZE, "NumberOfFrames", "InstanceNumber", "Modality", "SeriesDescription"]
_WORKERS = 8


def pile_of(what: Any, archive: Archive, *, otherwise: DicomnbError) -> Shown:
    """Every frame of every instance that has the size which most of them have.

    Args:
        what: of which instances.
        archive: where to fetch them from.
        otherwise: raised where none has pixels.
    """
    table = archive.metadata(what, fields=_FIELDS)
    table = table[(table["Rows"] > 0) & (table["Columns"] > 0)].sort_values("InstanceNumber")
    if table.empty:
        raise otherwise
    sizes = table[_SIZE].astype("Int64").apply(tuple, axis=1)
    most = sizes.mode().iloc[0]
    alike = table[sizes == most]
    refs = refs_of(alike, base=archive.source.address)
    counts = pd.to_numeric(alike["NumberOfFrames"]).fillna(1).clip(lower=1).astype(int)
    places = [
        (ref, number + 1)
        for ref, count in zip(refs, counts, strict=True)
        for number in range(count)
    ]

    def read(_: int, slice: int) -> np.ndarray[Any, Any]:
        ref, number = places[slice]
        (frame,) = archive.frames(ref, number, output="display")
        return np.asarray(frame)

    first = read(0, 0)
    left_out = len(table) - len(alike)
    parts = (alike[name].iloc[0] for name in ("Modality", "SeriesDescription"))
    return Shown(
        shape=(1, len(places), *first.shape[:2]),
        read=read,
        dtype=np.dtype(np.uint8),
        samples=3 if first.ndim == 3 else 1,
        title=" · ".join(str(part) for part in parts if not pd.isna(part)),
        notes=(f"{left_out} of {len(table)} have another size.",) if left_out else (),
        workers=_WORKERS,
        what=alike,
    )
