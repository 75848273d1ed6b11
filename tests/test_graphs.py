"""Graphs: hand-made numbers, and properties against a search written otherwise."""

import dataclasses
import hashlib
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tnasp_jax import fit, get_predictor
from tnasp_jax import graphs as graphs_lib
from tnasp_jax.graphs import Graphs
from tnasp_jax.spaces import NASBENCH201


def _random_dag(rng, size, density=0.4):
    return np.triu(rng.random((size, size)) < density, 1).astype(int)


def _nodes_on_paths(matrix):
    """Lists every path by recursion."""
    last, found = len(matrix) - 1, set()

    def walk(path):
        if path[-1] == last:
            found.update(path)
        for target in np.flatnonzero(matrix[path[-1]]).tolist():
            walk([*path, target])

    walk([0])
    return found


def _one(ops, edges, mask):
    size = len(ops)
    adjacency = np.zeros((1, size, size), bool)
    for source, target in edges:
        adjacency[0, source, target] = True
    return Graphs(np.array([ops]), adjacency, np.array([mask], bool))


def test_live_nodes_by_hand():
    matrix = np.zeros((6, 6), int)
    for source, target in ((0, 1), (1, 5), (0, 2), (3, 5), (1, 4)):
        matrix[source, target] = 1
    # 2 leads nowhere, nothing leads to 3, 4 leads nowhere.
    np.testing.assert_array_equal(
        graphs_lib.live_nodes(matrix), [True, True, False, False, False, True]
    )


def test_live_nodes_of_an_unreachable_output_are_none():
    assert not graphs_lib.live_nodes(np.array([[0, 1, 0], [0, 0, 0], [0, 0, 0]])).any()


def test_live_nodes_agree_with_a_search_of_all_paths():
    rng = np.random.default_rng(0)
    for _ in range(200):
        matrix = _random_dag(rng, int(rng.integers(2, 8)))
        live = set(np.flatnonzero(graphs_lib.live_nodes(matrix)).tolist())
        assert live == _nodes_on_paths(matrix)


def test_graph_hash_of_two_nodes_written_out():
    def md5(text):
        return hashlib.md5(text.encode()).hexdigest()

    first, second = md5("(1, 0, -1)"), md5("(0, 1, -2)")
    for _ in range(2):
        first, second = md5(f"|{second}|{first}"), md5(f"{first}||{second}")
    expected = md5(str(sorted([first, second])))
    assert graphs_lib.graph_hash(np.array([[0, 1], [0, 0]]), [-1, -2]) == expected


def test_graph_hash_ignores_the_order_of_the_nodes():
    rng = np.random.default_rng(1)
    for _ in range(50):
        size = int(rng.integers(2, 9))
        matrix, labels = _random_dag(rng, size), rng.integers(0, 3, size).tolist()
        order = rng.permutation(size)
        assert graphs_lib.graph_hash(matrix, labels) == graphs_lib.graph_hash(
            matrix[np.ix_(order, order)], [labels[v] for v in order]
        )


def _isomorphic(first, second):
    (matrix, labels), (other, other_labels) = first, second
    return any(
        [labels[v] for v in order] == other_labels
        and np.array_equal(matrix[np.ix_(order, order)], other)
        for order in itertools.permutations(range(len(labels)))
    )


def test_graph_hash_tells_apart_just_what_is_not_isomorphic():
    rng = np.random.default_rng(2)
    drawn = [
        (_random_dag(rng, 4, 0.5), [-1, *rng.integers(0, 2, 2).tolist(), -2])
        for _ in range(40)
    ]
    for first, second in itertools.combinations(drawn, 2):
        same = graphs_lib.graph_hash(*first) == graphs_lib.graph_hash(*second)
        assert same == _isomorphic(first, second)


@pytest.mark.parametrize(
    ("graph", "valid"),
    [
        (_one([0, 1, 2], [(0, 1), (1, 2)], [1, 1, 1]), True),
        (_one([0, 1, 2], [], [0, 0, 0]), False),  # no live node
        (_one([0, 3, 2], [(0, 1)], [1, 1, 1]), False),  # unknown operation
        (_one([0, -1, 2], [(0, 1)], [1, 1, 1]), False),
        (_one([0, 99, 2], [(0, 2), (2, 1)], [1, 0, 1]), True),  # garbage in a dead slot
        (_one([0, 1, 2], [(2, 1)], [1, 1, 1]), False),  # backward
        (_one([0, 1, 2], [(1, 1)], [1, 1, 1]), False),  # to itself
    ],
)
def test_is_valid(graph, valid):
    assert jax.jit(graphs_lib.is_valid, static_argnums=1)(graph, 3).tolist() == [valid]


def test_live_adjacency_drops_edges_of_dead_nodes():
    graph = _one([0, 1, 2], [(0, 1), (1, 2), (0, 2)], [1, 0, 1])
    expected = np.zeros((1, 3, 3), bool)
    expected[0, 0, 2] = True
    np.testing.assert_array_equal(graphs_lib.live_adjacency(graph), expected)


