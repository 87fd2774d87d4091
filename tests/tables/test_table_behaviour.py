"""Tables are ordinary DataFrames: they concat, merge, pickle, and go to Parquet and back."""

import gc
import json
import pickle
import threading
import warnings

import numpy as np
import pandas as pd
import pytest

from dicomnb.errors import BadQuery, DicomnbWarning
from dicomnb.refs import LEVELS
from dicomnb.tables import (
    IDENTITY,
    TableBuilder,
    collector_paused,
    columns_for,
    identity_columns,
    issues_of,
)
from dicomnb.tables.oddities import Oddities
from dicomnb.vr import TEXT_DTYPE


def study(number, **more):
    row = {
        "00080020": {"vr": "DA", "Value": [f"202301{number:02}"]},
        "00080030": {"vr": "TM", "Value": ["101500.5"]},
        "00080061": {"vr": "CS", "Value": ["CT", "MR"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": f"Doe^{number}", "Ideographic": "山"}]},
        "00100020": {"vr": "LO", "Value": [f"P{number % 3}"]},
        "0020000D": {"vr": "UI", "Value": [f"1.2.{number}"]},
        "00201206": {"vr": "IS", "Value": [number]},
    }
    return {**row, **more}


def studies(*numbers, pages=1, **attrs):
    builder = TableBuilder(columns_for("study"), level="study", attrs=attrs)
    for page in np.array_split(np.array(numbers, dtype=int), pages):
        builder.add(json.dumps([study(int(number)) for number in page]).encode())
    return builder.finish()


STUDY_TYPES = {
    **dict.fromkeys(columns_for("study"), TEXT_DTYPE),
    "PatientBirthDate": "datetime64[s]",
    "StudyDate": "datetime64[s]",
    "StudyTime": "timedelta64[us]",
    "ModalitiesInStudy": "object",
    "NumberOfStudyRelatedSeries": "Int64",
    "NumberOfStudyRelatedInstances": "Int64",
}


@pytest.mark.parametrize("numbers", [(), (1,), (1, 2, 3)])
@pytest.mark.parametrize("pages", [1, 3])
def test_the_columns_and_types_are_the_same_for_any_number_of_rows(numbers, pages):
    table = studies(*numbers, pages=pages)
    assert table.dtypes.astype(str).to_dict() == STUDY_TYPES
    assert list(table.columns) == list(columns_for("study"))
    assert isinstance(table.index, pd.RangeIndex)
    assert len(table) == len(numbers)


def test_a_table_without_any_page_has_its_columns_and_types():
    table = TableBuilder(columns_for("study"), level="study").finish()
    assert table.dtypes.astype(str).to_dict() == STUDY_TYPES


def test_pages_make_the_table_that_one_page_makes():
    pd.testing.assert_frame_equal(studies(*range(1, 20), pages=6), studies(*range(1, 20)))


def test_a_date_and_a_time_make_a_date_time():
    table = studies(5)
    assert (table.StudyDate + table.StudyTime)[0] == pd.Timestamp("2023-01-05 10:15:00.5")


def test_tuples_group_compare_and_explode():
    table = studies(1, 2)
    assert table.groupby("ModalitiesInStudy").size().to_dict() == {("CT", "MR"): 2}
    assert table.explode("ModalitiesInStudy").ModalitiesInStudy.tolist() == ["CT", "MR"] * 2


def test_concat_and_merge_keep_types():
    one, other = studies(1, 2), studies(3)
    both = pd.concat([one, other], ignore_index=True)
    assert both.dtypes.astype(str).to_dict() == STUDY_TYPES
    assert both.attrs == one.attrs
    merged = one.merge(both, on="StudyInstanceUID", suffixes=("", "_"))
    assert merged.StudyDate.dtype == "datetime64[s]"
    assert repr(merged)
    assert len(pd.concat([one, studies()])) == 2


def test_tables_of_different_searches_go_together():
    assert len(pd.concat([studies(1, query="a"), studies(2, query="b")])) == 2


def test_pickle_copy_and_sort_keep_everything():
    table = studies(3, 1, 2, connection="x1")
    again = pickle.loads(pickle.dumps(table))
    pd.testing.assert_frame_equal(again, table)
    assert again.attrs == table.attrs == table.copy().attrs
    assert table.sort_values("StudyDate").NumberOfStudyRelatedSeries.tolist() == [1, 2, 3]


def test_parquet_takes_the_table_with_its_attrs(tmp_path):
    pytest.importorskip("pyarrow")
    table = studies(1, 2, connection="x1", query="PatientID=P1")
    table.to_parquet(tmp_path / "studies.parquet")
    again = pd.read_parquet(tmp_path / "studies.parquet")
    assert again.attrs == table.attrs
    assert again.StudyInstanceUID.tolist() == table.StudyInstanceUID.tolist()
    assert again.StudyTime.tolist() == table.StudyTime.tolist()
    assert [tuple(cell) for cell in again.ModalitiesInStudy] == [("CT", "MR")] * 2


def test_attrs_are_small_text_and_numbers():
    table = studies(1, connection="x1", query="PatientID=P1")
    oddities = table.attrs.pop("oddities")
    assert table.attrs == {
        "level": "study",
        "connection": "x1",
        "query": "PatientID=P1",
        "complete": True,
    }
    assert json.loads(oddities) == {"count": 0, "kept": []}
    builder = TableBuilder(None, level="study")
    assert builder.finish(complete=False).attrs["complete"] is False


@pytest.mark.parametrize("value", [None, ["a"], pd.DataFrame(), {"a": 1}])
def test_attrs_that_would_break_pandas_are_refused(value):
    with pytest.raises(TypeError, match="attrs"):
        TableBuilder(None, level="study", attrs={"archive": value})


def test_issues_unfold_into_a_table():
    builder = TableBuilder(columns_for("study"), level="study")
    builder.add(
        json.dumps([study(1), study(2, **{"00080020": {"vr": "DA", "Value": ["x"]}})]).encode()
    )
    with pytest.warns(DicomnbWarning, match=r"1 odd value\(s\) in 2 rows.*StudyDate \"x\""):
        table = builder.finish()
    issues = issues_of(table)
    assert issues.iloc[0].to_dict() == {
        "UID": "1.2.2",
        "Keyword": "StudyDate",
        "Raw": '"x"',
        "Problem": "no date (YYYYMMDD)",
    }
    assert issues.dtypes.astype(str).tolist() == [TEXT_DTYPE] * 4
    assert table.StudyDate.isna().tolist() == [False, True]


def test_issues_of_a_table_without_attrs_are_none():
    issues = issues_of(pd.DataFrame({"a": [1]}))
    assert issues.columns.tolist() == ["UID", "Keyword", "Raw", "Problem"]
    assert len(issues) == issues.attrs["count"] == 0


def test_items_of_sequences_belong_to_their_row_alone():
    item = {"00081155": {"vr": "UI", "Value": ["1.2"]}}
    row = study(1, **{"00081140": {"vr": "SQ", "Value": [item]}})
    builder = TableBuilder(None, level="study")
    builder.add(json.dumps([row, row]).encode())
    table = builder.finish()
    table.ReferencedImageSequence[0][0]["ReferencedSOPInstanceUID"] = "changed"
    assert table.ReferencedImageSequence[1] == ({"ReferencedSOPInstanceUID": "1.2"},)


def test_parents_fill_what_rows_lack():
    builder = TableBuilder(columns_for("series"), level="series")
    rows = [{"0020000E": {"vr": "UI", "Value": ["1.5"]}}, study(7)]
    builder.add(json.dumps(rows).encode(), parents={"StudyInstanceUID": "1.9"})
    table = builder.finish()
    assert table.StudyInstanceUID.tolist() == ["1.9", "1.2.7"]
    with pytest.raises(BadQuery):
        builder.add(b"[]", parents={"StudyUID": "1.9"})


def test_all_attributes_come_after_the_identity_by_tag():
    builder = TableBuilder(None, level="study")
    builder.add(json.dumps([{"0020000D": {"vr": "UI", "Value": ["1.2"]}}]).encode())
    builder.add(json.dumps([study(4, **{"0020000E": {"vr": "UI", "Value": ["1.3"]}})]).encode())
    table = builder.finish()
    assert table.columns.tolist() == [
        "PatientID",
        "PatientName",
        "StudyInstanceUID",
        "StudyDate",
        "StudyTime",
        "ModalitiesInStudy",
        "NumberOfStudyRelatedSeries",
    ]  # and no SeriesInstanceUID: a row is a study
    assert table.StudyDate.isna().tolist() == [True, False]
    assert table.dtypes.astype(str)["NumberOfStudyRelatedSeries"] == "Int64"


def test_others_follow_the_columns_that_were_asked_for():
    builder = TableBuilder(["StudyDate", "0020,000D", "StudyDate"], level="study", others=True)
    builder.add(json.dumps([study(4)]).encode())
    table = builder.finish()
    assert table.columns.tolist()[:3] == ["StudyDate", "StudyInstanceUID", "StudyTime"]


def test_a_private_column_has_its_tag_as_name():
    builder = TableBuilder(["PatientID", "(0009,1001)", "60023000"], level="study")
    builder.add(json.dumps([{"00091001": {"vr": "LO", "Value": ["x"]}}]).encode())
    table = builder.finish()
    assert table.columns.tolist() == ["PatientID", "0009,1001", "6002,3000"]
    assert table["0009,1001"][0] == ("x",)


@pytest.mark.parametrize("level", LEVELS)
def test_a_tables_level_shows_in_its_columns(level):
    names = columns_for(level)
    assert len(names) == len(set(names)) <= 16
    assert names[: len(identity_columns(level))] == identity_columns(level)
    deepest = {"study": "StudyInstanceUID", "series": "SeriesInstanceUID"}.get(
        level, "SOPInstanceUID"
    )
    assert [n for n in IDENTITY if n in names][-1] == deepest
    wide = columns_for(level, extra=["SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"])
    assert wide == names


def test_filters_and_fields_add_columns_in_their_order():
    names = columns_for(
        "series",
        extra=["00180060", "Modality", "(0009,1001)", "RequestAttributesSequence.AccessionNumber"],
    )
    assert names[len(columns_for("series")) :] == (
        "KVP",
        "0009,1001",
        "RequestAttributesSequence.AccessionNumber",
    )


def test_mistakes_are_told():
    with pytest.raises(ValueError, match="study, series, instance"):
        columns_for("patient")
    with pytest.raises(ValueError, match="'frame'"):
        TableBuilder(None, level="frame")
    with pytest.raises(BadQuery, match="PatientName"):
        TableBuilder(["PatientNane"], level="study")
    with pytest.raises(BadQuery, match="PatientName"):
        columns_for("study", extra=["patientname"])


def test_the_collector_is_paused_and_runs_again():
    assert gc.isenabled()
    with collector_paused():
        assert not gc.isenabled()
        with collector_paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(KeyError), collector_paused():
        raise KeyError
    assert gc.isenabled()


def test_a_collector_that_the_user_switched_off_stays_off():
    gc.disable()
    try:
        with collector_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_the_collector_waits_for_the_last_of_several_threads():
    inside, leave = threading.Barrier(5), threading.Event()

    def work():
        with collector_paused():
            inside.wait(60)
            leave.wait(60)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    inside.wait(60)
    with collector_paused():
        pass
    assert not gc.isenabled()
    leave.set()
    for thread in threads:
        thread.join()
    assert gc.isenabled()


def test_tables_are_made_side_by_side():
    page = json.dumps([study(n) for n in range(1, 28)]).encode()
    tables = []

    def work():
        builder = TableBuilder(columns_for("study"), level="study")
        for _ in range(5):
            builder.add(page)
        tables.append(builder.finish())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(table) for table in tables] == [135] * 4
    assert gc.isenabled()


def test_only_one_warning_is_given():
    builder = TableBuilder(["PatientID"], level="study")
    for _ in range(3):
        builder.add(b'[{"00100020":{"vr":"LO","Value":["a","b"]}}]')
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        builder.finish()
    assert [str(w.message)[:1] for w in caught] == ["3"]


def test_memory_holds_the_table_and_one_page():
    import tracemalloc

    page = json.dumps([study(n % 28 + 1) for n in range(500)]).encode()
    peaks = []
    for pages in (4, 16):
        builder = TableBuilder(["StudyDate", "NumberOfStudyRelatedSeries"], level="study")
        tracemalloc.start()
        for _ in range(pages):
            builder.add(page)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert builder.rows == 500 * pages
    assert peaks[1] < peaks[0] * 1.5  # of four times as many pages


def test_whatever_came_can_be_shown():
    circle: list[object] = []
    circle.append(circle)
    oddities = Oddities()
    oddities.add(uid="", keyword="PatientID", raw=circle, problem="odd")
    oddities.add(uid="", keyword="PatientID", raw="\ud800", problem="odd")
    assert [one.raw for one in oddities.kept] == ["(list)", '"\\ud800"']
    assert json.loads(oddities.to_json())["count"] == 2
