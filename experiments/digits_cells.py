"""Trains every NAS-Bench-201 cell on 8 x 8 digits, many cells in one compiled program.

The network: a stem to 16 channels at 8 x 8, the cell, a reduction to 32 channels at
4 x 4, the cell once more, normalisation, ReLU, global average pooling, a linear layer.
A cell is data, not code: `lax.switch` picks each edge's operation inside `lax.map` over
the cells, so one compilation serves all of them and only the picked operation runs
(under `vmap` a switch would run all five).

Images are [channels, height, width, batch]. With the batch contiguous, pooling, shifts
and statistics vectorise over images, and a convolution is one matrix product.

Normalisation carries no learned scale and shift (as in the search networks of
NAS-Bench-201). After training its statistics are taken anew over the whole training
part, so that no validation or test image affects another.

Data: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998, as
scikit-learn carries it (its 1,797 test digits).
"""

import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
NUM_NODES = 4

NUM_TRAIN = 512
CHANNELS = (16, 32)
NUM_CLASSES = 10
BATCH = 64
EPOCHS = 10
LEARNING_RATE = 0.1
MOMENTUM = 0.9
EPSILON = 1e-5


# The space.


def prune(cell: tuple[int, ...]) -> tuple[int, ...]:
    """The cell with each edge that no path from input to output uses set to `none`."""
    from_input, to_output = {0}, {NUM_NODES - 1}
    for op, (source, target) in zip(cell, EDGES, strict=True):
        if op and source in from_input:
            from_input.add(target)
    for op, (source, target) in zip(cell[::-1], EDGES[::-1], strict=True):
        if op and target in to_output:
            to_output.add(source)
    return tuple(
        op if source in from_input and target in to_output else 0
        for op, (source, target) in zip(cell, EDGES, strict=True)
    )


@functools.cache
def distinct_cells() -> tuple[np.ndarray, np.ndarray]:
    """The cells that stay distinct once dead edges are removed.

    Returns:
      [9445, 6] uint8, operations by edge of each distinct cell, ascending; and
      [15625] uint16, the row of each architecture's distinct cell, by the code
      sum of op_e 5 ** (5 - e).
    """
    every = itertools.product(range(len(OPS)), repeat=len(EDGES))
    pruned = np.array([prune(cell) for cell in every], np.uint8)
    cells, rows = np.unique(pruned, axis=0, return_inverse=True)
    return cells, rows.reshape(-1).astype(np.uint16)


# The data.


@functools.cache
def load_digits() -> dict[str, np.ndarray]:
    """The images, scaled to mean 0 and variance 1, in a fixed random order.

    Returns:
      images [1, 8, 8, 1797] float32 and labels [1797] int32: first `NUM_TRAIN` for
      training, then 642 for validation, then 643 for testing.
    """
    from sklearn import datasets

    digits: Any = datasets.load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    images = digits.images[order].transpose(1, 2, 0)[None]
    train = images[..., :NUM_TRAIN]
    return {
        "images": ((images - train.mean()) / train.std()).astype(np.float32),
        "labels": digits.target[order].astype(np.int32),
    }


def split_sizes() -> tuple[int, int, int]:
    """How many images are for training, validation and testing."""
    rest = load_digits()["labels"].size - NUM_TRAIN
    return NUM_TRAIN, rest // 2, rest - rest // 2


# The operations, on x [C, H, W, B].


def convolve(x, kernel, stride: int = 1):
    """3 x 3 convolution with padding 1, as one matrix product over shifted copies.

    Args:
      x: [C, H, W, B].
      kernel: [D, C, 3, 3].
      stride: step of the output's pixels, in both directions.

    Returns:
      [D, H / stride, W / stride, B].
    """
    if x.shape[3] > BATCH:
        return _by_batches(lambda part: convolve(part, kernel, stride), x)
    shifted = jnp.concatenate([part[:, ::stride, ::stride] for part in _windows(x)])
    matrix = kernel.transpose(0, 2, 3, 1).reshape(kernel.shape[0], -1)
    out = matrix @ shifted.reshape(matrix.shape[1], -1)
    return out.reshape(-1, *shifted.shape[1:])


