"""Trains the network of one genotype from scratch: SGD, cosine, cutout, drop-path."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from tnasp_jax.graphs import Array
from tnasp_jax.spaces.darts_genotypes import Genotype
from tnasp_jax.spaces.darts_network import Network
from tnasp_jax.supernets.augmentation import crop_and_flip, cutout, standardize
from tnasp_jax.supernets.darts_alone import DartsNetwork
from tnasp_jax.supernets.training import batch_of

BATCH = 500  # Images judged at once.


@dataclasses.dataclass(frozen=True, kw_only=True)
class RetrainConfig:
    """The recipe; the defaults are those of DARTS on CIFAR-10.

    Attributes:
      epochs: passes over the training images; of each, whole batches are used.
      batch_size: images of a step.
      learning_rate: the first; falls to 0 along a cosine, step by step.
      momentum: of SGD.
      weight_decay: added to the gradient, times the weights, after clipping.
      clip: largest norm of all gradients together.
      auxiliary_weight: of the auxiliary head's loss, where the network has it.
      cutout: sides of the square that is hidden, in pixels; 0 for none.
      drop_path: how likely an operation is dropped in the end; rises from 0, epoch by
        epoch.
    """

    epochs: int = 600
    batch_size: int = 96
    learning_rate: float = 0.025
    momentum: float = 0.9
    weight_decay: float = 3e-4
    clip: float = 5.0
    auxiliary_weight: float = 0.4
    cutout: int = 16
    drop_path: float = 0.2


class State(NamedTuple):
    """A training under way: parameters, running statistics, optax's state, updates
    done [] int32."""

    params: Any
    statistics: Any
    optimizer: optax.OptState
    step: jax.Array


def start(
    genotype: Genotype,
    network: Network,
    config: RetrainConfig,
    num_images: int,
    key: jax.Array,
) -> State:
    """The state before the first step, by the same key as `train_epoch`.

    Raises:
      ValueError: if a batch is larger than the data, or the auxiliary head does not fit
        images of another size than 32.
    """
    if not 0 < config.batch_size <= num_images:
        raise ValueError(
            f"retraining: expected a batch_size in 1 .. {num_images}, the training "
            f"images, got {config.batch_size}"
        )
    if network.auxiliary and network.image_size != 32:
        raise ValueError(
            "retraining: the auxiliary head is made for images of 32 x 32, got "
            f"{network.image_size}"
        )
    shape = (3, network.image_size, network.image_size, 2)
    variables = DartsNetwork(genotype, network).init(
        jax.random.fold_in(key, 0), jnp.zeros(shape), train=False
    )
    params = variables["params"]
    optimizer = _optimizer(config, num_images // config.batch_size).init(params)
    return State(params, variables["batch_stats"], optimizer, jnp.int32(0))


def train_epoch(
    genotype: Genotype,
    network: Network,
    config: RetrainConfig,
    images: Array,
    labels: Array,
    key: jax.Array,
    state: State,
) -> tuple[State, tuple[jax.Array, jax.Array]]:
    """One pass over the images in a new order, one compiled scan; pure.

    What a step draws depends on the key and the step's number alone.

    Args:
      genotype: the architecture, static.
      network: its sizes, static.
      config: the recipe, static.
      images: [3, height, width, n] uint8.
      labels: [n] int.
      key: of the whole training, typed.
      state: where to go on.

    Returns:
      The state after; the mean loss and the accuracy on the augmented images, [] each.
    """
    model = DartsNetwork(genotype, network)
    images, labels = jnp.asarray(images), jnp.asarray(labels)
    steps = labels.shape[0] // config.batch_size
    optimizer = _optimizer(config, steps)
    order_key, step_key = (jax.random.fold_in(key, stream) for stream in (1, 2))
    rate = config.drop_path * (state.step // steps) / config.epochs

    def update(state: State, _):
        rows = batch_of(order_key, state.step, labels.shape[0], config.batch_size)
        draw = jax.random.fold_in(step_key, state.step)
        move_key, hide_key, drop_key = jax.random.split(draw, 3)
        batch = standardize(crop_and_flip(move_key, images[..., rows]))
        batch = cutout(hide_key, batch, config.cutout)
        truth = labels[rows]

        def loss(params):
            (logits, head), changed = model.apply(
                {"params": params, "batch_stats": state.statistics},
                batch,
                train=True,
                drop_path=rate,
                rngs={"drop_path": drop_key},
                mutable=["batch_stats"],
            )
            total = _cross_entropy(logits, truth)
            if head is not None:
                total += config.auxiliary_weight * _cross_entropy(head, truth)
            return total, (changed["batch_stats"], (logits.argmax(0) == truth).mean())

        found, grads = jax.value_and_grad(loss, has_aux=True)(state.params)
        value, (statistics, accuracy) = found
        updates, memory = optimizer.update(grads, state.optimizer, state.params)
        params: Any = optax.apply_updates(state.params, updates)
        return State(params, statistics, memory, state.step + 1), (value, accuracy)

    state, (losses, accuracies) = lax.scan(update, state, length=steps)
    return state, (losses.mean(), accuracies.mean())


def accuracy(
    genotype: Genotype, network: Network, state: State, images: Array, labels: Array
) -> jax.Array:
    """Share of images that are classified rightly, [] float32, by running statistics.

    Args:
      genotype: the architecture, static.
      network: its sizes, static.
      state: of the training.
      images: [3, height, width, n] uint8.
      labels: [n] int.
    """
    model, count = DartsNetwork(genotype, network), labels.shape[0]
    images, labels = jnp.asarray(images), jnp.asarray(labels)
    size = min(BATCH, count)

    def correct(at):
        # The last batch starts earlier, and counts what no other one counted.
        first = jnp.minimum(at * size, count - size)
        part = lax.dynamic_slice_in_dim(images, first, size, 3)
        truth = lax.dynamic_slice_in_dim(labels, first, size)
        variables = {"params": state.params, "batch_stats": state.statistics}
        logits, _ = model.apply(variables, standardize(part), train=False)
        new = first + jnp.arange(size) >= at * size
        return jnp.sum((logits.argmax(0) == truth) & new)

    batches = jnp.arange(-(-count // size))
    return lax.map(correct, batches).sum() / jnp.float32(count)


def _cross_entropy(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits.T, labels).mean()


def _optimizer(config: RetrainConfig, steps: int) -> optax.GradientTransformation:
    rate = optax.cosine_decay_schedule(config.learning_rate, steps * config.epochs)
    return optax.chain(
        optax.clip_by_global_norm(config.clip),
        optax.add_decayed_weights(config.weight_decay),
        optax.sgd(rate, config.momentum),
    )
