"""From what a person gives (a name, an address, an archive) to the API and a name."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dicomnb.archive import Archive
from dicomnb.errors import RefError, Unsupported
from dicomnb.options import Options
from dicomnb.web.client import WebSource
from dicomnb.web.google_api import GoogleApi
from dicomnb.web.google_names import Kind, api_root_of, name_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dicomnb.operations import Operation

__all__ = ["ended", "reached"]

_URL = re.compile(r"(?i)https?://")


@contextmanager
def reached(
    what: Any, kind: Kind, *, auth: Any, options: Options | None
) -> Iterator[tuple[GoogleApi, str]]:
    """The API that ``what`` belongs to, and the name of the ``kind`` that is meant.

    Args:
        what: a name, an address, or an `Archive` of a store.
        kind: what is meant: the thing itself, or what it lies in.
        auth: as for `dicomnb.connect`, or an `Archive` whose connection is used.
        options: as for `dicomnb.connect`.

    Raises:
        RefError: a malformed name.
        Unsupported: an archive that is no Google store.
    """
    if isinstance(what, Archive):
        if auth is not None or options is not None:
            raise TypeError("An archive brings its own auth= and options=: leave them out.")
        yield _api_of(what), name_in(what.source.address, kind)
        return
    if not isinstance(what, str):
        raise TypeError(
            f"Give the {kind}'s name (projects/…), its address, or an Archive, "
            f"not a {type(what).__name__}."
        )
    name = name_in(what, kind)
    root = what.strip().partition("/projects/")[0] if _URL.match(what.strip()) else None
    if isinstance(auth, Archive):
        api = _api_of(auth)
        if options is not None:
            raise TypeError("An archive brings its own options=: leave them out.")
        if root not in (None, api.root):
            raise RefError(f"{what!r} is not of the API that the archive is connected to.")
        yield api, name
        return
    options = options or Options()
    api = GoogleApi.at(api_root_of(root or options.api_root), auth=auth, options=options)
    try:
        yield api, name
    finally:
        api.close()


def _api_of(archive: Archive) -> GoogleApi:
    source = archive.source
    api = source.google_api() if isinstance(source, WebSource) else None
    if api is None:
        raise Unsupported(f"{source.address} is no store of Google's: it has no such calls.")
    return api


def ended(
    operation: Operation, *, wait: bool, time_limit: float | None, progress: Any
) -> Operation:
    """The operation, waited for if that was asked for."""
    return operation.wait(time_limit=time_limit, progress=progress) if wait else operation
