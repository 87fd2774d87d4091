"""Columns on request: parts, raw text, paths, flattened sequences, frames, private creators."""

from __future__ import annotations

import json
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dicomnb as dn
from dicomnb.tables import TableBuilder, columns_for, frame_rows, issues_of
from dicomnb.vr import TEXT_DTYPE
from tests.conftest import real_file
from tests.tables.test_table_properties import ATTRIBUTES, build, pages

NAME = {"Alphabetic": "Doe^Jane^^Dr", "Ideographic": "山田^太郎", "Phonetic": "やまだ"}


def table_of(*rows: Any, columns: Any = None, **more: Any) -> pd.DataFrame:
    builder = TableBuilder(columns, level="instance", **more)
    for row in rows:  # a page each
        builder.add(json.dumps([row]).encode())
    return builder.finish()


# --- parts -------------------------------------------------------------------------------


def test_parts_of_names() -> None:
    names = [f"PatientName.{part}" for part in ("Family", "Given", "Prefix", "Suffix")]
    names += ["PatientName.Ideographic", "PatientName.Phonetic", "PatientName.Raw"]
    table = table_of(
        {"00100010": {"vr": "PN", "Value": [NAME]}},
        {"00100010": {"vr": "PN", "Value": [{"Ideographic": "王^小东"}]}},
        {"00100010": {"vr": "PN"}},
        {"00100020": {"vr": "LO", "Value": ["x"]}},
        columns=["PatientID", *names],
    )
    assert list(table.columns) == ["PatientID", *names]
    assert set(table.dtypes.astype(str)) == {TEXT_DTYPE}
    assert table.iloc[0, 1:].tolist()[:2] == ["Doe", "Jane"]
    assert table["PatientName.Prefix"][0] == "Dr"
    assert pd.isna(table["PatientName.Suffix"][0])
    assert table["PatientName.Ideographic"][0] == "山田^太郎"
    assert table["PatientName.Raw"][0] == "Doe^Jane^^Dr=山田^太郎=やまだ"
    assert table["PatientName.Family"].tolist()[:2] == ["Doe", "王"]
    assert table["PatientName.Family"][2:].isna().all()


def test_parts_of_several_names_are_tuples() -> None:
    row = {"00081060": {"vr": "PN", "Value": [NAME, None, {"Alphabetic": "Roe"}]}}
    table = table_of(row, columns=["NameOfPhysiciansReadingStudy.Family"])
    assert table.iloc[0, 0] == ("Doe", None, "Roe")


def test_raw_text_of_anything() -> None:
    names = ("StudyDate", "ImagePositionPatient", "InstanceNumber", "PatientAge", "Rows")
    with pytest.warns(dn.DicomnbWarning):
        table = table_of(
            {
                "00080020": {"vr": "DA", "Value": ["1997.04.24"]},
                "00200032": {"vr": "DS", "Value": ["1.50", None, 2]},
                "00200013": {"vr": "IS", "Value": ["14.5"]},
                "00101010": {"vr": "AS", "Value": ["042Y"]},
                "00280010": 5,
            },
            columns=[*names, *(f"{name}.Raw" for name in names)],
        )
    raw = table.iloc[0, 5:].tolist()
    assert raw == ["1997.04.24", "1.50\\\\2", "14.5", "042Y", "5"]
    assert table.StudyDate[0] == pd.Timestamp("1997-04-24")
    assert pd.isna(table.InstanceNumber[0])


def test_a_date_time_brings_its_offset() -> None:
    rows = [
        {"0008002A": {"vr": "DT", "Value": [text]}}
        for text in ("20230131120000-0530", "20230131120000", "20230131+0100", "nonsense")
    ]
    with pytest.warns(dn.DicomnbWarning):
        table = table_of(*rows, columns=["AcquisitionDateTime", "PatientID"])
    assert list(table.columns) == ["AcquisitionDateTime", "AcquisitionDateTime.Offset", "PatientID"]
    offsets = table["AcquisitionDateTime.Offset"]
    assert str(offsets.dtype) == "Int64"
    assert offsets[0] == -330
    assert offsets[2] == 60
    assert offsets[[1, 3]].isna().all()
    assert table.AcquisitionDateTime[0] == pd.Timestamp("2023-01-31 12:00")
    everything = table_of(rows[0])
    assert list(everything.columns)[-2:] == ["AcquisitionDateTime", "AcquisitionDateTime.Offset"]
    assert "AcquisitionDateTime.Offset" in table_of(columns=["AcquisitionDateTime"])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("PatientName.Familie", "Family, Given"),
        ("StudyDate.Offset", "has no part 'Offset'. It has Raw"),
        ("PatientNane.Family", "PatientName"),
        ("RequestAttributesSequence.Nonsense", "no keyword"),
    ],
)
def test_a_misspelt_part_is_an_error(name: str, words: str) -> None:
    with pytest.raises(dn.BadQuery, match=words):
        TableBuilder([name], level="study")


