"""Decoding of made images: every codec and shape of pixel that no real file here has."""

from __future__ import annotations

import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.pixels import get_decoder
from pydicom.uid import UID

from dicomnb.errors import DecodeError, DicomnbWarning, LimitExceeded
from dicomnb.images import codecs
from dicomnb.images.codestream import Codestream
from dicomnb.images.decode import allocate, decode, decode_frame, frame_numbers
from dicomnb.images.encapsulated import frame_fragments
from dicomnb.images.pixels import PixelFormat
from dicomnb.limits import Limits
from tests.images.image_series import compressed, instance

JPEG = "1.2.840.10008.1.2.4"
RNG = np.random.default_rng(3)


def smooth(rows=48, columns=40, top=4000, dtype=np.uint16):
    y, x = np.mgrid[:rows, :columns]
    wave = (np.sin(x / 5) + np.cos(y / 7) + 2) / 4 * top + RNG.normal(0, top / 200, x.shape)
    return wave.clip(0, top).astype(dtype)


def colour(array, **more):
    facts = {
        "SamplesPerPixel": 3,
        "PhotometricInterpretation": "RGB",
        "PlanarConfiguration": 0,
        "Rows": 48,
        "Columns": 40,
        "NumberOfFrames": None,
    }
    return instance(array, **{**facts, **more})


def jls(array, **options):
    return imagecodecs.jpegls_encode(array, **options)


ENCODERS = {
    f"{JPEG}.57": lambda a: imagecodecs.jpeg8_encode(
        a, lossless=True, predictor=6, bitspersample=8 * a.itemsize
    ),
    f"{JPEG}.70": lambda a: imagecodecs.jpeg8_encode(
        a, lossless=True, predictor=1, bitspersample=8 * a.itemsize
    ),
    f"{JPEG}.80": jls,
    f"{JPEG}.81": lambda a: jls(a, level=2),
    f"{JPEG}.90": lambda a: imagecodecs.jpeg2k_encode(a, codecformat="J2K", reversible=True),
    f"{JPEG}.91": lambda a: imagecodecs.jpeg2k_encode(
        a, level=40, codecformat="J2K", reversible=False
    ),
    f"{JPEG}.201": lambda a: imagecodecs.htj2k_encode(a, reversible=True),
    f"{JPEG}.202": lambda a: imagecodecs.htj2k_encode(a, reversible=True),
    f"{JPEG}.203": lambda a: imagecodecs.htj2k_encode(a, reversible=False),
}
LOSSLESS = {f"{JPEG}.{tail}" for tail in ("57", "70", "80", "90", "201", "202")}


