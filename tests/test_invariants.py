"""Invariants against all paths of a graph, listed one by one in numpy."""

import itertools

import jax
import numpy as np
import pytest

from tnasp_jax import graphs as graphs_lib
from tnasp_jax import invariants as lib
from tnasp_jax.spaces import DARTS, NASBENCH101, NASBENCH201

SPACES = pytest.mark.parametrize(
    "space", [NASBENCH101, NASBENCH201, DARTS], ids=lambda s: s.name
)


def _graphs(space, count=24, seed=0):
    return space.to_graphs(space.sample(jax.random.key(seed), count))


# The kinds of `lib.kinds` that each test reads.
COUNTS, PATHS, DEPTHS, SIGNALS = [3], range(8, 13), [25, 26], [27]
WALK, SIGNAL_WALK = range(13, 19), range(19, 25)


def _invariants(graphs, space, of_kinds):
    columns = np.isin(lib.kinds(space), list(of_kinds))
    return np.asarray(lib.invariants(graphs, space))[:, columns]


def _merged(graph, space):
    """Edges with multiplicities, operations and live nodes of one graph, nodes that
    pass their input on taken out."""
    ops = np.array(graph.ops)
    edges = np.asarray(graphs_lib.live_adjacency(graph[None]))[0].astype(float)
    live = np.array(graph.mask)
    for node in range(len(ops)):
        if live[node] and space.ops[ops[node]] in space.identity_ops:
            edges += np.outer(edges[:, node], edges[node])
            edges[node], edges[:, node], live[node] = 0, 0, False
    return edges, ops, live


def _paths(edges, live):
    """(ways, nodes) of every path from the input to the output."""
    (source,) = [v for v in np.flatnonzero(live) if not edges[:, v].any()]
    found: list[tuple[float, tuple[int, ...]]] = []
    open_: list[tuple[float, tuple[int, ...]]] = [(1.0, (int(source),))]
    while open_:
        ways, path = open_.pop()
        following = np.flatnonzero(edges[path[-1]])
        if not len(following):
            found.append((ways, path))
        for node in following:
            open_.append((ways * edges[path[-1], node], (*path, int(node))))
    return found


def _counts(path, ops, num_ops, learns):
    """Of each operation, of all nodes, of those with parameters, on a path."""
    kinds = np.bincount(ops[list(path)], minlength=num_ops)
    return np.array([*kinds, len(path), learns[list(path)].sum()], float)


def _learns(graphs, space):
    return np.asarray(space.node_costs(graphs)[1]).sum(1) > 0


@SPACES
def test_path_statistics_are_those_of_all_paths(space):
    graphs, num_ops = _graphs(space), len(space.ops)
    actual = _invariants(graphs, space, PATHS)
    for row in range(len(graphs)):
        edges, ops, live = _merged(graphs[row], space)
        learns = _learns(graphs, space)[row]
        paths = _paths(edges, live)
        ways = np.array([each for each, _ in paths])
        counts = np.array([_counts(path, ops, num_ops, learns) for _, path in paths])
        crossed = set.intersection(*(set(path) for _, path in paths))
        expected = np.concatenate(
            [
                [np.log(ways.sum())],
                ways @ counts[:, :num_ops] / ways.sum(),
                np.bincount(ops[list(crossed)], minlength=num_ops),
                counts.max(0),
                counts.min(0),
            ]
        )
        np.testing.assert_allclose(actual[row], expected, atol=1e-5)


