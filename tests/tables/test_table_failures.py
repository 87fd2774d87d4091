"""Inputs that broke real clients: one bad value never costs the table."""

import json
import math
import warnings

import pandas as pd
import pytest

from dicomnb.attributes import column_name
from dicomnb.errors import DicomnbWarning, ProtocolError
from dicomnb.tables import TableBuilder, columns_for, issues_of

UID = "1.2.3"
GOOD = {
    "00080018": {"vr": "UI", "Value": ["1.2.3.4"]},
    "00100020": {"vr": "LO", "Value": ["P1"]},
    "00180050": {"vr": "DS", "Value": [2.5]},
}


def build(rows, columns=None, level="instance"):
    """A table of rows of DICOM JSON (or of raw bytes) and its oddities."""
    page = rows if isinstance(rows, bytes) else json.dumps(rows).encode()
    builder = TableBuilder(columns, level=level)
    builder.add(page)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = builder.finish()
    issues = issues_of(table)
    assert len(caught) == (1 if len(issues) else 0)
    return table, issues


# tag, element, cell (None: missing), whether it is reported
CASES = [
    ("00180050", {"vr": "DS", "Value": [""]}, None, False),
    ("00180050", {"vr": "DS", "Value": ["0,5"]}, None, True),
    ("00180050", {"vr": "DS", "Value": ["M"]}, None, True),
    ("00180050", {"vr": "DS", "Value": ["0\0"]}, 0.0, True),
    ("00180050", {"vr": "DS", "Value": ["US"]}, None, True),
    ("00180050", {"vr": "DS", "Value": ["1_000"]}, None, True),
    ("00180050", {"vr": "DS", "Value": ["nan"]}, None, True),
    ("00180050", {"vr": "DS", "Value": [" 1.25 "]}, 1.25, False),
    ("00180050", {"vr": "DS", "Value": [True]}, None, True),
    ("00180050", {"vr": "DS", "Value": [10**400]}, None, True),
    ("00200013", {"vr": "IS", "Value": ["14.5"]}, None, True),
    ("00200013", {"vr": "IS", "Value": [14.5]}, None, True),
    ("00200013", {"vr": "IS", "Value": [14.0]}, 14, False),
    ("00200013", {"vr": "IS", "Value": [2**63]}, None, True),
    ("00280010", {"vr": "US", "Value": ["512"]}, 512, True),
    ("00189073", {"vr": "FD", "Value": ["NaN"]}, None, True),
    ("00189073", {"vr": "FD", "Value": [None]}, None, False),
    ("00189074", {"vr": "DT", "Value": ["20230230"]}, None, True),
    ("00182042", {"vr": "UI", "Value": None}, None, False),
    ("00100020", {"Value": ["P2"]}, "P2", False),
    ("00100020", {"vr": "", "Value": ["P2"]}, "P2", False),
    ("00100020", {"vr": "LO", "Value": None}, None, False),
    ("00100020", {"vr": "LO", "Value": [None]}, None, False),
    ("00100020", {"vr": "LO", "Value": []}, None, False),
    ("00100020", {"vr": "LO"}, None, False),
    ("00100020", None, None, False),
    ("00100020", "P2", None, True),
    ("00100020", {"vr": "LO", "Value": "P2"}, "P2", True),
    ("00100020", {"vr": "LO", "Value": 7}, "7", True),
    ("00100020", {"vr": "LO", "Value": [["P2"]]}, None, True),
    ("00100020", {"vr": "LO", "Value": ["P2", "P3"]}, "P2", True),
    ("00100020", {"vr": "LO", "Value": ["P\x002"]}, "P\x002", True),
    ("00100020", {"vr": "LO", "Value": ["\ud800"]}, "\ufffd", True),
    ("00100020", {"vr": "LO", "InlineBinary": "AAAA"}, None, True),
    ("00100010", {"vr": "PN", "Value": ["Doe^John"]}, "Doe^John", True),
    ("00100010", {"vr": "PN", "Value": [{"Ideographic": "山田^太郎"}]}, "山田^太郎", False),
    ("00100010", {"vr": "PN", "Value": [{"Phonetic": "やまだ"}]}, "やまだ", False),
    ("00100010", {"vr": "PN", "Value": [{"Alphabetic": "", "Phonetic": "x"}]}, "x", False),
    ("00100010", {"vr": "PN", "Value": [{}]}, None, False),
    ("00100010", {"vr": "PN", "Value": [{"Alphabetic": 5}]}, "5", True),
    ("00100010", {"vr": "PN", "Value": [{"Family": "Doe"}]}, None, True),
    ("7FE00010", {"vr": "OW", "BulkDataURI": ""}, None, True),
    ("7FE00010", {"vr": "OB"}, None, False),
    ("7FE00010", {"vr": "OW", "BulkDataURI": "http://x/1"}, "http://x/1", False),
    ("7FE00010", {"vr": "OW", "BulkDataURI": 5}, None, True),
    ("7FE00010", {"vr": "OW", "InlineBinary": "AAEC"}, b"\0\1\2", False),
    ("7FE00010", {"vr": "OW", "InlineBinary": "no base64!"}, None, True),
    ("7FE00010", {"vr": "OW", "InlineBinary": ["AAEC"]}, None, True),
    ("7FE00010", {"vr": "OW", "Value": [1, 2]}, (1, 2), True),
    ("00283006", {"vr": "US", "Value": [1, 2]}, (1, 2), False),  # "US or OW" by the dictionary
    ("0040A160", {"vr": "UT", "BulkDataURI": "http://x/2"}, "http://x/2", False),
    ("00280030", {"vr": "DS", "BulkDataURI": "http://x/3"}, None, True),
    ("00080020", {"vr": "DA", "BulkDataURI": "http://x/4"}, None, True),
    ("00280009", {"vr": "AT", "Value": [1577059]}, ("FrameTime",), True),
    ("00280009", {"vr": "AT", "Value": ["00181063"]}, ("FrameTime",), False),
    ("00280009", {"vr": "AT", "Value": ["00091001"]}, ("0009,1001",), False),
    ("00280009", {"vr": "AT", "Value": ["FrameTime"]}, None, True),
    ("0020000D", {"vr": "UI", "Value": ["/../../x"]}, None, True),
    ("0020000D", {"vr": "UI", "Value": [".."]}, None, True),
    ("0020000D", {"vr": "UI", "Value": [""]}, None, False),
    ("0020000D", {"vr": "UI", "Value": ["1.2.abc"]}, "1.2.abc", True),
    ("0020000D", {"vr": "UI", "Value": ["1" * 65]}, "1" * 65, True),
    ("0020000D", {"vr": "UI", "Value": ["1.2.3\0"]}, "1.2.3", True),
    ("00080020", {"vr": "DA", "Value": ["00010101"]}, pd.Timestamp("0001-01-01"), False),
    ("00080020", {"vr": "DA", "Value": ["00/00/0000"]}, None, True),
    ("00080020", {"vr": "DA", "Value": ["1997.04.24"]}, pd.Timestamp("1997-04-24"), False),
    ("00080020", {"vr": "DA", "Value": ["20150001"]}, None, True),
    ("00080020", {"vr": "DA", "Value": ["99991231"]}, pd.Timestamp("9999-12-31"), False),
    ("00080030", {"vr": "TM", "Value": ["10:11:12"]}, pd.Timedelta("10:11:12"), False),
    ("00080030", {"vr": "TM", "Value": ["1011"]}, pd.Timedelta("10:11:00"), False),
    ("00080030", {"vr": "TM", "Value": ["256060"]}, None, True),
    ("00101010", {"vr": "AS", "Value": ["42"]}, None, True),
    ("00101010", {"vr": "AS", "Value": ["   Y"]}, None, True),
    ("00101010", {"vr": "AS", "Value": ["018M"]}, 1.5, False),
    ("00080008", {"vr": "CS", "Value": ["A", None, "B"]}, ("A", None, "B"), False),
    ("00080008", {"vr": "CS", "Value": ["ORIGINAL"]}, ("ORIGINAL",), False),
    ("00080008", {"vr": "CS", "Value": ["", ""]}, None, False),
    ("00200032", {"vr": "DS", "Value": ["1", "x", "3"]}, None, True),
    ("00200032", {"vr": "DS", "Value": [1, "2.5", 3]}, (1.0, 2.5, 3.0), False),
    ("00081140", {"vr": "SQ"}, None, False),
    ("00081140", {"vr": "SQ", "Value": [None]}, None, False),
    ("00081140", {"vr": "SQ", "Value": [{}]}, ({},), False),
    ("00081140", {"vr": "SQ", "Value": ["x", {}]}, ({}, {}), True),
    (
        "00081140",
        {
            "vr": "SQ",
            "Value": [
                {
                    "00081155": {"vr": "UI", "Value": [None]},
                    "0040A30A": {"vr": "DS", "Value": ["bad"]},
                }
            ],
        },
        ({"ReferencedSOPInstanceUID": None, "NumericValue": None},),
        True,
    ),
    (
        "00081140",
        {"vr": "SQ", "Value": [{"0040A160": {"vr": "UT", "BulkDataURI": "http://x/5"}}]},
        ({"TextValue": "http://x/5"},),
        False,
    ),
    ("00081140", {"vr": "SQ", "Value": [{"PatientID": {"vr": "LO"}}]}, ({},), True),
    ("00091001", {"vr": "DS", "Value": ["1.5"]}, (1.5,), False),
    ("00091001", {"vr": "UN", "InlineBinary": "AAEC"}, b"\0\1\2", False),
    ("00091001", {"Value": ["a", 2]}, ("a", 2), False),
    ("00091001", {"vr": "??", "Value": [{"a": 1}]}, None, True),
    (
        "00091001",
        {"vr": "SQ", "Value": [{"00091002": {"vr": "LO", "Value": ["x"]}}]},
        ({"0009,1002": ("x",)},),
        False,
    ),
]  # fmt: skip


