"""Which instance stands for a study or a series, and a small picture of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from dicomnb.errors import BadQuery, DicomWebError, NotFound, Unsupported
from dicomnb.pool import closed_after
from dicomnb.query import Query
from dicomnb.refs import Ref

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dicomnb.pool import Cancel
    from dicomnb.source import Rendering, Source
    from dicomnb.wire.parts import Part

__all__ = ["has_none", "middle", "thumbnail_parts"]

_STUDY, _SERIES, _INSTANCE = "0020000D", "0020000E", "00080018"
_MODALITY, _SERIES_NUMBER, _INSTANCE_NUMBER = "00080060", "00200011", "00200013"
_COUNT, _ROWS = "00201209", "00280010"
_WITHOUT_PICTURES = frozenset(
    {"SR", "DOC", "KO", "PR", "REG", "FID", "RTSTRUCT", "RTPLAN", "RTRECORD", "PLAN", "M3D"}
    | {"AU", "ECG", "EEG", "EMG", "EOG", "HD", "EPS", "RESP", "ANN", "RWV", "ASMT", "SMR"}
)
"""Modalities of what has no pixels (PS3.3 section C.7.3.1.1.1)."""
_OF_PICTURES = frozenset({"SEG", "RTDOSE"})
"""Modalities of what is made of other pictures, and stands for a study only without these."""
_REFUSALS = frozenset({None, 400})
"""Statuses of what cannot be drawn; None is a folder's."""


def has_none(error: DicomWebError) -> bool:
    """Whether an error says that there is no such picture, and not that something went wrong."""
    if isinstance(error, NotFound | Unsupported):
        return True
    return isinstance(error, BadQuery) and error.status in _REFUSALS


def thumbnail_parts(
    source: Source, ref: Ref, rendering: Rendering, *, cancel: Cancel | None = None
) -> Iterator[Part]:
    """A thumbnail as the source has it, else that of the middle instance of ``ref``.

    Raises:
        NotFound: there is no such thing, or nothing in it that could be drawn.
        Unsupported: the source has no picture of the instance either.
    """
    came = False
    try:
        with closed_after(source.rendered(ref, rendering, cancel=cancel)) as parts:
            for part in parts:
                came = True
                yield part
    except DicomWebError as error:
        if came or ref.level == "instance" or not has_none(error):
            raise
    if not came and ref.level != "instance":
        yield from source.rendered(middle(source, ref, cancel=cancel), rendering, cancel=cancel)


def middle(source: Source, ref: Ref, *, cancel: Cancel | None = None) -> Ref:
    """The instance in the middle of a series; of a study that of its largest series of images.

    Raises:
        NotFound: there is no such study or series.
    """
    if ref.level == "study":
        series = _rows(source, Query("series", within=ref), cancel)
        series.sort(key=lambda row: (_number(row, _SERIES_NUMBER), _value(row, _SERIES) or ""))
        best = max(series, key=_worth)
        ref = Ref(ref.study, str(_value(best, _SERIES)))
    if ref.level == "series":
        found = _rows(source, Query("instance", within=ref, fields=(_ROWS,)), cancel)
        drawn = [row for row in found if _value(row, _ROWS) is not None] or found
        drawn.sort(key=lambda row: (_number(row, _INSTANCE_NUMBER), _value(row, _INSTANCE) or ""))
        ref = Ref(ref.study, ref.series, str(_value(drawn[len(drawn) // 2], _INSTANCE)))
    return ref


def _rows(source: Source, query: Query, cancel: Cancel | None) -> list[Mapping[str, Any]]:
    """The rows of a search, those only that tell their own UID."""
    own = _SERIES if query.level == "series" else _INSTANCE
    with closed_after(source.search(query, cancel=cancel)) as pages:
        rows = [row for page in pages for row in msgspec.json.decode(page.rows)]
    rows = [row for row in rows if isinstance(_value(row, own), str)]
    if not rows:
        within = query.within.path if query.within else "this archive"
        raise NotFound(f"There is no {query.level} in {within}.", url=source.address)
    return rows


def _worth(row: Mapping[str, Any]) -> tuple[int, float]:
    modality = _value(row, _MODALITY)
    kind = 0 if modality in _WITHOUT_PICTURES else 1 if modality in _OF_PICTURES else 2
    count = _number(row, _COUNT)
    return kind, count if count != float("inf") else 0


def _value(row: Mapping[str, Any], tag: str) -> Any:
    element = row.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return values[0] if isinstance(values, list) and values else None


def _number(row: Mapping[str, Any], tag: str) -> float:
    """A number of a row; those without one come last."""
    try:
        return float(_value(row, tag))
    except (TypeError, ValueError):
        return float("inf")
