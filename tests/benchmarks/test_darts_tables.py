"""The tables of the DARTS space: labels, costs beside the files' own, damage, splits."""

import csv

import jax
import numpy as np
import pytest

from tnasp_jax import benchmarks
from tnasp_jax.benchmarks.darts import FILES
from tnasp_jax.spaces.darts import DARTS

AT_HAND = [name for name in FILES if name != "nb301"]  # It must be converted.
every_table = pytest.mark.parametrize("name", AT_HAND)


@pytest.fixture(scope="module")
def tables(data_dir):
    return {name: benchmarks.load(name, data_dir) for name in AT_HAND}


def rows_of(data_dir, name):
    file = FILES[name]
    with (data_dir / file.folder / file.name).open(newline="") as lines:
        return list(csv.DictReader(lines))


@every_table
def test_labels_and_graphs(tables, data_dir, name):
    table, rows = tables[name], rows_of(data_dir, name)
    assert len(table) == len(rows) == FILES[name].rows
    assert table.name == name and len(table.sha256) == 64
    assert table.eval_targets == (table.train_target,)
    for target, (column, _) in FILES[name].targets.items():
        label = table.label(target)
        expected = [float(row[column]) / 100 for row in rows]
        np.testing.assert_allclose(label, expected, rtol=1e-6)
        assert label.dtype == np.float32
        assert "fraction" in table.describe[target]
        assert ("surrogate" in table.describe[target]) == name.startswith("nb301")
    for row in (0, len(table) // 2, len(table) - 1):
        genotype = DARTS.parse(table.texts(row))
        fields = [rows[row][column] for column in FILES[name].genotype]
        assert genotype == DARTS.parse(" | ".join(fields))
        jax.tree.map(
            np.testing.assert_array_equal,
            DARTS.to_graphs([genotype])[0],
            table.graphs[row],
        )


def test_what_is_in_the_files(tables):
    """PROVENANCE.md of the data, and how far the labels of a table agree."""
    best = tables["darts214"].label("best_test_600ep")
    assert best.min() == pytest.approx(0.9618) and best.max() == pytest.approx(0.9756)
    label = tables["darts545"].label("test_50ep")
    assert np.median(label) == pytest.approx(0.9177, abs=1e-4)
    agreement = benchmarks.ceiling(tables["darts545"], "val_10ep", "test_50ep")
    assert 0.5 < agreement < 0.8
    label = tables["nb301xgb"].label("xgb_val")
    assert 0.90 < label.min() < label.max() < 0.95


def test_only_the_set_of_545_has_edges_of_none(tables):
    """359 of its networks do, so that some of their slots are dead."""
    dead = {name: int((~t.graphs.mask).any(axis=1).sum()) for name, t in tables.items()}
    assert dead == {"darts545": 359, "darts214": 0, "nb301xgb": 0, "nb301yahpo": 0}


def test_some_networks_of_the_545_stand_twice(tables):
    counts = {name: len(np.unique(table.hashes)) for name, table in tables.items()}
    assert counts.pop("darts545") == 526
    assert counts == {name: len(tables[name]) for name in counts}


@every_table
def test_groups_are_those_of_the_canonical_hash(tables, name):
    table = tables[name]
    rows = np.random.default_rng(0).choice(len(table), 100, replace=False)
    hashes = [DARTS.canonical_hash(DARTS.parse(table.texts(row))) for row in rows]
    pairs = set(zip(hashes, table.hashes[rows].tolist(), strict=True))
    assert len(pairs) == len(set(hashes)) == len(np.unique(table.hashes[rows]))


@every_table
def test_what_was_learnt_from_is_not_ranked(tables, name):
    table = tables[name]
    split = benchmarks.draw_split(table, jax.random.key(0), 100, 20)
    assert sorted(np.concatenate(split).tolist()) == list(range(len(table)))
    with pytest.raises(ValueError, match="leaves none of the .* rows of table"):
        benchmarks.draw_split(table, jax.random.key(0), len(table) - 20, 20)


@pytest.mark.parametrize("name", FILES)
def test_missing_file_says_how_to_go_on(tmp_path, name):
    file = FILES[name]
    with pytest.raises(benchmarks.MissingData) as caught:
        benchmarks.load(name, tmp_path)
    message = str(caught.value)
    path = str(tmp_path / file.folder / file.name)
    for part in (path, file.size, "github.com"):
        assert part in message
    for column in (*file.genotype, *(column for column, _ in file.targets.values())):
        assert column in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: "", "lacks the column 'normal'"),
        (lambda text: text[: text.rindex("\n", 0, -9) + 1], "545 rows, got 544"),
        (lambda text: text[:-60], "the file may be cut off"),
        (lambda text: text.replace("sep_", "spe_", 1), "row 0: darts: normal: edge 0"),
        (lambda text: text.replace(",92.03999747", ",", 1), None),
        (
            lambda text: text.replace("92.03999747", "x", 1),
            "test_acc50: row 0: got 'x'",
        ),
        (
            lambda text: text.replace("92.03999747", "920", 1),
            "row 0: expected an accur",
        ),
    ],
)
def test_damaged_file(data_dir, tmp_path, edit, message):
    file = FILES["darts545"]
    text = (data_dir / file.folder / file.name).read_text()
    (tmp_path / file.name).write_text(edit(text))
    if message is None:  # An empty field is a label that was not measured.
        table = benchmarks.load("darts545", tmp_path)
        assert len(table.candidates("test_50ep")) == 544
        return
    with pytest.raises(ValueError) as caught:
        benchmarks.load("darts545", tmp_path)
    assert message in str(caught.value) and "\n" not in str(caught.value)
