"""A network that mixes nodes along the edges and against them, beside invariants.

Residual layers in which a node adds up what its predecessors send and what its
successors send, each through a map of its own: the direction-aware mixing of NN-Former
("NN-Former: Rethinking Graph Structure in Neural Architecture Representation", CVPR
2025) without attention. The sizes, the training and the invariants beside it are ours.
Axis letters: B architectures, N node slots, D width, F invariants, M members, n training
cells.
"""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from tnasp_jax import losses
from tnasp_jax.graphs import (
    Graphs,
    check_learnable,
    check_shapes,
    is_valid,
    live_adjacency,
)
from tnasp_jax.invariants import invariants, kinds, standard_of, standardised
from tnasp_jax.predictors.base import Params, Predictor
from tnasp_jax.predictors.layers import (
    FLOAT32,
    Dropout,
    dense,
    embed,
    live_ops,
    mean_over,
    norm,
)
from tnasp_jax.spaces.base import CostedSpace


@dataclasses.dataclass(frozen=True, kw_only=True)
class Regime:
    """What follows the number of training cells.

    Attributes:
      dropout: rate on hidden features.
      invariant_dropout: rate on the invariants.
      batch_size: cells of a step, at most.
      batch_nodes: node slots of a step, at most: large graphs come in smaller batches,
        so that a step costs the same.
    """

    dropout: float
    invariant_dropout: float
    batch_size: int
    batch_nodes: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class DagnetConfig:
    """The network and its training.

    Attributes:
      num_layers: of mixing.
      width: D.
      hidden: width of a layer's hidden features.
      invariant_width: of the layer on the invariants; 0 leaves them out.
      regressor_hidden: of the layer before the score.
      members: M networks from different starts, whose scores are averaged.
      few: the regime up to `many_cells` training cells.
      many: the regime beyond.
      many_cells: where it changes.
      learning_rate: of AdamW: a tenth of the steps rising to it, then falling to 0 by a
        cosine.
      weight_decay: of AdamW, decoupled.
      average: decay of the running mean of the parameters, which is what is kept.
      steps_per_root: a draw of n cells trains for so many times sqrt(n) steps.
      limit: of standardised invariants, in standard deviations.
    """

    num_layers: int = 4
    width: int = 48
    hidden: int = 96
    invariant_width: int = 64
    regressor_hidden: int = 96
    members: int = 1
    few: Regime = Regime(
        dropout=0.1, invariant_dropout=0.2, batch_size=128, batch_nodes=1024
    )
    many: Regime = Regime(
        dropout=0.2, invariant_dropout=0.5, batch_size=256, batch_nodes=2048
    )
    many_cells: int = 1000
    learning_rate: float = 3e-3
    weight_decay: float = 0.5
    average: float = 0.99
    steps_per_root: float = 20.0
    limit: float = 5.0

    def regime(self, num_cells: int) -> Regime:
        """That of a number of training cells."""
        return self.many if num_cells > self.many_cells else self.few


def dagnet(space: CostedSpace, config: DagnetConfig = DagnetConfig()) -> Predictor:
    """The network for the graphs of a space.

    It brings its own training: `Predictor.fit`, the squared error of labels in training
    units.

    Returns:
      A `Predictor` whose `apply` is the mean over its members.
    """
    members = networks(len(space.ops), config)
    size = len(kinds(space)) if config.invariant_width else 0

    def read(graphs: Graphs) -> jax.Array:
        if size:
            return invariants(graphs, space)
        return jnp.zeros((graphs.ops.shape[0], 0))

    def init(key: jax.Array, graphs: Graphs) -> Params:
        check_shapes(graphs)
        return members.init(key, graphs, jnp.zeros((len(graphs), size)))

    def apply(params, graphs: Graphs, *, dropout_key=None) -> jax.Array:
        del dropout_key  # It is not trained by the recipe's steps.
        check_shapes(graphs)
        mean = jnp.mean(members.scores(params, graphs, read(graphs)), axis=0)
        return jnp.where(is_valid(graphs, len(space.ops)), mean, jnp.nan)

    def fit(key: jax.Array, graphs: Graphs, labels: jax.Array) -> Params:
        check_learnable(graphs, labels, len(space.ops))
        graphs, labels = jax.tree.map(jnp.asarray, (graphs, labels))
        rows = jnp.arange(len(labels))[None]
        rows = jnp.broadcast_to(rows, (config.members, len(labels)))
        return members.fit(key, graphs, read(graphs), labels, rows)

    return Predictor(init, apply, fit=fit)


