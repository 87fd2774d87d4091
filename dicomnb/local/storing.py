"""Putting instances into a folder, and taking them out of it."""

from __future__ import annotations

import contextlib
import os
import struct
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO

from dicomnb.errors import NotFound, Unsupported
from dicomnb.files import atomic_write, safe_name
from dicomnb.local import changes, summaries
from dicomnb.local.header import FIRST_READ, Header, HeaderReader, PassOver
from dicomnb.local.walk import UNDEFINED
from dicomnb.refs import Ref
from dicomnb.wire.storing import Outcome

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

    from dicomnb.local.index import Index
    from dicomnb.pool import Cancel
    from dicomnb.wire.storing import OutcomeName, Upload

__all__ = ["TRASH", "cut", "delete", "store"]

TRASH = ".dicomnb-trash"
"""Where deleted files go, below the folder; never indexed, as its name begins with a dot."""

_COPY = 1 << 20
_PROCESSING_FAILURE = 0x0110
_DUPLICATE = 0x0111
_MISSING_ATTRIBUTE = 0x0120
_CANNOT_UNDERSTAND = 0xC000
_SOP_CLASS = 0x00080016


def store(
    index: Index, uploads: Sequence[Upload], *, study: str | None, cancel: Cancel | None
) -> list[Outcome]:
    """Write instances as ``StudyUID/SeriesUID/SOPUID.dcm`` and into the index.

    Each is there whole, in both, or not at all. The same bytes again are "already there";
    other bytes of the same UID are a "conflict", and change nothing.

    Args:
        index: of the folder.
        uploads: Part 10 instances.
        study: the StudyInstanceUID that all of them must have, or None for any.
        cancel: looked at between instances; what has been stored is kept.
    """
    outcomes = []
    reader = HeaderReader()
    try:
        for upload in uploads:
            if cancel is not None:
                cancel.check()
            outcomes.append(_store_one(index, upload, reader, study))
    finally:
        if outcomes:
            index.write(summaries.settle)
    return outcomes


def _store_one(index: Index, upload: Upload, reader: HeaderReader, study: str | None) -> Outcome:
    try:
        with upload.open() as file:
            head = file.read(FIRST_READ)
        header = reader.read(head, size=upload.length, opener=upload.open)
    except PassOver as passed:
        code = _MISSING_ATTRIBUTE if passed.kind == "without UIDs" else _CANNOT_UNDERSTAND
        return Outcome("failed", code=code, reason=f"{upload.name}: {passed.kind}, {passed.reason}")
    except OSError as error:
        return Outcome("failed", code=_PROCESSING_FAILURE, reason=f"{upload.name}: {error}")
    fault = _fault(header, upload, study)
    if fault is not None:
        return _outcome("failed", header, *fault)
    try:
        return index.write(lambda connection: _put(connection, index.root, upload, header))
    except OSError as error:
        return _outcome("failed", header, _PROCESSING_FAILURE, f"{upload.name}: {error}")


def _fault(header: Header, upload: Upload, study: str | None) -> tuple[int, str] | None:
    """Why an instance cannot be stored, as a failure reason and in words."""
    if not header.is_part10:
        return _CANNOT_UNDERSTAND, (
            f"{upload.name}: no Part 10 file: preamble, DICM and a file meta information with a "
            "TransferSyntaxUID are needed."
        )
    if study is not None and header.ref.study != study:
        return _PROCESSING_FAILURE, (
            f"{upload.name}: it belongs to study {header.ref.study}, not to {study}."
        )
    words = cut(header, upload)
    return (_CANNOT_UNDERSTAND, f"{upload.name}: {words}") if words else None


def cut(header: Header, upload: Upload) -> str:
    """What an instance lacks at its end, in words; empty where it is whole."""
    if header.pixel_offset is not None and header.pixel_length not in (None, UNDEFINED):
        missing = header.pixel_offset + int(header.pixel_length or 0) - upload.length
        if missing > 0:
            return f"it is cut; {missing:,} bytes are missing."
    if header.pixel_length == UNDEFINED and not _is_closed(upload):
        return "it is cut within its pixels."
    return ""


def _is_closed(upload: Upload) -> bool:
    """Whether encapsulated pixels end with their delimiter, maybe with elements behind it."""
    with upload.open() as file:
        size = upload.length
        file.seek(max(size - _COPY, 0))
        return struct.pack("<HHI", 0xFFFE, 0xE0DD, 0) in file.read()


