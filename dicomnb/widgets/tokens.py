"""What is typed into a field of a worklist → the values it means, by VR; and back. Pure.

``;`` parts several values, ``,`` too where a value can hardly hold one; quotation marks keep a
value as it is. What is not in quotes is read as a person means it: a name by its beginning, a
description by what it holds in either case, a code in upper case, ``2023`` as a year.
"""

from __future__ import annotations

import calendar
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from dicomnb.errors import BadQuery
from dicomnb.vr import VRS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dicomnb.attributes import Attribute

__all__ = ["typed_text", "values_of"]

_PROSE = frozenset({"LO", "LT", "PN", "ST", "UC", "UR", "UT"})
"""VRs in whose values a comma is nothing rare."""
_RANGED = frozenset({"DA", "DT", "TM"})
_BETWEEN = re.compile(r"\s*(?:\.\.|/|\s[-–—]\s|\bto\b|–|—)\s*")
_PERIOD = re.compile(r"(\d{4})(?:-(\d{1,2}))?", re.ASCII)
_DIGITS = re.compile(r"(\d{8})?-(\d{8})?", re.ASCII)
_DAY = re.compile(r"(\d{4})(\d{2})(\d{2})", re.ASCII)


class _Token(NamedTuple):
    text: str
    is_quoted: bool


def values_of(text: str, attribute: Attribute, *, fuzzy: bool = False) -> list[Any]:
    """The values that a text means, as a filter of `Archive.studies` takes them.

    Args:
        text: what was typed.
        attribute: of which.
        fuzzy: whether names are matched by the beginnings of their words, so that they need
            no wildcard.

    Returns:
        Any of them must match; none for a text that is blank. A range is a pair.

    Raises:
        BadQuery: a quotation mark that is not closed, or no date where one belongs.

    Example:
        >>> values_of("zhang; \\"Lee^Ann\\"", attribute("PatientName"))
        ['zhang*', 'Lee^Ann']
    """
    values: list[Any] = []
    for token in _tokens(text, by_comma=_has_no_commas(attribute)):
        values += _meant(token, attribute, fuzzy)
    return list(dict.fromkeys(values))


def typed_text(values: Iterable[str], attribute: Attribute, *, fuzzy: bool = False) -> str:
    """What one would type for these values.

    Args:
        values: in the form of a query (PS3.4 C.2.2.2), as `dicomnb.query.Filter` has them.
        attribute: of which.
        fuzzy: as for `values_of`.
    """
    return "; ".join(_typed(value, attribute, fuzzy) for value in values)


def _typed(value: str, attribute: Attribute, fuzzy: bool) -> str:
    if attribute.vr == "DA":
        return _iso_range(value) or '""'
    try:
        read = values_of(value, attribute, fuzzy=fuzzy)
    except BadQuery:
        read = []
    if [_formatted(one, attribute) for one in read] == [value]:
        return value
    doubled = value.replace('"', '""')
    return f'"{doubled}"'


def _formatted(value: Any, attribute: Attribute) -> str | None:
    try:
        return VRS[attribute.vr].format(value)
    except ValueError:
        return None


def _has_no_commas(attribute: Attribute) -> bool:
    if attribute.vr == "LO":
        return attribute.keyword.endswith("ID")
    return attribute.vr not in _PROSE


def _tokens(text: str, *, by_comma: bool) -> list[_Token]:
    """The parts of a text, those that are blank left out."""
    ends = ";,\n" if by_comma else ";\n"
    part = re.compile(rf'\s*(?:"((?:[^"]|"")*)"\s*|([^{ends}]*))(?:[{ends}]|\Z)')
    found: list[_Token] = []
    at = 0
    while at < len(text):
        match = part.match(text, at)
        if match is None or (match[1] is None and match[2].startswith('"')):
            raise BadQuery(f"A quotation mark is not closed, or text follows it: {text[at:]}")
        if match[1] is not None:
            found.append(_Token(match[1].replace('""', '"'), True))
        elif match[2].strip():
            found.append(_Token(match[2].strip(), False))
        at = match.end()
    return found


def _meant(token: _Token, attribute: Attribute, fuzzy: bool) -> list[Any]:
    """The values that one part means."""
    text, vr = token.text, attribute.vr
    if token.is_quoted:
        return [text]
    if vr == "PN":
        return [_name(text, fuzzy)]
    if vr == "CS":
        return [text.upper()]
    if vr in _RANGED:
        return [_moment(text, vr)]
    if vr in ("LO", "LT", "SH", "ST", "UC", "UT") and attribute.keyword.endswith("Description"):
        return _held(text)
    return [_number(text, vr)]


def _name(text: str, fuzzy: bool) -> str:
    """A name by its beginning; ``Zhang, San`` as DICOM writes it."""
    if fuzzy or any(sign in text for sign in "*?="):
        return text
    family, comma, given = text.partition(",")
    return f"{family.strip()}^{given.strip()}*" if comma else f"{text}*"


def _held(text: str) -> list[str]:
    """Text that holds this, as typed, in upper and lower case, and as a sentence begins.

    Case counts in all text but names (PS3.4 section C.2.2.2.1), and people write it anyhow.
    """
    if any(sign in text for sign in "*?"):
        return [text]
    return [f"*{one}*" for one in (text, text.upper(), text.lower(), text.capitalize())]


def _number(text: str, vr: str) -> Any:
    """A number where the text is how Python writes it, so that it reads well in code."""
    try:
        if VRS[vr].kind == "integer" and str(int(text)) == text:
            return int(text)
        if VRS[vr].kind == "float" and text in (repr(float(text)), f"{float(text):.0f}"):
            return int(text) if text.lstrip("-").isdecimal() else float(text)
    except ValueError:
        pass
    return text


def _moment(text: str, vr: str) -> Any:
    """A date or time, or a pair for a range."""
    if vr == "DA" and (digits := _DIGITS.fullmatch(text)) is not None and text != "-":
        ends: list[str] = [digits[1] or "", digits[2] or ""]
    else:
        ends = _BETWEEN.split(text)
    if len(ends) > 2:
        raise BadQuery(f"{text!r} is no range: give a first and a last, as in 2023-01..2023-06.")
    if vr != "DA":
        return ends[0] if len(ends) == 1 else (ends[0] or None, ends[1] or None)
    if ends == ["", ""]:
        raise BadQuery("A range needs at least one end.")
    first, last = _first_day(ends[0]), _last_day(ends[-1])
    return first if first == last else (first or None, last or None)


def _first_day(text: str) -> str:
    """The day, or the first one of a month or year."""
    if (found := _PERIOD.fullmatch(text)) is None:
        return _iso(text)
    return f"{found[1]}-{int(found[2] or 1):02}-01"


def _last_day(text: str) -> str:
    if (found := _PERIOD.fullmatch(text)) is None:
        return _iso(text)
    month = int(found[2] or 12)
    if not (1 <= month <= 12 and int(found[1])):
        raise BadQuery(f"{text!r} is no month.")
    return f"{found[1]}-{month:02}-{calendar.monthrange(int(found[1]), month)[1]:02}"


def _iso(text: str) -> str:
    """Eight digits with their dashes; anything else as it is."""
    found = _DAY.fullmatch(text)
    return "-".join(found.groups()) if found else text


def _iso_range(value: str) -> str:
    """A date or range of a query, ``20230101-``, as the pickers have it: ``2023-01-01/``."""
    first, dash, last = value.partition("-")
    return f"{_iso(first)}/{_iso(last)}" if dash else _iso(first)
