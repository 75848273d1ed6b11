"""The library's own recipe: what it averages, and that it reads no name of a space."""

import dataclasses

import jax
import numpy as np
import pytest
import scipy.stats

from tnasp_jax.invariants import invariants
from tnasp_jax.predictors import get_predictor
from tnasp_jax.predictors.best import ABLATIONS, BestConfig, best
from tnasp_jax.predictors.dagnet import DagnetConfig, dagnet
from tnasp_jax.predictors.forest import ForestConfig, forest
from tnasp_jax.predictors.gp import GpConfig, gp
from tnasp_jax.spaces import NASBENCH201

CONFIG = BestConfig(
    processes=GpConfig(steps=20, priors=((1.0, 0.0), (0.5, 1.0))),
    networks=DagnetConfig(num_layers=1, width=8, hidden=8, members=2),
    forest=ForestConfig(forests=1, rounds=50, candidates=20),
    shares=(0.5, 0.2, 0.3),
)


@pytest.fixture(scope="module")
def fitted():
    graphs = NASBENCH201.to_graphs(NASBENCH201.sample(jax.random.key(0), 100))
    raw = np.asarray(invariants(graphs, NASBENCH201))
    labels = scipy.stats.zscore(raw[:, 0] + np.sin(raw[:, 1])).astype(np.float32)
    predictor = best(NASBENCH201, CONFIG)
    params = jax.jit(predictor.fit)(jax.random.key(1), graphs[:60], labels[:60])
    return predictor, params, graphs, labels


def test_it_is_the_weighted_mean_of_its_parts(fitted):
    predictor, params, graphs, _ = fitted
    parts = {
        "processes": (0.5, gp(NASBENCH201, CONFIG.processes)),
        "networks": (0.2, dagnet(NASBENCH201, CONFIG.networks)),
        "forest": (0.3, forest(NASBENCH201, CONFIG.forest)),
    }
    expected = sum(
        share * jax.jit(part.apply)(params[name], graphs)
        for name, (share, part) in parts.items()
    )
    scores = jax.jit(predictor.apply)(params, graphs)
    np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_it_learns_and_its_deviation_is_of_the_size_of_its_errors(fitted):
    predictor, params, graphs, labels = fitted
    scores = np.asarray(jax.jit(predictor.apply)(params, graphs[60:]))
    assert scipy.stats.kendalltau(scores, labels[60:]).statistic > 0.7
    deviation = np.asarray(jax.jit(predictor.deviation)(params, graphs[60:]))
    errors = np.abs(scores - labels[60:])
    assert 0.3 < np.mean(errors < deviation) <= 1.0
    assert (deviation > 0).all()
    processes = gp(NASBENCH201, CONFIG.processes)
    few = graphs[60:70]
    np.testing.assert_allclose(
        jax.jit(predictor.covariance)(params, few),
        jax.jit(processes.covariance)(params["processes"], few),
        atol=1e-5,
    )


def test_another_name_of_the_space_changes_nothing(fitted):
    _, params, graphs, _ = fitted

    renamed = best(dataclasses.replace(NASBENCH201, name="somebody's own"), CONFIG)
    np.testing.assert_array_equal(
        jax.jit(renamed.apply)(params, graphs[:5]),
        jax.jit(best(NASBENCH201, CONFIG).apply)(params, graphs[:5]),
    )


def test_an_ablation_lacks_what_its_name_says(fitted):
    _, _, graphs, _ = fitted

    def shapes(name):
        init = get_predictor(name, NASBENCH201).init
        return jax.eval_shape(init, jax.random.key(0), graphs)

    whole = shapes("best")
    for part in ("processes", "networks", "forest"):
        assert set(shapes(f"best_no_{part}")) == set(whole) - {part}
    priors = [
        shapes(name)["processes"]["processes"]["weights"].shape[0]
        for name in ("best", "best_one_prior")
    ]
    members = [
        shapes(name)["networks"]["members"]["regressor_out"]["bias"].shape[0]
        for name in ("best", "best_one_network")
    ]
    assert (priors, members) == ([3, 1], [4, 1])
    without = shapes("best_graph_networks")["networks"]["members"]
    assert set(whole["networks"]["members"]) - set(without) == {"invariants"}
    assert len(ABLATIONS) == 6


def test_shares_are_of_what_is_left(fitted):
    _, params, graphs, _ = fitted
    config = dataclasses.replace(CONFIG, shares=(0.5, 0.5, 0.0))
    twice = dataclasses.replace(CONFIG, shares=(1.0, 1.0, 0.0))
    left = {name: params[name] for name in ("processes", "networks")}
    one, other = (
        jax.jit(best(NASBENCH201, c).apply)(left, graphs) for c in (config, twice)
    )
    np.testing.assert_allclose(one, other, atol=1e-6)
    assert (
        best(NASBENCH201, dataclasses.replace(CONFIG, shares=(0, 1, 0))).deviation
        is None
    )
