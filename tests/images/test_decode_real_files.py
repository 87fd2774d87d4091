"""Decoding against pydicom, over every file with pixels that pydicom's wheels hold."""

from __future__ import annotations

import logging
import warnings

import numpy as np
import pydicom
import pytest
from pydicom.pixels import get_decoder

from dicomnb.errors import DecodeError
from dicomnb.images.decode import decode, decode_frame
from dicomnb.images.encapsulated import frame_fragments, join
from dicomnb.images.pixels import PixelFormat
from tests.images import real_files

# What cannot be decoded, and the reason that has to be told.
BROKEN = {
    "badVR.dcm": "NumberOfFrames",
    "meta_missing_tsyntax.dcm": "it is not an image|no BitsAllocated",
    "nested_priv_SQ.dcm": "no BitsAllocated",
    "MR_truncated.dcm": "It is cut",
    "emri_small_jpeg_2k_lossless_too_short.dcm": "no pixel data",  # pydicom drops them
    "JPEG2000-embedded-sequence-delimiter.dcm": "3722445056",
}
# Lossy JPEG: libjpeg-turbo here and in Pillow, another inverse cosine transform in libjpeg.
LOSSY_JPEG = {"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"}


def oracle(ds, plugin=""):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            decoder = get_decoder(ds.file_meta.TransferSyntaxUID)
            array, _ = decoder.as_array(ds, decoding_plugin=plugin)
        finally:
            logging.disable(logging.NOTSET)
    return array if int(ds.get("NumberOfFrames") or 1) > 1 else array[np.newaxis]


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, about values of no concern here
@pytest.mark.filterwarnings("error::dicomnb.errors.DicomnbWarning")
@pytest.mark.parametrize("name", real_files.with_pixels())
def test_equal_to_pydicom(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(real_files.paths()[name])
        before = ds.to_json_dict(suppress_invalid_tags=True)
    if name in BROKEN:
        with pytest.raises(DecodeError, match=BROKEN[name]):
            decode(ds)
        return
    if name == "color3d_jpeg_baseline.dcm":  # 120 frames: a few will do
        numbers = [1, 60, 120]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            decoder = get_decoder(ds.file_meta.TransferSyntaxUID)
            frames = [
                decoder.as_array(ds, index=n - 1, decoding_plugin="pillow")[0] for n in numbers
            ]
        np.testing.assert_array_equal(decode(ds, numbers), frames)
        return
    found = decode(ds)
    syntax = ds.file_meta.TransferSyntaxUID
    if name == "JPEG-lossy.dcm":  # 12 bits with a marker that pydicom's decoders choke on
        assert found.shape == (1, 1024, 256)
        assert found.max() < 1 << 12
        return
    if syntax not in LOSSY_JPEG:
        expected = oracle(ds)
        assert found.dtype == expected.dtype.newbyteorder("=")
        np.testing.assert_array_equal(found, expected)
    elif syntax.endswith("50") and "APP14" not in name and "app14" not in name:
        np.testing.assert_array_equal(found, oracle(ds, "pillow"))
    else:
        assert np.abs(found.astype(int) - oracle(ds)).max() <= 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert ds.to_json_dict(suppress_invalid_tags=True) == before


def test_lossy_jpeg_is_near_every_decoder():
    ds = real_files.read("examples_ybr_color.dcm")
    difference = np.abs(decode(ds, [1, 30]).astype(int) - oracle(ds, "pylibjpeg")[[0, 29]])
    assert difference.max() <= 5
    assert difference.mean() < 0.1


@pytest.mark.parametrize(
    "name",
    ["emri_small_RLE.dcm", "emri_small_jpeg_2k_lossless.dcm", "emri_small_jpeg_ls_lossless.dcm"],
)
def test_frames_by_number_and_one_by_one(name):
    ds, plain = real_files.read(name), real_files.read("emri_small.dcm")
    everything = decode(plain)
    np.testing.assert_array_equal(decode(ds, [10, 1, 3]), everything[[9, 0, 2]])
    np.testing.assert_array_equal(decode(ds, np.int64(4), workers=1), everything[3:4])
    pixels = PixelFormat.of(ds)
    frame = decode_frame(join(frame_fragments(ds.PixelData, 10)[6]), pixels)
    np.testing.assert_array_equal(frame, everything[6])
    assert frame.flags.writeable


@pytest.mark.parametrize("name", ["liver.dcm", "liver_expb.dcm"])
def test_one_bit_frames(name):
    ds = real_files.read(name)
    everything = decode(ds)
    assert set(np.unique(everything)) == {0, 1}
    np.testing.assert_array_equal(decode(ds, 3)[0], oracle(ds)[2])
    np.testing.assert_array_equal(decode(ds, 2)[0], everything[1])


def test_palette_stays_indices():
    ds = real_files.read("OBXXXX1A.dcm")
    np.testing.assert_array_equal(decode(ds)[0], oracle(ds)[0])
    assert decode(ds).shape == (1, 600, 800)
