"""Whatever is asked, the answer is one of DICOMweb's, and never a failure of the server."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_source import real_bytes

from dicomnb.server import Server, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = st.sampled_from(
    [
        *("PatientName", "StudyDate", "StudyTime", "00100020", "Rows", "Modality"),
        *("limit", "offset", "includefield", "accept", "fuzzymatching"),
        "RequestAttributesSequence.RequestedProcedureID",
    ]
) | st.text(max_size=12)
VALUES = st.sampled_from(["*", "", "20200101-", "-", "1,2", "\\", "%", "all", "[", "0"]) | st.text()
PRINTABLE = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#"))
RELAXED = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def ask(server: Server, path: str, accept: str = "*/*") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(server.url.split("/")[2], timeout=10)
    connection.request("GET", f"/dicomweb/{path}", headers={"Accept": accept})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over a folder of real files."""
    path = tmp_path_factory.mktemp("scans")
    for name in ("CT_small.dcm", "rtdose.dcm", "test-SR.dcm", "MR_small_RLE.dcm"):
        (path / name).write_bytes(real_bytes(name))
    running = serve(path)
    yield running
    running.close()


@RELAXED
@given(st.lists(st.tuples(NAMES, VALUES), max_size=4))
def test_any_parameters_of_a_folder(folder: Server, pairs: list[tuple[str, str]]) -> None:
    test_any_parameters.hypothesis.inner_test(folder, pairs)  # type: ignore[attr-defined]


@pytest.mark.parametrize("query", ["limit=" + "9" * 30, "offset=" + "9" * 30, "limit=0"])
@pytest.mark.parametrize("level", ["studies", "series", "instances"])
def test_numbers_of_any_size(folder: Server, level: str, query: str) -> None:
    status, body = ask(folder, f"{level}?{query}")
    assert status == 200
    assert len(json.loads(body)) == (4 if query.startswith("limit=9") else 0)


@RELAXED
@given(st.lists(st.tuples(NAMES, VALUES), max_size=4))
def test_any_parameters(server: Server, pairs: list[tuple[str, str]]) -> None:
    from urllib.parse import urlencode

    pairs = [(name.encode("utf-8", "replace").decode(), value) for name, value in pairs]
    query = urlencode([(n, v.encode("utf-8", "replace")) for n, v in pairs])
    status, body = ask(server, f"studies?{query}")
    assert status in (200, 400, 406)
    assert isinstance(json.loads(body), list if status == 200 else dict)


@RELAXED
@given(PRINTABLE)
def test_any_query_string(server: Server, query: str) -> None:
    status, body = ask(server, f"instances?{query}")
    assert status in (200, 400, 406)
    json.loads(body)


@RELAXED
@given(PRINTABLE.filter(lambda path: "?" not in path))
def test_any_path(server: Server, path: str) -> None:
    status, body = ask(server, f"studies/{path}")
    assert status in (200, 400, 404, 406)
    json.loads(body)


@RELAXED
@given(st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f")))
def test_any_accept_header(server: Server, accept: str) -> None:
    status, _ = ask(server, "studies?limit=1", accept)
    assert status in (200, 406)
