"""Data sets as DICOM JSON: equal to pydicom where values are valid, whole where they are not."""

from __future__ import annotations

import base64
import math
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pydicom
import pydicom.data
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicomnb.errors import NotFound
from dicomnb.wire.charsets import text_decoder
from dicomnb.wire.dicomjson import bulk_value, encode
from dicomnb.wire.elements import element_from_bytes, resolved_vr

FOLDER = Path(pydicom.data.__file__).parent
REAL = sorted(
    path
    for name in ("test_files", "charset_files")
    for path in (FOLDER / name).rglob("*")
    if path.suffix == ".dcm" or path.parent.name.startswith("SE")
    # one that begins within an element, one that ends within its pixels
    if path.name not in ("no_meta.dcm", "emri_small_jpeg_2k_lossless_too_short.dcm")
)
# Values that are not valid, each with what is sent in their place.
INVALID = {
    ("badVR.dcm", "00280008"),  # IS "1A": pydicom gives up on the element
    ("bad_sequence.dcm", "00080018"),  # UIDs with letters
    ("bad_sequence.dcm", "0020000D"),
    ("bad_sequence.dcm", "0020000E"),
    ("badVR.dcm", "300C0002"),  # the same within a sequence
    ("rtdose.dcm", "300C0002"),
    ("rtdose_1frame.dcm", "300C0002"),
    ("rtdose_expb.dcm", "300C0002"),
    ("rtdose_expb_1frame.dcm", "300C0002"),
    ("rtdose_rle.dcm", "300C0002"),
    ("rtdose_rle_1frame.dcm", "300C0002"),
}


def uri(path: str) -> str:
    return f"bulk/{path}"


def element(vr: str, raw: bytes, *, tag: int = 0x00091001, order: str = "<") -> Any:
    return element_from_bytes(
        tag, vr, raw, decode=text_decoder(()), order=order, uri=lambda: "there"
    )


def read(path: Path) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(path, force=True)


def by_pydicom(dataset: Dataset) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dict(dataset.to_json_dict(suppress_invalid_tags=True))


def differences(mine: dict[str, Any], theirs: dict[str, Any], is_big: bool) -> list[str]:
    """Tags that differ in more than what the module says about itself."""
    found = []
    for tag in sorted({*mine, *theirs}):
        one, other = mine.get(tag), theirs.get(tag)
        if tag.endswith("0000") or tag == "00080005" or one == other:
            continue  # group lengths; the character set of JSON is UTF-8
        if one is None or other is None:
            found.append(tag)
        elif "BulkDataURI" in one:
            continue
        elif one["vr"] == other["vr"] == "SQ":
            items = zip(one.get("Value", ()), other.get("Value", ()), strict=True)
            found += [f"{tag}/{inner}" for a, b in items for inner in differences(a, b, is_big)]
        elif "Value" in one and "Value" in other:
            # A gap between values is null (F.2.5), and padding is no part of a value.
            texts = [value.strip() or None if isinstance(value, str) else value
                     for value in other["Value"]]  # fmt: skip
            if one["Value"] != texts:
                found.append(tag)
        elif not (is_big and one["vr"] == "OW" and "InlineBinary" in one):
            found.append(tag)
    return found


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_real_files_are_as_pydicom_encodes_them(path: Path) -> None:
    dataset = read(path)
    is_big = dataset.original_encoding[1] is False
    mine = encode(dataset, bulk_uri=uri)
    assert list(mine) == sorted(mine)
    found = differences(mine, by_pydicom(read(path)), is_big)
    assert [tag for tag in found if (path.name, tag) not in INVALID] == []


@pytest.mark.parametrize("path", REAL[::4], ids=lambda path: path.name)
def test_a_data_set_that_was_looked_at_encodes_alike(path: Path) -> None:
    dataset = read(path)
    raw = encode(dataset, bulk_uri=uri)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for item in dataset.iterall():
            str(item.value)[:0]
    again = encode(dataset, bulk_uri=uri)
    if (path.name, "300C0002") in INVALID or path.name == "badVR.dcm":
        again.pop("300C0002", None), raw.pop("300C0002", None)
    assert {tag for tag in raw if raw[tag] != again.get(tag)} <= {"00280008"}


