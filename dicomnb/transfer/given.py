"""What a user gives to be stored: found, told apart, and looked at when its turn comes.

What is named itself is looked at before anything is sent. Of folders and globs, which are listed
by then, only what a moment suffices for: to open thousands of files on a slow disk takes longer
than to send the first of them.
"""

from __future__ import annotations

import glob
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from time import monotonic
from typing import Any

import pandas as pd
from pydicom.dataset import Dataset

from dicomnb.errors import NoDicom
from dicomnb.local.scan import scan
from dicomnb.transfer.items import Broken, BytesItem, DatasetItem, FileItem, Item, looked_at
from dicomnb.wire.layouts import Layouts

__all__ = ["Items", "items_of"]

_FIRST_SECONDS = 0.02
"""Time for a look before anything is sent: where hundreds of files take no longer, threads that
send would only take turns with one that looks."""


class Items:
    """Items in order. An iterator that was given is gone through once.

    ``operator.length_hint`` tells how many there are at most: files that have not been looked at
    count as instances. Of an iterator it tells nothing.

    Attributes:
        passed_over: names of files in folders and globs that turned out not to be DICOM.
    """

    def __init__(self, what: Any) -> None:
        self.passed_over: list[str] = []
        self._what = what
        self._files = _Files(self.passed_over)
        self._is_lazy = isinstance(what, Iterator) and not hasattr(what, "read")
        self._found: list[Item] = []
        self._listed: deque[Item | str] = deque()
        if not self._is_lazy:
            self._listed.extend(_listed(what, self._files))
            begun = monotonic()
            while self._look() and monotonic() - begun < _FIRST_SECONDS:
                pass
            if not self._found:
                raise self._nothing()

    def __iter__(self) -> Iterator[Item]:
        if self._is_lazy:
            yield from self._come()
            return
        place = 0
        while place < len(self._found) or self._look():
            yield self._found[place]
            place += 1

    def __length_hint__(self) -> int:
        return NotImplemented if self._is_lazy else len(self._found) + len(self._listed)

    @property
    def without_a_look(self) -> list[Item]:
        """All that is known of; what has not been looked at is taken for an instance."""
        rest = (FileItem(one) if isinstance(one, str) else one for one in self._listed)
        return [*self._found, *rest]

    def _look(self) -> bool:
        """Find one more instance among what is listed; False when there is none left."""
        while self._listed:
            item = self._files.instance(self._listed[0])
            self._listed.popleft()  # not before: a look may be interrupted
            if item is not None:
                self._found.append(item)
                return True
        return False

    def _come(self) -> Iterator[Item]:
        count = 0
        for what in self._what:
            for item in self._of(what):
                count += 1
                yield item
        if not count:
            raise self._nothing()

    def _of(self, what: Any) -> Iterator[Item]:
        """The items in one thing of an iterator; others may have been sent before it."""
        try:
            listed = list(_listed(what, self._files))
        except (NoDicom, OSError, TypeError) as error:
            yield Broken(_shown(what), error)
            return
        for one in listed:
            item = self._files.instance(one)
            if item is not None:
                yield item

    def _nothing(self) -> NoDicom:
        count = len(self.passed_over)
        beside = f" ({count} other files were passed over)" if count else ""
        return NoDicom(f"Nothing to store: no DICOM instance in {_shown(self._what)}{beside}.")


def items_of(what: Any) -> Items:
    """The instances in a file, folder, glob, data set, bytes, or several of these.

    A file that is found in several ways (a glob and a folder, a link) counts once.

    Raises:
        NoDicom: nothing there is DICOM, or what was named itself is not. An iterator's things
            are looked at when their turn comes; what is wrong with one is told as failed.
        TypeError: what cannot be stored.
        FileNotFoundError: no such file, folder or glob.
    """
    return Items(what)


def _shown(what: Any) -> str:
    return repr(what) if isinstance(what, str | Path) else f"the {type(what).__name__} given"


def _listed(what: Any, files: _Files) -> Iterator[Item | str]:
    """What is named itself as items, what folders and globs hold as paths to be looked at."""
    if isinstance(what, Dataset):
        yield _checked(what)
    elif isinstance(what, bytes | bytearray | memoryview):
        yield _checked_bytes(bytes(what))
    elif hasattr(what, "read"):
        yield _checked_bytes(what.read())
    elif isinstance(what, str | Path):
        yield from files.named(what)
    elif isinstance(what, Iterable) and not isinstance(what, Mapping | pd.DataFrame):
        for item in what:
            yield from _listed(item, files)
    else:
        raise TypeError(
            f"{type(what).__name__} cannot be stored: give a file, a folder, a glob, a pydicom "
            "Dataset, bytes, or a list of these. For pictures and arrays there is store_images."
        )


