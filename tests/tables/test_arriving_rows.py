"""Rows decoded while they arrive are what the whole gives, wherever the pieces end."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dicomnb.tables.arriving as arriving
import dicomnb.tables.build as build
from dicomnb.tables import TableBuilder
from dicomnb.tables.arriving import ArrivingRows, Decoded
from dicomnb.tables.cells import column_of
from dicomnb.tables.decode import Page, decode_known
from dicomnb.vr.values import are_bare_uids, is_strict_uid

NAMES = ("SOPInstanceUID", "PatientName", "StudyDate", "InstanceNumber", "ImageType")
COLUMNS = tuple(map(column_of, (*NAMES, "ReferencedImageSequence")))


def row(number: int) -> dict[str, object]:
    """Its sequence's items begin as rows do, and its text as if a row ended in it."""
    inner = {"00080005": {"vr": "CS"}, "00080018": {"vr": "UI", "Value": [f"1.{number}"]}}
    return {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "00080008": {"vr": "CS", "Value": ["ORIGINAL", None, f"{number}"][: number % 4]},
        "00080018": {"vr": "UI", "Value": [f"1.2.{number}"]},
        "00080020": {"vr": "DA"} if number % 3 else {"vr": "DA", "Value": ["20230131"]},
        "00081030": {"vr": "LO", "Value": ['}},{"00080005": [']},
        "00081140": {"vr": "SQ", "Value": [inner] * (number % 3)},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": f"Müller^{number % 2}"}]},
        "00200013": {"vr": "IS", "Value": [number]},
    }


def fed(text: bytes, sizes: list[int]) -> Decoded | None:
    """``text`` in pieces of these sizes, again and again, all shown in one room as of `Answer`."""
    rows, at, turn = ArrivingRows(COLUMNS), 0, 0
    room = memoryview(bytearray(max(sizes)))
    while at < len(text):
        piece = text[at : at + sizes[turn % len(sizes)]]
        room[: len(piece)] = piece
        rows.feed(room[: len(piece)])
        at, turn = at + len(piece), turn + 1
    room[:] = bytes(len(room))
    return rows.decoded(text)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arriving, "_PIECE", 300)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.integers(0, 40),
    st.lists(st.integers(1, 2000), min_size=1, max_size=4),
    st.sampled_from([{}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}]),
)
def test_pieces_make_the_whole(count, sizes, style):
    text = json.dumps([row(number) for number in range(count)], **style).encode()
    decoded = fed(text, sizes)
    if decoded is not None:
        assert decoded.of(text) == decode_known(text, COLUMNS)


def test_regular_rows_are_decoded_on_the_way(monkeypatch):
    """A sequence whose items begin like a row may end that; others must not."""
    rows = [{**row(number), "00081140": {"vr": "SQ"}} for number in range(200)]
    for style in ({}, {"indent": 1}, {"separators": (",", ":")}):
        text = json.dumps(rows, **style).encode()
        seen = []

        def noted(page, columns, seen=seen):
            seen.append(page)
            return decode_known(page, columns)

        monkeypatch.setattr(arriving, "decode_known", noted)
        decoded = fed(text, [512])
        assert decoded is not None
        assert len(seen) > 20
        assert decoded.page == decode_known(text, COLUMNS)


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text + b"]",
        lambda text: b"{" + text[1:],
        lambda text: text.replace(b'"Value": [150]', b'"Value": [{"150": 1}]'),
        lambda text: text.replace(b'"Value": [150]', b'"Value": [NaN]'),
        lambda text: text.replace(b'"1.2.150"', b'"1.2\\u0000150"'),
        lambda text: text.replace(b'{"00080005": {"vr"', b'], [{"00080005": {"vr"', 30),
        lambda text: text.replace(b"00080018", b"0008001a"),
        lambda text: b"<html>" + text,
    ],
    ids=["cut", "too long", "unbalanced", "odd", "no JSON", "NUL", "arrays", "lower case", "web"],
)
def test_what_is_not_regular_is_left_to_the_patient_readers(spoilt):
    text = spoilt(json.dumps([row(number) for number in range(300)]).encode())
    assert fed(text, [700]) is None


def test_rows_that_begin_otherwise_than_the_first_are_not_searched_for_ever():
    first, *others = ({**row(number), "00081140": {"vr": "SQ"}} for number in range(300))
    for one in others:
        del one["00080005"]
    assert fed(json.dumps([first, *others[:2]]).encode(), [100]) is not None
    rows = ArrivingRows(COLUMNS)
    text = json.dumps([first, *others]).encode()
    for at in range(0, len(text), 100):
        rows.feed(text[at : at + 100])
        assert len(rows._text) <= 9 * 300
    assert rows.decoded(text) is None


