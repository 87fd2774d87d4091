"""Escaped HTML cards for notebooks, and their plain text twins.

Everything that is shown came from somewhere else (a server, a header), so everything is
escaped here and nowhere else. Colours are JupyterLab's own variables, with fall-backs that
also read well where there are none, so that light and dark themes both work.
"""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["card", "gallery", "text_card"]

# Without JupyterLab's variables the browser's own colours hold (Canvas, CanvasText), which
# follow its light or dark scheme.
_CARD = (
    "display:inline-block;box-sizing:border-box;max-width:100%;padding:10px 14px;"
    "border:1px solid var(--jp-border-color2, #8888);border-radius:4px;"
    "background:var(--jp-layout-color1, Canvas);color:var(--jp-ui-font-color1, CanvasText);"
    "font-family:var(--jp-ui-font-family, system-ui, sans-serif);"
    "font-size:var(--jp-ui-font-size1, 13px);line-height:1.5"
)
_TITLE = "font-weight:600;margin-bottom:6px"
_GRID = "display:grid;grid-template-columns:max-content minmax(0, 1fr);column-gap:16px;margin:0"
_QUIET = "color:var(--jp-ui-font-color2, color-mix(in srgb, CanvasText 70%, Canvas))"
# JupyterLab gives names 20 % of the width and values 80 %, here of their own cell of the grid.
_NAME = f"{_QUIET};font-weight:400;margin:0;width:auto"
_VALUE = "margin:0;width:auto;overflow-wrap:anywhere;white-space:pre-wrap"
_FOOTER = f"{_QUIET};margin-top:6px;font-size:90%"
_GALLERY = "display:flex;flex-wrap:wrap;gap:8px"
_FIGURE = "margin:0;width:140px;overflow-wrap:anywhere"
_EMPTY = f"{_QUIET};padding:8px;border:1px dashed var(--jp-border-color2, #8888)"


def card(title: str, rows: Sequence[tuple[str, str]], *, footer: str = "") -> str:
    """A card as HTML: a title, rows of name and value, a line below.

    Args:
        title: plain text.
        rows: pairs of plain text, (name, value).
        footer: plain text, or ``""`` for none.

    Returns:
        One ``<div>`` with its style in it: no script, no style sheet, no picture. All text is
        escaped.

    Example:
        >>> "&lt;img" in card("Patient", [("PatientID", "<img src=x>")])
        True
    """
    lines = "".join(
        f'<dt style="{_NAME}">{_text(name)}</dt><dd style="{_VALUE}">{_text(value)}</dd>'
        for name, value in rows
    )
    below = f'<div style="{_FOOTER}">{_text(footer)}</div>' if footer else ""
    return (
        f'<div class="dicomnb-card" style="{_CARD}"><div style="{_TITLE}">{_text(title)}</div>'
        f'<dl style="{_GRID}">{lines}</dl>{below}</div>'
    )


def gallery(pictures: Sequence[tuple[bytes | None, str, str]]) -> str:
    """Pictures side by side as HTML.

    Args:
        pictures: for each one the PNG, or None with the reason, and a caption: (png, caption,
            reason), texts plain.
    """
    figures = []
    for png, caption, reason in pictures:
        if png is None:
            inner = f'<div style="{_EMPTY}">{_text(reason)}</div>'
        else:
            data = base64.b64encode(png).decode("ascii")
            inner = f'<img style="max-width:100%" src="data:image/png;base64,{data}" alt="">'
        below = f'<figcaption style="{_FOOTER}">{_text(caption)}</figcaption>'
        figures.append(f'<figure style="{_FIGURE}">{inner}{below}</figure>')
    return f'<div style="{_GALLERY}">{"".join(figures)}</div>'


def text_card(title: str, rows: Sequence[tuple[str, str]], *, footer: str = "") -> str:
    """The same as plain text, names and values in two columns, one line a row.

    Control characters, line breaks among them, are shown as escapes: no value can draw lines
    of its own or command a terminal.
    """
    width = max((len(_line(name)) for name, _ in rows), default=0)
    lines = [_line(title)]
    lines += [f"  {_line(name):<{width}}  {_line(value)}".rstrip() for name, value in rows]
    if footer:
        lines.append(f"  {_line(footer)}")
    return "\n".join(lines)


def _text(value: str) -> str:
    """Escaped text; half surrogate pairs, which no page can hold, become U+FFFD."""
    return escape(value.encode("utf-16", "surrogatepass").decode("utf-16", "replace"), quote=True)


def _line(value: str) -> str:
    """One line of text: what cannot be printed as an escape."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in value
    )
