"""A volume of slices that are read and arranged: its type, and the facts they agree on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dicomnb.images.rescale import modality_type
from dicomnb.volumes.slices import slice_table
from dicomnb.volumes.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from dicomnb.volumes.geometry import Arrangement
    from dicomnb.volumes.slices import Slice

__all__ = ["assembled", "type_of"]


def type_of(slices: Sequence[Slice]) -> np.dtype[Any]:
    """The type that holds the modality values of all slices, see `modality_type`."""
    whole = all(one.by.is_whole and one.stored.kind in "iu" for one in slices)
    ranges = [one.by.range_of(one.low, one.high) for one in slices] if whole else [(0, 0)]
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    return modality_type(slices[0].stored, low, high, whole=whole)


def assembled(
    array: np.ndarray[Any, Any],
    slices: Sequence[Slice],
    arrangement: Arrangement,
    *,
    notes: Sequence[str],
) -> Volume:
    """A volume with the facts its slices agree on."""
    report = [*notes, *arrangement.report]
    units = {one.units for one in slices}
    if len(units) > 1:
        report.append(f"Slices are in different units: {', '.join(sorted(units))}.")
    shades = {one.facts["PhotometricInterpretation"] for one in slices}
    if len(shades) > 1:
        report.append(f"Slices are to be shown in different ways: {', '.join(sorted(shades))}.")
    middle = slices[len(slices) // 2]
    return Volume(
        array=array,
        affine=arrangement.affine,
        units=units.pop() if len(units) == 1 else "",
        slices=slice_table(slices, arrangement.positions, arrangement.axis),
        frame_of_reference=middle.header.frame_of_reference,
        report=tuple(report),
        modality=middle.facts["Modality"],
        title=middle.facts["SeriesDescription"],
        photometric=middle.facts["PhotometricInterpretation"],
        windows=middle.windows,
        pixel_spacing=arrangement.pixel_spacing,
        axis=arrangement.axis,
    )
