"""Raw servers, and a real Orthanc that holds a few files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dicomnb.web.client import WebSource
from dicomnb.wire.storing import FileUpload
from tests.conftest import real_file, start_orthanc
from tests.web.raw_server import Raw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STORED = ("CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm", "color3d_jpeg_baseline.dcm", "rtplan.dcm")


@pytest.fixture
def raw() -> Iterator[Callable[..., Raw]]:
    """Make raw servers; all are closed at the end."""
    servers: list[Raw] = []

    def make(respond, *, keep: bool = False, tls=None) -> Raw:
        answer = respond if callable(respond) else lambda request: respond
        servers.append(Raw(answer, keep, tls))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture(scope="session")
def filled_orthanc(tmp_path_factory) -> Iterator[str]:
    """The DICOMweb root of a real Orthanc that holds `STORED`."""
    for orthanc in start_orthanc(tmp_path_factory.mktemp("orthanc")):
        with_files = WebSource(orthanc.url)
        outcomes = with_files.store([FileUpload(real_file(name)) for name in STORED])
        assert [one.outcome for one in outcomes] == ["stored"] * len(STORED), outcomes
        with_files.close()
        yield orthanc.url
