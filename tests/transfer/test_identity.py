"""Which instance came: told by its own UIDs, whole, and by nothing that looks like them."""

from __future__ import annotations

import io

import pytest
from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicomnb.errors import ProtocolError
from dicomnb.refs import Ref
from dicomnb.transfer.identity import named
from dicomnb.wire.parts import BytesPart

ASKED = Ref("1.2.3", "1.2.3.4", "1.2.3.4.5")


def file(instance: str = "1.2.3.4.5", *, syntax: str = ExplicitVRLittleEndian, before: int = 0):
    """A file of the series asked for, with about ``before`` bytes ahead of its UIDs."""
    made = FileDataset("", {}, preamble=bytes(128), file_meta=FileMetaDataset())
    made.file_meta.TransferSyntaxUID = syntax
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = CTImageStorage
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = instance
    made.StudyInstanceUID, made.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    other = Dataset()
    other.ReferencedSOPInstanceUID = ASKED.uid
    other.SeriesInstanceUID = "1.2.3.4"
    made.ReferencedImageSequence = Sequence([other] * max(1, before // 60))
    made.PixelData = bytes(20)
    made["PixelData"].VR = "OW"
    whole = io.BytesIO()
    made.save_as(whole, enforce_file_format=True)
    return whole.getvalue()


def told(data: bytes, asked: Ref) -> tuple[Ref, bytes]:
    found, part = named(BytesPart(data, media_type="application/dicom"), asked)
    return found, part.read()


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("before", [0, 30_000, 100_000])
@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_the_instance_and_every_byte_of_it(syntax: str, before: int, level) -> None:
    data = file(syntax=syntax, before=before)
    assert told(data, ASKED.at(level)) == (ASKED, data)


@pytest.mark.parametrize("before", [0, 30_000, 100_000])
@pytest.mark.parametrize("uid", ["1.2.3.4.55", "1.2.3.4", "1.1.2.3.4.5"])
def test_a_uid_that_only_looks_like_it(uid: str, before: int) -> None:
    with pytest.raises(ProtocolError, match="was sent"):
        told(file(uid, before=before), ASKED)


def test_the_file_meta_information_alone_is_not_believed() -> None:
    data = file("1.2.3.4.6").replace(b"1.2.3.4.6\0", b"1.2.3.4.5\0", 1)
    with pytest.raises(ProtocolError, match=r"1\.2\.3\.4\.6 was sent"):
        told(data, ASKED)


def test_what_is_no_instance() -> None:
    with pytest.raises(ProtocolError, match="no DICOM instance"):
        told(b"<html>1.2.3.4.5</html>", ASKED)
