"""What things are called in the notebook, so that code that is handed over runs there."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dicomnb.widgets.recipes import python

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dicomnb.archive import Archive
    from dicomnb.widgets.recipes import Found, Search

__all__ = ["Names", "name_of", "notebook_python", "place_of"]


@dataclass(frozen=True)
class Names:
    """What the code of a panel calls things: as the notebook does, where it has a name.

    Attributes:
        archive: the panel's archive.
        panel: the panel itself.
    """

    archive: str = "archive"
    panel: str = "panel"

    @classmethod
    def of(cls, *, archive: Archive | None, panel: str | None) -> Names:
        """The names that the notebook has; ``panel`` is Python that means the panel."""
        known = None if archive is None else name_of(archive)
        return cls(known or cls.archive, panel or cls.panel)


def name_of(what: object) -> str | None:
    """The user's first name for this very object in IPython's namespace; None if it has none."""
    for name, value in list(_namespace().items()):
        if value is what and name.isidentifier() and not name.startswith("_"):
            return str(name)
    return None


def place_of(what: object) -> str | None:
    """Python by which the user has this very object: its name, or the output of a cell."""
    outputs = _namespace().get("Out")
    numbers = list(outputs.items()) if isinstance(outputs, dict) else []
    shown = next((f"Out[{number}]" for number, value in numbers if value is what), None)
    return name_of(what) or shown


def _namespace() -> Mapping[str, Any]:
    """The user's, in IPython; elsewhere nothing is known of it."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return {} if shell is None else shell.user_ns


def notebook_python(chain: Sequence[Found | Search], archive: Archive | None) -> str:
    """The Python that makes a chain of searches, with the names that the notebook has.

    An archive without a name there is called ``archive``.
    """
    name = Names.of(archive=archive, panel=None).archive
    return python(chain, archive=name, dicomnb=name_of(sys.modules["dicomnb"]))
