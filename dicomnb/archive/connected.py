"""What the parts of an archive share: its source, its options, its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dicomnb.listing import Listing

if TYPE_CHECKING:
    from dicomnb.options import Options
    from dicomnb.source import Source

__all__ = ["Connected"]


class Connected:
    """A source and how to talk to it.

    Attributes:
        source: the layer below, for raw pages and parts.
        options: how the connection behaves.
    """

    def __init__(self, source: Source, *, options: Options) -> None:
        self.source = source
        self.options = options
        self._listing = Listing(source, workers=options.workers)
