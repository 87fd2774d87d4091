"""Segmentations, contours and slides, held against highdicom and plain arithmetic."""

from __future__ import annotations

import copy
import warnings

import highdicom
import numpy as np
import pytest
from matplotlib.path import Path as Outline
from pydicom.dataset import Dataset

import dicomnb as dn
from dicomnb.errors import GeometryError, NoDicom, RefError
from dicomnb.volumes.colours import rgb_of_cielab
from dicomnb.volumes.segmentation import read_segmentation
from dicomnb.volumes.structures import inside, read_structures
from tests.images.image_series import instance, oblique, part, phantom, series
from tests.volumes.test_frames import build, enhanced, item, places
from tests.volumes.test_lazy import put

NAMES = ("left", "right", "inner")


def complete(datasets):
    """What highdicom asks of source images beside their pixels."""
    for ds in datasets:
        for keyword in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyDate",
                        "StudyTime", "AccessionNumber", "StudyID", "ReferringPhysicianName",
                        "SeriesNumber", "PositionReferenceIndicator"):  # fmt: skip
            if keyword not in ds:
                setattr(ds, keyword, None)
        ds.PatientID = "1"
    return datasets


def masks(shape, *, overlap=False):
    left = np.zeros(shape, bool)
    left[1:4, 2:9, 3:8] = True
    right = np.zeros(shape, bool)
    right[2:5, 2:9, 12:20] = True
    found = {"left": left, "right": right}
    if overlap:
        inner = np.zeros(shape, bool)
        inner[2:3, 4:6, 4:6] = True
        found["inner"] = inner
    return found


OBLIQUE = oblique()


def scanned(orientation=OBLIQUE):
    datasets = complete(series(phantom(8), orientation=orientation))
    return datasets, build(datasets)


@pytest.mark.parametrize("overlap", [False, True])
def test_masks_to_a_segmentation_and_back(overlap):
    datasets, volume = scanned()
    given = masks(volume.shape, overlap=overlap)
    made = volume.to_segmentation(given, datasets[::-1], title="Mine")
    found = read_segmentation(made, on=volume)
    assert found.report == ()
    assert found.segments["SegmentLabel"].tolist() == list(given)
    for label, mask in given.items():
        np.testing.assert_array_equal(found.mask(label), mask)
        row = found.segments.set_index("SegmentLabel").loc[label]
        assert row["Voxels"] == mask.sum()
        assert row["Millilitres"] == pytest.approx(mask.sum() * 2.5 * 0.8 * 0.6 / 1000, rel=1e-4)
    np.testing.assert_array_equal(found.masks().array, np.stack(list(given.values())))
    assert found.masks().axis.keyword == "SegmentNumber"
    np.testing.assert_array_equal(found.mask(1).affine, volume.affine)
    if overlap:
        with pytest.raises(GeometryError, match="overlap"):
            _ = found.labels
    else:
        np.testing.assert_array_equal(found.labels, given["left"] * 1 + given["right"] * 2)
    assert volume[found.mask("left")].shape == (given["left"].sum(),)
    with pytest.raises(KeyError, match="no segment 'liver'; there are 1 'left'"):
        found.mask("liver")


def test_against_highdicom_on_a_grid_of_its_own():
    datasets, volume = scanned()
    given = masks(volume.shape)
    made = volume.to_segmentation(given, datasets)
    found = read_segmentation(made)
    theirs = highdicom.seg.Segmentation.from_dataset(copy.deepcopy(made)).get_volume(
        combine_segments=True
    )
    if np.dot(theirs.affine[:3, 0], found.labels.affine[:3, 0]) < 0:
        theirs = theirs.flip_spatial(axes=[0])
    np.testing.assert_array_equal(found.labels, theirs.array)
    np.testing.assert_allclose(found.labels.affine, theirs.affine, atol=1e-4)
    assert len(found.labels) == 4  # slices 1 to 4 have frames


def test_on_another_grid():
    datasets, volume = scanned((1, 0, 0, 0, 1, 0))
    found = volume.to_segmentation(masks(volume.shape), datasets)
    turned = read_segmentation(found, on=volume.reoriented("RAS"))
    assert "nearest neighbour" in turned.report[0]
    np.testing.assert_array_equal(
        turned.labels, read_segmentation(found, on=volume).labels.reoriented("RAS").array
    )
    part_of = read_segmentation(found, on=volume.cropped((2, 8)))
    assert "voxels of segment 1 lie outside" in part_of.report[0]
    np.testing.assert_array_equal(part_of.mask(2), masks(volume.shape)["right"][2:])
    other = build(complete(series(phantom(3), FrameOfReferenceUID="1.2.9")))
    with pytest.raises(GeometryError, match="frame of reference"):
        read_segmentation(found, on=other)
    with pytest.raises(NoDicom, match="no segmentation"):
        read_segmentation(datasets[0])


