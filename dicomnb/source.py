"""`Source`: what dicomnb asks of a place with DICOM, be it a server or a folder.

Nothing above this module asks which of the two it has. A source speaks in refs, queries,
pages of DICOM JSON bytes and parts; tables and arrays are made above it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from dicomnb.query import SearchAbilities
from dicomnb.refs import LEVELS, Level

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dicomnb.operations import Operation
    from dicomnb.pool import Cancel
    from dicomnb.query import Query
    from dicomnb.refs import Ref
    from dicomnb.tables.arriving import Decoded
    from dicomnb.wire.parts import Part
    from dicomnb.wire.storing import Outcome, StoreForm, Upload

__all__ = ["Abilities", "Page", "Rendering", "Source"]


@dataclass(frozen=True)
class Abilities:
    """What a source can do, so that nothing is asked of it that it cannot."""

    family: str
    """``"folder"``, ``"dicomnb"``, ``"google"``, ``"orthanc"``, ``"dcm4chee"``, ``"azure"``,
    ``"aws"`` or ``"standard"``."""
    search: SearchAbilities = field(default_factory=SearchAbilities)
    """What it can match, and how it pages."""
    stores: bool = True
    """Whether instances can be stored in it."""
    bulk_types: frozenset[str] = frozenset()
    """Media types of pixels that may be stored beside DICOM JSON metadata; mostly none."""
    deletes: frozenset[Level] = frozenset(LEVELS)
    """Which levels can be deleted."""
    renders: frozenset[Level] = frozenset({"instance"})
    """Which levels it can draw."""
    renders_each: bool = False
    """Whether a study or series is drawn as a picture an instance (PS3.18 section 10.4.1.1.3), and
    not as one that stands for it."""
    render_parameters: frozenset[str] = frozenset({"window", "viewport", "quality"})
    """What a rendering can be asked for (PS3.18 section 8.3.5)."""
    pads: bool = False
    """Whether a picture of another shape than the viewport comes with black beside it."""


@dataclass(frozen=True)
class Page:
    """A stretch of an answer: a JSON array of DICOM JSON objects (PS3.18 annex F)."""

    rows: bytes
    """The array, UTF-8."""
    count: int
    """How many objects it holds."""
    complete: bool = True
    """False when the source said, or shows, that more would match than it gives."""
    notes: tuple[str, ...] = ()
    """What the source said beside the rows, in words for a person."""
    warnings: tuple[str, ...] = ()
    """What the one who asked should be warned of, once a connection."""
    decoded: Decoded | None = field(default=None, compare=False, repr=False)
    """Columns of ``rows``, where a source had to look at each row anyway."""


@dataclass(frozen=True)
class Rendering:
    """What a picture should look like (PS3.18 section 8.3.5)."""

    format: Literal["png", "jpeg"] | None = "png"
    """The media type ``image/…``; None, of a thumbnail, leaves it to the source."""
    frame: int | None = None
    """Frame number, from 1; None lets the source choose."""
    window: tuple[float, float] | None = None
    """Centre and width in modality values; None takes the object's own."""
    viewport: tuple[int, int] | None = None
    """Width and height in pixels that the picture is to fit in."""
    quality: int | None = None
    """JPEG quality, 1 to 100."""
    thumbnail: bool = False
    """Whether a small picture to tell it by is wanted (PS3.18 section 10.4.1.1.4): one
    that the source keeps, or draws; of several frames the one in the middle."""


@runtime_checkable
class Source(Protocol):
    """A place with DICOM.

    Iterators are lazy: the first ``next`` asks, and closing one frees what it holds, its
    connection included. Each method may be called from several threads. Every method
    raises the errors of `dicomnb.errors`, `NotFound` for what is not there, and
    `Cancelled` soon after ``cancel`` is set.
    """

    @property
    def address(self) -> str:
        """Where this is, for people and for RetrieveURLs: a URL without secrets, or a path."""
        ...

    def abilities(self) -> Abilities:
        """What can be searched, stored, deleted and rendered here; found out once."""
        ...

    def search(self, query: Query, *, cancel: Cancel | None = None) -> Iterator[Page]:
        """Pages of rows that match, to the end or to ``query.limit``, each row once."""
        ...

    def metadata(self, ref: Ref, *, cancel: Cancel | None = None) -> Iterator[Page]:
        """Pages of instances' attributes; bulk data stands as BulkDataURI."""
        ...

    def instances(
        self, ref: Ref, *, transfer_syntax: str = "*", cancel: Cancel | None = None
    ) -> Iterator[Part]:
        """Part 10 instances, as stored for ``"*"``, each part valid until the next."""
        ...

    def frames(
        self,
        ref: Ref,
        numbers: Sequence[int],
        *,
        transfer_syntax: str = "*",
        cancel: Cancel | None = None,
    ) -> Iterator[Part]:
        """Frames of one instance, numbers from 1, in the order asked for.

        Native pixels are little endian; a compressed frame is one codestream, and the part's
        ``transfer_syntax`` tells which.
        """
        ...

    def bulk(self, uri: str, *, cancel: Cancel | None = None) -> Iterator[Part]:
        """The data behind a BulkDataURI of this source."""
        ...

    def rendered(
        self, ref: Ref, rendering: Rendering, *, cancel: Cancel | None = None
    ) -> Iterator[Part]:
        """One picture of an instance, or of whatever `Abilities.renders` names; several, where
        the source draws each instance of a series, or each frame.

        A source may have thumbnails of more levels than it draws; `Unsupported` and `NotFound`
        say that it has none.
        """
        ...

    def store(
        self,
        uploads: Sequence[Upload],
        *,
        study: str | None = None,
        form: StoreForm = "multipart",
        cancel: Cancel | None = None,
    ) -> list[Outcome]:
        """Store one batch; an outcome for each upload, in their order.

        ``form="json"`` is for `ImageUpload`s and for what `Abilities.bulk_types` names; a
        folder, which has no requests, makes no difference between the others.
        """
        ...

    def delete(self, ref: Ref, *, cancel: Cancel | None = None) -> Operation | None:
        """Delete; the operation by which the source goes on with it, or None when all is done."""
        ...
