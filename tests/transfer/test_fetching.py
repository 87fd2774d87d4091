"""One stream or many requests; what is cut is asked for again; nothing twice, nothing lost."""

from __future__ import annotations

import itertools
import threading
import time

import numpy as np
import pandas as pd
import pytest

import dicomnb as dn
from dicomnb.transfer.planning import Job, Pace, is_faster_side_by_side, jobs_of, listed
from tests.conftest import SECONDS
from tests.transfer.series_server import REF, SERIES, SeriesServer, slices
from tests.web.raw_server import response

# A line is fast where a test does not say otherwise.
pytestmark = pytest.mark.usefixtures("fast_line")

FILES = slices(30)
UIDS = list(FILES)
ROW = pd.Series(
    {"StudyInstanceUID": REF.study, "SeriesInstanceUID": SERIES,
     "NumberOfSeriesRelatedInstances": 30}
)  # fmt: skip


@pytest.fixture
def server() -> SeriesServer:
    return SeriesServer(dict(FILES))


def dripping(server: SeriesServer, request, uid, count):
    """A stream that comes a little at a time, so that it can be left."""
    if uid is not None:
        return None
    body = server.answer(server.files)
    step = len(body) // 30 + 1
    return (time.sleep(0.01) or body[start : start + step] for start in range(0, len(body), step))


def check(volume: dn.Volume, count: int = 30) -> None:
    assert volume.shape == (count, 16, 16)
    np.testing.assert_array_equal(volume.array[:, 0, 0], np.arange(count))
    assert list(volume.slices["SOPInstanceUID"]) == UIDS[:count]


@pytest.mark.parametrize(
    ("latency", "each", "left", "workers", "apart"),
    [
        (0.030, 0.021, 276, 16, True),  # a remote server, 25 MB/s a connection
        (0.030, 0.021, 276, 8, True),
        (0.030, 0.021, 276, 1, False),  # no one beside
        (0.030, 0.021, 7, 16, False),  # hardly anything left
        (0.002, 0.001, 290, 16, False),  # this machine: a request costs more than the stream
        (0.005, 0.0017, 250, 16, False),  # Orthanc, one stream
        (0.100, 0.005, 500, 8, False),  # asking costs more than it brings
        (5.000, 0.021, 276, 16, False),  # a server that takes long to begin
        (0.010, 0.300, 50, 4, True),
    ],
)
def test_the_choice(latency: float, each: float, left: int, workers: int, apart: bool) -> None:
    pace = Pace(latency, each * 1000, 1000)
    assert is_faster_side_by_side(pace, left=left, workers=workers) is apart


def test_nothing_is_concluded_from_a_moment() -> None:
    assert not is_faster_side_by_side(Pace(0.001, 0.19, 5), left=100, workers=16)
    assert not is_faster_side_by_side(Pace(0.001, 2, 3), left=100, workers=16)
    assert is_faster_side_by_side(Pace(0.001, 2, 4), left=100, workers=16)


def test_a_fast_line_keeps_its_one_stream(raw, server: SeriesServer) -> None:
    check(server.start(raw).volume(REF))
    assert server.asked == {None: 1}


def test_a_slow_line_is_left_for_many_requests(raw, server: SeriesServer, timed) -> None:
    timed(0.03, 0.2, lambda number, in_flight: 0.05 / in_flight)
    flying, most, lock = 0, 0, threading.Lock()
    meeting, singles = threading.Barrier(4, timeout=SECONDS), itertools.count()

    def slowly(server: SeriesServer, request, uid, count):
        nonlocal flying, most
        if uid is None:
            body = server.answer(server.files)
            step = len(body) // 30 + 1
            return (
                time.sleep(0.02) or body[start : start + step]
                for start in range(0, len(body), step)
            )
        with lock:
            flying += 1
            most = max(most, flying)
            is_among_the_first = next(singles) < 4
        if is_among_the_first:
            meeting.wait()
        time.sleep(0.01)
        with lock:
            flying -= 1
        return None

    server.fault = slowly
    archive = server.start(raw, workers=8)
    check(archive.volume(ROW))
    single = {uid: count for uid, count in server.asked.items() if uid is not None}
    assert 15 <= len(single) < 30
    assert set(single.values()) == {1}
    assert 4 <= most <= 8
    assert server.raw.connections <= 2 * 8  # used again: there were more requests


def test_a_stream_that_is_slow_for_another_reason_is_gone_back_to(
    raw, server: SeriesServer, timed
) -> None:
    """Where requests side by side are slower still, some are tried, and no more."""
    timed(0.001, 0.06, lambda number, in_flight: 0.4)  # one at a time, whoever asks
    server.fault = dripping
    archive = server.start(raw, workers=8)
    before = server.raw.connections
    check(archive.volume(ROW))
    single = {uid: count for uid, count in server.asked.items() if uid is not None}
    assert len(single) == 2 * 8
    assert set(single.values()) == {1}
    assert server.asked[None] == 2
    assert server.raw.connections - before <= 2 + 8


