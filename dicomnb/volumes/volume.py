"""`Volume`: an array with its place in the patient."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.lib.mixins import NDArrayOperatorsMixin

from dicomnb.errors import GeometryError

if TYPE_CHECKING:
    from dicomnb.images.windows import Window

__all__ = ["Volume"]

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False, repr=False)
class Volume(NDArrayOperatorsMixin):
    """Modality values on a regular grid, and where that grid lies in the patient.

    It is an array to numpy: ``volume > 300``, ``np.mean(volume)`` and ``volume[100]`` give
    plain arrays without geometry. Slices are ordered by increasing position along their
    normal, for an axial series from feet to head.

    Attributes:
        array: (slices, rows, columns).
        affine: 4×4 float64: ``affine @ (slice, row, column, 1)`` = LPS mm of the voxel's
            centre. None where the slices have no regular geometry; ``report`` says why.
        units: of the values: ``"HU"``, ``"BQML"``, …, or ``""`` where the files do not say.
        slices: a row for each slice: SOPInstanceUID, InstanceNumber, Position (mm along the
            normal), ImagePositionPatient, …
        frame_of_reference: FrameOfReferenceUID, or ``""``.
        report: what was set apart or is wrong, in words; empty when all is well.
        modality: Modality, or ``""``.
        title: SeriesDescription, or ``""``.
        photometric: ``"MONOCHROME2"``, or ``"MONOCHROME1"`` where low values are to be bright.
        windows: that the middle slice names.
        pixel_spacing: mm between rows and between columns, or None; known without an affine
            as well.
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

    def __post_init__(self) -> None:
        if self.array.ndim != 3:
            raise ValueError(f"A volume is (slices, rows, columns), not {self.array.shape}.")
        if self.affine is not None and (
            self.affine.shape != (4, 4)
            or not np.isfinite(self.affine).all()
            or np.linalg.det(self.affine) == 0
        ):
            raise ValueError(f"This is no affine of a grid in space: {self.affine!r}")

    @property
    def shape(self) -> tuple[int, ...]:
        """(slices, rows, columns)."""
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
        lengths = np.linalg.norm(self.affine[:3, :3], axis=0)
        return (float(lengths[0]), float(lengths[1]), float(lengths[2]))

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
        letters = []
        for direction in self.affine[:3, :3].T:
            axis = int(np.abs(direction).argmax())
            letters.append(("LR", "PA", "SI")[axis][int(direction[axis] < 0)])
        return "".join(letters)

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
        affine = self._grid()
        index = np.stack(np.broadcast_arrays(slice, row, column), axis=-1)
        return np.asarray(index @ affine[:3, :3].T + affine[:3, 3], dtype=np.float64)

    def index(self, x: Any, y: Any, z: Any) -> Floats:
        """Voxels at LPS mm: the inverse of `position`.

        Returns:
            (…, 3): slice, row, column; fractional, and outside the array where the point is.

        Raises:
            GeometryError: there is no affine.
        """
        inverse = np.linalg.inv(self._grid())
        point = np.stack(np.broadcast_arrays(x, y, z), axis=-1)
        return np.asarray(point @ inverse[:3, :3].T + inverse[:3, 3], dtype=np.float64)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.array, dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if any(isinstance(out, Volume) for out in options.get("out", ())):
            return NotImplemented  # a volume is not changed; volume.array can be
        plain = [one.array if isinstance(one, Volume) else one for one in inputs]
        return getattr(ufunc, method)(*plain, **options)

    __hash__ = object.__hash__

    def __getitem__(self, index: Any) -> Any:
        return self.array[index]

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
        if self.report:
            facts.append(f"see .report ({len(self.report)})")
        return f"<Volume {name + ': ' if name else ''}{', '.join(facts)}>"

    def _grid(self) -> Floats:
        """The affine, or an error that says why there is none."""
        if self.affine is None:
            reasons = " ".join(self.report) or "It was made without one."
            raise GeometryError(f"This volume has no place in the patient. {reasons}")
        return self.affine
