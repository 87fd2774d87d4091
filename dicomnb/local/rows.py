"""What a search of a folder gives for a study, a series and an instance (PS3.18 10.6.3.3)."""

from __future__ import annotations

import struct
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from dicomnb.attributes import attribute

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dicomnb.local.header import Header
    from dicomnb.refs import Level, Ref

__all__ = [
    "BELOW",
    "NARROWING",
    "RAW",
    "STORED",
    "Document",
    "Fragments",
    "instance_row",
    "join",
    "series_row",
    "split",
    "study_row",
]

Fragments = dict[int, bytes]
"""Tag → ``"TTTTTTTT":{…}``."""


def _tags(*keywords: str) -> tuple[int, ...]:
    return tuple(sorted(int(attribute(keyword).tag, 16) for keyword in keywords))


_STUDY = _tags(
    "SpecificCharacterSet", "StudyDate", "StudyTime", "AccessionNumber", "InstitutionName",
    "ReferringPhysicianName", "TimezoneOffsetFromUTC", "StudyDescription", "PatientName",
    "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "PatientAge",
    "PatientSize", "PatientWeight", "StudyInstanceUID", "StudyID",
)  # fmt: skip
_SERIES = _tags(
    "SeriesDate", "SeriesTime", "Modality", "Manufacturer", "ManufacturerModelName",
    "StationName", "SeriesDescription", "PerformingPhysicianName", "OperatorsName",
    "BodyPartExamined", "ProtocolName", "PatientPosition", "SeriesInstanceUID", "SeriesNumber",
    "Laterality", "FrameOfReferenceUID", "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime", "RequestAttributesSequence",
)  # fmt: skip
_INSTANCE = _tags(
    "ImageType", "InstanceCreationDate", "InstanceCreationTime", "SOPClassUID",
    "SOPInstanceUID", "AcquisitionDate", "ContentDate", "AcquisitionTime", "ContentTime",
    "AcquisitionDateTime", "AcquisitionNumber", "InstanceNumber", "SliceThickness",
    "ImagePositionPatient", "ImageOrientationPatient", "SliceLocation",
    "TemporalPositionIdentifier", "SamplesPerPixel", "PhotometricInterpretation",
    "NumberOfFrames", "Rows", "Columns", "PixelSpacing", "BitsAllocated", "BitsStored",
    "PixelRepresentation", "ContentLabel", "ContentDescription",
)  # fmt: skip
_AVAILABILITY, _RETRIEVE_URL, _SYNTAX = _tags(
    "InstanceAvailability", "RetrieveURL", "AvailableTransferSyntaxUID"
)
_MODALITIES, _SERIES_IN_STUDY, _INSTANCES_IN_STUDY, _INSTANCES_IN_SERIES = _tags(
    "ModalitiesInStudy",
    "NumberOfStudyRelatedSeries",
    "NumberOfStudyRelatedInstances",
    "NumberOfSeriesRelatedInstances",
)
_ANSWER = (_AVAILABILITY, _RETRIEVE_URL)

NARROWING = _tags(
    "StudyDate", "AccessionNumber", "Modality", "ModalitiesInStudy", "SOPClassUID",
    "ReferringPhysicianName", "StudyDescription", "SeriesDescription", "PatientName",
    "PatientID", "PatientBirthDate", "PatientSex", "BodyPartExamined", "SeriesNumber",
    "InstanceNumber",
)  # fmt: skip
"""Attributes with a column in the index, which narrows a search before any row is read."""

STORED: Mapping[Level, frozenset[int]] = {
    "study": frozenset((*_STUDY, *_ANSWER, _MODALITIES, _SERIES_IN_STUDY, _INSTANCES_IN_STUDY)),
    "series": frozenset((*_STUDY, *_SERIES, *_ANSWER, _INSTANCES_IN_SERIES)),
    "instance": frozenset((*_STUDY, *_SERIES, *_INSTANCE, *_ANSWER, _SYNTAX)),
}
"""Attributes in the rows as they are stored, where the file has them."""

_STUDY_UID, _SERIES_UID, _INSTANCE_UID = 0x0020000D, 0x0020000E, 0x00080018
BELOW: Mapping[Level, frozenset[int]] = {
    "study": frozenset({_SERIES_UID, _INSTANCE_UID}),
    "series": frozenset({_INSTANCE_UID}),
    "instance": frozenset(),
}
"""UIDs that a row never has, as its level is read from them."""

RAW = msgspec.json.Decoder(dict[str, msgspec.Raw])

_ONLINE = b'"%08X":{"vr":"CS","Value":["ONLINE"]}' % _AVAILABILITY
_FROM_SERIES = tuple(sorted((*_STUDY, *_SERIES)))
_OF_INSTANCE = frozenset((*_STUDY, *_SERIES, *_INSTANCE))


