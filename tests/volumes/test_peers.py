"""Volumes as ITK and GDCM read the same files: affine, order and values."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813

import dicomnb as dn
from dicomnb.errors import DicomnbWarning, GeometryError
from tests.images.image_series import AXIAL, oblique, phantom, series
from tests.volumes.test_lazy import put
from tests.volumes.test_volumes import shuffled

# Where GDCM's reader looks away: it takes one file for a series of one slice, mixes stacks of one
# series, and does not see gaps, duplicates, tilt or a slice of another orientation.
SINGLE_FRAME = ("CT", "MR", "PT")


def as_itk_reads(names):
    """(slices, rows, columns) and its affine, slices along the normal."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(names)
    image = reader.Execute()
    array = sitk.GetArrayFromImage(image)
    affine = np.eye(4)
    directions = np.array(image.GetDirection()).reshape(3, 3)
    for place, axis in enumerate((2, 1, 0)):
        affine[:3, place] = directions[:, axis] * image.GetSpacing()[axis]
    affine[:3, 3] = image.GetOrigin()
    if np.dot(np.cross(affine[:3, 2], affine[:3, 1]), affine[:3, 0]) < 0:  # the other way round
        affine[:3, 3] += affine[:3, 0] * (len(array) - 1)
        affine[:3, 0] *= -1
        array = array[::-1]
    return array, affine


def hold_against(volume, names):
    array, affine = as_itk_reads(names)
    np.testing.assert_allclose(volume.affine, affine, atol=2e-3)
    np.testing.assert_allclose(np.asarray(volume, np.float64), array, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("way", ["as they lie", "reversed", "shuffled"])
@pytest.mark.parametrize(
    "orientation", [AXIAL, (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1), (-1, 0, 0, 0, 1, 0), oblique()]
)
@pytest.mark.parametrize("slope", [1, 0.25])
def test_made_series(tmp_path, orientation, way, slope):
    datasets = series(phantom(7), orientation=orientation, slope=slope)
    order = {"as they lie": datasets, "reversed": datasets[::-1], "shuffled": shuffled(datasets)}
    for number, ds in enumerate(order[way], 1):
        ds.InstanceNumber = number  # what GDCM must not go by either
    folder = put(tmp_path / "in", order[way])
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    assert len(names) == 7
    archive = dn.connect(folder)
    row = archive.series().iloc[0]
    hold_against(archive.volume(row), names)
    hold_against(archive.volume(row, lazy=True), names)


@pytest.mark.long
def test_every_volumetric_series_of_the_demo(demo_folder, tmp_path):
    """Each is read by both alike, or is one that dicomnb refuses, saying why."""
    archive = dn.connect(demo_folder)
    held, refused = 0, 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DicomnbWarning)  # the demo's odd dates
        table = archive.series()
        for _, row in table[table["Modality"].isin(SINGLE_FRAME)].iterrows():
            if row["NumberOfSeriesRelatedInstances"] < 3:
                continue
            try:
                volume = archive.volume(row)
            except GeometryError:
                refused += 1
                continue
            if volume.axis is not None:
                volume = volume.at(0)
            folder = tmp_path / str(held)
            files = archive.download(row, folder, layout="{SOPInstanceUID}.dcm")
            place = dict(zip(files["SOPInstanceUID"], files["File"], strict=True))
            # The slices that belong together, in an order that says nothing.
            names = [str(folder / place[uid]) for uid in sorted(volume.slices["SOPInstanceUID"])]
            hold_against(volume, sorted_by_gdcm(names, tmp_path / f"only{held}"))
            held += 1
    assert held >= 20
    assert 2 <= refused <= 6


def sorted_by_gdcm(names, folder):
    """The files in the order in which GDCM reads them, uncompressed: ITK's GDCM lacks codecs."""
    folder.mkdir()
    for number, name in enumerate(names):
        ds = pydicom.dcmread(name)
        if ds.file_meta.TransferSyntaxUID.is_compressed:
            ds = copy.deepcopy(ds)
            ds.decompress()
        ds.save_as(folder / f"{number}.dcm")
    found = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    assert len(found) == len(names)
    return found
