"""Side by side: order, first error, cancel, and no thread left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from dicomnb.errors import Cancelled
from dicomnb.pool import Cancel, closed_after, side_by_side


def own_threads() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name.startswith("dicomnb_")]


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_results_come_in_order(workers: int) -> None:
    def work(number: int, cancel: Cancel) -> int:
        time.sleep(0.002 * (number % 3))
        return number * number

    assert list(side_by_side(work, range(50), workers=workers)) == [n * n for n in range(50)]
    unordered = side_by_side(work, range(50), workers=workers, ordered=False)
    assert sorted(unordered) == [n * n for n in range(50)]


def test_they_really_run_side_by_side() -> None:
    meeting = threading.Barrier(4, timeout=5)
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
    release = threading.Event()

    def work(number: int, cancel: Cancel) -> None:
        if number == 0:
            while not release.is_set():
                cancel.wait(0.01)
        raise ValueError("later")

    started = time.monotonic()
    with pytest.raises(ValueError, match="later"):
        list(side_by_side(work, range(2), workers=2))
    assert time.monotonic() - started < 5


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
        child.wait(30)
    assert time.monotonic() - started < 5
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
