"""Starting the Google flavour: the catalogue, its token, its folders."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicomnb.errors import NoDicom
from dicomnb.server.google.application import GoogleApplication, GoogleGuard
from dicomnb.server.google.catalogue import Catalogue
from dicomnb.server.google.names import store_name
from dicomnb.wire.google_habits import Habits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import ExitStack

    from dicomnb.server.exchange import Service
    from dicomnb.server.guard import Guard

__all__ = ["ROOT", "application", "catalogue", "habits_of"]

ROOT = f"/v1/{store_name()}/dicomWeb"
"""Path of the DICOMweb root of the store that is published."""


def habits_of(flavour: Any) -> Habits | None:
    """The habits that ``flavour=`` of `serve` means; None for the plain standard.

    Raises:
        ValueError: a flavour that is not there.
    """
    if flavour is None or isinstance(flavour, Habits):
        return flavour
    if flavour == "google":
        return Habits()
    raise ValueError(f"flavour={flavour!r}: None for the plain standard, or 'google'.")


def catalogue(
    service: Service,
    *,
    habits: Habits,
    buckets: Mapping[str, str | Path],
    undo: ExitStack,
) -> Catalogue:
    """What is published, with a service as its first store; ``undo`` frees what it holds.

    Raises:
        NoDicom: the folder of a bucket is not there.
    """
    folders = {name: Path(path).expanduser() for name, path in buckets.items()}
    for name, path in folders.items():
        if not path.is_dir():
            raise NoDicom(f"No folder {str(path)!r} to stand for bucket {name!r}.")
    root = undo.enter_context(tempfile.TemporaryDirectory(prefix="dicomnb-stores-"))
    made = Catalogue(service, root=Path(root), habits=habits, buckets=folders)
    undo.callback(made.close)
    return made


def application(published: Catalogue, guard: Guard) -> GoogleApplication:
    """What answers at Google's paths, with the guard's host and token."""
    return GoogleApplication(published, GoogleGuard(guard.host, guard.port, guard.token))
