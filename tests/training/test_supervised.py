"""Supervised training: hand-made gradients, exact weights, segments, small sets."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tnasp_jax.graphs import Graphs
from tnasp_jax.predictors import Predictor, TnaspConfig, tnasp
from tnasp_jax.spaces import NASBENCH201
from tnasp_jax.training import supervised
from tnasp_jax.training.supervised import FitConfig


def _linear(noise=0.0):
    """Scores ops @ w + b; a dropout key adds noise."""

    def init(key, graphs):
        del key
        return {"w": jnp.full(graphs.ops.shape[1], 0.1), "b": jnp.zeros(())}

    def apply(params, graphs, *, dropout_key=None):
        scores = graphs.ops.astype(jnp.float32) @ params["w"] + params["b"]
        if dropout_key is not None and noise:
            scores += noise * jax.random.normal(dropout_key, scores.shape)
        return scores

    return Predictor(init, apply)


def _cells(count, slots=3, seed=0):
    rng = np.random.default_rng(seed)
    graphs = Graphs(
        rng.integers(0, 5, (count, slots)).astype(np.int32),
        np.zeros((count, slots, slots), bool),
        np.ones((count, slots), bool),
    )
    return graphs, rng.normal(size=count).astype(np.float32)


def _fit(predictor, cells, config, seed=0):
    """What `supervised.fit` returns, and the number of gradient steps."""
    graphs, labels = cells
    state = supervised.start(predictor, graphs, jax.random.key(seed), config)
    state, loss = supervised.train_epochs(
        predictor, graphs, labels, state, config, config.epochs
    )
    counts = {int(n) for _, n in optax.tree.get_all_with_path(state, "count")}
    (steps,) = counts
    return state.params, np.asarray(loss), steps


def _adam_l2(params, gradient, rates, decay):
    """Adam by its paper, the decay added to the gradient; yields each iterate."""
    first, second = np.zeros_like(params), np.zeros_like(params)
    for step, rate in enumerate(rates, start=1):
        grad = gradient(params) + decay * params
        first = 0.9 * first + 0.1 * grad
        second = 0.999 * second + 0.001 * grad**2
        moment = np.sqrt(second / (1 - 0.999**step)) + 1e-8
        params = params - rate * first / (1 - 0.9**step) / moment
        yield params


@pytest.mark.parametrize("epochs", [1, 4])
def test_epochs_of_one_batch_against_adam_with_l2_in_numpy(epochs):
    graphs, labels = _cells(13)
    config = FitConfig(
        epochs=epochs, batch_size=13, learning_rate=0.05, weight_decay=0.3
    )
    params, loss, _ = _fit(_linear(), (graphs, labels), config)
    features = np.concatenate([graphs.ops, np.ones((13, 1))], axis=1)

    def gradient(w):
        return 2 / 13 * features.T @ (features @ w - labels)

    rates = 0.05 * (1 + np.cos(np.pi * np.arange(epochs) / epochs)) / 2
    start = np.array([0.1, 0.1, 0.1, 0.0])
    iterates = [start, *_adam_l2(start, gradient, rates, 0.3)]
    actual = np.append(params["w"], params["b"])
    np.testing.assert_allclose(actual, iterates[-1], atol=1e-5)
    expected = [np.mean((features @ w - labels) ** 2) for w in iterates[:-1]]
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_the_last_smaller_batch_holds_what_is_left():
    """Two steps of 10 and 3 cells, each cell once, in an order that changes."""
    graphs, _ = _cells(13)
    labels = 2.0 ** np.arange(13, dtype=np.float32)
    sizes = FitConfig(epochs=3, loss=lambda scores, labels, weights: weights.sum())
    _, loss, steps = _fit(_linear(), (graphs, labels), sizes)
    np.testing.assert_allclose(loss, (10 * 10 + 3 * 3) / 13, rtol=1e-6)
    assert steps == 6
    # The loss of an epoch weighs its batches by their cells, so it is an exact mean.
    frozen = FitConfig(
        epochs=3,
        learning_rate=0.0,
        loss=lambda scores, labels, weights: weights @ labels / weights.sum(),
    )
    _, loss, _ = _fit(_linear(), (graphs, labels), frozen)
    np.testing.assert_array_equal(loss * 13, 2**13 - 1)
    firsts = FitConfig(
        epochs=20,
        loss=lambda scores, labels, weights: jnp.where(weights.sum() > 9, labels[0], 0),
    )
    _, loss, _ = _fit(_linear(), (graphs, labels), firsts)
    assert len(np.unique(loss)) > 5


def test_the_padding_of_the_last_batch_has_no_gradient():
    """Two steps by hand: three cells, then the two that are left, in some order."""
    graphs, labels = _cells(5)
    config = FitConfig(epochs=1, batch_size=3, learning_rate=0.1, weight_decay=0)
    params, _, _ = _fit(_linear(), (graphs, labels), config)
    actual = np.append(params["w"], params["b"])
    features = np.concatenate([graphs.ops, np.ones((5, 1))], axis=1)
    distances = []
    for last in itertools.combinations(range(5), 2):
        batches = iter([np.delete(np.arange(5), last), np.array(last)])

        def gradient(w, batches=batches):
            rows = next(batches)
            errors = features[rows] @ w - labels[rows]
            return 2 / len(rows) * features[rows].T @ errors

        *_, expected = _adam_l2(np.array([0.1, 0.1, 0.1, 0]), gradient, [0.1, 0.1], 0)
        distances.append(np.abs(actual - expected).max())
    assert np.sort(distances)[0] < 1e-5 < 1e-3 < np.sort(distances)[1]


def test_the_rate_falls_by_a_cosine_from_epoch_to_epoch():
    """The gradient of b is always 1, so Adam moves it by the rate at each step."""
    graphs, labels = _cells(13)
    config = FitConfig(
        epochs=5,
        learning_rate=0.1,
        weight_decay=0,
        loss=lambda scores, labels, weights: weights @ scores / weights.sum(),
    )
    predictor, moved = _linear(), []
    state = supervised.start(predictor, graphs, jax.random.key(0), config)
    for _ in range(config.epochs):
        before = state.params["b"]
        state, _ = supervised.train_epochs(predictor, graphs, labels, state, config, 1)
        moved.append(float(before - state.params["b"]))
    expected = 2 * 0.1 * (1 + np.cos(np.pi * np.arange(5) / 5)) / 2
    np.testing.assert_allclose(moved, expected, rtol=1e-4)


def test_segments_equal_one_run_bit_for_bit():
    graphs, labels = _cells(13)
    predictor, config = _linear(noise=0.5), FitConfig(epochs=6, learning_rate=0.1)
    whole, loss = jax.jit(
        lambda key: supervised.fit(predictor, graphs, labels, key, config)
    )(jax.random.key(7))
    state = supervised.start(predictor, graphs, jax.random.key(7), config)
    segment = jax.jit(
        lambda state, epochs: supervised.train_epochs(
            predictor, graphs, labels, state, config, epochs
        ),
        static_argnums=1,
    )
    pieces = []
    for epochs in (2, 1, 2, 1):
        state, piece = segment(state, epochs)
        pieces.append(piece)
    assert int(state.epoch) == 6
    np.testing.assert_array_equal(np.concatenate(pieces), loss)
    for name, leaf in whole.items():
        np.testing.assert_array_equal(state.params[name], leaf)


def test_the_key_decides_order_and_dropout():
    config = FitConfig(epochs=3, learning_rate=0.1)
    runs = [_fit(_linear(noise=0.5), _cells(13), config, seed)[1] for seed in (0, 0, 1)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0] != runs[2]).all()
    assert len(set(runs[0].tolist())) == 3


@pytest.mark.parametrize("count", [1, 3, 11])
def test_small_sets_train(count):
    config = FitConfig(epochs=30, learning_rate=0.05, weight_decay=0)
    _, loss, steps = _fit(_linear(), _cells(count), config)
    assert steps == 30 * (1 if count <= 10 else 2)
    assert steps == 30 * supervised.steps_per_epoch(count, 10)
    assert loss[-1] < 0.7 * loss[0]


def test_another_loss_trains_for_it():
    """Under the sum of scores they fall, whatever the labels say."""
    graphs, labels = _cells(5)
    config = FitConfig(
        epochs=5, learning_rate=0.1, loss=lambda scores, labels, weights: scores.sum()
    )
    params, _, _ = _fit(_linear(), (graphs, labels), config)
    assert (np.asarray(params["w"]) < 0.1).all() and params["b"] < 0


def test_tnasp_overfits_twenty_cells():
    cells = NASBENCH201.sample(jax.random.key(3), 20)
    graphs = NASBENCH201.to_graphs(list(dict.fromkeys(map(NASBENCH201.prune, cells))))
    labels = np.random.default_rng(0).normal(size=len(graphs)).astype(np.float32)
    predictor = tnasp(
        6,
        TnaspConfig(
            num_layers=1, width=16, num_heads=2, head_width=8, hidden=32, dropout=0
        ),
    )
    config = FitConfig(epochs=300, learning_rate=1e-2, weight_decay=0)
    fit = jax.jit(lambda key: supervised.fit(predictor, graphs, labels, key, config))
    params, loss = fit(jax.random.key(0))
    assert loss[0] > 0.5
    scores = predictor.apply(params, graphs)
    assert np.mean((np.asarray(scores) - labels) ** 2) < 0.02


def test_a_predictor_may_bring_its_own_objective_and_a_last_word():
    """The objective replaces the recipe's loss; `finish` sees the training cells."""
    graphs, labels = _cells(5)

    def objective(params, graphs, labels, weights, *, dropout_key):
        del graphs, labels, dropout_key
        return jnp.sum(weights) * jnp.sum(params["w"])

    def finish(params, graphs, labels):
        return {**params, "b": jnp.sum(labels) + len(graphs)}

    predictor = _linear()._replace(objective=objective, finish=finish)
    config = FitConfig(epochs=1, learning_rate=0.1, weight_decay=0)
    params, loss = supervised.fit(predictor, graphs, labels, jax.random.key(0), config)
    np.testing.assert_allclose(params["w"], 0.0, atol=1e-6)  # One step of Adam down.
    np.testing.assert_allclose(params["b"], labels.sum() + 5, rtol=1e-6)
    np.testing.assert_allclose(loss, [5 * 3 * 0.1], rtol=1e-6)


