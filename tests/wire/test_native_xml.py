"""The Native DICOM Model: the same data as DICOM JSON, from any writer, and hostile documents."""

from __future__ import annotations

import base64
import json
import re
import urllib.request
from pathlib import Path
from typing import Any

import pydicom
import pydicom.data
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomnb.errors import ProtocolError
from dicomnb.tables import TableBuilder, columns_for
from dicomnb.wire.dicomjson import encode
from dicomnb.wire.elements import NUMBERS
from dicomnb.wire.native_xml import NAMESPACE, read, write
from tests.conftest import Orthanc, real_file

CHARSETS = {Path(path).name: Path(path) for path in pydicom.data.get_charset_files("*.dcm")}
FILES = [
    "CT_small.dcm",
    "MR_small.dcm",
    "rtplan.dcm",
    "rtstruct.dcm",
    "test-SR.dcm",
    "eCT_Supplemental.dcm",
    "liver_1frame.dcm",
    "examples_overlay.dcm",
    "chrH32.dcm",
    "chrKoreanMulti.dcm",
    "waveform_ecg.dcm",
    "UN_sequence.dcm",
]


def _path(name: str) -> Path:
    return CHARSETS.get(name) or real_file(name)


def model(inner: str, root: str = "<NativeDicomModel>") -> bytes:
    return f"{root}{inner}</NativeDicomModel>".encode()


def one(inner: str) -> Any:
    return json.loads(read(model(inner)))[0]


def value_of(vr: str, inner: str) -> Any:
    return one(f'<DicomAttribute tag="00091001" vr="{vr}">{inner}</DicomAttribute>')["00091001"]


# --- round trip --------------------------------------------------------------------------

characters = st.characters(exclude_categories=["Cs", "Cc", "Cn"], exclude_characters="\ufffd")
texts = st.text(characters, min_size=1, max_size=8).filter(lambda text: text == text.strip())
parts = st.text(st.characters(categories=["Lu", "Ll", "Lo"]), min_size=1, max_size=6)
groups = st.lists(parts, min_size=1, max_size=6).map("^".join)
names = st.dictionaries(
    st.sampled_from(["Alphabetic", "Ideographic", "Phonetic"]), groups, min_size=1
)
floats = st.floats(allow_nan=False, allow_infinity=False)
not_finite = st.sampled_from(["NaN", "Infinity", "-Infinity"])
KINDS: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("AE", "CS", "LO", "SH", "UC", "LT", "ST", "UR", "UT"), texts),
    "AS": st.sampled_from(["018M", "070Y"]),
    "AT": st.integers(0, 2**32 - 1).map("{:08X}".format),
    "DA": st.dates().map("{:%Y%m%d}".format),
    "DS": floats | st.integers(-(10**12), 10**12) | st.sampled_from(["0,5", "M"]),
    "DT": st.sampled_from(["20230131120000-0530", "2023"]),
    "FD": floats | not_finite,
    "FL": st.floats(width=32, allow_nan=False, allow_infinity=False) | not_finite,
    "IS": st.integers(-(2**31), 2**31 - 1) | st.just("1A"),
    "PN": names,
    "SL": st.integers(-(2**31), 2**31 - 1),
    "SS": st.integers(-(2**15), 2**15 - 1),
    "SV": st.integers(-(2**63), 2**63 - 1),
    "TM": st.sampled_from(["101500.5", "10"]),
    "UI": st.sampled_from(["1.2.840", "1.2.3"]),
    "UL": st.integers(0, 2**32 - 1),
    "US": st.integers(0, 2**16 - 1),
    "UV": st.integers(0, 2**64 - 1),
}
BINARY = ("OB", "OD", "OF", "OL", "OV", "OW", "UN")
tags = st.integers(0x00080000, 0xFFFFFFFF).map("{:08X}".format)


def of_values(vr: str) -> st.SearchStrategy[Any]:
    lists = st.lists(KINDS[vr] | st.none(), min_size=1, max_size=4)
    return lists.filter(any_value).map(lambda values: {"vr": vr, "Value": values})


def any_value(values: list[Any]) -> bool:
    return any(value is not None for value in values)


def binary(vr: str) -> st.SearchStrategy[Any]:
    inline = st.binary(min_size=1).map(lambda raw: base64.b64encode(raw).decode())
    references = st.sampled_from(["https://a/b?c=1&d=2", "../x", "urn:uuid:0d-1"])
    return inline.map(lambda text: {"vr": vr, "InlineBinary": text}) | references.map(
        lambda text: {"vr": vr, "BulkDataURI": text}
    )


