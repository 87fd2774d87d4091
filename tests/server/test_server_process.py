"""The command line, and a server in a process of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pydicom.data
import pytest
import requests

import dicomnb
from dicomnb.__main__ import main
from dicomnb.errors import DicomnbError
from dicomnb.server import serve
from tests.conftest import SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(dicomnb.__file__).parents[1]


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("process") / "scans"
    folder.mkdir()
    found = pydicom.data.get_testdata_file("CT_small.dcm", download=False)
    shutil.copy(str(found), folder / "a.dcm")
    return folder


ORPHAN = """
import os, signal, sys
from dicomnb.server import serve
print(serve(sys.argv[1], process=True).url, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
FORGOTTEN = """
import sys, requests
from dicomnb.server import serve
url = serve(sys.argv[1]).url
print(len(requests.get(url + "/studies").json()))
"""


def python(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PACKAGE), **environment},
    )


@pytest.fixture(scope="module")
def started(scans: Path) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """The processes of several tests, begun together: most of their time they import."""
    token = ("--token-from-environment", "MY_TOKEN", "--until-input-ends")
    processes = {
        "serving": python("-m", "dicomnb", "serve", scans),
        "with token": python("-m", "dicomnb", "serve", scans, *token, MY_TOKEN="secret"),
        "orphan": python("-c", ORPHAN, scans),
        "forgotten": python("-W", "error", "-X", "dev", "-c", FORGOTTEN, scans),
    }
    yield processes
    for process in processes.values():
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_serve_prints_its_url_and_ends_cleanly(
    started: dict[str, subprocess.Popen[str]],
) -> None:
    process = started["serving"]
    url = first_line(process)
    assert len(requests.get(f"{url}/studies").json()) == 1
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, rest, errors) == (0, "", "")


def test_the_token_comes_from_the_environment(started: dict[str, subprocess.Popen[str]]) -> None:
    process = started["with token"]
    url = first_line(process)
    assert requests.get(f"{url}/studies").status_code == 401
    headers = {"Authorization": "Bearer secret"}
    assert requests.get(f"{url}/studies", headers=headers).status_code == 200
    process.terminate()
    rest, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, rest, errors) == (0, "", "")


def test_googles_flavour_prints_a_token_and_leaves_nothing(scans: Path, tmp_path: Path) -> None:
    process = python(
        *("-m", "dicomnb", "serve", scans, "--flavour", "google", "--bucket", f"b={scans}"),
        TMPDIR=str(tmp_path),
    )
    try:
        url, header = first_line(process), first_line(process)
        name, _, value = header.partition(": ")
        assert len(requests.get(f"{url}/studies", headers={name: value}).json()) == 1
        assert [one.name[:15] for one in tmp_path.iterdir()] == ["dicomnb-stores-"]
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=SECONDS)
        assert (process.returncode, rest, errors) == (0, "", "")
        assert list(tmp_path.iterdir()) == []
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serve", ".", "--bucket", "b=."], "flavour"),
        (["serve", ".", "--flavour", "google", "--bucket", "b"], "NAME=FOLDER"),
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


def test_a_process_of_its_own(scans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(scans, process=True, token=True)
    headers = {"Authorization": f"Bearer {server.token}"}
    assert len(requests.get(f"{server.url}/studies", headers=headers).json()) == 1
    assert requests.get(f"{server.url}/studies").status_code == 401
    ended: list[int] = []
    wait = subprocess.Popen.wait
    monkeypatch.setattr("dicomnb.server.process.END_SECONDS", SECONDS)
    monkeypatch.setattr(
        subprocess.Popen, "wait", lambda *given, **named: ended.append(wait(*given, **named))
    )
    server.close()
    assert ended == [0]  # by itself, and not by force
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{server.url}/studies", headers=headers)


def test_the_process_ends_with_the_one_that_started_it(
    started: dict[str, subprocess.Popen[str]],
) -> None:
    url = first_line(started["orphan"])
    assert url.startswith("http://127.0.0.1:")
    assert started["orphan"].wait(60) == -signal.SIGKILL
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            requests.get(f"{url}/studies", timeout=SECONDS)
        except requests.ConnectionError:
            return
        time.sleep(0.05)
    pytest.fail("the server outlived its parent")


def test_a_process_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DicomnbError, match="did not start"):
        serve(tmp_path / "empty", process=True)


def test_a_forgotten_server_does_not_keep_python_from_ending(
    started: dict[str, subprocess.Popen[str]],
) -> None:
    out, errors = started["forgotten"].communicate(timeout=SECONDS)
    assert (started["forgotten"].returncode, out.strip()) == (0, "1"), errors
