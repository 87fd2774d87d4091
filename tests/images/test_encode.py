"""What images say about themselves, and instances built of them: real files and made ones."""

from __future__ import annotations

import io
import struct
import warnings

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.encaps import generate_frames, parse_basic_offsets
from pydicom.pixels.encoders import RLELosslessEncoder

import dicomnb as dn
from dicomnb.images.decode import decode
from dicomnb.images.encapsulated import frame_fragments, join
from dicomnb.images.encode import describe
from dicomnb.images.encode_part10 import dataset_of_json, part10
from dicomnb.images.encode_pixels import ENCODINGS, encode
from dicomnb.images.pixels import is_native
from tests.images import real_files

JPEG = "1.2.840.10008.1.2.4."
RNG = np.random.default_rng(5)
GREY = RNG.integers(0, 255, (24, 32), dtype=np.uint8)
WIDE = RNG.integers(0, 4095, (24, 32), dtype=np.uint16)
COLOUR = RNG.integers(0, 255, (24, 32, 3), dtype=np.uint8)

# Real files whose attributes and image contradict each other, and how.
CONTRADICTIONS = {
    "J2K_pixelrep_mismatch.dcm": "PixelRepresentation 1",
    "693_J2KR.dcm": "BitsStored 16",
}
UNREADABLE = {"JPEG2000-embedded-sequence-delimiter.dcm"}  # made to look like Part 2


def encapsulated() -> list[str]:
    """Names of real files with compressed pixels."""
    names = []
    for name in real_files.with_pixels():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = dcmread(real_files.paths()[name])
        syntax = dataset.file_meta.get("TransferSyntaxUID")
        if syntax and "PixelData" in dataset and not is_native(str(syntax)):
            names.append(name)
    return names


def jpeg(array, **options) -> bytes:
    buffer = io.BytesIO()
    picture = array if isinstance(array, Image.Image) else Image.fromarray(array)
    picture.save(buffer, "jpeg", **options)
    return buffer.getvalue()


def rle(array) -> bytes:
    facts = {
        "rows": array.shape[0],
        "columns": array.shape[1],
        "samples_per_pixel": 1,
        "photometric_interpretation": "MONOCHROME2",
        "bits_allocated": 8 * array.itemsize,
        "bits_stored": 8 * array.itemsize,
        "pixel_representation": 0,
        "number_of_frames": 1,
    }
    return bytes(RLELosslessEncoder.encode(array, encoding_plugin="pydicom", **facts))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", encapsulated())
def test_real_files_say_what_their_images_say(name):
    dataset = dcmread(real_files.paths()[name])
    count = int(dataset.get("NumberOfFrames") or 1)
    frames = [bytes(join(one)) for one in frame_fragments(dataset.PixelData, count)]
    if name in UNREADABLE:
        with pytest.raises(dn.DecodeError, match="Part 2"):
            describe(frames)
        return
    image = describe(frames, given=dataset)
    faults = image.contradictions(dataset)
    if name in CONTRADICTIONS:
        assert any(fault.startswith(CONTRADICTIONS[name]) for fault in faults)
        with pytest.raises(dn.DecodeError, match="does not fit"):
            image.attributes(dataset)
        return
    assert faults == []
    for keyword, value in image.attributes(dataset).items():
        if not keyword.startswith("Lossy"):
            assert dataset.get(keyword, value) == value, keyword
    # The same image in an instance built anew: the same bytes, the same pixels.
    syntax = image.syntax_for(dataset)
    assert syntax == dataset.file_meta.TransferSyntaxUID
    again = dcmread(io.BytesIO(part10(dataset, image.frames, transfer_syntax=syntax)))
    padded = [one + b"\0" * (len(one) % 2) for one in image.frames]
    assert list(generate_frames(again.PixelData, number_of_frames=count)) == padded
    np.testing.assert_array_equal(decode(again), decode(dataset))


