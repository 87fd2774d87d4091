"""Which of Google's stores: each level is listed when the one above it has been chosen."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from dicomnb import google
from dicomnb.errors import AuthError, DicomWebError
from dicomnb.pool import side_by_side
from dicomnb.widgets.background import unless_cancelled
from dicomnb.widgets.connection_card import advised

if TYPE_CHECKING:
    import pandas as pd

    from dicomnb.options import Options
    from dicomnb.pool import Cancel
    from dicomnb.web.auth import Recipe
    from dicomnb.widgets.connections import Form

__all__ = ["LEVELS", "Choice", "Lists"]

LEVELS = ("location", "dataset", "store")
_COLUMNS = {"location": "Location", "dataset": "Dataset", "store": "Store"}
PLURALS = {"location": "locations", "dataset": "datasets", "store": "stores"}


@dataclass(frozen=True)
class Lists:
    """What there is to choose from, as far as it was listed.

    Attributes:
        projects: identifiers that the account sees; empty where it may not list them.
        note: why there are none.
        levels: ``"location"``, ``"dataset"``, ``"store"`` → identifiers.
        counts: location → how many datasets it has, as far as that was counted.
        failure: what could not be listed, in words with a way forward; else empty.
    """

    projects: tuple[str, ...] = ()
    note: str = ""
    levels: dict[str, list[str]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    failure: str = ""

    def down_to(self, level: str) -> Lists:
        """Without what lies below ``level``, which has been chosen anew."""
        kept = ("project", *LEVELS).index(level)
        levels = {one: self.levels[one] for one in LEVELS[:kept] if one in self.levels}
        return replace(self, levels=levels, counts=self.counts if kept else {})


@dataclass(frozen=True)
class Choice:
    """What was chosen so far, and what there is to choose from.

    Args:
        form: project, location, dataset and store as far as they are known.
        lists: what was listed.
    """

    form: Form
    lists: Lists

    def begun(self, auth: Recipe, options: Options, cancel: Cancel) -> Choice:
        """The project, as far as the credentials tell it, and its locations.

        Raises:
            AuthError: the credentials are not taken, or there are none.
        """
        form, lists = self.form, Lists()
        project = form.project or unless_cancelled(lambda: project_of(auth), cancel)
        try:
            found = unless_cancelled(lambda: google.projects(auth=auth, options=options), cancel)
        except DicomWebError as error:
            if isinstance(error, AuthError) and error.status != 403:
                raise
            lists = replace(lists, projects=(), note=advised(error, "projects"))
        else:
            lists = replace(lists, projects=tuple(found["Project"]), note="")
        if not project and len(lists.projects) == 1:
            project = lists.projects[0]
        made = Choice(replace(form, project=project or ""), lists)
        return made.continued(auth, options, cancel) if project else made

    def continued(self, auth: Recipe, options: Options, cancel: Cancel) -> Choice:
        """Listed as far down as there is only one to choose, or one was chosen before.

        What cannot be listed ends it, and is told as ``lists.failure``.
        """
        form, lists = self.form, replace(self.lists, failure="")
        for level in LEVELS:
            if level not in lists.levels:
                ask = _asking(level, form, auth, options)
                try:
                    found = unless_cancelled(ask, cancel)
                except DicomWebError as error:
                    failure = advised(error, PLURALS[level])
                    return Choice(form, replace(lists, failure=failure))
                names = [str(one) for one in found[_COLUMNS[level]]]
                lists = replace(lists, levels={**lists.levels, level: names})
            known = lists.levels[level]
            chosen = getattr(form, level)
            if chosen not in known:
                chosen = known[0] if len(known) == 1 else ""
            form = form.changed({level: chosen})
            if not chosen:
                break
        return Choice(form, lists)

    def counted(self, auth: Recipe, options: Options, cancel: Cancel) -> dict[str, int]:
        """How many datasets each location has; without those that cannot be listed."""
        project = self.form.project

        def count(location: str, _: Cancel) -> tuple[str, int | None]:
            where = google.location(project=project, location=location)
            try:
                return location, len(google.datasets(where, auth=auth, options=options))
            except DicomWebError:
                return location, None

        def count_all() -> dict[str, int]:
            names = self.lists.levels.get("location", [])
            pairs = side_by_side(count, names, workers=8, cancel=cancel)
            return {location: number for location, number in pairs if number is not None}

        return unless_cancelled(count_all, cancel)

    def chosen(self, level: str, value: str) -> Choice:
        """With another project, location, dataset or store; what lies below is open again."""
        names = ("project", *LEVELS)
        below = dict.fromkeys(names[names.index(level) + 1 :], "")
        return Choice(self.form.changed({level: value, **below}), self.lists.down_to(level))


def _asking(level: str, form: Form, auth: Recipe, options: Options) -> Any:
    """What lists one level."""

    def ask() -> pd.DataFrame:
        if level == "location":
            return google.locations(form.project, auth=auth, options=options)
        where = google.location(project=form.project, location=form.location)
        if level == "dataset":
            return google.datasets(where, auth=auth, options=options)
        return google.stores(f"{where}/datasets/{form.dataset}", auth=auth, options=options)

    return ask


def project_of(auth: Recipe) -> str | None:
    """The project that credentials tell of."""
    project: str | None = getattr(auth, "project", None)
    return project


def account_of(auth: Recipe) -> str:
    """Who signed in, in words, as far as the credentials tell; read before."""
    from dicomnb.web.google_auth import Google

    if not isinstance(auth, Google):
        return "access token"
    kind = "default credentials" if "google" in repr(auth) else "key file"
    return f"{auth.identity} ({kind})" if auth.identity else f"Google's {kind}"
