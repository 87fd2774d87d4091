"""Any JSON in any place: no exception, the right type in every column, every oddity told."""

import json
import warnings
from datetime import datetime, timedelta

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.datadict import DicomDictionary

import dicomnb.tables.build as building
from dicomnb.attributes import Attribute, attribute
from dicomnb.tables import TableBuilder, issues_of
from dicomnb.tables.decode import _decode_anything, _decode_columns, decode_page
from dicomnb.vr import TEXT_DTYPE, VRS

DTYPES = {
    "DA": "datetime64[s]",
    "TM": "timedelta64[us]",
    "DT": "datetime64[us]",
    **dict.fromkeys(["DS", "FL", "FD", "AS"], "float64"),
    **dict.fromkeys(["IS", "US", "SS", "UL", "SL", "SV"], "Int64"),
    "UV": "UInt64",
    **dict.fromkeys(["OB", "OD", "OF", "OL", "OV", "OW", "UN", "SQ"], "object"),
}


def one_of_each():
    """For every VR an attribute of VM 1 and, where there is one, of another VM."""
    found: dict[tuple[str, bool], Attribute] = {}
    for tag in DicomDictionary:
        one = attribute(tag)
        if one.keyword and (one.tag > "0008" and one.tag < "FFFE"):
            found.setdefault((one.vr, one.vm == "1"), one)
    return list(found.values())


ATTRIBUTES = [*one_of_each(), attribute("00091001"), attribute("00090010"), attribute("60023000")]
TAGS = [one.tag for one in ATTRIBUTES]


def test_every_vr_is_tried():
    assert {one.vr for one in ATTRIBUTES} == set(VRS)
    assert len(VRS) == 34


texts = st.one_of(
    st.sampled_from(["", " ", "A", "AB ", "1.2.3", "20230131", "101112.5", "042Y", "12", "-1.5e3"]),
    st.sampled_from(
        ["20150001", "00/00/0000", "   Y", "0,5", "NaN", "/../x", "a\\b", "\0", "\ufffd"]
    ),
    st.sampled_from(["00181063", "20230131101112+0100", "AAEC", "x=y=z", "99999999999999999999"]),
    st.text(max_size=12),
)
scalars = st.one_of(
    texts,
    st.none(),
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.integers(-5, 5),
    st.floats(allow_nan=False, allow_infinity=False),
)
GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
names = st.dictionaries(st.sampled_from([*GROUPS, "Other"]), scalars, max_size=3)
json_values = st.recursive(
    scalars | names,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*TAGS[:12], "Value", "vr", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
vrs = st.sampled_from([*VRS, "", "??", None, 5])


def elements(inner):
    return st.one_of(
        st.fixed_dictionaries({"vr": vrs}, optional={"Value": st.lists(inner, max_size=3)}),
        st.fixed_dictionaries(
            {},
            optional={"vr": vrs, "Value": inner, "BulkDataURI": inner, "InlineBinary": inner},
        ),
        inner,
    )


datasets = st.dictionaries(st.sampled_from(TAGS), elements(json_values), max_size=8)
pages = st.lists(st.lists(datasets, min_size=1, max_size=4), max_size=3)
# A page is refused as no DICOM at all unless some row has a tag.
ANCHOR = {"00080018": {"vr": "UI", "Value": ["1.2.3"]}}


def build(rows_by_page, columns):
    builder = TableBuilder(columns, level="instance")
    for rows in rows_by_page:
        page = json.dumps([ANCHOR, *rows]).encode()
        assert builder.add(page) == len(rows) + 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return builder.finish()


def check_types(table, wanted):
    for one in wanted:
        column = table[one.column]
        several = one.vm != "1" and VRS[one.vr].kind != "binary"
        expected = "object" if several else DTYPES.get(one.vr, TEXT_DTYPE)
        assert str(column.dtype) == expected, (one, column.dtype)
        for cell in column[column.notna()] if len(column) else []:
            if one.vr == "SQ":
                assert isinstance(cell, tuple)
                assert all(isinstance(item, dict) for item in cell)
            elif VRS[one.vr].kind == "binary":
                assert isinstance(cell, (str, bytes, tuple))
            else:
                assert isinstance(cell, tuple) == several


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pages)
def test_any_json_makes_a_table_of_the_right_types(rows_by_page):
    known = build(rows_by_page, TAGS)
    check_types(known, ATTRIBUTES)
    everything = build(rows_by_page, None)
    occurring = {tag for rows in rows_by_page for row in rows for tag in row}
    check_types(everything, [one for one in ATTRIBUTES if one.tag in occurring])
    for tag in occurring:
        name = attribute(tag).column
        pd.testing.assert_series_equal(known[name], everything[name])
    offsets = {f"{one.column}.Offset" for one in ATTRIBUTES if one.vr == "DT"}
    names = [name for name in known.columns if name not in offsets]
    assert names == [one.column for one in ATTRIBUTES]
    assert offsets <= set(known.columns)


