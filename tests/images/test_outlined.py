"""Headers of which only the outline is known say what pydicom says, or are left to pydicom."""

from __future__ import annotations

import struct

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicomnb.errors import DecodeError, NoDicom
from dicomnb.images.headers import numbers, text
from dicomnb.images.outlined import OutlinedHeader, Recall
from dicomnb.images.part10 import read_instance
from dicomnb.wire.outline import More, Outline, Unusual, meta_outline, outline
from tests.images import real_files
from tests.images.image_series import instance, part, part10, phantom

PIXELS = 0x7FE00008
ABSENT = ("EchoTime", "FlipAngle", "ModalityLUTSequence", "WindowCenter", "NoSuchKeyword")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", real_files.with_pixels())
def test_every_attribute_of_real_files(name):
    data = real_files.paths()[name].read_bytes()
    try:
        header = read_instance(part(data)).header
    except DecodeError:
        pytest.skip("cut within its header")
    expected = pydicom.dcmread(real_files.paths()[name])
    tags = [tag for tag in expected.keys() if tag < PIXELS]  # noqa: SIM118
    keywords = [keyword_for_tag(tag) for tag in tags if not 0x60000000 <= tag < 0x61000000]
    for keyword in filter(None, keywords):
        assert keyword in header
        for _ in range(2):  # also as it is remembered
            found = header.get(keyword)
            assert found == expected.get(keyword)
            assert type(found) is type(expected.get(keyword))
    for keyword in ABSENT:
        assert (keyword in header) == (keyword in expected)
        assert header.get(keyword, 7) == expected.get(keyword, 7)
    for keyword in (*filter(None, keywords), *ABSENT):
        assert text(header, keyword) == text(expected, keyword)
        for count in (1, 2, 3, 6):
            assert numbers(header, keyword, count) == numbers(expected, keyword, count)


