"""When one stream is left for many requests."""

from __future__ import annotations

import pytest

from dicomnb.transfer.planning import Pace, is_faster_side_by_side


@pytest.mark.parametrize(
    ("latency", "seconds", "instances", "apart"),
    [
        (0.03, 0.1, 4, True),
        (0.03, 0.07, 4, False),
        (0.03, 0.1, 3, False),
        (0.01, 0.1, 4, False),  # as near as a busy machine
        (0.01, 0.21, 4, True),
        (0.3, 0.1, 10, False),  # asking for each would cost more than it takes to come
    ],
)
def test_a_line_from_afar_is_watched_for_less_time(latency, seconds, instances, apart):
    pace = Pace(latency, seconds, instances)
    assert is_faster_side_by_side(pace, left=290, workers=16) is apart