@pytest.mark.parametrize("syntax", ENCODERS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_codecs_equal_pydicom(syntax, dtype):
    frames = [smooth(top=np.iinfo(dtype).max // 2, dtype=dtype) for _ in range(5)]
    ds = compressed(instance(np.array(frames)), [ENCODERS[syntax](f) for f in frames], syntax)
    found = decode(ds, workers=3)
    expected, _ = get_decoder(syntax).as_array(ds)
    np.testing.assert_array_equal(found, expected)
    if syntax in LOSSLESS:
        np.testing.assert_array_equal(found, frames)


@pytest.mark.parametrize("syntax", [f"{JPEG}.{tail}" for tail in ("80", "90", "201", "203", "70")])
def test_colour_codecs_equal_pydicom(syntax):
    rgb = np.stack([smooth(top=255, dtype=np.uint8) for _ in range(3)], axis=-1)
    photometric = "YBR_RCT" if syntax.endswith("90") else "RGB"
    ds = compressed(
        colour(rgb, PhotometricInterpretation=photometric), [ENCODERS[syntax](rgb)], syntax
    )
    expected, _ = get_decoder(syntax).as_array(ds)
    np.testing.assert_array_equal(decode(ds)[0], expected)


@pytest.mark.parametrize("subsampling", ["444", "422", "420"])
def test_colour_jpeg_equals_pydicom_with_pillow(subsampling):
    rgb = np.stack([smooth(top=255, dtype=np.uint8) for _ in range(3)], axis=-1)
    data = imagecodecs.jpeg8_encode(rgb, level=85, subsampling=subsampling)
    ds = compressed(colour(rgb, PhotometricInterpretation="YBR_FULL_422"), [data], f"{JPEG}.50")
    expected, _ = get_decoder(f"{JPEG}.50").as_array(ds, decoding_plugin="pillow")
    np.testing.assert_array_equal(decode(ds)[0], expected)


def test_grey_jpeg_equals_pydicom_with_pillow():
    grey = smooth(top=255, dtype=np.uint8)
    ds = compressed(instance(grey), [imagecodecs.jpeg8_encode(grey, level=80)], f"{JPEG}.50")
    expected, _ = get_decoder(f"{JPEG}.50").as_array(ds, decoding_plugin="pillow")
    np.testing.assert_array_equal(decode(ds)[0], expected)


@pytest.mark.parametrize(
    ("tail", "bits"), [("80", 16), ("70", 12), ("70", 16), ("90", 12), ("90", 16)]
)
def test_signed_values_in_unsigned_codestreams(tail, bits):
    """JPEG-LS and JPEG cannot say that samples are signed; the data set does."""
    stored = (smooth(top=(1 << bits) - 1).astype(np.int32) - (1 << bits - 1)).astype(np.int16)
    unsigned = (stored.astype(np.int32) & ((1 << bits) - 1)).astype(np.uint16)
    encode = {
        "80": lambda: imagecodecs.jpegls_encode(unsigned),
        "70": lambda: imagecodecs.jpeg8_encode(
            unsigned, lossless=True, predictor=1, bitspersample=bits
        ),
        "90": lambda: imagecodecs.jpeg2k_encode(
            unsigned, codecformat="J2K", bitspersample=bits, reversible=True
        ),
    }[tail]
    data = encode()
    assert Codestream.read(data).precision == bits
    ds = compressed(instance(stored, BitsStored=bits, HighBit=bits - 1), [data], f"{JPEG}.{tail}")
    np.testing.assert_array_equal(decode(ds)[0], stored)


def test_deflated_and_uncompressed_frames():
    frames = RNG.integers(0, 60000, (3, 7, 9)).astype("<u2")
    deflate = [zlib.compressobj(wbits=-15) for _ in frames]
    streams = [z.compress(f.tobytes()) + z.flush() for z, f in zip(deflate, frames, strict=True)]
    ds = compressed(
        instance(frames), [s + b"\0" * (len(s) % 2) for s in streams], "1.2.840.10008.1.2.8.1"
    )
    np.testing.assert_array_equal(decode(ds), frames)
    ds = compressed(instance(frames), [f.tobytes() for f in frames], "1.2.840.10008.1.2.1.98")
    np.testing.assert_array_equal(decode(ds), frames)


@pytest.mark.parametrize("keyword", ["FloatPixelData", "DoubleFloatPixelData"])
def test_float_pixels(keyword):
    kind = np.dtype("<f4" if keyword == "FloatPixelData" else "<f8")
    values = RNG.normal(0, 1e5, (2, 5, 6)).astype(kind)
    ds = instance(np.zeros((2, 5, 6), np.uint16))
    del ds.PixelData, ds.BitsStored, ds.HighBit, ds.PixelRepresentation
    ds.BitsAllocated = 8 * kind.itemsize
    setattr(ds, keyword, values.tobytes())
    found = decode(ds)
    assert found.dtype == kind.newbyteorder("=")
    np.testing.assert_array_equal(found, values)


@given(
    stored=st.integers(1, 16),
    high=st.integers(0, 15),
    signed=st.booleans(),
    words=st.lists(st.integers(0, 0xFFFF), min_size=6, max_size=6),
)
@settings(deadline=None, max_examples=200)
def test_unused_bits_count_for_nothing(stored, high, signed, words):
    """Whatever stands outside BitsStored, the value is that of the bits inside."""
    ds = instance(
        np.array(words, np.uint16).reshape(2, 3),
        BitsStored=stored,
        HighBit=high,
        PixelRepresentation=int(signed),
    )
    place = high if high >= stored - 1 else stored - 1  # an impossible HighBit is not believed
    expected = []
    for word in words:
        value = word >> (place + 1 - stored) & ((1 << stored) - 1)
        expected.append(value - (1 << stored) if signed and value >> (stored - 1) else value)
    assert decode(ds).ravel().tolist() == expected


def test_planar_configuration_and_ybr():
    rgb = RNG.integers(0, 256, (4, 6, 3)).astype(np.uint8)
    planar = colour(np.moveaxis(rgb, -1, 0).copy(), Rows=4, Columns=6, PlanarConfiguration=1)
    np.testing.assert_array_equal(decode(planar)[0], rgb)
    ybr = colour(rgb, Rows=4, Columns=6, PhotometricInterpretation="YBR_FULL")
    expected, _ = get_decoder(ybr.file_meta.TransferSyntaxUID).as_array(ybr)
    np.testing.assert_array_equal(decode(ybr)[0], expected)


def test_an_offset_table_of_each_kind_and_of_none():
    frames = [imagecodecs.jpegls_encode(smooth(8, 8)) for _ in range(10)]
    frames = [f + b"\0" * (len(f) % 2) for f in frames]
    with_table, without = encapsulate(frames), encapsulate(frames, has_bot=False)
    pieces = encapsulate(frames, fragments_per_frame=3, has_bot=False)
    data, offsets, lengths = encapsulate_extended(frames)
    for value in (with_table, without, pieces, encapsulate(frames, fragments_per_frame=2)):
        found = frame_fragments(value, 10)
        assert [b"".join(f).rstrip(b"\0") for f in found] == [f.rstrip(b"\0") for f in frames]
    found = frame_fragments(data, 10, extended=(offsets, lengths))
    assert [bytes(f[0]) for f in found] == frames
    false = struct.pack("<10Q", *range(0, 1000, 100))
    found = frame_fragments(data, 10, extended=(false, lengths))  # a false table is passed over
    assert [bytes(f[0]) for f in found] == frames
    assert len(frame_fragments(pieces, 1)[0]) == 30
    broken = bytearray(with_table)
    broken[8:12] = struct.pack("<I", 6)
    assert [bytes(f[0]) for f in frame_fragments(bytes(broken), 10)] == frames


def test_extended_table_in_a_data_set():
    planes = np.array([smooth(8, 8) for _ in range(4)])
    data, offsets, lengths = encapsulate_extended(
        [jls(p) + b"\0" * (len(jls(p)) % 2) for p in planes]
    )
    ds = compressed(instance(planes), [b"--"], f"{JPEG}.80")
    ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = data, offsets, lengths
    np.testing.assert_array_equal(decode(ds, [4, 2]), planes[[3, 1]])
    assert decode(ds, []).shape == (0, 8, 8)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no fragment"),
        (struct.pack("<II", 0xE000FFFE, 0), "no fragment"),
        (struct.pack("<IIII", 0xE000FFFE, 0, 0xE000FFFE, 0xFFFFFFFF) + b"ab", "is cut"),
        (struct.pack("<IIII", 0xE000FFFE, 0, 0xE000FFFE, 100) + b"ab", "is cut"),
        (struct.pack("<II", 0xE000FFFE, 0) + b"rubbish..", "begins no item"),
    ],
)
def test_damaged_encapsulation(data, words):
    with pytest.raises(DecodeError, match=words):
        frame_fragments(data, 1)


def test_more_frames_promised_than_there_are():
    ds = compressed(instance(np.zeros((3, 8, 8), np.uint16)), [jls(smooth(8, 8))], f"{JPEG}.80")
    with pytest.raises(DecodeError, match=r"NumberOfFrames is 3.*1 fragments"):
        decode(ds)
    ds = instance(np.zeros((3, 8, 8), np.uint16), NumberOfFrames=4)
    with pytest.raises(DecodeError, match="enough for 3 of 4 frames"):
        decode(ds)
    ds.NumberOfFrames = 2
    with pytest.warns(DicomnbWarning, match="holds bytes for 3 frames"):
        assert len(decode(ds)) == 2


@pytest.mark.parametrize(
    "syntax", [f"{JPEG}.50", f"{JPEG}.80", f"{JPEG}.90", f"{JPEG}.70", "1.2.840.10008.1.2.5"]
)
@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\xff\xd8\xff\xc0\x00\x11\x08", b"<html>" * 20]
)
def test_damaged_codestreams(syntax, data):
    with pytest.raises(DecodeError):
        decode_frame(data, PixelFormat.of(instance(smooth(8, 8)), transfer_syntax=syntax))


