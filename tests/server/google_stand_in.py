"""The Google flavour with a session that carries its token."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from dicomnb.server import Server, serve
from tests.conftest import real_file

JSON = {"Accept": "application/dicom+json"}
STORE = "projects/demo/locations/local/datasets/demo/dicomStores/demo"


@dataclass(frozen=True)
class StandIn:
    """A server, its folder, and a client that hides nothing."""

    server: Server
    http: requests.Session
    folder: Path

    @property
    def url(self) -> str:
        """The DICOMweb root."""
        return self.server.url

    @property
    def api(self) -> str:
        """The root of version 1 of the API."""
        return self.url.removesuffix(f"/{STORE}/dicomWeb")

    def get(self, path: str, **options: Any) -> requests.Response:
        """GET below the DICOMweb root."""
        return self.http.get(f"{self.url}/{path}", **options)

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """A management call."""
        return self.http.request(method, f"{self.api}/{path}", **options)

    def finished(self, name: str) -> dict[str, Any]:
        """An operation, when it is done."""
        for _ in range(6000):
            answer = self.call("GET", name)
            assert answer.status_code == 200, answer.text
            found: dict[str, Any] = answer.json()
            if found.get("done"):
                return found
            time.sleep(0.01)
        raise AssertionError(f"{name} does not end")


@contextmanager
def stand_in(folder: Path, **options: Any) -> Iterator[StandIn]:
    """Publish a folder in Google's flavour."""
    options = {"flavour": "google", **options}
    server = serve(folder, **options)
    with server, requests.Session() as http:
        http.headers["Authorization"] = f"Bearer {server.token}"
        yield StandIn(server, http, folder)


def folder_of(target: Path, *names: str) -> Path:
    """A new folder with real files."""
    target.mkdir()
    for name in names:
        shutil.copy(real_file(name), target / name)
    return target
