"""What is fetched of a lazy volume when it is drawn, turned or cut; and its type."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

import dicomnb as dn
from dicomnb.volumes.lazy import LazyArray
from tests.images.image_series import phantom, series
from tests.volumes.test_lazy import kinds, put

COUNT = 40


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """A lazy volume of a folder, and the instances of which frames were asked for."""
    datasets = series(phantom(COUNT), BitsStored=12, HighBit=11)
    archive = dn.connect(put(tmp_path / "in", datasets))
    volume = archive.volume(archive.series().iloc[0], lazy=True)
    asked = []
    frames = archive.source.frames

    def spy(ref, numbers, **options):
        asked.append(int(ref.instance.rpartition(".")[2]) - 1)
        return frames(ref, numbers, **options)

    monkeypatch.setattr(archive.source, "frames", spy)
    yield volume, asked
    plt.close("all")


def test_a_slice_shown_is_a_slice_fetched(watched):
    volume, asked = watched
    dn.plots.show(volume, index=7)
    assert asked == [7]
    dn.plots.show(volume, index=7, window="lung")  # it is kept
    assert asked == [7]
    dn.plots.show(volume, index=-1, window="auto")  # a window by the values needs some
    assert len(asked) <= 11


def test_a_montage_fetches_its_tiles(watched):
    volume, asked = watched
    dn.plots.montage(volume, count=4)
    assert sorted(asked) == [0, 13, 26, 39]


def test_overlay_and_compare_fetch_what_they_draw(watched):
    volume, asked = watched
    mask = np.zeros(volume.shape, bool)
    mask[5, 3:6, 3:6] = True
    dn.plots.overlay(volume, mask, index=5)
    assert asked == [5]
    dn.plots.compare(volume, volume, index=9)
    assert sorted(set(asked)) == [5, 9]


def test_an_axial_plane_is_one_slice_and_the_others_pass_through_all(watched):
    volume, asked = watched
    volume.plane("axial", at=3)
    assert asked == [3]
    asked.clear()
    axes = dn.plots.planes(volume)
    # Coronal and sagittal planes cut every slice: each is fetched once, for both of them.
    assert sorted(asked) == [at for at in range(COUNT) if at != 3]
    assert isinstance(volume.array, LazyArray)
    assert len(axes) == 3


def test_cropped_fetches_the_part(watched):
    volume, asked = watched
    part = volume.cropped((4, 7))
    assert sorted(asked) == [4, 5, 6]
    assert isinstance(part.array, np.ndarray)


def test_turned_volumes_are_loaded(watched):
    volume, asked = watched
    turned = volume.reoriented("RAS")
    assert sorted(asked) == list(range(COUNT))
    np.testing.assert_array_equal(turned, volume.loaded().reoriented("RAS"))


def test_a_stack_of_a_lazy_volume(tmp_path):
    archive = dn.connect(put(tmp_path / "in", kinds()["echoes"]))
    row = archive.series().iloc[0]
    lazy = archive.volume(row, lazy=True)
    stack = lazy.at(1)
    np.testing.assert_array_equal(stack, archive.volume(row).at(1))
    assert isinstance(stack.array, np.ndarray)


@pytest.mark.parametrize(
    ("dtype", "bits", "slope", "intercept", "expected"),
    [
        (np.uint16, 12, 1, -1024, np.int16),  # CT as it mostly is: as narrow as the values
        (np.uint16, 15, 1, -1024, np.int16),
        (np.uint16, 16, 1, -1024, np.int32),  # 65535 - 1024 may be among them
        (np.uint16, 16, 1, 0, np.uint16),
        (np.int16, 16, 1, 0, np.int16),
        (np.int16, 12, 16, 0, np.int16),
        (np.uint16, 12, 0.5, 0, np.float32),
        (np.uint8, 8, 1, 0, np.uint8),
        (np.uint8, 8, 1, -1, np.int16),
    ],
)
def test_the_type_is_the_narrowest_that_is_sure(tmp_path, dtype, bits, slope, intercept, expected):
    """All values that the stored bits allow fit, the lowest and the highest among them."""
    low, high = (0, (1 << bits) - 1)
    if np.dtype(dtype).kind == "i":
        low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    stored = np.full((3, 4, 4), low, dtype)
    stored[1] = high
    facts = {"slope": slope, "intercept": intercept, "BitsStored": bits, "HighBit": bits - 1}
    archive = dn.connect(put(tmp_path / "in", series(stored, **facts)))
    row = archive.series().iloc[0]
    lazy = archive.volume(row, lazy=True)
    assert lazy.dtype == expected
    assert lazy[0].dtype == lazy[1:].dtype == expected
    np.testing.assert_array_equal(lazy, stored.astype(np.float64) * slope + intercept)
    assert archive.volume(row).dtype == expected  # where the extremes occur, there is no less
