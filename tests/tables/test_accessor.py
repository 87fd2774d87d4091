"""``df.dicom``: on the demo archive, on what pandas makes of its tables, on other tables."""

from __future__ import annotations

import gc
import json
import pickle
from collections.abc import Iterator
from datetime import time
from pathlib import Path

import pandas as pd
import pytest

import dicomnb as dn
from dicomnb.tables import TableBuilder, columns_for
from tests.conftest import real_file


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("accessor")
    for name in ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm"):
        (made / name).write_bytes(real_file(name).read_bytes())
    return made


@pytest.fixture
def archive(folder: Path) -> Iterator[dn.Archive]:
    with dn.connect(folder) as made:
        yield made


def test_a_table_finds_its_archive_while_there_is_one(folder: Path) -> None:
    archive = dn.connect(folder)
    table = archive.series()
    assert table.dicom.archive is archive
    assert table[table.Modality == "CT"].dicom.archive is archive
    again = pickle.loads(pickle.dumps(archive))
    assert again.series().dicom.archive in (archive, again)
    other = dn.connect(folder)
    assert other.series().dicom.archive is other
    del archive, again, other
    gc.collect()
    with pytest.raises(dn.RefError, match=r"gone.*archive="):
        table.dicom.archive  # noqa: B018
    table.attrs = {}
    with pytest.raises(dn.RefError, match=r"does not say.*archive="):
        table.dicom.download(folder / "x")


def test_an_unpickled_archive_is_found_too(folder: Path) -> None:
    archive = dn.connect(folder)
    data, table = pickle.dumps(archive), archive.series()
    del archive
    gc.collect()
    again = pickle.loads(data)
    assert table.dicom.archive is again


def test_rows_are_refs(archive: dn.Archive) -> None:
    table = archive.instances()
    first = table.iloc[0]
    assert table.dicom.ref() == dn.Ref(
        first.StudyInstanceUID, first.SeriesInstanceUID, first.SOPInstanceUID
    )
    assert table.dicom.ref(-1).uid == table.SOPInstanceUID.iloc[-1]
    assert table.set_index("SOPInstanceUID").dicom.ref(1).uid == table.SOPInstanceUID[1]
    with pytest.raises(IndexError, match="no row 3: the table has 3"):
        table.dicom.ref(3)
    table.loc[0, "SOPInstanceUID"] = None
    with pytest.raises(dn.RefError, match="missing"):
        table.dicom.ref(0)


def test_download_and_volume_go_to_the_archive(archive: dn.Archive, tmp_path: Path) -> None:
    table = archive.series(Modality=["CT", "MR"])
    done = table.dicom.download(tmp_path)
    assert done.Outcome.tolist() == ["downloaded"] * 2
    volume = table.dicom.volume(0, strict=False)
    assert volume.shape == archive.volume(table.iloc[0], strict=False).shape
    lost = table.copy()
    lost.attrs = {}
    assert lost.dicom.volume(1, archive=archive, strict=False).shape[0] == 1


def test_description_of_each_level(archive: dn.Archive) -> None:
    studies, series, instances = archive.studies(), archive.series(), archive.instances()
    for table in (studies, series, instances):
        found = table.dicom.describe()
        assert (found.patients, found.studies) == (3, 3)
        assert (found.series, found.instances) == (3, 3)
        assert found.modalities == {"CT": 1, "MR": 1, "RTPLAN": 1}
        assert found.rows == 3
    found = studies.dicom.describe()
    assert str(found.first_date)[:10] <= str(found.last_date)[:10]
    assert found.missing == {
        name: int(count) for name, count in studies.isna().sum().items() if count
    }
    text = repr(found)
    assert "Patients    3" in text
    assert "RTPLAN 1" in text
    assert "<b>" not in found._repr_html_()


