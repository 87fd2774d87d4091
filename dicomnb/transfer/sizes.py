"""How large what is meant will be, before it is fetched: counted where cheap, else reckoned.

No server tells a study's bytes by DICOMweb. What a search does tell, of each instance, is the
size of its pixels without compression (PS3.18 section 10.6.3.3.3).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec

from dicomnb.attributes import attribute
from dicomnb.errors import BadQuery, RefError, Unsupported
from dicomnb.pool import closed_after, side_by_side
from dicomnb.query import Query
from dicomnb.refs import Ref

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dicomnb.pool import Cancel
    from dicomnb.source import Source

__all__ = ["Size", "size_of"]

MOST_ROWS = 2000
"""Rows of instances that are looked at; beyond, some of each series stand for the others."""
MOST_STUDIES = 64
"""Studies whose series are looked up; beyond, some stand for the others."""
MOST_SERIES = 128
"""Series of which instances are looked at; beyond, some stand for the others."""
LEAST_ROWS = 4
"""Rows that are looked at of each series, where it has as many."""

_CANNOT_TELL = (BadQuery, Unsupported)
"""A source that cannot be searched: nothing is known of it beforehand."""
_NUMBERS = {
    name: attribute(name).tag
    for name in ("Rows", "Columns", "BitsAllocated", "SamplesPerPixel", "NumberOfFrames")
}
_COUNT = attribute("NumberOfSeriesRelatedInstances").tag
_SERIES = attribute("SeriesInstanceUID").tag
_INSTANCE = attribute("SOPInstanceUID").tag
_WORDS = {name: attribute(name).tag for name in ("Modality", "SeriesDescription")}


@dataclass(frozen=True)
class Size:
    """How large something is.

    Attributes:
        instances: how many; None where the source does not say.
        stored_bytes: of the instances as stored; None where the source does not say.
        pixel_bytes: of their pixels without compression; None where nothing is known of them.
        images: how many have pixels.
        slices: frames of these, in all.
        samples: values of all frames: pixels times samples.
        samples_per_pixel: the most there are; 3 is colour.
        is_exact: whether every instance was looked at, rather than some of each series.
        series: how many, where it is known.
        only_series: which one, where there is but one.
        modalities: of the series, each once.
        descriptions: SeriesDescription of the series, each once.
    """

    instances: int | None = None
    stored_bytes: int | None = None
    pixel_bytes: int | None = None
    images: int = 0
    slices: int = 0
    samples: int = 0
    samples_per_pixel: int = 1
    is_exact: bool = True
    series: int | None = None
    only_series: Ref | None = None
    modalities: tuple[str, ...] = ()
    descriptions: tuple[str, ...] = ()


@dataclass
class _Series:
    """One series of what is meant, and what was seen of it."""

    ref: Ref
    count: int | None = None
    wanted: frozenset[str] | None = None
    words: dict[str, str] = field(default_factory=dict)
    seen: list[_Pixels] = field(default_factory=list)
    is_whole: bool = False


@dataclass(frozen=True)
class _Pixels:
    """What a row tells of an instance's pixels; no frames without any."""

    frames: int
    samples: int
    per_pixel: int
    bits: int

    @property
    def size(self) -> int:
        return -(-self.samples * self.bits // 8)


def size_of(
    source: Source,
    refs: Sequence[Ref],
    *,
    told: int | None = None,
    workers: int = 8,
    cancel: Cancel | None = None,
) -> Size:
    """How large ``refs`` are, in a bounded number of requests and rows.

    Args:
        source: asked for series and for some of their instances, never for pixels.
        refs: of one level.
        told: how many instances they have, by the rows they came from.
        workers: requests in flight.
        cancel: stops it.

    Raises:
        Cancelled: ``cancel`` was set.
        DicomWebError: the source could not be asked.
    """
    if not refs:
        return Size(0, 0, 0, series=0)
    stored = _stored_bytes(source, refs, cancel)
    found, share = _series_of(source, refs, workers, cancel)
    looked_at = _spread(found, MOST_SERIES)
    _look(source, looked_at, workers, cancel)
    return _summed(found, looked_at, share=share, told=told, stored=stored)


def _stored_bytes(source: Source, refs: Sequence[Ref], cancel: Cancel | None) -> int | None:
    weigh = getattr(source, "stored_bytes", None)
    found = None if weigh is None else weigh(refs, cancel=cancel)
    return None if found is None else int(found)


def _series_of(
    source: Source, refs: Sequence[Ref], workers: int, cancel: Cancel | None
) -> tuple[list[_Series], float]:
    """The series that are meant, with their counts where these are told; and of how many of the
    studies these are."""
    if refs[0].level == "instance":
        groups = groupby(sorted(refs, key=lambda ref: ref.path), lambda ref: ref.at("series"))
        made = []
        for series, some in groups:
            wanted = frozenset(str(ref.instance) for ref in some)
            made.append(_Series(series, len(wanted), wanted))
        return made, 1.0
    studies = list(dict.fromkeys(ref.at("study") for ref in refs))
    asked = _spread(studies, MOST_STUDIES)

    def ask(study: Ref, inner: Cancel) -> list[_Series]:
        try:
            return list(_rows_of_study(source, study, inner))
        except _CANNOT_TELL:
            return []

    every = side_by_side(ask, asked, workers=min(workers, len(asked)), cancel=cancel)
    with closed_after(every):
        rows = [one for some in every for one in some]
    if refs[0].level == "study":
        return rows, len(asked) / len(studies)
    known = {one.ref: one for one in rows}
    return [known.get(ref) or _Series(ref) for ref in refs], 1.0


def _rows_of_study(source: Source, study: Ref, cancel: Cancel) -> Iterator[_Series]:
    fields = (_COUNT, *_WORDS.values())
    for row in _rows(source, Query("series", within=study, fields=fields), cancel):
        uid = _value(row, _SERIES)
        try:
            ref = Ref(study.study, uid.strip() if isinstance(uid, str) else "")
        except RefError:
            continue  # a row that does not say of what it is
        words = {name: str(_value(row, tag) or "").strip() for name, tag in _WORDS.items()}
        yield _Series(ref, _number(row, _COUNT), words=words)


def _look(source: Source, series: Sequence[_Series], workers: int, cancel: Cancel | None) -> None:
    """Look at instances of each series: all, or some where these are too many."""
    known = sum(one.count or 0 for one in series)
    each = MOST_ROWS // max(len(series), 1)

    def rows_of(one: _Series) -> int:
        if one.count is None or one.wanted is not None:
            return max(each, LEAST_ROWS) + 1
        if known <= MOST_ROWS:
            return one.count + 1  # one more shows that the count is out of date
        return max(LEAST_ROWS, min(one.count, MOST_ROWS * one.count // max(known, 1)))

    def look(one: _Series, inner: Cancel) -> None:
        limit = rows_of(one)
        query = Query("instance", within=one.ref, fields=tuple(_NUMBERS.values()), limit=limit)
        try:
            rows = list(_rows(source, query, inner))
        except _CANNOT_TELL:
            return
        if one.wanted is not None:
            rows = [row for row in rows if _value(row, _INSTANCE) in one.wanted] or rows
        elif len(rows) < limit:
            one.count = len(rows)
        one.seen = [_pixels(row) for row in rows]
        uids = {_value(row, _INSTANCE) for row in rows}
        one.is_whole = len(rows) == one.count and (one.wanted is None or uids == one.wanted)

    every = side_by_side(look, series, workers=min(workers, max(len(series), 1)), cancel=cancel)
    with closed_after(every):
        for _ in every:
            pass


def _rows(source: Source, query: Query, cancel: Cancel) -> Iterator[Mapping[str, Any]]:
    with closed_after(source.search(query, cancel=cancel)) as pages:
        for page in pages:
            rows = msgspec.json.decode(page.rows)
            yield from (row for row in rows if isinstance(row, dict))


def _summed(
    found: Sequence[_Series],
    looked_at: Sequence[_Series],
    *,
    share: float,
    told: int | None,
    stored: int | None,
) -> Size:
    """What was seen of some, for all."""
    seen = [one for one in looked_at if one.seen and one.count]
    mean_count = _mean([one.count for one in found if one.count is not None])
    counts = [mean_count if one.count is None else one.count for one in found]
    instances = told if told is not None and share < 1 else round(sum(counts) / share)
    totals = {"size": 0.0, "images": 0.0, "frames": 0.0, "samples": 0.0}
    instances_seen = 0.0
    for one in seen:
        weight = (one.count or 0) / len(one.seen)
        instances_seen += one.count or 0
        totals["size"] += weight * sum(each.size for each in one.seen)
        totals["images"] += weight * sum(each.frames > 0 for each in one.seen)
        totals["frames"] += weight * sum(each.frames for each in one.seen)
        totals["samples"] += weight * sum(each.samples for each in one.seen)
    scale = instances / instances_seen if instances_seen else 0.0
    whole = {name: round(total * scale) for name, total in totals.items()}
    is_counted = bool(found) and all(one.count is not None for one in found)
    is_exact = is_counted and share == 1 and all(one.is_whole for one in found)
    return Size(
        instances=instances if is_counted else told,
        stored_bytes=stored,
        pixel_bytes=whole["size"] if seen else None,
        images=whole["images"],
        slices=whole["frames"],
        samples=whole["samples"],
        samples_per_pixel=max((each.per_pixel for one in seen for each in one.seen), default=1),
        is_exact=is_exact,
        series=len(found) if share == 1 else None,
        only_series=found[0].ref if share == 1 and len(found) == 1 else None,
        modalities=_each_once(found, "Modality"),
        descriptions=_each_once(found, "SeriesDescription"),
    )


def _each_once(series: Sequence[_Series], name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for one in series if (word := one.words.get(name))))


def _pixels(row: Mapping[str, Any]) -> _Pixels:
    rows, columns = _number(row, _NUMBERS["Rows"]), _number(row, _NUMBERS["Columns"])
    if not rows or not columns:
        return _Pixels(0, 0, 1, 8)
    frames = _number(row, _NUMBERS["NumberOfFrames"]) or 1
    per_pixel = _number(row, _NUMBERS["SamplesPerPixel"]) or 1
    bits = _number(row, _NUMBERS["BitsAllocated"]) or 16
    return _Pixels(frames, rows * columns * per_pixel * frames, per_pixel, bits)


def _value(row: Mapping[str, Any], tag: str) -> Any:
    element = row.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return values[0] if isinstance(values, list) and values else None


def _number(row: Mapping[str, Any], tag: str) -> int | None:
    """A whole number from 0; None for whatever else stands there."""
    value = _value(row, tag)
    try:
        number = int(value) if isinstance(value, int | str) else None
    except ValueError:
        return None
    return number if number is not None and 0 <= number < 1 << 40 else None


def _mean(counts: Sequence[int]) -> float:
    return sum(counts) / len(counts) if counts else 0.0


def _spread(items: Sequence[Any], most: int) -> list[Any]:
    """Not more than ``most`` of them, evenly out of the whole."""
    if len(items) <= most:
        return list(items)
    return [items[place * len(items) // most] for place in range(most)]
