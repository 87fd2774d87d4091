"""A table in pages: what is shown, sorted, filtered and selected, against plain pandas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dicomnb as dn
from dicomnb.errors import BadQuery
from dicomnb.vr import TEXT_DTYPE
from dicomnb.widgets.columns import cell_text, person
from dicomnb.widgets.feeding import Feed
from dicomnb.widgets.gridding import Gridding

WORDS = ["", "a", "A", "ab", "B a", "Zhang^Sally", "zhang^Wei", "10", "ä", "Ä b", "CT"]
DAYS = list(
    np.array(["0001-01-01", "1999-12-31", "2023-02-28", "2023-03-01"], dtype="datetime64[s]")
)
COLUMNS: dict[str, tuple[Any, str]] = {
    "StudyDescription": ([*WORDS, None], TEXT_DTYPE),
    "PatientName": (["Zhang^Sally", "Zhang^Wei", "zhao^a", "Li^B^^Dr.", None], TEXT_DTYPE),
    "Rows": ([0, 3, 10, 2**62 + 1, 2**62, None], "Int64"),
    "SliceLocation": ([-1.5, 0.1 + 0.2, 1e300, 10.0, None], "float64"),
    "StudyDate": ([*DAYS, None], "datetime64[s]"),
    "StudyTime": ([pd.Timedelta(hours=1), pd.Timedelta(seconds=2.5), None], "timedelta64[us]"),
    "ImageType": ([("A", "b"), ("a",), ("A", None), (), None], "object"),
    "Modality": (["CT", "mr", None], "category"),
    "Lossy": ([True, False], "bool"),
}


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    count = draw(st.integers(0, 12))
    cells = {
        name: pd.Series(
            draw(st.lists(st.sampled_from(values), min_size=count, max_size=count)), dtype=dtype
        )
        for name, (values, dtype) in COLUMNS.items()
    }
    frame = pd.DataFrame(cells)
    frame.index = pd.Index([f"row {place}" for place in range(count)])
    frame.attrs = {"level": "study"}
    return frame


def key(column: pd.Series) -> pd.Series:
    """What a person expects to be put in order by."""
    if column.name == "PatientName":
        return column.str.casefold().str.replace("^", "\1", regex=False)
    if column.name in ("StudyDescription", "Modality"):
        return column.astype(TEXT_DTYPE).str.casefold()
    if column.name == "ImageType":
        return column.map(
            lambda cell: cell and tuple("" if one is None else one.casefold() for one in cell),
            na_action="ignore",
        )
    return column


def in_order(frame: pd.DataFrame, by: list[tuple[str, bool]]) -> list[str]:
    """Labels in order, by one stable sort a column, the last one first."""
    for name, descending in reversed(by):
        ascending = not descending
        frame = frame.sort_values(
            name, ascending=ascending, kind="stable", na_position="last", key=key
        )
    return list(frame.index)


def passes(texts: list[str], words: str) -> bool:
    return all(any(word in text.casefold() for text in texts) for word in words.casefold().split())


@settings(max_examples=80, deadline=None)
@given(
    frame=frames(),
    by=st.lists(st.tuples(st.sampled_from(list(COLUMNS)), st.booleans()), max_size=3),
    words=st.sampled_from(["", "a", "AB", "zhang,", "zhang wei", "10", "ct a", "1999", "yes"]),
    column=st.sampled_from(list(COLUMNS)),
    within=st.sampled_from(["", "a", "0.3", "02.5", "2023-0", "M", "B A", "Dr."]),
)
def test_order_and_filter_are_those_of_pandas(
    frame: pd.DataFrame, by: list[tuple[str, bool]], words: str, column: str, within: str
) -> None:
    by = list({name: (name, down) for name, down in reversed(by)}.values())
    texts = dict(zip(frame.index, Feed(frame).rows(0, len(frame)), strict=True))
    feed = Feed(frame)
    for name, down in by:
        feed.sort(name, descending=down, then=True)
    feed.filter(words, columns={column: within})
    place = list(COLUMNS).index(column)
    want = [
        label
        for label in in_order(frame, by)
        if passes(texts[label], words) and passes([texts[label][place]], within)
    ]
    assert list(feed.shown.index) == want
    pd.testing.assert_frame_equal(feed.shown, frame.loc[want])
    assert feed.shown.attrs == {"level": "study"}
    assert feed.rows(0, 99) == [texts[label] for label in want]
    facts = feed.facts()
    assert (facts["shown"], facts["all"]) == (len(want), len(frame))
    assert json.loads(json.dumps(facts)) == facts


STEPS = st.one_of(
    st.tuples(st.just("sort"), st.sampled_from(["Rows", "PatientName"]), st.booleans()),
    st.tuples(st.just("filter"), st.sampled_from(["", "zhang", "a"])),
    st.tuples(
        st.just("select"),
        st.integers(0, 11),
        st.none() | st.integers(0, 11),
        st.sampled_from(["only", "add", "remove", "toggle"]),
    ),
    st.tuples(st.just("all"), st.booleans()),
    st.tuples(st.just("none")),
    st.tuples(st.just("choose"), st.sets(st.integers(0, 14))),
)


@settings(max_examples=80, deadline=None)
@given(frame=frames(), steps=st.lists(STEPS, max_size=12))
def test_a_selection_is_a_set_of_labels(frame: pd.DataFrame, steps: list[tuple[Any, ...]]) -> None:
    feed = Feed(frame)
    chosen: set[str] = set()
    for kind, *how in steps:
        shown = list(feed.shown.index)
        if kind == "sort":
            feed.sort(how[0], descending=how[1])
        elif kind == "filter":
            feed.filter(how[0])
        elif kind == "all":
            feed.select_all(how[0])
            chosen = chosen | set(shown) if how[0] else chosen - set(shown)
        elif kind == "none":
            feed.select_none()
            chosen = set()
        elif kind == "choose":
            feed.choose([f"row {one}" for one in how[0]])
            chosen = {f"row {one}" for one in how[0]} & set(frame.index)
        else:
            at, to, change = how
            if max(at, at if to is None else to) >= len(shown):
                with pytest.raises(IndexError, match="There is no row"):
                    feed.select(at, to=to, how=change)
                continue
            feed.select(at, to=to, how=change)
            rows = set(shown[min(at, at if to is None else to) : max(at, to or at) + 1])
            chosen = {
                "only": rows,
                "add": chosen | rows,
                "remove": chosen - rows,
                "toggle": chosen ^ rows,
            }[change]
        assert set(feed.selected.index) == chosen
        pd.testing.assert_frame_equal(feed.selected, frame[frame.index.isin(list(chosen))])
        assert feed.selected.attrs == frame.attrs
        assert feed.marks().tolist() == [label in chosen for label in feed.shown.index]
        facts = feed.facts()
        assert facts["selected"] == len(chosen)
        assert facts["selected_shown"] == len(chosen & set(feed.shown.index))


@pytest.mark.parametrize(
    ("column", "wanted", "want"),
    [
        ("StudyDate", "2023", "day('2023-01-01') <= one < day('2024-01-01')"),
        ("StudyDate", "=2023-02", "day('2023-02-01') <= one < day('2023-03-01')"),
        ("StudyDate", "!= 2023-02", "not day('2023-02-01') <= one < day('2023-03-01')"),
        ("StudyDate", ">2023-02", "one >= day('2023-03-01')"),
        ("StudyDate", ">= 20230215", "one >= day('2023-02-15')"),
        ("StudyDate", "<2023-02", "one < day('2023-02-01')"),
        ("StudyDate", "≤2023-02", "one < day('2023-03-01')"),
        ("StudyDate", "2022..2023-02", "day('2022-01-01') <= one < day('2023-03-01')"),
        ("StudyDate", "..2022", "one < day('2023-01-01')"),
        ("StudyDate", "20230704", "one == day('2023-07-04')"),
        ("Rows", ">20", "one > 20"),
        ("Rows", ">=20", "one >= 20"),
        ("Rows", "<20", "one < 20"),
        ("Rows", "<=20", "one <= 20"),
        ("Rows", "=20", "one == 20"),
        ("Rows", "!=20", "one != 20"),
        ("Rows", "5..7", "5 <= one <= 7"),
        ("Rows", "2", "'2' in str(one)"),
        ("StudyTime", ">12:30", "one >= time('12:31')"),
        ("StudyTime", ">=12", "one >= time('12:00')"),
        ("StudyTime", "8..9", "time('08:00') <= one < time('10:00')"),
        ("StudyTime", "=12:30:00", "one == time('12:30')"),
        ("Modality", "=ct", "one == 'CT'"),
        ("Modality", "!=CT", "one != 'CT'"),
        ("Modality", ">C", "False"),
    ],
)
def test_comparisons(column: str, wanted: str, want: str) -> None:
    count = 900
    table = pd.DataFrame(
        {
            "StudyDate": pd.date_range("2022-01-01", periods=count, freq="D").as_unit("s"),
            "Rows": pd.Series(range(count), dtype="Int64"),
            "StudyTime": pd.to_timedelta(np.arange(count) * 90, unit="s").as_unit("us"),
            "Modality": pd.Series(["CT", "MR", "CTX"] * (count // 3), dtype=TEXT_DTYPE),
        }
    )
    names = {"day": pd.Timestamp, "time": lambda text: pd.Timedelta(f"{text}:00")}
    rows = [place for place in range(count) if eval(want, {**names, "one": table[column][place]})]
    table.loc[count] = None  # what is missing fulfils no comparison but the one of not being it
    feed = Feed(table)
    feed.filter(columns={column: wanted})
    assert feed.facts()["filter"]["problems"] == {}
    assert feed.shown.index.tolist() == rows + [count] * wanted.startswith("!=")


@pytest.mark.parametrize(
    ("column", "wanted", "words"),
    [
        ("Rows", ">", "After > belongs a number"),
        ("Rows", ">x", "After > belongs a number"),
        ("StudyDate", "<=2023-13", "After <= belongs a date"),
        ("StudyDate", "2023..x", "Between needs a date"),
        ("StudyTime", "=", "After = belongs a time"),
        ("Modality", "=", "what to compare with"),
        ("Rows", "..", "Between needs a number"),
    ],
)
def test_what_is_not_understood_holds_nothing_back(column: str, wanted: str, words: str) -> None:
    table = pd.DataFrame(
        {
            "StudyDate": pd.Series(DAYS, dtype="datetime64[s]"),
            "Rows": [1, 2, 3, 4],
            "StudyTime": pd.to_timedelta([1, 2, 3, 4], unit="s"),
            "Modality": ["CT"] * 4,
        }
    )
    feed = Feed(table)
    feed.filter(columns={column: wanted})
    place = str(list(table).index(column))
    assert words in feed.facts()["filter"]["problems"][place]
    assert feed.facts()["filter"]["columns"] == {place: wanted}
    assert len(feed.shown) == 4


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (np.nan, ""),
        (pd.NaT, ""),
        (pd.NA, ""),
        (66.0, "66"),
        (0.1 + 0.2, "0.3"),
        (123456789, "123456789"),
        (True, "yes"),
        (np.bool_(False), "no"),
        (pd.Timestamp("2023-01-02 03:04:05"), "2023-01-02 03:04:05"),
        (pd.Timedelta("01:02:03.25"), "01:02:03.25"),
        (pd.Timedelta("26:00:00"), "1 days 02:00:00"),
        (("CT", None, 0.5), "CT, , 0.5"),
        (({"CodeValue": "1"}, {}), "2 items"),
        (b"\0\1", "2 bytes"),
        (Path("a"), "a"),
    ],
)
def test_cells_are_texts_a_person_reads(value: object, text: str) -> None:
    assert cell_text(value) == text


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("Zhang^Sally", "Zhang, Sally"),
        ("Hartmann^Ilse^^Dr.", "Hartmann, Dr. Ilse"),
        ("King^Martin^Luther^^Jr.", "King, Martin Luther, Jr."),
        ("Plato", "Plato"),
        ("^Sally", "Sally"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada, Tarou=山田, 太郎=やまだ, たろう"),
        ("<img src=x>", "<img src=x>"),
        ("", ""),
        ("a^b^c^d^e^f", "a, d b c, e, f"),
    ],
)
def test_names_are_read_family_name_first(name: str, read: str) -> None:
    assert person(name) == read


@pytest.mark.parametrize("dtype", ["object", "string"])
def test_names_are_found_as_read_and_as_written(dtype: str) -> None:
    names = pd.Series(["Zhang^Sally", "Sally^Zhang", "Hahn^Ilse^^Dr."], dtype=dtype)
    feed = Feed(pd.DataFrame({"PatientName": names}))
    for words, want in [
        ("Zhang, Sally", [0, 1]),
        ("zhang,", [0, 1]),
        ("Zhang^S", [0]),
        ("zhang,s", [0]),
        ("dr.", [2]),
        ("=Zhang, Sally", [0]),
    ]:
        feed.filter(columns={"PatientName": words})
        assert feed.shown.index.tolist() == want, words


def test_the_demo_as_people_read_it(demo_folder: Path) -> None:
    studies = dn.connect(demo_folder).studies(PatientName="Zhang*")
    feed = Feed(studies, columns={"PatientName": "Patient", "StudyDate": None})
    assert [one["label"] for one in feed.facts()["columns"]] == ["Patient", "Study Date"]
    feed.sort("StudyDate", descending=True)
    dates = sorted(studies["StudyDate"].dropna().dt.strftime("%Y-%m-%d"), reverse=True)
    assert [row[1] for row in feed.rows(0, len(dates))] == dates
    assert {row[0] for row in feed.rows(0, 99)} == {"Zhang, Sally", "Zhang, Wei"}
    feed.select(0)
    assert feed.selected.attrs == studies.attrs
    everything = dn.connect(demo_folder).metadata(studies.iloc[0])
    texts = Feed(everything).rows(0, 1)[0]
    assert len(texts) == everything.shape[1]
    assert all(isinstance(one, str) and len(one) <= 300 for one in texts)


def test_whatever_a_table_holds() -> None:
    odd = pd.DataFrame(
        {
            "lists": pd.Series([[2, 1], {"b": 1}, None, "text", 3], dtype=object),
            "long": ["x" * 5000, "", "y", "z", "w"],
            "zone": pd.date_range("2023-01-01 12:00", periods=5, tz="Asia/Tokyo"),
            "complex": [1j, 2j, 3j, 4j, 5j],
        }
    )
    odd.index = pd.Index([0, 0, 0, 1, 1])
    odd.insert(1, "twice", 1, allow_duplicates=True)
    odd.insert(1, "twice", 2, allow_duplicates=True)
    feed = Feed(odd)
    assert feed.rows(0, 9)[0][:4] == ["2, 1", "2", "1", "x" * 299 + "…"]
    for place in range(len(feed.facts()["columns"])):
        feed.sort(place)
    feed.sort("lists")
    assert [row[0] for row in feed.rows(0, 9)] == ["3", "text", "2, 1", "1 item", ""]
    feed.filter("x", columns={"zone": ">=2023-01-01"})
    assert len(feed.shown) == 2
    feed.filter("xx")
    assert len(feed.shown) == 1
    assert Feed(pd.DataFrame()).rows(0, 10) == []
    assert Feed(pd.DataFrame()).facts()["columns"] == []
    assert Feed(pd.DataFrame({"a": []})).facts()["all"] == 0


def test_an_order_of_categories_is_kept() -> None:
    levels = pd.CategoricalDtype(["low", "middle", "high"], ordered=True)
    feed = Feed(pd.DataFrame({"Risk": pd.Series(["high", None, "low", "middle"], dtype=levels)}))
    feed.sort("Risk")
    assert feed.rows(0, 4) == [["low"], ["middle"], ["high"], [""]]
    feed.sort("Risk", descending=True)
    assert feed.rows(0, 4) == [["high"], ["middle"], ["low"], [""]]
    feed.filter("LOW")
    assert feed.shown.index.tolist() == [2]


def test_columns_that_are_not_there_are_errors() -> None:
    table = pd.DataFrame({"Rows": [1]})
    with pytest.raises(BadQuery, match=r"no column 'Row' .* it has \['Rows'\]"):
        Feed(table, columns=["Row"])
    feed = Feed(table)
    with pytest.raises(BadQuery, match="no column 'Columns'"):
        feed.sort("Columns")
    with pytest.raises(BadQuery, match="no column 3"):
        feed.filter(columns={3: "x"})
    with pytest.raises(ValueError, match="how is"):
        feed.select(0, how="flip")  # type: ignore[arg-type]
    assert len(feed.selected) == 0


def test_the_table_is_as_it_was_when_it_was_given() -> None:
    table = pd.DataFrame({"Rows": [1, 2]})
    before = table.copy()
    feed = Feed(table)
    feed.sort("Rows", descending=True)
    feed.select(0)
    selected = feed.selected
    selected.loc[1, "Rows"] = 99
    pd.testing.assert_frame_equal(table, before)
    assert feed.shown["Rows"].tolist() == [2, 1]


# -- the kernel's side of the grid ---------------------------------------------------------------


class Told:
    """A `Gridding` with all that it told."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.marks: list[bytes] = []
        self.selected: list[pd.DataFrame] = []
        self.opened: list[pd.Series] = []
        self.grid = Gridding(
            self.send, name="found", on_select=self.selected.append, on_open=self.opened.append
        )

    def send(self, message: dict[str, Any], buffers: Any) -> None:
        self.messages.append(json.loads(json.dumps(message)))
        self.marks += list(buffers)

    def ask(self, kind: str, **content: Any) -> list[dict[str, Any]]:
        """What was told in answer."""
        before = len(self.messages)
        self.grid.answers()[f"found-{kind}"]({"kind": f"found-{kind}", **content}, [])
        return self.messages[before:]


