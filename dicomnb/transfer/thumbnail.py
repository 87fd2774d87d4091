"""Small pictures: the source's own, else what it draws, else decoded here."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dicomnb.errors import BadQuery, DicomWebError, NotFound, ProtocolError
from dicomnb.pool import closed_after
from dicomnb.representative import has_none, middle
from dicomnb.source import Rendering
from dicomnb.transfer.frames import frames, header_of

if TYPE_CHECKING:
    from typing import Any

    import numpy as np
    import PIL.Image

    from dicomnb.limits import Limits
    from dicomnb.pool import Cancel
    from dicomnb.refs import Ref
    from dicomnb.source import Source

__all__ = ["Habit", "image_of", "thumbnail"]

_OFTEN = 3
"""How often a level must have had no picture before the source is not asked for it any more."""


@dataclass
class Habit:
    """Of which levels a source has shown to have pictures; kept as long as the connection.

    That one object has none (it may be a report) says nothing of the next. Threads that use it
    at once may lose a count, which costs a request.
    """

    given: set[str] = field(default_factory=set)
    lacked: Counter[str] = field(default_factory=Counter)

    def asks(self, level: str) -> bool:
        """Whether it is worth asking."""
        return level in self.given or self.lacked[level] < _OFTEN


def thumbnail(
    source: Source,
    ref: Ref,
    *,
    frame: int | None,
    size: int,
    habit: Habit,
    limits: Limits,
    cancel: Cancel | None = None,
) -> PIL.Image.Image:
    """A small picture of a study, series, instance or frame; see `Archive.thumbnail`."""
    if size < 1:
        raise ValueError(f"size={size}: it is the longest side in pixels, 1 or more.")
    if frame is not None and (ref.level != "instance" or frame < 1):
        raise BadQuery("frame= is the number, from 1, of a frame of an instance.")
    asked = Rendering(None, frame, viewport=(size, size), thumbnail=True)
    lacked = []
    while True:
        if habit.asks(ref.level):
            try:
                data = _picture(source, ref, asked, cancel)
            except DicomWebError as error:
                if not has_none(error):
                    raise
                lacked.append(ref.level)
            else:
                habit.given.add(ref.level)
                made = image_of(data, ref, address=source.address)
                break
        if ref.level == "instance":
            made = _decoded(source, ref, frame, limits, cancel)
            break
        ref = middle(source, ref, cancel=cancel)
    habit.lacked.update(lacked)
    return _scaled(made, size)


def _picture(source: Source, ref: Ref, asked: Rendering, cancel: Cancel | None) -> bytes:
    """The bytes of a picture, of several (of a series, say) those of the middle one."""
    with closed_after(source.rendered(ref, asked, cancel=cancel)) as parts:
        pictures = [part.read() for part in parts]
    if not pictures:
        raise NotFound(f"No picture came for {ref.path}.", url=source.address)
    return pictures[len(pictures) // 2]


def image_of(data: bytes, ref: Ref, *, address: str) -> PIL.Image.Image:
    """A picture's bytes as an image.

    Raises:
        ProtocolError: they are none.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(io.BytesIO(data))
    except UnidentifiedImageError as error:
        raise ProtocolError(f"What came for {ref.path} is no picture.", url=address) from error


def _decoded(
    source: Source, ref: Ref, frame: int | None, limits: Limits, cancel: Cancel | None
) -> PIL.Image.Image:
    """The picture of an instance, out of its pixels.

    Raises:
        NotFound: it is not there, or has no pixels.
    """
    header, keyword = header_of(source, ref, cancel)
    if header.get("Rows") is None:
        raise NotFound(f"{ref.path} has no pixels to make a picture of.", url=source.address)
    chosen = int(header.get("NumberOfFrames") or 1) // 2 + 1 if frame is None else frame
    shown: np.ndarray[Any, Any] = frames(
        source,
        ref,
        chosen,
        output="display",
        limits=limits,
        workers=1,
        cancel=cancel,
        known=(header, keyword),
    )
    from dicomnb.images.render import picture

    return picture(shown[0])


def _scaled(image: PIL.Image.Image, size: int) -> PIL.Image.Image:
    """The whole picture, its longest side ``size``."""
    from PIL import Image

    scale = size / max(image.size)
    sides = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    if image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    image.load()
    return image if sides == image.size else image.resize(sides, Image.Resampling.LANCZOS)
