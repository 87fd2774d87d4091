"""Many frames: one answer on a fast line, a few ranges on a slow one, and again what was cut."""

from __future__ import annotations

import json
import re
import time

import numpy as np
import pytest
from pydicom import dcmread

import dicomnb as dn
from dicomnb.archive import Archive
from dicomnb.options import Options
from dicomnb.transfer import ranges
from dicomnb.transfer.ranges import RANGE_BYTES, RANGES_IN_FLIGHT, Flow, range_size
from dicomnb.wire.multipart import outgoing_bytes, write
from tests.conftest import real_file
from tests.web.raw_server import RESET, response, source

REF = dn.Ref("1.2", "1.3", "1.4")
FRAMES, SIDE = 40, 16
KIND = 'multipart/related; type="application/octet-stream"; boundary=abc'


def frame(number: int) -> np.ndarray:
    return np.full((SIDE, SIDE), number, "<i2")


class FrameServer:
    """Serves frames that hold their own number, each after ``delay`` seconds."""

    def __init__(self, *, delay: float = 0.0, cuts: int = 0) -> None:
        self.delay, self.cuts = delay, cuts
        self.asked: list[list[int]] = []
        dataset = dcmread(real_file("CT_small.dcm"), stop_before_pixels=True)
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = REF.study, REF.series
        dataset.SOPInstanceUID = REF.instance
        dataset.Rows = dataset.Columns = SIDE
        dataset.NumberOfFrames = FRAMES
        self.row = dataset.to_json_dict()
        self.row["7FE00010"] = {"vr": "OW", "BulkDataURI": "bulk/1"}

    def __call__(self, request):
        if request.target.endswith("/metadata"):
            return response(json.dumps([self.row]).encode())
        found = re.search(r"/frames/([0-9,]+)$", request.target)
        if found is None:
            return response(b"[]")
        numbers = [int(number) for number in found[1].split(",")]
        self.asked.append(numbers)
        return self.sent(numbers)

    def sent(self, numbers):
        parts = [outgoing_bytes(frame(n).tobytes(), "application/octet-stream") for n in numbers]
        body = b"".join(write(parts, boundary="abc"))
        head = response(b"", kind=KIND, length=len(body))
        yield head
        is_cut, self.cuts = self.cuts > 0, self.cuts - 1
        each = len(body) // len(numbers)
        for place in range(len(numbers)):
            time.sleep(self.delay)
            if is_cut and place == len(numbers) // 2:
                yield body[place * each : place * each + each // 2]
                yield RESET
                return
            last = place == len(numbers) - 1
            yield body[place * each : None if last else (place + 1) * each]


def archive_of(raw, server: FrameServer) -> Archive:
    return Archive(source(raw(server).url), options=Options())


def check(found: np.ndarray, numbers=range(1, FRAMES + 1)) -> None:
    np.testing.assert_array_equal(found, np.stack([frame(number) for number in numbers]))


@pytest.fixture
def fast_line(monkeypatch):
    """A line of which nothing is concluded: that a busy machine stalls says nothing of it."""
    monkeypatch.setattr(ranges, "PROBE_SECONDS", 3600)


@pytest.mark.usefixtures("fast_line")
def test_a_fast_line_keeps_the_one_answer(raw):
    server = FrameServer()
    check(archive_of(raw, server).frames(REF))
    assert server.asked == [list(range(1, FRAMES + 1))]


def test_a_slow_line_is_shared_by_ranges_in_order(raw):
    server = FrameServer(delay=0.06)
    check(archive_of(raw, server).frames(REF))
    first, *others = server.asked
    assert first == list(range(1, FRAMES + 1))
    assert 1 < len(others) <= RANGES_IN_FLIGHT
    rest = sorted(others)
    assert [n for one in rest for n in one] == list(range(rest[0][0], FRAMES + 1))
    assert rest[0][0] > 4


def test_one_worker_keeps_the_one_answer_on_a_slow_line(raw):
    """It could not be shared, and would wait for ever where the one slot is held already."""
    server = FrameServer(delay=0.02)
    archive = Archive(source(raw(server).url), options=Options(workers=1))
    check(archive.frames(REF))
    assert server.asked == [list(range(1, FRAMES + 1))]


def test_the_order_asked_for_is_kept(raw):
    server = FrameServer(delay=0.06)
    numbers = [*range(FRAMES, 20, -1), 3, 3, 1]
    check(archive_of(raw, server).frames(REF, numbers), numbers)


@pytest.mark.usefixtures("fast_line")
@pytest.mark.parametrize("cuts", [1, 2, 3])
def test_frames_that_are_cut_are_asked_for_again_and_no_others(raw, cuts):
    server = FrameServer(cuts=cuts)
    check(archive_of(raw, server).frames(REF))
    assert len(server.asked) == cuts + 1
    for before, after in zip(server.asked, server.asked[1:], strict=False):
        assert after == before[-len(after) :]
        assert len(after) < len(before)


@pytest.mark.usefixtures("fast_line")
def test_an_answer_that_is_cut_for_ever_is_an_error(raw):
    server = FrameServer(cuts=1000)
    with pytest.raises(dn.ProtocolError, match="not whole"):
        archive_of(raw, server).frames(REF)
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("flow", "left", "size"),
    [
        (Flow(0.03, 1.0, 10, 10 << 20), 100, 16),  # 16 MiB a range
        (Flow(0.03, 1.0, 10, 10 << 10), 100, 25),  # as many as are in flight
        (Flow(0.03, 1.0, 10, 100 << 20), 100, 1),
        (Flow(0.03, 0.1, 10, 10 << 10), 100, None),  # too soon to tell
        (Flow(0.03, 1.0, 3, 10 << 10), 100, None),
        (Flow(30.0, 1.0, 10, 10 << 10), 100, None),  # each request would wait longer
        (Flow(0.03, 1.0, 10, 10 << 10), 1, None),
        (Flow(0.03, 1.0, 10, 10 << 10), 0, None),
    ],
)
def test_the_choice(flow, left, size):
    assert range_size(flow, left=left) == size
    if size and size > 1:
        assert size * flow.bytes / flow.frames <= RANGE_BYTES
