"""The supernet of DARTS: in every layer, weights for all operations of all edges.

A stem, a stack of cells that halve the images at one and two thirds, global pooling and
a linear layer, as the network that a genotype is retrained as (`darts_network`). A cell
has 14 edges, from each input and earlier node to each node; a path takes two into every
node. Each edge has weights of its own for each operation, in each layer, whatever the
other edges do. As in the search networks of DARTS, pooling is normalised too, and
normalisation has no learned scale.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tnasp_jax.spaces import darts_network
from tnasp_jax.spaces.darts_genotypes import (
    CELLS,
    NUM_EDGES,
    NUM_INPUTS,
    NUM_NODES,
    OPERATIONS,
    Genotype,
    nodes,
)
from tnasp_jax.spaces.darts_network import KERNELS, Layer, Network
from tnasp_jax.supernets.base import Params, Supernet, check
from tnasp_jax.supernets.operations import (
    convolve,
    convolve_1x1,
    he_normal,
    normalize,
)
from tnasp_jax.supernets.sampling import Sampler
from tnasp_jax.supernets.separable import (
    average_pool,
    factorized,
    max_pool,
    separable,
)

CHOICES = len(CELLS) * NUM_EDGES  # Edges of a path, both cells.
PATH = 2 * CHOICES
_PAIRS = [  # Of each node, the pairs of inputs that it can have.
    np.array([(i, j) for j in range(count) for i in range(j)], np.int32)
    for count in range(NUM_INPUTS, NUM_INPUTS + NUM_NODES)
]
_FIRST = np.cumsum([0, *range(NUM_INPUTS, NUM_INPUTS + NUM_NODES)])
NUM_WEIGHTED = int(_FIRST[-1])  # Edges of a cell that have weights.


def darts(network: Network) -> Supernet:
    """The supernet; a path is `path_of_darts` a genotype.

    Args:
      network: channels, layers, classes and image size; the auxiliary head is no part
        of it. The size must be divisible by 4 and the channels by 2.

    Raises:
      ValueError: for other sizes.
    """
    if network.image_size % 4 or network.channels % 2 or network.layers < 3:
        raise ValueError(
            "darts supernet: expected an image size divisible by 4, an even number of "
            f"channels and at least 3 layers, got {network.image_size}, "
            f"{network.channels} and {network.layers}"
        )
    return Supernet(
        init=functools.partial(_init, network=network),
        apply=functools.partial(_apply, network=network),
        num_edges=CHOICES,
        num_ops=len(OPERATIONS),
        draw=draw_paths,
    )


def path_of_darts(genotype: Genotype) -> np.ndarray:
    """[32] int32: the operations of the normal cell's eight edges and of the reduction
    cell's, then where each of these edges comes from; the edges of a node ascending.

    Raises:
      ValueError: for a genotype with `none`, which the supernet does not hold.
    """
    edges = [
        edge
        for cell in genotype.cells
        for node in nodes(cell)
        for edge in sorted(node, key=lambda edge: edge[1])
    ]
    if any(op not in OPERATIONS for op, _ in edges):
        raise ValueError(
            "darts supernet: expected one of the seven operations on every edge, got none"
        )
    ops = [OPERATIONS.index(op) for op, _ in edges]
    return np.array([*ops, *(source for _, source in edges)], np.int32)


def draw_paths(sampler: Sampler, key: jax.Array) -> jax.Array:
    """The paths of a step, [P, 32] int32, that share one topology.

    Every node's pair of inputs is uniform and drawn once a step; the sampler draws the
    operations of the 16 edges. So `fairnas` is strict on every edge: all operations of
    an edge have been trained equally often after any number of steps, and within a step
    once where the edge is in the topology. Two edges of a node are equal on average.
    """
    op_key, topology_key = jax.random.split(key)
    ops = sampler(op_key, CHOICES, len(OPERATIONS))
    pairs = [
        jax.random.choice(jax.random.fold_in(topology_key, at), _PAIRS[at % NUM_NODES])
        for at in range(len(CELLS) * NUM_NODES)
    ]
    topology = jnp.broadcast_to(jnp.concatenate(pairs), (len(ops), CHOICES))
    return jnp.concatenate([ops, topology], axis=1).astype(jnp.int32)


def _init(key: jax.Array, *, network: Network) -> Params:
    """He normal kernels; a linear layer of zeros."""
    stack = darts_network.layers(network)
    stem = darts_network.STEM_FACTOR * network.channels
    keys = jax.random.split(key, len(stack) + 1)
    params: Params = {
        f"layer_{at}": _init_layer(keys[at], layer) for at, layer in enumerate(stack)
    }
    params["stem"] = he_normal(keys[-1], (stem, darts_network.IMAGE_CHANNELS, 3, 3), 3)
    params["linear"] = jnp.zeros((network.num_classes, stack[-1].out_channels))
    params["bias"] = jnp.zeros((network.num_classes, 1))
    return params


def _init_layer(key: jax.Array, layer: Layer) -> Params:
    width = layer.channels
    shapes: dict[str, tuple[tuple[int, ...], int]] = {
        f"preprocess_{at}": ((width, layer.sources[at]), 1) for at in range(NUM_INPUTS)
    }
    for op, size in KERNELS.items():
        lead = NUM_WEIGHTED, 2 if op.startswith("sep") else 1
        shapes[f"{op}/depthwise"] = (*lead, width, size, size), 2
        shapes[f"{op}/pointwise"] = (*lead, width, width), 1
    if layer.reduces:
        shapes["skip_connect"] = (NUM_WEIGHTED, width, width), 1
    keys = jax.random.split(key, len(shapes))
    return {
        name: he_normal(each, shape, fans)
        for each, (name, (shape, fans)) in zip(keys, shapes.items(), strict=True)
    }


def _apply(
    params: Params,
    path: jax.Array,
    images: jax.Array,
    num_statistics: int,
    *,
    network: Network,
) -> jax.Array:
    """See `Supernet.apply`."""
    shape = (darts_network.IMAGE_CHANNELS, network.image_size, network.image_size)
    check("darts", path, PATH, images, shape, num_statistics)
    path = jnp.asarray(path)
    ops, sources = path.reshape(2, len(CELLS), NUM_EDGES)
    last: Any
    before_last = last = normalize(convolve(images, params["stem"]), num_statistics)[0]
    for at, layer in enumerate(darts_network.layers(network)):
        mine, kind = params[f"layer_{at}"], int(layer.reduces)
        inputs = _preprocess(mine, layer, before_last, last, num_statistics)
        edges = _FIRST[np.arange(NUM_EDGES) // 2] + sources[kind]
        weights = {
            name: leaf[edges]
            for name, leaf in mine.items()
            if not name.startswith("preprocess")
        }
        out: Any = cell(
            ops[kind], sources[kind], inputs, weights, layer.reduces, num_statistics
        )
        before_last, last = last, out
    logits = params["linear"] @ last.mean((1, 2)) + params["bias"]
    return jnp.where(_valid(ops, sources), logits, jnp.nan)


def _preprocess(
    params: Params,
    layer: Layer,
    before_last: jax.Array,
    last: jax.Array,
    num_statistics: int,
) -> jax.Array:
    """Both inputs of a cell at its width and size, [2, C, H, W, B]."""
    first, second = params["preprocess_0"], params["preprocess_1"]
    halve = factorized if layer.halves else _relu_1x1
    inputs = halve(before_last, first), _relu_1x1(last, second)
    return jnp.stack([normalize(x, num_statistics)[0] for x in inputs])


def _relu_1x1(x, kernel):
    return convolve_1x1(jax.nn.relu(x), kernel)


# One cell.


@functools.partial(jax.custom_vjp, nondiff_argnums=(4, 5))
def cell(ops, sources, inputs, weights, reduces: bool, num_statistics: int):
    """The four nodes of a cell side by side, [4 C, H, W, B].

    A loop over edges, one switch. The backward pass is a second loop, backwards, that
    computes an operation again from its input: the derivative of a switch would store
    what all operations need.

    Args:
      ops: [8] int, of the edges, two for each node.
      sources: [8] int, what each is applied to: inputs 0 and 1, nodes 2 to 5.
      inputs: [2, C, h, w, B]; in a reduction cell twice as large as the nodes.
      weights: name -> [8, ...], kernels of the edges.
      reduces: whether it is a reduction cell.
      num_statistics: images of the batch that normalisation sees.
    """
    return _output(_run(ops, sources, inputs, weights, reduces, num_statistics))


def _run(ops, sources, inputs, weights, reduces: bool, num_statistics: int):
    """All values of a cell; see `_empty`."""
    values = _empty(inputs, reduces)
    branches = _branches(len(values), num_statistics)

    def step(edge, values):
        picked, _ = _pick(values, sources[edge])
        mine = jax.tree.map(lambda leaf: leaf[edge], weights)
        branch = _branch(ops[edge], sources[edge], len(values))
        out = lax.switch(branch, branches, picked, mine)
        at = len(values[-1]) - NUM_NODES + edge // 2
        return *values[:-1], values[-1].at[at].add(out)

    return lax.fori_loop(0, NUM_EDGES, step, values)


def _cell_forward(ops, sources, inputs, weights, reduces, num_statistics):
    values = _run(ops, sources, inputs, weights, reduces, num_statistics)
    return _output(values), (ops, sources, values, weights)


def _cell_backward(reduces, num_statistics, residuals, grad):
    del reduces  # The values tell.
    ops, sources, values, weights = residuals
    pullbacks = [
        functools.partial(_pullback, branch)
        for branch in _branches(len(values), num_statistics)
    ]
    grads = jax.tree.map(jnp.zeros_like, values)
    of_nodes = grad.reshape(NUM_NODES, -1, *grad.shape[1:])
    grads = *grads[:-1], grads[-1].at[-NUM_NODES:].set(of_nodes)

    def step(grads, edge):
        picked, places = _pick(values, sources[edge])
        mine = jax.tree.map(lambda leaf: leaf[edge], weights)
        branch = _branch(ops[edge], sources[edge], len(values))
        out_grad = grads[-1][len(values[-1]) - NUM_NODES + edge // 2]
        x_grads, weight_grads = lax.switch(branch, pullbacks, picked, mine, out_grad)
        grads = tuple(
            total.at[place].add(part)
            for total, place, part in zip(grads, places, x_grads, strict=True)
        )
        return grads, weight_grads

    grads, weight_grads = lax.scan(step, grads, jnp.arange(NUM_EDGES), reverse=True)
    return None, None, grads[0][:NUM_INPUTS], weight_grads


cell.defvjp(_cell_forward, _cell_backward)


def _empty(inputs, reduces: bool):
    """Where a cell's values are kept, nodes zero: in one stack of six, or, where the
    inputs are larger than the nodes, in a stack of inputs and a stack of nodes."""
    _, width, height, breadth, batch = inputs.shape
    if reduces:
        shape = (NUM_NODES, width, height // 2, breadth // 2, batch)
        return inputs, jnp.zeros(shape, inputs.dtype)
    nothing = jnp.zeros((NUM_NODES, *inputs.shape[1:]), inputs.dtype)
    return (jnp.concatenate([inputs, nothing]),)


def _output(values):
    out = values[-1][-NUM_NODES:]
    return out.reshape(-1, *out.shape[2:])


def _pick(values, source):
    """What an edge reads of each stack, only one of which is meant; and from where."""
    starts = (0, NUM_INPUTS)[: len(values)]
    places = [
        jnp.clip(source - start, 0, len(stack) - 1)
        for start, stack in zip(starts, values, strict=True)
    ]
    picked = tuple(stack[at] for stack, at in zip(values, places, strict=True))
    return picked, places


def _branch(op, source, num_stacks: int):
    """Number of a branch: the operation, and which stack its input lies in."""
    return op + len(OPERATIONS) * ((source >= NUM_INPUTS) & (num_stacks > 1))


def _branches(num_stacks: int, num_statistics: int):
    """`branch(values picked of the stacks, weights) -> [C, H, W, B]`, see `_branch`."""
    strides = (2, 1) if num_stacks > 1 else (1,)
    return [
        functools.partial(_operate, op, stack, stride, num_statistics)
        for stack, stride in enumerate(strides)
        for op in OPERATIONS
    ]


def _operate(op: str, stack: int, stride: int, num_statistics: int, picked, weights):
    """One operation on what an edge reads of the stack that is meant."""
    x = picked[stack]
    if op == "skip_connect":
        if stride == 1:
            return x
        return normalize(factorized(x, weights[op]), num_statistics)[0]
    if op in KERNELS:
        kernels = [weights[f"{op}/depthwise"], weights[f"{op}/pointwise"]]
        dilation = 2 if op.startswith("dil") else 1

        def once(x, kernels, stride=1):
            depth, point = kernels
            x = separable(x, depth, point, stride, dilation)
            return normalize(x, num_statistics)[0], None

        if stride > 1:
            x, _ = once(x, [kernel[0] for kernel in kernels], stride)
            kernels = [kernel[1:] for kernel in kernels]
        return lax.scan(once, x, kernels)[0]  # A loop, since it compiles faster.
    pool = max_pool if op.startswith("max") else average_pool
    return normalize(pool(x, stride), num_statistics)[0]


def _pullback(branch, picked, weights, grad):
    return jax.vjp(branch, picked, weights)[1](grad)


def _valid(ops, sources):
    """Whether a path is one: known operations, two different earlier inputs a node."""
    limits = NUM_INPUTS + jnp.arange(NUM_EDGES) // 2
    pairs = sources.reshape(len(CELLS), NUM_NODES, 2)
    return jnp.all(
        (ops >= 0)
        & (ops < len(OPERATIONS))
        & (sources >= 0)
        & (sources < jnp.broadcast_to(limits, sources.shape))
    ) & jnp.all(pairs[..., 0] != pairs[..., 1])


def paths_of_darts(genotypes: Sequence[Genotype]) -> np.ndarray:
    """[P, 32] int32, `path_of_darts` each."""
    return np.stack([path_of_darts(genotype) for genotype in genotypes])
