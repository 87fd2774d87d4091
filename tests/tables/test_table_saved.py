"""Tables to Parquet and back: nothing changes."""

from __future__ import annotations

import json
import sys
import warnings
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings

import dicomnb as dn
from dicomnb.files import atomic_write
from dicomnb.tables import TableBuilder, columns_for, issues_of
from dicomnb.vr import VRS
from tests.tables.test_table_properties import ATTRIBUTES, pages


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(one, other)
    assert one.attrs == other.attrs
    for name in one.columns[one.dtypes == "object"]:
        for mine, theirs in zip(one[name], other[name], strict=True):
            assert type(mine) is type(theirs), name
            assert repr(mine) == repr(theirs), name


def again(table: pd.DataFrame, folder: Path) -> pd.DataFrame:
    assert dn.save_table(table, folder / "t.parquet") == folder / "t.parquet"
    return dn.load_table(str(folder / "t.parquet"))


def test_a_search_and_its_metadata_come_back_unchanged(demo_folder: Path, tmp_path: Path) -> None:
    with dn.connect(demo_folder) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", dn.DicomnbWarning)
        series = archive.series()
        reports = series[series.Modality.isin(["SR", "RTSTRUCT"])]
        tables = [archive.studies(), series, archive.instances(), archive.metadata(reports)]
    for table in [*tables, tables[1].head(0), tables[2].set_index("SOPInstanceUID")]:
        same(table, again(table, tmp_path))
    assert "ContentSequence" in tables[3]
    assert len(issues_of(again(tables[2], tmp_path))) == len(issues_of(tables[2]))


@pytest.mark.long
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(pages)
def test_whatever_json_made_comes_back_unchanged(tmp_path: Path, rows_by_page: Any) -> None:
    builder = TableBuilder([one.column for one in ATTRIBUTES], level="instance", others=True)
    for rows in rows_by_page:
        anchor = {"00080018": {"vr": "UI", "Value": ["1.2.3"]}}
        builder.add(json.dumps([anchor, *rows]).encode())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dn.DicomnbWarning)
        table = builder.finish()
    same(table, again(table, tmp_path))


def test_every_type_of_column_is_in_the_properties() -> None:
    assert {one.vr for one in ATTRIBUTES} == set(VRS)


def test_what_users_add_comes_back_too(tmp_path: Path) -> None:
    table = pd.DataFrame({"StudyInstanceUID": ["1.2", "1.3"]}, index=pd.Index(["a", "b"], name="k"))
    table["kept"] = [True, False]
    table["split"] = pd.Categorical(["train", "test"])
    table["when"] = pd.Timestamp("2023-01-31", tz="UTC")
    table["objects"] = [
        {"$tuple": 1, "a": (1.5, None)},
        ((date(1, 1, 1), datetime(2023, 1, 1, 5)), [timedelta(hours=1)], float("nan"), b"\0"),
    ]
    table["mixed"] = [pd.NaT, pd.NA]
    table["long"] = [(2**70,), None]
    table["stamps"] = [(pd.Timestamp("2023-01-31"),), (pd.Timedelta("1h"),)]
    table.attrs = {"level": "study", "complete": False, "n": 3}
    same(table, again(table, tmp_path))


def test_other_programs_read_lists_and_numbers(tmp_path: Path) -> None:
    builder = TableBuilder(columns_for("study"), level="study")
    builder.add(b'[{"00080061": {"vr": "CS", "Value": ["CT", "MR"]}}]')
    dn.save_table(builder.finish(), tmp_path / "t.parquet")
    plain = pd.read_parquet(tmp_path / "t.parquet")
    assert list(plain.ModalitiesInStudy[0]) == ["CT", "MR"]
    assert str(plain.NumberOfStudyRelatedSeries.dtype) == "Int64"


def test_a_file_of_another_program_is_read_as_it_is(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    table.to_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(dn.load_table(tmp_path / "t.parquet"), table)


def test_what_cannot_be_kept_leaves_the_old_file(tmp_path: Path) -> None:
    good = pd.DataFrame({"a": [1]})
    dn.save_table(good, tmp_path / "t.parquet")
    for table, error, words in (
        (pd.DataFrame({"a": [(np.zeros(3),)]}), TypeError, "'a'.*ndarray"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), ValueError, "a: a file needs"),
    ):
        with pytest.raises(error, match=words):
            dn.save_table(table, tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(dn.load_table(tmp_path / "t.parquet"), good)
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]


def test_what_is_no_table_is_told(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_text("hello")
    with pytest.raises(ValueError, match="no Parquet"):
        dn.load_table(tmp_path / "t.parquet")
    with pytest.raises(FileNotFoundError):
        dn.load_table(tmp_path / "missing.parquet")


def test_a_later_form_is_told(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"a": [1]}).replace_schema_metadata({b"dicomnb": b'{"version": 99}'})
    with atomic_write(tmp_path / "t.parquet") as file:
        pq.write_table(table, file)
    with pytest.raises(ValueError, match="later dicomnb"):
        dn.load_table(tmp_path / "t.parquet")


def test_without_pyarrow_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"dicomnb\[parquet\]"):
        dn.save_table(pd.DataFrame({"a": [1]}), tmp_path / "t.parquet")
