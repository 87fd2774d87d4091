"""Queries: what is asked, what a server is sent, what is checked here."""

from __future__ import annotations

import datetime as dt
import json
import time
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomnb.errors import BadQuery
from dicomnb.query import (
    Filter,
    Query,
    SearchAbilities,
    build,
    from_parameters,
    matches,
    parameters,
    plan,
    select,
)

GOOGLE = SearchAbilities(
    attributes={
        "study": frozenset({"0020000D", "00100010", "00100020", "00080050", "00080020"}),
        "series": frozenset({"0020000D", "00100010", "00100020", "0020000E", "00080060"}),
        "instance": frozenset({"0020000D", "0020000E", "00080018", "00080060"}),
    },
    wildcards=False,
    ranges=frozenset({"00080020"}),
    uid_lists=False,
    fuzzy=True,
    honest_pages=True,
)


def sent(query: Query, abilities: SearchAbilities = SearchAbilities()) -> list[dict[str, str]]:  # noqa: B008
    made = plan(query, abilities)
    return [
        {name: value for name, value in parameters(one) if name != "includefield"}
        for one in made.queries
    ]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (dt.date(2023, 1, 2), "20230102"),
        (dt.datetime(2023, 1, 2, 5), "20230102"),
        (pd.Timestamp("2023-01-02"), "20230102"),
        (np.datetime64("2023-01-02"), "20230102"),
        ("2023-01-02", "20230102"),
        ("20230102", "20230102"),
        (("2023-01-02", "2023-02-03"), "20230102-20230203"),
        ((None, dt.date(2023, 1, 2)), "-20230102"),
        ((pd.Timestamp("2023-01-02"), None), "20230102-"),
        ("20230102-20230203", "20230102-20230203"),
    ],
)
def test_dates_as_python_and_pandas_have_them(given: object, text: str) -> None:
    assert sent(build("study", {"StudyDate": given})) == [{"StudyDate": text}]


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NaT, pd.NA, np.nan])
def test_a_missing_value_never_matches_everything(missing: object) -> None:
    with pytest.raises(BadQuery, match="would match everything"):
        build("study", {"PatientID": missing})
    with pytest.raises(BadQuery, match="would match everything"):
        build("study", {"PatientID": ["A", missing]})


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"PatientNam": "x"}, "PatientName"),
        ({"patientname": "x"}, "PatientName"),
        ({"limt": 5}, "limt"),
        ({"StudyDate": "2023-13-45"}, "StudyDate"),
        ({"StudyDate": 5.5}, "StudyDate"),
        ({"PatientID": []}, "empty list"),
        ({"PixelData": b"x"}, "PixelData"),
        ({"PatientName.PatientID": "x"}, "cannot be searched|is not an attribute"),
        ({"RequestAttributesSequence": "x"}, "RequestAttributesSequence"),
    ],
)
def test_mistakes_are_told_before_anything_is_sent(filters: dict[str, object], words: str) -> None:
    with pytest.raises(BadQuery, match=words):
        build("study", filters)


@pytest.mark.parametrize("number", [-1, "3", 2.5])
def test_limit_and_offset_are_numbers(number: object) -> None:
    with pytest.raises(BadQuery, match="limit"):
        build("study", {}, limit=number)  # type: ignore[arg-type]
    with pytest.raises(BadQuery, match="offset"):
        build("study", {}, offset=number)  # type: ignore[arg-type]


def test_tags_and_paths_name_attributes_too() -> None:
    by_tag = build("study", {"00100010": "A", (0x0010, 0x0020): "B"})
    assert sent(by_tag) == [{"PatientName": "A", "PatientID": "B"}]
    path = build("series", {"RequestAttributesSequence.ScheduledProcedureStepID": "S1"})
    assert path.filters[0].path == ("00400275", "00400009")
    assert sent(path) == [{"RequestAttributesSequence.ScheduledProcedureStepID": "S1"}]


def test_a_list_becomes_a_request_a_value_but_uids_go_together() -> None:
    query = build("series", {"Modality": ["CT", "MR"], "StudyInstanceUID": ["1.1", "1.2"]})
    assert sent(query) == [{"Modality": one, "StudyInstanceUID": "1.1,1.2"} for one in ("CT", "MR")]
    assert len(sent(query, GOOGLE)) == 4


def test_limits_are_applied_here_when_a_search_is_split() -> None:
    query = build("series", {"Modality": ["CT", "MR"]}, limit=5, offset=2)
    made = plan(query, SearchAbilities())
    assert (made.limit, made.offset) == (5, 2)
    # No request has to bring more than the first seven rows: those are all that can count.
    assert [(one.limit, one.offset) for one in made.queries] == [(7, 0), (7, 0)]
    checked = plan(build("series", {"Modality": ["C*", "MR"]}, limit=5, offset=2), GOOGLE)
    assert [(one.limit, one.offset) for one in checked.queries] == [(None, 0)]
    alone = plan(build("series", {"Modality": "CT"}, limit=5, offset=2), SearchAbilities())
    assert (alone.limit, alone.offset) == (None, 0)
    assert [(one.limit, one.offset) for one in alone.queries] == [(5, 2)]