def test_a_segmentation_says_what_drew_it_and_no_more():
    datasets, volume = scanned()
    mask = {"a": masks(volume.shape)["left"]}

    def segment(algorithm):
        made = volume.to_segmentation(mask, datasets, algorithm=algorithm)
        return made.SegmentSequence[0]

    by_hand = segment(None)
    assert by_hand.SegmentAlgorithmType == "MANUAL"
    assert "SegmentAlgorithmName" not in by_hand
    named = segment("above 300 HU")
    assert (named.SegmentAlgorithmType, named.SegmentAlgorithmName) == ("AUTOMATIC", "above 300 HU")
    assert "SegmentationAlgorithmIdentificationSequence" not in named
    histogram = ("123105", "DCM", "Histogram Analysis")
    helped = segment(dn.volumes.Algorithm("otsu", "2.1", histogram, by_hand_too=True))
    assert helped.SegmentAlgorithmType == "SEMIAUTOMATIC"
    said = helped.SegmentationAlgorithmIdentificationSequence[0]
    assert (said.AlgorithmName, said.AlgorithmVersion) == ("otsu", "2.1")
    assert said.AlgorithmFamilyCodeSequence[0].CodeValue == "123105"
    assert "Artificial" not in str(by_hand) + str(named) + str(helped)
    for wrong in (("",), ("x", "", histogram)):
        with pytest.raises(ValueError, match=r"name|version"):
            dn.volumes.Algorithm(*wrong)


def test_a_segmentation_is_stored_and_read_back(tmp_path):
    folder = put(tmp_path / "in", complete(series(phantom(8), orientation=OBLIQUE)))
    with dn.serve(folder, writable=True) as url:
        archive = dn.connect(url)
        scan = archive.series().iloc[0]
        for lazy in (False, True):
            volume = archive.volume(scan, lazy=lazy)
            given = masks(volume.shape, overlap=True)
            made = volume.to_segmentation(
                given, archive.datasets(scan, pixels=False), title=f"lazy {lazy}"
            )
            assert archive.store(made)["Outcome"].tolist() == ["stored"]
            (uid,) = [made.SeriesInstanceUID]
            row = archive.series(SeriesInstanceUID=uid).iloc[0]
            assert row["StudyInstanceUID"] == scan["StudyInstanceUID"]
            found = archive.segmentation(row, on=archive.volume(scan))
            assert found.report == ()
            for label, mask in given.items():
                np.testing.assert_array_equal(found.mask(label), mask)


def test_masks_of_a_multi_frame_image():
    source = complete([enhanced(phantom(5)[::-1], places(5)[::-1], FrameOfReferenceUID="1.2.3")])
    source[0].DimensionOrganizationSequence = [item(DimensionOrganizationUID="1.2.4")]
    volume = build(source)
    mask = np.zeros(volume.shape, bool)
    mask[1, 2:5, 3:9] = mask[3, 7:9, 1:4] = True
    made = volume.to_segmentation({"spot": mask}, source)
    np.testing.assert_array_equal(read_segmentation(made, on=volume).mask("spot"), mask)


def test_masks_that_cannot_be_written():
    datasets, volume = scanned()
    good = masks(volume.shape)
    with pytest.raises(GeometryError, match="does not count slices"):
        volume.resampled(2.0).to_segmentation(good, datasets)
    with pytest.raises(GeometryError, match="lacks 1 images"):
        volume.to_segmentation(good, datasets[1:])
    with pytest.raises(ValueError, match="other values"):
        volume.to_segmentation({"a": good["left"] * 3}, datasets)
    with pytest.raises(ValueError, match="empty"):
        volume.to_segmentation({}, datasets)
    with pytest.raises(ValueError, match=r"is \(3, 3\)"):
        volume.to_segmentation({"a": np.zeros((3, 3), bool)}, datasets)
    with pytest.raises(ValueError, match="masks has not"):
        volume.to_segmentation(good, datasets, codes={"x": (("1", "SCT", "y"),) * 2})


