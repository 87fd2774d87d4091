"""Frames whose bytes are not what is said of them, and frames that are fetched by themselves."""

from __future__ import annotations

import os
import warnings
from types import SimpleNamespace

import imagecodecs
import numpy as np
import pydicom
import pytest

import dicomnb as dn
from dicomnb.errors import DecodeError, DicomnbWarning
from dicomnb.images.decode import decode, decode_frame
from dicomnb.images.pixels import PixelFormat
from dicomnb.images.recognition import encoding_of
from dicomnb.wire.parts import BytesPart
from tests.images import real_files
from tests.images.image_series import compressed, instance, part10
from tests.images.test_decode_real_files import BROKEN

JPEG = "1.2.840.10008.1.2.4"
NATIVE = "1.2.840.10008.1.2.1"
GREY = (np.add.outer(np.arange(48), np.arange(40) * 3) % 251).astype(np.uint8)


def rle(array):
    ds = instance(array)
    ds.compress("1.2.840.10008.1.2.5", generate_instance_uid=False)
    return next(pydicom.encaps.generate_frames(ds.PixelData, number_of_frames=1))


ENCODED = {
    "JPEG Lossless": (f"{JPEG}.70", imagecodecs.jpeg8_encode(GREY, lossless=True, predictor=1)),
    "JPEG-LS": (f"{JPEG}.80", imagecodecs.jpegls_encode(GREY)),
    "JPEG 2000": (f"{JPEG}.90", imagecodecs.jpeg2k_encode(GREY, codecformat="J2K")),
    "HTJ2K": (f"{JPEG}.201", imagecodecs.htj2k_encode(GREY, reversible=True)),
    "RLE": ("1.2.840.10008.1.2.5", rle(GREY)),
}


@pytest.mark.parametrize("name", ENCODED)
@pytest.mark.parametrize(
    "said", [NATIVE, "1.2.840.10008.1.2.1.98", *(syntax for syntax, _ in ENCODED.values())]
)
def test_the_bytes_beat_the_transfer_syntax(name, said):
    syntax, data = ENCODED[name]
    assert encoding_of(data) == name
    ds = compressed(instance(GREY), [data], said)
    if said == syntax:
        np.testing.assert_array_equal(decode(ds)[0], GREY)
        return
    with pytest.warns(DicomnbWarning, match=f"{said}.*bytes are {name}"):
        np.testing.assert_array_equal(decode(ds)[0], GREY)


@pytest.mark.parametrize("syntax", [syntax for syntax, _ in ENCODED.values()])
def test_native_pixels_that_are_said_to_be_compressed(syntax):
    ds = instance(np.stack([GREY, 250 - GREY]))
    ds.file_meta.TransferSyntaxUID = syntax
    with pytest.warns(DicomnbWarning, match="not encapsulated"):
        np.testing.assert_array_equal(decode(ds, 2)[0], 250 - GREY)
    one = PixelFormat.of(instance(GREY), transfer_syntax=syntax)
    with pytest.warns(DicomnbWarning, match="not compressed"):
        np.testing.assert_array_equal(decode_frame(GREY.tobytes(), one), GREY)


def test_a_frame_decompressed_by_a_server_is_no_longer_subsampled():
    rgb = np.stack([GREY, GREY.T[:48, :40] if GREY.T.shape == GREY.shape else GREY, 255 - GREY], -1)
    ds = instance(
        GREY, SamplesPerPixel=3, PhotometricInterpretation="YBR_FULL_422", PlanarConfiguration=0
    )
    with pytest.warns(DicomnbWarning, match="YBR_FULL_422"):
        found = decode_frame(rgb.tobytes(), PixelFormat.of(ds))
    np.testing.assert_array_equal(found, rgb)


@pytest.mark.parametrize("name", ["JPEG Lossless", "JPEG-LS", "JPEG 2000", "HTJ2K"])
def test_more_bits_than_the_data_set_allots_are_refused(name):
    wide = GREY.astype(np.uint16) << 8
    data = {
        "JPEG Lossless": lambda: imagecodecs.jpeg8_encode(wide, lossless=True, bitspersample=16),
        "JPEG-LS": lambda: imagecodecs.jpegls_encode(wide),
        "JPEG 2000": lambda: imagecodecs.jpeg2k_encode(wide, codecformat="J2K"),
        "HTJ2K": lambda: imagecodecs.htj2k_encode(wide, reversible=True),
    }[name]()
    with pytest.raises(DecodeError, match=r"16 bits a sample.*allots 8"):
        decode(compressed(instance(GREY), [data], ENCODED[name][0]))


def test_what_has_no_signature():
    for data in (b"", b"\xff\xd8\xff", bytes(100), GREY.tobytes(), b"\x01\0\0\0\x40\0\0\0" * 8):
        assert encoding_of(data) is None


