"""DARTS: every form of text and kind of mistake, the published costs, the graph."""

import itertools

import jax
import numpy as np
import pytest

from tnasp_jax import graphs as graphs_lib
from tnasp_jax.spaces.darts import DARTS
from tnasp_jax.spaces.darts_genotypes import OPERATIONS, Genotype, node_of

# The cells that DARTS published, and their parameters in millions as it prints them.
DARTS_V1 = (
    "Genotype(normal=[('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('skip_connect', 0), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "
    "('skip_connect', 2)], normal_concat=range(2, 6), reduce=[('max_pool_3x3', 0), "
    "('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 0), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('avg_pool_3x3', 0)], "
    "reduce_concat=range(2, 6))"
)
DARTS_V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "
    "('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), "
    "('dil_conv_3x3', 2)], normal_concat=range(2, 6), reduce=[('max_pool_3x3', 0), "
    "('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], "
    "reduce_concat=range(2, 6))"
)
NAMED = (
    "sep_conv_3x3:0 sep_conv_3x3:1 sep_conv_3x3:0 sep_conv_3x3:1 sep_conv_3x3:1 "
    "skip_connect:0 skip_connect:0 dil_conv_3x3:2,max_pool_3x3:0 max_pool_3x3:1 "
    "skip_connect:2 max_pool_3x3:1 max_pool_3x3:0 skip_connect:2 skip_connect:2 "
    "max_pool_3x3:1"
)
NUMBERED = "0:3 1:3 0:3 1:3 1:3 0:2 0:2 2:5 0:0 1:0 2:2 1:0 0:0 2:2 2:2 1:0"
V2 = DARTS.parse(DARTS_V2)


