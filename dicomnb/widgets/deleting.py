"""`DeletePanel`: what would go, the words that confirm it, and what became of it."""

from __future__ import annotations

import itertools
from time import monotonic
from typing import TYPE_CHECKING, Any

import pandas as pd

from dicomnb.archive.changing import meant_to_be_deleted
from dicomnb.errors import RefError
from dicomnb.transfer.deletion import DELETION_COLUMNS
from dicomnb.transfer.events import Progress
from dicomnb.widgets.changeable import where_deleted_goes, why_no_delete
from dicomnb.widgets.columns import person
from dicomnb.widgets.deletion_plan import Plan, Thing, carried_out, planned
from dicomnb.widgets.javascript import module, style
from dicomnb.widgets.naming import Names
from dicomnb.widgets.paging import page_of
from dicomnb.widgets.panel import Held, Panel
from dicomnb.widgets.wanted import python_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self

    from dicomnb.archive import Archive
    from dicomnb.pool import Cancel
    from dicomnb.refs import Ref

__all__ = ["DeletePanel"]

_NO_ARCHIVE = "There is no archive to delete from: connect to one, panel.archive = dn.connect(…)."


class DeletePanel(Panel):
    """Deletes studies, series or instances, once it was shown what goes and words were typed.

    It counts what would go in the archive itself, and asks for words that say as much,
    ``delete 3 studies with 412 instances``. Anything else chosen meanwhile needs its own
    words; what came or went in the archive since it was shown stops the deletion before it
    begins. Files of a folder go to its trash.

    Args:
        archive: where from; a folder takes ``dn.Options(writable=True)``.
        what: what to delete, as for ``archive.delete``: a row or table of a search, a data set,
            ``dicomnb.Ref``, or several of these of one level. None or an empty table is nothing.
        wait: whether to wait for a server that goes on by itself (Google).
        time_limit: seconds to wait for each thing at most; None as long as it takes.

    Attributes:
        archive: may be set.
        what: may be set; what was deleted stays named there until something else is chosen.
        outcome: a DataFrame, one row a thing, as ``archive.delete`` returns it. A new one after
            each deletion.
        words: what has to be typed; empty while there is nothing to delete.
        code: the Python that deletes the same, without asking.

    Example:
        >>> panel = DeletePanel(archive, studies.iloc[:3]).wait()
        >>> panel.words
        'delete 3 studies with 412 instances'
        >>> panel.delete("delete 3 studies with 412 instances").wait().outcome
    """

    _esm = module("deleting")
    _css = style("panel", "paged", "deleting")
    _title = "A panel that deletes"

    archive = Held()
    what = Held()
    outcome = Held()

    def __init__(
        self,
        archive: Archive | None = None,
        what: Any = None,
        *,
        wait: bool = True,
        time_limit: float | None = 600.0,
    ) -> None:
        self._wait = wait
        self._time_limit = time_limit
        self._tickets = itertools.count(1)
        self._ticket = 0
        self._plan: Plan | None = None
        self._results: dict[Ref, Mapping[Any, Any]] = {}
        self._cannot = _NO_ARCHIVE
        self._goes = ""
        self._place: Archive | None = None  # where what is shown lies, or lay
        self._is_deleting = False
        self._is_stale = False
        super().__init__()
        self.outcome = pd.DataFrame(columns=DELETION_COLUMNS, dtype="object")
        self.archive, self.what = archive, what
        self.observe(lambda _: self._choose(), names=["archive", "what"])
        self._choose()

    # -- what a script may do as well ---------------------------------------------------------

    @property
    def words(self) -> str:
        """What has to be typed before it is done; empty while there is nothing to delete."""
        ready = self._plan is not None and not self._results and not self._cannot
        return self._plan.words if ready and self._plan is not None else ""

    def look(self) -> Self:
        """Look anew at what would go; `wait` waits for it."""
        self._choose()
        return self

    def delete(self, words: str) -> Self:
        """Delete what was shown; `wait` waits for it.

        Args:
            words: `words`, as a sign that they were read.

        Raises:
            RefError: they are not the words, or there is nothing to delete.
        """
        self._confirmed(words, self._ticket)
        return self

    @property
    def code(self) -> str:
        """The Python that deletes the same, without asking."""
        if self._plan is None:
            return ""
        refs = [one.ref for one in self._plan.things]
        expect = f", expect={len(refs)}" if len(refs) > 1 else ""
        names = Names.of(archive=self._place, panel=self._called())
        what = python_of(refs, names)
        head = "import dicomnb as dn\n\n" if "dn.Ref(" in what else ""
        return f"{head}{names.archive}.delete({what}{expect})"

    # -- choosing -------------------------------------------------------------------------------

    def _choose(self) -> None:
        """Forget what was confirmed, and look at what is chosen now."""
        self._ticket = ticket = next(self._tickets)
        if self._is_deleting:
            self._is_stale = True
            return  # looked at when that is done
        if self._stays:
            return
        self.cancel()
        archive, what = self.archive, self.what
        self._plan, self._results, self._place = None, {}, archive
        self._cannot = "" if archive is not None else _NO_ARCHIVE
        self._tell_state()
        if archive is None:
            return

        def look(cancel: Cancel) -> tuple[str, str, Plan | None]:
            refs = (
                [] if _is_nothing(what) else meant_to_be_deleted(what, base=archive.source.address)
            )
            cannot = why_no_delete(archive, refs[0].level if refs else None)
            cancel.check()
            plan = planned(archive, refs, cancel) if refs and not cannot else None
            return cannot, where_deleted_goes(archive), plan

        def done(found: tuple[str, str, Plan | None]) -> None:
            if ticket == self._ticket:
                self._cannot, self._goes, self._plan = found
                self._tell_state()

        self._begin("Looking at what would go…", look, done)

    @property
    def _stays(self) -> bool:
        """Whether what became of the last ones stays to be read: nothing else is chosen there."""
        return bool(self._results) and self.archive is self._place and _is_nothing(self.what)

    # -- deleting -------------------------------------------------------------------------------

    def _confirmed(self, words: str, ticket: int) -> None:
        plan, archive = self._plan, self._place
        if self._is_deleting:
            raise RefError("Something is being deleted; wait until that is done.")
        if self._cannot:
            raise RefError(self._cannot)
        if plan is None or archive is None or self._results:
            raise RefError("There is nothing to delete, or it was not looked at yet.")
        if ticket != self._ticket:
            raise RefError("Something else is chosen since those words were typed; look again.")
        if _plain(words) != plan.words:
            raise RefError(f"Nothing was deleted: the words are {plan.words!r}, not {words!r}.")
        total, begun = len(plan.things), monotonic()
        self._is_deleting, self._is_stale = True, False

        def work(cancel: Cancel) -> pd.DataFrame:
            def tell(done: int) -> None:
                self._tell_progress(Progress(done, total=total, seconds=monotonic() - begun))

            return carried_out(
                archive,
                plan,
                wait=self._wait,
                time_limit=self._time_limit,
                tell=tell,
                cancel=cancel,
            )

        self._begin(f"Deleting {plan.counted}…", work, self._deleted, failed=self._not_deleted)
        self._tell_state()

    def _deleted(self, table: pd.DataFrame) -> None:
        self._is_deleting = False
        rows = table.to_dict("records")
        things = self._plan.things if self._plan is not None else ()
        self._results = {one.ref: row for one, row in zip(things, rows, strict=True)}
        is_shown = not self._is_stale or self._stays
        where = "the table" if is_shown else f"{self._called() or 'panel'}.outcome"
        self._say(*_summary(table, where))
        self._tell_state()
        self._look_if_stale()
        self.outcome = table

    def _not_deleted(self, error: BaseException) -> None:
        self._is_deleting = False
        self._plan = None
        self._failed(error)
        self._tell_state()
        self._look_if_stale()

    def _look_if_stale(self) -> None:
        """Look at what was chosen while it was deleting; what became of that is said on."""
        if self._is_stale:
            said = self.said
            self._choose()
            self._say(*said)

    # -- messages -------------------------------------------------------------------------------

    def _asked(self) -> dict[str, Callable[[dict[str, Any], Sequence[memoryview]], None]]:
        return {
            "delete": lambda message, _: self._confirmed(
                str(message["words"]), int(message["ticket"])
            ),
            "look": lambda message, _: self._look_asked(),
            "rows": self._rows_asked,
        }

    def _look_asked(self) -> None:
        if not self._is_deleting:
            self._results = {}
            self._choose()

    def _rows_asked(self, message: dict[str, Any], _: Sequence[memoryview]) -> None:
        things = self._plan.things if self._plan is not None else ()
        self.send(page_of(things, message, self._row))

    def _row(self, one: Thing) -> dict[str, Any]:
        result = self._results.get(one.ref, {})
        return {
            "patient": person(one.patient),
            "id": one.patient_id,
            "date": one.date,
            "description": one.description,
            "series": one.series,
            "instances": one.instances,
            "state": result.get("Outcome", ""),
            "words": result.get("Reason", ""),
        }

    def _state(self) -> dict[str, Any]:
        plan = self._plan
        return {
            "archive": "" if self._place is None else self._place.source.address,
            "cannot": self._cannot,
            "ticket": self._ticket,
            "deleting": self._is_deleting,
            "done": bool(self._results),
            "chosen": not _is_nothing(self.what),
            "level": "" if plan is None else plan.level,
            "counted": "" if plan is None else plan.counted,
            "summary": "" if plan is None else plan.summary,
            "missing": 0 if plan is None else plan.missing,
            "words": self.words,
            "goes": self._goes,
            "code": self.code,
        }

    def __repr__(self) -> str:
        counted = "nothing" if self._plan is None or self._results else self._plan.counted
        return f"<dicomnb DeletePanel: {counted} chosen>"


def _is_nothing(what: Any) -> bool:
    """Whether nothing is chosen: None, or a table or list without anything in it."""
    return what is None or (isinstance(what, pd.DataFrame | list | tuple) and len(what) == 0)


def _plain(words: str) -> str:
    """Words as they count: however they are spaced, in capitals or not."""
    return " ".join(words.split()).lower()


def _summary(table: pd.DataFrame, where: str) -> tuple[str, str]:
    """What is said at the end: level and words.

    Args:
        where: in which it stands why something was not deleted.
    """
    counts = table["Outcome"].value_counts()
    words = [f"{counts.get('deleted', 0):,} of {len(table):,} deleted."]
    if running := counts.get("deleting", 0):
        words.append(f"The server goes on by itself with {running:,}.")
    if failed := counts.get("failed", 0):
        words.append(f"{failed:,} not deleted; {where} says why. Look again for the rest.")
    level = "warning" if failed else "info" if running else "done"
    return level, " ".join(words)
