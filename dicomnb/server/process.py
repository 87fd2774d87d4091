"""A server in a Python process of its own, which does not outlive this one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

from dicomnb.errors import DicomnbError
from dicomnb.server.serving import Server

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TOKEN_VARIABLE", "start"]

TOKEN_VARIABLE = "DICOMNB_SERVER_TOKEN"  # noqa: S105 - a name, no token
END_SECONDS = 5


def start(
    folder: Path,
    *,
    host: str,
    port: int,
    token: str | None,
    writable: bool,
    flavour: str | None = None,
    buckets: Mapping[str, str | Path] | None = None,
) -> Server:
    """Publish a folder in another process, and wait until it answers; see `serve`.

    The token goes through the environment: arguments are there for every user of the machine
    to read. The process ends when its standard input does, so also when this one is killed.

    Raises:
        DicomnbError: the process ended before it listened; with its own words.
    """
    command = [sys.executable, "-m", "dicomnb", "serve", str(folder.resolve())]
    command += ["--host", host, "--port", str(port), "--until-input-ends"]
    command += ["--writable"] if writable else []
    command += ["--flavour", flavour] if flavour else []
    for name, path in (buckets or {}).items():
        command += ["--bucket", f"{name}={Path(path).expanduser().resolve()}"]
    environment = dict(os.environ)
    if token is not None:
        command += ["--token-from-environment", TOKEN_VARIABLE]
        environment[TOKEN_VARIABLE] = token
    package = str(Path(__file__).parents[2])
    known = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = os.pathsep.join([package, known] if known else [package])
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            # Ctrl-C in a notebook goes to the whole group of processes; this one stays.
            start_new_session=True,
        )
        url = _first_line(process.stdout)
        if not url:
            process.wait()
            _close_pipes(process)
            errors.seek(0)
            words = errors.read().decode("utf-8", "replace").strip() or "it said nothing"
            raise DicomnbError(f"The server's process did not start: {words[-2000:]}")
    return Server(url, token=token, close=lambda: _end(process), about=str(folder))


def _first_line(stream: IO[bytes] | None) -> str:
    return stream.readline().decode().strip() if stream is not None else ""


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end by ending its input; make it, if it does not."""
    _close_pipes(process)
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
