"""TNASP, in nodes and in edges, against the published table written out in numpy."""

import dataclasses

import jax
import numpy as np
import pytest

from tnasp_jax import graphs as graphs_lib
from tnasp_jax.graphs import Graphs
from tnasp_jax.predictors import TnaspConfig, tnasp
from tnasp_jax.predictors.tnasp import TransformerRegressor
from tnasp_jax.predictors.tnasp_edges import tnasp_edges
from tnasp_jax.spaces import NASBENCH101, NASBENCH201

SMALL = TnaspConfig(num_layers=1, width=16, num_heads=2, head_width=8, hidden=32)


def _cells(space, count, seed=0):
    return space.sample(jax.random.key(seed), count)


def _started(predictor, graphs, seed=1):
    """Parameters drawn so that all of them count, biases and scales too."""
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(predictor.init, jax.random.key(0), graphs)
    return jax.tree.map(
        lambda leaf: rng.normal(0, 0.2, leaf.shape).astype(np.float32), shapes
    )


def _norm(x, p):
    centred = x - x.mean(-1, keepdims=True)
    spread = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6)
    return centred / spread * p["scale"] + p["bias"]


def _affine(x, p):
    matrix = p["kernel"] if "kernel" in p else p["transposed"].T
    return x @ matrix + p["bias"]


def _attention(x, p, mask, heads):
    """Of one graph, head by head: x [N, D]."""
    query, key, value = (x @ p[name]["kernel"] for name in ("query", "key", "value"))
    width = query.shape[1] // heads
    mixed = []
    for head in range(heads):
        part = slice(head * width, (head + 1) * width)
        logits = query[:, part] @ key[:, part].T / np.sqrt(width)
        weights = np.exp(logits - logits.max()) * mask
        weights /= weights.sum(1, keepdims=True)
        mixed.append(weights @ value[:, part])
    return np.concatenate(mixed, 1) @ p["out"]["transposed"].T


def _regressor(x, p, mask, heads):
    """Post-norm encoder, mean over the masked tokens of one graph, two linear maps."""
    x = _norm(x, p["norm"])
    layer = 0
    while f"attention_{layer}" in p:
        attended = _attention(x, p[f"attention_{layer}"], mask, heads)
        x = _norm(x + attended, p[f"attention_norm_{layer}"])
        hidden = np.maximum(_affine(x, p[f"expand_{layer}"]), 0)
        x = _norm(x + _affine(hidden, p[f"contract_{layer}"]), p[f"mix_norm_{layer}"])
        layer += 1
    pooled = (x * mask[:, None]).sum(0) / mask.sum()
    return (pooled @ p["regressor_in"]["kernel"] @ p["regressor_out"]["kernel"])[0]


def _tnasp_scores(params, graphs, num_ops, heads, masked):
    params = jax.tree.map(lambda leaf: np.asarray(leaf, float), params)
    scores = []
    for ops, edges, mask in zip(graphs.ops, graphs.adjacency, graphs.mask, strict=True):
        ops = np.where(mask, ops, num_ops)
        x = params["operation"]["embedding"][ops]
        if "position" in params:
            edges = (edges & mask[:, None] & mask).astype(float)
            x = x + _affine(np.diag(edges.sum(1)) - edges, params["position"])
        taking_part = mask.astype(float) if masked else np.ones(len(mask))
        scores.append(_regressor(x, params["encoder"], taking_part, heads))
    return np.array(scores)


def _shape(params):
    return jax.tree.map(lambda leaf: leaf.shape, params)


