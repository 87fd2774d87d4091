"""`RetrievePanel`: what is selected, fetched into memory or a folder."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import traitlets

from dicomnb.errors import Cancelled, DicomnbError, heard
from dicomnb.pool import Cancel
from dicomnb.transfer.layout import DEFAULT_LAYOUT, Layout
from dicomnb.transfer.sizes import Size, size_of
from dicomnb.widgets.background import Background
from dicomnb.widgets.fetches import TARGETS, DatasetsFetch, FolderFetch, VolumeFetch
from dicomnb.widgets.folders import expanded
from dicomnb.widgets.javascript import module, style
from dicomnb.widgets.naming import Names
from dicomnb.widgets.panel import Held, Panel
from dicomnb.widgets.retrieving_state import LAYOUTS, last_state, selection_state, target_state
from dicomnb.widgets.sizes import (
    Room,
    needed,
    no_volume,
    not_one_series,
    room_for,
    suitable,
    volume_refs,
)
from dicomnb.widgets.wanted import Wanted, wanted_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from os import PathLike
    from typing import Self

    from dicomnb.archive import Archive
    from dicomnb.widgets.fetches import Fetch, Target

__all__ = ["RetrievePanel"]

FOLDER = "data"
_OPTIONS = ("target", "folder", "file_layout", "verify", "strict", "lazy")


class RetrievePanel(Panel):
    """Fetches what is selected into memory or a folder, and says how large it is before.

    It names what is selected, counts it, and asks the source for its size, a few searches at
    most. The fetch shows bytes, instances, speed and time left; Cancel keeps what came, Resume
    goes on with what is missing, and what failed can be tried again. All of it is the download
    engine of `Archive.download`, `Archive.datasets` and `Archive.volume`, and ``code`` is the
    call that does the same. Nothing of the patient is saved with the notebook.

    Args:
        archive: where to fetch from; may be set later.
        what: what to fetch: anything `Archive.download` takes.
        folder: where a download goes, on the machine of the kernel.

    Attributes:
        what: may be set, for example by a search: ``search.observe(…, "selected")``.
        archive: may be set.
        target: ``"volume"``, ``"datasets"`` or ``"folder"``. Chosen by what is selected until
            it is set: a volume for one series of images, or a study that has no other, data
            sets for little else.
        folder, file_layout, verify: of a download; see `Archive.download`, whose ``layout`` the
            second is.
        strict, lazy: of a volume; see `Archive.volume`.
        size: what is known of the size of ``what``, a `dicomnb.transfer.sizes.Size`, or None.
        volume: the last volume that was fetched, or None.
        datasets: the data sets that came last; also of a fetch that was stopped.
        outcome: the table of the last download, one row an instance.
        code: the Python that makes the fetch that is chosen, or that was made last.

    Example:
        >>> panel = RetrievePanel(archive, scan)
        >>> panel.fetch()
        >>> panel.wait().volume.shape
        (56, 160, 230)
    """

    _esm = module("retrieving")
    _css = style("panel", "retrieving")
    _title = "Fetch images from an archive"

    what = Held()
    archive = Held()
    target = traitlets.Enum(TARGETS, "folder")
    folder = traitlets.Unicode(FOLDER)
    file_layout = traitlets.Unicode(DEFAULT_LAYOUT)
    verify = traitlets.Bool(False)
    strict = traitlets.Bool(True)
    lazy = traitlets.Bool(False)
    size = Held()
    volume = Held()
    datasets = Held()
    outcome = Held()

    def __init__(
        self,
        archive: Archive | None = None,
        what: Any = None,
        folder: str | PathLike[str] | None = None,
    ) -> None:
        self._wanted = Wanted()
        self._unclear = ""
        self._room = Room()
        self._chosen_target: Target | None = None
        self._fetch: Fetch | None = None
        self._fetched = Wanted()
        self._heard: list[str] = []
        self._measured = Cancel()
        super().__init__(folder=FOLDER if folder is None else str(folder))
        self._measuring = Background("dicomnb-sizes", self._failed)
        self.archive, self.what, self.datasets = archive, what, []
        self._selected(None)
        self.observe(self._selected, names=["what", "archive"])
        self.observe(self._optioned, names=list(_OPTIONS))

    # -- what is selected --------------------------------------------------------------------

    def _selected(self, _: Any) -> None:
        """Say what is selected, and find out how large it is beside the kernel."""
        self.size, self._unclear, self._wanted = None, "", Wanted()
        if self.archive is not None:
            try:
                self._wanted = wanted_of(self.what, base=self.archive.source.address)
            except DicomnbError as error:
                self._unclear = str(error)
        self._choose()
        self._measure()
        self._tell_state()

    def _choose(self) -> None:
        """Set the target that a person chose where it can be, else the one that suits."""
        chosen = self._chosen_target
        if chosen is None or (chosen == "volume" and no_volume(self._wanted, self.size)):
            chosen = suitable(self._wanted, self.size)
        self._suit(chosen)

    def _suit(self, target: Target) -> None:
        """Set the target without that a person chose it."""
        was = self._chosen_target
        self.target = target
        self._chosen_target = was

    @traitlets.validate("target")
    def _target_chosen(self, proposal: Any) -> Any:
        """Whoever sets the target, be it to what it is already, chose it."""
        self._chosen_target = proposal["value"]
        return proposal["value"]

    @traitlets.validate("folder")
    def _folder_chosen(self, proposal: Any) -> Any:
        """One that no path can mean is refused at once: all that is told names the folder."""
        expanded(proposal["value"])
        return proposal["value"]

    def _optioned(self, change: Any) -> None:
        if change["name"] == "folder":
            self._measure(sizes=False)
        self._tell_state()

    def _measure(self, *, sizes: bool = True) -> None:
        """Find out, beside the kernel, how large what is selected is, and how much room there is.

        What was being found out of another selection is given up.

        Args:
            sizes: False looks at the room alone.
        """
        archive, wanted = self.archive, self._wanted
        folder = expanded(self.folder)
        asks = sizes and archive is not None and bool(wanted.refs)

        def measure(cancel: Cancel) -> None:
            room = room_for(folder)
            self._measuring.tell(lambda: self._take_room(room))
            if not asks:
                return
            try:
                with heard():  # whoever searched has been warned of this source already
                    size = size_of(
                        archive.source,
                        wanted.refs,
                        told=wanted.told,
                        workers=archive.options.usual_workers,
                        cancel=cancel,
                    )
            except (DicomnbError, OSError) as error:
                self._measuring.tell(lambda error=error: self._take_size(wanted, error))  # type: ignore[misc]
            else:
                self._measuring.tell(lambda: self._take_size(wanted, size))

        if sizes:
            self._measured.set()
        token = self._measuring.run(measure)
        if sizes:
            self._measured = token

    def _take_room(self, room: Room) -> None:
        self._room = room
        self._tell_state()

    def _take_size(self, wanted: Wanted, size: Size | Exception) -> None:
        if wanted is not self._wanted:
            return  # another selection has come meanwhile
        if isinstance(size, Exception):
            self._say("warning", f"How large this is could not be found out. {size}")
            size = Size(wanted.told)
        self.size = size
        self._choose()
        self._tell_state()

    # -- fetching ----------------------------------------------------------------------------

    def fetch(self) -> Self:
        """Begin to fetch what is selected; `wait` for it in a script."""
        if self._is_busy():
            return self
        made = self._made()
        if made is not None:
            self._fetched = self._wanted
            self._run(made)
        return self

    def _fetch_datasets(self) -> None:
        """Fetch what made no volume as data sets; the next selection may be a volume again."""
        self._suit("datasets")
        self.fetch()

    def resume(self) -> Self:
        """Go on with a fetch that was stopped."""
        if self._fetch is None or not self._fetch.can_go_on:
            self._say("warning", "There is nothing to go on with: nothing was stopped.")
        elif not self._is_busy():
            self._run(self._fetch)
        return self

    def retry(self) -> Self:
        """Ask once more for what failed in a download."""
        fetch = self._fetch
        if not isinstance(fetch, FolderFetch) or fetch.failed.empty:
            self._say("warning", "There is nothing to try again: nothing failed.")
        elif not self._is_busy():
            fetch.retry()
            self._run(fetch)
        return self

    def relax(self) -> Self:
        """Make the best volume there is of slices that are no regular stack."""
        fetch = self._fetch
        if not isinstance(fetch, VolumeFetch) or not fetch.is_refused:
            self._say("warning", "There is no volume that was refused.")
        elif not fetch.is_strict:
            self._say("warning", "This is the best there is. Fetch it as data sets instead.")
        elif not self._is_busy():
            fetch.relax()
            self._run(fetch)
        return self

    def _is_busy(self) -> bool:
        if self.busy:
            words = "A fetch is under way: wait until it is done, or cancel it first."
            self._say("warning", words)
        return bool(self.busy)

    def _made(self) -> Fetch | None:
        """The fetch that is chosen; None, with words, where there is nothing to fetch."""
        archive, wanted = self.archive, self._wanted
        why = self._unclear or ("" if archive is not None else "There is no archive to fetch from.")
        why = why or ("" if wanted.refs else "Nothing is selected.")
        if self.target == "volume" and not why:
            why = not_one_series(wanted, self.size)
        if why or archive is None:
            self._say("error", why)
            return None
        if self.target == "folder":
            if not self.folder.strip():
                self._say("error", "Say into which folder.")
                return None
            Layout(self.file_layout)  # what is no layout is said before anything is asked
        return self._chosen(archive)

    def _chosen(self, archive: Archive) -> Fetch:
        """What is selected, by the options as they are."""
        wanted = self._wanted
        if self.target == "volume":
            refs = volume_refs(wanted, self.size)
            return VolumeFetch(archive, refs, told=wanted.told, strict=self.strict, lazy=self.lazy)
        if self.target == "datasets":
            return DatasetsFetch(archive, wanted)
        return FolderFetch(
            archive, wanted, self.folder, layout=self.file_layout, verify=self.verify
        )

    def _run(self, fetch: Fetch) -> None:
        self._fetch, self._heard = fetch, []
        fetch.fault = None

        size = self.size if self._fetched is self._wanted else None
        expected = None if size is None else needed(fetch.target, size, ())
        tell = partial(self._tell_progress, bytes_expected=expected)

        def work(cancel: Cancel) -> None:
            fetch.run(tell, cancel)

        def ended(fault: BaseException | None) -> None:
            fetch.fault = fault
            if fault is not None and not isinstance(fault, Cancelled):
                self._failed(fault)
            self._keep(fetch)
            self._measure(sizes=False)
            self._tell_state()

        self._begin(f"{fetch.label}…", work, lambda _: ended(None), failed=ended)
        self._tell_state()

    def _keep(self, fetch: Fetch) -> None:
        """Put what came where it is looked for, and say it."""
        if isinstance(fetch, VolumeFetch) and fetch.volume is not None:
            self.volume = fetch.volume
        elif isinstance(fetch, DatasetsFetch):
            self.datasets = list(fetch.datasets)
        elif isinstance(fetch, FolderFetch) and fetch.table is not None:
            self.outcome = fetch.table
        if fetch.fault is None:
            has_failed = isinstance(fetch, FolderFetch) and not fetch.failed.empty
            is_odd = has_failed or bool(fetch.notes or self._heard)
            self._say("warning" if is_odd else "done", fetch.done)
        elif isinstance(fetch.fault, Cancelled):
            kept = f" {fetch.done}" if fetch.done else " Nothing had come yet."
            self._say("info", f"Cancelled.{kept}")

    def _warned(self, warnings: list[str]) -> None:
        self._heard = warnings

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, OSError) and not isinstance(error, DicomnbError) and error.strerror:
            where = error.filename or self.folder
            words = f"{str(where)!r} cannot be written to: {error.strerror}. Choose another folder."
            self._say("error", words)
        else:
            super()._failed(error)

    def close(self) -> None:
        """Stop what is under way, and take the panel from the page."""
        if self._is_made:
            self._measuring.stop()
        super().close()

    def wait(self) -> Self:
        """Until size and fetch are done and told; blocks, so for scripts and tests."""
        self._measuring.wait()
        super().wait()
        self._measuring.wait()
        return self

    # -- what the front end asks and is told -------------------------------------------------

    def _asked(self) -> dict[str, Callable[[dict[str, Any], Sequence[memoryview]], None]]:
        actions = {
            "choose": None,
            "fetch": self.fetch,
            "datasets_instead": self._fetch_datasets,
            "resume": self.resume,
            "retry": self.retry,
            "relax": self.relax,
        }
        return {kind: self._doing(action) for kind, action in actions.items()}

    def _doing(
        self, action: Callable[[], object] | None
    ) -> Callable[[dict[str, Any], Sequence[memoryview]], None]:
        """Takes the options that a message names, and then acts."""

        def answer(message: dict[str, Any], _: Sequence[memoryview]) -> None:
            for name in _OPTIONS:
                if name in message:
                    setattr(self, name, message[name])
            if action is not None:
                action()

        return answer

    def _state(self) -> dict[str, Any]:
        wanted, size = self._wanted, self.size
        last = None
        if self._fetch is not None and not self.busy:
            of = "" if self._fetched is wanted else self._fetched.words
            last = last_state(self._fetch, of=of, heard=self._heard)
        return {
            "selection": {
                **selection_state(wanted, size),
                "unclear": self._unclear,
                "has_archive": self.archive is not None,
            },
            "options": {name: getattr(self, name) for name in _OPTIONS},
            "targets": {
                target: target_state(target, wanted, size, room=self._room, lazy=self.lazy)
                for target in TARGETS
            },
            "place": self._room.place,
            "layouts": LAYOUTS,
            "code": self.code,
            "called": self._called() or "",
            "last": last,
        }

    @property
    def code(self) -> str:
        """The Python that makes the fetch that is chosen; empty where there is none."""
        if self.archive is None or not self._wanted.refs:
            return ""
        if self.target == "volume" and not volume_refs(self._wanted, self.size):
            return ""
        names = Names.of(archive=self.archive, panel=self._called())
        return f"import dicomnb as dn\n\n{self._chosen(self.archive).code(names)}"
