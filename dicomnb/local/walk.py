"""Cutting a data set's bytes into elements, each as DICOM JSON (PS3.5 section 7)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from dicomnb.local.grammar import (
    HEADS,
    ITEM_HEADS,
    LENGTHS,
    LONG_CODES,
    SHORT_CODES,
    VARYING,
)
from dicomnb.wire.charsets import UTF8, text_decoder
from dicomnb.wire.elements import CHARACTER_SET, PIXEL_TAGS, element_from_bytes, resolved_vr

if TYPE_CHECKING:
    from dicomnb.wire.charsets import Decode

__all__ = ["MARK", "MARK_URI", "UNDEFINED", "Encoding", "Found", "More", "Unusual", "Walker"]

MARK_URI = "@/"
MARK = b'"BulkDataURI":"@/'
"""Stands before the path of a bulk value until the UIDs of its instance are known. Quotes are
escaped within JSON texts, so no value can hold it."""

UNDEFINED = 0xFFFFFFFF
"""The length of what ends with a delimiter."""

_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_END = 0
"""Stands for the tag where there is no further element."""
_PIXEL_REPRESENTATION = 0x00280103
_UID = re.compile(rb"[0-9.]+\0?")
_PLAIN_INTEGER = re.compile(rb"(0|-?[1-9][0-9]{0,14}) ?")
_MOST_KEPT = 100_000
_LONGEST_KEPT = 256
_DEEPEST = 64
_SHORTEST_RUN = 2
_MOST_RUNS = 1000

_IN_UTF8 = b'"00080005":{"vr":"CS","Value":["%b"]}' % UTF8.encode()
_IN_NONE = b'"00080005":{"vr":"CS"}'


class Unusual(Exception):
    """Bytes that are not as the standard has them."""


class More(Exception):
    """The walk needs the file up to byte ``needed``."""

    def __init__(self, needed: int) -> None:
        super().__init__(needed)
        self.needed = needed


@dataclass(frozen=True)
class Encoding:
    """How bytes are to be read: VR told or not, byte order, character set; how deep it is."""

    is_implicit: bool
    order: str
    charset: tuple[str, ...] = ()
    depth: int = 0


@dataclass
class Found:
    """What a walk found.

    Attributes:
        elements: tag → its JSON, ``"TTTTTTTT":{…}``.
        bulk: tags of elements that have a BulkDataURI somewhere.
        offset: where the value of the pixels begins, or None where there are none.
        length: the length of that value.
    """

    elements: dict[int, bytes]
    bulk: set[int] = field(default_factory=set)
    offset: int | None = None
    length: int | None = None


class _Kept:
    """Elements in one encoding: bytes → JSON; and runs of them, by the first one's bytes."""

    def __init__(self, encoding: Encoding) -> None:
        self.json: dict[bytes, bytes] = {}
        self.runs: dict[bytes, _Run] = {}
        self.decode: Decode = text_decoder(encoding.charset)


@dataclass(frozen=True)
class _Run:
    """Elements that followed each other in an earlier file, and mostly do in the next."""

    raw: bytes
    length: int
    elements: dict[int, bytes]
    last: int


@dataclass
class _Level:
    """The data set or item that is being walked through; ``last`` is its last tag so far."""

    encoding: Encoding
    kept: _Kept
    path: str
    end: int | None
    last: int = 0
    found: dict[int, bytes] = field(default_factory=dict)

    def keep_run(self, raw: bytes, first: int) -> None:
        """Remember known elements that follow each other, from the ``first`` one found on."""
        elements = dict(islice(self.found.items(), first, None))
        is_implicit, order = self.encoding.is_implicit, self.encoding.order
        _, _, code, length = HEADS[order](raw)
        end = 8 + (code | length << 16 if is_implicit else length)
        if len(self.kept.runs) >= _MOST_RUNS:
            self.kept.runs.clear()
        self.kept.runs[raw[:end]] = _Run(raw, len(raw), elements, max(elements))


