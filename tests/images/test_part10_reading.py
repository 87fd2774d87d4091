"""Instances read in place: against pydicom's own reading, and with hostile bytes."""

from __future__ import annotations

import struct
import tracemalloc
import zlib

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicomnb.errors import DecodeError, LimitExceeded, NoDicom
from dicomnb.images.decode import decode
from dicomnb.images.part10 import read_instance
from dicomnb.limits import Limits
from dicomnb.wire.parts import BytesPart
from tests.images import real_files
from tests.images.image_series import compressed, file_part, instance, part, part10, phantom

CUT = {
    "MR_truncated.dcm",
    "rtplan_truncated.dcm",
    "emri_small_jpeg_2k_lossless_too_short.dcm",
}


class Trickle(BytesPart):
    """Gives a few bytes at a time and no length, as a connection may."""

    def __init__(self, data, piece=5000):
        super().__init__(data, media_type="application/dicom")
        self.length = None
        self._piece = piece

    def readinto(self, buffer, /):
        return super().readinto(memoryview(buffer).cast("B")[: self._piece])


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "name", [name for name in real_files.paths() if name.split("/")[-1] not in CUT]
)
def test_header_and_pixels_as_pydicom_reads_them(name):
    data = real_files.paths()[name].read_bytes()
    expected = pydicom.dcmread(real_files.paths()[name])
    found = read_instance(part(data))
    keyword = found.keyword
    assert found.transfer_syntax == expected.file_meta.get(
        "TransferSyntaxUID", found.transfer_syntax
    )
    assert keyword == next((k for k in ("FloatPixelData", "PixelData") if k in expected), None)
    whole = found.whole()
    if keyword:
        value, read = expected[keyword].value, bytes(whole[keyword].value)
        assert read.startswith(value)
        assert whole[keyword].VR == expected[keyword].VR
        tag = expected[keyword].tag
        del whole[keyword]
        assert whole == pydicom.Dataset({e.tag: e for e in expected if e.tag < tag})
    else:
        assert whole == pydicom.Dataset({e.tag: e for e in expected})


def test_pixels_straight_into_place():
    stored = phantom(1)[0]
    found = read_instance(part(instance(stored)))
    assert found.pixels.is_plain
    assert found.length == stored.nbytes
    out = np.zeros_like(stored)
    found.pixels_into(out)
    np.testing.assert_array_equal(out, stored)


@given(piece=st.integers(1, 40_000), size=st.integers(1, 200))
@settings(deadline=None, max_examples=40)
def test_however_the_bytes_come(piece, size):
    stored = phantom(1, size, 30)[0]
    ds = instance(stored, ImageComments="x" * 9000)
    item = Dataset()
    item.CodeMeaning = "nested"
    item.PurposeOfReferenceCodeSequence = Sequence([Dataset()])
    ds.ReferencedImageSequence = Sequence([item] * 20)
    ds["ReferencedImageSequence"].is_undefined_length = True
    found = read_instance(Trickle(part10(ds), piece))
    assert len(found.dataset.ReferencedImageSequence) == 20
    out = np.zeros_like(stored)
    found.pixels_into(out)
    np.testing.assert_array_equal(out, stored)


def test_real_files_that_are_cut():
    for name in ("MR_truncated.dcm", "rtplan_truncated.dcm"):
        with pytest.raises(DecodeError, match="cut"):
            read_instance(part(real_files.path(name).read_bytes())).whole()
    # Only the closing delimiter is missing here: every frame is whole.
    short = real_files.path("emri_small_jpeg_2k_lossless_too_short.dcm").read_bytes()
    whole = decode(real_files.read("emri_small.dcm"))
    np.testing.assert_array_equal(decode(read_instance(part(short)).whole()), whole)


def test_what_follows_the_pixels_is_left():
    ds = instance(phantom(1)[0])
    ds.DataSetTrailingPadding = b"\0" * 5000
    found = read_instance(part(ds))
    assert decode(found.whole()).shape == (1, 20, 24)
    assert "DataSetTrailingPadding" not in found.dataset


def test_compressed_instance():
    found = read_instance(part(real_files.path("emri_small_RLE.dcm").read_bytes()))
    assert found.length is None
    assert len(found.codestreams()) == 10


def test_a_data_set_without_meta():
    data = part10(instance(phantom(1)[0]))
    bare = data[data.index(b"\x08\x00\x16\x00UI") :]
    found = read_instance(file_part(bare))
    assert found.transfer_syntax == "1.2.840.10008.1.2.1"
    given_syntax = BytesPart(
        bare, media_type="application/dicom", transfer_syntax="1.2.840.10008.1.2.1"
    )
    assert read_instance(given_syntax).pixels.shape == (1, 20, 24)
    implicit = real_files.path("MR_small_implicit.dcm").read_bytes()
    bare = implicit[implicit.index(b"\x08\x00\x08\x00") :]
    assert read_instance(part(bare)).transfer_syntax == "1.2.840.10008.1.2"


