"""Shares of a mean against scipy, and folds by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize

from tnasp_jax.predictors import stacking


def test_folds_by_hand():
    np.testing.assert_array_equal(
        stacking.fold_rows(7, 3), [[1, 2, 4, 5], [0, 2, 3, 5], [0, 1, 3, 4]]
    )
    np.testing.assert_array_equal(stacking.fold_rows(1, 3), [[0], [0], [0]])


def test_no_fold_sees_a_cell_that_it_leaves_out():
    for count in range(2, 12):
        rows = stacking.fold_rows(count, 4)
        assert rows.shape == (4, count - -(-count // 4))
        for fold in range(4):
            assert (rows[fold] % 4 != fold).all()
            assert len(set(rows[fold].tolist())) == rows.shape[1]


def test_a_cell_is_judged_by_the_fold_without_it():
    scores = jnp.arange(15.0).reshape(3, 5)
    np.testing.assert_array_equal(stacking.left_out(scores), [0, 6, 12, 3, 9])


def _said(count, seed=0):
    """Three models of labels: good, worse, and a shadow of the good one."""
    rng = np.random.default_rng(seed)
    labels = rng.normal(size=count)
    good = labels + 0.4 * rng.normal(size=count)
    worse = labels + 0.5 * rng.normal(size=count)
    shadow = good + 0.5 * rng.normal(size=count)
    return np.stack([good, worse, shadow]).astype(np.float32), labels.astype(np.float32)


PRIOR = jnp.array([0.2, 0.2, 0.6])


def test_many_cells_find_the_least_squared_error():
    said, labels = _said(4000)

    def error(shares):
        return np.mean((shares @ said - labels) ** 2)

    best = scipy.optimize.minimize(
        error,
        np.full(3, 1 / 3),
        bounds=[(0, 1)] * 3,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
    ).x
    found = jax.jit(stacking.shares)(said, labels, jnp.ones(4000, bool), PRIOR)
    np.testing.assert_allclose(found, best, atol=0.01)


def test_few_cells_stay_near_the_prior_and_many_do_not():
    gaps = []
    for count in (1, 10, 100, 1000):
        said, labels = _said(count)
        found = stacking.shares(said, labels, jnp.ones(count, bool), PRIOR)
        gaps.append(float(np.abs(found - PRIOR).max()))
    assert gaps[0] < 0.1 and gaps == sorted(gaps) and gaps[-1] > 0.4


def test_one_step_by_hand():
    """One cell of label 1: the first says 1, the second 0, so their mean is 1/2."""
    said, labels = jnp.array([[1.0], [0.0]]), jnp.array([1.0])
    found = stacking.shares(said, labels, jnp.array([True]), jnp.array([0.5, 0.5]))
    expected = np.exp([0.5, 0.0]) / np.exp([0.5, 0.0]).sum()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_rows_that_are_no_graphs_say_nothing():
    said, labels = _said(50)
    live = np.ones(60, bool)
    live[50:] = False
    wide = np.concatenate([said, np.full((3, 10), np.nan, np.float32)], axis=1)
    more = np.concatenate([labels, np.full(10, 1e3, np.float32)])
    found = stacking.shares(wide, more, live, PRIOR)
    assert np.isfinite(found).all()
    # Ten more steps, and nothing else.
    expected = stacking.shares(said, labels, live[:50], PRIOR)
    np.testing.assert_allclose(found, expected, atol=0.1)
