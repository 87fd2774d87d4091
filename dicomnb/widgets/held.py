"""`Held`: a trait for what is not compared by its value: tables, volumes, data sets."""

from __future__ import annotations

from typing import Any

import traitlets

__all__ = ["Held"]


class Held(traitlets.TraitType[Any, Any]):
    """Any value, or None; another object is a change, however equal.

    Comparing would be wrong or dear: tables compare cell by cell, and a lazy volume would be
    fetched for it.
    """

    default_value = None
    info_text = "anything"

    def set(self, obj: Any, value: Any) -> None:
        """Keep the value, and tell who observes when it is another object."""
        name = str(self.name)
        new = self._validate(obj, value)
        old = obj._trait_values.get(name, self.default_value)
        obj._trait_values[name] = new
        if new is not old:
            obj._notify_trait(name, old, new)
