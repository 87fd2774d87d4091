"""Data sets of many instances in the order of a table: side by side, or out of one stream."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from dicomnb.errors import ProtocolError, ServerError, Unsupported
from dicomnb.pool import closed_after, side_by_side
from dicomnb.transfer.planning import jobs_of
from dicomnb.transfer.reading import datasets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydicom.dataset import Dataset

    from dicomnb.pool import Cancel
    from dicomnb.refs import Ref
    from dicomnb.source import Source
    from dicomnb.transfer.events import Counter
    from dicomnb.transfer.planning import Job

__all__ = ["Ordered"]

HELD = 64
"""How many data sets of a stream may wait for their turn; beyond, the rest is asked for singly."""


class Ordered:
    """Reads data sets in the order of refs.

    Args:
        source: where they are.
        pixels: whether with pixel data.
        transfer_syntax: as for `Source.instances`.
        workers: requests in flight.
        counter: counts data sets and their bytes as they come.
        cancel: stops it.
    """

    def __init__(
        self,
        source: Source,
        *,
        pixels: bool,
        transfer_syntax: str,
        workers: int,
        counter: Counter | None = None,
        cancel: Cancel | None = None,
    ) -> None:
        self._source = source
        self._pixels = pixels
        self._syntax = transfer_syntax
        self._workers = workers
        self._counter = counter
        self._cancel = cancel

    def read(self, refs: Sequence[Ref]) -> Iterator[Dataset]:
        """The data sets of instances in their order; of studies and series in the source's.

        Instances are asked for side by side, at most twice as many as requests in flight wait
        in memory; where they are a whole series, they come in one stream, of which `HELD` wait.

        Raises:
            NotFound: one of them is not there.
            Cancelled: asked to stop.
        """
        if not refs or refs[0].level != "instance":
            for ref in refs:
                yield from self._stream(ref)
            return
        jobs = list(jobs_of(self._source, refs, cancel=self._cancel))
        if [one for job in jobs for one in job.wanted or ()] != list(refs):
            yield from self._singly(refs, {})  # series that alternate
            return
        for is_series, group in groupby(jobs, lambda job: job.only):
            if is_series:
                for job in group:
                    yield from self._series(job)
            else:
                yield from self._singly([job.ref for job in group], {})

    def _stream(self, ref: Ref, cancel: Cancel | None = None) -> Iterator[Dataset]:
        return datasets(
            self._source,
            ref,
            pixels=self._pixels,
            transfer_syntax=self._syntax,
            counter=self._counter,
            cancel=cancel or self._cancel,
        )

    def _series(self, job: Job) -> Iterator[Dataset]:
        """The instances of a whole series; those that a stream does not bring, singly."""
        left = list(reversed(job.wanted or ()))
        wanted = {ref.instance for ref in left}
        waiting: dict[str | None, Dataset] = {}
        try:
            with closed_after(self._stream(job.ref)) as found:
                for dataset in found:
                    uid = str(dataset.SOPInstanceUID)
                    if uid in wanted:
                        waiting[uid] = dataset
                    while left and left[-1].instance in waiting:
                        wanted.discard(left[-1].instance)
                        yield waiting.pop(left.pop().instance)
                    if len(waiting) > HELD:
                        break
        except (ProtocolError, ServerError, Unsupported) as error:
            # A long answer that breaks, or that the server is too slow or unable to make at once.
            if isinstance(error, ProtocolError) and not error.cut:
                raise
        yield from self._singly(left[::-1], waiting)

    def _singly(self, refs: Sequence[Ref], waiting: dict[str | None, Dataset]) -> Iterator[Dataset]:
        """One request an instance, side by side, but for those that are here already."""

        def one(ref: Ref, cancel: Cancel) -> Dataset:
            known = waiting.pop(ref.instance, None)
            if known is not None:
                return known
            with closed_after(self._stream(ref, cancel)) as found:
                dataset = next(found)
                next(found, None)  # to the end of the answer: its connection can be used again
                return dataset

        every = side_by_side(one, refs, workers=min(self._workers, len(refs)), cancel=self._cancel)
        with closed_after(every):
            yield from every