def test_fractions_and_label_maps():
    datasets, volume = scanned()
    chances = np.zeros((*volume.shape, 1), np.float32)
    chances[2, 3:6, 3:6, 0] = 0.4
    chances[3, 3:6, 3:6, 0] = 0.9
    concept = highdicom.sr.CodedConcept("85756007", "SCT", "Tissue")
    described = highdicom.seg.SegmentDescription(
        1, "chance", concept, concept, highdicom.seg.SegmentAlgorithmTypeValues.MANUAL
    )
    common = {
        "source_images": datasets, "segment_descriptions": [described],
        "series_instance_uid": "1.2.5", "series_number": 1, "sop_instance_uid": "1.2.6",
        "instance_number": 1, "manufacturer": "m", "manufacturer_model_name": "m",
        "software_versions": "1", "device_serial_number": "1",
    }  # fmt: skip
    made = highdicom.seg.Segmentation(
        pixel_array=chances, segmentation_type="FRACTIONAL", max_fractional_value=100, **common
    )
    found = read_segmentation(made, on=volume)
    np.testing.assert_array_equal(found.mask(1), chances[..., 0] > 0.5)
    assert "Fractions of 0.5" in found.report[0]
    np.testing.assert_array_equal(
        read_segmentation(made, on=volume, threshold=0.3).mask(1), chances[..., 0] > 0.3
    )
    labels = (chances[..., 0] > 0).astype(np.uint8)
    made = highdicom.seg.Segmentation(pixel_array=labels, segmentation_type="LABELMAP", **common)
    np.testing.assert_array_equal(read_segmentation(made, on=volume).labels, labels)


def test_colours():
    assert rgb_of_cielab([65535, 32896, 32896]) in ("#ffffff", "#fffffe", "#fffeff")
    assert rgb_of_cielab([0, 32896, 32896]) == "#000000"
    red = rgb_of_cielab([round(54.29 / 100 * 65535), round((80.8 + 128) / 255 * 65535),
                         round((69.89 + 128) / 255 * 65535)])  # fmt: skip
    assert int(red[1:3], 16) > 250
    assert int(red[3:], 16) < 0x0A0A
    assert rgb_of_cielab(None) is None


def test_filling_contours_against_matplotlib():
    rng = np.random.default_rng(4)
    rows, columns = np.mgrid[:40, :50]
    centres = np.stack([rows.ravel(), columns.ravel()], axis=1)
    for _ in range(20):
        angles = np.sort(rng.uniform(0, 2 * np.pi, 30))
        radii = rng.uniform(5, 25, 30)
        outline = np.stack([20 + radii * np.sin(angles), 25 + radii * np.cos(angles)], axis=1)
        expected = Outline(outline).contains_points(centres).reshape(40, 50)
        np.testing.assert_array_equal(inside([outline], 40, 50), expected)
    box = np.array([[5, 5], [5, 15], [15, 15], [15, 5]], float)
    assert inside([box], 40, 50).sum() == 100  # side by side: none twice, none left out
    hole = np.array([[8, 8], [8, 12], [12, 12], [12, 8]], float)
    assert inside([box, hole], 40, 50).sum() == 100 - 16
    assert inside([box + np.array([-10, 42])], 40, 50).sum() == 5 * 3


def structure_set(volume, contours, kind="CLOSED_PLANAR", frame=None):
    """A structure set of one region, with contours given in voxels (slice, row, column)."""
    ds = Dataset()
    ds.SOPInstanceUID, ds.Modality, ds.StructureSetLabel = "1.2.3", "RTSTRUCT", "Plan"
    frame = volume.frame_of_reference if frame is None else frame
    ds.StructureSetROISequence = [
        item(ROINumber=7, ROIName="Heart", ReferencedFrameOfReferenceUID=frame),
        item(ROINumber=8, ROIName="Empty", ReferencedFrameOfReferenceUID=frame),
    ]
    sequence = [
        item(
            ContourGeometricType=kind,
            NumberOfContourPoints=len(points),
            ContourData=[f"{x:.9g}" for x in volume.position(*np.array(points, float).T).ravel()],
        )
        for points in contours
    ]
    ds.ROIContourSequence = [
        item(ReferencedROINumber=7, ROIDisplayColor=[255, 0, 16], ContourSequence=sequence)
    ]
    ds.RTROIObservationsSequence = [item(ReferencedROINumber=7, RTROIInterpretedType="ORGAN")]
    return ds


def box(slice_, low, high):
    return [(slice_, low, low), (slice_, low, high), (slice_, high, high), (slice_, high, low)]


