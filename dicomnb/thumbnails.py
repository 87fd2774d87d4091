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

    return Thumbnails(side_by_side(draw, rows, workers=archive.options.usual_workers))


def _caption(row: pd.DataFrame) -> str:
    words: list[Any] = [row[name].iloc[0] for name in _CAPTION if name in row.columns]
    return " · ".join(str(word) for word in words if not pd.isna(word))


def _picture(archive: Archive, ref: Ref, size: int) -> bytes:
    buffer = io.BytesIO()
    archive.thumbnail(ref, size=size).save(buffer, format="PNG")
    return buffer.getvalue()