@pytest.mark.parametrize(
    ("data", "syntax", "photometric", "method"),
    [
        (jpeg(GREY), "50", "MONOCHROME2", "ISO_10918_1"),
        (jpeg(COLOUR), "50", "YBR_FULL_422", "ISO_10918_1"),
        (jpeg(COLOUR, subsampling=0), "50", "YBR_FULL", "ISO_10918_1"),
        (
            imagecodecs.jpeg8_encode(COLOUR, colorspace="RGB", outcolorspace="RGB"),
            "50",
            "RGB",
            "ISO_10918_1",
        ),
        (imagecodecs.jpeg8_encode(WIDE, bitspersample=12), "51", "MONOCHROME2", "ISO_10918_1"),
        (imagecodecs.jpeg8_encode(GREY, lossless=True, predictor=1), "70", "MONOCHROME2", ""),
        (imagecodecs.jpeg8_encode(GREY, lossless=True, predictor=5), "57", "MONOCHROME2", ""),
        (imagecodecs.ljpeg_encode(WIDE, bitspersample=12), "57", "MONOCHROME2", ""),
        (imagecodecs.jpegls_encode(WIDE), "80", "MONOCHROME2", ""),
        (imagecodecs.jpegls_encode(COLOUR, level=3), "81", "RGB", "ISO_14495_1"),
        (
            imagecodecs.jpeg2k_encode(COLOUR, codecformat="J2K", reversible=True),
            "90",
            "YBR_RCT",
            "",
        ),
        (
            imagecodecs.jpeg2k_encode(COLOUR, level=30, codecformat="J2K", reversible=False),
            "91",
            "YBR_ICT",
            "ISO_15444_1",
        ),
        (
            imagecodecs.jpeg2k_encode(COLOUR, codecformat="J2K", reversible=True, mct=False),
            "90",
            "RGB",
            "",
        ),
        (imagecodecs.htj2k_encode(WIDE, reversible=True), "201", "MONOCHROME2", ""),
        (imagecodecs.htj2k_encode(GREY, reversible=False), "203", "MONOCHROME2", "ISO_15444_15"),
    ],
)
def test_each_kind_is_recognised_and_decodes_in_its_instance(data, syntax, photometric, method):
    image = describe(bytes(data))
    assert image.transfer_syntax == JPEG + syntax
    assert (image.photometric, image.lossy) == (photometric, method)
    assert image.frames == (bytes(data),)
    found = image.attributes()
    assert (found["Rows"], found["Columns"]) == (24, 32)
    assert ("LossyImageCompression" in found) == bool(method)
    dataset = instance(found)
    made = dcmread(io.BytesIO(part10(dataset, image.frames, transfer_syntax=image.transfer_syntax)))
    assert made["PixelData"].is_undefined_length
    assert parse_basic_offsets(made.PixelData) == [0]
    pixels = decode(made)[0]
    original = COLOUR if found["SamplesPerPixel"] == 3 else GREY if image.precision == 8 else WIDE
    if method:
        assert np.abs(pixels.astype(int) - original).mean() < original.max() / 4
    else:
        np.testing.assert_array_equal(pixels, original)
    if found["SamplesPerPixel"] == 1:
        difference = np.abs(made.pixel_array.astype(int) - pixels)
        assert difference.max() <= (2 if method else 0)  # decoders of lossy JPEG may differ


def instance(attributes, **more) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3.4"
    dataset.PatientName = "Müller"
    dataset.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in {**attributes, **more}.items():
        setattr(dataset, keyword, value)
    return dataset


def test_a_jp2_file_is_stripped_to_its_codestream():
    boxed = bytes(imagecodecs.jpeg2k_encode(COLOUR, codecformat="JP2", reversible=True))
    image = describe(boxed)
    assert image.stripped
    assert image.frames[0][:4] == b"\xff\x4f\xff\x51"
    assert image.frames[0] in boxed
    assert image.transfer_syntax == f"{JPEG}90"
    made = part10(instance(image.attributes()), image.frames, transfer_syntax=f"{JPEG}90")
    np.testing.assert_array_equal(dcmread(io.BytesIO(made)).pixel_array, COLOUR)


