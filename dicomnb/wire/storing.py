"""What goes into a store, and what comes out of it (PS3.18 section 10.5)."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dicomnb.wire.store_answer import Sent

__all__ = [
    "BytesUpload",
    "FileUpload",
    "ImageUpload",
    "Outcome",
    "OutcomeName",
    "StoreForm",
    "Upload",
    "state_of",
]

OutcomeName = Literal["stored", "warned", "already there", "conflict", "failed"]
StoreForm = Literal["multipart", "single", "json"]
"""How instances travel: several Part 10 instances in a multipart body, one as the whole body,
or DICOM JSON metadata with the pixels beside it."""


class Upload(Protocol):
    """One Part 10 instance to be stored. It can be opened again: a retry sends it whole."""

    @property
    def name(self) -> str:
        """What to call it in a message: a path, or a SOPInstanceUID."""
        ...

    @property
    def length(self) -> int:
        """Size in bytes."""
        ...

    def open(self) -> BinaryIO:
        """A new reader from its first byte; the caller closes it."""
        ...


@runtime_checkable
class ImageUpload(Upload, Protocol):
    """An instance that can also be sent as metadata and one bulk of pixels."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """DICOM JSON, TransferSyntaxUID included, without PixelData."""
        ...

    @property
    def bulk(self) -> bytes:
        """The value of PixelData, not encapsulated."""
        ...

    @property
    def transfer_syntax(self) -> str:
        """UID of the syntax of ``bulk``."""
        ...


class FileUpload:
    """An instance in a file, as the file was when it was first looked at.

    A file that was changed since then is not sent under the length it had: opening it fails.

    Args:
        path: the file.
        identity: its UIDs, where they are known.
        state: of the file when they were read (`state_of`); if it is no longer that, they are not
            known. None looks at the file when that is first asked for.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        identity: Sent | None = None,
        state: tuple[int, int] | None = None,
    ) -> None:
        self.path = path
        self.identity = identity
        self._first_seen = state
        if state is not None and state_of(os.stat(path)) != state:
            self.identity = self._first_seen = None

    @property
    def name(self) -> str:
        """The file's path."""
        return os.fspath(self.path)

    @property
    def length(self) -> int:
        """Size in bytes."""
        return self._seen[0]

    @property
    def _seen(self) -> tuple[int, int]:
        if self._first_seen is None:
            self._first_seen = state_of(os.stat(self.path))
        return self._first_seen

    def open(self) -> BinaryIO:
        """The file, opened for reading.

        Raises:
            OSError: it cannot be opened, or is not as it was.
        """
        seen = self._seen
        file = open(self.path, "rb")  # noqa: SIM115  # the caller closes it
        if state_of(os.fstat(file.fileno())) != seen:
            file.close()
            raise OSError(None, "it was changed while it was being stored")
        return file

    def __repr__(self) -> str:
        return f"FileUpload({self.name!r})"


def state_of(status: os.stat_result) -> tuple[int, int]:
    """Size and time of the last change."""
    return status.st_size, status.st_mtime_ns


@dataclass(frozen=True)
class BytesUpload:
    """An instance in memory."""

    data: bytes
    name: str

    @property
    def length(self) -> int:
        """Size in bytes."""
        return len(self.data)

    def open(self) -> BinaryIO:
        """A reader over the bytes."""
        return io.BytesIO(self.data)


@dataclass(frozen=True)
class Outcome:
    """What became of one instance."""

    outcome: OutcomeName
    """``stored``; ``warned`` (stored, with a remark); ``already there`` (the same bytes);
    ``conflict`` (the same UIDs with other bytes); ``failed``."""
    study: str | None = None
    series: str | None = None
    instance: str | None = None
    sop_class: str | None = None
    code: int | None = None
    """Failure or warning reason, (0008,1197) or (0008,1196)."""
    reason: str = ""
    """Why, in words."""
    url: str | None = None
    """RetrieveURL of what was stored."""