def test_pad_nodes_appends_dead_slots():
    graph = _one([0, 1, 2], [(0, 1), (1, 2)], [1, 1, 1])
    wide = graphs_lib.pad_nodes(graph, 5)
    graphs_lib.check_shapes(wide, 5)
    assert wide.mask.tolist() == [[True, True, True, False, False]]
    assert np.argwhere(wide.adjacency).tolist() == [[0, 0, 1], [0, 1, 2]]
    assert wide.ops[:, :3].tolist() == [[0, 1, 2]]
    with pytest.raises(ValueError, match=r"have 5 node slots.* than the 3 asked for"):
        graphs_lib.pad_nodes(wide, 3)
    jitted = jax.jit(graphs_lib.pad_nodes, static_argnums=1)(graph, 5)
    jax.tree.map(np.testing.assert_array_equal, jitted, wide)
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(wide))


def test_pad_batch_drops_and_invents_nothing():
    batch = Graphs(*(np.zeros((3, *rest), int) for rest in ((2,), (2, 2), (2,))))
    with pytest.raises(ValueError, match="expected 1 to 2 graphs, got 3"):
        graphs_lib.pad_batch(batch, 2)
    with pytest.raises(ValueError, match="expected 1 to 4 graphs, got 0"):
        graphs_lib.pad_batch(batch[:0], 4)


@pytest.mark.parametrize("leaves", [np.asarray, jnp.asarray])
def test_a_batch_is_iterated_graph_by_graph(leaves):
    batch = Graphs(*(leaves(np.zeros((3, *rest))) for rest in ((2,), (2, 2), (2,))))
    assert [one.ops.shape for one in batch] == [(1, 2)] * 3


def test_there_is_one_label_a_graph():
    batch = Graphs(*(np.zeros((3, *rest), int) for rest in ((2,), (2, 2), (2,))))
    graphs_lib.check_labels(batch, np.zeros(3))
    for shape in ((3, 1), (2,), ()):
        with pytest.raises(ValueError, match=r"labels: expected shape \(3,\)"):
            graphs_lib.check_labels(batch, np.zeros(shape))
    with pytest.raises(ValueError, match="at least one graph to learn from"):
        graphs_lib.check_labels(batch[:0], np.zeros(0))


def test_what_cannot_be_learnt_from_is_named():
    batch, labels = NASBENCH201.to_graphs([(3,) * 6] * 3), np.array([0.1, 0.2, 0.3])
    num_ops = len(NASBENCH201.ops)
    graphs_lib.check_learnable(batch, labels, num_ops)
    dead = Graphs(batch.ops, batch.adjacency, batch.mask & ([True], [False], [True]))
    with pytest.raises(ValueError, match="row 1: .* got no graph of the space; leave"):
        graphs_lib.check_learnable(dead, labels, num_ops)
    labels[2] = np.nan
    with pytest.raises(ValueError, match="row 2: .* got label nan; leave"):
        graphs_lib.check_learnable(batch, labels, num_ops)


@pytest.mark.parametrize("name", ["forest", "dagnet", "trees", "best"])
def test_a_row_that_is_no_graph_is_refused_by_what_would_learn_from_it(name):
    pytest.importorskip("lightgbm" if name == "trees" else "numpy")
    batch = NASBENCH201.to_graphs([(3,) * 6, (1,) * 6])
    dead = Graphs(batch.ops, batch.adjacency, batch.mask & ([True], [False]))
    predictor = get_predictor(name, NASBENCH201)
    with pytest.raises(ValueError, match="row 1: expected a graph"):
        fit(predictor, dead, np.array([0.1, 0.2], np.float32), jax.random.key(0))


def test_pad_batch_repeats_the_last_graph():
    batch = graphs_lib.concatenate(
        [_one([0, 1], [(0, 1)], [1, 1]), _one([0, 2], [], [1, 1])]
    )
    assert (
        graphs_lib.pad_batch(batch, 4).ops.tolist() == [[0, 1], [0, 2]] + [[0, 2]] * 2
    )


def test_concatenate_refuses_nothing_and_different_widths():
    with pytest.raises(ValueError, match="at least one batch"):
        graphs_lib.concatenate([])
    graph = _one([0, 1], [], [1, 1])
    with pytest.raises(ValueError, match=r"one number of node slots, got \[2, 3\]"):
        graphs_lib.concatenate([graph, graphs_lib.pad_nodes(graph, 3)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ops": np.zeros(3, int)}, r"Graphs.ops: expected shape \[B, N\], got \(3,\)"),
        ({"ops": np.zeros((1, 3))}, "Graphs.ops: expected integers, got float64"),
        (
            {"adjacency": np.zeros((1, 3, 2), bool)},
            r"Graphs.adjacency: expected shape \(1, 3, 3\), got \(1, 3, 2\)",
        ),
        (
            {"adjacency": np.zeros((1, 3, 3), int)},
            "Graphs.adjacency: expected bool, got int64",
        ),
        (
            {"mask": np.ones((2, 3), bool)},
            r"Graphs.mask: expected shape \(1, 3\), got \(2, 3\)",
        ),
        ({"mask": np.ones((1, 3))}, "Graphs.mask: expected bool, got float64"),
    ],
)
def test_check_shapes_names_the_field(change, message):
    graph = _one([0, 1, 2], [], [1, 1, 1])
    with pytest.raises(ValueError, match=message):
        graphs_lib.check_shapes(dataclasses.replace(graph, **change))


def test_check_shapes_names_the_number_of_slots():
    graph = _one([0, 1, 2], [], [1, 1, 1])
    graphs_lib.check_shapes(graph, 3)
    with pytest.raises(ValueError, match="expected 7 node slots, got 3"):
        graphs_lib.check_shapes(graph, 7)
