"""Volumes: values, types, memory and place, against SimpleITK and highdicom."""

from __future__ import annotations

import pickle
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import highdicom as hd
import imagecodecs
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicomnb.errors import DecodeError, GeometryError, LimitExceeded, NoDicom
from dicomnb.images.rescale import Rescale, modality_type, rescale
from dicomnb.limits import Limits
from dicomnb.volumes.builder import VolumeBuilder
from dicomnb.volumes.volume import Volume
from dicomnb.wire.parts import BytesPart
from tests.conftest import real_file
from tests.images import real_files
from tests.images.image_series import (
    compressed,
    file_part,
    instance,
    oblique,
    part,
    part10,
    phantom,
    series,
)

CODECS = {
    "1.2.840.10008.1.2.4.80": imagecodecs.jpegls_encode,
    "1.2.840.10008.1.2.4.90": lambda a: imagecodecs.jpeg2k_encode(
        a, codecformat="J2K", reversible=True
    ),
}


def build(datasets, *, expected=None, strict=True, **options):
    builder = VolumeBuilder(expected, strict=strict, **options)
    for ds in datasets:
        builder.add(part(ds))
    return builder.finish()


def shuffled(items, seed=1):
    return [items[i] for i in np.random.default_rng(seed).permutation(len(items))]


@pytest.mark.parametrize(
    "orientation", [(1, 0, 0, 0, 1, 0), (1, 0, 0, 0, -1, 0), oblique(), oblique(2.5, -1)]
)
def test_against_simpleitk(tmp_path, orientation):
    """Values and the place of every corner, as ITK and GDCM read the same files."""
    stored = phantom(6)
    datasets = series(stored, orientation=orientation, step=3.0)
    names = []
    for number, ds in enumerate(shuffled(datasets)):
        names.append(str(tmp_path / f"{number}.dcm"))
        (tmp_path / f"{number}.dcm").write_bytes(part10(ds))
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path)))
    image = reader.Execute()
    volume = build(shuffled(datasets, 5))
    theirs = sitk.GetArrayFromImage(image)
    if volume.array[0, 0, 0] != theirs[0, 0, 0]:  # GDCM may run along the other normal
        theirs = theirs[::-1]
    np.testing.assert_array_equal(volume.array, theirs)
    for corner in [(0, 0, 0), (5, 19, 23), (0, 19, 0), (5, 0, 23)]:
        point = volume.position(*corner)
        k, j, i = corner
        expected = image.TransformIndexToPhysicalPoint((i, j, k))
        if not np.allclose(point, expected, atol=1e-3):
            expected = image.TransformIndexToPhysicalPoint((i, j, 5 - k))
        np.testing.assert_allclose(point, expected, atol=1e-3)


@pytest.mark.parametrize("orientation", [(1, 0, 0, 0, 1, 0), oblique()])
def test_against_highdicom(orientation):
    datasets = series(orientation=orientation)
    volume = build(shuffled(datasets))
    theirs = hd.get_volume_from_series(
        datasets, apply_real_world_transform=False, apply_modality_transform=True
    )
    array, affine = theirs.array, theirs.affine
    if not np.allclose(affine[:3, 0], volume.affine[:3, 0], atol=1e-3):
        affine = affine @ [[-1, 0, 0, len(array) - 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
        array = array[::-1]
    np.testing.assert_allclose(volume.affine, affine, atol=1e-3)
    np.testing.assert_array_equal(volume.array, array)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_real_series_in_the_wheel():
    folder = next(
        p for n, p in real_files.paths().items() if n.endswith("98892001/CT5N/2062")
    ).parent
    datasets = [pydicom.dcmread(path) for path in folder.iterdir()]
    volume = build(datasets, strict=False)
    expected = {
        ds.SOPInstanceUID: ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept)
        for ds in datasets
    }
    for plane, uid in zip(volume.array, volume.slices.SOPInstanceUID, strict=True):
        np.testing.assert_array_equal(plane, expected[uid])
    assert volume.units == "HU"


def test_a_volume_tells_what_it_is():
    volume = build(series(ConvolutionKernel="B30", AcquisitionTime="101112"))
    assert (volume.shape, volume.dtype, volume.units) == ((12, 20, 24), np.dtype("i2"), "HU")
    np.testing.assert_allclose(volume.spacing, (2.5, 0.8, 0.6))
    assert volume.orientation == "SPL"
    assert volume.origin == (-70, -80, 30)
    assert volume.report == ()
    assert volume.windows[0][:2] == (40, 400)
    assert repr(volume) == "<Volume CT 'Phantom': (12, 20, 24) int16 HU, 2.5 × 0.8 × 0.6 mm, SPL>"
    table = volume.slices
    assert table.InstanceNumber.tolist() == list(range(1, 13))
    assert table.Position.tolist() == pytest.approx([30 + 2.5 * i for i in range(12)])
    assert table.ImagePositionPatient[1] == (-70, -80, 32.5)
    assert table.AcquisitionTime[0] == "101112"
    assert len(table) == len(volume) == 12


@given(voxel=st.tuples(*[st.floats(-50, 50)] * 3))
@settings(deadline=None, max_examples=25)
def test_position_and_index_are_inverse(voxel):
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0.1, 0.7, 0.2], [1.3, 0, 0.1], [0, 0.4, 2.2]])
    affine[:3, 3] = (5, -300, 40)
    volume = Volume(np.zeros((2, 2, 2)), affine)
    np.testing.assert_allclose(volume.index(*volume.position(*voxel)), voxel, atol=1e-9)
    assert volume.position([0, 1], 0, [3, 4]).shape == (2, 3)