def is_readable(raw, one):
    try:
        return VRS[one.vr].parse(raw) is not None
    except ValueError:
        return False


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(ATTRIBUTES), scalars | names)
def test_a_value_is_in_the_cell_or_in_the_report(one, raw):
    """Nothing gets lost silently: what is no empty value is a value or an oddity."""
    table = build([[{one.tag: {"vr": one.vr, "Value": [raw]}}]], [one.column, "SOPInstanceUID"])
    cell = table[one.column].iloc[1]
    is_missing = cell is None or (not isinstance(cell, (tuple, bytes)) and bool(pd.isna(cell)))
    is_empty = raw is None or (isinstance(raw, str) and not raw.strip(" \0"))
    if VRS[one.vr].kind == "name" and isinstance(raw, dict):
        # Beside a group that there is, one that there is not is passed over (PS3.18 F.2.2).
        groups = [raw[name] for name in GROUPS if name in raw] or raw.values()
        is_empty = all(not v or not str(v).strip(" \0") for v in groups)
    if is_missing and not is_empty:
        assert len(issues_of(table)) >= 1
    if is_readable(raw, one) and VRS[one.vr].kind not in ("binary", "sequence", "float", "age"):
        assert not is_missing


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(datasets, min_size=1, max_size=4))
def test_the_three_ways_make_the_same_table(rows):
    page = json.dumps([ANCHOR, *rows]).encode()
    columns = tuple(building.Column(one) for one in ATTRIBUTES)
    tables = []
    for way in (
        lambda page, columns, others: decode_page(page, columns, others=others),
        _decode_columns,
        _decode_anything,
    ):
        decoded = way(page, columns, None)
        if decoded is None:
            continue  # a value that only the third way reads
        builder = TableBuilder(TAGS, level="instance")
        assert builder._take(decoded, {}) == len(rows) + 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tables.append(builder.finish())
    assert len(tables) >= 2
    for table in tables[1:]:
        pd.testing.assert_frame_equal(tables[0], table)
        assert table.attrs == tables[0].attrs


VALID = {
    "DA": st.dates().map(lambda day: f"{day.year:04}{day.month:02}{day.day:02}"),
    "TM": st.times().map(lambda time: time.strftime("%H%M%S.%f")),
    "DS": st.floats(allow_nan=False, allow_infinity=False),
    "FD": st.floats(allow_nan=False, allow_infinity=False),
    "IS": st.integers(-(2**31), 2**31 - 1),
    "SV": st.integers(-(2**63), 2**63 - 1),
    "UV": st.integers(0, 2**64 - 1),
    "LO": st.text(st.characters(blacklist_categories=["Cc", "Cs"]), max_size=9).map(str.strip),
    "AS": st.integers(0, 999).map(lambda years: f"{years:03}Y"),
}


@pytest.mark.parametrize("vr", VALID)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_valid_values_come_through_unchanged_and_unreported(vr, data):
    one = max((a for a in ATTRIBUTES if a.vr == vr), key=lambda a: a.vm == "1")
    values = data.draw(st.lists(VALID[vr].filter(lambda v: v != "" and "\ufffd" not in str(v))))
    rows = [{one.tag: {"vr": vr, "Value": [value]}} for value in values]
    builder = TableBuilder([one.column], level="instance")
    if rows:
        builder.add(json.dumps(rows).encode())
    table = builder.finish()  # a warning would be an error
    cells = table[one.column].tolist()
    if one.vm != "1":
        cells = [cell for (cell,) in cells]
    if vr == "DA":
        cells = [f"{cell.year:04}{cell.month:02}{cell.day:02}" for cell in cells]
    elif vr == "TM":
        clocks = [datetime.min + timedelta(microseconds=cell.value // 1000) for cell in cells]
        cells = [clock.strftime("%H%M%S.%f") for clock in clocks]
    elif vr == "AS":
        cells = [f"{int(cell):03}Y" for cell in cells]
    assert cells == values
