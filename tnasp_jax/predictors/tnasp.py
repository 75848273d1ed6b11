"""TNASP: a Transformer over an architecture's nodes with Laplacian positions.

"TNASP: A Transformer-based NAS Predictor with a Self-evolution Framework" (Lu et al.,
NeurIPS 2021), section 3. Sizes that the paper leaves out are those of PINAT (AAAI
2023), the public code of the same group. Axis letters: B architectures, N node slots,
T = B N tokens, D model width, H heads.
"""

import dataclasses
from typing import Literal, get_args

import flax.linen as nn
import jax
import jax.numpy as jnp

from tnasp_jax import encodings
from tnasp_jax.graphs import Graphs
from tnasp_jax.names import unknown
from tnasp_jax.predictors.base import Predictor
from tnasp_jax.predictors.layers import (
    Attention,
    Dropout,
    Narrowing,
    dense,
    embed,
    live_ops,
    mean_over,
    norm,
    of_network,
)

Position = Literal["laplacian", "none"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TnaspConfig:
    """Sizes and variants of TNASP; the defaults are the published network.

    Attributes:
      num_layers: encoder layers.
      width: D, model width.
      num_heads: H.
      head_width: width of a head's queries, keys and values.
      hidden: width of the feed-forward layer.
      regressor_hidden: width between the regressor's two linear maps.
      dropout: rate, after every sub-layer, on the attention and in the regressor.
      position: "laplacian" adds a linear map of each node's Laplacian row, "none"
        leaves the position term out (the paper's ablation).
      masked: whether attention and pooling leave dead slots out. The published code
        lets them take part, as nodes of an operation of their own.

    Raises:
      ValueError: for another position term.
    """

    num_layers: int = 3
    width: int = 80
    num_heads: int = 4
    head_width: int = 64
    hidden: int = 512
    regressor_hidden: int = 96
    dropout: float = 0.1
    position: Position = "laplacian"
    masked: bool = True

    def __post_init__(self) -> None:
        if self.position not in (known := get_args(Position)):
            raise ValueError(unknown("position", self.position, known))


def tnasp(num_ops: int, config: TnaspConfig = TnaspConfig()) -> Predictor:
    """The TNASP predictor for graphs whose nodes have `num_ops` operations.

    Args:
      num_ops: number of operations of the space, `len(space.ops)`.
      config: sizes and variants.

    Returns:
      A `Predictor`; `apply` raises ValueError at trace time for wrong shapes.
    """
    network = _Tnasp(num_ops, config)
    return Predictor(*of_network(network, num_ops, position_slots))


def position_slots(params) -> int | None:
    """N that the position map was made for; None without a position term."""
    return params["position"]["kernel"].shape[0] if "position" in params else None


class _Tnasp(nn.Module):
    num_ops: int
    config: TnaspConfig

    @nn.compact
    def __call__(self, graphs: Graphs, train: bool = False) -> jax.Array:
        cfg = self.config
        batch, slots = graphs.ops.shape
        mask = jnp.asarray(graphs.mask)
        ops = live_ops(graphs, self.num_ops)
        tokens_TD = embed(self.num_ops + 1, cfg.width, "operation")(ops.reshape(-1))
        if cfg.position == "laplacian":
            rows = encodings.laplacian_rows(graphs).reshape(batch * slots, slots)
            tokens_TD += dense(cfg.width, "position")(rows)
        if not cfg.masked:
            mask = jnp.ones_like(mask)
        return TransformerRegressor(cfg, name="encoder")(
            tokens_TD.reshape(batch, slots, cfg.width), mask, train
        )


class TransformerRegressor(nn.Module):
    """Post-norm Transformer encoder, mean over live tokens, linear regressor."""

    config: TnaspConfig

    @nn.compact
    def __call__(
        self, tokens_BND: jax.Array, mask_BN: jax.Array, train: bool
    ) -> jax.Array:
        cfg = self.config
        batch, slots, width = tokens_BND.shape
        # One matrix product over all tokens beats B small ones on every platform.
        x_TD = tokens_BND.reshape(batch * slots, width)
        x_TD = norm("norm")(Dropout(cfg.dropout)(x_TD, train))
        for layer in range(cfg.num_layers):
            attended_TD = Attention(
                cfg.num_heads, cfg.head_width, cfg.dropout, name=f"attention_{layer}"
            )(x_TD, mask_BN, train)
            x_TD = norm(f"attention_norm_{layer}")(x_TD + attended_TD)
            hidden = nn.relu(dense(cfg.hidden, f"expand_{layer}")(x_TD))
            mixed_TD = Narrowing(width, name=f"contract_{layer}")(hidden)
            mixed_TD = Dropout(cfg.dropout)(mixed_TD, train)
            x_TD = norm(f"mix_norm_{layer}")(x_TD + mixed_TD)
        pooled_BD = mean_over(mask_BN, x_TD.reshape(batch, slots, width))
        hidden = dense(cfg.regressor_hidden, "regressor_in", bias=False)(pooled_BD)
        hidden = Dropout(cfg.dropout)(hidden, train)
        return dense(1, "regressor_out", bias=False)(hidden)[:, 0]
