"""`demo`: the demo archive behind a real server on this machine."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from dicomnb.connecting import connect
from dicomnb.samples.store import archive_folder
from dicomnb.server import serve

if TYPE_CHECKING:
    from dicomnb.archive import Archive

__all__ = ["demo"]


def demo() -> Archive:
    """An archive to try everything on, served over HTTP on this machine; read-only.

    Some 24 synthesised patients: CT, MR, PET, CR, ultrasound, segmentations, plans, reports,
    and the dirt of real archives. It is made on first use, in a few seconds, in the user's
    cache folder; `demo_labels` has its ground truth. The server ends with the archive.

    Example:
        >>> archive = demo()
        >>> archive.series(Modality="PT")
    """
    server = serve(archive_folder())
    archive = connect(server.url)
    weakref.finalize(archive, server.close)
    return archive
