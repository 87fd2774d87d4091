"""The outlines of a mask, as closed lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["outlines"]


def outlines(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Walk around every region of a mask, along the edges of its pixels.

    Args:
        mask: (rows, columns).

    Returns:
        A line a region: (n, 2), row and column, where a pixel's centre has whole numbers and
        its edges lie half a pixel off. The line ends where it began, which is not repeated;
        points on a straight stretch are left out. Holes are lines too.
    """
    padded = np.pad(mask, 1).astype(np.int8)
    follow: dict[tuple[int, int], list[tuple[int, int]]] = {}
    # every edge between in and out, with the inside on its right
    for axis, ends in ((0, ((0, 0), (0, 1))), (1, ((0, 0), (1, 0)))):
        change = np.diff(padded, axis=axis)
        for row, column in np.argwhere(change):
            corner = (int(row) + (axis == 0), int(column) + (axis == 1))
            start = corner
            end = (corner[0] + ends[1][0], corner[1] + ends[1][1])
            if (change[row, column] < 0) == (axis == 0):
                start, end = end, start
            follow.setdefault(start, []).append(end)
    lines = []
    while follow:
        lines.append(_walk(follow))
    return lines


def _walk(follow: dict[tuple[int, int], list[tuple[int, int]]]) -> NDArray[np.float64]:
    """Take one closed line out of the edges."""
    first = next(iter(follow))
    line, here, before = [], first, None
    while True:
        nexts = follow[here]
        step = nexts.pop(_sharpest(before, here, nexts))
        if not nexts:
            del follow[here]
        if before is None or (step[0] - here[0], step[1] - here[1]) != (
            here[0] - before[0],
            here[1] - before[1],
        ):
            line.append(here)
        before, here = here, step
        if here == first:
            break
    return np.array(line, dtype=np.float64) - 1.5


def _sharpest(
    before: tuple[int, int] | None, here: tuple[int, int], nexts: list[tuple[int, int]]
) -> int:
    """Where two regions touch at a corner, stay with the one that is being walked around."""
    if len(nexts) == 1 or before is None:
        return 0
    come = (here[0] - before[0], here[1] - before[1])
    turns = [come[0] * (step[1] - here[1]) - come[1] * (step[0] - here[0]) for step in nexts]
    return turns.index(min(turns))
