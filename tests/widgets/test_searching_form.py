"""What is typed into a worklist, what it means, and the Python that is made of it."""

from __future__ import annotations

import datetime
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomnb.attributes import attribute
from dicomnb.errors import BadQuery
from dicomnb.query import build
from dicomnb.widgets.keywords import suggestions
from dicomnb.widgets.recipes import Found, Search, python
from dicomnb.widgets.tokens import values_of
from dicomnb.widgets.worklist import fields_for, form_of, heading, moved, read


@pytest.mark.parametrize(
    ("keyword", "typed", "meant"),
    [
        ("PatientName", "zhang", ["zhang*"]),
        ("PatientName", " Zhang, San ", ["Zhang^San*"]),
        ("PatientName", '"Zhang^San"', ["Zhang^San"]),
        ("PatientName", "*san", ["*san"]),
        ("PatientName", "=山田*", ["=山田*"]),
        ("PatientName", 'zhang; "O""Neil"; ;', ["zhang*", 'O"Neil']),
        ("PatientID", "1, 2;3\n4", ["1", "2", "3", "4"]),
        ("PatientID", '"1, 2"', ["1, 2"]),
        ("InstitutionName", "Mercy, West", ["Mercy, West"]),
        ("ModalitiesInStudy", "ct, Mr", ["CT", "MR"]),
        ("StudyDescription", "chest", ["*chest*", "*CHEST*", "*Chest*"]),
        ("StudyDescription", "CT?chest*", ["CT?chest*"]),
        ("StudyDescription", '"chest"', ["chest"]),
        ("StudyDate", "2023", [("2023-01-01", "2023-12-31")]),
        ("StudyDate", "2024-2", [("2024-02-01", "2024-02-29")]),
        ("StudyDate", "20230131", ["2023-01-31"]),
        ("StudyDate", "2023-01-31/", [("2023-01-31", None)]),
        ("StudyDate", "/2023-01-31", [(None, "2023-01-31")]),
        ("StudyDate", "2023-01 – 2023-02", [("2023-01-01", "2023-02-28")]),
        ("StudyDate", "20230101-20230131", [("2023-01-01", "2023-01-31")]),
        ("StudyDate", "2023-01-31/2023-01-31", ["2023-01-31"]),
        ("StudyTime", "10:00..11:30", [("10:00", "11:30")]),
        ("AcquisitionDateTime", "2023 to 2024", [("2023", "2024")]),
        ("SeriesNumber", "3, 4", [3, 4]),
        ("SeriesNumber", "03", ["03"]),
        ("KVP", "120, 1.5, 1.50", [120, 1.5, "1.50"]),
        ("StudyInstanceUID", "1.2.3, 1.2.4", ["1.2.3", "1.2.4"]),
        ("PatientName", "   ", []),
    ],
)
def test_what_is_typed_is_meant(keyword: str, typed: str, meant: list[Any]) -> None:
    assert values_of(typed, attribute(keyword)) == meant


def test_where_names_match_by_words_they_need_no_wildcard() -> None:
    assert values_of("zhang", attribute("PatientName"), fuzzy=True) == ["zhang"]


@pytest.mark.parametrize(
    ("keyword", "typed", "words"),
    [
        ("PatientName", '"Zhang', "not closed"),
        ("PatientName", '"Zhang" San', "text follows"),
        ("StudyDate", "2023-13", "no month"),
        ("StudyDate", "/", "at least one end"),
        ("StudyDate", "1..2..3", "no range"),
        ("StudyDate", "2023-02-30", "no day of the calendar"),
        ("StudyDate", "2024/2023", "ends after it begins"),
        ("SeriesNumber", "three", "no whole number"),
        ("StudyInstanceUID", "1.2.*", "no UID"),
    ],
)
def test_a_fault_is_found_in_its_field(keyword: str, typed: str, words: str) -> None:
    reading = read("series", {"Modality": "CT", keyword: typed})
    assert reading.filters == {"Modality": "CT"}
    assert list(reading.faults) == [keyword]
    assert words in reading.faults[keyword]


