"""The Google flavour's management calls, over real HTTP."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google_stand_in import JSON, STORE, StandIn, folder_of, stand_in
from pydicom import dcmread

import dicomnb as dn
from dicomnb.local.folder import FolderSource
from dicomnb.server.google.deidentification import Redaction
from dicomnb.wire.google_habits import Habits
from tests.conftest import SECONDS, real_file

PARENT = "projects/demo/locations/local"
DATASET = f"{PARENT}/datasets/demo"
CT, RLE, SEG = "CT_small.dcm", "MR_small_RLE.dcm", "liver.dcm"


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    """What stands for ``gs://scans``: two instances, one damaged, one text."""
    folder = folder_of(tmp_path / "bucket", CT, "rtdose.dcm")
    (folder / "deep").mkdir()
    shutil.copy(real_file(RLE), folder / "deep" / RLE)
    (folder / "deep" / "broken.dcm").write_bytes(b"no DICOM")
    (folder / "notes.txt").write_text("notes")
    return folder


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """What stands for a data set of BigQuery."""
    folder = tmp_path / "tables"
    folder.mkdir()
    return folder


@pytest.fixture
def here(tmp_path: Path, bucket: Path, tables: Path) -> Iterator[StandIn]:
    """An empty store, writable."""
    (tmp_path / "data").mkdir()
    buckets = {"scans": bucket, "bq://demo.imaging": tables}
    with stand_in(tmp_path / "data", writable=True, buckets=buckets) as found:
        yield found


def imported(here: StandIn, uri: str = "gs://scans/**.dcm", store: str = STORE) -> dict:
    answer = here.call("POST", f"{store}:import", json={"gcsSource": {"uri": uri}})
    assert answer.status_code == 200, answer.text
    return here.finished(answer.json()["name"])


# Datasets and stores


def test_a_dataset_is_made_by_an_operation(here: StandIn) -> None:
    answer = here.call("POST", f"{PARENT}/datasets?datasetId=new", json={"timeZone": "Asia/Tokyo"})
    name = answer.json()["name"]
    assert name.startswith(f"{PARENT}/datasets/new/operations/")
    done = here.finished(name)
    assert done["response"]["name"] == f"{PARENT}/datasets/new"
    assert done["response"]["@type"].endswith("healthcare.v1.dataset.Dataset")
    dataset = here.call("GET", f"{PARENT}/datasets/new").json()
    assert dataset == {"name": f"{PARENT}/datasets/new", "timeZone": "Asia/Tokyo"}
    again = here.call("POST", f"{PARENT}/datasets?datasetId=new")
    assert (again.status_code, again.json()["error"]["status"]) == (409, "ALREADY_EXISTS")
    assert here.call("DELETE", f"{PARENT}/datasets/new").json() == {}
    assert here.call("GET", f"{PARENT}/datasets/new").status_code == 403


def test_a_store_is_answered_itself_and_can_be_used(here: StandIn) -> None:
    answer = here.call(
        "POST", f"{DATASET}/dicomStores?dicomStoreId=second", json={"labels": {"a": "b"}}
    )
    store = {"name": f"{DATASET}/dicomStores/second", "labels": {"a": "b"}}
    assert answer.json() == store
    listed = here.call("GET", f"{DATASET}/dicomStores").json()
    assert listed == {"dicomStores": [{"name": STORE}, store]}
    url = here.url.replace("dicomStores/demo", "dicomStores/second")
    data = real_file(CT).read_bytes()
    headers = {"Content-Type": "application/dicom", **JSON}
    stored = here.http.post(f"{url}/studies", data=data, headers=headers, timeout=10)
    assert stored.json()["00081190"]["Value"][0].startswith(f"{url}/studies/")
    assert len(here.http.get(f"{url}/instances", timeout=10).json()) == 1
    assert here.get("instances").status_code == 204
    assert here.call("DELETE", store["name"]).json() == {}
    assert here.http.get(f"{url}/instances", timeout=10).status_code == 403


