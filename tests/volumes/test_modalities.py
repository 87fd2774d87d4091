"""Nuclear medicine and legacy converted objects, as their modules put their geometry."""

from __future__ import annotations

import copy

import highdicom
import numpy as np
import pytest

import dicomnb as dn
from dicomnb.errors import GeometryError
from tests.images.image_series import AXIAL, instance, oblique, phantom, series
from tests.volumes.test_frames import build, item
from tests.volumes.test_lazy import put
from tests.volumes.test_placing import complete

NUCLEAR = "1.2.840.10008.5.1.4.1.1.20"


def nuclear(stored, *, orientation=AXIAL, kind="RECON TOMO", step=4.0, slices=None, **more):
    """A nuclear medicine image: one place in its detector's item, and a vector of slices."""
    facts = {
        "position": None, "orientation": None, "slope": None, "intercept": None,
        "SOPClassUID": NUCLEAR, "Modality": "NM", "SliceThickness": step,
        "ImageType": ["ORIGINAL", "PRIMARY", kind, "EMISSION"], "SpacingBetweenSlices": step,
        "SliceVector": slices or list(range(1, len(stored) + 1)), "NumberOfSlices": len(stored),
        "WindowCenter": None, "WindowWidth": None,
    }  # fmt: skip
    ds = instance(stored, **{**facts, **more})
    ds.file_meta.MediaStorageSOPClassUID = NUCLEAR
    ds.DetectorInformationSequence = [
        item(
            ImagePositionPatient=[-70.0, -80.0, 30.0],
            ImageOrientationPatient=[f"{o:.8f}"[:16] for o in orientation],
        )
    ]
    return ds


@pytest.mark.parametrize("orientation", [AXIAL, oblique()])
def test_reconstructed_slices_of_nuclear_medicine(tmp_path, orientation):
    stored = phantom(6)
    archive = dn.connect(put(tmp_path / "in", [nuclear(stored, orientation=orientation)]))
    row = archive.series().iloc[0]
    normal = np.cross(orientation[:3], orientation[3:])
    for lazy in (False, True):
        found = archive.volume(row, lazy=lazy)
        np.testing.assert_array_equal(found, stored)
        for corner in ((0, 0, 0), (5, 19, 23), (3, 7, 0)):
            slice_, i, j = corner
            expected = (
                np.array([-70.0, -80.0, 30.0])
                + normal * 4.0 * slice_
                + np.array(orientation[3:]) * 0.8 * i
                + np.array(orientation[:3]) * 0.6 * j
            )
            np.testing.assert_allclose(found.position(*corner), expected, atol=1e-4)
        assert found.report == ()


def test_the_vector_of_slices_counts_not_the_order_of_frames():
    stored = phantom(5)
    order = [4, 2, 5, 1, 3]
    found = build([nuclear(stored[[at - 1 for at in order]], slices=order)])
    np.testing.assert_array_equal(found, stored)
    assert found.slices["FrameNumber"].tolist() == [4, 2, 5, 1, 3]


def test_projections_are_no_volume():
    found = build([nuclear(phantom(4), kind="TOMO")])
    assert found.affine is None
    with pytest.raises(GeometryError, match="no place"):
        found.position(0, 0, 0)


@pytest.mark.parametrize("kind", ["CT", "MR"])
def test_legacy_converted_images(tmp_path, kind):
    """An enhanced object that highdicom made of single slices is the volume of the slices."""
    classes = {
        "CT": ("1.2.840.10008.5.1.4.1.1.2", highdicom.legacy.LegacyConvertedEnhancedCTImage),
        "MR": ("1.2.840.10008.5.1.4.1.1.4", highdicom.legacy.LegacyConvertedEnhancedMRImage),
    }
    uid, convert = classes[kind]
    datasets = complete(
        series(
            phantom(6), orientation=oblique(), Modality=kind, SOPClassUID=uid,
            ImageType=["ORIGINAL", "PRIMARY", "AXIAL"], BitsStored=12, HighBit=11,
            slope=2, intercept=-1000,
        )
    )  # fmt: skip
    for ds in datasets:
        ds.file_meta.MediaStorageSOPClassUID = uid
    single = build(datasets)
    made = convert(
        legacy_datasets=copy.deepcopy(datasets[::-1]), series_instance_uid="1.2.3.4",
        series_number=1, sop_instance_uid="1.2.3.5", instance_number=1,
    )  # fmt: skip
    archive = dn.connect(put(tmp_path / "in", [made]))
    row = archive.series().iloc[0]
    for lazy in (False, True):
        found = archive.volume(row, lazy=lazy)
        np.testing.assert_array_equal(found, single)
        np.testing.assert_allclose(found.affine, single.affine, atol=1e-4)
        assert (found.units, found.windows[0].center) == (single.units, 40)
    np.testing.assert_array_equal(
        archive.frames(archive.instances().iloc[0], output="modality"), single[::-1]
    )


def test_more_bytes_than_frames_are_told():
    """NumberOfFrames that is too small, or not there, is no reason to lose frames in silence."""
    ds = instance(phantom(4))
    ds.NumberOfFrames = 2
    assert "holds 1,920 bytes more than those of its 2 frames" in build([ds]).report[0]
    del ds.NumberOfFrames
    found = build([ds])
    assert found.shape == (1, 20, 24)
    assert "of its 1 frames" in found.report[0]
    assert build([instance(np.ones((1, 1), np.uint8))]).report == ()  # a byte of padding is none


def test_slices_shown_in_different_ways_are_told():
    datasets = series(phantom(4))
    assert build(datasets).report == ()
    datasets[1].PhotometricInterpretation = "MONOCHROME1"
    assert build(datasets).report == (
        "Slices are to be shown in different ways: MONOCHROME1, MONOCHROME2.",
    )
