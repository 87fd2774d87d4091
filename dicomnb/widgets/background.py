"""Work beside the kernel: one thread a panel, its results told on the kernel's own loop."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from typing import TYPE_CHECKING, ClassVar, TypeVar

from dicomnb.errors import Cancelled
from dicomnb.pool import Cancel

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

__all__ = ["Background", "unless_cancelled"]

Result = TypeVar("Result")


class Background:
    """Does one piece of work after the other in a thread, which ends when there is none.

    What work tells is called on the loop of the kernel, in order. Without a running loop (a
    script, a test) it is called by `wait`.

    Args:
        name: of the thread, for who looks at a stuck kernel.
        failed: told, as everything is, of an error that work raised.

    Attributes:
        turn: held while something is told. Messages of a page may be answered in another
            thread than that of the loop (JupyterLab's subshells): who holds it meanwhile has
            both come one after the other. It is the same for all, since panels set one
            another's traits: two of them, each in its own turn, would wait for each other for
            ever. Work never waits for it.
    """

    turn: ClassVar[AbstractContextManager[object]] = threading.RLock()

    def __init__(self, name: str, failed: Callable[[BaseException], None]) -> None:
        self._name = name
        self._failed = failed
        self._lock = threading.Lock()
        self._work: deque[tuple[Callable[[Cancel], None], Cancel]] = deque()
        self._told: deque[Callable[[], None]] = deque()
        self._thread: threading.Thread | None = None
        self._cancel = Cancel()
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None

    def run(self, work: Callable[[Cancel], None]) -> Cancel:
        """Do this after what was asked for before; nothing after `stop`.

        Returns:
            a token that gives up this piece of work alone, begun or not.
        """
        cancel = Cancel(self._cancel)
        with self._lock:
            if self._cancel.is_set:
                return cancel
            self._work.append((work, cancel))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
        return cancel

    def tell(self, function: Callable[[], None]) -> None:
        """Call this on the kernel's loop, in the order of the calls."""
        self._told.append(function)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._deliver)

    def wait(self) -> None:
        """Until all work is done and told, and what was begun by that; for scripts and tests."""
        while self._thread is not None or self._told:
            if (thread := self._thread) is not None:
                thread.join()
            self._deliver()

    def stop(self) -> None:
        """Give up what is being done, what waits, and what was not told yet."""
        with self._lock:
            self._cancel.set()
            self._work.clear()
        with self.turn:
            self._told.clear()

    def _deliver(self) -> None:
        while True:
            with self.turn:
                if not self._told:
                    return
                self._told.popleft()()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._work:
                    self._thread = None
                    return
                work, cancel = self._work.popleft()
            try:
                work(cancel)
            except Cancelled:
                continue
            except Exception as error:  # noqa: BLE001 - whatever it is, a person must see it
                self._complain(error)

    def _complain(self, error: BaseException) -> None:
        self.tell(lambda: self._failed(error))


def unless_cancelled(
    work: Callable[[], Result], cancel: Cancel, *, late: Callable[[Result], object] | None = None
) -> Result:
    """The result of work, or `Cancelled` as soon as that is asked for.

    For what cannot be broken off from outside: looking up a host's name, a token server, a
    folder on a drive that does not answer. Given up, it goes on to its end in a thread of its
    own, and nobody waits for it.

    Args:
        work: what takes time.
        cancel: gives up waiting.
        late: is given a result that came when nobody waited any more, from that thread.
    """
    lock, ready = threading.Lock(), threading.Event()
    results: list[Result] = []
    errors: list[BaseException] = []
    is_given_up = False

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            errors.append(error)
        else:
            with lock:
                if not is_given_up:
                    results.append(result)
            if not results and late is not None:
                late(result)
        ready.set()

    forget = cancel.when_set(ready.set)
    here = contextvars.copy_context()  # in which warnings are heard
    threading.Thread(target=here.run, args=(run,), name="dicomnb-unbreakable", daemon=True).start()
    ready.wait()
    forget()
    with lock:
        is_given_up = not results
    if results:
        return results[0]
    cancel.check()
    raise errors.pop()
