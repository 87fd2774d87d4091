"""What is measured on: series, frames, rows and folders, made once and kept under ``build``."""

from __future__ import annotations

import copy
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

__all__ = ["SERIES", "STUDY", "SYNTAXES", "Sizes", "folder_of_files", "prepared"]

STUDY, SERIES = "2.25.1001", "2.25.1002"
SYNTAXES = {
    "plain": ExplicitVRLittleEndian,
    "jpegls": JPEGLSLossless,
    "rle": RLELossless,
    "jpeg2000": JPEG2000Lossless,
}
BOUNDARY = "0f3b2c1d-7a64-4e58-9c1b-52d8e6f7a913"
"""A UUID; Orthanc's has 70 characters, that of `dicomnb.serve` 40."""
NOT_IN_ROWS = (
    "PixelData",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "RescaleIntercept",
    "RescaleSlope",
    "SamplesPerPixel",
    "WindowCenter",
    "WindowWidth",
)


@dataclass(frozen=True)
class Sizes:
    """How much of everything."""

    rows: int = 20_000
    slices: int = 300
    side: int = 512
    frames: int = 100
    frame_side: int = 1024
    files: int = 20_000

    def tenth(self) -> Sizes:
        """A tenth of what is counted; the pictures stay as large."""
        return Sizes(
            rows=self.rows // 10,
            slices=max(3, self.slices // 10),
            side=self.side,
            frames=max(3, self.frames // 10),
            frame_side=self.frame_side,
            files=self.files // 10,
        )


def prepared(folder: Path, sizes: Sizes) -> Path:
    """Bodies as a server would send them, and the slices as files; made where they are missing.

    Returns:
        The folder of these sizes: ``instances.json`` (rows), ``<syntax>.multipart``,
        ``<syntax>.json`` (the metadata), ``frames.bin``, ``frames.json``, ``slices/``.
    """
    target = folder / "-".join(str(one) for one in vars(sizes).values())
    target.mkdir(parents=True, exist_ok=True)
    rows = target / "instances.json"
    if not rows.exists():
        rows.write_bytes(json.dumps(_rows(sizes.rows), separators=(",", ":")).encode())
    done = target / "done"
    if done.exists() and done.read_text() == BOUNDARY:
        return target
    for name, syntax in SYNTAXES.items():
        _write_series(target, name, sizes, syntax)
    _write_frames(target, sizes)
    done.write_text(BOUNDARY)
    return target


def _rows(count: int) -> list[dict[str, Any]]:
    """Rows of an instance search as full servers send them, about 1.2 kB each, without spaces."""
    template = _slice(0, 1, 2, ExplicitVRLittleEndian)
    for keyword in NOT_IN_ROWS:
        delattr(template, keyword)
    row = template.to_json_dict()
    rows = []
    for index in range(count):
        study, series = f"2.25.{5000 + index // 2000}", f"2.25.{6000 + index // 200}"
        made = copy.copy(row)
        made["0020000D"] = {"vr": "UI", "Value": [study]}
        made["0020000E"] = {"vr": "UI", "Value": [series]}
        made["00080018"] = {"vr": "UI", "Value": [f"2.25.9{index:09d}"]}
        made["00200013"] = {"vr": "IS", "Value": [index % 200 + 1]}
        made["00080020"] = {"vr": "DA", "Value": [f"2023{index % 12 + 1:02d}{index % 28 + 1:02d}"]}
        made["00081190"] = {"vr": "UR", "Value": [f"http://server/studies/{study}"]}
        rows.append(made)
    return rows


def _slice(index: int, count: int, side: int, syntax: str) -> FileDataset:
    """One CT slice: a body with noise, as hard to compress as a real one."""
    made = FileDataset("", {}, preamble=bytes(128), file_meta=FileMetaDataset())
    made.file_meta.TransferSyntaxUID = syntax
    made.file_meta.MediaStorageSOPClassUID = CTImageStorage
    uid = f"2.25.3{index:06d}"
    made.file_meta.MediaStorageSOPInstanceUID = uid
    for keyword, value in {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": uid,
        "StudyInstanceUID": STUDY,
        "SeriesInstanceUID": SERIES,
        "FrameOfReferenceUID": "2.25.1003",
        "PatientID": "BENCH",
        "PatientName": "Bench^Mark",
        "PatientBirthDate": "19600102",
        "PatientSex": "O",
        "StudyDate": "20230405",
        "StudyTime": "101112",
        "StudyDescription": "Chest",
        "SeriesDescription": "Axial",
        "AccessionNumber": "4711",
        "Modality": "CT",
        "Manufacturer": "None",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "InstanceNumber": index + 1,
        "KVP": 120.0,
        "SliceThickness": 1.0,
        "ImagePositionPatient": [-180.0, -180.0, float(index)],
        "ImageOrientationPatient": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        "PixelSpacing": [0.7, 0.7],
        "Rows": side,
        "Columns": side,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
        "RescaleSlope": 1.0,
        "RescaleIntercept": -1024.0,
        "WindowCenter": 40.0,
        "WindowWidth": 400.0,
    }.items():
        setattr(made, keyword, value)
    pixels = _pixels(index, count, side)
    if syntax == ExplicitVRLittleEndian:
        made.PixelData = pixels.tobytes()
        made["PixelData"].VR = "OW"
    else:
        made.PixelData = encapsulate([_encoded(pixels, syntax)])
        made["PixelData"].VR = "OB"
        made["PixelData"].is_undefined_length = True
    return made


def _pixels(index: int, count: int, side: int) -> np.ndarray[Any, np.dtype[np.int16]]:
    random = np.random.default_rng(index)
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    body = np.where(x**2 + (1.3 * y) ** 2 < 0.8, 1060, 0)
    lung = (np.abs(x) - 0.4) ** 2 + y**2 < 0.09 * (1 + index / max(count, 1))
    values = np.where(lung, 150, body) + random.normal(0, 12, (side, side))
    return np.clip(values, 0, 4095).astype("<i2")


def _encoded(pixels: np.ndarray[Any, Any], syntax: str) -> bytes:
    import imagecodecs
    from pydicom.pixels.encoders import RLELosslessEncoder

    if syntax == JPEGLSLossless:
        return bytes(imagecodecs.jpegls_encode(pixels.view("<u2")))
    if syntax == JPEG2000Lossless:
        options = {"codecformat": "j2k", "reversible": True, "level": 0}
        return bytes(imagecodecs.jpeg2k_encode(pixels.view("<u2"), **options))
    return RLELosslessEncoder.encode(
        pixels,
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        samples_per_pixel=1,
        bits_allocated=16,
        bits_stored=16,
        pixel_representation=1,
        photometric_interpretation="MONOCHROME2",
        number_of_frames=1,
    )


def _write_series(target: Path, name: str, sizes: Sizes, syntax: str) -> None:
    body = io.BytesIO()
    metadata = []
    for index in range(sizes.slices):
        one = _slice(index, sizes.slices, sizes.side, syntax)
        file = io.BytesIO()
        one.save_as(file, enforce_file_format=True)
        head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n"
        body.write(head.encode() + file.getvalue() + b"\r\n")
        metadata.append(_metadata(one))
        if name == "plain":
            path = target / "slices" / f"{one.SOPInstanceUID}.dcm"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(file.getvalue())
    body.write(f"--{BOUNDARY}--\r\n".encode())
    (target / f"{name}.multipart").write_bytes(body.getvalue())
    (target / f"{name}.json").write_bytes(json.dumps(metadata).encode())


def _metadata(one: Dataset) -> dict[str, Any]:
    row = Dataset({element.tag: element for element in one if element.keyword != "PixelData"})
    found: dict[str, Any] = row.to_json_dict()
    uri = f"studies/{STUDY}/series/{SERIES}/instances/{one.SOPInstanceUID}/bulkdata/7FE00010"
    found["7FE00010"] = {"vr": "OW", "BulkDataURI": uri}
    return found


def _write_frames(target: Path, sizes: Sizes) -> None:
    side = sizes.frame_side
    random = np.random.default_rng(0)
    frames = random.integers(0, 255, (sizes.frames, side, side), dtype=np.uint8)
    (target / "frames.bin").write_bytes(frames.tobytes())
    made = _slice(0, 1, 2, ExplicitVRLittleEndian)
    made.NumberOfFrames = sizes.frames
    made.Rows = made.Columns = side
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit, made.PixelRepresentation = 7, 0
    del made.RescaleSlope, made.RescaleIntercept
    (target / "frames.json").write_bytes(json.dumps([_metadata(made)]).encode())


def folder_of_files(folder: Path, count: int) -> Path:
    """A folder of many small instances, in 100 series."""
    target = folder / f"files-{count}"
    done = target.with_suffix(".done")
    if done.exists():
        return target
    made = _slice(0, 1, 2, ExplicitVRLittleEndian)
    for index in range(count):
        series = index * 100 // count
        made.StudyInstanceUID = f"2.25.7{series // 4:03d}"
        made.SeriesInstanceUID = f"2.25.8{series:04d}"
        made.SOPInstanceUID = f"2.25.9{index:07d}"
        made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
        made.InstanceNumber = index
        path = target / f"{series:03d}" / f"{index:06d}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        made.save_as(path, enforce_file_format=True)
    done.touch()
    return target
