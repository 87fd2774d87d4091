"""Searches mean the same on every source."""

from __future__ import annotations

import pandas as pd
import pytest

import dicomnb as dn
from dicomnb.samples.truth import cases
from dicomnb.tables import issues_of
from dicomnb.vr import TEXT_DTYPE
from tests.contract.parties import Party, Truth

# The demo holds an odd date on purpose; what is said of it has a test of its own.
pytestmark = pytest.mark.filterwarnings("ignore:.*odd value:dicomnb.DicomnbWarning")


def test_every_study_series_and_instance_is_found_once(archive: dn.Archive, truth: Truth) -> None:
    for table, keyword in [
        (archive.studies(), "StudyInstanceUID"),
        (archive.series(), "SeriesInstanceUID"),
        (archive.instances(), "SOPInstanceUID"),
    ]:
        assert table[keyword].is_unique
        assert set(table[keyword]) == truth.uids(keyword)
        assert table.attrs["complete"] is True


def test_columns_and_types_do_not_depend_on_the_rows(archive: dn.Archive) -> None:
    for search in (archive.studies, archive.series, archive.instances):
        some, none = search(limit=5), search(PatientID="nobody has this")
        assert len(some) == 5
        assert len(none) == 0
        assert list(some.columns) == list(none.columns)
        assert some.dtypes.to_dict() == none.dtypes.to_dict()


def test_types_come_from_the_vr(archive: dn.Archive) -> None:
    studies = archive.studies()
    assert studies["StudyDate"].dtype == "datetime64[s]"
    assert studies["StudyTime"].dtype == "timedelta64[us]"
    assert studies["NumberOfStudyRelatedInstances"].dtype == "Int64"
    assert studies["PatientName"].dtype == TEXT_DTYPE
    assert all(isinstance(cell, tuple) for cell in studies["ModalitiesInStudy"])


def test_a_patient_by_number(archive: dn.Archive, truth: Truth) -> None:
    number = str(truth.headers[0].PatientID)
    studies = archive.studies(PatientID=number)
    assert set(studies["StudyInstanceUID"]) == truth.uids("StudyInstanceUID", PatientID=number)
    assert set(studies["PatientID"]) == {number}


def test_a_patient_by_the_beginning_of_the_name(archive: dn.Archive, truth: Truth) -> None:
    expected = {
        str(one.StudyInstanceUID)
        for one in truth.headers
        if str(one.get("PatientName", "")).startswith("Zhang")
    }
    found = archive.studies(PatientName="Zhang*")
    assert expected
    assert set(found["StudyInstanceUID"]) == expected
    assert found["PatientName"].str.startswith("Zhang").all()


@pytest.mark.parametrize(
    ("bounds", "first", "last"),
    [
        (("2023-01-01", "2023-12-31"), "20230101", "20231231"),
        (("2023-06-01", None), "20230601", "99991231"),
        ((None, pd.Timestamp("2022-12-31")), "00000101", "20221231"),
    ],
)
def test_date_ranges(
    archive: dn.Archive, truth: Truth, bounds: object, first: str, last: str
) -> None:
    expected = {
        str(one.StudyInstanceUID)
        for one in truth.headers
        if len(date := str(one.get("StudyDate", ""))) == 8 and first <= date <= last
    }
    found = archive.studies(StudyDate=bounds)
    assert expected
    assert set(found["StudyInstanceUID"]) == expected


def test_a_list_means_any_of_its_values(archive: dn.Archive, truth: Truth) -> None:
    found = archive.series(Modality=["MR", "PT"])
    expected = truth.uids("SeriesInstanceUID", Modality="MR") | truth.uids(
        "SeriesInstanceUID", Modality="PT"
    )
    assert set(found["SeriesInstanceUID"]) == expected
    assert found["SeriesInstanceUID"].is_unique


def test_several_uids(archive: dn.Archive) -> None:
    some = archive.series(limit=3)["SeriesInstanceUID"]
    assert set(archive.series(SeriesInstanceUID=some)["SeriesInstanceUID"]) == set(some)


def test_series_of_studies_carry_their_parents(archive: dn.Archive, truth: Truth) -> None:
    studies = archive.studies(StudyDate=("2023-01-01", "2023-12-31"))
    assert len(studies) > 16
    series = archive.series(studies, Modality="CT")
    assert set(series["SeriesInstanceUID"]) == {
        str(one.SeriesInstanceUID)
        for one in truth.where(Modality="CT")
        if str(one.StudyInstanceUID) in set(studies["StudyInstanceUID"])
    }
    assert set(series["StudyInstanceUID"]) <= set(studies["StudyInstanceUID"])
    few = archive.series(studies.head(3))
    assert set(few["StudyInstanceUID"]) == set(studies["StudyInstanceUID"].head(3))


