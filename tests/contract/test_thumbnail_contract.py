"""Thumbnails of every level, from every source, by whichever way it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread

import dicomnb as dn
from dicomnb.images.render import picture
from tests.contract.parties import Party, Truth
from tests.contract.test_retrieve_contract import clean_scan, ref_of

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*odd value:dicomnb.DicomnbWarning"),
    pytest.mark.filterwarnings("ignore:Invalid value for VR UI:UserWarning"),
]


def unlikeness(image: Any, array: np.ndarray[Any, Any]) -> float:
    """How far an image lies from a frame as it is displayed here, 0 to 255 a pixel."""
    shown = picture(array).convert(image.mode).resize(image.size)
    return float(np.abs(np.asarray(image, float) - np.asarray(shown, float)).mean())


@pytest.mark.parametrize("size", [128, 48, 300])
def test_an_instance_is_shown_at_the_size_asked_for(party: Party, folder: Path, size: int) -> None:
    header = dcmread(folder / "real" / "CT_small.dcm", stop_before_pixels=True)
    image = party.archive.thumbnail(header, size=size)
    assert image.size == (size, size)
    assert unlikeness(image, np.asarray(party.archive.rendered(header))) < 8
    assert np.ptp(np.asarray(image)) > 100


def test_its_shape_is_kept(archive: dn.Archive, folder: Path) -> None:
    header = dcmread(folder / "real" / "examples_ybr_color.dcm", stop_before_pixels=True)
    image = archive.thumbnail(header)
    assert image.mode == "RGB"
    assert max(image.size) == 128
    assert image.height / image.width == pytest.approx(header.Rows / header.Columns, abs=0.01)


def test_a_frame_by_its_number(archive: dn.Archive, folder: Path) -> None:
    header = dcmread(folder / "real" / "emri_small.dcm", stop_before_pixels=True)
    shown = archive.frames(header, output="display")
    for number in (2, 9):
        image = archive.thumbnail(header, frame=number, size=64)
        near = [unlikeness(image, frame) for frame in shown]
        assert int(np.argmin(near)) == number - 1
    for wrong in (0, -1, 11):
        with pytest.raises(ValueError, match="frame"):
            archive.thumbnail(header, frame=wrong)


def test_a_series_and_its_study(archive: dn.Archive, truth: Truth) -> None:
    scan = clean_scan(archive)
    for ref in (scan, archive.studies(StudyInstanceUID=scan.StudyInstanceUID).iloc[0]):
        image = archive.thumbnail(ref, size=96)
        assert max(image.size) == 96
        assert np.ptp(np.asarray(image)) > 100
    with pytest.raises(ValueError, match="frame"):
        archive.thumbnail(scan, frame=1)
    with pytest.raises(ValueError, match="size"):
        archive.thumbnail(scan, size=0)


def test_a_series_is_shown_by_the_slice_in_its_middle(party: Party, truth: Truth) -> None:
    scan = clean_scan(party.archive)
    instances = truth.where(SeriesInstanceUID=scan.SeriesInstanceUID)
    instances.sort(key=lambda one: one.InstanceNumber)
    image = party.archive.thumbnail(scan, size=128)
    chosen = len(instances) // 2
    if party.draws_series:  # by a picture of its own choice
        assert image.size == (128, 128)
        return
    near = [
        unlikeness(image, party.archive.frames(ref_of(instances[place]), output="display")[0])
        for place in (0, chosen, -1)
    ]
    assert int(np.argmin(near)) == 1


def test_what_has_no_pixels(archive: dn.Archive, truth: Truth) -> None:
    report = truth.where(Modality="SR")[0]
    for level in ("instance", "series"):
        with pytest.raises(dn.NotFound, match=r"pixel|picture|draw"):
            archive.thumbnail(ref_of(report).at(level))  # type: ignore[arg-type]
    # That one had none is not remembered for the others.
    assert archive.thumbnail(clean_scan(archive)).size == (128, 128)


def test_what_is_not_there(archive: dn.Archive) -> None:
    missing = dn.Ref("1.2.3.4", "1.2.3.4.5", "1.2.3.4.5.6")
    for ref in (missing, missing.at("series"), missing.at("study")):
        with pytest.raises(dn.NotFound):
            archive.thumbnail(ref)
