"""Outlines of whole files, those that are laid out like one before without a walk.

The files of a series differ in a few values; the heads of their elements (tag, VR, length) are
mostly the same bytes in the same places. A walk looks at nothing else, so that for such a file it
would end as it did before: to compare takes a fifth of the time.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from dicomnb.wire.outline import META_AT, Outline, Unusual, meta_outline, outline

__all__ = ["FileOutline", "Layouts"]

_SYNTAX = 0x00020010
_IMPLICIT = "1.2.840.10008.1.2"
_NOT_OUTLINED = frozenset({"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"})
"""Deflated, and big endian."""
_UID = re.compile(r"[0-9.]+")
_PREFIX = b"DICM"
_UNDEFINED = b"\xff\xff\xff\xff"
_HEAD_BYTES = 8
_HEADS = (_HEAD_BYTES, 12)
"""Of elements with two bytes for their length or without a VR, and of the others."""
_WALK_BYTES = 12
"""What a walk must have at hand of the element at which it ends."""
_GROUP_LENGTH = slice(META_AT + 8, META_AT + 12)
"""Length of the file meta information, where files of one series rarely differ in layout."""
_MOST_MADE = 16
"""Layouts are made no more often: of files that are all laid out in ways of their own, making
them costs more than it saves."""


class FileOutline(NamedTuple):
    """Where the elements of a Part 10 file lie.

    Attributes:
        syntax: UID of the transfer syntax.
        is_implicit: whether the bytes do not tell VRs.
        data_set: of the data set, as far as it was asked for. Not to be changed.
    """

    syntax: str
    is_implicit: bool
    data_set: Outline


_Key = tuple[int | None, bytes]
"""The first tag that is not wanted, and `_GROUP_LENGTH`."""


class _Layout(NamedTuple):
    """What a walk looked at, and what it found."""

    looked_at: struct.Struct
    found: tuple[bytes, ...]
    outline: FileOutline


class Layouts:
    """The layouts of files that came before. May be used by several threads.

    Example:
        >>> layouts = Layouts()
        >>> [layouts.outline(file).data_set.elements[0x00080018] for file in files]
    """

    def __init__(self) -> None:
        self._known: dict[_Key, _Layout | None] = {}
        self._made = 0

    def outline(self, data: bytes | bytearray, *, before: int | None = None) -> FileOutline:
        """The outline of a Part 10 file.

        Args:
            data: the file from its beginning, maybe not to its end.
            before: the first tag that is not wanted; None for up to the pixels, which there must
                be.

        Raises:
            More: ``data`` is too short.
            Unusual: the bytes are not as the standard has them, or in a transfer syntax that is
                not walked: deflated, or big endian.
        """
        key = (before, bytes(data[_GROUP_LENGTH]))
        known = self._known.get(key)
        if (
            known is not None
            and known.looked_at.size <= len(data)
            and known.looked_at.unpack_from(data) == known.found
        ):
            return known.outline
        meta = meta_outline(data)
        syntax = _syntax(data, meta)
        is_implicit = syntax == _IMPLICIT
        walked = outline(data, meta.end, is_implicit=is_implicit, before=before)
        found = FileOutline(syntax, is_implicit, walked)
        self._remember(key, data, meta, found)
        return found

    def _remember(
        self, key: _Key, data: bytes | bytearray, meta: Outline, found: FileOutline
    ) -> None:
        """Note the layout of the second of a kind: of a single file it would be of no use."""
        if key in self._known:
            if self._made < _MOST_MADE:
                self._made += 1
                self._known[key] = _layout(data, meta, found)
        elif len(self._known) < _MOST_MADE:
            self._known[key] = None


def _syntax(data: bytes | bytearray, meta: Outline) -> str:
    if _SYNTAX not in meta.elements:
        raise Unusual("no transfer syntax")
    _, begin, end = meta.elements[_SYNTAX]
    syntax = data[begin:end].decode("latin_1").rstrip("\0 ")
    if syntax in _NOT_OUTLINED or not _UID.fullmatch(syntax):
        raise Unusual(f"transfer syntax {syntax!r}")
    return syntax


def _layout(data: bytes | bytearray, meta: Outline, found: FileOutline) -> _Layout | None:
    """What the walks looked at.

    None where that is not told by the outline: they went into sequences, or met a tag twice.
    """
    stretches = [(META_AT - len(_PREFIX), META_AT)]
    position = META_AT
    for tag, (_, begin, end) in (*meta.elements.items(), *found.data_set.elements.items()):
        if begin - position not in _HEADS or data[begin - 4 : begin] == _UNDEFINED:
            return None
        stretches.append((position, begin))
        if tag == _SYNTAX:
            stretches.append((begin, end))
        position = end
    stretches.append((position, position + _HEAD_BYTES))
    written, before = "<", 0
    for begin, end in stretches:
        written += f"{begin - before}x{end - begin}s"
        before = end
    looked_at = struct.Struct(f"{written}{_WALK_BYTES - _HEAD_BYTES}x")
    return _Layout(looked_at, looked_at.unpack_from(data), found)
