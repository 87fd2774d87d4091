"""Run a notebook from top to bottom, write it as HTML, and say what came of it.

Usage: python notebooks/run.py NOTEBOOK FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter


def first_table(notebook: nbformat.NotebookNode) -> str:
    """The plain text of the first output that is a table."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "<table" in data.get("text/html", ""):
                return str(data["text/plain"])
    raise SystemExit("The notebook shows no table.")


def main(source: str, folder: str) -> None:
    """Run ``source`` and write ``folder/NAME.html``; any error of a cell ends with 1."""
    path, target = Path(source), Path(folder)
    notebook = nbformat.read(path, as_version=4)
    print(f"Running {path} …", flush=True)
    target.mkdir(parents=True, exist_ok=True)
    client = NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}
    )
    with (target / "kernel.log").open("wb") as log:  # errors of cells are raised, not logged
        client.execute(stderr=log)
    body, _ = HTMLExporter().from_notebook_node(notebook)
    page = target / f"{path.stem}.html"
    page.write_text(body, encoding="utf-8")
    print(first_table(notebook))
    print(f"\nThe notebook with its tables and pictures: {page.resolve().as_uri()}")
    print("To work in it: make lab")


if __name__ == "__main__":
    main(*sys.argv[1:])
