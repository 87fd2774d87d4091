"""Google's names: what connects, and what an error says of a malformed one."""

from __future__ import annotations

import pytest

import dicomnb as dn
from dicomnb.web.google_names import api_root_of, dicomweb_root, made, name_in, parent

STORE = "projects/p/locations/us-central1/datasets/d/dicomStores/s"
GOOGLE = "https://healthcare.googleapis.com"


@pytest.mark.parametrize(
    ("where", "root"),
    [
        (STORE, f"{GOOGLE}/v1/{STORE}/dicomWeb"),
        (f"/{STORE}/", f"{GOOGLE}/v1/{STORE}/dicomWeb"),
        (f"{STORE}/dicomWeb/studies/1.2", f"{GOOGLE}/v1/{STORE}/dicomWeb"),
        (f"//healthcare.googleapis.com/{STORE}", f"{GOOGLE}/v1/{STORE}/dicomWeb"),
        (f"{GOOGLE}/v1/{STORE}", f"{GOOGLE}/v1/{STORE}/dicomWeb"),
        (f"{GOOGLE}/v1beta1/{STORE}/dicomWeb/", f"{GOOGLE}/v1beta1/{STORE}/dicomWeb"),
        (f"{GOOGLE}/v1/{STORE}/dicomWeb/studies?limit=1", f"{GOOGLE}/v1/{STORE}/dicomWeb"),
        (f"http://127.0.0.1:99/v1/{STORE}", f"http://127.0.0.1:99/v1/{STORE}/dicomWeb"),
        (f"https://private.example/x/v1/{STORE}#a", f"https://private.example/x/v1/{STORE}/dicomWeb"),
        ("https://pacs.example/dicom-web", None),
        ("https://pacs.example/projects/x/dicom-web", None),
        ("a/folder", None),
        ("projection/data", None),
    ],
)  # fmt: skip
def test_what_is_taken_for_a_store(where, root):
    assert dicomweb_root(where) == root


def test_another_root():
    assert dicomweb_root(STORE, api_root="http://127.0.0.1:9/v1beta1/").startswith(
        "http://127.0.0.1:9/v1beta1/projects/p/"
    )
    assert api_root_of("https://healthcare-x.p.googleapis.com") == (
        "https://healthcare-x.p.googleapis.com/v1"
    )
    with pytest.raises(dn.RefError, match="no address"):
        api_root_of("healthcare.googleapis.com/v1")


def test_identifiers_that_are_not_ascii_are_escaped_once():
    name = STORE.replace("/d/", "/données/")
    root = dicomweb_root(name)
    assert "/donn%C3%A9es/" in root
    assert dicomweb_root(root) == root
    assert name_in(root, "dataset") == parent(name)


@pytest.mark.parametrize(
    ("where", "fault"),
    [
        ("projects/p/locations/l/datasets/d", "ends where dicomStores/"),
        ("projects/p/location/l/datasets/d/dicomStores/s", "'location' where 'locations'"),
        ("project/p/locations/l/datasets/d/dicomStores/s", "'project' where 'projects'"),
        ("project/p/dicomStores/s", "'project' where 'projects'"),
        ("projects/p/datasets/d/dicomStores/s", "'datasets' where 'locations'"),
        ("projects/p/locations/l/datasets/d/dicomstores/s", "'dicomstores' where 'dicomStores'"),
        ("projects/p/locations/l/datasets//dicomStores/s", "dataset is missing"),
        ("projects//locations/l/datasets/d/dicomStores/s", "project is missing"),
        ("projects/p/locations/l/datasets/d/dicomStores/", "store is missing"),
        ("projects/p/locations/l/datasets/d/dicomStores/a b", "'a b' .* not a store"),
        ("projects/p/locations/../datasets/d/dicomStores/s", "'..' .* not a location"),
        ("projects/p/locations/l/datasets/../dicomStores/s", "'..' .* not a dataset"),
        ("projects/p/locations/l/datasets/d/fhirStores/s", "DICOM lies in dicomStores"),
        ("projects/{project}/locations/l/datasets/d/dicomStores/s", "'{project}' .* not a project"),
        (f"{GOOGLE}/{STORE}/dicomWeb", "no version of the API"),
        (f"{GOOGLE}/v1/", "names no store"),
        (f"{GOOGLE}/v1/projects/p/locations/l/datasets/d/dicomWeb", "'dicomWeb' where"),
        (f"{GOOGLE}/v1/{STORE[:-1]}..%2F..%2Fx", "not a store"),
    ],
)
def test_the_first_fault_of_a_name_is_told(where, fault):
    with pytest.raises(dn.RefError, match=fault) as caught:
        dn.connect(where)
    assert isinstance(caught.value, ValueError)


def test_a_secret_in_an_address_is_refused_and_not_shown():
    for where in (f"{GOOGLE}/v1/{STORE}/dicomWeb?access_token=s3cret", f"{GOOGLE}/v1?key=s3cret"):
        with pytest.raises(dn.ConnectionFailed, match="credentials go into auth=") as caught:
            dn.connect(where)
        assert "s3cret" not in str(caught.value)


def test_a_folder_that_is_there_goes_before_a_name(tmp_path, monkeypatch):
    (tmp_path / "projects/p").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    archive = dn.connect("projects/p", options=dn.Options(writable=True))
    assert archive.source.abilities().family == "folder"


def test_names_are_made_of_their_parts():
    assert made("store", project="p", location="us-central1", dataset="d", store="s") == STORE
    assert made("location", project="example.com:p", location="eu") == (
        "projects/example.com:p/locations/eu"
    )
    with pytest.raises(dn.RefError, match="'a/b'"):
        made("dataset", project="p", location="l", dataset="a/b")
    with pytest.raises(dn.RefError, match="store is missing"):
        made("store", project="p", location="l", dataset="d", store="")
