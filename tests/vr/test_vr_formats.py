"""Values as Python and pandas have them → the text of a search, and back."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import CTImageStorage
from pydicom.valuerep import DSfloat, PersonName

from dicomnb.vr import VRS, offset_minutes

GOOD = [
    ("DA", date(2023, 1, 2), "20230102"),
    ("DA", datetime(2023, 1, 2, 23, 59), "20230102"),
    ("DA", pd.Timestamp("2023-01-02 10:00"), "20230102"),
    ("DA", np.datetime64("2023-01-02"), "20230102"),
    ("DA", np.datetime64("2023-01-02", "ns"), "20230102"),
    ("DA", pd.Series(["2023-01-02"], dtype="datetime64[s]").iloc[0], "20230102"),
    ("DA", "20230102", "20230102"),
    ("DA", "2023-01-02", "20230102"),
    ("DA", "2023.01.02", "20230102"),
    ("DA", date(1, 1, 1), "00010101"),
    ("DA", ("2023-01-01", "2023-12-31"), "20230101-20231231"),
    ("DA", (date(2023, 1, 1), None), "20230101-"),
    ("DA", (None, pd.Timestamp("2023-12-31")), "-20231231"),
    ("DA", "20230101-20231231", "20230101-20231231"),
    ("DA", "2023-01-01-2023-12-31", "20230101-20231231"),
    ("DA", "20230101-", "20230101-"),
    ("DA", "-2023-12-31", "-20231231"),
    ("DA", "", ""),
    ("TM", time(10, 15), "101500"),
    ("TM", time(10, 15, 0, 250000), "101500.250000"),
    ("TM", timedelta(hours=10, minutes=15), "101500"),
    ("TM", pd.Timedelta("10:15:00"), "101500"),
    ("TM", np.timedelta64(36900, "s"), "101500"),
    ("TM", "10:15", "1015"),
    ("TM", "101500.25", "101500.25"),
    ("TM", ("10:00", "11:30"), "1000-1130"),
    ("TM", "1000-1130", "1000-1130"),
    ("TM", "1000-", "1000-"),
    ("TM", (None, time(12)), "-120000"),
    ("TM", "", ""),
    ("DT", datetime(2023, 1, 2, 10, 15), "20230102101500"),
    ("DT", datetime(2023, 1, 2, 10, 15, tzinfo=UTC), "20230102101500+0000"),
    ("DT", datetime(2023, 1, 2, tzinfo=timezone(timedelta(hours=-5))), "20230102000000-0500"),
    ("DT", date(2023, 1, 2), "20230102"),
    ("DT", "2023", "2023"),
    ("DT", "2023-01-02T10:15:00+01:00", "20230102101500+0100"),
    ("DT", "20230102101500-0500", "20230102101500-0500"),
    ("DT", "2022-2023", "2022-2023"),
    ("DT", "2023-", "2023-"),
    ("DT", (pd.Timestamp("2023-01-02"), None), "20230102000000-"),
    ("DT", "", ""),
    ("IS", 5, "5"),
    ("IS", np.int64(5), "5"),
    ("IS", 5.0, "5"),
    ("IS", " 5 ", "5"),
    ("IS", "", ""),
    ("US", pd.array([512], dtype="Int64")[0], "512"),
    ("UV", 2**64 - 1, str(2**64 - 1)),
    ("DS", 0.5, "0.5"),
    ("DS", 2, "2"),
    ("DS", 2.0, "2"),
    ("DS", np.float32(0.5), "0.5"),
    ("DS", Decimal("0.5"), "0.5"),
    ("DS", DSfloat("1.50"), "1.5"),
    ("DS", "1.50", "1.50"),
    ("DS", 0.1 + 0.2, "0.3"),
    ("DS", -1.2345678901234567e-100, "-1.23456789e-100"),
    ("DS", 1e20, "1e+20"),
    ("FD", 0.1 + 0.2, "0.30000000000000004"),
    ("FD", "", ""),
    ("AS", "042Y", "042Y"),
    ("AS", "42y", "042Y"),
    ("AS", 42, "042Y"),
    ("AS", 1.5, "018M"),
    ("AS", np.float64(10 / 365.25), "010D"),
    ("AS", "", ""),
    ("PN", "Zhang*", "Zhang*"),
    ("PN", PersonName("Yamada^Tarou=山田^太郎"), "Yamada^Tarou=山田^太郎"),
    ("LO", "a*?", "a*?"),
    ("LO", 123, "123"),
    ("LO", np.int64(123), "123"),
    ("LO", "", ""),
    ("UT", "C:\\data", "C:\\data"),
    ("UI", "1.2.3", "1.2.3"),
    ("UI", CTImageStorage, "1.2.840.10008.5.1.4.1.1.2"),
    ("UI", "1.2,1.3", "1.2,1.3"),
    ("UI", "1.2\\1.3", "1.2,1.3"),
    ("UI", "", ""),
    ("AT", "FrameTime", "00181063"),
    ("AT", 0x00181063, "00181063"),
    ("AT", (0x0018, 0x1063), "00181063"),
    ("AT", "", ""),
    ("SQ", "", ""),
    ("UN", "x", "x"),
]


@pytest.mark.parametrize(("vr", "value", "text"), GOOD)
def test_a_value_as_text(vr, value, text):
    assert VRS[vr].format(value) == text


BAD = [
    ("DA", "2023-13-45", "calendar"),
    ("DA", "20230230", "calendar"),
    ("DA", "2023*", "no date"),
    ("DA", "2023", "no date"),
    ("DA", 20230101, "no date"),
    ("DA", time(10), "no date"),
    ("DA", ("2023-12-31", "2023-01-01"), "ends after"),
    ("DA", "20231231-20230101", "ends after"),
    ("DA", (None, None), "at least one end"),
    ("DA", "-", "at least one end"),
    ("DA", ("2023-01-01",), "pair"),
    ("DA", (pd.NaT, "2023-01-01"), "missing"),
    ("DA", ["2023-01-01"], "no date"),
    ("TM", "25:00", "no time"),
    ("TM", "1 o'clock", "no time"),
    ("TM", timedelta(days=1), "no time"),
    ("TM", timedelta(seconds=-1), "no time"),
    ("TM", datetime(2023, 1, 1), "no time"),
    ("TM", ("11", "10"), "ends after"),
    ("DT", "yesterday", "no date-time"),
    ("DT", time(10), "no date-time"),
    ("DT", ("2023", "2022"), "ends after"),
    ("IS", 1.5, "no whole number"),
    ("IS", "x", "no whole number"),
    ("IS", True, "no whole number"),
    ("IS", 2**70, "no whole number"),
    ("IS", (1, 5), "range"),
    ("IS", [1, 5], "one value"),
    ("DS", "0,5", "no number"),
    ("DS", float("inf"), "no number"),
    ("DS", True, "no number"),
    ("DS", (0.5, 1.5), "range"),
    ("DS", 1.797693134862e308, "no number of 16"),
    ("AS", 1e308, "no age"),
    ("AS", 10**400, "no age"),
    ("DS", 10**400, "no number"),
    ("DS", Decimal("1e400"), "no number"),
    ("AS", "young", "no age"),
    ("AS", -1, "no age"),
    ("AS", 1.23456, "no age"),
    ("AS", True, "no age"),
    ("LO", 1.5, "no text"),
    ("LO", "a\\b", "list"),
    ("PN", 5, "no name"),
    ("PN", "a\\b", "list"),
    ("UI", "1.2.*", "no UID"),
    ("UI", "1.2,,1.3", "no UID"),
    ("UI", "../x", "no UID"),
    ("UI", 12, "no UID"),
    ("AT", "FrameTme", "FrameTime"),
    ("SQ", "x", "inside the sequence"),
    ("OB", b"x", "cannot be searched"),
]


@pytest.mark.parametrize(("vr", "value", "words"), BAD)
def test_a_value_of_the_wrong_kind(vr, value, words):
    with pytest.raises(ValueError, match=words):
        VRS[vr].format(value)


@pytest.mark.parametrize("vr", [vr for vr in VRS if VRS[vr].kind not in ("sequence",)])
@pytest.mark.parametrize("missing", [None, float("nan"), pd.NaT, pd.NA, np.datetime64("NaT")])
def test_a_missing_value_is_never_a_filter(vr, missing):
    with pytest.raises(ValueError, match=r"missing|cannot be searched"):
        VRS[vr].format(missing)


@settings(deadline=None)
@given(st.dates())
def test_dates_come_back(day):
    assert VRS["DA"].parse(VRS["DA"].format(day)) == day


@settings(deadline=None)
@given(st.times())
def test_times_come_back(clock):
    back = VRS["TM"].parse(VRS["TM"].format(clock))
    assert (datetime.min + back).time() == clock


@settings(deadline=None)
@given(st.datetimes())
def test_date_times_come_back(moment):
    assert VRS["DT"].parse(VRS["DT"].format(moment)) == moment


@settings(deadline=None)
@given(st.datetimes(), st.integers(-12 * 60, 14 * 60))
def test_date_times_with_offset_come_back(moment, minutes):
    there = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    text = VRS["DT"].format(there)
    assert VRS["DT"].parse(text) == moment
    assert offset_minutes(text) == minutes


@settings(deadline=None)
@given(st.integers(-(2**63), 2**63 - 1))
def test_integers_come_back(number):
    assert VRS["SV"].parse(VRS["SV"].format(number)) == number


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_doubles_come_back(number):
    assert VRS["FD"].parse(VRS["FD"].format(number)) == number


@settings(deadline=None)
@given(st.floats(-1e308, 1e308, allow_nan=False))
def test_decimals_fit_and_come_back_nearly(number):
    text = VRS["DS"].format(number)
    assert len(text) <= 16
    assert VRS["DS"].parse(text) == pytest.approx(number, rel=1e-8)
    assert VRS["DS"].format(text) == text


@settings(deadline=None)
@given(st.integers(0, 999), st.sampled_from("DWMY"))
def test_ages_come_back(count, unit):
    text = f"{count:03}{unit}"
    assert VRS["AS"].format(text) == text
    years = VRS["AS"].parse(text)
    assert VRS["AS"].parse(VRS["AS"].format(years)) == pytest.approx(years)


@settings(deadline=None)
@given(st.dates(), st.dates())
def test_ranges_hold_what_lies_between(one, other):
    first, last = sorted([one, other])
    text = VRS["DA"].format((first, last))
    assert VRS["DA"].match(first, text)
    assert VRS["DA"].match(last, text)
    assert VRS["DA"].match(last, VRS["DA"].format((first, None)))


@settings(deadline=None)
@given(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary())
    | st.tuples(st.text(max_size=9), st.text(max_size=9))
    | st.lists(st.text(max_size=3), max_size=3)
)
def test_any_value_is_formatted_or_refused(value):
    for vr in VRS.values():
        try:
            text = vr.format(value)
        except ValueError:
            continue
        assert isinstance(text, str)
        if vr.kind not in ("sequence", "binary") and text:
            assert vr.format(text) == text


def test_offsets():
    assert offset_minutes("20230131120000-0530") == -330
    assert offset_minutes("2023+1400") == 840
    for text in ("20230131120000", "2023-1301", "2023+1430", "2023-0070", "x"):
        assert offset_minutes(text) is None
