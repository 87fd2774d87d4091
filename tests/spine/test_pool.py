"""Side by side: order, first error, cancel, and no thread left behind."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from dicomnb.errors import Cancelled, DicomnbWarning, heard, warn
from dicomnb.pool import Cancel, closed_after, side_by_side, streams
from tests.conftest import SECONDS


def own_threads() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name.startswith("dicomnb_")]


@pytest.fixture(autouse=True)
def none_of_others() -> None:
    """Those of another file's tests may be at their end still."""
    end = time.monotonic() + SECONDS
    while own_threads() and time.monotonic() < end:
        time.sleep(0.01)


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_results_come_in_order(workers: int) -> None:
    def work(number: int, cancel: Cancel) -> int:
        time.sleep(0.002 * (number % 3))
        return number * number

    assert list(side_by_side(work, range(50), workers=workers)) == [n * n for n in range(50)]
    unordered = side_by_side(work, range(50), workers=workers, ordered=False)
    assert sorted(unordered) == [n * n for n in range(50)]


def test_they_really_run_side_by_side() -> None:
    meeting = threading.Barrier(4, timeout=SECONDS)
    assert list(side_by_side(lambda n, _: meeting.wait() >= 0, range(4), workers=4)) == [True] * 4


@pytest.mark.parametrize("workers", [1, 4])
def test_first_error_stops_the_rest(workers: int) -> None:
    begun: list[int] = []

    def work(number: int, cancel: Cancel) -> int:
        begun.append(number)
        if number == 3:
            raise ValueError("third")
        cancel.wait(0.005)
        return number

    with pytest.raises(ValueError, match="third"):
        list(side_by_side(work, range(1000), workers=workers))
    assert len(begun) < 50
    assert not own_threads()


def test_error_of_a_later_item_does_not_wait_for_its_turn() -> None:
    def work(number: int, cancel: Cancel) -> None:
        if number == 0:
            cancel.wait(SECONDS)  # until it is told to stop
            raise AssertionError("The other one waited.")
        raise ValueError("later")

    with pytest.raises(ValueError, match="later"):
        list(side_by_side(work, range(2), workers=2))


def test_cancel_from_outside() -> None:
    cancel = Cancel()

    def work(number: int, inner: Cancel) -> int:
        if number == 5:
            cancel.set()
        inner.wait(0.001)
        return number

    with pytest.raises(Cancelled):
        list(side_by_side(work, range(1000), workers=4, cancel=cancel))
    assert not own_threads()


def test_closing_early_leaves_no_thread() -> None:
    results = side_by_side(lambda n, cancel: n, range(1000), workers=4)
    assert next(results) == 0
    with closed_after(results):
        pass
    assert not own_threads()


def test_results_that_wait_for_the_caller_are_bounded() -> None:
    begun: list[int] = []
    results = side_by_side(lambda n, cancel: begun.append(n), range(1000), workers=2)
    next(results)
    time.sleep(0.05)
    assert len(begun) <= 8
    with closed_after(results):
        pass


def test_items_that_fail_to_come() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(side_by_side(lambda n, cancel: n, items(), workers=3))
    assert not own_threads()


def test_a_wait_ends_when_cancelled() -> None:
    parent = Cancel()
    child = Cancel(parent)
    threading.Timer(0.05, parent.set).start()
    started = time.monotonic()
    with pytest.raises(Cancelled):
        child.wait(4 * SECONDS)
    assert time.monotonic() - started < SECONDS
    assert child.is_set
    Cancel().wait(0.001)
    with pytest.raises(Cancelled):
        parent.check()


def test_what_cannot_be_closed_is_let_be() -> None:
    with closed_after(iter([1, 2])) as numbers:
        assert list(numbers) == [1, 2]


