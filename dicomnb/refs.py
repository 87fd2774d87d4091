"""`Ref`: which study, series or instance is meant. A missing identifier never widens it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, unquote, urlsplit

import pandas as pd
from pydicom.dataset import Dataset

from dicomnb.errors import OriginRefused, RefError

__all__ = ["LEVELS", "PLURAL", "UID_KEYWORDS", "Level", "Ref", "cut_off", "one_ref", "refs_of"]

Level = Literal["study", "series", "instance"]
LEVELS: tuple[Level, ...] = ("study", "series", "instance")
PLURAL: Mapping[Level, str] = {"study": "studies", "series": "series", "instance": "instances"}
UID_KEYWORDS: Mapping[Level, str] = {
    "study": "StudyInstanceUID",
    "series": "SeriesInstanceUID",
    "instance": "SOPInstanceUID",
}

# Real archives hold UIDs that break PS3.5's rules (letters, over 64 characters). What must
# never pass is text that would change the meaning of a path, or stand for nothing.
_UID = re.compile(r"(?=.*[0-9A-Za-z])[0-9A-Za-z._-]{1,128}")
# What a merge of two tables makes of a UID that both have.
_RENAMED = re.compile(rf"({'|'.join(UID_KEYWORDS.values())})[^.0-9A-Za-z].*", re.DOTALL)
_LOOKS_LIKE_UID = re.compile(r"[0-2](\.\d+){2,}")

# What only a row of that level has: without its UID such a row would mean more than it shows.
_TELLTALES: Mapping[Level, frozenset[str]] = {
    "series": frozenset(
        ("Modality", "SeriesDescription", "SeriesNumber", "NumberOfSeriesRelatedInstances")
    ),
    "instance": frozenset(("InstanceNumber", "SOPClassUID", "NumberOfFrames")),
}


@dataclass(frozen=True)
class Ref:
    """Which study, series or instance is meant, by its UIDs from the top.

    Args:
        study: StudyInstanceUID.
        series: SeriesInstanceUID, or None for the whole study.
        instance: SOPInstanceUID, or None for the whole series; needs ``series``.

    Raises:
        RefError: a UID is empty, missing, or no UID at all, or a level is left out.

    Example:
        >>> Ref("1.2.3", "1.2.3.4").level
        'series'
    """

    study: str
    series: str | None = None
    instance: str | None = None

    def __post_init__(self) -> None:
        if self.instance is not None and self.series is None:
            raise RefError("Ref(instance=…) needs series= as well: UIDs are given from the top.")
        for level, uid in zip(LEVELS, (self.study, self.series, self.instance), strict=True):
            if uid is None and level != "study":
                continue
            if not isinstance(uid, str) or not _UID.fullmatch(uid):
                raise RefError(f"{UID_KEYWORDS[level]} is {uid!r}, which identifies nothing.")

    @property
    def level(self) -> Level:
        """``"study"``, ``"series"`` or ``"instance"``."""
        if self.instance is not None:
            return "instance"
        return "study" if self.series is None else "series"

    @property
    def uid(self) -> str:
        """The UID at this ref's own level."""
        return self.instance or self.series or self.study

    @property
    def path(self) -> str:
        """``studies/…[/series/…[/instances/…]]``, as in the URLs of PS3.18 section 10."""
        names = zip(LEVELS, (self.study, self.series, self.instance), strict=True)
        return "/".join(f"{PLURAL[level]}/{quote(uid, safe='')}" for level, uid in names if uid)

    def at(self, level: Level) -> Ref:
        """The study or series that this ref belongs to, or the ref itself."""
        depth = LEVELS.index(level)
        if depth > LEVELS.index(self.level):
            raise RefError(f"A {self.level} does not say which {level} is meant: {self}.")
        return Ref(self.study, *(self.series, self.instance)[:depth])

    def __contains__(self, other: Ref) -> bool:
        """Whether ``other`` is this ref or lies within it."""
        mine = [uid for uid in (self.study, self.series, self.instance) if uid]
        return [other.study, other.series, other.instance][: len(mine)] == mine

    @classmethod
    def from_path(cls, path: str) -> Ref:
        """Read ``studies/…[/series/…[/instances/…]]``; anything else is a `RefError`."""
        words = [unquote(word) for word in path.strip("/").split("/")]
        if words[0::2] != [PLURAL[level] for level in LEVELS][: len(words) // 2] or len(words) % 2:
            raise RefError(f"{path!r} is not the path of a study, series or instance.")
        return cls(*words[1::2])


def refs_of(what: Any, *, base: str | None = None) -> list[Ref]:
    """Every ref in ``what``, in order, each once.

    Args:
        what: a `Ref`, a row or table of a search, a Dataset, a RetrieveURL, or several of
            these of one level.
        base: the address that a RetrieveURL must begin with.

    Raises:
        RefError: a missing UID in a column that is there, no UID column, mixed levels.
        OriginRefused: a RetrieveURL of another server.

    The level of a table comes from its columns, never from which cells are filled: a row
    whose SOPInstanceUID went missing in a merge is an error, not the whole series. A UID that
    ``set_index`` or ``groupby`` moved to the index counts as a column.
    """
    refs = list(dict.fromkeys(_refs(what, base)))
    levels = {ref.level for ref in refs}
    if len(levels) > 1:
        raise RefError(f"Mixed levels ({', '.join(sorted(levels))}): give one level at a time.")
    return refs


def cut_off(what: Any) -> str | None:
    """The column that shows a row or table to be of a lower level than its UIDs say, if any.

    Series from whose rows SeriesInstanceUID was dropped name whole studies. That may be meant
    to look at something; never to delete it.
    """
    if not isinstance(what, pd.Series | pd.DataFrame):
        return None
    names = what.index if isinstance(what, pd.Series) else what.columns
    for level, telltales in _TELLTALES.items():
        found = [name for name in names if name in telltales]
        if found and UID_KEYWORDS[level] not in names:
            return str(found[0])
    return None


def one_ref(what: Any, *, base: str | None = None, level: Level | None = None) -> Ref:
    """The single ref in ``what``, optionally of one level; otherwise a `RefError`."""
    refs = refs_of(what, base=base)
    if len(refs) != 1:
        raise RefError(f"Exactly one study, series or instance is needed here, not {len(refs)}.")
    if level is not None and refs[0].level != level:
        raise RefError(f"A single {level} is needed here, not a {refs[0].level}.")
    return refs[0]


def _refs(what: Any, base: str | None) -> Iterator[Ref]:
    if isinstance(what, Ref):
        yield what
    elif isinstance(what, pd.DataFrame):
        yield from _table_refs(what)
    elif isinstance(what, pd.Series):
        if not what.index.is_unique:
            raise RefError("The row has two values of one name: it does not say what is meant.")
        row = dict(what.items())
        yield _unless_named(_row_ref(row, "the row"), row.values(), what.name)
    elif isinstance(what, Dataset):
        row = {keyword: what.get(keyword) for keyword in UID_KEYWORDS.values()}
        yield _row_ref(row, "the data set")
    elif isinstance(what, Mapping):
        yield _row_ref(what, "the row")
    elif isinstance(what, str):
        yield _url_ref(what, base)
    elif isinstance(what, Iterable) and not isinstance(what, bytes):
        for item in what:
            yield from _refs(item, base)
    else:
        raise RefError(
            f"{type(what).__name__} does not say what is meant: give a row or table of a "
            "search, a Dataset, a RetrieveURL or dicomnb.Ref(study, series, instance)."
        )


def _unless_named(ref: Ref, values: Iterable[Any], name: Any) -> Ref:
    """The ref, unless a UID that the row was named by, and so lacks, may have narrowed it."""
    for label in name if isinstance(name, tuple) else (name,):
        if not isinstance(label, str) or not _LOOKS_LIKE_UID.fullmatch(label):
            continue
        if label not in set(map(str, values)):
            raise RefError(
                f"The {ref.level} {ref.uid} is named by {label}, which no column holds, so it "
                "may mean less than that. Use reset_index() first, or give a dicomnb.Ref."
            )
    return ref


def _columns(names: Iterable[Any], where: str) -> list[str]:
    """The UID keywords down to the level that the columns speak of."""
    present = dict.fromkeys(names)  # in order, for the same words every time
    for name in present:
        renamed = _RENAMED.fullmatch(name) if isinstance(name, str) else None
        if renamed and renamed[1] not in present:
            raise RefError(
                f"{where[0].upper()}{where[1:]} has {name!r} but no {renamed[1]}, as a merge "
                "leaves it: what is meant may be less than what the other UIDs say. Rename the "
                "column that is meant, or give a dicomnb.Ref."
            )
    depth = max((i for i, level in enumerate(LEVELS) if UID_KEYWORDS[level] in present), default=-1)
    wanted = [UID_KEYWORDS[level] for level in LEVELS[: depth + 1]]
    missing = [keyword for keyword in wanted if keyword not in present]
    if depth < 0 or missing:
        names_missing = " and ".join(missing or ["StudyInstanceUID"])
        raise RefError(
            f"{where[0].upper()}{where[1:]} has no {names_missing}: it does not say what is meant."
        )
    return wanted


def _row_ref(row: Mapping[Any, Any], where: str) -> Ref:
    return _checked([row[keyword] for keyword in _columns(row, where)], where)


def _table_refs(table: pd.DataFrame) -> Iterator[Ref]:
    moved = [name for name in table.index.names if name in UID_KEYWORDS.values()]
    names = [*table.columns, *moved]
    wanted = _columns(names, "the table")
    if any(names.count(keyword) > 1 for keyword in wanted):
        raise RefError("The table has two columns of one name: it does not say what is meant.")
    columns = (
        (table.index.get_level_values(keyword) if keyword in moved else table[keyword]).tolist()
        for keyword in wanted
    )
    # Where groupby().apply() hands over a group, the column it grouped by is only its name.
    name = getattr(table, "name", None)
    for label, uids in zip(table.index, zip(*columns, strict=True), strict=True):
        yield _unless_named(_checked(uids, f"row {label!r}"), uids, name)


def _checked(uids: Sequence[Any], where: str) -> Ref:
    for level, uid in zip(LEVELS, uids, strict=False):
        if not isinstance(uid, str) or not uid.strip():
            raise RefError(
                f"{UID_KEYWORDS[level]} is missing in {where}. A missing identifier never "
                "stands for everything; drop such rows first, or give a dicomnb.Ref."
            )
    return Ref(*(str(uid).strip() for uid in uids))


def _url_ref(url: str, base: str | None) -> Ref:
    if base is None:
        raise RefError(f"{url!r} is text, which says what is meant only as a RetrieveURL.")
    root = base.rstrip("/") + "/"
    if not url.startswith(root):
        here, there = urlsplit(base), urlsplit(url)
        # Shown without what may be a secret in it.
        shown = there._replace(netloc=there.netloc.rpartition("@")[2], query="", fragment="")
        if there.scheme and there.netloc and (here.scheme, here.netloc) != there[:2]:
            raise OriginRefused(
                "The RetrieveURL is another server's; nothing was sent.", url=shown.geturl()
            )
        if _LOOKS_LIKE_UID.fullmatch(url):
            raise RefError(
                f"{url!r} is a UID, which does not say of what: give a row of a search, or "
                "dicomnb.Ref(study, series, instance), from the study down."
            )
        raise RefError(f"{shown.geturl()!r} does not begin with this archive's address {root!r}.")
    return Ref.from_path(url[len(root) :])
