"""MR of heads, single-frame and over time, the map made of it, and CT of heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
    SecondaryCaptureImageStorage,
)

from dicomnb.samples.ct import SCANNERS, ct_values, isocentre, pixels_of
from dicomnb.samples.head import BLOOD_VOLUME, HEAD_HOUNSFIELD, T1, T2, T2_STAR, Head
from dicomnb.samples.shapes import blur, grain
from dicomnb.samples.stacks import Stack
from dicomnb.samples.write import copy, file_meta, number, pixels, put, series_header, uid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from dicomnb.samples.cast import Made, Study

    Floats = NDArray[np.float32]

__all__ = ["HeadCT", "HeadMR", "PerfusionMR", "PerfusionMap"]

_SEQUENCES: dict[str, dict[str, object]] = {
    "T1": {"ScanningSequence": ["GR", "IR"], "SequenceVariant": ["SP", "MP"], "EchoTime": "2.98",
           "RepetitionTime": "1900", "InversionTime": "900", "FlipAngle": "9",
           "MRAcquisitionType": "3D", "SequenceName": "*tfl3d1", "EchoTrainLength": "1"},
    "T2": {"ScanningSequence": "SE", "SequenceVariant": ["SK", "SP"], "EchoTime": "96",
           "RepetitionTime": "4800", "FlipAngle": "150", "MRAcquisitionType": "2D",
           "SequenceName": "*tse2d1", "EchoTrainLength": "15"},
    "T2*": {"ScanningSequence": "EP", "SequenceVariant": "SK", "EchoTime": "30",
            "RepetitionTime": "1500", "FlipAngle": "90", "MRAcquisitionType": "2D",
            "SequenceName": "*epfid2d1", "EchoTrainLength": "48"},
}  # fmt: skip
_TISSUES = {"T1": T1, "T2": T2, "T2*": T2_STAR}
_WINDOWS = {"T1": (420, 840), "T2": (460, 1000), "T2*": (420, 900)}


def _header(study: Study, series: int, sequence: str, stack: Stack) -> Dataset:
    centre, width = _WINDOWS[sequence]
    return series_header(
        study,
        series,
        MRImageStorage,
        **_SEQUENCES[sequence],
        Modality="MR",
        ImageType=["ORIGINAL", "PRIMARY", "M", "ND"],
        Manufacturer="Elder Magnetics",
        ManufacturerModelName="Tesla Three",
        SoftwareVersions="VA21",
        MagneticFieldStrength="3",
        ImagingFrequency="123.2",
        ImagedNucleus="1H",
        NumberOfAverages="1",
        ScanOptions="",
        BodyPartExamined="HEAD",
        PatientPosition="HFS",
        ProtocolName="Head routine",
        FrameOfReferenceUID=uid(study.uid, "frame of reference"),
        ImageOrientationPatient=[number(part) for part in stack.orientation],
        PixelSpacing=[number(stack.pixel)] * 2,
        SliceThickness=number(min(stack.step, 5)),
        SpacingBetweenSlices=number(stack.step),
        WindowCenter=number(centre),
        WindowWidth=number(width),
    )


def _place(study: Study, stack: Stack, index: int) -> dict[str, object]:
    """Give the elements that say where a slice lies."""
    origin = np.array(stack.plane(index).origin) + isocentre(study)
    normal = np.cross(*stack.directions)
    return {
        "ImagePositionPatient": [number(part) for part in origin],
        "SliceLocation": number(float(origin @ normal)),
    }


def _magnitude(signal: Floats, noise: Floats, other: Floats) -> NDArray[np.uint16]:
    """Give what a scanner shows of a signal with noise: its length, never negative."""
    length: Floats = np.rint(np.minimum(np.hypot(signal + noise, other), np.float32(4095)))
    return length.astype(np.uint16)


_HEAD = Stack(22, 160, 1.35, 6.0)
_PERFUSION = Stack(10, 96, 2.3, 8.0, centre=(0.0, 0.0, 24.0))


@dataclass(frozen=True)
class HeadMR:
    """A stack, or several in one series, of one weighting.

    Attributes:
        number: SeriesNumber.
        sequence: "T1" or "T2".
        stacks: where; more than one is a fault on purpose.
        seed: of the person's head.
        spots: lesions in the white matter.
        description: SeriesDescription.
        implicit: written with implicit VRs, as old machines do.
    """

    number: int
    sequence: str
    seed: int
    stacks: tuple[Stack, ...] = (_HEAD,)
    spots: int = 0
    description: str = ""
    implicit: bool = False

    def datasets(self, made: Made) -> Iterable[Dataset]:
        """Make the instances."""
        syntax = ImplicitVRLittleEndian if self.implicit else ExplicitVRLittleEndian
        return [file_meta(instance, syntax) for instance in self._instances(made.study)]

    def _instances(self, study: Study) -> Iterator[Dataset]:
        head = Head(self.seed, spots=self.spots)
        count = 0
        for stack in self.stacks:
            header = _header(study, self.number, self.sequence, stack)
            put(header, SeriesDescription=self.description or f"{self.sequence} axial")
            noise = grain(self.seed + 5, (stack.size, stack.size), deviation=13)
            bias = 1 + 0.10 * np.cos(np.linspace(-1.6, 1.6, stack.size, dtype=np.float32))
            for index in range(stack.slices):
                signal = blur(head.paint(stack.plane(index), _TISSUES[self.sequence]))
                signal *= bias[:, None]
                image = _magnitude(signal, noise[count % 8], noise[(count + 3) % 8].T)
                count += 1
                instance = copy(
                    header,
                    SOPInstanceUID=uid(study.series_uid(self.number), count),
                    InstanceNumber=count,
                    AcquisitionNumber="1",
                    **_place(study, stack, index),
                )
                yield pixels(instance, image, bits=12)


@dataclass(frozen=True)
class PerfusionMR:
    """The head again and again while contrast medium passes: a series in four dimensions."""

    number: int
    seed: int
    times: int = 14
    stack: Stack = _PERFUSION
    interval: float = 1.5
    description: str = "Perfusion DSC"

    def datasets(self, made: Made) -> Iterable[Dataset]:
        """Make the instances, time by time."""
        study, stack = made.study, self.stack
        head = Head(self.seed)
        planes = [stack.plane(index) for index in range(stack.slices)]
        still = [blur(head.paint(plane, T2_STAR)) for plane in planes]
        volume = [blur(head.paint(plane, BLOOD_VOLUME)) for plane in planes]
        noise = grain(self.seed + 5, (stack.size, stack.size), deviation=11)
        header = _header(study, self.number, "T2*", stack)
        put(header, SeriesDescription=self.description)
        instances: list[Dataset] = []
        for time in range(self.times):
            bolus = _bolus(time * self.interval)
            for index in range(stack.slices):
                signal = still[index] * np.exp(np.float32(-1.1 * bolus) * volume[index])
                count = len(instances)
                image = _magnitude(signal, noise[count % 8], noise[(count + 3) % 8].T)
                instance = copy(
                    header,
                    SOPInstanceUID=uid(study.series_uid(self.number), time, index),
                    InstanceNumber=count + 1,
                    AcquisitionNumber=str(time + 1),
                    TemporalPositionIdentifier=str(time + 1),
                    NumberOfTemporalPositions=str(self.times),
                    TemporalResolution=number(self.interval * 1000),
                    TriggerTime=number(time * self.interval * 1000),
                    AcquisitionTime=f"{study.time[:4]}{time * self.interval:09.6f}",
                    **_place(study, stack, index),
                )
                instances.append(file_meta(pixels(instance, image, bits=12)))
        return instances


def _bolus(seconds: float) -> float:
    """Give the concentration of the contrast medium: a gamma curve with its top at 1."""
    since = max(seconds - 5.0, 0.0) / 4.5
    return float((since**3) * np.exp(3 * (1 - since)))


@dataclass(frozen=True)
class PerfusionMap:
    """Blood volume in false colours: a PALETTE COLOR image."""

    number: int
    seed: int
    stack: Stack = _PERFUSION
    index: int = 5
    description: str = "CBV map"

    def datasets(self, made: Made) -> Iterable[Dataset]:
        """Make the one image."""
        size = 2 * self.stack.size
        fine = Stack(self.stack.slices, size, self.stack.pixel / 2, self.stack.step,
                     centre=self.stack.centre)  # fmt: skip
        volume = blur(Head(self.seed).paint(fine.plane(self.index), BLOOD_VOLUME), 2)
        image = np.rint(np.clip(volume * 215, 0, 255)).astype(np.uint8)
        ramp = np.linspace(0, 1, 256)
        colours = {
            "Red": np.clip(2.6 * ramp - 1.0, 0, 1),
            "Green": np.clip(1.5 - np.abs(4 * ramp - 2.2), 0, 1),
            "Blue": np.clip(1.4 - np.abs(4.4 * ramp - 1.2), 0, 1) * np.clip(9 * ramp, 0, 1),
        }
        values: dict[str, object] = {}
        for colour, curve in colours.items():
            table = np.rint(curve * 65535).astype("<u2")
            values[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
            values[f"{colour}PaletteColorLookupTableData"] = table.tobytes()
        dataset = series_header(
            made.study,
            self.number,
            SecondaryCaptureImageStorage,
            Modality="MR",
            ConversionType="WSD",
            ImageType=["DERIVED", "SECONDARY", "CBV"],
            Manufacturer="Elder Magnetics",
            SeriesDescription=self.description,
            BodyPartExamined="HEAD",
            SOPInstanceUID=uid(made.study.series_uid(self.number), 1),
            InstanceNumber=1,
            PatientOrientation=["L", "P"],
            PhotometricInterpretation="PALETTE COLOR",
            **values,
        )
        return [file_meta(pixels(dataset, image))]


@dataclass(frozen=True)
class HeadCT:
    """A CT of a head, as a rule with the gantry tilted.

    Attributes:
        number: SeriesNumber.
        seed: of the person's head.
        stack: where.
        tilt: GantryDetectorTilt, degrees.
        description: SeriesDescription.
    """

    number: int
    seed: int
    stack: Stack
    tilt: float
    description: str = "Head 5.0"

    def datasets(self, made: Made) -> Iterable[Dataset]:
        """Make the instances."""
        study, stack, scanner = made.study, self.stack, SCANNERS["C"]
        head = Head(self.seed)
        noise = grain(self.seed + 5, (stack.size, stack.size), deviation=5)
        header = series_header(study, self.number, CTImageStorage, **ct_values(scanner))
        put(
            header,
            SeriesDescription=self.description,
            BodyPartExamined="HEAD",
            ProtocolName="Head routine",
            FrameOfReferenceUID=uid(study.uid, "frame of reference"),
            ImageOrientationPatient=[number(part) for part in stack.orientation],
            PixelSpacing=[number(stack.pixel)] * 2,
            SliceThickness=number(stack.step),
            ReconstructionDiameter=number(stack.pixel * stack.size),
            GantryDetectorTilt=number(self.tilt),
            ConvolutionKernel="FC21",
            WindowCenter=["40", "500"],
            WindowWidth=["90", "2500"],
        )
        instances = []
        for index in range(stack.slices):
            hounsfield = head.paint(stack.plane(index), HEAD_HOUNSFIELD) + noise[index % 8]
            instance = copy(
                header,
                SOPInstanceUID=uid(study.series_uid(self.number), index),
                InstanceNumber=index + 1,
                **_place(study, stack, index),
            )
            instances.append(file_meta(pixels_of(instance, hounsfield, scanner)))
        return instances
