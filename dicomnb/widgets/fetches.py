"""What a fetch does, for each of three targets: it runs, stops, goes on, and says what came.

All of it calls the download engine of `dicomnb.transfer`; nothing here talks to a source itself.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

import pandas as pd

from dicomnb.errors import DecodeError, GeometryError
from dicomnb.refs import Ref
from dicomnb.transfer.download import DOWNLOAD_COLUMNS
from dicomnb.transfer.layout import DEFAULT_LAYOUT
from dicomnb.transfer.planning import listed
from dicomnb.transfer.stacking import Stacking
from dicomnb.widgets.folders import expanded
from dicomnb.widgets.quantities import counted, in_bytes
from dicomnb.widgets.wanted import python_of, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom.dataset import Dataset

    from dicomnb.archive import Archive
    from dicomnb.pool import Cancel
    from dicomnb.transfer.events import Progress, Tell
    from dicomnb.volumes.volume import Volume
    from dicomnb.widgets.naming import Names
    from dicomnb.widgets.wanted import Wanted

__all__ = ["TARGETS", "DatasetsFetch", "Fetch", "FolderFetch", "Target", "VolumeFetch"]

Target = Literal["volume", "datasets", "folder"]
TARGETS: tuple[Target, ...] = ("volume", "datasets", "folder")

_UIDS = ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]
_GOT = {
    "downloaded": "downloaded",
    "already there": "there already",
    "conflict": "kept as they are: files of these names hold other bytes",
    "failed": "failed",
}


class Fetch(Protocol):
    """One fetch, which may be stopped and gone on with.

    Attributes:
        target: what it makes.
        label: what it does, in words.
        fault: the error that it last ended with, or None.
    """

    target: Target
    label: str
    fault: BaseException | None

    def run(self, tell: Tell, cancel: Cancel) -> None:
        """Fetch what is missing; called again, it goes on."""
        ...

    def code(self, names: Names) -> str:
        """The Python that does the same."""
        ...

    @property
    def done(self) -> str:
        """What came so far, in words; empty when nothing did."""
        ...

    @property
    def kept(self) -> str:
        """The attribute of the panel that holds what came; empty when nothing did."""
        ...

    @property
    def notes(self) -> list[str]:
        """What else to say of what came."""
        ...

    @property
    def can_go_on(self) -> bool:
        """Whether another `run` would bring what is missing."""
        ...


class VolumeFetch:
    """One series as a volume.

    Args:
        refs: the series, or instances of it.
        told: how many instances the series has, where a row says it.

    Attributes:
        volume: what was made, or None.
        is_strict: whether it must be a regular stack.
    """

    target: Target = "volume"

    def __init__(
        self, archive: Archive, refs: Sequence[Ref], *, told: int | None, strict: bool, lazy: bool
    ) -> None:
        self.label = "Fetching a volume"
        self.fault: BaseException | None = None
        self.volume: Volume | None = None
        self._archive = archive
        self._refs = list(refs)
        self.is_strict = strict
        self._lazy = lazy
        self._stacking = Stacking(
            archive.source,
            self._refs,
            told=told if self._refs[0].level == "series" else None,
            strict=strict,
            workers=archive.options.workers,
            limits=archive.options.limits,
        )

    def run(self, tell: Tell, cancel: Cancel) -> None:
        """Fetch what is missing, and make the volume."""
        if self._lazy:
            self.volume = self._archive.volume(self._refs, strict=self.is_strict, lazy=True)
            return
        self._stacking.fetch(tell, cancel=cancel)
        self.volume = self._stacking.finish()

    def relax(self) -> None:
        """Make the best of what is no regular stack, out of what came already."""
        self.is_strict = False
        self._stacking.relax()

    def code(self, names: Names) -> str:
        """The call that makes the same volume."""
        options = ("" if self.is_strict else ", strict=False") + (
            ", lazy=True" if self._lazy else ""
        )
        return f"volume = {names.archive}.volume({python_of(self._refs, names)}{options})"

    @property
    def done(self) -> str:
        """What was made, or how much of it waits in memory."""
        if self.volume is None:
            came = self._stacking.done
            return f"{counted(came, 'instance')} in memory so far." if came else ""
        return _described(self.volume)

    @property
    def kept(self) -> str:
        """``"volume"`` once it is made."""
        return "" if self.volume is None else "volume"

    @property
    def notes(self) -> list[str]:
        """What was set apart or is wrong."""
        return [] if self.volume is None else list(self.volume.report)

    @property
    def is_refused(self) -> bool:
        """Whether all came, or enough, to see that it makes no such volume."""
        return isinstance(self.fault, GeometryError)

    @property
    def can_go_on(self) -> bool:
        """Not where what came is damaged, or makes no volume however much more comes."""
        is_hopeless = isinstance(self.fault, DecodeError | GeometryError)
        return self.volume is None and self._stacking.done > 0 and not is_hopeless


class DatasetsFetch:
    """Data sets in memory.

    Attributes:
        datasets: those that came so far; all of them, in order, once none is missing.
    """

    target: Target = "datasets"

    def __init__(self, archive: Archive, wanted: Wanted) -> None:
        self.label = "Fetching data sets"
        self.fault: BaseException | None = None
        self.datasets: list[Dataset] = []
        self._archive = archive
        self._wanted = wanted
        self._is_whole = False

    def run(self, tell: Tell, cancel: Cancel) -> None:
        """Fetch what is missing."""
        if self.datasets:
            self._go_on(tell, cancel)
        else:
            self._take(self._wanted.refs, tell, cancel, came=0, total=self._wanted.told)
        self._is_whole = True

    def _go_on(self, tell: Tell, cancel: Cancel) -> None:
        """Those that did not come; then all stand in the order of the source's list."""
        every = self._wanted.refs
        if every[0].level != "instance":
            source = self._archive.source
            found = [listed(source, ref, cancel=cancel) for ref in every]
            if any(len(refs) != count for refs, count in found):
                # Nobody can say what is missing.
                self.datasets.clear()
                self._take(every, tell, cancel, came=0, total=self._wanted.told)
                return
            every = tuple(one for refs, _ in found for one in refs)
        came = {str(one.SOPInstanceUID) for one in self.datasets}
        missing = [ref for ref in every if ref.instance not in came]
        self._take(missing, tell, cancel, came=len(came), total=len(every))
        place = {ref.instance: number for number, ref in enumerate(every)}
        self.datasets.sort(key=lambda one: place.get(str(one.SOPInstanceUID), len(place)))

    def _take(
        self, refs: Sequence[Ref], tell: Tell, cancel: Cancel, *, came: int, total: int | None
    ) -> None:
        def told(progress: Progress) -> None:
            most = None if total is None else max(total, progress.done + came)
            tell(replace(progress, done=progress.done + came, skipped=came, total=most))

        found = self._archive.datasets(refs, progress=told, cancel=cancel)
        for dataset in found:
            self.datasets.append(dataset)

    def code(self, names: Names) -> str:
        """The call that reads the same data sets."""
        return f"datasets = list({names.archive}.datasets({python_of(self._wanted.refs, names)}))"

    @property
    def done(self) -> str:
        """How many there are."""
        if not self.datasets:
            return ""
        words = counted(len(self.datasets), "data set")
        return f"{words} in memory{'.' if self._is_whole else ' so far.'}"

    @property
    def kept(self) -> str:
        """``"datasets"`` once there is one."""
        return "datasets" if self.datasets else ""

    @property
    def notes(self) -> list[str]:
        """Nothing to remark."""
        return []

    @property
    def can_go_on(self) -> bool:
        """Once some came, the others can be asked for."""
        return bool(self.datasets) and not self._is_whole


