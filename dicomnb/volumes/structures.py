"""Structure sets (RTSTRUCT): contours in mm, as masks on a volume and as lines on a plane."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dicomnb.errors import GeometryError, NoDicom
from dicomnb.images.headers import number, numbers, text
from dicomnb.images.pixels import name_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import Dataset

    from dicomnb.volumes.planes import Plane
    from dicomnb.volumes.volume import Volume

__all__ = ["Structures", "inside", "read_structures"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]

_FLAT = 0.25  # of a slice: farther from one plane, a contour lies in none


@dataclass(frozen=True, eq=False, repr=False)
class Structures:
    """Regions of interest, outlined by contours in the patient.

    Attributes:
        rois: a row for each region: ROINumber, ROIName, Type (RTROIInterpretedType), Colour
            (``#rrggbb`` or missing), Contours (how many), Kinds (ContourGeometricType).
        frame_of_reference: FrameOfReferenceUID of the contours, or ``""``.
        title: StructureSetLabel, or ``""``.
    """

    rois: pd.DataFrame
    frame_of_reference: str
    title: str
    _contours: dict[int, tuple[tuple[str, Floats], ...]]

    def contours(self, roi: int | str) -> list[Floats]:
        """The contours of a region, each (points, 3): x, y, z in LPS mm.

        Args:
            roi: its ROINumber, or its ROIName.

        Raises:
            KeyError: there is no such region, or several of that name.
        """
        return [points.copy() for _, points in self._contours[self._number(roi)]]

    def mask(self, roi: int | str, on: Volume) -> Volume:
        """A region as a volume of bool: the voxels whose centres lie inside its contours.

        Contours of one plane are taken together, even-odd: one within another is a hole, and
        so is what a keyhole leaves out. Where the volume's slices lie closer than the planes of
        the contours, each slice takes the contours of the nearest plane, up to half the distance
        between planes; ``report`` then says so.

        Args:
            roi: its ROINumber, or its ROIName.
            on: the volume whose grid it shall have.

        Raises:
            GeometryError: another frame of reference, no affine, or the contours do not lie in
                planes parallel to the slices.
            KeyError: there is no such region.
        """
        wanted = self._number(roi)
        affine = on.grid
        one, other = self.frame_of_reference, on.frame_of_reference
        if one and other and one != other:
            raise GeometryError(
                f"The contours lie in frame of reference {one}, the volume in {other}: their "
                "positions cannot be compared."
            )
        depth, rows, columns = on.shape[-3:]
        planes, report = self._planes(wanted, on)
        array: Mask = np.zeros((depth, rows, columns), np.bool_)
        where = np.array(sorted(planes))
        steps = np.diff(where)
        half = max(float(np.median(steps)) / 2 if len(steps) else 0.5, 0.5)
        if half > 0.75:
            report.append(
                f"The contours lie {2 * half:.3g} slices apart: slices between take those of the "
                "nearest plane."
            )
        for place in range(depth) if len(where) else ():
            nearest = float(where[int(np.abs(where - place).argmin())])
            if abs(nearest - place) <= half + 1e-6:
                array[place] = inside(planes[nearest], rows, columns)
        outside = [at for at in where if not -half <= at <= depth - 1 + half]
        if outside:
            report.append(f"{len(outside)} planes of contours lie outside the volume.")
        row = self.rois.set_index("ROINumber").loc[wanted]
        return replace(
            on,
            array=array,
            affine=affine,
            axis=None,
            units="",
            windows=(),
            title=str(row["ROIName"]),
            modality="RTSTRUCT",
            report=tuple(report),
            slices=on.slices if on.axis is None else on.slices.iloc[:0],
        )

    def lines(self, roi: int | str, plane: Plane) -> list[Floats]:
        """The contours that lie in a plane, to be drawn on it.

        Args:
            roi: its ROINumber, or its ROIName.
            plane: of `Volume.plane`, parallel to the contours; for other planes outline that of
                ``mask(roi, volume)``.

        Returns:
            each (points, 2): row and column, fractional. Closed ones end where they begin.

        Raises:
            GeometryError: the contours are not parallel to the plane.
        """
        found = []
        for kind, points in self._contours[self._number(roi)]:
            where = plane.pixel(*points.T)
            if np.ptp(where[:, 0]) > 2 * _FLAT:
                raise GeometryError(
                    f"The contours of {roi!r} do not lie parallel to the {plane.name} plane: "
                    "outline structures.mask(roi, volume).plane(…) instead."
                )
            if abs(float(where[:, 0].mean())) <= 0.5:
                line = where[:, 1:]
                found.append(np.vstack([line, line[:1]]) if kind.startswith("CLOSED") else line)
        return found

    def __repr__(self) -> str:
        names = ", ".join(self.rois["ROIName"].astype(str).head(8))
        more = ", …" if len(self.rois) > 8 else ""
        return f"<Structures {self.title!r}: {names}{more}>"

    def _planes(self, wanted: int, on: Volume) -> tuple[dict[float, list[Floats]], list[str]]:
        """Closed contours in voxels, (points, 2) as row and column, by fractional slice."""
        planes: dict[float, list[Floats]] = {}
        report = []
        other = 0
        for kind, points in self._contours[wanted]:
            if kind not in ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR") or len(points) < 3:
                other += 1
                continue
            index = on.index(*points.T)
            if np.ptp(index[:, 0]) > 2 * _FLAT:
                raise GeometryError(
                    "The contours do not lie in planes parallel to the slices of the volume. Use "
                    "the volume that they were drawn on, then mask.on(other, method='nearest')."
                )
            at = float(index[:, 0].mean())
            near = [place for place in planes if abs(place - at) < _FLAT / 2]
            planes.setdefault(near[0] if near else at, []).append(index[:, 1:])
        if other:
            report.append(f"{other} contours are points or open lines, which enclose nothing.")
        return planes, report

    def _number(self, roi: int | str) -> int:
        key = "ROIName" if isinstance(roi, str) else "ROINumber"
        found = self.rois.loc[self.rois[key] == roi, "ROINumber"]
        if len(found) == 1:
            return int(found.iloc[0])
        what = "no region" if found.empty else f"{len(found)} regions"
        known = ", ".join(
            f"{row.ROINumber} {row.ROIName!r}" for row in self.rois.head(30).itertuples()
        )
        raise KeyError(f"There is {what} {roi!r}; there are {known}.")


def inside(contours: Sequence[Floats], rows: int, columns: int) -> Mask:
    """Pixels whose centres lie inside closed contours, even-odd.

    Args:
        contours: each (points, 2), row and column; the last point is joined to the first.
        rows: of the result.
        columns: of the result.

    Returns:
        (rows, columns) of bool. A centre on an upper or left edge is inside, on a lower or right
        one outside, so that regions side by side share no pixel and leave none out.
    """
    # Going along a row, each edge that crosses it turns inside to outside or back.
    flips = np.zeros((rows, columns + 1), np.int64)
    for contour in contours:
        start, end = contour, np.roll(contour, -1, axis=0)
        for (y0, x0), (y1, x1) in zip(start, end, strict=True):
            low, high = (y0, y1) if y0 < y1 else (y1, y0)
            first, last = max(int(np.ceil(low)), 0), min(int(np.ceil(high)), rows)
            if first >= last:
                continue
            crossed = np.arange(first, last)
            x = x0 + (crossed - y0) * (x1 - x0) / (y1 - y0)
            columns_from = np.clip(np.ceil(x), 0, columns).astype(np.int64)
            np.add.at(flips, (crossed, columns_from), 1)
    return np.asarray(np.cumsum(flips[:, :columns], axis=1) % 2 == 1)


def read_structures(dataset: Dataset) -> Structures:
    """Read a structure set (PS3.3 C.8.8.5, C.8.8.6, C.8.8.8).

    Raises:
        NoDicom: it is none.
        GeometryError: a contour's data are no points.
    """
    if "StructureSetROISequence" not in dataset:
        raise NoDicom(f"{name_of(dataset)} is no structure set ({text(dataset, 'Modality')}).")
    drawn = {_roi(item): item for item in dataset.get("ROIContourSequence") or []}
    seen = {_roi(item): item for item in dataset.get("RTROIObservationsSequence") or []}
    contours: dict[int, tuple[tuple[str, Floats], ...]] = {}
    rows = []
    for roi in dataset.StructureSetROISequence:
        key = int(number(roi, "ROINumber") or 0)
        item = drawn.get(key)
        contours[key] = () if item is None else tuple(_contours(item, text(roi, "ROIName")))
        rgb = None if item is None else numbers(item, "ROIDisplayColor", 3)
        colour = None if rgb is None else "#" + "".join(f"{int(part):02x}" for part in rgb)
        kinds = sorted({kind for kind, _ in contours[key]})
        rows.append(
            {
                "ROINumber": key,
                "ROIName": text(roi, "ROIName"),
                "Type": text(seen[key], "RTROIInterpretedType") if key in seen else None,
                "Colour": colour,
                "Contours": len(contours[key]),
                "Kinds": ", ".join(kinds),
            }
        )
    table = pd.DataFrame(
        rows, columns=["ROINumber", "ROIName", "Type", "Colour", "Contours", "Kinds"]
    ).astype(dict.fromkeys(["ROIName", "Type", "Colour", "Kinds"], "string"))
    frames = {
        text(roi, "ReferencedFrameOfReferenceUID") for roi in dataset.StructureSetROISequence
    } - {""}
    return Structures(
        rois=table,
        frame_of_reference=frames.pop()
        if len(frames) == 1
        else text(dataset, "FrameOfReferenceUID"),
        title=text(dataset, "StructureSetLabel"),
        _contours=contours,
    )


def _roi(item: Dataset) -> int:
    return int(number(item, "ReferencedROINumber") or 0)


def _contours(item: Dataset, name: str) -> list[tuple[str, Floats]]:
    """Kind and points of each contour."""
    found = []
    for contour in item.get("ContourSequence") or []:
        data = contour.get("ContourData") or []
        if len(data) % 3 or not len(data):
            raise GeometryError(f"A contour of {name!r} has {len(data)} numbers: no points.")
        points = np.array([float(value) for value in data], np.float64).reshape(-1, 3)
        found.append((text(contour, "ContourGeometricType").upper(), points))
    return found