def test_what_belongs_to_another_level_is_a_fault_there() -> None:
    assert "search the series by it" in read("study", {"SeriesNumber": "3"}).faults["SeriesNumber"]
    assert read("series", {"SeriesNumber": "3"}).filters == {"SeriesNumber": 3}


def test_the_form_goes_along_to_another_level() -> None:
    form = {"PatientName": "z", "StudyDescription": "chest", "ModalitiesInStudy": "CT"}
    there = moved(form, "study", "series")
    assert there == {"PatientName": "z", "SeriesDescription": "chest", "Modality": "CT"}
    assert moved(there, "series", "instance") == there
    assert moved(there, "instance", "study") == form
    both = {"SeriesDescription": "a", "StudyDescription": "b"}
    assert moved(both, "series", "study") == both


def test_fields_are_those_of_the_level_and_the_added() -> None:
    fields = fields_for("study", within=None, form={"PatientName": "", "KVP": "120"})
    assert [one.name for one in fields if one.is_added] == ["KVP"]
    assert fields[0].label == "Patient name"
    within = fields_for("series", within="study", form={})
    assert "PatientName" not in [one.name for one in within]
    assert heading("RequestAttributesSequence.RequestedProcedureID") == "Requested Procedure ID"
    assert heading("0009,1001") == "0009,1001"


# -- any filters become a form, and the form means them again ------------------------------------

TEXT = st.text(
    st.characters(codec="utf-8", exclude_characters="\\\n\r", exclude_categories=("Cc", "Cs")),
    max_size=12,
)
DAYS = st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 12, 31))
RANGES = st.lists(DAYS, min_size=2, max_size=2, unique=True).map(
    lambda ends: (min(ends), max(ends))
)
ONE = {
    "PatientName": TEXT,
    "PatientID": TEXT,
    "AccessionNumber": TEXT,
    "StudyDescription": TEXT,
    "InstitutionName": TEXT,
    "ModalitiesInStudy": TEXT,
    "StudyDate": DAYS | RANGES | DAYS.map(lambda day: (day, None)),
    "StudyTime": st.times(),
    "PatientAge": st.integers(0, 120).map(lambda years: f"{years:03}Y"),
    "PatientWeight": st.floats(0.01, 1e4, allow_nan=False) | st.integers(0, 300),
    "StudyInstanceUID": st.integers(1, 10**9).map(lambda number: f"1.2.{number}"),
    "RequestAttributesSequence.RequestedProcedureID": TEXT,
}
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        name: values | st.lists(values, min_size=1, max_size=3) for name, values in ONE.items()
    },
)


@given(FILTERS, st.booleans())
def test_a_form_means_the_filters_it_was_made_of(filters: dict[str, Any], fuzzy: bool) -> None:
    form = form_of("study", filters, fuzzy=fuzzy)
    reading = read("study", form, fuzzy=fuzzy)
    assert reading.faults == {}
    assert build("study", reading.filters) == build("study", filters)


@given(st.sampled_from(sorted(ONE)), st.text(max_size=20))
def test_whatever_is_typed_is_read_or_named_as_a_fault(keyword: str, text: str) -> None:
    reading = read("study", {keyword: text})
    assert reading.faults or not reading.filters or build("study", reading.filters).filters


