"""What a file is, and whether it can be stored: found out before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from dicomnb.local.header import FIRST_READ, HeaderReader, PassOver
from dicomnb.local.storing import cut
from dicomnb.wire.storing import FileUpload

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dicomnb.local.header import Header
    from dicomnb.refs import Ref

__all__ = ["Checked", "Checker", "kind_of"]

Kind = Literal["instance", "picture", "other"]

_PICTURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\x00\x00\x00\x0cjP  \r\n\x87\n": "JPEG 2000",
}
_NAME, _ID, _MODALITY = 0x00100010, 0x00100020, 0x00080060
_DATE, _DESCRIPTION, _SOP_CLASS = 0x00080020, 0x00081030, 0x00080016
_PREFIX_AT = 128
_BARE = (
    "a bare data set without preamble and file meta information (PS3.10), which servers do not "
    "take: read it with pydicom.dcmread(…, force=True), give it file_meta, and store that"
)


@dataclass(frozen=True)
class Checked:
    """What was found out about a file.

    Attributes:
        kind: ``"instance"``, which can be stored; ``"picture"``, which can be made into one;
            ``"other"``, which cannot.
        words: what it is, or what is wrong with it; empty for an instance.
        size: of the file, in bytes.
        ref: which instance it is.
        patient, patient_id, modality, study_date, description: of an instance, as text.
    """

    kind: Kind
    words: str = ""
    size: int = 0
    ref: Ref | None = None
    patient: str = ""
    patient_id: str = ""
    modality: str = ""
    study_date: str = ""
    description: str = ""


def kind_of(start: bytes) -> tuple[Kind, str]:
    """What the first 132 bytes of a file show it to be, and that in words.

    Example:
        >>> kind_of(bytes(128) + b"DICM")
        ('instance', 'DICOM')
    """
    if start[_PREFIX_AT : _PREFIX_AT + 4] == b"DICM":
        return "instance", "DICOM"
    for magic, name in _PICTURES.items():
        if start.startswith(magic):
            return "picture", name
    return "other", "empty" if not start else "not DICOM"


class Checker:
    """Looks at files, one after the other. For one thread at a time."""

    def __init__(self) -> None:
        self._reader = HeaderReader()

    def check(self, path: Path) -> Checked:
        """Look at one file; what is wrong with it is told, never raised."""
        size = 0
        try:
            upload = FileUpload(path)
            size = upload.length
            with upload.open() as file:
                head = file.read(FIRST_READ)
            kind, words = kind_of(head)
            if kind == "picture":
                return Checked(kind, words, size)
            if path.name.upper() == "DICOMDIR":
                return Checked("other", "an index of files, not an instance", size)
            header = self._reader.read(head, size=size, opener=upload.open)
            return _checked(header, upload, is_dicom=kind == "instance")
        except PassOver as passed:
            said = words if kind == "other" and passed.kind == "not DICOM" else ""
            return Checked("other", said or f"{passed.kind}: {passed.reason}", size)
        except OSError as error:
            return Checked("other", f"cannot be read: {error.strerror or error}")


def _checked(header: Header, upload: FileUpload, *, is_dicom: bool) -> Checked:
    """What a file shows whose header could be read."""
    words = ""
    if not is_dicom:
        words = _BARE
    elif not header.is_part10:
        words = "its file meta information has no TransferSyntaxUID (PS3.10)"
    elif _SOP_CLASS not in header.elements or not _text(header.elements, _SOP_CLASS):
        words = "it has no SOPClassUID"
    else:
        words = cut(header, upload).rstrip(".")
    return Checked(
        kind="other" if words else "instance",
        words=words,
        size=upload.length,
        ref=header.ref,
        patient=_text(header.elements, _NAME),
        patient_id=_text(header.elements, _ID),
        modality=_text(header.elements, _MODALITY),
        study_date=_text(header.elements, _DATE),
        description=_text(header.elements, _DESCRIPTION),
    )


def _text(elements: Mapping[int, bytes], tag: int) -> str:
    """The first value of an attribute as text; a name in its first writing."""
    if tag not in elements:
        return ""
    (attribute,) = msgspec.json.decode(b"{" + elements[tag] + b"}").values()
    value: Any = next(iter(attribute.get("Value") or ()), None)
    if isinstance(value, dict):
        value = next((text for text in value.values() if text), None)
    return "" if value is None else str(value)
