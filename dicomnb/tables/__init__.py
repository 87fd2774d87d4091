"""DICOM JSON → typed DataFrame: columns are keywords, types come from VR and VM."""

from __future__ import annotations

from dicomnb.tables.build import TableBuilder
from dicomnb.tables.collector import collector_paused
from dicomnb.tables.columns import IDENTITY, columns_for, identity_columns
from dicomnb.tables.oddities import issues_of

__all__ = [
    "IDENTITY",
    "TableBuilder",
    "collector_paused",
    "columns_for",
    "identity_columns",
    "issues_of",
]