def test_numpy_gives_plain_arrays():
    volume = build(series())
    array = volume.array
    for result in (volume + 1, 2 * volume, np.add(volume, volume), volume[3], -volume, volume > 0):
        assert type(result) is np.ndarray
    assert np.array_equal(volume > 0, array > 0)
    assert np.asarray(volume) is array
    assert np.asarray(volume, dtype=np.float32).dtype == np.float32
    assert np.array(volume, copy=True) is not array
    assert np.mean(volume) == array.mean()
    assert (volume == array).all()
    assert hash(volume) != hash(build(series()))
    with pytest.raises(TypeError):
        np.add(volume, 1, out=volume)
    again = pickle.loads(pickle.dumps(volume))
    assert np.array_equal(again.array, array)
    assert np.array_equal(again.affine, volume.affine)


def test_a_volume_never_holds_a_false_affine():
    for affine in (np.full((4, 4), np.nan), np.zeros((4, 4)), np.eye(3)):
        with pytest.raises(ValueError, match="no affine"):
            Volume(np.zeros((2, 2, 2)), affine)
    with pytest.raises(ValueError, match="slices, rows, columns"):
        Volume(np.zeros((2, 2)))
    volume = Volume(np.zeros((2, 2, 2)))
    assert volume.spacing is volume.origin is volume.orientation is None
    assert repr(volume) == "<Volume (2, 2, 2) float64, no geometry>"
    with pytest.raises(GeometryError, match="made without one"):
        volume.position(0, 0, 0)
    with pytest.raises(GeometryError, match="No affine: one slice"):
        build([instance(phantom(1)[0], SliceThickness=None)]).index(0, 0, 0)


# -- values and their type ---------------------------------------------------------------


def reference(stored, slopes, intercepts):
    """Modality values in double precision, slice by slice."""
    shape = (-1, 1, 1)
    return stored.astype(np.float64) * np.reshape(slopes, shape) + np.reshape(intercepts, shape)


@given(
    dtype=st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4"]),
    slope=st.sampled_from([1, 2, -1, 0.5, 3, 100]),
    intercept=st.sampled_from([0, -1024, -32768, 1000, 0.25]),
    seed=st.integers(0, 9),
)
@settings(deadline=None, max_examples=150)
def test_modality_values_never_overflow(dtype, slope, intercept, seed):
    limits = np.iinfo(dtype)
    rng = np.random.default_rng(seed)
    stored = rng.integers(limits.min, limits.max, (3, 4, 5), endpoint=True, dtype=dtype)
    volume = build(series(stored, slope=slope, intercept=intercept))
    expected = reference(stored, [slope] * 3, [intercept] * 3)
    if float(slope).is_integer() and float(intercept).is_integer():
        assert volume.dtype.kind in "iu"
        assert volume.dtype.itemsize >= stored.itemsize
        np.testing.assert_array_equal(volume.array.astype(np.float64), expected)
        for plane, values in zip(stored, expected, strict=True):
            alone = rescale(plane, Rescale(slope, intercept))
            np.testing.assert_array_equal(alone.astype(np.float64), values)
            smaller = [
                k for k in np.typecodes["AllInteger"] if np.dtype(k).itemsize < alone.dtype.itemsize
            ]
            fitting = [
                k
                for k in smaller
                if np.iinfo(k).min <= values.min() and values.max() <= np.iinfo(k).max
            ]
            assert not [k for k in fitting if np.dtype(k).itemsize >= stored.itemsize]
    else:
        assert volume.dtype == np.float32
        np.testing.assert_allclose(volume.array, expected, rtol=1e-6, atol=1e-3)


