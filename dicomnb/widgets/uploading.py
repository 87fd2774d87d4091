"""`UploadPanel`: files from the browser or the kernel's machine, checked, sent, and told of."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from dicomnb.errors import Cancelled, DicomnbError
from dicomnb.refs import Ref
from dicomnb.transfer.again import NOT_STORED
from dicomnb.widgets.arriving import Arriving
from dicomnb.widgets.changeable import why_no_store
from dicomnb.widgets.columns import person
from dicomnb.widgets.faults import in_words
from dicomnb.widgets.finding import found_at
from dicomnb.widgets.javascript import module, style
from dicomnb.widgets.listed import FILTERS, Listed
from dicomnb.widgets.naming import Names
from dicomnb.widgets.paging import page_of
from dicomnb.widgets.panel import Held
from dicomnb.widgets.quantities import counted
from dicomnb.widgets.sending import Sent, outcomes, send
from dicomnb.widgets.wanted import day

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import Self

    import pandas as pd

    from dicomnb.archive import Archive
    from dicomnb.pool import Cancel
    from dicomnb.widgets.finding import Found

__all__ = ["UploadPanel"]

LIMIT_BYTES = 2_000_000_000
_MOST_STUDIES = 50
_NO_ARCHIVE = "There is no archive to store in yet: connect to one, panel.archive = dn.connect(…)."


class UploadPanel(Arriving):
    """Stores files: chosen or dropped in the browser, or named by a path on the kernel's machine.

    Each file is looked at before it is sent; what cannot be stored is left out, with the
    reason. Files of the browser are kept in a private temporary folder of the kernel until
    they are stored; the limit is told before they are chosen. Files on the kernel's machine
    are sent from where they are. Pictures (JPEG, PNG, JPEG 2000) become instances of the
    study that ``like`` names.

    Args:
        archive: where to store; a folder takes ``dn.Options(writable=True)``.
        like: whose the pictures are: a data set, row or ref, as for ``archive.store_images``;
            None leaves pictures out.
        limit_bytes: what may come from browsers at a time, all files together.

    Attributes:
        archive: may be set.
        like: may be set.
        outcome: a DataFrame, one row a file that was sent, as ``archive.store`` returns it;
            ``File`` is empty for files from the browser. A new one after each sending.
        files: a DataFrame, one row a file on the list: its name, size in bytes, patient,
            modality, state and reason.
        code: the Python that stores the same.

    Example:
        >>> panel = UploadPanel(archive)
        >>> panel.add("new_scans/").wait().store().wait().outcome
    """

    _esm = module("uploading")
    _css = style("panel", "paged", "uploading")
    _title = "An upload panel"

    archive = Held()
    like = Held()
    outcome = Held()

    def __init__(
        self,
        archive: Archive | None = None,
        *,
        like: Any = None,
        limit_bytes: int = LIMIT_BYTES,
    ) -> None:
        self._numbers = itertools.count(1)
        self._cannot = _NO_ARCHIVE
        self._paths: list[str] = []
        self._is_sending = self._is_unasked = False
        super().__init__(limit_bytes=limit_bytes)
        self.outcome = outcomes([])
        self.observe(self._archive_set, names="archive")
        self.observe(self._like_set, names="like")
        self.set_trait("archive", archive)
        self.set_trait("like", like)

    # -- what a script may do as well -------------------------------------------------------------

    def add(self, path: str | Path) -> Self:
        """List a file, a folder with all below it, or a glob, on the kernel's machine."""

        def found(there: Found) -> None:
            self._paths.append(str(path))
            self._list(there)

        self._begin("Looking…", lambda cancel: found_at(path, cancel), found)
        return self

    def store(self) -> Self:
        """Send what can be sent and was not yet; `wait` waits for it."""
        with self._lock:
            files = self._sendable()
        return self._begin_sending(files, "There is nothing to send.")

    def retry(self) -> Self:
        """Send once more what was not stored."""
        with self._lock:
            files = self._files.shown("not stored")
        return self._begin_sending(files, "There is nothing that failed.")

    def clear(self) -> Self:
        """Take everything off the list, and remove what came from browsers."""
        with self._lock:
            self._stop_receiving()
            self._files.clear()
            self._spool.close()
            self._paths.clear()
            self.outcome = outcomes([])
        self._say("info", "")
        self._tell_state()
        return self

    def cancel(self) -> None:
        """Give up what arrives or is being sent; what was stored by then stays stored."""
        if not self._stop_receiving():
            super().cancel()

    @property
    def files(self) -> pd.DataFrame:
        """One row a file on the list."""
        with self._lock:
            return self._files.table()

    @property
    def code(self) -> str:
        """The Python that stores the same."""
        archive = Names.of(archive=self.archive, panel=None).archive
        lines = [f"table = {archive}.store({path!r})" for path in self._paths]
        with self._lock:
            came = sum(one.path is None or one.is_copy for one in self._files)
            pictures = [one for one in self._files.in_state("picture") if not one.is_copy]
        if len(self._paths) > 1:
            lines = [f"table = {archive}.store({self._paths!r})"]
        if came:
            lines.append(f"# {counted(came, 'file')} came from a browser: name them by path here.")
        if pictures:
            names = [one.name for one in pictures]
            lines.append(f"{archive}.store_images({names!r}, like=study)  # a row, data set or ref")
        return "\n".join(lines)

    # -- messages ---------------------------------------------------------------------------------

    def _asked(self) -> dict[str, Callable[[dict[str, Any], Sequence[memoryview]], None]]:
        return {
            **super()._asked(),
            "add": lambda message, _: self._add_asked(str(message["path"])),
            "rows": self._rows_asked,
            "store": lambda message, _: self._unless_closed(self.store),
            "retry": lambda message, _: self._unless_closed(self.retry),
            "clear": lambda message, _: self._unless_closed(self.clear),
            "look": lambda message, _: self._ask_archive() if self._is_unasked else None,
            "like": lambda message, _: self._like_asked(str(message["study"])),
        }

    def _closed(self) -> str:
        if self._is_sending:
            return "Files are being sent; wait until that is done, or cancel it."
        return self._cannot

    def _unless_closed(self, function: Callable[[], Any]) -> None:
        if why := self._closed():
            self._say("warning", why)
        else:
            function()

    def _add_asked(self, path: str) -> None:
        if not path.strip():
            self._say("warning", "Give the path of a file or folder on the kernel's machine.")
        else:
            self._unless_closed(lambda: self.add(path.strip()))

    def _rows_asked(self, message: dict[str, Any], _: Sequence[memoryview]) -> None:
        with self._lock:
            found = self._files.shown(message["which"])
            told = page_of(found, message, _told)
        self.send({**told, "which": message["which"]})

    def _state(self) -> dict[str, Any]:
        with self._lock:
            shown = {which: self._files.shown(which) for which in FILTERS}
            sendable = self._sendable()
            return {
                "archive": "" if self.archive is None else self.archive.source.address,
                "cannot": self._cannot,
                "unasked": self._is_unasked,
                "sending": self._is_sending,
                "limit": self._spool.limit_bytes,
                "room": self._spool.room_bytes,
                "free": self._spool.free_bytes,
                "counts": {which: len(found) for which, found in shown.items()},
                "sendable": len(sendable),
                "bytes": sum(one.size for one in sendable),
                "pictures": len(self._files.in_state("picture")),
                "studies": self._studies(),
                "like": self._like_shown(),
                "code": self.code,
            }

    # -- archive, pictures ------------------------------------------------------------------------

    def _archive_set(self, _: Any) -> None:
        self.cancel()
        with self._lock:
            sent = [one.key for one in self._files if one.outcome is not None]
            self._files.forget(sent)
            self._spool.drop(sent)
            self.outcome = outcomes([])
        if self.archive is None:
            self._cannot = _NO_ARCHIVE
            self._tell_state()
            return
        self._cannot = "The archive has not said yet whether it can store."
        self._tell_state()
        self._ask_archive()

    def _ask_archive(self) -> None:
        """Ask what the archive can do; a server may have to be asked over the network."""
        archive = self.archive
        self._begin(
            "Asking what the archive can do…",
            lambda _: why_no_store(archive),
            lambda why_not: self._can(archive, why_not),
            failed=lambda error: self._not_asked(archive, error),
        )

    def _can(self, archive: Archive, why_not: str) -> None:
        if archive is self.archive:
            self._cannot, self._is_unasked = why_not, False
            self._tell_state()

    def _not_asked(self, archive: Archive, error: BaseException) -> None:
        if archive is self.archive:
            self._cannot, self._is_unasked = "The archive did not say whether it can store.", True
            self._failed(error)
            self._tell_state()

    def _wants_pictures(self) -> bool:
        return self.like is not None

    def _like_set(self, _: Any) -> None:
        with self._lock:
            self._want()
        self._tell_state()

    def _like_asked(self, study: str) -> None:
        """Pictures are to join a study that is on the list, or none."""
        from pydicom import dcmread

        if study == "given":
            return
        with self._lock:
            found = [one for one in self._files if one.study == study]
        path = next((one.path for one in found if one.path is not None), None)
        if path is not None:
            self.like = dcmread(path, stop_before_pixels=True)
        else:  # what came from a browser and was stored is in the archive alone
            self.like = Ref(study) if found else None

    def _studies(self) -> list[dict[str, str]]:
        """Studies on the list that pictures can join."""
        found: dict[str, str] = {}
        if self._files.in_state("picture"):
            for one in self._files:
                if one.study is not None:
                    checked = one.found
                    words = (person(checked.patient), checked.patient_id, day(checked.study_date))
                    label = " · ".join(filter(None, (*words, checked.description)))
                    found.setdefault(one.study, label or one.study)
                if len(found) == _MOST_STUDIES:
                    break
        return [{"study": study, "label": label} for study, label in found.items()]

    def _like_shown(self) -> str:
        """Which of `_studies` pictures join; ``"given"`` for another one, ``""`` for none."""
        if self.like is None:
            return ""
        known = {one["study"] for one in self._studies()}
        is_ref = isinstance(self.like, Ref)
        study = self.like.study if is_ref else getattr(self.like, "StudyInstanceUID", None)
        return str(study) if isinstance(study, str) and study in known else "given"

    # -- paths on the kernel's machine ------------------------------------------------------------

    def _listed(self, path: Path) -> Listed:
        size = path.stat().st_size if path.is_file() else 0
        return Listed(f"path-{next(self._numbers)}", str(path), size, path=path)

    def _list(self, found: Found) -> None:
        with self._lock:
            added = [self._files.add(self._listed(one)) for one in found.files]
            for path in found.others:
                left = self._files.add(self._listed(path))
                left.state, left.words = "left out", left.words or "not DICOM"
            self._check([one for one in added if one.state == "checking"])
        self._tell_state()

    # -- sending ----------------------------------------------------------------------------------

    def _sendable(self) -> list[Listed]:
        found = self._files.in_state("ready")
        if self.like is not None:
            pictures = self._files.in_state("picture")
            found = found + [one for one in pictures if one.path is not None]
        return found

    def _begin_sending(self, files: list[Listed], nothing: str) -> Self:
        if self._is_sending or self.archive is None:
            raise DicomnbError(self._closed())
        if not files:
            self._say("info", nothing)
            return self
        archive, like = self.archive, self.like
        total, size = len(files), sum(one.size for one in files)
        self._is_sending = True

        def work(cancel: Cancel) -> Sent:
            def tell(done: int, moved: int, begun: float) -> None:
                told = (done, total, min(moved, size), size, begun)
                self._background.tell(lambda: self._tell_bytes(*told))

            return send(archive, files, like=like, tell=tell, cancel=cancel)

        def done(sent: Sent) -> None:
            self._sent(sent, archive)

        self._begin(f"Sending {counted(total, 'file')}…", work, done, failed=self._not_sent)
        self._tell_state()
        return self

    def _not_sent(self, error: BaseException) -> None:
        self._is_sending = False
        self._failed(error)
        self._tell_state()

    def _sent(self, sent: Sent, archive: Archive) -> None:
        self._is_sending = False
        with self._lock:
            rows = {key: row for key, row in sent.rows.items() if key in self._files}
            stored = [key for key, row in rows.items() if row["Outcome"] not in NOT_STORED]
            if archive is self.archive:
                self._note_sent(rows)
            else:  # what the one before has now is not on the list of the new one
                self._files.forget(stored)
            self._spool.drop(stored)
        if archive is self.archive:
            self._say(*_summary(len(stored), len(rows), sent.error))
        else:
            words = f"{len(stored):,} of {len(rows):,} stored in {archive.source.address}"
            left = " The others are listed still." if len(stored) < len(rows) else ""
            self._say("warning", f"{words}, before another archive was chosen.{left}")
        self._tell_state()

    def _note_sent(self, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """Note what became of files, by their keys."""
        for key, row in rows.items():
            one = self._files[key]
            one.outcome, one.state = row, "sent"
            if one.is_stored:
                one.path = None if one.is_copy else one.path
        told = [one.outcome for one in self._files if one.outcome is not None]
        self.outcome = outcomes(told)

    def __repr__(self) -> str:
        return f"<dicomnb UploadPanel: {len(self._files):,} files>"


def _summary(stored: int, total: int, error: Exception | None) -> tuple[str, str]:
    """What is said at the end: level and words."""
    words = f"{stored:,} of {total:,} stored."
    again = " Retry failed sends the others once more." if stored < total else ""
    if isinstance(error, Cancelled):
        return "info", f"Cancelled. {words}{again}"
    if error is not None:
        left = f"{words}{again}" if total else ""
        return "error", f"{in_words(error)}\n{left}".strip()
    return ("done", words) if stored == total else ("warning", f"{words}{again}")


def _told(one: Listed) -> dict[str, Any]:
    """A file as the page shows it."""
    state, words = one.told
    return {
        "name": one.name,
        "size": one.size,
        "patient": person(one.found.patient),
        "id": one.found.patient_id,
        "modality": one.found.modality,
        "state": state,
        "words": words,
    }
