import pytest
from pydicom.datadict import DicomDictionary
from pydicom.tag import Tag

from dicomnb.attributes import Attribute, attribute, column_name, is_tag, keyword_of
from dicomnb.errors import BadQuery
from dicomnb.vr import VRS

NAME = Attribute("00100010", "PatientName", "PN", "1")


@pytest.mark.parametrize(
    "name",
    [
        "PatientName",
        "00100010",
        "0010,0010",
        "(0010,0010)",
        "(0010, 0010)",
        " (0010,0010) ",
        "0x00100010",
        0x00100010,
        (0x0010, 0x0010),
        Tag("PatientName"),
        NAME,
    ],
)
def test_all_ways_to_name_an_attribute(name):
    assert attribute(name) == NAME
    assert column_name(name) == "PatientName"


def test_tags_are_written_in_upper_case():
    assert attribute("7fe00010").tag == "7FE00010"
    assert is_tag("7fe00010")
    assert not is_tag("7fe0001")
    assert not is_tag(0x7FE00010)


def test_the_whole_dictionary_can_be_looked_up_and_goes_both_ways():
    for tag, entry in DicomDictionary.items():
        one = attribute(tag)
        assert one.vr in VRS
        assert one.vm == entry[1]
        if one.keyword:
            assert attribute(one.keyword) == one
            assert keyword_of(tag) == entry[4]


@pytest.mark.parametrize(
    ("name", "vr"),
    [
        ("SmallestImagePixelValue", "US"),
        ("PixelData", "OW"),
        ("LUTData", "OW"),
        ("RedPaletteColorLookupTableData", "OW"),
        ("00189445", "OB"),
    ],
)
def test_where_the_dictionary_leaves_the_vr_open(name, vr):
    assert attribute(name).vr == vr


def test_private_attributes():
    one = attribute("0009,1001")
    assert one == Attribute("00091001", "", "UN", "1-n")
    assert one.is_private
    assert one.column == "0009,1001"
    assert keyword_of("00091001") is None
    creator = attribute((0x0009, 0x0010))
    assert (creator.vr, creator.vm, creator.column) == ("LO", "1", "0009,0010")
    assert not NAME.is_private


def test_attributes_newer_than_the_dictionary():
    assert attribute("00109999") == Attribute("00109999", "", "UN", "1-n")
    assert column_name("00109999") == "0010,9999"


def test_repeated_groups():
    assert attribute("OverlayData").tag == "60003000"
    assert attribute("60003000").keyword == "OverlayData"
    second = attribute("60023000")
    assert (second.keyword, second.column, second.vr) == ("", "6002,3000", "OW")
    assert attribute("CurveData").tag == "50003000"
    assert attribute("00203102").vr == "CS"  # Source Image IDs, (0020,31xx)


def test_group_lengths_are_numbers():
    assert attribute("00080000").vr == attribute("00190000").vr == "UL"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("patientname", "PatientName"),
        ("PatientNane", "PatientName"),
        ("Patient's Name", "PatientName"),
        ("study_instance_uid", "StudyInstanceUID"),
        ("StudyInstanceUId", "StudyInstanceUID"),
    ],
)
def test_an_unknown_keyword_names_the_nearest(name, hint):
    with pytest.raises(BadQuery, match=hint) as caught:
        attribute(name)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["", "qqqqqqqq", "001000", "0010001G", None, 1.5, True, -1, 1 << 32, (1, 2, 3), (1 << 16, 0)],
)
def test_what_is_no_attribute(name):
    with pytest.raises(BadQuery) as caught:
        attribute(name)
    assert "Did you mean" not in str(caught.value)
