"""A server over a source in memory, and a client that hides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests
from memory_source import MemorySource, real_bytes, reference, until

from dicomnb.server import Server, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dicomnb.refs import Ref

FILES = (
    "CT_small.dcm",
    "MR_small_RLE.dcm",
    "JPEG2000.dcm",
    "rtdose.dcm",
    "SC_rgb_rle_2frame.dcm",
)


@pytest.fixture(scope="session")
def published() -> Iterator[tuple[MemorySource, Server]]:
    """One writable server for most tests; each gets its source as new."""
    source = MemorySource()
    server = serve(source, writable=True)
    yield source, server
    server.close()


@pytest.fixture
def source(published: tuple[MemorySource, Server]) -> MemorySource:
    found = published[0]
    assert until(lambda: found.open == 0)  # what the test before asked for is over
    vars(found).clear()
    found.__init__([real_bytes(name) for name in FILES])  # type: ignore[misc]
    return found


@pytest.fixture
def server(published: tuple[MemorySource, Server], source: MemorySource) -> Server:
    return published[1]


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


@pytest.fixture(scope="session")
def refs() -> dict[str, Ref]:
    return {name: reference(MemorySource.dataset(real_bytes(name))) for name in FILES}
