"""The same series once more, compressed without loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from dicomnb.samples.write import copy, file_meta, put, uid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from dicomnb.samples.cast import Made

__all__ = ["Compressed"]


@dataclass(frozen=True)
class Compressed:
    """A series of the same study, pixel for pixel, under another transfer syntax.

    Attributes:
        number: SeriesNumber.
        of: the number of the uncompressed series.
        syntax: RLE, JPEG-LS or JPEG 2000, all without loss.
        description: SeriesDescription.
    """

    number: int
    of: int
    syntax: str
    description: str

    def datasets(self, made: Made) -> Iterable[Dataset]:
        """Make the instances."""
        series = made.study.series_uid(self.number)
        encode = _ENCODERS[self.syntax]
        instances = []
        for index, original in enumerate(made.series[self.of]):
            instance = copy(
                original,
                SeriesInstanceUID=series,
                SeriesNumber=self.number,
                SeriesDescription=self.description,
                SOPInstanceUID=uid(series, index),
            )
            stored = np.frombuffer(original.PixelData, dtype="<u2")
            stored = stored.reshape(original.Rows, original.Columns)
            put(instance, PixelData=encapsulate([encode(stored)]))
            instance["PixelData"].VR = "OB"
            instance["PixelData"].is_undefined_length = True
            instances.append(file_meta(instance, self.syntax))
        return instances


def _jpeg_ls(image: NDArray[np.uint16]) -> bytes:
    from imagecodecs import jpegls_encode  # codec libraries are loaded late

    return bytes(jpegls_encode(image))


def _jpeg_2000(image: NDArray[np.uint16]) -> bytes:
    from imagecodecs import jpeg2k_encode

    return bytes(jpeg2k_encode(image, level=0, codecformat="j2k", reversible=True, numthreads=1))


def _rle(image: NDArray[np.uint16]) -> bytes:
    """Encode with RLE: the high bytes, then the low ones, each row for itself (PS3.5 G)."""
    segments = []
    for shift in (8, 0):
        plane = ((image >> shift) & 0xFF).astype(np.uint8)
        segment = b"".join(_packed(row) for row in plane)
        segments.append(segment + b"\0" * (len(segment) % 2))
    offsets = [len(segments), 64, 64 + len(segments[0])] + [0] * 13
    return np.array(offsets, dtype="<u4").tobytes() + b"".join(segments)


def _packed(row: NDArray[np.uint8]) -> bytes:
    """Pack one row of bytes: runs of three or more as repeats, all else as literals."""
    edges = np.flatnonzero(np.diff(row)) + 1
    starts = np.concatenate([[0], edges]).tolist()
    ends = np.concatenate([edges, [len(row)]]).tolist()
    data, out, literal = row.tobytes(), bytearray(), bytearray()

    def flush() -> None:
        for at in range(0, len(literal), 128):
            piece = literal[at : at + 128]
            out.append(len(piece) - 1)
            out.extend(piece)
        literal.clear()

    for start, end in zip(starts, ends, strict=True):
        length = end - start
        if length < 3:
            literal.extend(data[start:end])
            continue
        flush()
        while length > 1:
            piece = min(length, 128)
            out.append(257 - piece)
            out.append(data[start])
            length -= piece
        if length:
            literal.append(data[start])
    flush()
    return bytes(out)


_ENCODERS: dict[str, Callable[[NDArray[np.uint16]], bytes]] = {
    RLELossless: _rle,
    JPEGLSLossless: _jpeg_ls,
    JPEG2000Lossless: _jpeg_2000,
}
