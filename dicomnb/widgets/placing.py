"""Where each frame of a data set lies in the patient, as far as the file says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.errors import DecodeError
from dicomnb.images.headers import SliceHeader, numbers, shallow
from dicomnb.volumes.frames import FrameView, frames_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom.dataset import Dataset

    from dicomnb.images.headers import Attributes

__all__ = ["affine_of", "common_spacing", "views_of"]

Array = np.ndarray[Any, Any]


def views_of(dataset: Dataset, frames: int) -> tuple[list[FrameView], Dataset, str]:
    """Each frame's attributes, and what may be read of all of them.

    Returns:
        A view a frame; the header for values, windows and units; and what is wrong with it in
        words, or ``""``. Where functional groups are damaged, no frame has a place, and values
        are those that all frames share: the pixels can be looked at all the same.
    """
    try:
        return frames_of(dataset, frames), dataset, ""
    except DecodeError as error:
        header = shallow(dataset)
        if "PerFrameFunctionalGroupsSequence" in header:
            del header.PerFrameFunctionalGroupsSequence
        nowhere = {"ImagePositionPatient": None, "ImageOrientationPatient": None}
        plain = [FrameView(header, place + 1, given=nowhere) for place in range(frames)]
        return plain, header, str(error)


def affine_of(view: Attributes) -> Array | None:
    """(0, row, column, 1) → LPS mm of one frame (PS3.3 C.7.6.2.1.1), or None."""
    header, spacing = SliceHeader.of(view), _spacing(view)
    if not header.has_place or spacing is None:
        return None
    directions = np.asarray(header.orientation)
    along_row, along_column = directions[:3], directions[3:]
    affine = np.eye(4)
    affine[:3, 0] = np.cross(along_row, along_column)
    affine[:3, 1] = along_column * spacing[0]
    affine[:3, 2] = along_row * spacing[1]
    affine[:3, 3] = header.position
    return affine


def common_spacing(views: Sequence[Attributes]) -> tuple[float, float] | None:
    """Mm between rows and between columns, where all frames agree; else None."""
    found = {_spacing(view) for view in views}
    return found.pop() if len(found) == 1 else None


def _spacing(view: Attributes) -> tuple[float, float] | None:
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        pair = numbers(view, keyword, 2)
        if pair and min(pair) > 0:
            return (pair[0], pair[1])
    return None
