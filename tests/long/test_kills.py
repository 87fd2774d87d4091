"""Killed at any moment: no half-written file under a real name, and the next run goes on."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydicom import dcmread

import dicomnb as dn
from tests.conftest import real_file

pytestmark = pytest.mark.long

STORE = """
import sys, dicomnb as dn
archive = dn.connect(sys.argv[2], options=dn.Options(writable=True))
print("ready", flush=True)
archive.store(sys.argv[1])
print("done", flush=True)
"""
DOWNLOAD = """
import sys, dicomnb as dn
archive = dn.connect(sys.argv[1])
print("ready", flush=True)
archive.download(archive.studies(), sys.argv[2])
print("done", flush=True)
"""


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hundred instances of some size."""
    folder = tmp_path_factory.mktemp("scans")
    dataset = dcmread(real_file("693_UNCR.dcm"))
    for number in range(200):
        dataset.SOPInstanceUID = f"1.2.826.0.1.{number + 1}"
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.InstanceNumber = number + 1
        dataset.save_as(folder / f"{number}.dcm")
    return folder


@pytest.mark.parametrize("code", [STORE, DOWNLOAD], ids=["store", "download"])
def test_killed_at_any_moment(code: str, scans: Path, tmp_path: Path) -> None:
    chance = random.Random(7)
    originals = {file.read_bytes() for file in scans.iterdir()}
    target = tmp_path / "target"
    target.mkdir()
    killed = 0
    for _ in range(12):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(scans), str(target)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(chance.uniform(0, 0.4))
        process.send_signal(signal.SIGKILL)
        killed += b"done" not in process.stdout.read()
        process.wait()
        process.stdout.close()
        for file in target.rglob("*.dcm"):
            assert file.read_bytes() in originals, file
        found = dn.connect(target, options=dn.Options(writable=True)).instances()
        assert len(found) == len(list(target.rglob("*.dcm")))
    assert killed >= 3
    finished = subprocess.run(
        [sys.executable, "-c", code, str(scans), str(target)], capture_output=True, check=True
    )
    assert b"done" in finished.stdout
    archive = dn.connect(target, options=dn.Options(writable=True))
    assert len(archive.instances()) == 200
    assert {file.read_bytes() for file in target.rglob("*.dcm")} == originals
