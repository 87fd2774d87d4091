"""What a user gives to be stored → items, each of which becomes an upload when its turn comes.

An item is small: a path, or a data set that the caller holds anyway. What it becomes, a Part
10 file say, is made in the thread that sends it and let go of afterwards, so that thousands
of data sets are never all encoded at once.
"""

from __future__ import annotations

import glob
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from dicomnb.errors import NoDicom
from dicomnb.local.scan import scan
from dicomnb.wire.identity import HEAD_BYTES, identity_of, is_part10, outlined_uids
from dicomnb.wire.store_answer import Sent
from dicomnb.wire.storing import BytesUpload, FileUpload, state_of

if TYPE_CHECKING:
    from dicomnb.wire.storing import StoreForm, Upload

__all__ = ["Broken", "DatasetItem", "FileItem", "Item", "Items", "items_of"]


class Item(Protocol):
    """One instance to be stored."""

    @property
    def name(self) -> str:
        """What to call it in a table: a path, a SOPInstanceUID."""
        ...

    @property
    def file(self) -> str | None:
        """The path of the file it is in, or None."""
        ...

    @property
    def identity(self) -> Sent:
        """Its UIDs, as far as they are known without opening anything."""
        ...

    @property
    def weight(self) -> int:
        """About how many bytes it will take to send; of those held, in memory too."""
        ...

    @property
    def is_held(self) -> bool:
        """Whether it takes memory of its own while it is sent: it does not come from a disk."""
        ...

    @property
    def remarks(self) -> Mapping[str, object]:
        """More columns of its row, known after `upload`."""
        ...

    @property
    def form(self) -> StoreForm | None:
        """The form it must travel in, known after `upload`; None leaves it to the store."""
        ...

    def upload(self) -> Upload:
        """Make what is sent.

        Raises:
            NoDicom, DecodeError, OSError: it cannot be, and is told as failed.
        """
        ...


_NO_REMARKS: Mapping[str, object] = {}
_UNKNOWN = Sent()


@dataclass(frozen=True)
class FileItem:
    """A DICOM file, streamed from its disk."""

    path: Path
    identity: Sent = _UNKNOWN
    state: tuple[int, int] | None = None
    """Of the file when these UIDs were read, see `state_of`."""
    is_held = False
    remarks = _NO_REMARKS
    form = None

    @property
    def name(self) -> str:
        """The file's path."""
        return str(self.path)

    file = name

    @property
    def weight(self) -> int:
        """Size in bytes; 0 for a file that has gone, which is told when its turn comes."""
        if self.state is not None:
            return self.state[0]
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def upload(self) -> Upload:
        """The file, as it is from now on."""
        identity = None if self.identity.instance is None else self.identity
        found = FileUpload(self.path, identity=identity, state=self.state)
        _ = found.length
        return found


@dataclass(frozen=True)
class BytesItem:
    """A Part 10 instance in memory."""

    data: bytes
    file = None
    is_held = False  # not by dicomnb
    remarks = _NO_REMARKS
    form = None

    @property
    def name(self) -> str:
        """SOPInstanceUID, where there is one."""
        return self.identity.instance or "bytes"

    @cached_property
    def identity(self) -> Sent:
        """Its UIDs, none where its header cannot be read."""
        found = identity_of(BytesUpload(self.data, "bytes"))
        return found if isinstance(found, Sent) else _UNKNOWN

    @property
    def weight(self) -> int:
        """Size in bytes."""
        return len(self.data)

    def upload(self) -> Upload:
        """The bytes."""
        return BytesUpload(self.data, self.name)


@dataclass(frozen=True)
class DatasetItem:
    """A data set, encoded when its turn comes; it is not changed."""

    dataset: Dataset
    file = None
    is_held = True
    remarks = _NO_REMARKS
    form = None

    @property
    def name(self) -> str:
        """SOPInstanceUID."""
        return self.identity.instance or "data set"

    @property
    def identity(self) -> Sent:
        """Its UIDs."""
        keywords = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
        return Sent(*(str(self.dataset.get(keyword) or "") or None for keyword in keywords))

    @property
    def weight(self) -> int:
        """The bytes of its pixels, and some for the rest."""
        pixels = self.dataset.get_item(0x7FE00010) if 0x7FE00010 in self.dataset else None
        value = pixels.value if pixels is not None else b""
        # Left in its file by defer_size: its length is known all the same.
        size = len(value) if isinstance(value, bytes) else int(getattr(pixels, "length", 0) or 0)
        return min(size, 0xFFFFFFFE) + (4 << 10)

    def upload(self) -> Upload:
        """A Part 10 file in memory."""
        buffer = io.BytesIO()
        try:
            self.dataset.save_as(buffer, enforce_file_format=True)
        except (AttributeError, TypeError, ValueError, OSError, InvalidDicomError) as error:
            # What pydicom says goes on with a traceback and the value itself, a patient's
            # perhaps.
            raise NoDicom(
                f"The data set cannot be written as a DICOM file: {str(error).splitlines()[0]}. "
                "It needs `file_meta.TransferSyntaxUID`, SOPClassUID, UIDs, values that their "
                "VRs hold."
            ) from error
        return BytesUpload(buffer.getvalue(), self.name)


