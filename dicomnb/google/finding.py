"""What there is to choose from above datasets: projects, and the locations of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dicomnb.google.reaching import reached
from dicomnb.google.tabling import table
from dicomnb.options import Options
from dicomnb.vr import TEXT_DTYPE
from dicomnb.web.google_api import GoogleApi
from dicomnb.web.google_names import PROJECTS_ROOT, api_root_of, last_part, made, path_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["locations", "projects"]

_PROJECT_COLUMNS = {"Name": TEXT_DTYPE, "Project": TEXT_DTYPE, "Title": TEXT_DTYPE}
_LOCATION_COLUMNS = {"Name": TEXT_DTYPE, "Location": TEXT_DTYPE}
_PAGE = (("pageSize", "500"),)


def projects(*, auth: Any = None, options: Options | None = None) -> pd.DataFrame:
    """The projects that the account sees.

    It is the Resource Manager that tells, another of Google's services: it must be switched on,
    and does not answer at a private endpoint. With ``Options(api_root=…)`` that root is asked,
    and nobody else. A project can always be named without being listed.

    Args:
        auth: as for `dicomnb.connect`.
        options: as for `dicomnb.connect`.

    Returns:
        One row a project that is in use, by its identifier: ``Name`` (``projects/P``),
        ``Project`` (its identifier), ``Title`` (what people call it).

    Raises:
        AuthError: the account may not list projects, or the Resource Manager is not switched on.
    """
    options = options or Options()
    root = api_root_of(options.api_root) if options.api_root else PROJECTS_ROOT
    api = GoogleApi.at(root, auth=auth, options=options)
    try:
        found = sorted(
            (str(one["projectId"]), str(one.get("name") or ""))
            for one in api.pages("projects", "projects", params=_PAGE)
            if one.get("lifecycleState") == "ACTIVE" and one.get("projectId")
        )
    finally:
        api.close()
    return table([(f"projects/{one}", one, title) for one, title in found], _PROJECT_COLUMNS)


def locations(project: Any, *, auth: Any = None, options: Options | None = None) -> pd.DataFrame:
    """The locations in which a project may have datasets, whether or not it has any there.

    Args:
        project: its identifier, ``projects/P``, or anything in it, or an `Archive`.
        auth: as for `dicomnb.connect`, or an `Archive` to ask through.

    Returns:
        One row a location: ``Name``, ``Location`` (its identifier).

    Example:
        >>> locations("my-project")
    """
    if isinstance(project, str) and "/" not in project:
        project = made("project", project=project)
    with reached(project, "project", auth=auth, options=options) as (api, name):
        found = api.pages(f"{path_of(name)}/locations", "locations", params=_PAGE)
        names = sorted(str(one.get("name")) for one in found)
    return table([(one, last_part(one)) for one in names], _LOCATION_COLUMNS)
