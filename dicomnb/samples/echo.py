"""A beating heart as ultrasound sees it: a cine of colour frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit, UltrasoundMultiFrameImageStorage

from dicomnb.samples.shapes import blur
from dicomnb.samples.write import file_meta, item, number, pixels, put, series_header, uid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from dicomnb.samples.cast import Made

    Floats = NDArray[np.float32]
    Colours = NDArray[np.uint8]

__all__ = ["Echo"]

_DEPTH = 160.0  # mm shown
_SPREAD = 0.72  # radians to each side
_APEX_ROW = 14  # the probe, in the picture


@dataclass(frozen=True)
class Echo:
    """A four-chamber view over one heartbeat, with the blood's flow in colour.

    Attributes:
        number: SeriesNumber.
        frames: NumberOfFrames.
        size: rows and columns.
        compressed: JPEG baseline (YBR_FULL_422), or RGB as it is.
        offsets: whether the compressed frames come with a basic offset table.
    """

    number: int
    seed: int
    frames: int = 24
    size: tuple[int, int] = (300, 400)
    compressed: bool = True
    offsets: bool = True
    description: str = "A4C colour"

    def datasets(self, made: Made) -> Iterable[Dataset]:
        """Make the one multi-frame image."""
        movie = self.movie()
        study = made.study
        scale = _DEPTH / (self.size[0] - _APEX_ROW - 14)
        region = item(
            RegionSpatialFormat=1,
            RegionDataType=1,
            RegionFlags=0,
            RegionLocationMinX0=0,
            RegionLocationMinY0=_APEX_ROW,
            RegionLocationMaxX1=self.size[1] - 1,
            RegionLocationMaxY1=self.size[0] - 1,
            PhysicalUnitsXDirection=3,
            PhysicalUnitsYDirection=3,
            PhysicalDeltaX=scale / 10,
            PhysicalDeltaY=scale / 10,
        )
        dataset = series_header(
            study,
            self.number,
            UltrasoundMultiFrameImageStorage,
            Modality="US",
            ImageType=["ORIGINAL", "PRIMARY", "", "0001"],
            Manufacturer="Ginkgo Sound",
            ManufacturerModelName="Echo Five",
            SeriesDescription=self.description,
            BodyPartExamined="HEART",
            ProtocolName="Adult echo",
            TransducerData=["S5-1", "", ""],
            PatientOrientation="",
            SOPInstanceUID=uid(study.series_uid(self.number), 1),
            InstanceNumber=1,
            FrameIncrementPointer=0x00181063,
            FrameTime=number(1000 / 28),
            CineRate="28",
            RecommendedDisplayFrameRate="28",
            HeartRate="72",
            UltrasoundColorDataPresent=1,
            SequenceOfUltrasoundRegions=region,
            LossyImageCompression="00",
        )
        pixels(dataset, movie)
        if not self.compressed:
            return [file_meta(dataset)]
        return [_as_jpeg(dataset, movie, offsets=self.offsets)]

    def movie(self) -> Colours:
        """Draw the frames: (frames, rows, columns, 3), RGB."""
        random = np.random.default_rng(self.seed)
        across, down, lines = self._scan()
        depth = np.linspace(0, _DEPTH, 256, dtype=np.float32)[:, None]
        angle = np.linspace(-_SPREAD, _SPREAD, 144, dtype=np.float32)[None, :]
        x, y = depth * np.sin(angle), depth * np.cos(angle)
        tissue = _speckle(random, x.shape)
        movie = np.zeros((self.frames, *self.size, 3), dtype=np.uint8)
        for frame in range(self.frames):
            phase = 2 * np.pi * frame / self.frames
            grain = np.float32(0.72) * tissue + np.float32(0.28) * _speckle(random, x.shape)
            echo, flow = _heart(x, y, phase)
            grey = np.log1p(echo * grain * (1 + depth / 400)) * np.float32(55)
            colour = _coloured(
                np.minimum(grey, np.float32(255)), flow * (0.6 + np.float32(0.4) * grain)
            )
            picture = colour[down, across] * lines[..., None]
            movie[frame] = picture
            self._marks(movie[frame], frame)
        return movie

    def _scan(self) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
        """Give for each pixel the beam and the depth it shows, and whether it shows one."""
        rows, columns = self.size
        scale = _DEPTH / (rows - _APEX_ROW - 14)
        y = (np.arange(rows)[:, None] - _APEX_ROW) * scale
        x = (np.arange(columns)[None, :] - columns / 2) * scale
        away, angle = np.hypot(x, y), np.arctan2(x, y)
        lit = (away < _DEPTH) & (np.abs(angle) < _SPREAD) & (y > 0) & (away > 4)
        beam = np.clip((angle + _SPREAD) / (2 * _SPREAD) * 143, 0, 143)
        return (
            np.rint(beam).astype(np.intp),
            np.rint(np.clip(away / _DEPTH * 255, 0, 255)).astype(np.intp),
            lit,
        )

    def _marks(self, picture: Colours, frame: int) -> None:
        """Draw the scale of depth, the bar of colours and the heart's current."""
        rows, columns = self.size
        scale = _DEPTH / (rows - _APEX_ROW - 14)
        for centimetre in range(17):
            row = int(_APEX_ROW + centimetre * 10 / scale)
            if row < rows:
                picture[row, -(12 if centimetre % 5 == 0 else 7) : -3] = 190
        height = 70
        shade = np.linspace(1, -1, height, dtype=np.float32)[:, None]
        picture[20 : 20 + height, 8:18] = _coloured(np.zeros((height, 10), np.float32), shade)
        column = np.arange(columns)
        beat = (column / columns * 2.0) % 1
        trace = 26 * np.exp(-(((beat - 0.30) / 0.018) ** 2)) - 7 * np.exp(
            -(((beat - 0.345) / 0.016) ** 2)
        )
        trace += 5 * np.exp(-(((beat - 0.16) / 0.03) ** 2)) + 8 * np.exp(
            -(((beat - 0.58) / 0.05) ** 2)
        )
        row = np.clip(rows - 16 - trace, 0, rows - 2).astype(int)
        shown = column < columns * (0.5 + 0.5 * frame / self.frames)
        for thick in (0, 1):
            picture[row[shown] + thick, column[shown]] = (60, 230, 90)


