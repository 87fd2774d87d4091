"""Structured reports → a table of their measurements (PS3.16 TID 1500 and its parts).

Measurement groups (TID 1501), planar and volumetric ROI groups (TID 1410, 1411) and qualitative
evaluations are read with what they are about: tracking, finding, site, method, images, segments
and regions. Numbers of any other report come too, without a group.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pydicom.dataset import Dataset

from dicomnb.errors import warn
from dicomnb.tables.columns import IDENTITY
from dicomnb.tables.oddities import ATTRS_KEY, Oddities
from dicomnb.vr import TEXT_DTYPE, VRS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["measurements"]

# By code value alone: SRT's and SCT's codes of one thing differ, no two things share a value.
_TRACKING_IDENTIFIER, _TRACKING_UID = "112039", "112040"
_FINDING = "121071"
_SITE = frozenset({"363698007", "G-C0E3"})
_LATERALITY = frozenset({"272741003", "G-C171"})
_METHOD = frozenset({"370129005", "G-C036"})
_DERIVATION = "121401"
_SOURCE_SERIES = "121232"
_GROUP = "125007"
_EVALUATIONS = "C0034375"
# What a group says about itself, and so no evaluation: finding category, time point, session.
_ABOUT = frozenset({"276214006", "C2348792", "C67447", "121058", "112055"})

_TEXTS = (
    *IDENTITY, "Section", "TrackingIdentifier", "TrackingUniqueIdentifier", "Finding",
    "FindingCode", "FindingSite", "FindingSiteCode", "Laterality", "Kind", "Name", "NameCode",
)  # fmt: skip
_AFTER = ("Unit", "Qualifier", "Text", "TextCode", "Method", "Derivation")
_TUPLES = ("ReferencedSOPInstanceUID", "ReferencedFrameNumber", "ReferencedSegmentNumber",
           "SourceSeriesInstanceUID", "Region")  # fmt: skip


def measurements(reports: Dataset | Iterable[Dataset]) -> pd.DataFrame:
    """The measurements of structured reports, one row each.

    Args:
        reports: one or more SR data sets.

    Returns:
        The report's own identity columns, then ``Section`` (titles of the containers around
        it), ``Group`` (measurement groups of a report count from 1), ``TrackingIdentifier``,
        ``TrackingUniqueIdentifier``, ``Finding``, ``FindingSite`` and ``Laterality``; ``Kind``
        (``"measurement"`` or ``"evaluation"``), ``Name``, ``Value`` (float), ``Unit`` (UCUM),
        ``Qualifier`` (why there is no value), ``Text`` (of evaluations: what was found),
        ``Method``, ``Derivation``; tuples of what it was measured on: SOP instances, frames,
        segments, source series, and ``Region``, one dict a region with ``GraphicType``,
        ``Points`` (a tuple of points: column and row in pixels, or x, y, z in mm) and, for the
        latter, ``ReferencedFrameOfReferenceUID``. ``…Code`` columns hold
        ``scheme:value``. The columns are the same for no rows.

    Raises:
        TypeError: not a data set.
        ValueError: a data set without content: no structured report.

    Warns:
        DicomnbWarning: values that cannot be read; the cell is missing, and
            ``df.dicom.issues`` lists them.

    Example:
        >>> table = measurements(archive.dataset(report))
        >>> table[["TrackingIdentifier", "Name", "Value", "Unit"]]
    """
    oddities = Oddities()
    rows: list[dict[str, Any]] = []
    for report in [reports] if isinstance(reports, Dataset) else reports:
        rows += _Report(report, oddities).rows()
    table = _table(rows)
    table.attrs = {"level": "instance", "complete": True, ATTRS_KEY: oddities.to_json()}
    if oddities.count:
        first = oddities.kept[0]
        warn(
            f"{oddities.count} value(s) in reports cannot be read; the first: {first.keyword} "
            f"{first.raw} ({first.problem}). df.dicom.issues lists them."
        )
    return table


def _table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    def cells(name: str) -> list[Any]:
        return [row.get(name) for row in rows]

    data: dict[str, Any] = {}
    for name in _TEXTS:
        data[name] = pd.Series(cells(name), dtype=TEXT_DTYPE)
        if name == "Section":
            data["Group"] = pd.array(cells("Group"), dtype="Int64")
    data["Value"] = np.array(cells("Value"), dtype=np.float64)
    data.update({name: pd.Series(cells(name), dtype=TEXT_DTYPE) for name in _AFTER})
    for name in _TUPLES:
        data[name] = np.fromiter(cells(name), dtype=object, count=len(rows))
    return pd.DataFrame(data, index=pd.RangeIndex(len(rows)))


@dataclass(frozen=True)
class _Context:
    """What the items around a measurement say of it."""

    section: tuple[str, ...] = ()
    group: int | None = None
    is_evaluated: bool = False
    about: Mapping[str, Any] | None = None


class _Report:
    """One report: its tree is walked once, groups are counted on the way."""

    def __init__(self, root: Dataset, oddities: Oddities) -> None:
        if not isinstance(root, Dataset):
            raise TypeError(f"A {type(root).__name__} is no data set of a structured report.")
        if "ContentSequence" not in root and root.get("ValueType") != "CONTAINER":
            raise ValueError(
                f"The instance {root.get('SOPInstanceUID', '')} has no ContentSequence: it is no "
                "structured report."
            )
        self._root = root
        self._oddities = oddities
        self._groups = 0
        self._identity = {name: str(root.get(name) or "") or None for name in IDENTITY}

    def rows(self) -> list[dict[str, Any]]:
        """Every measurement and evaluation, in the order of the document."""
        return list(self._walk(self._root, _Context()))

    def _walk(self, parent: Dataset, context: _Context) -> Iterator[dict[str, Any]]:
        for item in _items(parent):
            kind, (code, _) = item.get("ValueType"), _concept(item)
            if kind == "NUM":
                yield self._row(item, context) | self._number(item)
            elif context.is_evaluated and kind in ("CODE", "TEXT") and _is_finding(item):
                yield self._row(item, context) | _evaluation(item)
            if kind == "CONTAINER":
                yield from self._walk(item, self._inside(item, code, context))
            elif kind != "NUM" and "ContentSequence" in item:
                yield from self._walk(item, replace(context, is_evaluated=False))

    def _inside(self, container: Dataset, code: str, context: _Context) -> _Context:
        _, title = _concept(container)
        section = (*context.section, title) if title else context.section
        if code.endswith(f":{_GROUP}"):
            self._groups += 1
            return _Context(section, self._groups, True, self._about(container))
        evaluated = context.is_evaluated or code.endswith(f":{_EVALUATIONS}")
        return replace(context, section=section, is_evaluated=evaluated)

    def _row(self, item: Dataset, context: _Context) -> dict[str, Any]:
        code, name = _concept(item)
        own = {key: value for key, value in self._about(item).items() if value is not None}
        return {
            **self._identity,
            "Section": " / ".join(context.section) or None,
            "Group": context.group,
            **(context.about or {}),
            **own,
            "Name": name or None,
            "NameCode": code or None,
        }

    def _about(self, holder: Dataset) -> dict[str, Any]:
        """What a group, or a measurement itself, says of what was measured, and on what."""
        about: dict[str, Any] = {}
        for item in map(self._resolved, _items(holder)):
            value = _concept(item)[0].rpartition(":")[2]
            code, meaning = _coded(item, "ConceptCodeSequence")
            if value == _TRACKING_IDENTIFIER:
                about["TrackingIdentifier"] = _text(item, "TextValue")
            elif value == _TRACKING_UID:
                about["TrackingUniqueIdentifier"] = _text(item, "UID")
            elif value == _FINDING and item.get("ValueType") == "CODE":
                about |= {"Finding": meaning, "FindingCode": code}
            elif value in _SITE:
                about |= {"FindingSite": meaning, "FindingSiteCode": code}
                for inner in _items(item):
                    if _concept(inner)[0].rpartition(":")[2] in _LATERALITY:
                        about["Laterality"] = _coded(inner, "ConceptCodeSequence")[1]
            elif value in _LATERALITY:
                about["Laterality"] = meaning
            elif value in _METHOD:
                about["Method"] = meaning or _text(item, "TextValue")
            elif value == _DERIVATION:
                about["Derivation"] = meaning
        return about | self._sources(holder)

    def _sources(self, holder: Dataset) -> dict[str, Any]:
        """The images, segments, series and regions that items of ``holder`` point to."""
        found: dict[str, list[Any]] = {name: [] for name in _TUPLES}
        for item in map(self._resolved, _items(holder)):
            match item.get("ValueType"):
                case "IMAGE" | "COMPOSITE":
                    _add_references(item, found)
                case "SCOORD" | "SCOORD3D":
                    found["Region"].append(self._region(item))
                    for inner in map(self._resolved, _items(item)):
                        _add_references(inner, found)
                case "UIDREF" if _concept(item)[0].endswith(f":{_SOURCE_SERIES}"):
                    found["SourceSeriesInstanceUID"].append(_text(item, "UID"))
        tuples = {
            name: tuple(values if name == "Region" else dict.fromkeys(values))
            for name, values in found.items()
        }
        return {name: values for name, values in tuples.items() if values}

    def _region(self, item: Dataset) -> dict[str, Any]:
        numbers = np.asarray(item.get("GraphicData") or [], dtype=np.float64).reshape(-1)
        width = 3 if item.get("ValueType") == "SCOORD3D" else 2
        if len(numbers) % width:
            self._note("GraphicData", len(numbers), f"not {width} numbers a point")
            numbers = numbers[: len(numbers) // width * width]
        region = {"GraphicType": item.get("GraphicType"), "Points": _points(numbers, width)}
        if frame_of_reference := item.get("ReferencedFrameOfReferenceUID"):
            region["ReferencedFrameOfReferenceUID"] = str(frame_of_reference)
        return region

    def _number(self, item: Dataset) -> dict[str, Any]:
        """The value of a NUM item; FloatingPointValue is the exact one, where it is there."""
        made: dict[str, Any] = {"Kind": "measurement"}
        made["Qualifier"] = _coded(item, "NumericValueQualifierCodeSequence")[1]
        measured = _first(item, "MeasuredValueSequence")
        if measured is None:
            return made
        made["Unit"] = _coded(measured, "MeasurementUnitsCodeSequence")[0]
        made["Unit"] = (made["Unit"] or "").removeprefix("UCUM:") or None
        exact = measured.get("FloatingPointValue")
        if isinstance(exact, float):
            return made | {"Value": exact}
        raw = _raw(measured, "NumericValue")
        try:
            return made | {"Value": VRS["DS"].parse(raw.split("\\")[0])}
        except ValueError as error:
            self._note("NumericValue", raw, str(error))
            return made

    def _note(self, keyword: str, raw: object, problem: str) -> None:
        uid = self._identity["SOPInstanceUID"] or ""
        self._oddities.add(uid=uid, keyword=keyword, raw=raw, problem=problem)

    def _resolved(self, item: Dataset) -> Dataset:
        """The item that a by-reference relationship means (PS3.3 C.17.3.2.5), else itself."""
        path = item.get("ReferencedContentItemIdentifier")
        if not path:
            return item
        place = self._root
        for number in ([path] if isinstance(path, int) else list(path))[1:]:
            items = _items(place)
            if not 1 <= number <= len(items):
                self._note("ReferencedContentItemIdentifier", str(path), "no such content item")
                return item
            place = items[number - 1]
        return place


def _is_finding(item: Dataset) -> bool:
    """Whether a CODE or TEXT of a group is an evaluation, not what the group says of itself."""
    value = _concept(item)[0].rpartition(":")[2]
    known = {_TRACKING_IDENTIFIER, _FINDING, _DERIVATION, *_SITE, *_LATERALITY, *_METHOD, *_ABOUT}
    return item.get("RelationshipType") == "CONTAINS" and value not in known


def _evaluation(item: Dataset) -> dict[str, Any]:
    code, meaning = _coded(item, "ConceptCodeSequence")
    text = meaning or _text(item, "TextValue")
    return {"Kind": "evaluation", "Text": text, "TextCode": code}


def _add_references(item: Dataset, found: Mapping[str, list[Any]]) -> None:
    for reference in item.get("ReferencedSOPSequence") or ():
        found["ReferencedSOPInstanceUID"].append(_text(reference, "ReferencedSOPInstanceUID"))
        for name in ("ReferencedFrameNumber", "ReferencedSegmentNumber"):
            numbers = reference.get(name)
            if numbers is not None:
                several = [numbers] if isinstance(numbers, int) else numbers
                found[name] += [int(number) for number in several]


def _points(numbers: np.ndarray[Any, Any], width: int) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(point) for point in numbers.reshape(-1, width).tolist())


def _items(parent: Dataset) -> Sequence[Dataset]:
    found: Sequence[Dataset] = parent.get("ContentSequence") or ()
    return found


def _first(holder: Dataset, keyword: str) -> Dataset | None:
    items = holder.get(keyword)
    return items[0] if items else None


def _concept(item: Dataset) -> tuple[str, str]:
    code, meaning = _coded(item, "ConceptNameCodeSequence")
    return code or "", meaning or ""


def _coded(holder: Dataset, keyword: str) -> tuple[str | None, str | None]:
    """``scheme:value`` and the meaning of a coded entry (PS3.3 section 8)."""
    entry = _first(holder, keyword)
    if entry is None:
        return None, None
    names = ("CodeValue", "LongCodeValue", "URNCodeValue")
    value = next((text for name in names if (text := _text(entry, name))), "")
    scheme = _text(entry, "CodingSchemeDesignator")
    return (f"{scheme}:{value}" if scheme else value) or None, _text(entry, "CodeMeaning")


def _text(holder: Dataset, keyword: str) -> str | None:
    value = holder.get(keyword)
    return None if value is None else str(value).strip(" \0") or None


def _raw(holder: Dataset, keyword: str) -> str:
    """A value as it stands in the file, without a look that could fail."""
    if keyword not in holder:
        return ""
    value = holder.get_item(keyword).value
    if isinstance(value, bytes):
        return value.decode("latin_1").strip(" \0")
    return str(getattr(value, "original_string", None) or ("" if value is None else value))
