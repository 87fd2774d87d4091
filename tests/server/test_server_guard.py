"""Who is let in: hosts, tokens, and what is published at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests
from memory_source import MemorySource, real_bytes
from raw_http import send

from dicomnb.errors import NoDicom, Unsupported
from dicomnb.refs import LEVELS
from dicomnb.server import Server, serve
from dicomnb.server.guard import Guard, is_loopback
from dicomnb.source import Abilities

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("127.0.0.1:{port}", 200),
        ("localhost:{port}", 200),
        ("LOCALHOST:{port}", 200),
        ("[::1]:{port}", 200),
        ("127.0.0.1", 200),
        ("127.0.0.1:1", 200),
        ("evil.example:{port}", 421),
        ("127.0.0.1.evil.example:{port}", 421),
        ("evil.example", 421),
        ("evil example", 400),
        ('a"b', 400),
        ("", 400),
        ("user@localhost:{port}", 400),
    ],
)
def test_only_this_machines_names_are_answered(name: str, status: int, server: Server) -> None:
    port = server.url.rpartition(":")[2].partition("/")[0]
    host = name.format(port=port).encode()
    head = b"GET /dicomweb/studies?limit=1 HTTP/1.1\r\nConnection: close\r\nHost: "
    answer = send(server, head + host + b"\r\n\r\n")
    assert answer.status == status
    if status != 200:
        assert b"00100010" not in answer.body


@pytest.fixture(scope="module")
def guarded() -> Iterator[Server]:
    server = serve(MemorySource([real_bytes("CT_small.dcm")]), token="a-token")
    yield server
    server.close()


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("Bearer {token}", 200),
        ("bearer  {token}", 200),
        (None, 401),
        ("Bearer", 401),
        ("Bearer x", 401),
        ("Bearer {token}x", 401),
        ("Basic {token}", 401),
        ("{token}", 401),
        ("Bearer \xe9", 401),
    ],
)
def test_the_token_is_needed_for_everything(
    authorization: str | None, status: int, guarded: Server
) -> None:
    value = authorization and authorization.format(token="a-token").encode("latin-1")
    headers = {"Authorization": value} if value else {}
    for method, path in (("GET", "/studies"), ("OPTIONS", "/studies"), ("GET", "/x")):
        answer = requests.request(method, guarded.url + path, headers=headers)
        assert (answer.status_code == 401) == (status == 401)
        assert ("WWW-Authenticate" in answer.headers) == (status == 401)


def test_a_token_is_made_and_never_shown() -> None:
    server = serve(MemorySource(), token=True)
    try:
        assert isinstance(server.token, str)
        assert len(server.token) > 30
        for text in (repr(server), server._repr_html_(), server.url):
            assert server.token not in text
        assert "needed" in repr(server)
    finally:
        server.close()


def test_a_token_must_fit_into_a_header() -> None:
    with pytest.raises(ValueError, match="ASCII"):
        serve(MemorySource(), token="schlüssel")
    with pytest.raises(ValueError, match="ASCII"):
        serve(MemorySource(), token="a\r\nb")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_other_machines_are_not_let_in_without_a_token(host: str) -> None:
    with pytest.raises(ValueError, match="token=True"):
        serve(MemorySource(), host=host)


def test_a_server_for_all_needs_the_token_and_takes_any_name() -> None:
    server = serve(MemorySource([real_bytes("CT_small.dcm")]), host="0.0.0.0", token="t")
    try:
        assert server.url.startswith("http://127.0.0.1:")
        headers = {"Host": "pacs.example:80", "Authorization": "Bearer t"}
        (row,) = requests.get(f"{server.url}/studies", headers=headers).json()
        assert row["00081190"]["Value"][0].startswith("http://pacs.example:80/dicomweb/studies/")
        assert requests.get(f"{server.url}/studies").status_code == 401
        headers["Host"] = 'a"b'
        assert requests.get(f"{server.url}/studies", headers=headers).status_code == 400
    finally:
        server.close()


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.0.0.2", True), ("::1", True), ("0.0.0.0", False), ("pc", False)],
)
def test_is_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_addresses_of_version_6() -> None:
    assert Guard("::1", 80).own_name == "[::1]:80"
    assert Guard("::", 80, "t").own_name == "[::1]:80"
    assert "t" not in repr(Guard("::", 80, "secret")).partition("port")[2]
    try:
        server = serve(MemorySource(), host="::1")
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error}")
    with server as url:
        assert requests.get(f"{url}/studies").json() == []


def test_what_can_be_published(tmp_path: Path) -> None:
    with pytest.raises(NoDicom, match="No folder"):
        serve(tmp_path / "nothing")
    with pytest.raises(TypeError, match="Archive or a Source"):
        serve(7)
    with pytest.raises(TypeError, match="publishes folders"):
        serve(MemorySource(), process=True)
    source = MemorySource()
    source.able = Abilities("memory", stores=False, deletes=frozenset())
    with pytest.raises(Unsupported, match="only be read"):
        serve(source, writable=True)


def test_an_archive_is_published_by_its_source() -> None:
    class Archive:
        source = MemorySource([real_bytes("CT_small.dcm")])

    with serve(Archive()) as url:
        assert len(requests.get(f"{url}/studies").json()) == 1


def test_services_that_a_source_lacks_are_not_there() -> None:
    source = MemorySource([real_bytes("CT_small.dcm")])
    ref = next(iter(source.files))
    source.able = Abilities("memory", deletes=frozenset({"study"}), renders=frozenset(LEVELS))
    with serve(source, writable=True) as url:
        assert requests.delete(f"{url}/{ref.path}").status_code == 405
        assert requests.get(f"{url}/{ref.at('series').path}/rendered").status_code == 200
        assert requests.delete(f"{url}/{ref.at('study').path}").status_code == 204
