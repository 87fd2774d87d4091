"""How many requests are in flight: one count for all that uses a connection."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from dicomnb.pool import Cancel

__all__ = ["Slot", "Slots"]

_LOOK_SECONDS = 0.1
CALM_SECONDS = 1.0
"""After how long without a refusal one more request is tried, where a server refused some; twice
as long whenever that was refused again."""
_LONGEST_CALM = 64.0


class Slots:
    """A semaphore that a thread passes freely while it holds a slot already.

    Whoever walks over the parts of one answer and asks for something else in between would
    otherwise wait for themselves.

    There are fewer slots where the server refuses requests for being too many: as many as it
    took, and one more whenever it was calm for a while.

    Args:
        count: slots.
        clock: tells seconds.
    """

    def __init__(self, count: int, *, clock: Callable[[], float] = monotonic) -> None:
        self._most = count
        self._used = 0
        self._held: dict[int, int] = {}
        self._changed = threading.Condition()
        self._clock = clock
        self._lowest = count
        self._refused = 0.0
        self._calm = CALM_SECONDS

    @property
    def count(self) -> int:
        """How many there are now."""
        with self._changed:
            calm = self._clock() - self._refused
            return min(self._most, self._lowest + int(calm / self._calm))

    def acquire(self, cancel: Cancel | None = None) -> Slot:
        """Wait for a slot.

        Returns:
            What gives it back when it is called; a second call does nothing more.

        Raises:
            Cancelled: asked to stop while waiting.
        """
        slot = Slot(self)
        slot.again(cancel)
        return slot

    def take(self, thread: int, cancel: Cancel | None) -> bool:
        """Wait for a slot; whether it counts."""
        with self._changed:
            counted = not self._held.get(thread)
            while counted and self._used >= self.count:
                self._changed.wait(_LOOK_SECONDS)
                if cancel is not None:
                    cancel.check()
            self._used += counted
            self._held[thread] = self._held.get(thread, 0) + 1
        return counted

    def release(self, thread: int, counted: bool, *, refused: bool = False) -> None:
        """Give back what `take` took, from any thread."""
        with self._changed:
            self._held[thread] -= 1
            if not self._held[thread]:
                del self._held[thread]
            if counted:
                self._used -= 1
                if refused:
                    self._lower()
                self._changed.notify()

    def _lower(self) -> None:
        """Have no more in flight than are now."""
        count, now = self.count, self._clock()
        if count == self._most:
            self._calm = CALM_SECONDS
        elif count > self._lowest:  # what was tried in addition is refused again
            self._calm = min(2 * self._calm, _LONGEST_CALM)
        self._lowest, self._refused = max(1, min(count, self._used)), now


class Slot:
    """One slot, held until it is called."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._held: tuple[int, bool] | None = None

    def again(self, cancel: Cancel | None = None) -> None:
        """Wait for it, after it was given back.

        Raises:
            Cancelled: asked to stop while waiting.
        """
        thread = threading.get_ident()
        self._held = (thread, self._slots.take(thread, cancel))

    def refused(self) -> None:
        """Give it back, for the server took no more requests than the others that are in flight."""
        self._give(refused=True)

    def __call__(self) -> None:
        """Give it back."""
        self._give(refused=False)

    def _give(self, *, refused: bool) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._slots.release(*held, refused=refused)
