"""The regression of a search against the same one written in its features."""

import numpy as np
import pytest

from tnasp_jax.search import pairwise


def features(chosen, size):
    """[B, ...]: single choices over sqrt(N), pairs over N."""
    slots = chosen.shape[1]
    single = np.concatenate([chosen == c for c in range(size)], axis=1).astype(float)
    pairs = (single[:, :, None] * single[:, None, :]).reshape(len(chosen), -1)
    return np.concatenate([single / np.sqrt(slots), pairs / slots], axis=1)


def test_it_is_the_ridge_regression_on_choices_and_pairs():
    rng = np.random.default_rng(0)
    known, candidates = rng.integers(0, 3, (12, 4)), rng.integers(0, 3, (5, 4))
    values = rng.normal(size=12)
    phi = features(known, 3)
    target = (values - values.mean()) / values.std()
    inverse = np.linalg.inv(phi.T @ phi + pairwise.RIDGE * np.eye(phi.shape[1]))
    expected = features(candidates, 3) @ (inverse @ phi.T @ target)
    found = pairwise.fit(known, values)(candidates)
    np.testing.assert_allclose(
        found, values.mean() + values.std() * expected, atol=1e-8
    )


def test_a_choice_that_nobody_knows_is_told_by_the_others():
    known = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    worth = pairwise.fit(known, known.sum(1) * 1.0)(np.array([[7, 0], [7, 1]]))
    assert worth[0] < worth[1]


def test_the_best_known_are_learnt_from(monkeypatch):
    known = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    values = np.array([-50.0, -60.0, 2.0, 1.0])
    all_of_them = pairwise.fit(known, values)(known)
    monkeypatch.setattr(pairwise, "LEARNT", 2)
    best = pairwise.fit(known, values)(known)
    assert all_of_them[0] < -40 < 0 < best[0]


def test_equal_values_are_expected_again():
    known = np.array([[0, 1], [1, 1]])
    assert pairwise.fit(known, np.array([3.0, 3.0]))(known) == pytest.approx(3.0)
