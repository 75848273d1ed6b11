"""The regression of a search against the same one written in its features."""

import numpy as np
import pytest

from tnasp_jax.search import pairwise


def one_hot(chosen, size):
    return (chosen[:, :, None] == np.arange(size)).astype(float)


def features(chosen, size, slots):
    """[B, ...]: single choices and pairs of them, by the weights of their slots."""
    single = one_hot(chosen, size) * np.sqrt(slots)[:, None]
    single = single.reshape(len(chosen), -1)
    pairs = (single[:, :, None] * single[:, None, :]).reshape(len(chosen), -1)
    return np.concatenate([single, pairs], axis=1)


def ridge(phi, target):
    inverse = np.linalg.inv(phi.T @ phi + pairwise.RIDGE * np.eye(phi.shape[1]))
    return inverse @ phi.T @ target


def test_it_is_the_ridge_regression_on_choices_and_pairs():
    rng = np.random.default_rng(0)
    known, candidates = rng.integers(0, 3, (12, 4)), rng.integers(0, 3, (5, 4))
    values = rng.normal(size=12)
    linear = one_hot(known, 3).reshape(12, -1) / np.sqrt(4)
    effects = ridge(linear, values - values.mean()).reshape(4, 3)
    brought = [[effects[slot, row[slot]] for slot in range(4)] for row in known]
    slots = np.std(brought, axis=0) / np.std(brought, axis=0).sum()
    phi = features(known, 3, slots)
    worth = ridge(phi, (values - values.mean()) / values.std())
    expected = values.mean() + values.std() * features(candidates, 3, slots) @ worth
    found = pairwise.fit(known, values)(candidates)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_slot_that_does_not_matter_has_no_weight():
    known = np.array([[a, b, 1] for a in range(3) for b in range(3)])
    slots = pairwise.relevance(known, 2.0 * known[:, 0])
    np.testing.assert_allclose(slots, [1, 0, 0], atol=1e-6)


def test_a_choice_that_nobody_knows_is_told_by_the_others():
    known = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    worth = pairwise.fit(known, known.sum(1) * 1.0)(np.array([[7, 0], [7, 1]]))
    assert worth[0] < worth[1]


def test_the_best_are_learnt_from_and_some_of_the_others(monkeypatch):
    monkeypatch.setattr(pairwise, "BEST", 2)
    monkeypatch.setattr(pairwise, "OTHERS", 3)
    assert pairwise.learnt_from(np.array([3.0, 9.0, 5.0])).tolist() == [1, 2, 0]
    values = np.arange(10.0)
    assert pairwise.learnt_from(values).tolist() == [9, 8, 7, 5, 2]


def test_equal_values_are_expected_again():
    known = np.array([[0, 1], [1, 1]])
    assert pairwise.fit(known, np.array([3.0, 3.0]))(known) == pytest.approx(3.0)