@pytest.mark.parametrize("syntax", [*ENCODERS, f"{JPEG}.50", "1.2.840.10008.1.2.5"])
def test_a_cut_codestream_is_never_filled_up(syntax):
    """Decoders of JPEG draw grey where bytes are missing, and say nothing."""
    grey = smooth(top=255, dtype=np.uint8)
    encode = {f"{JPEG}.50": imagecodecs.jpeg8_encode, "1.2.840.10008.1.2.5": rle}
    data = {**ENCODERS, **encode}[syntax](grey)
    pixels = PixelFormat.of(instance(grey), transfer_syntax=syntax)
    padding = b"\0" * (100 if syntax.startswith(JPEG) else len(data) % 2)
    assert decode_frame(data + padding, pixels).shape == grey.shape
    for length in (len(data) // 3, len(data) * 2 // 3, len(data) - 3):
        with pytest.raises(DecodeError):
            decode_frame(data[:length], pixels)


def rle(array):
    """One segment, as pydicom encodes it."""
    from pydicom.pixels.encoders.native import _encode_segment

    segment = _encode_segment(array.tobytes(), columns=array.shape[1])
    return struct.pack("<16I", 1, 64, *[0] * 14) + bytes(segment)


def test_damage_that_both_decoders_see_is_told_with_both_reasons():
    data = bytearray(imagecodecs.jpeg2k_encode(smooth(), codecformat="J2K"))
    data[len(data) // 4 : -2] = b""
    pixels = PixelFormat.of(instance(smooth()), transfer_syntax=f"{JPEG}.90")
    with pytest.raises(DecodeError, match=r"imagecodecs: .* pydicom: "):
        decode_frame(bytes(data), pixels)


def test_another_size_than_promised():
    pixels = PixelFormat.of(instance(smooth(9, 8)), transfer_syntax=f"{JPEG}.80")
    with pytest.raises(DecodeError, match="8 × 8 with 1 samples, but the data set says 9 × 8"):
        decode_frame(jls(smooth(8, 8)), pixels)
    huge = PixelFormat.of(
        instance(smooth(8, 8), Rows=65535, Columns=65535), transfer_syntax="1.2.840.10008.1.2.5"
    )
    with pytest.raises(DecodeError, match="cannot hold a frame"):
        decode_frame(b"\0" * 100, huge)


def test_a_missing_codec_says_what_to_install(monkeypatch):
    def missing(data, pixels):
        raise ImportError("No module named imagecodecs")

    codec = codecs.Codec("JPEG-LS Lossless", missing)
    monkeypatch.setitem(codecs.CODECS, f"{JPEG}.80", codec)
    stored = smooth(8, 8)
    pixels = PixelFormat.of(instance(stored), transfer_syntax=f"{JPEG}.80")
    monkeypatch.setattr(codecs, "keeps_unused_bits", lambda pixels: True)
    np.testing.assert_array_equal(decode_frame(jls(stored), pixels), stored)  # pydicom stood in
    monkeypatch.setattr("pydicom.pixels.decoders.base.get_decoder", _no_decoder)
    with pytest.raises(DecodeError, match='pip install "imagecodecs'):
        decode_frame(jls(stored), pixels)


def _no_decoder(uid):
    raise NotImplementedError("no plugin")


def test_unknown_syntax():
    pixels = PixelFormat.of(instance(smooth(8, 8)), transfer_syntax=f"{JPEG}.102")
    with pytest.raises(DecodeError, match="unknown here"):
        decode_frame(b"", pixels)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"Rows": None}, "no Rows"),
        ({"Rows": 0}, "0 rows"),
        ({"BitsAllocated": 12}, "BitsAllocated 12"),
        ({"BitsStored": 20}, "BitsStored 20 of 16"),
        ({"SamplesPerPixel": 3}, "SamplesPerPixel 3 with 'MONOCHROME2'"),
        ({"PhotometricInterpretation": "RGB"}, "SamplesPerPixel 1"),
        ({"PhotometricInterpretation": None}, "no PhotometricInterpretation"),
        ({"Rows": 65535, "Columns": 65535, "NumberOfFrames": 2**31 - 1}, "beyond memory"),
    ],
)
def test_impossible_attributes(facts, words):
    with pytest.raises(DecodeError, match=words):
        PixelFormat.of(instance(smooth(8, 8), **facts))