TABLE = pd.DataFrame({"PatientID": list("cab"), "Rows": [1, 2, 3]}, index=list("xyz"))


def test_messages_of_the_grid() -> None:
    told = Told()
    told.grid.show(TABLE, columns={"PatientID": "Patient"})
    turn = told.messages[-1]["turn"]
    (page,) = told.ask("rows", start=0, stop=2, turn=turn)
    assert page == {"kind": "found-rows", "turn": turn, "start": 0, "rows": [["c"], ["a"]]}
    (facts,) = told.ask("sort", column=0, descending=True)
    assert facts["sort"] == [{"column": 0, "descending": True}]
    assert facts["turn"] != turn
    assert told.ask("rows", start=0, stop=2, turn=turn) == []
    (facts,) = told.ask("filter", words="", columns={"0": "!=b"})
    turn = facts["turn"]
    assert (facts["shown"], facts["filter"]["columns"]) == (2, {"0": "!=b"})
    (facts,) = told.ask("select", how="only", at=1, turn=turn, serial="view-1")
    assert (facts["selected"], facts["serial"], facts["turn"]) == (1, "view-1", turn)
    assert told.marks[-1] == bytes([0b01000000])
    assert told.selected[-1].index.tolist() == ["y"]
    told.ask("select", how="all", turn=turn)
    assert told.selected[-1].index.tolist() == ["x", "y"]
    told.ask("select", how="none", turn=turn)
    assert told.selected[-1].empty
    told.ask("open", at=0, turn=turn)
    assert told.opened[-1].name == "x"
    assert told.opened[-1]["Rows"] == 1


