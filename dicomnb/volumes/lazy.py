"""`LazyArray`: an array whose slices are fetched when they are looked at."""

from __future__ import annotations

import math
import operator
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.errors import LimitExceeded
from dicomnb.pool import closed_after, side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Array = np.ndarray[Any, Any]

__all__ = ["LazyArray"]


class LazyArray:
    """(slices, rows, columns) or (stacks, slices, rows, columns), of which little is in memory.

    Indexing gives plain arrays and fetches the slices that it needs, side by side; the last
    ones looked at are kept, up to a number of bytes; those of a cut through more than that are
    not. ``np.asarray`` loads all. Values cannot be set. It may be used by several threads, and
    pickles without what it keeps.

    Args:
        load: gives slice n, (rows, columns) of ``dtype``; numbers count through the stacks.
        shape: of the whole.
        dtype: of a value.
        keep: bytes of slices that are kept.
        bound: bytes that one result may take.
        workers: how many slices are fetched at a time.
    """

    def __init__(
        self,
        load: Callable[[int], Array],
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        *,
        keep: int,
        bound: int,
        workers: int = 1,
    ) -> None:
        self.shape = shape
        self.dtype = dtype
        self._load = load
        self._keep = keep
        self._bound = bound
        self._workers = workers
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, Array] = OrderedDict()
        self._bytes = 0

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that the whole would take."""
        return self.size * self.dtype.itemsize

    @property
    def bytes_kept(self) -> int:
        """Bytes of the slices in memory."""
        return self._bytes

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Array]:
        return (self[place] for place in range(len(self)))

    def __getitem__(self, index: Any) -> Array:
        """Fetch a part of the array.

        Args:
            index: whole numbers, slices and ``...``; for the slices' own axes also lists of
                whole numbers; within a slice whatever numpy takes.

        Raises:
            IndexError: outside, or an index that would need all slices: load them first with
                ``np.asarray``.
            LimitExceeded: the result is larger than the limits allow.
        """
        ahead = self.ndim - 2
        parts = _whole(index, self.ndim)
        _refuse_mixed(parts, ahead)
        wanted = [_numbers(part, n) for part, n in zip(parts[:ahead], self.shape, strict=False)]
        outer = tuple(len(numbers) for numbers, many in wanted if many)
        grid = np.arange(math.prod(self.shape[:ahead])).reshape(self.shape[:ahead])
        flat = grid[np.ix_(*[numbers for numbers, _ in wanted])].ravel().tolist()
        inner = parts[ahead:]
        sample = np.empty(self.shape[ahead:], np.bool_)[inner]
        self._check(len(flat) * sample.size)
        result = np.empty((len(flat), *np.shape(sample)), self.dtype)
        for place, plane in self._planes(flat):
            result[place] = plane[inner]
        final: Array = result.reshape((*outer, *np.shape(sample)))
        return final[()] if final.ndim == 0 else final

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("A lazy array is fetched: it cannot be had without a copy.")
        return np.asarray(self[...], dtype=dtype)

    def __repr__(self) -> str:
        return f"<LazyArray {self.shape} {self.dtype}, {self._bytes:,} bytes in memory>"

    def __getstate__(self) -> dict[str, Any]:
        state = {**self.__dict__, "_kept": OrderedDict(), "_bytes": 0}
        del state["_lock"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def _planes(self, numbers: Sequence[int]) -> Iterator[tuple[int, Array]]:
        """Each slice asked for, in any order, with its place among them."""
        missing = []
        for place, number in enumerate(numbers):
            found = self._remembered(number)
            if found is None:
                missing.append((place, number))
            else:
                yield place, found
        # A cut through more than can be kept would only push out what was looked at.
        size = math.prod(self.shape[-2:]) * self.dtype.itemsize
        keep = len(missing) * size <= self._keep
        if len(missing) < 2 or self._workers < 2:
            for place, number in missing:
                yield place, self._fetched(number, keep=keep)
            return

        def fetch(job: tuple[int, int], _: object) -> tuple[int, Array]:
            return job[0], self._fetched(job[1], keep=keep)

        every = side_by_side(fetch, missing, workers=self._workers, ordered=False)
        with closed_after(every):
            yield from every

    def _remembered(self, number: int) -> Array | None:
        with self._lock:
            found = self._kept.get(number)
            if found is not None:
                self._kept.move_to_end(number)
            return found

    def _fetched(self, number: int, *, keep: bool) -> Array:
        """Load a slice and keep it, dropping those that were not looked at for longest."""
        plane = self._load(number)
        plane.flags.writeable = False
        if not keep:
            return plane
        with self._lock:
            if number not in self._kept and plane.nbytes <= self._keep:
                self._kept[number] = plane
                self._bytes += plane.nbytes
            while self._bytes > self._keep:
                _, old = self._kept.popitem(last=False)
                self._bytes -= old.nbytes
        return plane

    def _check(self, values: int) -> None:
        size = values * self.dtype.itemsize
        if size > self._bound:
            raise LimitExceeded(
                f"This part of the volume takes {size:,} bytes; the limit is {self._bound:,}. "
                "Look at fewer slices at a time, or raise it with "
                "Options(limits=Limits(pixel_bytes=…))."
            )


def _whole(index: Any, ndim: int) -> tuple[Any, ...]:
    """An index for every axis."""
    parts = index if isinstance(index, tuple) else (index,)
    if any(part is None for part in parts):
        raise IndexError("A lazy array takes no new axes: index it, then add them.")
    dots = [at for at, part in enumerate(parts) if part is Ellipsis]
    if len(dots) > 1:
        raise IndexError("An index has one '...' at most.")
    at = dots[0] if dots else len(parts)
    given = len(parts) - len(dots)
    if given > ndim:
        raise IndexError(f"Too many indices: {given} for {ndim} axes.")
    return (*parts[:at], *[slice(None)] * (ndim - given), *parts[at + len(dots) :])


def _refuse_mixed(parts: tuple[Any, ...], ahead: int) -> None:
    """Lists on several axes, or beside numbers, mean to numpy what slices cannot be fetched by."""
    arrays = [not isinstance(part, slice) and np.ndim(part) > 0 for part in parts]
    others = [not isinstance(part, slice) for part in parts]
    if (any(arrays[:ahead]) and sum(others) > 1) or (any(arrays[ahead:]) and any(others[:ahead])):
        raise IndexError(
            "A lazy array takes a list on one axis, with slices on the others; for other ways "
            "load it first: np.asarray(volume)."
        )


def _numbers(part: Any, count: int) -> tuple[list[int], bool]:
    """Which slices an index means, and whether it leaves an axis."""
    if isinstance(part, slice):
        return list(range(*part.indices(count))), True
    many = isinstance(part, list | range) or (isinstance(part, np.ndarray) and part.ndim == 1)
    if many and np.asarray(part).dtype.kind == "b":
        if len(part) != count:
            raise IndexError(f"A mask of {len(part)} for {count} slices.")
        return np.flatnonzero(part).tolist(), True
    try:
        numbers = [operator.index(one) for one in (part if many else [part])]
    except TypeError as error:
        raise IndexError(
            "A lazy array takes whole numbers, slices and lists of numbers for its slices; for "
            "other ways load it first: np.asarray(volume)."
        ) from error
    for number in numbers:
        if not -count <= number < count:
            raise IndexError(f"There is no slice {number}: there are {count}.")
    return [number % count for number in numbers], many
