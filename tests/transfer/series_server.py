"""A raw server that holds one series, and breaks its answers where a test says."""

from __future__ import annotations

import io
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
from pydicom import dcmread

import dicomnb as dn
from dicomnb.wire.multipart import Outgoing, outgoing_bytes, write
from tests.conftest import real_file
from tests.web.raw_server import RESET, Raw, Request, response

STUDY, SERIES = "1.2.826.1", "1.2.826.1.2"
REF = dn.Ref(STUDY, SERIES)
KIND = 'multipart/related; type="application/dicom"; boundary=abc'


def slices(count: int, *, rows: int = 16) -> dict[str, bytes]:
    """SOP instance UID → Part 10 bytes of a small CT series, in order of position."""
    dataset = dcmread(real_file("CT_small.dcm"))
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = STUDY, SERIES
    dataset.Rows = dataset.Columns = rows
    del dataset[0xFFFC, 0xFFFC]
    found = {}
    for number in range(count):
        uid = f"{SERIES}.{number + 1}"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
        dataset.InstanceNumber = number + 1
        dataset.ImagePositionPatient = [0, 0, 2.5 * number]
        dataset.PixelData = np.full((rows, rows), 1024 + number, "<i2").tobytes()
        buffer = io.BytesIO()
        dataset.save_as(buffer)
        found[uid] = buffer.getvalue()
    return found


Respond = Callable[["SeriesServer", Request, str | None, int], object]


class SeriesServer:
    """What it was asked for is in ``asked``: a UID for an instance, None for the series.

    ``fault(server, request, uid, count)`` may answer in its place; ``count`` tells how often
    this was asked for before. None lets it answer.
    """

    def __init__(self, files: dict[str, bytes], *, sized: bool = True) -> None:
        self.files = files
        self.listed = list(files)
        self.gives: int | None = None
        """How many rows a search gives, whatever its offset; it then says that there are more."""
        self.sized = sized
        self.fault: Respond = lambda *_: None
        self.delay = 0.0
        self.asked: Counter[str | None] = Counter()

    def __call__(self, request: Request) -> object:
        path, _, query = request.target.partition("?")
        if path.endswith("/studies"):
            return response(b"[]")
        if path.endswith("/instances"):
            if self.gives is not None:
                return self._some_rows(self.gives)
            rows = [] if "offset" in query and "offset=0" not in query else self.listed
            return response(json.dumps([self._row(uid) for uid in rows]).encode())
        found = re.search(r"/instances/([\d.]+)", path)
        uid = found[1] if found else None
        self.asked[uid] += 1
        time.sleep(self.delay)
        answer = self.fault(self, request, uid, self.asked[uid] - 1)
        if answer is not None:
            return answer
        if uid is not None and uid not in self.files:
            return response(b"no such instance", status=404, kind=None)
        return self.answer(self.files if uid is None else [uid])

    def _some_rows(self, count: int) -> bytes:
        left = len(self.listed) - count
        said = f'299 here:80 "There are {left} additional results that can be requested"'
        rows = [self._row(uid) for uid in self.listed[:count]]
        return response(json.dumps(rows).encode(), Warning=said)

    def _row(self, uid: str) -> dict[str, object]:
        pairs = (("0020000D", STUDY), ("0020000E", SERIES), ("00080018", uid))
        return {tag: {"vr": "UI", "Value": [value]} for tag, value in pairs}

    def body(self, uids) -> bytes:
        parts = []
        for uid in uids:
            data = self.files[uid]
            sized = outgoing_bytes(data, "application/dicom")
            parts.append(sized if self.sized else Outgoing("application/dicom", lambda d=data: [d]))
        return b"".join(write(parts, boundary="abc"))

    def answer(self, uids) -> bytes:
        return response(self.body(uids), kind=KIND)

    def cut(self, uids, at: int, *, reset: bool = False, length: bool = True) -> Iterator[object]:
        """The answer up to byte ``at`` of its body, then the connection is closed or reset."""
        body = self.body(uids)
        yield response(body[:at], kind=KIND, length=len(body) if length else -1)
        if reset:
            yield RESET

    def start(self, raw: Callable[..., Raw], *, keep: bool = True, **options) -> dn.Archive:
        self.raw = raw(self, keep=keep)
        archive = dn.connect(self.raw.url, options=dn.Options(**{"workers": 4, **options}))
        self.asked.clear()
        return archive
