"""Files that arrive from a browser in pieces: kept in a private folder, never held whole."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
import threading
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dicomnb.errors import DiskFull

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Spool"]

RESERVE_BYTES = 256 << 20
"""What is left free on the disk for everybody else."""
_PREFIX = "dicomnb-upload-"
_LOCK = "in-use"
_FRESH_SECONDS = 60.0


@dataclass
class _Copy:
    """One file of the spool: where it lies, its whole size, how much of it has come."""

    path: Path
    size: int
    have: int = 0


class Spool:
    """A private folder for what arrives; it goes with the last file, `close`, or the process.

    The folder is made when the first byte comes, in the system's folder for temporary files,
    for its owner alone (mode 0700). What a process left there that was killed is removed when
    the next folder is made. Files are named by number, never by what a page calls them. May
    be used from several threads.

    Args:
        limit_bytes: what all files in it may have together.
    """

    def __init__(self, limit_bytes: int) -> None:
        if limit_bytes <= 0:
            raise ValueError(f"limit_bytes={limit_bytes!r}: it is a number of bytes above 0.")
        self.limit_bytes = limit_bytes
        self._lock = threading.RLock()
        self._copies: dict[str, _Copy] = {}
        self._made = self._promised = self._have = 0
        self._folder: Path | None = None
        self._removal: weakref.finalize[..., Spool] | None = None

    # -- how much there is room for ---------------------------------------------------------------

    @property
    def free_bytes(self) -> int:
        """Free space of the disk that holds the kernel's temporary files, a reserve aside."""
        return max(shutil.disk_usage(tempfile.gettempdir()).free - RESERVE_BYTES, 0)

    @property
    def room_bytes(self) -> int:
        """How much more may be offered: within the limit, and on the disk."""
        with self._lock:
            to_come = self._promised - self._have
            return max(min(self.limit_bytes - self._promised, self.free_bytes - to_come), 0)

    # -- files ------------------------------------------------------------------------------------

    def begin(self, key: str, size: int) -> None:
        """Make a place for a file of so many bytes."""
        with self._lock:
            if key in self._copies:
                raise ValueError("A file of this key is there already.")
            self._made += 1
            path = self._own_folder() / f"{self._made:06d}"
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            self._copies[key] = _Copy(path, size)
            self._promised += size

    def write(self, key: str, at: int, data: memoryview) -> bool:
        """Write a piece; whether the file is whole now.

        A piece that was written before is passed over, so that a page may send again what it
        is not sure of.

        Raises:
            ValueError: it leaves a gap, or goes beyond the end that was told.
            DiskFull, OSError: it cannot be written.
        """
        with self._lock:
            copy = self._copies[key]
            if at > copy.have or at + data.nbytes > copy.size:
                raise ValueError("a piece of it was lost on the way")
            if at == copy.have and data.nbytes:
                try:
                    with copy.path.open("ab") as file:
                        file.write(data)
                except OSError as error:
                    raise _disk_error(error, copy.path) from error
                copy.have += data.nbytes
                self._have += data.nbytes
            return copy.have == copy.size

    def __contains__(self, key: str) -> bool:
        return key in self._copies

    def have(self, key: str) -> int:
        """How many bytes of a file have come."""
        return self._copies[key].have

    def path(self, key: str) -> Path:
        """Where a file lies."""
        return self._copies[key].path

    def drop(self, keys: Iterable[str]) -> None:
        """Remove files, and the folder with the last of them."""
        with self._lock:
            for key in keys:
                if (copy := self._copies.pop(key, None)) is not None:
                    copy.path.unlink(missing_ok=True)
                    self._promised -= copy.size
                    self._have -= copy.have
            if not self._copies:
                self.close()

    def close(self) -> None:
        """Remove everything; the spool may be used anew."""
        with self._lock:
            self._copies.clear()
            self._promised = self._have = 0
            if self._removal is not None:
                self._removal()
            self._folder = self._removal = None

    def _own_folder(self) -> Path:
        if self._folder is None:
            _sweep(Path(tempfile.gettempdir()))
            self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
            held = _locked(self._folder / _LOCK)
            # Called by `close`, when the spool is forgotten, and at the end of the process.
            self._removal = weakref.finalize(self, _remove, self._folder, held, os.getpid())
        return self._folder


def _disk_error(error: OSError, path: Path) -> OSError | DiskFull:
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return error
    return DiskFull(
        f"The disk of {str(path.parent.parent)!r}, where files from the browser are kept, is "
        "full. Make room there, or give the files' path on the kernel's machine."
    )


def _locked(path: Path) -> int | None:
    """A lock that lasts as long as this process, where the system has such locks."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    held = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX)
    return held


def _remove(folder: Path, held: int | None, owner: int) -> None:
    if os.getpid() != owner:
        return  # a fork of the process that made it
    shutil.rmtree(folder, ignore_errors=True)
    if held is not None:
        os.close(held)


def _sweep(root: Path) -> None:
    """Remove the folders of processes that were killed: nobody holds their locks."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    for lock in root.glob(f"{_PREFIX}*/{_LOCK}"):
        # Another user's cannot be opened; another process may remove the same one.
        with contextlib.suppress(OSError):
            is_own = lock.parent.lstat().st_uid == os.getuid()
            if not is_own or time.time() - lock.stat().st_mtime < _FRESH_SECONDS:
                continue
            held = os.open(lock, os.O_WRONLY)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent, ignore_errors=True)
            finally:
                os.close(held)
