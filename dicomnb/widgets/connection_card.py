"""What a `ConnectPanel` tells of an archive, and what to do when there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dicomnb.attributes import keyword_of
from dicomnb.errors import AuthError, ConnectionFailed, DicomWebError, NoDicom, NotFound
from dicomnb.refs import LEVELS, PLURAL
from dicomnb.widgets.faults import in_words

if TYPE_CHECKING:
    from dicomnb.archive import Archive
    from dicomnb.source import Abilities

__all__ = ["about", "advised"]

FAMILIES = {
    "folder": "Folder of files",
    "dicomnb": "dicomnb server",
    "dicomnb (read-only)": "dicomnb server, read-only",
    "google": "Google Cloud Healthcare API",
    "orthanc": "Orthanc",
    "dcm4chee": "dcm4chee",
    "azure": "Azure Health Data Services",
    "aws": "AWS HealthImaging",
    "standard": "DICOMweb server",
}
_ACCOUNTS = {
    "none given": "not signed in",
    "Basic(…)": "user and password",
    "Bearer(…)": "access token",
    "'google'": "Google's default credentials",
    "Google(…)": "Google credentials",
}
ROLES = {
    "projects": ("resourcemanager.projects.get", "Browser (roles/browser)"),
    "locations": (
        "healthcare.locations.list",
        "Healthcare Dataset Viewer (roles/healthcare.datasetViewer)",
    ),
    "datasets": (
        "healthcare.datasets.list",
        "Healthcare Dataset Viewer (roles/healthcare.datasetViewer)",
    ),
    "stores": (
        "healthcare.dicomStores.list",
        "Healthcare DICOM Store Viewer (roles/healthcare.dicomStoreViewer)",
    ),
    "search": (
        "healthcare.dicomStores.dicomWebRead",
        "Healthcare DICOM Viewer (roles/healthcare.dicomViewer)",
    ),
}
"""What is asked of Google → the permission that it needs, and a role that has it."""


def about(archive: Archive, account: str = "") -> dict[str, Any]:
    """What is told of an archive: may ask the server, if it was never asked before.

    Args:
        account: who signed in, in words; the kind of credentials where it is not known.
    """
    abilities = archive.source.abilities()
    facts = dict(archive._facts())
    told = facts.get("Account", "")
    rows = [
        ("Address", facts["Address"]),
        ("Kind", FAMILIES.get(abilities.family, abilities.family)),
        ("Account", account or _ACCOUNTS.get(told, told)),
        ("Search", _search(abilities)),
    ]
    if abilities.family != "folder":
        rows.append(("Pages", _pages(abilities)))
    return {
        "address": facts["Address"],
        "family": FAMILIES.get(abilities.family, abilities.family),
        "rows": [[name, value] for name, value in rows],
        "abilities": _abilities(abilities),
    }


def _abilities(abilities: Abilities) -> list[dict[str, Any]]:
    """Each thing that can be done or not, with the levels where they matter."""
    return [
        {"name": "search", "can": True, "levels": ""},
        {"name": "retrieve", "can": True, "levels": ""},
        {"name": "render", "can": bool(abilities.renders), "levels": _levels(abilities.renders)},
        {"name": "store", "can": abilities.stores, "levels": ""},
        {"name": "delete", "can": bool(abilities.deletes), "levels": _levels(abilities.deletes)},
    ]


def _levels(levels: frozenset[Any]) -> str:
    """Which levels, unless all of them."""
    found = [level for level in LEVELS if level in levels]
    return "" if len(found) in (0, len(LEVELS)) else ", ".join(PLURAL[one] for one in found)


def _search(abilities: Abilities) -> str:
    search = abilities.search
    words = ["any attribute"]
    if search.attributes is not None:
        names = sorted(keyword_of(tag) or tag for tag in search.attributes["study"])
        words = [f"of studies: {', '.join(names)}"]
    words.append("wildcards" if search.wildcards else "no wildcards")
    words += ["names by their beginnings"] if search.fuzzy else []
    limited = search.attributes is not None or not search.wildcards
    return "; ".join(words) + ("; the rest is checked here" if limited else "")


def _pages(abilities: Abilities) -> str:
    limits = abilities.search.pages
    if not limits:
        return "no limit known; asked for until nothing more comes"
    most = {level: limits[level].maximum for level in LEVELS if level in limits}
    told = [f"{most[level]:,} {PLURAL[level]}" for level in most if most[level] is not None]
    text = f"at most {', '.join(told)} a request" if told else "no limit known"
    if abilities.search.offset_limit is not None:
        text += f"; {abilities.search.offset_limit:,} rows can be skipped"
    return text


def advised(error: BaseException, asked: str) -> str:
    """What went wrong, and what to do about it in the panel.

    Args:
        asked: ``"server"``, or what was asked of Google: ``"projects"``, …, ``"search"``.
    """
    text = in_words(error)
    status = error.status if isinstance(error, DicomWebError) else None
    advice = ""
    if status == 401 and asked == "server":
        advice = "Choose how to sign in, or type the password or token anew."
    elif isinstance(error, AuthError) and status is None and asked == "projects":
        advice = "In this form: a key file or an access token, chosen under “Sign in with”."
    elif status == 401:
        advice = "Sign in again. A token from gcloud is good for an hour."
    elif status == 403 and asked in ROLES:
        permission, role = ROLES[asked]
        advice = f"The account needs the permission {permission}; the role {role} has it."
        if asked != "search":
            advice += " What may not be listed can be named: projects/…/dicomStores/… under Server."
    elif status == 403:
        advice = "Sign in with an account that may search here."
    elif isinstance(error, NotFound) and asked == "server":
        advice = "Check the path of the address: it ends where /studies would follow."
    elif isinstance(error, ConnectionFailed) and "certificate" in error.message:
        advice = "A private authority's file is named under More."
    elif isinstance(error, NoDicom) and asked == "folder":
        advice = "An empty folder becomes a new archive when it may be written to."
    what, _, details = text.partition("\n")
    return "\n".join(filter(None, (what, advice, details)))