def test_a_place_in_an_older_order_is_no_row() -> None:
    told = Told()
    told.grid.show(TABLE)
    turn = told.messages[-1]["turn"]
    told.ask("sort", column=0)
    assert told.ask("select", how="only", at=0, turn=turn) == []
    assert told.ask("open", at=0, turn=turn) == []
    assert (told.selected, told.opened) == ([], [])
    assert told.grid.feed.selected.empty


def test_a_page_has_its_bounds() -> None:
    told = Told()
    told.grid.show(pd.DataFrame({"Rows": range(5000)}))
    turn = told.messages[-1]["turn"]
    (page,) = told.ask("rows", start=-5, stop=4000, turn=turn)
    assert (page["start"], len(page["rows"])) == (0, 1000)
    (page,) = told.ask("rows", start=4990, stop=6000, turn=turn)
    assert page["rows"][-1] == ["4999"]


def test_a_table_that_grows_keeps_order_filter_and_selection() -> None:
    told = Told()
    told.grid.show(TABLE)
    told.ask("sort", column=0)
    told.ask("filter", words="", columns={"1": ">1"})
    turn = told.messages[-1]["turn"]
    told.ask("select", how="only", at=0, turn=turn)
    table = told.messages[-1]["table"]
    grown = pd.concat([TABLE, pd.DataFrame({"PatientID": ["aa"], "Rows": [9]}, index=["w"])])
    told.grid.show(grown, keep=True)
    assert told.messages[-1]["table"] == table
    assert told.grid.feed.shown.index.tolist() == ["y", "w", "z"]
    assert told.grid.feed.selected.index.tolist() == ["y"]
    told.grid.show(grown[["PatientID"]], keep=True)
    assert told.grid.feed.shown.index.tolist() == ["y", "w", "z", "x"]
    told.grid.show(grown)
    assert told.messages[-1]["table"] != table
    assert told.messages[-1]["sort"] == []
    assert told.grid.feed.selected.empty


def test_a_script_sorts_and_selects_too() -> None:
    told = Told()
    told.grid.show(TABLE)
    turn = told.messages[-1]["turn"]
    told.grid.feed.choose(["z"])
    told.grid.tell()
    assert (told.messages[-1]["turn"], told.messages[-1]["selected"]) == (turn, 1)
    assert told.marks[-1] == bytes([0b00100000])
    told.grid.feed.sort("PatientID")
    told.grid.tell()
    assert told.messages[-1]["turn"] != turn
    assert told.marks[-1] == bytes([0b01000000])
    assert told.selected == []  # what a script selects, it knows
