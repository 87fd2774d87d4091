"""`ConnectPanel` against servers that want something: Orthanc with users, private authorities."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

import dicomnb as dn
from dicomnb.widgets import ConnectPanel
from tests.conftest import SECONDS, free_port, need, orthanc_configuration
from tests.web.raw_server import Raw, response
from tests.web.test_transport import certificate  # noqa: F401  a fixture
from tests.widgets.secrets import places

PASSWORD = "pässword-s3cret"


@pytest.fixture(scope="module")
def guarded_orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The root of an Orthanc that lets in alice alone."""
    need(shutil.which("Orthanc"), "Orthanc")
    folder, port = tmp_path_factory.mktemp("guarded-orthanc"), free_port()
    settings = orthanc_configuration(folder, port) | {
        "AuthenticationEnabled": True,
        "RegisteredUsers": {"alice": PASSWORD},
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "orthanc.log").open("wb") as log:
        process = subprocess.Popen(
            ["Orthanc", str(folder / "orthanc.json")], stdout=log, stderr=log, cwd=folder
        )
        try:
            root = f"http://127.0.0.1:{port}"
            _until_it_answers(root, process, folder / "orthanc.log")
            yield root
        finally:
            process.terminate()
            process.wait(SECONDS)


def _until_it_answers(root: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(SECONDS * 20):
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        try:
            assert requests.get(f"{root}/system", timeout=SECONDS).status_code == 401
        except requests.ConnectionError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(log.read_text(errors="replace")[-2000:])


def connect(panel: ConnectPanel, secret: str = "", **form: Any) -> None:
    panel._receive(panel, {"kind": "connect", "form": form, "secret": secret}, [])
    panel.wait()


def test_an_orthanc_with_users(guarded_orthanc: str) -> None:
    panel = ConnectPanel(f"{guarded_orthanc}/dicom-web")
    connect(panel)
    assert "Choose how to sign in" in panel.said[1]
    connect(panel, f"wrong-{PASSWORD}", sign_in="password", user="alice")
    assert "HTTP 401" in panel.said[1]
    assert places(panel, PASSWORD) == []
    connect(panel, PASSWORD, sign_in="password", user="alice")
    assert panel.said == ("done", "Connected: Orthanc")
    assert panel.archive is not None
    assert len(panel.archive.studies()) == 0
    assert dict(panel._state()["about"]["rows"])["Account"] == "user alice"
    assert places(panel, PASSWORD, but=(dn.Archive,)) == []


def test_a_private_authority(certificate: Path) -> None:  # noqa: F811
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = Raw(lambda request: response(b"[]"), tls=context)
    try:
        panel = ConnectPanel(server.url)
        connect(panel)
        assert "is not trusted" in panel.said[1]
        assert "A private authority's file is named under More." in panel.said[1]
        connect(panel, verify=False)
        assert panel.archive is not None
        assert "is not checked" in panel._state()["notes"][0]
        assert "verify=False" in panel.code
        connect(panel, verify=True, authority=str(certificate))
        assert panel.said[0] == "done"
        assert panel._state()["notes"] == []
        assert f'verify="{certificate}"' in panel.code
        connect(panel, authority=f"{certificate}.none")
        assert "No certificates can be read" in panel.said[1]
    finally:
        server.close()
