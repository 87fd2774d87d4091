"""How the table of a search is to look, beside what is searched for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Shape"]


@dataclass(frozen=True)
class Shape:
    """The columns of a table beyond its level's own.

    Attributes:
        names: keywords, tags, parts and paths that were asked for, in order.
        everything: whether all else that comes is to be a column too.
        flatten: True, or the sequences that stand as columns of their own.
    """

    names: tuple[Any, ...] = ()
    everything: bool = False
    flatten: bool | tuple[str, ...] = False

    @classmethod
    def of(cls, fields: Iterable[Any] | str | None, flatten: bool | str | Iterable[str]) -> Shape:
        """What a call's ``fields=`` and ``flatten=`` mean."""
        names = [fields] if isinstance(fields, str) else list(fields or ())
        several = (flatten,) if isinstance(flatten, str) else flatten
        return cls(
            tuple(name for name in names if name != "all"),
            "all" in names,
            several if isinstance(several, bool) else tuple(several),
        )
