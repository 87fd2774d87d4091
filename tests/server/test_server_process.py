"""The command line, and a server in a process of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pydicom.data
import pytest
import requests

import dicomnb
from dicomnb.__main__ import main
from dicomnb.errors import DicomnbError
from dicomnb.server import serve

PACKAGE = Path(dicomnb.__file__).parents[1]


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    folder = tmp_path / "scans"
    folder.mkdir()
    found = pydicom.data.get_testdata_file("CT_small.dcm", download=False)
    shutil.copy(str(found), folder / "a.dcm")
    return folder


def command(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "dicomnb", *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PACKAGE), **environment},
    )


def test_serve_prints_its_url_and_ends_cleanly(scans: Path) -> None:
    process = command("serve", scans)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert len(requests.get(f"{url}/studies").json()) == 1
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    assert (process.returncode, rest, errors) == (0, "", "")


def test_the_token_comes_from_the_environment(scans: Path) -> None:
    arguments = ("serve", scans, "--token-from-environment", "MY_TOKEN", "--until-input-ends")
    process = command(*arguments, MY_TOKEN="secret")
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert requests.get(f"{url}/studies").status_code == 401
    headers = {"Authorization": "Bearer secret"}
    assert requests.get(f"{url}/studies", headers=headers).status_code == 200
    process.terminate()
    rest, errors = process.communicate(timeout=60)
    assert (process.returncode, rest, errors) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serve", "nothing-here"], "No folder"),
        (["serve", ".", "--host", "0.0.0.0"], "token"),
        (["serve", ".", "--token-from-environment", "NO_SUCH_VARIABLE"], "NO_SUCH_VARIABLE"),
    ],
)
def test_errors_are_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    handlers = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    try:
        assert main(arguments) == 2
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), handlers, strict=True):
            signal.signal(number, handler)
    out, errors = capsys.readouterr()
    assert out == ""
    assert errors.count("\n") == 1
    assert words in errors


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"dicomnb {dicomnb.__version__}\n"


def test_a_process_of_its_own(scans: Path) -> None:
    server = serve(scans, process=True, token=True)
    headers = {"Authorization": f"Bearer {server.token}"}
    assert len(requests.get(f"{server.url}/studies", headers=headers).json()) == 1
    assert requests.get(f"{server.url}/studies").status_code == 401
    begin = time.monotonic()
    server.close()
    assert time.monotonic() - begin < 4
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{server.url}/studies", headers=headers)


def test_the_process_ends_with_the_one_that_started_it(scans: Path) -> None:
    script = (
        "import os, signal, sys; from dicomnb.server import serve\n"
        "print(serve(sys.argv[1], process=True).url, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(scans)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        timeout=60,
    )
    url = done.stdout.decode().strip()
    assert url.startswith("http://127.0.0.1:")
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            requests.get(f"{url}/studies", timeout=5)
        except requests.ConnectionError:
            return
        time.sleep(0.05)
    pytest.fail("the server outlived its parent")


def test_a_process_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DicomnbError, match="did not start"):
        serve(tmp_path / "empty", process=True)


def test_a_forgotten_server_does_not_keep_python_from_ending(scans: Path) -> None:
    script = (
        "import sys, requests; from dicomnb.server import serve\n"
        "url = serve(sys.argv[1]).url\n"
        "print(len(requests.get(url + '/studies').json()))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", script, str(scans)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        timeout=60,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "1"), done.stderr
