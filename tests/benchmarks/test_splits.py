"""Splits: disjoint, a function of the key, held-out groups, their limits."""

import dataclasses
import hashlib

import jax
import numpy as np
import pytest

from tnasp_jax import benchmarks
from tnasp_jax.benchmarks.table import Table
from tnasp_jax.graphs import Graphs


@pytest.fixture
def table():
    """100 rows; validation labels of the even ones; pairs of isomorphic rows."""
    rows = np.arange(100)
    val = np.where(rows % 2, np.nan, rows / 100).astype(np.float32)
    return Table(
        name="toy",
        space=None,
        graphs=Graphs(*(np.zeros((100, *s), bool) for s in ((2,), (2, 2), (2,)))),
        labels={"val": val, "test": np.cos(rows).astype(np.float32) / 2 + 0.5},
        train_target="val",
        eval_targets=("test",),
        hashes=(rows // 4).astype(np.int32),
        texts=str,
        describe={},
        sha256="",
    )


def test_train_and_val_are_disjoint_and_measured(table):
    for seed in range(20):
        split = benchmarks.draw_split(table, jax.random.key(seed), 30, 20)
        drawn = np.concatenate([split.train_index, split.val_index])
        assert sorted(drawn) == list(range(0, 100, 2))
        assert all(rows.dtype == np.int32 for rows in split)
        np.testing.assert_array_equal(split.test_index, np.arange(100))


def test_a_number_of_test_rows_are_measured(table):
    label = table.labels["test"].copy()
    label[10:60] = np.nan
    part = dataclasses.replace(table, labels=table.labels | {"test": label})
    split = benchmarks.draw_split(part, jax.random.key(0), 5, 3, n_test=30)
    assert len(split.test_index) == 30
    assert not np.isnan(label[split.test_index]).any()
    with pytest.raises(ValueError, match="rows of table toy with a label 'test'"):
        benchmarks.draw_split(part, jax.random.key(0), 5, 3, n_test=60)


def test_a_number_of_test_rows_leaves_out_training_and_validation(table):
    seen = set()
    for seed in range(20):
        split = benchmarks.draw_split(table, jax.random.key(seed), 5, 3, n_test=60)
        assert len(set(np.concatenate(split).tolist())) == 5 + 3 + 60
        assert (np.diff(split.test_index) > 0).all()
        seen |= set(split.test_index.tolist())
    assert seen == set(range(100))  # rows without a training label, too
    rest = benchmarks.draw_split(table, jax.random.key(0), 5, 3, n_test=92)
    assert len(rest.test_index) == 92


def test_a_label_that_is_learnt_is_ranked_by_on_other_rows(table):
    split = benchmarks.draw_split(table, jax.random.key(0), 30, 20, train_target="test")
    assert sorted(np.concatenate(split).tolist()) == list(range(100))
    assert (np.diff(split.test_index) > 0).all()
    with pytest.raises(ValueError, match="80 \\+ 20 leaves none of the 100 rows"):
        benchmarks.draw_split(table, jax.random.key(0), 80, 20, train_target="test")


def test_rows_kept_for_tests_are_ranked_alone(table):
    table = dataclasses.replace(table, test_rows=np.arange(0, 100, 5, dtype=np.int32))
    for seed in range(5):
        split = benchmarks.draw_split(table, jax.random.key(seed), 30, 10)
        drawn = np.concatenate([split.train_index, split.val_index])
        assert sorted(drawn) == [row for row in range(0, 100, 2) if row % 5]
        np.testing.assert_array_equal(split.test_index, table.test_rows)
    split = benchmarks.draw_split(table, jax.random.key(0), 30, 10, n_test=7)
    assert len(set(split.test_index.tolist())) == 7
    assert np.isin(split.test_index, table.test_rows).all()
    with pytest.raises(ValueError, match="more than the 40 rows"):
        benchmarks.draw_split(table, jax.random.key(0), 31, 10)


def test_split_is_a_function_of_the_key(table):
    def digest(seed, **changes):
        sizes = {"n_train": 10, "n_val": 5} | changes
        split = benchmarks.draw_split(table, jax.random.key(seed), **sizes)
        return benchmarks.split_sha256(split)

    assert digest(0) == digest(0)
    different = {digest(0), digest(1), digest(0, n_train=11), digest(0, n_test=10)}
    assert len(different) == 4
    assert digest(0, train_target="test") != digest(0)


def test_larger_training_sets_contain_smaller_ones(table):
    small, large = (
        benchmarks.draw_split(table, jax.random.key(3), n, 10) for n in (5, 25)
    )
    np.testing.assert_array_equal(small.val_index, large.val_index)
    np.testing.assert_array_equal(small.train_index, large.train_index[:5])


def test_split_sha256_by_hand():
    split = benchmarks.Split(*(np.array(rows) for rows in ([7, 1], [2], [0, 1, 2])))
    numbers = np.array([2, 1, 3, 7, 1, 2, 0, 1, 2], "<i4")
    assert benchmarks.split_sha256(split) == hashlib.sha256(numbers).hexdigest()


def test_empty_validation_set(table):
    split = benchmarks.draw_split(table, jax.random.key(0), 50, 0)
    assert split.val_index.shape == (0,)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((40, 11), r"n_train \+ n_val = 40 \+ 11 is more than the 50 rows"),
        ((0, 10), "n_train >= 1"),
        ((1, -1), "n_val >= 0"),
        ((1, 1, 0), "n_test >= 1"),
        ((10, 10, 81), "n_test = 81 is more than the 80 rows"),
        (
            (10, 10, None, "tset"),
            r"unknown label 'tset'; did you mean 'test'\? expected one of test, val",
        ),
    ],
)
def test_impossible_sizes(table, sizes, message):
    with pytest.raises(ValueError, match=message) as caught:
        benchmarks.draw_split(table, jax.random.key(0), *sizes)
    assert "\n" not in str(caught.value)


def test_heldout_leaves_out_whole_groups(table):
    kept = benchmarks.heldout_mask(table, np.array([0, 5, 6]))
    assert kept.dtype == bool
    np.testing.assert_array_equal(np.flatnonzero(~kept), np.arange(8))
    assert benchmarks.heldout_mask(table, np.array([], np.int32)).all()


def test_ceiling_uses_rows_with_both_labels(table):
    assert benchmarks.ceiling(table, "val", "val") == pytest.approx(1)
    assert abs(benchmarks.ceiling(table, "val", "test")) < 0.3


def test_real_splits(data_dir):
    table = benchmarks.load("nb201", data_dir)
    split = benchmarks.draw_split(table, jax.random.key(0), 781, 200)
    kept = benchmarks.heldout_mask(table, split.train_index)
    assert not kept[split.train_index].any()
    assert 781 < (~kept).sum() < len(table)
    groups = set(table.hashes[split.train_index].tolist())
    assert not groups & set(table.hashes[kept].tolist())
