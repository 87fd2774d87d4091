"""The server over a folder of real files, as others' programs see it."""

from __future__ import annotations

import io
import shutil
import threading
from typing import TYPE_CHECKING, Any

import PIL.Image
import pydicom.data
import pytest
import requests
from dicomweb_client import DICOMwebClient
from memory_source import MemorySource, real_bytes, reference
from pydicom import Dataset

from dicomnb.server import serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = ("CT_small.dcm", "MR_small_RLE.dcm", "JPEG2000.dcm", "rtdose.dcm", "priv_SQ.dcm")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("scans")
    for name in NAMES:
        shutil.copy(str(pydicom.data.get_testdata_file(name, download=False)), folder / name)
    with serve(folder) as address:
        yield address


def dataset(name: str) -> Dataset:
    return MemorySource.dataset(real_bytes(name))


def bulk_uris(data: Any) -> Iterator[str]:
    """Every BulkDataURI in DICOM JSON, however deep."""
    if isinstance(data, list):
        for item in data:
            yield from bulk_uris(item)
    elif isinstance(data, dict):
        if "BulkDataURI" in data:
            yield data["BulkDataURI"]
        for value in data.values():
            yield from bulk_uris(value)


def test_every_bulk_data_uri_leads_to_the_bytes(url: str) -> None:
    for row in requests.get(f"{url}/studies").json():
        study = row["00081190"]["Value"][0]
        metadata = requests.get(f"{study}/metadata").json()
        for uri in bulk_uris(metadata):
            assert uri.startswith(f"{url}/studies/")
            answer = requests.get(uri)
            assert answer.status_code == 200
            assert len(answer.content) > 0


def test_instances_come_byte_for_byte(url: str) -> None:
    for name in NAMES[:4]:
        ref = reference(dataset(name))
        answer = requests.get(f"{url}/{ref.path}", headers={"Accept": "application/dicom"})
        assert answer.content == real_bytes(name)


def test_pictures_can_be_opened(url: str) -> None:
    ref = reference(dataset("CT_small.dcm"))
    for kind, name in (("image/png", "PNG"), ("image/jpeg", "JPEG")):
        answer = requests.get(f"{url}/{ref.path}/rendered", headers={"Accept": kind})
        with PIL.Image.open(io.BytesIO(answer.content)) as picture:
            assert (picture.format, picture.size) == (name, (128, 128))


def test_an_archive_can_be_filled_by_others(tmp_path: Path) -> None:
    with serve(tmp_path, writable=True) as address:
        client = DICOMwebClient(address)
        assert client.search_for_studies() == []
        sent = dataset("CT_small.dcm")
        client.store_instances([sent])
        (row,) = client.search_for_instances()
        ref = reference(sent)
        assert row["00081190"]["Value"] == [f"{address}/{ref.path}"]
        assert client.retrieve_instance(ref.study, ref.series, ref.instance) == sent
        client.delete_study(ref.study)
        assert client.search_for_studies() == []


def test_sixteen_clients_store_at_once(tmp_path: Path) -> None:
    def store(number: int) -> None:
        one = dataset("CT_small.dcm")
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = f"1.2.{number}"
        client.store_instances([one])

    with serve(tmp_path, writable=True) as address:
        client = DICOMwebClient(address)
        threads = [threading.Thread(target=store, args=(n,)) for n in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        rows = client.search_for_instances()
    assert {row["00080018"]["Value"][0] for row in rows} == {f"1.2.{n}" for n in range(16)}
