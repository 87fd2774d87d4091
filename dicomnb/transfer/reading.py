"""Reading instances: as data sets, as pictures."""

from __future__ import annotations

import io
from math import inf, isfinite
from numbers import Integral
from typing import TYPE_CHECKING

from pydicom import dcmread

from dicomnb.errors import NotFound, ProtocolError, warn
from dicomnb.pool import closed_after
from dicomnb.transfer.events import Counted
from dicomnb.transfer.identity import NO_INSTANCE, check_asked, parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom.dataset import Dataset

    from dicomnb.pool import Cancel
    from dicomnb.refs import Ref
    from dicomnb.source import Rendering, Source
    from dicomnb.transfer.events import Counter

__all__ = ["datasets", "pictures"]


def datasets(
    source: Source,
    ref: Ref,
    *,
    pixels: bool,
    transfer_syntax: str,
    counter: Counter | None = None,
    cancel: Cancel | None = None,
) -> Iterator[Dataset]:
    """The instances of ``ref`` as data sets, in the order of the source.

    Args:
        pixels: False stops before the pixel data.
        transfer_syntax: as for `Source.instances`.
        counter: counts them and their bytes.
        cancel: stops it.

    Raises:
        ProtocolError: an instance came that was not asked for, or no DICOM.
        NotFound: none came.
    """
    found = parts_of(source, ref, transfer_syntax=transfer_syntax, cancel=cancel)
    with closed_after(found) as parts:
        for part in parts:
            came = part if counter is None else Counted(part, counter)
            try:
                dataset = dcmread(io.BytesIO(came.read()), stop_before_pixels=not pixels)
            except NO_INSTANCE as error:
                raise ProtocolError(
                    f"A part of {ref.path} is no DICOM instance: {error}", url=source.address
                ) from error
            check_asked(dataset, ref)
            if counter is not None:
                counter.finished()
            yield dataset


def pictures(source: Source, ref: Ref, asked: Rendering) -> list[bytes]:
    """The bytes of a picture, as the source draws it, or of several; see `Archive.rendered`.

    Raises:
        ValueError: a format that is not ``"png"`` or ``"jpeg"``; a number out of range.
        NotFound: no picture came.
        ProtocolError: several came for a single frame.
    """
    _check(asked)
    came = []
    with closed_after(source.rendered(ref, asked)) as parts:
        for part in parts:
            kind = part.media_type
            if kind.startswith("image/") and kind != f"image/{asked.format}":
                warn(f"Asked for a picture as image/{asked.format}; the source sent {kind}.")
            came.append(part.read())
    if not came:
        raise NotFound(f"No picture came for {ref.path}.", url=source.address)
    if len(came) > 1 and asked.frame is not None:
        raise ProtocolError(
            f"Asked for frame {asked.frame} of {ref.path}; {len(came)} pictures came.",
            url=source.address,
        )
    return came


def _check(asked: Rendering) -> None:
    """Refuse what no server draws before it is asked."""
    if asked.format not in ("png", "jpeg"):
        raise ValueError(f"format={asked.format!r}: it is 'png' or 'jpeg'.")
    if asked.quality is not None and not 1 <= asked.quality <= 100:
        raise ValueError(f"quality={asked.quality}: it lies between 1 and 100.")
    if asked.viewport is not None and not all(
        isinstance(side, Integral) and side >= 1 for side in asked.viewport
    ):
        raise ValueError(f"viewport={asked.viewport}: width and height are whole numbers from 1.")
    if asked.window is not None:
        center, width = asked.window
        if not (isfinite(center) and 0 < width < inf):
            raise ValueError(f"window={asked.window}: (center, width), the width above 0.")