def test_a_store_that_was_given_keeps_its_files(here: StandIn, bucket: Path) -> None:
    imported(here)
    files = sorted(here.folder.rglob("*.dcm"))
    assert files
    assert here.call("DELETE", STORE).json() == {}
    assert here.get("studies").status_code == 403
    assert here.call("GET", f"{DATASET}/dicomStores").json() == {}
    assert sorted(here.folder.rglob("*.dcm")) == files


def test_nothing_of_a_store_is_left(tmp_path: Path, own_cache: Path) -> None:
    before = set((own_cache / "index").glob("*"))
    with stand_in(folder_of(tmp_path / "data", CT), writable=True) as found:
        kept = set((own_cache / "index").glob("*.sqlite"))
        for name in ("a", "b"):
            found.call("POST", f"{DATASET}/dicomStores?dicomStoreId={name}")
        assert len(set((own_cache / "index").glob("*.sqlite")) - kept) == 2
        found.call("DELETE", f"{DATASET}/dicomStores/a")
    left = {path for path in (own_cache / "index").glob("*") if path.suffix == ".sqlite"}
    assert left - before <= kept


def test_a_patch_changes_what_the_mask_names(here: StandIn) -> None:
    body = {"labels": {"kind": "ct"}, "notificationConfig": {"pubsubTopic": "t"}}
    answer = here.call("PATCH", f"{STORE}?updateMask=labels", json=body)
    assert answer.json() == {"name": STORE, "labels": {"kind": "ct"}}
    cleared = here.call("PATCH", f"{STORE}?updateMask=labels", json={})
    assert cleared.json() == {"name": STORE}
    assert here.call("PATCH", STORE, json=body).status_code == 400
    assert here.call("PATCH", f"{STORE}?updateMask=colour", json=body).status_code == 400


def test_lists_are_paged(here: StandIn) -> None:
    for name in ("b", "a", "c"):
        here.call("POST", f"{DATASET}/dicomStores?dicomStoreId={name}")
    first = here.call("GET", f"{DATASET}/dicomStores?pageSize=3").json()
    names = [one["name"].rpartition("/")[2] for one in first["dicomStores"]]
    assert names == ["a", "b", "c"]
    token = first["nextPageToken"]
    second = here.call("GET", f"{DATASET}/dicomStores", params={"pageToken": token}).json()
    assert [one["name"] for one in second["dicomStores"]] == [STORE]
    assert "nextPageToken" not in second
    assert here.call("GET", f"{DATASET}/dicomStores?pageToken=%21").status_code == 400
    assert here.call("GET", f"{DATASET}/dicomStores?pageSize=x").status_code == 400
    assert here.call("GET", f"{DATASET}/dicomStores?filter=labels.a%3D1").status_code == 400
    datasets = here.call("GET", f"{PARENT}/datasets").json()
    assert [one["name"] for one in datasets["datasets"]] == [DATASET]
    locations = here.call("GET", "projects/demo/locations").json()
    assert locations["locations"][0]["name"] == PARENT


@pytest.mark.parametrize("identifier", ["", "a/b", "..", "x" * 257])
def test_ids_that_cannot_stand_in_a_path(identifier: str, here: StandIn) -> None:
    for kind, parameter in (
        (f"{PARENT}/datasets", "datasetId"),
        (f"{DATASET}/dicomStores", "dicomStoreId"),
    ):
        answer = here.call("POST", kind, params={parameter: identifier})
        assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_bodies_that_are_no_objects(here: StandIn) -> None:
    path = f"{DATASET}/dicomStores?dicomStoreId=x"
    for body in (b"[]", b"{", b'"text"'):
        assert here.call("POST", path, data=body).status_code == 400
    assert here.call("POST", path, data=b"{" + b" " * (2 << 20) + b"}").status_code == 413
    for fields in ({"colour": "red"}, {"labels": "red"}, {"notificationConfigs": {}}):
        assert here.call("POST", path, json=fields).status_code == 400
    mask = {"updateMask": "labels"}
    assert here.call("PATCH", STORE, params=mask, json={"labels": [1]}).status_code == 400
    assert here.call("GET", STORE).json() == {"name": STORE}


