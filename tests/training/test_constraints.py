"""What the answers to submissions say of the labels, against linear algebra in numpy."""

import numpy as np
import pytest

from tnasp_jax.training.constraints import none_yet, project, violations


def _labels(count, seed):
    return np.random.default_rng(seed).normal(size=count).astype(np.float32)


def _submitted(submissions, truth, slots):
    constraints = none_yet(slots, len(truth))
    for prediction in submissions:
        constraints = constraints.added(prediction, np.mean((prediction - truth) ** 2))
    return constraints


def test_as_many_submissions_as_labels_and_one_give_all_labels_away():
    truth, centre = _labels(6, 1), _labels(6, 2)
    submissions = np.random.default_rng(0).normal(size=(7, 6)).astype(np.float32)
    for slots in (7, 9):
        constraints = _submitted(submissions, truth, slots)
        found = project(constraints, centre, 1e-6)
        np.testing.assert_allclose(found, truth, atol=2e-3)


def test_a_projection_satisfies_its_equations_and_moves_only_along_them():
    truth, centre = _labels(8, 1), _labels(8, 2)
    submissions = np.random.default_rng(1).normal(size=(4, 8)).astype(np.float32)
    constraints = _submitted(submissions, truth, 5)
    found = np.asarray(project(constraints, centre, 1e-6))
    directions = (submissions[1:] - submissions[0]).T
    expected = np.linalg.lstsq(directions.T, directions.T @ (truth - centre))[0]
    np.testing.assert_allclose(found, centre + expected, atol=1e-3)


@pytest.mark.parametrize("ridge", [1e-6, 1e-3, 1.0])
def test_a_projection_never_leads_away_from_the_labels(ridge):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        truth, centre = rng.normal(size=(2, 20)).astype(np.float32)
        count = int(rng.integers(2, 8))
        near = centre + 0.3 * rng.normal(size=(count, 20)).astype(np.float32)
        constraints = _submitted(near.astype(np.float32), truth, 8)
        found = np.asarray(project(constraints, centre, ridge))
        before, after = np.sum((centre - truth) ** 2), np.sum((found - truth) ** 2)
        assert after < before
        assert np.abs(found - centre).max() > 1e-3


@pytest.mark.parametrize("count", [0, 1])
def test_without_two_submissions_there_is_nothing_to_project(count):
    truth, centre = _labels(6, 1), _labels(6, 2)
    constraints = _submitted([_labels(6, 3)] * count, truth, 4)
    found = project(constraints, centre, 1e-3)
    np.testing.assert_allclose(found, centre, atol=1e-6)


def test_equal_submissions_stay_harmless():
    truth, centre = _labels(6, 1), _labels(6, 2)
    constraints = _submitted([_labels(6, 3)] * 3, truth, 3)
    found = project(constraints, centre, 1e-3)
    np.testing.assert_allclose(found, centre, atol=1e-4)


def test_violations_by_hand():
    constraints = none_yet(3, 2).added(np.array([1.0, 3.0]), 2.0)
    constraints = constraints.added(np.array([0.0, 0.0]), 0.25)
    # ybar = (2, 1): squares (1 + 4) / 2 and (4 + 1) / 2, and a slot that is empty.
    found = violations(constraints, np.array([2.0, 1.0]))
    np.testing.assert_allclose(found, [0.5, 2.25, 0.0])
    np.testing.assert_array_equal(constraints.newest, [0.0, 0.0])
