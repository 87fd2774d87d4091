"""Lazy volumes: equal to eager ones, small in memory, from a folder, a server and Orthanc."""

from __future__ import annotations

import json
import pickle
from concurrent.futures import ThreadPoolExecutor

import matplotlib.pyplot as plt
import numpy as np
import pytest

import dicomnb as dn
from dicomnb.errors import GeometryError, LimitExceeded
from dicomnb.source import Page
from dicomnb.volumes.lazy import LazyArray
from tests.images.image_series import part10, phantom, series
from tests.volumes.test_frames import enhanced, places, stack


def put(folder, datasets):
    folder.mkdir(exist_ok=True)
    for number, ds in enumerate(datasets):
        (folder / f"{number}.dcm").write_bytes(part10(ds))
    return folder


def kinds():
    """Series of each kind, by name."""
    slopes = series(phantom(6), slope=0.5)
    slopes[2].RescaleSlope = 0.7
    return {
        "plain": series(phantom(6))[::-1],
        "slopes": slopes,
        "signed": series(phantom(6, dtype=np.int16), intercept=0),
        "enhanced": [enhanced(phantom(6)[::-1], places(6)[::-1], slopes=[(2, -5)] * 6)],
        "echoes": [*stack(0, 0, EchoTime=5.0), *stack(1, 1, EchoTime=9.0)],
    }


@pytest.fixture(scope="module", params=["folder", "server"])
def where(request):
    return request.param


@pytest.mark.parametrize("kind", list(kinds()))
def test_a_lazy_volume_equals_the_eager_one(tmp_path, where, kind):
    folder = put(tmp_path / "in", kinds()[kind])
    if where == "folder":
        compare(dn.connect(folder))
        return
    with dn.serve(folder) as url:
        compare(dn.connect(url))


def test_metadata_that_are_not_whole_make_no_lazy_volume(tmp_path, monkeypatch):
    archive = dn.connect(put(tmp_path / "in", series(phantom(6))))
    row, whole = archive.series().iloc[0], archive.source.metadata

    def some(ref, **options):
        rows = [one for page in whole(ref, **options) for one in json.loads(page.rows)]
        yield Page(json.dumps(rows[:4]).encode(), 4, complete=False, notes=("Some are missing.",))

    monkeypatch.setattr(archive.source, "metadata", some)
    with pytest.raises(dn.ProtocolError, match="Some are missing"):
        archive.volume(row, lazy=True)
    with pytest.warns(dn.DicomnbWarning, match="cut after 4 rows. Some are missing"):
        assert len(archive.metadata(row)) == 4


def compare(archive):
    row = archive.series().iloc[0]
    eager, lazy = archive.volume(row), archive.volume(row, lazy=True)
    assert isinstance(lazy.array, LazyArray)
    assert lazy.array.bytes_kept == 0
    assert lazy.shape == eager.shape
    np.testing.assert_array_equal(lazy.affine, eager.affine)
    assert str(lazy.axis) == str(eager.axis)
    assert lazy.slices.equals(eager.slices)
    assert (lazy.units, lazy.windows, lazy.report) == (eager.units, eager.windows, eager.report)
    indices = (
        0, -1, slice(1, 3), (slice(None), 3), (..., 4), (slice(None, None, -2), 2, slice(5)),
        ([1, 0, 1],), (slice(1, 2), ..., [1, 2], [3, 4]), (..., [1, 2]), (slice(3, 3),),
        np.arange(len(eager)) % 2 == 0,
    )  # fmt: skip
    for index in indices:
        got = lazy[index]
        np.testing.assert_array_equal(got, eager[index])
        assert got.shape == eager[index].shape, index
    np.testing.assert_array_equal(np.asarray(lazy), eager.array)
    assert float(lazy[(0,) * lazy.array.ndim]) == float(eager[(0,) * lazy.array.ndim])
    for name in ("axial", "coronal", "sagittal"):
        np.testing.assert_array_equal(lazy.plane(name).array, eager.plane(name).array)
    np.testing.assert_array_equal(lazy.cropped((1, 3)), eager.cropped((1, 3)))
    np.testing.assert_array_equal(lazy + 1, np.asarray(eager).astype(lazy.dtype) + 1)
    np.testing.assert_array_equal(lazy.loaded().array, eager.array)
    assert isinstance(lazy.loaded().array, np.ndarray)
    again = pickle.loads(pickle.dumps(lazy))
    assert again.array.bytes_kept == 0
    np.testing.assert_array_equal(again[1], eager[1])