class Networks(NamedTuple):
    """Members on graphs and their invariants, neither checked.

    Attributes:
      init: `init(key, graphs [n], x [n, F]) -> params`.
      scores: `scores(params, graphs [B], x [B, F]) -> [M, B]`.
      fit: `fit(key, graphs [n], x [n, F], labels [n], rows [M, m]) -> params`; rows are
        the training cells that a member sees.
    """

    init: Callable[[jax.Array, Graphs, jax.Array], Params]
    scores: Callable[[Params, Graphs, jax.Array], jax.Array]
    fit: Callable[[jax.Array, Graphs, jax.Array, jax.Array, jax.Array], Params]


def networks(num_ops: int, config: DagnetConfig) -> Networks:
    """M networks from different starts.

    Args:
      num_ops: number of operations of the space, `len(space.ops)`.
      config: sizes and training; without an `invariant_width` x has no columns.
    """
    network = _Dagnet(num_ops, config, config.few)

    def standard(params, x: jax.Array) -> jax.Array:
        return standardised(params, x, config.limit) if config.invariant_width else x

    def init(key: jax.Array, graphs: Graphs, x: jax.Array) -> Params:
        def start(key):
            return network.init(key, graphs, x)["params"]

        plain = {"mean": jnp.zeros(x.shape[1]), "scale": jnp.ones(x.shape[1])}
        members = jax.vmap(start)(jax.random.split(key, config.members))
        return {**(plain if config.invariant_width else {}), "members": members}

    def scores(params, graphs: Graphs, x: jax.Array) -> jax.Array:
        x = standard(params, x)

        def one(member):
            return jnp.asarray(network.apply({"params": member}, graphs, x))

        return jax.vmap(one)(params["members"])

    def fit(
        key: jax.Array, graphs: Graphs, x: jax.Array, labels: jax.Array, rows: jax.Array
    ) -> Params:
        plain = standard_of(x) if config.invariant_width else {}
        cells = graphs, standard(plain, x)
        trained = _Dagnet(num_ops, config, config.regime(rows.shape[1]))

        def one(each):
            key, rows = each
            seen = jax.tree.map(lambda leaf: leaf[rows], cells)
            return train(trained, seen, labels[rows], key, config)

        members = jax.lax.map(one, (jax.random.split(key, config.members), rows))
        return {**plain, "members": members}

    return Networks(init, scores, fit)


def num_steps(num_cells: int, config: DagnetConfig) -> int:
    """Steps of a member: they grow with the square root of the training cells."""
    return max(1, round(config.steps_per_root * num_cells**0.5))


