"""The download engine: instances as the server sent them, whole or not at all, each once."""

from __future__ import annotations

import errno
import hashlib
import shutil
import threading
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import pandas as pd

from dicomnb.errors import (
    AuthError,
    Cancelled,
    ConnectionFailed,
    DicomnbError,
    DiskFull,
    OriginRefused,
    warn,
)
from dicomnb.files import part_file, sweep_parts
from dicomnb.options import USUAL_WORKERS
from dicomnb.pool import closed_after, side_by_side
from dicomnb.transfer.events import Counter
from dicomnb.transfer.fetching import fetch
from dicomnb.transfer.identity import check_asked, header_of
from dicomnb.transfer.layout import DEFAULT_LAYOUT, Layout
from dicomnb.transfer.ledger import Ledger
from dicomnb.transfer.placing import place
from dicomnb.transfer.planning import Job, jobs_of, listed
from dicomnb.vr import TEXT_DTYPE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import BinaryIO

    from dicomnb.pool import Cancel
    from dicomnb.refs import Ref
    from dicomnb.source import Source
    from dicomnb.transfer.events import Tell
    from dicomnb.wire.parts import Part

__all__ = ["DOWNLOAD_COLUMNS", "Manner", "download"]

PIECE = 1 << 20
RESERVE_BYTES = 16 << 20
"""What is left free on the disk, for others and for the list of what is there."""
MOST_UNREACHED = 8
"""After so many instances in a row for which no connection was had, the server is gone."""
DOWNLOAD_COLUMNS = {
    "StudyInstanceUID": TEXT_DTYPE,
    "SeriesInstanceUID": TEXT_DTYPE,
    "SOPInstanceUID": TEXT_DTYPE,
    "Outcome": TEXT_DTYPE,
    "Reason": TEXT_DTYPE,
    "File": TEXT_DTYPE,
    "Bytes": "Int64",
    "SHA256": TEXT_DTYPE,
}
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_CONCERNS_ALL = (AuthError, Cancelled, DiskFull, OriginRefused)
"""What would be the same for every instance, so that going on is of no use."""


@dataclass(frozen=True)
class Manner:
    """How a download is made; see `Archive.download` for what each means."""

    layout: str = DEFAULT_LAYOUT
    transfer_syntax: str = "*"
    verify: bool = False
    workers: int = 16


@dataclass(frozen=True)
class Downloaded:
    """One row of the outcome."""

    StudyInstanceUID: str
    SeriesInstanceUID: str | None
    SOPInstanceUID: str | None
    Outcome: str
    Reason: str = ""
    File: str | None = None
    Bytes: int | None = None
    SHA256: str | None = None


def download(
    source: Source,
    refs: Sequence[Ref],
    folder: Path,
    *,
    manner: Manner,
    tell: Tell,
    cancel: Cancel | None = None,
) -> pd.DataFrame:
    """Write the instances of ``refs`` below ``folder``; see `Archive.download`."""
    layout = Layout(manner.layout)
    folder.mkdir(parents=True, exist_ok=True)
    sweep_parts(folder)
    ledger = Ledger(
        folder, source=source.address, syntax=manner.transfer_syntax, verify=manner.verify
    )
    with ledger:
        one = _Download(source, folder, layout, ledger, manner, tell)
        try:
            one.run(refs, cancel)
        except BaseException as error:
            error.__dict__["table"] = one.table()
            raise
    table = one.table()
    if one.first_error and (table["Outcome"] == "failed").all():
        one.first_error.__dict__["table"] = table
        raise one.first_error
    return table


