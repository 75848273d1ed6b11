"""Bayesian optimisation: acquisitions by hand, padding, what is compiled, what is won."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from tnasp_jax import search
from tnasp_jax.graphs import Graphs
from tnasp_jax.predictors import get_predictor
from tnasp_jax.predictors.gp import GpConfig, gp
from tnasp_jax.search import acquisition, bayes
from tnasp_jax.spaces import NASBENCH201
from tnasp_jax.training.labels import fit_scale

# Acquisitions.


def test_expected_improvement_is_the_mean_of_the_improvement():
    mean, deviation = np.array([0.0, 1.0, -2.0]), np.array([1.0, 0.5, 0.3])
    found = acquisition.expected_improvement(mean, deviation, jnp.array(0.2))
    draws = np.random.default_rng(0).normal(mean, deviation, (400_000, 3))
    np.testing.assert_allclose(found, np.maximum(draws - 0.2, 0).mean(0), atol=2e-3)
    certain = acquisition.expected_improvement(
        np.array([0.5, 0.1]), np.zeros(2), jnp.array(0.2)
    )
    np.testing.assert_allclose(certain, [0.3, 0], atol=1e-6)


def test_upper_confidence_bound_by_hand():
    found = acquisition.upper_confidence_bound(
        np.array([1.0, 2]), np.array([3.0, 1]), 2
    )
    assert found.tolist() == [7, 4]


def test_thompson_samples_have_their_mean_and_deviation():
    mean, deviation = np.array([0.0, 3.0]), np.array([1.0, 0.1])
    draws = acquisition.thompson_samples(jax.random.key(0), mean, deviation, 20_000)
    assert draws.shape == (20_000, 2)
    np.testing.assert_allclose(draws.mean(0), mean, atol=0.03)
    np.testing.assert_allclose(draws.std(0), deviation, atol=0.03)


def test_draws_take_turns_and_nan_is_last():
    assert bayes.top(np.array([[0.1, np.nan, 0.3]])) == [2, 0, 1]
    assert bayes.top(np.array([[3, 2, 1], [3, 1, 2]])) == [0, 1, 2]
    assert bayes.top(np.array([[3, 2, 1], [1, 2, 3]])) == [0, 2, 1]


def test_labels_are_learnt_in_normal_ranks():
    values = np.array([0.9, 0.1, 0.5, 0.5, 0.93])
    expected = fit_scale(values, "rank").to_units(values)
    found = scipy.stats.norm.ppf(bayes.rank_places(values))
    np.testing.assert_allclose(found, expected, atol=1e-5)


# Padding and compiling.


def test_the_process_of_its_own_is_gp():
    graphs = NASBENCH201.to_graphs(NASBENCH201.sample(jax.random.key(0), 110))
    nothing = jax.tree.map(lambda leaf: np.zeros_like(leaf[:1]), graphs)
    known, labels = bayes._padded(graphs[:40], np.arange(40, dtype=np.float32) / 50)
    asked = jax.tree.map(lambda a, b: np.concatenate([a, b]), graphs[40:], nothing)
    given = (known, labels + 0.01, asked)
    process = gp(NASBENCH201, GpConfig(tuned_on=bayes.TUNED_ON))
    mean, deviation, best = bayes._posterior(process)(jax.random.key(1), *given)
    found = bayes._processes(NASBENCH201)(jax.random.key(1), *given)
    np.testing.assert_allclose(found[0], mean, atol=1e-3)
    real = np.isfinite(mean)
    assert real.sum() > 60 and np.isnan(found[0][-1])
    np.testing.assert_allclose(found[1][real], deviation[real], atol=1e-3)
    np.testing.assert_allclose(found[2], best, atol=1e-3)


def test_rows_that_are_no_graphs_say_nothing_to_the_process():
    graphs = NASBENCH201.to_graphs(NASBENCH201.sample(jax.random.key(0), 60))
    labels = np.asarray(graphs.mask.sum(1), np.float32) - 5
    process = gp(NASBENCH201, GpConfig(steps=20))
    plain = jax.jit(process.fit)(jax.random.key(1), graphs[:24], labels[:24])
    dead = Graphs(*(np.zeros_like(leaf[:8]) for leaf in jax.tree.leaves(graphs)))
    padded = jax.tree.map(lambda a, b: np.concatenate([b, a]), graphs[:24], dead)
    wrong = np.concatenate([np.full(8, np.nan, np.float32), labels[:24]])
    params = jax.jit(process.fit)(jax.random.key(1), padded, wrong)
    for function in (process.apply, process.deviation):
        function = jax.jit(function)
        np.testing.assert_allclose(
            function(params, graphs[24:]), function(plain, graphs[24:]), atol=1e-3
        )


@pytest.fixture
def traced(made):
    """The made predictor, and the sizes that its fit was compiled for."""
    sizes = []

    def fit(key, graphs, labels):
        sizes.append(len(graphs))
        return made.predictor.fit(key, graphs, labels)

    return made.predictor._replace(fit=fit), sizes


def test_nothing_is_compiled_again_as_the_record_grows(made, traced):
    predictor, sizes = traced
    config = search.BayesConfig(candidates=30, padded=True)
    for _ in range(2):  # Nor by a second method.
        method = search.bayesian_optimization(
            made.space, predictor=predictor, config=config
        )
        made.run(method, 40, batch=2)
    assert sizes == [64, 128]


def test_a_predictor_of_ones_own_is_not_padded_unasked(made, traced):
    predictor, sizes = traced
    config = search.BayesConfig(candidates=30)
    method = search.bayesian_optimization(
        made.space, predictor=predictor, config=config
    )
    made.run(method, 14)
    assert sizes == [10, 11, 12, 13]


def test_padding_changes_no_choice(made):
    padded, _ = made.run(made.bayes("improvement")(made.space), 13)
    plain, _ = made.run(made.bayes("improvement", padded=False)(made.space), 13)
    assert padded.texts.tolist() == plain.texts.tolist()


# Searching.


@pytest.mark.parametrize("name", ["improvement", "thompson", "ucb", "mean"])
def test_it_beats_random_search(made, name):
    def mean_best(method):
        found = [made.run(method, 10, batch=4, seed=seed)[0] for seed in range(4)]
        return np.mean([search.best(state)[1] for state in found])

    random = mean_best(search.random_search(made.space))
    assert mean_best(made.bayes(name)(made.space)) > random + 0.1


def test_a_batch_holds_different_candidates(made):
    method = made.bayes("thompson")(made.space)
    state, _ = made.run(method, 3, batch=8)
    asked, _ = method.ask(jax.random.key(5), state, 30)
    assert len({made.space.canonical_hash(one) for one in asked}) == 30
    many, _ = method.ask(jax.random.key(5), state, 90)  # More than candidates.
    assert len(many) == 90


def test_only_mutations_of_the_best_the_most_promising_first(made):
    known = made.space.sample(jax.random.key(3), 12)
    config = {"mutants_only": True, "elite": 2, "candidates": 20}
    method = made.bayes("mean", **config)(made.space)
    values = np.array(list(map(made.value, known)))
    state = method.tell(method.init(), known, values)
    asked, _ = method.ask(jax.random.key(4), state, 20)
    best = np.array(known)[search.ranking(state)[:2]]
    changed = (np.array(asked)[:, None] != best).sum(-1)
    assert len(asked) == 20 and (changed.min(1) == 1).all()
    graphs, candidates = map(made.space.to_graphs, (known, asked))
    labels = scipy.stats.norm.ppf(bayes.rank_places(values))
    params = made.predictor.fit(jax.random.key(0), graphs, labels)
    expected = np.asarray(made.predictor.apply(params, candidates))
    np.testing.assert_allclose(expected, np.sort(expected)[::-1], atol=1e-5)
    everywhere, _ = made.bayes("mean", **config | {"mutants_only": False})(
        made.space
    ).ask(jax.random.key(4), state, 20)
    changed = (np.array(everywhere)[:, None] != best).sum(-1)
    assert (changed.min(1) > 1).any()


def test_the_process_is_the_default():
    config = search.BayesConfig(candidates=8, initial=4)
    method = search.bayesian_optimization(NASBENCH201, config=config)
    state = method.init()
    for step in range(2):
        asked, state = method.ask(jax.random.key(step), state, 4)
        state = method.tell(state, asked, [sum(one) for one in asked])
    assert len(state) == 8


@pytest.mark.parametrize("name", ["tnasp", "trees"])
def test_predictors_that_cannot_serve(name):
    with pytest.raises(ValueError, match="fitted at once inside JAX"):
        search.bayesian_optimization(
            NASBENCH201, predictor=get_predictor(name, NASBENCH201)
        )


@pytest.mark.parametrize(
    "options", [{"acquisition": "luck"}, {"initial": 1}, {"candidates": 0}]
)
def test_configurations_that_make_no_sense(options):
    with pytest.raises(ValueError, match="BayesConfig: expected"):
        search.BayesConfig(**options)
