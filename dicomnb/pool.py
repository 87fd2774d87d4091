"""Work side by side: in order, first error stops the rest, and it can be cancelled."""

from __future__ import annotations

import contextlib
import contextvars
import itertools
import queue
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar

from dicomnb.errors import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = ["Cancel", "closed_after", "side_by_side", "streams"]

Item = TypeVar("Item")
Result = TypeVar("Result")
Given = ParamSpec("Given")
_LOOK_SECONDS = 0.5
"""How long work may go on before it is looked whether it is to stop."""


@contextlib.contextmanager
def closed_after(iterator: Iterator[Item]) -> Iterator[Iterator[Item]]:
    """Close an iterator at the end of a ``with`` block: it frees what it holds."""
    try:
        yield iterator
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            close()


class Cancel:
    """A token that one thread sets and the working ones look at.

    Args:
        parent: a token that cancels this one as well.
    """

    def __init__(self, parent: Cancel | None = None) -> None:
        self._event = threading.Event()
        self._parent = parent
        self._lock = threading.RLock()
        self._calls: dict[object, Callable[[], None]] = {}

    def set(self) -> None:
        """Ask for the work to stop."""
        with self._lock:
            self._event.set()
            for call in list(self._calls.values()):
                call()

    def when_set(self, function: Callable[[], None]) -> Callable[[], None]:
        """Have ``function`` called by `set`, from its thread, to break what would block.

        It is called at once where the work should stop already, and perhaps more than once.
        It must be quick and must not raise.

        Returns:
            What forgets it again: after that, it is neither called nor running.
        """
        key = object()
        chain = [self]
        while (above := chain[-1]._parent) is not None:
            chain.append(above)
        for one in chain:
            with one._lock:
                one._calls[key] = function
        if self.is_set:
            function()

        def forget() -> None:
            for one in chain:
                with one._lock:
                    one._calls.pop(key, None)

        return forget

    @property
    def is_set(self) -> bool:
        """Whether the work should stop."""
        return self._event.is_set() or (self._parent is not None and self._parent.is_set)

    def check(self) -> None:
        """Stop here if asked to.

        Raises:
            Cancelled: `set` was called.
        """
        if self.is_set:
            raise Cancelled("Stopped on request; what was finished before is kept.")

    def wait(self, seconds: float) -> None:
        """Sleep, but no longer than until `set`; then `check`."""
        if self._parent is None:
            self._event.wait(seconds)
        else:
            left = seconds
            while left > 0 and not self.is_set:
                self._event.wait(min(left, 0.05))
                left -= 0.05
        self.check()


def side_by_side(
    function: Callable[[Item, Cancel], Result],
    items: Iterable[Item],
    *,
    workers: int,
    cancel: Cancel | None = None,
    ordered: bool = True,
    window: Callable[[], int] | None = None,
) -> Iterator[Result]:
    """Call ``function(item, cancel)`` for every item in threads and yield the results.

    At most ``2 × workers`` results wait for the caller, so memory stays bounded. The first
    error cancels the rest, waits for it, and is raised. So does closing the iterator or
    Ctrl-C: no thread stays behind.

    Args:
        workers: threads; 1 works in the caller's own.
        cancel: from outside; each call is handed a token below it.
        ordered: results in the order of ``items``, or as they are ready.
        window: tells how many are under way or wait for the caller; asked anew each time.
    """
    inner = Cancel(cancel)
    if workers <= 1:
        for item in items:
            inner.check()
            yield function(item, inner)
        return
    executor = ThreadPoolExecutor(workers, thread_name_prefix="dicomnb")
    try:
        size = window or (lambda: 2 * workers)
        yield from _windowed(executor, function, iter(items), inner, size, ordered)
    finally:
        inner.set()
        executor.shutdown(wait=True, cancel_futures=True)


