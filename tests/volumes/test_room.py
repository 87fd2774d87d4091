"""Memory for slices that is taken anew, and touched, while they come."""

from __future__ import annotations

import io

import numpy as np
import pytest
from pydicom import dcmread

from dicomnb.errors import LimitExceeded
from dicomnb.volumes.builder import VolumeBuilder
from dicomnb.volumes.stack import Stack
from dicomnb.wire.parts import BytesPart
from tests.conftest import real_file

KIND = np.dtype("<i2")


def stack_of(count: int, *, bound: int = 1 << 20) -> Stack:
    stack = Stack(8, 8, 2, expected=4, bound=bound)
    for number in range(count):
        stack.slice(stack.add(), KIND)[...] = number
    return stack


def numbers(stack: Stack) -> list[int]:
    return [int(stack.slice(place, KIND)[7, 7]) for place in range(stack.count)]


def test_room_for_more_keeps_what_is_there():
    stack = stack_of(4)
    assert stack.is_full
    stack.make_room(100)
    assert not stack.is_full
    assert numbers(stack) == [0, 1, 2, 3]
    for number in range(4, 100):
        stack.slice(stack.add(), KIND)[...] = number
    assert stack.is_full
    assert numbers(stack) == list(range(100))


@pytest.mark.parametrize("wanted", [0, 3, 4])
def test_room_is_not_taken_away(wanted):
    stack = stack_of(4)
    stack.make_room(wanted)
    assert numbers(stack) == [0, 1, 2, 3]


def test_room_ends_at_the_bound():
    stack = stack_of(4, bound=10 * 128)
    stack.make_room(1000)
    for _ in range(6):
        stack.add()
    assert stack.is_full
    with pytest.raises(LimitExceeded):
        stack.grow()


def test_touching_a_place_changes_no_other():
    stack = stack_of(3)
    place = stack.add()
    stack.touch(place)
    assert numbers(stack)[:3] == [0, 1, 2]
    stack.touch(1)
    assert numbers(stack)[0] == 0
    assert numbers(stack)[2] == 2


@pytest.mark.parametrize("after", [0, 1, 10, 39])
@pytest.mark.parametrize("told", [1, 40, 90])
def test_a_builder_that_is_told_how_many_come_while_they_come(after, told):
    """Sooner or later, too few or too many: the volume is the same."""
    dataset = dcmread(real_file("CT_small.dcm"))
    del dataset[0xFFFC, 0xFFFC]
    builder = VolumeBuilder()
    for number in range(40):
        if number == after:
            builder.expect(told)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.{number + 1}"
        dataset.ImagePositionPatient = [0, 0, 2.5 * number]
        dataset.PixelData = np.full((128, 128), 1024 + number, "<i2").tobytes()
        buffer = io.BytesIO()
        dataset.save_as(buffer)
        builder.add(BytesPart(buffer.getvalue(), media_type="application/dicom"))
    volume = builder.finish()
    assert volume.array[:, 64, 64].tolist() == list(range(40))
    assert (volume.array == volume.array[:, :1, :1]).all()
