"""The download engine: instances as the server sent them, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from dicomnb.errors import ProtocolError, RefError
from dicomnb.files import safe_name
from dicomnb.pool import closed_after, side_by_side
from dicomnb.refs import Ref
from dicomnb.transfer.events import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import BinaryIO

    from dicomnb.pool import Cancel
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
_UID_KEYWORDS = ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]


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

    def fetch(ref: Ref, inner: Cancel) -> list[Downloaded]:
        rows = []
        with closed_after(source.instances(ref, cancel=inner)) as parts:
            for part in parts:
                rows.append(_keep(part, ref, folder))
                counter.add(rows[-1].Bytes)
        return rows

    rows = [
        row
        for fetched in side_by_side(fetch, refs, workers=workers, cancel=cancel)
        for row in fetched
    ]
    table = pd.DataFrame([asdict(row) for row in rows], columns=list(DOWNLOAD_COLUMNS))
    return table.astype(DOWNLOAD_COLUMNS)


def _keep(part: Part, asked: Ref, folder: Path) -> Downloaded:
    """Write one part under its own UIDs; the name is known only when it has been read."""
    handle, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=folder)
    incoming = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            digest, size = _copy(part, file)
        found = _identify(incoming, asked)
        uids = (found.study, str(found.series), str(found.instance))
        target = folder.joinpath(*map(safe_name, uids[:2]), safe_name(f"{uids[2]}.dcm"))
        outcome, reason = "downloaded", ""
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            incoming.replace(target)
        elif _digest(target) == digest:
            outcome = "already there"
        else:
            outcome, reason = "conflict", "a file of that name holds other bytes; it was kept"
    finally:
        incoming.unlink(missing_ok=True)
    return Downloaded(*uids, outcome, reason, str(target), size, digest)


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


def _identify(path: Path, asked: Ref) -> Ref:
    """The UIDs that the file itself holds, which must lie within what was asked for."""
    try:
        header = dcmread(path, stop_before_pixels=True, specific_tags=_UID_KEYWORDS)
        found = Ref(*(str(header.get(keyword, "")) for keyword in _UID_KEYWORDS))
    except (InvalidDicomError, RefError) as error:
        raise ProtocolError(f"A part of {asked.path} is no DICOM instance: {error}") from error
    if found not in asked:
        raise ProtocolError(f"Asked for {asked.path}, but {found.path} was sent.")
    return found