def split(json: bytes) -> Fragments:
    """A JSON object of DICOM as its elements, which are not looked into."""
    return {
        int(tag, 16): b'"%b":%b' % (tag.encode(), bytes(raw))
        for tag, raw in RAW.decode(json).items()
    }


def join(fragments: Mapping[int, bytes]) -> bytes:
    """Elements as a JSON object, in the order of tags."""
    return b"{" + b",".join([fragments[tag] for tag in sorted(fragments)]) + b"}"


class Document(NamedTuple):
    """An instance's JSON as the index keeps it: its row is cut out of its metadata.

    Attributes:
        cuts: pairs of where a piece of the row begins and ends in the metadata; (0, 0) stands
            for the next element that is not of the file.
        answer: these elements but for the first, which is the same for all, by line.
        metadata: all elements of the file, up to the pixels.
    """

    cuts: bytes
    answer: bytes
    metadata: bytes

    @classmethod
    def of(cls, header: Header) -> Document:
        """The document of an instance."""
        pieces = header.elements.values()
        ends = [0, *accumulate(map(len, pieces))]
        cuts: list[int] = []
        for first, last in _runs(tuple(header.elements)):
            # One byte more for the brace, and one for each comma before it.
            cuts += (first + ends[first - 1], last + ends[last]) if first else (0, 0)
        answer = b'%b\n"%08X":{"vr":"UI","Value":[%b]}' % (
            _retrieve_url(header.path),
            _SYNTAX,
            msgspec.json.encode(header.transfer_syntax),
        )
        packed = struct.pack(f"<{len(cuts)}I", *cuts)
        return cls(packed, answer, b"{" + b",".join(pieces) + b"}")


def instance_row(cuts: bytes, answer: bytes, metadata: bytes) -> bytes:
    """The row of an instance: attributes of patient, study, series and instance.

    Args:
        cuts: as in `Document`, like the others.
        answer: see there.
        metadata: see there.
    """
    others = iter((_ONLINE, *answer.split(b"\n")))
    pieces = [
        metadata[start:stop] if stop else next(others)
        for start, stop in struct.iter_unpack("<II", cuts)
    ]
    return b"{" + b",".join(pieces) + b"}"


@lru_cache(maxsize=256)
def _runs(tags: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Which elements of a file follow each other in its row: first and last, counted from 1.

    (0, 0) stands where an element comes that is not of the file.
    """
    runs: list[tuple[int, int]] = []
    others = [_AVAILABILITY, _RETRIEVE_URL, _SYNTAX]
    for number, tag in enumerate(tags, 1):
        if tag not in _OF_INSTANCE:
            continue
        while others and tag > others[0]:
            runs.append((0, 0))
            others.pop(0)
        if runs and runs[-1][1] == number - 1 > 0:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return (*runs, *[(0, 0)] * len(others))


def series_row(ref: Ref, first: bytes, *, instances: int) -> bytes:
    """The row of a series: what its first instance says, and how many there are."""
    row = _chosen(first, _FROM_SERIES)
    row[_AVAILABILITY] = _ONLINE
    row[_RETRIEVE_URL] = _retrieve_url(ref.path)
    row[_INSTANCES_IN_SERIES] = _count(_INSTANCES_IN_SERIES, instances)
    return join(row)


def study_row(
    ref: Ref, first: bytes, *, modalities: Iterable[str], series: int, instances: int
) -> bytes:
    """The row of a study: what its first instance says, and what is in it."""
    row = _chosen(first, _STUDY)
    row[_AVAILABILITY] = _ONLINE
    row[_RETRIEVE_URL] = _retrieve_url(ref.path)
    element: dict[str, object] = {"vr": "CS"}
    if names := sorted(set(modalities)):
        element["Value"] = names
    row[_MODALITIES] = msgspec.json.encode({f"{_MODALITIES:08X}": element})[1:-1]
    row[_SERIES_IN_STUDY] = _count(_SERIES_IN_STUDY, series)
    row[_INSTANCES_IN_STUDY] = _count(_INSTANCES_IN_STUDY, instances)
    return join(row)


def _chosen(json: bytes, tags: Iterable[int]) -> Fragments:
    found = split(json)
    return {tag: found[tag] for tag in tags if tag in found}


def _retrieve_url(path: str) -> bytes:
    return b'"%08X":{"vr":"UR","Value":["dicomnb:/%b"]}' % (_RETRIEVE_URL, path.encode())


def _count(tag: int, number: int) -> bytes:
    return b'"%08X":{"vr":"IS","Value":[%d]}' % (tag, number)
