"""Costs of DARTS networks: by hand, as DARTS prints them, and those of measured sets."""

import csv

import jax
import numpy as np
import pytest

from tnasp_jax.spaces import darts_network
from tnasp_jax.spaces.darts import DARTS
from tnasp_jax.spaces.darts_genotypes import Genotype
from tnasp_jax.spaces.darts_network import RETRAINED, Network

V2_PARAMETERS = 3_349_342
V2 = DARTS.parse(
    "0:3 1:3 0:3 1:3 1:3 0:2 0:2 2:5 0:0 1:0 2:2 1:0 0:0 2:2 2:2 1:0"
)  # DARTS_V2 of the authors' code.


def _measured(data_dir, file, columns, *counts):
    """Genotypes of a file of the data, and columns of counts in millions, [B] each."""
    with (data_dir / file).open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    genotypes = [DARTS.parse(",".join(row[name] for name in columns)) for row in rows]
    return genotypes, [
        np.array([round(float(row[name]) * 1e6) for row in rows]) for name in counts
    ]


def test_parameters_as_darts_prints_them():
    assert DARTS.parameters(V2) == V2_PARAMETERS


def test_costs_by_hand():
    """The smallest network: one reduction cell of two channels, nothing but pooling."""
    pools = ("max_pool_3x3", 0), ("max_pool_3x3", 1)
    skips = ("skip_connect", 0), ("skip_connect", 2)
    network = Network(channels=1, layers=1, num_classes=3, image_size=4)
    fixed = Genotype(pools * 4, pools * 4)
    stem, classes = 27 * 3 + 2 * 3, 8 * 3 + 3
    inputs = 2 * (3 * 2 + 2 * 2)
    assert DARTS.parameters(fixed, network) == stem + inputs + classes
    assert DARTS.flops(fixed, network) == 16 * (81 + 12) + 24
    # On an input of a reduction cell a skip is convolved, on a node it is not.
    skipping = Genotype(pools * 4, pools + skips + pools * 2)
    assert DARTS.parameters(skipping, network) - stem - inputs - classes == 4 + 4
    assert DARTS.flops(skipping, network) - 16 * 93 - 24 == 4 * 4
    convolved = Genotype(
        pools * 4, pools * 3 + (("sep_conv_3x3", 0), ("dil_conv_5x5", 4))
    )
    sep, dil = 2 * (18 + 4 + 4), 50 + 4 + 4
    assert DARTS.parameters(convolved, network) - stem - inputs - classes == sep + dil


def test_the_auxiliary_head_counts_if_asked_for():
    more = DARTS.parameters(V2, Network(auxiliary=True)) - V2_PARAMETERS
    channels = 16 * 36
    head = channels * 128 + 2 * 128 + 4 * 128 * 768 + 2 * 768 + 769 * 10
    assert more == head


def test_node_costs_add_up_to_the_network():
    genotypes = DARTS.sample(jax.random.key(2), 8)
    graphs = DARTS.to_graphs(genotypes)
    flops, parameters = jax.jit(DARTS.costs)(graphs)
    assert flops.dtype == parameters.dtype == np.float32
    np.testing.assert_allclose(flops, list(map(DARTS.flops, genotypes)), rtol=1e-6)
    expected = list(map(DARTS.parameters, genotypes))
    np.testing.assert_allclose(parameters, expected, rtol=1e-6)
    for per_node in DARTS.node_costs(graphs):
        assert per_node.shape == (8, 9, 30) and per_node.dtype == np.float32
        # Layers 7 and 14 of 9 kinds are reduction cells, the fourth and seventh.
        cells = np.asarray(per_node)[:, :, 1:29].reshape(8, 9, 2, 14).sum(axis=(0, 3))
        assert np.flatnonzero(cells[:, 1]).tolist() == [3, 6]
        assert np.flatnonzero(cells[:, 0]).tolist() == [0, 1, 2, 4, 5, 7, 8]


def _elements(genotype, network):
    """Channels of the batch norms in operations; then elements that the counting tools
    of the measured sets add: of all batch norms, inputs of ReLUs, outputs of pools."""
    channels = relus = pools = averages = 0
    norms = 3 * network.channels * network.image_size**2
    for layer in darts_network.layers(network):
        width, size = layer.channels, layer.size
        out = size // 2 if layer.reduces else size
        norms += 2 * width * size**2
        relus += (layer.sources[0] * (4 if layer.halves else 1)) * size**2
        relus += layer.sources[1] * size**2
        for op, source in genotype.cells[layer.reduces]:
            strides = layer.reduces and source < 2
            convolved = op.endswith("5x5") or op.startswith(("sep", "dil"))
            times = 1 + op.startswith("sep") if convolved else 0
            times = 1 if op == "skip_connect" and strides else times
            channels += times * width
            norms += times * width * out**2
            relus += (times > 0) * width * (size if strides else out) ** 2
            relus += (times == 2) * width * out**2
            pools += ("pool" in op) * width * out**2
            averages += ("avg" in op) * width * out**2
    return channels, norms, relus, pools, averages


def test_an_invalid_graph_has_no_cost():
    graphs = DARTS.to_graphs(DARTS.sample(jax.random.key(0), 3))
    graphs.ops[0, 3] = 99
    graphs.adjacency[1, 5, 3] = True
    for costs in DARTS.costs(graphs):
        assert np.isnan(costs).tolist() == [True, True, False]


def test_costs_of_the_545_networks(data_dir):
    """36 channels, 20 layers, edges of `none` among them. Parameters to the last one,
    and so their operations, which count 4 for each element of a batch norm and 1 for
    each average of a pool beside the multiply-adds."""
    genotypes, (parameters, flops) = _measured(
        data_dir,
        "darts_bench_oncenas/darts_bench_545.csv",
        ("normal", "reduce"),
        *("params", "flop"),
    )
    assert sum("none" in dict(g.normal + g.reduce) for g in genotypes) == 359
    assert [DARTS.parameters(g) for g in genotypes] == parameters.tolist()
    pooling = 65 * 16 * 36  # The global one.
    for row, genotype in enumerate(genotypes):
        _, norms, _, _, averages = _elements(genotype, RETRAINED)
        counted = DARTS.flops(genotype) + 4 * norms + averages + pooling
        assert counted == flops[row]


def test_costs_of_the_networks_of_nasbench301(data_dir):
    """32 channels, 8 layers; its operations' batch norms have no parameters, and its
    operations count each element of batch norms and ReLUs, and 10 for one of a pool,
    beside the multiply-adds."""
    network = Network(channels=32, layers=8)
    genotypes, (parameters, flops) = _measured(
        data_dir,
        "nasbench301_surrogate/nb301_xgb_1225.csv",
        ("arch",),
        *("params", "flops"),
    )
    further = set()
    for row, genotype in enumerate(genotypes):
        channels, norms, relus, pools, _ = _elements(genotype, network)
        count = DARTS.parameters(genotype, network)
        assert count - 2 * channels == parameters[row]
        assert count == pytest.approx(parameters[row], rel=0.013)
        counted = DARTS.flops(genotype, network) + norms + relus + 10 * pools
        assert counted == pytest.approx(flops[row], rel=0.01)
        further.add(flops[row] - counted)
    assert len(further) == 1  # Outside the cells.
