"""What is true of the demo archive: its nodules, and its faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dicomnb.samples.cases import CASES
from dicomnb.samples.compress import Compressed
from dicomnb.samples.ct import ChestCT, isocentre
from dicomnb.samples.plan import STUDIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from dicomnb.samples.cast import Study

__all__ = ["cases", "labels"]

_NODULE_COLUMNS = (
    "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "Nodule", "X", "Y", "Z", "Diameter",
    "Kind", "Margin", "Texture",
)  # fmt: skip


def labels() -> pd.DataFrame:
    """Give the nodules of every chest CT, as they were painted: one row a nodule and series.

    Computed from the plan, not read from files: the same with and without the archive.

    Returns:
        ``PatientID``, ``StudyInstanceUID``, ``SeriesInstanceUID``; ``Nodule``, a number that
        stays the same in all scans of a person; ``X``, ``Y``, ``Z``, its centre in the
        patient's coordinates (LPS, mm); ``Diameter`` of the solid body, mm; ``Kind``, "benign"
        or "malignant"; and what one can see of the kind: ``Margin``, "smooth" (benign) or
        "spiculated" (malignant), and ``Texture``, "calcified" (benign, over 200 HU in the
        middle), "solid" or "part-solid" (malignant, soft tissue).
    """
    import pandas as pd

    rows = [row for study in STUDIES for row in _nodules(study)]
    return pd.DataFrame(rows, columns=list(_NODULE_COLUMNS))


def _nodules(study: Study) -> Iterator[tuple[object, ...]]:
    by_number = {recipe.number: recipe for recipe in study.recipes}
    for recipe in study.recipes:
        scan = by_number[recipe.of] if isinstance(recipe, Compressed) else recipe
        if not isinstance(scan, ChestCT):
            continue
        centre = isocentre(study)
        for nodule in scan.nodules(study.person):
            place = [round(a + b, 3) for a, b in zip(centre, nodule.centre, strict=True)]
            yield (
                study.person.patient_id,
                str(study.uid),
                str(study.series_uid(recipe.number)),
                nodule.number,
                *place,
                nodule.diameter,
                nodule.kind,
                nodule.margin,
                nodule.texture,
            )


def cases() -> pd.DataFrame:
    """Give what is odd about some of the series, on purpose, and the clean one to begin with.

    Returns:
        ``Case``; ``PatientID``, ``StudyInstanceUID``, ``SeriesInstanceUID`` (the first affected
        series); ``What`` is in the files; ``Expect``, what a client ought to see.
    """
    import pandas as pd

    studies = {(study.person.folder, study.number): study for study in STUDIES}
    rows = []
    for case in CASES:
        study = studies[case.person, case.study]
        series = str(study.series_uid(case.series))
        rows.append(
            (case.name, study.person.patient_id, str(study.uid), series, case.what, case.expect)
        )
    columns = [
        "Case", "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "What", "Expect"
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)
