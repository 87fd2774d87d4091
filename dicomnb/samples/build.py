"""Writing the demo archive into a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dicomnb.files import safe_name
from dicomnb.samples.cast import Made
from dicomnb.samples.plan import STUDIES
from dicomnb.samples.write import save

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["build"]


def build(folder: Path, *, only: Collection[str] | None = None) -> None:
    """Write the archive as Part 10 files: ``folder/person/study/series/instance.dcm``.

    The same bytes each time on the same machine. One process, one thread.

    Args:
        folder: where to; made if it is not there.
        only: the folders of the people to build (as a rule the PatientID); None: everyone.

    Raises:
        ValueError: ``only`` names somebody who is not in the archive.
    """
    known = {study.person.folder for study in STUDIES}
    if unknown := set(only or ()) - known:
        raise ValueError(f"not in the demo archive: {', '.join(sorted(unknown))}")
    shadows: dict[int, NDArray[np.float32]] = {}
    for study in STUDIES:
        person = study.person.folder
        if only is not None and person not in only:
            continue
        made = Made(study, shadows=shadows)
        place = folder / safe_name(person) / f"study_{study.number}"
        for recipe in study.recipes:
            datasets = list(recipe.datasets(made))
            made.series[recipe.number] = datasets
            save(datasets, place / f"series_{recipe.number}")