def test_nothing_is_held_of_what_was_given_up():
    odd = {"00200013": {"vr": "IS", "Value": [{"1": 1}]}}
    text = json.dumps([{**row(0), **odd}, *map(row, range(1, 9))]).encode()
    rows = ArrivingRows(COLUMNS)
    rows.feed(text)
    assert rows._pages is None
    assert not rows._text
    assert rows.decoded(text) is None


def test_a_table_of_decoded_rows_is_the_table_of_the_rows():
    rows = json.dumps([{**row(n), "00081140": {"vr": "SQ"}} for n in range(100)]).encode()
    decoded = fed(rows, [512])
    assert decoded is not None
    tables = []
    for given_ in (decoded, None):
        builder = TableBuilder(NAMES, level="instance")
        assert builder.add(rows, decoded=given_) == 100
        tables.append(builder.finish())
    pd.testing.assert_frame_equal(*tables)
    assert tables[0].attrs == tables[1].attrs


ODD = {
    "plain": {},
    "no UID": {"00080018": {"vr": "UI"}},
    "two values": {"00200013": {"vr": "IS", "Value": [1, 2]}},
    "no number": {"00200013": {"vr": "IS", "Value": ["many"]}},
    "no date": {"00080020": {"vr": "DA", "Value": ["yesterday"]}},
}


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
@pytest.mark.filterwarnings("ignore:.* odd value:dicomnb.errors.DicomnbWarning")
def test_pages_that_are_taken_together_are_those_taken_one_by_one(data, monkeypatch):
    monkeypatch.setattr(build, "_TOGETHER", data.draw(st.sampled_from([1, 7, 8000])))
    kinds = st.lists(st.sampled_from(list(ODD)), max_size=4)
    pages = data.draw(st.lists(kinds, min_size=1, max_size=6))
    together, apart = (TableBuilder(NAMES, level="instance") for _ in range(2))
    for place, page in enumerate(pages):
        made = [{**row(n), **ODD[kind]} for n, kind in enumerate(page, 10 * place)]
        text = json.dumps(made).encode()
        parents = {"SOPInstanceUID": f"2.{place // 2}"}
        known = decode_known(text, COLUMNS) if data.draw(st.booleans()) else None
        decoded = None if known is None else Decoded(text, known)
        assert together.add(text, parents=parents, decoded=decoded) == len(page)
        apart.add(text, parents=parents)
        assert together.rows == apart.rows
    tables = together.finish(), apart.finish()
    pd.testing.assert_frame_equal(*tables)
    assert tables[0].attrs == tables[1].attrs


@pytest.mark.parametrize("count", [0, 1])
def test_a_page_that_waits_for_others_is_not_counted_for_each_of_them(count):
    reads = []

    class Counted(Page):
        @property
        def received(self) -> int:
            reads.append(self)
            return self[0]

    builder = TableBuilder(NAMES, level="instance")
    text = json.dumps([row(7)] * count).encode()
    page = Counted(*decode_known(text, COLUMNS))
    for _ in range(300):
        builder.add(text, decoded=Decoded(text, page))
    assert builder.rows == 300 * count
    assert len(builder.finish()) == 300 * count
    assert len(reads) <= 5 * 300


def test_columns_of_other_rows_are_not_taken():
    rows = json.dumps([row(number) for number in range(10)]).encode()
    decoded = Decoded(rows, decode_known(rows, COLUMNS))
    fewer = json.dumps([row(3)]).encode()
    builder = TableBuilder(NAMES, level="instance")
    assert decoded.of(fewer) is None
    assert builder.add(fewer, decoded=decoded) == 1
    assert builder.finish().SOPInstanceUID.tolist() == ["1.2.3"]


def test_columns_that_were_not_decoded_are_read():
    rows = json.dumps([row(number) for number in range(3)]).encode()
    decoded = Decoded(rows, decode_known(rows, (column_of("SOPInstanceUID"),)))
    builder = TableBuilder(NAMES, level="instance")
    builder.add(rows, decoded=decoded)
    assert builder.finish().InstanceNumber.tolist() == [0, 1, 2]


uids = st.one_of(
    st.from_regex(r"[0-9]{1,5}(\.[0-9]{1,5}){0,15}", fullmatch=True),
    st.text("0123456789.\n x٣", max_size=70),
    st.sampled_from(["", ".", "1.", ".1", "1..2", "1.2 ", "1\n2", "1" * 64, "1" * 65]),
)


@given(st.sets(uids, max_size=5))
def test_many_uids_are_judged_as_each_is(texts):
    bare = [bool(text) and text == text.rstrip(" \0") and is_strict_uid(text) for text in texts]
    assert are_bare_uids(texts) == all(bare)
