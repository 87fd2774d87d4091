"""What is done with a volume next, held against SimpleITK, nibabel and plain arithmetic."""

from __future__ import annotations

import re
from dataclasses import replace

import nibabel
import numpy as np
import pandas as pd
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st

from dicomnb.errors import GeometryError
from dicomnb.images.windows import Window
from dicomnb.volumes.axis import Axis
from dicomnb.volumes.grid import letters_of
from dicomnb.volumes.volume import Volume
from tests.images.image_series import oblique


def turned_affine(angle_x=0.0, angle_z=0.0, spacing=(2.5, 0.8, 0.6), origin=(-70, -80, 30)):
    """Axial at angles of 0."""
    directions = oblique(angle_x, angle_z)
    row, column = np.array(directions[:3]), np.array(directions[3:])
    affine = np.eye(4)
    affine[:3, 0] = np.cross(row, column) * spacing[0]
    affine[:3, 1], affine[:3, 2] = column * spacing[1], row * spacing[2]
    affine[:3, 3] = origin
    return affine


def made(affine=None, shape=(5, 7, 9), dtype=np.int16, **more):
    """A volume in which every voxel has a value of its own."""
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    table = pd.DataFrame({"InstanceNumber": np.arange(np.prod(shape[:-2]))})
    facts = {
        "units": "HU",
        "modality": "CT",
        "title": "Schädel",
        "frame_of_reference": "1.2.3",
        "windows": (Window(40, 400, "soft", "LINEAR"), Window(0, 10)),
        "report": ("one thing",),
    }
    affine = turned_affine() if affine is None else affine
    return Volume(array=array, affine=affine, slices=table, **{**facts, **more})


def four(affine=None, keyword="EchoTime", values=(5.0, 10.0, 20.0), units="ms"):
    return made(affine, (3, 5, 7, 9), axis=Axis(keyword, np.array(values), units))


TILTED = turned_affine()
TILTED[1, 0] = 0.7


@pytest.mark.parametrize(
    ("name", "letters", "at", "position"),
    [
        ("axial", ("A", "L", "P", "R"), 3, 30 + 3 * 2.5),
        ("coronal", ("S", "L", "I", "R"), 2, -80 + 2 * 0.8),
        ("sagittal", ("S", "P", "I", "A"), 4, -70 + 4 * 0.6),
    ],
)
@pytest.mark.parametrize("stored", ["SPL", "RAS", "ILA", "PSR"])
def test_planes_look_alike_however_the_voxels_are_stored(name, letters, at, position, stored):
    whole = made()
    plain = {
        "axial": whole.array[at],
        "coronal": whole.array[::-1, at],
        "sagittal": whole.array[::-1, :, at],
    }[name]
    plane = whole.reoriented(stored).plane(name, mm=position)
    np.testing.assert_array_equal(plane.array, plain)
    assert plane.letters == letters
    assert plane.position == pytest.approx(position)
    expected = {"axial": (0.8, 0.6), "coronal": (2.5, 0.6), "sagittal": (2.5, 0.8)}[name]
    assert plane.spacing == pytest.approx(expected)
    rows, columns = plane.array.shape
    assert plane.extent == pytest.approx(
        (-expected[1] / 2, (columns - 0.5) * expected[1], (rows - 0.5) * expected[0],
         -expected[0] / 2)
    )  # fmt: skip
    # The value at each pixel is that of the volume at the pixel's place.
    where = plane.point(1, 2)
    assert float(whole.value(*where)) == pytest.approx(float(plane.array[1, 2]))
    np.testing.assert_allclose(plane.pixel(*where), (0, 1, 2), atol=1e-9)


def test_planes_by_index_and_the_middle():
    volume = made()
    np.testing.assert_array_equal(volume.plane("axial", at=-1), volume.array[4])
    assert volume.plane("coronal").index == 3
    assert re.fullmatch(
        r"<Plane coronal 3: \d+ × \d+ \w+( \w+)?, sides \w{4}>", repr(volume.plane("coronal"))
    )
    with pytest.raises(IndexError, match="run from 0 to 4"):
        volume.plane("axial", at=5)
    with pytest.raises(IndexError, match="No axial plane"):
        volume.plane("axial", mm=1000.0)
    with pytest.raises(ValueError, match="not both"):
        volume.plane("axial", at=1, mm=3.0)
    with pytest.raises(ValueError, match="'axial', 'coronal', 'sagittal'"):
        volume.plane("transverse")
    with pytest.raises(GeometryError, match="no place"):
        replace(volume, affine=None).plane("axial")
    assert four().plane("axial", at=0, stack=2).array[0, 0] == four().array[2, 0, 0, 0]


