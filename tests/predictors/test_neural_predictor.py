"""The Neural Predictor against its equations in numpy, one node at a time."""

import jax
import numpy as np
import pytest

from tnasp_jax.predictors.neural_predictor import (
    NeuralPredictorConfig,
    neural_predictor,
)
from tnasp_jax.spaces import NASBENCH101, NASBENCH201

SMALL = NeuralPredictorConfig(num_layers=2, width=6, hidden=5, dropout=0.0)


def _graphs(space, count):
    return space.to_graphs(space.sample(jax.random.key(0), count))


def _started(predictor, graphs):
    """Parameters of which all count, biases too."""
    rng = np.random.default_rng(1)
    shapes = jax.eval_shape(predictor.init, jax.random.key(0), graphs)
    return jax.tree.map(
        lambda leaf: rng.normal(0, 0.5, leaf.shape).astype(np.float32), shapes
    )


def _score(ops, edges, mask, num_ops, p):
    """Of one graph, with its dead nodes cut out."""
    live = np.flatnonzero(mask)
    edges = edges[np.ix_(live, live)]
    x = np.eye(num_ops)[ops[live]]
    for layer in range(SMALL.num_layers):
        weights = p[f"convolution_{layer}"]
        rows = []
        for node in range(len(x)):
            fed = [node, *np.flatnonzero(edges[node])]
            feeding = [node, *np.flatnonzero(edges[:, node])]
            onward = x[fed].mean(0) @ weights["forward"]["kernel"]
            against = x[feeding].mean(0) @ weights["backward"]["kernel"]
            rows.append((np.maximum(onward, 0) + np.maximum(against, 0)) / 2)
        x = np.array(rows)
    hidden = x.mean(0) @ p["regressor_in"]["kernel"]
    last = p["regressor_out"]
    return (hidden @ last["kernel"] + last["bias"])[0]


@pytest.mark.parametrize("space", [NASBENCH101, NASBENCH201], ids=lambda s: s.name)
def test_the_network_against_numpy(space):
    predictor = neural_predictor(len(space.ops), SMALL)
    graphs = _graphs(space, 12)
    params = _started(predictor, graphs)
    exact = jax.tree.map(lambda leaf: np.asarray(leaf, float), params)
    rows = zip(graphs.ops, graphs.adjacency, graphs.mask, strict=True)
    expected = [_score(*row, len(space.ops), exact) for row in rows]
    np.testing.assert_allclose(
        jax.jit(predictor.apply)(params, graphs), expected, atol=1e-5
    )


def test_the_direction_of_the_edges_counts():
    """input -> a -> output, with each of two operations between other neighbours."""
    predictor = neural_predictor(len(NASBENCH101.ops), SMALL)
    graphs = _graphs(NASBENCH101, 1)
    chain = np.eye(7, k=1, dtype=bool)[None]
    graphs = graphs.replace(adjacency=chain, mask=np.ones((1, 7), bool))
    one = graphs.replace(ops=np.array([[0, 1, 2, 1, 1, 1, 4]]))
    other = graphs.replace(ops=np.array([[0, 2, 1, 1, 1, 1, 4]]))
    params = _started(predictor, graphs)
    assert abs(predictor.apply(params, one) - predictor.apply(params, other)) > 1e-3


def test_the_published_sizes_and_start():
    params = neural_predictor(5).init(jax.random.key(0), _graphs(NASBENCH101, 2))
    shapes = jax.tree.map(np.shape, params)
    assert shapes["convolution_0"]["forward"] == {"kernel": (5, 144)}
    assert shapes["convolution_2"]["backward"] == {"kernel": (144, 144)}
    assert "convolution_3" not in shapes
    assert shapes["regressor_in"] == {"kernel": (144, 128)}
    assert shapes["regressor_out"] == {"kernel": (128, 1), "bias": (1,)}
    # Xavier: uniform up to sqrt(6 / (in + out)).
    largest = np.abs(params["convolution_0"]["forward"]["kernel"]).max()
    np.testing.assert_allclose(largest, np.sqrt(6 / 149), rtol=0.02)
