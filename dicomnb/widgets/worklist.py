"""The form of a worklist: which fields a level has, and the filters that they mean. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pydicom.datadict import dictionary_description, dictionary_has_tag

from dicomnb.attributes import attribute
from dicomnb.errors import BadQuery
from dicomnb.query import build
from dicomnb.widgets.tokens import typed_text, values_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dicomnb.refs import Level

__all__ = ["MODALITIES", "Field", "Reading", "fields_for", "form_of", "heading", "moved", "read"]

MODALITIES: tuple[str, ...] = ("CR", "CT", "DX", "MG", "MR", "NM", "PT", "RF", "US", "XA")
"""Those that a click chooses; any other is typed (PS3.3 section C.7.3.1.1.1)."""

_HEADINGS = {
    "PatientName": "Patient name",
    "PatientID": "Patient ID",
    "StudyDate": "Study date",
    "StudyDescription": "Study description",
    "SeriesDescription": "Series description",
    "AccessionNumber": "Accession number",
    "ModalitiesInStudy": "Modalities in study",
    "Modality": "Modality",
    "BodyPartExamined": "Body part",
    "SeriesNumber": "Series number",
    "InstanceNumber": "Instance number",
    "SOPClassUID": "SOP Class UID",
}
_KINDS: Mapping[str, Literal["text", "dates", "modalities"]] = {
    "StudyDate": "dates",
    "ModalitiesInStudy": "modalities",
    "Modality": "modalities",
}
_PATIENTS = ("PatientName", "PatientID", "AccessionNumber", "StudyDate")
_FIELDS: Mapping[Level, tuple[str, ...]] = {
    "study": (*_PATIENTS, "StudyDescription", "ModalitiesInStudy"),
    "series": (*_PATIENTS, "SeriesDescription", "Modality"),
    "instance": (*_PATIENTS, "SeriesDescription", "Modality"),
}
_WITHIN: Mapping[tuple[Level, Level], tuple[str, ...]] = {
    ("study", "series"): ("SeriesDescription", "BodyPartExamined", "SeriesNumber", "Modality"),
    ("study", "instance"): ("SeriesDescription", "InstanceNumber", "SOPClassUID", "Modality"),
    ("series", "instance"): ("InstanceNumber", "SOPClassUID"),
}
_SAME: tuple[Mapping[Level, str], ...] = (
    {
        "study": "StudyDescription",
        "series": "SeriesDescription",
        "instance": "SeriesDescription",
    },
    {"study": "ModalitiesInStudy", "series": "Modality", "instance": "Modality"},
)
"""What a worklist calls by one name, though a study and its series have it by another each."""


@dataclass(frozen=True)
class Field:
    """One field of the form.

    Attributes:
        name: keyword, tag, or a path into sequences, as a filter is named.
        label: what it is called on the page.
        kind: how it is typed.
        is_added: whether a person added it, and may take it away.
    """

    name: str
    label: str
    kind: Literal["text", "dates", "modalities"] = "text"
    is_added: bool = False


@dataclass(frozen=True)
class Reading:
    """What a form means.

    Attributes:
        filters: keyword → value, as for `Archive.studies`.
        faults: field → what is wrong with what stands in it.
        hints: field → what will be searched for, where that is not just what was typed.
    """

    filters: dict[str, Any] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    hints: dict[str, str] = field(default_factory=dict)


def fields_for(level: Level, *, within: Level | None, form: Mapping[str, str]) -> list[Field]:
    """The fields of a form: those of a worklist, then what was added.

    Args:
        level: what is searched for.
        within: of which level the things are that are searched in; None for the whole archive.
        form: field → text; names that the worklist does not have are added fields.
    """
    usual = _FIELDS[level] if within is None else _WITHIN[within, level]
    made = [Field(name, heading(name), _KINDS.get(name, "text")) for name in usual]
    made += [Field(name, heading(name), "text", True) for name in form if name not in usual]
    return made


def heading(name: str) -> str:
    """What a field or column is called: by a worklist, else by DICOM."""
    if name in _HEADINGS:
        return _HEADINGS[name]
    last = attribute(name.rpartition(".")[2])
    tag = int(last.tag, 16)
    return dictionary_description(tag) if dictionary_has_tag(tag) else last.column


def read(level: Level, form: Mapping[str, str], *, fuzzy: bool = False) -> Reading:
    """The filters that a form means, each checked by itself so that a fault finds its field.

    Example:
        >>> read("study", {"PatientName": "zhang", "StudyDate": "2023"}).filters
        {'PatientName': 'zhang*', 'StudyDate': ('2023-01-01', '2023-12-31')}
    """
    reading = Reading()
    for name, text in form.items():
        if not text.strip():
            continue
        try:
            values = values_of(text, _last(name), fuzzy=fuzzy)
            if not values:
                continue
            value = values[0] if len(values) == 1 else values
            build(level, {name: value})
        except BadQuery as error:
            reading.faults[name] = _without_name(error.message, name)
        else:
            reading.filters[name] = value
            if (hint := _hint(values)) != text.strip():
                reading.hints[name] = hint
    return reading


def form_of(level: Level, filters: Mapping[Any, Any], *, fuzzy: bool = False) -> dict[str, str]:
    """The form that means these filters.

    Raises:
        BadQuery: an unknown keyword, a value of the wrong kind, or what a level does not have.
    """
    form = {}
    for one in build(level, filters).filters:
        form[one.name] = typed_text(one.values, attribute(one.path[-1]), fuzzy=fuzzy)
    return form


def moved(form: Mapping[str, str], old: Level, new: Level) -> dict[str, str]:
    """The form as it is at another level: description and modality have another name there.

    What is at both levels stays as it is, and so does what the new one does not have: it is
    named as a fault then.
    """
    names = {pair[old]: pair[new] for pair in _SAME if pair[new] not in form}
    return {names.get(name, name): text for name, text in form.items()}


def _last(name: str) -> Any:
    return attribute(name.rpartition(".")[2])


def _hint(values: list[Any]) -> str:
    """What is searched for, in words."""
    return " or ".join(_shown(value) for value in values)


def _shown(value: Any) -> str:
    if not isinstance(value, tuple):
        return str(value) or "whatever it is"
    first, last = value
    if first and last:
        return f"{first} to {last}"
    return f"from {first}" if first else f"until {last}"


def _without_name(words: str, name: str) -> str:
    """What is wrong, without the name of the field it stands at."""
    start, colon, rest = words.partition(": ")
    return rest[:1].upper() + rest[1:] if colon and start.startswith(f"{name}=") else words
