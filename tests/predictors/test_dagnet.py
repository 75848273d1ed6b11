"""The direction-aware network against its formulas in numpy, and its training."""

import jax
import numpy as np
import pytest
import scipy.stats

from tnasp_jax import graphs as graphs_lib
from tnasp_jax.invariants import invariants
from tnasp_jax.predictors.dagnet import (
    DagnetConfig,
    Regime,
    batch_of,
    dagnet,
    num_steps,
)
from tnasp_jax.spaces import NASBENCH101

SMALL = DagnetConfig(num_layers=2, width=8, hidden=12, invariant_width=5, members=2)


@pytest.fixture(scope="module")
def cells():
    return NASBENCH101.to_graphs(NASBENCH101.sample(jax.random.key(0), 120))


def _affine(x, p):
    return x @ np.asarray(p["kernel"], float) + np.asarray(p.get("bias", 0.0), float)


def _norm(x, p):
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6)
    return scaled * p["scale"] + p["bias"]


def _score(graph, known, p, num_layers):
    """One graph, its dead slots cut away first."""
    live = np.flatnonzero(graph.mask)
    edges = np.asarray(graphs_lib.live_adjacency(graph[None]))[0].astype(float)
    edges = edges[np.ix_(live, live)]
    h = np.asarray(p["operation"]["embedding"], float)[graph.ops[live]]
    for layer in range(num_layers):
        x = _norm(h, p[f"norm_{layer}"])
        onward = np.stack(
            [
                sum(
                    (
                        _affine(x[j], p[f"from_successors_{layer}"])
                        for j in range(len(x))
                        if edges[i, j]
                    ),
                    np.zeros(h.shape[1]),
                )
                for i in range(len(x))
            ]
        )
        before = np.stack(
            [
                sum(
                    (
                        _affine(x[j], p[f"from_predecessors_{layer}"])
                        for j in range(len(x))
                        if edges[j, i]
                    ),
                    np.zeros(h.shape[1]),
                )
                for i in range(len(x))
            ]
        )
        mixed = _affine(np.concatenate([onward, before], 1), p[f"mix_{layer}"])
        hidden = np.maximum(_affine(x, p[f"own_{layer}"]) + mixed, 0)
        h = h + _affine(hidden, p[f"contract_{layer}"])
    x = _norm(h, p["norm"])
    read = [x[-1], x.mean(0)]
    if "invariants" in p:
        read.append(np.maximum(_affine(known, p["invariants"]), 0))
    hidden = np.maximum(_affine(np.concatenate(read), p["regressor_in"]), 0)
    return _affine(hidden, p["regressor_out"])[0]


@pytest.mark.parametrize("invariant_width", [5, 0])
def test_scores_against_numpy(cells, invariant_width):
    config = DagnetConfig(
        num_layers=2, width=8, hidden=12, members=2, invariant_width=invariant_width
    )
    predictor = dagnet(NASBENCH101, config)
    few = cells[:6]
    params = jax.jit(predictor.init)(jax.random.key(1), few)
    known = np.asarray(jax.jit(invariants, static_argnums=1)(few, NASBENCH101), float)
    members = [
        jax.tree.map(lambda leaf, at=at: np.asarray(leaf[at]), params["members"])
        for at in range(2)
    ]
    expected = [
        np.mean([_score(few[row], np.clip(known[row], -5, 5), p, 2) for p in members])
        for row in range(6)
    ]
    scores = jax.jit(predictor.apply)(params, few)
    np.testing.assert_allclose(scores, expected, atol=1e-4)


def test_it_learns_and_its_members_differ(cells):
    raw = np.asarray(jax.jit(invariants, static_argnums=1)(cells, NASBENCH101))
    labels = scipy.stats.zscore(raw[:, 0]).astype(np.float32)
    predictor = dagnet(NASBENCH101, SMALL)
    params = jax.jit(predictor.fit)(jax.random.key(1), cells[:80], labels[:80])
    scores = np.asarray(jax.jit(predictor.apply)(params, cells[80:]))
    assert scipy.stats.kendalltau(scores, labels[80:]).statistic > 0.6
    first, second = np.asarray(params["members"]["regressor_out"]["kernel"])
    assert np.abs(first - second).max() > 0.01


def test_the_regime_follows_the_number_of_cells_and_the_parameters_do_not(cells):
    quiet = Regime(dropout=0.0, invariant_dropout=0.0, batch_size=64, batch_nodes=512)
    config = DagnetConfig(many_cells=50, many=quiet, steps_per_root=1.0)
    assert config.regime(50) is config.few and config.regime(51) is quiet
    assert num_steps(49, config) == 7
    assert [batch_of(100, nodes, quiet) for nodes in (7, 8, 32, 1000)] == [
        64,
        64,
        16,
        1,
    ]
    assert batch_of(9, 7, quiet) == 9
    predictor = dagnet(NASBENCH101, config)
    labels = np.linspace(-1, 1, 60).astype(np.float32)
    few, many = (
        jax.eval_shape(predictor.fit, jax.random.key(0), cells[:n], labels[:n])
        for n in (50, 60)
    )
    assert few == many
