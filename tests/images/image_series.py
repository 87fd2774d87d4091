"""Synthesised series for the tests of this room: small, deterministic, as real headers are."""

from __future__ import annotations

import io

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from dicomnb.wire.parts import BytesPart, FilePart

AXIAL = (1, 0, 0, 0, 1, 0)
ROOT = "1.2.826.0.1.3680043.8.498.1"


def instance(
    values,
    *,
    number=1,
    position=(0.0, 0.0, 0.0),
    orientation=AXIAL,
    spacing=(0.8, 0.6),
    slope=1,
    intercept=-1024,
    syntax=ExplicitVRLittleEndian,
    **more,
):
    """A CT image with stored ``values``; an attribute given as None is left out."""
    values = np.asarray(values)
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = f"{ROOT}.{number}"
    bits = 8 * values.dtype.itemsize
    facts = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": f"{ROOT}.{number}",
        "SeriesInstanceUID": f"{ROOT}.9",
        "StudyInstanceUID": f"{ROOT}.8",
        "FrameOfReferenceUID": f"{ROOT}.7",
        "Modality": "CT",
        "SeriesDescription": "Phantom",
        "InstanceNumber": number,
        "ImagePositionPatient": None if position is None else [f"{p:.6g}" for p in position],
        "ImageOrientationPatient": None
        if orientation is None
        else [f"{o:.8f}"[:16] for o in orientation],
        "PixelSpacing": None if spacing is None else list(spacing),
        "SliceThickness": 2.5,
        "Rows": values.shape[-2],
        "Columns": values.shape[-1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(values.dtype.kind == "i"),
        "RescaleSlope": slope,
        "RescaleIntercept": intercept,
        "WindowCenter": 40,
        "WindowWidth": 400,
    }
    if values.ndim == 3:
        facts["NumberOfFrames"] = values.shape[0]
    facts.update(more)
    for keyword, value in facts.items():
        if value is not None:
            setattr(ds, keyword, value)
    ds.PixelData = values.astype(values.dtype.newbyteorder("<")).tobytes()
    ds["PixelData"].VR = "OW"
    return ds


def compressed(ds, frames, syntax):
    """Replace the pixels by codestreams."""
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    ds.PixelData = encapsulate(frames)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return ds


def part10(ds):
    file = io.BytesIO()
    dcmwrite(file, ds, enforce_file_format=True)
    return file.getvalue()


def part(ds):
    data = ds if isinstance(ds, bytes) else part10(ds)
    return BytesPart(data, media_type="application/dicom")


def file_part(data):
    return FilePart(io.BytesIO(data), len(data), media_type="application/dicom")


def phantom(slices=12, rows=20, columns=24, dtype=np.uint16, seed=7):
    """Stored values in which every voxel is told from every other slice's."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 4000, (slices, rows, columns)).astype(dtype)


def series(
    stored=None,
    *,
    step=2.5,
    orientation=AXIAL,
    origin=(-70.0, -80.0, 30.0),
    shift=(0, 0, 0),
    **more,
):
    """A regular stack: slice i of ``stored`` at ``origin + i × (step × normal + shift)``."""
    stored = phantom() if stored is None else stored
    normal = np.cross(orientation[:3], orientation[3:])
    return [
        instance(
            plane,
            number=number + 1,
            position=np.array(origin) + number * (step * normal + np.array(shift)),
            orientation=orientation,
            **more,
        )
        for number, plane in enumerate(stored)
    ]


def oblique(angle_x=0.3, angle_z=0.4):
    """Directions of rows and columns of a plane that is aligned with nothing."""
    c, s = np.cos(angle_z), np.sin(angle_z)
    about_z = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    c, s = np.cos(angle_x), np.sin(angle_x)
    about_x = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    turned = about_z @ about_x
    return (*turned[:, 0], *turned[:, 1])
