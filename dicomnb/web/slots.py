"""How many requests are in flight: one count for all that uses a connection."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from dicomnb.pool import Cancel

__all__ = ["Slots"]

_LOOK_SECONDS = 0.1


class Slots:
    """A semaphore that a thread passes freely while it holds a slot already.

    Whoever walks over the parts of one answer and asks for something else in between would
    otherwise wait for themselves.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._held: dict[int, int] = {}
        self._changed = threading.Condition()

    def acquire(self, cancel: Cancel | None = None) -> Callable[[], None]:
        """Wait for a slot.

        Returns:
            What gives it back; calling it twice does nothing more.

        Raises:
            Cancelled: asked to stop while waiting.
        """
        thread = threading.get_ident()
        with self._changed:
            counted = not self._held.get(thread)
            while counted and self._free < 1:
                self._changed.wait(_LOOK_SECONDS)
                if cancel is not None:
                    cancel.check()
            if counted:
                self._free -= 1
            self._held[thread] = self._held.get(thread, 0) + 1
        return _Release(self, thread, counted)

    def release(self, thread: int, counted: bool) -> None:
        """Give back what `acquire` took, from any thread."""
        with self._changed:
            self._held[thread] -= 1
            if not self._held[thread]:
                del self._held[thread]
            if counted:
                self._free += 1
                self._changed.notify()


class _Release:
    def __init__(self, slots: Slots, thread: int, counted: bool) -> None:
        self._slots: Slots | None = slots
        self._thread = thread
        self._counted = counted

    def __call__(self) -> None:
        slots, self._slots = self._slots, None
        if slots is not None:
            slots.release(self._thread, self._counted)
