"""Trains every NAS-Bench-201 cell on 8 x 8 digits, many cells in one compiled program.

The network: one path through the supernet of NAS-Bench-201, 16 channels at 8 x 8, then
32 at 4 x 4, its weights trained for that path alone. A cell is data, not code:
`lax.switch` picks each edge's operation inside `lax.map` over the cells, so one
compilation serves all of them and only the picked operation runs.

After training the statistics of the normalisations are taken anew over the whole
training part, so that no validation or test image affects another.

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

from tnasp_jax import supernets
from tnasp_jax.spaces.nasbench201 import EDGE_OPS, EDGES
from tnasp_jax.supernets.nasbench201 import NUM_NODES

NUM_TRAIN = 512
CHANNELS = (16, 32)
NUM_CLASSES = 10
BATCH = 64
EPOCHS = 10
LEARNING_RATE = 0.1
MOMENTUM = 0.9
SUPERNET = supernets.nasbench201(CHANNELS, 1, NUM_CLASSES)


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
    every = itertools.product(range(len(EDGE_OPS)), repeat=len(EDGES))
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


# The training.


def _loss(params, cell, images, labels):
    log_probs = jax.nn.log_softmax(SUPERNET.apply(params, cell, images, BATCH), axis=0)
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
    start = SUPERNET.init(init_key)
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
        logits = SUPERNET.apply(params, cell, images, NUM_TRAIN)
        correct = logits.argmax(0) == labels
        val = correct[NUM_TRAIN : NUM_TRAIN + num_val].sum()
        return val, correct[NUM_TRAIN + num_val :].sum()

    return lax.map(train_cell, cells)