def test_every_cut_is_noticed():
    """Wherever the bytes end, there is an error before or while the pixels are read."""
    data = part10(instance(phantom(1)[0]))
    for length in range(0, len(data) - 1, 37):
        with pytest.raises((DecodeError, NoDicom)):
            _read_all(BytesPart(data[:length], media_type="application/dicom"))
        with pytest.raises((DecodeError, NoDicom)):
            _read_all(Trickle(data[:length]))


def _read_all(one):
    found = read_instance(one)
    found.pixels_into(np.empty(found.pixels.frame_shape, found.pixels.dtype))


@pytest.mark.parametrize(
    "data", [b"", b"<html>not found</html>" * 20, b"\0" * 400, b"\0" * 128 + b"DICX"]
)
def test_not_dicom(data):
    with pytest.raises(NoDicom, match="not DICOM"):
        read_instance(part(data))


def test_meta_alone():
    data = part10(instance(phantom(1)[0]))
    with pytest.raises(NoDicom, match="without a data set"):
        read_instance(part(data[: data.index(b"\x08\x00\x16\x00UI")]))


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0xFFFFFFFE, 0x7FFFFFFF, 3])
def test_a_false_pixel_length_takes_no_memory(length):
    data = part10(instance(phantom(1)[0]))
    place = data.index(b"\xe0\x7f\x10\x00OW") + 8
    data = data[:place] + struct.pack("<I", length) + data[place + 4 :]
    tracemalloc.start()
    with pytest.raises(DecodeError):
        _ = read_instance(part(data)).pixels or read_instance(part(data)).whole()
    if length != 3:
        with pytest.raises(DecodeError):
            decode(read_instance(Trickle(data)).whole())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 << 20


@pytest.mark.parametrize("length", [0xFFFFFFF0, 0x00FFFFFF])
def test_a_false_length_in_the_header_takes_no_memory(length):
    ds = instance(phantom(1)[0])
    ds.add_new(0x00204000, "UT", "words")
    data = part10(ds)
    place = data.index(b"\x20\x00\x00\x40UT") + 8
    data = data[:place] + struct.pack("<I", length) + data[place + 4 :]
    tracemalloc.start()
    with pytest.raises(DecodeError, match="is cut"):
        read_instance(part(data))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_rows_that_no_memory_holds():
    found = read_instance(part(instance(phantom(1)[0], Rows=65535, Columns=65535)))
    with pytest.raises(DecodeError, match="960 bytes of 960, where 65535"):
        _ = found.pixels


def test_deep_nesting():
    nest = b""
    head = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<II", 0xE000FFFE, 0xFFFFFFFF
    )
    data = part10(instance(phantom(1)[0]))
    nest = head * 5000
    with pytest.raises(DecodeError):
        read_instance(part(data[: data.index(b"\x08\x00\x60\x00CS")] + nest))


def deflated(payload):
    ds = instance(np.zeros((2, 2), np.uint16), syntax="1.2.840.10008.1.2.1.99")
    data = part10(ds)
    meta = 132 + 12 + struct.unpack("<I", data[140:144])[0]
    squeeze = zlib.compressobj(wbits=-15)
    return data[:meta] + squeeze.compress(payload) + squeeze.flush()


def test_deflated():
    plain = part10(instance(phantom(1)[0]))
    data = deflated(plain[plain.index(b"\x08\x00\x16\x00UI") :])
    for one in (part(data), Trickle(data, 100)):
        found = read_instance(one)
        out = np.zeros((20, 24), np.uint16)
        found.pixels_into(out)
        np.testing.assert_array_equal(out, phantom(1)[0])
    with pytest.raises(DecodeError, match=r"cut|damaged"):
        _read_all(part(data[:-200]))
    with pytest.raises(DecodeError, match="damaged"):
        read_instance(part(data[:400] + b"\xff" * 50))


def test_a_deflate_bomb_is_not_blown_up():
    bomb = struct.pack("<HH2sHI", 0x0008, 0x0016, b"UT", 0, 0xFFFFFFF0) + b"0" * (64 << 20)
    data = deflated(bomb)
    assert len(data) < 1 << 20
    with pytest.raises(LimitExceeded, match="part_bytes"):
        read_instance(part(data), limits=Limits(part_bytes=8 << 20))
    pixels = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, 0xFFFFFFFF) + b"0" * (64 << 20)
    rows = part10(instance(np.zeros((2, 2), np.uint16)))
    rows = rows[rows.index(b"\x08\x00\x16\x00UI") : rows.index(b"\xe0\x7f\x10\x00")]
    with pytest.raises(DecodeError, match="encapsulated"):
        read_instance(part(deflated(rows + pixels))).whole()


def test_limit_of_a_part():
    ds = compressed(instance(phantom(1)[0]), [b"\xff" * 60_000], "1.2.840.10008.1.2.4.80")
    for one in (part(ds), Trickle(part10(ds))):
        with pytest.raises(LimitExceeded, match="part_bytes"):
            read_instance(one, limits=Limits(part_bytes=50_000)).codestreams()


def test_no_pixels():
    ds = instance(phantom(1)[0])
    del ds.PixelData
    found = read_instance(part(ds))
    assert found.keyword is None
    with pytest.raises(DecodeError, match="no pixel data"):
        _ = found.pixels
    assert "PixelData" not in found.whole()
