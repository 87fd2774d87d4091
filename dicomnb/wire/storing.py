"""What goes into a store, and what comes out of it (PS3.18 section 10.5)."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["BytesUpload", "FileUpload", "Outcome", "OutcomeName", "Upload"]

OutcomeName = Literal["stored", "warned", "already there", "conflict", "failed"]


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


@dataclass(frozen=True)
class FileUpload:
    """An instance in a file."""

    path: Path

    @property
    def name(self) -> str:
        """The file's path."""
        return str(self.path)

    @property
    def length(self) -> int:
        """Size in bytes, now."""
        return self.path.stat().st_size

    def open(self) -> BinaryIO:
        """The file, opened for reading."""
        return self.path.open("rb")


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
