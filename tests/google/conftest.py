"""A token server and an API that takes its tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from dicomnb.web.client import WebSource
from tests.google.token_server import Api, Tokens
from tests.web.raw_server import Raw, source


@pytest.fixture
def tokens() -> Iterator[Tokens]:
    """A token server."""
    made = Tokens()
    yield made
    made.close()


@pytest.fixture
def api(tokens: Tokens) -> Iterator[Callable[..., Api]]:
    """Make APIs that take the tokens of ``tokens``."""
    servers: list[Api] = []

    def make(**settings: object) -> Api:
        servers.append(Api(tokens, **settings))  # type: ignore[arg-type]
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture
def raw() -> Iterator[Callable[..., Raw]]:
    """Make raw servers; all are closed at the end."""
    servers: list[Raw] = []

    def make(respond: object) -> Raw:
        servers.append(Raw(respond if callable(respond) else lambda request: respond))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture
def connected() -> Iterator[Callable[..., WebSource]]:
    """Make sources that repeat without waiting; all are closed at the end."""
    sources: list[WebSource] = []

    def make(url: str, **keywords: object) -> WebSource:
        sources.append(source(url, **keywords))
        return sources[-1]

    yield make
    for one in sources:
        one.close()


@pytest.fixture(autouse=True)
def no_credentials(tmp_path, monkeypatch) -> None:
    """No credentials of whoever runs the tests, and no search for a metadata server."""
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "CLOUDSDK_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "no-gcloud"))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    monkeypatch.setattr("google.auth.compute_engine._metadata.is_on_gce", lambda request: False)