def test_the_canonical_text_is_that_of_darts():
    for text in (DARTS_V1, DARTS_V2):
        assert DARTS.format(DARTS.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        NAMED,
        NUMBERED,
        NAMED.replace(" ", "\n").replace(",", " | "),
        f"DARTS_V2 = {DARTS_V2}",
        f"genotypes.{DARTS_V2}",
        DARTS_V2.replace("range(2, 6)", "[2, 3, 4, 5]"),
        DARTS_V2.replace("range(2, 6)", "range(2,6)").replace("'", '"'),
        DARTS_V2.replace(", normal_concat=range(2, 6)", ""),
        DARTS_V2.replace(", reduce=", ",\n  reduce="),
        DARTS_V2.replace("('max_pool_3x3', 0)", "['max_pool_3x3', 0]"),
    ],
)
def test_other_forms_of_the_same_genotype(text):
    assert DARTS.parse(text) == V2
    assert DARTS.format(DARTS.parse(text)) == DARTS_V2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Genotype", r"expected Genotype\(normal=\["),
        (DARTS_V2[:-1], "expected Genotype"),
        ("(" * 100_000, "got 100000 characters"),
        ("(" * 3000, "expected Genotype"),
        ("Genotype(1, normal=[], reduce=[])", "expected Genotype"),
        (DARTS_V2.replace("Genotype", "dict"), "expected Genotype"),
        ("-" * 3000 + "(", "expected Genotype"),
        ("(1, 2)", "expected Genotype"),
        ("Genotype()", "field 'normal' is missing"),
        (DARTS_V2.replace("reduce=", "redcue="), "unknown field 'redcue'; expected"),
        (DARTS_V2.replace(", reduce=[", ", **dict("), "expected Genotype"),
        (DARTS_V2.replace("range(2, 6)", "range(1, 6)", 1), "normal_concat: expected"),
        ("Genotype(normal=f(3), reduce=[])", r"normal: expected a list .* got f\(3\)"),
        ("Genotype(normal=[], reduce=[])", "normal: expected 8 edges .* got 0"),
        (
            DARTS_V2.replace("dil_conv_3x3", "dil_conv_7x7"),
            "normal: edge 7 into node 5: unknown .* did you mean 'dil_conv",
        ),
        (DARTS_V2.replace("dil_conv_3x3", "xyz"), "unknown operation 'xyz'; expected"),
        (
            DARTS_V2.replace("'dil_conv_3x3', 2", "'dil_conv_3x3', 5"),
            r"normal: edge 7 into node 5: expected an input in 0 \.\. 4, got 5",
        ),
        (DARTS_V2.replace("'dil_conv_3x3', 2", "'dil_conv_3x3', -1"), "got -1"),
        (DARTS_V2.replace("'dil_conv_3x3', 2", "'dil_conv_3x3', True"), "got True"),
        (DARTS_V2.replace("'dil_conv_3x3', 2", "'dil_conv_3x3', '2'"), "got '2'"),
        (
            DARTS_V2.replace("'dil_conv_3x3', 2", "'dil_conv_3x3', 0"),
            "normal: node 5: expected two different inputs, got 0 for both",
        ),
        (DARTS_V2.replace("('dil_conv_3x3', 2)", "3"), r"\(operation, input\), got 3"),
        (NAMED[:-15], "16 edges like sep_conv_3x3:0"),
        (NAMED.replace("dil_conv_3x3:2", "dil_conv_3x3"), "16 edges like"),
        (NAMED.replace("dil_conv_3x3:2", "dil_conv_3x3:x"), "edge 7 .* operation:inp"),
        (NAMED.replace("dil_conv_3x3:2", "dil_conv_3x3:99"), r"0 \.\. 4, got 99"),
        (NUMBERED.replace("2:5", "2:7"), r"normal: edge 7 .* number in 0 \.\. 6, got"),
        (NUMBERED.replace("2:5", "x:5"), "expected input:operation number, got 'x:5'"),
        (NUMBERED.replace("2:5", "dil_conv_3x3:2"), "expected input:operation number"),
    ],
)
def test_mistakes_are_one_sentence(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        DARTS.parse(text)
    assert str(caught.value).startswith("darts: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_genotype_is_checked_when_it_is_made():
    cells = [[list(edge) for edge in cell] for cell in V2.cells]
    assert Genotype(*cells) == V2
    with pytest.raises(ValueError, match="reduce: expected 8 edges .* got 7"):
        Genotype(V2.normal, V2.reduce[:7])
    with pytest.raises(ValueError, match="normal: expected 8 edges .* got None"):
        Genotype(None, V2.reduce)


def _renumbered(cell, order):
    """The cell with its nodes in another order, or None if an edge leads back."""
    places = {0: 0, 1: 1} | {node: at + 2 for at, node in enumerate(order)}
    moved = []
    for node in order:
        pair = [(op, places[at]) for op, at in cell[2 * node - 4 : 2 * node - 2]]
        if any(at >= places[node] for _, at in pair):
            return None
        moved += reversed(pair)
    return tuple(moved)


def test_hash_and_canonical_form_tell_the_same_apart():
    genotypes = DARTS.sample(jax.random.key(0), 20)
    twins, others = 0, set()
    for genotype in genotypes:
        digest, form = DARTS.canonical_hash(genotype), DARTS.canonical(genotype)
        assert DARTS.canonical(form) == form
        for order in itertools.permutations(range(2, 6)):
            moved = _renumbered(genotype.normal, order)
            if moved:
                twin = Genotype(moved, genotype.reduce)
                assert DARTS.canonical(twin) == form
                assert DARTS.canonical_hash(twin) == digest
                twins += 1
        others.add((digest, form))
    assert twins > 30
    assert len(others) == len({digest for digest, _ in others}) == 20
    neighbours = [DARTS.mutate(jax.random.key(seed), V2) for seed in range(100)]
    pairs = {(DARTS.canonical_hash(g), DARTS.canonical(g)) for g in neighbours}
    assert len(pairs) == len({h for h, _ in pairs}) == len({f for _, f in pairs})


def test_which_operations_share_a_node_matters():
    """Two nodes that nobody reads: the operations' pairs are part of the function."""
    rest = "0:3 1:4 0:3 1:4 " + NUMBERED[32:]
    given = DARTS.parse(f"0:0 1:1 0:2 1:5 {rest}")
    swapped = DARTS.parse(f"0:0 1:5 0:2 1:1 {rest}")
    moved = DARTS.parse(f"1:5 0:2 0:0 1:1 {rest}")
    assert DARTS.canonical_hash(given) == DARTS.canonical_hash(moved)
    assert DARTS.canonical_hash(given) != DARTS.canonical_hash(swapped)


def test_graphs_by_hand():
    graph = DARTS.to_graphs([V2])
    assert graph.mask.all()
    names = [DARTS.ops[op] for op in graph.ops[0]]
    assert names[0] == "input" and names[29] == "output"
    assert names[1:6] == [
        *("normal_input_0", "normal_input_1"),
        *("normal_sep_conv_3x3", "normal_sep_conv_3x3", "normal_add"),
    ]
    assert names[15:20] == [
        *("reduce_input_0", "reduce_input_1"),
        *("reduce_max_pool_3x3", "reduce_max_pool_3x3", "reduce_add"),
    ]
    edges = {tuple(edge) for edge in np.argwhere(graph.adjacency[0]).tolist()}
    # dil_conv_3x3 of the last normal node reads node 2; its twin comes first: input 0.
    assert {(1, 12), (5, 13), (12, 14), (13, 14)} <= edges
    assert (5, 12) not in edges and names[12:14] == [
        *("normal_skip_connect", "normal_dil_conv_3x3"),
    ]
    sums = (5, 8, 11, 14)
    between = {(0, 1), (0, 2)} | {(at, to) for at in sums for to in (15, 16)}
    assert between | {(at + 14, 29) for at in sums} <= edges
    assert len(edges) == 2 + 8 + 4 + 2 * (8 + 8)


def test_the_order_of_a_nodes_inputs_leaves_no_trace_in_graphs():
    pairs = [V2.normal[at : at + 2][::-1] for at in range(0, 8, 2)]
    turned = Genotype(sum(pairs, ()), V2.reduce)
    assert turned != V2
    jax.tree.map(
        np.testing.assert_array_equal, DARTS.to_graphs([turned]), DARTS.to_graphs([V2])
    )


def test_input_and_output_are_the_only_ends():
    graphs = DARTS.to_graphs(DARTS.sample(jax.random.key(3), 200))
    edges = np.asarray(graphs_lib.live_adjacency(graphs))
    assert (np.argwhere(~edges.any(axis=1))[:, 1] == 0).all()
    assert (np.argwhere(~edges.any(axis=2))[:, 1] == 29).all()


def test_samples_are_uniform():
    """Operations, and the pairs of inputs of the last node."""
    genotypes = DARTS.sample(jax.random.key(1), 3000)
    counts = dict.fromkeys(OPERATIONS, 0)
    pairs = dict.fromkeys(itertools.combinations(range(5), 2), 0)
    for genotype in genotypes:
        counts[genotype.reduce[3][0]] += 1
        (_, first), (_, second) = genotype.normal[6:]
        pairs[first, second] += 1
    assert max(abs(n - 3000 / 7) for n in counts.values()) < 100  # 5 deviations
    assert max(abs(n - 300) for n in pairs.values()) < 85


def test_mutation_changes_one_operation_or_one_input():
    changed = set()
    for seed in range(600):
        child = DARTS.mutate(jax.random.key(seed), V2)
        old, new = V2.normal + V2.reduce, child.normal + child.reduce
        (at,) = [at for at in range(16) if old[at] != new[at]]
        op, source = (a != b for a, b in zip(old[at], new[at], strict=True))
        assert op != source
        changed.add((at, op))
    assert changed == {(at, True) for at in range(16)} | {
        (at, False) for at in range(16) if node_of(at % 8) > 2
    }


def test_children_of_two_parents_take_whole_nodes():
    first, second = DARTS.sample(jax.random.key(4), 2)
    children = [DARTS.cross(jax.random.key(s), first, second) for s in range(40)]
    assert DARTS.cross(jax.random.key(0), first, second) == children[0]
    assert len(set(children)) > 30
    for child in children:
        for cell, mine, other in zip(
            child.cells, first.cells, second.cells, strict=True
        ):
            for at in range(0, 8, 2):
                assert cell[at : at + 2] in (mine[at : at + 2], other[at : at + 2])


def test_edges_of_none_leave_dead_slots():
    """Node 2 adds up nothing, so that what reads it computes nothing either."""
    text = NAMED.replace("sep_conv_3x3:0 sep_conv_3x3:1 ", "none:0 none:1 ", 1)
    genotype = DARTS.parse(text)
    assert DARTS.parse(DARTS.format(genotype)) == genotype
    graph = DARTS.to_graphs([genotype])
    # Slots 3 to 5 are node 2; slot 13 is the convolution of it.
    assert np.flatnonzero(~graph.mask[0]).tolist() == [3, 4, 5, 13]
    assert not graph.adjacency[0, [3, 4, 5, 13]].any()
    assert not graph.adjacency[0, :, [3, 4, 5, 13]].any()
    same = DARTS.parse(text.replace("dil_conv_3x3:2", "none:2"))
    assert DARTS.canonical_hash(same) == DARTS.canonical_hash(genotype)
    assert DARTS.parameters(same) < DARTS.parameters(genotype)
    nothing = DARTS.parse(" ".join(["none:0 none:1"] * 8))
    graph = DARTS.to_graphs([nothing])
    assert np.flatnonzero(graph.mask[0]).tolist() == [0, 29]
    assert not graph.adjacency.any()
    child = DARTS.mutate(jax.random.key(0), nothing)
    assert child != nothing
