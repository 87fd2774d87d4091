"""One image, step by step: bytes to stored values, to modality values, to a picture.

The steps in the standard's order (PS3.3 C.11, PS3.4 N.2), each to be called by itself; none
changes the data set it is given:

    >>> stored = dn.images.stored(ds)[0]               # (rows, columns), as stored
    >>> values = dn.images.modality(stored, ds)        # HU for CT
    >>> grey = dn.images.voi(values, ds, window="lung")
    >>> picture = dn.images.presentation(grey, ds)     # MONOCHROME1 turned round
    >>> picture = dn.images.picture(ds, window="lung")  # all of that at once

and beside them `real_world` and `suv` for quantities, `palette`, `ybr_to_rgb` and `to_srgb` for
colour, `overlays` and `burnt_in` for what lies over an image, `with_state`, `shuttered` and
`turned` for presentation states.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dicomnb.images.colour import palette, ybr_to_rgb
    from dicomnb.images.decode import decode as stored
    from dicomnb.images.display import display as picture
    from dicomnb.images.display import modality, presentation, voi, window_of
    from dicomnb.images.overlay_planes import Overlay, burnt_in, overlays
    from dicomnb.images.profiles import icc_profile, to_srgb
    from dicomnb.images.realworld import RealWorldMapping, real_world, real_world_mappings
    from dicomnb.images.standard_uptake import Uptake, suv, uptake
    from dicomnb.images.states import shuttered, turned, with_state
    from dicomnb.images.windows import PRESETS, Window, percentiles, window

__all__ = [
    "PRESETS",
    "Overlay",
    "RealWorldMapping",
    "Uptake",
    "Window",
    "burnt_in",
    "icc_profile",
    "modality",
    "overlays",
    "palette",
    "percentiles",
    "picture",
    "presentation",
    "real_world",
    "real_world_mappings",
    "shuttered",
    "stored",
    "suv",
    "to_srgb",
    "turned",
    "uptake",
    "voi",
    "window",
    "window_of",
    "with_state",
    "ybr_to_rgb",
]

_MODULES = {
    "colour": ("palette", "ybr_to_rgb"),
    "display": ("modality", "presentation", "voi", "window_of"),
    "overlay_planes": ("Overlay", "burnt_in", "overlays"),
    "profiles": ("icc_profile", "to_srgb"),
    "realworld": ("RealWorldMapping", "real_world", "real_world_mappings"),
    "standard_uptake": ("Uptake", "suv", "uptake"),
    "states": ("shuttered", "turned", "with_state"),
    "windows": ("PRESETS", "Window", "percentiles", "window"),
}
#: Public name → the module it is in, and its name there.
_LATE = {name: (module, name) for module, names in _MODULES.items() for name in names}
_LATE.update(stored=("decode", "decode"), picture=("display", "display"))


def __getattr__(name: str) -> Any:
    """Import what is asked for the first time; PEP 562."""
    if name not in _LATE:
        raise AttributeError(f"module 'dicomnb.images' has no attribute {name!r}")
    module, original = _LATE[name]
    return getattr(import_module(f"dicomnb.images.{module}"), original)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
