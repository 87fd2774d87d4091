"""DICOM JSON → typed DataFrame: columns are keywords, types come from VR and VM."""

from __future__ import annotations

from dicomnb.tables.build import TableBuilder
from dicomnb.tables.collector import collector_paused
from dicomnb.tables.columns import IDENTITY, columns_for, identity_columns
from dicomnb.tables.frames import frame_rows
from dicomnb.tables.oddities import issues_of
from dicomnb.tables.shape import Shape

__all__ = [
    "IDENTITY",
    "Shape",
    "TableBuilder",
    "collector_paused",
    "columns_for",
    "frame_rows",
    "identity_columns",
    "issues_of",
]
