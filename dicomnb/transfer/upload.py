"""The upload engine: anything that holds instances, in batches, an outcome for each."""

from __future__ import annotations

import glob
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from dicomnb.errors import NoDicom
from dicomnb.pool import side_by_side
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

    Returns:
        What can be stored, and the names of files in folders and globs that are not DICOM.

    Raises:
        NoDicom: nothing there is DICOM, or a file that was named itself is not.
    """
    passed_over: list[str] = []
    found = list(_uploads(what, passed_over))
    if not found:
        beside = f" ({len(passed_over)} other files were passed over)" if passed_over else ""
        raise NoDicom(f"Nothing to store: no DICOM instance in {_shown(what)}{beside}.")
    return found, passed_over


def _shown(what: Any) -> str:
    return repr(what) if isinstance(what, str | Path) else f"the {type(what).__name__} given"


def _uploads(what: Any, passed_over: list[str]) -> Iterator[Upload]:
    if isinstance(what, Dataset):
        yield _encoded(what)
    elif isinstance(what, bytes):
        yield _checked_bytes(what)
    elif isinstance(what, str | Path):
        yield from _paths(what, passed_over)
    elif isinstance(what, Iterable):
        for item in what:
            yield from _uploads(item, passed_over)
    else:
        raise TypeError(
            f"{type(what).__name__} cannot be stored: give a file, a folder, a glob, a pydicom "
            "Dataset, bytes, or a list of these."
        )


def _paths(what: str | Path, passed_over: list[str]) -> Iterator[Upload]:
    path = Path(what).expanduser()
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
    elif path.exists():
        if not _is_dicom(path):
            raise NoDicom(f"{str(path)!r} is not a DICOM file.")
        yield FileUpload(path)
        return
    else:
        files = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]
        if not files:
            raise FileNotFoundError(f"No file, folder or glob {str(path)!r}.")
    for file in files:
        if file.is_dir():
            yield from _paths(file, passed_over)
        elif _is_dicom(file):
            yield FileUpload(file)
        else:
            passed_over.append(str(file))


def _is_dicom(path: Path) -> bool:
    """Whether a file is a Part 10 instance; a DICOMDIR is an index, not an instance."""
    with path.open("rb") as file:
        if file.read(132)[128:] != b"DICM":
            return False
    return path.name.upper() != "DICOMDIR"


def _checked_bytes(data: bytes) -> BytesUpload:
    if data[128:132] != b"DICM":
        raise NoDicom("The bytes given are no DICOM Part 10 instance: they lack its preamble.")
    return BytesUpload(data, "bytes")


def _encoded(dataset: Dataset) -> BytesUpload:
    """A data set as a Part 10 file; the data set itself is not changed."""
    buffer = io.BytesIO()
    try:
        dataset.save_as(buffer, enforce_file_format=True)
    except (AttributeError, ValueError, InvalidDicomError) as error:
        raise NoDicom(
            f"The data set cannot be written as a DICOM file: {error} Give it "
            "`file_meta.TransferSyntaxUID`, SOPClassUID and the UIDs first."
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
        ``RetrieveURL`` and ``Name`` (file or SOPInstanceUID).
    """

    def send(batch: list[Upload], inner: Cancel) -> tuple[list[Upload], list[Outcome]]:
        return batch, source.store(batch, study=study, cancel=inner)

    rows: list[dict[str, object]] = []
    moved = 0
    for batch, outcomes in side_by_side(send, _batches(uploads), workers=workers, cancel=cancel):
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