simple = (
    st.sampled_from(sorted(KINDS)).flatmap(of_values)
    | st.sampled_from(BINARY).flatmap(binary)
    | st.sampled_from([*KINDS, *BINARY, "SQ"]).map(lambda vr: {"vr": vr})
)
elements = st.recursive(
    simple,
    lambda inner: st.lists(st.dictionaries(tags, inner, max_size=3), min_size=1, max_size=3).map(
        lambda items: {"vr": "SQ", "Value": items}
    ),
    max_leaves=8,
)


@given(st.dictionaries(tags, elements, max_size=6))
def test_what_is_written_is_read_again(dataset: dict[str, Any]) -> None:
    assert json.loads(read(write(dataset))) == [dataset]


@pytest.mark.parametrize("name", FILES)
def test_real_files_make_the_same_json_by_way_of_xml(name: str) -> None:
    dataset = pydicom.dcmread(_path(name), force=True)
    by_json = encode(dataset, bulk_uri="bulk/{}".format)
    assert _tidy(json.loads(read(write(by_json)))) == _tidy([by_json])


@pytest.mark.parametrize("name", ["CT_small.dcm", "rtplan.dcm", "chrH32.dcm", "test-SR.dcm"])
def test_pydicoms_json_comes_through_too(name: str) -> None:
    dataset = pydicom.dcmread(_path(name), force=True)
    theirs = json.loads(dataset.to_json())
    again = json.loads(read(write(theirs)))[0]
    assert _tidy(again) == _tidy(theirs)


def _tidy(dataset: Any) -> Any:
    """Without trailing blanks and carets, empty names and values, which mean nothing."""
    if isinstance(dataset, dict):
        tidied = {key: _tidy(value) for key, value in dataset.items()}
        if not any_value(tidied.get("Value") or [None]):
            tidied.pop("Value", None)
        return tidied if tidied.get("Alphabetic", "") is not None else None
    if isinstance(dataset, list):
        return [_tidy(value) for value in dataset]
    return dataset.strip(" ^") or None if isinstance(dataset, str) else dataset


def test_what_is_written_says_what_the_standard_asks_for() -> None:
    document = write(
        {
            "00090010": {"vr": "LO", "Value": ["ACME <&> 1"]},
            "00091001": {"vr": "DS", "Value": [1.5, None, 3]},
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^^X", "Ideographic": "山"}]},
            "7FE00010": {"vr": "OW", "BulkDataURI": "urn:uuid:5-6"},
        }
    ).decode()
    assert f'<NativeDicomModel xmlns="{NAMESPACE}" xml:space="preserve">' in document
    assert (
        '<DicomAttribute tag="00091001" vr="DS" privateCreator="ACME &lt;&amp;&gt; 1">'
        '<Value number="1">1.5</Value><Value number="3">3</Value></DicomAttribute>'
    ) in document
    assert (
        '<DicomAttribute tag="00100010" vr="PN" keyword="PatientName"><PersonName number="1">'
        "<Alphabetic><FamilyName>Doe</FamilyName><MiddleName>X</MiddleName></Alphabetic>"
        "<Ideographic><FamilyName>山</FamilyName></Ideographic></PersonName>"
    ) in document
    assert '<BulkData uuid="5-6"/>' in document


@pytest.mark.parametrize("text", ["a\r\nb\tc\n", "<x>&amp;\"'", "]]>", "a\x1b[0mb", "\ud800"])
def test_any_text_can_be_written(text: str) -> None:
    found = one_text(read(write({"00204000": {"vr": "LT", "Value": [text]}})))
    assert found == re.sub("[\x1b\ud800]", "\ufffd", text)


def one_text(page: bytes) -> Any:
    return json.loads(page)[0]["00204000"]["Value"][0]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["vr", "Value", "00100010", "BulkDataURI", "Alphabetic", "x"]),
                inner,
                max_size=3,
            )
        ),
    )
)
def test_odd_json_is_written_as_well_formed_xml(element: Any) -> None:
    read(write({"00100010": element, "no tag": element, "00091001": element}))


# --- what others write -------------------------------------------------------------------


def test_orthanc_says_the_same_in_xml_and_in_json(orthanc: Orthanc) -> None:
    for name in ("CT_small.dcm", "rtplan.dcm", "test-SR.dcm", "chrH32.dcm"):
        data = _path(name).read_bytes()
        stored: Any = orthanc.ask("/instances", data)
        tags: Any = orthanc.ask(f"/instances/{stored['ID']}/simplified-tags")
        path = (
            f"{orthanc.url}/studies/{tags['StudyInstanceUID']}/series/"
            f"{tags['SeriesInstanceUID']}/instances/{tags['SOPInstanceUID']}/metadata"
        )
        by_xml = json.loads(read(*_parts(path)))
        accept = {"Accept": "application/dicom+json"}
        with urllib.request.urlopen(urllib.request.Request(path, headers=accept)) as answer:
            by_json = json.loads(answer.read())
        assert _rounded(_tidy(by_xml[0])) == _rounded(_tidy(by_json[0]))


