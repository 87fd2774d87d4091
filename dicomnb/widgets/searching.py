"""`SearchPanel`: a radiology worklist in a notebook, and the Python that does the same."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pandas as pd
import traitlets

from dicomnb.errors import BadQuery
from dicomnb.refs import PLURAL, UID_KEYWORDS
from dicomnb.widgets.forming import Forming, extra_columns
from dicomnb.widgets.gridding import Gridding
from dicomnb.widgets.javascript import module, style
from dicomnb.widgets.keeping import kept_rows, kept_table
from dicomnb.widgets.naming import notebook_python
from dicomnb.widgets.panel import Held
from dicomnb.widgets.pictures import Pictures
from dicomnb.widgets.recipes import Found, Search
from dicomnb.widgets.stepping import Stepping
from dicomnb.widgets.trails import Step, columns_of, notes_of
from dicomnb.widgets.worklist import MODALITIES, form_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Self

    from dicomnb.archive import Archive
    from dicomnb.pool import Cancel
    from dicomnb.query.abilities import SearchAbilities
    from dicomnb.refs import Level

__all__ = ["SearchPanel"]


class SearchPanel(Stepping):
    """Looks for studies, series and instances by the fields of a worklist.

    Names are read by their beginning (``zhang`` searches for ``zhang*``), descriptions by what
    they hold, other fields as they are; what will be searched for stands below each field.
    Wildcards are left as they are, and quotation marks keep a value exactly. ``;`` parts several
    values of which any may match. Rows are sorted, filtered and selected in the table; Enter
    or a double click goes down to what a row holds, the trail above goes up again.

    Args:
        archive: where to search; None until one is connected.
        level: what to search for first: ``"study"``, ``"series"`` or ``"instance"``.
        limit: rows at most, or None; the panel says when there may be more, and brings them.
        fields: keywords of columns to bring besides, as for `Archive.studies`.
        fuzzy: match names by the beginning of any of their words.
        keep: whether the first 20 rows are saved with the notebook, patients' names and all.
            Otherwise nothing is.
        **filters: keyword = value, to begin with a filled form; as for `Archive.studies`.

    Attributes:
        archive: where to search; may be set.
        level: what the form searches for; may be set to what the present step allows.
        filters: keyword → value, as the form means it; may be set, which fills the form.
        fields: columns to bring besides; may be set.
        fuzzy: may be set.
        limit: may be set.
        results: the rows found, a DataFrame as of `Archive.studies`.
        selected: the selected rows of ``results``; may be set to rows of the same kind
            (`BadQuery` for others).
        code: Python that makes ``results``, for a cell. It calls the archive by the name that
            it has in the notebook.

    All of these can be observed, and handed on with ``traitlets.dlink``: tables cannot be
    compared, which ``traitlets.link`` would do.

    Example:
        >>> panel = SearchPanel(archive, PatientName="Zhang*")
        >>> panel.search().wait().results
        >>> panel.search(StudyDate=("2023-01-01", None)).wait().descend().wait().code
    """

    _esm = module("searching")
    _css = style("panel", "grid", "searching")
    _title = "A search of a DICOM archive"

    archive = Held()
    results = Held(read_only=True)
    selected = Held()
    code = traitlets.Unicode("", read_only=True)
    kept = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        archive: Archive | None = None,
        *,
        level: Level = "study",
        limit: int | None = 1000,
        fields: Iterable[str] = (),
        fuzzy: bool = False,
        keep: bool = False,
        **filters: Any,
    ) -> None:
        form = form_of(level, filters, fuzzy=fuzzy)
        first = Step(level, form=form, fields=extra_columns(level, fields), fuzzy=fuzzy)
        self._keep = keep
        self._matched: Mapping[Level, frozenset[str]] | None = None
        self._matches_fuzzily = True
        self._heard: tuple[str, ...] = ()
        self._assigned: Level = level
        super().__init__(first, archive=archive, limit=limit)
        self._pictures = Pictures(
            lambda message, buffers: self.send(message, list(buffers)),
            self._background.tell,
            self._failed,
        )
        self._forming = Forming(
            lambda message: self.send(message),
            step=lambda: self._step,
            changed=self._changed,
            matched=lambda: self._matched,
        )
        self._grid = Gridding(
            lambda message, buffers: self.send(message, list(buffers)),
            on_select=self._chosen,
            on_open=lambda row: self._open(row),
        )
        self._is_following = False
        self._changed()
        self._show()

    # -- for scripts -----------------------------------------------------------------------------

    def search(
        self,
        *,
        level: Level | None = None,
        matching: Mapping[Any, Any] | None = None,
        **filters: Any,
    ) -> Self:
        """Search by what the form holds, or by these filters, which fill the form first.

        The search goes on beside the kernel; one that is under way is given up. `wait` waits.

        Args:
            level: what to search for, in the whole archive; None: what the form does.
            matching: filters whose names are no Python names, as for `Archive.studies`.
            **filters: keyword = value; replace what the form holds, in the whole archive.

        Raises:
            BadQuery: a filter or a field that cannot be searched by; nothing was sent.

        Example:
            >>> panel.search(PatientName="Zhang*", ModalitiesInStudy=["CT"]).wait().results
        """
        if level is not None or filters or matching:
            first = self._trail[0]
            level = level or first.level
            form = form_of(level, {**filters, **(matching or {})}, fuzzy=first.fuzzy)
            if not filters and not matching:
                first.go(level)
                form = first.form
            self._trail = [replace(first, level=level, form=form, feed=None)]
            self._changed()
        step = self._step
        faults = step.reading.faults
        if faults:
            self._tell_state()
            words = "; ".join(f"{name}: {words}" for name, words in faults.items())
            raise BadQuery(f"The form cannot be searched by. {words}")
        self._begin_search(step.search(self.limit))
        return self

    def more(self, limit: int | None = None) -> Self:
        """Make the last search again for more rows; None for all there are.

        Raises:
            BadQuery: nothing was searched for yet.
        """
        found = self._step.found
        if found is None:
            raise BadQuery("Nothing was searched for yet: panel.search() does.")
        self._begin_search(replace(found.search, limit=limit), keep=True)
        return self

    def descend(self, rows: pd.DataFrame | pd.Series | None = None) -> Self:
        """Look for the series of studies, or for the instances of series.

        Args:
            rows: of ``results``; None takes the selected ones, or all of them if there is one.

        Raises:
            BadQuery: nothing is selected, or instances, which hold nothing, are.
        """
        step, chosen = self._step, self.selected
        if isinstance(rows, pd.Series):
            chosen = self.results.loc[[rows.name]]
        elif rows is not None or len(self.results) == 1:
            chosen = self.results if rows is None else rows
        if step.found is None or not len(chosen):
            raise BadQuery("Nothing is selected: select rows of the table first.")
        if step.next_level is None:
            raise BadQuery("Instances hold nothing to search for; look at them instead.")
        step.feed = self._grid.feed
        self._trail.append(step.below(chosen))
        self._changed()
        self._show()
        self._begin_search(self._step.search(self.limit))
        return self

    def back(self, steps: int = 1) -> Self:
        """Go up again: to rows that are as they were left, sorted, filtered and selected."""
        if not 0 < steps < len(self._trail):
            raise BadQuery(f"There are {len(self._trail) - 1} steps to go back, not {steps}.")
        self.cancel()
        del self._trail[-steps:]
        self._changed()
        self._show()
        return self

    def wait(self) -> Self:
        """Until the search and the thumbnails are there; blocks, so for scripts and tests."""
        super().wait()
        self._pictures.wait()
        return super().wait()

    def close(self) -> None:
        """Stop what is under way, and take the panel from the page."""
        if self._is_made:
            self._pictures.stop()
        super().close()

    # -- the search ------------------------------------------------------------------------------

    def _begin_search(self, search: Search, *, keep: bool = False) -> None:
        archive, step = self.archive, self._step
        if archive is None:
            raise BadQuery("No archive is connected, so there is nothing to search in.")
        self.cancel()

        def work(cancel: Cancel) -> tuple[pd.DataFrame, SearchAbilities]:
            table = search.run(archive, step.within, progress=self._tell_progress, cancel=cancel)
            return table, archive.source.abilities().search

        def done(result: tuple[pd.DataFrame, SearchAbilities]) -> None:
            table, abilities = result
            step.found = Found(search, table, step.within)
            called = f"{self._called() or 'panel'}.results"
            step.notes = notes_of(table, self._heard, called=called)
            self._heard = ()
            if archive is self.archive:
                self._matched, self._matches_fuzzily = abilities.attributes, abilities.fuzzy
            if step is self._step and archive is self.archive:
                self._show(keep=keep)

        self._begin(f"Searching for {PLURAL[search.level]}", work, done)

    def _warned(self, warnings: list[str]) -> None:
        self._heard = tuple(warnings)

    def _show(self, *, keep: bool = False) -> None:
        """Show the rows of the present step, as they were left if they were."""
        step = self._step
        table = pd.DataFrame() if step.found is None else step.found.table
        columns, before = {}, self.selected
        if step.found is not None:
            level = step.found.search.level
            is_one = step.within is not None and len(step.within) == 1
            columns = columns_of(table, level, is_within=is_one)
        self._grid.show(table, columns=columns, keep=keep)
        if keep and step.found is not None:
            # Rows are told by what they are: at the place of one that is gone lies another.
            uid = UID_KEYWORDS[step.found.search.level]
            known = set(before[uid]) if len(before) else set()
            self._grid.feed.choose(table.index[table[uid].isin(known)])
            self._grid.tell()
        if step.feed is not None:
            self._grid.feed.like(step.feed)
            step.feed = None
            self._grid.tell()
        self.set_trait("results", table)
        self._chosen(self._grid.feed.selected)
        if self._keep:
            self.kept = kept_rows(self._grid.feed)
        self._write_code()
        self._tell_state()

    def _form_changed(self) -> None:
        """The form is another one; what was found stays, and so does its code."""
        if all(one.found is None for one in self._trail):
            self._write_code()
        self._tell_state()

    def _write_code(self) -> None:
        chain: list[Found | Search] = [one.found for one in self._trail if one.found is not None]
        if not chain:
            chain = [self._step.search(self.limit)]
        self._assigned = chain[-1].level
        self.set_trait("code", notebook_python(chain, self.archive))
        self._tell_code()

    def _tell_code(self) -> None:
        """By itself, and not with every state: of many selected rows it is long."""
        self.send({"kind": "code", "code": self.code, "name": PLURAL[self._assigned]})

    def _open(self, row: pd.Series) -> None:
        if self._step.next_level is not None:
            self.descend(row)

    # -- the traits ------------------------------------------------------------------------------

    @traitlets.observe("archive")
    def _follow_archive(self, _: Any) -> None:
        if self._is_following:
            return
        self._abandon()
        first = self._trail[0]
        self._trail = [replace(first, found=None, notes=(), feed=None)]
        self._matched, self._matches_fuzzily = None, True
        self._changed()
        self._show()

    @traitlets.validate("selected")
    def _check_selected(self, proposal: Any) -> pd.DataFrame:
        """Whatever rows of the same kind are given, those of the table."""
        wanted, found = proposal["value"], self._step.found
        if self._is_following:
            return cast("pd.DataFrame", wanted)
        labels: Any = []
        if found is not None and wanted is not None and len(wanted):
            uid = UID_KEYWORDS[found.search.level]
            if uid not in wanted:
                raise BadQuery(f"Rows without {uid} cannot be selected: give rows of `results`.")
            labels = found.table.index[found.table[uid].isin(wanted[uid])]
        self._grid.feed.choose(labels)
        return self._grid.feed.selected

    @traitlets.observe("selected")
    def _follow_selected(self, _: Any) -> None:
        if not self._is_following:
            self._grid.tell()
            self._draw()

    def _chosen(self, rows: pd.DataFrame) -> None:
        """These rows are selected in the table now."""
        with self._following():
            self.selected = rows
        self._draw()

    def _draw(self) -> None:
        found = self._step.found
        level: Level = "study" if found is None else found.search.level
        self._pictures.show(self.archive, self.selected, level)

    # -- messages --------------------------------------------------------------------------------

    def _asked(self) -> dict[str, Callable[[dict[str, Any], Sequence[memoryview]], None]]:
        answers: dict[str, Callable[[dict[str, Any]], object]] = {
            **self._forming.answers(),
            "search": self._search_typed,
            "level": lambda told: setattr(self, "level", told["level"]),
            "fuzzy": lambda told: setattr(self, "fuzzy", bool(told["on"])),
            "limit": lambda told: setattr(self, "limit", told["limit"]),
            "clear": lambda told: self._clear(),
            "without": self._search_without,
            "more": lambda told: self.more(told["limit"]),
            "descend": lambda told: self.descend(),
            "back": lambda told: self.back(int(told["steps"])),
            "code": lambda told: self._tell_code(),
            "pictures": lambda told: self._pictures.again(),
        }
        made: dict[str, Callable[[dict[str, Any], Sequence[memoryview]], None]] = {
            kind: lambda told, _, answer=answer: answer(told)  # type: ignore[misc]
            for kind, answer in answers.items()
        }
        return {**made, **self._grid.answers()}

    def _clear(self) -> None:
        self._step.form = {}
        self._changed()

    def _search_typed(self, told: dict[str, Any]) -> None:
        self._forming.typed(told)
        self.search()

    def _search_without(self, told: dict[str, Any]) -> None:
        self._step.form.pop(str(told["name"]), None)
        self._changed()
        self.search()

    def _state(self) -> dict[str, Any]:
        return {
            **self._step.told(),
            "trail": [one.told_crumb() for one in self._trail],
            "connected": self.archive is not None,
            "revision": self._revision,
            "by": self._by,
            "modalities": list(MODALITIES),
            "fuzzy_here": self._matches_fuzzily,
            "limit": self.limit,
        }

    # -- where there is no browser, or no kernel -------------------------------------------------

    def _static(self) -> str:
        return kept_table(self.kept)

    def __repr__(self) -> str:
        found = self._step.found
        if found is None:
            return "<dicomnb SearchPanel: nothing searched for yet>"
        return f"<dicomnb SearchPanel: {len(found.table)} {PLURAL[found.search.level]}>"