def test_orthanc(orthanc, tmp_path):
    datasets = series(phantom(5))
    for ds in datasets:
        ds.PatientID, ds.PatientName = "lazy", "Lazy^Volume"
        ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.826.77.1", "1.2.826.77.2"
        ds.SOPInstanceUID = f"1.2.826.77.3.{ds.InstanceNumber}"
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    archive = dn.connect(orthanc.url)
    archive.store(datasets)
    compare_row = archive.series(StudyInstanceUID="1.2.826.77.1").iloc[0]
    lazy = archive.volume(compare_row, lazy=True)
    np.testing.assert_array_equal(lazy[2:4], archive.volume(compare_row)[2:4])


def test_faults_are_found_before_any_pixel_is_fetched(tmp_path):
    datasets = series(phantom(6))
    del datasets[3]
    archive = dn.connect(put(tmp_path / "in", datasets))
    row = archive.series().iloc[0]
    with pytest.raises(GeometryError, match="1 missing between slice 3"):
        archive.volume(row, lazy=True)
    found = archive.volume(row, lazy=True, strict=False)
    assert found.report == archive.volume(row, strict=False).report
    assert found.affine is None


def test_a_lazy_volume_is_drawn_from_the_slices_shown(tmp_path):
    archive = dn.connect(put(tmp_path / "in", series(phantom(9), WindowCenter=None)))
    lazy = archive.volume(archive.series().iloc[0], lazy=True)
    dn.plots.show(lazy, index=2)
    four = archive_of_echoes(tmp_path)
    with pytest.raises(TypeError, match=r"2 stacks .* volume.at"):
        dn.plots.show(four)
    dn.plots.show(four.at(1))
    plt.close("all")


def archive_of_echoes(folder):
    archive = dn.connect(put(folder / "echoes", kinds()["echoes"]))
    return archive.volume(archive.series().iloc[0])


def counted(shape=(50, 10, 10), keep=1000, **options):
    calls = []

    def load(number):
        calls.append(number)
        return np.full(shape[-2:], number, np.uint8)

    options = {"bound": 1 << 30, **options}
    return LazyArray(load, shape, np.dtype(np.uint8), keep=keep, **options), calls


def test_memory_is_bounded_and_what_was_seen_is_kept():
    array, calls = counted()
    for _ in range(2):
        assert [int(array[at, 0, 0]) for at in range(5)] == list(range(5))
    assert calls == list(range(5))
    for at in range(50):
        array[at]
        assert array.bytes_kept <= 1000
    assert array.bytes_kept == 1000
    calls.clear()
    array[0]
    array[49]
    assert calls == [0]
    small, calls = counted(keep=99)
    small[3], small[3]
    assert calls == [3, 3]
    assert small.bytes_kept == 0


def test_a_cut_through_all_leaves_what_was_looked_at():
    array, calls = counted()
    array[3], array[4]
    assert array[:, 2, 5].tolist() == list(range(50))
    assert array.bytes_kept == 200
    calls.clear()
    array[3], array[4]
    assert calls == []
    array[5:15]  # as many as can be kept
    assert array.bytes_kept == 1000


def test_only_the_slices_needed_are_fetched():
    array, calls = counted((3, 50, 10, 10))
    array[1, 4:7, 2]
    assert sorted(calls) == [54, 55, 56]
    assert array[:, 2, 0, 0].tolist() == [2, 52, 102]


def test_what_a_lazy_array_refuses():
    array, _ = counted(bound=1000)
    with pytest.raises(LimitExceeded, match="limit is 1,000"):
        np.asarray(array)
    assert array[:10].shape == (10, 10, 10)
    for bad, words in ((50, "no slice 50"), (-51, "no slice"), (None, "no new axes"),
                       ((0, 0, 0, 0), "Too many"), ((..., 0, ...), "one '...'"),
                       ("x", "np.asarray"), (np.zeros((2, 2), int), "np.asarray"),
                       ([True], "mask of 1"), (([0, 1], 2), "on one axis"),
                       ((0, slice(None), [1, 2]), "on one axis")):  # fmt: skip
        with pytest.raises(IndexError, match=words):
            array[bad]
    array[0][:] = 7  # a copy
    assert (array[0] == 0).all()
    with pytest.raises(TypeError):
        array[0] = 1


def test_several_threads_see_the_same_values():
    array, _ = counted(workers=3)
    with ThreadPoolExecutor(8) as pool:
        every = list(pool.map(lambda at: int(array[at % 50].sum()), range(400)))
    assert every == [100 * (at % 50) % 2**64 for at in range(400)]
    assert array.bytes_kept <= 1000


def test_an_error_while_fetching_is_raised_and_not_kept():
    broken = [True]

    def load(number):
        if broken[0]:
            raise OSError("gone")
        return np.zeros((2, 2), np.uint8)

    array = LazyArray(load, (3, 2, 2), np.dtype(np.uint8), keep=10, bound=100, workers=2)
    with pytest.raises(OSError, match="gone"):
        array[:]
    broken[0] = False
    assert array[:].shape == (3, 2, 2)
