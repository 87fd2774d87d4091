"""Searches carried out against sources of little ability: rows once, whole, with parents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import msgspec
import pytest

from dicomnb.errors import BadQuery, Cancelled, DicomnbWarning
from dicomnb.listing import Listing
from dicomnb.pool import Cancel
from dicomnb.query import Query, SearchAbilities, build, matches
from dicomnb.refs import Ref
from dicomnb.source import Abilities, Page
from dicomnb.transfer.events import Progress

ROWS = [
    {
        "0020000D": {"vr": "UI", "Value": [f"1.{study}"]},
        "0020000E": {"vr": "UI", "Value": [f"1.{study}.{series}"]},
        "00080060": {"vr": "CS", "Value": [["CT", "MR", "PT"][series % 3]]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": f"Zhang^{study}"}]},
    }
    for study in range(30)
    for series in range(4)
]


class Poor:
    """A source of given abilities that answers in pages and leaves parents' UIDs out."""

    address = "memory:"

    def __init__(self, search: SearchAbilities | None = None, *, complete: bool = True) -> None:
        self._search = search or SearchAbilities()
        self._complete = complete
        self.asked: list[Query] = []

    def abilities(self) -> Abilities:
        return Abilities("standard", self._search)

    def search(self, query: Query, *, cancel: Cancel | None = None) -> Iterator[Page]:
        self.asked.append(query)
        rows = [row for row in ROWS if matches(row, query.filters, fuzzy=query.fuzzy)]
        if query.within is not None:
            uid = query.within.study
            rows = [dict(row) for row in rows if row["0020000D"]["Value"] == [uid]]
            for row in rows:
                del row["0020000D"]
        rows = rows[query.offset :][: query.limit]
        for start in range(0, len(rows) or 1, 7):
            page = rows[start : start + 7]
            yield Page(json.dumps(page).encode(), len(page), self._complete, ("said so",))


def listing(source: Poor) -> Listing:
    return Listing(source, workers=4)  # type: ignore[arg-type]


def test_rows_get_the_uids_they_were_asked_under() -> None:
    table = listing(Poor()).table(build("series", {}), Ref("1.3"), None)
    assert set(table["StudyInstanceUID"]) == {"1.3"}
    assert len(table) == 4


@pytest.mark.parametrize("count", [1, 5, 16, 17, 30])
def test_few_or_many_parents_give_the_same_rows(count: int) -> None:
    source = Poor()
    parents = [Ref(f"1.{number}") for number in range(count)]
    table = listing(source).table(build("series", {"Modality": "CT"}), parents, None)
    assert len(table) == 2 * count
    assert set(table["StudyInstanceUID"]) == {ref.study for ref in parents}
    assert len(source.asked) == (count if count <= 16 else 1)


def test_parents_no_server_can_be_asked_by_are_checked_here() -> None:
    attributes = {level: frozenset({"00080060"}) for level in ("study", "series", "instance")}
    source = Poor(SearchAbilities(attributes=attributes))  # type: ignore[arg-type]
    parents = [Ref(f"1.{number}") for number in range(20)]
    table = listing(source).table(build("series", {"Modality": "CT"}), parents, None)
    assert len(table) == 40
    assert len(source.asked) == 1


def test_no_parents_are_no_rows() -> None:
    source = Poor()
    assert len(listing(source).table(build("series", {}), [], None)) == 0
    assert source.asked == []


@pytest.mark.parametrize(("limit", "offset"), [(0, 0), (5, 0), (7, 3), (None, 50), (200, 90)])
def test_limit_and_offset_over_split_searches(limit: int | None, offset: int) -> None:
    query = build("series", {"Modality": ["CT", "MR"]})
    whole = listing(Poor()).table(query, None, None)["SeriesInstanceUID"].tolist()
    cut = listing(Poor()).table(replace(query, limit=limit, offset=offset), None, None)
    assert cut["SeriesInstanceUID"].tolist() == whole[offset:][:limit]


def test_a_row_that_two_requests_bring_comes_once() -> None:
    query = build("series", {"PatientName": ["Zhang*", "*1*"]})
    table = listing(Poor()).table(query, None, None)
    assert len(table) == len(ROWS)
    assert table["SeriesInstanceUID"].is_unique


def test_nothing_that_bounds_the_server_warns_first() -> None:
    attributes = {level: frozenset({"0020000D"}) for level in ("study", "series", "instance")}
    source = Poor(SearchAbilities(attributes=attributes))  # type: ignore[arg-type]
    with pytest.warns(DicomnbWarning, match="every row is fetched"):
        table = listing(source).table(build("series", {"Modality": "PT"}), None, None)
    assert len(table) == 30


