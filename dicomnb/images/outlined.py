"""A header whose values are parsed when they are asked for, and once for all slices alike.

What stands for a data set here gives what pydicom gives: every value comes from it. But a series
has hundreds of headers of which a few elements differ, and of each some fifty attributes are
looked at, most of which are not there: parsed anew each time, that takes several times as long
as to fetch the pixels.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement, convert_raw_data_element
from pydicom.tag import BaseTag

from dicomnb.wire.layouts import Layouts

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from pydicom import Dataset

    from dicomnb.images.headers import Attributes, Made
    from dicomnb.wire.outline import Outline

__all__ = ["OutlinedHeader", "Recall"]

_BY_BYTES_ALONE = frozenset(
    {"AS", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "SL", "SS", "TM", "UI", "UL", "US"}
)
"""VRs whose values their own bytes decide: no character set, and no other element."""
_DECIMAL, _INTEGER = rb" *[+-]?[0-9]{1,9}(?:\.[0-9]{1,6})? *", rb" *[+-]?[0-9]{1,9} *"
_WRITTEN = {
    "DS": re.compile(_DECIMAL + rb"(?:\\" + _DECIMAL + rb")*"),
    "IS": re.compile(_INTEGER + rb"(?:\\" + _INTEGER + rb")*"),
    "UI": re.compile(rb"[0-9][0-9.]{,62}[0-9]"),
}
"""Numbers and UIDs as nearly all are: pydicom takes long to say the same of them."""
_BY_CHARACTER_SET = frozenset({"LO", "LT", "SH", "ST"})
_BY_THEMSELVES = _BY_BYTES_ALONE | _BY_CHARACTER_SET
_CHARACTER_SET = 0x00080005
_MOST_KEPT = 50_000
_MOST_MADE = 16
"""How often a thing is made before it is taken for one that differs from slice to slice."""

Key = tuple[int, str | None, bytes, bytes]
Said = tuple[str | None, bytes] | None
"""VR and bytes of an element, or None where there is none."""


class _Thing(NamedTuple):
    """What was made of a header, what that said where it was looked at, and how often it was made.

    ``said`` is None for what is made anew for every header.
    """

    said: dict[int, Said] | None
    made: Any
    times: int


_NOTHING = _Thing(None, None, 0)


class Recall:
    """What is remembered of the headers of a series.

    Values are known by the bytes that they came from; they are not to be changed.

    Attributes:
        layouts: in which ways the headers are laid out.
    """

    def __init__(self) -> None:
        self.layouts = Layouts()
        self._values: dict[Key, Any] = {}
        self._things: dict[Hashable, _Thing] = {}

    def value(self, key: Key, make: Callable[[], Any]) -> Any:
        """The value of these bytes, made if it was not yet."""
        try:
            return self._values[key]
        except KeyError:
            pass
        if len(self._values) >= _MOST_KEPT:
            self._values.clear()
        found = self._values[key] = make()
        return found

    def once(
        self, header: OutlinedHeader, name: Hashable, make: Callable[[Attributes], Made]
    ) -> Made:
        """What ``make`` makes of a header, or made of the last one if that said the same to it."""
        last = self._things.get(name, _NOTHING)
        if last.said is not None and header.says(last.said):
            made: Made = last.made
            return made
        if last.times >= _MOST_MADE:
            return make(header)
        heard = _Heard(header)
        made = make(heard)
        times = last.times + 1
        said = heard.said if heard.is_all and times < _MOST_MADE else None
        self._things[name] = _Thing(said, made, times)
        return made


class OutlinedHeader:
    """The attributes of a data set by keyword, of which only the outline is known.

    Args:
        data: the bytes that the outline is of.
        outline: where the elements lie.
        is_implicit: whether the dictionary tells the VRs.
        recall: what is remembered from other headers.
        parsed: gives the data set as pydicom parses it, for what is not as plain.
    """

    def __init__(
        self,
        data: bytes,
        outline: Outline,
        *,
        is_implicit: bool,
        recall: Recall,
        parsed: Callable[[], Dataset],
    ) -> None:
        self._data = data
        self._elements = outline.elements
        self._is_implicit = is_implicit
        self._recall = recall
        self._parsed = parsed
        charset = outline.elements.get(_CHARACTER_SET)
        self._charset = b"" if charset is None else data[charset[1] : charset[2]]

    def __contains__(self, keyword: str) -> bool:
        return tag_for_keyword(keyword) in self._elements

    def get(self, keyword: str, default: Any = None) -> Any:
        """The value of an attribute, or ``default`` where it is not there."""
        tag = tag_for_keyword(keyword)
        place = self._elements.get(tag)  # type: ignore[arg-type]  # a name that is no keyword: None
        if tag is None or place is None:
            return default
        told, begin, end = place
        raw = self._data[begin:end]
        vr = told or dictionary_VR(tag)
        if vr in _BY_BYTES_ALONE:
            key = (tag, told, raw, b"")
            return self._recall.value(key, lambda: self._converted(tag, told, raw))
        if vr in _BY_CHARACTER_SET:
            key = (tag, told, raw, self._charset)
            return self._recall.value(key, lambda: self._parsed().get(keyword))
        return self._parsed().get(keyword, default)

    def written(self, keyword: str) -> str | None:
        """A number or UID as its bytes have it, several numbers with backslashes in between.

        ``""`` where the attribute is not there; None for what is of another kind, or not so plain
        that it says what pydicom makes of it.
        """
        tag = tag_for_keyword(keyword)
        place = self._elements.get(tag)  # type: ignore[arg-type]  # a name that is no keyword: None
        if tag is None or place is None:
            return ""
        told, begin, end = place
        plain = _WRITTEN.get(told or dictionary_VR(tag))
        if plain is None:
            return None
        raw = self._data[begin:end].rstrip(b"\0")
        return raw.decode("ascii") if plain.fullmatch(raw) else None

    def once(self, name: Hashable, make: Callable[[Attributes], Made]) -> Made:
        """What ``make`` makes of it, see `dicomnb.images.headers.once`."""
        return self._recall.once(self, name, make)

    def said(self, tag: int) -> Said:
        """What it has of an element."""
        place = self._elements.get(tag)
        return None if place is None else (place[0], self._data[place[1] : place[2]])

    def says(self, said: dict[int, Said]) -> bool:
        """Whether it has the same of these elements."""
        return all(self.said(tag) == one for tag, one in said.items())

    def _converted(self, tag: int, vr: str | None, raw: bytes) -> Any:
        element = RawDataElement(
            BaseTag(tag), vr, len(raw), raw, 0, self._is_implicit, is_little_endian=True
        )
        return convert_raw_data_element(element).value


class _Heard:
    """A header that notes what was asked of it.

    Attributes:
        said: the elements that were asked for, and the character set.
        is_all: whether the values depend on nothing else.
    """

    def __init__(self, header: OutlinedHeader) -> None:
        self._header = header
        self.said: dict[int, Said] = {_CHARACTER_SET: header.said(_CHARACTER_SET)}
        self.is_all = True

    def get(self, keyword: str, default: Any = None) -> Any:
        """The value of an attribute."""
        self._note(keyword)
        return self._header.get(keyword, default)

    def written(self, keyword: str) -> str | None:
        """A number or UID as it is written."""
        self._note(keyword)
        return self._header.written(keyword)

    def __contains__(self, keyword: str) -> bool:
        self._note(keyword)
        return keyword in self._header

    def _note(self, keyword: str) -> None:
        tag = tag_for_keyword(keyword)
        if tag is None:
            return
        said = self.said[tag] = self._header.said(tag)
        if said is not None and (said[0] or dictionary_VR(tag)) not in _BY_THEMSELVES:
            self.is_all = False