@pytest.mark.parametrize("others", [False, True], ids=["known", "all"])
@pytest.mark.parametrize(("tag", "element", "cell", "reported"), CASES)
def test_the_cell_and_the_report(tag, element, cell, reported, others):
    rows = [GOOD, {**GOOD, tag: element}, GOOD]
    columns = None if others else [*GOOD, "PatientID", "SOPInstanceUID", tag]
    table, issues = build(rows, columns)
    name = column_name(tag)
    came = table[name].iloc[1]
    if cell is None:
        assert came is None or pd.isna(came)
    elif isinstance(cell, float):
        assert math.isclose(came, cell)
    else:
        assert came == cell
        assert isinstance(came, tuple) == isinstance(cell, tuple)
    assert (len(issues) > 0) == reported
    if reported:
        issue = issues.iloc[0]
        assert issue.UID == "1.2.3.4"
        assert issue.Keyword.split(".")[0].split("[")[0] == name
        assert issue.Raw
        assert issue.Problem
    if tag != "00100020":
        assert table.PatientID.tolist() == ["P1"] * 3


def test_infinities_are_read_and_reported():
    rows = [{**GOOD, "00720076": {"vr": "FL", "Value": ["-Infinity", -1]}}]
    table, issues = build(rows)
    assert table.SelectorFLValue[0] == (-math.inf, -1.0)
    assert issues.Keyword.tolist() == ["SelectorFLValue"]


