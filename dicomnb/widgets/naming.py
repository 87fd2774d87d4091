"""What things are called in the notebook, so that code that is handed over runs there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from dicomnb.widgets.recipes import python

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dicomnb.archive import Archive
    from dicomnb.widgets.recipes import Found, Search

__all__ = ["name_of", "notebook_python"]


def name_of(what: object) -> str | None:
    """The user's first name for this very object in IPython's namespace; None if it has none."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None:
        return None
    for name, value in list(shell.user_ns.items()):
        if value is what and name.isidentifier() and not name.startswith("_"):
            return str(name)
    return None


def notebook_python(chain: Sequence[Found | Search], archive: Archive | None) -> str:
    """The Python that makes a chain of searches, with the names that the notebook has.

    An archive without a name there is called ``archive``.
    """
    name = None if archive is None else name_of(archive)
    return python(chain, archive=name or "archive", dicomnb=name_of(sys.modules["dicomnb"]))
