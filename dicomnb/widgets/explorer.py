"""`Explorer`: connect, search, look, fetch, upload and delete, as one."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import traitlets
from ipywidgets import Box, VBox

from dicomnb.archive import Archive
from dicomnb.errors import BadQuery, RefError
from dicomnb.refs import refs_of
from dicomnb.volumes.volume import Volume
from dicomnb.widgets.connecting import ConnectPanel
from dicomnb.widgets.deleting import DeletePanel
from dicomnb.widgets.panel import Held, Panel
from dicomnb.widgets.retrieving import RetrievePanel
from dicomnb.widgets.searching import SearchPanel
from dicomnb.widgets.tabs import PAGES, Tabs
from dicomnb.widgets.uploading import UploadPanel
from dicomnb.widgets.viewer import Viewer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    import pandas as pd

    from dicomnb.widgets.recipes import Search
    from dicomnb.widgets.trails import Step

__all__ = ["Explorer", "browse"]


class Explorer(VBox):  # type: ignore[misc]
    """Connect, search, look, fetch, upload and delete in one panel.

    Enter or a double click on a study goes down to its series, on a series or an instance shows
    it. What is selected is what would be fetched or deleted. After an upload or a deletion the
    search is made again.

    Args:
        archive: where to search; None begins with the choice of one.
        height: of the picture, in pixels of the page.
        keep: whether the notebook may save the first rows and the slice in view. Otherwise it
            saves nothing of what is shown: no pixels, no names, no identifiers.

    Attributes:
        archive: the `Archive`, or None; may be set.
        results: the rows found, a DataFrame.
        selected: the selected rows of ``results``; may be set.
        volume: the last volume that was opened (a lazy one) or fetched, or None.
        tab: the page that is shown, ``"view"``, ``"fetch"``, ``"upload"`` or ``"delete"``; may
            be set. What is selected is handed to the page that is shown.
        connect, search, viewer, retrieve, upload, delete: the panels themselves.

    Example:
        >>> explorer = dn.browse(dn.demo())
        >>> explorer
        >>> explorer.selected
        >>> explorer.volume.shape
    """

    archive = traitlets.Instance(Archive, allow_none=True)
    results = Held(read_only=True)
    selected = Held()
    volume = Held(read_only=True)
    tab = traitlets.Enum(tuple(PAGES), "view")

    _panels: tuple[Panel, ...] = ()

    def __init__(
        self, archive: Archive | None = None, *, height: int = 512, keep: bool = False
    ) -> None:
        self._done: Any = None
        self.connect = ConnectPanel(archive=archive, brief=True)
        self.search = _Search(archive, keep=keep, opened=self._open)
        self.viewer = _Viewer(height=height, keep=keep)
        self.retrieve = RetrievePanel(archive)
        self.upload = UploadPanel(archive)
        self.delete = DeletePanel(archive)
        for name in ("search", "viewer", "retrieve", "upload", "delete"):
            getattr(self, name)._part_of = (weakref.ref(self), name)
        self._tabs = Tabs()
        shown = (self.viewer, self.retrieve, self.upload, self.delete)
        self._panels = (self.connect, self.search, self._tabs, *shown)
        pages = [_page(name, panel) for name, panel in zip(PAGES, shown, strict=True)]
        super().__init__([self.connect, self.search, self._tabs, *pages])
        self.add_class("dicomnb-explorer")
        self.archive = archive
        self._tabs.is_connected = archive is not None
        self._link()
        self.set_trait("results", self.search.results)
        self.selected = self.search.selected

    def _link(self) -> None:
        """Have the panels follow one another."""
        traitlets.link((self.connect, "archive"), (self, "archive"))
        traitlets.link((self._tabs, "tab"), (self, "tab"))
        self.observe(lambda _: self._follow_archive(), names="archive")
        self.observe(lambda _: self._feed(), names=["selected", "tab"])
        self.observe(lambda change: self._select(change["new"]), names="selected")
        self.search.observe(lambda change: self._take(change["new"]), names="selected")
        self.search.observe(lambda change: self._found(change["new"]), names="results")
        for panel in (self.viewer, self.retrieve):
            name = "what" if panel is self.viewer else "volume"
            panel.observe(lambda change: self._came(change["new"]), names=name)
        self.upload.observe(lambda change: self._changed(change["new"]), names="outcome")
        self.delete.observe(lambda change: self._deleted(change["new"]), names="outcome")

    # -- what follows from what ------------------------------------------------------------------

    def _follow_archive(self) -> None:
        """Another archive: nothing of the one before stays in a panel."""
        self.viewer.clear()
        self.set_trait("volume", None)
        self._done = self.retrieve.what = self.delete.what = None
        for panel in (self.search, self.retrieve, self.upload, self.delete):
            panel.archive = self.archive
        self._tabs.is_connected = self.archive is not None

    def _found(self, rows: pd.DataFrame) -> None:
        self.set_trait("results", rows)

    def _take(self, rows: pd.DataFrame) -> None:
        self.selected = rows

    def _select(self, rows: pd.DataFrame) -> None:
        """From a script: select these in the table as well."""
        if rows is not self.search.selected:
            self.search.selected = rows
            self.selected = self.search.selected

    def _feed(self) -> None:
        """Hand what is selected to the page that is shown."""
        rows = self.selected
        count = 0 if rows is None else len(rows)
        note = f"{count:,}" if count else ""
        self._tabs.notes = {"fetch": note, "delete": note}
        panel = {"fetch": self.retrieve, "delete": self.delete}.get(self.tab)
        if panel is not None and not (panel is self.delete and self._is_rest(rows)):
            panel.what = rows if count else None

    def _is_rest(self, rows: pd.DataFrame | None) -> bool:
        """Whether these are what is left of what was deleted: its outcome stays to be read."""
        if self._done is None or self.delete.what is not self._done:
            return False
        try:
            done = set(refs_of(self._done))
            left, selected = (
                set() if one is None or one.empty else set(refs_of(one))
                for one in (self.results, rows)
            )
        except RefError:
            return False  # the panel says what is wrong with them
        return left & done == selected

    def _open(self, row: pd.Series) -> None:
        """Show a series or an instance."""
        self.tab = "view"
        self.viewer.show(row, archive=self.archive)

    def _came(self, what: Any) -> None:
        if isinstance(what, Volume):
            self.set_trait("volume", what)

    def _changed(self, outcome: pd.DataFrame | None) -> None:
        """Instances came or went: the rows may be others now."""
        if outcome is not None and len(outcome):
            self.search.renew()

    def _deleted(self, outcome: pd.DataFrame) -> None:
        self._done = self.delete.what
        self._changed(outcome)

    def wait(self) -> Self:
        """Until what was begun in any panel is done; blocks, so for scripts and tests.

        Raises:
            RuntimeError: what was opened cannot be shown, with the reason.
        """
        for panel in (self.connect, self.retrieve, self.upload, self.delete, self.search):
            panel.wait()
        self.viewer.wait()
        return self

    def close(self) -> None:
        """Stop what is under way, and take all panels from the page."""
        for panel in self._panels:
            panel.close()
        super().close()

    # -- where there is no browser ---------------------------------------------------------------

    def __repr__(self) -> str:
        # Not where: a folder may be named after a patient, and this is saved with the notebook.
        return f"<dicomnb Explorer: {'not connected' if self.archive is None else 'connected'}>"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        data["text/plain"] = repr(self)
        data["text/html"] = (
            "<div>An explorer of a DICOM archive. Run this cell in a live notebook to use it.</div>"
        )
        return bundle


def browse(archive: Archive | None = None, *, height: int = 512, keep: bool = False) -> Explorer:
    """An `Explorer`, as the last expression of a cell; arguments as there.

    Example:
        >>> dn.browse(dn.demo())  # doctest: +SKIP
    """
    return Explorer(archive, height=height, keep=keep)


class _Search(SearchPanel):
    """A search in which a series is looked at rather than taken apart.

    Args:
        opened: is given the row of a series or instance on which Enter was pressed.
    """

    def __init__(
        self, archive: Archive | None, *, keep: bool, opened: Callable[[pd.Series], None]
    ) -> None:
        self._opened = opened
        self._stale: list[Step] = []
        self._begun: tuple[Step, Search, bool] | None = None
        super().__init__(archive, keep=keep)

    @property
    def _is_looked_at(self) -> bool:
        """Whether what was found is looked at, rather than taken apart."""
        found = self._step.found
        return found is not None and found.search.level != "study"

    def _open(self, row: pd.Series) -> None:
        if self._is_looked_at:
            self._opened(row)
        else:
            super()._open(row)

    def _state(self) -> dict[str, Any]:
        return {**super()._state(), "looks": self._is_looked_at}

    def _asked(self) -> dict[str, Callable[[dict[str, Any], Sequence[memoryview]], None]]:
        return {**super()._asked(), "look": lambda *_: self._look()}

    def _look(self) -> None:
        """Look at the selected row, or at the only one."""
        rows = self.results if len(self.results) == 1 else self.selected
        if len(rows) != 1:
            raise BadQuery("Select one row of the table to look at it.")
        self._open(rows.iloc[0])

    def renew(self) -> None:
        """Make the last search again, and those before it when they are gone back to.

        One that is under way is begun anew: it may have read what is gone by now.
        """
        self._stale = [step for step in self._trail if step.found is not None]
        if self.busy and self._begun is not None and self._begun[0] is self._step:
            step, search, keep = self._begun
            self._stale = [one for one in self._stale if one is not step]
            self._begin_search(search, keep=keep)
        else:
            self._again()

    def _begin_search(self, search: Search, *, keep: bool = False) -> None:
        super()._begin_search(search, keep=keep)
        self._begun = (self._step, search, keep)

    def back(self, steps: int = 1) -> Self:
        """Go up again; rows that may be others by now are searched for again."""
        super().back(steps)
        self._again()
        return self

    def _again(self) -> None:
        step = self._step
        if step.found is not None and any(one is step for one in self._stale):
            self._stale = [one for one in self._stale if one is not step]
            self.more(step.found.search.limit)


class _Viewer(Viewer):
    _empty = "Nothing is shown yet. Double click a series in the table above, or press Enter on it."


def _page(name: str, panel: Any) -> Box:
    page = Box([panel])
    page.add_class("dicomnb-page")
    page.add_class(f"dicomnb-page-{name}")
    return page
