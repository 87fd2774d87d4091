"""Panels for notebooks: searching, looking, fetching, uploading and deleting without leaving one.

Each panel is a widget with its state in traits. What is a patient's, rows and pixels and names,
travels as custom messages and never stands in a trait that a notebook would save.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dicomnb.widgets.connecting import ConnectPanel
    from dicomnb.widgets.deleting import DeletePanel
    from dicomnb.widgets.explorer import Explorer
    from dicomnb.widgets.retrieving import RetrievePanel
    from dicomnb.widgets.searching import SearchPanel
    from dicomnb.widgets.uploading import UploadPanel
    from dicomnb.widgets.viewer import Viewer

__all__ = [
    "ConnectPanel",
    "DeletePanel",
    "Explorer",
    "RetrievePanel",
    "SearchPanel",
    "UploadPanel",
    "Viewer",
]

_MODULES = {
    "ConnectPanel": "dicomnb.widgets.connecting",
    "DeletePanel": "dicomnb.widgets.deleting",
    "Explorer": "dicomnb.widgets.explorer",
    "RetrievePanel": "dicomnb.widgets.retrieving",
    "SearchPanel": "dicomnb.widgets.searching",
    "UploadPanel": "dicomnb.widgets.uploading",
    "Viewer": "dicomnb.widgets.viewer",
}


def __getattr__(name: str) -> Any:
    """Import a panel when it is first used; PEP 562."""
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'dicomnb.widgets' has no attribute {name!r}")