def test_waiting_for_a_slow_one_costs_nothing() -> None:
    """Finished ones that wait for their turn must not keep the caller busy."""

    def work(number: int, cancel: Cancel) -> int:
        time.sleep(1.0 if number == 0 else 0.0)
        return number

    before = time.process_time()
    assert list(side_by_side(work, range(6), workers=3)) == list(range(6))
    assert time.process_time() - before < 0.4


# Streams


def test_streams_come_in_order_and_wait_for_their_turn() -> None:
    """However much each gives, only a few results of each are held."""
    ahead: Counter[int] = Counter()

    def numbers(item: int, cancel: Cancel) -> Iterator[tuple[int, int]]:
        for number in range(50):
            ahead[item] += 1
            yield item, number

    found = streams(numbers, range(6), workers=3)
    taken = list(itertools.islice(found, 10))
    assert taken == [(0, number) for number in range(10)]
    time.sleep(0.3)
    assert ahead[1] <= 4
    assert ahead[5] <= 4
    assert taken + list(found) == [(item, number) for item in range(6) for number in range(50)]


def test_an_error_in_a_later_stream_stops_the_first() -> None:
    def numbers(item: int, cancel: Cancel) -> Iterator[int]:
        if item == 3:
            raise ValueError("three")
        while True:
            time.sleep(0.01)
            yield item

    with pytest.raises(ValueError, match="three"):
        for _ in streams(numbers, range(4), workers=4):
            pass


def test_a_stream_that_is_left_closes_all_and_leaves_no_thread() -> None:
    closed: list[int] = []

    def numbers(item: int, cancel: Cancel) -> Iterator[int]:
        try:
            while True:
                yield item
        finally:
            closed.append(item)

    found = streams(numbers, range(3), workers=3)
    assert next(found) == 0
    found.close()  # type: ignore[attr-defined]
    assert sorted(closed) == [0, 1, 2]
    assert not own_threads()
    assert list(streams(numbers, [], workers=3)) == []


def test_one_worker_runs_through_streams_in_the_thread_of_the_caller() -> None:
    """A thread would wait for a slot that the caller may hold."""
    closed: list[int] = []

    def threads(item: int, cancel: Cancel) -> Iterator[tuple[int, int]]:
        try:
            yield item, threading.get_ident()
        finally:
            closed.append(item)

    here = threading.get_ident()
    assert list(streams(threads, range(3), workers=1)) == [(0, here), (1, here), (2, here)]
    assert closed == [0, 1, 2]


@pytest.mark.parametrize("workers", [1, 2])
def test_cancelled_streams_stop(workers: int) -> None:
    cancel = Cancel()

    def numbers(item: int, inner: Cancel) -> Iterator[int]:
        while True:
            yield item

    found = streams(numbers, range(2), workers=workers, cancel=cancel)
    assert next(found) == 0
    cancel.set()
    with pytest.raises(Cancelled):
        list(found)


def test_who_listens_to_warnings_hears_those_of_the_threads() -> None:
    def work(number: int, cancel: Cancel) -> None:
        warn(f"{number} is odd")

    def stream(number: int, cancel: Cancel) -> Iterator[int]:
        work(number, cancel)
        yield number

    with heard() as words:
        list(side_by_side(work, range(3), workers=2))
        list(streams(stream, range(3, 5), workers=2))
    assert sorted(words) == [f"{number} is odd" for number in range(5)]
    with pytest.warns(DicomnbWarning, match="7 is odd"):
        work(7, Cancel())


def test_the_window_may_grow_and_is_kept_full() -> None:
    size = 1
    begun: list[int] = []
    results = side_by_side(
        lambda n, cancel: begun.append(n), itertools.count(), workers=8, window=lambda: size
    )
    with closed_after(results):
        next(results)
        assert begun == [0]
        size = 5
        next(results)
        # What comes next is begun before the caller asks for it, but never more than five.
        deadline = time.monotonic() + SECONDS
        while len(begun) < 6 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert sorted(begun) == [0, 1, 2, 3, 4, 5]
    assert not own_threads()