def test_a_constant_rate_stays():
    graphs, labels = _cells(5)
    config = FitConfig(
        epochs=4,
        learning_rate=0.1,
        weight_decay=0,
        cosine=False,
        loss=lambda scores, labels, weights: weights @ scores / weights.sum(),
    )
    params, _, _ = _fit(_linear(), (graphs, labels), config)
    np.testing.assert_allclose(params["b"], -0.4, atol=1e-5)


def test_a_clipped_gradient_keeps_its_direction_and_a_first_moment_counts():
    """Two steps of Adam by hand, of gradients cut to a norm of 0.5."""
    graphs, labels = _cells(13)
    config = FitConfig(
        epochs=2,
        batch_size=13,
        learning_rate=0.05,
        weight_decay=0,
        cosine=False,
        first_moment=0.5,
        clip=0.5,
    )
    params, _, _ = _fit(_linear(), (graphs, labels), config)
    features = np.concatenate([graphs.ops, np.ones((13, 1))], axis=1)
    w, first, second = np.array([0.1, 0.1, 0.1, 0.0]), np.zeros(4), np.zeros(4)
    for step in (1, 2):
        grad = 2 / 13 * features.T @ (features @ w - labels)
        assert np.linalg.norm(grad) > 0.5
        grad *= 0.5 / np.linalg.norm(grad)
        first = 0.5 * first + 0.5 * grad
        second = 0.999 * second + 0.001 * grad**2
        moment = np.sqrt(second / (1 - 0.999**step)) + 1e-8
        w = w - 0.05 * first / (1 - 0.5**step) / moment
    np.testing.assert_allclose(np.append(params["w"], params["b"]), w, atol=1e-5)
