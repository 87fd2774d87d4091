"""Raw servers for transfers, and lines that are as fast as a test says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dicomnb.transfer import fetching
from dicomnb.transfer.planning import Flight, Pace
from tests.web.conftest import raw

__all__ = ["raw"]

Timed = Callable[..., None]


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> Timed:
    """Says what is measured of a line: on a busy machine a clock measures the machine.

    ``timed(latency, stream, single)`` takes seconds to the first instance of a stream, seconds
    an instance of it, and a function that tells how many one request after another takes, given
    how many came before and how many are in flight.
    """

    def say(
        latency: float = 0.001,
        stream: float = 0.0005,
        single: Callable[[int, int], float] = lambda number, in_flight: 0.0,
    ) -> None:
        class Told(Flight):
            def __init__(self, missing: int, **how: object) -> None:
                super().__init__(missing, **{**how, "stream": stream})  # type: ignore[arg-type]
                self._now = 0.0

            def land(self, moment: float) -> None:
                self._now += single(self._landed, self._width)
                super().land(self._now)

        monkeypatch.setattr(fetching, "Flight", Told)
        monkeypatch.setattr(
            fetching, "Pace", lambda _, __, count: Pace(latency, stream * count, count)
        )

    return say


@pytest.fixture
def fast_line(timed: Timed) -> None:
    """A line that is fast, whatever the machine does meanwhile."""
    timed()
