"""The public face: names, what an import costs, what a connection refuses."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import dicomnb as dn
from dicomnb import errors
from tests.conftest import real_file

NAMES = [
    "Archive", "AuthError", "BadQuery", "Bearer", "Cancel", "Cancelled", "ConnectionFailed",
    "DecodeError", "DicomWebError", "DicomnbError", "DicomnbWarning", "DiskFull", "GeometryError",
    "LimitExceeded", "Limits", "NoDicom", "NotFound", "Options", "OriginRefused", "ProtocolError",
    "Ref", "RefError", "ServerError", "StillRunning", "StoreError", "Throttled", "UnitsError",
    "Unsupported", "Volume", "browse", "connect", "demo", "demo_labels", "google", "images",
    "load_table", "measurements", "plots", "read_multipart", "save_table", "serve", "volumes",
    "widgets",
]  # fmt: skip


def test_public_names_are_these() -> None:
    assert dn.__all__ == NAMES
    for name in NAMES:
        assert getattr(dn, name) is not None
        assert name in dir(dn)
    with pytest.raises(AttributeError, match="nonsense"):
        dn.nonsense  # noqa: B018


def test_archive_has_the_names_of_the_design() -> None:
    wanted = (
        "studies series instances pages explain metadata dataset datasets frames volume "
        "rendered bulkdata download store store_images delete source"
    )
    with dn.connect(Path(real_file("CT_small.dcm")).parent) as archive:
        assert all(hasattr(archive, name) for name in wanted.split())


def test_import_loads_nothing_heavy() -> None:
    heavy = "matplotlib IPython ipywidgets google.auth cheroot werkzeug imagecodecs"
    code = f"import sys, dicomnb; print([m for m in {heavy.split()!r} if m in sys.modules])"
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"


def test_every_error_is_documented_and_in_the_tree() -> None:
    for name in errors.__all__:
        kind = getattr(errors, name)
        assert kind.__doc__, name
        if name not in ("DicomnbWarning", "heard", "warn"):
            assert issubclass(kind, dn.DicomnbError)
            assert name in str(errors.__doc__)


@pytest.mark.parametrize("name", ["AuthError", "NotFound", "BadQuery", "ProtocolError"])
def test_errors_keep_what_they_know(name: str) -> None:
    error = getattr(dn, name)("No such study.", url="http://h/studies/1", status=404,
                              server_words="gone")  # fmt: skip
    again = pickle.loads(pickle.dumps(error))
    assert (again.url, again.status, again.server_words) == ("http://h/studies/1", 404, "gone")
    assert str(again) == str(error)
    assert "HTTP 404" in str(error)
    assert "gone" in str(error)


def test_a_store_error_keeps_its_table() -> None:
    import pandas as pd

    table = pd.DataFrame({"Outcome": ["failed"]})
    again = pickle.loads(pickle.dumps(dn.StoreError("1 failed", table=table)))
    pd.testing.assert_frame_equal(again.table, table)


def test_connecting_to_what_is_no_archive(tmp_path: Path) -> None:
    with pytest.raises(dn.NoDicom, match="nowhere"):
        dn.connect(tmp_path / "nowhere")
    with pytest.raises(dn.RefError, match="projects/"):
        dn.connect("project/p/dicomStores/s")
    with pytest.raises(dn.NoDicom, match="projects/"):
        dn.connect("p/d/s")
    (tmp_path / "notes.txt").write_text("no DICOM")
    with pytest.raises(dn.NoDicom, match="1"):
        dn.connect(tmp_path)
    with pytest.raises(TypeError, match="int"):
        dn.connect(5)
    with pytest.raises(TypeError, match="neither auth="):
        dn.connect(tmp_path, auth=("a", "b"))
    with pytest.raises(dn.ConnectionFailed):
        dn.connect("http://127.0.0.1:9/dicom-web", options=dn.Options(timeout=(1, 1)))


def test_a_misspelt_option_is_an_error() -> None:
    with pytest.raises(TypeError):
        dn.Options(time_out=3)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="workers"):
        dn.Options(workers=0)
    with pytest.raises(ValueError, match="timeout"):
        dn.Options(timeout=(0, 1))


def test_an_archive_shows_itself_and_pickles(tmp_path: Path) -> None:
    (tmp_path / "<b>.dcm").write_bytes(real_file("CT_small.dcm").read_bytes())
    folder = tmp_path / "<img src=x>"
    folder.mkdir()
    (tmp_path / "<b>.dcm").rename(folder / "a.dcm")
    archive = dn.connect(folder)
    assert str(folder) in repr(archive)
    html = archive._repr_html_()
    assert "<img" not in html
    assert "&lt;img src=x&gt;" in html
    assert "search" in html
    again = pickle.loads(pickle.dumps(archive))
    assert len(again.instances()) == 1
    (folder / "b.dcm").write_bytes(real_file("MR_small.dcm").read_bytes())
    archive.refresh()
    assert len(archive.instances()) == 2


def test_a_client_brought_along_is_used(tmp_path: Path) -> None:
    from dicomweb_client.api import DICOMwebClient

    (tmp_path / "a.dcm").write_bytes(real_file("CT_small.dcm").read_bytes())
    with dn.serve(tmp_path) as url:
        client = DICOMwebClient(url)
        before = dict(client._session.headers)
        assert len(dn.connect(client).instances()) == 1
        assert dict(client._session.headers) == before
        assert len(client.search_for_instances()) == 1


def test_progress_bar_counts_and_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.dcm").write_bytes(real_file("CT_small.dcm").read_bytes())
    archive = dn.connect(tmp_path)
    archive.download(archive.instances(), tmp_path / "out", progress=True)
    assert "download" in capsys.readouterr().err
