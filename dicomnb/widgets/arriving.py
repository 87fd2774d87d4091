"""Files that a page offers: taken or refused, received in pieces, looked at when they are whole."""

from __future__ import annotations

import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any

from dicomnb.errors import DiskFull
from dicomnb.widgets.checking import Checked, Checker, kind_of
from dicomnb.widgets.listed import FileList, Listed
from dicomnb.widgets.panel import Panel
from dicomnb.widgets.quantities import counted, in_bytes
from dicomnb.widgets.receiving import Spool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from dicomnb.pool import Cancel

__all__ = ["Arriving"]

_NAME_LENGTH = 1024
_OFTEN_SECONDS = 0.25
_LOST = (
    "it did not arrive whole: its page was closed or loaded anew, or the connection was lost; "
    "choose it again"
)


class Arriving(Panel):
    """The part of a panel that takes files from a browser.

    A page offers files by name, size and first bytes; what is no DICOM, is listed already or
    goes beyond the limit is left out before its bytes travel. The page sends the others in
    pieces, a few ahead of what was acknowledged, so that neither side holds a file whole. A
    page that falls silent is asked whether it is still there, and where to go on; what nobody
    has any more is left out.
    """

    patience_seconds = 20.0
    """After so long a silence pages are asked for, and given up after as long again."""

    def __init__(self, *, limit_bytes: int, **traits: Any) -> None:
        self._spool = Spool(limit_bytes)
        self._files = FileList()
        self._lock = threading.RLock()
        self._checker = Checker()
        self._to_check: deque[tuple[str, Path]] = deque()
        self._heard = self._begun = self._told = 0.0
        self._moved = self._awaited = self._coming = 0
        self._arrival = ""
        self._missing: set[str] | None = None
        self._timer: threading.Timer | None = None
        super().__init__(**traits)

    def _asked(self) -> dict[str, Callable[[dict[str, Any], Sequence[memoryview]], None]]:
        return {
            "offer": self._offered,
            "pieces": self._pieces,
            "unreadable": self._unreadable,
            "here": self._here,
            "gone": self._gone,
        }

    @property
    def _activity(self) -> str:
        """What arrives goes before other work: it is how far that has come that is told."""
        return self._arrival or super()._activity

    # -- for the panel to define ------------------------------------------------------------------

    def _closed(self) -> str:
        """Why nothing is taken now, in words; empty when it is."""
        return ""

    def _wants_pictures(self) -> bool:
        """Whether pictures are to travel as well."""
        return False

    # -- offers -----------------------------------------------------------------------------------

    def _offered(self, message: dict[str, Any], _: Sequence[memoryview]) -> None:
        if why := self._closed():
            self._say("warning", why)
            return
        with self._lock:
            for key, name, size, modified, start, fault in message["files"]:
                called = str(name)[:_NAME_LENGTH]
                one = Listed(str(key), called, int(size), float(modified), state="arriving")
                if one.key in self._files or self._files.add(one).state != "arriving":
                    continue
                if fault:
                    one.state, one.words = "left out", f"cannot be read: {fault}"
                else:
                    self._judge(one, bytes.fromhex(start))
            self._want()
            self._settle()
        self._tell_state()

    def _judge(self, one: Listed, start: bytes) -> None:
        """Whether an offered file is to come, by its first bytes."""
        kind, words = kind_of(start)
        if kind == "other":
            one.state, one.words = "left out", words
        elif kind == "picture":
            one.state, one.words = "picture", words
            one.found = Checked("picture", words, one.size)

    def _want(self) -> None:
        """Ask for the bytes of what is to come, as far as there is room for them."""
        wanted = []
        refused: list[Listed] = []
        waiting = self._files.in_state("arriving")
        if self._wants_pictures():
            waiting += [one for one in self._files.in_state("picture") if one.path is None]
        for one in waiting:
            if one.key in self._spool:
                continue
            if one.size > self._spool.room_bytes:
                one.state, one.words = "left out", self._no_room(one.size)
                refused.append(one)
                continue
            try:
                self._spool.begin(one.key, one.size)
            except OSError as error:
                one.state, one.words = "left out", _not_kept(error)
                continue
            one.state = "arriving"
            self._awaited += one.size
            self._coming += 1
            wanted.append([one.key, 0])
        if wanted:
            self._receiving()
            self.send({"kind": "want", "files": wanted, "again": False})
        if refused:
            total = sum(one.size for one in refused)
            words = f"{len(refused):,} files" if len(refused) > 1 else repr(refused[0].name)
            self._say(
                "warning",
                f"{words} left out, {self._no_room(total)}. Give the path of what is on the "
                "kernel's machine, send what is listed first, or raise "
                "UploadPanel(limit_bytes=…).",
            )

    def _no_room(self, size: int) -> str:
        room = self._spool.room_bytes
        within = "of the limit" if room < self._spool.free_bytes else "free on the kernel's machine"
        return f"too large: {in_bytes(size)}, and {in_bytes(room)} are left ({within})"

    # -- pieces -----------------------------------------------------------------------------------

    def _receiving(self) -> None:
        if not self._begun:
            self._begun, self._moved = monotonic(), 0
            self._say("info", "")
        self._heard = monotonic()
        self._arrival = f"Receiving {counted(self._coming, 'file')}…"
        self.busy = self._activity
        if self._timer is None:
            self._watch()

    def _pieces(self, message: dict[str, Any], buffers: Sequence[memoryview]) -> None:
        with self._lock:
            self._heard, self._missing = monotonic(), None
            pieces = zip(message["pieces"], buffers, strict=True)
            whole = [one for (key, at), data in pieces if (one := self._piece(str(key), at, data))]
            self._check(whole)
            keys = [one.key for one in whole]
            told = {"sender": message["sender"], "load": message["load"], "whole": keys}
            self.send({"kind": "got", **told})
            self._tell_arrival()
            self._settle()

    def _piece(self, key: str, at: int, data: memoryview) -> Listed | None:
        """Keep a piece; the file, when it is whole with that."""
        one = self._files.get(key)
        if one is None or one.state != "arriving" or key not in self._spool:
            return None  # given up meanwhile, or sent twice
        before = self._spool.have(key)
        try:
            is_whole = self._spool.write(key, int(at), memoryview(data))
        except ValueError as error:
            self._give_up([key], f"{error}; choose it again")
        except DiskFull as error:
            self._give_up([one.key for one in self._files.in_state("arriving")], "the disk is full")
            self._failed(error)
        except OSError as error:
            self._give_up([key], _not_kept(error))
        else:
            self._moved += self._spool.have(key) - before
            if is_whole:
                one.path, one.is_copy, one.state = self._spool.path(key), True, "checking"
                return one
        return None

    def _tell_arrival(self) -> None:
        if monotonic() - self._told < _OFTEN_SECONDS / 2:
            return
        self._told = monotonic()
        arrived = self._coming - len(self._files.in_state("arriving"))
        self._tell_bytes(arrived, self._coming, self._moved, self._awaited, self._begun)

    def _tell_bytes(self, done: int, total: int, moved: int, awaited: int, begun: float) -> None:
        """How far bytes have come of a number that is known."""
        seconds = monotonic() - begun
        speed = moved / seconds if seconds > 0 else 0.0
        self.send(
            {
                "kind": "progress",
                "done": done,
                "total": total,
                "failed": 0,
                "skipped": 0,
                "bytes": moved,
                "bytes_total": awaited,
                "speed": speed,
                "seconds_left": (awaited - moved) / speed if speed else None,
            }
        )

    def _settle(self) -> None:
        """When all has arrived and was looked at, say what came of it."""
        if not self._begun or self._files.in_state("arriving", "checking"):
            return
        self._begun, self._awaited, self._coming = 0.0, 0, 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._arrival = ""
        self.busy = self._activity

    # -- what does not arrive ---------------------------------------------------------------------

    def _unreadable(self, message: dict[str, Any], _: Sequence[memoryview]) -> None:
        with self._lock:
            self._give_up([str(message["key"])], f"cannot be read: {message['words']}")
            self._settle()
        self._tell_state()

    def _gone(self, message: dict[str, Any], _: Sequence[memoryview]) -> None:
        """A page is going, and its files with it."""
        with self._lock:
            keys = {str(key) for key in message["keys"]}
            self._give_up(keys, _LOST)
            for one in self._files.in_state("picture"):
                if one.key in keys and one.path is None:
                    one.state, one.words = "left out", _LOST
            self._settle()
        self._tell_state()

    def _give_up(self, keys: Iterable[str], words: str) -> None:
        """Leave out what was to arrive, and forget what has come of it."""
        lost = [one for one in self._files.in_state("arriving") if one.key in set(keys)]
        for one in lost:
            one.state, one.words = "left out", words
            self._awaited -= one.size
            self._moved -= self._spool.have(one.key)
            self._coming -= 1
        if lost:
            self._spool.drop([one.key for one in lost])
            self.send({"kind": "drop", "keys": [one.key for one in lost]})

    def _stop_receiving(self) -> bool:
        """Give up what has not arrived yet; whether there was any."""
        with self._lock:
            waiting = self._files.in_state("arriving")
            self._give_up([one.key for one in waiting], "cancelled; choose it again")
            self._settle()
        if waiting:
            self._say("info", f"Cancelled; {counted(len(waiting), 'file')} did not arrive.")
            self._tell_state()
        return bool(waiting)

    def _watch(self) -> None:
        def ring() -> None:
            self._background.tell(self._call_roll)

        self._timer = threading.Timer(self.patience_seconds, ring)
        self._timer.daemon = True
        self._timer.start()

    def _call_roll(self) -> None:
        """After a long silence, ask the pages; give up what none of them has."""
        with self._lock:
            self._timer = None
            waiting = {one.key for one in self._files.in_state("arriving")}
            if not waiting:
                return
            if self._missing is not None:
                self._give_up(self._missing, _LOST)
                self._missing = None
                self._settle()
                self._tell_state()
            elif monotonic() - self._heard >= self.patience_seconds:
                self._missing = waiting
                self.send({"kind": "roll"})
            if self._files.in_state("arriving"):
                self._watch()

    def _here(self, message: dict[str, Any], _: Sequence[memoryview]) -> None:
        """A page still has these: it goes on from what has come."""
        with self._lock:
            keys = [str(key) for key in message["keys"]]
            if self._missing is not None:
                self._missing -= set(keys)
            again = [[key, self._spool.have(key)] for key in keys if key in self._spool]
        self.send({"kind": "want", "files": again, "again": True})

    # -- looking at what has arrived --------------------------------------------------------------

    def _check(self, files: Iterable[Listed]) -> None:
        """Look at files in the panel's thread."""
        found = [(one.key, one.path) for one in files if one.path is not None]
        self._to_check.extend(found)
        if found:
            self._background.run(self._check_all)

    def _check_all(self, cancel: Cancel) -> None:
        noted: list[tuple[str, Checked]] = []
        since = monotonic()
        while self._to_check:
            cancel.check()
            key, path = self._to_check.popleft()
            noted.append((key, self._checker.check(path)))
            if monotonic() - since > _OFTEN_SECONDS:
                self._background.tell(lambda told=noted: self._note(told))  # type: ignore[misc]
                noted, since = [], monotonic()
        if noted:
            self._background.tell(lambda: self._note(noted))

    def _note(self, noted: list[tuple[str, Checked]]) -> None:
        with self._lock:
            for key, found in noted:
                self._files.note(key, found)
                if key in self._files and self._files[key].state == "left out":
                    self._spool.drop([key])
            self._settle()
        self._tell_state()

    def close(self) -> None:
        """Stop what is under way, and remove what has come."""
        super().close()
        if self._is_made:
            if self._timer is not None:
                self._timer.cancel()
            self._spool.close()


def _not_kept(error: OSError) -> str:
    return f"it cannot be kept: {error.strerror or error}"
