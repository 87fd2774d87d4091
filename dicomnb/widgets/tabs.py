"""`Tabs`: the strip that says which page of an explorer is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import traitlets

from dicomnb.widgets.javascript import module, style
from dicomnb.widgets.panel import Panel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["PAGES", "Tabs"]

PAGES = {"view": "View", "fetch": "Fetch", "upload": "Upload", "delete": "Delete"}


class Tabs(Panel):
    """Tabs above the pages of an explorer, which it shows and hides.

    Attributes:
        tab: name of the page that is shown; may be set.
        notes: a few characters beside the names of pages, such as a number.
        is_connected: whether there is an archive; without one, no page is shown.
    """

    _esm = module("tabs")
    _css = style("panel", "explorer")
    _title = "Tabs"

    tab = traitlets.Enum(tuple(PAGES), "view")
    notes = traitlets.Dict()
    is_connected = traitlets.Bool(False)

    def __init__(self) -> None:
        super().__init__()
        self.observe(lambda _: self._tell_state(), names=["tab", "notes", "is_connected"])

    def _asked(self) -> dict[str, Callable[[dict[str, Any], Sequence[memoryview]], None]]:
        return {"tab": lambda message, _: setattr(self, "tab", str(message.get("name")))}

    def _state(self) -> dict[str, Any]:
        tabs = [
            {"name": name, "label": label, "note": self.notes.get(name, "")}
            for name, label in PAGES.items()
        ]
        return {"tabs": tabs, "tab": self.tab, "connected": self.is_connected}