class _Files:
    """Files to be stored, each once.

    Args:
        passed_over: where the names of files that are not DICOM go.
    """

    def __init__(self, passed_over: list[str]) -> None:
        self._passed_over = passed_over
        self._seen: set[str] = set()
        self._folders: dict[str, str] = {}
        self._layouts = Layouts()

    def named(self, what: str | Path) -> Iterator[Item | str]:
        """The file, or the paths of those in the folder or glob, that was named itself."""
        path = Path(what).expanduser()
        if path.is_dir():
            yield from self._below(path)
        elif path.exists():
            item = _named_file(str(path), self._layouts)
            if self._is_new(str(path), is_link=path.is_symlink()):
                yield item
        else:
            names = sorted(glob.glob(str(path), recursive=True))
            if not names:
                raise FileNotFoundError(f"No file, folder or glob {str(path)!r}.")
            for one in names:
                if os.path.isdir(one):
                    yield from self._below(Path(one))
                # A link that leads nowhere, or round in circles, is no file.
                elif self._is_new(one, is_link=os.path.islink(one)) and self._may_be_dicom(
                    one, is_file=os.path.isfile(one)
                ):
                    yield one

    def _below(self, folder: Path) -> Iterator[str]:
        """All files below a folder in order, by the rules of a connected one.

        Names that begin with a dot are passed over: hidden files, the trash, files being
        written. Links to folders are followed, and links in a circle end.
        """
        found = scan(os.fsencode(folder))
        self._passed_over += [str(folder / os.fsdecode(name)) for name in found.unreadable]
        above = "" if str(folder) == "." else str(folder)
        for name in sorted(found.files):
            path = os.path.join(above, os.fsdecode(name))
            if self._is_new(path, is_link=name in found.links) and self._may_be_dicom(path):
                yield path

    def _is_new(self, path: str, *, is_link: bool) -> bool:
        """Whether a file was not met before under any name; marks it."""
        real = self._real(path, is_link=is_link)
        if real in self._seen:
            return False
        self._seen.add(real)
        return True

    def _may_be_dicom(self, path: str, *, is_file: bool = True) -> bool:
        if is_file and not _is_directory_file(path):
            return True
        self._passed_over.append(path)
        return False

    def instance(self, listed: Item | str) -> Item | None:
        """What was listed, files after a look; None for one that is passed over.

        A file that cannot be read is an item: that is told when its turn comes.
        """
        if not isinstance(listed, str):
            return listed
        try:
            item = looked_at(listed, self._layouts)
        except OSError:
            return FileItem(listed)
        if item is None:
            self._passed_over.append(listed)
        return item

    def _real(self, path: str, *, is_link: bool) -> str:
        """``os.path.realpath``, which looks at every folder above anew for each file of one."""
        if is_link:
            return os.path.realpath(path)
        above, name = os.path.split(path)
        folder = self._folders.get(above)
        if folder is None:
            folder = self._folders[above] = os.path.realpath(above)
        return os.path.join(folder, name)


def _named_file(path: str, layouts: Layouts) -> FileItem:
    item = looked_at(path, layouts)
    if item is None:
        raise NoDicom(
            f"{path!r} is not a DICOM file of PS3.10: it lacks the preamble. "
            "If it is a bare data set, read it with pydicom.dcmread(…, force=True), give "
            "it file_meta, and store that. For pictures there is store_images."
        )
    if _is_directory_file(path):
        raise NoDicom(f"{path!r} is an index of files; store its folder instead.")
    return item


def _is_directory_file(path: str) -> bool:
    """Whether a file is a DICOMDIR: an index, not an instance (PS3.10 section 8.6)."""
    return os.path.basename(path).upper() == "DICOMDIR"


def _checked_bytes(data: bytes) -> BytesItem:
    if data[128:132] != b"DICM":
        raise NoDicom("The bytes given are no DICOM Part 10 instance: they lack its preamble.")
    return BytesItem(data)


def _checked(dataset: Dataset) -> DatasetItem:
    """A data set that could be a file, as far as that is seen without encoding it."""
    meta = getattr(dataset, "file_meta", None)
    needed = {
        "SOPClassUID": dataset.get("SOPClassUID"),
        "SOPInstanceUID": dataset.get("SOPInstanceUID"),
        "file_meta.TransferSyntaxUID": meta.get("TransferSyntaxUID") if meta is not None else None,
    }
    missing = [name for name, value in needed.items() if not value]
    if missing:
        raise NoDicom(f"The data set is no DICOM instance: it has no {', '.join(missing)}.")
    return DatasetItem(dataset)