def test_a_bad_value_costs_nothing_but_itself() -> None:
    assert element("DS", b"0,5\\1.5") == {"vr": "DS", "Value": ["0,5", 1.5]}
    assert element("DS", b"M ") == {"vr": "DS", "Value": ["M"]}
    assert element("DS", b"1e400") == {"vr": "DS", "Value": ["1e400"]}
    assert element("DS", b"0\0") == {"vr": "DS", "Value": [0]}
    assert element("DS", b"  ") == {"vr": "DS"}
    assert element("DS", b"1\\\\2") == {"vr": "DS", "Value": [1, None, 2]}
    assert element("IS", b"14.5") == {"vr": "IS", "Value": ["14.5"]}
    assert element("IS", b"1.0 ") == {"vr": "IS", "Value": [1]}
    assert element("IS", b"1_000") == {"vr": "IS", "Value": ["1_000"]}
    assert element("US", b"\1\2\3") == {"vr": "UN", "InlineBinary": "AQID"}
    assert element("AT", b"\1\2\3") == {"vr": "UN", "InlineBinary": "AQID"}
    assert element("??", b"ab") == {"vr": "UN", "InlineBinary": "YWI="}


def test_what_json_numbers_cannot_be_is_text() -> None:
    raw = np.array([math.nan, math.inf, -math.inf, 1.5], "<f4").tobytes()
    found = element("FL", raw)
    assert found == {"vr": "FL", "Value": ["NaN", "Infinity", "-Infinity", 1.5]}
    assert msgspec.json.decode(msgspec.json.encode(found)) == found


def test_names_have_the_groups_that_are_there() -> None:
    assert element("PN", b"=Ideo\\A^B==Pho ") == {
        "vr": "PN",
        "Value": [{"Ideographic": "Ideo"}, {"Alphabetic": "A^B", "Phonetic": "Pho"}],
    }
    assert element("PN", b"  ") == {"vr": "PN"}


def test_sizes_decide_what_is_bulk() -> None:
    assert "InlineBinary" in element("OB", bytes(2048))
    assert element("OB", bytes(2050)) == {"vr": "OB", "BulkDataURI": "there"}
    assert len(element("US", bytes(1024))["Value"]) == 512
    assert element("US", bytes(1026)) == {"vr": "US", "BulkDataURI": "there"}
    assert element("OW", b"\1\2", tag=0x7FE00010) == {"vr": "OW", "BulkDataURI": "there"}
    assert element("OW", b"", tag=0x7FE00010) == {"vr": "OW"}


def test_big_endian_is_turned_round() -> None:
    assert element("US", b"\0\1", order=">")["Value"] == [1]
    assert element("AT", b"\0\x10\0\x20", order=">")["Value"] == ["00100020"]
    assert element("OW", b"\0\1", order=">")["InlineBinary"] == base64.b64encode(b"\1\0").decode()


@pytest.mark.parametrize(
    ("terms", "raw", "text"),
    [
        ((), b"caf\xe9", "café"),
        (("ISO_IR 192",), "Ж".encode(), "Ж"),
        (("ISO_IR 192",), b"\xff", "\ufffd"),
        (("ISO-IR 144",), b"\xbb", "Л"),
        (("utf-8",), "é".encode(), "é"),
        (("FANTASY",), b"\xe9", "é"),
        (("GB18030",), "王\\".encode("gb18030"), "王\\"),
        (("", "ISO 2022 IR 87"), b"\x1b$B;3ED\x1b(B^x", "山田^x"),
        (("", "ISO 2022 IR 149"), b"\x1b$)C\xb1\xe8^\x1b$)C\xb1\xe8", "김^김"),
        (("ISO 2022 IR 6", "ISO 2022 IR 100"), b"\x1b-A\xe9^\xe9", "é^é"),
        (("ISO_IR 100", "ISO 2022 IR 144"), b"\x1b-L\xbb^\xe9", "Л^é"),
        ((), b"a\x1b~b", "a\x1b~b"),
    ],
)
def test_character_sets(terms: tuple[str, ...], raw: bytes, text: str) -> None:
    assert text_decoder(terms)(raw) == text


@given(st.binary(max_size=30), st.sampled_from(["", "ISO_IR 192", "GB18030", "ISO 2022 IR 87"]))
def test_any_bytes_become_text(raw: bytes, term: str) -> None:
    msgspec.json.encode(text_decoder((term,) if term else ())(raw))


@given(
    st.sampled_from(
        [
            "AE",
            "AS",
            "AT",
            "CS",
            "DA",
            "DS",
            "DT",
            "FD",
            "FL",
            "IS",
            "LO",
            "LT",
            "OB",
            "OW",
            "PN",
            "SH",
            "SL",
            "ST",
            "TM",
            "UI",
            "UL",
            "UN",
            "UR",
        ]
    ),
    st.binary(max_size=40),
    st.sampled_from("<>"),
)
def test_any_bytes_become_json(vr: str, raw: bytes, order: str) -> None:
    found = element(vr, raw, order=order)
    assert msgspec.json.decode(msgspec.json.encode(found)) == found


