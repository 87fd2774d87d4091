"""Images to instances: the same bytes and the same pixels on every kind of archive."""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.encaps import generate_frames

import dicomnb as dn
from dicomnb.wire.multipart import read
from tests.conftest import real_file, start_orthanc
from tests.server.google_stand_in import stand_in
from tests.web.raw_server import Raw, response, source

JPEG = "1.2.840.10008.1.2.4."
RLE = "1.2.840.10008.1.2.5"
RNG = np.random.default_rng(8)
GREY = RNG.integers(0, 255, (40, 32), dtype=np.uint8)
COLOUR = np.asarray(
    Image.fromarray(RNG.integers(0, 255, (5, 4, 3), dtype=np.uint8)).resize((32, 40))
)
WIDE = RNG.integers(0, 60000, (40, 32), dtype=np.uint16)
SIGNED = (WIDE.astype(np.int32) - 30000).astype(np.int16)
CT = Path(real_file("CT_small.dcm"))


def photo(array: Any = COLOUR, kind: str = "jpeg", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> dn.Archive:
    target = tmp_path / "archive"
    target.mkdir()
    return dn.connect(target, options=dn.Options(writable=True))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[dn.Archive]:
    target = tmp_path / "served"
    target.mkdir()
    with dn.serve(target, writable=True) as url:
        yield dn.connect(url)


@pytest.fixture(scope="module")
def an_orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dn.Archive]:
    for orthanc in start_orthanc(tmp_path_factory.mktemp("orthanc")):
        yield dn.connect(orthanc.url)


@pytest.fixture
def flavour(tmp_path: Path) -> Iterator[dn.Archive]:
    target = tmp_path / "google"
    target.mkdir()
    with stand_in(target, writable=True) as there:
        yield dn.connect(there.url, auth=dn.Bearer(str(there.server.token)))


@pytest.fixture(params=["folder", "server", "an_orthanc", "flavour"])
def archive(request: pytest.FixtureRequest) -> dn.Archive:
    found: dn.Archive = request.getfixturevalue(request.param)
    return found


def one(table: pd.DataFrame) -> pd.Series:
    assert table["Outcome"].tolist() == ["stored"], table["Reason"].tolist()
    return table.iloc[0]


def series_of(what: Any) -> dn.Ref:
    return dn.Ref(str(what.StudyInstanceUID), str(what.SeriesInstanceUID))


CODESTREAMS = {
    f"{JPEG}50": photo(),
    f"{JPEG}51": bytes(imagecodecs.jpeg8_encode(WIDE >> 4, bitspersample=12)),
    f"{JPEG}70": bytes(imagecodecs.jpeg8_encode(GREY, lossless=True, predictor=1)),
    f"{JPEG}80": bytes(imagecodecs.jpegls_encode(WIDE)),
    f"{JPEG}90": bytes(imagecodecs.jpeg2k_encode(COLOUR, codecformat="J2K", reversible=True)),
    f"{JPEG}91": bytes(
        imagecodecs.jpeg2k_encode(GREY, level=40, codecformat="J2K", reversible=False)
    ),
}


@pytest.mark.parametrize("syntax", CODESTREAMS)
def test_codestreams_are_stored_as_they_are(archive: dn.Archive, syntax: str) -> None:
    data = CODESTREAMS[syntax]
    row = one(archive.store_images(data, metadata={"PatientName": "Müller^Jörg", "PatientID": "7"}))
    assert (row.TransferSyntaxUID, row.Encoding) == (syntax, "as given")
    assert row.Form == ("json" if archive.source.abilities().family == "google" else "multipart")
    dataset = archive.dataset(row)
    assert dataset.file_meta.TransferSyntaxUID == syntax
    (frame,) = generate_frames(dataset.PixelData, number_of_frames=1)
    assert frame.rstrip(b"\0") == data.rstrip(b"\0")
    assert dataset.PatientName == "Müller^Jörg"
    assert dataset.SOPClassUID == "1.2.840.10008.5.1.4.1.1.7"
    assert dataset.SpecificCharacterSet == "ISO_IR 192"
    assert dataset.ConversionType == "WSD"
    assert all(uid.startswith("2.25.") for uid in row[["StudyInstanceUID", "SOPInstanceUID"]])
    pixels = archive.frames(row)[0]
    # Decoders of lossy JPEG differ a little, in how they widen halved chroma most.
    assert np.abs(pixels.astype(int) - dataset.pixel_array).mean() < 3
    found = archive.instances(series_of(row))
    assert found["SOPInstanceUID"].tolist() == [row.SOPInstanceUID]


