"""The part of an archive that retrieves: data sets, frames, volumes, pictures, files."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dicomnb.archive.connected import Connected
from dicomnb.errors import RefError
from dicomnb.files import atomic_write
from dicomnb.pool import closed_after
from dicomnb.refs import one_ref, refs_of
from dicomnb.source import Rendering
from dicomnb.transfer.events import Counter, Telling, telling
from dicomnb.transfer.planning import related_instances

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import pandas as pd
    import PIL.Image
    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from dicomnb.pool import Cancel
    from dicomnb.transfer.frames import Output
    from dicomnb.transfer.thumbnail import Habit
    from dicomnb.volumes.volume import Volume

__all__ = ["Retrieving"]


class Retrieving(Connected):
    """Instances and what is in them, as data sets, arrays, pictures and files."""

    @cached_property
    def _habit(self) -> Habit:
        """Of which levels the source has pictures, as far as that was seen."""
        from dicomnb.transfer.thumbnail import Habit

        return Habit()

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
            dataset = next(found)
            next(found, None)  # to the end of the answer: then its connection can be used again
            return dataset

    def datasets(
        self,
        ref: Any,
        *,
        pixels: bool = True,
        transfer_syntax: str = "*",
        progress: Telling = None,
        cancel: Cancel | None = None,
    ) -> Iterator[Dataset]:
        """Every instance in ``ref``, one at a time.

        Of a table of instances in the order of its rows, fetched side by side, or in one stream
        where they are a whole series; of studies and series in the order the source gives them.
        Only a few that wait for their turn are in memory.

        Args:
            pixels: False stops before the pixel data.
            transfer_syntax: UID to have the server transcode to; ``"*"`` leaves it as it is.
            progress: True for a bar, or a function that is told a `Progress`.
            cancel: a `Cancel` that another thread may set.

        Raises:
            NotFound: one of them is not there.
            ProtocolError: what came is another instance, or none.
            Cancelled: ``cancel`` was set.

        Example:
            >>> for row, ds in zip(table.itertuples(), archive.datasets(table)):
            ...     print(row.InstanceNumber, ds.PixelData[:4])
        """
        from dicomnb.transfer.ordered import Ordered

        refs = refs_of(ref, base=self.source.address)
        with telling(progress, "data sets") as tell:
            manner = Ordered(
                self.source,
                pixels=pixels,
                transfer_syntax=transfer_syntax,
                workers=self.options.usual_workers,
                counter=Counter(tell, total=related_instances(ref, refs)),
                cancel=cancel,
            )
            with closed_after(manner.read(refs)) as found:
                yield from found

    def measurements(self, ref: Any) -> pd.DataFrame:
        """The measurements of the structured reports in ``ref``, one row each (TID 1500).

        Args:
            ref: reports, or the series or studies that hold nothing else.

        Returns:
            As `dicomnb.measurements` describes it.

        Raises:
            ValueError: an instance is no structured report.

        Example:
            >>> archive.measurements(archive.series(Modality="SR"))
        """
        from dicomnb.tables.reports import measurements

        table = measurements(self.datasets(ref, pixels=False))
        table.attrs["connection"] = self._listing.connection
        return table

    def frames(
        self,
        ref: Any,
        numbers: int | Sequence[int] | None = None,
        *,
        output: Output = "stored",
        window: str | tuple[Any, ...] | None = None,
    ) -> NDArray[np.generic]:
        """Frames of one instance, fetched without the rest of it.

        Args:
            numbers: frame numbers from 1, in the order wanted; None for all. Frame n of a
                full fetch stands at index n − 1.
            output: ``"stored"`` values with their sign, colour as RGB; ``"modality"`` values
                (HU for CT, Gy for a dose); ``"real_world"`` values of the object's first such
                mapping; ``"suv"``, ``"suv_lbm"`` or ``"suv_bsa"`` of PET, by body weight, lean
                body mass or body surface area; ``"display"`` 8-bit grey or RGB, windowed as the
                object says.
            window: for ``"display"``: ``(center, width)``, or a name as ``"lung"``; see
                `dicomnb.images.voi`.

        Returns:
            (frames, rows, columns) or (frames, rows, columns, 3).

        Raises:
            ValueError: a frame number of 0, below, or past the last.
            RefError: ``ref`` is a series or study; `volume` takes a series.
            DecodeError: the pixels are damaged, or a codec is missing.
            UnitsError: SUV or real-world values cannot be known; names every reason.
        """
        from dicomnb.transfer.frames import frames

        refs = refs_of(ref, base=self.source.address)
        if len(refs) != 1 or refs[0].level != "instance":
            raise RefError(
                "Frames are those of a single instance. For the slices of a series as one "
                "array use archive.volume(series)."
            )
        return frames(
            self.source,
            refs[0],
            numbers,
            output=output,
            window=window,
            limits=self.options.limits,
            workers=self.options.usual_workers,
        )

    def volume(
        self,
        ref: Any,
        *,
        values: Literal["modality", "suv", "suv_lbm", "suv_bsa"] = "modality",
        strict: bool = True,
        lazy: bool = False,
        progress: Telling = None,
        cancel: Cancel | None = None,
    ) -> Volume:
        """A series of slices, or of multi-frame images, as one array with its geometry.

        Single-frame series, enhanced and legacy converted CT, MR and PET, parametric maps and
        dose grids. Images that differ in time, echo, b-value or the like at the same positions
        make a fourth axis, see ``volume.axis``. Localizers and stray slices of another
        orientation are set apart and told in ``volume.report``.

        Args:
            ref: a series, or a table of instances of one series.
            values: ``"modality"`` values (HU for CT), or of PET ``"suv"``, ``"suv_lbm"`` or
                ``"suv_bsa"``: by body weight, lean body mass or body surface area.
            strict: False returns the best volume there is when the slices are not one regular
                stack; ``volume.report`` then says what was wrong.
            lazy: fetch the metadata now and a slice only when it is indexed or drawn; the last
                ones are kept, up to ``limits.cache_bytes``. Values are those of the whole
                volume; since they are not known yet, its type is the narrowest that holds
                whatever Bits Stored, sign and rescale of the slices allow.
            progress: True for a bar, or a function that is told a `Progress`.
            cancel: a `Cancel` that another thread may set.

        Returns:
            `Volume`: (slices, rows, columns) in modality values (HU for CT), slices in order
            of their position, with the affine to patient coordinates (LPS, mm); with a fourth
            axis (stacks, slices, rows, columns).

        Raises:
            GeometryError: gaps, duplicates, other orientations, a tilted gantry; names them.
            ProtocolError: the server sent an instance of another series.
            RefError: ``ref`` is more than one series.
            UnitsError: SUV cannot be known; names every reason.
            Cancelled: ``cancel`` was set.
        """
        from dicomnb.transfer.stacking import Stacking
        from dicomnb.transfer.suv import in_suv, normalisation

        by = normalisation(values)
        refs = refs_of(ref, base=self.source.address)
        if not refs or len({one.at("series") for one in refs if one.series}) != 1:
            raise RefError(
                "A volume is made of one series: give a row of archive.series(…), or its instances."
            )
        if lazy:
            if by is not None:
                raise ValueError("A lazy volume is in modality values: values= needs lazy=False.")
            from dicomnb.transfer.lazy import lazy_volume

            workers, limits = self.options.usual_workers, self.options.limits
            return lazy_volume(self.source, refs, strict=strict, workers=workers, limits=limits)
        stacking = Stacking(
            self.source,
            refs,
            told=related_instances(ref, refs) if refs[0].level == "series" else None,
            strict=strict,
            workers=self.options.workers,
            limits=self.options.limits,
        )
        with telling(progress, "volume") as tell:
            stacking.fetch(tell, cancel=cancel)
            found = stacking.finish()
        return found if by is None else in_suv(self.source, found, refs[0], by=by)

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
    ) -> PIL.Image.Image | Path | list[PIL.Image.Image] | list[Path]:
        """A picture as the source draws it (PS3.18 section 10.4.1.1.3).

        Args:
            ref: an instance; a study or series where the source draws these.
            frame: frame number from 1.
            format: asked for as it is, never replaced by the other one: JPEG changes values.
            window: centre and width in modality values.
            viewport: width and height in pixels to fit in. Orthanc fills what is left of them
                with black.
            quality: JPEG quality, 1 to 100.
            to: a file to write the picture's own bytes to, untouched.

        Returns:
            ``PIL.Image``, or the path when ``to`` is given. Where the source sent several
            pictures, of each instance of a series or each frame, a list of them in its order;
            ``to="a.png"`` then writes ``a-1.png``, ``a-2.png``, ….

        Raises:
            Unsupported: the source cannot draw this, or not with these parameters or in this
                format.
            ProtocolError: what came is no picture.
            ValueError: a parameter out of range.
        """
        one = one_ref(ref, base=self.source.address)
        from dicomnb.transfer.reading import pictures
        from dicomnb.transfer.thumbnail import image_of

        found = pictures(self.source, one, Rendering(format, frame, window, viewport, quality))
        if to is None:
            images = [image_of(data, one, address=self.source.address) for data in found]
            return images if len(images) > 1 else images[0]
        path = Path(to).expanduser()
        paths = [path]
        if len(found) > 1:
            paths = [path.with_stem(f"{path.stem}-{n}") for n in range(1, len(found) + 1)]
        for data, place in zip(found, paths, strict=True):
            with atomic_write(place) as file:
                file.write(data)
        return paths if len(paths) > 1 else path

    def thumbnail(
        self, ref: Any, *, frame: int | None = None, size: int = 128, cancel: Cancel | None = None
    ) -> PIL.Image.Image:
        """A small picture of a study, series or instance, to tell it by.

        It is what the source keeps as a thumbnail (PS3.18 section 10.4.1.1.4); where it has
        none, a picture that it draws; where it draws none, one decoded here. For a study or
        series without a picture of its own stands the middle instance, of a study that of its
        largest series of images. What worked is remembered for this archive.

        Args:
            frame: frame number from 1, of an instance; None leaves the choice to the source,
                which mostly takes the middle or the first one.
            size: the longest side in pixels; smaller pictures are enlarged to it.
            cancel: a `Cancel` that another thread may set.

        Returns:
            ``PIL.Image``, grey or RGB.

        Raises:
            NotFound: there is no such thing, or nothing in it has pixels.
            DicomWebError: whatever else goes wrong on the way: it is not hidden by the next one.
            DecodeError: the source draws no picture, and the pixels are damaged.
            ValueError: ``size`` below 1, or there is no such frame.

        Example:
            >>> archive.thumbnail(series.iloc[0], size=256)
        """
        from dicomnb.transfer.thumbnail import thumbnail

        return thumbnail(
            self.source,
            one_ref(ref, base=self.source.address),
            frame=frame,
            size=size,
            habit=self._habit,
            limits=self.options.limits,
            cancel=cancel,
        )

    def bulkdata(self, uri: str) -> bytes:
        """The bytes behind a BulkDataURI of this archive (PS3.18 section 10.4.1.1.5).

        Raises:
            OriginRefused: the address lies outside this archive's server; nothing was sent.
        """
        with closed_after(self.source.bulk(uri)) as parts:
            return b"".join(part.read() for part in parts)

    def download(
        self,
        ref: Any,
        folder: str | Path,
        *,
        layout: str = "{StudyInstanceUID}/{SeriesInstanceUID}/{SOPInstanceUID}.dcm",
        transfer_syntax: str = "*",
        verify: bool = False,
        progress: Telling = None,
        cancel: Cancel | None = None,
    ) -> pd.DataFrame:
        """Write every instance in ``ref`` below ``folder``, its bytes as the server sent them.

        A file appears whole or not at all, after its own UIDs were found to be those asked for;
        one that is there already is never replaced. What is there is listed, with its SHA-256,
        in ``folder/.dicomnb-download.jsonl``: a download that was stopped or killed at any
        moment goes on with what is missing when it is called again.

        Args:
            layout: where each file goes: keywords in braces, formats as in Python, ``/`` between
                folders. Values are made safe for file names; where two instances come to the
                same name, the second gets some characters of its own added.
            transfer_syntax: UID to have the server transcode to; ``"*"`` leaves it as it is.
            verify: read files that are there again, instead of looking at their size and time.
            progress: True for a bar, or a function that is told a `Progress`: instances and
                bytes so far, speed, time left.
            cancel: a `Cancel` that another thread may set; what was finished is kept.

        Returns:
            One row an instance: UIDs, ``Outcome`` (``downloaded``, ``already there``,
            ``conflict``: a file of that name holds other bytes and was kept, or ``failed``),
            ``Reason``, ``File``, ``Bytes`` and ``SHA256``. Of a study or series that could not
            be had at all, one row without the UIDs below it.

        Raises:
            DicomnbError: nothing at all could be had: the first failure.
            AuthError, ConnectionFailed: the server refuses the account, or is gone.
            DiskFull: there is no room.
            BadQuery, ValueError: the layout names no attribute, or leads out of the folder.
            Cancelled: ``cancel`` was set. Like every error that ends it early, it has the rows
                so far as its ``table``.

        Example:
            >>> archive.download(series, "data", layout="{PatientID}/{SOPInstanceUID}.dcm")
        """
        from dicomnb.transfer.download import Manner, download

        refs = refs_of(ref, base=self.source.address)
        manner = Manner(layout, transfer_syntax, verify, self.options.workers)
        place = Path(folder).expanduser()
        with telling(progress, "download") as tell:
            return download(self.source, refs, place, manner=manner, tell=tell, cancel=cancel)
