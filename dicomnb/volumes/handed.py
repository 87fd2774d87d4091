"""`Handed`: a volume that is handed to other libraries and taken back; a part of `Volume`."""

from __future__ import annotations

from typing import Any, Self

from dicomnb.volumes import exchange
from dicomnb.volumes.niivue import to_niivue
from dicomnb.volumes.placed import Placed

__all__ = ["Handed"]


class Handed(Placed):
    """Values on a grid, as images of xarray, nibabel and SimpleITK, and made of them."""

    __hash__ = object.__hash__

    def to_xarray(self) -> Any:
        """An ``xarray.DataArray`` with the dimensions slice, row and column; no copy.

        Coordinates are mm from the first voxel along each axis; a fourth axis goes first,
        named by its keyword. Affine, units, windows and the rest are in ``attrs``, in types
        that netCDF and Zarr store.

        Raises:
            ImportError: xarray is not installed.
        """
        return exchange.to_xarray(self)

    def to_nifti(self) -> Any:
        """A ``nibabel.Nifti1Image``: array (columns, rows, slices[, stacks]), affine in RAS mm.

        Units, windows and the exact affine are in a header extension, which `from_nifti`
        reads; a NIfTI file itself keeps the affine in single precision.

        Raises:
            GeometryError: there is no affine.
            ImportError: nibabel is not installed.
        """
        return exchange.to_nifti(self)

    def to_sitk(self) -> Any:
        """A ``SimpleITK.Image`` with origin, spacing and direction (LPS); units as metadata.

        Raises:
            GeometryError: there is no affine, or the volume is tilted.
            ImportError: SimpleITK is not installed.
        """
        return exchange.to_sitk(self)

    def to_niivue(
        self, *, window: Any = None, height: int = 480, keep: bool = False, **options: Any
    ) -> Any:
        """An ``ipyniivue.NiiVue`` widget: three planes and a rendering, turned with the mouse.

        It draws with WebGL in the browser, and is given the whole volume at once.

        Args:
            window: ``(center, width)``, the name of a preset or of one of the file's own
                windows, ``"auto"`` or ``"full"``; None takes the file's first.
            height: of the widget, in pixels of the page.
            keep: whether the notebook may save the voxels with the widget. Otherwise they are
                handed over when the widget is drawn, and taken out of what is saved when the
                browser has them: after a reload of the page the cell is run again.
            **options: ipyniivue's own, as ``slice_type=ipyniivue.SliceType.RENDER``.

        Raises:
            GeometryError: there is no affine.
            ImportError: ipyniivue or nibabel is not installed.
            ValueError: there is no such window.

        Example:
            >>> volume.to_niivue(window="bone")  # doctest: +SKIP
        """
        return to_niivue(self, window=window, height=height, keep=keep, options=options)

    @classmethod
    def from_xarray(cls, data: Any) -> Self:
        """A volume of a DataArray with the dimensions slice, row, column, and at most one more.

        The affine is that of ``attrs``, moved where the DataArray was cut since.

        Raises:
            ValueError: other dimensions.
            GeometryError: its coordinates are no longer evenly spaced.
        """
        return cls(**exchange.from_xarray(data))

    @classmethod
    def from_nifti(cls, image: Any) -> Self:
        """A volume of a nibabel image, or of a NIfTI file.

        Args:
            image: ``nibabel.Nifti1Image``, or a path.

        Raises:
            ValueError: it has neither three nor four dimensions.
            ImportError: nibabel is not installed.
        """
        return cls(**exchange.from_nifti(image))

    @classmethod
    def from_sitk(cls, image: Any) -> Self:
        """A volume of a ``SimpleITK.Image`` of one value a voxel.

        Raises:
            ValueError: two dimensions, or several values a voxel.
            ImportError: SimpleITK is not installed.
        """
        return cls(**exchange.from_sitk(image))
