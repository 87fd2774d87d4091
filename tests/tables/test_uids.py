"""The UIDs of rows: the same whether they were decoded with the table's columns or are by now."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from dicomnb.tables.arriving import ArrivingRows
from dicomnb.tables.uids import UID_COLUMNS, uids_of

UID = st.from_regex(r"[1-9](\.[1-9][0-9]{0,3}){1,4}", fullmatch=True)
ELEMENT = st.one_of(
    st.just({"vr": "UI"}),
    st.just({"vr": "UI", "Value": []}),
    UID.map(lambda uid: {"vr": "UI", "Value": [uid]}),
    UID.map(lambda uid: {"vr": "UI", "Value": [uid, "9.9"]}),
)
TAGS = ("0020000D", "0020000E", "00080018", "00100020")
ROWS = st.lists(
    st.fixed_dictionaries({}, optional=dict.fromkeys(TAGS, ELEMENT)).filter(bool), max_size=6
)


@given(ROWS)
def test_both_ways_tell_the_same(rows: list[dict[str, object]]) -> None:
    array = json.dumps(rows).encode()
    arriving = ArrivingRows(tuple(UID_COLUMNS.values()))
    arriving.feed(array)
    count, uids = uids_of(array)
    assert count == len(rows)
    for tag, level in zip(TAGS, ("study", "series", "instance"), strict=False):
        told = [(row.get(tag) or {}).get("Value") or [None] for row in rows]
        assert uids[level] == [values[0] for values in told]  # type: ignore[index]
    assert uids_of(array, arriving.decoded(array)) == (count, uids)


def test_columns_of_other_rows_are_not_believed() -> None:
    one, other = (
        json.dumps([{"0020000D": {"vr": "UI", "Value": [uid]}}]).encode() for uid in ("1.2", "1.3")
    )
    arriving = ArrivingRows(tuple(UID_COLUMNS.values()))
    arriving.feed(one)
    assert uids_of(other, arriving.decoded(one))[1]["study"] == ["1.3"]
