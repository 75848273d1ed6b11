"""The embedded benchmark's own network and training, and the command around it."""

import itertools
import json

import jax
import numpy as np
import pytest

from experiments import measure_digits
from experiments.networks import digits_cells
from tnasp_jax.spaces.nasbench201 import EDGES

NONE, SKIP, CONV_1X1, CONV_3X3, POOL = range(5)


# The space.


def paths(cell):
    """The edges on paths from node 0 to node 3, by trying every subset of nodes."""
    edges = dict(zip(EDGES, cell, strict=True))
    live = set()
    for inner in ((), (1,), (2,), (1, 2)):
        path = list(itertools.pairwise((0, *inner, 3)))
        if all(edges[edge] != NONE for edge in path):
            live.update(path)
    return tuple(op if edge in live else NONE for edge, op in edges.items())


def test_the_space_has_9445_distinct_cells():
    cells, cell_of_code = digits_cells.distinct_cells()
    assert cells.shape == (9445, 6) and cells.dtype == np.uint8
    assert cell_of_code.shape == (15625,) and cell_of_code.dtype == np.uint16
    every = list(itertools.product(range(5), repeat=6))
    assert [tuple(cell) for cell in cells[cell_of_code].tolist()] == [
        paths(cell) for cell in every
    ]
    code = 0
    for op in (CONV_3X3, NONE, SKIP, POOL, NONE, CONV_1X1):
        code = 5 * code + op
    assert every[code] == (CONV_3X3, NONE, SKIP, POOL, NONE, CONV_1X1)


# The training.


def test_training_beats_chance_and_repeats_itself():
    cells = np.array(
        [(CONV_3X3,) * 6, (NONE,) * 6, (SKIP, 0, 0, 0, CONV_3X3, 0), (CONV_3X3,) * 6]
    )

    def train(cells):
        return np.array(digits_cells.train_cells(cells, jax.random.key(0), epochs=5))

    counts = train(cells)
    accuracy = counts / np.array(digits_cells.split_sizes()[1:])[:, None]
    assert (accuracy[:, [0, 2]] > 0.25).all()
    assert (accuracy[:, 1] < 0.15).all(), "no path: the images are not seen"
    assert (counts[:, 0] == counts[:, 3]).all(), "a cell's place does not matter"
    np.testing.assert_array_equal(train(cells[::-1]), counts[:, ::-1])


def test_the_parts_are_disjoint_and_whole():
    assert digits_cells.split_sizes() == (512, 642, 643)
    data = digits_cells.load_digits()
    assert data["images"].shape == (1, 8, 8, 1797)
    images = data["images"].reshape(64, -1).T
    assert len(np.unique(images, axis=0)) > 1790


# The command.


@pytest.fixture
def fake_training(monkeypatch):
    """Training that answers at once, each count telling the cell and the seed."""

    def train_cells(cells, key):
        assert cells.shape == (measure_digits.CHUNK, 6)
        seed = int(jax.random.key_data(key)[-1])
        val = cells.sum(1) * 10 + seed
        return val, val + 300

    monkeypatch.setattr(digits_cells, "train_cells", train_cells)


def test_chunks_hold_every_cell_once():
    chunks = measure_digits.chunks(9445)
    assert len(chunks) == 296 and len(chunks[-1]) == 5
    np.testing.assert_array_equal(np.sort(np.concatenate(chunks)), np.arange(9445))


def test_a_second_start_measures_only_what_is_missing(
    tmp_path, monkeypatch, fake_training
):
    measured = []

    def run(workdir, todo, num_chunks, workers):
        measured.append(list(todo))
        for index in todo[:200]:
            measure_digits.measure_chunk(workdir, index)
        if len(todo) > 200:
            raise KeyboardInterrupt

    monkeypatch.setattr(measure_digits, "run", run)
    workdir, out = tmp_path / "work", tmp_path / "table.npz"
    with pytest.raises(KeyboardInterrupt):
        measure_digits.measure(workdir, out)
    assert not out.exists()
    measure_digits.measure(workdir, out)
    measure_digits.measure(workdir, out)
    assert measured == [list(range(296)), list(range(200, 296))]
    assert not list(tmp_path.rglob(".*")), "no temporary file stays"

    cells, cell_of_code = digits_cells.distinct_cells()
    with np.load(out) as saved:
        table = dict(saved)
    expected = cells.sum(1, dtype=int)[:, None] * 10 + np.arange(2)
    np.testing.assert_array_equal(table["val_correct"], expected)
    np.testing.assert_array_equal(table["test_correct"], expected + 300)
    np.testing.assert_array_equal(table["cell_of_code"], cell_of_code)
    assert (table["n_val"], table["n_test"]) == (642, 643)
    assert json.loads(str(table["provenance"]))["recipe"]["seeds"] == [0, 1]
    assert not [name for name in table if table[name].dtype.kind == "f"]
    assert out.stat().st_size < 300_000


def test_chunks_of_another_recipe_are_refused(tmp_path):
    measure_digits.check_recipe(tmp_path)
    measure_digits.check_recipe(tmp_path)
    (tmp_path / "recipe.json").write_text("{}")
    with pytest.raises(ValueError, match="another recipe"):
        measure_digits.check_recipe(tmp_path)
