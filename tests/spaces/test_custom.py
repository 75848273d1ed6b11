"""A user's own space: every kind of mistake, large graphs, costs, chance, description."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tnasp_jax import graphs as graphs_lib
from tnasp_jax.invariants import invariants
from tnasp_jax.predictors import get_predictor
from tnasp_jax.spaces import custom, custom_cells, describe, get_space
from tnasp_jax.spaces.custom_cells import Cell, live_nodes, read_text


def text(ops, *edges) -> str:
    return json.dumps({"ops": ops.split(), "edges": [list(edge) for edge in edges]})


def chain(length, op="conv") -> Cell:
    ops = ("input", *[op] * (length - 2), "output")
    return Cell(ops, tuple((node, node + 1) for node in range(length - 1)))


def dense(length, op="conv") -> Cell:
    edges = ((i, j) for j in range(length) for i in range(j))
    return Cell(chain(length, op).ops, tuple(sorted(edges)))


ROW = text("input conv skip_connect output", (0, 1), (0, 2), (1, 3), (2, 3))
SPACE = custom.of_cells([read_text(ROW)], num_nodes=6)


# Text and its mistakes.


def test_edges_and_adjacency_are_read_alike():
    matrix = [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]]
    other = json.dumps({"ops": json.loads(ROW)["ops"], "adjacency": matrix})
    assert SPACE.parse(other) == SPACE.parse(ROW)
    assert SPACE.format(SPACE.parse(other)) == ROW


def test_names_in_any_script_are_printed_as_they_are_written():
    row = text("Eingang Überspringen 输出", (0, 1), (1, 2))
    space = custom.of_cells([read_text(row)])
    printed = space.format(space.parse(row))
    assert "Überspringen" in printed and "输出" in printed
    assert space.parse(printed) == space.parse(row)


def test_arrays_and_their_numbers_are_read():
    matrix = np.eye(4, k=1, dtype=int) + np.eye(4, k=2, dtype=int)
    ops = ["input", "conv", "skip_connect", "output"]
    edges = list(zip(*np.nonzero(matrix), strict=True))
    right = custom_cells.read_cell({"ops": ops, "adjacency": matrix.tolist()})
    for given in (
        {"ops": np.array(ops), "adjacency": matrix},
        {"ops": ops, "adjacency": [list(row) for row in matrix]},
        {"ops": ops, "adjacency": jnp.asarray(matrix)},
        {"ops": ops, "edges": edges},
    ):
        cell = custom_cells.read_cell(given)
        assert cell == right
        assert SPACE.parse(SPACE.format(cell)) == cell


def test_nodes_out_of_order_are_sorted_and_lose_no_edge():
    mixed = text("input conv skip_connect output", (0, 2), (2, 1), (1, 3), (0, 3))
    cell = SPACE.parse(mixed)
    assert cell.ops == ("input", "skip_connect", "conv", "output")
    assert cell.edges == ((0, 1), (0, 3), (1, 2), (2, 3))


def test_dead_nodes_stay_in_text_and_leave_the_graph():
    with_dead = text("input conv conv conv output", (0, 1), (1, 4), (1, 2))
    cell = SPACE.parse(with_dead)
    assert SPACE.format(cell) == text(
        "input conv conv conv output", (0, 1), (1, 2), (1, 4)
    )
    assert live_nodes(cell) == [0, 1, 4]
    assert SPACE.to_graphs([cell]).mask.sum() == 3
    assert SPACE.canonical_hash(cell) == SPACE.canonical_hash(chain(3))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (
            text("input conv output", (0, 1), (1, 1), (1, 2)),
            "edges: 1>1 is a self-loop",
        ),
        (
            text("input conv conv output", (0, 1), (1, 2), (2, 1), (2, 3)),
            "edges: the edges 1>2>1 form a cycle",
        ),
        (text("input conv output", (0, 1), (1, 0)), "edges: the edges"),
        (text("input conv conv output", (0, 3), (2, 0)), "2>0 leads into the input"),
        (text("input conv output", (0, 2), (2, 1)), "2>1 leads out of the output"),
        (text("input conv output", (0, 1)), "edges: no path leads from the input"),
        (
            text("input conv conv output", (0, 1), (1, 3), (2, 3)),
            "edges: node 2 ('conv') is a second input",
        ),
        (text("input input output", (0, 1), (1, 2)), "'input' at 1 is a second input"),
        (text("conv conv output", (0, 1), (1, 2)), "'conv' at 0 is no input"),
        (text("input conv conv", (0, 1), (1, 2)), "'conv' at 2 is no output"),
        (text("input cnv output", (0, 1), (1, 2)), "did you mean 'conv'?"),
        (text("input xyz output", (0, 1), (1, 2)), "expected conv, skip_connect"),
        (text("input conv output", (0, 1), (1, 99)), "1>99: there is no node 99"),
        (text("input conv output", (0, -1), (1, 2)), "0>-1: there is no node -1"),
        (text("input conv output", (0, 1), (0, 1)), "edges: 0>1 stands twice"),
        ('{"ops": ["input", "output"], "edges": [[0]]}', "pairs of nodes like [0, 1]"),
        ('{"ops": ["input", "output"], "edges": [[0, 1.0]]}', "pairs of nodes"),
        ('{"ops": ["input", "output"], "edges": "0>1"}', "expected a list of pairs"),
        ('{"ops": "input output", "edges": []}', "ops: expected a list of names"),
        ('{"ops": ["input", 3, "output"], "edges": []}', "expected a name at 1, got 3"),
        ('{"ops": ["input", "output"]}', "got neither"),
        ('{"ops": [], "edges": [], "adjacency": []}', "ops: expected at least 2 names"),
        (
            '{"ops": ["input", "output"], "adjacency": [[0, 1]]}',
            "expected 1 rows of 1 entries (square), got 2 in row 0",
        ),
        (
            '{"ops": ["input", "output"], "adjacency": [[0]]}',
            "expected 2 rows, one for",
        ),
        (
            '{"ops": ["input", "output"], "adjacency": [[0, NaN], [0, 0]]}',
            "expected 0 or 1 in row 0, column 1, got nan",
        ),
        ('{"ops": ["input", "output"], "matrix": []}', "unknown key 'matrix'"),
        (SPACE.format(chain(7)), "7 nodes are on paths from input to output"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_field(bad, message):
    with pytest.raises(ValueError, match="^custom: ") as caught:
        SPACE.parse(bad)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 250


def test_graphs_outside_the_space_are_refused_with_their_row():
    with pytest.raises(ValueError, match=r"architecture 1: custom: ops: 7 nodes"):
        SPACE.to_graphs([chain(4), chain(7)])


# The space of some graphs.


def test_the_space_is_the_smallest_and_free_of_the_order_of_rows():
    cells = [chain(3, "a"), chain(5, "b"), chain(4, "Identity")]
    space = custom.of_cells(cells)
    assert space == custom.of_cells(cells[::-1])
    assert space.ops == ("input", "Identity", "a", "b", "output")
    assert (space.num_nodes, space.identity_ops) == (5, ("Identity",))


def test_a_chain_without_nodes_for_its_ends():
    space = custom.of_cells([Cell(("conv", "pool", "dense"), ((0, 1), (1, 2)))])
    assert space.ops == ("conv", "pool", "dense")
    child = space.mutate(jax.random.key(0), Cell(("conv", "dense"), ((0, 1),)))
    assert (child.ops[0], child.ops[-1]) == ("conv", "dense")


def test_a_description_makes_the_space_again():
    space = custom.of_cells([chain(4)], costs={"conv": (3.0, 2.0)}, identity_ops=())
    kept = json.loads(json.dumps(describe(space)))
    assert get_space("custom", kept) == space
    assert hash(get_space("custom", kept)) == hash(space)
    with pytest.raises(ValueError, match="the description of the space is damaged"):
        get_space("custom", {"inputs": ["input"]})
    with pytest.raises(ValueError, match="comes from a file of architectures"):
        get_space("custom")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"identity_ops": ["cnv"]}, "identity_ops: no operation 'cnv' .* mean 'conv'"),
        ({"identity_ops": ["input"]}, "identity_ops: 'input' stands first or last"),
        ({"costs": {"pool": (1, 1)}}, "costs: no operation 'pool'"),
        ({"costs": {"conv": (1, -1)}}, "costs: conv: expected two numbers >= 0"),
        ({"num_nodes": 1}, "num_nodes: expected at least 2 slots"),
    ],
)
def test_a_space_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=f"^custom: {message}"):
        custom.of_cells([chain(4)], **options)


# Costs, size, chance.


def test_costs_are_those_of_the_operations_and_zero_where_unknown():
    cell = SPACE.parse(ROW)
    graphs = SPACE.to_graphs([cell])
    assert not np.any(SPACE.node_costs(graphs))
    assert SPACE.parameters(cell) == SPACE.flops(cell) == 0
    told = custom.of_cells([cell], num_nodes=6, costs={"conv": (500.0, 70.0)})
    flops, parameters = told.node_costs(graphs)
    assert flops.shape == parameters.shape == (1, 1, 6)
    assert flops.sum() == told.flops(cell) == 500
    assert parameters.sum() == told.parameters(cell) == 70


@pytest.mark.parametrize("op", ["conv", "skip_connect"])
@pytest.mark.parametrize("costs", [{}, {"conv": (1e6, 1e4)}])
def test_invariants_of_large_graphs_are_finite(op, costs):
    cells = [chain(120), dense(120, op), dense(30), chain(3)]
    space = custom.of_cells(cells, costs=costs)
    found = np.asarray(
        jax.jit(invariants, static_argnums=1)(space.to_graphs(cells), space)
    )
    assert np.isfinite(found).all()
    assert len(np.unique(found, axis=0)) == len(cells)


def test_relabelling_moves_no_invariant_of_a_large_graph():
    space = custom.of_cells([dense(40), chain(40, "pool")])
    cell = max(space.sample(jax.random.key(4), 20), key=lambda cell: len(cell.ops))
    assert len(cell.ops) > 30
    order = [0, *np.random.default_rng(0).permutation(len(cell.ops) - 2) + 1]
    place = {int(node): at for at, node in enumerate([*order, len(cell.ops) - 1])}
    ops = sorted(range(len(cell.ops)), key=place.__getitem__)
    edges = [[place[i], place[j]] for i, j in cell.edges]
    twin = custom_cells.read_cell({"ops": [cell.ops[v] for v in ops], "edges": edges})
    assert twin != cell
    assert space.canonical_hash(twin) == space.canonical_hash(cell)
    both = np.asarray(invariants(space.to_graphs([cell, twin]), space))
    np.testing.assert_allclose(both[0], both[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["tnasp", "gp", "pinat", "renas"])
def test_predictors_read_forty_nodes(name):
    space = custom.of_cells([dense(40), chain(40, "pool")])
    graphs = space.to_graphs([dense(40), *space.sample(jax.random.key(0), 3)])
    predictor = get_predictor(name, space)
    params = predictor.init(jax.random.key(1), graphs)
    assert np.isfinite(np.asarray(predictor.apply(params, graphs))).all()


def test_samples_are_of_all_sizes_and_have_no_dead_node():
    cells = SPACE.sample(jax.random.key(0), 200)
    assert {len(cell.ops) for cell in cells} == set(range(2, 7))
    assert all(len(live_nodes(cell)) == len(cell.ops) for cell in cells)
    graphs = SPACE.to_graphs(cells)
    assert np.asarray(graphs_lib.is_valid(graphs, len(SPACE.ops))).all()


def test_a_space_of_one_graph_has_no_neighbour():
    space = custom.of_cells([Cell(("input", "output"), ((0, 1),))])
    assert space.sample(jax.random.key(0), 2) == [chain(2)] * 2
    with pytest.raises(ValueError, match="no neighbour was found"):
        space.mutate(jax.random.key(0), chain(2))
