"""How elements begin in each byte order, as tables (PS3.5 section 7.1)."""

from __future__ import annotations

import struct

from dicomnb.attributes import attribute

__all__ = ["HEADS", "ITEM_HEADS", "LENGTHS", "LONG_CODES", "SHORT_CODES", "VARYING"]

VARYING = frozenset(
    int(attribute(keyword).tag, 16)
    for keyword in (
        "InstanceCreationTime", "SOPInstanceUID", "AcquisitionTime", "ContentTime",
        "AcquisitionDateTime", "XRayTubeCurrent", "TriggerTime", "InstanceNumber",
        "ImagePositionPatient", "SliceLocation", "SmallestImagePixelValue",
        "LargestImagePixelValue", "WindowCenter", "WindowWidth",
    )
)  # fmt: skip
"""What mostly differs from one instance to the next: a run of elements ends before it."""

_SHORT = ("AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "PN", "SH",
          "SL", "SS", "ST", "TM", "UI", "UL", "US")  # fmt: skip
_LONG = ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV")
HEADS = {order: struct.Struct(f"{order}HHHH").unpack_from for order in "<>"}
"""Group, element, VR, length of two bytes."""
ITEM_HEADS = {order: struct.Struct(f"{order}HHI").unpack_from for order in "<>"}
"""Group, element, length of an item."""
LENGTHS = {order: struct.Struct(f"{order}I").unpack_from for order in "<>"}
"""A length of four bytes."""


def _codes(order: str, vrs: tuple[str, ...]) -> dict[int, str]:
    """VRs by their two letters read as a number."""
    return {struct.unpack(f"{order}H", vr.encode())[0]: vr for vr in vrs}


SHORT_CODES = {order: _codes(order, _SHORT) for order in "<>"}
"""VRs with a length of two bytes."""
LONG_CODES = {order: _codes(order, _LONG) for order in "<>"}
"""VRs with a length of four bytes."""