def test_a_tilted_volume_is_cut_along_its_slices_only():
    volume = made(TILTED)
    np.testing.assert_array_equal(volume.plane("axial", at=1), volume.array[1])
    with pytest.raises(GeometryError, match=r"resampled\(\)"):
        volume.plane("sagittal")
    straight = volume.resampled()
    assert straight.plane("sagittal").array.shape[0] == len(straight)


@given(
    angles=st.tuples(st.floats(-3, 3), st.floats(-3, 3)),
    letters=st.permutations([0, 1, 2]).flatmap(
        lambda order: st.tuples(*[st.sampled_from(("LR", "PA", "SI")[axis]) for axis in order])
    ),
)
@settings(deadline=None, max_examples=60)
def test_reorienting_moves_no_voxel(angles, letters):
    volume = made(turned_affine(*angles))
    other = volume.reoriented("".join(letters))
    assert other.orientation == "".join(letters)
    for index in np.ndindex(other.shape):
        back = np.rint(volume.index(*other.position(*index))).astype(int)
        assert volume.array[tuple(back)] == other.array[index]
    again = other.reoriented(volume.orientation)
    np.testing.assert_array_equal(again, volume.array)
    np.testing.assert_allclose(again.affine, volume.affine, atol=1e-9)


@pytest.mark.parametrize("letters", ["RAS", "LPS", "SPL", "IPR"])
def test_reorienting_against_simpleitk_and_nibabel(letters):
    volume = made(turned_affine(0.2, -0.3))
    mine = volume.reoriented(letters)
    theirs = SimpleITK.DICOMOrient(volume.to_sitk(), letters[::-1])  # x, y, z: columns first
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(theirs), mine.array)
    np.testing.assert_allclose(theirs.GetOrigin(), mine.origin)
    assert "".join(nibabel.aff2axcodes(mine.to_nifti().affine)) == letters[::-1]


def test_the_table_follows_the_slices():
    volume = made()
    turned = volume.reoriented("IPL").slices
    assert turned["InstanceNumber"].tolist() == [4, 3, 2, 1, 0]
    assert len(volume.reoriented("RAS").slices) == 0
    cut = four().cropped((1, 3)).slices
    assert cut["InstanceNumber"].tolist() == [1, 2, 6, 7, 11, 12]
    assert four().at(-1).slices["InstanceNumber"].tolist() == [10, 11, 12, 13, 14]
    for bad in ("RAX", "RLS", "RA"):
        with pytest.raises(ValueError, match="no orientation"):
            volume.reoriented(bad)


def test_cropping_keeps_every_voxel_at_its_place():
    volume = made(turned_affine(0.2, -0.3))
    part = volume.cropped((1, 4), slice(2, None), (-3, None))
    np.testing.assert_array_equal(part, volume.array[1:4, 2:, -3:])
    np.testing.assert_allclose(part.position(0, 0, 0), volume.position(1, 2, 6))
    box = volume.cropped(box=(volume.position(1, 2, 3), volume.position(3, 5, 6)))
    low, high = volume.position(1, 2, 3), volume.position(3, 5, 6)
    inside = [
        (index, place)
        for index in np.ndindex(volume.shape)
        if ((place := volume.position(*index)) >= np.minimum(low, high)).all()
        and (place <= np.maximum(low, high)).all()
    ]
    assert {int(volume.array[index]) for index, _ in inside} <= set(box.array.ravel().tolist())
    straight = made()
    np.testing.assert_array_equal(
        straight.cropped(box=(straight.position(3, 5, 6), straight.position(1, 2, 3))),
        straight.array[1:4, 2:6, 3:7],
    )
    with pytest.raises(ValueError, match="Nothing is left"):
        volume.cropped((3, 3))
    with pytest.raises(ValueError, match="no step"):
        volume.cropped(slice(0, 5, 2))
    with pytest.raises(ValueError, match="not both"):
        volume.cropped((0, 1), box=((0, 0, 0), (1, 1, 1)))


@pytest.mark.parametrize("affine", [turned_affine(), turned_affine(0.4, 1.2)])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (5.0, 0.4, 1.3)])
@pytest.mark.parametrize("method", ["linear", "nearest"])
def test_resampling_against_simpleitk(affine, spacing, method):
    rng = np.random.default_rng(5)
    volume = replace(made(affine), array=rng.integers(-1000, 1000, (5, 7, 9)).astype(np.int16))
    mine = volume.resampled(spacing, method=method, smooth=False)
    assert mine.spacing == pytest.approx(spacing)
    np.testing.assert_allclose(
        mine.position(*(np.array(mine.shape) - 1) / 2),
        volume.position(*(np.array(volume.shape) - 1) / 2),
    )
    how = {"linear": SimpleITK.sitkLinear, "nearest": SimpleITK.sitkNearestNeighbor}[method]
    kind = {"linear": SimpleITK.sitkFloat32, "nearest": SimpleITK.sitkInt16}[method]
    theirs = SimpleITK.Resample(
        volume.to_sitk(), mine.to_sitk(), SimpleITK.Transform(), how, -9999, kind
    )
    theirs = SimpleITK.GetArrayFromImage(theirs)
    there = theirs != -9999  # SimpleITK has no value beyond the outer voxels' edges
    assert there.mean() > 0.5
    differing = np.abs(mine.array[there].astype(float) - theirs[there]) > 0.02
    assert differing.mean() <= (0.03 if method == "nearest" else 0)  # ties of nearest
    assert mine.dtype == (np.float32 if method == "linear" else np.int16)
    assert np.isfinite(mine.array).all()