@pytest.mark.parametrize("orientation", [(1, 0, 0, 0, 1, 0), oblique()])
def test_contours_to_masks(orientation):
    volume = scanned(orientation)[1]
    found = read_structures(
        structure_set(volume, [box(2, 2.5, 10.5), box(2, 4.5, 6.5), box(3, 2.5, 10.5)])
    )
    assert found.rois["ROIName"].tolist() == ["Heart", "Empty"]
    assert found.rois["Colour"].iloc[0] == "#ff0010"
    assert found.rois["Type"].iloc[0] == "ORGAN"
    mask = found.mask("Heart", volume)
    expected = np.zeros(volume.shape, bool)
    expected[2:4, 3:11, 3:11] = True
    expected[2, 5:7, 5:7] = False
    np.testing.assert_array_equal(mask, expected)
    assert mask.report == ()
    np.testing.assert_array_equal(mask.affine, volume.affine)
    np.testing.assert_array_equal(found.mask(8, volume), np.zeros(volume.shape, bool))
    np.testing.assert_allclose(
        found.contours("Heart")[2][0], volume.position(3, 2.5, 2.5), atol=1e-5
    )


def test_contours_as_lines_on_planes():
    volume = scanned((1, 0, 0, 0, 1, 0))[1]
    found = read_structures(structure_set(volume, [box(2, 2.5, 10.5), box(3, 4.5, 6.5)]))
    plane = volume.plane("axial", at=3)
    (line,) = found.lines("Heart", plane)
    np.testing.assert_allclose(line[0], (4.5, 4.5), atol=1e-5)
    np.testing.assert_allclose(line[0], line[-1])
    assert found.lines("Heart", volume.plane("axial", at=6)) == []
    turned = volume.reoriented("IPR").plane("axial", mm=plane.position)
    np.testing.assert_allclose(found.lines("Heart", turned)[0], line, atol=1e-5)
    with pytest.raises(GeometryError, match="outline"):
        found.lines("Heart", volume.plane("coronal"))


def test_contours_that_are_told_of():
    volume = scanned((1, 0, 0, 0, 1, 0))[1]
    wide = read_structures(structure_set(volume, [box(at, 2.5, 5.5) for at in (1, 4, 7)]))
    mask = wide.mask("Heart", volume)
    assert "3 slices apart" in mask.report[0]
    assert mask.array.any(axis=(1, 2)).all()
    away = read_structures(structure_set(volume, [box(20, 2.5, 5.5)]))
    assert "outside the volume" in away.mask("Heart", volume).report[0]
    points = read_structures(structure_set(volume, [[(1, 2, 3)]], kind="POINT"))
    assert "points or open lines" in points.mask("Heart", volume).report[0]
    askew = read_structures(structure_set(volume, [[(1, 2, 3), (2, 5, 3), (3, 5, 9)]]))
    with pytest.raises(GeometryError, match="parallel"):
        askew.mask("Heart", volume)
    other = read_structures(structure_set(volume, [box(1, 2, 3)], frame="1.9"))
    with pytest.raises(GeometryError, match="frame of reference"):
        other.mask("Heart", volume)
    with pytest.raises(KeyError, match="no region 'Liver'; there are 7 'Heart'"):
        wide.mask("Liver", volume)
    with pytest.raises(NoDicom, match="no structure set"):
        read_structures(instance(phantom(1)[0]))


def test_the_demo_archive(demo_folder):
    """Segments and contours lie where the phantom's image says they lie."""
    archive = dn.connect(demo_folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dn.DicomnbWarning)  # the demo's odd dates
        table = archive.series()
    for modality in ("SEG", "RTSTRUCT"):
        row = table[table["Modality"] == modality].iloc[0]
        scan = table[
            (table["StudyInstanceUID"] == row["StudyInstanceUID"]) & (table["Modality"] == "CT")
        ].iloc[0]
        volume = archive.volume(scan)
        with pytest.raises(GeometryError, match=r"archive\.(segmentation|structures)"):
            archive.volume(row)
        if modality == "SEG":
            found = archive.segmentation(row, on=volume)
            assert found.report == ()
            assert volume[found.mask("Left lung")].mean() < -700
            assert volume[found.mask("Right lung")].mean() < -700
            assert found.segments["Colour"].notna().all()
        else:
            drawn = archive.structures(row)
            lung = next(name for name in drawn.rois["ROIName"] if "lung" in name.lower())
            assert volume[drawn.mask(lung, volume)].mean() < -650
    with pytest.raises(RefError, match="Several instances"):
        archive.structures(scan)


