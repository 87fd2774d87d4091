"""How Google's Cloud Healthcare API answers, as a table of facts that both sides share.

Each habit is one field of `Habits`: its default is what the documents say, its metadata the
fact with the document that says it, and, where nobody outside Google can confirm it, the
other answers that are as likely. The embedded server behaves as a `Habits` says; the client
must be right under every one of `variants()`.

Documents: CS, the product's DICOM conformance statement; HOWTO, its page "Using the DICOMweb
standard"; DISC, the API's discovery documents (v1, v1beta1).
"""

# ruff: noqa: RUF009 - what `_habit` gives is a field
from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dicomnb.refs import Level

__all__ = [
    "ALL_FIELDS",
    "DEFAULT_FIELDS",
    "SEARCHABLE",
    "Habit",
    "Habits",
    "Rows",
    "habits",
    "variants",
]


def _habit(default: Any, fact: str, *, unsure: tuple[Any, ...] = ()) -> Any:
    return field(default=default, metadata={"fact": fact, "unsure": unsure})


_STUDY = frozenset({"0020000D", "00100010", "00100020", "00080050", "00080090", "00080020"})
_SERIES = _STUDY | {"0020000E", "00080060"}
SEARCHABLE: Mapping[Level, frozenset[str]] = MappingProxyType(
    {"study": _STUDY, "series": _SERIES, "instance": _SERIES | {"00080018"}}
)
"""Tags that a search may filter by (CS): names and identifiers, StudyDate, Modality."""


def _tags(text: str) -> tuple[str, ...]:
    return tuple(text.split())


DEFAULT_FIELDS: Mapping[Level, tuple[str, ...]] = MappingProxyType(
    {
        "study": _tags(
            "00080005 00080020 00080030 00080050 00080056 00080090 00080201 00100010 00100020 "
            "00100030 00100040 0020000D 00200010"
        ),
        "series": _tags("00080005 00080060 00080201 0008103E 0020000E 00400244 00400245 00400275"),
        "instance": _tags(
            "00080005 00080016 00080018 00080056 00080201 00200013 00280008 00280010 00280011 "
            "00280100"
        ),
    }
)
"""Tags that a row has unasked (CS): no RetrieveURL, no counts, no UIDs of its parents."""

_ALL_STUDY = _tags(
    "00080061 00080062 00080080 00081030 00101010 00101020 00101030 00102160 00102180 001021B0 "
    "00104000 00201206 00201208"
)
ALL_FIELDS: Mapping[Level, tuple[str, ...]] = MappingProxyType(
    {
        "study": _ALL_STUDY,
        "series": _tags(
            "00080021 00080031 00080070 00081010 00081050 00081070 00081090 00180015 00181030 "
            "00185100 0020000D 00200011 00200052 00200060 00201209"
        ),
    }
)
"""What ``includefield=all`` adds: a fixed list (CS); at instance level there is none, as
everything is given."""


class Rows(NamedTuple):
    """A number of rows for each level."""

    study: int
    series: int
    instance: int

    def at(self, level: Level) -> int:
        """The number for a level."""
        return int(getattr(self, level))


@dataclass(frozen=True)
class Habits:
    """What Google does where servers differ.

    Example:
        >>> Habits(study_delete="empty").study_delete
        'empty'
    """

    default_limit: Rows = _habit(Rows(100, 100, 1000), "CS: rows that a search gives without limit")
    """Rows that a search gives unasked."""
    largest_limit: Rows = _habit(Rows(5000, 5000, 50_000), "CS: the largest limit")
    """Rows that a search gives at most."""
    largest_offset: int = _habit(1_000_000, "CS: the largest offset")
    """How far a search can be paged."""
    above_limit: Literal["refused", "cut"] = _habit(
        "refused", "CS tells the largest limit, not what a larger one does", unsure=("cut",)
    )
    """What a limit above the largest does: 400, or as many rows as are given at most."""
    nothing_found: Literal["204", "200 []"] = _habit(
        "204", "CS: an empty answer is 204; 200 with [] has been seen", unsure=("200 []",)
    )
    """How a search that finds nothing is answered."""
    exact_names: Literal["as written", "any case"] = _habit(
        "as written",
        "CS: names match exactly; whether upper and lower case differ is not said",
        unsure=("any case",),
    )
    """Whether a PatientName in other case matches without ``fuzzymatching``."""
    row_lag: float = _habit(
        0.0,
        "CS: rows of studies and series lag a few seconds after a delete; how long is not said",
        unsure=(1.0,),
    )
    """Seconds for which a search still shows what was deleted."""
    study_delete: Literal["operation", "empty"] = _habit(
        "operation",
        'DISC: the delete of a study or series is answered with {"name": operation}; HOWTO still '
        "shows {}",
        unsure=("empty",),
    )
    """What the delete of a study or series is answered with. An instance's is always ``{}``."""
    failure_detail: str = _habit(
        "00091097",
        "CS: a failed item holds FailureReason and FailureDetail (0009,0097) or "
        "FailureDetailJSON (0009,1097), and no UIDs",
        unsure=("00090097",),
    )
    """The private attribute that tells why an instance was not stored."""
    bulk_ranges: bool = _habit(
        False, "nothing says whether bulk data can be had by Range", unsure=(True,)
    )
    """Whether bulk data can be asked for by byte ranges."""
    render_parameters: frozenset[str] = _habit(
        frozenset({"viewport"}), "CS: rendered takes no parameter but viewport"
    )
    """Parameters of a rendered picture."""
    other_render_parameters: Literal["refused", "ignored"] = _habit(
        "refused", "CS does not say what window or quality do", unsure=("ignored",)
    )
    """What other parameters of a rendered picture do: 400, or nothing."""
    unnamed_syntax: str = _habit(
        "1.2.840.10008.1.2.1",
        "CS: without transfer-syntax in Accept, instances and frames are transcoded to it",
    )
    """The transfer syntax of what is retrieved where Accept names none."""
    missing_store: Literal[403, 404] = _habit(
        403,
        "CS: 403 means no access or no such project, dataset or store; 404 also occurs",
        unsure=(404,),
    )
    """Status for a project, dataset or store that is not there."""
    deidentify_into_existing: Literal["refused", "allowed"] = _habit(
        "refused",
        "DISC: the destination store must not exist, and is made; older texts differ",
        unsure=("allowed",),
    )
    """Whether de-identified instances may go to a store that is there already."""
    default_page: int = _habit(100, "DISC: pageSize of a list unless given")
    """Datasets, stores or operations in one page of a list."""
    largest_page: int = _habit(1000, "DISC: the largest pageSize; a larger one counts as this")
    """The largest page of a list."""


@dataclass(frozen=True)
class Habit:
    """One row of the table.

    Attributes:
        name: field of `Habits`.
        value: what is believed.
        fact: what it rests on.
        unsure: what else it may be; empty where it is confirmed.
    """

    name: str
    value: Any
    fact: str
    unsure: tuple[Any, ...] = ()


def habits() -> list[Habit]:
    """The whole table."""
    return [
        Habit(one.name, one.default, one.metadata["fact"], one.metadata["unsure"])
        for one in fields(Habits)
    ]


def variants() -> Iterator[Habits]:
    """Every way in which the service may behave: the believed one, then one switch at a time."""
    believed = Habits()
    yield believed
    for habit in habits():
        for value in habit.unsure:
            yield replace(believed, **{habit.name: value})
