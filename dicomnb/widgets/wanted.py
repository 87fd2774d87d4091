"""`Wanted`: what is selected, in words and as Python."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from pydicom.dataset import Dataset

from dicomnb.refs import PLURAL, Ref, refs_of
from dicomnb.transfer.planning import related_instances
from dicomnb.widgets.columns import person
from dicomnb.widgets.quantities import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dicomnb.widgets.naming import Names

__all__ = ["Wanted", "day", "python_of", "quoted", "wanted_of"]

MOST_LINES = 4
MOST_REFS = 50
"""Refs that are written out in code."""
_LOOKED_AT = 2000
"""Rows that are looked at for words."""
_DESCRIPTIONS = ("SeriesDescription", "StudyDescription")
_MODALITIES = ("Modality", "ModalitiesInStudy")


@dataclass(frozen=True)
class Wanted:
    """What is selected.

    Attributes:
        refs: what is meant, all of one level.
        told: how many instances that is, where the rows say it.
        words: ``"3 series of 2 studies"``.
        lines: whose and what these are, a few; names of patients may stand here.
        more: how many such lines there would be besides.
        modalities: as far as the rows tell.
        is_one_series: whether all of it lies in one series, and is no more than that.
    """

    refs: tuple[Ref, ...] = ()
    told: int | None = None
    words: str = ""
    lines: tuple[str, ...] = ()
    more: int = 0
    modalities: tuple[str, ...] = ()
    is_one_series: bool = False


def wanted_of(what: Any, *, base: str) -> Wanted:
    """What ``what`` means, and what it tells of itself.

    Raises:
        RefError: it does not say what is meant.
    """
    if what is None or (hasattr(what, "__len__") and len(what) == 0):
        return Wanted()
    refs = refs_of(what, base=base)
    if not refs:
        return Wanted()
    rows = list(_rows(what))
    lines = list(dict.fromkeys(line for row in rows if (line := _line(row))))
    modalities = dict.fromkeys(one for row in rows for one in _values(row, _MODALITIES))
    return Wanted(
        refs=tuple(refs),
        told=related_instances(what, refs),
        words=_words(refs),
        lines=tuple(lines[:MOST_LINES]),
        more=max(len(lines) - MOST_LINES, 0),
        modalities=tuple(modalities),
        is_one_series=refs[0].series is not None
        and len({(ref.study, ref.series) for ref in refs}) == 1,
    )


def python_of(refs: Sequence[Ref], names: Names) -> str:
    """Python that means ``refs``; of many, ``panel.what``."""
    if len(refs) > MOST_REFS:
        return f"{names.panel}.what"
    made = [f"dn.Ref({', '.join(map(quoted, _uids(ref)))})" for ref in refs]
    if len(made) == 1:
        return made[0]
    return "[\n" + "".join(f"    {one},\n" for one in made) + "]"


def quoted(text: str) -> str:
    """Text as Python writes it, in double quotes."""
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _uids(ref: Ref) -> list[str]:
    return [uid for uid in (ref.study, ref.series, ref.instance) if uid is not None]


def _words(refs: Sequence[Ref]) -> str:
    level = refs[0].level
    words = counted(len(refs), level, PLURAL[level])
    if level == "series":
        studies = len({ref.study for ref in refs})
        words += f" of {counted(studies, 'study', 'studies')}" if len(refs) > 1 else ""
    elif level == "instance":
        words += f" of {counted(len({ref.series for ref in refs}), 'series', 'series')}"
    return words


def _rows(what: Any) -> Iterator[Mapping[Any, Any]]:
    """The rows that tell something of what is meant; not all of very many."""
    if isinstance(what, pd.DataFrame):
        wanted = ["PatientName", "PatientID", "StudyDate", *_MODALITIES, *_DESCRIPTIONS]
        names = [name for name in wanted if name in what.columns]
        some = what[names].head(_LOOKED_AT)
        yield from some.to_dict("records")
    elif isinstance(what, pd.Series | Mapping):
        yield what  # type: ignore[misc]
    elif isinstance(what, Dataset):
        yield {
            name: what.get(name)
            for name in ("PatientName", "PatientID", "StudyDate", *_MODALITIES, *_DESCRIPTIONS)
        }
    elif isinstance(what, list | tuple):
        for one in what[:_LOOKED_AT]:
            yield from _rows(one)


def _line(row: Mapping[Any, Any]) -> str:
    """Whose and what a row is."""
    name, number = person(_text(row.get("PatientName"))), _text(row.get("PatientID"))
    patient = f"{name} ({number})" if name and number else name or number
    parts = [patient, day(row.get("StudyDate")), ", ".join(_values(row, _MODALITIES))]
    parts += [next(iter(_values(row, _DESCRIPTIONS)), "")]
    return " · ".join(part for part in parts if part)


def _values(row: Mapping[Any, Any], names: Sequence[str]) -> list[str]:
    """The texts of the first of these attributes that the row has."""
    for name in names:
        value = row.get(name)
        several = value if isinstance(value, list | tuple) else [value]
        found = [text for one in several if (text := _text(one))]
        if found:
            return found
    return []


def day(value: Any) -> str:
    """A date as ISO 8601 has it, also of one as DICOM writes it; what is none stays as it is."""
    if isinstance(value, pd.Timestamp):
        return value.date().isoformat()
    text = _text(value)
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 and text.isdigit() else text


def _text(value: Any) -> str:
    if value is None or value is pd.NA or value is pd.NaT or isinstance(value, float):
        return ""
    return str(value).strip()
