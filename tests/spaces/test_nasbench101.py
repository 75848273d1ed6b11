"""NAS-Bench-101: every kind of mistake, the official numbers, the enumeration."""

import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tnasp_jax import graphs as graphs_lib
from tnasp_jax.spaces import nasbench101 as space_lib
from tnasp_jax.spaces.nasbench101 import NASBENCH101, Cell
from tnasp_jax.spaces.nasbench101_cells import prune
from tnasp_jax.spaces.nasbench101_enumeration import (
    distinct_graphs,
    enumerate_cells,
    official_hashes,
)

CONV3, CONV1, POOL = "conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"
BEST_HASH = "02e5a0247bbdcf2860b7e96f74961594"  # PROVENANCE.md of the data


def _matrix(size, *edges):
    matrix = [[0] * size for _ in range(size)]
    for source, target in edges:
        matrix[source][target] = 1
    return matrix


def _text(matrix, *inner):
    return json.dumps({"matrix": matrix, "ops": ["input", *inner, "output"]})


CHAIN = _matrix(3, (0, 1), (1, 2))


@pytest.fixture(scope="module")
def table(data_dir):
    with np.load(data_dir / "nasbench101" / "nasbench101_108ep.npz") as file:
        names = ("hash", "num_vertices", "edge_bits", "ops", "params", "test_acc_mean")
        return {name: file[name] for name in names}


