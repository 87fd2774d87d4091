"""The panels' JavaScript: plain modules in ``static/``, joined into the one that a widget takes.

A widget's front end is a single module, loaded from a blob, which cannot import its
neighbours. So the modules that one imports are put before it, and the lines that import and
export between them are taken out: no build step, and every file is a module by itself.
"""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["module", "style"]

STATIC = Path(__file__).parent / "static"
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=class |const |function )", re.MULTILINE)


def module(name: str) -> str:
    """The module ``static/<name>.js`` with all that it imports, as one module."""
    order: list[str] = []
    _collect(name, order)
    texts = {one: (STATIC / f"{one}.js").read_text(encoding="utf-8") for one in order}
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", texts[one])) for one in order)


def style(*names: str) -> str:
    """The style sheets ``static/<name>.css``, one after the other."""
    return "\n".join((STATIC / f"{name}.css").read_text(encoding="utf-8") for name in names)


def _collect(name: str, order: list[str]) -> None:
    """Put a module into the order after those that it imports, each once."""
    if name in order:
        return
    text = (STATIC / f"{name}.js").read_text(encoding="utf-8")
    for imported in _IMPORT.findall(text):
        _collect(imported, order)
    order.append(name)
