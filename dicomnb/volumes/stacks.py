"""Several images at every position: a fourth axis, or what else they are. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.errors import GeometryError
from dicomnb.volumes.axis import UNITS, Axis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dicomnb.images.headers import SliceHeader

    Places = Sequence[Sequence[int]]

__all__ = ["Stacks", "one_kind", "stacks_of"]

# Of these each slice may have its own value: the first of each position makes the first stack.
_OF_EACH_SLICE = (
    "TriggerTime",
    "NominalCardiacTriggerDelayTime",
    "TemporalPositionTimeOffset",
    "FrameReferenceTime",
    "AcquisitionDateTime",
    "AcquisitionTime",
)
_CLOCK = ("AcquisitionDateTime", "AcquisitionTime")
_DIRECTION = "DiffusionGradientOrientation"
_KIND = "ImageType"
_MAGNITUDE = ("M", "MAGNITUDE")
_OTHER_PARTS = ("P", "PHASE", "R", "REAL", "I", "IMAGINARY", "PHASE MAP", "VELOCITY")


@dataclass
class Stacks:
    """Complete stacks of the same positions.

    Attributes:
        orders: of each stack, its slices by position.
        axis: what tells the stacks apart; None for one stack.
        faults: what makes strict arranging fail.
    """

    orders: list[list[int]]
    axis: Axis | None = None
    faults: list[str] = field(default_factory=list)


def one_kind(headers: Sequence[SliceHeader], places: Places) -> tuple[set[int], str, bool]:
    """Of images that differ in ImageType at the same positions, those of one kind.

    Magnitude is kept of magnitude, phase, real and imaginary part; else the kind that comes
    first.

    Returns:
        the images to keep, what was done in words (``""``: nothing), whether that was a guess.
    """
    kinds: dict[str, list[int]] = {}
    crowded = [place for place in places if len(place) > 1]
    for place in places:
        for index in place:
            kinds.setdefault(headers[index].marks.get(_KIND, ""), []).append(index)
    differ = any(
        len({headers[index].marks.get(_KIND, "") for index in place}) > 1 for place in crowded
    )
    every = {index for place in places for index in place}
    if not differ:
        return every, "", False
    magnitude = [kind for kind in kinds if _part(kind) in _MAGNITUDE]
    others = [kind for kind in kinds if _part(kind) in _OTHER_PARTS]
    guessed = not (len(magnitude) == 1 and len(magnitude) + len(others) == len(kinds))
    chosen = min(kinds, key=lambda kind: _first_number(headers, kinds[kind]))
    if not guessed:
        chosen = magnitude[0]
    if not all(set(place) & set(kinds[chosen]) for place in places):
        return every, "", False
    apart = "; ".join(
        f"{len(of)} of ImageType {kind}" for kind, of in kinds.items() if kind != chosen
    )
    words = f"Set apart at the same positions: {apart}. The volume is of ImageType {chosen}."
    return set(kinds[chosen]), words, guessed


def stacks_of(headers: Sequence[SliceHeader], places: Places) -> Stacks | None:
    """Tell complete stacks apart.

    Args:
        headers: all slices.
        places: the slices at each position, equally many, more than one.

    Returns:
        None where no attribute differs between images at the same position: duplicates.

    Raises:
        GeometryError: they differ, but in nothing that tells one stack from the next.
    """
    differing = _differing(headers, places)
    if not differing:
        return None
    found = _along_one(headers, places, differing)
    if found is not None:
        return found
    told = (
        f"It has {len(places)} positions × {len(places[0])} images each, which differ in "
        f"{', '.join(differing)}"
    )
    for mark in reversed([mark for mark in UNITS if mark in differing]):
        fixed = _with_lowest(headers, places, mark)
        if fixed is None:
            continue
        value, fewer = fixed
        rest = _along_one(headers, fewer, _differing(headers, fewer))
        if rest is not None and rest.axis is not None:
            rest.faults.append(
                f"{told}: they vary in {rest.axis.keyword} and in {mark}, but a volume has one "
                f"axis beside space. Give the instances of one {mark}; this has those of {value}."
            )
            return rest
    raise GeometryError(f"{told}. Nothing tells one complete stack from the next.")


def _along_one(
    headers: Sequence[SliceHeader], places: Places, differing: Sequence[str]
) -> Stacks | None:
    """Stacks along one axis, if there is an attribute that makes one."""
    for mark in UNITS:
        if mark not in differing:
            continue
        keys = [[_value(headers[index], mark) for index in place] for place in places]
        if any(key is None for row in keys for key in row):
            continue
        if all(len(set(row)) == len(row) and set(row) == set(keys[0]) for row in keys):
            return _sorted(places, keys, mark)
        if mark == "DiffusionBValue":
            ways = [
                [(_value(headers[i], mark), headers[i].marks.get(_DIRECTION, "")) for i in place]
                for place in places
            ]
            if all(len(set(row)) == len(row) and set(row) == set(ways[0]) for row in ways):
                return _sorted(places, ways, mark)
        if mark in _OF_EACH_SLICE and all(len(set(row)) == len(row) for row in keys):
            return _sorted(places, keys, mark)
    return None


def _sorted(places: Places, keys: Sequence[Sequence[Any]], mark: str) -> Stacks:
    """Put the images of each position in order of their keys."""
    orders = [sorted(range(len(row)), key=row.__getitem__) for row in keys]
    depth = len(places[0])
    values = np.array(
        [[row[order[at]] for row, order in zip(keys, orders, strict=True)] for at in range(depth)],
        dtype=object,
    )
    first = values[..., 0] if values.ndim == 3 else values
    axis = np.median(first.astype(np.float64), axis=1)
    if mark in _CLOCK:
        axis = axis - axis[0]
    stacks = [
        [place[order[at]] for place, order in zip(places, orders, strict=True)]
        for at in range(depth)
    ]
    return Stacks(stacks, Axis(mark, axis, UNITS[mark]))


def _with_lowest(
    headers: Sequence[SliceHeader], places: Places, mark: str
) -> tuple[str, list[list[int]]] | None:
    """The images of the lowest value of a mark, if each position has equally many of it."""
    values = [[_value(headers[index], mark) for index in place] for place in places]
    known = {value for row in values for value in row if value is not None}
    if len(known) < 2:
        return None
    lowest = min(known)
    fewer = [
        [index for index, value in zip(place, row, strict=True) if value == lowest]
        for place, row in zip(places, values, strict=True)
    ]
    if {len(place) for place in fewer} != {len(fewer[0])} or len(fewer[0]) < 2:
        return None
    return f"{lowest:g}", fewer


def _differing(headers: Sequence[SliceHeader], places: Places) -> list[str]:
    """The attributes that differ between images at the same position."""
    found: dict[str, None] = {}
    for place in places:
        marks = [headers[index].marks for index in place]
        for mark in {mark: None for one in marks for mark in one}:
            if mark not in found and len({one.get(mark) for one in marks}) > 1:
                found[mark] = None
    return list(found)


def _value(header: SliceHeader, mark: str) -> float | None:
    """A mark as a number; a time of day in seconds."""
    said = header.marks.get(mark)
    if said is None:
        return None
    try:
        return _seconds(said) if mark in _CLOCK else float(said.split("\\")[0])
    except ValueError:
        return None


def _seconds(said: str) -> float:
    """TM or DT as seconds; of DT, days count too (PS3.5 section 6.2)."""
    digits = said.replace(":", "")
    date, time = (digits[:8], digits[8:]) if len(digits.split(".")[0]) > 8 else ("", digits)
    time = time.split("+")[0].split("-")[0]
    days = 0.0
    if date:
        days = float(np.datetime64(f"{date[:4]}-{date[4:6]}-{date[6:8]}").astype("int64"))
    parts = (float(time[0:2] or 0), float(time[2:4] or 0), float(time[4:] or 0))
    return days * 86400 + parts[0] * 3600 + parts[1] * 60 + parts[2]


def _part(kind: str) -> str:
    """Which part of a complex image an ImageType says it is, or ``""``."""
    for value in (part.strip().upper() for part in kind.split("\\")[2:]):
        head = value.split("_")[0]
        for one in (value, head):
            if one in _MAGNITUDE or one in _OTHER_PARTS:
                return one
    return ""


def _first_number(headers: Sequence[SliceHeader], of: Sequence[int]) -> tuple[bool, int, int]:
    return min(headers[index].rank for index in of)
