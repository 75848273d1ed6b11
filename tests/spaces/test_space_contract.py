"""What every space promises; a new space joins by a line in SPACES."""

import dataclasses
import json
from typing import NamedTuple

import jax
import numpy as np
import pytest

from tnasp_jax import graphs as graphs_lib
from tnasp_jax.spaces import SPACES as REGISTRY
from tnasp_jax.spaces import base, custom, custom_cells, describe, get_space
from tnasp_jax.spaces.darts import DARTS
from tnasp_jax.spaces.mnasnet import MNASNET
from tnasp_jax.spaces.nasbench101 import NASBENCH101
from tnasp_jax.spaces.nasbench201 import NASBENCH201
from tnasp_jax.spaces.ofa import OFA_MOBILENETV3, OFA_PROXYLESS
from tnasp_jax.spaces.proxylessnas import PROXYLESSNAS


class Entry(NamedTuple):
    """A space, two texts of one relabelled architecture, and bad texts.

    No twins where every architecture of the space is another function.
    """

    space: base.Space
    twins: tuple[str, str] | None
    bad: tuple[str, ...]


def _layers(*first: str) -> str:
    """ProxylessNAS, all layers 7x7_MBConv3 after the first ones."""
    return json.dumps({"layers": [*first, *["7x7_MBConv3"] * (21 - len(first))]})


def _elastic(places: int, stages: int, last: list[int], beyond: int = 5) -> str:
    """OFA, two layers a stage; the kernel of the second place that is left out."""
    kernels = [3, 5, 7, beyond] + [5] * (places - 4)
    depths = [2] * stages + last
    return json.dumps({"ks": kernels, "e": [4] * places, "d": depths, "r": 148})


def _diamond(first: str, second: str) -> str:
    """A graph of two operations side by side."""
    edges = [[0, 1], [0, 2], [1, 3], [2, 3]]
    return json.dumps({"ops": ["input", first, second, "output"], "edges": edges})


CUSTOM = custom.of_cells(
    [custom_cells.read_text(_diamond("conv", "pool"))],
    num_nodes=12,
    costs={"conv": (2e6, 900.0), "input": (0.0, 100.0)},
)

SPACES = [
    Entry(
        CUSTOM,
        (_diamond("conv", "pool"), _diamond("pool", "conv")),
        ("", "[]", "{", '{"ops": ["input"], "edges": []}', "two\nlines"),
    ),
    Entry(
        NASBENCH101,
        (
            (
                '{"matrix": [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]], '
                '"ops": ["input", "conv3x3-bn-relu", "maxpool3x3", "output"]}'
            ),
            (
                '{"matrix": [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]], '
                '"ops": ["input", "maxpool3x3", "conv3x3-bn-relu", "output"]}'
            ),
        ),
        ("", "[]", "{", '{"matrix": [[0]], "ops": ["input"]}', "two\nlines"),
    ),
    Entry(
        NASBENCH201,
        (
            "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|avg_pool_3x3~1|none~2|",
            "|none~0|+|nor_conv_3x3~0|none~1|+|none~0|none~1|avg_pool_3x3~2|",
        ),
        (
            "",
            "15625",
            "-1",
            "|none~0|",
            "|a~0|+|b~0|c~1|+|d~0|e~1|f~2|",
            "9" * 5000,
            "two\nlines",
        ),
    ),
    Entry(
        DARTS,
        (
            "0:3 1:4 0:3 1:5 2:0 3:1 0:6 1:6 0:3 1:4 2:3 1:5 0:0 3:1 0:6 1:6",
            "1:5 0:3 1:4 0:3 2:1 3:0 1:6 0:6 0:3 1:4 2:3 1:5 0:0 3:1 0:6 1:6",
        ),
        ("", "Genotype", "Genotype(normal=[])", "0:3 " * 15, "0:9 " * 16, "two\nlines"),
    ),
    Entry(
        PROXYLESSNAS,
        (
            _layers("3x3_MBConv3", "Identity", "5x5_MBConv6"),
            _layers("3x3_MBConv3", "5x5_MBConv6", "Identity"),
        ),
        ("", "[]", "{}", '{"layers": []}', '{"layers": "3x3_MBConv3"}', "two\nlines"),
    ),
    Entry(
        MNASNET,
        None,
        ("", "[]", "{", '{"e": [1]}', '{"expansion": [1]}', "two\nlines"),
    ),
    Entry(
        OFA_PROXYLESS,
        (_elastic(21, 5, [1], beyond=3), _elastic(21, 5, [1], beyond=7)),
        ("", "[]", "{}", '{"ks": null}', _elastic(20, 5, []), "two\nlines"),
    ),
    Entry(
        OFA_MOBILENETV3,
        (_elastic(20, 5, [], beyond=3), _elastic(20, 5, [], beyond=7)),
        ("", "[]", "{}", '{"ks": 3}', _elastic(21, 5, [1]), "two\nlines"),
    ),
]
every_space = pytest.mark.parametrize(
    "entry", SPACES, ids=[entry.space.name for entry in SPACES]
)


