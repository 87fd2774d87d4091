"""`Volume`: modality values in the patient; cut, turned, resampled, handed to other libraries."""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dicomnb.errors import GeometryError
from dicomnb.volumes.grid import (
    axes_and_flips,
    extended,
    is_sheared,
    same_grid,
    spacing_of,
)
from dicomnb.volumes.handed import Handed
from dicomnb.volumes.planes import plane, turned
from dicomnb.volumes.resampling import at_points, on_grid
from dicomnb.volumes.writing import segmentation_dataset

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pydicom import Dataset

    from dicomnb.volumes.planes import Plane
    from dicomnb.volumes.resampling import Method
    from dicomnb.volumes.writing import Algorithm, Code

    Range = slice | tuple[int, int] | None
    Point = tuple[float, float, float]

__all__ = ["Volume"]

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False, repr=False)
class Volume(Handed):
    """Modality values on a regular grid, and where that grid lies in the patient.

    It is an array to numpy: ``volume > 300``, ``np.mean(volume)`` and ``volume[100]`` give
    plain arrays without geometry; its own methods keep the geometry. Slices are ordered by
    increasing position along their normal, for an axial series from feet to head.

    Its attributes are those of `dicomnb.volumes.placed.Placed`: ``array``, ``affine``,
    ``units``, ``slices``, ``frame_of_reference``, ``report``, ``modality``, ``title``,
    ``photometric``, ``windows``, ``pixel_spacing``, ``axis``.
    """

    __hash__ = object.__hash__

    def at(self, stack: int) -> Volume:
        """One stack of a volume with four axes, as a volume with three; no copy.

        Of a lazy volume the stack is fetched, all of its slices.

        Args:
            stack: its index, from 0, negative from the end.

        Raises:
            GeometryError: there is no fourth axis.
            IndexError: there is no such stack.
        """
        if self.axis is None:
            raise GeometryError("This volume has one stack: it has no fourth axis.")
        count = len(self.axis)
        if not -count <= operator.index(stack) < count:
            raise IndexError(f"There is no stack {stack}: indices run from 0 to {count - 1}.")
        place = operator.index(stack) % count
        depth = self.shape[1]
        rows = self.slices
        if len(rows) == count * depth:
            rows = rows.iloc[place * depth : (place + 1) * depth].reset_index(drop=True)
        return replace(self, array=self.array[place], axis=None, slices=rows)

    def loaded(self) -> Volume:
        """The volume with all of its slices in memory; itself, unless it is lazy.

        Raises:
            LimitExceeded: it is larger than the limits allow.
        """
        return self if isinstance(self.array, np.ndarray) else replace(self, array=np.asarray(self))

    def plane(
        self, name: str, *, at: int | None = None, mm: float | None = None, stack: int = 0
    ) -> Plane:
        """A plane as radiologists look at it, to be drawn or measured; no copy.

        The patient's right is at the left of axial and coronal planes, the front at the left
        of sagittal ones. Of an oblique volume the plane of voxels that is nearest in direction.

        Args:
            name: ``"axial"``, ``"coronal"`` or ``"sagittal"``.
            at: index along the axis of the volume that the plane cuts, from 0, negative from
                the end; the middle if neither is given.
            mm: instead, where the middle of the plane lies: LPS z of an axial plane, y of a
                coronal, x of a sagittal one. The nearest plane is taken.
            stack: of a volume with four axes: which stack.

        Returns:
            `Plane`: the array with its spacing, letters and place.

        Raises:
            GeometryError: there is no affine; or the volume is tilted and the plane would be
                sheared.
            IndexError: there is no such plane.
            ValueError: no such name, or both ``at`` and ``mm``.

        Example:
            >>> volume.plane("coronal").letters  # doctest: +SKIP
            ('S', 'L', 'I', 'R')
        """
        return plane(self, name, at=at, mm=mm, stack=stack)

    def value(self, x: Any, y: Any, z: Any, *, method: Method = "linear") -> Floats:
        """Values at LPS mm.

        Args:
            x: mm to the left, or an array of them.
            y: mm to the back.
            z: mm to the head.
            method: ``"linear"`` between voxels, or of the ``"nearest"``.

        Returns:
            (…), or (stacks, …) with a fourth axis: float64, NaN outside the volume.

        Raises:
            GeometryError: there is no affine.
            ImportError: SciPy is not installed.
        """
        index = self.index(x, y, z)
        if self.axis is None:
            return at_points(np.asarray(self.array), index, method=method)
        return np.stack([at_points(np.asarray(one), index, method=method) for one in self.array])

    def cropped(
        self,
        slices: Range = None,
        rows: Range = None,
        columns: Range = None,
        *,
        box: tuple[Point, Point] | None = None,
    ) -> Volume:
        """A part of the volume, at its place; no copy.

        Of a lazy volume the part is fetched, and is an array in memory.

        Args:
            slices: (first, past the last) as in Python, or a ``slice`` without a step; None
                for all.
            rows: the same.
            columns: the same.
            box: two opposite corners in LPS mm instead: the smallest part of the grid whose
                voxels' centres hold all of the box that lies in the volume.

        Raises:
            ValueError: nothing would be left, or there is a step.
        """
        spatial = self.shape[-3:]
        if box is not None:
            if not (slices is None and rows is None and columns is None):
                raise ValueError("Give ranges of voxels or box=, not both.")
            corners = np.array(np.meshgrid(*zip(*box, strict=True), indexing="ij")).reshape(3, -1)
            index = self.index(*corners)
            low = np.floor(index.min(axis=0) + 1e-6).astype(int)
            high = np.ceil(index.max(axis=0) - 1e-6).astype(int) + 1
            slices, rows, columns = (
                (max(int(a), 0), min(max(int(b), 0), n))
                for a, b, n in zip(low, high, spatial, strict=True)
            )
        cuts = [_cut(one, n) for one, n in zip((slices, rows, columns), spatial, strict=True)]
        affine = None
        if self.affine is not None:
            affine = self.affine.copy()
            affine[:3, 3] += affine[:3, :3] @ [cut.start for cut in cuts]
        where = (slice(None), *cuts) if self.axis is not None else tuple(cuts)
        table = _kept(self, np.arange(spatial[0])[cuts[0]])
        return replace(self, array=self.array[where], affine=affine, slices=table)

    def reoriented(self, letters: str = "RAS") -> Volume:
        """The same voxels with axes in another order, some turned round; no copy.

        A lazy volume is loaded: all of its slices are fetched.

        Args:
            letters: to where slice, row and column index shall grow, nearest of R L A P S I.
                ``"RAS"`` is the order of NIfTI, ``"SPL"`` that of an axial series.

        Returns:
            A volume whose `orientation` is ``letters``; every voxel keeps its place.

        Raises:
            GeometryError: there is no affine.
            ValueError: ``letters`` does not name each of the three directions once.
        """
        affine = self.grid
        order, flips = axes_and_flips(affine, letters)
        spatial = self.shape[-3:]
        ahead = 0 if self.axis is None else 1
        turn = [slice(None, None, -1 if flip else 1) for flip in flips]
        array = np.asarray(self.array).transpose(*range(ahead), *(ahead + at for at in order))
        array = array[(*[slice(None)] * ahead, *turn)]
        table = pd.DataFrame()
        if order[0] == 0:
            table = _kept(self, np.arange(spatial[0])[:: -1 if flips[0] else 1])
        placed = turned(affine, spatial, order, flips)
        return replace(
            self, array=array, affine=placed, slices=table, pixel_spacing=spacing_of(placed)[1:]
        )

    def resampled(
        self,
        spacing: float | Sequence[float] | None = None,
        *,
        method: Method = "linear",
        smooth: bool = True,
    ) -> Volume:
        """The volume on a grid of another spacing over the same room, at right angles.

        Args:
            spacing: mm along (slice, row, column), or one number for all three; None keeps
                the spacing, which straightens a tilted volume.
            method: ``"linear"``, or ``"nearest"`` for labels.
            smooth: before linear values are taken at wider steps, smooth with a Gaussian of
                half of what the step grows by, in voxels. Without it, detail that is finer than
                the new step shows as false patterns.

        Returns:
            float32 for ``"linear"``, the same type for ``"nearest"``. NaN (or 0) where the
            straightened grid of a tilted volume holds no voxels.

        Raises:
            GeometryError: there is no affine.
            ImportError: SciPy is not installed.
            ValueError: a spacing is not positive.
        """
        affine = self.grid
        old = spacing_of(affine)
        wanted = np.asarray(old if spacing is None else spacing, np.float64) * np.ones(3)
        if not (np.isfinite(wanted).all() and (wanted > 0).all()):
            raise ValueError(f"spacing={spacing}: it is mm, more than 0.")
        grid, shape = extended(affine, self.shape[-3:], wanted.tolist())
        growth = np.maximum(wanted / old - 1, 0) / 2 if smooth and method == "linear" else (0, 0, 0)
        fill = None
        if is_sheared(affine):
            fill = np.nan if method == "linear" else 0.0
        return self._on(grid, shape, method=method, fill=fill, smooth=[float(g) for g in growth])

    def on(self, other: Volume, *, method: Method = "linear", fill: float = np.nan) -> Volume:
        """This volume on the grid of another: a dose or a PET on a CT, to overlay or compare.

        Args:
            other: whose grid; of the same frame of reference.
            method: ``"linear"``, or ``"nearest"`` for labels.
            fill: value outside this volume. NaN makes integers floats.

        Returns:
            A volume of the shape of ``other`` (its slices, rows and columns), in the units of
            this one. On one and the same grid the very values, with no interpolation.

        Raises:
            GeometryError: one has no affine, or they are in different frames of reference.
            ImportError: SciPy is not installed.
        """
        affine, target = self.grid, other.grid
        one, another = self.frame_of_reference, other.frame_of_reference
        if one and another and one != another:
            raise GeometryError(
                f"The two lie in different frames of reference ({one}, {another}): their "
                "positions cannot be compared without a registration. If they are known to be "
                "the same, set one with dataclasses.replace(volume, frame_of_reference=…)."
            )
        shape = other.shape[-3:]
        if shape == self.shape[-3:] and same_grid(affine, target, shape, tolerance=1e-3):
            return replace(self, affine=target, slices=pd.DataFrame())
        return self._on(target, shape, method=method, fill=fill)

    def _on(
        self,
        affine: Floats,
        shape: Sequence[int],
        *,
        method: Method,
        fill: float | None,
        smooth: Sequence[float] = (0, 0, 0),
    ) -> Volume:
        matrix = np.linalg.inv(self.grid) @ affine
        whole = np.asarray(self.array)
        made = [
            on_grid(one, matrix, shape, method=method, fill=fill, smooth=smooth)
            for one in (whole if self.axis is not None else whole[np.newaxis])
        ]
        return replace(
            self,
            array=np.stack(made) if self.axis is not None else made[0],
            affine=affine,
            slices=pd.DataFrame(),
            pixel_spacing=spacing_of(affine)[1:],
        )

    def to_segmentation(
        self,
        masks: Mapping[str, Any],
        sources: Iterable[Dataset],
        *,
        title: str = "Segmentation",
        algorithm: str | Algorithm | None = None,
        codes: Mapping[str, tuple[Code, Code]] | None = None,
    ) -> Dataset:
        """Masks on this volume as a Segmentation object, to be stored with ``archive.store``.

        Args:
            masks: by label: each (slices, rows, columns) of bool, or of 0 and 1; they may
                overlap.
            sources: the images of the volume, as ``archive.datasets(scan, pixels=False)``.
            title: SeriesDescription.
            algorithm: what drew them: a name, or an `Algorithm`, which can say of what family
                it is and that a person helped; None for by hand.
            codes: by label: category and type of what a segment is, each (value, scheme,
                meaning); Tissue (SNOMED CT) where nothing is said.

        Returns:
            A data set of a new series in the study of the images.

        Raises:
            GeometryError: the volume's slices are no longer those of the images.
            ImportError: highdicom is not installed.
            ValueError: a mask has another shape, or other values.

        Example:
            >>> images = archive.datasets(scan, pixels=False)  # doctest: +SKIP
            >>> archive.store(volume.to_segmentation({"bone": volume > 300}, images))
            ... # doctest: +SKIP
        """
        return segmentation_dataset(
            self, masks, sources, title=title, algorithm=algorithm, codes=codes or {}
        )


def _cut(asked: Range, count: int) -> slice:
    """A range of an axis, with its start and stop."""
    wanted = asked if isinstance(asked, slice) else slice(*(asked or (None, None)))
    if wanted.step not in (None, 1):
        raise ValueError("A part of a volume has no step: use resampled() for a wider spacing.")
    start, stop, _ = wanted.indices(count)
    if stop <= start:
        raise ValueError(f"Nothing is left: {asked} of {count}.")
    return slice(start, stop)


def _kept(volume: Volume, places: np.ndarray[Any, Any]) -> pd.DataFrame:
    """The rows of the table for some slices of every stack, in that order."""
    table = volume.slices
    stacks = 1 if volume.axis is None else len(volume.axis)
    depth = volume.shape[-3]
    if len(table) != stacks * depth:
        return table.iloc[:0]
    every = [stack * depth + place for stack in range(stacks) for place in places]
    return table.iloc[every].reset_index(drop=True)
