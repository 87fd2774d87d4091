"""What arranging slices needs of each, read from its header with suspicion."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from pydicom.dataset import Dataset

from dicomnb.images.pixels import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = [
    "Attributes",
    "Made",
    "SliceHeader",
    "number",
    "numbers",
    "once",
    "shallow",
    "text",
    "written",
]

Made = TypeVar("Made")

#: What may tell several images at one position apart: time, echo, phase, weighting.
MARKS = (
    "TemporalPositionIdentifier",
    "TemporalPositionIndex",
    "AcquisitionNumber",
    "EchoNumbers",
    "EchoTime",
    "InversionTime",
    "FlipAngle",
    "DiffusionBValue",
    "DiffusionGradientOrientation",
    "TriggerTime",
    "NominalCardiacTriggerDelayTime",
    "NominalPercentageOfCardiacPhase",
    "TemporalPositionTimeOffset",
    "FrameReferenceTime",
    "ImageType",
    "ConvolutionKernel",
    "KVP",
    "AcquisitionDateTime",
    "AcquisitionTime",
    "ContentTime",
)


class Attributes(Protocol):
    """What has attributes by keyword: a data set, or the view of one frame of it."""

    def get(self, keyword: str, default: Any = None, /) -> Any:
        """The value, or ``default``."""
        ...

    def __contains__(self, keyword: str, /) -> bool: ...


@dataclass(frozen=True)
class SliceHeader:
    """One slice, as far as its place is concerned.

    Attributes:
        uid: SOPInstanceUID, or ``""``.
        number: InstanceNumber, or None.
        size: (rows, columns, bytes of a stored value).
        position: ImagePositionPatient, LPS mm of the first voxel's centre, or None.
        orientation: ImageOrientationPatient: directions in which the column index, then the
            row index, grows; or None.
        pixel_spacing: mm between rows, then between columns, or None.
        step: SpacingBetweenSlices or, without it, SliceThickness, in mm, or None. Only
            believed for a slice that has no neighbour.
        frame_of_reference: FrameOfReferenceUID, or ``""``.
        is_localizer: ImageType says that it is a scout view.
        marks: what may tell it from another at the same position.
        frame: number of the frame in its instance, from 1; None for an instance of one frame.
    """

    uid: str
    number: int | None
    size: tuple[int, int, int]
    position: tuple[float, ...] | None = None
    orientation: tuple[float, ...] | None = None
    pixel_spacing: tuple[float, ...] | None = None
    step: float | None = None
    frame_of_reference: str = ""
    is_localizer: bool = False
    marks: dict[str, str] = field(default_factory=dict)
    frame: int | None = None

    @classmethod
    def of(cls, dataset: Attributes, *, size: tuple[int, int, int] | None = None) -> SliceHeader:
        """Read what there is; a value that is missing or no number counts as missing.

        Args:
            dataset: the header of a single-frame image, or the view of a frame.
            size: rows, columns, bytes, where they are known already.
        """
        if size is None:
            rows, columns = (number(dataset, key) or 0 for key in ("Rows", "Columns"))
            size = (int(rows), int(columns), int((number(dataset, "BitsAllocated") or 0) // 8))
        grid = once(dataset, "grid", _Grid.of)
        instance = number(dataset, "InstanceNumber")
        return cls(
            uid=text(dataset, "SOPInstanceUID"),
            number=None if instance is None else int(instance),
            size=size,
            position=numbers(dataset, "ImagePositionPatient", 3),
            orientation=grid.orientation,
            pixel_spacing=grid.pixel_spacing,
            step=grid.step,
            frame_of_reference=grid.frame_of_reference,
            is_localizer=grid.is_localizer,
            marks={mark: value for mark in MARKS if (value := text(dataset, mark))},
            frame=getattr(dataset, "number", None),
        )

    @property
    def name(self) -> str:
        """How messages name it: by InstanceNumber and the end of its UID."""
        tail = f"…{self.uid[-12:]}" if len(self.uid) > 13 else self.uid or "no UID"
        if self.frame is not None:
            return f"frame {self.frame} ({tail})"
        return f"slice {'?' if self.number is None else self.number} ({tail})"

    @property
    def rank(self) -> tuple[bool, int, int]:
        """By InstanceNumber, those without at the end, then by number of the frame."""
        return (self.number is None, self.number or 0, self.frame or 0)

    @property
    def has_place(self) -> bool:
        """Whether position and orientation are known."""
        return self.position is not None and self.orientation is not None


class _Grid(NamedTuple):
    """What slices of one stack have in common, see `SliceHeader`."""

    orientation: tuple[float, ...] | None
    pixel_spacing: tuple[float, ...] | None
    step: float | None
    frame_of_reference: str
    is_localizer: bool

    @classmethod
    def of(cls, dataset: Attributes) -> _Grid:
        spacing = numbers(dataset, "PixelSpacing", 2)
        orientation = numbers(dataset, "ImageOrientationPatient", 6)
        step = number(dataset, "SpacingBetweenSlices") or number(dataset, "SliceThickness")
        return cls(
            orientation=orientation if orientation and _is_orthonormal(orientation) else None,
            pixel_spacing=spacing if spacing and min(spacing) > 0 else None,
            step=abs(step) if step else None,
            frame_of_reference=text(dataset, "FrameOfReferenceUID"),
            is_localizer="LOCALIZER" in text(dataset, "ImageType").upper(),
        )


def numbers(dataset: Attributes, keyword: str, count: int) -> tuple[float, ...] | None:
    """An attribute as ``count`` finite numbers, or None when it is not that."""
    plain = written(dataset, keyword)
    try:
        if plain is not None:
            items: list[Any] = plain.split("\\") if plain else []
        else:
            value = dataset.get(keyword)
            if value is None or value == "":
                return None
            items = [value] if isinstance(value, str | float | int) else list(value)
        found = tuple(float(item) for item in items)
    except UNREADABLE:
        return None
    return found if len(found) == count and all(map(math.isfinite, found)) else None


def number(dataset: Attributes, keyword: str) -> float | None:
    """An attribute as one finite number, or None when it is not that."""
    found = numbers(dataset, keyword, 1)
    return found[0] if found else None


def text(dataset: Attributes, keyword: str) -> str:
    """An attribute as text, several values joined by backslash; ``""`` where there is none."""
    plain = written(dataset, keyword)
    if plain is not None and "\\" not in plain:
        return plain.strip()
    try:
        value = dataset.get(keyword)
    except UNREADABLE:
        return ""
    if value is None:
        return ""
    if isinstance(value, str | float | int):
        return str(value).strip()
    try:
        return "\\".join(str(item) for item in value)
    except TypeError:
        return str(value).strip()


def written(dataset: Attributes, keyword: str) -> str | None:
    """A number or UID as it is written, ``""`` where there is none, of what can tell that without
    parsing; else None."""
    tell: Callable[[str], str | None] | None = getattr(dataset, "written", None)
    return None if tell is None else tell(keyword)


def once(dataset: Attributes, name: Hashable, make: Callable[[Attributes], Made]) -> Made:
    """What ``make`` makes of a header, which is not made again for every slice of a series.

    Args:
        dataset: a header; the same is made of one that says the same, where it can tell that.
        name: of what is made: always the same for the same ``make``.
        make: decides by the attributes that it asks its argument for, and by nothing else; what
            it makes is not to be changed.
    """
    tell: Callable[..., Made] | None = getattr(dataset, "once", None)
    return make(dataset) if tell is None else tell(name, make)


def shallow(dataset: Dataset) -> Dataset:
    """A new data set that shares the elements of another, read or not, and its encoding.

    Replace elements with ``add_new``: setting an attribute would change the shared one.
    """
    result = Dataset()
    for tag in dataset.keys():  # noqa: SIM118  # iterating over a data set reads every element
        result[tag] = dataset.get_item(tag)
    implicit, little = dataset.original_encoding
    result.set_original_encoding(implicit, little, dataset.original_character_set)
    if hasattr(dataset, "file_meta"):
        result.file_meta = dataset.file_meta
    return result


def _is_orthonormal(orientation: tuple[float, ...]) -> bool:
    """Whether two directions are of length 1 and at right angles, to a hundredth."""
    row, column = orientation[:3], orientation[3:]
    lengths = [math.sqrt(sum(x * x for x in direction)) for direction in (row, column)]
    product = sum(x * y for x, y in zip(row, column, strict=True))
    return all(abs(length - 1) < 0.01 for length in lengths) and abs(product) < 0.01