class Walker:
    """Walks through data sets, keeping each element's JSON by its bytes."""

    def __init__(self) -> None:
        self._kept: dict[tuple[bool, str, tuple[str, ...]], _Kept] = {}
        self._vrs: dict[int, str | None] = {}
        self._encodings: dict[tuple[Encoding, bytes], Encoding] = {}
        self._pixels: dict[tuple[int, str | None, bool], bytes] = {}

    def walk(self, data: bytes, start: int, end: int, encoding: Encoding) -> Found:
        """Elements of a data set up to its pixels.

        Args:
            data: the file from its first byte, maybe not to its end.
            start: where the data set begins.
            end: where the file ends.
            encoding: how to read it.

        Raises:
            More: ``data`` is too short.
            Unusual: the bytes are not as the standard has them.
        """
        if sum(len(kept.json) for kept in self._kept.values()) > _MOST_KEPT:
            self._kept.clear()
            self._encodings.clear()
        walk = _Walk(self, data)
        walk.level(start, end, encoding, "")
        return walk.found

    def kept(self, encoding: Encoding) -> _Kept:
        """What is remembered for an encoding."""
        key = (encoding.is_implicit, encoding.order, encoding.charset)
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = _Kept(encoding)
        return found

    def encoding(self, encoding: Encoding, raw: bytes) -> Encoding:
        """``encoding`` with the character set of a SpecificCharacterSet's bytes."""
        key = (encoding, raw)
        found = self._encodings.get(key)
        if found is None:
            terms = tuple(raw.decode("latin_1").strip(" \0").split("\\"))
            found = replace(encoding, charset=terms if any(terms) else ())
            self._encodings[key] = found
        return found

    def pixels(self, tag: int, vr: str | None, *, is_empty: bool) -> bytes:
        """The JSON of the pixel element; nothing of its value is needed for it."""
        key = (tag, vr, is_empty)
        if key not in self._pixels:
            float_vr = {0x7FE00008: "OF", 0x7FE00009: "OD"}.get(tag)
            element = {"vr": float_vr or ("OW" if vr in (None, "UN") else vr)}
            if not is_empty:
                element["BulkDataURI"] = f"{MARK_URI}{tag:08X}"
            self._pixels[key] = msgspec.json.encode({f"{tag:08X}": element})[1:-1]
        return self._pixels[key]

    def public_vr(self, tag: int) -> str | None:
        """The dictionary's VR of a tag, or None where more than the tag decides."""
        if tag not in self._vrs:
            signed = resolved_vr(tag, creator=lambda: None, is_signed=lambda: True)
            unsigned = resolved_vr(tag, creator=lambda: None, is_signed=lambda: False)
            is_plain = signed == unsigned and (not tag & 0x10000 or signed == "LO")
            self._vrs[tag] = signed if is_plain else None
        return self._vrs[tag]


