"""The header of an image that is to become an instance: whose it is, what it is (PS3.3)."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import msgspec
import pandas as pd
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import UID

from dicomnb.attributes import attribute, is_tag
from dicomnb.errors import BadQuery, NotFound, RefError
from dicomnb.images.encode_part10 import dataset_of_json
from dicomnb.pool import closed_after
from dicomnb.query import Query
from dicomnb.refs import Ref, one_ref

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dicomnb.images.encode import CodedImage
    from dicomnb.source import Source

__all__ = ["completed", "header_of", "identifiers_of", "new_uid"]

_PATIENT_AND_STUDY = [
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "IssuerOfPatientIDQualifiersSequence",
    "PatientBirthDate",
    "PatientBirthTime",
    "PatientSex",
    "OtherPatientIDs",
    "OtherPatientIDsSequence",
    "OtherPatientNames",
    "EthnicGroup",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "PatientSpeciesDescription",
    "StudyInstanceUID",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "StudyDescription",
    "AccessionNumber",
    "IssuerOfAccessionNumberSequence",
    "ReferringPhysicianName",
]
_SERIES = [
    "SeriesInstanceUID",
    "SeriesNumber",
    "SeriesDate",
    "SeriesTime",
    "SeriesDescription",
    "Modality",
    "BodyPartExamined",
    "Laterality",
    "ProtocolName",
    "OperatorsName",
    "PerformingPhysicianName",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
]
_EMPTY = [
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
    "SeriesNumber",
    "PatientOrientation",
]
"""Attributes of type 2: what is not known of them is empty, but there."""

_SECONDARY = "1.2.840.10008.5.1.4.1.1.7"
_VISIBLE_LIGHT = {
    "XC": "1.2.840.10008.5.1.4.1.1.77.1.4",
    "ES": "1.2.840.10008.5.1.4.1.1.77.1.1",
    "GM": "1.2.840.10008.5.1.4.1.1.77.1.2",
}
"""Modality → SOP Class of a single picture by visible light."""
_PAGE_NUMBERS = 0x00182001
_SERIES_AND_INSTANCE = ("0020000E", "00080018")
_PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)


def new_uid() -> str:
    """A UID that nobody else makes (PS3.5 annex B.2)."""
    return str(UID(f"2.25.{uuid.uuid4().int}"))


def header_of(metadata: Any) -> Dataset:
    """What a user says of an image, as a data set of its own.

    Args:
        metadata: None, a mapping of keywords or tags to values, DICOM JSON, or a data set.

    Raises:
        BadQuery: a keyword that the dictionary does not know; the nearest are named.
        NoDicom: an element of DICOM JSON that is none.
        TypeError: something else.
    """
    if metadata is None:
        return Dataset()
    if isinstance(metadata, Dataset):
        found = _copied(metadata, sorted(set(metadata.keys()) - set(_PIXELS)))
    elif not isinstance(metadata, Mapping):
        raise TypeError(f"metadata= is a dict or a data set, not {type(metadata).__name__}.")
    elif metadata and all(is_tag(name) and _is_element(value) for name, value in metadata.items()):
        found = dataset_of_json(metadata)
    else:
        found = _of_keywords(metadata)
    for tag in _PIXELS:
        if tag in found:
            del found[tag]
    return found


def _copied(dataset: Dataset, tags: Iterable[int]) -> Dataset:
    """A data set of its own with these elements, text decoded so that UTF-8 can hold it."""
    found = deepcopy(Dataset({Tag(tag): dataset.get_item(tag) for tag in tags}))
    if hasattr(dataset, "file_meta"):
        found.file_meta = deepcopy(dataset.file_meta)
    found.decode()
    return found


def _is_element(value: Any) -> bool:
    return isinstance(value, Mapping) and "vr" in value


def _of_keywords(metadata: Mapping[Any, Any]) -> Dataset:
    made = Dataset()
    for name, value in metadata.items():
        known = attribute(name)
        if known.is_private and known.vr == "UN":
            raise BadQuery(f"{name!r} is private: give it in a data set, with its VR.")
        element = DataElement(int(known.tag, 16), known.vr, _value(known.vr, value))
        if element.tag.group == 2:
            made.file_meta = getattr(made, "file_meta", None) or FileMetaDataset()
            made.file_meta.add(element)
        else:
            made.add(element)
    return made


def _value(vr: str, value: Any) -> Any:
    """A value as pydicom takes it: dates as DICOM writes them, what is missing as None."""
    if vr == "SQ":
        items = [value] if isinstance(value, Mapping | Dataset) else list(value or ())
        return [header_of(item) for item in items]
    if isinstance(value, list | tuple):
        return [_value(vr, one) for one in value]
    if value is None or (not isinstance(value, str | bytes) and pd.isna(value)):
        return None
    if isinstance(value, datetime.datetime):
        return value.strftime({"DA": "%Y%m%d", "TM": "%H%M%S"}.get(vr, "%Y%m%d%H%M%S"))
    if isinstance(value, datetime.date):
        return value.strftime("%Y%m%d")
    if isinstance(value, datetime.time):
        return value.strftime("%H%M%S")
    return value.item() if hasattr(value, "item") and not isinstance(value, bytes) else value


def identifiers_of(like: Any, source: Source, *, same_series: bool) -> Dataset:
    """The patient's and the study's identifiers, and the series' when asked.

    Args:
        like: a data set, or what says which study, series or instance of ``source`` is meant.
        source: asked for one instance of it.
        same_series: whether the image joins the series.

    Raises:
        NotFound: there is no such thing.
        RefError: ``like`` does not say what is meant; or it is a study, and ``same_series``.
    """
    wanted = [*_PATIENT_AND_STUDY, *(_SERIES if same_series else ())]
    if isinstance(like, Dataset):
        tags = {int(attribute(name).tag, 16) for name in (*wanted, "SpecificCharacterSet")}
        found = _copied(like, [tag for tag in sorted(tags) if tag in like])
        found.file_meta = FileMetaDataset()
        needed = ["StudyInstanceUID", *(["SeriesInstanceUID"] if same_series else [])]
        for keyword in needed:
            if not found.get(keyword):
                raise RefError(f"The data set given as like= has no {keyword}.")
    else:
        ref = one_ref(like, base=source.address)
        if same_series:
            ref.at("series")
        row = _row_of(ref, source)
        tags = {int(attribute(name).tag, 16) for name in wanted}
        found = dataset_of_json(
            {
                name: element
                for name, element in row.items()
                if is_tag(name) and int(name, 16) in tags and "BulkDataURI" not in element
            }
        )
        found.StudyInstanceUID = ref.study
    found.SpecificCharacterSet = "ISO_IR 192"
    return found


def _row_of(ref: Ref, source: Source) -> Mapping[str, Any]:
    """The metadata of one instance of what is meant."""
    if ref.level != "instance":
        rows = source.search(Query("instance", within=ref, limit=1, fields=("0020000E",)))
        with closed_after(rows):
            found = [row for page in rows for row in msgspec.json.decode(page.rows)]
        if not found:
            raise NotFound(f"There is no instance of {ref.path} to take identifiers from.")
        series, instance = (
            ((found[0].get(tag) or {}).get("Value") or [None])[0] for tag in _SERIES_AND_INSTANCE
        )
        ref = Ref(ref.study, series or ref.series, instance)
    pages = source.metadata(ref)
    with closed_after(pages):
        rows_of = [row for page in pages for row in msgspec.json.decode(page.rows)]
    if not rows_of:
        raise NotFound(f"There is no metadata of {ref.path}.")
    row: Mapping[str, Any] = rows_of[0]
    return row


def completed(given: Dataset, image: CodedImage, *, number: int) -> Dataset:
    """A header with all that its SOP Class asks for: what is given, then what is usual.

    Args:
        given: with the three UIDs.
        image: describes the pixels.
        number: InstanceNumber, where none is given.

    Raises:
        DecodeError: what is given contradicts the image.
    """
    made = Dataset(dict(given.items()))
    made.file_meta = getattr(given, "file_meta", FileMetaDataset())
    for keyword, value in image.attributes(given).items():
        setattr(made, keyword, value)
    made.SpecificCharacterSet = "ISO_IR 192"
    defaults: dict[str, Any] = {
        "SOPClassUID": _sop_class(made, image),
        "Modality": "OT",
        "InstanceNumber": number,
        **dict.fromkeys(_EMPTY),
    }
    for keyword, value in defaults.items():
        if keyword not in made:
            setattr(made, keyword, value)
    is_multi_frame = str(made.SOPClassUID).startswith(f"{_SECONDARY}.")
    if (is_multi_frame or made.SOPClassUID == _SECONDARY) and "ConversionType" not in made:
        made.ConversionType = "WSD"
    if is_multi_frame:
        _fill_multi_frame(made, image)
    return made


def _sop_class(made: Dataset, image: CodedImage) -> str:
    """Secondary Capture, the multi-frame one that fits, or visible light by Modality."""
    if len(image.frames) == 1:
        return _VISIBLE_LIGHT.get(str(made.get("Modality") or ""), _SECONDARY)
    if image.samples == 3:
        return f"{_SECONDARY}.4"
    return f"{_SECONDARY}.{3 if image.bits_allocated > 8 else 2}"


def _fill_multi_frame(made: Dataset, image: CodedImage) -> None:
    """What a Multi-frame Secondary Capture must have besides (PS3.3 A.8.3 to A.8.5).

    Whether names stand in the pixels nobody has looked; until somebody has, they may.
    """
    made.NumberOfFrames = len(image.frames)
    defaults: dict[str, Any] = {"BurnedInAnnotation": "YES"}
    if "FrameIncrementPointer" not in made:
        defaults |= {"FrameIncrementPointer": _PAGE_NUMBERS}
        defaults |= {"PageNumberVector": list(range(1, len(image.frames) + 1))}
    if image.samples == 1:
        defaults |= {"PresentationLUTShape": "IDENTITY", "RescaleIntercept": 0}
        defaults |= {"RescaleSlope": 1, "RescaleType": "US"}
    for keyword, value in defaults.items():
        if keyword not in made:
            setattr(made, keyword, value)
