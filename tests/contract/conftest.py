"""The parties of the contract: a folder, the embedded server plain and as Google, an Orthanc."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

import dicomnb as dn
from tests.conftest import start_orthanc
from tests.contract.parties import REAL_FILES, Party, Truth


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path) -> Path:
    """The demo archive and real files in one folder, with files that are no DICOM beside."""
    target = tmp_path_factory.mktemp("contract") / "data"
    shutil.copytree(demo_folder, target)
    real = target / "real"
    real.mkdir()
    for name in REAL_FILES:
        found = get_testdata_file(name, download=False)
        assert found, name
        shutil.copy(str(found), real / name)
    (target / "README.txt").write_text("no DICOM")
    (target / "empty.dcm").touch()
    (target / "broken.dcm").write_bytes(bytes(128) + b"DICM" + b"\x08\x00")
    return target


@pytest.fixture(scope="session")
def truth(folder: Path) -> Truth:
    """Every header in the folder."""
    headers, files = [], {}
    for path in sorted(folder.rglob("*.dcm")):
        if path.name in ("empty.dcm", "broken.dcm"):
            continue
        header = dcmread(path, stop_before_pixels=True)
        headers.append(header)
        files[str(header.SOPInstanceUID)] = path
    return Truth(headers, files)


@pytest.fixture(scope="session")
def folder_party(folder: Path) -> Party:
    """A folder that is read."""
    return Party("folder", dn.connect(folder))


@pytest.fixture(scope="session")
def server_party(folder: Path) -> Iterator[Party]:
    """The same folder behind the embedded server."""
    with dn.serve(folder) as url:
        yield Party("server", dn.connect(url))


@pytest.fixture(scope="session")
def orthanc_party(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Party]:
    """A real Orthanc that was sent the same files, and nothing else."""
    for orthanc in start_orthanc(tmp_path_factory.mktemp("contract-orthanc")):
        archive = dn.connect(orthanc.url)
        outcome = archive.store(folder)
        refused = outcome[outcome["Outcome"] != "stored"]
        assert [Path(name).name for name in refused["Name"]] == ["broken.dcm"]
        yield Party(
            "orthanc",
            archive,
            deletes=False,
            same_uid_other_bytes="stored",
            same_bytes_again="stored",
            draws_series=True,
        )


@pytest.fixture(scope="session")
def google_party(folder: Path) -> Iterator[Party]:
    """The same folder behind the embedded server's Google flavour."""
    server = dn.serve(folder, flavour="google")
    with server as url:
        yield Party(
            "google",
            dn.connect(url, auth=dn.Bearer(str(server.token))),
            renders=frozenset({"viewport"}),
        )


@pytest.fixture(params=["folder", "server", "google", "orthanc"])
def party(request: pytest.FixtureRequest) -> Party:
    """Each party in turn."""
    found: Party = request.getfixturevalue(f"{request.param}_party")
    return found


@pytest.fixture
def archive(party: Party) -> dn.Archive:
    """The archive of each party in turn."""
    return party.archive
