"""Search and metadata over real HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from memory_source import until

if TYPE_CHECKING:
    import requests
    from memory_source import MemorySource

    from dicomnb.refs import Ref
    from dicomnb.server import Server


def test_the_server_names_itself_and_json_is_dicom_json(
    server: Server, http: requests.Session
) -> None:
    answer = http.get(f"{server.url}/studies")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/dicom+json"
    assert answer.headers["Server"].startswith("dicomnb/")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_pages_are_joined_into_one_array(
    server: Server, http: requests.Session, source: MemorySource
) -> None:
    rows = http.get(f"{server.url}/instances").json()
    assert len(source.files) > source.page  # so that there is more than one page
    assert {row["00080018"]["Value"][0] for row in rows} == {r.instance for r in source.files}
    assert until(lambda: source.open == 0)


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("/studies", 5),
        ("/series", 5),
        ("/instances", 5),
        ("/studies/{study}/series", 1),
        ("/studies/{study}/instances", 1),
        ("/studies/{study}/series/{series}/instances", 1),
        ("/studies/1.2.3/series", 0),
        ("/studies/", 5),
    ],
)
def test_every_search_path(
    path: str, count: int, server: Server, http: requests.Session, refs: dict[str, Ref]
) -> None:
    ref = refs["CT_small.dcm"]
    answer = http.get(server.url + path.format(study=ref.study, series=ref.series))
    assert answer.status_code == 200
    assert len(answer.json()) == count


def test_nothing_found_is_an_empty_list(server: Server, http: requests.Session) -> None:
    answer = http.get(f"{server.url}/studies", params={"PatientID": "nobody"})
    assert (answer.status_code, answer.content) == (200, b"[]")
    assert answer.headers["Content-Length"] == "2"


def test_filters_limit_and_offset_reach_the_source(server: Server, http: requests.Session) -> None:
    everything = http.get(f"{server.url}/instances").json()
    some = http.get(f"{server.url}/instances", params={"limit": 2, "offset": 1}).json()
    assert some == everything[1:3]
    found = http.get(f"{server.url}/series", params={"Modality": "CT", "accept": "*/*"}).json()
    assert [row["00080060"]["Value"] for row in found] == [["CT"]]
    by_tag = http.get(f"{server.url}/series?00080060=CT").json()
    assert by_tag == found


@pytest.mark.parametrize(
    "query",
    [
        "PatientNme=x",
        "Modality=CT",
        "includefield=PatientNme",
        "limit=-1",
        "limit=ten",
        "offset=1.5",
        "StudyDate=yesterday",
        "=",
    ],
)
def test_a_query_that_makes_no_sense_is_refused(
    query: str, server: Server, http: requests.Session
) -> None:
    answer = http.get(f"{server.url}/studies?{query}")
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/json"
    assert set(answer.json()) == {"error"}


def test_a_misspelt_keyword_is_told_the_right_one(server: Server, http: requests.Session) -> None:
    answer = http.get(f"{server.url}/studies", params={"PatientNme": "x"})
    assert "PatientName" in answer.json()["error"]


@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_metadata_at_every_level(
    level: str, server: Server, http: requests.Session, refs: dict[str, Ref]
) -> None:
    ref = refs["CT_small.dcm"].at(level)  # type: ignore[arg-type]
    answer = http.get(f"{server.url}/{ref.path}/metadata")
    assert answer.headers["Content-Type"] == "application/dicom+json"
    (row,) = answer.json()
    assert row["00080018"]["Value"] == [refs["CT_small.dcm"].instance]
    assert http.get(f"{server.url}/studies/1.2.3/metadata").status_code == 404


def test_uris_are_this_servers_own_and_lead_somewhere(
    server: Server, http: requests.Session, refs: dict[str, Ref]
) -> None:
    ref = refs["CT_small.dcm"]
    (row,) = http.get(f"{server.url}/{ref.path}/metadata").json()
    assert row["00081190"]["Value"] == [f"{server.url}/{ref.path}"]
    uri = row["7FE00010"]["BulkDataURI"]
    assert uri == f"{server.url}/{ref.path}/bulkdata/7FE00010"
    assert len(http.get(uri, headers={"Accept": "application/octet-stream"}).content) == 32768


def test_uris_bear_the_name_that_the_client_used(
    server: Server, http: requests.Session, refs: dict[str, Ref]
) -> None:
    url = server.url.replace("127.0.0.1", "localhost")
    (row,) = http.get(f"{url}/{refs['CT_small.dcm'].path}/metadata").json()
    assert row["00081190"]["Value"][0].startswith(url)


def test_a_patients_text_is_never_taken_for_a_uri(
    server: Server, http: requests.Session, source: MemorySource
) -> None:
    text = '"BulkDataURI":"dicomnb:/studies/1" "00081190":{"vr":"UR","Value":["dicomnb:/studies'
    original = source._json

    def with_text(ref: Ref) -> dict[str, object]:
        more = {"00081030": {"vr": "LO", "Value": [text, "dicomnb:/studies/1"]}}
        return {**original(ref), **more}

    source._json = with_text  # type: ignore[method-assign, assignment]
    rows = http.get(f"{server.url}/studies").json()
    assert all(row["00081030"]["Value"] == [text, "dicomnb:/studies/1"] for row in rows)


def test_a_source_that_is_a_server_has_its_urls_replaced(
    source: MemorySource, refs: dict[str, Ref]
) -> None:
    from dicomnb.server.exchange import Service

    source.address = "http://pacs:8042/dicom-web/"
    service = Service(source)  # type: ignore[arg-type]
    rows = b"""[{"00081190" : {"vr" : "UR", "Value" : [ "http://pacs:8042/dicom-web/studies/1" ]},
        "7FE00010" : {"vr":"OW", "BulkDataURI" : "http://pacs:8042/dicom-web/studies/1/bulk/7"},
        "00081030" : {"vr":"LO", "Value" : ["http://pacs:8042/dicom-web/studies"]}}]"""
    (row,) = json.loads(service.outside(rows, "http://here/dicomweb"))
    assert row["00081190"]["Value"] == ["http://here/dicomweb/studies/1"]
    assert row["7FE00010"]["BulkDataURI"] == "http://here/dicomweb/studies/1/bulk/7"
    assert row["00081030"]["Value"] == ["http://pacs:8042/dicom-web/studies"]


@pytest.mark.parametrize(
    ("accept", "status", "kind"),
    [
        ("*/*", 200, "application/dicom+json"),
        ("text/html,application/xml;q=0.9,*/*;q=0.8", 200, "application/dicom+json"),
        ("application/json", 200, "application/json"),
        ("application/dicom+json, multipart/related", 200, "application/dicom+json"),
        ('multipart/related; type="application/dicom+xml"', 406, "application/json"),
        ("text/html", 406, "application/json"),
    ],
)
def test_the_accept_header_decides(
    accept: str, status: int, kind: str, server: Server, http: requests.Session
) -> None:
    answer = http.get(f"{server.url}/studies", headers={"Accept": accept})
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, kind)
    if status == 406:
        assert "application/dicom+json" in answer.json()["error"]


def test_an_incomplete_answer_of_the_source_is_told(
    server: Server, http: requests.Session, source: MemorySource
) -> None:
    from dicomnb.source import Page

    source._pages = lambda rows: iter([Page(b"[{}]", 1, complete=False, notes=("more",))])  # type: ignore[method-assign]
    answer = http.get(f"{server.url}/studies")
    assert answer.json() == [{}]
    assert answer.headers["Warning"].startswith("299 ")


def test_metadata_that_the_source_says_are_not_all(
    server: Server, http: requests.Session, source: MemorySource, refs: dict[str, Ref]
) -> None:
    from dicomnb.source import Page

    url = f"{server.url}/{refs['CT_small.dcm'].at('series').path}/metadata"
    assert http.get(url).status_code == 200
    source._pages = lambda rows: iter([Page(b"[{}]", 1, complete=False)])  # type: ignore[method-assign]
    answer = http.get(url)
    assert (answer.status_code, answer.json()) == (206, [{}])
