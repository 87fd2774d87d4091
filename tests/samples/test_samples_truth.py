"""The labels say what the pixels show."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dicomnb.samples.cast import Person
from dicomnb.samples.compress import Compressed
from dicomnb.samples.grids import AxialGrid
from dicomnb.samples.nodules import Nodule, paint_nodules, place_nodules
from dicomnb.samples.plan import STUDIES
from dicomnb.samples.thorax import Body, Chest
from dicomnb.samples.truth import cases, labels

COLUMNS = [
    "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "Nodule", "X", "Y", "Z", "Diameter",
    "Kind", "Margin", "Texture",
]  # fmt: skip


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return labels()


def _volume(members):
    """The HU of an axial series, with the mm of its axes, highest slice first."""
    if "PerFrameFunctionalGroupsSequence" in members[0]:
        shared = members[0].SharedFunctionalGroupsSequence[0]
        frames = members[0].PerFrameFunctionalGroupsSequence
        where = [frame.PlanePositionSequence[0].ImagePositionPatient for frame in frames]
        spacing = shared.PixelMeasuresSequence[0].PixelSpacing
        intercept = shared.PixelValueTransformationSequence[0].RescaleIntercept
        stack = members[0].pixel_array.astype(int) + int(intercept)
    else:
        members = [ds for ds in members if "LOCALIZER" not in ds.ImageType]
        members = sorted(members, key=lambda ds: -ds.ImagePositionPatient[2])
        where = [ds.ImagePositionPatient for ds in members]
        spacing = members[0].PixelSpacing
        stack = np.stack([ds.pixel_array.astype(int) + int(ds.RescaleIntercept) for ds in members])
    x = where[0][0] + np.arange(stack.shape[2]) * spacing[1]
    y = where[0][1] + np.arange(stack.shape[1]) * spacing[0]
    return stack, (np.array([float(place[2]) for place in where]), y, x)


def _around(stack, axes, row, radius):
    """The values within a few mm of a nodule's centre."""
    z, y, x = axes
    near = (
        ((z - row.Z) ** 2)[:, None, None]
        + ((y - row.Y) ** 2)[None, :, None]
        + ((x - row.X) ** 2)[None, None, :]
    )
    return stack[near < radius**2]


def test_at_least_sixty_nodules_of_both_kinds(table):
    assert list(table.columns) == COLUMNS
    different = table.drop_duplicates(["PatientID", "Nodule"])
    assert len(different) >= 60
    kinds = different.Kind.value_counts()
    assert set(kinds.index) == {"benign", "malignant"}
    assert kinds.min() >= 20
    assert not table.duplicated(["SeriesInstanceUID", "Nodule"]).any()


def test_the_rule_one_can_see(table):
    malignant = table.Kind == "malignant"
    assert (table.Margin[malignant] == "spiculated").all()
    assert (table.Margin[~malignant] == "smooth").all()
    assert set(table.Texture[malignant]) == {"solid", "part-solid"}
    assert set(table.Texture[~malignant]) == {"calcified"}
    assert table.Diameter[malignant].mean() > table.Diameter[~malignant].mean()


def test_the_labels_are_the_same_again(table):
    pd.testing.assert_frame_equal(table, labels())


def test_every_ct_chest_series_is_labelled(table, by_series):
    chests = {
        uid
        for uid, members in by_series.items()
        if members[0].Modality == "CT" and members[0].BodyPartExamined == "CHEST"
    }
    assert set(table.SeriesInstanceUID) == chests
    for row in table.drop_duplicates("SeriesInstanceUID").itertuples():
        dataset = by_series[row.SeriesInstanceUID][0]
        assert (row.PatientID, row.StudyInstanceUID) == (
            dataset.PatientID,
            dataset.StudyInstanceUID,
        )


def test_the_centres_are_where_the_pixels_say(table, by_series):
    for uid, rows in table.groupby("SeriesInstanceUID"):
        stack, axes = _volume(by_series[uid])
        for row in rows.itertuples():
            z, y, x = (
                int(np.argmin(np.abs(axis - place)))
                for axis, place in zip(axes, (row.Z, row.Y, row.X), strict=True)
            )
            centre = stack[z, y, x]
            if row.Kind == "benign":
                assert centre > 150, row
            else:
                assert -80 < stack[z, y - 1 : y + 2, x - 1 : x + 2].mean() < 120, row
            around = _around(stack, axes, row, 1.5 * row.Diameter + 6)
            assert np.percentile(around, 30) < -700, row  # in a lung


