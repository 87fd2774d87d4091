"""A search as a value: carried out, and written as the Python that does the same. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dicomnb.refs import PLURAL, UID_KEYWORDS, refs_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from dicomnb.archive import Archive
    from dicomnb.pool import Cancel
    from dicomnb.refs import Level, Ref
    from dicomnb.transfer.events import Telling

__all__ = ["Found", "Search", "python"]

_LINE = 88
_FEW = 8
"""How many studies or series are named one by one, rather than picked from their table."""


@dataclass(frozen=True)
class Search:
    """One search, but for the archive and the rows it is made in.

    Attributes:
        level: what the rows are.
        filters: keyword, or path into sequences → value.
        fields: columns to bring besides.
        fuzzy: whether names match by the beginning of any word.
        limit: rows at most, or None.
    """

    level: Level
    filters: dict[str, Any] = field(default_factory=dict)
    fields: tuple[str, ...] = ()
    fuzzy: bool = False
    limit: int | None = None

    def run(
        self,
        archive: Archive,
        where: Any,
        *,
        progress: Telling = None,
        cancel: Cancel | None = None,
    ) -> pd.DataFrame:
        """The rows; ``where`` as for `Archive.series`."""
        ask = {"study": archive.studies, "series": archive.series, "instance": archive.instances}
        named, paths = self._parted()
        return ask[self.level](
            where,
            limit=self.limit,
            fields=self.fields,
            fuzzy=self.fuzzy,
            matching=paths,
            progress=progress,
            cancel=cancel,
            **named,
        )

    def call(self, archive: str, where: str | None, *, with_limit: bool) -> str:
        """The call as Python, over several lines where it is long.

        Args:
            archive: the name of the archive.
            where: the expression of what to search in, or None.
            with_limit: whether the limit is a part of what was found.
        """
        named, paths = self._parted()
        given = [where] if where is not None else []
        given += [f"{name}={_literal(value)}" for name, value in named.items()]
        if paths:
            given.append(f"matching={_literal(paths)}")
        if self.fields:
            given.append(f"fields={_literal(list(self.fields))}")
        if self.fuzzy:
            given.append("fuzzy=True")
        if with_limit and self.limit is not None:
            given.append(f"limit={self.limit}")
        head = f"{archive}.{PLURAL[self.level]}"
        line = f"{head}({', '.join(given)})"
        if len(PLURAL[self.level]) + 3 + len(line) <= _LINE and "\n" not in line:
            return line
        inner = "".join(f"    {one.replace(chr(10), chr(10) + '    ')},\n" for one in given)
        return f"{head}(\n{inner})"

    def _parted(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Filters that are Python names, and the others."""
        named = {name: value for name, value in self.filters.items() if name.isidentifier()}
        return named, {name: value for name, value in self.filters.items() if name not in named}


@dataclass(frozen=True)
class Found:
    """A search that was made, and what it found.

    Attributes:
        search: what was asked.
        table: its rows.
        within: the rows of the search before that it was made in, or None for the whole archive.
    """

    search: Search
    table: pd.DataFrame
    within: pd.DataFrame | None = None

    @property
    def level(self) -> Level:
        """What the rows are."""
        return self.search.level

    @property
    def is_cut(self) -> bool:
        """Whether there may be more, for the limit."""
        return self.search.limit is not None and len(self.table) >= self.search.limit


def python(
    chain: Sequence[Found | Search], *, archive: str = "archive", dicomnb: str | None = None
) -> str:
    """The Python that makes a chain of searches, each within rows of the one before.

    Args:
        chain: from the first; the last may not have been made yet.
        archive: the name of the archive.
        dicomnb: the name of the package, where it has one; else an import is put first.

    Returns:
        Assignments to ``studies``, ``series`` and ``instances``, the last one of the last search.
    """
    lines: list[str] = []
    needs_package = False
    for before, made in zip([None, *chain], chain, strict=False):
        search = made.search if isinstance(made, Found) else made
        where = None
        if isinstance(made, Found) and made.within is not None and isinstance(before, Found):
            where, stands_alone = _where(made.within, before, dicomnb or "dn")
            if stands_alone:
                lines, needs_package = [], True
        is_cut = not isinstance(made, Found) or made.is_cut
        call = search.call(archive, where, with_limit=is_cut)
        lines.append(f"{PLURAL[search.level]} = {call}")
    if needs_package and dicomnb is None:
        lines.insert(0, "import dicomnb as dn\n")
    return "\n".join(lines)


def _where(within: pd.DataFrame, before: Found, dicomnb: str) -> tuple[str, bool]:
    """The rows that were searched in, as an expression, and whether it needs no search before."""
    level = before.search.level
    name, uid = PLURAL[level], UID_KEYWORDS[level]
    chosen, every = list(within[uid]), list(before.table[uid])
    if chosen == every and len(chosen) > 1:
        return name, False
    # By their UIDs rows can be picked only in the table's order, and where these tell them apart.
    wanted = set(chosen)
    can_be_picked = (
        len(set(every)) == len(every) and [one for one in every if one in wanted] == chosen
    )
    if len(chosen) <= _FEW or not can_be_picked:
        refs = [_ref(ref, dicomnb) for ref in refs_of(within)]
        return (refs[0] if len(refs) == 1 else _listed(refs)), True
    left_out = [one for one in every if one not in wanted]
    sign, few = ("", chosen) if len(chosen) <= len(left_out) else ("~", left_out)
    return f"{name}[{sign}{name}[{_literal(uid)}].isin({_listed(list(map(_literal, few)))})]", False


def _ref(ref: Ref, dicomnb: str) -> str:
    uids = [uid for uid in (ref.study, ref.series, ref.instance) if uid is not None]
    return f"{dicomnb}.Ref({', '.join(map(_literal, uids))})"


def _listed(expressions: Sequence[str]) -> str:
    """A list, an item a line where it is long."""
    line = f"[{', '.join(expressions)}]"
    if len(line) <= _LINE - 8:
        return line
    return "[\n" + "".join(f"    {one},\n" for one in expressions) + "]"


def _literal(value: Any) -> str:
    """A value as Python writes it, text in double quotes."""
    if isinstance(value, str):
        text = repr(value)
        return f'"{text[1:-1]}"' if text[0] == "'" and '"' not in text else text
    if isinstance(value, tuple):
        return f"({', '.join(map(_literal, value))})"
    if isinstance(value, list):
        return _listed([_literal(one) for one in value])
    if isinstance(value, dict):
        pairs = ", ".join(f"{_literal(key)}: {_literal(one)}" for key, one in value.items())
        return f"{{{pairs}}}"
    return repr(value)
