"""Scores of a table do not depend on how it is cut up."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tnasp_jax import evaluation
from tnasp_jax.graphs import Graphs
from tnasp_jax.predictors import Predictor, TnaspConfig, tnasp
from tnasp_jax.spaces import NASBENCH201

SIZES = [1, 2, 3, 17, 100, 999]
DEFAULT = evaluation.default_chunk()


def _toy(seen=None):
    """Reads every leaf of a graph; records the size of the batches it is given."""

    def apply(params, graphs, *, dropout_key=None):
        assert dropout_key is None
        if seen is not None:
            seen.append(graphs.ops.shape[0])
        ops = jnp.sin(params["w"] * graphs.ops)
        edges = jnp.sum(graphs.adjacency, axis=(1, 2))
        return jnp.sum(jnp.where(graphs.mask, ops, 0.0), axis=1) + jnp.sqrt(edges)

    return Predictor(lambda key, graphs: {"w": jnp.float32(0.7)}, apply)


def _cells(count):
    rng = np.random.default_rng(0)
    return Graphs(
        rng.integers(0, 9, (999, 5)).astype(np.int32),
        rng.random((999, 5, 5)) < 0.5,
        rng.random((999, 5)) < 0.8,
    )[:count]


@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.parametrize("chunk", [None, 7])
def test_scores_equal_those_of_one_batch_at_every_size(chunk, spread, two_devices):
    predictor = _toy()
    params = {"w": jnp.float32(0.7)}
    expected = np.asarray(predictor.apply(params, _cells(999)))
    mesh = two_devices if spread else None
    score = evaluation.scorer(predictor, chunk=chunk, mesh=mesh)
    for size in SIZES:
        actual = score(params, _cells(size))
        assert actual.shape == (size,)
        np.testing.assert_allclose(actual, expected[:size], atol=1e-6)


def test_chunks_are_no_larger_than_asked_for(two_devices):
    params = {"w": jnp.float32(0.7)}
    for size, chunk, mesh, expected in (
        (999, 7, None, 7),
        (999, None, None, DEFAULT),
        (3, 7, None, 3),
        (3, 7, two_devices, 2),
        (999, 7, two_devices, 7),
    ):
        seen = []
        score = evaluation.scorer(_toy(seen), chunk=chunk, mesh=mesh)
        for _ in range(2):
            score(params, _cells(size))
        assert set(seen) == {min(expected, size)}
        assert len(seen) == 1  # one compile


def test_tnasp_scores_are_those_of_apply(two_devices):
    sizes = TnaspConfig(num_layers=1, width=16, num_heads=2, head_width=8, hidden=32)
    predictor = tnasp(6, sizes)
    graphs = NASBENCH201.to_graphs(NASBENCH201.sample(jax.random.key(0), 33))
    params = jax.jit(predictor.init)(jax.random.key(1), graphs)
    expected = jax.jit(predictor.apply)(params, graphs)
    for mesh in (None, two_devices):
        score = evaluation.scorer(predictor, chunk=8, mesh=mesh)
        np.testing.assert_allclose(score(params, graphs), expected, atol=1e-6)


def test_memory_of_the_network_does_not_grow_with_the_table():
    """What a cell more needs are its graph and its score, not the network's arrays."""
    predictor = tnasp(len(NASBENCH201.ops), TnaspConfig(num_layers=1))
    cells = NASBENCH201.to_graphs(NASBENCH201.sample(jax.random.key(0), 2))
    params = predictor.init(jax.random.key(1), cells)
    score = evaluation.scorer(predictor, chunk=128)

    def temporary(count):
        graphs = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct((count, *leaf.shape[1:]), leaf.dtype),
            cells,
        )
        compiled = score.lower(params, graphs).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    few, many = temporary(4_000), temporary(40_000)
    of_a_graph = sum(leaf[0].nbytes for leaf in jax.tree.leaves(cells))
    assert many - few < 36_000 * (3 * of_a_graph + 16)


def test_an_invalid_row_scores_nan_alone():
    predictor = tnasp(6, TnaspConfig(num_layers=0, width=8))
    graphs = NASBENCH201.to_graphs(NASBENCH201.sample(jax.random.key(0), 9))
    params = predictor.init(jax.random.key(1), graphs)
    graphs.mask[8] = False  # the row that pads the last chunk
    scores = np.asarray(evaluation.scorer(predictor, chunk=4)(params, graphs))
    assert np.isnan(scores).tolist() == [False] * 8 + [True]


def test_an_empty_table_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        evaluation.scorer(_toy())({"w": jnp.float32(0.7)}, _cells(0))


def test_a_chunk_of_nothing_is_refused():
    for chunk in (0, -5):
        with pytest.raises(ValueError, match="expected chunk >= 1"):
            evaluation.scorer(_toy(), chunk=chunk)


def test_ensemble_of_members():
    scores = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    mean, spread = evaluation.ensemble(scores)
    np.testing.assert_allclose(mean, np.mean(scores, 0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(spread, np.std(scores, 0, ddof=1), rtol=1e-5)


def test_an_ensemble_of_one_has_no_spread():
    scores = np.array([[0.5, -1.0]], np.float32)
    mean, spread = evaluation.ensemble(scores)
    np.testing.assert_array_equal(mean, scores[0])
    np.testing.assert_array_equal(spread, [0, 0])
