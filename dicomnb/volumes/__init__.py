"""Series as volumes: which slices make one grid, where it lies, and what is done with it.

What ``archive.volume``, ``archive.segmentation`` and ``archive.structures`` give, and its parts,
by name: for type hints, and to be made of arrays of one's own.
"""

from __future__ import annotations

from dicomnb.volumes.axis import Axis
from dicomnb.volumes.lazy import LazyArray
from dicomnb.volumes.planes import Plane
from dicomnb.volumes.segmentation import Segmentation
from dicomnb.volumes.structures import Structures
from dicomnb.volumes.volume import Volume
from dicomnb.volumes.writing import Algorithm

__all__ = ["Algorithm", "Axis", "LazyArray", "Plane", "Segmentation", "Structures", "Volume"]
