"""Functional groups of enhanced objects: what holds for one frame (PS3.3 C.7.6.16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dicomnb.images.decode import frame_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import Dataset

__all__ = ["functional", "functional_items"]


def functional_items(dataset: Dataset, keyword: str, *, frame: int) -> Sequence[Dataset]:
    """The items of a functional group: the frame's own, else the shared ones, else none.

    Raises:
        ValueError: there is no such frame.
    """
    groups = dataset.get("PerFrameFunctionalGroupsSequence")
    shared = dataset.get("SharedFunctionalGroupsSequence")
    if groups:
        frame_numbers(frame, len(groups))
    for group in (groups[frame - 1] if groups else None, shared[0] if shared else None):
        items: Sequence[Dataset] | None = group.get(keyword) if group is not None else None
        if items:
            return items
    return ()


def functional(dataset: Dataset, keyword: str, *, frame: int) -> Dataset | None:
    """The first item of a functional group, or None; see `functional_items`."""
    items = functional_items(dataset, keyword, frame=frame)
    return items[0] if items else None
