"""The part of an archive that changes what is there: storing and deleting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from dicomnb.archive.connected import Connected
from dicomnb.errors import RefError, StoreError, warn
from dicomnb.refs import Ref, cut_off, refs_of
from dicomnb.transfer.events import Telling, telling

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from dicomnb.images.encode_pixels import Encoding
    from dicomnb.pool import Cancel
    from dicomnb.transfer.items import Item
    from dicomnb.wire.storing import StoreForm

__all__ = ["Changing", "meant_to_be_deleted"]


class Changing(Connected):
    """Storing and deleting, with an outcome for each thing."""

    def store(
        self,
        what: Any = None,
        *,
        study: str | None = None,
        form: Literal["multipart", "single"] = "multipart",
        raise_on_failure: bool = False,
        retry: pd.DataFrame | None = None,
        progress: Telling = None,
        cancel: Cancel | None = None,
    ) -> pd.DataFrame:
        """Store instances (PS3.18 section 10.5).

        Files are streamed from their disk, data sets encoded a few at a time; a file that
        changes or vanishes meanwhile is a row that failed, and nothing of it is stored. The first
        files of a folder are sent while others are looked at.

        Args:
            what: a file, a folder (with all below it), a glob, data sets, bytes, or a list or
                iterator of these. Files in folders that are not DICOM are passed over and
                counted in ``attrs["passed_over"]``.
            study: a StudyInstanceUID that all must belong to.
            form: ``"multipart"``, several instances a request, as the standard has it; or
                ``"single"``, each as the whole body of a request, which Google and some others
                take. A server that does not is `Unsupported`: no other form is tried.
            raise_on_failure: raise `StoreError`, which holds the table, if any failed.
            retry: the table of an earlier store: what failed, conflicts too, is sent again, files
                from where they are, data sets and bytes if ``what`` gives them again. The
                result is that table with the new outcomes.
            progress: True for a bar, or a function that is told `Progress`.
            cancel: a token that stops it; `Cancelled` has the outcomes so far as ``table``.

        Returns:
            One row an instance, in order: UIDs, ``Outcome`` (``stored``, ``warned``,
            ``already there``, ``conflict`` or ``failed``), ``Code``, ``Reason``,
            ``RetrieveURL``, ``Name`` and, of what came from a file, ``File``.

        Raises:
            NoDicom: there is nothing to store.
            Unsupported: the place is read-only; a folder takes ``writable=True``. Or the
                server does not take this form.
            DicomWebError: requests failed, and none was answered.

        Example:
            >>> table = archive.store("new_scans/")
            >>> table = archive.store(retry=table)  # those that failed
        """
        from dicomnb.transfer.again import again, merged
        from dicomnb.transfer.given import items_of

        if form not in ("multipart", "single"):
            raise ValueError(f"form={form!r}: it is 'multipart' or 'single'.")
        if what is None and retry is None:
            raise TypeError("store needs something to store, or retry=table.")
        found = items_of(what) if what is not None else None
        if retry is None and found is not None:
            table = self._sent(found, study, form, progress, cancel)
        elif retry is not None:
            places, items = again(retry, found or ())
            news = self._sent(items, study, form, progress, cancel)
            table = merged(retry, places, news)
        table.attrs["passed_over"] = len(found.passed_over) if found is not None else 0
        return _judged(table, raise_on_failure)

    def _sent(
        self,
        items: Iterable[Item],
        study: str | None,
        form: StoreForm,
        progress: Telling,
        cancel: Cancel | None,
    ) -> pd.DataFrame:
        from dicomnb.transfer.upload import upload

        if study is not None:
            Ref(study)  # what is no UID is told before anything is sent
        with telling(progress, "store") as tell:
            return upload(
                self.source,
                items,
                study=study,
                form=form,
                workers=min(4, self.options.workers),
                tell=tell,
                cancel=cancel,
            )

    def store_images(
        self,
        images: Any,
        *,
        metadata: Any = None,
        like: Any = None,
        same_series: bool = False,
        encode: Encoding = "rle",
        form: Literal["multipart", "json"] | None = None,
        raise_on_failure: bool = False,
        retry: pd.DataFrame | None = None,
        progress: Telling = None,
        cancel: Cancel | None = None,
    ) -> pd.DataFrame:
        """Make instances of images, and store them.

        JPEG (baseline, extended, lossless), JPEG-LS, JPEG 2000, HTJ2K and RLE are stored byte
        for byte, a JP2 file without its boxes; EXIF that a camera wrote into a JPEG goes with
        it. PNG, Pillow pictures and arrays are encoded without loss. What describes the pixels
        is read from the image; what belongs to the SOP Class and is not given is there, empty
        where it is not known.

        Google makes the instance itself, of JSON metadata and the image; elsewhere the Part 10
        instance is made here, of the same bytes. The table tells which.

        Args:
            images: a path or glob, bytes, a Pillow picture, an array ((rows, columns) or
                (frames, rows, columns), or either with a last axis of 3; 8 or 16 bits), or a
                list of these. A list within the list makes one instance of several frames.
            metadata: attributes by keyword, as DICOM JSON or as a data set; or a list of
                these, one an image. RLE needs Rows and Columns. SOPClassUID is otherwise
                Secondary Capture, or visible light by Modality (XC, ES, GM).
            like: a data set, row or ref to take the patient's and the study's identifiers
                from; never the SOPInstanceUID.
            same_series: whether the series' are taken as well, so that the image joins it.
            encode: how what has no codestream is encoded: ``"rle"``, which every server and
                toolkit decodes, ``"jpeg-ls"`` or ``"jpeg-2000"``, which are smaller.
            form: ``"json"`` or ``"multipart"`` (Part 10) whatever the server is known for.
            retry: the table of an earlier call with the same images: those that failed are
                stored again, under the UIDs that the table has for them.
            raise_on_failure, progress, cancel: as for `store`.

        Returns:
            The table of `store`, and ``TransferSyntaxUID``, ``Encoding`` (what was done with
            the image, in words) and ``Form``. An image that cannot be stored is a row.

        Raises:
            BadQuery: metadata with a keyword that the dictionary does not know.
            RefError: ``like`` does not say what is meant.

        Example:
            >>> archive.store_images("photo.jpg", like=ds, metadata={"Modality": "XC"})
        """
        from dicomnb.images.encode_pixels import ENCODINGS
        from dicomnb.transfer.again import merged, remade
        from dicomnb.transfer.pictures import pictures_of, pictures_with_headers

        if form not in (None, "multipart", "json"):
            raise ValueError(f"form={form!r}: it is 'multipart', 'json' or None.")
        if encode not in ENCODINGS:
            raise ValueError(f"encode={encode!r}: it is one of {', '.join(map(repr, ENCODINGS))}.")
        items = pictures_with_headers(
            pictures_of(images),
            metadata=metadata,
            like=like,
            same_series=same_series,
            encoding=encode,
            form=form,
            source=self.source,
        )
        if retry is None:
            table = self._sent(items, None, "multipart", progress, cancel)
        else:
            places = remade(retry, items)
            chosen = [items[place] for place in places]
            table = merged(retry, places, self._sent(chosen, None, "multipart", progress, cancel))
        return _judged(table, raise_on_failure)

    def delete(
        self,
        ref: Any,
        *,
        wait: bool = True,
        expect: int | None = None,
        time_limit: float | None = 600.0,
        progress: Telling = None,
    ) -> pd.DataFrame:
        """Delete a study, series or instance.

        A server may go on by itself after it has answered (Google does, for studies and
        series); its searches may name what was deleted for some seconds more.

        Args:
            ref: what to delete. A table is as many things as its rows name, each once.
            wait: whether to wait until it is done; False hands back the ``Operation``.
            expect: how many things that is; needed for more than one.
            time_limit: seconds to wait for each at most; None as long as it takes.
            progress: True for a bar, or a function that is told a `Progress`.

        Returns:
            One row a thing: UIDs, ``Outcome`` (``deleted``, ``deleting`` while the server goes
            on by itself, or ``failed``), ``Reason``, and ``Operation``, which can be waited for;
            None where it ended well or there was none.

        Raises:
            RefError: a missing UID, a row of a series or instance without its UID, or a number
                other than ``expect``; nothing was deleted.
            Unsupported: the server does not delete (405), or the folder is read-only.
            NotFound: the single thing is not there.

        Example:
            >>> archive.delete(study, wait=False)["Operation"].iloc[0].wait(progress=True)
        """
        refs = meant_to_be_deleted(ref, base=self.source.address)
        if len(refs) != (1 if expect is None else expect):
            raise RefError(
                f"This names {len(refs)} things to delete, not {1 if expect is None else expect}. "
                f"Nothing was deleted; pass expect={len(refs)} if all of them are meant."
            )
        from dicomnb.transfer.deletion import delete

        unit = "instance" if len(refs) == 1 else refs[0].level if refs else "thing"
        with telling(progress, "delete", unit=unit) as tell:
            table = delete(self.source, refs, wait=wait, time_limit=time_limit, tell=tell)
        if failed := int((table["Outcome"] == "failed").sum()):
            warn(f"{failed} of {len(table)} were not deleted; see Reason.")
        if wait and (running := int((table["Outcome"] == "deleting").sum())):
            warn(f"{running} of {len(table)} are still being deleted; see Reason and Operation.")
        return table


def meant_to_be_deleted(what: Any, *, base: str) -> list[Ref]:
    """What `Changing.delete` takes something to mean, each once; nothing is asked of anybody.

    Args:
        what: refs, as for `Changing.delete`.
        base: the address that a RetrieveURL must begin with.

    Raises:
        RefError: it does not say what is meant, or seems to mean less than its UIDs say.
    """
    refs = refs_of(what, base=base)
    if column := cut_off(what):
        raise RefError(
            f"What is to be deleted has {column}, but lacks the UID of what that describes: "
            f"it would mean the whole {refs[0].level if refs else 'study'}. Nothing was "
            "deleted; give dicomnb.Ref(study, series, …) for what is meant."
        )
    return refs


def _judged(table: pd.DataFrame, raise_on_failure: bool) -> pd.DataFrame:
    failed = int(table["Outcome"].isin(["failed", "conflict"]).sum())
    if failed and raise_on_failure:
        raise StoreError(
            f"{failed} of {len(table)} instances were not stored; see .table.", table=table
        )
    return table
