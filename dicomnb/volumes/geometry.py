"""Slices to one regular volume: order, geometry, and every reason why they are none.

Pure: headers in, an `Arrangement` out. Positions are LPS mm (PS3.3 C.7.6.2.1.1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.errors import GeometryError, NoDicom
from dicomnb.volumes.stacks import Stacks, one_kind, stacks_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dicomnb.images.headers import SliceHeader
    from dicomnb.volumes.axis import Axis

__all__ = ["Arrangement", "arrange"]

_SAME_DIRECTION = 1e-3  # of a direction cosine
_SAME_PLACE = 0.01  # mm
_FEW = 3  # slices that may lie apart without being a stack of their own

# A slice may be off its place on the regular grid by a twentieth of the step; or by what
# rounding positions to 0.1 mm does to it and to both ends, if that is less than a fifth.
_UNEVEN = 0.05
_ROUNDING = 0.11  # mm
_MOST = 0.2
_TILT = 0.01  # shift in the plane per mm along the normal: 0.6°

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False)
class Arrangement:
    """Which slices make the volume, in which order, and where it lies.

    Attributes:
        order: indices into the headers given, by increasing position along the normal, stack
            after stack.
        affine: 4×4, ``affine @ (slice, row, column, 1)`` = LPS mm of a voxel's centre; None
            where the slices have no regular geometry.
        positions: mm along the normal of each slice of a stack; None without geometry.
        pixel_spacing: mm between rows and between columns, or None.
        report: what was set apart, is missing or is wrong, in words; empty when all is well.
        axis: what the stacks differ in; None for one stack.
    """

    order: tuple[int, ...]
    affine: Floats | None = None
    positions: tuple[float, ...] | None = None
    pixel_spacing: tuple[float, float] | None = None
    report: tuple[str, ...] = ()
    axis: Axis | None = None


@dataclass
class _Findings:
    """What was noticed: notes are told, faults make strict arranging fail."""

    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def arrange(headers: Sequence[SliceHeader], *, strict: bool = True) -> Arrangement:
    """Put slices in order along their normal and work out their geometry.

    The normal is the cross product of the two directions of ImageOrientationPatient: for an
    axial series it points to the head, so slices run from feet to head.

    Several images at every position that differ in time, echo, weighting or the like make
    stacks along a fourth axis, in order of its values.

    Set apart and reported: localizers, fewer than three slices of another orientation, and
    phase, real and imaginary images beside those of magnitude.
    Refused when strict: two or more stacks, mixed sizes or spacings, several frames of
    reference, slices at the same position, images that vary in more than one thing beside
    space, missing slices, uneven spacing, tilt. Not strict,
    the largest group is arranged, duplicates after the first are dropped, a tilted stack gets
    its true, sheared affine, and an uneven one none at all. Slices without position or
    orientation are put in order of InstanceNumber, with no affine, and the reason reported.

    A single slice takes the size of its voxels across from SpacingBetweenSlices or
    SliceThickness.

    Args:
        headers: the slices, in any order.
        strict: raise on whatever makes the volume irregular.

    Raises:
        GeometryError: they make no regular volume; the message names the slices. Not strict,
            only for several images at every position that nothing tells apart in time.
        NoDicom: there is no header.
    """
    if not headers:
        raise NoDicom("There are no slices to make a volume of.")
    findings = _Findings()
    chosen = _without_localizers(headers, findings)
    chosen = _one_stack(headers, chosen, findings)
    if any(headers[index].has_place for index in chosen):
        result = _by_position(headers, chosen, findings)
    else:
        result = _by_number(headers, chosen, findings)
    if strict and findings.faults:
        raise GeometryError(
            "These slices do not make one regular volume: "
            + " ".join(findings.faults)
            + " Pass strict=False for the best volume there is, with a report."
        )
    return Arrangement(
        order=result.order,
        affine=result.affine,
        positions=result.positions,
        pixel_spacing=result.pixel_spacing,
        axis=result.axis,
        report=(*findings.notes, *findings.faults),
    )


def _without_localizers(headers: Sequence[SliceHeader], findings: _Findings) -> list[int]:
    """Set scout views apart, unless there is nothing else."""
    scouts = [index for index, header in enumerate(headers) if header.is_localizer]
    if not scouts or len(scouts) == len(headers):
        return list(range(len(headers)))
    findings.notes.append(f"Set apart as localizers: {_names(headers, scouts)}.")
    return [index for index, header in enumerate(headers) if not header.is_localizer]


def _one_stack(headers: Sequence[SliceHeader], chosen: list[int], findings: _Findings) -> list[int]:
    """Keep the largest group of one size, spacing, orientation and frame of reference."""
    groups: list[list[int]] = []
    for index in chosen:
        for group in groups:
            if _difference(headers[group[0]], headers[index]) is None:
                group.append(index)
                break
        else:
            groups.append([index])
    groups.sort(key=len, reverse=True)
    main = groups[0]
    for other in groups[1:]:
        what = _difference(headers[main[0]], headers[other[0]])
        few = len(other) < _FEW and len(main) >= _FEW
        if what == "orientation" and few:
            findings.notes.append(f"Set apart, of another orientation: {_names(headers, other)}.")
            continue
        findings.faults.append(
            f"{len(other)} of {len(chosen)} differ from the {len(main)} others in {what}: "
            f"{_names(headers, other)}."
        )
    return main


def _difference(one: SliceHeader, other: SliceHeader) -> str | None:
    """In what two slices differ that keeps them out of one stack, or None."""
    if one.size != other.size:
        return f"size ({_size(one)}, {_size(other)})"
    if one.has_place != other.has_place:
        return "having position and orientation or not"
    if not _close(one.orientation, other.orientation, _SAME_DIRECTION):
        return "orientation"
    if not _close(one.pixel_spacing, other.pixel_spacing, 1e-4):
        return f"PixelSpacing ({one.pixel_spacing}, {other.pixel_spacing})"
    if one.frame_of_reference != other.frame_of_reference:
        return "frame of reference"
    return None


def _by_number(
    headers: Sequence[SliceHeader], chosen: list[int], findings: _Findings
) -> Arrangement:
    """Order by InstanceNumber, for want of geometry, and say so."""
    order = sorted(chosen, key=lambda index: headers[index].rank)
    numbers = [headers[index].number for index in order]
    by = "InstanceNumber" if None not in numbers else "InstanceNumber where there is one"
    if any(headers[index].frame is not None for index in order):
        by += " and of the numbers of their frames"
    findings.notes.append(
        "No affine: the slices have no ImagePositionPatient and ImageOrientationPatient that "
        f"make sense. They are in order of {by}."
    )
    return Arrangement(tuple(order), pixel_spacing=_pair(headers[order[0]].pixel_spacing))


def _by_position(
    headers: Sequence[SliceHeader], chosen: list[int], findings: _Findings
) -> Arrangement:
    """Order along the normal, drop duplicates, then look at the steps."""
    normal = _normal(headers[chosen[0]])
    heights = np.array([headers[index].position for index in chosen], dtype=np.float64) @ normal
    along = dict(zip(chosen, heights.tolist(), strict=True))
    order = sorted(chosen, key=lambda index: (along[index], headers[index].rank))
    stacks = _stacks(headers, order, along, findings)
    order = stacks.orders[0]
    spacing = _pair(headers[order[0]].pixel_spacing)
    if spacing is None:
        findings.notes.append("No affine: PixelSpacing is missing or makes no sense.")
    places = np.array([headers[index].position for index in order], dtype=np.float64)
    step = _regular_step(headers, order, places, normal, findings)
    affine = None
    if step is not None and spacing is not None:
        affine = _affine(headers[order[0]], step, spacing)
    return Arrangement(
        order=tuple(index for one in stacks.orders for index in one),
        affine=affine,
        positions=tuple(along[index] for index in order),
        pixel_spacing=spacing,
        axis=stacks.axis,
    )


def _stacks(
    headers: Sequence[SliceHeader],
    order: list[int],
    along: dict[int, float],
    findings: _Findings,
) -> Stacks:
    """One slice a position and stack.

    Raises:
        GeometryError: every position has several, which differ, but by nothing that would
            tell one complete stack from the next.
    """
    places: list[list[int]] = []
    for index in order:
        if places and along[index] - along[places[-1][0]] < _SAME_PLACE:
            places[-1].append(index)
        else:
            places.append([index])
    kept, words, guessed = one_kind(headers, places)
    if words:
        (findings.faults if guessed else findings.notes).append(words)
        places = [[index for index in place if index in kept] for place in places]
    depth = len(places[0])
    if depth > 1 and all(len(place) == depth for place in places):
        found = stacks_of(headers, places)
        if found is not None:
            findings.faults.extend(found.faults)
            return found
    doubled = [place for place in places if len(place) > 1]
    if doubled:
        listed = "; ".join(_names(headers, place) for place in doubled[:3])
        more = f"; and {len(doubled) - 3} positions more" if len(doubled) > 3 else ""
        findings.faults.append(f"Several slices lie at the same position: {listed}{more}.")
    return Stacks([[min(place, key=lambda index: headers[index].rank) for place in places]])


def _regular_step(
    headers: Sequence[SliceHeader],
    order: list[int],
    places: Floats,
    normal: Floats,
    findings: _Findings,
) -> Floats | None:
    """The vector from a slice to the next, if it is one and the same; None if it is not."""
    if len(order) == 1:
        thickness = headers[order[0]].step
        if thickness is None:
            findings.notes.append("No affine: one slice alone, and its thickness is not known.")
            return None
        return normal * thickness
    step: Floats = (places[-1] - places[0]) / (len(order) - 1)
    distance = float(normal @ step)
    off = places - (places[0] + np.outer(np.arange(len(order)), step))
    tolerance = _tolerance(distance)
    if np.abs(off @ normal).max() > tolerance:
        findings.faults.append(_what_is_uneven(headers, order, places @ normal))
        return None
    sideways = off - np.outer(off @ normal, normal)
    shifts = np.linalg.norm(sideways, axis=1)
    if shifts.max() > max(2 * _ROUNDING, _UNEVEN * distance):
        worst = order[int(shifts.argmax())]
        findings.faults.append(
            f"Slices are shifted against each other within their plane, by up to "
            f"{shifts.max():.2f} mm ({headers[worst].name}). No affine can say that."
        )
        return None
    shear = float(np.linalg.norm(step - distance * normal)) / distance
    if shear > _TILT:
        angle = np.degrees(np.arctan(shear))
        findings.faults.append(
            f"The stack is tilted by {angle:.1f}°: slices are shifted within their plane by "
            f"{shear * distance:.3f} mm each, as from {headers[order[0]].name} to "
            f"{headers[order[1]].name}. The affine is sheared."
        )
    return step


def _tolerance(distance: float) -> float:
    """How far off its place, along the normal, a slice may lie; in mm."""
    return max(_UNEVEN * distance, min(_ROUNDING, _MOST * distance))


def _what_is_uneven(headers: Sequence[SliceHeader], order: list[int], along: Floats) -> str:
    """Missing slices, where the wide steps are multiples of the usual one; else uneven steps."""
    steps = np.diff(along)
    usual = float(np.median(steps))
    times = np.rint(steps / usual)
    odd = np.flatnonzero(np.abs(steps - usual) > _tolerance(usual))
    fits = np.abs(steps - times * usual) <= _tolerance(usual) * times
    if len(odd) and all(times[at] >= 2 and fits[at] for at in odd):
        gaps = [
            f"{int(times[at]) - 1} missing between {headers[order[at]].name} and "
            f"{headers[order[at + 1]].name}, which lie {steps[at]:.2f} mm apart"
            for at in odd[:5]
        ]
        more = f"; and {len(odd) - 5} gaps more" if len(odd) > 5 else ""
        return (
            f"Slices are missing, the others lie {usual:.2f} mm apart: {'; '.join(gaps)}{more}. "
            "No affine: the slices are not evenly spaced."
        )
    at = int(np.abs(steps - usual).argmax())
    return (
        f"Slices are unevenly spaced, from {steps.min():.2f} to {steps.max():.2f} mm, most "
        f"unlike the others between {headers[order[at]].name} and "
        f"{headers[order[at + 1]].name}. No affine can say that."
    )


def _affine(header: SliceHeader, step: Floats, spacing: tuple[float, float]) -> Floats:
    """The matrix from (slice, row, column, 1) to LPS mm (PS3.3 equation C.7.6.2.1-1)."""
    orientation = _orientation(header)
    affine = np.eye(4)
    affine[:3, 0] = step
    affine[:3, 1] = orientation[3:] * spacing[0]
    affine[:3, 2] = orientation[:3] * spacing[1]
    affine[:3, 3] = _position(header)
    return affine


def _normal(header: SliceHeader) -> Floats:
    """The unit vector along which slices are stacked."""
    orientation = _orientation(header)
    normal: Floats = np.cross(orientation[:3], orientation[3:])
    return normal / float(np.linalg.norm(normal))


def _position(header: SliceHeader) -> Floats:
    return np.array(header.position, dtype=np.float64)


def _orientation(header: SliceHeader) -> Floats:
    return np.array(header.orientation, dtype=np.float64)


def _close(
    one: tuple[float, ...] | None, other: tuple[float, ...] | None, tolerance: float
) -> bool:
    """Whether two tuples agree; None only with None."""
    if one is other or one == other:  # nearly always, and sooner told
        return True
    if one is None or other is None:
        return False
    return all(abs(a - b) <= tolerance for a, b in zip(one, other, strict=True))


def _pair(spacing: tuple[float, ...] | None) -> tuple[float, float] | None:
    return None if spacing is None else (spacing[0], spacing[1])


def _size(header: SliceHeader) -> str:
    rows, columns, stored = header.size
    return f"{rows} × {columns} of {8 * stored} bits"


def _names(headers: Sequence[SliceHeader], indices: Iterable[int]) -> str:
    """Slices by name; of many, the first five."""
    names = [headers[index].name for index in indices]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
