"""Small pictures of the rows of a table, for a first look."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from dicomnb.errors import DicomnbError
from dicomnb.html import gallery
from dicomnb.pool import side_by_side
from dicomnb.refs import Ref, refs_of

if TYPE_CHECKING:
    from dicomnb.archive import Archive
    from dicomnb.pool import Cancel

__all__ = ["Thumbnail", "Thumbnails", "thumbnails"]

_WITHOUT_PICTURES = ("SR", "RTSTRUCT", "RTPLAN", "RTRECORD", "PR", "KO", "REG", "AU", "ECG")
_CAPTION = ("PatientID", "Modality", "SeriesDescription", "StudyDescription", "InstanceNumber")


@dataclass(frozen=True)
class Thumbnail:
    """The picture of one row.

    Attributes:
        ref: what the row means.
        caption: a few words of the row.
        png: the picture, or None where there is none.
        reason: why there is none, else empty.
    """

    ref: Ref
    caption: str
    png: bytes | None
    reason: str = ""


class Thumbnails(tuple[Thumbnail, ...]):
    """Pictures side by side in a notebook; a tuple of `Thumbnail` else."""

    def __repr__(self) -> str:
        shown = sum(one.png is not None for one in self)
        return f"<{shown} thumbnails of {len(self)} rows>"

    def _repr_html_(self) -> str:
        return gallery([(one.png, one.caption, one.reason) for one in self])


def thumbnails(archive: Archive, table: pd.DataFrame, *, limit: int, size: int) -> Thumbnails:
    """Pictures of the first rows; a row that cannot be drawn says why and costs no other.

    Args:
        limit: rows at most.
        size: pixels of the longer side.
    """
    rows = [
        (refs_of(row)[0], row) for row in (table.iloc[[i]] for i in range(min(limit, len(table))))
    ]

    def draw(pair: tuple[Ref, pd.DataFrame], cancel: Cancel) -> Thumbnail:
        ref, row = pair
        try:
            return Thumbnail(ref, _caption(row), _picture(archive, ref, size))
        except DicomnbError as error:
            return Thumbnail(ref, _caption(row), None, str(error).partition("\n")[0])

    return Thumbnails(side_by_side(draw, rows, workers=archive.options.workers))


def _caption(row: pd.DataFrame) -> str:
    words: list[Any] = [row[name].iloc[0] for name in _CAPTION if name in row.columns]
    return " · ".join(str(word) for word in words if not pd.isna(word))


def _picture(archive: Archive, ref: Ref, size: int) -> bytes:
    can_fit = "viewport" in archive.source.abilities().render_parameters
    image = archive.rendered(_middle(archive, ref), viewport=(size, size) if can_fit else None)
    image.thumbnail((size, size))  # type: ignore[union-attr]
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")  # type: ignore[union-attr]
    return buffer.getvalue()


def _middle(archive: Archive, ref: Ref) -> Ref:
    """The middle instance of a series; of a study the one of its largest series of images."""
    if ref.level == "study":
        series = archive.series(ref)
        images = series[~series["Modality"].isin(_WITHOUT_PICTURES)]
        chosen = images if len(images) else series
        counts = chosen["NumberOfSeriesRelatedInstances"].fillna(0)
        ref = refs_of(chosen.iloc[[int(counts.to_numpy().argmax())]])[0]
    if ref.level == "series":
        instances = archive.instances(ref).sort_values("InstanceNumber", kind="stable")
        ref = refs_of(instances.iloc[[len(instances) // 2]])[0]
    return ref
