"""`demo`: the demo archive behind a real server on this machine."""

from __future__ import annotations

import shutil
import weakref
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from dicomnb.connecting import connect
from dicomnb.local.folder import FolderSource
from dicomnb.options import Options
from dicomnb.samples.store import archive_folder
from dicomnb.server import serve
from dicomnb.web.auth import Bearer

if TYPE_CHECKING:
    from dicomnb.archive import Archive

__all__ = ["demo"]


def demo(*, flavour: Any = None) -> Archive:
    """An archive to try everything on, served over HTTP on this machine; read-only.

    Some 24 synthesised patients: CT, MR, PET, CR, ultrasound, segmentations, plans, reports,
    and the dirt of real archives. It is made on first use, in a few seconds, in the user's
    cache folder; `demo_labels` has its ground truth. The server ends with the archive.

    Args:
        flavour: None, or ``"google"`` for a server that behaves as Google's Cloud Healthcare
            API, token included; see `serve`. It publishes a copy that can be written to, as
            storing and deleting are half of what one tries there; the copy goes with it.

    Example:
        >>> archive = demo()
        >>> archive.series(Modality="PT")
    """
    if flavour is None:
        server = serve(archive_folder())
        archive = connect(server.url)
        weakref.finalize(archive, server.close)
        return archive
    with ExitStack() as undo:
        scratch = undo.enter_context(TemporaryDirectory(prefix="dicomnb-demo-"))
        folder = Path(scratch) / "demo"
        shutil.copytree(archive_folder(), folder)
        source = FolderSource(folder, options=Options(writable=True))
        undo.callback(source.discard)
        server = serve(source, flavour=flavour, writable=True)
        undo.callback(server.close)
        archive = connect(server.url, auth=Bearer(str(server.token)))
        weakref.finalize(archive, undo.pop_all().close)
    return archive