@pytest.mark.parametrize("encode", ["rle", "jpeg-ls", "jpeg-2000"])
@pytest.mark.parametrize(
    "array",
    [
        GREY,
        COLOUR,
        WIDE,
        SIGNED,
        np.stack([WIDE, WIDE[::-1]]),
        np.stack([COLOUR, COLOUR[::-1], COLOUR[:, ::-1]]),
        GREY > 99,
        WIDE.astype(">u2"),
        WIDE.T,
    ],
    ids=["grey", "colour", "wide", "signed", "frames", "films", "truth", "big-endian", "turned"],
)
def test_arrays_come_back_as_they_were(folder: dn.Archive, array: Any, encode: Any) -> None:
    row = one(folder.store_images(array, encode=encode))
    assert row.Encoding.startswith("encoded without loss")
    dataset = folder.dataset(row)
    np.testing.assert_array_equal(dataset.pixel_array, array)
    found = folder.frames(row)
    np.testing.assert_array_equal(found if len(found) > 1 else found[0], array)
    assert found.dtype == (np.uint8 if array.dtype == bool else array.dtype.newbyteorder("="))


def test_arrays_are_drawn_by_every_server(archive: dn.Archive) -> None:
    """RLE, the default, is decoded by all: the picture that the server draws is the array."""
    for array in (GREY, COLOUR):
        row = one(archive.store_images(array))
        assert row.TransferSyntaxUID == RLE
        drawn = np.asarray(archive.rendered(row))
        if array.ndim == 2:
            drawn = drawn if drawn.ndim == 2 else drawn[..., 0]
            assert np.corrcoef(drawn.ravel(), array.ravel())[0, 1] > 0.99
        else:
            np.testing.assert_array_equal(drawn, array)


