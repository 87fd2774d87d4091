"""Slides as scanners write them: JPEG tiles in YCbCr, in several levels."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

import dicomnb as dn
from tests.volumes.test_lazy import put
from tests.volumes.test_placing import slide

TILE = (48, 64)


def tissue(rows, columns):
    """Pink and violet in smooth stains: what JPEG keeps well, with every place another colour."""
    y, x = np.mgrid[:rows, :columns]
    red = 200 + 40 * np.sin(x / 23) * np.cos(y / 31)
    green = 130 + 60 * np.sin((x + y) / 41)
    blue = 190 + 40 * np.cos(x / 37)
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def scanned(stored, **options):
    """A level in JPEG tiles, 4:2:2 in YCbCr, without offset table, as PS3.3 has it."""
    ds = slide(stored, TILE, **options)
    shape = (ds.NumberOfFrames, *TILE, 3)
    tiles = np.frombuffer(ds.PixelData, np.uint8)[: np.prod(shape)].reshape(shape)
    streams = [
        imagecodecs.jpeg8_encode(tile, level=95, subsampling="422", outcolorspace="YCBCR")
        for tile in tiles
    ]
    ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    ds.PhotometricInterpretation = "YBR_FULL_422"
    ds.PixelData = encapsulate(streams, has_bot=False)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    ds.LossyImageCompression = "01"
    return ds


def levels():
    whole = tissue(200, 300)
    datasets = [scanned(whole[::2, ::2], number=2, sparse=True), scanned(whole, number=1)]
    for ds in datasets:
        ds.PatientID, ds.PatientName = "slide", "Slide^Jpeg"
        ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.826.78.1", "1.2.826.78.2"
        ds.SOPInstanceUID = f"1.2.826.78.3.{ds.InstanceNumber}"
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    return whole, datasets


def look(archive, whole):
    row = archive.series(SeriesInstanceUID="1.2.826.78.2").iloc[0]
    for x, y, width, height in ((0, 0, 300, 200), (50, 40, 100, 30), (280, 180, 9, 9)):
        for level, image in ((0, whole), (1, whole[::2, ::2])):
            if level and (width, height) == (300, 200):
                width, height = 150, 100
            left, top = (x, y) if not level else (x // 2, y // 2)
            expected = image[top : top + height, left : left + width]
            height, width = expected.shape[:2]
            found = archive.region(row, level, left, top, width, height)
            assert found.dtype == np.uint8
            difference = np.abs(found.astype(int) - expected)
            # The colours of stained tissue, not those of its YCbCr taken for RGB.
            assert difference.mean() < 2
            assert difference.max() < 24


@pytest.mark.parametrize("over", ["folder", "server"])
def test_jpeg_tiles(tmp_path, over):
    whole, datasets = levels()
    folder = put(tmp_path / "slide", datasets)
    if over == "folder":
        look(dn.connect(folder), whole)
        return
    with dn.serve(folder) as url:
        look(dn.connect(url), whole)


def test_jpeg_tiles_of_orthanc(orthanc):
    whole, datasets = levels()
    archive = dn.connect(orthanc.url)
    archive.store(datasets)
    look(archive, whole)