NUMBERS = st.text("0123456789+-. E\\", min_size=1, max_size=20) | st.lists(
    st.floats(-1e6, 1e6).map(lambda number: f"{number:.4g}") | st.integers(-999, 999).map(str),
    min_size=1,
    max_size=3,
).map("\\".join)


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(value=NUMBERS, vr=st.sampled_from(["DS", "IS", "UI"]), count=st.integers(1, 3))
@settings(deadline=None, max_examples=500)
def test_numbers_as_they_are_written_are_those_of_pydicom(value, vr, count):
    raw = value.encode() + (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
    keyword, tag = {
        "DS": ("SliceLocation", b"\x20\0\x41\x10"),
        "IS": ("InstanceNumber", b"\x20\0\x13\0"),
        "UI": ("FrameOfReferenceUID", b"\x20\0\x52\0"),
    }[vr]
    element = tag + vr.encode() + struct.pack("<H", len(raw)) + raw
    found = outline(element + b"\xe0\x7f\x10\0OW\0\0" + bytes(8), 0, is_implicit=False)
    expected = pydicom.filereader.read_dataset(pydicom.filebase.DicomBytesIO(element), False, True)
    header = OutlinedHeader(
        element, found, is_implicit=False, recall=Recall(), parsed=lambda: expected
    )
    assert text(header, keyword) == text(expected, keyword)
    assert numbers(header, keyword, count) == numbers(expected, keyword, count)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_most_real_files_need_no_parsing():
    """Else the way around parsing would be of no use."""
    names = real_files.with_pixels()
    plain = 0
    for name in names:
        try:
            found = read_instance(part(real_files.paths()[name].read_bytes()))
        except (DecodeError, NoDicom):
            continue
        plain += isinstance(found.header, OutlinedHeader)
    assert plain > 0.75 * len(names)


def outlined(data: bytes, **options) -> Outline:
    meta = meta_outline(data)
    syntax = data[slice(*meta.elements[0x00020010][1:])].rstrip(b"\0").decode()
    return outline(data, meta.end, is_implicit=syntax == "1.2.840.10008.1.2", **options)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", real_files.with_pixels())
def test_values_lie_where_pydicom_finds_them(name):
    data = real_files.paths()[name].read_bytes()
    try:
        found = outlined(data)
    except (Unusual, More, KeyError):
        pytest.skip("left to pydicom")
    expected = pydicom.dcmread(real_files.paths()[name])
    if not expected.keys():
        pytest.skip("pydicom gives up where the end of the pixels is cut")
    assert list(found.elements) == [tag for tag in expected.keys() if tag < PIXELS]  # noqa: SIM118
    for tag, (vr, begin, end) in found.elements.items():
        element = expected.get_item(tag)
        if isinstance(element, pydicom.dataelem.RawDataElement):
            assert data[begin:end] == (element.value or b"")
            assert vr == element.VR
        elif element.is_undefined_length:
            assert vr in ("SQ", None)
            assert data[end - 8 : end] == b"\xfe\xff\xdd\xe0\0\0\0\0"


def nested(depth: int, *, undefined: bool) -> Dataset:
    made = Dataset()
    made.CodeMeaning = "a" * 31
    if depth:
        made.ConceptNameCodeSequence = Sequence([nested(depth - 1, undefined=undefined)] * 2)
        made["ConceptNameCodeSequence"].is_undefined_length = undefined
    made.is_undefined_length_sequence_item = undefined
    return made


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("undefined", [True, False])
def test_sequences_in_sequences_are_passed_over(implicit, undefined):
    ds = instance(phantom(1)[0], SeriesDescription="x")
    ds.ReferencedImageSequence = Sequence([nested(3, undefined=undefined)] * 3)
    ds["ReferencedImageSequence"].is_undefined_length = undefined
    uid = pydicom.uid.ImplicitVRLittleEndian if implicit else pydicom.uid.ExplicitVRLittleEndian
    ds.file_meta.TransferSyntaxUID = uid
    header = read_instance(part(part10(ds))).header
    assert isinstance(header, OutlinedHeader)
    assert header.get("Rows") == ds.Rows
    assert header.get("ReferencedImageSequence") == ds.ReferencedImageSequence


def test_text_is_remembered_by_its_character_set():
    """The same bytes are another text in another character set."""
    recall = Recall()
    data = part10(instance(phantom(1)[0], SpecificCharacterSet="ISO_IR 100", StudyID="XX"))
    data = data.replace(b"\x20\0\x10\0SH\2\0XX", b"\x20\0\x10\0SH\2\0\xc3\x9f")
    said = {}
    for charset in ("ISO_IR 100", "ISO_IR 144", "ISO_IR 192"):
        again = data.replace(b"ISO_IR 100", charset.encode())
        header = read_instance(part(again), recall=recall).header
        assert isinstance(header, OutlinedHeader)
        said[charset] = header.get("StudyID")
    expected = {"ISO_IR 100": "Ã\x9f", "ISO_IR 144": "У\x9f", "ISO_IR 192": "ß"}
    assert said == expected


def test_large_private_elements_before_the_pixels():
    ds = instance(phantom(1)[0])
    ds.private_block(0x0029, "SIEMENS CSA HEADER", create=True).add_new(0x10, "OB", b"\1" * 90_000)
    found = read_instance(part(part10(ds)))
    assert isinstance(found.header, OutlinedHeader)
    assert found.pixels.rows == ds.Rows
    assert bytes(found.whole().PixelData) == bytes(ds.PixelData)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data, at: data[:at] + b"??" + data[at + 2 :],  # no VR
        lambda data, at: data[: at - 4] + b"\x02\x00\x00\x00" + data[at:],  # a tag out of order
        lambda data, at: data[:at] + b"UN" + data[at + 2 :],  # another length
        lambda data, at: data[:at] + struct.pack("<HI", 0xFFFF, 0xFFFFFFFF) + data[at + 6 :],
    ],
)
def test_what_is_odd_is_left_to_pydicom(damage):
    data = part10(instance(phantom(1)[0]))
    at = data.index(b"\x08\x00\x60\x00CS") + 4
    with pytest.raises((Unusual, More)):
        outlined(damage(data, at))


def test_a_header_that_does_not_end_is_more():
    data = part10(instance(phantom(1)[0]))
    with pytest.raises(More) as told:
        outlined(data[:400])
    assert told.value.needed > 400
    assert outlined(data, before=0x00080020).elements.keys() == {0x00080016, 0x00080018}


@given(data=st.data())
@settings(deadline=None, max_examples=300)
def test_damaged_bytes_say_what_pydicom_says_or_nothing(data):
    """One byte of a header is another: the outline gives up, or agrees with pydicom."""
    ds = instance(phantom(1)[0], SeriesDescription="abc", ImagePositionPatient=[1, 2, 3])
    ds.ReferencedImageSequence = Sequence([nested(1, undefined=True)])
    ds["ReferencedImageSequence"].is_undefined_length = True
    whole = bytearray(part10(ds))
    start = whole.index(b"\x08\x00\x16\x00UI")
    end = whole.index(b"\xe0\x7f\x10\x00")
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(start, end - 1))] = data.draw(st.integers(0, 255))
    try:
        meta, found = meta_outline(whole), outlined(bytes(whole))
    except (Unusual, More):
        return
    expected = pydicom.filereader.read_dataset(
        pydicom.filebase.DicomBytesIO(bytes(whole[meta.end : found.end])), False, True
    )
    assert list(found.elements) == list(expected.keys())
    for tag, (_, begin, stop) in found.elements.items():
        element = expected.get_item(tag)
        if isinstance(element, pydicom.dataelem.RawDataElement):
            assert bytes(whole[begin:stop]) == (element.value or b"")
