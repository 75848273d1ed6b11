"""Training a supernet: SGD with momentum, cosine, the sampled paths of each step."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from tnasp_jax.graphs import Array
from tnasp_jax.supernets.base import Params, Supernet
from tnasp_jax.supernets.sampling import Sampler


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The recipe.

    Attributes:
      steps: updates of the weights in all; the learning rate falls to 0 over them.
      batch_size: images of a step, the same for all its paths.
      learning_rate: the first.
      momentum: of SGD. It goes on moving weights in steps that do not choose them.
    """

    steps: int
    batch_size: int = 64
    learning_rate: float = 0.1
    momentum: float = 0.9


class State(NamedTuple):
    """A training under way: parameters, optax's state, updates done [] int32."""

    params: Params
    optimizer: optax.OptState
    step: jax.Array


def start(supernet: Supernet, config: TrainConfig, key: jax.Array) -> State:
    """The state before the first step, by the same key as `train_steps`."""
    params = supernet.init(jax.random.fold_in(key, 0))
    return State(params, _optimizer(config).init(params), jnp.int32(0))


def train_steps(
    supernet: Supernet,
    sampler: Sampler,
    config: TrainConfig,
    images: Array,
    labels: Array,
    key: jax.Array,
    state: State,
    num_steps: int,
    prepare: Callable[[jax.Array, jax.Array], jax.Array] | None = None,
) -> tuple[State, jax.Array]:
    """The next `num_steps` updates, one compiled scan; pure.

    What a step draws depends on the key and the step's number alone, so that segments
    of any length add up to the same training.

    Args:
      supernet: the network.
      sampler: paths of a step, one of `SAMPLERS`.
      config: the recipe.
      images: [channels, height, width, n] to train on, n >= batch_size; whatever
        `prepare` takes.
      labels: [n] int.
      key: of the whole training, typed.
      state: where to go on.
      num_steps: static.
      prepare: `prepare(key, images)`, what is done with the images of a step before the
        network sees them, such as augmentation; None for nothing.

    Returns:
      The state after; the cross-entropy of each step, [num_steps], mean over its paths.

    Raises:
      ValueError: if a batch is larger than the data.
    """
    if not 0 < config.batch_size <= labels.shape[0]:
        raise ValueError(
            f"supernet: expected a batch_size in 1 .. {labels.shape[0]}, the training "
            f"images, got {config.batch_size}"
        )
    images, labels = jnp.asarray(images), jnp.asarray(labels)
    path_key, order_key, image_key = (
        jax.random.fold_in(key, stream) for stream in (1, 2, 3)
    )

    def update(state: State, _):
        draw = jax.random.fold_in(path_key, state.step)
        paths = supernet.paths(sampler, draw)
        batch = batch_of(order_key, state.step, labels.shape[0], config.batch_size)
        seen = images[..., batch]
        if prepare is not None:
            seen = prepare(jax.random.fold_in(image_key, state.step), seen)
        loss, grads = sum_over_paths(supernet, state.params, paths, seen, labels[batch])
        updates, optimizer = _optimizer(config).update(
            grads, state.optimizer, state.params
        )
        params: Any = optax.apply_updates(state.params, updates)
        return State(params, optimizer, state.step + 1), loss / len(paths)

    return lax.scan(update, state, length=num_steps)


def sum_over_paths(
    supernet: Supernet,
    params: Params,
    paths: jax.Array,
    images: jax.Array,
    labels: jax.Array,
) -> tuple[jax.Array, Params]:
    """Cross-entropy on a batch and its gradients, summed over paths [P, E]."""

    def loss(params, path):
        logits = supernet.apply(params, path, images, labels.shape[0])
        log_probs = jax.nn.log_softmax(logits, axis=0)
        return -jnp.take_along_axis(log_probs, labels[None], axis=0).mean()

    def add(total, path):
        # One after the other: side by side, every path would run every operation.
        return jax.tree.map(
            jnp.add, total, jax.value_and_grad(loss)(params, path)
        ), None

    zero = jnp.zeros(()), jax.tree.map(jnp.zeros_like, params)
    return lax.scan(add, zero, paths)[0]


def _optimizer(config: TrainConfig) -> optax.GradientTransformation:
    rate = optax.cosine_decay_schedule(config.learning_rate, config.steps)
    return optax.sgd(rate, config.momentum)


def batch_of(key: jax.Array, step: jax.Array, count: int, size: int) -> jax.Array:
    """Images of a step, [size] int: each pass over the data has a new random order."""
    batches = count // size
    order = jax.random.permutation(jax.random.fold_in(key, step // batches), count)
    return lax.dynamic_slice_in_dim(order, step % batches * size, size)