def test_format_facts():
    pixels = PixelFormat.of(instance(np.zeros((5, 8, 9), np.int16)))
    assert (pixels.dtype, pixels.shape, pixels.frame_bytes) == (np.dtype("i2"), (5, 8, 9), 144)
    assert pixels.is_plain
    bits = PixelFormat.of(
        instance(np.zeros((8, 9), np.uint8), BitsAllocated=1, BitsStored=1, HighBit=0)
    )
    assert (bits.dtype, bits.frame_bits, bits.frame_bytes, bits.is_plain) == (
        np.dtype("u1"),
        72,
        9,
        False,
    )
    assert PixelFormat.of(instance(np.zeros((8, 9), np.uint8), NumberOfFrames="")).frames == 1


def test_transfer_syntax_from_the_encoding_or_not_at_all():
    ds = instance(smooth(8, 8))
    del ds.file_meta
    with pytest.raises(DecodeError, match="Nothing says in which transfer syntax"):
        decode(ds)
    ds.set_original_encoding(is_implicit_vr=True, is_little_endian=True)
    assert decode(ds).shape == (1, 8, 8)
    ds.set_original_encoding(is_implicit_vr=False, is_little_endian=False)
    assert PixelFormat.of(ds).is_big_endian


@pytest.mark.parametrize(
    ("numbers", "words"), [(0, "count from 1"), (4, "frames 1 to 3"), ([-1], "no frame -1")]
)
def test_frame_numbers_count_from_one(numbers, words):
    with pytest.raises(ValueError, match=words):
        decode(instance(np.zeros((3, 4, 4), np.uint16)), numbers)
    assert frame_numbers(None, 3) == [1, 2, 3]
    with pytest.raises(TypeError):
        frame_numbers([1.5], 3)
    with pytest.raises(ValueError, match="has 1 frame"):
        frame_numbers(2, 1)


