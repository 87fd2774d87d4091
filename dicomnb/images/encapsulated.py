"""Encapsulated pixel data: fragments, and which of them make a frame (PS3.5 A.4)."""

from __future__ import annotations

import struct
from itertools import pairwise

from dicomnb.errors import DecodeError

__all__ = ["frame_fragments", "join"]

_ITEM = 0xE000FFFE  # (FFFE,E000), read as one little-endian number
_DELIMITER = 0xE0DDFFFE
_END_OF_IMAGE = b"\xff\xd9"

Fragments = list[memoryview]


def join(fragments: Fragments) -> bytes | memoryview:
    """The codestream of one frame; copies only when it lies in more than one fragment."""
    return fragments[0] if len(fragments) == 1 else b"".join(fragments)


def frame_fragments(
    data: bytes | memoryview,
    frames: int,
    *,
    extended: tuple[bytes, bytes] | None = None,
) -> list[Fragments]:
    """Find the fragments of each frame, without copying any.

    Asks, in this order: the Extended Offset Table, the Basic Offset Table, one fragment a
    frame, one frame alone, the end-of-image markers of JPEG and its relatives. A table that
    does not fit the fragments is passed over.

    Args:
        data: the value of PixelData: items, with or without the closing delimiter.
        frames: how many frames there should be.
        extended: values of ExtendedOffsetTable and ExtendedOffsetTableLengths.

    Returns:
        For each frame its fragments, as views of ``data``; exactly ``frames`` of them.

    Raises:
        DecodeError: an item is longer than the data, or the frames are not to be found.
    """
    items = _items(memoryview(data).cast("B"))
    table = _basic_offsets(items[0][1])
    start = items[0][0] + 8 + len(items[0][1])
    offsets = [position - start for position, _ in items[1:]]
    fragments = [view for _, view in items[1:]]
    if extended and extended[0]:
        found = _by_extended(memoryview(data).cast("B")[start:], frames, extended)
        if found is not None:
            return found
    if len(table) == frames:
        found = _by_offsets(offsets, fragments, table)
        if found is not None:
            return found
    if len(fragments) == frames:
        return [[fragment] for fragment in fragments]
    if frames == 1 and fragments:
        return [fragments]
    found = _by_markers(fragments)
    if len(found) >= frames:
        return found[:frames]
    raise DecodeError(
        f"NumberOfFrames is {frames}, but the pixel data holds {len(fragments)} fragments that "
        f"make {len(found)} frames."
    )


def _items(view: memoryview) -> list[tuple[int, memoryview]]:
    """Every item as (offset of its tag, its bytes); the first is the Basic Offset Table."""
    items = []
    position = 0
    while position + 8 <= len(view):
        tag, length = struct.unpack_from("<II", view, position)
        if tag == _DELIMITER:
            break
        if tag != _ITEM:
            raise DecodeError(f"Byte {position} of the encapsulated pixel data begins no item.")
        if length > len(view) - position - 8:
            raise DecodeError(
                f"The encapsulated pixel data is cut: an item of {length} bytes begins at byte "
                f"{position} of {len(view)}."
            )
        items.append((position, view[position + 8 : position + 8 + length]))
        position += 8 + length
    if len(items) < 2:
        raise DecodeError("The encapsulated pixel data holds no fragment.")
    return items


def _basic_offsets(table: memoryview) -> list[int]:
    """The Basic Offset Table as numbers; none where it is empty."""
    count = len(table) // 4
    return list(struct.unpack_from(f"<{count}I", table))


def _by_offsets(
    offsets: list[int], fragments: Fragments, table: list[int]
) -> list[Fragments] | None:
    """Group fragments by the Basic Offset Table; None when it does not fit them."""
    index = {offset: number for number, offset in enumerate(offsets)}
    starts = [index.get(offset, -1) for offset in table]
    if starts[0] != 0 or any(b <= a for a, b in pairwise(starts)):
        return None
    return [fragments[a:b] for a, b in zip(starts, [*starts[1:], len(fragments)], strict=True)]


def _by_extended(
    view: memoryview, frames: int, extended: tuple[bytes, bytes]
) -> list[Fragments] | None:
    """Cut frames out by the Extended Offset Table; None when it does not fit."""
    count = len(extended[0]) // 8
    if count != frames or len(extended[1]) // 8 != frames:
        return None
    offsets = struct.unpack_from(f"<{count}Q", extended[0])
    lengths = struct.unpack_from(f"<{count}Q", extended[1])
    found = []
    for offset, length in zip(offsets, lengths, strict=True):
        if offset + 8 + length > len(view):
            return None
        if struct.unpack_from("<I", view, offset)[0] != _ITEM:
            return None
        found.append([view[offset + 8 : offset + 8 + length]])
    return found


def _by_markers(fragments: Fragments) -> list[Fragments]:
    """Group fragments by the end-of-image marker that closes a frame, padding allowed."""
    found: list[Fragments] = [[]]
    for fragment in fragments:
        found[-1].append(fragment)
        if _END_OF_IMAGE in bytes(fragment[-10:]):
            found.append([])
    return found if found[-1] else found[:-1]