class FolderFetch:
    """Files in a folder of the kernel's machine.

    Attributes:
        table: one row an instance, as `Archive.download` returns; None before anything came.
        folder: where they go.
    """

    target: Target = "folder"

    def __init__(
        self, archive: Archive, wanted: Wanted, folder: str, *, layout: str, verify: bool
    ) -> None:
        self.label = "Downloading"
        self.fault: BaseException | None = None
        self.table: pd.DataFrame | None = None
        self.folder = expanded(folder)
        self._archive = archive
        self._refs = list(wanted.refs)
        self._layout = layout
        self._verify = verify
        self._only_failed = False

    def run(self, tell: Tell, cancel: Cancel) -> None:
        """Download what is missing, or once more what failed after `retry`.

        Raises:
            DicomnbError: nothing could be had, or it concerns everything.
            OSError: the folder cannot be written to.
        """
        failed = _failed_refs(self.table) if self._only_failed and self.table is not None else []
        self._only_failed = False
        for refs in failed or [self._refs]:
            try:
                news = self._downloaded(refs, tell, cancel)
            except BaseException as error:
                came = error.__dict__.get("table")
                if isinstance(came, pd.DataFrame):
                    self.table = _merged(self.table, came)
                raise
            self.table = _merged(self.table, news)

    def retry(self) -> None:
        """Have the next `run` ask only for what failed."""
        self._only_failed = True

    def _downloaded(self, refs: Sequence[Ref], tell: Tell, cancel: Cancel) -> pd.DataFrame:
        return self._archive.download(
            refs,
            self.folder,
            layout=self._layout,
            verify=self._verify,
            progress=tell,
            cancel=cancel,
        )

    def code(self, names: Names) -> str:
        """The call that makes the same download."""
        options = "" if self._layout == DEFAULT_LAYOUT else f", layout={quoted(self._layout)}"
        options += ", verify=True" if self._verify else ""
        place = quoted(str(self.folder))
        what = python_of(self._refs, names)
        return f"outcome = {names.archive}.download({what}, {place}{options})"

    @property
    def failed(self) -> pd.DataFrame:
        """The rows that failed."""
        table = pd.DataFrame(columns=list(DOWNLOAD_COLUMNS)) if self.table is None else self.table
        return table[table["Outcome"] == "failed"]

    @property
    def done(self) -> str:
        """How many are there, and how large they are."""
        if self.table is None or self.table.empty:
            return ""
        counts = self.table["Outcome"].value_counts()
        parts = [f"{counts[name]:,} {words}" for name, words in _GOT.items() if name in counts]
        size = in_bytes(int(self.table["Bytes"].sum()))
        return f"{', '.join(parts)}. {size} in {str(self.folder)!r}."

    @property
    def kept(self) -> str:
        """``"outcome"`` once there is one."""
        return "" if self.table is None else "outcome"

    @property
    def notes(self) -> list[str]:
        """Nothing to remark: what failed is listed."""
        return []

    @property
    def can_go_on(self) -> bool:
        """Whatever stopped it, the same call goes on with what is missing."""
        return self.fault is not None


