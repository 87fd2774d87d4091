"""Medical images from any DICOMweb server, in a notebook.

    import dicomnb as dn

    archive = dn.demo()                        # or dn.connect(URL, folder or Google store)
    series = archive.series(Modality="CT")     # a pandas DataFrame
    volume = archive.volume(series.iloc[0])    # (slices, rows, columns) in HU, with its affine
    dn.plots.montage(volume)                   # a Matplotlib figure
    dn.browse(archive)                         # all of it in a panel

Heavy modules (Matplotlib, the server, google-auth) are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dicomnb import accessor as _accessor  # noqa: F401  registers df.dicom
from dicomnb.archive import Archive
from dicomnb.connecting import connect
from dicomnb.errors import (
    AuthError,
    BadQuery,
    Cancelled,
    ConnectionFailed,
    DecodeError,
    DicomnbError,
    DicomnbWarning,
    DicomWebError,
    DiskFull,
    GeometryError,
    LimitExceeded,
    NoDicom,
    NotFound,
    OriginRefused,
    ProtocolError,
    RefError,
    ServerError,
    StillRunning,
    StoreError,
    Throttled,
    UnitsError,
    Unsupported,
)
from dicomnb.limits import Limits
from dicomnb.options import Options
from dicomnb.pool import Cancel
from dicomnb.refs import Ref
from dicomnb.version import __version__ as __version__

if TYPE_CHECKING:
    from dicomnb import google, images, plots, volumes, widgets
    from dicomnb.samples import demo, demo_labels
    from dicomnb.server import serve
    from dicomnb.tables.reports import measurements
    from dicomnb.tables.saved import load_table, save_table
    from dicomnb.transfer.saved import read_multipart
    from dicomnb.volumes.volume import Volume
    from dicomnb.web.auth import Bearer
    from dicomnb.widgets.explorer import browse

__all__ = [
    "Archive",
    "AuthError",
    "BadQuery",
    "Bearer",
    "Cancel",
    "Cancelled",
    "ConnectionFailed",
    "DecodeError",
    "DicomWebError",
    "DicomnbError",
    "DicomnbWarning",
    "DiskFull",
    "GeometryError",
    "LimitExceeded",
    "Limits",
    "NoDicom",
    "NotFound",
    "Options",
    "OriginRefused",
    "ProtocolError",
    "Ref",
    "RefError",
    "ServerError",
    "StillRunning",
    "StoreError",
    "Throttled",
    "UnitsError",
    "Unsupported",
    "Volume",
    "browse",
    "connect",
    "demo",
    "demo_labels",
    "google",
    "images",
    "load_table",
    "measurements",
    "plots",
    "read_multipart",
    "save_table",
    "serve",
    "volumes",
    "widgets",
]

_LATE = {
    "Bearer": "dicomnb.web.auth",
    "Volume": "dicomnb.volumes.volume",
    "browse": "dicomnb.widgets.explorer",
    "demo": "dicomnb.samples",
    "demo_labels": "dicomnb.samples",
    "load_table": "dicomnb.tables.saved",
    "measurements": "dicomnb.tables.reports",
    "read_multipart": "dicomnb.transfer.saved",
    "save_table": "dicomnb.tables.saved",
    "serve": "dicomnb.server",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for the first time; PEP 562."""
    if name in ("google", "images", "plots", "volumes", "widgets"):
        return import_module(f"dicomnb.{name}")
    if name in _LATE:
        return getattr(import_module(_LATE[name]), name)
    raise AttributeError(f"module 'dicomnb' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