def test_rle_needs_its_size_and_it_must_be_true():
    for array, bits in ((GREY, 8), (WIDE, 16)):
        data = rle(array)
        with pytest.raises(dn.DecodeError, match="give Rows and Columns"):
            describe(data)
        given = Dataset()
        given.Rows, given.Columns = 24, 32
        image = describe(data, given=given)
        assert image.attributes(given)["BitsAllocated"] == bits
        dataset = instance(image.attributes(given))
        made = part10(dataset, image.frames, transfer_syntax=image.transfer_syntax)
        np.testing.assert_array_equal(dcmread(io.BytesIO(made)).pixel_array, array)
        given.Columns = 33
        with pytest.raises(dn.DecodeError, match="24 × 33"):
            describe(data, given=given)


def test_several_frames_have_an_offset_for_each():
    frames = [jpeg(GREY), jpeg(GREY[::-1]), jpeg(GREY[:, ::-1])]
    image = describe(frames)
    assert image.attributes()["NumberOfFrames"] == 3
    made = part10(instance(image.attributes()), image.frames, transfer_syntax=f"{JPEG}50")
    dataset = dcmread(io.BytesIO(made))
    assert len(parse_basic_offsets(dataset.PixelData)) == 3
    assert dataset.pixel_array.shape == (3, 24, 32)
    with pytest.raises(dn.DecodeError, match="Frame 2 is of another"):
        describe([jpeg(GREY), jpeg(GREY[:12])])
    with pytest.raises(dn.DecodeError, match="at least one"):
        describe([])


def test_what_the_image_cannot_say_is_taken_from_the_metadata():
    given = Dataset()
    given.PhotometricInterpretation, given.PixelRepresentation = "MONOCHROME1", 1
    given.BitsStored, given.BitsAllocated = 12, 16
    image = describe(bytes(imagecodecs.jpegls_encode(WIDE)))
    found = image.attributes(given)
    assert found["PhotometricInterpretation"] == "MONOCHROME1"
    assert (found["PixelRepresentation"], found["BitsStored"], found["HighBit"]) == (1, 12, 11)
    given.Rows, given.SamplesPerPixel = 23, 3
    with pytest.raises(dn.DecodeError, match=r"Rows 23.*SamplesPerPixel 3"):
        image.attributes(given)
    lossy = describe(jpeg(GREY))
    assert float(lossy.attributes()["LossyImageCompressionRatio"]) == lossy.lossy_ratio > 0.5
    history = Dataset()
    history.LossyImageCompression, history.LossyImageCompressionMethod = "01", "ISO_15444_1"
    assert "LossyImageCompressionMethod" not in lossy.attributes(history)


def cut_in_the_header(data: bytes) -> bytes:
    return data[:14] + b"\xff\xd9"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (jpeg(COLOUR, progressive=True), "progressive"),
        (jpeg(Image.fromarray(COLOUR).convert("CMYK")), "4 components"),
        (jpeg(COLOUR)[:-40], "is cut"),
        (cut_in_the_header(jpeg(COLOUR)), "within its own header|is cut"),
        (b"", "nothing"),
        (b"GIF89a" + bytes(100), "neither JPEG"),
        (
            bytes(imagecodecs.jpeg2k_encode(np.dstack([COLOUR, GREY]), codecformat="JP2")),
            "transparency|4 components",
        ),
        (bytes(imagecodecs.jpeg2k_encode(GREY, codecformat="JP2"))[:-60], "cut"),
        (struct.pack("<16I", 5, 64, 66, 68, 70, 72, *[0] * 10) + bytes(20), "5 segments"),
    ],
)
def test_what_dicom_has_no_place_for_is_refused(data, words):
    with pytest.raises(dn.DecodeError, match=words):
        describe(data)