def nested() -> Dataset:
    inner = Dataset()
    inner.SpecificCharacterSet = "ISO_IR 144"
    inner.PatientName = "Люкceмбypг"
    inner.add_new(0x7FE00010, "OW", b"\1\2\3\4")
    inner.Rows = 5
    outer = Dataset()
    outer.SpecificCharacterSet = "ISO_IR 100"
    outer.PatientName = "Äneas^Rüdiger"
    outer.add_new(0x00091001, "UN", b"secret")
    outer.add_new(0x00090010, "LO", "ACME")
    outer.IconImageSequence = Sequence([inner, Dataset()])
    outer.add_new(0x00280106, "US", 7)
    outer.RedPaletteColorLookupTableData = bytes(4096)
    outer.add_new(0x00189073, "FD", [1.5] * 600)
    return outer


@pytest.mark.parametrize("is_read", [True, False])
def test_items_private_attributes_and_character_sets(is_read: bool) -> None:
    dataset = nested()
    if is_read:
        buffer = BytesIO()
        dataset.save_as(buffer, implicit_vr=False, little_endian=True)
        buffer.seek(0)
        dataset = pydicom.dcmread(buffer, force=True)
    found = encode(dataset, bulk_uri=uri)
    assert found["00100010"]["Value"] == [{"Alphabetic": "Äneas^Rüdiger"}]
    assert found["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}
    assert found["00090010"]["Value"] == ["ACME"]
    assert found["00091001"] == {"vr": "UN", "InlineBinary": base64.b64encode(b"secret").decode()}
    assert found["00281201"] == {"vr": "OW", "BulkDataURI": "bulk/00281201"}
    assert found["00189073"] == {"vr": "FD", "BulkDataURI": "bulk/00189073"}
    icon, empty = found["00880200"]["Value"]
    assert empty == {}
    assert icon["00100010"]["Value"] == [{"Alphabetic": "Люкceмбypг"}]
    assert icon["7FE00010"] == {"vr": "OW", "BulkDataURI": "bulk/00880200/0/7FE00010"}
    assert bulk_value(dataset, "00880200/0/7FE00010") == b"\1\2\3\4"
    assert bulk_value(dataset, "00189073") == np.full(600, 1.5, "<f8").tobytes()
    assert bulk_value(dataset, "00281201") == bytes(4096)


def test_values_set_in_python() -> None:
    dataset = Dataset()
    dataset.SliceThickness = "1.50"
    dataset.ImageType = ["ORIGINAL", "", "AXIAL"]
    dataset.FrameIncrementPointer = 0x00181063
    dataset.PatientName = None
    dataset.add_new(0x00189087, "FD", math.nan)
    dataset.add_new(0x00280120, "US or SS", 3)
    dataset.PixelRepresentation = 0
    dataset.InstanceNumber = 4
    dataset.OtherPatientIDsSequence = []
    dataset.add_new(0x00640009, "OF", None)
    assert encode(dataset, bulk_uri=uri) == {
        "00080008": {"vr": "CS", "Value": ["ORIGINAL", None, "AXIAL"]},
        "00100010": {"vr": "PN"},
        "00101002": {"vr": "SQ"},
        "00180050": {"vr": "DS", "Value": [1.5]},
        "00189087": {"vr": "FD", "Value": ["NaN"]},
        "00200013": {"vr": "IS", "Value": [4]},
        "00280009": {"vr": "AT", "Value": ["00181063"]},
        "00280103": {"vr": "US", "Value": [0]},
        "00280120": {"vr": "US", "Value": [3]},
        "00640009": {"vr": "OF"},
    }


@pytest.mark.parametrize(
    "path", ["00100020", "00880200/2/7FE00010", "00880200/x/7FE00010", "0010", "", "00100010/0/a",
             "00880200/0", "00100010", "00280106/0/00280106"],
)  # fmt: skip
def test_bulk_data_that_is_not_there(path: str) -> None:
    with pytest.raises(NotFound, match="bulk data"):
        bulk_value(nested(), path)


def test_the_dictionary_tells_vrs() -> None:
    def vr(tag: int, creator: str | None = None, *, is_signed: bool = False) -> str:
        return resolved_vr(tag, creator=lambda: creator, is_signed=lambda: is_signed)

    assert vr(0x00100010) == "PN"
    assert vr(0x00280106) == "US"
    assert vr(0x00280106, is_signed=True) == "SS"
    assert vr(0x00281201) == "OW"
    assert vr(0x00090010) == "LO"
    assert vr(0x00191008, "SIEMENS MR HEADER") == "CS"
    assert vr(0x00191008, "NOBODY") == "UN"
    assert vr(0x00191008) == "UN"
    assert vr(0x00100099) == "UN"


def test_big_endian_files_give_little_endian_bulk_data() -> None:
    big = read(FOLDER / "test_files" / "MR_small_bigendian.dcm")
    little = read(FOLDER / "test_files" / "MR_small.dcm")
    assert bulk_value(big, "7FE00010") == little.PixelData
