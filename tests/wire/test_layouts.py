"""Files laid out like one before: found as a walk finds them, without one."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicomnb.wire import layouts
from dicomnb.wire.layouts import Layouts
from dicomnb.wire.outline import More, Unusual
from tests.images import real_files
from tests.images.image_series import instance, part10, phantom

UP_TO_SERIES = 0x0020000F
UID = b"\x08\0\x18\0UI"


def made(number: int = 1, *, uid: str = "2.25.100") -> bytes:
    """A slice under a UID of its own."""
    dataset = instance(phantom(1)[0])
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{uid}{number}"
    dataset.InstanceNumber = number
    return part10(dataset)


def walked(data: bytes, before: int | None) -> object:
    """What a walk finds, or what it says."""
    return outlined(Layouts(), data, before)


def outlined(known: Layouts, data: bytes, before: int | None) -> object:
    try:
        return known.outline(data, before=before)
    except (Unusual, More) as error:
        return type(error), str(error)


@pytest.mark.parametrize("before", [None, UP_TO_SERIES])
def test_real_files_one_after_another(before: int | None) -> None:
    known = Layouts()
    whole = [path.read_bytes()[: 64 << 10] for path in real_files.paths().values()]
    for data in [*whole, *whole]:
        assert outlined(known, data, before) == walked(data, before)
    assert any(isinstance(walked(data, before), tuple) for data in whole)


def test_a_series_is_walked_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Layouts()
    first = [known.outline(made(number), before=UP_TO_SERIES) for number in (1, 2)][1]

    def refuse(*given: object, **named: object) -> None:
        raise AssertionError("walked")

    monkeypatch.setattr(layouts, "outline", refuse)
    for number in range(3, 10):
        data = made(number)
        assert known.outline(data, before=UP_TO_SERIES) == first
        _, begin, end = first.data_set.elements[0x00080018]
        assert data[begin:end].rstrip(b"\0") == f"2.25.100{number}".encode()
    with pytest.raises(AssertionError, match="walked"):
        known.outline(made(100), before=UP_TO_SERIES)


@given(data=st.data())
@settings(deadline=None, max_examples=150)
def test_what_differs_in_any_byte_is_found_as_a_walk_finds_it(data: st.DataObject) -> None:
    known = Layouts()
    before = data.draw(st.sampled_from([None, UP_TO_SERIES]))
    for number in (1, 2):
        known.outline(made(number), before=before)
    other = bytearray(made())
    for _ in range(data.draw(st.integers(1, 3))):
        other[data.draw(st.integers(120, 1500))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([len(other), len(other), 140, 400, 700]))
    assert outlined(known, bytes(other[:cut]), before) == walked(bytes(other[:cut]), before)


def test_each_end_of_what_is_at_hand() -> None:
    known = Layouts()
    whole = made()
    for _ in range(2):
        end = known.outline(whole, before=UP_TO_SERIES).data_set.end
    for size in range(end - 20, end + 20):
        assert outlined(known, whole[:size], UP_TO_SERIES) == walked(whole[:size], UP_TO_SERIES)


def test_another_transfer_syntax_of_the_same_length() -> None:
    known = Layouts()
    plain = made()
    for _ in range(2):
        assert known.outline(plain).syntax == "1.2.840.10008.1.2.1"
    deflated = plain.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.2\0", 1)
    with pytest.raises(Unusual, match=r"1\.2\.2"):
        known.outline(deflated)


def test_the_inside_of_sequences_of_undefined_length_is_looked_at() -> None:
    known = Layouts()
    head = made()[: made().index(UID)]
    rest = made()[made().index(UID) :]

    def with_sequence(length: int) -> bytes:
        item = struct.pack("<HHI", 0xFFFE, 0xE000, length) + bytes(length)
        ending = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
        sequence = struct.pack("<HH2sHI", 0x0008, 0x0006, b"SQ", 0, 0xFFFFFFFF)
        before = head.index(b"\x08\0\x16\0UI")
        return head[:before] + sequence + item + ending + head[before:] + rest

    for length in (8, 8, 24, 8, 24):
        data = with_sequence(length)
        found = known.outline(data, before=UP_TO_SERIES)
        assert found == walked(data, UP_TO_SERIES)
        assert 0x00080006 in found.data_set.elements


def test_files_that_are_all_laid_out_differently_are_not_remembered_for_ever() -> None:
    known = Layouts()
    for number in range(100):
        data = made(uid="2.25." + "1" * (number % 40))
        assert known.outline(data) == walked(data, None)
    assert len(known._known) <= layouts._MOST_MADE
