"""The Google flavour's DICOMweb: its habits, one by one, over real HTTP."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import requests
from google_stand_in import JSON, STORE, StandIn, folder_of, stand_in
from pydicom import dcmread

import dicomnb as dn
from dicomnb.refs import Ref
from dicomnb.server import serve
from dicomnb.wire import multipart
from dicomnb.wire.google_habits import DEFAULT_FIELDS, Habits, Rows, habits, variants
from tests.conftest import real_file

RLE, CT = "MR_small_RLE.dcm", "CT_small.dcm"
DICOM = {"Content-Type": "application/dicom"}


def ref_of(name: str) -> Ref:
    header = dcmread(real_file(name), stop_before_pixels=True)
    uids = (header.StudyInstanceUID, header.SeriesInstanceUID, header.SOPInstanceUID)
    return Ref(*map(str, uids))


@pytest.fixture(scope="module")
def demo(demo_folder: Path) -> Iterator[StandIn]:
    """The demo archive, read-only."""
    with stand_in(demo_folder) as found:
        yield found


@pytest.fixture
def writable(tmp_path: Path) -> Iterator[StandIn]:
    """A few real files, writable."""
    with stand_in(folder_of(tmp_path / "data", CT, RLE), writable=True) as found:
        yield found


def parts_of(answer: requests.Response) -> list[tuple[str, str | None, bytes]]:
    kind = answer.headers["Content-Type"]
    parts = multipart.read(io.BytesIO(answer.content), kind)
    return [(part.media_type, part.transfer_syntax, part.read()) for part in parts]


# Who may ask


def test_a_token_is_made_and_needed(demo: StandIn) -> None:
    assert demo.server.token
    assert demo.url.endswith(f"/v1/{STORE}/dicomWeb")
    for headers, words in (
        ({}, "missing required authentication credential"),
        ({"Authorization": "Bearer wrong"}, "invalid authentication credentials"),
        ({"Authorization": f"Basic {demo.server.token}"}, "missing required"),
    ):
        answer = requests.get(f"{demo.url}/studies", headers=headers, timeout=10)
        assert answer.status_code == 401
        error = answer.json()["error"]
        assert (error["code"], error["status"]) == (401, "UNAUTHENTICATED")
        assert words in error["message"]


def test_the_token_may_be_a_parameter(demo: StandIn) -> None:
    parameters = {"access_token": demo.server.token, "key": "k", "quotaUser": "u", "limit": 1}
    answer = requests.get(f"{demo.url}/studies", params=parameters, timeout=10)
    assert len(answer.json()) == 1


def test_a_function_may_judge_tokens(demo_folder: Path) -> None:
    good = {"first"}
    with stand_in(demo_folder, token=good.__contains__) as found:
        assert found.server.token is None
        assert "needed" in repr(found.server)
        found.http.headers["Authorization"] = "Bearer first"
        assert found.get("studies?limit=1").status_code == 200
        good.clear()
        assert found.get("studies?limit=1").status_code == 401


def test_no_flavour_without_a_token(demo_folder: Path) -> None:
    with pytest.raises(ValueError, match="never without a token"):
        serve(demo_folder, flavour="google", token=False)
    with pytest.raises(ValueError, match="flavour='azure'"):
        serve(demo_folder, flavour="azure")
    with pytest.raises(ValueError, match="buckets"):
        serve(demo_folder, buckets={"b": demo_folder})


def test_both_versions_answer(demo: StandIn) -> None:
    beta = demo.http.get(demo.url.replace("/v1/", "/v1beta1/") + "/studies?limit=1", timeout=10)
    assert beta.json() == demo.get("studies?limit=1").json()
    other = demo.http.get(demo.url.replace("/v1/", "/v2/") + "/studies", timeout=10)
    assert other.status_code == 404


@pytest.mark.parametrize(
    "name",
    [
        STORE.replace("projects/demo", "projects/other"),
        STORE.replace("locations/local", "locations/other"),
        STORE.replace("datasets/demo", "datasets/other"),
        STORE.replace("dicomStores/demo", "dicomStores/other"),
    ],
)
def test_what_is_not_there_may_not_be_seen(name: str, demo: StandIn) -> None:
    for path in (name, f"{name}/dicomWeb/studies"):
        answer = demo.call("GET", path)
        assert answer.status_code == 403
        assert answer.json()["error"]["status"] == "PERMISSION_DENIED"


def test_a_read_only_server_refuses_to_change(demo: StandIn) -> None:
    answer = demo.http.post(f"{demo.url}/studies", data=b"x", headers=DICOM, timeout=10)
    assert answer.status_code == 403
    assert "read-only" in answer.json()["error"]["message"]
    assert demo.http.delete(f"{demo.url}/studies/1.2", timeout=10).status_code == 403
    assert demo.call("DELETE", STORE).status_code == 403


# Search


@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_rows_have_the_documented_columns_only(level: str, demo: StandIn) -> None:
    path = {"study": "studies", "series": "series", "instance": "instances"}[level]
    rows = demo.get(f"{path}?limit=50").json()
    assert len(rows) >= 30
    assert set().union(*rows) <= set(DEFAULT_FIELDS[level])  # type: ignore[index]
    assert all("00081190" not in row for row in rows)
    if level != "study":
        assert all("0020000D" not in row for row in rows)
        asked = demo.get(f"{path}?limit=5&includefield=0020000D,SeriesInstanceUID").json()
        assert all({"0020000D", "0020000E"} <= set(row) for row in asked)


@pytest.mark.parametrize(
    "query",
    [
        "studies?PatientBirthDate=19700101",
        "studies?StudyDescription=x",
        "studies?Modality=CT",
        "studies?ModalitiesInStudy=CT",
        "studies?SeriesInstanceUID=1.2",
        "series?SOPInstanceUID=1.2",
        "series?BodyPartExamined=CHEST",
        "studies?00400275.0040A370=1",
        "studies?NoSuchKeyword=1",
        "studies?includefield=NoSuchKeyword",
        "studies?PatientID=1&PatientID=2",
        "studies?accept=application/json",
        "studies?limit=5001",
        "instances?limit=50001",
        "studies?limit=x",
        "studies?offset=1000001",
        "studies?StudyDate=yesterday",
    ],
)
def test_what_cannot_be_asked_is_400(query: str, demo: StandIn) -> None:
    answer = demo.get(query)
    assert answer.status_code == 400
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"


def test_a_limit_that_nobody_gave(demo_folder: Path) -> None:
    few = replace(Habits(), default_limit=Rows(2, 3, 4), largest_limit=Rows(5, 5, 5))
    with stand_in(demo_folder, flavour=few) as found:
        assert len(found.get("studies").json()) == 2
        assert len(found.get("series").json()) == 3
        answer = found.get("instances")
        assert len(answer.json()) == 4
        assert "Warning" not in answer.headers
        assert found.get("studies?limit=6").status_code == 400
        first, second = (found.get(f"studies?limit=3&offset={n}").json() for n in (0, 3))
        assert not {str(row) for row in first} & {str(row) for row in second}
    with stand_in(demo_folder, flavour=replace(few, above_limit="cut")) as found:
        assert len(found.get("studies?limit=6").json()) == 5


def test_nothing_found_is_204(demo: StandIn, demo_folder: Path) -> None:
    for query in ("studies?PatientID=nobody", "studies/1.2.3/series", "studies?offset=100000"):
        answer = demo.get(query)
        assert (answer.status_code, answer.content) == (204, b"")
    with stand_in(demo_folder, flavour=Habits(nothing_found="200 []")) as found:
        answer = found.get("studies?PatientID=nobody")
        assert (answer.status_code, answer.json()) == (200, [])


def names(answer: requests.Response) -> set[str]:
    if answer.status_code == 204:
        return set()
    assert answer.status_code == 200, answer.text
    return {row["00100010"]["Value"][0]["Alphabetic"] for row in answer.json()}


def test_wildcards_and_lists_are_taken_as_they_stand(demo: StandIn) -> None:
    everyone = names(demo.get("studies?limit=5000"))
    assert any(name.startswith("Zhang^") for name in everyone)
    assert names(demo.get("studies?PatientName=Zhang*")) == set()
    assert names(demo.get("studies?PatientID=DNB-00??")) == set()
    rows = demo.get("studies?limit=2").json()
    first, second = (row["0020000D"]["Value"][0] for row in rows)
    assert len(demo.get(f"studies?StudyInstanceUID={first}").json()) == 1
    assert demo.get(f"studies?StudyInstanceUID={first},{second}").status_code == 204


def test_names_match_exactly_or_by_the_beginning_of_a_word(
    demo: StandIn, demo_folder: Path
) -> None:
    everyone = names(demo.get("studies?limit=5000"))
    one = next(name for name in everyone if name.startswith("Zhang^"))
    assert names(demo.get("studies", params={"PatientName": one})) == {one}
    assert names(demo.get("studies", params={"PatientName": one.upper()})) == set()
    fuzzy = {"fuzzymatching": "true"}
    found = names(demo.get("studies", params={"PatientName": "zha", **fuzzy}))
    assert found
    assert found == {
        name
        for name in everyone
        if any(word.casefold().startswith("zha") for word in name.split("^"))
    }
    assert names(demo.get("studies", params={"PatientName": "hang", **fuzzy})) == set()
    with stand_in(demo_folder, flavour=Habits(exact_names="any case")) as other:
        assert names(other.get("studies", params={"PatientName": one.upper()})) == {one}


def test_a_range_of_dates_is_a_range(demo: StandIn) -> None:
    dates = [
        row["00080020"]["Value"][0]
        for row in demo.get("studies?StudyDate=20220101-20221231").json()
    ]
    assert dates
    assert all(date.startswith("2022") for date in dates)


def test_all_fields_of_an_instance(demo: StandIn) -> None:
    (row,) = demo.get("instances?limit=1&includefield=all").json()
    assert {"00100010", "0020000D", "0020000E", "00080018"} <= set(row)
    assert "00081190" not in row
    (study,) = demo.get("studies?limit=1&includefield=all").json()
    assert "00081030" in study
    assert "00081190" not in study


@pytest.mark.parametrize("accept", ["application/dicom+json,multipart/related", "*/*", None])
def test_a_search_is_json_however_it_is_accepted(accept: str | None, demo: StandIn) -> None:
    answer = demo.get("instances?limit=1", headers={"Accept": accept})
    assert answer.headers["Content-Type"] == "application/dicom+json"


def test_406_is_bare_text(demo: StandIn) -> None:
    answer = demo.get("studies", headers={"Accept": "text/html"})
    assert answer.status_code == 406
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.text.startswith(
        "no supported media type found in [text/html], accept-header must include one of "
        "application/dicom+json"
    )


# Retrieve


def test_without_a_transfer_syntax_it_is_transcoded(writable: StandIn) -> None:
    ref = ref_of(RLE)
    stored = dcmread(real_file(RLE))
    native = writable.get(ref.path, headers={"Accept": "application/dicom"})
    assert dcmread(io.BytesIO(native.content)).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    read = dcmread(io.BytesIO(native.content)).pixel_array
    assert (read == stored.pixel_array).all()
    whole = writable.get(ref.path, headers={"Accept": "application/dicom; transfer-syntax=*"})
    assert whole.content == real_file(RLE).read_bytes()
    study = writable.get(
        f"studies/{ref.study}",
        headers={"Accept": "multipart/related; type=application/dicom; transfer-syntax=*"},
    )
    assert [part[2] for part in parts_of(study)] == [real_file(RLE).read_bytes()]
    (part,) = parts_of(writable.get(f"studies/{ref.study}"))
    assert part[:2] == ("application/dicom", "1.2.840.10008.1.2.1")


def test_a_syntax_that_is_not_to_be_had_is_406(writable: StandIn) -> None:
    accept = "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.80"
    answer = writable.get(ref_of(CT).path, headers={"Accept": accept})
    assert answer.status_code == 406
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_frames_as_stored_and_native(writable: StandIn) -> None:
    path = f"{ref_of(RLE).path}/frames/1"
    accept = 'multipart/related; type="application/octet-stream"; transfer-syntax='
    (stored,) = parts_of(writable.get(path, headers={"Accept": accept + "*"}))
    assert stored[:2] == ("image/dicom-rle", "1.2.840.10008.1.2.5")
    (native,) = parts_of(writable.get(path, headers={"Accept": accept + "1.2.840.10008.1.2.1"}))
    assert native[2] == dcmread(real_file(RLE)).pixel_array.tobytes()


def test_metadata_holds_group_2_and_bulk_data_uris(writable: StandIn) -> None:
    ref = ref_of(RLE)
    (row,) = writable.get(f"{ref.path}/metadata", headers=JSON).json()
    assert row["00020010"] == {"vr": "UI", "Value": ["1.2.840.10008.1.2.5"]}
    assert row["00020003"] == {"vr": "UI", "Value": [ref.instance]}
    assert "00020000" not in row
    uri = row["7FE00010"]["BulkDataURI"]
    assert uri == f"{writable.url}/{ref.path}/bulkdata/7FE00010"
    rows = writable.get(f"studies/{ref.study}/metadata", headers=JSON).json()
    assert rows == [row]
    accept = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
    parts = parts_of(writable.http.get(uri, headers={"Accept": accept}, timeout=10))
    assert [part[0] for part in parts] == ["image/dicom-rle"]


@pytest.mark.parametrize("ranges", [False, True])
def test_a_range_of_bulk_data(ranges: bool, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "data", CT)
    with stand_in(folder, flavour=Habits(bulk_ranges=ranges)) as found:
        path = f"{ref_of(CT).path}/bulkdata/7FE00010"
        headers = {"Accept": "application/octet-stream; transfer-syntax=*"}
        whole = found.get(path, headers=headers)
        assert whole.content == dcmread(real_file(CT)).PixelData
        piece = found.get(path, headers={**headers, "Range": "bytes=10-19"})
        if ranges:
            assert (piece.status_code, piece.content) == (206, whole.content[10:20])
            assert piece.headers["Content-Range"] == f"bytes 10-19/{len(whole.content)}"
            beyond = found.get(path, headers={**headers, "Range": "bytes=99999999-"})
            assert beyond.status_code == 416
        else:
            assert (piece.status_code, piece.content) == (200, whole.content)


def test_pictures_take_a_viewport_and_nothing_else(writable: StandIn, tmp_path: Path) -> None:
    path = f"{ref_of(CT).path}/rendered"
    assert writable.get(path).headers["Content-Type"] == "image/jpeg"
    small = writable.get(f"{path}?viewport=32,32", headers={"Accept": "image/png"})
    assert small.content.startswith(b"\x89PNG")
    for parameter in ("window=40,400,linear", "quality=50"):
        assert writable.get(f"{path}?{parameter}").status_code == 400
    frame = writable.get(f"{ref_of(CT).path}/frames/1/rendered")
    assert frame.headers["Content-Type"] == "image/jpeg"
    ignoring = Habits(other_render_parameters="ignored")
    with stand_in(folder_of(tmp_path / "other", CT), flavour=ignoring) as found:
        assert found.get(f"{path}?window=40,400,linear").content == writable.get(path).content


def test_services_that_are_not_there(demo: StandIn) -> None:
    row = demo.get("instances?limit=1&includefield=0020000D,0020000E").json()[0]
    ref = Ref(*(row[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018")))
    for path in (
        f"studies/{ref.study}/rendered",
        f"studies/{ref.study}/series/{ref.series}/rendered",
        f"studies/{ref.study}/thumbnail",
        f"{ref.path}/thumbnail",
        "?requestType=WADO",
    ):
        assert demo.get(path).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "studies/1.2",
        "studies/1.2/metadata",
        "studies/1.2/series/1.3",
        "studies/1.2/series/1.3/instances/1.4",
        "studies/1.2/series/1.3/instances/1.4/frames/1",
        "studies/1.2/series/1.3/instances/1.4/rendered",
    ],
)
def test_a_missing_study_or_instance_is_a_json_string(path: str, demo: StandIn) -> None:
    answer = demo.get(path)
    assert answer.status_code == 404
    level = "instance" if "instances" in path else "series" if "series" in path else "study"
    assert answer.json() == f"DICOM {level} does not exist."


# Store and delete


def test_a_store_is_answered_in_xml_without_a_namespace(writable: StandIn) -> None:
    ref = ref_of("rtdose.dcm")
    data = real_file("rtdose.dcm").read_bytes()
    answer = writable.http.post(f"{writable.url}/studies", data=data, headers=DICOM, timeout=10)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/dicom+xml"
    assert answer.text.startswith("<NativeDicomModel>")
    root = ElementTree.fromstring(answer.content)
    assert [child.get("tag") for child in root] == ["00081190", "00081199"]
    assert root[0].get("keyword") == "RetrieveURL"
    assert root[0].findtext("Value") == f"{writable.url}/studies/{ref.study}"
    (item,) = root[1]
    assert [child.get("tag") for child in item] == ["00081150", "00081155", "00081190"]
    assert item[1].findtext("Value") == ref.instance
    assert item[2].findtext("Value") == f"{writable.url}/{ref.path}"
    got = writable.get(ref.path, headers={"Accept": "application/dicom; transfer-syntax=*"})
    assert got.content == data


def test_the_same_bytes_are_200_and_others_409(writable: StandIn) -> None:
    data = real_file(CT).read_bytes()
    url = f"{writable.url}/studies"
    again = writable.http.post(url, data=data, headers={**DICOM, **JSON}, timeout=10)
    assert again.status_code == 200
    assert "00081198" not in again.json()
    other = data[:-2] + bytes(255 - byte for byte in data[-2:])
    answer = writable.http.post(url, data=other, headers={**DICOM, **JSON}, timeout=10)
    assert answer.status_code == 409
    (item,) = answer.json()["00081198"]["Value"]
    assert set(item) == {"00081197", "00090010", "00091097"}
    assert item["00081197"]["Value"] == [0x0111]
    assert "other bytes" in json.loads(item["00091097"]["Value"][0])["message"]
    assert (
        writable.get(
            ref_of(CT).path, headers={"Accept": "application/dicom; transfer-syntax=*"}
        ).content
        == data
    )


def test_one_failure_makes_it_409_and_the_others_are_stored(writable: StandIn) -> None:
    good = real_file("rtdose.dcm").read_bytes()
    body = b"".join(
        b"--b\r\nContent-Type: application/dicom\r\n\r\n" + one + b"\r\n"
        for one in (good, b"no DICOM")
    )
    headers = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b', **JSON}
    answer = writable.http.post(
        f"{writable.url}/studies", data=body + b"--b--", headers=headers, timeout=10
    )
    assert answer.status_code == 409
    assert len(answer.json()["00081199"]["Value"]) == 1
    (failed,) = answer.json()["00081198"]["Value"]
    assert not {"00081150", "00081155"} & set(failed)
    assert str(writable.folder) not in answer.text
    assert writable.get(ref_of("rtdose.dcm").path).status_code == 200


def test_a_chunked_upload_of_unknown_length(writable: StandIn) -> None:
    data = real_file("rtdose.dcm").read_bytes()
    pieces = iter([data[:1000], data[1000:]])
    answer = writable.http.post(f"{writable.url}/studies", data=pieces, headers=DICOM, timeout=10)
    assert answer.status_code == 200


def test_what_cannot_be_stored(writable: StandIn) -> None:
    url = f"{writable.url}/studies"
    text = writable.http.post(url, data=b"x", headers={"Content-Type": "text/plain"}, timeout=10)
    assert text.status_code == 415
    accept = {**DICOM, "Accept": "text/html"}
    assert writable.http.post(url, data=b"x", headers=accept, timeout=10).status_code == 406
    other = writable.http.post(
        f"{url}/1.2.3", data=real_file("rtdose.dcm").read_bytes(), headers=DICOM, timeout=10
    )
    assert other.status_code == 409


@pytest.mark.parametrize("level", ["study", "series"])
def test_the_delete_of_a_study_or_series_is_an_operation(level: str, writable: StandIn) -> None:
    ref = ref_of(CT).at(level)  # type: ignore[arg-type]
    answer = writable.http.delete(
        f"{writable.url}/{ref.path}",
        headers={"Content-Type": "application/dicom+json; charset=utf-8"},
        timeout=10,
    )
    assert answer.status_code == 200
    assert list(answer.json()) == ["name"]
    done = writable.finished(answer.json()["name"])
    assert done["metadata"]["counter"] == {"success": "1"}
    assert "response" in done
    assert writable.get(ref.path).status_code == 404
    assert writable.get(f"studies/{ref.study}/series").status_code == 204


def test_the_delete_of_an_instance_is_done_at_once(writable: StandIn) -> None:
    url = f"{writable.url}/{ref_of(CT).path}"
    answer = writable.http.delete(url, timeout=10)
    assert (answer.status_code, answer.json()) == (200, {})
    again = writable.http.delete(url, timeout=10)
    assert (again.status_code, again.json()) == (404, "DICOM instance does not exist.")


def test_a_delete_may_be_answered_as_the_page_has_it(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "data", CT)
    with stand_in(folder, flavour=Habits(study_delete="empty"), writable=True) as found:
        answer = found.http.delete(f"{found.url}/studies/{ref_of(CT).study}", timeout=10)
        assert answer.json() == {}
        assert found.get("studies").status_code == 204


def test_rows_may_lag_behind_a_delete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of(tmp_path / "data", CT, RLE)
    ref = ref_of(CT)
    now = 100.0
    monkeypatch.setattr("dicomnb.server.google.lag.monotonic", lambda: now)
    with stand_in(folder, flavour=Habits(row_lag=2.0), writable=True) as found:
        before = found.get("studies").json()
        series = found.get(f"studies/{ref.study}/series").json()
        name = found.http.delete(f"{found.url}/studies/{ref.study}", timeout=10).json()["name"]
        found.finished(name)
        rows = found.get("studies").json()
        assert sorted(map(str, rows)) == sorted(map(str, before))
        assert found.get(f"studies/{ref.study}/series").json() == series
        assert len(found.get(f"studies?StudyInstanceUID={ref.study}").json()) == 1
        other = found.get(f"studies?StudyInstanceUID={ref_of(RLE).study}").json()
        assert [row["0020000D"]["Value"][0] for row in other] == [ref_of(RLE).study]
        pages = [found.get(f"studies?limit=1&offset={n}") for n in range(3)]
        assert [page.status_code for page in pages] == [200, 200, 204]
        assert found.get(f"studies/{ref.study}").status_code == 404
        assert found.get(f"studies/{ref.study}/instances").status_code == 204
        now += 2.0
        assert found.get(f"studies?StudyInstanceUID={ref.study}").status_code == 204
        assert len(found.get("studies").json()) == 1


# The table of habits


def test_every_habit_rests_on_a_fact() -> None:
    assert all(habit.fact for habit in habits())
    unsure = [habit for habit in habits() if habit.unsure]
    assert len(list(variants())) == 1 + sum(len(habit.unsure) for habit in unsure)
    assert all(habit.value not in habit.unsure for habit in unsure)


def test_the_demo_hands_its_token_over() -> None:
    archive = dn.demo(flavour="google")
    assert archive.source.abilities().family == "google"
    rows = archive.studies(PatientName="Zhang*")
    assert len(rows)
    assert all(name.startswith("Zhang^") for name in rows["PatientName"])
