"""Requests in flight are as many as were said, and fewer where the server takes no more."""

from __future__ import annotations

import threading
import time

import pytest

import dicomnb as dn
from dicomnb.refs import Ref
from dicomnb.web.slots import CALM_SECONDS, Slots
from tests.transfer.series_server import REF, SERIES, STUDY, SeriesServer, slices
from tests.web.raw_server import response, transport


def in_threads(count, work):
    """Results of ``work``, done by as many threads at once."""
    results, here = [], threading.Barrier(count, timeout=60)

    def run():
        here.wait()
        results.append(work())

    threads = [threading.Thread(target=run) for _ in range(count)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return results


def test_as_many_as_were_taken_stay_in_flight():
    now = 100.0
    slots = Slots(16, clock=lambda: now)
    held = in_threads(16, slots.acquire)
    for slot in held[:12]:
        slot.refused()
    assert slots.count == 4
    now += CALM_SECONDS / 2
    assert slots.count == 4
    now += CALM_SECONDS / 2
    assert slots.count == 5
    now += 3 * CALM_SECONDS
    assert slots.count == 8
    now += 100 * CALM_SECONDS
    assert slots.count == 16


def test_what_is_refused_again_and_again_is_tried_ever_more_rarely():
    now = 100.0
    slots = Slots(16, clock=lambda: now)
    for wait in (1, 2, 4, 8):
        held = in_threads(5, slots.acquire)
        held[0].refused()
        for slot in held:
            slot()
        assert slots.count == 4
        now += wait * CALM_SECONDS - 0.01
        assert slots.count == 4
        now += 0.02
        assert slots.count == 5


def test_one_is_always_left():
    slots = Slots(2, clock=lambda: 0.0)
    slot = slots.acquire()
    slot.refused()
    slot()  # given back already
    assert slots.count == 1
    slots.acquire()()
    assert slots.count == 1


def test_whoever_was_refused_waits_for_the_others():
    slots = Slots(2, clock=lambda: 0.0)
    first, second = in_threads(2, slots.acquire)
    second.refused()
    cancel = dn.Cancel()
    cancel.set()
    with pytest.raises(dn.Cancelled):
        second.again(cancel)
    first()
    second.again(cancel)
    second()


def test_one_within_another_takes_no_slot():
    slots = Slots(1, clock=lambda: 0.0)
    outer = slots.acquire()
    inner = slots.acquire()
    inner.refused()
    inner.again()
    inner()
    outer()
    slots.acquire(dn.Cancel())()


class Limited(SeriesServer):
    """Takes ``most`` requests at once and refuses the others, with a status or by hanging up."""

    def __init__(self, count: int, most: int, refusal: object) -> None:
        super().__init__(slices(count))
        self.lock = threading.Lock()
        self.most, self.flying, self.refused, self.refusal = most, 0, 0, refusal
        self.fault = self.limited

    def limited(self, server, request, uid, count):
        with self.lock:
            if self.flying >= self.most:
                self.refused += 1
                return self.refusal
            self.flying += 1
        if uid is None:
            return self.dripping()
        time.sleep(0.05)
        with self.lock:
            self.flying -= 1
        return None

    def dripping(self):
        try:
            body = self.answer(self.files)
            step = len(body) // len(self.files) + 1
            for start in range(0, len(body), step):
                time.sleep(0.1)
                yield body[start : start + step]
        finally:
            with self.lock:
                self.flying -= 1


@pytest.mark.parametrize(("status", "most"), [(429, 4), (503, 1)])
def test_a_server_that_takes_only_a_few_at_once(raw, status, most):
    """Nothing fails, and most of what is asked is not refused."""
    server = Limited(60, most, response(b"too many", status=status, kind=None, Retry_After="1"))
    archive = server.start(raw, workers=32)
    volume = archive.volume(REF)
    assert list(volume.array[:, 0, 0]) == list(range(60))
    assert 0 < server.refused < 50
    some = [Ref(STUDY, SERIES, uid) for uid in list(server.files)[:40]]
    server.asked.clear()
    assert len(list(archive.datasets(some))) == 40
    assert server.refused < 80


def test_a_refused_connection_counts_as_one_too_many(raw):
    server = raw(response(b"[]"))
    made = transport(server.url, workers=8)
    made.send("GET", "studies").close()
    server.close()
    with pytest.raises(dn.ConnectionFailed):
        made.send("GET", "studies")
    assert made._network.slots.count < 8
    with pytest.raises(dn.ConnectionFailed):  # it has given back what it held
        made.send("GET", "studies")


def test_an_error_of_another_kind_does_not(raw):
    made = transport(raw(response(b"", status=500)).url, workers=8)
    with pytest.raises(dn.ServerError):
        made.send("GET", "studies")
    assert made._network.slots.count == 8
