"""What is made of a header once for all slices alike is what each header by itself would make."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicomnb.errors import DecodeError
from dicomnb.images.headers import once, text
from dicomnb.images.outlined import OutlinedHeader, Recall
from dicomnb.images.part10 import read_instance
from dicomnb.volumes.frames import frames_of
from dicomnb.volumes.slices import Slice
from tests.images.image_series import AXIAL, instance, oblique, part, part10, phantom

PLANE = phantom(1)[0]


def table(first: int) -> Sequence:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [4, first, 16])
    item.ModalityLUTType = "US"
    item.add_new("LUTData", "US", [0, 1, 2, 3])
    return Sequence([item])


HEADERS = st.fixed_dictionaries(
    {
        "number": st.sampled_from([1, 12]),
        "position": st.sampled_from([(0.0, 0.0, 1.0), (0.0, -10.0, 12.5)]),
        "orientation": st.sampled_from([AXIAL, tuple(oblique())]),
        "spacing": st.sampled_from([(0.8, 0.6), (0.75, 0.75)]),
        "slope": st.sampled_from([1, 2.5]),
        "syntax": st.sampled_from([ExplicitVRLittleEndian, ImplicitVRLittleEndian]),
        "PixelRepresentation": st.sampled_from([0, 1]),
        "RescaleType": st.sampled_from([None, "US"]),
        "WindowCenter": st.sampled_from([None, 40, [40, 600]]),
        "WindowWidth": st.sampled_from([400, [400, 1600]]),
        "SliceThickness": st.sampled_from([None, 2]),
        "EchoTime": st.sampled_from([None, 30]),
        "ImageType": st.sampled_from([["ORIGINAL", "PRIMARY"], ["ORIGINAL", "LOCALIZER"]]),
        "SpecificCharacterSet": st.sampled_from(["ISO_IR 100", "ISO_IR 192"]),
        "SeriesDescription": st.sampled_from([None, "axial", "schräg"]),
        "ModalityLUTSequence": st.sampled_from([None, table(0), table(7)]),
    }
)


@st.composite
def kinds_of_header(draw) -> list[dict[str, object]]:
    """A few kinds, of which the others differ from the first in one or two attributes."""
    first = draw(HEADERS)
    kinds = [first]
    changed = st.sets(st.sampled_from(list(first)), min_size=1, max_size=2)
    for names in draw(st.lists(changed, max_size=3)):
        other = draw(HEADERS)
        kinds.append(first | {name: other[name] for name in names})
    return kinds


def slice_of(data: bytes, recall: Recall) -> Slice:
    found = read_instance(part(data), recall=recall)
    assert isinstance(found.header, OutlinedHeader)
    (view,) = frames_of(found.header, 1)
    return Slice.of(view, found.pixels)


@given(kinds_of_header(), st.data())
@settings(deadline=None, max_examples=60)
def test_slices_are_those_of_each_header_alone(kinds, data):
    files = [part10(instance(PLANE, **kind)) for kind in kinds]
    recall = Recall()
    for file in data.draw(st.lists(st.sampled_from(files), min_size=2, max_size=24)):
        found = slice_of(file, recall)
        assert dataclasses.asdict(found) == dataclasses.asdict(slice_of(file, Recall()))
        parsed = read_instance(part(file))
        (view,) = frames_of(parsed.dataset, 1)
        assert dataclasses.asdict(found) == dataclasses.asdict(Slice.of(view, parsed.pixels))


def test_pixels_of_another_type_are_another_matter():
    recall = Recall()
    for dtype in ("u2", "i2", "u1", "u2"):
        data = part10(instance(PLANE.astype(dtype)))
        assert slice_of(data, recall).stored == dtype


def test_the_same_bytes_in_another_character_set_are_another_text():
    recall = Recall()
    for charset, name in [("ISO_IR 100", "schräg"), ("ISO_IR 144", "schrфg")] * 2:
        data = part10(instance(PLANE, SpecificCharacterSet=charset, SeriesDescription=name))
        assert b"schr\xe4g" in data
        assert slice_of(data, recall).facts["SeriesDescription"] == name


def headers(recall: Recall, **varied: list[object]) -> list[OutlinedHeader]:
    made = []
    for values in zip(*varied.values(), strict=True):
        more = dict(zip(varied, values, strict=True))
        made.append(read_instance(part(instance(PLANE, **more)), recall=recall).header)
    return made


def counting(keyword):
    calls = []

    def make(header):
        calls.append(header)
        return (text(header, keyword), "Manufacturer" in header)

    return make, calls


def test_it_is_made_once_of_what_says_the_same():
    make, calls = counting("StudyID")
    numbers = list(range(40))
    ids = ["A"] * 30 + ["B"] * 10
    found = [once(one, "id", make) for one in headers(Recall(), number=numbers, StudyID=ids)]
    assert found == [(name, False) for name in ids]
    assert len(calls) == 2


def test_it_is_made_anew_where_something_comes_that_was_not_there():
    make, calls = counting("StudyID")
    makers = [None, None, "Acme", None]
    alike = headers(Recall(), Manufacturer=makers, StudyID=["A"] * 4)
    assert [once(one, "id", make)[1] for one in alike] == [False, False, True, False]
    assert len(calls) == 3


def test_what_differs_from_slice_to_slice_is_not_noted_for_ever():
    make, calls = counting("StudyID")
    ids = [str(number) for number in range(40)]
    found = [once(one, "id", make) for one in headers(Recall(), StudyID=ids)]
    assert [one for one, _ in found] == ids
    assert len(calls) == 40
    assert all(isinstance(header, OutlinedHeader) for header in calls[16:])
    assert not any(isinstance(header, OutlinedHeader) for header in calls[:16])


def test_what_depends_on_more_than_its_own_bytes_is_made_anew():
    recall, calls = Recall(), []

    def make(header):
        calls.append(header)
        return [item.ModalityLUTType for item in header.get("ModalityLUTSequence")]

    tables = [table(0)] * 3
    for one in headers(recall, ModalityLUTSequence=tables):
        assert once(one, "tables", make) == ["US"]
    assert len(calls) == 3


def test_an_error_is_an_error_for_each():
    recall = Recall()
    data = part10(instance(PLANE)).replace(b"MONOCHROME2 ", b"PURPLE      ")
    for _ in range(2):
        with pytest.raises(DecodeError, match="PURPLE"):
            _ = read_instance(part(data), recall=recall).pixels
    assert read_instance(part(instance(PLANE)), recall=recall).pixels.photometric == "MONOCHROME2"
