"""A volume in 3D: an ipyniivue widget that is fed with the volume as NIfTI, offline."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.errors import missing
from dicomnb.images.windows import choose
from dicomnb.volumes.exchange import to_nifti

if TYPE_CHECKING:
    from dicomnb.volumes.placed import Placed

__all__ = ["to_niivue"]

_READ = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
"""Types that NiiVue reads."""
_INPUT = ("data", "img", "hdr")
"""What an ipyniivue volume keeps of its pixels and of who they are of."""


def to_niivue(volume: Placed, *, window: Any, height: int, keep: bool, options: Any) -> Any:
    """See `Volume.to_niivue`."""
    try:
        from ipyniivue import NiiVue
    except ImportError as error:
        raise missing("ipyniivue", "A volume in 3D", extra="niivue") from error
    array = np.asarray(volume.array)
    chosen = choose(array, window, named=volume.windows, modality=volume.modality)
    low, high = chosen.center - chosen.width / 2, chosen.center + chosen.width / 2
    data = _bytes(volume)
    # As radiologists look: the patient's right at the left of the picture.
    made = NiiVue(height=height, **{"is_radiological_convention": True, **options})

    def load() -> None:
        shown = {"name": "volume.nii", "data": data, "cal_min": low, "cal_max": high}
        made.load_volumes([shown])

    if keep:
        load()
    else:
        # A widget's state is what a notebook saves: pixels are in it from when the browser can
        # draw them until it has them.
        made.on_canvas_attached(load)
        made.on_image_loaded(_forget)
    return made


def _bytes(volume: Placed) -> bytes:
    """The volume as a NIfTI file that says of nobody whom it shows."""
    array = np.asarray(volume.array)
    if array.dtype.kind != "b" and array.dtype.name not in _READ:
        array = array.astype(np.float32 if array.dtype.kind == "f" else np.float64)
    image = to_nifti(replace(volume, array=array))
    image.header.extensions.clear()
    data: bytes = image.to_bytes()
    return data


def _forget(shown: Any) -> None:
    """Take the pixels out of the state; the browser has drawn them."""
    for name in _INPUT:
        # They may be set once only, says ipyniivue, which does not expect them to go.
        shown._trait_values[name] = None
    shown.send_state(list(_INPUT))
