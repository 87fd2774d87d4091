"""How many instances are asked for side by side, as many as pay; and what there is, meanwhile."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import dicomnb as dn
from dicomnb.transfer.planning import Flight
from tests.transfer.series_server import REF, SeriesServer, slices
from tests.web.raw_server import response


class Simulated:
    """Requests to a server that needs ``seconds(number, in_flight)`` for each, in its own time."""

    def __init__(self, flight: Flight, count: int, seconds: Callable[[int, int], float]) -> None:
        self.most = 0
        self.asked = 0
        self.widths: list[int] = []
        self.seconds = 0.0
        under_way: list[float] = []
        while True:
            while self.asked < count and len(under_way) < min(flight.window, 64):
                takes = seconds(self.asked, len(under_way))
                heapq.heappush(under_way, self.seconds + takes)
                self.asked += 1
            self.most = max(self.most, len(under_way))
            self.widths.append(len(under_way))
            if not under_way:
                break
            self.seconds = heapq.heappop(under_way)
            flight.land(self.seconds)


def flight_of(count: int, *, stream: float | None = 0.021, start: int = 8, most: int = 32):
    return Flight(count, start=start, most=most, stream=stream, anew=count + 5)


class OneAtATime:
    """What a busy machine does: it works on one after the other, whoever asks."""

    def __init__(self, each: float, *, lanes: int = 1) -> None:
        self._each, self._lanes = each, lanes

    def __call__(self, number: int, in_flight: int) -> float:
        return self._each * (in_flight // self._lanes + 1)


def test_more_are_in_flight_as_long_as_it_is_faster():
    flight = flight_of(295)
    done = Simulated(flight, 295, lambda number, in_flight: 0.05 + number % 7 / 1000)
    assert done.asked == 295
    assert not flight.is_given_up
    assert max(done.widths[:12]) == 8
    assert max(done.widths[16:40]) == 16
    assert done.most == 64  # of these 32 wait for a thread
    assert min(done.widths[8:-64]) >= 4  # the trial ends without a stop


def test_two_rounds_are_asked_of_a_busy_server_and_no_more():
    flight = flight_of(295)
    done = Simulated(flight, 295, OneAtATime(0.4))
    assert flight.is_given_up
    assert (done.asked, done.most) == (16, 8)


def test_there_are_no_more_in_flight_than_pay():
    """A server that works on eight at a time: sixteen are tried, and eight again."""
    flight = flight_of(600)
    done = Simulated(flight, 600, OneAtATime(0.05, lanes=8))
    assert done.asked == 600
    assert not flight.is_given_up
    assert done.most == 16
    assert set(done.widths[80:-8]) == {8}


def test_what_a_server_needs_at_first_is_not_counted():
    flight = flight_of(295)
    done = Simulated(flight, 295, lambda number, in_flight: 2.0 if number < 8 else 0.02)
    assert done.asked == 295
    assert not flight.is_given_up


@pytest.mark.parametrize("count", [1, 8, 9, 16])
def test_a_few_are_just_fetched(count):
    flight = flight_of(count)
    done = Simulated(flight, count, OneAtATime(0.4))
    assert done.asked == count
    assert done.most <= 8


def test_nothing_is_tried_where_there_is_no_stream_to_go_back_to():
    flight = flight_of(100, stream=None, most=8)
    done = Simulated(flight, 100, OneAtATime(0.4))
    assert done.asked == 100
    assert not flight.is_given_up


@pytest.mark.parametrize("most", [8, 12, 100])
def test_the_most_is_kept_to(most):
    flight = flight_of(2000, most=most)
    windows = []

    def seconds(number, in_flight):
        windows.append(flight.window)
        return 0.05

    Simulated(flight, 2000, seconds)
    assert max(windows) <= 2 * most


# -- with a server ---------------------------------------------------------------------------------


class Remote(SeriesServer):
    """One stream is slow, and single requests take as long as ``takes``; counts those under way."""

    def __init__(self, count: int, takes: float) -> None:
        super().__init__(slices(count))
        self.lock = threading.Lock()
        self.flying, self.most, self.takes = 0, 0, takes
        self.pause = 0.1
        self.fault = self.slowly

    def slowly(self, server, request, uid, count):
        if uid is None:
            return self.dripping()
        with self.lock:
            self.flying += 1
            self.most = max(self.most, self.flying)
        time.sleep(self.takes)
        with self.lock:
            self.flying -= 1
        return None

    def dripping(self):
        body = self.answer(self.files)
        step = len(body) // len(self.files) + 1
        return (
            time.sleep(self.pause) or body[start : start + step]
            for start in range(0, len(body), step)
        )


def check(volume: dn.Volume, count: int) -> None:
    np.testing.assert_array_equal(volume.array[:, 0, 0], np.arange(count))


def test_more_than_usual_are_in_flight_on_a_slow_line(raw, timed):
    timed(0.03, 0.1, lambda number, in_flight: 0.3 / in_flight)
    server = Remote(150, 0.1)
    check(server.start(raw, workers=dn.Options().workers).volume(REF), 150)
    assert dn.Options().usual_workers < server.most <= dn.Options().workers
    assert {count for uid, count in server.asked.items() if uid is not None} == {1}


def test_a_line_that_is_measured_to_be_slow_is_left(raw):
    """By the clock itself: as slow as no busy machine makes the requests that are quick."""
    server = Remote(20, 0.0)
    server.pause = 0.3
    check(server.start(raw, workers=16).volume(REF), 20)
    assert len(server.asked) > 8


def test_no_more_are_in_flight_than_was_said(raw, timed):
    timed(0.03, 0.1, lambda number, in_flight: 0.1 / in_flight)
    server = Remote(60, 0.1)
    check(server.start(raw, workers=6).volume(REF), 60)
    assert 4 <= server.most <= 6


def test_what_is_not_timed_keeps_to_the_usual_number(raw):
    server = Remote(60, 0.1)
    archive = server.start(raw, workers=dn.Options().workers)
    check(archive.volume(archive.instances(REF).head(50)), 50)
    assert None not in server.asked
    assert 8 <= server.most <= dn.Options().usual_workers == 16
    assert dn.Options(workers=4).usual_workers == 4


@pytest.mark.usefixtures("fast_line")
@pytest.mark.parametrize("workers", [1, 8])
def test_what_there_is_is_asked_beside_the_stream(raw, workers):
    """The stream begins before the search has its answer, also where one request is all."""
    server = SeriesServer(slices(40))
    begun = threading.Event()

    def respond(request):
        if workers > 1 and request.target.partition("?")[0].endswith("/instances"):
            assert begun.wait(60)
        return server(request)

    def fault(_, request, uid, count):
        begun.set()
        return

    server.fault = fault
    server.raw = raw(respond)
    archive = dn.connect(server.raw.url, options=dn.Options(workers=workers))
    check(archive.volume(REF), 40)
    assert server.asked == {None: 1}


@pytest.mark.parametrize("is_slow", [True, False])
def test_a_search_for_what_a_row_tells_is_made_only_for_a_slow_stream(raw, timed, is_slow):
    """A server that is slow to begin, but not in its answer, is not asked what there is."""
    timed(0.05, 0.1 if is_slow else 0.0005, lambda number, in_flight: 0.02 / in_flight)
    server = Remote(40, 0.02)
    row = pd.Series({"StudyInstanceUID": REF.study, "SeriesInstanceUID": REF.series,
                     "NumberOfSeriesRelatedInstances": 40})  # fmt: skip
    searched = []

    def respond(request):
        if request.target.partition("?")[0].endswith("/instances"):
            searched.append(request.target)
        return server(request)

    def fault(_, request, uid, count):
        return server.slowly(_, request, uid, count) if is_slow else None

    server.fault = fault
    check(dn.connect(raw(respond).url).volume(row), 40)
    assert bool(searched) is is_slow
    assert (len(server.asked) > 1) is is_slow


def test_a_search_that_fails_beside_the_stream_is_told(raw):
    server = SeriesServer(slices(40))

    def respond(request):
        if request.target.partition("?")[0].endswith("/instances"):
            return response(b"not here", status=403, kind=None)
        return server(request)

    archive = dn.connect(raw(respond).url)
    before = set(threading.enumerate())
    with pytest.raises(dn.AuthError):
        archive.volume(REF)
    added = set(threading.enumerate()) - before
    assert not [one for one in added if one.name.startswith("dicomnb")]


def test_a_stream_that_fails_ends_the_search_beside_it(raw):
    server = SeriesServer(slices(40))

    over, waited_in_vain = threading.Event(), []

    def respond(request):
        if request.target.partition("?")[0].endswith("/instances") and not over.wait(60):
            waited_in_vain.append(request.target)
        return server(request)

    server.fault = lambda _, request, uid, count: response(b"no", status=403, kind=None)
    archive = dn.connect(raw(respond).url)
    with pytest.raises(dn.AuthError):
        archive.volume(REF)
    over.set()
    assert not waited_in_vain
    assert not [one for one in threading.enumerate() if one.name.startswith("dicomnb-listing")]