def test_the_published_network_against_numpy():
    graphs = NASBENCH101.to_graphs(_cells(NASBENCH101, 12))
    assert not graphs.mask.all()
    predictor = tnasp(num_ops=5)
    params = _started(predictor, graphs)
    expected = _tnasp_scores(params, graphs, 5, heads=4, masked=True)
    actual = jax.jit(predictor.apply)(params, graphs)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)
    affine = {"kernel": (80, 512), "bias": (512,)}
    assert _shape(params["encoder"]["expand_2"]) == affine
    assert "expand_3" not in params["encoder"]
    assert _shape(params["encoder"]["attention_0"]) == {
        **{name: {"kernel": (80, 256)} for name in ("query", "key", "value")},
        "out": {"transposed": (80, 256)},
    }
    assert _shape(params["encoder"]["regressor_in"]) == {"kernel": (80, 96)}
    assert _shape(params["encoder"]["regressor_out"]) == {"kernel": (96, 1)}
    assert _shape(params["position"]) == {"kernel": (7, 80), "bias": (80,)}


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("position", ["laplacian", "none"])
def test_variants_against_numpy(masked, position):
    graphs = NASBENCH201.to_graphs(_cells(NASBENCH201, 12))
    config = dataclasses.replace(SMALL, masked=masked, position=position)
    predictor = tnasp(6, config)
    params = _started(predictor, graphs)
    expected = _tnasp_scores(params, graphs, 6, heads=2, masked=masked)
    actual = jax.jit(predictor.apply)(params, graphs)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)
    assert ("position" in params) == (position == "laplacian")


def test_the_mask_says_something_only_where_slots_are_dead():
    graphs = NASBENCH201.to_graphs([(2, 2, 2, 2, 2, 2), (2, 0, 0, 0, 3, 0)])
    assert graphs.mask.sum(1).tolist() == [8, 4]
    params = _started(tnasp(6, SMALL), graphs)
    unmasked = tnasp(6, dataclasses.replace(SMALL, masked=False))
    masked = jax.jit(tnasp(6, SMALL).apply)(params, graphs)
    unmasked = jax.jit(unmasked.apply)(params, graphs)
    np.testing.assert_allclose(masked[0], unmasked[0], atol=1e-6)
    assert abs(masked[1] - unmasked[1]) > 1e-3


@pytest.mark.parametrize("position", ["laplacian", "none"])
def test_edges_count_with_the_position_term_alone(position):
    graphs = NASBENCH101.to_graphs(_cells(NASBENCH101, 4))
    predictor = tnasp(5, dataclasses.replace(SMALL, position=position))
    params = _started(predictor, graphs)
    bare = graphs.replace(adjacency=np.zeros_like(graphs.adjacency))
    apply = jax.jit(predictor.apply)
    moved = np.abs(apply(params, graphs) - apply(params, bare))
    assert (moved.max() > 1e-3) if position == "laplacian" else (moved == 0).all()


def test_an_unknown_position_term_is_no_ablation():
    with pytest.raises(ValueError, match="did you mean 'laplacian'"):
        TnaspConfig(position="laplace")  # pyright: ignore[reportArgumentType]


def test_more_slots_than_the_parameters_are_made_for_are_refused():
    graphs = NASBENCH101.to_graphs(_cells(NASBENCH101, 2))
    predictor = tnasp(5, SMALL)
    params = jax.eval_shape(predictor.init, jax.random.key(0), graphs)
    wide = graphs_lib.pad_nodes(graphs, 9)
    with pytest.raises(ValueError, match="expected 7 node slots, got 9"):
        jax.eval_shape(predictor.apply, params, wide)


def test_dropout_keeps_the_expectation():
    rate, cells = 0.3, 4000
    config = dataclasses.replace(SMALL, num_layers=0, dropout=rate)
    tokens, mask = np.zeros((cells, 1, 16), np.float32), np.ones((cells, 1), bool)
    # Every hidden value of the regressor is 1, and the score their mean.
    params = {
        "norm": {"scale": np.ones(16), "bias": np.ones(16)},
        "regressor_in": {"kernel": np.full((16, 96), 1 / 16, np.float32)},
        "regressor_out": {"kernel": np.full((96, 1), 1 / 96, np.float32)},
    }
    scores = TransformerRegressor(config).apply(
        {"params": params}, tokens, mask, True, rngs={"dropout": jax.random.key(1)}
    )
    kept = np.asarray(scores) * 96 * (1 - 77 / 256)  # the rate in steps of 1/256
    np.testing.assert_allclose(kept, kept.round(), atol=1e-3)
    assert np.mean(scores) == pytest.approx(1, abs=0.003)
    assert np.std(scores) == pytest.approx(np.sqrt(rate / (1 - rate) / 96), rel=0.05)


