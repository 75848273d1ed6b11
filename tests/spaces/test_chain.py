"""Chains: what their graphs mean, their texts, chance, every kind of mistake."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from tnasp_jax.graphs import Graphs, graph_hash
from tnasp_jax.invariants import invariants
from tnasp_jax.spaces import (
    MNASNET,
    OFA_MOBILENETV3,
    OFA_PROXYLESS,
    PROXYLESSNAS,
    base,
    chain_network,
)
from tnasp_jax.spaces.ofa import RESOLUTIONS, TRAINED_RESOLUTIONS
from tnasp_jax.spaces.proxylessnas import BLOCKS, ProxylessNAS

SPACES = (PROXYLESSNAS, MNASNET, OFA_PROXYLESS, OFA_MOBILENETV3)
every_chain = pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)

LAYERS = ["3x3_MBConv6"] * 21
STAGE_WISE = {"e": [6] * 7, "k": [3] * 7, "l": [1] * 7, "se": [True] * 7}
ELASTIC = {"ks": [3] * 20, "e": [4] * 20, "d": [2] * 5, "r": 224, "w": 1.2}


def _stages(space, architecture) -> list[list[str]]:
    """The operation of every layer, stage by stage, read off the dict."""
    given = space.as_dict(architecture)
    if space is PROXYLESSNAS:
        names = {"Identity": "identity"} | {
            f"{k}x{k}_MBConv{e}": f"mbconv_k{k}_e{e}" for k in (3, 5, 7) for e in (3, 6)
        }
        layers = [names[name] for name in given["layers"]]
        return [layers[at : at + 4] for at in range(0, 21, 4)]
    if space is MNASNET:
        return [
            [f"mbconv_k{k}_e{e}" + "_se" * se] * depth
            for e, k, depth, se in zip(*given.values(), strict=True)
        ]
    layers = [f"mbconv_k{k}_e{e}" for k, e in zip(given["ks"], given["e"], strict=True)]
    return [
        layers[4 * stage : 4 * stage + depth] for stage, depth in enumerate(given["d"])
    ]


def _network(space, architecture) -> list[tuple[str, list[int]]]:
    """(operation, whose outputs its input sums) of every node, by running the network.

    What flows is a list of nodes whose outputs are added up.
    """
    given = space.as_dict(architecture)
    size = given.get("r", 224)
    nodes = [(f"input_{size // 32 * 32}", [])]
    if size % 32:
        nodes.append((f"plus_{size % 32}", [0]))
    nodes.append((f"stem_w{given.get('w', 1.0):g}", [len(nodes) - 1]))
    flowing = [len(nodes) - 1]
    for stage in _stages(space, architecture):
        for place, op in enumerate(stage):
            nodes.append((op, flowing))
            shortcut = place > 0 and op != "identity"
            flowing = (flowing if shortcut else []) + [len(nodes) - 1]
    return [*nodes, ("output", flowing)]


@every_chain
def test_a_graph_is_the_network(space):
    architectures = space.sample(jax.random.key(0), 100)
    graphs = space.to_graphs(architectures)
    for row, architecture in enumerate(architectures):
        live = np.flatnonzero(graphs.mask[row])
        edges = graphs.adjacency[row][np.ix_(live, live)]
        found = [
            (space.ops[op], np.flatnonzero(edges[:, node]).tolist())
            for node, op in enumerate(graphs.ops[row, live])
        ]
        assert found == _network(space, architecture)
        assert live[0] == 0 and live[-1] == space.num_nodes - 1


@every_chain
def test_nodes_are_read_whatever_slots_they_stand_in(space):
    """Stage and place from the graph alone, after the dead slots went to the front."""
    architectures = space.sample(jax.random.key(1), 50)
    graphs = space.to_graphs(architectures)
    order = np.argsort(graphs.mask, axis=1, kind="stable")
    rows = np.arange(50)[:, None]
    moved = Graphs(
        ops=graphs.ops[rows, order],
        adjacency=graphs.adjacency[rows[:, :, None], order[:, :, None], order[:, None]],
        mask=graphs.mask[rows, order],
    )
    for batch in (graphs, moved):
        nodes = jax.device_get(chain_network.nodes(space.vocabulary, batch))
        for row, architecture in enumerate(architectures):
            expected = [
                (stage, place, op)
                for stage, layers in enumerate(_stages(space, architecture))
                for place, op in enumerate(layers)
            ]
            stands = nodes.block[row] >= 0
            found = [
                (int(stage), int(place), space.blocks[block].name)
                for stage, place, block in zip(
                    nodes.stage[row][stands],
                    nodes.place[row][stands],
                    nodes.block[row][stands],
                    strict=True,
                )
            ]
            assert found == expected
    for mine, theirs in zip(space.costs(graphs), space.costs(moved), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6)


def test_every_resolution_and_multiplier_is_visible():
    for space in (OFA_MOBILENETV3, OFA_PROXYLESS):
        one = space.sample(jax.random.key(0), 1)[0]
        everyone = [(*one[:3], r, w) for r in RESOLUTIONS for w in space.multipliers]
        graphs = space.to_graphs(everyone)
        nodes = chain_network.nodes(space.vocabulary, graphs)
        assert nodes.resolution.tolist() == [one[3] for one in everyone]
        widths = [space.multipliers[at] for at in nodes.multiplier.tolist()]
        assert widths == [one[4] for one in everyone]
        assert len(set(map(space.canonical_hash, everyone))) == len(everyone)


def test_places_beyond_the_depth_are_dead():
    graphs = OFA_MOBILENETV3.to_graphs([OFA_MOBILENETV3.from_dict(ELASTIC)])
    live = graphs.mask[0].tolist()
    assert live == [True, False, True, *[True, True, False, False] * 5, True]


def test_moving_an_identity_changes_no_invariant():
    """The Gaussian process and trees read identities as edges."""
    layers = [[*LAYERS], [*LAYERS]]
    layers[0][9:12] = ["Identity", "5x5_MBConv3", "Identity"]
    layers[1][9:12] = ["5x5_MBConv3", "Identity", "Identity"]
    first, second = (PROXYLESSNAS.from_dict({"layers": one}) for one in layers)
    hashes = map(PROXYLESSNAS.canonical_hash, (first, second))
    assert len(set(hashes)) == 1
    graphs = PROXYLESSNAS.to_graphs([first, second])
    assert PROXYLESSNAS.identity_ops == ("identity",)
    values = np.asarray(jax.jit(invariants, static_argnums=1)(graphs, PROXYLESSNAS))
    assert np.isfinite(values).all()
    np.testing.assert_allclose(values[0], values[1], rtol=1e-5, atol=1e-5)


def test_the_forms_that_people_hold():
    as_list = OFA_MOBILENETV3.from_dict(ELASTIC | {"r": [224]})
    renamed = {k: v for k, v in ELASTIC.items() if k not in "rw"} | {"image_size": 224}
    assert as_list == OFA_MOBILENETV3.from_dict(ELASTIC)
    assert OFA_MOBILENETV3.from_dict(renamed | {"wid": None}) == as_list
    assert OFA_MOBILENETV3.format(as_list) == json.dumps(ELASTIC)
    numbers = STAGE_WISE | {"se": [1, 0, 1, 0, 1, 0, 1], "k": [3.0] * 7}
    text = MNASNET.format(MNASNET.from_dict(numbers))
    assert json.loads(text)["se"] == [True, False, True, False, True, False, True]
    assert '"k": [3, 3, 3, 3, 3, 3, 3]' in text
    assert MNASNET.format(((6,) * 7, (3.0,) * 7, (1,) * 7, (1,) * 7)) == json.dumps(
        STAGE_WISE
    )
    assert PROXYLESSNAS.parse(json.dumps({"layers": LAYERS})) == (tuple(LAYERS),)
    for kind in (np.array, lambda value: list(np.array(value))):
        arrays = {key: kind(value) for key, value in STAGE_WISE.items()}
        assert MNASNET.from_dict(arrays) == MNASNET.from_dict(STAGE_WISE)


def test_counts_of_choices():
    assert [len(choices) for choices in PROXYLESSNAS.fields[0].choices] == (
        [6, 7, 7, 7] * 5 + [6]
    )
    assert len(BLOCKS) == 7
    assert [space.num_nodes for space in SPACES] == [24, 25, 25, 24]


def test_chance_draws_every_choice_alike():
    draws = OFA_MOBILENETV3.sample(jax.random.key(0), 3000)
    kernels = np.array([one[0] for one in draws])
    assert np.abs((kernels == 5).mean(axis=0) - 1 / 3).max() < 0.05
    assert {one[3] for one in draws} == set(TRAINED_RESOLUTIONS)
    assert {one[4] for one in draws} == {1.2}
    wide = dataclasses.replace(OFA_MOBILENETV3, drawn_multipliers=(1.0, 1.2))
    assert {one[4] for one in wide.sample(jax.random.key(0), 50)} == {1.0, 1.2}


@every_chain
def test_a_mutation_changes_one_entry_and_the_graph(space):
    for seed, architecture in enumerate(space.sample(jax.random.key(2), 50)):
        child = space.mutate(jax.random.key(seed), architecture)
        changed = sum(
            mine != theirs
            for item, other in zip(architecture, child, strict=True)
            for mine, theirs in zip(
                np.atleast_1d(item), np.atleast_1d(other), strict=True
            )
        )
        assert changed == 1
        both = space.to_graphs([architecture, child])
        assert not jax.tree.all(
            jax.tree.map(lambda leaf: np.array_equal(leaf[0], leaf[1]), both)
        )


@every_chain
def test_a_child_has_every_entry_of_either_parent(space):
    parents = space.sample(jax.random.key(3), 2)
    children = {space.cross(jax.random.key(seed), *parents) for seed in range(20)}
    assert len(children) > 10
    assert space.cross(jax.random.key(0), *parents) in children
    for child in children:
        assert space.parse(space.format(child)) == child
        for item, first, second in zip(child, *parents, strict=True):
            values = zip(*map(np.atleast_1d, (item, first, second)), strict=True)
            assert all(value in pair for value, *pair in values)


@pytest.mark.parametrize(
    ("space", "given", "message"),
    [
        (PROXYLESSNAS, {}, 'key "layers" is missing'),
        (
            PROXYLESSNAS,
            {"layer": LAYERS},
            "unknown key 'layer'; did you mean \"layers\"",
        ),
        (PROXYLESSNAS, {"xyz": LAYERS}, "unknown key 'xyz'; expected layers"),
        (
            PROXYLESSNAS,
            {"layers": LAYERS[1:]},
            "layers: expected a list of 21 .* got 20",
        ),
        (
            PROXYLESSNAS,
            {"layers": "3x3_MBConv6"},
            "a list of 21 values, got '3x3_MBConv6'",
        ),
        (
            PROXYLESSNAS,
            {"layers": ["3x3_MBConv7", *LAYERS[1:]]},
            r"layers\[0\]: expected .*3x3_MBConv3.*, got '3x3_MBConv7'; did you mean",
        ),
        (
            PROXYLESSNAS,
            {"layers": [*LAYERS[:4], "Identity", *LAYERS[5:]]},
            r"layers\[4\]: .* got 'Identity'; the first layer of a stage changes",
        ),
        (
            MNASNET,
            STAGE_WISE | {"k": [3, 5, 7, 3, 3, 3, 3]},
            r"k\[2\]: expected 3 or 5, got 7",
        ),
        (
            MNASNET,
            STAGE_WISE | {"l": [4, 1, 1, 1, 1, 1, 1]},
            r"l\[0\]: .* 3, got 4; only the sixth",
        ),
        (
            MNASNET,
            STAGE_WISE | {"e": [True] + [1] * 6},
            r"e\[0\]: expected 1, 4 or 6, got True",
        ),
        (
            MNASNET,
            STAGE_WISE | {"se": ["yes"] * 7},
            r"se\[0\]: expected false or true, got 'yes'",
        ),
        (
            OFA_MOBILENETV3,
            ELASTIC | {"r": 225},
            "r: expected 96, 100, ... or 284, got 225",
        ),
        (
            OFA_MOBILENETV3,
            ELASTIC | {"r": [224, 192]},
            r"r: expected .*, got \[224, 192\]",
        ),
        (OFA_MOBILENETV3, ELASTIC | {"r": "224"}, "r: expected .*, got '224'"),
        (OFA_MOBILENETV3, ELASTIC | {"w": 1.3}, "w: expected 1.0 or 1.2, got 1.3"),
        (OFA_MOBILENETV3, ELASTIC | {"image_size": 224}, 'key "r": expected once'),
        (OFA_MOBILENETV3, ELASTIC | {"r": None}, 'key "r" is missing'),
        (
            OFA_MOBILENETV3,
            ELASTIC | {"e": [5] * 20},
            r"e\[0\]: expected 3, 4 or 6, got 5",
        ),
        (
            OFA_PROXYLESS,
            {"ks": [3] * 21, "e": [3] * 21, "d": [2] * 6, "r": 224},
            r"d\[5\]: expected 1, got 2; the last stage has one layer",
        ),
    ],
)
def test_mistakes_are_one_sentence(space, given, message):
    with pytest.raises(ValueError, match=message) as caught:
        space.parse(json.dumps(given))
    assert str(caught.value).startswith(f"{space.name}: ")
    assert "\n" not in str(caught.value)
    good = space.format(space.sample(jax.random.key(0), 1)[0])
    assert [row for row, _ in base.validate(space, [good, json.dumps(given)])] == [1]


@pytest.mark.parametrize(
    "bad", [(), ((3,) * 7,) * 4, None, ((1,) * 7, (3,) * 7, 1, (True,))]
)
def test_tuples_that_are_no_architectures(bad):
    good = MNASNET.from_dict(STAGE_WISE)
    with pytest.raises(ValueError, match="^mnasnet: row 1: .*expected"):
        MNASNET.to_graphs([good, bad])
    with pytest.raises(ValueError, match="^mnasnet: "):
        MNASNET.format(bad)


def test_a_space_of_another_size():
    space = ProxylessNAS(resolution=190, multiplier=1.4)
    assert space.ops[:3] == ("input_160", "plus_30", "stem_w1.4")
    graphs = space.to_graphs(space.sample(jax.random.key(0), 3))
    assert graphs.mask.all() and graphs.ops.shape == (3, 25)
    nodes = chain_network.nodes(space.vocabulary, graphs)
    assert nodes.resolution.tolist() == [190] * 3


def test_the_hash_tells_what_the_hash_of_graphs_tells():
    """Chains of few kinds of layers, so that many are isomorphic."""
    choices = ["3x3_MBConv3", "Identity"]
    rng = np.random.default_rng(0)
    pairs = set()
    for _ in range(200):
        layers = ["3x3_MBConv3", *rng.choice(choices, 3), *LAYERS[4:]]
        if rng.integers(2):
            layers[4:8] = ["3x3_MBConv3", *rng.choice(choices, 3)]
        one = PROXYLESSNAS.from_dict({"layers": layers})
        graphs = PROXYLESSNAS.to_graphs([one])
        ops, edges = np.asarray(graphs.ops[0]), np.array(graphs.adjacency[0])
        identity = ops == PROXYLESSNAS.ops.index("identity")
        for node in np.flatnonzero(identity):
            edges |= np.outer(edges[:, node], edges[node])
        kept = np.flatnonzero(graphs.mask[0] & ~identity)
        plain = graph_hash(edges[np.ix_(kept, kept)], ops[kept].tolist())
        pairs.add((PROXYLESSNAS.canonical_hash(one), plain))
    mine, theirs = map(set, zip(*pairs, strict=True))
    assert len(pairs) == len(mine) == len(theirs) > 10