def test_metadata_in_dicom_json():
    found = dataset_of_json(
        {
            "00020010": {"vr": "UI", "Value": [f"{JPEG}50"]},
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller"}]},
            "00280010": {"vr": "US", "Value": [24]},
            "00400275": {"vr": "SQ", "Value": [{"00400007": {"vr": "LO", "Value": ["x"]}}]},
            "7FE00010": {"vr": "OB", "BulkDataURI": "jpeg-image"},
        }
    )
    assert found.file_meta.TransferSyntaxUID == f"{JPEG}50"
    assert (str(found.PatientName), found.Rows) == ("Müller", 24)
    assert "PixelData" not in found
    assert found.RequestAttributesSequence[0].ScheduledProcedureStepDescription == "x"


@pytest.mark.parametrize(
    "metadata",
    [
        {"0010": {"vr": "LO", "Value": ["x"]}, "zzz": {}},
        {"00100020": {"Value": ["x"]}},
        {"00100020": 5},
        {"00280010": {"vr": "US", "Value": "x"}},
        {"00420011": {"vr": "OB", "BulkDataURI": "elsewhere"}},
        {"00400275": {"vr": "SQ", "Value": [{"00420011": {"vr": "OB", "BulkDataURI": "x"}}]}},
    ],
)
def test_metadata_that_is_none_is_named(metadata):
    with pytest.raises(dn.NoDicom, match="of the metadata"):
        dataset_of_json(metadata)


def test_an_instance_needs_its_uids_and_values_that_can_be_written():
    frames = [jpeg(GREY)]
    attributes = describe(frames).attributes()
    without = instance(attributes)
    del without.SOPInstanceUID
    with pytest.raises(dn.NoDicom, match="no SOPInstanceUID"):
        part10(without, frames, transfer_syntax=f"{JPEG}50")
    wrong = instance(attributes)
    with pytest.warns(UserWarning, match="US must be"):
        wrong.Rows = 70000
    with pytest.raises(dn.NoDicom, match="cannot be written"):
        part10(wrong, frames, transfer_syntax=f"{JPEG}50")


def test_native_pixels_and_the_data_set_that_was_given_is_left_alone():
    attributes = {
        "Rows": 24,
        "Columns": 32,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
    }
    dataset, before = instance(attributes), instance(attributes)
    for syntax in ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2"):
        made = dcmread(io.BytesIO(part10(dataset, [WIDE.tobytes()], transfer_syntax=syntax)))
        assert made.file_meta.TransferSyntaxUID == syntax
        np.testing.assert_array_equal(made.pixel_array, WIDE)
    assert dataset == before
    assert not hasattr(dataset, "file_meta")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 9), (3, 1), (1, 1, 3), (7, 5, 3), (2, 3, 4), (300, 7)]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_arrays_of_odd_shapes_come_back(encoding, shape, dtype):
    array = RNG.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape).astype(dtype)
    array[..., 0] = 7  # a run
    coded = encode(array, encoding=encoding)
    made = part10(instance(coded.attributes()), coded.frames, transfer_syntax=coded.transfer_syntax)
    found = decode(dcmread(io.BytesIO(made)))
    np.testing.assert_array_equal(found.reshape(array.shape), array)
    assert found.dtype == dtype
    if encoding == "rle":
        np.testing.assert_array_equal(dcmread(io.BytesIO(made)).pixel_array, array)


def test_noise_and_runs_as_rle_are_what_pydicom_decodes():
    for array in (
        np.zeros((5, 400), np.uint16),
        RNG.integers(0, 65535, (60, 300)).astype(np.uint16),
    ):
        coded = encode(array)
        made = part10(
            instance(coded.attributes()), coded.frames, transfer_syntax=coded.transfer_syntax
        )
        np.testing.assert_array_equal(dcmread(io.BytesIO(made)).pixel_array, array)
