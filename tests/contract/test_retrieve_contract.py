"""Retrieved instances, frames, volumes and pictures are the same from every source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydicom import dcmread

import dicomnb as dn
from dicomnb.images.decode import decode
from dicomnb.samples.truth import cases
from tests.contract.parties import REAL_FILES, Party, Truth

# The demo holds an odd date on purpose; what is said of it has a test of its own.
# Real files hold UIDs that pydicom warns of.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*odd value:dicomnb.DicomnbWarning"),
    pytest.mark.filterwarnings("ignore:Invalid value for VR UI:UserWarning"),
]


def ref_of(header: object) -> dn.Ref:
    return dn.Ref(*(str(getattr(header, k)) for k in (
        "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")))  # fmt: skip


@pytest.mark.parametrize("name", REAL_FILES)
def test_real_files_come_back_as_they_are(
    party: Party, folder: Path, tmp_path: Path, name: str
) -> None:
    original = folder / "real" / name
    expected = dcmread(original)
    dataset = party.archive.dataset(ref_of(expected))
    assert dataset == expected
    assert dataset.file_meta.TransferSyntaxUID == expected.file_meta.TransferSyntaxUID
    outcome = party.archive.download(ref_of(expected), tmp_path)
    assert Path(outcome["File"][0]).read_bytes() == original.read_bytes()


@pytest.mark.parametrize("name", REAL_FILES)
def test_frames_of_real_files(archive: dn.Archive, folder: Path, name: str) -> None:
    expected = decode(dcmread(folder / "real" / name))
    found = archive.frames(ref_of(dcmread(folder / "real" / name, stop_before_pixels=True)))
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_frames_by_number(archive: dn.Archive, folder: Path) -> None:
    header = dcmread(folder / "real" / "emri_small.dcm")
    whole = archive.frames(header)
    assert whole.shape == (10, 64, 64)
    np.testing.assert_array_equal(archive.frames(header, [3, 1]), whole[[2, 0]])
    np.testing.assert_array_equal(archive.frames(header, 10), whole[9:])
    for wrong in (0, -1, 11, [1, 0]):
        with pytest.raises(ValueError, match="frame"):
            archive.frames(header, wrong)


def test_frames_of_a_series_point_to_volume(archive: dn.Archive) -> None:
    with pytest.raises(dn.RefError, match=r"archive\.volume"):
        archive.frames(archive.series(Modality="CT").iloc[0])


def test_modality_and_display_values(archive: dn.Archive, folder: Path) -> None:
    header = dcmread(folder / "real" / "CT_small.dcm")
    stored = archive.frames(header)
    hounsfield = archive.frames(header, output="modality")
    np.testing.assert_array_equal(hounsfield, stored.astype(np.int32) - 1024)
    shown = archive.frames(header, output="display")
    assert shown.dtype == np.uint8
    with pytest.raises(ValueError, match="output"):
        archive.frames(header, output="raw")  # type: ignore[arg-type]


def test_dataset_without_pixels(archive: dn.Archive, folder: Path) -> None:
    header = dcmread(folder / "real" / "CT_small.dcm", stop_before_pixels=True)
    assert "PixelData" not in archive.dataset(header, pixels=False)
    with pytest.raises(dn.RefError, match="single instance"):
        archive.dataset(archive.series(limit=1))


def test_datasets_of_a_series(archive: dn.Archive, truth: Truth) -> None:
    scan = archive.series(Modality="PT").iloc[0]
    found = {str(one.SOPInstanceUID) for one in archive.datasets(scan)}
    assert found == truth.uids("SOPInstanceUID", SeriesInstanceUID=scan.SeriesInstanceUID)


def test_datasets_of_instances_keep_the_order_of_their_table(archive: dn.Archive) -> None:
    pairs = archive.series(Modality="MR").query("NumberOfSeriesRelatedInstances == 22").head(2)
    one, two = (archive.instances(pairs.iloc[place]) for place in (0, 1))
    shuffled = one.sample(frac=1, random_state=1)
    alternating = pd.concat([one, two]).sort_values("InstanceNumber", kind="stable")
    for table in (shuffled, alternating, alternating.iloc[3:20:2]):
        found = [str(ds.SOPInstanceUID) for ds in archive.datasets(table, pixels=False)]
        assert found == table["SOPInstanceUID"].tolist()


def clean_scan(archive: dn.Archive) -> pd.Series:
    """The chest CT of the demo that is as it should be."""
    uid = cases().set_index("Case").loc["clean", "SeriesInstanceUID"]
    return archive.series(SeriesInstanceUID=uid).iloc[0]


def test_volume_is_the_slices_in_their_order(archive: dn.Archive, truth: Truth) -> None:
    scan = clean_scan(archive)
    volume = archive.volume(scan)
    files = [
        dcmread(truth.files[str(one.SOPInstanceUID)])
        for one in truth.where(SeriesInstanceUID=scan.SeriesInstanceUID)
    ]
    files.sort(key=lambda one: one.ImagePositionPatient[2])
    expected = np.stack(
        [f.pixel_array * float(f.RescaleSlope) + float(f.RescaleIntercept) for f in files]
    )
    np.testing.assert_array_equal(np.asarray(volume), expected)
    assert volume.array.dtype == np.int16
    assert volume.units == "HU"
    first = files[0]
    np.testing.assert_allclose(volume.affine @ [0, 0, 0, 1], [*first.ImagePositionPatient, 1])
    gap = files[1].ImagePositionPatient[2] - first.ImagePositionPatient[2]
    assert volume.spacing == pytest.approx((gap, *first.PixelSpacing))
    assert volume.report == ()
    by_instances = archive.volume(archive.instances(scan))
    np.testing.assert_array_equal(np.asarray(by_instances), np.asarray(volume))


def test_compressed_volumes_equal_the_plain_one(archive: dn.Archive) -> None:
    scans = archive.series(PatientID="DNB-0012").set_index("SeriesDescription")
    plain = archive.volume(scans.loc["uncompressed"])
    assert plain.shape == (30, 128, 128)
    for name in ("RLE", "JPEG-LS", "JPEG 2000"):
        other = archive.volume(scans[scans.index.str.contains(name)].iloc[0])
        np.testing.assert_array_equal(np.asarray(other), np.asarray(plain), err_msg=name)
        np.testing.assert_allclose(other.affine, plain.affine)


BREAKS_A_VOLUME = {
    "missing slice": "gap|missing",
    "duplicated slice": "same position|twice|duplicate",
    "tilted gantry": "tilt",
    "two orientations": "orientation",
}


@pytest.mark.parametrize("case", BREAKS_A_VOLUME)
def test_dirty_series_are_refused_by_name_and_given_with_a_report(
    archive: dn.Archive, case: str
) -> None:
    uid = cases().set_index("Case").loc[case, "SeriesInstanceUID"]
    scan = archive.series(SeriesInstanceUID=uid).iloc[0]
    with pytest.raises(dn.GeometryError, match=BREAKS_A_VOLUME[case]):
        archive.volume(scan)
    best = archive.volume(scan, strict=False)
    assert best.report
    assert len(best.slices) == len(best.array)


def test_a_localizer_is_set_apart_and_named(archive: dn.Archive) -> None:
    uid = cases().set_index("Case").loc["localizer", "SeriesInstanceUID"]
    scan = archive.series(SeriesInstanceUID=uid).iloc[0]
    volume = archive.volume(scan)
    assert len(volume.array) == scan.NumberOfSeriesRelatedInstances - 1
    assert len(volume.report) == 1
    assert "ocalizer" in volume.report[0]
    assert volume.affine is not None


def test_an_oblique_series_is_a_volume(archive: dn.Archive, truth: Truth) -> None:
    uid = cases().set_index("Case").loc["oblique series", "SeriesInstanceUID"]
    volume = archive.volume(archive.series(SeriesInstanceUID=uid).iloc[0])
    assert volume.report == ()
    assert volume.affine is not None
    for place, row in enumerate(volume.slices.itertuples()):
        header = truth.where(SOPInstanceUID=row.SOPInstanceUID)[0]
        np.testing.assert_allclose(
            volume.position(place, 0, 0), header.ImagePositionPatient, atol=1e-3
        )


def test_more_than_one_series_is_no_volume(archive: dn.Archive) -> None:
    with pytest.raises(dn.RefError, match="one series"):
        archive.volume(archive.series(Modality="CT").head(2))
    with pytest.raises(dn.RefError, match="one series"):
        archive.volume(archive.studies(limit=1))


def test_rendered(party: Party, folder: Path, tmp_path: Path) -> None:
    header = dcmread(folder / "real" / "CT_small.dcm")
    picture = party.archive.rendered(header)
    assert picture.size == (128, 128)
    windowed = {"window": (40.0, 400.0)}
    if "window" not in party.renders:
        with pytest.raises(dn.Unsupported, match="without window"):
            party.archive.rendered(header, **windowed)
        windowed = {}
    jpeg = party.archive.rendered(header, format="jpeg", to=tmp_path / "a.jpg", **windowed)
    assert isinstance(jpeg, Path)
    assert jpeg.read_bytes()[:3] == b"\xff\xd8\xff"
    assert party.archive.rendered(header, viewport=(64, 64)).size == (64, 64)
    echo = dcmread(folder / "real" / "examples_ybr_color.dcm", stop_before_pixels=True)
    assert party.archive.rendered(echo, frame=2).mode == "RGB"


def test_bulk_data(party: Party, folder: Path) -> None:
    expected = dcmread(folder / "real" / "CT_small.dcm")
    row = party.archive.metadata(expected).iloc[0]
    uri = row["PixelData"]
    data = party.archive.bulkdata(uri)
    assert data == expected.PixelData


def test_download_is_whole_and_can_be_run_again(
    archive: dn.Archive, truth: Truth, tmp_path: Path
) -> None:
    series = archive.series(Modality="PT").head(1)
    table = archive.download(series, tmp_path)
    uids = truth.uids("SOPInstanceUID", SeriesInstanceUID=series["SeriesInstanceUID"].iloc[0])
    assert set(table["SOPInstanceUID"]) == uids
    assert set(table["Outcome"]) == {"downloaded"}
    for row in table.itertuples():
        assert Path(row.File).read_bytes() == truth.files[row.SOPInstanceUID].read_bytes()
    assert set(archive.download(series, tmp_path)["Outcome"]) == {"already there"}
    Path(table["File"][0]).write_bytes(b"mine")
    again = archive.download(series, tmp_path).set_index("File")
    assert again.loc[table["File"][0], "Outcome"] == "conflict"
    assert Path(table["File"][0]).read_bytes() == b"mine"
    files = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {f"{uid}.dcm" for uid in uids} | {".dicomnb-download.jsonl"}
    assert sorted(dn.connect(tmp_path).instances()["SOPInstanceUID"]) == sorted(
        set(uids) - {table["SOPInstanceUID"][0]}
    )


def test_a_row_that_lost_its_uid_fetches_nothing(archive: dn.Archive, tmp_path: Path) -> None:
    instance = archive.instances(limit=1).iloc[0].copy()
    instance["SOPInstanceUID"] = None
    for attempt in (
        lambda: archive.download(instance, tmp_path),
        lambda: archive.dataset(instance),
        lambda: archive.volume(instance),
        lambda: archive.metadata(instance),
        lambda: archive.delete(instance),
        lambda: archive.instances(instance),
    ):
        with pytest.raises(dn.RefError, match="SOPInstanceUID is missing"):
            attempt()
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there(archive: dn.Archive) -> None:
    missing = dn.Ref("1.2.3.4", "1.2.3.4.5", "1.2.3.4.5.6")
    for attempt in (
        lambda: archive.dataset(missing),
        lambda: archive.frames(missing),
        lambda: archive.volume(missing.at("series")),
        lambda: archive.rendered(missing),
    ):
        with pytest.raises(dn.NotFound):
            attempt()
