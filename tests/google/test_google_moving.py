"""Import, export, de-identification and metrics, with the library against the stand-in."""

from __future__ import annotations

import shutil

import pytest

import dicomnb as dn
from dicomnb.server import serve
from tests.conftest import real_file

FILES = ("CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm")
DATASET = "projects/demo/locations/local/datasets/demo"


@pytest.fixture
def bucket(tmp_path):
    """A folder that stands for ``gs://bucket``, with three instances and a text."""
    folder = tmp_path / "bucket"
    (folder / "scans/deep").mkdir(parents=True)
    shutil.copy(real_file(FILES[0]), folder / "scans")
    for name in FILES[1:]:
        shutil.copy(real_file(name), folder / "scans/deep")
    return folder


@pytest.fixture
def here(tmp_path, bucket):
    """An empty store beside the bucket, and how its API is reached by name."""
    folder = tmp_path / "store"
    folder.mkdir()
    tables = tmp_path / "tables"
    tables.mkdir()
    places = {"bucket": bucket, "bq://p.tables": tables}
    server = serve(folder, flavour="google", writable=True, buckets=places)
    root = server.url.partition("/projects/")[0]
    keywords = {"auth": dn.Bearer(server.token), "options": dn.Options(api_root=root)}
    with dn.connect(server.url, auth=keywords["auth"]) as archive:
        yield archive, keywords
    server.close()


def test_import_and_what_failed_in_it(here, bucket, capsys):
    archive, _ = here
    assert dn.google.import_(archive, "gs://bucket/scans/**.dcm").state.success == 3
    assert len(archive.instances()) == 3
    (bucket / "scans/broken.dcm").write_bytes(b"no DICOM at all")
    with pytest.warns(dn.DicomnbWarning, match="1 of 4 items failed"):
        again = dn.google.import_(archive, "gs://bucket/scans/**.dcm", progress=True)
    assert (again.state.word, again.failures, again.state.success) == ("done", 1, 3)
    assert "ImportDicomData" in capsys.readouterr().err
    with pytest.raises(dn.DicomnbError, match="operations/"):
        dn.google.import_(archive, "gs://elsewhere/**.dcm")


def test_export_gives_the_bytes_back(here, bucket):
    archive, _ = here
    archive.store([real_file(name) for name in FILES])
    as_stored = "application/dicom; transfer-syntax=*"
    done = dn.google.export(archive, "gs://bucket/out", media_type=as_stored)
    assert done.state.success == 3
    written = {path.read_bytes() for path in (bucket / "out").rglob("*.dcm")}
    assert written == {real_file(name).read_bytes() for name in FILES}


def test_export_to_a_table_and_what_is_done_with_one_that_is_there(here):
    archive, _ = here
    archive.store(real_file("CT_small.dcm"))
    for write in (None, "append", "truncate"):
        assert dn.google.export(archive, "bq://p.tables.rows", write=write).failures == 0
    with pytest.raises(dn.DicomnbError, match="operations/"):
        dn.google.export(archive, "bq://p.tables.rows", write="empty")


def test_deidentification_into_another_store(here):
    archive, keywords = here
    archive.store(real_file("CT_small.dcm"))
    to = f"{DATASET}/dicomStores/research"
    config = dn.google.configuration(keep=["Modality"], text="none")
    assert dn.google.deidentify(archive, to, config=config).state.success == 1
    with pytest.raises(dn.BadQuery, match="exists already"):
        dn.google.deidentify(archive, to, config=config)
    with dn.connect(to, **keywords) as research:
        copied = research.instances(fields=["Modality", "PatientID"])
        assert copied["Modality"].tolist() == ["CT"]
        assert copied["PatientID"].isna().all()
        assert not set(copied["SOPInstanceUID"]) & set(archive.instances()["SOPInstanceUID"])


def test_metrics_at_each_level(here):
    archive, keywords = here
    archive.store([real_file(name) for name in FILES])
    store = dn.google.metrics(archive)
    assert store[["Studies", "Series", "Instances"]].iloc[0].tolist() == [3, 3, 3]
    assert store.equals(dn.google.metrics(f"{DATASET}/dicomStores/demo", **keywords))
    for rows, columns in ((archive.studies(), ["Series", "Instances"]), (archive.series(), None)):
        table = dn.google.metrics(archive, rows)
        assert table["StudyInstanceUID"].tolist() == rows["StudyInstanceUID"].tolist()
        assert table[columns or ["Instances"]].eq(1).all(axis=None)
        assert {str(table[name].dtype) for name in ("Instances", "BlobBytes")} == {"Int64"}
        assert table["BlobBytes"].sum() == store["BlobBytes"].iloc[0]
    nothing = dn.google.metrics(archive, archive.studies().iloc[:0])
    assert nothing.dtypes.equals(dn.google.metrics(archive, archive.studies()).dtypes)
    with pytest.raises(ValueError, match="an instance has none"):
        dn.google.metrics(archive, archive.instances())
    with pytest.raises(dn.NotFound):
        dn.google.metrics(archive, dn.Ref("1.2.3"))
