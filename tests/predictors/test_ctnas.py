"""CTNAS and RegressionNAS against their equations written out in numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tnasp_jax.predictors.ctnas import CtnasConfig, comparison_loss, ctnas
from tnasp_jax.predictors.regression_nas import regression_nas
from tnasp_jax.spaces import NASBENCH101, NASBENCH201
from tnasp_jax.training import supervised

SMALL = CtnasConfig(num_layers=2, width=8, dropout=0.0, num_references=6)
KEY = jax.random.key(0)


def _graphs(space, count, seed=0):
    return space.to_graphs(space.sample(jax.random.key(seed), count))


def _started(predictor, graphs, seed=1):
    """Parameters of which all count, biases too; references as init leaves them."""
    rng = np.random.default_rng(seed)
    params = predictor.init(KEY, graphs)
    kept = {name: params[name] for name in ("references", "present") if name in params}
    drawn = jax.tree.map(
        lambda leaf: rng.normal(0, 0.4, leaf.shape).astype(np.float32), params
    )
    return {**drawn, **kept}


def _vector(ops, edges, mask, p):
    """Of one graph, with its dead nodes cut out."""
    live = np.flatnonzero(mask)
    x = np.asarray(p["operation"]["embedding"], float)[ops[live]]
    linked = edges[np.ix_(live, live)] + np.eye(len(live))
    for layer in range(SMALL.num_layers):
        weights = p[f"convolution_{layer}"]
        kernel, bias = np.asarray(weights["kernel"], float), weights["bias"]
        mixed = np.stack([row @ x / row.sum() for row in linked])
        x = x + np.maximum(mixed @ kernel + bias, 0)
    return x.mean(0)


def _vectors(graphs, p):
    rows = zip(graphs.ops, graphs.adjacency, graphs.mask, strict=True)
    return np.stack([_vector(*row, p["encoder"]) for row in rows])


def _win(u, v, p):
    both = np.concatenate([u, v])
    logit = both @ np.asarray(p["comparator"], float)[:, 0] + float(p["bias"][0])
    return 1 / (1 + np.exp(-logit))


@pytest.mark.parametrize("space", [NASBENCH101, NASBENCH201], ids=lambda s: s.name)
@pytest.mark.parametrize("count", [4, 6, 15])
def test_the_score_is_the_log_odds_of_the_mean_win_probability(space, count):
    predictor = ctnas(len(space.ops), SMALL)
    assert predictor.finish is not None
    graphs, cells = _graphs(space, 9), _graphs(space, count, seed=3)
    params = _started(predictor, graphs)
    params = predictor.finish(params, cells, jnp.zeros(count))
    rows = range(count) if count <= 6 else (0, 2, 5, 7, 10, 12)
    references = _vectors(cells, params)[list(rows)]
    mean = [
        np.mean([_win(u, v, params) for v in references])
        for u in _vectors(graphs, params)
    ]
    expected = np.log(np.array(mean) / (1 - np.array(mean))) / 1.702
    actual = jax.jit(predictor.apply)(params, graphs)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


def test_before_finish_the_reference_is_the_zero_vector():
    predictor = ctnas(len(NASBENCH101.ops), SMALL)
    graphs = _graphs(NASBENCH101, 5)
    params = _started(predictor, graphs)
    wins = [_win(u, np.zeros(8), params) for u in _vectors(graphs, params)]
    expected = np.log(np.array(wins) / (1 - np.array(wins))) / 1.702
    np.testing.assert_allclose(
        jax.jit(predictor.apply)(params, graphs), expected, atol=1e-5
    )


def test_the_objective_is_the_cross_entropy_of_pairs_whose_labels_differ():
    predictor = ctnas(len(NASBENCH101.ops), SMALL)
    assert predictor.objective is not None
    graphs = _graphs(NASBENCH101, 5)
    params = _started(predictor, graphs)
    labels = np.array([0.3, -1.0, 0.3, 2.0, 5.0], np.float32)
    weights = np.array([1.0, 1.0, 0.5, 1.0, 0.0], np.float32)
    vectors, total, mass = _vectors(graphs, params), 0.0, 0.0
    for i in range(5):
        for j in range(5):
            if labels[i] != labels[j]:
                p = _win(vectors[i], vectors[j], params)
                target = float(labels[i] > labels[j])
                entropy = -target * np.log(p) - (1 - target) * np.log(1 - p)
                total += weights[i] * weights[j] * entropy
                mass += weights[i] * weights[j]
    actual = predictor.objective(params, graphs, labels, weights, dropout_key=KEY)
    np.testing.assert_allclose(actual, total / mass, rtol=1e-5)


def test_a_batch_without_pairs_has_no_loss():
    loss = comparison_loss(jnp.ones((3, 3)), jnp.ones(3), jnp.ones(3))
    assert loss == 0


def test_confident_scores_do_not_merge():
    predictor = ctnas(len(NASBENCH101.ops), SMALL)
    assert predictor.finish is not None
    graphs = _graphs(NASBENCH101, 64)
    params = _started(predictor, graphs)
    params = predictor.finish(params, graphs, jnp.zeros(64))
    scores = np.asarray(jax.jit(predictor.apply)(params, graphs))
    # Log-odds of some hundred: as probabilities in float32 most of these are 1.
    sure = {
        **params,
        "comparator": 40 * params["comparator"],
        "bias": jnp.full(1, 99.0),
    }
    confident = np.asarray(jax.jit(predictor.apply)(sure, graphs))
    assert np.isfinite(confident).all()
    probabilities = 1 / (1 + np.exp(-1.702 * confident))
    assert len(np.unique(probabilities)) < 0.5 * len(np.unique(scores))
    assert len(np.unique(confident)) > 0.9 * len(np.unique(scores))
    assert (np.diff(confident[np.argsort(scores)]) >= 0).all()


def test_training_leaves_the_references_to_finish():
    predictor = ctnas(len(NASBENCH101.ops), SMALL)
    graphs = _graphs(NASBENCH101, 20)
    labels = jnp.linspace(-1, 1, 20)
    recipe = supervised.FitConfig(
        epochs=5, batch_size=8, weight_decay=0.5, learning_rate=0.01, cosine=False
    )
    state = supervised.start(predictor, graphs, jax.random.key(2), recipe)
    state, loss = supervised.train_epochs(predictor, graphs, labels, state, recipe, 5)
    assert not np.any(state.params["references"])
    assert not np.any(state.params["present"])
    assert np.isfinite(loss).all() and loss[-1] < loss[0]
    done = supervised.finish(predictor, state.params, graphs, labels)
    assert jax.tree.structure(done) == jax.tree.structure(state.params)
    assert np.all(done["present"] == 1) and np.any(done["references"])


def test_regression_nas_against_numpy():
    predictor = regression_nas(len(NASBENCH101.ops), SMALL)
    assert predictor.objective is None and predictor.finish is None
    graphs = _graphs(NASBENCH101, 7)
    params = _started(predictor, graphs)
    expected = (
        _vectors(graphs, params) @ params["regressor"]["kernel"][:, 0]
        + params["regressor"]["bias"][0]
    )
    np.testing.assert_allclose(
        jax.jit(predictor.apply)(params, graphs), expected, atol=1e-5
    )


def test_the_published_sizes():
    params = jax.eval_shape(ctnas(5).init, KEY, _graphs(NASBENCH101, 2))
    assert params["encoder"]["operation"]["embedding"].shape == (5, 128)
    assert params["encoder"]["convolution_3"]["kernel"].shape == (128, 128)
    assert "convolution_4" not in params["encoder"]
    assert params["comparator"].shape == (256, 1)