def test_an_answer_that_is_cut_warns_and_says_so() -> None:
    with pytest.warns(DicomnbWarning, match=r"cut after 120 rows\. said so"):
        table = listing(Poor(complete=False)).table(build("series", {}), None, None)
    assert table.attrs["complete"] is False
    assert table.attrs["notes"] == "said so"


def test_everything_that_came_becomes_columns_on_request() -> None:
    table = listing(Poor()).table(build("series", {}, fields="all", limit=3), None, None)
    assert list(table.columns[:4]) == [
        "PatientID",
        "PatientName",
        "StudyInstanceUID",
        "SeriesInstanceUID",
    ]
    assert table["Modality"].tolist() == ["CT", "MR", "PT"]


def test_progress_is_told_in_rows() -> None:
    told: list[int] = []
    listing(Poor()).table(build("series", {}), None, lambda progress: told.append(progress.done))
    assert told[-1] == len(ROWS)
    assert told == sorted(told)


def test_upwards_is_refused() -> None:
    with pytest.raises(BadQuery, match="Series hold no studies"):
        listing(Poor()).table(build("study", {}), Ref("1.1", "1.1.1"), None)


def test_rows_stay_bytes_until_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain search decodes no row before the table does."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("dicomnb.search.select", refuse)
    monkeypatch.setattr("dicomnb.search._KEYS", msgspec.json.Decoder(int))
    assert len(listing(Poor()).table(build("series", {}), None, None)) == len(ROWS)


def test_a_series_under_two_studies_is_two_rows() -> None:
    class Twice(Poor):
        def search(self, query: Query, *, cancel: Cancel | None = None) -> Iterator[Page]:
            row = {"0020000E": {"vr": "UI", "Value": ["1.9"]}}
            yield Page(json.dumps([row]).encode(), 1)

    table = listing(Twice()).table(build("series", {}), [Ref("1.1"), Ref("1.2")], None)
    assert table["StudyInstanceUID"].tolist() == ["1.1", "1.2"]


def test_what_no_row_has_is_told_and_not_taken_for_no_match() -> None:
    attributes = {level: frozenset({"00080060"}) for level in ("study", "series", "instance")}
    source = Poor(SearchAbilities(attributes=attributes))  # type: ignore[arg-type]
    query = build("series", {"BodyPartExamined": "CHEST", "Modality": "CT"})
    with pytest.warns(DicomnbWarning, match="No row that came has BodyPartExamined"):
        assert len(listing(source).table(query, None, None)) == 0


def test_no_rows_wanted_asks_nothing() -> None:
    source = Poor()
    query = build("series", {"Modality": ["CT", "MR"]}, limit=0)
    assert len(listing(source).table(query, None, None)) == 0
    assert source.asked == []


def test_a_few_rows_of_many_parents_are_a_few_rows_each() -> None:
    source = Poor()
    query = build("series", {}, limit=2, offset=1)
    table = listing(source).table(query, [Ref("1.1"), Ref("1.2")], None)
    assert len(table) == 2
    assert {(one.limit, one.offset) for one in source.asked} == {(3, 0)}


def test_a_search_that_is_left_lets_go_of_its_connection() -> None:
    class Open(Poor):
        closed = 0

        def search(self, query: Query, *, cancel: Cancel | None = None) -> Iterator[Page]:
            try:
                yield from super().search(query, cancel=cancel)
            finally:
                self.closed += 1

    source = Open()
    pages = listing(source).tables(build("series", {}), None)
    next(pages)
    pages.close()  # type: ignore[attr-defined]
    assert source.closed == 1


def test_mistakes_are_told_before_the_first_page() -> None:
    with pytest.raises(BadQuery):
        listing(Poor()).tables(build("study", {}), Ref("1.1", "1.1.1"))


def test_a_search_stops_when_its_token_is_set() -> None:
    class Endless(Poor):
        def search(self, query: Query, *, cancel: Cancel | None = None) -> Iterator[Page]:
            assert cancel is not None
            while True:
                cancel.check()
                yield Page(json.dumps(ROWS[:7]).encode(), 7)

    cancel = Cancel()
    counts: list[int] = []

    def tell(progress: Progress) -> None:
        counts.append(progress.done)
        if progress.done >= 21:
            cancel.set()

    with pytest.raises(Cancelled):
        listing(Endless()).table(build("series", {}), None, tell, cancel=cancel)
    assert counts == [7, 14, 21]
