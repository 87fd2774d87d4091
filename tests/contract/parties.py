"""Who is under contract, what it may differ in, and what is true of the files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset

import dicomnb as dn

REAL_FILES = (
    "693_UNCR.dcm",  # head CT
    "JPEG2000.dcm",
    "MR-SIEMENS-DICOM-WithOverlays.dcm",
    "MR2_UNCR.dcm",
    "RG3_UNCI.dcm",  # CR, MONOCHROME1, implicit VR
    "examples_ybr_color.dcm",  # 30-frame echo, RLE
    "examples_palette.dcm",
    "CT_small.dcm",
    "JPGExtended.dcm",
    "emri_small.dcm",  # ten frames
    "liver_1frame.dcm",  # 1-bit segmentation
    "rtdose.dcm",
)


@dataclass(frozen=True)
class Party:
    """One source under contract, and in what it lawfully differs (written down, not skipped)."""

    name: str
    archive: dn.Archive
    deletes: bool = True
    same_uid_other_bytes: str = "conflict"
    same_bytes_again: str = "already there"
    reads_uids_of_unknown_vr: bool = True
    keeps_good_ones_beside_a_bad_one: bool = True
    renders: frozenset[str] = frozenset({"window", "viewport", "quality"})
    draws_series: bool = False

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Truth:
    """What is in the folder, as pydicom reads it."""

    headers: list[Dataset]
    files: dict[str, Path]

    def where(self, **values: str) -> list[Dataset]:
        """Headers of which every attribute has the value."""
        return [one for one in self.headers if all(one.get(k) == v for k, v in values.items())]

    def uids(self, keyword: str, **values: str) -> set[str]:
        """The different values of a keyword."""
        return {str(one[keyword].value) for one in self.where(**values)}