def test_smoothing_before_wider_steps():
    stripes = np.zeros((4, 4, 64), np.float32)
    stripes[..., ::2] = 100.0
    volume = Volume(array=stripes, affine=np.eye(4))
    rough = volume.resampled((1, 1, 4), smooth=False)
    assert rough.array.std() <= 51
    smooth = volume.resampled((1, 1, 4))
    assert np.abs(smooth.array[..., 2:-2] - 50).max() < 1
    np.testing.assert_allclose(volume.resampled((1, 1, 1)), stripes)
    for bad in (0, (1, -1, 1), np.nan):
        with pytest.raises(ValueError, match="more than 0"):
            volume.resampled(bad)


def test_a_tilted_volume_is_straightened():
    """A linear field stays the same field at every point in space."""
    grid = made(TILTED, (8, 12, 10))
    index = np.indices(grid.shape)
    places = grid.position(*index)
    field = (places @ (1.0, 2.0, 3.0)).astype(np.float32)
    straight = replace(grid, array=field).resampled()
    assert np.isnan(straight.array).any()
    places = straight.position(*np.indices(straight.shape))
    inside = grid.index(*np.moveaxis(places, -1, 0))
    well = ((inside >= 0) & (inside <= np.array(grid.shape) - 1)).all(axis=-1)
    assert well.sum() > 500
    np.testing.assert_allclose(straight.array[well], (places @ (1, 2, 3))[well], rtol=1e-5)


def test_one_volume_on_the_grid_of_another():
    dose = replace(made(turned_affine(spacing=(3, 3, 3))), units="Gy")
    scan = made(shape=(6, 8, 10))
    placed = dose.on(scan)
    assert placed.units == "Gy"
    assert placed.shape == scan.shape
    for index in [(0, 0, 0), (3, 4, 5), (5, 7, 9)]:
        assert placed.array[index] == pytest.approx(
            float(dose.value(*scan.position(*index))), rel=1e-6, nan_ok=True
        )
    far = replace(scan, affine=turned_affine(origin=(900, 0, 0)))
    assert np.isnan(dose.on(far).array).all()
    assert (dose.on(far, method="nearest", fill=0).array == 0).all()
    assert dose.on(far, method="nearest", fill=0).dtype == dose.dtype
    same = dose.on(replace(dose, modality="X"))
    assert same.array is dose.array
    with pytest.raises(GeometryError, match="different frames of reference"):
        dose.on(replace(scan, frame_of_reference="9"))
    assert four().on(scan).shape == (3, *scan.shape)


def test_values_at_points():
    volume = made()
    np.testing.assert_allclose(
        volume.value(*np.moveaxis(volume.position(*np.indices(volume.shape)), -1, 0)),
        volume.array,
        atol=1e-6,
    )
    between = volume.position(1.5, 2, 3)
    assert float(volume.value(*between)) == (volume.array[1, 2, 3] + volume.array[2, 2, 3]) / 2
    assert np.isnan(volume.value(*volume.position(-1, 0, 0)))
    assert four().value(*four().position(1, 2, 3)).tolist() == four().array[:, 1, 2, 3].tolist()
    with pytest.raises(ValueError, match="'linear' or 'nearest'"):
        volume.value(0, 0, 0, method="cubic")


KINDS = ["uint8", "int16", "uint16", "int32", "float32"]


