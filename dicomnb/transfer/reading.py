"""Reading a series: which requests to make, and how their parts become a volume."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydicom import dcmread

from dicomnb.errors import NotFound, ProtocolError
from dicomnb.pool import closed_after, side_by_side
from dicomnb.query import Query
from dicomnb.transfer.events import Progress
from dicomnb.transfer.identity import NO_INSTANCE, check_asked, identified, parts_of
from dicomnb.volumes.builder import VolumeBuilder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pydicom.dataset import Dataset

    from dicomnb.limits import Limits
    from dicomnb.pool import Cancel
    from dicomnb.refs import Ref
    from dicomnb.source import Rendering, Source
    from dicomnb.transfer.events import Tell
    from dicomnb.volumes.volume import Volume
    from dicomnb.wire.parts import Part

__all__ = ["ReadPlan", "datasets", "picture", "read", "read_plan", "volume"]


@dataclass(frozen=True)
class ReadPlan:
    """How the instances of a series are asked for.

    Attributes:
        requests: one stream for the whole, or refs to be asked for side by side.
        expected: how many instances there should be, or None when nobody said.
    """

    requests: tuple[Ref, ...]
    expected: int | None


def read_plan(source: Source, refs: Sequence[Ref], *, told: int | None = None) -> ReadPlan:
    """One stream a series: on the servers measured it beats a request an instance by far.

    Refs of single instances are a request each.

    Args:
        told: how many instances the series' row says it has; else a search counts them.
    """
    if refs[0].level == "instance":
        return ReadPlan(tuple(refs), len(refs))
    counted = told or sum(page.count for page in source.search(Query("instance", within=refs[0])))
    return ReadPlan(tuple(refs), int(counted) or None)


def read(
    source: Source,
    plan: ReadPlan,
    consume: Callable[[Part], None],
    *,
    workers: int,
    cancel: Cancel | None = None,
) -> None:
    """Hand every part of the plan to ``consume``, which may be called from several threads.

    Raises:
        ProtocolError: an instance came that was not asked for.
    """

    def ask(ref: Ref, inner: Cancel | None) -> None:
        # Closing the iterator frees its connection, also when `consume` raises.
        with closed_after(parts_of(source, ref, cancel=inner)) as parts:
            for part in parts:
                consume(identified(part, ref))

    if len(plan.requests) == 1:
        ask(plan.requests[0], cancel)
        return
    every = side_by_side(ask, plan.requests, workers=workers, cancel=cancel, ordered=False)
    with closed_after(every):
        for _ in every:
            pass


def datasets(source: Source, ref: Ref, *, pixels: bool, transfer_syntax: str) -> Iterator[Dataset]:
    """The instances of ``ref`` as data sets, in the order of the source.

    Raises:
        ProtocolError: an instance came that was not asked for, or no DICOM.
        NotFound: none came.
    """
    with closed_after(parts_of(source, ref, transfer_syntax=transfer_syntax)) as parts:
        for part in parts:
            try:
                dataset = dcmread(io.BytesIO(part.read()), stop_before_pixels=not pixels)
            except NO_INSTANCE as error:
                raise ProtocolError(
                    f"A part of {ref.path} is no DICOM instance: {error}", url=source.address
                ) from error
            check_asked(dataset, ref)
            yield dataset


def picture(source: Source, ref: Ref, asked: Rendering) -> bytes:
    """A picture's own bytes, as the source draws it; see `Archive.rendered`.

    Raises:
        ValueError: a format that is not ``"png"`` or ``"jpeg"``.
        NotFound: no picture came.
    """
    if asked.format not in ("png", "jpeg"):
        raise ValueError(f"format={asked.format!r}: it is 'png' or 'jpeg'.")
    with closed_after(source.rendered(ref, asked)) as parts:
        for part in parts:
            return part.read()
    raise NotFound(f"No picture came for {ref.path}.", url=source.address)


def volume(
    source: Source,
    plan: ReadPlan,
    *,
    strict: bool,
    workers: int,
    limits: Limits,
    tell: Tell,
    cancel: Cancel | None = None,
) -> Volume:
    """Fetch and arrange a volume; slices are read into one stack as they arrive."""
    builder = VolumeBuilder(plan.expected, strict=strict, limits=limits)
    lock = threading.Lock()
    done, moved = 0, 0

    def add(part: Part) -> None:
        nonlocal done, moved
        builder.add(part)
        with lock:
            done += 1
            moved += part.length or 0
            tell(Progress(done, moved, plan.expected))

    read(source, plan, add, workers=workers, cancel=cancel)
    return builder.finish()
