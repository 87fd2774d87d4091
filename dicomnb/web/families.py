"""What each family of servers can do, as data, and how a family is recognised.

Every row rests on what the servers' documents say or what was tried on them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dicomnb.query import PageLimit, SearchAbilities
from dicomnb.refs import LEVELS, Level
from dicomnb.source import Abilities

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FAMILIES", "Family", "by_address", "by_server_header", "orthanc_system"]

STUDY_UID, SERIES_UID = "0020000D", "0020000E"

# Google's conformance statement: PatientName, PatientID, AccessionNumber,
# ReferringPhysicianName, StudyDate; single value, exact, but for a StudyDate range and a
# fuzzy PatientName. Anything else is 400. No Warning tells that more is there.
_GOOGLE_STUDY = frozenset({STUDY_UID, "00100010", "00100020", "00080050", "00080090", "00080020"})
_GOOGLE_SERIES = _GOOGLE_STUDY | {SERIES_UID, "00080060"}
_GOOGLE_SEARCH = SearchAbilities(
    attributes={
        "study": _GOOGLE_STUDY,
        "series": _GOOGLE_SERIES,
        "instance": _GOOGLE_SERIES | {"00080018"},
    },
    wildcards=False,
    ranges=frozenset({"00080020"}),
    uid_lists=False,
    fuzzy=True,
    pages={
        "study": PageLimit(100, 5000),
        "series": PageLimit(100, 5000),
        "instance": PageLimit(1000, 50000),
    },
    offset_limit=1_000_000,
    honest_pages=True,
)
# The conformance statement's bulk types, each for the transfer syntaxes that have it.
_GOOGLE_BULK = frozenset(
    {"application/octet-stream"}
    | {f"image/{kind}" for kind in ("jpeg", "dicom-rle", "jls", "jp2", "jpx")}
)

_PARENTS: Mapping[Level, tuple[str, ...]] = {
    "study": (),
    "series": (STUDY_UID,),
    "instance": (STUDY_UID, SERIES_UID),
}
_NO_PARENTS: Mapping[Level, tuple[str, ...]] = {"study": (), "series": (), "instance": ()}


@dataclass(frozen=True)
class Family:
    """A kind of server.

    Attributes:
        abilities: what it can do.
        asked: UIDs of the parents that its rows lack unless they are asked for.
    """

    abilities: Abilities
    asked: Mapping[Level, tuple[str, ...]] = field(default_factory=lambda: _NO_PARENTS)


# What the embedded server publishes is handed on in pages as large as one likes; these keep
# memory bounded.
_DICOMNB = Abilities(
    "dicomnb",
    search=SearchAbilities(
        fuzzy=True,
        pages={level: PageLimit(None, 10_000) for level in LEVELS},
        honest_pages=True,
    ),
)

FAMILIES: Mapping[str, Family] = {
    # Renders instances and frames only, and takes no parameter but viewport.
    "google": Family(
        Abilities(
            "google",
            search=_GOOGLE_SEARCH,
            renders=frozenset({"instance"}),
            render_parameters=frozenset({"viewport"}),
            bulk_types=_GOOGLE_BULK,
        ),
        asked=_PARENTS,
    ),
    # DELETE is 405 (its own REST API deletes); fuzzymatching is ignored; renders all levels.
    # It sends all rows unless it was configured to cut them, which it does not tell. A range
    # of dates that is open at its beginning finds studies without a date as well.
    "orthanc": Family(
        Abilities(
            "orthanc",
            search=SearchAbilities(undated_before=True),
            deletes=frozenset(),
            renders=frozenset(LEVELS),
        ),
    ),
    "dicomnb": Family(_DICOMNB),
    "dicomnb (read-only)": Family(
        replace(_DICOMNB, family="dicomnb (read-only)", stores=False, deletes=frozenset())
    ),
    # Any other: PS3.18 as far as every server goes. includefield may name what is there anyway.
    "standard": Family(Abilities("standard"), asked=_PARENTS),
}

_GOOGLE_PATH = re.compile(r".*/projects/[^/]+/locations/[^/]+/datasets/[^/]+/dicomStores/[^/]+/.*")


def by_address(path: str) -> str | None:
    """The family that an address's path shows, or None.

    Google's paths are its own, also behind a private endpoint; so is ``/dicomWeb`` at the end,
    by which its public proxies are known.
    """
    if _GOOGLE_PATH.fullmatch(path) or path.endswith("/dicomWeb"):
        return "google"
    return None


def by_server_header(header: str | None) -> str | None:
    """The family that a Server header shows, or None."""
    if not (header or "").startswith("dicomnb/"):
        return None
    return "dicomnb (read-only)" if "(read-only)" in str(header) else "dicomnb"


def orthanc_system(path: str) -> str | None:
    """Where Orthanc would tell about itself, for a path that may be its DICOMweb root.

    Its plugin's root is ``/dicom-web`` unless configured otherwise; its answers carry no
    Server header.
    """
    root, found, rest = path.rpartition("/dicom-web")
    return f"{root}/system" if found and not rest else None
