"""Frames of a multi-frame instance, each with attributes of its own, as if it were an instance.

Where a frame lies and how it is rescaled stands in the functional groups (PS3.3 C.7.6.16), in
GridFrameOffsetVector for a dose (C.8.8.3.2), in the detector's item for nuclear medicine
(C.8.4.11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.datadict import tag_for_keyword

from dicomnb.errors import DecodeError
from dicomnb.images.headers import number, numbers, once, text, written
from dicomnb.images.pixels import UNREADABLE, name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping

    from pydicom import Dataset

    from dicomnb.images.headers import Attributes, Made

__all__ = ["FrameView", "frames_of"]

RT_DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
PARAMETRIC_MAP = "1.2.840.10008.5.1.4.1.1.30"

# What a functional group calls an attribute that single-frame images have under another name.
_ALIASES = {
    "EchoTime": "EffectiveEchoTime",
    "AcquisitionDateTime": "FrameAcquisitionDateTime",
    "ImageType": "FrameType",
    "InversionTime": "InversionTimes",
}
# Groups whose attributes of interest lie one level deeper.
_DEEPER = ("DiffusionGradientDirectionSequence",)

Index = dict[int, "Dataset"]


class FrameView:
    """The attributes of one frame: its own groups, then the shared ones, then the image's.

    Has of a data set what reading a header needs: `get` and ``in``.

    Args:
        dataset: the image.
        number: of the frame, from 1; None for an image of one frame.
        given: values that were worked out, by keyword.
        groups: where to find the attributes of the functional groups, the nearest first.
    """

    def __init__(
        self,
        dataset: Attributes,
        number: int | None,
        *,
        given: Mapping[str, Any] | None = None,
        groups: tuple[Index, ...] = (),
    ) -> None:
        self.number = number
        self._dataset = dataset
        self._given = given or {}
        self._groups = groups

    def get(self, keyword: str, default: Any = None) -> Any:
        """The value of an attribute, by keyword."""
        if keyword in self._given:
            return self._given[keyword]
        for name in (_ALIASES.get(keyword, keyword), keyword) if self._groups else ():
            tag = tag_for_keyword(name)
            for group in self._groups:
                if tag in group:
                    return group[tag].get(name, default)
        return self._dataset.get(keyword, default)

    def written(self, keyword: str) -> str | None:
        """A number or UID of the image itself as it is written, see `OutlinedHeader.written`."""
        if self._groups or keyword in self._given:
            return None
        return written(self._dataset, keyword)

    def once(self, name: Hashable, make: Callable[[Attributes], Made]) -> Made:
        """What ``make`` makes of it, see `dicomnb.images.headers.once`."""
        if self._groups or self._given:
            return make(self)
        return once(self._dataset, name, make)

    def __contains__(self, keyword: str) -> bool:
        if keyword in self._given or keyword in self._dataset:
            return True
        tag = tag_for_keyword(keyword)
        return any(tag in group for group in self._groups)


def frames_of(dataset: Attributes, frames: int) -> list[FrameView]:
    """Every frame of an image, in the order of the file.

    Args:
        dataset: the header.
        frames: how many there are.

    Raises:
        DecodeError: there are functional groups, offsets or vectors for another number of frames.
    """
    try:
        if "PerFrameFunctionalGroupsSequence" in dataset:
            return list(_grouped(dataset, frames))
        if text(dataset, "SOPClassUID") == RT_DOSE or "GridFrameOffsetVector" in dataset:
            return list(_dose(dataset, frames))
        if frames > 1 and "DetectorInformationSequence" in dataset:
            return list(_detected(dataset, frames))
        if frames == 1:
            shared = _index(dataset.get("SharedFunctionalGroupsSequence"))
            return [FrameView(dataset, None, groups=(shared,) if shared else ())]
        shared = _index(dataset.get("SharedFunctionalGroupsSequence"))
        nowhere = {"ImagePositionPatient": None}  # the image's own cannot be that of every frame
        return [
            FrameView(dataset, place + 1, given=nowhere, groups=(shared,))
            for place in range(frames)
        ]
    except UNREADABLE as error:
        raise DecodeError(f"What {name_of(dataset)} says of its frames is damaged: {error}") from (
            error
        )


def _grouped(dataset: Attributes, frames: int) -> Iterator[FrameView]:
    """Frames with functional groups."""
    items = dataset.get("PerFrameFunctionalGroupsSequence")
    if len(items) != frames:
        raise DecodeError(
            f"{name_of(dataset)} has {frames} frames, but functional groups for {len(items)}."
        )
    shared = _index(dataset.get("SharedFunctionalGroupsSequence"))
    for place, item in enumerate(items):
        groups = (_of_item(item), shared)
        view = FrameView(dataset, place + 1, groups=groups)
        given = _real_world(view, dataset)
        yield FrameView(dataset, place + 1, given=given, groups=groups) if given else view


def _index(sequence: Any) -> Index:
    """Attributes of the shared groups."""
    return _of_item(sequence[0]) if sequence else {}


def _of_item(groups: Dataset) -> Index:
    """Each attribute in the first item of each group, and that item."""
    found: Index = {}
    for group in groups:
        if group.VR != "SQ" or not group.value:
            continue
        first = group.value[0]
        found.update(dict.fromkeys(map(int, first.keys()), first))
        for keyword in _DEEPER:
            deeper = first.get(keyword)
            if deeper:
                found.update(dict.fromkeys(map(int, deeper[0].keys()), deeper[0]))
    return found


def _real_world(view: FrameView, dataset: Attributes) -> dict[str, Any]:
    """The rescale of a parametric map, whose values mean something only in real-world units."""
    if text(dataset, "SOPClassUID") != PARAMETRIC_MAP:
        return {}
    units = view.get("MeasurementUnitsCodeSequence")
    unit = text(units[0], "CodeValue") if units else ""
    slope, intercept = (view.get(f"RealWorldValue{name}") for name in ("Slope", "Intercept"))
    if slope is None:
        if view.get("RealWorldValueLUTData") is not None:
            raise DecodeError(
                f"{name_of(dataset)} maps its values by a table (RealWorldValueLUTData), not by "
                "slope and intercept; archive.frames gives the stored values."
            )
        slope, intercept = 1.0, 0.0
    return {
        "RescaleSlope": float(slope),
        "RescaleIntercept": float(intercept or 0.0),
        "RescaleType": "" if unit == "1" else unit,
    }


def _dose(dataset: Attributes, frames: int) -> Iterator[FrameView]:
    """Planes of a dose grid (PS3.3 C.8.8.3.2).

    Offsets that begin with 0 count from ImagePositionPatient along the normal; others, allowed
    for axial grids only, are the z of the planes.
    """
    if frames == 1:
        yield FrameView(dataset, None)
        return
    offsets = numbers(dataset, "GridFrameOffsetVector", frames)
    if offsets is None:
        raise DecodeError(
            f"{name_of(dataset)} is a dose of {frames} frames, but GridFrameOffsetVector does not "
            "say where each lies."
        )
    first = numbers(dataset, "ImagePositionPatient", 3)
    orientation = numbers(dataset, "ImageOrientationPatient", 6)
    for place, offset in enumerate(offsets):
        if first is None or orientation is None:
            yield FrameView(dataset, place + 1)
            continue
        normal = np.cross(orientation[:3], orientation[3:])
        if offsets[0] == 0:
            where = np.asarray(first) + normal * offset
        elif abs(normal[2]) > 0.999 and abs(offsets[0] - first[2]) < 0.01:
            where = np.array([first[0], first[1], offset])
        else:
            raise DecodeError(
                f"GridFrameOffsetVector of {name_of(dataset)} begins with {offsets[0]}: neither "
                "0 nor the z of an axial grid's first plane."
            )
        yield FrameView(dataset, place + 1, given={"ImagePositionPatient": where.tolist()})


def _detected(dataset: Attributes, frames: int) -> Iterator[FrameView]:
    """Slices of a reconstructed nuclear medicine image; other frames have no place."""
    item = dataset.get("DetectorInformationSequence")[0]
    first = numbers(item, "ImagePositionPatient", 3)
    orientation = numbers(item, "ImageOrientationPatient", 6)
    step = number(dataset, "SpacingBetweenSlices")
    kind = text(dataset, "ImageType").upper()
    slices = numbers(dataset, "SliceVector", frames)
    spatial = None not in (first, orientation, step, slices) and "RECON" in kind
    for place in range(frames):
        if not spatial:
            yield FrameView(dataset, place + 1, given={"ImagePositionPatient": None})
            continue
        normal = np.cross(orientation[:3], orientation[3:])  # type: ignore[index]
        where = np.asarray(first) + normal * step * (slices[place] - 1)  # type: ignore[index]
        yield FrameView(
            dataset,
            place + 1,
            given={
                "ImagePositionPatient": where.tolist(),
                "ImageOrientationPatient": list(orientation or ()),
            },
        )
