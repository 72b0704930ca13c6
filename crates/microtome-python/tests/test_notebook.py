"""The quickstart, run from its first cell to its last. `UPDATE=1` keeps what it shows in the file."""

import base64
import json
import os
import pathlib
import re

import nbformat
import pytest
from conftest import ROOT
from nbclient import NotebookClient

pytest.importorskip("torch", reason="the notebook trains")

QUICKSTART = pathlib.Path("crates/microtome-python/notebooks/quickstart.ipynb")
PNG = "image/png"
#: Two names after a slash, before which is no other part of a path or URL.
ABSOLUTE = re.compile(r"(?<![\w.:/<])/\w[\w.-]*/\w")


def load() -> nbformat.NotebookNode:
    found: nbformat.NotebookNode = nbformat.read(ROOT / QUICKSTART, as_version=4)  # type: ignore[no-untyped-call]
    return found


def outputs(notebook: nbformat.NotebookNode, cell: str) -> list[nbformat.NotebookNode]:
    """What a cell shows."""
    found: list[nbformat.NotebookNode] = next(one.outputs for one in notebook.cells if one.id == cell)
    return found


def printed(notebook: nbformat.NotebookNode, cell: str) -> str:
    return "".join(output.text for output in outputs(notebook, cell) if output.output_type == "stream")


def check(notebook: nbformat.NotebookNode) -> None:
    """What must be there whenever the notebook was run, and what must not."""
    nbformat.validate(notebook)
    for cell in ("slide", "overview", "batch", "stall", "mpp", "read"):
        pictures = [output.data[PNG] for output in outputs(notebook, cell) if PNG in output.get("data", {})]
        assert len(pictures) == 1 and base64.b64decode(pictures[0]).startswith(b"\x89PNG"), cell
    assert "2220 × 2967 px" in printed(notebook, "slide")
    assert "'image': (16, 128, 128, 3)" in printed(notebook, "batch")
    steps, first, last = re.findall(r"[\d.]+", printed(notebook, "train"))
    assert int(steps) == 16 and float(last) < float(first) / 2
    assert printed(notebook, "resume").endswith("batches left: 5; same order: True\n")


def test_the_notebook_runs(tmp_path: pathlib.Path) -> None:
    # The slide lies as in the clone, but the job's file is written elsewhere.
    directory = tmp_path / QUICKSTART.parent
    directory.mkdir(parents=True)
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    notebook = load()
    client = NotebookClient(notebook, timeout=120, record_timing=False, resources={"metadata": {"path": str(directory)}})
    client.execute()
    check(notebook)
    if os.environ.get("UPDATE"):
        nbformat.write(notebook, ROOT / QUICKSTART)  # type: ignore[no-untyped-call]


def test_the_notebook_can_be_read_as_it_is() -> None:
    notebook = load()
    check(notebook)
    assert (ROOT / QUICKSTART).stat().st_size < 700_000
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(PNG, None)
            assert output.get("name") != "stderr" and output.output_type != "error", cell.id
    assert ABSOLUTE.findall(json.dumps(notebook).replace("\\n", " ")) == []