class _Download:
    """One call: what is done, in whose order, and what went wrong first."""

    def __init__(
        self,
        source: Source,
        folder: Path,
        layout: Layout,
        ledger: Ledger,
        manner: Manner,
        tell: Tell,
    ) -> None:
        self.rows: dict[Ref, Downloaded] = {}
        self.first_error: Exception | None = None
        self._source = source
        self._folder = folder
        self._layout = layout
        self._ledger = ledger
        self._manner = manner
        self._counter = Counter(tell)
        self._order: dict[Ref, int] = {}
        self._lock = threading.Lock()
        self._unreached = 0
        self._room = _Room(folder)

    def run(self, refs: Sequence[Ref], cancel: Cancel | None) -> None:
        """Fetch everything that is not there yet."""
        if not refs:
            return
        if refs[0].level == "instance":
            missing = self._without_whole(refs)
            jobs = list(jobs_of(self._source, missing, cancel=cancel))
            self._fetch(jobs, cancel)
            return
        workers = min(self._manner.workers, USUAL_WORKERS, len(refs))

        def work(ref: Ref, inner: Cancel) -> None:
            try:
                jobs = self._jobs(ref, inner)
            except (DicomnbError, OSError) as error:
                self._fail(ref, error)
            else:
                self._fetch(jobs, inner, beside=len(refs))

        every = side_by_side(work, refs, workers=workers, cancel=cancel)
        with closed_after(every):
            for _ in every:
                pass

    def table(self) -> pd.DataFrame:
        """The rows, in the order in which the refs and the server's lists had them."""
        last = len(self._order)
        refs = sorted(self.rows, key=lambda ref: self._order.get(ref, last))
        rows = [asdict(self.rows[ref]) for ref in refs]
        return pd.DataFrame(rows, columns=list(DOWNLOAD_COLUMNS)).astype(DOWNLOAD_COLUMNS)

    def _jobs(self, ref: Ref, cancel: Cancel | None) -> list[Job]:
        """What is missing of a study or series, as one stream if nothing is there."""
        found, count = listed(self._source, ref, cancel=cancel)
        if len(found) != count or not found:
            if count is not None:
                self._counter.expect(count)
            return [Job(ref, told=count or None)]
        missing = self._without_whole(found)
        if len(missing) == len(found):
            return [Job(ref, tuple(found))]
        return [Job(one, (one,)) for one in missing]

    def _without_whole(self, refs: Sequence[Ref]) -> list[Ref]:
        """Those of which no whole file is there; the others get their rows."""
        with self._lock:
            for ref in refs:
                self._order.setdefault(ref, len(self._order))
        self._counter.expect(len(refs))
        missing = []
        for ref in refs:
            entry = self._ledger.whole(ref)
            if entry is None:
                missing.append(ref)
                continue
            file = str(self._folder / entry.file)
            self._note(ref, "already there", file=file, size=entry.size, digest=entry.sha256)
            self._counter.finished(skipped=True)
        return missing

    def _fetch(self, jobs: list[Job], cancel: Cancel | None, *, beside: int = 1) -> None:
        syntax = self._manner.transfer_syntax
        fetch(
            self._source,
            jobs,
            self._keep,
            workers=self._manner.workers,
            beside=beside,
            transfer_syntax=syntax,
            fail=self._fail,
            cancel=cancel,
        )

    def _keep(self, part: Part, asked: Ref) -> None:
        """Write one part under its own UIDs; the name is known only when it has been read."""
        self._room.check(part.length or 0)
        try:
            with part_file(self._folder) as (file, incoming):
                digest, size = self._copied(part, file)
                file.close()
                header = header_of(incoming, asked, keywords=self._layout.keywords)
                found = check_asked(header, asked)
                path = self._layout.path(header)
                placed = place(incoming, self._folder, path, found, digest, self._ledger)
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise self._room.error() from error
            raise
        self._unreached = 0
        if placed.outcome != "conflict":
            self._ledger.add(found, placed.file, size=size, sha256=digest)
        file_name = str(self._folder / placed.file)
        self._note(found, placed.outcome, placed.reason, file_name, size, digest)
        self._counter.finished()
        self._room.taken(size, left=self._counter.left)

    def _copied(self, part: Part, file: BinaryIO) -> tuple[str, int]:
        digest, size = hashlib.sha256(), 0
        buffer = memoryview(bytearray(PIECE))
        while count := part.readinto(buffer):
            digest.update(buffer[:count])
            file.write(buffer[:count])
            size += count
            self._counter.moved(count)
        return digest.hexdigest(), size

    def _fail(self, ref: Ref, error: Exception) -> None:
        """A row for what could not be had; what concerns everything is raised instead."""
        is_gone = isinstance(error, ConnectionFailed)
        with self._lock:
            self._unreached = self._unreached + 1 if is_gone else 0
            self.first_error = self.first_error or error
        if isinstance(error, _CONCERNS_ALL):
            raise error
        if is_gone and self._unreached >= MOST_UNREACHED:
            raise error
        self._note(ref, "failed", str(error))
        self._counter.finished(failed=True)

    def _note(
        self,
        ref: Ref,
        outcome: str,
        reason: str = "",
        file: str | None = None,
        size: int | None = None,
        digest: str | None = None,
    ) -> None:
        row = Downloaded(ref.study, ref.series, ref.instance, outcome, reason, file, size, digest)
        with self._lock:
            self._order.setdefault(ref, len(self._order))
            self.rows[ref] = row


class _Room:
    """Whether the disk has room for what comes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = self._bytes = 0
        self._warned = False

    def check(self, size: int) -> None:
        """Before something of ``size`` bytes is written.

        Raises:
            DiskFull: there is no room.
        """
        if shutil.disk_usage(self._folder).free < size + RESERVE_BYTES:
            raise self.error()

    def taken(self, size: int, *, left: int | None) -> None:
        """Something was written; warn once when the rest, at that rate, will not fit."""
        self._count += 1
        self._bytes += size
        if self._warned or not left or self._count < MOST_UNREACHED:
            return
        needed = self._bytes / self._count * left
        free = shutil.disk_usage(self._folder).free
        if needed > free:
            self._warned = True
            warn(
                f"The rest of the download will be about {needed / 1e9:.1f} GB, and "
                f"{free / 1e9:.1f} GB are free: it will stop with DiskFull. Make room, and the "
                "same call goes on from there."
            )

    def error(self) -> DiskFull:
        """What to raise when there is no room."""
        return DiskFull(
            f"There is no room left on the disk of {str(self._folder)!r}. What was finished is "
            "kept; make room, and the same call goes on from there."
        )
