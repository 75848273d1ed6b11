"""PINAT against its equations written out in numpy, one graph at a time."""

import jax
import numpy as np
import pytest

from tnasp_jax.predictors.pinat import PinatConfig, pinat
from tnasp_jax.spaces import NASBENCH101, NASBENCH201

SMALL = PinatConfig(
    num_layers=2,
    width=12,
    num_heads=2,
    head_width=4,
    invariant_hidden=10,
    hidden=16,
    regressor_hidden=6,
    dropout=0.0,
)


def _graphs(space, count):
    return space.to_graphs(space.sample(jax.random.key(0), count))


def _started(predictor, graphs):
    rng = np.random.default_rng(1)
    shapes = jax.eval_shape(predictor.init, jax.random.key(0), graphs)
    return jax.tree.map(
        lambda leaf: rng.normal(0, 0.3, leaf.shape).astype(np.float32), shapes
    )


def _norm(x, p):
    centred = x - x.mean(-1, keepdims=True)
    spread = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6)
    return centred / spread * p["scale"] + p["bias"]


def _affine(x, p):
    matrix = p["kernel"] if "kernel" in p else p["transposed"].T
    return x @ matrix + p.get("bias", 0)


def _attention(x, p):
    query, key, value = (x @ p[name]["kernel"] for name in ("query", "key", "value"))
    mixed = []
    for head in range(2):
        part = slice(4 * head, 4 * head + 4)
        weights = np.exp(query[:, part] @ key[:, part].T / 2)
        mixed.append(weights / weights.sum(1, keepdims=True) @ value[:, part])
    return _affine(np.concatenate(mixed, 1), p["out"])


def _invariant(x, edges, p):
    rows = []
    for node in range(len(x)):
        targets = [node, *np.flatnonzero(edges[node])]
        sources = [node, *np.flatnonzero(edges[:, node])]
        seen = [x[targets].mean(0), x[sources].mean(0), x.mean(0)]
        rows.append(_affine(np.concatenate(seen), p["expand"]))
    return _affine(np.maximum(rows, 0), p["contract"])


def _score(ops, edges, mask, p):
    """Of one graph; the dead nodes are cut out, but for their place in the rows."""
    live = np.flatnonzero(mask)
    whole = (edges & mask[:, None] & mask).astype(float)
    laplacian = (np.diag(whole.sum(1)) - whole)[live]
    edges = whole[np.ix_(live, live)]
    x = p["operation"]["embedding"][ops[live]] + _affine(laplacian, p["position"])
    x = _norm(x, p["norm"])
    for layer in range(2):
        attended = _attention(x, p[f"attention_{layer}"])
        invariant = _invariant(x, edges, p[f"invariant_{layer}"])
        x = _norm(x + attended + invariant, p[f"attention_norm_{layer}"])
        hidden = np.maximum(_affine(x, p[f"expand_{layer}"]), 0)
        x = _norm(x + _affine(hidden, p[f"contract_{layer}"]), p[f"mix_norm_{layer}"])
    return (x.mean(0) @ p["regressor_in"]["kernel"] @ p["regressor_out"]["kernel"])[0]


@pytest.mark.parametrize("space", [NASBENCH101, NASBENCH201], ids=lambda s: s.name)
def test_the_network_against_numpy(space):
    predictor = pinat(len(space.ops), SMALL)
    graphs = _graphs(space, 12)
    params = _started(predictor, graphs)
    exact = jax.tree.map(lambda leaf: np.asarray(leaf, float), params)
    rows = zip(graphs.ops, graphs.adjacency, graphs.mask, strict=True)
    expected = [_score(*row, exact) for row in rows]
    np.testing.assert_allclose(
        jax.jit(predictor.apply)(params, graphs), expected, atol=1e-4
    )


def test_the_ranking_objective_is_the_cross_entropy_of_pairs():
    predictor = pinat(len(NASBENCH101.ops), PinatConfig(ranking=True, dropout=0.0))
    assert predictor.objective is not None
    graphs = _graphs(NASBENCH101, 4)
    params = _started(predictor, graphs)
    scores = np.asarray(jax.jit(predictor.apply)(params, graphs), float)
    labels, weights = np.array([1.0, 0.0, 1.0, 2.0]), np.array([1.0, 1.0, 1.0, 0.5])
    total = mass = 0.0
    for i in range(4):
        for j in range(4):
            if labels[i] > labels[j]:
                p = 1 / (1 + np.exp(scores[j] - scores[i]))
                total -= weights[i] * weights[j] * np.log(p)
                mass += weights[i] * weights[j]
    actual = predictor.objective(
        params,
        graphs,
        labels.astype(np.float32),
        weights.astype(np.float32),
        dropout_key=jax.random.key(3),
    )
    np.testing.assert_allclose(actual, total / mass, rtol=1e-4)
    assert pinat(5).objective is None


def test_the_published_sizes():
    params = jax.eval_shape(pinat(5).init, jax.random.key(0), _graphs(NASBENCH101, 2))
    assert params["operation"]["embedding"].shape == (6, 80)
    assert params["attention_2"]["query"]["kernel"].shape == (80, 128)
    assert params["invariant_2"]["expand"]["kernel"].shape == (240, 256)
    assert params["expand_2"]["kernel"].shape == (80, 512)
    assert "expand_3" not in params