@settings(max_examples=60, deadline=None)
@given(pages)
def test_parts_of_any_json_have_their_types(rows_by_page: Any) -> None:
    names = [f"{one.column}.Raw" for one in ATTRIBUTES if one.vr != "SQ"]
    names += [f"{one.column}.Family" for one in ATTRIBUTES if one.vr == "PN"]
    names += [f"{one.column}.Offset" for one in ATTRIBUTES if one.vr == "DT"]
    table = build(rows_by_page, [*names, "SOPInstanceUID"])
    raw = [name for name in names if name.endswith(".Raw")]
    assert list(table.columns) == [*names, "SOPInstanceUID"]
    assert set(table[raw].dtypes.astype(str)) == {TEXT_DTYPE}
    base = build(rows_by_page, [name.removesuffix(".Raw") for name in raw])
    for name in raw:  # where there is a value there is its text
        assert not (base[name.removesuffix(".Raw")].notna() & table[name].isna()).any()


# --- sequences ---------------------------------------------------------------------------


def requests(*steps: Any) -> dict[str, Any]:
    items = [{"00400009": {"vr": "SH", "Value": [step]}} if step else {} for step in steps]
    return {"00400275": {"vr": "SQ", "Value": items}}


STEP = "RequestAttributesSequence.ScheduledProcedureStepID"


def test_a_path_is_a_column_of_its_type() -> None:
    table = table_of(requests("a"), {"00100020": {"vr": "LO", "Value": ["x"]}}, columns=[STEP])
    assert table[STEP].tolist()[0] == "a"
    assert list(table.columns) == [STEP]
    assert str(table[STEP].dtype) == TEXT_DTYPE
    none = table_of(columns=[STEP, "RequestAttributesSequence", "PatientID"])
    assert list(none.columns) == [STEP, "RequestAttributesSequence", "PatientID"]
    assert str(none[STEP].dtype) == TEXT_DTYPE


def test_several_items_make_tuples_in_every_row() -> None:
    table = table_of(requests("a", None, "c"), requests("b"), requests(None), columns=[STEP])
    assert table[STEP].tolist() == [("a", None, "c"), ("b",), None]


def test_flattened_sequences_stand_in_their_place() -> None:
    nested = {
        "00081115": {
            "vr": "SQ",
            "Value": [
                {
                    "0020000E": {"vr": "UI", "Value": ["1.2"]},
                    "00081199": {
                        "vr": "SQ",
                        "Value": [{"00081155": {"vr": "UI", "Value": ["1.3"]}}],
                    },
                    "00080021": {"vr": "DA", "Value": ["20230131"]},
                }
            ],
        }
    }
    table = table_of({**nested, **requests("a")}, flatten=True)
    assert list(table.columns)[5:] == [
        "ReferencedSeriesSequence.ReferencedSOPSequence.ReferencedSOPInstanceUID",
        "ReferencedSeriesSequence.SeriesDate",
        "ReferencedSeriesSequence.SeriesInstanceUID",
        STEP,
    ]
    assert str(table["ReferencedSeriesSequence.SeriesDate"].dtype) == "datetime64[s]"
    assert table.attrs["level"] == "instance"
    one = table_of({**nested, **requests("a")}, flatten=["RequestAttributesSequence"])
    assert STEP in one
    assert "ReferencedSeriesSequence" in one
    with pytest.raises(dn.BadQuery):
        table_of(requests("a"), flatten=["RequestAttributeSequence"])


