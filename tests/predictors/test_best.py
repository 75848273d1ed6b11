"""The library's own recipe: what it stacks, and that it reads no name of a space."""

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
    forest=ForestConfig(rounds=50, candidates=20),
    networks_from=40,
    folds=2,
)
PARTS = {
    "processes": gp(NASBENCH201, CONFIG.processes),
    "forest": forest(NASBENCH201, dataclasses.replace(CONFIG.forest, forests=2)),
    "networks": dagnet(NASBENCH201, CONFIG.networks),
}


@pytest.fixture(scope="module")
def fitted():
    graphs = NASBENCH201.to_graphs(NASBENCH201.sample(jax.random.key(0), 100))
    raw = np.asarray(invariants(graphs, NASBENCH201))
    labels = scipy.stats.zscore(raw[:, 0] + np.sin(raw[:, 1])).astype(np.float32)
    predictor = best(NASBENCH201, CONFIG)
    params = jax.jit(predictor.fit)(jax.random.key(1), graphs[:60], labels[:60])
    return predictor, params, graphs, labels


def test_it_is_the_mean_of_its_parts_by_their_shares(fitted):
    predictor, params, graphs, _ = fitted
    expected = sum(
        share * jax.jit(part.apply)(params[name], graphs)
        for share, (name, part) in zip(params["shares"], PARTS.items(), strict=True)
    )
    scores = jax.jit(predictor.apply)(params, graphs)
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert float(params["shares"].sum()) == pytest.approx(1, abs=1e-5)


def test_a_member_does_not_see_its_fold(fitted):
    """Other labels in the cells that a forest and a network leave out."""
    predictor, params, graphs, labels = fitted
    other = labels[:60].copy()
    other[::2] = other[::2][::-1]  # Those of fold 0; their mean stays.
    changed = jax.jit(predictor.fit)(jax.random.key(1), graphs[:60], other)
    trees = CONFIG.forest.rounds
    for name, leaf in (("forest", "answer"), ("networks", "members")):
        before, after = (jax.tree.leaves(p[name][leaf]) for p in (params, changed))
        half = trees if name == "forest" else 1
        for one, two in zip(before, after, strict=True):
            np.testing.assert_allclose(one[:half], two[:half], atol=1e-5)
        assert any(
            np.abs(one[half:] - two[half:]).max() > 1e-3
            for one, two in zip(before, after, strict=True)
        )


def test_shares_follow_from_what_is_right_about_cells_left_out(fitted):
    """Networks that do not move know nothing, and lose their share."""
    _, params, graphs, labels = fitted
    lazy = DagnetConfig(num_layers=1, width=8, hidden=8, learning_rate=1e-6)
    config = dataclasses.replace(CONFIG, networks=lazy)
    found = jax.jit(best(NASBENCH201, config).fit)(
        jax.random.key(1), graphs[:60], labels[:60]
    )
    prior = np.array(list(CONFIG.prior.values()))
    assert found["shares"][2] < 0.01 * prior[2]
    assert found["shares"][2] < params["shares"][2]


def test_it_learns_and_its_deviation_is_of_the_size_of_its_errors(fitted):
    predictor, params, graphs, labels = fitted
    scores = np.asarray(jax.jit(predictor.apply)(params, graphs[60:]))
    assert scipy.stats.kendalltau(scores, labels[60:]).statistic > 0.7
    deviation = np.asarray(jax.jit(predictor.deviation)(params, graphs[60:]))
    errors = np.abs(scores - labels[60:])
    assert 0.3 < np.mean(errors < deviation) <= 1.0
    assert (deviation > 0).all()
    few = graphs[60:70]
    np.testing.assert_allclose(
        jax.jit(predictor.covariance)(params, few),
        jax.jit(PARTS["processes"].covariance)(params["processes"], few),
        atol=1e-5,
    )


def test_another_name_of_the_space_changes_nothing(fitted):
    predictor, params, graphs, _ = fitted

    renamed = best(dataclasses.replace(NASBENCH201, name="somebody's own"), CONFIG)
    np.testing.assert_array_equal(
        jax.jit(renamed.apply)(params, graphs[:5]),
        jax.jit(predictor.apply)(params, graphs[:5]),
    )


def _shapes(name, graphs):
    init = get_predictor(name, NASBENCH201).init
    return jax.eval_shape(init, jax.random.key(0), graphs)


def test_networks_come_with_enough_cells():
    many = NASBENCH201.to_graphs(NASBENCH201.sample(jax.random.key(2), 300))
    assert set(_shapes("best", many[:299])) == {"processes", "forest", "shares"}
    assert "networks" in _shapes("best", many)
    assert _shapes("best", many)["shares"].shape == (3,)


def test_an_ablation_lacks_what_its_name_says():
    graphs = NASBENCH201.to_graphs(NASBENCH201.sample(jax.random.key(2), 300))
    whole = _shapes("best", graphs)
    for part in ("processes", "networks", "forest"):
        assert set(_shapes(f"best_no_{part}", graphs)) == set(whole) - {part}
    priors = [
        _shapes(name, graphs)["processes"]["processes"]["weights"].shape[0]
        for name in ("best", "best_one_prior")
    ]
    assert priors == [3, 1]
    without = _shapes("best_graph_networks", graphs)["networks"]["members"]
    assert set(whole["networks"]["members"]) - set(without) == {"invariants"}
    assert get_predictor("best_no_processes", NASBENCH201).deviation is None
    assert len(ABLATIONS) == 6


def test_without_stacking_shares_are_those_of_the_prior(fitted):
    _, _, graphs, labels = fitted
    config = dataclasses.replace(
        CONFIG, stacked=False, prior={"processes": 3.0, "forest": 1.0}
    )
    params = jax.jit(best(NASBENCH201, config).fit)(
        jax.random.key(1), graphs[:60], labels[:60]
    )
    np.testing.assert_allclose(params["shares"], [0.75, 0.25], rtol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_hardly_any_cells_are_enough(fitted, count):
    _, _, graphs, labels = fitted
    config = dataclasses.replace(CONFIG, processes=GpConfig(steps=20))
    predictor = best(NASBENCH201, config)
    params = jax.jit(predictor.fit)(jax.random.key(1), graphs[:count], labels[:count])
    assert np.isfinite(jax.jit(predictor.apply)(params, graphs[:5])).all()


def test_an_unknown_part_and_none_are_refused():
    with pytest.raises(ValueError, match="'process'; did you mean 'processes'"):
        BestConfig(prior={"process": 1.0})
    with pytest.raises(ValueError, match="expected a share of some of"):
        BestConfig(prior={})