def _put(connection: sqlite3.Connection, root: Path, upload: Upload, header: Header) -> Outcome:
    """Write one instance; the index has the write lock, so nobody else writes the same."""
    ref = header.ref
    existing = connection.execute(
        "SELECT f.path FROM instances i JOIN files f ON f.id = i.id WHERE i.uid = ?", (ref.uid,)
    ).fetchone()
    path = root.joinpath(*map(safe_name, (ref.study, str(ref.series))), f"{safe_name(ref.uid)}.dcm")
    there = root / os.fsdecode(existing[0]) if existing else path
    if there.exists():
        if not _is_same(there, upload):
            reason = f"{ref.uid} is there already, with other bytes; nothing was changed."
            return _outcome("conflict", header, _DUPLICATE, reason)
        if existing:
            return _outcome("already there", header, None, "")
    elif existing:
        changes.forget(connection, [existing[0]])
    was_there = path.exists()
    if not was_there:
        _write(path, upload)
    status = path.stat()
    relative = os.fsencode(path.relative_to(root))
    writer = changes.Writer(changes.generation(connection), {relative})
    writer.write(connection, [((relative, status.st_mtime_ns, status.st_size), header)])
    return _outcome("already there" if was_there else "stored", header, None, "")


def _write(path: Path, upload: Upload) -> None:
    with atomic_write(path) as target, upload.open() as source:
        count = 0
        while piece := source.read(_COPY):
            target.write(piece)
            count += len(piece)
        if count != upload.length:
            raise OSError(f"{count:,} of {upload.length:,} bytes came")


def _is_same(path: Path, upload: Upload) -> bool:
    if path.stat().st_size != upload.length:
        return False
    with path.open("rb") as one, upload.open() as other:
        return _equal(one, other)


def _equal(one: BinaryIO, other: BinaryIO) -> bool:
    while True:
        left, right = one.read(_COPY), other.read(_COPY)
        if left != right:
            return False
        if not left:
            return True


def _outcome(name: OutcomeName, header: Header, code: int | None, reason: str) -> Outcome:
    ref = header.ref
    url = f"dicomnb:/{header.path}" if name in ("stored", "already there") else None
    json = header.elements.get(_SOP_CLASS, b"")
    sop_class = json.split(b'"')[-2].decode() if json.endswith(b'"]}') else None
    return Outcome(name, ref.study, ref.series, ref.instance, sop_class, code, reason, url)


def delete(index: Index, ref: Ref) -> None:
    """Move the files of ``ref``, duplicates of its instances included, to the trash folder.

    Raises:
        NotFound: there is nothing of that name; or a file has gone, and nothing is left.
        Unsupported: a file lies outside the folder, behind a link; nothing was moved.
        OSError: a file cannot be moved; those before it are in the trash.
    """
    failure = index.write(lambda connection: _move(connection, index.root, ref))
    if failure is not None:
        raise failure


def _move(connection: sqlite3.Connection, root: Path, ref: Ref) -> OSError | None:
    """Move the files and forget them; the error that kept one from being moved."""
    paths = _paths(connection, ref)
    if not paths:
        raise NotFound(f"The folder has no {ref.level} {ref.uid} to delete.")
    real = root.resolve()
    for path in paths:
        folder = (root / os.fsdecode(path)).parent.resolve()
        if not folder.is_relative_to(real):
            raise Unsupported(
                f"{os.fsdecode(path)} lies outside the folder, behind a link, in {folder}. "
                "Nothing was deleted."
            )
    trash = root / TRASH / datetime.now().strftime("%Y%m%dT%H%M%S.%f")
    moved = []
    failure: OSError | None = None
    for path in paths:
        target = trash / os.fsdecode(path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                (root / os.fsdecode(path)).replace(target)
        except OSError as error:
            failure = error
            break
        moved.append(path)
    changes.forget(connection, moved)
    summaries.settle(connection)
    changes.prune_elements(connection)
    return failure


def _paths(connection: sqlite3.Connection, ref: Ref) -> list[bytes]:
    """Files of the instances in ``ref``, and of their duplicates."""
    uids = [uid for uid in (ref.study, ref.series, ref.instance) if uid is not None]
    condition = " AND ".join(f"{alias}.uid = ?" for alias in "sei"[: len(uids)])
    rows = connection.execute(
        "SELECT f.path FROM instances i JOIN series e ON e.id = i.series_id "  # noqa: S608
        "JOIN studies s ON s.id = e.study_id JOIN files f ON f.id = i.id "
        f"WHERE {condition} ORDER BY f.path",
        uids,
    ).fetchall()
    places = connection.execute("SELECT path, place FROM files WHERE kind = 'duplicate'").fetchall()
    duplicates = [path for path, place in places if Ref.from_path(place) in ref]
    return [path for (path,) in rows] + duplicates
