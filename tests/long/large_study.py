"""Look at 20,000 slices that a formula makes, and tell how much memory it took.

The slices come as from a server: their attributes as DICOM JSON, a page at a time, and the bytes
of each frame when it is asked for.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np

import dicomnb as dn
from dicomnb.archive import Archive
from dicomnb.source import Abilities, Page
from dicomnb.wire.parts import BytesPart
from tests.images.image_series import ROOT, instance

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COUNT, ROWS, COLUMNS = 20_000, 512, 512
STEP = 0.125  # mm
PAGE = 500


def stored(number: int) -> np.ndarray:
    """Stored values of slice ``number``: every voxel is told from its neighbours."""
    rows, columns = np.ogrid[:ROWS, :COLUMNS]
    return ((rows * 3 + columns * 7 + number * 11) % 4096).astype("<u2")


class Formula:
    """A source of one series; see `dicomnb.source.Source`, of which it has what is needed."""

    address = "https://formula.example/dicomweb"

    def __init__(self) -> None:
        self.fetched = 0
        header = instance(stored(0), spacing=(0.5, 0.5), BitsStored=12, HighBit=11)
        del header.PixelData
        self._header = header.to_json_dict()

    def abilities(self) -> Abilities:
        """A plain server."""
        return Abilities("standard")

    def metadata(self, ref: dn.Ref, *, cancel: object = None) -> Iterator[Page]:
        """Every slice's attributes, in no order."""
        order = np.random.default_rng(1).permutation(COUNT)  # as servers give them: as it comes
        for start in range(0, COUNT, PAGE):
            rows = [self._row(int(number)) for number in order[start : start + PAGE]]
            yield Page(json.dumps(rows).encode(), len(rows))

    def _row(self, number: int) -> dict[str, object]:
        uid = f"{ROOT}.{number + 1}"
        return self._header | {
            "00080018": {"vr": "UI", "Value": [uid]},
            "00200013": {"vr": "IS", "Value": [number + 1]},
            "00200032": {"vr": "DS", "Value": [-70.0, -80.0, number * STEP]},
            "7FE00010": {"vr": "OW", "BulkDataURI": f"{self.address}/bulk/{number}"},
        }

    def frames(
        self, ref: dn.Ref, numbers: Sequence[int], *, transfer_syntax: str = "*",
        cancel: object = None,
    ) -> Iterator[BytesPart]:  # fmt: skip
        """The one frame of a slice."""
        assert list(numbers) == [1]
        self.fetched += 1
        number = int(str(ref.instance).rpartition(".")[2]) - 1
        yield BytesPart(
            stored(number).tobytes(),
            media_type="application/octet-stream",
            transfer_syntax="1.2.840.10008.1.2.1",
        )


def peak() -> int:
    """The most memory that this process has had, bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) << 10


def main() -> None:
    """Scroll and cut, compare with the formula, tell in JSON."""
    mpl.use("Agg")
    source = Formula()
    archive = Archive(source, options=dn.Options())
    series = dn.Ref(f"{ROOT}.8", f"{ROOT}.9")
    volume = archive.volume(series, lazy=True)
    assert volume.shape == (COUNT, ROWS, COLUMNS)
    assert volume.dtype == np.int16
    assert source.fetched == 0
    dn.plots.show(volume, index=123)
    told = {"fetched_to_show": source.fetched}
    for number in range(0, COUNT, 10):  # down, and a bit back
        np.testing.assert_array_equal(volume[number], stored(number).astype(np.int16) - 1024)
    for number in range(COUNT - 10, COUNT - 2000, -10):
        volume[number]
    cut = volume.plane("coronal", at=200)  # through every slice; the head on top
    for row in range(0, COUNT, 7):  # line by line: a comparison of all takes memory of its own
        line = (200 * 3 + np.arange(COLUMNS) * 7 + (COUNT - 1 - row) * 11) % 4096 - 1024
        np.testing.assert_array_equal(cut.array[row], line)
    part = volume.cropped((5000, 5100), (100, 200), (100, 300))
    np.testing.assert_array_equal(part[7], stored(5007)[100:200, 100:300].astype(int) - 1024)
    dn.plots.montage(volume)
    told |= {"nbytes": volume.array.nbytes, "kept": volume.array.bytes_kept}
    told |= {"fetched": source.fetched, "peak": peak()}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
