"""The services of DICOMweb as one table: method, path and what answers (PS3.18 section 10)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from dicomnb.server.answers import Answer
from dicomnb.server.exchange import Exchange
from dicomnb.server.rendering import rendered, thumbnail
from dicomnb.server.retrieval import bulk_data, frames, instances
from dicomnb.server.searching import metadata, search
from dicomnb.server.storing import delete, store

if TYPE_CHECKING:
    from dicomnb.refs import Level
    from dicomnb.server.exchange import Service

__all__ = ["STANDARD", "Handler", "Route", "offered"]

Handler = Callable[[Exchange], Answer]

_STUDY = "/studies/<study>"
_SERIES = f"{_STUDY}/series/<series>"
_INSTANCE = f"{_SERIES}/instances/<instance>"


@dataclass(frozen=True)
class Route:
    """One service.

    Attributes:
        method: HTTP method; HEAD goes with GET.
        path: below the DICOMweb root, with variables in angle brackets.
        handler: what answers.
        needs: the ability that a source must have for it, with its level.
    """

    method: str
    path: str
    handler: Handler
    needs: tuple[Literal["store", "delete", "render"], Level | None] | None = None


STANDARD: tuple[Route, ...] = (
    Route("GET", "/studies", partial(search, level="study")),
    Route("GET", "/series", partial(search, level="series")),
    Route("GET", "/instances", partial(search, level="instance")),
    Route("GET", f"{_STUDY}/series", partial(search, level="series")),
    Route("GET", f"{_STUDY}/instances", partial(search, level="instance")),
    Route("GET", f"{_SERIES}/instances", partial(search, level="instance")),
    Route("GET", _STUDY, instances),
    Route("GET", _SERIES, instances),
    Route("GET", _INSTANCE, instances),
    Route("GET", f"{_STUDY}/metadata", metadata),
    Route("GET", f"{_SERIES}/metadata", metadata),
    Route("GET", f"{_INSTANCE}/metadata", metadata),
    Route("GET", f"{_STUDY}/rendered", rendered, ("render", "study")),
    Route("GET", f"{_SERIES}/rendered", rendered, ("render", "series")),
    Route("GET", f"{_INSTANCE}/rendered", rendered, ("render", "instance")),
    Route("GET", f"{_INSTANCE}/frames/<numbers>", frames),
    Route("GET", f"{_INSTANCE}/frames/<numbers>/rendered", rendered, ("render", "instance")),
    Route("GET", f"{_STUDY}/thumbnail", thumbnail, ("render", "instance")),
    Route("GET", f"{_SERIES}/thumbnail", thumbnail, ("render", "instance")),
    Route("GET", f"{_INSTANCE}/thumbnail", thumbnail, ("render", "instance")),
    Route("GET", f"{_INSTANCE}/frames/<numbers>/thumbnail", thumbnail, ("render", "instance")),
    # Where a source is a server itself, its BulkDataURIs keep their own word ("bulk": Orthanc).
    Route("GET", f"{_INSTANCE}/<any(bulkdata, bulk):word>/<path:path>", bulk_data),
    Route("POST", "/studies", store, ("store", None)),
    Route("POST", _STUDY, store, ("store", None)),
    Route("DELETE", _STUDY, delete, ("delete", "study")),
    Route("DELETE", _SERIES, delete, ("delete", "series")),
    Route("DELETE", _INSTANCE, delete, ("delete", "instance")),
)


def offered(routes: tuple[Route, ...], service: Service) -> list[Route]:
    """The routes that lead somewhere: what the source cannot do, or may not, is not there."""
    abilities = service.abilities
    able: set[tuple[str, Level | None]] = {
        ("render", level)
        for level in abilities.renders
        if level == "instance" or not abilities.renders_each  # one picture an answer
    }
    if service.writable:
        able |= {("delete", level) for level in abilities.deletes}
        able |= {("store", None)} if abilities.stores else set()
    return [one for one in routes if one.needs is None or one.needs in able]
