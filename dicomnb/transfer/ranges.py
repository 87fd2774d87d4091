"""Frames in one answer, or the rest of them in large ranges where the line makes these faster."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from time import monotonic
from typing import TYPE_CHECKING

from dicomnb.errors import ProtocolError
from dicomnb.pool import Cancel, closed_after, side_by_side
from dicomnb.wire.parts import BytesPart

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dicomnb.refs import Ref
    from dicomnb.source import Source
    from dicomnb.wire.parts import Part

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


def range_size(flow: Flow, *, left: int) -> int | None:
    """How many frames a range should have; None where the one answer is best kept.

    Each range waits as long for its first frame as the one answer did (servers open the whole
    instance for it), and its frames come as slowly as those did. So ranges are as large as
    memory allows while all those in flight have some. Where frames come as fast as they are
    taken, nothing is gained.

    Args:
        flow: of the one answer.
        left: frames that are still to come.
    """
    if flow.seconds < PROBE_SECONDS or flow.frames < PROBE_FRAMES:
        return None
    size = max(1, min(_most(flow), ceil(left / RANGES_IN_FLIGHT)))
    each = flow.seconds / flow.frames
    rounds = ceil(ceil(left / size) / RANGES_IN_FLIGHT)
    pays = rounds * (flow.latency + size * each) < WORTH_IT * left * each
    return size if pays else None


def _most(flow: Flow) -> int:
    """How many frames fit a range's memory."""
    return max(1, RANGE_BYTES * flow.frames // max(1, flow.bytes))


def frames_in_ranges(
    source: Source, ref: Ref, numbers: Sequence[int], *, cancel: Cancel | None = None
) -> Iterator[Part]:
    """Frames in the order asked for, as `Source.frames` gives them, sooner on a slow line.

    It begins with one request for all, the best way on a fast line, watches how they come, and
    asks for the rest in ranges side by side where that pays. Frames whose answer breaks off are
    asked for again, never those that came.

    Raises:
        ProtocolError: an answer was cut again and again.
    """
    came = size = 0
    begin, first, waited, total = monotonic(), 0.0, 0.0, 0
    try:
        with closed_after(source.frames(ref, numbers, cancel=cancel)) as parts:
            while (part := next(parts, None)) is not None:
                whole = _whole(part)
                came, total = came + 1, total + (whole.length or 0)
                waited += monotonic() - begin
                if came == 1:
                    first, waited = waited, 0.0
                yield whole
                flow = Flow(first, waited, came, total)
                size = range_size(flow, left=len(numbers) - came) or 0
                if size:
                    break
                begin = monotonic()
    except ProtocolError as error:
        if not error.cut or came >= len(numbers):
            raise
        size = len(numbers) if not came else _most(Flow(first, waited, came, total))
    if size:
        yield from _ranges(source, ref, numbers[came:], size, cancel)


def _ranges(
    source: Source, ref: Ref, numbers: Sequence[int], size: int, cancel: Cancel | None
) -> Iterator[Part]:
    """The frames, ``size`` a request, several requests in flight, in order."""
    pieces = [numbers[start : start + size] for start in range(0, len(numbers), size)]

    def fetched(piece: Sequence[int], inner: Cancel) -> list[BytesPart]:
        return _persistently(source, ref, piece, inner)

    workers = min(RANGES_IN_FLIGHT, len(pieces))
    every = side_by_side(fetched, pieces, workers=workers, cancel=cancel)
    with closed_after(every):
        for parts in every:
            yield from parts


def _persistently(
    source: Source, ref: Ref, numbers: Sequence[int], cancel: Cancel
) -> list[BytesPart]:
    """The frames of one range; those that an answer lacks are asked for again."""
    found: list[BytesPart] = []
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with closed_after(source.frames(ref, numbers[len(found) :], cancel=cancel)) as parts:
                found.extend(map(_whole, parts))
            break
        except ProtocolError as error:
            if not error.cut or attempt == ATTEMPTS:
                raise
        if len(found) >= len(numbers):
            break  # all came whole before the end of the answer broke off
        cancel.wait(PAUSE_SECONDS * attempt)
    return found


def _whole(part: Part) -> BytesPart:
    """The part in memory: it outlives the answer it came in."""
    return BytesPart(
        part.read(),
        media_type=part.media_type,
        transfer_syntax=part.transfer_syntax,
        location=part.location,
    )