@SPACES
@pytest.mark.parametrize("by_signal", [False, True])
def test_the_walk_is_that_over_all_paths(space, by_signal):
    """Probability of a path, backwards: the product of its steps' shares."""
    graphs, num_ops = _graphs(space), len(space.ops)
    actual = _invariants(graphs, space, SIGNAL_WALK if by_signal else WALK)
    for row in range(len(graphs)):
        edges, ops, live = _merged(graphs[row], space)
        learns = _learns(graphs, space)[row]
        sent = np.ones(len(ops))
        for node in np.flatnonzero(live):
            if edges[:, node].any() and not learns[node]:
                sent[node] = edges[:, node] @ sent
        weight = edges * (sent[:, None] if by_signal else 1.0)
        mean, square = np.zeros(num_ops + 2), np.zeros(num_ops + 2)
        mass = np.zeros(len(ops))
        adjacent = np.zeros((num_ops, num_ops))
        ordered = np.zeros((num_ops, num_ops))
        chances = 0.0
        for _, path in _paths(edges, live):
            steps = list(itertools.pairwise(path))
            chance = np.prod([weight[u, v] / weight[:, v].sum() for u, v in steps])
            chances += chance
            counts = _counts(path, ops, num_ops, learns)
            mean, square = mean + chance * counts, square + chance * counts**2
            mass[list(path)] += chance
            for at, node in enumerate(path):
                for earlier in path[:at]:
                    ordered[ops[node], ops[earlier]] += chance
            for u, v in steps:
                adjacent[ops[v], ops[u]] += chance
        assert chances == pytest.approx(1)
        part = mass[mass > 0] / mass.sum()
        expected = [
            mean,
            np.sqrt(np.maximum(square - mean**2, 0)),
            [-(part * np.log(part)).sum()],
            np.bincount(ops, weights=mass**2 * live, minlength=num_ops),
            adjacent.ravel(),
            ordered.ravel(),
        ]
        np.testing.assert_allclose(actual[row], np.concatenate(expected), atol=2e-3)


def test_costs_add_up_to_the_parameters_of_the_network():
    """What varies with the cell: the difference of two cells' parameters."""
    cells = NASBENCH101.sample(jax.random.key(2), 6)
    logs = np.asarray(lib.invariants(NASBENCH101.to_graphs(cells), NASBENCH101))
    per_op = 1 + len(NASBENCH101.ops)  # FLOPs stand first.
    total = np.expm1(logs[:, per_op].astype(float))
    expected = np.array([NASBENCH101.parameters(cell) for cell in cells])
    np.testing.assert_allclose(
        total - total[0], expected - expected[0], atol=2e-4 * expected.max()
    )


def test_a_chain_by_hand():
    """input, conv3x3, maxpool, output in a row."""
    text = (
        '{"matrix": [[0,1,0,0],[0,0,1,0],[0,0,0,1],[0,0,0,0]], '
        '"ops": ["input","conv3x3-bn-relu","maxpool3x3","output"]}'
    )
    graphs = NASBENCH101.to_graphs([NASBENCH101.parse(text)])
    conv, pool = (
        NASBENCH101.ops.index(name) for name in ("conv3x3-bn-relu", "maxpool3x3")
    )
    counts = _invariants(graphs, NASBENCH101, COUNTS)[0]
    assert counts.tolist() == [4, 3, 1, 1, 1, 1, 0.75]
    depths = _invariants(graphs, NASBENCH101, DEPTHS)[0]
    num_ops = len(NASBENCH101.ops)
    assert depths[[conv, pool]].tolist() == [1, 2]
    assert depths[[num_ops + conv, num_ops + pool]].tolist() == [2, 1]
    signals = _invariants(graphs, NASBENCH101, SIGNALS)[0].reshape(4, num_ops)
    np.testing.assert_allclose(signals[0, [conv, pool]], np.log(0.5), rtol=1e-5)


@SPACES
def test_every_row_is_finite_and_free_of_its_batch(space):
    graphs = _graphs(space, 64, seed=3)
    together = np.asarray(jax.jit(lib.invariants, static_argnums=1)(graphs, space))
    assert np.isfinite(together).all()
    alone = np.asarray(lib.invariants(graphs[5:6], space))
    np.testing.assert_allclose(together[5:6], alone, atol=1e-5)


@SPACES
def test_every_invariant_has_its_kind(space):
    kinds = lib.kinds(space)
    assert len(kinds) == lib.invariants(_graphs(space), space).shape[1]
    assert (np.diff(kinds) >= 0).all() and kinds[0] == 0
    assert set(np.diff(kinds)) == {0, 1}
