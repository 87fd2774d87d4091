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

# The conformance statement of its open-source twin (microsoft/dicom-server). Wildcards stand
# for themselves; ranges of two dates; a limit above 200 is 400; matching ignores case.
_AZURE_STUDY = _GOOGLE_STUDY | {"00100030", "00081030", "00080061"}
_AZURE_SERIES = _AZURE_STUDY | {SERIES_UID, "00080060", "00400244", "00081090"}
_AZURE_SEARCH = SearchAbilities(
    attributes={
        "study": _AZURE_STUDY,
        "series": _AZURE_SERIES,
        "instance": _AZURE_SERIES | {"00080018"},
    },
    wildcards=False,
    ranges=frozenset({"00080020", "00100030"}),
    uid_lists=False,
    fuzzy=True,
    pages={level: PageLimit(100, 200) for level in LEVELS},
    honest_pages=True,
)

# AWS HealthImaging's developer guide: these attributes, and at most 10,000 records a search.
# It does not tell of wildcards and lists, so neither is sent.
_AWS_SEARCH = SearchAbilities(
    attributes={
        "study": _GOOGLE_STUDY | {"00080061", "00200010"},
        "series": frozenset({STUDY_UID, SERIES_UID, "00080060"}),
        "instance": frozenset({STUDY_UID, SERIES_UID, "00080018"}),
    },
    wildcards=False,
    uid_lists=False,
    pages={level: PageLimit(None, 1000) for level in LEVELS},
    offset_limit=9_999,
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


def _drawing_each(name: str) -> Abilities:
    """PS3.18 section 10.4.1.1.3: every level is drawn, a picture an instance."""
    return Abilities(name, renders=frozenset(LEVELS), renders_each=True)


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
    # of dates that is open at its beginning finds studies without a date as well. Its plugin
    # (1.7) takes %5E in a value for these three characters, so no ^ is found; includefield=all
    # brings nothing. A viewport is filled to its edges, with black beside the picture.
    "orthanc": Family(
        Abilities(
            "orthanc",
            search=SearchAbilities(undated_before=True, unescapes=False, all_fields=False),
            deletes=frozenset(),
            renders=frozenset(LEVELS),
            pads=True,
        ),
    ),
    "dicomnb": Family(_DICOMNB),
    "dicomnb (read-only)": Family(
        replace(_DICOMNB, family="dicomnb (read-only)", stores=False, deletes=frozenset())
    ),
    # Unknown attributes are ignored, which the rows show; a Warning tells how many more rows
    # there are. Its fuzzy matching goes by sound, not by the beginnings of words.
    "dcm4chee": Family(_drawing_each("dcm4chee"), asked=_PARENTS),
    "azure": Family(Abilities("azure", search=_AZURE_SEARCH), asked=_PARENTS),
    "aws": Family(Abilities("aws", search=_AWS_SEARCH), asked=_PARENTS),
    # Any other: PS3.18 as far as every server goes. includefield may name what is there anyway.
    "standard": Family(_drawing_each("standard"), asked=_PARENTS),
}

_GOOGLE_PATH = re.compile(r".*/projects/[^/]+/locations/[^/]+/datasets/[^/]+/dicomStores/[^/]+/.*")
_DCM4CHEE_PATH = re.compile(r".*/dcm4chee-arc/aets/[^/]+/rs/?")
_AZURE_HOST = re.compile(r".+\.dicom\.azurehealthcareapis\.(com|us|cn)")
_AWS_HOST = re.compile(r"(.+\.)?(runtime-|dicom-)?medical-imaging\.[a-z0-9-]+\.amazonaws\.com")


def by_address(path: str, host: str = "") -> str | None:
    """The family that an address shows, or None.

    Google's paths are its own, also behind a private endpoint; so is ``/dicomWeb`` at the end,
    by which its public proxies are known. dcm4chee's path is kept behind a proxy as well;
    Azure and AWS are known by their hosts.
    """
    if _GOOGLE_PATH.fullmatch(path) or path.endswith("/dicomWeb"):
        return "google"
    if _DCM4CHEE_PATH.fullmatch(path):
        return "dcm4chee"
    if _AZURE_HOST.fullmatch(host):
        return "azure"
    return "aws" if _AWS_HOST.fullmatch(host) else None


def by_server_header(header: str | None) -> str | None:
    """The family that a Server header shows, or None."""
    if re.match(r"(?i)orthanc\b", header or ""):
        return "orthanc"
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