def test_hounsfield_units_stay_two_bytes_wide():
    stored = phantom()
    volume = build(series(stored, intercept=-1024))
    assert volume.dtype == np.int16
    np.testing.assert_array_equal(volume.array, stored.astype(int) - 1024)
    assert build(series(stored, slope=None, intercept=None)).dtype == np.uint16
    stored[0, 0, 0] = 65535
    volume = build(series(stored, intercept=-1024))
    assert volume.dtype == np.int32
    assert volume.array.max() == 65535 - 1024


def test_each_slice_has_its_own_rescale():
    """As in PET."""
    stored = phantom(5)
    slopes, intercepts = [0.5, 1.25, 2, 0.1, 1], [0, 1, 2, 3, 4]
    datasets = series(stored, Modality="PT", Units="BQML", RescaleType="US")
    for ds, slope, intercept in zip(datasets, slopes, intercepts, strict=True):
        ds.RescaleSlope, ds.RescaleIntercept = slope, intercept
    volume = build(shuffled(datasets))
    assert volume.dtype == np.float32
    np.testing.assert_allclose(volume.array, reference(stored, slopes, intercepts), rtol=1e-6)
    assert volume.units == "BQML"
    assert volume.slices.RescaleSlope.tolist() == slopes


def test_signed_and_unsigned_slices_in_one_series():
    stored = phantom(4)
    datasets = series(stored)
    datasets[2].PixelRepresentation = 1
    np.testing.assert_array_equal(build(datasets).array, stored.astype(int) - 1024)


