"""What the parts of an archive share: its source, its options, its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from dicomnb.listing import Listing

if TYPE_CHECKING:
    from dicomnb.options import Options
    from dicomnb.source import Source

__all__ = ["Connected", "live_archive"]

# Which archives are there, by the text that their tables carry in ``attrs["connection"]``. It
# keeps none of them alive.
_LIVE: WeakValueDictionary[str, Connected] = WeakValueDictionary()


def live_archive(connection: str) -> Connected | None:
    """The archive that a table with this ``attrs["connection"]`` came from, if it is there."""
    return _LIVE.get(connection)


class Connected:
    """A source and how to talk to it.

    Attributes:
        source: the layer below, for raw pages and parts.
        options: how the connection behaves.
    """

    def __init__(self, source: Source, *, options: Options) -> None:
        self.source = source
        self.options = options
        self._listing = Listing(source, workers=options.usual_workers)
        _LIVE[self._listing.connection] = self

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        _LIVE.setdefault(self._listing.connection, self)
