"""`FolderSource`: a folder of DICOM files as a `Source`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from dicomnb.errors import (
    BadQuery,
    Cancelled,
    LimitExceeded,
    NoDicom,
    NotFound,
    RefError,
    Unsupported,
)
from dicomnb.images.decode import decode_frame
from dicomnb.images.pixels import PixelFormat
from dicomnb.local import storing
from dicomnb.local.frames import FrameReader
from dicomnb.local.index import Index, PassedOver
from dicomnb.local.lookup import Lookup
from dicomnb.local.reading import bulk_bytes, instance_part, location, opened, read_header
from dicomnb.options import Options
from dicomnb.query import SearchAbilities
from dicomnb.refs import LEVELS, Ref
from dicomnb.source import Abilities, Rendering
from dicomnb.wire.media import OCTET_STREAM
from dicomnb.wire.parts import BytesPart

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dicomnb.local.reading import Located
    from dicomnb.pool import Cancel
    from dicomnb.query import Query
    from dicomnb.source import Page
    from dicomnb.wire.parts import Part
    from dicomnb.wire.storing import Outcome, StoreForm, Upload

__all__ = ["FolderSource"]

_BULK = re.compile(r"dicomnb:/(studies/[^?#]+)/bulkdata/([0-9A-Fa-f]{8}(?:/\d+/[0-9A-Fa-f]{8})*)")
_PIXELS = frozenset({"7FE00008", "7FE00009", "7FE00010"})


class FolderSource:
    """A folder, searched and read like a server; see `dicomnb.source.Source`.

    What the files hold is kept in an index in the user's cache folder, never in the folder
    itself. It is brought up to date, from times and sizes of the files, when the folder is
    connected and by `refresh`; unchanged files are not opened. Where one instance lies in
    several files, the first by path counts.

    Its JSON names itself by URIs ``dicomnb:/studies/…``, which `bulk` takes.

    Args:
        path: the folder.
        options: ``writable`` allows to store and delete; then the folder may be empty.
        cancel: gives up reading the files; what was read is kept in the index.

    Raises:
        NoDicom: no such folder, or no DICOM in it.
        Cancelled: ``cancel`` was set.

    Example:
        >>> FolderSource("scans").passed_over.counts
        {'not DICOM': 2}
    """

    def __init__(
        self, path: str | Path, *, options: Options | None = None, cancel: Cancel | None = None
    ) -> None:
        self._prepare(Path(path), options or Options())
        try:
            self.refresh(cancel=cancel)
        except Cancelled:
            self.close()
            raise
        is_empty = self._index.read(
            lambda connection: connection.execute("SELECT 1 FROM instances").fetchone() is None
        )
        if is_empty and not self._options.writable:
            self.close()
            raise NoDicom(
                f"No DICOM in {self.address!r}: {self.passed_over}. An empty folder becomes a new "
                "archive with Options(writable=True)."
            )

    def _prepare(self, path: Path, options: Options) -> None:
        self._path = path.absolute()
        self._options = options
        if not self._path.is_dir():
            raise NoDicom(f"There is no folder {str(path)!r}.")
        self._root = os.fsencode(self._path)
        self._index = Index(self._path)
        self._lookup = Lookup(self._index)

    def __reduce__(self) -> tuple[object, ...]:
        return (_connected_again, (self._path, self._options))

    def __repr__(self) -> str:
        return f"FolderSource({self.address!r})"

    @property
    def address(self) -> str:
        """The folder's absolute path."""
        return str(self._path)

    @property
    def passed_over(self) -> PassedOver:
        """Files that are not in the archive, and why, as of the last refresh."""
        return self._index.passed_over()

    def refresh(self, *, cancel: Cancel | None = None) -> None:
        """Bring the index up to date with the files: new, changed and vanished ones.

        Raises:
            OSError: the folder cannot be read; the index stays as it was.
        """
        self._index.refresh(cancel=cancel)

    def close(self) -> None:
        """Close the index. It opens again when something is asked of it."""
        self._index.close()

    def discard(self) -> None:
        """Close and remove the index. For a temporary folder, before that is removed itself."""
        self._index.discard()

    def abilities(self) -> Abilities:
        """All attributes can be searched; see `Options.writable` for the rest."""
        writable = self._options.writable
        return Abilities(
            family="folder",
            search=SearchAbilities(fuzzy=True, honest_pages=True),
            stores=writable,
            deletes=frozenset(LEVELS if writable else ()),
        )

    def search(self, query: Query, *, cancel: Cancel | None = None) -> Iterator[Page]:
        """Rows by StudyDate, StudyInstanceUID, SeriesNumber, …, InstanceNumber.

        A row of a study or series takes an attribute that it has not by itself from its first
        instance by path; ``fields=("all",)`` gives those that all its instances share.
        """
        return self._lookup.search(query, cancel=cancel)

    def metadata(self, ref: Ref, *, cancel: Cancel | None = None) -> Iterator[Page]:
        """All attributes of the instances in ``ref`` up to the pixels, in a search's order."""
        return self._lookup.metadata(ref, cancel=cancel)

    def instances(
        self, ref: Ref, *, transfer_syntax: str = "*", cancel: Cancel | None = None
    ) -> Iterator[Part]:
        """Instances as stored, or in Explicit VR Little Endian where that is asked for."""
        for located in self._lookup.located(ref):
            if cancel is not None:
                cancel.check()
            with instance_part(self._root, located, transfer_syntax=transfer_syntax) as part:
                yield part

    def stored_bytes(self, refs: Sequence[Ref], *, cancel: Cancel | None = None) -> int:
        """Bytes of the files of ``refs``, each once, as of the last refresh."""
        return self._lookup.stored_bytes(refs, cancel=cancel)

    def frames(
        self,
        ref: Ref,
        numbers: Sequence[int],
        *,
        transfer_syntax: str = "*",
        cancel: Cancel | None = None,
    ) -> Iterator[Part]:
        """Frames, read without the others; see `dicomnb.local.frames`."""
        located = self._one(ref)
        with opened(self._root, located) as file:
            reader = FrameReader(file, located, self._lookup.document(ref))
            for part in reader.parts(numbers, transfer_syntax=transfer_syntax):
                if cancel is not None:
                    cancel.check()
                yield part

    def bulk(self, uri: str, *, cancel: Cancel | None = None) -> Iterator[Part]:
        """The value behind ``dicomnb:/studies/…/bulkdata/…``; compressed pixels by frames."""
        found = _BULK.fullmatch(uri)
        if found is None:
            raise NotFound(f"{uri!r} is no BulkDataURI of a folder (dicomnb:/studies/…).")
        try:
            ref = Ref.from_path(found[1])
        except RefError as error:
            raise NotFound(f"{uri!r} names no instance.") from error
        located = self._one(ref)
        path = found[2].upper()
        with opened(self._root, located) as file:
            if path in _PIXELS:
                yield from FrameReader(file, located, self._lookup.document(ref)).all_parts()
                return
            yield BytesPart(
                bulk_bytes(file, located, path), media_type=OCTET_STREAM, location=location(located)
            )

    def rendered(
        self, ref: Ref, rendering: Rendering, *, cancel: Cancel | None = None
    ) -> Iterator[Part]:
        """One frame of an instance as a picture; where none is asked for the first, and for a
        thumbnail the one in the middle."""
        from dicomnb.images.display import display
        from dicomnb.images.render import render

        if ref.level != "instance":
            raise Unsupported(f"A folder draws single instances, not a whole {ref.level}.")
        located = self._one(ref)
        with opened(self._root, located) as file:
            reader = FrameReader(file, located, self._lookup.document(ref))
            chosen = reader.count // 2 + 1 if rendering.thumbnail else 1
            number = chosen if rendering.frame is None else rendering.frame
            (part,) = reader.parts([number])
            data = part.read()
            dataset = read_header(file, located)
        pixels = PixelFormat.of(
            dataset, transfer_syntax=part.transfer_syntax, keyword=reader.keyword
        )
        if pixels.rows * pixels.columns > self._options.limits.picture_pixels:
            raise LimitExceeded(
                f"A frame of {pixels.rows} × {pixels.columns} is too large to be drawn; raise "
                "Limits(picture_pixels=…), or read it with archive.frames."
            )
        kind = rendering.format or "jpeg"
        try:
            shown = display(
                dataset, decode_frame(data, pixels), frame=number, window=rendering.window
            )
            picture = render(shown, kind, quality=rendering.quality, viewport=rendering.viewport)
        except ValueError as error:
            raise BadQuery(f"The picture cannot be drawn: {error}") from error
        media_type = f"image/{kind}"
        yield BytesPart(picture, media_type=media_type, location=location(located))

    def store(
        self,
        uploads: Sequence[Upload],
        *,
        study: str | None = None,
        form: StoreForm = "multipart",
        cancel: Cancel | None = None,
    ) -> list[Outcome]:
        """Write instances as ``StudyUID/SeriesUID/SOPUID.dcm``; see `dicomnb.local.storing`."""
        del form  # files travel in none
        self._check_writable("store in")
        return storing.store(self._index, uploads, study=study, cancel=cancel)

    def delete(self, ref: Ref, *, cancel: Cancel | None = None) -> None:
        """Move files to the folder ``.dicomnb-trash``, from where they can be put back."""
        self._check_writable("delete from")
        if cancel is not None:
            cancel.check()
        storing.delete(self._index, ref)

    def _check_writable(self, what: str) -> None:
        if not self._options.writable:
            raise Unsupported(
                f"The folder {self.address!r} is read-only. To {what} it, connect with "
                "Options(writable=True)."
            )

    def _one(self, ref: Ref) -> Located:
        if ref.level != "instance":
            raise RefError(f"A single instance is needed here, not a {ref.level}.")
        (located,) = self._lookup.located(ref)
        return located


def _connected_again(path: Path, options: Options) -> FolderSource:
    """Unpickle: the index is read as it is, and made only where there is none."""
    source = FolderSource.__new__(FolderSource)
    source._prepare(path, options)
    if source._index.is_empty:
        source.refresh()
    return source
