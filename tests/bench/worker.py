"""One measurement in a process of its own: time of the work without imports, and peak memory.

Run as ``python -m tests.bench.worker WORK WHO PLACE`` (PLACE as JSON); prints JSON.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.bench.works import WORKS, Place

PLAIN = (
    "PatientID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "SOPClassUID",
    "Modality",
    "InstanceNumber",
    "Rows",
    "Columns",
    "BitsAllocated",
)


def memory(name: str) -> float:
    """VmRSS (now) or VmHWM (the most so far) in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no {name}: this measures on Linux")


def warm(who: str) -> None:
    """Import what the work needs: an idle process has it, and its time is a row of its own."""
    import pydicom.pixels  # noqa: F401
    import requests  # noqa: F401

    pd.array(["text"], dtype="string")  # imports a part of pyarrow

    if who == "dicomnb":
        import imagecodecs

        import dicomnb
        import dicomnb.archive
        import dicomnb.local.folder
        import dicomnb.transfer.again
        import dicomnb.transfer.fetching
        import dicomnb.transfer.frames
        import dicomnb.transfer.given
        import dicomnb.transfer.reading
        import dicomnb.transfer.stacking
        import dicomnb.transfer.suv
        import dicomnb.transfer.upload
        import dicomnb.web.client  # noqa: F401

        for codec in ("jpeg2k", "jpegls", "dicomrle"):
            getattr(imagecodecs, f"{codec}_decode")  # imported when it is first named
    else:
        import dicomweb_client.file  # noqa: F401
        import rle  # noqa: F401


def digest(table: pd.DataFrame) -> list[int]:
    """What is the same of a table whatever its types and its order of rows: how many rows there
    are, and a sum over the cells of the attributes that every way makes a plain value of."""
    cells = [
        [str(cell) if isinstance(cell, str) else str(int(cell)) for cell in table[name]]
        for name in PLAIN
    ]
    text = "\n".join(sorted(map("\t".join, zip(*cells, strict=True))))
    return [len(table), zlib.crc32(text.encode())]


def main() -> None:
    """Measure and print."""
    name, who, given = sys.argv[1:]
    place = Place(**{k: Path(v) if k in ("folder", "cache") else v for k, v in given_of(given)})
    os.environ["DICOMNB_CACHE"] = str(place.cache)
    work = WORKS[name]
    doing = work.ours if who == "dicomnb" else work.peers[who]
    warm(who)
    gc.collect()  # what imports left behind is nobody's work
    idle = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    begun = time.perf_counter()
    result = doing(place)
    seconds = time.perf_counter() - begun
    peak = memory("VmHWM") - idle
    said: dict[str, Any] = {"seconds": seconds, "peak_mb": peak, "result": result}
    if isinstance(result, pd.DataFrame):
        said["result"] = digest(result)
    if isinstance(result, np.ndarray):
        said["result"] = [str(result.dtype), list(result.shape), int(result.sum(dtype=np.int64))]
        said["result_mb"] = result.nbytes / (1 << 20)
    print(json.dumps(said))


def given_of(text: str) -> Any:
    return json.loads(text).items()


if __name__ == "__main__":
    main()
