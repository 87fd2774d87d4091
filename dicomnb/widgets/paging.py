"""The pages in which a panel tells a long table; `static/paged.js` asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["PAGE_ROWS", "page_of"]

PAGE_ROWS = 100

Thing = TypeVar("Thing")


def page_of(
    things: Sequence[Thing],
    message: Mapping[str, Any],
    row: Callable[[Thing], dict[str, Any]],
) -> dict[str, Any]:
    """The answer to a page that asks for rows: those from ``first`` on, or the last ones there are.

    Args:
        things: all that the table holds, in order.
        message: what was asked: the ``view`` that asks, and ``first``, the index of a row.
        row: a thing as it is shown.
    """
    last = max(len(things) - 1, 0) // PAGE_ROWS * PAGE_ROWS
    first = max(min(int(message["first"]), last), 0)
    return {
        "kind": "rows",
        "view": message["view"],
        "first": first,
        "step": PAGE_ROWS,
        "total": len(things),
        "rows": [row(one) for one in things[first : first + PAGE_ROWS]],
    }
