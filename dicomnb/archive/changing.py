"""The part of an archive that changes what is there: storing and deleting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dicomnb.archive.connected import Connected
from dicomnb.errors import RefError, StoreError, warn
from dicomnb.refs import refs_of
from dicomnb.transfer.events import Telling, telling

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Changing"]


class Changing(Connected):
    """Storing and deleting, with an outcome for each thing."""

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
