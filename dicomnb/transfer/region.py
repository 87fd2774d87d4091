"""A region of a whole-slide image, from the tiles that it touches (PS3.3 C.7.6.17)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.errors import GeometryError, LimitExceeded
from dicomnb.images.headers import number, text
from dicomnb.images.pixels import UNREADABLE
from dicomnb.refs import Ref
from dicomnb.transfer.frames import frames, header_from, metadata_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import Dataset

    from dicomnb.limits import Limits
    from dicomnb.source import Source

__all__ = ["Level", "levels", "region"]

_NO_LEVEL = ("LABEL", "OVERVIEW", "LOCALIZER")
_GROUPS = ("0008", "0020", "0028", "0048", "5200")
_WHITE = 255


@dataclass(frozen=True)
class Level:
    """One level of a slide's pyramid.

    Attributes:
        ref: its instance.
        rows: of the whole level, in pixels.
        columns: the same.
        tile: rows and columns of a tile.
        samples: 3 for colour, 1 for grey.
        bits: allocated for a sample.
        tiles: number of the frame, from 1, by row and column of the tile's first pixel, from 0.
    """

    ref: Ref
    rows: int
    columns: int
    tile: tuple[int, int]
    samples: int
    bits: int
    tiles: dict[tuple[int, int], int]


def levels(source: Source, refs: Sequence[Ref]) -> list[Level]:
    """The levels of a slide, the largest first; labels and overviews are none.

    Raises:
        GeometryError: it is no whole-slide image, or has several focal planes or optical paths.
    """
    found = []
    for ref in refs:
        for row in metadata_of(source, ref):
            header, _ = header_from(source, row, groups=_GROUPS)
            kinds = text(header, "ImageType").upper().split("\\")
            if "TotalPixelMatrixColumns" not in header or set(kinds) & set(_NO_LEVEL):
                continue
            uid = str(header.get("SOPInstanceUID") or ref.instance)
            found.append(_level(Ref(ref.study, ref.series, uid), header))
    if not found:
        raise GeometryError(
            f"{refs[0].path} is no whole-slide image: nothing in it has a TotalPixelMatrix."
        )
    found.sort(key=lambda level: level.rows * level.columns, reverse=True)
    sizes = [(level.rows, level.columns) for level in found]
    if len(set(sizes)) != len(sizes):
        raise GeometryError(
            f"Several images of the slide have the same size ({sizes}): focal planes, optical "
            "paths or parts of one. Give the instance that is meant instead of the series, "
            "and level 0."
        )
    return found


def region(
    source: Source,
    found: Sequence[Level],
    level: int,
    box: tuple[int, int, int, int],
    *,
    limits: Limits,
    workers: int,
) -> np.ndarray[Any, Any]:
    """Fetch the tiles of a region and put them together; see `Archive.region`.

    Args:
        workers: requests in flight at most.
    """
    if not 0 <= level < len(found):
        sizes = ", ".join(f"{at}: {one.columns} × {one.rows}" for at, one in enumerate(found))
        raise ValueError(f"There is no level {level}. Levels (width × height): {sizes}.")
    one = found[level]
    x, y, width, height = box
    if width < 1 or height < 1:
        raise ValueError(f"width={width}, height={height}: both must be 1 or more.")
    if x < 0 or y < 0 or x + width > one.columns or y + height > one.rows:
        raise ValueError(
            f"The region from ({x}, {y}) to ({x + width}, {y + height}) lies outside level "
            f"{level}, which is {one.columns} wide and {one.rows} high."
        )
    touched = [
        (place, frame)
        for place, frame in one.tiles.items()
        if place[0] < y + height
        and place[0] + one.tile[0] > y
        and place[1] < x + width
        and place[1] + one.tile[1] > x
    ]
    kind = np.dtype(np.uint8 if one.bits <= 8 else np.uint16)
    shape = (height, width, 3) if one.samples == 3 else (height, width)
    size = int(np.prod(shape)) * kind.itemsize
    if size > limits.pixel_bytes:
        raise LimitExceeded(
            f"A region of {width} × {height} takes {size:,} bytes; the limit is "
            f"{limits.pixel_bytes:,}. Take a smaller one, or a higher level."
        )
    result = np.full(shape, _WHITE if one.samples == 3 else 0, kind)
    for start in range(0, len(touched), _AT_ONCE):
        some = touched[start : start + _AT_ONCE]
        numbers = [frame for _, frame in some]
        tiles = frames(source, one.ref, numbers, output="stored", limits=limits, workers=workers)
        for (place, _), tile in zip(some, tiles, strict=True):
            _put(result, tile, place[0] - y, place[1] - x)
    return result


_AT_ONCE = 256  # tiles of one request


def _put(result: np.ndarray[Any, Any], tile: np.ndarray[Any, Any], row: int, column: int) -> None:
    """Write the part of a tile that lies in the result; its first pixel at (row, column)."""
    top, left = max(row, 0), max(column, 0)
    bottom = min(row + tile.shape[0], result.shape[0])
    right = min(column + tile.shape[1], result.shape[1])
    result[top:bottom, left:right] = tile[top - row : bottom - row, left - column : right - column]


def _level(ref: Ref, header: Dataset) -> Level:
    """Read one instance of the pyramid."""
    rows, columns = (
        int(number(header, f"TotalPixelMatrix{name}") or 0) for name in ("Rows", "Columns")
    )
    tile = (int(number(header, "Rows") or 0), int(number(header, "Columns") or 0))
    count = int(number(header, "NumberOfFrames") or 1)
    if min(rows, columns, *tile) < 1:
        raise GeometryError(f"{ref.path} says {columns} × {rows} in tiles of {tile}: no slide.")
    planes = int(number(header, "TotalPixelMatrixFocalPlanes") or 1)
    paths = int(number(header, "NumberOfOpticalPaths") or 1)
    if planes > 1 or paths > 1:
        raise GeometryError(
            f"{ref.path} has {planes} focal planes and {paths} optical paths: its frames are to be "
            "had one by one from archive.frames."
        )
    if text(header, "DimensionOrganizationType").upper() == "TILED_FULL":
        tiles = _full(rows, columns, tile, count, ref)
    else:
        tiles = _sparse(header, count, ref)
    return Level(
        ref,
        rows,
        columns,
        tile,
        int(number(header, "SamplesPerPixel") or 1),
        int(number(header, "BitsAllocated") or 8),
        tiles,
    )


def _full(
    rows: int, columns: int, tile: tuple[int, int], count: int, ref: Ref
) -> dict[tuple[int, int], int]:
    """TILED_FULL: every tile, row by row."""
    across, down = -(-columns // tile[1]), -(-rows // tile[0])
    if across * down != count:
        raise GeometryError(
            f"{ref.path} is TILED_FULL with {down} × {across} tiles, but has {count} frames."
        )
    return {(at // across * tile[0], at % across * tile[1]): at + 1 for at in range(across * down)}


def _sparse(header: Dataset, count: int, ref: Ref) -> dict[tuple[int, int], int]:
    """TILED_SPARSE: each frame says where it lies; what no frame covers is background."""
    groups = header.get("PerFrameFunctionalGroupsSequence") or []
    if len(groups) != count:
        raise GeometryError(f"{ref.path} has {count} frames, but says where {len(groups)} lie.")
    try:
        places = [group.PlanePositionSlideSequence[0] for group in groups]
        return {
            (
                int(place.RowPositionInTotalImagePixelMatrix) - 1,
                int(place.ColumnPositionInTotalImagePixelMatrix) - 1,
            ): at + 1
            for at, place in enumerate(places)
        }
    except UNREADABLE as error:
        raise GeometryError(f"{ref.path} does not say where each tile lies: {error}") from error