def test_json_is_pretty_unless_asked_otherwise(here: StandIn) -> None:
    assert b"\n" in here.call("GET", STORE).content
    assert here.call("GET", f"{STORE}?prettyPrint=false").content == (
        b'{"name":"%b"}' % STORE.encode()
    )


# Import, export, metrics


def test_an_import_succeeds_with_failures(here: StandIn) -> None:
    done = imported(here)
    assert done["metadata"]["counter"] == {"success": "3", "failure": "1"}
    assert done["metadata"]["apiMethodName"].endswith("v1.dicom.DicomService.ImportDicomData")
    assert "error" not in done
    assert done["response"]["@type"].endswith("healthcare.v1.dicom.ImportDicomDataResponse")
    assert len(here.get("instances").json()) == 3
    operations = here.call("GET", f"{DATASET}/operations").json()["operations"]
    assert operations == [done]
    beta = here.http.get(f"{here.api.replace('/v1', '/v1beta1')}/{done['name']}", timeout=10)
    assert ".v1beta1." in beta.json()["metadata"]["apiMethodName"]


@pytest.mark.parametrize(
    ("pattern", "count"),
    [("*.dcm", 2), ("**", 5), ("**.dcm", 4), ("deep/*", 2), ("CT_sm?ll.dcm", 1), ("*", 3)],
)
def test_what_a_pattern_matches(pattern: str, count: int, here: StandIn) -> None:
    counter = imported(here, f"gs://scans/{pattern}")["metadata"]["counter"]
    assert sum(map(int, counter.values())) == count


@pytest.mark.parametrize(
    ("uri", "code", "words"),
    [
        ("gs://other/**", 5, "no bucket 'other'"),
        ("gs://scans/nothing*", 5, "Nothing matches"),
        ("s3://scans/**", 3, "no URI of Cloud Storage"),
    ],
)
def test_an_import_that_fails(uri: str, code: int, words: str, here: StandIn) -> None:
    done = imported(here, uri)
    assert done["error"]["code"] == code
    assert words in done["error"]["message"]
    assert "response" not in done
    assert here.call("POST", f"{STORE}:import", json={}).status_code == 400


def exported(here: StandIn, body: dict) -> dict:
    answer = here.call("POST", f"{STORE}:export", json=body)
    assert answer.status_code == 200, answer.text
    return here.finished(answer.json()["name"])


def test_an_export_writes_what_is_stored(here: StandIn, bucket: Path) -> None:
    imported(here)
    done = exported(here, {"gcsDestination": {"uriPrefix": "gs://scans/out/all"}})
    assert done["metadata"]["counter"] == {"success": "3"}
    header = dcmread(real_file(CT), stop_before_pixels=True)
    uids = (header.StudyInstanceUID, header.SeriesInstanceUID, f"{header.SOPInstanceUID}.dcm")
    written = bucket.joinpath("out", "all", *uids)
    assert written.read_bytes() == real_file(CT).read_bytes()
    assert len(list((bucket / "out").rglob("*.dcm"))) == 3
    paths = bucket / "paths.txt"
    paths.write_text(f"/studies/{header.StudyInstanceUID}\n\n")
    body = {
        "gcsDestination": {"uriPrefix": "gs://scans/png", "mimeType": "image/png"},
        "filterConfig": {"resourcePathsGcsUri": "gs://scans/paths.txt"},
    }
    assert exported(here, body)["metadata"]["counter"] == {"success": "1"}
    (picture,) = (bucket / "png").rglob("*.png")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_an_export_in_another_syntax_tells_what_failed(here: StandIn, bucket: Path) -> None:
    imported(here)
    kind = "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
    body = {"gcsDestination": {"uriPrefix": "gs://scans/native", "mimeType": kind}}
    assert exported(here, body)["metadata"]["counter"] == {"success": "3"}
    syntaxes = {dcmread(one).file_meta.TransferSyntaxUID for one in bucket.glob("native/**/*.dcm")}
    assert syntaxes == {"1.2.840.10008.1.2.1"}
    body["gcsDestination"]["mimeType"] = kind + ".99"
    assert exported(here, body)["metadata"]["counter"] == {"failure": "3"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"gcsDestination": {}},
        {"gcsDestination": "gs://scans"},
        {"gcsDestination": {"uriPrefix": ["gs://scans"]}},
        {"gcsDestination": {"uriPrefix": "gs://scans", "mimeType": "text/plain"}},
        {"gcsDestination": {"uriPrefix": "gs://scans", "mimeType": 5}},
        {"bigqueryDestination": "bq://a.b.c"},
        {"bigqueryDestination": {"tableUri": "bq://a.b.c", "writeDisposition": "WRITE_OVER"}},
        {"bigqueryDestination": {"tableUri": "bq://a.b.c", "writeDisposition": ["x"]}},
    ],
)
def test_exports_that_are_refused(body: dict, here: StandIn) -> None:
    assert here.call("POST", f"{STORE}:export", json=body).status_code == 400