def test_dirty_high_bits_are_cleaned_in_the_stack():
    stored = phantom(3, dtype=np.uint16)
    datasets = series(stored | 0xF000, BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(build(datasets).array, stored.astype(int) - 1024)


@pytest.mark.parametrize(
    ("facts", "units"),
    [
        ({}, "HU"),
        ({"RescaleType": "HU"}, "HU"),
        ({"RescaleType": "US"}, ""),
        ({"RescaleType": "MGML"}, "MGML"),
        ({"slope": None, "intercept": None}, ""),
        ({"Modality": "MR"}, ""),
    ],
)
def test_units(facts, units):
    assert build(series(phantom(2), **facts)).units == units


def test_mixed_units_are_told():
    datasets = series(phantom(3))
    datasets[1].RescaleType = "US"
    volume = build(datasets)
    assert volume.units == ""
    assert "different units" in volume.report[-1]


def test_float_pixels():
    datasets = series(phantom(3), slope=1, intercept=0)
    values = np.random.default_rng(0).normal(size=(3, 20, 24)).astype("<f4")
    for ds, plane in zip(datasets, values, strict=True):
        del ds.PixelData
        ds.FloatPixelData, ds.BitsAllocated = plane.tobytes(), 32
    volume = build(datasets)
    assert volume.dtype == np.float32
    np.testing.assert_array_equal(volume.array, values)


def test_modality_lut():
    item = Dataset()
    item.LUTDescriptor, item.ModalityLUTType = [4096, 0, 16], "OD"
    item.add_new(0x00283006, "OW", (np.arange(4096)[::-1] * 3).astype("<u2").tobytes())
    stored = phantom(3)
    datasets = series(stored, slope=None, intercept=None, ModalityLUTSequence=Sequence([item]))
    volume = build(datasets)
    np.testing.assert_array_equal(volume.array, (4095 - stored.astype(int)) * 3)
    assert volume.units == "OD"


@pytest.mark.parametrize(("slope", "words"), [(0, "RescaleSlope .* is 0")])
def test_an_impossible_rescale(slope, words):
    with pytest.raises(DecodeError, match=words):
        build(series(phantom(2), slope=slope))
    ds = Dataset.from_json({"00281053": {"vr": "FD", "Value": [float("inf")]}})
    with pytest.raises(DecodeError, match="is inf"):
        Rescale.of(ds)
    ds = Dataset.from_json({"00281052": {"vr": "LO", "Value": ["0,5"]}})
    with pytest.raises(DecodeError, match="no number"):
        Rescale.of(ds)


def test_types():
    assert modality_type(np.dtype("u2"), 0, 70000, whole=True) == np.uint32
    assert modality_type(np.dtype("i2"), 0, 100, whole=True) == np.int16
    assert modality_type(np.dtype("u1"), -5, 100, whole=True) == np.int8
    assert modality_type(np.dtype("u8"), 0, 1 << 70, whole=True) == np.float64


# -- arrival, compression, memory --------------------------------------------------------


@pytest.mark.parametrize("syntax", CODECS)
@pytest.mark.parametrize("workers", [1, 3])
def test_compressed_slices_in_threads(syntax, workers):
    stored = phantom(15)
    datasets = [
        compressed(ds, [CODECS[syntax](plane)], syntax)
        for ds, plane in zip(series(stored), stored, strict=True)
    ]
    volume = build(shuffled(datasets), workers=workers)
    np.testing.assert_array_equal(volume.array, stored.astype(int) - 1024)


def test_big_endian_and_one_bit_slices():
    stored = phantom(3)
    datasets = series(stored)
    for ds, plane in zip(datasets, stored, strict=True):
        ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.2"
        ds.PixelData = plane.astype(">u2").tobytes()
    np.testing.assert_array_equal(build(datasets).array, stored.astype(int) - 1024)
    bits = phantom(3, 8, 8) % 2
    datasets = series(bits, slope=None, intercept=None, BitsAllocated=1, BitsStored=1, HighBit=0)
    for ds, plane in zip(datasets, bits, strict=True):
        ds.PixelData = np.packbits(plane.ravel().astype(np.uint8), bitorder="little").tobytes()
    np.testing.assert_array_equal(build(datasets).array, bits)


@pytest.mark.parametrize("expected", [None, 1, 12, 50])
def test_a_wrong_expectation_does_no_harm(expected):
    stored = phantom(60, 6, 7)
    volume = build(shuffled(series(stored)), expected=expected)
    np.testing.assert_array_equal(volume.array, stored.astype(int) - 1024)


def test_instances_may_come_on_several_connections():
    stored = phantom(80, 16, 16)
    datasets = [part10(ds) for ds in series(stored)]
    for k in range(0, 80, 3):
        ds = series(stored)[k]
        datasets[k] = part10(
            compressed(ds, [imagecodecs.jpegls_encode(stored[k])], "1.2.840.10008.1.2.4.80")
        )
    builder = VolumeBuilder(10, workers=2)
    start = threading.Barrier(8)

    def work(mine):
        start.wait()
        for data in mine:
            builder.add(file_part(data))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [datasets[i::8] for i in range(8)]))
    np.testing.assert_array_equal(builder.finish().array, stored.astype(int) - 1024)


@pytest.mark.parametrize(("slope", "expected"), [(1, 120), (1, None), (0.5, 120)])
def test_memory_is_that_of_the_volume(slope, expected):
    """Also with slices in reverse, of which every second is out of order, and with float32."""
    data = [part10(ds) for ds in series(phantom(120, 128, 128), slope=slope)]
    order = [*range(0, 120, 2), *range(119, 0, -2)][::-1]
    builder = VolumeBuilder(expected)
    tracemalloc.start()
    for index in order:
        builder.add(file_part(data[index]))
    volume = builder.finish()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert volume.dtype == (np.int16 if slope == 1 else np.float32)
    assert peak < 1.2 * volume.array.nbytes + (1 << 20)


def test_a_localizer_first_takes_no_large_stack():
    scout = instance(
        phantom(1, 512, 512)[0], number=0, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]
    )
    data = [part10(scout), *[part10(ds) for ds in series(phantom(5, 8, 8))]]
    builder = VolumeBuilder(100)
    tracemalloc.start()
    for one in data:
        builder.add(file_part(one))
    volume = builder.finish()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert volume.shape == (5, 8, 8)
    assert "localizers" in volume.report[0]
    assert peak < 3 << 20


