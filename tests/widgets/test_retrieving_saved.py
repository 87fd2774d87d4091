"""What a notebook keeps of a panel that fetched: nothing of a patient."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
from nbclient import NotebookClient

import dicomnb as dn

CELLS = (
    """
import dicomnb as dn
archive = dn.connect({folder!r})
scan = archive.series(Modality="CT").iloc[0]
panel = dn.widgets.RetrievePanel(archive, scan, {target!r})
panel.target = "volume"
panel.fetch()
panel
""",
    "busy = panel.busy; 1 + 1",
    """
panel.wait()
for target in ("datasets", "folder"):
    panel.target = target
    panel.fetch()
    panel.wait()
assert panel.volume.shape[0] == len(panel.datasets) == len(panel.outcome)
busy
""",
)


def test_a_saved_notebook_holds_nothing_of_a_patient(demo_folder: Path, tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook()
    for cell in CELLS:
        text = cell.format(folder=str(demo_folder), target=str(tmp_path / "data"))
        notebook.cells.append(nbformat.v4.new_code_cell(text))
    NotebookClient(notebook, store_widget_state=True, timeout=120).execute()
    for cell in notebook.cells:
        cell.source = ""
    assert notebook.cells[1].outputs[0]["data"]["text/plain"] == "2"
    text = nbformat.writes(notebook)
    state = json.loads(text)["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]
    assert "RetrieveView" in json.dumps(state)
    archive = dn.connect(demo_folder)
    scan = archive.series(Modality="CT").iloc[0]
    for name in ("PatientName", "PatientID", "StudyInstanceUID", "SeriesInstanceUID"):
        assert str(scan[name]) not in text, name
    assert str(archive.metadata(scan)["SeriesDescription"].iloc[0]) not in text
    assert all(not model.get("buffers") for model in state["state"].values())
    shown = notebook.cells[0].outputs[-1]["data"]
    assert shown["text/plain"] == "<dicomnb RetrievePanel>"
    assert "Fetch images from an archive. Run this cell in a live notebook" in shown["text/html"]