def test_google_finds_zhang() -> None:
    made = plan(build("study", {"PatientName": "Zhang*"}), GOOGLE)
    assert [parameters(one) for one in made.queries] == [
        [("PatientName", "Zhang"), ("includefield", "PatientName"), ("fuzzymatching", "true")]
    ]
    assert [one.name for one in made.check] == ["PatientName"]


def test_what_google_cannot_match_is_never_sent() -> None:
    filters = {"StudyDescription": "x", "PatientBirthDate": ("19500101", None), "PatientID": "a*"}
    made = plan(build("study", filters), GOOGLE)
    assert made.queries[0].filters == ()
    assert {one.name for one in made.check} == set(filters)
    assert not made.bounded
    assert plan(build("study", {"StudyDate": ("20230101", None)}), GOOGLE).check == ()


def test_fuzzy_without_the_ability_is_matched_here() -> None:
    made = plan(build("study", {"PatientName": "zha"}, fuzzy=True), SearchAbilities())
    assert made.queries[0].filters == ()
    assert not made.queries[0].fuzzy
    assert made.check[0].name == "PatientName"


def test_a_million_values_are_one_wide_request() -> None:
    uids = [f"1.2.{number}" for number in range(100_000)]
    made = plan(build("series", {"StudyInstanceUID": uids}), SearchAbilities())
    assert len(made.queries) == 1
    assert made.queries[0].filters == ()
    assert made.check[0].values == tuple(uids)


ROWS = [
    {
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": name}]},
        "00100020": {"vr": "LO", "Value": [number]},
        "00080020": {"vr": "DA", "Value": [date]},
        "00080061": {"vr": "CS", "Value": modalities},
    }
    for name, number, date, modalities in product(
        ["Zhang^Sally", "Müller^Jörg", "Zhao"], ["A1", "a2", "B*"], ["20230115", "20240101"],
        [["CT"], ["CT", "PT"]],
    )
]  # fmt: skip
PATTERNS = st.fixed_dictionaries(
    {},
    optional={
        "PatientName": st.sampled_from(["Zhang*", "zh?ng^sally", "Zhao", "*", "Mül*", "", "*a*"]),
        "PatientID": st.sampled_from(["A1", "?2", "B*", ["A1", "a2"], ["A*", "B*"]]),
        "StudyDate": st.sampled_from(
            ["20230115", ("20230101", "20231231"), (None, "20231231"), ["20240101", "20230115"]]
        ),
        "ModalitiesInStudy": st.sampled_from(["CT", ["PT", "MR"], "C?"]),
    },
)


def answered(query: Query, abilities: SearchAbilities) -> list[int]:
    """A server that matches by the standard what it is sent, and the checks made here."""
    made = plan(query, abilities)
    found: set[int] = set()
    for one in made.queries:
        for number, row in enumerate(ROWS):
            if matches(row, one.filters, fuzzy=one.fuzzy) and matches(
                row, made.check, fuzzy=query.fuzzy
            ):
                found.add(number)
    return sorted(found)


@given(PATTERNS)
def test_the_answer_does_not_depend_on_what_the_server_can_do(filters: dict[str, object]) -> None:
    query = build("study", filters)
    expected = [n for n, row in enumerate(ROWS) if matches(row, query.filters)]
    assert answered(query, SearchAbilities()) == expected
    assert answered(query, GOOGLE) == expected


@given(PATTERNS)
def test_a_server_reads_what_a_client_writes(filters: dict[str, object]) -> None:
    for one in plan(build("study", filters, limit=3, offset=1), SearchAbilities()).queries:
        assert from_parameters("study", None, parameters(one)) == one


def test_parameters_a_server_refuses() -> None:
    for pair in [
        ("limit", "x"),
        ("limit", "-1"),
        ("Nonsense", "1"),
        ("StudyDate", "yesterday"),
        ("Rows", "abc"),
        ("limit", "9" * 5000),
        ("limit", "٣"),
        ("PixelData", "1"),
        ("RequestAttributesSequence", "1"),
    ]:
        with pytest.raises(BadQuery):
            from_parameters("study", None, [pair])


def test_fields_are_read_together_and_apart() -> None:
    pairs = [("includefield", "PatientName,00100020"), ("includefield", "StudyDate")]
    assert from_parameters("study", None, pairs).fields == ("00100010", "00100020", "00080020")
    assert from_parameters("study", None, [("includefield", "all")]).fields == ("all",)
    assert build("study", {}, fields="PatientID").fields == ("00100020",)