# -- what is no volume -------------------------------------------------------------------


def test_nothing_came():
    with pytest.raises(NoDicom, match="No instance came"):
        VolumeBuilder().finish()


def test_a_gap_and_a_tilt_through_the_builder():
    datasets = series()
    del datasets[5]
    with pytest.raises(GeometryError, match="1 missing between slice 5"):
        build(datasets)
    volume = build(datasets, strict=False)
    assert volume.affine is None
    assert volume.pixel_spacing == (0.8, 0.6)
    assert "see .report (1)" in repr(volume)
    with pytest.raises(GeometryError, match="Slices are missing"):
        volume.position(0, 0, 0)
    assert build(series(shift=(0, 0.5, 0)), strict=False).affine[1, 0] == pytest.approx(0.5)


def test_no_slices():
    rgb = instance(
        np.zeros((20, 24, 3), np.uint8),
        SamplesPerPixel=3,
        PhotometricInterpretation="RGB",
        PlanarConfiguration=0,
        Rows=20,
        Columns=24,
        NumberOfFrames=None,
    )
    palette = instance(phantom(1)[0], PhotometricInterpretation="PALETTE COLOR")
    report = instance(phantom(1)[0], Modality="SR")
    del report.PixelData
    cases = [
        (rgb, "in colour .* archive.frames"),
        (palette, "in colour"),
        (report, r"\(SR\) has no pixels"),
    ]
    for odd, words in cases:
        with pytest.raises(GeometryError, match=words):
            build([odd])
        volume = build([*series(), odd], strict=False)
        assert len(volume) == 12
        assert "Left out" in volume.report[0]
        with pytest.raises(GeometryError, match="No instance is a slice"):
            build([odd], strict=False)


def test_damage_in_a_thread_is_raised():
    stored = phantom(8)
    datasets = [
        compressed(ds, [imagecodecs.jpegls_encode(plane)], "1.2.840.10008.1.2.4.80")
        for ds, plane in zip(series(stored), stored, strict=True)
    ]
    datasets[2] = compressed(datasets[2], [b"\xff\xd8\xff\xf7rubbish!"], "1.2.840.10008.1.2.4.80")
    with pytest.raises(DecodeError):
        build(datasets)


def test_damage_in_an_uncompressed_slice():
    data = part10(series()[0])
    builder = VolumeBuilder()
    with pytest.raises(DecodeError, match="cut"):
        builder.add(part(data[:-100]))


def test_limits():
    with pytest.raises(LimitExceeded, match="the limit is 10,000"):
        build(series(), limits=Limits(pixel_bytes=10_000))
    with pytest.raises(LimitExceeded, match="limit is 500"):
        build(series(), limits=Limits(pixel_bytes=500))
    assert len(build(series(), expected=10**9)) == 12


def test_an_element_of_no_known_vr_is_a_typed_error_or_missing() -> None:
    data = real_file("MR_small_bigendian.dcm").read_bytes()
    place = data.index(b"\x00\x20\x00\x37DS")
    broken = data[: place + 4] + b"\x44\xfc" + data[place + 6 :]
    builder = VolumeBuilder(strict=False)
    builder.add(BytesPart(broken, media_type="application/dicom"))
    assert builder.finish().affine is None


def test_a_decoder_that_panics_is_a_decode_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):
        """As decoders written in Rust raise it."""

    def panic(*_: object, **__: object) -> None:
        raise PanicException("index out of bounds")

    monkeypatch.setattr("pydicom.pixels.decoders.base.get_decoder", panic)
    data = bytearray(real_file("MR_small_RLE.dcm").read_bytes())
    place = data.index(b"\xfe\xff\x00\xe0", data.index(b"\xe0\x7f\x10\x00") + 24)
    data[place + 8 : place + 72] = b"\xff" * 64
    builder = VolumeBuilder(strict=False)
    builder.add(BytesPart(bytes(data), media_type="application/dicom"))
    with pytest.raises(DecodeError, match="index out of bounds"):
        builder.finish()
