"""The same work done by dicomnb, by its peers as a user would today, and by the limit.

Each function takes a `Place`, does the work and returns what it made, an array, a table or a
figure: the benchmark refuses to time what gives another result.
"""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from tests.bench.data import SERIES, STUDY

__all__ = ["WORKS", "Place", "Work"]

COLUMNS = [
    "PatientID",
    "PatientName",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "SOPClassUID",
    "Modality",
    "InstanceNumber",
    "Rows",
    "Columns",
    "BitsAllocated",
    "NumberOfFrames",
]


@dataclass(frozen=True)
class Place:
    """Where the work is done.

    Attributes:
        url: of the server's root for the series that is asked for.
        folder: of prepared data, or of files.
        cache: a folder of its own for indexes.
        syntax: which of the prepared series.
    """

    url: str = ""
    folder: Path = Path()
    cache: Path = Path()
    syntax: str = "plain"


Doing = Callable[[Place], Any]


@dataclass(frozen=True)
class Work:
    """One row of the benchmark.

    Attributes:
        title: what is done.
        ours: with dicomnb.
        peers: with what else, by name.
        goals: how many times as fast as each of them it is to be at least; for a limit, as a
            fraction: 1/3 is three times its time at most.
        server: ``"quick"``, ``"slow"``, or None.
        syntax: which of the prepared series.
        memory: what peak memory is compared with: a peer's name, ``"result"`` (the array), or a
            number of MB; and the most that it may be, as a factor of that.
        anew: whether indexes are forgotten before each.
    """

    title: str
    ours: Doing
    peers: Mapping[str, Doing]
    goals: Mapping[str, float]
    server: str | None = "quick"
    syntax: str = "plain"
    memory: tuple[str | float, float] | None = None
    anew: bool = False


# -- dicomnb ---------------------------------------------------------------------------------------


def our_search(place: Place) -> Any:
    import dicomnb as dn

    return dn.connect(place.url).instances()


def our_volume(place: Place) -> Any:
    import dicomnb as dn

    volume = dn.connect(place.url).volume(dn.Ref(STUDY, SERIES))
    return volume.array


def our_frames(place: Place) -> Any:
    import dicomnb as dn

    return dn.connect(place.url).frames(dn.Ref(STUDY, SERIES, "2.25.3000000"))


def our_store(place: Place) -> Any:
    import dicomnb as dn

    table = dn.connect(place.url).store(place.folder / "slices")
    return int((table["Outcome"] == "stored").sum())


def our_metadata(place: Place) -> Any:
    import dicomnb as dn

    return dn.connect(place.url).metadata(dn.Ref(STUDY, SERIES))


def our_index(place: Place) -> Any:
    import dicomnb as dn

    dn.connect(place.folder).studies(limit=1)
    return 0


def our_folder_search(place: Place) -> Any:
    import dicomnb as dn

    return dn.connect(place.folder).instances()


# -- dicomweb-client with pydicom and pandas -------------------------------------------------------


def client(place: Place) -> Any:
    from dicomweb_client import DICOMwebClient

    return DICOMwebClient(place.url)


def peer_search(place: Place) -> Any:
    return _comprehended(client(place).search_for_instances())


def peer_paged_search(place: Place) -> Any:
    return _comprehended(client(place).search_for_instances(get_remaining=True))


def _comprehended(rows: list[dict[str, Any]]) -> pd.DataFrame:
    from pydicom.datadict import tag_for_keyword

    tags = {keyword: f"{tag_for_keyword(keyword):08X}" for keyword in COLUMNS}
    return pd.DataFrame(
        [
            {keyword: (row.get(tag, {}).get("Value") or [None])[0] for keyword, tag in tags.items()}
            for row in rows
        ]
    )


def peer_search_datasets(place: Place) -> Any:
    from pydicom import Dataset

    sets = [Dataset.from_json(row) for row in client(place).search_for_instances()]
    return pd.DataFrame([{name: one.get(name) for name in COLUMNS} for one in sets])


def _stacked(slices: Any) -> np.ndarray[Any, Any]:
    ordered = sorted(slices, key=lambda one: float(one.ImagePositionPatient[2]))
    stack = np.stack([one.pixel_array for one in ordered])
    return (stack * ordered[0].RescaleSlope + ordered[0].RescaleIntercept).astype(np.int16)


def peer_volume(place: Place) -> Any:
    return _stacked(client(place).retrieve_series(STUDY, SERIES))


def peer_volume_streamed(place: Place) -> Any:
    return _stacked(client(place).iter_series(STUDY, SERIES))


def peer_frames(place: Place) -> Any:
    found = client(place)
    row = found.retrieve_instance_metadata(STUDY, SERIES, "2.25.3000000")
    count, rows, columns = (row[tag]["Value"][0] for tag in ("00280008", "00280010", "00280011"))
    frames = found.retrieve_instance_frames(
        STUDY, SERIES, "2.25.3000000", list(range(1, int(count) + 1))
    )
    return np.stack([np.frombuffer(one, np.uint8).reshape(rows, columns) for one in frames])


