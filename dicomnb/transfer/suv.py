"""A PET volume in standardised uptake values: the factor from the metadata of one slice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dicomnb.errors import UnitsError
from dicomnb.images.headers import text
from dicomnb.images.standard_uptake import uptake
from dicomnb.refs import Ref
from dicomnb.transfer.frames import header_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dicomnb.images.standard_uptake import Normalisation
    from dicomnb.source import Source
    from dicomnb.volumes.volume import Volume

__all__ = ["in_suv", "normalisation"]


_BY: Mapping[str, Normalisation | None] = {
    "modality": None,
    "suv": "bw",
    "suv_lbm": "lbm",
    "suv_bsa": "bsa",
}


def normalisation(values: str) -> Normalisation | None:
    """What ``values=`` of a volume normalises by; None for modality values.

    Raises:
        ValueError: an unknown word.
    """
    if values not in _BY:
        raise ValueError(f"values={values!r}: it is one of {', '.join(_BY)}.")
    return _BY[values]


def in_suv(source: Source, volume: Volume, ref: Ref, *, by: Normalisation) -> Volume:
    """The same volume in SUV, float32.

    Args:
        source: to read the metadata of one of its slices from.
        volume: in the modality values of the files.
        ref: its series, or an instance of it.
        by: what to normalise by; see `dicomnb.images.uptake`.

    Raises:
        UnitsError: the factor cannot be known; names every reason.
    """
    instance = Ref(ref.study, ref.series, str(volume.slices["SOPInstanceUID"].iloc[0]))
    header, _ = header_of(source, instance, None)
    found = uptake(header, by=by)
    if not text(header, "Units"):
        raise UnitsError(
            f"{instance.path} tells its units by real-world values only, which its volume is not "
            "in. archive.frames(…, output='suv') reads it frame by frame."
        )
    values = np.multiply(volume.array, np.float32(found.factor), dtype=np.float32)
    return replace(volume, array=values, units=found.units, windows=())
