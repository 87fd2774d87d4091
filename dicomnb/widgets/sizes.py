"""How large a fetch will be, and whether there is room for it, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dicomnb.transfer.room import free_disk, free_memory
from dicomnb.widgets.quantities import counted, in_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from dicomnb.refs import Ref
    from dicomnb.transfer.sizes import Size
    from dicomnb.widgets.fetches import Target
    from dicomnb.widgets.wanted import Wanted

__all__ = [
    "Room",
    "needed",
    "no_volume",
    "not_one_series",
    "room_for",
    "room_in_words",
    "size_in_words",
    "suitable",
    "too_large",
    "volume_refs",
]

_FLOATS = frozenset({"PT", "NM", "RTDOSE"})
"""Modalities whose values are mostly no whole numbers, so that they are float32."""
_WITHOUT_IMAGES = frozenset(
    {"SR", "PR", "KO", "RTSTRUCT", "RTPLAN", "RTRECORD", "AU", "ECG", "DOC"}
)
_FEW = 50
"""Up to so many instances go into memory unasked, rather than into a folder."""


@dataclass(frozen=True)
class Room:
    """How much room there is; None for what this system does not tell.

    Attributes:
        memory: free bytes of memory.
        disk: free bytes on the disk of the folder.
        place: the folder's absolute path.
    """

    memory: int | None = None
    disk: int | None = None
    place: str = ""


def room_for(folder: Path) -> Room:
    """What is free now; looks at the disk, which may take time."""
    return Room(free_memory(), free_disk(folder), str(folder.absolute()))


def volume_refs(wanted: Wanted, size: Size | None) -> tuple[Ref, ...]:
    """The series a volume would be made of, or instances of it: also the only one of a study.

    Empty where these are several series, or it was not found out yet that there is but one.
    """
    if wanted.is_one_series:
        return wanted.refs
    return () if size is None or size.only_series is None else (size.only_series,)


def not_one_series(wanted: Wanted, size: Size | None) -> str:
    """What to do where what is selected is not one series, or is not known to be; else empty."""
    if volume_refs(wanted, size):
        return ""
    if size is None and len(wanted.refs) == 1:
        return "How many series this study has is being found out: fetch when its size is told."
    return "A volume is made of one series: select a single one, or choose data sets."


def no_volume(wanted: Wanted, size: Size | None) -> str:
    """Why what is selected makes no volume, in words; empty where it may make one."""
    if not volume_refs(wanted, size):
        return "only of a single series"
    modalities = set(size.modalities if size and size.modalities else wanted.modalities)
    if modalities and modalities <= {"SEG"}:
        return "archive.segmentation reads these"
    if modalities and modalities <= _WITHOUT_IMAGES:
        return "there are no images"
    if size is None or size.pixel_bytes is None:
        return ""
    if not size.slices:
        return "there are no images"
    return "these are in colour" if size.samples_per_pixel > 1 else ""


def suitable(wanted: Wanted, size: Size | None) -> Target:
    """What a person would most likely want: a volume of a series of images, little in memory."""
    count = wanted.told if size is None or size.instances is None else size.instances
    several = (count or 2) if size is None or size.pixel_bytes is None else size.slices
    if several > 1 and not no_volume(wanted, size):
        return "volume"
    return "datasets" if count is not None and 0 < count <= _FEW else "folder"


def needed(target: Target, size: Size, modalities: tuple[str, ...]) -> int | None:
    """Bytes that a fetch needs, of memory or of the disk; None where nobody can say."""
    if target != "volume":
        return size.pixel_bytes if size.stored_bytes is None else size.stored_bytes
    if not size.pixel_bytes:
        return None
    is_float = bool(_FLOATS & set(size.modalities or modalities))
    return max(size.pixel_bytes, size.samples * (4 if is_float else 1))


def size_in_words(size: Size) -> str:
    """``"300 instances, 158 MB uncompressed"``."""
    about = "" if size.is_exact else "about "
    parts = []
    if size.instances is not None:
        parts.append(f"{about}{counted(size.instances, 'instance')}")
    if size.slices > size.images:
        parts.append(f"{about}{counted(size.slices, 'frame')}")
    if size.stored_bytes is not None:
        parts.append(f"{in_bytes(size.stored_bytes)} as stored")
    if size.pixel_bytes:
        parts.append(f"{about}{in_bytes(size.pixel_bytes)} uncompressed")
    elif size.pixel_bytes == 0:
        parts.append("no images")
    elif size.stored_bytes is None:
        parts.append("the source does not tell how large they are")
    words = ", ".join(parts)
    return f"{words[:1].upper()}{words[1:]}"


def room_in_words(target: Target, needs: int | None, room: Room) -> str:
    """What a fetch takes of what is free: ``"4.1 MB of memory, 22 GB are free"``."""
    free, kind = _free(target, room)
    parts = [] if needs is None else [f"about {in_bytes(needs)} of {kind}"]
    parts += [] if free is None else [f"{in_bytes(free)} free"]
    return ", ".join(parts)


def too_large(target: Target, needs: int | None, room: Room) -> str:
    """A warning where a fetch will not fit; empty where it does, or nobody can say."""
    free, kind = _free(target, room)
    if needs is None or free is None or needs <= free:
        return ""
    words = f"This takes about {in_bytes(needs)} of {kind}, and {in_bytes(free)} are free: it "
    if target == "folder":
        return (
            f"{words}will stop when the disk of {room.place!r} is full, and can go on when there "
            "is room. Choose another folder, or select less."
        )
    if target == "volume":
        return f"{words}may not fit. Fetch slices only as they are looked at, or select less."
    return f"{words}may not fit. Fetch into a folder, or select less."


def _free(target: Target, room: Room) -> tuple[int | None, str]:
    return (room.disk, "disk") if target == "folder" else (room.memory, "memory")
