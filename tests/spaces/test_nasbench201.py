"""NAS-Bench-201: the official order, counts from nothing, every kind of mistake."""

import csv
import itertools

import jax
import numpy as np
import pytest

from tnasp_jax import graphs as graphs_lib
from tnasp_jax.spaces.nasbench201 import EDGE_OPS, EDGES, NASBENCH201

FIRST = (
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+"
    "|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
)  # official number 0
CELL = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


@pytest.fixture(scope="module")
def rows(data_dir):
    path = data_dir / "nasbench201" / "nb201_accuracy.csv"
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _paths(architecture):
    """Every path of edges from node 0 to node 3 without `none`, by recursion."""

    def walk(node, path):
        if node == 3:
            yield path
        for edge, (source, target) in enumerate(EDGES):
            if source == node and EDGE_OPS[architecture[edge]] != "none":
                yield from walk(target, [*path, edge])

    return list(walk(0, []))


def test_official_numbers_by_hand():
    assert NASBENCH201.parse("0") == NASBENCH201.parse(FIRST) == (4, 2, 1, 2, 1, 1)
    assert NASBENCH201.to_index(NASBENCH201.parse(FIRST)) == 0
    assert NASBENCH201.parse(" 15624\n") == NASBENCH201.from_index(15624)


def test_official_order_and_strings(rows):
    cells = NASBENCH201.all_architectures()
    assert len(cells) == len(set(cells)) == len(rows) == 15_625
    assert [int(row["index"]) for row in rows] == list(range(len(rows)))
    texts = [row["arch_str"] for row in rows]
    assert list(map(NASBENCH201.format, cells)) == texts
    assert list(map(NASBENCH201.parse, texts)) == list(cells)
    assert list(map(NASBENCH201.to_index, cells)) == list(range(len(cells)))


def test_parameters_of_every_cell(rows):
    """The table gives millions with six digits: the exact count."""
    counts = [round(float(row["params_m"]) * 1e6) for row in rows]
    cells = NASBENCH201.all_architectures()
    assert list(map(NASBENCH201.parameters, cells)) == counts


def test_graphs_hold_just_the_edges_on_paths():
    """Nodes and their edges, from all paths of every 7th cell."""
    cells = NASBENCH201.all_architectures()[::7]
    graphs = NASBENCH201.to_graphs(cells)
    for row, cell in enumerate(cells):
        slots, links = {0, 7}, set()
        for path in _paths(cell):
            walk = [0, *(edge + 1 for edge in path), 7]
            slots.update(walk)
            links.update(itertools.pairwise(walk))
        assert set(np.flatnonzero(graphs.mask[row]).tolist()) == slots
        assert {tuple(pair) for pair in np.argwhere(graphs.adjacency[row])} == links
        for edge, op in enumerate(cell, start=1):
            assert graphs.ops[row, edge] == (op if edge in slots else 0)


def test_all_cells_give_valid_graphs():
    graphs = NASBENCH201.to_graphs(NASBENCH201.all_architectures())
    graphs_lib.check_shapes(graphs, 8)
    assert np.asarray(graphs_lib.is_valid(graphs, len(NASBENCH201.ops))).all()
    assert (graphs.ops[:, 0] == 0).all()
    assert (graphs.ops[:, 7] == 5).all()
    assert NASBENCH201.ops[0] == "input"
    assert NASBENCH201.ops[5] == "output"
    assert NASBENCH201.ops[1:5] == EDGE_OPS[1:]


def test_a_cell_without_a_path_keeps_input_and_output():
    graph = NASBENCH201.to_graphs([NASBENCH201.parse(CELL), (1, 0, 0, 0, 0, 1)])
    assert not graph.adjacency.any()
    assert graph.mask.tolist() == [[True] + [False] * 6 + [True]] * 2


