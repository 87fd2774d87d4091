"""Masks on a volume to a Segmentation object that can be stored. Rests on highdicom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.errors import GeometryError, missing
from dicomnb.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pydicom import Dataset

    from dicomnb.volumes.volume import Volume

    Code = tuple[str, str, str]

__all__ = ["TISSUE", "segmentation_dataset"]

#: What a segment is where nothing else is said: a kind of tissue (SNOMED CT).
TISSUE: Code = ("85756007", "SCT", "Tissue")


def segmentation_dataset(
    volume: Volume,
    masks: Mapping[str, Any],
    sources: Iterable[Dataset],
    *,
    title: str,
    algorithm: str | None,
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
    described = [
        _described(highdicom, at, label, codes.get(label, (TISSUE, TISSUE)), algorithm)
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
    highdicom: Any, place: int, label: str, codes: tuple[Code, Code], algorithm: str | None
) -> Any:
    """What one segment is, and who drew it."""
    kinds = highdicom.seg.SegmentAlgorithmTypeValues
    by = None
    if algorithm is not None:
        by = highdicom.AlgorithmIdentificationSequence(
            name=algorithm,
            family=highdicom.sr.CodedConcept("123110", "DCM", "Artificial Intelligence"),
            version="1",
        )
    category, kind = (highdicom.sr.CodedConcept(*code) for code in codes)
    return highdicom.seg.SegmentDescription(
        segment_number=place,
        segment_label=label,
        segmented_property_category=category,
        segmented_property_type=kind,
        algorithm_type=kinds.MANUAL if algorithm is None else kinds.AUTOMATIC,
        algorithm_identification=by,
    )