# What a folder does not take, or has no frames: see BROKEN in test_decode_real_files.
FETCHED = [name for name in real_files.with_pixels() if name not in BROKEN]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", FETCHED)
def test_frames_of_every_real_file(name, tmp_path):
    path = real_files.paths()[name]
    ds = pydicom.dcmread(path)
    uids = [str(ds.get(f"{level}InstanceUID", "")) for level in ("Study", "Series", "SOP")]
    if not all(uids):
        pytest.skip("it has no UID to ask for it by")
    (tmp_path / "a.dcm").write_bytes(path.read_bytes())
    numbers = [1, 3] if int(ds.get("NumberOfFrames") or 1) > 30 else None
    expected = decode(ds, numbers)
    found = dn.connect(tmp_path).frames(dn.Ref(*uids), numbers)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


class Lying:
    """A folder whose frames come with a transfer syntax of the test's choice."""

    def __init__(self, source, change):
        self._source, self._change = source, change

    def __getattr__(self, name):
        return getattr(self._source, name)

    def frames(self, ref, numbers, *, cancel=None):
        for part in self._source.frames(ref, numbers, cancel=cancel):
            facts = {"media_type": part.media_type, "transfer_syntax": part.transfer_syntax}
            facts.update(self._change)
            yield BytesPart(part.read(), **facts)


def lying_archive(folder, **change):
    source = Lying(dn.connect(folder).source, change)
    return dn.Archive(source, options=dn.Options(workers=2))


@pytest.mark.parametrize(
    ("change", "warned"),
    [
        ({"transfer_syntax": None}, False),
        ({"transfer_syntax": "*"}, False),
        ({"transfer_syntax": f"{JPEG}.90"}, True),
        ({"transfer_syntax": NATIVE, "media_type": "application/octet-stream"}, True),
        ({"transfer_syntax": None, "media_type": "application/octet-stream"}, True),
        ({"transfer_syntax": None, "media_type": "image/jp2"}, True),
    ],
)
def test_frames_believe_their_bytes_then_the_header(tmp_path, change, warned):
    frames = [GREY, 250 - GREY, GREY[::-1]]
    ds = compressed(
        instance(np.array(frames)), [imagecodecs.jpegls_encode(f) for f in frames], f"{JPEG}.80"
    )
    (tmp_path / "a.dcm").write_bytes(part10(ds))
    archive = lying_archive(tmp_path, **change)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = archive.frames(ds, [3, 1, 2])
    np.testing.assert_array_equal(found, np.array(frames)[[2, 0, 1]])
    assert any("bytes are JPEG-LS" in str(one.message) for one in caught) == warned


def test_an_odd_number_of_columns_may_be_subsampled_in_a_jpeg(tmp_path):
    rgb = np.repeat(np.repeat(np.arange(0, 240, 16, np.uint8)[:, None], 3, 1)[None], 20, 0)
    data = imagecodecs.jpeg8_encode(rgb, subsampling="422")
    ds = instance(
        GREY, Rows=20, Columns=15, SamplesPerPixel=3, PhotometricInterpretation="YBR_FULL_422",
        PlanarConfiguration=0,
    )  # fmt: skip
    (tmp_path / "a.dcm").write_bytes(part10(compressed(ds, [data], f"{JPEG}.50")))
    found = dn.connect(tmp_path).frames(ds)
    assert found.shape == (1, 20, 15, 3)
    assert np.abs(found[0].astype(int) - rgb).max() <= 4


def test_frames_are_decoded_side_by_side_in_bounded_memory(tmp_path, monkeypatch):
    """Frames are asked for a few at a time, never all before the first is decoded."""
    from dicomnb.transfer.landing import FrameArray

    frames = np.stack([np.roll(GREY, shift, 0) for shift in range(60)])
    ds = compressed(instance(frames), [imagecodecs.jpegls_encode(f) for f in frames], f"{JPEG}.80")
    (tmp_path / "a.dcm").write_bytes(part10(ds))
    arrived, ahead, lengths = [], [], SimpleNamespace(decoded=0)

    class Counting(Lying):
        def frames(self, ref, numbers, *, cancel=None):
            for part in super().frames(ref, numbers, cancel=cancel):
                arrived.append(part)
                yield part

    put = FrameArray.put

    def counted(*args):
        lengths.decoded += 1
        ahead.append(len(arrived) - lengths.decoded)
        return put(*args)

    monkeypatch.setattr(FrameArray, "put", counted)
    archive = dn.Archive(Counting(dn.connect(tmp_path).source, {}), options=dn.Options())
    np.testing.assert_array_equal(archive.frames(ds), frames)
    assert max(ahead) <= 2 * (os.cpu_count() or 1)
