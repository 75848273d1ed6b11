"""Encodings: hand-made numbers, and oracles in numpy."""

import jax
import numpy as np
import pytest

from tnasp_jax import encodings
from tnasp_jax.graphs import Graphs


def _graph(size, edges, dead=()):
    adjacency = np.zeros((1, size, size), bool)
    for source, target in edges:
        adjacency[0, source, target] = True
    mask = np.ones((1, size), bool)
    mask[0, list(dead)] = False
    return Graphs(np.zeros((1, size), np.int32), adjacency, mask)


def _random_graphs(count=40, size=6, seed=0):
    """Random edges everywhere, dead slots included."""
    rng = np.random.default_rng(seed)
    return Graphs(
        np.zeros((count, size), np.int32),
        np.triu(rng.random((count, size, size)) < 0.5, 1),
        rng.random((count, size)) < 0.8,
    )


def _live_matrices(graphs):
    """Adjacency among the live nodes of each graph, by deleting the others."""
    for adjacency, mask in zip(graphs.adjacency, graphs.mask, strict=True):
        yield np.flatnonzero(mask), adjacency[np.ix_(mask, mask)].astype(float)


def test_laplacian_rows_by_hand():
    rows = encodings.laplacian_rows(_graph(4, [(0, 1), (0, 3), (1, 3), (2, 3)], [2]))
    expected = [[2, -1, 0, -1], [0, 1, 0, -1], [0, 0, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(rows[0], expected)
    assert rows.dtype == np.float32


def test_laplacian_rows_of_random_graphs():
    graphs = _random_graphs()
    rows = np.asarray(jax.jit(encodings.laplacian_rows)(graphs))
    for row, (live, edges) in zip(rows, _live_matrices(graphs), strict=True):
        expected = np.zeros_like(row)
        expected[np.ix_(live, live)] = np.diag(edges.sum(1)) - edges
        np.testing.assert_array_equal(row, expected)


def test_laplacian_eigenvectors_of_a_path_by_hand():
    vectors = encodings.laplacian_eigenvectors(_graph(4, [(0, 1), (1, 3)], [2]), 3)
    root = np.sqrt(0.5)
    # Of eigenvalue 1, whose sign two equal entries leave to rounding, and 2.
    expected = [[root, -0.5, 0], [0, root, 0], [0, 0, 0], [-root, -0.5, 0]]
    actual = np.array(vectors[0])
    actual[:, 0] *= np.sign(actual[0, 0])
    np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_laplacian_eigenvectors_of_random_graphs():
    graphs, count = _random_graphs(), 3
    batch = np.asarray(encodings.laplacian_eigenvectors(graphs, count))
    assert batch.shape == (40, 6, count)
    for vectors, (live, edges) in zip(batch, _live_matrices(graphs), strict=True):
        exist = max(0, min(count, len(live) - 1))
        dead = np.setdiff1d(np.arange(6), live)
        assert not vectors[dead].any() and not vectors[:, exist:].any()
        if not exist:
            continue
        edges = edges + edges.T
        degrees = edges.sum(1)
        scale = np.where(degrees > 0, 1 / np.sqrt(np.maximum(degrees, 1)), 0)
        laplacian = np.eye(len(live)) - scale[:, None] * edges * scale
        values = np.linalg.eigvalsh(laplacian)[1 : exist + 1]
        found = vectors[live][:, :exist]
        np.testing.assert_allclose(laplacian @ found, found * values, atol=1e-5)
        np.testing.assert_allclose(found.T @ found, np.eye(exist), atol=1e-5)
        assert (found.max(0) >= -found.min(0) - 1e-5).all()


@pytest.mark.parametrize("count", [0, 4])
def test_laplacian_eigenvectors_refuse_a_count_that_does_not_fit(count):
    with pytest.raises(ValueError, match=f"1 <= count <= 3, got {count}"):
        encodings.laplacian_eigenvectors(_graph(4, [(0, 1)]), count)


def test_reachability_by_hand():
    reach = encodings.reachability(_graph(5, [(0, 1), (1, 2), (2, 4), (0, 3)], [2]))
    expected = np.zeros((5, 5), bool)
    expected[0, [1, 3]] = True  # what 2 would connect stays apart
    np.testing.assert_array_equal(reach[0], expected)


@pytest.mark.parametrize("size", [2, 5, 9])
def test_reachability_of_chains_reaches_the_end(size):
    edges = [(node, node + 1) for node in range(size - 1)]
    reach = encodings.reachability(_graph(size, edges))
    np.testing.assert_array_equal(reach[0], np.triu(np.ones((size, size), bool), 1))


def test_reachability_of_random_graphs():
    graphs = _random_graphs(seed=1)
    batch = np.asarray(jax.jit(encodings.reachability)(graphs))
    for reach, (live, edges) in zip(batch, _live_matrices(graphs), strict=True):
        powers = sum(np.linalg.matrix_power(edges, k) for k in range(1, 6))
        expected = np.zeros((6, 6), bool)
        expected[np.ix_(live, live)] = np.asarray(powers) > 0
        np.testing.assert_array_equal(reach, expected)
