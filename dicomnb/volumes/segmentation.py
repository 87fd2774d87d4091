"""Segmentations (SEG) on the grid of an image: labels, masks, and what each segment is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dicomnb.errors import GeometryError, NoDicom
from dicomnb.images.decode import decode
from dicomnb.images.headers import SliceHeader, number, text
from dicomnb.images.pixels import PixelFormat, name_of
from dicomnb.volumes.axis import Axis
from dicomnb.volumes.colours import rgb_of_cielab
from dicomnb.volumes.frames import frames_of
from dicomnb.volumes.grid import spacing_of
from dicomnb.volumes.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydicom import Dataset

__all__ = ["Segmentation", "read_segmentation"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]

_ALIGNED = 0.05  # of a voxel: farther off, a segment is drawn by nearest neighbour
_STEP = 0.05  # of the step between frames


@dataclass(frozen=True, eq=False, repr=False)
class Segmentation:
    """Segments on one grid.

    Segments that overlap are kept in several layers, so that none covers another.

    Attributes:
        segments: a row for each segment: SegmentNumber, SegmentLabel, Category, Type,
            Algorithm, Colour (``#rrggbb`` or missing), Voxels, Millilitres.
        layers: label volumes, whose values are segment numbers and 0; one unless segments
            overlap.
        report: what was wrong or had to be drawn anew, in words; empty when all is well.
        title: SeriesDescription, or ``""``.
    """

    segments: pd.DataFrame
    layers: tuple[Volume, ...]
    report: tuple[str, ...] = ()
    title: str = ""

    @property
    def labels(self) -> Volume:
        """All segments in one volume: (slices, rows, columns) of segment numbers and 0.

        Raises:
            GeometryError: segments overlap: a voxel has one label only.
        """
        if len(self.layers) > 1:
            raise GeometryError(
                "Segments overlap, and a voxel has one label only. Use masks(), or mask(n) for "
                "one segment."
            )
        return self.layers[0]

    def mask(self, which: int | str) -> Volume:
        """One segment as a volume of bool.

        Args:
            which: its SegmentNumber, or its SegmentLabel.

        Raises:
            KeyError: there is no such segment, or several of that label.
        """
        wanted = self._number(which)
        return replace(
            self.layers[0],
            array=self._mask(wanted),
            title=str(self.segments.set_index("SegmentNumber").at[wanted, "SegmentLabel"]),
        )

    def masks(self) -> Volume:
        """Every segment: (segments, slices, rows, columns) of bool; the axis is SegmentNumber."""
        numbers = self.segments["SegmentNumber"].tolist()
        array = np.stack([self._mask(one) for one in numbers])
        axis = Axis("SegmentNumber", np.array(numbers, np.float64))
        return replace(self.layers[0], array=array, axis=axis)

    def __repr__(self) -> str:
        shown = ", ".join(f"{row.SegmentNumber} {row.SegmentLabel}" for row in self._rows(6))
        more = ", …" if len(self.segments) > 6 else ""
        return f"<Segmentation {self.layers[0].shape}: {shown}{more}>"

    def _rows(self, count: int) -> Iterator[Any]:
        return self.segments.head(count).itertuples()

    def _mask(self, wanted: int) -> Mask:
        found: Mask = np.zeros(self.layers[0].shape, np.bool_)
        for layer in self.layers:
            found |= layer.array == wanted
        return found

    def _number(self, which: int | str) -> int:
        key = "SegmentLabel" if isinstance(which, str) else "SegmentNumber"
        found = self.segments.loc[self.segments[key] == which, "SegmentNumber"]
        if len(found) == 1:
            return int(found.iloc[0])
        known = ", ".join(f"{row.SegmentNumber} {row.SegmentLabel!r}" for row in self._rows(20))
        what = "no segment" if found.empty else f"{len(found)} segments"
        raise KeyError(f"There is {what} {which!r}; there are {known}.")


def read_segmentation(
    dataset: Dataset, *, on: Volume | None = None, threshold: float = 0.5
) -> Segmentation:
    """Put the segments of a SEG on a grid.

    Args:
        dataset: a Segmentation or Label Map Segmentation with its pixels.
        on: the volume whose grid it shall have; None for a grid of its own, in which slices
            that have no frame are empty.
        threshold: from which fraction on a voxel belongs to a FRACTIONAL segment.

    Raises:
        GeometryError: it has no place, lies in another frame of reference, or its frames make
            no grid.
        NoDicom: it is no segmentation.
    """
    kind = text(dataset, "SegmentationType").upper()
    if "SegmentSequence" not in dataset or not kind:
        raise NoDicom(f"{name_of(dataset)} is no segmentation ({text(dataset, 'Modality')}).")
    report: list[str] = []
    frames = _frames(dataset)
    grid = _own_grid(frames, name_of(dataset), None if on is None else on.grid, _declared(dataset))
    frame_of_reference = text(dataset, "FrameOfReferenceUID")
    own = Volume(
        array=np.zeros(grid[1], np.bool_),
        affine=grid[0],
        frame_of_reference=frame_of_reference,
        modality=text(dataset, "Modality"),
        title=text(dataset, "SeriesDescription"),
        pixel_spacing=spacing_of(grid[0])[1:],
    )
    target = own if on is None else replace(
        own, array=np.zeros(on.shape[-3:], np.bool_), affine=on.grid,
        slices=on.slices if on.axis is None else pd.DataFrame(),
    )  # fmt: skip
    if on is not None:
        _same_frame(frame_of_reference, on.frame_of_reference)
    offset = None if on is None else _offset(own, target)
    if on is not None and offset is None:
        report.append(
            "The segmentation lies on another grid than the image: it was drawn by nearest "
            "neighbour."
        )
    if kind == "FRACTIONAL":
        report.append(f"Fractions of {threshold:g} and more count as the segment.")
    layers: list[np.ndarray[Any, Any]] = []
    voxels: dict[int, int] = {}
    items = list(dataset.SegmentSequence)
    top = max(int(number(item, "SegmentNumber") or 0) for item in items)
    label = np.dtype(np.uint8 if top < 256 else np.uint16)
    for segment, mask in _masks(dataset, kind, frames, own, threshold):
        placed = mask if on is None else _placed(mask, own, target, offset, segment, report)
        voxels[segment] = int(np.count_nonzero(placed))
        _into_layer(layers, placed, segment, label)
    layers = layers or [np.zeros(target.shape, label)]
    table = _table(items, voxels, target)
    return Segmentation(
        segments=table,
        layers=tuple(replace(target, array=layer) for layer in layers),
        report=tuple(report),
        title=text(dataset, "SeriesDescription"),
    )


def _frames(dataset: Dataset) -> list[tuple[SliceHeader, int]]:
    """Place and segment number of each frame; 0 where the pixels tell the segment."""
    pixels = PixelFormat.of(dataset)
    size = (pixels.rows, pixels.columns, 1)
    return [
        (
            SliceHeader.of(view, size=size),
            int(number(view, "ReferencedSegmentNumber") or 0),
        )
        for view in frames_of(dataset, pixels.frames)
    ]


def _own_grid(
    frames: Sequence[tuple[SliceHeader, int]], name: str, on: Floats | None, declared: float | None
) -> tuple[Floats, tuple[int, int, int]]:
    """The grid that all frames lie on: an affine, and (slices, rows, columns)."""
    first = frames[0][0]
    spacing = first.pixel_spacing
    if spacing is None or any(
        not header.has_place or header.pixel_spacing is None for header, _ in frames
    ):
        raise GeometryError(f"{name} does not say where its frames lie.")
    if any(
        np.abs(np.subtract(header.orientation, first.orientation)).max() > 1e-3  # type: ignore[arg-type]
        for header, _ in frames
    ):
        raise GeometryError(f"The frames of {name} differ in orientation.")
    orientation = np.array(first.orientation, np.float64)
    normal = np.cross(orientation[:3], orientation[3:])
    places = np.array([header.position for header, _ in frames], np.float64)
    along = places @ normal
    levels = np.unique(np.round(along, 3))
    step = _step(levels, normal, thickness=first.step, declared=declared, on=on)
    if step is None:
        raise GeometryError(f"The frames of {name} are unevenly spaced: they make no grid.")
    affine = np.eye(4)
    affine[:3, 0] = normal * step
    affine[:3, 1] = orientation[3:] * spacing[0]
    affine[:3, 2] = orientation[:3] * spacing[1]
    lowest = places[int(along.argmin())]
    affine[:3, 3] = lowest
    count = round((along.max() - along.min()) / step) + 1
    inside = places - np.outer(along, normal)
    if np.abs(inside - inside[0]).max() > 0.1 * min(spacing):
        raise GeometryError(f"The frames of {name} are shifted within their plane.")
    return affine, (count, first.size[0], first.size[1])


def _declared(dataset: Dataset) -> float | None:
    """SpacingBetweenSlices, which counts planes without a frame too (PS3.3 C.7.6.16.2.1)."""
    shared = dataset.get("SharedFunctionalGroupsSequence")
    measures = shared[0].get("PixelMeasuresSequence") if shared else None
    return number(measures[0], "SpacingBetweenSlices") if measures else None


def _step(
    levels: Floats,
    normal: Floats,
    *,
    thickness: float | None,
    declared: float | None,
    on: Floats | None,
) -> float | None:
    """Mm from a plane to the next, of which planes without a frame may lie between.

    The step of the image, if the frames lie on it; else that which the file tells; else the
    smallest between frames.
    """
    if len(levels) == 1:
        return thickness or 1.0
    smallest = float(np.diff(levels).min())
    candidates = [smallest]
    if declared:
        candidates.insert(0, abs(declared))
    if on is not None:
        along = np.abs(normal @ on[:3, :3])
        candidates.insert(0, float(along.max()))
    for step in candidates:
        counts = (levels - levels[0]) / step
        if np.rint(counts[-1]) < 1 or np.abs(counts - np.rint(counts)).max() > _STEP:
            continue
        return float(levels[-1] - levels[0]) / float(np.rint(counts[-1]))
    return None


def _same_frame(one: str, other: str) -> None:
    if one and other and one != other:
        raise GeometryError(
            f"The segmentation lies in frame of reference {one}, the image in {other}: their "
            "positions cannot be compared."
        )


def _masks(
    dataset: Dataset,
    kind: str,
    frames: Sequence[tuple[SliceHeader, int]],
    own: Volume,
    threshold: float,
) -> Iterator[tuple[int, Mask]]:
    """Each segment on the segmentation's own grid, one after another."""
    places = np.array([header.position for header, _ in frames], np.float64)
    slices = np.rint(own.index(*places.T)[:, 0]).astype(int)
    if kind == "LABELMAP":
        labels = np.zeros(own.shape, PixelFormat.of(dataset).dtype)
        labels[slices] = decode(dataset)
        for segment in np.unique(labels):
            if segment:
                yield int(segment), labels == segment
        return
    least = 0.5
    if kind == "FRACTIONAL":
        least = threshold * float(number(dataset, "MaximumFractionalValue") or 255)
    of: dict[int, list[int]] = {}
    for place, (_, segment) in enumerate(frames):
        of.setdefault(segment, []).append(place)
    for segment, mine in sorted(of.items()):
        mask = np.zeros(own.shape, np.bool_)
        stored = decode(dataset, [place + 1 for place in mine])
        for place, values in zip(mine, stored, strict=True):
            mask[slices[place]] |= values >= least
        yield segment, mask


def _offset(own: Volume, target: Volume) -> tuple[int, int, int] | None:
    """Whole voxels from the own grid to the target's, if they are the same but for that."""
    matrix = np.linalg.inv(target.grid) @ own.grid
    far = np.array(own.shape) - 1
    whole = np.rint(matrix[:3, 3])
    corners = np.array(np.meshgrid(*[(0, n) for n in far])).reshape(3, -1)
    where = matrix[:3, :3] @ corners + matrix[:3, 3:]
    if np.abs(where - corners - whole[:, None]).max() > _ALIGNED:
        return None
    return (int(whole[0]), int(whole[1]), int(whole[2]))


def _placed(
    mask: Mask,
    own: Volume,
    target: Volume,
    offset: tuple[int, int, int] | None,
    segment: int,
    report: list[str],
) -> Mask:
    """A mask on the grid of the target."""
    if offset is None:
        found = replace(own, array=mask, frame_of_reference="").on(
            replace(target, frame_of_reference=""), method="nearest", fill=0
        )
        return np.asarray(found.array, np.bool_)
    result: Mask = np.zeros(target.shape, np.bool_)
    ranges = [
        (max(start, 0), min(start + n, there))
        for start, n, there in zip(offset, mask.shape, target.shape, strict=True)
    ]
    if all(low < high for low, high in ranges):
        into = tuple(slice(low, high) for low, high in ranges)
        source = tuple(
            slice(low - start, high - start)
            for (low, high), start in zip(ranges, offset, strict=True)
        )
        result[into] = mask[source]
    lost = int(np.count_nonzero(mask)) - int(np.count_nonzero(result))
    if lost:
        report.append(f"{lost:,} voxels of segment {segment} lie outside the image.")
    return result


def _into_layer(
    layers: list[np.ndarray[Any, Any]], mask: Mask, segment: int, label: np.dtype[Any]
) -> None:
    """Write a segment into the first layer where it covers no other."""
    for layer in layers:
        if not layer[mask].any():
            layer[mask] = segment
            return
    layers.append(np.where(mask, np.array(segment, label), np.array(0, label)))


def _table(items: Sequence[Dataset], voxels: Mapping[int, int], on: Volume) -> pd.DataFrame:
    """What each segment is."""
    volume = abs(float(np.linalg.det(on.grid[:3, :3]))) / 1000
    numbers = [int(number(item, "SegmentNumber") or 0) for item in items]
    counts = [voxels.get(one, 0) for one in numbers]
    return pd.DataFrame(
        {
            "SegmentNumber": np.array(numbers, np.int64),
            "SegmentLabel": pd.array([text(item, "SegmentLabel") for item in items], "string"),
            "Category": _meanings(items, "SegmentedPropertyCategoryCodeSequence"),
            "Type": _meanings(items, "SegmentedPropertyTypeCodeSequence"),
            "Algorithm": pd.array([text(item, "SegmentAlgorithmType") for item in items], "string"),
            "Colour": pd.array(
                [rgb_of_cielab(item.get("RecommendedDisplayCIELabValue")) for item in items],
                "string",
            ),
            "Voxels": np.array(counts, np.int64),
            "Millilitres": np.array(counts, np.float64) * volume,
        }
    )


def _meanings(items: Sequence[Dataset], keyword: str) -> Any:
    codes = [item.get(keyword) for item in items]
    return pd.array([text(code[0], "CodeMeaning") if code else None for code in codes], "string")