def test_pictures_and_png(folder: dn.Archive, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(photo(WIDE, "png"))
    Image.fromarray(COLOUR).save(tmp_path / "b.png")
    palette = Image.fromarray(COLOUR).quantize(16)
    opaque = Image.fromarray(np.dstack([COLOUR, np.full(GREY.shape, 255, np.uint8)]))
    images = [path, Image.fromarray(GREY), palette, opaque, str(tmp_path / "b*.png")]
    two_tones = Image.fromarray(GREY).convert("1")
    table = folder.store_images([*images, two_tones])
    assert set(table["Outcome"]) == {"stored"}, table["Reason"].tolist()
    expected = [WIDE, GREY, np.asarray(palette.convert("RGB")), COLOUR, COLOUR]
    for (_, row), array in zip(
        table.iterrows(), [*expected, np.asarray(two_tones) * 255], strict=True
    ):
        np.testing.assert_array_equal(folder.dataset(row).pixel_array, array)
    assert table["StudyInstanceUID"].nunique() == table["SeriesInstanceUID"].nunique() == 1
    assert table["SOPInstanceUID"].nunique() == 6
    assert table["File"].tolist()[0] == str(path)
    numbers = [folder.dataset(row).InstanceNumber for _, row in table.iterrows()]
    assert numbers == [1, 2, 3, 4, 5, 6]


def test_what_cannot_be_stored_costs_its_row(folder: dn.Archive, tmp_path: Path) -> None:
    clear = Image.fromarray(np.dstack([COLOUR, GREY]))
    gone = tmp_path / "gone.jpg"
    gone.write_bytes(photo())
    images = [
        photo(progressive=True),
        photo(),
        clear,
        GREY.astype(np.float32),
        CT.read_bytes(),
        photo(GREY, "png")[:200],
        WIDE[0],
        Image.fromarray(GREY).convert("F"),
        bytes(imagecodecs.packbits_encode(GREY.tobytes())),
        [photo(), GREY],
        [GREY, GREY[:10]],
    ]
    table = folder.store_images(images)
    assert table["Outcome"].tolist() == ["failed", "stored"] + ["failed"] * 9
    words = [
        "progressive",
        "",
        "transparent",
        "float32",
        "give it to store",
        "PNG",
        "no image here",
    ]
    words += ["mode 'F'", "neither JPEG", "frames of one instance", "differ in size"]
    for reason, expected in zip(table["Reason"], words, strict=True):
        assert expected in reason
    with pytest.raises(dn.StoreError):
        folder.store_images(images, raise_on_failure=True)
    for wrong, error in (
        (5, TypeError),
        ([], dn.NoDicom),
        (str(tmp_path / "*.tif"), FileNotFoundError),
    ):
        with pytest.raises(error):
            folder.store_images(wrong)
    with pytest.raises(FileNotFoundError, match=r"\*\.jpg"):
        folder.store_images(tmp_path)
    with pytest.raises(ValueError, match="'rle', 'jpeg-ls'"):
        folder.store_images(GREY, encode="png")  # type: ignore[arg-type]


def test_metadata_in_every_form(folder: dn.Archive) -> None:
    header = dcmread(CT, stop_before_pixels=True)
    kept = Dataset()
    for keyword in ("PatientName", "StudyDescription", "StudyInstanceUID"):
        setattr(kept, keyword, header.get(keyword))
    by_keyword = {
        "PatientName": "Yamada^Tarou=山田^太郎",
        "PatientBirthDate": datetime.date(1970, 2, 3),
        "StudyDate": pd.Timestamp("2024-05-06 07:08:09"),
        "StudyTime": datetime.time(7, 8, 9),
        "AccessionNumber": pd.NA,
        "00080050": None,
        "Modality": "XC",
        "BodyPartExamined": "SKIN",
        "AnatomicRegionSequence": {"CodeValue": "39937001", "CodeMeaning": "Skin"},
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "SeriesNumber": np.int64(3),
    }
    as_json = {
        "00100020": {"vr": "LO", "Value": ["4711"]},
        "00080060": {"vr": "CS", "Value": ["ES"]},
    }
    table = folder.store_images([photo()] * 3, metadata=[by_keyword, as_json, kept])
    assert set(table["Outcome"]) == {"stored"}
    first, second, third = (folder.dataset(row) for _, row in table.iterrows())
    assert str(first.PatientName) == "Yamada^Tarou=山田^太郎"
    assert (first.PatientBirthDate, first.StudyDate, first.StudyTime) == (
        "19700203",
        "20240506",
        "070809",
    )
    assert first.AnatomicRegionSequence[0].CodeValue == "39937001"
    assert (list(first.ImageType), first.SeriesNumber) == (["ORIGINAL", "PRIMARY"], 3)
    assert first.SOPClassUID == "1.2.840.10008.5.1.4.1.1.77.1.4"
    assert "ConversionType" not in first
    assert (second.PatientID, second.SOPClassUID) == ("4711", "1.2.840.10008.5.1.4.1.1.77.1.1")
    assert third.StudyInstanceUID == header.StudyInstanceUID
    assert third.PatientName == header.PatientName


def test_metadata_that_cannot_be(folder: dn.Archive) -> None:
    with pytest.raises(dn.BadQuery, match="PatientName"):
        folder.store_images(photo(), metadata={"PatentName": "x"})
    with pytest.raises(ValueError, match="2 images, but metadata of 1"):
        folder.store_images([photo()] * 2, metadata=[{}])
    with pytest.raises(ValueError, match="One SOPInstanceUID"):
        folder.store_images([photo()] * 2, metadata={"SOPInstanceUID": "1.2.3"})
    with pytest.raises(TypeError, match="dict or a data set"):
        folder.store_images(photo(), metadata="x")
    with pytest.raises(dn.BadQuery, match="private"):
        folder.store_images(photo(), metadata={"00091001": "x"})
    for wrong in ({"Rows": 41}, {"PhotometricInterpretation": "MONOCHROME2"}, {"BitsStored": 12}):
        table = folder.store_images(photo(), metadata=wrong)
        assert table["Outcome"].tolist() == ["failed"]
        assert "does not fit the image" in table["Reason"][0]
    table = folder.store_images(WIDE, metadata={"BitsStored": 12})
    assert "more than 12 bits" in table["Reason"][0]
    fitting = one(
        folder.store_images(
            WIDE >> 4, metadata={"BitsStored": 12, "PhotometricInterpretation": "MONOCHROME1"}
        )
    )
    dataset = folder.dataset(fitting)
    assert (dataset.BitsStored, dataset.HighBit) == (12, 11)
    assert dataset.PhotometricInterpretation == "MONOCHROME1"


def test_like_takes_the_patient_and_the_study(archive: dn.Archive) -> None:
    archive.store(CT)
    ct = dcmread(CT)
    for like in (
        ct,
        archive.instances(series_of(ct)).iloc[0],
        archive.studies(PatientID=ct.PatientID),
        dn.Ref(ct.StudyInstanceUID),
    ):
        row = one(archive.store_images(photo(), like=like, metadata={"PatientComments": "x"}))
        dataset = archive.dataset(row)
        assert dataset.StudyInstanceUID == ct.StudyInstanceUID
        assert (dataset.PatientName, dataset.PatientID) == (ct.PatientName, ct.PatientID)
        assert dataset.SeriesInstanceUID != ct.SeriesInstanceUID
        assert dataset.SOPInstanceUID != ct.SOPInstanceUID
        assert dataset.Modality == "OT"
        assert (dataset.Rows, dataset.PatientComments) == (40, "x")
        assert "KVP" not in dataset
    for like in (ct, archive.series(SeriesInstanceUID=ct.SeriesInstanceUID).iloc[0]):
        row = one(archive.store_images(photo(), like=like, same_series=True))
        dataset = archive.dataset(row)
        assert dataset.SeriesInstanceUID == ct.SeriesInstanceUID
        assert dataset.Modality == "CT"
        assert dataset.SOPInstanceUID != ct.SOPInstanceUID
    with pytest.raises(dn.RefError):
        archive.store_images(photo(), like=dn.Ref(ct.StudyInstanceUID), same_series=True)
    with pytest.raises(dn.RefError):
        archive.store_images(photo(), like=Dataset())
    with pytest.raises(dn.NotFound):
        archive.store_images(photo(), like=dn.Ref("1.2.3.4.5"))


def test_like_of_another_character_set(folder: dn.Archive) -> None:
    like = Dataset()
    like.SpecificCharacterSet = "ISO_IR 100"
    like.PatientName, like.StudyInstanceUID = "Bürger^Zoë", "1.2.3"
    buffer = io.BytesIO()
    like.save_as(buffer, implicit_vr=True, little_endian=True)
    raw = dcmread(io.BytesIO(buffer.getvalue()), force=True)
    assert (
        str(folder.dataset(one(folder.store_images(photo(), like=raw))).PatientName) == "Bürger^Zoë"
    )


def test_several_frames_of_one_instance(folder: dn.Archive) -> None:
    frames = [photo(GREY), photo(GREY[::-1]), photo(GREY[:, ::-1])]
    table = folder.store_images([frames, frames[0]])
    many, single = (folder.dataset(row) for _, row in table.iterrows())
    assert [
        bytes(f).rstrip(b"\0") for f in generate_frames(many.PixelData, number_of_frames=3)
    ] == frames
    assert many.SOPClassUID == "1.2.840.10008.5.1.4.1.1.7.2"
    assert (many.NumberOfFrames, list(many.PageNumberVector)) == (3, [1, 2, 3])
    assert "NumberOfFrames" not in single
    assert folder.frames(many, [2]).shape == (1, 40, 32)


def test_rle_and_jp2_and_turned_pictures(folder: dn.Archive) -> None:
    row = one(folder.store_images(WIDE))
    (rle,) = generate_frames(folder.dataset(row).PixelData, number_of_frames=1)
    table = folder.store_images([rle, rle], metadata=[{"Rows": 40, "Columns": 32}, None])
    assert table["Outcome"].tolist() == ["stored", "failed"]
    assert "Rows and Columns" in table["Reason"][1]
    np.testing.assert_array_equal(folder.dataset(table.iloc[0]).pixel_array, WIDE)
    jp2 = bytes(imagecodecs.jpeg2k_encode(WIDE, codecformat="JP2", reversible=True))
    assert "without the boxes" in one(folder.store_images(jp2)).Encoding
    exif = Image.Exif()
    exif[0x0112] = 6
    assert "EXIF" in one(folder.store_images(photo(exif=exif))).Encoding


def test_what_failed_is_made_again_under_its_uids(folder: dn.Archive, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(photo()[:500])
    table = folder.store_images([GREY, path])
    assert table["Outcome"].tolist() == ["stored", "failed"]
    path.write_bytes(photo())
    after = folder.store_images([GREY, path], retry=table)
    assert after["Outcome"].tolist() == ["stored", "stored"]
    assert after["SOPInstanceUID"].tolist() == table["SOPInstanceUID"].tolist()
    assert after["SeriesInstanceUID"].nunique() == 1
    assert len(folder.instances()) == 2
    with pytest.raises(ValueError, match="table of store_images"):
        folder.store(retry=table)
    with pytest.raises(ValueError, match="1 images"):
        folder.store_images([GREY], retry=table)


# The form of JSON metadata with the pixels beside it


def answered(request: Any) -> bytes:
    """What Google says: XML of a store in which all went well."""
    parts = [
        (p.media_type, p.location, p.read())
        for p in read(io.BytesIO(request.body), request.headers["content-type"])
    ]
    rows = json.loads(parts[0][2])
    items = [{"00081150": row["00080016"], "00081155": row["00080018"]} for row in rows]
    return response(json.dumps({"00081199": {"vr": "SQ", "Value": items}}).encode())


def google(server: Raw) -> dn.Archive:
    path = "/v1/projects/p/locations/l/datasets/d/dicomStores/s/dicomWeb"
    return dn.archive.Archive(source(server.root + path), options=dn.Options())


def test_google_is_sent_metadata_and_the_image() -> None:
    server = Raw(answered)
    boxed = bytes(imagecodecs.jpeg2k_encode(GREY, codecformat="JP2", reversible=True))
    images = [photo(), CODESTREAMS[f"{JPEG}80"], boxed, GREY]
    table = google(server).store_images(images, metadata={"PatientName": "Müller"})
    server.close()
    assert table["Form"].tolist() == ["json"] * 4
    assert table["Outcome"].tolist() == ["stored"] * 4
    (request,) = server.requests
    assert request.target.endswith("/dicomWeb/studies")
    assert request.headers["content-type"].startswith(
        'multipart/related; type="application/dicom+json"; boundary='
    )
    got = [
        (p.media_type, p.transfer_syntax, p.location, p.read())
        for p in read(io.BytesIO(request.body), request.headers["content-type"])
    ]
    assert got[0][0] == "application/dicom+json"
    rows = json.loads(got[0][3])
    kinds = [
        ("image/jpeg", f"{JPEG}50"),
        ("image/jls", f"{JPEG}80"),
        ("image/jp2", f"{JPEG}90"),
        ("image/dicom-rle", RLE),
    ]
    assert [part[:2] for part in got[1:]] == kinds
    for row, part, uid in zip(rows, got[1:], table["SOPInstanceUID"], strict=True):
        assert row["7FE00010"] == {"vr": "OB", "BulkDataURI": part[2]}
        assert row["00080018"]["Value"] == [uid]
        assert row["00020010"]["Value"] == [part[1]]
        assert row["00080005"]["Value"] == ["ISO_IR 192"]
        assert row["00280010"]["Value"] == [40]
    assert got[1][3] == photo()
    assert got[3][3] in boxed
    # The page's own template, attribute for attribute.
    assert rows[0]["00280002"]["Value"] == [3]
    assert rows[0]["00280004"]["Value"] == ["YBR_FULL_422"]
    assert rows[0]["00280006"]["Value"] == [0]
    assert [rows[0][tag]["Value"] for tag in ("00280100", "00280101", "00280102", "00280103")] == [
        [8],
        [8],
        [7],
        [0],
    ]


def test_what_the_json_form_has_no_place_for_goes_as_part_10() -> None:
    def answer(request: Any) -> bytes:
        if "dicom+json" in request.headers["content-type"]:
            return answered(request)
        parts = [
            dcmread(io.BytesIO(p.read()))
            for p in read(io.BytesIO(request.body), request.headers["content-type"])
        ]
        items = [
            {
                "00081150": {"vr": "UI", "Value": [p.SOPClassUID]},
                "00081155": {"vr": "UI", "Value": [p.SOPInstanceUID]},
            }
            for p in parts
        ]
        return response(json.dumps({"00081199": {"vr": "SQ", "Value": items}}).encode())

    server = Raw(answer)
    fast = bytes(imagecodecs.htj2k_encode(GREY, reversible=True))
    images = [photo(), [photo(), photo()], fast]
    table = google(server).store_images(images)
    assert table["Form"].tolist() == ["json", "multipart", "multipart"]
    assert table["Outcome"].tolist() == ["stored"] * 3
    assert len(server.requests) == 2
    table = google(server).store_images(images, form="json")
    assert table["Outcome"].tolist() == ["stored", "failed", "failed"]
    assert "has no place for" in table["Reason"][1]
    server.requests.clear()
    table = google(server).store_images(photo(), form="multipart")
    assert table["Form"].tolist() == ["multipart"]
    assert 'type="application/dicom";' in server.requests[0].headers["content-type"]
    server.close()


def test_a_server_without_the_json_form_says_so(an_orthanc: dn.Archive) -> None:
    with pytest.raises(dn.Unsupported, match='form="multipart"'):
        an_orthanc.store_images(photo(), form="json")


def test_a_store_in_googles_flavour(flavour: dn.Archive) -> None:
    """Both forms; the same bytes again count as stored, other bytes of the same UIDs conflict."""
    ct = dcmread(CT)
    for form in ("multipart", "single"):
        table = flavour.store([CT, real_file("MR_small.dcm")], form=form)  # type: ignore[arg-type]
        assert table["Outcome"].tolist() == ["stored", "stored"]
        assert table["RetrieveURL"].str.contains("/dicomStores/").all()
    ct.PatientComments = "changed"
    table = flavour.store([ct, real_file("693_UNCR.dcm")])
    assert table["Outcome"].tolist() == ["conflict", "stored"]
    assert table["Code"][0] == 0x0111
    wrong = flavour.store(ct, study="1.2.3")
    assert wrong["Outcome"].tolist() == ["failed"]
    images = flavour.store_images([photo(), GREY, [photo(), photo()]], like=ct)
    assert images["Outcome"].tolist() == ["stored"] * 3, images["Reason"].tolist()
    assert images["Form"].tolist() == ["json", "json", "multipart"]
    assert set(images["StudyInstanceUID"]) == {str(ct.StudyInstanceUID)}
    np.testing.assert_array_equal(flavour.dataset(images.iloc[1]).pixel_array, GREY)
