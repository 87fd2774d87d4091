from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import pydicom
import pytest

from dicomnb.samples.plan import STUDIES

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import Dataset


@pytest.fixture(scope="session")
def by_series(demo_folder: Path) -> dict[str, list[Dataset]]:
    """Every data set, by SeriesInstanceUID, in the order of InstanceNumber."""
    series = defaultdict(list)
    for path in sorted(demo_folder.rglob("*.dcm")):
        dataset = pydicom.dcmread(path)
        dataset.path = path
        series[str(dataset.SeriesInstanceUID)].append(dataset)
    for members in series.values():
        members.sort(key=lambda dataset: int(dataset.InstanceNumber))
    return dict(series)


class Archive:
    """The archive's series, by whose they are."""

    def __init__(self, by_series: dict[str, list[Dataset]]) -> None:
        self.by_series = by_series
        self._studies = {(study.person.folder, study.number): study for study in STUDIES}

    def series(self, person: str, study: int = 1, number: int = 1) -> list[Dataset]:
        return self.by_series[str(self._studies[person, study].series_uid(number))]


@pytest.fixture(scope="session")
def demo(by_series: dict[str, list[Dataset]]) -> Archive:
    return Archive(by_series)
