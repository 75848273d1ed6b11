"""Supervised training of any predictor: epochs in a scan, one compiled program.

Axis letters: n training cells, B cells of a minibatch.
"""

import dataclasses
import functools
import math

import flax.struct
import jax
import jax.numpy as jnp
import optax

from tnasp_jax.graphs import Graphs, check_labels
from tnasp_jax.predictors.base import Params, Predictor
from tnasp_jax.predictors.recipe import FitConfig


@flax.struct.dataclass
class FitState:
    """All that training goes on from.

    Attributes:
      params: of the predictor.
      opt_state: of the optimizer.
      epoch: [] int32, epochs done.
      key: the draw's key; every epoch folds its number into it, so a resumed run
        repeats an uninterrupted one.
    """

    params: Params
    opt_state: optax.OptState
    epoch: jax.Array
    key: jax.Array


def steps_per_epoch(num_cells: int, batch_size: int) -> int:
    """Minibatches of an epoch, the last of which may be smaller."""
    return math.ceil(num_cells / min(batch_size, num_cells))


def adam_l2(
    learning_rate: optax.ScalarOrSchedule,
    weight_decay: float,
    first_moment: float = 0.9,
) -> optax.GradientTransformation:
    """Adam with the weight decay inside the gradient."""
    return optax.chain(
        optax.add_decayed_weights(weight_decay),
        optax.adam(learning_rate, b1=first_moment),
    )


def start(
    predictor: Predictor, graphs: Graphs, key: jax.Array, config: FitConfig
) -> FitState:
    """Fresh parameters and optimizer state.

    Args:
      predictor: the network.
      graphs: [n] training cells.
      key: typed key of the draw.
      config: the recipe.
    """
    init_key, epoch_key = jax.random.split(key)
    params = predictor.init(init_key, graphs)
    optimizer = _optimizer(config, len(graphs))
    return FitState(params, optimizer.init(params), jnp.int32(0), epoch_key)


def train_epochs(
    predictor: Predictor,
    graphs: Graphs,
    labels: jax.Array,
    state: FitState,
    config: FitConfig,
    num_epochs: int,
) -> tuple[FitState, jax.Array]:
    """Trains on for `num_epochs`; pure and jittable, `num_epochs` static.

    Args:
      predictor: the network.
      graphs: [n] training cells.
      labels: [n] in training units.
      state: from `start` or from an earlier call.
      config: the recipe.
      num_epochs: epochs of this call.

    Returns:
      The new state and the training loss of each epoch, [num_epochs].
    """
    check_labels(graphs, labels)
    optimizer = _optimizer(config, len(graphs))
    num_cells = len(graphs)
    batch_size = min(config.batch_size, num_cells)
    num_steps = steps_per_epoch(num_cells, batch_size)

    loss_of = functools.partial(batch_loss, predictor, config)

    def step(carry, minibatch):
        params, opt_state = carry
        loss, grads = jax.value_and_grad(loss_of)(params, *minibatch)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), loss

    def epoch(state, _):
        order_key, dropout_key = jax.random.split(
            jax.random.fold_in(state.key, state.epoch)
        )
        order = jax.random.permutation(order_key, num_cells)
        slots = jnp.arange(num_steps * batch_size).reshape(num_steps, batch_size)
        rows = order[jnp.minimum(slots, num_cells - 1)]
        weights = (slots < num_cells).astype(jnp.float32)
        # Gathered once an epoch, so a step only slices.
        minibatches = (
            jax.tree.map(lambda leaf: leaf[rows], graphs),
            labels[rows],
            weights,
            jax.random.split(dropout_key, num_steps),
        )
        (params, opt_state), loss = jax.lax.scan(
            step, (state.params, state.opt_state), minibatches
        )
        cells = jnp.sum(weights, axis=1)
        mean_loss = jnp.sum(loss * cells) / jnp.sum(cells)
        return dataclasses.replace(
            state, params=params, opt_state=opt_state, epoch=state.epoch + 1
        ), mean_loss

    graphs = jax.tree.map(jnp.asarray, graphs)
    labels = jnp.asarray(labels)
    return jax.lax.scan(epoch, state, length=num_epochs)


def batch_loss(
    predictor: Predictor,
    config: FitConfig,
    params: Params,
    graphs: Graphs,
    labels: jax.Array,
    weights: jax.Array,
    dropout_key: jax.Array,
) -> jax.Array:
    """The predictor's objective, or without one the recipe's loss of its scores.

    Args:
      predictor: the network.
      config: the recipe.
      params: of the predictor.
      graphs: [B] cells.
      labels: [B] in training units.
      weights: [B], at least zero.
      dropout_key: typed key.

    Returns:
      [] the loss.
    """
    if predictor.objective is not None:
        return predictor.objective(
            params, graphs, labels, weights, dropout_key=dropout_key
        )
    scores = predictor.apply(params, graphs, dropout_key=dropout_key)
    return config.loss(scores, labels, weights)


def fit(
    predictor: Predictor,
    graphs: Graphs,
    labels: jax.Array,
    key: jax.Array,
    config: FitConfig | None = None,
) -> tuple[Params, jax.Array]:
    """Trains a predictor from nothing; pure, so `jax.jit` makes it one program.

    A predictor that is fitted on the host (`Predictor.on_host`) cannot be traced; call
    this outside `jax.jit`, or `draws.fit_draws` for either kind.

    Args:
      predictor: the network.
      graphs: [n] training cells.
      labels: [n] in training units (see `labels.fit_scale`).
      key: typed key of the draw.
      config: the recipe; None for the predictor's own.

    Returns:
      Parameters and the training loss of each epoch, [epochs]; none of a predictor
      that is fitted at once.

    Raises:
      ValueError: unless there is one label a graph, and a graph; and, of predictors
        that would learn from it, for a row that is no graph or has no finite label.
    """
    check_labels(graphs, labels)
    if predictor.fit is not None:
        return predictor.fit(key, graphs, labels), jnp.zeros(0)
    config = config or predictor.recipe
    state = start(predictor, graphs, key, config)
    state, loss = train_epochs(predictor, graphs, labels, state, config, config.epochs)
    return finish(predictor, state.params, graphs, labels), loss


def finish(
    predictor: Predictor, params: Params, graphs: Graphs, labels: jax.Array
) -> Params:
    """What the predictor stores of its training cells after the last step.

    Args:
      predictor: the network.
      params: trained.
      graphs: [n] training cells.
      labels: [n] in training units.
    """
    if predictor.finish is None:
        return params
    return predictor.finish(params, graphs, labels)


def _optimizer(config: FitConfig, num_cells: int) -> optax.GradientTransformation:
    per_epoch = steps_per_epoch(num_cells, config.batch_size)
    rate: optax.ScalarOrSchedule = config.learning_rate
    if config.cosine:
        cosine = optax.cosine_decay_schedule(config.learning_rate, config.epochs)

        # The rate is constant inside an epoch, as in the published code.
        rate = lambda count: cosine(jnp.asarray(count) // per_epoch)  # noqa: E731

    adam = adam_l2(rate, config.weight_decay, config.first_moment)
    if config.clip is None:
        return adam
    return optax.chain(optax.clip_by_global_norm(config.clip), adam)
