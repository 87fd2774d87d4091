"""Instances to be stored: items, each of which becomes an upload when its turn comes.

An item is small: a path, or a data set that the caller holds anyway. What it becomes, a Part
10 file say, is made in the thread that sends it and let go of afterwards, so that thousands
of data sets are never all encoded at once.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from pydicom.errors import InvalidDicomError

from dicomnb.errors import NoDicom
from dicomnb.wire.identity import HEAD_BYTES, identity_of, is_part10, outlined_uids
from dicomnb.wire.store_answer import Sent
from dicomnb.wire.storing import BytesUpload, FileUpload, state_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydicom.dataset import Dataset

    from dicomnb.wire.layouts import Layouts
    from dicomnb.wire.storing import StoreForm, Upload

__all__ = ["Broken", "BytesItem", "DatasetItem", "FileItem", "Item", "looked_at"]


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

    path: str
    identity: Sent = _UNKNOWN
    state: tuple[int, int] | None = None
    """Of the file when these UIDs were read, see `state_of`."""
    is_held = False
    remarks = _NO_REMARKS
    form = None

    @property
    def name(self) -> str:
        """The file's path."""
        return self.path

    file = name

    @property
    def weight(self) -> int:
        """Size in bytes; 0 for a file that has gone, which is told when its turn comes."""
        if self.state is not None:
            return self.state[0]
        try:
            return os.stat(self.path).st_size
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


def looked_at(path: str, layouts: Layouts | None = None) -> FileItem | None:
    """A file as an item, or None if it is no DICOM file.

    ``layouts`` remembers those of files before.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb", buffering=0) as file:
        state, start = state_of(os.fstat(file.fileno())), file.read(HEAD_BYTES)
    if not is_part10(start):
        return None
    return FileItem(path, outlined_uids(start, layouts) or _UNKNOWN, state)