def test_select_keeps_rows_as_they_are() -> None:
    chosen, count = select(
        json.dumps(ROWS).encode(), build("study", {"PatientName": "Zhao"}).filters
    )
    assert count == len(json.loads(chosen)) == 12
    assert json.loads(chosen)[0] == next(
        row
        for row in ROWS
        if row["00100010"]["Value"][0]["Alphabetic"] == "Zhao"  # type: ignore[index]
    )


@pytest.mark.parametrize("element", [None, {}, {"vr": "PN"}, {"Value": None}, {"Value": [None]}, 5])
def test_rows_of_any_shape_can_be_matched(element: object) -> None:
    row = {"00100010": element}
    assert not matches(row, [Filter(("00100010",), "PN", ("x",))])
    assert matches(row, [Filter(("00100010",), "PN", ("",))])
    assert not matches(row, [Filter(("00100010", "00100020"), "LO", ("x",))])


def test_nested_attributes_match_in_any_item() -> None:
    item = {"00400009": {"vr": "SH", "Value": ["S1"]}}
    row = {"00400275": {"vr": "SQ", "Value": [{}, item]}}
    query = build("series", {"RequestAttributesSequence.ScheduledProcedureStepID": "S?"})
    assert matches(row, query.filters)


def test_uids_in_one_text_are_as_many_uids() -> None:
    query = build("study", {"StudyInstanceUID": "1.1,1.2"})
    assert query.filters[0].values == ("1.1", "1.2")
    assert [one["StudyInstanceUID"] for one in sent(query, GOOGLE)] == ["1.1", "1.2"]
    assert matches({"0020000D": {"vr": "UI", "Value": ["1.2"]}}, query.filters)


def test_a_comma_at_the_end_of_a_list_asks_for_no_more() -> None:
    read = from_parameters("study", None, [("StudyInstanceUID", "1.1,")])
    assert read.filters[0].values == ("1.1",)


def test_an_empty_value_is_asked_for_as_a_field() -> None:
    made = plan(build("study", {"PatientID": "", "StudyDescription": ["", "x"]}), GOOGLE)
    assert parameters(made.queries[0]) == [
        ("includefield", "PatientID"),
        ("includefield", "StudyDescription"),
    ]
    assert made.check == ()
    assert made.bounded


def test_names_meant_exactly_are_checked_when_another_made_the_request_fuzzy() -> None:
    abilities = SearchAbilities(wildcards=False, fuzzy=True)
    filters = {"PatientName": "Zhang*", "ReferringPhysicianName": "Smith^John"}
    made = plan(build("study", filters), abilities)
    assert made.queries[0].fuzzy
    assert {one.name for one in made.check} == set(filters)


def test_too_many_names_are_checked_as_they_were_asked() -> None:
    names = [f"A{number}*" for number in range(200)]
    made = plan(build("study", {"PatientName": names}), GOOGLE)
    assert [one.values for one in made.check] == [tuple(names)]


def test_one_attribute_asked_twice_must_match_both() -> None:
    filters = {"StudyInstanceUID": ["1.1", "1.2"], "0020000D": ["1.2", "1.3"]}
    made = plan(build("study", filters), SearchAbilities())
    assert [parameters(one)[0] for one in made.queries] == [("StudyInstanceUID", "1.1,1.2")]
    assert [one.values for one in made.check] == [("1.2", "1.3")]


def test_numbers_of_numpy_are_numbers_of_rows() -> None:
    query = build("study", {}, limit=np.int64(3), offset=np.int64(1))  # type: ignore[arg-type]
    assert (type(query.limit), query.limit, query.offset) == (int, 3, 1)


def test_levels_are_these() -> None:
    with pytest.raises(BadQuery, match="'study', 'series', 'instance'"):
        build("studies", {})  # type: ignore[arg-type]


def test_a_uid_is_found_among_very_many_at_once() -> None:
    query = build("study", {"StudyInstanceUID": [f"1.{number}" for number in range(200_000)]})
    row = {"0020000D": {"vr": "UI", "Value": ["1.199999"]}}
    begin = time.process_time()
    assert all(matches(row, query.filters) for _ in range(1000))
    assert time.process_time() - begin < 1


@pytest.mark.parametrize("keyword", ["Modality", "SeriesDescription", "SOPInstanceUID"])
def test_what_differs_within_a_study_is_no_filter_for_it(keyword: str) -> None:
    value = "1.2" if keyword.endswith("UID") else "CT"
    with pytest.raises(BadQuery, match="not to a study"):
        build("study", {keyword: value})
    with pytest.raises(BadQuery, match="not to a study"):
        from_parameters("study", None, [(keyword, value)])
    assert build("instance", {keyword: value}).filters
    with pytest.raises(BadQuery, match="ModalitiesInStudy"):
        build("study", {"Modality": "CT"})
