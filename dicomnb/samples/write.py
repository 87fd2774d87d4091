"""The shared parts of every header, and the file."""

from __future__ import annotations

import functools
import uuid
from typing import TYPE_CHECKING

import numpy as np
from pydicom.charset import convert_encodings
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element, write_file_meta_info
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, ExplicitVRLittleEndian

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from dicomnb.samples.cast import Study

__all__ = [
    "code",
    "copy",
    "file_meta",
    "item",
    "number",
    "pixels",
    "put",
    "reference",
    "save",
    "series_header",
    "study_header",
    "uid",
]

_NAMESPACE = uuid.UUID("6a1d7c52-3f0e-4b5b-9d55-0f6a1c2e7b90")


def uid(*words: object) -> UID:
    """Give a UID that depends on the words alone: 2.25 and a name-based UUID (PS3.5 B.2)."""
    return UID(f"2.25.{uuid.uuid5(_NAMESPACE, '/'.join(str(word) for word in words)).int}")


def put(dataset: Dataset, **values: object) -> Dataset:
    """Set elements by keyword, each in a new element, whatever the value.

    New elements, because the instances of a series share those of their common header; without
    pydicom's checks, because some of the values are wrong on purpose.
    """
    for keyword, value in values.items():
        tag, vr = _attribute(keyword)
        if isinstance(value, Dataset):
            value = [value]
        held = Sequence(value) if vr == "SQ" and isinstance(value, list) else value
        dataset[tag] = DataElement(tag, vr, held, validation_mode=IGNORE)
    return dataset


@functools.cache
def _attribute(keyword: str) -> tuple[BaseTag, str]:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise ValueError(f"no attribute is called {keyword}")
    vr = dictionary_VR(tag)
    if " or " in vr:
        # pixels are words here, and the numbers of colour tables have no sign
        vr = "OW" if "OW" in vr else "US"
    return Tag(tag), vr


def item(**values: object) -> Dataset:
    """Make an item of a sequence."""
    return put(Dataset(), **values)


def copy(dataset: Dataset, **values: object) -> Dataset:
    """Give another data set with the same elements, and some set anew."""
    made = Dataset(dict(dataset.items()))
    if hasattr(dataset, "file_meta"):
        made.file_meta = dataset.file_meta
    return put(made, **values)


def number(value: float) -> str:
    """Write a decimal string (DS, at most 16 characters) without noise in the last digits."""
    return f"{round(float(value), 6):.10g}"


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """Make a code (PS3.3 8.1)."""
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def reference(dataset: Dataset, **values: object) -> Dataset:
    """Make an item that refers to an instance."""
    return item(
        ReferencedSOPClassUID=dataset.SOPClassUID,
        ReferencedSOPInstanceUID=dataset.SOPInstanceUID,
        **values,
    )


def study_header(study: Study) -> Dataset:
    """Make the patient's and the study's part of a header."""
    person = study.person
    return item(
        SpecificCharacterSet=list(person.charset) if len(person.charset) > 1 else person.charset[0],
        PatientName=person.name,
        PatientID=person.patient_id,
        PatientBirthDate=person.born,
        PatientSex=person.sex,
        PatientAge=f"{study.age:03d}Y",
        PatientSize=number(person.height),
        PatientWeight=number(person.weight),
        StudyInstanceUID=study.uid,
        StudyID=f"{study.number}",
        StudyDate=study.date,
        StudyTime=study.time,
        AccessionNumber=study.accession,
        ReferringPhysicianName=study.referring,
        StudyDescription=study.description,
        InstitutionName="Dicomnb Demo Hospital",
    )


def series_header(study: Study, series: int, sop_class: str, **values: object) -> Dataset:
    """Make what all instances of a series share: the study's part and the series'.

    Args:
        study: the study.
        series: the number of the series within it.
        sop_class: the SOP Class UID of its instances.
        **values: further elements, or other values for those set here.
    """
    dataset = study_header(study)
    return put(
        dataset,
        **{
            "SOPClassUID": UID(sop_class),
            "SeriesInstanceUID": uid(study.uid, "series", series),
            "SeriesNumber": series,
            "SeriesDate": study.date,
            "SeriesTime": study.time,
            "ContentDate": study.date,
            "ContentTime": study.time,
            "PositionReferenceIndicator": "",
            **values,
        },
    )


def pixels(dataset: Dataset, array: NDArray[np.generic], *, bits: int | None = None) -> Dataset:
    """Put one frame or many into a data set, uncompressed, little endian.

    Args:
        dataset: where to.
        array: (rows, columns), (frames, rows, columns) or, of 8-bit colour, with the samples
            as a last axis of length 3.
        bits: bits stored; None: as many as allocated.
    """
    colour = array.dtype == np.uint8 and array.shape[-1] == 3 and array.ndim > 2
    rows, columns = array.shape[-3:-1] if colour else array.shape[-2:]
    if array.ndim == (4 if colour else 3):
        put(dataset, NumberOfFrames=str(len(array)))
    allocated = array.dtype.itemsize * 8
    stored = bits or allocated
    if colour:
        put(dataset, PlanarConfiguration=0)
    data = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    put(
        dataset,
        SamplesPerPixel=3 if colour else 1,
        PhotometricInterpretation=dataset.get(
            "PhotometricInterpretation", "RGB" if colour else "MONOCHROME2"
        ),
        Rows=rows,
        Columns=columns,
        BitsAllocated=allocated,
        BitsStored=stored,
        HighBit=stored - 1,
        PixelRepresentation=int(array.dtype.kind == "i"),
    )
    vr = "OW" if allocated > 8 else "OB"
    dataset[0x7FE00010] = DataElement(Tag(0x7FE00010), vr, data + b"\0" * (len(data) % 2))
    return dataset


def file_meta(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> Dataset:
    """Give a data set its file meta information (PS3.10 7.1)."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = UID(syntax)
    meta.ImplementationClassUID = uid("implementation")
    meta.ImplementationVersionName = "DICOMNB_DEMO"
    dataset.file_meta = meta
    return dataset


def save(datasets: Iterable[Dataset], folder: Path) -> None:
    """Write data sets as Part 10 files, in an order that has nothing to do with their places.

    Elements that data sets share are encoded once: most of a series' header is the same.
    """
    folder.mkdir(parents=True, exist_ok=True)
    every = list(datasets)
    encoded: dict[int, bytes] = {}
    for dataset in every:
        name = str(dataset.SOPInstanceUID)[-12:]
        file = DicomBytesIO()
        file.write(b"\0" * 128 + b"DICM")
        write_file_meta_info(file, dataset.file_meta)
        file.write(_body(dataset, encoded))
        (folder / f"{name}.dcm").write_bytes(file.getvalue())


def _body(dataset: Dataset, encoded: dict[int, bytes]) -> bytes:
    """Encode a data set, with what was encoded before of elements that are the same object."""
    implicit = dataset.file_meta.TransferSyntaxUID.is_implicit_VR
    encodings = convert_encodings(dataset.SpecificCharacterSet)
    parts = []
    for element in dataset:
        known = encoded.get(id(element))
        if known is None:
            file = DicomBytesIO()
            file.is_little_endian, file.is_implicit_VR = True, implicit
            write_data_element(file, element, encodings)
            known = file.getvalue()
            if element.tag != 0x7FE00010:
                encoded[id(element)] = known
        parts.append(known)
    return b"".join(parts)
