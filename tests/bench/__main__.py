"""`make bench`: the table of ratios, and ``build/bench/bench.json``.

``python -m tests.bench [WORK …] [--rounds N]`` measures some rows only.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.bench.data import Sizes
from tests.bench.running import ROOT, Measured, environment, measure
from tests.bench.works import WORKS

IMPORTS = {
    "dicomnb": "import dicomnb",
    "pandas, pydicom, requests": "import pandas, pydicom, requests",
}
IMPORT_GOAL = 1.1
LINEAR_GOAL = 11
LINEAR = ("search", "volume", "store", "metadata", "index")


def main() -> None:
    """Measure, print, and write down."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("works", nargs="*", choices=[*WORKS, "import", "linear", []])
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    build = ROOT / "build" / "bench"
    chosen = given.works or [*WORKS, "import", "linear"]
    said: dict[str, Any] = {}
    measured: list[Measured] = []
    print(f"{'work':46}{'peer':34}{'ours s':>9}{'theirs s':>10}{'ratio':>8}{'goal':>7}  memory")
    for name in chosen:
        if name in WORKS:
            measured.append(measure(name, sizes=Sizes(), build=build, rounds=given.rounds))
            said[name] = {**asdict(measured[-1]), "ratios": _told(measured[-1])}
        elif name == "import":
            said[name] = imports(build, given.rounds)
        else:
            said[name] = linear(build, given.rounds)
    build.mkdir(parents=True, exist_ok=True)
    (build / "bench.json").write_text(json.dumps(said, indent=1))
    (build / "table.md").write_text("\n".join(_table(measured)) + "\n")
    print(f"\nAll figures: {(build / 'bench.json').relative_to(ROOT)}; table.md beside it")


def _told(found: Measured) -> dict[str, float]:
    work = WORKS[found.work]
    ours = found.median("dicomnb")
    title, memory = work.title, _memory(found)
    for peer in work.peers:
        goal = work.goals.get(peer)
        shown = "" if goal is None else f"{goal:.3g}×"
        ratio = found.ratio(peer)
        mark = "" if goal is None or ratio >= goal else "  BELOW"
        print(
            f"{title:46}{peer:34}{ours:9.3f}{found.median(peer):10.3f}{ratio:7.2f}×{shown:>7}"
            f"  {memory}{mark}"
        )
        title = memory = ""
    sys.stdout.flush()
    return {peer: found.ratio(peer) for peer in work.peers}


def _table(measured: list[Measured]) -> list[str]:
    """The same as Markdown, for the README."""
    lines = ["| work | beside | goal | ratio | seconds | memory |", "|---|---|---|---|---|---|"]
    for found in measured:
        work = WORKS[found.work]
        title, memory, ours = work.title, _memory(found), found.median("dicomnb")
        for peer in work.peers:
            goal = f"{work.goals[peer]:.3g}×" if peer in work.goals else ""
            seconds = f"{ours:.3f} / {found.median(peer):.3f}"
            ratio = f"{found.ratio(peer):.2f}×"
            lines.append(f"| {title} | {peer} | {goal} | {ratio} | {seconds} | {memory} |")
            title = memory = ""
    return lines


def _memory(found: Measured) -> str:
    compared, factor = WORKS[found.work].memory, found.memory()
    if compared is None or factor is None:
        return f"{found.peak('dicomnb'):.0f} MB"
    whose, most = compared
    what = f"{whose:g} MB" if isinstance(whose, float) else whose
    mark = "" if factor <= most else " BELOW"
    return f"{found.peak('dicomnb'):.0f} MB = {factor:.2f}× {what} (≤ {most:g}){mark}"


def imports(build: Path, rounds: int) -> dict[str, Any]:
    """Seconds of a whole process that imports, in turn."""
    seconds: dict[str, list[float]] = {who: [] for who in IMPORTS}
    environ = environment(build)
    for number in range(2 * rounds + 1):
        for who, code in IMPORTS.items():
            begun = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=environ)
            if number:
                seconds[who].append(time.perf_counter() - begun)
    ours, theirs = seconds.values()
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    print(
        f"{'import dicomnb':46}{'import pandas, pydicom, requests':34}"
        f"{statistics.median(ours):9.3f}{statistics.median(theirs):10.3f}"
        f"{ratio:7.2f}×{'≤ 1.1×':>7}{'' if ratio <= IMPORT_GOAL else '  BELOW'}"
    )
    return {"seconds": seconds, "ratio": ratio}


def linear(build: Path, rounds: int) -> dict[str, float]:
    """How much more ten times as much costs; at most eleven times."""
    found = {}
    for name in LINEAR:
        sizes = (Sizes(), Sizes().tenth())
        large, small = (
            measure(name, sizes=one, build=build, rounds=rounds, alone=True).median("dicomnb")
            for one in sizes
        )
        found[name] = large / small
        print(
            f"{'ten times as much: ' + name:80}{found[name]:17.2f}×{'≤ 11×':>7}"
            f"{'' if found[name] <= LINEAR_GOAL else '  BELOW'}"
        )
    return found


if __name__ == "__main__":
    main()