def _windowed(
    executor: ThreadPoolExecutor,
    function: Callable[[Item, Cancel], Result],
    items: Iterator[Item],
    cancel: Cancel,
    window: Callable[[], int],
    ordered: bool,
) -> Iterator[Result]:
    waiting: deque[Future[Result]] = deque()
    running: set[Future[Result]] = set()
    finished: queue.SimpleQueue[Future[Result]] = queue.SimpleQueue()

    def fill() -> None:
        for item in itertools.islice(items, max(0, window() - len(waiting))):
            future = executor.submit(_here(function), item, cancel)
            waiting.append(future)
            running.add(future)
            future.add_done_callback(finished.put)

    while True:
        fill()
        if not waiting:
            return
        cancel.check()
        # Any failure stops all, also one whose turn has not come. Only what still runs is
        # waited for: a finished one that waits for its turn would end every wait at once.
        done = _all_in(finished)
        for future in done:
            running.discard(future)
            if (error := future.exception()) is not None:
                raise error
        if ordered:
            while waiting and waiting[0] not in running:
                yield waiting.popleft().result()
                fill()
        else:
            for future in done:
                waiting.remove(future)
                yield future.result()


def _all_in(finished: queue.SimpleQueue[Item]) -> list[Item]:
    """What a queue holds, once it holds anything; nothing where that takes long."""
    found: list[Item] = []
    with contextlib.suppress(queue.Empty):
        found.append(finished.get(timeout=_LOOK_SECONDS))
        while True:
            found.append(finished.get_nowait())
    return found


def _here(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """The function as it would run here: who listens to warnings does so in threads as well."""
    context = contextvars.copy_context()
    return lambda *given, **named: context.run(function, *given, **named)


class _End:
    """What follows the last result of a stream."""


_END = _End()


@dataclass(frozen=True)
class _Running(Generic[Result]):
    """An iterator that a thread runs through, and where it puts its results."""

    future: Future[None]
    results: queue.Queue[Result | _End]


def streams(
    function: Callable[[Item, Cancel], Iterator[Result]],
    items: Iterable[Item],
    *,
    workers: int,
    ahead: int = 2,
    cancel: Cancel | None = None,
) -> Iterator[Result]:
    """Run through the iterators ``function(item, cancel)`` in threads, and yield what they give.

    Results come in the order of ``items``. An iterator waits when it is ``ahead`` results
    before its turn, so memory stays bounded however much each gives. Errors, closing and
    Ctrl-C as in `side_by_side`; so is one worker, who needs no thread.
    """
    inner = Cancel(cancel)
    if workers <= 1:
        for item in items:
            with closed_after(function(item, inner)) as found:
                for result in found:
                    inner.check()
                    yield result
        return

    def run(item: Item, results: queue.Queue[Result | _End]) -> None:
        with closed_after(function(item, inner)) as found:
            for result in found:
                _put(results, result, inner)
        _put(results, _END, inner)

    executor = ThreadPoolExecutor(workers, thread_name_prefix="dicomnb")
    try:
        left = iter(items)
        running: deque[_Running[Result]] = deque()
        while True:
            for item in itertools.islice(left, 2 * workers - len(running)):
                results: queue.Queue[Result | _End] = queue.Queue(ahead)
                running.append(_Running(executor.submit(_here(run), item, results), results))
            if not running:
                return
            yield from _taken(running, inner)
            running.popleft()
    finally:
        inner.set()
        executor.shutdown(wait=True, cancel_futures=True)


def _put(results: queue.Queue[Result | _End], result: Result | _End, cancel: Cancel) -> None:
    """Hand a result over as soon as there is room."""
    while True:
        cancel.check()
        with contextlib.suppress(queue.Full):
            results.put(result, timeout=0.1)
            return


def _taken(running: Sequence[_Running[Result]], cancel: Cancel) -> Iterator[Result]:
    """The first stream to its end; any failure stops all, also of one whose turn has not come."""
    first = running[0]
    while True:
        cancel.check()
        for one in running:
            if one.future.done():
                one.future.result()
        try:
            result = first.results.get(timeout=0.1)
        except queue.Empty:
            continue
        if isinstance(result, _End):
            return
        yield result