@settings(max_examples=60, deadline=None)
@given(pages)
def test_any_json_can_be_flattened(rows_by_page: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        builder = TableBuilder(None, level="instance", flatten=True)
        for rows in rows_by_page:
            builder.add(json.dumps([{"00080018": {}}, *rows]).encode())
        table = builder.finish()
    assert repr(table)
    assert len(table) == sum(len(rows) + 1 for rows in rows_by_page)


# --- private attributes ------------------------------------------------------------------


def test_private_creators_are_told() -> None:
    row = {
        "00090010": {"vr": "LO", "Value": ["ACME"]},
        "00091001": {"vr": "LO", "Value": ["x"]},
        "00110011": {"vr": "LO"},
        "00111101": {"vr": "LO", "Value": ["y"]},
    }
    for table in (table_of(row), table_of(row, columns=["0009,1001", "StudyDate"])):
        assert table.dicom.private_creators == {"0009,1001": "ACME"}
    assert list(table_of(row, columns=["0009,1001"]).columns) == ["0009,1001"]
    other = {**row, "00090010": {"vr": "LO", "Value": ["OTHER"]}}
    assert table_of(row, other).dicom.private_creators["0009,1001"] == "ACME or OTHER"
    assert table_of({"00080020": {}}).dicom.private_creators == {}


# --- frames ------------------------------------------------------------------------------


def test_enhanced_objects_are_rows_of_frames(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(real_file("eCT_Supplemental.dcm").read_bytes())
    (tmp_path / "b.dcm").write_bytes(real_file("CT_small.dcm").read_bytes())
    dataset = pydicom.dcmread(BytesIO((tmp_path / "a.dcm").read_bytes()))
    with dn.connect(tmp_path) as archive:
        ref = archive.instances().sort_values("NumberOfFrames")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dn.DicomnbWarning)
            table = archive.metadata(ref, frames=True)
            few = archive.metadata(ref, fields=["ImagePositionPatient"], frames=True)
    enhanced = table[table.SOPInstanceUID == dataset.SOPInstanceUID]
    groups = dataset.PerFrameFunctionalGroupsSequence
    assert enhanced.FrameNumber.tolist() == list(range(1, len(groups) + 1))
    assert list(table.columns).index("FrameNumber") == 5
    assert [list(cell) for cell in enhanced.ImagePositionPatient] == [
        list(item.PlanePositionSequence[0].ImagePositionPatient) for item in groups
    ]
    shared = dataset.SharedFunctionalGroupsSequence[0]
    spacing = tuple(map(float, shared.PixelMeasuresSequence[0].PixelSpacing))
    assert set(enhanced.PixelSpacing) == {spacing}
    assert "PerFrameFunctionalGroupsSequence" not in table
    assert len(table) == len(few) == len(groups) + 1
    assert few.ImagePositionPatient.tolist() == table.ImagePositionPatient.tolist()


def test_a_plain_multi_frame_object_gives_equal_rows() -> None:
    page = json.dumps([{"00280008": {"vr": "IS", "Value": [3]}}, {}]).encode()
    rows, numbers = frame_rows(page)
    assert numbers == [1, 2, 3, 1]
    assert len(json.loads(rows)) == 4


@given(st.sampled_from([0, -1, 10**12, "x", None, "12 ", 1.5, [], {}, True]))
def test_odd_numbers_of_frames(count: Any) -> None:
    page = json.dumps([{"00280008": {"vr": "IS", "Value": [count]}}]).encode()
    assert frame_rows(page)[1] in ([1], list(range(1, 13)))


@given(st.binary(max_size=40))
def test_what_is_no_page_is_passed_on(page: bytes) -> None:
    rows, numbers = frame_rows(page)
    assert rows == page or numbers == [1] * len(numbers)


# --- through the face --------------------------------------------------------------------


def test_a_search_takes_parts_paths_and_flatten(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(real_file("CT_small.dcm"))
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = "Doe^Jane=山田"
    item = pydicom.Dataset()
    item.ScheduledProcedureStepID = "S1"
    dataset.RequestAttributesSequence = [item]
    dataset.save_as(tmp_path / "a.dcm")
    fields = ["PatientName.Family", STEP, "StudyDate.Raw"]
    with dn.serve(tmp_path) as url:
        for archive in (dn.connect(tmp_path), dn.connect(url)):
            table = archive.instances(fields=fields)
            assert list(table.columns)[-3:] == fields
            assert table[fields].iloc[0].tolist() == ["Doe", "S1", dataset.StudyDate]
            series = archive.series(fields="RequestAttributesSequence", flatten=True)
            assert series[STEP].tolist() == ["S1"]
            with pytest.raises(dn.BadQuery, match="Familie"):
                archive.series(fields=["PatientName.Familie"])
            assert "all" not in archive.series(fields="all", limit=1).columns
            assert "PatientName.Given" in archive.metadata(table, fields="PatientName.Given")
            archive.close()


def test_issues_name_only_what_is_shown() -> None:
    row = {"00080020": {"vr": "DA", "Value": ["x"]}, "0020000D": {"vr": "UI", "Value": ["1.2"]}}
    table = table_of(row, columns=["StudyDate.Raw"])  # no warning: nothing is missing
    assert len(issues_of(table)) == 0
    assert table["StudyDate.Raw"][0] == "x"
    assert columns_for("study", extra=["00100010.Family"])[-1] == "PatientName.Family"