class Recorder:
    """Stands for an archive and keeps what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda where=None, **given: self.asked.append((name, where, given))


@given(FILTERS, st.booleans(), st.lists(st.sampled_from(["KVP", "0018,0060"]), max_size=2))
def test_the_python_of_any_search_asks_the_same(
    filters: dict[str, Any], fuzzy: bool, fields: list[str]
) -> None:
    meant = read("study", form_of("study", filters, fuzzy=fuzzy), fuzzy=fuzzy).filters
    search = Search("study", meant, tuple(fields), fuzzy, 1000)
    code = python([search])
    archive = Recorder()
    exec(code, {"archive": archive})
    ((name, where, asked),) = archive.asked
    assert (name, where) == ("studies", None)
    matching = asked.pop("matching", {})
    fields = asked.pop("fields", [])
    assert asked.pop("fuzzy", False) == fuzzy
    assert asked.pop("limit") == 1000
    made = build("study", {**asked, **matching}).filters
    assert set(made) == set(build("study", filters).filters)
    assert tuple(fields) == search.fields


def table(count: int) -> pd.DataFrame:
    return pd.DataFrame({"StudyInstanceUID": [f"1.{number}" for number in range(1, count + 1)]})


def chain(all_of_them: pd.DataFrame, chosen: pd.DataFrame, limit: int | None = None) -> str:
    first = Found(Search("study", {"PatientID": "1"}, limit=limit), all_of_them)
    return python([first, Found(Search("series"), table(0), chosen)], dicomnb="dn")


def test_a_chain_names_what_it_goes_down_to_as_reads_best() -> None:
    rows = table(40)
    assert chain(rows, rows) == (
        'studies = archive.studies(PatientID="1")\nseries = archive.series(studies)'
    )
    assert chain(rows, rows.iloc[[3]]) == 'series = archive.series(dn.Ref("1.4"))'
    assert chain(rows, rows.iloc[:2]) == 'series = archive.series([dn.Ref("1.1"), dn.Ref("1.2")])'
    some = chain(rows, rows.iloc[:10])
    assert 'studies[studies["StudyInstanceUID"].isin(' in some
    most = chain(rows, rows.iloc[1:])
    assert 'studies[~studies["StudyInstanceUID"].isin(["1.1"])]' in most
    assert "limit=40" in chain(rows, rows, 40)
    assert "limit" not in chain(rows, rows, 41)


@pytest.mark.parametrize("rows", [1, 2, 9, 20, 39, 40])
def test_the_rows_of_a_chain_are_those_that_were_chosen(rows: int) -> None:
    everything = table(40)
    chosen = everything.iloc[:rows]
    code = chain(everything, chosen)
    archive = Recorder()
    asked: list[Any] = []
    archive.studies = lambda **given: everything  # type: ignore[attr-defined]
    archive.series = lambda where: asked.append(where)  # type: ignore[attr-defined]
    import dicomnb as dn
    from dicomnb.refs import refs_of

    exec(code, {"archive": archive, "dn": dn})
    assert refs_of(asked[0]) == refs_of(chosen)


def test_rows_of_elsewhere_or_in_another_order_are_named_one_by_one() -> None:
    everything = table(12)
    backwards = everything.iloc[::-1]
    assert chain(everything, backwards).count("dn.Ref") == 12
    elsewhere = everything.assign(StudyInstanceUID="9." + everything["StudyInstanceUID"])
    assert chain(everything, elsewhere).count("dn.Ref") == 12
    twice = pd.concat([everything, everything.iloc[:1]], ignore_index=True)
    assert chain(twice, twice.iloc[:10]).count("dn.Ref") == 10


def test_code_without_a_name_for_the_package_imports_it() -> None:
    rows = table(3)
    first = Found(Search("study"), rows)
    code = python([first, Found(Search("series"), table(0), rows.iloc[[0]])], archive="pacs")
    assert code == 'import dicomnb as dn\n\nseries = pacs.series(dn.Ref("1.1"))'


# -- completion ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "level", "first"),
    [
        ("bodyp", "series", "BodyPartExamined"),
        ("patient name", "study", "PatientName"),
        ("PatientNmae", "study", "PatientName"),
        ("kvp", "series", "KVP"),
        ("slice thick", "instance", "SliceThickness"),
    ],
)
def test_completion_finds_what_is_meant(typed: str, level: Any, first: str) -> None:
    assert suggestions(typed, level)[0].keyword == first


def test_completion_offers_only_what_can_be_searched_by() -> None:
    names = [one.keyword for one in suggestions("series", "study", count=500)]
    assert "SeriesNumber" not in names
    assert not any(attribute(name).vr == "SQ" for name in names)
    columns = [one.keyword for one in suggestions("procedurecode", "study", filters=False)]
    assert "ProcedureCodeSequence" in columns
    assert suggestions("", "study") == []
    for name in names:
        build("study", {name: ""})


def test_completion_puts_first_what_the_archive_matches_itself() -> None:
    tag = attribute("PatientWeight").tag
    names = [one.keyword for one in suggestions("patientw", "study", matched={tag})]
    assert names[0] == "PatientWeight"
    with pytest.raises(BadQuery):
        build("study", {"Nonsense": ""})