def _described(volume: Volume) -> str:
    """A volume in words: shape, spacing in the same order, units, bytes."""
    facts = [" × ".join(map(str, volume.shape))]
    if volume.spacing is None:
        facts.append("no geometry")
    else:
        facts.append(" × ".join(f"{length:.3g}" for length in volume.spacing) + " mm")
    facts += [volume.units] if volume.units else []
    if volume.axis is not None:
        facts.append(str(volume.axis))
    size = volume.dtype.itemsize
    for length in volume.shape:
        size *= length
    return f"Volume {', '.join(facts)}, {volume.dtype}, {in_bytes(size)}."


def _failed_refs(table: pd.DataFrame) -> list[list[Ref]]:
    """What failed, in groups of one level."""
    groups: dict[str, list[Ref]] = {}
    for uids in table.loc[table["Outcome"] == "failed", _UIDS].itertuples(index=False):
        ref = Ref(*_key(uids))
        groups.setdefault(ref.level, []).append(ref)
    return list(groups.values())


def _merged(table: pd.DataFrame | None, news: pd.DataFrame) -> pd.DataFrame:
    """The table with new rows in place of those of the same things, and of what they lie in."""
    if table is None:
        return news
    came = set()
    for uids in news[_UIDS].itertuples(index=False):
        key = _key(uids)
        came |= {key[:depth] for depth in range(1, len(key) + 1)}
    kept = [_key(uids) not in came for uids in table[_UIDS].itertuples(index=False)]
    merged = pd.concat([table[kept], news], ignore_index=True)
    return merged.astype(DOWNLOAD_COLUMNS)


def _key(uids: Any) -> tuple[str, ...]:
    """UIDs from the top down to the first that is missing."""
    return tuple(str(uid) for uid in uids if not pd.isna(uid))