def _by_batches(function, x):
    """function(x), `BATCH` images at a time, so that the copies fit into the cache."""

    def part(index):
        return lax.dynamic_slice_in_dim(x, index * BATCH, BATCH, axis=3)

    # Where the last slice would run over the end it starts earlier, here and there.
    def update(index, out):
        done = function(part(index))
        return lax.dynamic_update_slice_in_dim(out, done, index * BATCH, axis=3)

    shape = jax.eval_shape(function, part(0)).shape[:3]
    num_batches = -(-x.shape[3] // BATCH)
    start = jnp.zeros((*shape, x.shape[3]), x.dtype)
    return lax.fori_loop(0, num_batches, update, start)


def convolve_1x1(x, kernel):
    """[D, H, W, B] from x [C, H, W, B] and kernel [D, C]."""
    return (kernel @ x.reshape(x.shape[0], -1)).reshape(-1, *x.shape[1:])


def _windows(x):
    """The nine shifts of x, [C, H, W, B] each: a 3 x 3 window's pixels, row by row."""
    _, height, width, _ = x.shape
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    corners = itertools.product(range(3), repeat=2)
    return [padded[:, i : i + height, j : j + width] for i, j in corners]


def _window_size(x):
    """[1, H, W, 1]: the pixels of the image under each 3 x 3 window."""
    rows, cols = (np.convolve(np.ones(n), np.ones(3), "same") for n in x.shape[1:3])
    return np.outer(rows, cols).astype(x.dtype)[None, ..., None]


def average_pool(x):
    """Mean over 3 x 3 windows; the padding does not count."""
    return sum(_windows(x)) / _window_size(x)


def normalize(x, num_statistics: int):
    """Each channel to mean 0, variance 1 over the first `num_statistics` images.

    Returns:
      x [C, H, W, B] normalised; 1 / standard deviation [C, 1, 1, 1].
    """
    axes, seen = (1, 2, 3), x[..., :num_statistics]
    mean = seen.mean(axes, keepdims=True)
    variance = jnp.square(seen - mean).mean(axes, keepdims=True)
    scale = lax.rsqrt(variance + EPSILON)
    return (x - mean) * scale, scale


def _normalize_pullback(out, scale, grad):
    axes = (1, 2, 3)
    along = out * (grad * out).mean(axes, keepdims=True)
    return scale * (grad - grad.mean(axes, keepdims=True) - along)


@functools.partial(jax.custom_vjp, nondiff_argnums=(4,))
def edge(op, x, kernel_1x1, kernel_3x3, num_statistics: int):
    """One edge of a cell: operation number `op` of `OPS` on x [C, H, W, B].

    The backward pass is written out, a second switch: the derivative of `lax.switch`
    would store the residuals of all five operations. The kernels, [C, C] and
    [C, C, 3, 3], get zero gradients where their operation is not picked.
    """
    return _edge_forward(op, x, kernel_1x1, kernel_3x3, num_statistics)[0]


def _edge_forward(op, x, kernel_1x1, kernel_3x3, num_statistics):
    one = jnp.ones((x.shape[0], 1, 1, 1), x.dtype)
    branches = (
        lambda: (jnp.zeros_like(x), one),
        lambda: (x, one),
        lambda: normalize(convolve_1x1(jax.nn.relu(x), kernel_1x1), num_statistics),
        lambda: normalize(convolve(jax.nn.relu(x), kernel_3x3), num_statistics),
        lambda: (average_pool(x), one),
    )
    out, scale = lax.switch(op, branches)
    return out, (op, x, kernel_1x1, kernel_3x3, out, scale)


def _edge_backward(num_statistics, residuals, grad):
    op, x, kernel_1x1, kernel_3x3, out, scale = residuals
    if num_statistics < x.shape[3]:
        raise NotImplementedError("gradients need the statistics of the whole batch")
    zero_1x1, zero_3x3 = jnp.zeros_like(kernel_1x1), jnp.zeros_like(kernel_3x3)

    def through(conv, kernel):
        _, pullback = jax.vjp(lambda x, k: conv(jax.nn.relu(x), k), x, kernel)
        return pullback(_normalize_pullback(out, scale, grad))

    def conv_1x1():
        x_grad, kernel_grad = through(convolve_1x1, kernel_1x1)
        return x_grad, kernel_grad, zero_3x3

    def conv_3x3():
        x_grad, kernel_grad = through(convolve, kernel_3x3)
        return x_grad, zero_1x1, kernel_grad

    branches = (
        lambda: (jnp.zeros_like(x), zero_1x1, zero_3x3),
        lambda: (grad, zero_1x1, zero_3x3),
        conv_1x1,
        conv_3x3,
        # Windows are symmetric: the transpose of their sum is their sum.
        lambda: (sum(_windows(grad / _window_size(x))), zero_1x1, zero_3x3),
    )
    return None, *lax.switch(op, branches)


edge.defvjp(_edge_forward, _edge_backward)


# The network and its training.


def init(key) -> dict[str, jax.Array]:
    """Random parameters; each edge owns a kernel of either size, used or not."""
    small, large = CHANNELS
    shapes: dict[str, tuple[int, ...]] = {
        "stem": (small, 1, 3, 3),
        "reduce": (large, small, 3, 3),
    }
    for stage, width in enumerate(CHANNELS):
        shapes[f"conv_1x1_{stage}"] = len(EDGES), width, width
        shapes[f"conv_3x3_{stage}"] = len(EDGES), width, width, 3, 3
    keys = jax.random.split(key, len(shapes))
    params = {
        name: jax.nn.initializers.he_normal(
            in_axis=-1 if "1x1" in name else -3,
            out_axis=-2 if "1x1" in name else -4,
            batch_axis=0 if "conv" in name else (),
        )(key, shape)
        for key, (name, shape) in zip(keys, shapes.items(), strict=True)
    }
    params["linear"] = jnp.zeros((NUM_CLASSES, large))
    params["bias"] = jnp.zeros((NUM_CLASSES, 1))
    return params


def apply(params, cell, images, num_statistics: int):
    """Logits [10, B] of images [1, 8, 8, B] under cell [6] int."""

    def run_cell(x, stage):
        nodes = [x] + [0.0] * (NUM_NODES - 1)
        kernels = params[f"conv_1x1_{stage}"], params[f"conv_3x3_{stage}"]
        for index, (source, target) in enumerate(EDGES):
            mine = (kernel[index] for kernel in kernels)
            nodes[target] += edge(cell[index], nodes[source], *mine, num_statistics)
        return nodes[-1]

    x, _ = normalize(convolve(images, params["stem"]), num_statistics)
    x = jax.nn.relu(run_cell(x, 0))
    x, _ = normalize(convolve(x, params["reduce"], stride=2), num_statistics)
    x, _ = normalize(run_cell(x, 1), num_statistics)
    return params["linear"] @ jax.nn.relu(x).mean((1, 2)) + params["bias"]


def _loss(params, cell, images, labels):
    log_probs = jax.nn.log_softmax(apply(params, cell, images, BATCH), axis=0)
    return -jnp.take_along_axis(log_probs, labels[None], axis=0).mean()


@functools.partial(jax.jit, static_argnames=("epochs",))
def train_cells(cells, key, epochs: int = EPOCHS):
    """Trains the network of each cell from scratch, one after another.

    Parameters at the start and the order of the images depend on the key alone: one
    seed means the same luck for every cell, as in NAS-Bench-201.

    Args:
      cells: [B, 6] int, operations by edge.
      key: the seed, a key of `jax.random`.
      epochs: passes over the training part.

    Returns:
      Validation images classified correctly, [B] int; test images, [B] int.
    """
    data = load_digits()
    images, labels = jnp.asarray(data["images"]), jnp.asarray(data["labels"])
    _, num_val, _ = split_sizes()
    init_key, order_key = jax.random.split(key)
    start = init(init_key)
    orders = jax.vmap(lambda key: jax.random.permutation(key, NUM_TRAIN))(
        jax.random.split(order_key, epochs)
    ).reshape(-1, BATCH)
    steps = len(orders)
    rates = LEARNING_RATE * (1 + jnp.cos(jnp.pi * jnp.arange(steps) / steps)) / 2

    def train_cell(cell):
        def step(state, inputs):
            params, velocity = state
            batch, rate = inputs
            grads = jax.grad(_loss)(params, cell, images[..., batch], labels[batch])
            velocity = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocity, grads)
            params = jax.tree.map(lambda p, v: p - rate * v, params, velocity)
            return (params, velocity), None

        state = start, jax.tree.map(jnp.zeros_like, start)
        (params, _), _ = lax.scan(step, state, (orders, rates))
        logits = apply(params, cell, images, num_statistics=NUM_TRAIN)
        correct = logits.argmax(0) == labels
        val = correct[NUM_TRAIN : NUM_TRAIN + num_val].sum()
        return val, correct[NUM_TRAIN + num_val :].sum()

    return lax.map(train_cell, cells)