def batch_of(num_cells: int, num_nodes: int, regime: Regime) -> int:
    """Cells of a step, out of n cells of N node slots."""
    largest = min(regime.batch_size, regime.batch_nodes // num_nodes)
    return min(max(1, largest), num_cells)


def train(
    network: nn.Module,
    read: tuple[Graphs, jax.Array],
    labels: jax.Array,
    key: jax.Array,
    config: DagnetConfig,
) -> Params:
    """One member: AdamW with warm-up and cosine, the running mean of its parameters.

    Args:
      network: called as `network(graphs, invariants, train)`.
      read: [n] training cells and their standardised invariants [n, F].
      labels: [n] in training units.
      key: of the start, the batches and the dropout.
      config: the recipe.
    """
    num_cells = len(labels)
    steps = num_steps(num_cells, config)
    batch = batch_of(num_cells, read[0].ops.shape[1], config.regime(num_cells))
    rate = optax.warmup_cosine_decay_schedule(
        0.0, config.learning_rate, max(1, steps // 10), steps
    )
    optimizer = optax.adamw(rate, weight_decay=config.weight_decay)
    start_key, step_key = jax.random.split(key)
    start = network.init(start_key, *read)["params"]

    def step(carry, at):
        params, mean, state = carry
        rows_key, dropout_key = jax.random.split(jax.random.fold_in(step_key, at))
        rows = jax.random.permutation(rows_key, num_cells)[:batch]
        cells = jax.tree.map(lambda leaf: leaf[rows], read)

        def loss(params):
            scores = network.apply(
                {"params": params}, *cells, train=True, rngs={"dropout": dropout_key}
            )
            return losses.mse(jnp.asarray(scores), labels[rows], jnp.ones(batch))

        updates, state = optimizer.update(jax.grad(loss)(params), state, params)
        params = optax.apply_updates(params, updates)
        mean = optax.incremental_update(params, mean, 1 - config.average)
        return (params, mean, state), None

    (_, mean, _), _ = jax.lax.scan(
        step, (start, start, optimizer.init(start)), jnp.arange(steps)
    )
    return mean


class _Dagnet(nn.Module):
    """h <- h + W2 ReLU(W1 h + Wm [A G1 h; A^T G2 h]), h behind a layer norm inside."""

    num_ops: int
    config: DagnetConfig
    regime: Regime

    @nn.compact
    def __call__(
        self, graphs: Graphs, invariants_BF: jax.Array, train: bool = False
    ) -> jax.Array:
        cfg = self.config
        live_BN1 = jnp.asarray(graphs.mask)[:, :, None].astype(jnp.float32)
        forward_BNN = live_adjacency(graphs).astype(jnp.float32)
        backward_BNN = jnp.swapaxes(forward_BNN, 1, 2)

        def along(edges_BNN, x_BND, name):
            sent_BND = dense(cfg.width, name)(x_BND)
            return jnp.matmul(edges_BNN, sent_BND, precision=FLOAT32)

        ops = live_ops(graphs, self.num_ops)
        h_BND = embed(self.num_ops + 1, cfg.width, "operation")(ops) * live_BN1
        for layer in range(cfg.num_layers):
            x_BND = norm(f"norm_{layer}")(h_BND)
            mixed = [
                along(forward_BNN, x_BND, f"from_successors_{layer}"),
                along(backward_BNN, x_BND, f"from_predecessors_{layer}"),
            ]
            hidden = dense(cfg.hidden, f"own_{layer}")(x_BND)
            hidden += dense(cfg.hidden, f"mix_{layer}", bias=False)(
                jnp.concatenate(mixed, axis=2)
            )
            hidden = Dropout(self.regime.dropout)(nn.relu(hidden), train)
            h_BND = (h_BND + dense(cfg.width, f"contract_{layer}")(hidden)) * live_BN1
        x_BND = norm("norm")(h_BND) * live_BN1
        is_output_BN = live_BN1[:, :, 0] * (jnp.sum(forward_BNN, axis=2) == 0)
        output_BD = jnp.einsum("bn,bnd->bd", is_output_BN, x_BND, precision=FLOAT32)
        read = [output_BD, mean_over(jnp.asarray(graphs.mask), x_BND)]
        if cfg.invariant_width:
            known = Dropout(self.regime.invariant_dropout)(invariants_BF, train)
            read.append(nn.relu(dense(cfg.invariant_width, "invariants")(known)))
        features = Dropout(self.regime.dropout)(jnp.concatenate(read, axis=1), train)
        hidden = nn.relu(dense(cfg.regressor_hidden, "regressor_in")(features))
        return dense(1, "regressor_out")(hidden)[:, 0]