def _cells(table, rows):
    columns = (table["num_vertices"], table["edge_bits"], table["ops"])
    return [space_lib.from_row(*(column[r] for column in columns)) for r in rows]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("matrix", "expected one line of JSON like"),
        ("[" * 100_000, "expected one line of JSON like"),
        ('{"ops": []}', 'key "matrix" is missing'),
        ('{"matrix": []}', 'key "ops" is missing'),
        ('{"matrix": [], "ops": [], "oops": 1}', "unknown key 'oops'"),
        ('{"matrix": 3, "ops": []}', "matrix: expected a list of rows, got 3"),
        ('{"matrix": [], "ops": []}', 'ops: expected exactly one "input", got 0'),
        (_text([[0, 1], [0, 0, 0]]), r"expected 2 rows .* got 3 in row 1"),
        (_text([[0, 1]]), r"expected 1 rows of 1 entries \(square\), got 2 in row 0"),
        (_text([[0, 2], [0, 0]]), "expected 0 or 1 in row 0, column 1, got 2"),
        (_text([[0, float("nan")], [0, 0]]), "in row 0, column 1, got nan"),
        (_text([[0, "1"], [0, 0]]), "in row 0, column 1, got '1'"),
        (_text(CHAIN), "ops: expected a list of 3 names, .* got 2"),
        (_text(CHAIN, "conv3x3"), f"'conv3x3' at 1; did you mean \"{CONV3}\""),
        (_text(CHAIN, "xyz"), "unknown operation 'xyz' at 1; expected one of"),
        (_text(CHAIN, None), "unknown operation None at 1"),
        (_text(CHAIN, "input"), 'ops: expected exactly one "input", got 2'),
        (_text(CHAIN, "output"), 'ops: expected exactly one "output", got 2'),
        (
            _text(_matrix(4, (0, 1), (1, 2), (2, 1), (2, 3)), CONV3, POOL),
            "the edges 1 -> 2 -> 1 form a cycle",
        ),
        (_text(_matrix(3, (0, 1), (1, 1), (1, 2)), POOL), "1 -> 1 form a cycle"),
        (_text(_matrix(3, (0, 2), (1, 0)), POOL), "edge 1 -> 0 leads into the input"),
        (_text(_matrix(3, (0, 2), (2, 1)), POOL), "edge 2 -> 1 leads out of the outpu"),
        (_text(_matrix(3, (0, 1)), POOL), "no path leads from the input to the output"),
        (
            _text(_matrix(8, *((v, v + 1) for v in range(7))), *[POOL] * 6),
            "8 vertices are on paths .* at most 7; remove 1",
        ),
        (
            _text(np.triu(np.ones((5, 5), int), 1).tolist(), *[CONV1] * 3),
            "10 edges are on paths .* at most 9; remove 1",
        ),
    ],
)
def test_mistakes_are_one_sentence(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        NASBENCH101.parse(text)
    assert str(caught.value).startswith("nasbench101: ")
    assert "\n" not in str(caught.value)


def test_limits_count_what_is_left_after_pruning():
    extra = [(0, v) for v in range(1, 6)] + [(1, v) for v in range(2, 6)]
    matrix = _matrix(9, (0, 6), (6, 8), (7, 8), *extra)
    cell = NASBENCH101.parse(_text(matrix, *[CONV3] * 5, POOL, CONV1))
    assert len(cell.ops) == 9  # kept as given
    assert space_lib.prune(cell) == Cell(
        ((0, 1, 0), (0, 0, 1), (0, 0, 0)), ("input", POOL, "output")
    )


def test_unsorted_vertices_are_sorted():
    given = _matrix(5, (3, 4), (4, 1), (1, 0), (3, 2), (2, 0))
    text = json.dumps({"matrix": given, "ops": ["output", POOL, CONV1, "input", CONV3]})
    cell = NASBENCH101.parse(text)
    assert cell.ops == ("input", CONV1, CONV3, POOL, "output")
    expected = _matrix(5, (0, 2), (2, 3), (3, 4), (0, 1), (1, 4))
    assert cell.matrix == tuple(map(tuple, expected))


def test_sorted_vertices_stay_as_given():
    text = _text(_matrix(5, (0, 2), (2, 4), (0, 3), (3, 4)), CONV3, POOL, CONV1)
    assert NASBENCH101.format(NASBENCH101.parse(text)) == text


def test_cell_takes_arrays():
    ops = ["input", CONV1, "output"]
    cell = NASBENCH101.cell(np.array(CHAIN, float), np.array(ops))
    assert cell == NASBENCH101.cell(CHAIN, ops)
    assert NASBENCH101.format(cell) == _text(CHAIN, CONV1)
    rows = [list(row) for row in np.array(CHAIN)]
    for matrix in (rows, list(np.array(CHAIN)), jnp.asarray(CHAIN)):
        assert NASBENCH101.cell(matrix, ops) == cell


def test_a_cell_outside_the_space_is_refused_with_its_row():
    cut = Cell(((0, 0), (0, 0)), ("input", "output"))
    with pytest.raises(
        ValueError, match="^architecture 1: nasbench101: matrix: no path"
    ):
        NASBENCH101.to_graphs([NASBENCH101.sample(jax.random.key(0), 1)[0], cut])


def test_dead_vertices_leave_no_trace_in_graphs():
    matrix = _matrix(5, (0, 1), (0, 2), (2, 4), (3, 4))
    graph = NASBENCH101.to_graphs([NASBENCH101.cell(matrix, _ops(POOL, CONV1, CONV3))])
    assert graph.ops.tolist() == [[0, 2, 4, 0, 0, 0, 0]]
    assert graph.mask.tolist() == [[True] * 3 + [False] * 4]
    assert np.argwhere(graph.adjacency[0]).tolist() == [[0, 1], [1, 2]]


def _ops(*inner):
    return ["input", *inner, "output"]


def test_parameters_by_hand():
    """The plainest cells: the input straight to the output, and one convolution."""
    widths = [128] * 4 + [256] * 3 + [512] * 3
    fixed = 27 * 128 + 2 * 128 + 512 * 10 + 10
    projections = [a * b + 2 * b for a, b in itertools.pairwise(widths)]
    convolutions = [9 * b * b + 2 * b for b in widths[1:]]
    straight = NASBENCH101.cell(_matrix(2, (0, 1)), _ops())
    chain = NASBENCH101.cell(CHAIN, _ops(CONV3))
    assert NASBENCH101.parameters(straight) == fixed + sum(projections)
    assert NASBENCH101.parameters(chain) == fixed + sum(projections + convolutions)


def test_flops_by_hand():
    widths, sizes = [128] * 4 + [256] * 3 + [512] * 3, [32] * 3 + [16] * 3 + [8] * 3
    fixed = 27 * 128 * 32**2 + 512 * 10
    pairs = zip(itertools.pairwise(widths), sizes, strict=True)
    each = [size**2 * (a * b + 9 * b * b) for (a, b), size in pairs]
    assert NASBENCH101.flops(NASBENCH101.cell(CHAIN, _ops(CONV3))) == fixed + sum(each)


def test_flops_are_those_of_the_nodes():
    """Where no pool counts its comparisons."""
    cells = [
        cell
        for cell in NASBENCH101.sample(jax.random.key(2), 60)
        if "maxpool3x3" not in prune(cell).ops
    ]
    assert len(cells) > 5
    per_node, _ = NASBENCH101.node_costs(NASBENCH101.to_graphs(cells))
    fixed = 27 * 128 * 32**2 + 512 * 10
    nodes = np.asarray(per_node, float).sum(axis=(1, 2))
    found = [NASBENCH101.flops(cell) - fixed for cell in cells]
    np.testing.assert_allclose(found, nodes, rtol=1e-6)


def test_mutation_lets_small_cells_grow():
    smallest = NASBENCH101.cell(_matrix(2, (0, 1)), _ops())
    hash_ = NASBENCH101.canonical_hash(smallest)
    for seed in range(10):
        child = NASBENCH101.mutate(jax.random.key(seed), smallest)
        assert len(child.ops) == 7
        assert NASBENCH101.canonical_hash(child) != hash_


def test_mutation_rates():
    """Before rejection: 21 / 7 edges and 1 operation; small steps are likelier valid."""
    cell = NASBENCH101.cell(
        _matrix(7, *((v, v + 1) for v in range(6))), _ops(*[CONV3] * 5)
    )
    children = [NASBENCH101.mutate(jax.random.key(seed), cell) for seed in range(200)]
    old = np.array(cell.matrix)
    edges = np.mean([(np.array(child.matrix) != old).sum() for child in children])
    ops = np.mean([sum(op != CONV3 for op in child.ops[1:-1]) for child in children])
    assert 2 < edges < 4
    assert 0.7 < ops < 1.4


def test_rows_of_the_table(table):
    rng = np.random.default_rng(0)
    small = np.flatnonzero(table["num_vertices"] <= 4)
    rows = np.concatenate([rng.choice(len(table["params"]), 3000, False), small])
    cells = _cells(table, rows)
    assert list(map(NASBENCH101.parameters, cells)) == table["params"][rows].tolist()
    hashes = [bytes(table["hash"][row]).hex() for row in rows]
    assert list(map(NASBENCH101.canonical_hash, cells)) == hashes
    assert [NASBENCH101.parse(NASBENCH101.format(cell)) for cell in cells] == cells


def test_the_best_cell(table):
    row = int(table["test_acc_mean"].argmax())
    assert bytes(table["hash"][row]).hex() == BEST_HASH
    assert NASBENCH101.canonical_hash(_cells(table, [row])[0]) == BEST_HASH


def test_all_rows_at_once(table):
    columns = (table["num_vertices"], table["edge_bits"], table["ops"])
    graphs = space_lib.from_arrays(*columns)
    graphs_lib.check_shapes(graphs, 7)
    assert len(graphs) == 423_624
    rows = np.random.default_rng(1).choice(len(graphs), 2000, False)
    rows[:100] = np.flatnonzero(table["num_vertices"] <= 5)[:100]
    jax.tree.map(
        np.testing.assert_array_equal,
        graphs[rows],
        NASBENCH101.to_graphs(_cells(table, rows)),
    )


@pytest.mark.parametrize(
    ("num_vertices", "edge_bits", "op", "field"),
    [
        (1, 0b101, 0, "num_vertices"),
        (8, 0b101, 0, "num_vertices"),
        (3, 0b101, 3, "ops"),
        (3, 0b101, 255, "ops"),
        (3, 0b010, 0, "edge_bits"),  # vertex 1 hangs loose
        (3, 0b001, 0, "edge_bits"),  # no way to the output
        (3, 0b1101, 0, "edge_bits"),  # an edge into vertex 3 of 3
        (5, 0b1111111111, 0, "edge_bits"),  # 10 edges
    ],
)
def test_from_arrays_names_a_bad_row(num_vertices, edge_bits, op, field):
    ops = np.full((2, 5), 255, np.uint8)
    ops[0, 0], ops[1] = 0, op
    with pytest.raises(ValueError, match=rf"nasbench101: {field}: row 1 \(and 0 more"):
        space_lib.from_arrays(
            np.array([3, num_vertices]), np.array([0b101, edge_bits]), ops
        )


def _first_of_each_hash(max_vertices):
    """The benchmark's own procedure, graph by graph."""
    seen = {}
    for size in range(2, max_vertices + 1):
        pairs = [(x, y) for y in range(size) for x in range(y)]
        for bits in range(2 ** len(pairs)):
            edges = [pair for i, pair in enumerate(pairs) if bits >> i & 1]
            matrix = np.array(_matrix(size, *edges))
            if not (matrix[:-1].any(1).all() and matrix[:, 1:].any(0).all()):
                continue
            if len(edges) > 9:
                continue
            for labels in np.ndindex(*[3] * (size - 2)):
                digest = graphs_lib.graph_hash(matrix, [-1, *labels, -2])
                seen.setdefault(digest, (size, bits, labels))
    return dict(sorted(seen.items()))


def test_enumeration_of_small_cells_equals_the_official_procedure():
    cells, expected = enumerate_cells(4), _first_of_each_hash(4)
    assert len(expected) == 1 + 6 + 84  # PROVENANCE.md
    assert [bytes(row).hex() for row in cells.hash] == list(expected)
    for row, (size, bits, labels) in enumerate(expected.values()):
        assert cells.num_vertices[row] == size
        assert cells.edge_bits[row] == bits
        assert cells.ops[row].tolist() == [*labels, *[255] * (7 - size)]


def test_enumeration_of_cells_of_six_vertices_equals_the_table(table):
    """64,542 cells from nothing, array for array."""
    cells, few = enumerate_cells(6), table["num_vertices"] <= 6
    for name, column in cells._asdict().items():
        assert column.dtype == table[name].dtype
        np.testing.assert_array_equal(column, table[name][few], err_msg=name)


def test_the_graphs_of_seven_vertices_are_those_of_the_table(table):
    """All 359,082, but only every tenth is hashed: to hash takes longest."""
    bits, matrix, labelings, labeling = distinct_graphs(7)
    rows = np.flatnonzero(table["num_vertices"] == 7)
    ours = np.column_stack([bits[matrix], labelings[labeling, 1:-1]])
    theirs = np.column_stack([table["edge_bits"][rows], table["ops"][rows]])
    order, table_order = (np.lexsort(graphs.T[::-1]) for graphs in (ours, theirs))
    np.testing.assert_array_equal(ours[order], theirs[table_order])
    row = np.empty_like(order)  # The row of each graph in the table.
    row[order] = rows[table_order]
    hashes = official_hashes(bits, matrix[::10], labelings, labeling[::10])
    np.testing.assert_array_equal(hashes, table["hash"][row[::10]])
