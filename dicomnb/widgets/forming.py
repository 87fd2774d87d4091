"""Answers what a person does to the form of a search: typing, adding fields, completion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dicomnb.errors import BadQuery
from dicomnb.query import build
from dicomnb.tables import columns_for
from dicomnb.widgets.keywords import suggestions
from dicomnb.widgets.worklist import fields_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Set

    from dicomnb.refs import Level
    from dicomnb.widgets.trails import Step

__all__ = ["Forming", "extra_columns"]


class Forming:
    """The kernel's side of the form.

    Args:
        send: sends a custom message.
        step: the step whose form it is now.
        changed: is told that the form is another one, and by which view it was changed.
        matched: tags that the source matches itself, by level; None if that is not known.
    """

    def __init__(
        self,
        send: Callable[[dict[str, Any]], None],
        *,
        step: Callable[[], Step],
        changed: Callable[[str], None],
        matched: Callable[[], Mapping[Level, Set[str]] | None],
    ) -> None:
        self._send = send
        self._step = step
        self._changed = changed
        self._matched = matched

    def answers(self) -> dict[str, Callable[[dict[str, Any]], None]]:
        """Who answers which message."""
        return {
            "typed": self.typed,
            "add": self._add,
            "remove": self._remove,
            "column": self._column,
            "uncolumn": self._uncolumn,
            "complete": self._complete,
        }

    def typed(self, told: dict[str, Any]) -> None:
        """The fields hold these texts now; what was typed into another form is dropped."""
        step = self._step()
        if told.get("step") != step.number or told.get("level") != step.level:
            return
        texts = told["form"]
        fields = fields_for(step.level, within=step.within_level, form=step.form)
        form = {one.name: str(texts.get(one.name, "")) for one in fields}
        added = {one.name for one in fields if one.is_added}
        step.form = {name: text for name, text in form.items() if text or name in added}
        self._changed(str(told.get("by", "")))

    def _add(self, told: dict[str, Any]) -> None:
        step, typed = self._step(), str(told["name"]).strip()
        try:
            name = build(step.level, {typed: ""}).filters[0].name
        except BadQuery as error:
            self._unknown(told, error, "field")
            return
        if name not in step.form:
            step.form[name] = ""
            self._changed("")
        self._send({"kind": "focus", "name": name, "by": str(told.get("by", ""))})

    def _remove(self, told: dict[str, Any]) -> None:
        self._step().form.pop(str(told["name"]), None)
        self._changed("")

    def _column(self, told: dict[str, Any]) -> None:
        step, typed = self._step(), str(told["name"]).strip()
        try:
            step.fields = extra_columns(step.level, (*step.fields, typed))
        except BadQuery as error:
            self._unknown(told, error, "column")
            return
        self._changed("")

    def _uncolumn(self, told: dict[str, Any]) -> None:
        step = self._step()
        step.fields = tuple(one for one in step.fields if one != told["name"])
        self._changed("")

    def _unknown(self, told: dict[str, Any], error: BadQuery, what: str) -> None:
        """Say what is wrong with a keyword, and which ones are near; to the view that asked."""
        typed, by = str(told["name"]).strip(), str(told.get("by", ""))
        near = suggestions(typed, self._step().level, filters=what == "field", count=4)
        names = [one.keyword for one in near if one.keyword != typed]
        unknown = {"kind": "unknown", "for": what, "by": by, "words": error.message, "near": names}
        self._send(unknown)

    def _complete(self, told: dict[str, Any]) -> None:
        level, what, text = self._step().level, str(told["for"]), str(told["text"])
        by_level = self._matched()
        matched = None if by_level is None else by_level[level]
        found = suggestions(text, level, matched=matched, filters=what == "field")
        names = [{"name": one.keyword, "title": one.title} for one in found]
        self._send({"kind": "completions", "for": what, "text": text, "names": names})


def extra_columns(level: Level, names: Iterable[str]) -> tuple[str, ...]:
    """Columns that a level does not have anyway, each once, by their usual names.

    Raises:
        BadQuery: an unknown keyword.
    """
    usual = columns_for(level)
    return columns_for(level, extra=[name for name in names if name])[len(usual) :]
