"""The command line: ``python -m dicomnb``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import dicomnb
from dicomnb.errors import DicomnbError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say.

    Returns:
        The exit status: 0, or 2 after an error, which is told in one line.
    """
    options = _parser().parse_args(arguments)
    try:
        _serve(options)
    except (DicomnbError, ValueError, OSError) as error:
        print(f"dicomnb: {error}".replace("\n", " "), file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dicomnb", description=__doc__)
    parser.add_argument("--version", action="version", version=f"dicomnb {dicomnb.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser(
        "serve",
        help="publish a folder as a DICOMweb server",
        description="Publish a folder as a DICOMweb server, until Ctrl-C. Prints its URL.",
    )
    serve.add_argument("folder", type=Path, metavar="FOLDER")
    serve.add_argument("--host", default="127.0.0.1", help="where to listen (%(default)s)")
    serve.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    serve.add_argument("--writable", action="store_true", help="let clients store and delete")
    serve.add_argument(
        "--token-from-environment",
        metavar="VARIABLE",
        help="the environment variable that holds the token each request must carry",
    )
    serve.add_argument(
        "--flavour",
        choices=["google"],
        help="behave as Google's Cloud Healthcare API; a token is made, and printed after the URL",
    )
    serve.add_argument(
        "--bucket",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="a folder that stands for gs://NAME, or for bq://PROJECT.DATASET",
    )
    serve.add_argument(
        "--until-input-ends", action="store_true", help="end when standard input does"
    )
    return parser


def _serve(options: argparse.Namespace) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupted)
    server = None
    try:
        server = dicomnb.serve(
            options.folder,
            host=options.host,
            port=options.port,
            writable=options.writable,
            flavour=options.flavour,
            token=_token(options.token_from_environment),
            buckets=_buckets(options.bucket),
        )
        print(server.url, flush=True)
        if options.flavour and not options.token_from_environment:
            print(f"Authorization: Bearer {server.token}", flush=True)
        _wait(until_input_ends=options.until_input_ends)
    except KeyboardInterrupt:
        pass
    finally:
        if server is not None:
            server.close()


def _wait(*, until_input_ends: bool) -> None:
    """Wait for Ctrl-C, or for whoever holds the other end of standard input to go."""
    while not until_input_ends:
        time.sleep(3600)
    while sys.stdin.buffer.read(1 << 16):
        pass


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def _buckets(texts: Sequence[str]) -> dict[str, Path]:
    pairs = [text.partition("=") for text in texts]
    if wrong := [name for name, sign, path in pairs if not (name and sign and path)]:
        raise ValueError(f"--bucket {wrong[0]}: give NAME=FOLDER.")
    return {name: Path(path) for name, _, path in pairs}


def _token(variable: str | None) -> str | None:
    if variable is None:
        return None
    # Taken out of the environment, so that no process that this one starts gets to see it.
    token = os.environ.pop(variable, "")
    if not token:
        raise ValueError(f"The environment variable {variable} holds no token.")
    return token


if __name__ == "__main__":
    sys.exit(main())
