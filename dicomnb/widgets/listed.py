"""The files of an `UploadPanel`: where each is, what was found out about it, what became of it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from dicomnb.transfer.again import NOT_STORED
from dicomnb.vr import TEXT_DTYPE
from dicomnb.widgets.checking import Checked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

__all__ = ["FILE_COLUMNS", "FILTERS", "FileList", "Listed", "State"]

State = Literal["arriving", "checking", "ready", "picture", "left out", "sent"]
FILTERS = ("all", "to send", "left out", "not stored", "stored")

FILE_COLUMNS = {
    "Name": TEXT_DTYPE,
    "Size": "Int64",
    "PatientName": TEXT_DTYPE,
    "PatientID": TEXT_DTYPE,
    "Modality": TEXT_DTYPE,
    "SOPInstanceUID": TEXT_DTYPE,
    "State": TEXT_DTYPE,
    "Reason": TEXT_DTYPE,
}


@dataclass
class Listed:
    """One file.

    Attributes:
        key: what page and kernel know it by.
        name: what a person knows it by: its path.
        size: in bytes.
        modified: when it was last changed, as its page tells; 0 for one of the kernel's machine.
        path: where its bytes are, or None while they are in the browser.
        is_copy: whether that is a copy, which is removed when it has been stored.
        state: ``"arriving"`` from a browser, ``"checking"``, ``"ready"`` to be sent,
            ``"picture"``, ``"left out"``, or ``"sent"``.
        words: why it is left out, or what is to be said of it.
        found: what was found out about it.
        outcome: the row of the store's table, once it was sent.
    """

    key: str
    name: str
    size: int
    modified: float = 0
    path: Path | None = None
    is_copy: bool = False
    state: State = "checking"
    words: str = ""
    found: Checked = field(default_factory=lambda: Checked("other"))
    outcome: Mapping[str, Any] | None = None

    @property
    def is_not_stored(self) -> bool:
        """Whether it was sent in vain."""
        return self.outcome is not None and self.outcome["Outcome"] in NOT_STORED

    @property
    def is_stored(self) -> bool:
        """Whether it is in the archive now."""
        return self.outcome is not None and not self.is_not_stored

    @property
    def study(self) -> str | None:
        """The study that pictures can join by it: of an instance that is here or in the archive."""
        ref = self.found.ref if self.found.kind == "instance" else None
        is_there = self.path is not None or self.is_stored
        return ref.study if ref is not None and is_there else None

    @property
    def stands(self) -> bool:
        """Whether it stands for its instance: it is to be sent, or was in vain."""
        return self.state != "left out" and not self.is_stored

    @property
    def told(self) -> tuple[str, str]:
        """What it is by now, in a word and in a sentence."""
        if self.outcome is None:
            return self.state, self.words
        reason = self.outcome["Reason"]
        return str(self.outcome["Outcome"]), reason if isinstance(reason, str) else ""


class FileList:
    """Files in the order in which they were given, each once."""

    def __init__(self) -> None:
        self._files: dict[str, Listed] = {}
        self._instances: dict[str, str] = {}
        self._seen: dict[tuple[Any, ...], str] = {}

    def __iter__(self) -> Iterator[Listed]:
        return iter(list(self._files.values()))

    def __len__(self) -> int:
        return len(self._files)

    def __contains__(self, key: object) -> bool:
        return key in self._files

    def __getitem__(self, key: str) -> Listed:
        return self._files[key]

    def get(self, key: str) -> Listed | None:
        """The file of a key, if it is on the list."""
        return self._files.get(key)

    def add(self, one: Listed) -> Listed:
        """List a file; one that is there already is left out, unless it has been stored."""
        if one.path is None:
            same: tuple[Any, ...] = (one.name, one.size, one.modified)
        else:
            same = (os.path.realpath(one.path),)
        before = self._files.get(self._seen.get(same, ""))
        if before is not None and before.stands:
            one.state, one.words = "left out", "listed already"
        else:
            self._seen[same] = one.key
        self._files[one.key] = one
        return one

    def note(self, key: str, found: Checked) -> None:
        """Note what was found out about a file; a second one of an instance is left out."""
        if (one := self._files.get(key)) is None:
            return
        one.found, one.size, one.words = found, found.size, ""
        if found.kind == "other":
            one.state, one.words = "left out", found.words
        elif found.kind == "picture":
            one.state, one.words = "picture", found.words
        elif found.ref is not None:
            before = self._files.get(self._instances.setdefault(found.ref.uid, key))
            if before is not None and before is not one and before.stands:
                one.state = "left out"
                one.words = f"the same instance as {before.name}"
            else:
                self._instances[found.ref.uid] = key
                one.state = "ready"

    def forget(self, keys: Iterable[str]) -> None:
        """Take files off the list."""
        for key in list(keys):
            self._files.pop(key, None)

    def clear(self) -> None:
        """Take everything off the list."""
        self._files.clear()
        self._instances.clear()
        self._seen.clear()

    def in_state(self, *states: State) -> list[Listed]:
        """Those in one of these states, in order."""
        return [one for one in self._files.values() if one.state in states]

    def shown(self, which: str) -> list[Listed]:
        """Those of one of `FILTERS`, in order."""
        if which == "to send":
            return self.in_state("arriving", "checking", "ready", "picture")
        if which == "left out":
            return self.in_state("left out")
        if which == "not stored":
            return [one for one in self._files.values() if one.is_not_stored]
        if which == "stored":
            return [one for one in self._files.values() if one.is_stored]
        return list(self._files.values())

    def table(self) -> pd.DataFrame:
        """One row a file; see `FILE_COLUMNS`."""
        rows = [
            (
                one.name,
                one.size,
                one.found.patient or None,
                one.found.patient_id or None,
                one.found.modality or None,
                one.found.ref.instance if one.found.ref else None,
                *one.told,
            )
            for one in self._files.values()
        ]
        return pd.DataFrame(rows, columns=list(FILE_COLUMNS)).astype(FILE_COLUMNS)