def _edge_scores(params, architectures, heads):
    """From the six operations, not from `Graphs`."""
    params = jax.tree.map(lambda leaf: np.asarray(leaf, float), params)
    ends = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
    scores = []
    for cell in architectures:
        ops = NASBENCH201.prune(cell)
        adjacency = np.zeros((4, 4))
        for op, end in zip(ops, ends, strict=True):
            adjacency[end] = op != 0
        x = params["operation"]["embedding"][list(ops)]
        if "position" in params:
            laplacian = np.diag(adjacency.sum(1)) - adjacency
            x = x + _affine(params["to_edges"] @ laplacian, params["position"])
        scores.append(_regressor(x, params["encoder"], np.ones(6), heads))
    return np.array(scores)


@pytest.mark.parametrize("position", ["laplacian", "none"])
def test_the_edge_form_against_numpy(position):
    cells = [*_cells(NASBENCH201, 12), (0,) * 6, (4,) * 6]
    graphs = NASBENCH201.to_graphs(cells)
    predictor = tnasp_edges(dataclasses.replace(SMALL, position=position))
    params = _started(predictor, graphs)
    expected = _edge_scores(params, cells, heads=2)
    actual = jax.jit(predictor.apply)(params, graphs)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)
    assert params["operation"]["embedding"].shape == (5, 16)
    if position == "laplacian":
        assert params["to_edges"].shape == (6, 4)
        assert params["position"]["kernel"].shape == (4, 16)


def test_the_edge_form_has_no_mask():
    graphs = NASBENCH201.to_graphs(_cells(NASBENCH201, 4))
    params = _started(tnasp_edges(SMALL), graphs)
    unmasked = tnasp_edges(dataclasses.replace(SMALL, masked=False))
    np.testing.assert_array_equal(
        jax.jit(tnasp_edges(SMALL).apply)(params, graphs),
        jax.jit(unmasked.apply)(params, graphs),
    )


def test_the_edge_form_scores_an_edge_without_an_edge_operation_nan():
    graphs = NASBENCH201.to_graphs([(1, 2, 3, 4, 1, 2)] * 3)
    graphs.ops[0, 1], graphs.ops[1, 6] = 0, 5  # input and output
    predictor = tnasp_edges(SMALL)
    scores = jax.jit(predictor.apply)(_started(predictor, graphs), graphs)
    assert np.isnan(scores).tolist() == [True, True, False]


def test_the_edge_form_refuses_graphs_without_eight_slots():
    graphs = Graphs(np.zeros((2, 7), int), np.zeros((2, 7, 7), bool), np.ones((2, 7)))
    graphs = graphs.replace(mask=graphs.mask > 0)
    with pytest.raises(ValueError, match="expected 8 node slots, got 7"):
        tnasp_edges(SMALL).init(jax.random.key(0), graphs)
    with pytest.raises(ValueError, match="expected 8 node slots, got 7"):
        tnasp_edges(SMALL).apply({}, graphs)


def test_the_regressor_serves_other_predictors():
    """Tokens of any number and width, a mask, and no graphs."""
    rng = np.random.default_rng(0)
    tokens = rng.normal(size=(3, 5, 16)).astype(np.float32)
    mask = np.array([[1, 1, 1, 1, 1], [1, 0, 1, 0, 1], [0, 0, 1, 0, 0]], bool)
    network = TransformerRegressor(SMALL)
    shapes = jax.eval_shape(
        lambda key: network.init(key, tokens, mask, False), jax.random.key(0)
    )
    params = jax.tree.map(
        lambda leaf: rng.normal(0, 0.2, leaf.shape).astype(np.float32), shapes["params"]
    )
    apply = jax.jit(
        lambda params: network.apply({"params": params}, tokens, mask, False)
    )
    actual = apply(params)
    exact = jax.tree.map(lambda leaf: np.asarray(leaf, float), params)
    expected = [
        _regressor(x.astype(float), exact, live.astype(float), 2)
        for x, live in zip(tokens, mask, strict=True)
    ]
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=1e-5, atol=1e-5)
