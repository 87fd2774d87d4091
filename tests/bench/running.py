"""Carries the measurements out: dicomnb, the peers and the limit in turn, several rounds."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.data import Sizes, folder_of_files, prepared
from tests.bench.works import WORKS, Work

__all__ = ["Measured", "environment", "measure", "serving"]

ROOT = Path(__file__).parents[2]
SLOW = ["--delay", "0.03", "--rate", str(25e6), "--page", "1000"]


@dataclass
class Measured:
    """One row's figures.

    Attributes:
        work: its name.
        seconds: of each round, by who did it.
        peaks: of memory over the idle process in MB, by who did it.
        result_mb: size of the array that was made, if one was.
    """

    work: str
    seconds: dict[str, list[float]] = field(default_factory=dict)
    peaks: dict[str, list[float]] = field(default_factory=dict)
    result_mb: float | None = None

    def median(self, who: str) -> float:
        """Seconds, in the middle of the rounds."""
        return statistics.median(self.seconds[who])

    def peak(self, who: str) -> float:
        """MB, in the middle of the rounds."""
        return statistics.median(self.peaks[who])

    def ratio(self, peer: str) -> float:
        """How many times as fast as a peer, in the middle of the ratios of each round."""
        pairs = zip(self.seconds[peer], self.seconds["dicomnb"], strict=True)
        return statistics.median(theirs / ours for theirs, ours in pairs)

    def memory(self) -> float | None:
        """Peak memory as a factor of what it is compared with, or None."""
        compared = WORKS[self.work].memory
        if compared is None:
            return None
        whose = compared[0]
        if isinstance(whose, float):
            return self.peak("dicomnb") / whose
        base = self.result_mb if whose == "result" else self.peak(whose)
        return None if not base else self.peak("dicomnb") / base


def environment(build: Path) -> dict[str, str]:
    """That of a process that is measured: modules are compiled once, as those of what is installed
    are; also where the environment, or a checkout that cannot be written to, forbids it."""
    known = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**known, "PYTHONPYCACHEPREFIX": str(build / "bytecode")}


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[str]:
    """The root of a server of prepared bytes, in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.server", str(folder), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def measure(name: str, *, sizes: Sizes, build: Path, rounds: int, alone: bool = False) -> Measured:
    """Measure one row, everybody in turn in every round; or dicomnb ``alone``.

    Raises:
        AssertionError: the results are not the same, so the times cannot be compared.
    """
    work = WORKS[name]
    data = prepared(build, sizes)
    if work.server is None:
        files = folder_of_files(build, sizes.files)
        return _rounds(name, work, {"folder": str(files)}, build, rounds, alone)
    with serving(data, *(SLOW if work.server == "slow" else [])) as root:
        place = {"url": f"{root}/{work.syntax}", "folder": str(data), "syntax": work.syntax}
        return _rounds(name, work, place, build, rounds, alone)


def _rounds(
    name: str, work: Work, place: Mapping[str, str], build: Path, rounds: int, alone: bool
) -> Measured:
    measured = Measured(name)
    everybody = ["dicomnb"] if alone else ["dicomnb", *work.peers]
    for number in range(rounds + 1):
        results = {}
        for who in everybody:
            cache = build / "cache" / ("ours" if who == "dicomnb" else "peers")
            if work.anew:
                shutil.rmtree(cache, ignore_errors=True)
            said = _said(name, who, {**place, "cache": str(cache)}, environment(build))
            if said["result"] is not None:
                results[who] = said["result"]
            if number or rounds == 0:  # the first round warms files and servers
                measured.seconds.setdefault(who, []).append(said["seconds"])
                measured.peaks.setdefault(who, []).append(said["peak_mb"])
            measured.result_mb = said.get("result_mb", measured.result_mb)
        assert len({json.dumps(one) for one in results.values()}) == 1, results
    return measured


def _said(
    name: str, who: str, place: Mapping[str, str], environ: Mapping[str, str]
) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.worker", name, who, json.dumps(place)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environ)
    if done.returncode:
        raise RuntimeError(f"{name} by {who} failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
