"""Self-evolution: the three updates by hand, and what the server gives away."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tnasp_jax import losses
from tnasp_jax.graphs import Graphs
from tnasp_jax.predictors import Predictor
from tnasp_jax.predictors.ctnas import CtnasConfig, ctnas
from tnasp_jax.predictors.renas import RenasConfig, renas
from tnasp_jax.spaces import NASBENCH101
from tnasp_jax.training import self_evolution
from tnasp_jax.training.calibration import predict
from tnasp_jax.training.constraints import project
from tnasp_jax.training.self_evolution import EvolutionConfig

TRAIN, VALIDATION, SLOTS = 5, 7, 3


def _linear(noise=0.0):
    """Scores ops @ theta; a dropout key adds noise."""

    def apply(params, graphs, *, dropout_key=None):
        scores = graphs.ops.astype(jnp.float32) @ params
        if dropout_key is not None and noise:
            scores += noise * jax.random.normal(dropout_key, scores.shape)
        return scores

    return Predictor(lambda key, graphs: jnp.zeros(graphs.ops.shape[1]), apply)


def _ordering(noise=0.0):
    """The same scores, of which only the order is learnt."""
    apply = _linear(noise).apply

    def objective(params, graphs, labels, weights, *, dropout_key):
        scores = apply(params, graphs, dropout_key=dropout_key)
        return losses.pairwise_logistic(scores, labels, weights)

    return _linear(noise)._replace(objective=objective, orders_only=True)


def _cells(count, seed):
    ops = np.random.default_rng(seed).integers(0, 4, (count, SLOTS)).astype(np.int32)
    return Graphs(
        ops, np.zeros((count, SLOTS, SLOTS), bool), np.ones((count, SLOTS), bool)
    )


def _labels(count, seed):
    return np.random.default_rng(seed).normal(size=count).astype(np.float32)


TRAINING, UNLABELLED = _cells(TRAIN, 0), _cells(VALIDATION, 1)
LABELS, THETA = _labels(TRAIN, 2), np.array([0.3, -0.2, 0.1], np.float32)


KNOWN = (TRAINING, LABELS, UNLABELLED)


def _started(config, noise=0.0, seed=0, make=_linear):
    # Scores in the order of the labels, not against it, where only that counts.
    theta = -THETA if make is _ordering else THETA
    return self_evolution.start(
        make(noise), theta, *KNOWN, jax.random.key(seed), config
    )


@functools.cache
def _compiled(config, noise, make):
    return jax.jit(
        lambda state: self_evolution.evolve_round(make(noise), state, *KNOWN, config)
    )


def _evolved(state, config, noise=0.0, make=_linear):
    return _compiled(config, noise, make)(state)


def _server(truth):
    return lambda prediction: np.mean((np.asarray(prediction) - truth) ** 2)


def _rounds(config, error_of, noise=0.0, seed=0, make=_linear):
    """Algorithm 1 after the training: state, submissions and terms of each round."""
    state = _started(config, noise, seed, make)
    history = []
    for _ in range(config.rounds):
        prediction = self_evolution.submission(make(noise), state, *KNOWN, config)
        state = self_evolution.add_constraint(state, prediction, error_of(prediction))
        state, terms = _evolved(state, config, noise, make)
        history.append((np.asarray(prediction), terms))
    return state, history


def _by_hand(variables, submissions, errors, config, steps):
    """Eqs. (11) to (13), every gradient at the old iterate; Adam with L2 for theta."""
    theta, ybar, lam = (np.asarray(leaf, float) for leaf in variables)
    x, v = TRAINING.ops.astype(float), UNLABELLED.ops.astype(float)
    count = len(submissions)
    first = second = np.zeros(SLOTS)
    iterates = []
    for step in range(1, steps + 1):
        residual = v @ theta - ybar
        violation = np.zeros(len(lam))
        violation[:count] = np.mean((submissions - ybar) ** 2, axis=1) - errors
        grad_theta = 2 * x.T @ (x @ theta - LABELS) + 2 * config.alpha * v.T @ residual
        grad_ybar = -2 * config.alpha * residual
        for t in range(count):
            pull = 2 / VALIDATION * (ybar - submissions[t])
            grad_ybar = grad_ybar + lam[t] * pull / count
        iterates.append((theta, ybar, lam, violation))
        decayed = grad_theta + config.weight_decay * theta
        first = 0.9 * first + 0.1 * decayed
        second = 0.999 * second + 0.001 * decayed**2
        moment = np.sqrt(second / (1 - 0.999**step)) + 1e-8
        theta = theta - config.learning_rate * first / (1 - 0.9**step) / moment
        ybar = ybar - config.proxy_rate * grad_ybar
        lam = lam + config.multiplier_rate * violation / count
    return (theta, ybar, lam), iterates


@pytest.mark.parametrize("steps", [1, 4])
def test_three_updates_from_the_same_iterate_by_hand(steps):
    config = EvolutionConfig(
        rounds=4,
        steps=steps,
        alpha=0.7,
        learning_rate=0.02,
        weight_decay=0.1,
        proxy_rate=0.05,
        multiplier_rate=0.3,
    )
    submissions = np.stack([_labels(VALIDATION, 3), _labels(VALIDATION, 4)])
    errors = np.array([0.4, 3.0], np.float32)
    lam = np.array([2.0, -1.5, 5.0, 5.0], np.float32)  # empty slots count for nothing
    state = _started(config)
    for prediction, error in zip(submissions, errors, strict=True):
        state = self_evolution.add_constraint(state, prediction, error)
    state = state.replace(variables=state.variables.replace(lam=lam))
    before = state.variables
    state, terms = _evolved(state, config)
    (theta, ybar, lam), iterates = _by_hand(
        (before.theta, before.ybar, before.lam), submissions, errors, config, steps
    )
    np.testing.assert_allclose(state.variables.theta, theta, atol=1e-5)
    np.testing.assert_allclose(state.variables.ybar, ybar, atol=1e-5)
    np.testing.assert_allclose(state.variables.lam, lam, atol=1e-5)
    x, v = TRAINING.ops.astype(float), UNLABELLED.ops.astype(float)
    for step, (theta, ybar, lam, violation) in enumerate(iterates):
        fit = np.sum((x @ theta - LABELS) ** 2)
        proxy = 0.7 * np.sum((v @ theta - ybar) ** 2)
        constraint = lam @ violation / 2
        np.testing.assert_allclose(terms.violation[step], violation, atol=1e-4)
        np.testing.assert_allclose(
            [terms.fit[step], terms.proxy[step], terms.constraint[step]],
            [fit, proxy, constraint],
            rtol=1e-4,
        )
        total = fit + proxy + constraint
        np.testing.assert_allclose(terms.lagrangian[step], total, rtol=1e-4)


def test_a_round_runs_without_jit_on_numpy_arrays():
    config = EvolutionConfig(rounds=1, steps=2)
    state = self_evolution.add_constraint(_started(config), LABELS[:1].repeat(7), 0.5)
    without, _ = self_evolution.evolve_round(_linear(), state, *KNOWN, config)
    expected, _ = _evolved(state, config)
    np.testing.assert_allclose(
        without.variables.theta, expected.variables.theta, atol=1e-6
    )


def test_the_multiplier_ascends():
    """Up where the proxies are too far from a submission, down where too near."""
    config = EvolutionConfig(rounds=2, steps=1)
    for error, sign in ((0.0, 1), (100.0, -1)):
        state = _started(config)
        state = self_evolution.add_constraint(state, LABELS[:1].repeat(7), error)
        state, _ = _evolved(state, config)
        assert np.sign(state.variables.lam[0]) == sign
        assert state.variables.lam[1] == 0


def test_one_constraint_at_the_start_itself_says_nothing():
    """T = 1 and no noise: its gradient is zero, and only the proxy term moves ybar."""
    config = EvolutionConfig(rounds=1, steps=2, proxy_noise=0.0, proxy_rate=0.05)

    def pull(state):
        def term(ybar):
            variables = state.variables.replace(ybar=ybar, lam=jnp.ones(1))
            return self_evolution.lagrangian(
                _linear(),
                variables,
                state.constraints,
                (TRAINING, LABELS, jnp.ones(())),
                (UNLABELLED, np.arange(VALIDATION), jnp.ones(())),
                1.0,
            ).constraint

        return np.asarray(jax.grad(term)(state.variables.ybar))

    state = _started(config)
    prediction = self_evolution.submission(_linear(), state, *KNOWN, config)
    state = self_evolution.add_constraint(state, prediction, 0.5)
    assert not pull(state).any()
    np.testing.assert_array_equal(state.variables.ybar, state.centre)
    once, _ = _evolved(state, EvolutionConfig(**{**vars(config), "steps": 1}))
    np.testing.assert_array_equal(once.variables.ybar, state.centre)
    # The second step follows theta's first, through the proxy term alone: lam has
    # moved off zero by then, but its constraint still has no gradient.
    twice, _ = _evolved(state, config)
    residual = UNLABELLED.ops @ np.asarray(once.variables.theta) - state.centre
    expected = state.centre + 0.05 * 2 * residual
    assert np.abs(residual).max() > 1e-5
    np.testing.assert_allclose(twice.variables.ybar, expected, atol=1e-6)
    noisy = _started(EvolutionConfig(rounds=1))
    noisy = self_evolution.add_constraint(noisy, prediction, 0.5)
    assert np.abs(pull(noisy)).min() > 0
    spread = np.std(noisy.variables.ybar - noisy.centre)
    assert 0.03 < spread < 0.3


def test_minibatches_stand_for_all_cells():
    """Terms of 2 of 5 and 3 of 7 cells are right on the average over draws."""
    config = EvolutionConfig(
        rounds=1, steps=4000, batch_size=3, learning_rate=0.0, multiplier_rate=0.0
    )
    config = EvolutionConfig(**{**vars(config), "proxy_rate": 0.0})
    state = self_evolution.add_constraint(_started(config), np.zeros(VALIDATION), 0.0)
    _, terms = _evolved(state, config)
    fit = np.sum((TRAINING.ops @ THETA - LABELS) ** 2)
    proxy = np.sum((np.asarray(state.centre) - state.variables.ybar) ** 2)
    assert np.std(terms.fit) > 0 and np.std(terms.proxy) > 0
    assert np.mean(terms.fit) == pytest.approx(fit, rel=0.05)
    assert np.mean(terms.proxy) == pytest.approx(float(proxy), rel=0.05)
    # The constraint always sees all of V.
    expected = np.mean(np.asarray(state.variables.ybar) ** 2)
    np.testing.assert_allclose(terms.violation[:, 0], expected, rtol=1e-5)


@pytest.mark.parametrize("make", [_linear, _ordering])
@pytest.mark.parametrize("mode", ["minimax", "projection", "control"])
def test_rounds_do_not_retrace(mode, make):
    config, traces = EvolutionConfig(mode=mode, rounds=4, steps=2), []

    @jax.jit
    def one_round(state, error):
        traces.append(mode)
        prediction = self_evolution.submission(make(), state, *KNOWN, config)
        state = self_evolution.add_constraint(state, prediction, error)
        return _evolved(state, config, make=make)

    state = jax.jit(lambda: _started(config, make=make))()
    for count in range(1, config.rounds + 1):
        state, terms = one_round(state, 0.1 * count)
        assert int(state.constraints.count) == count
        np.testing.assert_array_equal(
            state.constraints.active, np.arange(config.rounds) < count
        )
        assert terms.lagrangian.shape == (2,)
        assert terms.violation.shape == (2, config.rounds)
        assert not np.asarray(terms.violation)[:, count:].any()
    assert len(traces) == 1
    expected = 0.1 * np.arange(1, 5)
    np.testing.assert_allclose(state.constraints.errors, expected, rtol=1e-6)


def test_no_function_takes_the_validation_labels():
    def parameters(function):
        return list(inspect.signature(function).parameters)

    # `labels` are the training cells': as many as those, checked below.
    known = ["graphs", "labels", "validation"]
    assert parameters(self_evolution.start) == [
        "predictor",
        "theta",
        *known,
        "key",
        "config",
    ]
    assert parameters(self_evolution.submission) == [
        "predictor",
        "state",
        *known,
        "config",
    ]
    assert parameters(predict) == [
        "predictor",
        "theta",
        "graphs",
        "labels",
        "asked",
        "dropout_key",
    ]
    assert parameters(self_evolution.add_constraint) == [
        "state",
        "prediction",
        "error",
    ]
    assert parameters(self_evolution.evolve_round) == [
        "predictor",
        "state",
        *known,
        "config",
    ]
    assert parameters(self_evolution.lagrangian) == [
        "predictor",
        "variables",
        "constraints",
        "training",
        "validation",
        "alpha",
        "dropout_keys",
    ]
    assert parameters(project) == ["constraints", "centre", "ridge"]


def test_labels_of_the_validation_cells_in_the_place_of_others_are_refused():
    config, theirs = EvolutionConfig(), _labels(VALIDATION, 5)
    swapped = (TRAINING, theirs, UNLABELLED)
    state = _started(config)
    for call in (
        lambda: self_evolution.start(_linear(), THETA, *swapped, state.key, config),
        lambda: self_evolution.submission(_linear(), state, *swapped, config),
        lambda: self_evolution.evolve_round(_linear(), state, *swapped, config),
    ):
        with pytest.raises(ValueError, match=r"labels: expected shape \(5,\)"):
            call()


@pytest.mark.parametrize(
    ("mode", "make"),
    [("minimax", _linear), ("projection", _linear), ("minimax", _ordering)],
)
def test_labels_count_only_through_the_errors(mode, make):
    """Other labels, mirrored in the span of all submissions, have the same errors."""
    config = EvolutionConfig(
        mode=mode,
        rounds=3,
        steps=20,
        learning_rate=1e-2,
        proxy_rate=0.02,
        multiplier_rate=0.1,
        dropout_submissions=True,
    )
    truth = 2 * _labels(VALIDATION, 5)
    state, history = _rounds(config, _server(truth), noise=0.3, make=make)
    submissions = np.stack([prediction for prediction, _ in history]).astype(float)
    directions = np.linalg.qr((submissions[1:] - submissions[0]).T)[0]
    offset = truth - submissions[0]
    inside = directions @ (directions.T @ offset)
    mirrored = submissions[0] + 2 * inside - offset
    assert np.abs(mirrored - truth).max() > 1
    other, _ = _rounds(config, _server(mirrored), noise=0.3, make=make)
    np.testing.assert_allclose(other.variables.ybar, state.variables.ybar, atol=1e-4)
    np.testing.assert_allclose(other.variables.theta, state.variables.theta, atol=1e-4)
    # Labels whose errors differ do count.
    wrong, _ = _rounds(config, _server(truth + 1), noise=0.3, make=make)
    assert np.abs(wrong.variables.ybar - state.variables.ybar).max() > 1e-3


def test_projection_starts_each_round_from_the_first_prediction():
    config = EvolutionConfig(
        mode="projection", rounds=3, steps=5, dropout_submissions=True
    )
    truth = _labels(VALIDATION, 5)
    state, history = _rounds(config, _server(truth), noise=0.5)
    np.testing.assert_array_equal(state.centre, history[0][0])
    expected = project(state.constraints, state.centre, config.ridge)
    np.testing.assert_allclose(state.variables.ybar, expected, atol=1e-5)
    assert not np.asarray(state.variables.lam).any()
    distances = [np.sum((np.asarray(y) - truth) ** 2) for y in (state.centre, expected)]
    assert distances[1] < 0.99 * distances[0]


def test_control_trains_on_with_fixed_proxies_and_no_constraints():
    config = EvolutionConfig(mode="control", rounds=3, steps=5, learning_rate=1e-2)
    runs = [
        _rounds(config, _server(_labels(VALIDATION, seed)))[0].variables
        for seed in (5, 6)
    ]
    centre = UNLABELLED.ops @ THETA
    for variables in runs:
        np.testing.assert_allclose(variables.ybar, centre, atol=1e-6)
        assert not np.asarray(variables.lam).any()
    np.testing.assert_array_equal(runs[0].theta, runs[1].theta)
    assert np.abs(runs[0].theta - THETA).min() > 1e-2


@pytest.mark.parametrize("noisy", [False, True])
def test_later_submissions_can_be_drawn_under_dropout(noisy):
    config = EvolutionConfig(rounds=3, steps=1, dropout_submissions=noisy)
    _, history = _rounds(config, lambda prediction: 0.5, noise=1.0)
    first, *later = (prediction for prediction, _ in history)
    np.testing.assert_allclose(first, UNLABELLED.ops @ THETA, atol=1e-6)
    moved = [np.abs(prediction - first).max() for prediction in later]
    assert min(moved) > 0.1 if noisy else max(moved) < 0.01
    assert np.abs(later[0] - later[1]).max() > 0.1 or not noisy


def test_the_key_decides_all_chance():
    config = EvolutionConfig(rounds=2, steps=3, batch_size=2, dropout_submissions=True)
    runs = [
        _rounds(config, lambda prediction: 0.5, noise=0.5, seed=seed)[0]
        for seed in (0, 0, 1)
    ]
    for first, second, third in zip(
        *(jax.tree.leaves(run.variables) for run in runs), strict=True
    ):
        np.testing.assert_array_equal(first, second)
        assert (first != third).any()


def test_one_optimizer_holds_one_adam_for_theta_alone():
    config = EvolutionConfig(rounds=2)
    state = _started(config)
    moments = optax.tree.get(state.opt_state, "mu")
    shapes = [leaf.shape for leaf in jax.tree.leaves(moments)]
    assert shapes == [THETA.shape]


# Scores that only order.


@pytest.mark.parametrize("mode", ["minimax", "control"])
def test_what_only_orders_submits_labels(mode):
    config = EvolutionConfig(mode=mode, rounds=2, proxy_noise=0.0)
    state = _started(config, make=_ordering)
    x, v = TRAINING.ops @ -THETA, UNLABELLED.ops @ -THETA
    slope = np.polyfit(x, LABELS, 1)[0]
    expected = LABELS.mean() + slope * (v - x.mean())
    assert slope > 0
    submitted = self_evolution.submission(_ordering(), state, *KNOWN, config)
    for labels in (submitted, state.centre, state.variables.ybar):
        np.testing.assert_allclose(labels, expected, rtol=1e-4)


def test_three_updates_of_what_only_orders_by_hand():
    config = EvolutionConfig(
        rounds=3,
        steps=1,
        alpha=0.7,
        learning_rate=0.02,
        weight_decay=0.0,
        proxy_rate=0.05,
        multiplier_rate=0.3,
    )
    submissions, errors = np.stack([_labels(VALIDATION, s) for s in (3, 4)]), [0.4, 3.0]
    state = _started(config, make=_ordering)
    for prediction, error in zip(submissions, errors, strict=True):
        state = self_evolution.add_constraint(state, prediction, error)
    lam = np.array([2.0, -1.5, 5.0])
    state = state.replace(variables=state.variables.replace(lam=jnp.array(lam)))
    ybar = np.asarray(state.variables.ybar, float)
    state, terms = _evolved(state, config, make=_ordering)

    cells = np.concatenate([TRAINING.ops, UNLABELLED.ops]).astype(float)
    scores, labels = cells @ -THETA, np.concatenate([LABELS, ybar])
    weights = np.repeat([1.0, 0.7], [TRAIN, VALIDATION])
    loss = total = 0.0
    gradient = np.zeros(SLOTS)
    for i in range(len(cells)):
        for j in range(len(cells)):
            if i != j:
                sign, both = np.sign(labels[i] - labels[j]), weights[i] * weights[j]
                margin = sign * (scores[i] - scores[j])
                loss += both * np.log1p(np.exp(-margin))
                gradient -= both * sign / (1 + np.exp(margin)) * (cells[i] - cells[j])
                total += both
    np.testing.assert_allclose(terms.fit[0], weights.sum() * loss / total, rtol=1e-4)
    # The first step of Adam goes by the sign.
    np.testing.assert_allclose(
        state.variables.theta, -THETA - 0.02 * np.sign(gradient), atol=1e-5
    )
    away = submissions[1] - ybar
    np.testing.assert_allclose(terms.proxy[0], 0.7 * np.sum(away**2), rtol=1e-4)
    pull = -2 * 0.7 * away
    for t in range(2):
        pull += lam[t] / 2 * 2 / VALIDATION * (ybar - submissions[t])
    np.testing.assert_allclose(state.variables.ybar, ybar - 0.05 * pull, atol=1e-5)
    violation = np.mean((submissions - ybar) ** 2, axis=1) - errors
    np.testing.assert_allclose(
        state.variables.lam[:2], lam[:2] + 0.3 * violation / 2, atol=1e-5
    )


@pytest.mark.parametrize("mode", ["minimax", "projection"])
def test_what_only_orders_evolves_towards_the_labels(mode):
    config = EvolutionConfig(
        mode=mode,
        rounds=6,
        steps=300,
        alpha=0.05,
        learning_rate=2e-3,
        proxy_rate=0.02,
        multiplier_rate=0.3,
        proxy_noise=0.3,
        dropout_submissions=mode == "projection",
    )
    graphs, unlabelled = _cells(12, 3), _cells(10, 4)
    truth = np.array([0.6, -0.5, 0.4], np.float32)
    y, hidden = graphs.ops @ truth, unlabelled.ops @ truth
    known, predictor = (graphs, y, unlabelled), _ordering(0.3)
    evolve = jax.jit(
        lambda state: self_evolution.evolve_round(predictor, state, *known, config)
    )
    state = self_evolution.start(
        predictor, jnp.array([0.2, 0.0, 0.3]), *known, jax.random.key(0), config
    )
    for _ in range(config.rounds):
        prediction = self_evolution.submission(predictor, state, *known, config)
        error = _server(hidden)(prediction)
        state = self_evolution.add_constraint(state, prediction, error)
        state, terms = evolve(state)
        largest = np.abs(terms.violation).max(axis=1)
        if mode == "minimax":
            assert largest[-1] < largest[0]
    assert largest[-1] < 0.05
    before, after = map(_server(hidden), (state.centre, state.variables.ybar))
    assert before > 0.5 and after < 0.05


@pytest.mark.parametrize("make", [_linear, _ordering])
def test_finish_writes_again_after_the_steps_of_a_round(make):
    """It stores the mean training score; L2 alone would move that."""
    plain = make()

    def apply(params, graphs, *, dropout_key=None):
        return plain.apply(params["theta"], graphs, dropout_key=dropout_key)

    def finish(params, graphs, labels):
        return {**params, "mean": jnp.mean(apply(params, graphs))}

    def objective(params, *batch, dropout_key):
        return plain.objective(params["theta"], *batch, dropout_key=dropout_key)

    predictor = plain._replace(
        apply=apply, finish=finish, objective=plain.objective and objective
    )
    config = EvolutionConfig(rounds=1, steps=5, learning_rate=0.1)
    theta = {"theta": jnp.asarray(THETA), "mean": jnp.ones(())}
    state = self_evolution.start(predictor, theta, *KNOWN, jax.random.key(0), config)
    state = self_evolution.add_constraint(state, jnp.zeros(VALIDATION), 0.5)
    state, _ = jax.jit(
        lambda state: self_evolution.evolve_round(predictor, state, *KNOWN, config)
    )(state)
    theta = state.variables.theta
    assert np.abs(theta["theta"] - THETA).max() > 0.1
    np.testing.assert_allclose(
        theta["mean"], np.mean(TRAINING.ops @ np.asarray(theta["theta"])), rtol=1e-5
    )


@pytest.mark.parametrize("name", ["ctnas", "renas"])
def test_the_steps_read_nothing_that_finish_stored(name):
    predictor = {
        "ctnas": lambda: ctnas(5, CtnasConfig(num_layers=1, width=8, num_references=6)),
        "renas": lambda: renas(NASBENCH101, RenasConfig(channels=(4, 4), hidden=(8,))),
    }[name]()
    stored = {"references", "present", "mean", "log_variance"}
    cells = NASBENCH101.to_graphs(NASBENCH101.sample(jax.random.key(0), 9))
    known = (cells[:5], LABELS, cells[5:])
    config = EvolutionConfig(rounds=1, steps=3, learning_rate=1e-2)
    theta = jax.jit(predictor.init)(jax.random.key(1), cells[:5])
    theta = jax.jit(predictor.finish)(theta, cells[:5], LABELS)
    state = self_evolution.start(predictor, theta, *known, jax.random.key(2), config)
    state = self_evolution.add_constraint(state, jnp.arange(4.0), 0.5)

    def spoilt(path, leaf):
        return leaf + 1.0 if path[-1].key in stored else leaf

    other = jax.tree.map_with_path(spoilt, state.variables.theta)
    other = state.replace(variables=state.variables.replace(theta=other))
    evolve = jax.jit(
        lambda state: self_evolution.evolve_round(predictor, state, *known, config)
    )
    after, expected = evolve(other)[0].variables, evolve(state)[0].variables
    jax.tree.map(np.testing.assert_array_equal, after, expected)
    before = jax.tree.leaves(theta)
    assert any(
        np.abs(a - b).max() > 1e-3
        for a, b in zip(jax.tree.leaves(after.theta), before, strict=True)
    )


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="unknown mode .* 'minmax'; did you mean"):
        EvolutionConfig(mode="minmax")  # pyright: ignore
