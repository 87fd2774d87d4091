"""`Archive`: DICOM from a server or a folder, as tables, data sets, arrays and volumes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from dicomnb.errors import ProtocolError, RefError, StoreError, warn
from dicomnb.files import atomic_write
from dicomnb.html import card, text_card
from dicomnb.listing import Listing
from dicomnb.pool import closed_after
from dicomnb.query import build
from dicomnb.refs import Level, one_ref, refs_of
from dicomnb.source import Rendering
from dicomnb.transfer.events import Telling, telling

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    import PIL.Image
    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from dicomnb.images.volume import Volume
    from dicomnb.options import Options
    from dicomnb.source import Source

__all__ = ["Archive"]


class Archive:
    """A place with DICOM: a server or a folder. Made by `dicomnb.connect`.

    What says which study, series or instance is meant (a *ref*) may be a row or table of a
    search, a ``pydicom.Dataset``, a RetrieveURL of this archive, or `dicomnb.Ref`. The level
    comes from the columns; a missing UID is a `RefError` and never the whole study.

    Attributes:
        source: the layer below, for raw pages and parts.
        options: how the connection behaves.
    """

    def __init__(self, source: Source, *, options: Options) -> None:
        self.source = source
        self.options = options
        self._listing = Listing(source, workers=options.workers)

    # -- search ------------------------------------------------------------------------------

    def studies(
        self,
        where: Any = None,
        *,
        limit: int | None = None,
        offset: int = 0,
        fields: Iterable[Any] | str | None = None,
        fuzzy: bool = False,
        progress: Telling = None,
        **filters: Any,
    ) -> pd.DataFrame:
        """Search for studies (PS3.18 section 10.6).

        Args:
            where: studies to look among, as refs; None for all.
            limit: rows at most, counted after filtering; None for all there are.
            offset: rows to pass over first.
            fields: keywords to bring besides the level's own columns, or ``"all"``.
            fuzzy: match names by the beginning of any of their words.
            progress: True for a bar, or a function that is told a `Progress`.
            **filters: keyword (or tag) = value. A list means any of its values, a pair of
                dates a range (None leaves it open), ``*`` and ``?`` stand for other characters.

        Returns:
            One row a study; columns are keywords, typed by their VR, the same for no rows.

        Raises:
            BadQuery: an unknown keyword or a value of the wrong kind; nothing was sent.

        Example:
            >>> archive.studies(PatientName="Zhang*", StudyDate=("2023-01-01", None))
        """
        query = build("study", filters, fields=fields, fuzzy=fuzzy, limit=limit, offset=offset)
        return self._listing.table(query, where, progress)

    def series(
        self,
        where: Any = None,
        *,
        limit: int | None = None,
        offset: int = 0,
        fields: Iterable[Any] | str | None = None,
        fuzzy: bool = False,
        progress: Telling = None,
        **filters: Any,
    ) -> pd.DataFrame:
        """Search for series, of ``where`` (studies) or of the whole archive; see `studies`.

        Example:
            >>> archive.series(studies, Modality=["CT", "MR"])
        """
        query = build("series", filters, fields=fields, fuzzy=fuzzy, limit=limit, offset=offset)
        return self._listing.table(query, where, progress)

    def instances(
        self,
        where: Any = None,
        *,
        limit: int | None = None,
        offset: int = 0,
        fields: Iterable[Any] | str | None = None,
        fuzzy: bool = False,
        progress: Telling = None,
        **filters: Any,
    ) -> pd.DataFrame:
        """Search for instances, of ``where`` (studies or series) or of all; see `studies`.

        Example:
            >>> archive.instances(series.iloc[0])
        """
        query = build("instance", filters, fields=fields, fuzzy=fuzzy, limit=limit, offset=offset)
        return self._listing.table(query, where, progress)

    def pages(
        self,
        level: Level,
        where: Any = None,
        *,
        limit: int | None = None,
        offset: int = 0,
        fields: Iterable[Any] | str | None = None,
        fuzzy: bool = False,
        **filters: Any,
    ) -> Iterator[pd.DataFrame]:
        """The same search page by page, in bounded memory: for what does not fit a table."""
        query = build(level, filters, fields=fields, fuzzy=fuzzy, limit=limit, offset=offset)
        return self._listing.tables(query, where)

    def explain(
        self,
        level: Level,
        where: Any = None,
        *,
        limit: int | None = None,
        offset: int = 0,
        fields: Iterable[Any] | str | None = None,
        fuzzy: bool = False,
        **filters: Any,
    ) -> pd.DataFrame:
        """The requests that a search would make, without making them.

        Returns:
            One row a request: ``Path``, ``Parameters``, and in ``CheckedHere`` the filters
            that the source cannot match and that its rows are checked by afterwards.
        """
        query = build(level, filters, fields=fields, fuzzy=fuzzy, limit=limit, offset=offset)
        return self._listing.requests(query, where)

    def metadata(
        self, ref: Any, *, fields: Iterable[str] | None = None, progress: Telling = None
    ) -> pd.DataFrame:
        """The attributes of every instance in ``ref``, without pixels (PS3.18 section 10.4.1.1.2).

        Args:
            fields: keywords for columns; None takes every attribute that occurs.

        Returns:
            One row an instance; bulk data stands as its BulkDataURI.

        Raises:
            NotFound: there is no such study, series or instance.
        """
        return self._listing.metadata(ref, fields, progress)

    # -- instances and pixels ------------------------------------------------------------------

    def dataset(self, ref: Any, *, pixels: bool = True, transfer_syntax: str = "*") -> Dataset:
        """One instance as a ``pydicom.Dataset``, as stored.

        Args:
            pixels: False stops before the pixel data.
            transfer_syntax: UID to have the server transcode to; ``"*"`` leaves it as it is.

        Raises:
            RefError: ``ref`` is not a single instance; `datasets` takes series and studies.
            NotFound: there is no such instance.
            ProtocolError: what came is another instance, or none.
        """
        one = one_ref(ref, base=self.source.address, level="instance")
        from dicomnb.transfer.reading import datasets

        found = datasets(self.source, one, pixels=pixels, transfer_syntax=transfer_syntax)
        with closed_after(found):
            return next(found)

    def datasets(
        self, ref: Any, *, pixels: bool = True, transfer_syntax: str = "*"
    ) -> Iterator[Dataset]:
        """Every instance in ``ref``, one at a time, in the order the source gives them."""
        from dicomnb.transfer.reading import datasets

        for one in refs_of(ref, base=self.source.address):
            yield from datasets(self.source, one, pixels=pixels, transfer_syntax=transfer_syntax)

    def frames(
        self,
        ref: Any,
        numbers: int | Sequence[int] | None = None,
        *,
        output: Literal["stored", "modality", "display"] = "stored",
    ) -> NDArray[np.generic]:
        """Frames of one instance, fetched without the rest of it.

        Args:
            numbers: frame numbers from 1, in the order wanted; None for all. Frame n of a
                full fetch stands at index n − 1.
            output: ``"stored"`` values with their sign, colour as RGB; ``"modality"`` values
                (HU for CT); ``"display"`` 8-bit grey or RGB, windowed as the object says.

        Returns:
            (frames, rows, columns) or (frames, rows, columns, 3).

        Raises:
            ValueError: a frame number of 0, below, or past the last.
            RefError: ``ref`` is a series or study; `volume` takes a series.
            DecodeError: the pixels are damaged, or a codec is missing.
        """
        from dicomnb.transfer.frames import frames

        refs = refs_of(ref, base=self.source.address)
        if len(refs) != 1 or refs[0].level != "instance":
            raise RefError(
                "Frames are those of a single instance. For the slices of a series as one "
                "array use archive.volume(series)."
            )
        return frames(self.source, refs[0], numbers, output=output, limits=self.options.limits)

    def volume(self, ref: Any, *, strict: bool = True, progress: Telling = None) -> Volume:
        """A series of single-frame slices as one array with its geometry.

        Args:
            ref: a series, or a table of instances of one series.
            strict: False returns the best volume there is when the slices are not one regular
                stack; ``volume.report`` then says what was wrong.

        Returns:
            `Volume`: (slices, rows, columns) in modality values (HU for CT), slices in order
            of their position, with the affine to patient coordinates (LPS, mm).

        Raises:
            GeometryError: gaps, duplicates, other orientations, a tilted gantry; names them.
            ProtocolError: the server sent an instance of another series.
            RefError: ``ref`` is more than one series.
        """
        from dicomnb.transfer.reading import read_plan, volume

        refs = refs_of(ref, base=self.source.address)
        if not refs or len({one.at("series") for one in refs if one.series}) != 1:
            raise RefError("A volume is made of one series: give a series, or its instances.")
        told = ref.get("NumberOfSeriesRelatedInstances") if isinstance(ref, pd.Series) else None
        plan = read_plan(self.source, refs, told=None if pd.isna(told) else told)
        with telling(progress, "volume") as tell:
            return volume(
                self.source,
                plan,
                strict=strict,
                workers=self.options.workers,
                limits=self.options.limits,
                tell=tell,
            )

    def rendered(
        self,
        ref: Any,
        *,
        frame: int | None = None,
        format: Literal["png", "jpeg"] = "png",
        window: tuple[float, float] | None = None,
        viewport: tuple[int, int] | None = None,
        quality: int | None = None,
        to: str | Path | None = None,
    ) -> PIL.Image.Image | Path:
        """A picture as the source draws it (PS3.18 section 10.4.1.1.3).

        Args:
            frame: frame number from 1.
            window: centre and width in modality values.
            viewport: width and height in pixels to fit in.
            quality: JPEG quality, 1 to 100.
            to: a file to write the picture's own bytes to, untouched.

        Returns:
            ``PIL.Image``, or the path when ``to`` is given.

        Raises:
            Unsupported: the server cannot draw this, or not with these parameters.
            ProtocolError: what came is no picture.
        """
        one = one_ref(ref, base=self.source.address)
        from dicomnb.transfer.reading import picture

        data = picture(self.source, one, Rendering(format, frame, window, viewport, quality))
        if to is not None:
            with atomic_write(path := Path(to).expanduser()) as file:
                file.write(data)
            return path
        from PIL import Image, UnidentifiedImageError

        try:
            return Image.open(io.BytesIO(data))
        except UnidentifiedImageError as error:
            raise ProtocolError(
                f"What came for {one.path} is no picture.", url=self.source.address
            ) from error

    def bulkdata(self, uri: str) -> bytes:
        """The bytes behind a BulkDataURI of this archive (PS3.18 section 10.4.1.1.5).

        Raises:
            OriginRefused: the address lies outside this archive's server; nothing was sent.
        """
        with closed_after(self.source.bulk(uri)) as parts:
            return b"".join(part.read() for part in parts)

    # -- transfer --------------------------------------------------------------------------------

    def download(self, ref: Any, folder: str | Path, *, progress: Telling = None) -> pd.DataFrame:
        """Write every instance in ``ref`` to ``folder/STUDY/SERIES/INSTANCE.dcm``, as sent.

        A file appears whole or not at all; one that is there already is never replaced.

        Returns:
            One row an instance: UIDs, ``Outcome`` (``downloaded``, ``already there`` or
            ``conflict``), ``Reason``, ``File``, ``Bytes`` and ``SHA256``.

        Raises:
            ProtocolError: the server cut an answer short, or sent what was not asked for.
            NotFound: there is no such study, series or instance.
        """
        from dicomnb.transfer.download import download

        refs = refs_of(ref, base=self.source.address)
        total = len(refs) if refs and refs[0].level == "instance" else None
        with telling(progress, "download") as tell:
            return download(
                self.source,
                refs,
                Path(folder).expanduser(),
                workers=self.options.workers,
                total=total,
                tell=tell,
            )

    def store(
        self,
        what: Any,
        *,
        study: str | None = None,
        raise_on_failure: bool = False,
        progress: Telling = None,
    ) -> pd.DataFrame:
        """Store instances (PS3.18 section 10.5).

        Args:
            what: a file, a folder (with all below it), a glob, data sets, bytes, or a list of
                these. Files in folders that are not DICOM are passed over and counted.
            study: a StudyInstanceUID that all must belong to.
            raise_on_failure: raise `StoreError`, which holds the table, if any failed.

        Returns:
            One row an instance, in order: UIDs, ``Outcome`` (``stored``, ``warned``,
            ``already there``, ``conflict`` or ``failed``), ``Code``, ``Reason``,
            ``RetrieveURL`` and ``Name``.

        Raises:
            NoDicom: there is nothing to store.
            Unsupported: the place is read-only; a folder takes ``writable=True``.
        """
        from dicomnb.transfer.upload import upload, uploads_of

        found, passed_over = uploads_of(what)
        with telling(progress, "store") as tell:
            table = upload(
                self.source, found, study=study, workers=min(4, self.options.workers), tell=tell
            )
        table.attrs["passed_over"] = len(passed_over)
        failed = int(table["Outcome"].isin(["failed", "conflict"]).sum())
        if failed and raise_on_failure:
            raise StoreError(
                f"{failed} of {len(table)} instances were not stored; see .table.", table=table
            )
        return table

    def delete(self, ref: Any, *, expect: int | None = None) -> pd.DataFrame:
        """Delete a study, series or instance.

        Args:
            ref: what to delete. A table is as many things as its rows name, each once.
            expect: how many things that is; needed for more than one.

        Returns:
            One row a thing: UIDs, ``Outcome`` (``deleted``, ``deleting`` while the server goes
            on by itself, or ``failed``), ``Reason``, ``Operation``.

        Raises:
            RefError: a missing UID, or a number other than ``expect``; nothing was deleted.
            Unsupported: the server does not delete, or the folder is read-only.
            NotFound: the single thing is not there.
        """
        refs = refs_of(ref, base=self.source.address)
        if len(refs) != (1 if expect is None else expect):
            raise RefError(
                f"This names {len(refs)} things to delete, not {1 if expect is None else expect}. "
                f"Nothing was deleted; pass expect={len(refs)} if all of them are meant."
            )
        from dicomnb.transfer.deletion import delete

        table = delete(self.source, refs)
        if failed := int((table["Outcome"] == "failed").sum()):
            warn(f"{failed} of {len(table)} were not deleted; see Reason.")
        return table

    # -- the connection --------------------------------------------------------------------------

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