def test_rays_run_out_of_the_malignant_ones_alone():
    grid = AxialGrid((50, 100, 100), 0.8, 20.0, 0.8)
    z, y, x = np.meshgrid(grid.z, grid.y, grid.x, indexing="ij")
    away = np.sqrt(x**2 + y**2 + z**2)
    for seed in range(6):
        for malignant, texture in ((False, "calcified"), (True, "solid"), (True, "part-solid")):
            nodule = Nodule(1, (0.0, 0.0, 0.4), 12.0, malignant, texture, seed)
            stack = np.full(grid.shape, -850, dtype=np.float32)
            lung = np.full(grid.shape, 255, dtype=np.uint8)
            paint_nodules(stack, lung, (nodule,), grid)
            body = np.median(stack[away < 1.5])
            assert (body > 300) == (not malignant)
            ring = stack[(away > 8.5) & (away < 11)]  # beyond every lobe
            assert (np.mean(ring > -450) > 0.03) == malignant
            veil = np.median(stack[(away > 7.5) & (away < 8.5)])
            assert (veil > -800) == (texture == "part-solid")
            assert stack[away > nodule.reach + 2].max() == -850


def test_diameters_are_those_of_the_segments(table, demo):
    members = demo.series("DNB-0001", 2, 1)
    segmentation = demo.series("DNB-0001", 2, 2)[0]
    shared = segmentation.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    voxel = shared.PixelSpacing[0] * shared.PixelSpacing[1] * shared.SpacingBetweenSlices
    frames = segmentation.PerFrameFunctionalGroupsSequence
    segments = np.array(
        [frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber for frame in frames]
    )
    pixels = segmentation.pixel_array
    rows = table[table.SeriesInstanceUID == members[0].SeriesInstanceUID]
    for place, row in enumerate(rows.itertuples(), start=3):
        volume = pixels[segments == place].sum() * voxel
        assert 2 * (volume * 0.75 / np.pi) ** (1 / 3) == pytest.approx(row.Diameter, rel=0.15)


def test_malignant_nodules_grow_and_benign_ones_do_not(table):
    sally = table[table.PatientID == "DNB-0001"]
    first, second = (rows.set_index("Nodule") for _, rows in sally.groupby("StudyInstanceUID"))
    if first.Diameter.sum() > second.Diameter.sum():
        first, second = second, first
    growth = second.Diameter / first.Diameter
    assert growth[first.Kind == "malignant"].min() > 1.15
    assert (growth[first.Kind == "benign"] == 1).all()


def test_copies_have_the_nodules_of_the_original(table):
    piotr = table[table.PatientID == "DNB-0012"]
    study = next(study for study in STUDIES if study.person.patient_id == "DNB-0012")
    assert sum(isinstance(recipe, Compressed) for recipe in study.recipes) == 3
    assert piotr.SeriesInstanceUID.nunique() == 4
    columns = ["X", "Y", "Z", "Diameter", "Kind"]
    assert (piotr.groupby("Nodule")[columns].nunique() == 1).all(axis=None)


def test_the_cases_name_series_that_exist(by_series):
    table = cases()
    assert list(table.columns) == [
        "Case", "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "What", "Expect",
    ]  # fmt: skip
    assert table.iloc[0].Case == "clean"
    for row in table.itertuples():
        dataset = by_series[row.SeriesInstanceUID][0]
        assert dataset.PatientID == row.PatientID
        assert dataset.StudyInstanceUID == row.StudyInstanceUID
        assert row.What
        assert row.Expect
    assert {
        "localizer", "missing slice", "duplicated slice", "tilted gantry", "oblique series",
        "two orientations", "missing PatientID", "two identifiers", "odd date",
    } <= set(table.Case)  # fmt: skip


def test_a_chest_without_room_for_a_nodule_says_so():
    with pytest.raises(ValueError, match="no room"):
        place_nodules(Chest(Body(1)), 1, "m" * 3, heights=(-400.0, -390.0))


def test_a_person_without_a_chest_says_so():
    with pytest.raises(ValueError, match="has no chest"):
        _ = Person("DNB-1", "A^B", "F", "19700101").chest_body
