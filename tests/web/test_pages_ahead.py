"""Pages that are under way together, and rows that are decoded once for all who look at them."""

from __future__ import annotations

import json
import threading
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest

import dicomnb as dn
from dicomnb.errors import DicomnbWarning
from dicomnb.query import PageLimit, Query, SearchAbilities
from dicomnb.search import pages, steps
from dicomnb.tables import TableBuilder, columns_for
from dicomnb.web import paging, searching
from dicomnb.web.result_rows import Received
from tests.web.raw_server import response


def study(number: int) -> dict[str, object]:
    return {
        "00080020": {"vr": "DA", "Value": [f"2023{number % 12 + 1:02}01"]},
        "00081030": {"vr": "LO", "Value": [f"text {number % 3}"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": f"Doe^{number % 7}"}]},
        "0020000D": {"vr": "UI", "Value": [f"1.{number}"]},
    }


def searched(ask, *, most=None, limit=None):
    """UIDs that a search of studies brings."""
    limits = None if most is None else {"study": PageLimit(most, most)}
    abilities = SearchAbilities(pages=limits)
    link = paging.Link(ask, lambda: abilities, lambda lesson: False, "http://h/studies")
    found = searching.pages(link, Query("study", limit=limit))
    return [row["0020000D"]["Value"][0] for page in found for row in json.loads(page.rows)]


class Paged:
    """Gives ``size`` rows a request; those from ``from_`` on only when several were asked for."""

    def __init__(self, count: int, size: int, *, together: int = 1, from_: int = 0) -> None:
        self.asked: list[Query] = []
        self._rows = [study(number) for number in range(count)]
        self._size, self._from = size, from_
        self._all_here = threading.Barrier(together, timeout=60)

    def __call__(self, query: Query, cancel=None) -> Received:
        self.asked.append(query)
        at = (query.offset - self._from) // self._size
        if 0 <= at < self._all_here.parties:
            self._all_here.wait()
        size = min(self._size, query.limit or self._size)
        return Received(json.dumps(self._rows[query.offset : query.offset + size]).encode())


@pytest.mark.parametrize("most", [None, 100])
def test_pages_are_under_way_together(most):
    server = Paged(4000, 100, together=paging.PAGES_IN_FLIGHT, from_=1500)
    assert searched(server, most=most) == [f"1.{number}" for number in range(4000)]


def test_pages_are_under_way_together_after_a_first_one_of_a_round_length():
    server = Paged(4000, 100, together=paging.PAGES_IN_FLIGHT, from_=100)
    assert searched(server) == [f"1.{number}" for number in range(4000)]


@pytest.mark.parametrize(("count", "asked"), [(0, 1), (99, 2), (130, 2)])
def test_a_whole_answer_is_followed_by_one_request(count, asked):
    server = Paged(count, 200)
    assert len(searched(server)) == count
    assert len(server.asked) == asked


@pytest.mark.parametrize("pages", [1, 2, 3, 10])
def test_few_are_asked_for_in_vain(pages):
    server = Paged(100 * pages, 100)
    assert len(searched(server)) == 100 * pages
    assert len(server.asked) <= pages + paging.PAGES_IN_FLIGHT


def test_large_pages_are_fewer_at_once():
    """As many rows as are in flight of middling pages."""
    server = Paged(60_000, 5000, together=4, from_=20_000)
    assert len(searched(server, most=5000)) == 60_000


@pytest.mark.parametrize("limit", [1, 99, 100, 101, 1234, 2000])
def test_no_row_is_asked_for_beyond_the_limit(limit):
    server = Paged(4000, 100)
    assert searched(server, most=100, limit=limit) == [f"1.{number}" for number in range(limit)]
    assert max(query.offset + query.limit for query in server.asked) == limit


def server_of(rows, size=100):
    """Answers searches in pages and ignores every filter."""

    def respond(request):
        query = parse_qs(urlsplit(request.target).query)
        start = int(query.get("offset", ["0"])[0])
        count = min(size, int(query.get("limit", ["100000"])[0]))
        return response(json.dumps(rows[start : start + count]).encode())

    return respond


def built(rows):
    """The table that rows make when they are read on their own."""
    builder = TableBuilder(columns_for("study"), level="study")
    builder.add(json.dumps(rows).encode())
    return builder.finish()


@pytest.mark.parametrize("size", [100, 10_000])
def test_the_table_is_of_the_rows_that_are_left(raw, size):
    """Rows come twice, and others do not match: what was decoded before is not taken for them."""
    rows = [study(number) for number in range(1050)]
    twice = [*rows[:500], *rows[450:]]
    server = raw(server_of(twice, size))
    archive = dn.connect(server.url)
    pd.testing.assert_frame_equal(archive.studies(), built(rows), check_names=False)
    with pytest.warns(DicomnbWarning, match="ignores the filter StudyDescription"):
        some = archive.studies(StudyDescription="text 1")
    wanted = built([row for number, row in enumerate(rows) if number % 3 == 1])
    pd.testing.assert_frame_equal(some, wanted)
    pd.testing.assert_frame_equal(archive.studies(limit=777), built(rows[:777]))


def test_odd_rows_among_regular_ones(raw):
    """Read by the patient readers, told as ever."""
    rows = [study(number) for number in range(3000)]
    rows[1500]["00080020"] = {"vr": "DA", "Value": ["yesterday"]}
    rows[2500]["00080020"] = {"vr": "DA", "Value": {"no": "array"}}
    server = raw(server_of(rows, 10_000))
    with pytest.warns(DicomnbWarning, match="odd value"):
        table = dn.connect(server.url).studies()
    assert len(table) == 3000
    assert table.StudyDate.isna().sum() == 2
    assert set(table.dicom.issues.UID) == {"1.1500", "1.2500"}


@pytest.mark.parametrize("tells", [True, False])
def test_rows_within_a_study_are_decoded_once_where_they_name_it(raw, tells):
    rows = [
        {
            "0020000E": {"vr": "UI", "Value": [f"1.5.{number}"]},
            "00080060": {"vr": "CS", "Value": ["CT"]},
            **({"0020000D": {"vr": "UI", "Value": ["1.5"]}} if tells else {}),
        }
        for number in range(250)
    ]
    archive = dn.connect(raw(server_of(rows)).url)
    made = steps(Query("series"), [dn.Ref("1.5")], archive.source.abilities())
    found = list(pages(archive.source, made, workers=2))
    assert [page.count for page in found] == [100, 100, 50]
    for page in found:
        assert (page.decoded.of(page.rows) is not None) is tells
        assert all(row["0020000D"]["Value"] == ["1.5"] for row in json.loads(page.rows))
    assert set(archive.series(dn.Ref("1.5")).StudyInstanceUID) == {"1.5"}


def test_rows_of_several_searches_come_once(raw):
    """The same series is found under both studies, or by its own."""
    rows = [
        {"0020000D": {"vr": "UI", "Value": [study]}, "0020000E": {"vr": "UI", "Value": [series]}}
        for study, series in [("1.1", "1.7"), ("1.2", "1.7"), ("1.1", "1.8"), ("1.1", "1.8")]
    ]
    archive = dn.connect(raw(server_of(rows)).url)
    made = steps(Query("series"), [dn.Ref("1.1"), dn.Ref("1.2")], archive.source.abilities())
    found = [
        row for page in pages(archive.source, made, workers=2) for row in json.loads(page.rows)
    ]
    assert found == rows[:3]
