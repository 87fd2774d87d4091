"""Who is in the demo archive, and when they were examined."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from dicomnb.samples.write import uid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray
    from pydicom.dataset import Dataset
    from pydicom.uid import UID

    from dicomnb.samples.phantom import Painted
    from dicomnb.samples.thorax import Body

__all__ = ["Made", "Person", "Recipe", "Study"]


@dataclass(frozen=True)
class Person:
    """Somebody made up.

    Attributes:
        patient_id: PatientID; empty for the one whose identifier is missing.
        name: PatientName, with its component groups.
        sex: "F", "M" or "O".
        born: PatientBirthDate.
        weight: kg.
        height: metres.
        charset: the terms of SpecificCharacterSet.
        body: their chest, for those whose chest was examined.
        key: what their files' folder and UIDs are named after; as a rule the identifier.
    """

    patient_id: str
    name: str
    sex: str
    born: str
    weight: float = 72.0
    height: float = 1.72
    charset: tuple[str, ...] = ("ISO_IR 192",)
    body: Body | None = None
    key: str = ""

    @property
    def folder(self) -> str:
        """The name of the folder of their files."""
        return self.key or self.patient_id

    @property
    def chest_body(self) -> Body:
        """Their chest; asking for one that was never described is a mistake in the plan."""
        if self.body is None:
            raise ValueError(f"{self.folder} has no chest")
        return self.body


class Recipe(Protocol):
    """How one series is made."""

    @property
    def number(self) -> int:
        """SeriesNumber, and the series' name among its study's."""

    def datasets(self, made: Made) -> Iterable[Dataset]:
        """Make the instances, with their pixels."""


@dataclass(frozen=True)
class Study:
    """One examination.

    Attributes:
        person: who.
        number: from 1 on, for each person.
        date: StudyDate.
        time: StudyTime.
        description: StudyDescription.
        recipes: the series, in the order they are made.
        referring: ReferringPhysicianName.
        first_year: the year that the age is counted to, where the date cannot say.
    """

    person: Person
    number: int
    date: str
    time: str
    description: str
    recipes: tuple[Recipe, ...]
    referring: str = "Hartmann^Ilse^^Dr."
    first_year: int | None = None

    @property
    def uid(self) -> UID:
        """StudyInstanceUID."""
        return uid(self.person.folder, "study", self.number)

    @property
    def accession(self) -> str:
        """AccessionNumber."""
        return f"A{int(str(self.uid)[-9:]) % 10**7:07d}"

    @property
    def age(self) -> int:
        """Whole years at the examination."""
        born, date = self.person.born, self.date
        if self.first_year is not None:
            return self.first_year - int(born[:4])
        return int(date[:4]) - int(born[:4]) - (date[4:] < born[4:])

    def series_uid(self, number: int) -> UID:
        """Give the SeriesInstanceUID of the series of a number."""
        return uid(self.uid, "series", number)


@dataclass(eq=False)
class Made:
    """What has been made of a study so far, for the series that build on others.

    Attributes:
        study: the study.
        series: the instances of each finished series, by its number.
        painted: the phantom behind a CT series, by its number.
        shadows: the chests as X-rays see them, by the seed of the body: made once a person.
    """

    study: Study
    series: dict[int, list[Dataset]] = field(default_factory=dict)
    painted: dict[int, Painted] = field(default_factory=dict)
    shadows: dict[int, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def recipes(self) -> Mapping[int, Recipe]:
        """The recipes by number."""
        return {recipe.number: recipe for recipe in self.study.recipes}
