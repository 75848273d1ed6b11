"""notebooks/quickstart.ipynb runs from top to bottom, and is kept without outputs."""

from pathlib import Path

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
PATH = ROOT / "notebooks" / "quickstart.ipynb"


def test_outputs_are_stripped():
    for cell in nbformat.read(PATH, as_version=4).cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None


@pytest.mark.filterwarnings("ignore")  # Of Jupyter's own, in its event loop.
def test_runs(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # Found, so nothing is installed.
    notebook = nbformat.read(PATH, as_version=4)
    folder = {"metadata": {"path": str(PATH.parent)}}
    nbclient.NotebookClient(notebook, timeout=600, resources=folder).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    text = "".join(output.get("text", "") for output in outputs)
    assert "tau between the two labels" in text
    assert "78 training cells, 3 draws, ranked by digits_test" in text
    assert "rank" in text.splitlines()[-1]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not any(output.get("name") == "stderr" for output in outputs), text
