"""Slices of one size in one piece of memory: filled, put in order and rescaled in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.errors import LimitExceeded
from dicomnb.images.rescale import Rescale, rescale_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Stack", "rescaled"]

_UNKNOWN = 32  # slices, where nobody says how many will come
_TOUCH_BYTES = 4096
"""The smallest page of any usual system."""
_TOUCHES = 512
"""Of fewer values numpy sets all without letting other threads run."""


class Stack:
    """Raw slices, one after another, in memory that grows as they come.

    Views that `slice` gives are void once `grow`, `make_room`, `keep` or `convert` is called:
    these may move the memory.

    Args:
        rows: of a slice.
        columns: of a slice.
        itemsize: bytes of a stored value.
        expected: how many slices will come, or None.
        bound: bytes that the stack may take.
    """

    def __init__(
        self, rows: int, columns: int, itemsize: int, *, expected: int | None, bound: int
    ) -> None:
        self._plane = (rows, columns)
        self._itemsize = itemsize
        self._bytes = rows * columns * itemsize
        self._bound = bound
        self._capacity = max(min(expected or _UNKNOWN, bound // self._bytes), 1)
        if self._bytes > bound:
            self._refuse(self._bytes)
        self.count = 0
        self._free: list[int] = []
        try:
            self._memory = np.empty(self._capacity * self._bytes, np.uint8)
        except MemoryError as error:
            raise LimitExceeded(f"There is no memory for the volume: {error}") from error

    @property
    def is_full(self) -> bool:
        """Whether `grow` must come before the next `add`."""
        return self.count == self._capacity and not self._free

    def grow(self) -> None:
        """Make room for an eighth more, by moving pages rather than copying where that can be."""
        capacity = self._capacity + max(self._capacity // 8, 8)
        capacity = min(capacity, self._bound // self._bytes)
        if capacity <= self._capacity:
            self._refuse((self._capacity + 1) * self._bytes)
        self._resize(capacity * self._bytes)
        self._capacity = capacity

    def make_room(self, slices: int) -> None:
        """Have room for so many, if the bound allows; what is there is copied, nothing cleared."""
        capacity = min(slices, self._bound // self._bytes)
        if capacity <= self._capacity:
            return
        try:
            memory = np.empty(capacity * self._bytes, np.uint8)
        except MemoryError as error:
            raise LimitExceeded(f"There is no memory for the volume: {error}") from error
        used = self.count * self._bytes
        memory[:used] = self._memory[:used]
        self._memory, self._capacity = memory, capacity

    def add(self) -> int:
        """Take the next place; its number."""
        if self._free:
            return self._free.pop()
        self.count += 1
        return self.count - 1

    def free(self, place: int) -> None:
        """Give a place back that was not filled; `keep` drops those that nobody took since."""
        self._free.append(place)

    def touch(self, place: int) -> None:
        """Have the system clear the fresh pages of a place that is about to be filled.

        It does so when they are first written to, and may take as long for that as the line for
        what is written. numpy lets other threads run meanwhile; who fills the place would not.
        """
        start = place * self._bytes
        step = max(1, min(_TOUCH_BYTES, self._bytes // _TOUCHES))
        self._memory[start : start + self._bytes : step] = 0

    def slice(self, place: int, kind: np.dtype[Any]) -> np.ndarray[Any, Any]:
        """(rows, columns) view of a place, as values of ``kind``, one by one contiguous."""
        start = place * self._bytes
        return self._memory[start : start + self._bytes].view(kind).reshape(self._plane)

    def keep(self, order: Sequence[int]) -> None:
        """Put the slices of ``order`` in that order and drop the others, in place.

        Follows the cycles of the permutation, with one slice of scratch.
        """
        raw = self._memory.reshape(self._capacity, self._bytes)
        dropped = sorted(set(range(self.count)) - set(order))
        source = [*order, *dropped]
        done = [False] * len(source)
        for start in range(len(source)):
            if done[start] or source[start] == start:
                continue
            scratch = raw[start].copy()
            place = start
            while source[place] != start:
                raw[place] = raw[source[place]]
                done[place] = True
                place = source[place]
            raw[place] = scratch
            done[place] = True
        del raw
        self.count = self._capacity = len(order)
        self._free.clear()
        self._resize(self.count * self._bytes)

    def convert(
        self, stored: Sequence[np.dtype[Any]], by: Sequence[Rescale], kind: np.dtype[Any]
    ) -> np.ndarray[Any, Any]:
        """Rescale every slice, in place, and give the volume.

        Wider results are written from the last slice to the first, so that no slice is
        overwritten before it was read.

        Args:
            stored: the type of each slice's values.
            by: slope and intercept of each slice.
            kind: the type of the results, no narrower than the stored ones.

        Returns:
            (slices, rows, columns) of ``kind``; the stack is empty afterwards.
        """
        wide = kind.itemsize * self._plane[0] * self._plane[1]
        if wide != self._bytes:
            self._resize(self.count * wide)
        in_place = kind.kind != "f" and wide == self._bytes
        for place in reversed(range(self.count)):
            if in_place and by[place].is_identity:
                continue  # nothing to do, as for most series: see `Slice.left`
            values = self.slice(place, stored[place])
            target = self._memory[place * wide : (place + 1) * wide].view(kind)
            target = target.reshape(self._plane)
            if in_place:
                rescale_whole(target, by[place])
            elif not (values.dtype == kind and by[place].is_identity):
                target[...] = rescaled(values, by[place], kind)
        memory, self._memory = self._memory, np.empty(0, np.uint8)
        return memory.view(kind).reshape(self.count, *self._plane)

    def _resize(self, size: int) -> None:
        """Change the size of the memory without a second copy, where the system can."""
        if size == self._memory.size:
            return
        try:
            self._memory.resize(size, refcheck=False)
        except MemoryError as error:
            raise LimitExceeded(f"There is no memory for the volume: {error}") from error

    def _refuse(self, size: int) -> None:
        raise LimitExceeded(
            f"The volume would take {size:,} bytes or more; the limit is {self._bound:,}. Raise "
            "it with Options(limits=Limits(pixel_bytes=…))."
        )


def rescaled(
    values: np.ndarray[Any, Any], by: Rescale, kind: np.dtype[Any]
) -> np.ndarray[Any, Any]:
    """Rescale one slice into a new array of a type that holds the results."""
    if kind.kind == "f":
        if by.is_identity:
            return values.astype(kind)
        return (values.astype(np.float64) * by.slope + by.intercept).astype(kind)
    result = values.astype(kind)
    rescale_whole(result, by)
    return result
