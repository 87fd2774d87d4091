"""The embedded server beside Orthanc: stored bytes and searches for 1, 4 and 16 clients.

``python -m tests.bench.against_orthanc [--rounds N]``; needs Orthanc. Both servers hold the
same files, the same client asks both, in turn; the client reads to nowhere.

Whole series are asked for by ``curl``: in one Python process sixteen threads that read share a
lock, of which an answer in chunks (dicomnb's) takes more than one that ends with its connection.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import dicomnb as dn
from tests.bench.data import SERIES, STUDY, Sizes, folder_of_files, prepared
from tests.bench.running import ROOT
from tests.conftest import start_orthanc

CLIENTS = (1, 4, 16)
WHOLE = "search of all instances"
"""For one client and once: Orthanc takes minutes for it, and so much longer for sixteen."""
INSTANCE = 'multipart/related; type="application/dicom"; transfer-syntax=*'
JSON = "application/dicom+json"


def read(base: str, path: str, accept: str) -> int:
    """One request, read to nowhere; how many bytes came."""
    where = urlsplit(base)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=600)
    try:
        connection.request("GET", where.path + path, headers={"Accept": accept})
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"{base}{path}: {answer.status} {answer.read(500)!r}")
        room, count = memoryview(bytearray(1 << 18)), 0
        while got := answer.readinto(room):
            count += got
        return count
    finally:
        connection.close()


def curl(url: str) -> None:
    """The same by another program."""
    command = ["curl", "--silent", "--fail", "--output", os.devnull]
    subprocess.run([*command, "--header", f"Accept: {INSTANCE}", url], check=True)


def side_by_side(clients: int, work: Callable[[int], object]) -> float:
    """Seconds until every client has done its work."""
    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    begun = time.perf_counter()
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return time.perf_counter() - begun


def works(uids: list[str]) -> dict[str, Callable[[str, int, int], object]]:
    """What a client does, by name: takes the base, its number, and how many there are."""
    series = f"/studies/{STUDY}/series/{SERIES}"

    def instances(base: str, number: int, clients: int) -> None:
        for uid in uids[number::clients]:
            read(base, f"{series}/instances/{uid}", INSTANCE)

    return {
        f"{len(uids)} instances of 526 kB, one request each": instances,
        "the series as one answer, for each client": lambda base, *_: curl(base + series),
        "search of 1,000 instances, for each client": lambda base, *_: read(
            base, "/instances?limit=1000", JSON
        ),
        WHOLE: lambda base, *_: read(base, "/instances?limit=50000", JSON),
    }


@contextmanager
def servers(folders: list[Path]) -> Iterator[dict[str, str]]:
    """Both servers with the same files, by name."""
    with tempfile.TemporaryDirectory() as work:
        everything = Path(work) / "everything"
        everything.mkdir()
        for number, folder in enumerate(folders):
            (everything / str(number)).symlink_to(folder, target_is_directory=True)
        orthanc = start_orthanc(Path(work))
        running = next(orthanc)
        try:
            for folder in folders:
                stored = dn.connect(running.url).store(folder)
                if not (stored["Outcome"] == "stored").all():
                    raise RuntimeError(f"Orthanc did not store {folder}")
            with dn.serve(everything, process=True) as url:
                dn.connect(url).studies()  # makes the index
                yield {"dicomnb": url, "Orthanc": running.url}
        finally:
            orthanc.close()  # type: ignore[attr-defined]


def main() -> None:
    """Measure, print, write down."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.against_orthanc")
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    build = ROOT / "build" / "bench"
    slices = prepared(build, Sizes()) / "slices"
    uids = [path.stem for path in sorted(slices.glob("*.dcm"))]
    said = []
    with servers([slices, folder_of_files(build, Sizes().files)]) as both:
        print(f"{'work':44}{'clients':>8}{'dicomnb s':>11}{'Orthanc s':>11}{'ratio':>8}")
        for title, work in works(uids).items():
            for clients in CLIENTS[:1] if title == WHOLE else CLIENTS:
                seconds = _measured(both, work, clients, 1 if title == WHOLE else rounds)
                pairs = zip(seconds["Orthanc"], seconds["dicomnb"], strict=True)
                ratio = statistics.median(theirs / ours for theirs, ours in pairs)
                ours, theirs = (statistics.median(seconds[name]) for name in both)
                print(f"{title:44}{clients:8}{ours:11.3f}{theirs:11.3f}{ratio:7.2f}×", flush=True)
                said.append({"work": title, "clients": clients, "seconds": seconds})
                (build / "against_orthanc.json").write_text(json.dumps(said, indent=1))


def _measured(
    both: dict[str, str], work: Callable[[str, int, int], object], clients: int, rounds: int
) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in both}
    for _ in range(rounds):
        for name, base in both.items():
            seconds[name].append(
                side_by_side(clients, lambda number, base=base: work(base, number, clients))  # type: ignore[misc]
            )
    return seconds


if __name__ == "__main__":
    main()
