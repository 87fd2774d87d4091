"""Which files a folder holds, without opening any."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dicomnb.pool import Cancel

__all__ = ["Scan", "scan"]


@dataclass
class Scan:
    """The regular files under a folder.

    Attributes:
        files: path relative to the folder, as the file system has it → (modification time in
            nanoseconds, size in bytes).
        links: those of the files that are links.
        unreadable: relative path → why, of folders that could not be listed.
    """

    files: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    links: set[bytes] = field(default_factory=set)
    unreadable: dict[bytes, str] = field(default_factory=dict)


def scan(root: bytes, *, cancel: Cancel | None = None) -> Scan:
    """List a folder and everything below it.

    Names that begin with a dot are passed over: hidden files, the trash, files being written.
    Links to folders are followed after all real folders, and each folder is listed once, so
    that links in a circle end.

    Raises:
        OSError: the folder itself cannot be listed.
    """
    result = Scan()
    status = os.stat(root)
    seen = {(status.st_dev, status.st_ino)}
    waiting: list[bytes] = [b""]
    links: list[bytes] = []
    while waiting or links:
        if cancel is not None:
            cancel.check()
        prefix = waiting.pop() if waiting else links.pop(0)
        try:
            if prefix and not _is_new(os.path.join(root, prefix), seen):
                continue
            folders, linked = _list(root, prefix, result)
        except OSError as error:
            if not prefix:
                raise
            result.unreadable[prefix.rstrip(b"/")] = error.strerror or str(error)
            continue
        waiting += folders
        links += linked
    return result


def _is_new(folder: bytes, seen: set[tuple[int, int]]) -> bool:
    """Whether a folder has not been listed yet under any name; marks it."""
    status = os.stat(folder)
    key = (status.st_dev, status.st_ino)
    if key in seen:
        return False
    seen.add(key)
    return True


def _list(root: bytes, prefix: bytes, result: Scan) -> tuple[list[bytes], list[bytes]]:
    """Put the files of one folder into ``result``; its folders, and links to folders."""
    folders: list[bytes] = []
    links: list[bytes] = []
    with os.scandir(os.path.join(root, prefix)) as entries:
        for entry in entries:
            name = entry.name
            if name.startswith(b"."):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(prefix + name + b"/")
                continue
            try:
                status = entry.stat()
            except OSError:  # a link that leads nowhere, or a file that has just gone
                continue
            if stat.S_ISREG(status.st_mode):
                result.files[prefix + name] = (status.st_mtime_ns, status.st_size)
                if entry.is_symlink():
                    result.links.add(prefix + name)
            elif stat.S_ISDIR(status.st_mode):
                links.append(prefix + name + b"/")
    links.sort()
    return folders, links
