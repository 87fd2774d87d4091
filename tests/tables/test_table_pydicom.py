"""The table of a real file holds what pydicom reads from it, VR by VR."""

import json
import warnings
from datetime import date, timedelta

import pandas as pd
import pydicom
import pytest
from pydicom.data import get_charset_files, get_testdata_file
from pydicom.datadict import dictionary_VM
from pydicom.multival import MultiValue
from pydicom.valuerep import DA, DT, TM

from dicomnb.attributes import column_name
from dicomnb.tables import TableBuilder, issues_of
from dicomnb.vr import VRS

FILES = [
    "CT_small.dcm",
    "MR_small.dcm",
    "JPEG2000.dcm",
    "JPGExtended.dcm",
    "examples_overlay.dcm",
    "liver_1frame.dcm",
    "nested_priv_SQ.dcm",
    "priv_SQ.dcm",
    "reportsi.dcm",
    "rtdose_1frame.dcm",
    "rtplan.dcm",
    "rtstruct.dcm",
    "test-SR.dcm",
    "US1_UNCR.dcm",
    "vlut_04.dcm",
    "waveform_ecg.dcm",
    "chrFrenMulti.dcm",
    "chrGerm.dcm",
    "chrH31.dcm",
    "chrKoreanMulti.dcm",
    "chrX1.dcm",
]
BINARY = {"OB", "OD", "OF", "OL", "OV", "OW", "UN"}
PER_YEAR = {"Y": 1, "M": 12, "W": 365.25 / 7, "D": 365.25}


def load(name):
    path = get_testdata_file(name, download=False) or get_charset_files(name)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path, force=True)
        dataset.decode()
        rows = [dataset.to_json_dict(bulk_data_threshold=1 << 40)]
    return dataset, json.dumps(rows).encode()


def one(value, vr):
    """What a cell should hold for one of pydicom's values."""
    if value is None or value == "":
        return None
    match vr:
        case "DA":
            return pd.Timestamp(DA(str(value).strip()))
        case "TM":
            time = TM(str(value).strip())
            return pd.Timedelta(
                timedelta(
                    hours=time.hour,
                    minutes=time.minute,
                    seconds=time.second,
                    microseconds=time.microsecond,
                )
            )
        case "DT":
            return pd.Timestamp(DT(str(value))).tz_localize(None)
        case "AS":
            return int(value[:3]) / PER_YEAR[value[3]]
        case "PN":
            return value.alphabetic or value.ideographic or value.phonetic or None
        case "DS" | "FL" | "FD":
            return float(value)
        case "IS" | "US" | "SS" | "UL" | "SL":
            return int(value)
        case "AT":
            return column_name(int(value))
        case _:
            return str(value).rstrip(" \0") or None


def expected(element):
    """What the cell of a whole element should hold."""
    vr, value = element.VR, element.value
    if vr == "SQ":
        return tuple({column_name(e.tag): expected(e) for e in item} for item in value) or None
    if vr in BINARY:
        return value or None
    values = list(value) if isinstance(value, (MultiValue, list)) else [value]
    values = [] if value is None or value == "" else values
    cells = tuple(one(v, vr) for v in values)
    tag = element.tag
    is_group_length = tag.element == 0
    if (
        is_group_length
        or tag.is_private_creator
        or (not tag.is_private and dictionary_VM(tag) == "1")
    ):
        return cells[0] if cells else None
    return None if all(cell is None for cell in cells) else cells


def same(cell, wanted):
    if wanted is None:
        return cell is None or (not isinstance(cell, (tuple, bytes)) and pd.isna(cell))
    if isinstance(wanted, tuple):
        return isinstance(cell, tuple) and len(cell) == len(wanted) and all(map(same, cell, wanted))
    if isinstance(wanted, dict):
        return cell.keys() == wanted.keys() and all(same(cell[k], v) for k, v in wanted.items())
    if isinstance(wanted, pd.Timestamp) and isinstance(cell, date):
        cell = pd.Timestamp(cell)  # inside tuples and items dates are Python's
    return cell == wanted


@pytest.mark.parametrize("name", FILES)
def test_the_table_of_a_file_is_what_pydicom_reads(name):
    dataset, page = load(name)
    builder = TableBuilder(None, level="instance")
    assert builder.add(page) == 1
    table = builder.finish()
    assert len(issues_of(table)) == 0
    for element in dataset:
        assert same(table[column_name(element.tag)].iloc[0], expected(element)), element
    extra = {"PatientID", "PatientName", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"}
    offsets = {name for name in table.columns if name.endswith(".Offset")}
    assert set(table.columns) - extra - offsets <= {column_name(element.tag) for element in dataset}


def test_most_vrs_are_compared():
    """The files above are worth their time."""
    seen = {str(element.VR) for name in FILES for element in load(name)[0].iterall()}
    rare = {"OD", "OF", "OL", "OV", "SV", "UC", "UR", "UV"}
    assert set(VRS) - seen <= rare
