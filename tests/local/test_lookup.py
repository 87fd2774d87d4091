"""Searching the index: what SQL narrows down is what the rule says of every row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from local_files import put

from dicomnb.errors import BadQuery, Cancelled, NotFound
from dicomnb.local import lookup as lookup_module
from dicomnb.local.index import Index
from dicomnb.local.lookup import Lookup
from dicomnb.local.rows import STORED
from dicomnb.pool import Cancel
from dicomnb.query import build, matches
from dicomnb.refs import Level, Ref

NAMES = ["Doe^Jane", "doe^john", "Müller^Käthe", "Yamada^Tarou=山田^太郎=やまだ^たろう", "", "A*B"]
DATES = ["20230105", "20231231", "19991231", "2023.01.05", "", "20150001"]
MODALITIES = ["CT", "MR", "SEG", ""]


@pytest.fixture(scope="module")
def lookup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lookup]:
    folder = tmp_path_factory.mktemp("searched")
    number = 0
    for study in range(8):
        for series in range(study % 3 + 1):
            for instance in range(3):
                number += 1
                values: dict[str, Any] = {
                    "PatientName": NAMES[study % 6],
                    "StudyDate": DATES[(study * 5) % 6],
                    "Modality": MODALITIES[(study + series) % 4],
                    "SeriesNumber": [3, 1, 20][series],
                    "InstanceNumber": [10, 9, 2][instance],
                    "KVP": [100, 120, None][number % 3] or "",
                    "AccessionNumber": f"A{study // 2}",
                    "SpecificCharacterSet": "ISO_IR 192",
                    "StudyDescription": None if study == 4 else f"Study {study}",
                    "SeriesDescription": ["Axial", "axial ", "Örtlich"][series],
                    "ProtocolName": f"protocol {study}",
                    "SoftwareVersions": f"{instance}",
                }
                if values["StudyDescription"] is None:
                    del values["StudyDescription"]
                put(folder / f"{number:03d}.dcm", study=f"1.{study}", series=f"1.{study}.{series}",
                    uid=f"1.{study}.{series}.{instance}", **values)  # fmt: skip
    index = Index(folder)
    index.refresh()
    yield Lookup(index)
    index.close()


def found(
    lookup: Lookup, level: Level, filters: dict[str, Any], **how: Any
) -> list[dict[str, Any]]:
    pages = lookup.search(build(level, filters, **how))
    return [row for page in pages for row in msgspec.json.decode(page.rows)]


def key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(tag, {}).get("Value") for tag in ("0020000D", "0020000E", "00080018"))


TEXTS = st.one_of(
    st.sampled_from(
        ["Doe*", "*^j*", "DOE^JANE", "M?ller*", "山田*", "=山田*", "A*B", "A?B", "*", "CT", "MR",
         "ct", "A1", "A*", "Study 3", "Study*", "axial", "Axial", "?xial", "Örtlich", "120", "1.3"]
    ),
    st.text("aAjJ*?^=Mm[%_'\"", min_size=1, max_size=4).filter(lambda text: text.strip() != ""),
)  # fmt: skip
RANGES = st.sampled_from(
    ["20230105", "20230101-20231231", "-20000101", "20230106-", ("2023-01-01", None)]
)
FILTERS = st.dictionaries(
    st.sampled_from(["PatientName", "Modality", "AccessionNumber", "StudyDescription",
                     "SeriesDescription", "ProtocolName", "ReferringPhysicianName"]),
    st.one_of(TEXTS, st.lists(TEXTS, min_size=1, max_size=3), st.just("")),
    max_size=2,
)  # fmt: skip
MORE = st.fixed_dictionaries(
    {},
    optional={
        "StudyDate": RANGES,
        "KVP": st.sampled_from([100, "120.0", ""]),
        "SeriesNumber": st.sampled_from([1, 3, "20", ""]),
        "InstanceNumber": st.sampled_from([2, [9, 10]]),
        "StudyInstanceUID": st.sampled_from(["1.1", ["1.2", "1.3"], "9", ""]),
        "SeriesInstanceUID": st.sampled_from(["1.1.0", ["1.2.0", "1.2.1"]]),
        "SOPInstanceUID": st.sampled_from(["1.1.0.0", ["1.2.0.1", "1.2.1.0"]]),
    },
)
BELOW_SERIES = ("SOPInstanceUID", "InstanceNumber")
BELOW = {
    "study": ("SeriesInstanceUID", "Modality", "SeriesDescription", "SeriesNumber", *BELOW_SERIES),
    "series": BELOW_SERIES,
}


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(["study", "series", "instance"]), FILTERS, MORE, st.booleans())
def test_sql_and_the_rule_never_differ(
    lookup: Lookup, level: Level, some: dict[str, Any], more: dict[str, Any], fuzzy: bool
) -> None:
    filters = {k: v for k, v in (some | more).items() if k not in BELOW.get(level, ())}
    query = build(level, filters, fuzzy=fuzzy)
    names = [one.path[0] for one in query.filters]
    everything = found(lookup, level, {}, fields=names)
    expected = [key(row) for row in everything if matches(row, query.filters, fuzzy=fuzzy)]
    assert [key(row) for row in found(lookup, level, filters, fuzzy=fuzzy)] == expected


@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_rows_are_in_a_fixed_order_and_pages_do_not_overlap(lookup: Lookup, level: Level) -> None:
    rows = found(lookup, level, {})
    keys = [key(row) for row in rows]
    assert len(set(map(str, keys))) == len(keys)
    paged = []
    for offset in range(0, len(keys) + 4, 4):
        paged += found(lookup, level, {}, limit=4, offset=offset)
    assert paged == rows
    dates = [row["00080020"].get("Value", [""])[0] for row in rows]
    assert dates == sorted(dates)
    if level == "instance":
        within = found(lookup, level, {}, within=Ref("1.1", "1.1.0"))
        assert [row["00200013"]["Value"][0] for row in within] == [2, 9, 10]


def test_large_answers_come_in_pages(lookup: Lookup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup_module, "_PAGE_ROWS", 10)
    pages = list(lookup.search(build("instance", {})))
    assert [page.count for page in pages[:-1]] == [10] * (len(pages) - 1)
    assert all(len(msgspec.json.decode(page.rows)) == page.count for page in pages)
    monkeypatch.setattr(lookup_module, "_PAGE_BYTES", 3000)
    assert max(page.count for page in lookup.search(build("instance", {}))) < 5
    cancel = Cancel()
    search = lookup.search(build("instance", {}), cancel=cancel)
    next(search)
    cancel.set()
    with pytest.raises(Cancelled):
        next(search)


def test_within(lookup: Lookup) -> None:
    assert len(found(lookup, "series", {}, within=Ref("1.2"))) == 3
    assert len(found(lookup, "instance", {}, within=Ref("1.2"))) == 9
    assert found(lookup, "series", {}, within=Ref("9.9")) == []
    assert found(lookup, "instance", {"Modality": "XX"}) == []
    assert found(lookup, "instance", {}, limit=0) == []


def test_fields_are_brought_from_the_metadata(lookup: Lookup) -> None:
    for level in ("study", "series", "instance"):
        row = found(lookup, level, {}, fields=["SoftwareVersions"])[1]
        assert "00181020" in row
        assert list(row) == sorted(row)
        assert "00181020" not in found(lookup, level, {})[1]
    row = found(lookup, "instance", {"KVP": 120})[0]
    assert row["00180060"]["Value"] == [120]
    row = found(lookup, "study", {}, fields=["SOPInstanceUID", "SeriesInstanceUID"])[0]
    assert "00080018" not in row
    assert "0020000E" not in row


def test_all_fields(lookup: Lookup) -> None:
    instance = found(lookup, "instance", {}, fields="all")[0]
    assert {"7FE00010", "00081190", "00181020", "00280100"} <= instance.keys()
    series = found(lookup, "series", {}, fields="all")[0]
    assert {"00181030", "00280100", "00201209", "0020000E"} <= series.keys()
    assert not {"00181020", "00080018", "7FE00010", "00200013"} & series.keys()
    assert list(series) == sorted(series)
    study = found(lookup, "study", {"StudyInstanceUID": "1.2"}, fields="all")[0]
    assert not {"00200011", "0020000E", "00080018"} & study.keys()
    assert study["00181030"]["Value"] == ["protocol 2"]


def test_the_columns_of_tables_are_stored(lookup: Lookup) -> None:
    """Or each row of an ordinary search would be put together anew."""
    from dicomnb.attributes import attribute
    from dicomnb.tables.columns import columns_for

    for level in ("study", "series", "instance"):
        tags = {int(attribute(name).tag, 16) for name in columns_for(level)}
        assert tags <= STORED[level]


def test_results_are_kept_until_the_index_changes(lookup: Lookup) -> None:
    before = found(lookup, "study", {})
    calls = []
    original = lookup._found
    lookup._found = lambda *args: calls.append(1) or original(*args)  # type: ignore[func-returns-value,method-assign]
    try:
        assert found(lookup, "study", {}, offset=1) == before[1:]
        assert calls == []
        lookup._index.write(lambda connection: None)
        assert found(lookup, "study", {}) == before
        assert calls == [1]
        for number in range(6):
            found(lookup, "study", {"PatientID": f"{number}"})
        assert len(lookup._results) == 4
    finally:
        lookup._found = original  # type: ignore[method-assign]


def test_uids_below_the_level_are_refused(lookup: Lookup) -> None:
    with pytest.raises(BadQuery, match="SeriesInstanceUID"):
        found(lookup, "study", {"SeriesInstanceUID": "1.1.0"})


def test_metadata(lookup: Lookup) -> None:
    (page,) = lookup.metadata(Ref("1.1", "1.1.0"))
    rows = msgspec.json.decode(page.rows)
    assert [row["00080018"]["Value"][0] for row in rows] == ["1.1.0.2", "1.1.0.1", "1.1.0.0"]
    assert "00081190" not in rows[0]
    assert rows[0]["7FE00010"]["BulkDataURI"] == (
        "dicomnb:/studies/1.1/series/1.1.0/instances/1.1.0.2/bulkdata/7FE00010"
    )
    assert msgspec.json.decode(lookup.document(Ref("1.1", "1.1.0", "1.1.0.2"))) == rows[0]
    for ref in (Ref("9"), Ref("1.1", "9"), Ref("1.1", "1.1.0", "9"), Ref("1.2", "1.1.0")):
        with pytest.raises(NotFound, match="refresh"):
            list(lookup.metadata(ref))
        with pytest.raises(NotFound):
            lookup.located(ref)


def test_rows_that_vanish_while_pages_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DICOMNB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(lookup_module, "_PAGE_ROWS", 2)
    folder = tmp_path / "data"
    paths = [put(folder / f"{n}.dcm", uid=f"1.{n}", InstanceNumber=n) for n in range(6)]
    index = Index(folder)
    index.refresh()
    lookup = Lookup(index)
    for fields in (None, ["KVP"], "all"):
        pages = lookup.search(build("instance", {}, fields=fields))
        assert next(pages).count == 2
        paths[-1].rename(folder / ".away")
        index.refresh()
        assert sum(page.count for page in pages) == 3
        (folder / ".away").rename(paths[-1])
        index.refresh()
    index.close()
