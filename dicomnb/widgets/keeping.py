"""What is kept of a table with a notebook, where that is asked for, and how it looks there."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dicomnb.widgets.feeding import Feed

__all__ = ["kept_rows", "kept_table"]

ROWS = 20
"""How many rows are kept."""


def kept_rows(feed: Feed) -> dict[str, Any]:
    """The first rows as shown: ``columns``, ``rows`` of text, and of how many (``all``)."""
    facts = feed.facts()
    labels = [one["label"] for one in facts["columns"]]
    return {"columns": labels, "rows": feed.rows(0, ROWS), "all": facts["all"]}


def kept_table(kept: Mapping[str, Any]) -> str:
    """The same as HTML, escaped; nothing where nothing is kept."""
    if not kept.get("columns"):
        return ""
    head = "".join(f"<th>{escape(one)}</th>" for one in kept["columns"])
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in kept["rows"]
    )
    count = len(kept["rows"])
    words = f"{count:,} of {kept['all']:,} rows"
    return (
        f'<div style="overflow:auto"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div><div>{words}</div>"
    )
