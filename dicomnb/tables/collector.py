"""Python's cyclic garbage collector, paused around the parse of a page.

A large parse makes hundreds of thousands of objects and no cycles; the collector walks them
again and again and takes most of the time. The switch belongs to the process, so pauses are
counted over all threads.
"""

from __future__ import annotations

import gc
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["collector_paused"]


class _Pauses:
    """How many parses are going on, and whether the collector was running before the first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._was_enabled = False

    def begin(self) -> None:
        with self._lock:
            if self._count == 0:
                self._was_enabled = gc.isenabled()
                gc.disable()
            self._count += 1

    def end(self) -> None:
        with self._lock:
            self._count -= 1
            if self._count == 0 and self._was_enabled:
                gc.enable()


_PAUSES = _Pauses()


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the collector; never hold this across input or output.

    It runs again when the last of several overlapping pauses ends, also on an error. If the
    user had switched it off, it stays off.
    """
    _PAUSES.begin()
    try:
        yield
    finally:
        _PAUSES.end()