def test_nan_as_python_and_java_write_it():
    page = b'[{"00080018":{"vr":"UI","Value":["1.2"]},"00189073":{"vr":"FD","Value":[NaN]},' + (
        b'"00180050":{"vr":"DS","Value":[Infinity]},"00100020":{"vr":"LO","Value":["P1"]}}]'
    )
    table, issues = build(page)
    assert table.PatientID[0] == "P1"
    assert math.isnan(table.AcquisitionDuration[0])
    assert math.isnan(table.SliceThickness[0])
    assert sorted(issues.Keyword) == ["AcquisitionDuration", "SliceThickness"]


@pytest.mark.parametrize("columns", [None, ["PatientID", "PatientName", "SOPInstanceUID"]])
def test_bytes_that_are_no_utf8_cost_one_cell(columns):
    page = json.dumps(
        [GOOD, {**GOOD, "00100010": {"vr": "PN", "Value": [{"Alphabetic": "M?ller"}]}}]
    )
    table, issues = build(page.encode().replace(b"?", b"\xfc"), columns)
    assert table.PatientName.iloc[1] == "M\ufffdller"
    assert table.PatientID.tolist() == ["P1", "P1"]
    assert issues.Keyword.tolist() == ["PatientName"]


def test_bare_control_characters_and_a_byte_order_mark():
    page = b'\xef\xbb\xbf[{"00100020":{"vr":"LO","Value":["P\n1"]}}]'
    table, _ = build(page)
    assert table.PatientID[0] == "P\n1"


def test_very_long_numbers():
    page = (
        b'[{"00200013":{"vr":"IS","Value":['
        + b"9" * 5000
        + b']},"00100020":{"vr":"LO","Value":["P"]}}]'
    )
    table, issues = build(page)
    assert table.InstanceNumber.isna()[0]
    assert len(issues) == 1