@dataclass(frozen=True)
class Broken:
    """What turned out to be no instance after others had been sent."""

    name: str
    error: Exception
    file: str | None = None
    is_held = False
    identity = Sent()
    weight = 0
    remarks = _NO_REMARKS
    form = None

    def upload(self) -> Upload:
        """Tell why."""
        raise self.error


class Items:
    """Items in order; lazily where they come from an iterator, which is gone through once.

    Attributes:
        known: all of them, or None while an iterator may bring more.
        passed_over: names of files in folders and globs that are not DICOM.
    """

    def __init__(self, what: Any) -> None:
        self.passed_over: list[str] = []
        self._what = what
        self._files = _Files(self.passed_over)
        is_lazy = isinstance(what, Iterator) and not hasattr(what, "read")
        self.known = None if is_lazy else list(_items(what, self._files))
        if self.known == []:
            raise self._nothing()

    def __iter__(self) -> Iterator[Item]:
        if self.known is not None:
            yield from self.known
            return
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
            yield from list(_items(what, self._files))
        except (NoDicom, OSError, TypeError) as error:
            yield Broken(_shown(what), error)

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


def _items(what: Any, files: _Files) -> Iterator[Item]:
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
            yield from _items(item, files)
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

    def named(self, what: str | Path) -> Iterator[Item]:
        """The instances in a file, folder or glob that was named itself."""
        path = Path(what).expanduser()
        if path.is_dir():
            yield from self._below(path)
        elif path.exists():
            with path.open("rb") as file:
                start = file.read(HEAD_BYTES)
            if not is_part10(start):
                raise NoDicom(
                    f"{str(path)!r} is not a DICOM file of PS3.10: it lacks the preamble. "
                    "If it is a bare data set, read it with pydicom.dcmread(…, force=True), give "
                    "it file_meta, and store that. For pictures there is store_images."
                )
            if _is_directory_file(path):
                raise NoDicom(f"{str(path)!r} is an index of files; store its folder instead.")
            yield from self._found([path])
        else:
            names = sorted(glob.glob(str(path), recursive=True))
            if not names:
                raise FileNotFoundError(f"No file, folder or glob {str(path)!r}.")
            for one in map(Path, names):
                yield from self._below(one) if one.is_dir() else self._found([one])

    def _below(self, folder: Path) -> Iterator[Item]:
        """The instances among all files below a folder in order, by the rules of a connected one.

        Names that begin with a dot are passed over: hidden files, the trash, files being
        written. Links to folders are followed, and links in a circle end.
        """
        found = scan(os.fsencode(folder))
        self._passed_over += [str(folder / os.fsdecode(name)) for name in found.unreadable]
        for name in sorted(found.files):
            path = folder / os.fsdecode(name)
            yield from self._instance(path, is_link=name in found.links, is_listed=True)

    def _found(self, paths: Iterable[Path]) -> Iterator[Item]:
        for path in paths:
            yield from self._instance(path, is_link=path.is_symlink())

    def _instance(self, path: Path, *, is_link: bool, is_listed: bool = False) -> Iterator[Item]:
        """The instance in a file, unless it was met before; a listed one was seen to be a file."""
        real = self._real(str(path), is_link=is_link)
        if real in self._seen:
            return
        self._seen.add(real)
        # A link that leads nowhere, or round in circles, is no file.
        is_file = is_listed or path.is_file()
        item = _item_in(path) if is_file and not _is_directory_file(path) else None
        if item is not None:
            yield item
        else:
            self._passed_over.append(str(path))

    def _real(self, path: str, *, is_link: bool) -> str:
        """``os.path.realpath``, which looks at every folder above anew for each file of one."""
        if is_link:
            return os.path.realpath(path)
        above, name = os.path.split(path)
        folder = self._folders.get(above)
        if folder is None:
            folder = self._folders[above] = os.path.realpath(above)
        return os.path.join(folder, name)


def _item_in(path: Path) -> FileItem | None:
    """A DICOM file, or one that cannot be read, which is told when its turn comes."""
    try:
        with path.open("rb", buffering=0) as file:
            state, start = state_of(os.fstat(file.fileno())), file.read(HEAD_BYTES)
    except OSError:
        return FileItem(path)
    return FileItem(path, outlined_uids(start) or _UNKNOWN, state) if is_part10(start) else None


def _is_directory_file(path: Path) -> bool:
    """Whether a file is a DICOMDIR: an index, not an instance (PS3.10 section 8.6)."""
    return path.name.upper() == "DICOMDIR"


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