def _samples(entry, count=50, seed=0):
    return entry.space.sample(jax.random.key(seed), count)


@every_space
def test_registered_by_its_name(entry):
    description = describe(entry.space)
    assert get_space(entry.space.name, description) == entry.space
    if description is None:
        assert REGISTRY[entry.space.name] == entry.space


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"'nb1'; expected one of .*nasbench101"):
        get_space("nb1")
    with pytest.raises(ValueError, match=r"'costum'; did you mean 'custom'\?"):
        get_space("costum")


@every_space
def test_static_hashable_and_named_once(entry):
    assert hash(entry.space) == hash(dataclasses.replace(entry.space))
    assert len(set(entry.space.ops)) == len(entry.space.ops)


@every_space
def test_text_survives_the_round_trip(entry):
    for architecture in _samples(entry):
        text = entry.space.format(architecture)
        assert "\n" not in text
        assert entry.space.parse(text) == architecture
        assert entry.space.format(entry.space.parse(text)) == text
        assert entry.space.parse(f"  {text}\n") == architecture


@every_space
def test_graphs_are_valid_and_topologically_ordered(entry):
    space, architectures = entry.space, _samples(entry)
    graphs = space.to_graphs(architectures)
    graphs_lib.check_shapes(graphs, space.num_nodes)
    assert len(graphs) == len(architectures)
    assert np.asarray(graphs_lib.is_valid(graphs, len(space.ops))).all()
    assert not np.tril(graphs.adjacency).any()
    dead = ~graphs.mask
    assert not graphs.ops[dead].any()
    assert not (graphs.adjacency & (dead[:, :, None] | dead[:, None, :])).any()


@every_space
def test_a_graph_does_not_depend_on_its_batch(entry):
    space, architectures = entry.space, _samples(entry, 5)
    together = space.to_graphs(architectures)
    for row, architecture in enumerate(architectures):
        alone = space.to_graphs([architecture])
        jax.tree.map(np.testing.assert_array_equal, alone, together[row : row + 1])
    assert len(space.to_graphs([])) == 0
    graphs_lib.check_shapes(space.to_graphs([]), space.num_nodes)


@every_space
def test_chance_is_a_function_of_the_key(entry):
    assert _samples(entry) == _samples(entry)
    assert _samples(entry) != _samples(entry, seed=1)
    assert _samples(entry, 0) == []
    first = _samples(entry, 1)[0]
    children = [
        [entry.space.mutate(jax.random.key(seed), first) for seed in range(8)]
        for _ in range(2)
    ]
    assert children[0] == children[1]
    assert len(set(children[0])) > 1


@every_space
def test_mutation_gives_a_valid_neighbour(entry):
    for seed, architecture in enumerate(_samples(entry)):
        child = entry.space.mutate(jax.random.key(seed), architecture)
        assert child != architecture
        assert entry.space.parse(entry.space.format(child)) == child


@every_space
def test_hash_ignores_the_labels_of_the_nodes(entry):
    if entry.twins:
        first, second = map(entry.space.parse, entry.twins)
        assert first != second
        assert entry.space.canonical_hash(first) == entry.space.canonical_hash(second)
    hashes = {entry.space.canonical_hash(one) for one in _samples(entry)}
    assert len(hashes) > 1
    assert all(len(digest) == 32 for digest in hashes)


@every_space
@pytest.mark.parametrize("dtype", [np.uint8, np.int16])
def test_costs_do_not_depend_on_the_type_of_the_operations(entry, dtype):
    graphs = entry.space.to_graphs(_samples(entry, 5))
    other = graphs.replace(ops=graphs.ops.astype(dtype))
    for right, found in zip(
        entry.space.node_costs(graphs), entry.space.node_costs(other), strict=True
    ):
        np.testing.assert_array_equal(found, right)


@every_space
def test_parameters_are_positive_integers(entry):
    for architecture in _samples(entry):
        count = entry.space.parameters(architecture)
        assert isinstance(count, int)
        assert count > 0


@every_space
def test_bad_text_is_one_sentence_with_the_name_of_the_space(entry):
    for text in entry.bad:
        with pytest.raises(ValueError, match=f"^{entry.space.name}: ") as caught:
            entry.space.parse(text)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 300


@every_space
def test_validate_lists_every_bad_row(entry):
    good = entry.space.format(_samples(entry, 1)[0])
    texts = [entry.bad[0], good, entry.bad[1]]
    problems = base.validate(entry.space, texts)
    assert [row for row, _ in problems] == [0, 2]
    with pytest.raises(ValueError, match="expected a list of architectures"):
        base.validate(entry.space, good)
