"""The upload engine: anything that holds instances, in batches, an outcome for each."""

from __future__ import annotations

import glob
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from dicomnb.errors import DicomWebError, NoDicom
from dicomnb.local.scan import scan
from dicomnb.pool import closed_after, side_by_side
from dicomnb.transfer.events import Progress
from dicomnb.wire.storing import BytesUpload, FileUpload, Outcome, Upload

if TYPE_CHECKING:
    from collections.abc import Callable

    from dicomnb.pool import Cancel
    from dicomnb.source import Source

__all__ = ["OUTCOME_COLUMNS", "upload", "uploads_of"]

BATCH_BYTES = 64 << 20
BATCH_INSTANCES = 50
OUTCOME_COLUMNS = {
    "StudyInstanceUID": "str",
    "SeriesInstanceUID": "str",
    "SOPInstanceUID": "str",
    "SOPClassUID": "str",
    "Outcome": "str",
    "Code": "Int64",
    "Reason": "str",
    "RetrieveURL": "str",
    "Name": "str",
}


def uploads_of(what: Any) -> tuple[list[Upload], list[str]]:
    """The instances in a file, folder, glob, data set, bytes, or several of these.

    A file that is found in several ways (a glob and a folder, a link) counts once.

    Returns:
        What can be stored, and the names of files in folders and globs that are not DICOM.

    Raises:
        NoDicom: nothing there is DICOM, or a file that was named itself is not.
    """
    passed_over: list[str] = []
    found = list(_uploads(what, _Files(passed_over)))
    if not found:
        beside = f" ({len(passed_over)} other files were passed over)" if passed_over else ""
        raise NoDicom(f"Nothing to store: no DICOM instance in {_shown(what)}{beside}.")
    return found, passed_over


def _shown(what: Any) -> str:
    return repr(what) if isinstance(what, str | Path) else f"the {type(what).__name__} given"


def _uploads(what: Any, files: _Files) -> Iterator[Upload]:
    if isinstance(what, Dataset):
        yield _encoded(what)
    elif isinstance(what, bytes | bytearray | memoryview):
        yield _checked_bytes(bytes(what))
    elif hasattr(what, "read"):
        yield _checked_bytes(what.read())
    elif isinstance(what, str | Path):
        yield from files.named(what)
    elif isinstance(what, Iterable) and not isinstance(what, Mapping | pd.DataFrame):
        for item in what:
            yield from _uploads(item, files)
    else:
        raise TypeError(
            f"{type(what).__name__} cannot be stored: give a file, a folder, a glob, a pydicom "
            "Dataset, bytes, or a list of these."
        )


class _Files:
    """Files to be stored, each once.

    Args:
        passed_over: where the names of files that are not DICOM go.
    """

    def __init__(self, passed_over: list[str]) -> None:
        self._passed_over = passed_over
        self._seen: set[str] = set()

    def named(self, what: str | Path) -> Iterator[Upload]:
        """The instances in a file, folder or glob that was named itself."""
        path = Path(what).expanduser()
        if path.is_dir():
            yield from self._found(self._below(path))
        elif path.exists():
            if not _is_part10(path):
                raise NoDicom(
                    f"{str(path)!r} is not a DICOM file of PS3.10: it lacks the preamble. "
                    "If it is a bare data set, read it with pydicom.dcmread(…, force=True), give "
                    "it file_meta, and store that."
                )
            if _is_directory_file(path):
                raise NoDicom(f"{str(path)!r} is an index of files; store its folder instead.")
            yield from self._found([path])
        else:
            names = sorted(glob.glob(str(path), recursive=True))
            if not names:
                raise FileNotFoundError(f"No file, folder or glob {str(path)!r}.")
            for one in map(Path, names):
                yield from self._found(self._below(one) if one.is_dir() else [one])

    def _below(self, folder: Path) -> list[Path]:
        """All files below a folder in order, by the rules of a connected one.

        Names that begin with a dot are passed over: hidden files, the trash, files being
        written. Links to folders are followed, and links in a circle end.
        """
        found = scan(os.fsencode(folder))
        self._passed_over += [str(folder / os.fsdecode(name)) for name in found.unreadable]
        return [folder / os.fsdecode(name) for name in sorted(found.files)]

    def _found(self, paths: Iterable[Path]) -> Iterator[Upload]:
        for path in paths:
            real = os.path.realpath(path)
            if real in self._seen:
                continue
            self._seen.add(real)
            # A link that leads nowhere, or round in circles, is no file.
            if path.is_file() and _is_part10(path) and not _is_directory_file(path):
                yield FileUpload(path)
            else:
                self._passed_over.append(str(path))


