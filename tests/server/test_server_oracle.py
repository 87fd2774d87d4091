"""dicomweb-client, which others wrote, understands every answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from dicomweb_client import DICOMwebClient
from memory_source import MemorySource, real_bytes

if TYPE_CHECKING:
    from dicomnb.refs import Ref
    from dicomnb.server import Server


@pytest.fixture
def client(server: Server) -> DICOMwebClient:
    return DICOMwebClient(server.url)


def test_search(client: DICOMwebClient, source: MemorySource) -> None:
    assert len(client.search_for_studies()) == len(source.files)
    (row,) = client.search_for_series(search_filters={"Modality": "RTDOSE"})
    study, series = (row[tag]["Value"][0] for tag in ("0020000D", "0020000E"))
    assert len(client.search_for_instances(study, series)) == 1
    assert client.search_for_studies(search_filters={"PatientID": "nobody"}) == []
    assert len(client.search_for_instances(limit=2, offset=1)) == 2


def test_retrieve(client: DICOMwebClient, refs: dict[str, Ref]) -> None:
    ref = refs["CT_small.dcm"]
    expected = MemorySource.dataset(real_bytes("CT_small.dcm"))
    assert client.retrieve_instance(ref.study, ref.series, ref.instance) == expected
    assert client.retrieve_series(ref.study, ref.series) == [expected]
    assert list(client.iter_series(ref.study, ref.series)) == [expected]
    anything = (("application/dicom", "*"),)
    assert client.retrieve_study(ref.study, media_types=anything) == [expected]
    (row,) = client.retrieve_study_metadata(ref.study)
    assert row["00080018"]["Value"] == [ref.instance]
    data = client.retrieve_bulkdata(row["7FE00010"]["BulkDataURI"])
    assert data == [expected.PixelData]


@pytest.mark.parametrize(
    "media_types",
    [
        None,
        (("image/dicom-rle", "1.2.840.10008.1.2.5"),),
        (("application/octet-stream", "1.2.840.10008.1.2.1"),),
    ],
)
def test_frames(
    media_types: tuple[tuple[str, str]] | None, client: DICOMwebClient, refs: dict[str, Ref]
) -> None:
    ref = refs["SC_rgb_rle_2frame.dcm"]
    dataset = MemorySource.dataset(real_bytes("SC_rgb_rle_2frame.dcm"))
    frames = client.retrieve_instance_frames(
        ref.study, ref.series, ref.instance, [2], media_types=media_types
    )
    if media_types and media_types[0][0] == "application/octet-stream":
        expected = dataset.pixel_array[1]
        np.testing.assert_array_equal(
            np.frombuffer(frames[0], "uint8").reshape(expected.shape), expected
        )
    else:
        assert frames[0] in dataset.PixelData


def test_rendered(client: DICOMwebClient, refs: dict[str, Ref]) -> None:
    ref = refs["CT_small.dcm"]
    where = (ref.study, ref.series, ref.instance)
    assert client.retrieve_instance_rendered(*where, media_types=("image/png",)) == b"\x89PNG"
    assert client.retrieve_instance_frames_rendered(*where, [1]) == b"\xff\xd8"


def test_store_and_delete(client: DICOMwebClient, source: MemorySource) -> None:
    source.files.clear()
    dataset = MemorySource.dataset(real_bytes("CT_small.dcm"))
    answer = client.store_instances([dataset])
    (item,) = answer.ReferencedSOPSequence
    assert item.ReferencedSOPInstanceUID == dataset.SOPInstanceUID
    (ref,) = source.files
    client.delete_instance(ref.study, ref.series, ref.instance)
    assert source.files == {}