def test_a_server_that_is_slow_at_first_is_not_misjudged(raw, server: SeriesServer, timed) -> None:
    """It opens files and fills its memory at the first single requests, and is quick then."""
    timed(0.001, 0.06, lambda number, in_flight: (2 if number < 8 else 0.02) / in_flight)
    server.fault = dripping
    archive = server.start(raw, workers=8)
    check(archive.volume(ROW))
    assert server.asked[None] == 1
    assert {count for uid, count in server.asked.items() if uid is not None} == {1}


@pytest.mark.parametrize("sized", [True, False])
@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("place", [0.01, 0.33, 0.5, 0.999])
def test_a_stream_that_breaks(raw, sized: bool, reset: bool, length: bool, place: float) -> None:
    server = SeriesServer(dict(FILES), sized=sized)

    def fault(server: SeriesServer, request, uid, count):
        if uid is None:
            at = int(len(server.body(server.files)) * place)
            return server.cut(server.files, at, reset=reset, length=length)
        return None

    server.fault = fault
    check(server.start(raw, keep=False).volume(REF))
    whole = {uid for uid, count in server.asked.items() if uid is not None}
    assert server.asked[None] == 1
    assert all(server.asked[uid] == 1 for uid in whole)
    assert len(whole) >= 30 * (1 - place) - 2
    if not reset:  # a reset also takes what had come and was not read yet
        assert len(whole) <= 30 * (1 - place) + 2


def test_an_instance_that_breaks_is_asked_for_again(raw, server: SeriesServer) -> None:
    def fault(server: SeriesServer, request, uid, count):
        if uid is None:
            return response(b"too much at once", status=503, kind=None, Retry_After="999")
        if uid.endswith("7") and count < 2:
            return server.cut([uid], 700)
        return None

    server.fault = fault
    check(server.start(raw, keep=False).volume(REF))
    assert {uid: n for uid, n in server.asked.items() if n > 1} == {
        uid: 3 for uid in UIDS if uid.endswith("7")
    }


def test_one_that_breaks_for_ever_ends_the_whole(raw, server: SeriesServer) -> None:
    def fault(server: SeriesServer, request, uid, count):
        if uid is None or uid == UIDS[3]:
            return server.cut([uid or UIDS[0]], 700)
        return None

    server.fault = fault
    before = set(threading.enumerate())
    with pytest.raises(dn.ProtocolError, match="not whole"):
        server.start(raw, keep=False).volume(REF)
    assert server.asked[UIDS[3]] == 3
    added = set(threading.enumerate()) - before
    assert not [one for one in added if one.name.startswith("dicomnb")]


def test_a_server_that_sends_fewer_than_it_lists(raw, server: SeriesServer) -> None:
    server.fault = lambda server, request, uid, count: (
        server.answer(UIDS[:20]) if uid is None else None
    )
    check(server.start(raw).volume(REF))
    assert set(server.asked) == {None, *UIDS[20:]}
    server.asked.clear()
    check(server.start(raw).volume(ROW))
    assert set(server.asked) == {None, *UIDS[20:]}


def test_one_that_is_listed_and_cannot_be_had(raw, server: SeriesServer) -> None:
    server.listed.append("1.2.826.1.2.99")
    with pytest.raises(dn.NotFound):
        server.start(raw).volume(REF)


def test_the_same_instance_twice_in_a_stream_is_taken_once(raw, server: SeriesServer) -> None:
    server.fault = lambda server, request, uid, count: server.answer([*UIDS, *UIDS[:5]])
    check(server.start(raw).volume(REF))


def test_one_that_no_list_has_is_taken_with_its_series(raw, server: SeriesServer) -> None:
    server.listed.pop()
    check(server.start(raw).volume(REF))


def test_many_instances_that_are_a_whole_series_are_one_stream(raw, server: SeriesServer) -> None:
    archive = server.start(raw)
    rows = archive.instances(REF)
    check(archive.volume(rows))
    assert server.asked == {None: 1}
    server.asked.clear()
    check(archive.volume(rows.head(25)), 25)
    assert set(server.asked) == set(UIDS[:25])
    assert set(server.asked.values()) == {1}


def test_jobs(raw, server: SeriesServer) -> None:
    source = server.start(raw).source
    assert listed(source, REF) == ([dn.Ref(REF.study, SERIES, uid) for uid in UIDS], 30)
    every = [dn.Ref(REF.study, SERIES, uid) for uid in UIDS]
    assert list(jobs_of(source, [*every, *every])) == [Job(REF, tuple(every), only=True)]
    assert list(jobs_of(source, every[:3])) == [Job(one, (one,)) for one in every[:3]]
    assert list(jobs_of(source, [REF], told=30)) == [Job(REF, told=30)]
    assert list(jobs_of(source, [])) == []


def test_connections_are_used_again(raw, server: SeriesServer) -> None:
    archive = server.start(raw, workers=4)
    before = server.raw.connections
    archive.volume(archive.instances(REF).head(25))
    for uid in UIDS[:10]:
        archive.dataset(dn.Ref(REF.study, SERIES, uid))
    assert server.raw.connections - before <= 4