def test_no_export_leads_out_of_the_bucket(here: StandIn, tmp_path: Path) -> None:
    done = exported(here, {"gcsDestination": {"uriPrefix": "gs://scans/../out"}})
    assert done["error"]["code"] == 3
    assert not (tmp_path / "out").exists()


def test_a_table_of_bigquery_is_a_file_of_json_lines(here: StandIn, tables: Path) -> None:
    imported(here)
    body = {"bigqueryDestination": {"tableUri": "bq://demo.imaging.all"}}
    assert exported(here, body)["metadata"]["counter"] == {"success": "3"}
    rows = [json.loads(line) for line in (tables / "all.jsonl").read_text().splitlines()]
    ct = next(row for row in rows if row["Modality"] == "CT")
    header = dcmread(real_file(CT), stop_before_pixels=True)
    assert ct["PatientName"] == {"Alphabetic": str(header.PatientName)}
    assert ct["ImagePositionPatient"] == [float(one) for one in header.ImagePositionPatient]
    assert "PixelData" not in ct
    again = exported(here, body)
    assert again["error"]["code"] == 6
    body["bigqueryDestination"]["writeDisposition"] = "WRITE_APPEND"
    exported(here, body)
    assert len((tables / "all.jsonl").read_text().splitlines()) == 6
    body["bigqueryDestination"]["writeDisposition"] = "WRITE_TRUNCATE"
    exported(here, body)
    assert len((tables / "all.jsonl").read_text().splitlines()) == 3
    other = exported(here, {"bigqueryDestination": {"tableUri": "bq://demo.other.all"}})
    assert "bq://demo.other" in other["error"]["message"]


def test_metrics_are_text(here: StandIn, bucket: Path) -> None:
    imported(here)
    stored = sum(len(real_file(name).read_bytes()) for name in (CT, RLE, "rtdose.dcm"))
    metrics = here.call("GET", f"{STORE}:getDICOMStoreMetrics").json()
    assert metrics["studyCount"] == "3"
    assert metrics["instanceCount"] == "3"
    assert metrics["blobStorageSizeBytes"] == str(stored)
    header = dcmread(real_file(CT), stop_before_pixels=True)
    study = f"{STORE}/dicomWeb/studies/{header.StudyInstanceUID}"
    series = f"{study}/series/{header.SeriesInstanceUID}"
    size = str(real_file(CT).stat().st_size)
    found = here.call("GET", f"{study}:getStudyMetrics").json()
    assert (found["study"], found["seriesCount"], found["instanceCount"]) == (study, "1", "1")
    assert found["blobStorageSizeBytes"] == size
    found = here.call("GET", f"{series}:getSeriesMetrics").json()
    assert (found["series"], found["instanceCount"]) == (series, "1")
    found = here.call("GET", f"{series}/instances/{header.SOPInstanceUID}:getStorageInfo").json()
    assert found["blobStorageInfo"]["sizeBytes"] == size
    assert here.call("GET", f"{STORE}/dicomWeb/studies/1.2:getStudyMetrics").status_code == 404


