"""The same work again and again: no connection, thread or file is left open."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path

import numpy as np
import pytest

import dicomnb as dn
from dicomnb.samples.truth import cases

pytestmark = pytest.mark.long


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files in /proc")
@pytest.mark.filterwarnings("ignore:.*odd value:dicomnb.DicomnbWarning")
def test_nothing_piles_up(demo_folder: Path) -> None:
    uid = cases().set_index("Case").loc["clean", "SeriesInstanceUID"]
    counts: list[tuple[int, int]] = []
    first = None
    for _ in range(12):
        with dn.serve(demo_folder) as url:
            archive = dn.connect(url)
            for _ in range(5):
                series = archive.series(archive.studies(limit=20), Modality=["CT", "MR"])
                assert len(series) > 5
                volume = archive.volume(archive.series(SeriesInstanceUID=uid).iloc[0])
                total = int(np.asarray(volume, dtype=np.int64).sum())
                first = total if first is None else first
                assert total == first
                with pytest.raises(dn.NotFound):
                    archive.metadata(dn.Ref("1.2.3"))
                instances = archive.instances(limit=8)
                for row in instances.itertuples():
                    archive.dataset(
                        dn.Ref(row.StudyInstanceUID, row.SeriesInstanceUID, row.SOPInstanceUID)
                    )
                next(archive.datasets(series.iloc[0]))  # left in the middle
            archive.close()
        del archive
        gc.collect()
        counts.append((open_files(), threading.active_count()))
    files, threads = zip(*counts, strict=True)
    assert max(files[2:]) <= files[1] + 2, counts
    assert max(threads[2:]) <= threads[1] + 2, counts