def _parts(url: str) -> list[bytes]:
    accept = {"Accept": 'multipart/related; type="application/dicom+xml"'}
    with urllib.request.urlopen(urllib.request.Request(url, headers=accept)) as answer:
        boundary = re.search('boundary="?([^";]+)', answer.headers["Content-Type"])
        assert boundary is not None
        pieces = answer.read().split(b"--" + boundary[1].encode())
    return [piece.partition(b"\r\n\r\n")[2].rstrip(b"\r\n") for piece in pieces[1:-1]]


def _rounded(value: Any) -> Any:
    """Orthanc writes numbers with nine digits in XML, and line ends as XML reads them."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    if isinstance(value, str):
        return value.replace("\r\n", "\n").replace("\r", "\n")
    return float(f"{value:.6g}") if isinstance(value, int | float) else value


@pytest.mark.parametrize(
    "root",
    [
        "<NativeDicomModel>",
        f'<NativeDicomModel xmlns="{NAMESPACE}">',
        '<?xml version="1.0" encoding="UTF-8"?>\n<NativeDicomModel xml:space="preserve">',
        '<NativeDicomModel xmlns="http://example.org/other">',
        "\ufeff<NativeDicomModel>",
    ],
)
def test_the_namespace_may_be_any_or_none(root: str) -> None:
    inner = '<DicomAttribute tag="0020000d" vr="UI"><Value number="1">1.2</Value></DicomAttribute>'
    assert json.loads(read(model(inner, root))) == [{"0020000D": {"vr": "UI", "Value": ["1.2"]}}]


def test_several_documents_and_several_models_are_rows_in_their_order() -> None:
    inner = '<DicomAttribute tag="00200013" vr="IS"><Value number="1">{}</Value></DicomAttribute>'
    several = b"<all>" + model(inner.format(2)) + b"<!-- x -->" + model(inner.format(3)) + b"</all>"
    rows = json.loads(read(model(inner.format(1)), several))
    assert [row["00200013"]["Value"] for row in rows] == [[1], [2], [3]]
    assert read() == b"[]"


def test_numbers_place_values() -> None:
    three = '<Value number="3">c</Value><Value number="1">a</Value>'
    assert value_of("LO", three) == {"vr": "LO", "Value": ["a", None, "c"]}
    assert value_of("LO", '<Value number="1"/>') == {"vr": "LO"}
    assert value_of("LO", "") == {"vr": "LO"}
    assert value_of("LO", "<Value>a</Value><Value>b</Value>")["Value"] == ["a", "b"]
    twice = '<Value number="1">a</Value><Value number="1">b</Value>'
    assert value_of("LO", twice)["Value"] == ["a", "b"]
    far = '<Value number="99999999999">a</Value><Value number="1">b</Value>'
    assert value_of("LO", far)["Value"] == ["b", "a"]
    assert value_of("LO", '<Value number="-1">a</Value><Value number="x">b</Value>')["Value"] == [
        "a",
        "b",
    ]


def test_items_go_by_their_number() -> None:
    item = (
        '<Item number="{0}"><DicomAttribute tag="00080060" vr="CS">'
        '<Value number="1">{0}</Value></DicomAttribute></Item>'
    )
    found = value_of("SQ", item.format(7) + item.format(2) + '<Item number="9"/>')
    assert [one.get("00080060", {}).get("Value") for one in found["Value"]] == [["2"], ["7"], None]
    assert value_of("SQ", "") == {"vr": "SQ"}


@pytest.mark.parametrize("vr", [*NUMBERS, "DS", "IS"])
def test_a_bad_number_stays_text(vr: str) -> None:
    found = value_of(vr, '<Value number="1"> 7 </Value><Value number="2">x\\1</Value>')
    assert found["Value"] == [7, "x\\1"]


def test_what_is_not_finite() -> None:
    inner = "".join(f"<Value>{text}</Value>" for text in ("NaN", "INF", "-INF", "Infinity", "nan"))
    assert value_of("FD", inner)["Value"] == ["NaN", "Infinity", "-Infinity", "Infinity", "NaN"]


def test_names_in_every_form() -> None:
    parts = (
        "<PersonName number='1'><Alphabetic><GivenName>Jane</GivenName><FamilyName>Doe"
        "</FamilyName><NameSuffix>III</NameSuffix></Alphabetic><Phonetic>Do^Ja</Phonetic>"
        "</PersonName>"
    )
    assert value_of("PN", parts)["Value"] == [{"Alphabetic": "Doe^Jane^^^III", "Phonetic": "Do^Ja"}]
    assert value_of("PN", "<Value number='1'>A^B==C</Value>")["Value"] == [
        {"Alphabetic": "A^B", "Phonetic": "C"}
    ]
    assert value_of("PN", "<PersonName>A^B</PersonName>")["Value"] == [{"Alphabetic": "A^B"}]
    assert value_of("PN", "<PersonName number='1'><Alphabetic/></PersonName>") == {"vr": "PN"}


def test_binary_values() -> None:
    assert value_of("OB", "<InlineBinary>\n AQ\n ID </InlineBinary>")["InlineBinary"] == "AQID"
    assert value_of("OW", '<BulkData uri="../b" uuid="1"/>') == {"vr": "OW", "BulkDataURI": "../b"}
    assert value_of("OW", '<BulkData URI="../b"/>') == {"vr": "OW", "BulkDataURI": "../b"}
    assert value_of("OW", '<BulkData uuid="1-2"/>')["BulkDataURI"] == "urn:uuid:1-2"


def test_a_private_tag_gets_the_block_of_its_creator() -> None:
    private = (
        '<DicomAttribute tag="000900{0}" vr="LO" privateCreator="{1}">'
        '<Value number="1">{0}</Value></DicomAttribute>'
    )
    reserved = '<DicomAttribute tag="00090011" vr="LO"><Value number="1">B</Value></DicomAttribute>'
    found = one(private.format("01", "A") + reserved + private.format("02", "B"))
    assert found == {
        "00090010": {"vr": "LO", "Value": ["A"]},
        "00090011": {"vr": "LO", "Value": ["B"]},
        "00091001": {"vr": "LO", "Value": ["01"]},
        "00091102": {"vr": "LO", "Value": ["02"]},
    }


def test_a_missing_vr_or_tag_is_looked_up() -> None:
    found = one(
        '<DicomAttribute tag="00200013"><Value number="1">7</Value></DicomAttribute>'
        '<DicomAttribute keyword="Rows" vr="US"><Value number="1">8</Value></DicomAttribute>'
        '<DicomAttribute keyword="Nonsense" vr="US"/><DicomAttribute vr="LO"/>'
    )
    assert found["00200013"] == {"vr": "IS", "Value": [7]}
    assert found["00280010"] == {"vr": "US", "Value": [8]}
    assert {"Nonsense", ""} < set(found)


# --- documents that are no such thing, or worse ------------------------------------------

LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><NativeDicomModel>&b;</NativeDicomModel>'
)


@pytest.mark.parametrize(
    "body",
    [
        b"<html><body>Please log in</body></html>",
        b"<!DOCTYPE html><html></html>",
        LAUGHS.encode(),
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><NativeDicomModel/>',
        model("<DicomAttribute tag='00100010' vr='PN'>")[:40],
        b"",
        b"   ",
        b"{}",
        b"\xff\xfe\x00",
        b'<?xml version="1.0" encoding="nonsense"?><NativeDicomModel/>',
        b'<?xml version="1.0" encoding="utf-7"?><NativeDicomModel/>',
        b"<NativeDicomModel>\0</NativeDicomModel>",
    ],
)
def test_what_is_no_native_model_is_refused_and_shown(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="It begins:") as caught:
        read(body)
    assert body[:30].decode("utf-8", "replace") in str(caught.value)


def test_items_nested_without_end_are_refused() -> None:
    depth = 20_000
    inner = '<DicomAttribute tag="00081140" vr="SQ"><Item number="1">' * depth
    with pytest.raises(ProtocolError, match="deeper"):
        read(model(inner + "</Item></DicomAttribute>" * depth))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_read(body: bytes) -> None:
    try:
        json.loads(read(body))
    except ProtocolError:
        return
    assert b"NativeDicomModel" in body


def test_a_table_is_the_same_from_xml_and_from_json() -> None:
    dataset = pydicom.dcmread(real_file("CT_small.dcm"))
    row = encode(dataset, bulk_uri=str)
    tables = []
    for page in (json.dumps([row]).encode(), read(write(row))):
        builder = TableBuilder(columns_for("instance"), level="instance", others=True)
        builder.add(page)
        tables.append(builder.finish())
    assert tables[0].shape[1] > 60
    assert tables[0].equals(tables[1])
    assert tables[0].dtypes.equals(tables[1].dtypes)


def test_the_files_are_there() -> None:
    assert Path(pydicom.data.__file__).exists()
    assert all(_path(name).exists() for name in FILES)