def _speckle(random: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Give ultrasound's grain: the length of a smoothed complex noise, mean about 1."""
    real, imaginary = blur(random.standard_normal((2, *shape), dtype=np.float32))
    length: Floats = np.hypot(real, imaginary)
    length /= length.mean()
    return length


def _heart(x: Floats, y: Floats, phase: float) -> tuple[Floats, Floats]:
    """Give how strongly each point echoes, and how the blood flows: 1 towards the probe."""
    squeeze = 0.5 - 0.5 * np.cos(phase)  # 0 when full, 1 at the end of the contraction
    full = np.maximum(0.0, 1 - 2.2 * squeeze)
    echo = np.full(x.shape, 5.0, dtype=np.float32)
    near = np.exp(-((y / 9) ** 2)) * 40
    valve = 88 - 9 * squeeze  # mm deep, the plane of the valves

    def ball(middle: tuple[float, float], radii: tuple[float, float]) -> Floats:
        away = np.hypot((x - middle[0]) / radii[0], (y - middle[1]) / radii[1])
        edge: Floats = ((away - 1) * min(radii)).astype(np.float32)
        return edge

    outer = ball((0, 84), (58, 64))
    echo += 16 * (outer < 0)
    echo += 70 * np.exp(-((outer / 2.2) ** 2))  # the pericardium
    left = np.maximum(ball((22, 62), (25 - 8 * squeeze, 44 - 7 * squeeze)), y - valve)
    right = np.maximum(ball((-26, 66), (20 - 5 * squeeze, 36 - 5 * squeeze)), y - valve)
    behind = ball((21, 112), (22 + 3 * squeeze, 19 + 3 * squeeze))
    beside = ball((-25, 110), (21 + 2 * squeeze, 18 + 2 * squeeze))
    for room in (left, right, behind, beside):
        echo *= 1 - 0.965 * np.clip(0.5 - room / 1.5, 0, 1)
        echo += 26 * np.exp(-(((room - 1) / 1.6) ** 2))
    for middle, side in ((22, 1), (-26, -1)):
        for hinge in (-1, 1):
            start, reach = middle + hinge * 18, 17.0
            lean = 1.15 * full * hinge
            along = -(x - start) * hinge
            leaf = np.abs(y - valve - 2 + along * lean * hinge * 0.9 * side * side)
            echo += 55 * np.exp(-((leaf / 1.5) ** 2)) * ((along > 0) & (along < reach))
    inflow = full * np.exp(-(((x - 21) / 9) ** 2) - ((y - 78) / 24) ** 2)
    outflow = squeeze * np.exp(-(((x - 9) / 6) ** 2) - ((y - 76) / 20) ** 2)
    leak = squeeze**2 * np.exp(-(((x - 22) / 5) ** 2) - ((y - 104) / 12) ** 2)
    blood = np.minimum(np.minimum(left, behind), right) < 0
    flow = (inflow - 0.9 * outflow - 1.1 * leak) * blood
    return echo + near, flow.astype(np.float32)


def _coloured(grey: Floats, flow: Floats) -> Floats:
    """Paint flow over grey: red to yellow towards the probe, blue to cyan away from it."""
    shown = np.abs(flow) > 0.16
    speed = np.clip(np.abs(flow), 0, 1)
    strong = np.clip(90 + 260 * speed, 0, 255)
    bright = np.clip(380 * (speed - 0.45), 0, 235)
    red = np.where(flow > 0, strong, bright * 0.2)
    blue = np.where(flow > 0, bright * 0.15, strong)
    layers = [
        np.where(shown, colour, grey) for colour in (red, np.where(shown, bright, grey), blue)
    ]
    return np.stack(np.broadcast_arrays(*layers), axis=-1).astype(np.float32)


def _as_jpeg(dataset: Dataset, movie: Colours, *, offsets: bool) -> Dataset:
    """Encode the frames with JPEG baseline, colours at half the width."""
    from imagecodecs import jpeg8_encode  # a codec library is loaded late

    frames = [
        bytes(jpeg8_encode(frame, level=88, colorspace="RGB", outcolorspace="YCbCr",
                           subsampling="422"))
        for frame in movie
    ]  # fmt: skip
    size = sum(len(frame) for frame in frames)
    put(
        dataset,
        PhotometricInterpretation="YBR_FULL_422",
        LossyImageCompression="01",
        LossyImageCompressionRatio=number(round(movie.nbytes / size, 2)),
        LossyImageCompressionMethod="ISO_10918_1",
    )
    put(dataset, PixelData=encapsulate(frames, has_bot=offsets))
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return file_meta(dataset, JPEGBaseline8Bit)
