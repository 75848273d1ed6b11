"""PINAT: TNASP's Transformer with a permutation-invariant module in every layer.

"PINAT: A Permutation INvariance Augmented Transformer for NAS Predictor" (Lu et al.,
AAAI 2023). Published: three post-norm layers of width 80 with heads of 64, a hidden width
of 512, the directed Laplacian's rows as positions, the mean over nodes, a regressor
80 -> 96 -> 1, and a permutation-invariant module that works beside self-attention, on
the graph's structure, with a hidden width of 256. The paper's own form of the module was
not at hand. Ours, in this file: what the module computes (see `_Invariant`), that it takes
the place of two of the four heads, and that dead slots take part in nothing. Axis
letters: B architectures, N node slots, T = B N tokens, D model width.
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from tnasp_jax import encodings, losses
from tnasp_jax.graphs import Graphs, live_adjacency
from tnasp_jax.predictors.base import Predictor
from tnasp_jax.predictors.layers import (
    FLOAT32,
    Attention,
    Dropout,
    Narrowing,
    dense,
    embed,
    live_ops,
    mean_over,
    norm,
    of_network,
    with_itself,
)
from tnasp_jax.predictors.tnasp import position_slots


@dataclasses.dataclass(frozen=True, kw_only=True)
class PinatConfig:
    """Sizes and the loss of PINAT; the defaults are the published network.

    Attributes:
      num_layers: encoder layers.
      width: D, model width.
      num_heads: heads of self-attention; two of the published four stand aside for the
        invariant module.
      head_width: width of a head's queries, keys and values.
      invariant_hidden: hidden width of the invariant module.
      hidden: width of the feed-forward layer.
      regressor_hidden: width between the regressor's two linear maps.
      dropout: rate, after every sub-layer, on the attention and in the regressor.
      ranking: whether it is trained by the pairwise cross-entropy of the paper's better
        rows in place of the recipe's loss.
    """

    num_layers: int = 3
    width: int = 80
    num_heads: int = 2
    head_width: int = 64
    invariant_hidden: int = 256
    hidden: int = 512
    regressor_hidden: int = 96
    dropout: float = 0.1
    ranking: bool = False


def pinat(num_ops: int, config: PinatConfig = PinatConfig()) -> Predictor:
    """The PINAT predictor for graphs whose nodes have `num_ops` operations.

    Args:
      num_ops: number of operations of the space, `len(space.ops)`.
      config: sizes and the loss.

    Returns:
      A `Predictor`; with `ranking` its objective is `losses.pairwise_logistic`, and only
      the order of its scores means something. `apply` raises ValueError at trace time
      for wrong shapes.
    """
    network = _Pinat(num_ops, config)
    init, apply = of_network(network, num_ops, position_slots)

    def objective(params, graphs: Graphs, labels, weights, *, dropout_key):
        scores = apply(params, graphs, dropout_key=dropout_key)
        return losses.pairwise_logistic(scores, labels, weights)

    if config.ranking:
        return Predictor(init, apply, objective, orders_only=True)
    return Predictor(init, apply)


class _Pinat(nn.Module):
    num_ops: int
    config: PinatConfig

    @nn.compact
    def __call__(self, graphs: Graphs, train: bool = False) -> jax.Array:
        cfg = self.config
        mask_BN = jnp.asarray(graphs.mask)
        batch, slots = mask_BN.shape
        live_BNN = live_adjacency(graphs)
        forward_BNN = with_itself(live_BNN)
        backward_BNN = with_itself(jnp.swapaxes(live_BNN, 1, 2))
        weights = mask_BN / jnp.maximum(jnp.sum(mask_BN, axis=1, keepdims=True), 1)
        ops = live_ops(graphs, self.num_ops)
        x_TD = embed(self.num_ops + 1, cfg.width, "operation")(ops.reshape(-1))
        rows = encodings.laplacian_rows(graphs).reshape(batch * slots, slots)
        x_TD += dense(cfg.width, "position")(rows)
        x_TD = norm("norm")(Dropout(cfg.dropout)(x_TD, train))
        for layer in range(cfg.num_layers):
            attended_TD = Attention(
                cfg.num_heads, cfg.head_width, cfg.dropout, name=f"attention_{layer}"
            )(x_TD, mask_BN, train)
            invariant_TD = _Invariant(cfg, name=f"invariant_{layer}")(
                x_TD, forward_BNN, backward_BNN, weights, train
            )
            x_TD = norm(f"attention_norm_{layer}")(x_TD + attended_TD + invariant_TD)
            hidden = nn.relu(dense(cfg.hidden, f"expand_{layer}")(x_TD))
            mixed_TD = Narrowing(cfg.width, name=f"contract_{layer}")(hidden)
            mixed_TD = Dropout(cfg.dropout)(mixed_TD, train)
            x_TD = norm(f"mix_norm_{layer}")(x_TD + mixed_TD)
        pooled_BD = mean_over(mask_BN, x_TD.reshape(batch, slots, cfg.width))
        hidden = dense(cfg.regressor_hidden, "regressor_in", bias=False)(pooled_BD)
        hidden = Dropout(cfg.dropout)(hidden, train)
        return dense(1, "regressor_out", bias=False)(hidden)[:, 0]


class _Invariant(nn.Module):
    """V ReLU(W [Â x; Â' x; mean x] + b), the same whatever the order of the nodes.

    Â mixes a node with those it feeds, Â' with those that feed it (rows of A + I and of
    A^T + I over their sums), and the mean is that of the set of live nodes. That V adds to
    the heads' output equals joining the module to the heads before their linear map.
    """

    config: PinatConfig

    @nn.compact
    def __call__(
        self,
        x_TD: jax.Array,
        forward_BNN: jax.Array,
        backward_BNN: jax.Array,
        weights_BN: jax.Array,
        train: bool,
    ) -> jax.Array:
        cfg = self.config
        batch, slots = weights_BN.shape
        x_BND = x_TD.reshape(batch, slots, cfg.width)
        # Every row of the third matrix is the mean.
        mean_BNN = jnp.broadcast_to(weights_BN[:, None], forward_BNN.shape)
        mixing = jnp.concatenate([forward_BNN, backward_BNN, mean_BNN], axis=1)
        mixed = jnp.matmul(mixing, x_BND, precision=FLOAT32)
        mixed = jnp.swapaxes(mixed.reshape(batch, 3, slots, cfg.width), 1, 2)
        hidden = nn.relu(
            dense(cfg.invariant_hidden, "expand")(
                mixed.reshape(batch * slots, 3 * cfg.width)
            )
        )
        out_TD = Narrowing(cfg.width, bias=False, name="contract")(hidden)
        return Dropout(cfg.dropout)(out_TD, train)
