"""Whether an archive can be changed; if not, why, and the way forward."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dicomnb.local.storing import TRASH
from dicomnb.refs import LEVELS, PLURAL

if TYPE_CHECKING:
    from dicomnb.archive import Archive
    from dicomnb.refs import Level

__all__ = ["where_deleted_goes", "why_no_delete", "why_no_store"]


def why_no_store(archive: Archive) -> str:
    """Why nothing can be stored in an archive; empty where it can. May ask the server."""
    if archive.source.abilities().stores:
        return ""
    return _read_only(archive, "store in it") or (
        f"The server {archive.source.address} does not take new instances. Connect to one that "
        "does."
    )


def why_no_delete(archive: Archive, level: Level | None = None) -> str:
    """Why nothing, or nothing of a level, can be deleted; empty where it can."""
    abilities = archive.source.abilities()
    if level in abilities.deletes or (level is None and abilities.deletes):
        return ""
    if abilities.deletes:
        able = " and ".join(PLURAL[one] for one in LEVELS if one in abilities.deletes)
        return f"The server deletes {able}, not {PLURAL[level or 'instance']}."
    if abilities.family == "orthanc":
        return (
            f"Orthanc ({archive.source.address}) does not delete by DICOMweb. Its own page and its "
            "REST API do."
        )
    return _read_only(archive, "delete from it") or (
        f"The server {archive.source.address} does not delete. Its own tools may."
    )


def where_deleted_goes(archive: Archive) -> str:
    """Whether what is deleted can be had back, in words."""
    if archive.source.abilities().family == "folder":
        return (
            f"Deleted files lie in {archive.source.address}/{TRASH} afterwards, from where they "
            "can be put back."
        )
    return "The server deletes for good: nothing can be had back from here."


def _read_only(archive: Archive, what: str) -> str:
    """Of a folder, or of a server that publishes one."""
    address, family = archive.source.address, archive.source.abilities().family
    if family == "folder":
        return (
            f"The folder {address!r} is read-only. To {what}, connect with "
            f"dn.connect({address!r}, options=dn.Options(writable=True))."
        )
    if "read-only" in family:
        return (
            f"The server {address} is read-only. dn.serve(folder, writable=True) makes one that "
            'is not, and dn.demo(flavour="google") is a demo that may be changed.'
        )
    return ""
