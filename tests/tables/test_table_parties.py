"""The table of a folder is that of the same folder behind the server, and behind Orthanc."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

import dicomnb as dn
from tests.conftest import Orthanc, real_file
from tests.contract.parties import REAL_FILES

Ask = Callable[[dn.Archive], pd.DataFrame]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("parties")
    for name in (*REAL_FILES, "test-SR.dcm", "rtplan.dcm"):
        shutil.copy(real_file(name), target / name)
    return target


@pytest.fixture(scope="module")
def here(folder: Path) -> dn.Archive:
    return dn.connect(folder)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[dn.Archive]:
    with dn.serve(folder) as url:
        yield dn.connect(url)


@pytest.fixture(scope="module")
def behind_orthanc(folder: Path, orthanc: Orthanc) -> dn.Archive:
    archive = dn.connect(orthanc.url)
    assert set(archive.store(folder)["Outcome"]) == {"stored"}
    return archive


def in_order(ask: Ask, archive: dn.Archive) -> pd.DataFrame:
    """A table in one order, whoever tells it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dn.DicomnbWarning)
        table = ask(archive)
    uids = [name for name in table.columns if str(name).endswith("InstanceUID")][:3]
    return table.sort_values(uids, ignore_index=True)


def differing(one: pd.DataFrame, other: pd.DataFrame) -> set[str]:
    assert len(one) == len(other) > 0
    only = set(one.columns) ^ set(other.columns)
    for name in set(one.columns) & set(other.columns):
        if one[name].dtype != other[name].dtype or not one[name].equals(other[name]):
            only.add(str(name))
    return only


SEARCHES: dict[str, Ask] = {
    "studies": lambda archive: archive.studies(),
    "series": lambda archive: archive.series(fields=["SeriesDescription", "PatientName.Family"]),
    "instances": lambda archive: archive.instances(),
}


@pytest.mark.parametrize("level", SEARCHES)
def test_the_server_makes_the_same_tables(here: dn.Archive, server: dn.Archive, level: str) -> None:
    mine = in_order(SEARCHES[level], here)
    theirs = in_order(SEARCHES[level], server)
    pd.testing.assert_frame_equal(mine, theirs)


@pytest.mark.parametrize("level", SEARCHES)
def test_orthanc_makes_the_same_tables(
    here: dn.Archive, behind_orthanc: dn.Archive, level: str
) -> None:
    mine = in_order(SEARCHES[level], here)
    theirs = in_order(SEARCHES[level], behind_orthanc)
    assert list(mine.columns) == list(theirs.columns)
    assert mine.dtypes.equals(theirs.dtypes)
    assert differing(mine, theirs) <= ORTHANC[level]


def test_metadata_is_the_same(
    here: dn.Archive, server: dn.Archive, behind_orthanc: dn.Archive
) -> None:
    studies = here.studies()

    def metadata(archive: dn.Archive) -> pd.DataFrame:
        return archive.metadata(studies)

    mine = in_order(metadata, here)
    assert differing(mine, in_order(metadata, server)) <= addresses(mine)
    found = differing(mine, in_order(metadata, behind_orthanc)) - addresses(mine)
    assert len(mine.columns) > 300
    assert found <= ORTHANC["metadata"]


def addresses(table: pd.DataFrame) -> set[str]:
    """Columns that hold references to bulk data, which every source has its own of."""
    found = {"RetrieveURL"}
    for name in table.columns:
        if any("/studies/" in repr(cell) for cell in table[name]):
            found.add(str(name))
    return found


# What Orthanc answers otherwise than the files say.
ORTHANC: dict[str, set[str]] = {
    "studies": set(),
    "series": set(),
    "instances": set(),
    "metadata": {
        # It answers in UTF-8 too, but names the character set of the file.
        "SpecificCharacterSet",
        # Every binary value is bulk data there; a folder sends the short ones in place.
        "RedPaletteColorLookupTableData",
        "GreenPaletteColorLookupTableData",
        "BluePaletteColorLookupTableData",
        "DataSetTrailingPadding",
        "0043,1028",
        "0043,102A",
        # Text of a private maker with line ends and backslashes of its own.
        "0019,1050",
    },
}