@pytest.mark.parametrize("way", ["xarray", "nifti", "sitk"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("angles", [(0, 0), (0.3, 0.4), (2.9, -1.3)])
def test_round_trips_are_exact(way, kind, angles):
    for volume in (made(turned_affine(*angles), dtype=kind), four(turned_affine(*angles))):
        other = getattr(volume, f"to_{way}")()
        back = getattr(Volume, f"from_{way}")(other)
        np.testing.assert_array_equal(back, volume.array)
        assert back.dtype == volume.dtype
        np.testing.assert_array_equal(back.affine, volume.affine)
        for name in ("units", "modality", "title", "frame_of_reference", "windows", "report"):
            assert getattr(back, name) == getattr(volume, name), name
        if volume.axis is not None:
            assert str(back.axis) == str(volume.axis)
            np.testing.assert_array_equal(back.coordinates, volume.coordinates)


def test_nifti_files_are_in_ras(tmp_path):
    volume = made(turned_affine(0.3, 0.4))
    nibabel.save(volume.to_nifti(), tmp_path / "one.nii.gz")
    theirs = nibabel.load(tmp_path / "one.nii.gz")
    x, y, z = volume.position(1, 2, 3)
    np.testing.assert_allclose(theirs.affine @ (3, 2, 1, 1), (-x, -y, z, 1), atol=1e-4)
    assert theirs.dataobj[3, 2, 1] == volume.array[1, 2, 3]
    back = Volume.from_nifti(tmp_path / "one.nii.gz")
    np.testing.assert_array_equal(back.affine, volume.affine)  # not the single precision's
    theirs = SimpleITK.ReadImage(str(tmp_path / "one.nii.gz"))  # ITK turns NIfTI to LPS by itself
    np.testing.assert_allclose(theirs.GetOrigin(), volume.origin, atol=1e-4)
    moved = nibabel.load(tmp_path / "one.nii.gz")
    affine = moved.affine.copy()
    affine[0, 3] += 5
    moved = nibabel.Nifti1Image(moved.get_fdata(), affine, moved.header)
    assert Volume.from_nifti(moved).origin[0] == pytest.approx(volume.origin[0] - 5, abs=1e-4)


def test_images_of_others():
    image = nibabel.Nifti1Image(np.zeros((4, 5, 6, 3), np.int16), np.diag([2, 3, 4, 1]))
    found = Volume.from_nifti(image)
    assert found.shape == (3, 6, 5, 4)
    assert found.orientation == "SAR"
    assert found.spacing == (4, 3, 2)
    assert found.axis.keyword == "Time"
    image = SimpleITK.GetImageFromArray(np.zeros((3, 4, 5), np.int16))
    assert Volume.from_sitk(image).units == ""
    assert letters_of(Volume.from_sitk(image).affine) == "SPL"
    with pytest.raises(ValueError, match="three or four"):
        Volume.from_sitk(SimpleITK.Image(3, 3, SimpleITK.sitkInt16))
    with pytest.raises(ValueError, match="three dimensions or four"):
        Volume.from_nifti(nibabel.Nifti1Image(np.zeros((3, 3), np.int16), np.eye(4)))


def test_a_dataarray_that_was_cut_is_at_its_new_place():
    volume = made(turned_affine(0.3, 0.4))
    cut = volume.to_xarray()[1:, ::2, ::-1].transpose("row", "slice", "column")
    back = Volume.from_xarray(cut)
    np.testing.assert_array_equal(back, volume.array[1:, ::2, ::-1])
    for index in np.ndindex(back.shape):
        where = volume.index(*back.position(*index))
        assert volume.array[tuple(np.rint(where).astype(int))] == back.array[index]
    with pytest.raises(GeometryError, match="evenly"):
        Volume.from_xarray(volume.to_xarray()[[0, 1, 3]])
    with pytest.raises(ValueError, match="dimensions"):
        Volume.from_xarray(volume.to_xarray()[0])
    assert volume.to_xarray().attrs["units"] == "HU"


def test_tilt_and_missing_geometry_are_not_handed_on():
    with pytest.raises(GeometryError, match="tilted"):
        made(TILTED).to_sitk()
    np.testing.assert_allclose(Volume.from_nifti(made(TILTED).to_nifti()).affine, TILTED)
    without = replace(made(), affine=None)
    for way in (Volume.to_sitk, Volume.to_nifti, Volume.resampled, Volume.reoriented):
        with pytest.raises(GeometryError, match="no place"):
            way(without)
    assert Volume.from_xarray(without.to_xarray()).affine is None


def test_four_axes_tell_what_they_are():
    volume = four()
    assert "EchoTime 5, 10, 20 ms" in repr(volume)
    assert volume.at(1).array.base is not None
    assert volume.at(1).axis is None
    assert volume.coordinates.tolist() == [5, 10, 20]
    with pytest.raises(IndexError, match="no stack 3"):
        volume.at(3)
    with pytest.raises(GeometryError, match="one stack"):
        volume.at(1).at(0)
    with pytest.raises(ValueError, match="an axis that says"):
        replace(volume, axis=None)
    with pytest.raises(ValueError, match="3 stacks, but 2"):
        replace(volume, axis=Axis("EchoTime", np.array([1.0, 2.0])))


def test_a_missing_library_is_named(monkeypatch):
    for name, way in (("xarray", "to_xarray"), ("nibabel", "to_nifti"), ("SimpleITK", "to_sitk")):
        monkeypatch.setitem(__import__("sys").modules, name, None)
        with pytest.raises(ImportError, match=r'pip install "dicomnb\[imaging\]"'):
            getattr(made(), way)()
