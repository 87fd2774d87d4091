"""Attributes of the DICOM data dictionary (PS3.6): keyword, tag, VR and VM, looked up.

A tag is written as eight upper-case hexadecimal digits (``"00100010"``), as in DICOM JSON.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import lru_cache

from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary
from pydicom.datadict import tag_for_keyword

from dicomnb.errors import BadQuery

__all__ = ["Attribute", "attribute", "column_name", "is_tag", "keyword_of"]

_TAG = re.compile(r"\(?\s*(?:0x)?([0-9A-Fa-f]{4})\s*,?\s*(?:0x)?([0-9A-Fa-f]{4})\s*\)?", re.ASCII)
_PLAIN_TAG = re.compile(r"[0-9A-Fa-f]{8}", re.ASCII)

# Where the dictionary leaves the VR to the data set: numbers are numbers either way, and what
# may be binary is treated as binary.
_EITHER_VR = {
    "US or SS": "US",
    "OB or OW": "OW",
    "US or OW": "OW",
    "US or SS or OW": "OW",
    "NONE": "UN",
}


@dataclass(frozen=True, slots=True)
class Attribute:
    """What the dictionary says of one attribute.

    Attributes:
        tag: eight upper-case hexadecimal digits, ``"00100010"``.
        keyword: ``"PatientName"``; ``""`` for a private attribute and for one that the
            dictionary does not know.
        vr: value representation, one of the 34 of PS3.5; ``"UN"`` where it is not known.
            Where the dictionary allows several, "US or SS" is ``"US"`` and whatever may be
            binary is ``"OW"``.
        vm: value multiplicity as the dictionary writes it: ``"1"``, ``"3"``, ``"1-n"``.
    """

    tag: str
    keyword: str
    vr: str
    vm: str

    @property
    def column(self) -> str:
        """Its name in a table: the keyword, else ``"gggg,eeee"``."""
        return self.keyword or f"{self.tag[:4]},{self.tag[4:]}"

    @property
    def is_private(self) -> bool:
        """Whether its group is odd (PS3.5 section 7.8)."""
        return int(self.tag[:4], 16) % 2 == 1


def attribute(name: str | int | tuple[int, int] | Attribute) -> Attribute:
    """The attribute that ``name`` means.

    Args:
        name: a keyword (``"PatientName"``), a tag as text (``"00100010"``, ``"0010,0010"``,
            ``"(0010,0010)"``), as a number (``0x00100010``, pydicom's ``Tag``) or as a pair
            (``(0x0010, 0x0010)``). Private tags and tags that are newer than the dictionary
            are allowed and have the VR ``"UN"``.

    Returns:
        The attribute. Of attributes whose group repeats (curves 50xx, overlays 60xx) the
        keyword means the first group; the others have no keyword, so that a keyword and a
        tag always mean each other.

    Raises:
        BadQuery: an unknown keyword (the message names the nearest), or no tag at all.

    Example:
        >>> attribute("0010,0010").keyword
        'PatientName'
    """
    if isinstance(name, Attribute):
        return name
    if isinstance(name, str):
        return _from_text(name)
    if isinstance(name, int) and not isinstance(name, bool):
        number = int(name)
    elif isinstance(name, tuple) and _is_pair(name):
        number = (int(name[0]) << 16) | int(name[1])
    else:
        raise BadQuery(f"{name!r} is neither a keyword nor a tag such as '00100010'.")
    if not 0 <= number <= 0xFFFFFFFF:
        raise BadQuery(f"{name!r} is no DICOM tag: a tag has 32 bits.")
    return _from_tag(number)


def keyword_of(tag: str | int | tuple[int, int]) -> str | None:
    """The keyword of a tag, or None where it has none (private, unknown, repeated group)."""
    return attribute(tag).keyword or None


def column_name(name: str | int | tuple[int, int] | Attribute) -> str:
    """The table column of an attribute: its keyword, else ``"gggg,eeee"``.

    Raises:
        BadQuery: as `attribute`.
    """
    return attribute(name).column


def is_tag(text: object) -> bool:
    """Whether ``text`` is a tag as DICOM JSON writes it: eight hexadecimal digits."""
    return isinstance(text, str) and _PLAIN_TAG.fullmatch(text) is not None


def _is_pair(name: tuple[object, ...]) -> bool:
    return len(name) == 2 and all(isinstance(part, int) and 0 <= part <= 0xFFFF for part in name)


def _from_text(name: str) -> Attribute:
    if found := _TAG.fullmatch(name.strip()):
        return _from_tag(int(found[1] + found[2], 16))
    number = tag_for_keyword(name) if name else None
    if number is not None:
        return _from_tag(number)
    first = _repeater_tags().get(name)
    if first is not None:
        return _from_tag(first)
    raise BadQuery(_unknown(name))


@lru_cache(maxsize=8192)
def _from_tag(number: int) -> Attribute:
    """Look up a tag; the cache holds nothing but what the dictionary says."""
    tag = f"{number:08X}"
    group, element = number >> 16, number & 0xFFFF
    if element == 0 and number not in DicomDictionary:
        return Attribute(tag, "", "UL", "1")  # group length, PS3.5 section 7.2
    if group % 2:
        # (gggg,0010-00FF) reserve blocks for a private creator: PS3.5 section 7.8.1.
        vr, vm = ("LO", "1") if 0x10 <= element <= 0xFF else ("UN", "1-n")
        return Attribute(tag, "", vr, vm)
    entry = DicomDictionary.get(number)
    if entry is None:
        entry = _repeater_entry(tag)
    if entry is not None:
        vr, vm, _, _, keyword = entry
        return Attribute(tag, keyword, _EITHER_VR.get(vr, vr), vm)
    return Attribute(tag, "", "UN", "1-n")


def _repeater_entry(tag: str) -> tuple[str, str, str, str, str] | None:
    """The dictionary's entry for a repeated group; the keyword only for the first of them."""
    for mask, (vr, vm, title, retired, keyword) in RepeatersDictionary.items():
        if all(m in ("x", t) for m, t in zip(mask.upper().replace("X", "x"), tag, strict=True)):
            first = mask.replace("x", "0").upper() == tag
            return vr, vm, title, retired, keyword if first else ""
    return None


@lru_cache(maxsize=1)
def _repeater_tags() -> dict[str, int]:
    """Keyword → tag of the first group, for the dictionary's repeated groups."""
    return {
        entry[4]: int(mask.replace("x", "0"), 16)
        for mask, entry in RepeatersDictionary.items()
        if entry[4]
    }


@lru_cache(maxsize=1)
def _keywords_by_lower() -> dict[str, str]:
    keywords = (entry[4] for entry in DicomDictionary.values() if entry[4])
    return {keyword.lower(): keyword for keyword in keywords}


def _unknown(name: str) -> str:
    """Say that a keyword is not known, with the nearest ones."""
    known = _keywords_by_lower()
    plain = re.sub(r"('s\b|[^0-9a-z])", "", name.lower())
    if plain in known:
        nearest = [known[plain]]
    else:
        close = difflib.get_close_matches(plain, known, n=3, cutoff=0.7)
        nearest = [known[word] for word in close]
    hint = f" Did you mean {' or '.join(nearest)}?" if nearest else ""
    return f"{name!r} is no keyword of the DICOM dictionary and no tag.{hint}"