def test_no_pixels_and_no_bytes():
    with pytest.raises(DecodeError, match="pixels=False"):
        decode(Dataset())
    ds = instance(smooth(8, 8))
    ds["PixelData"]._value = "text"
    with pytest.raises(DecodeError, match="holds str"):
        decode(ds)


def test_limits():
    ds = instance(np.zeros((3, 40, 40), np.uint16))
    with pytest.raises(LimitExceeded, match="9,600 bytes; the limit is 9,000"):
        decode(ds, limits=Limits(pixel_bytes=9000))
    assert decode(ds, 2, limits=Limits(pixel_bytes=9000)).shape == (1, 40, 40)
    with pytest.raises(LimitExceeded, match="no memory"):
        allocate((1 << 20, 1 << 20, 1 << 10), np.dtype("u1"), limits=Limits(pixel_bytes=1 << 60))


def test_big_endian_frame_alone():
    stored = smooth(8, 8)
    pixels = PixelFormat.of(instance(stored), transfer_syntax="1.2.840.10008.1.2.2")
    np.testing.assert_array_equal(decode_frame(stored.astype(">u2").tobytes(), pixels), stored)
    assert UID(pixels.transfer_syntax).is_little_endian is False
    with pytest.raises(DecodeError, match="A frame has 10 bytes"):
        decode_frame(b"\0" * 10, pixels)
