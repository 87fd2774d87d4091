"""Frames read into their place in the array, and those that cannot be: never another value."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, RLELossless

from dicomnb.errors import LimitExceeded, ProtocolError
from dicomnb.images.decode import decode_frame
from dicomnb.limits import Limits
from dicomnb.transfer.landing import FrameArray
from dicomnb.wire.parts import BytesPart

OCTETS = "application/octet-stream"


def header(**changes: object) -> Dataset:
    made = Dataset()
    made.Rows, made.Columns, made.SamplesPerPixel = 3, 5, 1
    made.BitsAllocated = made.BitsStored = 8
    made.PixelRepresentation, made.PhotometricInterpretation = 0, "MONOCHROME2"
    for keyword, value in changes.items():
        setattr(made, keyword, value)
    return made


def array_for(made: Dataset, *, is_final: bool = True, **limits: int) -> FrameArray:
    return FrameArray(2, made, keyword="PixelData", is_final=is_final, limits=Limits(**limits))


def part(data: bytes, syntax: str | None = ExplicitVRLittleEndian, kind: str = OCTETS) -> BytesPart:
    return BytesPart(data, media_type=kind, transfer_syntax=syntax)


VALUES = bytes(range(15))


@pytest.mark.parametrize("padding", [b"", b"\0"])
def test_a_plain_frame_lands_in_its_place(padding: bytes) -> None:
    array = array_for(header())
    for place in (1, 0):
        assert array.read(part(VALUES + padding), place).data is None
    assert array.array is not None
    assert array.array.dtype == np.uint8
    np.testing.assert_array_equal(array.array, np.arange(15).reshape(1, 3, 5).repeat(2, 0))


@pytest.mark.parametrize(
    ("made", "data", "syntax"),
    [
        (header(), VALUES + b"\0\0", ExplicitVRLittleEndian),  # longer: perhaps something else
        (header(), VALUES[:14], ExplicitVRLittleEndian),
        (header(), b"\xff\xd8\xff\xe0" + VALUES, ExplicitVRLittleEndian),
        (header(), VALUES, RLELossless),
        (header(BitsAllocated=16, BitsStored=16), VALUES * 2, ExplicitVRBigEndian),
        (header(BitsAllocated=1, BitsStored=1), b"\x12\x34", ExplicitVRLittleEndian),
        (
            header(SamplesPerPixel=3, PlanarConfiguration=1, PhotometricInterpretation="RGB"),
            VALUES * 3,
            ExplicitVRLittleEndian,
        ),
    ],
)
def test_what_is_not_plain_keeps_every_byte_for_the_decoder(
    made: Dataset, data: bytes, syntax: str
) -> None:
    came = array_for(made).read(part(data, syntax), 0)
    assert (came.data, came.size, came.format.transfer_syntax) == (data, len(data), syntax)


def test_unused_bits_are_as_after_decoding() -> None:
    made = header(BitsAllocated=16, BitsStored=12, HighBit=11, PixelRepresentation=1)
    data = np.array([0x0FFF, 0x1001, 0xF800, *range(12)], "<u2").tobytes()
    array = array_for(made)
    came = array.read(part(data), 1)
    assert came.data is None
    assert array.array is not None
    np.testing.assert_array_equal(array.array[1], decode_frame(data, came.format))
    assert array.array[1].flat[:3].tolist() == [-1, 1, -2048]


def test_nothing_lands_where_stored_values_are_not_wanted() -> None:
    array = array_for(header(), is_final=False)
    assert array.read(part(VALUES), 0).data == VALUES
    array.put(0, np.zeros((3, 5), np.uint8))
    array.put(1, np.full((3, 5), -3.5, np.float32))
    assert array.array is not None
    assert array.array.dtype == np.float32
    assert array.array[:, 0, 0].tolist() == [0, -3.5]


def test_the_array_is_bounded() -> None:
    with pytest.raises(LimitExceeded):
        array_for(header(), pixel_bytes=29).read(part(VALUES), 0)


def test_a_frame_of_no_known_syntax() -> None:
    with pytest.raises(ProtocolError, match="no syntax"):
        array_for(header()).read(part(VALUES, None, "text/plain"), 0)