class _Walk:
    """One walk through one file's bytes."""

    def __init__(self, walker: Walker, data: bytes) -> None:
        self._walker = walker
        self._data = data
        self.found = Found({})

    def level(
        self, position: int, end: int | None, encoding: Encoding, path: str
    ) -> tuple[dict[int, bytes], int]:
        """Elements of a data set or item, and where it ends.

        Args:
            position: of the first element.
            end: where it must end, or None for where its delimiter is.
            encoding: how to read it.
            path: before the tags of its bulk values; ``""`` is the data set itself.
        """
        level = _Level(encoding, self._walker.kept(encoding), path, end)
        found = level.found
        if not path:
            self.found.elements = found
        while True:
            position, tag = self._known(level, position)
            if tag == _END:
                break
            if tag == _ITEM_END and end is None:
                return found, position + 8
            if tag <= level.last:
                raise Unusual("tags are not in ascending order")
            level.last = tag
            position = self._unknown(level, tag, position)
            if self.found.offset is not None and not path:
                return found, position
        if position != end:
            raise Unusual("an element reaches over the end of what it lies in")
        return found, position

    def _known(self, level: _Level, position: int) -> tuple[int, int]:
        """Take elements that are known by their bytes; position and tag of the first other.

        Most elements are known, and most of these follow each other as they did in the file
        before: this loop is what indexing costs.
        """
        data, found, end = self._data, level.found, level.end
        known, runs = level.kept.json, level.kept.runs
        is_implicit, order = level.encoding.is_implicit, level.encoding.order
        head, short, limit = HEADS[order], SHORT_CODES[order], len(data) - 8
        last = level.last
        start, first = position, len(found)
        while end is None or position < end:
            if position > limit:
                raise More(position + 8)
            group, element, code, length = head(data, position)
            tag = group << 16 | element
            if is_implicit:
                stop = position + 8 + (code | length << 16)
            else:
                stop = position + 8 + length if code in short else position
            raw = data[position:stop]
            if position == start and raw in runs and tag > last:
                run = runs[raw]
                after = position + run.length
                if (end is None or after <= end) and data.startswith(run.raw, position):
                    found.update(run.elements)
                    last = run.last
                    position = start = after
                    first = len(found)
                    continue
            if raw not in known or tag <= last:
                break
            if tag in VARYING:
                if len(found) - first >= _SHORTEST_RUN:
                    level.keep_run(data[start:position], first)
                found[tag] = known[raw]
                start, first = stop, len(found)
            else:
                found[tag] = known[raw]
            last = tag
            position = stop
        else:
            tag = _END
        level.last = last
        if len(found) - first >= _SHORTEST_RUN:
            level.keep_run(data[start:position], first)
        return position, tag

    def _unknown(self, level: _Level, tag: int, position: int) -> int:
        """Read an element that is not known by its bytes; where the next one begins."""
        vr, begin, length = self._head(level.encoding, tag, position)
        if tag in PIXEL_TAGS and not level.path:
            self.found.offset, self.found.length = begin, length
            self.found.bulk.add(tag)
            level.found[tag] = self._walker.pixels(tag, vr, is_empty=not length)
            return begin
        is_kept = vr is not None
        if vr is None or (vr == "UN" and length < 0xFFFF):
            is_kept = False
            vr = self._looked_up(level, tag)
            if vr == "SQ" and not level.encoding.is_implicit:
                raise Unusual("a sequence that is called UN")
        if vr == "SQ" or length == UNDEFINED:
            if vr not in ("SQ", "UN"):
                raise Unusual(f"{vr} of undefined length")
            return self._sequence(level, tag, vr, begin, length)
        stop = begin + length
        if stop > len(self._data):
            raise More(stop)
        raw = self._data[begin:stop]
        if tag == CHARACTER_SET:
            level.encoding = self._walker.encoding(level.encoding, raw)
            level.kept = self._walker.kept(level.encoding)
            level.found[tag] = _IN_UTF8 if level.encoding.charset else _IN_NONE
            return stop
        if not tag & 0xFFFF:  # group lengths tell of bytes that are not sent
            return stop
        if vr == "UI" and _UID.fullmatch(raw):
            # This and numbers are most of what is new in a file: they need no escaping.
            json = b'"%08X":{"vr":"UI","Value":["%b"]}' % (tag, raw.rstrip(b"\0"))
        elif vr == "IS" and (plain := _PLAIN_INTEGER.fullmatch(raw)):
            json = b'"%08X":{"vr":"IS","Value":[%b]}' % (tag, plain[1])
        else:
            json = self._encoded(level, tag, vr, raw)
        level.found[tag] = json
        if is_kept and stop - position <= _LONGEST_KEPT:
            level.kept.json[self._data[position:stop]] = json
        return stop

    def _encoded(self, level: _Level, tag: int, vr: str, raw: bytes) -> bytes:
        """An element as JSON, by the rules for all of them."""
        element = element_from_bytes(
            tag,
            vr,
            raw,
            decode=level.kept.decode,
            order=level.encoding.order,
            uri=lambda: self._bulk_uri(f"{level.path}{tag:08X}"),
        )
        return msgspec.json.encode({f"{tag:08X}": element})[1:-1]

    def _bulk_uri(self, path: str) -> str:
        self.found.bulk.add(int(path[:8], 16))
        return MARK_URI + path

    def _head(self, encoding: Encoding, tag: int, position: int) -> tuple[str | None, int, int]:
        """VR (None where it is to be looked up), where the value begins, its length."""
        data, order = self._data, encoding.order
        if encoding.is_implicit:
            (length,) = LENGTHS[order](data, position + 4)
            return self._walker.public_vr(tag), position + 8, length
        _, _, code, length = HEADS[order](data, position)
        vr = SHORT_CODES[order].get(code)
        if vr is not None:
            return vr, position + 8, length
        vr = LONG_CODES[order].get(code)
        if vr is None:
            raise Unusual(f"no VR at byte {position}")
        if position + 12 > len(data):
            raise More(position + 12)
        return vr, position + 12, LENGTHS[order](data, position + 8)[0]

    def _looked_up(self, level: _Level, tag: int) -> str:
        """The VR of a private element, or of one whose VR another element decides."""

        def creator() -> str | None:
            json = level.found.get(tag & 0xFFFF0000 | (tag >> 8 & 0xFF))
            if json is None:
                return None
            (element,) = msgspec.json.decode(b"{" + json + b"}").values()
            return "\\".join(str(value) for value in element.get("Value", ()))

        signed = self.found.elements.get(_PIXEL_REPRESENTATION, b"")
        return resolved_vr(tag, creator=creator, is_signed=lambda: b"[1]" in signed)

    def _sequence(self, level: _Level, tag: int, vr: str, begin: int, length: int) -> int:
        """Read a sequence; ``UN`` of undefined length is one in implicit VR (PS3.5 6.2.2)."""
        encoding = replace(level.encoding, depth=level.encoding.depth + 1)
        if encoding.depth > _DEEPEST:
            raise Unusual(f"sequences more than {_DEEPEST} deep")
        if vr == "UN" and not encoding.is_implicit:
            encoding = replace(encoding, is_implicit=True, order="<")
        items: list[bytes] = []
        position = begin
        stop = None if length == UNDEFINED else begin + length
        while stop is None or position < stop:
            if position + 8 > len(self._data):
                raise More(position + 8)
            group, element, size = ITEM_HEADS[level.encoding.order](self._data, position)
            marker = group << 16 | element
            position += 8
            if marker == _SEQUENCE_END and stop is None:
                break
            if marker != _ITEM:
                raise Unusual(f"no item at byte {position - 8}")
            end = None if size == UNDEFINED else position + size
            path = f"{level.path}{tag:08X}/{len(items)}/"
            found, position = self.level(position, end, encoding, path)
            items.append(b"{" + b",".join(found.values()) + b"}")
        values = b',"Value":[' + b",".join(items) + b"]" if items else b""
        level.found[tag] = b'"%08X":{"vr":"SQ"%b}' % (tag, values)
        return position
