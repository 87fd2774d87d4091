"""Paging on servers that page in their own ways: every row once, and an end."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicomnb.errors import ProtocolError
from dicomnb.query import PageLimit, Query, SearchAbilities
from dicomnb.web import paging, searching
from dicomnb.web.families import FAMILIES
from dicomnb.web.result_rows import Received, rows_in

URL = "http://h/studies"
MORE = "There are 5 additional results that can be requested"
TAGS = {"study": "0020000D", "series": "0020000E", "instance": "00080018"}


def row(uid, level="study") -> dict:
    return {TAGS[level]: {"vr": "UI", "Value": [uid]}}


def pages(ask, query, abilities, *, in_flight=1):
    """The pages of a search on a server that is a function."""
    known = [abilities]

    def learn(lesson):
        known.append(known[-1].after(lesson))
        return known[-1] != known[-2]

    link = paging.Link(ask, lambda: known[-1], learn, URL, in_flight)
    return searching.pages(link, query)


class Server:
    """Answers like a server with its own habits."""

    def __init__(self, rows, *, default=None, most=None, offsets=True, limits=True, warns=False):
        self.rows = rows
        self.asked: list[Query] = []
        self._default, self._most = default, most
        self._offsets, self._limits, self._warns = offsets, limits, warns

    def __call__(self, query: Query, cancel=None) -> Received:
        self.asked.append(query)
        assert len(self.asked) < 100, "an endless loop"
        start = query.offset if self._offsets else 0
        size = query.limit if query.limit is not None and self._limits else self._default
        sizes = [one for one in (size, self._most) if one is not None]
        end = start + min(sizes) if sizes else len(self.rows)
        left = max(0, len(self.rows) - end)
        warning = (f"There are {left} additional results that can be requested",)
        chosen = json.dumps(self.rows[start:end]).encode()
        return Received(chosen, warning if self._warns and left else ())


def found(server, query=None, abilities=None) -> list:
    query = query or Query("study")
    made = list(pages(server, query, abilities or SearchAbilities()))
    tag = TAGS[query.level]
    rows = [one for page in made for one in json.loads(page.rows)]
    assert sum(page.count for page in made) == len(rows)
    return [one[tag]["Value"][0] if tag in one else None for one in rows]


ROWS = [row(f"1.{n}") for n in range(25)]
UIDS = [f"1.{n}" for n in range(25)]


@pytest.mark.parametrize("default", [None, 1, 7, 12, 25, 100])
@pytest.mark.parametrize("warns", [False, True])
def test_any_default_size(default, warns):
    server = Server(ROWS, default=default, warns=warns)
    assert found(server) == UIDS
    assert server.asked[0].limit is None


@pytest.mark.parametrize("default", [None, 7, 12, 100])
@pytest.mark.parametrize("limits", [True, False])
@pytest.mark.parametrize("limit", [1, 7, 24, 25, 26])
def test_a_limit(default, limits, limit):
    assert (
        found(Server(ROWS, default=default, limits=limits), Query("study", limit=limit))
        == (UIDS[:limit])
    )


def test_a_limit_of_none_asks_nothing():
    """``limit=0`` means no limit on Orthanc."""
    server = Server(ROWS)
    assert found(server, Query("study", limit=0)) == []
    assert server.asked == []


def test_an_offset():
    server = Server(ROWS, default=10)
    assert found(server, Query("study", offset=20)) == UIDS[20:]
    assert [one.offset for one in server.asked] == [20, 25]


@pytest.mark.parametrize("default", [None, 12])
def test_a_server_that_ignores_offset(default):
    server = Server(ROWS, default=default, offsets=False)
    assert found(server) == UIDS[:default]
    assert len(server.asked) == 2


def test_ignoring_offset_shows_when_more_is_there():
    server = Server(ROWS, default=12, offsets=False, warns=True)
    made = list(pages(server, Query("study"), SearchAbilities()))
    assert [(page.count, page.complete) for page in made] == [(12, True), (0, False)]
    assert len(server.asked) < 10
    assert "same rows again" in made[-1].notes[0]
    assert "13 additional results" in made[-1].notes[0]
    server = Server(ROWS, most=12, offsets=False)
    made = list(pages(server, Query("study", limit=20), SearchAbilities()))
    assert not made[-1].complete
    assert sum(page.count for page in made) == 12


def test_google_pages():
    many = [row(f"1.{n}") for n in range(12_000)]
    google = FAMILIES["google"].abilities.search
    server = Server(many, default=100, most=5000)
    assert len(found(server, abilities=google)) == 12_000
    # One request more tells whether there are rows beyond the largest offset.
    assert [(one.limit, one.offset) for one in server.asked] == [
        (5000, 0),
        (1, 1_000_000),
        (5000, 5000),
        (5000, 10_000),
    ]
    server = Server(many, default=100, most=5000)
    assert len(found(server, Query("study", limit=5001), google)) == 5001
    assert [(one.limit, one.offset) for one in server.asked] == [(5000, 0), (1, 5000)]
    server = Server(many[:5000], default=100, most=5000)
    assert len(found(server, abilities=google)) == 5000
    assert len(server.asked) == 3


def test_the_offset_cap_is_told():
    abilities = SearchAbilities(
        pages={"study": PageLimit(10, 10)}, offset_limit=15, honest_pages=True
    )
    made = list(pages(Server(ROWS, most=10), Query("study"), abilities))
    assert [page.count for page in made if page.count] == [10, 10]
    assert not made[-1].complete
    assert "beyond the first 15" in made[-1].notes[0]


def test_an_honest_server_that_still_warns_is_asked_on():
    abilities = SearchAbilities(honest_pages=True)
    assert found(Server(ROWS, default=10, warns=True), abilities=abilities) == UIDS


def test_other_warnings_are_notes_said_once():
    text = "The fuzzymatching parameter is not supported."
    bodies = [Received(json.dumps([one]).encode(), (text,)) for one in ROWS[:3]]
    bodies.append(Received(b"", (text,)))
    left = iter(bodies)
    made = list(pages(lambda query, cancel: next(left), Query("study"), SearchAbilities()))
    assert [page.notes for page in made] == [(text,), (), ()]
    assert all(page.complete for page in made)


def test_rows_that_come_twice_are_dropped():
    rows = [*ROWS[:3], ROWS[1], *ROWS[2:6]]
    assert found(Server(rows, default=4)) == UIDS[:6]


def test_one_instance_uid_in_two_series_is_two_rows():
    rows = [row("9", "instance") | row(f"1.{n}", "series") | row("5") for n in (1, 2, 1)]
    assert found(Server(rows), Query("instance")) == ["9", "9"]


@pytest.mark.parametrize("element", [None, {"vr": "UI"}, {"vr": "UI", "Value": [None]}, 5, "x"])
def test_rows_without_an_own_uid_are_kept_and_do_not_loop(element):
    rows = [{"0020000D": element, "00100020": {"vr": "LO", "Value": [str(n)]}} for n in range(5)]
    server = Server(rows, offsets=False)
    made = list(pages(server, Query("study"), SearchAbilities()))
    assert sum(page.count for page in made) == 5


@settings(deadline=None)
@given(
    total=st.integers(0, 40),
    default=st.one_of(st.none(), st.integers(1, 50)),
    most=st.one_of(st.none(), st.integers(1, 50)),
    limit=st.one_of(st.none(), st.integers(0, 50)),
    offset=st.integers(0, 45),
    warns=st.booleans(),
)
def test_any_server_gives_all_rows(total, default, most, limit, offset, warns):
    rows = [row(f"1.{n}") for n in range(total)]
    uids = [f"1.{n}" for n in range(total)]
    server = Server(rows, default=default, most=most, warns=warns)
    query = Query("study", limit=limit, offset=offset)
    assert found(server, query) == uids[offset:][:limit]


# Bodies


@pytest.mark.parametrize("body", [b"", b"  \r\n", b"[]", b"[ ]"])
def test_no_rows(body):
    assert rows_in(body, url=URL)[1] == 0


def test_a_single_object_is_a_row():
    array, count = rows_in(json.dumps(ROWS[0]).encode(), url=URL)
    assert (json.loads(array), count) == ([ROWS[0]], 1)


@pytest.mark.parametrize(
    "body",
    [
        b'\xef\xbb\xbf[{"0020000D":{"vr":"UI","Value":["1"]}}]',
        b'[{"0020000D":{"vr":"UI","Value":["1"]},"00189087":{"vr":"FD","Value":[NaN]}}]',
    ],
)
def test_json_that_only_python_reads(body):
    array, count = rows_in(body, url=URL)
    assert count == 1
    assert json.loads(array)[0]["0020000D"]["Value"] == ["1"]


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"<!DOCTYPE html><html><h1>Please log in</h1>", "Please log in"),
        (b'[{"0020000D":{"vr":"UI","Val', "0020000D"),
        (b'{"error": "no"}', "error"),
        (b"{}", "{}"),
        (b"[1, 2]", "[1, 2]"),
        (b'["a"]', "a"),
        (b"null", "null"),
        (b"[" * 100_000, "[["),
        (b"\x1f\x8b\x08", ""),
    ],
)
def test_what_is_no_search_result(body, shown):
    with pytest.raises(ProtocolError, match="answer to a search") as caught:
        rows_in(body, url=URL)
    assert shown in str(caught.value)
    assert caught.value.url == URL
    assert len(str(caught.value)) < 500
