"""Where a downloaded instance is put: a template of attributes, made safe for file systems."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from string import Formatter
from typing import TYPE_CHECKING, Any

from dicomnb.attributes import attribute
from dicomnb.files import safe_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom.dataset import Dataset

__all__ = ["DEFAULT_LAYOUT", "Layout"]

DEFAULT_LAYOUT = "{StudyInstanceUID}/{SeriesInstanceUID}/{SOPInstanceUID}.dcm"
MISSING = "unknown"
"""What stands for an attribute that an instance has not."""
_NUMBERS = frozenset({"IS", "DS", "US", "SS", "UL", "SL", "FL", "FD", "SV", "UV"})
_LONGEST_ENDING = 12

_Piece = tuple[str, str | None, str]
"""Literal text, the keyword that follows it or None, and its format."""


@dataclass(frozen=True)
class Layout:
    """A template of a relative path.

    Attributes:
        template: keywords in braces, ``/`` between folders:
            ``"{PatientID}/{StudyDate}/{SeriesNumber:03d}_{SeriesDescription}/{SOPInstanceUID}.dcm"``.

    Raises:
        BadQuery: a keyword that the dictionary does not know; names the nearest.
        ValueError: no template, or one that leads out of the folder.
    """

    template: str = DEFAULT_LAYOUT

    def __post_init__(self) -> None:
        names = self.template.split("/")
        if not all(name.strip(". ") for name in names) or "\\" in self.template:
            raise ValueError(
                f"layout={self.template!r}: give a path below the folder, names in it separated "
                "by single slashes, like '{PatientID}/{SOPInstanceUID}.dcm'."
            )
        if not self.keywords:
            raise ValueError(f"layout={self.template!r} names no attribute, like {{PatientID}}.")

    @property
    def keywords(self) -> list[str]:
        """The attributes it needs."""
        pieces = [piece for name in self.template.split("/") for piece in _pieces(name)]
        return list(dict.fromkeys(keyword for _, keyword, _ in pieces if keyword is not None))

    def path(self, dataset: Dataset) -> str:
        """The relative path of an instance; each name in it is safe whatever the values hold."""
        *folders, last = (_filled(name, dataset) for name in self.template.split("/"))
        return "/".join([*map(safe_name, folders), _file_name(last)])


def beside(path: str, uid: str) -> str:
    """Another name beside a taken one, the same whenever it is asked for."""
    folder, slash, name = path.rpartition("/")
    stem, ending = _ending(name)
    digest = hashlib.sha256(uid.encode()).hexdigest()[:12]
    return f"{folder}{slash}{stem}_{digest}{ending}"


def _ending(name: str) -> tuple[str, str]:
    stem, dot, ending = name.rpartition(".")
    if stem and ending.isalpha() and len(ending) < _LONGEST_ENDING:
        return stem, dot + ending
    return name, ""


def _file_name(name: str) -> str:
    stem, ending = _ending(name)
    return safe_name(stem) + ending


def _pieces(name: str) -> Iterator[_Piece]:
    try:
        parsed = list(Formatter().parse(name))
    except ValueError as error:
        raise ValueError(f"layout: {name!r} cannot be read: {error}.") from error
    for literal, field, form, conversion in parsed:
        if field is None:
            yield literal, None, ""
            continue
        if conversion or not field.isidentifier():
            raise ValueError(
                f"layout: {{{field}}} in {name!r} must be a keyword, as {{PatientID}}."
            )
        attribute(field)
        yield literal, field, form or ""


def _filled(name: str, dataset: Dataset) -> str:
    text = ""
    for literal, keyword, form in _pieces(name):
        text += literal
        if keyword is not None:
            text += _value(dataset, keyword, form)
    return text


def _value(dataset: Dataset, keyword: str, form: str) -> str:
    value: Any = dataset.get(keyword)
    if value is None or str(value).strip() in ("", "[]"):
        return MISSING
    if form:
        number = value if attribute(keyword).vr in _NUMBERS else str(value)
        try:
            return format(int(number) if form[-1:] == "d" else number, form)
        except (ValueError, TypeError):
            return str(value)
    if (
        not isinstance(value, str)
        and hasattr(value, "__iter__")
        and not hasattr(value, "family_name")
    ):
        return "_".join(map(str, value))
    return str(value)
