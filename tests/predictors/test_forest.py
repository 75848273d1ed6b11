"""The forest against loops in numpy, and its growth."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from tnasp_jax.invariants import invariants, rounded
from tnasp_jax.predictors.forest import ForestConfig, forest, grow
from tnasp_jax.spaces import NASBENCH201

SMALL = ForestConfig(forests=2, rounds=60, candidates=20)


def compiled(config):
    predictor = forest(NASBENCH201, config)
    names = "fit", "apply"
    return predictor._replace(**{n: jax.jit(getattr(predictor, n)) for n in names})


@pytest.fixture(scope="module")
def fitted():
    graphs = NASBENCH201.to_graphs(NASBENCH201.sample(jax.random.key(0), 160))
    raw = np.asarray(invariants(graphs, NASBENCH201))
    labels = scipy.stats.zscore(raw[:, 0] + np.sin(raw[:, 1])).astype(np.float32)
    predictor = compiled(SMALL)
    params = predictor.fit(jax.random.key(1), graphs[:120], labels[:120])
    return predictor, params, graphs, labels, raw


def _scores(params, x, forests):
    """Tree after tree, comparison after comparison."""
    p = {name: np.asarray(leaf) for name, leaf in params.items()}
    found = np.full(len(x), p["mean"], float)
    for row, values in enumerate(x):
        for feature, threshold, answer in zip(
            p["feature"], p["threshold"], p["answer"], strict=True
        ):
            leaf = 0
            for depth in range(len(feature)):
                leaf += 2**depth * (values[feature[depth]] > threshold[depth])
            found[row] += answer[leaf] / forests
    return found


def test_scores_against_loops(fitted):
    predictor, params, graphs, _, raw = fitted
    expected = _scores(params, np.asarray(rounded(raw)), SMALL.forests)
    np.testing.assert_allclose(predictor.apply(params, graphs), expected, atol=1e-4)


def test_the_sum_of_answers_is_what_growth_took_off_the_residuals(fitted):
    """One forest fits its own training labels as its scores say."""
    _, _, graphs, labels, _ = fitted
    config = ForestConfig(forests=1, rounds=200, candidates=20, learning_rate=0.2)
    predictor = compiled(config)
    params = predictor.fit(jax.random.key(2), graphs[:120], labels[:120])
    scores = np.asarray(predictor.apply(params, graphs[:120]))
    assert np.mean((scores - labels[:120]) ** 2) < 0.1 * np.var(labels[:120])


def test_it_learns_what_it_is_fitted_to(fitted):
    predictor, params, graphs, labels, _ = fitted
    scores = np.asarray(predictor.apply(params, graphs[120:]))
    assert scipy.stats.kendalltau(scores, labels[120:]).statistic > 0.6


def test_one_tree_of_one_split_by_hand():
    """Labels jump where the only feature does; every candidate between splits there."""
    x = jnp.array([[0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]])
    labels = jnp.array([-1.0, -1, -1, -1, 1, 1, 1, 1])
    config = ForestConfig(
        forests=1, rounds=1, depth=1, candidates=30, cells=1.1, learning_rate=0.5
    )
    grown = grow(x, labels, jax.random.key(0), config)
    assert 0 <= float(grown["threshold"][0, 0]) < 1
    # Half of 4 / (4 cells + 1).
    np.testing.assert_allclose(grown["answer"][0], [-0.4, 0.4], rtol=1e-6)


def test_a_split_that_leaves_too_few_cells_is_not_taken():
    """The first feature tells one cell apart, the second half of them."""
    x = jnp.array([[9.0, 0, 0, 0, 0, 0, 0, 0], [1.0, 1, 1, 1, 0, 0, 0, 0]])
    labels = jnp.array([7.0, -1, -1, -1, -1, -1, -1, -1])
    config = ForestConfig(forests=1, rounds=1, depth=1, candidates=60, cells=1.1)
    assert int(grow(x, labels, jax.random.key(0), config)["feature"][0, 0]) == 1


def test_the_key_decides(fitted):
    predictor, params, graphs, labels, _ = fitted
    again = predictor.fit(jax.random.key(1), graphs[:120], labels[:120])
    other = predictor.fit(jax.random.key(3), graphs[:120], labels[:120])
    np.testing.assert_allclose(again["answer"], params["answer"], atol=1e-5)
    assert (np.asarray(other["feature"]) != np.asarray(params["feature"])).mean() > 0.5
