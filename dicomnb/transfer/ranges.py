"""Frames in one answer, or the rest of them in large ranges where the line makes these faster."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from time import monotonic
from typing import TYPE_CHECKING

from dicomnb.errors import ProtocolError
from dicomnb.pool import Cancel, closed_after, side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dicomnb.refs import Ref
    from dicomnb.source import Source
    from dicomnb.transfer.landing import Arrived
    from dicomnb.wire.parts import Part

    Read = Callable[[Part, int], Arrived]

__all__ = ["Flow", "frames_in_ranges", "range_size"]

PROBE_SECONDS = 0.2
"""How long the line is watched before anything is concluded from it."""
PROBE_FRAMES = 4
RANGES_IN_FLIGHT = 4
RANGE_BYTES = 16 << 20
"""What a range may hold: twice as many ranges as are in flight wait in memory at most."""
WORTH_IT = 0.6
"""How much of the time may be left for a change of ways to pay."""
ATTEMPTS = 3
"""How often frames are asked for whose answer is cut."""
PAUSE_SECONDS = 0.2


@dataclass(frozen=True)
class Flow:
    """How one answer with many frames has run so far.

    Attributes:
        latency: seconds from asking to the first frame.
        seconds: spent waiting for the line since then.
        frames: how many came.
        bytes: how many they had together.
    """

    latency: float
    seconds: float
    frames: int
    bytes: int


def range_size(flow: Flow, *, left: int, in_flight: int = RANGES_IN_FLIGHT) -> int | None:
    """How many frames a range should have; None where the one answer is best kept.

    Each range waits as long for its first frame as the one answer did (servers open the whole
    instance for it), and its frames come as slowly as those did. So ranges are as large as
    memory allows while all those in flight have some. Where frames come as fast as they are
    taken, nothing is gained.

    Args:
        flow: of the one answer.
        left: frames that are still to come.
        in_flight: how many ranges may be.
    """
    if flow.seconds < PROBE_SECONDS or flow.frames < PROBE_FRAMES:
        return None
    size = max(1, min(_most(flow), ceil(left / in_flight)))
    each = flow.seconds / flow.frames
    rounds = ceil(ceil(left / size) / in_flight)
    pays = rounds * (flow.latency + size * each) < WORTH_IT * left * each
    return size if pays else None


def _most(flow: Flow) -> int:
    """How many frames fit a range's memory."""
    return max(1, RANGE_BYTES * flow.frames // max(1, flow.bytes))


def frames_in_ranges(
    source: Source,
    ref: Ref,
    numbers: Sequence[int],
    *,
    read: Read,
    workers: int,
    cancel: Cancel | None = None,
) -> Iterator[Arrived]:
    """Frames in the order asked for, as `Source.frames` gives them, sooner on a slow line.

    It begins with one request for all, the best way on a fast line, watches how they come, and
    asks for the rest in ranges side by side where that pays. Frames whose answer breaks off are
    asked for again, never those that came.

    Args:
        read: takes a frame out of its answer, given its place among those asked for; called from
            several threads, and again for a frame whose answer breaks off in it.
        workers: ranges in flight at most, of which there are never many.

    Raises:
        ProtocolError: an answer was cut again and again, or more frames came than were asked for.
    """
    came = size = 0
    in_flight = min(RANGES_IN_FLIGHT, workers)
    begin, first, waited, total = monotonic(), 0.0, 0.0, 0
    try:
        with closed_after(source.frames(ref, numbers, cancel=cancel)) as parts:
            while (part := next(parts, None)) is not None:
                one = read(part, _checked(came, numbers, ref))
                came, total = came + 1, total + one.size
                waited += monotonic() - begin
                if came == 1:
                    first, waited = waited, 0.0
                yield one
                flow = Flow(first, waited, came, total)
                size = range_size(flow, left=len(numbers) - came, in_flight=in_flight) or 0
                if size:
                    break
                begin = monotonic()
    except ProtocolError as error:
        if not error.cut or came >= len(numbers):
            raise
        size = len(numbers) if not came else _most(Flow(first, waited, came, total))
    if size:
        yield from _ranges(source, ref, numbers, came, size, read, in_flight, cancel)


def _checked(place: int, numbers: Sequence[int], ref: Ref) -> int:
    if place >= len(numbers):
        raise ProtocolError(f"Asked for {len(numbers)} frames of {ref.path}; more came.")
    return place


def _ranges(
    source: Source,
    ref: Ref,
    numbers: Sequence[int],
    came: int,
    size: int,
    read: Read,
    in_flight: int,
    cancel: Cancel | None,
) -> Iterator[Arrived]:
    """The frames after those that ``came``, ``size`` a request, several in flight, in order."""
    starts = range(came, len(numbers), size)

    def fetched(start: int, inner: Cancel) -> list[Arrived]:
        wanted = numbers[start : start + size]
        return _persistently(
            source, ref, wanted, lambda part, place: read(part, start + place), inner
        )

    workers = min(in_flight, len(starts))
    every = side_by_side(fetched, starts, workers=workers, cancel=cancel)
    with closed_after(every):
        for frames in every:
            yield from frames


def _persistently(
    source: Source, ref: Ref, numbers: Sequence[int], read: Read, cancel: Cancel
) -> list[Arrived]:
    """The frames of one range; those that an answer lacks are asked for again."""
    found: list[Arrived] = []
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with closed_after(source.frames(ref, numbers[len(found) :], cancel=cancel)) as parts:
                for part in parts:
                    found.append(read(part, _checked(len(found), numbers, ref)))
            break
        except ProtocolError as error:
            if not error.cut or attempt == ATTEMPTS:
                raise
        if len(found) >= len(numbers):
            break  # all came whole before the end of the answer broke off
        cancel.wait(PAUSE_SECONDS * attempt)
    return found
