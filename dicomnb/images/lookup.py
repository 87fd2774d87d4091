"""Look-up tables of grey values (PS3.3 C.11.1.1.1, C.11.2.1.1, C.11.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.errors import DecodeError
from dicomnb.images.pixels import name_of

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["look_up"]


def look_up(
    array: np.ndarray[Any, Any], item: Dataset, dataset: Dataset
) -> tuple[np.ndarray[Any, Any], int]:
    """Apply a Modality, VOI or Presentation LUT.

    Args:
        array: whole numbers of any shape; those before the first entry take its value, those
            after the last that one's.
        item: of the sequence that holds the table.
        dataset: that the item belongs to; tells the byte order.

    Returns:
        The entries, uint8 or uint16 of the same shape, and how many bits they have.

    Raises:
        DecodeError: the table is missing or damaged.
    """
    descriptor = item.get("LUTDescriptor")
    data = item.get("LUTData")
    if descriptor is None or len(descriptor) != 3 or data is None:
        raise DecodeError(f"A look-up table of {name_of(dataset)} has no descriptor or no data.")
    count, first, bits = (int(part) for part in descriptor)
    count = count or 1 << 16
    if isinstance(data, bytes):
        little = getattr(dataset, "original_encoding", (None, True))[1] is not False
        kind = np.dtype("u1" if len(data) < 2 * count else "<u2" if little else ">u2")
        table = np.frombuffer(data[: len(data) // kind.itemsize * kind.itemsize], kind)
    else:
        table = np.atleast_1d(np.asarray(data)).astype(np.int64) & 0xFFFF
    if not 1 <= bits <= 16 or len(table) < count:
        raise DecodeError(
            f"A look-up table of {name_of(dataset)} should have {count} entries of {bits} bits "
            f"and has {len(table)}."
        )
    if first >= 1 << 15 and array.size and array.min() < 0:
        first -= 1 << 16  # a signed number, read as an unsigned one
    index = np.clip(array.astype(np.int64) - first, 0, count - 1)
    return table[:count].astype(np.uint8 if bits <= 8 else np.uint16)[index], bits
