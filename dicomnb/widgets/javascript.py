"""The panels' JavaScript: plain modules in ``static/``, joined into the one that a widget takes.

A widget's front end is a single module, loaded from a blob, which cannot import its
neighbours. So the modules that one imports are put before it, and the lines that import and
export between them are taken out: no build step, and every file is a module by itself.
"""

from __future__ import annotations

import re
from pathlib import Path

from dicomnb.widgets.scoping import scoped

__all__ = ["module", "style"]

STATIC = Path(__file__).parent / "static"
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+)\.js";\n', re.MULTILINE)
_SHOWN = re.compile(r"^export default shown\((.*)\);$", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=class |const |(?:async )?function )", re.MULTILINE)


def module(name: str) -> str:
    """The module ``static/<name>.js`` with all that it imports, as one module.

    A panel's root gets the class ``dicomnb-<name>``, to which its style sheet is bound.
    """
    order: list[str] = []
    _collect(name, order)
    texts = {one: (STATIC / f"{one}.js").read_text(encoding="utf-8") for one in order}
    joined = "\n".join(_EXPORT.sub("", _IMPORT.sub("", texts[one])) for one in order)
    return _SHOWN.sub(rf'export default shown(\1, "{name}");', joined)


def style(*names: str) -> str:
    """The style sheets ``static/<name>.css``, one after the other.

    Those of panels hold for these panels only: the others say what is common.
    """
    return "\n".join(_sheet(name) for name in names)


def _sheet(name: str) -> str:
    text = (STATIC / f"{name}.css").read_text(encoding="utf-8")
    module = STATIC / f"{name}.js"
    is_panel = module.exists() and "\nexport default " in module.read_text(encoding="utf-8")
    return scoped(text, name) if is_panel else text


def _collect(name: str, order: list[str]) -> None:
    """Put a module into the order after those that it imports, each once."""
    if name in order:
        return
    text = (STATIC / f"{name}.js").read_text(encoding="utf-8")
    for imported in _IMPORT.findall(text):
        _collect(imported, order)
    order.append(name)
