"""A ref says exactly what is meant, or is an error; a missing UID never widens it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from dicomnb.errors import OriginRefused, RefError
from dicomnb.refs import Ref, one_ref, refs_of

BASE = "https://pacs.example/dicom-web"
uids = st.from_regex(r"[1-9][0-9]{0,8}(\.(0|[1-9][0-9]{0,8})){1,6}", fullmatch=True)
refs = st.builds(Ref, uids) | st.builds(Ref, uids, uids) | st.builds(Ref, uids, uids, uids)


@given(refs)
def test_path_and_url_round_trip(ref: Ref) -> None:
    assert Ref.from_path(ref.path) == ref
    assert refs_of(f"{BASE}/{ref.path}", base=BASE) == [ref]


@settings(deadline=None)
@given(refs)
def test_row_table_and_dataset_mean_the_same(ref: Ref) -> None:
    names = ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]
    uids_of_ref = [uid for uid in (ref.study, ref.series, ref.instance) if uid]
    table = pd.DataFrame([uids_of_ref], columns=names[: len(uids_of_ref)])
    assert refs_of(table) == refs_of(table.iloc[0]) == refs_of(dict(table.iloc[0])) == [ref]
    if ref.level == "instance":
        dataset = Dataset()
        for name, uid in zip(names, uids_of_ref, strict=True):
            setattr(dataset, name, uid)
        assert one_ref(dataset) == ref


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT, "", "  ", 7])
@pytest.mark.parametrize("column", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
def test_missing_uid_in_a_present_column_is_an_error(column: str, missing: object) -> None:
    row = {"StudyInstanceUID": "1.1", "SeriesInstanceUID": "1.2", "SOPInstanceUID": "1.3"}
    row[column] = missing  # type: ignore[assignment]
    for what in (row, pd.Series(row, dtype=object), pd.DataFrame([row], dtype=object)):
        with pytest.raises(RefError, match=column):
            refs_of(what)


def test_merge_that_loses_a_uid_never_becomes_the_whole_study() -> None:
    studies = pd.DataFrame({"StudyInstanceUID": ["1.1", "1.2"]})
    series = pd.DataFrame({"StudyInstanceUID": ["1.1"], "SeriesInstanceUID": ["1.1.1"]})
    with pytest.raises(RefError, match="SeriesInstanceUID is missing in row 1"):
        refs_of(studies.merge(series, how="left"))
    with pytest.raises(RefError):
        refs_of(pd.concat([series, studies]))


@pytest.mark.parametrize("columns", [["PatientID"], ["SeriesInstanceUID"], ["SOPInstanceUID"]])
def test_columns_that_do_not_say_what_is_meant(columns: list[str]) -> None:
    with pytest.raises(RefError, match="does not say what is meant"):
        refs_of(pd.DataFrame([["1.2"]], columns=columns))


def test_dataset_without_its_uids() -> None:
    with pytest.raises(RefError, match="StudyInstanceUID is missing"):
        refs_of(Dataset())


def test_mixed_levels() -> None:
    with pytest.raises(RefError, match="Mixed levels"):
        refs_of([Ref("1.1"), Ref("1.1", "1.2")])


def test_rows_named_twice_count_once_and_keep_their_order() -> None:
    table = pd.DataFrame({"StudyInstanceUID": ["1.2", "1.1", "1.2"]})
    assert refs_of(table) == [Ref("1.2"), Ref("1.1")]


def test_columns_of_one_name() -> None:
    table = pd.DataFrame([["1.1", "1.2"]], columns=["StudyInstanceUID"] * 2)
    with pytest.raises(RefError, match="two columns"):
        refs_of(table)


@pytest.mark.parametrize(
    "uid", ["", ".", "..", "../..", "1/2", "1 2", "1\n2", "%2e%2e", "1" * 129, None, 5]
)
def test_what_is_no_uid(uid: object) -> None:
    with pytest.raises(RefError):
        Ref(uid)  # type: ignore[arg-type]
    with pytest.raises(RefError):
        Ref("1.2", "1.3", uid or "")  # type: ignore[arg-type]


def test_levels_are_given_from_the_top() -> None:
    with pytest.raises(RefError, match="from the top"):
        Ref("1.2", instance="1.4")


def test_a_uid_that_a_merge_renamed_never_widens_what_is_meant() -> None:
    series = pd.DataFrame({"StudyInstanceUID": ["1.2"], "SeriesInstanceUID": ["1.2.3"]})
    merged = series.merge(series, on="StudyInstanceUID")
    for what in (merged, merged.iloc[0], dict(merged.iloc[0])):
        with pytest.raises(RefError, match=r"SeriesInstanceUID_x' but no SeriesInstanceUID"):
            refs_of(what)
    meant = merged.rename(columns={"SeriesInstanceUID_x": "SeriesInstanceUID"})
    assert refs_of(meant) == [Ref("1.2", "1.2.3")]
    more = series.assign(SOPInstanceUIDOfConcatenationSource="1.4")
    assert refs_of(more) == [Ref("1.2", "1.2.3")]


def test_another_servers_url_is_refused() -> None:
    with pytest.raises(OriginRefused):
        refs_of("https://pacs.example.evil.com/dicom-web/studies/1.2", base=BASE)
    with pytest.raises(OriginRefused):
        refs_of("https://pacs.example:444/dicom-web/studies/1.2", base=BASE)
    with pytest.raises(RefError, match="does not begin with"):
        refs_of("https://pacs.example/other/studies/1.2", base=BASE)
    with pytest.raises(RefError, match=r"is a UID.*dicomnb\.Ref"):
        refs_of("1.2.3", base=BASE)
    with pytest.raises(RefError, match="does not begin with"):
        refs_of("studies/1.2.3", base=BASE)
    with pytest.raises(RefError, match="only as a RetrieveURL"):
        refs_of("1.2.3")


@pytest.mark.parametrize("path", ["", "studies", "series/1.2", "studies/1/instances/2", "a/b"])
def test_paths_of_nothing(path: str) -> None:
    with pytest.raises(RefError):
        Ref.from_path(path)


def test_within() -> None:
    study, series, instance = Ref("1"), Ref("1", "2"), Ref("1", "2", "3")
    assert instance in study
    assert instance in series
    assert series in series
    assert study not in series
    assert Ref("1", "9", "3") not in series
    assert instance.at("study") == study
    assert instance.at("series") == series
    assert (instance.uid, series.uid, study.uid) == ("3", "2", "1")
    with pytest.raises(RefError):
        study.at("series")


def test_one_ref() -> None:
    with pytest.raises(RefError, match="not 2"):
        one_ref([Ref("1"), Ref("2")])
    with pytest.raises(RefError, match="single instance"):
        one_ref(Ref("1"), level="instance")
    with pytest.raises(RefError, match="int"):
        refs_of(5)


SERIES = pd.DataFrame(
    {
        "StudyInstanceUID": ["1.2.3.1", "1.2.3.1"],
        "SeriesInstanceUID": ["1.2.3.1.1", "1.2.3.1.2"],
        "Modality": ["CT", "MR"],
    }
)


def test_a_uid_moved_to_the_index_is_still_a_column() -> None:
    for keys in ("SeriesInstanceUID", ["StudyInstanceUID", "SeriesInstanceUID"]):
        assert refs_of(SERIES.set_index(keys)) == refs_of(SERIES)
    assert refs_of(SERIES.groupby("SeriesInstanceUID").first()) == refs_of(SERIES)
    with pytest.raises(RefError, match="two columns"):
        refs_of(SERIES.set_index("SeriesInstanceUID", drop=False))


def test_a_row_or_group_named_by_a_uid_never_becomes_the_whole_study() -> None:
    moved = SERIES.set_index("SeriesInstanceUID")
    with pytest.raises(RefError, match=r"1\.2\.3\.1\.1, which no column holds"):
        refs_of(moved.iloc[0])
    with pytest.raises(RefError, match="which no column holds"):
        refs_of(SERIES.set_index(["SeriesInstanceUID", "Modality"]).iloc[0])
    with pytest.raises(RefError, match="which no column holds"):
        SERIES.groupby("SeriesInstanceUID")[["StudyInstanceUID"]].apply(refs_of)
    assert refs_of(SERIES.set_index("SeriesInstanceUID", drop=False).iloc[0]) == refs_of(
        SERIES.iloc[0]
    )
    assert refs_of(SERIES.set_index("Modality").iloc[0]) == refs_of(SERIES.iloc[0])


def test_a_row_with_two_values_of_one_name_is_an_error() -> None:
    row = pd.concat([SERIES.iloc[0], pd.Series({"SeriesInstanceUID": "1.2.3.9"})])
    with pytest.raises(RefError, match="two values"):
        refs_of(row)


@pytest.mark.parametrize("kind", ["category", "string", "string[pyarrow]"])
def test_uids_of_any_column_type(kind: str) -> None:
    if kind == "string[pyarrow]":
        pytest.importorskip("pyarrow")
    table = SERIES.astype({"StudyInstanceUID": kind, "SeriesInstanceUID": kind})
    assert refs_of(table) == refs_of(SERIES)
    table.loc[1, "SeriesInstanceUID"] = None
    with pytest.raises(RefError, match="SeriesInstanceUID is missing in row 1"):
        refs_of(table)


def test_addresses_that_only_look_like_this_one() -> None:
    for url in (f"{BASE}-evil/studies/1.2", f"{BASE}/../x/studies/1.2", f"{BASE}/studies/1.2?a=b"):
        with pytest.raises(RefError):
            refs_of(url, base=BASE)
    with pytest.raises(OriginRefused) as caught:
        refs_of("https://me:secret@pacs.example/dicom-web/studies/1.2?token=secret", base=BASE)
    assert "secret" not in str(caught.value)


def test_uids_made_of_uuids_are_known_as_uids_too() -> None:
    made = SERIES.replace({"1.2.3.1.1": "2.25.205503203198375233432671152389379115968"})
    with pytest.raises(RefError, match="which no column holds"):
        refs_of(made.set_index("SeriesInstanceUID").iloc[0])
