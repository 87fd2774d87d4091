"""The part of an archive that reads what lies on or beside images: segments, contours, slides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dicomnb.archive.connected import Connected
from dicomnb.errors import RefError
from dicomnb.pool import closed_after
from dicomnb.refs import refs_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from dicomnb.volumes.segmentation import Segmentation
    from dicomnb.volumes.structures import Structures
    from dicomnb.volumes.volume import Volume

__all__ = ["Placing"]


class Placing(Connected):
    """Segmentations, structure sets and whole slides."""

    def segmentation(
        self, ref: Any, *, on: Volume | None = None, threshold: float = 0.5
    ) -> Segmentation:
        """A segmentation (SEG) as labels on the grid of an image (PS3.3 A.51).

        Args:
            ref: the instance, or a series of one.
            on: the volume whose grid it shall have, as ``archive.volume(scan)``; None for a grid
                of its own, in which slices without a frame are empty.
            threshold: from which fraction on a voxel belongs to a FRACTIONAL segment.

        Returns:
            `Segmentation`: ``.labels``, ``.mask("Left lung")``, ``.masks()`` and ``.segments``,
            a table of what each is.

        Raises:
            GeometryError: it lies in another frame of reference, or has no place.
            NoDicom: it is no segmentation.
            RefError: more than one instance.

        Example:
            >>> found = archive.segmentation(seg, on=volume)  # doctest: +SKIP
            >>> volume[found.mask("Left lung")].mean()  # doctest: +SKIP
        """
        from dicomnb.volumes.segmentation import read_segmentation

        return read_segmentation(self._only(ref), on=on, threshold=threshold)

    def structures(self, ref: Any) -> Structures:
        """A structure set (RTSTRUCT): contours in LPS mm, by region (PS3.3 A.19).

        Args:
            ref: the instance, or a series of one.

        Returns:
            `Structures`: ``.rois`` (a table), ``.contours("Heart")``, ``.mask("Heart", volume)``
            and ``.lines("Heart", plane)``.

        Raises:
            NoDicom: it is no structure set.
            RefError: more than one instance.
        """
        from dicomnb.volumes.structures import read_structures

        return read_structures(self._only(ref))

    def region(
        self, ref: Any, level: int, x: int, y: int, width: int, height: int
    ) -> NDArray[np.generic]:
        """A part of a whole-slide image, from the tiles that it touches (PS3.3 A.32.8).

        Args:
            ref: the series, whose instances are the levels of a pyramid; or one instance.
            level: 0 for the largest, counting down the pyramid; labels and overviews are none.
            x: first column, from 0, in pixels of that level.
            y: first row.
            width: columns.
            height: rows.

        Returns:
            (height, width, 3) uint8 of RGB, where no tile lies white; of a slide in grey
            (height, width).

        Raises:
            GeometryError: it is no whole-slide image; or it has several focal planes or paths.
            LimitExceeded: larger than the limits allow.
            ValueError: there is no such level, or the region lies outside it.
        """
        from dicomnb.transfer.region import levels, region

        refs = refs_of(ref, base=self.source.address)
        if not refs or len({one.at("series") for one in refs if one.series}) != 1:
            raise RefError("A region is of one slide: give its series, or one instance.")
        return region(
            self.source,
            levels(self.source, refs),
            level,
            (x, y, width, height),
            limits=self.options.limits,
            workers=self.options.usual_workers,
        )

    def _only(self, ref: Any) -> Dataset:
        """The one instance that is meant, with its pixels."""
        from dicomnb.transfer.reading import datasets

        found: list[Dataset] = []
        for one in refs_of(ref, base=self.source.address):
            if one.level == "study":
                raise RefError("Give the instance, or a series of one: this is a study.")
            every = datasets(self.source, one, pixels=True, transfer_syntax="*")
            with closed_after(every):
                for dataset in every:
                    found.append(dataset)
                    if len(found) > 1:
                        raise RefError("Several instances are meant: give one of them.")
        if not found:
            raise RefError("No instance is meant: the table is empty.")
        return found[0]
