"""`Stacking`: a series that is fetched into a volume, and goes on where it was stopped."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from dicomnb.transfer.events import Counted, Counter
from dicomnb.transfer.fetching import fetch
from dicomnb.transfer.planning import Job, Listing, jobs_of, listed
from dicomnb.volumes.builder import VolumeBuilder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dicomnb.limits import Limits
    from dicomnb.pool import Cancel
    from dicomnb.refs import Ref
    from dicomnb.source import Source
    from dicomnb.transfer.events import Tell
    from dicomnb.volumes.volume import Volume
    from dicomnb.wire.parts import Part

__all__ = ["Stacking"]


class Stacking:
    """Fetches and arranges a volume; slices are read into one stack as they arrive.

    Args:
        source: where they are.
        refs: one series, or instances of it.
        told: how many instances the series' row says it has; else a search counts them while
            the first ones come.
        strict: see `Archive.volume`.
        workers: requests in flight.
        limits: bounds.
    """

    def __init__(
        self,
        source: Source,
        refs: Sequence[Ref],
        *,
        told: int | None = None,
        strict: bool,
        workers: int,
        limits: Limits,
    ) -> None:
        self._source = source
        self._refs = refs
        self._told = told
        self._workers = workers
        self._limits = limits
        self._builder: VolumeBuilder | None = None
        self._strict = strict
        self._expected: int | None = None
        self._done: dict[Ref, None] = {}

    @property
    def done(self) -> int:
        """How many instances are in the stack, or were left out for good."""
        return len(self._done)

    def fetch(self, tell: Tell, *, cancel: Cancel | None = None) -> None:
        """Fetch what is missing: all of it, or what an earlier call did not come to.

        Raises:
            Cancelled: ``cancel`` was set; call this again to go on.
            DecodeError: an instance is damaged, and so is the stack: going on is of no use.
            DicomWebError: an instance could not be had.
            GeometryError: an instance can be no slice (if strict).
        """
        jobs = self._missing(cancel) if self._done else self._all(cancel)
        if self._builder is None:
            self._builder = VolumeBuilder(self._expected, strict=self._strict, limits=self._limits)
        builder = self._builder
        counter = Counter(tell, total=self._expected)
        for _ in self._done:
            counter.finished(skipped=True)

        def add(part: Part, ref: Ref) -> None:
            if ref in self._done:
                return  # the whole series was asked for anew
            builder.add(Counted(part, counter))
            self._done[ref] = None
            counter.finished()

        def expect(count: int) -> None:
            self._expected = count
            builder.expect(count)
            counter.expect(count)

        with ExitStack() as stack:
            if jobs == [Job(self._refs[0])] and self._refs[0].level == "series":
                listing = Listing(
                    self._source,
                    self._refs[0],
                    found=expect,
                    beside=self._workers > 1,
                    cancel=cancel,
                )
                stack.callback(listing.close)
                jobs = [Job(self._refs[0], listing=listing)]
            fetch(self._source, jobs, add, workers=self._workers, cancel=cancel)

    def finish(self) -> Volume:
        """The volume.

        Raises:
            GeometryError: the slices make no regular one; `relax` and call this again, nothing
                is fetched anew.
            NoDicom: nothing came.
        """
        builder = self._builder or VolumeBuilder(strict=self._strict, limits=self._limits)
        return builder.finish()

    def relax(self) -> None:
        """Make the best of slices that are no regular stack, from now on."""
        self._strict = False
        if self._builder is not None:
            self._builder.strict = False

    def _all(self, cancel: Cancel | None) -> list[Job]:
        """What to ask for at first."""
        jobs = list(jobs_of(self._source, self._refs, told=self._told, cancel=cancel))
        counts = [job.count for job in jobs]
        self._expected = None if None in counts else sum(filter(None, counts)) or None
        return jobs

    def _missing(self, cancel: Cancel | None) -> list[Job]:
        """What to ask for when some are there: the others, by themselves; all where a search
        does not tell which these are."""
        refs = self._refs
        if refs[0].level != "instance":
            found, count = listed(self._source, refs[0], cancel=cancel)
            if len(found) != count or len(found) < (self._expected or len(self._done)):
                return [Job(refs[0], told=self._expected)]
            refs = found
        return [Job(ref, (ref,)) for ref in refs if ref not in self._done]
