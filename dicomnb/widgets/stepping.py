"""`Stepping`: a panel with a trail of steps, whose traits say what the last form does."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import traitlets

from dicomnb.errors import BadQuery
from dicomnb.query import build
from dicomnb.refs import LEVELS
from dicomnb.widgets.forming import extra_columns
from dicomnb.widgets.panel import Panel
from dicomnb.widgets.worklist import form_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dicomnb.refs import Level
    from dicomnb.widgets.trails import Step

__all__ = ["Stepping"]


class Stepping(Panel):
    """The part of a search panel that keeps its form and its traits alike.

    Args:
        first: the step that it begins with.
    """

    level = traitlets.Enum(LEVELS, "study")
    filters = traitlets.Dict()
    fields = traitlets.List(traitlets.Unicode())
    fuzzy = traitlets.Bool(False)
    limit = traitlets.Int(1000, min=1, allow_none=True)

    def __init__(self, first: Step, **traits: Any) -> None:
        self._trail = [first]
        self._revision = 0
        self._by = ""
        self._is_following = True
        super().__init__(**traits)

    @property
    def _step(self) -> Step:
        return self._trail[-1]

    def _form_changed(self) -> None:
        """For a subclass: the form is another one."""

    @contextmanager
    def _following(self) -> Iterator[None]:
        """While traits are set to what is so already, nothing follows from that."""
        before, self._is_following = self._is_following, True
        try:
            yield
        finally:
            self._is_following = before

    def _changed(self, by: str = "") -> None:
        """The step or its form is another one: the traits follow, and the views are told."""
        step = self._step
        self._revision += 1
        self._by = by
        with self._following(), self.hold_trait_notifications():
            self.level, self.fuzzy = step.level, step.fuzzy
            self.filters, self.fields = step.reading.filters, list(step.fields)
        self._form_changed()

    @traitlets.validate("level")
    def _check_level(self, proposal: Any) -> Level:
        level: Level = proposal["value"]
        if level not in self._step.levels:
            levels = ", ".join(map(repr, self._step.levels)) or "nothing"
            raise traitlets.TraitError(f"level={level!r}: here it can be {levels}.")
        return level

    @traitlets.validate("filters")
    def _check_filters(self, proposal: Any) -> dict[str, Any]:
        if not self._is_following:
            try:
                build(self._step.level, proposal["value"])
            except BadQuery as error:
                raise traitlets.TraitError(error.message) from error
        return dict(proposal["value"])

    @traitlets.validate("fields")
    def _check_fields(self, proposal: Any) -> list[str]:
        """Columns that the level does not have anyway, by their usual names."""
        try:
            return list(extra_columns(self._step.level, proposal["value"]))
        except BadQuery as error:
            raise traitlets.TraitError(error.message) from error

    @traitlets.observe("level", "filters", "fields", "fuzzy")
    def _follow(self, change: Any) -> None:
        if self._is_following:
            return
        step = self._step
        if change["name"] == "level":
            step.go(change["new"])
        elif change["name"] == "filters":
            step.form = form_of(step.level, change["new"], fuzzy=step.fuzzy)
        elif change["name"] == "fields":
            step.fields = tuple(change["new"])
        else:
            step.fuzzy = change["new"]
        self._changed()

    @traitlets.observe("limit")
    def _follow_limit(self, _: Any) -> None:
        if not self._is_following:
            self._changed()