def test_a_description_says_what_it_cannot_know() -> None:
    builder = TableBuilder(columns_for("series"), level="series")
    builder.add(json.dumps([{"0020000E": {"vr": "UI", "Value": ["1.2"]}}]).encode())
    table = builder.finish()
    found = table.dicom.describe()
    assert found.instances is None
    assert found.patients == 0
    assert "unknown" in repr(found)
    assert "PatientID (all)" in repr(found)
    assert table.head(0).dicom.describe().rows == 0
    assert repr(table.head(0).dicom.describe())
    grouped = table.assign(Modality="<b>").groupby("Modality").first()
    assert grouped.dicom.describe().modalities == {"<b>": 1}
    assert "&lt;b&gt;" in grouped.dicom.describe()._repr_html_()


def test_issues_are_a_table() -> None:
    builder = TableBuilder(columns_for("study"), level="study")
    builder.add(b'[{"00080020": {"vr": "DA", "Value": ["x"]}}]')
    with pytest.warns(dn.DicomnbWarning, match=r"df\.dicom\.issues"):
        table = builder.finish()
    assert table.dicom.issues.Keyword.tolist() == ["StudyDate"]
    assert table.dicom.describe().issues == 1
    assert "Odd values" in repr(table.dicom.describe())


def test_clock_times() -> None:
    builder = TableBuilder(["StudyTime", "StudyID", "AcquisitionDateTime"], level="study")
    rows = [
        {
            "00080030": {"vr": "TM", "Value": ["101500.5"]},
            "0008002A": {"vr": "DT", "Value": ["20230131120000"]},
        },
        {"00080030": {"vr": "TM", "Value": ["235960"]}},
        {},
    ]
    builder.add(json.dumps(rows).encode())
    table = builder.finish()
    times = table.dicom.time("StudyTime")
    assert times.tolist() == [time(10, 15, 0, 500000), time(0, 0), None]
    assert times.name == "StudyTime"
    assert table.dicom.time("AcquisitionDateTime")[0] == time(12)
    with pytest.raises(TypeError, match="StudyID holds no times"):
        table.dicom.time("StudyID")
    with pytest.raises(KeyError, match="SeriesTime"):
        table.dicom.time("SeriesTime")


def test_the_accessor_shows_what_the_table_holds(archive: dn.Archive) -> None:
    table = archive.series()
    assert repr(table.dicom) == repr(table.dicom.describe())
    assert "Series" in repr(table.dicom)
    assert table.dicom._repr_html_() == table.dicom.describe()._repr_html_()


def test_other_tables_are_told_apart() -> None:
    with pytest.raises(AttributeError, match=r"'a'.*DICOM keyword"):
        pd.DataFrame({"a": [1]}).dicom  # noqa: B018
    with pytest.raises(AttributeError, match="there are none"):
        pd.DataFrame().dicom  # noqa: B018
    assert not hasattr(pd.DataFrame({1: [1]}), "dicom")


def test_thumbnails_of_every_level(archive: dn.Archive) -> None:
    for table in (archive.studies(), archive.series(), archive.instances()):
        found = table.dicom.thumbnails(size=64)
        assert len(found) == 3
        drawn = {one.caption.split(" · ")[0]: one for one in found if one.png is not None}
        assert len(drawn) == 2  # a plan has no picture
        assert all(one.png.startswith(b"\x89PNG") for one in drawn.values())
        assert [bool(one.reason) for one in found] == [one.png is None for one in found]
        assert [one.ref for one in found] == [table.dicom.ref(i) for i in range(3)]
        assert repr(found) == "<2 thumbnails of 3 rows>"
        assert found._repr_html_().count("<img") == 2
    assert len(archive.series().dicom.thumbnails(limit=1)) == 1
    assert repr(archive.series().head(0).dicom.thumbnails()) == "<0 thumbnails of 0 rows>"


def test_a_gallery_is_escaped(archive: dn.Archive) -> None:
    table = archive.series()
    table["SeriesDescription"] = "<script>x</script>"
    assert "<script>" not in table.dicom.thumbnails()._repr_html_()