def test_instances_of_a_series(archive: dn.Archive, truth: Truth) -> None:
    scan = archive.series(Modality="CT").iloc[0]
    instances = archive.instances(scan)
    assert set(instances["SOPInstanceUID"]) == truth.uids(
        "SOPInstanceUID", SeriesInstanceUID=scan.SeriesInstanceUID
    )
    assert set(instances["SeriesInstanceUID"]) == {scan.SeriesInstanceUID}
    assert set(instances["StudyInstanceUID"]) == {scan.StudyInstanceUID}
    assert scan.NumberOfSeriesRelatedInstances == len(instances)


def test_a_search_cannot_go_upwards(archive: dn.Archive) -> None:
    scan = archive.series(limit=1)
    with pytest.raises(dn.BadQuery, match="hold no"):
        archive.studies(scan)


def test_limit_and_offset_walk_through_everything(archive: dn.Archive) -> None:
    whole = archive.series()["SeriesInstanceUID"].tolist()
    walked: list[str] = []
    for offset in range(0, len(whole) + 7, 7):
        walked += archive.series(limit=7, offset=offset)["SeriesInstanceUID"].tolist()
    assert walked == whole
    assert len(archive.series(limit=0)) == 0


def test_limit_counts_rows_after_a_split_search(archive: dn.Archive) -> None:
    both = archive.series(Modality=["CT", "MR"])
    assert len(archive.series(Modality=["CT", "MR"], limit=5)) == 5
    rest = archive.series(Modality=["CT", "MR"], offset=5)
    assert len(rest) == len(both) - 5


def test_pages_hold_the_same_rows(archive: dn.Archive) -> None:
    pages = list(archive.pages("instance", Modality="MR"))
    whole = archive.instances(Modality="MR")
    assert sorted(pd.concat(pages)["SOPInstanceUID"]) == sorted(whole["SOPInstanceUID"])
    assert all(list(page.columns) == list(whole.columns) for page in pages)


def test_fields_bring_more(archive: dn.Archive, truth: Truth) -> None:
    scan = archive.series(Modality="CT").iloc[0]
    rows = archive.instances(scan, fields=["SliceThickness", "InstanceNumber"])
    header = truth.where(SOPInstanceUID=rows["SOPInstanceUID"].iloc[0])[0]
    assert rows["SliceThickness"].dtype == "float64"
    assert "SliceThickness" not in archive.instances(scan).columns
    assert rows["InstanceNumber"].iloc[0] == header.InstanceNumber


@pytest.mark.parametrize("mistake", [{"PatientNam": "x"}, {"limt": 5}, {"StudyDate": "soon"}])
def test_a_mistake_is_told_before_anything_is_sent(
    archive: dn.Archive, mistake: dict[str, object]
) -> None:
    with pytest.raises(dn.BadQuery, match=next(iter(mistake))):
        archive.studies(**mistake)


def test_explain_names_the_requests(archive: dn.Archive) -> None:
    requests = archive.explain("series", Modality=["CT", "MR"])
    assert requests["Path"].tolist() == ["series", "series"]
    assert requests["Parameters"].str.startswith("Modality=").all()


def test_names_in_their_own_scripts(party: Party, truth: Truth) -> None:
    found = dict(
        party.archive.studies()[["StudyInstanceUID", "PatientName"]].itertuples(index=False)
    )
    for header in truth.headers:
        name = header.get("PatientName")
        if name:
            assert found[str(header.StudyInstanceUID)] == str(name).split("=")[0].rstrip()


def test_an_odd_date_costs_its_cell_and_is_told(archive: dn.Archive, truth: Truth) -> None:
    uid = cases().set_index("Case").loc["malformed date", "StudyInstanceUID"]
    with pytest.warns(dn.DicomnbWarning, match="odd value"):
        studies = archive.studies(StudyInstanceUID=uid)
    assert studies["StudyDate"].isna().all()
    issues = issues_of(studies)
    assert issues["Keyword"].tolist() == ["StudyDate"]


def test_metadata_is_one_row_an_instance(archive: dn.Archive, truth: Truth) -> None:
    scan = archive.series(Modality="CT").iloc[0]
    table = archive.metadata(scan)
    headers = truth.where(SeriesInstanceUID=scan.SeriesInstanceUID)
    assert set(table["SOPInstanceUID"]) == {str(one.SOPInstanceUID) for one in headers}
    by_uid = table.set_index("SOPInstanceUID")
    for header in headers:
        row = by_uid.loc[str(header.SOPInstanceUID)]
        assert row["InstanceNumber"] == header.InstanceNumber
        assert row["ImagePositionPatient"] == pytest.approx(tuple(header.ImagePositionPatient))
        assert row["Rows"] == header.Rows
    chosen = archive.metadata(scan, fields=["KVP", "SliceThickness"])
    assert {"KVP", "SliceThickness"} <= set(chosen.columns)
    assert "PixelSpacing" not in chosen.columns


def test_what_is_not_there(archive: dn.Archive) -> None:
    with pytest.raises(dn.NotFound):
        archive.metadata(dn.Ref("1.2.3.4.5"))
