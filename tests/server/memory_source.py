"""A `Source` in memory, made of real files, that tells what was done to it."""

from __future__ import annotations

import io
import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.encaps import generate_frames

from dicomnb.errors import NotFound, Unsupported
from dicomnb.query import Query, matches
from dicomnb.refs import Level, Ref
from dicomnb.source import Abilities, Page, Rendering
from dicomnb.wire.parts import BytesPart, Part
from dicomnb.wire.storing import Outcome, Upload
from tests.conftest import SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dicomnb.operations import Operation
    from dicomnb.pool import Cancel

NATIVE = "1.2.840.10008.1.2.1"
KEYS: dict[Level, str] = {"study": "0020000D", "series": "0020000E", "instance": "00080018"}


def real_bytes(name: str) -> bytes:
    """A file of pydicom's wheel."""
    path = get_testdata_file(name, download=False)
    assert path is not None, name
    return Path(str(path)).read_bytes()


def until(condition: Callable[[], bool]) -> bool:
    """Whether it comes to that: a server is still at work when its client has the last byte."""
    end = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def reference(dataset: Dataset) -> Ref:
    return Ref(
        str(dataset.StudyInstanceUID), str(dataset.SeriesInstanceUID), str(dataset.SOPInstanceUID)
    )


class MemorySource:
    """Holds Part 10 files; counts the iterators that are open."""

    address = "/home/someone/scans"

    def __init__(self, files: Sequence[bytes] = (), *, page: int = 2) -> None:
        self.files: dict[Ref, bytes] = {}
        self.page = page
        self.open = 0
        self.lock = threading.Lock()
        self.uploads: list[tuple[str, int]] = []
        self.renderings: list[tuple[Ref, Rendering]] = []
        self.cancels: list[Cancel | None] = []
        self.operation: Operation | None = None
        self.able = Abilities("memory")
        self.studies: list[str | None] = []
        for data in files:
            self.files[reference(self.dataset(data))] = data

    @staticmethod
    def dataset(data: bytes) -> Dataset:
        return dcmread(io.BytesIO(data))

    def abilities(self) -> Abilities:
        return self.able

    def _json(self, ref: Ref) -> dict[str, Any]:
        dataset = self.dataset(self.files[ref])
        text = dataset.to_json(
            bulk_data_threshold=1024,
            bulk_data_element_handler=lambda e: f"dicomnb:/{ref.path}/bulkdata/{e.tag:08X}",
            suppress_invalid_tags=True,
        )
        row: dict[str, Any] = json.loads(text)
        row["00081190"] = {"vr": "UR", "Value": [f"dicomnb:/{ref.path}"]}
        return row

    def _opened(self, items: Any) -> Iterator[Any]:
        with self.lock:
            self.open += 1
        try:
            yield from items
        finally:
            with self.lock:
                self.open -= 1

    def _refs(self, ref: Ref | None) -> list[Ref]:
        return [one for one in self.files if ref is None or one in ref]

    def _found(self, ref: Ref) -> list[Ref]:
        refs = self._refs(ref)
        if not refs:
            raise NotFound(f"No {ref.level} {ref.uid} in {self.address}/index")
        return refs

    def _pages(self, rows: list[dict[str, Any]]) -> Iterator[Page]:
        for start in range(0, len(rows), self.page):
            some = rows[start : start + self.page]
            yield Page(msgspec.json.encode(some), len(some))

    def search(self, query: Query, *, cancel: Cancel | None = None) -> Iterator[Page]:
        self.cancels.append(cancel)
        rows: dict[str, dict[str, Any]] = {}
        for ref in self._refs(query.within):
            row = self._json(ref)
            if matches(row, query.filters, fuzzy=query.fuzzy):
                rows.setdefault(ref.at(query.level).uid, row)
        end = None if query.limit is None else query.offset + query.limit
        yield from self._opened(self._pages(list(rows.values())[query.offset : end]))

    def metadata(self, ref: Ref, *, cancel: Cancel | None = None) -> Iterator[Page]:
        rows = [self._json(one) for one in self._found(ref)]
        yield from self._opened(self._pages(rows))

    def instances(
        self, ref: Ref, *, transfer_syntax: str = "*", cancel: Cancel | None = None
    ) -> Iterator[Part]:
        def parts() -> Iterator[Part]:
            for one in self._found(ref):
                data = self.files[one]
                syntax = str(self.dataset(data).file_meta.TransferSyntaxUID)
                if transfer_syntax not in ("*", syntax):
                    raise Unsupported(f"Stored as {syntax}.")
                place = f"dicomnb:/{one.path}"
                yield BytesPart(
                    data, media_type="application/dicom", transfer_syntax=syntax, location=place
                )

        yield from self._opened(parts())

    def frames(
        self,
        ref: Ref,
        numbers: Sequence[int],
        *,
        transfer_syntax: str = "*",
        cancel: Cancel | None = None,
    ) -> Iterator[Part]:
        (one,) = self._found(ref)
        dataset = self.dataset(self.files[one])
        syntax = dataset.file_meta.TransferSyntaxUID
        count = int(dataset.get("NumberOfFrames", 1))
        if max(numbers) > count:
            raise NotFound(f"It has {count} frames.")
        stored = (
            list(generate_frames(dataset.PixelData, number_of_frames=count))
            if (syntax.is_compressed)
            else [
                dataset.PixelData[i : i + len(dataset.PixelData) // count]
                for i in range(0, len(dataset.PixelData), len(dataset.PixelData) // count)
            ]
        )
        if transfer_syntax == "*" or transfer_syntax == syntax:
            told = str(syntax) if syntax.is_compressed else NATIVE
        elif transfer_syntax == NATIVE:
            array = dataset.pixel_array
            array = array if count > 1 else array[None]
            stored, told = [frame.tobytes() for frame in array], NATIVE
        else:
            raise Unsupported(f"Frames are stored as {syntax}.")
        kind = "application/octet-stream"
        yield from self._opened(
            BytesPart(stored[n - 1], media_type=kind, transfer_syntax=told) for n in numbers
        )

    def bulk(self, uri: str, *, cancel: Cancel | None = None) -> Iterator[Part]:
        path, _, tag = uri.removeprefix("dicomnb:/").partition("/bulkdata/")
        (one,) = self._found(Ref.from_path(path))
        dataset = self.dataset(self.files[one])
        if "/" in tag or int(tag, 16) not in dataset:
            raise NotFound("No such element.")
        syntax = dataset.file_meta.TransferSyntaxUID
        kind = "application/octet-stream"
        value = dataset[int(tag, 16)].value
        if syntax.is_compressed and tag == "7FE00010":
            parts = [
                BytesPart(frame, media_type=kind, transfer_syntax=str(syntax))
                for frame in generate_frames(value, number_of_frames=1)
            ]
        else:
            parts = [BytesPart(value, media_type=kind, transfer_syntax=NATIVE)]
        yield from self._opened(parts)

    def rendered(
        self, ref: Ref, rendering: Rendering, *, cancel: Cancel | None = None
    ) -> Iterator[Part]:
        self._found(ref)
        self.renderings.append((ref, rendering))
        data = b"\x89PNG" if rendering.format == "png" else b"\xff\xd8"
        yield from self._opened([BytesPart(data, media_type=f"image/{rendering.format}")])

    def store(
        self, uploads: Sequence[Upload], *, study: str | None = None, cancel: Cancel | None = None
    ) -> list[Outcome]:
        self.studies.append(study)
        outcomes = []
        for upload in uploads:
            self.uploads.append((upload.name, upload.length))
            with upload.open() as file:
                data = file.read()
            if data[128:132] != b"DICM":
                outcomes.append(Outcome("failed", reason=f"{upload.name} is no DICOM"))
                continue
            dataset = self.dataset(data)
            ref = reference(dataset)
            self.files[ref] = data
            outcomes.append(
                Outcome("stored", ref.study, ref.series, ref.instance, str(dataset.SOPClassUID))
            )
        return outcomes

    def delete(self, ref: Ref, *, cancel: Cancel | None = None) -> Operation | None:
        for one in self._found(ref):
            del self.files[one]
        return self.operation
