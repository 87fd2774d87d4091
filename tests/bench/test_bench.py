"""The benchmark at small sizes: it runs, and everybody gets the same result. Nothing is timed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.data import Sizes
from tests.bench.running import measure
from tests.bench.works import WORKS

SMALL = Sizes(rows=60, slices=6, side=64, frames=5, frame_side=32, files=40)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench")


@pytest.mark.long
@pytest.mark.parametrize("name", WORKS)
def test_everybody_does_the_same_work(name: str, build: Path) -> None:
    found = measure(name, sizes=SMALL, build=build, rounds=0)
    assert found.seconds.keys() == {"dicomnb", *WORKS[name].peers}
    for peer in WORKS[name].peers:
        assert found.ratio(peer) > 0
