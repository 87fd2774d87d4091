"""What every test may use: a cache of its own, no network, Orthanc, real files, the demo."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pydicom.data
import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ORTHANC_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
SECONDS = 60
"""How long anything is waited for that comes at once, but on a busy machine."""

# The same examples each time, and no clock: a run that fails shows a fault of what was changed.
# Others are looked for with `--hypothesis-profile=searching`.
settings.register_profile(
    "steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("searching", settings.get_profile("steady"), derandomize=False)
settings.load_profile("steady")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Indexes and the demo are made anew for a test run, and never in the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DICOMNB_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """No test may reach beyond this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        if self.family != socket.AF_UNIX and host not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"A test tried to reach {address!r}")
        connect(self, address)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield


def need(found: object, what: str) -> None:
    """Skip for want of a service, with the reason; under CI=true that is a failure."""
    if found:
        return
    reason = f"{what} is not installed: `make services` installs it or says how"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on, to be listened at by another program.

    It is none of those that the system gives to whoever names none: until that program has it,
    a client or server beside it would get it else. Processes of pytest-xdist choose among
    different ones.
    """
    known = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first = int(known.read_text().split()[0]) if known.exists() else 32768
    name = os.environ.get("PYTEST_XDIST_WORKER", "")
    worker = int("".join(one for one in name if one.isdigit()) or 0)
    ports = [port for port in range(10_000, first) if port % 16 == worker % 16]
    for port in [*random.sample(ports, len(ports)), 0]:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise AssertionError("All ports are taken.")


@dataclass(frozen=True)
class Orthanc:
    """A running Orthanc: its own root, and its DICOMweb root."""

    root: str

    @property
    def url(self) -> str:
        """The DICOMweb root."""
        return f"{self.root}/dicom-web"

    def ask(self, path: str, data: bytes | None = None, method: str | None = None) -> object:
        """Call its own REST API."""
        request = urllib.request.Request(self.root + path, data=data, method=method)
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            body = answer.read()
        return json.loads(body) if body else None


def orthanc_configuration(folder: Path, port: int) -> dict[str, object]:
    """What a plain installation would say, on one port, with nothing kept."""
    return {
        "Name": "test",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "HttpPort": port,
        "HttpThreadsCount": 50,
        "KeepAlive": True,
        "TcpNoDelay": True,
        "DicomServerEnabled": False,
        "OverwriteInstances": True,
        "SaveJobs": False,
        "LimitFindResults": 0,
        "LimitFindInstances": 0,
        "Plugins": [str(ORTHANC_PLUGIN)],
        "DicomWeb": {
            "Enable": True,
            "Root": "/dicom-web/",
            "EnableWado": True,
            "WadoRoot": "/wado",
            "Ssl": False,
            "StudiesMetadata": "Full",
            "SeriesMetadata": "Full",
            "PublicRoot": "/dicom-web/",
        },
    }


def start_orthanc(folder: Path) -> Iterator[Orthanc]:
    """Run Orthanc on a free port until the generator is closed."""
    need(shutil.which("Orthanc") and ORTHANC_PLUGIN.exists(), "Orthanc with its DICOMweb plugin")
    port = free_port()
    settings = folder / "orthanc.json"
    settings.write_text(json.dumps(orthanc_configuration(folder, port)))
    with (folder / "orthanc.log").open("wb") as log:
        process = subprocess.Popen(
            ["Orthanc", str(settings)], stdout=log, stderr=log, cwd=folder, stdin=subprocess.DEVNULL
        )
        try:
            yield _wait(Orthanc(f"http://127.0.0.1:{port}"), process, folder / "orthanc.log")
        finally:
            process.kill()  # nothing of it is kept, and it would take its time
            process.wait(SECONDS)


def _wait(orthanc: Orthanc, process: subprocess.Popen[bytes], log: Path) -> Orthanc:
    for _ in range(SECONDS * 20):
        if process.poll() is not None:
            break
        try:
            orthanc.ask("/system")
        except OSError:
            time.sleep(0.05)
        else:
            return orthanc
    raise RuntimeError(f"Orthanc did not start:\n{log.read_text(errors='replace')[-2000:]}")


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """An Orthanc of this file of tests, empty at first: what others store is in theirs."""
    yield from start_orthanc(tmp_path_factory.mktemp("orthanc"))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, headless; one for all tests of a run."""
    path = shutil.which("chromium")
    need(path, "Chromium")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


def screenshots() -> Path:
    """Where a person can look at what was drawn."""
    folder = Path(__file__).parents[1] / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def demo_folder(own_cache: Path) -> Path:
    """The demo archive's files, synthesised once a run."""
    from dicomnb.samples.store import archive_folder

    return archive_folder()


def real_file(name: str) -> Path:
    """A real DICOM file of pydicom's wheel or pydicom-data, never downloaded."""
    found = pydicom.data.get_testdata_file(name, download=False)
    assert found is not None, name
    return Path(str(found))
