"""Whether the rows that a server sends match what it was asked by.

Servers ignore filters that they do not know, or match them in ways of their own. So each row
is looked at, only at the attributes that were asked by, and every different value once.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from dicomnb.attributes import attribute
from dicomnb.query import Filter, Query, matches
from dicomnb.refs import LEVELS, UID_KEYWORDS
from dicomnb.web.result_rows import one_by_one

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Look", "Watch", "impossible"]

_REMEMBERED = 10_000
_ABSENT = msgspec.Raw(b"")
_UID_TAGS = tuple(attribute(UID_KEYWORDS[level]).tag for level in LEVELS)
_IMPOSSIBLE = {
    **dict.fromkeys(["AE", "CS", "SH"], "NO_SUCH_VALUE_37"),
    **dict.fromkeys(["LO", "LT", "PN", "ST", "UC", "UR", "UT"], "NO_SUCH_VALUE_3796402"),
    **dict.fromkeys(["DA", "DT"], "19000101"),
    **dict.fromkeys(["DS", "IS"], "-93796402"),
    "AS": "997D",
    "UI": "2.25.37964020000000000000000000000000000001",
}
"""A value of each VR that nothing has, for a question whose right answer is: nothing."""


@dataclass(frozen=True)
class Look:
    """What one look at rows showed.

    Attributes:
        rows: the array without the rows that do not match.
        count: how many are left.
        loose: filters that the server matches more widely than the standard: some rows do not
            match, or only in another case or without accents.
        ignored: filters that most rows came under without matching.
    """

    rows: bytes
    count: int
    loose: tuple[Filter, ...] = ()
    ignored: tuple[Filter, ...] = ()


class Watch:
    """Looks at rows.

    Args:
        query: what its rows must match. Names of a fuzzy search are the server's to match.
    """

    def __init__(self, query: Query) -> None:
        known = _UID_TAGS[: _depth(query)]
        self.filters = [
            one
            for one in query.filters
            if not one.is_universal
            and one.path[0] not in known
            and not (query.fuzzy and one.vr == "PN")
        ]
        self._tags = tuple(dict.fromkeys(one.path[0] for one in self.filters))
        fields = [
            (f"t{tag}", msgspec.Raw, msgspec.field(name=tag, default=_ABSENT)) for tag in self._tags
        ]
        kind = msgspec.defstruct("Row", fields, gc=False)
        self._decoder: Any = msgspec.json.Decoder(list[kind])  # type: ignore[valid-type]
        self._verdicts: list[dict[bytes, bool]] = [{} for _ in self.filters]

    def absent(self, array: bytes) -> list[Filter]:
        """The filters whose attribute not one of the rows has."""
        if not self.filters:
            return []
        rows = self._decoder.decode(array)
        present = {tag for tag in self._tags for row in rows if bytes(getattr(row, f"t{tag}"))}
        return [one for one in self.filters if rows and one.path[0] not in present]

    def has_others(self, array: bytes) -> bool:
        """Whether some row has a value, and it does not match."""
        raws = (
            (one, bytes(getattr(row, f"t{one.path[0]}")))
            for row in self._decoder.decode(array)
            for one in self.filters
        )
        return any(b"Value" in raw and not _matches(raw, one) for one, raw in raws)

    def look(self, array: bytes, count: int, *, honoured: frozenset[str]) -> Look:
        """Take out of ``array`` what does not match.

        Args:
            array: rows of DICOM JSON.
            count: how many.
            honoured: tags that the server matches though its rows do not carry them.
        """
        if not self.filters or not count:
            return Look(array, count)
        rows = self._decoder.decode(array)
        good = [True] * len(rows)
        missed: dict[Filter, list[bytes]] = {}
        for one, verdicts in zip(self.filters, self._verdicts, strict=True):
            name, is_honoured = f"t{one.path[0]}", one.path[0] in honoured
            for number, row in enumerate(rows):
                raw = bytes(getattr(row, name))
                if not raw and is_honoured:
                    continue
                verdict = verdicts.get(raw)
                if verdict is None:
                    verdict = _matches(raw, one)
                    if len(verdicts) < _REMEMBERED:
                        verdicts[raw] = verdict
                if not verdict:
                    good[number] = False
                    missed.setdefault(one, []).append(raw)
        if not missed:
            return Look(array, count)
        kept = [raw for raw, is_good in zip(one_by_one(array), good, strict=True) if is_good]
        ignored = tuple(
            one for one, raws in missed.items() if 2 * len(raws) > count and not _kindly(raws, one)
        )
        loose = tuple(one for one in missed if one not in ignored)
        return Look(b"[" + b",".join(kept) + b"]", len(kept), loose, ignored)


def impossible(one: Filter) -> Filter | None:
    """The same filter with a value that nothing has, or None where there is no such value."""
    value = _IMPOSSIBLE.get(one.vr)
    return None if value is None else replace(one, values=(value,))


def _depth(query: Query) -> int:
    """How many UIDs the path of the request itself says."""
    return 0 if query.within is None else LEVELS.index(query.within.level) + 1


def _matches(raw: bytes, one: Filter) -> bool:
    return bool(raw) and matches({one.path[0]: msgspec.json.decode(raw)}, (one,))


def _kindly(raws: Iterable[bytes], one: Filter) -> bool:
    """Whether values match in another case or without accents, as some servers compare."""
    plain = replace(one, values=tuple(_plain(value) for value in one.values))
    return all(
        raw and matches({one.path[0]: _plain(msgspec.json.decode(raw))}, (plain,))
        for raw in set(raws)
    )


def _plain(data: Any) -> Any:
    """Every text of DICOM JSON, but not its names, in lower case and without accents."""
    if isinstance(data, str):
        apart = unicodedata.normalize("NFKD", data)
        return "".join(char for char in apart if not unicodedata.combining(char)).casefold()
    if isinstance(data, list):
        return [_plain(one) for one in data]
    if isinstance(data, dict):
        return {name: _plain(value) for name, value in data.items()}
    return data