def slide(stored, tile, *, sparse=False, number=1, kind="VOLUME", drop=()):
    """A whole-slide level of ``stored`` (rows, columns, 3), cut in tiles."""
    rows, columns = stored.shape[:2]
    tiles, where = [], []
    for row in range(0, rows, tile[0]):
        for column in range(0, columns, tile[1]):
            if (row, column) in drop:
                continue
            whole = np.zeros((*tile, 3), np.uint8)
            piece = stored[row : row + tile[0], column : column + tile[1]]
            whole[: piece.shape[0], : piece.shape[1]] = piece
            tiles.append(whole)
            where.append((row, column))
    if sparse:
        order = np.random.default_rng(2).permutation(len(tiles))
        tiles, where = [tiles[at] for at in order], [where[at] for at in order]
    ds = instance(
        np.stack(tiles)[..., 0], number=number, position=None, orientation=None, spacing=None,
        slope=None, intercept=None, SOPClassUID="1.2.840.10008.5.1.4.1.1.77.1.6", Modality="SM",
        SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0,
        Rows=tile[0], Columns=tile[1], TotalPixelMatrixRows=rows, TotalPixelMatrixColumns=columns,
        ImageType=["ORIGINAL", "PRIMARY", kind, "NONE"], NumberOfFrames=len(tiles),
        DimensionOrganizationType="TILED_SPARSE" if sparse else "TILED_FULL",
        PatientID="1", NumberOfOpticalPaths=1,
    )  # fmt: skip
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.PixelData = np.stack(tiles).tobytes()
    if sparse:
        ds.PerFrameFunctionalGroupsSequence = [
            item(
                PlanePositionSlideSequence=[
                    item(
                        RowPositionInTotalImagePixelMatrix=row + 1,
                        ColumnPositionInTotalImagePixelMatrix=column + 1,
                    )
                ]
            )
            for row, column in where
        ]
    return ds


def test_regions_of_a_slide(tmp_path):
    rng = np.random.default_rng(8)
    whole = rng.integers(0, 255, (100, 130, 3)).astype(np.uint8)
    half = whole[::2, ::2].copy()
    label = rng.integers(0, 255, (32, 32, 3)).astype(np.uint8)
    folder = put(
        tmp_path / "slide",
        [
            slide(half, (32, 32), sparse=True, number=2, drop={(32, 32)}),
            slide(label, (32, 32), number=3, kind="LABEL"),
            slide(whole, (32, 48), number=1),
        ],
    )
    with dn.serve(folder) as url:
        for archive in (dn.connect(folder), dn.connect(url)):
            row = archive.series().iloc[0]
            for x, y, width, height in ((0, 0, 130, 100), (40, 30, 20, 5), (129, 99, 1, 1)):
                np.testing.assert_array_equal(
                    archive.region(row, 0, x, y, width, height),
                    whole[y : y + height, x : x + width],
                )
            expected = half.copy()
            expected[32:, 32:64][: 50 - 32, : 64 - 32] = 255  # no tile there
            np.testing.assert_array_equal(archive.region(row, 1, 0, 0, 65, 50), expected)
            with pytest.raises(ValueError, match=r"no level 2.*0: 130 × 100, 1: 65 × 50"):
                archive.region(row, 2, 0, 0, 1, 1)
            with pytest.raises(ValueError, match="outside level 1, which is 65 wide and 50 high"):
                archive.region(row, 1, 60, 0, 10, 10)
            with pytest.raises(ValueError, match="1 or more"):
                archive.region(row, 1, 0, 0, 0, 10)
            with pytest.raises(GeometryError, match=r"archive\.region"):
                archive.volume(row)
            with pytest.raises(GeometryError, match=r"archive\.region"):
                archive.volume(row, lazy=True)


def test_only_the_tiles_needed_are_fetched(tmp_path, monkeypatch):
    whole = np.zeros((96, 96, 3), np.uint8)
    archive = dn.connect(put(tmp_path / "slide", [slide(whole, (32, 32))]))
    asked = []
    frames = archive.source.frames

    def spy(ref, numbers, **options):
        asked.extend(numbers)
        return frames(ref, numbers, **options)

    monkeypatch.setattr(archive.source, "frames", spy)
    archive.region(archive.series().iloc[0], 0, 33, 33, 40, 10)
    assert asked == [5, 6]


def test_slides_that_are_none(tmp_path):
    archive = dn.connect(put(tmp_path / "ct", series(phantom(3))))
    with pytest.raises(GeometryError, match="no whole-slide image"):
        archive.region(archive.series().iloc[0], 0, 0, 0, 1, 1)
    cut = slide(np.zeros((96, 96, 3), np.uint8), (32, 32), drop={(0, 0)})
    archive = dn.connect(put(tmp_path / "cut", [cut]))
    with pytest.raises(GeometryError, match=r"3 × 3 tiles, but has 8 frames"):
        archive.region(archive.series().iloc[0], 0, 0, 0, 1, 1)
    with pytest.raises(GeometryError, match=r"archive\.region"):
        build([slide(np.zeros((64, 64, 3), np.uint8), (32, 32))])
    assert part(cut) is not None
