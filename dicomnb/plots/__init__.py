"""Figures of images, volumes, values and studies: Matplotlib functions that take ``ax=``.

Pictures keep the shape of the patient (rows and columns by their spacing), say which window
they were made with, name the edges (R L A P S I) where the geometry is known, and bear a scale
bar where there is a spacing. Each function gives back the axes it drew on; nothing else of
pyplot is changed, and a figure is only made where no axes are given.
"""

from __future__ import annotations

from dicomnb.plots.calendar import timeline
from dicomnb.plots.cine import animate
from dicomnb.plots.counts import histogram
from dicomnb.plots.crosshair import planes
from dicomnb.plots.layers import overlay
from dicomnb.plots.pairs import compare
from dicomnb.plots.single import show
from dicomnb.plots.tiles import montage

__all__ = [
    "animate",
    "compare",
    "histogram",
    "montage",
    "overlay",
    "planes",
    "show",
    "timeline",
]
