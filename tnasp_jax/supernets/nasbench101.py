"""The supernet of NAS-Bench-101: at every vertex, weights for all three operations.

A stem, then stacks of modules with half the pixels and other channels from stack to
stack, global average pooling and a linear layer; every module is the same cell. A path
is a whole cell: which edges it has, and the operation of each vertex.

Channels are those of the benchmark. Every edge out of a module's input is a 1 x 1
projection; a vertex sums its inputs, cut to its own channels; the vertices before the
output share the output's channels and are concatenated, an edge from the input is added.
How many channels a vertex has depends on the edges, so weights are shared by slices: a
vertex of c channels uses the first c of its kernels' input and output channels. They are
computed at full width and set to zero beyond c, which is the same and keeps the shapes.

As in the supernet of NAS-Bench-201, and unlike the benchmark, normalisation has no
learned scale and shift.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tnasp_jax.graphs import Graphs
from tnasp_jax.spaces.nasbench101 import NASBENCH101, node_channels
from tnasp_jax.spaces.nasbench101_cells import MAX_VERTICES, OPERATIONS
from tnasp_jax.supernets.base import Params, Supernet, check
from tnasp_jax.supernets.chosen import chosen
from tnasp_jax.supernets.operations import convolve, convolve_1x1, normalize
from tnasp_jax.supernets.sampling import Sampler
from tnasp_jax.supernets.separable import max_pool

INNER, LAST = MAX_VERTICES - 2, MAX_VERTICES - 1
SOURCES, TARGETS = np.array(
    [(x, y) for y in range(1, MAX_VERTICES) for x in range(y)], np.int32
).T
PATH = INNER + len(SOURCES)


def nasbench101(
    cells: Graphs,
    channels: tuple[int, ...] = (16, 32),
    modules: int = 1,
    in_channels: int = 1,
    num_classes: int = 10,
) -> Supernet:
    """The supernet; a path is one of `paths_of_nasbench101`.

    Args:
      cells: [B, 7] graphs of the space nasbench101. A step trains the edges of one of
        them, drawn uniformly.
      channels: width of each stack. The images' sides are halved between stacks.
      modules: of a stack.
      in_channels: channels of the images.
      num_classes: logits.

    Raises:
      ValueError: if there is no cell, or a graph is none of the space.
    """
    paths = paths_of_nasbench101(cells)
    if not len(paths):
        raise ValueError("nasbench101 supernet: expected at least one cell, got none")
    edges, counts = np.unique(paths[:, INNER:], axis=0, return_counts=True)
    return Supernet(
        init=functools.partial(
            _init,
            channels=channels,
            modules=modules,
            in_channels=in_channels,
            num_classes=num_classes,
        ),
        apply=functools.partial(_apply, stacks=len(channels), modules=modules),
        num_edges=INNER,
        num_ops=len(OPERATIONS),
        draw=functools.partial(draw_paths, edges, counts / counts.sum()),
    )


def paths_of_nasbench101(cells: Graphs) -> np.ndarray:
    """Paths [B, 26] int32 of graphs [B, 7] of the space nasbench101, pruned.

    First the operations of vertices 1 .. 5 as in `NASBENCH101.ops`, 0 where there is
    none; then, for targets 1 .. 6 and sources below them, 1 where there is an edge. The
    output is vertex 6, however few vertices the cell has.

    Raises:
      ValueError: for graphs of other shape.
    """
    ops, adjacency, mask = (np.asarray(leaf) for leaf in jax.tree.leaves(cells))
    if ops.ndim != 2 or ops.shape[1] != MAX_VERTICES:
        raise ValueError(
            f"nasbench101 supernet: expected graphs [B, {MAX_VERTICES}], got {ops.shape}"
        )
    row, output = np.arange(len(ops)), mask.sum(axis=1) - 1
    edges = adjacency & mask[:, :, None] & mask[:, None, :]
    before_output = edges[row, :, output]
    edges[row, :, output] = False
    edges[:, :, LAST] = before_output
    inner = np.arange(MAX_VERTICES) < output[:, None]
    inner_ops = np.where(inner, ops, 0)[:, 1:LAST]
    return np.concatenate([inner_ops, edges[:, SOURCES, TARGETS]], 1).astype(np.int32)


def draw_paths(
    edges: np.ndarray, chances: np.ndarray, sampler: Sampler, key: jax.Array
) -> jax.Array:
    """The paths of a step, [P, 26] int32, which share their edges.

    The edges are drawn once a step; the sampler draws the operations of the five inner
    vertices. So `fairnas` is strict on every vertex: in a step, each vertex of the
    drawn graph is trained with each of its three operations exactly once. Edges and
    vertices are trained as often as cells have them, and projections by all paths of a
    step.

    Args:
      edges: [K, 21], the graphs to draw from,
      chances: [K] float, and how likely each is.
      sampler: one of `SAMPLERS`.
      key: of the step.
    """
    graph_key, op_key = jax.random.split(key)
    row = jax.random.choice(graph_key, len(edges), p=jnp.asarray(chances, jnp.float32))
    drawn = jnp.asarray(edges, jnp.int32)[row]
    ops = 1 + sampler(op_key, INNER, len(OPERATIONS))
    there = jnp.stack([jnp.any(drawn[v == TARGETS] > 0) for v in range(1, LAST)])
    ops = jnp.where(there[None], ops, 0)
    return jnp.concatenate([ops, jnp.tile(drawn, (len(ops), 1))], 1).astype(jnp.int32)


def _init(
    key: jax.Array,
    *,
    channels: tuple[int, ...],
    modules: int,
    in_channels: int,
    num_classes: int,
) -> Params:
    """He normal kernels; a linear layer of zeros."""
    shapes: dict[str, tuple[int, ...]] = {"stem": (channels[0], in_channels, 3, 3)}
    before = channels[0]
    for stack, width in enumerate(channels):
        for module in range(modules):
            place = f"{stack}_{module}"
            shapes[f"project_{place}"] = INNER + 1, width, before
            shapes[f"conv_1x1_{place}"] = INNER, width, width
            shapes[f"conv_3x3_{place}"] = INNER, width, width, 3, 3
            before = width
    keys = jax.random.split(key, len(shapes))
    params = {
        name: jax.nn.initializers.he_normal(
            in_axis=-1 if len(shape) == 3 else -3,
            out_axis=-2 if len(shape) == 3 else -4,
            batch_axis=() if name == "stem" else 0,
        )(key, shape)
        for key, (name, shape) in zip(keys, shapes.items(), strict=True)
    }
    params["linear"] = jnp.zeros((num_classes, channels[-1]))
    params["bias"] = jnp.zeros((num_classes, 1))
    return params


def _apply(
    params: Params,
    path: jax.Array,
    images: jax.Array,
    num_statistics: int,
    *,
    stacks: int,
    modules: int,
) -> jax.Array:
    """See `Supernet.apply`."""
    _check(params, path, images, num_statistics, stacks)
    ops = path[:INNER]
    edges = jnp.zeros((MAX_VERTICES,) * 2, path.dtype)
    edges = edges.at[SOURCES, TARGETS].set(path[INNER:])
    x, _ = normalize(convolve(images, params["stem"]), num_statistics)
    x = jax.nn.relu(x)
    for stack in range(stacks):
        if stack:
            channels, height, width, batch = x.shape
            halves = x.reshape(channels, height // 2, 2, width // 2, 2, batch)
            x = halves.max((2, 4))
        for module in range(modules):
            place = f"{stack}_{module}"
            x = _module(
                params[f"project_{place}"],
                params[f"conv_1x1_{place}"],
                params[f"conv_3x3_{place}"],
                ops,
                edges,
                x,
                num_statistics,
            )
    logits = params["linear"] @ x.mean((1, 2)) + params["bias"]
    return jnp.where(_is_path(ops, edges), logits, jnp.nan)


def _module(
    projections: jax.Array,
    kernels_1x1: jax.Array,
    kernels_3x3: jax.Array,
    ops: jax.Array,
    edges: jax.Array,
    x: jax.Array,
    num_statistics: int,
) -> jax.Array:
    """The output of one cell, [C, H, W, B], from x [before, H, W, B]."""
    width = projections.shape[1]
    channels = _channels(ops, edges, width)

    def project(target):
        kernel = projections[target - 1]
        branches = _zeros, functools.partial(_convolution_1x1, num_statistics)
        return jax.nn.relu(chosen(branches, edges[0, target], x, kernel))

    branches = (
        _zeros,
        functools.partial(_convolution_3x3, num_statistics),
        functools.partial(_convolution_1x1_of_two, num_statistics),
        _max_pool,
    )
    nodes, output, offset = [], project(LAST), 0
    for vertex in range(1, LAST):
        inside = (jnp.arange(width) < channels[vertex])[:, None, None, None]
        total = project(vertex)
        for source, node in enumerate(nodes, start=1):
            total += edges[source, vertex] * node
        # Beyond its channels a vertex is zero, before and after the operation.
        total = jnp.where(inside, total, 0.0)
        mine = kernels_1x1[vertex - 1], kernels_3x3[vertex - 1]
        out = chosen(branches, ops[vertex - 1], total, *mine)
        # Max pooling of what is not negative is not negative either.
        nodes.append(jax.nn.relu(jnp.where(inside, out, 0.0)))
        # The zeros are what goes round the end.
        output += edges[vertex, LAST] * jnp.roll(nodes[-1], offset, axis=0)
        offset += edges[vertex, LAST] * channels[vertex]
    return output


def _zeros(x, kernel, *others):
    del others
    return jnp.zeros((kernel.shape[0], *x.shape[1:]), x.dtype)


def _max_pool(x, kernel_1x1, kernel_3x3) -> Any:
    del kernel_1x1, kernel_3x3
    return max_pool(x)


def _convolution_1x1(num_statistics, x, kernel):
    return normalize(convolve_1x1(x, kernel), num_statistics)[0]


def _convolution_1x1_of_two(num_statistics, x, kernel_1x1, kernel_3x3):
    del kernel_3x3
    return _convolution_1x1(num_statistics, x, kernel_1x1)


def _convolution_3x3(num_statistics, x, kernel_1x1, kernel_3x3):
    del kernel_1x1
    return normalize(convolve(x, kernel_3x3), num_statistics)[0]


def _channels(ops: jax.Array, edges: jax.Array, width: int) -> jax.Array:
    """Of each vertex, [7] int."""
    end = len(NASBENCH101.ops) - 1
    nodes = jnp.concatenate([jnp.zeros(1, ops.dtype), ops, jnp.full(1, end, ops.dtype)])
    mask = jnp.concatenate([jnp.ones(1, bool), ops > 0, jnp.ones(1, bool)])
    cell = Graphs(ops=nodes[None], adjacency=edges[None] > 0, mask=mask[None])
    return node_channels(cell, np.array([width]))[0, 0]


def _is_path(ops: jax.Array, edges: jax.Array) -> jax.Array:
    """[] bool: all vertices with an operation, and only they, are entered and left."""
    there = ops > 0
    entered, left = (edges > 0).any(axis=0), (edges > 0).any(axis=1)
    return (
        jnp.all((ops >= 0) & (ops <= len(OPERATIONS)))
        & jnp.all((edges == 0) | (edges == 1))
        & jnp.all((entered[1:LAST] == there) & (left[1:LAST] == there))
        & entered[LAST]
    )


def _check(params: Params, path, images, num_statistics: int, stacks: int) -> None:
    shape = params["stem"].shape[1], None, None
    check("nasbench101", path, PATH, images, shape, num_statistics)
    part = 2 ** (stacks - 1)
    if images.shape[1] % part or images.shape[2] % part:
        raise ValueError(
            f"nasbench101 supernet: expected sides that divide by {part}, "
            f"got {images.shape[1]} x {images.shape[2]}"
        )
