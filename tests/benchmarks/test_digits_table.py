"""The embedded table: its reader on a made file, and the file itself."""

import json

import numpy as np
import pytest

from tnasp_jax import benchmarks
from tnasp_jax.benchmarks import digits
from tnasp_jax.spaces.nasbench201 import NASBENCH201

CELLS = 9445


def made_columns():
    """Counts of CELLS cells; architecture of code c is cell c % CELLS."""
    rng = np.random.default_rng(0)
    return {
        "val_correct": rng.integers(0, 643, (CELLS, 2), np.uint16),
        "test_correct": rng.integers(0, 644, (CELLS, 2), np.uint16),
        "n_val": np.uint16(642),
        "n_test": np.uint16(643),
        "cell_of_code": (np.arange(15_625) % CELLS).astype(np.uint16),
        "provenance": json.dumps({"date": "today"}),
    }


def write(path, columns):
    np.savez(path, **columns)
    return path


def test_counts_become_fractions_of_the_right_cell(tmp_path):
    columns = made_columns()
    path = write(tmp_path / "digits.npz", columns)
    table = digits.read(path)
    assert len(table) == 15_625
    assert table.train_target == "digits_val"
    assert table.eval_targets == ("digits_test",)
    for row in (0, 1, 777, 15_624):
        code = 0
        for op in NASBENCH201.from_index(row):
            code = code * 5 + op
        val = columns["val_correct"][code % CELLS]
        test = columns["test_correct"][code % CELLS]
        assert table.label("digits_val")[row] == pytest.approx(val.mean() / 642)
        assert table.label("digits_val_seed1")[row] == pytest.approx(val[1] / 642)
        assert table.label("digits_test")[row] == pytest.approx(test.mean() / 643)
        assert table.label("digits_test_seed0")[row] == pytest.approx(test[0] / 643)
        assert table.texts(row) == NASBENCH201.format(NASBENCH201.from_index(row))
    assert table.labels.keys() == table.describe.keys()
    assert "validation accuracy, mean of 2 seeds" in table.describe["digits_val"]
    assert digits.provenance(path) == {"date": "today"}


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("n_val", None, "lacks the array 'n_val'"),
        ("n_val", np.uint16(600), r"val_correct: expected counts in 0 \.\. 600"),
        ("test_correct", np.zeros((CELLS, 1)), r"expected one shape \[C, S\]"),
        ("cell_of_code", np.full(15_625, CELLS), r"cell_of_code: .* in 0 \.\. 9444"),
    ],
)
def test_wrong_columns(tmp_path, column, value, message):
    columns = made_columns() | {column: value}
    if value is None:
        del columns[column]
    with pytest.raises(ValueError, match=message):
        digits.read(write(tmp_path / "digits.npz", columns))


def test_missing_file(tmp_path):
    with pytest.raises(benchmarks.MissingData, match="experiments.measure_digits"):
        digits.read(tmp_path / "digits.npz")


@pytest.mark.skipif(
    not digits.FILE.is_file(), reason="nb201_digits.npz not measured yet"
)
def test_the_embedded_table():
    table = benchmarks.load("nb201digits")
    cells = NASBENCH201.all_architectures()
    numbers = {}
    for cell, value in zip(cells, table.label("digits_val"), strict=True):
        assert numbers.setdefault(NASBENCH201.prune(cell), value) == value
    assert len(numbers) == CELLS
    assert all(len(table.candidates(target)) == 15_625 for target in table.labels)
    noise = benchmarks.ceiling(table, "digits_test_seed0", "digits_test_seed1")
    agreement = benchmarks.ceiling(table, "digits_val", "digits_test")
    assert 0.3 < noise < 1
    assert 0.5 < agreement < 1
    assert isinstance(digits.provenance(), dict)
