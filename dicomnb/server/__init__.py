"""Publish a folder, or any other source, as a DICOMweb server (PS3.18).

with dicomnb.serve("scans/") as url:
    dicomnb.connect(url).studies()
"""

from __future__ import annotations

from dicomnb.server.serving import Server, serve

__all__ = ["Server", "serve"]
