"""``:deidentify``: copies without identifiers, in another store.

What is taken of the API's configuration is what can be done rightly: keeping a list of
attributes and nothing else (the default), or everything but a list; UIDs are replaced, the
same one by the same one, unless ``skipIdRedaction`` says to leave them. Anything else is
refused: texts burnt into pixels, or written into a JPEG beside them, are not found here, nor
identifiers within free text, and the confidentiality profile of PS3.15 is not this short list.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import secrets
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataset import FileMetaDataset

from dicomnb.attributes import attribute
from dicomnb.errors import BadQuery, DecodeError, DicomnbError
from dicomnb.pool import closed_after
from dicomnb.server.answers import Refused
from dicomnb.server.google.calls import field
from dicomnb.server.google.names import checked_id, split_store
from dicomnb.server.google.transfers import each_counted, wanted_refs
from dicomnb.wire.storing import BytesUpload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydicom.dataelem import DataElement

    from dicomnb.refs import Ref
    from dicomnb.server.answers import Answer
    from dicomnb.server.google.calls import Call
    from dicomnb.server.google.catalogue import Store
    from dicomnb.server.google.operations import Operation

__all__ = ["Redaction", "deidentify_store"]

_KEPT = frozenset(
    int(attribute(keyword).tag, 16)
    for keyword in (
        "SpecificCharacterSet", "ImageType", "SOPClassUID", "SOPInstanceUID", "Modality",
        "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "InstanceNumber",
        "ImagePositionPatient", "ImageOrientationPatient", "SliceThickness",
        "SpacingBetweenSlices", "ImagerPixelSpacing", "NominalScannedPixelSpacing",
        "FrameIncrementPointer", "SharedFunctionalGroupsSequence",
        "PerFrameFunctionalGroupsSequence", "DimensionIndexSequence",
        "DimensionOrganizationSequence", "SegmentSequence", "SegmentationType", "RescaleType",
        "DoseGridScaling", "DoseUnits", "DoseType", "GridFrameOffsetVector", "Units",
    )
)  # fmt: skip
"""What an instance cannot be shown without."""
_PIXEL_GROUPS = frozenset({0x0028, 0x7FE0})
"""Groups that describe and hold the pixels: kept but for texts."""
_FRAME_GROUPS = frozenset({0x0018, 0x0020, 0x0028, 0x0062, 0x5200})
"""The same within sequences: what describes frames and segments."""
_WITHOUT_TEXT = frozenset(
    {"AT", "CS", "DS", "FD", "FL", "IS", "OB", "OD", "OF", "OL", "OV", "OW", "SL", "SQ", "SS"}
    | {"SV", "UI", "UL", "US", "UV"}
)
"""VRs that hold numbers, codes and pixels; names, dates and free text are in others."""
_EMPTY = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "AccessionNumber", "ReferringPhysicianName", "StudyID", "SeriesNumber",
)  # fmt: skip
"""Attributes that every object must have, with a value or without (type 2)."""
_PROFILES = (None, "TAG_FILTER_PROFILE_UNSPECIFIED", "MINIMAL_KEEP_LIST_PROFILE")
_WELL_KNOWN = "1.2.840.10008."
_KNOWN_FIELDS = frozenset({"filterProfile", "keepList", "removeList", "skipIdRedaction"})


@dataclass(frozen=True)
class Redaction:
    """What is done to each data set.

    Attributes:
        kept: tags to keep besides the ones that are always kept; None keeps all but ``removed``.
        removed: tags to take out where all others are kept.
        replaces_uids: whether UIDs are replaced.
        key: by which a UID becomes another.
    """

    kept: frozenset[int] | None
    removed: frozenset[int]
    replaces_uids: bool
    key: bytes

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Redaction:
        """What a ``DeidentifyConfig`` asks for.

        Raises:
            Refused: 400, it is malformed; 501, it asks for what is not done here.
        """
        image = (field(config, "image", dict) or {}).get("textRedactionMode", "REDACT_NO_TEXT")
        if image not in ("TEXT_REDACTION_MODE_UNSPECIFIED", "REDACT_NO_TEXT"):
            raise Refused(
                501,
                f"textRedactionMode={image}: this server does not find text in pixels. It has "
                "REDACT_NO_TEXT, with a keepList, a removeList or MINIMAL_KEEP_LIST_PROFILE.",
            )
        if others := sorted(set(config) - {"dicom", "image"}):
            raise Refused(501, f"config.{others[0]} is not offered by this server.")
        dicom = field(config, "dicom", dict) or {}
        if unknown := sorted(set(dicom) - _KNOWN_FIELDS):
            raise Refused(501, f"config.dicom.{unknown[0]} is not offered by this server.")
        chosen = [name for name in _KNOWN_FIELDS - {"skipIdRedaction"} if name in dicom]
        if len(chosen) > 1:
            raise Refused(400, f"config.dicom has {' and '.join(sorted(chosen))}: choose one.")
        profile = dicom.get("filterProfile")
        if profile not in (*_PROFILES, "KEEP_ALL_PROFILE"):
            raise Refused(501, f"filterProfile={profile}: this server has {_PROFILES[-1]}.")
        keeps_all = "removeList" in dicom or profile == "KEEP_ALL_PROFILE"
        return cls(
            kept=None if keeps_all else _tags(dicom, "keepList"),
            removed=_tags(dicom, "removeList"),
            replaces_uids=not dicom.get("skipIdRedaction", False),
            key=secrets.token_bytes(32),
        )

    def apply(self, dataset: Dataset) -> None:
        """Take identifiers out of a data set, in place."""
        self._clean(dataset, is_root=True)
        if self.kept is not None:
            for keyword in _EMPTY:
                if keyword not in dataset:
                    setattr(dataset, keyword, None)
            dataset.PatientIdentityRemoved = "YES"
            dataset.DeidentificationMethod = "Listed attributes kept, all others removed"
            # Who sent it, and whatever else may stand in group 0002, stays behind.
            syntax = dataset.file_meta.TransferSyntaxUID
            dataset.file_meta = FileMetaDataset()
            dataset.file_meta.TransferSyntaxUID = syntax
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.preamble = bytes(128)  # it can hold anything

    def _clean(self, dataset: Dataset, *, is_root: bool) -> None:
        for tag in list(dataset.keys()):
            element = dataset[tag]
            if not self._is_kept(int(tag), element.VR, is_root):
                del dataset[tag]
            elif element.VR == "SQ":
                for item in element.value or ():
                    self._clean(item, is_root=False)
            elif element.VR == "UI" and self.replaces_uids:
                self._replace(element)

    def _is_kept(self, tag: int, vr: str, is_root: bool) -> bool:
        if self.kept is None:
            return tag not in self.removed
        if tag in self.kept or tag in _KEPT:
            return True
        groups = _PIXEL_GROUPS if is_root else _FRAME_GROUPS
        return tag >> 16 in groups and vr in _WITHOUT_TEXT

    def _replace(self, element: DataElement) -> None:
        values = element.value if element.VM > 1 else [element.value]
        new = [self.new_uid(str(uid)) if uid else uid for uid in values]
        element.value = new if element.VM > 1 else new[0]

    def new_uid(self, uid: str) -> str:
        """The UID that stands for another one; those that the standard defines stay."""
        if uid.startswith(_WELL_KNOWN):
            return uid
        digest = hmac.new(self.key, uid.encode(), hashlib.sha256).digest()
        return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def deidentify_store(call: Call) -> Answer:
    """Write what is in a store, without identifiers, to ``destinationStore``."""
    store, body = call.store, call.body()
    redaction = Redaction.of(field(body, "config", dict) or {})
    target = _destination(call, body.get("destinationStore"))

    def work(operation: Operation) -> None:
        refs = wanted_refs(call, body, operation)
        each_counted(refs, operation, lambda ref: _copy(store, target, ref, redaction))

    method = "dicom.DicomService.DeidentifyDicomStore"
    return call.begun(call.dataset.operations.start(method, work))


def _destination(call: Call, name: object) -> Store:
    parent, dataset, key = split_store(name)
    found = call.catalogue.dataset(parent, dataset)
    existing = found.stores.get(key)
    if existing is None:
        return call.catalogue.add_store(found, checked_id(key, "destinationStore"), {})
    if existing is call.store or call.catalogue.habits.deidentify_into_existing == "refused":
        raise Refused(409, f"{name} exists already; the destination must be a new store.")
    return existing


def _copy(store: Store, target: Store, ref: Ref, redaction: Redaction) -> None:
    with closed_after(store.service.source.instances(ref)) as parts:
        for part in parts:
            data = redacted(part.read(), redaction)
            (outcome,) = target.service.source.store([BytesUpload(data, ref.path)])
            if outcome.outcome in ("conflict", "failed"):
                raise DicomnbError(f"{ref.path} was not stored: {outcome.reason}")


def redacted(data: bytes, redaction: Redaction) -> bytes:
    """An instance's Part 10 bytes without identifiers.

    Raises:
        DecodeError: they cannot be read, or written again.
    """
    buffer = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # values that are not valid stay as they are
            dataset = dcmread(io.BytesIO(data))
            redaction.apply(dataset)
            dcmwrite(buffer, dataset, enforce_file_format=True)
    except (AttributeError, LookupError, NotImplementedError, TypeError, ValueError) as error:
        raise DecodeError(f"An instance cannot be written anew: {error}") from error
    return buffer.getvalue()


def _tags(dicom: Mapping[str, Any], name: str) -> frozenset[int]:
    names = field(field(dicom, name, dict) or {}, "tags", list) or []
    try:
        return frozenset(int(attribute(str(name)).tag, 16) for name in names)
    except BadQuery as error:
        raise Refused(400, str(error)) from error