def test_counts_from_nothing():
    """15,625 cells, 9,445 pruned forms, 8,765 graphs up to relabelling."""
    pruned = {NASBENCH201.prune(cell) for cell in NASBENCH201.all_architectures()}
    assert len(pruned) == 9_445
    assert len(set(map(NASBENCH201.canonical_hash, pruned))) == 8_765


def test_pruning_changes_neither_graph_nor_hash():
    cells = NASBENCH201.sample(jax.random.key(0), 200)
    pruned = list(map(NASBENCH201.prune, cells))
    assert list(map(NASBENCH201.prune, pruned)) == pruned
    assert pruned != cells
    jax.tree.map(
        np.testing.assert_array_equal,
        NASBENCH201.to_graphs(cells),
        NASBENCH201.to_graphs(pruned),
    )
    assert list(map(NASBENCH201.canonical_hash, cells)) == list(
        map(NASBENCH201.canonical_hash, pruned)
    )


def test_mutation_changes_one_edge():
    cell = NASBENCH201.parse(FIRST)
    changes = set()
    for seed in range(200):
        child = NASBENCH201.mutate(jax.random.key(seed), cell)
        (edge,) = [e for e in range(6) if child[e] != cell[e]]
        changes.add((edge, child[edge]))
    assert len(changes) == 6 * 4


def test_flops_that_the_benchmark_publishes():
    """The most and the fewest, in millions as NAS-Bench-201 prints them."""
    most, fewest = NASBENCH201.flops((3,) * 6), NASBENCH201.flops((0,) * 6)
    assert (round(most / 1e6, 2), round(fewest / 1e6, 2)) == (220.12, 7.78)


def test_samples_are_uniform_over_the_operations():
    draws = np.array(NASBENCH201.sample(jax.random.key(1), 5000))
    for edge in range(6):
        counts = np.bincount(draws[:, edge], minlength=5)
        assert np.abs(counts - 1000).max() < 150  # 5 standard deviations


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("15625", r"expected a cell number in 0 \.\. 15624, got 15625"),
        ("-1", r"expected a cell number in 0 \.\. 15624, got -1"),
        ("skip", "expected 3 groups of edges joined by '\\+'.* got 1 in 'skip'"),
        (CELL + "+|none~0|", "expected 3 groups .* got 4"),
        (CELL[:-1], "a bar '|' before and after the edges into node 3"),
        (CELL[1:], "a bar '|' before and after the edges into node 1, got 'none~0|'"),
        (
            CELL.replace("|none~0|none~1|+", "|none~0none~1|+"),
            "expected 2 edges between bars '|' into node 2, got 1",
        ),
        (CELL.replace("none~2|", "none~2|none~3|"), "3 edges .* into node 3, got 4"),
        (CELL.replace("none~2", "none"), "expected op~2 as edge 2 into node 3"),
        (
            CELL.replace("none~2", "conv_3x3~2"),
            "unknown operation 'conv_3x3' into node 3; did you mean 'nor_conv_3x3'",
        ),
        (CELL.replace("none~2", "xyz~2"), "unknown operation 'xyz' .* expected one of"),
        (CELL.replace("none~2", "none~3"), "node number 2 after '~' .* got 'none~3'"),
        (CELL.replace("none~2", "none~"), "node number 2 after '~' .* got 'none~'"),
    ],
)
def test_mistakes_are_one_sentence(text, message):
    with pytest.raises(ValueError, match=message.replace("|", r"\|")) as caught:
        NASBENCH201.parse(text)
    assert str(caught.value).startswith("nasbench201: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bad", [(0,) * 5, (0,) * 7, (0, 1, 2, 3, 4, 5), (-1,) * 6])
def test_tuples_that_are_no_cells(bad):
    with pytest.raises(ValueError, match=r"expected 6 operation indices in 0 \.\. 4"):
        NASBENCH201.format(bad)
    with pytest.raises(ValueError, match="row 1: expected 6 operation indices"):
        NASBENCH201.to_graphs([(0,) * 6, bad])