# Operations


def test_an_operation_can_be_cancelled(
    here: StandIn, bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(300):
        shutil.copy(real_file(CT), bucket / f"copy{number}.dcm")
    begun, go, store = threading.Event(), threading.Event(), FolderSource.store

    def held(source: FolderSource, uploads: Any, **options: Any) -> Any:
        outcomes = store(source, uploads, **options)
        begun.set()
        assert go.wait(SECONDS)
        return outcomes

    monkeypatch.setattr(FolderSource, "store", held)
    answer = here.call("POST", f"{STORE}:import", json={"gcsSource": {"uri": "gs://scans/**"}})
    name = answer.json()["name"]
    assert begun.wait(SECONDS)
    assert here.call("POST", f"{name}:cancel").json() == {}
    go.set()
    done = here.finished(name)
    assert done["error"]["code"] == 1
    assert done["metadata"]["cancelRequested"] is True
    assert 0 < int(done["metadata"]["counter"]["success"]) < 300
    ended = imported(here, "gs://scans/CT_small.dcm")["name"]
    assert here.call("POST", f"{ended}:cancel").json() == {}
    assert "cancelRequested" not in here.finished(ended)["metadata"]
    assert here.call("GET", f"{DATASET}/operations/999999").status_code == 404


# De-identification


def deidentified(here: StandIn, config: object, store: str = "clean") -> list[dn.Archive]:
    name = f"{DATASET}/dicomStores/{store}"
    answer = here.call(
        "POST", f"{STORE}:deidentify", json={"destinationStore": name, "config": config}
    )
    assert answer.status_code == 200, answer.text
    done = here.finished(answer.json()["name"])
    assert done["metadata"]["counter"] == {"success": "3"}
    return [
        dn.connect(
            here.url.replace("dicomStores/demo", f"dicomStores/{one}"),
            auth=dn.Bearer(str(here.server.token)),
        )
        for one in ("demo", store)
    ]


def test_deidentified_copies_hold_nothing_but_the_list(here: StandIn) -> None:
    imported(here)
    before, after = deidentified(here, {"dicom": {"keepList": {"tags": ["PatientSex"]}}})
    rows = after.instances()
    assert len(rows) == 3
    assert not set(rows["StudyInstanceUID"]) & set(before.instances()["StudyInstanceUID"])
    texts = []
    for ref in rows.index:
        dataset = after.dataset(rows.loc[ref])
        assert dataset.PatientName == ""
        assert dataset.PatientID == ""
        assert dataset.PatientIdentityRemoved == "YES"
        assert "SourceApplicationEntityTitle" not in dataset.file_meta
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        assert "StudyDescription" not in dataset
        assert not any(element.tag.is_private for element in dataset)
        texts.append(str(dataset))
    header = dcmread(real_file(CT), stop_before_pixels=True)
    for word in (str(header.PatientName), header.PatientID, header.StudyInstanceUID):
        assert not any(word in text for text in texts)
    ct = next(after.dataset(rows.loc[one]) for one in rows.index if rows.loc[one].Rows == 128)
    assert ct.PatientSex == "O"
    assert (ct.pixel_array == dcmread(real_file(CT)).pixel_array).all()


def test_a_list_to_remove_keeps_the_rest(here: StandIn) -> None:
    imported(here)
    config = {"dicom": {"removeList": {"tags": ["00100010"]}, "skipIdRedaction": True}}
    before, after = deidentified(here, config)
    uids = set(before.instances()["SOPInstanceUID"])
    assert set(after.instances()["SOPInstanceUID"]) == uids
    header = dcmread(real_file(CT), stop_before_pixels=True)
    dataset = after.dataset(
        dn.Ref(header.StudyInstanceUID, header.SeriesInstanceUID, header.SOPInstanceUID)
    )
    assert "PatientName" not in dataset
    assert dataset.PatientID == header.PatientID
    assert "PatientIdentityRemoved" not in dataset


def test_uids_are_replaced_alike_everywhere() -> None:
    redaction = Redaction.of({})
    assert redaction.new_uid("1.2.3") == redaction.new_uid("1.2.3")
    assert redaction.new_uid("1.2.3") != Redaction.of({}).new_uid("1.2.3")
    assert redaction.new_uid("1.2.840.10008.1.2") == "1.2.840.10008.1.2"


@pytest.mark.parametrize(
    ("config", "status"),
    [
        ({"dicom": {"filterProfile": "ATTRIBUTE_CONFIDENTIALITY_BASIC_PROFILE"}}, 501),
        ({"image": {"textRedactionMode": "REDACT_ALL_TEXT"}}, 501),
        ({"text": {}}, 501),
        ({"dicom": {"options": {}}}, 501),
        ({"dicom": {"keepList": {"tags": ["NoSuchKeyword"]}}}, 400),
        ({"dicom": {"keepList": {}, "removeList": {}}}, 400),
        ({"dicom": {"keepList": []}}, 400),
        ({"dicom": {"keepList": {"tags": 5}}}, 400),
        ({"dicom": "minimal"}, 400),
        ({"image": 5}, 400),
        ("basic", 400),
    ],
)
def test_what_is_not_done_is_refused(config: object, status: int, here: StandIn) -> None:
    body = {"destinationStore": f"{DATASET}/dicomStores/clean", "config": config}
    assert here.call("POST", f"{STORE}:deidentify", json=body).status_code == status
    assert here.call("GET", body["destinationStore"]).status_code == 403


def test_the_destination_must_be_new(here: StandIn, tmp_path: Path) -> None:
    imported(here)
    here.call("POST", f"{DATASET}/dicomStores?dicomStoreId=there")
    body = {"destinationStore": f"{DATASET}/dicomStores/there"}
    assert here.call("POST", f"{STORE}:deidentify", json=body).status_code == 409
    for name, status in (
        (STORE, 409),
        ("there", 400),
        (f"{DATASET}/dicomStores/a b", 400),
        (STORE.replace("demo/dicom", "x/dicom"), 403),
    ):
        body = {"destinationStore": name}
        assert here.call("POST", f"{STORE}:deidentify", json=body).status_code == status
    folder = folder_of(tmp_path / "other", CT)
    allowed = Habits(deidentify_into_existing="allowed")
    with stand_in(folder, flavour=allowed, writable=True) as other:
        other.call("POST", f"{DATASET}/dicomStores?dicomStoreId=there")
        body = {"destinationStore": f"{DATASET}/dicomStores/there"}
        answer = other.call("POST", f"{STORE}:deidentify", json=body)
        assert other.finished(answer.json()["name"])["metadata"]["counter"] == {"success": "1"}


def test_a_read_only_server_exports_and_refuses_the_rest(tmp_path: Path, bucket: Path) -> None:
    with stand_in(folder_of(tmp_path / "data", CT), buckets={"scans": bucket}) as found:
        assert exported(found, {"gcsDestination": {"uriPrefix": "gs://scans/out"}})["done"]
        for path in (f"{STORE}:import", f"{STORE}:deidentify", f"{DATASET}/dicomStores"):
            answer = found.call("POST", path, json={})
            assert answer.status_code == 403, path
            assert "read-only" in answer.json()["error"]["message"]


def test_it_runs_in_a_process_of_its_own(tmp_path: Path, bucket: Path) -> None:
    folder = folder_of(tmp_path / "data", CT)
    with stand_in(folder, writable=True, process=True, buckets={"scans": bucket}) as found:
        assert imported(found)["metadata"]["counter"]["failure"] == "1"
        data = found.get("studies?limit=1").json()
        assert len(data) == 1
    with pytest.raises(dn.errors.NoDicom, match="bucket 'scans'"):
        dn.serve(folder, flavour="google", buckets={"scans": tmp_path / "nothing"})
    with pytest.raises(TypeError, match="function"):
        dn.serve(folder, flavour="google", token=str.isascii, process=True)
    with pytest.raises(TypeError, match="switches"):
        dn.serve(folder, flavour=Habits(missing_store=404), process=True)
