"""The answer to a search does not depend on what the server can do."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicomnb.errors import BadQuery, DicomnbWarning
from dicomnb.listing import Listing
from dicomnb.query import PageLimit, Query, SearchAbilities, build, matches
from dicomnb.web.families import FAMILIES
from tests.web.simulated import DATE, NAME, NUMBER, STUDY, TEXT, OnWeb, Simulated, study

NAMES = ["Zhang^Sally", "zhang^wei", "Müller^Jörg", "Zhao", "Zhang^Sally=张^莎莉"]
DATES = ["20230115", "20240101", "20240102", "", "19991231", "20230615"]
TEXTS = ["Chest", "chest", "", "Head and neck"]
ROWS = [
    study(number, NAMES[number % 5], DATES[number % 6], TEXTS[number % 4]) for number in range(37)
]

FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "PatientName": st.sampled_from(["Zhang*", "zh?ng^sally", "Zhao", "*", "Mül*", "", "*a*"]),
        "PatientID": st.sampled_from(["P1", "?2", ["P1", "P3"], ["P*", "B*"]]),
        "StudyDate": st.sampled_from(
            ["20230115", ("20230101", "20231231"), (None, "20231231"), ["20240101", "20230115"]]
        ),
        "StudyDescription": st.sampled_from(["Chest", "ch*", "Head and neck"]),
        "StudyInstanceUID": st.just([f"1.{number}" for number in range(0, 37, 3)]),
    },
)
FILTERED = [NAME, NUMBER, DATE, TEXT, STUDY]
SOME = st.frozensets(st.sampled_from(FILTERED))
SIZE = st.none() | st.integers(1, 40)
SERVERS = st.builds(
    Simulated,
    rows=st.just(ROWS),
    refuses=st.frozensets(st.sampled_from([*FILTERED, "wildcard", "range", "list"])),
    ignores=SOME,
    refuses_fields=st.frozensets(st.sampled_from(["00081060", "00081080", "00101010"])),
    default=SIZE,
    most=SIZE,
    limit_error=st.none() | st.integers(1, 2000),
    any_case=st.booleans(),
    undated=st.booleans(),
    warns=st.booleans(),
    names_culprits=st.booleans(),
)


def found(source: OnWeb, query: Query) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DicomnbWarning)
        return Listing(source, workers=2).table(query, None, None)  # type: ignore[arg-type]


def truth(query: Query) -> list[str]:
    return [f"1.{number}" for number, row in enumerate(ROWS) if matches(row, query.filters)]


@settings(deadline=None, max_examples=100)
@given(SERVERS, FILTERS, st.integers(1, 4))
def test_any_server_gives_the_same_rows(
    server: Simulated, filters: dict[str, object], in_flight: int
) -> None:
    query = build("study", filters)
    table = found(OnWeb(server, SearchAbilities(), in_flight=in_flight), query)
    assert sorted(table["StudyInstanceUID"]) == sorted(truth(query))
    assert table.attrs["complete"]


@settings(deadline=None, max_examples=100)
@given(SERVERS, FILTERS, st.none() | st.integers(1, 12), st.integers(0, 40))
def test_limit_and_offset_count_rows_that_match(
    server: Simulated, filters: dict[str, object], limit: int | None, offset: int
) -> None:
    query = build("study", filters)
    whole = truth(query)
    table = found(OnWeb(server, SearchAbilities()), replace(query, limit=limit, offset=offset))
    uids = table["StudyInstanceUID"].tolist()
    assert len(uids) == len(set(uids))
    assert set(uids) <= set(whole)
    assert len(uids) == len(whole[offset:][:limit]) or not table.attrs["complete"]


@settings(deadline=None, max_examples=30)
@given(SERVERS, st.lists(FILTERS, min_size=2, max_size=4))
def test_what_was_learned_changes_no_answer(
    server: Simulated, searches: list[dict[str, object]]
) -> None:
    source = OnWeb(server, SearchAbilities())
    for filters in [*searches, *searches]:
        query = build("study", filters)
        assert sorted(found(source, query)["StudyInstanceUID"]) == sorted(truth(query))


@pytest.mark.long
@settings(deadline=None, max_examples=100)
@given(
    SERVERS.filter(lambda one: not one.refuses & {DATE, "range"} and DATE not in one.ignores),
    FILTERS,
    st.integers(1, 30),
    st.booleans(),
)
def test_beyond_the_largest_offset_by_date_or_told(
    server: Simulated, filters: dict[str, object], last: int, known: bool
) -> None:
    """Every row that has a date is found; that others may be missing is said."""
    server.last_offset, server.most = last, min(server.most or 7, 7)
    abilities = SearchAbilities(
        offset_limit=last if known else None,
        pages={"study": PageLimit(None, server.most)},
    )
    query = build("study", filters)
    table = found(OnWeb(server, abilities), query)
    uids = set(table["StudyInstanceUID"])
    dated = {f"1.{number}" for number, row in enumerate(ROWS) if "Value" in row[DATE]}  # type: ignore[operator]
    assert uids <= set(truth(query))
    missing = set(truth(query)) - uids
    assert not table.attrs["complete"] or not missing
    # A day with more rows than the server gives cannot be cut further.
    most_of_a_day = max(sum(row[DATE] == other[DATE] for row in ROWS) for other in ROWS)
    if most_of_a_day < last:
        assert not missing & dated


def test_a_refused_filter_is_checked_here_and_remembered() -> None:
    server = Simulated(ROWS, refuses=frozenset({TEXT}))
    source = OnWeb(server, SearchAbilities())
    listing = Listing(source, workers=1)  # type: ignore[arg-type]
    query = build("study", {"StudyDescription": "Chest", "PatientID": "P1"})
    with pytest.warns(DicomnbWarning, match="refuses to search by StudyDescription=Chest") as told:
        assert len(listing.table(query, None, None)) == len(truth(query))
    assert len(told) == 1
    count = len(server.asked)
    listing.table(query, None, None)  # warns no more, and asks no more than it must
    assert TEXT not in {one.path[0] for asked in server.asked[count:] for one in asked.filters}
    assert len(server.asked) - count == 2
    explained = listing.requests(query, None)
    assert explained["CheckedHere"].tolist() == ["StudyDescription"]
    assert "PatientID=P1" in explained["Parameters"].iloc[0]


def test_an_ignored_filter_is_checked_here_and_remembered() -> None:
    server = Simulated(ROWS, ignores=frozenset({TEXT}))
    listing = Listing(OnWeb(server, SearchAbilities()), workers=1)  # type: ignore[arg-type]
    query = build("study", {"StudyDescription": "Chest"})
    with pytest.warns(DicomnbWarning, match="ignores the filter StudyDescription") as told:
        assert len(listing.table(query, None, None)) == len(truth(query))
    assert len(told) == 1
    with pytest.warns(DicomnbWarning, match="every row is fetched") as told:
        assert len(listing.table(query, None, None)) == len(truth(query))
    assert len(told) == 1


def test_a_filter_that_rows_do_not_show_is_tried_once() -> None:
    """A server that matches but does not return is believed; one that ignores is not."""
    query = build("study", {"StudyDescription": "Chest"})
    kept = Simulated(ROWS, hides=frozenset({TEXT}))
    source = OnWeb(kept, SearchAbilities())
    assert found(source, query)["StudyInstanceUID"].tolist() == truth(query)
    assert source.known.honoured == {("study", TEXT)}
    count = len(kept.asked)
    found(source, query)
    assert len(kept.asked) - count == 2
    ignoring = Simulated(ROWS, hides=frozenset({TEXT}), ignores=frozenset({TEXT}))
    assert len(found(OnWeb(ignoring, SearchAbilities()), query)) == 0


def test_a_refused_field_is_left_out() -> None:
    server = Simulated(ROWS, refuses_fields=frozenset({"00081060"}))
    source = OnWeb(server, SearchAbilities())
    query = build("study", {}, fields=["NameOfPhysiciansReadingStudy", "PatientAge"])
    with pytest.warns(DicomnbWarning, match="refuses to bring NameOfPhysiciansReadingStudy"):
        table = Listing(source, workers=1).table(query, None, None)  # type: ignore[arg-type]
    assert len(table) == len(ROWS)
    assert source.known.refused_fields == {("study", "00081060")}
    assert "00101010" in server.asked[-1].fields


def test_what_is_refused_for_another_reason_stays_an_error() -> None:
    class Never(Simulated):
        def _refuse(self, query: Query) -> None:
            raise BadQuery("refused", status=400, server_words="No searches today.")

    source = OnWeb(Never(ROWS), SearchAbilities())
    with pytest.raises(BadQuery) as caught:
        found(source, build("study", {"PatientID": "P1"}))
    assert caught.value.server_words == "No searches today."
    assert source.known == SearchAbilities()


def test_pages_in_flight_come_in_order_and_end_at_the_end() -> None:
    rows = [study(number, "A", "20230101", "x") for number in range(60)]
    server = Simulated(rows, most=5)
    abilities = SearchAbilities(pages={"study": PageLimit(5, 5)}, honest_pages=True)
    source = OnWeb(server, abilities, in_flight=4)
    table = found(source, build("study", {}))
    assert table["StudyInstanceUID"].tolist() == [f"1.{number}" for number in range(60)]
    offsets = [one.offset for one in server.asked]
    assert len(offsets) == len(set(offsets))
    assert max(offsets) <= 60 + 4 * 5


@pytest.mark.parametrize("most", [1, 3, 7])
def test_a_server_that_pages_smaller_than_it_says(most: int) -> None:
    """Pages that were asked for too far ahead are asked for again, and none is lost."""
    server = Simulated(ROWS, most=most)
    abilities = SearchAbilities(pages={"study": PageLimit(8, 8)})
    table = found(OnWeb(server, abilities, in_flight=4), build("study", {}))
    assert table["StudyInstanceUID"].tolist() == truth(build("study", {}))


def test_google_is_cut_by_date_before_its_largest_offset() -> None:
    rows = [study(number, "A", f"2023{number % 12 + 1:02}15", "x") for number in range(400)]
    server = Simulated(rows, last_offset=100, most=50)
    google = FAMILIES["google"].abilities.search
    abilities = replace(google, offset_limit=100, pages={"study": PageLimit(50, 50)})
    table = found(OnWeb(server, abilities), build("study", {"StudyDate": ("20230101", None)}))
    assert len(table) == 400
    assert table["StudyInstanceUID"].is_unique
    assert table.attrs["complete"]
    assert max(one.offset for one in server.asked) <= 100
    with pytest.warns(DicomnbWarning, match="no StudyDate may be missing"):
        Listing(OnWeb(server, abilities), workers=1).table(build("study", {}), None, None)  # type: ignore[arg-type]
