"""A path through the DARTS supernet against its genotype built alone, in stock operations."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from scipy import stats

from tnasp_jax import supernets
from tnasp_jax.spaces import darts_network
from tnasp_jax.spaces.darts import DARTS
from tnasp_jax.spaces.darts_genotypes import OPERATIONS, Genotype, nodes
from tnasp_jax.spaces.darts_network import KERNELS, Network
from tnasp_jax.supernets.darts import _valid

NETWORK = Network(channels=2, layers=3, image_size=8, num_classes=5)
BATCH = 6


def genotype(shift: int) -> Genotype:
    """Every operation on an input and on a node, and every way that inputs can lie."""
    sources = (0, 1, 0, 2, 1, 3, 2, 4)
    cells = []
    for start in (shift, shift + 3):
        names = [OPERATIONS[(start + edge) % 7] for edge in range(8)]
        cells.append(tuple(zip(names, sources, strict=True)))
    return Genotype(*cells)


GENOTYPES = [genotype(0), genotype(4)]


# The network alone, by stock operations.


def convolution(x, kernel, stride=1, dilation=1):
    """Depthwise where the kernel is [C, k, k]."""
    groups = len(x) if kernel.ndim == 3 else 1
    kernel = kernel[:, None] if kernel.ndim == 3 else kernel
    pad = dilation * (kernel.shape[-1] - 1) // 2
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        [(pad, pad)] * 2,
        rhs_dilation=(dilation, dilation),
        dimension_numbers=("CHWN", "OIHW", "CHWN"),
        feature_group_count=groups,
        precision="highest",
    )


def pointwise(x, kernel, stride=1):
    return convolution(x, kernel[:, :, None, None], stride)


def unit(x, seen=BATCH):
    part = x[..., :seen]
    mean, var = (f(part, axis=(1, 2, 3), keepdims=True) for f in (jnp.mean, jnp.var))
    return (x - mean) / jnp.sqrt(var + 1e-5)


def reduction(x, kernel):
    x, half = jax.nn.relu(x), len(kernel) // 2
    even = pointwise(x, kernel[:half], 2)
    odd = pointwise(x[:, 1:, 1:], kernel[half:], 2)
    return unit(jnp.concatenate([even, odd]))


def pool(x, stride, highest):
    window, strides, pads = (1, 3, 3, 1), (1, stride, stride, 1), [(0, 0), (1, 1)]
    pads = [pads[0], pads[1], pads[1], pads[0]]
    if highest:
        return lax.reduce_window(x, -jnp.inf, lax.max, window, strides, pads)
    total, size = (
        lax.reduce_window(y, 0.0, lax.add, window, strides, pads)
        for y in (x, jnp.ones_like(x))
    )
    return total / size


def operation(op, x, layer, edge, stride):
    if op == "skip_connect":
        return x if stride == 1 else reduction(x, layer[op][edge])
    if op not in KERNELS:
        return unit(pool(x, stride, op == "max_pool_3x3"))
    depth, point = layer[f"{op}/depthwise"][edge], layer[f"{op}/pointwise"][edge]
    for at in range(len(depth)):
        dilation = 2 if op.startswith("dil") else 1
        x = convolution(jax.nn.relu(x), depth[at], stride, dilation)
        x, stride = unit(pointwise(x, point[at])), 1
    return x


def alone(genotype, params, images):
    last = before = unit(convolution(images, params["stem"]))
    for at, layer in enumerate(darts_network.layers(NETWORK)):
        mine = params[f"layer_{at}"]
        first = mine["preprocess_0"]
        values = [
            reduction(before, first)
            if layer.halves
            else unit(pointwise(jax.nn.relu(before), first)),
            unit(pointwise(jax.nn.relu(last), mine["preprocess_1"])),
        ]
        for node, edges in enumerate(nodes(genotype.cells[layer.reduces])):
            first_edge = (0, 2, 5, 9)[node]
            total = 0.0
            for op, source in edges:
                stride = 2 if layer.reduces and source < 2 else 1
                edge = first_edge + source
                total += operation(op, values[source], mine, edge, stride)
            values.append(total)
        before, last = last, jnp.concatenate(values[2:])
    return params["linear"] @ last.mean((1, 2)) + params["bias"]


@functools.cache
def small():
    """The supernet, weights of which none is zero, and a batch."""
    net = supernets.darts(NETWORK)
    params = net.init(jax.random.key(0))
    params["linear"] = jax.random.normal(jax.random.key(1), params["linear"].shape)
    images = jax.random.normal(jax.random.key(2), (3, 8, 8, BATCH))
    return net, params, images


TRACED = []


@functools.cache
def gradients_along():
    """Logits of a path, and gradients of their weighted sum: compiled for all paths."""
    net = small()[0]

    def weighted(params, path, images, weight):
        TRACED.append(path)
        logits = net.apply(params, path, images, BATCH)
        return (weight * logits).sum(), logits

    return jax.jit(jax.grad(weighted, has_aux=True))


@pytest.mark.parametrize("genotype", GENOTYPES, ids=["0", "4"])
def test_a_path_and_its_gradients_are_those_of_the_genotype_alone(genotype):
    _, params, images = small()
    weight = jax.random.normal(jax.random.key(3), (5, BATCH))

    @jax.jit
    @functools.partial(jax.grad, has_aux=True)
    def reference(params):
        logits = alone(genotype, params, images)
        return (weight * logits).sum(), logits

    path = jnp.asarray(supernets.path_of_darts(genotype))
    grads, logits = gradients_along()(params, path, images, weight)
    expected, logits_alone = reference(params)
    np.testing.assert_allclose(logits, logits_alone, rtol=1e-3, atol=1e-3)
    for found, wanted in zip(*map(jax.tree.leaves, (grads, expected)), strict=True):
        scale = max(1.0, float(jnp.abs(wanted).max()))
        np.testing.assert_allclose(found / scale, wanted / scale, atol=1e-3)
    assert len(TRACED) == 1  # Another path compiles nothing.


def test_the_edges_of_a_node_are_a_set():
    other = Genotype(
        *(
            tuple(edge for node in nodes(cell) for edge in node[::-1])
            for cell in GENOTYPES[0].cells
        )
    )
    np.testing.assert_array_equal(*map(supernets.path_of_darts, (GENOTYPES[0], other)))


def test_a_genotype_with_none_is_refused():
    cell = (("none", 0), *GENOTYPES[0].normal[1:])
    with pytest.raises(ValueError, match="seven operations on every edge, got none"):
        supernets.path_of_darts(Genotype(cell, GENOTYPES[0].reduce))


@pytest.mark.parametrize(
    "at, value, valid",
    [(0, 7, False), (0, -1, False), (16, 2, False), (16, 1, False), (31, 0, True)],
)
def test_what_is_no_path_is_known(at, value, valid):
    path = supernets.path_of_darts(GENOTYPES[0])
    path[at] = value
    ops, sources = jnp.asarray(path).reshape(2, 2, 8)
    assert bool(_valid(ops, sources)) is valid


@pytest.mark.parametrize(
    "path, shape, seen, message",
    [
        ((1,) * 31, (3, 8, 8, 7), 7, "a path of 32 integers"),
        ((1.0,) * 32, (3, 8, 8, 7), 7, "a path of 32 integers"),
        ((1,) * 32, (3, 16, 16, 7), 7, "8, 8"),
        ((1,) * 32, (3, 8, 8, 7), 8, "num_statistics in 1 .. 7"),
    ],
)
def test_what_does_not_fit_is_said(path, shape, seen, message):
    net, params, _ = small()
    with pytest.raises(ValueError, match=message):
        net.apply(params, jnp.array(path), jnp.zeros(shape), seen)


@pytest.mark.parametrize("sizes", [{"image_size": 10}, {"channels": 3}, {"layers": 2}])
def test_sizes_that_cannot_be_halved_are_refused(sizes):
    with pytest.raises(ValueError, match="divisible by 4"):
        supernets.darts(Network(**{"channels": 2, "layers": 3, **sizes}))


# Which paths a step trains.


def draws(name, count):
    """[count, P, 32] paths of that many steps."""
    net, keys = small()[0], jax.random.split(jax.random.key(0), count)
    draw = functools.partial(net.paths, supernets.SAMPLERS[name])
    return np.asarray(jax.jit(jax.vmap(draw))(keys))


def test_fairnas_trains_all_operations_of_an_edge_equally_often():
    steps = draws("fairnas", 30)
    assert steps.shape == (30, 7, 32)
    ops, sources = steps[..., :16], steps[..., 16:]
    assert (sources == sources[:, :1]).all()  # One topology a step.
    for uses in ops.transpose(0, 2, 1).reshape(-1, 7):
        assert sorted(uses) == list(range(7))
    # [cell, node, source, operation]: what every weighted edge was given in all.
    counts = np.zeros((2, 4, 5, 7), int)
    edge = np.broadcast_to(np.arange(16), ops.shape)
    np.add.at(counts, (edge // 8, edge % 8 // 2, sources, ops), 1)
    assert (counts == counts[..., :1]).all() and counts.any(-1).sum() == 28


def test_spos_draws_one_path():
    assert draws("spos", 3).shape == (3, 1, 32)


@pytest.mark.parametrize("name", supernets.SAMPLERS)
def test_operations_and_pairs_of_inputs_are_uniform(name):
    paths = draws(name, 4000)[:, 0]
    for column in paths[:, :16].T:
        assert stats.chisquare(np.bincount(column, minlength=7)).pvalue > 1e-4
    for at in range(8):
        count = 2 + at % 4
        first, second = paths[:, 16 + 2 * at], paths[:, 17 + 2 * at]
        assert (first < second).all() and second.max() == count - 1
        pairs = np.unique(5 * first + second, return_counts=True)[1]
        assert len(pairs) == count * (count - 1) // 2
        if len(pairs) > 1:
            assert stats.chisquare(pairs).pvalue > 1e-4
    # Two edges, and an operation and a topology, are independent.
    together = 7 * paths[:, 0] + paths[:, 15]
    assert stats.chisquare(np.bincount(together, minlength=49)).pvalue > 1e-4
    pairs = np.unique(5 * paths[:, 18] + paths[:, 19], return_inverse=True)[1]
    together = 7 * pairs.reshape(-1) + paths[:, 2]
    assert stats.chisquare(np.bincount(together, minlength=21)).pvalue > 1e-4


def test_paths_are_genotypes_of_the_space():
    drawn = DARTS.sample(jax.random.key(5), 4)
    paths = supernets.paths_of_darts(drawn)
    assert paths.shape == (4, 32) and paths.dtype == np.int32
    for path, each in zip(paths, drawn, strict=True):
        edges = [edge for cell in each.cells for edge in cell]
        assert [OPERATIONS[op] for op in path[:16]] == [op for op, _ in edges]
        assert path[16:].tolist() == [source for _, source in edges]
