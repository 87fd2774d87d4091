"""What a download folder holds whole already: one line of JSON an instance, kept in the folder.

A line is written when its file stands under its name, so that a download that was killed at any
moment goes on with what is missing. Nothing is believed of a file that is not as it was left.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from dicomnb.refs import Ref

__all__ = ["LEDGER_NAME", "Entry", "Ledger", "digest_of"]

LEDGER_NAME = ".dicomnb-download.jsonl"
_NO_ENTRY = (ValueError, TypeError)


@dataclass(frozen=True)
class Entry:
    """One file that was downloaded.

    Attributes:
        source: address that it came from.
        study, series, instance: its UIDs.
        syntax: the transfer syntax that was asked for, ``"*"`` for as stored.
        file: path, relative to the folder.
        size: in bytes.
        time: of the file's last change, in nanoseconds.
        sha256: of its bytes.
    """

    source: str
    study: str
    series: str
    instance: str
    syntax: str
    file: str
    size: int
    time: int
    sha256: str


_Key = tuple[str, str, str, str, str]


class Ledger:
    """The entries of a folder; a context manager, used by several threads.

    Args:
        folder: where the download goes.
        source: address that is downloaded from; entries of others are kept and not believed.
        syntax: the transfer syntax that is asked for.
        verify: whether to read files again before they are believed, instead of looking at
            their size and time.
    """

    def __init__(self, folder: Path, *, source: str, syntax: str, verify: bool = False) -> None:
        self._folder = folder
        self._path = folder / LEDGER_NAME
        self._source = source
        self._syntax = syntax
        self._verify = verify
        self._lock = threading.Lock()
        self._entries: dict[_Key, Entry] = {}
        self._owners: dict[str, str] = {}
        self._file: int | None = None

    def __enter__(self) -> Self:
        self._load()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            if self._file is not None:
                os.close(self._file)
            self._file = None

    def whole(self, ref: Ref) -> Entry | None:
        """The entry of an instance whose file is there as it was left, or None."""
        entry = self._entries.get(self._key(ref))
        if entry is None:
            return None
        path = self._folder / entry.file
        try:
            found = path.stat()
            if found.st_size != entry.size:
                return None
            unchanged = found.st_mtime_ns == entry.time and not self._verify
            return entry if unchanged or digest_of(path) == entry.sha256 else None
        except OSError:
            return None

    def owner(self, file: str) -> str | None:
        """The instance that a relative path was given to, or None."""
        return self._owners.get(file)

    def add(self, ref: Ref, file: str, *, size: int, sha256: str) -> None:
        """Note a file that now stands under its name."""
        time = (self._folder / file).stat().st_mtime_ns
        uids = (ref.study, str(ref.series), str(ref.instance))
        entry = Entry(self._source, *uids, self._syntax, file, size, time, sha256)
        with self._lock:
            if self._entries.get(self._key(ref)) == entry:
                return
            self._keep(entry)
            if self._file is None:
                self._file = self._opened()
            line = json.dumps(asdict(entry), ensure_ascii=True) + "\n"
            os.write(self._file, line.encode("ascii"))

    def _key(self, ref: Ref) -> _Key:
        return (self._source, self._syntax, ref.study, str(ref.series), str(ref.instance))

    def _keep(self, entry: Entry) -> None:
        key = (entry.source, entry.syntax, entry.study, entry.series, entry.instance)
        self._entries[key] = entry
        self._owners[entry.file] = entry.instance

    def _opened(self) -> int:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
        file = os.open(self._path, flags, 0o666)
        if os.fstat(file).st_size:
            os.lseek(file, -1, os.SEEK_END)
            if os.read(file, 1) != b"\n":  # whoever was killed within a line left it so
                os.write(file, b"\n")
        return file

    def _load(self) -> None:
        try:
            text = self._path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return
        for line in text.splitlines():
            try:
                entry = Entry(**json.loads(line))
            except _NO_ENTRY:
                continue  # cut by a kill, or not ours: then the file is fetched again
            parts = Path(str(entry.file)).parts
            if parts and ".." not in parts and not Path(entry.file).is_absolute():
                self._keep(entry)


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
