"""CTNAS: a comparator that says which of two architectures is the better one.

"Contrastive Neural Architecture Search with Neural Architecture Comparators" (Chen et
al., CVPR 2021), section 3. Axis letters: B architectures, N node slots, D width, R
references.
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from tnasp_jax.graphs import Graphs, check_shapes, live_adjacency
from tnasp_jax.predictors.base import Predictor
from tnasp_jax.predictors.layers import (
    FLOAT32,
    Dropout,
    dense,
    embed,
    mean_over,
    mode,
    of_network,
    with_itself,
)
from tnasp_jax.predictors.recipe import FitConfig

RECIPE = FitConfig(
    epochs=1000,
    batch_size=256,
    learning_rate=2e-4,
    first_moment=0.5,
    weight_decay=5e-4,
    cosine=False,
)
"""The published training, of RegressionNAS too."""

# log(p / (1 - p)) / 1.702 is the normal quantile of p to within 0.1 for usual p.
LOGIT_PER_QUANTILE = 1.702


@dataclasses.dataclass(frozen=True, kw_only=True)
class CtnasConfig:
    """Sizes of CTNAS and of RegressionNAS; the defaults are the published network.

    Attributes:
      num_layers: graph convolutions.
      width: D, of the operations' embedding and of every layer.
      dropout: rate on the graph's vector. Ours: the paper has none.
      num_references: R, at most so many training cells are kept to compare with; of
        more than that, R evenly spread rows.
    """

    num_layers: int = 4
    width: int = 128
    dropout: float = 0.1
    num_references: int = 512


def ctnas(num_ops: int, config: CtnasConfig = CtnasConfig()) -> Predictor:
    """The comparator for graphs whose nodes have `num_ops` operations.

    With u the vector of a graph, P(i beats j) = sigmoid(w . [u_i; u_j] + b), trained
    by binary cross-entropy on all pairs of a batch whose labels differ. The score is
    log(p / (1 - p)) / 1.702 for p the mean probability to beat the references: a rising
    function of the published score p that does not saturate in float32, and about the
    normal quantile of the rank among the references, so in label units where labels
    are trained in ranks.

    The references are the training cells' vectors, which `finish` writes. Until then
    they are zero vectors, which neither gradients nor L2 move.

    Args:
      num_ops: number of operations of the space, `len(space.ops)`.
      config: sizes.

    Returns:
      A `Predictor` with an objective and a finish; `apply` raises ValueError at trace
      time for wrong shapes.
    """
    network = _Ctnas(num_ops, config)
    init, apply = of_network(network, num_ops)

    def objective(params, graphs: Graphs, labels, weights, *, dropout_key):
        check_shapes(graphs)
        logits_BB = network.apply(
            {"params": params}, graphs, method="pairs", **mode(dropout_key)
        )
        return comparison_loss(jnp.asarray(logits_BB), labels, weights)

    def finish(params, graphs: Graphs, labels: jax.Array):
        del labels
        count = graphs.ops.shape[0]
        kept = min(count, config.num_references)
        rows = np.arange(kept) * count // kept
        cells = jax.tree.map(lambda leaf: jnp.asarray(leaf)[rows], graphs)
        vectors_RD = jnp.asarray(
            network.apply({"params": params}, cells, method="vectors")
        )
        empty = config.num_references - kept
        return {
            **params,
            "references": jnp.pad(vectors_RD, ((0, empty), (0, 0))),
            "present": jnp.pad(jnp.ones(kept, jnp.float32), (0, empty)),
        }

    return Predictor(init, apply, objective, finish, orders_only=True, recipe=RECIPE)


def comparison_loss(
    logits_BB: jax.Array, labels: jax.Array, weights: jax.Array
) -> jax.Array:
    """Binary cross-entropy of "i beats j", mean over pairs whose labels differ.

    Args:
      logits_BB: [B, B], entry (i, j) the log-odds that i beats j.
      labels: [B].
      weights: [B], at least zero; a pair counts w_i w_j.
    """
    order = jnp.sign(labels[:, None] - labels[None, :])
    pairs = jnp.abs(order) * weights[:, None] * weights[None, :]
    loss = jax.nn.softplus(-logits_BB * order)
    return jnp.sum(pairs * loss) / jnp.maximum(jnp.sum(pairs), 1e-12)


class GraphEncoder(nn.Module):
    """Graph convolutions over A + I, then the mean over live nodes: [B, D].

    x <- x + ReLU(Â x W + b), where the rows of Â are those of A + I divided by their
    sums: a node takes in what it feeds. Both CTNAS and RegressionNAS read graphs by it.
    """

    num_ops: int
    config: CtnasConfig

    @nn.compact
    def __call__(self, graphs: Graphs, train: bool) -> jax.Array:
        cfg = self.config
        mask_BN = jnp.asarray(graphs.mask)
        batch, slots = mask_BN.shape
        ops = jnp.where(mask_BN, jnp.clip(graphs.ops, 0, self.num_ops - 1), 0)
        x_BND = embed(self.num_ops, cfg.width, "operation")(ops)
        mixing_BNN = with_itself(live_adjacency(graphs))
        for layer in range(cfg.num_layers):
            mixed_BND = jnp.matmul(mixing_BNN, x_BND, precision=FLOAT32)
            mixed_TD = mixed_BND.reshape(batch * slots, cfg.width)
            out_TD = nn.relu(dense(cfg.width, f"convolution_{layer}")(mixed_TD))
            x_BND += out_TD.reshape(x_BND.shape)
        return Dropout(cfg.dropout)(mean_over(mask_BN, x_BND), train)


class _Ctnas(nn.Module):
    num_ops: int
    config: CtnasConfig

    def setup(self):
        cfg = self.config
        zeros = nn.initializers.zeros
        self.encoder = GraphEncoder(self.num_ops, cfg)
        # [u_i; u_j] -> 1 as two maps, so that no pair of vectors is ever built.
        start = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
        self.comparator = self.param("comparator", start, (2 * cfg.width, 1))
        self.bias = self.param("bias", zeros, (1,))
        self.references = self.param(
            "references", zeros, (cfg.num_references, cfg.width)
        )
        self.present = self.param("present", zeros, (cfg.num_references,))

    def vectors(self, graphs: Graphs, train: bool = False) -> jax.Array:
        return self.encoder(graphs, train)

    def pairs(self, graphs: Graphs, train: bool = False) -> jax.Array:
        u_BD = self.vectors(graphs, train)
        return self._logits(u_BD, u_BD)

    def __call__(self, graphs: Graphs, train: bool = False) -> jax.Array:
        references_RD = jax.lax.stop_gradient(self.references)
        present_R = jax.lax.stop_gradient(self.present)
        # Before finish none is present: then all of them, which are zero, take part.
        present_R = jnp.where(jnp.any(present_R > 0), present_R, 1.0)
        logits_BR = self._logits(self.vectors(graphs, train), references_RD)

        def log_mean(log_probability_BR):
            return nn.logsumexp(log_probability_BR, axis=1, b=present_R[None, :])

        won = log_mean(nn.log_sigmoid(logits_BR))
        lost = log_mean(nn.log_sigmoid(-logits_BR))
        return (won - lost) / LOGIT_PER_QUANTILE

    def _logits(self, u_BD: jax.Array, v_RD: jax.Array) -> jax.Array:
        width = self.config.width
        first = jnp.matmul(u_BD, self.comparator[:width], precision=FLOAT32)
        second = jnp.matmul(v_RD, self.comparator[width:], precision=FLOAT32)
        return first + second.T + self.bias[None, :]
