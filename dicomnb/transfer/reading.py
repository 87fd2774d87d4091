"""Reading instances: as data sets, as a volume, as pictures."""

from __future__ import annotations

import io
from math import inf, isfinite
from numbers import Integral
from typing import TYPE_CHECKING

from pydicom import dcmread

from dicomnb.errors import NotFound, ProtocolError, warn
from dicomnb.pool import closed_after
from dicomnb.transfer.events import Counter
from dicomnb.transfer.fetching import fetch
from dicomnb.transfer.identity import NO_INSTANCE, check_asked, parts_of
from dicomnb.transfer.planning import Job, jobs_of, listed
from dicomnb.volumes.builder import VolumeBuilder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydicom.dataset import Dataset

    from dicomnb.limits import Limits
    from dicomnb.pool import Cancel
    from dicomnb.refs import Ref
    from dicomnb.source import Rendering, Source
    from dicomnb.transfer.events import Tell
    from dicomnb.volumes.volume import Volume
    from dicomnb.wire.parts import Part

__all__ = ["datasets", "pictures", "volume"]


def datasets(
    source: Source,
    ref: Ref,
    *,
    pixels: bool,
    transfer_syntax: str,
    cancel: Cancel | None = None,
) -> Iterator[Dataset]:
    """The instances of ``ref`` as data sets, in the order of the source.

    Raises:
        ProtocolError: an instance came that was not asked for, or no DICOM.
        NotFound: none came.
    """
    found = parts_of(source, ref, transfer_syntax=transfer_syntax, cancel=cancel)
    with closed_after(found) as parts:
        for part in parts:
            try:
                dataset = dcmread(io.BytesIO(part.read()), stop_before_pixels=not pixels)
            except NO_INSTANCE as error:
                raise ProtocolError(
                    f"A part of {ref.path} is no DICOM instance: {error}", url=source.address
                ) from error
            check_asked(dataset, ref)
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


def volume(
    source: Source,
    refs: Sequence[Ref],
    *,
    told: int | None = None,
    strict: bool,
    workers: int,
    limits: Limits,
    tell: Tell,
    cancel: Cancel | None = None,
) -> Volume:
    """Fetch and arrange a volume; slices are read into one stack as they arrive.

    Args:
        refs: one series, or instances of it.
        told: how many instances the series' row says it has; else a search counts them.
    """
    jobs = list(jobs_of(source, refs, told=told, cancel=cancel))
    if refs[0].level == "series" and told is None:
        found, count = listed(source, refs[0], cancel=cancel)
        jobs = [Job(refs[0], tuple(found) if len(found) == count > 0 else None, told=count or None)]
    counts = [job.count for job in jobs]
    expected = None if None in counts else sum(filter(None, counts))
    builder = VolumeBuilder(expected or None, strict=strict, limits=limits)
    progress = Counter(tell, total=expected or None)

    def add(part: Part, ref: Ref) -> None:
        builder.add(part)
        progress.finished(part.length or 0)

    fetch(source, jobs, add, workers=workers, cancel=cancel)
    return builder.finish()