def _is_part10(path: Path) -> bool:
    """Whether a file begins as PS3.10 section 7.1 has it."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _is_directory_file(path: Path) -> bool:
    """Whether a file is a DICOMDIR: an index, not an instance (PS3.10 section 8.6)."""
    return path.name.upper() == "DICOMDIR"


def _checked_bytes(data: bytes) -> BytesUpload:
    if data[128:132] != b"DICM":
        raise NoDicom("The bytes given are no DICOM Part 10 instance: they lack its preamble.")
    return BytesUpload(data, "bytes")


def _encoded(dataset: Dataset) -> BytesUpload:
    """A data set as a Part 10 file; the data set itself is not changed."""
    buffer = io.BytesIO()
    try:
        dataset.save_as(buffer, enforce_file_format=True)
    except (AttributeError, TypeError, ValueError, OSError, InvalidDicomError) as error:
        # What pydicom says goes on with a traceback and the value itself, a patient's perhaps.
        raise NoDicom(
            f"The data set cannot be written as a DICOM file: {str(error).splitlines()[0]}. It "
            "needs `file_meta.TransferSyntaxUID`, SOPClassUID, UIDs, values that their VRs hold."
        ) from error
    return BytesUpload(buffer.getvalue(), str(dataset.get("SOPInstanceUID", "data set")))


def _batches(uploads: Sequence[Upload]) -> Iterator[list[Upload]]:
    batch: list[Upload] = []
    size = 0
    for one in uploads:
        if batch and (size + one.length > BATCH_BYTES or len(batch) == BATCH_INSTANCES):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += one.length
    if batch:
        yield batch


def upload(
    source: Source,
    uploads: Sequence[Upload],
    *,
    study: str | None,
    workers: int,
    tell: Callable[[Progress], None],
    cancel: Cancel | None = None,
) -> pd.DataFrame:
    """Store ``uploads`` in batches side by side.

    Returns:
        One row an instance, in order: its UIDs, ``Outcome``, ``Code``, ``Reason``,
        ``RetrieveURL`` and ``Name`` (file or SOPInstanceUID). A batch that fails as a whole
        is ``failed``, with the error as its reason: the outcomes of the others are not lost.

    Raises:
        DicomWebError: the first batch fails as a whole, and so would the others.
    """
    refused: list[DicomWebError] = []

    def send(batch: list[Upload], inner: Cancel) -> tuple[list[Upload], list[Outcome]]:
        try:
            return batch, source.store(batch, study=study, cancel=inner)
        except DicomWebError as error:
            refused.append(error)
            return batch, [Outcome("failed", reason=str(error)) for _ in batch]

    rows: list[dict[str, object]] = []
    moved = 0
    every = side_by_side(send, _batches(uploads), workers=workers, cancel=cancel)
    with closed_after(every):
        for batch, outcomes in every:
            if refused and not rows:
                raise refused[0]
            rows += [_row(one, outcome) for one, outcome in zip(batch, outcomes, strict=True)]
            moved += sum(one.length for one in batch)
            tell(Progress(len(rows), moved, len(uploads)))
    return pd.DataFrame(rows, columns=list(OUTCOME_COLUMNS)).astype(OUTCOME_COLUMNS)


def _row(one: Upload, outcome: Outcome) -> dict[str, object]:
    return {
        "StudyInstanceUID": outcome.study,
        "SeriesInstanceUID": outcome.series,
        "SOPInstanceUID": outcome.instance,
        "SOPClassUID": outcome.sop_class,
        "Outcome": outcome.outcome,
        "Code": outcome.code,
        "Reason": outcome.reason,
        "RetrieveURL": outcome.url,
        "Name": one.name,
    }
