"""The download engine: instances as the server sent them, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import pandas as pd

from dicomnb.files import part_file, safe_name, sweep_parts
from dicomnb.pool import closed_after, side_by_side
from dicomnb.transfer.events import Progress
from dicomnb.transfer.identity import check_asked, header_of, parts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from dicomnb.pool import Cancel
    from dicomnb.refs import Ref
    from dicomnb.source import Source
    from dicomnb.wire.parts import Part

__all__ = ["DOWNLOAD_COLUMNS", "download"]

PIECE = 1 << 20
DOWNLOAD_COLUMNS = {
    "StudyInstanceUID": "str",
    "SeriesInstanceUID": "str",
    "SOPInstanceUID": "str",
    "Outcome": "str",
    "Reason": "str",
    "File": "str",
    "Bytes": "Int64",
    "SHA256": "str",
}


@dataclass(frozen=True)
class Downloaded:
    """One row of the outcome."""

    StudyInstanceUID: str
    SeriesInstanceUID: str
    SOPInstanceUID: str
    Outcome: str
    Reason: str
    File: str
    Bytes: int
    SHA256: str


class _Counter:
    """Counts over all threads and tells."""

    def __init__(self, tell: Callable[[Progress], None], total: int | None) -> None:
        self._lock = threading.Lock()
        self._tell = tell
        self._total = total
        self._done = 0
        self._bytes = 0

    def add(self, size: int) -> None:
        """One more instance of ``size`` bytes is done."""
        with self._lock:
            self._done += 1
            self._bytes += size
            self._tell(Progress(self._done, self._bytes, self._total))


def download(
    source: Source,
    refs: Sequence[Ref],
    folder: Path,
    *,
    workers: int,
    total: int | None = None,
    tell: Callable[[Progress], None],
    cancel: Cancel | None = None,
) -> pd.DataFrame:
    """Write the instances of ``refs`` to ``folder/STUDY/SERIES/INSTANCE.dcm``.

    Each file appears whole or not at all, its bytes as sent, and only after its own UIDs were
    found to be those that were asked for. A file that is there already is never replaced.

    Returns:
        One row an instance: ``Outcome`` is ``downloaded``, ``already there`` (the same bytes)
        or ``conflict`` (a file of that name with other bytes, left as it is).

    Raises:
        ProtocolError: the server sent something else than was asked for.
        Cancelled: what was finished before is kept.
    """
    counter = _Counter(tell, total)
    folder.mkdir(parents=True, exist_ok=True)
    sweep_parts(folder)

    def fetch(ref: Ref, inner: Cancel) -> list[Downloaded]:
        rows = []
        with closed_after(parts_of(source, ref, cancel=inner)) as parts:
            for part in parts:
                rows.append(_keep(part, ref, folder))
                counter.add(rows[-1].Bytes)
        return rows

    with closed_after(side_by_side(fetch, refs, workers=workers, cancel=cancel)) as every:
        rows = [row for fetched in every for row in fetched]
    table = pd.DataFrame([asdict(row) for row in rows], columns=list(DOWNLOAD_COLUMNS))
    return table.astype(DOWNLOAD_COLUMNS)


def _keep(part: Part, asked: Ref, folder: Path) -> Downloaded:
    """Write one part under its own UIDs; the name is known only when it has been read."""
    with part_file(folder) as (file, incoming):
        digest, size = _copy(part, file)
        file.close()
        found = check_asked(header_of(incoming, asked), asked)
        uids = (found.study, str(found.series), str(found.instance))
        target = folder.joinpath(*map(safe_name, uids[:2]), safe_name(uids[2]) + ".dcm")
        target.parent.mkdir(parents=True, exist_ok=True)
        outcome, reason = "downloaded", ""
        if not _placed(incoming, target):
            outcome = "already there"
            if _digest(target) != digest:
                outcome, reason = "conflict", "a file of that name holds other bytes; it was kept"
    return Downloaded(*uids, outcome, reason, str(target), size, digest)


def _placed(incoming: Path, target: Path) -> bool:
    """Give a file its name unless that is taken, also by somebody else at this moment."""
    try:
        os.link(incoming, target)
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        if target.exists():
            return False
        incoming.replace(target)
    return True


def _copy(part: Part, file: BinaryIO) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    buffer = memoryview(bytearray(PIECE))
    while count := part.readinto(buffer):
        digest.update(buffer[:count])
        file.write(buffer[:count])
        size += count
    return digest.hexdigest(), size


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
