"""A panel's style sheet, kept to that panel: a notebook has the sheets of all on one page."""

from __future__ import annotations

import re

__all__ = ["scoped"]

_PARTS = re.compile(r"/\*.*?\*/|\"[^\"]*\"|'[^']*'|[{};]|[^{};\"'/]+|.", re.DOTALL)
_PSEUDO_ELEMENT = re.compile(r"::[\w-]+$")


def scoped(sheet: str, name: str) -> str:
    """A style sheet of which every rule holds within ``.dicomnb-<name>`` only, that one included.

    Its rules are also stronger by that class: the common sheet, which every panel brings along,
    may come to the page after it.

    Args:
        sheet: rules, also within ``@container`` and ``@media``; no nested ones.
        name: of the panel, whose root has the class ``dicomnb-<name>``.

    Example:
        >>> scoped(".dicomnb-state { color: red }", "viewer")
        '.dicomnb-state:is(.dicomnb-viewer, .dicomnb-viewer *) { color: red }'
    """
    made, prelude = [], ""
    for part in _PARTS.findall(sheet):
        if part == "{":
            is_rule = not prelude.lstrip().startswith("@")
            made.append(_prelude(prelude, name) if is_rule else prelude)
        elif part in ("}", ";") or part.startswith("/*"):
            made.append(prelude)
        else:
            prelude += part
            continue
        made.append(part)
        prelude = ""
    return "".join(made) + prelude


def _prelude(prelude: str, name: str) -> str:
    """The selectors of a rule, each bound to the panel."""
    selectors, depth = [""], 0
    for character in prelude:
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            selectors.append("")
        else:
            selectors[-1] += character
    return ",".join(_bound(one, name) for one in selectors)


def _bound(selector: str, name: str) -> str:
    body = selector.rstrip()
    space = selector[len(body) :]
    found = _PSEUDO_ELEMENT.search(body)
    end = found.start() if found else len(body)
    within = f":is(.dicomnb-{name}, .dicomnb-{name} *)"
    return f"{body[:end]}{within}{body[end:]}{space}"
