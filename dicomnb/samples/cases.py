"""The odd cases of the demo archive, each with what a client ought to see."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CASES", "Case"]


@dataclass(frozen=True)
class Case:
    """One documented case.

    Attributes:
        name: a short name.
        person: the folder of the person.
        study: the number of their study.
        series: the number of the series.
        what: what is in the files.
        expect: what a client ought to see.
    """

    name: str
    person: str
    study: int
    series: int
    what: str
    expect: str


CASES = (
    Case("clean", "DNB-0001", 2, 1,
         "A chest CT of 96 slices with nothing wrong: the one to begin with.",
         "A volume of shape (96, 256, 256) in HU, spacing 2.5 × 1.4 × 1.4 mm."),
    Case("localizer", "DNB-0015", 1, 1,
         "A coronal localizer lies in the axial series, under the same SeriesInstanceUID.",
         "It is named and left out, or the volume is refused; it is never a slice."),
    Case("missing slice", "DNB-0016", 1, 1,
         "One slice in the middle is not there: one step of 10 mm among steps of 5 mm.",
         "The gap is named; the volume is refused, or has the gap in its report."),
    Case("duplicated slice", "DNB-0017", 1, 1,
         "One slice is there twice, the same place and pixels under two SOPInstanceUIDs.",
         "The duplicate is named; one of the two is used at most."),
    Case("tilted gantry", "DNB-0018", 1, 1,
         "The gantry is tilted by 18 degrees: the slices are parallel but sheared.",
         "An affine with shear, or an error that says so; never a box without it."),
    Case("oblique series", "DNB-0019", 1, 1,
         "The slices are oblique to all three axes of the patient.",
         "A regular volume whose affine has the turned directions."),
    Case("two orientations", "DNB-0020", 1, 1,
         "Axial and coronal slices lie in one series.",
         "Both orientations are named; the volume is refused, or one of them chosen aloud."),
    Case("missing PatientID", "no-identifier", 1, 1,
         "PatientID is empty.",
         "An empty cell that never widens a search, a fetch or a delete."),
    Case("two identifiers", "DNB-0022", 1, 1,
         "The same person is also X7-4410, with the name in capitals.",
         "Two PatientIDs with one birth date: a split by PatientID leaks the person."),
    Case("two identifiers", "X7-4410", 1, 1,
         "The same person is also DNB-0022.",
         "See DNB-0022; the nodules are the same ones, half a year later."),
    Case("odd date", "DNB-0024", 1, 1,
         "StudyDate is 00010101.",
         "A missing date or the year 1 in the table, reported; the row stays."),
    Case("malformed date", "DNB-0024", 2, 1,
         "StudyDate is 2023.02.30: the old form, of a day that does not exist.",
         "A missing date in the table, reported with its raw value; the row stays."),
    Case("NaN window", "DNB-0025", 1, 1,
         "WindowCenter and WindowWidth are NaN.",
         "The window is found from the pixels; nothing fails."),
    Case("dirty high bits", "DNB-0025", 1, 2,
         "A ring is left in bit 15 above the 12 bits stored.",
         "The high bits are cut off: the values stay below 4096."),
    Case("markup in text", "DNB-0025", 1, 3,
         "SeriesDescription is HTML that would run a script.",
         "Text, shown as it is, never as markup."),
    Case("empty offset table", "DNB-0008", 1, 2,
         "A cine of ten JPEG frames has an empty basic offset table.",
         "All ten frames are found."),
    Case("rescale per slice", "DNB-0003", 1, 2,
         "Every slice of the PET has a RescaleSlope of its own.",
         "Each slice is rescaled with its own; the volume is in Bq/ml."),
    Case("two windows", "DNB-0001", 3, 1,
         "WindowCenter and WindowWidth have two values, for lung and mediastinum.",
         "The first one is the default, the second can be chosen."),
)  # fmt: skip
"""Every case, the clean one first."""
