"""The notebooks run from top to bottom on a CPU, and are kept with their outputs."""

import re
from pathlib import Path

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
SAYS = {
    "quickstart": [
        "tau between the two labels",
        "78 training cells, {draws} draws, ranked by digits_test",
        "rank ",
    ],
    "reproduce": [
        "tau between the two: 0.907, an agreement and no bound",
        "nb201digits: 78 training cells, {draws} draws, T = 3 scores of 200",
        "same extra training",
        "self-evolution",
    ],
    "own_space": [
        "row 2, line 4: edges: the edges 1>2>1 form a cycle",
        "150 architectures of up to 8 nodes",
        "113 labels  tau",
        "100 asked, the best",
    ],
}
"""What each notebook prints, among other things."""
SHORTER = {
    "quickstart": {"seeds = (0, 1, 2)": "seeds = (0, 1)", "epochs=60": "epochs=2"},
    "reproduce": {
        "SEEDS = range(3)": "SEEDS = range(2)",
        "epochs=40": "epochs=2",
        "steps=20": "steps=2",
    },
    "own_space": {},
}
"""What is run instead: every line, on fewer draws, epochs and steps."""


def read(name):
    return nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)


def outputs(notebook):
    return [o for cell in notebook.cells for o in cell.get("outputs", ())]


def check(name, notebook, draws):
    """No mistake, no warning, a plot, and every sentence, the device first."""
    found = outputs(notebook)
    text = "".join(output.get("text", "") for output in found)
    assert re.match(r"device +\d+ x .+\nprecision +float32, matrix products ", text)
    for said in SAYS[name]:
        assert said.format(draws=draws) in text
    assert any("image/png" in output.get("data", {}) for output in found)
    assert not any(output.output_type == "error" for output in found)
    assert not any(output.get("name") == "stderr" for output in found), text


def test_every_notebook_is_here():
    names = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert names == set(SAYS)


@pytest.mark.parametrize("name", SAYS)
def test_outputs_are_kept(name):
    notebook = read(name)
    check(name, notebook, draws=3)
    counts = [c.execution_count for c in notebook.cells if c.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    kept = nbformat.writes(notebook)
    assert not re.search(r"/(home|root|work|tmp)/", kept)
    assert len(kept) < 300_000


@pytest.mark.filterwarnings("ignore")  # Of Jupyter's own, in its event loop.
@pytest.mark.parametrize("name", SAYS)
def test_runs(name, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # Found, so nothing is installed.
    monkeypatch.delenv("TNASP_DATA", raising=False)
    notebook = read(name)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    for line, shorter in SHORTER[name].items():
        (cell,) = [cell for cell in notebook.cells if line in cell.source]
        cell.source = cell.source.replace(line, shorter)
    folder = {"metadata": {"path": str(ROOT / "notebooks")}}
    nbclient.NotebookClient(notebook, timeout=600, resources=folder).execute()
    check(name, notebook, draws=2)


def test_the_papers_numbers_are_those_of_the_tables():
    from experiments.reports.published import TABLES

    (source,) = [c.source for c in read("reproduce").cells if "PAPER = {" in c.source]
    paper = eval(re.search(r"PAPER = (\{.*?\n\})", source, re.DOTALL)[1])
    rows = {
        (column.table, column.n_train, row.evolution): value
        for table in TABLES
        for row in table.rows
        if row.method in ("TNASP", "TNASP + SE")
        for column, value in row.values.items()
        if column.n_test is None
    }
    official = {key: value for key, value in rows.items() if key[0] != "nb201digits"}
    assert len(official) == 2 * len(paper) == 18
    for (table, n_train), values in paper.items():
        assert values == tuple(rows[table, n_train, se] for se in (False, True))
