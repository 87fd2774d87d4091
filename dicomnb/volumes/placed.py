"""`Placed`: an array with its place in the patient, the ground of `Volume`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.lib.mixins import NDArrayOperatorsMixin

from dicomnb.errors import GeometryError
from dicomnb.volumes.grid import letters_of, spacing_of

if TYPE_CHECKING:
    from dicomnb.images.windows import Window
    from dicomnb.volumes.axis import Axis

__all__ = ["Placed"]

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False, repr=False)
class Placed(NDArrayOperatorsMixin):
    """Values on a regular grid, and where that grid lies in the patient: see `Volume`.

    Attributes:
        array: (slices, rows, columns); with a fourth axis (stacks, slices, rows, columns).
        affine: 4×4 float64: ``affine @ (slice, row, column, 1)`` = LPS mm of the voxel's
            centre. None where the slices have no regular geometry; ``report`` says why.
        units: of the values: ``"HU"``, ``"BQML"``, …, or ``""`` where the files do not say.
        slices: a row for each slice, stack after stack: SOPInstanceUID, InstanceNumber,
            Position (mm along the normal), ImagePositionPatient, … No rows where the first
            index no longer counts the slices of the files.
        frame_of_reference: FrameOfReferenceUID, or ``""``.
        report: what was set apart or is wrong, in words; empty when all is well.
        modality: Modality, or ``""``.
        title: SeriesDescription, or ``""``.
        photometric: ``"MONOCHROME2"``, or ``"MONOCHROME1"`` where low values are to be bright.
        windows: that the middle slice names.
        pixel_spacing: mm between rows and between columns, or None; known without an affine
            as well.
        axis: what the stacks of a volume with four axes differ in (time, echo, b-value, …);
            None for three axes.
    """

    array: np.ndarray[Any, Any]
    affine: Floats | None = None
    units: str = ""
    slices: pd.DataFrame = field(default_factory=pd.DataFrame)
    frame_of_reference: str = ""
    report: tuple[str, ...] = ()
    modality: str = ""
    title: str = ""
    photometric: str = "MONOCHROME2"
    windows: tuple[Window, ...] = ()
    pixel_spacing: tuple[float, float] | None = None
    axis: Axis | None = None

    def __post_init__(self) -> None:
        if self.array.ndim != (3 if self.axis is None else 4):
            raise ValueError(
                "A volume is (slices, rows, columns), or (stacks, slices, rows, columns) with an "
                f"axis that says what stacks differ in; not {self.array.shape}."
            )
        if self.axis is not None and len(self.axis) != len(self.array):
            raise ValueError(f"{len(self.array)} stacks, but {len(self.axis)} of {self.axis}.")
        if self.affine is not None and (
            self.affine.shape != (4, 4)
            or not np.isfinite(self.affine).all()
            or np.linalg.det(self.affine) == 0
        ):
            raise ValueError(f"This is no affine of a grid in space: {self.affine!r}")

    @property
    def shape(self) -> tuple[int, ...]:
        """(slices, rows, columns), or (stacks, slices, rows, columns)."""
        return tuple(self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a value."""
        kind: np.dtype[Any] = self.array.dtype
        return kind

    @property
    def spacing(self) -> tuple[float, float, float] | None:
        """Mm from one voxel to the next along (slice, row, column); None without an affine."""
        if self.affine is None:
            return None
        return spacing_of(self.affine)

    @property
    def origin(self) -> tuple[float, float, float] | None:
        """LPS mm of the centre of voxel (0, 0, 0); None without an affine."""
        if self.affine is None:
            return None
        x, y, z = self.affine[:3, 3]
        return (float(x), float(y), float(z))

    @property
    def orientation(self) -> str | None:
        """Where in the patient each index grows to, nearest of R L A P S I, as in ``"SPL"``.

        None without an affine.
        """
        if self.affine is None:
            return None
        return letters_of(self.affine)

    @property
    def coordinates(self) -> Floats | None:
        """Values of the fourth axis, one a stack; None for three axes."""
        return None if self.axis is None else self.axis.values

    @property
    def grid(self) -> Floats:
        """The affine.

        Raises:
            GeometryError: there is none; the message says why.
        """
        if self.affine is None:
            reasons = " ".join(self.report) or "It was made without one."
            raise GeometryError(f"This volume has no place in the patient. {reasons}")
        return self.affine

    def position(self, slice: Any, row: Any, column: Any) -> Floats:
        """LPS mm of voxels.

        Args:
            slice: index, or an array of them; may be fractional.
            row: the same.
            column: the same.

        Returns:
            (…, 3): x to the left, y to the back, z to the head.

        Raises:
            GeometryError: there is no affine.
        """
        affine = self.grid
        index = np.stack(np.broadcast_arrays(slice, row, column), axis=-1)
        return np.asarray(index @ affine[:3, :3].T + affine[:3, 3], dtype=np.float64)

    def index(self, x: Any, y: Any, z: Any) -> Floats:
        """Voxels at LPS mm: the inverse of `position`.

        Returns:
            (…, 3): slice, row, column; fractional, and outside the array where the point is.

        Raises:
            GeometryError: there is no affine.
        """
        inverse = np.linalg.inv(self.grid)
        point = np.stack(np.broadcast_arrays(x, y, z), axis=-1)
        return np.asarray(point @ inverse[:3, :3].T + inverse[:3, 3], dtype=np.float64)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.array, dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if any(isinstance(out, Placed) for out in options.get("out", ())):
            return NotImplemented  # a volume is not changed; volume.array can be
        plain = [np.asarray(one.array) if isinstance(one, Placed) else one for one in inputs]
        return getattr(ufunc, method)(*plain, **options)

    __hash__ = object.__hash__

    def __getitem__(self, index: Any) -> Any:
        return self.array[index.array if isinstance(index, Placed) else index]

    def __len__(self) -> int:
        return len(self.array)

    def __repr__(self) -> str:
        name = " ".join(part for part in (self.modality, repr(self.title or "")) if part != "''")
        facts = [f"{self.shape} {self.dtype} {self.units}".rstrip()]
        if self.spacing is None:
            facts.append("no geometry")
        else:
            millimetres = " × ".join(f"{length:.3g}" for length in self.spacing)
            facts.append(f"{millimetres} mm, {self.orientation}")
        if self.axis is not None:
            facts.append(str(self.axis))
        if self.report:
            facts.append(f"see .report ({len(self.report)})")
        return f"<Volume {name + ': ' if name else ''}{', '.join(facts)}>"
