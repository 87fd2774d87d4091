"""Masks on a volume to a Segmentation object that can be stored. Rests on highdicom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.errors import GeometryError, missing
from dicomnb.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pydicom import Dataset

    from dicomnb.volumes.volume import Volume

    Code = tuple[str, str, str]

__all__ = ["TISSUE", "Algorithm", "segmentation_dataset"]

#: What a segment is where nothing else is said: a kind of tissue (SNOMED CT).
TISSUE: Code = ("85756007", "SCT", "Tissue")
_UNSAID: Code = ("0", "99NONE", "unsaid")  # never written


@dataclass(frozen=True)
class Algorithm:
    """What drew a segmentation (PS3.3 C.8.20.2 and 10.16).

    Only what is said here is written: without a family, the segmentation names the algorithm
    and does not say of which kind it is.

    Attributes:
        name: SegmentAlgorithmName.
        version: AlgorithmVersion; needed with a family.
        family: what kind it is of, (value, scheme, meaning) of CID 7162, as
            ``("123105", "DCM", "Histogram Analysis")`` for a threshold or
            ``("123110", "DCM", "Artificial Intelligence")``.
        by_hand_too: a person guided or mended it: SEMIAUTOMATIC instead of AUTOMATIC.

    Raises:
        ValueError: no name, or a family without a version, which the standard asks for.
    """

    name: str
    version: str = ""
    family: Code | None = None
    by_hand_too: bool = False

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("An algorithm has a name.")
        if self.family is not None and not self.version.strip():
            raise ValueError(
                f"Algorithm {self.name!r} has a family but no version: DICOM wants both, or none."
            )


def segmentation_dataset(
    volume: Volume,
    masks: Mapping[str, Any],
    sources: Iterable[Dataset],
    *,
    title: str,
    algorithm: str | Algorithm | None,
    codes: Mapping[str, tuple[Code, Code]],
) -> Dataset:
    """Make the data set; see `Volume.to_segmentation`."""
    try:
        import highdicom
    except ImportError as error:
        raise missing("highdicom", "Writing a segmentation", extra="imaging") from error
    if not masks:
        raise ValueError("masks is empty: give at least one segment.")
    unknown = sorted(codes.keys() - masks.keys())
    if unknown:
        raise ValueError(f"codes has segments that masks has not: {', '.join(unknown)}.")
    images, places = _in_order(volume, list(sources))
    array = np.zeros((len(places), *volume.shape[-2:], len(masks)), np.uint8)
    for at, (label, mask) in enumerate(masks.items()):
        values = np.asarray(mask)
        if values.shape != volume.shape[-3:]:
            raise ValueError(f"The mask {label!r} is {values.shape}, the volume {volume.shape}.")
        if values.dtype.kind not in "biu" or not np.isin(values, (0, 1)).all():
            raise ValueError(f"The mask {label!r} holds other values than 0 and 1.")
        array[..., at] = values[places]
    drawn_by = Algorithm(algorithm) if isinstance(algorithm, str) else algorithm
    described = [
        _described(highdicom, at, label, codes.get(label, (TISSUE, TISSUE)), drawn_by)
        for at, label in enumerate(masks, 1)
    ]
    made: Dataset = highdicom.seg.Segmentation(
        source_images=images,
        pixel_array=array,
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=described,
        series_instance_uid=highdicom.UID(),
        series_number=1000,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="dicomnb",
        manufacturer_model_name="dicomnb",
        software_versions=__version__,
        device_serial_number="0",
        series_description=title,
    )
    return made


def _in_order(volume: Volume, sources: Sequence[Dataset]) -> tuple[list[Dataset], list[int]]:
    """The images of the slices, and for each of their frames which slice it is.

    Raises:
        GeometryError: the slices of the volume are not the frames of these images.
    """
    table = volume.slices
    if volume.axis is not None or len(table) != volume.shape[0]:
        raise GeometryError(
            "The first axis of this volume does not count slices of the images any more: bring "
            "the masks to the grid that archive.volume gave, as with mask.on(volume, "
            "method='nearest', fill=0)."
        )
    by_uid = {str(one.SOPInstanceUID): one for one in sources}
    uids = table["SOPInstanceUID"].astype(str).tolist()
    absent = [uid for uid in uids if uid not in by_uid]
    if absent:
        raise GeometryError(
            f"sources lacks {len(absent)} images of the volume, the first {absent[0]}. Give "
            "archive.datasets(scan, pixels=False)."
        )
    if "FrameNumber" not in table:
        return [by_uid[uid] for uid in uids], list(range(len(uids)))
    if len(set(uids)) != 1 or len(uids) != int(by_uid[uids[0]].NumberOfFrames):
        raise GeometryError("A segmentation of part of a multi-frame image cannot be written.")
    order = np.argsort(table["FrameNumber"].to_numpy(np.int64))
    return [by_uid[uids[0]]], order.tolist()


def _described(
    highdicom: Any, place: int, label: str, codes: tuple[Code, Code], algorithm: Algorithm | None
) -> Any:
    """What one segment is, and who drew it."""
    kinds = highdicom.seg.SegmentAlgorithmTypeValues
    category, kind = (highdicom.sr.CodedConcept(*code) for code in codes)
    how, by = kinds.MANUAL, None
    if algorithm is not None:
        how = kinds.SEMIAUTOMATIC if algorithm.by_hand_too else kinds.AUTOMATIC
        by = highdicom.AlgorithmIdentificationSequence(
            name=algorithm.name,
            family=highdicom.sr.CodedConcept(*(algorithm.family or _UNSAID)),
            version=algorithm.version or "?",
        )
    described = highdicom.seg.SegmentDescription(
        segment_number=place,
        segment_label=label,
        segmented_property_category=category,
        segmented_property_type=kind,
        algorithm_type=how,
        algorithm_identification=by,
    )
    if algorithm is not None and algorithm.family is None:
        # highdicom wants the sequence, the standard does not: nothing is made up.
        del described.SegmentationAlgorithmIdentificationSequence
    return described
