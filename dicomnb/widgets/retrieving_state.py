"""What the front end of `RetrievePanel` is told, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dicomnb.transfer.layout import DEFAULT_LAYOUT
from dicomnb.transfer.sizes import Size
from dicomnb.widgets.fetches import FolderFetch, VolumeFetch
from dicomnb.widgets.sizes import needed, no_volume, room_in_words, size_in_words, too_large

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dicomnb.widgets.fetches import Fetch, Target
    from dicomnb.widgets.sizes import Room
    from dicomnb.widgets.wanted import Wanted

__all__ = ["LAYOUTS", "last_state", "selection_state", "target_state"]

LAYOUTS = (
    DEFAULT_LAYOUT,
    "{PatientID}/{StudyDate}_{StudyID}/{SeriesNumber}_{SeriesDescription}/{InstanceNumber}.dcm",
    "{PatientID}/{StudyInstanceUID}/{SeriesInstanceUID}/{SOPInstanceUID}.dcm",
    "{SOPInstanceUID}.dcm",
)
"""Layouts that are suggested for a folder."""
MOST_FAILED = 200
"""Failed instances that are listed in the page; `RetrievePanel.outcome` has all."""


def selection_state(wanted: Wanted, size: Size | None) -> dict[str, Any]:
    """What is selected, and how large it is."""
    return {
        "words": wanted.words,
        "lines": wanted.lines,
        "more": wanted.more,
        "size": size_in_words(size) if size is not None and wanted.refs else "",
        "is_asking": bool(wanted.refs) and size is None,
    }


def target_state(
    target: Target, wanted: Wanted, size: Size | None, *, room: Room, lazy: bool
) -> dict[str, Any]:
    """Why a target cannot be chosen, what it takes, and a warning where that is too much."""
    needs = needed(target, size or Size(), wanted.modalities) if wanted.refs else None
    needs = None if target == "volume" and lazy else needs
    is_open = target != "volume" or not wanted.refs
    return {
        "why_not": "" if is_open else no_volume(wanted, size),
        "room": room_in_words(target, needs, room),
        "warning": too_large(target, needs, room),
    }


def last_state(fetch: Fetch, *, of: str, heard: Sequence[str]) -> dict[str, Any]:
    """What a fetch brought, and the ways on from it.

    Args:
        fetch: the last one, which has ended.
        of: what it was of, where that is no longer what is selected.
        heard: what was warned of meanwhile.
    """
    failed = fetch.failed if isinstance(fetch, FolderFetch) else None
    rows = [] if failed is None else failed.head(MOST_FAILED).to_dict("records")
    refused = fetch if isinstance(fetch, VolumeFetch) and fetch.is_refused else None
    return {
        "of": of,
        "kept": fetch.kept,
        "notes": [*fetch.notes, *heard],
        "can_resume": fetch.can_go_on,
        "can_retry": bool(rows) and fetch.fault is None,
        "can_relax": refused is not None and refused.is_strict,
        "can_be_datasets": refused is not None,
        "failed": [{"name": _name(row), "reason": str(row["Reason"])} for row in rows],
        "failed_count": 0 if failed is None else len(failed),
    }


def _name(row: dict[Any, Any]) -> str:
    """By what a row of a download is told apart."""
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        if isinstance(row[keyword], str):
            return f"{keyword} {row[keyword]}"
    return ""
