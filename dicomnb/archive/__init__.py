"""`Archive`: DICOM from a server or a folder, as tables, data sets, arrays and volumes."""

from __future__ import annotations

from dicomnb.archive.changing import Changing
from dicomnb.archive.placing import Placing
from dicomnb.archive.retrieving import Retrieving
from dicomnb.archive.searching import Searching
from dicomnb.html import card, text_card

__all__ = ["Archive"]


class Archive(Searching, Retrieving, Placing, Changing):
    """A place with DICOM: a server or a folder. Made by `dicomnb.connect`.

    What says which study, series or instance is meant (a *ref*) may be a row or table of a
    search, a ``pydicom.Dataset``, a RetrieveURL of this archive, or `dicomnb.Ref`. The level
    comes from the columns; a missing UID is a `RefError` and never the whole study.

    Attributes:
        source: the layer below, for raw pages and parts.
        options: how the connection behaves.
    """

    def refresh(self) -> None:
        """Look again at what is there: a folder's new, changed and vanished files."""
        refresh = getattr(self.source, "refresh", None)
        if refresh is not None:
            refresh()

    def close(self) -> None:
        """Let go of connections and files; the archive can still be used and opens new ones."""
        close = getattr(self.source, "close", None)
        if close is not None:
            close()

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return text_card("dicomnb.Archive", self._facts())

    def _repr_html_(self) -> str:
        return card("dicomnb.Archive", self._facts())

    def _facts(self) -> list[tuple[str, str]]:
        abilities = self.source.abilities()
        can = ["search", "retrieve"]
        can += ["render"] if abilities.renders else []
        can += ["store"] if abilities.stores else []
        can += [f"delete ({', '.join(sorted(abilities.deletes))})"] if abilities.deletes else []
        return [
            ("Address", self.source.address),
            ("Kind", abilities.family),
            ("Account", getattr(self.source, "account", "none needed")),
            ("Can", ", ".join(can)),
        ]