def test_tags_in_lower_case():
    page = b'[{"0020000d":{"vr":"UI","Value":["1.2"]}}]'
    for columns in (None, ["StudyInstanceUID"]):
        table, issues = build(page, columns, level="study")
        assert table.StudyInstanceUID[0] == "1.2"
        assert len(issues) == 0


def test_a_single_object_is_one_row():
    table, issues = build(json.dumps(GOOD).encode(), ["PatientID"])
    assert table.PatientID.tolist() == ["P1"]
    assert len(issues) == 0


@pytest.mark.parametrize("page", [b"", b"  \n", b"[]", b"[ ]"])
def test_nothing_found(page):
    builder = TableBuilder(columns_for("study"), level="study")
    assert builder.add(page) == 0
    table = builder.finish()
    assert tuple(table.columns) == columns_for("study")
    assert len(table) == 0


def test_rows_that_are_no_data_set_are_counted_and_reported():
    builder = TableBuilder(["PatientID"], level="study")
    page = json.dumps([GOOD, None, "x", 5, {}]).encode()
    assert builder.add(page) == 5
    with pytest.warns(DicomnbWarning, match="3 odd value"):
        table = builder.finish()
    assert table.PatientID.isna().tolist() == [False, True, True, True, True]
    assert issues_of(table).Raw.tolist() == ["null", '"x"', "5"]


def test_keys_that_are_no_tag_are_reported_where_everything_is_wanted():
    rows = [{**GOOD, "PatientName": {"vr": "PN"}, "00100zzz": 1}]
    table, issues = build(rows)
    assert sorted(issues.Raw) == ['"00100zzz"', '"PatientName"']
    assert not [name for name in table.columns if "zzz" in name]


@pytest.mark.parametrize(
    "page",
    [
        b"<!DOCTYPE html><html><title>Sign in</title></html>",
        json.dumps([GOOD] * 3).encode()[:-20],
        b'"DICOM instance does not exist."',
        b"no supported media type found",
        b'{"error":{"code":401,"message":"no","status":"UNAUTHENTICATED"}}',
        b'[{"error":{"code":401}}]',
        b"null",
        b"5",
        b'["a","b"]',
        b"\x89PNG\r\n\x1a\n" + bytes(500),
        b"[" * 200_000,
        b'{"00081140":{"vr":"SQ","Value":[' * 20_000,
    ],
)
@pytest.mark.parametrize("columns", [None, ["PatientID"]])
def test_what_is_no_dicom_json_at_all(page, columns):
    builder = TableBuilder(columns, level="study")
    builder.add(json.dumps([GOOD]).encode())
    with pytest.raises(ProtocolError, match="not DICOM JSON") as caught:
        builder.add(page)
    beginning = page[:40].decode("utf-8", errors="replace")
    assert beginning in str(caught.value)
    assert len(str(caught.value)) < 600
    assert len(builder.finish()) == 1  # what came before is kept


def test_deep_nesting_is_cut():
    element = {"vr": "LO", "Value": ["x"]}
    for _ in range(60):
        element = {"vr": "SQ", "Value": [{"00081140": element}]}
    table, issues = build([{**GOOD, "00081140": element}])
    assert "nested deeper" in issues.Problem[0]
    assert table.PatientID[0] == "P1"


def test_many_oddities_are_capped_and_counted():
    rows = [{**GOOD, "00180050": {"vr": "DS", "Value": ["x" * 5000]}}] * 1000
    builder = TableBuilder(["SOPInstanceUID", "SliceThickness"], level="instance")
    for start in range(0, 1000, 100):
        builder.add(json.dumps(rows[start : start + 100]).encode())
    with pytest.warns(DicomnbWarning, match="^1000 odd value"):
        table = builder.finish()
    issues = issues_of(table)
    assert issues.attrs["count"] == 1000
    assert len(issues) == 200
    assert issues.Raw.str.len().max() <= 80
    assert len(table.attrs["oddities"]) < 100_000


def test_the_uid_of_an_oddity_falls_back_to_what_the_row_has():
    bad = {"vr": "DA", "Value": ["x"]}
    study = {"0020000D": {"vr": "UI", "Value": ["1.1"]}, "00080020": bad}
    series = {**study, "0020000E": {"vr": "UI", "Value": ["1.2"]}}
    _, issues = build([study, series, {"00080020": bad}])
    assert issues.UID.tolist() == ["1.1", "1.2", ""]
