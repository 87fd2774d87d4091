"""A volume in 3D by ipyniivue, in a real JupyterLab: fed offline, placed rightly, not saved."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page

import dicomnb as dn
from dicomnb.errors import GeometryError
from tests.browser.conftest import ask, saved, until, written
from tests.conftest import screenshots

CELLS = [
    "import dicomnb as dn\narchive = dn.connect(FOLDER)\n"
    "scan = archive.series(SeriesDescription='T1 oblique').iloc[0]",
    "widget = archive.volume(scan).to_niivue(window='full')\nwidget",
]


@pytest.mark.long
def test_in_three_dimensions(
    run_notebook: Callable[..., Page], tmp_path: Path, demo_folder: Path
) -> None:
    cells = [one.replace("FOLDER", repr(str(demo_folder))) for one in CELLS]
    page = run_notebook(written(tmp_path / "niivue.ipynb", cells))
    until(page, "bool(widget.volumes and widget.volumes[0].dims_ras)", bool)
    until(page, "widget.volumes[0].data is None and widget.volumes[0].img is None", bool)
    archive = dn.connect(demo_folder)
    scan = archive.series(SeriesDescription="T1 oblique").iloc[0]
    volume = archive.volume(scan).reoriented("SAR")  # rows of the nearest axes, as NiiVue has them
    affine = np.diag([-1.0, -1, 1, 1]) @ volume.grid
    dims = ask(page, "[int(one) for one in widget.volumes[0].dims_ras]")
    assert dims == [3, *volume.shape[::-1]]
    matrix = np.array(ask(page, "widget.volumes[0].mat_ras.tolist()"))
    assert matrix == pytest.approx(affine[:, [2, 1, 0, 3]], abs=1e-3)
    page.wait_for_function(
        "() => { const one = document.querySelector('.jp-OutputArea canvas');"
        " return one && one.width > 100; }"
    )
    page.screenshot(path=screenshots() / "niivue-in-lab.png")

    text = saved(page, tmp_path / "work" / "notebook.ipynb")
    assert "NiiVue" in text
    state = json.loads(text)["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]
    assert all(not one.get("buffers") for one in state["state"].values())
    for name in ("PatientName", "PatientID", "SeriesInstanceUID", "SeriesDescription"):
        assert str(scan[name]) not in text, name
    row = archive.volume(scan)[10, 80].tobytes()
    assert base64.b64encode(row[:48]).decode() not in text


def test_without_a_place_there_is_nothing_to_turn() -> None:
    with pytest.raises(GeometryError, match="no place"):
        dn.Volume(np.zeros((2, 4, 4), np.int16)).to_niivue()


@pytest.mark.parametrize("kind", ["int16", "bool", "int64", "float16"])
def test_any_type_is_handed_over(kind: str) -> None:
    import nibabel

    from dicomnb.volumes.niivue import _bytes

    array = (np.arange(24).reshape(2, 3, 4) % 2).astype(kind)
    affine = np.array([[0, 0, -0.5, 10], [0, 0.5, 0, -20], [2, 0, 0, -30], [0, 0, 0, 1.0]])
    volume = dn.Volume(array, affine=affine, title="Zhang")
    image = nibabel.Nifti1Image.from_bytes(_bytes(volume))
    assert not image.header.extensions
    assert (np.asarray(image.dataobj).transpose() == array).all()
    assert image.affine == pytest.approx(np.diag([-1, -1, 1, 1]) @ affine[:, [2, 1, 0, 3]])


def test_it_keeps_what_it_is_told_to() -> None:
    volume = dn.Volume(np.zeros((2, 3, 4), np.int16), affine=np.eye(4)[[2, 1, 0, 3]])
    assert volume.to_niivue().volumes == []
    assert len(volume.to_niivue(keep=True).volumes[0].data) > 348
