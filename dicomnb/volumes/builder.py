"""`VolumeBuilder`: makes a `Volume` of instances as they arrive."""

from __future__ import annotations

import os
import threading
from collections import Counter, deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dicomnb.errors import DecodeError, GeometryError, NoDicom
from dicomnb.images.outlined import Recall
from dicomnb.images.part10 import read_instance
from dicomnb.images.pixels import UNREADABLE, name_of
from dicomnb.limits import Limits
from dicomnb.volumes.assembly import assembled, type_of
from dicomnb.volumes.frames import frames_of
from dicomnb.volumes.geometry import arrange
from dicomnb.volumes.slices import Slice, values_of, why_no_slice
from dicomnb.volumes.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from dicomnb.images.part10 import PartialInstance
    from dicomnb.images.pixels import PixelFormat
    from dicomnb.volumes.slices import Values
    from dicomnb.volumes.volume import Volume
    from dicomnb.wire.parts import Part

__all__ = ["VolumeBuilder"]


class VolumeBuilder:
    """Puts images into one stack as they arrive, frame by frame, and makes a `Volume` of it.

    Uncompressed pixels are read straight into the stack, compressed ones are decoded into it
    by threads while the next instance arrives; order and rescale are then worked out in
    place. The memory taken is that of the volume, a slice, and what waits to be decoded.

    `add` may be called from several threads.

    Args:
        expected: how many instances will come, or None; a wrong number costs time, not truth.
        strict: see `dicomnb.volumes.geometry.arrange`. Not strict, instances that are no slices
            at all are left out and reported. The attribute may be changed, also after `finish`
            has raised a `GeometryError`: what was added is still there then.
        workers: threads that decode; None for as many as cores.
        limits: bounds; ``pixel_bytes`` holds for the volume.
    """

    def __init__(
        self,
        expected: int | None = None,
        *,
        strict: bool = True,
        workers: int | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._expected = expected
        self.strict = strict
        self._limits = limits or Limits()
        self._workers = workers or os.cpu_count() or 1
        self._changed = threading.Condition()
        self._stacks: dict[tuple[int, int, int], Stack] = {}
        self._filling: Counter[tuple[int, int, int]] = Counter()
        self._slices: list[Slice] = []
        self._notes: list[str] = []
        self._arrived = 0
        self._large: Stack | None = None
        self._hoped: int | None = None
        self._recall = Recall()
        self._pool: ThreadPoolExecutor | None = None
        self._waiting = threading.BoundedSemaphore(2 * self._workers)
        self._decoding: deque[Future[None]] = deque()

    def expect(self, count: int) -> None:
        """Say how many instances will come in all, where that was not known at first."""
        with self._changed:
            self._expected = self._hoped = count

    def add(self, part: Part) -> None:
        """Take the next instance, in any order.

        An instance that breaks off, of many frames or one, leaves nothing behind, so that it can
        be added anew.

        Args:
            part: an ``application/dicom`` instance, of which nothing was read yet.

        Raises:
            NoDicom: it is not DICOM.
            DecodeError: this instance, or one before it, is cut or damaged.
            GeometryError: it can be no slice: no pixels, colour, a whole slide (if strict).
            LimitExceeded: the volume grows too large.
        """
        instance = read_instance(part, limits=self._limits, recall=self._recall)
        try:
            pixels = None if instance.keyword is None else instance.pixels
            why = why_no_slice(instance.header, pixels)
        except UNREADABLE as error:
            raise DecodeError(f"The header of an instance is damaged: {error}") from error
        if why or pixels is None:
            if self.strict:
                raise GeometryError(f"{why} Pass strict=False to leave it out.")
            with self._changed:
                self._notes.append(f"Left out: {why}")
            return
        over = (instance.length or 0) - pixels.total_bytes
        if over >= max(pixels.frame_bytes, 2):  # one byte makes the length even
            with self._changed:
                self._notes.append(
                    f"{name_of(instance.header)} holds {over:,} bytes more than those of its "
                    f"{pixels.frames} frames: NumberOfFrames may be wrong. They are passed over."
                )
        if pixels.is_plain and "ModalityLUTSequence" not in instance.header:
            self._read_plain(instance, self._slices_of(instance, pixels))
            return
        values = values_of(instance)  # says so if there are not as many frames as there should
        for one, decoded in zip(self._slices_of(instance, pixels), values, strict=True):
            if pixels.is_native:
                with self._place(one) as target:
                    one.fill(target, decoded)
            else:
                self._decode_later(one, decoded)

    def _read_plain(self, instance: PartialInstance, frames: list[Slice]) -> None:
        """Read uncompressed frames into their places, all of them or none."""
        try:
            for one in frames:
                with self._place(one) as target:
                    one.read_plain(instance, target)
        except BaseException:
            with self._changed:
                came = {id(one) for one in frames}
                for one in [one for one in self._slices if id(one) in came]:
                    self._slices.remove(one)
                    self._stacks[one.header.size].free(one.place)
            raise

    def _slices_of(self, instance: PartialInstance, pixels: PixelFormat) -> list[Slice]:
        """What is known of each frame, in the order of the file."""
        try:
            found = [Slice.of(view, pixels) for view in frames_of(instance.header, pixels.frames)]
        except UNREADABLE as error:
            raise DecodeError(f"The header of an instance is damaged: {error}") from error
        with self._changed:
            for place, one in enumerate(found):
                one.arrival = self._arrived
                one.following = len(found) - place - 1
                self._arrived += 1
        return found

    def finish(self) -> Volume:
        """Wait for what is being decoded, put the slices in order and rescale them.

        The builder is empty once it gave a volume.

        Raises:
            NoDicom: nothing was added.
            GeometryError: the slices make no regular volume; the message names them. They are
                kept, for `strict` may be changed.
            DecodeError: an instance is damaged.
        """
        self._finish_decoding(all_of_it=True)
        if not self._slices:
            if self._notes:
                raise GeometryError("No instance is a slice. " + " ".join(self._notes))
            raise NoDicom("No instance came, so there is no volume: is the series empty?")
        slices = sorted(self._slices, key=lambda one: one.arrival)
        arrangement = arrange([one.header for one in slices], strict=self.strict)
        chosen = [slices[index] for index in arrangement.order]
        stack = self._stacks.pop(chosen[0].header.size)
        self._stacks.clear()
        self._slices.clear()
        self._large = None
        stack.keep([one.place for one in chosen])
        kind = type_of(chosen)
        array = stack.convert([one.stored for one in chosen], [one.left for one in chosen], kind)
        if arrangement.axis is not None:
            array = array.reshape(len(arrangement.axis), -1, *array.shape[1:])
        return assembled(array, chosen, arrangement, notes=self._notes)

    @contextmanager
    def _place(self, one: Slice) -> Iterator[np.ndarray[Any, Any]]:
        """A place in the stack for a slice, which counts once it has been filled."""
        size = one.header.size
        with self._changed:
            stack = self._stack_for(one)
            if stack is self._large and self._hoped and not self._filling[size]:
                stack.make_room(self._hoped)
                self._hoped = None
            while stack.is_full and self._filling[size]:  # growing moves what others fill
                self._changed.wait()
            if stack.is_full:
                stack.grow()
            one.place = stack.add()
            self._filling[size] += 1
            target = stack.slice(one.place, one.stored)
        try:
            stack.touch(one.place)
            yield target
        except BaseException:
            with self._changed:
                stack.free(one.place)
            raise
        else:
            with self._changed:
                self._slices.append(one)
        finally:
            with self._changed:
                self._filling[size] -= 1
                self._changed.notify_all()

    def _stack_for(self, one: Slice) -> Stack:
        """The stack for slices of this size; the first that is no localizer is the large one."""
        size = one.header.size
        if size not in self._stacks:
            left = None if self._expected is None else self._expected - one.arrival
            if one.following:
                left = max(left or 0, one.following + 1)
            few = one.header.is_localizer or bool(self._stacks)
            made = Stack(*size, expected=1 if few else left, bound=self._limits.pixel_bytes)
            self._stacks[size] = made
            if not few:
                self._large = made
        return self._stacks[size]

    def _decode_later(self, one: Slice, values: Values) -> None:
        """Hand a compressed slice to the decoding threads, waiting while they are far behind."""
        self._finish_decoding(all_of_it=False)
        with self._changed:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="dicomnb-decode")
        self._waiting.acquire()

        def work() -> None:
            try:
                with self._place(one) as target:
                    one.fill(target, values)
            finally:
                self._waiting.release()

        future = self._pool.submit(work)
        with self._changed:
            self._decoding.append(future)

    def _finish_decoding(self, *, all_of_it: bool) -> None:
        """Look at finished decodes, or wait for all; the first failure is raised here."""
        while True:
            with self._changed:
                if not self._decoding or not (all_of_it or self._decoding[0].done()):
                    break
                future = self._decoding.popleft()
            future.result()
        if all_of_it and self._pool is not None:
            self._pool.shutdown()
            self._pool = None
