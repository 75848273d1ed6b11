"""A path through the supernet against its cell built alone, and which paths are drawn."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tnasp_jax import supernets
from tnasp_jax.spaces.nasbench101 import NASBENCH101
from tnasp_jax.supernets.nasbench101 import INNER, paths_of_nasbench101

THREE, ONE, POOL = "conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"


def cell(ops, *edges):
    size = len(ops) + 2
    matrix = np.zeros((size, size), int)
    for source, target in edges:
        matrix[source, target] = 1
    return NASBENCH101.cell(matrix, ["input", *ops, "output"])


CELLS = [
    # Five channels for three vertices, and one that is as wide as the widest after it.
    cell(
        [THREE, POOL, ONE, THREE, ONE],
        *((0, 1), (1, 2), (1, 3), (1, 4), (0, 5), (2, 6), (3, 6), (4, 5), (5, 6)),
    ),
    cell([ONE, POOL], (0, 1), (0, 2), (1, 2), (2, 3), (0, 3)),
    cell([], (0, 1)),
    cell([POOL, THREE, POOL], (0, 1), (1, 2), (0, 3), (2, 3), (1, 4), (3, 4)),
]
GRAPHS = NASBENCH101.to_graphs(CELLS)
PATHS = paths_of_nasbench101(GRAPHS)


def unit(x, kernel, seen):
    """Convolution, normalisation by the first images, ReLU."""
    pad = kernel.shape[-1] // 2
    numbers = ("CHWN", "OIHW", "CHWN")
    x = lax.conv_general_dilated(
        x,
        kernel,
        (1, 1),
        [(pad, pad)] * 2,
        dimension_numbers=numbers,
        precision="highest",
    )
    mean, var = (
        f(x[..., :seen], axis=(1, 2, 3), keepdims=True) for f in (jnp.mean, jnp.var)
    )
    return jax.nn.relu((x - mean) / jnp.sqrt(var + 1e-5))


def pool(x, size, stride, padding):
    window = 1, size, size, 1
    return lax.reduce_window(
        x, -jnp.inf, lax.max, window, (1, stride, stride, 1), padding
    )


def widths(matrix, width):
    """Channels of each vertex by the benchmark's rule, one after the other."""
    last = len(matrix) - 1
    before = [v for v in range(1, last) if matrix[v][last]]
    found = {v: width // len(before) for v in before}
    for v in before[: width % len(before) if before else 0]:
        found[v] += 1
    for v in range(last - 1, 0, -1):
        after = [found[w] for w in range(v + 1, last) if matrix[v][w]]
        found.setdefault(v, max(after, default=0))
    return found


def module_alone(architecture, kernels, x, seen):
    project, one, three = kernels
    matrix, ops = architecture.matrix, architecture.ops
    last = len(ops) - 1
    found = widths(matrix, project.shape[1])

    def projected(vertex, at, width):
        return unit(x, project[at, :width][..., None, None], seen)

    nodes = {}
    for v in range(1, last):
        width = found[v]
        inputs = [nodes[u][:width] for u in range(1, v) if matrix[u][v]]
        if matrix[0][v]:
            inputs.append(projected(v, v - 1, width))
        total = sum(inputs)
        if ops[v] == POOL:
            nodes[v] = pool(total, 3, 1, "SAME")
        elif ops[v] == ONE:
            nodes[v] = unit(total, one[v - 1, :width, :width, None, None], seen)
        else:
            nodes[v] = unit(total, three[v - 1, :width, :width], seen)
    before = [nodes[v] for v in range(1, last) if matrix[v][last]]
    parts = [jnp.concatenate(before)] if before else []
    if matrix[0][last]:
        parts.append(projected(last, INNER, project.shape[1]))
    return sum(parts)


@functools.partial(jax.jit, static_argnums=(0, 3))
def network_alone(architecture, params, images, seen):
    """The network of one cell, each vertex with its own channels and no others."""
    x = unit(images, params["stem"], seen)
    stack = 0
    while f"project_{stack}_0" in params:
        if stack:
            x = pool(x, 2, 2, "VALID")
        module = 0
        while f"project_{stack}_{module}" in params:
            kinds = "project", "conv_1x1", "conv_3x3"
            kernels = [params[f"{kind}_{stack}_{module}"] for kind in kinds]
            x = module_alone(architecture, kernels, x, seen)
            module += 1
        stack += 1
    return params["linear"] @ x.mean((1, 2)) + params["bias"]


@functools.cache
def small():
    """A supernet, weights of which none is zero, and a batch."""
    net = supernets.nasbench101(GRAPHS, (5, 7), 1, in_channels=2, num_classes=4)
    params = net.init(jax.random.key(0))
    params["linear"] = jax.random.normal(jax.random.key(1), params["linear"].shape)
    images = jax.random.normal(jax.random.key(2), (2, 8, 4, 6))
    return net, params, images


@functools.cache
def gradients_along():
    """Logits of a path, and gradients of their weighted sum: compiled for all paths."""
    net = small()[0]

    def weighted(params, path, images, weight):
        logits = net.apply(params, path, images, 6)
        return (weight * logits).sum(), logits

    return jax.jit(jax.grad(weighted, has_aux=True))


@pytest.mark.parametrize("row", range(len(CELLS)))
def test_a_path_and_its_gradients_are_those_of_the_cell_alone(row):
    _, params, images = small()
    weight = jax.random.normal(jax.random.key(3), (4, 6))

    @jax.jit
    @functools.partial(jax.grad, has_aux=True)
    def alone(params):
        logits = network_alone(CELLS[row], params, images, 6)
        return (weight * logits).sum(), logits

    grads, logits = gradients_along()(params, jnp.asarray(PATHS[row]), images, weight)
    expected, logits_alone = alone(params)
    np.testing.assert_allclose(logits, logits_alone, rtol=1e-3, atol=1e-3)
    for name in params:
        scale = max(1.0, float(jnp.abs(expected[name]).max()))
        np.testing.assert_allclose(
            grads[name] / scale, expected[name] / scale, atol=1e-3, err_msg=name
        )


def test_one_program_serves_all_paths_and_what_is_none_is_nan():
    net, params, images = small()
    score = jax.jit(functools.partial(supernets.accuracies, net))
    alone = [network_alone(each, params, images, 4)[:, 4:].argmax(0) for each in CELLS]
    labels = alone[0].at[1].add(1)
    bad = np.stack([PATHS[0]] * 4)
    bad[0, 0] = 0  # An entered vertex without an operation,
    bad[1, 1] = 4  # no operation,
    bad[2, -1] = 0  # a vertex that leads nowhere,
    bad[3, 7] = 2  # half a path's edge twice.
    found = score(
        params,
        jnp.asarray(np.concatenate([PATHS, bad])),
        images[..., :4],
        images[..., 4:],
        labels,
    )
    expected = [np.mean(each == labels) for each in alone]
    np.testing.assert_allclose(found[: len(CELLS)], expected)
    assert np.isnan(found[len(CELLS) :]).all()
    assert score._cache_size() == 1


def test_paths_hold_the_cells():
    assert PATHS.shape == (len(CELLS), 26) and PATHS.dtype == np.int32
    np.testing.assert_array_equal(PATHS[2], [*[0] * 5, *[0] * 15, 1, *[0] * 5])
    np.testing.assert_array_equal(PATHS[1, :5], [2, 3, 0, 0, 0])
    with pytest.raises(ValueError, match=r"expected graphs \[B, 7\]"):
        paths_of_nasbench101(GRAPHS.replace(ops=GRAPHS.ops[:, :5]))


def test_a_step_of_fairnas_gives_each_vertex_each_operation_once():
    net = small()[0]
    seen = set()
    for seed in range(20):
        paths = np.asarray(net.paths(supernets.fairnas, jax.random.key(seed)))
        assert paths.shape == (3, 26)
        assert (paths[:, INNER:] == paths[0, INNER:]).all()
        (row,) = np.flatnonzero((PATHS[:, INNER:] == paths[0, INNER:]).all(1))
        seen.add(int(row))
        there = PATHS[row, :INNER] > 0
        for vertex, column in enumerate(paths[:, :INNER].T):
            assert sorted(column) == ([1, 2, 3] if there[vertex] else [0, 0, 0])
    assert seen == set(range(len(CELLS)))
    assert net.paths(supernets.spos, jax.random.key(0)).shape == (1, 26)


@pytest.mark.parametrize(
    "path, shape, seen, message",
    [
        ((1,) * 6, (2, 8, 4, 6), 6, "a path of 26 integers"),
        ((1.0,) * 26, (2, 8, 4, 6), 6, "a path of 26 integers"),
        ((1,) * 26, (1, 8, 4, 6), 6, r"of \(2, any, any, batch\)"),
        ((1,) * 26, (2, 8, 5, 6), 6, "divide by 2, got 8 x 5"),
        ((1,) * 26, (2, 8, 4, 6), 0, "num_statistics in 1 .. 6"),
    ],
)
def test_what_does_not_fit_is_said(path, shape, seen, message):
    net, params, _ = small()
    with pytest.raises(ValueError, match=message):
        net.apply(params, jnp.array(path), jnp.zeros(shape), seen)
