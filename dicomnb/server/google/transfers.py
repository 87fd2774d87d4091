"""Import from and export to folders that stand for Cloud Storage and BigQuery."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from dicomnb.attributes import column_name
from dicomnb.errors import DicomnbError
from dicomnb.files import atomic_write, safe_name
from dicomnb.pool import closed_after
from dicomnb.server.answers import Refused
from dicomnb.server.google.buckets import filter_refs, folder_for, matched, table_file
from dicomnb.server.google.calls import field
from dicomnb.server.google.contents import instance_refs, metadata_rows
from dicomnb.source import Rendering
from dicomnb.wire import media
from dicomnb.wire.storing import FileUpload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from dicomnb.refs import Ref
    from dicomnb.server.answers import Answer
    from dicomnb.server.google.calls import Call
    from dicomnb.server.google.operations import Operation
    from dicomnb.source import Source

__all__ = ["each_counted", "export_store", "import_store", "wanted_refs"]

log = logging.getLogger("dicomnb.server")

_SERVICE = "dicom.DicomService"
_BATCH = 32
_PIECE = 1 << 20
_PICTURES: dict[str, Literal["jpeg", "png"]] = {"image/jpeg": "jpeg", "image/png": "png"}
_DISPOSITIONS = ("WRITE_EMPTY", "WRITE_TRUNCATE", "WRITE_APPEND")
_FRAMES = "00280008"


def import_store(call: Call) -> Answer:
    """``:import``: store the files that ``gcsSource.uri`` matches.

    A file that is no DICOM, or that conflicts with what is there, counts as a failure; the
    operation succeeds nevertheless. The server's log tells which and why.
    """
    service = call.store.service
    uri = _needed(call.body(), "gcsSource", "uri")
    buckets = call.catalogue.buckets

    def work(operation: Operation) -> None:
        paths = matched(buckets, uri)
        operation.pending = len(paths)
        for start in range(0, len(paths), _BATCH):
            uploads = [FileUpload(path) for path in paths[start : start + _BATCH]]
            outcomes = service.source.store(uploads, cancel=operation.cancel)
            for upload, outcome in zip(uploads, outcomes, strict=True):
                failed = outcome.outcome in ("conflict", "failed")
                if failed:
                    log.warning("%s: %s: %s", operation.name, upload.name, outcome.reason)
                operation.count(failed=failed)

    return call.begun(call.dataset.operations.start(f"{_SERVICE}.ImportDicomData", work))


def export_store(call: Call) -> Answer:
    """``:export``: write instances to a bucket, or a row each to a table.

    To a bucket: ``STUDY/SERIES/INSTANCE.dcm`` as stored, or in the transfer syntax of
    ``mimeType``, or as pictures. To a table: JSON lines, as BigQuery loads them.
    """
    store, body = call.store, call.body()
    if ("gcsDestination" in body) == ("bigqueryDestination" in body):
        raise Refused(400, "Either gcsDestination or bigqueryDestination is needed.")
    source, buckets = store.service.source, call.catalogue.buckets
    if "gcsDestination" in body:
        uri = _needed(body, "gcsDestination", "uriPrefix")
        write = _writer(source, field(body["gcsDestination"], "mimeType", str))

        def work(operation: Operation) -> None:
            folder = folder_for(buckets, uri)
            refs = wanted_refs(call, body, operation)
            each_counted(refs, operation, lambda ref: write(folder, ref))
    else:
        uri = _needed(body, "bigqueryDestination", "tableUri")
        disposition = _disposition(body["bigqueryDestination"])

        def work(operation: Operation) -> None:
            path = table_file(buckets, uri)
            refs = wanted_refs(call, body, operation)
            _write_table(source, path, refs, disposition, operation)

    return call.begun(call.dataset.operations.start(f"{_SERVICE}.ExportDicomData", work))


def wanted_refs(call: Call, body: dict[str, Any], operation: Operation) -> list[Ref]:
    """The instances that ``filterConfig`` names, or all of the store; they are pending now."""
    uri = (field(body, "filterConfig", dict) or {}).get("resourcePathsGcsUri")
    within = None if uri is None else filter_refs(call.catalogue.buckets, uri)
    refs = instance_refs(call.store.service.source, within, cancel=operation.cancel)
    operation.pending = len(refs)
    return refs


def each_counted(refs: Iterable[Ref], operation: Operation, do: Callable[[Ref], None]) -> None:
    """Do something with each instance; one that fails is counted and logged, and the rest go on."""
    for ref in refs:
        operation.cancel.check()
        try:
            do(ref)
        except DicomnbError as error:
            log.warning("%s: %s: %s", operation.name, ref.path, error)
            operation.count(failed=True)
        else:
            operation.count(failed=False)


def _needed(body: dict[str, Any], outer: str, inner: str) -> str:
    value = field(field(body, outer, dict) or {}, inner, str)
    if not value:
        raise Refused(400, f"{outer}.{inner} is needed.")
    return value


def _writer(source: Source, kind: str | None) -> Callable[[Path, Ref], None]:
    """What writes one instance below a folder, in the form that ``mimeType`` names."""
    wanted = media.parse(kind)
    if wanted is None or wanted.type == media.DICOM:
        syntax = (wanted.transfer_syntax if wanted else None) or "*"
        return lambda folder, ref: _write_instance(source, folder, ref, syntax)
    if wanted.type in _PICTURES:
        picture = _PICTURES[wanted.type]
        return lambda folder, ref: _write_pictures(source, folder, ref, picture)
    raise Refused(400, f"mimeType={kind!r}: {media.DICOM}, {' or '.join(_PICTURES)}.")


def _write_instance(source: Source, folder: Path, ref: Ref, syntax: str) -> None:
    buffer = memoryview(bytearray(_PIECE))
    path = _place(folder, ref)
    with closed_after(source.instances(ref, transfer_syntax=syntax)) as parts:
        for part in parts:
            with atomic_write(path.with_name(f"{path.name}.dcm")) as file:
                while count := part.readinto(buffer):
                    file.write(buffer[:count])


def _write_pictures(
    source: Source, folder: Path, ref: Ref, picture: Literal["jpeg", "png"]
) -> None:
    """One picture, or, where there are several frames, one a frame in a folder of their own."""
    (row,) = metadata_rows(source, ref)
    frames = int((row.get(_FRAMES, {}).get("Value") or [1])[0] or 1)
    place = _place(folder, ref)
    suffix = "jpg" if picture == "jpeg" else picture
    for number in range(1, frames + 1):
        path = place / str(number) if frames > 1 else place
        with closed_after(source.rendered(ref, Rendering(picture, number))) as parts:
            for part in parts:
                with atomic_write(path.with_name(f"{path.name}.{suffix}")) as file:
                    file.write(part.read())


def _place(folder: Path, ref: Ref) -> Path:
    return folder.joinpath(*map(safe_name, (ref.study, str(ref.series), str(ref.instance))))


def _disposition(destination: dict[str, Any]) -> str:
    chosen = destination.get("writeDisposition", "WRITE_DISPOSITION_UNSPECIFIED")
    if chosen == "WRITE_DISPOSITION_UNSPECIFIED":
        return "WRITE_TRUNCATE" if destination.get("force") else "WRITE_EMPTY"
    if chosen not in _DISPOSITIONS:
        raise Refused(400, f"writeDisposition={chosen!r}: {', '.join(_DISPOSITIONS)}.")
    return str(chosen)


def _write_table(
    source: Source, path: Path, refs: list[Ref], disposition: str, operation: Operation
) -> None:
    """One JSON object a line: keyword → value, several values as a list."""
    before = path.read_bytes() if path.exists() else b""
    if before and disposition == "WRITE_EMPTY":
        raise Refused(409, f"The table {path.stem} is there and not empty (WRITE_EMPTY).")
    with atomic_write(path) as file:
        file.write(before if disposition == "WRITE_APPEND" else b"")

        def write(ref: Ref) -> None:
            for row in metadata_rows(source, ref):
                file.write(msgspec.json.encode(_columns(row)) + b"\n")

        each_counted(refs, operation, write)


def _columns(row: dict[str, Any]) -> dict[str, Any]:
    """A data set as columns; bulk data is left out, as it is there."""
    columns: dict[str, Any] = {}
    for tag, element in row.items():
        if "BulkDataURI" in element or "InlineBinary" in element:
            continue
        values = element.get("Value", [])
        if element["vr"] == "SQ":
            columns[column_name(tag)] = [_columns(item or {}) for item in values]
        else:
            columns[column_name(tag)] = (values or [None])[0] if len(values) < 2 else values
    return columns
