"""Which columns a table has: the same for no rows as for a million."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from dicomnb.attributes import Attribute, attribute
from dicomnb.refs import LEVELS
from dicomnb.vr import VR, VRS

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["IDENTITY", "Column", "columns_for", "identity_columns"]

#: What says which thing a row is; always the first columns.
IDENTITY: tuple[str, ...] = (
    "PatientID",
    "PatientName",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
)

# Identifiers that lie below a level: a row's level is read from its columns, so a table of
# studies never has a SeriesInstanceUID and one of series never a SOPInstanceUID.
_BELOW: dict[str, frozenset[str]] = {
    "study": frozenset({"SeriesInstanceUID", "SOPInstanceUID"}),
    "series": frozenset({"SOPInstanceUID"}),
    "instance": frozenset(),
}

_COLUMNS: dict[str, tuple[str, ...]] = {
    "study": (
        "PatientID",
        "PatientName",
        "StudyInstanceUID",
        "PatientBirthDate",
        "PatientSex",
        "StudyDate",
        "StudyTime",
        "StudyID",
        "AccessionNumber",
        "StudyDescription",
        "ReferringPhysicianName",
        "ModalitiesInStudy",
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
    ),
    "series": (
        "PatientID",
        "PatientName",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "StudyDate",
        "SeriesNumber",
        "Modality",
        "SeriesDescription",
        "BodyPartExamined",
        "SeriesDate",
        "SeriesTime",
        "Manufacturer",
        "NumberOfSeriesRelatedInstances",
    ),
    "instance": (
        "PatientID",
        "PatientName",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "SOPInstanceUID",
        "SOPClassUID",
        "Modality",
        "InstanceNumber",
        "Rows",
        "Columns",
        "BitsAllocated",
        "NumberOfFrames",
    ),
}


@dataclass(frozen=True)
class Column:
    """One column of a table: an attribute with its row of the VR table."""

    attribute: Attribute

    @property
    def name(self) -> str:
        """Keyword, else ``"gggg,eeee"``."""
        return self.attribute.column

    @property
    def tag(self) -> str:
        """Eight upper-case hexadecimal digits."""
        return self.attribute.tag

    @cached_property
    def vr(self) -> VR:
        """The row of the VR table."""
        return VRS[self.attribute.vr]

    @cached_property
    def many(self) -> bool:
        """Whether a cell is a tuple: VM other than 1 by the dictionary; never for binary."""
        return self.attribute.vm != "1" and self.vr.kind != "binary"

    @cached_property
    def dtype(self) -> str:
        """The pandas type of the column: the VR's, or ``"object"`` for tuples."""
        return "object" if self.many else self.vr.dtype


def identity_columns(level: str) -> tuple[str, ...]:
    """The identity columns that a table of this level has.

    Raises:
        ValueError: no such level.
    """
    below = _below(level)
    return tuple(name for name in IDENTITY if name not in below)


def columns_for(level: str, *, extra: Iterable[str] = ()) -> tuple[str, ...]:
    """The columns of a search's table, identity first.

    Args:
        level: ``"study"``, ``"series"`` or ``"instance"``.
        extra: filters and fields of the search, keywords or tags, in order; also parts
            (``"PatientName.Family"``) and paths into sequences, which are passed on as they
            are. Identifiers below the level are left out.

    Returns:
        The level's own columns, then what ``extra`` adds; no name twice.

    Raises:
        ValueError: no such level.
        BadQuery: an unknown keyword in ``extra``.

    Example:
        >>> columns_for("series", extra=["KVP"])[-1]
        'KVP'
    """
    below = _below(level)
    names = dict.fromkeys(_COLUMNS[level])
    for name in extra:
        first, _, rest = name.partition(".") if isinstance(name, str) else (name, "", "")
        column = attribute(first).column
        if column not in below:
            names.setdefault(f"{column}.{rest}" if rest else column)
    return tuple(names)


def _below(level: str) -> frozenset[str]:
    try:
        return _BELOW[level]
    except KeyError:
        raise ValueError(f"level must be one of {', '.join(LEVELS)}, not {level!r}.") from None