def peer_store(place: Place) -> Any:
    from pydicom import dcmread

    files = sorted((place.folder / "slices").glob("*.dcm"))
    client(place).store_instances([dcmread(one) for one in files])
    return len(files)


def peer_metadata(place: Place) -> Any:
    from pydicom import Dataset

    sets = [Dataset.from_json(row) for row in client(place).retrieve_series_metadata(STUDY, SERIES)]
    return pd.DataFrame([{one.keyword: one.value for one in each} for each in sets])


def _file_client(place: Place, *, again: bool) -> Any:
    from dicomweb_client.file import DICOMfileClient

    database = place.cache / place.folder.name  # what is left of another folder stays in it
    database.mkdir(parents=True, exist_ok=True)
    url = f"file://{place.folder}"
    return DICOMfileClient(url, update_db=True, recreate_db=again, db_dir=database)


def peer_index(place: Place) -> Any:
    _file_client(place, again=True)
    return 0


def peer_index_again(place: Place) -> Any:
    _file_client(place, again=False)
    return 0


def peer_folder_search(place: Place) -> Any:
    return _comprehended(_file_client(place, again=False).search_for_instances())


# -- the limits ------------------------------------------------------------------------------------


def body_only(place: Place) -> Any:
    import requests

    with requests.get(f"{place.url}/instances", stream=True, timeout=60) as answer:
        buffer, count = io.BytesIO(), 0
        while piece := answer.raw.read(1 << 18):
            buffer.write(piece)
            count += len(piece)
    return None


def curl(place: Place) -> Any:
    url = f"{place.url}/studies/{STUDY}/series/{SERIES}"
    subprocess.run(["curl", "-s", "-o", "/dev/null", url], check=True)
    return None


COMPREHENSION = "dicomweb-client + comprehension"
DATASETS = "dicomweb-client + from_json"
SERIES_AT_ONCE, SERIES_STREAMED = "retrieve_series", "iter_series"
CLIENT, FILE_CLIENT = "dicomweb-client", "DICOMfileClient"
_VOLUMES = MappingProxyType({SERIES_AT_ONCE: peer_volume, SERIES_STREAMED: peer_volume_streamed})

WORKS: Mapping[str, Work] = {
    "search": Work(
        "search: 20,000 instance rows → typed table",
        our_search,
        {COMPREHENSION: peer_search, DATASETS: peer_search_datasets, "body only": body_only},
        {COMPREHENSION: 5, DATASETS: 20},
        memory=(COMPREHENSION, 0.7),
    ),
    "search-slow": Work(
        "the same in pages of 1,000, slow server",
        our_search,
        {COMPREHENSION: peer_paged_search},
        {COMPREHENSION: 5},
        server="slow",
        memory=(COMPREHENSION, 0.4),
    ),
    "volume": Work(
        "300 CT slices 512×512 → volume",
        our_volume,
        {**_VOLUMES, "curl": curl},
        {SERIES_AT_ONCE: 5, SERIES_STREAMED: 3, "curl": 1 / 3},
        memory=("result", 1.2),
    ),
    "volume-slow": Work(
        "the same, slow server",
        our_volume,
        {SERIES_AT_ONCE: peer_volume},
        {SERIES_AT_ONCE: 8},
        server="slow",
    ),
    **{
        f"volume-{syntax}": Work(
            f"CT slices 512×512 in {name} → volume",
            our_volume,
            {SERIES_AT_ONCE: peer_volume},
            {SERIES_AT_ONCE: goal},
            syntax=syntax,
            memory=("result", 1.2),
        )
        for syntax, name, goal in (
            ("jpegls", "JPEG-LS", 3),
            ("rle", "RLE", 3),
            ("jpeg2000", "JPEG 2000", 1.6),
        )
    },
    "frames": Work(
        "100 frames 1024×1024 by /frames",
        our_frames,
        {CLIENT: peer_frames},
        {CLIENT: 6},
        syntax="frames",
        memory=("result", 1.2),
    ),
    "store": Work(
        "store of 300 slices from disk",
        our_store,
        {CLIENT: peer_store},
        {CLIENT: 8},
        memory=(64.0, 1),
    ),
    "index": Work(
        "index of 20,000 small files",
        our_index,
        {FILE_CLIENT: peer_index},
        {FILE_CLIENT: 10},
        server=None,
        anew=True,
    ),
    "index-again": Work(
        "the same again, unchanged",
        our_index,
        {FILE_CLIENT: peer_index_again},
        {FILE_CLIENT: 100},
        server=None,
    ),
    "folder-search": Work(
        "search of all 20,000 in that folder",
        our_folder_search,
        {FILE_CLIENT: peer_folder_search},
        {FILE_CLIENT: 50},
        server=None,
    ),
    "metadata": Work(
        "metadata of 300 slices → table",
        our_metadata,
        {DATASETS: peer_metadata},
        {DATASETS: 10},
    ),
}
