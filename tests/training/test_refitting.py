"""Self-evolution of a predictor that is fitted at once: what it asks, what it learns."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tnasp_jax.graphs import Graphs
from tnasp_jax.predictors import Predictor
from tnasp_jax.training import refitting

SIZE, SLOTS = 9, 4


def _cells(count, seed):
    ops = np.random.default_rng(seed).integers(0, 5, (count, SLOTS)).astype(np.int32)
    return Graphs(
        ops, np.zeros((count, SLOTS, SLOTS), bool), np.ones((count, SLOTS), bool)
    )


def _ridge_regression() -> Predictor:
    """Scores ops @ theta, theta normal with deviation 1, label noise 1."""

    def features(graphs):
        return jnp.asarray(graphs.ops).astype(jnp.float32)

    def fit(key, graphs, labels):
        x = features(graphs)
        inverse = jnp.linalg.inv(x.T @ x + jnp.eye(SLOTS))
        return {"theta": inverse @ (x.T @ labels), "spread": inverse}

    def covariance(params, graphs):
        return features(graphs) @ params["spread"] @ features(graphs).T

    def apply(params, graphs, *, dropout_key=None):
        return features(graphs) @ params["theta"]

    return Predictor(
        lambda key, graphs: fit(key, graphs, jnp.zeros(len(graphs))),
        apply,
        fit=fit,
        covariance=covariance,
    )


@pytest.fixture(scope="module")
def fitted():
    predictor, train = _ridge_regression(), _cells(6, 0)
    labels = np.random.default_rng(1).normal(size=6).astype(np.float32)
    return predictor, predictor.fit(jax.random.key(0), train, labels), train, labels


def _errors(asked, truth):
    """The server by hand."""
    return np.mean((np.asarray(asked, float) - truth[None]) ** 2, axis=1)


def test_it_asks_along_what_it_knows_least(fitted):
    predictor, params, _, _ = fitted
    cells = _cells(SIZE, 2)
    asked = np.asarray(refitting.submissions(predictor, params, cells, 4), float)
    np.testing.assert_allclose(asked[0], predictor.apply(params, cells), atol=1e-6)
    steps = asked[1:] - asked[:1]
    np.testing.assert_allclose(steps @ steps.T, np.eye(3), atol=1e-5)
    known = np.asarray(predictor.covariance(params, cells), float)
    largest = np.sort(np.linalg.eigvalsh(known))[::-1][:3]
    along = np.einsum("ti,ij,tj->t", steps, known, steps)
    np.testing.assert_allclose(along, largest, rtol=1e-3)


def test_the_answers_correct_those_components_and_no_other(fitted):
    predictor, params, _, _ = fitted
    cells = _cells(SIZE, 2)
    truth = np.random.default_rng(3).normal(size=SIZE)
    asked = refitting.submissions(predictor, params, cells, 4)
    errors = jnp.asarray(_errors(asked, truth), jnp.float32)
    ybar = np.asarray(refitting.proxies(asked, errors, 1e-6), float)
    steps = np.asarray(asked[1:] - asked[:1], float)
    prediction = np.asarray(asked[0], float)
    expected = prediction + steps.T @ (steps @ (truth - prediction))
    np.testing.assert_allclose(ybar, expected, atol=1e-4)
    assert np.abs(ybar - truth).max() > 0.1  # Five components stay unknown.


def test_all_directions_give_every_label_away(fitted):
    predictor, params, _, _ = fitted
    cells = _cells(SIZE, 2)
    truth = np.random.default_rng(3).normal(size=SIZE)
    asked = refitting.submissions(predictor, params, cells, SIZE + 1)
    errors = jnp.asarray(_errors(asked, truth), jnp.float32)
    ybar = refitting.proxies(asked, errors, 1e-6)
    np.testing.assert_allclose(ybar, truth, atol=1e-3)


def test_it_is_fitted_to_both_sets(fitted):
    predictor, _, train, labels = fitted
    cells = _cells(SIZE, 2)
    ybar = np.random.default_rng(4).normal(size=SIZE).astype(np.float32)
    found = refitting.refit(predictor, jax.random.key(0), train, labels, cells, ybar)
    x = np.concatenate([train.ops, cells.ops]).astype(float)
    y = np.concatenate([labels, ybar])
    expected = np.linalg.solve(x.T @ x + np.eye(SLOTS), x.T @ y)
    np.testing.assert_allclose(found["theta"], expected, atol=1e-4)


def test_nothing_here_takes_the_validation_labels():
    for function in (refitting.submissions, refitting.proxies, refitting.refit):
        named = set(inspect.signature(function).parameters)
        assert not named & {"val_units", "val_labels", "truth", "targets"}


@pytest.mark.parametrize("rounds", [0, SIZE + 2])
def test_rounds_that_no_directions_are_left_for(fitted, rounds):
    predictor, params, _, _ = fitted
    with pytest.raises(ValueError, match=rf"expected 1 \.\. {SIZE + 1} rounds"):
        refitting.submissions(predictor, params, _cells(SIZE, 2), rounds)


def test_a_predictor_that_knows_no_covariance(fitted):
    predictor, params, _, _ = fitted
    with pytest.raises(ValueError, match="no covariance"):
        refitting.submissions(
            predictor._replace(covariance=None), params, _cells(SIZE, 2), 3
        )
