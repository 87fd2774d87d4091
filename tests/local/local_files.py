"""Small DICOM files for the tests of the folder."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

CT = "1.2.840.10008.5.1.4.1.1.2"


def made(study: str = "1.1", series: str = "1.1.1", uid: str = "1.1.1.1", **values: Any) -> Dataset:
    """An image of 2 × 3 pixels, or of whatever ``values`` say."""
    values = {
        "StudyInstanceUID": study,
        "SeriesInstanceUID": series,
        "SOPInstanceUID": uid,
    } | values
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = CT
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.SOPClassUID = CT
    dataset.PatientID, dataset.PatientName, dataset.Modality = "P1", "Doe^Jane", "CT"
    dataset.Rows, dataset.Columns, dataset.BitsAllocated, dataset.BitsStored = 2, 3, 16, 12
    dataset.HighBit, dataset.SamplesPerPixel, dataset.PixelRepresentation = 11, 1, 0
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelData = np.arange(6, dtype="<u2").tobytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # values need not be valid
        for keyword, value in values.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
    return dataset


def as_bytes(dataset: Dataset, *, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """The data set as a Part 10 file, with whatever values it has."""
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    buffer = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def put(path: Path, **values: Any) -> Path:
    """Write a made file; ``study``, ``series`` and ``uid`` among the values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(as_bytes(made(**values)))
    return path
